from __future__ import annotations

import pytest

from assets_cli.manifest.spelling import Spelling


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("raw_event", "raw_events"),
        ("raw_eventss", "raw_events"),
        ("raw_evetns", "raw_events"),
        ("Raw_Events", "raw_events"),
        ("events_raw_today", None),
        ("a", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(written: str, meant: str | None) -> None:
    """A slip of a letter or of case is found; a name that is merely another one is not."""
    names = [f"n{i}" for i in range(100)] + ["raw_events", "raw_customers", "b"]
    assert Spelling(names).nearest(written) == meant


def test_many_mistakes_are_not_each_compared_with_all_names() -> None:
    """After a few full searches only slips of a letter are looked up, so that the cost stays linear."""
    spelling = Spelling([f"some_long_name_{i}" for i in range(100)])
    far = [spelling.nearest(f"some_lang_nime_{i}") for i in range(12)]
    assert [found is not None for found in far] == [True] * 8 + [False] * 4
    assert spelling.nearest("some_long_name_9x") == "some_long_name_9"
