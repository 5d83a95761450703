"""Offers that change in time: optima worked out by hand, each docstring with its working, through HiGHS and CBC.

A million tokens an hour is written 1 M; an api has one price per M, a gpu serves whole millions an hour.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from problem_factory import SOLVERS, Data, api, by_period, gpu, hourly, load, plan_of, problem
from pytest import approx

import router
from router.errors import InputError
from router.explaining import explain
from router.schema import Problem
from router.verification import verify

START = "2027-01-04T00:00:00"  # a Monday
INSTANCES = sorted((Path(__file__).parent / "instances").glob("schedule-*.yaml"))
EXAMPLES = Path(router.__file__).parent / "examples"
M = 1e6


def in_time(workloads: Data | list[Data], *offers: Data, periods: int = 1, **rest: object) -> Data:
    data = problem(workloads, list(offers), periods=periods, **rest)
    data["horizon"] |= {"start": START}
    return data


def until(hour: str, **rule: object) -> Data:
    return {"until": f"2027-01-04T{hour}", **rule}


def since(hour: str, **rule: object) -> Data:
    return {"from": f"2027-01-04T{hour}", **rule}


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "highs"])
@pytest.mark.parametrize("file", INSTANCES, ids=lambda file: file.stem)
def test_a_second_solver_finds_the_same(file: Path, solver: str) -> None:
    optimum = float(file.read_text(encoding="utf-8").removeprefix("# optimum:").split()[0])
    assert router.solve(file, solver=solver).cost_usd == approx(optimum, abs=0.005)


@pytest.mark.parametrize(
    ("name", "usd"),
    [
        ("off-peak", 100e3 * 0.00245 + 162e3 * 0.00084 + 34e3 * 0.001176 + 177e3 * 0.000588),
        ("price-cut", (2160 * 10 + 2208 * 5 + (8760 - 2160 - 2208) * 4.5) * 10e3 / 730),
    ],
)
def test_an_example_costs_what_its_page_says(name: str, usd: float) -> None:
    """Documents in cheap hours, the chat at a flat price, at the peak and beside it; 10 B tokens a month, by hours."""
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert router.solve(EXAMPLES / f"{name}.yaml").cost_usd == approx(usd)
    assert f"`router solve {name}.yaml` answers {usd:,.{2 if usd < 1000 else 0}f} USD" in page


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_last_rule_counts_and_factors_are_not_multiplied(solver: str) -> None:
    """2 M at 3 USD. Two factors, 4 and then 2: the last holds. A price of 5 is set beside them: 2 · 5 · 2 = 20."""
    rules = [
        {"prices": 4},
        {"set": {"models": {"m": {"prompt_usd_per_m": 5, "completion_usd_per_m": 5}}}},
        {"prices": 2},
    ]
    data = in_time(by_period([2 * M]), api("a", 3, schedule=rules))
    assert plan_of(data, solver).cost_usd == approx(20.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_price_that_changes_within_a_period_is_a_mean_by_hours(solver: str) -> None:
    """4 M in an hour at 3 USD, at 1 from 00:45 on: 4 · (0.75 · 3 + 0.25 · 1) = 10."""
    cheap = since("00:45", set={"models": {"m": {"prompt_usd_per_m": 1, "completion_usd_per_m": 1}}})
    data = in_time(by_period([4 * M]), api("a", 3, schedule=[cheap]))
    assert plan_of(data, solver).cost_usd == approx(10.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_work_goes_to_an_offer_for_as_long_as_it_is_open(solver: str) -> None:
    """4 M in an hour; a at 1 USD is closed from 00:15 on, b costs 5: a quarter at 1, the rest at 5: 1 + 15 = 16."""
    data = in_time(by_period([4 * M]), api("a", 1, schedule=[since("00:15", available=False)]), api("b", 5))
    assert plan_of(data, solver).cost_usd == approx(16.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_work_that_may_wait_goes_where_the_offer_opens_again(solver: str) -> None:
    """4 M of the first hour may wait for the second; a at 1 USD opens at 00:45, b costs 5: all at 1, 4 USD."""
    late = by_period([4 * M, 0], deferrable_h=2)
    data = in_time(late, api("a", 1, schedule=[until("00:45", available=False)]), api("b", 5), periods=2)
    assert plan_of(data, solver).cost_usd == approx(4.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rent_is_of_open_hours_and_capacity_of_them_too(solver: str) -> None:
    """2 M in an hour. A gpu of 2 M an hour at 6 USD, closed from 00:30 on, carries 1 M for 3 USD; the other 1 M goes to
    b at 5: 8 USD. Two gpus would carry no more of it: half the work comes while they are closed.
    """
    closes = {"schedule": [since("00:30", available=False)]}
    data = in_time(by_period([2 * M]), gpu("a", 6, 2, offer=closes), api("b", 5))
    assert plan_of(data, solver).cost_usd == approx(8.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_reserved_is_paid_in_a_gap_and_not_after_the_end(solver: str) -> None:
    """Three hours of 1 M; a gpu is reserved at 2 USD an hour and closed in the second, b costs 5: 2 + 2 + 5 + 2 = 11.
    Closed for good from the second hour on it is paid once: 2 + 5 + 5 = 12.
    """
    work = by_period([M, M, M])
    gap = {"from": "2027-01-04T01:00", "until": "2027-01-04T02:00", "available": False}
    for rule, usd in ((gap, 11.0), (since("01:00", available=False), 12.0)):
        fleet = gpu("a", 2, 1, reserved=1, offer={"schedule": [rule]})
        assert plan_of(in_time(work, fleet, api("b", 5), periods=3), solver).cost_usd == approx(usd)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_reserved_hour_keeps_the_price_that_is_stated(solver: str) -> None:
    """2 M in an hour on gpus of 1 M at 3 USD, one reserved; the factor of 2 is on the rented one: 3 + 6 = 9."""
    data = in_time(by_period([2 * M]), gpu("a", 3, 1, reserved=1, offer={"schedule": [{"prices": 2}]}))
    assert plan_of(data, solver).cost_usd == approx(9.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_counts_that_change_are_the_least_of_a_period(solver: str) -> None:
    """3 M in an hour on gpus of 1 M at 1 USD, of which 2 may be rented from 00:30 on: 2 at 1 and 1 M at 5: 7 USD."""
    fewer = since("00:30", set={"instances": {"max": 2}})
    data = in_time(by_period([3 * M]), gpu("a", 1, 1, max=8, offer={"schedule": [fewer]}), api("b", 5))
    assert plan_of(data, solver).cost_usd == approx(7.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_shortfall_has_the_mean_rate_and_use_that_of_its_hour(solver: str) -> None:
    """Two hours of 1 M under 1 M an hour at 2 USD, signed, at 4 in the second hour; list is 3. 2 M are due, at a mean
    of 3. Used in the first hour 1 M costs 2; in the second 4, or 3 at list beside a shortfall at 3: so 2 + 4 = 6 USD.
    """
    terms = {"min_tokens_per_month": 730 * M, "signed": True}
    dear = since("01:00", prices=2)
    data = in_time(by_period([M, M]), api("a", 2, commitment=terms, schedule=[dear]), api("b", 3), periods=2)
    assert plan_of(data, solver).cost_usd == approx(6.0)


@pytest.mark.parametrize(
    ("rules", "note"),
    [
        (
            [until("01:00", available=False), since("03:00", available=False)],
            "opens at 2027-01-04T01:00:00 and closes",
        ),
        (
            [since("01:00", **until("02:30", available=False))],
            "is closed in 1 of 4 periods and is closed for a part of 1",
        ),
        ([{"available": False}], "is closed throughout"),
    ],
)
def test_the_plan_says_when_an_offer_is_closed(rules: list[Data], note: str) -> None:
    plan = plan_of(in_time(by_period([M] * 4), api("a", 1, schedule=rules), api("b", 5), periods=4))
    assert any(line.startswith(f"a {note}") for line in plan.notes)
    open_ = in_time(by_period([M] * 4), api("a", 1, schedule=[{"prices": 2}]), periods=4)
    assert not any(line.startswith("a ") for line in plan_of(open_).notes)


def test_no_instance_more_is_offered_where_a_rule_sets_how_many_there_are() -> None:
    """Held in the file is 1, and by the rule 0: an instance more in the file would change nothing."""
    rule = since("00:00", set={"instances": {"reserved": 0}})
    own = gpu("own", 1, 1, max=1, reserved=1, offer={"schedule": [rule]})
    found = explain(load(in_time(by_period([3 * M]), own, api("b", 5))))
    assert not [saving for saving in found.savings if saving.price == "for nothing"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_prices_that_change_beside_what_is_free(solver: str) -> None:
    """1 M is free of 4 M: 3 M at the mean of 2 and 1, 4.5. Closed for half: 2 M there, 1 of it free, 2 M at 5."""
    free = {"free": {"tokens_per_month": 730 * M}}
    cheap = in_time(by_period([4 * M]), api("a", 2, schedule=[since("00:30", prices=0.5)], **free))
    assert plan_of(cheap, solver).cost_usd == approx(4.5)
    closed = api("a", 2, schedule=[until("00:30", available=False)], **free)
    assert plan_of(in_time(by_period([4 * M]), closed, api("b", 5)), solver).cost_usd == approx(12.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_instances_of_a_host_that_are_closed_for_half_of_the_hour(solver: str) -> None:
    """1 M there takes two instances for half an hour, 4, and their host, 10; 1 M at 50."""
    own = gpu("own", 4, 1, offer={"schedule": [until("00:30", available=False)]})
    hosts = [{"name": "node", "usd_per_h": 10, "units": 2, "offers": ["own"]}]
    assert plan_of(in_time(by_period([2 * M]), own, api("b", 50), hosts=hosts), solver).cost_usd == approx(
        64.0
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_prices_that_change_beside_what_the_way_there_costs(solver: str) -> None:
    """From eu 2 M at 1.5; from us 1 USD per M more there, so 2 M at 1.9 elsewhere: 3 + 3.8."""
    cheap = api("a", 2, schedule=[since("00:30", prices=0.5)], limits={"regions": ["eu"]})
    load = by_period([4 * M], origin={"eu": 0.5, "us": 0.5})
    network = [{"from": "us", "to": "eu", "rtt_ms": 90, "egress_usd_per_gb": 250, "bytes_per_token": 4}]
    data = in_time(load, cheap, api("b", 1.9, limits={"regions": ["us"]}), network=network)
    assert plan_of(data, solver).cost_usd == approx(6.8)


def capped(cap: Data, *rules: Data) -> Data:
    return api("a", 1, quota=cap, schedule=list(rules))


PER_MINUTE = M / 60  # a million an hour


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_quota_that_changes_is_a_mean_by_hours(solver: str) -> None:
    """4 M in an hour; a at 1 USD takes 1 M an hour, and 3 M from 00:30 on: 2 M there, the rest at 5: 12 USD."""
    more = since("00:30", set={"quota": {"tokens_per_minute": 3 * PER_MINUTE}})
    a = capped({"tokens_per_minute": PER_MINUTE}, more)
    assert plan_of(in_time(by_period([4 * M]), a, api("b", 5)), solver).cost_usd == approx(12.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_quota_by_the_minute_lets_nothing_through_while_its_offer_is_closed(solver: str) -> None:
    """1 M an hour, closed for half of it: 0.5 M at 1 USD, 3.5 M at 5: 18 USD. A day's cap is not cut: 1 + 15."""
    closed = until("00:30", available=False)
    by_minute = in_time(by_period([4 * M]), capped({"tokens_per_minute": PER_MINUTE}, closed), api("b", 5))
    assert plan_of(by_minute, solver).cost_usd == approx(18.0)
    by_day = in_time(by_period([4 * M]), capped({"tokens_per_day": 24 * M}, closed), api("b", 5))
    assert plan_of(by_day, solver).cost_usd == approx(16.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_cap_by_the_day_that_changes_at_noon_is_a_mean_of_the_day(solver: str) -> None:
    """2 M an hour are 48 M; a day of 24 M, and 48 M from noon on, lets 36 M through: 36 · 1 + 12 · 5 = 96."""
    noon = since("12:00", set={"quota": {"tokens_per_day": 48 * M}})
    data = in_time(by_period([2 * M] * 24), capped({"tokens_per_day": 24 * M}, noon), api("b", 5), periods=24)
    assert plan_of(data, solver).cost_usd == approx(96.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_quota_of_work_in_a_window_is_that_of_its_hours(solver: str) -> None:
    """4 M from 00:30 on, when a takes 3 M an hour and not 1 M: 3 · 1 + 1 · 5 = 8."""
    more = since("00:30", set={"quota": {"tokens_per_minute": 3 * PER_MINUTE}})
    load = by_period([4 * M]) | {"window": {"start": "00:30", "end": "01:30"}}
    load["demand"] = {"tokens_total": 4 * M}
    a = capped({"tokens_per_minute": PER_MINUTE}, more)
    assert plan_of(in_time(load, a, api("b", 5)), solver).cost_usd == approx(8.0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_quota_may_be_stated_by_rules_alone(solver: str) -> None:
    """None in the first hour, 1 M an hour from the second on, nothing in the third: 4 + (1 + 3 · 5) + 4 · 5 = 40."""
    rules = [
        since("01:00", set={"quota": {"tokens_per_minute": PER_MINUTE}}),
        since("02:00", set={"quota": {"tokens_per_minute": 0}}),
    ]
    data = in_time(by_period([4 * M] * 3), api("a", 1, schedule=rules), api("b", 5), periods=3)
    assert plan_of(data, solver).cost_usd == approx(40.0)


def test_a_plan_above_a_quota_that_a_rule_sets_fails_the_check() -> None:
    """4 M on a, which lets 2 M through."""
    free = in_time(by_period([4 * M]), api("a", 1), api("b", 5))
    less = since("00:30", set={"quota": {"tokens_per_minute": 3 * PER_MINUTE}})
    data = in_time(by_period([4 * M]), capped({"tokens_per_minute": PER_MINUTE}, less), api("b", 5))
    assert "quota" in verify(load(data), plan_of(free)).failed()


@pytest.mark.parametrize("solver", SOLVERS)
def test_energy_has_its_own_schedule(solver: str) -> None:
    """Two hours of 1 M on a gpu of 1 M at 1 USD and 10 kW; 0.1 USD per kWh, 0.4 in the second hour, then doubled there:
    2 · 1 + 10 · 0.1 + 10 · 0.8 = 11.
    """
    data = in_time(by_period([M, M]), gpu("a", 1, 1, power_kw=10), periods=2)
    rules = [since("01:00", usd_per_kwh=0.4), since("01:00", prices=2)]
    data["policy"] = {"energy_usd_per_kwh": 0.1, "energy_schedule": rules}
    assert plan_of(data, solver).cost_usd == approx(11.0)


def waiting_in_time(schedule: list[Data], **instances: object) -> Data:
    """0.4 requests a second in each of four hours, of a second each on a gpu at 1 USD; they may wait a second."""
    chat = by_period([1.44 * M] * 4, slo={"ttft_mean_ms": 1100}, service_cv=1)
    rented = gpu("a", 1, 3.6, offer={"schedule": schedule}, **instances)
    rented["models"]["m"] |= {"ttft_mean_ms": 100, "concurrency": 1}
    listed = api("b", 5)
    listed["models"]["m"]["ttft_mean_ms"] = 100
    return in_time(chat, rented, listed, periods=4)


LESS_THEN_CLOSED = [
    {"from": "2027-01-04T01:00", "until": "2027-01-04T02:00", "set": {"instances": {"availability": 0.4}}},
    {"from": "2027-01-04T02:00", "until": "2027-01-04T03:00", "available": False},
]


@pytest.mark.parametrize("solver", SOLVERS)
def test_waits_are_those_of_what_serves_in_the_hour(solver: str) -> None:
    """M/M/n: with load a one server makes work wait a / (1 − a) s, two a² / (4 − a²) s. 0.4 fits one; where 0.4 are
    available it is 1.0, which is two; closed, 1.44 M are at 5 USD; then one again: 1 + 2 + 7.2 + 1 = 11.2.
    """
    plan = plan_of(waiting_in_time(LESS_THEN_CLOSED), solver)
    assert plan.cost_usd == approx(11.2)
    assert plan.gap <= 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_boots_beside_waiting_starts_again_after_a_gap(solver: str) -> None:
    """As before, but half of an hour is booting: two to have one, in the first hour and after the gap again:
    2 + 2 + 7.2 + 2 = 13.2.
    """
    plan = plan_of(waiting_in_time(LESS_THEN_CLOSED, start_h=0.5), solver)
    assert plan.cost_usd == approx(13.2)
    assert plan.gap <= 1e-6


def test_days_are_those_on_which_a_window_starts() -> None:
    """A window from 23:00 to 01:00 on Sundays reaches into Monday 4 January: 1 M at 3 · 2, then 1 M at 3: 9 USD."""
    rule = {"daily": {"start": "23:00", "end": "01:00"}, "days": ["sun"], "prices": 2}
    data = in_time(by_period([M, M]), api("a", 3, schedule=[rule]), periods=2)
    assert plan_of(data, "highs").cost_usd == approx(9.0)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"from": "2027-01-01"}, "says nothing"),
        ({"from": "2027-01-02", "until": "2027-01-01", "prices": 2}, "must be after from"),
        ({"set": {"models": {"n": {"prompt_usd_per_m": 1}}}}, "is not a model of the offer"),
        ({"set": {"instances": {"max": 1}}}, "the offer has no instances"),
        ({"set": {}}, "sets nothing"),
        ({"series": {"file": "a.csv", "timestamp_column": "at"}}, "names no column of figures"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: Data, said: str) -> None:
    data = in_time(hourly(M), api("a", 3, schedule=[rule]))
    with pytest.raises(InputError, match=said):
        Problem.model_validate(data)


def test_rules_of_an_offer_that_nobody_asks_for_need_no_start() -> None:
    """A catalogue has offers with hours; 2 M at 3 USD need none of them."""
    other = api("b", 1, schedule=[until("00:30", prices=2)])
    other["models"] = {"n": other["models"]["m"]}
    data = problem(by_period([2 * M]), [api("a", 3), other])
    data["models"]["n"] = {}
    assert plan_of(data).cost_usd == approx(6.0)


def test_times_need_a_start() -> None:
    data = problem(hourly(M), [api("a", 3, schedule=[{"from": "2027-01-01", "prices": 2}])])
    with pytest.raises(InputError, match="has times, which need"):
        Problem.model_validate(data)
