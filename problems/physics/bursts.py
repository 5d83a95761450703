"""What bursts and evenness of arrivals add to the waits of a mix: the range of w − u.

    w − u = Σ_i p_i · c_i · (m − S_i² / m) / 2,     c = Ca² − 1     (see `problems.physics.regions`)

The corners of mixes with u between two ends are of one user, or of two with u at an end; in p it is linear, in m it
rises or falls. m is linear in p: mixes with m in a strip have these corners too, and mixtures of two with m at its end.
Requests that take no time have no load, and u says nothing of them; with a share z of all they add

    m · ((z² − 2 z) · C + (z − z²) · Z) / 2,     C, Z: Σ p · c of those that take some, and of these; m of the former

They let arrivals of the others come as evenly, or in such bursts, as if these were few.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats

MANY = 24  # users: beyond, m and c have the ranges of all
STRIPS, MOST_CORNERS, NARROW = (
    16,
    40,
    1.01,
)  # of m; corners in all strips; the least of m that they are made for


def beyond_shape(s: Floats, c: Floats, u: Floats, low: float, high: float) -> tuple[float, float]:
    """The range of w − u of users with S, Ca² − 1 and u, over mixes with u between two ends."""
    if (c == 0.0).all() or len(s) == 1 or (s == s[0]).all():
        return 0.0, 0.0
    if (some := s > 0).sum() < len(s):
        least, most = beyond_shape(s[some], c[some], u[some], low, high)
        less, more = _beside_no_time(s, c)
        return least + less, most + more
    if len(s) > MANY:
        corners = np.eye(len(s))
    else:
        found = [_share(len(s), i) for i in np.flatnonzero((u >= low) & (u <= high)).tolist()]
        for edge in (low, high):
            for i in np.flatnonzero(u < edge).tolist():
                for j in np.flatnonzero(u > edge).tolist():
                    one, two = s[j] * (u[j] - edge), s[i] * (edge - u[i])
                    found.append(_share(len(s), i, j, float(one / (one + two))))
        if not found:
            return 0.0, 0.0
        corners = np.array(found)
    m = corners @ s
    strips = STRIPS if len(corners) <= MOST_CORNERS and m.max() > NARROW * m.min() else 1
    ends = np.geomspace(m.min(), m.max(), strips + 1)
    terms = c * (ends[:, None] - s**2 / ends[:, None])  # (strips + 1, n)
    low_of, high_of = np.minimum(terms[:-1], terms[1:]), np.maximum(terms[:-1], terms[1:])
    own = np.clip(np.searchsorted(ends, m, side="right") - 1, 0, strips - 1)  # the strip of each corner
    least_at, most_at = (corners * low_of[own]).sum(axis=1), (corners * high_of[own]).sum(axis=1)
    first, second = np.nonzero(m[:, None] < m[None, :])
    end, pair = np.nonzero((m[first] < ends[1:-1, None]) & (ends[1:-1, None] < m[second]))
    if len(end):
        from_, to = first[pair], second[pair]
        part = (ends[end + 1] - m[from_]) / (m[to] - m[from_])
        between = corners[from_] + part[:, None] * (corners[to] - corners[from_])
        least_at = np.concatenate([least_at, *((between * low_of[end + k]).sum(axis=1) for k in (0, 1))])
        most_at = np.concatenate([most_at, *((between * high_of[end + k]).sum(axis=1) for k in (0, 1))])
    return 0.5 * float(least_at.min()), 0.5 * float(most_at.max())


def _beside_no_time(s: Floats, c: Floats) -> tuple[float, float]:
    """The range of what w gains by requests that take no time."""
    some = s > 0
    if not some.any() or some.all():
        return 0.0, 0.0
    own, others = c[some], c[~some]
    least, _ = _of_share(float(own.max()), float(others.min()))
    _, most = _of_share(float(own.min()), float(others.max()))
    return 0.5 * float(s.max()) * least, 0.5 * float(s.max()) * most


def _of_share(own: float, others: float) -> tuple[float, float]:
    """The range of (z² − 2 z) · own + (z − z²) · others, z from 0 to 1."""
    turn = (2.0 * own - others) / (2.0 * (own - others)) if own != others else 0.0
    values = [z * z * (own - others) + z * (others - 2.0 * own) for z in (0.0, 1.0, min(max(turn, 0.0), 1.0))]
    return min(values), max(values)


def _share(n: int, i: int, j: int = 0, part: float = 1.0) -> Floats:
    """Shares (n,) of the requests: all of user i, or a part, and the rest of user j."""
    share = np.zeros(n)
    share[j] += 1.0 - part
    share[i] += part
    return share
