"""Who listens to a run: JSON lines for programs, plain lines for pipes and CI, a live block for terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from assets_cli.cli import console, event_documents
from assets_cli.cli.background_listener import BackgroundListener
from assets_cli.cli.screens import plan as plan_screen
from assets_cli.cli.screens.long_running import LongRunning
from assets_cli.cli.screens.problems import block
from assets_cli.cli.screens.run import Transcript
from assets_cli.cli.screens.under_way import UnderWay
from assets_cli.cli.words import now
from assets_cli.model.event import RunEvent, RunFinished, RunStarted, StepFinished
from assets_cli.model.manifest import DEFAULT_ENVIRONMENT
from assets_cli.model.plan import Plan

Listener = Callable[[RunEvent], None]
_TICK = 1.0  # seconds between two looks at who takes long
_FRAME = 0.1  # seconds between two pictures of the live block


class EventStream:
    """Events as JSON lines on stdout. The last line is `run_finished`, however the run ends."""

    def __init__(self) -> None:
        self._started: RunStarted | None = None
        self._results: dict[str, list[str]] = {}
        self._unchanged: list[str] = []
        self._ended = False
        self._background = BackgroundListener(self._tell, on_reader_gone=console.leave_out)

    def __enter__(self) -> Self:
        self._background.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None and issubclass(kind, KeyboardInterrupt):
                self._break_off("cancelled")
            elif kind is not None and self._started is not None:
                self._break_off("failed")
        finally:
            _close(self._background)

    def __call__(self, event: RunEvent) -> None:
        """Have an event printed; the end only once, from whomever it comes."""
        if isinstance(event, StepFinished):
            self._results.setdefault(event.result, []).append(event.asset)
            if event.unchanged:
                self._unchanged.append(event.asset)
        elif isinstance(event, RunStarted):
            self._started = event
        self._background(event)

    def _tell(self, events: Sequence[RunEvent], *, is_last: bool) -> None:  # noqa: ARG002 - the end is an event
        if events:
            console.show_json_lines(map(event_documents.event, events))

    def _break_off(self, status: str) -> None:
        """Say the last line for a run that did not get to say it; what had not finished is cancelled."""
        steps = self._started.steps if self._started else ()
        finished = {name for names in self._results.values() for name in names}
        results = {word: tuple(names) for word, names in self._results.items()}
        left = tuple(name for name in steps if name not in finished)
        self(
            RunFinished(
                run=self._started.run if self._started else None,
                at=now(),
                status=status,
                succeeded=results.get("succeeded", ()),
                unchanged=tuple(self._unchanged),
                failed=results.get("failed", ()),
                skipped=results.get("skipped", ()),
                blocked=results.get("blocked", ()),
                cancelled=(*results.get("cancelled", ()), *left),
            )
        )


class Lines:
    """Tells a run as plain lines, one an event, and of what takes long while it does; `opening` comes first."""

    def __init__(self, opening: Iterable[str], transcript: Transcript, under_way: UnderWay) -> None:
        self._opening = list(opening)
        self._transcript = transcript
        self._under_way = under_way
        self._long_running = LongRunning(under_way)

    def __call__(self, events: Sequence[RunEvent], *, is_last: bool) -> float | None:  # noqa: ARG002 - as above
        """Write what there is to say, at once."""
        said, self._opening = self._opening, []
        transcript, under_way, long_running = self._transcript, self._under_way, self._long_running
        for event in events:
            under_way.take(event)
            for asset, note in long_running.take(event):
                said += transcript.note(asset, note)
            said += transcript.lines(event)
        if under_way.rows:
            moment = now()
            for asset, note in long_running.waiting(moment):
                said += transcript.note(asset, note)
            text = long_running.said(moment)
            if text:
                said += transcript.terminal.wrap(text, transcript.terminal.width)
        if said:
            transcript.terminal.write(said)
        return _TICK if under_way.rows else None


class Live:
    """Tells a run as finished lines with a live block below them; rows are drawn anew as often as they are told."""

    def __init__(self, opening: Iterable[str], transcript: Transcript, under_way: UnderWay) -> None:
        from assets_cli.cli.screens.live import Block, Canvas  # only a terminal pays for it

        self._opening = list(opening)
        self._transcript = transcript
        self._under_way = under_way
        self._block = Block(under_way)
        self._canvas = Canvas(transcript.terminal)
        self._runs = False

    def __call__(self, events: Sequence[RunEvent], *, is_last: bool) -> float | None:
        """Draw; at the end only lines."""
        said, self._opening = self._opening, []
        canvas = self._canvas
        canvas.measure()
        self._transcript.terminal = canvas.terminal
        for event in events:
            self._under_way.take(event)
            said += self._transcript.lines(event)
            self._runs = not isinstance(event, RunFinished) and (self._runs or isinstance(event, RunStarted))
        self._runs = self._runs and not is_last
        canvas.draw(said, self._block.lines(canvas.terminal, canvas.height, now()) if self._runs else [])
        return _FRAME if self._runs else None


@contextmanager
def follow(plan: Plan, page: plan_screen.Page, *, fail_fast: bool = False) -> Iterator[Listener]:
    """The listener for people that fits the stream, with the short plan said first."""
    terminal = page.terminal
    opening = [line for warning in plan.warnings for line in (*block(warning, terminal, page.view), "")]
    if not plan.steps:
        terminal.write([*opening, *terminal.wrap(plan_screen.nothing(plan), terminal.width)])
        yield lambda _: None
        return
    first, *rest = plan_screen.summary(plan)
    where = "" if plan.environment == DEFAULT_ENVIRONMENT else f" · environment {plan.environment}"
    opening += [*terminal.pack([f"{page.manifest.project}{where}: {first}", *rest], terminal.width), ""]
    tell = (Live if terminal.live else Lines)(opening, Transcript(page, plan), UnderWay(plan, fail_fast=fail_fast))
    listener = BackgroundListener(tell, on_reader_gone=console.leave_err)
    listener.__enter__()
    try:
        yield listener
    finally:
        _close(listener)


def _close(listener: BackgroundListener) -> None:
    """Wait until all is told; what kept it from being told stopped nothing, and is said."""
    listener.__exit__()
    if listener.error is not None:
        what = f"{type(listener.error).__name__}: {listener.error}"
        console.warn(f"the run could not be shown ({what})")
