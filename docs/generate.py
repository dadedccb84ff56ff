"""Keeps the documentation true: writes the reference from the code, and runs every walk through a terminal.

    generate.py            write the pages that are not true any more
    generate.py --anew     write all, so that their times are this machine's
    generate.py --check    say what differs, and fail

A page's `console` blocks are walked in order in one empty folder: a line that starts with `$ ` is a command, what
follows is its output, both streams. A block such as ```` ```yaml file=assets.yml ```` writes that file first, and
```` ```yaml append=assets.yml ```` adds to its end. Times, run ids, digests and temporary paths may differ; everything
else may not.
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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

Node = dict[str, Any]
DOCS = Path(__file__).parent
ROOT = DOCS.parent
GENERATED = "<!-- written by docs/generate.py; edit what it is made from -->\n\n"
_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARIES = [
    (re.compile(r"\d{8}T\d{6}\.\d{6}-[0-9a-f]{4}"), "RUN"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s)\b|\b\d+[mhd]( \d+[smh])?\b|\bjust now\b|\b\d+ \w+ ago\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?Z?)?|\b\d\d:\d\d(:\d\d)?\b"), "WHEN"),
    # How wide a time is decides where a line breaks, and a separator at the break is left out.
    (re.compile(r" ·(?= |$)|\n {4,}(?=\S)", re.MULTILINE), " "),
    (re.compile(r" +"), " "),
    (re.compile(r"\([0-9a-f]{8} -> [0-9a-f]{8}\)"), "(OLD -> NEW)"),
    (re.compile(r"\([0-9a-f]{8}\)|\b[0-9a-f]{8}(?=, where this left)"), "(COMMIT)"),
    (re.compile(r"\b(DuckDB|SQLite) \d+(\.\d+)+"), r"\1 VERSION"),
    (re.compile(r"\d+ jobs?"), "N jobs"),
    (re.compile(r"longest path TIME: .*"), "longest path"),
    (re.compile(r"^(\*? ?\S+ +)(?=[^▁▂▃▄▅▆▇\n]*$)[─█▒▶ ]*[█▒▶][─█▒▶ ]*", re.MULTILINE), r"\1BAR "),
    (re.compile(r"[▁▂▃▄▅▆▇█]+"), "LINE"),
    (re.compile(r"data version \S+"), "data version V"),
    (re.compile(r"\n ?(?=about TIME|run RUN)"), " "),
    (re.compile(r"on \S+, process \d+"), "on HOST, process N"),
    (re.compile(r"\(\d+\.\d KB\)"), "(SIZE)"),
]
_EVENT = re.compile(r"^(?:\[\d+/(\d+)\]|     ) +(\S+ +(?:started|succeeded|failed|skipped|blocked)\b.*)$")


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
        home = Path(folder).resolve() / "pipeline"  # a project without a name takes its folder's
        home.mkdir()
        terminal = Terminal(home)
        parts, position = [], 0
        for block in blocks(text):
            if target := re.fullmatch(r"(file|append)=(\S+)", block.words):
                path = terminal.cwd / target[2]
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("w" if target[1] == "file" else "a") as file:
                    file.write(block.text)
            if block.language == "console":
                parts += [text[position : block.start], _session(terminal, block.text)]
                position = block.end
        return "".join([*parts, text[position:]]).replace(str(home), "/home/you/pipeline")


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
    """The text without what may differ from run to run; steps side by side end in any order."""
    text = _sorted(text)
    for pattern, name in _VARIES:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def _sorted(text: str) -> str:
    text = re.sub(r"\n {9,}(?=\S)", " ", text)  # the rest of a line that was folded
    lines: list[str] = []
    events: list[str] = []
    for line in [*text.splitlines(), ""]:
        if event := _EVENT.match(line):
            events.append(f"[{event[1] or ''}] {event[2]}")
        else:
            lines += [*sorted(events), line]
            events = []
    return "\n".join(lines)


# -- the reference ---------------------------------------------------------------------------------------------------


def command_page() -> str:
    """Every command with its help, as the program prints it."""
    from assets_cli.cli.commands import TABLE  # the table that the program itself reads

    lines = [GENERATED + "# The command line", ""]
    actions = {entry.name: [action.name for action in entry.actions.values()] for entry in TABLE.values()}
    for name in ("", *(name for command in TABLE for name in (command, *actions[command]))):
        arguments = [*name.split(), "--help"]
        done = subprocess.run(
            [sys.executable, "-m", "assets_cli", *arguments],
            env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
            capture_output=True,
            check=True,
            text=True,
        )
        lines += [f"## `{' '.join(['assets', *name.split()])}`", ""]
        lines += ["```text", done.stdout.rstrip(), "```", ""]
    return "\n".join(lines)


def manifest_page() -> str:
    """Every key of the manifest, from the schema's own descriptions: a section for each mapping."""
    import yaml  # as in the manifest itself

    schema = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text())
    sections = _sections(schema)
    lines = [GENERATED + "# The manifest", "", schema["description"], ""]
    lines += ["Every key has one table below. `NAME` stands for a name of your own, `[]` for each item of a list.", ""]
    lines += [f"- [{title}](#{_anchor(title)})" for title in sections]
    for title, (key, node) in sections.items():
        lines += ["", f"## {title}", ""]
        if key:
            lines += [str(node["description"]), ""]
        if key == "defaults":
            lines += ["It may hold " + ", ".join(f"`{each}`" for each in node["properties"]), ""]
            lines[-2] += f": what they mean is under [Asset](#{_anchor('Asset')})."
        else:
            titles = {id(found): title for title, (_, found) in sections.items()}
            lines += ["| key | value | meaning |", "|---|---|---|", *_rows(schema, node, "", titles), ""]
        for example in node.get("examples", [])[:3] if key else []:
            held = {
                "assets": [example],
                "checks": [example],
                "connections": {"warehouse": example},
                "environments": {"prod": example},
                "policies": [example],
            }
            shown = yaml.safe_dump({key: held.get(key, example)}, sort_keys=False, allow_unicode=True, width=76)
            lines += ["```yaml", shown.rstrip(), "```", ""]
        del lines[-1]
    return "\n".join([*lines, ""])


def _sections(schema: Node) -> dict[str, tuple[str, Node]]:
    """The mappings that deserve a table, by title, each with the key under which it stands."""
    found: dict[str, tuple[str, Node]] = {"Top level": ("", schema)}
    waiting = [schema]
    while waiting:
        for key, node in _inner(schema, waiting.pop(0)):
            if "$ref" in node and _resolve(schema, node).get("properties"):
                whole = _resolve(schema, node)
                title = str(whole["title"])
                if title not in found:
                    found[title] = (key, whole)
                    waiting.append(whole)
            else:
                waiting.append(_resolve(schema, node))
    return found


def _inner(schema: Node, node: Node) -> Iterator[tuple[str, Node]]:
    """What a mapping's keys hold, through lists, unions and mappings with names of the user's own."""
    for key, declared in (node.get("properties") or {}).items():
        yield key, declared
        found = _resolve(schema, declared)
        for each in (found, *(_resolve(schema, option) for option in found.get("anyOf", ()))):
            for inside in (each.get("items"), each.get("additionalProperties")):
                if isinstance(inside, dict):
                    yield key, inside
                    yield from ((key, deeper) for deeper in (inside.get("additionalProperties"),) if deeper)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def _rows(schema: Node, node: Node, prefix: str, titles: dict[int, str]) -> Iterator[str]:
    properties = node.get("properties")
    if not isinstance(properties, dict):
        return
    required = node.get("required", [])
    for key, declared in properties.items():
        found = _resolve(schema, declared)
        meaning = str(declared.get("description") or found.get("description", ""))
        if "default" in {**found, **declared}:
            meaning += f" Default: `{_text(declared.get('default', found.get('default')))}`."
        if key in required:
            meaning += " Required."
        inside = [found, *(_resolve(schema, option) for option in found.get("oneOf") or found.get("anyOf") or [])]
        for each in list(inside):
            more = (each.get("items"), each.get("additionalProperties"))
            inside += [_resolve(schema, one) for one in more if isinstance(one, dict)]
        linked = next((titles[id(each)] for each in inside if id(each) in titles), None)
        if linked:
            meaning += f" See [{linked}](#{_anchor(linked)})."
        meaning = meaning.replace("|", "\\|").replace("\n", " ")
        yield f"| `{prefix}{key}` | {_kind(schema, found)} | {meaning} |"
        for each in [] if linked else inside:
            listed = any(each is _resolve(schema, one["items"]) for one in inside if isinstance(one.get("items"), dict))
            yield from _rows(schema, each, f"{prefix}{key}{'[]' if listed else ''}.", titles)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _resolve(schema: Node, node: Node) -> Node:
    found = node
    if isinstance(node.get("$ref"), str):
        found = schema
        for key in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found[key]
    return found


def _kind(schema: Node, node: Node) -> str:
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    for union in ("oneOf", "anyOf"):
        if union in node:
            kinds = (_kind(schema, _resolve(schema, option)) for option in node[union])
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
    for code, (title, explanation, rule) in sorted(CODES.items()):
        lines += [f"## {code}: {title}", "", explanation, ""]
        if rule is not None:
            lines += [f"A doubt: `rules: {{{code}: off}}` turns it off, for the project or for one asset.", ""]
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
    parser.add_argument("--anew", action="store_true", help="write pages that are still true, too")
    check, anew = parser.parse_args().check, parser.parse_args().anew
    wrong = 0
    every = list(dict.fromkeys([*(DOCS / "reference" / name for name in REFERENCE), *pages()]))
    texts = [page.read_text() if page.exists() else "" for page in every]
    with ThreadPoolExecutor(1 if anew else os.cpu_count()) as pool:  # for times that are nobody else's, one by one
        wanted = list(pool.map(expected, every))
    for page, before, now in zip(every, texts, wanted, strict=True):
        if now == before or (not anew and settled(now) == settled(before)):
            continue
        wrong += 1
        if page.exists() and page.read_text() != before:
            print(f"{page.relative_to(ROOT)} was edited meanwhile and is left as it is")
            continue
        print(f"{page.relative_to(ROOT)} {'is not true any more' if check else 'written anew'}")
        if not check:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(now)
    return int(check and wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
