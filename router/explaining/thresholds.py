"""The price at which an offer that is used would leave, and at which one that is not would enter; each tried.

    V(m)     the least cost with all prices of the offer times m, integers free: concave
    c(m)     the same where nothing may be sent to it: c₀ + m · what it is paid all the same (held, signed before)

V leaves c at the price sought. c − V is convex and falls to 0, so that Newton's steps from the left end at it:
m + (c − V) / (paid at m − paid all the same). Then it is crossed: a tenth of a percent below, the plan must use the
offer; a tenth of a percent above, it must not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum

import numpy as np

from problems.core.encode import encode
from problems.core.instance import Instance
from router.errors import Infeasible, RouterError
from router.normalise import normalise
from router.planning.optimise import optimise
from router.planning.solve import Search
from router.planning.two_steps import Incumbent
from router.schema import Problem

ROUNDS = 25
NEARLY_FREE = 1e-6
CROSSED = 1e-3  # to either side
SAME = 1e-8  # of the cost
FINE = 1e-9  # gap of the searches
KNOWN = 5e-6  # gap up to which a cost is known: what the allowance at unit boundaries leaves open


@dataclass(frozen=True)
class Offered:
    """The multiple of its prices at which an offer stops being used.

    price_multiple   None: an unused one would not be used for nothing, a used one stays at any price
    decided          whether the search came to its end; without, no figure is given
    used             whether the plan uses it
    crossed          whether a plan 0.1 % below uses it, and one 0.1 % above does not
    """

    offer: str
    price_multiple: float | None
    decided: bool
    used: bool = False
    crossed: bool = False


def thresholds(
    problem: Problem, found: Incumbent, search: Search, most: int
) -> tuple[list[Offered], list[str]]:
    """Of used offers, the dearest first, and of unused ones, nearest to use first: up to `most` of either.

    And what the limit left untried.
    """
    inst = found.encoded.instance
    paid = {name: _paid(found, name) for name in inst.offers.names}
    used = sorted(_used(found), key=lambda name: (-paid[name], name))[:most]
    unused = [name for o in _nearest_to_use(found) if (name := inst.offers.names[o]) not in used][:most]
    rows, untried = list[Offered](), list[str]()
    names = _in_turn(used, unused)
    for k, name in enumerate(names):
        share = search.within(1.0 / (len(names) - k))
        row = None if share.options.late else PricesOf(problem, found, name, share).threshold(name in used)
        if row is None or not row.decided:
            untried.append(f"the price at which {name} {'leaves' if name in used else 'enters'}")
        else:
            rows.append(row)
    return sorted(rows, key=_order), untried


def _order(row: Offered) -> tuple[bool, bool, float, str]:
    multiple = row.price_multiple
    nearest = 0.0 if multiple is None else multiple if row.used else -multiple
    return not row.used, multiple is None, nearest, row.offer


def _in_turn(first: list[str], second: list[str]) -> list[str]:
    """Both lists, each as far as the other has come."""
    longest = max(len(first), len(second))
    return [name for k in range(longest) for names in (first, second) for name in names[k : k + 1]]


class PricesOf:
    """The least cost at multiples of one offer's prices."""

    def __init__(self, problem: Problem, found: Incumbent, name: str, search: Search) -> None:
        self.problem, self.found, self.name = problem, found, name
        options = replace(search.options, gap=min(search.options.gap, FINE))
        self.search = replace(search, options=options)
        self.inst = found.encoded.instance
        self.at = self.inst.offers.names.index(name)

    def threshold(self, used: bool) -> Offered | None:
        """See the module; None where the limit ended it."""
        try:
            without = self._without() if used else self.found
        except Infeasible:
            return Offered(self.name, None, True, used=True, crossed=True)
        except RouterError:
            return None
        kept = _paid(without, self.name)
        start = 1.0 if used else NEARLY_FREE
        multiple = start
        for _ in range(ROUNDS):
            best = self._at(multiple)
            if best is None:
                return None
            gain = without.objective_usd + (multiple - 1.0) * kept - best.objective_usd
            slope = _paid(best, self.name) / multiple - kept
            if gain <= SAME * max(abs(without.objective_usd), 1e-9) or slope <= 0:
                free = multiple == start and not used
                return Offered(
                    self.name, None if free else multiple, True, used, free or self._crossed(multiple)
                )
            multiple += gain / slope
        return None

    def _crossed(self, multiple: float) -> bool:
        below, above = self._at(multiple * (1 - CROSSED)), self._at(multiple * (1 + CROSSED))
        if below is None or above is None:
            return False
        return self.name in _used(below) and self.name not in _used(above)

    def _at(self, multiple: float) -> Incumbent | None:
        price = self.inst.scenarios.price.copy()
        price[:, self.at] *= multiple
        return self._best(replace(self.inst, scenarios=replace(self.inst.scenarios, price=price)))

    def _best(self, inst: Instance) -> Incumbent | None:
        """The best point, where it is known to be the best; None where that takes too long."""
        if self.search.options.late:
            return None
        try:
            best = optimise(encode(inst), self.search.solver, self.search.options)
        except RouterError:
            return None
        near = KNOWN * max(abs(best.objective_usd), 1e-9)
        return best if best.objective_usd - best.bound <= max(near, 1e-9) else None

    def _without(self) -> Incumbent:
        """The best point where nothing may be sent to the offer. Raises Infeasible, NoPlanInTime, SolverFailed."""
        denied = tuple(
            load.model_copy(
                update={
                    "routing": load.routing.model_copy(
                        update={"deny_offers": (*load.routing.deny_offers, self.name)}
                    )
                }
            )
            for load in self.problem.workloads
        )
        problem = self.problem.model_copy(update={"workloads": denied})
        inst = normalise(problem, self.search.scenario)
        return optimise(encode(inst), self.search.solver, self.search.options)


def _paid(found: Incumbent, name: str) -> float:
    return fsum(line.usd for line in found.decoded.cost_lines if line.offer == name)


def _used(found: Incumbent) -> set[str]:
    return {row.offer for row in found.decoded.routes}


def _nearest_to_use(found: Incumbent) -> list[int]:
    """The offers with a route, by the largest part of a route's price at which its reduced cost would be 0."""
    program, duals = found.encoded.program, found.row_duals
    reduced = program.cost if duals is None else program.cost - program.matrix.T @ duals
    nearest: dict[int, float] = {}
    for view, cols in zip(found.encoded.views, found.encoded.columns, strict=True):
        price = program.cost[cols.flow]
        part = np.where(price > 0, 1.0 - reduced[cols.flow] / np.where(price > 0, price, 1.0), -np.inf)
        for o, at in zip(view.routes.offer[view.flows.route].tolist(), part.tolist(), strict=True):
            nearest[o] = max(nearest.get(o, -np.inf), at)
    names = found.encoded.instance.offers.names
    return sorted(nearest, key=lambda o: (-nearest[o], names[o]))
