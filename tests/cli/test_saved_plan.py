"""A plan that is saved, reviewed and applied, by the real command line: what it runs, and all that it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
from support.place import DUCKDB, Place

from assets_cli.cli import saved_plans
from assets_cli.manifest.schemas import schema_text

CRM = "- {name: crm, observe: {path: crm.csv}}\n"
ORDERS = """\
- name: orders
  command: {shell: "echo orders >> ran.txt; cat crm.csv > orders.csv"}
  output: {path: orders.csv}
  upstreams: [crm]
"""
REPORT = """\
- name: report
  command: {shell: "echo report >> ran.txt; wc -l < orders.csv > report.txt"}
  output: {path: report.txt}
  upstreams: [orders]
"""
LONELY = '- {name: lonely, command: {shell: "echo lonely >> ran.txt; date > l.txt"}, output: {path: l.txt}}\n'
ASSETS = CRM + ORDERS + REPORT + LONELY
RUN = re.compile(r"\d{8}T\d{6}\.\d{6}-[0-9a-f]{4}")
AGAIN = "  hint: plan again with --out, and review that plan\n"
MOVED = "error[A0615]: the plan does not hold any more: "
ONE = f"{MOVED}something has moved since\n"


class Said(NamedTuple):
    """What a call wrote to stderr, with R for run ids, and its exit code."""

    err: str
    code: int


@pytest.fixture
def shop(tmp_path: Path) -> Place:
    """A project in which nothing was made yet."""
    place = Place(tmp_path)
    place.assets(ASSETS)
    place.write("crm.csv", "ada\n")
    return place


def plan(place: Place, *arguments: str) -> dict[str, Any]:
    """Save a plan in plan.json, and what it says."""
    done = place.call("plan", "--out", "plan.json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads((place.root / "plan.json").read_text())
    return found


def apply(place: Place, *arguments: str, file: str = "plan.json") -> Said:
    """Apply it."""
    done = place.call("materialize", "--plan", file, *arguments)
    assert "Traceback" not in done.stdout + done.stderr
    return Said(RUN.sub("R", done.stderr), done.returncode)


def ran(place: Place) -> list[str]:
    """The commands that ran since this was last asked."""
    log = place.root / "ran.txt"
    names = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return names


def edit(place: Place, old: str, new: str) -> None:
    """Change a text of the manifest."""
    path = place.root / "assets.yml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def refused(place: Place, *arguments: str) -> str:
    """What is said of a plan that is not applied: nothing ran, nothing is on record, exit code 2."""
    ran(place)
    before = place.call("runs", "--json").stdout
    said = apply(place, *arguments)
    assert (said.code, ran(place), place.call("runs", "--json").stdout) == (2, [], before)
    return said.err


# -- what it runs ------------------------------------------------------------------------------------------------------


def test_the_screen_says_where_it_is_and_how_it_is_applied(shop: Place) -> None:
    """The last two lines, ready to be pasted, with the global options of this call."""
    done = shop.call("plan", "--out", "plan.json", "orders", "--state", "s.db")
    assert done.stdout.endswith("\n\nsaved in plan.json\nrun: assets --state s.db materialize --plan plan.json\n")


def test_it_runs_just_what_was_planned(shop: Place) -> None:
    """Not what is stale besides; and the plan of that moment is told and recorded as any other."""
    plan(shop, "orders", "report")
    said = apply(shop, "--jobs", "1")
    assert ran(shop) == ["orders", "report"]
    assert said.err.startswith("place: 2 to materialize · no estimate: none of them was timed yet\n")
    assert said.code == 0
    assert shop.plan() == {"lonely": ["missing"]}
    run = json.loads(shop.call("runs", "latest", "--json").stdout)
    assert (run["selection"], run["jobs"]) == (["orders", "report"], 1)


def test_the_document_has_a_schema_and_says_what_plan_json_says(shop: Place) -> None:
    """Whoever reads one reads the other."""
    found = plan(shop, "orders", "report")
    jsonschema.validate(found, json.loads(schema_text("saved-plan")))
    shown = json.loads(shop.call("plan", "--json", "orders", "report").stdout)
    found["now"] = shown["now"]
    for said, step in zip(shown["steps"], found["steps"], strict=True):
        said.update({key: step[key] for key in ("promise", "upstreams", "code_version", "code")})
    assert {key: found[key] for key in shown} == shown
    assert found.keys() - shown.keys() == {"digest", "project", "root", "observing", "records", "observations"}
    assert found["root"] == os.path.realpath(shop.root)


def test_with_json_and_with_exit_code(shop: Place) -> None:
    """Stdout holds the plan as without --out, stderr says where it is saved; 3 says that there is something to do."""
    done = shop.call("plan", "--out", "plan.json", "--json", "--exit-code")
    assert (done.returncode, done.stderr) == (3, "saved in plan.json\n")
    jsonschema.validate(json.loads(done.stdout), json.loads(schema_text("plan")))
    events = shop.materialize("--plan", "plan.json")
    steps = [step["asset"] for step in json.loads(done.stdout)["steps"]]
    assert (sorted(steps), events["succeeded"], events["exit"]) == (["lonely", "orders", "report"], steps, 0)


def test_nothing_to_do(shop: Place) -> None:
    """A plan without a step is saved all the same, and applied with exit code 0."""
    shop.materialize()
    done = shop.call("plan", "--out", "plan.json", "--exit-code")
    assert done.stdout.endswith(
        "Nothing to do: all 3 assets are up to date, 1 external.\nsaved in plan.json: there is nothing to apply\n"
    )
    assert done.returncode == 0
    assert apply(shop) == ("nothing to do: the plan has no step\n", 0)
    events = shop.materialize("--plan", "plan.json")
    assert (events["run"], events["status"], events["exit"]) == (None, "succeeded", 0)


def test_a_tentative_step_is_cut_off(shop: Place) -> None:
    """At most its steps: what comes out unchanged stops propagation as ever."""
    shop.materialize()
    edit(shop, "cat crm.csv >", "cat ./crm.csv >")
    ran(shop)
    assert [(step["asset"], step["tentative"]) for step in plan(shop)["steps"]] == [("orders", False), ("report", True)]
    events = shop.materialize("--plan", "plan.json")
    assert (events["unchanged"], events["skipped"]) == (["orders"], ["report"])
    assert ran(shop) == ["orders"]


def test_what_was_forced_stays_forced(shop: Place) -> None:
    """Although it is up to date, and `materialize --plan` takes no --force."""
    shop.materialize()
    ran(shop)
    plan(shop, "report", "--force")
    assert apply(shop).code == 0
    assert ran(shop) == ["report"]


def test_a_promise_is_that_of_the_moment_of_the_plan(shop: Place) -> None:
    """`max_lag: 0s` asks for data as of the plan; applied later it runs, once."""
    edit(shop, "output: {path: l.txt}", "output: {path: l.txt}, freshness: {max_lag: 0s}")
    shop.materialize()
    ran(shop)
    [step] = plan(shop)["steps"]
    assert step["promise"] == {
        "bound": json.loads((shop.root / "plan.json").read_text())["now"],
        "asked_by": ["lonely"],
        "text": "0s",
        "broken_at": None,
    }
    assert apply(shop).code == 0
    assert ran(shop) == ["lonely"]


def test_a_failure_points_to_retry(shop: Place) -> None:
    """Applying the plan again is refused, for its records have moved: by that run, which has failed."""
    edit(shop, "wc -l < orders.csv > report.txt", "exit 3")
    plan(shop, "report", "--upstream")
    said = apply(shop)
    assert said.code == 1
    assert said.err.endswith("next: fix report, then run assets retry\n      what has succeeded will not run again\n")
    assert refused(shop) == (
        "error[A0615]: the plan was applied already, by run R, which failed\n"
        "  hint: assets retry R runs what it left undone\n"
    )


def test_what_is_observed_goes_on_record(shop: Place) -> None:
    """The version that the plan carries; readers record that they have read it."""
    [seen] = plan(shop, "orders")["observations"]
    assert apply(shop).code == 0
    assert json.loads(shop.call("show", "crm", "--json").stdout)["observation"]["data_version"] == seen["data_version"]
    assert shop.plan("orders") == {}


# -- what has moved ----------------------------------------------------------------------------------------------------


def test_applied_twice(shop: Place) -> None:
    """Refused, with the run that did it."""
    plan(shop)
    assert apply(shop).code == 0
    assert refused(shop) == (
        "error[A0615]: the plan was applied already, by run R\n  hint: assets plan shows what there is to do now\n"
    )


def digests(text: str) -> str:
    """The text with D for each shortened digest."""
    return re.sub(r"\b[0-9a-f]{8}\b", "D", text)


def test_code_that_changed(shop: Place) -> None:
    """The asset, the component, old and new; nothing runs, not even what has not moved."""
    plan(shop)
    edit(shop, "cat crm.csv >", "sort crm.csv >")
    assert digests(refused(shop)) == (f"{ONE}  --> assets.yml:5:11: orders: code changed: command (D -> D)\n{AGAIN}")


def test_comments_of_code_do_not_count(tmp_path: Path) -> None:
    """As they never do."""
    place = Place(tmp_path)
    place.assets("- {name: t, command: {sql: t.sql}, output: {table: t}}", DUCKDB)
    place.write("t.sql", "select 1 as one")
    plan(place)
    place.write("t.sql", "-- the same\nSELECT 1 AS one")
    assert apply(place).code == 0


def test_a_variable_that_counts_as_code(shop: Place) -> None:
    """Named as the component that it changed."""
    edit(shop, "project: place\n", "project: place\nvars: {who: ada}\n")
    edit(shop, "cat crm.csv >", "echo ${vars.who} >")
    plan(shop, "orders", "--var", "who=eve")
    assert digests(refused(shop)) == (f"{ONE}  --> assets.yml:6:11: orders: code changed: command (D -> D)\n{AGAIN}")
    assert apply(shop, "--var", "who=eve").code == 0


def test_a_step_or_its_upstream_that_was_materialized_meanwhile(shop: Place) -> None:
    """By run R, which was none before; of what others did, the plan's assets alone are named."""
    plan(shop, "orders", "report")
    shop.materialize("orders")
    assert refused(shop) == f"{ONE}  --> assets.yml:5:11: orders: materialized (never -> in run R)\n{AGAIN}"
    plan(shop, "report")
    shop.materialize("orders", "--force")
    shop.materialize("lonely")
    assert refused(shop) == f"{ONE}  --> assets.yml:5:11: orders: materialized (in run R -> in run R)\n{AGAIN}"


def test_an_attempt_that_failed_meanwhile(shop: Place) -> None:
    """It may have left something half-written."""
    plan(shop, "orders", "report")
    (shop.root / "crm.csv").rename(shop.root / "gone.csv")
    assert shop.materialize("orders")["exit"] == 1
    (shop.root / "gone.csv").rename(shop.root / "crm.csv")
    assert refused(shop) == f"{ONE}  --> assets.yml:5:11: orders: newest attempt (none -> failed in run R)\n{AGAIN}"


def test_a_blocked_asset_that_was_unblocked_meanwhile(shop: Place) -> None:
    """Its step would evaluate checks that pass already."""
    edit(
        shop,
        "output: {path: orders.csv}",
        "output: {path: orders.csv}\n    checks: [{shell: test -e fine, blocking: true}]",
    )
    assert shop.materialize("orders")["exit"] == 1
    assert [step["kind"] for step in plan(shop, "orders")["steps"]] == ["check"]
    shop.write("fine", "")
    assert shop.call("check", "orders").returncode == 0
    assert refused(shop) == f"{ONE}  --> assets.yml:5:11: orders: blocked by a check (yes -> no)\n{AGAIN}"


def test_an_external_asset_that_changed(shop: Place) -> None:
    """It is looked at again; with --no-observe, and for a plan that was made so, what is on record counts."""
    plan(shop, "orders")
    shop.write("crm.csv", "eve\n")
    assert digests(refused(shop)) == f"{ONE}  --> assets.yml:4:12: crm: observed (D -> D)\n{AGAIN}"
    shop.call("observe")
    assert digests(refused(shop, "--no-observe")) == f"{ONE}  --> assets.yml:4:12: crm: observed (D -> D)\n{AGAIN}"
    plan(shop, "orders", "--no-observe")
    shop.write("crm.csv", "mallory\n")
    assert apply(shop).code == 0


def test_an_external_asset_that_was_only_looked_at_again(shop: Place) -> None:
    """Another record of the same version moves nothing; nor does a probe that fails, which is a warning."""
    plan(shop, "orders")
    shop.call("observe")
    (shop.root / "crm.csv").touch()
    assert apply(shop).code == 0
    shop.materialize("orders", "--force")
    plan(shop, "orders", "--force")
    (shop.root / "crm.csv").rename(shop.root / "away.csv")
    said = apply(shop)
    assert said.err.startswith("warning[A0314]: crm could not be observed: nothing is at crm.csv")
    assert said.code == 1


def test_edges_that_changed(shop: Place) -> None:
    """An edge decides what a step waits for, and what it is blocked by."""
    plan(shop)
    edit(shop, "upstreams: [orders]", "upstreams: [orders, lonely]")
    assert refused(shop) == (f"{ONE}  --> assets.yml:9:11: report: upstreams (orders -> orders, lonely)\n{AGAIN}")


def test_assets_that_are_gone_or_others_business_now(shop: Place) -> None:
    """Each at its place, what is gone at the manifest."""
    plan(shop)
    shop.assets(CRM + "- {name: orders, observe: {path: orders.csv}}\n" + LONELY)
    assert refused(shop) == (
        f"{MOVED}2 things have moved since\n"
        "  --> assets.yml:5:12: orders: declared (with a command -> external)\n"
        f"  --> assets.yml:1:1: report: declared (with a command -> no more)\n{AGAIN}"
    )


def test_the_output_of_an_upstream_that_is_gone(shop: Place) -> None:
    """What stands beside the plan is read as it is, which it is not any more."""
    shop.materialize("orders")
    plan(shop, "report")
    shop.write("orders.csv", "somebody else's\n")
    assert refused(shop) == (
        f"{ONE}  --> assets.yml:5:11: orders: output (as recorded -> changed by somebody else)\n{AGAIN}"
    )
    (shop.root / "orders.csv").unlink()
    assert refused(shop) == f"{ONE}  --> assets.yml:5:11: orders: output (as recorded -> gone)\n{AGAIN}"


def test_the_output_of_a_step_that_is_gone(shop: Place) -> None:
    """The step makes it, be it tentative or not; the output of what is no step moves nothing, and stays as it is."""
    shop.materialize()
    edit(shop, "cat crm.csv >", "cat ./crm.csv >")
    plan(shop)
    (shop.root / "report.txt").unlink()
    (shop.root / "l.txt").unlink()
    ran(shop)
    assert apply(shop).code == 0
    assert ran(shop) == ["orders", "report"]
    assert not (shop.root / "l.txt").exists()


def test_what_moved_besides_the_plan_moves_nothing(shop: Place) -> None:
    """Neither the code nor the records of what is neither a step nor read by one."""
    plan(shop, "orders")
    edit(shop, "date > l.txt", "date -u > l.txt")
    edit(shop, "wc -l <", "wc -c <")
    shop.materialize("lonely")
    ran(shop)
    assert apply(shop).code == 0
    assert ran(shop) == ["orders"]


WAITING = "touch begun; until test -e go; do sleep 0.02; done; touch l.txt"


def test_two_at_once(shop: Place) -> None:
    """One runs it, also what is forced, which no re-check skips; the other does not."""
    edit(shop, "date > l.txt", WAITING)
    plan(shop, "lonely", "--force")
    first = shop.start("materialize", "--plan", "plan.json")
    shop.wait_for("begun")
    said = shop.call("materialize", "--plan", "plan.json")
    shop.write("go", "")
    first.communicate(timeout=60)
    told = f"error[A0619]: the plan is being applied right now, by process {first.pid}\n"
    hint = "  hint: assets runs latest shows how far it is\n"
    assert (said.returncode, said.stderr) == (2, told + hint)
    assert (first.returncode, ran(shop)) == (0, ["lonely"])


def test_while_another_run_does_the_same(shop: Place) -> None:
    """Its records say so."""
    edit(shop, "date > l.txt", WAITING)
    plan(shop, "lonely")
    other = shop.start("materialize", "lonely")
    shop.wait_for("begun")
    assert apply(shop) == (
        "error[A0615]: the plan is being carried out right now, by run R\n  hint: assets runs R shows how far it is\n",
        2,
    )
    shop.write("go", "")
    other.communicate(timeout=60)
    assert (other.returncode, ran(shop)) == (0, ["lonely"])


# -- where it belongs --------------------------------------------------------------------------------------------------


def test_a_plan_of_another_project(shop: Place, tmp_path: Path) -> None:
    """Although the other is its very copy."""
    plan(shop)
    other = Place(tmp_path / "other")
    other.root.mkdir()
    other.assets(ASSETS)
    other.write("crm.csv", "ada\n")
    other.write("plan.json", (shop.root / "plan.json").read_text())
    real = os.path.realpath(tmp_path)
    assert refused(other) == (
        f"error[A0618]: the plan is for the project place in {real}, not for place in {real}/other\n"
        "  hint: apply it there with -C DIR, or plan again here\n"
    )


def test_a_plan_for_another_environment(shop: Place) -> None:
    """Both ways round."""
    edit(shop, "project: place\n", "project: place\nenvironments: {prod: {}}\n")
    plan(shop)
    assert refused(shop, "--env", "prod") == (
        "error[A0618]: the plan is for the environment default, not for prod\n"
        "  hint: apply it without --env, or plan again for this one\n"
    )
    plan(shop, "--env", "prod")
    assert refused(shop) == (
        "error[A0618]: the plan is for the environment prod, not for default\n"
        "  hint: apply it with --env prod, or plan again for this one\n"
    )
    assert apply(shop, "--env", "prod").code == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("report",), "a selection"),
        (("--upstream",), "--upstream"),
        (("--full-refresh",), "--full-refresh"),
        (("report", "--downstream", "--force"), "a selection, --downstream and --force"),
    ],
)
def test_it_goes_with_no_other_wish(shop: Place, arguments: tuple[str, ...], named: str) -> None:
    """A plan is run as it is."""
    plan(shop)
    assert refused(shop, *arguments) == (
        f"error[A0814]: --plan runs a saved plan as it is, without {named}\n"
        "  hint: plan with them and save that: assets plan … --out FILE\n"
    )


def test_a_full_refresh_is_a_part_of_it(shop: Place) -> None:
    """What a plan says of a table that grows is what is done: built from nothing, however long it waited."""
    shop.assets(
        """
        - name: log
          command: {sql: "select 1 as id"}
          output: {table: log, materialization: append}
        """,
        DUCKDB,
    )
    for _ in range(2):
        assert shop.materialize("--force")["succeeded"] == ["log"]
    (step,) = plan(shop, "--full-refresh")["steps"]
    assert [cause["detail"] for cause in step["causes"]] == ["forced by --full-refresh"]
    assert apply(shop).code == 0
    assert shop.query("select count(*) from log") == [(1,)]


# -- files -------------------------------------------------------------------------------------------------------------

WRITES = "  hint: assets plan --out FILE writes one\n"


def reworded(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """A change to the document, with a digest that fits."""

    def rewrite(text: str) -> str:
        found = json.loads(text)
        change(found)
        found["digest"] = saved_plans.digest(found)
        return json.dumps(found)

    return rewrite


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """A change to the document, and nothing else."""

    def rewrite(text: str) -> str:
        found = json.loads(text)
        change(found)
        return json.dumps(found)

    return rewrite


EDITED = (
    "error[A0617]: plan.json was changed since it was written: its digest is not that of what it says\n"
    "  hint: plan again with --out, and review that plan\n"
)
NONE = "error[A0616]: plan.json holds no saved plan: "


@pytest.mark.parametrize(
    ("rewrite", "said"),
    [
        pytest.param(lambda _: "", f"{NONE}it is empty\n{WRITES}", id="empty"),
        pytest.param(
            lambda text: text[:40],
            f"{NONE}it is no JSON, or was cut off (unterminated string starting at, line 3, column 13)\n{WRITES}",
            id="truncated",
        ),
        pytest.param(
            lambda _: "apiVersion: 1\n",
            f"{NONE}it is no JSON, or was cut off (expecting value, line 1, column 1)\n{WRITES}",
            id="yaml",
        ),
        pytest.param(lambda _: "[" * 100_000, f"{NONE}it is no JSON\n{WRITES}", id="deep"),
        pytest.param(lambda _: "1" * 10_000, f"{NONE}it is no JSON\n{WRITES}", id="long number"),
        pytest.param(lambda _: "[]", f"{NONE}it is some other document\n{WRITES}", id="list"),
        pytest.param(lambda _: '{"a": 1}', f"{NONE}it is some other document\n{WRITES}", id="other"),
        pytest.param(edited(lambda found: found["steps"].pop()), EDITED, id="a step less"),
        pytest.param(edited(lambda found: found["steps"][0]["causes"].clear()), EDITED, id="a cause less"),
        pytest.param(edited(lambda found: found.update(environment="prod")), EDITED, id="environment"),
        pytest.param(edited(lambda found: found.update(digest=None)), EDITED, id="no digest"),
        pytest.param(
            edited(lambda found: found.update(version=2)),
            "error[A0616]: plan.json was written by a newer assets: version 2, and this one reads 1\n"
            "  hint: upgrade assets, or plan again with this one\n",
            id="newer",
        ),
        pytest.param(
            reworded(lambda found: found["steps"][0].pop("code")),
            f"{NONE}it has not the shape of one (assets schema saved-plan)\n{WRITES}",
            id="shape",
        ),
        pytest.param(
            reworded(lambda found: found.update(version=0)),
            f"{NONE}it has not the shape of one (assets schema saved-plan)\n{WRITES}",
            id="no version of ours",
        ),
        pytest.param(
            reworded(lambda found: found.update(now="2016-12-31T23:59:60Z")),
            f"{NONE}a time in it is none\n{WRITES}",
            id="time",
        ),
    ],
)
def test_a_file_that_holds_no_plan(shop: Place, rewrite: Callable[[str], str], said: str) -> None:
    """Whatever it holds, nothing runs and the message says what is wrong with it."""
    plan(shop)
    file = shop.root / "plan.json"
    file.write_text(rewrite(file.read_text()))
    assert refused(shop) == said


def test_bytes_that_are_no_text(shop: Place) -> None:
    """Told like the rest."""
    (shop.root / "plan.json").write_bytes(b"\xff\xfe{}")
    assert refused(shop) == f"{NONE}it is no JSON\n{WRITES}"


def test_the_output_of_plan_json_is_known_for_what_it_is(shop: Place) -> None:
    """A likely mistake."""
    shop.write("plan.json", shop.call("plan", "--json").stdout)
    assert refused(shop) == (
        f"{NONE}it has no digest\n"
        "  hint: it looks like what assets plan --json prints; assets plan --out FILE writes what can be applied\n"
    )


def test_files_that_cannot_be_read(shop: Place) -> None:
    """Not there, a directory, not a path at all."""
    for name, reason in (("none.json", "no such file or directory"), (".", "is a directory")):
        assert apply(shop, file=name) == (f"error[A0616]: cannot read {name}: {reason}\n{WRITES}", 2)


def test_a_plan_that_was_laid_out_anew_is_the_same(shop: Place) -> None:
    """White space, the order of keys and how a whole number is written: formatters may have them."""
    shop.materialize()
    found = plan(shop, "orders", "--force")
    assert isinstance(found["steps"][0]["estimated_seconds"], float)
    found["steps"][0]["estimated_seconds"] = 17
    found["digest"] = saved_plans.digest(found)
    text = json.dumps(found, sort_keys=True, indent=1).replace('"estimated_seconds": 17', '"estimated_seconds": 17.0')
    shop.write("plan.json", text)
    assert apply(shop).code == 0


def test_a_plan_from_a_pipe(shop: Place) -> None:
    """As `--plan <(fetch …)`: read once, applied."""
    plan(shop, "orders")
    done = subprocess.run(
        [sys.executable, "-m", "assets_cli", "materialize", "--plan", "/dev/stdin"],
        cwd=shop.root,
        input=(shop.root / "plan.json").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, ran(shop)) == (0, ["orders"])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".", "is a directory"),
        ("none/plan.json", "there is no such directory"),
        ("assets.yml", "it is a file of the project"),
        (".assets/state.db", "it is a file of the project"),
        ("link.json", "it is a file of the project"),
        ("l.txt", "it is a file of the project"),
        ("/dev/null", "it is no regular file"),
        (f"{'n' * 250}.json", "file name too long"),
    ],
)
def test_places_where_no_plan_is_written(shop: Place, name: str, reason: str) -> None:
    """Exit code 2, nothing on stdout, and what is there stays."""
    shop.materialize("lonely")
    (shop.root / "link.json").symlink_to("assets.yml")
    before = {path: path.read_bytes() for path in shop.root.iterdir() if path.is_file()}
    done = shop.call("plan", "--out", name)
    said = f"error[A0822]: cannot write {name}: {reason}\n  hint: name another file with --out\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert {path: path.read_bytes() for path in shop.root.iterdir() if path.is_file()} == before


def test_a_disk_that_takes_no_more(shop: Place) -> None:
    """The system's reason; the plan that was there is as it was, and nothing else is left."""
    plan(shop, "orders")
    before = {path.name for path in shop.root.iterdir()}
    text = (shop.root / "plan.json").read_text()
    limited = f"ulimit -f 0; exec {sys.executable} -m assets_cli plan --out plan.json"
    done = subprocess.run(["sh", "-c", limited], cwd=shop.root, capture_output=True, text=True, check=False)
    said = "error[A0822]: cannot write plan.json: file too large\n  hint: name another file with --out\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
    assert (shop.root / "plan.json").read_text() == text
    assert {path.name for path in shop.root.iterdir()} == before


def test_a_plan_replaces_an_older_one_whole(shop: Place) -> None:
    """Through a link, too, which stays one; nothing else is left in the folder."""
    shop.write("real/plan.json", "an older one")
    (shop.root / "plan.json").symlink_to("real/plan.json")
    found = plan(shop, "orders")
    assert (shop.root / "plan.json").is_symlink()
    assert [path.name for path in (shop.root / "real").iterdir()] == ["plan.json"]
    assert json.loads((shop.root / "real" / "plan.json").read_text()) == found


def test_no_secret_is_in_it(shop: Place) -> None:
    """Neither of a command nor of a connection, a probe or a reason; the plan holds all the same."""
    shop.assets(
        """\
        - name: feed
          observe:
            shell: |
              echo '{"data_version": "'$TOKEN'", "metadata": {"said": "'$TOKEN'"}}' > $ASSETS_RESULT
        - name: a
          command: {shell: "test ${env.TOKEN} = no"}
          upstreams: [feed]
        """
    )
    assert shop.materialize("a", TOKEN="sesame-open")["exit"] == 1
    done = shop.call("plan", "--out", "plan.json", TOKEN="sesame-open")
    assert done.returncode == 0, done.stderr
    text = (shop.root / "plan.json").read_text()
    assert "sesame" not in text
    assert json.loads(text)["observations"][0]["metadata"] == {"said": "***"}
    done = shop.call("materialize", "--plan", "plan.json", TOKEN="sesame-open")
    assert (done.returncode, "sesame" in done.stderr) == (1, False)
