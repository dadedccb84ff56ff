"""A file that the user names and we write: refused early where it cannot be, and there whole or not at all.

Knows nothing of what is written.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from assets_cli.model.manifest import Manifest
from assets_cli.model.problem import AssetsError, Problem, system_reason


class NewFile:
    """A file to be written, in place of one that is there. `option` is what named it, for messages."""

    def __init__(self, path: Path, option: str) -> None:
        self.path = path
        self._option = option
        self._target = Path(os.path.realpath(path))
        self._temporary = self._target.with_name(f".{self._target.name}.{os.getpid()}.tmp")

    def require(self, manifest: Manifest) -> None:
        """See that it can be written, before anything is done that it is to tell of.

        Raises:
            AssetsError: it cannot, or a file of the project would be lost (A0822).
        """
        reason = self._in_the_way(manifest)
        if reason is not None:
            raise self._refusal(reason)
        try:
            self._temporary.open("x").close()
            self._temporary.unlink()
        except OSError as error:
            raise self._refusal(system_reason(error)) from None

    def write(self, text: str) -> None:
        """Write it, at once or not at all.

        Raises:
            AssetsError: it cannot be written (A0822).
        """
        try:
            with self._temporary.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self._temporary.replace(self._target)
        except OSError as error:
            if not isinstance(error, FileExistsError):
                with suppress(OSError):
                    self._temporary.unlink()
            raise self._refusal(system_reason(error)) from None

    def _in_the_way(self, manifest: Manifest) -> str | None:
        """Why nothing may be written there, if so."""
        if self._target.is_dir():
            return "is a directory"
        if self._target.exists() and not self._target.is_file():
            return "it is no regular file"
        if not self._target.parent.is_dir():
            return "there is no such directory"
        root = Path(manifest.root)
        outputs = (asset.output.path for asset in manifest.assets.values() if asset.output and asset.output.path)
        ours = {os.path.realpath(root / name) for name in (*manifest.files, manifest.state, *outputs)}
        return "it is a file of the project" if str(self._target) in ours else None

    def _refusal(self, reason: str) -> AssetsError:
        hint = f"name another file with {self._option}"
        return AssetsError(Problem("A0822", f"cannot write {self.path}: {reason}", hint=hint))
