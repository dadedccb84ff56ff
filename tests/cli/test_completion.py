"""What a Tab key offers: by itself, in real shells, and how fast."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.shells import SHELLS, Shell, is_installed
from support.shop import CommandLine

from assets_cli import vocabulary
from assets_cli.cli import application, completion
from assets_cli.cli.commands import TABLE
from assets_cli.graph.selection import lexer, resolve
from assets_cli.manifest import load
from assets_cli.model.history import Observation
from assets_cli.project import Project
from assets_cli.state.record import open_recorder

MANIFEST = """\
version: 1
environments:
  prod: {vars: {currency: USD}}
  staging:
    vars: {}
include: ["more/*.yml"]
assets:
  - name: raw_events
    tags: [daily, tier=gold]
    owner: [ingest-team, "Data Team"]
    group: raw
    command: {shell: "true"}
    output: {path: raw.csv}
    checks: [{name: not_an_asset, row_count: {min: 1}}]
  - {name: "sessions", tags: [tier=silver], owner: crm@example.com, upstreams: [raw_events], command: {shell: "true"}}
"""
MORE = "assets:\n- name: report\n  kind: page\n  command: {shell: 'true'}\n"
GLOBAL = sorted(name for names, _, _ in completion.GLOBAL_OPTIONS for name in names)
KEYS = ["group:", "is:", "kind:", "owner:", "path:", "tag:"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the working directory."""
    (tmp_path / "assets.yml").write_text(MANIFEST)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.yml").write_text(MORE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complete(*words: str, quote: str = "") -> list[str]:
    """What the last of these words may become."""
    return completion.completed(list(words[:-1]), words[-1], quote)


def test_commands_and_options(shop: Path) -> None:
    """Before a command its name, after it its options, and what an option may be given."""
    assert complete("") == sorted(TABLE)
    assert complete("ma") == ["materialize"]
    assert complete("-") == GLOBAL
    assert complete("--e") == ["--env"]
    assert complete("plan", "--ex") == ["--exit-code"]
    assert complete("--completion", "") == ["bash", "fish", "zsh"]
    assert complete("--env", "") == ["prod", "staging"]
    assert complete("plan", "--env=p") == ["--env=prod"]
    assert complete("lineage", "--format", "d") == ["dot"]
    assert complete("lineage", "--depth", "") == []
    assert complete("explain", "A0811") == ["A0811"]
    assert complete("runs", "") == ["latest"]
    assert complete("state", "") == sorted(TABLE["state"].actions)
    assert complete("state", "ma") == ["mark"]
    assert complete("state", "rm", "--d") == ["--dry-run"]
    assert complete("state", "gc", "--keep", "") == []
    assert complete("state", "nothing", "") == []
    assert complete("state", "mark", "ra") == ["raw_events"]
    assert complete("logs", "latest", "ra") == ["raw_events"]
    assert complete("runs", "--asset", "ra") == ["raw_events"]


def test_names_of_history(shop: Path) -> None:
    """Who repairs history names assets of the manifest, and those that only history knows; no selections."""
    assert complete("state", "mv", "") == ["raw_events", "report", "sessions"]
    with open_recorder(shop / ".assets" / "state.db") as recorder:
        recorder.add_observation("prod", Observation(0, "crm", 1, "v", None))
    assert complete("state", "rm", "") == ["crm", "raw_events", "report", "sessions"]
    assert complete("state", "rm", "raw_events", "cr") == ["crm"]


def test_names_come_from_the_whole_project(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of included files, from a folder below, and from one named by -C."""
    assert complete("why", "") == sorted(["raw_events", "report", "sessions", *KEYS])
    assert complete("why", "re") == ["report"]
    monkeypatch.chdir(shop / "more")
    assert complete("why", "re") == ["report"]
    monkeypatch.chdir("/")
    assert complete("why", "re") == []
    assert complete("-C", str(shop), "why", "re") == ["report"]
    assert complete("why", "-C", str(shop), "re") == ["report"]


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize(
    ("begun", "found"),
    [
        ("+ra", ["+raw_events"]),
        ("12+se", ["12+sessions"]),
        ("tag:", ["tag:daily", "tag:tier", "tag:tier=gold", "tag:tier=silver"]),
        ("tag:tier=", ["tag:tier=gold", "tag:tier=silver"]),
        ("ta", ["tag:daily", "tag:tier", "tag:tier=gold", "tag:tier=silver"]),
        ("+tag:d", ["+tag:daily"]),
        ("group:", ["group:raw"]),
        ("owner:", ['owner:"Data Team"', "owner:crm@example.com", "owner:ingest-team"]),
        ('owner:"D', ['owner:"Data Team"']),
        ("owner:'", ["owner:'Data Team'", "owner:'crm@example.com'", "owner:'ingest-team'"]),
        ("kind:p", ["kind:page"]),
        ("kind:", ["kind:page", "kind:shell"]),
        ("path:more", ["path:more/a.yml"]),
        ("is:", ["is:external", "is:failed", "is:missing", "is:overdue", "is:stale"]),
        ("not se", ["not sessions"]),
        ("tag:daily or not (re", ["tag:daily or not (report"]),
        ("raw_events ", ["raw_events and", "raw_events or"]),
        ("(raw_events) a", ["(raw_events) and"]),
        ("raw_events+2 a", ["raw_events+2 and"]),
        ("raw_events+", []),
        ("(raw_events)", []),
        ("what:", []),
        (
            "si",
            [
                f"sinks({word}"
                for word in sorted(["raw_events", "report", "sessions", "roots(", "sinks(", "not", *KEYS])
            ],
        ),
        ("raw_events", ["raw_events"]),
    ],
)
def test_selections(shop: Path, begun: str, found: list[str], *, is_kept: bool) -> None:
    """The last term is completed, from kept words as from a glance; a beginning that stands alone is carried on."""
    if is_kept:
        Project.open(shop)
        assert vocabulary.recall(str(shop), "assets.yml") is not None
    elif begun == "kind:":
        found = ["kind:external", *found]  # a glance cannot know that there is none
    assert complete("plan", begun) == found


def test_operators_are_offered_between_quotes_only(shop: Path) -> None:
    """Where they may be used at all."""
    assert set(complete("plan", "", quote="'")) - set(complete("plan", "")) == {"not", "roots(", "sinks("}


def test_words_of_the_grammar() -> None:
    """Completion does without importing the grammar, and agrees with it."""
    assert tuple(resolve.ATTRIBUTES) == completion.ATTRIBUTES
    assert resolve.STATES == completion.STATES
    assert tuple(f"{end}(" for end in lexer.ENDS) == completion.FUNCTIONS
    assert set(vocabulary.SORTS) == {"name", *completion.ATTRIBUTES}


def test_options_that_take_a_value() -> None:
    """Completion agrees with the commands without importing them: what follows such an option is its value."""
    found: dict[str, tuple[str, ...]] = {}
    actions = [action.name for entry in TABLE.values() for action in entry.actions.values()]
    for name in (*TABLE, *actions):
        for param in application.load(name).params:
            if param.param_type_name == "option" and not param.is_flag and param.name != "help":
                choices = tuple(getattr(param.type, "choices", ()))
                for option in param.opts:
                    found[f"{name} {option}" if choices else option] = tuple(map(str, choices))
    assert found == completion.VALUES


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("assets pl", ["plan"]),
        ("assets plan tag:d", ["daily"]),
        ("assets plan tag:tier=g", ["gold"]),
        ("assets plan owner:crm@e", ["@example.com"]),
        ("assets plan owner:D", []),
        ("assets plan 'not tag:d", ["not tag:daily"]),
        ('assets plan "owner:D', []),
        ('assets plan "owner:', ["owner:'Data Team'", "owner:crm@example.com", "owner:ingest-team"]),
        ("assets plan 'owner:\"D", ['owner:"Data Team"']),
        ('assets plan "owner:\\"D', ['owner:\\"Data Team\\"']),
        ("assets plan owner:", ['\\"Data\\ Team\\"', "crm@example.com", "ingest-team"]),
        ("A=1 B='x y' assets plan raw", ["raw_events"]),
        ("assets -C more plan raw", ["raw_events"]),
    ],
)
def test_what_bash_gets(shop: Path, line: str, found: list[str]) -> None:
    """Only what follows the last sign at which bash breaks a word, ready to be inserted; whole words between quotes."""
    environ = {"_ASSETS_COMPLETE": "bash", "_ASSETS_LINE": line, "_ASSETS_BREAKS": " \t\n\"'@><=;|&(:"}
    assert completion.replies(environ) == found


def test_what_zsh_and_fish_get(shop: Path) -> None:
    """Whole words without quotes; they put them themselves. Fish hands over the quote with the word."""
    words = {"_ASSETS_WORDS": "plan\nnot owner:", "_ASSETS_QUOTE": '"'}
    assert completion.replies({"_ASSETS_COMPLETE": "zsh", **words})[0] == "not owner:'Data Team'"
    words = {"_ASSETS_WORDS": 'plan\n"not ra'}
    assert completion.replies({"_ASSETS_COMPLETE": "fish", **words}) == ["not raw_events"]


@pytest.mark.parametrize("shell", list(SHELLS))
def test_scripts(assets: CommandLine, shell: str) -> None:
    """Printed for each shell; another shell is a mistake."""
    assert assets("--completion", shell).out == completion.SCRIPTS[shell]
    assert assets("--completion", "tcsh").err.startswith("error[A0815]: --completion: unknown shell 'tcsh'\n")


@pytest.fixture(params=list(SHELLS))
def shell(request: pytest.FixtureRequest, shop: Path) -> Iterator[Shell]:
    """A real shell that has been taught to complete."""
    if not is_installed(request.param):
        pytest.skip(f"no {request.param} here")
    real = Shell(request.param, shop)
    yield real
    real.close()


def test_real_shells(shell: Shell) -> None:
    """What is typed with Tab keys reaches the command as if it had been typed in full."""
    assert shell.typed("pl\tra\t") == ["plan", "raw_events"]
    assert shell.typed("plan tag:da\t+sess\t") == ["plan", "tag:daily", "+sessions"]
    assert shell.typed("plan tag:tier=g\towner:crm@e\t") == ["plan", "tag:tier=gold", "owner:crm@example.com"]
    assert shell.typed('plan "not ta\td\t') == ["plan", "not tag:daily"]
    assert shell.typed("plan 'owner:\"D\t") == ["plan", 'owner:"Data Team"']


def answered(folder: Path, environ: dict[str, str]) -> tuple[str, str, int]:
    """Output, error output and exit code of the real command."""
    found = subprocess.run(
        [sys.executable, "-m", "assets_cli"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "_ASSETS_COMPLETE": "bash", **environ},
    )
    return found.stdout, found.stderr, found.returncode


def _nothing(folder: Path) -> None:
    (folder / "assets.yml").unlink()


def _binary(folder: Path) -> None:
    (folder / "assets.yml").write_bytes(bytes(range(256)) * 10)


def _folder(folder: Path) -> None:
    (folder / "more" / "b.yml").mkdir()
    (folder / ".assets" / "cache" / "words").mkdir(parents=True)


def _nonsense(folder: Path) -> None:
    (folder / ".assets" / "cache").mkdir(parents=True)
    (folder / ".assets" / "cache" / "words").write_bytes(b"assets words 1\nf\nd x\n\n\xff\n")


@pytest.mark.parametrize("spoil", [_nothing, _binary, _folder, _nonsense])
@pytest.mark.parametrize(
    "line", ["assets plan ", "assets plan tag:", "assets --env ", "", "\x01'\"\\", "assets -C \x00"]
)
def test_a_tab_key_is_quiet(shop: Path, line: str, spoil: Callable[[Path], None]) -> None:
    """Whatever is wrong with the project or the line: no error, no traceback, exit code 0."""
    spoil(shop)
    _, errors, code = answered(shop, {"_ASSETS_LINE": line.replace("\x00", "\udc80")})
    assert (errors, code) == ("", 0)


def test_a_shell_that_has_gone_is_no_error(shop: Path) -> None:
    """Its pipe is closed before the answer is written."""
    reader, writer = os.pipe()
    os.close(reader)
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "_ASSETS_COMPLETE": "bash",
        "_ASSETS_LINE": "",
    }
    with os.fdopen(writer, "w") as pipe:
        found = subprocess.run(
            [sys.executable, "-m", "assets_cli"], stdout=pipe, stderr=subprocess.PIPE, check=False, env=environ
        )
    assert (found.stderr, found.returncode) == (b"", 0)


# -- speed -----------------------------------------------------------------------------------------------------------

MANY = 10_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten thousand assets, whose words have been kept."""
    folder = tmp_path_factory.mktemp("many")
    items = (
        f"  - {{name: layer{n % 10}/n{n}, tags: [t{n % 7}], owner: team-{n % 3}, command: {{shell: 'true'}}}}\n"
        for n in range(MANY)
    )
    (folder / "assets.yml").write_text("version: 1\nassets:\n" + "".join(items))
    began = time.time_ns()
    loaded = load(folder / "assets.yml")
    assert loaded.manifest is not None
    vocabulary.keep(loaded.manifest, began)
    return folder


def test_a_tab_key_imports_next_to_nothing(shop: Path) -> None:
    """Not even what most modules begin with."""
    _, times, _ = answered(shop, {"_ASSETS_LINE": "assets plan tag:", "PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in times.splitlines()}
    assert "assets_cli.vocabulary" in imported
    assert (
        imported & {"typer", "typing", "pathlib", "json", "yaml", "assets_cli.manifest", "assets_cli.project"} == set()
    )


@pytest.mark.parametrize(
    ("line", "count"),
    [("assets plan layer7/n50", 11), ("assets plan tag:", 7), ("assets plan 'not tag:t1 and +lay", MANY)],
)
def test_a_tab_key_does_not_wait(many: Path, tmp_path: Path, line: str, count: int) -> None:
    """The whole process takes less than 40 ms of a processor, with the bytecode that an installation has."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environ |= {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONPYCACHEPREFIX": str(tmp_path),
        "_ASSETS_COMPLETE": "bash",
        "_ASSETS_LINE": line,
        "_ASSETS_BREAKS": ":=@",
    }
    times = []
    for _ in range(10):
        with subprocess.Popen(
            [sys.executable, "-m", "assets_cli"], stdout=subprocess.PIPE, cwd=many, env=environ
        ) as process:
            assert process.stdout is not None
            found = process.stdout.read().splitlines()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = status
        assert len(found) == count
        times.append(1_000 * (used.ru_utime + used.ru_stime))
    assert min(times) < 40
