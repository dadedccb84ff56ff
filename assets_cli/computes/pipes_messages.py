"""Dagster Pipes, from the script: its messages, found in their file and among the lines of the log, and what they say.

Nothing that a script can write ends in an exception, or is read into memory whole. What it logs, and what else it says,
is handed on as lines of text, in order; it is the caller who writes them, and who takes secrets out.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, Final, Literal, NamedTuple

from assets_cli.computes import reported
from assets_cli.computes.pipes import MARK, Files, is_marked
from assets_cli.computes.reported import Reported
from assets_cli.model import metadata as values
from assets_cli.model.problem import system_reason

WINDOW: Final = 16 << 20
"""Bytes at the beginning and at the end of a file that are read; what is between them in a larger one is left out."""

LONGEST: Final = 4 << 20
"""Bytes of one message."""

KEPT: Final = 8 << 20
"""Bytes of all the messages whose content is kept: what was reported of the materialization and by checks."""

_BEGINNING: Final = b"{" + MARK
_DEEPEST: Final = 32
_END: Final = 65_536
_MOST_WARNINGS: Final = 10
_LONGEST_REASON: Final = 500
_MOST_CAUSES: Final = 10
_MOST_BELOW: Final = 10
"""Lines of ours that may stand below a traceback which the script printed."""
_TIMES: Final = ("data_time", "dagster/last_updated_timestamp")
"""Metadata that says up to which moment the data goes."""


class SaidCheck(NamedTuple):
    """A check that the script evaluated by itself."""

    name: str
    passed: bool
    severity: Literal["error", "warn"]
    metadata: Mapping[str, Any]


class Said(NamedTuple):
    """All that a script said. `exception` is one line of that with which it closed its channel, if it did so last."""

    reported: Reported = Reported()
    checks: tuple[SaidCheck, ...] = ()
    exception: str | None = None
    warnings: tuple[str, ...] = ()


Write = Callable[[str], None]
"""Takes text for the log, line breaks included."""


def read(asset: str, files: Files, log: str, write: Write) -> Said:
    """Read what the script of an asset said, and tell `write` what belongs into the log, which is only read here."""
    account = _Account(asset, write, _end_of(log))
    size = _size(log)
    marked = is_marked(log)
    _read_file(files.messages, account)
    if marked:
        _read_log(log, size, account)
    return account.said()


def _read_file(path: str, account: _Account) -> None:
    """Every line is a message."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - the paths of steps are texts
            size = os.fstat(stream.fileno()).st_size
            for line in _lines(stream, size):
                message, whole = _parsed(line)
                if message is not None:
                    account.take(message, len(line))
                if not whole and line.strip():
                    account.note_unreadable(line)
    except FileNotFoundError:
        return
    except OSError as error:
        account.warn(f"its Pipes messages cannot be read: {system_reason(error)}")
        return
    if size > 2 * WINDOW:
        account.warn(
            f"it wrote {size >> 20:,} MiB of Pipes messages: the first and the last {WINDOW >> 20} MiB were read, "
            "what is between them was left out"
        )


def _read_log(log: str, size: int, account: _Account) -> None:
    """Messages are among other lines, and behind them. `size` is what the command wrote: what follows is ours."""
    try:
        with open(log, "rb") as stream:  # noqa: PTH123 - as above
            for line in _lines(stream, size):
                if MARK not in line:
                    continue
                message, _ = _parsed(line)
                if message is not None:
                    account.take(message, len(line))
                elif line.startswith(_BEGINNING):
                    account.note_unreadable(line)
    except OSError as error:
        account.warn(f"its log cannot be read for Pipes messages: {system_reason(error)}")
        return
    if size > 2 * WINDOW:
        account.warn(
            f"its log has {size >> 20:,} MiB: Pipes messages were looked for in {WINDOW >> 20} MiB at each end"
        )


def _lines(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """The lines of the windows with their line breaks; one without is unfinished, or the beginning of a longer one."""
    # One byte before the second window tells whether a line begins there.
    windows = ((0, size),) if size <= 2 * WINDOW else ((0, WINDOW), (size - WINDOW - 1, size))
    for start, end in windows:
        stream.seek(start)
        position = start + (_skip_line(stream, end - start) if start else 0)
        while position < end:
            line = stream.readline(min(LONGEST, size - position))
            if not line:
                return  # somebody made it shorter
            yield line
            position += len(line)
            if not line.endswith(b"\n"):
                position += _skip_line(stream, end - position)


def _skip_line(stream: BinaryIO, room: int) -> int:
    """Go behind the next line break, over so many bytes at most; the number of bytes that this took."""
    skipped = 0
    while skipped < room:
        rest = stream.readline(min(LONGEST, room - skipped))
        skipped += len(rest)
        if not rest or rest.endswith(b"\n"):
            break
    return skipped


def _parsed(line: bytes) -> tuple[dict[str, Any] | None, bool]:
    """The message in a line, and whether it is all of the line: something unfinished may be before it."""
    message = _message(line)
    if message is not None:
        return message, True
    start = line.rfind(_BEGINNING)
    return (_message(line[start:]) if start > 0 else None), False


def _message(data: bytes) -> dict[str, Any] | None:
    try:
        try:
            document = json.loads(data)
        except json.JSONDecodeError:
            return None
        except ValueError:  # it has an integer of thousands of digits, or is no UTF-8
            document = json.loads(data, parse_int=str)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, dict) and "__dagster_pipes_version" in document and "method" in document:
        return document
    return None


class _Account:
    """What was said so far."""

    def __init__(self, asset: str, write: Write, shown: str) -> None:
        self._asset = asset
        self._writer = write
        self._written = 0
        self._shown = shown
        self._reports: list[Reported] = []
        self._checks: dict[str, SaidCheck] = {}
        self._exception: str | None = None
        self._warnings: dict[str, None] = {}
        self._unreadable = 0
        self._unfinished = False
        self._kept = 0
        self._takers: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "opened": self._opened,
            "closed": self._closed,
            "log": self._log,
            "log_external_stream": self._stream,
            "report_asset_materialization": self._materialization,
            "report_asset_check": self._check,
            "report_custom_message": self._custom,
        }

    def said(self) -> Said:
        """All of it."""
        warnings = list(self._warnings)
        if self._unreadable:
            number = f"{self._unreadable:,} of its Pipes messages" if self._unreadable > 1 else "a Pipes message of it"
            warnings.append(f"{number} could not be read and {'were' if self._unreadable > 1 else 'was'} left out")
        if self._unfinished:
            warnings.append("its last Pipes message is unfinished and was left out")
        return Said(reported.merge(self._reports), tuple(self._checks.values()), self._exception, tuple(warnings))

    def warn(self, message: str) -> None:
        """Say that something was left out, each once."""
        if len(self._warnings) < _MOST_WARNINGS:
            self._warnings[message] = None

    def note_unreadable(self, line: bytes) -> None:
        """Count a line that is no message."""
        if line.endswith(b"\n"):
            self._unreadable += 1
        elif len(line) >= LONGEST:
            self.warn(f"a Pipes message of more than {LONGEST >> 20} MiB was left out")
        else:
            self._unfinished = True

    def take(self, message: Mapping[str, Any], size: int) -> None:
        """Take in one message of so many bytes."""
        method, params = message["method"], message.get("params")
        taker = self._takers.get(method) if isinstance(method, str) else None
        if taker is None:
            self.warn(f"it sent a Pipes message of the unknown method {_line(values.text(_plain(method)), 80)}")
            return
        if taker in (self._materialization, self._check):
            self._kept += size
            if self._kept > KEPT:
                self.warn(f"it reported more than {KEPT >> 20} MiB of metadata: what came later was left out")
                return
        taker(params if isinstance(params, Mapping) else {})

    def _opened(self, _: Mapping[str, Any]) -> None:
        self._exception = None  # of a script before this one, which the command has survived

    def _closed(self, params: Mapping[str, Any]) -> None:
        exception = params.get("exception")
        if not isinstance(exception, Mapping):
            return
        self._exception = _reason(exception)
        # Most scripts print it, too. But what is shown of a failure is the end of the log.
        if self._written > _MOST_BELOW or f"\n{_message_of(exception)}\n" not in f"\n{self._shown}\n":
            self._write(_traceback(exception))

    def _log(self, params: Mapping[str, Any]) -> None:
        self._say(f"{_text(params.get('level') or 'INFO')} {_text(params.get('message'))}")

    def _stream(self, params: Mapping[str, Any]) -> None:
        self._write(_text(params.get("text")))

    def _custom(self, params: Mapping[str, Any]) -> None:
        self._say(f"message: {values.text(_plain(params.get('payload')))}")

    def _materialization(self, params: Mapping[str, Any]) -> None:
        if not self._is_ours(params):
            return
        told = _metadata(params.get("metadata"))
        version = params.get("data_version")
        about = [] if version is None else [f"data version {_text(version)}"]
        self._say(f"materialized: {', '.join([*about, *_fields(told)]) or 'nothing is reported of it'}")
        self._reports.append(Reported(metadata=told))
        try:
            self._reports.append(reported.from_document({"data_version": _plain(version)}))
        except ValueError as error:
            self.warn(f"what it reported by Pipes {error}")
        for name in _TIMES:
            try:
                self._reports.append(reported.from_document({"data_time": _moment(told.get(name))}))
            except ValueError as error:
                self.warn(f"what it reported by Pipes {error}")

    def _check(self, params: Mapping[str, Any]) -> None:
        if not self._is_ours(params):
            return
        name, passed = params.get("check_name"), params.get("passed")
        if not isinstance(name, str) or not name.strip() or not isinstance(passed, bool):
            self.warn("it reported a check by Pipes without a name, or without saying whether it passed")
            return
        name, told = _text(name), _metadata(params.get("metadata"))
        severity: Literal["error", "warn"] = "warn" if params.get("severity") == "WARN" else "error"
        verdict = "passed" if passed else "failed" if severity == "error" else "warns"
        self._say(f"check {name}: {', '.join([verdict, *_fields(told)])}")
        self._checks[name] = SaidCheck(name, passed, severity, told)

    def _is_ours(self, params: Mapping[str, Any]) -> bool:
        key = params.get("asset_key")
        if key is None or key == self._asset:
            return True
        self.warn(f"it reported of {_line(values.text(_plain(key)), 200)} by Pipes, which is another asset: left out")
        return False

    def _say(self, line: str) -> None:
        self._write(f"{line}\n")

    def _write(self, text: str) -> None:
        self._written += text.count("\n")
        self._writer(text)


def _metadata(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        return {}
    return {_text(name): _value(value) for name, value in given.items()}


def _value(given: Any) -> Any:
    """A value of metadata, with its type where JSON has no word for it."""
    if values.is_typed(given):
        return values.value_of(_plain(given["raw_value"]), _text(given["type"]))
    return _plain(given)


def _plain(value: Any, room: int = _DEEPEST) -> Any:
    """A value as it can be kept and shown: numbers are finite, texts are characters, nothing is bottomless."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, (dict, list)) and not room:
        return "…"
    if isinstance(value, dict):
        return {_text(key): _plain(item, room - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, room - 1) for item in value]
    return value


def _text(value: Any) -> str:
    """A text without halves of characters, which no file and no screen can hold."""
    text = value if isinstance(value, str) else values.text(_plain(value))
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def _moment(value: Any) -> str | None:
    """A moment that was reported as text, or as seconds."""
    if isinstance(value, str):
        return value
    raw = value["raw_value"] if values.is_typed(value) else value
    found = values.moment(raw)
    return found.isoformat() if found else None


def _fields(told: Mapping[str, Any]) -> list[str]:
    return [f"{name}: {values.text(value)}" for name, value in told.items()]


def _message_of(exception: Mapping[str, Any]) -> str:
    return _text(exception.get("message") or "").strip()


def _reason(exception: Mapping[str, Any]) -> str:
    """`ValueError: no rows`: the line of the message that says it, with the name of the exception."""
    lines = [line for line in _message_of(exception).split("\n") if line.strip()]
    name = _text(exception.get("name") or "")
    said = next((line for line in lines if name and name in line), None)
    if said is None:
        said = ": ".join(filter(None, (name, lines[0].strip() if lines else "")))
    return _line(said, _LONGEST_REASON) or "an exception"


def _traceback(exception: Mapping[str, Any]) -> str:
    """As Python prints it, what led to it first."""
    parts: list[str] = []
    current: Any = exception
    while isinstance(current, Mapping) and len(parts) < _MOST_CAUSES:
        stack = current.get("stack")
        frames = "".join(f"{_text(frame).rstrip()}\n" for frame in stack) if isinstance(stack, list) else ""
        head = "Traceback (most recent call last):\n" if frames else ""
        because = "\nThe exception above is the cause of the following one:\n\n" if parts else ""
        said = _message_of(current) or _text(current.get("name") or "an exception")
        parts.append(f"{head}{frames}{said}\n{because}")
        current = current.get("cause") or current.get("context")
    return "".join(reversed(parts))


def _line(text: str, longest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - the paths of steps are texts
    except OSError:
        return 0


def _end_of(log: str) -> str:
    """The end of a log, where the traceback of what ended the script is, if it printed it."""
    try:
        with open(log, "rb") as stream:  # noqa: PTH123 - as above
            stream.seek(max(os.fstat(stream.fileno()).st_size - _END, 0))
            return stream.read(_END).decode("utf-8", "replace")
    except OSError:
        return ""
