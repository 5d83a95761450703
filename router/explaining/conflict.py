"""Infeasible: what each promise alone would have to become, and a set of promises that contradict each other.

repair     with one promise left out, is there a plan? Then how far must that promise give way: the least factor s with
           Σ amount ≤ s · limit, the least cost for a budget, the largest share of the demand that can be served
conflict   deletion filter (Chinneck and Dravnieks 1991): leave out one promise after the other for good wherever the
           rest still contradicts; what remains contradicts itself, and no part of it does, if every step was decided
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from problems import budget, demand
from problems.core.arrays import Floats
from problems.core.encode import Encoded, encode
from problems.core.instance import Instance
from problems.core.rows import triplets
from router.explaining.admission import FieldChange
from router.explaining.promises import StatedPromise
from router.planning.two_steps import run
from router.schema.paths import FieldPath
from solvers import LinearProgram, Solution, SolveOptions, Stop

LEAST_SERVED = 1e-4  # of the demand of a workload
REFUTED = (Stop.INFEASIBLE, Stop.INFEASIBLE_OR_UNBOUNDED)


@dataclass(frozen=True)
class Repair:
    """One promise that, giving way alone, makes a plan possible; `needed` is what it would have to be, if a number.

    size            of the change, relative to the field; inf where it is none of a number
    changes         the fields and their numbers, changed together; () where it is none of numbers
    left_out        fields that are left out as well, where several must change together
    another_offer   whether it takes an offer more, which serves every model
    """

    promise: str
    field: str
    needed: float | None
    text: str
    size: float = float("inf")
    changes: tuple[FieldChange, ...] = ()
    left_out: tuple[FieldPath, ...] = ()
    another_offer: bool = False


@dataclass(frozen=True)
class Conflict:
    """Promises that cannot be kept together."""

    promises: tuple[StatedPromise, ...]
    proven_minimal: bool


class Questions:
    """Feasibility questions about an instance, within a limit on time."""

    def __init__(self, inst: Instance, solver: str, options: SolveOptions) -> None:
        self.inst, self.solver, self.options = inst, solver, options.begun()
        self.undecided: list[
            str
        ] = []  # promises of which it is not known whether they alone stand in the way

    def feasible(self, inst: Instance) -> bool | None:
        """Whether there is any plan; None: not decided in time."""
        answer = self.answer(
            encode(inst), lambda each: each.program.with_cost(np.zeros(each.program.n_columns))
        )
        if answer.point is not None:
            return True
        return False if answer.stop in REFUTED else None

    def answer(self, encoded: Encoded, program: Callable[[Encoded], LinearProgram]) -> Solution:
        """Of a program made from the encoded one, whose columns stand first; minutes are kept where offers spill."""
        if encoded.instance.spilling is None:
            return run(program(encoded), self.solver, self.options)
        from router.planning.minutes.closing import closed  # here: few offers spill

        return closed(encoded, lambda each: run(program(each), self.solver, self.options))


def repairs(questions: Questions, stated: Sequence[StatedPromise]) -> list[Repair]:
    """Every promise that alone stands in the way, with what it would have to become."""
    found: list[Repair] = []
    for promise in stated:
        inst = promise.without(questions.inst)
        feasible = None if questions.options.late else questions.feasible(inst)
        if feasible is None:
            questions.undecided.append(promise.name)
        elif feasible and (repair := _least(questions, promise, encode(inst))) is not None:
            found.append(repair)
    return found


def _least(questions: Questions, stated: StatedPromise, encoded: Encoded) -> Repair | None:
    """How far one promise must give way; None where giving way is giving up."""
    if stated.promise is demand.SERVED:
        return _served(questions, stated, encoded)
    if stated.promise is budget.SPENT:
        least = questions.answer(encoded, lambda each: each.program).objective
        if least is None:
            return _of(stated, None, f"without {stated.field}")
        return _changed(stated, outward(least, rises=True))
    factor = _least_factor(questions, stated, encoded)
    if not factor:  # no number of it would do: what it counts is not stated
        return _of(stated, None, f"without {stated.field}")
    limit = float(stated.limit)
    needed = factor * limit
    if stated.promise.whole and limit == round(limit):
        needed = float(np.ceil(needed - 1e-6))
    else:
        needed = outward(needed, rises=factor > 1)
    return _changed(stated, needed)


def _changed(stated: StatedPromise, needed: float) -> Repair:
    change = FieldChange(stated.path, needed, float(stated.limit))
    return Repair(stated.name, stated.field, needed, change.text, change.size, (change,))


def outward(value: float, *, rises: bool) -> float:
    """To nine digits, as a person will write it: away from the limit, so that it still does."""
    step = 10.0 ** (np.floor(np.log10(abs(value))) - 8) if value else 1.0
    noise = 1e-3 if rises else -1e-3  # of the last digit: 200.0000000003 is 200
    return float((np.ceil if rises else np.floor)(value / step - noise) * step)


def _of(stated: StatedPromise, needed: float | None, text: str) -> Repair:
    return Repair(stated.name, stated.field, needed, text)


def _least_factor(questions: Questions, stated: StatedPromise, encoded: Encoded) -> float | None:
    """The least s with Σ amount ≤ s · limit in every row that measures the promise."""
    n_columns = encoded.program.n_columns
    blocks, upper = [], []
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        used = stated.used(view, cols)
        if used is None or not len(used) or not used.terms:
            continue
        row, column, value = triplets(used.terms)
        amounts = sparse.coo_array((value, (row, column)), shape=(len(used), n_columns)).tocsr()
        blocks.append(sparse.hstack([amounts, sparse.csr_array(-np.ones((len(used), 1)))]))
        upper.append(np.asarray(used.upper) - 1.0)  # amount + always ≤ s
    if not blocks:
        return None
    answer = questions.answer(encoded, lambda each: _with_factor(each.program, blocks, upper))
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


def _served(questions: Questions, stated: StatedPromise, encoded: Encoded) -> Repair | None:
    """The largest part of a workload's demand that can be served; None where that is nothing."""
    workload, probability = stated.item, questions.inst.scenarios.probability
    cost = np.zeros(encoded.program.n_columns)
    total = 0.0
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        cells = np.flatnonzero(view.cells.workload == workload.index)
        work = view.cells.work[cells] * probability[view.scenario]
        cost[cols.unserved[cells]] = work
        total += float(work.sum())
    scale = total or 1.0
    answer = questions.answer(encoded, lambda each: each.program.with_cost(cost / scale))
    if answer.point is None:
        return _of(stated, None, f'less demand of "{workload.name}"')
    share = 1.0 - float(cost / scale @ answer.point)
    if share < LEAST_SERVED:
        return None
    return _of(stated, share, f'{share:.4%} of the demand of "{workload.name}" can be served')


def conflict(questions: Questions, stated: Sequence[StatedPromise]) -> Conflict:
    """Promises that contradict each other; minimal where every step was decided in time."""
    kept, decided = list(stated), True
    for promise in stated:
        if questions.options.late:
            return Conflict(tuple(kept), False)
        trial = [other for other in kept if other is not promise]
        feasible = questions.feasible(without_all(questions.inst, stated, trial))
        if feasible is None:
            decided = False
        elif not feasible:
            kept = trial
    return Conflict(tuple(kept), decided)


def without_all(inst: Instance, every: Sequence[StatedPromise], kept: Sequence[StatedPromise]) -> Instance:
    """The instance in which only some promises are made."""
    for promise in every:
        if promise not in kept:
            inst = promise.without(inst)
    return inst
