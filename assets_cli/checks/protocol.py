"""What the evaluation of checks is given and what it gives back.

Of databases it knows only the few methods written here, of the user's functions only how to call one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

SAMPLE = 5
"""How many failing rows are kept."""


class CheckError(Exception):
    """A check cannot be evaluated, for a reason that one sentence says: it has failed."""


class Asked(NamedTuple):
    """One check to evaluate; `model.manifest.Check` says what its arguments are."""

    name: str
    kind: str
    arguments: Mapping[str, Any]


class Finding(NamedTuple):
    """What was found. `failing` counts rows, where rows can be counted; `sample` holds the first of them, as JSON.

    One that passes may have a message, too: what it went by.
    """

    passed: bool
    failing: int | None = None
    message: str = ""
    sample: tuple[Mapping[str, Any], ...] = ()


PASSED = Finding(passed=True)


class Privacy(NamedTuple):
    """What no finding may show: the values of columns, by their names in lower case, or of all (`everything`)."""

    columns: frozenset[str] = frozenset()
    everything: bool = False

    @property
    def is_any(self) -> bool:
        """Whether anything must not be shown."""
        return self.everything or bool(self.columns)

    def hides(self, column: str) -> bool:
        """Whether the values of a column must not be shown."""
        return self.everything or column.lower() in self.columns


OPEN = Privacy()


class Subject(NamedTuple):
    """Whose contents are looked at: a table, or a file, directory or glob, or nothing that is declared.

    `files` are the paths by which a query may name the asset and its upstreams, by their names.
    """

    asset: str
    table: str | None = None
    path: str | None = None
    files: Mapping[str, str] = {}
    privacy: Privacy = OPEN


class Fetched(Protocol):
    """What a query returned: the names of its columns, its first rows, and how many there are, up to a limit."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names."""
        ...

    @property
    def rows(self) -> Sequence[tuple[Any, ...]]:
        """The first rows."""
        ...

    @property
    def total(self) -> int:
        """How many rows there are, counted no further than asked for."""
        ...


class Session(Protocol):
    """What a check asks of an open connection. `dialect` is as sqlglot calls it; `raw` the driver's own."""

    dialect: str
    raw: Any

    def qualified(self, table: str) -> str:
        """The name of a table as a query writes it, quoted."""
        ...

    def columns(self, table: str) -> tuple[tuple[str, str], ...]:
        """Names and types of a table's columns."""
        ...

    def fetch(self, query: str, keep: int, count_to: int) -> Fetched:
        """Run one query."""
        ...

    def read(self, query: str) -> Any:
        """Run one query; the answer's `batches` are its rows as they come."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class FileSession(Session, Protocol):
    """A DuckDB of no file, in which files are given names."""

    def define(self, name: str, source: str) -> None:
        """Let a name stand for what comes after `from`."""
        ...


class Means(NamedTuple):
    """What a check is evaluated with.

    `table` opens the asset's database for reading and `memory` a DuckDB of no file; `call` calls the function of a
    check as the asset's own would be called, and gives what it returns. All of them raise one of `refusals`, with a
    sentence and perhaps a `hint`, for what the user can mend.
    """

    table: Callable[[], Session]
    memory: Callable[[], FileSession]
    call: Callable[[Asked], Any]
    refusals: tuple[type[Exception], ...]


def refused(error: Exception) -> Finding:
    """What a check has found that could not be evaluated."""
    hint = getattr(error, "hint", None)
    text = " ".join(str(error).split()) or type(error).__name__
    return Finding(passed=False, message=f"{text} ({hint})" if hint else text)
