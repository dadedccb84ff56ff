"""What differs between a project as it is here and as it was or is elsewhere, and what that makes of its data.

Reads both states whole, looks at the code of what may differ, and has `planning.comparison` compare. Of the other state
nothing is run and no database is opened. Knows nothing of the terminal.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

from assets_cli import base as bases
from assets_cli import wiring
from assets_cli.base import Elsewhere
from assets_cli.compiled import Asked, make
from assets_cli.graph import AssetGraph
from assets_cli.manifest.load import contents, quote
from assets_cli.manifest.overlays import overlays
from assets_cli.model.difference import Change, Difference, Next, Pairs, Report
from assets_cli.model.history import Component
from assets_cli.model.manifest import DEFAULT_ENVIRONMENT, Asset, Manifest, SqlCommand
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.planning.comparison import Side, compare, match
from assets_cli.probing.code import CodeLook
from assets_cli.probing.declared import Declarations, is_whole, location
from assets_cli.project import Project
from assets_cli.wiring import Wiring

_UNDECLARED, _NO_ENVIRONMENT = "A0134", "A0135"
_SOME = 5
_FEW = 100


class BaseError(AssetsError):
    """What is wrong with the other state: its problems are not of files that are here."""


def diff(
    directory: Path,
    base: str,
    *,
    environment: str = DEFAULT_ENVIRONMENT,
    variables: Mapping[str, str] | None = None,
    state: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Report:
    """How the project that `directory` lies in differs from what it is in `base`, a revision or a folder.

    Raises:
        BaseError: everything that is wrong with that.
        AssetsError: everything that is wrong with the project here, or there is no such base.
    """
    given = variables or {}
    declared = wiring.read(directory, environment=environment, variables=given, state=state, environ=environ)
    parts = Wiring(declared)
    with bases.opened(base, directory, parts.files) as elsewhere:
        comparison = _Comparison(parts, elsewhere)
        comparison.read(given)
        found = comparison.run()
        before = comparison.before
        report = Report(
            base=elsewhere.base,
            project=parts.manifest.project,
            environment=environment,
            before=len(before.assets),
            now=len(parts.manifest.assets),
            difference=found,
            next=None,
            warnings=(*elsewhere.warnings, *comparison.warnings),
        )
    parts.files.save()
    return _with_next(report, parts)


class _Outlines(NamedTuple):
    """The code of one asset on both sides, by bytes alone."""

    earlier: Asset
    asset: Asset
    before: Mapping[str, Component]
    now: Mapping[str, Component]


class _Comparison:
    """One comparison. `warnings` are what could not be compared."""

    before: AssetGraph

    def __init__(self, parts: Wiring, elsewhere: Elsewhere) -> None:
        self.parts = parts
        self.elsewhere = elsewhere
        self.warnings: list[Problem] = []
        self._apart: frozenset[str] = frozenset()

    # -- the other state -------------------------------------------------------------------------------------------

    def read(self, variables: Mapping[str, str]) -> None:
        """Have the graph of the other state; where it has no manifest, one without assets.

        Raises:
            BaseError: everything that is wrong with it.
        """
        there, manifest = self.elsewhere, self.parts.manifest
        if there.file is None:
            bare = manifest._replace(assets={}, connections={}, vars={}, pools={}, default_connection=None)
            self.before = AssetGraph(bare)
            return
        environment, given = manifest.environment, dict(variables)
        for _ in range(2):
            try:
                self._compile(there.file, environment, given)
            except AssetsError as error:
                problems = error.problems
                if {each.code for each in problems} - {_UNDECLARED, _NO_ENVIRONMENT}:
                    raise BaseError(*self._quoted(problems)) from None
                environment, given = self._less(problems, environment, given)
            else:
                return

    def _compile(self, file: str, environment: str, variables: Mapping[str, str]) -> None:
        there = self.elsewhere
        asked = Asked(there.root, file, environment, variables, self.parts.environ)
        found = make(asked, there.files, fetch=there.fetch).found
        self.before = AssetGraph(found.manifest, found.arrangement)

    def _less(
        self, problems: Collection[Problem], environment: str, variables: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """The environment and the variables that the other state has; which it has not is said."""
        label, told = self.elsewhere.base.label, " ".join(each.message for each in problems)
        left = {name: value for name, value in variables.items() if f"'{name[:80]}'" not in told}
        if gone := [name for name in variables if name not in left]:
            message = f"{label} has no variable {', '.join(gone)}: compared without it there"
            self.warnings.append(Problem("A0915", message, "warning"))
        if any(each.code == _NO_ENVIRONMENT for each in problems):
            message = f"{label} has no environment {environment}: compared with what it says without one"
            self.warnings.append(Problem("A0914", message, "warning"))
            environment = DEFAULT_ENVIRONMENT
        return environment, left

    def _quoted(self, problems: Collection[Problem]) -> tuple[Problem, ...]:
        there = self.elsewhere
        for each in problems:
            if each.place is not None and each.excerpt is None:
                there.fetch(each.place.file)
        return there.told(quote(there.root, problems))

    # -- both ------------------------------------------------------------------------------------------------------

    def run(self) -> Difference:
        """What differs."""
        manifest = self.parts.manifest
        pairs = match(self.before, self.parts.graph)
        looks = self._looks()
        outlines = self._outlines(pairs, *looks)
        unseen, apart = self._ignored(pairs, outlines)
        code: tuple[dict[str, Mapping[str, Component]], dict[str, Mapping[str, Component]]] = ({}, {})
        for earlier, asset, before, now in outlines:
            now = {name: each for name, each in now.items() if name not in unseen or name in before}  # noqa: PLW2901
            if before == now:
                continue
            shared = {name: each for name, each in now.items() if before.get(name) == each}
            there = looks[1].examine(asset, shared).components if asset.command else {}
            code[0][earlier.name] = looks[0].examine(earlier, shared).components if earlier.command else {}
            code[1][asset.name] = {name: each for name, each in there.items() if name in now}
        overlaid = self._overlays()
        sides = (
            Side(self.before, code[0], overlaid[0], _locations(self.before.manifest, manifest.root)),
            Side(self.parts.graph, code[1], overlaid[1], _locations(manifest, manifest.root)),
        )
        if pairs.added and pairs.removed:
            few = len(pairs.added) + len(pairs.removed) <= _FEW  # a parser for each text takes its time
            code[0].update(
                (name, _whole(looks[0], self.before.assets[name], normalising=few)) for name in pairs.removed
            )
            code[1].update((name, _whole(looks[1], manifest.assets[name], normalising=few)) for name in pairs.added)
        found = compare(*sides, pairs, (), apart)
        return self._shown(self._with_columns(self._by_variables(found), pairs))

    def _looks(self) -> tuple[CodeLook, CodeLook]:
        manifest, files = self.parts.manifest, self.parts.files
        # Seen from the same root: a connection inside the project leads to the same place in both.
        declared = Declarations(self.before.manifest, files.root)
        before = CodeLook(self.before.manifest, self.elsewhere.files, declared)
        return before, CodeLook(manifest, files, self.parts.probes.declared)

    def _outlines(self, pairs: Pairs, before: CodeLook, now: CodeLook) -> list[_Outlines]:
        """The code of the assets that may differ; of most it is plain that they do not."""
        old, new = self.before.manifest, self.parts.manifest
        alike = old.connections == new.connections and old.default_connection == new.default_connection
        filled = old.vars == new.vars
        found: list[_Outlines] = []
        for earlier, asset in pairs.common.values():
            if earlier.command is None and asset.command is None:
                continue
            if alike and _declares(earlier) == _declares(asset) and self._is_all_told(asset, now, filled=filled):
                continue
            then = before.outline(earlier).components if earlier.command else {}
            there = now.outline(asset) if asset.command else None
            components = there.components if there else {}
            if then != components:
                self.warnings += (problem._replace(severity="warning") for problem in (there.problems if there else ()))
                found.append(_Outlines(earlier, asset, then, components))
        return found

    def _is_all_told(self, asset: Asset, now: CodeLook, *, filled: bool) -> bool:
        """Whether what is declared is plainly all that counts; a SQL file is, that git knows to be as it was.

        `filled`: its variables have the same values.
        """
        command = asset.command
        if isinstance(command, SqlCommand) and not asset.code and asset.code_version is None:
            if command.path is None:
                return True  # what is written there is filled in already
            checkout = self.elsewhere.checkout
            return filled and checkout is not None and checkout.is_same(normpath(command.path))
        return is_whole(now.declared.text(asset))

    def _ignored(self, pairs: Pairs, outlines: list[_Outlines]) -> tuple[frozenset[str], frozenset[str]]:
        """The files that a revision cannot have, since git ignores them, or nobody has their submodule; and assets."""
        checkout, repository = self.elsewhere.checkout, self.elsewhere.repository
        if checkout is None or repository is None:
            return frozenset(), frozenset()
        names = {name for each in outlines for name in each.now.keys() - each.before.keys()}
        assets = self.parts.manifest.assets
        files = {assets[name].place.file for name in pairs.added}
        asked = {name.removeprefix("./") for name in names} | files
        ignored = repository.ignored(
            [name for name in sorted(asked) if name not in checkout.paths and not name.startswith("/")]
        )
        if ignored:
            some = ", ".join(sorted(ignored)[:_SOME]) + (
                f" and {len(ignored) - _SOME:,} more" if len(ignored) > _SOME else ""
            )
            message = f"git ignores {some}: what nobody commits was not compared"
            self.warnings.append(Problem("A0916", message, "warning"))
        beyond = tuple(f"{missing.path}/" for missing in checkout.missing)
        unseen = {name for name in names if name.removeprefix("./") in ignored or (beyond and name.startswith(beyond))}
        return frozenset(unseen), frozenset(name for name in pairs.added if assets[name].place.file in ignored)

    def _overlays(self) -> tuple[Mapping[str, object], Mapping[str, object]]:
        """The environments as both root files write them; nothing where these are the same."""
        there, file = self.elsewhere, self.parts.manifest.file
        now = contents(os.path.join(self.parts.manifest.root, file))  # noqa: PTH118 - a string
        if there.file is None:
            return {}, overlays(now, file)
        before = contents(os.path.join(there.root, there.file))  # noqa: PTH118 - as above
        return ({}, {}) if before == now else (overlays(before, there.file), overlays(now, file))

    def _by_variables(self, found: Difference) -> Difference:
        """With the SQL files that are the same to the byte, and differ by the variables that are filled in."""
        if self.before.manifest.vars == self.parts.manifest.vars:
            return found

        def told(change: Change) -> Change:
            if change.part != "code" or change.sort != "changed" or not change.name.endswith(".sql"):
                return change
            path = change.name.removeprefix("./")
            try:
                same = self.parts.files.digest(path) == self.elsewhere.files.digest(path)
            except OSError:
                return change
            return change._replace(note="by its variables") if same else change

        return found._replace(
            assets=tuple(each._replace(changes=tuple(map(told, each.changes))) for each in found.assets)
        )

    def _with_columns(self, found: Difference, pairs: Pairs) -> Difference:
        """With the columns that go away."""
        changed = [
            each.name
            for each in found.assets
            if each.name in pairs.common and any(_gives(change.part, change.name) for change in each.changes)
        ]
        declared = any(change.part == "columns" for each in found.assets for change in each.changes)
        if not changed and not declared:
            return found
        from assets_cli.inference.removed_columns import (  # only a change of code needs it
            ColumnViews,
            NearColumns,
            removed_columns,
        )

        parts, there = self.parts, self.elsewhere

        def before(*, expressions: bool) -> NearColumns:
            return NearColumns(self.before, parts.environ, there.files, {}, expressions=expressions)

        now = NearColumns(parts.graph, parts.environ, parts.files, {}, expressions=False)
        seen = removed_columns(pairs, changed, ColumnViews(before(expressions=False), now, before(expressions=True)))
        if not seen.complete:
            message = "more columns may go away: only the first thousand texts, and what is below them, were followed"
            self.warnings.append(Problem("A0917", message, "warning"))
        return found._replace(columns=seen.columns)

    def _shown(self, found: Difference) -> Difference:
        """Without secrets, of either state."""
        if not found.settings and not any(each.changes for each in found.assets):
            return found
        from assets_cli.model.secrets import mask  # only what is shown needs them
        from assets_cli.probing.secrets import secrets_of  # as above

        before = secrets_of(self.before.manifest, self.parts.environ, self.elsewhere.files)
        hidden = tuple(sorted({*before, *self.parts.secrets}, key=lambda text: (-len(text), text)))

        def masked(changes: tuple[Change, ...]) -> tuple[Change, ...]:
            return tuple(each._replace(old=mask(each.old, hidden), new=mask(each.new, hidden)) for each in changes)

        assets = tuple(each._replace(changes=masked(each.changes)) for each in found.assets)
        return found._replace(assets=assets, settings=masked(found.settings))


def _declares(asset: Asset) -> tuple[object, ...]:
    """What the manifest says of an asset's code."""
    return asset.command, asset.code, asset.code_version, asset.env, asset.output


def _whole(look: CodeLook, asset: Asset, *, normalising: bool) -> Mapping[str, Component]:
    """The code of an asset that only one side has."""
    return look.examine(asset, {}, normalising=normalising).components if asset.command else {}


def _gives(part: str, component: str) -> bool:
    """Whether a change may be one of what the SQL of an asset gives."""
    return part == "upstreams" or (part == "code" and component not in ("connection", "env", "compute"))


def _locations(manifest: Manifest, root: str) -> dict[str, str]:
    return {name: location(each, root) for name, each in manifest.connections.items()}


def _with_next(report: Report, parts: Wiring) -> Report:
    """With what the next run would do, where there is a history that can say it."""
    if not parts.state.exists():
        return report
    try:
        plan = Project(parts).plan(observe=False)
    except AssetsError as error:
        first = error.problems[0]
        message = f"what would run next is not known: {first.message}"
        return report._replace(warnings=(*report.warnings, first._replace(message=message, severity="warning")))
    steps = {step.asset for step in plan.steps}
    return report._replace(
        next=Next(
            steps=len(plan.steps),
            tentative=sum(step.is_tentative for step in plan.steps),
            own=tuple(name for name in report.difference.stale if name in steps),
            estimated=plan.estimated,
            jobs=plan.jobs,
        )
    )
