"""How long the scheduled run and its store take.

    pytest tests/benchmarks/test_bench_reoptimise.py -s

A store of 10,000 plans: `history` and `diff` as commands, and finding the running plan. A run on a day of 60 workloads
and 20 offers whose demand has drifted: with the running plan as the solver's start, and without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pytest
from sqlalchemy import insert, select

from benchmarks.synthetic import market
from router.api import solve
from router.cli import run
from router.loading.shipped import text_of
from router.plan.document import Plan
from router.planning.solve import Search
from router.reoptimisation.searches import Searches
from router.schema import Problem, Reoptimise
from router.store import Entry, Outcome
from router.store.database import transaction
from router.store.history import Store
from router.store.tables import plans
from solvers import SolveOptions

PLANS = 10_000


def test_a_store_of_ten_thousand_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "fleet.yaml").write_text(text_of("fleet"))
    plan = solve(tmp_path / "fleet.yaml")
    url = f"sqlite:///{tmp_path / 'router.db'}"
    with Store.open(url) as store, store.lease(plan.name, 60) as lease:
        store.publish(lease, plan, {}, Outcome("k", "first", None, plan.cost_usd, None))
        with transaction(store.engine, writes=True) as connection:
            row = dict(connection.execute(select(plans)).one()._mapping)
            row.pop("id")
            connection.execute(insert(plans), [row] * (PLANS - 1))
    size = sum(part.stat().st_size for part in tmp_path.glob("router.db*"))
    told = [
        f"{PLANS:,} plans of {len(plan.routes)} routes, {len(plan.to_json()):,} bytes each, {size / 1e6:.0f} MB"
    ]
    for words in (["history"], ["history", "--all", "--json"], ["diff", "1", str(PLANS)]):
        begin = perf_counter()
        assert run([*words, "--store", url]) == 0
        told.append(f"router {' '.join(words)}: {perf_counter() - begin:.3f} s")
    with Store.open(url) as store:
        begin = perf_counter()
        assert store.running(plan.name) is not None
        told.append(f"the running plan: {perf_counter() - begin:.4f} s")
    capsys.readouterr()
    with capsys.disabled():
        print("\n" + "\n".join(told))  # noqa: T201


def demand_moved(problem: Problem, seed: int) -> Problem:
    """The same with every workload's demand moved by a few per cent: the running plan breaks somewhere."""
    rng = np.random.default_rng(seed)
    loads = []
    for load in problem.workloads:
        by = float(np.exp(rng.normal(0, 0.03)))
        values = {
            name: tuple(count * by for count in value) if isinstance(value, tuple) else value * by
            for name, value in load.demand.model_dump(exclude_none=True).items()
            if isinstance(value, float | tuple) and name != "completion_share"
        }
        loads.append(load.model_copy(update={"demand": load.demand.model_copy(update=values)}))
    return problem.model_copy(update={"workloads": tuple(loads)})


def prices_moved(problem: Problem, seed: int) -> Problem:
    """The same with rents moved by some per cent: the running plan is sound, and no longer the best."""
    rng = np.random.default_rng(seed)
    offers = []
    for offer in problem.offers:
        if offer.instances is not None:
            usd = offer.instances.usd_per_h * float(np.exp(rng.normal(0, 0.2)))
            offer = offer.model_copy(
                update={"instances": offer.instances.model_copy(update={"usd_per_h": usd})}
            )
        offers.append(offer)
    return problem.model_copy(update={"offers": tuple(offers)})


@pytest.mark.parametrize("moved", [demand_moved, prices_moved])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_starting_from_what_is_known(
    seed: int, moved: Callable[[Problem, int], Problem], capsys: pytest.CaptureFixture[str]
):
    problem = market(60, 20, 24, seed=seed)
    change = Reoptimise(resize_usd=0.5, move_usd_per_m_tokens=0.01)
    problem = problem.model_copy(update={"reoptimise": change})
    search = Search("highs", SolveOptions(time_limit_s=60.0, gap=1e-3, threads=1, seed=0))
    plan: Plan = solve(problem, options=search.options)
    stated = problem.model_dump(mode="json", by_alias=True, exclude_none=True)
    work = Searches(moved(problem, seed), Entry(1, "k", plan, stated), search, lambda *_, **__: None)
    going, free = work.go_on(), work.free()
    timed = []
    for known in ((going, free), (replace(going, incumbent=None), None)):
        begin = process_time()
        found, _ = work.change(*known)
        cost = found.decoded.cost_usd
        timed.append((process_time() - begin, cost, found.stop.value))
    with capsys.disabled():
        words = [f"{seconds:.2f} s of CPU to {cost:,.2f} USD, {stop}" for seconds, cost, stop in timed]
        state = "broken, from the free plan" if going.broken else "sound, from the running plan"
        print(f"\n{moved.__name__} {seed}, {state}: {words[0]}; cold: {words[1]}")  # noqa: T201
