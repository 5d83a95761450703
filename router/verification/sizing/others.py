"""Other decisions than the plan's: the plan does not show what they cost, but their figures must agree.

objective = (1 − ω) · expected + ω · CVaR ≥ bound        expected ≤ CVaR        more = objective − rp
by_scenario_usd       gives expected, CVaR and objective again                   (`evaluated`)
amount                = over_advised · what is signed                            (`amounts`)
frontier              at its own weight and within its own gap no point, nor the plan, is better than the point;
                      so expected rises with the weight and CVaR falls

Fresh futures: what they say of the plan agrees with itself, and with what the plan expects.

ci95, cvar_ci95       about mean and CVaR, which are their middles
worst                 dearest first, those that cannot be served before all; they bound mean and CVaR
rp_inside_ci          whether the cost expected lies in the mean's interval
against               more_usd is its interval's middle; dearer_in is a part of the futures that both serve

What futures cost is not solved again, nor how wide an interval is.
"""

from __future__ import annotations

import math

from router.plan.sizing import Against, Alternative, Amount, Evaluated, FrontierPoint, OutOfSample
from router.plan.values import Interval
from router.verification.base.costs import cvar, mix, mixed
from router.verification.sizing.section import Section
from router.verification.sizing.signs import key_of, signed

type Pair = tuple[float, float]

MOST_WEIGHT = 1.0 - 1e-4  # solved for in place of 1, so that among equal CVaRs the lower expected cost counts


def check_others(section: Section) -> None:
    last = -math.inf
    for row in section.stated.alternatives or ():
        _check_decision(section, row, row.what)
        _check_gap(section, row.gap, row.what)
        section.ledger.require(row.objective_usd >= last, row.what, "is not in order of cost")
        last = row.objective_usd
    _check_amounts(section)
    if section.stated.evaluated is not None:
        _check_evaluated(section, section.stated.evaluated)
    _check_frontier(section)


def _objective(section: Section, pair: Pair, weight: float | None = None) -> float:
    """Of an expected cost and a CVaR, at the problem's weight or another."""
    return mix(*pair, section.case.problem.risk.cvar_weight if weight is None else weight)


def _pair(section: Section, row: Alternative | Amount | Evaluated | FrontierPoint, name: str) -> Pair | None:
    """Expected cost and CVaR, which is no less."""
    mean, tail = row.expected_usd, row.cvar_usd
    if mean is None or tail is None:
        section.ledger.fault(name, "states no expected_usd or cvar_usd")
        return None
    section.ledger.require(
        tail >= mean - section.room(mean), name, f"cvar_usd {tail:.10g} is below expected_usd"
    )
    return mean, tail


def _check_decision(section: Section, row: Alternative | Amount | Evaluated, name: str) -> None:
    """Its objective, which is above the bound; `more_usd` says by how much it is above the plan's."""
    usd, more, pair = row.objective_usd, row.more_usd, _pair(section, row, name)
    if usd is None or more is None:
        section.ledger.fault(name, "states no objective_usd or more_usd")
        return
    section.above_bound(usd, name)
    section.ledger.money(more, usd - section.rp, name, "more_usd")
    if pair is not None:
        section.ledger.equal(usd, _objective(section, pair), name, "objective_usd")


def _check_gap(section: Section, gap: float, name: str) -> None:
    section.ledger.require(0.0 <= gap <= 1.0, name, f"gap is {gap}")


def _fails(section: Section, row: Amount | Evaluated, name: str) -> bool:
    """Whether it fails in a scenario: then these are named, and nothing is what it costs."""
    if row.fails_in:
        names = {future.name for future in section.case.futures}
        right = len(names) == 1 or set(row.fails_in) <= names
        section.ledger.require(right, name, "fails_in names a scenario that the plan does not have")
        costs = (row.expected_usd, row.cvar_usd, row.objective_usd, row.more_usd)
        section.ledger.require(
            costs == (None,) * len(costs), name, "states what it costs, though it fails somewhere"
        )
    return bool(row.fails_in)


def _check_amounts(section: Section) -> None:
    ours = signed(section)
    for row in section.stated.amounts or ():
        key = key_of(row)
        name = " ".join(str(part) for part in ("amounts:", *key) if part is not None)
        if key not in ours:
            section.ledger.fault(name, "is not another amount of something signed")
            continue
        section.ledger.equal(row.amount, row.over_advised * ours[key], name, "amount")
        if not _fails(section, row, name):
            _check_decision(section, row, f"{name} {row.amount:.10g}")


def _check_evaluated(section: Section, row: Evaluated) -> None:
    """The buyer's own commitment; it states what it costs in every scenario."""
    name, futures = "evaluated", section.case.futures
    if _fails(section, row, name):
        return
    _check_decision(section, row, name)
    stated = [section.of_future(row.by_scenario_usd, future.name) for future in futures]
    usd = [each for each in stated if each is not None]
    if len(usd) < len(futures):
        section.ledger.fault(name, "by_scenario_usd lacks a scenario")
        return
    weighted = [(future.probability, each) for future, each in zip(futures, usd, strict=True)]
    at = (name, "by_scenario_usd:")
    section.equal(row.objective_usd, mixed(section.case, usd), *at, "objective_usd")
    section.equal(row.expected_usd, math.fsum(p * each for p, each in weighted), *at, "expected_usd")
    tail = cvar(weighted, section.case.problem.risk.cvar_level)
    section.equal(row.cvar_usd, tail, *at, "cvar_usd")


def _check_frontier(section: Section) -> None:
    rows = section.stated.frontier or ()
    points: dict[str, Pair] = {}
    weights: dict[str, tuple[float, float]] = {}
    for i, row in enumerate(rows):
        name = f"frontier[{i}]"
        weight = i / (len(rows) - 1) if i else 0.0
        section.equal(row.cvar_weight, weight, name, "cvar_weight")
        _check_gap(section, row.gap, name)
        pair = _pair(section, row, name)
        if pair is not None:
            points[name] = pair
            weights[name] = min(weight, MOST_WEIGHT), row.gap
            section.above_bound(_objective(section, pair), name)
    points["the plan"] = section.stated.expected_usd, section.stated.cvar_usd
    for name, (weight, gap) in weights.items():
        usd = _objective(section, points[name], weight)
        for other, pair in points.items():
            theirs = _objective(section, pair, weight)
            best = usd * (1.0 - gap) <= theirs + section.room(theirs)
            section.ledger.require(
                best, name, f"costs {usd:.10g} at its weight, more than {other}: {theirs:.10g}"
            )


SHOWN = 5  # futures named
OF = "out_of_sample:"


def check_fresh(section: Section) -> None:
    stated, ledger = section.stated.out_of_sample, section.ledger
    if stated is None:
        return
    count, failed = stated.count, stated.failed
    if not 0 <= failed <= count:
        ledger.fault(OF, f"failed is {failed} of {count}")
        return
    section.equal(stated.cvar_level, section.case.problem.risk.cvar_level, OF, "cvar_level")
    within = _interval(section, stated.mean_usd, stated.ci95_usd, count - failed, OF, "mean_usd")
    _interval(section, stated.cvar_usd, stated.cvar_ci95_usd, 0 if failed else count, OF, "cvar_usd")
    if failed:  # one such future is in the tail
        section.equal(stated.cvar_usd, None, OF, "cvar_usd")
    inside = within is not None and within[0] <= section.stated.expected_usd <= within[1]
    ledger.require(stated.rp_inside_ci is inside, OF, f"rp_inside_ci is {stated.rp_inside_ci}")
    names = len(stated.fails_in)
    ledger.require(names == min(failed, SHOWN), OF, f"fails_in names {names} of {failed}")
    worst = _worst(section, stated)
    if worst and not failed and stated.mean_usd is not None and stated.cvar_usd is not None:
        _check_tail(section, worst, count, stated.mean_usd, stated.cvar_usd)
    for row in stated.against:
        _check_against(section, row, count, failed)


def _interval(
    section: Section, mean: float | None, ends: Interval, values: int, *at: object
) -> tuple[float, float] | None:
    """The interval of a mean over so many values, with the mean in its middle; fewer than two have none."""
    low, high = ends
    if low is None and high is None:
        section.ledger.require(values < 2, *at, "has no interval")
        return None
    if low is None or high is None or low > high or values < 2:
        section.ledger.fault(*at, f"has the interval {low} to {high}")
        return None
    section.equal(mean, (low + high) / 2, *at, slack=1e-6 + 1e-9 * max(abs(low), abs(high)))
    return low, high


def _worst(section: Section, stated: OutOfSample) -> list[float]:
    """Costs of the dearest, those without one left out."""
    costs = [row.cost_usd for row in stated.worst]
    served = sorted((cost for cost in costs if cost is not None), reverse=True)
    failed = min(stated.failed, SHOWN)
    right = len(costs) == min(stated.count, SHOWN) and costs == [*(None,) * failed, *served]
    section.ledger.require(right, OF, f"worst is not the {min(stated.count, SHOWN)} dearest in order")
    return served if right else []


def _check_tail(section: Section, worst: list[float], count: int, mean: float, tail: float) -> None:
    """Futures not shown cost no more than the last one shown; in the tail, no less than they do in the mean."""
    most, others = worst[-1], count - len(worst)
    rest = (count * mean - math.fsum(worst)) / others if others >= 1 else most
    room = section.room(mean)
    section.ledger.require(rest <= most + room, OF, f"mean_usd {mean:.10g} is above what worst allows")
    size = (1.0 - section.case.problem.risk.cvar_level) * count
    shown = math.fsum(min(1.0, max(size - i, 0.0)) * cost for i, cost in enumerate(worst))
    more = max(size - len(worst), 0.0)
    right = shown + more * rest - size * room <= size * tail <= shown + more * most + size * room
    section.ledger.require(right, OF, f"cvar_usd {tail:.10g} does not agree with worst and mean_usd")


def _check_against(section: Section, row: Against, count: int, failed: int) -> None:
    """Another decision in the same futures."""
    at, more, dearer = (OF, row.what), row.more_usd, row.dearer_in
    if not 0 <= row.failed <= count:
        section.ledger.fault(*at, f"failed is {row.failed} of {count}")
        return
    both = count - max(row.failed, failed)  # at most so many; just so many where either fails nowhere
    exact = not row.failed or not failed
    _interval(section, more, row.ci95_usd, both, *at, "more_usd")
    if more is None or dearer is None:
        section.ledger.require(both < 1 or not exact, *at, "states no more_usd or dearer_in")
        return
    part = dearer * both
    whole = not exact or abs(part - round(part)) <= 1e-6
    section.ledger.require(0.0 <= dearer <= 1.0 and whole, *at, f"dearer_in is {dearer:.10g} of {both}")
    section.ledger.require(more <= 0 or dearer > 0, *at, "costs more, but is dearer in no future")
    section.ledger.require(more >= 0 or dearer < 1, *at, "costs less, but is dearer in every future")
