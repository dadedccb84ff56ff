"""What the global options say, and the one place where the command line opens a project."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from assets_cli.cli.options import Option
from assets_cli.cli.screens.problems import Viewpoint

if TYPE_CHECKING:
    from assets_cli.project import Project


class Session(NamedTuple):
    """One call of the command line. `typed` are the global options as they were typed, for commands that we suggest."""

    directory: Path
    environment: str = "default"
    variables: Mapping[str, str] = {}
    state: str | None = None
    typed: tuple[str, ...] = ()

    def open(self) -> Project:
        """The project at or above the directory.

        Raises:
            AssetsError: there is none, or it cannot be used.
        """
        from assets_cli.project import Project  # most of the start-up of a command; --help does without

        return Project.open(self.directory, environment=self.environment, variables=self.variables, state=self.state)

    def command(self, *words: str) -> str:
        """A command to suggest: with the global options of this call, ready to be pasted."""
        return " ".join(("assets", *map(_quoted, self.typed), *map(_quoted, words)))

    def view(self) -> Viewpoint:
        """How files of the project are named from where the user stands; as in the project, where that is unknown."""
        try:
            from assets_cli.manifest import find

            return Viewpoint(find(self.directory).parent.resolve(), Path.cwd().resolve())
        except Exception:  # noqa: BLE001 - it serves messages about other errors, and must not hide them
            return Viewpoint()


def begin(
    directory: Annotated[Path, Option("-C", metavar="DIR", text="")] = Path(),
    environment: Annotated[str, Option("--env", metavar="NAME", text="")] = "default",
    variable: Annotated[list[str] | None, Option("--var", metavar="K=V", text="")] = None,
    state: Annotated[str | None, Option("--state", metavar="PATH", text="")] = None,
) -> Session:
    """What the global options say. Help has a text of its own for them, in `commands`.

    Raises:
        AssetsError: one makes no sense.
    """
    try:
        where = directory.absolute()
    except FileNotFoundError:  # the current directory was removed
        where = directory
    if directory != Path() or where == directory:
        from assets_cli.cli.usage import require_directory  # most calls are from where the project is

        require_directory(directory)
    typed = [] if directory == Path() else ["-C", str(directory)]
    typed += [] if environment == "default" else ["--env", environment]
    typed += [word for one in variable or () for word in ("--var", one)]
    typed += ["--state", state] if state else []
    return Session(
        directory=where,
        environment=environment,
        variables=_variables(variable) if variable else {},
        state=os.path.normpath(where / state) if state else None,
        typed=tuple(typed),
    )


def _variables(pairs: list[str]) -> dict[str, str]:
    from assets_cli.cli.usage import parse_variables  # as above

    return parse_variables(pairs)


def _quoted(word: str) -> str:
    """Quoted for a shell where it must be; a selection such as `raw/*` must, `tag:x` and `+x` need not."""
    if word and all(c.isalnum() or c in "_-./:+=@," for c in word):
        return word
    from shlex import quote  # it compiles a pattern, which few words need

    return quote(word)
