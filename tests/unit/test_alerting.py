"""What is told to whom, and what is no news: decided from what was told and how things are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from assets_cli.model.alerts import Condition, Told
from assets_cli.model.manifest import ALERT_EVENTS, AlertEvent, AlertRoute
from assets_cli.planning.alerting import Decision, Situation, decide

MINUTE = 60_000_000
HOUR = 60 * MINUTE
TEAM = AlertRoute("team", command="x")
ASSETS = frozenset(("raw", "crm", "core", "mart", "kpi", "orders"))


def late(asset: str, *causes: str, risk: bool = False) -> Condition:
    """A promise that is broken, or at risk."""
    return Condition("at_risk" if risk else "overdue", asset, causes, 5, "", "warning" if risk else "error")


def failed(asset: str, run: str = "r1") -> Condition:
    """An asset whose newest attempt failed."""
    return Condition("failed", asset, (asset,), 5, "exit code 1", run=run)


class Talk:
    """What is said to some routes as things go on."""

    def __init__(self, *routes: AlertRoute, **concerns: frozenset[str]) -> None:
        self.routes = routes or (TEAM,)
        self.concerns = concerns
        self.told: tuple[Told, ...] = ()
        self.next: int | None = None

    def at(
        self, moment: int, *wrong: Condition, unsure: Iterable[tuple[str, str]] = (), assets: frozenset[str] = ASSETS
    ) -> list[str]:
        """What is told at a moment: the route, the event, who is to blame, and the assets."""
        situation = Situation(wrong, assets, moment, frozenset(unsure))  # type: ignore[arg-type]
        decision: Decision = decide(self.told, situation, self.routes, self.concerns)
        self.told, self.next = decision.told, decision.next_moment
        return [
            f"{each.route}: {each.event}{'' if each.event == each.of else ' of ' + each.of} "
            f"{each.cause}: {' '.join(one.asset for one in each.assets)}"
            for each in decision.messages
        ]


def test_what_is_wrong_is_told_once_and_that_it_is_over_once() -> None:
    """However often somebody asks."""
    talk = Talk()
    assert talk.at(0, failed("orders")) == ["team: failed orders: orders"]
    assert talk.at(1, failed("orders")) == []
    assert talk.at(9 * HOUR, failed("orders", "r2")) == []
    assert talk.at(10 * HOUR) == ["team: recovered of failed orders: orders"]
    assert talk.at(11 * HOUR) == []
    assert talk.told == ()


def test_one_message_for_one_cause() -> None:
    """Promises are told together by who holds them back, what failed together, checks too."""
    talk = Talk()
    checks = [Condition("check_failed", name, (name,)) for name in ("kpi", "core")]
    found = talk.at(0, late("mart", "raw"), late("kpi", "raw"), failed("orders"), failed("crm"), *checks)
    assert found == [
        "team: overdue raw: kpi mart",
        "team: failed None: crm orders",
        "team: check_failed None: core kpi",
    ]


def test_of_several_causes_the_one_that_holds_back_most_is_named() -> None:
    """So that each promise is in one message, and there are few."""
    talk = Talk()
    assert talk.at(0, late("mart", "crm", "raw"), late("kpi", "raw"), late("core", "raw")) == [
        "team: overdue raw: core kpi mart"
    ]


def test_a_promise_that_another_cause_breaks_as_well_is_no_news() -> None:
    """It is once the cause that was told has nothing to do with it any more."""
    talk = Talk()
    assert talk.at(0, late("mart", "raw")) == ["team: overdue raw: mart"]
    assert talk.at(1, late("mart", "crm", "raw")) == []
    assert talk.at(2, late("mart", "crm")) == ["team: overdue crm: mart"]
    assert talk.at(3) == ["team: recovered of overdue crm: mart"]


def test_it_is_over_when_all_of_it_is() -> None:
    """One message again, not one for each promise."""
    talk = Talk()
    assert talk.at(0, late("mart", "raw"), late("kpi", "raw")) == ["team: overdue raw: kpi mart"]
    assert talk.at(1, late("mart", "raw")) == []
    assert talk.at(2) == ["team: recovered of overdue raw: kpi mart"]


def test_what_was_at_risk_and_is_broken_is_news_at_once() -> None:
    """Whatever the quiet period says; that it is at risk again is none."""
    talk = Talk()
    assert talk.at(0, late("mart", "raw", risk=True)) == ["team: at_risk raw: mart"]
    assert talk.at(MINUTE, late("mart", "raw")) == ["team: overdue raw: mart"]
    assert talk.at(2 * MINUTE, late("mart", "raw", risk=True)) == []
    assert talk.at(3 * MINUTE) == ["team: recovered of overdue raw: mart"]


def test_checks_that_get_worse_and_better() -> None:
    """That an error joins a warning is news; for who hears of errors only it is over when warnings are left."""
    errors, everything = TEAM._replace(name="errors", severity="error"), TEAM._replace(name="all")
    bad = Condition("check_failed", "core", ("core",))
    doubtful = bad._replace(severity="warning")
    talk = Talk(errors, everything)
    assert talk.at(0, doubtful) == ["all: check_failed core: core"]
    assert talk.at(1, bad) == ["errors: check_failed core: core", "all: check_failed core: core"]
    assert talk.at(2, doubtful) == ["errors: recovered of check_failed core: core"]
    assert talk.at(3) == ["all: recovered of check_failed core: core"]


def test_the_worst_comes_first() -> None:
    """Of promises that one asset holds back."""
    talk = Talk()
    assert talk.at(0, late("core", "raw", risk=True), late("mart", "raw")) == ["team: overdue raw: mart core"]


def test_further_promises_of_a_cause_wait_until_it_was_quiet() -> None:
    """And are told then; whoever sleeps learns when that is."""
    talk = Talk()
    talk.at(0, late("mart", "raw"))
    assert talk.at(MINUTE, late("mart", "raw"), late("kpi", "raw")) == []
    assert talk.next == HOUR
    assert talk.at(HOUR - 1, late("mart", "raw"), late("kpi", "raw")) == []
    assert talk.at(HOUR, late("mart", "raw"), late("kpi", "raw")) == ["team: overdue raw: kpi"]
    assert talk.next is None
    assert talk.at(HOUR + 1) == ["team: recovered of overdue raw: kpi mart"]


def test_what_comes_and_goes_is_told_once_in_a_quiet_period() -> None:
    """If it is still wrong after that it is told; each message that something is wrong has one that it is over."""
    talk = Talk()
    assert talk.at(0, failed("orders")) == ["team: failed orders: orders"]
    assert talk.at(MINUTE) == ["team: recovered of failed orders: orders"]
    assert talk.at(2 * MINUTE, failed("orders")) == []
    assert talk.at(3 * MINUTE) == []
    assert talk.at(4 * MINUTE, failed("orders")) == []
    assert talk.next == HOUR
    assert talk.at(HOUR, failed("orders")) == ["team: failed orders: orders"]


def test_another_cause_is_not_kept_quiet() -> None:
    """The quiet period is of a cause."""
    talk = Talk()
    talk.at(0, failed("orders"))
    assert talk.at(1, failed("orders"), failed("crm")) == ["team: failed crm: crm"]


def test_a_clock_that_was_set_back_keeps_nobody_waiting() -> None:
    """What was told tomorrow is told again."""
    talk = Talk()
    assert talk.at(24 * HOUR, failed("orders")) == ["team: failed orders: orders"]
    assert talk.at(24 * HOUR + 1) == ["team: recovered of failed orders: orders"]
    assert talk.at(0, failed("orders")) == ["team: failed orders: orders"]


def test_of_what_nobody_knows_nothing_is_told() -> None:
    """Neither that it is wrong nor that it is over."""
    talk = Talk()
    assert talk.at(0, unsure=[("late", "mart")]) == []
    talk.at(1, late("mart", "raw"))
    assert talk.at(2, unsure=[("late", "mart")]) == []
    assert talk.at(3) == ["team: recovered of overdue raw: mart"]


def test_what_left_the_manifest_is_forgotten() -> None:
    """Assets and routes alike, without a word."""
    talk = Talk()
    talk.at(0, failed("orders"), failed("crm"))
    assert talk.at(1, failed("crm"), assets=frozenset({"crm"})) == []
    assert [told.asset for told in talk.told] == ["crm"]
    talk.routes = (TEAM._replace(name="others"),)
    assert talk.at(2, failed("crm")) == ["others: failed crm: crm"]
    assert {told.route for told in talk.told} == {"others"}


def test_a_route_hears_of_its_assets_and_of_what_holds_them_back() -> None:
    """Whose asset is to blame hears of all that it holds back; whose promise it is hears of that."""
    owner, reader = TEAM._replace(name="owner"), TEAM._replace(name="reader")
    talk = Talk(owner, reader, owner=frozenset({"raw"}), reader=frozenset({"mart"}))
    assert talk.at(0, late("mart", "raw"), late("kpi", "raw")) == [
        "owner: overdue raw: kpi mart",
        "reader: overdue raw: mart",
    ]


def test_a_route_hears_what_it_asks_for() -> None:
    """By events and by severity."""
    errors = TEAM._replace(name="errors", severity="error")
    few = TEAM._replace(name="few", tell=("failed",))
    warn = Condition("check_failed", "core", ("core",), severity="warning")
    talk = Talk(errors, few)
    assert talk.at(0, failed("orders"), late("mart", "raw", risk=True), warn) == [
        "errors: failed orders: orders",
        "few: failed orders: orders",
    ]
    assert talk.at(1) == ["errors: recovered of failed orders: orders"]
    assert talk.at(2 * HOUR, failed("orders")) == ["errors: failed orders: orders", "few: failed orders: orders"]


def test_a_route_that_is_turned_off_hears_nothing() -> None:
    """`tell: []`."""
    assert Talk(TEAM._replace(tell=())).at(0, failed("orders"), late("mart", "raw")) == []


EVENTS: Sequence[AlertEvent] = ALERT_EVENTS[:-1]
CONDITIONS = st.lists(
    st.builds(
        lambda event, asset, causes: Condition(event, asset, causes if event in ("overdue", "at_risk") else (asset,)),
        st.sampled_from(EVENTS),
        st.sampled_from(sorted(ASSETS)),
        st.lists(st.sampled_from(sorted(ASSETS)), min_size=1, max_size=3, unique=True).map(tuple),
    ),
    max_size=6,
    unique_by=lambda each: (each.family, each.asset),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2 * HOUR), CONDITIONS), max_size=8))
def test_whatever_happens(story: list[tuple[int, list[Condition]]]) -> None:
    """Asked again nothing is news; nothing is told to be over that was not told; in the end all is told to be over."""
    talk = Talk()
    open_: set[tuple[str, str]] = set()
    now = 0
    for pause, wrong in story:
        now += pause
        before = talk.told
        decision = decide(before, Situation(wrong, ASSETS, now), (TEAM,), {})
        for message in decision.messages:
            keys = {(each.family, each.asset) for each in message.assets}
            if message.event == "recovered":
                assert keys <= open_
                open_ -= keys
            else:
                open_ |= keys
        talk.told = decision.told
        assert talk.at(now, *wrong) == []
        assert talk.told == decision.told
    for message in decide(talk.told, Situation((), ASSETS, now), (TEAM,), {}).messages:
        assert message.event == "recovered"
        open_ -= {(each.family, each.asset) for each in message.assets}
    assert open_ == set()
