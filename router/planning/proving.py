"""A proof for a plan: multipliers of the verifier's own relaxation, from a tree of our own; it may meet a better plan.

    relaxation of the verifier → linear program → parts, each with a tree → multipliers by name → worked out again

Every plan has a bound of its own: where a tree does not fit, of the relaxation alone; where that takes too long, of
what it has by then. All work is limited by counts, so that two runs find the same; what is not finished still bounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from problems.core.steps import steps_of
from router.errors import RouterError
from router.plan.document import Plan
from router.plan.left_out import out_of_time
from router.plan.proof import Proof, ProofCase, ProofPart
from router.plan.running import Running
from router.planning.deferred.pooling import columns_without_arrivals
from router.planning.doubts.second_look import (
    GAP,
    OWN,
    agree,
    by_another_path,
    cheaper_of,
    promises_broken,
    unconfirmed,
)
from router.planning.fixed import Fixed
from router.planning.proofs.apart import falls_apart, parts_apart, started
from router.planning.proofs.cutting import strengthened_parts
from router.planning.proofs.held import cases_of
from router.planning.proofs.mixed import Mixes, finer, worth_of_allowance
from router.planning.proofs.piecewise import priced_parts, rounded_parts
from router.planning.proofs.scaled import ScaledRelaxation, parts_by_name
from router.planning.proofs.spanning import spanning_cases, work_waits
from router.planning.proofs.stating import rows_of_use, stated_proof
from router.planning.proofs.summed import summed_cases
from router.planning.proofs.trees import FLOOR, allowed, grown, searched_by
from router.planning.publish import draft, gap_of
from router.planning.structure.in_parts import few_spanning
from router.planning.two_steps import Incumbent, finished
from router.schema import Problem
from router.verification import Audit, audit_of
from router.verification.bound import relaxation_of
from router.verification.bound.relaxation import RelaxedProblem
from solvers import Solution, SolveOptions, SolversError, Stop, clock_s

LARGEST = 10_000  # columns: beyond, the relaxation alone
HELD = 40_000  # columns: up to so many there may be cases of what spans the horizon
FOR_ROUNDINGS = 0.4
"""Of the time that is left: what each case takes now it takes again, twice, to be worked out."""
FOR_CASES = 0.7  # of the time that is left: writing their trees and working them out again takes the rest
MOST_CUT, MOST_TRIES = 12, 6  # linear programs, and trees, between which regions of waiting are cut
WRITING_S = 60e-6  # for each column: the verifier's rows, cuts, and its check
FOR_FUTURES = 0.25
"""Of the time limit, at most, for the proof of many futures: of a million columns it says little."""
ROUNDING = 5e-13  # relative: of the sums that the verifier works out again
WAITING_S = 90e-6
"""Like `WRITING_S`, of a large one where users wait: a row more for each pool, and trees hour by hour."""
TREE_S = 400e-6  # likewise where there is a tree, which takes some of it too
CHECKING_S = 200e-6  # for each cell with work: rows of the plan, its check without a bound, and writing it
MINUTES_S = 150e-6  # the same where caps are by the minute, whose requests are drawn twice
CASES_S = 2e-3  # the same of a day that few counts span: a tree over these, and in its leaves trees over all
OWN_LOOSE = 1e-5  # where users wait or offers spill: what a plan is allowed there is worth more than 1e-6


def proving_s(encoded: Encoded) -> float:
    """Seconds that a search leaves for its proof and check."""
    columns = columns_without_arrivals(encoded)
    large = encoded.program.n_columns > LARGEST and columns <= HELD
    if large and few_spanning(encoded.program, steps_of(encoded)):
        return columns * CASES_S
    return columns * (TREE_S if columns <= HELD else WAITING_S if _waits(encoded) else WRITING_S)


def checking_s(encoded: Encoded) -> float:
    """Seconds that a search leaves for its check, where there are not as many as `proving_s`."""
    cells = sum(len(view.cells) for view in encoded.views)
    return cells * (CHECKING_S + (MINUTES_S if len(encoded.instance.quotas.cap) else 0.0))


@dataclass(frozen=True, eq=False, repr=False)
class _PlanRows:
    """The verifier's rows of a plan, and the plan in them.

    start    (n,) the best point with the plan's whole numbers; None: not looked for, or there is none
    mixes    at which pools that wait are cut
    minutes  rows over sets of minutes, where offers spill
    near     relative: a bound so near to what is claimed proves the claim
    """

    relaxation: RelaxedProblem
    model: ScaledRelaxation
    start: Floats | None
    mixes: Mixes | None
    minutes: Mapping[str, Mapping[str, float]] | None
    near: float


@dataclass(frozen=True, eq=False, repr=False)
class _Evidence:
    """What bounds a plan, by name, not worked out yet: parts in several ways, best first, or cases.

    point        (n,) the best of the trees, a better plan perhaps
    iterations   that the trees took
    """

    ways: tuple[tuple[ProofPart, ...], ...]
    prices: dict[str, float] | None = None
    cases: tuple[ProofCase, ...] | None = None
    point: Floats | None = None
    iterations: int = 0


def with_proof(
    problem: Problem,
    encoded: Encoded,
    incumbent: Incumbent,
    running: Running | None = None,
    tries: int = MOST_TRIES,
) -> tuple[Incumbent, Proof | None]:
    """The incumbent, or a better one, and what is proven of it; None where it is not the plan of one future.

    running   what ran before, of a plan that is made from it
    tries     trees, at most, of regions that are cut where the last one met a point that is no plan
    """
    options = replace(incumbent.options, watch=None)  # of the plan's own program
    if incumbent.stop is Stop.INTERRUPTED or options.relax or len(encoded.views) != 1:
        return incumbent, None
    if options.finishing.short_of(WRITING_S * columns_without_arrivals(encoded)):
        return incumbent.saying(out_of_time=(*incumbent.out_of_time, "a bound of our own")), None
    small, began = encoded.program.n_columns <= LARGEST, clock_s()
    incumbent, rows = _rows_of(problem, encoded, incumbent, running, options)
    if rows is None or (small and rows.start is None):
        return incumbent, None  # a relaxation without the plan in it proves nothing of it
    try:
        found = _evidence(rows, encoded, incumbent, options)
    except SolversError:
        return incumbent, None
    except KeyboardInterrupt:  # the plan is there: it is given as it is
        return incumbent.saying(stop=Stop.INTERRUPTED), None
    audit, seconds = incumbent.audit, clock_s() - began
    better = _bettered(rows.model, found.point, encoded, incumbent, seconds)
    if better is not None and any(part.roundings for part in found.ways[0]):
        return with_proof(problem, encoded, better, running)  # what is rounded is counted from limits by cost
    if better is not None:
        incumbent = better.saying(audit=audit)
        rows.relaxation.limited(incumbent.decoded.objective_usd)
    proof = _best_stated(rows.relaxation, found, incumbent.decoded.objective_usd)
    if proof is None and incumbent.leaves is not None:
        return with_proof(problem, encoded, incumbent.saying(leaves=None), running)
    if proof is None:
        return incumbent, None
    proof = replace(proof, mixes=rows.mixes, minutes=rows_of_use(rows.minutes, proof))
    proven = _proven(incumbent, proof, rows.near)
    if proven is not None:
        return proven, replace(proof, kind="own")
    if found.point is not None and _waits(encoded) and tries > 1 and not options.late:
        cut = finer(incumbent.encoded, rows.model, found.point, rows.mixes or {})
        if cut is not None:
            return with_proof(problem, encoded, incumbent.saying(mixes=cut), running, tries - 1)
    proven = _proven(incumbent, proof, _allowance(rows, incumbent.decoded.objective_usd))
    if proven is not None:
        return proven, replace(proof, kind="own")
    second = by_another_path(encoded, incumbent, found.iterations)
    cheaper = cheaper_of(encoded, incumbent, second)
    if cheaper is not incumbent:
        return with_proof(problem, encoded, cheaper, running)
    return incumbent, replace(proof, kind="two_searches") if agree(incumbent, second) else proof


def _allowance(rows: _PlanRows, usd: float) -> float:
    """`near`, or what a plan in which users wait is seen to be allowed."""
    if rows.start is None or rows.near < OWN_LOOSE:
        return rows.near
    return max(rows.near, worth_of_allowance(rows.model, rows.start, usd))


def _waits(encoded: Encoded) -> bool:
    return any(cols.capacity.waits.any() for cols in encoded.columns)


def _rows_of(
    problem: Problem, encoded: Encoded, incumbent: Incumbent, running: Running | None, options: SolveOptions
) -> tuple[Incumbent, _PlanRows | None]:
    """The rows, and the incumbent with the audit that they are of; regions of waiting are cut until the plan is in
    them at no less than it costs. None where its problem has no such rows.
    """
    mixes, minutes = incumbent.mixes or None, incumbent.minutes or None
    plan = replace(draft(problem, encoded.instance.time, incumbent.decoded), running=running)
    waits, usd = _waits(encoded), incumbent.decoded.objective_usd
    near = OWN_LOOSE if waits or encoded.instance.spilling is not None else OWN
    rows, audit = None, None
    for left in reversed(range(MOST_CUT)):
        plan = replace(plan, proof=Proof("solver", 0.0, (), mixes=mixes, minutes=minutes))
        audit = audit_of(problem, plan, audit)
        relaxation, incumbent = relaxation_of(audit), incumbent.saying(audit=audit)
        if relaxation is None:
            return incumbent, None
        model = ScaledRelaxation.of(relaxation)
        small = encoded.program.n_columns <= LARGEST
        start = started(model, _integers(incumbent), options) if small else None
        rows = _PlanRows(relaxation, model, start, mixes, minutes, near)
        if start is None or not waits or options.late:
            break
        if not model.program.objective(start) < usd - near * usd:
            break
        cut = finer(incumbent.encoded, model, start, mixes or {}) if left else None
        if cut is None:
            break
        mixes = cut
    return incumbent, rows


def _evidence(rows: _PlanRows, encoded: Encoded, incumbent: Incumbent, options: SolveOptions) -> _Evidence:
    """By pieces under the search's prices, by what its size and shape allow, or by trees. Raises SolversError."""
    model, gap = rows.model, max(options.gap, rows.near)
    if incumbent.prices is not None:
        parts, prices = priced_parts(model, encoded.program, incumbent.prices, lambda: options.finishing.late)
        found = _Evidence((parts,), prices)
    elif encoded.program.n_columns > LARGEST:
        spanning = few_spanning(encoded.program, steps_of(encoded))
        groups = None if spanning else falls_apart(model, LARGEST)
        if groups is None:
            found = _of_large(model, encoded, incumbent, gap)
        else:
            found = _Evidence((parts_apart(model, groups, _integers(incumbent), options, gap),))
    else:
        found = _Evidence(((),))
    if found.ways[0] or found.cases is not None:
        return found
    if rows.start is None:
        searched = searched_by(model, options, None, 0.0)
        return replace(found, ways=(parts_by_name(model, searched.parts),), point=searched.point)
    enough = _enough(model, rows.start, incumbent.decoded.objective_usd, gap)
    trees = grown(model, options, rows.start, enough, allowed(incumbent, OWN))
    return replace(found, ways=trees.ways, point=trees.searched.point, iterations=trees.iterations)


def _best_stated(relaxation: RelaxedProblem, found: _Evidence, usd: float) -> Proof | None:
    """By cases or by parts, whichever the verifier's reckoning makes more of: cases that time ran out for may prove
    less than all of it did before. None where it makes nothing of them.
    """
    by_parts = None
    if found.ways[0] or found.cases is None:
        by_parts = _stated(relaxation, found.ways, usd, found.prices)
    proof = None if found.cases is None else stated_proof(relaxation, (), usd, None, found.cases)
    if proof is None or (by_parts is not None and by_parts.bound_usd > proof.bound_usd):
        return by_parts
    return proof


def _proven(incumbent: Incumbent, proof: Proof, near: float) -> Incumbent | None:
    """The incumbent with the bound that its proof gives; None where more was claimed than that."""
    value = incumbent.decoded.objective_usd
    refuted = incumbent.bound > value + OWN * abs(value)  # the solver's word was that nothing is so cheap
    # pieces are solved to within a part of what they cost, here and there: what is claimed is what is proven
    by_cases = proof.cases is not None and incumbent.stop is not Stop.OPTIMAL
    ours = refuted or incumbent.prices is not None or by_cases
    claimed = proof.bound_usd if ours else min(incumbent.bound, value)
    asked = incumbent.stop is Stop.OPTIMAL and value - proof.bound_usd <= incumbent.options.gap * abs(value)
    if not asked and proof.bound_usd < claimed - near * abs(value) - GAP * min(max(abs(value), GAP), 1.0):
        return None
    done = value - proof.bound_usd <= max(incumbent.options.gap, OWN) * abs(value)
    return incumbent.saying(bound=min(proof.bound_usd, value), stop=Stop.OPTIMAL if done else incumbent.stop)


def proven_sizing(
    problem: Problem,
    plan: Plan,
    options: SolveOptions,
    flows: int,
    minutes: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[Plan, Audit | None]:
    """A plan for several futures with its proof: a tree over all of them, the relaxation alone where they are many.

    With the verifier's audit, for its check.

    flows     columns of them: the more, the longer it takes to write the rows; where no time is left that is said
    minutes   rows over sets of minutes, by name, where offers spill
    """
    limit_s = inf if options.time_limit_s is None else FOR_FUTURES * options.time_limit_s
    if limit_s < WRITING_S * flows or options.finishing.short_of(WRITING_S * flows):
        return replace(plan, notes=(*plan.notes, *out_of_time(["a bound of our own"]))), None
    named = plan if minutes is None else replace(plan, proof=Proof("solver", 0.0, (), minutes=minutes))
    audit = audit_of(problem, named)
    relaxation = relaxation_of(audit)
    if relaxation is None:
        return plan, audit
    model = ScaledRelaxation.of(relaxation)
    try:
        small = len(model.names) <= LARGEST
        searched = searched_by(model, options, None, FLOOR if small else 0.0)
    except SolversError:
        return plan, audit
    value = plan.objective_usd
    proof = stated_proof(relaxation, parts_by_name(model, searched.parts), value)
    if proof is not None:
        proof = replace(proof, minutes=rows_of_use(minutes, proof))
    near = OWN if minutes is None else OWN_LOOSE
    if proof is None or proof.bound_usd < min(plan.bound_usd, value) - near * abs(value) - GAP:
        return replace(plan, proof=proof), audit
    bound = max(min(proof.bound_usd, value), 0.0)
    done = value - bound <= max(options.gap, OWN) * abs(value)
    own = replace(proof, kind="own")
    stop = Stop.OPTIMAL.value if done else plan.stop
    return replace(plan, proof=own, bound_usd=bound, gap=gap_of(value, bound), stop=stop), audit


def _of_large(model: ScaledRelaxation, encoded: Encoded, incumbent: Incumbent, gap: float) -> _Evidence:
    """By the leaves of the search's tree over sums, if it has one; else by the relaxation with cuts, and where that
    leaves more than the gap by pieces at a price, or by cases of what spans the horizon. No parts: no time.
    """
    from solvers.strengthened import strengthened  # here: an export of the program needs no solver

    if incumbent.leaves is not None:
        cases = summed_cases(model, encoded.program, incumbent.leaves)
        if cases is not None:
            return _Evidence(((),), cases=cases)
    options = replace(incumbent.options, watch=None)
    answer = strengthened(model.program, options)
    if answer is None:
        return _Evidence(((),))
    usd = incumbent.decoded.objective_usd
    enough = usd - gap * abs(usd)
    by_pieces = rounded_parts(model, encoded, answer, enough, options)
    if by_pieces is not None:
        parts, prices = by_pieces
        return _Evidence((parts,), prices)
    left = options.within(FOR_CASES)
    cases = cases_of(model, encoded, answer, usd, enough, _integers(incumbent), left)
    if cases is None and answer.bound < enough and work_waits(model):
        cases = spanning_cases(model, answer, enough, options.within(FOR_ROUNDINGS))
    return _Evidence((strengthened_parts(model, answer),), cases=cases)


def _stated(
    relaxation: RelaxedProblem,
    ways: tuple[tuple[ProofPart, ...], ...],
    value: float,
    prices: Mapping[str, float] | None,
) -> Proof | None:
    """The first way that the verifier's reckoning makes something of: what is rounded may prove it nothing."""
    return next(
        (proof for parts in ways if (proof := stated_proof(relaxation, parts, value, prices)) is not None),
        None,
    )


def _enough(model: ScaledRelaxation, start: Floats | None, usd: float, near: float) -> float:
    """How far below what the plan costs in the relaxation a bound may be, relative, to be near what the plan costs.

    The relaxation lets go of as much as the verifier does, a millionth of a promise: to bring its bound any nearer
    would be to show that this millionth of work keeps no instance from being counted, one by one.
    """
    relaxed = 0.0 if start is None else model.program.objective(start)
    if not relaxed > 0.0:
        return 0.0
    return min(max(1.0 - (1.0 - near) * usd / relaxed - ROUNDING, 0.0), near)


def looked_at_again(problem: Problem, encoded: Encoded, incumbent: Incumbent) -> Incumbent:
    """The incumbent; or what the proof's tree makes of it where a second look at a small program ends elsewhere."""
    return with_proof(problem, encoded, incumbent)[0] if unconfirmed(incumbent) else incumbent


def _integers(incumbent: Incumbent) -> dict[str, float]:
    """The incumbent's columns by name."""
    names = incumbent.encoded.program.column_names
    return dict(zip(names() if names else (), incumbent.integers.tolist(), strict=True))


def _bettered(
    model: ScaledRelaxation, point: Floats | None, encoded: Encoded, incumbent: Incumbent, seconds: float
) -> Incumbent | None:
    """A cheaper plan with the whole numbers that the tree has met; None where it met none."""
    usd = incumbent.decoded.objective_usd
    if point is None or incumbent.rounds or not model.program.objective(point) < usd - GAP * abs(usd):
        return None
    found = dict(zip(model.names, point.tolist(), strict=True))
    names, whole = encoded.program.column_names, np.flatnonzero(encoded.program.integer)
    column_names = names() if names else []
    if any(column_names[j] not in found for j in whole.tolist()):
        return None
    integers = incumbent.integers.copy()
    integers[whole] = np.round([found[column_names[j]] for j in whole.tolist()])
    first = Solution(Stop.OPTIMAL, integers, encoded.program.objective(integers), incumbent.bound)
    try:
        better = finished(encoded, first, (incumbent.solver, incumbent.options), Fixed(), seconds)
    except RouterError:
        return None
    cheaper = better.decoded.objective_usd < usd
    return better if cheaper and not promises_broken(better) else None
