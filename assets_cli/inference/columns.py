"""Which columns a query gives and what each is made from: through common table expressions, subqueries, stars, unions.

A column's sources are all columns in its expression, windows and conditions included; what only decides about rows
(where, join, group by …) is a filter. What cannot be known is a gap that says why. Knows no assets: what a table holds
is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from assets_cli.inference.names import fold
from assets_cli.inference.reading import called, literals, parts_of, reads_files, start_of, with_of
from assets_cli.inference.relations import Column, Filter, Leaf, Open, Relation, Way, distinct
from assets_cli.inference.scopes import Missing, Scope, Source
from assets_cli.inference.trees import counts, entries, grouped, words

if TYPE_CHECKING:
    from sqlglot import exp

_MOST_NODES: Final = 150
_MOST_ROUNDS: Final = 8
_OWN: Final = frozenset(
    (
        *("rowid", "_rowid_", "oid", "ctid", "xmin", "xmax", "tableoid", "rownum", "level"),
        *("filename", "file_row_number", "file_index", "metadata$filename", "_partitiontime", "_table_suffix"),
        *("sysdate", "user", "current_user", "session_user", "sqlcode", "true", "false", "default"),
        *("excluded", "new", "old", "value", "key", "index"),
    )
)
"""Names that a database may know although no table has them."""
_TEXT_IN_DOUBLE_QUOTES: Final = frozenset({"sqlite", "mysql", "bigquery", "spark", "databricks", "hive", "clickhouse"})
_HIDDEN_JOINS: Final = frozenset({"SEMI", "ANTI"})

Tables = Callable[["exp.Table"], Relation]
Files = Callable[[str], Relation]


class Unknown(NamedTuple):
    """A column that is read and certainly not there: its name, its offset, where it was looked for, what is there."""

    name: str
    offset: int
    sources: tuple[str, ...]
    known: tuple[str, ...]


class Queries:
    """Follows the queries of one text. `tables` and `files` give the columns of what lies outside."""

    def __init__(self, dialect: str, tables: Tables, files: Files, *, expressions: bool = True) -> None:
        self.unknown: dict[int, Unknown] = {}
        self._dialect = dialect
        self._tables = tables
        self._files = files
        self._expressions = expressions

    def query(self, node: exp.Expr, ctes: Mapping[str, Relation], outer: Scope | None = None) -> Relation:
        """What a query gives."""
        from sqlglot import exp

        with_ = with_of(node)
        if with_ is not None:
            ctes = self._with(with_, ctes, outer)
        if isinstance(node, exp.Select):
            return self._select(node, ctes, outer)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, ctes, outer)
        if isinstance(node, exp.Subquery):
            if isinstance(node.this, exp.Table):
                scope = Scope(outer)
                self._add(node.this, scope, ctes)
                return scope.starred()
            return self._piece(node, self.query(node.this, ctes, outer))
        if isinstance(node, exp.Values):
            return self._values(node, ctes, outer)
        return Relation(opens=(Open(None, f"what {node.key.upper()} gives"),))

    # -- with and union ----------------------------------------------------------------------------------------------

    def _with(self, with_: exp.With, ctes: Mapping[str, Relation], outer: Scope | None) -> Mapping[str, Relation]:
        from sqlglot import exp

        known = dict(ctes)
        for cte in with_.expressions:
            alias = cte.args["alias"]
            key = self._key(alias.this)
            names = self._names(alias)
            body = cte.this
            while isinstance(body, exp.Subquery):
                body = body.this
            if with_.args.get("recursive") and isinstance(body, exp.SetOperation) and with_of(body) is None:
                known[key] = self._recursive(key, names, body, known, outer)
            elif isinstance(cte.this, (exp.Query, exp.Values)):
                known[key] = self.query(cte.this, known, outer).renamed(names)
            else:
                known[key] = Relation(opens=(Open(None, f"what {cte.this.key.upper()} returns"),))
        return known

    def _recursive(
        self,
        key: str,
        names: Sequence[tuple[str, str]],
        body: exp.SetOperation,
        ctes: Mapping[str, Relation],
        outer: Scope | None,
    ) -> Relation:
        """The first part, then the second over what there is, until nothing new comes in."""
        relation = self.query(body.this, ctes, outer).renamed(names)
        for _ in range(_MOST_ROUNDS):
            further = self.query(body.expression, {**ctes, key: relation}, outer)
            grown = relation.union(further, by_name=False)
            if [column.sources for column in grown.columns] == [column.sources for column in relation.columns]:
                return relation._replace(filters=grown.filters)
            # Ways that only repeat what is there would grow with every round.
            relation = grown._replace(columns=tuple(each._replace(ways=distinct(each.ways)) for each in grown.columns))
        return relation

    def _set_operation(self, node: exp.SetOperation, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        """All parts of a chain of unions; thousands of them are no deeper than one."""
        from sqlglot import exp

        parts: list[tuple[exp.Expr, bool]] = []
        left: exp.Expr = node
        while isinstance(left, exp.SetOperation) and (left is node or with_of(left) is None):
            parts.append((left.expression, bool(left.args.get("by_name"))))
            left = left.this
        relation = self.query(left, ctes, outer)
        for part, by_name in reversed(parts):
            relation = relation.union(self.query(part, ctes, outer), by_name=by_name)
        return relation

    def _values(self, node: exp.Values, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        from sqlglot import exp

        rows = [each.expressions if isinstance(each, exp.Tuple) else [each] for each in node.expressions]
        width = len(rows[0]) if rows else 0
        columns = []
        for index in range(width):
            ways = [self._way(row[index], Scope(outer), ctes)[0] for row in rows if index < len(row)]
            name = f"col{index}" if self._dialect == "duckdb" else f"column{index + 1}"
            columns.append(Column(name, name, distinct(tuple(way._replace(expression=None) for way in ways))))
        return Relation(tuple(columns)).renamed(self._names(node.args.get("alias")))

    # -- select ------------------------------------------------------------------------------------------------------

    def _select(self, node: exp.Select, ctes: Mapping[str, Relation], outer: Scope | None) -> Relation:
        scope = Scope(outer)
        filters: set[Filter] = set()
        from_ = node.args.get("from_") or node.args.get("from")
        if from_ is not None:
            filters |= self._add(from_.this, scope, ctes)
        filters |= self._joins(node.args.get("joins") or (), scope, ctes)
        for lateral in node.args.get("laterals") or ():
            filters |= self._add(lateral, scope, ctes)
        for source in scope.sources:
            filters |= source.relation.filters
        windows = {self._key(each.this): each for each in node.args.get("windows") or ()}
        columns: list[Column] = []
        opens: list[Open] = []
        for item in node.expressions:
            more, beyond, deciding = self._item(item, scope, ctes, windows)
            columns += more
            opens += beyond
            filters |= deciding
            for column in more:
                scope.aliases.setdefault(column.key, column)
        filters |= self._clauses(node, scope, ctes, columns)
        return Relation(tuple(columns), tuple(opens), frozenset(filters))

    def _clauses(
        self, node: exp.Select, scope: Scope, ctes: Mapping[str, Relation], columns: Sequence[Column]
    ) -> set[Filter]:
        from sqlglot import exp

        found: set[Filter] = set()
        wanted = [("where", "where"), ("group", "group by"), ("having", "having"), ("qualify", "qualify")]
        if node.args.get("limit") is not None:
            wanted.append(("order", "order by"))
        else:
            self._look_over(node.args.get("order"), scope, ctes)
        unique = node.args.get("distinct")
        clauses = [(node.args.get(key), word) for key, word in wanted]
        if unique is not None and unique.args.get("on") is not None:
            clauses.append((unique.args["on"], "distinct on"))
        for clause, word in clauses:
            if isinstance(clause, exp.Expr):
                way, nested = self._way(clause, scope, ctes)
                found |= {Filter(leaf, word) for leaf in way.sources} | nested
        group = node.args.get("group")
        if group is not None:
            found |= {Filter(leaf, "group by") for column in grouped(node, group, columns) for leaf in column.sources}
        return found

    def _look_over(self, clause: Any, scope: Scope, ctes: Mapping[str, Relation]) -> None:
        """A clause that decides nothing: only whether its columns are there."""
        if clause is not None:
            self._way(clause, scope, ctes)

    def _item(
        self, item: exp.Expr, scope: Scope, ctes: Mapping[str, Relation], windows: Mapping[str, exp.Expr]
    ) -> tuple[list[Column], list[Open], set[Filter]]:
        """The columns of one entry of a SELECT list, what passes through it unknown, and its filters."""
        from sqlglot import exp

        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            return self._star(item, scope, ctes)
        expression = item.this if isinstance(item, exp.Alias) else item
        if expression.find(exp.Columns) is not None or (
            isinstance(expression.find(exp.Star), exp.Star) and not counts(expression)
        ):
            everything = scope.starred()
            sources = [each.table for each in everything.opens if each.table is not None]
            why = f"which columns {expression.sql(dialect=self._dialect)} gives" + (
                f" of {sources[0]}" if sources else ""
            )
            return [], [Open(None, why)], set()
        way, nested = self._way(expression, scope, ctes, windows)
        if self._expressions:
            way = way._replace(expression=self._inlined(expression, scope))
        if isinstance(item, exp.Aliases):
            return [Column(self._key(each), each.name, (way,)) for each in item.args["expressions"]], [], nested
        key, name, certain = self._output_name(item)
        return [Column(key, name, (way,), certain)], [], nested

    def _output_name(self, item: exp.Expr) -> tuple[str, str, bool]:
        """Key and name of a column, and whether it is certain what the database calls it."""
        from sqlglot import exp

        if isinstance(item, exp.Alias):
            identifier = item.args["alias"]
            return self._key(identifier), self._named(identifier), True
        inner = item
        while isinstance(inner, (exp.Paren, exp.Cast)):
            inner = inner.this
        if isinstance(inner, exp.Column) and isinstance(inner.this, exp.Identifier):
            return self._key(inner.this), self._named(inner.this), inner is item
        if isinstance(inner, exp.Dot) and isinstance(inner.expression, exp.Identifier):
            return self._key(inner.expression), self._named(inner.expression), inner is item
        name = item.sql(dialect=self._dialect, comments=False, normalize_functions="lower")
        return name.lower(), name, False

    def _star(
        self, item: exp.Expr, scope: Scope, ctes: Mapping[str, Relation]
    ) -> tuple[list[Column], list[Open], set[Filter]]:
        from sqlglot import exp

        star = item.this if isinstance(item, exp.Column) else item
        relation = scope.starred()
        if isinstance(item, exp.Column) and item.table:
            keys = [fold(each.name, self._dialect, quoted=bool(each.args.get("quoted"))) for each in item.parts[:-1]]
            relation = next(
                (source.relation for source in scope.sources if source.alias == keys[-1]),
                Relation(opens=(Open(None, f"what {item.sql(dialect=self._dialect)} gives"),)),
            )
        without = {self._key(each.this if isinstance(each, exp.Column) else each) for each in entries(star, "except")}
        replaced: dict[str, Way] = {}
        filters: set[Filter] = set()
        for each in entries(star, "replace"):
            way, nested = self._way(each.this, scope, ctes)
            replaced[self._key(each.args["alias"])] = way._replace(
                expression=self._inlined(each.this, scope) if self._expressions else None
            )
            filters |= nested
        renamed = {self._key(each.this.this): each.args["alias"] for each in entries(star, "rename")}
        columns = []
        for column in relation.columns:
            if column.key in without:
                continue
            one = column._replace(ways=(replaced[column.key],)) if column.key in replaced else column
            if column.key in renamed:
                alias = renamed[column.key]
                one = one._replace(key=self._key(alias), name=self._named(alias))
            columns.append(one)
        known = {column.key for column in relation.columns}
        if relation.opens:
            columns += [Column(key, key, (way,)) for key, way in replaced.items() if key not in known]
        gone = frozenset(without | renamed.keys() | replaced.keys())
        opens = [each._replace(without=each.without | gone) for each in relation.opens]
        return columns, opens, filters

    # -- sources -----------------------------------------------------------------------------------------------------

    def _add(self, node: exp.Expr, scope: Scope, ctes: Mapping[str, Relation], *, hidden: bool = False) -> set[Filter]:
        """Put what stands in a FROM or a JOIN into a scope; the filters of joins inside it."""
        from sqlglot import exp

        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table) and not node.alias:
            return self._add(node.this, scope, ctes, hidden=hidden)
        alias = node.args.get("alias")
        parts: tuple[str, ...] = ()
        shown = ""
        if isinstance(node, exp.Table) and isinstance(node.this, (exp.Identifier, exp.Dot)):
            parts = tuple(self._key(each) for each in parts_of(node))
            shown = ".".join(each.name for each in parts_of(node))
            cte = ctes.get(parts[0]) if len(parts) == 1 else None
            relation = cte if cte is not None else self._tables(node)
        elif isinstance(node, exp.Subquery):
            relation = self.query(node, ctes, scope)
        elif isinstance(node, exp.Values):
            relation = self._values(node, ctes, scope)
        elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Query):
            relation = self.query(node.this, ctes, scope)
        else:
            relation = self._from_function(node, scope, ctes)
        relation = self._piece(node, relation)
        key = self._key(alias.this) if alias is not None and alias.this is not None else parts[-1] if parts else ""
        scope.sources.append(Source(key, parts if not alias else (), relation, hidden, shown))
        return self._joins(node.args.get("joins") or (), scope, ctes)

    def _piece(self, node: exp.Expr, relation: Relation) -> Relation:
        """A source with the columns of its alias, and its pivots, which nobody looks into."""
        if node.args.get("pivots"):
            return Relation((), (Open(None, "which columns a pivot makes"),), relation.filters)
        return relation.renamed(self._names(node.args.get("alias")))

    def _from_function(self, node: exp.Expr, scope: Scope, ctes: Mapping[str, Relation]) -> Relation:
        """A function in place of a table: a file that it reads, or an array that it unfolds."""
        from sqlglot import exp

        function = node.this if isinstance(node, (exp.Table, exp.Lateral)) else node
        if not isinstance(function, exp.Expr):
            return Relation(opens=(Open(None, "what it reads"),))
        name, arguments = called(function)
        texts = [each.name for each in literals(arguments[0])] if arguments else []
        if reads_files(name):
            relation = self._files(texts[0]) if len(texts) == 1 else None
            return relation or Relation(opens=(Open(None, f"which columns {name} reads"),))
        way = Way(frozenset())
        if isinstance(function, (exp.Unnest, exp.Explode, exp.GenerateSeries, exp.Func)) and not texts:
            way, _ = self._way(function, scope, ctes)
        if way.sources or isinstance(function, (exp.Unnest, exp.Explode, exp.GenerateSeries)):
            alias = node.alias or name or "unnest"
            unfolded = function.copy() if self._expressions else None
            if unfolded is not None:
                unfolded.set("alias", None)
            column = Column(fold(alias, self._dialect, quoted=False), alias, (way._replace(expression=unfolded),))
            return Relation((column,), (Open(None, f"which columns {name or 'unnest'} gives"),))
        return Relation(opens=(Open(None, f"which columns {name or 'a function'} gives"),))

    def _joins(self, joins: Sequence[exp.Expr], scope: Scope, ctes: Mapping[str, Relation]) -> set[Filter]:
        found: set[Filter] = set()
        for join in joins:
            before = list(scope.sources)
            kind = str(join.args.get("kind") or "").upper()
            found |= self._add(join.this, scope, ctes, hidden=kind in _HIDDEN_JOINS)
            if len(scope.sources) == len(before):
                continue
            using = [self._key(each.this if each.key == "column" else each) for each in join.args.get("using") or ()]
            added = scope.sources[len(before)]
            if str(join.args.get("method") or "").upper() == "NATURAL":
                using = [
                    column.key
                    for column in added.relation.columns
                    if any(each.relation.find(column.key) for each in before)
                ]
            for key in using:
                found |= self._merge(key, before, added, scope, str(join.args.get("side") or "").upper())
            on = join.args.get("on")
            if on is not None:
                way, nested = self._way(on, scope, ctes)
                found |= {Filter(leaf, "join") for leaf in way.sources} | nested
        return found

    def _merge(self, key: str, before: Sequence[Source], added: Source, scope: Scope, side: str) -> set[Filter]:
        """A column of both sides of `using`: that of the side whose rows are all there."""
        left = scope.merged.get(key) or next((found for each in before if (found := each.relation.find(key))), None)
        left = left or next((found for each in before if (found := each.relation.beyond(key, key))), None)
        right = added.relation.seek(key, key)
        both = [column for column in (left, right) if column is not None]
        if both:
            chosen = {"RIGHT": both[-1:], "FULL": both}.get(side, both[:1])
            ways = tuple(way for column in chosen for way in column.ways)
            scope.merged[key] = Column(key, both[0].name, ways)
        return {Filter(leaf, "join") for column in both for leaf in column.sources}

    # -- expressions -------------------------------------------------------------------------------------------------

    def _way(
        self, node: exp.Expr, scope: Scope, ctes: Mapping[str, Relation], windows: Mapping[str, exp.Expr] | None = None
    ) -> tuple[Way, set[Filter]]:
        """All that an expression is made from, and the filters of the queries in it."""
        from sqlglot import exp

        sources: set[Leaf] = set()
        gaps: set[str] = set()
        filters: set[Filter] = set()
        for each in words(node):
            if isinstance(each, exp.Query):
                relation = self.query(each, ctes, scope)
                if not isinstance(each.parent, exp.Exists):
                    sources |= relation.everything.sources
                    gaps |= {gap for column in relation.columns for gap in column.gaps}
                filters |= relation.filters
            elif isinstance(each, exp.Column):
                column = self._resolve(each, scope)
                if column is not None:
                    sources |= column.sources
                    gaps |= column.gaps
            elif isinstance(each, exp.Window) and windows and each.args.get("alias") is not None:
                named = windows.get(self._key(each.args["alias"]))
                if named is not None:
                    way, nested = self._way(named, scope, ctes, windows)
                    sources |= way.sources
                    filters |= nested
        return Way(frozenset(sources), None, frozenset(gaps)), filters

    def _resolve(self, node: exp.Column, scope: Scope) -> Column | None:
        """The column that a word stands for; None where it is none, or none that is there, which is noted."""
        from sqlglot import exp

        parts = [each for each in node.parts if isinstance(each, exp.Identifier)]
        if not parts or isinstance(node.this, exp.Star):
            return None
        found = scope.find([(self._key(each), each.name) for each in parts])
        if not isinstance(found, Missing):
            return found
        first = parts[0]
        quoted = bool(first.args.get("quoted"))
        is_text = quoted and len(parts) == 1 and self._dialect in _TEXT_IN_DOUBLE_QUOTES
        if found.sources and not is_text and first.name.lower() not in _OWN and parts[-1].name.lower() not in _OWN:
            offset = start_of(node)
            self.unknown.setdefault(offset, Unknown(found.name, offset, found.sources, found.known))
        return None

    def _inlined(self, node: exp.Expr, scope: Scope) -> exp.Expr:
        """An expression with the columns of inner queries written out, unless that gets too long to read."""
        from sqlglot import exp

        whole = node.copy()
        replaced: exp.Expr = whole
        for each in [each for each in words(whole) if isinstance(each, exp.Column)]:
            if not [part for part in each.parts if isinstance(part, exp.Identifier)]:
                continue
            found = scope.find([(self._key(part), part.name) for part in each.parts])
            if isinstance(found, Missing) or len(found.ways) != 1:
                continue
            inner = found.ways[0].expression
            if inner is None:
                continue
            inner = inner.copy()
            if isinstance(inner, (exp.Binary, exp.Not, exp.Between, exp.In)) and each.parent is not None:
                inner = exp.Paren(this=inner)
            if each is replaced:
                replaced = inner
            else:
                each.replace(inner)
        if sum(1 for _ in replaced.walk()) > _MOST_NODES:
            return node.copy()
        return replaced

    def _key(self, identifier: Any) -> str:
        return fold(identifier.name, self._dialect, quoted=bool(identifier.args.get("quoted")))

    def _named(self, identifier: Any) -> str:
        """A name as the database shows it: those that ignore case keep it as written."""
        folded = self._key(identifier)
        return (
            str(identifier.name)
            if folded.lower() == str(identifier.name).lower() and self._dialect in ("duckdb", "sqlite")
            else folded
        )

    def _names(self, alias: Any) -> list[tuple[str, str]]:
        """The columns that an alias gives names to."""
        from sqlglot import exp

        if alias is None or isinstance(alias, str):
            return []
        names = [each.this if isinstance(each, exp.ColumnDef) else each for each in alias.args.get("columns") or ()]
        return [(self._key(each), each.name) for each in names]
