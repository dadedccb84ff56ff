"""What differs, in sentences: what the screen, the comment and nobody else say of a `Difference`. Knows no layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from assets_cli.cli.terminal import clean
from assets_cli.cli.words import about, count, some
from assets_cli.model.difference import AssetChange, Change, Difference, Next, Part, Reader, RemovedColumn, Report

NOBODY = "(nobody's)"
_MOST_NAMED = 8
_MOST_SHOWN = 60
_WHY_GONE = {
    "inferred": "its SQL does not give it any more",
    "declared": "it is no longer declared",
    "both": "its SQL does not give it any more, and it is no longer declared",
}


def plain(text: str) -> str:
    """A name from outside on one line, with nothing in it that a terminal would obey."""
    return clean(text.replace("\\", "\\\\") if "\n" in text else text).replace("\n", "\\n")


def word(one: AssetChange) -> str:
    """What became of an asset; of one whose data stays the same that it does."""
    if one.sort != "changed":
        return one.sort
    return "changed" if one.stale or any(each.part == "observe" for each in one.changes) else "same data"


def sentences(one: AssetChange) -> list[str]:
    """All that there is to say of an asset."""
    said: list[str] = []
    if one.former:
        said.append(f"was {plain(one.former)}; its history goes with it")
    if one.sort == "added":
        above = f" made from {names(one.upstreams)}" if one.upstreams else ""
        said.append(f"{one.kind}{above}{f' · owner {names(one.owners)}' if one.owners else ''}")
        if one.guess:
            said.append(f"looks like a rename of {plain(one.guess)}: then declare moved: {{from: {plain(one.guess)}}}")
    if one.sort == "removed":
        said.append(f"read by {names(one.readers)}" if one.readers else "nothing here reads it")
    return [*said, *map(sentence, one.changes)]


def sentence(change: Change) -> str:
    """One change of an asset or of the project."""
    tell = _TELLING.get(change.part)
    return plain(tell(change) if tell else _any(change))


def _code(change: Change) -> str:
    return f"code {change.sort}: {change.name}{_detail(change)}"


def _upstream(change: Change) -> str:
    return f"upstream {change.sort}: {change.name}{f', {change.note}' if change.note else ''}"


def _column(change: Change) -> str:
    if change.sort != "changed":
        return f"column {'declared' if change.sort == 'added' else 'no longer declared'}: {change.name}"
    said = [f"type {change.old} -> {change.new}"] if change.old is not None else []
    return f"column {change.name}: {', '.join([*said, *([change.note] if change.note else [])])}"


def _check(change: Change) -> str:
    if change.sort in ("added", "removed"):
        return f"check {change.sort}: {change.name}{f' ({change.note})' if change.note else ''}"
    said = [f"{change.old} -> {change.new}"] if change.old != change.new else []
    said += [f"other {change.note}"] if change.note else []
    return f"check {change.sort}: {change.name}, {', '.join(said)}"


def _promise(change: Change) -> str:
    if change.sort == "added":
        return f"promise made: {change.name} {change.new}"
    if change.sort == "removed":
        return f"promise withdrawn: {change.name} {change.old}"
    return f"promise {change.sort}: {change.name} {change.old} -> {change.new}"


def _any(change: Change) -> str:
    """What has a value, or none that could be shown: `vars.currency: EUR -> USD`, `connection pg added: postgres`."""
    head = _HEADS.get(change.part, f"{change.part} ")
    return f"{head}{_rest(change)}"


_TELLING: Mapping[Part, Callable[[Change], str]] = {
    "code": _code,
    "upstreams": _upstream,
    "columns": _column,
    "checks": _check,
    "freshness": _promise,
    "tags": lambda change: f"tag {change.sort}: {change.name}",
    "description": lambda change: f"description {change.sort}",
    "owner": lambda change: f"owner: {_values(change)}",
    "group": lambda change: f"group: {_values(change)}",
    "observe": lambda change: f"observed by: {_values(change)}",
}
_HEADS: Mapping[Part, str] = {"running": "", "project": "", "vars": "vars.", "output": "output."}


def _rest(change: Change) -> str:
    """`currency: EUR -> USD`, `pg added: postgres`, `staging added`."""
    if change.sort == "changed":
        return f"{change.name}: {_values(change)}".lstrip()
    value = change.new if change.sort == "added" else change.old
    return f"{change.name} {change.sort}{f': {value}' if value is not None else ''}".lstrip()


def _values(change: Change) -> str:
    if change.old is None and change.new is None:
        return "changed"
    shown = ["…" if each is None and change.sort == "changed" else each for each in (change.old, change.new)]
    return " -> ".join("none" if each is None else each for each in shown)


def _detail(change: Change) -> str:
    """What a component of the code was and is, where that is short."""
    if change.note:
        return f" ({change.note})"
    known = [each for each in (change.old, change.new) if each]
    if change.sort == "changed" and len(known) != 2:  # noqa: PLR2004 - both, or neither says anything
        return ""
    told = " -> ".join(known)
    return f" ({told})" if told and len(told) <= _MOST_SHOWN else ""


def why_removed(gone: RemovedColumn) -> str:
    """Why a column goes away, and what of the asset itself does not know of it yet."""
    said = [_WHY_GONE[gone.sort]]
    if gone.declared:
        said.append("it is still declared under columns")
    if gone.checks:
        said.append(f"still checked by {names(gone.checks)}")
    return "; ".join(said)


def reads(reader: Reader) -> str:
    """How somebody reads a column that goes away."""
    if reader.still:
        return "its SQL still names it, and will fail"
    if reader.note:
        return f"not known: {plain(reader.note)}"
    said = [f"for {some(reader.columns)}"] if reader.columns else []
    said += [f"for its rows ({', '.join(reader.clauses)})"] if reader.clauses else []
    return f"read it {' and '.join(said)}" if said else "read it"


def names(values: Sequence[str], most: int = _MOST_NAMED) -> str:
    """Some names in a sentence."""
    return some([plain(each) for each in values], most)


def counts(found: Difference) -> str:
    """`2 added, 1 removed, 3 changed, 1 with the same data`."""
    tally: dict[str, int] = {}
    for one in found.assets:
        tally[word(one)] = tally.get(word(one), 0) + 1
    order = ("added", "removed", "renamed", "changed", "same data")
    said = [
        f"{tally[each]:,} {each if each != 'same data' else 'with the same data'}" for each in order if each in tally
    ]
    said += [f"{count(len(found.columns), 'column')} going away"] if found.columns else []
    said += [f"{count(len(found.settings), 'setting')} changed"] if found.settings else []
    return ", ".join(said) or "no difference that counts"


def stale(found: Difference) -> str:
    """What the change makes stale by itself, whatever there is on record."""
    if not found.stale:
        more = f"; {count(len(found.below), 'asset')} below may follow" if found.below else ""
        return f"this change makes nothing stale{more}"
    follow = (
        f"; {len(found.below):,} below {'them' if len(found.stale) > 1 else 'it'} may follow" if found.below else ""
    )
    return f"this change makes {count(len(found.stale), 'asset')} stale: {names(found.stale)}{follow}"


def upcoming(report: Report) -> str:
    """What the next run would do, or that nobody knows."""
    following: Next | None = report.next
    if following is None:
        unknown = "no history here, so what the next materialize runs is not known"
        number = len(report.difference.stale)
        return f"{unknown}: by this change alone {number:,} of {count(report.now, 'asset')}" if number else unknown
    if not following.steps:
        return "the next materialize has nothing to do here: it ran with this change already"
    cut = f" ({following.tentative:,} may be cut off)" if following.tentative else ""
    time = (
        f"about {about(following.estimated)} with {count(following.jobs, 'job')}"
        if following.estimated is not None
        else "no estimate: not all were timed yet"
    )
    own = f"{len(following.own):,} of them stale by this change" if following.own else "none of them by this change"
    return f"the next materialize runs {count(following.steps, 'step')}{cut}, {time}; {own}"


def alike(found: Sequence[AssetChange], least: int) -> list[tuple[AssetChange, ...]]:
    """Assets of which just the same is to be said together, where these are at least so many; in their order."""
    groups: dict[tuple[object, ...], list[AssetChange]] = {}
    for one in found:
        same = (word(one), *sentences(one)) if one.sort in ("changed", "added") and not one.guess else (one.name,)
        groups.setdefault(same, []).append(one)
    gathered: list[tuple[AssetChange, ...]] = []
    for members in groups.values():
        gathered += [tuple(members)] if len(members) >= least else [(each,) for each in members]
    position = {one.name: number for number, one in enumerate(found)}
    return sorted(gathered, key=lambda members: position[members[0].name])
