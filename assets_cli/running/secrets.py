"""Which values must not be shown: those of `${env.X}` in an asset's command and `env:`.

Short values (under six characters) are not masked: they would hide half of every log. Values used in paths are not
masked either: a path is meant to be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from assets_cli.model import template

SHORTEST = 6
MASK = "***"


def secrets_in(texts: Iterable[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values to mask for these texts, longest first, so that one that contains another is masked whole."""
    names = {name for text in texts for name, _ in template.environment_names(text)}
    values = {environ[name] for name in names if len(environ.get(name, "")) >= SHORTEST}
    return tuple(sorted(values, key=len, reverse=True))


def mask(value: Any, secrets: tuple[str, ...]) -> Any:
    """The value with every secret in its texts replaced; lists and mappings are gone through."""
    if not secrets:
        return value
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, Mapping):
        return {mask(key, secrets): mask(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask(item, secrets) for item in value]
    return value
