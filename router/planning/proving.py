"""A proof for a plan: multipliers of the verifier's own relaxation, from a tree of our own; it may meet a better plan.

    relaxation of the verifier → linear program → parts, each with a tree → multipliers by name → worked out again

The tree's work is limited, so that two runs find the same; what it does not finish still bounds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from router.errors import RouterError
from router.plan.document import Plan
from router.plan.proof import Proof, ProofPart, ProvenLeaf
from router.planning.publish import draft
from router.planning.tighten import short_of_capacity
from router.planning.two_steps import Fixed, Incumbent, finished, run
from router.schema import Problem
from router.verification.base.audit import Audit
from router.verification.bound import relaxation_of
from router.verification.bound.proof import Unproven, proven_parts
from router.verification.bound.relaxation import RelaxedProblem
from solvers import LinearProgram, Solution, SolversError, Stop, get
from solvers.proof import ProgramProof, ProofLeaf, ProvedPart, WorkLimits, prove

LARGEST = 10_000  # columns: beyond, a tree of this kind is not the means
GAP = 1e-9  # relative, at which a part counts as proven
EFFORT = 1_000_000  # see `WorkLimits`
OWN = 1e-6  # relative: no more than this may lie between our bound and what the solver claims


@dataclass(frozen=True, eq=False, repr=False)
class ScaledRelaxation:
    """The verifier's relaxation as a program; its columns and rows are scaled by powers of two."""

    relaxation: RelaxedProblem
    program: LinearProgram
    names: tuple[str, ...]
    promises: tuple[str, ...]
    row_scale: Floats  # (m,) a scaled row is so many times the promise

    @classmethod
    def of(cls, relaxation: RelaxedProblem) -> ScaledRelaxation:
        names, promises = tuple(relaxation.variables), tuple(relaxation.constraints)
        at = {name: j for j, name in enumerate(names)}
        rows = relaxation.constraints.values()
        variables = relaxation.variables.values()
        upper = np.array([each.upper for each in variables], dtype=float)
        whole = np.array([each.whole for each in variables], dtype=bool)
        sized = ~whole & np.isfinite(upper) & (upper > 0)
        scale = np.where(sized, 2.0 ** np.round(np.log2(np.where(sized, upper, 1.0))), 1.0)
        index = np.repeat(np.arange(len(promises)), [len(row.terms) for row in rows])
        column = np.array([at[name] for row in rows for name, _ in row.terms], dtype=np.int64)
        value = np.array([factor for row in rows for _, factor in row.terms], dtype=float) * scale[column]
        largest = np.zeros(len(promises))
        np.maximum.at(largest, index, np.abs(value))
        row_scale = 2.0 ** -np.round(np.log2(np.where(largest > 0, largest, 1.0)))
        shape = (len(promises), len(names))
        program = LinearProgram(
            cost=np.array([each.usd for each in variables], dtype=float) * scale,
            matrix=sparse.coo_array((value * row_scale[index], (index, column)), shape=shape).tocsr(),
            row_lower=np.array([row.lower for row in rows], dtype=float) * row_scale,
            row_upper=np.array([row.upper for row in rows], dtype=float) * row_scale,
            col_lower=np.array([each.lower for each in variables], dtype=float) / scale,
            col_upper=upper / scale,
            integer=whole,
            offset=relaxation.constant,
        )
        return cls(relaxation, program, names, promises, row_scale)


def with_proof(problem: Problem, encoded: Encoded, incumbent: Incumbent) -> tuple[Incumbent, Proof | None]:
    """The incumbent, or a better one, and what is proven of it; None where no bound of this kind can be had."""
    options = incumbent.options
    if (
        incumbent.stop is Stop.INTERRUPTED
        or options.relax
        or len(encoded.views) != 1
        or encoded.program.n_columns > LARGEST
    ):
        return incumbent, None
    relaxation = relaxation_of(Audit(problem, _draft(problem, incumbent)))
    if relaxation is None:
        return incumbent, None
    model, began = ScaledRelaxation.of(relaxation), time.perf_counter()
    start = _start(model, encoded, incumbent)
    if start is None:  # a relaxation without the plan in it proves nothing of it
        return incumbent, None
    try:
        searched = _searched(model, start, incumbent)
    except SolversError:
        return incumbent, None
    except KeyboardInterrupt:  # the plan is there: it is given as it is
        return replace(incumbent, stop=Stop.INTERRUPTED), None
    better = _bettered(model, searched.point, encoded, incumbent, time.perf_counter() - began)
    if better is not None:
        incumbent = better
        relaxation.limited(incumbent.decoded.objective_usd)
    parts = _parts(model, searched.parts)
    try:
        bounds, total = proven_parts(relaxation, parts)
    except Unproven:
        return incumbent, None
    value = incumbent.decoded.objective_usd
    refuted = incumbent.bound > value + OWN * abs(value)  # the solver's word was that nothing is so cheap
    claimed = total if refuted else min(incumbent.bound, value)
    if (
        total > value + OWN * abs(value) + GAP
    ):  # the plan is none for these rows, which then prove nothing of it
        return incumbent, None
    stated = tuple(replace(part, bound_usd=bound) for part, bound in zip(parts, bounds, strict=True))
    if total >= claimed - OWN * abs(value) - GAP:
        done = value - total <= max(options.gap, OWN) * abs(value)
        stop = Stop.OPTIMAL if done else incumbent.stop
        return replace(incumbent, bound=min(total, value), stop=stop), Proof("own", total, stated)
    agreed = _second_look(encoded, incumbent)
    return incumbent, Proof("two_searches" if agreed else "solver", total, stated)


CHEAP = 3_000  # columns: beyond, the root alone may take longer without presolve than all did with it
NODE_LIMIT = {"highs": "mip_max_nodes"}
"""What solvers call a limit on the nodes of their tree: a second look is no more work than the first."""


def _second_look(encoded: Encoded, incumbent: Incumbent) -> bool:
    """Whether a search by another path, without presolve and from another seed, ends with the same cost."""
    solver, options, limit = incumbent.solver, incumbent.options, NODE_LIMIT.get(incumbent.solver)
    said = incumbent.stop is Stop.OPTIMAL and not incumbent.rounds and incumbent.nodes is not None
    if not said or limit is None or encoded.program.n_columns > CHEAP:
        return False
    native = {**options.native, **get(solver).WITHOUT_PRESOLVE, limit: max(incumbent.nodes or 0, 1)}
    try:
        second = run(encoded.program, solver, replace(options, seed=options.seed + 1, native=native))
    except RouterError:
        return False
    value = incumbent.encoded.program.objective(incumbent.integers)
    near = max(options.gap, OWN) * abs(value) + GAP
    agrees = second.objective is not None and second.objective >= value - near
    return second.stop is Stop.OPTIMAL and agrees and second.bound <= value + near


def _draft(problem: Problem, incumbent: Incumbent) -> Plan:
    return draft(problem, incumbent.encoded.instance.time, incumbent.decoded)


def _searched(model: ScaledRelaxation, start: Floats, incumbent: Incumbent) -> ProgramProof:
    """The trees, from the incumbent on."""
    from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

    options = incumbent.options

    def opened(program: LinearProgram, time_limit_s: float | None) -> HighsRelaxation:
        return HighsRelaxation(program, options.left_s)

    work = WorkLimits(effort=EFFORT, late=lambda: options.late)
    return prove(model.program, opened, start=start, gap=GAP, work=work)


def _start(model: ScaledRelaxation, encoded: Encoded, incumbent: Incumbent) -> Floats | None:
    """The incumbent's whole numbers in the model, with the best that goes with them."""
    names = encoded.program.column_names
    found = dict(zip(names() if names else (), incumbent.integers.tolist(), strict=True))
    at = np.flatnonzero(model.program.integer)
    if any(model.names[j] not in found for j in at):
        return None
    values = np.round([found[model.names[j]] for j in at])
    values = np.clip(values, model.program.col_lower[at], model.program.col_upper[at])
    return run(model.program.fix(at, values).relax(), "highs", incumbent.options.finishing).point


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
    return better if cheaper and not short_of_capacity(better.encoded, better.point) else None


def _parts(model: ScaledRelaxation, proved: Sequence[ProvedPart]) -> tuple[ProofPart, ...]:
    """By name; parts that need no tree are one."""
    whole: list[ProofPart] = []
    multipliers: dict[str, float] = {}
    columns: list[int] = []
    for part in proved:
        leaves = [_leaf(model, part, leaf) for leaf in part.leaves]
        if len(leaves) == 1 and not leaves[0].ranges:
            multipliers |= leaves[0].multipliers
            columns += part.columns.tolist()
        else:
            whole.append(_part(model, part.columns.tolist(), leaves=tuple(leaves)))
    return (*([_part(model, columns, multipliers=multipliers)] if columns else ()), *whole)


def _part(
    model: ScaledRelaxation,
    columns: Sequence[int],
    *,
    multipliers: dict[str, float] | None = None,
    leaves: tuple[ProvenLeaf, ...] | None = None,
) -> ProofPart:
    runs = [model.relaxation.runs[name] for j in columns if (name := model.names[j]) in model.relaxation.runs]
    periods = [period for _, period in runs]
    return ProofPart(
        workloads=tuple(dict.fromkeys(workload for workload, _ in runs)),
        periods=(min(periods), max(periods)) if periods else (),
        bound_usd=0.0,
        multipliers=multipliers,
        leaves=leaves,
    )


def _leaf(model: ScaledRelaxation, part: ProvedPart, leaf: ProofLeaf) -> ProvenLeaf:
    program, ranges = model.program, {}
    for j, low, high in zip(part.whole.tolist(), leaf.lower.tolist(), leaf.upper.tolist(), strict=True):
        narrowed = (low > np.ceil(program.col_lower[j]), high < np.floor(program.col_upper[j]))
        if any(narrowed):
            ranges[model.names[j]] = (low if narrowed[0] else None, high if narrowed[1] else None)
    usd = leaf.multipliers * model.row_scale[part.rows]
    used = np.flatnonzero(usd)
    return ProvenLeaf(ranges, {model.promises[part.rows[i]]: float(usd[i]) for i in used.tolist()})
