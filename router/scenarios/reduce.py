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
class Reduced:
    """Which rows are kept, in their order, with their new probabilities, and the distance lost."""

    kept: Ints
    probability: Floats
    distance: float


def reduce_to(path: Floats, probability: Floats, count: int) -> Reduced:
    """`count` of the rows of path (S, T); all of them where there are no more."""
    everyone = np.arange(len(path))
    if count >= len(path):
        return Reduced(everyone, probability.copy(), 0.0)
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
    return Reduced(
        kept=order,
        probability=np.bincount(to, weights=probability, minlength=len(order)),
        distance=float((probability * nearest).sum()),
    )
