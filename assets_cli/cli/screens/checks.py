"""What checks found as people read it: a line for each failure, the first failing rows below; and `assets check`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assets_cli.cli.screens import table
from assets_cli.cli.terminal import Terminal, clean
from assets_cli.cli.words import count
from assets_cli.model.answers import Checked
from assets_cli.model.history import CheckResult

_INDENT = 4
_LEAST = 6


def failures(results: Sequence[CheckResult], terminal: Terminal) -> Iterator[str]:
    """The checks that failed, each with the first rows that fail it."""
    for result in results:
        if not result.passed:
            yield from _failure(result, terminal)


def _failure(result: CheckResult, terminal: Terminal) -> Iterator[str]:
    verdict = "check warns"
    if result.is_error:
        verdict = "blocking check failed" if result.blocking else "check failed"
    text = f"{verdict}: {_line(result.name)}: {_line(result.message)}"
    first, *rest = terminal.wrap(text, terminal.width - _INDENT)
    yield "  " + first.replace(verdict, terminal.paint(verdict, "bold", "red" if result.is_error else "yellow"), 1)
    yield from (" " * _INDENT + line for line in rest)
    yield from rows(result.sample, terminal)


def _passed(result: CheckResult, terminal: Terminal) -> Iterator[str]:
    """Its name, and what it went by where that is not the data alone."""
    text = f"passed: {_line(result.name)}" + (f": {_line(result.message)}" if result.message else "")
    first, *rest = terminal.wrap(text, terminal.width - _INDENT)
    yield "  " + first.replace("passed", terminal.paint("passed", "green"), 1)
    yield from (" " * _INDENT + line for line in rest)


def rows(sample: Sequence[Mapping[str, Any]], terminal: Terminal) -> Iterator[str]:
    """A few rows as a small table; of one that is too wide the first columns."""
    if not sample:
        return
    names = list(dict.fromkeys(name for row in sample for name in row))
    columns = [
        table.Column(_line(name), least=max(_LEAST, min(len(name), 2 * _LEAST)), worth=len(names) - index)
        for index, name in enumerate(names)
    ]
    values = [[_text(row[name]) if name in row else "" for name in names] for row in sample]
    narrower = terminal._replace(width=terminal.width - _INDENT)
    for line in table.lines(columns, values, narrower):
        yield " " * _INDENT + line


def _text(value: Any) -> str:
    return _line(value) if isinstance(value, str) else _line(json.dumps(value, ensure_ascii=False))


def _line(text: str) -> str:
    return clean(" ".join(text.splitlines()))


def report(answers: Sequence[Checked], terminal: Terminal) -> Iterator[str]:
    """`assets check`: every asset with its checks, then how many there were."""
    for answer in answers:
        note = " (unblocked)" if answer.unblocked else ""
        yield terminal.paint(answer.asset, "bold") + note
        if answer.refused is not None:
            yield f"  {terminal.paint('not checked', 'bold', 'yellow')}: {_line(answer.refused.message)}"
            if answer.refused.hint:
                yield f"    hint: {answer.refused.hint}"
        for result in answer.results:
            if result.passed:
                yield from _passed(result, terminal)
            else:
                yield from _failure(result, terminal)
        if answer.note:
            yield f"  {terminal.paint(_line(answer.note), 'dim')}"
    yield ""
    yield total(answers, terminal)


def total(answers: Sequence[Checked], terminal: Terminal) -> str:
    """`5 checks of 2 assets: 3 passed, 1 failed, 1 warned; 1 asset not checked`."""
    results = [result for answer in answers for result in answer.results]
    looked_at = [answer for answer in answers if answer.refused is None]
    parts = []
    for number, word, colour in (
        (sum(result.passed for result in results), "passed", "green"),
        (sum(result.is_error for result in results), "failed", "red"),
        (sum(not result.passed and not result.is_error for result in results), "warned", "yellow"),
    ):
        if number:
            parts.append(terminal.paint(f"{number:,} {word}", "bold", colour))
    text = f"{count(len(results), 'check')} of {count(len(looked_at), 'asset')}"
    if parts:
        text += f": {', '.join(parts)}"
    refused = len(answers) - len(looked_at)
    return f"{text}; {count(refused, 'asset')} not checked" if refused else text
