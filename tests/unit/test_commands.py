"""What a command is told of places."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.space import asset, manifest_of

from assets_cli.model.manifest import Output
from assets_cli.running.commands import address

PATHS = st.lists(st.sampled_from(["out", "a b", ".", "..", "", "...", ".x", "x.", "*", "é"]), min_size=1, max_size=5)


@given(st.sampled_from(["/project", "/", "//host", "/a/b.c"]), PATHS.map("/".join))
def test_an_output_is_told_as_path_has_it(root: str, path: str) -> None:
    """Without what means nothing in a path, and with what does; absolute where it is declared so."""
    made = asset("made", output=Output(path=path))
    manifest = manifest_of(made)._replace(root=root)
    assert address(manifest, made, {}) == str(Path(root, path))
