"""What spills: refused shares, who takes them, and the rows over sets of minutes that a proof names.

    spilled(w,n,offer,model,t)   share of the cell that is sent there first, and refused

    taken   Σ spilled − Σ flow on routes that do not spill ≤ 0                             per cell
    spilling(key)   Σ_S a · ((1 − β) · flow − β · spilled) ≤ α · C                         per row that is named

    S, M    the flows that are named; the minutes in which their demand, by the weights beside them, is more than C over
            its mean (of an instance, or of the cap; less what boots, of which the names have their part)
    a       of the limit, what the whole cell takes in the mean       α   in M, of C by its parts: a count, what boots
    β       part of the cell's demand that comes in other minutes     C   usable · (count − booting), or of the cap

Right for any flows of one limit and any weights: what is carried of S in a minute of M is at most C, in others at most
what is sent. Demand by the minute is the verifier's own. Minutes that are just full are in M and are not: two rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.verification.base.audit import Audit
from router.verification.base.case import Future
from router.verification.base.ledger import RELATIVE
from router.verification.base.quotas import (
    Allowance,
    WholeCell,
    booting_by_minute,
    carried_by_minute,
    first_to_boot,
)
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.serving import PossibleFlow, pool_name, serving_parts
from router.verification.spilling import shape_of

if TYPE_CHECKING:
    from router.verification.minutes import Minutes, Shape

CAP = "cap"
FULL = 1e-9
ROUNDING = 1e-12
"""By how much a coefficient is looser than worked out, which is more than all rounding in it."""


def add_spilling(model: RelaxedProblem, audit: Audit, flows: list[PossibleFlow], future: Future) -> None:
    """Refused shares of all that may spill, and the rows that the plan's proof names; of several futures those that
    begin with the name of this one, and a bar.
    """
    into = {flow.name: flow for flow in flows if flow.offer.spills}
    if not into:
        return
    _add_taken(model, flows)
    proof = audit.plan.proof
    named = proof.minutes or {} if proof is not None else {}
    if len(audit.case.futures) > 1:
        named = {key: row for key, row in named.items() if key.startswith(f"{future.name}|")}
    if not named:
        return
    from router.verification.minutes import minutes_of  # here: it loads arrays, and few problems need it

    writer = _RowWriter(model, audit, future, minutes_of(audit.problem, audit.case.problem))
    for key, weights in named.items():
        own = {name: weight for name, weight in weights.items() if name in into}
        boots = {name: weight for name, weight in weights.items() if name not in into}
        if own and len({_limit(audit, into[name]) for name in own}) == 1:
            writer.add(key, [(into[name], weight) for name, weight in own.items()], boots)


def minutes_row(key: str, *, full: bool = False) -> str:
    """Name of a row, or of its other in which minutes that are just full are in M."""
    return f"spilling({key}{',full' if full else ''})"


def spilled_name(flow: PossibleFlow) -> str:
    """The variable of what is refused."""
    return f"spilled{flow.name.removeprefix('flow')}"


def _limit(audit: Audit, flow: PossibleFlow) -> tuple[str, str | None, int]:
    instances = flow.offer.instances
    served = None if instances is None else audit.case.pool_model(flow.offer.name, flow.model)
    return flow.offer.name, served, flow.period


def _add_taken(model: RelaxedProblem, flows: list[PossibleFlow]) -> None:
    """What spills of a cell is served on routes that do not spill; work that moves in time does not spill."""
    by_cell: dict[str, Terms] = {}
    for flow in flows:
        still = flow.workload.window is None and flow.workload.deferrable_h is None
        if flow.offer.spills and still:
            terms = by_cell.setdefault(str(flow.cell.key), [])
            terms.append((model.variable(spilled_name(flow), 1.0), 1.0))
    for flow in flows:
        if not flow.offer.spills and str(flow.cell.key) in by_cell:
            by_cell[str(flow.cell.key)].append((flow.name, -1.0))
    for key, terms in by_cell.items():
        model.constraint(f"taken({key})", terms, upper=0.0)


@dataclass(frozen=True, eq=False, repr=False)
class _RowWriter:
    """Rows of a future into its relaxation."""

    model: RelaxedProblem
    audit: Audit
    future: Future
    minutes: Minutes

    def add(self, key: str, flows: list[tuple[PossibleFlow, float]], boots: Mapping[str, float]) -> None:
        """The row, and its other where minutes are just full; each only where it says something."""
        import numpy as np

        case, allowance = self.audit.case, Allowance(self.audit.case)
        cells = [_whole(flow) for flow, _ in flows]
        amounts = [cell.amount(case, allowance) for cell in cells]
        shapes = [self._shape(cell) for cell in cells]
        if not np.isfinite(amounts).all():
            return
        load = np.array([weight for _, weight in flows]) @ np.array(shapes)
        capacity = dict(self._capacity(flows[0][0], allowance))
        first, *_ = capacity.values()  # of an instance, or of the cap
        level = first / max(float(first.mean()), 1e-300)
        if flows[0][0].offer.instances is not None:
            up = sum((boots[name] * capacity[name] for name in boots.keys() & capacity.keys()), np.zeros(1))
            level = level * np.maximum(1.0 + up / np.maximum(first, 1e-300), 0.0)
        above, full = load > level + FULL, load > level - FULL
        for name, inside in ((minutes_row(key), above), (minutes_row(key, full=True), full)):
            if inside is full and (above == full).all():
                continue
            terms: Terms = []
            for (flow, _), amount, shape in zip(flows, amounts, shapes, strict=True):
                beta = float(np.where(inside, 0.0, shape).mean())
                terms.append((flow.name, amount * (1.0 - beta - ROUNDING)))
                if spilled_name(flow) in self.model.variables:
                    terms.append((spilled_name(flow), -amount * (beta + ROUNDING)))
            alpha = {
                of: float(np.where(inside, part, 0.0).mean()) + ROUNDING for of, part in capacity.items()
            }
            fixed = alpha.pop(CAP, 0.0)
            self.model.constraint(name, [*terms, *((of, -part) for of, part in alpha.items())], upper=fixed)

    def _shape(self, cell: WholeCell) -> Shape:
        import numpy as np

        shape = shape_of(cell, self.minutes)
        return np.ones(self.minutes.number) if shape is None else shape

    def _capacity(self, flow: PossibleFlow, allowance: Allowance) -> Iterator[tuple[str, Shape]]:
        """Counts, and what each carries by the minute, below 0 what boots does not; or `CAP`.

        Whole ones carry as much more as `throughput` lets them.
        """
        import numpy as np

        case, offer, instances, t = self.audit.case, flow.offer.name, flow.offer.instances, flow.period
        real, tiled = self.minutes.real, self.minutes.tiled
        each = np.array(carried_by_minute(case, allowance, flow.offer, self.future, t, real))
        if instances is None:
            yield CAP, tiled(each)
            return
        each = each * (1.0 + RELATIVE * instances.integral)
        pool = pool_name(offer, case.pool_model(offer, flow.model))
        since = first_to_boot(case, offer, t)
        begun = {
            f"started({pool},{k})": booting_by_minute(case, offer, k, t, real) for k in range(since, t + 1)
        }
        for name, _ in serving_parts(self.model, case, offer, pool, t):
            yield name, tiled(-each * np.array(begun[name]) if name in begun else each)


def _whole(flow: PossibleFlow) -> WholeCell:
    return WholeCell(flow.cell, flow.workload, flow.unit, flow.offer, flow.model, flow.entry, flow.period)
