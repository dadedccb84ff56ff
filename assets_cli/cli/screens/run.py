"""A run as people follow it: a line for each event, the log where a step failed, and how it ended.

`Transcript` turns events into lines and keeps count; it neither prints nor knows whether lines can be rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assets_cli.cli.screens import checks
from assets_cli.cli.screens.plan import Page
from assets_cli.cli.terminal import cells, clean
from assets_cli.cli.words import count, some
from assets_cli.model.duration import show as duration
from assets_cli.model.event import (
    RunEvent,
    RunFinished,
    RunStarted,
    StepFinished,
    StepRetrying,
    StepStarted,
    StepWaiting,
    Warned,
)
from assets_cli.model.plan import Plan

_COLOURS = {"succeeded": "green", "failed": "red", "blocked": "yellow", "cancelled": "yellow", "skipped": "dim"}
_TAIL = 20
_WIDEST_NAME = 40
_MOST_NAMED = 8


class Transcript:
    """The lines of one run. `verbose` also gives a line to what a live block shows anyway: started and waiting."""

    def __init__(self, page: Page, plan: Plan, *, verbose: bool) -> None:
        self.plan = plan
        self.run: str | None = None
        self.finished: list[StepFinished] = []
        self._terminal = page.terminal
        self._command = page.command
        self._view = page.view
        self._again = (page.verb, *page.typed)
        self._verbose = verbose
        self._total = len(plan.steps)
        self._width = min(max((cells(step.asset) for step in plan.steps), default=0), _WIDEST_NAME)

    def lines(self, event: RunEvent) -> Iterator[str]:
        """What to say about an event: often one line, sometimes none."""
        match event:
            case RunStarted():
                self.run = event.run
                self._total = len(event.steps)
            case StepStarted() if self._verbose or event.number > 1:
                again = f" again, attempt {event.number}" if event.number > 1 else ""
                usual = f" (usually {duration(event.usual)})" if event.usual is not None else ""
                yield self._line(event.asset, self._dim(f"started{again}{usual}"))
            case StepWaiting() if self._verbose:
                yield self._line(event.asset, self._dim(f"waiting for {clean(event.holder)}"))
            case StepRetrying():
                said = f"attempt {event.number} failed: {clean(event.reason)}; again in {duration(event.delay)}"
                yield self._line(event.asset, self._terminal.paint(said, "yellow"))
            case StepFinished():
                self.finished.append(event)
                yield from self._step(event)
            case Warned():
                word = self._terminal.paint("warning", "bold", "yellow")
                about = f"{event.asset}: " if event.asset else ""
                yield f"{word}: {about}{clean(event.message)}"
            case RunFinished():
                yield from self.end(event)
            case _:
                pass

    def _step(self, event: StepFinished) -> Iterator[str]:
        """`[3/6] customer_features  succeeded in 1.2 s (23,570 rows)`, and the log's end where it failed."""
        said = self._terminal.paint(event.result, "bold", _COLOURS[event.result])
        if event.result in {"succeeded", "failed"}:
            said += f" {'in' if event.result == 'succeeded' else 'after'} {duration(event.duration)}"
        if event.rows is not None:
            said += f" ({count(event.rows, 'row')})"
        if event.unchanged:
            said += ", unchanged"
        wrong = [check for check in event.checks if not check.passed]
        if event.checks and not wrong:
            said += f", {count(len(event.checks), 'check')} passed"
        detail = clean(event.detail)
        # What failed checks have to say follows in lines of its own.
        if detail and detail != event.result and not (wrong and event.result in {"succeeded", "failed"}):
            said += f": {detail}"
        yield self._line(event.asset, said, done=True)
        yield from checks.failures(wrong, self._terminal)
        if event.result == "failed":
            yield from self._failure(event)

    def _failure(self, event: StepFinished) -> Iterator[str]:
        """The last lines of the log between rules, where the whole log is, and the command that prints it."""
        terminal = self._terminal
        tail = [clean(line) for line in event.tail[-_TAIL:]]
        if tail:
            title = f"── the last {count(len(tail), 'line')} of its log " if len(tail) > 1 else "── its log "
            yield f"  {self._dim(title + '─' * max(terminal.width - cells(title) - 2, 2))}"
            for line in tail:
                yield f"  {line}".rstrip()
            yield f"  {self._dim('─' * (terminal.width - 2))}"
        if event.log:
            yield f"  log: {self._view.path(event.log)}"
        if (tail or event.log) and self.run:
            yield f"  all: {self._command('logs', self.run, event.asset)}"

    def _line(self, asset: str, said: str, *, done: bool = False) -> str:
        digits = len(str(self._total))
        place = f"[{len(self.finished):>{digits}}/{self._total}]" if done else " " * (2 * digits + 3)
        return f"{place} {asset}{' ' * max(self._width - cells(asset), 0)}  {said}"

    def _dim(self, text: str) -> str:
        return self._terminal.paint(text, "dim")

    def end(self, end: RunFinished) -> Iterator[str]:
        """How it ended, what that leaves undone, and what to type next."""
        terminal = self._terminal
        yield ""
        yield from terminal.pack(self._counts(end), terminal.width)
        yield from self._left(end)
        if end.still_stale:
            started = [name for name in end.succeeded if name not in end.unchanged] or list(end.succeeded)
            yield from terminal.wrap(f"still stale below: {some(end.still_stale, _MOST_NAMED)}", terminal.width)
            if started and not end.failed:
                yield f"run: {self._command('materialize', *started[:_MOST_NAMED], '--downstream')}"
        if end.failed:
            again = self._command(*self._again)
            yield from terminal.wrap(f"next: fix {some(end.failed)}, then run {again}", terminal.width)
            yield "      what has succeeded will not run again"
        elif end.checks_failed and end.status == "failed":
            names = list(dict.fromkeys(one.asset for one in end.checks_failed))
            again = self._command("check", *names[:_MOST_NAMED])
            yield from terminal.wrap(f"next: look into what the checks found, then run {again}", terminal.width)
        elif end.status == "cancelled":
            again = self._command(*self._again)
            yield f"next: {again} goes on from here"

    def _counts(self, end: RunFinished) -> list[str]:
        """`5 succeeded (1 unchanged), 1 failed, 2 blocked in 14 s` and the run."""
        parts: list[str] = []
        for word in ("succeeded", "failed", "blocked", "cancelled", "skipped"):
            names: Sequence[str] = getattr(end, word)
            if names:
                said = self._terminal.paint(f"{len(names):,} {word}", "bold", _COLOURS[word])
                unchanged = f" ({len(end.unchanged):,} unchanged)" if word == "succeeded" and end.unchanged else ""
                parts.append(said + unchanged)
        warned = sum(not one.passed and not one.is_error for event in self.finished for one in event.checks)
        for number, verb, colour in ((len(end.checks_failed), "failed", "red"), (warned, "warned", "yellow")):
            if number:
                parts.append(self._terminal.paint(f"{count(number, 'check')} {verb}", "bold", colour))
        text = ", ".join(parts) or "nothing ran"
        head = "interrupted: " if end.status == "cancelled" else ""
        took = f" in {duration(end.duration)}" if end.duration else ""
        return [head + text + took, f"run {end.run}" if end.run else ""]

    def _left(self, end: RunFinished) -> Iterator[str]:
        """Who failed, who was blocked by it, and who never started."""
        reasons = {event.asset: clean(event.detail) for event in self.finished}
        rows = [("failed", end.failed), ("blocked", end.blocked), ("cancelled", end.cancelled)]
        for word, names in rows:
            for name in names[:_MOST_NAMED]:
                reason = f": {reasons[name]}" if reasons.get(name) not in {None, "", word} else ""
                first, *rest = self._terminal.wrap(f"{name}{reason}", self._terminal.width - 13)
                yield f"  {self._terminal.paint(f'{word:<9}', _COLOURS[word])}  {first}"
                for line in rest:
                    yield " " * 13 + line
            if len(names) > _MOST_NAMED:
                yield f"  {word:<9}  … and {len(names) - _MOST_NAMED:,} more"
        for one in [each for each in end.checks_failed if each.asset not in end.failed][:_MOST_NAMED]:
            lines = self._terminal.wrap(f"{one.asset}: {clean(one.check)}", self._terminal.width - 13)
            yield f"  {self._terminal.paint('check', 'red')}      {lines[0]}"
            yield from (" " * 13 + line for line in lines[1:])
