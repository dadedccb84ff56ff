"""What a check finds in an asset's contents, one file a family. `evaluate` finds the family by the kind.

Evaluated in a worker process. Databases and the user's functions are handed in; knows nothing of severity, blocking,
history or graphs.
"""

from __future__ import annotations

from assets_cli.checks.evaluate import evaluate
from assets_cli.checks.protocol import Asked, CheckError, Finding, Means, Privacy, Subject

__all__ = ["Asked", "CheckError", "Finding", "Means", "Privacy", "Subject", "evaluate"]
