"""The rows of a trace as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from router.traces.columns import ColumnPositions

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

HOUR_US = 3.6e9
BY_ROW = (
    "at_us",
    "requests",
    "prompt",
    "completion",
    "with_lengths",
    "arrival_cv",
    "lines",
    "cached",
    "failed",
)
US = 1e6  # timestamps are whole microseconds in a double, exact until the year 2255


@dataclass(frozen=True)
class Labels:
    """A column of text: the number of each row's value, and the values in order of appearance."""

    codes: npt.NDArray[np.int32]
    values: tuple[str, ...]

    def among(self, wanted: Sequence[str]) -> Mask:
        """Rows that have one of these values."""
        member = np.array([value in wanted for value in self.values], dtype=bool)
        return member[self.codes]


@dataclass(frozen=True)
class TraceTable:
    """All rows of a trace.

    at_us               (N,) µs since 1970 in UTC, or since the start of the horizon where `relative`
    requests            (N,) 1 in a record of single requests
    prompt, completion  (N,) tokens of the row in total; NaN where not recorded
    with_lengths        (N,) requests that the tokens cover; 0 where none are recorded
    arrival_cv          (N,) NaN where not recorded
    lines               (N,) of the file, on which each row begins
    cached              (N,) prompt tokens of the row that a cache had; NaN where not recorded
    failed              (N,) 1 where the status says so
    remarks             what was taken for granted in reading it
    ambiguous           rows whose local time the clocks showed twice or not at all
    """

    file: str
    columns: ColumnPositions
    relative: bool
    at_us: Floats
    requests: Floats
    prompt: Floats
    completion: Floats
    with_lengths: Floats
    arrival_cv: Floats
    lines: Floats
    cached: Floats
    failed: Floats
    labels: dict[str, Labels]
    ambiguous: int
    remarks: tuple[str, ...] = ()

    @property
    def single(self) -> bool:
        """One row a request."""
        return self.columns.requests is None

    @cached_property
    def step_h(self) -> float | None:
        """The median distance between timestamps; None for single requests or a single time."""
        if self.single:
            return None
        stamps = np.unique(self.at_us)
        return float(np.median(np.diff(stamps))) / HOUR_US if len(stamps) > 1 else None

    def only(self, rows: Mask) -> TraceTable:
        """Some of the rows."""
        labels = {name: Labels(labels.codes[rows], labels.values) for name, labels in self.labels.items()}
        return replace(self, labels=labels, **{name: getattr(self, name)[rows] for name in BY_ROW})

    def __len__(self) -> int:
        return len(self.at_us)
