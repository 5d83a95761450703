"""What counts of bills elsewhere towards an agreement's minimum: worked out by hand, by enumeration, and by laws."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from problem_factory import SOLVERS, Data, api, by_period, gpu, hourly, load, plan_of, problem, usd
from pytest import approx

import router
from router.errors import InputError

M = 1e6


def agreement(*offers: str, name: str = "plan", **terms: object) -> Data:
    return {"name": name, "offers": [*offers], "settled": "day", "signed": True, **terms}


def day(usd_an_hour: float) -> float:
    """An amount of a day, of which an hour of a horizon has its part."""
    return usd_an_hour * 24


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_part_of_what_an_offer_bills_counts(solver: str) -> None:
    """Signed for 10 an hour; a uses 4 of it, and of 8 at another seller a quarter counts: 10 − 2 and 8."""
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), api("market", 2.0, ("n",))])
    terms = agreement("a", min_usd=day(10), counts={"market": 0.25})
    plan = plan_of(data | {"commitments": [terms]}, solver)
    assert plan.cost_usd == approx(8 + 8)
    assert usd(plan, "plan", "commitment") == approx(8)
    (row,) = plan.settlements
    assert (row.billed_usd, row.unused_usd) == (approx(8), approx(4))
    assert plan.bound_usd == approx(16, rel=1e-5)


def test_what_an_allowance_pays_does_not_count() -> None:
    """As above, with 3 of the 8 free: a quarter of 5 counts, 10 − 1.25 and 5."""
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    market = api("market", 2.0, ("n",), free={"usd_per_month": 3 * 730})
    terms = agreement("a", min_usd=day(10), counts={"market": 0.25})
    plan = plan_of(problem(loads, [api("a", 2.0), market]) | {"commitments": [terms]})
    assert plan.cost_usd == approx(8.75 + 5)
    assert plan.bound_usd == approx(13.75, rel=1e-5)


def test_it_counts_in_billing_months_too() -> None:
    """Signed for 30 a month; a uses 15 of it, and of 12 at another seller half counts: 30 − 6 and 12."""
    loads = [by_period([5 * M, 2.5 * M], "x"), by_period([4 * M, 2 * M], "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), api("market", 2.0, ("n",))], period_h=730 / 2, periods=2)
    terms = {"name": "plan", "offers": ["a"], "signed": True, "counts": {"market": 0.5}}
    plan = plan_of(data | {"commitments": [terms | {"min_usd_per_month": 30}]})
    assert plan.cost_usd == approx((30 - 6) + 12)
    assert plan.proof is not None
    assert plan.proof.kind == "own"


def test_use_above_the_minimum_is_billed_whatever_counts() -> None:
    """Use of 12 under 10 with all of 8 elsewhere counting, at the discount also above: 12 are billed."""
    loads = [hourly(6 * M, "x"), hourly(4 * M, "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), api("market", 2.0, ("n",))])
    terms = agreement("a", min_usd=day(10), overage="contract", counts={"market": 1.0})
    assert plan_of(data | {"commitments": [terms]}).cost_usd == approx(12 + 8)


def test_what_may_be_covered_stays_the_committed_amount() -> None:
    """12 at list, half off for 4 committed: 8 of list are covered, whatever of the 3 elsewhere counts."""
    loads = [hourly(6 * M, "x"), hourly(1 * M, "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), api("market", 3.0, ("n",))])
    terms = agreement("a", min_usd=day(4), discount=0.5, counts={"market": 1.0})
    assert plan_of(data | {"commitments": [terms]}).cost_usd == approx(4 + 4 + 3)


@pytest.mark.parametrize("solver", SOLVERS)
def test_an_hourly_plan_counts_in_a_daily_one(solver: str) -> None:
    """Machines at 10 for two hours, 60 % off in a plan of 3 an hour: 3 + 2.5 at list each.

    A day's minimum of 8 an hour over another offer's tokens (2 an hour) counts the 3, and not what is at list: 8 − 3.
    """
    loads = [hourly(1 * M, "x"), hourly(1 * M, "y", models=["n"])]
    data = problem(loads, [gpu("g", 10, 1), api("a", 2.0, ("n",))], periods=2)
    inner = agreement("g", name="inner", settled="hour", min_usd=3, discount=0.6)
    outer = agreement("a", name="outer", min_usd=day(8), counts={"inner": 1.0})
    plan = plan_of(data | {"commitments": [outer, inner]}, solver)
    assert plan.cost_usd == approx(2 * (3 + 2.5 + 5))
    assert plan.bound_usd == approx(21, rel=1e-5)


def test_chains_of_them_count_one_after_the_other() -> None:
    """c bills 4 and counts in b (6: 2 are left), b counts in a (10: 8 are left), whatever their order in the file."""
    loads = [hourly(1 * M, w, models=[w]) for w in "abc"]
    data = problem(loads, [api(o, 1.0, (o,)) for o in "abc"])
    c = agreement("c", name="C", min_usd=day(4))
    b = agreement("b", name="B", min_usd=day(6), counts={"C": 1.0})
    a = agreement("a", name="A", min_usd=day(10), counts={"B": 1.0})
    for order in ((a, b, c), (c, b, a), (b, c, a)):
        plan = plan_of(data | {"commitments": list(order)})
        bills = {row.agreement: row.billed_usd for row in plan.settlements}
        assert bills == {"A": approx(8), "B": approx(2), "C": approx(4)}


@pytest.mark.parametrize("seed", range(8))
def test_the_best_place_for_work_is_that_of_an_enumeration(seed: int) -> None:
    """10 requests go to the offer of an agreement or to another that counts in it; every split is tried."""
    draw = random.Random(seed)
    inside, outside = draw.choice([1.0, 2.0]), draw.choice([0.5, 1.0, 1.5])
    least, share, off = draw.choice([2, 8, 30]), draw.choice([0.0, 0.25, 1.0]), draw.choice([0.0, 0.4])

    def cost(at_a: int) -> float:
        list_a, elsewhere = at_a * inside, (10 - at_a) * outside
        covered = min(list_a * (1 - off), least) if signed else 0.0
        bill = max(covered, least - share * elsewhere) if signed else 0.0
        return bill + list_a - (covered / (1 - off)) + elsewhere

    data = problem(hourly(10 * M), [api("a", inside), api("b", outside)])
    signed = True
    terms = agreement("a", min_usd=day(least), discount=off, counts={"b": share})
    plan = plan_of(data | {"commitments": [terms]})
    corners = [cost(k / 1000) for k in range(10001)]
    assert plan.cost_usd == approx(min(corners), abs=0.01)
    assert plan.cost_usd <= min(corners) + 1e-6
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


def test_the_check_sees_a_bill_of_an_offer_that_counts_too_much() -> None:
    """Of 10 an hour 4 are used and a quarter of 12 counts: 7. As if the 8 of its use counted: 8; in full: none."""
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    market = api("market", 2.0, ("n",), commitment={"min_usd": 12} | HOUR)
    terms = agreement("a", min_usd=day(10), counts={"market": 0.25})
    stated = load(problem(loads, [api("a", 2.0), market]) | {"commitments": [terms]})
    plan = router.solve(stated)
    for usd_billed in (8.0, 4.0, 7.0 - 2.0):
        rows = tuple(
            replace(row, billed_usd=usd_billed) if row.agreement == "plan" else row
            for row in plan.settlements
        )
        verdict = router.verify(stated, replace(plan, settlements=rows))
        assert not next(check for check in verdict.checks if check.name == "settlements").ok


def own_bill(terms: Data, tokens: float, price: float) -> float:
    """What so many million tokens of an hour are billed at under an offer's own commitment."""
    usd, least = tokens * price, terms.get("min_usd", 0.0)
    if "min_tokens" in terms:
        least, over = terms["min_tokens"] / M, terms.get("overage_usd_per_m", price)
        return least * price + max(tokens - least, 0.0) * float(over)
    if levels := terms.get("levels"):
        return min(max(level["usd"], usd * (1 - level["discount"])) for level in levels) if tokens else 0.0
    if tiers := terms.get("discount_tiers"):
        edge, off = tiers[1]["from_usd"] / 730, tiers[1]["discount"]
        if terms["tier_kind"] == "all_units":
            return max(least / 730, usd * (1 - off) if usd >= edge else usd)
        return max(least / 730, min(usd, edge) + max(usd - edge, 0.0) * (1 - off))
    return max(float(least), usd)


@pytest.mark.parametrize("seed", range(12))
def test_beside_a_commitment_of_its_own_too(seed: int) -> None:
    """As above, where the other's bill is that of its own commitment."""
    draw = random.Random(seed)
    inside, outside, least = draw.choice([1.0, 2.0]), draw.choice([1.0, 1.5]), draw.choice([2, 8, 30])
    share, off = draw.choice([0.25, 1.0]), draw.choice([0.0, 0.4])
    bands = [{"from_usd": 0, "discount": 0}, {"from_usd": 4 * 730, "discount": 0.5}]
    own: Data = [
        {"min_usd": draw.choice([2, 9])} | HOUR,
        {"min_tokens": draw.choice([2, 6]) * M} | HOUR,
        {"min_tokens": 3 * M, "overage_usd_per_m": draw.choice([0.5, 3.0])} | HOUR,
        {"levels": [{"usd": 2, "discount": 0.1}, {"usd": 6, "discount": 0.5}], "settled": "hour"},
        {"settled": "month", "min_usd": draw.choice([0, 5]) * 730, "discount_tiers": bands, "signed": True}
        | {"tier_kind": draw.choice(["incremental", "all_units"])},
    ][seed % 5]

    def cost(at_a: float) -> float:
        list_a, elsewhere = at_a * inside, own_bill(own, 10 - at_a, outside)
        covered = min(list_a * (1 - off), least)
        return max(covered, least - share * elsewhere) + list_a - (covered / (1 - off)) + elsewhere

    data = problem(hourly(10 * M), [api("a", inside), api("b", outside, commitment=own)])
    terms = {"name": "plan", "offers": ["a"], "signed": True, "min_usd": least * 730, "settled": "month"}
    plan = plan_of(data | {"commitments": [terms | {"discount": off, "counts": {"b": share}}]})
    best = min(cost(k / 1000) for k in range(10001))
    assert plan.cost_usd == approx(best, abs=0.01)
    assert plan.cost_usd <= best + 1e-6
    assert plan.bound_usd <= plan.cost_usd * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_more_that_counts_never_costs_more_and_nothing_changes_nothing(seed: int) -> None:
    draw = random.Random(seed)
    loads = [by_period([draw.randint(0, 4) * M for _ in range(3)], w, models=[w]) for w in "ab"]
    data = problem(loads, [api("a", 2.0, ("a",)), api("b", draw.choice([1.0, 3.0]), ("b",))], periods=3)
    terms = agreement("a", min_usd=day(draw.choice([3, 7])), discount=0.3)
    some = [terms, *(terms | {"counts": {"b": share}} for share in (0.0, 0.3, 1.0))]
    costs = [plan_of(data | {"commitments": [each]}).cost_usd for each in some]
    assert costs[1] == approx(costs[0])
    assert costs[0] >= costs[2] - 1e-9 >= costs[3] - 2e-9


HOUR: Data = {"settled": "hour", "signed": True}
BILLED: dict[str, tuple[Data, float, float]] = {
    # of 4 M at 2.00 in an hour: the own commitment, a fee a request, and the bill
    "in USD": ({"min_usd": 12} | HOUR, 0, 12),
    "in tokens": ({"min_tokens": 5 * M} | HOUR, 0, 10),
    "in tokens, beside fees": ({"min_tokens": 5 * M} | HOUR, 0.001, 10 + 4),
    "at a price of overage": ({"min_tokens": 3 * M, "overage_usd_per_m": 5} | HOUR, 0, 6 + 5),
    "of USD at a price of overage": ({"min_usd": 6, "overage_usd_per_m": 5} | HOUR, 0, 6 + 5),
    "at a level": ({"levels": [{"usd": 3, "discount": 0.5}], "settled": "hour"}, 0, 4),
    "with rests": ({"min_usd": 5, "rollover_spans": 1} | HOUR, 0, 5 + 3),
    "in bands": (
        {
            "settled": "month",
            "discount_tiers": [{"from_usd": 0, "discount": 0}, {"from_usd": 4 * 730, "discount": 0.5}],
        },
        0,
        4 + 2,
    ),
    "in tiers": (
        {
            "tiers": [
                {"from_tokens_per_month": 0, "usd_per_m": 2},
                {"from_tokens_per_month": 2 * M * 730, "usd_per_m": 1},
            ]
        },
        0.001,
        4 + 2 + 4,
    ),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", BILLED)
def test_of_an_offer_with_a_commitment_its_bill_counts(kind: str, solver: str) -> None:
    """Signed for 10 an hour, of which 4 are used; a quarter of the other's bill counts."""
    own, fee, bill = BILLED[kind]
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    market = api("market", 2.0, ("n",), commitment=own)
    if fee:
        market["models"]["n"]["usd_per_request"] = fee
    data = problem(loads, [api("a", 2.0), market], horizon={"start": "2027-01-01T00:00"})
    terms = agreement("a", min_usd=10 * 730, counts={"market": 0.25}) | {"settled": "month"}
    plan = plan_of(data | {"commitments": [terms]}, solver)
    assert plan.cost_usd == approx(10 - bill / 4 + bill)
    assert usd(plan, "plan", "commitment") == approx(10 - bill / 4)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("kind", BILLED)
def test_more_of_its_bill_never_costs_more(kind: str) -> None:
    """And none of it is as if nothing counted."""
    own, fee, _ = BILLED[kind]
    market = api("market", 2.0, ("n",), commitment=own)
    if fee:
        market["models"]["n"]["usd_per_request"] = fee
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), market], horizon={"start": "2027-01-01T00:00"})
    terms = agreement("a", min_usd=9 * 730) | {"settled": "month"}
    some = [terms, *(terms | {"counts": {"market": share}} for share in (0.0, 0.4, 1.0))]
    costs = [plan_of(data | {"commitments": [each]}).cost_usd for each in some]
    assert costs[1] == approx(costs[0])
    assert costs[1] >= costs[2] - 1e-9 >= costs[3] - 2e-9


def test_of_it_machines_count_too_and_not_what_another_covers() -> None:
    """Rent of 4 beside a minimum of 12 in tokens' USD; 2 of the rent and 3 of the tokens are another plan's, for half.

    9 of tokens are left to its own 12: 12 + 2 count in full against 20, and the other's 2.5 are paid: 6 + 14 + 2.5.
    """
    own = gpu("own", 4, 1) | {"commitment": {"min_usd": 12} | HOUR}
    own["models"]["m"] |= {"prompt_usd_per_m": 12, "completion_usd_per_m": 12}
    data = problem([hourly(M), hourly(M, "z", models=["z"])], [own, api("a", 0.5, ("z",))])
    half = {
        "name": "half",
        "offers": ["own"],
        "discount": 0.5,
        "settled": "hour",
        "signed": True,
        "min_usd": 2.5,
    }
    outer = agreement("a", min_usd=day(20), counts={"own": 1.0})
    plan = plan_of(data | {"commitments": [half, outer]})
    billed = {row.seller: row.billed_usd for row in plan.settlements}
    rent = usd(plan, "own", "instances")
    assert billed["own"] == approx(12)
    assert billed["plan"] == approx(20 - 12 - rent)
    assert plan.cost_usd == approx(20 + 2.5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_at_levels_and_in_terms_that_may_begin_in_any_hour(solver: str) -> None:
    """20 at list; a level of 20 takes half off, less the 8 that count: 12 and 8. One of 5 takes nothing off: 20 and 8.

    As terms of an hour at half off for 20: signed in the hours in which 40 and 60 are used at list, not for 4: 20 + 30
    + 4, and 8 in each hour.
    """
    loads = [hourly(10 * M, "x"), hourly(4 * M, "y", models=["n"])]
    offers = [api("a", 2.0), api("market", 2.0, ("n",))]
    levels = [{"usd": 5, "discount": 0.0}, {"usd": 20, "discount": 0.5}]
    terms = {"name": "plan", "offers": ["a"], "settled": "hour", "overage": "contract"}
    chosen = terms | {"levels": levels, "counts": {"market": 1.0}}
    assert plan_of(problem(loads, offers) | {"commitments": [chosen]}, solver).cost_usd == approx(12 + 8)
    loads[0] = by_period([20 * M, 2 * M, 30 * M], "x")
    some = terms | {"min_usd": 20, "discount": 0.5, "term_h": 1, "counts": {"market": 0.5}}
    plan = plan_of(problem(loads, offers, periods=3) | {"commitments": [some]}, solver)
    assert [row.from_h for row in plan.contracts] == [0, 2]
    assert plan.cost_usd == approx(20 + 4 + 30 + 24)


@pytest.mark.parametrize("solver", SOLVERS)
def test_of_rests_that_roll_over_what_is_billed_counts(solver: str) -> None:
    """8 an hour roll over, 2 and 12 are used: 8 twice, and both count against 20 an hour: 12 twice, and 16."""
    loads = [by_period([1 * M, 6 * M], "x"), hourly(M, "z", models=["z"])]
    offers = [api("b", 2.0), api("a", 1.0, ("z",))]
    inner = {"name": "inner", "offers": ["b"], "min_usd": 8, "rollover_spans": 1} | HOUR
    outer = {"name": "outer", "offers": ["a"], "min_usd": 20, "counts": {"inner": 1.0}} | HOUR
    plan = plan_of(problem(loads, offers, periods=2) | {"commitments": [outer, inner]}, solver)
    assert plan.cost_usd == approx(24 + 16)
    assert plan.bound_usd == approx(40, rel=1e-5)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"counts": {"nobody": 1}}, "commitments[0].counts.nobody: unknown agreement or offer"),
        ({"counts": {"plan": 1}}, "commitments[0].counts.plan: counts in a circle"),
        ({"counts": {"other": 1}}, "commitments[0].counts.other: counts in a circle"),
        ({"counts": {"a": 1.5}}, "commitments[0].counts.a"),
        ({"counts": {"a": 1}, "rollover_spans": 1}, "commitments[0].rollover_spans: is not planned for"),
    ],
)
def test_what_cannot_count_is_an_input_error(terms: Data, says: str) -> None:
    offers = [api("a", 2.0)]
    other = agreement("a", name="other", min_usd=5, counts={"plan": 1})
    data = problem(hourly(1 * M), offers) | {"commitments": [agreement("a", min_usd=5) | terms, other]}
    with pytest.raises(InputError) as caught:
        load(data)
    assert all(part in str(caught.value) for part in says.split(": "))


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_counts_is_as_it_is_billed_and_a_bill_weighs_as_its_span_begins(solver: str) -> None:
    """10 an hour of a: 4 of use and 2 that count, so 8; and 8 at the market. A year later they weigh half."""
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), api("market", 2.0, ("n",))], periods=2, period_h=8760)
    data["policy"] = {"discount_rate_per_year": 1.0}
    terms = agreement("a", settled="year", min_usd=10 * 8760, counts={"market": 0.25})
    plan = plan_of(data | {"commitments": [terms]}, solver)
    assert plan.cost_usd == approx(16 * 8760 * (1 + 0.5))
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_charged_in_full_what_counts_inside_counts_once(solver: str) -> None:
    """An hour of two days at 240 each: of the first some is used and 2 count; all of the second; 8 at the market."""
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), api("market", 2.0, ("n",))])
    data["policy"] = {"end_of_horizon": "charge_in_full"}
    terms = agreement("a", min_usd=240, counts={"market": 0.25}, signed=False, term_h=48)
    terms |= {"overage": "contract", "discount": 0.5}
    data["offers"][0]["models"]["m"] = {"prompt_usd_per_m": 2e3, "completion_usd_per_m": 2e3}
    plan = plan_of(data | {"commitments": [terms]}, solver)  # signed, for half of 4,000 is saved
    assert plan.cost_usd == approx(2000 + 240 + 8)
    data["offers"][0]["models"]["m"] = {"prompt_usd_per_m": 300.0, "completion_usd_per_m": 300.0}
    plan = plan_of(data | {"commitments": [terms | {"discount": 0.9}]}, solver)
    assert plan.cost_usd == approx(238 + 240 + 8)
    assert plan.bound_usd == approx(plan.cost_usd, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_span_that_has_begun_counts_what_counted_before(solver: str) -> None:
    """6 hours of 24 at 10 an hour: 20 used and 15 counted by then, 60 due: 45. Two hours more use 8, and 4 count.

    80 less 19 counted is 61 then, more than 28 used: 61 − 45 = 16.
    """
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), api("market", 2.0, ("n",))], periods=2)
    data["horizon"]["start"] = "2027-01-01T06:00:00"
    stands = {"since": "2027-01-01T00:00:00", "used_usd": 20, "counted_usd": 15}
    terms = agreement("a", min_usd=day(10), counts={"market": 0.25}, so_far=stands)
    plan = plan_of(data | {"commitments": [terms]}, solver)
    assert [row.billed_usd for row in plan.settlements] == approx([16])
    assert plan.cost_usd == approx(16 + 16)
    assert plan.bound_usd == approx(32, rel=1e-5)


def test_the_check_sees_a_bill_that_forgets_what_counts_or_counts_too_much() -> None:
    loads = [hourly(2 * M, "x"), hourly(4 * M, "y", models=["n"])]
    data = problem(loads, [api("a", 2.0), api("market", 2.0, ("n",))])
    stated = load(data | {"commitments": [agreement("a", min_usd=day(10), counts={"market": 0.25})]})
    plan = router.solve(stated)
    (row,) = plan.settlements
    for billed in (10.0, 6.0):
        assert not router.verify(stated, replace(plan, settlements=(replace(row, billed_usd=billed),))).ok
