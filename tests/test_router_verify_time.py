"""`router.verification` over several periods: windows, deferral, starts, boots, purchases."""

from __future__ import annotations

from typing import Any

import pytest
from test_router_verify_plans import instances, line, plan_for, route, verify

from router.loading.catalogue import load_text
from router.verification.base.case import CERTAIN, Case
from router.verification.base.cells import cells_of

HEAD = "schema: router/1\nmodels: {m: {}}\n"


def cells(text: str) -> dict[int | None, Any]:
    """Cells of the only workload by occurrence."""
    problem = load_text(HEAD + text + "\noffers: [{name: o, models: {m: {prompt_usd_per_m: 1}}}]")
    return {cell.occurrence: cell for cell in cells_of(Case(problem, (CERTAIN,))).values()}


NIGHT = """
workloads:
  - {{name: w, models: [m], demand: {{{demand}}}, prompt_tokens: 1, completion_tokens: 0,
     window: {{start: "22:00", end: "06:00"}}}}
"""


def test_a_window_at_the_edges_brings_the_part_inside():
    """48 h from midnight, 240 a day: 6 of 8 h on day −1 (180), all of day 0 (240), 2 of 8 h on day 1 (60)."""
    text = "horizon: {periods: 48, period_h: 1}" + NIGHT.format(demand="requests_per_day: 240")
    found = cells(text)
    assert {d: cell.units for d, cell in found.items()} == pytest.approx({-1: 180, 0: 240, 1: 60})
    assert sorted(found[-1].runs) == [0, 1, 2, 3, 4, 5]
    assert sorted(found[0].runs) == list(range(22, 30))


def test_totals_are_divided_by_length_inside_the_horizon():
    """16 h inside in all (6 + 8 + 2): 1,600 are 100 an hour."""
    text = "horizon: {periods: 48, period_h: 1}" + NIGHT.format(demand="requests_total: 1600")
    assert {d: cell.units for d, cell in cells(text).items()} == pytest.approx({-1: 600, 0: 800, 1: 200})


def test_recorded_demand_belongs_to_its_calendar_day():
    """Day 0 has 24 · 10, day 1 has 24 · 20; nothing is recorded for day −1; day 1 has 2 of 8 h inside."""
    counts = ", ".join(["10"] * 24 + ["20"] * 24)
    text = "horizon: {periods: 48, period_h: 1}" + NIGHT.format(demand=f"requests_by_period: [{counts}]")
    assert {d: cell.units for d, cell in cells(text).items()} == pytest.approx({-1: 0, 0: 240, 1: 120})


@pytest.mark.parametrize(
    ("start", "hours"), [("2026-03-28T12:00:00", 7), ("2026-10-24T12:00:00", 9), ("2026-06-01T12:00:00", 8)]
)
def test_the_night_of_a_clock_change_is_shorter_or_longer_but_carries_a_day(start: str, hours: int):
    """Berlin, 22:00 to 06:00: 7 h when the clocks go forward, 9 h when back; always 24 h of the rate."""
    horizon = f'horizon: {{periods: 24, period_h: 1, start: "{start}", timezone: Europe/Berlin}}'
    found = cells(horizon + NIGHT.format(demand="requests_per_hour: 10"))
    assert found[0].units == pytest.approx(240)
    assert sorted(found[0].runs) == list(range(10, 10 + hours))


def test_a_start_with_an_offset_is_read_as_that_moment():
    """06:00 UTC is 15:00 in Tokyo: its 22:00 comes after 7 h."""
    horizon = 'horizon: {periods: 24, period_h: 1, start: "2026-06-01T06:00:00+00:00", timezone: Asia/Tokyo}'
    assert sorted(cells(horizon + NIGHT.format(demand="requests_per_hour: 10"))[0].runs) == list(range(7, 15))


def test_deferrable_work_may_run_in_periods_that_start_less_than_so_much_later():
    """5 periods of 2 h, 4 h: from its own period to the next; not the one that starts exactly 4 h later."""
    text = """
horizon: {periods: 5, period_h: 2}
workloads:
  - {name: w, models: [m], demand: {requests_per_hour: 1},
     prompt_tokens: 1, completion_tokens: 0, deferrable_h: 4}
"""
    found = cells(text)
    assert {a: sorted(cell.runs) for a, cell in found.items()} == {
        0: [0, 1],
        1: [1, 2],
        2: [2, 3],
        3: [3, 4],
        4: [4],
    }


PARTIAL = """
schema: router/1
horizon: {periods: 2, period_h: 2}
models: {m: {}}
workloads:
  - name: early
    models: [m]
    demand: {requests_total: 3600}
    prompt_tokens: 1
    completion_tokens: 0
    window: {start: "00:00", end: "03:00"}
  - {name: steady, models: [m], demand: {requests_per_hour: 1800}, prompt_tokens: 1, completion_tokens: 0}
offers:
  - name: box
    models: {m: {requests_per_s: 1}}
    instances: {usd_per_h: 1}
"""


def partial_plan(problem: Any, in_first: float, counts: tuple[float, float]) -> dict[str, Any]:
    """`early` runs `in_first` of its work in period 0, the rest in period 1, half of which is open to it."""
    early = (3600.0, 3600.0, 0.0)
    steady = (3600.0, 3600.0, 0.0)
    loads = [(in_first * 3600 + 3600) / 7200, ((1 - in_first) * 3600 + 3600) / 7200]
    return plan_for(
        problem,
        routes=[
            route("early", "box", "m", in_first, early, occurrence=0),
            route("early", "box", "m", 1 - in_first, early, occurrence=0, period=1),
            route("steady", "box", "m", 1.0, steady),
            route("steady", "box", "m", 1.0, steady, period=1),
        ],
        instances=[
            instances("box", "m", counts[0], loads[0] / counts[0]),
            instances(
                "box", "m", counts[1], loads[1] / counts[1], period=1, started=max(0.0, counts[1] - counts[0])
            ),
        ],
        cost_lines=[line("box", "instances", 2 * sum(counts))],
    )


def test_a_partly_open_period_serves_only_that_part():
    """2 periods of 2 h, 1 request a second: an instance does 7,200 in a period, 3,600 in the hour that
    `early` (3,600 in all) has of period 1. `steady` brings 3,600 to each.

    half of early in each period: loads 0.75 and 0.75, of which 0.25 in the open half of capacity 0.5: fits 1.
    Cost 2 · 1 · 2 h = 4.
    """
    problem = load_text(PARTIAL)
    verdict = verify(problem, partial_plan(problem, 0.5, (1.0, 1.0)))
    assert verdict.failed() == ()
    assert verdict.cost_usd == pytest.approx(4.0)


def test_work_that_fits_the_period_but_not_the_open_part_fails():
    """All 7,200 of a doubled `early` in period 1 is load 1 of one instance whose open half holds 0.5."""
    text = PARTIAL.replace("requests_total: 3600", "requests_total: 7200").replace("1800}", "0}")
    problem = load_text(text)
    early = (7200.0, 7200.0, 0.0)
    plan = plan_for(
        problem,
        routes=[route("early", "box", "m", 1.0, early, occurrence=0, period=1)],
        instances=[instances("box", "m", 1.0, 1.0, period=1)],
        cost_lines=[line("box", "instances", 2.0)],
    )
    verdict = verify(problem, plan)
    assert verdict.failed() == ("throughput",)
    assert "hours 2 to 3" in next(check.detail for check in verdict.checks if check.name == "throughput")
    plan["instances"][0].update(count=2.0, paid_count=2.0, started=2.0, utilisation=0.5)
    assert "throughput" not in verify(problem, plan).failed()


def test_work_outside_its_window_fails():
    problem = load_text(PARTIAL.replace('"03:00"', '"02:00"'))
    plan = partial_plan(problem, 0.5, (1.0, 1.0))
    assert verify(problem, plan).failed() == ("windows",)


BOOT = """
schema: router/1
horizon: {periods: 3, period_h: 1}
models: {m: {}}
workloads:
  - {name: w, models: [m], demand: {requests_by_period: [1800, 5400, 3600]},
     prompt_tokens: 1, completion_tokens: 0}
offers:
  - name: box
    models: {m: {requests_per_s: 1}}
    instances: {usd_per_h: 2, start_usd: 5, start_h: 0.5, min_up_h: 2}
"""


def boot_plan(problem: Any, counts: tuple[float, ...] = (1.0, 2.0, 2.0)) -> dict[str, Any]:
    """Loads 0.5, 1.5, 1 on what serves: 0.5, 1.5 and 2 (a start serves half of its first hour)."""
    work = (1800.0, 5400.0, 3600.0)
    rows, before = [], 0.0
    serving = (0.5, 1.5, 2.0)
    for t, count in enumerate(counts):
        started = max(0.0, count - before)
        rows.append(instances("box", "m", count, work[t] / 3600 / serving[t], period=t, started=started))
        before = count
    return plan_for(
        problem,
        routes=[route("w", "box", "m", 1.0, (work[t], work[t], 0.0), period=t) for t in range(3)],
        instances=rows,
        cost_lines=[line("box", "instances", 2 * sum(counts)), line("box", "starts", 10.0)],
    )


def test_a_start_costs_boots_and_stays_up():
    """Counts 1, 2, 2: 2 $/h · 5 = 10, and 2 starts · 5 = 10: 20. The second start must stay 2 h."""
    problem = load_text(BOOT)
    verdict = verify(problem, boot_plan(problem))
    assert verdict.failed() == ()
    assert verdict.cost_usd == pytest.approx(20.0)


def test_an_instance_that_boots_longer_serves_less():
    """Boot 0.6 h: the first hour serves 0.4 of an instance, its load is 0.5."""
    problem = load_text(BOOT.replace("start_h: 0.5", "start_h: 0.6"))
    assert set(verify(problem, boot_plan(problem)).failed()) == {"throughput", "utilisation"}


def test_a_boot_over_a_period_border():
    """Boot 1.5 h: nothing in the first hour, half in the second."""
    text = BOOT.replace("start_h: 0.5", "start_h: 1.5").replace("[1800, 5400, 3600]", "[0, 1800, 3600]")
    problem = load_text(text)
    plan = plan_for(
        problem,
        routes=[
            route("w", "box", "m", 1.0, (1800.0, 1800.0, 0.0), period=1),
            route("w", "box", "m", 1.0, (3600.0, 3600.0, 0.0), period=2),
        ],
        instances=[
            instances("box", "m", 1.0, 0.0),
            instances("box", "m", 1.0, 1.0, period=1, started=0.0),
            instances("box", "m", 1.0, 1.0, period=2, started=0.0),
        ],
        cost_lines=[line("box", "instances", 6.0), line("box", "starts", 5.0)],
    )
    assert verify(problem, plan).failed() == ()


def test_a_start_that_is_not_stated_or_does_not_stay():
    problem = load_text(BOOT)
    plan = boot_plan(problem)
    plan["instances"][1]["started"] = 0.0
    plan["instances"][1]["utilisation"] = 0.75
    plan["cost_lines"][1]["usd"] = 5.0
    plan.update(cost_usd=15.0, objective_usd=15.0, bound_usd=15.0, cost_usd_per_month=15 * 730 / 3)
    assert verify(problem, plan).failed() == ("starts",)
    problem = load_text(BOOT.replace("min_up_h: 2", "min_up_h: 3"))
    assert verify(problem, boot_plan(problem)).failed() == ()
    plan = boot_plan(problem, (1.0, 2.0, 1.0))
    plan["instances"][2]["utilisation"] = 1.0
    assert verify(problem, plan).failed() == ("starts",)


AHEAD = """
schema: router/1
horizon: {periods: 2, period_h: 1}
models: {m: {}}
workloads:
  - {name: w, models: [m], demand: {requests_by_period: [3600, 7200]},
     prompt_tokens: 1, completion_tokens: 0}
offers:
  - {name: box, models: {m: {requests_per_s: 1}}, instances: {usd_per_h: 2, resize: horizon, upfront_usd: 3}}
"""


def test_instances_bought_ahead_are_the_same_all_the_time():
    """2 bought for 3 upfront each, 2 $/h · 2 · 2 h: 6 + 8 = 14. With 1 in the first hour it is none such."""
    problem = load_text(AHEAD)
    loads = {
        "routes": [
            route("w", "box", "m", 1.0, (3600.0, 3600.0, 0.0)),
            route("w", "box", "m", 1.0, (7200.0, 7200.0, 0.0), period=1),
        ],
        "cost_lines": [line("box", "instances", 14.0)],
    }
    rows = [instances("box", "m", 2.0, 0.5), instances("box", "m", 2.0, 1.0, period=1, started=0.0)]
    verdict = verify(problem, plan_for(problem, instances=rows, **loads))
    assert verdict.failed() == ()
    assert verdict.cost_usd == pytest.approx(14.0)
    loads["cost_lines"] = [line("box", "instances", 12.0)]
    rows = [instances("box", "m", 1.0, 1.0), instances("box", "m", 2.0, 1.0, period=1, started=1.0)]
    assert verify(problem, plan_for(problem, instances=rows, **loads)).failed() == ("horizon_counts",)


TERM = """
schema: router/1
horizon: {periods: 3, period_h: 730}
models: {m: {}}
workloads:
  - {name: w, models: [m], demand: {requests_by_period: [2628000, 5256000, 5256000]},
     prompt_tokens: 1, completion_tokens: 0}
offers:
  - {name: box, models: {m: {requests_per_s: 1}}, instances: {usd_per_h: 1, term_months: 2, upfront_usd: 100}}
policy: {end_of_horizon: prorate}
"""


def term_plan(problem: Any, usd: float) -> dict[str, Any]:
    """1 bought in month 0 (to 2), 1 in month 1 (to 3), 1 in month 2 (to 4): 1, 2, 2 run."""
    work = (2_628_000.0, 5_256_000.0, 5_256_000.0)
    started = (1.0, 1.0, 0.0)
    return plan_for(
        problem,
        routes=[route("w", "box", "m", 1.0, (work[t], work[t], 0.0), period=t) for t in range(3)],
        instances=[
            instances("box", "m", work[t] / 2_628_000, 1.0, period=t, started=started[t]) for t in range(3)
        ],
        purchases=[
            {"offer": "box", "model": "m", "from_h": 730.0 * t, "until_h": 730.0 * (t + 2), "count": 1.0}
            for t in range(3)
        ],
        cost_lines=[line("box", "instances", usd)],
    )


def test_purchases_for_a_term_overlap_and_lapse():
    """5 instance-months of 730 = 3,650; upfront 100 + 100 + 50 (half the last term is inside) = 3,900."""
    problem = load_text(TERM)
    verdict = verify(problem, term_plan(problem, 3900.0))
    assert verdict.failed() == ()
    assert verdict.cost_usd == pytest.approx(3900.0)
    plan = term_plan(problem, 3850.0)
    del plan["purchases"][2]
    assert verify(problem, plan).failed() == ("purchases",)


def test_a_term_charged_in_full():
    """The last pays all its 100 upfront and its month beyond the horizon: 3,650 + 300 + 730 = 4,680."""
    problem = load_text(TERM.replace("end_of_horizon: prorate", "end_of_horizon: charge_in_full"))
    assert verify(problem, term_plan(problem, 4680.0)).failed() == ()


def test_discounting_weighs_a_period_by_its_start():
    """r such that a month weighs 1/2: 1.0 + 2 · ½ + 2 · ¼ = 2.5 instance-months, upfront 100 + 50 + 12.5."""
    rate = 2 ** (8760 / 730) - 1
    problem = load_text(TERM.replace("prorate}", f"prorate, discount_rate_per_year: {rate}}}"))
    assert verify(problem, term_plan(problem, 2.5 * 730 + 162.5)).failed() == ()


TWO_SIDES = """
schema: router/1
horizon: {periods: 1, period_h: 1}
models: {m: {}, n: {}}
workloads:
  - {name: w, models: [m], demand: {requests_total: 3600}, prompt_tokens: 10, completion_tokens: 1}
  - {name: v, models: [n], demand: {requests_total: 3600}, prompt_tokens: 5, completion_tokens: 0}
offers:
  - name: box
    models:
      m: {prompt_tokens_per_s: 20, completion_tokens_per_s: 4, disaggregated: true}
      n: {units_per_s: 20, prompt_burndown: 2}
    instances: {usd_per_h: 1, shared_by_models: true, availability: 0.5}
"""


def test_a_shared_pool_and_the_two_sides_of_disaggregated_serving():
    """w: prompt 10/20 = 0.5, completion 1/4 = 0.25. v: 5 · 2 / 20 = 0.5 on both. Sides 1.0 and 0.75.

    Half of the count is available: 2 instances. Were m not disaggregated: 0.75 + 0.5 = 1.25.
    """
    problem = load_text(TWO_SIDES)

    def plan(of: Any) -> dict[str, Any]:
        return plan_for(
            of,
            routes=[
                route("w", "box", "m", 1.0, (3600.0, 36_000.0, 3600.0)),
                route("v", "box", "n", 1.0, (3600.0, 18_000.0, 0.0)),
            ],
            instances=[instances("box", None, 2.0, 1.0)],
            cost_lines=[line("box", "instances", 2.0)],
        )

    assert verify(problem, plan(problem)).failed() == ()
    one = load_text(TWO_SIDES.replace(", disaggregated: true", ""))
    assert verify(one, plan(one)).failed() == ("throughput", "utilisation")
    own = plan(problem)
    own["instances"][0]["model"] = "m"
    assert "fields" in verify(problem, own).failed()


def test_a_load_on_a_unit_boundary_does_not_round_up():
    """One part in 10^7 above one instance is one instance; one in 10^5 is not."""
    text = PARTIAL.replace("requests_total: 3600", "requests_total: 0")
    for excess, failed in ((1e-7, ()), (1e-5, ("throughput",))):
        problem = load_text(text.replace("1800}", f"{3600 * (1 + excess)}}}"))
        work = 7200 * (1 + excess)
        rows = [
            instances("box", "m", 1.0, 1 + excess),
            instances("box", "m", 1.0, 1 + excess, period=1, started=0.0),
        ]
        routes = [route("steady", "box", "m", 1.0, (work, work, 0.0), period=t) for t in range(2)]
        plan = plan_for(problem, routes=routes, instances=rows, cost_lines=[line("box", "instances", 4.0)])
        assert verify(problem, plan).failed() == failed
