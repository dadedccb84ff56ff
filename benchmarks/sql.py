"""Times what SQL assets cost: upstreams inferred, tables filled, checks evaluated, each beside the same work done bare.

    sql.py [--assets 10000] [--rows 10000000] [--runs 5]

Plans are whole processes in alternation. Of a step it is the time that its attempt has on record, in a worker that is
warm, beside a bare DuckDB process that times the same statement, connecting and closing included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from generate import graph, write
from pages import write_section
from timing import find, machine, once, paired

HERE = Path(__file__).parent
FILL = """
select range as id, range % 1000 as customer, range * 0.25 as amount, 'order ' || range % 97 as label, range % 5 as kind
from range({rows})
"""
FINGERPRINT = 'select count(*), sum(hash("id", "customer", "amount", "label", "kind")) from orders'
BARE = """
import duckdb, json, sys, time
path, statement, more = sys.argv[1:]
times = [time.perf_counter()]
raw = duckdb.connect(path)
raw.execute(statement).fetchall()
times.append(time.perf_counter())
raw.execute(more).fetchall()
times.append(time.perf_counter())
raw.close()
times.append(time.perf_counter())
asked = times[2] - times[1]
print(json.dumps([times[3] - times[0] - asked, asked]))
"""
FILLED = """
import duckdb, sys
raw = duckdb.connect(sys.argv[1])
raw.execute("begin")
for number in range(int(sys.argv[2])):
    raw.execute(f"create table n{number} as select 1 as id, 2 as amount")
raw.execute("commit")
"""
NAMES = ("id", "customer", "amount", "label", "kind")
RANGES = {"id": (0, 10**9), "customer": (0, 999), "amount": (0, 10**9), "kind": (0, 4)}
CHECKS = (
    *("{row_count: {min: 1}}", "{unique: [id]}"),
    *(f"{{not_null: [{name}]}}" for name in NAMES),
    *(f"{{between: {{column: {name}, min: {low}, max: {high}}}}}" for name, (low, high) in RANGES.items()),
    *(f"{{name: {name}_low, between: {{column: {name}, min: {low}}}}}" for name, (low, _) in RANGES.items()),
    *(f"{{name: {name}_high, between: {{column: {name}, max: {high}}}}}" for name, (_, high) in RANGES.items()),
    "{accepted_values: {column: kind, values: [0, 1, 2, 3, 4]}}",
)
AGGREGATES = (
    *("count(*)", "count(id) - count(distinct id)"),
    *(f"count(*) filter (where {name} is null)" for name in NAMES),
    *(f"count(*) filter (where {name} not between {low} and {high})" for name, (low, high) in RANGES.items()),
    *(f"count(*) filter (where {name} < {low})" for name, (low, _) in RANGES.items()),
    *(f"count(*) filter (where {name} > {high})" for name, (_, high) in RANGES.items()),
    "count(*) filter (where kind not in (0, 1, 2, 3, 4))",
)


class Figure(NamedTuple):
    """A line of the page: the work, what it took, the same work bare, and how the aim was met."""

    work: str
    ours: str
    bare: str
    aim: str


def reached(figure: float, aim: float, told: str) -> str:
    """The aim and whether it was reached."""
    return f"{told}, {'reached' if figure <= aim else 'missed'}"


def inference(root: Path, count: int, runs: int) -> list[Figure]:
    """A plan of SQL assets beside one of the same graph in shell: with nothing kept, and with everything."""
    nodes = graph(count)
    places = {"sql": root / "sql", "shell": root / "shell"}
    write(nodes, places["shell"])
    places["sql"].mkdir()
    lines = ["version: 1", "project: bench", "connections: {w: {type: duckdb, path: w.duckdb}}", "assets:"]
    for name, above in nodes:
        reads = " union all ".join(f"select id, amount from {each}" for each in above) or "select 1 as id, 2 as amount"
        lines.append(f"  - name: {name}\n    command: {{sql: '{reads}'}}\n    output: {{table: {name}}}")
        lines.append("    freshness: {max_lag: 36500d}")
    (places["sql"] / "assets.yml").write_text("\n".join(lines) + "\n")
    command = [find("assets"), "plan"]
    cold = {name: once(command, place) for name, place in places.items()}
    once([sys.executable, "-c", FILLED, "w.duckdb", str(count)], places["sql"])
    for name, _ in nodes:
        (places["shell"] / "out" / name).touch()
    for place in places.values():
        once([find("assets"), "state", "mark", "n*"], place)
    command.append("--exit-code")  # which fails where anything is stale
    warm = paired(dict.fromkeys(places, command), places, runs)
    more = warm["sql"].seconds - warm["shell"].seconds
    return [
        Figure(
            f"plan of {count:,} SQL assets, cold: every query is parsed",
            f"{cold['sql'].seconds:.2f} s",
            f"{cold['shell'].seconds:.2f} s of the same graph without SQL",
            reached(cold["sql"].seconds, 15, "15 s"),
        ),
        Figure(
            f"plan of {count:,} SQL assets, nothing to do, warm",
            f"{warm['sql'].seconds:.3f} s",
            f"{warm['shell'].seconds:.3f} s of the same graph without SQL",
            reached(more, 0.1, f"0.1 s more: {more:+.3f} s"),
        ),
    ]


def attempt(place: Path, *words: str) -> float:
    """Seconds that the step of `orders` took in a run whose worker is warm."""
    once([find("assets"), *words], place)
    told = subprocess.run([find("assets"), "runs", "latest", "--json"], cwd=place, capture_output=True, check=True)
    (step,) = (each for each in json.loads(told.stdout)["attempts"] if each["asset"] == "orders")
    started, finished = (datetime.fromisoformat(step[key]) for key in ("started", "finished"))
    return (finished - started).total_seconds()


def bare(place: Path, statement: str, more: str) -> list[float]:
    """Seconds of a statement in a process that does nothing else, connecting and closing included, and of another."""
    command = [sys.executable, "-c", BARE, "bare.duckdb", statement, more]
    told = subprocess.run(command, cwd=place, capture_output=True, check=True)
    return list(json.loads(told.stdout.splitlines()[-1]))  # of what takes long, DuckDB draws the progress before


def table(root: Path, rows: int, runs: int) -> list[Figure]:
    """A table filled and fingerprinted by a step, beside the statements."""
    place = root / f"table{rows}"
    place.mkdir()
    query = FILL.format(rows=rows).strip()
    (place / "orders.sql").write_text(query)
    (place / "assets.yml").write_text(
        "version: 1\nconnections: {w: {type: duckdb, path: w.duckdb}}\nassets:\n"
        "- {name: warm, command: {sql: select 1 as x}, output: {table: warm}}\n"
        "- {name: orders, command: {sql: orders.sql}, output: {table: orders}, upstreams: [warm]}\n"
    )
    pairs = []
    for _ in range(runs + 1):
        ours = attempt(place, "materialize", "--force", "--jobs", "1")
        pairs.append((ours, *bare(place, f"create or replace table orders as {query}", FINGERPRINT)))
    took, filled, hashed = (statistics.median(each) for each in zip(*pairs[1:], strict=True))
    more = [ours - filled - hashed for ours, filled, hashed in pairs[1:]]
    low, rest, high = statistics.quantiles(more)  # of each pair: the machine's speed drifts from one to the next
    return [
        Figure(
            f"table of {rows:,} rows, its step",
            f"{took * 1000:.0f} ms",
            f"{filled * 1000:.0f} ms the statement, {hashed * 1000:.0f} ms a hash of its rows",
            reached(
                rest,
                0.01,
                f"10 ms more than both: {rest * 1000:+.0f} ms, quartiles {low * 1000:+.0f} and {high * 1000:+.0f}",
            ),
        ),
        Figure(
            f"fingerprint of {rows:,} rows",
            f"{hashed * 1000:.0f} ms",
            f"{filled * 1000:.0f} ms the statement",
            reached(hashed, filled / 10, f"10 % of the statement: {100 * hashed / filled:.0f} %"),
        ),
    ]


def checks(root: Path, rows: int, runs: int) -> list[Figure]:
    """Twenty checks of one table, beside one query that aggregates the same."""
    place = root / "checks"
    place.mkdir()
    query = FILL.format(rows=rows).strip()
    (place / "orders.sql").write_text(query)
    declared = "".join(f"  - {each}\n" for each in CHECKS)
    (place / "assets.yml").write_text(
        "version: 1\nconnections: {w: {type: duckdb, path: bare.duckdb}}\nassets:\n"
        f"- name: orders\n  command: {{sql: orders.sql}}\n  output: {{table: orders}}\n  checks:\n{declared}"
    )
    once([find("assets"), "materialize"], place)
    nothing = root / "nothing"
    nothing.mkdir()
    head = (place / "assets.yml").read_text().partition("  checks")[0]
    (nothing / "assets.yml").write_text(head + "  checks: [{row_count: {min: 1}}]\n")
    (nothing / "orders.sql").write_text("select 1 as id")
    once([find("assets"), "materialize"], nothing)
    aggregate = f"select {', '.join(AGGREGATES)} from orders"
    commands = {name: [find("assets"), "check"] for name in ("ours", "nothing")}
    spent = paired(commands, {"ours": place, "nothing": nothing}, runs)
    theirs = statistics.median(bare(place, aggregate, "select 1")[0] for _ in range(runs))
    ours = spent["ours"].seconds - spent["nothing"].seconds
    return [
        Figure(
            f"{len(CHECKS)} checks of {rows:,} rows, without what one check of one row takes",
            f"{ours:.2f} s",
            f"{theirs:.2f} s one query that aggregates the same",
            reached(ours / theirs, 1.5, f"1.5 x: {ours / theirs:.2f} x"),
        )
    ]


def main() -> None:
    """Measure, print, and keep the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the projects are made; by default the temporary folder")
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        root = Path(folder)
        figures = inference(root, chosen.assets, chosen.runs)
        figures += table(root, 1, chosen.runs)[:1]
        figures += table(root, chosen.rows // 10, 5 * chosen.runs)[:1]
        figures += table(root, chosen.rows, 2 * chosen.runs)
        figures += checks(root, chosen.rows, chosen.runs)
    lines = [
        *(f"`benchmarks/sql.py` on {machine()}.", "", __doc__.partition("\n\n")[2].partition("\n\n")[2].strip(), ""),
        *("| work | assets | the same bare | aim |", "|---|---|---|---|"),
        *(f"| {' | '.join(each)} |" for each in figures),
    ]
    for each in figures:
        print(" · ".join(each))
    write_section(chosen.results, "SQL beside the same work bare", "\n".join(lines))


if __name__ == "__main__":
    main()
