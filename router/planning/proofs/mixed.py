"""Where regions of waiting pools are cut for a proof: at mixes of points that cost less than the plan, and are none.

The planner's own regions are cut at the mixes that its search has met (`waits.tighten`); the verifier's are others, and
let other points through. Any cuts are right ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from router.planning.proofs.scaled import ScaledRelaxation
from router.planning.waits.tighten import cut_at, mixes_by_name, short_of_capacity

NEXT = 0.2  # of the way to the next cuts
SAME = 1e-7  # relative: what so near cuts let through costs less than what a promise lets go of
MOST = 30  # of a pool in a period: of many the verifier takes every second

MOST_LOOSE = 1e-4  # relative: what is allowed, at most

Mixes = Mapping[str, tuple[float, ...]]
"""u in s, by pool, period and side."""


def finer(encoded: Encoded, model: ScaledRelaxation, point: Floats, mixes: Mixes) -> Mixes | None:
    """The cuts with those where a point of the relaxation has more in a pool than waiting allows; None: it has not."""
    value = dict(zip(model.names, (point * model.column_scale).tolist(), strict=True))
    names = encoded.program.column_names
    ours = np.array([value.get(name, 0.0) for name in (names() if names else [])])
    broken = short_of_capacity(encoded, ours) if len(ours) else []
    fresh = mixes_by_name(encoded.instance, cut_at({}, encoded, broken).get(0, {}))
    cut = {at: _cut(mixes.get(at, ()), u) for at, (u, *_) in fresh.items()}
    return {**mixes, **cut} if any(own != mixes.get(at) for at, own in cut.items()) else None


def _cut(before: tuple[float, ...], u: float) -> tuple[float, ...]:
    """Cut at u and to both sides of it, unless it is already, as near as makes a difference. Where there is no room,
    the one nearest to its neighbours goes first.
    """
    below = max((each for each in before if each < u), default=0.5 * u)
    above = min((each for each in before if each > u), default=2.0 * u)
    if u in before and above - below <= SAME * u:
        return before
    cuts, kept = {u, u - NEXT * (u - below), u + NEXT * (above - u)}, set(before)
    while kept and len(kept | cuts) > MOST:
        every = sorted(kept | cuts)
        around = pairwise(pairwise([0.5 * every[0], *every, 2.0 * every[-1]]))
        apart = {own: (high - low) / own for (low, own), (_, high) in around if own in kept}
        kept.remove(min(apart, key=lambda own: apart[own]))
    return tuple(sorted(kept | cuts))


def worth_of_allowance(model: ScaledRelaxation, start: Floats, usd: float) -> float:
    """What a plan could save by all that its promises let go of, relative: no bound can prove less than that.

    A pool that carries nearly all, beside little that is dear, may save many millionths of what is paid.

    start   (n,) the best point with the plan's whole numbers
    """
    return min(max(1.0 - model.program.objective(start) / usd, 0.0), MOST_LOOSE) if usd > 0.0 else 0.0
