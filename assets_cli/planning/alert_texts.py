"""What a message of alerts says: a title, a plain text, the same as markdown, and what to type next.

Pure. Knows what a message is about; neither why it is sent nor where to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from assets_cli.model.alerts import Condition, Message
from assets_cli.model.duration import SECOND

VERSION: Final = 1
_MOST: Final = 10
_NAMED: Final = 3
_LONGEST: Final = 200
_FROM: Final = {"failed": "at", "check_failed": "at"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~])")


class Scene(NamedTuple):
    """Where messages are from, and what is known of assets: who owns them, and in what way they hold others back."""

    project: str
    environment: str
    owners: Mapping[str, Sequence[str]] = {}
    holders: Mapping[str, str] = {}

    def command(self, *words: str) -> str:
        """A command to type."""
        chosen = () if self.environment == "default" else ("--env", self.environment)
        return " ".join(("assets", *chosen, *words))

    def owned(self, asset: str) -> str:
        """Who owns an asset, in brackets; nothing where nobody does."""
        owners = self.owners.get(asset, ())
        return f" ({', '.join(owners)})" if owners else ""

    @property
    def place(self) -> str:
        """The project, and the environment where there are several."""
        return self.project if self.environment == "default" else f"{self.project} {self.environment}"


def written(message: Message, scene: Scene) -> Message:
    """The message with its texts."""
    title = f"[{scene.place}] {_title(message)}"
    entries = [(each.asset, _said(each, message)) for each in message.assets[:_MOST]]
    left = len(message.assets) - len(entries)
    rest = [f"and {left:,} more"] if left else []
    blamed = _blame(message, scene)
    steps = _steps(message, scene)
    lines = [*(f"- {name}{said}{scene.owned(name)}" for name, said in entries), *(f"- {line}" for line in rest)]
    marked = [
        *(f"- `{name}`{_escaped(said)}{_escaped(scene.owned(name))}" for name, said in entries),
        *(f"- {line}" for line in rest),
    ]
    tail = [f"{blamed[0]}{blamed[1]}"] if blamed else []
    marked_tail = [f"`{blamed[0]}`{_escaped(blamed[1])}"] if blamed else []
    return message._replace(
        title=title,
        text="\n".join([*lines, *tail, *(f"next: {step}" for step in steps)]),
        markdown="\n".join(
            [
                *marked,
                *(("", *marked_tail) if tail else ()),
                *(("", *(f"next: `{step}`" for step in steps)) if steps else ()),
            ]
        ),
        steps=tuple(steps),
    )


def document(message: Message, scene: Scene) -> dict[str, Any]:
    """The message as JSON; whoever delivers it adds its `id`."""
    return {
        "version": VERSION,
        "route": message.route,
        "event": message.event,
        "of": message.of,
        "severity": message.severity,
        "project": scene.project,
        "environment": scene.environment,
        "at": _rfc3339(message.at),
        "title": message.title,
        "text": message.text,
        "markdown": message.markdown,
        "cause": message.cause,
        "assets": [
            {
                "asset": each.asset,
                "event": each.event,
                "owners": list(scene.owners.get(each.asset, ())),
                "since": None if each.since is None else _rfc3339(each.since),
                "detail": each.detail,
                "run": each.run,
            }
            for each in message.assets
        ],
        "next": list(message.steps),
    }


def trial(route: str, at: int) -> Message:
    """A message that says nothing but that it has arrived."""
    text = f"This is a test of the route {route}: alerts arrive here."
    return Message(route, "recovered", "recovered", "warning", None, (), at, f"test of route {route}", text, text)


def _title(message: Message) -> str:
    names = [each.asset for each in message.assets]
    own = message.cause is not None and names == [message.cause]
    if message.event == "recovered":
        return _over(message, names, own=own)
    if message.of == "failed":
        return f"{names[0]} failed" if own else f"{len(names):,} assets failed: {_some(names)}"
    if message.of == "check_failed":
        return f"a check of {names[0]} failed" if own else f"checks of {len(names):,} assets failed: {_some(names)}"
    broken = sum(each.event == "overdue" for each in message.assets)
    if own:
        return f"{names[0]} is overdue" if broken else f"{names[0]} is about to be overdue"
    held = len(names)
    where = "below it" if message.cause not in names else "of it and below"
    is_or_are = "is" if held == 1 else "are"
    state = "at risk" if not broken else "broken"
    promises = f"{held:,} promise{'' if held == 1 else 's'} {where} {is_or_are} {state}"
    if broken and broken < held:
        at_risk = held - broken
        promises = f"{broken:,} promise{'' if broken == 1 else 's'} {where} {'is' if broken == 1 else 'are'} broken"
        promises += f", {at_risk:,} at risk"
    return f"{message.cause} is late: {promises}"


def _over(message: Message, names: Sequence[str], *, own: bool) -> str:
    if message.of == "failed":
        return f"{names[0]} succeeded again" if own else f"{len(names):,} assets succeeded again: {_some(names)}"
    if message.of == "check_failed":
        return f"checks of {names[0] if own else f'{len(names):,} assets'} pass again" + (
            "" if own else f": {_some(names)}"
        )
    if own:
        return f"{names[0]} is in time again"
    kept = "promise is" if len(names) == 1 else "promises are"
    return f"{message.cause} is in time again: {len(names):,} {kept} kept"


def _said(condition: Condition, message: Message) -> str:
    """What there is to say of one asset, after its name."""
    since = "" if condition.since is None else moment(condition.since)
    if message.event == "recovered":
        words = {"failed": "failed", "check_failed": "a check failed", "at_risk": "was at risk"}
        was = words.get(condition.event, "was broken")
        when = f" {_FROM.get(condition.event, 'since')} {since}" if since and condition.event != "at_risk" else ""
        return f": {was}{when}"
    detail = " ".join(condition.detail.split())
    detail = detail if len(detail) <= _LONGEST else f"{detail[: _LONGEST - 1]}…"
    when = ""
    if since:
        when = {"overdue": f"broken since {since}", "at_risk": f"broken from {since}"}.get(
            condition.event, f"since {since}"
        )
    said = ", ".join(filter(None, (detail, when, f"run {condition.run}" if condition.run else "")))
    return f": {said}" if said else ""


def _blame(message: Message, scene: Scene) -> tuple[str, str] | None:
    """Who holds promises back, and in what way."""
    how = scene.holders.get(message.cause or "")
    if how is None or message.cause is None or message.event not in ("overdue", "at_risk"):
        return None
    return message.cause, f": {how}{scene.owned(message.cause)}"


def _steps(message: Message, scene: Scene) -> list[str]:
    if message.event == "recovered" or not message.assets:
        return []
    first = message.assets[0]
    steps = []
    if message.of == "failed" and first.run is not None:
        steps.append(scene.command("logs", first.run, *((first.asset,) if len(message.assets) == 1 else ())))
    if message.of == "check_failed":
        steps.append(scene.command("show", first.asset))
    steps.append(scene.command("why", message.cause or first.asset))
    return steps


def _some(names: Sequence[str]) -> str:
    if len(names) > _NAMED + 1:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED:,} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _escaped(text: str) -> str:
    """A text of which nothing is markup."""
    return _MARKUP.sub(r"\\\1", text)


def _rfc3339(at: int) -> str:
    return f"{(_EPOCH + timedelta(seconds=at // SECOND)).replace(tzinfo=None).isoformat()}Z"


def moment(at: int) -> str:
    """A moment for people, to the minute, in UTC: nobody knows where a message is read."""
    return f"{_EPOCH + timedelta(seconds=at // SECOND):%Y-%m-%d %H:%M} UTC"
