"""What differs between two states of a project, by `planning.comparison`, without files or git."""

from __future__ import annotations

from collections.abc import Mapping

from support.space import asset, manifest_of

from assets_cli.graph import AssetGraph
from assets_cli.model.difference import Change, Concerned, Difference
from assets_cli.model.duration import SECOND
from assets_cli.model.history import Component
from assets_cli.model.manifest import (
    Asset,
    Check,
    Column,
    Connection,
    FreshnessPolicy,
    Inferred,
    Output,
    PathProbe,
    Retries,
    ShellCommand,
    SqlCommand,
)
from assets_cli.model.problem import Place
from assets_cli.planning.comparison import Side, compare, match

HOUR = 3_600 * SECOND
Code = Mapping[str, Mapping[str, str | Component]]


def side(assets: list[Asset], code: Code | None = None, **fields: object) -> Side:
    """One state; a component that is a text is compared as it stands."""
    made = {
        name: {part: Component(raw) if isinstance(raw, str) else raw for part, raw in parts.items()}
        for name, parts in (code or {}).items()
    }
    return Side(AssetGraph(manifest_of(*assets)._replace(**fields)), made)


def differ(before: Side, now: Side) -> Difference:
    """What differs."""
    return compare(before, now, match(before.graph, now.graph))


def declared(earlier: Asset, now: Asset) -> list[Change]:
    """What differs of one asset of which nothing counts."""
    found = differ(side([earlier]), side([now]))
    assert found.stale == ()
    return [change for one in found.assets for change in one.changes]


def test_nothing_differs():
    """A place is no difference, nor is who wrote an upstream."""
    one = asset("a")
    reads = asset("b", ["a"])
    moved = one._replace(place=Place("other.yml", 9, 9))
    inferred = reads._replace(inferred=(Inferred("a", None, 1, 1),))
    assert differ(side([one, reads]), side([moved, inferred])) == Difference()


def test_code_makes_stale_and_all_below_may_follow():
    """The nearest first, without what is stale itself; owners are told of both."""
    before = [asset("a"), asset("b", ["a"], owners=("me",)), asset("c", ["b"], owners=("you", "me")), asset("d", ["a"])]
    found = differ(side(before, {"a": {"command": "1"}}), side(before, {"a": {"command": "2"}}))
    assert [(one.name, one.sort, one.stale) for one in found.assets] == [("a", "changed", True)]
    assert found.stale == ("a",)
    assert [(each.asset, each.distance) for each in found.below] == [("b", 1), ("d", 1), ("c", 2)]
    assert found.concerned == (
        Concerned("me", (), ("b", "c")),
        Concerned("you", (), ("c",)),
        Concerned(None, ("a",), ("d",)),
    )


def test_what_is_equal_without_comments_is_cosmetic():
    """By the same normaliser; by another one nobody knows, so it changed."""
    one = [asset("a", command=SqlCommand(path="a.sql"))]
    old, new = Component("raw:1", "n:1", "sqlglot/1"), Component("raw:2", "n:1", "sqlglot/1")
    found = differ(side(one, {"a": {"a.sql": old, "command": old}}), side(one, {"a": {"a.sql": new, "command": new}}))
    assert (found.is_empty, found.cosmetic) == (True, ("a.sql", "command of a"))
    found = differ(side(one, {"a": {"a.sql": old}}), side(one, {"a": {"a.sql": new._replace(normaliser="sqlglot/2")}}))
    assert found.stale == ("a",)


def test_upstreams_count_and_those_that_were_renamed_did_not_change():
    """One that came says which line reads it."""
    before = [asset("a"), asset("b"), asset("c", ["a", "b"])]
    now = [
        asset("new", moved_from=("older", "a")),
        asset("x"),
        asset("c", ["new", "x"], inferred=(Inferred("x", "c.sql", 3, 1),)),
    ]
    found = differ(side(before), side(now))
    assert [(one.name, one.sort, one.former) for one in found.assets] == [
        ("b", "removed", None),
        ("new", "renamed", "a"),
        ("x", "added", None),
        ("c", "changed", None),
    ]
    assert found.assets[0].readers == ("c",)
    assert found.assets[3].changes == (
        Change("upstreams", "added", "x", note="read by c.sql:3"),
        Change("upstreams", "removed", "b"),
    )
    assert found.stale == ("x", "c")


def test_moved_names_what_was_there_and_is_gone():
    """Not what is still there, and one name only for one asset."""
    now = [
        asset("a"),
        asset("b", moved_from=("a",)),
        asset("c", moved_from=("gone",)),
        asset("d", moved_from=("gone",)),
    ]
    found = match(side([asset("a"), asset("gone")]).graph, side(now).graph)
    assert found.former == {"c": "gone"}
    assert (found.added, found.removed) == (("b", "d"), ())


def test_a_rename_that_nobody_declared_is_a_guess():
    """Same code and output; where two could be meant nothing is said."""
    code = {"command": "1", "output": "2", "connection": "3"}
    moved = {"command": "1", "output": "2", "connection": "9"}
    found = differ(side([asset("a")], {"a": code}), side([asset("b")], {"b": moved}))
    assert [(one.name, one.guess) for one in found.assets] == [("a", None), ("b", "a")]
    found = differ(side([asset("a"), asset("c")], {"a": code, "c": code}), side([asset("b")], {"b": moved}))
    assert [one.guess for one in found.assets] == [None, None, None]


def test_promises():
    """Longer is looser, made and withdrawn are told, too."""
    policy = FreshnessPolicy(6 * HOUR, 4 * HOUR)
    one = asset("a", freshness=policy)
    other = one._replace(freshness=FreshnessPolicy(12 * HOUR, 2 * HOUR))
    assert declared(one, other) == [
        Change("freshness", "loosened", "max_lag", "6h", "12h"),
        Change("freshness", "tightened", "warn_lag", "4h", "2h"),
    ]
    assert declared(one, one._replace(freshness=None)) == [Change("freshness", "removed", "max_lag", "6h", None)]
    assert declared(one._replace(freshness=None), one) == [Change("freshness", "added", "max_lag", None, "6h")]
    assert declared(one, one._replace(freshness=FreshnessPolicy(6 * HOUR))) == [
        Change("freshness", "removed", "warn_lag", "4h", None)
    ]


def test_checks():
    """By name; a severity and blocking are weights that are loosened and tightened."""
    check = Check("unique(id)", "unique", {"columns": ["id"]}, blocking=True)
    one = asset("a", checks=(check,))
    looser = one._replace(checks=(check._replace(blocking=False),))
    assert declared(one, looser) == [Change("checks", "loosened", "unique(id)", "error, blocking", "error")]
    assert [change.sort for change in declared(looser, one)] == ["tightened"]
    assert declared(one, one._replace(checks=())) == [Change("checks", "removed", "unique(id)", note="blocking")]
    other = one._replace(checks=(check._replace(arguments={"columns": ["id", "x"]}),))
    assert declared(one, other) == [
        Change("checks", "changed", "unique(id)", "error, blocking", "error, blocking", "arguments")
    ]


def test_what_else_is_declared():
    """Owners, group, tags, texts, columns and how it is run: told, and nothing becomes stale."""
    one = asset(
        "a", owners=("me",), tags=("x", "y"), columns=(Column("id", "int"), Column("n")), metadata={"sla": {"p": 1}}
    )
    other = one._replace(
        owners=(),
        group="g",
        tags=("y", "z"),
        description="new",
        columns=(Column("ID", "bigint", "an id"), Column("m")),
        metadata={"sla": {"p": 2, "q": "x"}},
        timeout=600 * SECOND,
        retries=Retries(3, 5 * SECOND),
        pool="p",
        isolated=True,
        output=Output(path="out/a", atomic=True),
    )
    assert declared(one, other) == [
        Change("output", "changed", "atomic", "false", "true"),
        Change("columns", "changed", "ID", "int", "bigint", "description, name"),
        Change("columns", "removed", "n"),
        Change("columns", "added", "m"),
        Change("owner", "changed", "", "me", "nobody"),
        Change("group", "added", "", None, "g"),
        Change("tags", "removed", "x"),
        Change("tags", "added", "z"),
        Change("description", "added"),
        Change("metadata", "changed", "sla.p", "1", "2"),
        Change("metadata", "added", "sla.q", None, "x"),
        Change("running", "changed", "timeout", None, "10m"),
        Change("running", "changed", "retries.max", "0", "3"),
        Change("running", "changed", "retries.delay", "0 ms", "5.0 s"),
        Change("running", "changed", "pool", None, "p"),
        Change("running", "changed", "isolated", "false", "true"),
    ]


def test_an_external_asset_that_is_looked_at_elsewhere_moves_what_is_below():
    """It is never stale itself."""
    old, new = (asset("a", command=None, output=None, observe=PathProbe(path)) for path in ("x.csv", "y.csv"))
    below = asset("b", ["a"])
    found = differ(side([old, below]), side([new, below]))
    assert found.assets[0].changes == (Change("observe", "changed", "", "path x.csv", "path y.csv"),)
    assert (found.stale, [each.asset for each in found.below]) == ((), ["b"])


def test_what_code_says_of_itself():
    """Short texts are shown; of `env` only names, since values may be secrets."""
    old = asset("a", command=ShellCommand("make a"), env={"A": "1", "B": "2"})
    new = asset("a", command=ShellCommand("make b"), env={"B": "3", "C": "4"}, output=Output(path="b"))
    parts = ("command", "env", "output")
    found = differ(side([old], {"a": dict.fromkeys(parts, "1")}), side([new], {"a": dict.fromkeys(parts, "2")}))
    assert found.assets[0].changes == (
        Change("code", "changed", "command", "make a", "make b"),
        Change("code", "changed", "env", note="A removed, B changed, C added"),
        Change("code", "changed", "output", note="path out/a -> b"),
    )
    long = old._replace(command=ShellCommand("x" * 100))
    found = differ(side([old], {"a": {"command": "1"}}), side([long], {"a": {"command": "2"}}))
    assert (found.assets[0].changes[0].old, found.assets[0].changes[0].new) == ("make a", None)


def test_settings():
    """Variables, connections, pools and environments, each key by its dotted name."""
    old: dict[str, object] = {
        "vars": {"a": {"b": 1}, "gone": "x"},
        "connections": {"w": Connection("w", "duckdb", {"path": "a.db"}), "x": Connection("x", "sqlite", {})},
        "pools": {"p": 1},
        "default_connection": "w",
    }
    new: dict[str, object] = {
        "vars": {"a": {"b": 2}},
        "connections": {"w": Connection("w", "duckdb", {"path": "b.db"}), "pg": Connection("pg", "postgres", {})},
        "pools": {"p": 1, "q": 2},
        "default_connection": "pg",
    }
    before = side([], None, **old)._replace(overlays={"prod": {"vars": {"a": {"b": 3}}}, "old": {}})
    now = side([], None, **new)._replace(overlays={"prod": {"vars": {"a": {"b": 4}}}, "new": None})
    assert differ(before, now).settings == (
        Change("project", "changed", "default_connection", "w", "pg"),
        Change("vars", "changed", "a.b", "1", "2"),
        Change("vars", "removed", "gone", "x", None),
        Change("connection", "changed", "w.path", "a.db", "b.db"),
        Change("connection", "removed", "x", "sqlite", None),
        Change("connection", "added", "pg", None, "postgres"),
        Change("pool", "added", "q", None, "2"),
        Change("environment", "changed", "prod.vars.a.b", "3", "4"),
        Change("environment", "removed", "old"),
        Change("environment", "added", "new"),
    )


def test_what_a_removed_asset_fed_may_follow():
    """What was below it and is still there."""
    found = differ(side([asset("a"), asset("b", ["a"]), asset("c", ["b"])]), side([asset("b"), asset("c", ["b"])]))
    assert [(one.name, one.sort) for one in found.assets] == [("a", "removed"), ("b", "changed")]
    assert [(each.asset, each.distance) for each in found.below] == [("c", 1)]


def test_assets_that_are_not_compared_are_left_out():
    """Such as those of files that git ignores."""
    before, now = side([asset("a")]), side([asset("a"), asset("local")])
    pairs = match(before.graph, now.graph)
    assert compare(before, now, pairs, (), {"local"}) == Difference()
