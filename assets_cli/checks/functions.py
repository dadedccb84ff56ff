"""Checks that are functions: what they return, or raise, as a finding. How one is called is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assets_cli.checks.jsonable import plain
from assets_cli.checks.protocol import PASSED, SAMPLE, Finding, refused

_ASSERTION = "AssertionError: "


def judge(value: Any) -> Finding:
    """None, True, an empty text and an empty list pass; a text says what is wrong, a list holds what fails."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        value = item()  # numpy's own True is not Python's
    if value is None or value is True:
        return PASSED
    if value is False:
        return Finding(passed=False, message="it returned False")
    if isinstance(value, str):
        return Finding(passed=False, message=" ".join(value.split())) if value.strip() else PASSED
    if isinstance(value, (list, tuple, set, frozenset)):
        return _listed(list(value)) if value else PASSED
    kind = type(value).__name__
    return Finding(
        passed=False,
        message=f"it returned a value of type {kind}; return None or True when all is well, else False, text or a list",
    )


def raised(error: Exception) -> Finding:
    """What a function found that raised; of an assertion its own words are enough."""
    found = refused(error)
    return found._replace(message=found.message.removeprefix(_ASSERTION))


def _listed(values: list[Any]) -> Finding:
    count = len(values)
    sample = tuple(_row(value) for value in values[:SAMPLE])
    message = f"it returned {count:,} {'item' if count == 1 else 'items'}"
    return Finding(passed=False, failing=count, message=message, sample=sample)


def _row(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        found: Mapping[str, Any] = plain(value)
        return found
    return {"value": plain(value)}
