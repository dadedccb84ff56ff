"""What is in an asset's table after the statements of its SQL, column by column. Knows one asset at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from assets_cli.inference.columns import Queries
from assets_cli.inference.names import Site, fold
from assets_cli.inference.reading import Script, targets_of
from assets_cli.inference.relations import Column, Open, Relation, Way
from assets_cli.model.manifest import Asset

if TYPE_CHECKING:
    from sqlglot import exp


class Outside(Protocol):
    """Who knows the columns of what an asset reads."""

    def outside(self, asset: Asset, site: Site, table: tuple[str, str, str | None]) -> Relation:
        """The columns of a table, by its key, as written, and the attached file that it is in."""
        ...

    def behind(self, asset: Asset, site: Site, path: str) -> Relation:
        """The columns of a file."""
        ...


class Walk:
    """The statements of one asset's SQL, in order; tables that the script itself makes are known in it."""

    def __init__(self, columns: Outside, asset: Asset, site: Site, *, expressions: bool) -> None:
        self._columns = columns
        self._asset = asset
        self._site = site
        self._script = Script(site.dialect)
        self._made: dict[str, Relation] = {}
        self.queries = Queries(
            site.dialect,
            self._table,
            lambda path: columns.behind(asset, site, path),
            expressions=expressions,
        )

    def run(self, statements: Sequence[exp.Expr]) -> Relation | None:
        """What is in the asset's table in the end: of a script what was put there, else what the query gives."""
        from sqlglot import exp

        output = self._asset.output
        last: Relation | None = None
        for statement in statements:
            if isinstance(statement, (exp.Query, exp.Values)) and not statement.find(exp.Into):
                last = self.queries.query(statement, {})
            else:
                self._statement(statement)
            self._script.statement(statement)
        if output is None or output.materialization != "script":
            return last
        own = self._site.key(output.table) if output.table else None
        return self._made.get(own) if own is not None else Relation()

    def _table(self, table: exp.Table) -> Relation:
        name = self._script.identify(table)
        made = self._made.get(self._site.canonical(name[0])) if name[2] is None else None
        return made if made is not None else self._columns.outside(self._asset, self._site, name)

    def _statement(self, statement: exp.Expr) -> None:
        """A statement that may fill a table from a query, or make one with columns."""
        from sqlglot import exp

        targets = [each for each in targets_of(statement) if isinstance(each, exp.Table)]
        if not targets:
            return
        key = self._site.canonical(self._script.identify(targets[0])[0])
        query = statement.args.get("expression")
        schema = statement.this if isinstance(statement.this, exp.Schema) else None
        named = (
            [each.this if isinstance(each, exp.ColumnDef) else each for each in schema.expressions] if schema else []
        )
        names = [
            (fold(each.name, self._site.dialect, quoted=bool(each.args.get("quoted"))), each.name)
            for each in named
            if isinstance(each, exp.Identifier)
        ]
        if isinstance(statement, exp.Create) and query is None:
            self._made[key] = Relation(tuple(Column(one, name, (Way(frozenset()),)) for one, name in names))
        elif isinstance(statement, (exp.Create, exp.Insert)) and isinstance(query, (exp.Query, exp.Values)):
            given = self.queries.query(query, {}).renamed(names)
            before = self._made.get(key) if isinstance(statement, exp.Insert) else None
            by_name = bool(names) or bool(statement.args.get("by_name"))
            self._made[key] = before.union(given, by_name=by_name) if before is not None else given
        elif isinstance(statement, (exp.Update, exp.Merge)):
            self._made[key] = Relation(opens=(Open(None, f"what {statement.key.upper()} does to {targets[0].name}"),))
