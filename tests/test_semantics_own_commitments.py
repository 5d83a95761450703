"""Agreements, and allowances in USD, over offers that have a commitment of their own: what these pay it does not count.

Worked out by hand, and by a program written apart.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from problem_factory import MONTH, SOLVERS, Data, api, by_period, hourly, load, plan_of, problem
from pytest import approx
from scipy.optimize import Bounds, LinearConstraint, milp

import router
from router.errors import Infeasible, InputError

M = 1e6
HOUR = {"settled": "hour", "signed": True}
TIMES = int(os.environ.get("CAMPAIGN", "1"))


def agreement(**terms: Any) -> Data:
    """2 USD an hour, for 4 USD of use at list; signed."""
    return {"name": "plan", "offers": ["a"], "discount": 0.5, "min_usd": 2, **HOUR, **terms}


def ten_million(commitment: Data, **offer: Any) -> Data:
    """10 M tokens in an hour at 2.00: 20 USD at list."""
    return problem(hourly(10 * M), api("a", 2.0, commitment=commitment | {"signed": True}, **offer))


OWN: dict[str, tuple[Data, float]] = {
    # of 10 M, 8 M (16 USD) are left for it
    "tokens it is short of": ({"min_tokens": 9 * M, "settled": "hour"}, 18),
    "tokens beyond it": ({"min_tokens": 5 * M, "settled": "hour"}, 16),
    "tokens up to it": ({"min_tokens": 8 * M, "settled": "hour", "overage": "none"}, 16),
    "tokens by the month": ({"min_tokens_per_month": 9 * M * MONTH}, 18),
    # 5 M within it, 3 M at 5.00
    "a price of overage": ({"min_tokens": 5 * M, "settled": "hour", "overage_usd_per_m": 5}, 10 + 15),
    "a price of overage in USD": ({"min_usd": 10, "settled": "hour", "overage_usd_per_m": 5}, 10 + 15),
    # 10 at list, 6 at half
    "bands": (
        {
            "settled": "month",
            "discount_tiers": [{"from_usd": 0, "discount": 0}, {"from_usd": 10 * MONTH, "discount": 0.5}],
        },
        13,
    ),
    "bands of all units": (
        {
            "settled": "month",
            "tier_kind": "all_units",
            "discount_tiers": [{"from_usd": 0, "discount": 0}, {"from_usd": 10 * MONTH, "discount": 0.5}],
        },
        8,
    ),
    "a level": ({"settled": "hour", "levels": [{"usd": 9, "discount": 0.5}]}, 9),
    "what is brought in": (
        {
            "settled": "hour",
            "min_usd": 9,
            "rollover_spans": 1,
            "so_far": {"since": "2027-01-01", "unused_usd": [3]},
        },
        9 + 4,
    ),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", OWN)
def test_what_is_covered_is_not_held_against_it(kind: str, solver: str) -> None:
    """2 USD for 4 of 20 at list; the other 16 USD, or 8 M tokens, as its own commitment bills them."""
    commitment, own = OWN[kind]
    data = ten_million(commitment) | {"commitments": [agreement()]}
    data["horizon"]["start"] = "2027-01-01T00:00"
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(2 + own)
    assert {row.seller: row.billed_usd for row in plan.settlements} == {"a": approx(own), "plan": approx(2)}
    assert plan.bound_usd == approx(2 + own, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", OWN)
def test_nor_is_what_an_allowance_pays(kind: str, solver: str) -> None:
    """4 USD an hour are free of 20 at list."""
    commitment, own = OWN[kind]
    data = ten_million(commitment, free={"usd_per_month": 4 * MONTH})
    data["horizon"]["start"] = "2027-01-01T00:00"
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(own)
    assert [row.billed_usd for row in plan.settlements] == [approx(own)]
    assert plan.bound_usd == approx(own, rel=1e-5)


def in_bands(kind: str, least: float) -> Data:
    bands = [{"from_usd": 0, "discount": 0}, {"from_usd": 10 * MONTH, "discount": 0.5}]
    return {"settled": "month", "min_usd": least * MONTH, "tier_kind": kind, "discount_tiers": bands}


def in_tiers(usd_per_m: float) -> list[Data]:
    """4 M an hour at 2.00, what is more at another price."""
    more = {"from_tokens_per_month": 4 * M * MONTH, "usd_per_m": usd_per_m}
    return [{"from_tokens_per_month": 0, "usd_per_m": 2}, more]


BILLED: dict[str, tuple[Data, float, float]] = {
    # of 20 USD at list: the bill, and what is billed for use
    "tokens it is short of": ({"min_tokens": 12 * M, "settled": "hour"}, 24, 20),
    "tokens beyond it": ({"min_tokens": 5 * M, "settled": "hour"}, 20, 20),
    "a dearer overage": ({"min_tokens": 5 * M, "settled": "hour", "overage_usd_per_m": 5}, 35, 35),
    "a cheaper overage": ({"min_tokens": 5 * M, "settled": "hour", "overage_usd_per_m": 1}, 15, 15),
    "an overage in USD": ({"min_usd": 10, "settled": "hour", "overage_usd_per_m": 5}, 35, 35),
    "an overage in USD not reached": ({"min_usd": 30, "settled": "hour", "overage_usd_per_m": 5}, 30, 20),
    "a level": ({"settled": "hour", "levels": [{"usd": 12, "discount": 0.5}]}, 12, 10),
    "bands": (in_bands("incremental", 0), 15, 15),
    "bands below a minimum": (in_bands("incremental", 18), 18, 15),
    "bands of all units": (in_bands("all_units", 0), 10, 10),
    "bands of all units below a minimum": (in_bands("all_units", 18), 18, 10),
    "tiers": ({"tiers": in_tiers(1)}, 14, 14),
    "rising tiers": ({"tiers": in_tiers(3)}, 26, 26),
    "tiers of all units": ({"tiers": in_tiers(1), "tier_kind": "all_units"}, 10, 10),
    "one tier below a minimum": ({"tiers": in_tiers(1)[:1], "min_tokens_per_month": 12 * M * MONTH}, 24, 20),
    "what was used before": (
        {"settled": "month", "min_usd": 15, "so_far": {"since": "2026-12-31T23:00", "used_usd": 8}}
        | {
            "discount_tiers": [{"from_usd": 0, "discount": 0}, {"from_usd": 9 * MONTH, "discount": 0.5}],
        },
        # 28 in two hours of which 18 are at list: 23 less 8
        15,
        15,
    ),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", BILLED)
def test_a_credit_pays_what_is_billed_for_use(kind: str, solver: str) -> None:
    """100 USD pay all of it and no more, 4 pay 4."""
    commitment, bill, use = BILLED[kind]
    data = ten_million(commitment)
    data["horizon"]["start"] = "2027-01-01T00:00"
    for given, paid in ((100, use), (4, 4)):
        plan = plan_of(data | {"credits": [{"name": "credit", "offers": ["a"], "usd": given}]}, solver)
        assert plan.cost_usd == approx(bill - paid, abs=1e-6)
        assert [row.billed_usd for row in plan.settlements] == [approx(bill)]
        assert [row.paid_usd for row in plan.credits or ()] == [approx(paid)]
        assert plan.bound_usd <= bill - paid + 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("commitment", "bill"),
    [
        ({"min_tokens": 5 * M, "settled": "hour", "overage_usd_per_m": 5, "signed": True}, 35),
        ({"min_tokens": 5 * M, "settled": "hour", "signed": True}, 20),
        ({"tiers": in_tiers(1)}, 14),
    ],
)
def test_and_what_requests_cost_beside_it(commitment: Data, bill: float, solver: str) -> None:
    """10,000 requests at a tenth of a cent: 10 USD beside the bill of tokens."""
    offer = api("a", 2.0, commitment=commitment)
    offer["models"]["m"]["usd_per_request"] = 0.001
    data = problem(hourly(10 * M), offer, horizon={"start": "2027-01-01T00:00"})
    for given in (0.0, 4.0, bill + 9, 100.0):
        plan = plan_of(data | {"credits": [{"name": "credit", "offers": ["a"], "usd": given}]}, solver)
        assert plan.cost_usd == approx(max(bill + 10 - given, 0), abs=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("terms", "bill"),
    [
        ({"settled": "hour", "levels": [{"usd": 9, "discount": 0.25}]}, 9),
        (in_bands("incremental", 0), 11),
        (in_bands("all_units", 0), 6),
    ],
)
def test_under_an_agreement_likewise(terms: Data, bill: float, solver: str) -> None:
    """20 USD at list, 12 at 40 % off: 9 at the level, 10 and half of 2 by bands, half of 12 by bands of all units."""
    data = problem(hourly(10 * M), api("a", 2.0), horizon={"start": "2027-01-01T00:00"})
    plan = {"name": "plan", "offers": ["a"], "discount": 0.4, "overage": "contract", "signed": True} | terms
    for given, cost in ((5, bill - 5), (100, 0)):
        credits = [{"name": "credit", "offers": ["a"], "usd": given}]
        made = plan_of(data | {"commitments": [plan], "credits": credits}, solver)
        assert made.cost_usd == approx(cost, abs=1e-6)


@pytest.mark.parametrize(
    "kind", ["a level", "bands below a minimum", "bands of all units", "a cheaper overage"]
)
def test_the_check_sees_a_credit_that_pays_what_is_not_billed(kind: str) -> None:
    data = ten_million(BILLED[kind][0])
    data["horizon"]["start"] = "2027-01-01T00:00"
    stated = load(data | {"credits": [{"name": "credit", "offers": ["a"], "usd": 100}]})
    plan = router.solve(stated)
    assert plan.credits is not None
    (row,) = plan.credits
    more = replace(plan, credits=(replace(row, paid_usd=row.paid_usd + 0.5),))
    checks = {check.name: check for check in router.verify(stated, more).checks}
    assert not checks["credits"].ok
    assert "paid" in checks["credits"].detail


def test_what_of_a_bill_a_credit_pays_is_said_or_refused() -> None:
    rests = {"min_usd": 5, "settled": "hour", "rollover_spans": 1}
    for offer, says in (
        (
            api("a", 2.0, commitment=rests | {"signed": True, "overage_usd_per_m": 3}),
            "is not planned for: use that what earlier spans left pays for .* beside overage_usd_per_m",
        ),
        (
            api(
                "a",
                2.0,
                commitment={"tiers": in_tiers(1), "min_tokens_per_month": 5, "tier_kind": "all_units"},
            ),
            "with several tiers and an amount that is committed",
        ),
    ):
        with pytest.raises(InputError, match=says):
            load(problem(hourly(M), offer) | {"credits": [{"name": "credit", "offers": ["a"], "usd": 1}]})
    two = problem([hourly(M), hourly(M, name="other")], [api("a", 2.0), api("b", 2.0)])
    both = agreement(offers=["a", "b"], overage="contract", **in_bands("incremental", 0))
    with pytest.raises(InputError, match="pays some offers of plan alone"):
        plan_of(two | {"commitments": [both], "credits": [{"name": "credit", "offers": ["a"], "usd": 1}]})


@pytest.mark.parametrize("solver", SOLVERS)
def test_where_prices_change_tokens_are_those_of_their_hour(solver: str) -> None:
    """2.00, then 4.00, 3 M each, under 8 M by the term; 4 USD of list are free, in either hour.

    Of the later one they are 1 M: 6 + 8 of use, and 3 M short at the mean of 3.00: 23. Of the first 2 M: 2 + 12 + 4 M
    at 3.00: 26. Under 5 M in place of 8: 6 + 8 and none short, or 2 + 12 and 1 M: 14.
    """
    rule = {"from": "2027-01-01T01:00", "prices": 2.0}
    for least, cost in ((8, 23), (5, 14)):
        own = {"min_tokens": least * M, "settled": "term", "term_h": 2, "signed": True}
        own["so_far"] = {"since": "2027-01-01"}
        offer = api("a", 2.0, commitment=own, schedule=[rule]) | {"free": {"usd_per_month": 2 * MONTH}}
        data = problem(hourly(3 * M), offer, periods=2, horizon={"start": "2027-01-01T00:00"})
        plan = plan_of(data, solver)
        assert plan.cost_usd == approx(cost)
        assert [(row.period, row.paid_usd) for row in plan.credits or ()] == [(1, approx(4))]
        assert [row.used_tokens for row in plan.settlements] == [approx(5 * M)]
        assert plan.bound_usd == approx(cost, rel=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_scenario_s_prices_are_those_at_which_tokens_are_covered(solver: str) -> None:
    """Twice the price: 4 USD of list for 2 are 1 M of 10 M, and 9 M at 4.00 are left."""
    data = ten_million({"min_tokens": 5 * M, "settled": "hour"}) | {"commitments": [agreement()]}
    data["scenarios"] = [{"name": "dear", "probability": 1, "prices": {"a": 2.0}}]
    plan = plan_of(data, solver)
    assert plan.cost_usd == approx(2 + 36)
    assert [row.tokens for row in plan.coverage or ()] == [approx(M)]


def test_the_check_sees_tokens_that_are_not_bought_by_what_is_covered() -> None:
    data = ten_million({"min_tokens": 5 * M, "settled": "hour"}, free={"usd_per_month": 2 * MONTH})
    stated = load(data | {"commitments": [agreement()]})
    plan = router.solve(stated)
    assert plan.coverage is not None
    assert plan.credits is not None
    (row,), (free,) = plan.coverage, plan.credits
    (bill,) = [each for each in plan.settlements if each.offer == "a"]
    rest = [each for each in plan.settlements if each.offer != "a"]
    assert (row.tokens, free.tokens, bill.used_tokens) == (approx(2 * M), approx(M), approx(7 * M))
    lies: dict[str, Data] = {
        "more": {"coverage": (replace(row, tokens=3 * M),)},
        "none": {"coverage": (replace(row, tokens=None),)},
        "more free": {"credits": (replace(free, tokens=2 * M),)},
        "none free": {"credits": (replace(free, tokens=None),)},
        "all counted": {"settlements": (*rest, replace(bill, used_tokens=10 * M, used_usd=20.0))},
    }
    for lie, changed in lies.items():
        assert not router.verify(stated, replace(plan, **changed)).ok, lie


@pytest.mark.parametrize(
    ("offer", "says"),
    [
        (
            {"commitment": {"tiers": [{"from_tokens_per_month": 0, "usd_per_m": 2}]}},
            "under tiers, where no token",
        ),
        (
            {"commitment": {"min_tokens_per_month": 5}, "fee": 0.1},
            "of tokens, which its commitment counts, and of req",
        ),
    ],
)
def test_what_no_bill_says_is_refused_with_a_way_out(offer: Data, says: str) -> None:
    own = api("a", 2.0, commitment=offer["commitment"])
    if "fee" in offer:
        own["models"]["m"]["usd_per_request"] = offer["fee"]
    with pytest.raises(InputError, match=rf'commitments\[0\].offers\[0\]: "a": covers use {says}'):
        load(problem(hourly(M), own) | {"commitments": [agreement()]})
    with pytest.raises(InputError, match=rf"free.usd_per_month: 3: pays for use {says}"):
        load(problem(hourly(M), own | {"free": {"usd_per_month": 3}}))


def test_which_half_of_a_period_is_covered_is_not_guessed() -> None:
    """Prices change at half past one; the window ends then."""
    rule = {"from": "2027-01-01T01:30", "prices": 2.0}
    own = api("a", 2.0, commitment={"min_tokens": 5 * M, **HOUR}, schedule=[rule])
    window = hourly(M, window={"start": "00:00", "end": "01:30"})
    data = problem([window], own, periods=2, horizon={"start": "2027-01-01T00:00"})
    assert plan_of(data).cost_usd > 0
    with pytest.raises(InputError, match="changes prices of tokens that others than its commitment pay for"):
        plan_of(data | {"commitments": [agreement()]})
    data["workloads"] = problem(hourly(M), own)["workloads"]
    assert plan_of(data | {"commitments": [agreement()]}).cost_usd > 0


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("payer", ["plan", "free"])
def test_after_a_loss_what_was_covered_is_not_counted(payer: str, solver: str) -> None:
    """7 M, at most 90 % at one provider; 5 M are committed at 2.00 and no more, 2 M others pay for: 10, 2 and 0.7 at x.

    Without x all 7 M run on a: the 5 M of its commitment and 2 M that it does not count. Of 4.9 M it is too much.
    """
    for most, cost in ((5.0, 10.7), (4.9, None)):
        own = api("a", 2.0, commitment={"min_tokens": most * M, "overage": "none", **HOUR})
        rest = [api("c", 1.0, provider="x"), api("d", 10.0, provider="x")]
        work = hourly(7 * M, routing={"max_share_per_provider": 0.9})
        if payer == "free":
            own["free"] = {"usd_per_month": 4 * MONTH}
        data = problem(work, [own, *rest], policy={"survive_loss_of": "provider"})
        data |= {"commitments": [agreement(provider="z")] if payer == "plan" else []}
        if cost is None:
            with pytest.raises(Infeasible):
                plan_of(data, solver)
        else:
            assert plan_of(data, solver).cost_usd == approx(cost + (2 if payer == "plan" else 0))


class Apart:
    """The same problem as a program written apart: tokens in millions, an offer with a commitment, and another."""

    def __init__(self, data: Data) -> None:
        self.cost: list[float] = []
        self.whole: list[bool] = []
        self.upper: list[float] = []
        self.rows: list[tuple[dict[int, float], float]] = []  # Σ ≤ limit
        own, other = data["offers"]
        demand = [count / 1000 for count in data["workloads"][0]["demand"]["requests_by_period"]]
        hours = len(demand)
        rules = own.get("schedule", [])
        self.price = [
            own["models"]["m"].get("prompt_usd_per_m", 2.0)
            * (rules[0]["prices"] if rules and t >= int(rules[0]["from"][11:13]) else 1.0)
            for t in range(hours)
        ]
        self.use: list[dict[int, float]] = []  # tokens that the own commitment counts
        self.paid = [0] * hours
        rent = other["models"]["m"]["prompt_usd_per_m"]
        free = self.column(0.0)
        self.upper[free] = own.get("free", {}).get("usd_per_month", 0.0) * hours / MONTH
        gifts: dict[int, float] = {free: -1.0}
        self.base = rent * sum(demand)
        self.runs: list[int] = []
        for t in range(hours):
            x, gift, cov = self.column(-rent, demand[t]), self.column(0.0), self.column(0.0)
            self.row({gift: 1.0, cov: 1.0, x: -self.price[t]}, 0.0)
            gifts[gift] = 1.0
            self.use.append({x: 1.0, gift: -1.0 / self.price[t], cov: -1.0 / self.price[t]})
            self.paid[t] = cov
            self.runs.append(x)
        self.row(gifts, 0.0)
        self.gains: list[list[int]] = [[] for _ in range(hours)]  # what credits may pay, by hour
        for terms in data.get("commitments", []):
            self.agreement(terms)
        if not data.get("commitments"):
            self.row(dict.fromkeys(self.paid, 1.0), 0.0)
        self.own(own["commitment"])
        for credit in data.get("credits", []):
            first = int(credit["from"][11:13]) if "from" in credit else 0
            pays = [self.column(-1.0) for _ in range(first, hours)]
            self.row(dict.fromkeys(pays, 1.0), credit["usd"])
            for t, column in zip(range(first, hours), pays, strict=True):
                self.row({column: 1.0} | dict.fromkeys(self.gains[t], -1.0), 0.0)

    def column(self, cost: float, upper: float = np.inf, whole: bool = False) -> int:
        self.cost.append(cost)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(self, terms: dict[int, float], limit: float) -> None:
        self.rows.append((terms, limit))

    def gain(self, t: int) -> int:
        """What is billed of some use in an hour, for credits to pay."""
        self.gains[t].append(self.column(0.0))
        return self.gains[t][-1]

    def at_most(self, column: int, rate: float, worth: dict[int, float], chosen: int | None = None) -> None:
        """column ≤ rate · worth, where it is chosen."""
        row = {column: 1.0} | {at: -rate * value for at, value in worth.items()}
        self.row(row if chosen is None else row | {chosen: 1e3}, 0.0 if chosen is None else 1e3)

    def agreement(self, terms: Data) -> None:
        left = 1.0 - terms["discount"]
        if terms.get("discount_tiers"):
            gains = [self.gain(t) for t in range(len(self.paid))]
            worth = [{cov: left} for cov in self.paid]
            self.bands(terms, dict.fromkeys(self.paid, left), 0.0, len(self.paid) / MONTH, gains, worth)
            return
        if levels := terms.get("levels"):
            chosen = [(self.column(0.0, 1.0, True), level) for level in levels]
            self.row({one: 1.0 for one, _ in chosen}, 1.0)
            for cov in self.paid:
                self.row({cov: 1.0} | {one: -1e3 for one, _ in chosen}, 0.0)
            for t, cov in enumerate(self.paid):
                gain, bill = self.gain(t), self.column(1.0)
                for one, level in chosen:
                    part = left * (1 - level["discount"])
                    self.at_most(gain, part, {cov: 1.0}, one)
                    self.row({one: level["usd"], bill: -1.0}, 0.0)
                    self.row({cov: part, bill: -1.0, one: 1e3}, 1e3)
                    if terms["overage"] == "list":
                        self.row({cov: part, one: 1e3}, 1e3 + level["usd"])
                self.at_most(gain, 1.0, {cov: 1.0})
            return
        signed, amount = self.column(0.0, 1.0, True), self.column(0.0)
        self.row({amount: 1.0, signed: -terms["max_usd"]}, 0.0)
        self.row({amount: -1.0, signed: terms["min_usd"]}, 0.0)
        for t, cov in enumerate(self.paid):
            self.at_most(self.gain(t), left, {cov: 1.0})
            if terms["overage"] == "list":
                self.row({cov: left, amount: -1.0}, 0.0)
                self.cost[amount] += 1.0
            else:
                bill = self.column(1.0)
                self.row({cov: left, bill: -1.0}, 0.0)
                self.row({amount: 1.0, bill: -1.0}, 0.0)
                self.row({cov: 1.0, signed: -1e3}, 0.0)

    def total(self, periods: list[int], of: float | None = None) -> dict[int, float]:
        """Tokens, or USD, that the own commitment counts in some periods."""
        terms: dict[int, float] = {}
        for t in periods:
            for column, value in self.use[t].items():
                terms[column] = terms.get(column, 0.0) + value * (self.price[t] if of is None else of)
        return terms

    def own(self, terms: Data) -> None:
        hours = len(self.use)
        if "tiers" in terms:  # the same as discounts on the first price
            edge, usd = (terms["tiers"][1][field] for field in ("from_tokens_per_month", "usd_per_m"))
            bands = [{"from_usd": 0, "discount": 0}, {"from_usd": 2 * edge / M, "discount": 1 - usd / 2}]
            terms = {"settled": "month", "discount_tiers": bands}
        spans = [[t] for t in range(hours)] if terms["settled"] == "hour" else [[*range(hours)]]
        share = 1.0 if terms["settled"] != "month" else hours / MONTH
        in_tokens = "min_tokens" in terms
        if "start_every_h" in terms:
            self.terms(terms)
            return
        due = (terms["min_tokens"] / M if in_tokens else terms.get("min_usd", 0.0)) * share
        rests: dict[tuple[int, int], int] = {}
        for n, span in enumerate(spans):
            mean = sum(self.price[t] for t in span) / len(span)
            use = self.total(span, 1.0 if in_tokens else None)
            gains, worth = [self.gain(t) for t in span], [self.total([t]) for t in span]
            if terms.get("levels"):
                self.levels(terms["levels"], use, n, gains[0])
            elif terms.get("discount_tiers"):
                self.bands(terms, use, due, share, gains, worth)
            elif not terms.get("rollover_spans"):
                self.plain(terms, gains, worth)
            if terms.get("levels") or terms.get("discount_tiers"):
                continue
            if terms.get("rollover_spans"):
                over = self.column(mean if in_tokens else 1.0)
                self.base += due * (mean if in_tokens else 1.0)
                row = use | {over: -1.0}
                for first in range(max(0, n - terms["rollover_spans"]), n + 1):
                    rests[first, n] = self.column(0.0)
                    row[rests[first, n]] = -1.0
                self.row(row, 0.0)
                self.row({at: -value for at, value in row.items()}, 0.0)
                self.oldest_first(terms, n, due, rests, over)
                earlier = {at: -(mean if in_tokens else 1.0) for (f, m), at in rests.items() if f < m == n}
                self.at_most(gains[0], 1.0, worth[0] | earlier)
            elif (over_usd := terms.get("overage_usd_per_m")) is not None:
                self.base += due * (mean if in_tokens else 1.0)
                over = self.column(over_usd if in_tokens else over_usd / mean)
                self.row(use | {over: -1.0}, due)
                self.dearer(gains, worth, over, over_usd - mean if in_tokens else over_usd / mean - 1.0)
            elif in_tokens:
                short = self.column(mean)
                self.row({column: -value for column, value in use.items()} | {short: -1.0}, -due)
                for column, value in self.total(span).items():
                    self.cost[column] += value
                if terms.get("overage") == "none":
                    self.row(use, due)
            else:
                bill = self.column(1.0)
                self.row(use | {bill: -1.0}, 0.0)
                self.row({bill: -1.0}, -due)
        for first in range(len(spans)) if rests else ():
            self.row({at: 1.0 for (n, _), at in rests.items() if n == first}, due)

    def oldest_first(
        self, terms: Data, n: int, due: float, rests: dict[tuple[int, int], int], over: int
    ) -> None:
        """What a span left is used up before anything later is."""
        for first in range(max(0, n - terms["rollover_spans"]), n + 1):
            all_used = self.column(0.0, 1.0, True)
            taken = {at: -1.0 for (f, m), at in rests.items() if f == first and m <= n}
            self.row(taken | {all_used: due}, 0.0)
            later = {at: 1.0 for (f, m), at in rests.items() if m == n and f > first}
            self.row(later | {over: 1.0, all_used: -1e3}, 0.0)

    def terms(self, terms: Data) -> None:
        """Tokens over terms that may begin in any hour: all use is counted under the one that runs."""
        hours, length = len(self.use), terms["term_h"]
        signed = [self.column(0.0, 1.0, True) for _ in range(hours)]
        under: list[dict[int, float]] = [{} for _ in range(hours)]
        for start, one in enumerate(signed):
            span = [*range(start, min(start + length, hours))]
            due = terms["min_tokens"] / M * len(span) / length
            short = self.column(sum(self.price[t] for t in span) / len(span))
            row = {short: -1.0, one: due}
            for t in span:
                part = self.column(0.0)
                self.row({part: 1.0, one: -1e3}, 0.0)
                row[part], under[t][part] = -1.0, 1.0
            self.row(row, 0.0)
        for t in range(hours):
            running = {signed[s]: 1.0 for s in range(max(0, t - length + 1), t + 1)}
            self.row(running, 1.0)
            self.row({self.runs[t]: 1.0} | dict.fromkeys(running, -1000.0), 0.0)
            use = self.use[t]
            self.row(use | dict.fromkeys(under[t], -1.0), 0.0)
            self.row({at: -value for at, value in use.items()} | under[t], 0.0)
            for at, value in use.items():
                self.cost[at] += value * self.price[t]
            self.at_most(self.gain(t), 1.0, self.total([t]))

    def plain(self, terms: Data, gains: list[int], worth: list[dict[int, float]]) -> None:
        """Use at its own prices; with a price of overage a sum for the span: see `dearer`."""
        for gain, usd in zip(gains, worth, strict=True):
            if terms.get("overage_usd_per_m") is None:
                self.at_most(gain, 1.0, usd)

    def dearer(self, gains: list[int], worth: list[dict[int, float]], over: int, usd: float) -> None:
        row = dict.fromkeys(gains, 1.0) | {over: -usd}
        for each in worth:
            for column, value in each.items():
                row[column] = row.get(column, 0.0) - value
        self.row(row, 0.0)

    def levels(self, levels: list[Data], use: dict[int, float], n: int, gain: int) -> None:
        if n == 0:
            self.chosen = [self.column(0.0, 1.0, True) for _ in levels]
            self.row(dict.fromkeys(self.chosen, 1.0), 1.0)
        bill = self.column(1.0)
        for column, level in zip(self.chosen, levels, strict=True):
            self.row({column: level["usd"], bill: -1.0}, 0.0)
            self.at_most(gain, 1 - level["discount"], use, column)
            part = {at: value * (1 - level["discount"]) for at, value in use.items()}
            self.row(part | {bill: -1.0, column: 1e3}, 1e3)
        self.row({self.runs[n]: 1.0} | dict.fromkeys(self.chosen, -1e3), 0.0)
        self.at_most(gain, 1.0, use)

    def bands(
        self,
        terms: Data,
        use: dict[int, float],
        due: float,
        share: float,
        gains: list[int],
        worth: list[dict[int, float]],
    ) -> None:
        bands = terms["discount_tiers"]
        edges = [band["from_usd"] * share for band in bands] + [1e3]
        bill, within = self.column(1.0), [(self.column(0.0), self.column(0.0, 1.0, True)) for _ in bands]
        self.row({bill: -1.0}, -due)
        self.row(use | {at: -1.0 for at, _ in within}, 0.0)
        self.row({column: -value for column, value in use.items()} | {at: 1.0 for at, _ in within}, 0.0)
        self.row({one: 1.0 for _, one in within}, 1.0)
        self.row({one: -1.0 for _, one in within}, -1.0)
        billed, before = {bill: -1.0}, 0.0
        for i, ((at, one), band) in enumerate(zip(within, bands, strict=True)):
            self.row({at: 1.0, one: -edges[i + 1]}, 0.0)
            self.row({at: -1.0, one: edges[i]}, 0.0)
            left = 1.0 - band["discount"]
            billed[at] = left
            for gain, usd in zip(gains, worth, strict=True):
                if terms.get("tier_kind") == "all_units":
                    self.at_most(gain, left, usd, one)
            if terms.get("tier_kind") != "all_units":
                billed[one] = before - left * edges[i]
                before += left * (edges[i + 1] - edges[i])
        self.row(billed, 0.0)
        sums = {column: -value for column, value in billed.items() if column != bill}
        if terms.get("tier_kind") != "all_units":
            self.row(dict.fromkeys(gains, 1.0) | sums, 0.0)

    def usd(self) -> float:
        matrix, most = np.zeros((len(self.rows), len(self.cost))), np.empty(len(self.rows))
        for i, (terms, limit) in enumerate(self.rows):
            most[i] = limit
            for column, value in terms.items():
                matrix[i, column] += value
        found: Any = milp(
            self.cost,
            constraints=LinearConstraint(matrix, ub=most),
            integrality=np.array(self.whole, dtype=int),
            bounds=Bounds(0.0, np.array(self.upper)),
            options={"mip_rel_gap": 1e-9},
        )
        assert found.success, found.message
        return float(found.fun) + self.base


def drawn(seed: int) -> Data:
    draw = random.Random(seed)
    hours = draw.randint(2, 4)
    bands = [{"from_usd": 0, "discount": 0.0}, {"from_usd": draw.choice([5, 12]) * MONTH, "discount": 0.4}]
    span = draw.choice(
        [{"settled": "hour"}, {"settled": "term", "term_h": hours, "so_far": {"since": "2027-01-01"}}]
    )
    hourly_or = span if draw.random() < 0.5 else {"settled": "hour"}
    kinds: list[Data] = [
        {"min_tokens": draw.choice([2, 5, 9]) * M, **hourly_or},
        {"min_tokens": draw.choice([2, 5]) * M, "overage": "none", "settled": "hour"},
        {"min_tokens": draw.choice([2, 4]) * M, "overage_usd_per_m": draw.choice([1, 5]), **hourly_or},
        {"min_usd": draw.choice([2, 8]), "overage_usd_per_m": draw.choice([1, 5]), **hourly_or},
        {"min_usd": draw.choice([2, 8]), "settled": "hour", "rollover_spans": draw.randint(1, 2)},
        {"min_tokens": draw.choice([2, 4]) * M, "settled": "hour", "rollover_spans": draw.randint(1, 2)},
        {"min_usd": draw.choice([0, 4]) * MONTH, "settled": "month", "discount_tiers": bands},
        {"settled": "month", "discount_tiers": bands, "tier_kind": "all_units"},
        {"levels": [{"usd": 4, "discount": 0.1}, {"usd": 9, "discount": 0.5}], "settled": "hour"},
        {"min_tokens": draw.choice([3, 8]) * M, "settled": "term", "term_h": 2, "start_every_h": 1},
        {
            "tiers": [
                {"from_tokens_per_month": 0, "usd_per_m": 2},
                {"from_tokens_per_month": draw.choice([2, 5]) * M * MONTH, "usd_per_m": draw.choice([1, 3])},
            ]
        },
    ]
    kind = draw.randrange(len(kinds))
    own = kinds[kind] | ({} if kind > 7 else {"signed": True})
    offer = api("a", 2.0, commitment=own)
    if kind in (0, 9) and draw.random() < 0.7:
        offer["schedule"] = [{"from": "2027-01-01T01:00", "prices": draw.choice([0.5, 2.0])}]
    if draw.random() < 0.5 and kind != 10:
        offer["free"] = {"usd_per_month": draw.choice([3, 9]) * MONTH / hours}
    work = by_period([draw.randint(0, 8) * M for _ in range(hours)])
    data = problem(work, [offer, api("b", 3.0)], periods=hours, horizon={"start": "2027-01-01T00:00"})
    if kind != 10 and (draw.random() < 0.8 or "free" not in offer):
        terms = agreement(
            discount=draw.choice([0.2, 0.6]), min_usd=1, max_usd=draw.choice([2, 5]), signed=False
        )
        data["commitments"] = [terms | {"overage": draw.choice(["list", "contract"])}]
        del terms["max_usd"], terms["min_usd"]
        way = draw.random()
        if way < 0.2:
            levels = [{"usd": 1, "discount": 0.1}, {"usd": 4, "discount": 0.5}]
            data["commitments"] = [terms | {"levels": levels, "overage": draw.choice(["list", "contract"])}]
        elif way < 0.5:
            terms |= {"settled": "month", "overage": "contract", "discount_tiers": bands}
            data["commitments"] = [terms | {"tier_kind": draw.choice(["incremental", "all_units"])}]
    if draw.random() < 0.6:
        data["credits"] = [{"name": "credit", "offers": ["a"], "usd": draw.choice([3, 10, 100])}]
        if draw.random() < 0.4:
            data["credits"][0]["from"] = "2027-01-01T01:00"
    return data


def of_spans(terms: Data) -> bool:
    """Whether it bills use by spans longer than an hour without a price of its own for any of it."""
    if "tiers" in terms:
        return True
    banded = terms.get("discount_tiers") and terms.get("tier_kind") != "all_units"
    return bool(banded or (terms.get("overage_usd_per_m") is not None and terms["settled"] != "hour"))


@pytest.mark.parametrize("seed", range(40 * TIMES))
def test_the_best_plan_is_that_of_a_program_written_apart(seed: int) -> None:
    data = drawn(seed)
    cut = any("from" in credit for credit in data.get("credits", ()))
    if cut and (of_spans(data["offers"][0]["commitment"]) or any(map(of_spans, data.get("commitments", ())))):
        with pytest.raises(InputError, match="has dates within a span"):
            plan_of(data)
        return
    best = Apart(data).usd()
    plan = plan_of(data, SOLVERS[seed % 2])
    assert plan.cost_usd == approx(best, rel=1e-6, abs=1e-6)
    assert plan.bound_usd is not None
    assert plan.bound_usd <= max(best, 0.0) * (1 + 1e-6) + 1e-6


@pytest.mark.parametrize("seed", range(12 * TIMES))
def test_a_credit_saves_at_most_itself_and_an_agreement_is_signed_where_it_saves(seed: int) -> None:
    """Whatever an offer's own commitment is: more of a credit never costs more, nor does an agreement to sign."""
    data = drawn(seed + 1000)
    data.pop("credits", None)
    given = [{"name": "credit", "offers": ["a"], "usd": usd} for usd in (0.0, 2.0, 5.0, 200.0)]
    costs = [plan_of(data | {"credits": [each]}).cost_usd for each in given]
    assert costs[0] == approx(plan_of(data).cost_usd, abs=1e-6)
    assert 2.0 + 1e-6 >= costs[0] - costs[1] >= -1e-6
    assert 3.0 + 1e-6 >= costs[1] - costs[2] >= -1e-6
    assert costs[2] >= costs[3] - 1e-6 >= -2e-6
    without = {name: value for name, value in data.items() if name != "commitments"}
    assert plan_of(data).cost_usd <= plan_of(without).cost_usd + 1e-6
