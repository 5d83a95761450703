"""A bound by cases of what spans a long horizon, each with rows that whole counts make of its promises.

Of a problem in which work waits no hour says anything by itself: what waits fills up any count at no cost. What whole
counts cost is found in sums of promises over some hours, which the simplex method has at hand (`solvers.rounding`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from router.plan.proof import ProofCase, ProofPart
from router.planning.proofs.cutting import named_cuts
from router.planning.proofs.rounding import priced, stated_roundings
from router.planning.proofs.scaled import ScaledRelaxation, part_of
from solvers import SolveOptions
from solvers.spanning import SpanningLeaf, SpanningTree
from solvers.strengthened import StrengthenedAnswer


def work_waits(model: ScaledRelaxation) -> bool:
    """Whether some work is left for later, whatever arrived when: of a large problem."""
    return any(name.startswith("later(") for name in model.names)


def spanning_cases(
    model: ScaledRelaxation, answer: StrengthenedAnswer, enough_usd: float, options: SolveOptions
) -> tuple[ProofCase, ...] | None:
    """Cases, their bounds not worked out yet; `answer` of the model's relaxation. None: no time, or no better.

    enough_usd   a bound so high is near enough to what a plan costs
    """
    cut = named_cuts(model, answer)
    model = cut if len(set(cut.promises)) == len(cut.promises) else model
    spans = np.flatnonzero(model.program.integer & _of_no_period(model))
    leaves = SpanningTree(model.program, spans, options).leaves(enough_usd)
    if min((leaf.bound for leaf in leaves), default=answer.bound) <= answer.bound:
        return None
    part = part_of(model, range(len(model.names)))
    return tuple(_case(model, spans, leaf, part) for leaf in leaves)


def _of_no_period(model: ScaledRelaxation) -> np.ndarray:
    """(n,) counts of the horizon, contracts: what is in rows of flows of more than one period."""
    program, runs = model.program, model.relaxation.runs
    period = np.array([runs[name][1] if name in runs else -1 for name in model.names])
    row = np.repeat(np.arange(program.n_rows), np.diff(program.matrix.indptr))
    column = program.matrix.indices
    flows = period[column] >= 0
    first, last = np.full(program.n_rows, np.iinfo(np.int64).max), np.full(program.n_rows, -1)
    np.minimum.at(first, row[flows], period[column[flows]])
    np.maximum.at(last, row[flows], period[column[flows]])
    least, most = np.full(program.n_columns, np.iinfo(np.int64).max), np.full(program.n_columns, -1)
    some = last[row] >= 0
    np.minimum.at(least, column[some], first[row[some]])
    np.maximum.at(most, column[some], last[row[some]])
    return np.asarray(most > least)


def _case(model: ScaledRelaxation, spans: np.ndarray, leaf: SpanningLeaf, part: ProofPart) -> ProofCase:
    program, ranges = model.program, {}
    for j, low, high in zip(spans.tolist(), leaf.lower.tolist(), leaf.upper.tolist(), strict=True):
        narrowed = (low > np.ceil(program.col_lower[j]), high < np.floor(program.col_upper[j]))
        if any(narrowed):
            ranges[model.names[j]] = (low if narrowed[0] else None, high if narrowed[1] else None)
    own, prices = np.split(leaf.multipliers, [program.n_rows])
    prices = np.minimum(prices, 0.0)
    some = np.flatnonzero(prices)
    made = [leaf.roundings[k] for k in some.tolist()]
    roundings = stated_roundings(made, model.promises, model.row_scale, model.names)
    by_name = priced(model, own, prices[some])
    return ProofCase(ranges, 0.0, (replace(part, multipliers=by_name),), roundings=roundings or None)
