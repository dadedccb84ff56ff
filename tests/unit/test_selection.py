"""Selections name assets."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.space import Space, asset, manifest_of, promise

from assets_cli.cli.screens.problems import report
from assets_cli.cli.terminal import Terminal
from assets_cli.graph import AssetGraph, select
from assets_cli.graph.selection.parser import DEEPEST, And, Ends, Layers, Not, Or, Term, Tree, parse, show
from assets_cli.graph.selection.resolve import ATTRIBUTES, STATES, Facts
from assets_cli.model.problem import EXPRESSION, AssetsError, Place
from assets_cli.planning.survey import facts, scope, survey

GRAPH = AssetGraph(
    manifest_of(
        asset("raw/events", tags=("daily", "tier=gold"), owners=("ingest-team",), group="raw"),
        asset("raw/users", owners=("ingest-team", "crm@example.com"), group="raw"),
        asset("joined", ["raw/events", "raw/users"], kind="sql", tags=("tier=silver",)),
        asset("mart", ["joined"], owners=("Data Team (EU)",), group="a+b"),
        asset("2", ["mart"]),
        asset("crm", command=None, kind="external"),
    )
)
EVERYTHING = "raw/events raw/users joined mart 2 crm"
STATE = {
    "raw/events": Facts(stale=False, missing=False, overdue=True, failed=False),
    "raw/users": Facts(stale=False, missing=False, overdue=False, failed=False),
    "joined": Facts(stale=True, missing=False, overdue=False, failed=True),
    "mart": Facts(stale=True, missing=True, overdue=False, failed=False),
    "2": Facts(stale=False, missing=False, overdue=False, failed=False),
    "crm": Facts(stale=False, missing=False, overdue=False, failed=False),
}


def named(*expressions: str) -> list[str]:
    """What expressions name, in the manifest's order."""
    found = select(expressions, GRAPH, lambda: STATE)
    return [name for name in GRAPH.assets if name in found]


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        ([], EVERYTHING),
        (["mart"], "mart"),
        (["raw/*"], "raw/events raw/users"),
        (["raw/?vents"], "raw/events"),
        (["*a*s*"], "raw/events raw/users"),
        (["*"], EVERYTHING),
        (["tag:daily"], "raw/events"),
        (["tag:tier"], "raw/events joined"),
        (["tag:tier=gold"], "raw/events"),
        (["tag:tier=*"], "raw/events joined"),
        (["group:raw"], "raw/events raw/users"),
        (["owner:crm@example.com"], "raw/users"),
        (["kind:sql"], "joined"),
        (["path:assets.yml"], EVERYTHING),
        (["path:./assets.yml"], EVERYTHING),
        (["+joined"], "raw/events raw/users joined"),
        (["joined+"], "joined mart 2"),
        (["+joined+"], "raw/events raw/users joined mart 2"),
        (["1+mart"], "joined mart"),
        (["0+mart"], "mart"),
        (["raw/users+1"], "raw/users joined"),
        (["1+joined+1"], "raw/events raw/users joined mart"),
        (["group:raw+1"], "raw/events raw/users joined"),
        (["999999999999999999999+mart"], "raw/events raw/users joined mart"),
        (["mart", "raw/users"], "raw/users mart"),
    ],
)
def test_an_expression_names_these(expressions, names):
    """Several arguments are a union."""
    assert named(*expressions) == names.split()


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("mart or raw/users", "raw/users mart"),
        ("group:raw and tag:daily", "raw/events"),
        ("not group:raw", "joined mart 2 crm"),
        ("not group:raw and not crm", "joined mart 2"),
        ("mart or group:raw and tag:daily", "raw/events mart"),
        ("(mart or group:raw) and tag:daily", "raw/events"),
        ("not (mart or group:raw)", "joined 2 crm"),
        ("NOT mart AND +mart OR crm", "raw/events raw/users joined crm"),
        ("+(joined or crm)", "raw/events raw/users joined crm"),
        ("1+(mart)+1", "joined mart 2"),
        ("+tag:tier=silver+1", "raw/events raw/users joined mart"),
        ("  \t( mart\nor  crm )  ", "mart crm"),
        ("not not mart", "mart"),
        ("roots(+mart)", "raw/events raw/users"),
        ("sinks(+mart)", "mart"),
        ("sinks(*)", "2 crm"),
        ("ROOTS (joined or mart)", "joined"),
        ("roots(raw/events or mart)", "raw/events"),
        ("sinks(raw/events or mart)", "mart"),
        ("sinks(roots(*))+1", "raw/events raw/users joined crm"),
        ("+roots(joined or mart)", "raw/events raw/users joined"),
    ],
)
def test_operators(expression, names):
    """`not` binds before `and`, `and` before `or`; roots and sinks look through assets that are not members."""
    assert named(expression) == names.split()


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('"mart"', "mart"),
        ("'raw/*'", "raw/events raw/users"),
        ('owner:"Data Team (EU)"', "mart"),
        ("owner:'Data Team*'", "mart"),
        ('1+group:"a+b"', "joined mart"),
        ('+"2"', "raw/events raw/users joined mart 2"),
    ],
)
def test_quotes_hold_a_value_together(expression, names):
    """Blanks, parentheses and plus signs are part of it; wildcards stay wildcards."""
    assert named(expression) == names.split()


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("2", "2"),
        ("+2", "raw/events raw/users joined mart 2"),
        ("2+", "2"),
        ("1+2", "mart 2"),
        ('"2"+1', "2"),
        ("2+2", "joined mart 2"),
        ("2+ or crm", "2 crm"),
    ],
)
def test_a_number_before_a_name_counts_layers(expression, names):
    """Elsewhere it is a name; quotes say so where it could be either."""
    assert named(expression) == names.split()


def test_a_name_that_looks_like_a_wildcard_is_a_name_first():
    """The same holds for tags."""
    graph = AssetGraph(manifest_of(asset("a*", tags=("t?",)), asset("ab", tags=("tx",))))
    assert select(["a*"], graph) == {"a*"}
    assert select(["tag:t?"], graph) == {"a*"}
    assert select(["tag:t*"], graph) == {"a*", "ab"}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("is:stale", "joined mart"),
        ("is:missing", "mart"),
        ("is:overdue", "raw/events"),
        ("is:failed", "joined"),
        ("is:external", "crm"),
        ("is:stale and not is:missing", "joined"),
        ("+is:failed", "raw/events raw/users joined"),
        ("is:missing and is:external", ""),
        ("raw/users and is:stale", ""),
        ("roots(is:overdue and is:failed)", ""),
    ],
)
def test_states(expression, names):
    """A state that nothing is in is an empty success."""
    assert named(expression) == names.split()


def test_what_is_means():
    """Stale is a cause that is not tentative, missing ones among them; overdue and failed are verdicts of their own."""
    space = Space(
        asset("raw", freshness=promise(1)), asset("joined", ["raw"]), asset("mart", ["joined"]), asset("new", ["raw"])
    )
    for name in ("raw", "joined", "mart"):
        space.make(name)
    space.fail("joined", "cancelled")
    space.fail("new")
    space.now += 2 * 3_600_000_000
    found = facts(survey(scope(space.graph, space.graph.assets), space.snapshot, space.world, space.now))
    assert found == {
        "raw": Facts(stale=True, missing=False, overdue=True, failed=False),
        "joined": Facts(stale=True, missing=False, overdue=False, failed=True),
        "mart": Facts(stale=False, missing=False, overdue=False, failed=False),
        "new": Facts(stale=True, missing=True, overdue=False, failed=True),
    }


def test_state_is_looked_at_once_and_only_when_asked_for():
    """Looking costs what a whole plan costs."""
    looks = []

    def statuses() -> Mapping[str, Facts]:
        looks.append(1)
        return STATE

    select(["mart", "raw/*", "is:external", "+joined"], GRAPH, statuses)
    assert looks == []
    assert select(["is:stale", "is:failed or not is:missing"], GRAPH, statuses) == frozenset(GRAPH.assets)
    assert looks == [1]


@pytest.mark.parametrize(
    ("expression", "code", "message", "hint"),
    [
        ("joind", "A0402", "no asset is named 'joind'", "did you mean 'joined'?"),
        ("JOINED", "A0402", "no asset is named 'JOINED'", "did you mean 'joined'?"),
        ("zzz", "A0402", "no asset is named 'zzz'", "assets list shows all assets"),
        ("raw", "A0402", "no asset is named 'raw'", "did you mean 'group:raw'?"),
        ("join", "A0402", "no asset is named 'join'", "did you mean 'joined'?"),
        ("ra", "A0402", "no asset is named 'ra'", "did you mean 'ra*'?"),
        ("tag:da", "A0402", "no asset has tag 'da'", "did you mean 'daily'?"),
        ("daily", "A0402", "no asset is named 'daily'", "did you mean 'tag:daily'?"),
        ("rwa/*", "A0402", "no asset's name matches 'rwa/*'", "assets list shows all assets"),
        ("tag:dialy", "A0402", "no asset has tag 'dialy'", "did you mean 'daily'?"),
        ("path:asets.yml", "A0402", "no asset has path 'asets.yml'", "did you mean 'assets.yml'?"),
        ("not *", "A0402", "no asset matches 'not *'", "assets list shows all assets"),
        (
            "tag:daily and kind:sql",
            "A0402",
            "no asset matches 'tag:daily and kind:sql'",
            "tag:daily names 1, kind:sql names 1, but no asset is in all of them",
        ),
        (
            "+(mart and raw/*)",
            "A0402",
            "no asset matches '+(mart and raw/*)'",
            "mart names 1, raw/* names 2, but no asset is in all of them",
        ),
        ("", "A0401", "the selection is empty", "write the name of an asset, raw/*, tag:x or group:x"),
        (" \n", "A0401", "the selection is empty", "write the name of an asset, raw/*, tag:x or group:x"),
    ],
)
def test_what_names_nothing_is_an_error(expression, code, message, hint):
    """Never an empty success; the message says it all, so nothing points into the expression."""
    with pytest.raises(AssetsError) as error:
        named(expression)
    (problem,) = error.value.problems
    assert (problem.code, problem.message, problem.hint, problem.place) == (code, message, hint, None)


POINTED = [
    ("mart or joind and raw/users", "        ^^^^^", "no asset is named 'joind'", "did you mean 'joined'?"),
    ("tag:daily and group:rwa", "                    ^^^", "no asset has group 'rwa'", "did you mean 'raw'?"),
    ("tag:", "^^^^", "'tag:' names no tag", "write tag:NAME"),
    ("mart or tag: daily", "        ^^^^", "'tag:' names no tag", "write tag:NAME"),
    ("ower:x", "^^^^^^", "cannot select by 'ower' in 'ower:x'", "did you mean 'owner'?"),
    ("name:mart", "^^^^^^^^^", "cannot select by 'name' in 'name:mart'", "did you mean 'mart'?"),
    ("status:stale", "^^^^^^^^^^^^", "cannot select by 'status' in 'status:stale'", "did you mean 'is:stale'?"),
    (
        "zzzzz:x",
        "^^^^^^^",
        "cannot select by 'zzzzz' in 'zzzzz:x'",
        "known: tag, group, owner, kind, path, is",
    ),
    ("is:stle", "   ^^^^", "there is no state 'stle'", "did you mean 'stale'?"),
    ("+", "^", "'+' belongs to a name", "+x adds everything above x, x+ everything below"),
    ("mart or + ", "        ^", "'+' belongs to a name", "+x adds everything above x, x+ everything below"),
    ("++mart", " ^", "one '+' is enough", "+x adds everything above x, 2+x two layers"),
    ("mart++", "     ^", "one '+' is enough", "x+ adds everything below x, x+2 two layers"),
    ("(", "^", "this '(' is not closed", "write an expression and a ')'"),
    ("mart and (joined", "         ^", "this '(' is not closed", "write a ')' where it ends"),
    ("mart)", "    ^", "this ')' closes nothing", "remove it, or write a '(' where it begins"),
    ("()", "^", "nothing stands between the parentheses", "write an expression between them"),
    ("mart and", "     ^^^", "nothing stands after 'and'", "write what follows: and tag:x"),
    ("or mart", "^^", "nothing stands before 'or'", "write what precedes: tag:x or …"),
    ("not", "^^^", "nothing stands after 'not'", "put the whole expression between quotes: 'not tag:x'"),
    ("or", "^^", "nothing stands before 'or'", "put the whole expression between quotes: 'tag:x or tag:y'"),
    ("state:modified", "^" * 14, "cannot select by 'state' in 'state:modified'", "did you mean 'is:stale'?"),
    ("is:modified", "   ^^^^^^^^", "there is no state 'modified'", "did you mean 'is:stale'?"),
    ("mart not joined", "     ^^^", "'not' is no operator here", "write `and not` or `or not`"),
    ("mart And joined", "     ^^^", "'And' is no operator here", "write and or AND"),
    ("root(mart)", "^^^^", "there is no function 'root'", "the functions are roots( ) and sinks( )"),
    ("raw/[ab]", "    ^^^^", "'[' means nothing in a selection", "the wildcards are * and ?"),
    ("mart | crm", "     ^", "'|' means nothing in a selection", "write `or`"),
    ("owner:a'b'", "       ^^^", "a quote begins within a value", 'put the whole value between quotes: owner:"a…"'),
    ('mart or "mart', "        ^^^^^", 'the quote " is not closed', None),
    ("raw events", "    ^^^^^^", "'and' or 'or' is missing before 'events'", None),
    ("mart + joined", "     ^", "'and' or 'or' is missing before '+'", None),
    ("mart+2+1", "      ^", "'and' or 'or' is missing before '+'", None),
    ("joined+mart", "       ^^^^", "'and' or 'or' is missing before 'mart'", None),
    ("mart 'x y'", "     ^^^^^", "'and' or 'or' is missing before this", None),
]


@pytest.mark.parametrize(("expression", "mark", "message", "hint"), POINTED)
def test_an_error_points_into_the_expression(expression, mark, message, hint):
    """The console shows the expression with a mark below it, and no file."""
    with pytest.raises(AssetsError) as error:
        named(expression)
    (problem,) = error.value.problems
    assert problem.message == message
    assert hint is None or problem.hint == hint
    lines = list(report(error.value.problems, Terminal(None, width=200)))
    assert lines[1:3] == [f"   | {expression}".rstrip(), f"   | {mark}"]
    assert lines[-1] == "1 error"


def test_an_error_in_several_lines_points_into_its_own():
    """A selection in a script may have line breaks; wide characters count as they are shown."""
    with pytest.raises(AssetsError) as error:
        named("mart\nor 数据 and not\n\tjoined")
    (problem,) = error.value.problems
    assert (problem.place, problem.excerpt) == (Place(EXPRESSION, 2, 4), "or 数据 and not")
    assert list(report([problem], Terminal(None)))[1:3] == ["   | or 数据 and not", "   |    ^^^^"]


def test_all_wrong_expressions_are_said_at_once():
    """Not one after the other, also within one expression, where one wrong name is enough to refuse it."""
    with pytest.raises(AssetsError) as error:
        named("joind", "mart", "tag:", "mart or (zzz and not group:x)")
    assert [problem.message for problem in error.value.problems] == [
        "no asset is named 'joind'",
        "'tag:' names no tag",
        "no asset is named 'zzz'",
        "no asset has group 'x'",
    ]


def test_without_a_state_there_is_nothing_to_ask():
    """Where a selection is read without a project's history."""
    with pytest.raises(AssetsError) as error:
        select(["mart or is:stale"], GRAPH)
    (problem,) = error.value.problems
    assert (problem.code, problem.message) == ("A0404", "'is:stale' cannot be asked here")
    assert select(["is:external"], GRAPH) == {"crm"}


def test_depth_is_bounded():
    """Fifty parentheses are read, and more are a problem, not a crash."""
    assert named("(" * DEEPEST + "mart" + ")" * DEEPEST) == ["mart"]
    assert named("not " * DEEPEST + "mart") == ["mart"]
    assert named(" or ".join(["mart"] * 5_000)) == ["mart"]
    for expression in ("(" * 2_000, "not " * 2_000 + "mart", "roots(" * 2_000):
        with pytest.raises(AssetsError) as error:
            named(expression)
        assert error.value.problems[0].message == f"more than {DEEPEST} parentheses and nots inside one another"


def test_many_wildcards_take_no_time():
    """No pattern can make matching slow."""
    graph = AssetGraph(manifest_of(asset("a" * 200)))
    began = time.perf_counter()
    with pytest.raises(AssetsError):
        select(["*a" * 90 + "*b"], graph)
    assert time.perf_counter() - began < 1


# -- laws ------------------------------------------------------------------------------------------------------------

_TEXT = st.text("abAN 2/*+()\"':=,é\n", min_size=1, max_size=8)
_LAYERS = st.tuples(*[st.none() | st.integers(0, 12)] * 2).filter(lambda pair: pair != (0, 0))


def trees(terms: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    """Trees over these terms."""
    return st.recursive(
        terms,
        lambda inner: st.one_of(
            st.builds(lambda of, layers: Layers(of, *layers), inner, _LAYERS),
            st.builds(Ends, st.sampled_from(["roots", "sinks"]), inner),
            st.builds(Not, inner),
            st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
            st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        ),
        max_leaves=6,
    )


_ANY_TREE = trees(
    st.builds(Term, st.just(""), _TEXT | st.sampled_from(["and", "OR", "Not", "roots", "2", "tag:x"]))
    | st.builds(Term, st.sampled_from([*ATTRIBUTES, "is", "what"]), _TEXT)
)
# Every term names something here, and `is:` makes an empty result a success.
_TREE = trees(
    st.sampled_from(
        [Term("", name) for name in GRAPH.assets]
        + [Term("", "raw/*"), Term("tag", "tier"), Term("group", "a+b")]
        + [Term("is", state) for state in STATES]
    )
)


def shape(tree: Tree) -> object:
    """A tree without places, and with the names of its kinds: tuples of two kinds may be equal."""
    if isinstance(tree, Term):
        return (tree.attribute, tree.value)
    return (type(tree).__name__, *(shape_of(each) for each in tree))


def shape_of(field: object) -> object:
    """What a field of a tree holds."""
    if isinstance(field, (Term, Layers, Ends, Not, And, Or)):
        return shape(field)
    return tuple(map(shape, field)) if isinstance(field, tuple) else field


def terms(tree: Tree) -> Iterator[Term]:
    """The terms of a tree."""
    if isinstance(tree, Term):
        yield tree
    else:
        for part in tree.parts if isinstance(tree, (And, Or)) else [tree.of]:
            yield from terms(part)


def names(tree: Tree) -> frozenset[str]:
    """What a tree names, be it nothing."""
    return select([f"({show(tree)}) or is:stale and not is:stale"], GRAPH, lambda: STATE)


@given(_ANY_TREE)
def test_what_is_shown_is_read_back(tree):
    """Every tree has an expression; each term's place in it is where it stands."""
    expression = show(tree)
    read = parse(expression)
    assert shape(read) == shape(tree)
    assert show(read) == expression
    for term in terms(read):
        assert expression.startswith(show(term), term.at)


@given(_TREE)
def test_not_not_is_nothing(tree):
    """The negation is exact."""
    assert names(Not(Not(tree))) == names(tree)
    assert names(Not(tree)) == frozenset(GRAPH.assets) - names(tree)


@given(_TREE, _TREE)
def test_de_morgan(one, other):
    """And, or and not fit together."""
    assert names(Not(And((one, other)))) == names(Or((Not(one), Not(other))))
    assert names(Not(Or((one, other)))) == names(And((Not(one), Not(other))))


@given(st.lists(_TREE, min_size=1, max_size=4))
def test_arguments_are_a_union(several):
    """In any number and order."""
    expressions = [f"({show(tree)}) or is:missing and not is:missing" for tree in several]
    found = select(expressions, GRAPH, lambda: STATE)
    assert found == frozenset().union(*map(names, several))


@given(_TREE)
def test_roots_and_sinks_are_the_ends(tree):
    """Every member has one of them above it, or is one; none of them is above another."""
    members, roots, sinks = names(tree), names(Ends("roots", tree)), names(Ends("sinks", tree))
    assert roots | sinks <= members
    assert members <= roots | GRAPH.descendants(roots).keys()
    assert members <= sinks | GRAPH.ancestors(sinks).keys()
    assert not roots & GRAPH.descendants(roots).keys()
    assert not sinks & GRAPH.ancestors(sinks).keys()


@given(st.lists(st.text() | st.text("ab2 +()\"':*?/,.andortgisluk", max_size=20), max_size=3))
def test_no_text_does_harm(expressions):
    """Arbitrary text names assets or is refused with problems that can be shown."""
    problems = ()
    try:
        assert select(expressions, GRAPH, lambda: STATE) <= frozenset(GRAPH.assets)
    except AssetsError as error:
        problems = error.problems
    assert {problem.code for problem in problems} <= {"A0401", "A0402"}
    assert bool(problems) == bool(list(report(problems, Terminal(None))))


# -- speed -----------------------------------------------------------------------------------------------------------

MANY = 10_000


def best_of_five(*expressions: str) -> float:
    """Milliseconds that a selection takes among many assets."""
    graph = AssetGraph(
        manifest_of(
            *(asset(f"layer{n % 10}/n{n}", [f"layer{(n - 1) % 10}/n{n - 1}"] if n else []) for n in range(MANY))
        )
    )
    times = []
    for _ in range(5):
        began = time.perf_counter()
        assert select(expressions, graph)
        times.append(1_000 * (time.perf_counter() - began))
    return min(times)


def test_names_cost_nothing_for_other_names():
    """Among ten thousand assets."""
    assert best_of_five("layer7/n5007", '"layer8/n5008" or layer9/n5009') < 20


def test_wildcards_cost_little():
    """One look at each name."""
    assert best_of_five("layer7/*0*7") < 50
