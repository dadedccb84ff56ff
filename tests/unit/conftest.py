"""Where the tests of checks keep their tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.bench import Bench


@pytest.fixture(params=["duckdb", "sqlite", "parquet", "csv", "jsonl", "arrow"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Every kind of storage."""
    return Bench(tmp_path, request.param)


@pytest.fixture(params=["duckdb", "sqlite"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Both databases."""
    return Bench(tmp_path, request.param)


@pytest.fixture
def duck(tmp_path: Path) -> Bench:
    """DuckDB."""
    return Bench(tmp_path, "duckdb")


@pytest.fixture
def lite(tmp_path: Path) -> Bench:
    """SQLite."""
    return Bench(tmp_path, "sqlite")
