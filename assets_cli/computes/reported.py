"""What a command says of its output by itself: a data version, a data time, any metadata. Checked here, once.

Shell commands say it in a file, Python functions by `context.report`; both mean the same by the same words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DEEPEST = 100


class Reported(NamedTuple):
    """`data_time` is in microseconds UTC. Metadata is JSON."""

    data_version: str | None = None
    data_time: int | None = None
    metadata: Mapping[str, Any] = {}

    def facts(self, *, is_root: bool) -> Mapping[str, Any]:
        """What is kept for people: of what has upstreams, whose data is as old as they are, the data time too."""
        if is_root or self.data_time is None:
            return self.metadata
        said = (_EPOCH + self.data_time * _MICROSECOND).isoformat().replace("+00:00", "Z")
        return {"data_time": said, **self.metadata}


def from_document(document: Any) -> Reported:
    """What a JSON document says: an object with `data_version`, `data_time` (RFC 3339) and `metadata`.

    Raises:
        ValueError: it says something else; the message is a sentence without a subject.
    """
    if not isinstance(document, dict):
        raise ValueError(f"is {_article(document)} instead of an object")  # noqa: TRY004 - one error for all callers
    unknown = sorted(set(document) - set(Reported._fields))
    if unknown:
        raise ValueError(f"has the unknown key {unknown[0]!r}; known keys: {', '.join(Reported._fields)}")
    metadata = document.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise ValueError(f"has metadata that is {_article(metadata)} instead of an object")
    if _is_deep(metadata):
        raise ValueError(f"has metadata that is nested more than {_DEEPEST} levels deep")
    return Reported(_version(document.get("data_version")), _time(document.get("data_time")), metadata or {})


def from_values(values: Mapping[str, Any]) -> Reported:
    """What a Python function says: `data_version`, `data_time` (also a datetime), and anything else as metadata.

    Raises:
        ValueError: a value is none that can be kept; the message is a sentence without a subject.
    """
    metadata = {key: value for key, value in values.items() if key not in ("data_version", "data_time")}
    plain = {key: _plain(key, value) for key, value in metadata.items()}
    return Reported(_version(values.get("data_version")), _time(values.get("data_time")), plain)


def merge(reports: Iterable[Reported]) -> Reported:
    """All that was said, as one: what was said later counts."""
    version: str | None = None
    time: int | None = None
    metadata: dict[str, Any] = {}
    for report in reports:
        version = report.data_version if report.data_version is not None else version
        time = report.data_time if report.data_time is not None else time
        metadata.update(report.metadata)
    return Reported(version, time, metadata)


def _version(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"has a data_version that is {_article(value)} instead of text")  # noqa: TRY004 - as above
    if not str(value).strip():
        raise ValueError("has an empty data_version")
    return str(value)


def _time(value: Any) -> int | None:
    """Microseconds of a moment. One without a time zone is UTC, as most warehouses store it."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"has a data_time of {value!r}; write it like 2026-01-31T09:30:00Z") from None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise ValueError(  # noqa: TRY004 - one error for all callers
            f"has a data_time that is {_article(value)}; write it like 2026-01-31T09:30:00Z"
        )
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    since: timedelta = value - _EPOCH
    return since // _MICROSECOND


def _plain(key: str, value: Any) -> Any:
    """The value as JSON has it, with numbers of numpy and its kind as plain numbers.

    Raises:
        ValueError: JSON has no such value.
    """

    def scalar(thing: Any) -> Any:
        item = getattr(thing, "item", None)
        if callable(item) and getattr(thing, "shape", None) == ():
            return item()
        raise TypeError(f"is {_article(thing)}")

    try:
        plain = json.loads(json.dumps(value, default=scalar, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, TypeError) else "is not finite or nested too deeply"
        raise ValueError(f"has {key}, which {reason}: JSON has no such value") from None
    if _is_deep(plain):
        raise ValueError(f"has {key}, which is nested more than {_DEEPEST} levels deep")
    return plain


def _is_deep(value: Any) -> bool:
    """Whether a value is nested so deeply that whoever goes through it may fail on it."""
    level = [value]
    for _ in range(_DEEPEST):
        holders = [each for each in level if isinstance(each, (dict, list))]
        if not holders:
            return False
        level = [inner for each in holders for inner in (each.values() if isinstance(each, dict) else each)]
    return True


def _article(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    name = kinds.get(type(value)) or type(value).__name__
    if value is None:
        return "null"
    return name if " " in name or name == "text" else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
