"""Which values are secret, and what is left of a text without them."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from assets_cli.manifest import load
from assets_cli.model.event import StepFinished
from assets_cli.model.secrets import has_password, mask, mask_version, secrets, writes_password
from assets_cli.probing.files import FileDigests
from assets_cli.probing.secrets import secrets_of
from assets_cli.running.executors.logs import Masker


def test_short_values_are_shown() -> None:
    """Six characters or more are hidden; fewer would hide half of every log."""
    assert secrets(["12345", "123456", ""]) == ("123456",)


def test_a_secret_is_hidden_in_every_dress() -> None:
    """As it is, as a URL and as JSON have it; the longest first, so that none shows through another."""
    hidden = secrets(['pa"ss word', 'pa"ss word, longer'])
    assert hidden[0].startswith("pa%22ss%20word%2C")
    for text in ('pa"ss word', "pa%22ss%20word", 'pa\\"ss word', 'pa"ss word, longer'):
        assert mask(f"<{text}>", hidden) == "<***>"


def test_lines_of_a_long_secret_are_hidden_too() -> None:
    """A key of several lines may be printed with something before each."""
    key = "-----BEGIN KEY-----\n" + "a" * 64 + "\n" + "b" * 64 + "\nend\n"
    assert mask("> " + "b" * 64, secrets([key])) == "> ***"
    assert mask("the end", secrets([key])) == "the end"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://me:pw@host/db", "postgres://me:***@host/db"),
        ("postgres://me:p@ss:w@host:5432/db", "postgres://me:***@host:5432/db"),
        ("redis://:pw@host", "redis://:***@host"),
        ('{"url": "mysql+x://u:p@h", "to": "a@b"}', '{"url": "mysql+x://u:***@h", "to": "a@b"}'),
        ("https://host:80/a@b", "https://host:80/a@b"),
        ("ssh://git@host:repo", "ssh://git@host:repo"),
        ("at 10:30 me@host", "at 10:30 me@host"),
    ],
)
def test_passwords_in_urls_are_always_hidden(text: str, shown: str) -> None:
    """However short, and whoever knows them."""
    assert mask(text) == shown
    assert has_password(text) == (text != shown)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("postgres://me:pw@host", True),
        ("postgres://me:${env.PW}@host", False),
        ("postgres://me:${env.PW:-pw}@host", True),
        ("postgres://me:a${env.PW}@host", True),
        ("postgres://${env.USER}:${env.PW}@host?sslmode=x", False),
        ("https://host?token=abc", True),
        ("https://host?token=${env.T}", False),
        ("me:pw@host", False),
    ],
)
def test_a_password_from_a_variable_is_not_written(text: str, written: bool) -> None:
    """A default is, and so is what stands beside the variable."""
    assert writes_password(text) == written


def test_a_known_password_is_hidden_on_its_own() -> None:
    """A long one everywhere, decoded too; a short one where it stands as in a URL."""
    hidden = secrets([], ["x://u:pw1@h", "x://u:l%40ngword@h"])
    assert mask("pw1 :pw1@ l@ngword l%40ngword", hidden) == "pw1 :***@ *** ***"


def test_values_of_all_shapes_are_gone_through() -> None:
    """Lists, tuples, mappings and their keys; numbers and None stay."""
    hidden = ("secret",)
    assert mask({"secret": ["secret", ("a secret", 1, None)], "x": 2.5}, hidden) == {
        "***": ["***", ("a ***", 1, None)],
        "x": 2.5,
    }
    event = StepFinished("a", 1, "failed", unchanged=False, detail="no secret", duration=2, tail=("secret",))
    assert mask(event, hidden) == event._replace(detail="no ***", tail=("***",))


def test_versions_stay_different() -> None:
    """One that holds a secret is recorded by its digest, any other as it is."""
    digest = hashlib.sha256(b"v-secret").hexdigest()
    assert mask_version("v-secret", ("secret",)) == f"sha256:{digest}"
    assert (mask_version("v1", ("secret",)), mask_version(None, ("secret",))) == ("v1", None)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_log_is_masked_across_chunks(size: int) -> None:
    """Whatever the size of the pieces, also for a short password in its URL."""
    data = b"to x://u:pw1@h with s3cret-token, pw1 and s3cret"
    masker = Masker(secrets(["s3cret-token"], ["x://u:pw1@h"]))
    shown = b"".join(masker.feed(data[start : start + size]) for start in range(0, len(data), size)) + masker.rest()
    assert shown == b"to x://u:***@h with ***, pw1 and s3cret"


MANIFEST = """\
version: 1
connections: {w: {type: duckdb, path: "${env.FOLDER}/w.db"}}
assets:
  - name: a
    env: {T: "${env.OF_ENV}"}
    command: {shell: "x ${env.OF_SHELL} ${env.FOLDER} ${env.UNSET} ${env.SHORT} ${env.OTHER:-default-value}"}
    output: {path: "${env.OF_PATH}/x"}
  - {name: b, command: {sql: "select '${env.OF_SQL}'"}, output: {table: b}}
  - {name: c, command: {sql: c.sql}, output: {table: c}}
  - {name: d, observe: {shell: "x ${env.OF_PROBE} https://me:literal@host"}}
  - {name: e, observe: {path: "${env.OF_OBSERVED}"}}
"""


def test_secrets_of_a_project(tmp_path: Path) -> None:
    """What commands, SQL files, `env:` and probes take from outside, and passwords of URLs; not what a path takes."""
    (tmp_path / "assets.yml").write_text(MANIFEST)
    (tmp_path / "c.sql").write_text("select '${env.OF_FILE}'")
    names = ("OF_ENV", "OF_SHELL", "OF_PATH", "OF_SQL", "OF_FILE", "OF_PROBE", "OF_OBSERVED", "FOLDER", "NOT_USED")
    environ = {name: f"value-{name}" for name in names} | {"SHORT": "12345", "PROXY": "http://u:pr0xypass@h"}
    manifest = load(tmp_path / "assets.yml").manifest
    assert manifest is not None

    found = secrets_of(manifest, environ, FileDigests(tmp_path, time.time_ns))

    used = ("OF_ENV", "OF_SHELL", "OF_SQL", "OF_FILE", "OF_PROBE")
    assert set(found) == {f"value-{name}" for name in used} | {":literal@", "literal", ":pr0xypass@", "pr0xypass"}
    assert list(found) == sorted(found, key=len, reverse=True)


def test_a_sql_file_that_is_not_there_hides_nothing(tmp_path: Path) -> None:
    """It is a problem of its own."""
    (tmp_path / "assets.yml").write_text(MANIFEST)
    manifest = load(tmp_path / "assets.yml").manifest
    assert manifest is not None
    assert secrets_of(manifest, {"OF_FILE": "value"}, FileDigests(tmp_path, time.time_ns)) == (":literal@", "literal")
