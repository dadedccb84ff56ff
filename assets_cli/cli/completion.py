"""Shell completion: the scripts, and the answers to them. Imports neither Typer nor the manifest's reader.

A shell hands over what stands before the cursor and gets whole words back, one a line. Bash takes a word apart at `:`
and `=` and expects only what follows the last of them; the other shells do the quoting of what they insert themselves.
Nothing here may fail in a way that a user sees: a Tab key that finds nothing is quiet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping

from assets_cli import vocabulary
from assets_cli.cli.commands import GLOBAL_OPTIONS, TABLE, Entry

SCRIPTS = {
    "bash": """\
# eval "$(assets --completion bash)"
_assets() {
    local IFS=$'\\n' globs=${-//[^f]/}
    set -f
    COMPREPLY=($(_ASSETS_COMPLETE=bash _ASSETS_LINE="${COMP_LINE:0:COMP_POINT}" _ASSETS_BREAKS="$COMP_WORDBREAKS" \\
        "${1/#\\~/$HOME}" 2>/dev/null </dev/null))
    [[ $globs ]] || set +f
}
complete -o default -F _assets assets
""",
    "zsh": """\
# eval "$(assets --completion zsh)"
_assets() {
    local -a found
    found=("${(@f)$(_ASSETS_COMPLETE=zsh _ASSETS_QUOTE="${compstate[quote]}" \\
        _ASSETS_WORDS="${(F)${(@Q)words[2,CURRENT-1]}}"$'\\n'"${(Q)PREFIX}" \\
        "${(Q)words[1]/#\\~/$HOME}" 2>/dev/null </dev/null)}")
    found=(${found:#})
    if (( $#found )); then compadd -a found; else _files; fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _assets assets
""",
    "fish": """\
# assets --completion fish | source
function _assets
    set -l words (commandline -opc)
    set -l found (_ASSETS_COMPLETE=fish _ASSETS_WORDS=(string join \\n -- $words[2..] (commandline -ct) \\
        | string collect) $words[1] 2>/dev/null </dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c assets -f -a '(_assets)'
""",
}

# What a selection may hold; a test holds it against the grammar.
ATTRIBUTES = ("tag", "group", "owner", "kind", "path")
STATES = ("stale", "missing", "overdue", "failed", "external")
FUNCTIONS = ("roots(", "sinks(")
_OPERATORS = ("and", "or")
# Options of commands that take a value; a test holds them against the commands.
VALUES: Mapping[str, tuple[str, ...]] = {
    "--ahead": (),
    "--asset": (),
    "--before": (),
    "--connection": (),
    "--depth": (),
    "--for": (),
    "--jobs": (),
    "--keep": (),
    "--keep-runs": (),
    "-j": (),
    "--limit": (),
    "-n": (),
    "--out": (),
    "--plan": (),
    "--set": (),
    "--svg": (),
    "--trace": (),
    "diff --format": ("text", "json", "markdown"),
    "lineage --format": ("tree", "json", "mermaid", "dot"),
    "query --format": ("table", "csv", "json"),
    "validate --format": ("text", "json", "github", "sarif"),
}
_UNQUOTED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=+@,%"
_QUOTES = ("'", '"')


def answer(environ: Mapping[str, str]) -> int:
    """Print what the word before the cursor may become: of `_ASSETS_LINE`, or the last of `_ASSETS_WORDS`."""
    try:
        sys.stdout.write("".join(f"{word}\n" for word in replies(environ)))
        sys.stdout.flush()
    except Exception:  # noqa: BLE001 - a Tab key shows no errors
        # What is left in the stream would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def replies(environ: Mapping[str, str]) -> list[str]:
    """What the shell is told."""
    shell = environ.get("_ASSETS_COMPLETE", "")
    line = environ.get("_ASSETS_LINE")
    if line is None:
        before = environ.get("_ASSETS_WORDS", "").split("\n") or [""]
        begun, quote = before.pop(), environ.get("_ASSETS_QUOTE", "")
        if shell == "fish":
            _, begun, quote = split(begun)
        return completed(before, begun, quote)
    before, begun, quote = split(line)
    # Assignments may precede the command itself.
    while before and "=" in before[0]:
        del before[0]
    found = completed(before[1:], begun, quote)
    if quote:
        return [_within(word, quote) for word in found]
    breaks = environ.get("_ASSETS_BREAKS", "")
    at = max((begun.rfind(sign) for sign in breaks), default=-1)
    # An @ begins the next word, the other signs end the one before.
    kept = at if begun[at : at + 1] == "@" else at + 1
    return [_escaped(word[kept:]) for word in found]


def completed(before: list[str], begun: str, quote: str = "") -> list[str]:
    """The whole words that one may become, in order. An only one that is a beginning itself is carried on."""
    found = _matching(before, begun, quote)
    if len(found) == 1 and found[0] != begun and found[0].endswith((":", "(")):
        # A shell would take it for finished and add a blank, or the closing quote.
        found = _matching(before, found[0], quote) or found
    return found


def _matching(before: list[str], begun: str, quote: str) -> list[str]:
    return sorted({word for word in candidates(before, begun, quote) if word.startswith(begun)})


def candidates(before: list[str], begun: str, quote: str = "") -> Iterator[str]:
    """What may stand after these words."""
    plain, directory, waiting = _taken(before)
    command = next((TABLE[word] for word in plain if word in TABLE), None)
    if command is not None and command.actions and len(plain) > 1:
        command = command.actions.get(plain.pop(1))
        if command is None:
            return
    option, equals, _ = begun.partition("=")
    if not waiting and begun.startswith("-") and equals:
        yield from (f"{option}={value}" for value in _values_of(option, command.name if command else "", directory))
    elif waiting:
        yield from _values_of(waiting, command.name if command else "", directory)
    elif command is None:
        yield from (name for names, _, _ in GLOBAL_OPTIONS for name in names) if begun.startswith("-") else TABLE
    elif begun.startswith("-"):
        yield from (*command.options, "--help")
    elif command.actions:
        yield from command.actions
    elif command.words == "names":
        yield from _names(directory)
    elif command.words == "assets":
        yield from selections(directory, begun, quote)
    else:
        yield from _arguments(command, len(plain), directory)


def _taken(before: list[str]) -> tuple[list[str], str, str]:
    """The words that are no options, the directory that -C names, and the option that waits for its value."""
    valued = {name for names, value, _ in GLOBAL_OPTIONS if value for name in names}
    plain: list[str] = []
    directory, waiting = "", ""
    for word in before:
        if waiting:
            directory = os.path.join(directory, word) if waiting == "-C" else directory  # noqa: PTH118 - pathlib is slow
            waiting = ""
        elif word in valued or (plain and (word in VALUES or f"{plain[0]} {word}" in VALUES)):
            waiting = word
        elif not word.startswith("-"):
            plain.append(word)
    return plain, directory, waiting


def _values_of(option: str, command: str, directory: str) -> Iterable[str]:
    """What an option may be given."""
    if option == "--completion":
        return SCRIPTS
    project = vocabulary.find(directory) if option in ("--env", "--asset") else None
    if project:
        return vocabulary.environments(*project) if option == "--env" else vocabulary.words(*project, "name")
    return VALUES.get(f"{command} {option}", ())


def _arguments(command: Entry, number: int, directory: str) -> Iterable[str]:
    """What a command's argument with this number, from one on, may be where it is no selection."""
    if command.name == "logs" and number > 1:
        return _values_of("--asset", command.name, directory)
    if command.words == "codes":
        from assets_cli.model.codes import CODES

        return CODES
    return ("latest",) if command.words == "runs" else ()


def _names(directory: str) -> Iterator[str]:
    """Assets of the manifest, and those that only history knows."""
    project = vocabulary.find(directory)
    if project is None:
        return
    yield from vocabulary.words(*project, "name")
    from pathlib import Path  # only who repairs history waits for what opens it

    from assets_cli.state.moving import names_at

    yield from names_at(Path(os.environ.get("ASSETS_STATE") or f"{project[0]}/.assets/state.db"))


def selections(directory: str, begun: str, quote: str = "") -> Iterator[str]:
    """Selections that begin so: what may stand where the last term or operator of the expression begins.

    Those that need blanks or parentheses come only between quotes, or where somebody has begun to write one.
    """
    project = vocabulary.find(directory)
    if project is None:
        return
    at, is_operand = open_end(begun)
    prefix, term = begun[:at], begun[at:]
    if not is_operand:
        yield from (prefix + operator for operator in _OPERATORS if prefix[-1:].isspace())
        return
    attribute, colon, rest = term.partition(":")
    if not colon:
        yield from (prefix + name for name in vocabulary.words(*project, "name"))
        yield from (f"{prefix}{attribute}:" for attribute in (*ATTRIBUTES, "is"))
        if quote or prefix or term:
            yield from (prefix + word for word in (*FUNCTIONS, "not"))
    elif attribute == "is":
        yield from (f"{prefix}is:{state}" for state in STATES)
    elif attribute in ATTRIBUTES:
        opening = rest[:1] if rest[:1] in _QUOTES else ""
        for value in vocabulary.words(*project, attribute):
            yield f"{prefix}{attribute}:{_value(value, opening, quote)}"


def open_end(expression: str) -> tuple[int, bool]:
    """Where the last word of an expression that is being written begins, and whether it is a term or an operator."""
    at, is_operand, quote = 0, True, ""
    for index, char in enumerate(expression):
        word = expression[at:index]
        if quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
        elif char == "+":
            if word and not word.isdigit():
                is_operand = False
            at = index + 1
        elif char == "(" or char.isspace():
            if word:
                is_operand = word.lower() in ("and", "or", "not") or char == "("
            at = index + 1
        elif char == ")":
            at, is_operand = index + 1, False
    return at, is_operand


def split(line: str) -> tuple[list[str], str, str]:
    """The words of a command line, the one before the cursor, and the quote that is open there."""
    words: list[str] = []
    word, quote = "", ""
    begun = escaped = False
    for char in line:
        if escaped:
            word, escaped = word + char, False
        elif char == "\\" and quote != "'":
            begun = escaped = True
        elif quote:
            word, quote = (word, "") if char == quote else (word + char, quote)
        elif char in _QUOTES:
            quote, begun = char, True
        elif char.isspace():
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word, begun = word + char, True
    return words, word, quote


def _value(value: str, opening: str, outer: str) -> str:
    """A value of a selection, between quotes where it needs them: as it was begun, else not those of the shell."""
    if not opening and not any(char.isspace() or char in "()+\"'" for char in value):
        return value
    mark = opening or ("'" if outer == '"' else '"')
    return mark + value.replace(mark, mark * 2) + mark


def _escaped(word: str) -> str:
    """A word as bash has it without quotes."""
    if not word.strip(_UNQUOTED):
        return word
    return "".join(char if char in _UNQUOTED else "\\" + char for char in word)


def _within(word: str, quote: str) -> str:
    """A word as bash has it between double quotes; between single ones nothing has to be escaped."""
    return "".join("\\" + char if char in '"\\$`' else char for char in word) if quote == '"' else word
