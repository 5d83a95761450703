"""Other decisions than the plan's: no one can tell from the plan what they cost, but their figures must agree.

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
from collections.abc import Mapping

from router.verification.base.costs import cvar, mix, mixed
from router.verification.sizing.section import Row, Section, listed, number
from router.verification.sizing.signs import KEY, signed

MOST_WEIGHT = 1.0 - 1e-4  # solved for in place of 1, so that among equal CVaRs the lower expected cost counts


def check_others(section: Section) -> None:
    last = -math.inf
    for row in section.table("alternatives"):
        what = str(row.get("what"))
        usd = _check_decision(section, row, what)
        if usd is not None:
            section.ledger.require(usd >= last, what, "is not in order of cost")
            last = usd
    _check_amounts(section)
    evaluated = section.stated.get("evaluated")
    if isinstance(evaluated, Mapping):
        _check_evaluated(section, evaluated)
    else:
        section.ledger.require(evaluated is None, "evaluated is no mapping")
    if "budgets_cost_usd" in section.stated:
        section.ledger.require(
            number(section.stated["budgets_cost_usd"]) is not None, "budgets_cost_usd is no number"
        )
    _check_frontier(section)


def _objective(section: Section, pair: tuple[float, float], weight: float | None = None) -> float:
    """Of an expected cost and a CVaR, at the problem's weight or another."""
    return mix(*pair, section.case.problem.risk.cvar_weight if weight is None else weight)


def _pair(section: Section, row: Row, name: str) -> tuple[float, float] | None:
    """Expected cost and CVaR, which is no less."""
    mean, tail = number(row.get("expected_usd")), number(row.get("cvar_usd"))
    if mean is None or tail is None:
        section.ledger.fault(name, "states no expected_usd or cvar_usd")
        return None
    section.ledger.require(
        tail >= mean - section.room(mean), name, f"cvar_usd {tail:.10g} is below expected_usd"
    )
    return mean, tail


def _check_decision(section: Section, row: Row, name: str) -> float | None:
    """Its objective, which is above the bound; `more_usd` says by how much it is above the plan's."""
    usd, more = number(row.get("objective_usd")), number(row.get("more_usd"))
    if usd is None or more is None:
        section.ledger.fault(name, "states no objective_usd or more_usd")
        return None
    section.above_bound(usd, name)
    section.ledger.money(more, usd - section.rp, name, "more_usd")
    pair = _pair(section, row, name)
    if pair is not None:
        section.ledger.equal(usd, _objective(section, pair), name, "objective_usd")
    _check_gap(section, row, name)
    return usd


def _check_gap(section: Section, row: Row, name: str) -> None:
    gap = number(row.get("gap", 0.0))
    section.ledger.require(gap is not None and 0.0 <= gap <= 1.0, name, f"gap is {row.get('gap')!r}")


def _fails(section: Section, row: Row, name: str) -> bool:
    """Whether it fails in a scenario: then these are named, and nothing is what it costs."""
    names = listed(row.get("fails_in"))
    if names:
        known = {future.name for future in section.case.futures}
        right = len(known) == 1 or all(isinstance(each, str) and each in known for each in names)
        section.ledger.require(right, name, "fails_in names no scenario of the plan")
        for field in ("expected_usd", "cvar_usd", "objective_usd", "more_usd"):
            section.field(row, field, None, name)
    return bool(names)


def _check_amounts(section: Section) -> None:
    ours = signed(section)
    for row in section.table("amounts"):
        key = tuple(row.get(name) for name in KEY)
        name = " ".join(str(part) for part in ("amounts:", *key) if part is not None)
        now = ours.get(key) if all(isinstance(part, str | int | None) for part in key) else None
        over, amount = number(row.get("over_advised")), number(row.get("amount"))
        if now is None or over is None or amount is None:
            section.ledger.fault(name, "is no other amount of something signed")
            continue
        section.ledger.equal(amount, over * now, name, "amount")
        if not _fails(section, row, name):
            _check_decision(section, row, f"{name} {amount:.10g}")


def _check_evaluated(section: Section, row: Row) -> None:
    """The buyer's own commitment; it states what it costs in every scenario."""
    name, risk = "evaluated", section.case.problem.risk
    if _fails(section, row, name):
        return
    _check_decision(section, row, name)
    if "by_scenario_usd" not in row:
        return
    usd = [section.of_future(row["by_scenario_usd"], future.name) for future in section.case.futures]
    known = [each for each in usd if each is not None]
    if len(known) < len(usd):
        section.ledger.fault(name, "by_scenario_usd lacks a scenario")
        return
    weighted = [(future.probability, each) for future, each in zip(section.case.futures, known, strict=True)]
    section.field(row, "objective_usd", mixed(section.case, known), name, "by_scenario_usd:")
    section.field(row, "expected_usd", math.fsum(p * each for p, each in weighted), name, "by_scenario_usd:")
    section.field(row, "cvar_usd", cvar(weighted, risk.cvar_level), name, "by_scenario_usd:")


def _check_frontier(section: Section) -> None:
    rows = section.table("frontier")
    points: dict[str, tuple[float, float]] = {}
    weights: dict[str, tuple[float, float]] = {}
    for i, row in enumerate(rows):
        name = f"frontier[{i}]"
        weight = i / (len(rows) - 1) if i else 0.0
        section.field(row, "cvar_weight", weight, name)
        _check_gap(section, row, name)
        pair = _pair(section, row, name)
        if pair is not None:
            points[name] = pair
            weights[name] = min(weight, MOST_WEIGHT), number(row.get("gap", 0.0)) or 0.0
            section.above_bound(_objective(section, pair), name)
    mean, tail = number(section.stated.get("expected_usd")), number(section.stated.get("cvar_usd"))
    if mean is not None and tail is not None:
        points["the plan"] = mean, tail
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
    stated = section.stated.get("out_of_sample")
    if not isinstance(stated, Mapping):
        section.ledger.require(stated is None, "out_of_sample is no mapping")
        return
    count, failed = number(stated.get("count")), number(stated.get("failed"))
    if count is None or failed is None or not 0 <= failed <= count:
        section.ledger.fault(OF, f"failed is {stated.get('failed')!r} of {stated.get('count')!r}")
        return
    section.field(stated, "cvar_level", section.case.problem.risk.cvar_level, OF)
    within = _interval(section, stated, "mean_usd", "ci95_usd", count - failed, OF)
    mean, tail = number(stated.get("mean_usd")), number(stated.get("cvar_usd"))
    _interval(section, stated, "cvar_usd", "cvar_ci95_usd", 0.0 if failed else count, OF)
    if failed:  # one such future is in the tail
        section.field(stated, "cvar_usd", None, OF)
    expects = number(section.stated.get("expected_usd"))
    if "rp_inside_ci" in stated and expects is not None:
        inside = within is not None and within[0] <= expects <= within[1]
        section.ledger.require(
            stated["rp_inside_ci"] is inside, OF, f"rp_inside_ci is {stated['rp_inside_ci']!r}"
        )
    if "fails_in" in stated:
        names = len(listed(stated["fails_in"]))
        section.ledger.require(names == min(failed, SHOWN), OF, f"fails_in names {names} of {failed:.0f}")
    worst = _worst(section, stated, count, failed)
    if worst and not failed and mean is not None and tail is not None:
        _check_tail(section, worst, count, mean, tail)
    for row in section.rows_of(stated, "against", OF):
        _check_against(section, row, count, failed)


def _interval(
    section: Section, row: Row, name: str, of: str, values: float, *at: object
) -> tuple[float, float] | None:
    """The interval of a mean over so many values, with the mean in its middle; fewer than two have none."""
    if of not in row:
        return None
    ends = listed(row[of])
    if ends == [None, None]:
        section.ledger.require(values < 2, *at, f"{of} is not stated")
        return None
    low, high = (number(ends[0]), number(ends[1])) if len(ends) == 2 else (None, None)
    if low is None or high is None or low > high or values < 2:
        section.ledger.fault(*at, f"{of} is {row[of]!r}")
        return None
    section.field(row, name, (low + high) / 2, *at, slack=1e-6 + 1e-9 * max(abs(low), abs(high)))
    return low, high


def _worst(section: Section, stated: Row, count: float, failed: float) -> list[float]:
    """Costs of the dearest, those without one left out."""
    if "worst" not in stated:
        return []
    rows = section.rows_of(stated, "worst", OF)
    costs = [number(row.get("cost_usd")) for row in rows]
    without = [cost for cost in costs if cost is None]
    known = [cost for cost in costs if cost is not None]
    right = len(rows) == min(count, SHOWN) and len(without) == min(failed, SHOWN)
    right = right and costs == [*without, *sorted(known, reverse=True)]
    section.ledger.require(right, OF, f"worst is not the {min(count, SHOWN):.0f} dearest in order")
    return known if right else []


def _check_tail(section: Section, worst: list[float], count: float, mean: float, tail: float) -> None:
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


def _check_against(section: Section, row: Row, count: float, failed: float) -> None:
    """Another decision in the same futures."""
    at = (OF, row.get("what"))
    fails, dearer = number(row.get("failed")), number(row.get("dearer_in"))
    if fails is None or not 0 <= fails <= count:
        section.ledger.fault(*at, f"failed is {row.get('failed')!r} of {count:.0f}")
        return
    both = count - max(fails, failed)  # at most so many; just so many where either fails nowhere
    exact = not fails or not failed
    _interval(section, row, "more_usd", "ci95_usd", both, *at)
    more = number(row.get("more_usd"))
    if more is None or dearer is None:
        section.ledger.require(both < 1 or not exact, *at, "states no more_usd or dearer_in")
        return
    part = dearer * both
    whole = not exact or abs(part - round(part)) <= 1e-6
    section.ledger.require(0.0 <= dearer <= 1.0 and whole, *at, f"dearer_in is {dearer:.10g} of {both:.0f}")
    section.ledger.require(more <= 0 or dearer > 0, *at, "costs more, and is dearer_in none")
    section.ledger.require(more >= 0 or dearer < 1, *at, "costs less, and is dearer_in all")
