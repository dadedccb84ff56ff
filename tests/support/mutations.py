"""Projects that nobody would write: real ones, with edits to their texts, their tokens and their values.

An edit is a small tuple of numbers and texts, so that Hypothesis can shrink a story of edits to the few that matter.
Knows nothing of what `assets` makes of them.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
_TOKEN = re.compile(r"\s+|\w+|'[^'\n]*'|\"[^\"\n]*\"|[^\w\s]")
_FENCE = re.compile(r"^```yaml[^\n]*\n(version: 1\n.*?)^```$", re.MULTILINE | re.DOTALL)

ODD_TEXTS = (
    "",
    "\0",
    "\t",
    "\r",
    "\x85",
    "\u2028",
    "\ufeff",
    "\ud7ff",
    "\U0001f600",
    "é" * 300,
    "x" * 5000,
    "9" * 5000,
    "1e400",
    ".inf",
    ".nan",
    "0x1F",
    "0o17",
    "1_000",
    "12:30:45",
    "2024-01-01",
    "~",
    "null",
    "yes",
    "NO",
    "<<",
    "*a",
    "&a",
    "!!binary",
    "!!python/object:os.system",
    "%YAML 1.1",
    "---",
    "...",
    "{{ x }}",
    "${",
    "${vars.}",
    "${vars.x}",
    "${vars.x.y}",
    "${env.X:-${env.Y}}",
    "${env.",
    "$${vars.x}",
    "../..",
    "/",
    "/dev/zero",
    "**",
    "**/*",
    "[",
    "(" * 300,
    "(a+)+$",
    "'",
    '"',
    "`",
    ";",
    "--",
    "/*",
    "#",
    "\\",
    "C:\\x",
    "a\nb",
    "99999999999999999999d",
    "0s",
    "select 1",
    "select * from x join y using (",
    "with a as (select * from a) select * from a",
    "m:f",
    "a.b.c:d",
)
ODD_VALUES = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    [],
    {},
    [[]],
    {"": ""},
    [None],
    {"a": {"b": {"c": []}}},
    *ODD_TEXTS[:10],
    "x",
    "name",
)


HEAD = b"""version: 1
connections:
  w: {type: duckdb, path: w.duckdb}
  pg: {type: postgres, url: postgresql:///x}
default_connection: w
assets:
  - {name: b, output: {table: b}, columns: [{name: id}, {name: day, type: date}]}
  - {name: c, output: {path: c.csv}, columns: [{name: id}, {name: n}]}
"""
QUERY = HEAD + b"  - {name: a, command: {sql: q.sql}, output: {table: a}}\n"
QUERY_OF_A_SERVER = HEAD + b"  - {name: a, command: {sql: q.sql}, output: {table: a, connection: pg}}\n"
MODULE = HEAD + b"  - {name: a, command: {python: 'm:run'}, output: {table: a}}\n"
QUERIES = (
    (
        "with recursive t as (select 1 as n union all select n + 1 from t where n < 9) "
        "select n, b.* from t join b on b.id = n"
    ),
    "select id, row_number() over (partition by day order by id desc) as r from b qualify r = 1",
    "select * exclude (day), unnest([1, 2]) as u, {'k': id, 'l': [day]} as s from b as x(id, day)",
    "from 'c.csv' select columns('i.*'), n::int + 1 as m order by all",
    (
        "select s.k, list_transform([1], x -> x + id) as l, map {'a': 1}['a'] as v "
        "from (select {'k': id} as s, id from b) as q"
    ),
    "pivot b on day using count(*) group by id",
    (
        "select case when id > 1 then 'a' else $$b$$ end as k, count(*) filter (where id is not null) "
        "from b group by rollup (1)"
    ),
    (
        "create or replace table a as select * from read_csv('c.csv', columns = {'id': 'int', 'n': 'int'}); "
        "drop table if exists d"
    ),
    "insert into a (id) select id from b on conflict (id) do update set id = excluded.id returning *",
    "select b.id, l.n from b left join lateral (select n from c where c.id = b.id limit 1) as l on true, c as k",
    (
        "merge into a using b on a.id = b.id when matched then update set id = b.id "
        "when not matched then insert (id) values (b.id)"
    ),
    "copy (select '${vars.x}' as x, '${env.Y:-d}' as y from b) to 'out.csv' (header true); update a set id = 1 from b",
    (
        "select distinct on (id) id, day at time zone 'UTC', interval '1 day' * 2, array(select n from c), "
        "('{1}'::int[])[1] from b"
    ),
)
"""Queries with whatever a parser has a way of its own for."""


class Edit(NamedTuple):
    """One change of one file: how, where (as shares of what there is), and with what."""

    how: str
    at: float
    until: float
    text: str
    value: Any


def _read(*names: str) -> dict[str, bytes]:
    return {name: (ROOT / name).read_bytes() for name in names}


@lru_cache
def seeds() -> tuple[Mapping[str, bytes], ...]:
    """Real projects: the examples, what `assets init` writes, the pages' manifests, and one that uses every key."""
    found: list[Mapping[str, bytes]] = []
    for folder in sorted((ROOT / "examples" / "manifests").iterdir()):
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix in (".yml", ".sql", ".py")]
        found.append(
            {str(path.relative_to(folder)): path.read_bytes() for path in paths if ".assets" not in path.parts}
        )
    templates = ROOT / "assets_cli" / "cli" / "templates"
    paths = [path for path in sorted(templates.rglob("*")) if path.suffix in (".yml", ".sql", ".py")]
    found.append({str(path.relative_to(templates)): path.read_bytes() for path in paths if path.name != "__init__.py"})
    for page in sorted((ROOT / "docs").rglob("*.md")):
        found += [{"assets.yml": match[1].encode()} for match in _FENCE.finditer(page.read_text())][:2]
    small = [(path, data) for files in found for path, data in files.items() if path.endswith((".sql", ".py"))]
    found += [{"assets.yml": QUERY, "q.sql": data} for path, data in small if path.endswith(".sql")]
    found += [{"assets.yml": MODULE, "m.py": data} for path, data in small if path.endswith(".py")]
    found += [{"assets.yml": each, "q.sql": text.encode()} for text in QUERIES for each in (QUERY, QUERY_OF_A_SERVER)]
    return (*found, whole())


@lru_cache
def whole() -> Mapping[str, bytes]:
    """A project with every key that the schema has, as the schema shows it, and an asset for each way to use one."""
    schema = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text())
    asset = schema["definitions"]["asset"]["properties"]
    root = {
        key: declared["examples"][0]
        for key, declared in schema["properties"].items()
        if key not in ("assets", "include") and declared.get("examples")
    }
    root["environments"] = schema["properties"]["environments"]["examples"][0]
    made: list[dict[str, Any]] = []
    for key, declared in asset.items():
        found = schema["definitions"].get(declared.get("$ref", "").removeprefix("#/definitions/"), declared)
        for example in found.get("examples", ()):
            if key != "name":
                extra = {} if key in ("command", "observe") else {"command": {"shell": "true"}}
                made.append({"name": f"a{len(made)}", **extra, key: example})
    made += [
        {"name": f"c{number}", "command": {"shell": "true"}, "output": {"path": f"c{number}.csv"}, "checks": [check]}
        for number, check in enumerate(schema["definitions"]["check"]["examples"])
    ]
    text = yaml.safe_dump({**root, "include": ["more/*.yml"], "assets": made}, sort_keys=False)
    more = yaml.safe_dump({"defaults": {"owner": "x"}, "assets": [{"name": "z", "upstreams": ["a0"]}]})
    return {"assets.yml": text.encode(), "more/one.yml": more.encode(), "lib/m.py": b"def run(a0): ...\n"}


@lru_cache
def words() -> tuple[str, ...]:
    """What tokens are replaced by: the keys and words of the schema, YAML's signs, SQL's and Python's words."""
    text = (ROOT / "schemas" / "manifest.schema.json").read_text()
    keys = set(re.findall(r'"([a-z_]{2,20})":', text)) | set(re.findall(r"\b[a-z_]{4,12}\b", text))
    signs = (
        "\n",
        "\n  ",
        ": ",
        "- ",
        ", ",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!!str ",
        "|\n  ",
        ">\n ",
        "#",
        "'",
        '"',
        "? ",
    )
    sql = ("select", "from", "join", "with", "union", "group by", "over", "as", "null", "(", ")", ";", "::", "/*", "$$")
    code = ("def", "import", "from", "class", "lambda", "async", "yield", "return", ":=", "f'{", "\\", "*,", "->", "@")
    return (*sorted(keys), *signs, *sql, *code, *ODD_TEXTS)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from _paths(inner, (*path, key))


def _span(length: int, edit: Edit) -> tuple[int, int]:
    first, second = sorted((int(edit.at * length), int(edit.until * length)))
    return first, min(second, first + 200)


def _cut_text(text: str, edit: Edit) -> str:
    start, end = _span(len(text), edit)
    return text[:start] + edit.text + text[end:]


def _put_text(text: str, edit: Edit) -> str:
    start = int(edit.at * len(text))
    return text[:start] + edit.text + text[start:]


def _repeat_text(text: str, edit: Edit) -> str:
    start, end = _span(len(text), edit)
    return text[:end] + text[start:end] * 20 + text[end:]


def _tokens(change: Callable[[list[str], int, int, Edit], None]) -> Callable[[str, Edit], str]:
    def changed(text: str, edit: Edit) -> str:
        found = _TOKEN.findall(text)
        if found:
            last = len(found) - 1
            change(found, round(edit.at * last), round(edit.until * last), edit)
        return "".join(found)

    return changed


def _swap(found: list[str], first: int, second: int, _: Edit) -> None:
    found[first], found[second] = found[second], found[first]


def _replace(found: list[str], first: int, _: int, edit: Edit) -> None:
    found[first] = edit.text


def _drop(found: list[str], first: int, _: int, __: Edit) -> None:
    del found[first]


def _copy(found: list[str], first: int, second: int, _: Edit) -> None:
    found.insert(second, found[first])


def _values(change: Callable[[Any, Any, Edit], None]) -> Callable[[str, Edit], str]:
    """A change of the values that a text holds; of a text that holds none there is nothing to change."""

    def changed(text: str, edit: Edit) -> str:
        try:
            values = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            return text
        values = copy.deepcopy(values) if len(text) < 100_000 else None
        paths = [path for path in _paths(values) if path]
        if not paths:
            return text
        path = paths[round(edit.at * (len(paths) - 1))]
        container = values
        for step in path[:-1]:
            container = container[step]
        change(container, path[-1], edit)
        if edit.until < 0.5:
            return json.dumps(values, default=str)
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    return changed


def _set_value(container: Any, key: Any, edit: Edit) -> None:
    container[key] = edit.value


def _drop_value(container: Any, key: Any, _: Edit) -> None:
    del container[key]


def _rename_key(container: Any, key: Any, edit: Edit) -> None:
    if isinstance(container, MutableMapping):
        container[edit.text] = container.pop(key)


def _add_key(container: Any, key: Any, edit: Edit) -> None:
    if isinstance(container, MutableMapping):
        container[edit.text] = copy.deepcopy(container[key])
    else:
        container.append(copy.deepcopy(container[key]))


def _wrap_value(container: Any, key: Any, edit: Edit) -> None:
    container[key] = [container[key]] if edit.text < "m" else {edit.text: container[key]}


Changes = Mapping[str, Callable[[str, Edit], str]]
TEXT: Changes = {"cut text": _cut_text, "put text": _put_text, "repeat text": _repeat_text}
TOKENS: Changes = {
    "swap tokens": _tokens(_swap),
    "replace token": _tokens(_replace),
    "drop token": _tokens(_drop),
    "copy token": _tokens(_copy),
}
VALUES: Changes = {
    "set value": _values(_set_value),
    "drop value": _values(_drop_value),
    "rename key": _values(_rename_key),
    "add key": _values(_add_key),
    "wrap value": _values(_wrap_value),
}
CHANGES: Changes = {**TEXT, **TOKENS, **VALUES}
_SHARES = st.floats(0, 1, allow_nan=False)
_LEVELS = (TEXT, TOKENS, VALUES, VALUES)
"""Most mistakes of form end the reading; those of values are looked at by everything behind it."""


@st.composite
def edits(draw: st.DrawFn, names: tuple[str, ...], level: Changes) -> tuple[str, Edit]:
    """A file and a change to it; half of them change the manifest."""
    name = draw(st.sampled_from(["assets.yml", draw(st.sampled_from(names))]))
    how = draw(st.sampled_from(sorted(TOKENS if level is VALUES and not name.endswith(".yml") else level)))
    text = draw(st.sampled_from(words()) | (st.text(max_size=20) if level is TEXT else st.sampled_from(words())))
    value = draw(st.sampled_from(ODD_VALUES) | st.sampled_from(words())) if how == "set value" else None
    return name, Edit(how, draw(_SHARES), draw(_SHARES), text, value)


@st.composite
def projects(draw: st.DrawFn) -> dict[str, bytes]:
    """The files of a real project after a few edits of one level."""
    files = dict(draw(st.sampled_from(seeds())))
    level = draw(st.sampled_from(_LEVELS))
    for name, edit in draw(st.lists(edits(tuple(sorted(files)), level), min_size=1, max_size=5)):
        text = files[name].decode("utf-8", "surrogateescape")
        files[name] = CHANGES[edit.how](text, edit).encode("utf-8", "surrogateescape")
    if level is TEXT and draw(st.booleans()):
        name, raw = draw(st.sampled_from(sorted(files))), draw(st.binary(max_size=6))  # what is no text
        at = int(draw(_SHARES) * len(files[name]))
        files[name] = files[name][:at] + raw + files[name][at:]
    return files
