"""The figures at the top of a plan: cost and its lines, limits on it, bound, gap, futures; and whose plan it is.

demand_path    of each generated scenario, to 1e-9: multipliers of demand stated as a rate, by period; null for listed
               ones
drawn          count, seed, scenarios kept, distance lost
"""

from __future__ import annotations

import math

from router.errors import InputError
from router.loading.fingerprint import matches, problem_sha256
from router.scenarios import planned_draw
from router.schema import Generated
from router.verification.base.audit import Audit
from router.verification.base.case import MONTH_H
from router.verification.base.costs import LineKey
from router.verification.base.ledger import Ledger

TOLERANCE = 1e-9
"""Of a multiplier of demand."""


def check_problem(audit: Audit, ledger: Ledger) -> None:
    """The plan is one of this very problem."""
    case, plan = audit.as_stated, audit.rows
    problem = audit.whole or case.problem
    try:
        same = matches(problem, plan.problem_sha256)
        sha256 = plan.problem_sha256 if same else problem_sha256(problem)
    except OSError as error:  # a trace counts by its content
        ledger.fault(f"a file of the problem cannot be read: {error}")
        return
    ledger.require(plan.name == case.problem.name, "name is", repr(plan.name))
    ledger.require(same, "problem_sha256 is", plan.problem_sha256, "not", sha256)
    ledger.equal(plan.horizon_h, case.horizon_h, "horizon_h")


def check_cost(audit: Audit, ledger: Ledger) -> None:
    """cost_usd is the sum of its lines, and of ours; the figure per month follows from it."""
    plan = audit.rows
    ledger.money(math.fsum(line.usd for line in plan.cost_lines), plan.cost_usd, "sum of cost_lines")
    monthly = plan.cost_usd * MONTH_H / audit.case.horizon_h
    ledger.money(plan.cost_usd_per_month, monthly, "cost_usd_per_month")
    ledger.money(plan.cost_usd, audit.expected_usd, "cost_usd")


def check_cost_lines(audit: Audit, ledger: Ledger) -> None:
    """Every cost line is ours, and none of ours is missing."""
    ours = audit.costs.lines(audit.case.futures)
    theirs: dict[LineKey, float] = {}
    for i, line in enumerate(audit.rows.cost_lines):
        key = (line.offer, line.kind)
        if key in theirs:
            ledger.fault(f"cost_lines[{i}]:", *key, "is listed twice")
        theirs[key] = line.usd
    for key in sorted(ours.keys() | theirs.keys(), key=str):
        ledger.money(theirs.get(key, 0.0), ours.get(key, 0.0), key[0] or "no offer", key[1], "usd")


def check_budgets(audit: Audit, ledger: Ledger) -> None:
    """Limits on the cost in every future, and on what is committed, as expected over them."""
    case, costs, policy = audit.case, audit.costs, audit.case.problem.policy
    if policy.max_spend_usd is not None:
        for future in case.futures:
            where = () if future.name is None else (future.name,)
            ledger.at_most(costs.of(future), policy.max_spend_usd, *where, "cost_usd", slack=1e-6)
    if policy.max_committed_usd is not None:
        first = math.fsum(future.probability * costs.committed[future.name] for future in case.futures)
        ledger.at_most(first, policy.max_committed_usd, "first-stage usd", slack=1e-6)


def check_bound(audit: Audit, ledger: Ledger) -> None:
    """objective_usd is right, bound_usd is no higher, and gap = (objective − bound) / objective.

    Without risk the objective is the cost. No plan may say that its shadow prices are checked.
    """
    plan, value = audit.rows, audit.rows.objective_usd
    ledger.money(value, audit.objective_usd, "objective_usd")
    ledger.require(
        plan.bound_usd <= value + 1e-6 + 1e-9 * abs(value), f"bound_usd {plan.bound_usd!r} > {value!r}"
    )
    ledger.require(not audit.plan.prices.checked, "prices.checked is true, and nobody checks them")
    gap = (value - plan.bound_usd) / value if value > 0 else 0.0
    ledger.require(plan.gap >= 0 and abs(plan.gap - gap) <= 1e-9 + 1e-6 / max(value, 1.0), "gap is", plan.gap)


def check_scenarios(audit: Audit, ledger: Ledger) -> None:
    """Every future is listed with its probability and its own cost; generated ones are those that the seed draws."""
    if audit.futures_fault:
        ledger.fault(audit.futures_fault)
    else:
        _check_listed(audit, ledger)
    _check_drawn(audit, ledger)


def _check_listed(audit: Audit, ledger: Ledger) -> None:
    futures, listed = audit.case.futures, audit.rows.scenarios
    by_name = {future.name: future for future in futures}
    alone = len(futures) == 1
    if not listed and not alone:
        ledger.fault("no scenario is listed")
    for row in listed:
        future = futures[0] if alone else by_name.get(row.name)
        if future is None or len(listed) != len(futures):
            ledger.fault("scenario", row.name, "is not a scenario of the plan, or is listed twice")
            continue
        if alone and future.name is not None and row.name != future.name:
            ledger.fault("scenario", row.name, "is not", future.name)
        probability = 1.0 if alone else future.probability
        ledger.equal(row.probability, probability, row.name, "probability", slack=1e-9)
        ledger.money(row.cost_usd, audit.costs.of(future), row.name, "cost_usd")


def _check_drawn(audit: Audit, ledger: Ledger) -> None:
    stated, rows = audit.plan.drawn, audit.rows
    if not isinstance(audit.case.problem.scenarios, Generated):
        ledger.require(stated is None, "drawn: the problem's scenarios are not generated")
        for row in rows.scenarios:
            ledger.require(row.demand_path is None, row.name, "has a demand_path and is not generated")
        return
    try:
        draw = planned_draw(audit.case.problem)
    except (InputError, OSError):
        return  # said already: no future could be drawn
    if stated is None:
        ledger.fault("drawn: missing")
        return
    for name, theirs, ours in (
        ("count", stated.count, draw.count),
        ("seed", stated.seed, draw.seed),
        ("kept", stated.kept, len(draw.names)),
    ):
        ledger.require(theirs == ours, "drawn", name, f"is {theirs}, not {ours}")
    near = abs(stated.distance - draw.distance) <= TOLERANCE
    ledger.require(near, "drawn", f"distance is {stated.distance!r}, not {draw.distance!r}")
    paths = dict(zip(draw.names, draw.multiplier.tolist(), strict=True))
    for row in rows.scenarios:
        path = paths.get(row.name)
        if path is None:
            ledger.fault("scenario", row.name, "is not one of those drawn and kept")
        elif row.demand_path is None or len(row.demand_path) != len(path):
            ledger.fault("scenario", row.name, "has no demand_path of all periods")
        else:
            for t, (multiplier, expected) in enumerate(zip(row.demand_path, path, strict=True)):
                close = abs(multiplier - expected) <= TOLERANCE * max(1.0, expected)
                ledger.require(
                    close, row.name, "period", t, f"demand_path is {multiplier!r}, not {expected!r}"
                )
