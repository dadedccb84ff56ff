"""What holds for every test."""

from __future__ import annotations

import os

# pytest-xdist tells its workers how wide its own terminal is; screens in tests are as wide as each test says.
os.environ.pop("COLUMNS", None)
