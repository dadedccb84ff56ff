"""The process that fuzzes with atheris: bytes, mutated by what they cover of our own code.

    atheris_fuzzer.py FOLDER SEED SECONDS

The first byte says which file the others are: the manifest, a query, or a module. A finding is told and gone past.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["assets_cli"]):
    from support.reporting import Report

from support.mutations import MODULE, QUERY, seeds, words

KINDS = ((".yml", "assets.yml", {}), (".sql", "q.sql", {"assets.yml": QUERY}), (".py", "m.py", {"assets.yml": MODULE}))


def project(data: bytes) -> dict[str, bytes]:
    """The files that some bytes stand for."""
    _, name, others = KINDS[data[0] % len(KINDS)]
    return {**others, name: data[1:]}


def corpus(folder: Path) -> None:
    """Real files to begin with, and the words that may be put into them."""
    (folder / "corpus").mkdir()
    texts = {(name, data) for files in seeds() for name, data in files.items() if len(data) < 1 << 14}
    for number, (name, data) in enumerate(sorted(texts)):
        kind = next(index for index, (suffix, *_) in enumerate(KINDS) if name.endswith(suffix))
        (folder / "corpus" / f"{number:03}").write_bytes(bytes([kind]) + data)
    short = sorted({word for word in words() if 0 < len(word.encode()) <= 30})
    quoted = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in short)
    (folder / "words").write_text("".join(f'"{word}"\n' for word in quoted))


def main() -> None:
    """Fuzz until the time is over."""
    folder, number, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    report, until = Report(folder), time.time() + seconds
    corpus(folder)

    def look(data: bytes) -> None:
        if not data or time.time() > until:
            return
        for finding in report.look(project(data)):
            report.tell(finding)
        if report.executions % 100 == 0:
            report.count()

    options = [f"-seed={number}", f"-max_total_time={int(seconds)}", f"-dict={folder / 'words'}", "-max_len=8192"]
    atheris.Setup([sys.argv[0], *options, "-rss_limit_mb=4096", "-timeout=60", str(folder / "corpus")], look)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
