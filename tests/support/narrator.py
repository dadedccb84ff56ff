"""Tells a story to the engine and to the reference model, and compares what they make of it after each sentence.

Reads what the engine has recorded through the public interface of a project alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from assets_cli.model.event import RunFinished
from assets_cli.model.plan import Plan
from assets_cli.model.problem import AssetsError
from assets_cli.project import Project
from support import puppets
from support.reference import Planned, Reference
from support.replay import DONE, Kept, Replay, Try
from support.space import HOUR
from support.stage import Act, Spec, Stage


class Narrator:
    """A story: each method is a sentence."""

    def __init__(self, root: Path, specs: Sequence[Spec]) -> None:
        self.cast = {spec.name: spec for spec in specs}
        self.stage = Stage(root, specs)
        self.stage.declare()
        self.reference = Reference(self.stage)
        self.runs: list[Kept] = []
        self.commands: list[list[str]] = []
        self.forgotten: set[str] = set()
        self._tokens: dict[str, str] = {}

    def staged(self) -> AbstractContextManager[None]:
        """Let the engine live on this stage meanwhile."""
        return puppets.staged(self.stage)

    # -- what people do ------------------------------------------------------------------------------------------------

    def edit(self, name: str, constant: str) -> None:
        """Change the code of an asset, or what is delivered as an external one."""
        if self.cast[name].kind == "external":
            self.stage.deliver(name, constant)
        else:
            self.stage.edit(name, constant)

    def reformat(self, name: str) -> None:
        """Change nothing that counts."""
        if self.cast[name].kind == "external":
            self.stage.redeliver(name)
        else:
            self.stage.reformat(name)

    def delete(self, name: str) -> None:
        """Somebody deletes what is there."""
        if self.cast[name].kind == "external":
            self.stage.deliver(name, None)
        else:
            self.stage.delete(name)

    def tamper(self, name: str) -> None:
        """Somebody else changes an output."""
        if self.cast[name].kind != "external":
            self.stage.tamper(name)

    def rewire(self, name: str, above: Collection[str]) -> None:
        """Give an asset other upstreams, or add it with them."""
        if self.cast[name].kind == "external":
            above = ()
        spec = self.stage.specs.get(name, self.cast[name])
        there = tuple(up for up in sorted(above) if up < name and up in self.stage.specs)
        self.stage.declare(spec._replace(upstreams=there))

    def remove(self, name: str) -> None:
        """Take an asset out of the manifest, if it is not the last."""
        if name in self.stage.specs and len(self.stage.specs) > 1:
            self.stage.remove(name)

    def declare_gate(self, name: str) -> None:
        """Declare a blocking check of an asset, or take it away."""
        if name in self.stage.specs and self.cast[name].kind != "external":
            spec = self.stage.specs[name]
            self.stage.declare(spec._replace(gate=not spec.gate))

    def switch(self, what: str, name: str) -> None:
        """Let a command begin to fail (`broken`), or a check that blocks nothing (`crying`); or not any more."""
        names: set[str] = getattr(self.stage, what)
        names.symmetric_difference_update({name})

    def crank(self, hours: int) -> None:
        """The clock goes on, or back."""
        self.stage.now += hours * HOUR

    # -- deeds ---------------------------------------------------------------------------------------------------------

    def run(
        self,
        name: str | None = None,
        scripts: Mapping[str, list[Act]] | None = None,
        *,
        edited: Collection[str] = (),
        shut: Collection[str] = (),
        flags: Collection[str] = (),
        jobs: int = 1,
        fail_fast: bool = False,
    ) -> None:
        """Materialize everything, or one asset with some flags, while the commands do what the scripts say.

        The `edited` ones have been edited a moment before; the blocking checks of those that are `shut` fail for now.
        """
        self.stage.shut = set(shut)
        for each in sorted(edited):
            self.edit(each, f"v{self.stage.serial()}")
        if name is not None and name not in self.stage.specs:
            return
        self.recover()
        named = {name} if name else set(self.stage.specs)
        chosen = set(named)
        if "upstream" in flags:
            chosen |= self._closure(named, lambda each: self.stage.specs[each].upstreams)
        if "downstream" in flags:
            chosen |= self._closure(named, self._readers)
        expected = self.reference.plan(chosen, named if "force" in flags else ())
        options = dict.fromkeys(flags, True)
        project = puppets.opened(self.stage)
        selection = [name] if name else []
        if expected.refused:
            with pytest.raises(AssetsError) as refused:
                project.plan(selection, **options)
            assert {problem.code for problem in refused.value.problems} == {"A0602"}
            return
        plan = project.plan(selection, jobs=jobs, **options)
        self._compare_plan(plan, expected)
        if jobs > 1:  # whether another step was looked at before its code was edited, nobody could tell
            scripts = {each: [act._replace(edits=None) for act in acts] for each, acts in (scripts or {}).items()}
        self._carry_out(project, plan, expected, scripts or {}, jobs=jobs, fail_fast=fail_fast)

    def retry(self, jobs: int = 1) -> None:
        """Run again what the latest run left undone."""
        self.recover()
        project = puppets.opened(self.stage)
        left, forced = self._undone()
        if not left:
            assert project.retry().plan is None
            return
        expected = self.reference.plan(left, forced)
        if expected.refused:
            with pytest.raises(AssetsError) as refused:
                project.retry()
            assert {problem.code for problem in refused.value.problems} == {"A0602"}
            return
        plan = project.retry(jobs=jobs).plan
        assert plan is not None
        self._compare_plan(plan, expected)
        self._carry_out(project, plan, expected, {}, jobs=jobs, fail_fast=False)

    def mark(self, name: str) -> None:
        """Adopt what is there."""
        self.recover()
        if name not in self.stage.specs or self.cast[name].kind == "external":
            return
        self.stage.notes = []
        project = puppets.opened(self.stage)
        if self.stage.content(name) is None and self.cast[name].kind != "errand":
            with pytest.raises(AssetsError) as refused:
                project.mark([name])
            assert [problem.code for problem in refused.value.problems] == ["A0606"]
        else:
            project.mark([name])
            self.stage.lied.add(name)
        run = puppets.opened(self.stage).runs(1)[0].id
        marked = self.reference.mark([name], run)
        now = self.stage.now
        tries = [Try(name, 1, "succeeded", now, now, 0) for name in marked]
        results = dict.fromkeys(marked, ("succeeded", False))
        status = "succeeded" if marked else "failed"
        self._keep(Kept(run, status, ((name, "mark"),), frozenset([name]), results, tries))

    def recover(self) -> None:
        """As every deed begins."""
        puppets.recover(self.stage)
        self.forgotten |= self.reference.left.keys() - self.stage.specs.keys()
        assert not self.stage.lingering, "somebody did not wait for the end of a command"
        for name, (run, state) in self.reference.recover().items():
            kept = next(each for each in self.runs if each.run == run)
            for index, each in enumerate(kept.tries):
                if each.asset == name and each.state == "crashed":
                    made = self.reference.latest(name)
                    at = (
                        made.finished
                        if made is not None and state == "succeeded"
                        else max(self.stage.now, each.started)
                    )
                    kept.tries[index] = each._replace(state=state, finished=at)

    def finish(self) -> None:
        """Mend everything and run: all is as if it had been built from scratch, and nothing is left to do."""
        stage = self.stage
        for names in (stage.broken, stage.shut, stage.crying):
            names.clear()
        self.recover()
        for name, spec in stage.specs.items():
            if spec.kind == "external" and stage.content(name) is None:
                stage.deliver(name, "1")
            elif name in stage.lied:
                stage.edit(name, f"mended {stage.serial()}")
        self.run(jobs=2)
        if self.runs and any(kind == "check" for _, kind in self.runs[-1].steps):
            self.run(jobs=2)  # what may be used again by now may be overdue
        project = puppets.opened(stage)
        same(stage.first_lines(), stage.from_scratch())
        same(project.plan().steps, ())
        # Where somebody who is no longer in the manifest had begun to write, nobody knows any more.
        same([name for name in stage.litter() if name.rpartition("-")[2] not in self.forgotten], [])
        for kept in self.runs:
            self._compare_run(project, kept)
        for name in self.cast:
            self._compare_made(project, name)

    def look(self) -> None:
        """The plan of the whole project, which writes nothing."""
        expected = self.reference.plan(set(self.stage.specs))
        self._compare_plan(puppets.opened(self.stage).plan(), expected)

    # -- how it is done ------------------------------------------------------------------------------------------------

    def _undone(self) -> tuple[list[str], list[str]]:
        if not self.runs:
            return [], []
        last = self.runs[-1]
        done = {name for name, (result, _) in last.results.items() if result in DONE}
        left = [name for name, kind in last.steps if kind != "mark" and name not in done and name in self.stage.specs]
        return left, [name for name in left if name in last.forced]

    def _closure(self, names: Collection[str], beside: Callable[[str], Collection[str]]) -> set[str]:
        found = set(names)
        while more := {each for name in found for each in beside(name)} - found:
            found |= more
        return found

    def _readers(self, name: str) -> set[str]:
        return {each for each, spec in self.stage.specs.items() if name in spec.upstreams}

    def _carry_out(
        self,
        project: Project,
        plan: Plan,
        expected: Planned,
        scripts: Mapping[str, list[Act]],
        *,
        jobs: int,
        fail_fast: bool,
    ) -> None:
        self.stage.begin(scripts)
        ended = puppets.carry_out(self.stage, project, plan, jobs=jobs, fail_fast=fail_fast)
        if not expected.steps:
            assert isinstance(ended, RunFinished)
            assert ended.run is None
            return
        run = puppets.opened(self.stage).runs(1)[0].id
        replay = Replay(self.reference, expected, run, jobs=jobs, fail_fast=fail_fast)
        kept = replay.carry_out()
        assert (ended == "died") == replay.died
        self.commands.append(replay.commands)
        self._keep(kept)

    def _keep(self, kept: Kept) -> None:
        self.runs.append(kept)
        project = puppets.opened(self.stage)
        self._compare_run(project, kept)
        for name, _ in kept.steps:
            spec = self.stage.specs.get(name)
            # What was recovered meanwhile was no step: its versions have no name yet, and this one may have read it.
            for each in (*(spec.upstreams if spec else ()), name):
                self._compare_made(project, each)
        found = project.runs(len(self.runs) + 1)
        same([(each.id, each.status) for each in found], [(each.run, each.status) for each in reversed(self.runs)])

    # -- what is on record ---------------------------------------------------------------------------------------------

    def _compare_plan(self, plan: Plan, expected: Planned) -> None:
        found = {step.asset: tuple((cause.kind, cause.upstream) for cause in step.causes) for step in plan.steps}
        same(found, expected.steps)
        same({step.asset: step.after for step in plan.steps}, expected.after)
        same({step.asset: step.kind for step in plan.steps}, {name: expected.kind(name) for name in expected.steps})
        order = list(found)
        assert all(order.index(up) < order.index(name) for name, ups in expected.after.items() for up in ups)
        same({(skip.asset, skip.reason) for skip in plan.skips}, expected.skipped)
        same({each.asset for each in plan.overdue}, expected.overdue)
        same(set(plan.removed), expected.removed)
        same(sum(warning.code == "A0603" for warning in plan.warnings), expected.stale_upstreams)

    def _compare_run(self, project: Project, kept: Kept) -> None:
        record, steps, attempts = project.run(kept.run)
        same(record.status, kept.status)
        same(
            {(step.asset, step.kind, step.forced) for step in steps},
            {(name, kind, name in kept.forced) for name, kind in kept.steps},
        )
        same(
            {step.asset: (step.result, step.unchanged) for step in steps},
            {name: kept.results.get(name, (None, False)) for name, _ in kept.steps},
        )
        same([Try(*each[2:8]) for each in attempts], kept.tries)

    def _compare_made(self, project: Project, name: str) -> None:
        expected = self.reference.made.get(name, ())
        if not expected and name not in self.stage.specs:
            return
        shown = project.show(name, history=len(expected) + 1)
        made = list(reversed(shown.history))
        same(len(made), len(expected))
        for found, should in zip(made, expected, strict=True):
            same((found.run, found.started, found.finished), (should.run, should.started, should.finished))
            same((found.unchanged, found.blocked), (should.unchanged, should.blocked))
            same(self._token(found.data_version, should.version), should.version)
            read = {up: each.data_version for up, each in found.inputs.items()}
            same({up: version and self._tokens.get(version, version) for up, version in read.items()}, should.inputs)

    def _token(self, found: str, should: str) -> str:
        """What the reference calls a data version; what is always another one has a name of its own there."""
        if should.startswith("always:") and should not in self._tokens.values():
            assert found.startswith("always:")
            return self._tokens.setdefault(found, should)
        return self._tokens.get(found, found)


def same(found: object, should: object) -> None:
    """What is found is what should be."""
    assert found == should, f"\nfound  {found}\nshould {should}"
