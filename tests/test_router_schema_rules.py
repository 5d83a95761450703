"""Every rule over several fields of the problem file, named in its test."""

from __future__ import annotations

import pytest
from schema_texts import DROP, broken, only_issue, problem

from router.schema.rules import RULES

W, O, G = "workloads.0", "offers.0", "offers.1"
CONTRACT = f"{O}.commitment"


def refused(changes: dict[str, object], path: str, *words: str) -> None:
    """Exactly one issue, at `path`, whose rule or hint has all `words`."""
    issue = only_issue(changes)
    assert issue.path == path
    text = f"{issue.rule} | {issue.hint}"
    assert all(word in text for word in words), text


def test_the_minimal_problem_is_right():
    """The base of all cases below breaks no rule."""
    assert problem().offers[0].provider == "api"


def test_every_rule_says_what_it_holds():
    """Each rule's docstring is the sentence that the docs print."""
    assert all(rule.__doc__ for rule in RULES)
    assert len(set(RULES)) == len(RULES)


# Names


def test_unique_names():
    """Names of workloads, offers, groups and scenarios are unique."""
    refused({f"{G}.name": "api"}, "offers[1].name", "unique", "offers[0]")
    w = problem().model_dump()["workloads"][0]
    refused({"workloads": [w, w]}, "workloads[1].name", "unique")
    group = {"name": "g", "offers": ["gpu"]}
    refused({"groups": [group, group]}, "groups[1].name", "unique")
    half = {"name": "s", "probability": 0.5}
    refused({"scenarios": [half, half]}, "scenarios[1].name", "unique")


def test_workload_models_known():
    """A workload's models are known and listed once."""
    refused({f"{W}.models": ["M"]}, "workloads[0].models[0]", "unknown model", '"m"')
    refused({f"{W}.models": ["m", "m"]}, "workloads[0].models[1]", "twice")


def test_offer_models_known():
    """An offer's models are known: {} is entry enough."""
    refused({f"{O}.models.llama": {"prompt_usd_per_m": 1}}, "offers[0].models.llama", "unknown model")


def test_routing_offers_known():
    """Offers allowed or denied are known, and none is both."""
    refused({f"{W}.routing.allow_offers": ["apj"]}, "workloads[0].routing.allow_offers[0]", '"api"')
    refused({f"{W}.routing.deny_offers": ["gpus"]}, "workloads[0].routing.deny_offers[0]", '"gpu"')
    both = {f"{W}.routing": {"allow_offers": ["api"], "deny_offers": ["api"]}}
    refused(both, "workloads[0].routing.deny_offers[0]", "allow_offers too")


# Demand


def test_demand_stated_once():
    """Exactly one way of stating demand."""
    refused({f"{W}.demand": {}}, "workloads[0].demand", "exactly one way")
    two = {f"{W}.demand": {"requests_per_day": 1, "tokens_total": 2}}
    refused(two, "workloads[0].demand", "requests_per_day, tokens_total")


@pytest.mark.parametrize("unit", ["s", "hour", "day", "month"])
@pytest.mark.parametrize("kind", ["requests", "tokens"])
def test_all_rates_of_demand_are_read(kind: str, unit: str):
    """requests_per_* and tokens_per_* in s, hour, day, month."""
    way = f"{kind}_per_{unit}"
    assert problem({f"{W}.demand": {way: "35e9"}}).workloads[0].demand.way == way


def test_requests_need_a_size():
    """Requests need prompt_tokens and completion_tokens, and take no completion_share."""
    refused({f"{W}.prompt_tokens": DROP}, "workloads[0]", "prompt_tokens")
    refused({f"{W}.demand.completion_share": 0.5}, "workloads[0].demand.completion_share", "tokens_*")


def test_tokens_need_a_size_or_a_completion_share():
    """Tokens need exactly one of completion_share, or prompt_tokens and completion_tokens."""
    tokens = {f"{W}.demand": {"tokens_per_day": "1B"}}
    assert problem(tokens).workloads[0].prompt_tokens == 300
    refused({**tokens, f"{W}.completion_tokens": DROP}, "workloads[0]", "completion_share instead")
    share = {f"{W}.demand": {"tokens_per_day": "1B", "completion_share": 0.1}}
    assert [issue.path for issue in broken(share)] == [
        "workloads[0].prompt_tokens",
        "workloads[0].completion_tokens",
    ]
    no_size = {f"{W}.prompt_tokens": DROP, f"{W}.completion_tokens": DROP}
    assert problem({**share, **no_size}).workloads[0].demand.completion_share == 0.1


def test_a_request_has_tokens():
    """Prompt and completion tokens are not both 0; either alone may be."""
    refused({f"{W}.prompt_tokens": 0, f"{W}.completion_tokens": 0}, "workloads[0].prompt_tokens")
    assert problem({f"{W}.completion_tokens": 0}).workloads[0].completion_tokens == 0


def test_traced_size_from_one_place():
    """Not from the workload and a named column; one not named is looked for in the file. model: with its column."""
    both = {f"{W}.demand": {"trace": {"file": "t.csv", "prompt_tokens_column": "p"}}}
    refused(both, "workloads[0].prompt_tokens", "column p")
    found_later = {f"{W}.demand": {"trace": {"file": "t.csv"}}, f"{W}.prompt_tokens": DROP}
    assert problem(found_later).workloads[0].prompt_tokens is None
    model = {f"{W}.demand": {"trace": {"file": "t.csv", "model": "m"}}}
    refused(model, "workloads[0].demand.trace", "model_column")


def test_request_slo_needs_size():
    """`slo.request_*` with `completion_share` is an input error."""
    changes = {
        f"{W}.demand": {"tokens_total": 10, "completion_share": 0.5},
        f"{W}.prompt_tokens": DROP,
        f"{W}.completion_tokens": DROP,
        f"{W}.slo": {"request_p99_ms": 2000, "ttft_p99_ms": 500},
    }
    refused(changes, "workloads[0].slo.request_p99_ms", "request size")


def test_demand_by_period_fits():
    """`requests_by_period` has one figure for each period."""
    changes = {f"{W}.demand": {"requests_by_period": [1, "2K", 3]}, "horizon": {"periods": 3, "period_h": 1}}
    assert problem(changes).workloads[0].demand.requests_by_period == (1, 2000, 3)
    refused({**changes, "horizon.periods": 4}, "workloads[0].demand.requests_by_period", "4 periods, not 3")


# Windows


def test_periods_longer_than_the_window_are_refused():
    """Periods longer than the window are an input error; over midnight the window is 8 h long."""
    night = {f"{W}.window": {"start": "22:00", "end": "06:00"}, "horizon": {"periods": 3, "period_h": 8}}
    assert problem(night).workloads[0].window.length_h == 8
    refused({**night, "horizon.period_h": 9}, "workloads[0].window", "8 h", "9 h")


def test_a_window_has_a_length():
    """A window whose start is its end is refused, 24:00 being 00:00; all day is 00:00 to 24:00 left out."""
    for start, end in (("06:00", "06:00"), ("00:00", "24:00")):
        changes = {f"{W}.window": {"start": start, "end": end}, "horizon": {"period_h": 1}}
        refused(changes, "workloads[0].window", "differ")


def test_window_or_deferrable():
    """`deferrable_h` does not go with a window."""
    changes = {
        f"{W}.window": {"start": "22:00", "end": "06:00"},
        f"{W}.deferrable_h": 8,
        "horizon": {"period_h": 1},
    }
    refused(changes, "workloads[0].deferrable_h", "window")


# Routing


def test_unsplittable_work_has_no_shares():
    """`splittable: false` goes with neither min_providers above 1 nor max_share_per_provider below 1."""
    whole = {f"{W}.routing.splittable": False}
    refused({**whole, f"{W}.routing.min_providers": 2}, "workloads[0].routing.min_providers")
    refused(
        {**whole, f"{W}.routing.max_share_per_provider": 0.5}, "workloads[0].routing.max_share_per_provider"
    )


def test_provider_shares_fit_together():
    """min_providers times min_share_per_provider is at most 1, and the least share is not above the most."""
    routing = f"{W}.routing"
    refused(
        {routing: {"min_providers": 3, "min_share_per_provider": 0.4}}, "workloads[0].routing.min_providers"
    )
    crossed = {routing: {"min_providers": 2, "min_share_per_provider": 0.5, "max_share_per_provider": 0.4}}
    refused(crossed, "workloads[0].routing.min_share_per_provider")


# Throughput


def test_throughput_stated_once():
    """One way of stating throughput: the pair of rates is one way."""
    at = f"{G}.models.m"
    refused({f"{at}.requests_per_s": 3}, "offers[1].models.m", "tokens_per_s; requests_per_s")
    refused(
        {at: {"prompt_tokens_per_s": 3}}, "offers[1].models.m.prompt_tokens_per_s", "completion_tokens_per_s"
    )
    point = {"prompt_tokens": 1, "completion_tokens": 1, "requests_per_s": 1}
    refused({f"{at}.points": [point]}, "offers[1].models.m", "one way")
    assert problem({at: {"prompt_tokens_per_s": 3, "completion_tokens_per_s": 1}})


def test_disaggregated_needs_both_rates():
    """`disaggregated: true` makes prompt and completion rate two limits: both must be there."""
    refused({f"{G}.models.m.disaggregated": True}, "offers[1].models.m.disaggregated", "two limits")


def test_points_unique():
    """No two points have the same size and rate; the same size at another rate is another point."""
    a = {"prompt_tokens": 512, "completion_tokens": 128, "requests_per_s": 4, "ttft_p99_ms": 90}
    b = {**a, "requests_per_s": 6, "ttft_p99_ms": 200}
    assert problem({f"{G}.models.m": {"points": [b, a]}})
    refused({f"{G}.models.m": {"points": [a, b, a]}}, "offers[1].models.m.points[2]", "points[0]")


def test_percentiles_ordered():
    """A higher percentile is not below a lower one; a mean may stand anywhere."""
    at = f"{O}.models.m"
    refused(
        {f"{at}.ttft_p50_ms": 80, f"{at}.ttft_p99_ms": 50},
        "offers[0].models.m.ttft_p99_ms",
        "ttft_p50_ms, 80",
    )
    assert problem({f"{at}.ttft_mean_ms": 80, f"{at}.ttft_p50_ms": 50, f"{at}.ttft_p99_ms": 50})


# Commitments


def test_commitment_in_one_unit():
    """A commitment is in tokens or in USD, `step_usd_per_month` included, and says something."""
    refused(
        {CONTRACT: {"min_tokens_per_month": 1, "min_usd_per_month": 1}}, "offers[0].commitment", "not both"
    )
    refused(
        {CONTRACT: {"min_tokens_per_month": 1, "step_usd_per_month": 1}}, "offers[0].commitment", "not both"
    )
    refused(
        {CONTRACT: {"min_usd_per_month": 1, "max_tokens_per_month": 1}}, "offers[0].commitment", "not both"
    )
    refused({CONTRACT: {}}, "offers[0].commitment", "minimum")
    assert problem({CONTRACT: {"min_usd_per_month": 0}})


def test_commitment_minimum_within_maximum():
    """The minimum is not above the maximum."""
    for unit in ("tokens", "usd"):
        changes = {CONTRACT: {f"min_{unit}_per_month": 2, f"max_{unit}_per_month": 1}}
        refused(changes, f"offers[0].commitment.min_{unit}_per_month", "max")


def test_step_can_be_bought():
    """A step needs a maximum, and a multiple of it between minimum and maximum."""
    base = {"min_usd_per_month": 1100, "step_usd_per_month": 1000}
    refused({CONTRACT: base}, "offers[0].commitment.step_usd_per_month", "max_usd_per_month")
    at = "offers[0].commitment.step_usd_per_month"
    refused({CONTRACT: {**base, "max_usd_per_month": 1900}}, at, "no multiple")
    assert problem({CONTRACT: {**base, "max_usd_per_month": 2000}})


def test_overage_defined():
    """`overage_usd_per_m` goes neither with `overage: none` nor with tiers; `none` needs a commitment."""
    field = "offers[0].commitment.overage_usd_per_m"
    base = {"min_tokens_per_month": 1, "overage_usd_per_m": 1}
    refused({CONTRACT: {**base, "overage": "none"}}, field, "none")
    tiers = [{"from_tokens_per_month": 0, "usd_per_m": 1}]
    unpriced = {f"{O}.models.m": {}}
    refused({CONTRACT: {**base, "tiers": tiers}, **unpriced}, field, "tiers")
    refused({CONTRACT: {"tiers": tiers, "overage": "none"}, **unpriced}, "offers[0].commitment.overage")


def test_token_minimum_needs_one_price():
    """A token minimum on prices that differ by kind or model has no shortfall price, unless tiers say it."""
    at, field = f"{O}.models.m.completion_usd_per_m", "offers[0].commitment.min_tokens_per_month"
    base = {CONTRACT: {"min_tokens_per_month": "10M"}}
    refused({**base, at: 2}, field, "1 and 2", "min_usd_per_month")
    refused({**base, f"{O}.models.m.cached_prompt_usd_per_m": 0.1}, field, "0.1 and 1")
    refused({**base, f"{O}.models.m.cache_write_usd_per_m": 2}, field, "1 and 2")
    refused(
        {**base, f"{O}.models.m.long_prompt": {"above_tokens": 9, "prompt_usd_per_m": 2}}, field, "1 and 2"
    )
    assert problem({**base, f"{O}.models.m.usd_per_request": 2})
    refused({**base, f"{O}.models.n": {"prompt_usd_per_m": 3}}, field, "1 and 3")
    refused({**base, f"{O}.models": {"m": {}}}, field, "none")
    assert problem({f"{CONTRACT}.min_tokens_per_month": 0, at: 2})
    assert problem({f"{CONTRACT}.min_usd_per_month": 10, at: 2})
    tiers = [{"from_tokens_per_month": 0, "usd_per_m": 1}]
    assert problem({CONTRACT: {"min_tokens_per_month": "10M", "tiers": tiers}, f"{O}.models.m": {}})


def test_tiers_stand_alone():
    """A price of tokens beside tiers was dropped without a word: it is refused, and the way out says which to drop."""
    terms = {CONTRACT: {"tiers": [{"from_tokens_per_month": 0, "usd_per_m": 1}]}}
    for kind in ("prompt", "completion", "cached_prompt", "cache_write"):
        changes = {**terms, f"{O}.models.m": {f"{kind}_usd_per_m": 2}}
        refused(changes, f"offers[0].models.m.{kind}_usd_per_m", "tiers", "drop it")
    refused(
        {**terms, f"{O}.models.m": {"long_prompt": {"above_tokens": 9}}},
        "offers[0].models.m.long_prompt",
        "tiers",
    )
    assert problem({**terms, f"{O}.models.m": {"usd_per_request": 2}})


def test_fees_a_request_have_a_bill():
    """Use above a commitment in USD that has a price of its own is told by tokens; and with tiers in USD, use that
    must keep within them is told by tokens too."""
    fee = {f"{O}.models.m.usd_per_request": 0.1}
    usd = {"min_usd_per_month": 10, "overage_usd_per_m": 1}
    refused({CONTRACT: usd, **fee}, "offers[0].commitment.overage_usd_per_m", "usd_per_request")
    tiers = {"min_usd_per_month": 10, "tiers": [{"from_tokens_per_month": 0, "usd_per_m": 1}]}
    alone = {f"{O}.models.m": {"usd_per_request": 0.1}}
    refused(
        {CONTRACT: {**tiers, "overage": "none"}, **alone}, "offers[0].commitment.overage", "usd_per_request"
    )
    assert problem({CONTRACT: tiers, **alone})
    assert problem({CONTRACT: {"min_tokens_per_month": 10, "overage_usd_per_m": 1}, **fee})


def test_what_is_read_and_what_is_written_are_parts_of_the_prompt():
    """0.7 + 0.4 of a prompt is more than it."""
    shares = {"workloads.0.cached_prompt_share": 0.7, "workloads.0.cache_write_share": 0.4}
    refused(shares, "workloads[0].cache_write_share", "cached_prompt_share", "0.7")
    assert problem({**shares, "workloads.0.cache_write_share": 0.3})


def test_overage_price_needs_one_price():
    """`overage_usd_per_m` with prices that differ is an input error, as is one above a price of 0."""
    field = "offers[0].commitment.overage_usd_per_m"
    usd = {CONTRACT: {"min_usd_per_month": 10, "overage_usd_per_m": 1}}
    refused({**usd, f"{O}.models.m.completion_usd_per_m": 2}, field, "1 and 2")
    free = {f"{O}.models.m": {"prompt_usd_per_m": 0, "completion_usd_per_m": 0}}
    refused({**usd, **free}, field, "above 0")


def test_tiers_in_order():
    """Tiers begin at 0 and increase."""

    def tiers(*starts: object) -> dict[str, object]:
        bands = [{"from_tokens_per_month": s, "usd_per_m": 1} for s in starts]
        return {CONTRACT: {"tiers": bands}, f"{O}.models.m": {}}

    refused(tiers(1, "1B"), "offers[0].commitment.tiers[0].from_tokens_per_month", "begin at 0")
    refused(tiers(0, "1B", 1e9), "offers[0].commitment.tiers[2].from_tokens_per_month", "increase")
    assert problem(tiers(0, "1B", "1T"))


def test_signed_end_placed():
    """`signed_until` goes with `signed: true` and a known start of the horizon."""
    field = "offers[0].commitment.signed_until"
    base = {"min_usd_per_month": 1, "signed_until": "2026-12-31"}
    refused({CONTRACT: base}, field, "signed: true")
    refused({CONTRACT: {**base, "signed": True}}, field, "horizon.start")
    assert problem({CONTRACT: {**base, "signed": True}, "horizon.start": "2026-12-01T00:00:00"})


def test_periods_within_a_month():
    """With money or terms by the month, periods longer than 730 h are an input error."""
    long = {"horizon": {"period_h": 731}}
    assert problem(long)
    refused({**long, f"{O}.fee_usd_per_month": 1}, "offers[0].fee_usd_per_month", "730")
    refused({**long, CONTRACT: {"min_usd_per_month": 1}}, "offers[0].commitment", "730")
    refused({**long, f"{G}.instances.term_months": 12}, "offers[1].instances", "730")
    assert problem({"horizon": {"period_h": 730}, f"{O}.fee_usd_per_month": 1})


# Instances and groups


def test_instances_within_the_maximum():
    """min and reserved are not above max; min need not be a multiple of step."""
    at = f"{G}.instances"
    for name in ("min", "reserved"):
        refused({f"{at}.{name}": 3, f"{at}.max": 2}, f"offers[1].instances.{name}", "max, 2")
    assert problem({f"{at}.min": 3, f"{at}.step": 2, f"{at}.max": 8})


def test_integral_instances_are_whole():
    """min, step and reserved are whole unless `integral: false`."""
    at = f"{G}.instances"
    for name in ("min", "step", "reserved"):
        refused({f"{at}.{name}": 1.5}, f"offers[1].instances.{name}", "whole")
        assert problem({f"{at}.{name}": 1.5, f"{at}.integral": False})


def test_upfront_needs_a_term():
    """upfront_usd with `resize: period` and no term is an input error."""
    at = f"{G}.instances"
    refused({f"{at}.upfront_usd": 10}, "offers[1].instances.upfront_usd", "term_months")
    assert problem({f"{at}.upfront_usd": 10, f"{at}.resize": "horizon"})
    assert problem({f"{at}.upfront_usd": 10, f"{at}.term_months": 3})


def test_groups_hold():
    """A group's offers are known, listed once and have instances; min_units is not above max_units."""
    refused({"groups": [{"name": "g", "offers": ["gpuu"]}]}, "groups[0].offers[0]", "unknown", '"gpu"')
    refused({"groups": [{"name": "g", "offers": ["gpu", "gpu"]}]}, "groups[0].offers[1]", "twice")
    refused({"groups": [{"name": "g", "offers": ["api"]}]}, "groups[0].offers[0]", "instances")
    crossed = {"name": "g", "offers": ["gpu"], "min_units": 2, "max_units": 1}
    refused({"groups": [crossed]}, "groups[0].min_units", "max_units")


# Scenarios and re-optimisation


def test_probabilities_sum_to_one():
    """Probabilities sum to 1 within 1e-6."""

    def futures(p: float) -> dict[str, object]:
        return {"scenarios": [{"name": "a", "probability": 0.5}, {"name": "b", "probability": p}]}

    assert problem(futures(0.5000009))
    refused(futures(0.500002), "scenarios", "1.000002")


def test_multipliers_known():
    """Multipliers name workloads (demand) or offers (prices, availability), or "*"; 0 is allowed."""
    base = {"name": "a", "probability": 1}
    assert problem({"scenarios": [{**base, "demand": {"*": 0, "w": 2}, "prices": {"*": 1.2}}]})
    refused({"scenarios": [{**base, "demand": {"ww": 2}}]}, "scenarios[0].demand.ww", "unknown workload")
    refused({"scenarios": [{**base, "prices": {"w": 2}}]}, "scenarios[0].prices.w", "unknown offer")
    refused(
        {"scenarios": [{**base, "availability": {"x": 0}}]}, "scenarios[0].availability.x", "unknown offer"
    )


def test_availability_stays_a_share():
    """Availability times its multiplier is at most 1."""
    changes = {
        "scenarios": [{"name": "a", "probability": 1, "availability": {"gpu": 1.5}}],
        f"{G}.instances.availability": 0.8,
    }
    refused(changes, "scenarios[0].availability.gpu", "0.8")


def test_generated_scenarios_hold():
    """Generated scenarios have something to draw from, and reduce_to is at most count."""
    refused({"scenarios": {"generate": {"count": 10}}}, "scenarios.generate", "history")
    crossed = {"generate": {"count": 10, "spread": 0.2, "reduce_to": 11}}
    refused({"scenarios": crossed}, "scenarios.generate.reduce_to", "10")
    made = problem({"scenarios": {"generate": {"count": 10, "history": "past.csv"}}})
    assert made.scenarios.generate.history.file == "past.csv"


def test_pins_hold():
    """A pin names a known workload, a known offer, or both."""
    pins = "reoptimise.pins"
    refused({pins: [{}]}, "reoptimise.pins[0]", "workload")
    refused({pins: [{"workload": "x"}]}, "reoptimise.pins[0].workload", "unknown workload")
    refused({pins: [{"offer": "apis"}]}, "reoptimise.pins[0].offer", '"api"')
    assert problem({pins: [{"workload": "w", "offer": "api"}]})


def test_broken_rules_are_reported_together():
    """One run names all that is wrong."""
    issues = broken({f"{W}.models": ["x"], f"{G}.instances.upfront_usd": 1, f"{W}.prompt_tokens": DROP})
    assert len(issues) == 3
