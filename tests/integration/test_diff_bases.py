"""What `assets diff` is asked to compare with, by real git: names of nothing, clones that lack things, odd trees.

Whatever is asked, nothing of the repository moves, and nothing is left behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.place import Place
from support.pull_requests import FILES, MANIFEST, REQUESTS, replace, repository
from support.repositories import commit, git


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, committed in a folder of a repository."""
    return repository(tmp_path_factory.mktemp("bases") / "repo", "teams/shop").parents[1]


@pytest.fixture
def repo(committed: Path, tmp_path: Path) -> Path:
    """A copy of that repository of its own; temporary folders are made beside it."""
    return Path(shutil.copytree(committed, tmp_path / "repo", symlinks=True))


@pytest.fixture
def shop(repo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """The project in it."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("COLUMNS", "200")
    return Place(repo / "teams/shop")


def found(place: Place, *words: str, **environment: str) -> dict[str, Any]:
    """The document of a call that works."""
    done = place.call("diff", *words, "--json", **environment)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def changes(document: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """What became of each asset: part, sort and name of each change."""
    return {
        each["name"]: [(one["part"], one["sort"], one["name"]) for one in each["changes"]] or [each["change"]]
        for each in document["assets"]
    }


def refused(place: Place, *words: str, **environment: str) -> list[str]:
    """What a call that is refused says, without the place of its lines."""
    done = place.call("diff", *words, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()


def contents(folder: Path) -> dict[str, str]:
    """The digest of every file below a folder, and every link."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


# -- nothing moves -----------------------------------------------------------------------------------------------------


def test_nothing_of_the_repository_moves(shop: Place, repo: Path, tmp_path: Path) -> None:
    """Index, HEAD, refs, objects and work tree are the same to the byte, also where the index is out of date."""
    for request in REQUESTS.values():
        if request.__name__ in {"new_asset", "dropped_column", "shared_module"}:
            request(shop.root)
    for path in repo.rglob("*.py"):
        os.utime(path, (1, 1))  # git would refresh its index for these
    before = contents(repo)
    assert found(shop, "main")["different"]
    assert found(shop, "HEAD...")["different"]
    after = {name: digest for name, digest in contents(repo).items() if ".assets/" not in name}
    assert after == before
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_was_laid_out_is_gone_when_somebody_ends_us(shop: Place, tmp_path: Path) -> None:
    """A signal while files are read, here from a git that takes its time."""
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text(
        f'#!/bin/sh\ncase "$*" in *cat-file*) touch {tmp_path}/reading; sleep 60;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    (slow / "git").chmod(0o755)
    replace(shop.root, "assets.yml", "project: shop", "project: shops")
    child = subprocess.Popen(
        [sys.executable, "-m", "assets_cli", "diff", "main"],
        cwd=shop.root,
        env={**os.environ, "PATH": f"{slow}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not (tmp_path / "reading").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    os.killpg(child.pid, signal.SIGTERM)
    assert child.communicate(timeout=30)[1] == b"interrupted\n"
    assert child.returncode == 130
    assert list((tmp_path / "tmp").iterdir()) == []


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("mian", ["error[A0905]: no revision is named 'mian'", "  hint: did you mean main?"]),
        ("upstream/main", ["error[A0905]: no revision is named 'upstream/main'", "  hint: did you mean main?"]),
        (
            "v9",
            ["error[A0905]: no revision is named 'v9'", "  hint: branches and tags here: main"],
        ),
        (
            "main..HEAD",
            [
                "error[A0907]: 'main..HEAD' is a range: the work tree is compared with one revision",
                "  hint: main as it is, or main... for where the work tree left it",
            ],
        ),
        (
            "",
            [
                "error[A0907]: '' names neither a revision nor a folder",
                "  hint: such as: assets diff main..., assets diff HEAD~3",
            ],
        ),
        (
            "sql",
            [
                "error[A0908]: folder 'sql' holds no assets.yml, and no revision is named so",
                "  hint: branches and tags here: main",
            ],
        ),
        ("main^{tree}", ["error[A0905]: no revision is named 'main^{tree}'", "  hint: did you mean main?"]),
        ("mian...", ["error[A0905]: no revision is named 'mian'", "  hint: did you mean main?"]),
    ],
)
def test_a_base_that_is_none(shop: Place, base: str, said: list[str]) -> None:
    """Each says what to type instead."""
    assert refused(shop, base) == said


@pytest.mark.parametrize("base", ["--output=/etc/passwd", "-q", "--", "^main"])
def test_a_base_is_never_an_option_of_git(shop: Place, base: str) -> None:
    """A name that begins with a dash is refused before git sees it."""
    code = "A0905" if base == "^main" else "A0907"
    assert refused(shop, "--", base)[0].startswith(f"error[{code}]: ")


def test_names_that_git_knows(shop: Place, repo: Path) -> None:
    """A tag, an annotated tag, an abbreviated commit, a branch of a server."""
    git(repo, "tag", "v1")
    git(repo, "tag", "--annotate", "v2", "--message", "Two")
    git(repo, "update-ref", "refs/remotes/origin/main", "HEAD")
    REQUESTS["new_owner"](shop.root)
    sha = git(repo, "rev-parse", "HEAD")
    for name in ("v1", "v2", sha[:10], "origin/main", "HEAD", "@", "origin/main..."):
        document = found(shop, name)
        assert (document["base"]["commit"], list(changes(document))) == (sha, ["report"])


def test_a_name_that_is_both(shop: Place) -> None:
    """The revision is taken, which is said, with how to name the folder."""
    shop.write("main/assets.yml", "version: 1\nproject: shop\n")
    document = found(shop, "main")
    assert document["base"]["commit"]
    assert [(each["code"], each["hint"]) for each in document["warnings"]] == [
        ("A0909", "the folder is: assets diff ./main")
    ]
    assert len(found(shop, "./main")["assets"]) == 7


# -- repositories ------------------------------------------------------------------------------------------------------


def test_without_git(shop: Place, tmp_path: Path) -> None:
    """The program is not there; a folder will do."""
    (tmp_path / "empty").mkdir()
    shop.write("../before/assets.yml", MANIFEST.replace("owner: finance", "owner: money"))
    python = str(Path(sys.executable).parent)
    assert refused(shop, "main", PATH=str(tmp_path / "empty"))[0] == "error[A0901]: there is no program git"
    assert found(shop, "../before", PATH=python)["base"]["commit"] is None


def test_without_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is in none; a folder will do."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    place = Place(tmp_path / "shop")
    place.write("assets.yml", MANIFEST)
    assert refused(place, "main")[0].endswith("is in no work tree of a git repository")
    place.write("../old/assets.yml", MANIFEST.replace("owner: finance", "owner: money"))
    assert list(changes(found(place, "../old"))) == ["rates", "report"]


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    """There is nothing to compare with yet."""
    git(tmp_path, "init", "--quiet")
    place = Place(tmp_path)
    place.write("assets.yml", MANIFEST)
    assert refused(place, "main")[0] == (
        "error[A0904]: the repository has no commit yet: there is nothing to compare with"
    )


def test_a_shallow_clone(shop: Place, repo: Path, tmp_path: Path) -> None:
    """What is beyond its edge is not there, and how to get it is said."""
    commit(repo, {"teams/shop/README.md": "Two.\n"}, "Two")
    git(repo, "switch", "--quiet", "--create", "change", "HEAD~1")
    commit(repo, {"teams/shop/README.md": "Three.\n"}, "Three")
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--no-single-branch", f"file://{repo}", "shallow")
    place = Place(tmp_path / "shallow/teams/shop")
    deeper = "git fetch --unshallow, or fetch-depth: 0 of actions/checkout"
    said = refused(place, "HEAD~1")
    assert said[0] == "error[A0905]: no revision is named 'HEAD~1'"
    assert deeper in said[1]
    said = refused(place, "origin/main...")
    assert said[0] == "error[A0906]: 'origin/main' and HEAD have no commit in common here"
    assert deeper in said[1]
    assert found(place, "origin/main")["different"] is False


def test_histories_that_have_nothing_in_common(shop: Place, repo: Path) -> None:
    """As a branch of pages has: it can be compared with as it stands."""
    git(repo, "switch", "--quiet", "--orphan", "pages")
    commit(repo, {"index.html": "<p>"}, "Pages")
    git(repo, "switch", "--quiet", "main")
    assert refused(shop, "pages...") == [
        "error[A0906]: 'pages' and HEAD have no commit in common here",
        "  hint: their histories are unrelated; compare with it as it stands: pages",
    ]
    document = found(shop, "pages")
    assert {each["change"] for each in document["assets"]} == {"added"}
    assert document["warnings"][0]["code"] == "A0912"


def test_a_repository_of_somebody_else(shop: Place) -> None:
    """Git does not trust it, as in a container; its own way out is named."""
    said = refused(shop, "main", GIT_TEST_ASSUME_DIFFERENT_OWNER="1", GIT_CONFIG_GLOBAL="/dev/null")
    assert said[0].startswith("error[A0903]: git refuses: detected dubious ownership in repository")
    assert "git config --global --add safe.directory" in said[1]


def test_a_partial_clone_lacks_contents(shop: Place, repo: Path, tmp_path: Path) -> None:
    """Nothing is fetched behind anybody's back: what is not here is named."""
    git(repo, "config", "uploadpack.allowFilter", "true")
    commit(repo, {"teams/shop/ml/common.py": "FIELDS = []\n"}, "Two")
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", f"file://{repo}", "partial")
    place = Place(tmp_path / "partial/teams/shop")
    assert found(place, "HEAD")["different"] is False
    assert refused(place, "HEAD~1")[0].startswith("error[A0910]: the repository has not got object ")


def test_a_hook_of_git_may_ask(shop: Place, repo: Path) -> None:
    """What git sets for a hook is about its own folder and index, not ours."""
    REQUESTS["new_owner"](shop.root)
    index = repo / ".git/next-index"
    shutil.copy(repo / ".git/index", index)
    around = {"GIT_DIR": ".git", "GIT_INDEX_FILE": str(index), "GIT_PREFIX": "teams/shop/"}
    assert list(changes(found(shop, "HEAD", **around))) == ["report"]
    assert found(shop, "HEAD", **around)["base"]["manifest"] == "teams/shop/assets.yml"


def test_a_linked_work_tree(shop: Place, repo: Path, tmp_path: Path) -> None:
    """Its `.git` is a file."""
    git(repo, "worktree", "add", "--quiet", str(tmp_path / "linked"), "HEAD")
    place = Place(tmp_path / "linked/teams/shop")
    REQUESTS["dropped_column"](place.root)
    assert list(changes(found(place, "main"))) == ["orders"]


# -- manifests ---------------------------------------------------------------------------------------------------------


def test_a_base_that_is_broken(shop: Place, repo: Path) -> None:
    """Its problems have places of its own, which `git show` takes; all of them at once."""
    replace(shop.root, "assets.yml", "    group: marts", "    gruop: marts")
    replace(shop.root, "assets.yml", "owner: ml-team\n", "owner: 7\n")
    git(repo, "commit", "--quiet", "--all", "--message", "Broken")
    shop.write("assets.yml", MANIFEST)
    said = refused(shop, "main")
    assert "  --> main:teams/shop/assets.yml:43:5" in said
    assert " 43 |     gruop: marts" in said
    assert said[-1].startswith("2 errors")
    assert git(repo, "show", "main:teams/shop/assets.yml").splitlines()[42] == "    gruop: marts"


def test_a_cycle_in_the_base_is_shown_where_it_is(shop: Place, repo: Path) -> None:
    """Also where SQL makes it, in a file that nobody changed since."""
    replace(shop.root, "assets.yml", "upstreams: [raw_orders]", "upstreams: [raw_orders, report]")
    git(repo, "commit", "--quiet", "--all", "--message", "A cycle")
    shop.write("assets.yml", MANIFEST)
    said = refused(shop, "main")
    assert said[0].startswith("error[A0207]: main: ") or said[0].startswith("error[A0207]: a cycle: ")
    assert any("main:teams/shop/sql/revenue.sql:2:6" in line for line in said)


def test_a_work_tree_that_is_broken(shop: Place) -> None:
    """The usual problems, at the usual places."""
    replace(shop.root, "assets.yml", "    group: marts", "    gruop: marts")
    said = refused(shop, "main")
    assert "  --> assets.yml:43:5" in said


def test_a_base_before_the_project(shop: Place, repo: Path) -> None:
    """Everything is added, which is said."""
    git(repo, "switch", "--quiet", "--orphan", "older")
    commit(repo, {"README": "Nothing yet.\n"}, "Begin")
    git(repo, "switch", "--quiet", "main")
    document = found(shop, "older")
    assert {each["change"] for each in document["assets"]} == {"added"}
    assert (document["base"]["manifest"], document["base"]["assets"]) == (None, 0)
    assert document["warnings"][0]["message"].endswith(" has no teams/shop/assets.yml: everything is added")


def test_a_project_that_was_moved(shop: Place, repo: Path) -> None:
    """It is compared with where it was, and files by their paths in the project."""
    git(repo, "mv", "teams/shop", "warehouse")
    replace(repo / "warehouse", "ml/common.py", "'id', ", "")
    place = Place(repo / "warehouse")
    document = found(place, "main")
    assert document["base"]["manifest"] == "teams/shop/assets.yml"
    assert [each["code"] for each in document["warnings"]] == ["A0913"]
    assert set(changes(document)) == {"features", "model"}


def test_a_manifest_of_the_other_name(shop: Place, repo: Path) -> None:
    """`assets.yaml` is the manifest, too."""
    git(repo, "mv", "teams/shop/assets.yml", "teams/shop/assets.yaml")
    document = found(shop, "main")
    assert (document["different"], document["warnings"]) == (False, [])


def test_included_files_are_read_in_the_base(shop: Place, repo: Path) -> None:
    """Of any name, however the pattern finds them; also where a link leads to them."""
    shop.write("assets.yml", "version: 1\nproject: shop\ninclude: ['parts/*']\n")
    shop.write("parts/one.manifest", "assets:\n  - {name: one, command: {shell: 'true'}}\n")
    shop.write("more/two.txt", "assets:\n  - {name: two, command: {shell: 'true'}}\n")
    (shop.root / "parts/two").symlink_to("../more/two.txt")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "Parts")
    (shop.root / "parts/one.manifest").write_text("assets:\n  - {name: one, command: {shell: 'false'}}\n")
    (shop.root / "more/two.txt").write_text("assets:\n  - {name: two, owner: me, command: {shell: 'true'}}\n")
    assert changes(found(shop, "HEAD")) == {
        "one": [("code", "changed", "command")],
        "two": [("owner", "changed", "")],
    }


# -- files -------------------------------------------------------------------------------------------------------------


def with_code(shop: Place, repo: Path, *patterns: str) -> None:
    """Let an asset count further files as its code."""
    replace(shop.root, "assets.yml", "  - name: orders\n", f"  - name: orders\n    code: {json.dumps(patterns)}\n")


def test_files_that_git_ignores_are_left_out(shop: Place, repo: Path) -> None:
    """No revision has them; what is only not added yet is compared."""
    with_code(shop, repo, "conf/*")
    shop.write("conf/a.txt", "a")
    shop.write("conf/debug.log", "b")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "Configured")
    document = found(shop, "main")
    assert document["different"] is False
    assert [each["message"] for each in document["warnings"]] == [
        "git ignores conf/debug.log: what nobody commits was not compared"
    ]
    shop.write("conf/b.txt", "b")
    assert changes(found(shop, "main")) == {"orders": [("code", "added", "conf/b.txt")]}


def test_odd_names(shop: Place, repo: Path) -> None:
    """Line breaks, quotes, a backslash, and bytes that are no UTF-8."""
    names = [b"new\nline", b'quo"te', b"back\\slash", b"sp ace", b"\xff\xfe", "ü".encode(), b"-dash", b"tab\there"]
    with_code(shop, repo, "odd/*")
    (shop.root / "odd").mkdir()
    for name in names:
        Path(os.fsdecode(os.fsencode(shop.root / "odd") + b"/" + name)).write_text("before")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "Odd")
    assert found(shop, "main")["different"] is False
    for name in names:
        Path(os.fsdecode(os.fsencode(shop.root / "odd") + b"/" + name)).write_text("after")
    document = found(shop, "main")
    assert sorted(name for _, _, name in changes(document)["orders"]) == sorted(
        os.fsdecode(b"odd/" + name) for name in names
    )
    for form in ("text", "markdown"):
        done = shop.call("diff", "main", "--format", form, "--all")
        assert done.returncode == 0, done.stderr
        assert "odd/new\\nline" in done.stdout or "odd/new&#92;nline" in done.stdout


def test_links_modes_and_line_breaks(shop: Place, repo: Path) -> None:
    """A link counts by where it leads, an executable bit not at all, nor breaks that git converts."""
    with_code(shop, repo, "bin/*")
    shop.write("bin/run", "#!/bin/sh\necho\n")
    (shop.root / "bin/link").symlink_to("../README.md")
    (shop.root / "bin/away").symlink_to("/etc/hostname")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "Links")
    (shop.root / "bin/run").chmod(0o755)
    (shop.root / "load.py").write_bytes((shop.root / "load.py").read_bytes().replace(b"\n", b"\r\n"))
    (shop.root / "bin/run").write_bytes((shop.root / "bin/run").read_bytes().replace(b"\n", b"\r\n"))
    assert found(shop, "main")["different"] is False
    (shop.root / "bin/link").unlink()
    (shop.root / "bin/link").symlink_to("../rates.csv")
    assert changes(found(shop, "main")) == {"orders": [("code", "changed", "bin/link")]}


def test_pointers_of_lfs(shop: Place, repo: Path) -> None:
    """A pointer stands for its contents, whether these were fetched here or not."""
    data = b"id,name\n1,ada\n"
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
    with_code(shop, repo, "seeds/*.csv")
    shop.write("seeds/people.csv", pointer.format(hashlib.sha256(data).hexdigest(), len(data)))
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "Seeds")
    (shop.root / "seeds/people.csv").write_bytes(data)  # as the filter does
    assert found(shop, "main")["different"] is False
    (shop.root / "seeds/people.csv").write_bytes(data + b"2,bob\n")
    assert changes(found(shop, "main")) == {"orders": [("code", "changed", "seeds/people.csv")]}
    shop.write("seeds/people.csv", pointer.format(hashlib.sha256(b"other").hexdigest(), 5))
    assert changes(found(shop, "main")) == {"orders": [("code", "changed", "seeds/people.csv")]}


def test_submodules(shop: Place, repo: Path, tmp_path: Path) -> None:
    """Read at the commit that was recorded, from the copy that is here; else named, and left out."""
    lib = tmp_path / "lib"
    lib.mkdir()
    git(lib, "init", "--quiet", "--initial-branch", "main")
    commit(lib, {"macros/tax.sql": "select 1"}, "Tax")
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib), "teams/shop/lib")
    with_code(shop, repo, "lib/macros/*.sql")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "A library")
    assert found(shop, "main")["different"] is False
    commit(shop.root / "lib", {"macros/tax.sql": "select 2"}, "More tax")
    assert changes(found(shop, "main")) == {"orders": [("code", "changed", "lib/macros/tax.sql")]}
    git(repo, "-c", "protocol.file.allow=always", "clone", "--quiet", str(repo), str(tmp_path / "clone"))
    place = Place(tmp_path / "clone/teams/shop")
    place.write("lib/macros/tax.sql", "select 3")  # a folder in its place
    document = found(place, "HEAD")
    assert document["different"] is False
    assert [each["code"] for each in document["warnings"]] == ["A0911"]
    assert document["warnings"][0]["message"].startswith("submodule lib is not here at ")


def test_data_in_the_repository_is_not_copied(shop: Place, repo: Path, tmp_path: Path) -> None:
    """Of files that are as they were, and of those that nobody counts as code, there are only names."""
    with_code(shop, repo, "same.bin")
    for name in ("same.bin", "other.bin"):
        (shop.root / name).write_bytes(os.urandom(3 << 20))
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", "Data")
    (shop.root / "other.bin").write_bytes(b"less")
    replace(shop.root, "ml/common.py", "'id', ", "")
    from assets_cli import base
    from assets_cli.probing.files import FileDigests

    with base.opened("main", shop.root, FileDigests(shop.root, time.time_ns)) as elsewhere:
        assert elsewhere.files.digest("same.bin") == hashlib.sha256((shop.root / "same.bin").read_bytes()).hexdigest()
        elsewhere.files.digest("ml/common.py")
        sizes = {path.name: path.stat().st_size for path in Path(elsewhere.root).rglob("*") if path.is_file()}
        assert Path(elsewhere.root).name == "shop"
    assert {name for name, size in sizes.items() if size} == {"common.py"}
    assert {"same.bin", "other.bin", "assets.yml"} <= sizes.keys()
    assert len(FILES) + 2 == len(sizes)
