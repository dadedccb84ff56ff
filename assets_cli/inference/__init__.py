"""What code says of itself: which assets SQL and Python read, and which columns come from which.

Reads texts and remembers what it found in them. Opens no database and runs nothing; knows nothing of state or plans.
"""

from __future__ import annotations

from assets_cli.inference.findings import column_findings, read_columns
from assets_cli.inference.findings import findings as doubts
from assets_cli.inference.infer import Inference, infer

__all__ = ["Inference", "column_findings", "doubts", "infer", "read_columns"]
