"""What `assets up` has to tell, to people or to programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from assets_cli.cli import console
from assets_cli.cli.screens import up as screen
from assets_cli.cli.words import now, rfc3339
from assets_cli.model.upkeep import Moment

VERSION = 1
Said = Sequence[Mapping[str, Any]]
"""Problems as a child has them: a key, the lines that show it (none where they were shown), and the document."""


class Reporter(Protocol):
    """Tells what happens, when it happens."""

    def begun(self, project: str, environment: str, assets: int, selection: Sequence[str]) -> None:
        """It keeps the project from now on."""

    def standing_by(self, holder: str) -> None:
        """Another one does."""

    def problems(self, problems: Said, *, standing_in: bool) -> None:
        """Nothing can be decided; or only as the manifest was before, which stands in."""

    def whole_again(self) -> None:
        """What was wrong is mended."""

    def warnings(self, problems: Said) -> None:
        """Something stops nothing else."""

    def run(self, number: int, event: Mapping[str, Any]) -> None:
        """An event of a run."""

    def remark(self, event: str, text: str) -> None:
        """Something of which there is no more to say than this."""

    def next(self, moment: Moment | None) -> None:
        """What it waits for."""

    def close(self) -> None:
        """There is nothing more to tell."""


class TextReporter:
    """For people: a line an event, on stderr; on a terminal with what comes next below."""

    def __init__(self, command: Callable[..., str]) -> None:
        self._terminal = console.err()
        self._runs = screen.Runs(self._terminal, command)
        self._below = ""

    def begun(self, project: str, environment: str, assets: int, selection: Sequence[str]) -> None:
        """Say what is kept."""
        self._say(screen.begun(project, environment, assets, selection))

    def standing_by(self, holder: str) -> None:
        """Say for whom it waits."""
        self._say(f"standing by: {holder} keeps this project; this one takes over when that is gone")

    def problems(self, problems: Said, *, standing_in: bool) -> None:
        """Say what is wrong, and what goes on meanwhile."""
        if standing_in:
            self._say("the manifest is broken; going on with it as it was before")
        for each in problems:
            self._write([*each["lines"], ""] if each["lines"] else [])

    def whole_again(self) -> None:
        """Say so."""
        self._say("the project can be read again")

    def warnings(self, problems: Said) -> None:
        """Say what is wrong."""
        for each in problems:
            self._write(each["lines"])

    def run(self, number: int, event: Mapping[str, Any]) -> None:
        """Say what matters of it."""
        for line in self._runs.lines(number, event):
            self._say(line)

    def remark(self, event: str, text: str) -> None:  # noqa: ARG002 - for programs
        """Say it."""
        self._say(text)

    def next(self, moment: Moment | None) -> None:
        """Show it below all lines."""
        if self._terminal.live:
            self._below = self._terminal.fit(screen.waiting(moment, now()), self._terminal.width - 1).rstrip()
            self._write([])

    def _say(self, text: str) -> None:
        stamp = screen.stamp(now())
        margin = len(stamp) + 1
        # What is read back from a file is one line an event; a terminal would break it within a word.
        first, *rest = self._terminal.wrap(text, self._terminal.width - margin) if self._terminal.live else [text]
        self._write([f"{self._terminal.paint(stamp, 'dim')} {first}", *(f"{'':{margin}}{line}" for line in rest)])

    def _write(self, lines: Sequence[str]) -> None:
        stream = self._terminal.stream
        try:
            if self._terminal.live:
                stream.write("\r\x1b[K")
            self._terminal.write(lines)
            if self._terminal.live and self._below:
                stream.write(self._terminal.shown(self._terminal.paint(self._below, "dim")))
                stream.flush()
        except (BrokenPipeError, OSError):
            console.leave_err()  # nobody reads any more: promises are kept all the same

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._below = ""
        if self._terminal.live:
            self._write([])


class JsonReporter:
    """For programs: JSON lines on stdout, as `schemas/up-events.schema.json` has them."""

    def begun(self, project: str, environment: str, assets: int, selection: Sequence[str]) -> None:
        """Event `up_started`."""
        self._tell("up_started", project=project, environment=environment, assets=assets, selection=list(selection))

    def standing_by(self, holder: str) -> None:
        """Event `standing_by`."""
        self._tell("standing_by", holder=holder)

    def problems(self, problems: Said, *, standing_in: bool) -> None:
        """Event `broken`."""
        self._tell("broken", standing_in=standing_in, problems=[each["document"] for each in problems])

    def whole_again(self) -> None:
        """Event `mended`."""
        self._tell("mended")

    def warnings(self, problems: Said) -> None:
        """An event `warning` each, as runs have them."""
        for each in problems:
            if each["lines"]:
                self._tell("warning", asset=each["document"]["asset"], message=each["document"]["message"])

    def run(self, number: int, event: Mapping[str, Any]) -> None:  # noqa: ARG002 - events name their run
        """As it is."""
        self._print(event)

    def remark(self, event: str, text: str) -> None:
        """An event with a text."""
        self._tell(event, message=text)

    def next(self, moment: Moment | None) -> None:
        """Event `next`."""
        if moment is None:
            self._tell("next", moment=None, kind=None, asset=None, until=None)
            return
        asset = moment.asset or None
        self._tell("next", moment=rfc3339(moment.at), kind=moment.kind, asset=asset, until=rfc3339(moment.until))

    def close(self) -> None:
        """Nothing is open."""

    def _tell(self, event: str, **fields: Any) -> None:
        self._print({"event": event, **fields, "at": rfc3339(now()), "version": VERSION})

    def _print(self, document: Mapping[str, Any]) -> None:
        try:
            console.show_json_lines([document])
        except (BrokenPipeError, OSError):
            console.leave_out()
            sys.stdout.flush()
