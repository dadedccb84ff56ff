"""The probing floor: look at the world once and say what is there. It does not know what is stale.

Code digests, output fingerprints and observations end in one `World` value.
"""

from assets_cli.probing.files import FileDigests
from assets_cli.probing.look import ProbeSurroundings, look, look_ahead, look_at_code, look_at_one, look_at_output
from assets_cli.probing.observing import NOTHING, Observed, ObserveSurroundings, observable, observe

__all__ = [
    "NOTHING",
    "FileDigests",
    "ObserveSurroundings",
    "Observed",
    "ProbeSurroundings",
    "look",
    "look_ahead",
    "look_at_code",
    "look_at_one",
    "look_at_output",
    "observable",
    "observe",
]
