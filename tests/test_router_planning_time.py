"""Planning over time, end to end: recorded demand to verified and simulated plans; more optima by hand.

The long runs, with their figures, are in router/examples/results; here the same path takes the records shipped.
A gpu serves whole millions of tokens (M) an hour, at 1.00 unless a test says so.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.planning import EXAMPLES, azure_problem, bought_ahead, planned, servegen_problem, simulated
from benchmarks.planning_page import cost_table, count_table, run_lines, simulation_row
from problem_factory import MONTH, SOLVERS, api, by_period, counts, gpu, hourly, plan_of, problem, usd
from pytest import approx

from router import cli
from router.api import verify
from router.reports.plan import plan_report
from router.verification.base.queueing import wait_s

M = 1e6
CODE, CHAT = EXAMPLES / "azure-2023-code.csv", EXAMPLES / "azure-2023-conv.csv"
CLIENTS = EXAMPLES / "servegen-m-large-clients.csv"

by_hand = pytest.mark.parametrize("solver", SOLVERS)


# ---------------------------------------------------------------- records, end to end


def test_the_azure_extract_is_planned_verified_and_replayed(tmp_path: Path) -> None:
    """Six minutes: Poisson arrivals keep every promise, the recorded bursts do not; a margin on load mends it."""
    short = {"periods": 2, "period_h": 0.05, "start": "2023-11-16T18:30:00"}
    plain = planned(azure_problem(tmp_path, (CODE, CHAT), **short), gap=0.1, time_limit_s=60)
    assert verify(plain.problem, plain.plan).ok
    assert plain.plan.gap is not None and 0 <= plain.plan.gap < 0.25
    assert len({row.offer for row in plain.plan.refused}) >= 20  # offers that were looked at
    assert simulated(plain, "poisson", requests=4_000).ok
    bursts = simulated(plain, "trace")
    assert not bursts.ok
    assert any(row.optimistic for row in bursts.promises)
    careful = azure_problem(tmp_path, (CODE, CHAT), name="careful", policy="load_margin: 8", **short)
    mended = planned(careful, gap=0.1, time_limit_s=60)
    assert mended.plan.ok
    assert mended.plan.cost_usd > plain.plan.cost_usd
    assert simulated(mended, "trace").ok
    lines = [*run_lines(plain), *cost_table(plain), *count_table(plain), simulation_row("0", plain, bursts)]
    assert any("gap" in line for line in lines)


def test_the_servegen_extract_is_planned_verified_and_simulated(tmp_path: Path) -> None:
    """Clients over eight hours: replicas, tokens, and replicas bought ahead for the same hardware.

    Waits are planned to the limit, and a verdict errs once in twenty: of five draws at most one is broken.
    """
    file = servegen_problem(tmp_path, CLIENTS, 8, offers=bought_ahead())
    run = planned(file, gap=0.02, time_limit_s=60)
    assert verify(run.problem, run.plan).ok
    assert len(run.problem.workloads) >= 10  # two of the twelve are quiet then
    with CLIENTS.open() as rows:
        asked = sum(
            float(row["requests"]) for row in csv.DictReader(rows) if float(row["start_s"]) < 8 * 3600
        )
    assert sum(row.requests or 0.0 for row in run.plan.routes) == approx(asked)
    assert run.plan.gap is not None and run.plan.gap < 0.05
    drawn = [simulated(run, "poisson", "busiest,median", requests=2_000, seed=seed) for seed in range(1, 6)]
    assert sum(not report.ok for report in drawn) <= 1
    assert not any(promise.optimistic for report in drawn for promise in report.promises)
    ahead = {row.count for row in run.plan.instances if row.offer.endswith("two-weeks")}
    assert len(ahead) <= 1  # the same in every hour


# ---------------------------------------------------------------- margins


def test_a_margin_on_load_is_the_formula_at_a_higher_load() -> None:
    """Requests of 1 s, one to a server, 10 a second, 100 ms of waiting at P99: the count is the least that holds.

    With a load margin of 0.5 the same count as for 15 a second, though the work is that of 10.
    """

    def least(rate: float) -> int:
        return next(n for n in range(1, 99) if wait_s("p99", n, rate, 1.0, 0.5) <= 0.1)

    def planned_count(rate: float, margin: float) -> float:
        load = hourly(3.6e6 * rate, slo={"ttft_p99_ms": 150})
        own = gpu("g", 1, 3.6)  # 1,000 tokens a second: a request a second
        own["models"]["m"]["ttft_p99_ms"] = 50
        plan = plan_of(problem(load, own, policy={"load_margin": margin}))
        return counts(plan)["g"][0]

    assert planned_count(10, 0.0) == least(10)
    assert planned_count(15, 0.0) == least(15)
    assert planned_count(10, 0.5) == least(15) > least(10)


# ---------------------------------------------------------------- by hand


@by_hand
def test_what_it_costs_to_do_without_any_provider(solver: str) -> None:
    """2 M an hour; gpus of three providers at 1.00, 1.50 and 1.60.

    Without anybody's loss 2 · 1.00. With it any two must carry 2 M: one of each is 4.10; two of two are 5.00 at least.
    """
    offers = [
        gpu(name, price, 1, offer={"provider": name}) for name, price in (("a", 1), ("b", 1.5), ("c", 1.6))
    ]
    plan = plan_of(problem(hourly(2 * M), offers, policy={"survive_loss_of": "provider"}), solver)
    assert plan.cost_usd == approx(4.1)
    assert plan.to_dict()["insurance"] == {
        "survive_loss_of": "provider",
        "usd": approx(2.1),
        "without_usd": approx(2.0),
    }
    assert any("costs 2.10 USD" in note for note in plan.notes)
    assert "2.10 USD" in "\n".join(plan_report(plan).notes)


@by_hand
def test_the_loss_of_an_offer_is_less_than_that_of_its_provider(solver: str) -> None:
    """1 M an hour; two offers of provider a at 1.00 and 1.20, one of b at 3.00.

    Any offer gone: 1.00 + 1.20. Any provider gone: b must be there, and one of a: 1.00 + 3.00; b alone carries it too,
    but not without b.
    """
    offers = [
        gpu("a1", 1, 1, offer={"provider": "a"}),
        gpu("a2", 1.2, 1, offer={"provider": "a"}),
        gpu("b", 3, 1, offer={"provider": "b"}),
    ]
    for kind, cost in (("offer", 2.2), ("provider", 4.0)):
        plan = plan_of(problem(hourly(M), offers, policy={"survive_loss_of": kind}), solver)
        assert plan.cost_usd == approx(cost), kind


@by_hand
def test_a_minimum_over_two_months_fills_up_with_work_put_off(solver: str) -> None:
    """Two months of two periods: 100, 500 | 100, 100 M. A contract at 1.00 has a minimum of 400 M a month, as already
    signed; on demand 3.00. Work may wait one period, not into the next month if the gpu... there is none: only tokens.

    Month one uses 600 M at the contract, 600; month two 200 M, billed 400. Putting 200 M off from period 1 to 2 moves
    them into month two: 400 + 400 = 800 against 1,000.
    """
    half = MONTH / 2
    contract = api("c", 1.0, commitment={"min_tokens_per_month": 400 * M, "term_months": 2, "signed": True})
    for waits, cost in ((None, 1000.0), (2 * half, 800.0)):
        load = by_period([100 * M, 500 * M, 100 * M, 100 * M], **({"deferrable_h": waits} if waits else {}))
        plan = plan_of(problem(load, [contract, api("d", 3.0)], periods=4, period_h=half), solver)
        assert plan.cost_usd == approx(cost), waits


@by_hand
def test_the_same_hardware_ahead_and_by_the_hour_with_a_start(solver: str) -> None:
    """1, 3, 1, 3, 1 M; ahead at 0.60 an hour, hourly at 1.00 and 0.40 a start.

    ahead  1: 3.0 and two peaks of 2 gpus, each 2 + 0.8, or kept through the dip 6 + 0.8: 3.0 + 5.6 = 8.6
           2: 6.0 + 2 · 1.4 = 8.8;   3: 9.0;   0: one hourly throughout 5 + 0.4, and 5.6: 11.0
    """
    offers = [gpu("ahead", 0.6, 1, resize="horizon"), gpu("hourly", 1, 1, start_usd=0.4)]
    plan = plan_of(problem(by_period([M, 3 * M, M, 3 * M, M]), offers, periods=5), solver)
    assert plan.cost_usd == approx(8.6)
    assert counts(plan) == {"ahead": [1.0] * 5, "hourly": [0.0, 2.0, 0.0, 2.0, 0.0]}
    assert usd(plan, "hourly", "starts") == approx(1.6)


@by_hand
def test_least_time_up_and_a_start_share_one_run(solver: str) -> None:
    """2, 1, 2 M in three hours; two hours at least, 0.50 a start, or an API at 1.80 a M.

    gpus 2, 2, 2: 6 + 1.0. gpus 2, 1, 2 would stop one after an hour. gpus 1, 1, 1 and the API for 1 M twice:
    3 + 0.5 + 3.6 = 7.1. gpus 1, 1, 2 and the API for 1 M: 4 + 1.0 + 1.8 = 6.8, for the second hour of the gpu that
    starts last lies past the horizon.
    """
    offers = [gpu("g", 1, 1, min_up_h=2, start_usd=0.5), api("a", 1.8)]
    plan = plan_of(problem(by_period([2 * M, M, 2 * M]), offers, periods=3), solver)
    assert plan.cost_usd == approx(6.8)
    assert counts(plan)["g"] == [1.0, 1.0, 2.0]


@by_hand
def test_a_window_in_another_time_zone(solver: str) -> None:
    """24 M a day, 22:00–02:00 in New York, which is 03:00–07:00 UTC in winter; the horizon starts 00:00 in New York.

    Hours 0–2 are half of last night's window (12 M), 22–24 half of this night's: all 6 gpus in each of four hours.
    """
    horizon = {"timezone": "America/New_York", "start": "2026-12-01T05:00:00+00:00"}
    work = hourly(M, window={"start": "22:00", "end": "02:00"})
    plan = plan_of(problem(work, gpu("g", 1, 1, max=6), periods=24, horizon=horizon), solver)
    assert plan.cost_usd == approx(24.0)
    assert np.flatnonzero(counts(plan)["g"]).tolist() == [0, 1, 22, 23]


@by_hand
def test_spot_serves_less_than_is_paid_for(solver: str) -> None:
    """3 M an hour; spot at 0.30 is there half of the time: 6 for 1.80; at most 4: 1.20, and 1.00 for one on demand."""
    offers = [gpu("spot", 0.3, 1, availability=0.5, max=4), gpu("g", 1, 1)]
    plan = plan_of(problem(hourly(3 * M), offers), solver)
    assert plan.cost_usd == approx(2.2)
    assert counts(plan) == {"spot": [4.0], "g": [1.0]}


@by_hand
def test_a_power_limit_that_the_peak_meets_and_energy_that_moves_work(solver: str) -> None:
    """3 M then 1 M, all of which may wait an hour; gpus of 2 kW at 1.00, 0.50 a kWh: 2.00 a gpu-hour.

    Four gpu-hours cost 8.00 in any split; a limit of 4 kW lets two run at once: 2 and 2. Without waiting it is
    infeasible but for the API at 10.00 a M: one M of it, 3 gpu-hours: 16.00.
    """
    offers = [gpu("g", 1, 1, power_kw=2), api("a", 10)]
    policy = {"energy_usd_per_kwh": 0.5, "max_power_kw": 4}
    for waits, cost in ((2, 8.0), (None, 16.0)):
        load = by_period([3 * M, M], **({"deferrable_h": waits} if waits else {}))
        plan = plan_of(problem(load, offers, periods=2, policy=policy), solver)
        assert plan.cost_usd == approx(cost), waits
        assert counts(plan)["g"] == ([2.0, 2.0] if waits else [2.0, 1.0])


def test_a_plan_that_says_what_insurance_costs_is_read_again(tmp_path: Path) -> None:
    """Through the command: written with its section, and verified."""
    offers = [gpu(name, 1, 1, offer={"provider": name}) for name in ("a", "b")]
    file, plan = tmp_path / "p.json", tmp_path / "plan.json"
    file.write_text(json.dumps(problem(hourly(M), offers, policy={"survive_loss_of": "provider"})))
    assert cli.run(["solve", str(file), "-o", str(plan)]) == 0
    assert json.loads(plan.read_text())["insurance"]["usd"] == approx(1.0)
    assert cli.run(["verify", str(file), str(plan)]) == 0


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("usd", -5.0, "insurance.usd"),
        ("without_usd", 1_000_000.0, "insurance.without_usd"),
        ("without_usd", 0.5, "insurance.usd"),
        ("without_usd", -1.0, "insurance.without_usd"),
        ("survive_loss_of", "offer", "insurance.survive_loss_of"),
    ],
)
def test_what_insurance_costs_is_looked_at(tmp_path, capsys, field: str, value: object, named: str) -> None:
    """1.00 of two offers at 1.00 an hour each: any figure of the section changed alone is found out."""
    offers = [gpu(name, 1, 1, offer={"provider": name}) for name in ("a", "b")]
    file, plan = tmp_path / "p.json", tmp_path / "plan.json"
    file.write_text(json.dumps(problem(hourly(M), offers, policy={"survive_loss_of": "provider"})))
    assert cli.run(["solve", str(file), "-o", str(plan)]) == 0
    document = json.loads(plan.read_text())
    document["insurance"][field] = value
    plan.write_text(json.dumps(document))
    capsys.readouterr()
    assert cli.run(["verify", str(file), str(plan)]) == 6
    assert named in capsys.readouterr().out
