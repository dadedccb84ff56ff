"""Write a year of made-up orders. The seed is fixed: the same code always writes the same file."""

from __future__ import annotations

import csv
import os
import random
from datetime import date, timedelta
from pathlib import Path

SEED = 7
ORDERS = 2_000
CUSTOMERS = 150
CANCELLED = 0.08
PRICES = {"notebook": 4.5, "pencil": 1.2, "ink": 8.9, "easel": 64.0, "canvas": 19.5}


def main() -> None:
    """Write the file that assets names in ASSETS_OUTPUT."""
    chance = random.Random(SEED)  # noqa: S311 made-up orders are no secret
    output = Path(os.environ.get("ASSETS_OUTPUT", "data/raw_orders.csv"))
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["order_id", "ordered_on", "customer", "product", "quantity", "price", "status"])
        for number in range(1, ORDERS + 1):
            product = chance.choice(list(PRICES))
            rows.writerow(
                [
                    number,
                    date(2025, 1, 1) + timedelta(days=chance.randrange(365)),
                    f"customer-{chance.randrange(CUSTOMERS):03}",
                    product,
                    chance.randint(1, 5),
                    f"{PRICES[product]:.2f}",
                    "cancelled" if chance.random() < CANCELLED else "paid",
                ]
            )


if __name__ == "__main__":
    main()
