"""Small problems as data, and the plan of each: builders that keep the arithmetic of a test in view.

A workload of `hourly(1e6)` brings a million tokens an hour, all of them prompt, in requests of 1,000; an `api` asks one
price for every token; a `gpu` serves whole millions of tokens an hour. Costs can then be worked out in the head.
"""

from __future__ import annotations

import copy
import json
from typing import Any

from router.api import solve
from router.loading.catalogue import load_text
from router.plan.document import Plan
from router.schema import Problem
from solvers import SolveOptions

type Data = dict[str, Any]

#: HiGHS, and CBC as an independent second opinion.
SOLVERS = ("highs", "pulp:COIN_CMD")

MONTH = 730.0


def problem(
    workloads: list[Data] | Data,
    offers: list[Data] | Data,
    *,
    periods: int = 1,
    period_h: float = 1.0,
    models: Data | None = None,
    **rest: Any,
) -> Data:
    """A problem file as data; models are taken from the workloads and the offers."""
    workloads = workloads if isinstance(workloads, list) else [workloads]
    offers = offers if isinstance(offers, list) else [offers]
    names = {name for load in workloads for name in load["models"]}
    names |= {name for offer in offers for name in offer["models"]}
    horizon = {"periods": periods, "period_h": period_h, **rest.pop("horizon", {})}
    made = {name: {} for name in sorted(names)} | (models or {})
    return {
        "schema": "router/1",
        "horizon": horizon,
        "models": made,
        "workloads": copy.deepcopy(workloads),
        "offers": copy.deepcopy(offers),
        **rest,
    }


def hourly(tokens: float, name: str = "chat", **rest: Any) -> Data:
    """A workload of prompt tokens only, the same in every hour, in requests of 1,000 tokens."""
    return sized(name, {"tokens_per_hour": tokens}, **rest)


def monthly(tokens: float, name: str = "chat", **rest: Any) -> Data:
    """A workload of prompt tokens with so many in each month of 730 h; for problems with `period_h=MONTH`."""
    return sized(name, {"tokens_per_month": tokens}, **rest)


def by_period(tokens: list[float], name: str = "chat", **rest: Any) -> Data:
    """A workload with its prompt tokens of each period."""
    return sized(name, {"requests_by_period": [count / 1000 for count in tokens]}, **rest)


def sized(name: str, demand: Data, **rest: Any) -> Data:
    """A workload with requests of 1,000 prompt tokens unless another size is given."""
    size = {"prompt_tokens": 1000, "completion_tokens": 0}
    return {"name": name, "models": ["m"], "demand": demand, **size, **rest}


def api(name: str, usd_per_m: float, models: tuple[str, ...] = ("m",), **rest: Any) -> Data:
    """Pay per token, one price for every token of every model; or what tiers say in its place."""
    price = {"prompt_usd_per_m": usd_per_m, "completion_usd_per_m": usd_per_m}
    if rest.get("commitment", {}).get("tiers"):
        price = {}
    return {"name": name, "models": {model: dict(price) for model in models}, **rest}


def gpu(
    name: str,
    usd_per_h: float,
    m_tokens_per_h: float,
    models: tuple[str, ...] = ("m",),
    offer: Data | None = None,
    **instances: Any,
) -> Data:
    """Instances that serve so many million tokens an hour each; further fields go into `instances`."""
    rate = {"tokens_per_s": m_tokens_per_h * 1e6 / 3600}
    return {
        "name": name,
        "models": {model: dict(rate) for model in models},
        "instances": {"usd_per_h": usd_per_h, **instances},
        **(offer or {}),
    }


def load(data: Data) -> Problem:
    """The problem, through text and every check that a file passes."""
    return load_text(json.dumps(data), "problem.json")


def plan_of(data: Data, solver: str = "highs", scenario: str | None = None, **options: Any) -> Plan:
    """The verified plan; whatever `solve` raises is the test's to expect."""
    plan = solve(load(data), solver=solver, scenario=scenario, options=SolveOptions(**options))
    assert plan.ok
    return plan


def counts(plan: Plan) -> dict[str, list[float]]:
    """Instances by offer and period, over its models; offers without any are left out."""
    periods = 1 + max((row.period for row in (*plan.instances, *plan.routes)), default=0)
    found: dict[str, list[float]] = {}
    for row in plan.instances:
        found.setdefault(row.offer, [0.0] * periods)[row.period] += row.count
    return found


def shares(plan: Plan, workload: str | None = None, period: int | None = None) -> dict[str, float]:
    """Share of the work by offer, over models and periods (one period's where named)."""
    found: dict[str, float] = {}
    for row in plan.routes:
        if workload in (None, row.workload) and period in (None, row.period):
            found[row.offer] = found.get(row.offer, 0.0) + row.share
    return found


def usd(plan: Plan, offer: str | None = None, kind: str | None = None) -> float:
    """Money by offer and kind."""
    return sum(
        line.usd for line in plan.cost_lines if offer in (None, line.offer) and kind in (None, line.kind)
    )
