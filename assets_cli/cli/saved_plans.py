"""Plans in files, field by field as the schema `saved-plan` describes them, with a digest that tells an edited one.

`assets plan --out` writes, `assets materialize --plan` reads. What is written for people alone (what is skipped or
overdue, warnings, estimates) is not read back. Decides nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from assets_cli.cli import documents
from assets_cli.cli.new_file import NewFile
from assets_cli.cli.words import rfc3339
from assets_cli.model.history import Component, Observation
from assets_cli.model.manifest import Manifest
from assets_cli.model.plan import Basis, Cause, Code, Plan, Promise, Recorded, Step
from assets_cli.model.problem import AssetsError, Problem, system_reason

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_LARGEST = 1 << 29
_PLAN_AGAIN = "assets plan --out FILE writes one"


# -- documents ---------------------------------------------------------------------------------------------------------


def document(plan: Plan) -> dict[str, Any]:
    """A plan with its basis as JSON has it: all that `plan --json` says, and what applying it compares."""
    basis = plan.basis
    if basis is None:
        raise ValueError("a plan without a basis cannot be saved")
    shown = documents.plan(plan)
    shown["steps"] = [{**told, **_step(step, basis)} for told, step in zip(shown["steps"], plan.steps, strict=True)]
    said = {
        "version": shown.pop("version"),
        "digest": "",
        "project": basis.project,
        "root": basis.root,
        **shown,
        "observing": basis.observing,
        "records": [_records(name, recorded) for name, recorded in basis.records.items()],
        "observations": [_observation(name, seen) for name, seen in basis.observations.items()],
    }
    found: dict[str, Any] = _plain(json.dumps(said))
    found["digest"] = digest(found)
    return found


def _step(step: Step, basis: Basis) -> dict[str, Any]:
    promise, code = step.promise, basis.code[step.asset]
    return {
        "promise": promise and {**promise._asdict(), **_moments(promise), "asked_by": list(promise.asked_by)},
        "upstreams": list(basis.upstreams[step.asset]),
        "code_version": code.version,
        "code": {name: component._asdict() for name, component in code.components.items()},
    }


def _moments(promise: Promise) -> dict[str, str | None]:
    return {"bound": rfc3339(promise.bound), "broken_at": rfc3339(promise.broken_at)}


def _records(name: str, recorded: Recorded) -> dict[str, Any]:
    made = {"run": recorded.run, "data_version": recorded.data_version, "blocked": recorded.blocked}
    tried = {"run": recorded.attempt, "number": recorded.number, "state": recorded.state}
    return {
        "asset": name,
        "materialization": made if recorded.run is not None else None,
        "attempt": tried if recorded.attempt is not None else None,
    }


def _observation(name: str, seen: Observation) -> dict[str, Any]:
    return {
        "asset": name,
        "data_version": seen.data_version,
        "observed": rfc3339(seen.observed),
        "data_time": rfc3339(seen.data_time),
        "metadata": dict(seen.metadata),
        "record": seen.seq,
    }


def plan_of(found: Mapping[str, Any]) -> Plan:
    """The plan of a document that fits the schema, as far as it is applied.

    Raises:
        ValueError: a time is none.
    """
    basis = Basis(
        project=found["project"],
        root=found["root"],
        code={step["asset"]: _code_of(step) for step in found["steps"]},
        upstreams={step["asset"]: tuple(step["upstreams"]) for step in found["steps"]},
        records={each["asset"]: _recorded_of(each) for each in found["records"]},
        observations={each["asset"]: _observation_of(each) for each in found["observations"]},
        observing=found["observing"],
    )
    return Plan(
        environment=found["environment"],
        now=_moment(found["now"]),
        selection=tuple(found["selection"]),
        steps=tuple(_step_of(step) for step in found["steps"]),
        skips=(),
        overdue=(),
        removed=(),
        warnings=(),
        jobs=found["jobs"],
        estimated=None,
        critical_path=(),
        basis=basis,
    )


def _step_of(found: Mapping[str, Any]) -> Step:
    promise = found["promise"]
    return Step(
        asset=found["asset"],
        causes=tuple(Cause(**cause) for cause in found["causes"]),
        after=tuple(found["after"]),
        promise=_promise_of(promise) if promise else None,
        kind=found["kind"],
        partition=found["partition"] or "",
    )


def _promise_of(found: Mapping[str, Any]) -> Promise:
    breaks = found.get("broken_at")
    bound, who = _moment(found["bound"]), tuple(found["asked_by"])
    return Promise(bound, who, found.get("text", ""), _moment(breaks) if breaks else None)


def _code_of(found: Mapping[str, Any]) -> Code:
    return Code(found["code_version"], {name: Component(**part) for name, part in found["code"].items()})


def _recorded_of(found: Mapping[str, Any]) -> Recorded:
    recorded = Recorded(**(found["materialization"] or {}))
    tried = found["attempt"]
    if tried is None:
        return recorded
    return recorded._replace(attempt=tried["run"], number=tried["number"], state=tried["state"])


def _observation_of(found: Mapping[str, Any]) -> Observation:
    time = found["data_time"]
    return Observation(
        seq=found["record"],
        asset=found["asset"],
        observed=_moment(found["observed"]),
        data_version=found["data_version"],
        data_time=None if time is None else _moment(time),
        metadata=found["metadata"],
    )


def _moment(text: str) -> int:
    """Microseconds of a time as `rfc3339` writes it."""
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
    except TypeError:
        raise ValueError(f"{text} has no time zone") from None


def digest(found: Mapping[str, Any]) -> str:
    """The digest of a document without its digest: of what it says, whatever its order and its white space."""
    said = {key: value for key, value in found.items() if key != "digest"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _plain(text: str) -> Any:
    """What a JSON text says, one number one way: formatters write 17.0 as 17."""

    def number(digits: str) -> int | float:
        value = float(digits)
        return int(value) if value.is_integer() else value

    return json.loads(text, parse_float=number)


# -- files -------------------------------------------------------------------------------------------------------------


def write(path: Path, plan: Plan, manifest: Manifest) -> None:
    """Write a plan that has a basis into a file, at once or not at all.

    Raises:
        AssetsError: it cannot be written there, or would replace a file of the project (A0822).
    """
    file = NewFile(path, "--out")
    file.require(manifest)
    file.write(json.dumps(document(plan), indent=2) + "\n")


def read(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        AssetsError: the file cannot be read or holds no plan of this version (A0616), or one that was edited (A0617).
    """
    found = _document_in(path)
    version = found.get("version")
    if type(version) is int and version > documents.VERSION:
        message = f"{path} was written by a newer assets: version {version}, and this one reads {documents.VERSION}"
        raise AssetsError(Problem("A0616", message, hint="upgrade assets, or plan again with this one"))
    if "digest" not in found:
        if {"version", "steps", "skipped"} <= found.keys():
            hint = "it looks like what assets plan --json prints; assets plan --out FILE writes what can be applied"
            raise AssetsError(Problem("A0616", f"{path} holds no saved plan: it has no digest", hint=hint))
        raise AssetsError(_no_plan(path, "it is some other document"))
    if found["digest"] != digest(found):
        message = f"{path} was changed since it was written: its digest is not that of what it says"
        raise AssetsError(Problem("A0617", message, hint="plan again with --out, and review that plan"))
    if not _fits(found):
        raise AssetsError(_no_plan(path, "it has not the shape of one (assets schema saved-plan)"))
    try:
        return plan_of(found)
    except (ValueError, OverflowError):
        raise AssetsError(_no_plan(path, "a time in it is none")) from None


def _fits(found: Mapping[str, Any]) -> bool:
    from jsonschema_rs import Draft7Validator  # only a plan that is applied needs it

    from assets_cli.manifest.schemas import schema_text  # as above

    # Names of files may hold bytes that are no text, which the validator does not take; no rule looks at them.
    text = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
    return bool(Draft7Validator(json.loads(schema_text("saved-plan"))).is_valid(json.loads(text)))


def _document_in(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        message = f"cannot read {path}: {system_reason(error)}"
        raise AssetsError(Problem("A0616", message, hint=_PLAN_AGAIN)) from None
    if not data.strip():
        raise AssetsError(_no_plan(path, "it is empty"))
    if len(data) > _LARGEST:
        raise AssetsError(_no_plan(path, "it is larger than any plan"))
    try:
        found = _plain(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        what = f"{error.msg[:1].lower()}{error.msg[1:]}"
        reason = f"it is no JSON, or was cut off ({what}, line {error.lineno}, column {error.colno})"
        raise AssetsError(_no_plan(path, reason)) from None
    except (ValueError, RecursionError):
        raise AssetsError(_no_plan(path, "it is no JSON")) from None
    if not isinstance(found, dict):
        raise AssetsError(_no_plan(path, "it is some other document"))
    return found


def _no_plan(path: Path, reason: str) -> Problem:
    return Problem("A0616", f"{path} holds no saved plan: {reason}", hint=_PLAN_AGAIN)
