"""Which files a shell text runs: programs and scripts handed to interpreters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_cli.probing.shell_scripts import mentions, runs_no_file, scripts

SH = ("sh", "-e", "-c")


def names(text: str, interpreter: tuple[str, ...] = SH) -> list[str]:
    """The first path of each script."""
    return [script[0] for script in scripts(interpreter, text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python load.py --out data/x.parquet", ["load.py"]),
        ("python3.11 -u -W ignore -X dev load.py", ["load.py"]),
        ("python -c 'import x' load.py", []),
        ("python -m pkg.mod load.py", ["pkg/mod.py"]),
        ("python -um pkg", ["pkg.py"]),
        ("python < load.py", ["load.py"]),
        ("python -- load.py", ["load.py"]),
        ("python $SCRIPT load.py", []),
        ('python "$DIR/load.py"', []),
        ("python ${env.SCRIPT} data.csv", []),
        ("python 'my file.py'", ["my file.py"]),
        ("python \\\n  load.py", ["load.py"]),
        ("bash run.sh", ["run.sh"]),
        ("bash -euo pipefail run.sh", ["run.sh"]),
        ("bash -euo pipefail -c 'python a.py'", ["a.py"]),
        ("bash -euoc pipefail 'python a.py'", ["a.py"]),
        (". env.sh; source ./more.sh", ["env.sh", "more.sh"]),
        ("./run.sh --fast", ["run.sh"]),
        ("run.sh", []),
        ("echo ./run.sh", []),
        ("node --max-old-space-size=4096 build.js", ["build.js"]),
        ("node -e 'x' build.js", []),
        ("ruby t.rb", ["t.rb"]),
        ("perl t.pl", ["t.pl"]),
        ("perl -ne 'print' data.txt", []),
        ("Rscript --vanilla fit.R", ["fit.R"]),
        ("Rscript -e 'source(\"fit.R\")'", []),
        ("julia --project=. -t 4 fit.jl", ["fit.jl"]),
        ("php -f t.php", ["t.php"]),
        ("uv run x.py", ["x.py"]),
        ("uv run --with pandas python x.py", ["x.py"]),
        ("uv run -m pkg.mod", ["pkg/mod.py"]),
        ("poetry run python x.py", ["x.py"]),
        ("env -i A=1 python x.py", ["x.py"]),
        ("A=1 B='2 3' python x.py", ["x.py"]),
        ("exec time -p nohup nice -n 5 python x.py", ["x.py"]),
        ("timeout 10 python x.py", ["x.py"]),
        ("find . | xargs -n 1 python x.py", ["x.py"]),
        (
            "python a.py && bash b.sh; ruby c.rb | perl d.pl & node e.js\nphp f.php",
            ["a.py", "b.sh", "c.rb", "d.pl", "e.js", "f.php"],
        ),
        ("if test -f x; then python a.py; else bash b.sh; fi", ["a.py", "b.sh"]),
        ("for f in a.sh b.sh; do python x.py $f; done", ["x.py"]),
        ("! python x.py", ["x.py"]),
        ("(cd sub; python x.py) && python y.py", ["sub/x.py", "y.py"]),
        ("cd sub && python x.py", ["sub/x.py"]),
        ("cd $D && python x.py", []),
        ("X=$(python gen.py) ./tool", ["tool", "gen.py"]),
        ('echo "$(bash w.sh)" `ruby v.rb`', ["w.sh", "v.rb"]),
        ("python <<EOF\nbash z.sh\nEOF\npython k.py", ["k.py"]),
        ("python x.py >out.py 2>err.py", ["x.py"]),
        ("python x.py # bash no.sh", ["x.py"]),
        (".venv/bin/python x.py", ["x.py"]),
        ("cat data.csv > out.csv", []),
        ("cat > gen.py <<EOF\nx\nEOF\npython ./gen.py; python own.py", ["own.py"]),
        ("echo $((1 + 2)); python x.py", ["x.py"]),
    ],
)
def test_scripts_of_a_command(text: str, expected: list[str]) -> None:
    """A command's programs with a slash and what interpreters are handed count, nothing else does."""
    assert names(text) == expected


def test_other_interpreters() -> None:
    """The interpreter and its text are one command line: `python -c` gets no shell text, `bash` without -c a script."""
    assert names("import x", ("python", "-c")) == []
    assert names("run.sh", ("bash",)) == ["run.sh"]
    assert names("python a.py", ("tools/shell", "-c")) == ["tools/shell"]


def test_alternatives_of_a_script() -> None:
    """A module may be a file or a package; a script may be a folder with a `__main__.py`."""
    assert scripts(SH, "python -m a.b") == (("a/b.py", "a/b/__main__.py"),)
    assert scripts(SH, "python app") == (("app", "app/__main__.py"),)


def test_mentions_are_arguments_and_input_but_not_what_is_written() -> None:
    """Arguments, option values, input files and paths in longer texts are mentioned; redirected output is not."""
    found = mentions("python load.py --config=conf.yml ./x.csv < in.csv > out.csv && db -c \"select 'a/b.csv'\"")
    assert {"load.py", "conf.yml", "x.csv", "in.csv", "a/b.csv"} <= set(found)
    assert "out.csv" not in found


@given(st.text(alphabet="ab /.-'\"\\$`(){}<>|&;#=\n~*?x", max_size=60) | st.text(max_size=80))
def test_any_text_is_accepted(text: str) -> None:
    """Unbalanced quotes and parentheses, odd redirections, control characters: nothing raises."""
    scripts(SH, text)
    mentions(text)


@given(
    st.lists(
        st.sampled_from(["python", "a.py", ":", ">", "out/n1", "-m", "./x", "cd", "cat", "env", ".", "A=1"]), max_size=6
    )
)
def test_plain_at_a_glance_is_never_wrong(words: list[str]) -> None:
    """What the short cut calls free of files has none when it is read in full."""
    text = " ".join(words)
    if runs_no_file(text):
        assert scripts(SH, text) == ()


def test_the_short_cut_covers_redirections() -> None:
    """`: > out/n1` needs no reading; a script, an operator or an expansion does."""
    assert runs_no_file(": > out/n1")
    assert not any(runs_no_file(text) for text in ("python x.py", "a; b", "./x", "a $(b)", "time x", "cd x"))
