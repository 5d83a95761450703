"""Other decisions than the plan's: no one can tell from the plan what they cost, but their figures must agree.

objective = (1 − ω) · expected + ω · CVaR ≥ bound        expected ≤ CVaR        more = objective − rp
by_scenario_usd       gives expected, CVaR and objective again                   (`evaluated`)
amount                = over_advised · what is signed                            (`amounts`)
frontier              at its own weight and within its own gap no point, nor the plan, is better than the point;
                      so expected rises with the weight and CVaR falls
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from router.verification.section import Row, Section, listed, number
from router.verification.signs import KEY, signed
from router.verification.summary import cvar, mixed

MOST_WEIGHT = 1.0 - 1e-4  # solved for in place of 1, so that among equal CVaRs the lower expected cost counts


def check_others(told: Section) -> None:
    last = -math.inf
    for row in told.table("alternatives"):
        what = str(row.get("what"))
        usd = _check_decision(told, row, what)
        if usd is not None:
            told.ledger.require(usd >= last, what, "is not in order of cost")
            last = usd
    _check_amounts(told)
    evaluated = told.stated.get("evaluated")
    if isinstance(evaluated, Mapping):
        _check_evaluated(told, evaluated)
    else:
        told.ledger.require(evaluated is None, "evaluated is no mapping")
    if "budgets_cost_usd" in told.stated:
        told.ledger.require(
            number(told.stated["budgets_cost_usd"]) is not None, "budgets_cost_usd is no number"
        )
    _check_frontier(told)


def _mixed(told: Section, mean: float, tail: float, weight: float | None = None) -> float:
    """The objective of an expected cost and a CVaR, at the problem's weight or another."""
    weight = told.case.problem.risk.cvar_weight if weight is None else weight
    return (1.0 - weight) * mean + weight * tail


def _pair(told: Section, row: Row, name: str) -> tuple[float, float] | None:
    """Expected cost and CVaR, which is no less."""
    mean, tail = number(row.get("expected_usd")), number(row.get("cvar_usd"))
    if mean is None or tail is None:
        told.ledger.fault(name, "states no expected_usd or cvar_usd")
        return None
    told.ledger.require(tail >= mean - told.room(mean), name, f"cvar_usd {tail:.10g} is below expected_usd")
    return mean, tail


def _check_decision(told: Section, row: Row, name: str) -> float | None:
    """Its objective, which is above the bound; `more_usd` says by how much it is above the plan's."""
    usd, more = number(row.get("objective_usd")), number(row.get("more_usd"))
    if usd is None or more is None:
        told.ledger.fault(name, "states no objective_usd or more_usd")
        return None
    told.above_bound(usd, name)
    told.ledger.money(more, usd - told.rp, name, "more_usd")
    pair = _pair(told, row, name)
    if pair is not None:
        told.ledger.equal(usd, _mixed(told, *pair), name, "objective_usd")
    _check_gap(told, row, name)
    return usd


def _check_gap(told: Section, row: Row, name: str) -> None:
    gap = number(row.get("gap", 0.0))
    told.ledger.require(gap is not None and 0.0 <= gap <= 1.0, name, f"gap is {row.get('gap')!r}")


def _fails(told: Section, row: Row, name: str) -> bool:
    """Whether it fails in a scenario: then these are named, and nothing is what it costs."""
    names = listed(row.get("fails_in"))
    if names:
        known = {future.name for future in told.case.futures}
        right = len(known) == 1 or all(isinstance(each, str) and each in known for each in names)
        told.ledger.require(right, name, "fails_in names no scenario of the plan")
        for field in ("expected_usd", "cvar_usd", "objective_usd", "more_usd"):
            told.field(row, field, None, name)
    return bool(names)


def _check_amounts(told: Section) -> None:
    ours = signed(told)
    for row in told.table("amounts"):
        key = tuple(row.get(name) for name in KEY)
        name = " ".join(str(part) for part in ("amounts:", *key) if part is not None)
        now = ours.get(key) if all(isinstance(part, str | int | None) for part in key) else None
        over, amount = number(row.get("over_advised")), number(row.get("amount"))
        if now is None or over is None or amount is None:
            told.ledger.fault(name, "is no other amount of something signed")
            continue
        told.ledger.equal(amount, over * now, name, "amount")
        if not _fails(told, row, name):
            _check_decision(told, row, f"{name} {amount:.10g}")


def _check_evaluated(told: Section, row: Row) -> None:
    """The buyer's own commitment; it states what it costs in every scenario."""
    name, risk = "evaluated", told.case.problem.risk
    if _fails(told, row, name):
        return
    _check_decision(told, row, name)
    if "by_scenario_usd" not in row:
        return
    usd = [told.of_future(row["by_scenario_usd"], future.name) for future in told.case.futures]
    known = [each for each in usd if each is not None]
    if len(known) < len(usd):
        told.ledger.fault(name, "by_scenario_usd lacks a scenario")
        return
    weighted = [(future.probability, each) for future, each in zip(told.case.futures, known, strict=True)]
    told.field(row, "objective_usd", mixed(told.case, known), name, "by_scenario_usd:")
    told.field(row, "expected_usd", math.fsum(p * each for p, each in weighted), name, "by_scenario_usd:")
    told.field(row, "cvar_usd", cvar(weighted, risk.cvar_level), name, "by_scenario_usd:")


def _check_frontier(told: Section) -> None:
    rows = told.table("frontier")
    points: dict[str, tuple[float, float]] = {}
    weights: dict[str, tuple[float, float]] = {}
    for i, row in enumerate(rows):
        name = f"frontier[{i}]"
        weight = i / (len(rows) - 1) if i else 0.0
        told.field(row, "cvar_weight", weight, name)
        _check_gap(told, row, name)
        pair = _pair(told, row, name)
        if pair is not None:
            points[name] = pair
            weights[name] = min(weight, MOST_WEIGHT), number(row.get("gap", 0.0)) or 0.0
            told.above_bound(_mixed(told, *pair), name)
    mean, tail = number(told.stated.get("expected_usd")), number(told.stated.get("cvar_usd"))
    if mean is not None and tail is not None:
        points["the plan"] = mean, tail
    for name, (weight, gap) in weights.items():
        usd = _mixed(told, *points[name], weight)
        for other, pair in points.items():
            theirs = _mixed(told, *pair, weight)
            best = usd * (1.0 - gap) <= theirs + told.room(theirs)
            told.ledger.require(
                best, name, f"costs {usd:.10g} at its weight, more than {other}: {theirs:.10g}"
            )
