"""A run as people follow it: a line for each event, the log where a step failed, and how it ended.

`Transcript` turns events into lines and keeps count; it neither prints nor knows whether lines can be rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assets_cli.cli.screens import checks
from assets_cli.cli.screens.plan import Page
from assets_cli.cli.screens.under_way import one_line
from assets_cli.cli.terminal import cells, clean
from assets_cli.cli.words import count, some
from assets_cli.model.duration import show as duration
from assets_cli.model.event import RunEvent, RunFinished, RunStarted, StepFinished, StepRetrying, Warned
from assets_cli.model.plan import Plan

_COLOURS = {"succeeded": "green", "failed": "red", "blocked": "yellow", "cancelled": "yellow", "skipped": "dim"}
_TAIL = 20
_WIDEST_NAME = 40
_NARROWEST = 24
_MOST_NAMED = 8
_ALL = 1_000_000_000
"""More than there ever are."""


class Transcript:
    """The lines of one run. Of steps that only start or wait it says nothing: a live block shows them, or `Still`."""

    def __init__(self, page: Page, plan: Plan) -> None:
        self.terminal = page.terminal
        self._run: str | None = None
        self._command = page.command
        self._view = page.view
        self._again = (page.verb, *page.typed)
        self._most = _ALL if page.everything else _MOST_NAMED
        self._done = 0
        self._warned = 0
        self._idle: tuple[str | None, int] = (None, 0)  # steps in a row that never ran: how they ended, how many
        self._reasons: dict[str, str] = {}  # of those that are named again at the end
        self._total = len(plan.steps)
        self._width = min(max((cells(step.asset) for step in plan.steps), default=0), _WIDEST_NAME)

    def lines(self, event: RunEvent) -> Iterator[str]:
        """What to say about an event: often one line, sometimes none."""
        idle = event.result if isinstance(event, StepFinished) and _never_ran(event) else None
        if self._idle[1] > self._most and idle != self._idle[0]:
            yield f"{' ' * (2 * len(str(self._total)) + 3)} … and {self._idle[1] - self._most:,} more {self._idle[0]}"
        self._idle = (idle, (self._idle[1] + 1 if idle == self._idle[0] else 1) if idle else 0)
        match event:
            case StepFinished():
                self._done += 1
                self._warned += sum(not one.passed and not one.is_error for one in event.checks)
                if event.result not in ("succeeded", "skipped"):
                    self._reasons[event.asset] = one_line(event.detail)
                if self._idle[1] <= self._most:
                    yield from self._step(event)
            case RunStarted():
                self._run = event.run
                self._total = len(event.steps)
            case StepRetrying():
                said = f"attempt {event.number} failed: {one_line(event.reason)}; again in {duration(event.delay)}"
                yield from self._line(event.asset, self.terminal.paint(said, "yellow"))
            case Warned():
                word = self.terminal.paint("warning", "bold", "yellow")
                about = f"{event.asset}: " if event.asset else ""
                yield f"{word}: {about}{one_line(event.message)}"
            case RunFinished():
                yield from self.end(event)
            case _:
                pass

    def note(self, asset: str, said: str) -> Iterator[str]:
        """A line about a step that has not ended."""
        return self._line(asset, self.terminal.paint(said, "dim"))

    def _step(self, event: StepFinished) -> Iterator[str]:
        """`[3/6] customer_features  succeeded in 1.2 s (23,570 rows)`, and the log's end where it failed."""
        said = self.terminal.paint(event.result, "bold", _COLOURS[event.result])
        if event.result in {"succeeded", "failed"}:
            said += f" {'in' if event.result == 'succeeded' else 'after'} {duration(event.duration)}"
        if event.rows is not None:
            said += f" ({count(event.rows, 'row')})"
        if event.unchanged:
            said += ", unchanged"
        wrong = [check for check in event.checks if not check.passed]
        if event.checks and not wrong:
            said += f", {count(len(event.checks), 'check')} passed"
        # What failed checks have to say follows in lines of its own.
        detail = one_line(event.change if wrong and event.result in {"succeeded", "failed"} else event.detail)
        if detail and detail != event.result:
            said += f": {detail}"
        yield from self._line(event.asset, said, done=True)
        yield from checks.failures(wrong, self.terminal)
        if event.result == "failed":
            yield from self._failure(event)

    def _failure(self, event: StepFinished) -> Iterator[str]:
        """The last lines of the log between rules, where the whole log is, and the command that prints it."""
        terminal = self.terminal
        tail = [clean(line) for line in event.tail[-_TAIL:]]
        if not any(line.strip() for line in tail):
            return  # there is nothing to read in it
        title = f"── the last {count(len(tail), 'line')} of its log " if len(tail) > 1 else "── its log "
        yield f"  {terminal.paint(title + '─' * max(terminal.width - cells(title) - 2, 2), 'dim')}"
        for line in tail:
            yield f"  {line}".rstrip()
        yield f"  {terminal.paint('─' * (terminal.width - 2), 'dim')}"
        if event.log:
            yield f"  log: {self._view.path(event.log)}"
        if self._run:
            yield f"  all: {self._command('logs', self._run, event.asset)}"

    def _line(self, asset: str, said: str, *, done: bool = False) -> Iterator[str]:
        """One line, or several with the rest of what is said below its beginning, or below the name, as there is room.

        Off a terminal nothing is folded.
        """
        terminal = self.terminal
        digits = len(str(self._total))
        place = f"[{self._done:>{digits}}/{self._total}]" if done else " " * (2 * digits + 3)
        head = f"{place} {asset}{' ' * (self._width - cells(asset))}  "
        if not terminal.wraps or cells(head) + cells(said) <= terminal.width:
            yield head + said
            return
        indent = cells(head)
        if terminal.width - indent >= _NARROWEST:
            first, *rest = terminal.wrap(said, terminal.width - indent)
            yield head + first
        else:
            indent = len(place) + 1
            rest = terminal.wrap(said, terminal.width - indent)
            yield head.rstrip()
        for line in rest:
            yield " " * indent + line

    def end(self, end: RunFinished) -> Iterator[str]:
        """How it ended, what that leaves undone, and what to type next."""
        terminal = self.terminal
        yield ""
        yield from terminal.pack(self._counts(end), terminal.width)
        yield from self._left(end)
        if end.still_stale:
            unchanged = frozenset(end.unchanged)
            started = [name for name in end.succeeded if name not in unchanged] or list(end.succeeded)
            yield from terminal.wrap(f"still stale below: {some(end.still_stale, self._most)}", terminal.width)
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
                said = self.terminal.paint(f"{len(names):,} {word}", "bold", _COLOURS[word])
                unchanged = f" ({len(end.unchanged):,} unchanged)" if word == "succeeded" and end.unchanged else ""
                parts.append(said + unchanged)
        for number, verb, colour in ((len(end.checks_failed), "failed", "red"), (self._warned, "warned", "yellow")):
            if number:
                parts.append(self.terminal.paint(f"{count(number, 'check')} {verb}", "bold", colour))
        text = ", ".join(parts) or "nothing ran"
        head = "interrupted: " if end.status == "cancelled" else ""
        took = f" in {duration(end.duration)}" if end.duration else ""
        return [head + text + took, f"run {end.run}" if end.run else ""]

    def _left(self, end: RunFinished) -> Iterator[str]:
        """Who failed, who was blocked by it, and who never started."""
        rows = [("failed", end.failed), ("blocked", end.blocked), ("cancelled", end.cancelled)]
        for word, names in rows:
            for name in names[: self._most]:
                told = self._reasons.get(name, "")
                reason = f": {told}" if told not in ("", word) else ""
                first, *rest = self.terminal.wrap(f"{name}{reason}", self.terminal.width - 13)
                yield f"  {self.terminal.paint(f'{word:<9}', _COLOURS[word])}  {first}"
                for line in rest:
                    yield " " * 13 + line
            if len(names) > self._most:
                yield f"  {word:<9}  … and {len(names) - self._most:,} more"
        for one in [each for each in end.checks_failed if each.asset not in end.failed][: self._most]:
            lines = self.terminal.wrap(f"{one.asset}: {clean(one.check)}", self.terminal.width - 13)
            yield f"  {self.terminal.paint('check', 'red')}      {lines[0]}"
            yield from (" " * 13 + line for line in lines[1:])


def _never_ran(event: StepFinished) -> bool:
    """One failure may block thousands of steps, and an interrupt cancel as many: they are no thousand lines."""
    return event.result == "blocked" or (event.result == "cancelled" and not event.duration)
