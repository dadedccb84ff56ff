"""Who may start next, where steps share things."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from assets_cli.running.turns import Turns


def turns(needs: dict[str, Sequence[str]], room: dict[str, int] | None = None) -> Turns:
    """Turns of which steps are as urgent as they are early."""
    made = Turns(needs, room or {})
    for position, name in enumerate(needs):
        made.add((0, position), name)
    return made


def taken(made: Turns, count: int = 100) -> list[str]:
    """What is taken until nothing more can be."""
    names = []
    while len(names) < count and (name := made.take()) is not None:
        names.append(name)
    return names


def test_the_most_urgent_first() -> None:
    """Whenever it was added."""
    made = Turns({"a": (), "b": (), "c": ()}, {})
    made.add((-1, 0), "a")
    made.add((-3, 1), "b")
    made.add((-2, 2), "c")
    assert taken(made) == ["b", "c", "a"]


def test_who_needs_what_is_taken_stands_aside() -> None:
    """And others go first."""
    made = turns({"a": ["w"], "b": ["w"], "c": [], "d": ["w"]})
    assert taken(made) == ["a", "c"]
    made.give_back("a")
    assert taken(made) == ["b"]
    made.give_back("b")
    assert taken(made) == ["d"]
    made.give_back("d")
    assert taken(made) == []


def test_as_many_as_there_is_room_for() -> None:
    """Each that is given back lets one in."""
    made = turns({name: ["w"] for name in "abcde"}, {"w": 2})
    assert taken(made) == ["a", "b"]
    made.give_back("b")
    assert taken(made) == ["c"]
    made.give_back("a")
    made.give_back("c")
    assert taken(made) == ["d", "e"]


def test_a_more_urgent_one_that_comes_later_goes_first() -> None:
    """Also among those that stand aside."""
    made = Turns({name: ["w"] for name in "abc"}, {})
    made.add((0, 0), "a")
    assert taken(made) == ["a"]
    made.add((0, 1), "b")
    assert taken(made) == []
    made.add((-5, 2), "c")
    assert taken(made) == []
    made.give_back("a")
    assert taken(made) == ["c"]


def test_who_is_called_for_one_thing_and_lacks_another_lets_the_next_have_it() -> None:
    """Nothing lies free while somebody waits for it."""
    made = turns({"x": ["a", "b"], "y": ["a", "c"], "z": ["a"], "w": ["b"], "v": ["a", "b"]})
    assert taken(made) == ["x"]
    made.give_back("x")  # y gets `a`, w gets `b`; v and z stand aside
    assert sorted(taken(made)) == ["w", "y"]
    made.give_back("y")
    assert taken(made) == ["z"]
    made.give_back("z")
    assert taken(made) == []
    made.give_back("w")
    assert taken(made) == ["v"]


def test_whatever_is_shared_all_come_to_an_end_and_nobody_waits_in_vain() -> None:
    """Random needs: never more than there is room for, and no step stands aside for what is free."""
    chance = random.Random(7)
    for _ in range(300):
        things = [f"t{number}" for number in range(4)]
        room = {thing: chance.randint(1, 2) for thing in things}
        needs = {f"s{n:02}": chance.sample(things, chance.randint(0, 3)) for n in range(12)}
        made = turns(needs, room)
        running: list[str] = []
        while needs:
            running += taken(made)
            used = {thing: sum(thing in needs[name] for name in running) for thing in things}
            assert all(used[thing] <= room[thing] for thing in things)
            for name in needs.keys() - running:
                assert any(used[each] == room[each] for each in needs[name])
            ended = running.pop(chance.randrange(len(running)))
            made.give_back(ended)
            needs = {name: things for name, things in needs.items() if name != ended}


def test_ten_thousand_who_need_one_thing_cost_little() -> None:
    """No look at everybody who waits, each time that one has ended."""
    made = turns({f"s{number:05}": ["w"] for number in range(10_000)})
    began = time.process_time()
    for number in range(10_000):
        assert made.take() == f"s{number:05}"
        assert made.take() is None
        made.give_back(f"s{number:05}")
    assert time.process_time() - began < 2
