"""The table of commands: names, where they live, one line of help, their options. Imports nothing.

The root `--help` and shell completion read it, so that neither has to import every command; a test holds it against
the commands themselves.
"""

from __future__ import annotations


class Entry:
    """One command. `module` is below `assets_cli.cli` and holds a function `command`.

    `words` says what its arguments are, for completion: "assets", "names" (of single assets), "runs", "codes",
    "schemas", "directories" or "". `actions` are the commands below it, whose names begin with its own: then it is
    itself none.
    No NamedTuple: importing typing would take a Tab key as long as all the rest.
    """

    __slots__ = ("actions", "help", "name", "options", "section", "words")

    def __init__(
        self,
        name: str,
        section: str,
        text: str,
        options: tuple[str, ...] = (),
        words: str = "",
        actions: tuple[Entry, ...] = (),
    ) -> None:
        self.name = name
        self.section = section
        self.help = text
        self.options = options
        self.words = words
        self.actions = {entry.name.rpartition(" ")[2]: entry for entry in actions}

    @property
    def module(self) -> str:
        """The dotted name of the module that holds the command."""
        return f"assets_cli.cli.{self.name.replace(' ', '_')}"


_PLANNING = ("--upstream", "--downstream", "--force", "--full-refresh", "--ahead")

_REPAIRS = (
    Entry("state mark", "Repair", "adopt what exists as up to date, without running it", (), "assets"),
    Entry("state mv", "Repair", "move an asset's history to another name", ("--swap", "--force"), "names"),
    Entry("state rm", "Repair", "forget the history of assets", ("--dry-run",), "names"),
    Entry("state export", "Copy", "write the whole history as JSON lines", ("--force",)),
    Entry("state import", "Copy", "read an export into an empty history"),
    Entry("state backup", "Copy", "copy the state file, also while runs go on", ("--force",)),
    Entry(
        "state gc",
        "Tidy",
        "remove old records and logs that nothing needs",
        ("--keep", "--keep-runs", "--all-environments", "--dry-run", "--json"),
    ),
)

TABLE: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry("init", "Begin", "write a small working project", ("--bare",), "directories"),
        Entry(
            "validate",
            "Begin",
            "find what is wrong without running anything",
            ("--strict", "--format", "--no-python", "--all", "--json"),
        ),
        Entry(
            "plan",
            "Run",
            "show what is stale or overdue, why, and what would run",
            (*_PLANNING, "--no-observe", "--all", "--out", "--json", "--exit-code"),
            "assets",
        ),
        Entry(
            "diff",
            "Run",
            "show what a change of manifest or code does, and to whom",
            ("--format", "--all", "--json", "--exit-code"),
            "directories",
        ),
        Entry(
            "materialize",
            "Run",
            "run the plan: bring exactly that up to date",
            (*_PLANNING, "--no-observe", "--all", "--plan", "--jobs", "--fail-fast", "--trace", "--json"),
            "assets",
        ),
        Entry("up", "Run", "keep every promise for as long as it runs", ("--once", "--jobs", "--json"), "assets"),
        Entry("observe", "Run", "look at external assets and record what they hold", ("--json",), "assets"),
        Entry("check", "Run", "evaluate checks on what is there now", ("--json",), "assets"),
        Entry(
            "retry",
            "Run",
            "run again what a run left undone",
            ("--upstream", "--jobs", "--fail-fast", "--json"),
            "runs",
        ),
        Entry("show", "Understand", "show all there is to say of an asset", ("--sample", "--json"), "assets"),
        Entry("why", "Understand", "follow an asset's causes down to their roots", ("--json",), "assets"),
        Entry(
            "lineage",
            "Understand",
            "show what an asset depends on and what depends on it",
            ("--upstream", "--downstream", "--depth", "--format", "--columns", "--json"),
            "assets",
        ),
        Entry("impact", "Understand", "show everything below an asset, by owner", ("--json",), "assets"),
        Entry("list", "Understand", "list the assets with their state", ("--json",), "assets"),
        Entry(
            "freshness",
            "Understand",
            "show which promises are kept, and who holds data back",
            ("--all", "--exit-code", "--json"),
            "assets",
        ),
        Entry(
            "simulate",
            "Understand",
            "show what assets up would run when, and what breaks",
            ("--for", "--set", "--jobs", "--all", "--svg", "--json"),
            "assets",
        ),
        Entry(
            "query",
            "Understand",
            "ask a database, without changing it",
            ("--connection", "--format", "--limit", "--json"),
        ),
        Entry("connections", "Understand", "test: ask each connection for an answer", ("--json",)),
        Entry(
            "runs",
            "Look back",
            "list past runs, or show one",
            ("--limit", "--before", "--asset", "--all", "--trace", "--json"),
            "runs",
        ),
        Entry(
            "alerts",
            "Look back",
            "list, send, test: who is told what is wrong, and what was told",
            ("--limit", "--json"),
        ),
        Entry("logs", "Look back", "print what the commands of a run wrote", ("--json",), "runs"),
        Entry("state", "Repair", "repair history: mark, mv, rm, export, import, backup, gc", actions=_REPAIRS),
        Entry("explain", "Look up", "explain an error code such as A0102", ("--json",), "codes"),
        Entry("schema", "Look up", "print a JSON schema, of the manifest by default", ("--list", "--json"), "schemas"),
    )
}

# Options before the command, with what their value is called ("" for a flag) and a line of help.
GLOBAL_OPTIONS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("-C",), "DIR", "look for the project from DIR, not from here"),
    (("--env",), "NAME", "use this environment of the manifest"),
    (("--var",), "K=V", "set a variable of the manifest; repeatable"),
    (("--state",), "PATH", "keep history in this file (or set ASSETS_STATE)"),
    (("--completion",), "SHELL", "print the completion script for bash, zsh or fish"),
    (("--version", "-V"), "", "print the version"),
    (("--help", "-h"), "", "print this help, or the help of a command"),
)
