from __future__ import annotations

import gc
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.manifests import anew, answer, ask, digests, kept, plain, said, write, wrong

from assets_cli import compiled as module
from assets_cli.compiled import Asked, Made, make, recall
from assets_cli.manifest import basis
from assets_cli.model.packing import pack, unpack

ROOT = Path(__file__).parents[2]
PROJECT = {
    "assets.yml": """\
version: 1
include: ["assets/*.yml"]
vars: {folder: data, limit: 3}
connections: {db: {type: duckdb, path: "${env.DB:-data/w.duckdb}"}}
pools: {few: 2}
environments: {prod: {vars: {folder: prod}}}
defaults: {owner: [one, two], retries: {max: 1, delay: 5s, retry_on: [75]}}
assets:
  - {name: raw, code: ["lib/*.py"], output: {path: "${vars.folder}/raw.csv", atomic: true}, pool: few}
  - {name: events, observe: {http: {url: "https://x/y", headers: {A: b}}}, metadata: {n: 1, deep: [1.5, null, true]}}
""",
    "assets/marts.yml": """\
assets:
  - name: clean
    command: {sql: sql/clean.sql}
    output: {table: clean}
    checks: [{not_null: [id]}, {between: {column: amount, min: 0}, severity: warn}, {row_count: {min: 1}}]
    columns: [{name: id, type: integer, tags: [pii]}]
  - {name: score, command: {python: "lib.score:run"}, output: {path: s.bin}, timeout: 1h, moved: {from: [old, older]}}
  - {name: view, command: {sql: "select * from clean"}, output: {table: view, materialization: view}}
  - {name: idle, timeout: 5m}
""",
    "sql/clean.sql": "select * from raw_table limit ${vars.limit}\n",
    "lib/score.py": "def run(clean, context): ...\n",
    "lib/__init__.py": "",
}


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """A project with everything in it, compiled once."""
    root = tmp_path / "project"
    write(root, PROJECT)
    found = ask(root)
    answer(found)
    assert kept(found) is not None
    return found


def test_what_is_kept_is_what_was_compiled(asked: Asked) -> None:
    """Every kind of asset, check and probe, the inferred upstreams, the warnings with their lines, all places."""
    fresh = said(asked, plain)
    assert said(asked, kept) == fresh
    assert said(asked, anew) == fresh
    assert "inferred=(Inferred(upstream='clean', file='lib/score.py', line=1, column=9),)" in fresh
    assert "excerpt='  - {name: idle, timeout: 5m}'" in fresh


def test_what_was_compiled_is_let_go_of(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed on is the form in which it is kept, which takes less memory, also where nothing can be kept."""
    made: list[Made] = []
    monkeypatch.setattr(module, "make", lambda *given: made.append(make(*given)) or made[-1])

    def is_let_go_of() -> bool:
        return answer(asked).manifest.assets is not made.pop().found.manifest.assets

    asked.cache.unlink()
    assert is_let_go_of()
    Path(asked.root, ".assets").rename(Path(asked.root, "gone"))
    Path(asked.root, ".assets").write_text("in the way")
    assert is_let_go_of()


def test_values_of_one_type_are_not_taken_for_those_of_another() -> None:
    """1, True and 1.0 are equal, and so are 0.0 and -0.0; each comes back as it was."""
    for column in ([1, True, 1.0], [1, 1, 1], [0, 0], [False, False], [0.0, -0.0], [(1,), (True,)], [(), ()], []):
        for values in (column, column[::-1]):
            assert repr(list(unpack(pack(values)))) == repr(values)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("assets.yml", PROJECT["assets.yml"].replace("limit: 3", "limit: 4")),
        ("assets/marts.yml", PROJECT["assets/marts.yml"].replace("timeout: 1h", "timeout: 2h")),
        ("assets/more.yml", "assets: [{name: more}]\n"),
        ("sql/clean.sql", "select * from view\n"),
        ("lib/score.py", "def run(view, context): ...\n"),
        ("lib/score/__init__.py", "def run(events): ...\n"),
        ("lib.py", "def run(): ...\n"),
    ],
)
def test_a_file_that_is_not_as_it_was(asked: Asked, file: str, text: str) -> None:
    """Edited or new, a manifest, SQL or Python: what was compiled before is not taken for it."""
    before = said(asked, kept)
    write(Path(asked.root), {file: text})
    now = said(asked)
    assert now == said(asked, anew)
    assert (now == before) == (file == "lib.py")  # which is no module as long as the package is there


def test_a_file_that_is_gone(asked: Asked) -> None:
    """An included one, which is then included no more, and one that was read."""
    Path(asked.root, "lib/score.py").unlink()
    assert said(asked) == said(asked, anew)
    Path(asked.root, "assets/marts.yml").unlink()
    assert wrong(asked) == ["A0131"]


def test_contents_count_and_not_their_stat(asked: Asked) -> None:
    """An edit of the same size whose mtime was put back is an edit."""
    path = Path(asked.root, "assets.yml")
    about = path.stat()
    path.write_text(PROJECT["assets.yml"].replace("delay: 5s", "delay: 7s"))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert path.stat().st_size == about.st_size
    assert answer(asked).manifest.assets["raw"].retries.delay == 7_000_000


def test_what_is_touched_is_not_edited(asked: Asked) -> None:
    """Another mtime alone compiles nothing anew."""
    os.utime(Path(asked.root, "assets.yml"), (1, 1))
    assert kept(asked) is not None


def test_the_question_counts(asked: Asked) -> None:
    """Another environment or variable is another question, and each environment keeps its own answer."""
    root = Path(asked.root)
    assert answer(ask(root, variables={"folder": "x"})).manifest.vars["folder"] == "x"
    assert kept(ask(root, variables={"folder": "y"})) is None
    assert answer(ask(root, "prod")).manifest.vars["folder"] == "prod"
    assert answer(asked).manifest.vars["folder"] == "data"
    kept_prod = kept(ask(root, "prod"))
    assert kept_prod is not None
    assert kept_prod.manifest.environment == "prod"


def test_variables_of_the_process_count_where_they_are_used(asked: Asked) -> None:
    """One that is not used does not count; one that is is kept in no form that tells its value."""
    root = Path(asked.root)
    assert kept(ask(root, environ={"OTHER": "x"})) is not None
    other = ask(root, environ={"DB": "other.duckdb"})
    assert kept(other) is None
    answer(other)
    assert kept(other) is not None
    assert kept(asked) is None


def test_secrets_are_not_kept(tmp_path: Path) -> None:
    """A password counts, since it is part of an address, and is kept in no form that tells its value."""
    url = "postgresql://me:${env.PASSWORD}@host/db"
    text = f"version: 1\nconnections: {{db: {{type: postgres, url: '{url}'}}}}\n"
    write(tmp_path, {"assets.yml": text + "assets: [{name: a, command: {sql: select 1}, output: {table: a}}]\n"})
    asked = ask(tmp_path, environ={"PASSWORD": "hunter22"})
    answer(asked)
    assert kept(asked) is not None
    assert kept(ask(tmp_path, environ={"PASSWORD": "hunter23"})) is None
    data = asked.cache.read_bytes()
    assert b"${env.PASSWORD}" in data
    for secret in (b"hunter22", hashlib.sha256(b"hunter22").digest(), hashlib.blake2b(b"hunter22").digest()):
        assert secret not in data


@pytest.mark.parametrize("where", ["vars: {url: '%s'}", "assets: [{name: a, command: {shell: 'curl %s'}}]"])
def test_a_password_that_is_written_in_a_manifest_is_nowhere_else(tmp_path: Path, where: str) -> None:
    """Such a manifest is compiled each time; with the password in a variable it is kept."""
    for url, is_kept in (("https://me:pw@host/", False), ("https://me:${env.PW}@host/", True)):
        write(tmp_path, {"assets.yml": f"version: 1\n{where % url}\n"})
        asked = ask(tmp_path)
        assert said(asked) == said(asked, anew)
        assert (kept(asked) is not None) == is_kept
        assert asked.cache.exists() == is_kept


def test_a_link_that_leads_elsewhere_now(asked: Asked) -> None:
    """What was a folder of the project and is a link out of it now is refused, though no file was edited."""
    root = Path(asked.root)
    (root / "data").mkdir()
    assert kept(asked) is not None
    (root / "data" / "raw.csv").symlink_to("/etc/hosts")
    assert wrong(asked) == ["A0137"]
    (root / "data" / "raw.csv").unlink()
    assert kept(asked) is not None
    (root / "data").rmdir()
    (root / "data").symlink_to("/etc")
    assert wrong(asked) == ["A0137"]


@pytest.mark.parametrize("outputs", [3, 30])
def test_links_among_many_outputs(tmp_path: Path, outputs: int) -> None:
    """Few names are asked for one by one, many by listing their folder: a link is seen either way."""
    assets = [
        {"name": f"a{each}", "command": {"shell": "x"}, "output": {"path": f"out/{each}"}} for each in range(outputs)
    ]
    write(tmp_path, {"assets.yml": repr({"version": 1, "assets": assets}), "out/x": "", "0": ""})
    asked = ask(tmp_path)
    answer(asked)
    assert kept(asked) is not None
    (tmp_path / "out" / "unrelated").symlink_to("/etc")
    assert kept(asked) is not None
    (tmp_path / "out" / "2").symlink_to("../0")
    assert kept(asked) is None
    answer(asked)  # a link within the project is allowed
    assert kept(asked) is not None
    (tmp_path / "out" / "2").unlink()
    (tmp_path / "out" / "2").symlink_to("1")
    assert wrong(asked) == ["A0205"]


def test_every_damaged_byte_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever byte of the file is another one, and wherever it ends, nothing of it is believed."""
    monkeypatch.setattr(module, "_own_code", list)  # asked for thousands of times
    write(tmp_path, {"assets.yml": "version: 1\nassets: [{name: a}, {name: b, upstreams: [a]}]\n"})
    asked = ask(tmp_path)
    answer(asked)
    good = asked.cache.read_bytes()
    assert kept(asked) is not None
    for position in range(len(good)):
        asked.cache.write_bytes(good[:position] + bytes([good[position] ^ 0x41]) + good[position + 1 :])
        assert kept(asked) is None, position
        asked.cache.write_bytes(good[:position])
        assert kept(asked) is None, position
    asked.cache.write_bytes(good + b"x")
    assert kept(asked) is None
    assert said(asked) == said(asked, anew)


@pytest.mark.parametrize("what", ["__version__", "FORM", "_MAGIC"])
def test_another_version_believes_nothing(asked: Asked, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Of ours, of the fields of a manifest, or of the format: it compiles anew, and keeps that."""
    monkeypatch.setattr(module, what, b"another" if what == "_MAGIC" else "another")
    assert kept(asked) is None
    answer(asked)
    assert kept(asked) is not None
    monkeypatch.undo()
    assert kept(asked) is None


def test_another_python_believes_nothing(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `marshal` writes is of one version of Python."""
    monkeypatch.setattr(module.sys, "version", "4.0")
    assert kept(asked) is None


def test_another_parser_finds_other_upstreams(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inference is as good as the parser: a new version reads all SQL again."""
    monkeypatch.setattr("assets_cli.probing.normalise.parser_version", lambda: "99")
    assert kept(asked) is None


def test_a_package_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A type of connection that a package brings is asked for each time."""
    write(tmp_path, {"assets.yml": "version: 1\nconnections: {x: {type: plugged}}\nassets: [{name: a}]\n"})
    for where in (basis, sys.modules["assets_cli.manifest.loading"]):
        monkeypatch.setattr(where, "installed_types", lambda: {"plugged"})
    asked = ask(tmp_path)
    answer(asked)
    assert kept(asked) is not None
    monkeypatch.undo()
    assert "A0216" in said(asked)


def test_the_file_of_another_user_is_not_read(asked: Asked) -> None:
    """Only what nobody but the asking user can have written is believed."""
    assert recall(asked, digests(asked), user=os.geteuid()) is not None
    assert recall(asked, digests(asked), user=os.geteuid() + 1) is None
    assert asked.cache.stat().st_mode & 0o777 == 0o600
    for mode in (0o620, 0o602):
        asked.cache.chmod(mode)
        assert kept(asked) is None
    asked.cache.chmod(0o644)
    assert kept(asked) is not None
    if os.geteuid() == 0:
        os.chown(asked.cache, 65534, 65534)
        assert kept(asked) is None
        assert answer(asked).manifest.assets
        assert asked.cache.stat().st_uid == 0


def test_only_a_regular_file_is_read(asked: Asked) -> None:
    """A link, a folder or a pipe in its place is none; the pipe is not waited for."""
    elsewhere = asked.cache.with_name("elsewhere")
    asked.cache.rename(elsewhere)
    asked.cache.symlink_to(elsewhere)
    assert kept(asked) is None
    asked.cache.unlink()
    os.mkfifo(asked.cache)
    assert kept(asked) is None
    asked.cache.unlink()
    asked.cache.mkdir()
    assert kept(asked) is None
    assert said(asked) == said(asked)
    assert sorted(path.name for path in asked.cache.parent.glob("manifest*")) == [asked.cache.name]


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    """A project without a place for caches is compiled each time, without a word."""
    write(tmp_path, {"assets.yml": "version: 1\nassets: [{name: a}]\n", ".assets": "no folder"})
    asked = ask(tmp_path)
    assert list(answer(asked).manifest.assets) == ["a"]
    assert kept(asked) is None
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_a_read_only_folder(tmp_path: Path) -> None:
    """As above, by permissions, which hold up whoever is not root."""
    write(tmp_path, {"assets.yml": "version: 1\nassets: [{name: a}]\n"})
    (tmp_path / ".assets").mkdir(mode=0o500)
    asked = ask(tmp_path)
    assert list(answer(asked).manifest.assets) == ["a"]
    assert (kept(asked) is None) == (os.geteuid() != 0)


def test_what_is_wrong_is_never_kept(asked: Asked) -> None:
    """A mistake is told each time; the answer from before it stands again once it is mended."""
    path = Path(asked.root, "assets/marts.yml")
    for _ in range(2):
        path.write_text(PROJECT["assets/marts.yml"] + "  - {name: raw}\n")
        assert "A0201" in said(asked)
    path.write_text(PROJECT["assets/marts.yml"])
    assert kept(asked) is not None


def test_places_are_of_the_files_as_they_are_when_they_are_asked_for(asked: Asked) -> None:
    """Where the files are no manifest any more, an asset's own place is as near as it gets."""
    found, other = kept(asked), kept(asked)
    assert found is not None
    assert other is not None
    assert str(found.manifest.locate("clean", "output", "table")) == "assets/marts.yml:4:21"
    Path(asked.root, "assets.yml").unlink()
    assert str(found.manifest.locate("clean", "output")) == "assets/marts.yml:4:13"
    assert str(other.manifest.locate("clean", "output")) == "assets/marts.yml:2:5"
    assert str(other.manifest.locate("nobody")) == "assets.yml:1:1"


def test_processes_that_keep_at_once(asked: Asked) -> None:
    """Whoever reads meanwhile finds a whole answer or none; whoever writes last wins."""
    program = (
        "import sys; from pathlib import Path; from support.manifests import anew, ask\n"
        "for _ in range(15): anew(ask(Path(sys.argv[1])))"
    )
    expected = said(asked)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    writers = [subprocess.Popen([sys.executable, "-c", program, asked.root], env=environ) for _ in range(2)]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        found = kept(asked)
        if found is not None:
            seen += 1
            assert said(asked, lambda _, found=found: found) == expected
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen
    assert said(asked, kept) == expected
    assert not list(asked.cache.parent.glob("*.tmp"))


def test_what_is_kept_needs_no_parser(asked: Asked) -> None:
    """Where the cache answers, nothing is imported that would read YAML, schemas or SQL."""
    program = (
        "import os, sys; from pathlib import Path; from assets_cli import wiring\n"
        "wiring.read(Path(sys.argv[1]), environment='default', variables={}, state=None, environ={})\n"
        "heavy = ('yaml', 'jsonschema', 'jsonschema_rs', 'sqlglot', 'assets_cli.inference')\n"
        "builders = ('loading', 'read', 'build', 'assets', 'references', 'schema', 'document', 'variables')\n"
        "names = [*heavy, *(f'assets_cli.manifest.{name}' for name in builders)]\n"
        "print([name for name in names if name in sys.modules])"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", program, asked.root], env=environ, capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"


def test_the_collector_rests(tmp_path: Path) -> None:
    """Compiled or read back, thousands of assets are made without a look for cycles, and kept out of later ones."""
    write(tmp_path, {"assets.yml": repr({"version": 1, "assets": [{"name": f"a{each}"} for each in range(1_000)]})})
    asked = ask(tmp_path)
    looks: list[str] = []
    gc.callbacks.append(lambda phase, _: looks.append(phase))
    try:
        for _ in range(2):
            gc.unfreeze()
            looks.clear()
            answer(asked)
            assert looks == []
            assert gc.get_freeze_count() > 1_000
            assert gc.isenabled()
    finally:
        gc.callbacks.pop()
        gc.unfreeze()
