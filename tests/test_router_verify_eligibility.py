"""Admissibility as `router.verification` judges it: each code by hand, and what is unknown."""

from __future__ import annotations

import pytest

from router.loading.catalogue import load_text
from router.verification.base.case import CERTAIN, Case
from router.verification.base.eligibility import CODES, judge
from router.verification.base.latency import seconds
from router.verification.base.work import unit_of

TEXT = """
schema: router/1
models: {{m: {{{model}}}, n: {{}}}}
workloads:
  - name: w
    models: [m]
    demand: {{{demand}}}
    {workload}
offers:
  - name: o
    models: {{{serves}: {{{entry}}}}}
    {offer}
policy: {{{policy}}}
"""
SIZED = "{prompt_tokens: 100, completion_tokens: 10}"


def problem(
    model: str = "",
    workload: str = "",
    entry: str = "prompt_usd_per_m: 1, completion_usd_per_m: 1",
    offer: str = "",
    serves: str = "m",
    demand: str = "requests_total: 100",
    sized: bool = True,
    policy: str = "",
):
    size = "prompt_tokens: 100\n    completion_tokens: 10\n    " if sized else ""
    return load_text(
        TEXT.format(
            model=model,
            workload=size + workload,
            entry=entry,
            offer=offer,
            serves=serves,
            demand=demand,
            policy=policy,
        )
    )


def reasons(**parts: object) -> tuple[str, ...]:
    return judge(Case(problem(**parts), (CERTAIN,)))["w", "o", "m"]  # type: ignore[arg-type]


PRICED = "prompt_usd_per_m: 1, completion_usd_per_m: 1, "
BOX = "instances: {usd_per_h: 1, max_utilisation: 1}"
SLOW = "slo: {ttft_p90_ms: 100}"

REFUSED = [
    (("model_not_offered",), {"serves": "n"}),
    (("model_too_large",), {"model": "parameters_b: 70", "offer": "limits: {max_parameters_b: 69}"}),
    (
        ("memory",),
        {
            "model": "memory_gb: 81",
            "offer": "instances: {usd_per_h: 1, memory_gb: 80}",
            "entry": "tokens_per_s: 1",
        },
    ),
    (("context",), {"model": "context_tokens: 109"}),
    (("context",), {"offer": "limits: {context_tokens: 4096}", "workload": "needs: {context_tokens: 4097}"}),
    (("context",), {"offer": "limits: {max_prompt_tokens: 99}"}),
    (("context",), {"offer": "limits: {max_completion_tokens: 9}"}),
    (("streaming",), {"offer": "limits: {streaming: false}", "workload": "needs: {streaming: true}"}),
    (
        ("custom_weights",),
        {"offer": "limits: {custom_weights: false}", "workload": "needs: {custom_weights: true}"},
    ),
    (("open_weights",), {"workload": "needs: {open_weights: true}"}),
    (("open_weights",), {"model": "open_weights: false", "workload": "needs: {open_weights: true}"}),
    (("region",), {"workload": "needs: {regions: [eu]}"}),
    (("region",), {"workload": "needs: {regions: [eu]}", "offer": "limits: {regions: [us]}"}),
    (("quality",), {"workload": "needs: {min_quality: 0.6}"}),
    (("quality",), {"workload": "needs: {min_quality: 0.6}", "model": "quality: 0.59"}),
    (("latency",), {"workload": SLOW}),
    (("latency",), {"workload": SLOW, "entry": PRICED + "ttft_p90_ms: 100.1"}),
    (("latency",), {"workload": SLOW, "entry": PRICED + "ttft_p50_ms: 1"}),
    (("latency",), {"workload": SLOW, "entry": PRICED + "ttft_mean_ms: 1"}),
    (("latency",), {"workload": "slo: {ttft_mean_ms: 100}", "entry": PRICED + "ttft_p99_ms: 1"}),
    (
        ("latency",),
        {"workload": "slo: {request_p99_ms: 188}", "entry": PRICED + "ttft_p99_ms: 10, tpot_p99_ms: 20"},
    ),
    (("latency",), {"workload": "slo: {tpot_p50_ms: 5}"}),
    (
        ("latency",),
        {
            "workload": "slo: {tpot_p50_ms: 5}",
            "demand": "tokens_total: 100, completion_share: 0.3",
            "sized": False,
        },
    ),
    (("unmeasured",), {"offer": BOX, "entry": ""}),
    (
        ("unmeasured",),
        {
            "offer": BOX,
            "entry": "requests_per_s: 1",
            "demand": "tokens_total: 100, completion_share: 0.5",
            "sized": False,
        },
    ),
    (
        ("unmeasured",),
        {
            "offer": "quota: {requests_per_minute: 1}",
            "demand": "tokens_total: 100, completion_share: 0.5",
            "sized": False,
        },
    ),
    (
        ("unmeasured",),
        {
            "offer": BOX,
            "entry": "points: [{prompt_tokens: 99, completion_tokens: 10, requests_per_s: 1}]",
        },
    ),
    (("no_price",), {"entry": ""}),
    (("no_price",), {"entry": "prompt_usd_per_m: 1"}),
    (("no_price",), {"entry": "completion_usd_per_m: 1, tokens_per_s: 1", "offer": BOX}),
    (("denied",), {"workload": "routing: {deny_offers: [o]}"}),
    (("latency",), {"offer": "turnaround_h: 24", "workload": "slo: {request_p99_ms: 86399999}"}),
    (("latency",), {"offer": "turnaround_h: 24", "workload": "slo: {ttft_mean_ms: 1000}"}),
    (("deadline",), {"offer": "turnaround_h: 24", "workload": "deferrable_h: 23.9"}),
    (
        ("model_not_offered", "model_too_large", "region", "denied"),
        {
            "serves": "n",
            "model": "parameters_b: 70",
            "offer": "limits: {max_parameters_b: 7}",
            "workload": "{needs: {regions: [eu]}, routing: {deny_offers: [o]}}",
        },
    ),
]


@pytest.mark.parametrize(("codes", "parts"), REFUSED)
def test_refused(codes: tuple[str, ...], parts: dict[str, str]):
    parts = dict(parts)
    several = parts.get("workload", "")
    if several.startswith("{"):
        parts["workload"] = several[1:-1].replace(", routing", "\n    routing")
    assert reasons(**parts) == codes


ADMITTED = [
    {},
    {
        "workload": "slo: {tpot_p50_ms: 5}",
        "demand": "tokens_total: 100, completion_share: 0",
        "sized": False,
    },
    {"model": "parameters_b: 70", "offer": "limits: {max_parameters_b: 70}"},
    {"offer": "limits: {max_parameters_b: 7}"},
    {"model": "context_tokens: 110", "offer": "limits: {context_tokens: 110}"},
    {"offer": "limits: {max_prompt_tokens: 100, max_completion_tokens: 10}"},
    {
        "offer": "limits: {max_prompt_tokens: 1, max_completion_tokens: 1}",
        "demand": "tokens_total: 100, completion_share: 0",
        "sized": False,
    },
    {"workload": "needs: {streaming: true, custom_weights: true}"},
    {"offer": "turnaround_h: 24", "workload": "slo: {request_p99_ms: 86400000, ttft_p50_ms: 86400000}"},
    {"offer": "turnaround_h: 24", "workload": "deferrable_h: 24"},
    {"offer": "turnaround_h: 24"},
    {"workload": "needs: {regions: [eu, us]}", "offer": "limits: {regions: [us, asia]}"},
    {"workload": SLOW, "entry": PRICED + "ttft_p90_ms: 100"},
    {"workload": SLOW, "entry": PRICED + "ttft_p99_ms: 100"},
    {"workload": "slo: {request_p99_ms: 190}", "entry": PRICED + "ttft_p99_ms: 10, tpot_p99_ms: 20"},
    {
        "workload": "slo: {ttft_p99_ms: 100}",
        "entry": PRICED + "ttft_mean_ms: 50",
        "policy": "p99_over_mean: 2",
    },
    {"offer": BOX, "entry": "tokens_per_s: 1"},
    {"offer": "commitment: {tiers: [{from_tokens_per_month: 0, usd_per_m: 1}]}", "entry": ""},
    {"entry": PRICED + "requests_per_s: 1", "demand": "tokens_total: 1, completion_share: 0", "sized": False},
    {"entry": "prompt_usd_per_m: 1", "demand": "tokens_total: 1, completion_share: 0", "sized": False},
    {"offer": BOX, "entry": "points: [{prompt_tokens: 100, completion_tokens: 20, requests_per_s: 1}]"},
]


@pytest.mark.parametrize("parts", ADMITTED)
def test_admitted(parts: dict[str, str]):
    assert reasons(**parts) == ()


def test_every_code_is_tried():
    assert {code for codes, _ in REFUSED for code in codes} == set(CODES)


POINTS = """points: [
      {prompt_tokens: 100, completion_tokens: 10, requests_per_s: 2, ttft_p90_ms: 50},
      {prompt_tokens: 100, completion_tokens: 10, requests_per_s: 5, ttft_p90_ms: 150},
      {prompt_tokens: 200, completion_tokens: 10, requests_per_s: 9, ttft_p90_ms: 50}]"""


@pytest.mark.parametrize(("limit", "rate"), [(100, 2), (150, 5)])
def test_the_fastest_point_of_the_size_that_meets_the_slo_counts(limit: int, rate: int):
    """Not the larger size's 9, though it meets the SLO as well."""
    given = problem(workload=f"slo: {{ttft_p90_ms: {limit}}}", entry=POINTS, offer=BOX)
    workload = given.workloads[0]
    entry = given.offers[0].models["m"]
    assert seconds(workload, unit_of(workload), entry, None, 0.0) == pytest.approx((1 / rate, 1 / rate))
    none = judge(Case(problem(workload="slo: {ttft_p90_ms: 49}", entry=POINTS, offer=BOX), (CERTAIN,)))
    assert none["w", "o", "m"] == ("latency",)


def test_between_sizes_the_one_next_larger_size_counts():
    """100 + 10 lies within 300 + 20 (320 tokens, 1/s) and 110 + 300 (410, 7/s): the first, though slower."""
    points = """points: [
      {prompt_tokens: 110, completion_tokens: 300, requests_per_s: 7},
      {prompt_tokens: 300, completion_tokens: 20, requests_per_s: 1},
      {prompt_tokens: 90, completion_tokens: 20, requests_per_s: 9}]"""
    given = problem(entry=points, offer=BOX)
    workload = given.workloads[0]
    assert seconds(workload, unit_of(workload), given.offers[0].models["m"], None, 0.0) == (1.0, 1.0)
