"""`assets query`: ask a database, without changing it."""

from __future__ import annotations

from enum import StrEnum
from itertools import islice
from typing import Annotated

from assets_cli.cli import console
from assets_cli.cli.options import Argument, AsJson, Option
from assets_cli.cli.session import Session
from assets_cli.cli.words import count

MOST_ROWS = 100


class Format(StrEnum):
    """How the answer is printed."""

    table = "table"
    csv = "csv"
    json = "json"


def command(
    session: Session,
    sql: Annotated[str, Argument(metavar="SQL", text="One statement that only reads.", show_default=False)],
    connection: Annotated[
        str | None, Option("--connection", metavar="NAME", text="Ask this one, not the default connection.")
    ] = None,
    form: Annotated[Format, Option("--format", text="How to print it.")] = Format.table,
    limit: Annotated[
        int | None,
        Option("--limit", "-n", metavar="N", least=1, text=f"At most N rows; by default {MOST_ROWS} in a table."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Ask the default connection, opened read-only, and print the answer.

    Relative paths in it start at the project: select * from 'data/orders.parquet'. As csv and json an answer of any
    length is printed as it comes.
    """
    from assets_cli.cli.screens import rows as screen

    form = Format.json if as_json else form
    most = MOST_ROWS if limit is None and form is Format.table else limit
    with session.open().query(sql, connection) as answer:
        found = (row for batch in answer.batches for row in batch)
        if form is Format.csv:
            console.stream(screen.csv_pieces(answer.columns, islice(found, most)))
            return 0
        if form is Format.json:
            console.stream(screen.json_pieces(answer.columns, islice(found, most)))
            return 0
        shown = list(islice(found, most))
        is_more = limit is None and next(found, None) is not None
    console.show(screen.table(answer.columns, shown, console.out()))
    said = f"the first {count(len(shown), 'row')}; --limit N shows more, --format csv all" if is_more else ""
    console.remark(["", said or count(len(shown), "row")])
    return 0
