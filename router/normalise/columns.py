"""Fields of many rows as one array; an absent number becomes what its column says, infinity unless told."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from problems.core.arrays import PERCENTILES, Bools, Floats, Ints


def floats(rows: Iterable[object], field: str, absent: float = np.inf) -> Floats:
    """(n,) a field of each row."""
    values = (getattr(row, field) for row in rows)
    return np.array([absent if value is None else value for value in values], dtype=float)


def flags(rows: Iterable[object], field: str, is_: object = True) -> Bools:
    """(n,) where a field has a value."""
    return np.array([getattr(row, field) == is_ for row in rows], dtype=bool)


def whole(values: Iterable[int]) -> Ints:
    """(n,) indices and numbers of months."""
    return np.array(list(values), dtype=np.int64)


def seconds(rows: Iterable[object], latency: str) -> Floats:
    """(n, 5) by percentile, from milliseconds; infinity where there is none."""
    by_percentile = [floats(rows, f"{latency}_{percentile}_ms") / 1e3 for percentile in PERCENTILES]
    return np.stack(by_percentile, axis=1)
