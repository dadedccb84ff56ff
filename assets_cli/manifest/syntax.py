"""What libyaml's complaints mean, as one sentence with a hint. Knows its wording and nothing else."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


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


_SEPARATORS: Final = re.compile(r"[{\[,]\s*|:\s+")
_REFERENCE: Final = re.compile(r"(?:[^,{}\[\]\n\"'$]|\$(?!\{)|\$\{[^}\n]*\})+")
_ENDS: Final = "between brackets a text without quotes ends at `: `, ` #`, `,` and at every bracket"


def broken_off(text: str, opening: int, stop: int) -> tuple[int, Sentence] | None:
    """What broke a list or mapping between brackets off, which is seldom that nobody closed it; None where nobody did.

    `opening` is its bracket and `stop` where reading stopped. Gives the place to show, too: where a text begins that
    has to be quoted.
    """
    before = text[opening:stop]
    quote = before[-1:]
    if quote in ('"', "'") and "\n" in before[before.find(quote) :]:
        return opening + before.find(quote), Sentence("this quote is not closed on its line", "add the closing quote")
    sign = text[stop : stop + 1]
    if before.rstrip(" ")[-1:] in ('"', "'") and sign.strip() and sign not in ",:}]#":
        return stop, Sentence("something follows the closing quote", "put the whole value between quotes")
    comment = text.rfind(" #", opening, stop)
    if comment > 0 and text[text.find("\n", comment) : stop].isspace() and text[:comment].rstrip()[-1] not in ",{[":
        return comment + 1, Sentence("a comment begins here, and ends the text before it", "quote the text")
    starts = [found.end() for found in _SEPARATORS.finditer(text, opening, stop)]
    start = next((each for each in reversed(starts) if text[each:stop].strip()), stop)
    if sign not in (":", "{", "[") or start == stop or "\n" in text[start:stop]:
        return None
    if text[stop - 1] == "$" and (found := _REFERENCE.match(text, start)):
        return start, Sentence("between brackets this has to be quoted", f'write "{found[0].strip()}"')
    return start, Sentence(f"this text has a {sign!r} in it", f"quote it: {_ENDS}")


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
