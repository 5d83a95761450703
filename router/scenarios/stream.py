"""Random numbers from a seed, the same on every machine and under every version of numpy.

numpy promises that the raw bits of a bit generator and of `SeedSequence` never change, and promises that of no
distribution (NEP 19). So the bits are turned into numbers here.
"""

from __future__ import annotations

from math import prod
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BITS = 52  # of 64: one more, and the largest uniform would round to 1


class RandomStream:
    """Independent numbers for each key."""

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))

    def uniform(self, *shape: int) -> Floats:
        """In (0, 1), both ends excluded. More rows leave the first ones as they are."""
        raw = self._bits.random_raw(prod(shape)) >> np.uint64(64 - BITS)
        return ((raw.astype(np.float64) + 0.5) * 2.0**-BITS).reshape(shape)

    def below(self, limit: int, *shape: int) -> Ints:
        """Whole numbers 0 … limit − 1, all alike."""
        return np.minimum((self.uniform(*shape) * limit).astype(np.int64), limit - 1)

    def normal(self, *shape: int) -> Floats:
        """Of mean 0 and deviation 1, by inversion (Wichura's AS 241)."""
        quantile = NormalDist().inv_cdf
        return np.array([quantile(u) for u in self.uniform(prod(shape)).tolist()]).reshape(shape)
