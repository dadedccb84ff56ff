"""Sets of entries of a list, as bits."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from assets_cli.planning.subsets import Subset

NAMES = [f"n{number}" for number in range(200)]
PLACES = st.lists(st.integers(0, 199), min_size=1, max_size=20)


def subset(places: list[int]) -> Subset[str]:
    """The names at these places, put together one by one."""
    found = Subset(NAMES, places[0])
    for place in places[1:]:
        found |= Subset(NAMES, place)
    return found


@given(PLACES, PLACES)
def test_they_are_a_sorted_set(one: list[int], other: list[int]) -> None:
    """Each once, in the order of the list, whatever the order in which they came."""
    both = subset(one) | subset(other)
    expected = tuple(NAMES[place] for place in sorted({*one, *other}))
    assert both == expected
    assert tuple(both) == expected
    assert len(both) == len(expected)
    assert hash(both) == hash(expected)
    assert [each in both for each in NAMES] == [each in expected for each in NAMES]


@example([0, 1], -1, 1)
@given(PLACES, st.integers(-3, 25), st.integers(-3, 25))
def test_they_are_cut_like_any_sequence(places: list[int], start: int, stop: int) -> None:
    """Indices and slices mean what they mean."""
    found, plain = subset(places), tuple(NAMES[place] for place in sorted(set(places)))
    assert found[:stop] == plain[:stop]
    assert found[start:stop] == plain[start:stop]
    assert found[0] == plain[0]
    assert found[-1] == plain[-1]


def test_what_is_at_the_same_places_of_another_list() -> None:
    """Names become what stands beside them."""
    assert subset([3, 5]).among(range(200)) == (3, 5)


def test_a_list_that_grows_keeps_its_members() -> None:
    """Who was found first stays where it was."""
    names = ["a"]
    first = Subset(names, 0)
    names.append("b")
    assert (first, first | Subset(names, 1)) == (("a",), ("a", "b"))
