"""What alerts are made of: what is wrong, what was told of it, and the messages that tell it.

Values. Times are in microseconds UTC.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from assets_cli.model.manifest import AlertEvent
from assets_cli.model.problem import Severity

Family = Literal["late", "failed", "check_failed"]
DeliveryState = Literal["waiting", "sent", "undelivered"]


class Condition(NamedTuple):
    """Something that is wrong now with an asset.

    `causes` are those who may be to blame: of a promise whoever holds the data back, else the asset itself. `since` is
    when it began or, of what is at risk, will; `detail` says in a few words what it is.
    """

    event: AlertEvent
    asset: str
    causes: tuple[str, ...]
    since: int | None = None
    detail: str = ""
    severity: Severity = "error"
    run: str | None = None

    @property
    def family(self) -> Family:
        """What is wrong in one way: a promise that is broken was at risk before."""
        return family_of(self.event)


def family_of(event: AlertEvent) -> Family:
    """See `Condition.family`."""
    return "check_failed" if event == "check_failed" else "failed" if event == "failed" else "late"


class Told(NamedTuple):
    """What a route was told of an asset: that something is wrong (`event`), because of `cause`, at the moment `at`.

    `resolved` is when it was over; until then it is not told again.
    """

    route: str
    event: AlertEvent
    asset: str
    cause: str
    since: int | None
    at: int
    severity: Severity = "error"
    resolved: int | None = None

    @property
    def family(self) -> Family:
        """See `Condition.family`."""
        return family_of(self.event)


class Message(NamedTuple):
    """One message of one route.

    `of` is what it is about; it is `event` itself unless that is `recovered`. `cause` is the asset that is to blame for
    all of it, None where each has a cause of its own. `steps` are commands to type next.
    """

    route: str
    event: AlertEvent
    of: AlertEvent
    severity: Severity
    cause: str | None
    assets: tuple[Condition, ...]
    at: int
    title: str = ""
    text: str = ""
    markdown: str = ""
    steps: tuple[str, ...] = ()


class Delivery(NamedTuple):
    """A message on its way to one target of its route, by the target's position; `id` is the same in every try.

    `error` says what became of the last try. `next_try` is None where there will be none.
    """

    id: int
    route: str
    target: int
    event: str
    title: str
    created: int
    state: DeliveryState
    tries: int
    next_try: int | None
    error: str | None
    delivered: int | None
    document: str
