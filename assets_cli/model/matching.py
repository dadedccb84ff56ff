"""Whether a text matches a regular expression of ours, in time that grows with the text, whatever the expression is.

Python's own matcher goes back and tries again: `^(a+)+b$` keeps it busy for years with one name of forty letters. The
one that holds manifests against their schema (Rust's) never goes back, and understands all that our dialect has.
"""

from __future__ import annotations

from collections.abc import Callable

from assets_cli.model.patterns import POSTGRES, PatternError, translate

Matches = Callable[[str], bool]


def matcher(pattern: str, *, any_case: bool = False) -> Matches:
    """Whether the expression is found in a text; with `any_case` of either, as databases compare names.

    Raises:
        PatternError: it holds something that is not in our dialect, or stands for too much.
    """
    from jsonschema_rs import Draft7Validator, RegexOptions  # only a project with such policies needs it

    written = translate(pattern, POSTGRES)  # `^` and `$` are the two ends there, too
    try:
        schema = {"pattern": written.lower() if any_case else written}
        validator = Draft7Validator(schema, pattern_options=RegexOptions())
    except ValueError:
        raise PatternError("it stands for too much", 0, "repeat less") from None
    if any_case:
        return lambda text: bool(validator.is_valid(text.lower()))
    return lambda text: bool(validator.is_valid(text))
