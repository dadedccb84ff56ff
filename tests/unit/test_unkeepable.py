"""Promises that nobody can keep, by hand and against a brute-force oracle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.space import HOUR, Space, asset, promise

from assets_cli.graph import AssetGraph
from assets_cli.model.manifest import Asset, FreshnessPolicy, PathProbe
from assets_cli.planning import unkeepable
from assets_cli.planning.unkeepable import Uncarried, Unknowable

SEEN = PathProbe("x.csv")


def external(
    name: str, hours: int | None = None, *, observed: bool = True, upstreams: list[str] | None = None
) -> Asset:
    """An asset of others, with what they promise."""
    made = asset(name, upstreams or [], command=None, output=None, observe=SEEN if observed else None)
    return made._replace(freshness=promise(hours * HOUR)) if hours is not None else made


def graph(*assets: Asset) -> AssetGraph:
    """The graph of these assets."""
    return Space(*assets).graph


def promising(name: str, hours: int, *upstreams: str) -> Asset:
    """An asset with a command and a promise."""
    return asset(name, list(upstreams), freshness=promise(hours * HOUR))


def test_an_external_asset_carries_no_more_than_its_own_promise() -> None:
    """Through whatever is in between; an equal promise is carried."""
    found = graph(external("crm", 24), asset("a", ["crm"]), promising("b", 6, "a"), promising("c", 24, "a"))
    assert unkeepable.uncarried(found) == (Uncarried("b", "crm"),)


def test_what_has_a_command_runs_as_often_as_it_has_to() -> None:
    """Its own longer promise contradicts nothing, at a root as in between."""
    found = graph(promising("root", 48), promising("a", 24, "root"), promising("b", 6, "a"), external("crm", 1))
    assert (unkeepable.uncarried(found), unkeepable.unknowable(found)) == ((), ())


def test_of_several_the_one_that_promises_least_is_named() -> None:
    """One finding for a promise; what promises nothing limits nothing."""
    found = graph(external("x", 12), external("y", 48), external("z"), promising("a", 6, "x", "y", "z"))
    assert unkeepable.uncarried(found) == (Uncarried("a", "y"),)


def test_what_an_external_asset_is_made_from_does_not_count() -> None:
    """Its data time is what is observed of it."""
    found = graph(external("far", 99, observed=False), external("crm", 1, upstreams=["far"]), promising("a", 6, "crm"))
    assert unkeepable.uncarried(found) == ()
    assert unkeepable.unknowable(found) == (Unknowable("far", "far"),)


def test_of_what_is_never_observed_nobody_knows_the_age() -> None:
    """Of several promises on it the strictest is named; without one there is nothing to say."""
    found = graph(
        external("crm", observed=False),
        external("erp", observed=False),
        promising("a", 6, "crm"),
        promising("b", 2, "a"),
    )
    assert unkeepable.unknowable(found) == (Unknowable("crm", "b"),)
    assert unkeepable.uncarried(found) == ()


def test_between_the_ticks_of_a_cron_expression_data_may_grow_older() -> None:
    """Over a weekend by three days; at the same ticks the ages alone count; and every tick of the one below counts."""

    def at(cron: str, hours: int) -> FreshnessPolicy:
        return FreshnessPolicy(hours * HOUR, cron=cron)

    workdays, daily = "0 9 * * 1-5", "0 9 * * *"
    for theirs, own, carried in (
        (at(workdays, 1), promise(73), True),
        (at(workdays, 1), promise(72), False),
        (at(workdays, 1), at(workdays, 1), True),
        (at(workdays, 2), at(workdays, 1), False),
        (at(workdays, 1), at(daily, 24), False),
        (at(workdays, 1), at(daily, 49), True),
        (promise(6), at(daily, 6), True),
        (promise(6), at(daily, 5), False),
    ):
        crm = external("crm")._replace(freshness=theirs)
        found = graph(crm, asset("a", ["crm"]), asset("b", ["a"], freshness=own))
        assert unkeepable.uncarried(found) == (() if carried else (Uncarried("b", "crm"),))


@st.composite
def graphs(draw: st.DrawFn) -> AssetGraph:
    """Up to nine assets, each made from some before it, external or not, observed or not, with a promise or none."""
    assets: list[Asset] = []
    for index in range(draw(st.integers(1, 9))):
        upstreams = [each.name for each in assets if draw(st.booleans())]
        hours = draw(st.none() | st.integers(0, 4))
        if draw(st.booleans()):
            assets.append(external(f"a{index}", hours, observed=draw(st.booleans()), upstreams=upstreams))
        else:
            made = asset(f"a{index}", upstreams)
            assets.append(made if hours is None else made._replace(freshness=promise(hours * HOUR)))
    return graph(*assets)


def above(found: AssetGraph, name: str) -> set[str]:
    """The external assets that the data of one comes from, path by path."""
    if found.assets[name].is_external:
        return {name}
    return {each for upstream in found.upstreams(name) for each in above(found, upstream)}


@given(graphs())
def test_as_a_naive_reading_of_the_model_has_it(found: AssetGraph) -> None:
    """Every promise against every external asset that its data comes from, each path walked."""
    assets = found.assets
    lags = {name: each.freshness.max_lag for name, each in assets.items() if each.freshness is not None}
    limits = {
        name: max((lags[each] for each in above(found, name) if each in lags and assets[each].observe), default=0)
        for name in lags
        if not assets[name].is_external
    }
    assert {each.asset for each in unkeepable.uncarried(found)} == {
        name for name, most in limits.items() if lags[name] < most
    }
    assert all(lags[each.external] == limits[each.asset] for each in unkeepable.uncarried(found))
    resting = {
        name: min((lags[each] for each in lags if name in above(found, each)), default=None)
        for name, each in assets.items()
        if each.is_external and each.observe is None
    }
    unknown = {each.external: lags[each.asset] for each in unkeepable.unknowable(found)}
    assert unknown == {name: least for name, least in resting.items() if least is not None}
