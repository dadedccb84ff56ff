"""The door: answers `--version` and shell completion at once, and hands everything else to `cli.main`.

Importing Typer costs forty milliseconds, which a prompt that shows the version or completes a word would feel.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        from assets_cli import __version__

        sys.stdout.write(f"assets {__version__}\n")
        sys.exit(0)
    if "_ASSETS_COMPLETE" in os.environ:
        from assets_cli.cli.completion import answer

        sys.exit(answer(os.environ))
    if sys.platform == "win32":
        sys.stderr.write("error[A0820]: assets runs on Linux and macOS\n  hint: on Windows, run it inside WSL\n")
        sys.exit(2)
    from assets_cli.cli.main import run

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
