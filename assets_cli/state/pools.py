"""Pools: at most so many steps at once use something, over all processes that share the locks. Knows no manifest.

A pool of size N is N lock files, its slots; who holds any one of them takes part. Slots are kernel locks like all
others: a command inherits its slot, so that it counts until it is gone, however its coordinator ended. The environment
is no part of their names: what a pool guards does not grow with the number of environments.

Whoever waits for a slot holds nothing meanwhile, and whoever holds one has all its other locks already: `acquiring`
takes those first, looks for a free slot without waiting, and where there is none lets go of everything until there is.
So no wait for a slot is part of a circle, not even where a command takes the mutex of a further database while it runs;
a full pool keeps nobody from reading an asset; and no slot idles in the hands of somebody who waits for something else.

The size is the taker's: who knows a larger one may use more slots, and who knows a smaller one counts those, too. Slots
are tried from the first on, so that those that exist are numbered without a gap.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Final, NamedTuple

from assets_cli.state.locks import Held, LockRequest, LockService, Waited

_PAUSE: Final = 0.02  # seconds


class Pool(NamedTuple):
    """A pool and how many may use it at once."""

    name: str
    size: int


def slot_key(pool: str, number: int) -> str:
    """The key of one slot of a pool; the first is number 0."""
    return f"pool\x1f{pool}\x1f{number}"


def acquiring(
    locks: LockService, requests: Sequence[LockRequest], pool: Pool | None, *, holder: str
) -> Generator[Waited, None, Held]:
    """Take all the locks and a slot of the pool, where there is one, as `LockService.acquiring` does.

    Raises:
        AssetsError: as there.
    """
    while True:
        held = yield from locks.acquiring(requests, holder=holder)
        slot = take(locks, pool, holder=holder) if pool is not None else None
        if slot is None:
            return held
        if isinstance(slot, Held):
            return held.join(slot)
        held.release()
        assert pool is not None  # noqa: S101 - for mypy: without one there is nothing to wait for
        while True:
            yield slot
            free = take(locks, pool, holder=holder)
            if isinstance(free, Held):
                free.release()  # perhaps somebody else takes it now; then the wait goes on
                break


def take(locks: LockService, pool: Pool, *, holder: str) -> Held | Waited:
    """Take a slot, or say who has them: no more than the size are held, also of those that a larger size had.

    Raises:
        AssetsError: as `LockService.acquiring`.
    """
    first = None
    for number in range(pool.size):
        slot = locks.attempt([LockRequest(slot_key(pool.name, number), exclusive=True)], holder=holder)
        if isinstance(slot, Held):
            if _has_room(locks, pool, number):
                return slot
            slot.release()
            break
        first = first or slot.holder
    some = "the slot is" if pool.size == 1 else f"all {pool.size} slots are"
    by = f", by {first}" if first and pool.size == 1 else f", one by {first}" if first else ""
    return Waited(f"the pool {pool.name} ({some} taken{by})", _PAUSE, pool.name)


def _has_room(locks: LockService, pool: Pool, ours: int) -> bool:
    """Whether with our slot no more than the size are held: one that others knew larger may have slots beyond it."""
    beyond, number = 0, pool.size
    while (held := locks.is_held(slot_key(pool.name, number))) is not None:
        beyond += held
        number += 1
    if not beyond:
        return True
    within = sum(bool(locks.is_held(slot_key(pool.name, number))) for number in range(pool.size) if number != ours)
    return within + 1 + beyond <= pool.size
