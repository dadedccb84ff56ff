"""A run as it happened, held to the reference model: each thing that happens must be one that may happen now.

Which of the ready steps starts first, and which of several commands ends first, is taken as it came; everything else is
predicted: who runs and who does not, how each attempt and each step ends, what is recorded of it, and when that must be
on record. Reads the notes of the stage; knows nothing of the engine's records.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from assets_cli.model.event import RunFinished, StepFinished, StepStarted, Warned
from support.reference import Left, Made, Planned, Reference
from support.stage import Note, Stage

DONE = ("succeeded", "skipped")


class Try(NamedTuple):
    """One attempt as it must be on record."""

    asset: str
    number: int
    state: str
    started: int
    finished: int | None = None
    exit_code: int | None = None


class Kept(NamedTuple):
    """A run as it must be on record. `results` are the steps' results, with whether they came out unchanged."""

    run: str
    status: str
    steps: tuple[tuple[str, str], ...]
    forced: frozenset[str]
    results: dict[str, tuple[str, bool]]
    tries: list[Try]


class _Facts(NamedTuple):
    """What is on record at one moment."""

    made: dict[str, tuple[Made, ...]]
    usable: dict[str, Made]
    attempt: dict[str, str]
    frozen: dict[tuple[str, str], int | None]
    tries: list[Try]
    results: dict[str, tuple[str, bool]]
    prepared: dict[str, Made]

    def copy(self) -> _Facts:
        """The same, for later: all values are immutable."""
        return _Facts(*(each.copy() for each in self))  # type: ignore[attr-defined]


class Replay:
    """One run, note by note."""

    def __init__(self, reference: Reference, planned: Planned, run: str, *, jobs: int, fail_fast: bool) -> None:
        self.reference = reference
        self.stage: Stage = reference.stage
        self.planned = planned
        self.run = run
        self.jobs = jobs
        self.fail_fast = fail_fast
        self.forced = {name for name, causes in planned.steps.items() if ("forced", None) in causes}
        for up in {up for name in planned.steps for up in self.stage.specs[name].upstreams}:
            if reference.is_external(up) and up in planned.seen:
                reference.observe(up, planned.seen[up])
        self.facts = _Facts(reference.made, reference.usable, reference.attempt, reference.frozen, [], {}, {})
        self.saved = self.facts.copy()
        self.commands: list[str] = []
        self.code: dict[str, str] = {}
        self.left: dict[str, tuple[str | None, str | None, bool]] = {}
        self.ended: set[str] = set()
        self.published: set[str] = set()
        self.checked: dict[str, dict[str, bool]] = {}
        self.again: set[str] = set()
        self.untouched: list[str] = []
        self.warned: list[str] = []
        self.interrupted = False
        self.died = False
        self.finished: RunFinished | None = None

    def carry_out(self) -> Kept:
        """All notes; the run as it must be on record."""
        for note in self.stage.notes:
            self.reference.there = note.there
            getattr(self, f"_{note.what}")(note)
            if self.died:
                break
        self.reference.there = None
        if self.died:
            status = "crashed"
        else:
            status = self._status()
            self._compare_end(status)
        steps = tuple((name, self.planned.kind(name)) for name in self.planned.steps)
        return Kept(self.run, status, steps, frozenset(self.forced), self.facts.results, self.facts.tries)

    def result(self, name: str) -> str | None:
        """Of a step, as far as there is one."""
        return self.facts.results.get(name, (None, False))[0]

    # -- what the engine does ------------------------------------------------------------------------------------------

    def _open(self, note: Note) -> None:
        name, number = note.asset, note.value
        assert name in self.planned.steps, f"{name} is no step"
        assert self.result(name) is None, f"{name} has ended"
        assert not self.interrupted, f"{name} was started after the interrupt"
        before = [each for each in self.facts.tries if each.asset == name]
        assert number == len(before) + 1
        if before:
            assert name in self.again, f"{name} was not to be tried again"
            self.again.discard(name)
        else:
            self._may_start(name)
        self.facts.tries.append(Try(name, number, "open", note.at))
        self.reference.attempt[name] = "open"
        self.checked[name] = {}

    def _may_start(self, name: str) -> None:
        # What had begun to be looked at when it failed goes on.
        known = self.facts if self.jobs == 1 else self.saved
        failed = any(result == "failed" for result, _ in known.results.values())
        assert not (self.fail_fast and failed), f"{name} was started after a failure"
        for up in self.planned.after[name]:
            assert self._is_done(up), f"{name} was started although {up} is {self.result(up)}"
        causes = self._causes(name)
        assert causes or name in self.forced, f"{name} ran for nothing"
        if causes == {"check_failed"} and name not in self.forced:
            assert self.checked.get(name) == {"gate": False}, f"{name} ran although nothing blocks it"

    def _is_done(self, name: str) -> bool:
        """Whether a step is done, or will be told to have been skipped: that is told with the next commit."""
        if self.result(name) is not None or self._tries(name) or name in self.forced:
            return self.result(name) in DONE
        return not self._causes(name) and all(self._is_done(up) for up in self.planned.after[name])

    def _causes(self, name: str) -> set[str]:
        return {kind for kind, _ in self.reference.causes(name, self.reference.observed, self.planned.bounds)}

    def _prepare(self, note: Note) -> None:
        self.facts.prepared[note.asset] = self._made(note, blocked=self.stage.specs[note.asset].gate)

    def _unblock(self, note: Note) -> None:
        name = note.asset
        assert self._causes(name) == {"check_failed"}, f"{name} is not only blocked"
        assert self.result(name) is None
        gate = {"gate": True} if self.stage.specs[name].gate else {}
        assert self.checked.get(name, {}) == gate, f"{name} was unblocked without a look"
        before, made = self.reference.usable.get(name), self.reference.made[name][-1]
        self.reference.unblock(name, note.at)
        self.facts.results[name] = ("succeeded", before is not None and before.version == made.version)

    def _commit(self, _: Note) -> None:
        self.saved = self.facts.copy()

    def _told(self, note: Note) -> None:
        event: Any = note.value
        if isinstance(event, StepStarted):
            assert any(each[:2] == (event.asset, event.number) for each in self.saved.tries), "told before recorded"
        elif isinstance(event, StepFinished):
            self._told_result(event)
        elif isinstance(event, RunFinished):
            self.finished = event
        elif isinstance(event, Warned) and event.asset and "untouched" in event.message:
            self.warned.append(event.asset)

    def _told_result(self, event: StepFinished) -> None:
        name = event.asset
        if self.result(name) is None:
            self._not_run(name, event.result)
        expected = self.facts.results[name]
        assert (event.result, event.unchanged) == expected, f"{name}: {expected}"
        assert self.saved.results[name] == expected, f"{name} was told before it was recorded"

    def _not_run(self, name: str, result: str) -> None:
        """A step has ended without a command, or without a further attempt."""
        if result == "skipped":
            assert not self._tries(name)
            assert all(self.result(up) in DONE for up in self.planned.after[name])
            assert name not in self.forced, f"{name} was skipped although it is forced"
            assert not self._causes(name), f"{name} was skipped although it is stale"
        else:
            assert result == "cancelled", f"{name} is {result}"
            failed = any(each == "failed" for each, _ in self.facts.results.values())
            assert self.interrupted or (self.fail_fast and failed and not self._tries(name))
            self.again.discard(name)
        self.facts.results[name] = self.saved.results[name] = (result, False)

    def _tries(self, name: str) -> list[Try]:
        return [each for each in self.facts.tries if each.asset == name]

    # -- what puppets do -----------------------------------------------------------------------------------------------

    def _start(self, note: Note) -> None:
        name = note.asset
        saved = [each for each in self.saved.tries if each.asset == name]
        assert saved, f"{name} was started before its attempt was on record"
        assert saved[-1].state == "open"
        at_work = {each.asset for each in self.facts.tries} - self.saved.results.keys()
        assert len(at_work) <= self.jobs, f"{at_work} at once"
        assert not self.interrupted
        self.commands.append(name)
        self.code[name] = note.value

    def _left(self, note: Note) -> None:
        self.left[note.asset] = note.value

    def _end(self, note: Note) -> None:
        name, (state, code) = note.asset, note.value
        if state != "succeeded":
            self._fail(note, state, code)
        elif self.left[name][0] is None and self.stage.specs[name].kind != "errand":
            self._fail(note, "failed", code)
        else:
            self.ended.add(name)
            self._advance(note)

    def _published(self, note: Note) -> None:
        name = note.asset
        assert name in self.saved.prepared, f"{name} was published before that was on record"
        self.published.add(name)
        if self.stage.specs[name].kind == "atomic":
            self._advance(note)

    def _check(self, note: Note) -> None:
        self.checked.setdefault(note.asset, {})[note.value[0]] = note.value[1]
        if note.asset in self.ended:
            self._advance(note)

    def _interrupt(self, _: Note) -> None:
        self.interrupted = True

    def _died(self, _: Note) -> None:
        """What was not committed did not happen."""
        self.died = True
        self.facts = self.saved
        ours, facts = self.reference, self.facts
        ours.made, ours.usable, ours.attempt, ours.frozen = facts.made, facts.usable, facts.attempt, facts.frozen
        for index, each in enumerate(facts.tries):
            if each.state == "open":
                facts.tries[index] = each._replace(state="crashed")
                ours.attempt[each.asset] = "crashed"
                ours.left[each.asset] = Left(self.run, each.number, facts.prepared.get(each.asset))

    # -- what follows --------------------------------------------------------------------------------------------------

    def _advance(self, note: Note) -> None:
        """A command has ended well: what it left is published, checked, recorded."""
        name, spec = note.asset, self.stage.specs[note.asset]
        if spec.kind == "atomic" and name not in self.published:
            return
        wanted = [check for check, declared in (("gate", spec.gate), ("watch", spec.watch)) if declared]
        if list(self.checked[name]) != wanted:
            if self.interrupted:
                self._fail(note, "cancelled", 0)
            return
        made = self._made(note, blocked=self.checked[name].get("gate") is False)
        self._close(note, "succeeded", 0)
        self.reference.record(name, made, note.at)
        if made.blocked:
            self.facts.results[name] = ("failed", False)
            self._block_below(name)
        else:
            self.facts.results[name] = ("succeeded", made.unchanged)
        if not self.left[name][2] and spec.kind != "errand":
            self.untouched.append(name)

    def _made(self, note: Note, *, blocked: bool) -> Made:
        name, ours = note.asset, self.reference
        text, reported, _ = self.left[name]
        before = ours.latest(name)
        prepared = self.facts.prepared.get(name)
        version = ours.version_of(name, text, reported) if prepared is None else prepared.version
        unchanged = before is not None and before.version == version
        started = self._tries(name)[-1].started
        return Made(self.run, started, note.at, self.code[name], version, text, ours.inputs(name), unchanged, blocked)

    def _fail(self, note: Note, state: str, code: int | None) -> None:
        name, spec = note.asset, self.stage.specs[note.asset]
        self.ended.discard(name)
        self.published.discard(name)
        self.facts.prepared.pop(name, None)
        self.reference.attempt[name] = state
        number = self._close(note, state, code)
        if state == "cancelled":
            self.facts.results[name] = ("cancelled", False)
            return
        fits = spec.retry_on is None or code in spec.retry_on
        if number <= spec.retries and fits and not self.interrupted:
            self.again.add(name)
            return
        self.facts.results[name] = ("failed", False)
        self._block_below(name)

    def _close(self, note: Note, state: str, code: int | None) -> int:
        for index, each in enumerate(self.facts.tries):
            if each.asset == note.asset and each.state == "open":
                self.facts.tries[index] = each._replace(state=state, finished=note.at, exit_code=code)
                return each.number
        raise AssertionError(f"{note.asset} has no open attempt")

    def _block_below(self, name: str) -> None:
        for reader, waits in self.planned.after.items():
            if name in waits and reader not in self.facts.results:
                self.facts.results[reader] = ("blocked", False)
                self._block_below(reader)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _status(self) -> str:
        if self.interrupted:
            return "cancelled"
        done = {name for name, (result, _) in self.facts.results.items() if result in ("succeeded", "failed")}
        cried = any(False in self.checked.get(name, {}).values() for name in done)
        return (
            "failed" if cried or any(result == "failed" for result, _ in self.facts.results.values()) else "succeeded"
        )

    def _compare_end(self, status: str) -> None:
        assert not self.again, f"{self.again} were not tried again"
        assert self.facts.results.keys() == self.planned.steps.keys(), "a step has no result"
        assert self.untouched == self.warned, "who leaves its output untouched gets a warning"
        told = self.finished
        assert told is not None
        for result in ("succeeded", "failed", "skipped", "blocked", "cancelled"):
            assert set(getattr(told, result)) == {name for name in self.planned.steps if self.result(name) == result}
        assert set(told.unchanged) == {name for name in self.planned.steps if self.facts.results[name][1]}
        assert (told.run, told.status) == (self.run, status)
