"""The application: global options, commands found by name when they are called, and the outermost catch.

Whatever happens below, a user sees a message and the shell an exit code; nobody sees a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from assets_cli.cli import console
from assets_cli.cli.commands import TABLE, Entry
from assets_cli.cli.session import Session
from assets_cli.model.problem import AssetsError, Problem

INTERRUPTED = 130
REFUSED = 2
_SETTINGS = {"help_option_names": ["--help", "-h"], "max_content_width": 100}
_MOVABLE = {"-C", "--env", "--var", "--state"}
# Typer carries its own Click from 0.26 on and used the real one before: its public exception leads to either's base.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class Commands(TyperGroup):
    """The commands of `TABLE`, each imported when it is called: `--help` needs none of them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Click's signature
        """All names, in the order of the table."""
        return list(TABLE)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Click's signature
        """The command of that name, or None."""
        return load(cmd_name) if cmd_name in TABLE else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Click does it, but an unknown command is a problem like any other."""
        if args and args[0] not in TABLE:
            from assets_cli.cli.usage import unknown_command

            raise AssetsError(unknown_command(args[0]))
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Global options may also stand after the command, where fingers put them."""
        return super().parse_args(ctx, hoist(args))

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Click's signature
        """The whole help as one plain text."""
        from assets_cli.cli.usage import help_text

        formatter.write(help_text())


class Actions(TyperGroup):
    """The actions of one command, such as `mv` of `assets state`, each imported when it is called."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(name=entry.name, help=entry.help, context_settings=_SETTINGS, rich_markup_mode=None)
        self.entry = entry

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Click's signature
        """All names, in the order of the table."""
        return list(self.entry.actions)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Click's signature
        """The action of that name, or None."""
        return load(f"{self.entry.name} {cmd_name}") if cmd_name in self.entry.actions else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Click does it, but an unknown action is a problem like any other."""
        if args and args[0] not in self.entry.actions:
            from assets_cli.cli.usage import unknown_action

            raise AssetsError(unknown_action(self.entry, args[0]))
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Without an action it says which there are, as `assets` does without a command."""
        if not args:
            console.show(ctx.get_help().splitlines())
            raise typer.Exit
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Click's signature
        """The whole help as one plain text."""
        from assets_cli.cli.usage import actions_text

        formatter.write(actions_text(self.entry))


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
    invoke_without_command=True,
)


@app.callback()
def root(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Option("-C", metavar="DIR")] = Path(),
    environment: Annotated[str, typer.Option("--env", metavar="NAME")] = "default",
    variable: Annotated[list[str] | None, typer.Option("--var", metavar="K=V")] = None,
    state: Annotated[str | None, typer.Option("--state", metavar="PATH")] = None,
    completion: Annotated[str | None, typer.Option("--completion", metavar="SHELL")] = None,
    version: Annotated[bool, typer.Option("--version", "-V")] = False,
) -> None:
    """Gather the global options for the command."""
    if version or completion is not None:
        from assets_cli.cli.usage import print_completion, print_version

        print_version() if version else print_completion(completion or "")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        console.show(ctx.get_help().splitlines())
        raise typer.Exit
    from assets_cli.cli.usage import parse_variables, require_directory

    require_directory(directory)
    typed = [] if directory == Path() else ["-C", str(directory)]
    typed += [] if environment == "default" else ["--env", environment]
    typed += [word for one in variable or () for word in ("--var", one)]
    typed += ["--state", state] if state else []
    where = directory.absolute()
    ctx.obj = Session(
        directory=where,
        environment=environment,
        variables=parse_variables(variable or ()),
        state=os.path.normpath(where / state) if state else None,
        typed=tuple(typed),
    )


def load(name: str) -> Any:
    """The command of that name, from its own file; `state mv` is the action `mv` of the command `state`."""
    first, _, action = name.partition(" ")
    entry = TABLE[first].actions[action] if action else TABLE[first]
    if entry.actions:
        return Actions(entry)
    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    single.command(action or first, context_settings=_SETTINGS)(import_module(entry.module).command)
    return typer.main.get_command(single)


def hoist(arguments: Sequence[str]) -> list[str]:
    """The arguments with global options moved to the front; what follows `--` stays.

    Raises:
        AssetsError: the last one lacks its value.
    """
    moved: list[str] = []
    kept: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            kept += [word, *rest]
            break
        if word in _MOVABLE:
            if not rest:
                # Moved, it would swallow the command.
                raise AssetsError(Problem("A0813", f"option {word} needs a value", hint="assets --help says which"))
            moved += [word, rest.pop(0)]
        elif word.partition("=")[0] in _MOVABLE:
            moved.append(word)
        else:
            kept.append(word)
    return moved + kept


def run(arguments: Sequence[str]) -> int:
    """Run one call of the command line and return its exit code."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        code = _invoke(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        return _hang_up()
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
    """Parse and call. Not by Click's `main`, which has opinions of its own on interrupts and closed pipes."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("assets", arguments) as context:
            code = command.invoke(context)
    except typer.Exit as end:
        code = end.exit_code
    return code if isinstance(code, int) else 0


def _refuse(error: Exception, arguments: Sequence[str]) -> int:
    """Show what went wrong; nothing that goes wrong here may hide it."""
    from assets_cli.cli import usage

    try:
        directory = usage.directory_of(arguments)
        if isinstance(error, AssetsError):
            console.show_problems(error.problems, Session(directory).view())
        elif isinstance(error, _UsageError):
            console.show_problems([usage.mistake(error)])
        elif isinstance(error, OSError) and error.strerror:
            console.show_problems([_system_error(error)])
        else:
            console.show_problems([usage.internal_error(error, directory)])
    except BrokenPipeError:
        return _hang_up()
    return REFUSED


def _system_error(error: OSError) -> Problem:
    where = f"{error.filename}: " if error.filename else ""
    return Problem("A0818", f"{where}{(error.strerror or str(error)).lower()}", hint="the operating system refused it")


def _break_off() -> int:
    """Say that it was interrupted; the terminal may be gone, which may be why."""
    try:
        console.remark(["interrupted"])
    except OSError:
        _hang_up()
    return INTERRUPTED


def _hang_up() -> int:
    """The reader of a pipe has gone, as `| head` does: that is no error, and Python must not complain at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(null, stream.fileno())
    return 0
