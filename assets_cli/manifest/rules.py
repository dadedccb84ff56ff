"""What `rules:` says of the findings of `validate`: which are turned off, which are errors.

Only doubts can be changed: what keeps the project from working is refused in `explain`. Finds nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from assets_cli.manifest.build import Definition, Locator
from assets_cli.manifest.document import Document
from assets_cli.manifest.spelling import Spelling
from assets_cli.manifest.subject import NAMED
from assets_cli.model.problem import Place, Problem, Suppressed

KEY: Final = "rules"
OFF: Final = "off"
_NOT_OF_VALIDATE: Final = "A04"
"""From here on codes are about selections, state, runs and calls."""
Setting = Literal["off", "warning", "error"]


class Rule(NamedTuple):
    """What is to become of the findings of one code, and where that is written."""

    setting: Setting
    place: Place


class Judged(NamedTuple):
    """The findings that are left, with the severities that the project gives them, and those that it turns off."""

    problems: tuple[Problem, ...]
    suppressed: tuple[Suppressed, ...]


class Rules:
    """The rules of one manifest: an asset's own, its defaults', then those of the whole project."""

    def __init__(self, root: Document, definitions: Mapping[str, Definition], locator: Locator) -> None:
        self._root = root
        self._definitions = definitions
        self._locator = locator

    def of(self, problem: Problem) -> Rule | None:
        """The rule that a finding falls under."""
        code, asset = problem.code, problem.asset
        definition = self._definitions.get(asset) if asset is not None else None
        if definition is not None and asset is not None:
            written = definition.source.document.values["assets"][definition.position]
            for values in (written, definition.source.defaults):
                setting = _setting(values, code)
                if setting is not None:
                    document, offset = self._locator.find(asset, (KEY, code))
                    return Rule(setting, document.place_at(offset))
        setting = _setting(self._root.values, code)
        return None if setting is None else Rule(setting, self._root.place((KEY, code)))


def _setting(values: Any, code: str) -> Setting | None:
    rules = values.get(KEY) if isinstance(values, dict) else None
    setting = rules.get(code) if isinstance(rules, dict) else None
    return setting if setting in (OFF, "warning", "error") else None


def judge(problems: Iterable[Problem], rules: Rules | None) -> Judged:
    """The findings as the project's rules have them; where there is no project, as they are."""
    if rules is None:
        return Judged(tuple(problems), ())
    kept: list[Problem] = []
    suppressed: list[Suppressed] = []
    for problem in problems:
        rule = rules.of(problem)
        if rule is None or not _is_doubt(problem):
            kept.append(problem)
        elif rule.setting == OFF:
            suppressed.append(Suppressed(problem, rule.place))
        else:
            kept.append(problem._replace(severity=rule.setting))
    return Judged(tuple(kept), tuple(suppressed))


def _is_doubt(problem: Problem) -> bool:
    """Whether the project works with it: of some codes there are errors that it does not work with, and warnings."""
    from assets_cli.model.codes import CODES  # read from a file, for the few projects that have rules

    code = CODES.get(problem.code)
    return code is not None and code.rule is not None and problem.severity in ("warning", code.rule)


def misplaced(code: str, known: Iterable[str]) -> tuple[str, str, str]:
    """What is wrong with a rule for a code that none can be for: code, message, hint. `known` are those it can be."""
    from assets_cli.model.codes import CODES  # as above

    found = CODES.get(code)
    if found is None:
        hint = Spelling(known).hint(code) or "assets explain lists the codes"
        return "A0171", f"there is no code '{code[:NAMED]}'", hint
    if code >= _NOT_OF_VALIDATE and found.rule is None:
        return "A0171", f"'{code}' ({found.title}) is no finding of validate", "remove it"
    message = f"'{code}' ({found.title}) cannot be turned off or changed: the project does not work with it"
    return "A0172", message, "remove the rule, and mend what it finds"


def forgive(document: Document) -> None:
    """Take `off` for the text that it is in YAML 1.2 where it is the setting of a rule: there it can mean nothing else.

    Elsewhere the reader refuses it unquoted, since others take it for `false`.
    """
    values = document.values
    if not isinstance(values, dict):
        return
    overlays = values.get("environments")
    assets = values.get("assets")
    holders = [
        values,
        *(overlays.values() if isinstance(overlays, dict) else ()),
        *(assets if isinstance(assets, list) else ()),
    ]
    holders += [each["defaults"] for each in holders if isinstance(each, dict) and "defaults" in each]
    for holder in holders:
        rules = holder.get(KEY) if isinstance(holder, dict) else None
        if isinstance(rules, dict) and OFF in rules.values():
            marks = document.marks[id(rules)]
            document.forgive({marks[2 * at + 1] for at, value in enumerate(rules.values()) if value == OFF})
