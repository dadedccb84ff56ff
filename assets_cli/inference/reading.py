"""What an SQL text reads: tables and files, each with the place where it is first named.

Follows the scopes of common table expressions through every kind of statement, and the order of a script: what was
written by an earlier statement is not read from outside. Knows no assets; which table is whose is resolved elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from assets_cli.inference.names import SEPARATOR, default_schema, fold
from assets_cli.inference.parsing import masked, parse, unmasked
from assets_cli.probing.normalise import parser_version

if TYPE_CHECKING:
    from sqlglot import exp

_FORM: Final = "1"
"""Grows whenever this module finds something else in the same text."""
_FIELD, _RECORD = "\x1f", "\x1e"
_PLAIN = {ord(_FIELD): " ", ord(_RECORD): " "}
TABLE, FILE, TROUBLE = "t", "f", "x"
"""The sorts of records of a fact."""
_FILES: Final = frozenset({"read_csv", "read_parquet", "sniff_csv", "st_read", "parquet_metadata", "parquet_schema"})
_EXTENSIONS: Final = (".parquet", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".gz", ".zst", ".xlsx", ".db", ".txt")
_FOREIGN: Final = frozenset({"sqlite_scan", "duckdb_scan"})
_FORWARD: Final = frozenset({"postgres", "redshift", "materialize", "risingwave"})
"""Dialects whose `with recursive` lets an expression name a later one."""


class TableRead(NamedTuple):
    """A table that is read. `key` are its folded parts; `written` is as in the text, quotes and all.

    `file` is that of an attached database. `line` and `column` count from 1.
    """

    key: str
    line: int
    column: int
    written: str
    file: str | None = None


class FileRead(NamedTuple):
    """A path or glob that a table function reads."""

    path: str
    line: int
    column: int


class Reads(NamedTuple):
    """All that a text reads, in the order of the text. `trouble` (line, column, message) is what is not understood."""

    tables: tuple[TableRead, ...] = ()
    files: tuple[FileRead, ...] = ()
    trouble: tuple[int, int, str] | None = None


def kind(dialect: str) -> str:
    """The name of this fact about a text in a dialect: another parser may read it otherwise."""
    return f"sql-reads/{_FORM}/{parser_version()}/{dialect}"


def reads_of(fact: Any) -> Reads | None:
    """The value of a fact; None where it is none of ours."""
    try:
        tables, files, trouble = [], [], None
        for sort, name, line, column, written, file in records(fact):
            if sort == TABLE:
                tables.append(TableRead(name, int(line), int(column), written or name, file or None))
            elif sort == FILE:
                files.append(FileRead(name, int(line), int(column)))
            else:
                trouble = (int(line), int(column), name)
    except (TypeError, ValueError, AttributeError):
        return None
    return Reads(tuple(tables), tuple(files), trouble)


def records(fact: Any) -> list[list[str]]:
    """The records of a fact: sort, name, line, column, as written where that differs, file. They may be no six.

    Raises:
        AttributeError: it is none of ours.
    """
    return [] if fact == "" else [record.split(_FIELD) for record in fact.split(_RECORD)]


def read(text: str, dialect: str) -> Reads:
    """What a text reads. Never fails: what is not understood is said."""
    hidden = masked(text)
    parsed = parse(hidden, dialect)
    where = Lines(text, hidden)
    walk = Script(dialect)
    trouble = parsed.trouble
    told = None
    if trouble is not None:
        told = (*where.at(trouble.offset, ""), unmasked(trouble.message))
    for statement in parsed.statements:
        walk.statement(statement)
    tables: dict[tuple[str, str | None], TableRead] = {}
    for key, written, file, offset in sorted(walk.tables, key=lambda each: each[3]):
        name = unmasked(written)
        tables.setdefault((key, file), TableRead(unmasked(key), *where.at(offset, name), name, file and unmasked(file)))
    files: dict[str, FileRead] = {}
    for path, offset in sorted(walk.files, key=lambda each: each[1]):
        named = unmasked(path)
        files.setdefault(named, FileRead(named, *where.at(offset, named)))
    return Reads(tuple(tables.values()), tuple(files.values()), told)


def fact_of(reads: Reads) -> str:
    """Reads as one text: ten thousand of them are read at every start, and nested lists take three times as long."""
    found = [
        (TABLE, key, str(line), str(column), "" if written == key else written, file or "")
        for key, line, column, written, file in reads.tables
    ]
    found += [(FILE, path, str(line), str(column), "", "") for path, line, column in reads.files]
    if reads.trouble is not None:
        line, column, message = reads.trouble
        found.append((TROUBLE, message, str(line), str(column), "", ""))
    return _RECORD.join([_FIELD.join([part.translate(_PLAIN) for part in each]) for each in found])


class Lines:
    """Lines and columns of the text as written, from offsets in the one that was parsed."""

    def __init__(self, written: str, parsed: str) -> None:
        self._written = None if written == parsed else written.split("\n")
        self._parsed = parsed

    def at(self, offset: int, name: str) -> tuple[int, int]:
        """The line and the column, from 1, of an offset at which `name` stands."""
        start = self._parsed.rfind("\n", 0, offset) + 1
        line = self._parsed.count("\n", 0, offset) + 1
        if self._written is None or line > len(self._written):
            return line, offset - start + 1
        # Variables have no line breaks, but they are as long as they like.
        return line, max(self._written[line - 1].find(name), 0) + 1


class Script:
    """The statements of one text, in order: what they read from outside, as (key, written, file, offset)."""

    def __init__(self, dialect: str) -> None:
        self.tables: list[tuple[str, str, str | None, int]] = []
        self.files: list[tuple[str, int]] = []
        self._dialect = dialect
        self._written: set[str] = set()
        self._attached: dict[str, str] = {}
        self._home: tuple[str, ...] = ()

    def statement(self, statement: exp.Expr) -> None:
        """Note what the next statement reads and writes."""
        from sqlglot import exp

        if isinstance(statement, exp.Use):
            self._use([each.name for each in parts_of(statement.this)])
        elif isinstance(statement, exp.Set):
            self._set(statement)
        elif isinstance(statement, exp.Attach):
            self._attach(statement)
        elif isinstance(statement, _silent()):
            renamed = statement.find(exp.AlterRename)
            if renamed is not None and isinstance(renamed.this, exp.Table):
                self._written.add(self._key(renamed.this))
        else:
            targets = [each for each in targets_of(statement) if isinstance(each, exp.Table)]
            for node in self._read_by(statement, {id(each) for each in targets}):
                self._note(node)
            self._written.update(self._key(each) for each in targets)

    def _note(self, table: exp.Table) -> None:
        from sqlglot import exp

        this = table.this
        if not isinstance(this, (exp.Identifier, exp.Dot)):
            if this is not None:
                self._function(this)
            return
        offset = start_of(table)
        if self._dialect == "duckdb" and this.args.get("quoted") and not table.db and looks_like_file(this.name):
            self.files.append((this.name, offset))
        if self._key(table) in self._written:
            return
        self.tables.append((*self.identify(table), offset))

    def identify(self, table: exp.Table) -> tuple[str, str, str | None]:
        """The key of a table at this point of the script, how it is written, and the attached file that it is in."""
        written = ".".join(each.sql(dialect=self._dialect) for each in parts_of(table))
        key = self._key(table)
        first, _, rest = key.partition(SEPARATOR)
        file = self._attached.get(first) if rest else None
        return (rest if file is not None else key), written, file

    def _function(self, function: exp.Expr) -> None:
        """A function in place of a table: those that read files by name, or tables of other databases."""
        name, arguments = called(function)
        texts = [each.name for each in literals(arguments[0])] if arguments else []
        offset = start_of(function)
        if name == "query_table":
            self.tables += [(fold(text, self._dialect, quoted=True), text, None, offset) for text in texts]
        elif name in _FOREIGN and len(arguments) > 1 and texts:
            for each in literals(arguments[1]):
                self.tables.append((fold(each.name, self._dialect, quoted=True), each.name, texts[0], offset))
        elif reads_files(name):
            self.files += [(text, offset) for text in texts]

    def _key(self, table: exp.Table) -> str:
        parts = parts_of(table)
        folded = [fold(each.name, self._dialect, quoted=bool(each.args.get("quoted"))) for each in parts]
        if len(folded) == 1:
            folded = [*self._home, *folded]
        if len(folded) == 2 and folded[0] == fold(default_schema(self._dialect), self._dialect, quoted=False):  # noqa: PLR2004 - schema, table
            del folded[0]
        return SEPARATOR.join(folded)

    def _use(self, names: Iterable[str]) -> None:
        folded = tuple(fold(name, self._dialect, quoted=False) for name in names if name)
        home = fold(default_schema(self._dialect), self._dialect, quoted=False)
        self._home = () if folded == (home,) else folded

    def _set(self, statement: exp.Set) -> None:
        from sqlglot import exp

        for item in statement.expressions:
            setting = item.this
            if isinstance(setting, exp.EQ) and setting.this.name.lower() in ("schema", "search_path"):
                value = setting.expression
                self._use([value.name.split(",")[0].strip().strip('"')])

    def _attach(self, statement: exp.Attach) -> None:
        from sqlglot import exp

        what = statement.this
        path = what.this if isinstance(what, exp.Alias) else what
        if isinstance(path, exp.Literal) and path.is_string:
            stem = path.name.rpartition("/")[2].partition(".")[0]
            alias = what.alias if isinstance(what, exp.Alias) else stem
            self._attached[fold(alias, self._dialect, quoted=True)] = path.name

    def _read_by(self, statement: exp.Expr, targets: set[int]) -> Iterator[exp.Table]:
        """The tables in a statement that no common table expression stands for.

        Without recursion: a chain of unions may be long.
        """
        from sqlglot import exp

        waiting: list[tuple[exp.Expr, Mapping[str, Any]]] = [(statement, {})]
        while waiting:
            node, visible = waiting.pop()
            if id(node) in targets or isinstance(node, exp.UserDefinedFunction):
                continue
            with_ = with_of(node)
            if with_ is not None:
                visible = self._scope(with_, visible, waiting)
            if isinstance(node, exp.Table) and not self._is_visible(node, visible) and not self._is_unnested(node):
                yield node
            if isinstance(node, exp.Copy) and node.args.get("kind"):
                self.files += [(each.name, start_of(each)) for each in _copied_from(node)]
            for value in node.args.values():
                if value is not with_:
                    several = value if isinstance(value, list) else [value]
                    waiting += [(each, visible) for each in several if isinstance(each, exp.Expr)]

    def _is_visible(self, table: exp.Table, visible: Mapping[str, Any]) -> bool:
        """Whether a table is a common table expression: only a bare name can be one."""
        from sqlglot import exp

        name = table.this
        if not isinstance(name, exp.Identifier) or table.args.get("db"):
            return False
        return fold(name.name, self._dialect, quoted=bool(name.args.get("quoted"))) in visible

    def _scope(
        self, with_: exp.With, visible: Mapping[str, Any], waiting: list[tuple[exp.Expr, Mapping[str, Any]]]
    ) -> Mapping[str, Any]:
        """What is visible below a WITH; what its expressions see themselves is put beside them."""
        from sqlglot import exp

        ctes = with_.expressions
        names = []
        for cte in ctes:
            alias = cte.args["alias"].this
            names.append(fold(alias.name, self._dialect, quoted=bool(alias.args.get("quoted"))))
        below = dict(visible)
        for name, cte in zip(names, ctes, strict=True):
            seen = dict(below)
            if with_.args.get("recursive"):
                body = cte.this
                while isinstance(body, exp.Subquery):
                    body = body.this
                if self._dialect in _FORWARD:
                    seen.update(dict.fromkeys(names))
                elif isinstance(body, exp.SetOperation):
                    seen[name] = None  # without a union nothing recurs: the name is a table's
            waiting.append((cte.this, seen))
            below[name] = None
        return below

    def _is_unnested(self, table: exp.Table) -> bool:
        """BigQuery's `from orders, orders.items`: an array of a row, not a table."""
        from sqlglot import exp

        if self._dialect != "bigquery" or not table.args.get("db"):
            return False
        first = parts_of(table)[0].name
        select = table.find_ancestor(exp.Select)
        if select is None:
            return False
        return any(each is not table and each.alias_or_name == first for each in select.find_all(exp.Table))


def called(function: exp.Expr) -> tuple[str, list[exp.Expr]]:
    """The name of a function, as written, in small letters, and its arguments."""
    from sqlglot import exp

    if isinstance(function, exp.Anonymous):
        return function.name.lower(), function.expressions
    first = function.args.get("this")
    name = function.sql_name().lower() if isinstance(function, exp.Func) else ""
    return name, [*([first] if isinstance(first, exp.Expr) else []), *function.expressions]


def reads_files(function: str) -> bool:
    """Whether a table function reads the files that its first argument names."""
    return function in _FILES or function.startswith("read_") or function.endswith("_scan")


def looks_like_file(name: str) -> bool:
    """Whether the name of a table is one of a file or glob that DuckDB reads as it is."""
    return "/" in name or "*" in name or name.lower().endswith(_EXTENSIONS)


def _silent() -> tuple[type[exp.Expr], ...]:
    """Statements that read no rows."""
    from sqlglot import exp

    return (
        exp.Drop,
        exp.Alter,
        exp.Grant,
        exp.Comment,
        exp.TruncateTable,
        exp.Detach,
        exp.Pragma,
        exp.Analyze,
        exp.Transaction,
        exp.Commit,
        exp.Rollback,
        exp.Kill,
        exp.Command,
        exp.Refresh,
        exp.Declare,
    )


def targets_of(statement: exp.Expr) -> Iterator[exp.Expr | None]:
    """The tables that a statement writes."""
    from sqlglot import exp

    if isinstance(statement, (exp.Insert, exp.Merge, exp.Update, exp.Delete)):
        yield _table(statement.this)
    elif isinstance(statement, exp.Create):
        if statement.kind in ("TABLE", "VIEW"):
            yield _table(statement.this)
        elif isinstance(statement.this, exp.Index):
            yield statement.this.args.get("table")
        elif isinstance(statement.this, exp.Table):
            yield statement.this
    elif isinstance(statement, exp.Copy) and statement.args.get("kind"):
        yield _table(statement.this)
    elif isinstance(statement, exp.Query):
        into = statement.find(exp.Into)
        yield into.this if into is not None else None


def _table(node: Any) -> exp.Expr | None:
    from sqlglot import exp

    return node.this if isinstance(node, exp.Schema) else node if isinstance(node, exp.Expr) else None


def parts_of(table: exp.Expr) -> list[exp.Identifier]:
    """The identifiers of a table's name, from the catalog to the table."""
    from sqlglot import exp

    found: list[exp.Identifier] = []
    for key in ("catalog", "db", "this"):
        value = table.args.get(key)
        if isinstance(value, exp.Identifier):
            found.append(value)
        elif isinstance(value, exp.Dot):
            found += list(value.find_all(exp.Identifier, bfs=False))
    return found


def literals(node: Any) -> list[exp.Literal]:
    """The texts of an argument: one, or a list of them."""
    from sqlglot import exp

    each = node.expressions if isinstance(node, (exp.Array, exp.Tuple)) else [node]
    return [one for one in each if isinstance(one, exp.Literal) and one.is_string]


def _copied_from(copy: exp.Copy) -> list[exp.Expr]:
    from sqlglot import exp

    found: list[exp.Expr] = []
    for each in copy.args.get("files") or ():
        inner = each.this if isinstance(each, exp.Table) else each
        if isinstance(inner, exp.Identifier) or (isinstance(inner, exp.Literal) and inner.is_string):
            found.append(inner)
    return found


def with_of(node: exp.Expr) -> exp.With | None:
    """The WITH of a statement or a query."""
    from sqlglot import exp

    found = node.args.get("with_") or node.args.get("with")  # the newer and the older name
    return found if isinstance(found, exp.With) else None


def start_of(node: exp.Expr) -> int:
    """Where a node begins: the least offset that one of its own words has."""
    from sqlglot import exp

    offsets = [each.meta["start"] for each in node.find_all(exp.Identifier, exp.Func) if "start" in each.meta]
    own = node.meta.get("start")
    return min([*offsets, own] if own is not None else offsets, default=0)
