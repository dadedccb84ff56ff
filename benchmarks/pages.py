"""The page of results: sections that different runs write, each leaving those of the others as they are."""

from __future__ import annotations

import re
from pathlib import Path

TITLE = "# Results\n"
FUZZING = "Fuzzing"
"""The heading under which `make soak` writes; the others are those of the benchmark."""


def sections(text: str) -> dict[str, str]:
    """The text below each heading of the second level, by heading; what stands above the first is under ''."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def section(page: Path, heading: str) -> str:
    """What a page says under a heading; nothing where it does not."""
    return sections(page.read_text()).get(heading, "").strip() if page.exists() else ""


def write_section(page: Path, heading: str, text: str) -> None:
    """Put a text under a heading, in the place of the one that is there or else at the end."""
    found = sections(page.read_text() if page.exists() else TITLE)
    found[heading] = f"\n{text.strip()}\n\n"
    whole = "".join(f"## {name}\n{body}" if name else f"{body.rstrip()}\n\n" for name, body in found.items())
    page.write_text(whole.rstrip() + "\n")
