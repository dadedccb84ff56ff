"""The example customer_clv from an empty directory to a second plan with nothing to do, as a user would run it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "manifests" / "customer_clv"
EDGES = {
    "raw_events": [],
    "sessionized_events": ["raw_events"],
    "customer_features": ["sessionized_events"],
    "customer_clv_model": ["customer_features"],
    "customer_segments": ["customer_features"],
    "daily_metrics_mart": ["sessionized_events"],
}


class Materialized(NamedTuple):
    """A copy of the example after `materialize --json`, and the events that it printed."""

    root: Path
    events: list[dict[str, Any]]


def assets(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a project."""
    command = [sys.executable, "-m", "assets_cli", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def copy(target: Path) -> Path:
    """The example as it is committed."""
    made = shutil.ignore_patterns("data", ".assets", "__pycache__", ".*_cache")
    return Path(shutil.copytree(EXAMPLE, target, ignore=made))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Materialized:
    """The example, materialized once for all tests that only look."""
    root = copy(tmp_path_factory.mktemp("example") / "customer_clv")
    answer = assets(root, "materialize", "--json")
    if "no package registry could be reached" in answer.stdout + answer.stderr and not os.environ.get("CI"):
        pytest.skip("no package registry could be reached")
    assert answer.returncode == 0, answer.stderr + assets(root, "logs").stdout
    return Materialized(root, [json.loads(line) for line in answer.stdout.splitlines()])


@pytest.fixture
def warehouse(example: Materialized) -> Iterator[duckdb.DuckDBPyConnection]:
    """The example's database, closed again before anything else wants it."""
    with duckdb.connect(str(example.root / "data" / "warehouse.duckdb"), read_only=True) as connection:
        yield connection


def metadata(example: Materialized, asset: str) -> dict[str, Any]:
    """What the history keeps with an asset's only materialization."""
    with sqlite3.connect(f"file:{example.root}/.assets/state.db?mode=ro", uri=True) as state:
        ((text,),) = state.execute("SELECT metadata FROM materializations WHERE asset = ?", (asset,)).fetchall()
    kept: dict[str, Any] = json.loads(text)
    return kept


def test_manifest_has_nothing_to_say_against(tmp_path: Path) -> None:
    """Not even a warning is found in the example, before anything of it exists."""
    answer = assets(copy(tmp_path / "customer_clv"), "validate", "--strict", "--json")
    found = json.loads(answer.stdout)
    assert (answer.returncode, found["problems"], found["assets"]) == (0, [], 6)


def test_all_six_are_materialized(example: Materialized) -> None:
    """The run ends with every asset succeeded and none left."""
    last = example.events[-1]
    assert last["event"] == "run_finished"
    assert sorted(last["succeeded"]) == sorted(EDGES)
    assert [last[result] for result in ("failed", "skipped", "blocked", "cancelled")] == [[], [], [], []]


def test_second_plan_is_empty(example: Materialized) -> None:
    """Right after, nothing is stale and nothing overdue."""
    answer = assets(example.root, "plan", "--exit-code", "--json")
    plan = json.loads(answer.stdout)
    assert (answer.returncode, plan["steps"], plan["overdue"], plan["warnings"]) == (0, [], [], [])


def test_graph_is_the_one_that_everybody_draws(example: Materialized) -> None:
    """The edges are those of the picture, and every asset has an owner and a description."""
    listed = {one["name"]: one for one in json.loads(assets(example.root, "list", "--json").stdout)["assets"]}
    assert {name: one["upstreams"] for name, one in listed.items()} == EDGES
    assert {name: one["status"] for name, one in listed.items()} == dict.fromkeys(EDGES, "up_to_date")
    assert [name for name, one in listed.items() if not one["owners"] or not one["description"]] == []


def test_tables_hold_every_purchase_and_customer(warehouse: duckdb.DuckDBPyConnection) -> None:
    """No purchase and no customer is lost between the log and the tables."""

    def one(query: str) -> tuple[Any, ...]:
        (row,) = warehouse.execute(query).fetchall()
        return tuple(row)

    sessions = "select count(*), sum(purchases)::int, count(distinct customer_id) from sessionized_events"
    assert one(sessions) == (67_591, 69_659, 23_570)
    assert one("select count(distinct session_id), max(session_number) from sessionized_events")[0] == 67_591
    assert one("select count(*), count(distinct customer_id) from customer_features") == (23_570, 23_570)
    assert one("select sum(frequency)::int, sum(holdout_purchases)::int from customer_features") == (24_337, 19_684)
    assert one("select count(*), count(distinct customer_id) from customer_segments") == (23_570, 23_570)


def test_mart_adds_up(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Each of the 546 days is there once; orders, new customers and revenue add up to the log's."""
    query = """
        select count(distinct day), sum(orders)::int, sum(new_customers)::int, sum(revenue)::double,
            (select sum(amount)::double from sessionized_events)
        from daily_metrics_mart
    """
    ((days, orders, new_customers, revenue, amount),) = warehouse.execute(query).fetchall()
    assert (days, orders, new_customers, revenue) == (546, 69_659, 23_570, amount)


def test_moving_average_is_over_seven_days(warehouse: duckdb.DuckDBPyConnection) -> None:
    """A week into the log the average of orders is that of its first seven days."""
    query = "select orders, orders_7_day_average from daily_metrics_mart order by day limit 7"
    week = warehouse.execute(query).fetchall()
    assert week[-1][1] == round(sum(orders for orders, _ in week) / 7, 2)


def test_artefact_scores_a_customer(example: Materialized) -> None:
    """The command that the README shows answers from the artefact that was just made."""
    words = ["--frequency", "2", "--recency", "30.43", "--age", "38.86", "--monetary", "22.35"]
    command = [sys.executable, "-m", "clv.scoring", *words]
    answer = subprocess.run(command, cwd=example.root, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == [
        "probability alive       0.729",
        "expected purchases      1.233 in 39 weeks",
        "expected value          27.55",
    ]


def test_model_reports_how_well_it_foretold(example: Materialized) -> None:
    """The history keeps parameters, log-likelihood and the error of the holdout with the model."""
    kept = metadata(example, "customer_clv_model")
    told = {name: round(kept[name], 3) for name in ("r", "alpha", "a", "b", "log_likelihood", "holdout_error")}
    assert kept["customers"] == 23_570
    assert told == {
        "r": 0.252,
        "alpha": 4.789,
        "a": 0.723,
        "b": 2.161,
        "log_likelihood": -95368.44,
        "holdout_error": -0.143,
    }


def test_log_reports_what_it_holds(example: Materialized) -> None:
    """The history keeps with the log how much it holds, of which days, and where it was taken from."""
    kept = metadata(example, "raw_events")
    assert (kept["rows"], kept["customers"]) == (69_659, 23_570)
    assert (kept["first_day"], kept["last_day"]) == ("1997-01-01", "1998-06-30")


def test_same_model_again_is_unchanged(example: Materialized, tmp_path: Path) -> None:
    """Forced to run again on the same customers, the model comes out byte for byte the same."""
    root = tmp_path / "again"
    shutil.copytree(example.root, root)
    answer = assets(root, "materialize", "customer_clv_model", "--force", "--json")
    last = json.loads(answer.stdout.splitlines()[-1])
    assert (answer.returncode, last["succeeded"], last["unchanged"]) == (
        0,
        ["customer_clv_model"],
        ["customer_clv_model"],
    )
    artefact = Path("data") / "customer_clv_model.json"
    assert (root / artefact).read_bytes() == (example.root / artefact).read_bytes()


def test_missing_registry_fails_one_step_and_blocks_the_rest(tmp_path: Path) -> None:
    """Without a registry the log fails after its retries, five assets are blocked, and no file is left behind."""
    root = copy(tmp_path / "customer_clv")
    manifest = root / "assets.yml"
    manifest.write_text(manifest.read_text().replace("delay: 5s", "delay: 100ms"))
    without = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    without |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    command = [sys.executable, "-m", "assets_cli", "materialize", "--json"]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=without)
    last = json.loads(answer.stdout.splitlines()[-1])
    assert (answer.returncode, last["failed"], len(last["blocked"])) == (1, ["raw_events"], 5)
    assert [line for line in answer.stdout.splitlines() if "Traceback" in line] == []
    assert not (root / "data" / "raw_events.csv").exists()
