"""`policies` in a manifest: every mistake of shape, at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets_cli.manifest import load
from assets_cli.manifest.schema import schema
from assets_cli.model.manifest import ColumnPolicy, PythonCommand


def problems(root: Path, policies: str, more: str = "") -> list[str]:
    """Everything that is wrong with a manifest of these policies."""
    (root / "assets.yml").write_text(f"version: 1\n{more}policies:{policies}\n")
    found = load(root / "assets.yml").problems
    return [f"{p.place and p.place.line}:{p.place and p.place.column} {p.code} {p.message} | {p.hint}" for p in found]


def test_all_that_there_is(tmp_path: Path) -> None:
    """With variables filled in; one of a wrong shape is left out, and the others keep their places."""
    (tmp_path / "assets.yml").write_text(
        """\
version: 1
vars: {layer: marts}
policies:
- {name: broken, severity: fatal}
- name: all of it
  description: |
    Because we
    said so.
  select: group:${vars.layer}
  except: legacy
  severity: warning
  require: [owner]
  forbid: [command.shell, tags.x]
  names: ^a
  allowed: {owner: ada, tags: [a, b]}
  upstreams: group:core
  columns: {match: email, tags: [pii], names: ^a, require: [type]}
  python: house.rules:check
"""
    )
    loaded = load(tmp_path / "assets.yml")
    assert [problem.code for problem in loaded.problems] == ["A0123"]
    assert loaded.manifest is not None
    (policy,) = loaded.manifest.policies
    assert (policy.name, policy.position, str(policy.place)) == ("all of it", 1, "assets.yml:5:9")
    assert (policy.description, policy.select, policy.excepted) == ("Because we said so.", "group:marts", "legacy")
    assert (policy.severity, policy.require, policy.forbid) == ("warning", ("owner",), ("command.shell", "tags.x"))
    assert (policy.names, policy.allowed, policy.upstreams) == (
        "^a",
        {"owner": "ada", "tags": ["a", "b"]},
        "group:core",
    )
    assert policy.columns == ColumnPolicy("email", ("pii",), "^a", ("type",))
    assert policy.python == PythonCommand("house.rules", "check")
    assert str(loaded.manifest.locate("", "policies", 1, "forbid", 1)) == "assets.yml:13:27"


FEATURES = ", ".join(sorted(schema()["definitions"]["feature"]["anyOf"][0]["enum"]))


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (" {a: 1}", "2:11 A0122 policies: expected a list of policies, found a mapping | None"),
        ("\n- owner", "3:3 A0122 policy number 1: expected a mapping with a name, found text | None"),
        ("\n- {require: [owner]}", "3:3 A0121 policy number 1: key 'name' is missing | write `name: …`"),
        ("\n- {name: ''}", "3:10 A0126 policy number 1: name has no value | write a value or remove the key"),
        ("\n- {name: a, requires: [owner]}", "3:13 A0102 policy 'a': unknown key 'requires' | did you mean 'require'?"),
        (
            "\n- {name: a, require: owner}",
            "3:22 A0122 policy 'a': require: expected a list of what to have, found text | write [owner]",
        ),
        (
            "\n- {name: a, require: [ownr]}",
            "3:23 A0123 policy 'a': require item 1: 'ownr' is nothing that an asset has | did you mean 'owner'?",
        ),
        (
            "\n- {name: a, forbid: [owners]}",
            "3:22 A0123 policy 'a': forbid item 1: 'owners' is nothing that an asset has | did you mean 'owner'?",
        ),
        (
            "\n- {name: a, require: [blocking_check]}",
            (
                "3:23 A0123 policy 'a': require item 1: 'blocking_check' is nothing that an asset has | "
                "did you mean 'checks.blocking'?"
            ),
        ),
        (
            "\n- {name: a, forbid: [zzz]}",
            (
                "3:22 A0123 policy 'a': forbid item 1: 'zzz' is nothing that an asset has | "
                f"known: {FEATURES}, tags.NAME, metadata.KEY"
            ),
        ),
        (
            "\n- {name: a, require: [owner, owner]}",
            "3:30 A0130 policy 'a': require item 2: 'owner' is here twice | remove one of the two",
        ),
        ("\n- {name: a, require: []}", "3:22 A0126 policy 'a': require has no value | write a value or remove the key"),
        (
            "\n- {name: a, severity: warn}",
            "3:23 A0123 policy 'a': severity: 'warn' is none of error, warning | did you mean 'warning'?",
        ),
        (
            "\n- {name: a, names: [x]}",
            "3:20 A0122 policy 'a': names: expected a regular expression, found a list | None",
        ),
        (
            "\n- {name: a, upstreams: [x]}",
            "3:24 A0122 policy 'a': upstreams: expected a selection, found a list | None",
        ),
        (
            "\n- {name: a, columns: [x]}",
            "3:22 A0122 policy 'a': columns: expected a mapping of what is asked of columns, found a list | None",
        ),
        (
            "\n- {name: a, columns: {tag: [pii]}}",
            "3:23 A0102 policy 'a': unknown key 'tag' in columns | did you mean 'tags'?",
        ),
        (
            "\n- {name: a, columns: {tags: pii}}",
            "3:29 A0122 policy 'a': columns.tags: expected a list of tags, found text | write [pii]",
        ),
        (
            "\n- {name: a, columns: {require: [descripton]}}",
            (
                "3:33 A0123 policy 'a': columns.require item 1: 'descripton' is none of type, description, tags | "
                "did you mean 'description'?"
            ),
        ),
        (
            "\n- {name: a, allowed: {owners: [x]}}",
            "3:23 A0102 policy 'a': unknown key 'owners' in allowed | did you mean 'owner'?",
        ),
        (
            "\n- {name: a, allowed: {owner: {x: 1}}}",
            "3:30 A0122 policy 'a': allowed.owner: expected an owner or a list of owners, found a mapping | None",
        ),
        (
            "\n- {name: a, allowed: {metadata: {sla: 5}}}",
            "3:39 A0125 policy 'a': allowed.metadata.sla: expected text, found the number 5 | quote it: \"5\"",
        ),
        (
            "\n- {name: a, python: rules}",
            (
                "3:21 A0124 policy 'a': python: 'rules' is not module:function | "
                "write module:function, such as features.build:customer_features"
            ),
        ),
    ],
)
def test_a_mistake(tmp_path: Path, policies: str, expected: str) -> None:
    """Names the policy, and says what to write instead."""
    assert problems(tmp_path, policies) == [expected]


def test_only_the_root_has_policies(tmp_path: Path) -> None:
    """Neither an included file nor an environment has them: the house has one set of rules."""
    (tmp_path / "more.yml").write_text("assets: []\npolicies: []\n")
    included = "2:1 A0102 unknown key 'policies' | it belongs into the root file"
    assert problems(tmp_path, " []", "include: [more.yml]\nenvironments: {prod: {policies: []}}\n") == [included]
    overlaid, _ = load(tmp_path / "assets.yml", environment="prod").problems
    assert (overlaid.message, str(overlaid.place)) == (
        "environment 'prod': unknown key 'policies'",
        "assets.yml:3:23",
    )
