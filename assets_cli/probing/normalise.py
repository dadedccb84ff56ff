"""Code without what does not count: SQL as sqlglot writes it back, Python by its syntax tree.

A normaliser's name holds its version, since another version may write the same code differently. The parsers are
imported here, on use: a plan that finds nothing new never needs them. Knows nothing of files or assets.
"""

from __future__ import annotations

import hashlib
import sys
from _thread import allocate_lock  # threading is a millisecond of every start
from functools import cache

PYTHON = f"python-ast/{sys.version_info.major}.{sys.version_info.minor}"
_WARNINGS = allocate_lock()


@cache
def parser_version() -> str:
    """The version of sqlglot, found without importing it or the machinery of packages."""
    import os
    import sys

    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - half the time of pathlib, at every start
        except OSError:
            continue
        found = [name for name in names if name.startswith("sqlglot-") and name.endswith(".dist-info")]
        if found:
            return max(found)[len("sqlglot-") : -len(".dist-info")]
    from importlib.metadata import version  # 20 ms: only where it is installed in another way

    return version("sqlglot")


@cache
def sql_normaliser(dialect: str) -> str:
    """The name of the SQL normaliser of a dialect; found without importing sqlglot."""
    return f"sqlglot/{parser_version()}/{dialect}"


def sql(text: str, dialect: str) -> str | None:
    """The digest of SQL without comments and layout; None where sqlglot can't read it or would lose some of it."""
    import logging

    import sqlglot  # 0.2 s: only for a text that changed
    from sqlglot.errors import ErrorLevel

    logger = logging.getLogger("sqlglot")
    was_disabled, logger.disabled = logger.disabled, True  # it warns of statements that it keeps as they are
    try:
        written = sqlglot.transpile(
            text, read=dialect, write=dialect, comments=False, unsupported_level=ErrorLevel.RAISE
        )
    except Exception:  # noqa: BLE001 - whatever the parser raises on a user's text says that it cannot read it
        return None
    finally:
        logger.disabled = was_disabled
    return _digest(";\n".join(statement for statement in written if statement))


def python(source: bytes) -> str | None:
    """The digest of a Python source without comments, docstrings and layout; None where it is no valid Python."""
    import ast
    import warnings

    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in the user's strings
            tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                _drop_docstring(node)
        return _digest(ast.dump(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _drop_docstring(node: object) -> None:
    import ast

    body = node.body  # type: ignore[attr-defined]
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        del body[0]
        if not body and not isinstance(node, ast.Module):
            body.append(ast.Pass())


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
