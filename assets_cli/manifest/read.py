"""YAML text to plain values, each with its place: a loop over libyaml's events with a stack of its own.

PyYAML's own constructor keeps no places, recurses, and resolves texts by the rules of YAML 1.1. Here nothing recurses,
all limits hold while reading, and reading goes on after a mistake wherever that is possible. Knows no manifest key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from assets_cli.manifest.document import Document
from assets_cli.manifest.scalars import NUMERIC, WORDS, Ambiguous, resolve
from assets_cli.manifest.syntax import Sentence, broken_off, explain
from assets_cli.model.problem import Related

DEPTH: Final = 64
SCALAR: Final = 1 << 20
"""The longest text of one value, in characters."""
EXPANSION: Final = 100_000
"""How much a file may grow by its aliases, in values, beyond its own length in characters."""

_CONTROL: Final = bytes(code for code in range(32) if code not in b"\t\n\r") + b"\x7f"
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS: Final = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:bool": bool,
    "tag:yaml.org,2002:null": type(None),
    "tag:yaml.org,2002:map": dict,
    "tag:yaml.org,2002:seq": list,
}
_LETTERS: Final = frozenset("yYnN")
"""Names that people give to variables; as keys no reader of today takes them for true or false."""
_NO_KEY: Final = object()
_BROKEN: Final = "\0"
"""How the keys start of entries that are parsed and then dropped; no text of a file holds this character."""


class _Stop(Exception):  # noqa: N818 - a signal, not an error
    """Reading cannot go on; the problem is reported already."""


class _Anchor(NamedTuple):
    value: Any
    offset: int


def read(data: bytes, file: str) -> Document:
    """The values of a YAML file, and in the document's problems what is wrong with it. `file` is its name for people.

    A document without problems whose values are None is an empty one.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _undecodable(data, file, error.start)
    if text.startswith("\ufeff"):
        text, data = text[1:], data[3:]
    document = Document(file, text)
    if _has_control_characters(document, data):
        return document
    try:
        _Reader(document).run(CParser(data))
    except _Stop:
        document.values = None
    except yaml.YAMLError as error:
        document.values = None
        _report_syntax(document, error)
    return document


def _undecodable(data: bytes, file: str, offset: int) -> Document:
    before = data[:offset].decode().removeprefix("\ufeff")
    document = Document(file, before + data[offset : offset + 400].decode(errors="replace"))
    hint = "save the file as UTF-8"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        hint = "the file looks like UTF-16; " + hint
    document.report(len(before), "A0105", f"byte 0x{data[offset]:02x} is not valid UTF-8", hint)
    return document


def _has_control_characters(document: Document, data: bytes) -> bool:
    text = document.text
    if text.isascii() and len(data.translate(None, _CONTROL)) == len(data):
        return False
    found = False
    for match in _UNPRINTABLE.finditer(text):
        found = True
        message = f"control character U+{ord(match[0]):04X} cannot stand in a manifest"
        document.report(
            match.start(), "A0106", message, 'remove it, or write it as an escape between double quotes: "\\t"'
        )
        if len(document.problems) == 100:  # noqa: PLR2004 - a binary file: a hundred are enough to see what it is
            break
    return found


def _report_syntax(document: Document, error: yaml.YAMLError) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    offset = min(mark.index, len(document.text)) if mark else 0
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    sentence = explain(problem, str(getattr(error, "context", "")), document.text[offset : offset + 1])
    end = len(document.text.rstrip())
    if offset >= end and not sentence.opened:
        offset = max(0, end - 1)
        if problem.startswith("did not find expected node content"):
            sentence = Sentence("the file ends too early", "close what is open: a '[' or '{'")
    opening = getattr(error, "context_mark", None)
    if sentence.opened and opening:
        start = min(opening.index, len(document.text))
        offset, sentence = broken_off(document.text, start, offset) or (start, sentence)
    document.report(offset, "A0107", sentence.message, sentence.hint)


class _Reader:
    """Builds the values of one document. What the loop does not meet in every file is in the methods."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.anchors: dict[str, _Anchor] = {}
        self.merging: list[dict[str, Any]] = []
        self.broken: dict[int, dict[str, Any]] = {}
        self.positions: dict[int, tuple[dict[str, Any], dict[str, int]]] = {}
        self.texts: dict[str, str] = {}
        """The plain scalars that are texts wherever they stand: a few keys, and names. Equal ones become one."""
        self.expanded = 0
        self.aliased = False

    def run(self, parser: CParser) -> None:  # noqa: C901, PLR0912, PLR0915 - one loop: a call per event would double its time
        get: Callable[[], Any] = parser.get_event
        document = self.document
        all_marks = document.marks
        root: list[Any] = []
        container: Any = root
        marks: list[int] = []
        key: Any = _NO_KEY
        in_mapping = False
        stack: list[tuple[Any, list[int], Any, bool]] = []
        known = self.texts.get
        while True:
            event = get()
            kind = event.__class__
            if kind is ScalarEvent:
                offset = event.start_mark.index
                value = known(event.value)
                if value is None or event.style or event.tag is not None or event.anchor is not None:
                    value = self.scalar(event, offset, is_key=in_mapping and key is _NO_KEY)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                offset = event.start_mark.index
                child: Any = {} if kind is MappingStartEvent else []
                child_marks: list[int] = []
                all_marks[id(child)] = child_marks
                if event.tag is not None:
                    self.check_tag(event.tag, child.__class__, offset)
                if event.anchor is not None:
                    self.anchors[event.anchor] = _Anchor(child, offset)
                if in_mapping:
                    if key is _NO_KEY:
                        key = self.container_as_key(container, child, offset)
                        marks.append(offset)
                        stack.append((container, marks, key, True))
                    else:
                        container[key] = child
                        marks.append(offset)
                        stack.append((container, marks, _NO_KEY, True))
                else:
                    container.append(child)
                    marks.append(offset)
                    stack.append((container, marks, _NO_KEY, False))
                if len(stack) > DEPTH:
                    document.report(offset, "A0119", f"values are nested more than {DEPTH} deep", "flatten them")
                    raise _Stop
                container, marks, key, in_mapping = child, child_marks, _NO_KEY, kind is MappingStartEvent
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                if self.merging and self.merging[-1] is container:
                    self.merge(container, marks)
                container, marks, key, in_mapping = stack.pop()
                continue
            elif kind is AliasEvent:
                offset = event.start_mark.index
                value = self.alias(event.anchor, offset, container, stack)
            elif kind is DocumentStartEvent:
                if root:
                    hint = "keep one document in this file, and name further files under `include`"
                    document.report(event.start_mark.index, "A0110", "a second document starts here", hint)
                    break
                continue
            elif kind is StreamEndEvent:
                break
            else:
                continue
            if not in_mapping:
                container.append(value)
            elif key is _NO_KEY:
                if value.__class__ is not str or value in container or value == "<<":
                    value = self.unusual_key(container, marks, value, offset, plain=not getattr(event, "style", ""))
                key = value
            else:
                container[key] = value
                key = _NO_KEY
            marks.append(offset)
        self.finish(root, marks)

    def finish(self, root: list[Any], marks: list[int]) -> None:
        for container in self.broken.values():
            self._drop_entries(container, lambda name: name.startswith(_BROKEN))
        if self.aliased and self._weight(root) > self._limit:
            self._refuse_expansion(marks[0])
        if root:
            self.document.values, self.document.start = root[0], marks[0]

    # What one scalar means

    def scalar(self, event: Any, offset: int, *, is_key: bool) -> Any:
        """The value of a scalar that was not met before as a plain text."""
        value: Any = event.value
        if len(value) > SCALAR:
            value = self.too_large(value, offset)
        if event.tag is not None:
            value = self.tagged(event, value, offset)
        elif not event.style:
            text = value
            if text in WORDS or text[0] in NUMERIC:
                value = self.plain(text, offset, is_key=is_key)
            if value is text and text not in WORDS and offset not in self.document.flagged:
                self.texts[text] = text
        elif "\0" in value:
            value = self.null_character(value, offset)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(value, offset)
        return value

    def plain(self, text: str, offset: int, *, is_key: bool = False) -> Any:
        if is_key and text in _LETTERS:
            return text
        try:
            value = resolve(text)
        except Ambiguous as meaning:
            self.document.report(
                offset, "A0113", f"{_short(text)} is {meaning}", f'quote it if it is text: "{text[:40]}"'
            )
            return text
        if value.__class__ is not str:
            self.document.raw[offset] = text
        return value

    def tagged(self, event: Any, text: str, offset: int) -> Any:
        if event.tag in ("!", "tag:yaml.org,2002:str"):
            return self.null_character(text, offset) if "\0" in text else text
        value = text if event.style else self.plain(text, offset)
        self.check_tag(event.tag, value.__class__, offset)
        return value

    def check_tag(self, tag: str, kind: type, offset: int) -> None:
        if tag != "!" and _TAGS.get(tag) is not kind:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self.document.report(offset, "A0114", f"tag '{shown[:60]}' is not supported", "remove the tag")

    def too_large(self, text: str, offset: int) -> str:
        size = f"{len(text.encode()) / SCALAR:.1f} MiB"
        hint = "keep it in a file of its own and name that file"
        self.document.report(offset, "A0118", f"this value is {size} long, and at most 1 MiB is read", hint)
        return text[:100]

    def null_character(self, text: str, offset: int) -> str:
        self.document.report(offset, "A0106", "control character U+0000 cannot stand in a manifest", "remove it")
        return text.replace("\0", "\ufffd")

    # Keys

    def unusual_key(self, container: dict[str, Any], marks: list[int], key: Any, offset: int, *, plain: bool) -> str:
        """The key to go on with: of a duplicate, of one that is no text, or of a merge."""
        document = self.document
        if key.__class__ is not str:
            raw = document.raw.get(offset)
            if raw is None:
                return self.container_as_key(container, key, offset)
            document.report(
                offset, "A0112", f"key {_short(raw) or 'without text'} is not text", f'quote it: "{raw[:40]}"'
            )
            key = raw
        if key in container:
            first = document.place_at(marks[2 * self._position(container, key)])
            document.report(offset, "A0111", f"key {_short(key)} is here twice", "keep one of the two")
            document.problems[-1] = document.problems[-1]._replace(related=(Related(first, "first used here"),))
            return self._break(container, offset)
        if key == "<<" and plain:
            self.merging.append(container)
        return str(key)

    def container_as_key(self, container: dict[str, Any], child: Any, offset: int) -> str:
        what = "mapping" if isinstance(child, dict) else "list" if isinstance(child, list) else "value"
        hint = "a key is one text; quote it if it is meant as such"
        if what == "mapping" and self.document.text[max(0, offset - 1) : offset + 1] == "{{":
            hint = "quote the value if the '{{' is part of it"
        self.document.report(offset, "A0112", f"a {what} cannot be a key", hint)
        self.document.keep.append(child)
        return self._break(container, offset)

    def _position(self, container: dict[str, Any], key: str) -> int:
        """Which entry of its container a key is; of many duplicates each is found without going over all keys again."""
        _, positions = self.positions.setdefault(id(container), (container, {}))
        if key not in positions:
            index = len(container)
            for name in reversed(container):
                if name in positions:
                    break
                index -= 1
                positions[name] = index
        return positions[key]

    def _break(self, container: dict[str, Any], offset: int) -> str:
        self.broken[id(container)] = container
        return f"{_BROKEN}{offset}"

    def _drop_entries(self, container: dict[str, Any], dropped: Callable[[str], bool]) -> None:
        marks = self.document.marks[id(container)]
        entries = []
        for index, (name, value) in enumerate(container.items()):
            if dropped(name):
                self.document.keep.append(value)
            else:
                entries.append((name, value, marks[2 * index : 2 * index + 2]))
        container.clear()
        container.update((name, value) for name, value, _ in entries)
        marks[:] = [mark for _, _, pair in entries for mark in pair]

    # Aliases and merges

    def alias(self, name: str, offset: int, container: Any, stack: list[tuple[Any, list[int], Any, bool]]) -> Any:
        self.aliased = True
        anchor = self.anchors.get(name)
        if anchor is None:
            self.document.report(
                offset, "A0115", f"alias '*{name}' names no anchor", f"write '&{name}' before its first use"
            )
            return None
        if isinstance(anchor.value, (dict, list)) and (
            anchor.value is container or any(frame[0] is anchor.value for frame in stack)
        ):
            self.document.report(offset, "A0115", f"alias '*{name}' stands inside what it names", "name something else")
            return None
        if anchor.offset in self.document.raw:
            self.document.raw[offset] = self.document.raw[anchor.offset]
        return anchor.value

    def merge(self, container: dict[str, Any], marks: list[int]) -> None:
        """Replace the entry `<<` by those of the mappings that it names; explicit keys win, then earlier mappings."""
        self.merging.pop()
        offset = marks[2 * list(container).index("<<") + 1]
        source = container["<<"]
        self._drop_entries(container, lambda name: name == "<<")
        for mapping in source if isinstance(source, list) else [source]:
            if not isinstance(mapping, dict):
                if offset not in self.document.flagged:
                    hint = "name an anchor of a mapping: `<<: *common`"
                    self.document.report(offset, "A0117", "'<<' merges mappings, and this is none", hint)
                continue
            self.expanded += len(mapping)
            if self.expanded > self._limit:
                self._refuse_expansion(offset)
            origin = self.document.marks[id(mapping)]
            for index, (name, value) in enumerate(mapping.items()):
                if name not in container:
                    container[name] = value
                    marks += origin[2 * index : 2 * index + 2]

    @property
    def _limit(self) -> int:
        return EXPANSION + len(self.document.text)

    def _refuse_expansion(self, offset: int) -> None:
        message = "the aliases of this file stand for more than can be read"
        self.document.report(offset, "A0116", message, "write the values where they are used, or use `defaults`")
        raise _Stop

    def _weight(self, root: list[Any]) -> int:
        """How many values there are with every alias written out; long texts count more than once."""
        weights: dict[int, int] = {}
        stack: list[tuple[Any, bool]] = [(root, False)]
        while stack:
            node, seen = stack.pop()
            children = node.values() if isinstance(node, dict) else node
            if not seen and id(node) not in weights:
                stack.append((node, True))
                stack += ((child, False) for child in children if isinstance(child, (dict, list)))
            elif seen:
                weights[id(node)] = 1 + sum(
                    weights[id(child)]
                    if isinstance(child, (dict, list))
                    else 1 + (len(child) >> 6 if isinstance(child, str) else 0)
                    for child in children
                )
        return weights[id(root)]


def _short(text: str) -> str:
    return f"'{text[:40]}…'" if len(text) > 41 else f"'{text}'" if text else ""  # noqa: PLR2004 - about one line
