"""A block of periods: its rows, what they come to, and a bound of it. In any process: it hangs on the task alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from problems.core.encode import Encoded
from problems.core.uncollected import without_collections
from router.errors import NoPlanInTime
from router.normalise.minutes import Arrivals, forget
from router.plan.document import Plan
from router.plan.proof import ProofPart
from router.plan.rows import InstanceRow, MinuteSource, QuotaRow, RouteRow, UnservedRow
from router.planning.fixed import Fixed
from router.planning.minutes.quota_rows import quota_rows
from router.planning.proofs.cutting import strengthened_parts
from router.planning.proofs.rounding import lifted_parts
from router.planning.proofs.scaled import ScaledRelaxation, parts_by_name
from router.planning.proofs.trees import searched_by
from router.planning.solve import encode_problem
from router.planning.two_steps import Incumbent, finished, run
from router.schema import Problem
from router.verification.base.eligibility import Candidate
from router.verification.blocks.cut import BlockAudit
from router.verification.bound import relaxation_of
from router.verification.bound.proof import Unproven, proven_parts
from solvers import LinearProgram, Solution, SolveOptions, SolversError
from solvers.components import parts, solve_parts
from solvers.rounded import solve_rounded
from solvers.rounding.lifted import lifted
from solvers.strengthened import strengthened


@dataclass(frozen=True)
class BlockTask:
    """What a block is solved from.

    first      its first period
    own        its problem, without contracts and fees, shut offers denied
    bounded    the same as it is bounded, see `verification.blocks.proof`
    weights    what a dollar of use costs, by offer with a contract
    limited    the plan that it is bounded beside: it has no rows, and costs no less than the whole
    judged     reasons against every route
    """

    first: int
    own: Problem
    bounded: Problem
    weights: dict[str, float]
    options: SolveOptions
    limited: Plan
    judged: Mapping[Candidate, tuple[str, ...]]


@dataclass(frozen=True)
class BlockAnswer:
    """Periods of rows are those of the horizon; what starts with the first counts as if nothing ran before.

    lines    USD by offer and kind, use of contracts left out
    used     tokens and USD of contracts, by offer and period
    """

    routes: list[RouteRow]
    instances: list[InstanceRow]
    unserved: list[UnservedRow]
    quotas: list[QuotaRow] | None
    minutes: MinuteSource | None
    lines: dict[tuple[str | None, str], float]
    used: dict[tuple[str, int], tuple[float, float]]
    parts: list[ProofPart]
    bound_usd: float


_arrived: Arrivals = {}
"""Gaps drawn for one block serve the next: they hang on names and volumes alone."""

NEARER = 0.25
"""Of the gap asked for: how near to its own bound an hour is rounded; the bound of the whole is lower."""

LOST = 1e-5
"""Of a bound: what safe arithmetic may take of it before another way to prove is tried."""

MOST_KEPT = 96_000_000
"""Of them, over all workloads: 770 MB."""


def solved_block(task: BlockTask) -> BlockAnswer:
    """Raises as `optimise`."""
    with without_collections():
        return _solved(task)


def _solved(task: BlockTask) -> BlockAnswer:
    encoded = encode_problem(task.own)
    best = _searched(encoded, task)
    decoded = best.decoded
    forget(_arrived, MOST_KEPT)
    quotas, minutes = quota_rows(task.own, encoded.views, decoded.routes, _arrived)
    proof, bound = proven_block(task)
    return BlockAnswer(
        [replace(row, period=row.period + task.first) for row in decoded.routes],
        [replace(row, period=row.period + task.first) for row in decoded.instances],
        [replace(row, period=row.period + task.first) for row in decoded.unserved],
        None if quotas is None else [replace(row, period=row.period + task.first) for row in quotas],
        minutes,
        {
            (line.offer, line.kind): line.usd
            for line in decoded.cost_lines
            if not (line.kind == "tokens" and line.offer in task.weights)
        },
        _used(encoded, best, task),
        proof,
        bound,
    )


def cost_of_block(task: BlockTask) -> tuple[float, dict[str, float]]:
    """USD of a block without use of contracts, and that use, in USD at contract rates. Raises as `optimise`."""
    encoded = encode_problem(task.own)
    best = _searched(encoded, task)
    used: dict[str, float] = defaultdict(float)
    for (name, _), (_, usd) in _used(encoded, best, task).items():
        used[name] += usd
    lines = best.decoded.cost_lines
    return sum(line.usd for line in lines if not (line.kind == "tokens" and line.offer in task.weights)), used


def _searched(encoded: Encoded, task: BlockTask) -> Incumbent:
    """Period by period where it falls apart so, each rounded from its relaxation; use of contracts at its weight."""
    names, flow = encoded.instance.offers.names, encoded.columns[0].flow
    weight = np.array([task.weights.get(name, 1.0) for name in names])
    cost = encoded.program.cost.copy()
    cost[flow] *= weight[_offer_of_flow(encoded)]
    program = encoded.program.with_cost(cost, encoded.program.offset)
    options = replace(task.options, watch=None)

    def solve(part: LinearProgram, _: object, share: SolveOptions) -> Solution:
        nearer = replace(share, gap=NEARER * share.gap)
        rounded = solve_rounded(part, nearer, by_basis=True) if part.is_mip else None
        return run(part, "highs", share) if rounded is None else rounded

    first = solve_parts(program, parts(program), solve, options)
    if first.point is None and options.late:
        raise NoPlanInTime("no plan of all blocks was found within the limit; a longer --time-limit may help")
    return finished(replace(encoded, program=program), first, ("highs", options), Fixed(), 0.0)


def _offer_of_flow(encoded: Encoded) -> np.ndarray:
    view = encoded.views[0]
    return np.asarray(view.routes.offer[view.flows.route])


def _used(encoded: Encoded, best: Incumbent, task: BlockTask) -> dict[tuple[str, int], tuple[float, float]]:
    """Tokens and USD at contract rates."""
    view, flow, names = encoded.views[0], encoded.columns[0].flow, encoded.instance.offers.names
    point, offer = best.decoded.settled.point, _offer_of_flow(encoded)
    usd: dict[tuple[str, int], float] = defaultdict(float)
    tokens: dict[tuple[str, int], float] = defaultdict(float)
    contracted = np.isin(offer, [o for o, name in enumerate(names) if name in task.weights])
    for f in np.flatnonzero(contracted & (point[flow] > 0)).tolist():
        at = names[offer[f]], task.first + int(view.flows.period[f])
        usd[at] += float(encoded.program.cost[flow[f]] * point[flow[f]])
    for row in best.decoded.routes:
        if row.offer in task.weights:
            tokens[row.offer, task.first + row.period] += row.tokens
    return {at: (tokens[at], usd[at]) for at in tokens}


def proven_block(task: BlockTask) -> tuple[list[ProofPart], float]:
    """Parts, with the periods of the block, and what they prove of it together; none where no plan is so cheap."""
    relaxation = relaxation_of(BlockAudit(task.bounded, task.limited, judged=task.judged))
    if relaxation is None:
        return [], 0.0
    span = (task.first, task.first + task.own.horizon.periods - 1)
    parts, total = list[ProofPart](), 0.0
    for named, claimed in _ways_to_prove(ScaledRelaxation.of(relaxation), replace(task.options, watch=None)):
        try:
            bounds, proven = proven_parts(relaxation, named)
        except Unproven:
            continue
        if not parts or proven > total:
            total = proven
            parts = [
                replace(part, bound_usd=usd, periods=span) for part, usd in zip(named, bounds, strict=True)
            ]
        if proven >= claimed - LOST * abs(claimed):
            break
    return parts, total


def _ways_to_prove(
    model: ScaledRelaxation, options: SolveOptions
) -> Iterator[tuple[tuple[ProofPart, ...], float]]:
    """Parts and what a solver says of them, best first: promises rounded, fewer of them, cuts, and neither.

    What is rounded twice may say less in safe arithmetic than to a solver.
    """
    try:
        for rounds in (2, 1):
            lift = lifted(model.program, options, rounds)
            if lift is not None:
                yield lifted_parts(model, lift), lift.bound
        answer = strengthened(model.program, options)  # with cuts, each at the count of its pool
        if answer is not None:
            yield strengthened_parts(model, answer), answer.bound
        yield parts_by_name(model, searched_by(model, options, None, 0.0).parts), inf
    except SolversError:
        return
