"""The plan as people read it: what would run, for which cause, what it replaces, what it waits for, how long it takes.

A reader of the `Plan` value: it orders, aligns and counts, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from typing import NamedTuple

from assets_cli.cli.screens.problems import HERE, Viewpoint, blocks
from assets_cli.cli.terminal import Terminal, cells, clean
from assets_cli.cli.words import about, count, some, tally
from assets_cli.model.duration import show as duration
from assets_cli.model.manifest import Manifest, Output
from assets_cli.model.plan import Overdue, Plan, Skip, Step, Together

MOST = 40
_MOST_ROOTS = 10
_MOST_GROUPS = 20
_MOST_CAUSES = 5
_MOST_NAMED = 20
_MOST_WARNINGS = 10
_NARROWEST_CAUSE = 30
_SKIP_WORDS = {"up_to_date": "up to date", "external": "external", "not_selected_upstream": "not selected"}
# What a step does to its asset: the sign and the word say the same, so that colour need say nothing.
_SIGNS = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "may change": ("?", "cyan"),
    "overdue": ("!", "red"),
    "forced": ("*", "magenta"),
    "recheck": ("=", "blue"),
}
_KINDS = {
    "missing": "never materialized",
    "code_changed": "code changed",
    "upstream_changed": "upstream changed",
    "upstreams_added": "upstreams added",
    "upstreams_removed": "upstreams removed",
    "output_missing": "output missing",
    "output_changed": "output changed by others",
    "last_run_failed": "last run failed",
    "check_failed": "check failed",
    "overdue": "overdue",
    "forced": "forced",
    "upstream_stale": "upstream may change",
}


class Page(NamedTuple):
    """What the screen needs besides the plan.

    `everything` lists what is otherwise counted; `command` makes a command to suggest of words, `typed` are the
    selection and flags that it repeats after `verb`, which runs the plan. `saved` is the file that it was saved in.
    """

    manifest: Manifest
    terminal: Terminal
    command: Callable[..., str]
    everything: bool = False
    view: Viewpoint = HERE
    typed: tuple[str, ...] = ()
    verb: str = "materialize"
    saved: str = ""


def lines(plan: Plan, page: Page) -> Iterator[str]:
    """The whole screen."""
    yield from page.terminal.pack(heading(plan, page), page.terminal.width)
    yield ""
    if len(plan.steps) > MOST and not page.everything:
        yield from _grouped(plan, page)
        yield ""
    elif plan.steps:
        yield from _steps(plan.steps, page)
        yield ""
    if page.everything and plan.skips:
        yield from _skips(plan.skips, page)
        yield ""
    if plan.overdue:
        yield from _overdue(plan, page)
        yield ""
    if any(one.broken_at > plan.now for one in plan.deadlines):
        yield from _ahead(plan, page)
        yield ""
    if plan.removed:
        yield from _removed(plan, page)
        yield ""
    yield from blocks(plan.warnings, page.terminal, page.view, everything=page.everything, most=_MOST_WARNINGS)
    yield from _end(plan, page)


def heading(plan: Plan, page: Page) -> list[str]:
    """`customer_analytics`, `environment default`, `6 assets`, `2 jobs`."""
    name = page.terminal.paint(page.manifest.project, "bold")
    return [
        name,
        f"environment {plan.environment}",
        count(len(page.manifest.assets), "asset"),
        count(plan.jobs, "job"),
    ]


def summary(plan: Plan) -> list[str]:
    """`3 to materialize (1 may be cut off), 4 up to date` and `about 12 s with 2 jobs`."""
    checks = sum(step.kind == "check" for step in plan.steps)
    tentative = sum(step.is_tentative for step in plan.steps)
    parts: list[str] = []
    if len(plan.steps) > checks:
        parts.append(f"{len(plan.steps) - checks:,} to materialize")
        if tentative:
            parts[-1] += f" ({tentative:,} may be cut off)"
    if checks:
        parts.append(f"{checks:,} to check again")
    parts += _skip_counts(plan.skips)
    text = ", ".join(parts)
    if plan.estimated is not None:
        return [text, f"about {about(plan.estimated)} with {count(plan.jobs, 'job')}"]
    unknown = sum(step.estimated is None for step in plan.steps)
    if not unknown:
        return [text]
    known = "none of them was timed yet" if unknown == len(plan.steps) else f"{count(unknown, 'step')} never timed"
    return [text, f"no estimate: {known}"]


def word(step: Step) -> str:
    """What a step does to its asset, in a word of `_SIGNS`."""
    kinds = {cause.kind for cause in step.causes if not cause.is_tentative}
    if step.kind == "check":
        return "recheck"
    if "missing" in kinds:
        return "create"
    if "forced" in kinds:
        return "forced"
    if not kinds:
        return "may change"
    return "overdue" if kinds == {"overdue"} else "update"


def _steps(steps: Sequence[Step], page: Page) -> Iterator[str]:
    """One block a step: sign, word, name and causes; below, what it writes, how long, after whom."""
    terminal = page.terminal
    longest_word = max(len(word(step)) for step in steps)
    lead = 2 + 2 + longest_word + 2
    longest = max(cells(step.asset) for step in steps)
    beside = lead + longest + 2
    stacked = terminal.width - beside < _NARROWEST_CAUSE and terminal.wraps
    for step in steps:
        verb = word(step)
        sign, colour = _SIGNS[verb]
        start = f"  {terminal.paint(f'{sign} {verb}', 'bold', colour)}{' ' * (longest_word - len(verb))}  "
        indent = 6 if stacked else beside
        said = [line for text in _sentences(step) for line in terminal.wrap(text, terminal.width - indent)]
        details = terminal.pack(_details(step, page.manifest), terminal.width - indent)
        said += [terminal.paint(line, "dim") for line in details]
        name = terminal.paint(step.asset, "bold")
        if stacked:
            yield start + name
        else:
            yield f"{start}{name}{' ' * (longest - cells(step.asset))}  {said.pop(0)}"
        for line in said:
            yield " " * indent + line


def _sentences(step: Step) -> list[str]:
    """Why the step is there: its real causes; or, for a tentative one, the upstreams on which it hangs."""
    real = [clean(cause.detail) for cause in step.causes if not cause.is_tentative]
    if not real:
        return [f"if {some(_tentative_upstreams(step), last='or')} changes"]
    if len(real) > _MOST_CAUSES:
        return [*real[: _MOST_CAUSES - 1], f"and {count(len(real) - _MOST_CAUSES + 1, 'more cause')} (--json)"]
    return real


def _tentative_upstreams(step: Step) -> list[str]:
    return [cause.upstream or "an upstream" for cause in step.causes if cause.is_tentative]


def _details(step: Step, manifest: Manifest) -> list[str]:
    """`replaces table sessions`, `usually 2.0 s`, `after raw_events`."""
    parts = [] if step.kind == "check" else [_output(step, manifest)]
    if step.estimated is not None:
        parts.append(f"usually {duration(step.estimated)}")
    named = set() if not step.is_tentative else set(_tentative_upstreams(step))
    others = [name for name in step.after if name not in named]
    if others:
        parts.append(f"after {some(others)}")
    if step.promise and step.promise.asked_by and step.is_tentative:
        # Of a root the cause itself says who asks.
        parts.append(f"asked for by the freshness policy of {some(step.promise.asked_by)}")
    return parts


def _output(step: Step, manifest: Manifest) -> str:
    """What happens to the output: `creates table sessions`, `replaces data/raw.parquet`."""
    asset = manifest.assets.get(step.asset)
    output = asset.output if asset else None
    if output is None:
        return "no declared output"
    if output.materialization == "script":
        verb = "runs a script for"
    elif output.grows and word(step) != "create":
        verb = _growth(step, output)
    else:
        verb = "creates" if word(step) == "create" else "replaces"
    if output.table:
        kind = "view" if output.materialization == "view" else "table"
        at = f" in {output.connection}" if output.connection not in (None, manifest.default_connection) else ""
        return f"{verb} {kind} {output.table}{at}"
    return f"{verb} {output.path}" if output.path else ""


def _growth(step: Step, output: Output) -> str:
    """What happens to a table that keeps its rows."""
    kinds = {cause.kind for cause in step.causes}
    if step.is_full_refresh or (output.materialization == "incremental" and kinds & {"code_changed", "output_changed"}):
        return "builds anew"
    return "appends to" if output.materialization == "append" else "updates"


def _grouped(plan: Plan, page: Page) -> Iterator[str]:
    """A long plan: where the change starts, which causes there are, and how many steps each group has."""
    terminal = page.terminal
    roots = [step for step in plan.steps if not step.is_tentative and not step.after]
    yield terminal.paint("Where it starts", "bold")
    shown = _of_each(roots)
    yield from _steps(shown, page)
    if len(roots) > len(shown):
        rest = tally(map(word, roots))
        for step in shown:
            rest[word(step)] -= 1
        yield f"  … and {len(roots) - len(shown):,} more" + (f": {_counts(rest)}" if len(rest) > 1 else "")
    yield ""
    yield terminal.paint("Why", "bold")
    causes = tally(step.causes[0].kind for step in plan.steps)
    width = max(len(f"{number:,}") for number in causes.values())
    for kind, number in sorted(causes.items(), key=lambda item: -item[1]):
        yield f"  {number:>{width},}  {_KINDS[kind]}"
    yield ""
    yield from _groups(plan, page)


def _of_each(roots: Sequence[Step]) -> list[Step]:
    """As many as are shown, of each kind in turn: a thousand tables to be created hide no change of code."""
    kinds: dict[str, list[Step]] = {}
    for step in roots:
        kinds.setdefault(word(step), []).append(step)
    in_turn = (step for each in zip_longest(*kinds.values()) for step in each if step is not None)
    chosen = {step.asset for step in islice(in_turn, _MOST_ROOTS)}
    return [step for step in roots if step.asset in chosen]


def _counts(numbers: Mapping[str, int]) -> str:
    """`34 create, 66 may change`."""
    return ", ".join(f"{numbers[verb]:,} {verb}" for verb in _SIGNS if numbers.get(verb))


def _groups(plan: Plan, page: Page) -> Iterator[str]:
    terminal = page.terminal
    assets = page.manifest.assets
    table: dict[str, dict[str, int]] = {}
    for step in plan.steps:
        group = (assets[step.asset].group if step.asset in assets else None) or "(no group)"
        row = table.setdefault(group, {})
        verb = word(step)
        row[verb] = row.get(verb, 0) + 1
    ordered = sorted(table.items(), key=lambda item: -sum(item[1].values()))
    longest = max(cells(group) for group, _ in ordered[:_MOST_GROUPS])
    yield terminal.paint("Groups", "bold")
    for group, row in ordered[:_MOST_GROUPS]:
        counts = _counts(row)
        name = terminal.fit(group, min(longest, max(terminal.width - cells(counts) - 4, 12)))
        yield f"  {name}  {counts}"
    if len(ordered) > _MOST_GROUPS:
        rest = sum(sum(row.values()) for _, row in ordered[_MOST_GROUPS:])
        yield f"  … and {count(len(ordered) - _MOST_GROUPS, 'more group')} with {count(rest, 'step')}"
    yield ""
    yield terminal.paint(f"  --all lists all {count(len(plan.steps), 'step')}", "dim")


def _skips(skips: Sequence[Skip], page: Page) -> Iterator[str]:
    """Every asset that would not run, with its reason."""
    terminal = page.terminal
    yield terminal.paint("Not run", "bold")
    longest = min(max(cells(skip.asset) for skip in skips), max(terminal.width // 2, 12))
    for skip in skips:
        reason = _SKIP_WORDS[skip.reason] + (f": {clean(skip.detail)}" if skip.detail else "")
        gap = " " * max(longest - cells(skip.asset), 0)
        first, *rest = terminal.wrap(reason, terminal.width - longest - 6)
        yield f"    {skip.asset}{gap}  {first}"
        for line in rest:
            yield " " * (longest + 6) + line


def _skip_counts(skips: Sequence[Skip]) -> list[str]:
    counts = tally(skip.reason for skip in skips)
    return [f"{counts[reason]:,} {text}" for reason, text in _SKIP_WORDS.items() if reason in counts]


def _overdue(plan: Plan, page: Page) -> Iterator[str]:
    """Broken promises: how old the data is, what was promised, and who holds it back."""
    terminal = page.terminal
    yield terminal.paint("Overdue", "bold", "red")
    shown = plan.overdue if page.everything else plan.overdue[:_MOST_NAMED]
    in_plan = {step.asset for step in plan.steps}
    takes = {one.asset: one.takes for one in plan.deadlines if one.takes}
    for entry in shown:
        texts = [
            f"data is {duration(max(plan.now - entry.data_time, 0))} old, promised at most {entry.policy.text}",
            _holders(entry, in_plan, page),
        ]
        if entry.asset in takes and in_plan.issuperset(entry.held_by):
            texts.append(f"made in about {about(takes[entry.asset])}, if it starts now")
        yield f"  {terminal.paint('!', 'bold', 'red')} {terminal.paint(entry.asset, 'bold')}"
        for text in texts:
            for line in terminal.wrap(text, terminal.width - 6):
                yield f"      {line}"
    if len(plan.overdue) > len(shown):
        yield f"  … and {len(plan.overdue) - len(shown):,} more (--all)"


def _ahead(plan: Plan, page: Page) -> Iterator[str]:
    """Promises that are still kept, the first to be broken first: until when something has to start for them."""
    from assets_cli.cli.screens.freshness import deadline  # few plans look ahead

    terminal = page.terminal
    yield terminal.paint("Ahead", "bold")
    coming = sorted((one for one in plan.deadlines if one.broken_at > plan.now), key=lambda one: one.broken_at)
    shown = coming if page.everything else coming[:_MOST_NAMED]
    for one in shown:
        yield from terminal.wrap(f"  {one.asset}: {deadline(one, plan.now, plan.jobs)}", terminal.width)
    if len(coming) > len(shown):
        yield f"  … and {len(coming) - len(shown):,} more (--all)"
    if plan.together is not None:
        yield from terminal.wrap(f"  {_together(plan.together)}", terminal.width)


def _together(one: Together) -> str:
    """What one run saves against a cron job for each promise."""
    run = f"one run for {count(one.promises, 'promise')}: {count(one.runs, 'step')}, {about(one.time)} of work"
    if one.cron_time <= one.time:
        return f"{run}, as much as {'its own cron job' if one.promises == 1 else 'a cron job for each'}"
    crons = "its own cron job" if one.promises == 1 else "a cron job for each"
    percent = 100 * (one.cron_time - one.time) // one.cron_time
    return f"{run}; {crons} takes {count(one.cron_runs, 'step')}, {about(one.cron_time)}: {percent} % saved"


def _holders(entry: Overdue, in_plan: set[str], page: Page) -> str:
    """Who holds an asset back, and whether this plan does something about it."""
    if not entry.held_by:
        return "nobody above holds it back"
    said: list[str] = []
    for name in entry.held_by:
        asset = page.manifest.assets.get(name)
        if name in in_plan:
            note = "runs in this plan"
        elif asset is not None and asset.is_external:
            note = "external: only those who produce it can renew it"
        else:
            note = "not in this plan: --upstream adds it"
        said.append(f"{name} ({note})")
    return f"held back by {some(said)}"


def _removed(plan: Plan, page: Page) -> Iterator[str]:
    names = plan.removed if page.everything else plan.removed[:_MOST_NAMED]
    more = f" and {len(plan.removed) - len(names):,} more" if len(names) < len(plan.removed) else ""
    they, them = ("it", "it") if len(plan.removed) == 1 else ("they", "them")
    text = f"No longer in the manifest: {', '.join(names)}{more}; what {they} wrote is left as it is, "
    text += f"and `assets state rm` forgets {them}"
    yield from page.terminal.wrap(text, page.terminal.width)


def _end(plan: Plan, page: Page) -> Iterator[str]:
    """The last lines: how much, how long, and what to type next."""
    terminal = page.terminal
    if not plan.steps:
        yield from terminal.wrap(nothing(plan), terminal.width)
        if page.saved:
            yield f"saved in {page.saved}: there is nothing to apply"
        return
    first, *rest = terminal.pack([*summary(plan), *_path(plan)], terminal.width - 6)
    yield f"{terminal.paint('Plan:', 'bold')} {first}"
    for line in rest:
        yield f"      {line}"
    yield ""
    if page.saved:
        yield f"saved in {page.saved}"
    yield f"run: {page.command('materialize', *page.typed)}"


def _path(plan: Plan) -> Iterator[str]:
    """The longest path, with its middle counted where it is long, and how long it takes where that is known."""
    path = plan.critical_path
    if len(path) <= 1:
        return
    named = path if len(path) <= 5 else (*path[:2], f"{len(path) - 4} more", *path[-2:])  # noqa: PLR2004 - what fits
    estimates = {step.asset: step.estimated for step in plan.steps}
    times = [estimates.get(name) for name in path]
    known = [time for time in times if time is not None]
    took = f" {about(sum(known))}" if len(known) == len(times) else ""
    yield f"longest path{took}: {' → '.join(named)}"


def nothing(plan: Plan) -> str:
    """What to say of a plan without steps."""
    counts = tally(skip.reason for skip in plan.skips)
    good, external = counts.get("up_to_date", 0), counts.get("external", 0)
    if good == 0:
        text = f"Nothing to do: {count(external, 'external asset')}, which others produce." if external else ""
        none = "no asset is selected" if plan.selection else "the project has no assets yet"
        return text or f"Nothing to do: {none}."
    if plan.selection and good <= len(plan.selection):
        fresh = [skip.asset for skip in plan.skips if skip.reason == "up_to_date"]
        return f"Nothing to do: {some(fresh)} {'is' if good == 1 else 'are'} up to date."
    subject = {1: "the only asset is", 2: "both assets are"}.get(good, f"all {good:,} assets are")
    text = f"Nothing to do: {subject} up to date"
    return f"{text}, {external:,} external." if external else f"{text}."
