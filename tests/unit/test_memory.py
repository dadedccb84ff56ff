"""The garbage collector is left as it was found."""

from __future__ import annotations

import gc

import pytest

from assets_cli.model.memory import collector_at_ease


def test_the_collector_is_at_ease_inside_and_as_before_after_it() -> None:
    """Also where what is done inside fails."""
    before = gc.get_threshold()
    with pytest.raises(RuntimeError), collector_at_ease():  # noqa: PT012 - what is so inside is looked at inside
        assert gc.get_threshold()[0] > 10 * before[0]
        assert gc.isenabled()
        raise RuntimeError
    assert gc.get_threshold() == before
