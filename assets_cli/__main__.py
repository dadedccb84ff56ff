"""The entry point: answers `--version` and shell completion at once, and hands everything else to `cli.main`.

Importing Typer costs forty milliseconds, which a prompt that shows the version or completes a word would feel. Signals
are this file's business too, since it is the first to run and the last to go.
"""

from __future__ import annotations

import os
import sys
from types import FrameType

_INTERRUPTED = 130
_GC_THRESHOLDS = (50_000, 20, 100)
"""The garbage collector runs rarely: what a command makes lives until its end, or is freed by its reference count.

With Python's threshold of 700 a tenth of the time of ten thousand assets goes into collections in vain. The only cycles
are the syntax trees of queries, and the memory peak of ten thousand of them stays as it was.
"""


def main() -> None:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]) and _say_version():
        sys.exit(0)
    if "_ASSETS_COMPLETE" in os.environ:
        from assets_cli.cli.completion import answer

        sys.exit(answer(os.environ))
    if sys.platform == "win32":
        sys.stderr.write("error[A0820]: assets runs on Linux and macOS\n  hint: on Windows, run it inside WSL\n")
        sys.exit(2)
    sys.exit(_run(arguments))


def _say_version() -> bool:
    """Whether it could be said; where it could not, the command line knows what to say of that."""
    from assets_cli import __version__

    if sys.stdout is None:  # closed by the caller, as with `>&-`
        return False
    try:
        sys.stdout.write(f"assets {__version__}\n")
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _run(arguments: list[str]) -> int:
    """The exit code. Being told to end, or that the terminal is gone, is what Ctrl-C is: see `running.signals`."""
    import gc  # the quick answers do without these
    import signal

    gc.set_threshold(*_GC_THRESHOLDS)
    # Who ignores SIGHUP for us wants us to outlive the terminal, as `nohup` does.
    endings = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]
    try:
        for number in endings:
            signal.signal(number, signal.default_int_handler)
        from assets_cli.cli.main import run

        code = run(arguments)
    except KeyboardInterrupt:  # before the command line could catch it, or after
        code = _INTERRUPTED

    def leave(_number: int, _frame: FrameType | None) -> None:
        os._exit(code)  # all is said and done

    for number in (signal.SIGINT, *endings):
        signal.signal(number, leave)
    return code


if __name__ == "__main__":
    main()
