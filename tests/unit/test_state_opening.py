"""The state file as it may be found: missing, read-only, locked, damaged, newer, older, another program's."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

import pytest

from assets_cli.model.history import Observation, StateSnapshot
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.state import migrations, opening
from assets_cli.state.record import open_recorder
from assets_cli.state.store import open_reader

ROOT = Path(__file__).parents[2]
NOBODY = 65534
SEEN = Observation(1, "crm", 5, "v1", None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state file with one observation, closed by its writer."""
    file = tmp_path / ".assets" / "state.db"
    with open_recorder(file) as recorder:
        recorder.add_observation("default", SEEN)
    age(file)
    return file


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(mkdtemp(prefix="assets-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def age(file: Path) -> None:
    """Set the file's time back, as if it had been written a while ago."""
    os.utime(file, (1_000_000_000, 1_000_000_000))


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder with their bytes."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def problem_of(call: Callable[[], object]) -> Problem:
    """The one problem that a call raises."""
    with pytest.raises(AssetsError) as error:
        call()
    (problem,) = error.value.problems
    return problem


def refused(file: Path) -> Problem:
    """The problem that reader and recorder refuse a file with, which leaves everything as it was."""
    before = files(file.parent)
    problem = problem_of(lambda: open_reader(file, timeout=0.2))
    assert problem_of(lambda: open_recorder(file, timeout=0.2)) == problem
    assert files(file.parent) == before
    return problem


def as_nobody(code: str, file: Path) -> str:
    """What a process of another user prints; root would be let in everywhere."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.stderr == ""
    return done.stdout


# Imports run as ourselves: the interpreter may be where nobody else may look.
READ = """
    import os, sys
    from pathlib import Path
    import json, shutil, tempfile, tokenize, linecache, difflib
    from assets_cli.model.problem import AssetsError
    from assets_cli.state.record import open_recorder
    from assets_cli.state.store import open_reader
    os.setgid(65534)
    os.setuid(65534)
    snapshot = open_reader(Path(sys.argv[1])).snapshot("default")
    print(json.dumps([tuple(value) for value in snapshot.observations.values()]))
    try:
        open_recorder(Path(sys.argv[1]), timeout=0.2)
    except AssetsError as error:
        print(error.problems[0].code)
"""

as_other_user = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


def lock_up(folder: Path) -> None:
    """Make a folder and what is in it read-only for everybody but root."""
    for file in folder.iterdir():
        file.chmod(0o755 if file.is_dir() else 0o644)
    folder.chmod(0o755)


@as_other_user
def test_read_only_folder(public: Path) -> None:
    """A read-only file in a read-only folder is read, and not recorded in."""
    file = public / ".assets" / "state.db"
    with open_recorder(file) as recorder:
        recorder.add_observation("default", SEEN)
    lock_up(file.parent)
    before = files(file.parent)
    lines = as_nobody(READ, file).splitlines()
    assert json.loads(lines[0]) == [[*SEEN]]
    assert lines[1] == "A0506"
    age(file)
    assert as_nobody(READ, file).splitlines() == lines
    assert files(file.parent) == before


@as_other_user
@pytest.mark.parametrize("left", [("-wal",), ("-wal", "-shm")])
def test_read_only_folder_with_wal(public: Path, left: tuple[str, ...]) -> None:
    """What a killed writer left in the `-wal` of a read-only folder is read too."""
    origin = public / "origin" / "state.db"
    file = public / ".assets" / "state.db"
    file.parent.mkdir()
    with open_recorder(origin) as recorder:
        recorder.add_observation("default", SEEN)
        for suffix in ("", *left):
            shutil.copyfile(f"{origin}{suffix}", f"{file}{suffix}")
    lock_up(file.parent)
    before = files(file.parent)
    assert json.loads(as_nobody(READ, file).splitlines()[0]) == [[*SEEN]]
    assert files(file.parent) == before


@as_other_user
def test_unreadable(public: Path) -> None:
    """A file that may not be read is an error with the reason, not an empty history."""
    file = public / ".assets" / "state.db"
    with open_recorder(file):
        pass
    file.chmod(0o600)
    code = """
        import os, sys
        from pathlib import Path
        from assets_cli.model.problem import AssetsError
        from assets_cli.state.store import open_reader
        os.setuid(65534)
        try:
            open_reader(Path(sys.argv[1]))
        except AssetsError as error:
            print(error)
    """
    message = f"A0505: state file {file} cannot be used: unable to open database file\n"
    assert as_nobody(code, file) == message
    file.parent.chmod(0o600)
    assert as_nobody(code, file) == f"A0505: state file {file} cannot be used: Permission denied\n"


def test_reading_leaves_nothing(path: Path) -> None:
    """Reading changes no file and makes none."""
    before = files(path.parent)
    assert open_reader(path).snapshot("default").observations == {"crm": SEEN}
    assert files(path.parent) == before


def test_reading_beside_a_writer(path: Path) -> None:
    """A reader sees what is committed, and nothing of what is not, while a writer is at work."""
    reader = open_reader(path)
    newer = SEEN._replace(seq=2, data_version="v2")
    with open_recorder(path) as recorder:
        with recorder.transaction():
            recorder.add_observation("default", newer)
            assert reader.snapshot("default").observations == {"crm": SEEN}
        assert reader.snapshot("default").observations == {"crm": newer}
    assert reader.snapshot("default").observations == {"crm": newer}


def test_change_while_reading(path: Path) -> None:
    """An answer that was read while the file was replaced is thrown away and read again."""
    calls = 0

    def work(connection: sqlite3.Connection) -> list[tuple[str]]:
        nonlocal calls
        calls += 1
        answer = connection.execute("SELECT data_version FROM observations").fetchall()
        if calls == 1:
            with open_recorder(path) as recorder:
                recorder.add_observation("default", SEEN._replace(data_version="v2"))
        return answer

    assert opening.read(path, 1, work) == [("v1",), ("v2",)]
    assert calls == 2


def test_own_refusal_is_no_change(path: Path) -> None:
    """What `work` itself refuses is raised at once, though writers are busy."""
    with open_recorder(path) as recorder:
        recorder.add_observation("default", SEEN)
        calls = []

        def work(connection: sqlite3.Connection) -> None:
            calls.append(connection.execute("SELECT count(*) FROM observations").fetchone())
            recorder.add_observation("default", SEEN)
            raise AssetsError(Problem("A0507", "no"))

        assert problem_of(lambda: opening.read(path, 1, work)) == Problem("A0507", "no")
    assert calls == [(2,)]


def test_link(path: Path, tmp_path: Path) -> None:
    """Through a link the file is read with the `-wal` that lies beside the file itself."""
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with open_recorder(path) as recorder:
        recorder.add_observation("default", SEEN._replace(data_version="v2"))
        assert open_reader(link).snapshot("default").observations["crm"].data_version == "v2"


def test_odd_name(tmp_path: Path) -> None:
    """A name with signs that mean something in a URI is just a name."""
    file = tmp_path / "a?mode=rw#b%20c" / "state é.db"
    with open_recorder(file) as recorder:
        recorder.add_observation("default", SEEN)
    assert open_reader(file).snapshot("default").observations == {"crm": SEEN}
    age(file)
    assert open_reader(file).snapshot("default").observations == {"crm": SEEN}


def test_git_ignores(path: Path, tmp_path: Path) -> None:
    """`.assets` hides itself from git; a folder of the user's own is left alone."""
    assert (path.parent / ".gitignore").read_text() == "*\n"
    with open_recorder(tmp_path / "mine" / "state.db"):
        pass
    assert not (tmp_path / "mine" / ".gitignore").exists()


def test_newer(path: Path) -> None:
    """A newer version's file is refused and not changed by a byte."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    age(path)
    assert refused(path) == Problem(
        "A0501",
        f"state file {path} was written by a newer version of assets "
        f"(schema 7; this one knows {migrations.SCHEMA_VERSION})",
        hint="upgrade with `pip install --upgrade assets-cli`, or name another file with --state",
    )


def test_foreign(tmp_path: Path) -> None:
    """A database of another program is refused and not changed by a byte."""
    file = tmp_path / "places.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE places (id)")
    age(file)
    assert refused(file) == Problem(
        "A0503",
        f"{file} is a SQLite database, but not a state file of assets",
        hint="nothing was changed; name the state file with --state FILE or `state:` in the manifest",
    )


HINT = "nothing was changed; restore it from a backup, or start another history with --state FILE"


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0"])
def test_no_database(tmp_path: Path, content: bytes) -> None:
    """A file that is no database is refused and not changed by a byte."""
    file = tmp_path / "state.db"
    file.write_bytes(content)
    for is_aged in (False, True):
        if is_aged:
            age(file)
        problem = refused(file)
        assert problem == Problem("A0502", f"state file {file} is damaged: file is not a database", hint=HINT)


def test_cut_short(path: Path) -> None:
    """A file that was cut short is refused, at the latest when the missing part is read, and not changed by a byte."""
    path.write_bytes(path.read_bytes()[: 4096 * 3])
    age(path)
    before = files(path.parent)
    problem = problem_of(lambda: open_reader(path).snapshot("default"))
    assert problem == Problem("A0502", f"state file {path} is damaged: database disk image is malformed", hint=HINT)
    assert files(path.parent) == before


def test_folder_in_its_place(tmp_path: Path) -> None:
    """A folder where the file should be is an error with its name."""
    (tmp_path / "state.db").mkdir()
    problem = problem_of(lambda: open_reader(tmp_path / "state.db"))
    assert problem.code == "A0505"
    assert problem.message == f"state file {tmp_path}/state.db cannot be used: Is a directory"


def test_locked_for_writing(path: Path) -> None:
    """Who waits for a writer in vain is told the file and the time; a reader does not wait at all."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        problem = problem_of(lambda: open_recorder(path, timeout=0.2))
        assert open_reader(path, timeout=0.2).snapshot("default").observations == {"crm": SEEN}
        other.execute("ROLLBACK")
    assert problem == Problem(
        "A0504",
        f"state file {path} is kept locked by another program (waited 0.2 s)",
        hint="close the program that has it open (a database browser, a backup) and run the command again",
    )


def test_locked_while_recording(path: Path) -> None:
    """A record that waits in vain is refused whole, and can be made when the lock is gone."""
    with open_recorder(path, timeout=0.2) as recorder, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert problem_of(lambda: recorder.add_observation("default", SEEN)).code == "A0504"
        other.execute("ROLLBACK")
        assert recorder.add_observation("default", SEEN) == 2


def test_locked_for_reading(path: Path) -> None:
    """A program that keeps even readers out is an error for a reader too."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("PRAGMA user_version = 1")
        other.execute("COMMIT")
        assert problem_of(lambda: open_reader(path, timeout=0.2)).code == "A0504"


@pytest.mark.parametrize("is_signed", [False, True])
def test_older(tmp_path: Path, is_signed: bool) -> None:
    """An older or empty file is read through a migrated copy in memory, and migrated where it lies for recording."""
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        if is_signed:
            connection.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
    age(file)
    before = files(tmp_path)
    assert open_reader(file).snapshot("default") == StateSnapshot("default", {}, {}, {})
    assert files(tmp_path) == before
    with open_recorder(file) as recorder:
        recorder.add_observation("default", SEEN)
    assert open_reader(file).snapshot("default").observations == {"crm": SEEN}


def test_empty_file(tmp_path: Path) -> None:
    """A file without a byte, as a process leaves that died while making it, is an empty history."""
    file = tmp_path / "state.db"
    file.touch()
    assert open_reader(file).runs(1) == ()
    with open_recorder(file) as recorder:
        assert recorder.add_observation("default", SEEN) == 1


def test_no_schema_yet(tmp_path: Path) -> None:
    """A file in WAL that nobody has given a schema, as a process leaves that died after its first step, is one too."""
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    assert file.stat().st_size > 0
    assert open_reader(file).runs(1) == ()
    with open_recorder(file) as recorder:
        assert recorder.add_observation("default", SEEN) == 1


def test_migration_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that fails leaves nothing behind."""

    def m0002_breaks(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (a)")
        connection.execute("no SQL")

    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, m0002_breaks))
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", 2)
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrations.migrate(connection, tmp_path / "state.db")
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


def test_second_migration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the version before gets what is new and keeps what it had."""

    def m9999_notes(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE notes (a)")

    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, m9999_notes))
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", len(migrations.STEPS))
    assert open_reader(path).snapshot("default").observations == {"crm": SEEN}
    with open_recorder(path) as recorder:
        assert recorder.snapshot("default").observations == {"crm": SEEN}
        assert recorder._connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)
        assert recorder._connection.execute("PRAGMA user_version").fetchone() == (len(migrations.STEPS),)


def test_blank_is_the_schema(path: Path) -> None:
    """The empty database in memory has the tables and indexes of a migrated file."""
    query = "SELECT name, sql FROM sqlite_master ORDER BY name"
    with closing(sqlite3.connect(path)) as connection, closing(migrations.blank()) as memory:
        assert memory.execute(query).fetchall() == connection.execute(query).fetchall()


def test_no_heavy_import(path: Path) -> None:
    """Reading and recording in a file of today's schema import nothing heavy."""
    code = """
        import sys
        from pathlib import Path
        from assets_cli.state.record import open_recorder
        with open_recorder(Path(sys.argv[1])) as recorder:
            recorder.snapshot("default")
        print(sorted({"tempfile", "difflib"} & set(sys.modules)))
    """
    assert as_nobody(code, path) == "[]\n"
