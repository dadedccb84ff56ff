"""Names of tables as databases compare them: case by dialect, parts, schemas and catalogs that may be left out.

Pure text; no database is asked and no parser needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from assets_cli.connections.names import pieces
from assets_cli.connections.protocol import DatabaseError
from assets_cli.model.manifest import Connection
from assets_cli.model.template import fill_known

Case = Literal["ignored", "lower", "upper", "kept"]
SEPARATOR: Final = "\0"
"""Between the parts of a key; no name holds it."""

_CASES: Final[Mapping[str, Case]] = {
    **dict.fromkeys(("postgres", "materialize", "risingwave"), "lower"),
    **dict.fromkeys(("snowflake", "oracle", "exasol", "db2"), "upper"),
    **dict.fromkeys(("bigquery", "mysql", "clickhouse", "doris", "starrocks", "singlestore"), "kept"),
}
_SCHEMAS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("duckdb", "sqlite"), "main"),
    **dict.fromkeys(("postgres", "redshift", "materialize", "risingwave"), "public"),
    **dict.fromkeys(("tsql", "fabric"), "dbo"),
    "snowflake": "PUBLIC",
}
_DIALECTS: Final[Mapping[str, str]] = {
    "postgresql": "postgres",
    "cockroachdb": "postgres",
    "mariadb": "mysql",
    "mssql": "tsql",
    "awsathena": "athena",
    "pyhive": "hive",
}
_OWN_SCHEMAS: Final = frozenset({"information_schema", "pg_catalog", "sys", "pg_temp", "temp", "snowflake"})
_OWN_TABLES: Final = re.compile(r"(?i)sqlite_|duckdb_|pragma_|pg_|dual$|dbstat$|svv_|stv_|stl_")


def fold(name: str, dialect: str, *, quoted: bool) -> str:
    """A part of a name as the database compares it."""
    case = _CASES.get(dialect, "ignored")
    if case == "ignored" or (case == "lower" and not quoted):
        # Of letters beyond ASCII these databases keep the case.
        return (
            name.lower()
            if name.isascii()
            else name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
        )
    if case == "upper" and not quoted:
        return name.upper()
    return name


def default_schema(dialect: str) -> str:
    """The schema of a bare name; empty where each connection has its own."""
    return _SCHEMAS.get(dialect, "")


def is_own(parts: Sequence[str]) -> bool:
    """Whether a table, by its folded parts, is the database's own: a catalogue, a temporary schema."""
    schemas = {part.lower() for part in parts[:-1]}
    return bool(schemas & _OWN_SCHEMAS) or (len(parts) == 1 and _OWN_TABLES.match(parts[0]) is not None)


def key_of(name: str, dialect: str) -> str | None:
    """The key of a name as people write it (`mart."my table"`); None where it is no name."""
    try:
        parts = pieces(name)
    except DatabaseError:
        return None
    return SEPARATOR.join(fold(text, dialect, quoted=quoted) for text, quoted in parts)


def shown(key: str) -> str:
    """A key for people."""
    return key.replace(SEPARATOR, ".")


class Site(NamedTuple):
    """Where a connection leads, as far as names go. `database` is the same for connections to one database.

    `catalog` and `schema` are what a name without them means; `file` is the path of a file database, as resolved.
    """

    database: str
    dialect: str
    catalog: str
    schema: str
    file: str | None = None

    def key(self, table: str) -> str | None:
        """The one key of the table of an output; None where its name is none."""
        if table.isidentifier():
            return fold(table, self.dialect, quoted=False)
        key = key_of(table, self.dialect)
        return None if key is None else self.canonical(key)

    def canonical(self, key: str) -> str:
        """A key without the catalog and the schema that go without saying."""
        parts = key.split(SEPARATOR)
        if len(parts) == 3 and parts[0] == self.catalog:  # noqa: PLR2004 - catalog, schema, table
            del parts[0]
        # DuckDB takes the first of two for a catalog, too.
        home = (self.schema, self.catalog) if self.dialect == "duckdb" else (self.schema,)
        if len(parts) == 2 and parts[0] in home:  # noqa: PLR2004 - schema, table
            del parts[0]
        return SEPARATOR.join(parts)


def site_of(connection: Connection, real: Callable[[str], str], environ: Mapping[str, str]) -> Site:
    """Where a connection leads. What an unset variable hides is left as written, so that it is the same as itself.

    `real` follows the links of a path.
    """
    options = {key: fill_known(value, environ) for key, value in connection.options.items() if isinstance(value, str)}
    if connection.type in ("duckdb", "sqlite"):
        path = options.get("path", "")
        if not path or ":memory:" in path:
            return Site(f"{connection.name}\n{path}", connection.type, "memory", "main")
        file = real(path)
        catalog = fold(PurePath(path).stem, connection.type, quoted=True) if connection.type == "duckdb" else ""
        return Site(file, connection.type, catalog, "main", file)
    url = options.get("url", "")
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname or ''}:{parts.port or ''}{parts.path}?{parts.query}"
    except ValueError:
        return Site(f"{connection.name}\n{url}", connection.type, "", "")
    scheme = parts.scheme.partition("+")[0].lower()
    dialect = "postgres" if connection.type == "postgres" else _DIALECTS.get(scheme, scheme)
    if dialect in ("sqlite", "duckdb"):
        path = unquote(parts.path.removeprefix("/"))
        catalog = fold(PurePath(path).stem, dialect, quoted=True) if dialect == "duckdb" else ""
        place_on_disk = real(path) if path and ":memory:" not in path else None
        return Site(place_on_disk or f"{connection.name}\n{url}", dialect, catalog, "main", place_on_disk)
    steps = [fold(unquote(step), dialect, quoted=False) for step in parts.path.split("/") if step]
    catalog, schema = _home(dialect, steps)
    return Site(
        f"{dialect}\n{place}" if parts.hostname or parts.path else f"{connection.name}\n{url}", dialect, catalog, schema
    )


def _home(dialect: str, steps: Sequence[str]) -> tuple[str, str]:
    """The catalog and the schema that the path of an address names."""
    if dialect in ("mysql", "clickhouse", "doris", "starrocks", "singlestore", "hive"):
        return "", steps[0] if steps else ""
    schema = steps[1] if len(steps) > 1 else default_schema(dialect)
    return steps[0] if steps else "", schema
