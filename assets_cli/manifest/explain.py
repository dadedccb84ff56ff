"""What is wrong with values that the schema refuses, as sentences about the manifest instead of about schemas.

Imported only when something is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

from assets_cli.manifest.document import Document, Key
from assets_cli.manifest.elsewhere import meant
from assets_cli.manifest.rules import KEY, misplaced
from assets_cli.manifest.schema import schema
from assets_cli.manifest.spelling import Spelling
from assets_cli.manifest.subject import NAMED, subject
from assets_cli.manifest.unsupported import is_unsupported_key, pattern
from assets_cli.model.problem import Problem

DURATIONS: Final = "write a duration such as 90s, 15m, 6h, 7d or 1h30m"
_NOUNS: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_EXPECTED: Final = {
    "upstreams": "a list of names",
    "owner": "a name or a list of names",
    "tags": "a list of tags",
    "code": "a list of paths or globs",
    "include": "a list of paths or globs",
    "with": "a list of texts",
    "retry_on": "a list of exit codes",
    "assets": "a list of assets",
    "env": "a mapping of names to texts",
    "shell": "text or a mapping of run and with",
    "data_version": "content, stat, always or a mapping with sql",
    "checks": "a list of checks",
    "not_null": "a list of columns",
    "unique": "a list of columns",
    "values": "a list of values",
    "columns": "a list of columns",
    "http": "a URL or a mapping of url and headers",
    "rules": "a mapping of codes to off, warning or error",
}
_EXPECTED_IN_POLICIES: Final = {
    "policies": "a list of policies",
    "require": "a list of what to have",
    "forbid": "a list of what not to have",
    "owner": "an owner or a list of owners",
    "tags": "a list of tags",
    "match": "a regular expression",
    "names": "a regular expression",
    "upstreams": "a selection",
    "select": "a selection",
    "except": "a selection",
    "columns": "a mapping of what is asked of columns",
}
_EXPECTED_IN_ALERTS: Final = {
    "alerts": "a mapping of names to routes",
    "to": "a URL of Apprise or a list of them",
    "tell": "a list of events",
    "select": "a selection",
    "command": "a mapping with shell",
}
_INSTEAD: Final = {
    "upstreams": "[{}]",
    "tags": "[{}]",
    "code": "[{}]",
    "include": "[{}]",
    "retry_on": "[{}]",
    "with": "[{}]",
    "command": "{{shell: {}}}",
    "output": "{{path: {}}}",
    "freshness": "{{max_lag: {}}}",
    "schedule": "{{cron: {}}}",
    "retries": "{{max: {}}}",
    "not_null": "[{}]",
    "unique": "[{}]",
    "values": "[{}]",
    "row_count": "{{min: {}}}",
    "schema": "{{allow_extra: {}}}",
    "columns": "[{{name: {}}}]",
    "observe": "{{path: {}}}",
    "moved": "{{from: {}}}",
    "require": "[{}]",
    "forbid": "[{}]",
    "tell": "[{}]",
}
_SUCH_AS: Final = {
    "freshness": (r"([0-9]+[dhms])+", "write {max_lag: 24h}"),
    "schedule": (r"\S+( \S+){4}|@\w+", 'write {cron: "0 6 * * *"}, or {cron: "@daily"}'),
}
"""Of values that may be anything: what one looks like that belongs into `_INSTEAD`, and an example for the others."""
_OF_THEIR_OWN: Final[dict[Key, dict[str, str]]] = {"policies": _EXPECTED_IN_POLICIES, "alerts": _EXPECTED_IN_ALERTS}
_PATTERNS: Final = {
    "name": "write letters, digits, '_', '-', '.' and '/' only, not first or last a '/'",
    "tags": "write a word or key=value, without spaces",
    "python": "write module:function, such as features.build:customer_features",
    "http": "write http://… or https://…",
    "url": "write http://… or https://…",
}
_TAG_OR_METADATA: Final = r"^(tags|metadata)\.."
"""The pattern of features that are no keys: of the two ways to name one, it is what is asked last."""

_KINDS: Final = {
    "command": (
        "A0128",
        "two kinds of command",
        "keep one, or make two assets of it",
        "command names no kind of command",
    ),
    "observe": ("A0147", "two ways to observe it", "keep one of the two", "nothing says how to observe it"),
    "alert": (
        "A0720",
        "two ways to deliver it",
        "keep one, or make two routes of it",
        "nothing says how to deliver it",
    ),
    "check": ("A0150", "two kinds of check", "make two checks of it", "the check names no kind"),
}
"""Of mappings that are of exactly one kind: the code, what two are called, what to do about it, and what none is."""

_PROPERTY_NAMES: Final = {
    "env": ("variable name", "write letters, digits and '_', not first a digit"),
    "vars": ("variable name", "write letters, digits, '_' and '-'"),
    "connections": ("connection name", "write letters, digits, '_', '-' and '.'"),
    "environments": ("name for an environment", "write letters, digits, '_', '-' and '.'"),
    "alerts": ("route name", "write letters, digits, '_', '-' and '.'"),
    "pools": ("pool name", "write letters, digits, '_', '-' and '.'"),
}


def _pattern(_: object, expression: str, instance: object, __: object) -> Iterator[ValidationError]:
    # as ECMA-262 and jsonschema_rs have it: `$` is the end, not also before a last line break.
    if isinstance(instance, str) and not re.search(expression.replace("$", r"\Z"), instance):
        yield ValidationError(f"{instance!r} does not match {expression!r}")


_Validator: Final[Any] = extend(Draft7Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


class Explainer:
    """Collects problems of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self._seen: set[tuple[int, str]] = set()
        self._overlaid: set[int] = set()
        """Offsets of what was reported in an overlay, which lies over the rest of the file too."""

    def add(self, schema: dict[str, Any], instance: Any, base: tuple[Key, ...]) -> None:
        """Explain everything that a schema refuses in an instance, which is at the path `base` of the document."""
        before = len(self.problems) + len(self._seen)
        errors = [error for first in validator(schema).iter_errors(instance) for error in _leaves(first)]
        errors.sort(key=lambda error: list(error.absolute_path)[:1] != ["environments"])
        for error in errors:
            self._explain(error, (*base, *error.absolute_path))
        if not errors and before == len(self.problems) + len(self._seen):
            self._report(
                base, "A0124", "this does not have the shape of the schema", "compare it with `assets schema manifest`"
            )

    def _explain(self, error: Any, path: tuple[Key, ...]) -> None:  # noqa: C901, PLR0912 - one table, a keyword a line
        keyword, instance, limit = error.validator, error.instance, error.validator_value
        if keyword == "additionalProperties":
            self._unknown_keys(error, path)
        elif keyword == "required":
            known = frozenset(error.schema["properties"])
            meant = {_nearest(known, key) for key in instance if key not in known}
            for key in limit:
                if key not in instance and f"did you mean '{key}'?" not in meant:
                    self._report(path, "A0121", f"key '{key}' is missing", self._required_hint(path, key))
        elif list(error.absolute_schema_path)[-2:-1] == ["propertyNames"]:
            self._property_name(path, str(instance))
        elif instance is None:
            self._empty(path)
        elif keyword == "type":
            self._wrong_type(error, path)
        elif keyword == "oneOf":
            self._one_of(error, path)
        elif keyword in ("enum", "const"):
            self._not_allowed(error, path)
        elif keyword == "pattern":
            self._malformed(path, instance, limit)
        elif keyword in ("minLength", "minItems", "minProperties"):
            self._empty(path)
        elif keyword == "maxLength":
            self._report(path, "A0124", f"longer than {limit} characters", "shorten it", key=_last(path))
        elif keyword == "minimum":
            self._report(path, "A0129", f"{instance} is less than {limit}", f"write {limit} or more", key=_last(path))
        elif keyword == "maximum":
            self._report(path, "A0129", f"{instance} is more than {limit}", f"write {limit} or less", key=_last(path))
        elif keyword == "uniqueItems":
            self._repeated(path, instance)
        else:
            self._report(path, "A0124", f"does not fit: {error.message[:200]}", None, key=_last(path))

    def _one_of(self, error: Any, path: tuple[Key, ...]) -> None:
        """A mapping that is not of exactly one kind; an unknown key in it is a mistake of its own."""
        key = "alert" if path[0] == "alerts" else path[-1] if path[-1] in _KINDS else "check"
        code, several, advice, none = _KINDS[str(key)]
        kinds = [alternative["required"][0] for alternative in error.validator_value]
        found = [kind for kind in kinds if kind in error.instance]
        if len(found) > 1:
            self._report(path, code, f"{several}: {' and '.join(found)}", advice)
        elif not found and all(each in schema()["definitions"][key]["properties"] for each in error.instance):
            self._report(path, code, none, f"write one of {', '.join(kinds)}")

    def _unknown_keys(self, error: Any, path: tuple[Key, ...]) -> None:
        known = error.schema["properties"]
        if path[-1:] == (KEY,):
            for key in [key for key in error.instance if key not in known]:
                self._report((*path, key), *misplaced(key, known), at=path, key="", on_key=True)
            return
        inside = "" if pattern(path) == "" or path[-1] == "defaults" or _is_item(path) else f" in {path[-1]}"
        if isinstance(path[-1] if path else None, int) and not _is_item(path):
            inside = f" in {path[-2]}"
        for key in error.instance:
            if key in known:
                continue
            if is_unsupported_key(path, key):
                self._report(
                    (*path, key),
                    "A0120",
                    f"key '{key}'{inside} is not yet supported",
                    "remove it",
                    at=path,
                    on_key=True,
                )
                continue
            hint = meant(path, key, known) or _nearest(frozenset(known), key)
            hint = hint or "known keys: " + ", ".join(sorted(known))
            if not path and key in schema()["properties"]:
                hint = "it belongs into the root file"
            self._report((*path, key), "A0102", f"unknown key '{key[:NAMED]}'{inside}", hint, at=path, on_key=True)

    def _required_hint(self, path: tuple[Key, ...], key: str) -> str:
        example = {"version": "version: 1", "assets": "assets: []"}.get(key)
        if example is None and _is_item(path) and path[0] != "policies":
            example = {
                "name": "name: orders",
                "type": "type: duckdb",
                "path": "path: data/warehouse.duckdb",
                "url": 'url: "${env.PG_URL}"',
            }.get(key)
        return f"write `{example}`" if example else f"write `{key}: …`"

    def _property_name(self, path: tuple[Key, ...], name: str) -> None:
        what, hint = _PROPERTY_NAMES.get(str(path[-1]), ("key", "write another one"))
        message = f"'{name[:NAMED]}' is not a {what}"
        self._report(
            (*path, name), "A0124", message, hint, at=path if path[-1] == "env" else (), key=_last(path), on_key=True
        )

    def _empty(self, path: tuple[Key, ...]) -> None:
        if not path:
            self._report(path, "A0109", "the file holds no mapping", "write `key: value` lines")
        elif isinstance(path[-1], int) or _is_item(path):
            self._report(path, "A0126", "has no value", "write a value or remove it", key=_last(path))
        else:
            self._report(path, "A0126", f"{path[-1]} has no value", "write a value or remove the key", at=path[:-1])

    def _wrong_type(self, error: Any, path: tuple[Key, ...]) -> None:
        instance = error.instance
        types = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        if not path:
            found = _found(instance)
            message = f"the file should hold a mapping, and holds {found}"
            self._report(path, "A0109", message, "write `key: value` lines")
            return
        raw = self.document.raw.get(self.document.find(path)[0], str(instance))[:NAMED]
        if str(error.schema.get("pattern", "")).startswith("^([0-9]+d)?"):
            message = f"expected a duration, found {_found(instance)}"
            hint = f"write a unit: {raw}s; or {DURATIONS[6:]}" if type(instance) is int else DURATIONS
            self._report(path, "A0127", message, hint, key=_last(path))
            return
        if "string" in types and not isinstance(instance, (dict, list)):
            self._report(
                path, "A0125", f"expected text, found {_found(instance)}", f'quote it: "{raw}"', key=_last(path)
            )
            return
        last = path[-1]
        expected = _expected(path) if isinstance(last, str) and not _is_name(path) else None
        if expected is None:
            expected = " or ".join(_NOUNS[kind] for kind in types)
        if _is_item(path) and "object" in types:
            expected = {"connections": "a mapping with type and path", "alerts": "a mapping with to or command"}.get(
                str(path[0]), "a mapping with a name"
            )
        self._report(
            path,
            "A0122",
            f"expected {expected}, found {_found(instance)}",
            _instead(path, instance, types),
            key=_last(path),
        )

    def _not_allowed(self, error: Any, path: tuple[Key, ...]) -> None:
        allowed = error.validator_value if error.validator == "enum" else [error.validator_value]
        names = ", ".join(str(value) for value in allowed)
        if error.validator == "const":
            self._report(
                path,
                "A0123",
                f"{path[-1]} {_show(error.instance)} is not supported",
                f"write `{path[-1]}: {names}`",
                at=path[:-1],
            )
            return
        expected = _expected(path) or f"one of {names}"
        if not isinstance(error.instance, str):
            self._report(path, "A0122", f"expected {expected}, found {_found(error.instance)}", None, key=_last(path))
            return
        hint = _nearest(frozenset(allowed), error.instance) or f"write {expected}"
        self._report(path, "A0123", f"'{error.instance[:NAMED]}' is none of {names}", hint, key=_last(path))

    def _malformed(self, path: tuple[Key, ...], instance: str, expression: str) -> None:
        shown = f"'{instance[:NAMED]}'"
        if not instance:
            self._empty(path)
        elif expression.startswith("^([0-9]+d)?"):
            self._report(path, "A0127", f"{shown} is not a duration", DURATIONS, key=_last(path))
        elif expression == _TAG_OR_METADATA:
            features = frozenset(schema()["definitions"]["feature"]["anyOf"][0]["enum"])
            known = f"known: {', '.join(sorted(features))}, tags.NAME, metadata.KEY"
            hint = _nearest(features, instance) or _nearest_part(features, instance) or known
            message = f"{shown} is nothing that an asset has"
            self._report(path, "A0123", message, hint, key=str(path[-2]))
        else:
            key = next((step for step in reversed(path) if isinstance(step, str)), "")
            nouns = {"name": "an asset name", "tags": "a tag", "python": "module:function"}
            what = {**nouns, "http": "a URL", "url": "a URL"}.get(key, "what is expected here")
            self._report(
                path, "A0124", f"{shown} is not {what}", _PATTERNS.get(key), key=None if key == "name" else _last(path)
            )

    def _repeated(self, path: tuple[Key, ...], items: Sequence[Any]) -> None:
        seen: set[str] = set()
        for index, item in enumerate(items):
            text = json.dumps(item)
            if text in seen:
                message = f"{_show(item)} is here twice"
                self._report((*path, index), "A0130", message, "remove one of the two", key=_last(path))
            seen.add(text)

    def _report(
        self,
        path: tuple[Key, ...],
        code: str,
        message: str,
        hint: str | None,
        *,
        at: tuple[Key, ...] | None = None,
        key: str | None = None,
        on_key: bool = False,
    ) -> None:
        """Report a problem once, unless reading has reported one at that value. `key` stands before the message."""
        offset, _ = self.document.find(path, key=on_key)
        if offset in self.document.flagged or (offset, message) in self._seen:
            return
        if path[:1] == ("environments",):
            self._overlaid.add(offset)
        elif offset in self._overlaid:
            return
        self._seen.add((offset, message))
        asset, label, keys = subject(self.document.values, path if at is None else at)
        if key is not None and keys:
            message = f"{keys}: {message}"
        if label:
            message = f"{label}: {message}"
        self.problems.append(self.document.problem_at(offset, code, message, hint)._replace(asset=asset))


def _last(path: Sequence[Key]) -> str:
    return str(path[-1]) if path else ""


def _is_item(path: Sequence[Key]) -> bool:
    return pattern(path) in ("assets.*", "connections.*", "policies.*", "alerts.*")


def _expected(path: Sequence[Key]) -> str | None:
    """What is to stand at a key, where its type alone says too little."""
    known = _OF_THEIR_OWN.get(path[0], _EXPECTED) if path else _EXPECTED
    return known.get(str(path[-1]))


def _is_name(path: Sequence[Key]) -> bool:
    """Whether the last step is a name that the user chose, not a key of ours."""
    return len(path) > 1 and path[-2] in ("env", "vars", "connections", "metadata", "environments", "pools", "alerts")


def _leaves(error: Any) -> Iterator[Any]:
    """The errors that matter: of alternatives, those of the one that the user meant."""
    if not error.context or error.validator == "oneOf":
        yield error
        return
    branches: dict[Any, list[Any]] = {}
    for inner in error.context:
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    for inners in branches.values():
        if not any(not inner.relative_path and inner.validator in ("type", "enum") for inner in inners):
            for inner in inners:
                yield from _leaves(inner)
            return
    first = error.context[0]
    enum = next((inner for inner in error.context if inner.validator == "enum"), None)
    yield enum if enum is not None else first


def _found(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return {str: "text", list: "a list", dict: "a mapping", type(None): "nothing"}[type(value)]


def _show(value: object) -> str:
    return f"'{value[:NAMED]}'" if isinstance(value, str) else json.dumps(value, default=str)[:NAMED]


def _instead(path: tuple[Key, ...], value: object, types: Sequence[str]) -> str | None:
    last = path[-1]
    if isinstance(last, str) and not _is_name(path) and isinstance(value, (str, int, float)):
        template = _INSTEAD.get(last)
        looks, example = _SUCH_AS.get(last, ("", ""))
        if isinstance(value, bool):
            return "name the columns: [id]" if last in ("not_null", "unique") else None
        if looks and not re.fullmatch(looks, str(value)):
            return example
        if template:
            text = str(value)[:NAMED]
            plain = re.fullmatch(r"[A-Za-z0-9_./*-]+", text)
            return "write " + template.format(text if plain else json.dumps(text, ensure_ascii=False))
    if isinstance(value, str) and types == ["integer"] and value.strip().lstrip("-").isdigit():
        return f"write it without quotes: {value.strip()[:NAMED]}"
    checks = schema()["definitions"]["check"]["properties"]
    if pattern(path) == "assets.*.checks.*" and isinstance(value, str) and value in checks:
        return f"write {{{value}: [id]}}"
    if pattern(path) == "assets.*.upstreams.*" and isinstance(value, dict):
        return "write the name alone"
    if isinstance(value, dict) and last in ("assets", "checks"):
        return f"begin each with a dash: - {{{'name: orders, …' if last == 'assets' else 'not_null: [id]'}}}"
    return None


@lru_cache(maxsize=1000)
def _nearest(known: frozenset[str], key: str) -> str | None:
    return Spelling(known).hint(key)


def _nearest_part(known: frozenset[str], written: str) -> str | None:
    """Of words such as `checks.blocking`, the one whose last part is a word of what was written (`blocking_check`)."""
    by_part = {each.rpartition(".")[2]: each for each in known if "." in each}
    meant = next((by_part[word] for word in re.split(r"\W|_", written.lower()) if word in by_part), None)
    return f"did you mean '{meant}'?" if meant else None


_validators: dict[int, Any] = {}


def validator(schema: dict[str, Any]) -> Any:
    """The validator of one part of the schema, made once. Parts are cached themselves, so their ids are theirs."""
    if id(schema) not in _validators:
        _validators[id(schema)] = _Validator(schema)
    return _validators[id(schema)]
