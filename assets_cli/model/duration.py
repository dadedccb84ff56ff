"""Durations as people write them (`90s`, `15m`, `6h`, `7d`, `1h30m`) and as the program counts them: microseconds."""

from __future__ import annotations

import re

SECOND = 1_000_000
_UNITS = {"d": 86_400 * SECOND, "h": 3_600 * SECOND, "m": 60 * SECOND, "s": SECOND, "ms": 1_000}
_PATTERN = r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"


def parse(text: str) -> int:
    """Microseconds of a duration such as `1h30m`.

    Raises:
        ValueError: the text is no duration.
    """
    match = re.fullmatch(_PATTERN, text.strip())
    if not match or not any(match.groups()):
        message = f"{text!r} is not a duration"
        raise ValueError(message)
    return sum(
        int(part) * _UNITS[unit] for part, unit in zip(match.groups(), ("d", "h", "m", "s", "ms"), strict=True) if part
    )


def written(microseconds: int) -> str:
    """A duration as a manifest has it: `6h`, `1h30m`, `0s`; a day is mostly written `24h`, several as days."""
    parts: list[str] = []
    units = tuple(_UNITS.items())
    for unit, length in units if microseconds >= 2 * _UNITS["d"] else units[1:]:
        amount, microseconds = divmod(microseconds, length)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


def show(microseconds: int) -> str:
    """A duration for people, with at most two units: `340 ms`, `1.2 s`, `3m 20s`, `6h`, `2d 4h`."""
    if microseconds < SECOND:
        return f"{microseconds // 1_000} ms"
    if microseconds < 10 * SECOND:
        return f"{microseconds / SECOND:.1f} s"
    seconds = microseconds // SECOND
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds} s"
    parts = [(seconds // 86_400, "d"), (seconds // 3_600 % 24, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s")]
    first = next(i for i, (amount, _) in enumerate(parts) if amount)
    return " ".join(f"{amount}{unit}" for amount, unit in parts[first : first + 2] if amount)
