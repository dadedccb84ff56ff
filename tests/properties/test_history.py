"""The engine over random stories, with puppets for commands and a clock cranked by hand, held to a reference model.

Every run executes exactly the commands that the model names, and leaves exactly the history that it predicts: the runs,
the result of each step, each attempt with its state and times, each materialization with what it read, and the causes
of the next plan. Whatever failed, was killed, edited or touched in between.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import puppets
from support.narrator import Narrator
from support.stage import Act, Spec

from assets_cli.cli import main

SIZE = 5
ENDINGS = ["write", "idle", "fail", "spoil", "again", "timeout", "stop", "stop_write", "stop_fail"]
MEMORY = "/dev/shm"
"""Where there is one, stories are told there: nobody in them loses power, and waiting for a disk shows nothing."""
DEATHS = ["start", "during", "written", "prepared", "published", "check"]
KINDS = [*ENDINGS, *(f"die_{point}" for point in DEATHS), "linger", "linger_published"]


@st.composite
def casts(draw: st.DrawFn) -> list[Spec]:
    """A few assets of all kinds, the first of which may be external."""
    specs = []
    for index in range(SIZE):
        kinds = ["shell", "atomic", "python", "errand", *(["external"] if index < 2 else [])]
        kind = draw(st.sampled_from(kinds))
        if kind == "external":
            specs.append(Spec(f"a{index}", kind))
            continue
        count = min(draw(st.sampled_from([1, 0, 1, 2, 3])), index)
        above = draw(st.sets(st.integers(0, index - 1), min_size=count, max_size=count)) if count else set()
        specs.append(
            Spec(
                f"a{index}",
                kind,
                tuple(f"a{up}" for up in sorted(above)),
                version="content" if kind == "errand" else draw(st.sampled_from(["content", "reported", "always"])),
                width=draw(st.sampled_from([64, 1])),
                retries=draw(st.sampled_from([0, 0, 2])),
                retry_on=draw(st.sampled_from([None, (75,)])),
                gate=draw(st.sampled_from([False, False, True])),
                watch=draw(st.sampled_from([False, False, False, True])),
                max_lag=draw(st.sampled_from([None, 4])),
            )
        )
    return specs


NAMES = st.sampled_from([f"a{index}" for index in range(SIZE)])
ABOVE = st.sets(NAMES, max_size=3)
ACTS = st.builds(
    Act,
    st.one_of(st.just("write"), st.sampled_from(ENDINGS), st.sampled_from(KINDS)),
    st.integers(0, 3),
    st.sampled_from([0, 0, 0, 1, 5]),
    st.one_of(st.none(), st.none(), st.tuples(NAMES, st.sampled_from("123"))),
)
SCRIPTS = st.fixed_dictionaries({f"a{index}": st.lists(ACTS, max_size=2) for index in range(SIZE)})
EDITED = st.sets(NAMES, max_size=SIZE)
SHUT = st.sets(NAMES, max_size=2)
FLAGS = st.sets(st.sampled_from(["upstream", "downstream", "force"]))
JOBS = st.integers(1, 3)


class Sentence(NamedTuple):
    """What happens next: a method of the narrator, and what it is given."""

    what: str
    args: tuple[object, ...] = ()
    options: dict[str, object] = {}  # noqa: RUF012 - nobody changes it


def sentence(
    what: str, *args: st.SearchStrategy[object], **options: st.SearchStrategy[object]
) -> st.SearchStrategy[Sentence]:
    """Any sentence of this kind."""
    return st.builds(Sentence, st.just(what), st.tuples(*args), st.fixed_dictionaries(options))


RUNS = [
    sentence("run", st.none(), SCRIPTS, edited=EDITED, shut=SHUT, jobs=JOBS, fail_fast=st.booleans()),
    sentence("run", st.none(), SCRIPTS, edited=EDITED, shut=SHUT, jobs=st.just(1)),
    sentence("run", NAMES, SCRIPTS, edited=EDITED, shut=SHUT, flags=FLAGS, jobs=JOBS, fail_fast=st.booleans()),
]
SENTENCES = st.one_of(
    *RUNS,
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
    sentence("switch", st.sampled_from(["broken", "crying"]), NAMES),
    sentence("declare_gate", NAMES),
)
STORIES = st.lists(SENTENCES, min_size=6, max_size=12)
REAL = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def tell(specs: Sequence[Spec], story: Iterable[Sentence]) -> Narrator:
    """Tell a story to its end."""
    with tempfile.TemporaryDirectory(dir=MEMORY if Path(MEMORY).is_dir() else None) as folder:
        narrator = Narrator(Path(folder) / "p", specs)
        with narrator.staged():
            for each in story:
                getattr(narrator, each.what)(*each.args, **each.options)
                narrator.look()
            narrator.finish()
    return narrator


@given(casts(), STORIES)
@settings(REAL, max_examples=int(os.environ.get("HISTORY_EXAMPLES", "80")))
def test_history_is_what_the_model_says(specs, story):
    """Exactly the commands that are needed run, exactly what happened is on record, whatever the story."""
    tell(specs, story)


# What such stories have found, told briefly.

CHAIN = [Spec("a0", "shell", retries=2), Spec("a1", "shell", ("a0",))]


def run(name: str | None = None, scripts: Mapping[str, list[Act]] | None = None, **options: object) -> Sentence:
    """A run in a story."""
    return Sentence("run", (name, scripts or {}), options)


def test_no_attempt_is_opened_when_the_interrupt_comes_as_a_command_ends():
    """What has not started is cancelled without an attempt, and starts for its own cause next time."""
    story = [run(None, {"a0": [Act("stop_write")]}), run()]
    assert tell(CHAIN, story).commands == [["a0"], ["a1"]]


def test_a_retry_that_leaves_alone_what_the_attempt_before_has_spoiled_gets_the_warning():
    """Whether an output was touched is asked of each attempt."""
    story = [run(), run(None, {"a0": [Act("spoil"), Act("idle")]}, edited=["a0"])]
    assert tell(CHAIN, story).commands[:2] == [["a0", "a1"], ["a0", "a0", "a1"]]


def test_an_atomic_output_can_be_read_after_a_failed_attempt():
    """It cannot be half-written, so that a downstream that is selected alone reads it as it stands."""
    cast = [Spec("a0", "atomic"), Spec("a1", "shell", ("a0",))]
    story = [run(), run(None, {"a0": [Act("fail")]}, edited=["a0"]), run("a1", edited=["a1"])]
    assert tell(cast, story).commands[:3] == [["a0", "a1"], ["a0"], ["a1"]]


def test_an_atomic_output_that_is_gone_cannot_be_read_although_a_failed_attempt_hides_that():
    """A downstream that is selected alone is refused."""
    cast = [Spec("a0", "atomic"), Spec("a1", "shell", ("a0",))]
    story = [
        run(),
        run(None, {"a0": [Act("fail")]}, edited=["a0"]),
        Sentence("delete", ("a0",)),
        run("a1", edited=["a1"]),
    ]
    assert tell(cast, story).commands == [["a0", "a1"], ["a0"], ["a0", "a1"]]


def test_what_a_worker_publishes_after_the_death_of_its_coordinator_counts():
    """It was on record as about to be published, so that recovery finds it done."""
    cast = [Spec("a0", "python"), Spec("a1", "shell", ("a0",))]
    story = [run(), run(None, {"a0": [Act("linger_published")]}, edited=["a0"]), run()]
    assert tell(cast, story).commands == [["a0", "a1"], ["a0"], ["a1"]]


def test_marking_settles_what_the_dead_have_left_before_it_adopts(capsys):
    """Else recovery would put what a dead run had published on top of what was marked since."""
    cast = [Spec("a0", "python")]
    with tempfile.TemporaryDirectory() as folder:
        narrator = Narrator(Path(folder) / "p", cast)
        with narrator.staged():
            narrator.run(None, {"a0": [Act("die_published")]})
            narrator.edit("a0", "2")
            assert main.run(["-C", str(narrator.stage.root), "state", "mark", "a0"]) == 0
            puppets.recover(narrator.stage)
            assert puppets.opened(narrator.stage).plan().steps == ()
