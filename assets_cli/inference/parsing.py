"""SQL texts to syntax trees, by sqlglot, in a database's dialect. The only place that starts the parser.

A fault of the parser is an answer, too: whatever it raises on a user's text says that the text is not understood.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sqlglot import exp

_VARIABLE = re.compile(r"\$\$\{|\$\{env\.([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}")
_STANDIN = re.compile(r"env__([0-9a-f]+)__")
_SAYS = re.compile(r"(?s)\s*(?:<Token|Line \d+).*")


class Trouble(NamedTuple):
    """What the parser does not understand, and where: an offset in the text."""

    message: str
    offset: int


class Parsed(NamedTuple):
    """The statements of a text, in order, and what of it is not understood."""

    statements: tuple[exp.Expr, ...]
    trouble: Trouble | None = None


def parse(text: str, dialect: str) -> Parsed:
    """The statements of a text. Variables of the environment in it must have been masked before.

    A statement that the parser keeps as it is, and that could read a table, is trouble as well.
    """
    import logging

    import sqlglot  # 0.2 s: only for a text that is new
    from sqlglot import exp
    from sqlglot.errors import ParseError, SqlglotError, TokenError

    logger = logging.getLogger("sqlglot")
    was_disabled, logger.disabled = logger.disabled, True  # it warns of statements that it keeps as they are
    try:
        statements = tuple(each for each in sqlglot.parse(text, read=dialect) if each is not None)
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        line, column = first.get("line") or 1, first.get("col") or 1
        highlight = first.get("highlight") or ""
        message = f"unexpected {highlight!r}" if highlight else "it ends too early"
        return Parsed((), Trouble(message, _offset(text, line, column - len(highlight))))
    except TokenError:
        return Parsed((), Trouble("a quote or a comment is not closed", 0))
    except SqlglotError as error:
        return Parsed((), Trouble(_SAYS.sub("", str(error).partition("\n")[0])[:80] or "unknown syntax", 0))
    except RecursionError:
        return Parsed((), Trouble("it is nested too deeply", 0))
    except Exception as error:  # noqa: BLE001 - see above
        return Parsed((), Trouble(f"the parser gave up: {type(error).__name__}", 0))
    finally:
        logger.disabled = was_disabled
    for statement in statements:
        if isinstance(statement, exp.Command) and _may_read(statement):
            word = str(statement.this)
            at = re.search(rf"(?i)\b{re.escape(word)}\b", text)
            return Parsed(statements, Trouble(f"a statement {word.upper()} is not understood", at.start() if at else 0))
    return Parsed(statements)


def _may_read(command: exp.Command) -> bool:
    return re.search(r"(?i)\b(?:from|join|using)\b", str(command.args.get("expression") or "")) is not None


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return min(start + max(column, 0), len(text))


def masked(text: str) -> str:
    """A text in which every `${env.X}` is a word that may be a name, or part of one: its value must not matter here."""
    if "${" not in text:
        return text

    def standin(match: re.Match[str]) -> str:
        return "${" if match[1] is None else f"env__{match[0].encode().hex()}__"

    return _VARIABLE.sub(standin, text)


def unmasked(text: str) -> str:
    """What `masked` made of a text, made good."""
    if "env__" not in text:
        return text
    return _STANDIN.sub(lambda match: bytes.fromhex(match[1]).decode(), text)
