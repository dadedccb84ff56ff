"""Python commands: a function of the project, called with its upstreams and a context.

The function's own errors become one sentence with file and line; its traceback goes to the log, without our frames.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from assets_cli.computes import arguments
from assets_cli.computes.context import Context
from assets_cli.computes.protocol import Channel, ComputeFailedError, Databases, Done, Job
from assets_cli.computes.sql import look

_OURS = str(Path(__file__).parent.parent)
_BETWEEN = re.compile(r"<frozen |[/\\](?:asyncio|importlib)[/\\]\w+\.py$")


def run(job: Job, databases: Databases, channel: Channel) -> Done:
    """Call the function of a job and look at the table that it left, in a session of its own.

    Raises:
        ComputeFailedError: it cannot be found or called, it raised, it returned something, or it left no table.
    """
    function = _load(job)
    context = Context(job, databases, channel)
    given = arguments.bind(function, job.upstreams, context)
    returned = False
    try:
        result = _guarded(lambda: _call(function, given), job.root)
        returned = True
    finally:
        context.finish(commit=returned)
    if result is not None:
        raise ComputeFailedError(
            f"{_title(job)} returned a value of type {type(result).__name__}; returned values are not stored yet",
            hint="write to context.output and return nothing",
        )
    if job.output.table is None and job.data_version_sql is None:
        return Done()
    with closing(databases(job.connection).open(read_only=True)) as session:
        return look(session, job.output.table, job.data_version_sql)


def _load(job: Job) -> Callable[..., Any]:
    name, attribute = job.command["module"], job.command["function"]
    if not sys.path or sys.path[0] != job.root:
        sys.path.insert(0, job.root)
    module = _guarded(lambda: _import(name), job.root)
    found = getattr(module, attribute, None)
    if found is None:
        import difflib  # on use: only after an error

        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        near = difflib.get_close_matches(attribute, functions, n=1)
        hint = f"did you mean {near[0]}?" if near else None
        raise ComputeFailedError(f"the module {name} has no function {attribute}", hint=hint)
    if not callable(found):
        raise ComputeFailedError(f"{_title(job)} is no function, but of type {type(found).__name__}")
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

        theirs = _theirs(error.__traceback__)
        traceback.print_exception(type(error), error, theirs, file=sys.stderr)
        raise ComputeFailedError(_sentence(error, theirs, root), logged=True) from None


def _theirs(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the user's first frame on."""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_OURS) and not _BETWEEN.search(file):
            return trace
        trace = trace.tb_next
    return None


def _sentence(error: BaseException, trace: TracebackType | None, root: str) -> str:
    """`ValueError: text (features/build.py:12)`: where is the last frame within the project, or else the last."""
    text = next((line for line in str(error).splitlines() if line.strip()), "").strip()
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
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{said} ({where})" if where else said


def _is_project(file: str, root: str) -> bool:
    return file.startswith(root + "/") and "/site-packages/" not in file


def _place(file: str, line: int | None, root: str) -> str:
    return f"{file.removeprefix(root + '/')}:{line or 1}"


def _title(job: Job) -> str:
    return f"{job.command['module']}:{job.command['function']}"
