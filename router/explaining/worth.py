"""Feasible: what binds and what a unit more is worth; and the price at which an offer that is not used would be.

Shadow prices are those of the flows with every integer as planned: what one unit more of a limit saves. The price of an
unused offer is found with integers free: the largest multiple of its prices at which the best plan still uses it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from problems.core.encode import FAMILIES, encode
from problems.core.family import Worth
from problems.core.instance import Instance
from router.errors import RouterError
from router.plan.document import Plan
from router.planning.decode import decode
from router.planning.optimise import optimise
from router.planning.two_steps import Incumbent
from solvers import SolveOptions

LIMITS = {family.name: family.worth for family in FAMILIES if family.worth is not None and family.worth.limit}
ROUNDS = 25
NEARLY_FREE = 1e-6


@dataclass(frozen=True)
class Binding:
    """A limit that is reached, summed over its periods: USD saved per unit more of it."""

    family: str
    name: str
    periods: int
    usd_per_unit: float

    @property
    def worth(self) -> Worth:
        """What is limited, and what a unit more of it is."""
        return LIMITS[self.family]


def bindings(plan: Plan) -> list[Binding]:
    """Limits with a shadow price, the dearest first. Where nothing is rented a capacity of zero has no such price."""
    rented = {f"{row.offer},{row.model},{row.period}" for row in plan.instances}
    rented |= {f"{row.offer},{row.period}" for row in plan.instances if row.model is None}
    found: dict[tuple[str, str], list[float]] = {}
    for row in plan.prices.rows:
        worth = LIMITS.get(row.family)
        if worth is None or row.usd_per_unit >= 0:
            continue
        label = row.row.partition("(")[2].rstrip(")")
        if worth.rented and label not in rented:
            continue
        name = label.rsplit(",", 1)[0] if "," in label else label
        found.setdefault((row.family, name), []).append(-row.usd_per_unit)
    made = [Binding(family, name, len(usd), sum(usd)) for (family, name), usd in found.items()]
    return sorted(made, key=lambda one: (-one.usd_per_unit, one.name))


@dataclass(frozen=True)
class Offered:
    """An offer the plan does not use: the multiple of its prices at which it would be, None if not even for nothing."""

    offer: str
    price_multiple: float | None
    decided: bool


def unused(found: Incumbent, plan: Plan, options: SolveOptions, most: int) -> tuple[list[Offered], list[str]]:
    """The offers that could serve something and do not, up to `most` of them, nearest to use first; and the names of
    those for which no time was left, out of these."""
    inst, used = found.encoded.instance, {row.offer for row in plan.routes}
    names = [inst.offers.names[o] for o in _nearest_to_use(found) if inst.offers.names[o] not in used][:most]
    thresholds: list[Offered] = []
    for i, name in enumerate(names):
        if options.late:
            break
        share, o = options.within(1.0 / (len(names) - i)), inst.offers.names.index(name)
        thresholds.append(_threshold(inst, o, plan.objective_usd, found.solver, share))
    by_price = sorted(
        thresholds, key=lambda one: (one.price_multiple is None, -(one.price_multiple or 0.0), one.offer)
    )
    return by_price, names[len(thresholds) :]


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


def _threshold(inst: Instance, o: int, without: float, solver: str, options: SolveOptions) -> Offered:
    """Newton from the left on the optimal cost as a function of the price multiple, which is concave and ends flat."""
    multiple, name = NEARLY_FREE, inst.offers.names[o]
    for _ in range(ROUNDS):
        if options.late:
            return Offered(name, None if multiple == NEARLY_FREE else multiple, False)
        price = inst.scenarios.price.copy()
        price[:, o] *= multiple
        cheaper = replace(inst, scenarios=replace(inst.scenarios, price=price))
        try:
            found = optimise(encode(cheaper), solver, options)
        except RouterError:
            return Offered(name, None if multiple == NEARLY_FREE else multiple, False)
        decoded = decode(found.encoded, found.point)
        gain = without - decoded.objective_usd
        slope = sum(line.usd for line in decoded.cost_lines if line.offer == name) / multiple
        if gain <= 1e-7 * max(abs(without), 1e-9) or slope <= 0:
            return Offered(name, None if multiple == NEARLY_FREE else multiple, True)
        multiple += gain / slope
    return Offered(name, multiple, False)
