"""Findings as SARIF 2.1.0 (OASIS), which code scanning, editors and dashboards read.

What was turned off is there, too, as suppressed results. Each finding has a fingerprint that does not hold its line, so
that one which only moved is no new one.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from assets_cli import __version__
from assets_cli.cli.forges import Report, width
from assets_cli.cli.terminal import clean
from assets_cli.model.codes import CODES
from assets_cli.model.problem import Place, Problem, Suppressed

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
_FINGERPRINT: Final = "assetsFinding/v1"
_POSITION: Final = r"\b(line|column|character|number) \d+"


def document(report: Report, *, complete: bool) -> dict[str, Any]:
    """One run with every finding. `complete` is whether there was a project to look at."""
    every = [*report.problems, *(each.problem for each in report.suppressed)]
    codes = sorted({problem.code for problem in every})
    indices = {code: index for index, code in enumerate(codes)}
    results = [
        _result(problem, indices[problem.code], mark, report)
        for problem, mark in zip(every, _fingerprints(every, report), strict=True)
    ]
    for result, each in zip(results[len(report.problems) :], report.suppressed, strict=True):
        result["suppressions"] = [_suppression(each, report)]
    notes: list[dict[str, Any]] = [{"level": "note", "message": {"text": each}} for each in report.notes]
    driver = {
        "name": "assets",
        "semanticVersion": __version__,
        "rules": [_rule(code) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": complete, "toolExecutionNotifications": notes}],
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    """What a code means, as `assets explain` says it: its indented parts are code in Markdown, too."""
    found = CODES[code]
    prose = [line for line in found.explanation.split("\n\n", 1)[0].split("\n") if not line.startswith("    ")]
    return {
        "id": code,
        "shortDescription": {"text": found.title},
        "fullDescription": {"text": " ".join(prose)},
        "help": {"text": found.explanation, "markdown": found.explanation},
        "defaultConfiguration": {"level": found.rule or "error"},
    }


def _result(problem: Problem, index: int, mark: str, report: Report) -> dict[str, Any]:
    text = clean(problem.message)
    if problem.hint:
        text += f"\nhint: {clean(problem.hint)}"
    location: dict[str, Any] = {"physicalLocation": _physical(report.place(problem), width(problem), report)}
    if problem.asset is not None:
        location["logicalLocations"] = [{"name": problem.asset, "kind": "asset"}]
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {_FINGERPRINT: mark},
    }
    if problem.related:
        result["relatedLocations"] = [
            {
                "id": number,
                "physicalLocation": _physical(related.place, None, report),
                "message": {"text": clean(related.message)},
            }
            for number, related in enumerate(problem.related, 1)
        ]
    return result


def _suppression(suppressed: Suppressed, report: Report) -> dict[str, Any]:
    return {
        "kind": "inSource",
        "justification": "excepted from the policy" if suppressed.excepted else "turned off by `rules` in the manifest",
        "location": {"physicalLocation": _physical(suppressed.place, None, report)},
    }


def _physical(place: Place, length: int | None, report: Report) -> dict[str, Any]:
    region = {"startLine": place.line, "startColumn": place.column}
    if length:
        region["endColumn"] = place.column + length
    return {"artifactLocation": _artifact(place.file, report), "region": region}


def _artifact(file: str, report: Report) -> dict[str, str]:
    path = report.path(file)
    if path is None:
        return {"uri": Path(os.path.abspath(report.root / file)).as_uri()}  # noqa: PTH100 - links stay as they are
    return {"uri": quote(os.fsencode(path), safe="/"), "uriBaseId": _ROOT}


def _fingerprints(problems: Sequence[Problem], report: Report) -> Iterable[str]:
    """Of each finding a digest of what it is, without where in the file; of equal ones each with its number."""
    seen: dict[tuple[str, ...], int] = {}
    for problem in problems:
        file = report.place(problem).file
        message = re.sub(_POSITION, r"\1 N", problem.message).replace(str(report.repository), "")
        what = (problem.code, report.path(file) or file, problem.asset or "", message)
        seen[what] = number = seen.get(what, 0) + 1
        text = "".join(f"{len(part)}:{part}" for part in (*what, str(number)))
        yield hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
