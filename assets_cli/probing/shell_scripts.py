"""Which files of the project a shell command runs: its programs, and the scripts that it hands to interpreters.

Found in the text alone, not followed further. A file is named by a `Script`: the paths that it could be at, best first.
`mentions` gives the other words that may name a file. Knows nothing of which files exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from posixpath import join, normpath
from typing import NamedTuple

from assets_cli.probing.shell_words import SimpleCommand, Word, read

Script = tuple[str, ...]
"""The paths at which a file that counts may be, in the order of trying: relative to the root or absolute."""

_DEPTH = 8
_ASSIGNMENT = r"[A-Za-z_][A-Za-z0-9_]*(\[[^]]*\])?\+?="
_PATHS = r"[\w./@%+~-]+"
# One command, no quotes, expansions or operators: its first word decides, without reading the rest.
_PLAIN = re.compile(r"[ \t]*([A-Za-z0-9_.:+-]+)(?:[ \t][^;&|()`'\"\\\n$#{}]*)?")
_KEYWORDS = frozenset(("if", "then", "elif", "else", "do", "while", "until", "{", "}", "!", "fi", "done", "esac"))
_NO_COMMAND = frozenset(("for", "case", "select", "function", "in"))
# Folders of programs that others installed: an upgrade of Python must not make a project stale.
_INSTALLED = frozenset((".venv", "venv", ".tox", ".nox", "node_modules", ".git", ".assets"))


class _Interpreter(NamedTuple):
    """How an interpreter reads its options, single letters without and long ones with their dashes.

    `inline` take the program itself, `takes` some other argument, `module` a module's name, `script` the script.
    """

    inline: str = ""
    takes: tuple[str, ...] = ()
    module: str = ""
    script: tuple[str, ...] = ()
    is_shell: bool = False
    positional: bool = True
    subcommands: tuple[str, ...] = ()


_SHELL = _Interpreter(inline="c", takes=("o", "O", "--rcfile", "--init-file"), is_shell=True)
_PYTHON = _Interpreter(inline="c", takes=("W", "X", "--check-hash-based-pycs"), module="m")
_NODE = _Interpreter(
    inline="ep", takes=("r", "C", "--require", "--import", "--loader", "--experimental-loader", "--conditions")
)
_SQL = _Interpreter(
    takes=("c", "s", "d", "h", "p", "U", "v", "o", "F", "R", "-cmd", "-separator", "-nullvalue", "--dbname", "--host"),
    script=("f", "--file", "-init", "-f"),
    positional=False,
)
_INTERPRETERS: dict[str, _Interpreter] = {
    **dict.fromkeys(("sh", "bash", "zsh", "dash", "ksh", "fish", "busybox"), _SHELL),
    **dict.fromkeys(("python", "pypy"), _PYTHON),
    **dict.fromkeys(("node", "nodejs", "ts-node", "tsx"), _NODE),
    "deno": _Interpreter(takes=("c", "--config", "--import-map"), subcommands=("run",)),
    "bun": _Interpreter(inline="ep", takes=("r",), subcommands=("run",)),
    "ruby": _Interpreter(inline="e", takes=("r", "I", "C", "E")),
    "perl": _Interpreter(inline="eE", takes=("I", "M", "m")),
    "Rscript": _Interpreter(inline="e"),
    "R": _Interpreter(inline="e", script=("f", "--file"), positional=False),
    "julia": _Interpreter(
        inline="eE", takes=("p", "t", "J", "L", "C", "--procs", "--threads", "--sysimage", "--load", "--machine-file")
    ),
    "php": _Interpreter(inline="rBRE", takes=("d", "c", "S", "t", "z"), script=("f", "F", "--file")),
    "lua": _Interpreter(takes=("e", "l")),
    "luajit": _Interpreter(takes=("e", "l", "j")),
    "pwsh": _Interpreter(script=("-File",), takes=("-ExecutionPolicy",)),
    "tclsh": _Interpreter(),
    "octave": _Interpreter(takes=("--eval",)),
    "spark-submit": _Interpreter(takes=("--master", "--deploy-mode", "--name", "--conf", "--packages", "--py-files")),
    "torchrun": _Interpreter(takes=("--nproc_per_node", "--nnodes", "--nproc-per-node")),
    **dict.fromkeys((".", "source"), _Interpreter()),
    **dict.fromkeys(("psql", "sqlite3", "duckdb", "mysql"), _SQL),
    **dict.fromkeys(
        ("awk", "gawk", "mawk", "sed"), _Interpreter(takes=("v", "F", "e"), script=("f",), positional=False)
    ),
}


class _Wrapper(NamedTuple):
    """A command that runs another one: options that take an argument, words before the other one, its subcommand."""

    takes: tuple[str, ...] = ()
    skips: int = 0
    subcommand: str = ""
    scripts: tuple[str, ...] = ()


_RUNNERS: tuple[str, ...] = (
    "--with",
    "--with-editable",
    "--with-requirements",
    "--extra",
    "--group",
    "--only-group",
    "--env-file",
)
_RUNNERS += ("--index", "--package", "--project", "--directory", "-p", "--python", "--isolated-with", "-C", "-P")
_WRAPPERS: dict[str, _Wrapper] = {
    "env": _Wrapper(("-u", "--unset", "-C", "--chdir")),
    "exec": _Wrapper(("-a",)),
    "time": _Wrapper(("-f", "-o", "--format", "--output")),
    "nice": _Wrapper(("-n", "--adjustment")),
    "ionice": _Wrapper(("-c", "-n", "--class", "--classdata")),
    "timeout": _Wrapper(("-k", "-s", "--kill-after", "--signal"), skips=1),
    "sudo": _Wrapper(("-u", "-g", "-C", "-D", "--user", "--group")),
    "stdbuf": _Wrapper(("-i", "-o", "-e", "--input", "--output", "--error")),
    "xargs": _Wrapper(("-n", "-P", "-I", "-L", "-d", "-s", "-a", "--max-args", "--max-procs", "--delimiter")),
    "flock": _Wrapper(("-w", "-E", "--timeout"), skips=1),
    **dict.fromkeys(
        ("nohup", "command", "builtin", "setsid", "chronic", "caffeinate", "doas", "catchsegv"), _Wrapper()
    ),
    "uv": _Wrapper(_RUNNERS, subcommand="run", scripts=(".py", ".pyw")),
    "coverage": _Wrapper(("--source", "--rcfile"), subcommand="run", scripts=(".py",)),
    **dict.fromkeys(("poetry", "pdm", "hatch", "rye", "pixi", "pipenv"), _Wrapper((*_RUNNERS, "-e"), subcommand="run")),
    **dict.fromkeys(
        ("conda", "mamba", "micromamba"), _Wrapper(("-n", "-p", "--name", "--prefix", "--cwd"), subcommand="run")
    ),
    "bundle": _Wrapper(subcommand="exec"),
}
_VERSIONED = r"(python|pypy|ruby|perl|php|lua|node|julia|tclsh)[\d.]*[wt]?"


def scripts(interpreter: Sequence[str], text: str) -> tuple[Script, ...]:
    """The files that `interpreter` + `text` runs, each once, in the order of the text.

    What the text itself writes by `>` is no code of it: it says what that holds.
    """
    words = tuple(Word(word, literal="${" not in word) for word in interpreter)
    inline = SimpleCommand((*words, Word(text)))
    found = dict.fromkeys(_of_command(inline, "", 0))
    written = {normpath(word.text) for command in read(text).commands for word in command.writes} if ">" in text else ()
    return tuple(script for script in found if script[0] not in written)


def runs_no_file(text: str) -> bool:
    """Whether it is plain at a glance that a text for `sh -c` runs no file: cheap, and never wrong when it says so."""
    match = _PLAIN.fullmatch(text)
    return match is not None and _name(match[1]) is None


def mentions(text: str) -> tuple[str, ...]:
    """The words of a shell text that may name a file which it reads, each once: arguments, `--option=value`, input."""
    return tuple(dict.fromkeys(_mentions(text, 0)))


def _name(program: str) -> str | None:
    """The interpreter, wrapper or builtin that a program is, by its last part and without a version."""
    name = program.rpartition("/")[2]
    if match := re.fullmatch(_VERSIONED, name):
        name = match[1]
    return name if name in _INTERPRETERS or name in _WRAPPERS or name in _KEYWORDS or name == "cd" else None


def _of_text(text: str, folder: str | None, depth: int) -> Iterator[Script]:
    """The scripts of a shell text that starts in `folder`: relative to the root, or None where nobody knows."""
    if depth > _DEPTH:
        return
    reading = read(text)
    folders = [folder]
    for command in reading.commands:
        while len(folders) > max(command.depth, 0) + 1:
            folders.pop()
        while len(folders) < command.depth + 1:
            folders.append(folders[-1])
        words = _without_keywords(command.words)
        if words and words[0].text == "cd":
            folders[-1] = _changed(folders[-1], words[1:])
            continue
        yield from _of_command(command._replace(words=words), folders[-1], depth)
    for inner in reading.substitutions:
        yield from _of_text(inner, folder, depth + 1)


def _without_keywords(words: tuple[Word, ...]) -> tuple[Word, ...]:
    for index, word in enumerate(words):
        if word.quoted or not word.literal or word.text not in _KEYWORDS:
            return () if not word.quoted and word.text in _NO_COMMAND else words[index:]
    return ()


def _changed(folder: str | None, arguments: tuple[Word, ...]) -> str | None:
    """The working directory after `cd`."""
    target = next((word for word in arguments if word.text not in ("--", "-P", "-L")), None)
    if target is None or not target.literal or folder is None or target.text.startswith(("~", "-")):
        return None
    return join(folder, target.text)


def _of_command(command: SimpleCommand, folder: str | None, depth: int) -> Iterator[Script]:
    words = command.words
    while words and re.match(_ASSIGNMENT, words[0].text):
        words = words[1:]
    if not words or not words[0].literal or depth > _DEPTH:
        return
    program = words[0].text
    name = _name(program)
    if "/" in program and not _INSTALLED.intersection(program.split("/")):
        yield from _at(folder, program)
    rest = command._replace(words=words[1:])
    if name in _WRAPPERS:
        yield from _of_wrapped(_WRAPPERS[name], rest, folder, depth + 1)
    elif name in _INTERPRETERS:
        yield from _of_interpreter(_INTERPRETERS[name], rest, folder, depth + 1)


def _of_wrapped(wrapper: _Wrapper, command: SimpleCommand, folder: str | None, depth: int) -> Iterator[Script]:
    words, skips, subcommand = list(command.words), wrapper.skips, wrapper.subcommand
    while words:
        word = words[0].text
        if subcommand and word in ("-m", "--module") and len(words) > 1:
            break
        if word.startswith("-") and not words[0].quoted:
            del words[: 2 if word in wrapper.takes else 1]
        elif subcommand:
            if word != subcommand:
                return
            subcommand = ""
            del words[0]
            if words and words[0].text in ("-m", "--module") and wrapper.scripts:
                yield from _of_interpreter(_PYTHON, command._replace(words=tuple(words)), folder, depth)
                return
        elif re.match(_ASSIGNMENT, word):
            del words[0]
        elif skips:
            skips -= 1
            del words[0]
        else:
            break
    if words and wrapper.scripts and words[0].literal and words[0].text.endswith(wrapper.scripts):
        yield from _at(folder, words[0].text)
    else:
        yield from _of_command(command._replace(words=tuple(words)), folder, depth)


def _of_interpreter(kind: _Interpreter, command: SimpleCommand, folder: str | None, depth: int) -> Iterator[Script]:
    words = list(command.words)
    if words and words[0].text in kind.subcommands:
        del words[0]
    options = _Options(kind, words)
    yield from (script for each in options.scripts for script in _at(folder, each))
    if options.module:
        yield from _module(folder, options.module)
    elif options.script is not None and options.shell_text:
        if options.script.literal:
            yield from _of_text(options.script.text, folder, depth)
    elif options.script is not None and options.script.literal:
        main = [f"{options.script.text}/__main__.py"] if kind is _PYTHON else []
        yield from _at(folder, options.script.text, *main)
    elif options.reads_stdin:
        yield from (script for word in command.stdin if word.literal for script in _at(folder, word.text))


class _Options:
    """The words behind an interpreter: `script` is the first that is no option, the text after a shell's `-c`.

    `scripts` are files named by options. `reads_stdin` says that the program comes from there.
    """

    def __init__(self, kind: _Interpreter, words: list[Word]) -> None:
        self.kind = kind
        self.script: Word | None = None
        self.scripts: list[str] = []
        self.module = ""
        self.shell_text = False
        self.reads_stdin = False
        while words:
            word = words.pop(0)
            if self._ends(word, words):
                return
        self.reads_stdin = not self.scripts

    def _ends(self, word: Word, words: list[Word]) -> bool:
        """Take one word, and its argument from those that follow; whether what follows is the program's own."""
        if not word.literal and not word.quoted:
            return True  # it may be options, a script or nothing
        if word.text == "-":
            self.reads_stdin = True
            return True
        if word.text == "--" and words:
            word = words.pop(0)
        elif word.text.startswith(("-", "+") if self.kind.is_shell else "-"):
            return self._option(word.text, words)
        if self.kind.positional:
            self.script = word
        return self.kind.positional

    def _option(self, text: str, words: list[Word]) -> bool:
        role, value = _option(self.kind, text)
        if role == "inline":
            if self.kind.is_shell and "o" in value:
                del words[:1]  # the name that belongs to the o of `-euoc` comes before the text
            self.shell_text = self.kind.is_shell
            return not self.kind.is_shell
        if role == "takes" and not value:
            del words[:1]
        elif role in ("module", "script"):
            argument = Word(value) if value else words.pop(0) if words else Word("")
            if argument.literal and role == "module":
                self.module = argument.text
            elif argument.literal:
                self.scripts.append(argument.text)
            return role == "module" or self.kind.positional
        return False


def _option(kind: _Interpreter, text: str) -> tuple[str, str]:
    """What an option is to its interpreter, and the argument written in the same word."""
    name, equals, value = text.partition("=")
    for role, known in (("script", kind.script), ("takes", kind.takes)):
        if name in known:
            return role, value if equals else ""
    if text.startswith("--"):
        return ("inline", "") if name in ("--eval", "--print", "--execute", "--command") else ("flag", "")
    letters = text[1:]
    for index, letter in enumerate(letters):
        rest = letters[index + 1 :]
        if letter in kind.inline:
            return "inline", rest
        if letter in kind.script:
            return "script", rest
        if letter in kind.module:
            return "module", rest
        if letter in kind.takes:
            # A shell's `-eo pipefail` has its argument in the next word, wherever the letter stands.
            if kind.is_shell and "c" in rest:
                return "inline", "o"
            return "takes", "" if kind.is_shell else rest
    return "flag", ""


def _module(folder: str | None, name: str) -> Iterator[Script]:
    path = name.replace(".", "/")
    if path:
        yield from _at(folder, f"{path}.py", f"{path}/__main__.py")


def _at(folder: str | None, *paths: str) -> Iterator[Script]:
    """The paths as seen from the root; none where the working directory is unknown."""
    if not paths[0] or "\0" in paths[0] or (folder is None and not paths[0].startswith("/")):
        return
    yield tuple(normpath(join(folder or "", path)) for path in paths)


def _mentions(text: str, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        return
    reading = read(text)
    for command in reading.commands:
        for word in (*command.words, *command.stdin):
            if word.literal:
                value = word.text.partition("=")[2] if word.text.startswith("-") else word.text
                yield normpath(value) if value else "."
                yield from (normpath(found) for found in re.findall(_PATHS, word.text) if found != value)
    for inner in reading.substitutions:
        yield from _mentions(inner, depth + 1)
