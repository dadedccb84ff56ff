"""The BG/NBD model of the example, held to what its paper prints for the published sample of 2,357 customers."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "manifests" / "customer_clv"
sys.path.append(str(EXAMPLE))

from clv import bgnbd, model, nelder_mead, scoring  # noqa: E402 the example is a project, not an installed package

PUBLISHED = bgnbd.Parameters(r=0.243, alpha=4.414, a=0.793, b=2.426)


class Context:
    """As much of a run's context as the asset uses."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, output: Path) -> None:
        self.log = logging.getLogger("example")
        self.output = output
        self.reported: dict[str, Any] = {}
        self._connection = connection

    def connection(self) -> duckdb.DuckDBPyConnection:
        """The sample's database."""
        return self._connection

    def report(self, **facts: Any) -> None:
        """Keep what was said."""
        self.reported.update(facts)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """A database in which the example's own script and SQL made `customer_features` of the sample."""
    directory = tmp_path_factory.mktemp("sample")
    script = EXAMPLE / "scripts" / "fetch_cdnow.py"
    command = [sys.executable, script, "--sample", "--out", directory / "data" / "raw_events.csv"]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    if fetched.returncode == 75 and not os.environ.get("CI"):
        pytest.skip(fetched.stderr.splitlines()[1])
    assert fetched.returncode == 0, fetched.stderr
    connection = duckdb.connect()
    connection.execute(f"set file_search_path = '{directory}'")
    for table in ("sessionized_events", "customer_features"):
        connection.execute(f"create table {table} as " + (EXAMPLE / "sql" / f"{table}.sql").read_text())
    return connection


@pytest.fixture(scope="module")
def trained(sample: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The artefact's file and what was reported with it."""
    context = Context(sample, tmp_path_factory.mktemp("model") / "model.json")
    model.train(context, "customer_features")
    return context.output, context.reported


def test_sample_has_the_published_parameters(trained: tuple[Path, dict[str, Any]]) -> None:
    """The most likely parameters of the sample are those of the paper, to the three decimals that it prints."""
    parameters = scoring.load(trained[0]).parameters
    assert bgnbd.Parameters(*(round(value, 3) for value in parameters)) == PUBLISHED


def test_training_reports_likelihood_and_holdout_error(trained: tuple[Path, dict[str, Any]]) -> None:
    """The metadata holds the paper's log-likelihood and an error of about -12 % in the 39 weeks held out."""
    reported = trained[1]
    assert reported["customers"] == 2357
    assert round(reported["log_likelihood"], 1) == -9582.4
    assert round(reported["holdout_error"], 3) == -0.121


def test_artefact_counts_what_it_was_judged_by(trained: tuple[Path, dict[str, Any]]) -> None:
    """The artefact names 39 weeks of holdout, what was foretold for them and what was made."""
    holdout = json.loads(trained[0].read_text())["holdout"]
    assert holdout == {"weeks": 39.0, "purchases_foretold": 1653.4, "purchases_made": 1882, "error": -0.1215}


def test_same_customers_give_the_same_bytes(
    sample: duckdb.DuckDBPyConnection, trained: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """The order of rows in the table leaves no trace in the artefact, and the artefact is all that is written."""
    sample.execute("create or replace table shuffled as from customer_features order by hash(customer_id)")
    model.train(Context(sample, tmp_path / "model.json"), "shuffled")
    assert [path.read_text() for path in tmp_path.iterdir()] == [trained[0].read_text()]


def test_artefact_scores_a_customer(trained: tuple[Path, dict[str, Any]]) -> None:
    """The first customer of the paper's spreadsheet is expected to buy 1.226 times in the next 39 weeks."""
    score = scoring.load(trained[0]).score(2, 30.43, 38.86, 10.0)
    assert round(score.expected_purchases, 3) == 1.226
    assert round(score.value, 2) == 12.26
    assert 0 < score.probability_alive < 1


def test_one_who_never_came_back_is_surely_active() -> None:
    """A customer can only drop out after a repeat purchase, so without one the model keeps everybody."""
    assert bgnbd.probability_alive(PUBLISHED, 0, 0.0, 38.86) == 1.0


def test_longer_silence_makes_alive_less_probable() -> None:
    """Of two customers who bought as often, the one silent for longer is less probably alive."""
    recent, silent = (bgnbd.probability_alive(PUBLISHED, 5, recency, 38.86) for recency in (38.0, 10.0))
    assert recent > 0.8
    assert silent < 0.1


def test_another_artefact_is_refused(tmp_path: Path) -> None:
    """A JSON file that says it is another model is not taken for this one."""
    path = tmp_path / "other.json"
    path.write_text('{"model": "Pareto/NBD"}')
    with pytest.raises(ValueError, match="holds no BG/NBD model"):
        scoring.load(path)


def test_likelihood_is_the_formula_of_the_paper() -> None:
    """Counted and in logarithms, the likelihood is the product of the paper's (6) over the customers."""
    histories = Counter({bgnbd.History(0, 0, 200): 3, bgnbd.History(4, 150, 250): 2})

    def likelihood(x: int, recency: float, age: float) -> float:
        r, alpha, a, b = PUBLISHED

        def beta(p: float, q: float) -> float:
            return math.gamma(p) * math.gamma(q) / math.gamma(p + q)

        rate = math.gamma(r + x) * alpha**r / math.gamma(r)
        active = beta(a, b + x) / beta(a, b) * rate / (alpha + age) ** (r + x)
        gone = beta(a + 1, b + x - 1) / beta(a, b) * rate / (alpha + recency) ** (r + x) if x else 0.0
        return active + gone

    expected = 3 * math.log(likelihood(0, 0, 200 / 7)) + 2 * math.log(likelihood(4, 150 / 7, 250 / 7))
    assert bgnbd.log_likelihood(PUBLISHED, histories) == pytest.approx(expected, rel=1e-12)


def test_likelihood_survives_parameters_far_out() -> None:
    """Where the odds of having left overflow a float the logarithm is still a number."""
    far = bgnbd.Parameters(r=1.0, alpha=1e-300, a=1e5, b=1.0)
    assert math.isfinite(bgnbd.log_likelihood(far, {bgnbd.History(30, 1, 300): 1}))


def test_nothing_is_fitted_without_a_repeat_purchase() -> None:
    """Customers who all bought once say nothing of how often they buy."""
    with pytest.raises(ValueError, match="no customer has a repeat purchase"):
        bgnbd.fit([bgnbd.History(0, 0, 100)] * 5)


def test_hypergeometric_is_the_logarithm() -> None:
    """2F1(1, 1; 2; z) is -log(1 - z) / z."""
    assert bgnbd.hypergeometric(1, 1, 2, 0.9) == pytest.approx(-math.log(0.1) / 0.9, rel=1e-11)


def test_simplex_finds_the_bottom_of_a_bent_valley() -> None:
    """Rosenbrock's function has its minimum at (1, 1)."""
    found = nelder_mead.minimise(lambda p: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2, [-1.2, 1.0])
    assert [round(value, 5) for value in found.point] == [1.0, 1.0]


def test_simplex_gives_up_on_a_slope_without_end() -> None:
    """A function that only ever falls has no minimum, and the search says so."""
    with pytest.raises(nelder_mead.DidNotConvergeError, match="no minimum within 4000 evaluations"):
        nelder_mead.minimise(lambda p: -p[0], [0.0])
