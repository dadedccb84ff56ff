"""The engine over random stories, with puppets for commands and a clock cranked by hand, held to a reference model.

Every run executes exactly the commands that the model names, and leaves exactly the history that it predicts: the runs,
the result of each step, each attempt with its state and times, each materialization with what it read, and the causes
of the next plan. Whatever failed, was killed, edited or touched in between.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.narrator import Narrator
from support.stage import Act, Spec

SIZE = 6
ENDINGS = ["write", "idle", "fail", "spoil", "again", "timeout", "stop", "stop_write", "stop_fail"]
DEATHS = ["start", "during", "written", "prepared", "published", "check"]
KINDS = [*ENDINGS, *(f"die_{point}" for point in DEATHS), "linger", "linger_published"]


@st.composite
def casts(draw: st.DrawFn) -> list[Spec]:
    """Six assets of all kinds, the first of which may be external."""
    specs = []
    for index in range(SIZE):
        kinds = ["shell", "atomic", "python", "errand", *(["external"] if index < 2 else [])]
        kind = draw(st.sampled_from(kinds))
        if kind == "external":
            specs.append(Spec(f"a{index}", kind))
            continue
        above = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set()
        specs.append(
            Spec(
                f"a{index}",
                kind,
                tuple(f"a{up}" for up in sorted(above)),
                version="content" if kind == "errand" else draw(st.sampled_from(["content", "content", "reported", "always"])),
                width=draw(st.sampled_from([64, 1])),
                retries=draw(st.sampled_from([0, 0, 2])),
                retry_on=draw(st.sampled_from([None, (75,)])),
                gate=draw(st.sampled_from([False, False, True])),
                watch=draw(st.sampled_from([False, False, False, True])),
                max_lag=draw(st.sampled_from([None, None, 4])),
            )
        )
    return specs


NAMES = st.sampled_from([f"a{index}" for index in range(SIZE)])
ABOVE = st.sets(NAMES, max_size=3)
ACTS = st.builds(
    Act,
    st.one_of(st.sampled_from(ENDINGS), st.sampled_from(KINDS)),
    st.integers(0, 3),
    st.sampled_from([0, 0, 0, 1, 5]),
    st.one_of(st.none(), st.none(), st.tuples(NAMES, st.sampled_from("123"))),
)
SCRIPTS = st.dictionaries(NAMES, st.lists(ACTS, min_size=1, max_size=3), max_size=4)
FLAGS = st.sets(st.sampled_from(["upstream", "downstream", "force"]))
JOBS = st.integers(1, 3)


class Sentence(NamedTuple):
    """What happens next: a method of the narrator, and what it is given."""

    what: str
    args: tuple[object, ...] = ()
    options: dict[str, object] = {}  # noqa: RUF012 - nobody changes it


def sentence(what: str, *args: st.SearchStrategy[object], **options: st.SearchStrategy[object]) -> st.SearchStrategy[Sentence]:
    """Any sentence of this kind."""
    return st.builds(Sentence, st.just(what), st.tuples(*args), st.fixed_dictionaries(options))


RUNS = [
    sentence("run", st.none(), SCRIPTS, jobs=JOBS, fail_fast=st.booleans()),
    sentence("run", NAMES, SCRIPTS, flags=FLAGS, jobs=JOBS, fail_fast=st.booleans()),
]
SENTENCES = st.one_of(
    *RUNS,
    *RUNS,
    sentence("retry", JOBS),
    sentence("mark", NAMES),
    sentence("edit", NAMES, st.sampled_from("123")),
    sentence("reformat", NAMES),
    sentence("rewire", NAMES, ABOVE),
    sentence("remove", NAMES),
    sentence("tamper", NAMES),
    sentence("delete", NAMES),
    sentence("crank", st.sampled_from([1, 3, 5, -4, 30])),
    sentence("switch", st.sampled_from(["broken", "shut", "crying"]), NAMES),
    sentence("declare_gate", NAMES),
)
REAL = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def tell(specs: Sequence[Spec], story: Iterable[Sentence]) -> Narrator:
    """Tell a story to its end."""
    with tempfile.TemporaryDirectory() as folder:
        narrator = Narrator(Path(folder) / "p", specs)
        with narrator.staged():
            for each in story:
                getattr(narrator, each.what)(*each.args, **each.options)
                narrator.look()
            narrator.finish()
    return narrator


@given(casts(), st.lists(SENTENCES, max_size=12))
@settings(REAL, max_examples=int(os.environ.get("HISTORY_EXAMPLES", "60")))
def test_history_is_what_the_model_says(specs, story):
    """Exactly the commands that are needed run, exactly what happened is on record, whatever the story."""
    tell(specs, story)
