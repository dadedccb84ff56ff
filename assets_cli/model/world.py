"""What was found outside: code, outputs and external assets, as they are now.

Made by `probing.look`, read by `planning`. A value: looking again makes another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from assets_cli.model.history import Component, Fingerprint, Materialization, Observation
from assets_cli.model.problem import Problem

SERVER_TABLE = "exists:table"
"""The digest of every table of a server: to say more would mean to read it."""


class CodeProbe(NamedTuple):
    """The components of an asset's code version as they are now.

    A component whose raw digest differs from the recorded one carries its normalised digest too; one whose raw digest
    is equal is the recorded component itself, so that no parser is imported to find nothing new.
    `problem` says what could not be read, such as a missing SQL file; the step will fail on it.
    """

    components: Mapping[str, Component]
    problem: Problem | None = None


class OutputProbe(NamedTuple):
    """What is at the declared output. `unknown` means not probed, and `detail` says why ("in use by run R")."""

    state: Literal["present", "missing", "unknown"]
    fingerprint: Fingerprint | None = None
    detail: str | None = None


class World(NamedTuple):
    """Everything that planning needs from outside.

    What is plainly as recorded has no entry in `code` and `outputs`: nor does an output that is not declared, or of
    which nothing is on record.
    """

    code: Mapping[str, CodeProbe]
    outputs: Mapping[str, OutputProbe]
    observations: Mapping[str, Observation]
    warnings: tuple[Problem, ...] = ()

    def components(self, made: Materialization) -> Mapping[str, Component]:
        """The code of an asset now, whose latest materialization this is."""
        probe = self.code.get(made.asset)
        return made.components if probe is None else probe.components
