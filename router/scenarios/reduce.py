"""Fast forward selection: the scenarios that stand for all with the least mass moved.

Kept are those that, one after another, lower Σ_i p_i · min_kept c(i, kept) most; each of the others gives its
probability to the nearest one kept. c is the mean absolute difference of two paths over the periods, so the distance
that remains (Kantorovich's, between all and kept) reads as a change of the demand multiplier.
Source: Heitsch and Römisch, "Scenario reduction algorithms in stochastic programming", Computational Optimization and
Applications 24 (2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from router.scenarios.stream import Floats, Ints


@dataclass(frozen=True)
class Reduction:
    """The rows kept, in their order, with their new probabilities, and the distance between them and all."""

    rows: Ints
    probability: Floats
    distance: float


def reduce_to(path: Floats, probability: Floats, count: int) -> Reduction:
    """`count` of the rows of path (S, T), multipliers by scenario and period; all of them where there are no more.

    `probability` (S,) sums to 1, as does the reduction's.
    """
    everyone = np.arange(len(path))
    if count >= len(path):
        return Reduction(everyone, probability.copy(), 0.0)
    from scipy.spatial.distance import cdist  # here: it takes long to load

    apart = cdist(path, path, "cityblock") / path.shape[1]
    nearest = np.full(len(path), np.inf)  # distance of each row to those kept
    kept: list[int] = []
    for _ in range(count):
        # summed row by row: a matrix product would add in another order on another machine, and ties would flip
        left = (probability[:, None] * np.minimum(nearest[:, None], apart)).sum(axis=0)
        left[kept] = np.inf
        kept.append(int(np.argmin(left)))
        nearest = np.minimum(nearest, apart[:, kept[-1]])
    order = np.sort(np.array(kept, dtype=np.int64))
    to = np.argmin(apart[:, order], axis=1)
    to[order] = np.arange(len(order))  # one kept stands for itself, also beside its equal
    return Reduction(
        rows=order,
        probability=np.bincount(to, weights=probability, minlength=len(order)),
        distance=float((probability * nearest).sum()),
    )
