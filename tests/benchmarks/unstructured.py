"""Families where the structure does not help, against the solver alone: unsplittable work, tight budgets, start costs.

    python tests/benchmarks/unstructured.py --seeds 1 2 3
    python tests/benchmarks/unstructured.py --seeds 1 --families starts --limit 60
    python tests/benchmarks/unstructured.py --integral 20 --families market starts --gap 1e-3

alone    the problem encoded, and HiGHS at its defaults on that program, to the gap
search   ours with the second look left out: search, check of the plan; no proof, no second search
all      ours as `router solve` does it, second look and proof included

Each side in turn in one process, CPU seconds after loading. With --integral instead the primal integral of the search
and of HiGHS: the mean over so many CPU seconds of how far the best plan so far is above the best of both sides,
relative to that, 1 while there is none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.synthetic import market
from router.planning.publish import publish
from router.planning.solve import Search, before_proof, checked, encode_problem, planned
from router.schema import Problem
from solvers import SolveOptions, solve

type Reached = list[tuple[float, float]]
"""CPU seconds and USD of each better plan."""


def unsplittable(seed: int, workloads: int = 90, offers: int = 8) -> Problem:
    """Each workload whole at one of eight fleets or by the token; fleets share cards, an API has a quota."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(2e3, 2e4, offers)
    loads = [
        _load(w, {"tokens_per_month": float(10 ** rng.uniform(9, 10.3)), "completion_share": 0.25})
        | {"routing": {"splittable": False}}
        for w in range(workloads)
    ]
    own = [
        {
            "name": f"own-{k}",
            "models": {"m": {"tokens_per_s": float(rate[k])}},
            "instances": {
                "usd_per_h": float(rate[k] * 3600 / 1e6 * rng.uniform(0.3, 0.6)),
                "max": float(rng.integers(2, 8)),
                "max_utilisation": 0.8,
            },
        }
        for k in range(offers)
    ]
    group = {"name": "cards", "offers": [each["name"] for each in own], "max_units": 4.0 * offers}
    return _problem(f"unsplittable, seed {seed}", loads, [_api(1.0), *own], groups=[group])


def budgets(seed: int, workloads: int = 120, offers: int = 24) -> Problem:
    """Contracts with a minimum a month, more of them worth signing than may be committed to; no two workloads alike."""
    rng = np.random.default_rng(seed)
    loads = [
        _load(
            w,
            {
                "tokens_per_month": float(10 ** rng.uniform(9, 10)),
                "completion_share": float(rng.uniform(0.1, 0.4)),
            },
        )
        | {"models": [f"m{w % 6}"]}
        for w in range(workloads)
    ]
    contracts = []
    for k in range(offers):
        usd, more = float(rng.uniform(0.3, 0.8)), float(rng.uniform(1.0, 1.5))
        sold = rng.choice(6, size=3, replace=False).tolist()
        contracts.append(
            {
                "name": f"contract-{k}",
                "models": {
                    f"m{m}": {"prompt_usd_per_m": usd, "completion_usd_per_m": more * usd} for m in sold
                },
                "commitment": {"min_usd_per_month": float(10 ** rng.uniform(3.3, 4.3))},
                "quota": {"tokens_per_minute": float(10 ** rng.uniform(5.3, 6))},
                "fee_usd_per_month": float(rng.uniform(50, 800)),
            }
        )
    committed = sum(each["commitment"]["min_usd_per_month"] for each in contracts)
    policy = {"max_committed_usd": 0.3 * committed}
    return _problem(f"budgets, seed {seed}", loads, [_api(1.0, 6), *contracts], models=6, policy=policy)


def starts(seed: int, models: int = 2, kinds: int = 4, hours: int = 48) -> Problem:
    """Instances that cost something to start and run for some hours at least, under a limit on cards in each hour."""
    rng = np.random.default_rng(seed)
    clock = np.arange(hours)
    loads = []
    for w in range(2 * models):
        level = 10 ** rng.uniform(4.5, 5.5) * (1 + 0.7 * np.sin(2 * np.pi * (clock - rng.integers(24)) / 24))
        demand = {"requests_by_period": (level * rng.uniform(0.8, 1.2, hours)).round(1).tolist()}
        loads.append(
            _load(w, demand)
            | {"models": [f"m{w % models}"], "prompt_tokens": 900.0, "completion_tokens": 300.0}
        )
    own = []
    for k in range(kinds):
        rate = float(rng.uniform(5e3, 4e4))
        usd = rate * 3600 / 1e6 * float(rng.uniform(0.3, 0.6))
        own.append(
            {
                "name": f"own-{k}",
                "models": {
                    f"m{m}": {"tokens_per_s": rate * float(rng.uniform(0.6, 1.4))} for m in range(models)
                },
                "instances": {
                    "usd_per_h": usd,
                    "start_usd": usd * float(rng.uniform(0.5, 2.0)),
                    "min_up_h": float(rng.integers(2, 5)),
                    "max_utilisation": 0.8,
                },
            }
        )
    group = {"name": "cards", "offers": [each["name"] for each in own], "max_units": 10.0 * models}
    horizon = {"periods": hours, "period_h": 1}
    return _problem(
        f"starts, seed {seed}",
        loads,
        [_api(1.0, models), *own],
        models=models,
        groups=[group],
        horizon=horizon,
    )


FAMILIES: dict[str, Callable[[int], Problem]] = {
    "unsplittable": unsplittable,
    "budgets": budgets,
    "starts": starts,
    "market": lambda seed: market(200, 30, 6, seed=seed),
}


def _load(w: int, demand: dict[str, Any]) -> dict[str, Any]:
    return {"name": f"work-{w}", "models": ["m"], "demand": demand}


def _api(usd: float, models: int | None = None) -> dict[str, Any]:
    names = ["m"] if models is None else [f"m{k}" for k in range(models)]
    price = {"prompt_usd_per_m": usd, "completion_usd_per_m": usd}
    return {"name": "api", "models": {name: dict(price) for name in names}}


def _problem(
    name: str,
    loads: list[dict[str, Any]],
    offers: list[dict[str, Any]],
    models: int | None = None,
    **more: Any,
) -> Problem:
    names = ["m"] if models is None else [f"m{k}" for k in range(models)]
    stated = {"schema": "router/1", "name": name, "models": {each: {} for each in names}}
    return Problem.model_validate(stated | {"workloads": loads, "offers": offers} | more)


def alone(problem: Problem, options: SolveOptions) -> tuple[float, float]:
    """USD and bound of HiGHS on the encoded program."""
    answer = solve(encode_problem(problem).program, "highs", options)
    return float("nan") if answer.objective is None else answer.objective, answer.bound


def search(problem: Problem, options: SolveOptions) -> tuple[float, float]:
    """USD and bound of ours without a second look."""
    encoded = encode_problem(problem)
    best = before_proof(encoded, Search("highs", options.begun()))
    plan = checked(encoded, best, lambda each: publish(problem, each))
    return plan.objective_usd, best.bound


def whole(problem: Problem, options: SolveOptions) -> tuple[float, float]:
    """USD and bound of ours."""
    plan = planned(problem, Search("highs", options))
    return plan.objective_usd, plan.bound_usd


SIDES = {"alone": alone, "search": search, "all": whole}


def rows(
    names: list[str], seeds: list[int], options: SolveOptions
) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Family, seed and by side (USD, bound, CPU seconds)."""
    for solved in SIDES.values():  # once, so that what is imported then counts for none
        solved(starts(0, 1, 2, 4), options)
    for name in names:
        for seed in seeds:
            problem, taken = FAMILIES[name](seed), {}
            for side, solved in SIDES.items():
                began = process_time()
                usd, bound = solved(problem, options)
                taken[side] = usd, bound, process_time() - began
            yield name, seed, taken


def integrals(problem: Problem, asked: SolveOptions, over_s: float) -> dict[str, float]:
    """The primal integral of each side, see the module."""
    found: dict[str, Reached] = {}
    for side in ("alone", "search"):
        reached: Reached = []
        began = process_time()

        def watch(usd: float, _: float, reached: Reached = reached, began: float = began) -> None:
            if usd < min((each for _, each in reached), default=np.inf):
                reached.append((process_time() - began, usd))

        usd, _ = SIDES[side](problem, replace(asked, watch=watch))
        watch(usd, 0.0)
        found[side] = reached
    best = min(usd for reached in found.values() for _, usd in reached)
    return {side: _mean_above(reached, best, over_s) for side, reached in found.items()}


def _mean_above(reached: Reached, best: float, over_s: float) -> float:
    area, now, above = 0.0, 0.0, 1.0
    for at, usd in reached:
        at = min(at, over_s)
        area, now, above = area + above * (at - now), at, min(usd / best - 1.0, 1.0)
    return (area + above * (over_s - now)) / over_s


def main() -> None:
    """Print a row a problem, and medians of ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", nargs="+", default=["unsplittable", "budgets", "starts"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--limit", type=float, default=60.0, help="seconds")
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--integral", type=float, metavar="SECONDS", help="of CPU, over which it is taken")
    given = parser.parse_args()
    say, options = sys.stdout.write, SolveOptions(time_limit_s=given.limit, gap=given.gap)
    if given.integral is not None:
        say("| family | seed | HiGHS alone | search |\n|---|---:|---:|---:|\n")
        for name in given.families:
            for seed in given.seeds:
                mean = integrals(FAMILIES[name](seed), options, given.integral)
                say(f"| {name} | {seed} | {mean['alone']:.2%} | {mean['search']:.2%} |\n")
                sys.stdout.flush()
        return
    say("| family | seed | alone: USD, gap, CPU s | search | all | search / alone | all / alone |\n")
    say("|---|---:|---|---|---|---:|---:|\n")
    ratios: dict[str, list[float]] = {"search": [], "all": []}
    for name, seed, taken in rows(given.families, given.seeds, options):
        shown = " | ".join(
            f"{usd:,.2f}, {(usd - bound) / usd:.3%}, {cpu:.2f}" for usd, bound, cpu in taken.values()
        )
        for side, known in ratios.items():
            known.append(taken[side][2] / taken["alone"][2])
        say(f"| {name} | {seed} | {shown} | {ratios['search'][-1]:.2f} | {ratios['all'][-1]:.2f} |\n")
        sys.stdout.flush()
    say(f"medians: search {median(ratios['search']):.2f}, all {median(ratios['all']):.2f}\n")


if __name__ == "__main__":
    main()
