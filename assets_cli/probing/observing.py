"""What external assets hold now, each looked at once: by their `observe:`, as observations that are not on record yet.

Looks at paths itself; how a command is started and ended is handed in. Knows nothing of what is stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, Protocol

from assets_cli.graph.graph import AssetGraph
from assets_cli.model.history import Observation, StateSnapshot
from assets_cli.model.manifest import Asset, PathProbe
from assets_cli.model.problem import Problem
from assets_cli.model.template import UnknownVariableError, fill_environment
from assets_cli.probing.files import FileDigests
from assets_cli.probing.paths import Walls, probe_path

_AT_ONCE = 4
_GLANCE = 0.5
"""Seconds between two looks at whether somebody interrupts."""

_LONGEST = 1_000
"""A longer text is a data version by its digest."""


class ProbeError(Exception):
    """Nobody could look. The message says why, without a subject; `hint` what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Answer(NamedTuple):
    """What a probe says. `data_time` is in microseconds UTC, None where it says none."""

    data_version: str
    data_time: int | None = None
    metadata: Mapping[str, Any] = {}


class Prober(Protocol):
    """Runs the probes that are processes (of shell, SQL and HTTP), from any thread."""

    def ask(self, asset: Asset) -> Answer:
        """What it says.

        Raises:
            ProbeError: it failed.
        """
        ...

    def cancel(self) -> None:
        """End those that run; called again, at once."""
        ...

    def close(self) -> None:
        """Let go of what it keeps for further questions. None is being asked."""
        ...


class ObserveSurroundings(NamedTuple):
    """What observing needs: variables, a cache of files, what runs processes (made when there are any), a clock.

    `clock` gives microseconds UTC; `secrets` are texts that no observation holds.
    """

    environ: Mapping[str, str]
    files: FileDigests
    prober: Callable[[], Prober]
    clock: Callable[[], int]
    secrets: tuple[str, ...] = ()


class Observed(NamedTuple):
    """What was seen, and why the rest was not: a problem for each probe that failed.

    None is on record yet: each carries the number of the one on record that it follows, 0 where there is none.
    """

    observations: Mapping[str, Observation]
    failures: Mapping[str, Problem]

    def of(self, names: Iterable[str]) -> Observed:
        """The same of these assets alone."""
        wanted = set(names)
        return Observed(
            {name: seen for name, seen in self.observations.items() if name in wanted},
            {name: problem for name, problem in self.failures.items() if name in wanted},
        )


NOTHING = Observed({}, {})


def observable(graph: AssetGraph, names: Iterable[str]) -> list[Asset]:
    """Those of these assets that say how they are observed."""
    assets = graph.assets
    return [asset for name in names if (asset := assets[name]).observe is not None]


def observe(
    graph: AssetGraph, assets: Iterable[Asset], snapshot: StateSnapshot, around: ObserveSurroundings
) -> Observed:
    """Look at external assets, at several at once where commands do it."""
    from assets_cli.model.secrets import mask, mask_version  # only what was seen may hold one

    walls = Walls(graph.manifest.root)
    answers: dict[str, Answer | ProbeError] = {}
    commands = []
    for asset in assets:
        if isinstance(asset.observe, PathProbe):
            answers[asset.name] = _caught(partial(_at_path, asset.observe.path, around, walls))
        else:
            commands.append(asset)
    if commands:
        answers |= _ask_all(commands, around.prober())
    now = around.clock()
    seen: dict[str, Observation] = {}
    failures: dict[str, Problem] = {}
    for name in graph.sort(answers):
        before, answer = snapshot.observations.get(name), answers[name]
        if isinstance(answer, ProbeError):
            failures[name] = _failure(graph, name, before, mask(str(answer), around.secrets))
            continue
        version = mask_version(answer.data_version, around.secrets) or ""
        told = mask(answer.metadata, around.secrets)
        seen[name] = Observation(before.seq if before else 0, name, now, version, answer.data_time, told)
    return Observed(seen, failures)


def _ask_all(assets: list[Asset], prober: Prober) -> dict[str, Answer | ProbeError]:
    # Imported on use: most projects have no such probe.
    from concurrent.futures import Future, ThreadPoolExecutor, wait

    asked: dict[str, Future[Answer | ProbeError]] = {}
    with closing(prober), ThreadPoolExecutor(min(_AT_ONCE, len(assets)), "assets-observe") as pool:
        try:
            for asset in assets:
                asked[asset.name] = pool.submit(_caught, partial(prober.ask, asset))
            # Not for as long as it takes: a signal that comes just before Python waits is only seen when it wakes.
            while wait(asked.values(), _GLANCE).not_done:
                pass
            return {name: future.result() for name, future in asked.items()}
        except BaseException:
            prober.cancel()
            try:
                # Not left to the pool: a thread that was waited for, and that interrupted, counts as ended in Python.
                wait(asked.values())
            except KeyboardInterrupt:  # again: whoever interrupts has lost patience
                prober.cancel()
                wait(asked.values())
            raise


def _caught(ask: Callable[[], Answer]) -> Answer | ProbeError:
    try:
        return ask()
    except ProbeError as error:
        return error


def _at_path(path: str, around: ObserveSurroundings, walls: Walls) -> Answer:
    """The content of what is at a path, as of its newest modification."""
    try:
        path = fill_environment(path, around.environ)
    except UnknownVariableError as unknown:
        raise ProbeError(f"the environment variable {unknown.name.removeprefix('env.')} is not set") from None
    found = probe_path(path, None, around.files, walls)
    if found.state == "missing":
        raise ProbeError(f"nothing is at {path}")
    if found.fingerprint is None:
        raise ProbeError(f"{path}: {found.detail}")
    return Answer(found.fingerprint.digest, found.fingerprint.newest // 1_000 or None)


def _failure(graph: AssetGraph, name: str, before: Observation | None, reason: str) -> Problem:
    stands = "what was observed last stands" if before else "nothing is known of it yet"
    return Problem(
        "A0314",
        f"{name} could not be observed: {reason}; {stands}",
        "warning",
        graph.manifest.locate(name, "observe"),
        hint="mend what it names, or plan with --no-observe to leave the probes alone",
        asset=name,
    )


def moment(text: str) -> int | None:
    """Microseconds UTC of a time with its offset, as RFC 3339 writes it; None for any other text."""
    if len(text) < len("2026-01-31T09:30Z") or not text[:4].isdecimal() or text[4:5] != "-":
        return None
    try:
        time = datetime.fromisoformat(text.upper())
        if time.tzinfo is None:
            return None
        since = time - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    except (ValueError, OverflowError):
        return None
    return since // timedelta(microseconds=1)


def short_enough(text: str) -> str:
    """A text as a data version: itself, or a digest of a long one."""
    if len(text) <= _LONGEST:
        return text
    import hashlib  # only for long ones

    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()}"
