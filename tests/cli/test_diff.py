"""The screen and the comment of `assets diff` where there is much, nothing, or something odd to say."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from support.shop import CommandLine, Screen

from assets_cli.cli import diff_document
from assets_cli.cli.screens import diff_markdown
from assets_cli.manifest.schemas import schema_text
from assets_cli.model.difference import (
    AssetChange,
    Base,
    Below,
    Change,
    Concerned,
    Difference,
    Next,
    Reader,
    RemovedColumn,
    Report,
)
from assets_cli.model.problem import AssetsError, Problem

BASE = Base("main", "0123456789abcdef0123456789abcdef01234567", manifest="assets.yml")
LIMIT = 65_536


def report(found: Difference, **fields: object) -> Report:
    """A report of ten assets, without a history."""
    return Report(BASE, "shop", "default", 10, 10, found, None)._replace(**fields)


def many(number: int) -> Report:
    """Each of so many assets changes in its own way, loses a column, and has an owner and readers."""
    names = [f"a_rather_long_name_of_an_asset/{each:05}" for each in range(number)]
    changes = tuple(
        AssetChange(
            name, "changed", (f"team-{at % 300}",), changes=(Change("code", "changed", f"sql/{at}.sql"),), stale=True
        )
        for at, name in enumerate(names)
    )
    return report(
        Difference(
            settings=tuple(Change("vars", "changed", name, "1", "2") for name in names),
            assets=changes,
            columns=tuple(
                RemovedColumn(name, "x", "inferred", tuple(Reader(each) for each in names[:30])) for name in names
            ),
            stale=tuple(names),
            below=tuple(Below(f"{name}/below", 1, ("everybody",)) for name in names),
            concerned=tuple(Concerned(f"team-{at}", tuple(names), tuple(names)) for at in range(300)),
            cosmetic=tuple(f"{name}.sql" for name in names),
        )._replace(below=tuple(Below(name, 1, ("everybody",)) for name in names)),
        warnings=tuple(Problem("A0916", name, "warning") for name in names),
        before=number,
        now=number,
    )


@pytest.fixture
def shown(assets: CommandLine):
    """The screen of a report."""

    def show(value: Report | Exception, *words: str) -> Screen:
        def answer(*_: object, **__: object) -> Report:
            if isinstance(value, Exception):
                raise value
            return value

        assets.patch.setattr("assets_cli.comparing.diff", answer)
        return assets("diff", "main", *words)

    return show


def test_nothing_that_counts(shown):
    """One line, and what it was compared with; the exit code says the same."""
    screen = shown(report(Difference()), "--exit-code")
    assert screen == (
        "shop · against main (01234567) · environment default · 10 assets\n\nDiff: no difference that counts\n",
        "",
        0,
    )
    assert shown(report(Difference()), "--format", "markdown").out == (
        "<!-- assets diff -->\n### shop: no difference that counts\n\n"
        "Against main (01234567). This change makes nothing stale.\n"
    )


def test_what_runs_next(shown):
    """How much of it is this change's, and how long it takes."""
    found = Difference(assets=(AssetChange("a", "changed", changes=(Change("tags", "added", "x"),)),))
    screen = shown(report(found, next=Next(7, 4, ("a",), 12_000_000, 2)), "--exit-code")
    assert screen.out.splitlines()[-6:] == [
        "Diff: 1 with the same data",
        "      this change makes nothing stale",
        "      the next materialize runs 7 steps (4 may be cut off), about 12 s with 2",
        "      jobs; 1 of them stale by this change",
        "",
        "run: assets plan",
    ]
    assert screen.code == 3
    assert "the next materialize has nothing to do here" in shown(report(found, next=Next(0, 0, (), None, 2))).out


def test_thousands_are_counted(shown):
    """A screen of each part; `--all` lists everything."""
    lines = shown(many(10_000)).out.splitlines()
    assert len(lines) < 500
    assert "  … and 9,980 more assets (--all)" in lines
    assert max(map(len, lines)) <= 120
    assert len(shown(many(1_000), "--all").out.splitlines()) > 30_000


def test_a_comment_is_never_too_long():
    """GitHub takes 65,536 characters; every part is there, and what was left out is counted."""
    text = "\n".join(diff_markdown.lines(many(10_000)))
    assert len(text) < LIMIT
    for part in (
        "The project",
        "Columns that go away",
        "Assets: 10,000",
        "Who needs to know",
        "Comments or layout only",
    ):
        assert part in text
    assert text.count("<details>") == text.count("</details>") == 3
    assert text.count("more: `assets diff` with `--all` lists them.") == 6
    assert text.startswith(diff_markdown.MARKER)


ODD = "a|b`c<b>&@ada#7 https://x.y www.z.de _d_ [e](f) *g* ~h~ $i$\n<!-- assets diff -->\\"


def test_nothing_of_a_name_is_markup():
    """No cell, no code, no HTML, no mention, no link, no reference, no marker."""
    one = AssetChange(ODD, "added", (ODD,), kind=ODD, guess=ODD)
    found = Difference(
        settings=(Change("vars", "changed", ODD, ODD, ODD),),
        assets=(one, AssetChange(ODD, "changed", (ODD,), changes=(Change("tags", "added", ODD),))),
        columns=(RemovedColumn(ODD, ODD, "both", (Reader(ODD, (ODD,), (ODD,), (ODD,)), Reader(ODD, still=True))),),
        below=(Below(ODD, 2, (ODD,)),),
        concerned=(Concerned(ODD, (ODD,), (ODD,)),),
        cosmetic=(ODD,),
    )
    value = report(
        found, project=ODD, environment=ODD, base=Base(ODD, None), warnings=(Problem("A0916", ODD, "warning"),)
    )
    text = "\n".join(diff_markdown.lines(value))
    assert text.count(diff_markdown.MARKER) == 1
    for line in text.splitlines()[1:]:
        # What an empty element takes apart is no mention, reference or link.
        apart = line.replace("<!-- -->", "\0").replace("**", "").replace("<br>", "")
        assert not re.search(
            r"@\w|#\w|://|www\.\w|[`*\[\]~$\\]|(?<!\w)_|<(?!/?(details|summary)>)|&(?!#\d+;)",
            re.sub(r"&#\d+;", "", apart),
        ), line
        if line.startswith("|"):
            assert line.count("|") in (4, 5)


def test_the_document_of_everything_is_as_its_schema_has_it():
    """Also where all parts are there."""
    value = many(3)._replace(next=Next(1, 0, ("a",), None, 1))
    jsonschema.validate(json.loads(json.dumps(diff_document.document(value))), json.loads(schema_text("diff")))


def test_an_error_is_told_as_any_other(shown):
    """Without a traceback, and with the code."""
    screen = shown(AssetsError(Problem("A0905", "no revision is named 'main'", hint="did you mean mine?")))
    assert screen == ("", "error[A0905]: no revision is named 'main'\n  hint: did you mean mine?\n", 2)


def test_names_that_would_move_the_cursor(shown):
    """A line break and an escape are shown, or left out."""
    found = Difference(assets=(AssetChange("a", "changed", changes=(Change("code", "added", "x\n\x1b[31my"),)),))
    assert "code added: x\\ny\n" in shown(report(found)).out
