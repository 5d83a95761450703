"""Recipes: cascades, drafts and guards worked out by hand, their laws, brute force, and what is refused by name."""

from __future__ import annotations

import json
from itertools import product
from random import Random
from typing import Any

import pytest
import yaml
from campaign import times
from problem_factory import SOLVERS, Data, api, gpu, load, plan_of, problem, sized, usd
from scipy.optimize import linprog

import router
from router.comparison import compare
from router.errors import Infeasible, InputError
from router.explaining.run import explain
from router.exporters.litellm import litellm
from router.simulation import simulate
from router.sizing import SizeOptions, size

MODELS = {"big": {"quality": 0.9}, "small": {"quality": 0.8}}
OFFERS = [api("b", 10, ("big",)), api("s", 1, ("small",))]
CASCADE = {
    "name": "cascade",
    "quality": 0.88,
    "steps": [{"models": ["small"]}, {"models": ["big"], "requests": 0.3, "prompt_tokens": 2000}],
}


def asked(*recipes: Data, offers: list[Data] | None = None, periods: int = 1, **work: Any) -> Data:
    """A thousand requests an hour of 1,000 tokens: a million, 10 USD by the big model, 1 USD by the small one."""
    made = sized("chat", {"requests_per_hour": 1000}, recipes=list(recipes), **work)
    return problem([made | {"models": ["big", "small"]}], offers or OFFERS, models=MODELS, periods=periods)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("floor", "cost"), [(0.8, 1.0), (0.88, 7.0), (0.89, 10.0)], ids=["small", "cascade", "big"]
)
def test_a_recipe_is_taken_where_it_keeps_the_quality_for_less(
    floor: float, cost: float, solver: str
) -> None:
    """1 for the small model, and 0.3 · 2,000 tokens at 10: 7 USD. Its steps' models are not asked for their quality."""
    plan = plan_of(asked(CASCADE, needs={"min_quality": floor}), solver)
    assert plan.cost_usd == pytest.approx(cost)
    assert plan.stop == "optimal"
    assert plan.gap == pytest.approx(0.0, abs=1e-6)


def test_rows_name_recipe_and_step_with_its_requests() -> None:
    plan = plan_of(asked(CASCADE, needs={"min_quality": 0.88}))
    rows = [
        (row.recipe, row.step, row.offer, row.share, row.requests, row.prompt_tokens) for row in plan.routes
    ]
    assert rows == [
        ("cascade", 0, "s", 1.0, 1000.0, 1e6),
        ("cascade", 1, "b", pytest.approx(0.3), pytest.approx(300.0), pytest.approx(6e5)),
    ]
    assert router.Plan.from_dict(json.loads(plan.to_json())) == plan


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_mean_counts_a_recipe_once_with_its_own_quality(solver: str) -> None:
    """0.85 of 0.88 and 0.8 takes 5/8 to the cascade, 6 USD dearer: 1 + 6 · 5/8 = 4.75. With the big model 1 + 9/2."""
    plan = plan_of(asked(CASCADE, needs={"min_mean_quality": 0.85}), solver)
    assert plan.cost_usd == pytest.approx(4.75)
    assert router.verify(load(asked(CASCADE, needs={"min_mean_quality": 0.86})), plan).failed() == (
        "problem",
        "shares",
    )


def test_shares_count_every_step_by_its_requests() -> None:
    """Of 1.3 requests by the cascade 0.3 go to the big model; nothing else is good enough.

    Where a fifth of all must go there: 1 + 9 · 0.2 by itself, or 1 + 6 x with x of the work by the cascade."""
    needs = {"min_quality": 0.88}
    routing = {"shares": {"models": {"big": {"max": 0.2}}}}
    with pytest.raises(Infeasible):
        plan_of(asked(CASCADE, needs=needs, routing=routing))
    routing = {"shares": {"models": {"big": {"max": 0.3 / 1.3 + 1e-9}}}}
    assert plan_of(asked(CASCADE, needs=needs, routing=routing)).cost_usd == pytest.approx(7.0)
    mixed = asked(CASCADE, routing={"shares": {"models": {"big": {"min": 0.2}}}})
    x = 0.2 / (0.3 - 0.2 * 0.3)  # of the work by the cascade: 0.3 x = 0.2 (1 + 0.3 x), 1 + 6 x USD
    assert plan_of(mixed).cost_usd == pytest.approx(min(1 + 6 * x, 1 + 9 * 0.2))


def test_provider_shares_count_the_tokens_of_steps() -> None:
    """Of 1.6 M tokens 0.6 M go to the big model's seller: 0.375."""
    data = asked(CASCADE, needs={"min_quality": 0.88}, routing={"max_share_per_provider": 0.625})
    assert plan_of(data).cost_usd == pytest.approx(7.0)
    data["workloads"][0]["routing"]["max_share_per_provider"] = 0.62
    assert plan_of(data).cost_usd > 7.0  # some of it by the big model alone
    data["policy"] = {"max_share_per_provider": 0.62}
    data["workloads"][0]["routing"] = {}
    assert plan_of(data).cost_usd > 7.0


@pytest.mark.parametrize("solver", SOLVERS)
def test_steps_load_instances_and_all_run_in_the_period_of_the_work(solver: str) -> None:
    """Work of either hour may run in both; the replica of the first step holds for a million tokens and costs 2: one in
    one of the hours only if both steps run there. 2 M tokens in an hour need two; 1 M in each of two hours one each."""
    offers = [api("b", 10, ("big",)), gpu("s", 2, 1, ("small",), resize="horizon")]
    data = asked(CASCADE, offers=offers, periods=2, needs={"min_quality": 0.88}, deferrable_h=2)
    plan = plan_of(data, solver)
    assert plan.cost_usd == pytest.approx(2 * 2 + 2 * 6)
    by_period = [sum(row.requests or 0 for row in plan.routes if row.period == t) for t in range(2)]
    assert by_period == pytest.approx([1300, 1300])


def test_unsplittable_work_has_one_recipe_and_one_route_a_step() -> None:
    """Sold up to 500 requests an hour at 0.5 USD by `cheap`: work that may be split takes it for half."""
    cheap = api("cheap", 0.5, ("small",), quota={"requests_per_minute": 500 / 60})
    data = asked(CASCADE, offers=[*OFFERS, cheap], needs={"min_quality": 0.88})
    assert plan_of(data).cost_usd == pytest.approx(0.75 + 6)
    data["workloads"][0]["routing"] = {"splittable": False}
    plan = plan_of(data)
    assert plan.cost_usd == pytest.approx(7.0)
    data["workloads"][0]["routing"] = {}
    split = plan_of(data)
    data["workloads"][0]["routing"] = {"splittable": False}
    assert "unsplittable" in router.verify(load(data), split).failed()


@pytest.mark.parametrize("splittable", [True, False])
def test_a_recipe_of_one_step_is_its_model(splittable: bool) -> None:
    """Law, with an SLO, an allowance, a quota and waiting instances in the way."""
    own = gpu("own", 2, 1, ("small",))
    own["models"]["small"] |= {"ttft_p99_ms": 10, "tpot_p99_ms": 1}
    offers = [own, *OFFERS]
    offers[1]["models"]["big"] |= {"ttft_p99_ms": 100, "tpot_p99_ms": 1}
    work = {"slo": {"ttft_p99_ms": 5000}, "routing": {"splittable": splittable}, "deferrable_h": 1}
    plain = asked(offers=offers, periods=2, **work)
    plain["workloads"][0]["models"] = ["small"]
    other = asked(
        {"name": "alone", "quality": 1, "steps": [{"models": ["small"]}]}, offers=offers, periods=2, **work
    )
    other["workloads"][0] |= {"models": ["big"]}
    other["offers"][1]["models"]["big"]["prompt_usd_per_m"] = 1000
    assert plan_of(other).cost_usd == pytest.approx(plan_of(plain).cost_usd)


def test_origins_have_each_step_by_itself() -> None:
    plan = plan_of(asked(CASCADE, needs={"min_quality": 0.88}, origin={"eu": 0.75, "us": 0.25}))
    assert plan.cost_usd == pytest.approx(7.0)
    found = {(row.origin, row.step): row.share for row in plan.routes}
    assert found == pytest.approx({("eu", 0): 0.75, ("us", 0): 0.25, ("eu", 1): 0.225, ("us", 1): 0.075})


def test_work_that_may_be_left_is_left_by_recipe_too() -> None:
    data = asked(CASCADE, needs={"min_quality": 0.88}, unserved_usd_per_m_tokens=6)
    assert plan_of(data).cost_usd == pytest.approx(6.0)


def test_futures_bring_all_steps() -> None:
    data = asked(CASCADE, needs={"min_quality": 0.88})
    data["scenarios"] = [
        {"name": "base", "probability": 0.5},
        {"name": "surge", "probability": 0.5, "demand": {"chat": 3}},
    ]
    made = size(load(data), how=SizeOptions())
    assert made.cost_usd == pytest.approx(2 * 7.0)


def test_every_command_follows_recipes_or_refuses_them_by_name() -> None:
    data = asked(CASCADE, needs={"min_quality": 0.88})
    stated = load(data)
    plan = plan_of(data)
    assert {row.offer: row.cost_usd for row in compare(stated).offers} == {
        "b": pytest.approx(10.0),
        "s": None,
    }
    both = asked(CASCADE, needs={"min_quality": 0.88}, offers=[api("one", 1, ("big", "small"))])
    assert compare(load(both)).offers[0].cost_usd == pytest.approx(1.0)
    assert not any("latency" in row.reasons for row in explain(stated).refused)
    assert simulate(stated, plan, requests=100).periods
    exported = litellm(plan, stated)
    groups = {entry["model_name"] for entry in yaml.safe_load(exported.text)["model_list"]}
    assert groups == {"chat/cascade/0", "chat/cascade/1"}
    chains = yaml.safe_load(exported.text)["router_settings"]["fallbacks"]
    assert chains == [{"chat/cascade/0": ["chat/cascade/1"]}]
    assert any("by recipe cascade" in said for said in exported.remarks)


def test_a_step_that_carries_less_fails_its_check() -> None:
    stated = load(asked(CASCADE, needs={"min_quality": 0.88}))
    data = plan_of(asked(CASCADE, needs={"min_quality": 0.88})).to_dict()
    row = data["routes"][1]
    row.update({key: row[key] / 2 for key in ("share", "requests", "prompt_tokens")})
    failed = router.verify(stated, router.Plan.from_dict(data)).failed()
    assert "recipes" in failed
    assert not {"demand", "quantities"} & set(failed)
    row["step"] = 7
    assert "fields" in router.verify(stated, router.Plan.from_dict(data)).failed()


def test_explain_says_what_would_admit_a_recipe() -> None:
    worse = CASCADE | {"quality": 0.85}
    found = explain(load(asked(worse, needs={"min_quality": 0.88})))
    texts = {(row.recipe, row.step, row.changes) for row in found.refused if "quality" in row.reasons}
    assert ("cascade", 0, ("needs.min_quality: 0.85 (is 0.88)",)) in texts


@pytest.mark.parametrize(
    ("work", "recipe", "path"),
    [
        ({}, CASCADE | {"steps": [{"models": ["other"]}]}, "recipes[0].steps[0].models[0]"),
        ({}, CASCADE | {"steps": [{"models": ["big", "big"]}]}, "recipes[0].steps[0].models[1]"),
        ({}, CASCADE | {"steps": [{"models": ["big"], "prompt_tokens": 0}]}, "recipes[0].steps[0]"),
        ({}, CASCADE | {"steps": [{"models": ["big"], "cached_prompt_share": 0.6}]}, "recipes[0].steps[0]"),
        ({"name": "chat by cascade step 1"}, CASCADE, "recipes[0].name"),
    ],
)
def test_what_cannot_be_meant_is_an_input_error(work: Data, recipe: Data, path: str) -> None:
    name = work.pop("name", None)
    data = asked(recipe, cache_write_share=0.5, **work)
    if name:
        data["workloads"].append(sized(name, {"requests_per_hour": 1}, models=["small"]))
    with pytest.raises(InputError) as error:
        load(data)
    assert [issue.path for issue in error.value.issues] == [f"workloads[0].{path}"]


def spread(least: int, share: float, **work: Any) -> Data:
    """Two sellers of each model, and a third of the small one."""
    sold = [("s1", 1, "small"), ("s2", 2, "small"), ("s3", 9, "small"), ("b1", 10, "big"), ("b2", 15, "big")]
    offers = [api(name, price, (model,)) for name, price, model in sold]
    routing = {"min_providers": least, "min_share_per_provider": share}
    return asked(CASCADE, offers=offers, routing=routing, **work)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_step_has_so_many_providers(solver: str) -> None:
    """A fifth of each step at the dearer one: 0.8 · 1 + 0.2 · 2 = 1.2, and 0.6 · (0.8 · 10 + 0.2 · 15) = 6.6 USD. For a
    mean quality of 0.84 a third goes there, and of the rest a fifth at 0.9 to b1, the rest to s1 at 0.8: two
    providers as well: 7.8 / 3 + 2/15 · 10 + 8/15 · 1. Of three the big model has too few: 0.6 · 1 + 0.2 · (2 + 9).
    """
    for data, right in (
        (spread(2, 0.2, needs={"min_quality": 0.88}), 7.8),
        (spread(2, 0.2, needs={"min_mean_quality": 0.84}), (3 * 13 + 20 + 8) / 15),
        (spread(3, 0.2), 0.6 + 2.2),
    ):
        plan = plan_of(data, solver)
        assert plan.cost_usd == pytest.approx(right)
        assert plan.gap == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(Infeasible):
        plan_of(spread(3, 0.2, needs={"min_quality": 0.88}), solver)


def test_the_providers_of_steps_are_checked_and_are_as_those_of_a_model() -> None:
    plan = router.solve(load(spread(2, 0.2, needs={"min_quality": 0.88})))
    assert "min_providers" in router.verify(load(spread(2, 0.3, needs={"min_quality": 0.88})), plan).failed()
    alone = spread(2, 0.2, needs={"min_quality": 0.88})
    alone["workloads"][0]["recipes"] = [{"name": "one", "quality": 0.88, "steps": [{"models": ["small"]}]}]
    assert plan_of(alone).cost_usd == pytest.approx(1.2)
    free = spread(2, 0.2)
    del free["workloads"][0]["recipes"]
    assert plan_of(free).cost_usd == pytest.approx(1.2)


def test_recipes_need_a_size() -> None:
    data = asked(CASCADE)
    work = data["workloads"][0]
    work["demand"] = {"tokens_per_hour": 1e6, "completion_share": 0}
    del work["prompt_tokens"], work["completion_tokens"]
    with pytest.raises(InputError) as error:
        load(data)
    assert [issue.path for issue in error.value.issues].count("workloads[0].recipes") == 1


def test_a_median_is_of_the_steps_that_half_need() -> None:
    """Of 0.3 escalations the median request has none: the first step keeps the promise by itself. p90 has both."""
    fast = [api("b", 10, ("big",)), api("s", 1, ("small",))]
    fast[0]["models"]["big"] |= {"ttft_p50_ms": 400}
    fast[1]["models"]["small"] |= {"ttft_p50_ms": 300}
    needs = {"min_quality": 0.88}
    slow = asked(CASCADE, offers=fast, needs=needs, slo={"ttft_p50_ms": 300})
    assert plan_of(slow).cost_usd == pytest.approx(7.0)
    slow["workloads"][0]["slo"] = {"ttft_p50_ms": 299}
    with pytest.raises(Infeasible):
        plan_of(slow)


def _random(rng: Random) -> Data:
    """Up to two recipes of one to three steps over three models, apis with quotas, and pools."""
    models = ["a", "b", "c"]

    def step() -> Data:
        return {
            "models": rng.sample(models, rng.choice((1, 2))),
            "requests": rng.choice((0.25, 0.5, 1, 2)),
            "prompt_tokens": rng.choice((200, 1000, 3000)),
        }

    recipes = [
        {"name": f"r{i}", "steps": [step() for _ in range(rng.choice((1, 2, 3)))]}
        for i in range(rng.choice((1, 2)))
    ]
    offers = [
        api("dear", 6, tuple(models)),
        api("one", rng.choice((1, 2)), ("b",), quota={"tokens_per_minute": rng.choice((5e3, 1e4))}),
        gpu("own", rng.choice((1, 2)), 1, ("c",), max=rng.choice((1, 2)), shared_by_models=True),
    ]
    work = sized("w", {"requests_per_hour": 1000}, recipes=recipes) | {"models": ["a"]}
    return problem([work], offers, models={name: {} for name in models})


def _by_paths(data: Data) -> float:
    """The least cost over counts of `own`, and of each over the shares of whole paths: a route for every step."""
    work, offers = data["workloads"][0], data["offers"]
    plain = [{"models": work["models"], "requests": 1, "prompt_tokens": 1000}]
    paths = []
    for steps in (plain, *(recipe["steps"] for recipe in work["recipes"])):
        routes = [[(o, step) for o in offers for m in step["models"] if m in o["models"]] for step in steps]
        paths += list(product(*routes))
    best = float("inf")
    for count in range(int(offers[2]["instances"]["max"]) + 1):
        cost, tokens, load_ = [], [], []
        for path in paths:
            amounts = [(offer, step["requests"] * step["prompt_tokens"] / 1e3) for offer, step in path]  # M
            cost.append(
                sum(m * next(iter(o["models"].values())).get("prompt_usd_per_m", 0.0) for o, m in amounts)
            )
            tokens.append(sum(m for o, m in amounts if o["name"] == "one"))
            load_.append(sum(m for o, m in amounts if o["name"] == "own"))
        most = [offers[1]["quota"]["tokens_per_minute"] * 60 / 1e6, count]
        found = linprog(cost, A_ub=[tokens, load_], b_ub=most, A_eq=[[1.0] * len(paths)], b_eq=[1.0])
        if found.success:
            best = min(best, found.fun + count * offers[2]["instances"]["usd_per_h"])
    return best


@pytest.mark.parametrize("seed", range(times(4)))
def test_brute_force_over_whole_paths(seed: int) -> None:
    data = _random(Random(seed))
    best = _by_paths(data)
    for solver in SOLVERS:
        plan = plan_of(data, solver)
        assert plan.cost_usd == pytest.approx(best, rel=1e-6)
        assert usd(plan) == pytest.approx(best, rel=1e-6)


def test_who_can_be_served_by_a_recipe_is_not_said_to_be_refused() -> None:
    """Its quota of 60 escalations an hour is too small; that the models alone are too bad is not why."""
    offers = [api("b", 10, ("big",), quota={"requests_per_minute": 1}), OFFERS[1]]
    with pytest.raises(Infeasible, match="limits"):
        plan_of(asked(CASCADE | {"quality": 0.96}, offers=offers, needs={"min_quality": 0.95}))
    with pytest.raises(Infeasible, match="chat by cascade step 0"):
        plan_of(asked(CASCADE, offers=offers, needs={"min_quality": 0.95}))
