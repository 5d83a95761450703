"""27 equal fleets against one of them: like parts are searched once, and proved once.

    python tests/benchmarks/equal_fleets.py --seeds 1 2 3
    python tests/benchmarks/equal_fleets.py --families counts --seeds 2 --runs 5 --search

The fleets are one under other names of models, workloads and offers, and share nothing. What a file lists is in a
shuffled order, another one in each run and on each side.

search   from the encoded program to the incumbent: no reading, encoding, check or proof
proof    from the incumbent to what is proven of it
whole    what `router solve` does with the problem read: encoding, search, proof, check

With --search the first alone. Both sides in turn in one process, so many runs each; medians of CPU seconds, and their
ratios.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from router.planning.proving import with_proof
from router.planning.solve import Search, before_proof, encode_problem, planned
from router.schema import Problem
from solvers import SolveOptions

STEPS = ("search", "proof", "whole")


def trivial(seed: int) -> dict[str, Any]:
    """One workload, and three kinds of instance."""
    return counts(seed, loads=1, kinds=3)


def counts(seed: int, loads: int = 5, kinds: int = 16) -> dict[str, Any]:
    """Each workload at any of the kinds of instance, under a limit on cards: whole counts n, Σ rate · n ≥ demand."""
    rng = np.random.default_rng(seed)
    work = [
        {
            "name": f"work-{w}",
            "models": [f"m{w}"],
            "demand": {"requests_per_s": float(rng.integers(20, 60))},
            "prompt_tokens": 128,
            "completion_tokens": 1024,
        }
        for w in range(loads)
    ]
    usd = np.sort(rng.choice(np.arange(3.0, 80.0, 0.25), kinds, replace=False))
    offers = [
        {
            "name": f"kind-{k}",
            "models": {
                f"m{w}": {"requests_per_s": float(round(usd[k] * rng.uniform(0.02, 0.03), 5))}
                for w in range(loads)
            },
            "instances": {"usd_per_h": float(usd[k]), "max_utilisation": 1.0},
        }
        for k in range(kinds)
    ]
    group = {"name": "cards", "offers": [each["name"] for each in offers], "max_units": 200.0 * loads}
    return {"workloads": work, "offers": offers, "groups": [group]}


def contracts(seed: int, kinds: int = 4, hours: int = 48) -> dict[str, Any]:
    """Two models by the hour on instances that cost something to start, beside contracts with a minimum a month."""
    rng = np.random.default_rng(seed)
    clock, models = np.arange(hours), ("m0", "m1")
    work = []
    for w, model in enumerate(models):
        level = 10 ** rng.uniform(4.5, 5.5) * (1 + 0.7 * np.sin(2 * np.pi * (clock - rng.integers(24)) / 24))
        work.append(
            {
                "name": f"work-{w}",
                "models": [model],
                "demand": {"requests_by_period": (level * rng.uniform(0.8, 1.2, hours)).round(1).tolist()},
                "prompt_tokens": 900,
                "completion_tokens": 300,
            }
        )
    offers: list[dict[str, Any]] = []
    for k in range(kinds):
        rate = float(rng.uniform(5e3, 4e4))
        usd = rate * 3600 / 1e6 * float(rng.uniform(0.3, 0.6))
        offers.append(
            {
                "name": f"own-{k}",
                "models": {model: {"tokens_per_s": rate * float(rng.uniform(0.6, 1.4))} for model in models},
                "instances": {
                    "usd_per_h": usd,
                    "start_usd": usd * float(rng.uniform(0.5, 2.0)),
                    "min_up_h": float(rng.integers(2, 5)),
                    "max_utilisation": 0.8,
                },
            }
        )
    for k, usd in enumerate((1.0, 0.7, 0.75)):
        price = {"prompt_usd_per_m": usd, "completion_usd_per_m": usd}
        offers.append({"name": f"api-{k}", "models": {model: dict(price) for model in models}})
        if k:
            offers[-1]["commitment"] = {"min_usd_per_month": float(rng.uniform(2e3, 2e4))}
            offers[-1]["fee_usd_per_month"] = float(rng.uniform(50, 800))
    group = {"name": "cards", "offers": [f"own-{k}" for k in range(kinds)], "max_units": 20.0}
    return {
        "workloads": work,
        "offers": offers,
        "groups": [group],
        "horizon": {"periods": hours, "period_h": 1},
    }


FAMILIES: dict[str, Callable[[int], dict[str, Any]]] = {
    "trivial": trivial,
    "counts": counts,
    "contracts": contracts,
}


def equal_fleets(fleet: dict[str, Any], copies: int, seed: int = 0) -> Problem:
    """The fleet so many times under names of its own, in a shuffled order."""
    stated: dict[str, Any] = {"workloads": [], "offers": [], "groups": []}
    for copy in range(copies):
        for section, listed in stated.items():
            listed.extend(_named(each, f"f{copy}-") for each in fleet.get(section, ()))
    rng = np.random.default_rng(seed)
    stated = {key: [listed[i] for i in rng.permutation(len(listed))] for key, listed in stated.items()}
    models = sorted({model for load in stated["workloads"] for model in load["models"]})
    models = [models[i] for i in rng.permutation(len(models))]
    horizon = fleet.get("horizon", {"periods": 1, "period_h": 1})
    head = {"schema": "router/1", "name": f"{copies} equal fleets", "horizon": horizon}
    return Problem.model_validate(head | {"models": {each: {} for each in models}} | stated)


def _named(record: dict[str, Any], prefix: str) -> dict[str, Any]:
    """A workload, offer or group with what it names under a fleet's own names."""
    own = record | {"name": prefix + record["name"]}
    if "models" in record:
        models = record["models"]
        named = [prefix + each for each in models]
        own["models"] = dict(zip(named, models.values(), strict=True)) if isinstance(models, dict) else named
    if "offers" in record:
        own["offers"] = [prefix + each for each in record["offers"]]
    return own


def taken(
    problem: Problem, options: SolveOptions, search_alone: bool = False
) -> tuple[dict[str, float], float, str]:
    """CPU seconds of each step, what the plan costs, and whose word its bound is."""
    encoded = encode_problem(problem)
    began = process_time()
    incumbent = before_proof(encoded, Search("highs", options.begun()))
    searched = process_time()
    if search_alone:
        return {"search": searched - began}, incumbent.decoded.objective_usd, ""
    with_proof(problem, encoded, incumbent)
    proved = process_time()
    plan = planned(problem, Search("highs", options))
    ended = process_time()
    seconds = dict(zip(STEPS, (searched - began, proved - searched, ended - proved), strict=True))
    return seconds, plan.objective_usd, "none" if plan.proof is None else plan.proof.kind


def main() -> None:
    """Print a row a fleet: CPU seconds of one and of all, and how many times one all are."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--copies", type=int, default=27)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds")
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--search", action="store_true", help="that alone")
    given = parser.parse_args()
    say, options = sys.stdout.write, SolveOptions(time_limit_s=given.limit, gap=given.gap)
    steps = STEPS[:1] if given.search else STEPS
    heads = [f"{step}, one and {given.copies}, CPU s" for step in steps]
    say(
        f"| family, seed | {' | '.join(heads)} | proof | USD / USD of one |\n|---|{'---:|' * len(steps)}---|---:|\n"
    )
    taken(equal_fleets(trivial(0), 2), options)  # once, so that what is imported then counts for none
    for name in given.families:
        for seed in given.seeds:
            fleet, runs = FAMILIES[name](seed), []
            for order in range(given.runs):
                one = equal_fleets(fleet, 1, order)
                many = equal_fleets(fleet, given.copies, given.runs + order)
                runs.append((taken(one, options, given.search), taken(many, options, given.search)))
            cells = []
            for step in steps:
                alone, every = (median(run[side][0][step] for run in runs) for side in (0, 1))
                cells.append(f"{alone:.3f}, {every:.3f}: {every / alone:.2f} ×")
            (_, usd, kind), (_, every_usd, every_kind) = runs[-1]
            say(f"| {name} {seed} | {' | '.join(cells)} | {kind}, {every_kind} | {every_usd / usd:.6f} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
