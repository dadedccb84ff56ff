"""A small project for every finding of `assets validate`, and what is said of it in every format.

    python tests/support/findings.py            write what is said now into tests/cli/findings
    python tests/support/findings.py A0102      of this code only

Each project is a folder `shop` of a repository, so that paths differ where a format wants those of the repository.
Look at what changed before it is committed: the files are what users see.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from assets_cli.cli import main
from assets_cli.model.codes import CODES
from assets_cli.probing.files import FileDigests

FOLDER = Path(__file__).parent.parent / "cli" / "findings"
FORMATS = ("text", "json", "github", "sarif")
WIDE = "4000"
"""For messages that hold the path of the temporary folder, whose length is not ours to know."""


class Case(NamedTuple):
    """A project, and how `validate` is called in it: `after` are its own options. A file that ends in `/` is a folder.

    One that is `unreadable` nobody may read, not even those who may read everything.
    """

    files: Mapping[str, str | bytes]
    options: tuple[str, ...] = ()
    wide: bool = False
    unreadable: str | None = None
    after: tuple[str, ...] = ()


def project(text: str, *options: str, **files: str | bytes) -> Case:
    """A project of one manifest; further files by name, with `__` for a slash and `_` before the ending for a dot."""
    return Case(
        {"assets.yml": f"version: 1\n{text}", **{_path(name): content for name, content in files.items()}}, options
    )


def _path(name: str) -> str:
    stem, _, ending = name.replace("__", "/").rpartition("_")
    return f"{stem}.{ending}" if stem else name


def assets(*entries: str, head: str = "", **files: str | bytes) -> Case:
    """A project of these assets, all of which something refreshes."""
    lines = "".join(f"  - {entry}\n" for entry in entries)
    return project(f"{head}defaults: {{freshness: {{max_lag: 1d}}}}\nassets:\n{lines}", **files)


def alerts(route: str, more: str = "") -> Case:
    """An asset, and a route of alerts."""
    return assets("{name: orders, command: {shell: x}}", head=f"alerts:\n  team: {route}\n{more}")


def policies(policy: str, house: str | None = None) -> Case:
    """Two assets held to a policy, and the body of the function that it names."""
    files = {} if house is None else {"house_py": f"def check(asset):\n{house}\n"}
    return assets(
        "name: orders\n    group: marts\n    command: {shell: x}\n    upstreams: [crm]\n    output: {path: o}\n"
        "    columns: [{name: email}]",
        "{name: crm, group: raw, observe: {path: crm.csv}}",
        head=f"policies:\n  - {policy}\n",
        **files,
    )


W = "connections: {w: {type: duckdb, path: w.duckdb}}\n"
A = '{name: a, command: {shell: "echo 1 > a.txt"}, output: {path: a.txt}}'
TABLE = "{name: t, command: {sql: t.sql}, output: {table: t}}"

CASES: dict[str, Case] = {
    "A0101": Case({"other.yml": "version: 1\n"}, wide=True),
    "A0102": assets("{name: b, upstrems: [a], command: {shell: x}}"),
    "A0103": Case({"assets.yml/": ""}),
    "A0104": Case({"assets.yml": "version: 1\n", "assets.yaml": "version: 1\n"}, wide=True),
    "A0105": Case({"assets.yml": b"version: 1\nproject: caf\xe9\n"}),
    "A0106": Case({"assets.yml": "version: 1\nproject: a\x07b\n"}),
    "A0107": assets("name: [orders"),
    "A0108": Case({"assets.yml": "# to be written\n"}),
    "A0109": Case({"assets.yml": "- orders\n"}),
    "A0110": project("assets: []\n---\nversion: 1\n"),
    "A0111": project("assets: []\nassets: []\n"),
    "A0112": project("1: one\nassets: []\n"),
    "A0113": assets("{name: no, command: {shell: x}}"),
    "A0114": assets("{name: a, description: !!python/name:os.system x, command: {shell: x}}"),
    "A0115": assets("{name: a, tags: *common, command: {shell: x}}"),
    "A0116": project(
        "vars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 7))
    ),
    "A0117": assets("{<<: text, name: a, command: {shell: x}}"),
    "A0118": assets(f"name: a\n    command: {{shell: x}}\n    description: {'x' * (1 << 20)}y"),
    "A0119": project(f"vars: {{x: {'[' * 70}{']' * 70}}}\n"),
    "A0120": assets("{name: a, command: {shell: x}, partitions: daily}"),
    "A0121": assets("{command: {shell: x}}"),
    "A0122": assets("{name: a, command: {shell: x}, upstreams: b}", "{name: b, command: {shell: x}}"),
    "A0123": assets("{name: a, command: {shell: x}, data_version: contents}"),
    "A0124": assets("{name: a b, command: {shell: x}}"),
    "A0125": assets("{name: a, command: {shell: x}, description: 5}"),
    "A0126": assets("{name: a, command: {shell: x}, owner: }"),
    "A0127": assets("{name: a, command: {shell: x}, timeout: 5}", "{name: b, command: {shell: x}, timeout: soon}"),
    "A0128": assets("{name: a, command: {shell: x, sql: select 1}}"),
    "A0129": assets("{name: a, command: {shell: x}, retries: {max: 1000}}"),
    "A0130": assets("{name: a, command: {shell: x}, tags: [x, x]}"),
    "A0131": project("include: [more/*.yml]\n"),
    "A0132": assets('{name: a, command: {shell: "echo ${vars.curency}"}}', head="vars: {currency: EUR}\n"),
    "A0133": assets('{name: a, command: {shell: "echo ${env.}"}}'),
    "A0134": project("vars: {day: monday}\nassets: [{name: a, description: '${vars.day}'}]\n", "--var", "dya=x"),
    "A0135": project("environments: {prod: {}}\n", "--env", "prd"),
    "A0136": project("vars: {a: '${vars.b}', b: '${vars.a}'}\n"),
    "A0137": assets("{name: a, command: {shell: x}, output: {path: ../a.txt}}"),
    "A0138": assets("{name: a, command: {shell: x}, output: {path: a.txt, table: a}}", head=W),
    "A0140": assets("{name: a, command: {sql: select 1}}", head=W),
    "A0141": assets("{name: a, command: {shell: x}, freshness: {max_lag: 6h, warn_lag: 8h}}"),
    "A0142": assets("{name: a, command: {shell: x}, output: {table: a, materialization: view}}", head=W),
    "A0143": assets("{name: a, timeout: 5s, observe: {path: a.txt}}"),
    "A0144": project("environments: {default: {}}\n"),
    "A0145": Case({"assets.yml": "version: 1\n", ".env": "TOKEN=secret\nnot a variable\n"}),
    "A0146": Case({"assets.yml": "version: 1\n", ".env": b"TOKEN=\xff\n"}),
    "A0147": assets("{name: a, command: {shell: x}, observe: {path: a.txt}}"),
    "A0148": assets("{name: a, command: {shell: x}, output: {path: 'a/*.csv', atomic: true}}"),
    "A0150": assets("{name: a, command: {shell: x}, output: {path: a.csv}, checks: [{severity: warn}]}"),
    "A0151": assets(
        "{name: a, command: {shell: x}, output: {path: a}, checks: [{name: c, unique: [x]}, {name: c, not_null: [x]}]}"
    ),
    "A0152": assets(
        "{name: a, command: {shell: x}, output: {path: a}, checks: [{unique: [x], severity: warn, blocking: true}]}",
        "{name: b, output: {path: b.csv}, observe: {path: b.csv}, checks: [{unique: [x], blocking: true}]}",
    ),
    "A0153": assets("{name: a, command: {shell: x}, checks: [{unique: [x]}]}"),
    "A0154": assets(
        "{name: a, command: {shell: x}, output: {path: a.csv}, checks: [{row_count: {min: 9, max: 1}}]}",
        "{name: b, output: {path: b.csv}, observe: {path: b.csv}, checks: [{volume: {tolerance: 0.5}}]}",
    ),
    "A0155": assets("{name: a, command: {sql: select 1}, output: {table: a, materialization: incremental}}", head=W),
    "A0161": assets("{name: a, command: {shell: x}, output: {path: a.csv}, checks: [{schema: {}}]}"),
    "A0162": assets(
        "{name: a, command: {shell: x}, output: {path: a.csv}, checks: [{matches: {column: x, pattern: '(a'}}]}"
    ),
    "A0163": assets(
        "{name: a, command: {shell: x}, output: {path: a.csv}, checks: [{relationships: {column: x, to: bb}}]}",
        "{name: b, command: {shell: x}, output: {path: b.csv}}",
    ),
    "A0164": assets("{name: a, command: {shell: x}, output: {path: a.csv}, columns: [{name: id}, {name: ID}]}"),
    "A0171": project("rules: {A312: off, A0603: off}\nassets: [{name: a, rules: {A9999: off}}]\n"),
    "A0172": project("rules: {A0202: off}\ndefaults: {rules: {A0121: warning}}\n"),
    "A0173": project(
        "vars: {currency: EUR, old: {rate: 1}}\nenvironments: {prod: {vars: {old: {rate: 2}}}}\n"
        "assets: [{name: a, description: 'in ${vars.currency}'}]\n"
    ),
    "A0201": assets(A, A),
    "A0202": assets(
        "{name: raw_orders, observe: {path: x}}", "{name: b, upstreams: [raw_ordres], command: {shell: x}}"
    ),
    "A0203": assets("{name: a, command: {shell: x}, upstreams: [a]}"),
    "A0204": assets(A, "{name: b, command: {shell: x}, upstreams: [a, a]}"),
    "A0205": assets(A, "{name: b, command: {shell: x}, output: {path: ./a.txt}}"),
    "A0206": assets(
        "{name: a.b, command: {shell: x}}",
        "{name: a-b, command: {shell: x}}",
        "{name: c, command: {shell: x}, upstreams: [a.b, a-b]}",
    ),
    "A0207": assets("{name: a, command: {shell: x}, upstreams: [b]}", "{name: b, command: {shell: x}, upstreams: [a]}"),
    "A0208": assets(
        "{name: a, command: {sql: select 1}, output: {table: a, connection: warehous}}",
        head=W.replace("w:", "warehouse:"),
    ),
    "A0209": assets("{name: a, command: {sql: select 1}, output: {table: a}}"),
    "A0210": project(f"assets:\n  - {A}\n"),
    "A0211": assets(A, head="environments: {prod: {}}\n"),
    "A0212": assets(
        "{name: a, command: {shell: x}, output: {path: out}}",
        "{name: b, command: {shell: x}, output: {path: out/b.txt}}",
        "{name: c, command: {shell: x}, output: {path: all, atomic: true}}",
        "{name: d, command: {shell: x}, output: {path: all/d.txt}}",
    ),
    "A0213": assets("{name: a, command: {shell: x}, output: {path: .assets/a.txt}}"),
    "A0214": assets("{name: a, command: {shell: x}, pool: warehose}", head="pools: {warehouse: 4}\n"),
    "A0215": assets("{name: a, command: {shell: x}, moved: {from: b}}", "{name: b, command: {shell: x}}"),
    "A0216": project("connections: {w: {type: postgresql, url: x}}\n"),
    "A0217": assets(
        "{name: crm, observe: {path: crm.csv}}",
        "{name: joined, command: {shell: x}, upstreams: [crm], freshness: {max_lag: 2d}}",
        "{name: mart, command: {shell: x}, upstreams: [joined], freshness: {max_lag: 6h}}",
    ),
    "A0218": project(
        "assets:\n  - name: crm\n  - {name: mart, command: {shell: x}, upstreams: [crm], freshness: {max_lag: 6h}}\n"
        "  - {name: erp, freshness: {max_lag: 1h}}\n"
    ),
    "A0251": assets(
        "{name: a, command: {shell: x}, freshness: {cron: '0 9 30 2 *', max_lag: 1h}}",
        "{name: b, command: {shell: x}, freshness: {cron: '0 25 * * *', max_lag: 1h}}",
    ),
    "A0252": assets(
        "{name: a, command: {shell: x}, freshness: {cron: '@daily', timezone: America/New_Yrok, max_lag: 1h}}"
    ),
    "A0253": assets("{name: a, command: {shell: x}, freshness: {timezone: Europe/Paris, max_lag: 1h}}"),
    "A0254": assets("{name: a, command: {shell: x}, freshness: {max_lag: 1h, retry_every: 10ms}}"),
    "A0301": assets("{name: t, command: {sql: sql/tt.sql}, output: {table: t}}", head=W, sql__t_sql="select 1 as x"),
    "A0302": assets(TABLE, head=W, t_sql=b"select '\xe9' as x"),
    "A0303": assets(TABLE, head=W, t_sql="select\n  '${vars.day}' as x"),
    "A0304": assets("{name: a, command: {python: 'featurs:make'}}", features_py="def make(): ..."),
    "A0305": assets("{name: a, command: {python: 'features:mak'}}", features_py="def make(): ..."),
    "A0306": assets("{name: a, command: {python: 'features:make'}}", features_py="x = 1\ndef make(:\n    pass\n"),
    "A0307": assets("{name: a, command: {shell: x}, code: ['libs/*.py']}", lib__x_py="x = 1"),
    "A0308": assets("{name: a, command: {shell: x}, code: [lib.py]}", lib_py="x = 1")._replace(unreadable="lib.py"),
    "A0311": assets(
        "{name: t, command: {sql: t.sql}, output: {table: t}, env: {MODE: '${env.SHOP_MODE}'}}",
        head="connections: {w: {type: duckdb, path: '${env.SHOP_DB}'}}\n",
        t_sql="select\n  '${env.SHOP_DAY}' as x",
    ),
    "A0312": assets("{name: a, command: {shell: python load.py --config conf.yml}}", load_py="", conf_yml=""),
    "A0312-lines": assets(
        "name: a\n    command:\n      shell: |\n        cd .\n        python load.py --config conf.yml -t ${env.TOKEN}",
        load_py="",
        conf_yml="",
    ),
    "A0312-imports": assets(
        "{name: a, command: {shell: python bin/load.py}}", bin__load_py="import common", bin__common_py="x = 1"
    ),
    "A0313": assets("{name: a, command: {shell: python scripts/laod.py}}", scripts__load_py=""),
    "A0320": assets(TABLE, head=W, t_sql="select x\nfrom\nwhere y ="),
    "A0320-other": assets(
        "{name: t, command: {sql: select 1 as x}, output: {table: t}, data_version: {sql: select from}, checks: "
        "[{name: late, sql: checks/late.sql}]}",
        "name: crm\n    observe:\n      sql: |\n        select max(at)\n        from where",
        head=W,
        checks__late_sql="select *\nfrom t\nwhere where",
    ),
    "A0321": assets(
        "{name: raw, command: {sql: select 1 as x}, output: {table: raw}}",
        "{name: t, command: {sql: t.sql}, output: {table: t}, upstreams: [raw]}",
        head=W,
        t_sql="select 1 as x",
    ),
    "A0322": assets(
        "{name: orders, command: {sql: select 1 as x}, output: {table: orders}}",
        TABLE,
        head=W,
        t_sql="select x\nfrom ordrs",
    ),
    "A0323": assets(
        "{name: orders, command: {sql: select 1 as amount}, output: {table: orders}}",
        TABLE,
        head=W,
        t_sql="select\n  amuont\nfrom orders",
    ),
    "A0324": assets(
        "{name: raw/orders, command: {shell: x}, output: {path: orders.csv}}",
        "{name: a.b, command: {shell: x}, output: {path: ab}}",
        "{name: a-b, command: {shell: x}, output: {path: ba}}",
        "{name: report, command: {python: 'code.report:make'}, output: {path: report.txt}}",
        code__report_py="def make(\n    context,\n    raw_orderz: str, limit, a_b, month=1\n):\n    pass\n",
    ),
    "A0325": assets(
        "{name: orders, command: {sql: select 1 as x}, output: {table: orders}}",
        "{name: mail, command: {shell: x}}",
        "{name: rates, command: {shell: x}, output: {path: rates.csv}}",
        "{name: report, command: {python: 'report:make'}, output: {path: report.txt}}",
        head=W,
        report_py="from pathlib import Path\n\n\ndef make(orders: Path, mail, rates: float):\n    pass\n",
    ),
    "A0401": policies("{name: layers, select: 'group:marts and', require: [group]}"),
    "A0402": policies("{name: layers, select: group:martz, require: [group]}"),
    "A0404": policies("{name: layers, select: is:stale, require: [group]}"),
    "A0701": policies("{name: owners, require: [owner]}"),
    "A0702": policies("{name: no shell, forbid: [command.shell], severity: warning}"),
    "A0703": policies("{name: names, names: '^(raw|mart)_'}"),
    "A0704": policies("{name: teams, allowed: {group: [raw]}}"),
    "A0705": policies("{name: personal data, columns: {match: email, tags: [pii]}}"),
    "A0706": policies("{name: layers, select: group:marts, upstreams: group:marts}"),
    "A0707": policies(
        "{name: ours, select: orders, python: 'house:check'}", house="    yield f'{asset.name} is bad', 'do better'"
    ),
    "A0708": policies("{name: nothing}"),
    "A0709": policies("{name: ours, select: orders, python: 'house:check'}", house="    return 1 / 0"),
    "A0710": policies("{name: groups, require: [group], except: orders}"),
    "A0720": alerts("{to: 'json://localhost', command: {shell: x}}", "  nobody: {tell: [failed]}\n"),
    "A0721": alerts(
        "{to: ['slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ', '${env.ELSEWHERE:-json://localhost}']}"
    ),
    "A0727": alerts("{to: 'xmpl://${env.PATH}'}"),
    "A0728": alerts("{command: {shell: x}, tell: [at_risk, recovered], severity: error}"),
    "A0831": assets("{name: crm, observe: {path: crm.csv}, schedule: {cron: '0 6 * * *'}}"),
    "A0832": assets("{name: crm, observe: {path: crm.csv, every: 10ms}}"),
}
"""By the code that each is about, which comes first in its name."""

ELSEWHERE = {
    "A0722": "the selection of an alert route has its own code here: this one is of who would tell",
    "A0723": "apprise is installed where the tests run",
    "A0724": "an alert was not delivered: found by the next command",
    "A0725": "no such alert route: a mistake in a call",
    "A0726": "no alerts were sent: found by who would tell",
    "A0309": "a table was not probed: found while planning",
    "A0310": "tables were not probed: found while planning",
    "A0314": "an external asset could not be observed: found while planning",
}
"""Codes of these ranges that `validate` never gives, and why."""


def wanted() -> set[str]:
    """The codes that need a case: of manifest, graph and code, and of policies."""
    return {code for code in CODES if code < "A04" or code.startswith("A07")} - ELSEWHERE.keys()


def lay_out(case: Case, folder: Path) -> Path:
    """Write the repository of a case; the folder of its project."""
    (folder / ".git").mkdir()
    root = folder / "shop"
    root.mkdir()
    for name, content in case.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def said(case: Case, root: Path, form: str) -> tuple[str, str, int]:
    """What `validate` prints in a format to both streams, and its exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    environ = {"PATH": os.environ["PATH"], "NO_COLOR": "1", "COLUMNS": WIDE if case.wide else "80"}
    digest = FileDigests.digest

    def read(files: FileDigests, path: str) -> str:
        if path == case.unreadable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return digest(files, path)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, environ, clear=True))
        stack.enter_context(mock.patch.object(FileDigests, "digest", read))
        stack.enter_context(_inside(root))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code = main.run([*case.options, "validate", *case.after, "--format", form])
    place = str(root.parent.resolve())
    return _read(out).replace(place, "/repository"), _read(err).replace(place, "/repository"), code


def _read(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def told(case: Case, see: Callable[[Any], object] = lambda _: None) -> str:
    """All that is said of a case, in every format, as its golden file has it. `see` is shown the SARIF document."""
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        root = lay_out(case, Path(folder))
        for form in FORMATS:
            out, err, code = said(case, root, form)
            if form == "sarif":
                see(json.loads(out))
                out = shortened(json.loads(out))
            call = " ".join(["assets", *case.options, "validate", "--format", form])
            parts.append(f"$ {call}\n{out}" + (f"-- stderr\n{err}" if err else "") + f"-- exit code {code}\n")
    return "\n".join(parts)


def shortened(document: dict[str, Any]) -> str:
    """A SARIF document without what is the same in all of them, which is compared here: its head, what rules mean."""
    run = document["runs"][0]
    driver = run["tool"]["driver"]
    for rule in driver["rules"]:
        found = CODES[rule["id"]]
        assert rule["help"] == {"text": found.explanation, "markdown": found.explanation}
        assert rule["shortDescription"] == {"text": found.title}
        assert rule["fullDescription"]["text"] in found.explanation.replace("\n", " ")
        assert rule["defaultConfiguration"] == {"level": found.rule or "error"}
    assert (document["version"], driver["name"], run["columnKind"]) == ("2.1.0", "assets", "unicodeCodePoints")
    rest = {
        "rules": [rule["id"] for rule in driver["rules"]],
        "executionSuccessful": run["invocations"][0]["executionSuccessful"],
        "results": run["results"],
    }
    return json.dumps(rest, indent=1, ensure_ascii=False) + "\n"


def write(codes: list[str]) -> None:
    """Write the golden files of these cases, or of all."""
    FOLDER.mkdir(exist_ok=True)
    if not codes:
        for path in FOLDER.glob("*.txt"):
            if path.stem not in CASES:
                path.unlink()
    for name, case in CASES.items():
        if not codes or name in codes:
            (FOLDER / f"{name}.txt").write_text(told(case), encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1:])
