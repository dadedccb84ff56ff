"""A project's manifest, complete and arranged: as it was kept, where all that it was made from is as it was, or anew.

What is kept is trusted only as far as the files say the same. Every manifest file is read and digested each time; so
is asked what `include` matches, what inference has read, where links lead, and which variables it used. The cache is a
file below `.assets/cache` for each environment; one that is corrupt, of another version or of another user is as good
as none. Decides nothing.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE, S_ISREG
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from assets_cli import __version__
from assets_cli import manifest as manifests
from assets_cli.graph.graph import Arrangement, arrange
from assets_cli.manifest.basis import Basis
from assets_cli.model.manifest import Asset, Manifest
from assets_cli.model.memory import collector_paused
from assets_cli.model.packing import FORM, pack, unpack
from assets_cli.model.problem import AssetsError, Place, Problem
from assets_cli.probing.declared import declared_texts
from assets_cli.probing.files import FileDigests

if TYPE_CHECKING:
    from assets_cli.inference.infer import Sources
    from assets_cli.manifest.loading import Loading

_MAGIC: Final = b"assets manifest 1\n"
_DIGEST: Final = 32
_OTHERS: Final = 0o022
"""The permissions by which somebody else could have written a file."""
_MAKERS: Final = ("manifest", "inference", "probing", "connections", "graph", "model", "")
"""The folders of our own code that decide what is made of the same files."""


class Asked(NamedTuple):
    """What is to be compiled: a project in an environment, the variables of the command line, those of the process."""

    root: str
    file: str
    environment: str
    variables: Mapping[str, str]
    environ: Mapping[str, str]

    @property
    def cache(self) -> Path:
        """Where it is kept."""
        name = hashlib.sha256(self.environment.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return Path(self.root, ".assets", "cache", f"manifest-{name}")

    @property
    def aside(self) -> Path:
        """Where it is set aside."""
        return self.cache.with_name(f"{self.cache.name}-aside")


class Compiled(NamedTuple):
    """A manifest with all its upstreams, the arrangement of its assets, and what it says of their code as texts."""

    manifest: Manifest
    arrangement: Arrangement
    declared: Mapping[str, str]


def compiled(asked: Asked, files: FileDigests, further: Sequence[Problem] = ()) -> Compiled:
    """What the project's files say.

    Raises:
        AssetsError: everything that is wrong with them, and `further` with it.
    """
    with collector_paused() as made:
        found = recall(asked, files) or _anew(asked, files, further)
        made(len(found.manifest.assets))
    if further:  # of files that were compiled without a mistake
        raise AssetsError(*further)
    return found


def _anew(asked: Asked, files: FileDigests, further: Sequence[Problem]) -> Compiled:
    """What the files say, in the form in which it is kept, which takes a third of the memory of what was compiled."""
    made = make(asked, files, further)
    packed = _packed(made.found)
    try:
        body = marshal.dumps(packed)
    except ValueError:
        return made.found
    _keep(asked, packed, body, made)
    del made, packed  # before the other is there
    return _unpacked(marshal.loads(body), asked)  # noqa: S302 - our own


class Made(NamedTuple):
    """What was compiled just now, and from what."""

    found: Compiled
    loading: Loading
    sources: Sources
    environ: _Noted


def make(
    asked: Asked, files: FileDigests, further: Sequence[Problem] = (), fetch: Callable[[str], object] | None = None
) -> Made:
    """Compile the project's files; nothing is kept. `fetch` is told of each manifest file before it is read.

    Raises:
        AssetsError: everything that is wrong with them, and `further` with it.
    """
    from assets_cli.inference.infer import infer  # only what is not kept needs these
    from assets_cli.manifest.loading import Loading  # as above

    loading = Loading(Path(asked.root, asked.file), asked.variables, fetch)
    loaded = loading.run(asked.environment)
    problems = [*(problem for problem in loaded.problems if problem.severity == "error"), *further]
    if loaded.manifest is None:
        raise AssetsError(*problems)
    environ = _Noted(asked.environ)
    manifest, clashes, sources = infer(loaded.manifest, environ, files)
    problems += manifests.quote(manifest.root, clashes)
    try:
        arrangement = arrange(manifest)
    except AssetsError as error:
        raise AssetsError(*problems, *manifests.quote(manifest.root, error.problems)) from None
    if problems:
        raise AssetsError(*problems)
    return Made(Compiled(manifest, arrangement, declared_texts(manifest)), loading, sources, environ)


# -- what is kept ----------------------------------------------------------------------------------------------------


def recall(asked: Asked, files: FileDigests, *, user: int | None = None) -> Compiled | None:
    """What was kept, if it still holds. `user` is who must have written it: nobody but the one who asks."""
    return _recalled(asked, asked.cache, files, os.geteuid() if user is None else user)


def set_aside(asked: Asked) -> bool:
    """Have what is kept now at hand also when the project's files do not hold any more; whether anything is kept."""
    temporary = asked.aside.with_name(f"{asked.aside.name}.{os.getpid()}.tmp")
    try:
        if asked.aside.exists() and asked.aside.samefile(asked.cache):
            return True
        os.link(asked.cache, temporary)  # what is kept is replaced, never written into
        temporary.replace(asked.aside)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        return False
    return True


def recall_aside(asked: Asked) -> Compiled | None:
    """What was set aside, whatever has become of the files since."""
    with collector_paused():
        return _recalled(asked, asked.aside, None, os.geteuid())


def _recalled(asked: Asked, path: Path, files: FileDigests | None, user: int) -> Compiled | None:
    """What a file of the cache holds; without `files`, whether or not it still is so."""
    data = _read(path, user)
    begin = len(_MAGIC) + 2 * _DIGEST
    if data is None or data[: begin - _DIGEST] != _MAGIC + _key(asked):
        return None
    payload = memoryview(data)[begin:]
    if hashlib.sha256(payload).digest() != data[begin - _DIGEST : begin]:
        return None
    try:
        length = int.from_bytes(payload[:8], "little")
        head = payload[8 : 8 + length]
        if files is not None and not _holds(marshal.loads(head), asked, files):  # noqa: S302 - runs nothing; our own
            return None
        return _unpacked(marshal.loads(payload[8 + length :]), asked)  # noqa: S302 - as above
    except (EOFError, LookupError, TypeError, ValueError):
        return None


def _key(asked: Asked) -> bytes:
    """What must be the same to the letter: the question, and who would answer it."""
    question = (asked.root, asked.file, asked.environment, tuple(asked.variables.items()))
    about = (question, __version__, sys.version, FORM, _own_code())
    return hashlib.sha256(repr(about).encode("utf-8", "surrogatepass")).digest()


def _own_code() -> list[tuple[int, int]]:
    """The state of our own code: a contributor who changes a rule wants to see it at work."""
    home = os.path.dirname(__file__)  # noqa: PTH120 - at every start
    stats: list[tuple[int, int]] = []
    for maker in _MAKERS:
        with suppress(OSError), os.scandir(os.path.join(home, maker)) as entries:  # noqa: PTH118 - as above
            sources = sorted((entry.name, entry.stat()) for entry in entries if entry.name.endswith(".py"))
            stats += [(about.st_size, about.st_mtime_ns) for _, about in sources]
    return stats


def _read(path: Path, user: int) -> bytes | None:
    """The bytes of a file that only this user can have written."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        about = os.fstat(descriptor)
        if not S_ISREG(about.st_mode) or about.st_uid != user or S_IMODE(about.st_mode) & _OTHERS:
            return None
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            return file.read()
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _holds(head: Any, asked: Asked, files: FileDigests) -> bool:
    """Whether everything that the rest was made from is as it was."""
    basis, (code, modules, places, parser), names, salt, values = head
    if _digest_of(names, asked.environ, salt) != values or not Basis(*basis).holds(asked.root):
        return False
    if any(os.path.realpath(os.path.join(asked.root, path)) != real for path, real in places):  # noqa: PTH118
        return False
    if modules and not _are_found(modules, files):
        return False
    if parser:
        from assets_cli.probing.normalise import parser_version  # only SQL has one

        if parser_version() != parser:
            return False
    return all(_digest(files, path) == digest for path, digest in code)


def _are_found(modules: Sequence[tuple[str, str | None]], files: FileDigests) -> bool:
    from assets_cli.probing.python_imports import Modules  # only Python has some

    finder = Modules(files)
    try:
        return all(finder.find(module) == path for module, path in modules)
    except (OSError, ValueError):
        return False


def _digest(files: FileDigests, path: str) -> str | None:
    try:
        return files.digest(path)
    except OSError:
        return None


class _Noted(Mapping[str, str]):
    """Variables of the process, and which of them were asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.names: set[str] = set()
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environ)

    def __len__(self) -> int:
        return len(self._environ)


def _digest_of(names: Sequence[str], environ: Mapping[str, str], salt: bytes) -> bytes:
    """One digest of all these variables: no value can be told from it unless all others are known."""
    values = [environ.get(name) for name in names]
    return hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), key=salt).digest()


# -- keeping ---------------------------------------------------------------------------------------------------------


def _keep(asked: Asked, packed: tuple[Any, ...], body: bytes, made: Made) -> None:
    """Keep what was compiled, `packed` as `body`, at once or not at all. Where nothing can be written nothing is kept.

    Nor is it where a URL has its password written in it, or is a secret as a whole, as one of alerts is: that is hidden
    wherever we write, and here it cannot be.
    """
    from assets_cli.model.secrets import reveals, writes_password  # only what is new is kept

    if any(reveals(url) for route in made.found.manifest.alerts for url in route.urls):
        return
    if b"://" in body and writes_password(repr(packed)):  # in which quotes keep the texts apart
        return
    names, salt = sorted(made.environ.names), os.urandom(16)
    head: Any = (tuple(made.loading.basis()), tuple(made.sources), names, salt, _digest_of(names, asked.environ, salt))
    try:
        first = marshal.dumps(head)
    except ValueError:
        return
    payload = b"".join((len(first).to_bytes(8, "little"), first, body))
    target = asked.cache
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - it is open already
            file.writelines((_MAGIC, _key(asked), hashlib.sha256(payload).digest(), payload))
        temporary.replace(target)
    except OSError:
        with suppress(OSError):
            temporary.unlink()


def _packed(found: Compiled) -> tuple[Any, ...]:
    """A manifest and its arrangement as plain values."""
    manifest, (order, downstreams), declared = found
    plain = manifest._replace(
        assets={}, connections={}, environments={}, warnings=(), locate=_nowhere, policies=(), alerts=()
    )
    return (
        [None if value is _nowhere else value for value in plain],
        pack(tuple(manifest.assets.values())),
        pack(tuple(manifest.connections.values())),
        pack(tuple(manifest.environments)),
        pack(tuple(manifest.environments.values())),
        pack(manifest.warnings),
        pack(order),
        pack(tuple(downstreams.values())),
        pack(tuple([declared.get(name, "") for name in manifest.assets])),
        pack(manifest.alerts),
    )


def _nowhere(*_: Any) -> Place:
    """Stands for what is not kept."""
    raise NotImplementedError


def _unpacked(body: Any, asked: Asked) -> Compiled:
    plain, assets, connections, environments, overlaid, warnings, order, downstreams, declared, alerts = body
    by_name = {asset.name: asset for asset in unpack(assets)}
    manifest = Manifest(*plain)._replace(
        assets=by_name,
        connections={each.name: each for each in unpack(connections)},
        environments=dict(zip(unpack(environments), unpack(overlaid), strict=True)),
        warnings=tuple(unpack(warnings)),
        locate=_Reread(asked, by_name),
        alerts=tuple(unpack(alerts)),
    )
    arrangement = Arrangement(tuple(unpack(order)), dict(zip(by_name, unpack(downstreams), strict=True)))
    texts = {name: text for name, text in zip(by_name, unpack(declared), strict=True) if text}
    return Compiled(manifest, arrangement, texts)


class _Reread:
    """`Manifest.locate` where no file was parsed: they are once a place is asked for, since something is wrong."""

    def __init__(self, asked: Asked, assets: Mapping[str, Asset]) -> None:
        self._asked = asked
        self._assets = assets
        self._locate: Callable[..., Place] | None = None

    def __call__(self, asset: str, *keys: Any) -> Place:
        """The place of `keys` of an asset; of the asset, where the files are no manifest any more."""
        if self._locate is None:
            asked = self._asked
            path = Path(asked.root, asked.file)
            now = manifests.load(path, environment=asked.environment, variables=asked.variables).manifest
            self._locate = self._begin if now is None else now.locate
        return self._locate(asset, *keys)

    def _begin(self, asset: str, *_: Any) -> Place:
        return self._assets[asset].place if asset in self._assets else Place(self._asked.file, 1, 1)
