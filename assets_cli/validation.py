"""Everything that can be wrong without running anything, all at once: manifest, graph, code, variables, environments.

Gathers what the floors below find, and lets the project's rules judge it; finds nothing itself. Knows nothing of the
terminal, writes no state.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from assets_cli import manifest as manifests
from assets_cli.graph import AssetGraph
from assets_cli.inference import column_findings, doubts, infer, read_columns
from assets_cli.manifest import dotenv
from assets_cli.manifest.audit import UNDECLARED, audit, identity, within
from assets_cli.manifest.load import Whole, load_whole
from assets_cli.manifest.rules import judge
from assets_cli.model.manifest import Manifest
from assets_cli.model.problem import AssetsError, Place, Problem, Related, Suppressed
from assets_cli.planning import freshness, unkeepable
from assets_cli.probing.files import FileDigests
from assets_cli.probing.findings import findings

if TYPE_CHECKING:
    from assets_cli.inference.catalog import Columns


class Validation(NamedTuple):
    """Everything that is wrong or doubtful, and how much was looked at.

    `suppressed` is what the project turned off by `rules:`, or excepts from a policy, and would be among the problems
    otherwise. `left_out` are the policies whose functions were not asked.
    """

    problems: tuple[Problem, ...]
    assets: int
    files: int
    suppressed: tuple[Suppressed, ...] = ()
    policies: int = 0
    left_out: tuple[str, ...] = ()


def validate(
    directory: Path,
    *,
    environment: str = "default",
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
    python: bool = True,
) -> Validation:
    """Everything that can be wrong without running anything, all at once.

    But for functions of the project that policies name: with `python` they are called, in a process of their own.

    Raises:
        AssetsError: there is no manifest to validate.
    """
    path = manifests.find(directory)
    loaded = load_whole(path, environment=environment, variables=variables or {})
    manifest = loaded.manifest
    if manifest is None:
        return Validation(loaded.problems, 0, 0)
    file = dotenv.read(manifest.root)
    looking = _Looking(manifest, file.under(environ), python=python)
    looking.add(loaded, loaded.problems)
    audited = audit(path, loaded, environment=environment, variables=variables or {})
    looking.add(loaded, audited.problems)
    for name, each in audited.loads.items():
        looking.look(each, None if name == environment else name)
    looking.add(loaded, looking.unused(audited.loads))
    # Lines of .env are not quoted: they hold secrets.
    problems = (*file.problems, *manifests.quote(manifest.root, looking.problems))
    suppressed = _quoted(manifest.root, looking.suppressed)
    left_out = () if python else tuple(policy.name for policy in manifest.policies if policy.python is not None)
    sizes = (len(manifest.assets), len(manifest.files))
    return Validation(problems, *sizes, suppressed, len(manifest.policies), left_out)


class _Looking:
    """What was found so far, in one environment after the other, and what all of them share."""

    def __init__(self, manifest: Manifest, environ: Mapping[str, str], *, python: bool) -> None:
        self.problems: list[Problem] = []
        self.suppressed: list[Suppressed] = []
        self._environ = environ
        self._python = python
        self._files = FileDigests(manifest.root, time.time_ns)
        self._seen: set[tuple[object, ...]] = set()
        self._code: set[str] = set()

    def add(self, loaded: Whole, problems: Iterable[Problem]) -> None:
        """Add what was found, as the rules have it that hold where it was found."""
        judged = judge(problems, loaded.rules)
        self.problems += judged.problems
        self.suppressed += judged.suppressed

    def look(self, loaded: Whole, environment: str | None) -> None:
        """Look at what a manifest names; of further environments only what the ones before did not have is told."""
        if loaded.manifest is None:
            return
        fresh = []
        for problem in self._found(loaded, loaded.manifest, is_first=environment is None):
            key = identity(problem)
            if key not in self._seen:
                self._seen.add(key)
                fresh.append(problem if environment is None else within(environment, problem))
        self.add(loaded, fresh)

    def _found(self, loaded: Whole, manifest: Manifest, *, is_first: bool) -> list[Problem]:
        environ, files = self._environ, self._files
        completed, clashes, _ = infer(manifest, environ, files)
        found = list(clashes)
        whole = _is_whole(loaded)
        try:
            graph = AssetGraph(completed)
        except AssetsError as error:
            return [*found, *error.problems]  # what is wrong with a graph that is none cannot be asked for
        examined = findings(graph, environ, files)
        self._code |= examined.code
        found += examined.problems
        found += doubts(completed, environ, files, whole=whole)
        if manifest.alerts:
            from assets_cli.probing.alert_findings import alert_findings  # few projects tell anybody
            from assets_cli.running.delivering import unknown  # as above

            found += alert_findings(graph, environ, unknown, whole=whole)
        columns = read_columns(graph, environ, files) if is_first and (whole or manifest.policies) else None
        if whole:  # of a graph with assets left out this would not be true
            found += column_findings(graph, columns) if columns is not None else ()
            found += _never_refreshed(graph)
            found += _never_kept(graph)
        if manifest.policies:
            found += self._policy_findings(graph, columns, whole=whole)
        return found

    def _policy_findings(self, graph: AssetGraph, columns: Columns | None, *, whole: bool) -> tuple[Problem, ...]:
        """What policies find; of further environments what they find without columns and functions."""
        from assets_cli.policies.evaluate import evaluate  # few projects have policies

        if columns is None:
            return evaluate(graph, whole=whole).problems

        def known(name: str) -> tuple[str, ...]:
            return () if columns.reading(name) is None else columns.known(name)[0]

        if any(policy.python is not None for policy in graph.manifest.policies):
            from assets_cli.running.policy_functions import Asking, evaluate_with_functions  # only what runs needs it

            found = evaluate_with_functions(graph, known, Asking(self._environ, self._files, self._python), whole=whole)
        else:
            found = evaluate(graph, known, whole=whole)
        self.suppressed += found.excepted
        return found.problems

    def unused(self, loads: Mapping[str, Whole]) -> list[Problem]:
        """The variables that nothing uses in any environment; with an error nobody knows."""
        places: dict[str, dict[Place, str]] = {}
        used: set[str] = set()
        for environment, loaded in loads.items():
            if loaded.variables is None or not _is_whole(loaded):
                return []
            used |= loaded.variables.used
            for name, place in loaded.variables.declared().items():
                places.setdefault(name, {}).setdefault(place, environment)
        dead = places.keys() - used
        if dead:
            from assets_cli.probing.variables import used as used_in_code  # few projects have one that seems dead

            for loaded in loads.values():
                if loaded.manifest is not None:
                    dead -= used_in_code(dead, loaded.manifest, self._code, self._files)
        return [_unused(name, places[name]) for name in places if name in dead]


def _is_whole(loaded: Whole) -> bool:
    """Whether nothing was left out; what another environment does not declare leaves nothing out."""
    return all(problem.severity == "warning" or problem.code == UNDECLARED for problem in loaded.problems)


def _quoted(root: str, suppressed: Iterable[Suppressed]) -> tuple[Suppressed, ...]:
    kept = tuple(suppressed)
    quoted = manifests.quote(root, [each.problem for each in kept])
    return tuple(each._replace(problem=problem) for each, problem in zip(kept, quoted, strict=True))


def _unused(name: str, places: Mapping[Place, str]) -> Problem:
    first, *others = places
    return Problem(
        "A0173",
        f"variable '{name}' is used nowhere",
        severity="warning",
        place=first,
        hint=f"remove it, or write ${{vars.{name}}} where it is meant",
        related=tuple(Related(place, f"environment '{places[place]}' sets it here") for place in others),
    )


def _never_refreshed(graph: AssetGraph) -> list[Problem]:
    return [
        Problem(
            "A0210",
            f"asset {name!r}: nothing will refresh it: no freshness policy on it or below",
            severity="warning",
            place=graph.manifest.locate(name, "name"),
            hint="give it, or an asset below it, freshness: {max_lag: 24h}",
            asset=name,
        )
        for name in freshness.never_refreshed(graph)
    ]


def _never_kept(graph: AssetGraph) -> list[Problem]:
    """Promises that external assets above do not carry, and those of which nobody will know."""
    return [
        *(_uncarried(graph, asset, external) for asset, external in unkeepable.uncarried(graph)),
        *(_unknowable(graph, external, asset) for external, asset in unkeepable.unknowable(graph)),
    ]


def _uncarried(graph: AssetGraph, asset: str, external: str) -> Problem:
    own, theirs = _promised(graph, asset), _promised(graph, external)
    locate = graph.manifest.locate
    return Problem(
        "A0217",
        f"asset '{asset}' promises data no older than {own}, and external asset '{external}' above it only {theirs}",
        severity="warning",
        place=locate(asset, "freshness", "max_lag"),
        hint=f"promise {theirs} or more, or agree on {own} with those who produce '{external}'",
        related=(Related(locate(external, "freshness", "max_lag"), f"what '{external}' promises"),),
        asset=asset,
    )


def _unknowable(graph: AssetGraph, external: str, asset: str) -> Problem:
    locate, promised = graph.manifest.locate, _promised(graph, asset)
    known = f"how old the data of '{asset}' is, which promises {promised}"
    if asset == external:
        known = f"how old its data is, and it promises {promised}"
    return Problem(
        "A0218",
        f"external asset '{external}' is never observed, so nobody knows {known}",
        severity="warning",
        place=locate(external, "name"),
        hint="say how to look at it: observe: {path: …}, or sql, http, shell",
        related=(Related(locate(asset, "freshness"), "the promise"),),
        asset=external,
    )


def _promised(graph: AssetGraph, name: str) -> str:
    policy = graph.assets[name].freshness
    return policy.text if policy is not None else ""
