"""How sure a simulated figure is. Waits of neighbours are alike, so a run says less than its number of requests.

design effect   variance of batch means · batch size / variance of single values, at least 1
effective n     requests / design effect
share           Wilson's interval at effective n
percentile      order statistics at p ± z √(p (1 − p) / effective n)
mean            batch means
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from problems.core.arrays import Bools, Floats

BATCHES = 20
CONFIDENCE = 0.95
Z = 2.093  # Student's t for 19 degrees of freedom, two-sided 95 %: the spread itself is estimated from 20 batches
FEWEST = 100  # requests below which nothing is decided


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the interval that holds it at 95 %."""

    value: float
    low: float
    high: float


def design_effect(values: Floats) -> float:
    """How many neighbouring requests say as much as a single one would alone."""
    size = len(values) // BATCHES
    if size < 2 or not np.isfinite(values).all():
        return float(max(len(values), 1))
    spread = float(values.var())
    if spread <= 0:
        return 1.0
    return max(float(_batch_means(values).var(ddof=1)) * size / spread, 1.0)


def _batch_means(values: Floats) -> Floats:
    size = len(values) // BATCHES
    return np.asarray(values[: size * BATCHES].reshape(BATCHES, size).mean(axis=1))


def share(inside: Bools, effect: float) -> Interval:
    """The part of requests inside a limit."""
    n = max(len(inside) / effect, 1e-9)
    p = float(inside.mean())
    centre, scale = (p + Z**2 / (2 * n)), 1 + Z**2 / n
    half = Z * math.sqrt(max(p * (1 - p), 0.0) / n + Z**2 / (4 * n**2))
    return Interval(p, max((centre - half) / scale, 0.0), min((centre + half) / scale, 1.0))


def percentile(values: Floats, level: float, effect: float) -> Interval:
    """A percentile; the interval's ends are infinite or 0 where too few requests say anything."""
    n = len(values)
    half = Z * math.sqrt(level * (1 - level) * effect / n)
    low, high = level - half, level + half
    at = np.quantile(values, [level, max(low, 0.0), min(high, 1.0)], method="inverted_cdf").tolist()
    return Interval(at[0], at[1] if low > 0 else 0.0, at[2] if high <= 1 - 1 / n else math.inf)


def mean(values: Floats) -> Interval:
    """The mean, by batches."""
    value = float(values.mean())
    if len(values) < 2 * BATCHES:
        return Interval(value, 0.0, math.inf)
    half = Z * float(_batch_means(values).std(ddof=1)) / math.sqrt(BATCHES)
    return Interval(value, value - half, value + half)
