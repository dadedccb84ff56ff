"""Calls that are read without Typer, held against Typer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets_cli.cli import application, calls
from assets_cli.cli.commands import TABLE
from assets_cli.cli.options import Option
from assets_cli.model.problem import AssetsError

ENTRIES = [entry for command in TABLE.values() for entry in (command.actions or {"": command}).values()]
VALUES = ["a", "raw/*", "+x+", "", "5", "0", "-1", " 7", "1_0", "x5", "tree", "csv", "test", "x=y", "-", "out.json"]
ODD = ["--", "--help", "-h", "-n5", "-j=2", "-nj", "--version", "--no-such", "---", "-5", "--json=1", "plan", "state"]
GLOBALS = [
    ["-C", "."],
    ["-C", "/"],
    ["--env", "prod"],
    ["--env=prod"],
    ["--var", "a=b"],
    ["--var=c=d"],
    ["--state", "s.db"],
]


@st.composite
def typed(draw: st.DrawFn) -> list[str]:
    """Words of a call, of which most make sense."""
    entry = draw(st.sampled_from(ENTRIES))
    declared = calls.parameters(calls.function(entry))
    value = st.sampled_from(VALUES)
    words = [[word] for word in draw(st.lists(value, max_size=3))]
    for each in draw(st.lists(st.sampled_from(declared), max_size=4)) if declared else ():
        if isinstance(each.declared, Option):
            name = draw(st.sampled_from(each.declared.names))
            if each.is_flag:
                words.append([name])
            else:
                words.append([f"{name}={draw(value)}"] if draw(st.booleans()) else [name, draw(value)])
    words += draw(st.lists(st.sampled_from(GLOBALS), max_size=2))
    if draw(st.integers(0, 3)) == 0:
        words.append([draw(st.sampled_from(ODD))])
    mixed = [word for part in draw(st.permutations(words)) for word in part]
    before = [word for part in draw(st.lists(st.sampled_from(GLOBALS), max_size=2)) for word in part]
    return [*before, *entry.name.split(), *mixed]


def seen(patch: pytest.MonkeyPatch, arguments: Sequence[str], *, slowly: bool) -> Any:
    """Which command is called with what, or what is said instead; None where nothing of ours reads it."""
    called: list[Any] = []

    def note(command: Any, session: Any, values: dict[str, Any]) -> int:
        called.append((command.__module__, session, {name: value or None for name, value in values.items()}))
        return 0

    patch.setattr(calls, "run", note)
    try:
        if slowly:
            application.invoke(arguments)
        else:
            call = calls.read(arguments)
            if call is None:
                return None
            note(call.command, call.session(), call.values)
    except AssetsError as error:
        return error.problems
    return called


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=typed())
@example(words=["plan", "a", "--out", "--json", "--all"])
@example(words=["lineage", "--depth=3", "--format", "dot", "a", "--var", "x=y"])
@example(words=["connections", "test", "a", "b"])
def test_what_both_can_read_they_read_alike(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command, the same options, the same values, the same refusal."""
    quickly = seen(monkeypatch, words, slowly=False)
    if quickly is not None:
        assert quickly == seen(monkeypatch, words, slowly=True)
    capsys.readouterr()


@pytest.mark.parametrize(
    "line",
    [
        "plan",
        "plan raw/* --upstream --downstream --json",
        "plan --exit-code --out plan.json",
        "-C . --env prod materialize -j 4 --fail-fast",
        "materialize --jobs=4 a b c --var x=y",
        "list tag:x --json",
        "why a",
        "lineage a --depth 3 --format mermaid",
        "runs -n 5 --before latest",
        "connections test",
        "state mv old new --swap",
        "explain A0815",
        "schema",
    ],
)
def test_calls_as_they_are_mostly_typed_do_without_typer(line: str) -> None:
    """None of them is left to Typer."""
    assert calls.read(line.split()) is not None


@pytest.mark.parametrize(
    "line", ["", "--help", "plan --help", "plam", "why", "runs a b", "plan -x", "lineage a --depth 0"]
)
def test_help_and_mistakes_are_left_to_typer(line: str) -> None:
    """It knows what to say of them."""
    assert calls.read(line.split()) is None
