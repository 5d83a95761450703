"""Where the use of a span counts for its bill: at its end, and wherever what it is billed at changes before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

type Timed = Sequence[tuple[int, str, float]]
"""(period, variable, how much of what is counted it is)."""


@dataclass(frozen=True, slots=True)
class BillPoint:
    """A point of a span.

    number    among those of the contract          before    what earlier periods use counts; None: all of the span
    weight    the figure until then less that after it; of a span's last point the figure, and what comes besides
    """

    number: int
    before: int | None
    weight: float


def points_at(figures: Sequence[tuple[int, float]], number: int, besides: float = 0.0) -> list[BillPoint]:
    """The points at which figures change: (the first period that one no longer holds in, figure), in order."""
    points: list[BillPoint] = []
    for (before, figure), (_, after) in pairwise(figures):
        if abs(figure - after) > 1e-9 * max(abs(figure), 1e-9):
            points.append(BillPoint(number + len(points), before, figure - after))
    return [*points, BillPoint(number + len(points), None, figures[-1][1] + besides)]


def until(used: Timed, point: BillPoint) -> Timed:
    """What is used up to a point."""
    return [each for each in used if point.before is None or each[0] < point.before]
