"""Columns of which routes the steps of a recipe use, where their times add up, and how long each step takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.view import View
from problems.physics.operating_point import latencies
from solvers.core.record import Record

EXACT = 1e-9  # relative: a time equal to its limit keeps it, whatever the last bit says

type Step = tuple[Ints, Floats]
"""Flows of a step in a cell and period, and the part of the limit that all its requests take on each; inf: unknown."""


class AnswerColumns(Record):
    """`slowest` has a column for each step of each row of `answering`, one after the other."""

    used: Ints  # (N,) or -1: 0/1, anything of the cell goes there
    slowest: Ints  # (n,)


def answer_columns(
    view: View, space: ColumnSpace, prefix: str = "", *, due_alone: bool = False
) -> AnswerColumns:
    """Reserve them. A route that takes longer alone than all steps together may is never used."""
    used, steps, shut = (
        np.full(len(view.flows), NONE, dtype=np.int64),
        0,
        np.zeros(len(view.flows), dtype=bool),
    )
    for _, _, _, own in answering(view, due_alone=due_alone):
        steps += len(own)
        for flows, time in own:
            used[flows[time > 0.0]] = 0
            shut[flows[time > 1.0]] = True
    some, block = np.flatnonzero(used >= 0), view.scenario + 1
    names, models = view.inst.offers.names, view.inst.models.names

    def label(i: int) -> str:
        r = view.flows.route[some[i]]
        offer, model = names[view.routes.offer[r]], models[view.routes.model[r]]
        return f"{prefix}{view.label_cell(view.flows.cell[some[i]])},{offer},{model},{view.flows.period[some[i]]}"

    used[some] = space.take(
        "used", len(some), label, upper=np.where(shut[some], 0.0, 1.0), integer=True, block=block
    )
    slowest = space.take("slowest", steps, lambda i: f"{prefix}{i}", upper=1.0, block=block)
    return AnswerColumns(used, slowest)


def answering(view: View, *, due_alone: bool = False) -> Iterator[tuple[int, int, int, list[Step]]]:
    """(limit, cell of the first step, period, steps that count) where not every choice of routes keeps the limit.

    `due_alone`: only limits on when answers are due.
    """
    answers, flows, cells = view.inst.answers, view.flows, view.cells
    left_s: dict[tuple[int, int], float] = {}
    if answers.due.any():
        slots = zip(cells.slot_cell.tolist(), cells.slot_period.tolist(), strict=True)
        left_s = dict(zip(slots, (cells.slot_left_h * 3600.0).tolist(), strict=True))
    promised = np.isfinite(answers.limit_s) & (not due_alone)
    for limit in np.flatnonzero(promised | (answers.due > 0)).tolist():
        terms = np.flatnonzero(answers.term_limit == limit)
        rows = answers.term_workload[terms]
        times = {int(w): _times(view, limit, int(k)) for w, k in zip(rows, terms, strict=True)}
        workload = view.cells.workload[flows.cell]
        some = np.flatnonzero(np.isin(workload, rows))
        lead = view.led[flows.cell[some]]
        for cell, period in sorted(set(zip(lead.tolist(), flows.period[some].tolist(), strict=True))):
            here = some[(lead == cell) & (flows.period[some] == period)]
            own = [here[workload[here] == w] for w in rows]
            most_s = left_s[cell, period] if answers.due[limit] else float(answers.limit_s[limit])
            steps = [
                (each, times[int(w)][flows.route[each]] / most_s / (1.0 + EXACT))
                for each, w in zip(own, rows, strict=True)
            ]
            if sum(float(time.max(initial=0.0)) for _, time in steps) > 1.0:
                yield limit, cell, period, steps


def _times(view: View, limit: int, term: int) -> Floats:
    """(R,) seconds that a step takes on each route, as a limit counts it: where answers are due, its batches."""
    answers, routes = view.inst.answers, view.routes
    if answers.due[limit]:
        return np.asarray(answers.term_whole[term] * view.inst.offers.turnaround_h[routes.offer] * 3600.0)
    ttft, _, further = latencies(view.inst, routes.workload, routes.entry, routes.ttft_s, routes.tpot_s)
    p = int(answers.statistic[limit])
    first, whole = ttft[:, p], ttft[:, p] + further[:, p]
    asked = ((answers.term_first[term], first), (answers.term_whole[term], whole))
    return np.asarray(
        sum((weight * each for weight, each in asked if weight > 0), start=np.zeros(len(routes)))
    )
