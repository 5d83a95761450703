"""A sum of rows rounded so that a point lies far beyond it: at several scales, columns counted from either end.

Continuous columns are counted from the end that is nearer to the point, whole ones too, until those between their ends
are tried from the other one, as Marchand and Wolsey do (2001, Aggregation and mixed integer rounding to solve MIPs,
Oper. Res. 49).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from solvers.core.program import Bools, Floats, Ints
from solvers.rounding.rows import VIOLATED, RoundedRow, limits_asked, rounded

WHOLE = 1e-6
NEAREST = 0.01
"""A limit that is so near to a whole number is not rounded: 1 / (1 − f) makes much of little."""

DYNAMISM = 1e6  # of the coefficients, at most
SMALL = 1e-10  # of the largest: what is smaller is left out, at its bound
STATED = 2e-11  # relative: so far off is a sum that is worked out again, weights as they are stated
OFF = 1e-4
"""Relative to its length: a row that another reckoning makes so much differently is none. Each rounding of roundings
multiplies what they are off by up to 1 / (1 − f)², since f is off too."""
SCALES = 8  # tried of each sum, beside 1
TURNED = 20  # whole columns that are counted from their other end, at most


class RowSums:
    """Sums of some rows at a point, to be rounded.

    matrix (m, n), lower, upper (m,)      the rows
    off (m,)                              of each, see `RoundedRow`
    integer, col_lower, col_upper (n,)    the columns: whole bounds where they are whole
    """

    def __init__(
        self,
        matrix: Any,
        limits: tuple[Floats, Floats],
        integer: Bools,
        bounds: tuple[Floats, Floats],
        off: Floats | None = None,
    ) -> None:
        self.matrix, (self.lower, self.upper) = matrix, limits
        self.off = np.zeros(matrix.shape[0]) if off is None else off
        self.integer, (self.col_lower, self.col_upper) = integer, bounds

    def rounded(self, rows: Ints, weights: Floats, point: Floats) -> RoundedRow | None:
        """The rounding that a point lies farthest beyond; None: it lies beyond none."""
        total = self.matrix[rows].T @ weights
        columns = np.flatnonzero(total)
        columns = columns[self.col_lower[columns] < self.col_upper[columns]]
        if not len(columns):
            return None
        return _SumOfRows(self, rows, weights, total, columns, point).best()


class _SumOfRows:
    def __init__(
        self, rows: RowSums, at: Ints, weights: Floats, total: Floats, columns: Ints, point: Floats
    ) -> None:
        self.of, self.at, self.weights, self.columns, self.point = rows, at, weights, columns, point
        lower, upper = rows.lower[at], rows.upper[at]
        self.limit, self.above = limits_asked(weights, lower, upper)
        slack = np.where(self.above, 1.0, -1.0) * weights
        kept = np.flatnonzero((lower != upper) & (slack < 0.0))
        self.kept, self.slack = kept, slack[kept]
        missed = np.abs(self.limit[kept] - rows.matrix[at[kept]] @ point)
        start, end, x = rows.col_lower[columns], rows.col_upper[columns], point[columns]
        self.down = end - x < x - start
        self.start, self.end = start, end
        fixed = np.flatnonzero((total != 0.0) & (rows.col_lower == rows.col_upper))
        shift = total[columns] @ np.where(self.down, end, start) + total[fixed] @ rows.col_lower[fixed]
        self.b = float(weights @ self.limit - shift)
        self.whole = np.flatnonzero(rows.integer[columns])
        self.rest = np.flatnonzero(~rows.integer[columns])
        g = np.where(self.down, -1.0, 1.0) * total[columns]
        y = np.where(self.down, end - x, x - start)
        self.g, self.y, self.width = g[self.whole], y[self.whole], (end - start)[self.whole]
        self.others = np.minimum(g[self.rest], 0.0)
        self.given = float(self.others @ y[self.rest] + self.slack @ missed)
        self.size = float(self.others @ self.others)
        self.inside = (self.y > WHOLE) & (self.y < self.width - WHOLE)

    def best(self) -> RoundedRow | None:
        scales = np.unique(np.round(np.abs(self.g[self.inside]), 10))
        scales = scales[scales > 1e-6 * max(1.0, float(np.abs(self.g).max(initial=0.0)))]
        if len(scales) > SCALES:
            scales = scales[np.linspace(0, len(scales) - 1, SCALES).astype(int)]
        tried = [(self._beyond(scale, self.g, self.y, self.b), scale) for scale in (1.0, *scales.tolist())]
        beyond, scale = max(tried)
        finer = [(self._beyond(scale / k, self.g, self.y, self.b), scale / k) for k in (2.0, 4.0, 8.0)]
        beyond, scale = max([(beyond, scale), *finer])
        if beyond == -np.inf:
            return None
        beyond = self._turned(scale, beyond)
        return None if beyond < VIOLATED else self._row(scale)

    def _beyond(self, scale: float, g: Floats, y: Floats, b: float) -> float:
        """How far the point lies beyond the rounding at a scale; −inf: it is none."""
        part = b / scale - np.floor(b / scale)
        if not NEAREST <= part <= 1.0 - NEAREST:
            return -np.inf
        value = rounded(g / scale, part)
        missed = float(value @ y) + self.given / scale / (1.0 - part) - np.floor(b / scale)
        size = float(value @ value) + self.size / (scale * (1.0 - part)) ** 2
        return missed / float(np.sqrt(size)) if size > 0.0 else -np.inf

    def _turned(self, scale: float, beyond: float) -> float:
        """With whole columns that are between their ends counted from the other one, where that is better."""
        order = np.argsort(np.abs(self.y - self.width / 2.0), kind="stable")[:TURNED]
        for k in order[self.inside[order] & np.isfinite(self.width[order])].tolist():
            g, y = self.g.copy(), self.y.copy()
            g[k], y[k] = -g[k], self.width[k] - y[k]
            b = self.b - self.g[k] * self.width[k]
            found = self._beyond(scale, g, y, b)
            if found > beyond + 1e-9:
                beyond, self.g, self.y, self.b = found, g, y, b
                self.down[self.whole[k]] ^= True
        return beyond

    def _row(self, scale: float) -> RoundedRow | None:
        """The rounding as a row, with the rows' slacks written out."""
        of, b = self.of, self.b / scale
        whole = float(np.floor(b))
        part = b - whole
        sign, end = np.where(self.down, -1.0, 1.0), np.where(self.down, self.end, self.start)
        value = np.zeros(len(self.columns))
        value[self.whole] = rounded(self.g / scale, part)
        value[self.rest] = self.others / scale / (1.0 - part)
        every = np.zeros(len(of.integer))
        every[self.columns] = sign * value
        upper = whole + float((sign * value) @ end)
        slack = self.slack / scale / (1.0 - part) * np.where(self.above[self.kept], 1.0, -1.0)
        every -= of.matrix[self.at[self.kept]].T @ slack
        upper -= float(slack @ self.limit[self.kept])
        used = np.flatnonzero(every)
        fixed = used[of.col_lower[used] == of.col_upper[used]]
        upper -= float(every[fixed] @ of.col_lower[fixed])
        every[fixed] = 0.0
        largest = float(np.abs(every).max(initial=0.0))
        small = np.flatnonzero((every != 0.0) & (np.abs(every) < SMALL * largest))
        upper -= float(
            np.minimum(every[small] * of.col_lower[small], every[small] * of.col_upper[small]).sum()
        )
        every[small] = 0.0
        columns = np.flatnonzero(every)
        values = every[columns]
        if not len(columns) or not np.isfinite(upper):
            return None
        length = float(np.linalg.norm(values))
        beyond = float(values @ self.point[columns] - upper) / length
        if beyond < VIOLATED or largest > DYNAMISM * np.abs(values).min():
            return None
        weights = self.weights / scale
        size = np.abs(of.matrix[self.at]).T @ np.abs(weights)
        ends = np.zeros(len(of.integer))
        ends[self.columns] = np.abs(end)
        reach = float(np.abs(weights) @ np.abs(self.limit)) + float(size @ ends)
        of_rows = float(np.abs(weights) @ of.off[self.at]) * max(1.0, float(ends.sum()))
        summed = STATED * max(float(size.max()), reach) + of_rows
        steepest = max(1.0 / (1.0 - part), largest, float(np.abs(slack).max(initial=0.0)))  # f is off too
        off = summed / (1.0 - part) * steepest + SMALL * largest * float(len(small) > 0)
        if off > OFF * length:
            return None
        return RoundedRow(self.at, weights, self.columns[self.down], columns, values, upper, beyond, off)
