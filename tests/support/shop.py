"""A project made of model values and a command line to look at it with: what the tests of the screens share."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assets_cli.cli import main, session
from assets_cli.connections.protocol import Rows
from assets_cli.model.answers import (
    AssetStatus,
    Impact,
    Lineage,
    Retry,
    Sample,
    Shown,
    Status,
    Verdict,
    Why,
)
from assets_cli.model.duration import SECOND
from assets_cli.model.event import RunEvent, RunFinished
from assets_cli.model.history import Attempt, Deed, RunRecord, StepRecord
from assets_cli.model.manifest import Asset, FreshnessPolicy, Manifest, Output, ShellCommand
from assets_cli.model.plan import Cause, Overdue, Plan, Promise, Skip, Step
from assets_cli.model.problem import Place, Problem

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOON = 1_795_262_400 * SECOND  # 2026-11-21T12:00:00Z
RUN = "20261121T115800-3f9a"


def asset(name: str, *upstreams: str, table: str | None = None, path: str | None = None, **fields: Any) -> Asset:
    """A shell asset with an output, or an external one with `external=True`."""
    external = fields.pop("external", False)
    return Asset(
        name=name,
        place=Place("assets.yml", 1, 1),
        upstreams=upstreams,
        command=None if external else ShellCommand("true"),
        output=None if external else Output(path=path, table=table, connection="warehouse" if table else None),
        **{"kind": "external" if external else "shell", **fields},
    )


ASSETS = (
    asset("raw_events", path="data/raw_events.parquet", group="raw", owners=("ingest-team",)),
    asset("sessions", "raw_events", table="sessions", kind="sql", owners=("data-team",)),
    asset("features", "sessions", "crm", table="features", kind="python", group="ml", owners=("data-team", "ml-team")),
    asset("model", "features", path="models/clv.pkl", kind="python", group="ml"),
    asset("report", "sessions", path="report.html"),
    asset("crm", external=True),
)


def manifest(*assets: Asset, root: str = "/shop") -> Manifest:
    """A manifest of these assets, or of the shop's."""
    return Manifest(
        root=root,
        file="assets.yml",
        project="shop",
        environment="default",
        state=".assets/state.db",
        vars={},
        connections={},
        default_connection="warehouse",
        assets={one.name: one for one in assets or ASSETS},
        files=("assets.yml",),
        warnings=(),
        locate=lambda *_: Place("assets.yml", 1, 1),
    )


def plan(*steps: Step, **fields: Any) -> Plan:
    """A plan of these steps, made at noon for two jobs."""
    defaults: dict[str, Any] = {
        "environment": "default",
        "now": NOON,
        "selection": (),
        "skips": (),
        "overdue": (),
        "removed": (),
        "warnings": (),
        "jobs": 2,
        "estimated": None,
        "critical_path": (),
    }
    return Plan(steps=steps, **{**defaults, **fields})


USUAL_PLAN = plan(
    Step(
        "raw_events",
        (Cause("missing", "never materialized"),),
        (),
        estimated=3_100_000,
        promise=Promise(NOON - 6 * HOUR, ("features",)),
    ),
    Step(
        "sessions",
        (
            Cause("code_changed", "code changed: sql/sessions.sql (9f31 -> 04bd)", component="sql/sessions.sql"),
            Cause("upstream_stale", "raw_events is a step of this plan", upstream="raw_events"),
        ),
        ("raw_events",),
        estimated=2_000_000,
    ),
    Step(
        "features",
        (Cause("upstream_stale", "sessions is a step of this plan", upstream="sessions"),),
        ("sessions",),
        estimated=4_000_000,
    ),
    skips=(
        Skip("report", "up_to_date"),
        Skip("model", "up_to_date", "nothing will refresh it: no freshness policy on it or below"),
        Skip("crm", "external"),
    ),
    overdue=(
        Overdue(
            "features", NOON - 9 * HOUR - 12 * MINUTE, NOON - 6 * HOUR, FreshnessPolicy(6 * HOUR), ("raw_events", "crm")
        ),
    ),
    removed=("old_report",),
    warnings=(
        Problem(
            "A0603",
            "report will read sessions as it stands, although it is stale",
            severity="warning",
            hint="add --upstream to materialize what is above, too",
            asset="report",
        ),
    ),
    estimated=9_100_000,
    critical_path=("raw_events", "sessions", "features"),
)


def status(
    name: str, verdict: Status = "up_to_date", *causes: Cause, among: Sequence[Asset] = ASSETS, **fields: Any
) -> AssetStatus:
    """An asset of the shop with a verdict."""
    external = verdict == "external"
    defaults: dict[str, Any] = {
        "overdue": False,
        "tentative": False,
        "materialized": None if verdict == "missing" else NOON - 2 * HOUR,
        "run": None if verdict == "missing" or external else RUN,
        "data_time": None if verdict == "missing" else NOON - 2 * HOUR,
        "rows": None,
    }
    found = next(one for one in among if one.name == name)
    return AssetStatus(asset=found, status=verdict, causes=causes, **{**defaults, **fields})


class FakeRepair:
    """Knows of what was done to the history on purpose."""

    def __init__(self, deeds: tuple[Deed, ...]) -> None:
        self._deeds = deeds

    def deeds(self, *_: str | None) -> tuple[Deed, ...]:
        """As `Repair.deeds`."""
        return self._deeds


class FakeProject:
    """Answers what it was told to. `asked` notes what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.manifest: Manifest = answers.pop("manifest", None) or manifest()
        self.repair = FakeRepair(answers.pop("deeds", ()))
        self.answers = answers
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def _answer(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.asked.append((name, args, kwargs))
        found = self.answers[name]
        if isinstance(found, BaseException):
            raise found
        return found

    def plan(self, selection: Sequence[str] = (), **flags: Any) -> Plan:
        """As `Project.plan`."""
        found: Plan = self._answer("plan", tuple(selection), **flags)
        return found

    def why(self, name: str) -> Why:
        """As `Project.why`."""
        found: Why = self._answer("why", name)
        return found

    def lineage(self, name: str, **flags: Any) -> Lineage:
        """As `Project.lineage`."""
        found: Lineage = self._answer("lineage", name, **flags)
        return found

    def list(self, selection: Sequence[str] = ()) -> tuple[AssetStatus, ...]:
        """As `Project.list`."""
        found: tuple[AssetStatus, ...] = self._answer("list", tuple(selection))
        return found

    def show(self, name: str) -> Shown:
        """As `Project.show`."""
        found: Shown = self._answer("show", name)
        return found

    def sample(self, name: str) -> Sample:
        """As `Project.sample`."""
        found: Sample = self._answer("sample", name)
        return found

    def impact(self, name: str) -> Impact:
        """As `Project.impact`."""
        found: Impact = self._answer("impact", name)
        return found

    def freshness(self, selection: Sequence[str] = ()) -> tuple[Verdict, ...]:
        """As `Project.freshness`."""
        found: tuple[Verdict, ...] = self._answer("freshness", tuple(selection))
        return found

    @contextmanager
    def query(self, sql: str, connection: str | None = None) -> Iterator[Rows]:
        """As `Project.query`."""
        found: Rows = self._answer("query", sql, connection)
        yield found

    def retry(self, run: str = "latest", **flags: Any) -> Retry:
        """As `Project.retry`."""
        found: Retry = self._answer("retry", run, **flags)
        return found

    def runs(self, limit: int = 20, **narrowed: Any) -> tuple[RunRecord, ...]:
        """As `Project.runs`."""
        found: tuple[RunRecord, ...] = self._answer("runs", limit, **narrowed)
        return found

    def run(self, run: str) -> tuple[RunRecord, tuple[StepRecord, ...], tuple[Attempt, ...]]:
        """As `Project.run`."""
        found: tuple[RunRecord, tuple[StepRecord, ...], tuple[Attempt, ...]] = self._answer("run", run)
        return found

    def log_files(self, run: str, name: str | None = None) -> tuple[tuple[Attempt, Path], ...]:
        """As `Project.log_files`."""
        found: tuple[tuple[Attempt, Path], ...] = self._answer("log_files", run, name)
        return found

    def recover(self, listener: Callable[[RunEvent], None]) -> None:
        """As `Project.recover`."""
        for event in self.answers.get("recovered", ()):
            listener(event)

    def materialize(self, planned: Plan, **flags: Any) -> RunFinished:
        """Tell the listeners the events and return the last."""
        listeners = flags.pop("listeners")
        self.asked.append(("materialize", (planned,), flags))
        event: Any = None
        for event in self.answers["events"]:
            if isinstance(event, BaseException):
                raise event
            for listener in listeners:
                listener(event)
        end: RunFinished = event
        return end


class Screen(NamedTuple):
    """What a call left on a terminal: its two streams and its exit code."""

    out: str
    err: str
    code: int


class Stream(io.TextIOWrapper):
    """A pipe, or a terminal where `is_terminal`."""

    def __init__(self, *, is_terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """As it was made."""
        return self._is_terminal

    def text(self) -> str:
        """What was written."""
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)


class CommandLine:
    """Calls `assets` in this process, eighty columns wide, at noon."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.encoding = "utf-8"
        for name in ("NO_COLOR", "FORCE_COLOR", "CI", "LC_ALL", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8"):
            patch.delenv(name, raising=False)
        patch.setenv("NO_COLOR", "1")
        patch.setenv("LANG", "C.UTF-8")
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("COLUMNS", "80")
        patch.setattr("assets_cli.cli.words.now", lambda: NOON)
        for command in ("why", "list", "runs", "listeners", "show", "impact", "freshness", "retry"):
            patch.setattr(f"assets_cli.cli.{command}.now", lambda: NOON)

    def open(self, **answers: Any) -> FakeProject:
        """Let the command line find this project."""
        project = FakeProject(**answers)
        self.patch.setattr(session.Session, "open", lambda _: project)
        return project

    def __call__(self, *arguments: str) -> Screen:
        """Call it and see what is on the screen."""
        out, err = Stream(encoding=self.encoding), Stream(encoding=self.encoding)
        with self.patch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = main.run(arguments)
        return Screen(out.text(), err.text(), code)
