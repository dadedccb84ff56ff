"""The files of a project as it is somewhere else: in a checkout of a commit, or in another folder.

What is known of contents is shared with the project that is here, and nothing is written there or into its caches.
"""

from __future__ import annotations

import os

from assets_cli.probing.files import Content, FileDigests
from assets_cli.repository.checkout import Checkout, pointed_at

_POINTER_SIZE = 1024


class FilesElsewhere(FileDigests):
    """Digests and facts of files below `root`; `checkout` is the commit that lies there, None for a folder as it is.

    What the work tree has as the commit has it is read there.
    """

    def __init__(self, root: str, here: FileDigests, checkout: Checkout | None = None) -> None:
        super().__init__(root, here.now_ns)
        self._here = here
        self._checkout = checkout
        self._loaded = {}, here.facts

    def full(self, path: str) -> str:
        """Where a file can be read; its contents are there from now on."""
        if self._checkout is None or path.startswith("/"):
            return super().full(path)
        return self._checkout.find(path)

    def content(self, path: str, stat: os.stat_result) -> Content:
        """What a file holds; of one that Git LFS keeps elsewhere the digest of that, as far as it is here, too.

        Raises:
            OSError: it is missing, unreadable or no regular file.
        """
        if self._checkout is None:
            return super().content(path, stat)
        if self._checkout.is_same(path):
            return self._here.content(path, stat)
        found = super().content(path, stat)
        if 0 < stat.st_size <= _POINTER_SIZE and (digest := pointed_at(self.full(path))):
            return found if pointed_at(self._here.full(path)) else found._replace(digest=digest)
        return found

    def save(self) -> None:
        """Nothing is kept of what is elsewhere; facts are kept with those of here."""
