"""The sales report, as Markdown."""

from __future__ import annotations

from typing import Any


def build(context: Any, orders: str, customers: str) -> None:
    """Write the report. `orders` and `customers` are the names of the tables, because they are asked for as `str`."""
    warehouse = context.connection()
    months = warehouse.execute(f"""
        from {orders}
        select strftime(ordered_on, '%Y-%m'), count(*), sum(amount)
        group by all order by 1
    """).fetchall()
    best = warehouse.execute(
        f"from {customers} select customer, spent order by spent desc, customer limit 5"
    ).fetchall()

    lines = [
        "# Sales",
        "",
        "| month | orders | revenue |",
        "|---|---:|---:|",
        *(f"| {month} | {count:,} | {revenue:,.2f} |" for month, count, revenue in months),
        "",
        "Best customers: " + ", ".join(f"{customer} ({spent:,.2f})" for customer, spent in best),
        "",
    ]
    context.output.write_text("\n".join(lines), encoding="utf-8")
    # Kept with the materialization, for people and programs that look back.
    context.report(revenue=float(sum(revenue for _, _, revenue in months)))
