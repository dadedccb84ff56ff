"""One call of the command line: read, run, and the outermost catch.

Whatever happens below, a user sees a message and the shell an exit code; nobody sees a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from assets_cli.cli import calls, console
from assets_cli.cli.session import Session
from assets_cli.model.problem import AssetsError, Problem, system_reason

INTERRUPTED = 130
REFUSED = 2


def run(arguments: Sequence[str]) -> int:
    """Run one call of the command line and return its exit code."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    code = 0
    try:
        code = _invoke(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        _hang_up()
        return code
    except KeyboardInterrupt:
        return _break_off()
    except Exception as error:  # noqa: BLE001 - the outermost catch: a user gets a message, never a traceback
        return _refuse(error, arguments)
    return code


def _open_streams() -> None:
    """Stand in for streams that the caller closed, as with `>&-`: a file must not be opened in their place."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - until the end


def _invoke(arguments: list[str]) -> int:
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    if arguments in ([], ["--help"], ["-h"]):
        from assets_cli.cli.usage import help_text  # a text of our own, which needs no Typer

        console.show(help_text().splitlines())
        return 0
    call = calls.read(arguments)
    if call is not None:
        return calls.run(call.command, call.session(), call.values)
    from assets_cli.cli import application  # help, mistakes, and what is typed in ways that few use

    return application.invoke(arguments)


def _refuse(error: Exception, arguments: Sequence[str]) -> int:
    """Show what went wrong; nothing that goes wrong here may hide it."""
    from assets_cli.cli import usage

    directory = usage.directory_of(arguments)
    if isinstance(error, AssetsError):
        console.show_problems(error.problems, Session(directory).view())
    elif isinstance(error, OSError) and error.strerror:
        console.show_problems([_system_error(error)])
    else:
        console.show_problems([usage.internal_error(error, directory)])
    return REFUSED


def _system_error(error: OSError) -> Problem:
    where = f"{error.filename}: " if error.filename else ""
    return Problem("A0818", f"{where}{system_reason(error)}", hint="the operating system refused it")


def _break_off() -> int:
    """Say that it was interrupted, if anybody hears it: the terminal may be gone, which may be why."""
    console.remark(["interrupted"])
    _hang_up()
    return INTERRUPTED


def _hang_up() -> None:
    """The reader of a pipe has gone, as `| head` does: that is no error, and Python must not complain at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(null, stream.fileno())
