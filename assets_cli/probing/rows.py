"""The row that a database answers, as a data version and a data time. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from assets_cli.probing.observing import Answer, ProbeError

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?")


def answer_of_row(row: Sequence[Any]) -> Answer:
    """The values as one text, and the first of them that is a time; without a zone it is taken as UTC.

    Raises:
        ProbeError: there is no value, as of the maximum of an empty table.
    """
    if all(value is None for value in row):
        raise ProbeError("the query returns null, which is no data version")
    texts = [_text(value) for value in row]
    version = str(texts[0]) if len(texts) == 1 else json.dumps(texts)
    times = [moment for value in row if (moment := _moment(value)) is not None]
    return Answer(version, _since(times[0]) if times else None)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        # The same moment is the same version, whatever zone a session is in.
        return _utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        if not _MOMENT.fullmatch(value.strip()):
            return None
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        return _utc(value)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _since(value: datetime) -> int:
    return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
