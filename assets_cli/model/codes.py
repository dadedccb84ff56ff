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
    "A0101": Code(
        "there is no manifest",
        "A project is a folder that holds `assets.yml` (or `assets.yaml`). It was looked for in the working\n"
        "directory and in every folder above it. Go into the project, name its folder with `-C`, or write a\n"
        "new project with `assets init`.",
    ),
    "A0102": Code(
        "unknown key",
        "The manifest holds a key that this version does not know. Such a key would have no effect, and a\n"
        "misspelt one would silently change what is done, so it is refused. Correct the spelling or remove\n"
        "the key.\n"
        "\n"
        "    upstrems: [raw]     # unknown\n"
        "    upstreams: [raw]    # right\n"
        "\n"
        "`assets schema manifest` prints every key with its description.",
    ),
    "A0103": Code(
        "a file or folder cannot be read",
        "The manifest, a file that it includes, or the folder given with `-C` does not exist, may not be\n"
        "read, or is not what it should be. Check the path and its permissions.",
    ),
    "A0104": Code(
        "two manifests in one folder",
        "A folder holds both `assets.yml` and `assets.yaml`, and it is not clear which one counts. Keep one,\n"
        "for example by naming the other one under `include`.",
    ),
    "A0105": Code(
        "not UTF-8",
        "Manifest files are text in UTF-8, with or without a byte order mark. The place names the first byte\n"
        "that does not belong. Save the file as UTF-8, for example with `iconv -f latin1 -t utf-8`.",
    ),
    "A0106": Code(
        "control character",
        "The file holds a character that cannot be seen and does not belong into text, such as NUL. It often\n"
        "comes from a broken copy. Remove it; where a value needs one, write an escape between double quotes,\n"
        'such as `"\\e"`. NUL is never possible.',
    ),
    "A0107": Code(
        "not valid YAML",
        "The text breaks the grammar of YAML at this place. Most often the indentation differs from the line\n"
        "above, a tab stands in it, a quote or bracket is not closed, or a text with `: ` or ` #` needs\n"
        "quotes.\n"
        "\n"
        "    description: note: daily      # refused\n"
        '    description: "note: daily"    # right',
    ),
    "A0108": Code(
        "the file is empty",
        "A manifest holds at least `version: 1`; an included file holds `assets:`. Write it, remove the file,\n"
        "or start with `assets init`.",
    ),
    "A0109": Code(
        "the file holds no mapping",
        "A manifest file is a mapping of keys to values. This one is a list or a single text.\n"
        "\n"
        "    - name: orders        # refused: a list\n"
        "\n"
        "    assets:               # right\n"
        "      - name: orders",
    ),
    "A0110": Code(
        "several documents in one file",
        "`---` starts a second YAML document in the same file. Only one is read. Put further assets into the\n"
        "same list, or into files of their own named under `include`.",
    ),
    "A0111": Code(
        "a key is here twice",
        "A mapping holds the same key twice. YAML readers differ in which one counts, so neither does. Keep\n"
        "one; the message names the first one too.\n"
        "\n"
        "    owner: a\n"
        "    owner: b     # refused",
    ),
    "A0112": Code(
        "a key is not text",
        "Keys are text. A plain number, `true`, `null`, a list or a mapping as a key is refused. Quote it:\n"
        '`"2024": x`. A value that starts with `{{` needs quotes too, since YAML takes it for a mapping as a\n'
        "key.",
    ),
    "A0113": Code(
        "a value that YAML readers disagree about",
        "Plain `yes`, `no`, `on`, `off`, `y`, `n`, `010`, `1_000`, `1:30`, `.inf` and numbers too large to\n"
        "hold mean different things to different readers of YAML: `no` is Norway to you and false to them.\n"
        "Quote it if it is text; else write `true`, `false`, or the number in plain digits.\n"
        "\n"
        "    country: no      # refused\n"
        '    country: "no"    # right',
    ),
    "A0114": Code(
        "a tag is not supported",
        "`!name` before a value asks the reader to make something special of it. Manifests hold plain values;\n"
        "only the core tags such as `!!str` are possible, on values of that type. Remove the tag.",
    ),
    "A0115": Code(
        "an alias that names nothing",
        "`*name` stands for the value that `&name` marks, which must come before it in the same file and must\n"
        "not contain it.\n"
        "\n"
        "    defaults: {env: &common {TZ: UTC}}\n"
        "    assets:\n"
        "      - name: a\n"
        "        env: *common",
    ),
    "A0116": Code(
        "aliases stand for too much",
        "Written out, the aliases of this file would be many times larger than the file. A few lines of\n"
        "aliases of aliases can stand for billions of values, so there is a limit. Write the values where\n"
        "they are used, or use `defaults`.",
    ),
    "A0117": Code(
        "'<<' names no mapping",
        "`<<: *name` puts the entries of another mapping here; the keys written beside it win. Its value must\n"
        "be an alias of a mapping, or a list of such.",
    ),
    "A0118": Code(
        "a value is too large",
        "A single text of more than 1 MiB, a file of more than 256 MiB, or variables that fill in more than\n"
        "32 Mi characters are refused: such a thing is data, not a declaration. Keep it in a file of its own\n"
        "and name that file.",
    ),
    "A0119": Code(
        "nested too deeply",
        "Values are nested more than 64 deep. No manifest needs that. Flatten them, or keep them in a file of\n"
        "their own.",
    ),
    "A0120": Code(
        "not yet supported",
        "The key or value belongs to a later version of `assets`. It is refused instead of ignored, so that\n"
        "nobody relies on what is not done. Remove it, or update `assets`.",
    ),
    "A0121": Code(
        "a required key is missing",
        "Every manifest has `version`, every included file `assets`, every asset a `name`, every connection a\n"
        "`type` and a `path`, every freshness policy a `max_lag` (its own or from `defaults`). Add the key.",
    ),
    "A0122": Code(
        "a value of the wrong type",
        "A list stands where a mapping is needed, a text where a list is needed, and so on. The message says\n"
        "what is expected and what was found.\n"
        "\n"
        "    upstreams: raw       # refused\n"
        "    upstreams: [raw]     # right",
    ),
    "A0123": Code(
        "a value that is not possible here",
        "Only some values are possible for this key; the message lists them. Correct the spelling.\n"
        "\n"
        "    retries: {backoff: exponental}     # refused\n"
        "    retries: {backoff: exponential}    # right",
    ),
    "A0124": Code(
        "a malformed value",
        "A name, tag or reference is not written as it must be: asset names hold ASCII letters, digits, `_`,\n"
        "`-`, `.` and `/`; tags are a word or `key=value`; a Python function is `module:function`; names of\n"
        "environment variables hold letters, digits and `_`. `and`, `or` and `not` are words of selections\n"
        "and no asset names.",
    ),
    "A0125": Code(
        "text needs quotes",
        "The key needs text, and YAML reads a plain number, `true` or `false` as something else: `1.10`\n"
        "becomes 1.1. Quote it.\n"
        "\n"
        "    code_version: 7      # refused\n"
        '    code_version: "7"    # right',
    ),
    "A0126": Code(
        "an empty value",
        "The key is there and its value is not. Write a value, or remove the key to get the default.",
    ),
    "A0127": Code(
        "not a duration",
        "Durations are whole numbers with units, largest first: `d`, `h`, `m`, `s`, `ms`, such as `90s`,\n"
        "`15m`, `6h`, `7d` or `1h30m`.\n"
        "\n"
        "    max_lag: 6 hours    # refused\n"
        "    max_lag: 6h         # right",
    ),
    "A0128": Code(
        "not exactly one kind of command",
        "`command` holds exactly one of `shell`, `sql` and `python`. Two commands are two assets, the second\n"
        "with the first as its upstream. An asset without a command is external: leave `command` out.",
    ),
    "A0129": Code(
        "a number or duration out of range",
        "The value is below or above what is possible; the message says the limit.",
    ),
    "A0130": Code(
        "a repeated item",
        "A list that names things holds the same item twice. Remove one of them.",
    ),
    "A0131": Code(
        "an include names no file",
        "A path or glob under `include` matches nothing, so that assets would be missing without a word. It\n"
        "is relative to the manifest's folder; files and folders that start with a dot are left out. Correct\n"
        "or remove it.",
    ),
    "A0132": Code(
        "a variable without a value",
        "`${vars.x}` names a variable that is not declared under `vars`, or that is a list, a mapping or\n"
        "empty. Declare it, correct the spelling, or write `$${vars.x}` to keep the text as it is.\n"
        "\n"
        "    vars: {currency: EUR}",
    ),
    "A0133": Code(
        "a malformed reference",
        "`${vars.name}` and `${env.NAME}` or `${env.NAME:-default}` are filled in; variables take no default\n"
        "and names hold no spaces. Correct it, or write `$${` for a plain `${`.",
    ),
    "A0134": Code(
        "--var names no variable",
        "`--var name=value` overrides a variable that the manifest declares under `vars`. This one is not\n"
        "declared, so the value would have no effect. Correct the spelling or declare it.",
    ),
    "A0135": Code(
        "environments are not yet supported",
        "`--env` names an overlay of the manifest, which a later version brings. Leave it out.",
    ),
    "A0136": Code(
        "a variable made from itself",
        "The variables under `vars` may use each other, but not in a circle. Give one of them a value of its\n"
        "own.\n"
        "\n"
        '    vars: {a: "${vars.b}", b: "${vars.a}"}    # refused',
    ),
    "A0137": Code(
        "a path that leaves the project",
        "A relative path goes out of the project folder by `..` or through a symbolic link, or an output is\n"
        "the project folder itself. What a project writes and reads by relative paths stays inside it. Write\n"
        "a path inside, or an absolute one if it is meant.",
    ),
    "A0138": Code(
        "an output is not one thing",
        "`output` names a `path` or a `table`, not both and not neither (but for a SQL script). One asset is\n"
        "one thing: make two assets of two.",
    ),
    "A0140": Code(
        "a SQL command without a table",
        "A SQL command fills `output.table`. Name it, or write `output: {materialization: script}` if the\n"
        "statements say themselves what they write.\n"
        "\n"
        '    command: {sql: "select 1 as id"}\n'
        "    output: {table: ids}",
    ),
    "A0141": Code(
        "warn_lag is more than max_lag",
        "The warning comes before the promise is broken: `warn_lag` must not be above `max_lag`.",
    ),
    "A0142": Code(
        "a materialization without SQL",
        "`materialization` says how a SQL command fills its table. It has no meaning for other commands or\n"
        "for an external asset. Remove it.",
    ),
    "A0143": Code(
        "a key without effect",
        "An asset without a command is external: others produce it. Keys about running it have no effect.\n"
        "Remove them, or add a command.",
    ),
    # A02: names and graph
    "A0201": Code(
        "an asset name is taken",
        "Two assets have the same name; the message names both places. The name identifies an asset in every\n"
        "command and in the history. Rename one of them.",
    ),
    "A0202": Code(
        "an unknown upstream",
        "`upstreams` names an asset that the project does not declare. Correct the spelling, or declare it:\n"
        "an asset without a command is external.\n"
        "\n"
        "    assets:\n"
        "      - name: crm_accounts          # others produce it\n"
        "      - name: accounts\n"
        "        upstreams: [crm_accounts]",
    ),
    "A0203": Code(
        "an asset is its own upstream",
        "An asset cannot be made from itself. Remove it from its `upstreams`; a command that adds to its own\n"
        "output needs no entry for that.",
    ),
    "A0204": Code(
        "an upstream is here twice",
        "Remove one of the two.",
    ),
    "A0205": Code(
        "two assets write one output",
        "Two assets declare the same file or table, so that each would overwrite the other and neither would\n"
        "ever be up to date. Give each its own output. Tables are compared without regard to case, paths\n"
        "after following links.",
    ),
    "A0206": Code(
        "two upstreams share one variable",
        "A command finds an upstream's path in `ASSETS_UPSTREAM_<NAME>`, with letters upper-cased and\n"
        "everything else as `_`; Python parameters are named alike. The two names become the same one. Rename\n"
        "one of the assets.\n"
        "\n"
        "    upstreams: [a.b, a-b]    # both are ASSETS_UPSTREAM_A_B",
    ),
    "A0208": Code(
        "an unknown connection",
        "`output.connection` or `default_connection` names a connection that is not declared under\n"
        "`connections`. Correct the spelling or declare it.",
    ),
    "A0209": Code(
        "no connection to use",
        "A table or a query needs a connection. With a single one declared it is used by itself; with\n"
        "several, name one in `output.connection` or in `default_connection`.\n"
        "\n"
        "    connections: {warehouse: {type: duckdb, path: data/warehouse.duckdb}}",
    ),
    "A0207": Code(
        'the upstreams form a cycle',
        "An asset would have to be made before itself. The message shows the loop and the place of each edge. Remove one of these edges; where two assets really need each other's earlier state, split one of them in two.",
    ),
    "A0210": Code(
        'nothing will refresh a root',
        'A root with a command runs again when its code changes, its output is touched, its last attempt failed, or a freshness policy on it or on an asset below asks for newer data. This root has no such policy, so after its first materialization it stays as it is. Add for example freshness: {max_lag: 24h} to it or to what is made from it.',
    ),
    # A03: files, code and connections
    "A0301": Code(
        "an SQL file cannot be read",
        "A command that ends in .sql names a file relative to the project root. It has to be there, and readable, "
        "before its asset can run: command: {sql: sql/orders.sql} needs the file sql/orders.sql.",
    ),
    "A0302": Code(
        "an SQL file is not UTF-8",
        "SQL is read as UTF-8, whatever the machine's locale, so that it means the same everywhere. Save the file as "
        "UTF-8, for example: iconv -f latin1 -t utf-8 old.sql > new.sql.",
    ),
    "A0303": Code(
        "a variable in an SQL file has no value",
        "The file uses ${vars.x}, and neither vars: in the manifest, nor the environment chosen by --env, nor --var "
        "gives x a value that is a text, a number or a boolean. Declare it: vars: {x: 1}. To have the text itself in "
        "the SQL, write $${vars.x}.",
    ),
    "A0304": Code(
        "the module of a Python command does not exist",
        "command: {python: 'features.build:orders'} imports features.build with the project root on sys.path: "
        "features/build.py or features/build/__init__.py. The module is neither a file of the project nor installed.",
    ),
    "A0305": Code(
        "a Python module has no such function",
        "The module was read, not executed: nothing at its top level defines, assigns or imports that name. A module "
        "with a star import or a __getattr__ may have any name and is not refused.",
    ),
    "A0306": Code(
        "a Python module is not valid Python",
        "The module of a Python command cannot be parsed by the Python that runs assets, so the command could only "
        "fail. The place is where the parser gave up; the mistake is there or shortly before.",
    ),
    "A0307": Code(
        "a pattern under code: matches no file",
        "code: names further files whose contents count as the asset's code: a file, a folder, or a pattern such as "
        "lib/**/*.py, relative to the project root. One that matches nothing guards nothing; it is mostly a typing "
        "mistake or a file that moved.",
    ),
    "A0308": Code(
        "a file of an asset's code cannot be read",
        "A script, a module or a file under code: is there but cannot be read, so nobody can tell whether it changed. "
        "Make it readable: chmod u+r FILE.",
    ),
    "A0309": Code(
        "an output was not probed",
        "Nobody could look at what is at the declared output: a run is making it just now, a variable in its path is "
        "not set, it cannot be read, or it leaves the project through a symlink. What is on record about it stands; "
        "drift that happened meanwhile is seen by the next plan that can look.",
    ),
    "A0310": Code(
        "tables were not probed",
        "A database could not be opened, or a run has it in use: file databases let in one process at a time, and a "
        "plan waits for one second only. What is on record about its tables stands.",
    ),
    "A0311": Code(
        "an environment variable is not set",
        "${env.X} without a default needs X in the environment or in the .env file at the project root when an asset "
        "that uses it runs. A default is written ${env.X:-default}.",
    ),
    "A0312": Code(
        "a command names a file that is no part of the asset's code",
        "Of a shell command the text counts, and the programs and scripts that it runs: python load.py, bash run.sh. "
        "Other files that it names, such as --config settings.yml, may change without making the asset stale. List "
        "them under code:, or, where they are data, make them an asset and an upstream.",
    ),
    "A0313": Code(
        "a command runs a script that does not exist",
        "A shell command hands a file to an interpreter that is not there, that no asset makes and that the command "
        "does not write itself. Paths are relative to the project root, where commands run.",
    ),
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
    "A0501": Code(
        "the state file is of a newer version",
        """The history in the state file was written by a later version of assets, with tables that this one does not
know. It is refused rather than read half, and nothing in it is changed.

Upgrade this installation (`pip install --upgrade assets-cli`), or keep a history of its own for this version:
`assets --state other.db plan`.""",
    ),
    "A0502": Code(
        "the state file is damaged",
        """SQLite cannot read the state file, or the tables in it are not the ones that were made: it was cut short,
overwritten, or copied while a command was writing to it. Nothing in it is changed.

Restore it from a backup. When copying a state file by hand, copy `state.db-wal` with it, or use
`assets state backup`. Without a backup, start a new history (`--state FILE`): every asset is then `missing` once.""",
    ),
    "A0503": Code(
        "the state file belongs to another program",
        """The file that is named as state is a SQLite database, but not one that assets made. It is refused so that no
tables are added to somebody else's data.

Name the right file: `state: .assets/state.db` in the manifest, or `--state FILE`, or ASSETS_STATE.""",
    ),
    "A0504": Code(
        "the state file is kept locked",
        """Another program has held the state file locked for more than half a minute. The commands of assets hold it
for milliseconds at a time, so it is most likely a database browser with unsaved changes, or a backup program.

Close that program, or let it finish, and run the command again.""",
    ),
    "A0505": Code(
        "the state file cannot be used",
        """The state file, or its folder, cannot be opened: no permission, a folder where the file should be, a disk
that fails.

`plan`, `why`, `list`, `lineage`, `freshness` and `show` need to read the file only, and work on one that is read-only
in a read-only folder. `materialize` and the others that record need to write to the file and to its folder.""",
    ),
    "A0506": Code(
        "the state file cannot be written",
        """What happened could not be recorded: the disk is full, the file is read-only, or a value does not fit.
The run stops, since going on would do work that nobody remembers. What was recorded before stays, and nothing is
recorded by halves.

Free some space or mend the permissions, and run the command again: it does what is still needed.""",
    ),
    "A0507": Code(
        "no such run",
        """A run is named by its id, by the beginning or the end of it where that fits one run only, or by `latest`:
`assets runs 7f3a`. No run fits, or more than one does.

`assets runs` lists them.""",
    ),
    "A0508": Code(
        "a lock cannot be taken",
        """Before a step runs, it locks its asset and its upstreams, so that two runs never write one output at a time.
The locks are files in `.assets/locks`, which must be writable and on a disk where file locks work; some network file
systems have none.

Mend the permissions of the folder, or put the state on a local disk: `assets --state /var/lib/assets/state.db …`.""",
    ),
    "A0509": Code(
        "the record to be added to is gone",
        """A run wanted to record how something ended that is not on record as begun: the state file was replaced,
restored from a backup, or cleaned while the run was at work.

Nothing is recorded by halves. Run the command again when nobody changes the file.""",
    ),
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
