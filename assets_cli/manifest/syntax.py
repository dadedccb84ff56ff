"""What libyaml's complaints mean, as one sentence with a hint. Knows its wording and nothing else."""

from __future__ import annotations

from typing import NamedTuple


class Sentence(NamedTuple):
    """What to tell the user; `opened` says that the place is where the construct starts, not where reading stopped."""

    message: str
    hint: str | None = None
    opened: bool = False


_TAB = Sentence("a tab is used for indentation", "indent with spaces")
_SENTENCES: tuple[tuple[str, Sentence], ...] = (
    ("found a tab character", _TAB),
    (
        "mapping values are not allowed",
        Sentence("a ':' is not expected here", "quote the value if the ':' is part of it, or check the indentation"),
    ),
    (
        "found unexpected ':'",
        Sentence("a ':' is not expected here", "put a space after it, or quote what it is part of"),
    ),
    ("could not find expected ':'", Sentence("this line should be a key followed by ':'", "write `key: value`")),
    (
        "block sequence entries are not allowed",
        Sentence("a list item is not expected here", "start the list on a line of its own, below its key"),
    ),
    (
        "did not find expected key",
        Sentence("a key is expected here", "check the indentation and the quotes of this line and the one above"),
    ),
    (
        "did not find expected '-' indicator",
        Sentence("a list item starting with '-' is expected here", "check the indentation of this line"),
    ),
    (
        "did not find expected ',' or ']'",
        Sentence("this list is not closed", "add the missing ']' or ','", opened=True),
    ),
    (
        "did not find expected ',' or '}'",
        Sentence("this mapping is not closed", "add the missing '}' or ','", opened=True),
    ),
    ("found unexpected end of stream", Sentence("this quote is not closed", "add the closing quote", opened=True)),
    ("found unexpected document indicator", Sentence("this quote is not closed", "add the closing quote", opened=True)),
    (
        "found unknown escape character",
        Sentence("unknown escape after '\\' in a double-quoted text", "use single quotes to keep '\\' as it is"),
    ),
    (
        "did not find expected hexdecimal number",
        Sentence("unfinished escape in a double-quoted text", "use single quotes to keep '\\' as it is"),
    ),
    (
        "found invalid Unicode character escape code",
        Sentence("this escape is no Unicode character", "use single quotes to keep '\\' as it is"),
    ),
    (
        "did not find expected node content",
        Sentence("a value is expected here", "write a value, or remove what stands before it"),
    ),
    (
        "did not find expected <document start>",
        Sentence("the document ends above, and this does not belong to it", "check the indentation of this line"),
    ),
    (
        "did not find expected alphabetic or numeric character",
        Sentence("a name is expected after '&' or '*'", "quote it if it is text"),
    ),
    ("found undefined tag handle", Sentence("tags are not supported", "remove it, or quote the value if it is text")),
    ("found duplicate %YAML", Sentence("only one %YAML line is possible", "remove this line")),
    ("found incompatible YAML document", Sentence("this version of YAML is not supported", "remove the %YAML line")),
    ("while scanning a directive", Sentence("a line cannot start with '%'", "quote it if it is text")),
    ("found unknown directive", Sentence("a line cannot start with '%'", "quote it if it is text")),
)


def explain(problem: str, context: str, character: str) -> Sentence:
    """The sentence for a complaint of libyaml's. `character` is the one at the place where it stopped."""
    if problem.startswith("found character that cannot start any token"):
        if character == "\t":
            return _TAB
        return Sentence(f"a value cannot start with {character!r}", "quote the value")
    for complaint, sentence in _SENTENCES:
        if problem.startswith(complaint) or context.startswith(complaint):
            return sentence
    return Sentence(f"this is not valid YAML: {problem}", "check the indentation and the quotes of this line")
