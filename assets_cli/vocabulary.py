"""The words of a project that completion offers: names, tags, groups, owners, kinds, files of its assets.

Whoever has read a manifest keeps its words in a small file below `.assets/cache`, together with the stat of every file
that they come from and of every folder whose contents an `include` depends on. While these stand, recalling the words
costs one read. Otherwise a glance at the lines of the manifest has to do: it takes what looks like a name, since a name
too many does no harm. A Tab key waits for this module, so it imports nothing that takes time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

# mypy reads this, Python need not: what a manifest is takes longer to import than completion has.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from assets_cli.model.manifest import Manifest

SORTS = ("name", "tag", "group", "owner", "kind", "path")
MANIFESTS = ("assets.yml", "assets.yaml")
CACHE = ".assets/cache/words"
_TITLE = "assets words 1"
_KEYS = {"tag": "tags:", "group": "group:", "owner": "owner:", "kind": "kind:"}
_COMMANDS = ("shell", "sql", "python")
_MOST_FILES = 500
_MOST_FOLDERS = 1_000
_MOST_TEXT = 16 << 20
_GLANCE = 10_000


def find(start: str) -> tuple[str, str] | None:
    """The folder and the name of the manifest that a folder belongs to."""
    folder = os.path.abspath(start)  # noqa: PTH100 - pathlib takes a tenth of the time that completion has
    while True:
        for name in MANIFESTS:
            if os.path.isfile(f"{folder}/{name}"):  # noqa: PTH113 - as above
                return folder, name
        above = os.path.dirname(folder)  # noqa: PTH120 - as above
        if above == folder:
            return None
        folder = above


def words(root: str, file: str, sort: str) -> Iterable[str]:
    """All words of one of the `SORTS`, as they were kept or at a glance. Never fails."""
    kept = recall(root, file)
    return kept[sort] if kept is not None else sorted(set(glance(root, file, sort)))


# -- kept ----------------------------------------------------------------------------------------------------------


def keep(manifest: Manifest, since: int) -> None:
    """Keep the words of a manifest whose reading began at `since` (nanoseconds), if they are not. Never fails.

    Not those of files that were changed meanwhile, since nobody knows which of their contents was read.
    """
    try:
        kept = _read(f"{manifest.root}/{CACHE}")
        if kept is not None and _files(kept) == list(manifest.files) and _stands(manifest.root, kept):
            return
        _write(manifest, since)
    except (OSError, ValueError):
        return


def recall(root: str, file: str) -> Mapping[str, list[str]] | None:
    """The words that were kept, or None where there are none or a file has changed since."""
    kept = _read(f"{root}/{CACHE}")
    if kept is None or _files(kept)[:1] != [file] or not _stands(root, kept):
        return None
    blocks = kept.split("\n\n")[1:]
    if len(blocks) != len(SORTS):
        return None
    return {sort: block.split("\n") if block else [] for sort, block in zip(SORTS, blocks, strict=True)}


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as above
            text = file.read()
    except (OSError, ValueError):
        return None
    return text if text.startswith(_TITLE + "\n") else None


def _files(kept: str) -> list[str]:
    """The manifest's files, the first of which is its root."""
    head = kept.partition("\n\n")[0]
    return [line.split(" ", 2)[2] for line in head.split("\n")[1:] if line.startswith("f ")]


def _stands(root: str, kept: str) -> bool:
    head = kept.partition("\n\n")[0]
    return all(line == _watched(root, line[:1], line.split(" ", 2)[-1]) for line in head.split("\n")[1:])


def _watched(root: str, kind: str, path: str) -> str | None:
    """The line that stands for a file (`f`) or a folder (`d`); None where it is not there."""
    try:
        stat = os.stat(os.path.join(root, path))  # noqa: PTH116, PTH118 - as above
    except (OSError, ValueError):
        return None
    size = stat.st_size if kind == "f" else 0
    return f"{kind} {size}:{stat.st_mtime_ns}:{stat.st_ino} {path}"


def _write(manifest: Manifest, since: int) -> None:
    root = manifest.root
    target = f"{root}/{CACHE}"
    os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120 - as above
    lines = [_watched(root, "f", file) for file in manifest.files]
    if len(lines) > 1:
        lines += [_watched(root, "d", folder) for folder in _folders(root, manifest.files[0])]
    if None in lines or any(os.stat(os.path.join(root, file)).st_mtime_ns >= since for file in manifest.files):  # noqa: PTH116, PTH118
        return
    found: dict[str, dict[str, None]] = {sort: {} for sort in SORTS}
    for asset in manifest.assets.values():
        found["name"][asset.name] = None
        found["tag"].update(dict.fromkeys(asset.tags))
        found["tag"].update((tag.partition("=")[0], None) for tag in asset.tags)
        found["owner"].update(dict.fromkeys(asset.owners))
        found["kind"][asset.kind] = None
        found["path"][asset.place.file] = None
        if asset.group:
            found["group"][asset.group] = None
    blocks = ["\n".join([_TITLE, *filter(None, lines)])]
    blocks += ["\n".join(sorted(word for word in found[sort] if word.isprintable())) for sort in SORTS]
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:  # noqa: PTH123 - as above
            file.write("\n\n".join(blocks))
        os.replace(temporary, target)  # noqa: PTH105 - as above
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108 - as above
        raise


def _folders(root: str, file: str) -> list[str]:
    """The folders in which a new file would be included."""
    import glob  # only where something is written

    found: dict[str, None] = {}
    for pattern in patterns(_text(f"{root}/{file}")):
        parts = pattern.split("/")
        wild = next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts))
        for index in range(wild, len(parts)):
            prefix = "/".join(parts[:index])
            found.update(dict.fromkeys(glob.glob(f"{prefix}/", root_dir=root, recursive=True) if prefix else ["."]))  # noqa: PTH207
    return list(found)[:_MOST_FOLDERS]


# -- at a glance -----------------------------------------------------------------------------------------------------


def glance(root: str, file: str, sort: str) -> Iterator[str]:
    """What looks like a word of this sort in the lines of a manifest and of what it includes."""
    for path, text in _texts(root, file):
        if sort == "name":
            yield from names(text)
        elif sort == "path":
            yield path
        else:
            for value in _values(text, _KEYS[sort]):
                yield value
                if sort == "tag":
                    yield value.partition("=")[0]
        if sort == "kind":
            yield "external"
            yield from (command for command in _COMMANDS if f"{command}:" in text)


def environments(root: str, file: str) -> Iterator[str]:
    """The names of the environments, where each begins a line."""
    _, found, block = ("\n" + _text(f"{root}/{file}")).partition("\nenvironments:")
    indent = 0
    for line in block.split("\n")[1:] if found else ():
        stripped = line.lstrip(" ")
        if not stripped or stripped.startswith("#"):
            continue
        indent = indent or len(line) - len(stripped)
        if not line.startswith(" "):
            return
        if len(line) - len(stripped) == indent:
            yield _scalar(stripped.partition(":")[0])


def patterns(text: str) -> list[str]:
    """What a manifest includes, as far as it is written on the line of the key or in lines below."""
    _, found, block = ("\n" + text).partition("\ninclude:")
    lines = block[:_GLANCE].split("\n") if found else []
    count = next((n for n, line in enumerate(lines) if n and not line.startswith((" ", "-", "]", "#"))), len(lines))
    uncommented = (line.partition(" #")[0] for line in lines[:count] if not line.startswith("#"))
    parts = " ".join(uncommented).translate(str.maketrans("[],\"'", "     ")).split()
    return [part for part in parts if part != "-"]


def names(text: str) -> Iterator[str]:
    """The names of the assets that a file seems to define: the key `name` of the items of its list `assets`."""
    _, found, block = ("\n" + text).partition("\nassets:")
    if not found:
        return
    first = next((line for line in block[:_GLANCE].split("\n")[1:] if line.lstrip(" ").startswith("- ")), "")
    if block[:_GLANCE].partition("\n")[0].strip().startswith("[") or not first:
        yield from _values(block, "name:")
        return
    indent = " " * (len(first) - len(first.lstrip(" ")))
    key = f"\n{indent}  name:"
    for item in block.split(f"\n{indent}- ")[1:]:
        # The quick way for most; the places where the key may stand otherwise.
        at = 5 if item.startswith("name: ") else _after(item, key)
        end = item.find("\n", at)
        name = item[at : end if end >= 0 else at + _GLANCE].strip() if at else ""
        if not name.isidentifier():
            name = _scalar(name)
        if name:
            yield name


def _after(item: str, key: str) -> int:
    """Where the name of an item stands; 0 where it has none."""
    begun = item.lstrip(" {")
    if begun.startswith("name:"):
        return len(item) - len(begun) + 5
    key = " name:" if item.startswith("{") else key
    at = item.find(key)
    return at + len(key) if at >= 0 else 0


def _values(text: str, key: str) -> Iterator[str]:
    """The values of a key wherever it stands: one, or a list in either style."""
    at = text.find(key)
    while at >= 0:
        if at == 0 or text[at - 1] in " \n{,-":
            end = text.find("\n", at)
            line = text[at + len(key) : end if end >= 0 else len(text)].strip()
            if line.startswith("["):
                yield from filter(None, map(_scalar, line[1:].partition("]")[0].split(",")))
            elif line and not line.startswith("#"):
                yield _scalar(line)
            elif end >= 0:
                yield from _items(text, end + 1)
        at = text.find(key, at + len(key))


def _items(text: str, at: int) -> Iterator[str]:
    """The items of a list of one item a line that begins here."""
    for line in text[at : at + _GLANCE].split("\n"):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            if not stripped.startswith("- ") or ": " in stripped:
                return
            yield _scalar(stripped[2:])


def _scalar(text: str) -> str:
    """The value at the beginning of a text, without its quotes."""
    text = text.strip()
    if text[:1] in ('"', "'"):
        return text[1:].partition(text[0])[0]
    for end in (" #", ",", "}", "]", "{"):
        text = text.partition(end)[0]
    return text.rstrip()


def _texts(root: str, file: str) -> Iterator[tuple[str, str]]:
    """The files of a manifest with their texts, up to a number and a size that can be read while somebody waits."""
    text = _text(f"{root}/{file}")
    yield file, text
    size = len(text)
    included = patterns(text)
    if not included:
        return
    import glob  # only where something is included

    seen = {file}
    for pattern in included:
        for path in glob.iglob(pattern, root_dir=root, recursive=True):  # noqa: PTH207 - as above
            if path in seen:
                continue
            seen.add(path)
            if len(seen) > _MOST_FILES or size > _MOST_TEXT:
                return
            text = _text(os.path.join(root, path))  # noqa: PTH118 - as above
            size += len(text)
            yield os.path.normpath(path), text


def _text(path: str) -> str:
    try:
        if not os.path.isfile(path):  # noqa: PTH113 - as above
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            return file.read(_MOST_TEXT)
    except (OSError, ValueError):
        return ""
