"""The application as Typer has it: help, mistakes, and whatever call `calls` does not read.

Commands are found by name when they are called. Knows nothing of what they do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from assets_cli.cli import calls, console
from assets_cli.cli.commands import TABLE, Entry
from assets_cli.cli.examples import epilog
from assets_cli.cli.options import Option
from assets_cli.cli.session import begin
from assets_cli.model.problem import AssetsError

_SETTINGS = {"help_option_names": ["--help", "-h"], "max_content_width": 100}
# Typer carries its own Click from 0.26 on and used the real one before: its public exception leads to either's base.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


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
        return super().parse_args(ctx, calls.hoist(args))

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Click's signature
        """The whole help as one plain text."""
        from assets_cli.cli.usage import help_text

        formatter.write(help_text())


class Single(TyperCommand):
    """One command, whose help ends with examples as they are typed."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Click's signature
        """Not filled as a paragraph, and under a heading like the others."""
        formatter.write(f"\n{self.epilog}\n" if self.epilog else "")


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


def invoke(arguments: Sequence[str]) -> int:
    """Parse and call. Not by Click's `main`, which has opinions of its own on interrupts and closed pipes.

    Raises:
        AssetsError: the call makes no sense, or the command refuses it.
    """
    from assets_cli.cli.usage import mistake

    try:
        command = typer.main.get_command(_application())
        with command.make_context("assets", list(arguments)) as context:
            code = command.invoke(context)
    except typer.Exit as end:
        code = end.exit_code
    except UsageError as error:
        raise AssetsError(mistake(error, arguments)) from None
    return code if isinstance(code, int) else 0


def load(name: str) -> Any:
    """The command of that name, from its own file; `state mv` is the action `mv` of the command `state`."""
    first, _, action = name.partition(" ")
    entry = TABLE[first].actions[action] if action else TABLE[first]
    if entry.actions:
        return Actions(entry)
    command = calls.function(entry)

    def call(ctx: typer.Context, **values: Any) -> int:
        return calls.run(command, ctx.obj, values)

    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    single.command(
        action or first, cls=Single, help=inspect.getdoc(command), epilog=epilog(name), context_settings=_SETTINGS
    )(_taking(call, command))
    return typer.main.get_command(single)


def _application() -> typer.Typer:
    """`assets` itself, which gathers the global options for the command."""

    def root(ctx: typer.Context, *, completion: str | None, version: bool, **options: Any) -> None:
        if version or completion is not None:
            from assets_cli.cli.usage import print_completion, print_version

            print_version() if version else print_completion(completion or "")
            raise typer.Exit
        if ctx.invoked_subcommand is None:
            console.show(ctx.get_help().splitlines())
            raise typer.Exit
        ctx.obj = begin(**options)

    def further(
        completion: Annotated[str | None, Option("--completion", metavar="SHELL", text="")] = None,
        version: Annotated[bool, Option("--version", "-V", text="")] = False,
    ) -> None:
        """What ends a call."""

    application = typer.Typer(
        cls=Commands,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
        invoke_without_command=True,
    )
    application.callback()(_taking(root, begin, further))
    return application


def _taking(callback: Callable[..., Any], *functions: Callable[..., Any]) -> Callable[..., Any]:
    """A callback that takes what these functions declare, in Typer's words."""
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    taken = [_parameter(each) for function in functions for each in calls.parameters(function)]
    callback.__signature__ = inspect.Signature([context, *taken])  # type: ignore[attr-defined]
    callback.__annotations__ = {}  # Typer reads them besides, and they are of somebody else
    return callback


def _parameter(each: calls.Parameter) -> inspect.Parameter:
    declared = each.declared
    info = (
        typer.Option(*declared.names, metavar=declared.metavar, help=declared.text, min=declared.least)
        if isinstance(declared, Option)
        else typer.Argument(metavar=declared.metavar, help=declared.text, show_default=declared.show_default)
    )
    default = inspect.Parameter.empty if each.default is ... else each.default
    return inspect.Parameter(
        each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[each.hint, info]
    )
