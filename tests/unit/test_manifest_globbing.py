from __future__ import annotations

import glob
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from assets_cli.manifest.globbing import matching

NAMES = st.sampled_from(["a", "b", "ab", ".h", "a.yml", "b.yml", ".c.yml", "[x]"])
PARTS = st.sampled_from(["**", "*", "a", "b", "*.yml", ".*", "?", "a*", "[ab]", ".", "nothing", ".h", "[x]", "[[]x]"])


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=12), st.lists(PARTS, min_size=1, max_size=4)
)
def test_a_pattern_matches_the_files_that_glob_finds(names: set[str], parts: list[str]) -> None:
    """Where no link leads in a circle: hidden names, folders in between, characters of ranges, absolute patterns."""
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(names):
            path = Path(folder, name)
            if not any(above.is_file() for above in path.parents) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        pattern = "/".join(parts)
        for root, asked in ((folder, pattern), ("/", f"{folder}/{pattern}")):
            found = {name for name in matching(root, asked) if Path(root, name).is_file()}
            globbed = glob.glob(asked, root_dir=root, recursive=True)  # noqa: PTH207 - what is held against it
            # Of a file `glob` says that `file/**` finds `file/`, where there is nothing.
            expected = {name for name in globbed if Path(root, name).is_file() and not name.endswith("/")}
            assert {Path(name) for name in found} == {Path(name) for name in expected}


def test_links_in_circles_end(tmp_path: Path) -> None:
    """However many there are: each folder is gone through by its own name, and by a link only where nobody was."""
    for name in ("a/b/c", "z"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "x.yml").touch()
    for link, target in {
        "a/up": "..",
        "a/b/up": "..",
        "a/b/c/root": "../../..",
        "a/b/c/self": ".",
        "z/a": "../a",
    }.items():
        (tmp_path / link).symlink_to(target)
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "a" / "b.yml").symlink_to("../gone")

    found = matching(str(tmp_path), "**/*.yml")

    assert {"a/b/c/x.yml", "z/x.yml", "a/b.yml"} <= found
    assert len(found) < 20
    assert matching(str(tmp_path), "z/**/*.yml") >= {"z/x.yml", "z/a/b/c/x.yml"}


def test_a_folder_that_nobody_may_look_into_holds_nothing(tmp_path: Path) -> None:
    """Neither does one that is a file."""
    (tmp_path / "file").touch()

    assert (
        matching(str(tmp_path), "file/*")
        == matching(str(tmp_path), "file/**")
        == matching(str(tmp_path), "no/*")
        == set()
    )
