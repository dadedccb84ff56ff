"""The whole look: code, outputs and observations of many assets as one World."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from assets_cli.connections import sqlite as sqlite_connections
from assets_cli.graph.graph import AssetGraph
from assets_cli.model import texts
from assets_cli.model.history import Attempt, Fingerprint, Latest, Materialization, Observation, Settled, StateSnapshot
from assets_cli.model.manifest import Asset, Connection, Manifest, Output, ShellCommand, SqlCommand
from assets_cli.model.problem import Place, Problem
from assets_cli.model.world import OutputProbe, World
from assets_cli.probing import FileDigests, ProbeSurroundings, look, look_ahead, look_at_one, look_at_output

LATER = 1 << 62


def graph(root: Path, *assets: Asset, path: str = "w.db") -> AssetGraph:
    """A project with one SQLite connection."""
    connection = Connection("warehouse", "sqlite", {"path": path})
    manifest = Manifest(
        root=str(root),
        file="assets.yml",
        project="p",
        environment="default",
        state=".assets/state.db",
        vars={},
        connections={"warehouse": connection},
        default_connection="warehouse",
        assets={each.name: each for each in assets},
        files=("assets.yml",),
        warnings=(),
        locate=lambda asset, *keys: Place("/".join([asset, *map(str, keys)]), 1, 1),
    )
    return AssetGraph(manifest)


def asset(name: str, **fields: Any) -> Asset:
    """An asset made by a shell command, unless it is said otherwise."""
    return Asset(name, Place("assets.yml", 1, 1), **{"command": ShellCommand(":"), **fields})


def surroundings(root: Path, environ: dict[str, str] | None = None, locks: Any = None) -> ProbeSurroundings:
    """A look of its own, long after everything."""
    return ProbeSurroundings(environ or {}, FileDigests(root, lambda: LATER), locks, lambda: LATER)


def snapshot(**latest: Latest) -> StateSnapshot:
    """The latest facts."""
    return StateSnapshot("default", latest, {}, {})


def made(name: str, world: World) -> Latest:
    """A materialization that recorded what was seen."""
    code, output = world.code[name], world.outputs.get(name)
    return Latest(
        Materialization(
            seq=1,
            asset=name,
            run="r",
            attempt=1,
            started=0,
            finished=0,
            code_version="",
            components=code.components,
            data_version="",
            fingerprint=output.fingerprint if output else None,
            data_time=None,
            inputs={},
        )
    )


EMPTY = Latest()
RECORDED = Latest(Materialization(1, "x", "r", 1, 0, 0, "", {}, "", None, None, {}))


def settled(known: Latest) -> Settled:
    """The same facts as a snapshot has them where nothing is the matter."""
    made = known.materialization
    assert made is not None
    print_ = made.fingerprint or Fingerprint("")
    return Settled(1, "", texts.of_components(made.components), *print_, time=0, inputs="{}")


def test_one_world(tmp_path: Path) -> None:
    """Code of what has a command, outputs of what declares one, observations on record, nothing that isn't named."""
    (tmp_path / "out").write_text("x")
    observation = Observation(1, "ext", 0, "v", None)
    assets = (
        asset("a", output=Output(path="out")),
        asset("b"),
        asset("c", output=Output(path="no")),
        asset("ext", command=None, output=Output(path="out")),
        asset("other"),
    )
    before = snapshot(a=RECORDED, c=RECORDED)._replace(observations={"ext": observation})
    world = look(graph(tmp_path, *assets), ["a", "b", "c", "ext"], before, surroundings(tmp_path))
    assert sorted(world.code) == ["a", "b", "c"]
    assert {name: probe.state for name, probe in world.outputs.items()} == {"a": "present", "c": "missing"}
    assert world.observations == {"ext": observation}
    assert world.warnings == ()


def test_of_what_is_as_recorded_nothing_is_said(tmp_path: Path) -> None:
    """No entry for code and outputs that are as they were; of one asset alone it is the recorded values themselves."""
    (tmp_path / "out").write_text("x")
    house = graph(tmp_path, asset("a", output=Output(path="out")))
    code, output = look_at_one(house, house.assets["a"], EMPTY, surroundings(tmp_path))
    first = made("a", World({"a": code}, {"a": output} if output else {}, {}))
    assert first.materialization is not None
    before = snapshot(a=first)._replace(settled={"a": settled(first)})
    again = look(house, ["a"], before, surroundings(tmp_path))
    assert (again.code, again.outputs) == ({}, {})
    code, output = look_at_one(house, house.assets["a"], first, surroundings(tmp_path))
    assert code.components is first.materialization.components
    assert output is not None
    assert output.fingerprint is first.materialization.fingerprint


@pytest.mark.parametrize("what", ["code", "output", "both"])
def test_of_what_is_not_as_recorded_all_is_said(tmp_path: Path, what: str) -> None:
    """Code and output are looked at each for itself."""
    (tmp_path / "out").write_text("x")
    house = graph(tmp_path, asset("a", output=Output(path="out")))
    code, output = look_at_one(house, house.assets["a"], EMPTY, surroundings(tmp_path))
    first = made("a", World({"a": code}, {"a": output} if output else {}, {}))
    before = snapshot(a=first)._replace(settled={"a": settled(first)})
    if what != "output":
        house = graph(tmp_path, asset("a", command=ShellCommand("true"), output=Output(path="out")))
    if what != "code":
        (tmp_path / "out").write_text("y")
    again = look(house, ["a"], before, surroundings(tmp_path))
    assert sorted(again.code) == (["a"] if what != "output" else [])
    assert sorted(again.outputs) == (["a"] if what != "code" else [])


def test_what_a_live_run_makes_is_not_probed(tmp_path: Path) -> None:
    """The probe names the run, and so does a warning; the re-check under the lock looks."""
    (tmp_path / "out").write_text("x")
    house = graph(tmp_path, asset("a", output=Output(path="out")))
    latest = Latest(attempt=Attempt(1, "R7", "a", 1, "open", 0))
    world = look(house, ["a"], snapshot(a=latest), surroundings(tmp_path))
    assert world.outputs == {"a": OutputProbe("unknown", detail="in use by run R7")}
    assert world.warnings == (
        Problem(
            "A0309",
            "the output of a was not probed: in use by run R7",
            "warning",
            Place("a/output", 1, 1),
            hint="what is on record stands until it can be looked at again",
            asset="a",
        ),
    )
    _, output = look_at_one(house, house.assets["a"], latest, surroundings(tmp_path))
    assert output is not None
    assert output.state == "present"


def test_variables_in_paths(tmp_path: Path) -> None:
    """A variable is filled in at the look; one that is not set is why nothing could be seen."""
    (tmp_path / "out").write_text("x")
    house = graph(tmp_path, asset("a", output=Output(path="${env.WHERE}")))
    seen = look(house, ["a"], snapshot(a=RECORDED), surroundings(tmp_path, {"WHERE": "out"}))
    assert seen.outputs["a"].state == "present"
    for before in (snapshot(a=RECORDED), snapshot()):
        unseen = look(house, ["a"], before, surroundings(tmp_path))
        assert unseen.outputs == {"a": OutputProbe("unknown", detail="the environment variable WHERE is not set")}
        assert [problem.code for problem in unseen.warnings] == ["A0309"]


def table(name: str, materialization: Any = "table") -> Asset:
    """An asset that fills a table of its own name."""
    return asset(
        name, command=SqlCommand(query="select 1 as x"), output=Output(table=name, materialization=materialization)
    )


def fill(path: Path) -> None:
    """A database with two tables and a view."""
    with sqlite3.connect(path) as connection:
        for name in ("t", "u"):
            connection.execute(f"create table {name} (x)")
            connection.execute(f"insert into {name} values (1)")
        connection.execute("create view v as select * from t")
    connection.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each time that an SQLite database is opened, whether that is only to read."""
    found: list[bool] = []
    original = sqlite_connections.SQLiteDatabase.open

    def counting(self: Any, *, read_only: bool = False) -> Any:
        found.append(read_only)
        return original(self, read_only=read_only)

    monkeypatch.setattr(sqlite_connections.SQLiteDatabase, "open", counting)
    return found


def test_a_look_ahead_opens_a_database_for_all_that_follow(tmp_path: Path, opened: list[bool]) -> None:
    """What is marked table by table costs one opening, whether or not anything is on record."""
    fill(tmp_path / "w.db")
    house = graph(tmp_path, table("t"), table("u"), table("v", "view"), asset("plain"))
    look_ahead(house, ["t", "u", "v", "plain"], surroundings(tmp_path))
    for name in "tuv":
        probe = look_at_output(house, house.assets[name], EMPTY, surroundings(tmp_path))
        assert probe is not None
        assert probe.state == "present"
    assert opened == [True]


def test_a_database_is_opened_once_and_then_not_at_all(tmp_path: Path, opened: list[bool]) -> None:
    """All its tables are asked for together; while the file stands, nobody asks again."""
    fill(tmp_path / "w.db")
    house = graph(tmp_path, table("t"), table("u"), table("v", "view"), table("gone"))
    recorded = snapshot(t=RECORDED, u=RECORDED, v=RECORDED)
    for _ in range(2):
        world = look(house, ["t", "u", "v"], recorded, surroundings(tmp_path))
        assert {name: probe.state for name, probe in world.outputs.items()} == dict.fromkeys("tuv", "present")
        assert world.outputs["v"].fingerprint is not None
        assert world.outputs["v"].fingerprint.algorithm == "sqlite-rows"
        assert opened == [True]
    gone = look(house, ["gone"], snapshot(gone=RECORDED), surroundings(tmp_path)).outputs["gone"]
    assert gone == OutputProbe("missing")


def test_rows_that_somebody_else_wrote_are_seen(tmp_path: Path) -> None:
    """The changed table has another digest, the other one the same."""
    fill(tmp_path / "w.db")
    house = graph(tmp_path, table("t"), table("u"))
    recorded = snapshot(t=RECORDED, u=RECORDED)
    first = look(house, ["t", "u"], recorded, surroundings(tmp_path)).outputs
    with sqlite3.connect(tmp_path / "w.db") as connection:
        connection.execute("insert into t values (2)")
    connection.close()
    second = look(house, ["t", "u"], recorded, surroundings(tmp_path)).outputs
    digests = [[each[name].fingerprint for each in (first, second)] for name in ("t", "u")]
    assert [a.digest == b.digest for a, b in digests if a and b] == [False, True]


def test_a_table_without_a_record_is_not_asked_for(tmp_path: Path) -> None:
    """It could not have drifted; after a step it is asked for all the same."""
    fill(tmp_path / "w.db")
    house = graph(tmp_path, table("t"))
    world = look(house, ["t"], snapshot(), surroundings(tmp_path))
    assert (world.outputs, world.warnings) == ({}, ())
    _, one = look_at_one(house, house.assets["t"], EMPTY, surroundings(tmp_path))
    assert one == OutputProbe("unknown", detail="never materialized")
    after = look_at_output(house, house.assets["t"], EMPTY, surroundings(tmp_path))
    assert after is not None
    assert after.state == "present"


class Held:
    """Locks that somebody else has."""

    @contextmanager
    def try_database(self, path: Path, seconds: float) -> Iterator[str | None]:
        """Who has it."""
        yield "run R7"


def test_a_database_in_use_has_one_warning(tmp_path: Path) -> None:
    """Both outputs are unknown and one warning says so; under the step's own mutex nobody is asked."""
    fill(tmp_path / "w.db")
    house = graph(tmp_path, table("t"), table("u"))
    recorded = snapshot(t=RECORDED, u=RECORDED)
    world = look(house, ["t", "u"], recorded, surroundings(tmp_path, locks=Held()))
    assert world.outputs == dict.fromkeys("tu", OutputProbe("unknown", detail="not probed: in use by run R7"))
    assert [(each.code, each.message) for each in world.warnings] == [
        ("A0310", "the output of t and 1 more was not probed: in use by run R7")
    ]
    _, output = look_at_one(house, house.assets["t"], RECORDED, surroundings(tmp_path, locks=Held()))
    assert output is not None
    assert output.state == "present"


def test_connections_that_cannot_be_used(tmp_path: Path) -> None:
    """An unset variable and a file that is no database are each a sentence."""
    unset = graph(tmp_path, table("t"), path="${env.DB}")
    found = look(unset, ["t"], snapshot(t=RECORDED), surroundings(tmp_path)).outputs["t"]
    assert found == OutputProbe("unknown", detail="the environment variable DB is not set")
    (tmp_path / "w.db").write_text("no database at all, but long enough for a header " * 30)
    world = look(graph(tmp_path, table("t")), ["t"], snapshot(t=RECORDED), surroundings(tmp_path))
    assert world.outputs["t"].state == "unknown"
    assert [each.code for each in world.warnings] == ["A0310"]
