"""The proof in a plan, part by part: what it proves, by our own rows and arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain

from router.plan.proof import Proof, ProofPart, ProvenLeaf, parts_json
from router.verification.base.audit import Audit
from router.verification.base.costs import NO_SUMS
from router.verification.base.ledger import Ledger
from router.verification.bound import relaxation_of
from router.verification.bound.cuts import cut_of
from router.verification.bound.duality import UNIT, Usd, covered, least, priced, proven
from router.verification.bound.relaxation import ROOM, RelaxedProblem

RELATIVE = 1e-9
"""How far a stated bound may lie above what is worked out here, as a part of the objective."""


class Unproven(Exception):
    """Why a proof proves nothing."""


def proven_parts(
    model: RelaxedProblem, parts: tuple[ProofPart, ...], prices: Mapping[str, float] | None = None
) -> tuple[list[float], float]:
    """What each part costs at least, and all of it together. Raises `Unproven`.

    prices   of promises across parts, which are paid for in place of being kept
    """
    for promise in prices or ():
        _known(model, promise)
    costs, limits, error = priced(model, prices or {})
    speakers: dict[str, list[int]] = {}
    spoken = []
    for i, part in enumerate(parts):
        leaves = (ProvenLeaf({}, part.multipliers or {}),) if part.leaves is None else part.leaves
        own = _speaks_of(model, leaves, part.usd or {})
        for name in own:
            speakers.setdefault(name, []).append(i)
        spoken.append((own, leaves))
    rest = _rest(model, parts, speakers, costs)
    bounds = []
    for i, (part, (own, leaves)) in enumerate(zip(parts, spoken, strict=True)):
        ranges = [_ranges(leaf) for leaf in leaves]
        if not covered(ranges):
            raise Unproven(f"part {i}: its leaves leave some counts out")
        multipliers = [leaf.multipliers for leaf in leaves]
        here = {name: costs[name] for name in own if name in costs}
        here |= {name: (usd, 0.0) for name, usd in (part.usd or {}).items()}
        bounds.append(proven(model, own, list(zip(multipliers, ranges, strict=True)), here))
    sums = [model.constant, *limits, *bounds, *rest]
    total = math.fsum(sums)
    if not math.isfinite(total):
        raise Unproven("its multipliers bound nothing")
    return bounds, total - error - 2.0**-50 * math.fsum(map(abs, sums))


def _rest(
    model: RelaxedProblem,
    parts: tuple[ProofPart, ...],
    speakers: Mapping[str, list[int]],
    costs: dict[str, Usd],
) -> list[float]:
    """What variables cost at least beside the parts; in `costs`, of what parts share, what is left of it.

    Of a variable that several parts speak of each says what it costs there; one may say nothing and has the rest.
    """
    rest = []
    for name, variable in model.variables.items():
        own = speakers.get(name, [])
        usd = costs.get(name, (variable.usd, 0.0))
        shares = [usd_here[name] for i in own if name in (usd_here := parts[i].usd or {})]
        silent = len(own) - len(shares)
        if silent > 1:
            raise Unproven(f"parts {own[0]} and {own[1]} both speak of {name}")
        if shares:
            size = math.fsum(map(abs, (*shares, usd[0])))
            left = math.fsum((usd[0], *(-share for share in shares)))
            usd = costs[name] = (left, usd[1] + 4 * UNIT * size)
        if not silent and (usd[0] or usd[1]):
            rest.append(least(usd, variable))
    return rest


def _known(model: RelaxedProblem, promise: str) -> None:
    if promise not in model.constraints:
        cut = cut_of(model, promise)
        if cut is None:
            raise Unproven(f"{promise} is not a promise of the problem")
        model.constraints[promise] = cut


def _speaks_of(
    model: RelaxedProblem, leaves: tuple[ProvenLeaf, ...], usd: Mapping[str, float]
) -> dict[str, None]:
    """In the order of promises: sums in another order differ in their last digit from run to run."""
    names: dict[str, None] = {}
    for promise in dict.fromkeys(chain.from_iterable(leaf.multipliers for leaf in leaves)):
        _known(model, promise)
        names.update(dict.fromkeys(name for name, _ in model.constraints[promise].terms))
    for name, (lower, upper) in chain.from_iterable(leaf.ranges.items() for leaf in leaves):
        if name not in model.variables or not model.variables[name].whole:
            raise Unproven(f"{name} is not a whole count of the problem")
        if any(end is not None and end != round(end) for end in (lower, upper)):
            raise Unproven(f"{name}: its range does not end at whole numbers")
        names[name] = None
    for name in usd:
        if name not in model.variables:
            raise Unproven(f"{name} is nothing that the problem decides")
        names[name] = None
    return names


def _ranges(leaf: ProvenLeaf) -> dict[str, tuple[float, float]]:
    return {
        name: (-math.inf if lower is None else lower, math.inf if upper is None else upper)
        for name, (lower, upper) in leaf.ranges.items()
    }


def _speaks_of_arrivals(audit: Audit, stated: Proof) -> bool:
    """Whether a proof is in promises of arrivals, as earlier releases wrote it of large problems too."""
    waits = [load.name for load in audit.case.workloads.values() if load.deferrable_h is not None]
    if not waits:
        return False
    arrivals = {f"demand({name},{t})" for name in waits for t in range(audit.case.periods)}
    leaves = chain.from_iterable(part.leaves or () for part in stated.parts)
    spoken = (part.multipliers or {} for part in stated.parts)
    return any(not arrivals.isdisjoint(own) for own in chain(spoken, (leaf.multipliers for leaf in leaves)))


def check_proof(audit: Audit, ledger: Ledger) -> None:
    """The bound of a proof is no higher than what its multipliers prove, and the plan's own is no higher than that."""
    stated: Proof | None = audit.plan.proof
    if stated is None:
        return
    if stated.beside is not None and parts_json(stated.parts)[1] != stated.beside.sha256:
        ledger.fault("proof:", stated.beside.name, "is not the one that the plan was written with")
        return
    if audit.sums is not NO_SUMS:  # a proof of the problem as a whole
        audit = Audit(audit.problem, audit.plan)
    model = relaxation_of(audit, by_arrivals=_speaks_of_arrivals(audit, stated))
    if model is None:
        ledger.fault("proof: the problem calls two things by one name")
        return
    slack = RELATIVE * max(abs(audit.plan.objective_usd), abs(stated.bound_usd), 1e-3)
    try:
        bounds, total = proven_parts(model, stated.parts, stated.prices)
    except Unproven as error:
        ledger.fault("proof:", error)
        return
    for i, (part, bound) in enumerate(zip(stated.parts, bounds, strict=True)):
        right = part.bound_usd <= bound + slack
        ledger.require(right, f"proof.parts[{i}]: bound_usd is {part.bound_usd!r}, proven is {bound!r}")
    ledger.require(
        stated.bound_usd <= total + slack, f"proof.bound_usd is {stated.bound_usd!r}, proven is {total!r}"
    )
    above = total > audit.plan.objective_usd * (1 + ROOM) + slack
    ledger.require(not above, f"proof: {total!r} is proven, and the plan costs less")
    if stated.kind == "own":
        own = audit.plan.bound_usd <= max(stated.bound_usd, 0.0) + slack  # nothing costs less than nothing
        ledger.require(
            own, f"bound_usd is {audit.plan.bound_usd!r}, above proof.bound_usd {stated.bound_usd!r}"
        )
