"""Every problem code with its title and its explanation, as `assets explain CODE` and the reference print them.

Ranges: A01 reading and schema, A02 names and graph, A03 files, code and connections, A04 selections,
A05 state and locks, A06 plans and runs, A07 steps, A08 usage. A code is never reused for something else.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """`title` is one line; `explanation` is what it means, why it is refused and how to mend it, with an example."""

    title: str
    explanation: str


CODES: dict[str, Code] = {
    # A01: reading and schema
    # A02: names and graph
    "A0207": Code(
        'the upstreams form a cycle',
        "An asset would have to be made before itself. The message shows the loop and the place of each edge. Remove one of these edges; where two assets really need each other's earlier state, split one of them in two.",
    ),
    "A0210": Code(
        'nothing will refresh a root',
        'A root with a command runs again when its code changes, its output is touched, its last attempt failed, or a freshness policy on it or on an asset below asks for newer data. This root has no such policy, so after its first materialization it stays as it is. Add for example freshness: {max_lag: 24h} to it or to what is made from it.',
    ),
    # A03: files, code and connections
    # A04: selections
    "A0401": Code(
        'a selection cannot be read',
        'A selection is a name, a wildcard (raw/*), or tag:x, group:x, owner:x, kind:sql, path:assets/x.yml. +x adds everything above x, 2+x two layers, x+ and x+2 what is below. Several selections are a union. Put wildcards in quotes, so that the shell leaves them alone.',
    ),
    "A0402": Code(
        'a selection names nothing',
        'No asset matches. A selection that names nothing is never a success, since a typing mistake would look like one. assets list shows all names.',
    ),
    "A0403": Code(
        'one asset is asked for',
        'The command takes one asset; the expression names several.',
    ),
    # A05: state and locks
    # A06: plans and runs
    "A0602": Code(
        'an upstream cannot be read as it stands',
        'An asset that would run reads an upstream that is not selected and was never materialized, is gone or changed, or may be half-written after a failed attempt. Nothing runs. Select the upstream too, or add --upstream.',
    ),
    "A0603": Code(
        'a stale upstream is read as it stands',
        'An asset that would run reads an upstream that is not selected and is stale. It runs, on what is there. Add --upstream to bring what is above up to date first.',
    ),
    "A0604": Code(
        'overdue, and this plan does not help',
        'The data of an asset is older than its freshness policy allows, and what holds it back is not part of this plan: a root that is not selected (add --upstream), or an external asset, which only its producer can refresh.',
    ),
    "A0605": Code(
        'a run has no such step',
        "The run's plan held no step for this asset. assets runs RUN lists its steps.",
    ),
    # A07: steps
    # A08: usage
    "A0801": Code(
        "init would overwrite a file",
        "`assets init` writes the files of a new project and never replaces one that is there: the directory already\n"
        "holds a file with the name of one of them, or a manifest under its other name. Nothing was written.\n"
        "Name another directory, or move the files out of the way.\n"
        "\n"
        "    $ assets init my_project",
    ),
    "A0802": Code(
        "the new project cannot be written",
        "`assets init` could not create the directory or write a file in it: no permission, no space, or a file where\n"
        "a directory has to be. The message names the path and the system's reason. Choose a directory that you may\n"
        "write to.\n"
        "\n"
        "    $ assets init ~/my_project",
    ),
    "A0811": Code(
        "unknown command",
        "The first word that is no option names a command, and there is none of this name. `assets --help` lists them.\n"
        "\n"
        "    $ assets plan",
    ),
    "A0812": Code(
        "no such option",
        "The command has no option of this name. `assets COMMAND --help` lists those that it has. The global options\n"
        "-C, --env, --var and --state may stand before or after the command.\n"
        "\n"
        "    $ assets --env prod plan\n"
        "    $ assets plan --env prod",
    ),
    "A0813": Code(
        "something is missing in the call",
        "The command needs an argument, or an option needs a value, that was not given.\n"
        "\n"
        "    $ assets why customer_features\n"
        "    $ assets materialize --jobs 4",
    ),
    "A0814": Code(
        "the call cannot be understood",
        "There is one argument too many, or the words fit no use of the command. A selection with blanks or brackets\n"
        "needs quotes, or the shell splits it.\n"
        "\n"
        "    $ assets plan 'tag:daily and not group:raw'",
    ),
    "A0815": Code(
        "a value that the option does not take",
        "The message names the option, the value and what is taken instead: --jobs takes a number from 1 to 1024,\n"
        "--var a name and a value with `=` between them, -C a directory that exists.\n"
        "\n"
        "    $ assets --var currency=USD materialize --jobs 4",
    ),
    "A0816": Code(
        "unknown error code",
        "`assets explain` knows the codes that stand in square brackets after `error` and `warning`, such as A0102.\n"
        "Without a code it lists them all.\n"
        "\n"
        "    $ assets explain",
    ),
    "A0817": Code(
        "unknown schema",
        "`assets schema NAME` prints the JSON schema of one document; `assets schema --list` names them. Without a name\n"
        "it prints the manifest's.\n"
        "\n"
        "    $ assets schema plan",
    ),
    "A0818": Code(
        "the operating system refused something",
        "A file or directory could not be read or written. The message gives the path and the system's reason, such as\n"
        "`permission denied` or `no space left on device`. Nothing of what is on record was lost.",
    ),
    "A0819": Code(
        "internal error",
        "Something happened that assets was not prepared for: a bug of ours. The details are in the file that the hint\n"
        "names; please attach it to a report after a look at what it tells about your project. What had finished before\n"
        "is on record, so that running again goes on from there.",
    ),
    "A0820": Code(
        "assets runs on Linux and macOS",
        "Locks and process groups work differently on Windows. Run assets inside WSL, where it is at home:\n"
        "\n"
        "    $ wsl --install",
    ),
    "A0821": Code(
        "no log",
        "The run or its step is on record, but no log of it is there: the step never started (it was blocked, skipped or\n"
        "cancelled), or the files below .assets/logs were deleted. `assets runs RUN` tells how each step ended.\n"
        "\n"
        "    $ assets runs latest",
    ),
}
