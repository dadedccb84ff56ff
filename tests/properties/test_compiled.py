"""What is kept of a manifest says what its files say: random projects, edited, asked for in every way."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from support.manifests import anew, ask, kept, plain, said, write, wrong

NAMES = tuple("abcdef")
TEXTS = st.sampled_from(["x", "two words", "${vars.one}/y", "${env.SET:-d}", "é", "1", ""])
WORDS = st.sampled_from(["x", "tier=gold", "${vars.one}"])
DURATIONS = st.sampled_from(["5m", "1h30m", "2d"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-2, 2) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    max_leaves=4,
)
QUERIES = st.sampled_from(
    [
        "select 1 as id",
        *(f"select * from t_{name}" for name in NAMES),
        "select * from t_a join main.t_b using (id)",
        "select * from '${env.SET:-out}/c'",
        "select ${vars.one} from t_d",
        "selec from",
        "sql/q.sql",
        "sql/r.sql",
    ]
)
FUNCTIONS = st.sampled_from(["lib.m:run", "lib.m:other", "lib.n:run", "gone:run"])
COMMANDS = (
    st.fixed_dictionaries({"shell": st.sampled_from(["touch $ASSETS_OUTPUT", " echo ${vars.one}\n", ":"])})
    | st.just({"shell": {"run": "x", "with": ["bash", "-c"]}})
    | st.fixed_dictionaries({"sql": QUERIES})
    | st.fixed_dictionaries({"python": FUNCTIONS})
)
PROBES = st.sampled_from(
    [
        {"path": "in/x.csv"},
        {"shell": "date"},
        {"sql": "select max(id) from t_a", "connection": "db"},
        {"http": "https://example.org"},
        {"http": {"url": "https://example.org", "headers": {"A": "${env.SET}"}}},
    ]
)
CHECKS = st.sampled_from(
    [
        {"not_null": ["id"]},
        {"unique": ["id"], "severity": "warn", "name": "u"},
        {"accepted_values": {"column": "c", "values": [1, True, 1.5, "x", None]}},
        {"row_count": {"min": 1}, "blocking": True},
        {"max_age": {"column": "at", "max": "1h"}},
        {"sql": "select 1 where false"},
        {"sql": "sql/q.sql"},
        {"python": "lib.m:check"},
        {"shell": "true"},
    ]
)
SHARED = {
    "owner": st.just("me") | st.just(["me", "you"]),
    "group": WORDS,
    "tags": st.lists(WORDS, max_size=2, unique=True),
    "metadata": st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2),
    "kind": st.just("model"),
    "env": st.dictionaries(st.sampled_from(["A", "B"]), TEXTS, max_size=2),
    "freshness": st.fixed_dictionaries(
        {"max_lag": DURATIONS},
        optional={
            "warn_lag": st.just("1m"),
            "retry_every": st.sampled_from(["1s", "1h"]),
            "cron": st.sampled_from(["0 9 * * 1-5", "@daily"]),
            "timezone": st.sampled_from(["UTC", "Europe/Paris"]),
        },
    ),
    "timeout": DURATIONS,
    "retries": st.fixed_dictionaries(
        {}, optional={"max": st.integers(0, 2), "delay": DURATIONS, "retry_on": st.just([75, 1])}
    ),
    "pool": st.just("few"),
    "isolated": st.booleans(),
    "data_version": st.sampled_from(["content", "always"]),
}


@st.composite
def assets(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """One asset, mostly without a mistake."""
    optional = {
        "description": TEXTS,
        "upstreams": st.lists(st.sampled_from([each for each in NAMES if each < name] or [name]), max_size=2),
        "code": st.just(["lib/*.py"]),
        "code_version": st.just("7"),
        "checks": st.lists(CHECKS, max_size=2, unique_by=repr),
        "columns": st.just([{"name": "id", "type": "integer", "tags": ["pii"]}, {"name": "c", "description": "x"}]),
        "moved": st.sampled_from([{"from": f"old_{name}"}, {"from": [f"old_{name}", f"older_{name}"]}]),
        **SHARED,
    }
    keys = draw(st.lists(st.sampled_from(sorted(optional)), max_size=4, unique=True))
    asset = {"name": name, **{key: draw(optional[key]) for key in keys}}
    if not draw(st.integers(0, 3)):
        return {**asset, "observe": draw(PROBES)}
    asset["command"] = draw(COMMANDS)
    if "sql" in asset["command"]:
        asset["output"] = draw(
            st.sampled_from(
                [
                    {"table": f"t_{name}"},
                    {"table": f"t_{name}", "materialization": "view"},
                    {"table": f"main.t_{name}", "materialization": "incremental", "unique_key": ["id", "c"]},
                ]
            )
        )
    else:
        asset["output"] = draw(st.sampled_from([{"path": f"out/{name}"}, {"path": f"${{vars.one}}/{name}"}]))
    return asset


@st.composite
def projects(draw: st.DrawFn) -> dict[str, str]:
    """The files of a project."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    made = [draw(assets(name)) for name in sorted(names)]
    some = st.fixed_dictionaries({}, optional=SHARED)
    cut = draw(st.integers(0, len(made)))
    root: dict[str, Any] = {
        "version": 1,
        "include": ["more/*.yml"],
        "vars": {"one": draw(st.sampled_from(["out", "other"])), "deep": {"er": draw(st.integers(0, 1))}},
        "connections": {"db": {"type": "duckdb", "path": draw(st.sampled_from(["w.duckdb", "${env.SET:-w}.duckdb"]))}},
        "pools": {"few": draw(st.integers(1, 2))},
        "environments": {"prod": {"vars": {"one": "prod"}, "defaults": draw(some)}},
        "defaults": draw(some),
        "assets": made[:cut],
    }
    files = {
        "assets.yml": json.dumps(root, indent=draw(st.sampled_from([None, 2]))),
        "more/one.yml": json.dumps({"defaults": draw(some), "assets": made[cut:]}),
        "sql/q.sql": draw(QUERIES),
        "lib/m.py": draw(st.sampled_from(["def run(a, b=1): ...", "from lib.n import run", "def run(", ""])),
    }
    further = {
        "more/two.yml": draw(st.sampled_from(["assets: []", "assets: [{name: z}]"])),
        "sql/r.sql": draw(QUERIES),
        "lib/n.py": draw(st.sampled_from(["def run(c, d): ...", "def run(): ..."])),
        "lib/m/__init__.py": "def run(e): ...",
        ".env": "X=1",
    }
    return files | {name: text for name, text in further.items() if draw(st.booleans())}


QUESTIONS = st.tuples(
    st.sampled_from(["default", "default", "prod", "gone"]),
    st.sampled_from([{}, {}, {"one": "given"}, {"deep.er": "1"}, {"none": "1"}]),
    st.sampled_from([{}, {}, {"SET": "here"}, {"UNUSED": "1"}]),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(projects(), QUESTIONS), min_size=1, max_size=4))
def test_the_cache_says_what_the_files_say(steps: list[tuple[dict[str, str], Any]]) -> None:
    """After any edit and for any question; of a project without a mistake, and of no other, the answer is kept."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for files, question in steps:
            for path in [path for path in root.rglob("*") if path.is_file() and ".assets" not in path.parts]:
                path.unlink()
            write(root, files)
            asked = ask(root, *question)
            found = said(asked)
            assert said(asked) == found
            assert said(asked, anew) == said(asked, plain) == found
            mistakes = wrong(asked)
            assert (kept(asked) is None) == bool(mistakes), mistakes
            event("mistakes" if mistakes else "none")
