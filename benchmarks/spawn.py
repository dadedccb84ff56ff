"""The floor: a loop that starts the same no-op commands two at a time, and does nothing else.

    spawn.py N [--jobs 2]

Each command makes an empty file in `out/`, as the assets of `generate.py` do; there is no graph, no log, no history.
"""

from __future__ import annotations

import argparse
import os


def main() -> None:
    """Start them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    running = 0
    for number in range(arguments.count):
        if running == arguments.jobs:
            os.wait()
            running -= 1
        os.posix_spawn("/bin/sh", ["sh", "-e", "-c", f": > out/n{number}"], os.environ)
        running += 1
    while running:
        os.wait()
        running -= 1


if __name__ == "__main__":
    main()
