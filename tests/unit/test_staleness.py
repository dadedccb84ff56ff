"""What makes an asset stale, cause by cause."""

from support.space import HOUR, NOON, Space, asset, promise

from assets_cli.model.history import Component, Fingerprint
from assets_cli.model.plan import Promise
from assets_cli.model.world import OutputProbe
from assets_cli.planning.staleness import stale_causes
from assets_cli.planning.versions import code_version, component_changes, short


def chain() -> Space:
    """Raw -> clean -> report, all materialized."""
    space = Space(asset("raw"), asset("clean", ["raw"]), asset("report", ["clean"]))
    space.run()
    return space


def test_nothing_on_record_is_missing():
    """An asset without a materialization is missing, and what is below waits for it."""
    space = Space(asset("raw"), asset("clean", ["raw"]))

    assert space.causes() == {"raw": ["missing"], "clean": ["missing", "upstream_stale(raw)"]}


def test_second_run_does_nothing():
    """After a run, nothing is stale."""
    assert chain().causes() == {}


def test_changed_code_makes_its_asset_stale_and_what_is_below_tentative():
    """Only the edited asset has a real cause; below, it may still be cut off."""
    space = chain()
    space.code["clean"] = "2"

    assert space.causes() == {"clean": ["code_changed"], "report": ["upstream_stale(clean)"]}
    assert [step.is_tentative for step in space.plan().steps] == [False, True]


def test_code_cause_names_component_old_and_new():
    """A cause says what changed, from what to what."""
    space = chain()
    space.code["clean"] = "2"

    (cause,) = space.plan().steps[0].causes

    assert (cause.component, cause.old, cause.new) == ("command", "test:1", "test:2")


def test_unchanged_output_stops_propagation():
    """An asset that comes out the same as before does not make its downstreams run."""
    space = chain()
    space.code["clean"] = "2"
    before = space.latest["clean"].usable.data_version
    space.make("clean", before)

    assert space.causes() == {}


def test_changed_upstream_names_version_read_and_version_now():
    """The edge compares the version that was read with the one there now."""
    space = chain()
    space.make("raw", "v2")

    assert space.causes() == {"clean": ["upstream_changed(raw)"], "report": ["upstream_stale(clean)"]}
    (cause,) = space.plan("clean").steps[0].causes
    assert (cause.old, cause.new) == ("raw:1()", "v2")


def test_upstream_that_goes_back_changes_nothing():
    """Versions decide, not the number of times something ran."""
    space = chain()
    space.make("raw", "v2")
    space.make("raw", "raw:1()")

    assert space.causes() == {}


def test_added_and_removed_upstreams():
    """The declared set is compared with the one on record; an added upstream is no changed one."""
    space = chain()
    space.declare(asset("raw"), asset("other"), asset("clean", ["other"]), asset("report", ["clean"]))
    space.make("other")

    assert space.causes("clean") == {"clean": ["upstreams_added(other)", "upstreams_removed(raw)"]}


def test_upstream_without_a_version_gives_no_cause():
    """An external that was never observed cannot have changed."""
    space = Space(asset("crm", command=None, output=None), asset("clean", ["crm"]))
    space.make("clean")

    assert space.causes() == {}


def test_external_that_nobody_could_look_at_now_gives_no_cause():
    """One that was read and of which nothing is known now may be as it was."""
    space = Space(asset("crm", command=None, output=None), asset("clean", ["crm"]))
    space.observe("crm", "etag-1")
    space.make("clean")
    space.observations.clear()

    assert space.causes() == {}


def test_external_that_changed_makes_what_is_below_stale():
    """Of an external asset the observation counts."""
    space = Space(asset("crm", command=None, output=None), asset("clean", ["crm"]))
    space.observe("crm", "etag-1")
    space.make("clean")
    space.observe("crm", "etag-2")

    assert space.causes() == {"clean": ["upstream_changed(crm)"]}


def test_output_that_is_gone_or_touched():
    """Drift of the output is a cause of its own."""
    space = chain()
    space.outputs["raw"] = None
    space.outputs["clean"] = "edited by hand"

    assert space.causes("raw", "clean") == {
        "raw": ["output_missing"],
        "clean": ["output_changed", "upstream_stale(raw)"],
    }


def test_fingerprints_of_different_algorithms_say_nothing():
    """Another way to digest means unknown, never changed by somebody else."""
    space = chain()
    world = space.world
    found = OutputProbe("present", Fingerprint("other:digest"))
    world = world._replace(outputs={**world.outputs, "raw": found})

    assert stale_causes("raw", space.graph, space.snapshot, world, {}, space.now) == []


def test_a_changed_declaration_of_the_output_is_no_drift():
    """Where the output is declared elsewhere now, nobody has touched what was left at the old place."""
    space = chain()
    world = space.world
    components = {**world.code["raw"].components, "output": Component("test:elsewhere")}
    code = {**world.code, "raw": world.code["raw"]._replace(components=components)}
    world = world._replace(code=code, outputs={**world.outputs, "raw": OutputProbe("missing")})

    causes = stale_causes("raw", space.graph, space.snapshot, world, {}, space.now)
    assert [(cause.kind, cause.component) for cause in causes] == [("code_changed", "output")]


def test_failed_attempt_stands_until_the_next_success_and_hides_drift():
    """Even if all versions agree again; drift is not reported besides."""
    space = chain()
    space.fail("clean")
    space.outputs["clean"] = "half"

    assert space.causes("clean") == {"clean": ["last_run_failed"]}
    space.make("clean")
    assert space.causes("clean") == {}


def test_every_way_to_fail_is_one_cause():
    """Failed, timed out, cancelled and crashed attempts all ask for another."""
    for state in ("failed", "timed_out", "cancelled", "crashed"):
        space = chain()
        space.fail("clean", state)
        assert space.causes("clean") == {"clean": ["last_run_failed"]}, state


def test_failed_attempt_without_a_success_is_missing_too():
    """A failed attempt is no materialization."""
    space = Space(asset("raw"))
    space.fail("raw")

    assert space.causes() == {"raw": ["missing", "last_run_failed"]}


def test_blocked_materialization():
    """A blocked one is neither missing nor failed, and what is below keeps the last one that was not."""
    space = chain()
    space.make("raw", "bad", blocked=True)

    assert space.causes("raw") == {"raw": ["check_failed"]}
    assert space.plan("report").steps == ()


def test_readers_compare_with_the_last_one_that_was_not_blocked():
    """A blocked materialization is no new version for those who read the one before; the next good one is."""
    space = chain()
    space.make("raw", "bad", blocked=True)
    assert space.causes("clean") == {}

    space.make("raw", "good")
    assert space.causes("clean") == {"clean": ["upstream_changed(raw)"]}


def test_the_recheck_lets_pass_what_is_exactly_as_old_as_allowed():
    """A promise asks for data at least as new as its bound, by the start of what was made."""
    space = Space(asset("raw"))
    space.make("raw")

    def kinds(bound: int) -> list[str]:
        asked = {"raw": Promise(bound, ("raw",))}
        return [each.kind for each in stale_causes("raw", space.graph, space.snapshot, space.world, asked, space.now)]

    assert kinds(NOON) == []
    assert kinds(NOON + 1) == ["overdue"]


def test_overdue_root_is_asked_for_by_the_policy_below():
    """A promise on a sink reaches the root, by way of everything between."""
    space = Space(asset("raw"), asset("clean", ["raw"]), asset("report", ["clean"], freshness=promise(6)))
    space.run()
    space.now += 6 * HOUR
    assert space.causes() == {}, "equal passes"

    space.now += 1
    assert space.causes() == {
        "raw": ["overdue"],
        "clean": ["upstream_stale(raw)"],
        "report": ["upstream_stale(clean)"],
    }


def test_root_that_reports_its_data_time_is_measured_by_it():
    """What the command reported counts, not when it ran."""
    space = Space(asset("raw", freshness=promise(6)))
    space.make("raw", data_time=NOON - 7 * HOUR)

    assert space.causes() == {"raw": ["overdue"]}


def test_equal_bytes_need_no_parser_and_other_parsers_decide_nothing():
    """Raw digests first; normalised ones only of the same normaliser and version."""
    old = {"a.sql": Component("sha256:1", "sha256:n", "sqlglot/1")}

    assert component_changes(old, {"a.sql": Component("sha256:1")}) == []
    assert component_changes(old, {"a.sql": Component("sha256:2", "sha256:n", "sqlglot/1")}) == []
    assert component_changes(old, {"a.sql": Component("sha256:2", "sha256:n", "sqlglot/2")}) != []
    assert component_changes(old, {"a.sql": Component("sha256:2", "sha256:m", "sqlglot/1")}) != []


def test_a_cosmetic_edit_keeps_the_code_version():
    """Where nothing that counts has changed the recorded digest stays: a view's data version is made from it."""
    space = chain()
    made = space.latest["raw"].usable
    recorded = made._replace(code_version="test:kept", components={"a.sql": Component("x:1", "x:n", "sqlglot/1")})

    assert code_version(recorded, {"a.sql": Component("x:2", "x:n", "sqlglot/1")}) == "test:kept"
    assert code_version(recorded, {"a.sql": Component("x:2", "x:m", "sqlglot/1")}) != "test:kept"


def test_declared_version_is_one_change():
    """From files to `code_version:` is one cause, not one for every file."""
    files = {"command": Component("x:1"), "a.py": Component("x:2")}
    declared = {"code_version": Component("x:7")}

    assert [change.name for change in component_changes(files, declared)] == ["code_version"]


def test_code_version_separates_names_from_values():
    """No two inputs collide by running into each other."""
    assert code_version(None, {"ab": Component("c")}) != code_version(None, {"a": Component("bc")})
    assert code_version(None, {"a": Component("x"), "b": Component("y")}) == code_version(
        None, {"b": Component("y"), "a": Component("x")}
    )


def test_versions_are_shortened_for_people():
    """Of a digest its first digits; a text as it is, in one line, unless it is long."""
    assert short(None) == "none"
    assert short("sha256:0123456789abcdef") == "01234567"
    assert short("2026-01-31T09:30:00Z") == "2026-01-31T09:30:00Z"
    assert short("two\n lines") == "two lines"
    assert short("x" * 40) == "x" * 31 + "…"
