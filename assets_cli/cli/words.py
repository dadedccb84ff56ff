"""Numbers, moments, lists and states as people read them, and moments as programs do. Knows no screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from assets_cli.model.duration import SECOND
from assets_cli.model.duration import show as duration

if TYPE_CHECKING:
    from assets_cli.model.answers import AssetStatus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE, _HOUR, _DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
_JUST_NOW = 5 * SECOND
_NEAR = 10 * _MINUTE
_SIZES = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))
_STATES = {"up_to_date": "up to date", "stale": "stale", "missing": "missing", "external": "external"}


def now() -> int:
    """The wall clock in microseconds UTC; the screens take it as a parameter."""
    import time

    return time.time_ns() // 1_000


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 asset`, `6 assets`, `10,000 assets`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(value: float) -> str:
    """`512 bytes`, `1.5 KB`, `12.0 MB`."""
    return next((f"{value / unit:.1f} {word}" for unit, word in _SIZES if value >= unit), f"{value:,} bytes")


def some(names: Sequence[str], limit: int = 3, last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 12 more`."""
    if len(names) <= 1:
        return "".join(names)
    if len(names) <= limit + 1:
        return f"{', '.join(names[:-1])} {last} {names[-1]}"
    return f"{', '.join(names[:limit])} {last} {len(names) - limit:,} more"


def rfc3339(moment: int | None) -> str | None:
    """A moment as JSON has it: `2026-11-22T11:05:00Z`, with microseconds where there are any."""
    if moment is None:
        return None
    seconds, rest = divmod(moment, SECOND)
    return f"{_second(seconds)}.{rest:06}Z" if rest else f"{_second(seconds)}Z"


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    """A second as documents have it; many of the ten thousand moments of one are in few."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()


def ago(moment: int, current: int) -> str:
    """How long ago a moment was, roughly; after two months its date."""
    distance = abs(current - moment)
    if distance < _JUST_NOW:
        return "just now"
    if distance >= 60 * _DAY:
        return (_EPOCH + timedelta(microseconds=moment)).strftime("on %Y-%m-%d")
    text = f"{roughly(distance)} ago" if moment <= current else f"in {roughly(distance)}"
    return "yesterday" if text == "1 day ago" else text


def clock(moment: int, current: int) -> str:
    """A moment as a clock here says it: `09:00` today, `2026-11-23 09:00` on any other day; with seconds where near."""
    import time

    there, here = (time.localtime(each // SECOND) for each in (moment, current))
    shown = "%H:%M:%S" if abs(moment - current) < _NEAR else "%H:%M"
    return time.strftime(shown if there[:3] == here[:3] else f"%Y-%m-%d {shown}", there)


def roughly(length: int) -> str:
    """A length of time in its largest unit: `40 seconds`, `2 hours`, `9 days`."""
    for unit, noun in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if length >= unit:
            return count(length // unit, noun)
    return count(length // SECOND, "second")


def about(length: int) -> str:
    """A length of time that is an estimate: no more digits than it deserves."""
    return duration(length if length < SECOND else (length + SECOND // 2) // SECOND * SECOND).replace(".0 s", " s")


def state(status: AssetStatus) -> str:
    """The verdicts of one asset in words: `stale`, `up to date, overdue`, `upstream stale`."""
    word = "upstream stale" if status.tentative and status.status == "up_to_date" else _STATES[status.status]
    return f"{word}, overdue" if status.overdue else word


def colour_of(status: AssetStatus) -> str:
    """The colour that goes with the verdicts; never the only sign of them."""
    if status.overdue or status.status == "missing":
        return "red"
    if status.status == "stale" or status.tentative:
        return "yellow"
    return "green" if status.status == "up_to_date" else "cyan"


def tally(names: Iterable[str]) -> dict[str, int]:
    """How often each name appears, in order of first appearance."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
