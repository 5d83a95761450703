"""The figures at the top of a plan: cost, bound, gap, futures, and which problem it is a plan of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from router.loading.fingerprint import problem_sha256
from router.verification.case import MONTH_H, Case
from router.verification.checks import Ledger
from router.verification.money import Costs
from router.verification.rows import PlanRows


def expected(case: Case, costs: Costs) -> float:
    """Σ probability · cost."""
    return math.fsum(future.probability * costs.of(future) for future in case.futures)


def cvar(weighted: list[tuple[float, float]], level: float) -> float:
    """Mean cost of the worst 1 − level of the probability, from (probability, cost)."""
    left = 1.0 - level
    parts = []
    for probability, cost in sorted(weighted, key=lambda pair: -pair[1]):
        taken = min(probability, left)
        parts.append(taken * cost)
        left -= taken
        if left <= 0:
            break
    return math.fsum(parts) / (1.0 - level - max(left, 0.0))


def mixed(case: Case, usd: Sequence[float]) -> float:
    """(1 − weight) · mean + weight · CVaR of one amount per future."""
    risk = case.problem.risk
    weighted = [(future.probability, each) for future, each in zip(case.futures, usd, strict=True)]
    mean = math.fsum(probability * each for probability, each in weighted)
    if risk.cvar_weight == 0 or len(weighted) == 1:
        return mean
    return (1.0 - risk.cvar_weight) * mean + risk.cvar_weight * cvar(weighted, risk.cvar_level)


def check_problem(case: Case, plan: PlanRows, ledger: Ledger) -> None:
    """The plan is one of this very problem."""
    try:
        sha256 = problem_sha256(case.problem)
    except OSError as error:  # a trace counts by its content
        ledger.fault(f"a file of the problem cannot be read: {error}")
        return
    ledger.require(plan.name == case.problem.name, "name is", repr(plan.name))
    ledger.require(plan.problem_sha256 == sha256, "problem_sha256 is", plan.problem_sha256, "not", sha256)
    if plan.horizon_h is not None:
        ledger.equal(plan.horizon_h, case.horizon_h, "horizon_h")


def check_cost(case: Case, plan: PlanRows, costs: Costs, ledger: Ledger) -> None:
    """cost_usd is the sum of its lines, and of ours; the figure per month follows from it."""
    if plan.cost_usd is None:
        ledger.fault("cost_usd is not stated")
        return
    ledger.money(math.fsum(line.usd for line in plan.cost_lines), plan.cost_usd, "sum of cost_lines")
    if plan.cost_usd_per_month is not None:
        monthly = plan.cost_usd * MONTH_H / case.horizon_h
        ledger.money(plan.cost_usd_per_month, monthly, "cost_usd_per_month")
    ledger.money(plan.cost_usd, expected(case, costs), "cost_usd")


def check_bound(case: Case, plan: PlanRows, costs: Costs, ledger: Ledger) -> None:
    """objective_usd is right, bound_usd is no higher, and gap = (objective − bound) / objective.

    Without risk the objective is the cost. A plan that knows no bound states neither bound nor gap.
    """
    value = mixed(case, [costs.of(future) for future in case.futures])
    if plan.objective_usd is None:
        ledger.fault("objective_usd is not stated")
    else:
        ledger.money(plan.objective_usd, value, "objective_usd")
        value = plan.objective_usd
    if plan.bound_usd is None:
        ledger.require(plan.gap is None, "gap is stated without bound_usd")
        return
    ledger.require(
        plan.bound_usd <= value + 1e-6 + 1e-9 * abs(value), f"bound_usd {plan.bound_usd!r} > {value!r}"
    )
    if plan.gap is None:
        ledger.fault("gap is not stated")
        return
    gap = (value - plan.bound_usd) / value if value > 0 else 0.0
    ledger.require(plan.gap >= 0 and abs(plan.gap - gap) <= 1e-9 + 1e-6 / max(value, 1.0), "gap is", plan.gap)


def check_scenarios(case: Case, plan: PlanRows, costs: Costs, fault: str | None, ledger: Ledger) -> None:
    """Every future is listed with its probability and its own cost."""
    if fault:
        ledger.fault(fault)
        return
    by_name = {future.name: future for future in case.futures}
    listed = plan.scenarios
    alone = len(case.futures) == 1
    if not listed and not alone:
        ledger.fault("no scenario is listed")
    for row in listed:
        future = case.futures[0] if alone else by_name.get(row.name)
        if future is None or len(listed) != len(case.futures):
            ledger.fault("scenario", row.name, "is not one of those planned for, once each")
            continue
        if alone and future.name is not None and row.name != future.name:
            ledger.fault("scenario", row.name, "is not", future.name)
        if not alone:
            ledger.equal(row.probability, future.probability, row.name, "probability", slack=1e-9)
        ledger.money(row.cost_usd, costs.of(future), row.name, "cost_usd")
