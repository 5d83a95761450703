"""Prefill and decode counted apart: worked out by hand, against enumeration, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from campaign import times
from problem_factory import SOLVERS, Data, api, load, plan_of, problem, sized, usd

import router
from router.errors import InputError
from router.simulation import simulate
from router.sizing import SizeOptions, size
from router.sizing.orders import orders_of


def pair(prefill: Data, decode: Data, *, rates: tuple[float, float] = (1e6, 1e5), **instances: Any) -> Data:
    """So many prompt tokens an hour for a prefill worker, and completion tokens for a decode worker."""
    entry = {"prompt_tokens_per_s": rates[0] / 3600, "completion_tokens_per_s": rates[1] / 3600}
    roles = {"prefill": {"usd_per_h": 1, **prefill}, "decode": {"usd_per_h": 3, **decode}}
    return {"name": "own", "models": {"m": entry}, "instances": {"roles": roles, **instances}}


def asked(requests: float, *offers: Data, periods: int = 1, **rest: Any) -> Data:
    """Requests an hour of 1,000 + 100 tokens: 1,000 of them fill a prefill worker and a decode worker."""
    work = sized("chat", {"requests_per_hour": requests}, completion_tokens=100)
    return problem([work | rest.pop("work", {})], list(offers), periods=periods, **rest)


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_half_has_its_own_count(solver: str) -> None:
    """2.5 prefill workers' work is 3; decode workers are twice as fast: 1.25, 2."""
    plan = plan_of(asked(2500, pair({}, {}, rates=(1e6, 2e5))), solver)
    assert {row.role: row.count for row in plan.instances} == {"prefill": 3, "decode": 2}
    assert plan.cost_usd == pytest.approx(3 * 1 + 2 * 3)
    assert usd(plan, "own", "instances") == pytest.approx(9)


def test_minimum_step_reservation_and_maximum_are_of_the_role() -> None:
    """Prefill from 4 by 2; of decode 1 is held at 2 USD, 2 more at 3; at most 3, the rest at the API."""
    own = pair({"min": 4, "step": 2}, {"reserved": 1, "reserved_usd_per_h": 2, "max": 3})
    plan = plan_of(asked(3500, own, api("api", 10)))
    assert {row.role: (row.count, row.reserved_count) for row in plan.instances} == {
        "prefill": (4, 0),
        "decode": (3, 1),
    }
    assert plan.cost_usd == pytest.approx(4 * 1 + 2 + 2 * 3 + 500 * 1100 / 1e6 * 10)


def test_starts_power_and_groups_count_both_halves() -> None:
    """Started once each (0.5 and 0.25), 1 and 2 kW at 0.1: 2 · 1 + 3 · 2 + 2 · 0.5 + 2 · 0.25 + 0.2 + 0.4."""
    own = pair({"start_usd": 0.5, "power_kw": 1, "units": 1}, {"start_usd": 0.25, "power_kw": 2, "units": 4})
    data = asked(2000, own, policy={"energy_usd_per_kwh": 0.1})
    assert plan_of(data).cost_usd == pytest.approx(2 + 6 + 1 + 0.5 + 0.2 + 0.4)
    data["groups"] = [{"name": "cards", "offers": ["own"], "max_units": 9}]
    data["offers"].append(api("api", 100))
    plan = plan_of(data)  # 5 cards for each thousand: one of them, and the other at the API
    assert sum(row.count for row in plan.instances) == 2
    assert usd(plan, "api") == pytest.approx(110)


def term_cost(starts: tuple[int, ...], usd: float) -> float:
    """Terms of two of three hours at `usd`, and 0.5 at once; of one that ends with a fourth hour half is due."""
    return sum(count * hours * (usd + 0.25) for count, hours in zip(starts, (2, 2, 1), strict=True))


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_half_is_bought_for_its_own_terms(solver: str) -> None:
    """Every way to start terms of two hours of up to three workers of each half, the rest at the API for 5.5."""
    work = (500, 2500, 1500)
    own = pair({}, {}, term_h=2, upfront_usd=0.5)
    data = asked(1, own, api("api", 5), periods=3)
    data["workloads"][0]["demand"] = {"requests_by_period": list(work)}
    ways = [
        starts for starts in product(range(4), repeat=3) if max(starts[0] + starts[1], sum(starts[1:])) < 4
    ]
    running = {starts: (starts[0], starts[0] + starts[1], starts[1] + starts[2]) for starts in ways}
    right = min(
        term_cost(p, 1)
        + term_cost(d, 3)
        + sum(
            max(n - 1000 * min(a, b), 0) * 5.5e-3
            for n, a, b in zip(work, running[p], running[d], strict=True)
        )
        for p, d in product(ways, repeat=2)
    )
    plan = plan_of(data, solver)
    assert plan.cost_usd == pytest.approx(right)
    for role, usd_per_h in (("prefill", 1), ("decode", 3)):
        rows = [row for row in plan.purchases if row.role == role]
        assert sum(row.billed_usd or 0 for row in rows) == pytest.approx(
            sum(row.count * (min(row.until_h or 0, 3) - row.from_h) * (usd_per_h + 0.25) for row in rows)
        )


def test_a_term_of_an_hour_is_rent_and_one_number_for_the_horizon_the_most() -> None:
    """1, 3 and 2 of each half by the hour: 6 · (1 + 3); one number, 3 for three hours and 0.5 at once each: 39."""
    for instances, right in ({"term_h": 1}, 24), ({}, 24), ({"resize": "horizon", "upfront_usd": 0.5}, 39):
        data = asked(1, pair({}, {}, **instances), periods=3)
        data["workloads"][0]["demand"] = {"requests_by_period": [500, 2500, 1500]}
        assert plan_of(data).cost_usd == pytest.approx(right)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_rule_sets_what_is_of_each_half(solver: str) -> None:
    """00:00  500 requests: 1 + 3 = 4 at the workers, 5.5 at the API
    01:00  2,500 at half availability: 2 of each half carry 1,000. Prefill, two at most, 2 · 2; of decode one is held
           at 3, as the file states, and one is 0.5; 1,500 at the API: 4 + 3 + 0.5 + 16.5 = 24
    02:00  closed for good: 1,500 at the API, 16.5
    """
    own = pair({}, {})
    roles = {"prefill": {"usd_per_h": 2, "max": 2}, "decode": {"usd_per_h": 0.5, "reserved": 1}}
    own["schedule"] = [
        {"from": "2027-01-04T01:00", "set": {"instances": {"roles": roles, "availability": 0.5}}},
        {"from": "2027-01-04T02:00", "available": False},
    ]
    data = asked(1, own, api("api", 10), periods=3)
    data["horizon"]["start"] = "2027-01-04T00:00"
    data["workloads"][0]["demand"] = {"requests_by_period": [500, 2500, 1500]}
    assert plan_of(data, solver).cost_usd == pytest.approx(4 + 24 + 16.5)


def test_a_series_is_of_one_half_and_a_factor_of_both(tmp_path: Path) -> None:
    """Decode workers at 2 and then 6, the prefill worker at 1, and both twice that in the second hour: 3 + 2 · 7."""
    (tmp_path / "spot.csv").write_text("at,usd\n2027-01-04T00:00,2\n2027-01-04T01:00,6\n", encoding="utf-8")
    series = {"file": "spot.csv", "timestamp_column": "at", "usd_per_h_column": "usd", "role": "decode"}
    own = pair({}, {}) | {"schedule": [{"series": series}, {"from": "2027-01-04T01:00", "prices": 2}]}
    data = asked(1000, own, periods=2)
    data["horizon"]["start"] = "2027-01-04T00:00"
    file = tmp_path / "problem.yaml"
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    plan = router.solve(file)
    assert plan.cost_usd == pytest.approx(3 + 2 * 7)
    assert plan.ok


def test_an_agreement_bills_the_hours_of_both_halves() -> None:
    """2 · (1 + 3) an hour at list; 6 USD an hour are committed at half price, which covers it all: 6, not 8."""
    data = asked(2000, pair({}, {}), periods=2)
    terms = {"settled": "hour", "min_usd": 6, "overage": "list", "signed": True}
    data["commitments"] = [{"name": "plan", "offers": ["own"], "discount": 0.5, **terms}]
    plan = plan_of(data)
    assert plan.cost_usd == pytest.approx(12)
    assert sum(row.covered_usd for row in plan.coverage or ()) == pytest.approx(8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_half_takes_its_own_of_the_resources_of_a_group(solver: str) -> None:
    """A prefill worker takes a card and a port, a decode worker four cards: 11 cards are two pairs and a card, 3 ports
    three prefill workers. Of 3,000 requests 2,000 at 8 USD, and 1,000 at the API for 110.
    """
    weights = {"own": {"prefill": {"cards": 1, "ports": 1}, "decode": {"cards": 4}}}
    data = asked(3000, pair({}, {}), api("api", 100))
    data["groups"] = [
        {"name": "rack", "offers": ["own"], "weights": weights, "limits": {"cards": 11, "ports": 3}}
    ]
    plan = plan_of(data, solver)
    assert plan.cost_usd == pytest.approx(2 * 4 + 110)
    for limits, fits in (({"cards": 10, "ports": 2}, True), ({"cards": 9, "ports": 2}, False)):
        data["groups"][0]["limits"] = limits
        assert ("groups" not in router.verify(load(data), plan).failed()) == fits
    data["groups"][0]["limits"] = {"cards": 11, "ports": 1}
    assert plan_of(data, solver).cost_usd == pytest.approx(4 + 220)


@pytest.mark.parametrize(
    ("weights", "issue"),
    [
        ({"own": {"cards": 1}}, "weights.own: is of a whole replica"),
        (
            {"api": {"prefill": {"cards": 1}}},
            "weights.api: is by role, and the offer's instances have no roles",
        ),
        ({"own": {"decode": {"cards": -1}}}, r'weights.own.decode.cards: "-1": must be at least 0'),
        ({"own": {"decode": {"fans": 1}}}, r"weights.own.decode.fans: has no limit"),
    ],
    ids=["whole", "none", "figure", "limit"],
)
def test_weights_by_role_that_cannot_be_meant(weights: Data, issue: str) -> None:
    data = asked(1000, pair({}, {}), api("api", 1))
    group = {"name": "rack", "offers": ["own", "api"], "weights": weights, "limits": {"cards": 9}}
    with pytest.raises(InputError, match=issue):
        load(data | {"groups": [group]})


@pytest.mark.parametrize("solver", SOLVERS)
def test_reserved_units_cover_both_halves(solver: str) -> None:
    """A prefill worker is a unit at 1 USD, one that decodes 3 at 3. Three of each take 12 units in the first hour, one
    of each 4 in the second: 12 · 0.4 for both hours are less than 4 · 0.4 and 8 · 1 in the first, and at 0.7 more.
    """
    for price, right in ((0.4, 12 * 0.4 * 2), (0.7, 4 * 0.7 * 2 + 8)):
        data = asked(1, pair({}, {"units": 3}), api("api", 100), periods=2)
        data["workloads"][0]["demand"] = {"requests_by_period": [2500, 500]}
        terms = {"in": "units", "usd_per_unit_h": price, "max_units": 100, "step_units": 1}
        data["commitments"] = [{"name": "ptu", "offers": ["own"], **terms}]
        plan = plan_of(data, solver)
        assert plan.cost_usd == pytest.approx(right)
        assert plan.gap == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (pair({}, {"units": 4}), "at 1 and 0.75 USD an hour for a unit"),
        (pair({}, {"units": 0}), "of no units or of no price"),
        (
            pair({}, {"units": 3})
            | {"schedule": [{"set": {"instances": {"roles": {"decode": {"usd_per_h": 2}}}}}]},
            "a schedule that sets usd_per_h of a role",
        ),
    ],
    ids=["prices", "none", "schedule"],
)
def test_units_of_two_prices_are_refused(own: Data, words: str) -> None:
    terms = {"in": "units", "usd_per_unit_h": 0.4, "max_units": 100}
    with pytest.raises(InputError, match=words):
        load(asked(1000, own, commitments=[{"name": "ptu", "offers": ["own"], **terms}]))


def test_against_every_pair_of_counts() -> None:
    """The least prefill + decode + API over all counts: what the pair carries is the less of the two."""
    rng = Random(1)
    for _ in range(times(15)):
        rates = rng.choice((5e5, 1e6, 2e6)), rng.choice((5e4, 1e5, 3e5))
        prices = rng.choice((1, 2, 4)), rng.choice((1, 3, 5))
        requests, dear = rng.choice((700, 1500, 3300)), rng.choice((1, 3, 8))
        own = pair({"usd_per_h": prices[0]}, {"usd_per_h": prices[1]}, rates=rates)
        right = min(
            p * prices[0] + d * prices[1] + max(requests - carried, 0) * 1100 / 1e6 * dear
            for p, d in product(range(12), repeat=2)
            for carried in [min(p * rates[0] / 1000, d * rates[1] / 100)]
        )
        assert plan_of(asked(requests, own, api("api", dear))).cost_usd == pytest.approx(right, rel=1e-6)


def test_roles_never_cost_more_than_the_bundle_of_their_ratio() -> None:
    """A bundle of 2 + 1 carries what the slower half does, and is bought whole."""
    for requests in (400, 1900, 2100, 4300):
        apart = plan_of(asked(requests, pair({}, {}, rates=(1e6, 2.5e5)))).cost_usd
        bundle = {
            "name": "own",
            "models": {
                "m": {
                    "prompt_tokens_per_s": 2e6 / 3600,
                    "completion_tokens_per_s": 2.5e5 / 3600,
                    "disaggregated": True,
                }
            },
            "instances": {"usd_per_h": 5},
        }
        assert apart <= plan_of(asked(requests, bundle)).cost_usd + 1e-9


def test_a_loss_is_survived_by_both_halves() -> None:
    """Each of two pairs must carry all of it alone: twice 1 + 1 workers."""
    twin = pair({}, {}) | {"name": "twin"}
    data = asked(1000, pair({}, {}), twin, policy={"survive_loss_of": "offer"})
    assert plan_of(data).cost_usd == pytest.approx(8)


def test_scenarios_scale_prices_and_availability_of_both() -> None:
    """At half availability twice as many, at twice the price: 4 · (1 + 3) · 2."""
    data = asked(2000, pair({}, {}))
    data["scenarios"] = [
        {"name": "bad", "probability": 1, "prices": {"own": 2}, "availability": {"own": 0.5}}
    ]
    assert plan_of(data, scenario="bad").cost_usd == pytest.approx(4 * 4 * 2)


def test_verify_sees_what_is_wrong_with_a_half() -> None:
    data = load(asked(2500, pair({}, {})))
    plan = router.solve(data)
    fewer = tuple(
        replace(row, count=2.0, paid_count=2.0, started=2.0) if row.role == "decode" else row
        for row in plan.instances
    )
    assert "throughput" in router.verify(data, replace(plan, instances=fewer)).failed()
    nameless = tuple(replace(row, role=None) for row in plan.instances)
    assert "fields" in router.verify(data, replace(plan, instances=nameless)).failed()
    data = load(asked(2500, pair({}, {}, term_h=1)))
    plan = router.solve(data)
    swapped = tuple(
        replace(row, role="decode" if row.role == "prefill" else "prefill") for row in plan.purchases
    )
    assert "purchases" in router.verify(data, replace(plan, purchases=swapped)).failed()
    nameless_terms = tuple(replace(row, role=None) for row in plan.purchases)
    assert "fields" in router.verify(data, replace(plan, purchases=nameless_terms)).failed()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"instances": {"usd_per_h": 1}}, "must stand in roles.prefill and roles.decode"),
        ({"instances": {"upfront_usd": 1}}, "needs term_months or resize: horizon"),
        ({"schedule": [{"set": {"instances": {"max": 1}}}]}, "must stand in roles.prefill and roles.decode"),
        (
            {"schedule": [{"set": {"instances": {"roles": {"decode": {"reserved": 0.5}}}}}]},
            r"roles\.decode\.reserved.*must be whole",
        ),
        (
            {
                "schedule": [
                    {"series": {"file": "s.csv", "timestamp_column": "at", "usd_per_h_column": "usd"}}
                ]
            },
            "needs role: prefill or decode",
        ),
        (
            {"roles": None, "schedule": [{"set": {"instances": {"roles": {"decode": {"max": 1}}}}}]},
            "have no roles",
        ),
        ({"models": {"m": {"tokens_per_s": 5}}}, "need prompt_tokens_per_s and completion_tokens_per_s"),
        ({"decode": {"min": 0.5}}, "must be whole"),
        ({"work": {"slo": {"ttft_p99_ms": 500}}}, "waiting for two stations has no formula yet"),
    ],
    ids=["beside", "upfront", "set", "set-half", "series", "none", "throughput", "half", "slo"],
)
def test_what_cannot_be_planned_is_refused_by_name(change: Data, words: str) -> None:
    own = pair({}, change.get("decode", {}))
    own["instances"] |= change.get("instances", {})
    own |= {name: change[name] for name in ("models", "schedule") if name in change}
    if "roles" in change:
        own["instances"] = {"usd_per_h": 1}
    with pytest.raises(InputError, match=words):
        load(asked(1000, own, work=change.get("work", {})))


def test_with_a_stated_utilisation_an_slo_is_planned() -> None:
    own = pair({}, {}, max_utilisation=0.8)
    own["models"]["m"] |= {"ttft_p99_ms": 200}
    data = asked(2000, own, work={"slo": {"ttft_p99_ms": 500}})
    plan = plan_of(data)
    assert {row.role: row.count for row in plan.instances} == {"prefill": 3, "decode": 3}
    report = simulate(load(data), plan, requests=500)
    assert [(row.offer, row.role, row.servers) for row in report.pools] == [
        ("own", "prefill", 3),
        ("own", "decode", 3),
    ]
    assert report.pools[0].utilisation == pytest.approx(2 / 3, rel=0.1)


def test_two_stations_of_one_size_wait_as_engines_apart_do() -> None:
    """Halves of like counts are what an entry with `disaggregated` is: the same requests wait as long."""
    own = pair({}, {}, max_utilisation=0.9)
    apart = own | {"instances": {"usd_per_h": 4, "max_utilisation": 0.9}}
    apart["models"] = {"m": own["models"]["m"] | {"disaggregated": True, "ttft_p99_ms": 200}}
    own["models"] = {"m": own["models"]["m"] | {"ttft_p99_ms": 200}}
    reports = []
    for offer in (own, apart):
        data = asked(2600, offer, work={"slo": {"ttft_p99_ms": 5e3}})
        reports.append(simulate(load(data), plan_of(data), requests=2000))
    assert reports[0].promises == reports[1].promises
    halves = [row.wait_ms["mean"] for row in reports[0].pools]
    assert sum(halves) == pytest.approx(reports[1].pools[0].wait_ms["mean"])
    assert min(halves) > 0


def test_sizing_counts_both_halves_in_every_future() -> None:
    """2.5 workers of each half are 3 + 3; at half the work 2 + 2: 10 expected."""
    data = asked(2500, pair({}, {}))
    data["scenarios"] = [
        {"name": "full", "probability": 0.5},
        {"name": "half", "probability": 0.5, "demand": {"*": 0.5}},
    ]
    sized = size(load(data), how=SizeOptions(questions=False, alternatives=0, measures=False))
    assert sized.cost_usd == pytest.approx((12 + 8) / 2)
    assert {(row.scenario, row.role): row.count for row in sized.instances} == {
        ("full", "prefill"): 3,
        ("full", "decode"): 3,
        ("half", "prefill"): 2,
        ("half", "decode"): 2,
    }


def test_sizing_signs_each_half_and_weighs_the_offer() -> None:
    """2 + 2 workers for three hours are 2 · 3 · (1 + 2) = 18, all at the API 3 · 1.1 · 10 · (2 + 1) / 2 = 49.5; at
    1 + 1 half the work of the full future goes there: 9 + 16.5.
    """
    data = asked(2000, pair({}, {"usd_per_h": 2}, resize="horizon"), api("api", 10), periods=3)
    data["scenarios"] = [
        {"name": "full", "probability": 0.5},
        {"name": "half", "probability": 0.5, "demand": {"*": 0.5}},
    ]
    orders = orders_of(["own=1", "own, decode=1"])
    plan = size(load(data), how=SizeOptions(evaluate=orders, measures=False))
    made = plan.sizing
    assert made is not None and made.evaluated is not None and made.alternatives is not None
    assert {row.offer: (row.count, row.least_usd, row.offer_usd, row.expected_use) for row in made.sign} == {
        "own": (2, 6, 18, 0.75),
        "own, decode": (2, 12, 18, 0.75),
    }
    (quote,) = made.quotes or ()
    assert (quote.offer, quote.verdict, quote.worth_usd) == ("own", "sign", pytest.approx(49.5 - 18))
    assert made.alternatives[0].more_usd == pytest.approx(49.5 - 18)
    assert made.evaluated.expected_usd == pytest.approx(9 + 16.5)
    assert router.verify(load(data), plan).ok


def test_a_problem_with_roles_may_be_changed() -> None:
    """The decode worker at 2 instead of 3 USD: 3 · 1 + 3 · 2. Likewise where a rule sets it."""
    changed = load(asked(2500, pair({}, {}))).with_({"offers.own.instances.roles.decode.usd_per_h": 2})
    assert router.solve(changed).cost_usd == pytest.approx(9)
    rule = {"set": {"instances": {"roles": {"decode": {"usd_per_h": 7}}}}}
    ruled = load(asked(2500, pair({}, {}) | {"schedule": [rule]}))
    changed = ruled.with_({"offers.own.schedule[0].set.instances.roles.decode.usd_per_h": 2})
    assert router.solve(changed).cost_usd == pytest.approx(9)


def test_a_quote_has_the_prices_of_both_halves() -> None:
    """A fee of 1 USD for two hours, two workers of each half at 8 an hour, and the rest at the API for 11: 17 λ + 11 is
    the 55 that the API takes alone at λ = 44 / 17 (three of each half are dearer then).
    """
    data = asked(2500, pair({}, {}) | {"fee_usd_per_month": 365}, api("api", 10), periods=2)
    made = size(load(data), how=SizeOptions(alternatives=0, measures=False)).sizing
    assert made is not None
    (quote,) = made.quotes or ()
    assert quote.walk_away_multiple == pytest.approx(44 / 17)
    assert {price.what: price.now_usd for price in quote.prices} == {
        "fee_usd_per_month": 365,
        "roles.prefill.usd_per_h": 1,
        "roles.decode.usd_per_h": 3,
    }
