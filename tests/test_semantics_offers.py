"""Every rule that DESIGN.md states on offers and who may serve what; each docstring names its rule."""

from __future__ import annotations

import pytest
from problem_factory import Data, api, counts, gpu, hourly, load, plan_of, problem, shares, sized, usd
from pytest import approx

from router.errors import Infeasible, InputError

M = 1e6


def reasons(data: Data, offer: str) -> tuple[str, ...]:
    """Why the offer is refused; () where it is not."""
    plan = plan_of(data)
    return next((row.reasons for row in plan.refused if row.offer == offer), ())


def refusal(work: Data, offer: Data, model: Data | None = None) -> tuple[str, ...]:
    """Why this workload is refused by this offer, another one being there to take it."""
    anyone = api("anyone", 99, limits={"regions": ["eu"]})
    anyone["models"]["m"] |= {"ttft_p99_ms": 1, "tpot_p99_ms": 1, "ttft_mean_ms": 1, "tpot_mean_ms": 1}
    facts = {"open_weights": True, "quality": 1.0} | (model or {})
    try:
        return reasons(problem(work, [anyone, offer], models={"m": facts}), offer["name"])
    except Infeasible:  # what the model is refuses everybody
        work = {**work, "unserved_usd_per_m_tokens": 1}
        return reasons(problem(work, [anyone, offer], models={"m": facts}), offer["name"])


def test_an_offer_with_instances_serves_only_through_them_and_bills_both() -> None:
    """`instances`: serves only through instances it counts; needs no token price, and with one it bills both."""
    both = gpu("both", 1, 1)
    both["models"]["m"] |= {"prompt_usd_per_m": 0.5, "completion_usd_per_m": 0.5}
    plan = plan_of(problem(hourly(M), both))
    assert (usd(plan, kind="instances"), usd(plan, kind="tokens")) == approx((1.0, 0.5))
    assert plan_of(problem(hourly(M), gpu("free", 1, 1))).cost_usd == approx(1.0)


def test_an_offer_without_instances_needs_a_price_or_tiers() -> None:
    """An offer without instances needs a price or tiers, else it is refused with `no_price`."""
    assert refusal(hourly(M), {"name": "o", "models": {"m": {}}}) == ("no_price",)
    tiers = [{"from_tokens_per_month": 0, "usd_per_m": 1}]
    assert refusal(hourly(M), {"name": "o", "models": {"m": {}}, "commitment": {"tiers": tiers}}) == ()


def test_a_price_of_one_kind_serves_work_of_that_kind() -> None:
    """A price may be absent where no such tokens are asked for; else `no_price`."""
    offer = {"name": "o", "models": {"m": {"prompt_usd_per_m": 1}}}
    assert refusal(hourly(M), offer) == ()
    assert refusal(hourly(M, completion_tokens=1), offer) == ("no_price",)


def test_a_composition_of_everything() -> None:
    """Token prices, a fee, a commitment, a quota and instances are each optional and combine freely.

    One hour: 1 M tokens at 1.00 under a contract of 1,460 a month, 2.00 the hour; a fee of 730, 1.00; a gpu, 3.00.
    """
    offer = gpu("all", 3, 1, offer={"fee_usd_per_month": 730, "commitment": {"min_usd_per_month": 1460}})
    offer["models"]["m"] |= {"prompt_usd_per_m": 1, "completion_usd_per_m": 1}
    offer["quota"] = {"tokens_per_minute": 1e6 / 60}
    plan = plan_of(problem(hourly(M), offer))
    lines = {line.kind: line.usd for line in plan.cost_lines if line.usd}
    assert lines == approx({"commitment": 2.0, "fee": 1.0, "instances": 3.0})


@pytest.mark.parametrize(
    ("fields", "model", "expected"),
    [
        ({"limits": {"max_parameters_b": 10}}, {"parameters_b": 70}, ("model_too_large",)),
        ({"limits": {"max_parameters_b": 70}}, {"parameters_b": 70}, ()),
        ({"limits": {"max_parameters_b": 10}}, {}, ()),
        ({"limits": {"context_tokens": 999}}, {}, ("context",)),
        ({"limits": {"context_tokens": 1000}}, {}, ()),
        ({}, {"context_tokens": 999}, ("context",)),
        ({"limits": {"max_prompt_tokens": 999}}, {}, ("context",)),
        ({"limits": {"max_prompt_tokens": 1000, "max_completion_tokens": 1}}, {}, ()),
        ({}, {}, ()),
    ],
)
def test_unknown_facts_do_not_refuse(fields: Data, model: Data, expected: tuple[str, ...]) -> None:
    """Unknown facts: an absent model attribute or limit does not refuse; the request of 1,000 tokens must fit both."""
    assert refusal(hourly(M), api("o", 1) | fields, model) == expected


@pytest.mark.parametrize(("needed", "expected"), [(500, ()), (5000, ("context",))])
def test_context_is_the_larger_of_need_and_size(needed: float, expected: tuple[str, ...]) -> None:
    """Context: the larger of `needs.context_tokens` and prompt + completion must fit model and offer."""
    work = hourly(M, needs={"context_tokens": needed})
    assert refusal(work, api("o", 1, limits={"context_tokens": 4096})) == expected


@pytest.mark.parametrize(
    ("needs", "limits", "model", "expected"),
    [
        ({"regions": ["eu"]}, {}, {}, ("region",)),
        ({"regions": ["eu", "us"]}, {"regions": ["us"]}, {}, ()),
        ({"min_quality": 0.5}, {}, {"quality": None}, ("quality",)),
        ({"min_quality": 0.5}, {}, {"quality": 0.5}, ()),
        ({"open_weights": True}, {}, {"open_weights": None}, ("open_weights",)),
        ({"streaming": True}, {}, {}, ()),
        ({"streaming": True}, {"streaming": False}, {}, ("streaming",)),
        ({"custom_weights": True}, {"custom_weights": False}, {}, ("custom_weights",)),
        ({"custom_weights": True}, {}, {}, ()),
    ],
)
def test_a_need_that_nobody_states_refuses(
    needs: Data, limits: Data, model: Data, expected: tuple[str, ...]
) -> None:
    """A need (region, quality, open weights) that neither offer nor model states refuses."""
    assert refusal(hourly(M, needs=needs), api("o", 1, limits=limits), model) == expected


def test_every_reason_is_listed() -> None:
    """Each refusal with all its reasons, in order; the offer's own even where it does not have the model."""
    work = hourly(M, needs={"regions": ["eu"]}, routing={"deny_offers": ["o"]})
    offer = api("o", 1, models=("n",), limits={"max_parameters_b": 10})
    expected = ("model_not_offered", "model_too_large", "region", "denied")
    assert refusal(work, offer, {"parameters_b": 70}) == expected


def test_memory_of_an_instance() -> None:
    """`memory_gb`: the model must fit in an instance."""
    assert refusal(hourly(M), gpu("o", 1, 1, memory_gb=80), {"memory_gb": 140}) == ("memory",)
    assert refusal(hourly(M), gpu("o", 1, 1, memory_gb=140), {"memory_gb": 140}) == ()


# --- latency


@pytest.mark.parametrize(
    ("slo", "entry", "ok"),
    [
        ({"ttft_p99_ms": 500}, {"ttft_p99_ms": 500}, True),  # inclusive
        ({"ttft_p99_ms": 500}, {"ttft_p99_ms": 501}, False),
        ({"ttft_p50_ms": 500}, {"ttft_p99_ms": 400}, True),  # a higher percentile will do
        ({"ttft_p99_ms": 500}, {"ttft_p50_ms": 1}, False),  # a lower one will not
        ({"ttft_p90_ms": 500}, {"ttft_p95_ms": 600, "ttft_p99_ms": 700}, False),
        ({"ttft_p50_ms": 500}, {"ttft_mean_ms": 1}, False),  # a mean meets no percentile
        ({"ttft_mean_ms": 500}, {"ttft_p99_ms": 1}, False),  # nor the other way round
        ({"ttft_mean_ms": 500}, {"ttft_mean_ms": 500}, True),
        ({"request_p99_ms": 600}, {"ttft_p99_ms": 500, "tpot_p99_ms": 1}, True),  # 500 + 100 · 1
        ({"request_p99_ms": 599}, {"ttft_p99_ms": 500, "tpot_p99_ms": 1}, False),
        ({"request_p99_ms": 600}, {"ttft_p99_ms": 500}, False),
    ],
)
def test_latency_without_flattery(slo: Data, entry: Data, ok: bool) -> None:
    """Latency limits are inclusive; request time = ttft + (completion_tokens − 1) · tpot; no flattering fallback."""
    offer = api("o", 1)
    offer["models"]["m"] |= entry
    work = hourly(M, slo=slo, completion_tokens=101)
    assert refusal(work, offer) == (() if ok else ("latency",))


def test_a_request_of_one_token_needs_no_tpot() -> None:
    """A request of one token needs no tpot."""
    offer = api("o", 1)
    offer["models"]["m"]["ttft_p99_ms"] = 100
    slo = {"request_p99_ms": 100, "tpot_p99_ms": 1}
    assert refusal(hourly(M, slo=slo, completion_tokens=1), offer) == ()
    assert refusal(hourly(M, slo=slo, completion_tokens=2), offer) == ("latency",)


def test_a_mean_meets_a_percentile_by_the_factor_assumed() -> None:
    """A measured mean meets no percentile unless `policy.p99_over_mean` states the factor, which is printed."""
    offer = api("o", 1)
    offer["models"]["m"]["ttft_mean_ms"] = 100
    for factor, served in ((3, True), (6, False)):
        work = hourly(M, slo={"ttft_p90_ms": 500}, unserved_usd_per_m_tokens=9)
        plan = plan_of(problem(work, offer, policy={"p99_over_mean": factor}))
        assert bool(plan.routes) is served
        assert any("p99_over_mean" in note for note in plan.notes)


# --- throughput


def measured(*points: tuple[float, float, float, float]) -> Data:
    """An instance at 1.00 an hour with points of (prompt, completion, requests an hour, ttft)."""
    made = [
        {"prompt_tokens": p, "completion_tokens": c, "requests_per_s": r / 3600, "ttft_p99_ms": ms}
        for p, c, r, ms in points
    ]
    instances = {"usd_per_h": 1, "max_utilisation": 1}
    return {"name": "o", "models": {"m": {"points": made}}, "instances": instances}


def test_the_fastest_point_that_meets_the_slo_counts() -> None:
    """points: among those of the workload's size that meet its SLO, the fastest counts: looser SLOs buy throughput."""
    offer = measured((1000, 0, 500, 100), (1000, 0, 1000, 300))
    loose = hourly(M, slo={"ttft_p99_ms": 300})
    assert plan_of(problem(loose, offer)).cost_usd == approx(1.0)
    assert plan_of(problem({**loose, "slo": {"ttft_p99_ms": 200}}, offer)).cost_usd == approx(2.0)
    assert refusal({**loose, "slo": {"ttft_p99_ms": 50}}, offer) == ("latency",)


def test_the_next_larger_size_counts_else_it_is_unmeasured() -> None:
    """points: exact size, else the next larger in both directions, else refused as `unmeasured`."""
    assert plan_of(problem(hourly(M), measured((900, 0, 9999, 1), (1200, 10, 500, 1)))).cost_usd == approx(
        2.0
    )
    assert refusal(hourly(M), measured((900, 0, 9999, 1))) == ("unmeasured",)


def test_a_latency_that_a_point_lacks_is_taken_from_its_entry() -> None:
    """A latency that a point lacks is taken from its model entry."""
    offer = measured((1000, 100, 1000, 100))
    work = hourly(M / 10 * 11, slo={"tpot_p99_ms": 20}, completion_tokens=100)
    assert refusal(work, offer) == ("latency",)
    offer["models"]["m"]["tpot_p99_ms"] = 20
    assert refusal(work, offer) == ()


@pytest.mark.parametrize(
    "fields",
    [
        measured((1000, 0, 1000, 1)),
        {**gpu("o", 1, 1), "models": {"m": {"requests_per_s": 1}}},
        api("o", 1, quota={"requests_per_minute": 1e9}),
    ],
    ids=["points", "requests_per_s", "requests_per_minute"],
)
def test_work_of_unknown_size_is_unmeasured_where_a_size_is_needed(fields: Data) -> None:
    """`tokens_*` with `completion_share` states no size: routes that need one are refused as `unmeasured`."""
    work = {"name": "w", "models": ["m"], "demand": {"tokens_per_hour": M, "completion_share": 0.2}}
    assert refusal(work, fields) == ("unmeasured",)
    assert refusal(work, gpu("o", 1, 1)) == ()


def test_a_request_slo_needs_a_request_size() -> None:
    """… and `slo.request_*` is an input error."""
    work = {"name": "w", "models": ["m"], "demand": {"tokens_per_hour": M, "completion_share": 0.2}}
    with pytest.raises(InputError, match="request_p99_ms"):
        load(problem(work | {"slo": {"request_p99_ms": 100}}, api("o", 1)))


def test_cached_tokens_load_an_instance_as_prompt_tokens_do() -> None:
    """Cached prompt tokens load an instance as prompt tokens do, unless burndown says otherwise."""
    work = hourly(2 * M, cached_prompt_share=0.5)
    assert plan_of(problem(work, gpu("o", 1, 1))).cost_usd == approx(2.0)
    units = {"units_per_s": 1e6 / 3600, "cached_prompt_burndown": 0}
    assert plan_of(
        problem(work, {"name": "o", "models": {"m": units}, "instances": {"usd_per_h": 1}})
    ).cost_usd == approx(1.0)
    priced = {"prompt_usd_per_m": 2, "cached_prompt_usd_per_m": 0.5}
    assert plan_of(problem(work, {"name": "o", "models": {"m": priced}})).cost_usd == approx(2.5)


def test_a_throughput_without_instances_limits_nothing() -> None:
    """A throughput without `instances` limits nothing."""
    offer = api("o", 1)
    offer["models"]["m"]["tokens_per_s"] = 1
    assert plan_of(problem(hourly(M), offer)).cost_usd == approx(1.0)


def test_a_load_on_a_unit_boundary_does_not_round_up() -> None:
    """A load exactly on a unit boundary must not round up (relative 1e-6)."""
    for share, needed in ((3 + 2e-6, 3.0), (3 + 1e-4, 4.0)):
        assert plan_of(problem(hourly(share * M), gpu("g", 1, 1))).cost_usd == approx(needed)
    # three thirds of 0.1 M each, as binary fractions, are a hair more than 0.3 M
    thirds = [hourly(0.1 * M, f"w{i}") for i in range(3)]
    assert plan_of(problem(thirds, gpu("g", 1, 0.3, shared_by_models=True))).cost_usd == approx(1.0)


# --- instances


@pytest.mark.parametrize(("minimum", "step", "tokens", "count"), [(5, 3, 6, 8), (2, 2, 1, 2), (0, 4, 1, 4)])
def test_the_minimum_need_not_be_a_multiple_of_the_step(
    minimum: int, step: int, tokens: float, count: float
) -> None:
    """Units: count ∈ {0} ∪ {min, min + step, …}."""
    plan = plan_of(problem(hourly(tokens * M), gpu("g", 1, 1, min=minimum, step=step)))
    assert counts(plan) == {"g": [count]}


def test_real_counts_keep_the_minimum_and_ignore_the_step() -> None:
    """`integral: false`: any real count; step is ignored; 0 or at least min."""
    plan = plan_of(problem(hourly(2.5 * M), gpu("g", 1, 1, integral=False, min=1, step=2)))
    assert plan.cost_usd == approx(2.5)
    offers = [gpu("g", 1, 1, integral=False, min=1), api("api", 1.5)]
    assert plan_of(problem(hourly(0.5 * M), offers)).cost_usd == approx(0.75)


def test_the_maximum_is_over_all_models() -> None:
    """`max`: most instances, over all models of the offer: 1 M each of two models, one gpu in all, the rest 3.00."""
    works = [hourly(M, "a"), hourly(M, "b", models=["n"])]
    offers = [gpu("g", 1, 1, models=("m", "n"), max=1), api("api", 3, models=("m", "n"))]
    assert plan_of(problem(works, offers)).cost_usd == approx(4.0)


def test_reserved_counts_towards_minimum_step_and_maximum_and_starts_nothing() -> None:
    """`reserved` counts towards `min`, `step` and `max`, and starts nothing.

    Two reserved at 1.00 make up the minimum of 2; 3 M need a third (step 1), at 1.00 and one start at 5.00.
    """
    offer = gpu("g", 1, 1, reserved=2, min=2, max=3, start_usd=5)
    assert plan_of(problem(hourly(2 * M), offer)).cost_usd == approx(2.0)
    plan = plan_of(problem(hourly(3 * M), offer))
    assert (usd(plan, kind="instances"), usd(plan, kind="starts")) == approx((3.0, 5.0))
    with pytest.raises(Infeasible):
        plan_of(problem(hourly(4 * M), offer))


def test_a_fee_is_for_offers_that_are_used() -> None:
    """A fee is due if the offer is used in any month; one unused costs nothing."""
    plan = plan_of(problem(hourly(M), [api("a", 1), api("b", 0.9, fee_usd_per_month=730)]))
    assert plan.cost_usd == approx(1.0)
    assert shares(plan) == approx({"a": 1.0})


def test_allow_and_deny() -> None:
    """`allow_offers`, `deny_offers`: refused as `denied`."""
    offers = [api("a", 1), api("b", 2), api("c", 3)]
    work = sized("w", {"tokens_per_hour": M}, routing={"allow_offers": ["b", "c"]})
    assert plan_of(problem(work, offers)).cost_usd == approx(2.0)
    work["routing"] = {"deny_offers": ["a", "b"]}
    plan = plan_of(problem(work, offers))
    assert plan.cost_usd == approx(3.0)
    assert {row.offer for row in plan.refused} == {"a", "b"}
