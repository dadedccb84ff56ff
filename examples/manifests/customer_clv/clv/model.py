"""The asset `customer_clv_model`: fits BG/NBD to the calibration period and tells how well it foretold the holdout."""

from __future__ import annotations

import json
from typing import Any

from clv.bgnbd import DAYS_IN_WEEK, History, Parameters, expected_purchases, fit

DECIMALS = 6


def train(context: Any, customer_features: str) -> None:
    """Write the fitted model as JSON to the asset's output.

    `context` is the run's; `customer_features` is the upstream's table, by its qualified name, because it is asked for
    as `str`. Nothing in the artefact depends on when it was made: the same customers give the same bytes, and what is
    downstream of it has nothing to do.
    """
    columns = "frequency, recency_days, age_days, holdout_purchases, holdout_weeks"
    query = f"select {columns} from {customer_features} order by customer_id"  # noqa: S608 the manifest's own name
    rows = context.connection().execute(query).fetchall()
    histories = [History(*row[:3]) for row in rows]
    context.log.info("fitting BG/NBD to %d customers, %d of them distinct", len(histories), len(set(histories)))
    found = fit(histories)
    # Rounded before it is used, so that whoever loads the artefact computes what is reported here.
    parameters = Parameters(*(round(value, DECIMALS) for value in found.parameters))
    context.log.info("%s after %d evaluations", parameters, found.evaluations)

    weeks = rows[0][4]
    foretold = sum(
        expected_purchases(parameters, frequency, recency / DAYS_IN_WEEK, age / DAYS_IN_WEEK, weeks)
        for frequency, recency, age in histories
    )
    happened = sum(row[3] for row in rows)
    error = foretold / happened - 1
    context.log.info("holdout of %d weeks: %.0f purchases foretold, %d made", weeks, foretold, happened)
    context.report(
        customers=len(rows),
        log_likelihood=round(found.log_likelihood, 2),
        holdout_error=round(error, 4),
        **parameters._asdict(),
    )
    artefact = {
        "model": "BG/NBD",
        "unit_of_time": "week",
        "parameters": parameters._asdict(),
        "fitted_to": {
            "customers": len(rows),
            "repeat_purchases": sum(history.frequency for history in histories),
            "log_likelihood": round(found.log_likelihood, DECIMALS),
        },
        "holdout": {
            "weeks": weeks,
            "purchases_foretold": round(foretold, 1),
            "purchases_made": happened,
            "error": round(error, 4),
        },
    }
    # Moved into place whole: a program that scores customers meanwhile reads the old model or the new one.
    partial = context.output.with_suffix(".partial")
    partial.write_text(json.dumps(artefact, indent=2) + "\n", encoding="utf-8")
    partial.replace(context.output)
