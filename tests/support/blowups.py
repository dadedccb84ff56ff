"""Projects of one odd shape and of any size, which cost too much where something goes over all of it for each of it.

`SHAPES` gives the files of each for a number; what may be asked of them is a test's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Shape = Callable[[int], dict[str, bytes]]
HEAD = "version: 1\nproject: odd\n"
ASSET = "  - name: a\n    command: {shell: 'true'}\n"


def _manifest(text: str, **more: str) -> dict[str, bytes]:
    names = {name.replace("__", ".").replace("_in_", "/"): value.encode() for name, value in more.items()}
    return {"assets.yml": text.encode(), **names}


def _assets(lines: str) -> dict[str, bytes]:
    return _manifest(f"{HEAD}assets:\n{lines}")


def _sql(text: str) -> dict[str, bytes]:
    head = f"{HEAD}connections:\n  w: {{type: duckdb, path: w.duckdb}}\nassets:\n"
    return _manifest(f"{head}  - name: a\n    command: {{sql: q.sql}}\n    output: {{table: a}}\n", q__sql=text)


def _python(text: str) -> dict[str, bytes]:
    head = f"{HEAD}assets:\n  - name: a\n    command: {{python: 'm:run'}}\n    output: {{path: a.csv}}\n"
    return _manifest(head, m__py=text)


SHAPES: Mapping[str, Shape] = {
    "keys that are unknown": lambda n: _manifest(HEAD + "".join(f"key{i}: 1\n" for i in range(n))),
    "keys that come twice": lambda n: _manifest(HEAD + "vars:\n" + 2 * "".join(f"  k{i}: 1\n" for i in range(n))),
    "one key again and again": lambda n: _manifest(HEAD + "project: x\n" * n),
    "aliases of one long list": lambda n: _manifest(
        f"{HEAD}vars:\n  a: &a [{', '.join('1' * n)}]\n" + "".join(f"  b{i}: *a\n" for i in range(n))
    ),
    "aliases of aliases": lambda n: _manifest(
        f"{HEAD}vars:\n  a0: &a0 [x]\n"
        + "".join(f"  a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, min(n, 60)))
    ),
    "merges of merges": lambda n: _manifest(
        f"{HEAD}vars:\n  a0: &a0 {{x: 1}}\n"
        + "".join(f"  a{i}: &a{i} {{<<: *a{i - 1}, k{i}: 1}}\n" for i in range(1, n // 4 + 2))
    ),
    "a merge of many": lambda n: _manifest(
        f"{HEAD}vars:\n"
        + "".join(f"  a{i}: &a{i} {{k{i}: 1}}\n" for i in range(n))
        + f"  b: {{<<: [{', '.join(f'*a{i}' for i in range(n))}]}}\n"
    ),
    "deep lists": lambda n: _manifest(HEAD + "vars: {a: " + "[" * n + "]" * n + "}\n"),
    "deep mappings": lambda n: _manifest(HEAD + "vars: " + "{a: " * n + "1" + "}" * n + "\n"),
    "deep blocks": lambda n: _manifest(HEAD + "vars:\n" + "".join(" " * i + "- \n" for i in range(1, min(n, 2000)))),
    "brackets that nobody closes": lambda n: _manifest(HEAD + "vars: " + "[" * n),
    "one long line": lambda n: _assets("  - {name: a, description: '" + "x" * 100 * n + "', nam: b}\n"),
    "many mistakes on one line": lambda n: _manifest(
        f"{HEAD}assets: [{', '.join(f'{{name: a{i}, nam: x}}' for i in range(n))}]\n"
    ),
    "a huge number": lambda n: _assets(f"{ASSET}    retries: {{max: {'9' * 100 * n}}}\n"),
    "a huge exponent": lambda n: _assets(f"{ASSET}    retries: {{max: 1e{'9' * min(n, 5000)}}}\n"),
    "a long duration": lambda n: _assets(f"{ASSET}    timeout: {'9' * 100 * n}x\n"),
    "a duration that is nearly one": lambda n: _assets(f"{ASSET}    timeout: {'1' * 100 * n}d1h1m1s1ms!\n"),
    "a long name": lambda n: _assets("  - name: " + "a/" * 100 * n + "!\n"),
    "names that are alike": lambda n: _assets(
        "".join(f"  - {{name: asset_{i}, command: {{shell: x}}, upstreams: [aset_{i}]}}\n" for i in range(n))
    ),
    "names that come twice": lambda n: _assets(2 * "".join(f"  - {{name: a{i}}}\n" for i in range(n))),
    "a cycle of all": lambda n: _assets(
        "".join(f"  - {{name: a{i}, command: {{shell: x}}, upstreams: [a{(i + 1) % n}]}}\n" for i in range(n))
    ),
    "everything above everything": lambda n: _assets(
        "".join(
            f"  - {{name: a{i}, command: {{shell: x}}, upstreams: [{', '.join(f'a{j}' for j in range(i))}]}}\n"
            for i in range(int(n**0.5) + 2)
        )
    ),
    "variables of variables": lambda n: _manifest(
        f"{HEAD}vars:\n  v0: x\n" + "".join(f"  v{i}: '${{vars.v{i - 1}}}'\n" for i in range(1, n))
    ),
    "a mistake made of variables of variables": lambda n: _manifest(
        f"{HEAD}vars:\n  v0: '!'\n"
        + "".join(f"  v{i}: '${{vars.v{i - 1}}}'\n" for i in range(1, n))
        + f"assets:\n  - name: '${{vars.v{n - 1}}}'\n"
    ),
    "variables that double": lambda n: _manifest(
        f"{HEAD}vars:\n  v0: xxxxxxxxxx\n"
        + "".join(f"  v{i}: '${{vars.v{i - 1}}}${{vars.v{i - 1}}}'\n" for i in range(1, min(n, 60)))
    ),
    "variables in a circle": lambda n: _manifest(
        f"{HEAD}vars:\n" + "".join(f"  v{i}: '${{vars.v{(i + 1) % n}}}'\n" for i in range(n))
    ),
    "variables that nobody closes": lambda n: _assets(f"{ASSET}    description: '" + "${vars.x" * 10 * n + "'\n"),
    "dollar signs": lambda n: _assets(f"{ASSET}    description: '" + "$" * 100 * n + "{'\n"),
    "environments": lambda n: _manifest(
        f"{HEAD}environments:\n"
        + "".join(f"  e{i}: {{vars: {{x: '{i}'}}}}\n" for i in range(min(n, 200)))
        + f"assets:\n{ASSET}"
    ),
    "includes": lambda n: _manifest(
        f"{HEAD}include: [{', '.join(f'x{i}/**/*.yml' for i in range(n))}]\nassets:\n{ASSET}"
    ),
    "stars of a glob": lambda n: _manifest(f"{HEAD}include: ['{'*' * 5 * min(n, 400)}x']\nassets:\n{ASSET}"),
    "stars between letters": lambda n: _manifest(
        f"{HEAD}include: ['{'*a' * min(n, 400)}b']\nassets:\n{ASSET}", **{"a" * 100: ""}
    ),
    "folders of a glob": lambda n: _manifest(
        f"{HEAD}include: ['{'**/' * min(n, 300)}x.yml']\nassets:\n{ASSET}", **{"_in_".join("abcdefghij"): ""}
    ),
    "a pattern that goes back": lambda n: _assets(
        f"{ASSET}    output: {{path: a.csv}}\n    checks:\n"
        f"      - {{matches: {{column: a, pattern: '{'(a+)+' * min(n, 200)}$'}}}}\n"
    ),
    "a policy's pattern that goes back": lambda n: _manifest(
        f"{HEAD}policies:\n  - {{name: p, names: '^(a+)+b$', columns: {{match: '^(a|a)+b$', require: [type]}}}}\n"
        f"assets:\n  - {{name: {'a' * min(n, 199)}, columns: [{{name: {'a' * n}}}], command: {{shell: x}}}}\n"
    ),
    "a pattern of brackets": lambda n: _assets(
        f"{ASSET}    output: {{path: a.csv}}\n    checks:\n"
        f"      - {{matches: {{column: a, pattern: '{'(' * n + 'a' + ')' * n}'}}}}\n"
    ),
    "a shell command of quotes": lambda n: _assets(
        "  - name: a\n    command:\n      shell: >-\n        echo " + '"\'" ' * 20 * n + "\n"
    ),
    "comments": lambda n: _manifest(HEAD + "#\n" * 20 * n + "nam: x\n"),
    "carriage returns": lambda n: _manifest(HEAD + "\r\n" * 20 * n + "nam: x\r\n"),
    "documents": lambda n: _manifest(HEAD + "---\n" * n),
    "control characters": lambda n: _manifest(HEAD + "x: \x01\n" * n),
    "ambiguous words": lambda n: _manifest(f"{HEAD}vars: {{{', '.join(f'k{i}: yes' for i in range(n))}}}\n"),
    "sql in brackets": lambda n: _sql("select " + "(" * n + "1" + ")" * n),
    "sql that joins": lambda n: _sql("select * from t0 " + " ".join(f"join t{i} using (a)" for i in range(1, n // 4))),
    "sql of subqueries": lambda n: _sql("select * from (" * min(n, 400) + "select 1 as a" + ") x" * min(n, 400)),
    "sql of tables with tables": lambda n: _sql(
        "with t0 as (select 1 as a)"
        + "".join(f", t{i} as (select * from t{i - 1})" for i in range(1, n // 8 + 2))
        + f" select * from t{n // 8 + 1}"
    ),
    "sql that is united": lambda n: _sql(" union all ".join(["select 1 as a"] * (n // 4 + 1))),
    "sql of many columns": lambda n: _sql("select " + ", ".join(f"c{i}" for i in range(n)) + " from t"),
    "sql that adds": lambda n: _sql("select " + "1 + " * n + "1 as a"),
    "sql of statements": lambda n: _sql("select 1 as a; " * (n // 4 + 1)),
    "sql that compares": lambda n: _sql("select * from t where " + " and ".join(f"a = {i}" for i in range(n // 2 + 1))),
    "sql of quotes": lambda n: _sql("select '" + "''" * 20 * n + "' as a"),
    "sql whose comment nobody closes": lambda n: _sql("select 1 " + "/*" * 10 * n),
    "sql of variables": lambda n: _sql("select " + ", ".join(f"'${{env.V{i}}}' as c{i}" for i in range(n // 2 + 1))),
    "python in brackets": lambda n: _python("x = " + "(" * n + ")" * n + "\ndef run(): ..."),
    "python that adds": lambda n: _python("x = " + "1 + " * n + "1\ndef run(): ...\n"),
    "python that is indented": lambda n: _python(
        "".join(" " * i + "if x:\n" for i in range(min(n, 150))) + " " * min(n, 150) + "pass\n"
    ),
    "python of dots": lambda n: _python("x = a" + ".a" * n + "\ndef run(): ...\n"),
    "python of parameters": lambda n: _python(f"def run({', '.join(f'p{i}' for i in range(n))}): ...\n"),
    "python that imports": lambda n: _python("".join(f"import m{i}\n" for i in range(n)) + "def run(): ...\n"),
    "python that imports itself": lambda n: {
        **_python("import m0\ndef run(): ...\n"),
        **{f"m{i}.py": f"import m{i + 1}\n".encode() for i in range(min(n, 300))},
    },
    "python of a huge number": lambda n: _python(f"x = {'9' * 10 * n}\ndef run(): ...\n"),
    "python of escapes": lambda n: _python("x = '" + "\\d" * n + "'\ndef run(): ...\n"),
}
