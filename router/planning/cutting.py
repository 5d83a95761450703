"""A bound for a large problem: the verifier's relaxation with cuts, each named by its promise and its flows.

The verifier makes the rows of the cuts by itself; what is left of their names is the multipliers.
"""

from __future__ import annotations

import numpy as np

from router.plan.proof import ProofPart
from router.planning.scaled import ScaledRelaxation, part_of
from router.verification.bound.cuts import cut_name
from solvers import SolveOptions
from solvers.proof.safe import usable


def strengthened_parts(model: ScaledRelaxation, options: SolveOptions) -> tuple[ProofPart, ...]:
    """All of the problem as one part, bounded with cuts; none where the relaxation is not solved in time."""
    from solvers.strengthened import strengthened  # here: an export of the program needs no solver

    answer = strengthened(model.program, options)
    if answer is None:
        return ()
    m, matrix, added = model.program.n_rows, model.program.matrix, answer.added
    # a multiplier of the wrong sign, however small, would need a limit that is not there
    multiplier = usable(added.added_to(model.program), answer.multipliers)
    usd = multiplier[:m] * model.row_scale
    multipliers = {model.promises[i]: float(usd[i]) for i in np.flatnonzero(usd).tolist()}
    for k in np.flatnonzero(multiplier[m:]).tolist():
        at = slice(added.matrix.indptr[k], added.matrix.indptr[k + 1])
        flows = added.matrix.indices[at][added.matrix.data[at] > 0]
        row = int(added.row[k])
        own = slice(matrix.indptr[row], matrix.indptr[row + 1])
        load = matrix.data[own][np.searchsorted(matrix.indices[own], flows[0])]
        part = added.matrix.data[at][added.matrix.indices[at] == flows[0]][
            0
        ]  # of the verifier's row, in ours
        value = float(multiplier[m + k] * part / load * model.row_scale[row])
        name = cut_name(model.promises[row], [model.names[j] for j in flows.tolist()])
        multipliers[name] = multipliers.get(name, 0.0) + value
    return (part_of(model, range(len(model.names)), multipliers=multipliers),)
