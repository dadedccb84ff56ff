"""The process that delivers what is on record, after the command that put it there has ended: nobody waits for it.

One at a time for each environment of a state file, by a kernel lock. It stays for some minutes while something is to be
tried again, and then leaves that to `assets up`, or to the next command that tells. What it needs comes on standard
input, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from assets_cli.model.duration import SECOND
from assets_cli.model.problem import AssetsError
from assets_cli.model.secrets import mask
from assets_cli.running.delivering import Around, Target, deliver, wall_clock
from assets_cli.state.alerts import AlertStore, open_alerts, waiting_at
from assets_cli.state.locks import Held, LockRequest, LockService, folder_for

STAYS: Final = 300.0
"""Seconds that it waits for the next try."""

_LOOK: Final = 1.0
"""Seconds between two looks at whether there is something new."""


def lock_key(environment: str) -> str:
    """The key of the lock of whoever delivers alerts."""
    return f"alerts\x1f{environment}"


def hold(locks: LockService, environment: str) -> Held | None:
    """The lock of whoever delivers; None while somebody else does."""
    got = locks.attempt([LockRequest(lock_key(environment), exclusive=True)], holder="alerts")
    return got if isinstance(got, Held) else None


def work(state: Path, environment: str, targets: Mapping[str, Sequence[Target]], around: Around, stays: float) -> bool:
    """Deliver what waits until nothing is left, or the next try is too far away; False where somebody else does.

    Who puts a message on record while we let go finds the lock held, and leaves it to us: so we look again afterwards.
    """
    locks, began = LockService(folder_for(state)), time.monotonic()
    worked = False
    while True:
        held = hold(locks, environment)
        if held is None:
            return worked
        worked = True
        with held, open_alerts(state, hide=lambda value: mask(value, around.secrets)) as store:
            moment = deliver(store, environment, targets, around, wall_clock)
            while moment is not None and _rest(store, moment, stays - (time.monotonic() - began)):
                moment = deliver(store, environment, targets, around, wall_clock)
            known = {each.id for each in store.waiting(environment)}
        if known.issuperset(each.id for each in waiting_at(state, environment)):
            return True


def _rest(store: AlertStore, moment: int, patience: float) -> bool:
    """Sleep until a moment, or until somebody has put something on record; False where that is too long."""
    pause = (moment - wall_clock()) / SECOND
    if pause > patience:
        return False
    until = time.monotonic() + max(0.0, pause)
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _LOOK))
        if store.changed_elsewhere():
            return True
    return True


def main() -> int:
    """Deliver what the document on standard input says."""
    asked: dict[str, Any] = json.load(sys.stdin)
    targets = {route: [Target(*each) for each in those] for route, those in asked["targets"].items()}
    around = Around(asked["root"], dict(os.environ), tuple(asked["secrets"]))
    try:
        work(Path(asked["state"]), asked["environment"], targets, around, STAYS)
    except AssetsError:
        return 1  # the state file says no; it is told to whoever looks next
    return 0


if __name__ == "__main__":
    sys.exit(main())
