"""Renames that the manifest declares (`moved`): whether each former name can only mean one history. Knows no state."""

from __future__ import annotations

from collections.abc import Mapping

from assets_cli.manifest.build import Checker, Definition
from assets_cli.manifest.document import Key
from assets_cli.model.problem import Related


def check_renames(definitions: Mapping[str, Definition], checker: Checker) -> None:
    """Report former names that are names of assets now, or of which two assets say that it was theirs."""
    heirs: dict[str, tuple[str, tuple[Key, ...]]] = {}
    for name, definition in definitions.items():
        former = definition.asset.moved_from if definition.asset else ()
        for index, old in enumerate(former):
            keys: tuple[Key, ...] = ("moved", "from", index) if len(former) > 1 else ("moved", "from")
            if old == name:
                checker.report(name, keys, "A0215", "it is moved from itself", "remove `moved`")
            elif old in definitions:
                document, offset = checker.locator.find(old, ("name",))
                related = (Related(document.place_at(offset), f"asset '{old}' is here"),)
                message = f"moved from '{old}', which is an asset still"
                hint = f"remove `moved`; to exchange what is on record of both: assets state mv --swap {old} {name}"
                checker.report(name, keys, "A0215", message, hint, related=related)
            elif old in heirs:
                other, where = heirs[old]
                document, offset = checker.locator.find(other, where)
                related = (Related(document.place_at(offset), f"asset '{other}' is moved from it here"),)
                message = f"moved from '{old}', as asset '{other}' is"
                hint = "one history has one heir: remove one of the two"
                checker.report(name, keys, "A0215", message, hint, related=related)
            else:
                heirs[old] = (name, keys)
