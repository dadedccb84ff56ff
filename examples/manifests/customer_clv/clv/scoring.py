"""Use of the artefact: load it, and ask it about a customer. Also a small command, `python -m clv.scoring --help`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

from clv.bgnbd import Parameters, expected_purchases, probability_alive


class Score(NamedTuple):
    """What is foretold of one customer. `value` is `expected_purchases` at what a session of theirs is worth."""

    probability_alive: float
    expected_purchases: float
    value: float


class Model(NamedTuple):
    """A fitted model as it was written to `data/customer_clv_model.json`."""

    parameters: Parameters
    holdout_error: float

    def score(
        self, frequency: int, recency_weeks: float, age_weeks: float, monetary_value: float = 0.0, *, weeks: float = 39
    ) -> Score:
        """What to expect of a customer in the next `weeks` weeks, from the columns of `customer_features`."""
        purchases = expected_purchases(self.parameters, frequency, recency_weeks, age_weeks, weeks)
        alive = probability_alive(self.parameters, frequency, recency_weeks, age_weeks)
        return Score(alive, purchases, purchases * monetary_value)


def load(path: Path) -> Model:
    """The model of an artefact.

    Raises:
        ValueError: the file holds another kind of model.
    """
    artefact = json.loads(path.read_text(encoding="utf-8"))
    if artefact.get("model") != "BG/NBD":
        message = f"{path} holds no BG/NBD model"
        raise ValueError(message)
    return Model(Parameters(**artefact["parameters"]), artefact["holdout"]["error"])


def main() -> None:
    """Score one customer from the command line."""
    parser = argparse.ArgumentParser(prog="python -m clv.scoring", description="Score a customer.")
    parser.add_argument("--model", type=Path, default=Path("data/customer_clv_model.json"))
    parser.add_argument("--frequency", type=int, required=True, help="repeat purchases so far")
    parser.add_argument("--recency", type=float, required=True, help="weeks from the first purchase to the last")
    parser.add_argument("--age", type=float, required=True, help="weeks since the first purchase")
    parser.add_argument("--monetary", type=float, default=0.0, help="average amount of a purchase")
    parser.add_argument("--weeks", type=float, default=39, help="how far to look ahead")
    told = parser.parse_args()
    score = load(told.model).score(told.frequency, told.recency, told.age, told.monetary, weeks=told.weeks)
    print(f"probability alive    {score.probability_alive:8.3f}")
    print(f"expected purchases   {score.expected_purchases:8.3f} in {told.weeks:g} weeks")
    print(f"expected value       {score.value:8.2f}")


if __name__ == "__main__":
    main()
