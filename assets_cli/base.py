"""What a project is compared with: a revision, laid out in a folder that goes away again, or another folder.

Finds the manifest there, also where it has moved since, and says what of it cannot be had. Reads no manifest.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from assets_cli.manifest.load import NAMES, find
from assets_cli.model.difference import Base
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.probing.elsewhere import FilesElsewhere
from assets_cli.probing.files import FileDigests
from assets_cli.repository.checkout import Checkout
from assets_cli.repository.git import Repository

_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SOME: Final = 3


class Elsewhere(NamedTuple):
    """The other state of a project. `root` is its folder, `file` the name of its manifest there, None without one.

    `repository` and `checkout` are there where it is a revision.
    """

    base: Base
    root: str
    file: str | None
    files: FilesElsewhere
    repository: Repository | None = None
    checkout: Checkout | None = None
    warnings: tuple[Problem, ...] = ()

    def fetch(self, name: str) -> None:
        """Have the contents of a file at its place."""
        if self.checkout is not None and not os.path.isabs(name):  # noqa: PTH117 - a string
            self.checkout.fill(name)

    def told(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """Problems of this state, with places that say so: `main:assets.yml:3:5`, as `git show` takes it."""
        return tuple(map(self._told, problems))

    def _told(self, problem: Problem) -> Problem:
        related = tuple(
            each._replace(place=each.place._replace(file=self.called(each.place.file))) for each in problem.related
        )
        message = problem.message.replace(self.root, self.base.name)
        if problem.place is None:
            return problem._replace(message=f"{self.base.name}: {message}", related=related)
        place = problem.place._replace(file=self.called(problem.place.file))
        return problem._replace(message=message, place=place, related=related)

    def called(self, file: str) -> str:
        """A file of this state as people call it."""
        if self.base.commit is None:
            return os.path.join(self.base.name, file)  # noqa: PTH118 - strings
        folder = os.path.dirname(self.base.manifest or "")  # noqa: PTH120 - as above
        revision = self.base.commit[:8] if self.base.merge_base else self.base.name
        return f"{revision}:{os.path.join(folder, file)}"  # noqa: PTH118 - as above


@contextmanager
def opened(base: str, typed_in: Path, here: FileDigests) -> Iterator[Elsewhere]:
    """The state that a base names, as long as this is open. `typed_in` is the folder that a path is relative to.

    Raises:
        AssetsError: it names none (A0901 to A0908), or something of it is lost (A0910).
    """
    if not base or base.startswith("-") or "\0" in base:
        message = f"'{base}' names neither a revision nor a folder"
        raise AssetsError(Problem("A0907", message, hint="such as: assets diff main..., assets diff HEAD~3"))
    folder = os.path.join(typed_in, base)  # noqa: PTH118 - an absolute one stands alone
    is_project = any(os.path.lexists(os.path.join(folder, name)) for name in NAMES)  # noqa: PTH118 - as above
    try:
        repository = Repository(here.root)
        commit = _commit(repository, base, optional=is_project)
    except AssetsError as error:
        if is_project:
            yield _folder(base, folder, here)
            return
        raise AssetsError(*(_no_project(base, folder, each) for each in error.problems)) from None
    if commit is None:
        yield _folder(base, folder, here)
        return
    warnings = []
    if is_project:
        message = f"'{base}' names a revision and a folder: the revision is meant"
        warnings.append(Problem("A0909", message, "warning", hint=f"the folder is: assets diff ./{base}"))
    with _temporary(os.path.basename(here.root) or "project") as place:  # noqa: PTH119 - a project without a name has its folder's
        found = Base(base, commit, base.endswith("..."))
        elsewhere = _checked_out(found, repository, place, here)
        try:
            yield elsewhere._replace(warnings=(*warnings, *elsewhere.warnings))
        finally:
            if elsewhere.checkout is not None:
                elsewhere.checkout.close()


def _commit(repository: Repository, base: str, *, optional: bool) -> str | None:
    """The commit that a base means; None where it is no revision and need not be one."""
    if base.endswith("..."):
        revision = base.removesuffix("...") or "HEAD"
        return repository.merge_base(revision)
    found = repository.commit(base)
    if found is None and not optional:
        if re.search(r"[^/.]\.\.|^\.\.+[^/.]", base):
            message = f"'{base}' is a range: the work tree is compared with one revision"
            first = base.partition("..")[0] or "main"
            hint = f"{first} as it is, or {first}... for where the work tree left it"
            raise AssetsError(Problem("A0907", message, hint=hint))
        repository.require(base)
    return found


def _no_project(base: str, folder: str, problem: Problem) -> Problem:
    """A folder without a manifest is what somebody meant by a name that is no revision."""
    if not os.path.isdir(folder) or problem.code not in ("A0901", "A0902", "A0904", "A0905"):  # noqa: PTH112 - a string
        return problem
    message = f"folder '{base}' holds no {NAMES[0]}, and no revision is named so"
    return Problem("A0908", message, hint=problem.hint)


def _folder(base: str, folder: str, here: FileDigests) -> Elsewhere:
    manifest = find(Path(folder))
    root = os.path.realpath(folder)
    return Elsewhere(Base(base, None, manifest=manifest.name), root, manifest.name, FilesElsewhere(root, here))


def _checked_out(base: Base, repository: Repository, place: str, here: FileDigests) -> Elsewhere:
    """A commit's folder of the same project, or of where the project was then."""
    commit = base.commit or ""
    checkout = Checkout(place, here.root)
    warnings: list[Problem] = []
    checkout.add(repository, commit, repository.prefix)
    path = _manifest_in(checkout, repository.prefix)
    if path is None:
        checkout, path, problem = _moved(base, repository, checkout, here)
        warnings.append(problem)
    warnings += [
        Problem(
            "A0911",
            f"submodule {missing.path} is not here at {missing.commit[:8]}: what is in it was not compared",
            "warning",
            hint=f"git submodule update --init {missing.path}, and git -C {missing.path} fetch",
        )
        for missing in checkout.missing
    ]
    files = FilesElsewhere(checkout.root, here, checkout)
    file = None if path is None else os.path.basename(path)  # noqa: PTH119 - a string
    return Elsewhere(base._replace(manifest=path), checkout.root, file, files, repository, checkout, tuple(warnings))


def _manifest_in(checkout: Checkout, folder: str) -> str | None:
    """The path of the manifest in the repository, if there is one."""
    found = [name for name in NAMES if os.path.lexists(f"{checkout.root}/{name}")]
    if len(found) > 1:
        message = f"the base holds both {NAMES[0]} and {NAMES[1]}"
        raise AssetsError(Problem("A0104", message, hint="keep one of the two"))
    return os.path.join(folder, found[0]) if found else None  # noqa: PTH118 - a string


def _moved(
    base: Base, repository: Repository, empty: Checkout, here: FileDigests
) -> tuple[Checkout, str | None, Problem]:
    """Where the manifest was then: in the only place where there was one that is there no more."""
    commit, prefix = base.commit or "", repository.prefix
    top = here.root[: len(here.root) - len(prefix)] if prefix else f"{here.root}/"
    known = repository.named(commit, NAMES)
    gone = [path for path in known if not os.path.lexists(f"{top}{path}")]
    if len(gone) == 1:
        folder = os.path.dirname(gone[0])  # noqa: PTH120 - a string
        shutil.rmtree(empty.root)
        os.mkdir(empty.root)  # noqa: PTH102 - as above
        empty.close()
        checkout = Checkout(empty.root, here.root)
        checkout.add(repository, commit, folder)
        message = f"in {base.label} the manifest was {gone[0]}: compared with that"
        hint = "files are compared by their paths in the project"
        return checkout, gone[0], Problem("A0913", message, "warning", hint=hint)
    where = os.path.join(prefix, NAMES[0])  # noqa: PTH118 - as above
    more = f"; manifests there: {', '.join(known[:_SOME])}" if known else ""
    hint = "name a later revision, if the project was somewhere else then" if known else "it came with this change"
    message = f"{base.label} has no {where}: everything is added{more}"
    return empty, None, Problem("A0912", message, "warning", hint=hint)


@contextmanager
def _temporary(name: str) -> Iterator[str]:
    """An empty folder of this name, in one that is removed whatever happens: no signal comes between."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    folder = tempfile.mkdtemp(prefix="assets-diff-")
    try:
        place = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - a string
        os.mkdir(place)  # noqa: PTH102 - as above
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield place
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
        with suppress(OSError):
            shutil.rmtree(folder)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
