"""The overlays of all environments as a root file writes them, read without the rest of it where that will do.

For who compares two files: every other reader is in one environment. Reports nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_KEY: Final = "environments:"


def overlays(data: bytes, file: str) -> Mapping[str, Any]:
    """What `environments` holds, by name; nothing where it holds no mapping."""
    text = data.decode("utf-8-sig", "replace")
    if "environments" not in text:
        return {}
    from assets_cli.manifest.read import read  # only where there are some

    block = _block(text)
    document = read(block.encode(), file) if block else None
    if document is None or document.problems:  # written in a way that cannot be cut out, such as with an alias
        document = read(text.encode(), file)
    values = document.values
    found = values.get("environments") if isinstance(values, dict) else None
    return {str(name): overlay for name, overlay in found.items()} if isinstance(found, dict) else {}


def _block(text: str) -> str:
    """The lines of the key at the top; nothing where no line begins with it."""
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if line.startswith(_KEY)), None)
    if start is None:
        return ""
    end = start + 1
    while end < len(lines) and (not lines[end].strip() or lines[end][0] in " \t#"):
        end += 1
    return "\n".join(lines[start:end]) + "\n"
