"""A bound for a large problem: the verifier's relaxation with cuts, each named by its promise and its flows.

The verifier makes the rows of the cuts by itself; what is left of their names is the multipliers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats
from router.plan.proof import ProofPart
from router.planning.proofs.scaled import ScaledRelaxation, part_of
from router.verification.bound.cuts import cut_name
from solvers import SolveOptions
from solvers.proof.safe import usable
from solvers.strengthened import StrengthenedAnswer


def strengthened_parts(model: ScaledRelaxation, answer: StrengthenedAnswer) -> tuple[ProofPart, ...]:
    """All of the problem as one part, bounded with cuts; `answer` of the model's program."""
    cut, multipliers = named_cuts(model, answer), answer.multipliers
    # a multiplier of the wrong sign, however small, would need a limit that is not there
    usd = usable(cut.program, multipliers) * cut.row_scale
    by_name: dict[str, float] = {}
    for i in np.flatnonzero(usd).tolist():
        by_name[cut.promises[i]] = by_name.get(cut.promises[i], 0.0) + float(usd[i])
    return (part_of(model, range(len(model.names)), multipliers=by_name),)


def with_cuts(model: ScaledRelaxation, options: SolveOptions) -> tuple[ScaledRelaxation, Floats] | None:
    """The relaxation with the cuts that it breaks below its own rows, and its multipliers; None where it has none."""
    from solvers.strengthened import strengthened  # here: an export of the program needs no solver

    answer = strengthened(model.program, options)
    return None if answer is None else (named_cuts(model, answer), answer.multipliers)


def named_cuts(model: ScaledRelaxation, answer: StrengthenedAnswer) -> ScaledRelaxation:
    """The relaxation with the rows that were added below its own, named by promise and flows."""
    matrix, added = model.program.matrix, answer.added
    names, scale = [], []
    for k, row in enumerate(added.row.tolist()):
        at = slice(added.matrix.indptr[k], added.matrix.indptr[k + 1])
        column, value = added.matrix.indices[at], added.matrix.data[at]
        flows = column[value > 0]
        own = slice(matrix.indptr[row], matrix.indptr[row + 1])
        load = matrix.data[own][np.searchsorted(matrix.indices[own], flows[0])]
        part = value[column == flows[0]][0]  # of the verifier's row, in ours
        names.append(cut_name(model.promises[row], [model.names[j] for j in flows.tolist()]))
        scale.append(part / load * model.row_scale[row])
    return replace(
        model,
        program=added.added_to(model.program),
        promises=(*model.promises, *names),
        row_scale=np.append(model.row_scale, scale),
    )
