"""Shell completion: the scripts, and the answers to them. Imports neither Typer nor the manifest's reader.

Words come from the table of commands, asset names from the lines of the manifest that look like one: a Tab key has no
time for more, and a name too many does no harm.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from assets_cli.cli.commands import GLOBAL_OPTIONS, TABLE

SCRIPTS = {
    "bash": """\
# eval "$(assets --completion bash)"
_assets() {
    local IFS=$'\\n'
    COMPREPLY=($(_ASSETS_COMPLETE=bash _ASSETS_WORDS="${COMP_WORDS[*]:1:COMP_CWORD}" assets 2>/dev/null))
}
complete -o default -F _assets assets
""",
    "zsh": """\
# eval "$(assets --completion zsh)"
_assets() {
    local -a found
    found=("${(@f)$(_ASSETS_COMPLETE=zsh _ASSETS_WORDS="${(F)words[2,CURRENT]}" assets 2>/dev/null)}")
    compadd -a found || _files
}
compdef _assets assets
""",
    "fish": """\
# assets --completion fish | source
function _assets
    set -l words (commandline -opc)[2..] (commandline -ct)
    _ASSETS_COMPLETE=fish _ASSETS_WORDS=(string join \\n -- $words | string collect) assets 2>/dev/null
end
complete -c assets -a '(_assets)'
""",
}
_MANIFESTS = ("assets.yml", "assets.yaml")
_NAME = re.compile(r"^\s*(?:-\s*)?\{?\s*name:\s*[\"']?([^\s\"'#,}]+)", re.MULTILINE)
_INCLUDE = re.compile(r"^include:\s*(.*(?:\n\s*-\s*.*)*)", re.MULTILINE)
_GLOB = re.compile(r"[^\s\"',\[\]#]+\.ya?ml")
_MOST_FILES = 500


def answer(environ: Mapping[str, str]) -> int:
    """Print what the last of `_ASSETS_WORDS`, one word a line, may become."""
    words = environ.get("_ASSETS_WORDS", "").split("\n") or [""]
    begun = words[-1]
    found = sorted({word for word in candidates(words[:-1], begun) if word.startswith(begun)})
    sys.stdout.write("".join(f"{word}\n" for word in found))
    return 0


def candidates(before: list[str], begun: str) -> Iterator[str]:
    """What may stand after these words."""
    valued = {name for names, value, _ in GLOBAL_OPTIONS if value for name in names}
    plain: list[str] = []
    directory = Path()
    waiting = ""
    for word in before:
        if waiting:
            directory = Path(word) if waiting == "-C" else directory
            waiting = ""
        elif word in valued:
            waiting = word
        else:
            plain.append(word)
    command = next((TABLE[word] for word in plain if word in TABLE), None)
    if waiting:
        yield from SCRIPTS if waiting == "--completion" else ()
    elif command is None:
        yield from (name for names, _, _ in GLOBAL_OPTIONS for name in names) if begun.startswith("-") else TABLE
    elif begun.startswith("-"):
        yield from (*command.options, "--help")
    else:
        yield from _arguments(command.words, directory)


def _arguments(words: str, directory: Path) -> Iterator[str]:
    """What a command's arguments may be."""
    if words == "assets":
        yield from asset_names(directory)
    elif words == "runs":
        yield "latest"
    elif words == "codes":
        from assets_cli.model.codes import CODES

        yield from CODES


def asset_names(directory: Path) -> Iterator[str]:
    """Names from the project at or above a directory, as far as a glance at its files tells them."""
    here = directory.absolute()
    found = (at / name for at in (here, *here.parents) for name in _MANIFESTS if (at / name).is_file())
    manifest = next(found, None)
    if manifest is None:
        return
    text = _read(manifest)
    yield from _NAME.findall(text)
    included = _INCLUDE.search(text)
    patterns = _GLOB.findall(included[1]) if included else []
    files = (file for pattern in patterns if not pattern.startswith("/") for file in manifest.parent.glob(pattern))
    for file in islice(files, _MOST_FILES):
        yield from _NAME.findall(_read(file))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
