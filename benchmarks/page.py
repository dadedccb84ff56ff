"""RESULTS.md, section by section: what one benchmark measured leaves what others did as it was."""

from __future__ import annotations

from pathlib import Path

HEAD = "# Results\n\nWhat was measured, by which command and on what. Where an aim was missed, it says so.\n"


def keep(path: Path, title: str, lines: list[str]) -> None:
    """Put a section into the page, in place of the one with this title."""
    _, *sections = path.read_text().split("\n## ") if path.exists() else [""]
    told = {each.partition("\n")[0]: each for each in sections}
    told[title] = "\n".join([title, "", *lines]).rstrip("\n") + "\n"
    path.write_text("\n## ".join([HEAD, *told.values()]))
