"""What somebody may have meant by a name that is not there. Only asked once something is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable

_MOST = 5_000


def files(root: str, suffix: str) -> list[str]:
    """Files of the project with this suffix, relative to the root: no hidden folders, no environments, not too many."""
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            each for each in folders if not each.startswith(".") and each not in ("__pycache__", "node_modules", "venv")
        )
        found += [os.path.relpath(f"{folder}/{name}", root) for name in names if name.endswith(suffix)]
        if len(found) > _MOST:
            break
    return sorted(found)


def hint(name: str, known: Iterable[str]) -> str | None:
    """`did you mean …?`, for the nearest of the known names, or for one of that name in another folder."""
    from difflib import get_close_matches  # only once something is wrong

    candidates = list(known)
    close = get_close_matches(name, candidates, n=1, cutoff=0.6)
    last = name.rpartition("/")[2]
    same = [each for each in candidates if each.rpartition("/")[2] == last]
    found = (same or close)[:1]
    return f"did you mean {found[0]}?" if found else None


def is_installed(module: str, root: str) -> bool:
    """Whether a module that is no file of the project belongs to something that is installed or compiled."""
    from importlib.machinery import EXTENSION_SUFFIXES
    from importlib.util import find_spec

    if any(os.path.isfile(f"{root}/{module.replace('.', '/')}{suffix}") for suffix in EXTENSION_SUFFIXES):  # noqa: PTH113
        return True  # compiled, in the project itself
    first = module.partition(".")[0]
    if os.path.isdir(f"{root}/{first}") or os.path.isfile(f"{root}/{first}.py"):  # noqa: PTH112, PTH113
        return False
    try:
        return find_spec(first) is not None
    except (ImportError, ValueError):
        return False
