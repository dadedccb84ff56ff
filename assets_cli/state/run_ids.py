"""Names for runs: they sort by time and are unique among many processes. Owns no clock: the time is a parameter."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_run_id(now_us: int) -> str:
    """A run id such as `20261122T110040.123456-7f3a`, for a start at `now_us` microseconds UTC.

    The time sorts to the microsecond. The suffix is random, so that processes that start within the same microsecond
    still differ; a name that is taken all the same is refused by the state file, never shared.
    """
    moment = _EPOCH + timedelta(microseconds=now_us)
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond:06d}-{secrets.token_hex(2)}"
