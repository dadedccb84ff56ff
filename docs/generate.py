"""Keeps the documentation true: writes the reference from the code, and runs every walk through a terminal.

    generate.py            write everything anew
    generate.py --check    say what differs, and fail

A page's `console` blocks are walked in order in one empty folder: a line that starts with `$ ` is a command, what
follows is its output, both streams. A block such as ```` ```yaml file=assets.yml ```` writes that file first. Times,
run ids, digests and temporary paths may differ; everything else may not.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent
ROOT = DOCS.parent
GENERATED = "<!-- written by docs/generate.py; edit what it is made from -->\n\n"
_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARIES = [
    (re.compile(r"\d{8}T\d{6}\.\d{6}-[0-9a-f]{4}"), "RUN"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s)\b|\b\d+[mhd]( \d+[smh])?\b(?= ago)|\bjust now\b|\b\d+ \w+ ago\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?Z?)?"), "WHEN"),
    (re.compile(r"\([0-9a-f]{8} -> [0-9a-f]{8}\)"), "(OLD -> NEW)"),
    (re.compile(r"\d+ jobs?"), "N jobs"),
    (re.compile(r" +"), " "),
]


class Block(NamedTuple):
    """A fenced block: its language, the words behind it, its text and where the text lies in the page."""

    language: str
    words: str
    text: str
    start: int
    end: int


def pages() -> list[Path]:
    """All pages with prose: the README and everything in docs."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for match in _FENCE.finditer(text):
        yield Block(match[1], match[2].strip(), match[3], match.start(3), match.end(3))


class Terminal:
    """A shell in a folder of its own, 80 columns wide, without colour."""

    def __init__(self, folder: Path) -> None:
        self.cwd = folder
        scripts = sysconfig.get_path("scripts")
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ASSETS_") and key != "CI"}
        self._environment = {
            **clean,
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "80",
            "NO_COLOR": "1",
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def type(self, command: str) -> str:
        """What a command prints, on both streams; `cd` lasts."""
        done = subprocess.run(  # noqa: S602 - the commands of our own pages
            f'{command}\nstatus=$?\nprintf "\\036%s" "$PWD"\nexit $status',
            shell=True,
            executable="/bin/bash",
            cwd=self.cwd,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
        )
        shown, _, cwd = done.stdout.rpartition("\036")
        self.cwd = Path(cwd)
        return shown


def walk(text: str) -> str:
    """The page with the output of every command as it is now.

    Raises:
        OSError: a file that the page writes cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        terminal = Terminal(Path(folder).resolve())
        parts, position = [], 0
        for block in blocks(text):
            if target := re.fullmatch(r"file=(\S+)", block.words):
                path = terminal.cwd / target[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
            if block.language == "console":
                parts += [text[position : block.start], _session(terminal, block.text)]
                position = block.end
        return "".join([*parts, text[position:]]).replace(str(Path(folder).resolve()), "/home/you")


def _session(terminal: Terminal, text: str) -> str:
    shown = []
    for line in re.split(r"^(?=\$ )", text, flags=re.MULTILINE):
        if not line.startswith("$ "):
            continue
        command = line[2:].split("\n", 1)[0]
        output = terminal.type(command).rstrip("\n")
        shown.append(f"$ {command}\n" + (f"{output}\n" if output else ""))
    return "\n".join(shown) if len(shown) > 1 else "".join(shown)


def settled(text: str) -> str:
    """The text without what may differ from run to run."""
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


# -- the reference ---------------------------------------------------------------------------------------------------


def command_page() -> str:
    """Every command with its help, as the program prints it."""
    from assets_cli.cli.commands import TABLE  # the table that the program itself reads

    lines = [GENERATED + "# The command line", ""]
    for name in ("", *TABLE):
        arguments = [*name.split(), "--help"]
        done = subprocess.run(
            [sys.executable, "-m", "assets_cli", *arguments],
            env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
            capture_output=True,
            check=True,
            text=True,
        )
        lines += [f"## `assets {name}`".replace(" `", "`") if not name else f"## `assets {name}`", ""]
        lines += ["```text", done.stdout.rstrip(), "```", ""]
    return "\n".join(lines)


def manifest_page() -> str:
    """Every key of the manifest, from the schema's own descriptions."""
    schema = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text())
    lines = [GENERATED + "# The manifest", "", schema["description"], ""]
    lines += ["| key | value | meaning |", "|---|---|---|", *_rows(schema, schema, ""), ""]
    return "\n".join(lines)


def _rows(schema: dict[str, object], node: dict[str, object], prefix: str) -> Iterator[str]:
    properties = node.get("properties")
    if not isinstance(properties, dict):
        return
    for key, declared in properties.items():
        found = _resolve(schema, declared)
        meaning = (
            str(declared.get("description") or found.get("description", "")).replace("|", "\\|").replace("\n", " ")
        )
        yield f"| `{prefix}{key}` | {_kind(schema, found)} | {meaning} |"
        for each in [found, *(_resolve(schema, option) for option in found.get("oneOf", found.get("anyOf", [])))]:
            yield from _rows(schema, each, f"{prefix}{key}.")
            if isinstance(each.get("items"), dict):
                yield from _rows(schema, _resolve(schema, each["items"]), f"{prefix}{key}[].")
            if isinstance(each.get("additionalProperties"), dict):
                yield from _rows(schema, _resolve(schema, each["additionalProperties"]), f"{prefix}{key}.NAME.")


def _resolve(schema: dict[str, object], node: dict[str, object]) -> dict[str, object]:
    found: object = node
    if isinstance(node.get("$ref"), str):
        found = schema
        for key in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found[key]  # type: ignore[index]
    return found  # type: ignore[return-value]


def _kind(schema: dict[str, object], node: dict[str, object]) -> str:
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])  # type: ignore[attr-defined]
    if "const" in node:
        return f"`{node['const']}`"
    for union in ("oneOf", "anyOf"):
        if union in node:
            kinds = (_kind(schema, _resolve(schema, option)) for option in node[union])  # type: ignore[attr-defined]
            return " or ".join(dict.fromkeys(kinds))
    names = {
        "string": "text",
        "integer": "whole number",
        "object": "mapping",
        "array": "list",
        "boolean": "true or false",
    }
    kind = node.get("type", "any")
    return " or ".join(names.get(each, each) for each in (kind if isinstance(kind, list) else [str(kind)]))


def codes_page() -> str:
    """Every problem code with its explanation."""
    from assets_cli.model.codes import CODES

    lines = [GENERATED + "# Problem codes", "", "`assets explain CODE` prints the same.", ""]
    for code, (title, explanation) in sorted(CODES.items()):
        lines += [f"## {code}: {title}", "", explanation, ""]
    return "\n".join(lines)


REFERENCE = {"cli.md": command_page, "manifest.md": manifest_page, "codes.md": codes_page}


def expected(page: Path) -> str:
    """What a page should say now."""
    if page.parent == DOCS / "reference" and page.name in REFERENCE:
        return REFERENCE[page.name]()
    return walk(page.read_text())


def main() -> int:
    """Write, or with --check compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is not true any more")
    check = parser.parse_args().check
    wrong = 0
    for page in dict.fromkeys([*(DOCS / "reference" / name for name in REFERENCE), *pages()]):
        now = expected(page)
        before = page.read_text() if page.exists() else ""
        if settled(now) == settled(before):
            continue
        wrong += 1
        print(f"{page.relative_to(ROOT)} {'is not true any more' if check else 'written anew'}")
        if not check:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(now)
    return int(check and wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
