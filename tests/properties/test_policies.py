"""Policies find exactly what somebody finds who reads the manifest line by line: random projects, random policies."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from assets_cli.graph import AssetGraph
from assets_cli.manifest import load
from assets_cli.policies import evaluate

Values = Mapping[str, Any]
NAMES = ("a", "b1", "raw/c", "Mart_d", "e_mail")
WORDS = st.sampled_from(["x", "y", "key=1", "key=2", "pii"])
COLUMNS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["id", "email", "E_Mail", "phone"])},
        optional={
            "type": st.just("int"),
            "description": st.just("d"),
            "tags": st.lists(WORDS, min_size=1, max_size=2, unique=True),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda column: column["name"].lower(),
)
COMMANDS = st.sampled_from([{"shell": "x"}, {"python": "m:f"}, {"sql": "select 1"}])
CHECKS = st.sampled_from([{"shell": "x"}, {"python": "m:f", "blocking": True}, {"shell": "y", "name": "n"}])
KEYS = {
    "owner": st.sampled_from(["x", ["x"], ["y", "x"]]),
    "description": st.sampled_from(["", "text"]),
    "group": st.sampled_from(["x", "y"]),
    "tags": st.lists(WORDS, min_size=1, max_size=2, unique=True),
    "metadata": st.dictionaries(st.sampled_from(["sla", "n"]), st.sampled_from(["x", 1, True, None, ""]), max_size=2),
    "freshness": st.sampled_from([{"max_lag": "1h"}, {"max_lag": "1h", "warn_lag": "1m"}]),
    "timeout": st.just("1m"),
}
ASSET = st.fixed_dictionaries(
    {},
    optional={
        **KEYS,
        "command": COMMANDS,
        "columns": COLUMNS,
        "checks": st.lists(CHECKS, min_size=1, max_size=2, unique_by=str),
    },
)
FEATURES = (
    *("owner", "description", "group", "tags", "metadata", "command", "command.shell", "command.sql", "columns"),
    *("checks", "checks.blocking", "checks.shell", "freshness", "freshness.warn_lag", "timeout", "upstreams"),
    *("tags.x", "tags.key", "tags.key=1", "metadata.sla", "metadata.n"),
)
SOME = st.lists(st.sampled_from(FEATURES), min_size=1, max_size=4, unique=True)
SELECTIONS = st.sampled_from(
    ["group:x", "group:y", "a", "not a", "tag:key", "owner:x", "raw/* or group:x", "is:external"]
)
VALUES = st.lists(st.sampled_from(["x", "z", "key=*", "?", "1", "true"]), min_size=1, max_size=3, unique=True)
POLICY = st.fixed_dictionaries(
    {},
    optional={
        "select": SELECTIONS,
        "except": SELECTIONS,
        "require": SOME,
        "forbid": SOME,
        "names": st.sampled_from(["^[a-z0-9]+$", "^raw", "d$", "^(a|b1)"]),
        "allowed": st.fixed_dictionaries(
            {}, optional={"owner": VALUES, "group": VALUES, "tags": VALUES, "kind": VALUES}
        ).filter(bool),
        "upstreams": SELECTIONS,
        "columns": st.fixed_dictionaries(
            {"tags": st.just(["pii"])},
            optional={"match": st.sampled_from(["mail", "^e"]), "require": st.just(["type", "description"])},
        ),
    },
)


@st.composite
def projects(draw: st.DrawFn) -> dict[str, Any]:
    """A manifest as its values: up to five assets, each made from some of those before it."""
    assets = []
    for index, name in enumerate(NAMES[: draw(st.integers(1, len(NAMES)))]):
        above = draw(st.lists(st.sampled_from(NAMES[:index]), unique=True)) if index else []
        asset = {"name": name, **draw(ASSET), **({"upstreams": above} if above else {})}
        if "sql" in asset.get("command", {}):
            asset["output"] = {"table": name.replace("/", "_")}
        assets.append(asset)
    defaults = draw(
        st.fixed_dictionaries({}, optional={key: KEYS[key] for key in ("owner", "group", "tags", "metadata")})
    )
    policies = [{"name": f"p{index}", **each} for index, each in enumerate(draw(st.lists(POLICY, max_size=3)))]
    return {
        "version": 1,
        "connections": {"w": {"type": "duckdb", "path": "w.db"}},
        "defaults": defaults,
        "policies": policies,
        "assets": assets,
    }


class Reader:
    """Somebody who reads the manifest, and knows what the guide says. As naive as can be."""

    def __init__(self, values: Values) -> None:
        self.assets = {asset["name"]: {**values["defaults"], **asset} for asset in values["assets"]}
        for name, asset in self.assets.items():
            own = next(each for each in values["assets"] if each["name"] == name)
            if "metadata" in own and "metadata" in values["defaults"]:
                asset["metadata"] = {**values["defaults"]["metadata"], **own["metadata"]}
        self.policies = values["policies"]

    def owners(self, asset: Values) -> list[str]:
        """As a list."""
        owner = asset.get("owner", [])
        return [owner] if isinstance(owner, str) else owner

    def selected(self, expression: str | None) -> set[str]:
        """What a selection names."""

        def holds(name: str, asset: Values) -> bool:
            tags = asset.get("tags", [])
            return {
                None: True,
                "group:x": asset.get("group") == "x",
                "group:y": asset.get("group") == "y",
                "a": name == "a",
                "not a": name != "a",
                "tag:key": any(tag.startswith("key=") for tag in tags),
                "owner:x": "x" in self.owners(asset),
                "raw/* or group:x": name == "raw/c" or asset.get("group") == "x",
                "is:external": "command" not in asset,
            }[expression]

        return {name for name, asset in self.assets.items() if holds(name, asset)}

    def has(self, asset: Values, feature: str) -> bool:
        """Whether an asset has something."""
        key, _, detail = feature.partition(".")
        if key == "tags" and detail:
            return any(tag == detail or tag.split("=")[0] == detail for tag in asset.get("tags", []))
        if key == "metadata" and detail:
            return asset.get("metadata", {}).get(detail) not in (None, "")
        if key == "checks" and detail:
            return any(detail in check for check in asset.get("checks", []))
        return bool(asset.get(key, {}).get(detail)) if detail else bool(asset.get(key))

    def column_findings(self, asset: Values, asked: Values) -> Iterator[str]:
        """What is wrong with its columns."""
        meant = [each for each in asset.get("columns", []) if re.search(asked.get("match", ""), each["name"].lower())]
        if any("pii" not in each.get("tags", []) for each in meant):
            yield "tags"
        for key in asked.get("require", []):
            if any(not each.get(key) for each in meant):
                yield key

    def values_of(self, asset: Values, key: str) -> list[str]:
        """The values that may be restricted."""
        if key == "kind":
            return [next(iter(asset.get("command", {"external": 0})))]
        value = asset.get(key, [])
        return [value] if isinstance(value, str) else value

    def findings(self, policy: Values) -> Iterator[tuple[str, str, str]]:
        """The asset, the code, and what exactly."""
        readable = self.selected(policy["upstreams"]) if "upstreams" in policy else set(self.assets)
        for name in self.selected(policy.get("select")):
            asset = self.assets[name]
            missing = [each for each in policy.get("require", []) if not self.has(asset, each)]
            if missing:
                yield name, "A0701", str(len(missing))
            yield from ((name, "A0702", each) for each in policy.get("forbid", []) if self.has(asset, each))
            if "names" in policy and not re.search(policy["names"], name):
                yield name, "A0703", ""
            for key, allowed in policy.get("allowed", {}).items():
                patterns = [re.escape(each).replace(r"\*", ".*").replace(r"\?", ".") for each in allowed]
                for value in self.values_of(asset, key):
                    if not any(re.fullmatch(each, value) for each in patterns):
                        yield name, "A0704", value
            if "columns" in policy:
                yield from ((name, "A0705", each) for each in self.column_findings(asset, policy["columns"]))
            yield from ((name, "A0706", each) for each in asset.get("upstreams", []) if each not in readable)

    def can_be_held(self, policy: Values) -> bool:
        """Whether every selection in it names something; a state that nothing is in is no mistake."""
        used = [policy[key] for key in ("select", "except") if key in policy]
        return all(self.selected(each) or each == "is:external" for each in used) and self.terms_exist(used)

    def terms_exist(self, used: list[str]) -> bool:
        """Whether each part of a selection names something."""
        known = {"raw/* or group:x": ["raw/c" in self.assets, bool(self.selected("group:x"))]}
        return all(all(known.get(each, [True])) for each in used)


def told(finding: Any) -> tuple[str, str, str]:
    """A finding in the words of the reader."""
    message = finding.message
    what = {
        "A0701": lambda: str(message.count("no ")),
        "A0702": lambda: re.sub("it has (.*), which is forbidden", r"\1", message),
        "A0703": lambda: "",
        "A0704": lambda: re.sub(".* '(.*)' is not allowed", r"\1", message),
        "A0705": lambda: "tags" if "not tagged" in message else message.rpartition(" ")[2],
        "A0706": lambda: re.sub("it is made from '(.*)', which.*", r"\1", message),
    }
    return finding.asset, finding.code, what[finding.code]()


@settings(deadline=None, max_examples=300)
@given(projects())
def test_what_is_found_is_what_is_there(values: dict[str, Any]) -> None:
    """Neither more nor less, and what is excepted is put apart."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve() / "assets.yml"
        path.write_text(json.dumps(values))
        manifest = load(path).manifest
    assert manifest is not None
    assert len(manifest.assets) == len(values["assets"])
    graph = AssetGraph(manifest)
    reader = Reader(values)
    held = evaluate.evaluate(graph, lambda _: ())
    for policy, written in zip(manifest.policies, values["policies"], strict=True):
        wrong: list[Any] = []
        scope = evaluate._scope(policy, graph, wrong)
        assert (scope is not None) == reader.can_be_held(written)
        if scope is None:
            continue
        nothing = any(each.code == "A0402" for each in wrong)
        asked = {key: value for key, value in written.items() if key != "upstreams" or not nothing}
        expected = sorted(reader.findings(asked))
        assert sorted(map(told, evaluate._findings(scope, graph, lambda _: ()))) == expected
        excepted = reader.selected(written["except"]) if "except" in written else set()
        event(f"findings: {min(len(expected), 3)}")
        mine = [each for each in held.problems if f"(policy '{policy.name}')" in each.message]
        assert sum(map(_assets, mine)) == len([each for each in expected if each[0] not in excepted])
        apart = [each.problem for each in held.excepted if f"(policy '{policy.name}')" in each.problem.message]
        assert sum(map(_assets, apart)) == len([each for each in expected if each[0] in excepted])
        unneeded = [each for each in held.problems if each.code == "A0710" and f"'{policy.name}'" in each.message]
        assert bool(unneeded) == bool(excepted - {name for name, *_ in expected})


def _assets(problem: Any) -> int:
    """How many assets a problem is about."""
    more = re.match(r"asset '.*' and (\d+) more: ", problem.message)
    return 1 + int(more[1]) if more else 1
