"""The JSON documents of the command line, as text."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_cli.cli import console

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e15, 1e15).map(lambda each: round(each, 3)) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def printed(document: Any, capsys: pytest.CaptureFixture[str]) -> str:
    """What is printed of a document."""
    console.show_json(document)
    return capsys.readouterr().out


@given(value=VALUES)
def test_a_long_document_is_laid_out_as_a_short_one(value: Any) -> None:
    """Whoever writes it, the text is that of Python's json, also of what the quick writer does not take."""
    document = {"version": 1, "nodes": [value] * (console._MANY + 1)}
    assert console._written(document, is_plain=False) == json.dumps(document, indent=2, ensure_ascii=False)


def test_a_name_that_is_no_utf_8() -> None:
    """It stays what it is; nothing is replaced in silence."""
    document = {"files": [{"name": os.fsdecode(b"f\xff")}] * (console._MANY + 1)}
    assert console._written(document, is_plain=True) == json.dumps(document, indent=2)
    assert console._written(document, is_plain=False) == json.dumps(document, indent=2, ensure_ascii=False)


def test_a_document_ends_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As every text file does."""
    assert printed({"version": 1}, capsys) == '{\n  "version": 1\n}\n'
    assert printed({"a": ["x"] * 101}, capsys).endswith("\n}\n")
