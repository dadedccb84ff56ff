"""Calls as they are mostly typed, read without Typer, whose import takes longer than a plan with nothing to do.

What stands there just as a command declares it (see `options`) is read here, by everybody, at every call. Whatever is
not, a mistake, `--help`, `--`, letters run together, is left to `application`, which knows what to say of it. A
property test holds that what both can read they read alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, get_origin, get_type_hints

from assets_cli.cli.commands import TABLE, Entry
from assets_cli.cli.options import Argument, Option
from assets_cli.cli.session import Session, begin
from assets_cli.model.problem import AssetsError, Problem

MOVABLE = {"-C", "--env", "--var", "--state"}


class Parameter(NamedTuple):
    """What one parameter of a function takes. `default` is `...` where it must be given; `hint` is its whole type.

    `kind` is what one word of it becomes; `is_many` whether it takes several.
    """

    name: str
    declared: Argument | Option
    hint: Any
    kind: Callable[[str], Any]
    is_many: bool
    default: Any

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.kind is bool

    def value(self, word: str) -> Any:
        """What a word becomes.

        Raises:
            ValueError: it is none of those that the parameter takes.
        """
        value = self.kind(word)
        if isinstance(self.declared, Option) and self.declared.least is not None and value < self.declared.least:
            raise ValueError(word)
        return value


class Call(NamedTuple):
    """A command with what was typed for it, and the global options."""

    command: Callable[..., int]
    options: dict[str, Any]
    values: dict[str, Any]

    def session(self) -> Session:
        """What the global options say.

        Raises:
            AssetsError: that makes no sense.
        """
        return begin(**self.options)


def read(arguments: Sequence[str]) -> Call | None:
    """The call that these words are; None where Typer is to read them.

    Raises:
        AssetsError: a global option lacks its value.
    """
    try:
        options, rest = _values(parameters(begin), hoist(arguments), mixed=False)
        entry = TABLE[rest.pop(0)]
        if entry.actions:
            entry = entry.actions[rest.pop(0)]
        command = function(entry)
        values, _ = _values(parameters(command), rest, mixed=True)
    except (ValueError, LookupError):
        return None
    return Call(command, options, values)


def run(command: Callable[..., int], session: Session, values: dict[str, Any]) -> int:
    """Run a command; one that looks a word up needs no session."""
    return command(session, **values) if "session" in command.__annotations__ else command(**values)


def function(entry: Entry) -> Callable[..., int]:
    """The function of a command, from its own file."""
    found: Callable[..., int] = import_module(entry.module).command
    return found


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """What a function declares that can be typed, in order."""
    code, given = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    defaults = {**dict(zip(names[len(names) - len(given) :], given, strict=True)), **(function.__kwdefaults__ or {})}
    return [
        Parameter(name, hint.__metadata__[0], hint.__origin__, *_kind(hint.__origin__), defaults.get(name, ...))
        for name, hint in get_type_hints(function, include_extras=True).items()
        if get_origin(hint) is Annotated
    ]


def _kind(hint: Any) -> tuple[Callable[[str], Any], bool]:
    """What one word becomes, and whether there may be several: of `list[str] | None` it is a text, and there may."""
    if isinstance(hint, UnionType):
        hint = next(each for each in hint.__args__ if each is not NoneType)
    return (hint.__args__[0], True) if get_origin(hint) is list else (hint, False)


def _values(declared: Sequence[Parameter], words: Sequence[str], *, mixed: bool) -> tuple[dict[str, Any], list[str]]:
    """The value of every parameter, and the words that are left: unless `mixed` all from the first argument on.

    Raises:
        ValueError, IndexError: the words are not as declared.
    """
    options = {name: each for each in declared if isinstance(each.declared, Option) for name in each.declared.names}
    found: dict[str, Any] = {}
    plain: list[str] = []
    rest = list(words)
    while rest and (mixed or rest[0].startswith("-")):
        word = rest.pop(0)
        if word == "-" or not word.startswith("-"):
            plain.append(word)
            continue
        name, equals, text = word.partition("=")
        if name not in options or (equals and not name.startswith("--")):
            raise ValueError(word)
        option = options[name]
        if option.is_flag:
            if equals:
                raise ValueError(word)
            found[option.name] = True
        elif option.is_many:
            found.setdefault(option.name, []).append(option.value(text if equals else rest.pop(0)))
        else:
            found[option.name] = option.value(text if equals else rest.pop(0))
    _fill([each for each in declared if isinstance(each.declared, Argument)], plain, found)
    values = {each.name: found.get(each.name, each.default) for each in declared}
    if ... in values.values():
        raise ValueError(words)
    return values, rest


def _fill(arguments: Sequence[Parameter], words: list[str], found: dict[str, Any]) -> None:
    """Give each argument its words; one that takes several takes all that are left, and stands last.

    Raises:
        ValueError: there is a word too many, or one that an argument does not take.
    """
    left = list(words)
    for each in arguments:
        if each.is_many and left:
            found[each.name], left = [each.value(word) for word in left], []
        elif left:
            found[each.name] = each.value(left.pop(0))
    if left:
        raise ValueError(left[0])


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
        if word in MOVABLE:
            if not rest:
                # Moved, it would swallow the command.
                raise AssetsError(Problem("A0813", f"option {word} needs a value", hint="assets --help says which"))
            moved += [word, rest.pop(0)]
        elif word.partition("=")[0] in MOVABLE:
            moved.append(word)
        else:
            kept.append(word)
    return moved + kept
