"""What checks found, on screens of any width: failures with their first rows, and the report of `assets check`."""

from __future__ import annotations

import io

from support.shop import NOON, RUN

from assets_cli.cli.screens import checks as screen
from assets_cli.cli.terminal import Terminal
from assets_cli.model.answers import Checked
from assets_cli.model.history import CheckResult
from assets_cli.model.problem import Problem

PASSED = CheckResult(
    name="unique(id)",
    passed=True,
    severity="error",
    blocking=False,
    failing=None,
    message="",
    sample=(),
    at=NOON,
    run=RUN,
)
WARNED = PASSED._replace(name="row_count", passed=False, severity="warn", message="3 rows, expected at least 10")
FAILED = PASSED._replace(
    name="not_null(customer)",
    passed=False,
    blocking=True,
    failing=2,
    message="2 of 3 rows have no value",
    sample=({"customer": None, "id": 2, "note": "a b"}, {"customer": None, "id": 30}),
)


def terminal(width: int = 80, *, colour: bool = False) -> Terminal:
    """A terminal of so many columns."""
    return Terminal(io.StringIO(), width=width, colour=colour)


def test_failures_have_their_first_rows() -> None:
    """What passed is not named; a null is `null`, what a row has not is blank, texts stand as they are."""
    assert list(screen.failures((PASSED, WARNED, FAILED), terminal())) == [
        "  check warns: row_count: 3 rows, expected at least 10",
        "  blocking check failed: not_null(customer): 2 of 3 rows have no value",
        "    customer  id  note",
        "    null      2   a b",
        "    null      30",
    ]


def test_a_narrow_terminal() -> None:
    """Sentences wrap; columns are left out from the last."""
    lines = list(screen.failures((FAILED,), terminal(40)))
    assert lines == [
        "  blocking check failed:",
        "    not_null(customer): 2 of 3 rows have",
        "    no value",
        "    customer  id  note",
        "    null      2   a b",
        "    null      30",
    ]
    wide = FAILED._replace(sample=({f"column_{number}": "x" * 12 for number in range(9)},))
    shown = list(screen.failures((wide,), terminal(60)))
    assert shown[2].split()[:2] == ["column_0", "column_1"]
    assert any("no room for" in line for line in shown)


def test_what_comes_from_outside_moves_no_cursor() -> None:
    """In names, messages and rows."""
    nasty = FAILED._replace(message="\x1b[31mred\x07", sample=({"a\x1b[2J": "b\rc\nd"},))
    assert "\x1b" not in "".join(screen.failures((nasty,), terminal()))
    assert list(screen.failures((nasty,), terminal()))[1:] == ["    a", "    b c d"]


def test_the_report() -> None:
    """An asset a block, then a line that counts."""
    refused = Problem("A0620", "asset 'x' was never materialized", hint="materialize it")
    answers = [
        Checked("orders", (PASSED, WARNED), unblocked=True),
        Checked("sessions", (FAILED,), note="it stays in use below: only a run blocks what it has made"),
        Checked("x", refused=refused),
    ]
    assert list(screen.report(answers, terminal())) == [
        "orders (unblocked)",
        "  passed: unique(id)",
        "  check warns: row_count: 3 rows, expected at least 10",
        "sessions",
        "  blocking check failed: not_null(customer): 2 of 3 rows have no value",
        "    customer  id  note",
        "    null      2   a b",
        "    null      30",
        "  it stays in use below: only a run blocks what it has made",
        "x",
        "  not checked: asset 'x' was never materialized",
        "    hint: materialize it",
        "",
        "3 checks of 2 assets: 1 passed, 1 failed, 1 warned; 1 asset not checked",
    ]


def test_colour_is_never_the_only_sign() -> None:
    """The same words with and without."""
    coloured = list(screen.report([Checked("orders", (PASSED, FAILED))], terminal(colour=True)))
    assert coloured[0] == "\x1b[1morders\x1b[0m"
    assert coloured[1] == "  \x1b[32mpassed\x1b[0m: unique(id)"
    assert coloured[2].startswith("  \x1b[1;31mblocking check failed\x1b[0m: not_null(customer)")
