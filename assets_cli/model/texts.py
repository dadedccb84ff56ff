"""What a materialization is made of and from, as the texts that are kept of it: equal texts are equal values.

So ten thousand are compared without being taken apart. A text is compact JSON; what it is made of is as `history` says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted

from assets_cli.model.history import Component, Input

_decode = json.JSONDecoder().decode


def of_components(components: Mapping[str, Component]) -> str:
    """The text of a code version's components."""
    return f"{{{','.join([of_component(name, *component) for name, component in components.items()])}}}"


def of_component(name: str, raw: str, normalised: str | None = None, normaliser: str | None = None) -> str:
    """One component within the text of all."""
    rest = [_quoted(field) if field is not None else "null" for field in (normalised, normaliser)]
    return f"{_quoted(name)}:[{_quoted(raw)},{rest[0]},{rest[1]}]"


def is_of_component(text: str, name: str, raw: str) -> bool:
    """Whether a text is that of one component of this name and these bytes alone; one that is told oddly is not."""
    head = f"{_quoted(name)}:[{_quoted(raw)},"
    return text.startswith(head) and text.find("]", len(head)) == len(text) - 1


def components(text: str) -> dict[str, Component]:
    """The components that a text is of."""
    return {name: Component(*fields) for name, fields in _decode(text).items()}


def of_inputs(parts: Iterable[str]) -> str:
    """The text of all that was read, from `of_input` of each, in their order."""
    joined = ',"'.join(parts)
    return f'{{"{joined}}}' if joined else "{}"


def of_input(name: str, version: str | None, record: int | None) -> str:
    """One input within the text of all, without the quotation mark that it begins with."""
    kept = "null" if version is None else _quoted(version)
    return f"{_quoted(name)[1:]}:[{kept},{'null' if record is None else record}]"


def parts_of_inputs(text: str) -> list[str]:
    """`of_input` of each input. A version that ends in a comma gives parts that are nobody's."""
    return text[2:-1].split(',"')


def inputs(text: str) -> dict[str, Input]:
    """The inputs that a text is of."""
    return {name: Input(*fields) for name, fields in _decode(text).items()}


@lru_cache(maxsize=1_024)
def durations(text: str) -> tuple[int, ...]:
    """The durations that a text is of. Those of many are the same: none."""
    return tuple(map(int, text[1:-1].split(","))) if len(text) > 2 else ()  # noqa: PLR2004 - more than brackets
