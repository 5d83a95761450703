"""Classes of request size: boxes of prompt and completion tokens in which requests are much alike.

Found by splitting: the class and the edge that take most out of the variance come first, until a small number of
classes explains enough of it.

    variance = Σ weight · ((prompt − mean)² / s_prompt² + (completion − mean)² / s_completion²)

    s   standard deviation over all requests, so that long prompts do not outvote answers

Or edges are stated, and every box of the grid that has requests is a class.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from router.traces.table import Floats

Mask = npt.NDArray[np.bool_]

MOST = 6  # classes, unless asked for another number
EXPLAINED = 0.9  # part of the variance between classes at which splitting stops
QUANTILES = 32  # edges tried in each direction of each class
KINDS = ("prompt", "completion")


@dataclass(frozen=True, slots=True)
class Size:
    """A box: prompt and completion tokens from `low` (inclusive) to `high` (exclusive)."""

    low: tuple[float, float] = (0.0, 0.0)
    high: tuple[float, float] = (np.inf, np.inf)

    def holds(self, prompt: Floats, completion: Floats) -> Mask:
        """Which requests lie in it."""
        inside: Mask = (prompt >= self.low[0]) & (prompt < self.high[0])
        return inside & (completion >= self.low[1]) & (completion < self.high[1])

    @property
    def label(self) -> str:
        """`p0-511-c128+`; a direction that is not cut is left out, and nothing cut is `all`."""
        words = []
        for kind, low, high in zip("pc", self.low, self.high, strict=True):
            if high < np.inf:
                words.append(f"{kind}{low:.0f}-{max(low, high - 1):.0f}")
            elif low > 0:
                words.append(f"{kind}{low:.0f}+")
        return "-".join(words) or "all"

    def cut(self, kind: int, edge: float) -> tuple[Size, Size]:
        """The two halves at an edge."""
        below, above = list(self.high), list(self.low)
        below[kind] = above[kind] = edge
        return replace(self, high=(below[0], below[1])), replace(self, low=(above[0], above[1]))


def found_classes(prompt: Floats, completion: Floats, weight: Floats, count: int | None = None) -> list[Size]:
    """At most `count` classes; without one, as few as explain 90 % of the variance, and never more than 6."""
    classes = [Size()]
    if not len(prompt):
        return classes
    scaled = [_scaled(prompt, weight), _scaled(completion, weight)]
    raw = [prompt, completion]
    total = _variance(scaled, weight)
    left = total
    cuts = {classes[0]: _best_cut(raw, scaled, weight, classes[0])}
    while len(classes) < (count or MOST) and (count is not None or left > (1 - EXPLAINED) * total):
        best = max(classes, key=lambda size: cuts[size][0])
        gain, kind, edge = cuts[best]
        if gain <= 1e-9 * total or gain == 0:
            break
        halves = best.cut(kind, edge)
        for half in halves:
            cuts[half] = _best_cut(raw, scaled, weight, half)
        classes = [size for size in classes if size != best] + list(halves)
        left -= gain
    return sorted(classes, key=lambda size: size.low)


def grid_classes(prompt_edges: Sequence[float], completion_edges: Sequence[float]) -> list[Size]:
    """Every box between stated edges."""
    spans = [list(itertools.pairwise((0.0, *edges, np.inf))) for edges in (prompt_edges, completion_edges)]
    return [Size((p[0], c[0]), (p[1], c[1])) for p, c in itertools.product(*spans)]


def explained(prompt: Floats, completion: Floats, weight: Floats, classes: Sequence[Size]) -> float:
    """Part of the variance of sizes that lies between classes, in [0, 1]; 1 where all are alike."""
    scaled = [_scaled(prompt, weight), _scaled(completion, weight)]
    total = _variance(scaled, weight)
    within = 0.0
    for size in classes:
        inside = size.holds(prompt, completion)
        within += _variance([values[inside] for values in scaled], weight[inside])
    return 1.0 - within / total if total > 0 else 1.0


def _scaled(values: Floats, weight: Floats) -> Floats:
    mean = np.average(values, weights=weight)
    spread = np.sqrt(np.average((values - mean) ** 2, weights=weight))
    scaled: Floats = (values - mean) / spread if spread > 0 else np.zeros_like(values)
    return scaled


def _variance(scaled: Sequence[Floats], weight: Floats) -> float:
    mass = float(weight.sum())
    if mass == 0:
        return 0.0
    sums = ((weight * values**2).sum() - (weight * values).sum() ** 2 / mass for values in scaled)
    return float(sum(sums))


def _best_cut(
    raw: Sequence[Floats], scaled: Sequence[Floats], weight: Floats, size: Size
) -> tuple[float, int, float]:
    """(variance taken out, direction, edge) of the best cut of a class; edges are whole numbers of tokens."""
    inside = size.holds(raw[0], raw[1])
    own = [values[inside] for values in scaled]
    mass = weight[inside]
    before = _variance(own, mass)
    best = (0.0, 0, 0.0)
    for kind in (0, 1):
        tokens = raw[kind][inside]
        if not len(tokens):
            continue
        edges = np.unique(np.ceil(np.quantile(tokens, np.linspace(0, 1, QUANTILES + 1)[1:])))
        for edge in edges[(edges > tokens.min()) & (edges <= tokens.max())]:
            below = tokens < edge
            halves = (_variance([v[half] for v in own], mass[half]) for half in (below, ~below))
            gain = before - sum(halves)
            if gain > best[0]:
                best = (float(gain), kind, float(edge))
    return best
