"""Our regular expressions, matched in time that grows with the text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assets_cli.model.matching import matcher
from assets_cli.model.patterns import PatternError, translate

PIECES = st.sampled_from(
    [
        *("a", "b", "A", "é", "_", "-", "&", "~", "/", "'", '"', " ", "]", "}", ".", "^", "$", "|"),
        *("(", ")", "(?:", "*", "+", "?", "{2}", "{1,3}", "{0,}", "[ab]", "[^a]", "[a-z]", "[A-Z_]", "[&~^-]", "[\\]]"),
        *("\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\t", "\\n", "\\.", "\\*", "\\-", "\\\\"),
    ]
)
TEXTS = st.text(alphabet="abABé_-&~/ .]}1\n\t\\'\"*^", max_size=8)


@settings(max_examples=600, deadline=None)
@given(st.lists(PIECES, max_size=7).map("".join), TEXTS)
def test_it_matches_what_the_dialect_says(pattern, text):
    """The same texts as Python's matcher, for which the dialect is spelled out elsewhere."""
    try:
        expected = re.search(translate(pattern), text) is not None
    except PatternError:
        assume(False)
        return
    assert matcher(pattern)(text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^email$", "EMail", True),
        ("^EMAIL$", "email", True),
        ("^[A-Z]+_\\w$", "ab_C", True),
        ("^\\D$", "x", True),
        ("^\\D$", "1", False),
        ("(^|_)ssn$", "customer_SSN", True),
        ("^straße$", "STRASSE", False),
    ],
)
def test_in_any_case(pattern, text, expected):
    """As databases compare the names of columns."""
    assert matcher(pattern, any_case=True)(text) is expected


@pytest.mark.parametrize("pattern", ["^(a+)+b$", "^(a|a)*b$", "a*a*a*a*a*a*a*a*b$", "^(a{1,200}){1,100}b$"])
def test_no_expression_takes_for_ever(pattern):
    """Each of these would keep a matcher that goes back busy for years."""
    begin = time.perf_counter()
    assert matcher(pattern)("a" * 200) is False
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("((a{255}){255}){255}", "it stands for too much"),
        ("(?i)a", "'(?i' is not known: there are no look-arounds, names or flags"),
    ],
)
def test_what_cannot_be_matched_is_said(pattern, message):
    """What is not in the dialect, and what would take all memory."""
    with pytest.raises(PatternError) as raised:
        matcher(pattern)
    assert str(raised.value) == message
