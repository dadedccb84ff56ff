"""The moments that a cron expression names in a time zone: the one before, the one after, those between.

Pure; moments are microseconds UTC. Imported where something has a cron expression, and nowhere else: it needs a library
and the zones. Knows no policy.

What a cron expression says is said of a clock on a wall, and clocks on walls are set twice a year. As Debian's cron has
it, it depends on what is asked for:

- An hour and a minute, such as `30 2 * * *`, are a moment of the day, which every day has exactly once: of two the
  first counts, and where it is left out, the end of the gap does.
- With a `*` as the first letter of hour or minute, such as `*/15 * * * *`, it is a rhythm, which follows time as it
  goes by: both of an hour that happens twice count, and of one that does not happen none.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim

from assets_cli.model.cron import fields_of
from assets_cli.model.problem import AssetsError, Problem

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_AROUND: Final = timedelta(hours=27)
"""No clock is set by more: a day, where the date line moves, and its offset may not be whole."""
_MOST: Final = 4_096
_YEARS: Final = datetime(1971, 1, 1, tzinfo=UTC), datetime(2400, 1, 1, tzinfo=UTC)
"""The years in which ticks are looked for; a clock that says something else is not believed."""


class _Schedule(NamedTuple):
    """`fields` as the library reads them; `rhythm` is whether it follows time as it goes by."""

    fields: str
    zone: ZoneInfo
    rhythm: bool


def previous_tick(cron: str, timezone: str, at: int) -> int:
    """The last tick at a moment or before it."""
    span = _spans.get((cron, timezone))
    if span is not None and span[0] <= at < span[1]:
        return span[0]
    found = _previous(cron, timezone, at)
    if len(_spans) >= _MOST:
        _spans.clear()
    # The first time it is not worth while: a plan asks at one moment.
    _spans[cron, timezone] = found, found if span is None else _next(cron, timezone, at)
    return found


def next_tick(cron: str, timezone: str, at: int) -> int:
    """The first tick after a moment."""
    return _next(cron, timezone, at)


def ticks(cron: str, timezone: str, after: int, until: int) -> Iterator[int]:
    """All ticks after a moment, up to another."""
    moment = next_tick(cron, timezone, after)
    while moment <= until:
        yield moment
        moment = next_tick(cron, timezone, moment)


_spans: Final[dict[tuple[str, str], tuple[int, int]]] = {}
"""Of each expression the two ticks between which somebody asked last: who goes through time asks there again."""


@lru_cache(maxsize=_MOST)  # thousands of assets have the same few expressions
def _previous(cron: str, timezone: str, at: int) -> int:
    schedule = _schedule(cron, timezone)
    now = _datetime(at)
    if around := _when_set(schedule, now):
        before = [moment for moment in around if moment <= now]
        if before:
            return _microseconds(before[-1])
    wall = _wall(now, schedule)
    if not around:
        # The library looks for ticks before a moment, and this moment may be one.
        wall += timedelta(seconds=1)
    else:
        wall -= _AROUND - timedelta(seconds=1)
    for tick in CronSim(schedule.fields, wall, reverse=True):
        found = [moment for moment in _moments(tick, schedule) if moment <= now]
        if found:
            return _microseconds(found[-1])
    raise AssertionError(cron)  # it was read: it fires


@lru_cache(maxsize=_MOST)
def _next(cron: str, timezone: str, at: int) -> int:
    schedule = _schedule(cron, timezone)
    now = _datetime(at)
    around = _when_set(schedule, now)
    if around:
        after = [moment for moment in around if moment > now]
        if after:
            return _microseconds(after[0])
    wall = _wall(now, schedule)
    for tick in CronSim(schedule.fields, wall + _AROUND if around else wall):
        found = [moment for moment in _moments(tick, schedule) if moment > now]
        if found:
            return _microseconds(found[0])
    raise AssertionError(cron)  # as above


def _when_set(schedule: _Schedule, now: datetime) -> list[datetime]:
    """The ticks around a moment at which the clock is set: there, what is later on the wall may be earlier in time."""
    early, late = ((now + shift).astimezone(schedule.zone).utcoffset() for shift in (-_AROUND, _AROUND))
    if early == late:
        return []
    wall = _wall(now, schedule)
    found: set[datetime] = set()
    for tick in CronSim(schedule.fields, wall - _AROUND):
        if tick > wall + _AROUND:
            break
        found.update(_moments(tick, schedule))
    return sorted(found)


def _moments(wall: datetime, schedule: _Schedule) -> list[datetime]:
    """When a clock on a wall shows this: once, twice, or never; see the module's docstring for what counts."""
    first = wall.replace(tzinfo=schedule.zone, fold=0)
    second = first.replace(fold=1)
    moments = [each.astimezone(UTC) for each in (first, second)]
    if moments[0] == moments[1]:
        return moments[:1]
    shown = [each.astimezone(schedule.zone).replace(tzinfo=None) == wall for each in moments]
    if shown[0]:
        return moments if schedule.rhythm else moments[:1]
    return [] if schedule.rhythm else [_end_of_gap(moments[1], moments[0], schedule.zone)]


def _end_of_gap(start: datetime, end: datetime, zone: ZoneInfo) -> datetime:
    """The moment between these two at which the clock is set."""
    before = start.astimezone(zone).utcoffset()
    while end - start > timedelta(seconds=1):
        middle = start + (end - start) // 2
        if middle.astimezone(zone).utcoffset() == before:
            start = middle
        else:
            end = middle
    return end.replace(microsecond=0)


@lru_cache(maxsize=_MOST)
def _schedule(cron: str, timezone: str) -> _Schedule:
    fields = fields_of(cron)
    minute, hour = fields.split()[:2]
    try:
        zone = ZoneInfo(timezone)
    except (OSError, ValueError, LookupError):  # it was there when the manifest was read, maybe by another call
        hint = "time zones were removed from this machine: pip install tzdata"
        raise AssetsError(Problem("A0252", f"there is no time zone '{timezone}'", hint=hint)) from None
    return _Schedule(fields, zone, rhythm=minute.startswith("*") or hour.startswith("*"))


def _datetime(at: int) -> datetime:
    first, last = _YEARS
    try:
        return min(max(_EPOCH + timedelta(microseconds=at), first), last)
    except OverflowError:
        return first if at < 0 else last


def _wall(moment: datetime, schedule: _Schedule) -> datetime:
    return moment.astimezone(schedule.zone).replace(tzinfo=None, microsecond=0, fold=0)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
