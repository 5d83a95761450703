"""A bound with promises rounded as the relaxation's own basis says (`solvers.rounding.tableau`), by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from router.plan.proof import ProofPart, Rounding
from router.planning.proofs.scaled import ScaledRelaxation, part_of
from router.verification.bound.roundings import rounding_name
from solvers.proof.safe import usable
from solvers.rounding.tableau import LiftedRelaxation

DIGITS = 10
"""Of a weight: any are right; what is to cancel out does so to that many."""


def lifted_parts(model: ScaledRelaxation, answer: LiftedRelaxation) -> tuple[ProofPart, ...]:
    """All of the problem as one part, its bound not worked out yet; `answer` of the model's program."""
    usd = usable(model.program, answer.multipliers) * model.row_scale
    by_name = {model.promises[i]: float(usd[i]) for i in np.flatnonzero(usd).tolist()}
    by_name |= {rounding_name(k): float(answer.prices[k]) for k in np.flatnonzero(answer.prices).tolist()}
    weights, down, count = answer.weights, answer.down, len(answer.prices)
    promises = (*model.promises, *map(rounding_name, range(count)))
    value = weights.data * np.concatenate([model.row_scale, np.ones(count)])[weights.indices]
    roundings = []
    for k in range(count):
        at = range(weights.indptr[k], weights.indptr[k + 1])
        columns = down.indices[down.indptr[k] : down.indptr[k + 1]].tolist()
        stated = {promises[weights.indices[i]]: float(f"{value[i]:.{DIGITS}g}") for i in at}
        roundings.append(Rounding(stated, tuple(model.names[j] for j in columns)))
    part = part_of(model, range(len(model.names)), multipliers=by_name)
    return (replace(part, roundings=tuple(roundings) or None),)
