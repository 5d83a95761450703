"""Figures that change in time: J stretches of the horizon within which nothing does, one where no rule says otherwise.

mean of a row over [from, to] = Σ_j value[j] · (hours of stretch j inside) / (to − from)
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Bools, Floats, Ints

AT_ONCE = 1e-9  # h, within which two moments are one


def mean(edge_h: Floats, value: Floats | Bools, row: Ints, from_h: Floats, to_h: Floats) -> Floats:
    """(n,) mean of row[i] of `value` (m, J) over the hours from from_h[i] to to_h[i].

    Exact where nothing changes in between; infinite where it is infinite for any part of them.
    """
    if value.shape[1] == 1:
        return np.asarray(value[row, 0], dtype=float)
    first = np.searchsorted(edge_h, from_h + AT_ONCE, side="right") - 1
    last = np.searchsorted(edge_h, to_h - AT_ONCE, side="left") - 1
    first, last = (np.clip(at, 0, value.shape[1] - 1) for at in (first, last))
    finite = np.where(np.isfinite(value), value, 0.0)
    begun, ended = _sums(finite * np.diff(edge_h)), _sums(~np.isfinite(value))
    whole = begun[row, last] - begun[row, np.minimum(first + 1, last)]
    ends = finite[row, first] * (edge_h[first + 1] - from_h) + finite[row, last] * (to_h - edge_h[last])
    found = np.where(first == last, finite[row, first], (whole + ends) / np.maximum(to_h - from_h, 1e-300))
    endless = ended[row, last + 1] - ended[row, first] > 0
    return np.where(endless, np.inf, found)


def least(edge_h: Floats, value: Floats, from_h: Floats, to_h: Floats) -> Floats:
    """(m, n) the least of each row of `value` (m, J) in each of n spans of hours, in order and beside each other."""
    if value.shape[1] == 1:
        return np.repeat(value, len(from_h), axis=1)
    first = np.searchsorted(edge_h, from_h + AT_ONCE, side="right") - 1
    last = np.searchsorted(edge_h, to_h - AT_ONCE, side="left")
    return np.stack([value[:, a:b].min(axis=1) for a, b in zip(first, last, strict=True)], axis=1)


def _sums(parts: Floats | Bools) -> Floats:
    """(m, J + 1) sums of what stands before each stretch."""
    return np.concatenate([np.zeros((len(parts), 1)), np.cumsum(parts, axis=1, dtype=float)], axis=1)
