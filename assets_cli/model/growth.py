"""How rows come to a table that keeps the ones it has: what a step says to whoever adds them."""

from __future__ import annotations

from typing import NamedTuple


class Growth(NamedTuple):
    """How the rows of a query come to those that a table holds already.

    Those with the same `unique_key` are replaced; those within the window of `time_column` that the new rows span are;
    with neither, all stay. `anew` builds the table from nothing, and the query then finds it empty if it reads it:
    `columns`, names and types, are what it has where there is none yet. With `first` there must be none: what is there
    is not known to be ours.

    `attempt` is written in the transaction of the rows. `after` is the attempt that filled the table last, as far as
    anybody knows: the rows of another one that was not noticed are never added to. None knows nothing. `counted` asks
    how many rows the whole table has then, which takes a server a scan.
    """

    attempt: str
    unique_key: tuple[str, ...] = ()
    time_column: str | None = None
    anew: bool = False
    first: bool = False
    after: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    counted: bool = False
