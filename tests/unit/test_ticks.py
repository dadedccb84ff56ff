"""Ticks of cron expressions, by hand and against a reader that looks at every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_cli.model import cron as cron_of
from assets_cli.planning import ticks

PARIS, NEW_YORK, LORD_HOWE = "Europe/Paris", "America/New_York", "Australia/Lord_Howe"
MINUTE = 60_000_000


def _at(text: str, zone: str = "UTC") -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return int(moment.timestamp()) * 1_000_000


def _said(at: int, zone: str = "UTC") -> str:
    return datetime.fromtimestamp(at // 1_000_000, ZoneInfo(zone)).isoformat(timespec="minutes")


def _between(cron: str, zone: str, first: str, last: str) -> list[str]:
    return [_said(each, zone) for each in ticks.ticks(cron, zone, _at(first, zone) - 1, _at(last, zone))]


def test_a_tick_is_at_its_moment_until_the_next():
    """At a tick it is the last one; a microsecond before it the one before is; and the next is never the same."""
    nine = _at("2026-06-01T09:00", PARIS)
    day = 24 * 60 * MINUTE
    assert ticks.previous_tick("0 9 * * *", PARIS, nine) == nine
    assert ticks.previous_tick("0 9 * * *", PARIS, nine + 1) == nine
    assert ticks.previous_tick("0 9 * * *", PARIS, nine - 1) == nine - day
    assert ticks.next_tick("0 9 * * *", PARIS, nine) == nine + day
    assert ticks.next_tick("0 9 * * *", PARIS, nine - 1) == nine


def test_weekdays_are_skipped():
    """After Friday comes Monday."""
    assert _said(ticks.next_tick("0 9 * * 1-5", PARIS, _at("2026-06-05T09:00", PARIS)), PARIS) == (
        "2026-06-08T09:00+02:00"
    )
    assert _said(ticks.previous_tick("0 9 * * mon-FRI", PARIS, _at("2026-06-07T12:00", PARIS)), PARIS) == (
        "2026-06-05T09:00+02:00"
    )


def test_an_hour_that_does_not_happen():
    """What is at an hour comes when the gap ends, once; a rhythm goes on without it."""
    assert _between("30 2 * * *", PARIS, "2026-03-28T00:00", "2026-03-31T00:00") == [
        "2026-03-28T02:30+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
    ]
    assert _between("0,30 2 * * *", NEW_YORK, "2026-03-08T00:00", "2026-03-08T23:00") == ["2026-03-08T03:00-04:00"]
    assert _between("15 2 * * *", LORD_HOWE, "2026-10-04T00:00", "2026-10-04T23:00") == ["2026-10-04T02:30+11:00"]
    assert _between("*/30 * * * *", PARIS, "2026-03-29T01:00", "2026-03-29T03:30") == [
        "2026-03-29T01:00+01:00",
        "2026-03-29T01:30+01:00",
        "2026-03-29T03:00+02:00",
        "2026-03-29T03:30+02:00",
    ]


def test_an_hour_that_happens_twice():
    """What is at an hour comes the first time; a rhythm goes on in both."""
    assert _between("30 2 * * *", PARIS, "2026-10-25T00:00", "2026-10-25T23:00") == ["2026-10-25T02:30+02:00"]
    assert _between("30 1 * * *", NEW_YORK, "2026-11-01T00:00", "2026-11-01T23:00") == ["2026-11-01T01:30-04:00"]
    assert _between("45 1 * * *", LORD_HOWE, "2026-04-05T00:00", "2026-04-05T23:00") == ["2026-04-05T01:45+11:00"]
    assert _between("0 * * * *", PARIS, "2026-10-25T01:00", "2026-10-25T03:00") == [
        "2026-10-25T01:00+02:00",
        "2026-10-25T02:00+02:00",
        "2026-10-25T02:00+01:00",
        "2026-10-25T03:00+01:00",
    ]
    assert _between("*/30 * * * *", LORD_HOWE, "2026-04-05T01:00", "2026-04-05T02:00") == [
        "2026-04-05T01:00+11:00",
        "2026-04-05T01:30+11:00",
        "2026-04-05T01:30+10:30",
        "2026-04-05T02:00+10:30",
    ]


def test_within_the_second_of_two_hours_the_tick_of_the_first_is_the_last():
    """At 02:15 for the second time, 02:30 was 45 minutes ago and is tomorrow."""
    again = _at("2026-10-25T02:15+01:00")
    assert _said(ticks.previous_tick("30 2 * * *", PARIS, again), PARIS) == "2026-10-25T02:30+02:00"
    assert _said(ticks.next_tick("30 2 * * *", PARIS, again), PARIS) == "2026-10-26T02:30+01:00"


@pytest.mark.parametrize(
    ("cron", "zone", "year"),
    [
        ("30 2 * * *", PARIS, 2026),
        ("30 1 * * *", NEW_YORK, 2026),
        ("45 1 * * *", LORD_HOWE, 2026),
        ("15 2 * * *", LORD_HOWE, 2026),
    ],
)
def test_of_a_year_every_day_has_one_tick(cron, zone, year):
    """365 of them, one on each day of the clock on the wall."""
    found = _between(cron, zone, f"{year}-01-01T00:00", f"{year}-12-31T23:59")
    assert len({each[:10] for each in found}) == len(found) == 365


def test_the_29th_of_february_fires_and_the_30th_never_does():
    """Once in four years is a promise; never is a mistake."""
    assert cron_of.mistake("0 0 29 2 *") is None
    assert _said(ticks.next_tick("0 0 29 2 *", "UTC", _at("2026-01-01T00:00"))) == "2028-02-29T00:00+00:00"
    assert _said(ticks.previous_tick("0 0 29 2 *", "UTC", _at("2026-01-01T00:00"))) == "2024-02-29T00:00+00:00"
    for never in ("0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31 feb *"):
        assert cron_of.mistake(never) == "never fires: no month that it names has such a day"
    assert cron_of.mistake("0 0 30 2 1") is None  # or on a Monday, as cron has it


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("0 9 * *", "has 4 fields, and 5 are asked for: minute, hour, day, month, day of the week"),
        ("0 0 9 * * *", "has 6 fields, and 5 are asked for: minute, hour, day, month, day of the week"),
        ("", "has 0 fields, and 5 are asked for: minute, hour, day, month, day of the week"),
        ("60 9 * * *", "has no minute '60'"),
        ("0 24 * * *", "has no hour '24'"),
        ("0 9 0 * *", "has no day of the month '0'"),
        ("0 9 * 13 *", "has no month '13'"),
        ("0 9 * * monday", "has no day of the week 'monday'"),
        ("*/0 9 * * *", "has no minute '*/0'"),
        ("5-1 9 * * *", "has no minute '5-1'"),
        (f"{'9' * 5000} 9 * * *", f"has no minute '{'9' * 40}'"),
        ("@reboot", "is none of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually"),
    ],
)
def test_what_is_wrong_with_an_expression_is_said(cron, said):
    """The field that is wrong is named."""
    assert cron_of.mistake(cron) == said


def test_names_nicknames_last_days_and_the_third_friday():
    """What people write besides numbers."""
    for cron, moment in {
        "@daily": "2026-06-02T00:00+00:00",
        "@Monthly": "2026-07-01T00:00+00:00",
        "0 9 L * *": "2026-06-30T09:00+00:00",
        "0 9 * jul *": "2026-07-01T09:00+00:00",
        "0 9 * * fri#3": "2026-06-19T09:00+00:00",
        "0 9 * * 5L": "2026-06-26T09:00+00:00",
        "0 9 * * 7": "2026-06-07T09:00+00:00",
    }.items():
        assert cron_of.mistake(cron) is None
        assert _said(ticks.next_tick(cron, "UTC", _at("2026-06-01T12:00"))) == moment


def test_a_zone_that_is_none_is_said_with_those_that_are():
    """Also where the name is a folder, leaves it, or is no name."""
    assert cron_of.unknown_zone(LORD_HOWE) is None
    for name in ("Europe/Pariss", "Europe", "../etc/passwd", "", "a\0b"):
        assert PARIS in (cron_of.unknown_zone(name) or ())


def test_a_clock_that_says_nonsense_has_ticks_all_the_same():
    """The beginning of time, and the end."""
    for at in (-(10**30), -1, 10**30):
        assert ticks.previous_tick("0 9 * * *", PARIS, at) < ticks.next_tick("0 9 * * *", PARIS, at)


ZONES = (PARIS, NEW_YORK, LORD_HOWE, "UTC", "Asia/Kathmandu", "Pacific/Apia")
CRONS = st.sampled_from(
    [
        *("30 2 * * *", "0,30 1,2,3 * * *", "*/15 * * * *", "7 * * * *", "0 */2 * * *", "10-20/5 2 * * *", "* 2 * * *"),
        *("0 9 * * 1-5", "45 1 * * sun", "0 0 * * *", "59 23 * * *", "0 12 1 * *", "20 2 31 * *"),
    ]
)
STARTS = st.sampled_from(
    [
        *("2026-03-29T00:00", "2026-10-25T00:00", "2026-03-08T06:00", "2026-11-01T05:00", "2026-04-04T14:00"),
        *("2026-10-03T15:00", "2011-12-29T10:00", "2026-06-01T00:00"),
    ]
)


def _naive(cron: str, zone: str, start: datetime, hours: int) -> list[int]:
    """Every minute is asked whether the wall says so, by a reader of its own for numbers, lists, ranges and steps."""
    minute, hour, day, month, weekday = cron.split()
    rhythm = minute.startswith("*") or hour.startswith("*")
    place = ZoneInfo(zone)
    found, seen, before = [], set(), None
    for number in range(-48 * 60, hours * 60):
        moment = start + timedelta(minutes=number)
        wall = moment.astimezone(place).replace(tzinfo=None)
        passed = [wall]
        if not rhythm and before is not None:
            passed = [
                before + timedelta(minutes=n + 1) for n in range(max(int((wall - before).total_seconds()) // 60, 0))
            ]
        hits = [each for each in passed if _named(each, minute, hour, day, month, weekday)]
        if hits and (rhythm or not seen.issuperset(hits)):
            found.append(int(moment.timestamp()) * 1_000_000)
        seen.update(hits)
        before = wall if before is None else max(wall, before)
    return found


def _named(wall: datetime, minute: str, hour: str, day: str, month: str, weekday: str) -> bool:
    days = _in(day, wall.day, 1, 31), _in(weekday.replace("sun", "0"), wall.isoweekday() % 7, 0, 6)
    return (
        _in(minute, wall.minute, 0, 59)
        and _in(hour, wall.hour, 0, 23)
        and _in(month, wall.month, 1, 12)
        and (all(days) if day.startswith("*") or weekday.startswith("*") else any(days))
    )


def _in(field: str, value: int, least: int, most: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{least}-{most}" if span == "*" else span).partition("-")
        if value in range(int(first), int(last or first) + 1, int(step or 1)):
            return True
    return False


@settings(max_examples=40, deadline=None)
@given(CRONS, st.sampled_from(ZONES), STARTS, st.integers(0, 30 * 60))
def test_ticks_are_those_of_a_reader_that_looks_at_every_minute(cron, zone, start, offset):
    """Whatever the clock on the wall does in these days, forwards and backwards."""
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    expected = _naive(cron, zone, begin, 60)
    now = int(begin.timestamp()) * 1_000_000 + offset * MINUTE
    until = int(begin.timestamp()) * 1_000_000 + 59 * 60 * MINUTE
    assert list(ticks.ticks(cron, zone, now, until)) == [each for each in expected if now < each <= until]
    before = [each for each in expected if each <= now]
    if before:
        assert ticks.previous_tick(cron, zone, now) == before[-1]
