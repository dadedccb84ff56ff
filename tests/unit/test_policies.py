"""`policies` evaluated for a project: what each kind of rule finds, its exact words, and where."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from assets_cli.graph import AssetGraph
from assets_cli.manifest import load
from assets_cli.manifest.schema import schema
from assets_cli.model.manifest import CheckKind, Policy
from assets_cli.policies import asset as public
from assets_cli.policies.evaluate import FunctionAnswer, Scope, evaluate
from assets_cli.policies.features import KEYS, feature
from assets_cli.policies.finding import Finding

ASSETS = """\
assets:
- {name: raw_orders, group: raw, owner: [ingest, ada], tags: [pii, domain=sales], command: {shell: a}}
- name: orders
  group: marts
  metadata: {sla: gold, tier: 1, open: true}
  command: {sql: "select 1 as id"}
  output: {table: orders}
  upstreams: [raw_orders]
  columns: [{name: id, type: int, description: Its number.}, {name: Email, tags: [pii]}, {name: phone}]
  checks: [{unique: [id]}, {not_null: [id], blocking: true}]
  freshness: {max_lag: 1h}
- name: crm
"""
HEAD = "version: 1\nconnections: {w: {type: duckdb, path: w.db}}\npolicies:\n"


def graph_of(root: Path, policies: str, assets: str = ASSETS) -> AssetGraph:
    """A project with these policies, a line for each."""
    (root / "assets.yml").write_text(f"{HEAD}{policies}\n{assets}")
    loaded = load(root / "assets.yml")
    assert [problem.message for problem in loaded.problems if problem.severity == "error"] == []
    assert loaded.manifest is not None
    return AssetGraph(loaded.manifest)


def said(root: Path, policy: str, known: dict[str, tuple[str, ...]] | None = None, assets: str = ASSETS) -> list[str]:
    """What one policy finds: the place within the assets, or in the policies with a `p`, code, message, hint."""
    policies = f"- {{name: house, {policy}}}"
    graph = graph_of(root, policies, assets)
    first = (HEAD + policies).count("\n") + 1
    lines = []
    for problem in evaluate(graph, lambda name: (known or {}).get(name, ())).problems:
        place = problem.place
        assert place is not None
        line = f"p{place.line - 3}" if place.line <= first else str(place.line - first)
        message = problem.message.removesuffix(" (policy 'house')").removeprefix("policy 'house': ")
        lines.append(f"{line}:{place.column} {problem.code} {message} | {problem.hint}")
    return lines


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            "require: [owner]",
            [
                "3:9 A0701 asset 'orders': it has no owner | write `owner: …`",
                "12:9 A0701 asset 'crm': it has no owner | write `owner: …`",
            ],
        ),
        (
            "select: group:marts, require: [description, freshness, checks.blocking, freshness.warn_lag]",
            [
                (
                    "3:9 A0701 asset 'orders': it has no description and no freshness.warn_lag | "
                    "write `description: …` and `freshness: {max_lag: 24h, warn_lag: 20h}`"
                )
            ],
        ),
        (
            "select: raw_orders, require: [tags.pii, tags.domain, tags.sales, metadata.sla]",
            [
                (
                    "2:10 A0701 asset 'raw_orders': it has no tag sales and no metadata.sla | "
                    "write `tags: [sales]` and `metadata: {sla: …}`"
                )
            ],
        ),
        ("select: orders, require: [metadata.sla, metadata.open, checks.unique, columns, command.sql]", []),
        (
            "select: orders, require: [checks.volume]",
            ["3:9 A0701 asset 'orders': it has no check volume | write `checks: [{volume: …}]`"],
        ),
        (
            "forbid: [command.shell, checks.not_null, tags.domain, metadata.tier]",
            [
                (
                    "2:100 A0702 asset 'raw_orders': it has command.shell, which is forbidden | "
                    "make it by another kind of command"
                ),
                "10:28 A0702 asset 'orders': it has checks.not_null, which is forbidden | remove it",
                "2:68 A0702 asset 'raw_orders': it has tags.domain, which is forbidden | remove it",
                "5:31 A0702 asset 'orders': it has metadata.tier, which is forbidden | remove it",
            ],
        ),
        (
            "names: '^raw_'",
            [
                (
                    "3:9 A0703 asset 'orders': its name does not match ^raw_ | "
                    "rename it; `moved: {from: orders}` keeps its history"
                ),
                (
                    "12:9 A0703 asset 'crm': its name does not match ^raw_ | "
                    "rename it; `moved: {from: crm}` keeps its history"
                ),
            ],
        ),
        ("names: '^[a-z_]+$'", []),
        (
            "allowed: {owner: [ingest, data], group: marts, tags: ['domain=*']}",
            [
                "2:50 A0704 asset 'raw_orders': owner 'ada' is not allowed | allowed: ingest or data",
                "2:29 A0704 asset 'raw_orders': group 'raw' is not allowed | allowed: marts",
                "2:63 A0704 asset 'raw_orders': tag 'pii' is not allowed | allowed: domain=*",
            ],
        ),
        (
            "allowed: {kind: sql, connection: x, materialization: [view]}",
            [
                "2:3 A0704 asset 'raw_orders': kind 'shell' is not allowed | allowed: sql",
                "12:3 A0704 asset 'crm': kind 'external' is not allowed | allowed: sql",
                "7:11 A0704 asset 'orders': materialization 'table' is not allowed | allowed: view",
                "7:11 A0704 asset 'orders': connection 'w' is not allowed | allowed: x",
            ],
        ),
        (
            "allowed: {metadata: {sla: [silver], tier: ['1', '2'], open: ['false'], none: x}}",
            [
                "5:19 A0704 asset 'orders': metadata.sla 'gold' is not allowed | allowed: silver",
                "5:40 A0704 asset 'orders': metadata.open 'true' is not allowed | allowed: false",
            ],
        ),
        (
            "select: group:marts, upstreams: not group:raw",
            [
                (
                    "8:15 A0706 asset 'orders': it is made from 'raw_orders', which is not allowed | "
                    "allowed upstreams: not group:raw"
                )
            ],
        ),
        ("select: group:marts, upstreams: group:raw", []),
        (
            "columns: {match: 'email|phone', tags: [pii]}",
            [
                (
                    "9:90 A0705 asset 'orders': column phone is not tagged pii | "
                    "write `columns: [{name: phone, tags: [pii]}]`"
                )
            ],
        ),
        (
            "columns: {require: [description, type], names: '^[a-z]+$'}",
            [
                (
                    "9:62 A0705 asset 'orders': columns Email and phone have no description | "
                    "write `columns: [{name: Email, description: …}]`"
                ),
                (
                    "9:62 A0705 asset 'orders': columns Email and phone have no type | "
                    "write `columns: [{name: Email, type: …}]`"
                ),
                (
                    "9:62 A0705 asset 'orders': column Email does not match ^[a-z]+$ | "
                    "rename Email where it is made, and in all that reads it"
                ),
            ],
        ),
        ("columns: {match: '^e', tags: [pii], require: [tags]}", []),
    ],
)
def test_what_a_policy_finds(tmp_path: Path, policy: str, expected: list[str]) -> None:
    """At its place, with what to type."""
    assert said(tmp_path, policy) == expected


def test_a_column_that_only_the_sql_gives(tmp_path: Path) -> None:
    """Counts as one that nothing says anything of; one that is declared in other letters is the same."""
    known = {"orders": ("id", "EMAIL", "user_email", "phone", "email2", "email3", "email4")}
    assert said(tmp_path, "columns: {match: email, tags: [pii]}", known) == [
        (
            "3:9 A0705 asset 'orders': columns user_email, email2, email3 and email4 are not tagged pii | "
            "write `columns: [{name: user_email, tags: [pii]}]`; its SQL gives the column, and nothing declares it"
        )
    ]
    assert said(tmp_path, "columns: {match: '^(email|phone)', require: [type]}", known) == [
        (
            "9:62 A0705 asset 'orders': columns Email, phone, email2 and 2 more have no type | "
            "write `columns: [{name: Email, type: …}]`"
        )
    ]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            "select: group:mart, require: [owner]",
            "p1:25 A0402 select: no asset has group 'mart' | did you mean 'marts'?",
        ),
        (
            "select: group:marts and nothing, require: [owner]",
            "p1:41 A0402 select: no asset is named 'nothing' | assets list shows all assets",
        ),
        ("select: '(crm', require: [owner]", "p1:26 A0401 select: this '(' is not closed | write a ')' where it ends"),
        (
            "select: 'is:stale', require: [owner]",
            "p1:26 A0404 select: 'is:stale' cannot be asked here | name the assets by something else",
        ),
        (
            "upstreams: group:mart",
            "p1:28 A0402 upstreams: no asset has group 'mart' | did you mean 'marts'?",
        ),
        (
            "except: cmr, require: [owner]",
            "p1:25 A0402 except: no asset is named 'cmr' | did you mean 'crm'?",
        ),
        (
            "severity: error",
            (
                "p1:10 A0708 it asks for nothing | "
                "write one of require, forbid, names, allowed, upstreams, columns and python"
            ),
        ),
        (
            "columns: {match: a}",
            "p1:26 A0708 nothing is asked of these columns | write `tags`, `names` or `require` beside `match`",
        ),
        (
            "names: '[a-z]+'",
            "p1:24 A0708 without ^ or $ a pattern is found anywhere in a name | write ^[a-z]+$ for the whole name",
        ),
        (
            "names: '^(a'",
            r"p1:24 A0708 '(' is never closed (character 2 of the pattern) | close it, or write \( for the character",
        ),
        (
            "names: '^(?!a)'",
            (
                "p1:24 A0708 '(?!' is not known: there are no look-arounds, names or flags "
                "(character 2 of the pattern) | write it as a function, under `python`"
            ),
        ),
        (
            "columns: {match: '*', tags: [pii]}",
            r"p1:34 A0708 '*' has nothing to repeat (character 1 of the pattern) | write \* for the character",
        ),
        (
            "columns: {names: 'a'}",
            "p1:34 A0708 without ^ or $ a pattern is found anywhere in a name | write ^a$ for the whole name",
        ),
    ],
)
def test_a_policy_that_makes_no_sense(tmp_path: Path, policy: str, expected: str) -> None:
    """Is a problem at its own place."""
    assert said(tmp_path, policy) == [expected]


def test_states_of_no_history(tmp_path: Path) -> None:
    """`is:external` is in the manifest; that no asset is in a state is no mistake."""
    assert said(tmp_path, "select: 'is:external', require: [observe]") == [
        "12:9 A0701 asset 'crm': it has no observe | write `observe: {…}`"
    ]
    assert said(tmp_path, "select: 'is:external and orders', require: [observe]") == []


def test_names_are_unique(tmp_path: Path) -> None:
    """The second one of a name is a mistake that leads to the first."""
    graph = graph_of(tmp_path, "- {name: a, names: ^a}\n- {name: b, names: ^}\n- {name: a, names: ^}")
    found = [each for each in evaluate(graph).problems if each.code == "A0708"]
    assert [(each.message, str(each.place)) for each in found] == [
        ("policy 'a': this name is taken", "assets.yml:6:10")
    ]
    assert [str(related.place) for related in found[0].related] == ["assets.yml:4:10"]


def test_a_finding_leads_to_its_policy(tmp_path: Path) -> None:
    """With the policy's name, severity and description."""
    graph = graph_of(tmp_path, '- {name: house, description: "One\\n  two.", severity: warning, names: ^raw}')
    problem = evaluate(graph).problems[0]
    assert (problem.severity, problem.asset) == ("warning", "orders")
    assert problem.message == "asset 'orders': its name does not match ^raw (policy 'house')"
    assert [(str(each.place), each.message) for each in problem.related] == [
        ("assets.yml:4:10", "policy 'house': One two.")
    ]


def test_what_comes_from_defaults_satisfies(tmp_path: Path) -> None:
    """And what is wrong in them is said once, for all assets that have it from there."""
    assets = "defaults: {owner: bob}\nassets:\n- name: a\n- {name: b, owner: ada}\n- name: c\n- name: d\n"
    assert said(tmp_path, "require: [owner]", assets=assets) == []
    assert said(tmp_path, "allowed: {owner: ada}", assets=assets) == [
        "1:19 A0704 asset 'a' and 2 more: owner 'bob' is not allowed | allowed: ada"
    ]


def test_an_exception(tmp_path: Path) -> None:
    """What is found of it is kept apart, and one that is not needed is a warning."""
    graph = graph_of(tmp_path, "- {name: house, except: orders or raw_orders, require: [owner]}")
    held = evaluate(graph)
    assert [(each.code, each.severity, each.message, str(each.place)) for each in held.problems] == [
        ("A0701", "error", "asset 'crm': it has no owner (policy 'house')", "assets.yml:16:9"),
        (
            "A0710",
            "warning",
            "policy 'house': asset raw_orders needs no exception any more",
            "assets.yml:4:25",
        ),
    ]
    assert [(each.problem.asset, str(each.place), each.excepted) for each in held.excepted] == [
        ("orders", "assets.yml:4:25", True)
    ]


def test_an_exception_is_not_judged_by_half(tmp_path: Path) -> None:
    """Where functions are not asked, columns not known, or assets left out, it may well be needed."""
    for policy in ("except: crm, python: 'm:f'", "except: crm, columns: {require: [type]}"):
        graph = graph_of(tmp_path, f"- {{name: house, {policy}}}")
        assert evaluate(graph).problems == ()
    graph = graph_of(tmp_path, "- {name: house, except: raw_orders, require: [owner]}")
    assert [each.code for each in evaluate(graph, whole=False).problems] == ["A0701", "A0701"]
    graph = graph_of(tmp_path, "- {name: house, select: gone, require: [owner]}")
    assert evaluate(graph, whole=False).problems == ()


def test_what_functions_say(tmp_path: Path) -> None:
    """Is put as all findings are, and they are asked of the assets that their policy is about."""
    graph = graph_of(tmp_path, "- {name: a, names: ^}\n- {name: b, select: crm, severity: warning, python: 'm:f'}")
    asked: list[tuple[str, tuple[str, ...]]] = []

    def ask(scopes: Sequence[Scope]) -> dict[int, FunctionAnswer]:
        asked.extend((scope.policy.name, scope.names) for scope in scopes)
        return {1: FunctionAnswer((Finding("crm", "A0707", "it is odd", None, graph.manifest.locate("crm")),))}

    problems = evaluate(graph, ask=ask).problems
    assert asked == [("b", ("crm",))]
    assert [(each.severity, each.message) for each in problems] == [("warning", "asset 'crm': it is odd (policy 'b')")]


# -- the closed list, and the public value ---------------------------------------------------------------------------


def test_the_schema_offers_what_there_is() -> None:
    """Editors complete the same features that are understood."""
    offered = schema()["definitions"]["feature"]["anyOf"][0]["enum"]
    assert sorted(offered) == sorted(KEYS)
    assert {f"checks.{kind}" for kind in get_args(CheckKind)} <= KEYS.keys()
    keys = schema()["definitions"]["asset"]["properties"]
    written = {each.keys[0] for each in [*KEYS.values(), feature("tags.x"), feature("metadata.x")]}
    assert written <= keys.keys()


def test_what_is_to_be_written_is_read_back() -> None:
    """Of each feature the hint names its key."""
    for name in KEYS:
        assert KEYS[name].write.startswith(f"{name.partition('.')[0]}: "), name


def test_a_function_is_given_plain_values(tmp_path: Path) -> None:
    """All of an asset comes through a pipe."""
    graph = graph_of(tmp_path, "- {name: house, python: 'm:f'}")
    document = json.loads(json.dumps(public.document(graph, "orders", ("ID", "extra"))))
    assert public.asset_of(document) == public.Asset(
        name="orders",
        group="marts",
        metadata={"sla": "gold", "tier": 1, "open": True},
        kind="sql",
        command=public.Command("sql", "select 1 as id"),
        output=public.Output(table="orders", connection="w"),
        columns=(
            public.Column("id", "int", "Its number."),
            public.Column("Email", tags=("pii",)),
            public.Column("phone"),
            public.Column("extra", declared=False),
        ),
        checks=(
            public.Check("unique(id)", "unique", columns=("id",)),
            public.Check("not_null(id)", "not_null", blocking=True, columns=("id",)),
        ),
        upstreams=("raw_orders",),
        freshness=public.Freshness(3600.0),
        file="assets.yml",
        line=7,
    )
    raw = public.asset_of(json.loads(json.dumps(public.document(graph, "raw_orders", ()))))
    assert (raw.command, raw.downstreams, raw.is_external) == (public.Command("shell", "a"), ("orders",), False)
    assert public.asset_of(json.loads(json.dumps(public.document(graph, "crm", ())))).is_external


def test_the_public_value_stays_as_it_is() -> None:
    """Fields may be added at the end; whoever changes another one breaks functions that we never see."""
    assert public.Asset._fields == (
        *("name", "description", "owners", "group", "tags", "metadata", "kind", "command", "output", "columns"),
        *(
            "checks",
            "upstreams",
            "downstreams",
            "freshness",
            "timeout",
            "retries",
            "pool",
            "environment",
            "file",
            "line",
        ),
    )


def test_a_policy_is_a_value() -> None:
    """Every key of the schema has its field."""
    keys = set(schema()["definitions"]["policy"]["properties"])
    assert {re.sub("^excepted$", "except", field) for field in Policy._fields} == keys | {"place", "position"}
