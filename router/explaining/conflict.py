"""Infeasible: what each promise alone would have to become, and a set of promises that contradict each other.

repair     with one promise left out, is there a plan? Then how far must that promise give way: the least factor s with
           Σ amount ≤ s · limit, the least cost for a budget, the largest share of the demand that can be served
conflict   deletion filter (Chinneck and Dravnieks 1991): leave out one promise after the other for good wherever the
           rest still contradicts; what remains contradicts itself, and no part of it does, if every step was decided
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from problems.core.encode import Encoded, encode
from problems.core.instance import Floats, Instance
from router.explaining.promises import Promise
from router.planning.optimise import run
from solvers import LinearProgram, SolveOptions, Stop

REFUTED = (Stop.INFEASIBLE, Stop.INFEASIBLE_OR_UNBOUNDED)


@dataclass(frozen=True)
class Repair:
    """One promise that, giving way alone, makes a plan possible; `needed` is what it would have to be, if a number."""

    promise: Promise
    needed: float | None
    text: str


@dataclass(frozen=True)
class Conflict:
    """Promises that cannot be kept together."""

    promises: tuple[Promise, ...]
    proven_minimal: bool


class Search:
    """Feasibility questions about an instance, within a limit on time."""

    def __init__(self, inst: Instance, solver: str, options: SolveOptions) -> None:
        self.inst, self.solver, self.options = inst, solver, options
        self.began = time.perf_counter()

    def left(self) -> SolveOptions:
        limit = self.options.time_limit_s
        if limit is None:
            return self.options
        return replace(self.options, time_limit_s=max(limit - (time.perf_counter() - self.began), 0.5))

    def feasible(self, inst: Instance) -> bool | None:
        """Whether there is any plan; None: not decided in time."""
        program = encode(inst).program
        answer = run(program.with_cost(np.zeros(program.n_columns)), self.solver, self.left())
        if answer.point is not None:
            return True
        return False if answer.stop in REFUTED else None


def repairs(search: Search, found: Sequence[Promise]) -> list[Repair]:
    """Every promise that alone stands in the way, with what it would have to become."""
    made = []
    for promise in found:
        without = promise.without(search.inst)
        if search.feasible(without):
            made.append(_least(search, promise, encode(without)))
    return made


def _least(search: Search, promise: Promise, encoded: Encoded) -> Repair:
    """How far one promise must give way."""
    if promise.field.endswith(".demand"):
        return _served(search, promise, encoded)
    if promise.field == "policy.max_spend_usd":
        answer = run(encoded.program, search.solver, search.left())
        needed = answer.objective
        text = f"{promise.field}: {needed:,.2f}" if needed is not None else f"without {promise.field}"
        return Repair(promise, needed, text)
    if promise.measure is None or promise.limit is None:
        return Repair(promise, None, f"without {promise.field}")
    factor = _least_factor(search, promise, encoded)
    if factor is None:
        return Repair(promise, None, f"without {promise.field}")
    needed = factor * promise.limit
    if promise.field.endswith(("instances.max", "max_units")):
        needed = float(np.ceil(needed - 1e-6)) if promise.limit == round(promise.limit) else needed
    return Repair(promise, needed, f"{promise.field}: {needed:,.6g} (is {promise.limit:,.6g})")


def _least_factor(search: Search, promise: Promise, encoded: Encoded) -> float | None:
    """The least s with Σ amount ≤ s · limit in every row that measures the promise."""
    program = encoded.program
    n = program.n_columns
    blocks, upper = [], []
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        if promise.measure is None:
            return None
        built = promise.measure(view, cols)
        row, column, value = [], [], []
        for r, c, v in built.terms:
            shape = np.broadcast_shapes(np.shape(r), np.shape(c), np.shape(v))
            row.append(np.broadcast_to(r, shape).ravel())
            column.append(np.broadcast_to(c, shape).ravel())
            value.append(np.broadcast_to(np.asarray(v, dtype=float), shape).ravel())
        m = len(built)
        if not m or not row:
            continue
        amounts = sparse.coo_array(
            (np.concatenate(value), (np.concatenate(row), np.concatenate(column))), shape=(m, n)
        ).tocsr()
        blocks.append(sparse.hstack([amounts, sparse.csr_array(-np.ones((m, 1)))]))
        upper.append(np.asarray(built.upper) - 1.0)  # amount + always ≤ s
    if not blocks:
        return None
    raised = _with_factor(program, blocks, upper)
    answer = run(raised, search.solver, search.left())
    return None if answer.point is None else float(answer.point[-1])


def _with_factor(
    program: LinearProgram, blocks: list[sparse.csr_array], upper: list[Floats]
) -> LinearProgram:
    n, more = program.n_columns, sum(block.shape[0] for block in blocks)
    own = sparse.hstack([program.matrix, sparse.csr_array((program.n_rows, 1))])
    return LinearProgram(
        cost=np.concatenate([np.zeros(n), [1.0]]),
        matrix=sparse.vstack([own, *blocks]).tocsr(),
        row_lower=np.concatenate([program.row_lower, np.full(more, -np.inf)]),
        row_upper=np.concatenate([program.row_upper, *upper]),
        col_lower=np.concatenate([program.col_lower, [0.0]]),
        col_upper=np.concatenate([program.col_upper, [np.inf]]),
        integer=np.concatenate([program.integer, [False]]),
    )


def _served(search: Search, promise: Promise, encoded: Encoded) -> Repair:
    """The largest part of a workload's demand that can be served."""
    inst = search.inst
    name = promise.field.split(".", 1)[1].rsplit(".", 1)[0]
    w = inst.workloads.names.index(name)
    cost = np.zeros(encoded.program.n_columns)
    total = 0.0
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        mine = np.flatnonzero(view.cells.workload == w)
        work = view.cells.work[mine] * inst.scenarios.probability[view.scenario]
        cost[cols.unserved[mine]] = work
        total += float(work.sum())
    scale = total or 1.0
    answer = run(encoded.program.with_cost(cost / scale), search.solver, search.left())
    if answer.point is None:
        return Repair(promise, None, f'less demand of "{name}"')
    share = 1.0 - float(cost / scale @ answer.point)
    return Repair(promise, share, f'{share:.4%} of the demand of "{name}" can be served')


def conflict(search: Search, found: Sequence[Promise]) -> Conflict:
    """Promises that contradict each other; minimal where every step was decided in time."""
    kept, decided = list(found), True
    for promise in list(found):
        trial = [one for one in kept if one is not promise]
        feasible = search.feasible(without_all(search.inst, found, trial))
        if feasible is None:
            decided = False
        elif not feasible:
            kept = trial
    return Conflict(tuple(kept), decided)


def without_all(inst: Instance, every: Sequence[Promise], kept: Sequence[Promise]) -> Instance:
    """The instance in which only some promises are made."""
    for promise in every:
        if promise not in kept:
            inst = promise.without(inst)
    return inst
