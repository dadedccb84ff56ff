"""Tells people what is wrong, and when it is over: looks at how things are and puts messages on record.

What is told is decided by `planning.alerting`, from what is on record and not from what happened in some run: so
nothing is missed when a process dies, and nothing told twice. Nothing here fails a run: what goes wrong is a warning.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from assets_cli.graph.graph import AssetGraph
from assets_cli.graph.selection import select
from assets_cli.model.alerts import Condition, Delivery, Family, Told
from assets_cli.model.answers import Verdict
from assets_cli.model.duration import SECOND
from assets_cli.model.history import CheckResult, Observation, StateSnapshot
from assets_cli.model.manifest import AlertRoute
from assets_cli.model.memory import collector_paused
from assets_cli.model.plan import Deadline
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.secrets import mask
from assets_cli.model.template import UnknownVariableError, fill_environment
from assets_cli.model.world import World
from assets_cli.planning import alert_texts, freshness
from assets_cli.planning.alerting import Decision, Situation, decide
from assets_cli.planning.deadlines import from_history
from assets_cli.planning.freshness import FreshnessView
from assets_cli.planning.risk import hopeless
from assets_cli.running import delivery_process
from assets_cli.running.delivering import DAY, TIMEOUT, Around, Target, attempt, is_due, is_lost
from assets_cli.state import alerts as records

_DELIVERY = (sys.executable, "-P", "-m", "assets_cli.running.delivery_process")
_FAILURES: Final = ("failed", "timed_out", "crashed")
_RECENT: Final = 600 * SECOND
"""What was observed longer ago than this, before a long run, is not how things are."""

_PATIENCE: Final = 2 * TIMEOUT
_MOMENT: Final = 0.2
"""Seconds for which somebody else's tries are waited for, and between two looks at them."""
_ONE_TRY: Final = 10 * SECOND
"""How long whoever delivers is left alone."""

_HOLDERS: Final = 200
"""How many of those who hold a promise back are looked at."""

_HOW: Final = {
    "external": "external",
    "root": "due to run",
    "behind": "has newer data to read",
    "missing": "never materialized",
    "blocked": "blocked by a check",
}
_started: list[subprocess.Popen[bytes]] = []
"""The deliveries that this process has started, so that none stays a zombie of a long-lived one."""


class Parts(NamedTuple):
    """What alerts of a project need. `secrets` is asked for when something is to be written or delivered.

    `observe` gives what external assets hold now, by their names: all of them, against what is on record; without that
    those that this process has looked at last, be it on record or not.
    """

    graph: AssetGraph
    state: Path
    environ: Mapping[str, str]
    secrets: Callable[[], tuple[str, ...]]
    observe: Callable[[StateSnapshot | None], Mapping[str, Observation]]
    clock: Callable[[], int]


class Outcome(NamedTuple):
    """What became of telling: the titles of the messages that were put on record, by route, and what went wrong.

    `next_moment` is when something that is held back can be told, or something that could not be delivered is to be
    tried again; None where nothing is.
    """

    titles: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()
    next_moment: int | None = None


class Alerts:
    """The alerts of one project in one environment.

    Whoever changes history, or watches time go by, calls `tell`, which never raises; that is all there is to it.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._manifest = parts.graph.manifest
        self._environment = parts.graph.manifest.environment

    def __bool__(self) -> bool:
        """Whether anybody is to be told anything."""
        return bool(self._manifest.alerts)

    # -- telling -----------------------------------------------------------------------------------------------------

    def tell(
        self,
        seen: FreshnessView | None = None,
        until: Mapping[str, Deadline] | None = None,
        *,
        look: bool = False,
        dispatch: bool = True,
    ) -> Outcome:
        """Put on record what there is to tell, and have it delivered by a process of its own. Never raises.

        Call it after whatever changes history, and when `Outcome.next_moment` or a deadline has come.

        Args:
            seen: how old the data is now, for who has looked a moment ago: external assets are as it has them. By
                default the state is read, and external assets are as this process, or another one in the last minutes,
                has looked at them; of promises that rest on others it is not known how they are, and nothing is told.
            until: when something has to start for each promise, by asset, for who has it started by then: one that
                cannot be met is at risk. By default it is worked out here, and nobody has anything started.
            look: look at all external assets first.
            dispatch: False for whoever delivers by themselves.
        """
        if not self or not self._parts.state.exists():
            return Outcome()
        try:
            with collector_paused():
                outcome = self._tell(seen, until, look=look)
            if dispatch:
                self.dispatch()
                outcome = outcome._replace(next_moment=_earliest(outcome.next_moment, self._next_try()))
        except AssetsError as error:
            return Outcome(problems=tuple(map(_warning, error.problems)))
        except Exception as error:  # noqa: BLE001 - alerts must never fail what they are told of
            message = f"no alerts were sent: {type(error).__name__}: {error}"
            return Outcome(problems=(Problem("A0726", str(self._hide(message)), "warning"),))
        return outcome

    def tell_apart(self) -> tuple[Problem, ...]:
        """The same for the end of a command in a large project, which is not to wait: a child does it all.

        What there is to say of routes is said here; what else goes wrong there is left to whoever tells next. Only for
        a process that has ended all else that it did: what it holds in memory is the child's, too.
        """
        if not self or not self._parts.state.exists():
            return ()
        try:
            child = os.fork()
        except OSError:
            return self.tell().problems
        if child:
            problems: list[Problem] = []
            for _ in self._concerns(problems):
                pass
            return tuple(problems)
        try:
            os.setsid()
            # Who reads what the command prints waits for its end, and not for ours.
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in range(3):
                os.dup2(nothing, number)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            self.tell()
        finally:
            os._exit(0)

    def dispatch(self, *, later: bool = False) -> None:
        """Start a process that delivers what is due, or what will be `later`, if anything is; returns at once.

        Raises:
            AssetsError: the state file cannot be read.
        """
        _started[:] = [each for each in _started if each.poll() is None]
        now = self._parts.clock()
        routes = {route.name for route in self._manifest.alerts}
        waiting = [each for each in self.waiting() if each.route in routes or is_lost(each, now)]
        if not any(later or is_due(each, now) for each in waiting):
            return
        asked = {
            "state": os.path.realpath(self._parts.state),
            "environment": self._environment,
            "targets": self._targets(),
            "root": self._manifest.root,
            "secrets": self._parts.secrets(),
        }
        process = subprocess.Popen(
            _DELIVERY,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(self._parts.environ),
            cwd=self._manifest.root,
            start_new_session=True,
        )
        _started.append(process)
        assert process.stdin is not None  # noqa: S101 - for mypy: it is a pipe
        with process.stdin:
            process.stdin.write(json.dumps(asked).encode())

    def deliver(self) -> None:
        """Try all that waits, here and now; what fails is left to a process of its own.

        Raises:
            AssetsError: the state file cannot be written.
        """
        if not self.waiting():
            return
        clock, until = self._parts.clock, time.monotonic() + _PATIENCE
        with records.open_alerts(self._parts.state, hide=self._hide) as store:
            store.hurry(self._environment, clock())
        while not delivery_process.work(self._parts.state, self._environment, self._targets(), self._around(), 0):
            # Somebody else is at it, who sees that what waits is due.
            if time.monotonic() > until or not any(is_due(each, clock()) for each in self.waiting()):
                break
            time.sleep(_MOMENT)
        self.dispatch(later=True)

    def test(self, route: str) -> list[str | None]:
        """Send a message that is none to each target of a route: None, or why it could not be sent.

        Raises:
            AssetsError: there is no such route (A0725).
        """
        found = next((each for each in self._manifest.alerts if each.name == route), None)
        if found is None:
            known = ", ".join(each.name for each in self._manifest.alerts)
            hint = f"routes: {known}" if known else 'declare one: alerts: {data-team: {to: "${env.SLACK_URL}"}}'
            raise AssetsError(Problem("A0725", f"no alert route is named {route!r}", hint=hint))
        scene = self._scene({})
        message = alert_texts.trial(route, self._parts.clock())
        document = {**alert_texts.document(message._replace(title=f"[{scene.place}] {message.title}"), scene), "id": 0}
        return [attempt(target, document, self._around()) for target in self._targets_of(found)]

    # -- what is on record -------------------------------------------------------------------------------------------

    def open(self) -> list[Told]:
        """What was told and is not over, as it is on record."""
        return [each for each in records.told_at(self._parts.state, self._environment) if each.resolved is None]

    def recent(self, limit: int) -> list[Delivery]:
        """The newest messages, newest first."""
        return records.recent(self._parts.state, self._environment, limit)

    def waiting(self) -> list[Delivery]:
        """What is yet to be delivered, the oldest first."""
        return records.waiting_at(self._parts.state, self._environment)

    def trouble(self) -> Problem | None:
        """What could not be delivered, as a warning; never raises."""
        if not self or not self._parts.state.exists():
            return None
        try:
            since = self._parts.clock() - 2 * DAY
            found = records.troubled(self._parts.state, self._environment, since)
        except AssetsError:
            return None  # whoever reads the state file says what is wrong with it
        if not found:
            return None
        last = found[-1]
        several = f"{len(found):,} alerts were" if len(found) > 1 else "an alert was"
        message = f"{several} not delivered: {last.route}: {last.error or 'no reason is known'}"
        return Problem("A0724", message, "warning", hint=f"see: {self._scene({}).command('alerts')}")

    def _next_try(self) -> int | None:
        """When to see again whether what waits was delivered: once it is due, and whoever tries it now had time to."""
        routes = {route.name for route in self._manifest.alerts}
        moments = [each.next_try or 0 for each in self.waiting() if each.route in routes]
        return max(min(moments), self._parts.clock() + _ONE_TRY) if moments else None

    # -- how things are ----------------------------------------------------------------------------------------------

    def _tell(self, seen: FreshnessView | None, until: Mapping[str, Deadline] | None, *, look: bool) -> Outcome:
        problems: list[Problem] = []
        concerns = dict(self._concerns(problems))
        seen = seen or self._seen(look=look)
        looking = _Look(self._parts.graph, seen.now, seen.world.observations, until)
        facts = records.facts_at(self._parts.state, self._environment, looking.checks())
        before = records.told_at(self._parts.state, self._environment)
        decision = decide(before, looking.situation(seen, facts), self._manifest.alerts, concerns)
        if not decision.messages and list(decision.told) == before:
            return Outcome((), tuple(problems), decision.next_moment)
        with records.open_alerts(self._parts.state, hide=self._hide) as store, store.transaction():
            # Somebody else may have told it meanwhile: what counts is what is on record inside the transaction.
            seen = looking.view(store.snapshot(self._environment))
            facts = store.facts(self._environment, looking.checks())
            situation = looking.situation(seen, facts)
            decision = decide(store.told(self._environment), situation, self._manifest.alerts, concerns)
            titles = self._record(store, decision, looking.holders)
        return Outcome(titles, tuple(problems), decision.next_moment)

    def _seen(self, *, look: bool) -> FreshnessView:
        from assets_cli.state.store import open_reader  # only who has alerts needs it

        snapshot = open_reader(self._parts.state).snapshot(self._environment)
        seen = self._parts.observe(snapshot if look else None)
        now = self._parts.clock()
        if not look:
            seen = {**snapshot.observations, **seen}  # whoever looked a moment ago has put it on record
        observations = {name: each for name, each in seen.items() if look or each.observed > now - _RECENT}
        return freshness.view(self._parts.graph, snapshot, World({}, {}, observations), now)

    def _record(
        self, store: records.AlertStore, decision: Decision, holders: Mapping[str, str]
    ) -> tuple[tuple[str, str], ...]:
        scene = self._scene(holders)
        routes = {each.name: each for each in self._manifest.alerts}
        written = [alert_texts.written(message, scene) for message in decision.messages]
        store.remember(self._environment, decision.told)
        store.put(
            self._environment,
            (
                records.Outgoing(
                    each.route,
                    len(routes[each.route].urls) or 1,
                    each.event,
                    each.title,
                    each.at,
                    alert_texts.document(each, scene),
                )
                for each in written
            ),
        )
        return tuple((each.route, each.title) for each in written)

    def _concerns(self, problems: list[Problem]) -> Iterator[tuple[str, frozenset[str]]]:
        for route in self._manifest.alerts:
            if route.select is None:
                continue
            try:
                yield route.name, select([route.select], self._parts.graph)
            except AssetsError as error:
                first = error.problems[0]
                message = f"alert '{route.name}': select: {first.message}; nothing is told"
                problems.append(Problem("A0722", message, "warning", hint="assets validate shows where"))
                yield route.name, frozenset()

    def _scene(self, holders: Mapping[str, str]) -> alert_texts.Scene:
        owners = {name: asset.owners for name, asset in self._parts.graph.assets.items() if asset.owners}
        return alert_texts.Scene(self._manifest.project, self._environment, owners, holders)

    # -- targets -----------------------------------------------------------------------------------------------------

    def _targets(self) -> dict[str, list[Target]]:
        return {route.name: self._targets_of(route) for route in self._manifest.alerts}

    def _targets_of(self, route: AlertRoute) -> list[Target]:
        texts = [(url, True) for url in route.urls] if route.command is None else [(route.command, False)]
        return [self._target(text, is_url=is_url) for text, is_url in texts]

    def _target(self, text: str, *, is_url: bool) -> Target:
        try:
            filled = fill_environment(text, self._parts.environ)
        except UnknownVariableError as unknown:
            return Target(problem=f"the environment variable {unknown.name.removeprefix('env.')} is not set")
        return Target(url=filled) if is_url else Target(command=filled)

    def _around(self) -> Around:
        return Around(self._manifest.root, self._parts.environ, self._parts.secrets())

    def _hide(self, value: Any) -> Any:
        return mask(value, self._parts.secrets())


class _Look:
    """What is wrong, from what is on record and what was observed."""

    def __init__(
        self, graph: AssetGraph, now: int, observations: Mapping[str, Observation], until: Mapping[str, Deadline] | None
    ) -> None:
        self._graph = graph
        self._now = now
        self._observations = observations
        self._deadlines = until
        self.holders: dict[str, str] = {}
        """Who holds promises back, and how, once a situation was asked for."""

    def checks(self) -> list[tuple[str, str]]:
        """Every check that is declared, by asset and name."""
        return [(name, check.name) for name, asset in self._graph.assets.items() for check in asset.checks]

    def view(self, snapshot: StateSnapshot) -> FreshnessView:
        """How old the data is by another reading of the state."""
        return freshness.view(self._graph, snapshot, World({}, {}, self._observations), self._now)

    def situation(self, seen: FreshnessView, facts: records.Facts) -> Situation:
        """Everything that is wrong."""
        snapshot = seen.snapshot
        wrong: list[Condition] = []
        unsure: set[tuple[Family, str]] = set()
        for name in self._graph.order:
            if name not in snapshot.settled:
                self._attempt(name, snapshot, facts.running, wrong, unsure)
        by_asset: dict[str, list[CheckResult]] = {}
        for name, result in facts.failing:
            by_asset.setdefault(name, []).append(result)
        wrong += (_checks(name, results) for name, results in by_asset.items())
        self._promises(seen, wrong, unsure)
        return Situation(wrong, self._graph.assets, self._now, frozenset(unsure))

    def _attempt(
        self,
        name: str,
        snapshot: StateSnapshot,
        running: Collection[str],
        wrong: list[Condition],
        unsure: set[tuple[Family, str]],
    ) -> None:
        tried = snapshot.of(name).attempt
        if tried is None:
            return
        if tried.state in ("open", "cancelled") or tried.run in running:
            unsure.add(("failed", name))  # it may be tried again, or was not allowed to show what comes of it
        elif tried.state in _FAILURES:
            since = tried.started if tried.finished is None else tried.finished
            detail = tried.reason or tried.state.replace("_", " ")
            wrong.append(Condition("failed", name, (name,), since, detail, run=tried.run))

    def _promises(self, seen: FreshnessView, wrong: list[Condition], unsure: set[tuple[Family, str]]) -> None:
        # New data in every run is nothing that could be kept at any moment.
        promised = [
            name
            for name, asset in self._graph.assets.items()
            if asset.freshness is not None and (asset.freshness.max_lag or asset.freshness.cron)
        ]
        verdicts = freshness.verdicts(seen, promised)
        until = self._deadlines
        if until is None:
            passing = [verdict.asset for verdict in verdicts if verdict.status == "pass"]
            until = hopeless(seen, from_history(seen.snapshot), passing)
        for verdict in verdicts:
            if verdict.status == "unknown":
                unsure.add(("late", verdict.asset))
            elif (condition := self._promise(verdict, until.get(verdict.asset))) is not None:
                wrong.append(condition)

    def _will_be_kept(self, verdict: Verdict, deadline: Deadline | None) -> bool:
        """Whether whoever knows when work has to start will start it by then, as late as is safe: past any warning."""
        return (
            self._deadlines is not None
            and deadline is not None
            and deadline.start is not None
            and deadline.start >= self._now
            and deadline.can_be_met(self._now)
            and all(holder.reason != "external" for holder in verdict.held_by)
        )

    def _promise(self, verdict: Verdict, deadline: Deadline | None) -> Condition | None:
        if verdict.status == "pass" and (deadline is None or deadline.can_be_met(self._now)):
            return None
        if verdict.status == "warn" and self._will_be_kept(verdict, deadline):
            return None
        held_by = tuple(islice(verdict.held_by, _HOLDERS))
        for holder in held_by:
            if holder.asset not in self.holders:
                age = "" if holder.data_time is None else f", its data is of {alert_texts.moment(holder.data_time)}"
                self.holders[holder.asset] = f"{_HOW[holder.reason]}{age}"
        causes = tuple(holder.asset for holder in held_by)
        if not causes and deadline is not None:
            causes = tuple(each for each in (deadline.waits_for or deadline.first,) if each is not None)
        is_broken = verdict.status == "fail"
        return Condition(
            "overdue" if is_broken else "at_risk",
            verdict.asset,
            causes or (verdict.asset,),
            verdict.broken_at,
            f"promised {verdict.policy.text}",
            "error" if is_broken else "warning",
        )


def _checks(name: str, results: Sequence[CheckResult]) -> Condition:
    """The checks of an asset that failed."""
    serious = any(result.severity == "error" for result in results)
    said = "; ".join(f"{result.name}: {result.message}" if result.message else result.name for result in results)
    since = min(result.at for result in results)
    return Condition("check_failed", name, (name,), since, said, "error" if serious else "warning", results[0].run)


def _earliest(*moments: int | None) -> int | None:
    return min((each for each in moments if each is not None), default=None)


def _warning(problem: Problem) -> Problem:
    return problem._replace(severity="warning", message=f"no alerts were sent: {problem.message}")
