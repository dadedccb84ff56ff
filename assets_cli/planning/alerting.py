"""Which messages of alerts are to be sent: from what is wrong now, and what was told before.

Pure. What is wrong is told once and, when it is over, that; whoever asks, and however often. One message has one cause:
promises that are broken or at risk are told together by who holds them back; what failed in one go is told together.

- A promise stays told until it passes again: that it goes from broken back to at risk is no news.
- What is told because of one cause is over when all of it is, and told so once.
- After a message, nothing more is told of its cause for as long as its route is to be quiet, but that it is over, and
  that what was a warning is an error now, as when a promise that was at risk is broken.
- Of what nobody knows (`Situation.unsure`) nothing is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from assets_cli.model.alerts import Condition, Family, Message, Told
from assets_cli.model.manifest import AlertEvent, AlertRoute
from assets_cli.model.problem import Severity

_Key = tuple[Family, str]


class Situation(NamedTuple):
    """How things are: everything that is wrong, and of which assets it is not known in which way they are.

    `assets` are all that there are: what was told of others is forgotten.
    """

    wrong: Sequence[Condition]
    assets: Collection[str]
    now: int
    unsure: frozenset[_Key] = frozenset()


class Decision(NamedTuple):
    """The messages to send, all that was told by then, and when something that is held back can be told."""

    messages: tuple[Message, ...]
    told: tuple[Told, ...]
    next_moment: int | None = None


def decide(
    before: Iterable[Told],
    situation: Situation,
    routes: Sequence[AlertRoute],
    concerns: Mapping[str, frozenset[str]],
) -> Decision:
    """What to tell whom.

    Args:
        before: what was told, of all routes.
        situation: how things are now.
        routes: those that there are: what others were told is forgotten.
        concerns: by the name of a route the assets that it is about; all where it is not among them.
    """
    by_route: dict[str, list[Told]] = {}
    for each in before:
        by_route.setdefault(each.route, []).append(each)
    messages: list[Message] = []
    told: list[Told] = []
    moments: list[int] = []
    for route in routes:
        deciding = _Deciding(route, by_route.get(route.name, ()), situation, concerns.get(route.name))
        messages += deciding.messages
        told += deciding.told()
        moments += deciding.moments
    return Decision(tuple(messages), tuple(told), min(moments, default=None))


class _Deciding:
    """One route."""

    def __init__(
        self, route: AlertRoute, before: Iterable[Told], situation: Situation, concerned: frozenset[str] | None
    ) -> None:
        self.messages: list[Message] = []
        self.moments: list[int] = []
        self._route = route
        self._now = situation.now
        self._situation = situation
        self._rows = {(each.family, each.asset): each for each in before if each.asset in situation.assets}
        self._all = {(each.family, each.asset): each for each in situation.wrong}
        self._relevant = [
            each
            for each in situation.wrong
            if each.event in route.tell
            and (route.severity == "warning" or each.severity == "error")
            and (concerned is None or each.asset in concerned or not concerned.isdisjoint(each.causes))
        ]
        # Again as long as there is news: what has another cause now may have been the last that the first held back.
        said = -1
        while said != len(self.messages):
            said = len(self.messages)
            self._resolve()
            self._open()

    def told(self) -> list[Told]:
        """What this route was told by now, without what is over and was so long ago that it can be told again."""
        return [
            each
            for each in self._rows.values()
            if each.resolved is None or 0 <= self._now - each.at < self._route.quiet
        ]

    # -- what is over ------------------------------------------------------------------------------------------------

    def _resolve(self) -> None:
        groups: dict[tuple[Family, str], list[Told]] = {}
        for each in self._rows.values():
            if each.resolved is None:
                groups.setdefault((each.family, each.cause), []).append(each)
        over = [group for group in groups.values() if all(map(self._is_over, group))]
        for group in over:
            for each in group:
                self._rows[each.family, each.asset] = each._replace(resolved=self._now)
        if "recovered" in self._route.tell:
            self.messages += _messages(
                self._route,
                "recovered",
                [[(_condition(each), each.cause) for each in group] for group in over],
                self._now,
            )

    def _is_over(self, told: Told) -> bool:
        key = (told.family, told.asset)
        condition = self._all.get(key)
        if condition is None:
            return key not in self._situation.unsure
        # Of checks only those may be left that this route does not hear of.
        return told.family == "check_failed" and self._route.severity == "error" and condition.severity == "warning"

    # -- what is new -------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self.moments = []
        news = [each for each in self._relevant if self._is_news(each)]
        groups: dict[tuple[Family, str], list[Condition]] = {}
        for each, cause in zip(news, self._causes(news), strict=True):
            groups.setdefault((each.family, cause), []).append(each)
        last: dict[tuple[Family, str], Told] = {}
        for row in self._rows.values():
            other = last.setdefault((row.family, row.cause), row)
            if row.at > other.at:
                last[row.family, row.cause] = row
        telling: list[list[tuple[Condition, str]]] = []
        for (family, cause), conditions in groups.items():
            until = self._quiet_until(last.get((family, cause)), conditions)
            if until is not None:
                self.moments.append(until)
                continue
            telling.append([(each, cause) for each in conditions])
            for each in conditions:
                row = Told(self._route.name, each.event, each.asset, cause, each.since, self._now, each.severity)
                self._rows[family, each.asset] = row
        self.messages += _messages(self._route, None, telling, self._now)

    def _is_news(self, condition: Condition) -> bool:
        row = self._rows.get((condition.family, condition.asset))
        if row is None or row.resolved is not None:
            return True
        if _is_worse(row, condition):
            return True
        return condition.family == "late" and bool(condition.causes) and row.cause not in condition.causes

    def _causes(self, news: Sequence[Condition]) -> list[str]:
        """Who is to blame for each: of several the one that was told already, or else the one that holds back most."""
        held = Counter(cause for each in self._relevant if each.family == "late" for cause in each.causes)
        known = {(each.family, each.cause) for each in self._rows.values() if each.resolved is None}

        def rank(condition: Condition, position: int, cause: str) -> tuple[bool, int, int]:
            return (condition.family, cause) not in known, -held[cause], position

        chosen = []
        for each in news:
            ranked = sorted((*rank(each, position, cause), cause) for position, cause in enumerate(each.causes))
            chosen.append(ranked[0][-1] if ranked else each.asset)
        return chosen

    def _quiet_until(self, last: Told | None, conditions: Sequence[Condition]) -> int | None:
        """Until when nothing more is told of a cause, of which this was told last; None where it may be told now."""
        # A clock that was set back must not make anybody wait for it.
        if last is None or not 0 <= self._now - last.at < self._route.quiet:
            return None
        if any(_is_worse(last, each) for each in conditions):
            return None
        return last.at + self._route.quiet


def _is_worse(before: Told, condition: Condition) -> bool:
    """Whether what was a doubt when it was told is an error now."""
    return before.severity == "warning" and condition.severity == "error"


def _condition(told: Told) -> Condition:
    return Condition(told.event, told.asset, (told.cause,), told.since, severity=told.severity)


def _messages(
    route: AlertRoute, event: AlertEvent | None, groups: Sequence[Sequence[tuple[Condition, str]]], now: int
) -> list[Message]:
    """A message for each cause of promises; what failed has one together, and so have checks."""
    found: list[Message] = []
    together: dict[Family, list[Condition]] = {}
    for group in groups:
        family = group[0][0].family
        if family == "late":
            found.append(_message(route, event, [each for each, _ in group], group[0][1], now))
        else:
            together.setdefault(family, []).extend(each for each, _ in group)
    for conditions in together.values():
        cause = conditions[0].asset if len(conditions) == 1 else None
        found.append(_message(route, event, conditions, cause, now))
    return found


def _message(
    route: AlertRoute, event: AlertEvent | None, conditions: Sequence[Condition], cause: str | None, now: int
) -> Message:
    # What is broken comes before what is at risk.
    ordered = tuple(sorted(conditions, key=lambda each: (each.event != "overdue", each.asset)))
    severity: Severity = "error" if any(each.severity == "error" for each in ordered) else "warning"
    of = ordered[0].event
    return Message(route.name, event or of, of, severity, cause, ordered, now)
