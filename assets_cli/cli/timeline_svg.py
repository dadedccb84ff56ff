"""A simulated time as an SVG: a row for each asset, or group where there are many, its runs, and its broken promises.

A file of its own: no script, no font, nothing from elsewhere; with a background of its own, light or dark as the
reader's system is. What is broken is hatched, boxed and marked, so that colour need say nothing. What would be nearer
than a pixel is drawn as one, so that its size follows the picture and not what happens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from assets_cli.cli.words import about, count
from assets_cli.model.duration import SECOND
from assets_cli.model.simulation import Bar, Breach, Simulated, Simulation

MOST_ROWS: Final = 60
_LABELS, _PLOT, _RIGHT = 220, 960, 20
_WIDTH = _LABELS + _PLOT + _RIGHT
_TOP, _ROW, _BAR, _BOTTOM = 92, 20, 9, 24
_LONGEST_LABEL = 30
_MOST_DAYS_NAMED = 12
_HOUR, _DAY = 3_600 * SECOND, 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STYLE = """\
.bg{fill:#fff}.t{fill:#1b1f24}.d{fill:#57606a}.g{stroke:#d0d7de;stroke-width:1}.z{fill:#f6f8fa}
.r{stroke:#0969da;fill:none}.b{fill:url(#hatch);stroke:#b3261e;stroke-width:1}.h{stroke:#b3261e;stroke-width:2}
.m{fill:#b3261e;font-weight:bold}
text{font:12px system-ui,sans-serif}.s{font-size:10px}.n{font-size:15px;font-weight:600}
@media (prefers-color-scheme:dark){.bg{fill:#0d1117}.t{fill:#e6edf3}.d{fill:#9198a1}.g{stroke:#30363d}.z{fill:#151b23}
.r{stroke:#58a6ff}.b{stroke:#ff9b93}.h{stroke:#ff9b93}.m{fill:#ff9b93}}"""


class _Row(NamedTuple):
    name: str
    title: str
    bars: Sequence[tuple[int, int]]
    breaches: Sequence[tuple[int, int]]


def drawing(value: Simulation, names: Collection[str], project: str) -> str:
    """The SVG of the selected assets, as far as they run or something is promised of them."""
    rows, what = _rows(value, names)
    height = _TOP + max(len(rows), 1) * _ROW + _BOTTOM
    said = f"{count(len(value.bars), 'run')}, {about(value.compute)} of compute, "
    said += f"{count(len(value.broken), 'broken promise')}; {value.timezone}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"',
        '  role="img" aria-labelledby="title desc">',
        f'<title id="title">{_text(project)}, simulated</title>',
        f'<desc id="desc">{_text(said)}</desc>',
        f"<style>{_STYLE}</style>",
        '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">',
        '<line class="h" x1="0" y1="0" x2="0" y2="5"/></pattern></defs>',
        f'<rect class="bg" width="{_WIDTH}" height="{height}"/>',
        f'<text class="t n" x="16" y="26">{_text(_cut(project, 60))}, simulated</text>',
        f'<text class="d" x="16" y="45">{_text(said)}</text>',
        *_legend(what),
        *_axis(value, height),
    ]
    for index, row in enumerate(rows):
        parts += _drawn(row, index, value)
    if not rows:
        parts.append(f'<text class="d" x="16" y="{_TOP + 14}">nothing runs</text>')
    return "\n".join([*parts, "</svg>", ""])


def _legend(what: str) -> Iterator[str]:
    yield f'<path class="r" stroke-width="{_BAR}" d="M{_LABELS} 61h24"/>'
    yield f'<text class="d s" x="{_LABELS + 30}" y="65">runs</text>'
    yield f'<rect class="b" x="{_LABELS + 70}" y="56" width="24" height="{_BAR}"/>'
    yield f'<text class="m s" x="{_LABELS + 98}" y="65">!</text>'
    yield f'<text class="d s" x="{_LABELS + 106}" y="65">promise broken</text>'
    yield f'<text class="d s" x="16" y="65">{_text(what)}</text>'


def _axis(value: Simulation, height: int) -> Iterator[str]:
    """A line for each day, or each few of them, in the time zone of the project; within two days also hours."""
    zone = ZoneInfo(value.timezone)
    starts = [day.start for day in value.days]
    bottom = height - _BOTTOM
    if len(starts) <= 2:  # noqa: PLR2004 - little enough for hours
        first = value.start // (6 * _HOUR) * 6 * _HOUR
        starts = sorted({*starts, *range(first, value.end, 6 * _HOUR)})
    step = max(1, -(-len(starts) // _MOST_DAYS_NAMED))
    for index, moment in enumerate(starts):
        if moment < value.start or index % step:
            continue
        x = _x(moment, value)
        local = (_EPOCH + timedelta(microseconds=moment)).astimezone(zone)
        is_midnight = moment in {day.start for day in value.days}
        label = f"{local:%a} {local.day} {local:%b}" if is_midnight else f"{local:%H:%M}"
        yield f'<line class="g" x1="{x}" y1="{_TOP - 8}" x2="{x}" y2="{bottom}"/>'
        if x < _LABELS + _PLOT - 40:
            yield f'<text class="d s" x="{x + 3}" y="{_TOP - 10}">{label}</text>'


def _drawn(row: _Row, index: int, value: Simulation) -> Iterator[str]:
    y = _TOP + index * _ROW
    if index % 2 == 0:
        yield f'<rect class="z" x="{_LABELS}" y="{y}" width="{_PLOT}" height="{_ROW}" opacity=".6"/>'
    yield f"<g><title>{_text(row.title)}</title>"
    yield f'<text class="t" x="16" y="{y + 14}">{_text(_cut(row.name, _LONGEST_LABEL))}</text>'
    spans = _spans(row.bars, value)
    if spans:
        middle = y + _ROW // 2
        path = "".join(f"M{start} {middle}h{end - start}" for start, end in spans)
        yield f'<path class="r" stroke-width="{_BAR}" d="{path}"/>'
    for start, end in _spans(row.breaches, value):
        yield f'<rect class="b" x="{start}" y="{y + 2}" width="{end - start}" height="{_ROW - 4}"/>'
        yield f'<text class="m s" x="{max(start - 6, _LABELS)}" y="{y + 13}">!</text>'
    yield "</g>"


def _spans(times: Iterable[tuple[int, int]], value: Simulation) -> list[tuple[int, int]]:
    """Times as pixels, in order; what touches is one, and however short something is, it has one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(times):
        left = _x(start, value)
        right = max(_x(end, value), left + 1)
        if found and left <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], right)
        else:
            found.append((left, right))
    return found


def _x(moment: int, value: Simulation) -> int:
    return _LABELS + (moment - value.start) * _PLOT // max(value.end - value.start, 1)


def _rows(value: Simulation, names: Collection[str]) -> tuple[list[_Row], str]:
    """A row for each asset; where these are too many, for each group, and the rest together."""
    assets = [one for one in value.assets if one.asset in names and (one.runs or one.promise)]
    keys = {one.asset: one.asset for one in assets}
    what = count(len(assets), "asset")
    if len(assets) > MOST_ROWS:
        keys = {one.asset: _group(one) for one in assets}
        sizes: dict[str, int] = {}
        for one in assets:
            sizes[keys[one.asset]] = sizes.get(keys[one.asset], 0) + one.compute
        largest = sorted(sizes, key=lambda key: (-sizes[key], key))[: MOST_ROWS - 1]
        if len(sizes) > MOST_ROWS:
            keys = {name: key if key in largest else "(others)" for name, key in keys.items()}
        what = f"{what} in {count(len(set(keys.values())), 'row')}"
    bars, breaches = _by_row(value.bars, keys), _by_row(value.breaches, keys)
    members: dict[str, list[Simulated]] = {}
    for one in assets:
        members.setdefault(keys[one.asset], []).append(one)
    rows = [_Row(key, _title(key, those), bars.get(key, ()), breaches.get(key, ())) for key, those in members.items()]
    return rows, what


def _group(one: Simulated) -> str:
    """What it is drawn with: its group, else its owner, else the beginning of its name."""
    return one.group or (one.owners[0] if one.owners else "") or one.asset.partition("/")[0]


def _by_row(those: Iterable[Bar | Breach], keys: Mapping[str, str]) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for one in those:
        if one.asset in keys:
            found.setdefault(keys[one.asset], []).append((one.start, one.end))
    return found


def _title(key: str, those: Sequence[Simulated]) -> str:
    runs, compute, broken = (
        sum(values) for values in zip(*((o.runs, o.compute, o.breaches) for o in those), strict=True)
    )
    parts = [key, *([count(len(those), "asset")] if len(those) > 1 else [])]
    parts += [one.promise for one in those if len(those) == 1 and one.promise]
    parts += [count(runs, "run"), about(compute)]
    parts += [f"broken {count(broken, 'time')}"] if broken else []
    return ", ".join(parts)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(text: str) -> str:
    """A text in XML, which does not have all characters."""
    return escape("".join(each if each.isprintable() else " " for each in text))
