"""Evaluates the policies of a project: who each is about, what it finds, what is excepted, and all that as problems.

What functions of the project say is asked of whoever is handed in: nothing is run here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from assets_cli.graph import AssetGraph
from assets_cli.graph.selection import select
from assets_cli.model.manifest import Policy, Spot
from assets_cli.model.matching import Matches, matcher
from assets_cli.model.patterns import PatternError
from assets_cli.model.problem import AssetsError, Place, Problem, Related, Suppressed
from assets_cli.policies.columns import MATCH, NAMES
from assets_cli.policies.finding import Finding, Known, listed
from assets_cli.policies.rules import Prepared, rules_of

_NAMES_NOTHING: Final = "A0402"
_MOST: Final = 3
_Keys = tuple[str | int, ...]


class Scope(NamedTuple):
    """A policy that can be evaluated: the assets that it is about, in the manifest's order, and those excepted."""

    prepared: Prepared
    names: tuple[str, ...]
    excepted: frozenset[str] = frozenset()

    @property
    def policy(self) -> Policy:
        """The policy itself."""
        return self.prepared.policy


class FunctionAnswer(NamedTuple):
    """What the function of a policy said: its findings, and what is wrong with the function itself.

    One that is not `complete` was not asked about every asset.
    """

    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    complete: bool = True


Ask = Callable[[Sequence[Scope]], Mapping[int, FunctionAnswer]]
"""Asks the functions of these policies; the answers by the policies' positions."""


class PolicyFindings(NamedTuple):
    """What was found, and what was found of assets that are excepted."""

    problems: tuple[Problem, ...] = ()
    excepted: tuple[Suppressed, ...] = ()


def evaluate(
    graph: AssetGraph, known: Known | None = None, ask: Ask | None = None, *, whole: bool = True
) -> PolicyFindings:
    """Everything in which the assets of a graph do not keep to its manifest's policies, policy by policy.

    Args:
        graph: with assets left out it is not `whole`: then a selection may well name nothing.
        known: the columns that SQL gives; without it nothing is asked of columns.
        ask: asks functions of the project; without it none is asked.
        whole: see above.
    """
    scopes: list[Scope] = []
    problems: list[Problem] = []
    for policy in graph.manifest.policies:
        wrong: list[Problem] = []
        scope = _scope(policy, graph, wrong)
        problems += (each for each in wrong if whole or each.code != _NAMES_NOTHING)
        if scope is not None:
            scopes.append(scope)
    problems += _named_twice(graph)
    asked = [scope for scope in scopes if scope.policy.python is not None]
    answers = ask(asked) if ask is not None and asked else {}
    excepted: list[Suppressed] = []
    for scope in scopes:
        answer = answers.get(scope.policy.position, FunctionAnswer(complete=scope.policy.python is None))
        problems += answer.problems
        complete = whole and answer.complete and (known is not None or scope.policy.columns is None)
        findings = [*_findings(scope, graph, known), *answer.findings]
        kept, suppressed = _put(scope, findings, graph)
        problems += kept
        excepted += suppressed
        if complete:
            problems += _not_needed(scope, findings, graph)
    return PolicyFindings(tuple(problems), tuple(excepted))


def _findings(scope: Scope, graph: AssetGraph, known: Known | None) -> Iterator[Finding]:
    assets = [graph.assets[name] for name in scope.names]
    for rule in rules_of(scope.prepared, graph, known):
        yield from rule(assets)


# -- what a policy means ---------------------------------------------------------------------------------------------


def _scope(policy: Policy, graph: AssetGraph, wrong: list[Problem]) -> Scope | None:
    """What a policy is about; None where that cannot be known. What is wrong with the policy itself is added."""
    columns = policy.columns
    if columns is not None and not (columns.tags or columns.names or columns.require):
        hint = "write `tags`, `names` or `require` beside `match`"
        wrong.append(_mistake(policy, graph, ("columns",), "nothing is asked of these columns", hint))
    asks = (policy.require, policy.forbid, policy.names, policy.allowed, policy.upstreams, columns, policy.python)
    if not any(asks):
        hint = "write one of require, forbid, names, allowed, upstreams, columns and python"
        wrong.append(_mistake(policy, graph, ("name",), "it asks for nothing", hint))
    patterns = dict(_patterns(policy, graph, wrong))
    named = _selected(policy, "select", policy.select, graph, wrong) if policy.select is not None else graph.assets
    excepted = _selected(policy, "except", policy.excepted, graph, wrong) if policy.excepted is not None else ()
    readable = None
    if policy.upstreams is not None:
        readable = _selected(policy, "upstreams", policy.upstreams, graph, wrong)
    if named is None or excepted is None:
        return None
    names = (
        tuple([name for name in graph.assets if name in named]) if policy.select is not None else tuple(graph.assets)
    )
    return Scope(Prepared(policy, patterns, readable), names, frozenset(excepted))


def _selected(
    policy: Policy,
    key: Literal["select", "except", "upstreams"],
    written: str | None,
    graph: AssetGraph,
    wrong: list[Problem],
) -> frozenset[str] | None:
    """What a selection in a policy names; None where it has a problem, which has its place in the manifest."""
    try:
        return select([written or ""], graph)
    except AssetsError as error:
        for problem in error.problems:
            spot = (Spot(problem.place.line, problem.place.column),) if problem.place is not None else ()
            place = graph.manifest.locate("", "policies", policy.position, key, *spot)
            message = f"policy '{policy.name}': {key}: {problem.message}"
            wrong.append(problem._replace(message=message, place=place, excerpt=None))
        return None


def _patterns(policy: Policy, graph: AssetGraph, wrong: list[Problem]) -> Iterator[tuple[str, Matches]]:
    columns = policy.columns
    written: list[tuple[str, str | None]] = [("names", policy.names)]
    if columns is not None:
        written += [(MATCH, columns.match), (NAMES, columns.names)]
    for name, pattern in written:
        keys = tuple(name.split("."))
        if pattern is None:
            continue
        if name != MATCH and not (pattern.startswith("^") or pattern.endswith("$")):
            hint = f"write ^{pattern}$ for the whole name"
            wrong.append(_mistake(policy, graph, keys, "without ^ or $ a pattern is found anywhere in a name", hint))
            continue
        try:
            yield name, matcher(pattern, any_case=name == MATCH)
        except PatternError as error:
            message = f"{error} (character {error.position + 1} of the pattern)"
            hint = error.hint or "write it as a function, under `python`"
            wrong.append(_mistake(policy, graph, keys, message, hint))


def _named_twice(graph: AssetGraph) -> Iterator[Problem]:
    first: dict[str, Policy] = {}
    for policy in graph.manifest.policies:
        other = first.setdefault(policy.name, policy)
        if other is not policy:
            hint = "give one of the two another name"
            problem = _mistake(policy, graph, ("name",), "this name is taken", hint)
            yield problem._replace(related=(Related(other.place, "first defined here"),))


def _mistake(policy: Policy, graph: AssetGraph, keys: _Keys, message: str, hint: str) -> Problem:
    place = graph.manifest.locate("", "policies", policy.position, *keys)
    return Problem("A0708", f"policy '{policy.name}': {message}", place=place, hint=hint)


# -- what is said ----------------------------------------------------------------------------------------------------


def _put(scope: Scope, findings: Sequence[Finding], graph: AssetGraph) -> tuple[list[Problem], list[Suppressed]]:
    """The findings as problems; what several assets have from one place, as `defaults`, is one of them."""
    alike: dict[tuple[bool, str, str, Place], list[Finding]] = {}
    for finding in findings:
        is_excepted = finding.asset in scope.excepted
        alike.setdefault((is_excepted, finding.code, finding.message, finding.place), []).append(finding)
    kept: list[Problem] = []
    excepted: list[Suppressed] = []
    for (is_excepted, *_), found in alike.items():
        problem = _problem(scope.policy, list(dict.fromkeys(each.asset for each in found)), found[0])
        if is_excepted:
            place = graph.manifest.locate("", "policies", scope.policy.position, "except")
            excepted.append(Suppressed(problem, place, excepted=True))
        else:
            kept.append(problem)
    return kept, excepted


def _problem(policy: Policy, assets: Sequence[str], finding: Finding) -> Problem:
    others = f" and {len(assets) - 1:,} more" if len(assets) > 1 else ""
    said = f"policy '{policy.name}'" + (f": {policy.description}" if policy.description else "")
    return Problem(
        finding.code,
        f"asset '{assets[0]}'{others}: {finding.message} (policy '{policy.name}')",
        policy.severity,
        finding.place,
        hint=finding.hint,
        related=(Related(policy.place, said),),
        asset=assets[0] if len(assets) == 1 else None,
    )


def _not_needed(scope: Scope, findings: Sequence[Finding], graph: AssetGraph) -> Iterator[Problem]:
    """A warning of assets that are excepted and of which nothing would be found."""
    if not scope.excepted:
        return
    found = {finding.asset for finding in findings}
    rest = [name for name in graph.assets if name in scope.excepted and name not in found]
    if rest:
        what = f"{'assets' if len(rest) > 1 else 'asset'} {listed(rest, most=_MOST)}"
        place = graph.manifest.locate("", "policies", scope.policy.position, "except")
        message = f"policy '{scope.policy.name}': {what} {'need' if len(rest) > 1 else 'needs'} no exception any more"
        hint = "take it out of `except`, so that it stays as it is" if len(rest) == 1 else "take them out of `except`"
        yield Problem("A0710", message, "warning", place, hint=hint)
