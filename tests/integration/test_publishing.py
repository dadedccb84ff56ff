"""`output.atomic`: the output of a shell command appears whole or not at all, whoever is killed at whatever point."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.place import Place

FILE = """
- name: a
  command: {shell: "echo ran >> ran.txt; cat seed > $ASSETS_OUTPUT"}
  code: [seed]
  output: {path: data/a.csv, atomic: true}
"""
FOLDER = """
- name: a
  command: {shell: "echo ran >> ran.txt; O=$ASSETS_OUTPUT; mkdir -p $O/sub; cp seed $O/x; cp seed $O/sub/y"}
  code: [seed]
  output: {path: data/a.csv, atomic: true}
"""

DYING = """
import os, signal, sys
module, _, rest = os.environ["DIE_AT"].partition(":")
name, _, count = rest.partition(":")
left = [int(count or 0)]
owner = __import__("importlib").import_module(module)
*path, name = name.split(".")
for each in path:
    owner = getattr(owner, each)

def dying(*arguments, **more):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return before(*arguments, **more)

if owner is os:  # only where outputs are published
    from assets_cli.computes import temporaries
    class Calls:
        def __getattr__(self, attribute):
            return dying if attribute == name else getattr(os, attribute)
    before = getattr(os, name)
    temporaries.os = Calls()
else:
    before = getattr(owner, name)
    setattr(owner, name, dying)
from assets_cli.__main__ import main
sys.argv[0] = "assets"
main()
"""

BEFORE = [
    "assets_cli.running.publishing:left_at",
    "assets_cli.state.record:Recorder.prepare",
    "assets_cli.running.publishing:publish",
]
"""Points before anything of the output has changed."""

AFTER = ["assets_cli.running.ledger:Ledger.record", "assets_cli.state.record:Recorder.finish_step"]
"""Points after the new one is in its place."""

POINTS = {
    FILE: [*((point, "old") for point in BEFORE), ("os:rename", "old"), *((point, "new") for point in AFTER)],
    FOLDER: [
        *((point, "old") for point in BEFORE),
        ("os:rename", "old"),
        ("os:rename:1", "old"),  # nothing lies in its way
        ("os:rename:2", None),  # the old one lies aside
        ("assets_cli.computes.temporaries:sync_folder:2", "new"),
        ("assets_cli.computes.temporaries:remove", "new"),
        *((point, "new") for point in AFTER),
    ],
}


def prepare(place: Place, manifest: str = FILE) -> None:
    """Make the output from the seed `old`, and write the seed `new`."""
    place.assets(manifest)
    place.write("seed", "old\n")
    done = place.materialize()
    assert done["exit"] == 0, done["events"]
    place.write("seed", "new\n")


def held(place: Place, name: str = "data/a.csv") -> str | None:
    """What the output holds, as one word where all of it is alike."""
    path = place.root / name
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path] if path.exists() else []
    texts = {each.read_text().strip() for each in files}
    assert len(texts) <= 1, texts
    return texts.pop() if texts else None


def beside(place: Place, name: str = "data") -> list[str]:
    """What lies hidden beside the outputs."""
    return [each for each in names(place.root / name) if each.startswith(".")]


def names(folder: Path) -> list[str]:
    """The names in a folder."""
    return sorted(each.name for each in folder.iterdir())


def ran(place: Place) -> int:
    """How often the command was started."""
    return len((place.root / "ran.txt").read_text().split())


def failure(place: Place, done: dict[str, object]) -> str:
    """Why a's step failed."""
    assert done["failed"] == ["a"], done
    return str(next(each["detail"] for each in done["events"] if each["event"] == "step_finished"))


def die(place: Place, point: str) -> None:
    """Materialize in a process that kills itself at a point."""
    ended = subprocess.run(
        [sys.executable, "-c", DYING, "materialize"],
        cwd=place.root,
        env={**os.environ, "DIE_AT": point},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@pytest.mark.parametrize(
    ("manifest", "point", "expected"),
    [(manifest, *point) for manifest, points in POINTS.items() for point in points],
    ids=[
        f"{kind}-{point[0]}"
        for kind, points in zip(("file", "folder"), POINTS.values(), strict=True)
        for point in points
    ],
)
def test_killed_at_any_point(place: Place, manifest: str, point: str, expected: str | None) -> None:
    """The old one or the new one; what was published counts as done, what was not is made again; nothing is left."""
    prepare(place, manifest)
    die(place, point)
    assert held(place) == expected

    done = place.materialize()

    assert done["exit"] == 0
    assert (held(place), beside(place)) == ("new", [])
    assert ran(place) == (2 if expected == "new" else 3)
    assert done["succeeded"] == ([] if expected == "new" else ["a"])
    assert place.plan() == {}
    runs = json.loads(place.call("runs", "--json").stdout)["runs"]
    assert sorted(each["status"] for each in runs if each["status"] != "succeeded") == ["crashed"]


def test_recovery_puts_the_old_folder_back_even_if_the_asset_is_not_made_again(place: Place) -> None:
    """Killed between the two renames there was none for a moment."""
    prepare(place, FOLDER + "- {name: other, command: {shell: 'true'}}\n")
    die(place, "os:rename:2")
    assert held(place) is None
    place.materialize("other", "--force")
    assert (held(place), beside(place)) == ("old", [])


def test_nobody_sees_a_half_written_output(place: Place) -> None:
    """While the command runs, the old one is there; the name ends as the output does, in the same folder."""
    place.write(
        "slowly.sh",
        """
        echo $ASSETS_OUTPUT > path.txt
        echo half > $ASSETS_OUTPUT
        touch began
        while [ ! -e go ]; do sleep 0.01; done
        echo new > $ASSETS_OUTPUT
        """,
    )
    place.assets("- {name: a, command: {shell: sh slowly.sh}, output: {path: data/a.csv.gz, atomic: true}}")
    place.write("data/a.csv.gz", "old\n")
    process = place.start("materialize")
    place.wait_for("began")
    assert held(place, "data/a.csv.gz") == "old"
    path = Path((place.root / "path.txt").read_text().strip())
    assert (path.parent, path.name.startswith("."), path.suffixes[-2:]) == (place.root / "data", True, [".csv", ".gz"])
    place.write("go", "")
    process.communicate(timeout=30)
    assert (held(place, "data/a.csv.gz"), beside(place)) == ("new", [])
    assert place.plan() == {}


@pytest.mark.parametrize("manifest", [FILE, FOLDER])
@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("; exit 3", "exit code 3"),
        ("; kill -9 $$", "killed by SIGKILL"),
        ("; sleep 60", "timed out after 500 ms"),
    ],
)
def test_a_failed_command_leaves_the_old_one(place: Place, manifest: str, ending: str, reason: str) -> None:
    """And nothing beside it."""
    prepare(place, manifest)
    place.assets(manifest.replace('"}\n  code', f'{ending}"}}\n  timeout: 500ms\n  code'))
    done = place.materialize()
    assert failure(place, done) == reason
    assert (held(place), beside(place)) == ("old", [])


def test_an_interrupted_command_leaves_the_old_one(place: Place) -> None:
    """Ctrl-C."""
    prepare(place)
    place.assets(FILE.replace('OUTPUT"}', 'OUTPUT; touch began; sleep 60"}'))
    process = place.start("materialize")
    place.wait_for("began")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert (held(place), beside(place)) == ("old", [])


def test_a_coordinator_killed_while_the_command_runs(place: Place) -> None:
    """What the command had written is removed by the next run, when it is gone."""
    prepare(place)
    place.assets(FILE.replace('OUTPUT"}', 'OUTPUT; touch began; test -e go || sleep 60"}'))
    process = place.start("materialize")
    place.wait_for("began")
    process.kill()
    process.communicate()
    assert held(place) == "old"
    assert len(beside(place)) == 1
    place.write("go", "")
    assert place.materialize()["succeeded"] == ["a"]
    assert (held(place), beside(place)) == ("new", [])


def test_each_attempt_starts_anew(place: Place) -> None:
    """What a failed one has written is not there for the next one."""
    place.write(
        "once.sh",
        "set -e; test ! -e $ASSETS_OUTPUT; echo new > $ASSETS_OUTPUT; test -e tried || { touch tried; exit 1; }",
    )
    place.assets(
        "- {name: a, command: {shell: sh once.sh}, output: {path: data/a.csv, atomic: true}, retries: {max: 1}}"
    )
    assert place.materialize()["succeeded"] == ["a"]


def test_a_command_that_writes_elsewhere(place: Place) -> None:
    """Has failed, also where it wrote to the declared path by itself."""
    place.assets('- {name: a, command: {shell: "echo 1 > data/a.csv"}, output: {path: data/a.csv, atomic: true}}')
    expected = (
        "the command ended well but left nothing at $ASSETS_OUTPUT, where it has to write data/a.csv (atomic: true)"
    )
    assert failure(place, place.materialize()) == expected


@pytest.mark.parametrize(
    ("command", "what"), [("ln -s /etc/passwd $ASSETS_OUTPUT", "a symlink"), ("mkfifo $ASSETS_OUTPUT", "something")]
)
def test_what_is_never_published(place: Place, command: str, what: str) -> None:
    """Neither a symlink, which leads somewhere else, nor a pipe."""
    place.assets(f'- {{name: a, command: {{shell: "{command}"}}, output: {{path: data/a.csv, atomic: true}}}}')
    place.write("data/a.csv", "old")
    expected = f"the command left {what} at $ASSETS_OUTPUT, and only a file or a folder is published"
    assert failure(place, place.materialize()) == expected
    assert (held(place), beside(place)) == ("old", [])


def test_an_output_that_is_a_symlink(place: Place) -> None:
    """Within the project what it leads to is replaced, and it stays."""
    place.write("real/a.csv", "old")
    (place.root / "data").mkdir()
    (place.root / "data/a.csv").symlink_to("../real/a.csv")
    place.assets(FILE)
    place.write("seed", "new")
    assert place.materialize()["succeeded"] == ["a"]
    assert (place.root / "data/a.csv").is_symlink()
    assert (held(place, "real/a.csv"), beside(place, "real")) == ("new", [])


@pytest.mark.parametrize("link", ["data/a.csv", "data"])
def test_a_symlink_out_of_the_project(place: Place, tmp_path_factory: pytest.TempPathFactory, link: str) -> None:
    """Is not followed: the command does not even start."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "a.csv").write_text("precious")
    (place.root / link).parent.mkdir(exist_ok=True)
    (place.root / link).symlink_to(outside / "a.csv" if link != "data" else outside)
    place.assets(FILE)
    place.write("seed", "new")
    done = place.call("materialize", "--json")
    assert done.returncode in (1, 2)
    assert "leaves the project" in done.stdout + done.stderr
    assert (outside / "a.csv").read_text() == "precious"
    assert names(outside) == ["a.csv"]
    assert not (place.root / "ran.txt").exists()


def test_a_symlink_that_the_command_makes(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Leads nobody out of the project either."""
    outside = tmp_path_factory.mktemp("outside")
    place.assets(FILE.replace('OUTPUT"}', f'OUTPUT; ln -s {outside}/a.csv data/a.csv"}}'))
    place.write("seed", "new")
    done = failure(place, place.materialize())
    assert done == "data/a.csv cannot be replaced: it leaves the project through a symlink"
    assert names(outside) == []
    assert beside(place) == []


def test_a_file_becomes_a_folder_and_a_file_again(place: Place) -> None:
    """Whatever the command makes."""
    prepare(place, FILE)
    place.assets(FOLDER)
    assert place.materialize()["succeeded"] == ["a"]
    assert ((place.root / "data/a.csv").is_dir(), held(place)) == (True, "new")
    place.assets(FILE)
    assert place.materialize()["succeeded"] == ["a"]
    assert ((place.root / "data/a.csv").is_file(), held(place), beside(place)) == (True, "new", [])
    assert place.plan() == {}


def test_a_folder_is_replaced_as_a_whole(place: Place) -> None:
    """What the command did not make this time is gone."""
    prepare(place, FOLDER)
    place.assets(FOLDER.replace("cp seed $O/x; ", ""))
    place.materialize()
    assert sorted(str(each.relative_to(place.root)) for each in (place.root / "data").rglob("*")) == [
        "data/a.csv",
        "data/a.csv/sub",
        "data/a.csv/sub/y",
    ]


def test_permissions_are_the_commands(place: Place) -> None:
    """A new file by its umask, or as it says."""
    place.assets(FILE)
    place.write("seed", "old")
    place.materialize()
    assert (place.root / "data/a.csv").stat().st_mode & 0o777 == 0o666 & ~_umask()
    place.assets(FILE.replace('OUTPUT"}', 'OUTPUT; chmod 640 $ASSETS_OUTPUT"}'))
    place.materialize()
    assert (place.root / "data/a.csv").stat().st_mode & 0o777 == 0o640


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_same_again_is_unchanged(place: Place) -> None:
    """A new file of the same content is the same version, so nothing runs below."""
    place.assets(FILE + '- {name: b, upstreams: [a], command: {shell: "cat data/a.csv"}}\n')
    place.write("seed", "old\n")
    place.materialize()
    done = place.materialize("a", "--force")
    assert (done["succeeded"], done["unchanged"]) == (["a"], ["a"])
    assert place.plan() == {}


def test_turning_it_on_makes_nothing_stale(place: Place) -> None:
    """It says how the same contents get to the same place."""
    place.assets(FILE.replace(", atomic: true", ""))
    place.write("seed", "old")
    place.materialize()
    place.assets(FILE)
    assert place.plan() == {}


def test_checks_look_at_what_was_published(place: Place) -> None:
    """At its declared path; a blocking one that fails blocks it, published as it is."""
    place.assets(
        FILE + '  checks: [{name: here, shell: "test $ASSETS_OUTPUT = $PWD/data/a.csv && ! grep new $ASSETS_OUTPUT", '
        "blocking: true}]\n"
    )
    place.write("seed", "old")
    assert place.materialize()["succeeded"] == ["a"]
    place.write("seed", "new")
    assert place.materialize()["failed"] == ["a"]
    assert held(place) == "new"
    assert place.plan() == {"a": ["check_failed"]}


@pytest.mark.parametrize("point", ["assets_cli.running.ledger:Ledger.record", "os:rename"])
def test_what_was_reported_is_recovered_too(place: Place, point: str) -> None:
    """`$ASSETS_RESULT` is part of what is prepared."""
    report = """ echo '{\\"data_version\\": \\"v7\\", \\"metadata\\": {\\"n\\": 3}}' > $ASSETS_RESULT"}"""
    place.assets(FILE.replace('OUTPUT"}', "OUTPUT;" + report))
    place.write("seed", "new")
    die(place, point)
    place.materialize()
    shown = json.loads(place.call("show", "a", "--json").stdout)["materialization"]
    assert (shown["data_version"], shown["metadata"]["n"]) == ("v7", 3)
    assert ran(place) == (1 if point != "os:rename" else 2)


def test_parquet_is_known_by_its_name(place: Place) -> None:
    """The temporary path ends as the output does, so that programs write the right format, and rows are counted."""
    place.write("w.py", "import duckdb, os\nduckdb.sql(f\"copy (select 1 as x) to '{os.environ['ASSETS_OUTPUT']}'\")\n")
    command = f"{sys.executable} w.py"
    place.assets(f"- {{name: a, command: {{shell: {command}}}, output: {{path: data/a.parquet, atomic: true}}}}")
    done = place.materialize()
    assert done["succeeded"] == ["a"], done
    shown = json.loads(place.call("show", "a", "--json").stdout)["materialization"]
    assert (shown["metadata"]["rows"], shown["metadata"]["columns"]) == (1, [["x", "INTEGER"]])


def test_two_environments_that_write_one_output_at_once(place: Place) -> None:
    """They are warned of; still each writes to a place of its own, and the last one wins, whole."""
    command = "mkdir $ASSETS_OUTPUT; for i in 1 2 3 4 5 6; do echo $ASSETS_ENV > $ASSETS_OUTPUT/$i; sleep 0.02; done"
    place.assets(
        f'- {{name: a, command: {{shell: "{command}"}}, output: {{path: data/a, atomic: true}}}}',
        "environments: {x: {}, y: {}}\n",
    )
    for _ in range(3):
        processes = [place.start("--env", name, "materialize", "--force") for name in ("x", "y")]
        for process in processes:
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said
        assert held(place, "data/a") in ("x", "y")
        assert len(names(place.root / "data/a")) == 6
        assert beside(place) == []


FULL = """
import errno, sys
from assets_cli.computes import temporaries
def full(path):
    raise OSError(errno.ENOSPC, "No space left on device")
temporaries.sync = full
from assets_cli.__main__ import main
sys.argv[0] = "assets"
main()
"""


def test_a_disk_that_is_full_when_the_output_is_brought_to_it(place: Place) -> None:
    """The attempt has failed, and the old one is untouched."""
    prepare(place)
    done = subprocess.run(
        [sys.executable, "-c", FULL, "materialize", "--json"],
        cwd=place.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    said = "what the command left for data/a.csv cannot be brought to the disk: no space left on device"
    assert failure(place, {**events[-1], "events": events}) == said
    assert (held(place), beside(place)) == ("old", [])


def test_a_path_from_the_environment(place: Place) -> None:
    """Is looked at when it is known: a pattern cannot be replaced, nor what holds the project."""
    place.assets(FILE.replace("path: data/a.csv", 'path: "${env.WHERE}"'))
    place.write("seed", "new")
    pattern = place.materialize(WHERE="data/*.csv")
    assert failure(place, pattern) == "atomic is for one file or folder, and output.path ${env.WHERE} is a pattern"
    above = place.materialize(WHERE=str(place.root))
    assert failure(place, above) == "${env.WHERE} cannot be replaced: it holds the project"
    assert place.materialize(WHERE="data/b.csv")["succeeded"] == ["a"]
    assert held(place, "data/b.csv") == "new"


def test_random_kills(place: Place) -> None:
    """At instants that nobody chose; the output is the old one or the new one, or for an instant none."""
    place.assets(FOLDER.replace("cp seed $O/x", "cp seed $O/x; sleep 0.05"))
    place.write("seed", "0")
    place.materialize()
    for turn in range(1, 13):
        place.write("seed", str(turn))
        process = place.start("materialize")
        time.sleep(0.15 + 0.03 * turn)
        process.kill()
        process.communicate()
        assert held(place) in (None, *map(str, range(turn + 1)))
    done = place.materialize()
    assert done["exit"] == 0
    assert (held(place), beside(place), place.plan()) == ("12", [], {})
