"""How large an output at a path is, and of Parquet files how many rows they hold and of which columns.

Only what is cheap to know: sizes and footers, never contents. Knows nothing of assets or fingerprints.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from stat import S_ISREG
from typing import Any

from assets_cli.probing.parquet import ParquetFacts, read_facts

_ENDINGS = (".parquet", ".pq")
_MANY = 1_000


def measure(path: str, root: str) -> dict[str, Any]:
    """`bytes`, and `rows` and `columns` of Parquet files, of what is at a path, a folder or a glob of the project."""
    full = path if path.startswith("/") else f"{root}/{path}"
    if not glob.has_magic(path) and not path.lower().endswith(_ENDINGS):
        try:
            plain = os.stat(full)  # noqa: PTH116 - paths are text here
        except OSError:
            return {}
        if S_ISREG(plain.st_mode):
            return {"bytes": plain.st_size}
    pattern = path if path.startswith("/") else f"{glob.escape(root)}/{path}"
    matched = glob.glob(pattern, recursive=True) if glob.has_magic(path) else [full]  # noqa: PTH207 - as above
    files = sorted({file for match in matched for file in _below(match)})
    try:
        found: dict[str, Any] = {"bytes": sum(os.stat(file).st_size for file in files)}  # noqa: PTH116 - as above
    except OSError:
        return {}  # it is being changed: whoever looks at the output itself has more to say
    # Within folders hidden files are no data; a path that was asked for is, whatever its name.
    data = [file for file in files if file == full or not os.path.basename(file).startswith((".", "_"))]  # noqa: PTH119 - as above
    if data and len(data) <= _MANY and all(file.lower().endswith(_ENDINGS) for file in data):
        facts = [read_facts(file) for file in data]
        known = [each for each in facts if isinstance(each, ParquetFacts)]
        if len(known) == len(facts):
            found["rows"] = sum(each.rows for each in known)
            if len({each.columns for each in known}) == 1:
                found["columns"] = [list(column) for column in known[0].columns]
    return found


def _below(path: str) -> Iterator[str]:
    if not os.path.isdir(path):  # noqa: PTH112 - as above
        if os.path.isfile(path):  # noqa: PTH113 - as above
            yield path
        return
    for folder, _, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in names if os.path.isfile(os.path.join(folder, name)))  # noqa: PTH118, PTH113 - as above
