"""Answer times of recipes: what is promised of an answer holds over its steps, one after the other.

    Σ_k slowest[k,t] ≤ 1                                 every limit, cell and period
    time[r] · used[r,t] ≤ slowest[k,t]                   every route r of a step k that counts
    flow[r,t] ≤ used[r,t]

    time[r]    of all requests of the step on the route, in parts of the limit:
               (requests · request time + first tokens · time to first token) / limit
    used[r,t]  anything of the cell goes there                                        0/1
    slowest    of the routes that a step uses in a cell and period                    of the limit

Where answers are due, the limit of a period is the time that it leaves, and time[r] that of the step's batches on r.
Each step finds its own route, so that any two routes that are used may come together: the slowest of all steps must
fit. Nothing waits here (instances have a highest planned utilisation). Limits that even the slowest routes of all steps
keep have no rows.
"""

from __future__ import annotations

import numpy as np

from problems.core.answer_columns import answering
from problems.core.columns import Columns
from problems.core.family import Family, Promise
from problems.core.instance import DEFERRED, IN_WINDOW
from problems.core.rows import RowBuilder, Rows
from problems.core.view import View

NAME = "answer_times"


def build(view: View, cols: Columns) -> Rows:
    """Who is used, then by limit, cell and period how long its steps take."""
    return _rows(view, cols, due_alone=False)


def build_due(view: View, cols: Columns) -> Rows:
    """The rows that hold in a loss too: answers are due then as well."""
    return _rows(view, cols, due_alone=True)


def _rows(view: View, cols: Columns, *, due_alone: bool) -> Rows:
    builder, used = RowBuilder(NAME), cols.answers.used
    own = np.flatnonzero(used >= 0)
    follows = [(np.arange(len(own)), cols.flow[own], 1.0), (np.arange(len(own)), used[own], -1.0)]
    builder.add(len(own), follows, lambda i: f"{view.label_cell(view.flows.cell[own[i]])},{i}", upper=0.0)
    slowest = iter(cols.answers.slowest.tolist())
    for limit, cell, period, steps in answering(view, due_alone=due_alone):
        label = f"{view.inst.answers.names[limit]},{view.label_cell(cell)},{period}"
        columns = np.array([next(slowest) for _ in steps], dtype=np.int64)
        builder.one(label, [(columns, 1.0)], upper=1.0)
        for column, (flows, time) in zip(columns, steps, strict=True):
            for f, part in zip(flows.tolist(), time.tolist(), strict=True):
                if 0.0 < part <= 1.0:  # what is slower alone is never used
                    builder.one(f"{label},{f}", [(used[[f]], part), (np.array([column]), -1.0)], upper=0.0)
    return builder.rows()


LIMIT = Promise(
    "workloads[].slo[]",
    "answers.limit_s",
    relax=np.inf,
    text='answers by recipes of "{name}" take at most {limit:,.10g} ms, all their steps together',
    per=1000.0,
)
IN_TIME = (
    'answers by recipes of "{name}" come before they are due, batches of their steps one after the other'
)
LATE = Promise(
    "workloads[].deferrable_h",
    "answers.due",
    relax=0,
    text=IN_TIME,
    made=lambda inst: inst.answers.due == DEFERRED,
)
OUTSIDE = Promise(
    "workloads[].window",
    "answers.due",
    relax=0,
    text=IN_TIME,
    made=lambda inst: inst.answers.due == IN_WINDOW,
)
FAMILY = Family(NAME, build, in_a_loss=build_due, promises=(LIMIT, LATE, OUTSIDE))
