"""Promises and schedules as they might be: `customer_features.freshness.max_lag=1h`, set over what the manifest says.

Pure. What is wrong with such a text is said as it would be of the manifest; nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from assets_cli.model import duration
from assets_cli.model.duration import SECOND, show
from assets_cli.model.manifest import Asset, FreshnessPolicy, Manifest, Schedule
from assets_cli.model.problem import AssetsError, Problem
from assets_cli.model.spelling import nearest

_FRESHNESS: Final = ("max_lag", "warn_lag", "cron", "timezone", "retry_every")
_SCHEDULE: Final = ("cron", "timezone")
_KEYS: Final = (*(f"freshness.{key}" for key in _FRESHNESS), *(f"schedule.{key}" for key in _SCHEDULE))
_FORM = "write ASSET.freshness.max_lag=1h; the keys are " + ", ".join(_KEYS)


class _Change(NamedTuple):
    asset: str
    section: str
    key: str
    value: str
    text: str


def what_if(manifest: Manifest, changes: Sequence[str]) -> Manifest:
    """The manifest with these changes, each as it was typed; several of one asset are taken together.

    Raises:
        AssetsError: all that is wrong with them (A0931, A0932, A0933).
    """
    problems: list[Problem] = []
    by_asset: dict[str, list[_Change]] = {}
    for text in changes:
        try:
            change = _read(text, manifest.assets)
        except AssetsError as error:
            problems += error.problems
        else:
            by_asset.setdefault(change.asset, []).append(change)
    assets = dict(manifest.assets)
    for name, those in by_asset.items():
        try:
            assets[name] = _changed(assets[name], those)
        except AssetsError as error:
            problems += error.problems
    if problems:
        raise AssetsError(*problems)
    return manifest._replace(assets=assets)


def _read(text: str, names: Iterable[str]) -> _Change:
    path, equals, value = text.partition("=")
    parts = path.strip().rsplit(".", 2)
    if not equals or len(parts) != 3:  # noqa: PLR2004 - an asset, a section, a key
        raise AssetsError(Problem("A0931", f"--set {text!r} is no change", hint=_FORM))
    asset, section, key = parts
    if f"{section}.{key}" not in _KEYS:
        near = nearest(f"{section}.{key}", _KEYS)
        hint = f"did you mean {asset}.{near}={value}?" if near else _FORM
        raise AssetsError(Problem("A0931", f"--set {text!r}: there is no key {section}.{key}", hint=hint))
    if asset not in names:
        near = nearest(asset, names)
        hint = f"did you mean {near}?" if near else "assets list shows all names"
        raise AssetsError(Problem("A0932", f"--set {text!r}: there is no asset {asset!r}", hint=hint))
    return _Change(asset, section, key, value.strip(), text)


def _changed(asset: Asset, changes: Sequence[_Change]) -> Asset:
    for change in changes:
        value = _value(change)
        if change.section == "freshness":
            before = asset.freshness or FreshnessPolicy(-1)
            asset = asset._replace(freshness=before._replace(**{change.key: value}))
        else:
            planned = asset.schedule or Schedule("")
            asset = asset._replace(schedule=planned._replace(**{change.key: value}))
    _require_whole(asset, changes)
    return asset


def _value(change: _Change) -> Any:
    if change.key == "cron":
        return _checked(change, " ".join(change.value.split()), _wrong_cron)
    if change.key == "timezone":
        return _checked(change, change.value, _wrong_zone)
    try:
        return duration.parse(change.value)
    except ValueError:
        raise _refused(change, "is no duration", "write 90s, 15m, 6h, 7d or 1h30m") from None


def _checked(change: _Change, value: str, wrong: Callable[[str], tuple[str, str] | None]) -> str:
    found = wrong(value)
    if found is not None:
        raise _refused(change, *found)
    return value


def _wrong_cron(cron: str) -> tuple[str, str] | None:
    from assets_cli.model.cron import mistake  # only a cron expression needs its library

    said = mistake(cron)
    hint = "write minute, hour, day of the month, month, day of the week: `0 9 * * 1-5` is 9:00 on workdays"
    return None if said is None else (said, hint)


def _wrong_zone(zone: str) -> tuple[str, str] | None:
    from assets_cli.model.cron import unknown_zone  # as above

    known = unknown_zone(zone)
    if known is None:
        return None
    near = nearest(zone, known)
    return (
        "is no time zone",
        f"did you mean {near}?" if near else "write one as the IANA database names it: Europe/Paris",
    )


def _require_whole(asset: Asset, changes: Sequence[_Change]) -> None:
    """What the keys together have to be."""
    policy, schedule, last = asset.freshness, asset.schedule, changes[-1]
    if policy is not None and policy.max_lag < 0:
        hint = f"add --set {asset.name}.freshness.max_lag=6h"
        raise _refused(last, f"is not enough: {asset.name} has no promise, which needs a max_lag", hint)
    if policy is not None and policy.warn_lag is not None and policy.warn_lag > policy.max_lag:
        said = f"makes warn_lag {show(policy.warn_lag)} more than max_lag {show(policy.max_lag)}"
        raise _refused(last, said, "warn before the promise is broken: a shorter warn_lag")
    if policy is not None and policy.retry_every is not None and policy.retry_every < SECOND:
        raise _refused(last, "is less than 1s", "write 1s or more")
    if schedule is not None and not schedule.cron:
        hint = f"add --set '{asset.name}.schedule.cron=0 9 * * *'"
        raise _refused(last, f"is not enough: {asset.name} has no schedule, which needs a cron", hint)
    if schedule is not None and asset.is_external:
        raise _refused(last, f"has no effect: {asset.name} is external, others produce it", "leave it out")


def _refused(change: _Change, said: str, hint: str) -> AssetsError:
    return AssetsError(Problem("A0933", f"--set {change.text!r} {said}", hint=hint, asset=change.asset))
