"""The nouns: immutable values that the stages hand to each other.

Everything here is a `NamedTuple`: frozen, cheap to make ten thousand times, cheap to import.
This package knows nothing of the other packages, of disks, databases, clocks or the terminal.
"""
