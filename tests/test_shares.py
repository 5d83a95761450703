"""Mean quality and shares by model, offer and provider: worked out by hand, their laws, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from problem_factory import SOLVERS, Data, api, hourly, load, plan_of, problem, shares, sized

import router
from router.comparison import compare
from router.errors import Infeasible, InputError
from router.explaining.run import explain

MODELS = {"good": {"quality": 0.9}, "fair": {"quality": 0.8}}
OFFERS = [api("g", 3, ("good",)), api("f", 1, ("fair",))]


def asked(needs: Data | None = None, routing: Data | None = None, **rest: Any) -> Data:
    """A million tokens an hour; 3 USD by the good model, 1 USD by the fair one."""
    work = hourly(1e6, needs=needs or {}, routing=routing or {}, **rest)
    return problem([work | {"models": ["good", "fair"]}], OFFERS, models=MODELS)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("floor", "usd"),
    [(0.8, 1.0), (0.82, 1.4), (0.85, 2.0), (0.9, 3.0)],
    ids=["that of the worst: none", "a fifth", "half", "that of the best: all"],
)
def test_a_mean_is_kept_by_the_least_part_on_the_better_model(floor: float, usd: float, solver: str) -> None:
    """q · 0.9 + (1 − q) · 0.8 = floor; 1 + 2 q USD."""
    plan = plan_of(asked({"min_mean_quality": floor}), solver)
    assert plan.ok
    assert plan.cost_usd == pytest.approx(usd)


def test_a_mean_above_the_best_is_infeasible_and_named() -> None:
    data = asked({"min_mean_quality": 0.95})
    with pytest.raises(Infeasible):
        plan_of(data)
    repairs = explain(load(data)).repairs
    assert "workloads.chat.needs.min_mean_quality" in [repair.field for repair in repairs]


def test_requests_are_counted_not_tokens() -> None:
    """Two workloads of their own sizes: each keeps its own mean, whatever the other sends."""
    works = [
        sized(name, {"requests_per_hour": 1000}, prompt_tokens=size, completion_tokens=0)
        | {"models": ["good", "fair"], "needs": {"min_mean_quality": 0.85}}
        for name, size in (("short", 1000), ("long", 9000))
    ]
    plan = plan_of(problem(works, OFFERS, models=MODELS))
    assert plan.cost_usd == pytest.approx((1 + 9) * (0.5 * 3 + 0.5 * 1))
    assert shares(plan, "short") == pytest.approx({"g": 0.5, "f": 0.5})


def test_what_is_left_unserved_does_not_count() -> None:
    """Half is served at most (a share of 0.5 needs as much on the dear one): leaving all costs 1.5, serving 2."""
    data = asked(routing={"shares": {"models": {"good": {"min": 0.5}}}}, unserved_usd_per_m_tokens=1.5)
    assert plan_of(data).cost_usd == pytest.approx(1.5)
    data = asked(routing={"shares": {"models": {"good": {"min": 0.2}}}}, unserved_usd_per_m_tokens=1.5)
    assert plan_of(data).cost_usd == pytest.approx(1.4)


def test_a_loss_is_survived_without_the_shares() -> None:
    """Without `f` all goes to `g`, though its share is at most 0.4; in the plan it has 0.4 at most."""
    data = asked(routing={"shares": {"offers": {"g": {"max": 0.4}}}})
    data["policy"] = {"survive_loss_of": "offer"}
    assert plan_of(data).cost_usd == pytest.approx(1.0)


def test_the_same_plan_breaks_a_higher_floor() -> None:
    plan = plan_of(asked({"min_mean_quality": 0.85}, {"shares": {"models": {"good": {"min": 0.5}}}}))
    tighter = load(asked({"min_mean_quality": 0.86}, {"shares": {"models": {"good": {"min": 0.51}}}}))
    assert "shares" in router.verify(tighter, plan).failed()


@pytest.mark.parametrize(
    ("routing", "path"),
    [
        ({"shares": {"models": {"other": {"max": 0.5}}}}, "shares.models.other"),
        ({"shares": {"offers": {"other": {"max": 0.5}}}}, "shares.offers.other"),
        ({"shares": {"providers": {"other": {"max": 0.5}}}}, "shares.providers.other"),
        ({"shares": {"offers": {"g": {"min": 0.6, "max": 0.5}}}}, "shares.offers.g.min"),
        ({"shares": {"offers": {"g": {"min": 0.6}, "f": {"min": 0.6}}}}, "shares.offers"),
        ({"splittable": False, "shares": {"offers": {"g": {"min": 0.6}}}}, "shares.offers.g"),
        ({"deny_offers": ["g"], "shares": {"models": {"good": {"min": 0.1}}}}, "shares.models.good.min"),
    ],
)
def test_what_cannot_be_meant_is_an_input_error(routing: Data, path: str) -> None:
    """The last: a minimum for what every route of is refused."""
    with pytest.raises(InputError) as error:
        plan_of(asked(routing=routing))
    assert [issue.path for issue in error.value.issues] == [f"workloads[0].routing.{path}"]


def test_compare_leaves_shares_out_and_keeps_the_floor() -> None:
    both = asked({"min_mean_quality": 0.85}, {"shares": {"offers": {"g": {"max": 0.5}}}})
    rows = {row.offer: row.cost_usd for row in compare(load(both)).offers}
    assert rows["g"] == pytest.approx(3.0)
    assert rows["f"] is None
