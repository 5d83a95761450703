"""Fresh futures: what they say of the plan agrees with itself, and with what the plan expects.

    ci95, cvar_ci95    about mean and CVaR, which are their middles
    worst              dearest first, those that cannot be served before all; they bound mean and CVaR
    rp_inside_ci       whether the cost expected lies in the mean's interval
    against            more_usd is its interval's middle; dearer_in is a part of the futures that both serve

What futures cost is not solved again, nor how wide an interval is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from router.verification.section import Row, Section, listed, number

SHOWN = 5  # futures named
OF = "out_of_sample:"


def check_fresh(told: Section) -> None:
    stated = told.stated.get("out_of_sample")
    if not isinstance(stated, Mapping):
        told.ledger.require(stated is None, "out_of_sample is no mapping")
        return
    count, failed = number(stated.get("count")), number(stated.get("failed"))
    if count is None or failed is None or not 0 <= failed <= count:
        told.ledger.fault(OF, f"failed is {stated.get('failed')!r} of {stated.get('count')!r}")
        return
    told.field(stated, "cvar_level", told.case.problem.risk.cvar_level, OF)
    within = _interval(told, stated, "mean_usd", "ci95_usd", count - failed, OF)
    mean, tail = number(stated.get("mean_usd")), number(stated.get("cvar_usd"))
    _interval(told, stated, "cvar_usd", "cvar_ci95_usd", 0.0 if failed else count, OF)
    if failed:  # one such future is in the tail
        told.field(stated, "cvar_usd", None, OF)
    expects = number(told.stated.get("expected_usd"))
    if "rp_inside_ci" in stated and expects is not None:
        inside = within is not None and within[0] <= expects <= within[1]
        told.ledger.require(
            stated["rp_inside_ci"] is inside, OF, f"rp_inside_ci is {stated['rp_inside_ci']!r}"
        )
    if "fails_in" in stated:
        names = len(listed(stated["fails_in"]))
        told.ledger.require(names == min(failed, SHOWN), OF, f"fails_in names {names} of {failed:.0f}")
    worst = _worst(told, stated, count, failed)
    if worst and not failed and mean is not None and tail is not None:
        _check_tail(told, worst, count, mean, tail)
    for row in told.rows_of(stated, "against", OF):
        _check_against(told, row, count, failed)


def _interval(
    told: Section, row: Row, name: str, of: str, values: float, *at: object
) -> tuple[float, float] | None:
    """The interval of a mean over so many values, with the mean in its middle; fewer than two have none."""
    if of not in row:
        return None
    ends = listed(row[of])
    if ends == [None, None]:
        told.ledger.require(values < 2, *at, f"{of} is not stated")
        return None
    low, high = (number(ends[0]), number(ends[1])) if len(ends) == 2 else (None, None)
    if low is None or high is None or low > high or values < 2:
        told.ledger.fault(*at, f"{of} is {row[of]!r}")
        return None
    told.field(row, name, (low + high) / 2, *at, slack=1e-6 + 1e-9 * max(abs(low), abs(high)))
    return low, high


def _worst(told: Section, stated: Row, count: float, failed: float) -> list[float]:
    """Costs of the dearest, those without one left out."""
    if "worst" not in stated:
        return []
    rows = told.rows_of(stated, "worst", OF)
    costs = [number(row.get("cost_usd")) for row in rows]
    without = [cost for cost in costs if cost is None]
    known = [cost for cost in costs if cost is not None]
    right = len(rows) == min(count, SHOWN) and len(without) == min(failed, SHOWN)
    right = right and costs == [*without, *sorted(known, reverse=True)]
    told.ledger.require(right, OF, f"worst is not the {min(count, SHOWN):.0f} dearest in order")
    return known if right else []


def _check_tail(told: Section, worst: list[float], count: float, mean: float, tail: float) -> None:
    """Futures not shown cost no more than the last one shown; in the tail, no less than they do in the mean."""
    most, others = worst[-1], count - len(worst)
    rest = (count * mean - math.fsum(worst)) / others if others >= 1 else most
    room = told.room(mean)
    told.ledger.require(rest <= most + room, OF, f"mean_usd {mean:.10g} is above what worst allows")
    size = (1.0 - told.case.problem.risk.cvar_level) * count
    shown = math.fsum(min(1.0, max(size - i, 0.0)) * cost for i, cost in enumerate(worst))
    more = max(size - len(worst), 0.0)
    right = shown + more * rest - size * room <= size * tail <= shown + more * most + size * room
    told.ledger.require(right, OF, f"cvar_usd {tail:.10g} does not agree with worst and mean_usd")


def _check_against(told: Section, row: Row, count: float, failed: float) -> None:
    """Another decision in the same futures."""
    at = (OF, row.get("what"))
    fails, dearer = number(row.get("failed")), number(row.get("dearer_in"))
    if fails is None or not 0 <= fails <= count:
        told.ledger.fault(*at, f"failed is {row.get('failed')!r} of {count:.0f}")
        return
    both = count - max(fails, failed)  # at most so many; just so many where either fails nowhere
    exact = not fails or not failed
    _interval(told, row, "more_usd", "ci95_usd", both, *at)
    more = number(row.get("more_usd"))
    if more is None or dearer is None:
        told.ledger.require(both < 1 or not exact, *at, "states no more_usd or dearer_in")
        return
    part = dearer * both
    whole = not exact or abs(part - round(part)) <= 1e-6
    told.ledger.require(0.0 <= dearer <= 1.0 and whole, *at, f"dearer_in is {dearer:.10g} of {both:.0f}")
    told.ledger.require(more <= 0 or dearer > 0, *at, "costs more, and is dearer_in none")
    told.ledger.require(more >= 0 or dearer < 1, *at, "costs less, and is dearer_in all")
