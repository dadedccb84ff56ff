"""Selections name assets."""

import pytest
from support.space import asset, manifest_of

from assets_cli.graph import AssetGraph, select
from assets_cli.model.problem import AssetsError

GRAPH = AssetGraph(
    manifest_of(
        asset("raw/events", tags=("daily", "tier=gold"), owners=("ingest-team",), group="raw"),
        asset("raw/users", owners=("ingest-team", "crm@example.com"), group="raw"),
        asset("joined", ["raw/events", "raw/users"], kind="sql", tags=("tier=silver",)),
        asset("mart", ["joined"]),
    )
)


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        ([], "raw/events raw/users joined mart"),
        (["mart"], "mart"),
        (["raw/*"], "raw/events raw/users"),
        (["raw/?vents"], "raw/events"),
        (["*"], "raw/events raw/users joined mart"),
        (["tag:daily"], "raw/events"),
        (["tag:tier"], "raw/events joined"),
        (["tag:tier=gold"], "raw/events"),
        (["tag:tier=*"], "raw/events joined"),
        (["group:raw"], "raw/events raw/users"),
        (["owner:crm@example.com"], "raw/users"),
        (["kind:sql"], "joined"),
        (["path:assets.yml"], "raw/events raw/users joined mart"),
        (["+joined"], "raw/events raw/users joined"),
        (["joined+"], "joined mart"),
        (["+joined+"], "raw/events raw/users joined mart"),
        (["1+mart"], "joined mart"),
        (["raw/users+1"], "raw/users joined"),
        (["group:raw+1"], "raw/events raw/users joined"),
        (["mart", "raw/users"], "mart raw/users"),
    ],
)
def test_an_expression_names_these(expressions, names):
    """Several arguments are a union."""
    assert select(expressions, GRAPH) == frozenset(names.split())


@pytest.mark.parametrize(
    ("expression", "code", "message", "hint"),
    [
        ("joind", "A0402", "no asset is named 'joind'", "did you mean 'joined'?"),
        ("zzz", "A0402", "no asset is named 'zzz'", "assets list shows all assets"),
        ("tag:dialy", "A0402", "no asset has tag 'dialy'", "did you mean 'daily'?"),
        ("ower:x", "A0401", "cannot select by 'ower' in 'ower:x'", "did you mean 'owner'?"),
        ("tag:", "A0401", "'tag:' names no tag", "write tag:NAME"),
    ],
)
def test_what_names_nothing_is_an_error(expression, code, message, hint):
    """Never an empty success."""
    with pytest.raises(AssetsError) as error:
        select([expression], GRAPH)
    (problem,) = error.value.problems
    assert (problem.code, problem.message, problem.hint) == (code, message, hint)


@pytest.mark.parametrize("expression", ["", "+", "++", "a+b+", "+1"])
def test_what_cannot_be_read_is_an_error(expression):
    """A plus alone names nothing."""
    with pytest.raises(AssetsError):
        select([expression], GRAPH)


def test_all_wrong_expressions_are_said_at_once():
    """Not one after the other."""
    with pytest.raises(AssetsError) as error:
        select(["joind", "mart", "tag:"], GRAPH)
    assert [problem.code for problem in error.value.problems] == ["A0402", "A0401"]
