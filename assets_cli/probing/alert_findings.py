"""What is wrong with the routes of alerts before anything is told, for `assets validate`. Sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec

from assets_cli.graph.graph import AssetGraph
from assets_cli.graph.selection import select
from assets_cli.model.manifest import AlertRoute, Spot
from assets_cli.model.problem import AssetsError, Place, Problem
from assets_cli.model.secrets import MASK, reveals
from assets_cli.model.template import UnknownVariableError, environment_names, fill_environment

_Keys = tuple[str | int, ...]
Unknown = Callable[[Sequence[str]], frozenset[str]]
"""Which of these URLs Apprise does not know: asked in a process of its own, which is handed in."""


def alert_findings(
    graph: AssetGraph, environ: Mapping[str, str], unknown: Unknown, *, whole: bool
) -> Iterator[Problem]:
    """Everything doubtful about routes. Of a graph that is not `whole` a selection may well name nothing."""
    is_there = find_spec("apprise") is not None
    filled = [_filled(url, environ) for route in graph.manifest.alerts for url in route.urls] if is_there else []
    strange = unknown([url for url in filled if url]) if any(filled) else frozenset()
    for route in graph.manifest.alerts:
        if route.tell and not _tells(route):
            hint = "add what is to be told: tell: [overdue, failed, check_failed, recovered]"
            yield _doubt("A0728", route, graph, ("tell",), "nothing is left for it to tell", hint)
        if route.select is not None and whole:
            yield from _selection(route, route.select, graph)
        texts = _texts(route, graph)
        for place, text in texts:
            yield from _unset(route, place, text, environ)
        if route.command is None:
            if not is_there and route.tell:
                hint = "pip install 'assets-cli[alerts]'"
                yield _doubt("A0723", route, graph, ("to",), "apprise is not installed, which delivers it", hint)
            for place, url in texts:
                yield from _url(route, place, url, is_strange=_filled(url, environ) in strange)


def _tells(route: AlertRoute) -> bool:
    of_no_use = {"recovered", "at_risk"} if route.severity == "error" else {"recovered"}
    return not of_no_use.issuperset(route.tell)


def _selection(route: AlertRoute, written: str, graph: AssetGraph) -> Iterator[Problem]:
    try:
        select([written], graph)
    except AssetsError as error:
        for problem in error.problems:
            spot = (Spot(problem.place.line, problem.place.column),) if problem.place is not None else ()
            place = graph.manifest.locate("", "alerts", route.name, "select", *spot)
            message = f"alert '{route.name}': select: {problem.message}"
            yield problem._replace(message=message, place=place, excerpt=None)


def _texts(route: AlertRoute, graph: AssetGraph) -> list[tuple[Place, str]]:
    """What takes something from outside, with its place."""
    locate = graph.manifest.locate
    if route.command is not None:
        return [(locate("", "alerts", route.name, "command", "shell"), route.command)]
    return [(locate("", "alerts", route.name, "to", index), url) for index, url in enumerate(route.urls)]


def _unset(route: AlertRoute, place: Place, text: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    for name, default in environment_names(text):
        if not default and name not in environ:
            message = f"the environment variable {name} is not set, alert '{route.name}' uses it"
            hint = f"set {name}, put it into .env, or give it a default: ${{env.{name}:-…}}"
            yield Problem("A0311", message, "warning", place, hint=hint)


def _url(route: AlertRoute, place: Place, url: str, *, is_strange: bool) -> Iterator[Problem]:
    if reveals(url):
        hint = 'take it from outside: to: "${env.ALERT_URL}", with ALERT_URL in .env'
        message = f"alert '{route.name}': this URL is all that it takes to send in your name"
        yield Problem("A0721", message, "warning", place, hint=hint)
    if is_strange:
        scheme, separator, _ = url.partition("://")
        known = f"{scheme}://{MASK}" if separator and scheme.isalnum() else "this URL"
        hint = "see https://github.com/caronc/apprise/wiki, or deliver it by a command: {shell: …}"
        yield Problem("A0727", f"alert '{route.name}': Apprise does not know {known}", "warning", place, hint=hint)


def _filled(url: str, environ: Mapping[str, str]) -> str:
    """A URL with what comes from outside; nothing where that is not set, which is a problem of its own."""
    try:
        return fill_environment(url, environ)
    except UnknownVariableError:
        return ""


def _doubt(code: str, route: AlertRoute, graph: AssetGraph, keys: _Keys, message: str, hint: str) -> Problem:
    place = graph.manifest.locate("", "alerts", route.name, *keys)
    return Problem(code, f"alert '{route.name}': {message}", "warning", place, hint=hint)
