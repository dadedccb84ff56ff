"""Rows to values and back: the columns of each table, in the order of the value's fields. Knows no query."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from assets_cli.model import texts
from assets_cli.model.history import (
    Attempt,
    CheckResult,
    Component,
    Fingerprint,
    Input,
    Materialization,
    Observation,
)

# Columns are listed in the order of the fields, so that a row becomes a value without a name being looked up.
MATERIALIZATION = (
    "m.seq, m.asset, m.run, m.attempt, m.started, m.finished, m.code_version, m.components, m.data_version, "
    "m.fingerprint, m.fingerprint_stat, m.fingerprint_newest, m.fingerprint_taken, m.data_time, m.inputs, "
    "m.unchanged, m.blocked, m.metadata, m.partition"
)
ATTEMPT = "a.seq, r.id, a.asset, a.number, a.state, a.started, a.finished, a.exit_code, a.reason, a.log, a.partition"
OBSERVATION = "o.seq, o.asset, o.observed, o.data_version, o.data_time, o.metadata"
CHECK_RESULT = "c.name, c.passed, c.severity, c.blocking, c.details, c.at, c.run"
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode
_EMPTY: dict[type, str] = {dict: "{}", list: "[]", tuple: "[]"}
# Half the price of calling the class.
_new = tuple.__new__

Row = tuple[Any, ...]


class Components(Mapping[str, Component]):
    """The components of a code version, decoded when they are first asked for.

    A snapshot of ten thousand assets holds most of its bytes here, and many of its readers never look.
    """

    __slots__ = ("_decoded", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._decoded: dict[str, Component] | None = None

    def _all(self) -> dict[str, Component]:
        if self._decoded is None:
            self._decoded = texts.components(self.text)
        return self._decoded

    def __getitem__(self, name: str) -> Component:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def __repr__(self) -> str:
        return repr(self._all())


def components_text(components: Mapping[str, Component]) -> str:
    """The stored form of components; of those that were read, or never taken apart, it is at hand."""
    return components.text if isinstance(components, Components) else texts.of_components(components)


def dump(value: Any) -> str:
    """Compact JSON. What JSON has no word for, such as a decimal in the metadata, is kept as its text."""
    return _encode(value) if value else _EMPTY.get(type(value)) or _encode(value)


def text(value: str | None) -> str | None:
    """A text that SQLite can hold: bytes of a log that are no UTF-8 come out escaped."""
    return None if value is None else value.encode("utf-8", "backslashreplace").decode()


def load_each(documents: Sequence[str]) -> list[Any]:
    """Many small JSON documents in one call: ten times as fast as a call for each."""
    return list(json.loads(f"[{','.join(documents)}]"))


def materializations(rows: Iterable[Row]) -> list[Materialization]:
    """Rows of the columns `MATERIALIZATION`, as values."""
    return [_materialization(row) for row in rows]


def _materialization(row: Row) -> Materialization:
    (*plain, stored, version, digest, stat, newest, taken, data_time, inputs, unchanged, blocked, told, partition) = row
    print_ = fingerprint(digest, stat, newest, taken)
    made = (*plain, Components(stored), version, print_, data_time, texts.inputs(inputs))
    return _new(Materialization, (*made, unchanged == 1, blocked == 1, json.loads(told), partition))


def fingerprint(digest: str | None, stat: str | None, newest: int, taken: int) -> Fingerprint | None:
    """The columns of a fingerprint as a value."""
    return None if digest is None else Fingerprint(digest, stat, newest, taken)


def attempts(rows: Sequence[Row], dead: Collection[str]) -> list[Attempt]:
    """Rows of the columns `ATTEMPT`, as values; what is open while its run is dead has crashed."""
    values = [_new(Attempt, row) for row in rows]
    return [
        value._replace(state="crashed") if value.state == "open" and value.run in dead else value for value in values
    ]


def observations(rows: Iterable[Row]) -> list[Observation]:
    """Rows of the columns `OBSERVATION`, as values."""
    return [_new(Observation, (*row[:5], json.loads(row[5]))) for row in rows]


def check_result(row: Row) -> CheckResult:
    """A row of the columns `CHECK_RESULT`, as a value."""
    name, passed, severity, blocking, stored, at, run = row
    told = json.loads(stored)
    found = (told.get("failing"), told.get("message", ""), tuple(told.get("sample", ())))
    said = (told.get("reported", False), told.get("metadata", {}))
    return CheckResult(name, passed == 1, severity, blocking == 1, *found, at, run, *said)


def check_details(value: CheckResult) -> str:
    """What is stored of a result besides its columns."""
    details: dict[str, Any] = {"failing": value.failing, "message": value.message, "sample": list(value.sample)}
    if value.reported:
        details |= {"reported": True, "metadata": dict(value.metadata)}
    return dump(details)


def durations_text(durations: Sequence[int]) -> str:
    """The stored form of durations."""
    return f"[{','.join(map(str, durations))}]"


def prepared_text(value: Materialization) -> str:
    """A whole materialization as one document, for an attempt that is about to publish it."""
    document = value._asdict()
    document["components"] = {name: tuple(component) for name, component in value.components.items()}
    document["inputs"] = {name: tuple(read) for name, read in value.inputs.items()}
    document["metadata"] = dict(value.metadata)
    return dump(document)


def prepared(document: str) -> Materialization:
    """The materialization that `prepared_text` wrote."""
    fields = json.loads(document)
    fields["components"] = {name: Component(*parts) for name, parts in fields["components"].items()}
    fields["inputs"] = {name: Input(*parts) for name, parts in fields["inputs"].items()}
    if fields["fingerprint"] is not None:
        fields["fingerprint"] = Fingerprint(*fields["fingerprint"])
    return Materialization(**fields)
