"""Hosts that are one number for the whole horizon (`resize: horizon`): decided before demand is known."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from campaign import times
from problem_factory import SOLVERS, Data, api, by_period, gpu, load, plan_of, problem

import router
from router.errors import Infeasible, InputError
from router.sizing import SizeOptions, size
from router.sizing.orders import orders_of

BRIEF = SizeOptions(questions=False, alternatives=0, measures=False)

#: A replica takes 4 of a node's 8 units and serves a million tokens an hour: two of them in each node.
REPLICA = gpu("own", 0.0, 1, ("a",), units=4)


def nodes(tokens: list[float], usd_per_m: float | None = 7, **host: Any) -> Data:
    """So many million tokens by the hour, on nodes of 10 USD an hour, or by the token where that has a price."""
    offers = [REPLICA] + ([] if usd_per_m is None else [api("pay", usd_per_m, ("a",))])
    node = {"name": "node", "units": 8, "usd_per_h": 10, "offers": ["own"], "resize": "horizon", **host}
    work = by_period([each * 1e6 for each in tokens]) | {"models": ["a"]}
    return problem(work, offers, periods=len(tokens), hosts=[node])


def counts(plan: router.Plan) -> list[float]:
    return [row.count for row in plan.hosts or ()]


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_number_for_the_horizon(solver: str) -> None:
    """2, then 6 M tokens: the first node saves 2 M · 7 in both hours, 28 for 20; a second saves 14 for 20: 20 + 28.

    By the period 1 and 3 nodes would be 40.
    """
    plan = plan_of(nodes([2, 6]), solver)
    assert plan.cost_usd == pytest.approx(20 + 4 * 7)
    assert counts(plan) == [1, 1]
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan_of(nodes([2, 6], resize="period"), solver).cost_usd == pytest.approx(40)


def test_what_is_reserved_and_free_stands_beside_it() -> None:
    """6 M of the second hour in 3 nodes: one free, one held at 4 USD, one rented: 8 + 20."""
    held = {"reserved": 1, "reserved_usd_per_h": 4, "free_units": [8]}
    plan = plan_of(nodes([2, 6], None, **held))
    assert plan.cost_usd == pytest.approx(8 + 20)
    assert counts(plan) == [2, 2]
    assert plan_of(nodes([2, 6], None, max=2, **held)).cost_usd == pytest.approx(28)
    with pytest.raises(Infeasible):
        plan_of(nodes([2, 6], None, **{**held, "max": 1}))


def test_rules_about_time() -> None:
    """Rent stops in a gap, and the number comes back; the least maximum of all open hours is that of all."""
    start = {"start": "2027-01-01", "timezone": "UTC"}

    def at(hour: int, **rule: Any) -> list[Data]:
        return [{"from": f"2027-01-01T{hour:02}:00", "until": f"2027-01-01T{hour + 1:02}:00", **rule}]

    def plan(*rules: Data, **host: Any) -> router.Plan:
        data = nodes([4, 4, 4], schedule=list(rules), **host)
        data["horizon"] |= start
        return plan_of(data)

    # two nodes in two of three hours, the gap by the token
    gap = plan(*at(1, available=False))
    assert gap.cost_usd == pytest.approx(2 * 20 + 28)
    assert [(row.period, row.count) for row in gap.hosts or ()] == [(0, 2), (2, 2)]
    # half the price in one hour: 2 · 25
    assert plan(*at(1, prices=0.5)).cost_usd == pytest.approx(50)
    # one at most in an hour: one in all of them, and 2 M by the token in each
    few = plan(*at(1, set={"instances": {"max": 1}}))
    assert few.cost_usd == pytest.approx(30 + 3 * 14)
    assert counts(few) == [1, 1, 1]
    assert all(each.proof is not None and each.proof.kind == "own" for each in (gap, few))
    data = nodes([4, 4, 4], schedule=at(1, set={"instances": {"reserved": 1}}))
    data["horizon"] |= start
    with pytest.raises(InputError, match="one number for the whole horizon"):
        load(data)


def test_compare_lists_offers_alone() -> None:
    """Three nodes for the second hour, in both hours; or 8 M by the token."""
    rows = router.compare(load(nodes([2, 6]))).offers
    assert [(row.offer, row.cost_usd) for row in rows] == [
        ("pay", pytest.approx(56)),
        ("own", pytest.approx(60)),
    ]


def test_money_committed() -> None:
    """Nodes are committed before demand is known: 39 USD are not two of them over two hours."""
    data = nodes([6, 6])
    assert plan_of(data).cost_usd == pytest.approx(60)
    data["policy"] = {"max_committed_usd": 39}
    assert plan_of(data).cost_usd == pytest.approx(20 + 2 * 28)
    data["hosts"][0]["resize"] = "period"
    assert plan_of(data).cost_usd == pytest.approx(60)


def futures(**host: Any) -> Data:
    """2 M tokens, or 4 M with probability 1/2."""
    surge = {"name": "surge", "probability": 0.5, "demand": {"*": 2}}
    return nodes([2], **host) | {"scenarios": [{"name": "calm", "probability": 0.5}, surge]}


def test_one_number_in_all_futures() -> None:
    """A second node costs 10 in both futures and saves 14 in one: 7. One node, and 2 M by the token in a surge: 17.

    Without nodes all is paid by the token: 0.5 · 14 + 0.5 · 28 = 21, so that a node is worth 4, and is rented up to
    14 USD, where 14 + 7 is 21.
    """
    plan = size(load(futures()))
    assert plan.cost_usd == pytest.approx(17)
    assert counts(plan) == [1, 1]
    sizing = plan.sizing
    assert sizing is not None
    ((row,), quotes) = sizing.sign, sizing.quotes or ()
    assert (row.offer, row.kind, row.count) == ("node", "hosts", 1)
    assert (row.least_usd, row.expected_usd, row.expected_use) == pytest.approx((10, 10, 1))
    (quote,) = quotes
    assert (quote.offer, quote.verdict) == ("node", "sign")
    assert quote.worth_usd == pytest.approx(4)
    assert [price.walk_away_usd for price in quote.prices] == pytest.approx([14])
    assert quote.break_even_use == pytest.approx(10 / 14)  # of the units that 14 USD of tokens would pay
    assert [(each.amount, each.more_usd) for each in sizing.amounts or ()] == [(2, pytest.approx(3))]
    assert size(load(futures()), solver="pulp:COIN_CMD", how=BRIEF).cost_usd == pytest.approx(17)
    assert size(load(futures(resize="period")), how=BRIEF).cost_usd == pytest.approx(15)


def test_cuts_and_ones_own_terms() -> None:
    """By cuts the same; two nodes are 20 in every future, and three more than there are."""
    assert size(load(futures()), how=replace(BRIEF, method="cuts")).cost_usd == pytest.approx(17)
    for text, usd in (("node=2", 20), ("node=0", 21)):
        plan = size(load(futures()), how=replace(BRIEF, evaluate=orders_of([text])))
        assert plan.sizing is not None
        assert plan.sizing.evaluated is not None
        assert plan.sizing.evaluated.expected_usd == pytest.approx(usd)
    with pytest.raises(InputError, match="whole hosts, at most 2 beside those reserved, not 3"):
        size(load(futures(max=2)), how=replace(BRIEF, evaluate=orders_of(["node=3"])))


def test_verify_sees_a_number_that_changes() -> None:
    data = load(nodes([2, 6]))
    plan = router.solve(data)
    first, second = plan.hosts or ()
    for wrong in ((first, replace(second, count=2)), (first,), (replace(first, count=2), second)):
        assert "hosts" in router.verify(data, replace(plan, hosts=wrong)).failed()


@pytest.mark.parametrize("seed", range(times(6)))
def test_against_every_number(seed: int) -> None:
    """The least over all numbers of nodes, each period by hand: what fits in them, and the rest by the token."""
    rng = Random(seed)
    tokens = [rng.randint(0, 6) for _ in range(rng.randint(2, 4))]
    price, reserved, free = rng.randint(3, 12), rng.randint(0, 1), rng.choice(([], [4], [5, 9]))

    def usd(number: int) -> float:
        fit = 2 * (number + reserved) + sum(int(units // 4) for units in free)
        beyond = sum(max(each - fit, 0) for each in tokens)
        return 10 * len(tokens) * (number + reserved) + price * beyond

    plan = plan_of(nodes(list(map(float, tokens)), price, reserved=reserved, free_units=free))
    assert plan.cost_usd == pytest.approx(min(usd(number) for number in range(5))), (tokens, price)
