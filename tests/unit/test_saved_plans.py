"""The document of a plan: there and back, its digest, and its schema beside that of `plan --json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from support.shop import HOUR, NOON, USUAL_PLAN, manifest

from assets_cli.cli import saved_plans
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.history import Component, Observation
from assets_cli.model.plan import Basis, Code, Plan, Recorded
from assets_cli.model.problem import AssetsError

PLAN = USUAL_PLAN._replace(
    basis=Basis(
        project="shop",
        root="/shop",
        code={
            step.asset: Code("sha256:12", {"a\udcff.sql": Component("sha256:1", "sha256:2", "sqlglot/1/duckdb")})
            for step in USUAL_PLAN.steps
        },
        upstreams={"raw_events": (), "sessions": ("raw_events",), "features": ("sessions", "crm")},
        records={
            "raw_events": Recorded(),
            "sessions": Recorded("r1", "v1", True, "r2", 3, "timed_out"),
            "features": Recorded(None, None, False, "r2", 1, "open"),
        },
        observations={"crm": Observation(4, "crm", NOON + 1, "v", NOON - HOUR, {"rows": 1.5})},
        observing=False,
    )
)


def test_there_and_back() -> None:
    """All that is applied; what is for people alone is not read."""
    text = json.dumps(saved_plans.document(PLAN))
    found = saved_plans.plan_of(json.loads(text))
    steps = tuple(step._replace(estimated=None) for step in PLAN.steps)
    assert found == PLAN._replace(
        steps=steps, skips=(), overdue=(), removed=(), warnings=(), estimated=None, critical_path=()
    )


def test_the_document_fits_its_schema() -> None:
    """Whatever a plan may hold."""
    document = saved_plans.document(PLAN)
    assert list(Draft7Validator(json.loads(schema_text("saved-plan"))).iter_errors(document)) == []


def test_the_schema_holds_all_of_the_plan() -> None:
    """What `plan --json` says is said by a saved plan in the same words."""
    plan, saved = (json.loads(schema_text(name)) for name in ("plan", "saved-plan"))
    assert saved["definitions"] == plan["definitions"]
    for name, described in plan["properties"].items():
        if name == "steps":
            shown, kept = described["items"]["properties"], saved["properties"]["steps"]["items"]["properties"]
            assert {each: kept[each] for each in shown} == shown
        else:
            assert saved["properties"][name] == described


def test_a_digest_is_of_what_is_said() -> None:
    """Not of its order; of everything else."""
    document = saved_plans.document(PLAN)
    assert document["digest"] == saved_plans.digest(document)
    assert saved_plans.digest(dict(reversed(document.items()))) == document["digest"]
    for name in document.keys() - {"digest"}:
        assert saved_plans.digest({**document, name: "other"}) != document["digest"]


def test_a_plan_without_a_basis_is_not_saved() -> None:
    """It could not be applied."""
    with pytest.raises(ValueError, match="basis"):
        saved_plans.document(USUAL_PLAN)


def test_files(tmp_path: Path) -> None:
    """Written and read; a second time in place of the first."""
    path = tmp_path / "plan.json"
    for plan in (PLAN, PLAN._replace(now=NOON + 5)):
        saved_plans.write(path, plan, manifest(root=str(tmp_path)))
        assert saved_plans.read(path).now == plan.now
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_a_file_of_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to its end, which a device may not have."""
    monkeypatch.setattr(saved_plans, "_LARGEST", 10)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"a": "b" * 100}))
    assert told(path) == f"{path} holds no saved plan: it is larger than any plan"


@pytest.mark.parametrize("version", [True, 1.5, "1", None, -1])
def test_versions_that_are_none(tmp_path: Path, version: Any) -> None:
    """They are no later ones either."""
    document: dict[str, Any] = {**saved_plans.document(PLAN), "version": version}
    document["digest"] = saved_plans.digest(document)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    assert told(path) == f"{path} holds no saved plan: it has not the shape of one (assets schema saved-plan)"


def told(path: Path) -> str:
    """What is said of a file that holds no plan."""
    with pytest.raises(AssetsError) as refused:
        saved_plans.read(path)
    [problem] = refused.value.problems
    return problem.message


def test_a_plan_is_a_value(tmp_path: Path) -> None:
    """Reading the same file twice gives equal plans."""
    path = tmp_path / "plan.json"
    saved_plans.write(path, PLAN, manifest(root=str(tmp_path)))
    first: Plan = saved_plans.read(path)
    assert saved_plans.read(path) == first
