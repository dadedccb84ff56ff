"""Cron expressions and time zones as people write them: what is wrong with them, and what the library reads.

Pure. Imported where something has a cron expression, and nowhere else: it needs a library and the zones. When one
fires, `planning.ticks` knows.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

_FIELDS: Final = ("minute", "hour", "day of the month", "month", "day of the week")
_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@lru_cache(maxsize=4_096)  # thousands of assets have the same few
def mistake(cron: str) -> str | None:
    """What is wrong with an expression, as the end of a sentence that begins with it; None where nothing is."""
    written = cron.split()
    fields = fields_of(cron).split()
    if len(fields) != len(_FIELDS):
        if len(written) == 1 and written[0].startswith("@"):
            return f"is none of {', '.join(_NAMED)}"
        return f"has {len(fields)} fields, and {len(_FIELDS)} are asked for: minute, hour, day, month, day of the week"
    for position, name in enumerate(_FIELDS):
        alone = ["*"] * len(_FIELDS)
        alone[position] = fields[position]
        try:
            CronSim(" ".join(alone), datetime(2000, 1, 1))  # noqa: DTZ001 - a clock on a wall
        except (CronSimError, ValueError, AssertionError):  # of a number too long, of a step of what is no number
            return f"has no {name} '{fields[position][:40]}'"
    try:
        next(CronSim(" ".join(fields), datetime(2000, 1, 1)))  # noqa: DTZ001 - as above
    except (CronSimError, StopIteration):
        return "never fires: no month that it names has such a day"
    return None


@lru_cache(maxsize=64)
def unknown_zone(timezone: str) -> tuple[str, ...] | None:
    """None where there is such a time zone, else the names of those that there are."""
    try:
        ZoneInfo(timezone)
    except (OSError, ValueError, LookupError):  # of a name that is a folder, is no name, or names nothing
        return tuple(sorted(available_timezones()))
    return None


def fields_of(cron: str) -> str:
    """The five fields of an expression, also of one that has a name."""
    return _NAMED.get(cron.strip().lower(), cron)
