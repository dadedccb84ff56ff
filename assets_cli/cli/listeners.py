"""Who listens to a run: JSON lines for programs, plain lines for pipes and CI, a live block for terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from assets_cli.cli import console, documents
from assets_cli.cli.screens import plan as plan_screen
from assets_cli.cli.screens.problems import block
from assets_cli.cli.screens.run import Transcript
from assets_cli.cli.words import now
from assets_cli.model.event import RunEvent, RunFinished, RunStarted, StepFinished
from assets_cli.model.manifest import DEFAULT_ENVIRONMENT
from assets_cli.model.plan import Plan

Listener = Callable[[RunEvent], None]


class EventStream:
    """Events as JSON lines on stdout. The last line is `run_finished`, however the run ends."""

    def __init__(self) -> None:
        self._started: RunStarted | None = None
        self._results: dict[str, list[str]] = {}
        self._unchanged: list[str] = []
        self._ended = False
        self._reader_gone = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            self._break_off("cancelled")
        elif kind is not None and self._started is not None:
            self._break_off("failed")

    def __call__(self, event: RunEvent) -> None:
        """Print an event; the end only once, from whomever it comes."""
        if self._ended or self._reader_gone:
            return
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, StepFinished):
            self._results.setdefault(event.result, []).append(event.asset)
            if event.unchanged:
                self._unchanged.append(event.asset)
        self._ended = isinstance(event, RunFinished)
        try:
            console.show_json(documents.event(event), indent=None)
        except BrokenPipeError:
            # Whoever read the events has left; the run is worth finishing all the same.
            self._reader_gone = True

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
    """Events as plain lines on stderr."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._ended = False

    def __call__(self, event: RunEvent) -> None:
        """Print what the transcript says of an event; the end only once."""
        if not self._ended:
            self._ended = isinstance(event, RunFinished)
            console.remark(self._transcript.lines(event))


@contextmanager
def follow(plan: Plan, page: plan_screen.Page) -> Iterator[Listener]:
    """The listener for people that fits the stream, with the short plan said first."""
    terminal = page.terminal
    for warning in plan.warnings:
        terminal.write([*block(warning, terminal, page.view), ""])
    if not plan.steps:
        terminal.write(terminal.wrap(plan_screen.nothing(plan), terminal.width))
        yield lambda _: None
        return
    first, *rest = plan_screen.summary(plan)
    where = "" if plan.environment == DEFAULT_ENVIRONMENT else f" · environment {plan.environment}"
    terminal.write([*terminal.pack([f"{page.manifest.project}{where}: {first}", *rest], terminal.width), ""])
    transcript = Transcript(page, plan, verbose=not terminal.live)
    if not terminal.live:
        yield Lines(transcript)
        return
    from assets_cli.cli.screens.live import LiveBlock  # rich: only a terminal pays for it

    with LiveBlock(transcript, terminal, now) as live:
        yield live
