"""What the tests with real commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty project."""
    return Place(tmp_path)
