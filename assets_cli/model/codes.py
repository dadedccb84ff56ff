"""Every problem code with its title and its explanation, as `assets explain CODE` and the reference print them.

Ranges: A01 reading and schema, A02 names and graph, A03 files, code and connections, A04 selections,
A05 state and locks, A06 plans and runs, A07 steps, A08 usage. A code is never reused for something else.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """`title` is one line; `explanation` is what it means, why it is refused and how to mend it, with an example."""

    title: str
    explanation: str


CODES: dict[str, Code] = {
    # A01: reading and schema
    # A02: names and graph
    # A03: files, code and connections
    # A04: selections
    # A05: state and locks
    # A06: plans and runs
    # A07: steps
    # A08: usage
}
