"""Names of runs."""

from __future__ import annotations

import re

from assets_cli.state.run_ids import new_run_id

NOW = 1_795_345_240_123_456


def test_form() -> None:
    """A run id is its start to the microsecond and four random hex digits."""
    assert re.fullmatch(r"20261122T110040\.123456-[0-9a-f]{4}", new_run_id(NOW))


def test_sorts_by_time() -> None:
    """Ids sort as their starts do, also across seconds without microseconds."""
    ids = [new_run_id(NOW + step) for step in (-123_457, -123_456, 0, 1, 876_544, 60_000_000)]
    assert sorted(ids) == ids


def test_differ() -> None:
    """Runs that start in the same microsecond get different names."""
    assert len({new_run_id(NOW) for _ in range(5)}) > 1
