"""A bound by cases of what spans a long horizon, each with rows that whole counts make of its promises.

Of a problem in which work waits no hour says anything by itself: what waits fills up any count at no cost. What whole
counts cost is found in sums of promises over some hours, which the simplex method has at hand (`solvers.tableau_rows`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from router.plan.proof import ProofCase, ProofPart, Rounding
from router.planning.proofs.cutting import named_cuts
from router.planning.proofs.scaled import ScaledRelaxation, part_of
from router.verification.bound.roundings import rounding_name
from solvers import SolveOptions
from solvers.proof.safe import usable
from solvers.spanning import SpanningLeaf, SpanningTree
from solvers.strengthened import StrengthenedAnswer

DIGITS = 10
"""Of a weight: any are right, and longer ones make the proof no better."""


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
    own = leaf.multipliers[: program.n_rows]
    usd = usable(program, own) * model.row_scale
    by_name = {model.promises[i]: float(usd[i]) for i in np.flatnonzero(usd).tolist()}
    roundings: list[Rounding] = []
    if leaf.rows is not None:
        price = np.minimum(leaf.multipliers[program.n_rows :], 0.0) / leaf.rows.unit
        for k in np.flatnonzero(price).tolist():
            by_name[rounding_name(len(roundings))] = float(price[k])
            roundings.append(_rounding(model, leaf, k))
    return ProofCase(ranges, 0.0, (replace(part, multipliers=by_name),), roundings=tuple(roundings) or None)


def _rounding(model: ScaledRelaxation, leaf: SpanningLeaf, k: int) -> Rounding:
    assert leaf.rows is not None
    weights, down = leaf.rows.weights, leaf.rows.down
    at = slice(weights.indptr[k], weights.indptr[k + 1])
    row, value = weights.indices[at], weights.data[at] * model.row_scale[weights.indices[at]]
    names = down.indices[down.indptr[k] : down.indptr[k + 1]].tolist()
    return Rounding(
        {
            model.promises[i]: float(f"{w:.{DIGITS}g}")
            for i, w in zip(row.tolist(), value.tolist(), strict=True)
        },
        tuple(model.names[j] for j in names),
    )
