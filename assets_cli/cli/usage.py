"""Mistakes in a call of the command line, and the rest that only an unusual call needs: help, completion, reports."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from assets_cli.cli import console
from assets_cli.cli.commands import GLOBAL_OPTIONS, TABLE, Entry
from assets_cli.cli.elsewhere import ACTIONS, COMMANDS, OPTIONS
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.spelling import nearest

_ABOUT = (
    "Declare the data that should exist; see what is stale, and why;",
    "bring exactly that up to date.",
    "",
    "Usage: assets [OPTIONS] COMMAND [ARGUMENTS]",
    "",
)

_MOST_NAMED = 3


def help_text() -> str:
    """The help of `assets` itself."""
    return "\n".join((*_ABOUT, *_help_commands(), *_help_options())) + "\n"


def actions_text(entry: Entry) -> str:
    """The help of a command that has actions."""
    usage = f"Usage: assets {entry.name} ACTION [ARGUMENTS]"
    about = f"  {entry.help[:1].upper()}{entry.help[1:].partition(':')[0]}."
    more = f"`assets {entry.name} ACTION --help` says how an action is used."
    return "\n".join((usage, "", about, "", *_by_section(entry.actions), "", more)) + "\n"


def _help_commands() -> Iterator[str]:
    yield from _by_section(TABLE)
    yield ""


def _by_section(entries: Mapping[str, Entry]) -> Iterator[str]:
    width = max(map(len, entries))
    section = ""
    for name, entry in entries.items():
        if entry.section != section:
            section = entry.section
            yield f"{section}:"
        yield f"  {name:<{width}}  {entry.help}"


def _help_options() -> Iterator[str]:
    yield "Options:"
    for names, value, text in GLOBAL_OPTIONS:
        yield f"  {' '.join(filter(None, (', '.join(names), value))):<18}  {text}"
    yield ""
    yield "Global options may also follow the command. Exit codes: 0 done or nothing to"
    yield "do, 1 a step or a check failed, 2 refused, 3 something to do or overdue (with"
    yield "--exit-code), 130 interrupted."


def print_version() -> None:
    """`assets 0.1.0`."""
    from assets_cli import __version__

    console.show([f"assets {__version__}"])


def print_completion(shell: str) -> None:
    """The script that teaches a shell to complete.

    Raises:
        AssetsError: there is none for this shell.
    """
    from assets_cli.cli.completion import SCRIPTS

    if shell not in SCRIPTS:
        hint = f"there are scripts for {', '.join(SCRIPTS)}"
        raise AssetsError(Problem("A0815", f"--completion: unknown shell {shell!r}", hint=hint))
    console.show(SCRIPTS[shell].splitlines())


def unknown_command(word: str) -> Problem:
    """There is no such command; perhaps another one was meant."""
    if word.startswith("-"):
        return _no_such_option(word, (), "assets")
    guess = COMMANDS.get(word) or nearest(word, TABLE)
    hint = f"did you mean {guess}?" if guess else "assets --help lists the commands"
    return Problem("A0811", f"unknown command {word!r}", hint=hint)


def unknown_action(entry: Entry, word: str) -> Problem:
    """The command has no such action; perhaps another one was meant."""
    help_command = f"assets {entry.name} --help"
    if word.startswith("-"):
        return _no_such_option(word, (), f"assets {entry.name}")
    guess = nearest(word, entry.actions) or ACTIONS.get(word)
    hint = f"did you mean assets {entry.name} {guess}?" if guess in entry.actions else f"{help_command} lists them"
    return Problem("A0811", f"assets {entry.name} has no action {word!r}", hint=hint)


def mistake(error: Exception, arguments: Sequence[str] = ()) -> Problem:
    """A usage error of Click in our words. Click's classes are told apart by name: Typer carries its own copy.

    `arguments` are what was typed: an option without its value does not say whose it is.
    """
    kind = type(error).__name__
    context = getattr(error, "ctx", None)
    typed = next((f"assets {word}" for word in arguments if word in TABLE), "assets")
    path = context.command_path if context is not None else typed
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    message = (message[:1].lower() + message[1:]).rstrip(".")
    help_hint = f"{path} --help says how it is used"
    if kind == "NoSuchOption":
        name = getattr(error, "option_name", "")
        parameters = context.command.params if context is not None else []
        return _no_such_option(
            name, [opt for each in parameters for opt in each.opts if opt.startswith("-")], path, typed
        )
    if kind == "MissingParameter":
        parameter = getattr(error, "param", None)
        name = parameter.make_metavar(context) if parameter is not None else ""
        if name.startswith("ASSET"):
            help_hint = f"`assets list` lists all assets; {help_hint}"
        return Problem("A0813", f"{path} needs {name or 'another argument'}", hint=help_hint)
    if kind == "BadOptionUsage":
        return Problem("A0813", f"option {getattr(error, 'option_name', '')} needs a value", hint=help_hint)
    if kind == "BadParameter":
        return Problem("A0815", _bad_value(error) or message, hint=help_hint)
    if "extra argument" in message:
        message = f"one argument too many: {message.rpartition('(')[2].rstrip(')')}"
    return Problem("A0814", f"{path}: {message}", hint=help_hint)


def _bad_value(error: Exception) -> str | None:
    """`--jobs: 'x' is not a whole number`."""
    parameter = getattr(error, "param", None)
    if parameter is None:
        return None
    said = str(getattr(error, "message", "")).rstrip(".")
    said = re.sub(r"is not a valid int\w*( range)?", "is not a whole number", said)
    said = re.sub(r"is not in the range x>=(\d+)", r"is less than \1", said)
    name = max(parameter.opts, key=len) if parameter.param_type_name == "option" else parameter.name.upper()
    return f"{name}: {said[:1].lower()}{said[1:]}"


def _global_names() -> list[str]:
    return [name for names, _, _ in GLOBAL_OPTIONS for name in names]


def _no_such_option(name: str, own: Sequence[str], path: str, typed: str = "") -> Problem:
    """There is no such option here; perhaps another one was meant, another command, or what does without one."""
    known = [*own, *_global_names()]
    command = path.removeprefix("assets").strip()
    meant = OPTIONS.get(f"{command} {name}") or OPTIONS.get(name, "")
    whose = [entry.name for entry in TABLE.values() if name in entry.options]
    if meant in known:
        hint = f"did you mean {meant}?"
    elif meant and not meant.startswith("-"):
        hint = meant.format(path=path)
    elif typed.removeprefix("assets ") in whose:
        hint = f"it stands after the command: {typed} {name}"
    elif 0 < len(whose) <= _MOST_NAMED:
        hint = f"it is an option of assets {' and '.join(whose)}"
    else:
        hint = f"did you mean {guess}?" if (guess := nearest(name, known)) else ""
    return Problem("A0812", f"no such option {name}", hint=hint or f"{path} --help lists the options")


def parse_variables(pairs: Sequence[str]) -> dict[str, str]:
    """`K=V` pairs as a mapping; the last of equal names counts.

    Raises:
        AssetsError: one is no pair.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            hint = "write --var name=value, such as --var currency=EUR"
            raise AssetsError(Problem("A0815", f"--var {pair}: not of the form K=V", hint=hint))
        values[name] = value
    return values


def require_directory(directory: Path) -> None:
    """Refuse a `-C` that leads nowhere.

    Raises:
        AssetsError: it is no directory.
    """
    if not directory.is_dir():
        what = "is not a directory" if directory.exists() else "does not exist"
        raise AssetsError(Problem("A0815", f"-C {directory}: {what}", hint="-C names the directory to start from"))
    try:
        directory.absolute()
    except FileNotFoundError:
        hint = "go to one that does, or name the project's folder with -C"
        raise AssetsError(Problem("A0815", "the current directory does not exist any more", hint=hint)) from None


def directory_of(arguments: Sequence[str]) -> Path:
    """The directory that `-C` names, as far as it can be told from words that may not even parse."""
    try:
        for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
            if word == "-C" and following:
                return Path(following).absolute()
        return Path.cwd()
    except FileNotFoundError:
        return Path()  # the current directory was removed: there is nothing to be told from it


def internal_error(error: Exception, directory: Path) -> Problem:
    """A bug of ours: the traceback goes into a file for its report, the user gets one line and the file's path."""
    import traceback

    from assets_cli import __version__

    text = "".join(
        (
            f"assets {__version__}, Python {sys.version.split()[0]}, {sys.platform}\n",
            *traceback.format_exception(error),
        )
    )
    saved = _save(text, directory)
    what = str(error).strip().split("\n", 1)[0][:200]
    message = f"internal error: {type(error).__name__}{': ' if what else ''}{what}"
    return Problem("A0819", message, hint=f"this is a bug in assets, not in your project; {saved}")


def _save(text: str, directory: Path) -> str:
    """Where the report went, as a sentence. Only its owner may read it: values of the project can be in it."""
    import tempfile

    logs = next((at / ".assets" for at in (directory, *directory.parents) if (at / ".assets").is_dir()), None)
    for folder in (logs / "logs" if logs else None, Path(tempfile.gettempdir())):
        if folder is None:
            continue
        try:
            folder.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(prefix="internal-error-", suffix=".txt", dir=folder)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue
        return f"please report it with {name}"
    return "please report it"
