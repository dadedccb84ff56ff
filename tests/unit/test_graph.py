"""Edges, closures, order and cycles."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support.space import asset, graph_of, manifest_of

from assets_cli.graph import AssetGraph
from assets_cli.model.manifest import Manifest
from assets_cli.model.problem import AssetsError, Problem


def cycles(manifest: Manifest) -> tuple[Problem, ...]:
    """What a graph of this manifest is refused for."""
    try:
        AssetGraph(manifest)
    except AssetsError as error:
        return error.problems
    return ()


def test_order_puts_upstreams_first():
    """Wherever the manifest names them."""
    graph = graph_of(end=["mid"], mid=["raw"], raw=[])

    assert graph.order == ("raw", "mid", "end")


def test_closures_count_layers():
    """Distance is the shortest way."""
    graph = graph_of(a=[], b=["a"], c=["b"], d=["c", "a"])

    assert graph.ancestors(["d"]) == {"c": 1, "a": 1, "b": 2}
    assert graph.ancestors(["d"], 1) == {"c": 1, "a": 1}
    assert graph.descendants(["a"]) == {"b": 1, "d": 1, "c": 2}
    assert graph.downstreams("a") == ("b", "d")


def test_a_cycle_is_a_readable_loop_with_the_place_of_each_edge():
    """From upstream to downstream, back to where it began."""
    manifest = manifest_of(asset("a", ["c"]), asset("b", ["a"]), asset("c", ["b"]), asset("d", ["c"]))

    (problem,) = cycles(manifest)

    assert problem.code == "A0207"
    assert problem.message == "a cycle: b -> c -> a -> b"
    assert [each.message for each in problem.related] == ["a reads c", "c reads b", "b reads a"]


def test_every_knot_is_reported():
    """All of them at once."""
    manifest = manifest_of(asset("a", ["b"]), asset("b", ["a"]), asset("x", ["y"]), asset("y", ["x"]))

    assert len(cycles(manifest)) == 2


def test_a_chain_of_ten_thousand_needs_no_recursion():
    """Depth is not limited by the interpreter's stack."""
    names = [f"n{i}" for i in range(10_000)]
    manifest = manifest_of(*(asset(name, [names[i - 1]] if i else []) for i, name in enumerate(names)))

    assert len(AssetGraph(manifest).ancestors([names[-1]])) == 9_999
    ring = manifest_of(*(asset(name, [names[i - 1]]) for i, name in enumerate(names)))
    assert len(cycles(ring)[0].related) == 10_000


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_a_cycle_is_found_exactly_where_there_is_one(pairs):
    """Against the closure computed by brute force."""
    edges = {(a, b) for a, b in pairs if a != b}
    reach = set(edges)
    for _ in range(8):
        reach |= {(a, d) for a, b in reach for c, d in edges if b == c}
    manifest = manifest_of(*(asset(f"a{i}", sorted(f"a{b}" for a, b in edges if a == i)) for i in range(8)))

    found = cycles(manifest)

    assert bool(found) == any(a == b for a, b in reach)
    for problem in found:
        loop = problem.message.removeprefix("a cycle: ").split(" -> ")
        assert loop[0] == loop[-1]
        assert all((int(down[1:]), int(up[1:])) in edges for up, down in pairwise(loop))
