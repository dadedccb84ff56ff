"""Python commands: a function of the project, called with its upstreams and a context.

The function's own errors become one sentence with file and line; its traceback goes to the log, without our frames.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from assets_cli.computes import arguments
from assets_cli.computes.annotations import Form
from assets_cli.computes.context import Context
from assets_cli.computes.libraries import EXTRAS, install
from assets_cli.computes.protocol import Channel, ComputeFailedError, Databases, Done, Job
from assets_cli.computes.sql import look
from assets_cli.model.spelling import nearest

_OURS = str(Path(__file__).parent.parent)
_BETWEEN = re.compile(r"<frozen |[/\\](?:asyncio|importlib)[/\\]\w+\.py$")


def run(job: Job, databases: Databases, channel: Channel) -> Done:
    """Call the function of a job and publish what it returns, or look at the table that it left by itself.

    Raises:
        ComputeFailedError: it cannot be found or called, it raised, it returned what can't be stored at the output, or
            it returned nothing and left no table.
    """
    function = _load(job)
    done = _call_and_publish(function, job, databases, channel)
    table, is_content = job.output.table, job.data_version == "content"
    if job.data_version_sql is None and (table is None or (done is not None and not is_content)):
        return done or Done()
    with closing(databases(job.connection).open(read_only=True)) as session:
        if done is None or (table is not None and is_content):
            return look(session, table, job.data_version_sql, job.data_version)
        return done._replace(data_version=look(session, None, job.data_version_sql).data_version)


def _call_and_publish(function: Callable[..., Any], job: Job, databases: Databases, channel: Channel) -> Done | None:
    """Call the function and publish what it returns; None where it returned nothing."""
    context = Context(job, databases, channel)
    with closing(_Frames(job, databases, context)) as frames:
        returned = False
        try:
            given = arguments.bind(function, job.upstreams, context, frames)
            result = _guarded(lambda: _call(function, given), job.root)
            returned = True
            given = arguments.Arguments((), {})  # upstreams are not held in memory while the result is written
            if result is not None and _is_lazy(result):
                context.commit()
                return _publish(result, job, databases, channel, context)
        finally:
            context.finish(commit=returned)
        return None if result is None else _publish(result, job, databases, channel, context)


def _is_lazy(result: Any) -> bool:
    """Whether rows are still to be read, perhaps through a connection that must not be closed before."""
    from assets_cli.computes.frames import returned  # on use: a function that returns nothing does without

    return returned.is_lazy(returned.library_of(result))


def _publish(result: Any, job: Job, databases: Databases, channel: Channel, context: Context) -> Done:
    from assets_cli.computes import publishing  # on use; see above

    return publishing.publish(result, job, databases, channel, context.opened)


class _Frames:
    """Reads upstreams as frames; what that takes is imported when the first one is asked for."""

    def __init__(self, job: Job, databases: Databases, context: Context) -> None:
        self._job = job
        self._databases = databases
        self._context = context
        self._stack = ExitStack()

    def read(self, wanted: Mapping[str, tuple[Form, str]]) -> dict[str, Any]:
        """The contents of upstreams, each in its form."""
        from assets_cli.computes.frames.reading import Upstreams  # on use; see above

        upstreams = Upstreams(self._job, self._databases, self._context.session)
        return self._stack.enter_context(closing(upstreams)).read(wanted)

    def close(self) -> None:
        """Close what relations needed."""
        self._stack.close()


def ask(job: Job, databases: Databases, channel: Channel) -> Any:
    """What the function of a job returns when it is asked, as a check is; nothing is published or committed.

    Raises:
        ComputeFailedError: it cannot be found or called, or it raised.
    """
    function = _load(job)
    context = Context(job, databases, channel)
    with closing(_Frames(job, databases, context)) as frames:
        try:
            given = arguments.bind(function, job.upstreams, context, frames)
            return _guarded(lambda: _call(function, given), job.root)
        finally:
            context.finish(commit=False)


def _load(job: Job) -> Callable[..., Any]:
    function: Callable[..., Any] = _guarded(
        lambda: load(job.command["module"], job.command["function"], job.root), job.root
    )
    return function


def load(name: str, attribute: str, root: str) -> Callable[..., Any]:
    """A function of a module, which is imported with the project's root first on the path.

    Raises:
        ComputeFailedError: there is no such module or function.
        BaseException: whatever the module raises.
    """
    if not sys.path or sys.path[0] != root:
        sys.path.insert(0, root)
    module = _import(name)
    found = getattr(module, attribute, None)
    if found is None:
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        near = nearest(attribute, functions)
        hint = f"did you mean {near}?" if near else None
        raise ComputeFailedError(f"the module {name} has no function {attribute}", hint=hint)
    if not callable(found):
        raise ComputeFailedError(f"{name}:{attribute} is no function, but of type {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


def _import(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # A module that is missing within the user's module is the user's error, with its traceback.
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            hint = "it is imported with the project root on sys.path"
            raise ComputeFailedError(f"there is no module {error.name}", hint=hint) from None
        raise


def _call(function: Callable[..., Any], given: arguments.Arguments) -> Any:
    result = function(*given.positional, **given.named)
    if inspect.iscoroutine(result):
        import asyncio  # heavy: only for coroutines

        return asyncio.run(result)
    return result


def _guarded(call: Callable[[], Any], root: str) -> Any:
    """The result of running the user's code; what it raises as one sentence, its traceback printed.

    Raises:
        ComputeFailedError: it raised, or called for an exit with another code than 0.
    """
    try:
        return call()
    except ComputeFailedError:
        raise
    except SystemExit as stop:
        if stop.code in (None, 0):
            return None
        if isinstance(stop.code, int):
            raise ComputeFailedError(f"exit code {stop.code}", exit_code=stop.code & 0xFF or 1) from None
        raise ComputeFailedError(str(stop.code)) from None
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the step's result
        import traceback  # on use: only after an error

        trace = theirs(error.__traceback__)
        with suppress(Exception):  # it may have closed what we would print to
            traceback.print_exception(type(error), error, trace, file=sys.stderr)
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        hint = install(missing) if missing in EXTRAS else None
        raise ComputeFailedError(_sentence(error, trace, root), hint=hint, logged=True) from None


def theirs(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's first frame on."""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_OURS) and not _BETWEEN.search(file):
            return trace
        trace = trace.tb_next
    return None


def _sentence(error: BaseException, trace: TracebackType | None, root: str) -> str:
    """`ValueError: text (features/build.py:12)`."""
    said, where = blame(error, trace, root)
    return f"{said} ({where[0]}:{where[1]})" if where else said


def blame(error: BaseException, trace: TracebackType | None, root: str) -> tuple[str, tuple[str, int] | None]:
    """`ValueError: text`, and file and line of the last frame within the project, or else of the last."""
    try:
        text = next((line for line in str(error).splitlines() if line.strip()), "").strip()
    except Exception:  # noqa: BLE001 - an error of the user's own may not even know how to say what it is
        text = ""
    where = _place(error.filename, error.lineno, root) if isinstance(error, SyntaxError) and error.filename else None
    if isinstance(error, SyntaxError) and where:
        text = error.msg
    places = []
    while trace is not None and where is None:
        places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    if places:
        within = [place for place in places if _is_project(place[0], root)]
        where = _place(*(within or places)[-1], root)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__, where


def _is_project(file: str, root: str) -> bool:
    return file.startswith(root + "/") and "/site-packages/" not in file


def _place(file: str, line: int | None, root: str) -> tuple[str, int]:
    return file.removeprefix(root + "/"), line or 1
