"""Delivers messages of alerts: one try at one target, in a process of its own that can be killed; and all that waits.

Of each target the oldest message comes first, so that nobody reads that something is over before it has begun. Knows
nothing of what messages are about, or of manifests: targets are handed in, filled in, and never leave memory and pipes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, Final, NamedTuple

from assets_cli.model.alerts import Delivery
from assets_cli.model.duration import SECOND
from assets_cli.model.secrets import mask, parts
from assets_cli.state.alerts import AlertStore

TIMEOUT: Final = 30.0
"""Seconds that one try may take."""

DAY: Final = 86_400 * SECOND
"""How long a message is tried to be delivered; news of yesterday wake nobody."""

_FIRST, _LONGEST = 5 * SECOND, 900 * SECOND
_AT_ONCE: Final = 8
_SENDER = (sys.executable, "-P", "-m", "assets_cli.running.sender")
_MOST_SAID: Final = 200
_END: Final = 4_000


class Target(NamedTuple):
    """Where a message goes: a filled-in URL of Apprise, or a command. `problem` is why it cannot be used as it is."""

    url: str | None = None
    command: str | None = None
    problem: str | None = None


class Around(NamedTuple):
    """What deliveries need. `secrets` are in nothing that is said of them."""

    root: str
    environ: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    timeout: float = TIMEOUT


def attempt(target: Target, document: Mapping[str, Any], around: Around) -> str | None:
    """Deliver one message; None, or in a few words why it could not be.

    However the receiver behaves, this ends after the timeout. Nothing in the answer is a secret.
    """
    if target.problem is not None:
        return target.problem
    hidden = around.secrets
    if target.url is not None:
        hidden = tuple(sorted({*hidden, target.url, *parts(target.url)}, key=lambda text: -len(text)))
    try:
        said = _by_url(target.url, document, around) if target.url else _by_command(target, document, around)
    except OSError as error:
        said = f"it could not be started: {error.strerror or error}"
    if said is None:
        return None
    text = " ".join(str(mask(said, hidden)).split())
    return text if len(text) <= _MOST_SAID else f"{text[: _MOST_SAID - 1]}…"


def _by_url(url: str, document: Mapping[str, Any], around: Around) -> str | None:
    kind = {"recovered": "success", "overdue": "failure", "failed": "failure"}.get(document["event"], "warning")
    asked = {
        "url": url,
        "title": document["title"],
        "text": document["text"],
        "markdown": document["markdown"],
        "kind": kind,
    }
    ended, printed = _run(_SENDER, json.dumps(asked).encode(), around.environ, around)
    if ended is None:
        return f"no answer within {around.timeout:g} s"
    if ended == 0:
        return None
    # What a library prints besides is nobody's business: the last line is what the sender says.
    return printed.strip().rpartition("\n")[2] or f"the sender ended with {ended}"


def _by_command(target: Target, document: Mapping[str, Any], around: Around) -> str | None:
    environ = {
        **around.environ,
        **{
            f"ASSETS_ALERT_{name.upper()}": str(document[name])
            for name in ("id", "route", "event", "severity", "title", "text", "markdown")
        },
    }
    argv = ("sh", "-e", "-c", target.command or "")
    ended, printed = _run(argv, f"{json.dumps(document)}\n".encode(), environ, around)
    if ended is None:
        return f"the command took more than {around.timeout:g} s"
    if ended == 0:
        return None
    last = printed.strip().rpartition("\n")[2]
    return f"the command ended with {ended}" + (f": {last}" if last else "")


def _run(argv: Sequence[str], given: bytes, environ: Mapping[str, str], around: Around) -> tuple[int | None, str]:
    """How a program ended, None where it took too long, and the last that it printed. Nothing of its group is left."""
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            cwd=around.root,
            start_new_session=True,
        )
        try:
            with contextlib.suppress(BrokenPipeError):
                process.communicate(given, timeout=around.timeout)
            ended: int | None = process.wait(timeout=around.timeout)
        except subprocess.TimeoutExpired:
            ended = None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        return ended, _end_of(printed)


def _end_of(printed: IO[bytes]) -> str:
    size = printed.seek(0, os.SEEK_END)
    printed.seek(max(0, size - _END))
    return printed.read().decode("utf-8", "replace")


def unknown(urls: Sequence[str]) -> frozenset[str]:
    """Which of these URLs Apprise does not know; none where nobody can tell."""
    around = Around("/", os.environ)
    try:
        ended, printed = _run(_SENDER, json.dumps({"check": list(urls)}).encode(), os.environ, around)
        answers = json.loads(printed.strip().rpartition("\n")[2]) if ended == 0 else ()
    except (OSError, ValueError):
        return frozenset()
    return frozenset(url for url, is_known in zip(urls, answers, strict=False) if not is_known)


# -- all that waits --------------------------------------------------------------------------------------------------


def wait_before(tries: int) -> int:
    """Microseconds until the next try, after so many: 5 s, 15 s, 45 s and so on, a quarter of an hour at most."""
    return int(min(_FIRST * 3 ** min(tries - 1, 10), _LONGEST))


def is_due(each: Delivery, now: int) -> bool:
    """Whether it is to be tried now: a clock that was set back must not keep a message for as long."""
    return each.next_try is None or not now < each.next_try <= now + _LONGEST


def is_lost(each: Delivery, now: int) -> bool:
    """Whether it has waited for so long that it is tried no more."""
    return now - each.created > DAY


def deliver(
    store: AlertStore,
    environment: str,
    targets: Mapping[str, Sequence[Target]],
    around: Around,
    clock: Callable[[], int],
) -> int | None:
    """Try all that is due, target by target; when there is something to do next, None if nothing waits any more.

    What waits for a route or a target that is not among these is left to whoever knows it.
    """
    moments: list[int] = []
    guard = threading.Lock()
    left = list(_queues(store, environment, targets, clock()).items())

    def work() -> None:
        while True:
            with guard:
                if not left:
                    return
                (route, position), queue = left.pop(0)
            moment = _drain(queue, targets[route][position], store, around, clock)
            if moment is not None:
                with guard:
                    moments.append(moment)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(_AT_ONCE, len(left)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return min(moments, default=None)


def _queues(
    store: AlertStore, environment: str, targets: Mapping[str, Sequence[Target]], now: int
) -> dict[tuple[str, int], list[Delivery]]:
    """What waits for each target, the oldest first."""
    queues: dict[tuple[str, int], list[Delivery]] = {}
    for each in store.waiting(environment):
        if each.target >= len(targets.get(each.route, ())):
            if is_lost(each, now):
                store.note_failure(each.id, "its route is not in the manifest any more", None)
        else:
            queues.setdefault((each.route, each.target), []).append(each)
    return queues


def _drain(
    queue: Sequence[Delivery], target: Target, store: AlertStore, around: Around, clock: Callable[[], int]
) -> int | None:
    """Deliver the messages of one target until one fails; when to try that again."""
    for each in queue:
        if each.next_try is not None and not is_due(each, clock()):
            return each.next_try
        said = attempt(target, {**json.loads(each.document), "id": each.id}, around)
        now = clock()
        if said is None:
            store.note_sent(each.id, now)
            continue
        if is_lost(each, now):
            store.note_failure(each.id, said, None)
            continue
        next_try = now + wait_before(each.tries + 1)
        store.note_failure(each.id, said, next_try)
        return next_try
    return None


def wall_clock() -> int:
    """The time of day in microseconds UTC."""
    return time.time_ns() // 1_000
