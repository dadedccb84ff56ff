"""The command line as a fixture."""

from __future__ import annotations

import pytest
from support.shop import CommandLine


@pytest.fixture
def assets(monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Call `assets` as from a shell: `assets("plan", "--json")`."""
    return CommandLine(monkeypatch)
