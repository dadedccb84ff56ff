"""`assets state`, and `moved` in a manifest: history repaired on purpose, over real processes, whole screens."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest
from support.place import Place

from assets_cli.manifest.schemas import schema_text
from assets_cli.model.problem import AssetsError
from assets_cli.state import deeds as deeds_module

DAY = 86_400 * 1_000_000
SHOP = """
- name: raw
  command: {shell: "date +%s%N > $ASSETS_OUTPUT; echo made raw"}
  output: {path: raw.txt}
  freshness: {max_lag: 9999d}
- name: features
  upstreams: [raw]
  command: {shell: "cat raw.txt > $ASSETS_OUTPUT"}
  output: {path: features.txt}
  checks: [{name: some, shell: "test -s features.txt"}]
- name: report
  upstreams: [features]
  command: {shell: "cat features.txt > $ASSETS_OUTPUT; test ! -e broken"}
  output: {path: report.txt}
"""
RENAMED = SHOP.replace("name: features", "name: customers").replace("[features]", "[customers]")
MOVED = RENAMED.replace("name: customers", "name: customers\n  moved: {from: features}")


UNKNOWN = "error[A0515]: 'customers' has no history in environment default\n  hint: on record: features, raw, report\n"


@pytest.fixture
def shop(tmp_path: Path) -> Place:
    """Raw -> features -> report, all of it materialized."""
    place = Place(tmp_path)
    place.assets(SHOP)
    assert place.materialize()["succeeded"] == ["raw", "features", "report"]
    return place


def screen(done: subprocess.CompletedProcess[str]) -> tuple[str, str, int]:
    """Both streams and the exit code, without what is never the same."""
    return settled(done.stdout), settled(done.stderr), done.returncode


def settled(text: str) -> str:
    """A text without what is never the same."""
    text = re.sub(r"\d{8}T\d{6}\.\d{6}-[0-9a-f]{4}", "RUN", text)
    return re.sub(r"on \S+, process \d+", "on HOST, process N", text)


def plan(place: Place, *arguments: str) -> dict[str, object]:
    """The plan as a document, without its moment."""
    done = place.call("plan", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    del document["now"]
    return document


def deeds(place: Place, *arguments: str) -> list[dict[str, object]]:
    """What was done on purpose, the newest first."""
    document = json.loads(place.call("runs", "--json", *arguments).stdout)
    jsonschema.validate(document, json.loads(schema_text("runs")))
    return document["deeds"]


def state(place: Place) -> dict[str, bytes]:
    """The state file and what lies beside it, byte by byte."""
    return {path.name: path.read_bytes() for path in (place.root / ".assets").glob("state.db*")}


def age(place: Place, days: int) -> None:
    """Let all that is on record have happened so many days earlier."""
    with closing(sqlite3.connect(place.root / ".assets/state.db")) as connection, connection:
        for table, columns in {
            "runs": ("started", "finished"),
            "attempts": ("started", "finished"),
            "materializations": ("started", "finished"),
            "observations": ("observed",),
            "check_results": ("at",),
            "state_events": ("at",),
        }.items():
            changes = ", ".join(f"{column} = {column} - {days * DAY}" for column in columns)
            connection.execute(f"UPDATE {table} SET {changes}")


# -- mv --------------------------------------------------------------------------------------------------------------


def test_a_rename_keeps_its_history(shop):
    """Nothing is stale after it, neither the asset nor what reads it; runs, logs and checks follow; it is on record."""
    run = json.loads(shop.call("runs", "--json").stdout)["runs"][0]["run"]
    before = json.loads(shop.call("show", "features", "--json").stdout)
    shop.assets(RENAMED)
    assert list(shop.plan()) == ["customers", "report"]
    assert screen(shop.call("state", "mv", "features", "customers")) == (
        "",
        "customers has the history of features now\nsee: assets plan\n",
        0,
    )
    document = plan(shop)
    assert (document["steps"], document["removed"]) == ([], [])
    after = json.loads(shop.call("show", "customers", "--json").stdout)
    assert (after["materialization"], after["checks"]) == (before["materialization"], before["checks"])
    assert shop.call("logs", run, "customers").returncode == 0
    steps = json.loads(shop.call("runs", run, "--json").stdout)
    assert [each["asset"] for each in steps["steps"]] == ["raw", "customers", "report"]
    assert [each["asset"] for each in steps["attempts"]] == ["raw", "customers", "report"]
    row, below = screen(shop.call("runs"))[0].splitlines()[1:3]
    assert (row.split()[:2], row.split()[-1]) == (["state", "mv"], "done")
    assert below == "    features -> customers · on HOST, process N"
    (deed,) = deeds(shop)
    assert (deed["kind"], deed["environment"], deed["after"], deed["details"]) == (
        "mv",
        "default",
        run,
        {"moved": [{"from": "features", "to": "customers"}], "by": "command"},
    )
    # What it held is what the next change is compared with.
    (shop.root / "raw.txt").write_text("other\n")
    assert shop.materialize()["exit"] == 0
    assert json.loads(shop.call("show", "customers", "--json").stdout)["materialization"]["run"] != run


@pytest.mark.parametrize(
    ("manifest", "words", "said"),
    [
        (
            RENAMED,
            ("featurs", "customers"),
            "error[A0515]: 'featurs' has no history in environment default\n  hint: did you mean features?\n",
        ),
        (
            RENAMED,
            ("features", "report"),
            (
                "error[A0514]: report has a history of its own\n"
                "  hint: to forget what is on record of it: assets state rm report; to exchange the two: --swap\n"
            ),
        ),
        (
            SHOP,
            ("features", "customers"),
            (
                "error[A0514]: features is in the manifest still: it would have to be made again\n"
                "  --> assets.yml:9:11\n"
                "  hint: rename it there to customers first; --force moves its history all the same\n"
            ),
        ),
        (
            RENAMED,
            ("features", "customer"),
            (
                "error[A0514]: no asset of the manifest is named 'customer'\n"
                "  hint: did you mean customers?; --force moves the history all the same\n"
            ),
        ),
        (
            RENAMED,
            ("features", "features"),
            "error[A0514]: features and features are one name\n  hint: assets state mv OLD NEW\n",
        ),
        (
            RENAMED,
            ("--swap", "features", "customers"),
            UNKNOWN,
        ),
    ],
)
def test_what_cannot_be_moved(shop, manifest, words, said):
    """Refused with the reason and what to do; nothing is changed, and nothing on record."""
    shop.assets(manifest)
    before = plan(shop)
    assert screen(shop.call("state", "mv", *words)) == ("", said, 2)
    assert (plan(shop), deeds(shop)) == (before, [])


def test_force_moves_whatever_the_manifest_has(shop):
    """Also to a name that no asset has; the old one is missing then."""
    assert shop.call("state", "mv", "--force", "features", "elsewhere").returncode == 0
    assert plan(shop)["removed"] == ["elsewhere"]
    assert shop.plan()["features"][0] == "missing"


def test_two_exchange_their_histories(shop):
    """In one transaction; twice is as it was."""
    before = plan(shop)
    assert screen(shop.call("state", "mv", "--swap", "raw", "report"))[1].startswith(
        "raw and report have exchanged their histories\n"
    )
    assert len(plan(shop)["steps"]) == 3
    shop.call("state", "mv", "--swap", "raw", "report")
    assert plan(shop) == before


def test_a_move_waits_for_a_run_that_has_the_asset_to_do(shop):
    """And says for whom; the run ends well, the move follows."""
    shop.assets(SHOP.replace("date +%s%N", "touch going; while test ! -e go; do sleep 0.05; done; echo 7"))
    run = shop.start("materialize", "--force")
    shop.wait_for("going")
    shop.assets(RENAMED)
    move = shop.start("state", "mv", "features", "customers")
    said = move.stderr.readline()
    assert settled(re.sub(r"pid \d+", "pid N", said)) == "warning: waiting for run RUN (pid N)\n"
    (shop.root / "go").touch()
    assert run.wait(60) == 0
    _, rest = move.communicate(timeout=60)
    assert (move.returncode, rest.splitlines()[0]) == (0, "customers has the history of features now")
    assert "customers" not in plan(shop)["removed"]
    run.communicate()


def test_environments_move_apart(tmp_path):
    """A move is of the environment at hand."""
    place = Place(tmp_path)
    head = "environments:\n  prod: {vars: {x: p}}\nvars: {x: o}\n"
    a = "- {name: a, command: {shell: 'echo 1 > $ASSETS_OUTPUT'}, output: {path: '${vars.x}'}}\n"
    place.assets(a, head)
    place.materialize()
    place.materialize("--env", "prod")
    place.assets(a.replace("name: a", "name: b"), head)
    assert place.call("state", "mv", "a", "b").returncode == 0
    assert (place.plan(), place.plan("--env", "prod")) == ({}, {"b": ["missing"]})
    assert (len(deeds(place)), deeds(place, "--env", "prod")) == (1, [])


# -- moved in the manifest -------------------------------------------------------------------------------------------


def test_moved_in_the_manifest_is_shown_at_once_and_written_by_the_next_deed(shop):
    """Plan, why, show and lineage read history as if it had moved, and write nothing; the next run writes the move."""
    run = json.loads(shop.call("runs", "--json").stdout)["runs"][0]["run"]
    shop.assets(MOVED)
    before = state(shop)
    document = plan(shop)
    assert (document["steps"], document["removed"]) == ([], [])
    assert json.loads(shop.call("why", "customers", "--json").stdout)["assets"][0]["status"] == "up_to_date"
    shown = json.loads(shop.call("show", "customers", "--json").stdout)
    assert (shown["materialization"]["run"], [each["passed"] for each in shown["checks"]]) == (run, [True])
    nodes = json.loads(shop.call("lineage", "customers", "--format", "json").stdout)["nodes"]
    assert {node["status"] for node in nodes} == {"up_to_date"}
    assert json.loads(shop.call("runs", "--asset", "customers", "--json").stdout)["runs"][0]["run"] == run
    assert shop.call("logs", run, "customers").returncode == 0
    assert state(shop) == before
    done = shop.call("materialize")
    assert screen(done) == (
        "",
        (
            "warning: customers has the history of features now, as its `moved` says\n"
            "Nothing to do: all 3 assets are up to date.\n"
        ),
        0,
    )
    assert deeds(shop)[0]["details"]["by"] == "manifest"
    # It may stay, and it may go.
    assert screen(shop.call("materialize")) == ("", "Nothing to do: all 3 assets are up to date.\n", 0)
    shop.assets(RENAMED)
    assert shop.plan() == {}
    assert len(deeds(shop)) == 1


def test_moved_is_written_before_whatever_is_recorded_first(shop):
    """A check, a mark and a forced run find the history under its new name."""
    shop.assets(MOVED)
    assert shop.call("state", "mark", "customers").returncode == 0
    history = json.loads(shop.call("show", "customers", "--json").stdout)["history"]
    assert len(history) == 2
    assert plan(shop)["removed"] == []


def test_a_chain_of_renames_reaches_every_environment(shop):
    """Of several former names the latest with a history counts."""
    shop.assets(MOVED)
    shop.materialize()
    chain = MOVED.replace("customers", "clients").replace("from: features", "from: [customers, features]")
    shop.assets(chain)
    assert shop.plan() == {}
    shop.materialize()
    shop.assets(chain.replace("clients", "people").replace("[customers, features]", "[clients, customers, features]"))
    assert (shop.plan(), plan(shop)["removed"]) == ({}, [])


def test_moved_from_nothing_or_to_a_history_does_nothing(shop):
    """It was done already, or never was: no reason to complain."""
    shop.assets(MOVED.replace("from: features", "from: never_was"))
    assert shop.plan() == {
        "customers": ["missing", "upstream_stale"][:1],
        "report": ["upstreams_added", "upstreams_removed", "upstream_stale"],
    }
    shop.materialize()
    shop.assets(MOVED)
    assert (shop.plan(), plan(shop)["removed"]) == ({}, ["features"])


def test_moved_that_could_mean_two_histories(shop):
    """From an asset that still is one, from itself, or two from one: all at once, with both places."""
    shop.assets(
        """\
        - {name: a, command: {shell: 'true'}, freshness: {max_lag: 1d}}
        - {name: b, moved: {from: a}, command: {shell: 'true'}, freshness: {max_lag: 1d}}
        - {name: c, moved: {from: c}, command: {shell: 'true'}, freshness: {max_lag: 1d}}
        - {name: d, moved: {from: old}, command: {shell: 'true'}, freshness: {max_lag: 1d}}
        - {name: e, moved: {from: [x, old]}, command: {shell: 'true'}, freshness: {max_lag: 1d}}
        """
    )
    done = shop.call("validate")
    assert (done.stdout, done.returncode) == (
        """\
error[A0215]: asset 'b': moved from 'a', which is an asset still
  --> assets.yml:5:29
 5 |   - {name: b, moved: {from: a}, command: {shell: 'true'}, freshness: {max_lag: 1d}}
   |                             ^
  --> assets.yml:4:12: asset 'a' is here
  hint: remove `moved`; to exchange what is on record of both: assets state mv --swap a b

error[A0215]: asset 'c': it is moved from itself
  --> assets.yml:6:29
 6 |   - {name: c, moved: {from: c}, command: {shell: 'true'}, freshness: {max_lag: 1d}}
   |                             ^
  hint: remove `moved`

error[A0215]: asset 'e': moved from 'old', as asset 'd' is
  --> assets.yml:8:33
 8 |   - {name: e, moved: {from: [x, old]}, command: {shell: 'true'}, freshness: {max_lag: 1d}}
   |                                 ^^^
  --> assets.yml:7:29: asset 'd' is moved from it here
  hint: one history has one heir: remove one of the two

3 errors in 1 file
""",
        2,
    )


# -- rm --------------------------------------------------------------------------------------------------------------


def test_history_is_forgotten_and_outputs_are_not_touched(shop):
    """Of assets that the manifest has and of ones that it no longer has; it says what the next plan does."""
    shop.assets(SHOP.split("- name: report", maxsplit=1)[0])
    assert plan(shop)["removed"] == ["report"]
    assert screen(shop.call("state", "rm", "report", "feat*")) == (
        "",
        """\
features: forgot 1 materialization
report: forgot 1 materialization
what they wrote is left as it is
next: features is missing for the next plan, which makes it
""",
        0,
    )
    assert (plan(shop)["removed"], shop.plan()) == ([], {"features": ["missing"]})
    assert (shop.root / "features.txt").exists()
    assert (shop.root / "report.txt").exists()
    assert shop.call("show", "report").returncode == 2
    assert deeds(shop)[0]["details"] == {"assets": {"features": 1, "report": 1}}
    # What runs did stays what they did.
    assert [each["asset"] for each in json.loads(shop.call("runs", "latest", "--json").stdout)["steps"]] == [
        "raw",
        "features",
        "report",
    ]


def test_a_dry_run_forgets_nothing(shop):
    """It says what it would forget, and what the way back is."""
    before = state(shop)
    assert screen(shop.call("state", "rm", "--dry-run", "raw")) == (
        "",
        """\
raw: would forget 1 materialization
what it wrote is left as it is
next: raw is missing for the next plan, which makes it
first: assets state backup FILE is the way back
""",
        0,
    )
    assert state(shop) == before


def test_one_name_that_is_unknown_and_nothing_is_forgotten(shop):
    """Also where others are known; the nearest is named."""
    assert screen(shop.call("state", "rm", "raw", "reprot", "x/*")) == (
        "",
        """\
error[A0515]: 'reprot' has no history in environment default
  hint: did you mean report?

error[A0515]: 'x/*' has no history in environment default
  hint: on record: features, raw, report

2 errors
""",
        2,
    )
    assert shop.plan() == {}


# -- export and import -----------------------------------------------------------------------------------------------


def test_an_export_is_imported_to_the_last_record(shop):
    """The export of the import is the same byte by byte, every line is as the schema says, and so is the plan."""
    shop.materialize("raw", "--force")
    shop.call("state", "rm", "report")
    assert screen(shop.call("state", "export", "history.jsonl"))[1].startswith("exported ")
    text = (shop.root / "history.jsonl").read_text()
    schema = jsonschema.Draft7Validator(json.loads(schema_text("state-export")))
    for line in text.splitlines():
        schema.validate(json.loads(line))
    records = len(text.splitlines()) - 2
    assert screen(shop.call("--state", "other.db", "state", "import", "history.jsonl")) == (
        "",
        f"imported {records} records\nsee: assets --state other.db runs\n",
        0,
    )
    again = shop.call("--state", "other.db", "state", "export")
    assert (again.stdout == text, again.stderr) == (True, f"exported {records} records\n")
    assert plan(shop, "--state", "other.db") == plan(shop)
    # What was done with the files themselves is no part of the history in them.
    assert [deed["kind"] for deed in deeds(shop, "--state", "other.db")] == ["export", "import", "rm"]
    assert [deed["kind"] for deed in deeds(shop)] == ["export", "rm"]
    # A run goes on where the history ended: no number is given out twice.
    assert shop.materialize("--state", "other.db")["succeeded"] == ["features", "report"]


def test_an_import_never_mixes_two_histories(shop):
    """Just this history is there: nothing to do. Another one is: refused."""
    shop.call("state", "export", "history.jsonl")
    assert screen(shop.call("state", "import", "history.jsonl")) == (
        "",
        "nothing to do: just this history is there already\n",
        0,
    )
    shop.materialize("--force")
    before = plan(shop)
    done = shop.call("state", "import", "history.jsonl", COLUMNS="200")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [
            f"error[A0516]: state file {shop.root}/.assets/state.db holds a history already",
            "  hint: import into another one: assets --state FILE state import …",
        ],
    )
    assert plan(shop) == before


def edited(old: str, new: str, count: int = 1) -> Callable[[str], str]:
    """What makes another text of an export."""
    return lambda text: text.replace(old, new, count)


NEWER = "the export is of a newer version of assets (form"
SPOILT = {
    "empty": (lambda _: "", 1, "the file is empty"),
    "text": (lambda _: "hello\n", 1, "this is no export of a history"),
    "other json": (lambda _: '{"a": 1}\n', 1, "this is no export of a history"),
    "no end": (lambda text: text.rsplit("\n", 2)[0] + "\n", None, "the end is missing: the file was cut short"),
    "half": (lambda text: text[: len(text) // 2], None, "the line has no end: the file was cut short"),
    "more": (lambda text: text + text, None, "something follows the end of the export"),
    "no field": (edited('"jobs":', '"jops":'), 2, "field 'jobs' of a record of kind run is missing"),
    "no number": (edited('"jobs":', '"jobs":0.'), 2, "field 'jobs' of a record of kind run is not a whole number"),
    "edited": (edited('"status":"succeeded"', '"status":"failed"'), None, "its digest is not that of the"),
    "unknown": (edited('"step"', '"leap"'), 3, "a record of unknown kind: 'leap'"),
    "list": (edited('{"record":"run"', '[{"record":"run"'), 2, "the line is no JSON object"),
    "newer form": (edited('"version":1', '"version":2'), 1, f"{NEWER} 2, schema"),
    "newer schema": (edited('"schema":', '"schema":9'), 1, f"{NEWER} 1, schema 9"),
    "twice": (lambda text: re.sub('(?m)(^.*"run".*\n)', r"\1\1", text, count=1), 3, "this record of kind run is here"),
}


def test_what_is_no_whole_export_is_refused(shop):
    """With the line at which it turns out; no state file is made or changed."""
    text = shop.call("state", "export").stdout
    for spoil, line, reason in SPOILT.values():
        (shop.root / "bad.jsonl").write_text(spoil(text))
        done = shop.call("--state", "other.db", "state", "import", "bad.jsonl", COLUMNS="200")
        number, said = re.match(r"error\[A0513\]: bad\.jsonl, line (\d+): (.*)", done.stderr).groups()
        assert (said.startswith(reason), line in (None, int(number)), done.returncode) == (True, True, 2), done.stderr
        assert not (shop.root / "other.db").exists()


def test_a_copy_never_writes_over_a_file_unasked(shop):
    """Neither an export nor a backup; with --force they do, but not over a database in use, nor over itself."""
    for action in ("export", "backup"):
        (shop.root / "copy").write_text("precious")
        assert screen(shop.call("state", action, "copy")) == (
            "",
            "error[A0511]: copy is there already\n  hint: name another file, or replace it with --force\n",
            2,
        )
        assert (shop.root / "copy").read_text() == "precious"
        assert shop.call("state", action, "--force", "copy").returncode == 0
        assert (shop.root / "copy").read_text(errors="replace") != "precious"
        (shop.root / "copy-wal").write_text("x")
        assert "is in use as a database" in shop.call("state", action, "--force", "copy").stderr
        (shop.root / "copy-wal").unlink()
        assert "is the state file itself" in shop.call("state", action, "--force", ".assets/state.db").stderr
        assert "is a folder" in shop.call("state", action, "--force", ".assets").stderr
        gone = screen(shop.call("state", action, "no/such/folder"))
        assert gone[1].startswith("error[A0512]: cannot write no/such/folder: no such file or directory\n")
        assert not [path.name for path in shop.root.iterdir() if path.suffix == ".tmp"]


# -- backup ----------------------------------------------------------------------------------------------------------


def test_a_backup_is_a_state_file(shop):
    """Made while a run goes on; it opens as a state file, and the history goes on in it."""
    shop.assets(SHOP.replace("cat raw.txt", "touch going; while test ! -e go; do sleep 0.05; done; cat raw.txt"))
    run = shop.start("materialize", "features", "--force")
    shop.wait_for("going")
    done = shop.call("state", "backup", "copy.db")
    (shop.root / "go").touch()
    assert run.wait(60) == 0
    run.communicate()
    assert re.fullmatch(r"copied the history to copy\.db \(\d+\.\d KB\)\n", done.stderr)
    assert sorted(path.name for path in shop.root.glob("copy*")) == ["copy.db"]
    assert [deed["kind"] for deed in deeds(shop)] == ["backup"]
    copied = json.loads(shop.call("--state", "copy.db", "runs", "--json").stdout)
    assert (len(copied["runs"]), copied["deeds"]) == (2, [])
    assert shop.materialize("--state", "copy.db", "features", "--force")["succeeded"] == ["features"]


# -- gc --------------------------------------------------------------------------------------------------------------


def test_old_records_and_logs_go_and_the_plan_stays(shop):
    """What is old and nobody reads goes, with its logs and its room on the disk; runs, show and logs say so."""
    shop.materialize("--force")
    runs = [each["run"] for each in json.loads(shop.call("runs", "--json").stdout)["runs"]]
    shop.materialize("--force")
    (shop.root / "broken").touch()
    assert shop.materialize("report", "--force")["exit"] == 1
    (shop.root / "broken").unlink()
    before = plan(shop)
    gc = ("state", "gc", "--keep", "0s", "--keep-runs", "1")
    dry = shop.call(*gc, "--dry-run").stdout.splitlines()
    assert len(json.loads(shop.call("runs", "--json").stdout)["runs"]) == 4
    first, *done = shop.call(*gc).stdout.splitlines()
    assert (dry[0], first, dry[1:]) == ("would remove:", "removed:", done[: len(dry) - 1])
    assert [re.sub(r" +", " ", line).strip() for line in dry[1:]] == [
        "check results 2",
        "materializations 6",
        "attempts 6",
        "steps 6",
        "runs 2",
        "data times 6",
        "logs 9 27 bytes",
    ]
    assert re.fullmatch(r"the state file went from \S+ KB to \S+ KB", done[-1])
    assert plan(shop) == before
    assert shop.call(*gc).stdout.startswith("nothing to remove: all that is older than 0s is needed")
    (deed,) = deeds(shop)
    assert (deed["kind"], deed["details"]["removed"]["runs"]) == ("gc", 2)
    for run in runs:
        refused = " ".join(shop.call("logs", run).stderr.split())
        said = (
            rf"error\[A0507\]: run {run} is not on record: what was older than \S+ \S+ was removed by `assets state gc`"
        )
        assert re.match(said, refused)
    third = json.loads(shop.call("runs", "--json").stdout)["runs"][-1]["run"]
    refused = " ".join(shop.call("logs", third).stderr.split())
    assert re.search(r"the logs of run \S+ were removed by `assets state gc` on \d{4}-", refused)
    for words in (("runs", third), ("show", "raw"), ("retry",)):
        assert shop.call(*words).returncode == 0


def test_a_failure_that_nobody_mended_keeps_its_log(shop):
    """However old; what succeeded as long ago has none any more."""
    (shop.root / "broken").touch()
    run = shop.materialize("--force")["run"]
    age(shop, 60)
    shop.materialize("raw", "--force")
    shop.call("state", "gc", "--keep-runs", "1")
    assert shop.call("logs", run, "report").returncode == 0
    assert shop.call("logs", run, "features").returncode == 2


def test_a_run_that_goes_on_is_left_alone(shop):
    """Nothing of it goes, and the file keeps its size meanwhile."""
    shop.materialize("--force")
    age(shop, 60)
    shop.assets(SHOP.replace("cat raw.txt", "touch going; while test ! -e go; do sleep 0.05; done; cat raw.txt"))
    run = shop.start("materialize", "features", "--force")
    shop.wait_for("going")
    done = shop.call("state", "gc", "--keep", "0s", "--keep-runs", "1")
    (shop.root / "go").touch()
    assert run.wait(60) == 0
    run.communicate()
    last = settled(done.stdout).splitlines()[-1]
    assert re.fullmatch(r"the state file stays as large as it is \(\d+\.\d KB\): run RUN goes on", last)
    assert shop.materialize()["exit"] == 0


def test_gc_as_a_document(shop):
    """With --json, and in one environment or in all."""
    shop.materialize("--force")
    age(shop, 60)
    shop.materialize("--force")
    other = shop.call("state", "gc", "--keep-runs", "1", "--dry-run", "--json", "--all-environments")
    document = json.loads(other.stdout)
    jsonschema.validate(document, json.loads(schema_text("state-gc")))
    assert (document["dry_run"], document["removed"]["runs"], document["logs"]) == (True, 2, 6)


@pytest.mark.parametrize("keep", ["soon", "30", "-1d", ""])
def test_what_is_no_retention(shop, keep):
    """A duration is asked for."""
    done = shop.call("state", "gc", f"--keep={keep}")
    assert screen(done) == (
        "",
        f"error[A0815]: --keep: {keep!r} is not a duration\n  hint: write a duration such as 30d, 12h or 1h30m\n",
        2,
    )


# -- whatever the state file is --------------------------------------------------------------------------------------


ACTIONS = (
    ("mv", "raw", "raw2"),
    ("rm", "raw"),
    ("export",),
    ("backup", "copy.db"),
)


def test_no_history_yet(tmp_path):
    """It is said, nothing is made, and gc has nothing to do."""
    place = Place(tmp_path)
    place.assets(SHOP)
    for action in ACTIONS:
        done = place.call("state", *action, COLUMNS="200")
        assert (done.stdout, done.returncode, done.stderr.splitlines()) == (
            "",
            2,
            [
                f"error[A0510]: there is no history yet: no state file at {tmp_path}/.assets/state.db",
                "  hint: `assets materialize` starts one; --state names another file",
            ],
        )
    assert screen(place.call("state", "gc")) == ("nothing to remove: there is no history yet\n", "", 0)
    assert not (tmp_path / ".assets/state.db").exists()


def test_an_empty_history(tmp_path):
    """No rows are no trouble: an export of nothing is imported as nothing."""
    place = Place(tmp_path)
    place.assets(SHOP)
    (tmp_path / ".assets").mkdir()
    (tmp_path / ".assets/state.db").touch()
    assert screen(place.call("state", "rm", "raw"))[1] == (
        "error[A0515]: no asset has a history in environment default\n  hint: `assets materialize` starts one\n"
    )
    assert screen(place.call("state", "export", "e.jsonl")) == ("", "exported 0 records to e.jsonl\n", 0)
    assert screen(place.call("--state", "o.db", "state", "import", "e.jsonl"))[1].startswith("imported 0 records\n")
    assert place.call("state", "backup", "copy.db").returncode == 0
    assert screen(place.call("state", "gc"))[0].startswith("nothing to remove: ")


def test_a_newer_or_foreign_file_is_refused(shop):
    """And left as it is, by every action."""
    with closing(sqlite3.connect(shop.root / "foreign.db")) as connection:
        connection.execute("CREATE TABLE precious (x)")
    with closing(sqlite3.connect(shop.root / ".assets/state.db")) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    before = state(shop)
    for action in (*ACTIONS, ("gc",), ("import", "x.jsonl")):
        (shop.root / "x.jsonl").write_text("")
        assert " was written by a newer version " in shop.call("state", *action).stderr or action[0] == "import"
        foreign = shop.call("--state", "foreign.db", "state", *action)
        assert "not a state file of assets" in " ".join(foreign.stderr.split()) or action[0] == "import"
        assert foreign.returncode == 2
    assert state(shop) == before


# Everything is used once, so imported, as ourselves: the interpreter may be where nobody else may look.
AS_NOBODY = """
import importlib, json, os, pkgutil, shlex, sys, traceback
import assets_cli
from assets_cli.cli.main import run
for each in pkgutil.walk_packages(assets_cli.__path__, "assets_cli."):
    importlib.import_module(each.name)
calls = json.loads(sys.argv[1])
out = calls.pop()
for words in calls:
    run([*words, "--dry-run"] if words[1] in ("rm", "gc") else words)
for copy in os.listdir(out):
    os.unlink(out + "/" + copy)
os.setgid(65534)
os.setuid(65534)
print("as nobody", file=sys.stderr)
for words in calls:
    print(run(words), file=sys.stderr)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody who may not write")
def test_a_read_only_history_can_be_copied_and_nothing_else():
    """By somebody who may read but not write it: copies say that they are not on record, the rest is an error."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        place = Place(Path(folder) / "shop")
        place.write("assets.yml", "version: 1\nassets: [{name: a, command: {shell: 'true'}}]\n")
        place.materialize()
        out = Path(folder) / "out"
        out.mkdir()
        Path(folder).chmod(0o755)
        out.chmod(0o777)
        calls = [["state", action, f"{out}/{action}"] for action in ("export", "backup")]
        calls += [["state", "rm", "a"], ["state", "mv", "--force", "x", "b"], ["state", "gc"]]
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, json.dumps([*calls, str(out)])],
            cwd=place.root,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "300", "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        told = done.stderr.split("as nobody\n")[1]
    assert told.count("warning: not put on record: state file ") == 2, done.stderr
    assert re.findall("(?m)^[0-9]$", told) == ["0", "0", "2", "2", "2"]
    assert set(re.findall(r"(?m)^\w+\[(\w+)\]", told)) <= {"A0505", "A0506"}


def test_what_another_program_keeps_locked(shop):
    """A repair waits, and then says who is in the way; nothing was changed."""
    before = plan(shop)
    path = shop.root / ".assets/state.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(AssetsError) as error, deeds_module.changing(path, timeout=0.2):
            pass
        other.execute("ROLLBACK")
    assert error.value.problems[0].code == "A0504"
    assert plan(shop) == before
