"""Values of metadata as texts."""

from __future__ import annotations

from typing import Any

import pytest

from assets_cli.model import metadata


def typed(kind: str, raw: Any) -> dict[str, Any]:
    """A value that carries its type."""
    return {"raw_value": raw, "type": kind}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a text", "a text"),
        (3, "3"),
        (0.5, "0.5"),
        (None, "null"),
        (True, "true"),
        ([1, "ö"], '[1, "ö"]'),
        ({"raw_value": 1}, '{"raw_value": 1}'),
        ({"raw_value": 1, "type": 2}, '{"raw_value": 1, "type": 2}'),
        (typed("url", "https://x"), "https://x"),
        (typed("of the future", {"a": 1}), '{"a": 1}'),
        (typed("timestamp", 1_769_851_800), "2026-01-31T09:30:00Z"),
        (typed("timestamp", 1_769_851_800.25), "2026-01-31T09:30:00.250000Z"),
        (typed("timestamp", 1e30), "1e+30"),
        (typed("timestamp", True), "true"),
        (typed("table_schema", {"columns": [{"name": "id", "type": "int"}, {"name": "x"}]}), "id int, x"),
        (typed("table_schema", {"columns": "none"}), '{"columns": "none"}'),
        (typed("table_schema", None), "null"),
        (typed("table", {"schema": None, "records": [{"a": 1}]}), '[{"a": 1}]'),
        (
            typed(
                "table_column_lineage",
                {
                    "deps_by_column": {
                        "total": [
                            {"asset_key": "raw/orders", "column_name": "amount"},
                            {"asset_key": ["raw", "tax"], "column_name": "rate"},
                        ],
                        "one": [],
                    }
                },
            ),
            "total from raw/orders.amount, raw/tax.rate; one from nothing",
        ),
        (typed("table_column_lineage", {"deps_by_column": {"a": 3}}), '{"deps_by_column": {"a": 3}}'),
    ],
)
def test_every_value_is_one_text(value, text):
    """Whatever somebody reported."""
    assert metadata.text(value) == text
