"""Frozen tables of arrays, and what their cells mean: the base of everything that the mathematics reads.

"Absent" is +inf for a limit or a price and -1 (`NONE`) for an index; NaN is never legal and raises.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from solvers.core.record import Record

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NONE = -1
PERCENTILES = ("mean", "p50", "p90", "p95", "p99")
HOURS_PER_MONTH = 730.0


class ArrayTable(Record):
    """Base of the array tables: rejects NaN and arrays of unequal length, and makes them read-only."""

    def __post_init__(self) -> None:
        length: tuple[str, int] | None = None
        for item in fields(self):
            value = getattr(self, item.name)
            if not isinstance(value, np.ndarray):
                continue
            value.setflags(write=False)
            if value.dtype.kind == "f" and np.isnan(value).any():
                where = np.argwhere(np.isnan(value))[0].tolist()
                raise ValueError(f"{type(self).__name__}.{item.name} has NaN at {where}")
            if item.metadata.get("free", False):
                continue
            if length is None:
                length = (item.name, len(value))
            elif len(value) != length[1]:
                raise ValueError(
                    f"{type(self).__name__}.{item.name} has {len(value)} rows, {length[0]} has {length[1]}"
                )
        super().__post_init__()

    def subset(self, which: Bools | Ints) -> Self:
        """Only some of the rows, of a table in which every field is an array with a row for each."""
        return type(self)(*(getattr(self, item.name)[which] for item in fields(self)))


def distinct[A: np.generic](values: NDArray[A]) -> NDArray[A]:
    """Sorted, each value once; without indices `np.unique` would load NumPy's masked arrays to ask for them."""
    found: NDArray[A] = np.unique(values, return_index=True)[0]
    return found
