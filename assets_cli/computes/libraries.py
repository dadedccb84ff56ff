"""Libraries that are the user's own choice: imported when an annotation or a value asks for them, or named in a hint.

Knows nothing of what they are used for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from assets_cli.computes.protocol import ComputeFailedError

EXTRAS = {"pandas": "pandas", "polars": "polars", "pyarrow": "arrow"}
"""The extra of ours that brings a library. Those of pandas and polars bring pyarrow too."""


def load(library: str, purpose: str, *, extra: str | None = None) -> Any:
    """The module of a library.

    Args:
        library: its name.
        purpose: what needs it: the beginning of the sentence that says that it isn't there.
        extra: the extra that brings it, where it isn't the library's own.

    Raises:
        ComputeFailedError: it is not installed.
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise ComputeFailedError(f"{purpose}, and {library} is not installed", hint=install(library, extra)) from None


def install(library: str, extra: str | None = None) -> str:
    """What to type to have a library."""
    extra = extra or EXTRAS.get(library)
    return f"pip install 'assets-cli[{extra}]'" if extra else f"pip install {library}"
