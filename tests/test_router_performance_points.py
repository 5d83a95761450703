"""Which measured point decides a rate: size first, then the SLO, then the fastest. Each plan is worked out by hand."""

from __future__ import annotations

import pytest

from router.api import solve
from router.loading.catalogue import load_text
from router.plan.document import Plan

SOLVERS = ("highs", "pulp:COIN_CMD")

#: Two loads of one size: 2 requests/s with short latencies, 8 with long ones; and a larger size at 1 request/s.
SLOW = "{prompt_tokens: 1000, completion_tokens: 101, requests_per_s: 2, ttft_p99_ms: 200, tpot_p99_ms: 10}"
FAST = "{prompt_tokens: 1000, completion_tokens: 101, requests_per_s: 8, ttft_p99_ms: 900, tpot_p99_ms: 40}"
LARGE = "{prompt_tokens: 4000, completion_tokens: 101, requests_per_s: 1, ttft_p99_ms: 800, tpot_p99_ms: 10}"


def plan(
    *points: str,
    slo: str = "",
    size: tuple[int, int] = (1000, 101),
    requests_per_s: float = 16,
    entry: str = "",
    policy: str = "{}",
    solver: str = "highs",
) -> Plan:
    """One hour of the workload on GPUs at 3 USD an hour, or on an API at 1,000 USD per M tokens."""
    text = f"""
schema: router/1
horizon: {{periods: 1, period_h: 1}}
models: {{m: {{}}}}
policy: {policy}
workloads:
  - name: w
    models: [m]
    demand: {{requests_per_s: {requests_per_s}}}
    prompt_tokens: {size[0]}
    completion_tokens: {size[1]}
    slo: {{{slo}}}
offers:
  - name: gpu
    models: {{m: {{points: [{", ".join(points)}]{", " + entry if entry else ""}}}}}
    instances: {{usd_per_h: 3, max_utilisation: 1.0}}
  - name: api
    models:
      m:
        prompt_usd_per_m: 1000
        completion_usd_per_m: 1000
        ttft_p99_ms: 1
        tpot_p99_ms: 0.01
        ttft_mean_ms: 1
        tpot_mean_ms: 0.01
"""
    found = solve(load_text(text), solver=solver)
    assert found.ok
    return found


def gpus(found: Plan) -> float:
    return sum(row.count for row in found.instances)


def refused(found: Plan) -> list[str]:
    return [reason for row in found.refused if row.offer == "gpu" for reason in row.reasons]


# ---------------------------------------------------------------- the SLO


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_looser_slo_buys_throughput(solver: str) -> None:
    """16 requests/s: first token within 300 ms at 2 a GPU are 8 GPUs, 24 USD; within 1,000 ms at 8 a GPU 2, 6 USD."""
    tight = plan(SLOW, FAST, slo="ttft_p99_ms: 300", solver=solver)
    loose = plan(SLOW, FAST, slo="ttft_p99_ms: 1000", solver=solver)
    assert (gpus(tight), tight.cost_usd) == (8, pytest.approx(24))
    assert (gpus(loose), loose.cost_usd) == (2, pytest.approx(6))


def test_without_an_slo_the_fastest_counts_whatever_the_order() -> None:
    assert gpus(plan(SLOW, FAST)) == gpus(plan(FAST, SLOW)) == 2


def test_a_limit_is_inclusive() -> None:
    assert gpus(plan(SLOW, FAST, slo="ttft_p99_ms: 900")) == 2
    assert gpus(plan(SLOW, FAST, slo="ttft_p99_ms: 899.9")) == 8


def test_the_request_time_adds_the_parts() -> None:
    """900 + 100 · 40 = 4,900 ms for the fast point, 200 + 100 · 10 = 1,200 ms for the slow one."""
    assert gpus(plan(SLOW, FAST, slo="request_p99_ms: 4900")) == 2
    assert gpus(plan(SLOW, FAST, slo="request_p99_ms: 4899")) == 8
    assert gpus(plan(SLOW, FAST, slo="request_p99_ms: 1200")) == 8
    assert refused(plan(SLOW, FAST, slo="request_p99_ms: 1199", requests_per_s=0.01)) == ["latency"]


def test_every_part_of_the_slo_must_hold_at_one_point() -> None:
    """One point has the first token in time, the other the tokens after it: together they are no point."""
    first = (
        "{prompt_tokens: 1000, completion_tokens: 101, requests_per_s: 5, ttft_p99_ms: 100, tpot_p99_ms: 90}"
    )
    later = (
        "{prompt_tokens: 1000, completion_tokens: 101, requests_per_s: 6, ttft_p99_ms: 900, tpot_p99_ms: 10}"
    )
    found = plan(first, later, slo="ttft_p99_ms: 200, tpot_p99_ms: 20", requests_per_s=0.01)
    assert refused(found) == ["latency"]
    assert gpus(plan(first, later, SLOW, slo="ttft_p99_ms: 200, tpot_p99_ms: 20")) == 8


# ---------------------------------------------------------------- the size


def test_between_sizes_the_next_larger_counts() -> None:
    """1,500 tokens lie between 1,000 (at 8 requests/s) and 4,000 (at 1): 16 GPUs, not 2 and not something between."""
    assert gpus(plan(FAST, LARGE, size=(1500, 101))) == 16
    assert gpus(plan(FAST, LARGE, size=(1000, 101))) == 2  # exact
    assert gpus(plan(FAST, LARGE, size=(1001, 101))) == 16
    assert gpus(plan(FAST, LARGE, size=(400, 10))) == 2  # below all: the smallest


def test_larger_must_be_larger_in_both_directions() -> None:
    """100 + 400 tokens: 4,000 + 101 is the larger request, but completes fewer tokens than asked."""
    wide = "{prompt_tokens: 200, completion_tokens: 500, requests_per_s: 4}"
    assert gpus(plan(LARGE, wide, size=(100, 400))) == 4
    assert gpus(plan(LARGE, wide, size=(201, 101))) == 16
    assert refused(plan(LARGE, wide, size=(201, 102), requests_per_s=0.01)) == ["unmeasured"]


def test_larger_than_all_is_unmeasured() -> None:
    found = plan(SLOW, FAST, size=(1001, 101), requests_per_s=0.01)
    assert refused(found) == ["unmeasured"]
    assert gpus(found) == 0


def test_a_size_that_misses_the_slo_is_not_replaced_by_a_larger_one() -> None:
    """The next larger size decides, met or not: that a still larger one was measured at a lighter load says nothing."""
    light = (
        "{prompt_tokens: 8000, completion_tokens: 101, requests_per_s: 0.5, ttft_p99_ms: 100, tpot_p99_ms: 5}"
    )
    found = plan(LARGE, light, size=(2000, 101), slo="ttft_p99_ms: 300", requests_per_s=0.01)
    assert refused(found) == ["latency"]


# ---------------------------------------------------------------- what was not measured


def test_a_latency_that_a_point_lacks_is_that_of_its_entry() -> None:
    """The faster point has no time to first token of its own; the entry's 900 ms count for it, not for the other."""
    fast = "{prompt_tokens: 1000, completion_tokens: 101, requests_per_s: 8, tpot_p99_ms: 10}"
    assert gpus(plan(SLOW, fast, entry="ttft_p99_ms: 900", slo="ttft_p99_ms: 300")) == 8
    assert gpus(plan(SLOW, fast, entry="ttft_p99_ms: 250", slo="ttft_p99_ms: 300")) == 2
    assert gpus(plan(SLOW, fast, slo="ttft_p99_ms: 300")) == 8  # nobody knows it


def test_a_lower_percentile_is_met_by_a_known_higher_one() -> None:
    assert gpus(plan(SLOW, FAST, slo="ttft_p50_ms: 300")) == 8
    assert gpus(plan(SLOW, FAST, slo="ttft_p95_ms: 900")) == 2
    median = "{prompt_tokens: 1000, completion_tokens: 101, requests_per_s: 8, ttft_p50_ms: 10}"
    assert gpus(plan(SLOW, median, slo="ttft_p90_ms: 300")) == 8


MEANS = (
    "{prompt_tokens: 1000, completion_tokens: 101, requests_per_s: 8, ttft_mean_ms: 100, tpot_mean_ms: 10}"
)


def test_a_measured_mean_meets_a_mean_and_no_percentile() -> None:
    assert gpus(plan(MEANS, slo="ttft_mean_ms: 100, tpot_mean_ms: 10")) == 2
    for limit in ("ttft_p50_ms: 1000", "ttft_p99_ms: 1000", "tpot_p90_ms: 1000", "request_p99_ms: 100000"):
        assert refused(plan(MEANS, slo=limit, requests_per_s=0.01)) == ["latency"], limit
    assert refused(plan(FAST, slo="ttft_mean_ms: 5000", requests_per_s=0.01)) == [
        "latency"
    ]  # nor the other way


def test_the_factor_from_mean_to_p99_must_be_stated_and_is_printed() -> None:
    """100 ms · 3 = 300 ms at P99, and so at any lower percentile; 100 + 100 · 10 = 1,100 ms · 3 for a request."""
    assumed = "{p99_over_mean: 3}"
    found = plan(MEANS, slo="ttft_p99_ms: 300, tpot_p50_ms: 30, request_p99_ms: 3300", policy=assumed)
    assert gpus(found) == 2
    assert any("P99 = 3 × mean" in note and "assumed" in note for note in found.notes)
    for limit in ("ttft_p99_ms: 299", "tpot_p50_ms: 29", "request_p99_ms: 3299"):
        assert refused(plan(MEANS, slo=limit, policy=assumed, requests_per_s=0.01)) == ["latency"], limit


def test_a_measured_p99_is_not_overridden_by_the_factor() -> None:
    both = MEANS.replace("}", ", ttft_p99_ms: 400}")
    assert refused(plan(both, slo="ttft_p99_ms: 300", policy="{p99_over_mean: 3}", requests_per_s=0.01)) == [
        "latency"
    ]
    assert not any("P99 =" in note for note in plan(both).notes)


def test_requests_without_further_tokens_need_no_time_per_token() -> None:
    point = "{prompt_tokens: 1000, completion_tokens: 1, requests_per_s: 8, ttft_p99_ms: 100}"
    slo = "ttft_p99_ms: 100, tpot_p99_ms: 1, request_p99_ms: 100"
    assert gpus(plan(point, size=(1000, 1), slo=slo)) == 2


def test_a_demand_in_tokens_has_no_size_to_look_up() -> None:
    text = """
schema: router/1
horizon: {periods: 1, period_h: 1}
models: {m: {}}
workloads:
  - {name: w, models: [m], demand: {tokens_per_hour: 1e6, completion_share: 0.1}}
offers:
  - {name: gpu, models: {m: {points: [POINT]}}, instances: {usd_per_h: 3}}
  - {name: api, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}
"""
    found = solve(load_text(text.replace("POINT", SLOW)))
    assert refused(found) == ["unmeasured"]
