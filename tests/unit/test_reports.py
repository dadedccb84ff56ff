"""What a command said by Dagster Pipes, taken in after its end: its log, results of checks, what is left on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets_cli.computes import pipes
from assets_cli.computes.reported import Reported
from assets_cli.model.history import CheckResult
from assets_cli.model.manifest import Asset, Check
from assets_cli.model.problem import Place
from assets_cli.model.secrets import mask
from assets_cli.running import reports

SECRETS = ("opensesame",)
RUN = "20261122T130204.548039-a106"
ASSET = Asset("raw/x", Place("assets.yml", 1, 1), checks=(Check("declared", "row_count", {"min": 1}, "error", True),))

Heard = Callable[..., reports.Heard]


def message(method: str, **params: Any) -> str:
    """A message as the client writes it."""
    return json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run's logs."""
    return tmp_path


@pytest.fixture
def hear(folder: Path) -> Heard:
    """Hears these messages."""

    def work(*messages: str, log: str = "") -> reports.Heard:
        (folder / "raw%2Fx.1.log").write_text(log)
        (folder / "raw%2Fx.1.pipes.result.json").write_text("".join(messages))
        listening = reports.Listening(
            ASSET,
            RUN,
            folder / "raw%2Fx.1.log",
            folder / "raw%2Fx.1.result.json",
            SECRETS,
            lambda value: mask(value, SECRETS),
            lambda: 42,
        )
        assert reports.has_spoken(listening.log, listening.result)
        return reports.hear(listening)

    return work


def result(name: str, *, passed: bool, severity: str = "error", message: str = "", **metadata: Any) -> CheckResult:
    """What is recorded of a reported check."""
    return CheckResult(name, passed, severity, False, None, message, (), 42, RUN, True, metadata)  # type: ignore[arg-type]


def test_checks_become_results_that_never_block(hear):
    """The message of one that failed has what was said of it, in one line."""
    heard = hear(
        message("report_asset_check", check_name="a", passed=True, severity="ERROR", metadata={"n": 1}),
        message("report_asset_check", check_name="b", passed=False, severity="WARN", metadata=None),
        message("report_asset_check", check_name="c", passed=False, severity="ERROR", metadata={"n": 1, "t": "x\ny"}),
        message("report_asset_check", check_name="d", passed=False, metadata={"long": "x" * 1000}),
    )
    assert heard.checks[:3] == (
        result("a", passed=True, n=1),
        result("b", passed=False, severity="warn", message="reported by the command"),
        result("c", passed=False, message="reported by the command (n: 1, t: x y)", n=1, t="x\ny"),
    )
    assert heard.checks[3].message == "reported by the command (long: " + "x" * 468 + "…"


def test_the_manifest_decides_on_a_check_that_it_declares(hear):
    """One name has one verdict. What the command said against it is told, what it said for it is not."""
    assert hear(message("report_asset_check", check_name="declared", passed=True)) == reports.Heard()
    warning = "it reported that check declared failed; the manifest declares one of this name, which decides"
    assert hear(message("report_asset_check", check_name="declared", passed=False)) == reports.Heard(
        warnings=(warning,)
    )


def test_log_lines_follow_what_was_printed(hear, folder):
    """From the beginning of a line on."""
    hear(message("log", level="INFO", message="on"), log="printed\n")
    assert (folder / "raw%2Fx.1.log").read_text() == "printed\nINFO on\n"
    hear(message("log", level="INFO", message="on"), log="half a line")
    assert (folder / "raw%2Fx.1.log").read_text() == "half a line\nINFO on\n"


def test_our_own_lines_are_no_part_of_what_was_printed(hear, folder):
    """What the command printed ends in the middle of a message; what is added behind it does not complete it."""
    printed = message("log", level="INFO", message="printed")
    custom = message("report_custom_message", payload="x" * 20_000 + printed)
    heard = hear(custom, log=printed + printed[:40])
    assert heard.warnings == ("its last Pipes message is unfinished and was left out",)
    log = (folder / "raw%2Fx.1.log").read_text()
    assert log == printed + printed[:40] + "\nmessage: " + "x" * 20_000 + printed + "\nINFO printed\n"


def test_what_looks_like_the_beginning_of_a_secret_is_shown(hear, folder):
    """At the end, when nothing can follow."""
    hear(message("log_external_stream", stream="stdout", text="open"))
    assert (folder / "raw%2Fx.1.log").read_text() == "open"


def test_a_context_that_nobody_asked_for_is_removed(folder):
    """The command had nothing to do with Pipes."""
    (folder / "x.1.context.result.json").write_text("{}")
    assert not reports.has_spoken(folder / "x.1.log", folder / "x.1.result.json")
    assert list(folder.iterdir()) == []


def test_secrets_are_hidden(hear, folder):
    """In the log, also where one is in two messages, and in whatever was said of a check."""
    heard = hear(
        message("log", level="INFO", message="the word is opensesame"),
        message("log_external_stream", stream="stdout", text="open"),
        message("log_external_stream", stream="stdout", text="sesame\n"),
        message("report_asset_check", check_name="opensesame", passed=False, metadata={"word": "opensesame"}),
    )
    assert heard.checks == (result("***", passed=False, message="reported by the command (word: ***)", word="***"),)
    assert (folder / "raw%2Fx.1.log").read_text() == ("INFO the word is ***\n***\ncheck ***: failed, word: ***\n")


def test_the_channel_is_removed(hear, folder):
    """Only the log stays."""
    (folder / "raw%2Fx.1.context.result.json").write_text("{}")
    hear(message("opened"))
    assert [path.name for path in folder.iterdir()] == ["raw%2Fx.1.log"]


def test_a_log_that_cannot_be_written_stops_nothing(folder):
    """What was reported counts all the same; what is lost is said."""
    (folder / "x.1.log").mkdir()
    (folder / "x.1.pipes.result.json").write_text(
        message("log", message="on") + message("report_asset_materialization", data_version="v1")
    )
    listening = reports.Listening(
        ASSET, RUN, folder / "x.1.log", folder / "x.1.result.json", (), lambda value: value, lambda: 42
    )
    warning = "what it logged by Pipes could not be added to its log: is a directory"
    assert reports.hear(listening) == reports.Heard(Reported("v1"), warnings=(warning,))


def test_a_dead_run_keeps_what_its_commands_had_logged(folder):
    """Nobody has heard them: their words go into their logs, without secrets, and the channels are removed."""
    (folder / "raw%2Fx.2.log").write_text("printed\n")
    (folder / "raw%2Fx.2.pipes.result.json").write_text(
        message("log", level="INFO", message="opensesame") + message("log", message="more")[:-9]
    )
    (folder / "y.1.pipes.result.json").write_text(message("report_asset_materialization", asset_key="y"))
    reports.rescue(folder, SECRETS)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "raw%2Fx.2.log": "printed\nINFO ***\n",
        "y.1.log": "materialized: nothing is reported of it\n",
    }


def test_a_command_that_said_nothing_costs_no_import(folder):
    """What reads messages is imported where there are any."""
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from assets_cli.running import reports\n"
        f"assert not reports.has_spoken(Path({os.fspath(folder / 'x.1.log')!r}), Path('/nowhere/x.1.result.json'))\n"
        "print('assets_cli.computes.pipes_messages' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_the_names_are_those_that_recovery_removes():
    """Everything that ends so in a dead run's folder is removed."""
    assert all(path.endswith(".result.json") for path in pipes.Files.beside("/x/a.1.result.json"))
