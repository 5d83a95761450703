"""The proof in a plan, part by part and case by case: what it proves, by our own rows and arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from router.plan.proof import Proof, ProofCase, ProofPart, ProvenLeaf, Rounding, parts_json
from router.plan.values import Interval
from router.verification.base.audit import Audit
from router.verification.base.costs import NO_SUMS
from router.verification.base.ledger import Ledger
from router.verification.bound import relaxation_of
from router.verification.bound.cuts import cut_of
from router.verification.bound.duality import UNIT, Usd, WholeBound, covered, least, priced, proven
from router.verification.bound.relaxation import ROOM, RelaxedProblem
from router.verification.bound.roundings import rounding_name, rounding_of, with_sums

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
    speakers: dict[str, tuple[int, ...]] = {}
    spoken = []
    models = [_with_roundings(model, part.roundings) for part in parts]
    for i, (part, within) in enumerate(zip(parts, models, strict=True)):
        leaves = (ProvenLeaf({}, part.multipliers or {}),) if part.leaves is None else part.leaves
        own = _speaks_of(within, leaves, part.usd or {})
        for name in own:
            speakers[name] = (*speakers.get(name, ()), i)
        spoken.append((own, leaves))
    rest = _rest(model, parts, speakers, costs)
    bounds = []
    for i, (part, within, (own, leaves)) in enumerate(zip(parts, models, spoken, strict=True)):
        ranges = [_ranges(leaf) for leaf in leaves]
        if not covered(ranges):
            raise Unproven(f"part {i}: its leaves leave some counts out")
        multipliers = [leaf.multipliers for leaf in leaves]
        here = {name: costs[name] for name in own if name in costs}
        here |= {name: (usd, 0.0) for name, usd in (part.usd or {}).items()}
        bounds.append(proven(within, own, list(zip(multipliers, ranges, strict=True)), here))
    sums = [model.constant, *limits, *bounds, *rest]
    total = math.fsum(sums)
    if not math.isfinite(total):
        raise Unproven("its multipliers bound nothing")
    return bounds, total - error - 2.0**-50 * math.fsum(map(abs, sums))


def proven_cases(model: RelaxedProblem, cases: tuple[ProofCase, ...]) -> list[tuple[list[float], float]]:
    """What each part costs at least, and every plan, within the ranges of each case; they leave no count out.

    Raises `Unproven`.
    """
    for case in cases:
        _whole_ranges(model, case.ranges)
    ranges = [_ranges(case) for case in cases]
    if not cases or not covered(ranges):
        raise Unproven("its cases leave some counts out")
    whole = WholeBound(model) if any(map(_in_one, cases)) else None
    found = []
    for case, own in zip(cases, ranges, strict=True):
        local = _of_case(model.within(own), case)
        if whole is not None and _in_one(case):
            found.append(_proven_in_one(whole, local, case, own))
        else:
            found.append(proven_parts(local, case.parts, case.prices))
    return found


def proven_by_cases(
    model: RelaxedProblem, cases: tuple[ProofCase, ...]
) -> tuple[list[tuple[list[float], float]], float]:
    """As `proven_cases`, and what every plan costs at least. Raises `Unproven`.

    Of a problem that falls apart that is the least of each part's cases, Σ_apart min_case, and what is left over: no
    two parts speak of the same thing.
    """
    if all(case.apart is None for case in cases):
        found = proven_cases(model, cases)
        return found, min(bound for _, bound in found)
    speakers: dict[str, int | None] = {}
    own: dict[int | None, dict[str, None]] = {}
    for case in cases:
        names = _named_in(model, case)
        own.setdefault(case.apart, {}).update(names)
        for name in names:
            if speakers.setdefault(name, case.apart) != case.apart:
                raise Unproven(f"cases apart, of {speakers[name]} and {case.apart}, both speak of {name}")
    each: dict[int, tuple[list[float], float]] = {}
    bounds = []
    for apart, mine in own.items():
        at = [i for i, case in enumerate(cases) if case.apart == apart]
        proven_there = proven_cases(_alone(model, mine), tuple(cases[i] for i in at))
        each |= dict(zip(at, proven_there, strict=True))
        bounds.append(min(bound for _, bound in proven_there))
    left = (
        least((of.usd, 0.0), of) for name, of in model.variables.items() if name not in speakers and of.usd
    )
    sums = [model.constant, *bounds, *left]
    total = math.fsum(sums) - 2.0**-50 * math.fsum(map(abs, sums))
    if not math.isfinite(total):
        raise Unproven("its multipliers bound nothing")
    return [each[i] for i in range(len(cases))], total


def _named_in(model: RelaxedProblem, case: ProofCase) -> dict[str, None]:
    """What a case speaks of, its own sums left out."""
    rows = [*(case.roundings or ()), *(row for part in case.parts for row in part.roundings or ())]
    made = {*(case.sums or {}), *(rounding_name(i) for i in range(len(rows)))}
    leaves = tuple(
        leaf for part in case.parts for leaf in part.leaves or (ProvenLeaf({}, part.multipliers or {}),)
    )
    promises = (
        *(leaf.multipliers for leaf in leaves),
        *(row.weights for row in rows),
        case.prices or {},
    )
    names = dict.fromkeys(chain.from_iterable((case.sums or {}).values()))
    for said in (case.ranges, *(leaf.ranges for leaf in leaves), *(part.usd or {} for part in case.parts)):
        names.update(dict.fromkeys(name for name in said if name not in made))
    for promise in dict.fromkeys(chain.from_iterable(promises)):
        if promise not in made:
            _known(model, promise)
            names.update(dict.fromkeys(name for name, _ in model.constraints[promise].terms))
    for name in names:
        if name not in model.variables:
            raise Unproven(f"{name} is nothing that the problem decides")
    return names


def _alone(model: RelaxedProblem, names: Mapping[str, None]) -> RelaxedProblem:
    """What is decided there, and the promises that speak of nothing else."""
    inside = {
        promise: row
        for promise, row in model.constraints.items()
        if all(name in names for name, _ in row.terms)
    }
    variables = {name: of for name, of in model.variables.items() if name in names}
    return replace(model, variables=variables, constraints=inside, constant=0.0)


def _in_one(case: ProofCase) -> bool:
    """Whether a case is one part with multipliers alone, of what the problem decides."""
    part = case.parts[0] if len(case.parts) == 1 else None
    alone = part is not None and part.leaves is None and not part.usd and not part.roundings
    return alone and not case.prices and not case.sums


def _proven_in_one(
    whole: WholeBound, local: RelaxedProblem, case: ProofCase, ranges: Mapping[str, tuple[float, float]]
) -> tuple[list[float], float]:
    """As `proven_parts`, of a relaxation that is written out."""
    multipliers = case.parts[0].multipliers or {}
    more = {}
    for promise in multipliers:
        _known(local, promise)
        if promise not in whole.row:
            more[promise] = local.constraints[promise]
    bound, rest = whole.proven(multipliers, ranges, more)
    sums = [local.constant, bound, rest]
    total = math.fsum(sums)
    if not math.isfinite(total):
        raise Unproven("its multipliers bound nothing")
    return [bound], total - 2.0**-50 * math.fsum(map(abs, sums))


def _of_case(model: RelaxedProblem, case: ProofCase) -> RelaxedProblem:
    """With sums and rows that hold within these limits alone."""
    if not case.sums and not case.roundings:
        return model
    made = with_sums(model, case.sums or {})
    if made is None:
        raise Unproven("a sum is not one of whole counts, or is called as something else is")
    return _with_roundings(made, case.roundings)


def _with_roundings(model: RelaxedProblem, roundings: Sequence[Rounding] | None) -> RelaxedProblem:
    """With rows that hold here alone; they may be made of rows before them."""
    if not roundings:
        return model
    made = replace(model, constraints=dict(model.constraints))
    for i, stated in enumerate(roundings):
        for promise in stated.weights:
            _known(made, promise)
        row = rounding_of(made, stated)
        if row is None or rounding_name(i) in made.constraints:
            raise Unproven(f"{rounding_name(i)} is not a row that its promises make")
        made.constraints[rounding_name(i)] = row
    return made


def _rest(
    model: RelaxedProblem,
    parts: tuple[ProofPart, ...],
    speakers: Mapping[str, tuple[int, ...]],
    costs: dict[str, Usd],
) -> list[float]:
    """What variables cost at least beside the parts; in `costs`, of what parts share, what is left of it.

    Of a variable that several parts speak of each says what it costs there; one may say nothing and has the rest.
    """
    rest = []
    for name, variable in model.variables.items():
        own = speakers.get(name, ())
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
    for leaf in leaves:
        _whole_ranges(model, leaf.ranges)
        names.update(dict.fromkeys(leaf.ranges))
    for name in usd:
        if name not in model.variables:
            raise Unproven(f"{name} is nothing that the problem decides")
        names[name] = None
    return names


def _whole_ranges(model: RelaxedProblem, ranges: Mapping[str, Interval]) -> None:
    for name, (lower, upper) in ranges.items():
        if name not in model.variables or not model.variables[name].whole:
            raise Unproven(f"{name} is not a whole count of the problem")
        if any(end is not None and end != round(end) for end in (lower, upper)):
            raise Unproven(f"{name}: its range does not end at whole numbers")


def _ranges(leaf: ProvenLeaf | ProofCase) -> dict[str, tuple[float, float]]:
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


def _each(model: RelaxedProblem, stated: Proof) -> tuple[list[tuple[str, float, float]], float]:
    """What is stated and what is proven of each part and case, and what is of all. Raises `Unproven`."""
    if stated.cases is None:
        bounds, total = proven_parts(model, stated.parts, stated.prices)
        return _of_parts("", stated.parts, bounds), total
    if stated.parts or stated.prices:
        raise Unproven("it has cases, and parts or prices beside them")
    each = []
    by_case, total = proven_by_cases(model, stated.cases)
    for i, (case, found) in enumerate(zip(stated.cases, by_case, strict=True)):
        each += [*_of_parts(f"cases[{i}].", case.parts, found[0]), (f"cases[{i}]", case.bound_usd, found[1])]
    return each, total


def _of_parts(case: str, parts: tuple[ProofPart, ...], bounds: list[float]) -> list[tuple[str, float, float]]:
    pairs = enumerate(zip(parts, bounds, strict=True))
    return [(f"{case}parts[{i}]", part.bound_usd, bound) for i, (part, bound) in pairs]


def check_of_whole(audit: Audit, stated: Proof, ledger: Ledger) -> None:
    """The bound of a proof is no higher than what its multipliers prove, and the plan's own is no higher than that."""
    if stated.beside is not None and parts_json(stated)[1] != stated.beside.sha256:
        ledger.fault("proof:", stated.beside.name, "is not the one that the plan was written with")
        return
    if audit.sums is not NO_SUMS:  # a proof of the problem as a whole
        audit = Audit(audit.problem, audit.plan)
    model = relaxation_of(audit, by_arrivals=_speaks_of_arrivals(audit, stated))
    if model is None:
        ledger.fault("proof: the problem calls two things by one name")
        return
    slack = slack_of(audit, stated)
    try:
        each, total = _each(model, stated)
    except Unproven as error:
        ledger.fault("proof:", error)
        return
    for name, said, bound in each:
        ledger.require(said <= bound + slack, f"proof.{name}: bound_usd is {said!r}, proven is {bound!r}")
    check_total(audit, stated, total, slack, ledger)


def slack_of(audit: Audit, stated: Proof) -> float:
    """USD by which bounds may be stated above what is worked out here."""
    return RELATIVE * max(abs(audit.plan.objective_usd), abs(stated.bound_usd), 1e-3)


def check_total(audit: Audit, stated: Proof, total: float, slack: float, ledger: Ledger) -> None:
    """The bound stated is no higher than what is proven, which is no more than the plan costs."""
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
