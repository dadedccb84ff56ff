"""The real engine on a stage: its commands are puppets, its clock is the stage's, and its coordinator can die.

A death raises `Died` and closes the connection to the history without a commit; from then on nothing can be recorded,
started or published, and locks are let go of as the kernel does it: a command that lives on keeps them. Knows nothing
of what should happen.
"""

from __future__ import annotations

import json
import os
import select
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pytest

from assets_cli import wiring
from assets_cli.computes import temporaries
from assets_cli.computes.temporaries import Places
from assets_cli.model.event import RunEvent, RunFinished, Warned
from assets_cli.model.manifest import Asset, Manifest
from assets_cli.project import Project
from assets_cli.running import loop, publishing
from assets_cli.running.executors.local import Cancellation, Invocation, Outcome
from assets_cli.running.surroundings import Surroundings
from assets_cli.state.locks import Held
from assets_cli.state.record import Recorder
from assets_cli.wiring import Listener, Wiring
from support.space import HOUR
from support.stage import Act, Died, Stage

_NO_GROUP = 1 << 30
"""No kernel has a process group of such a number, so nobody can end it."""

OnPrepared = Callable[[dict[str, Any]], Awaitable[None]]
END = {"fail": 1, "spoil": 1, "again": 75, "stop_fail": 1}
"""The exit codes of the acts that fail by themselves."""


class Puppets:
    """The executor of a stage: see `executors.local.LocalExecutor`."""

    def __init__(self, stage: Stage, recorder: Recorder) -> None:
        self.stage = stage
        self.recorder = recorder
        self.acting: dict[str, Act] = {}
        self._groups = iter(range(_NO_GROUP, 2 * _NO_GROUP))

    async def run(
        self,
        invocation: Invocation,
        *,
        on_start: Callable[[int], None],
        on_prepared: OnPrepared,
        cancelled: Cancellation,
    ) -> Outcome:
        """Carry out one command, or one shell check."""
        self.live()
        name = invocation.env.get("ASSETS_ASSET") or (invocation.job or {})["asset"]
        what = invocation.argv[-1].removeprefix("puppet ")
        if what in ("gate", "watch") and invocation.job is None:
            return self._check(name, what, cancelled)
        if cancelled.is_set():
            return self._end(name, Outcome(None, "cancelled", "cancelled"))
        act = self.acting[name] = self.stage.next_act(name)
        self.stage.note("start", name, self.stage.code(name))
        if act.kind == "die_start":
            self.die()
        on_start(next(self._groups))
        Path(invocation.log).touch()  # noqa: ASYNC240 - an instant
        text = self.stage.makes(name)
        if act.edits is not None:
            self.stage.edit(*act.edits)
        for _ in range(act.turns):
            await loop.ready({cancelled.fileno(): select.POLLIN}, 0)
            self.live()
            if cancelled.is_set():
                return self._end(name, Outcome(143, "cancelled", "cancelled"))
        ended = self._misbehave(name, act, text, invocation, cancelled)
        return ended or await self._work(name, act, text, invocation, on_prepared)

    def close(self) -> None:
        """There is nothing to let go of."""

    def live(self) -> None:
        """Go on only if the coordinator lives."""
        if self.stage.dead:
            raise Died

    def die(self) -> None:
        """The coordinator dies here: what it has not committed did not happen."""
        self.stage.note("died")
        self.stage.dead = True
        self.recorder._connection.close()
        raise Died

    def _misbehave(
        self, name: str, act: Act, text: str, invocation: Invocation, cancelled: Cancellation
    ) -> Outcome | None:
        """What a command does that does not succeed; None where it does."""
        stage, place = self.stage, self._place(name, invocation)
        stage.now += act.leap * HOUR
        if act.kind.startswith("stop"):
            stage.note("interrupt")
            cancelled.cancel()
        if act.kind in ("spoil", "die_during", "linger", "timeout") and place is not None:
            place.write_text("half\n")
        if act.kind == "linger":
            late = text if stage.specs[name].kind == "shell" else None
            stage.leave_running(name, invocation.descriptors, late)
        if act.kind in ("die_during", "linger"):
            self.die()
        ends = {
            "stop": Outcome(143, "cancelled", "cancelled"),
            "timeout": Outcome(143, "timed_out", "timed out after 1m"),
            **{kind: Outcome(code, "failed", f"exit code {code}") for kind, code in END.items()},
        }
        return self._end(name, ends[act.kind]) if act.kind in ends else None

    async def _work(self, name: str, act: Act, text: str, invocation: Invocation, on_prepared: OnPrepared) -> Outcome:
        """What a command does that succeeds, if its coordinator lives on."""
        kind, place, result = self.stage.specs[name].kind, self._place(name, invocation), _done(None)
        if act.kind == "idle":
            self.stage.lied.add(name)
            self._left(name, place, None)
        elif kind == "python":
            result = await self._return(name, act, text, invocation, on_prepared)
        else:
            if place is not None:
                place.write_text(text)
            self._left(name, place, text)
        if act.kind == "die_written" or (act.kind.startswith("die_p") and kind != "atomic"):
            self.die()
        return self._end(name, Outcome(0, "succeeded", None, result, self._report(name, text, invocation)))

    def _left(self, name: str, place: Path | None, text: str | None) -> None:
        """Note what the command leaves: at its place, what it reports of it, and whether it has written it."""
        there = place.read_text() if place is not None and place.exists() else None
        says = reported(text) if text is not None and self.stage.specs[name].version == "reported" else None
        self.stage.note("left", name, (there, says, text is not None))

    def _place(self, name: str, invocation: Invocation) -> Path | None:
        if self.stage.specs[name].kind == "errand":
            return None
        return Path(invocation.env.get("ASSETS_OUTPUT") or self.stage.root / "out" / name)

    async def _return(
        self, name: str, act: Act, text: str, invocation: Invocation, on_prepared: OnPrepared
    ) -> dict[str, Any]:
        """What a worker does with a value that a function returned."""
        stage = self.stage
        places = temporaries.places(str(stage.root / "out" / name), (invocation.job or {})["run"])
        new = Path(places.new)
        new.write_text(text)  # noqa: ASYNC240 - a few bytes, in a loop that is not asyncio's
        self._left(name, new, text)
        document = _done(text) | {"event": "prepared", "bytes": len(text)}
        if stage.specs[name].version == "reported":
            document["reported"] = {"data_version": reported(text), "data_time": None, "metadata": {}}
        await on_prepared(document)
        self.live()
        if act.kind == "die_prepared":
            self.die()
        if act.kind == "linger_published":
            stage.leave_running(name, invocation.descriptors, text)
            self.die()
        temporaries.put(places)
        stage.note("published", name)
        return _done(text)

    def _report(self, name: str, text: str, invocation: Invocation) -> tuple[dict[str, Any], ...]:
        if self.stage.specs[name].version != "reported" or self.acting[name].kind == "idle":
            return ()
        if invocation.job is not None:
            return ({"data_version": reported(text)},)
        Path(invocation.env["ASSETS_RESULT"]).write_text(json.dumps({"data_version": reported(text)}))
        return ()

    def _check(self, name: str, what: str, cancelled: Cancellation) -> Outcome:
        if cancelled.is_set():
            return Outcome(None, "cancelled", "cancelled")
        if name in self.acting and self.acting[name].kind == "die_check":
            self.die()
        passed = name not in (self.stage.shut if what == "gate" else self.stage.crying)
        self.stage.note("check", name, (what, passed))
        return Outcome(0, "succeeded") if passed else Outcome(1, "failed", "exit code 1")

    def _end(self, name: str, outcome: Outcome) -> Outcome:
        self.stage.note("end", name, (outcome.state, outcome.exit_code))
        if outcome.state == "succeeded" and self.acting[name].kind != "idle":
            self.stage.lied.discard(name)
        return outcome


def _done(text: str | None) -> dict[str, Any]:
    digest = None if text is None else f"sha256:{sha256(text.encode()).hexdigest()}"
    return {"event": "done", "rows": None, "digest": digest, "columns": None, "data_version": None}


def reported(text: str) -> str:
    """The data version that a command reports."""
    return f"r-{text.partition(chr(10))[0]}"


class _Watched:
    """A recorder that notes on the stage what it records, as far as anybody needs to know the order."""

    def __init__(self, recorder: Recorder, stage: Stage) -> None:
        self._recorder = recorder
        self._stage = stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recorder, name)

    def open_attempt(self, run: str, asset: str, number: int, *more: Any) -> int:
        """As the recorder's."""
        seq = self._recorder.open_attempt(run, asset, number, *more)
        self._stage.note("open", asset, number)
        return seq

    def prepare(self, attempt: int, materialization: Any) -> None:
        """As the recorder's."""
        self._recorder.prepare(attempt, materialization)
        self._stage.note("prepare", materialization.asset)

    def unblock(self, environment: str, materialization: Any, *more: Any) -> bool:
        """As the recorder's."""
        done = self._recorder.unblock(environment, materialization, *more)
        self._stage.note("unblock", materialization.asset)
        return done

    def commit(self) -> None:
        """As the recorder's."""
        self._recorder.commit()
        self._stage.note("commit")


class StagedWiring(Wiring):
    """The parts of a project whose commands are the puppets of a stage."""

    stage: Stage

    @contextmanager
    def surroundings(self, listeners: tuple[Listener, ...], *, settling: bool = True) -> Iterator[Surroundings]:
        """As for real, but for who runs commands and what the time is."""
        with super().surroundings(listeners, settling=settling) as around:
            puppets = Puppets(self.stage, around.recorder)
            STANDING[:] = [puppets]
            watched: Any = _Watched(around.recorder, self.stage)
            executor: Any = puppets
            yield around._replace(recorder=watched, executor=executor, clock=self.stage.clock, chance=lambda: 0.0)


STANDING: list[Puppets] = []
"""The puppets of the run that is carried out."""


@contextmanager
def staged(stage: Stage) -> Iterator[None]:
    """Let the engine live on this stage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assets_cli.wiring.clock", stage.clock)
        patch.setattr(loop, "in_thread", _at_once)
        patch.setattr(publishing, "publish", _publishing(publishing.publish))
        patch.setattr(Held, "release", _releasing(Held.release, stage))
        yield


async def _at_once(work: Callable[[], Any]) -> Any:
    """In place of `loop.in_thread`: nothing happens at the same time, so that each story has one course."""
    return work()


def _publishing(publish: Callable[..., str | None]) -> Callable[..., str | None]:
    def published(places: Places, manifest: Manifest, asset: Asset, *more: Any) -> str | None:
        puppets = STANDING[0]
        puppets.live()
        act = puppets.acting[asset.name]
        if act.kind == "die_prepared":
            puppets.die()
        warning = publish(places, manifest, asset, *more)
        puppets.stage.note("published", asset.name)
        if act.kind == "die_published":
            puppets.die()
        return warning

    return published


def _releasing(release: Callable[[Held], None], stage: Stage) -> Callable[[Held], None]:
    """A dead coordinator unlocks nothing: its descriptors are closed, and whoever inherited them keeps the lock."""

    def released(held: Held) -> None:
        if not stage.dead:
            release(held)
            return
        descriptors, held._descriptors = held._descriptors, ()
        for each in descriptors:
            os.close(each)

    return released


def opened(stage: Stage) -> Project:
    """The project as it is on disk now."""
    declared = wiring.read(
        stage.root, environment="default", variables={}, state=None, environ={"PATH": "/usr/bin:/bin"}
    )
    parts = StagedWiring(declared)
    parts.stage = stage
    return Project(parts)


def recover(stage: Stage) -> None:
    """As every deed of the command line begins. Commands that live on come to their ends when somebody waits."""

    def tell(event: RunEvent) -> None:
        if isinstance(event, Warned) and event.message.startswith("waiting for the end of"):
            stage.end_lingering()

    stage.dead = False
    opened(stage).recover(tell)


def carry_out(
    stage: Stage, project: Project, plan: Any, *, jobs: int, fail_fast: bool
) -> RunFinished | Literal["died"]:
    """Materialize a plan, and note what is told."""

    def tell(event: RunEvent) -> None:
        stage.note("told", getattr(event, "asset", None) or "", event)

    try:
        return project.materialize(plan, jobs=jobs, fail_fast=fail_fast, listeners=(tell,))
    except Died:
        return "died"
    finally:
        stage.dead = False
