"""Mistakes, help, versions: the command line itself."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from support.shop import CommandLine

from assets_cli import __version__
from assets_cli.cli import application, elsewhere, examples
from assets_cli.cli.calls import hoist, read
from assets_cli.cli.commands import TABLE
from assets_cli.model.problem import AssetsError, Place, Problem, Related


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plam"], "error[A0811]: unknown command 'plam'\n  hint: did you mean plan?\n"),
        (
            ["run"],
            "error[A0811]: unknown command 'run'\n  hint: did you mean materialize, or runs for those that were?\n",
        ),
        (["clean"], "error[A0811]: unknown command 'clean'\n  hint: did you mean state gc?\n"),
        (["refresh"], "error[A0811]: unknown command 'refresh'\n  hint: did you mean materialize?\n"),
        (["apply"], "error[A0811]: unknown command 'apply'\n  hint: did you mean materialize?\n"),
        (["xyzzy"], "error[A0811]: unknown command 'xyzzy'\n  hint: assets --help lists the commands\n"),
        (["materialize", "--jbos", "2"], "error[A0812]: no such option --jbos\n  hint: did you mean --jobs?\n"),
        (
            ["plan", "--xyz"],
            "error[A0812]: no such option --xyz\n  hint: assets plan --help lists the options\n",
        ),
        (["--enw", "x"], "error[A0812]: no such option --enw\n  hint: did you mean --env?\n"),
        (
            ["materialize", "--dry-run"],
            "error[A0812]: no such option --dry-run\n  hint: `assets plan` shows what would run, and runs nothing\n",
        ),
        (
            ["plan", "--select", "x"],
            "error[A0812]: no such option --select\n  hint: a selection stands by itself: assets plan tag:daily\n",
        ),
        (["materialize", "--threads", "4"], "error[A0812]: no such option --threads\n  hint: did you mean --jobs?\n"),
        (
            ["materialize", "--out", "x"],
            "error[A0812]: no such option --out\n  hint: it is an option of assets plan\n",
        ),
        (
            ["--json", "list"],
            "error[A0812]: no such option --json\n  hint: it stands after the command: assets list --json\n",
        ),
        (
            ["plan", "--out"],
            "error[A0813]: option --out needs a value\n  hint: assets plan --help says how it is used\n",
        ),
        (
            ["why"],
            (
                "error[A0813]: assets why needs ASSET\n"
                "  hint: `assets list` lists all assets; assets why --help says how it is used\n"
            ),
        ),
        (
            ["lineage"],
            (
                "error[A0813]: assets lineage needs ASSET[.COLUMN]\n"
                "  hint: `assets list` lists all assets; assets lineage --help says how it is used\n"
            ),
        ),
        (
            ["state", "rename"],
            "error[A0811]: assets state has no action 'rename'\n  hint: did you mean assets state mv?\n",
        ),
        (
            ["state", "xyzzy"],
            "error[A0811]: assets state has no action 'xyzzy'\n  hint: assets state --help lists them\n",
        ),
        (
            ["state", "mv", "a"],
            "error[A0813]: assets state mv needs NEW\n  hint: assets state mv --help says how it is used\n",
        ),
        (
            ["alerts", "-n", "x"],
            "error[A0815]: --limit: 'x' is not a whole number\n  hint: assets alerts --help says how it is used\n",
        ),
        (
            ["alerts", "--limit", "0"],
            "error[A0815]: --limit: 0 is less than 1\n  hint: assets alerts --help says how it is used\n",
        ),
        (["plan", "--env"], "error[A0813]: option --env needs a value\n  hint: assets --help says which\n"),
        (
            ["runs", "a", "b"],
            "error[A0814]: assets runs: one argument too many: b\n  hint: assets runs --help says how it is used\n",
        ),
        (
            ["lineage", "a", "--format", "svg"],
            (
                "error[A0815]: --format: 'svg' is not one of 'tree', 'json', 'mermaid', 'dot'\n"
                "  hint: assets lineage --help says how it is used\n"
            ),
        ),
        (
            ["--var", "x", "plan"],
            "error[A0815]: --var x: not of the form K=V\n  hint: write --var name=value, such as --var currency=EUR\n",
        ),
        (
            ["-C", "/no/such/place", "plan"],
            "error[A0815]: -C /no/such/place: does not exist\n  hint: -C names the directory to start from\n",
        ),
    ],
)
def test_mistakes_are_told_in_two_lines(assets: CommandLine, words: list[str], said: str) -> None:
    """What is wrong and what to do, on stderr, exit code 2."""
    assets.patch.delenv("COLUMNS")
    assert assets(*words) == ("", said, 2)


def test_help_fits_eighty_columns(assets: CommandLine) -> None:
    """The root's help is one plain text with every command; `assets` alone prints it, too."""
    screen = assets("--help")
    assert (screen.err, screen.code) == ("", 0)
    lines = screen.out.splitlines()
    assert lines[:4] == [
        "Declare the data that should exist; see what is stale, and why;",
        "bring exactly that up to date.",
        "",
        "Usage: assets [OPTIONS] COMMAND [ARGUMENTS]",
    ]
    shown = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
    assert [(entry.name, entry.help) for entry in TABLE.values()] == [
        (name, text) for name, text in shown if name in TABLE
    ]
    assert max(map(len, lines)) <= 80
    assert assets() == screen


def test_help_is_a_word_too(assets: CommandLine) -> None:
    """As in git, cargo and uv."""
    assert assets("help") == assets("--help")
    assert assets("help", "state", "mv") == assets("state", "mv", "--help")


def test_words_from_elsewhere_lead_to_what_there_is() -> None:
    """Every command and option that is suggested exists."""
    commands = {word.partition(",")[0] for word in elsewhere.COMMANDS.values()} - {"--version"}
    assert {word.split()[0] for word in commands} <= set(TABLE)
    assert not set(elsewhere.COMMANDS) & set(TABLE)
    assert set(elsewhere.ACTIONS.values()) <= set(TABLE["state"].actions)
    options = {option for entry in TABLE.values() for option in entry.options} | {"--env"}
    assert {word for word in elsewhere.OPTIONS.values() if word.startswith("-")} <= options


EVERY = {entry.name: entry for command in TABLE.values() for entry in (command, *command.actions.values())}


@pytest.mark.parametrize("name", EVERY)
def test_each_command_has_help_and_the_options_of_the_table(assets: CommandLine, name: str) -> None:
    """The table that help and completion read says what the command itself says."""
    screen = assets(*name.split(), "--help")
    assert screen.code == 0
    assert screen.out.startswith(f"Usage: assets {name}")
    assert max(map(len, screen.out.splitlines())) <= 80
    options = [opt for param in application.load(name).params for opt in param.opts if opt.startswith("--")]
    assert sorted(set(options) - {"--help"}) == sorted(EVERY[name].options)


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_examples_of_help_can_be_typed(assets: CommandLine, name: str) -> None:
    """Each is read as a call of this command, and fits eighty columns; help ends with them."""
    shown = examples.EXAMPLES[name]
    for call, _ in shown:
        words = shlex.split(call.partition(" > ")[0])
        assert words[: len(name.split()) + 1] == ["assets", *name.split()]
        assert read(words[1:]) is not None, call
    out = assets(*name.split(), "--help").out
    assert max(map(len, out.splitlines())) <= 80
    assert "\n\nExamples:\n  assets " in out
    assert out.endswith(f"# {shown[-1][1]}\n")


def test_global_options_may_follow_the_command() -> None:
    """They are moved to the front, with their values; what follows `--` is left alone."""
    assert hoist(["plan", "x", "--env=prod", "--var", "a=b", "--", "--env", "y"]) == [
        "--env=prod",
        "--var",
        "a=b",
        "plan",
        "x",
        "--",
        "--env",
        "y",
    ]


def test_version(assets: CommandLine) -> None:
    """On stdout, also when it comes with other options."""
    assert assets("--version", "--env", "x") == (f"assets {__version__}\n", "", 0)


def start(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the real thing."""
    return subprocess.run(
        [sys.executable, "-c", "import sys; from assets_cli.__main__ import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environ},
    )


def imported(*words: str, **environ: str) -> set[str]:
    """The top-level names of the modules that a call imports."""
    found = start(*words, PYTHONPROFILEIMPORTTIME="1", **environ)
    assert found.returncode == 0
    return {line.rpartition("|")[2].strip() for line in found.stderr.splitlines()}


def test_version_and_completion_do_without_typer() -> None:
    """A prompt that shows the version, or a Tab key, does not wait for an argument parser."""
    assert "typer" not in imported("--version")
    assert "typer" not in imported(_ASSETS_COMPLETE="bash", _ASSETS_WORDS="pl")


def test_help_imports_nothing_heavy() -> None:
    """Neither Typer nor rich nor any command's module."""
    modules = imported("--help")
    assert "assets_cli.cli.usage" in modules
    heavy = {"typer", "rich", "yaml", "duckdb", "sqlglot", "jsonschema", "assets_cli.cli.plan", "assets_cli.project"}
    assert modules & heavy == set()


PROBLEMS = (
    Problem(
        "A0102",
        "asset 'orders': unknown key 'upstrems'",
        place=Place("assets.yml", 12, 5),
        excerpt="    upstrems: [raw]",
        hint="did you mean 'upstreams'?",
    ),
    Problem(
        "A0201",
        "two assets are named 'raw'",
        place=Place("more/b.yml", 3, 11),
        excerpt="  - name: 'raw'",
        related=(Related(Place("assets.yml", 4, 11), "the first one"),),
    ),
    Problem("A0305", "nothing will refresh 'raw'", severity="warning", place=Place("assets.yml", 4, 5)),
)


def test_problems_show_the_place(assets: CommandLine) -> None:
    """Each with its line and the word in question marked, all of them counted."""
    assets.open(plan=AssetsError(*PROBLEMS))
    assert assets("plan") == (
        "",
        """\
error[A0102]: asset 'orders': unknown key 'upstrems'
  --> assets.yml:12:5
 12 |     upstrems: [raw]
    |     ^^^^^^^^
  hint: did you mean 'upstreams'?

error[A0201]: two assets are named 'raw'
  --> more/b.yml:3:11
 3 |   - name: 'raw'
   |           ^^^^^
  --> assets.yml:4:11: the first one

warning[A0305]: nothing will refresh 'raw'
  --> assets.yml:4:5

2 errors, 1 warning in 2 files
""",
        2,
    )


def test_paths_are_named_from_where_one_stands(assets: CommandLine, tmp_path: Path) -> None:
    """Elsewhere than in the project's folder, a place is relative to the working directory."""
    (tmp_path / "shop" / "sql").mkdir(parents=True)
    (tmp_path / "shop" / "assets.yml").write_text("version: 1\n")
    assets.open(plan=AssetsError(PROBLEMS[0]))
    assets.patch.chdir(tmp_path)
    assert "  --> shop/assets.yml:12:5\n" in assets("-C", "shop", "plan").err
    assets.patch.chdir(tmp_path / "shop" / "sql")
    assert "  --> ../assets.yml:12:5\n" in assets("plan").err
    assets.patch.chdir(tmp_path / "shop")
    assert "  --> assets.yml:12:5\n" in assets("plan").err


def test_a_bug_is_no_traceback(assets: CommandLine, tmp_path: Path) -> None:
    """One message, the details in a file below .assets, exit code 2."""
    (tmp_path / ".assets").mkdir()
    assets.patch.chdir(tmp_path)
    assets.patch.delenv("COLUMNS")
    assets.open(plan=ValueError("boom"))
    screen = assets("plan")
    reports = list((tmp_path / ".assets" / "logs").iterdir())
    assert len(reports) == 1
    hint = f"this is a bug in assets, not in your project; please report it with {reports[0]}"
    assert screen == ("", f"error[A0819]: internal error: ValueError: boom\n  hint: {hint}\n", 2)
    assert "Traceback (most recent call last)" in reports[0].read_text()


def test_the_system_is_quoted(assets: CommandLine) -> None:
    """A full disk or a lack of permission is nobody's bug."""
    assets.open(plan=PermissionError(13, "Permission denied", "/etc/x"))
    assert assets("plan").err == ("error[A0818]: /etc/x: permission denied\n  hint: the operating system refused it\n")


def test_interrupted(assets: CommandLine) -> None:
    """Ctrl-C is 130 everywhere."""
    assets.open(plan=KeyboardInterrupt())
    assert assets("plan") == ("", "interrupted\n", 130)


def test_a_closed_pipe_is_quiet() -> None:
    """`assets explain | head -1` ends without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        found = subprocess.run(
            [sys.executable, "-m", "assets_cli", "explain"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    assert (found.stderr, found.returncode) == ("", 0)


CLOSED = {
    "the version, where there is no stdout": ("--version >&-", 0, ""),
    "the version, where nobody reads": ("--version | true", 0, ""),
    "the version, on a full disk": (
        "--version > /dev/full",
        2,
        "error[A0818]: no space left on device\n  hint: the operating system refused it\n",
    ),
    "a difference, where nobody reads": ("diff before --exit-code | true", 3, ""),
    "an error, where nobody reads": ("plan nobody 2>&1 | true", 2, ""),
    "an error, on a full disk": ("plan nobody 2> /dev/full", 2, ""),
    "an error, where there is no stderr": ("plan nobody 2>&-", 2, ""),
    "a run, on a full disk": ("materialize 2> /dev/full", 0, ""),
    "a summary, on a full disk": ("list 2> /dev/full", 0, None),
}


@pytest.mark.parametrize(("typed", "code", "said"), CLOSED.values(), ids=CLOSED)
def test_where_nothing_can_be_said_the_exit_code_still_is(
    tmp_path: Path, typed: str, code: int, said: str | None
) -> None:
    """Who reads may go, and a disk that takes messages may be full: that is no answer, and never a traceback."""
    if "/dev/full" in typed and not Path("/dev/full").exists():
        pytest.skip("only Linux has a disk that is always full")
    manifest = "version: 1\nproject: shop\nassets: [{name: a, command: {shell: 'true'}}]\n"
    (tmp_path / "assets.yml").write_text(manifest)
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "assets.yml").write_text(manifest.replace("true", "false"))
    found = subprocess.run(
        ["bash", "-c", f"{shlex.quote(sys.executable)} -m assets_cli {typed}; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert found.returncode == code
    assert said is None or (found.stdout, found.stderr) == ("", said)


def test_latin_one_gets_escapes_not_errors(assets: CommandLine) -> None:
    """A name that the stream cannot show is written with escapes."""
    assets.encoding = "ascii"
    assets.open(plan=AssetsError(Problem("A0401", "no asset named '数据'")))
    assert assets("plan").err == "error[A0401]: no asset named '\\u6570\\u636e'\n"


def test_typer_is_not_the_click_that_it_may_carry() -> None:
    """The base of Typer's usage errors is found whichever Click it uses."""
    assert application.UsageError.__name__ == "UsageError"
    assert issubclass(typer.BadParameter, application.UsageError)
