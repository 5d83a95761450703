"""Backtests small enough to be settled by hand, and the laws that every one keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from campaign import times
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reoptimise_cases import api, gpu, problem

from router.backtesting import Backtest, Settings, backtest
from router.errors import InputError
from router.planning.solve import Search
from router.schema import Problem
from router.verification import verify
from solvers import SolveOptions

SEARCH = Search("highs", SolveOptions(time_limit_s=60.0, threads=1, seed=0))


def hourly(
    requests: list[float], offers: str, *, load: str = "", more: str = "", period_h: float = 1.0
) -> Problem:
    """Requests of 900 + 100 tokens: 1,000 of them are a million tokens."""
    return problem(
        offers,
        workloads=f"- {{name: w, models: [m], demand: {{requests_by_period: {requests}}}, "
        f"prompt_tokens: 900, completion_tokens: 100{load}}}",
        horizon=f"{{periods: {len(requests)}, period_h: {period_h}}}",
        more=more,
    )


def replayed(made: Problem, **settings: object) -> Backtest:
    return backtest(made, Settings(**{"offers_alone": False, **settings}), SEARCH)  # type: ignore[arg-type]


def taken(found: Backtest) -> list[str]:
    return [step.taken for step in found.replay.steps]


# ---------------------------------------------------------------- by hand


def test_the_last_hour_as_forecast_is_always_an_hour_late() -> None:
    """An instance does 360 requests an hour for 1.00; by the token a request costs 0.005. Demand 100, 360, 720, 100.

    hour  expected   plan                  came   cost
    1     100        by the token, 0.50     360   1.80
    2     360        1 instance             720   1.00 + 360 · 0.005 = 2.80       (cheaper than 1.80)
    3     720        2 instances            100   2.00                            (one would break its promise: repair)
                                                  6.60
    Hindsight: 1 instance, 2 instances, then 100 by the token: 1.00 + 2.00 + 0.50 = 3.50.
    First plan kept, all by the token: (360 + 720 + 100) · 0.005 = 5.90.
    """
    made = hourly([100, 360, 720, 100], gpu("g", 1.0) + api("a", 5.0))
    found = backtest(made, Settings(forecast="last"), SEARCH)
    assert found.replay.cost_usd == pytest.approx(6.60)
    assert found.hindsight.cost_usd == pytest.approx(3.50)
    assert found.regret_usd == pytest.approx(3.10)
    assert found.staying is not None and found.staying.cost_usd == pytest.approx(5.90)
    assert found.cheapest_offer == ("g", pytest.approx(4.0))  # 1 + 2 + 1 instances
    assert taken(found) == ["first", "cheaper", "repair"]
    assert found.replay.overflow_share == pytest.approx(360 / 1180)
    assert found.forecast_error == pytest.approx((260 + 360 + 620) / 1180)


def test_what_nobody_has_room_for_is_lost_and_told() -> None:
    """Instances alone, at 360 requests an hour. Expected 360, came 500: one instance, and 140 requests are lost.

    Cost 1.00. Hindsight for the 360 served costs 1.00 as well: no regret. For all 500 it takes two: 2.00.
    """
    found = replayed(hourly([360, 500], gpu("g", 1.0)), forecast="last")
    assert found.replay.cost_usd == pytest.approx(1.0)
    assert found.replay.lost_requests == pytest.approx(140)
    assert found.replay.lost_share == pytest.approx(0.28)
    assert found.regret_usd == pytest.approx(0.0, abs=1e-6)
    assert found.hindsight_of_all is not None and found.hindsight_of_all.cost_usd == pytest.approx(2.0)


def test_work_with_a_price_is_dropped_where_that_is_cheaper_than_the_api() -> None:
    """As above with an API: 140 requests overflow at 0.005 = 0.70; dropped at 3 a million tokens they cost 0.42."""
    offers = gpu("g", 1.0) + api("a", 5.0)
    served = replayed(hourly([360, 500], offers), forecast="last")
    assert served.replay.cost_usd == pytest.approx(1.70)
    dropped = replayed(hourly([360, 500], offers, load=", unserved_usd_per_m_tokens: 3"), forecast="last")
    assert dropped.replay.cost_usd == pytest.approx(1.42)
    assert dropped.replay.dropped_usd == pytest.approx(0.42)
    assert dropped.replay.lost_requests == 0


def test_overflow_stays_within_the_quota() -> None:
    """The API takes 1,000 tokens a minute, 60 requests an hour: of 140 above the instance 60 pay 0.30, 80 are lost."""
    offers = gpu("g", 1.0) + api("a", 5.0, ", quota: {tokens_per_minute: 1000}")
    found = replayed(hourly([360, 500], offers), forecast="last")
    assert found.replay.cost_usd == pytest.approx(1.30)
    assert found.replay.lost_requests == pytest.approx(80)


def test_the_plans_own_routes_come_first_even_where_room_is_cheaper() -> None:
    """Quota 180 requests an hour on the cheap API, 0.001 each; the rest costs 0.005. Expected 360: half and half.

    180 came: each carries its half, 90 · 0.001 + 90 · 0.005 = 0.54, although the cheap one had room for all: 0.18.
    """
    offers = api("cheap", 1.0, ", quota: {tokens_per_minute: 3000}") + api("dear", 5.0)
    found = replayed(hourly([360, 180], offers), forecast="last")
    assert found.replay.cost_usd == pytest.approx(0.54)
    assert found.hindsight.cost_usd == pytest.approx(0.18)


def test_churn_is_paid_for_every_change_taken() -> None:
    """Expected 100, then 360 an hour: an instance saves 0.80 an hour; resizing costs 0.30 an hour of plan.

    Step 2 looks two hours ahead: going on costs 3.60, changing 2.00 + 2 · 0.30 = 2.60. Taken, 0.60 of churn.
    Step 3 leaves it so.
    Cost: 360 by the token 1.80, then 1.00 and 1.00, and churn 0.60.
    """
    made = hourly([100, 360, 360, 360], gpu("g", 1.0) + api("a", 5.0), more="reoptimise: {resize_usd: 0.30}")
    found = replayed(made, forecast="last", lookahead=2)
    assert taken(found) == ["first", "cheaper", "kept"]
    assert found.replay.churn_usd == pytest.approx(0.60)
    assert found.replay.cost_usd == pytest.approx(4.40)


def test_a_change_that_gains_too_little_is_not_taken() -> None:
    """The same, but a change has to gain more than the 1.00 that it would."""
    more = "reoptimise: {resize_usd: 0.30, min_gain_usd: 1.01}"
    made = hourly([100, 360, 360, 360], gpu("g", 1.0) + api("a", 5.0), more=more)
    found = replayed(made, forecast="last", lookahead=2)
    assert taken(found) == ["first", "kept", "kept"]
    assert found.replay.cost_usd == pytest.approx(3 * 1.80)


def test_take_or_pay_is_settled_over_the_month_not_over_a_step() -> None:
    """A commitment of 730 M tokens a month at 1.00: 1 M an hour, 3 M over three hours, 3.00. By the token at 5.00.

    2, 1 and 0 M tokens come. The first hour uses more than its third, and the month has room for it: 3.00 in all.
    """
    offers = (
        "- {name: c, provider: c, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}, "
        "commitment: {min_tokens_per_month: 730e6, overage: none}}\n"
    ) + api("a", 5.0)
    found = replayed(hourly([2000, 1000, 0], offers), forecast="perfect", lookahead=3)
    assert found.replay.cost_usd == pytest.approx(3.0)
    assert found.regret_usd == pytest.approx(0.0, abs=1e-6)


def test_a_contract_is_signed_at_the_first_step_or_never() -> None:
    """Expected 0.1 M tokens an hour, a commitment of 1 M an hour at 1.00 does not pay; then 1 M comes, hour after hour.

    Not signed: 2 · 5.00. In hindsight it is: 2.00.
    """
    offers = (
        "- {name: c, provider: c, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}, "
        "commitment: {min_tokens_per_month: 730e6}}\n"
    ) + api("a", 5.0)
    found = replayed(hourly([100, 1000, 1000], offers), forecast="last", lookahead=2)
    assert found.replay.cost_usd == pytest.approx(10.0)
    assert found.hindsight.cost_usd == pytest.approx(2.0)


def test_a_term_of_a_month_is_renewed_when_the_month_begins() -> None:
    """Periods of 730 h, terms of a month at 1.00 per M tokens, 1 M committed. Demand 0.1, 0.1, 1 and 1 M a month.

    With `last` the contract is signed for the third month replayed only (expected 1 M): 0.1 · 5 + 1 · 5 + 1 · 1 = 6.50.
    """
    offers = (
        "- {name: c, provider: c, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}, "
        "commitment: {min_tokens_per_month: 1e6, term_months: 1}}\n"
    ) + api("a", 5.0)
    found = replayed(hourly([100, 100, 1000, 1000], offers, period_h=730.0), forecast="last", lookahead=1)
    assert found.replay.cost_usd == pytest.approx(6.50)
    assert [row.start_month for row in found.replay.plan.contracts] == [2]
    assert found.hindsight.cost_usd == pytest.approx(2.50)


def test_an_instance_booked_late_boots_first() -> None:
    """An instance boots for a whole hour. Expected 360 from hour 2 on: it pays for nothing, then serves.

    With a look two hours ahead: hour 1 (expected 100) by the token: 360 · 0.005 = 1.80. Hour 2: an instance would cost
    2.00 for two hours and save one hour of 1.80: left alone. So all by the token: 3 · 1.80.
    """
    made = hourly([100, 360, 360, 360], gpu("g", 1.0, more=", start_h: 1") + api("a", 5.0))
    found = replayed(made, forecast="last", lookahead=2)
    assert found.replay.cost_usd == pytest.approx(5.40)
    longer = hourly([100, *[360] * 5], gpu("g", 1.0, more=", start_h: 1") + api("a", 5.0))
    found = replayed(longer, forecast="last", lookahead=4)
    # hour 1: 1.80; hour 2 boots, 1.00 + 1.80; hours 3 to 5 run: the boot is remembered from step to step
    assert found.replay.cost_usd == pytest.approx(1.80 + 2.80 + 3 * 1.00)


def test_a_fee_taken_up_at_the_first_step_is_paid_for_the_whole_replay() -> None:
    """A fee of 100 a month, three hours of it: 0.41. Then 1,180 requests at 0.001 instead of 0.005."""
    made = hourly([100, 360, 720, 100], api("f", 1.0, ", fee_usd_per_month: 100") + api("a", 5.0))
    found = replayed(made, forecast="last")
    assert found.replay.cost_usd == pytest.approx(300 / 730 + 1.18)


def test_spread_binds_plans_and_gives_way_to_serving() -> None:
    """Two providers for the work; 90 requests an hour fit each quota. Expected 100, came 150: 90 and 60; 200: 20 lost.

    The dear one costs twice as much and carries what the cheap quota leaves: 90 · 0.001 + 60 · 0.002, then 90 · 0.003.
    """
    quota = ", quota: {tokens_per_minute: 1500}"
    offers = api("cheap", 1.0, quota) + api("dear", 2.0, quota)
    load = ", routing: {min_providers: 2, max_share_per_provider: 0.95}"
    found = replayed(hourly([100, 150, 200], offers, load=load), forecast="last")
    assert found.replay.cost_usd == pytest.approx(0.21 + 0.27)
    assert found.replay.lost_requests == pytest.approx(20)
    assert found.replay.spread_kept
    alone = ", routing: {min_providers: 2, min_share_per_provider: 0.5}"
    found = replayed(hourly([100, 150], offers, load=alone), forecast="last")  # half and half, then 75 and 75
    assert found.replay.cost_usd == pytest.approx(0.225)
    smaller = api("cheap", 1.0, quota) + api("dear", 2.0, ", quota: {tokens_per_minute: 1400}")
    found = replayed(hourly([160, 174], smaller, load=alone), forecast="last")  # 90 and 84
    assert not found.replay.spread_kept and found.notes


# ---------------------------------------------------------------- laws

OFFERS = (
    gpu("g", 1.0, more=", start_usd: 0.1, min_up_h: 2")
    + gpu("held", 0.5, tokens_per_s=50.0, more=", resize: horizon, max: 3")
    + api("a", 5.0)
)
FORECASTS = st.sampled_from(["last", "perfect"])


@settings(max_examples=times(3), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.integers(0, 1500), min_size=4, max_size=7),
    FORECASTS,
    st.integers(1, 3),
    st.sampled_from(["", "reoptimise: {resize_usd: 0.1, move_usd_per_m_tokens: 0.2}"]),
)
def test_no_replay_beats_hindsight_and_what_happened_is_a_plan(
    requests: list[int], forecast: str, every: int, more: str
) -> None:
    made = hourly([1000, *requests], OFFERS, more=more)
    found = replayed(made, forecast=forecast, every=every, lookahead=3, warm_up=1)
    assert found.most_regret_usd >= -1e-6
    assert found.staying is not None
    assert found.staying.cost_usd >= found.hindsight.bound_usd - 1e-6
    for plan in (found.replay.plan, found.staying.plan, found.hindsight.plan):
        assert plan.ok
    assert found.replay.lost_requests == 0  # an API without a quota takes everything
    assert found.series["cost_usd"][-1] == pytest.approx(found.replay.cost_usd)


@settings(max_examples=times(3), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 1500), min_size=3, max_size=6), st.integers(1, 2))
def test_knowing_everything_is_hindsight(requests: list[int], every: int) -> None:
    made = hourly([float(n) for n in requests], OFFERS)
    found = replayed(made, forecast="perfect", every=every, lookahead=len(requests))
    slack = 1e-3 * found.hindsight.cost_usd + 1e-6  # the gap that steps are solved to
    assert found.regret_usd == pytest.approx(0.0, abs=slack)
    assert found.staying is not None
    assert found.staying.cost_usd == pytest.approx(found.hindsight.cost_usd, abs=slack)


@pytest.mark.parametrize("forecast", ["last", "same-hour-yesterday", "same-hour-last-week", "trend"])
def test_a_step_sees_the_past_alone(forecast: str) -> None:
    """Another future from period 2 of the replay on: what is decided up to then is the same."""
    rng = np.random.default_rng(7)
    day = 4  # periods of 6 h
    past = rng.integers(100, 1500, 4 * day + 2).astype(float).tolist()
    futures = [rng.integers(100, 1500, 5).astype(float).tolist() for _ in range(2)]
    made = [hourly(past + future, gpu("g", 1.0) + api("a", 5.0), period_h=6.0) for future in futures]
    one, two = (replayed(p, forecast=forecast, warm_up=4 * day, lookahead=3) for p in made)
    assert one.replay.steps[:3] == two.replay.steps[:3]
    for field in ("instances", "expected_tokens"):
        assert one.series[field][:3] == two.series[field][:3]
    assert one.series["cost_usd"][:2] == pytest.approx(
        two.series["cost_usd"][:2], rel=1e-9
    )  # lines are spread
    assert one.series["expected_tokens"][3:] != two.series["expected_tokens"][3:]


def test_what_happened_passes_the_check_against_the_demand_that_came() -> None:
    """`verify` reads the settled plan as one of the problem with the recorded counts."""
    made = hourly([100, 360, 720, 100], gpu("g", 1.0) + api("a", 5.0))
    found = replayed(made, forecast="last")
    replay = hourly([360, 720, 100], gpu("g", 1.0) + api("a", 5.0))
    assert verify(replay, replace(found.replay.plan)).checks
    wrong = [c.name for c in verify(replay, found.replay.plan).checks if not c.ok]
    assert set(wrong) <= {"problem"}  # all but the hash: ours states the start of the horizon


def test_two_replays_are_equal() -> None:
    made = hourly([100, 360, 720, 100, 400], gpu("g", 1.0) + api("a", 5.0))
    one, two = (replayed(made, forecast="last").to_dict() for _ in range(2))
    for told in (one, two):
        told.pop("seconds")
    assert one == two


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("load", "says"),
    [(", deferrable_h: 3", "deferrable_h"), (", window: {start: '01:00', end: '03:00'}", "window")],
)
def test_work_that_may_be_put_off_is_refused_by_name(load: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        replayed(hourly([100, 100, 100], api("a", 5.0), load=load), forecast="last")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"forecast": "same-hour-yesterday"}, "takes 24 periods of history, and the horizon has 3"),
        ({"forecast": "last", "warm_up": 0}, "takes a period of history"),
        ({"forecast": "last", "warm_up": 3}, "leaves nothing to replay"),
        ({"forecast": "last", "every": 3, "lookahead": 1}, "--every"),
        ({"forecast": "trend", "warm_up": 2}, "--warm-up"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        replayed(hourly([100, 100, 100], api("a", 5.0)), **settings)
