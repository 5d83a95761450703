"""Mixes that a waiting pool may have, and what so many instances carry of each at most.

    kind      budget and servers per instance that some set of users makes; those of a kind do not make it stricter
    u         S · (Ca² + Cs²) / 2 of a user; Σ load · u / Σ load of a mix, in pieces cut at the mix of the plan and
              where its proof says; in any way that is a right way
    w         u + Σ p · (Ca² − 1) · (m − S² / m) / 2: all that waits know of a mix; p shares of the requests,
              S seconds of an instance, m its mean
    cap[n]    largest load of n instances whose waits keep within the budgets at the least w of a piece

Caps allow what `waiting` allows a plan: waits that are `RELATIVE` too long.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from router.schema import Policy
from router.verification.base import latency
from router.verification.base.ledger import RELATIVE
from router.verification.base.queueing import PoolUse, erlang_c, wait_s

MOST_KINDS = 8
NEAREST = 2.0**-30  # of the servers: so near to the largest load
AT_LEVELS = (1, 2, 3, 4, 6, 10, 20)
"""Levels whose caps give slopes."""
PARTS = (0.0, 1e-5, 1e-3, 0.03, 0.15, 0.5, 0.85, 0.97, 0.999, 0.99999, 1.0)
"""Where a piece is cut for its slanted row."""
NEAR_ENDS = (0.15, 0.03)
"""Parts of a piece that are next to its end."""
STRIPS, MOST_CORNERS, NARROW = 16, 12, 1.01
"""Of m; corners that are looked at in all strips; the least of m that they are made for."""
MORE = 1.02 * RELATIVE
SLACK_S = 1.1e-9

type Strict = tuple[float, tuple[tuple[str, float], ...]]
"""Servers per instance, and the budget by statistic in s."""

type Line = tuple[float, float]
"""Part and slope."""

type AllOf = tuple[float, tuple[tuple[str, float], ...], bool]
"""The same of several users, before it is halved, and whether any has two engines: then it is for all of them."""


type Corner = tuple[tuple[int, float], ...]
"""Users of a mix, and their shares of the requests."""


@dataclass(frozen=True, slots=True)
class MixKind:
    """Mixes of some routes, and what they are held to."""

    routes: frozenset[str]
    strict: Strict


@dataclass(frozen=True, slots=True)
class MixPiece:
    """A kind of mix with u in a range: the largest load · (part + slope · (u − low)) by level, for each such line."""

    routes: frozenset[str]
    low: float
    high: float
    concurrency: float
    caps: tuple[tuple[Line, tuple[float, ...]], ...]

    @property
    def free(self) -> bool:
        """Nobody minds waiting."""
        return not self.caps


@dataclass(frozen=True, slots=True)
class WaitingPool:
    """One side of a pool in a period."""

    name: str
    uses: Mapping[str, PoolUse]
    side: int
    top: int
    in_servers: bool  # levels are servers: parts of an instance may serve
    policy: Policy


def pieces_of(queue: WaitingPool, mixes: list[float]) -> Iterator[MixPiece]:
    """Every kind of mix in ranges of u, cut at some mixes in s; none where kinds are too many."""
    kinds = _kinds(queue.uses)
    for kind in kinds if len(kinds) <= MOST_KINDS else ():
        own = [use for name, use in queue.uses.items() if name in kind.routes and use.seconds[queue.side] > 0]
        if not own:
            continue
        shapes = [shape(use, queue.side) for use in own]
        low, high = min(shapes) * (1.0 - MORE), max(shapes) * (1.0 + MORE)
        cut = sorted({mix for mix in mixes if low < mix < high}) if kind.strict[1] else []
        for start, end in pairwise([low, *cut, high]):
            if kind.strict[1]:
                yield _piece(queue, kind, start, end)
            else:
                yield MixPiece(kind.routes, start, end, kind.strict[0], ())


def kinds_or_one(uses: Mapping[str, PoolUse]) -> list[MixKind]:
    """Every kind of mix; one that is held to no more than any of them where they are too many."""
    kinds = _kinds(uses)
    if len(kinds) <= MOST_KINDS:
        return kinds
    common = set.intersection(*(set(use.budget) for use in uses.values()))
    mildest = tuple((each, max(use.budget[each] for use in uses.values())) for each in sorted(common))
    return [MixKind(frozenset(uses), (max(use.concurrency for use in uses.values()), mildest))]


def _kinds(uses: Mapping[str, PoolUse]) -> list[MixKind]:
    """What any set of users makes, each with all users that do not make it stricter."""
    own = {name: _of_all([use]) for name, use in uses.items()}
    closed = list(dict.fromkeys(own.values()))
    for one in closed:  # it grows as it is read
        for other in own.values():
            both = _both(one, other)
            if both not in closed:
                closed.append(both)
        if len(closed) > MOST_KINDS:
            break
    kinds = [
        MixKind(frozenset(name for name, all_of in own.items() if _both(all_of, each) == each), _held(each))
        for each in closed
    ]
    return [
        kind
        for kind in kinds
        if not any(kind.strict == other.strict and kind.routes < other.routes for other in kinds)
    ]


def strictest(uses: Iterable[PoolUse]) -> Strict:
    """What a mix of all these users is held to."""
    return _held(_of_all(uses))


def _held(all_of: AllOf) -> Strict:
    """Each side may take half of what is left where prompt and completion have engines of their own."""
    concurrency, budget, apart = all_of
    part = 0.5 if apart else 1.0
    return concurrency, tuple((statistic, seconds * part) for statistic, seconds in budget)


def _of_all(uses: Iterable[PoolUse]) -> AllOf:
    uses = list(uses)
    budget: dict[str, float] = {}
    for use in uses:
        for statistic, seconds in use.budget.items():
            budget[statistic] = min(budget.get(statistic, math.inf), seconds)
    apart = any(use.disaggregated for use in uses)
    return min(use.concurrency for use in uses), tuple(sorted(budget.items())), apart


def _both(one: AllOf, other: AllOf) -> AllOf:
    budget: dict[str, float] = defaultdict(lambda: math.inf)
    for each in (one, other):
        for statistic, seconds in each[1]:
            budget[statistic] = min(budget[statistic], seconds)
    return min(one[0], other[0]), tuple(sorted(budget.items())), one[2] or other[2]


def _piece(queue: WaitingPool, kind: MixKind, low: float, high: float) -> MixPiece:
    """Caps by level over a range of u: the largest of some intervals, for lines through two of them each."""
    uses = [use for name, use in queue.uses.items() if name in kind.routes]
    concurrency, budget = kind.strict
    narrow = high <= low * (1.0 + 3.0 * MORE)
    ends = [low, high] if narrow else [low + (high - low) * part for part in PARTS]
    intervals = []
    for start, end in pairwise(ends):
        w = max(start + bursts(uses, queue.side, start, end)[0], 0.0) * concurrency
        intervals.append((start, end, w))
    by_level = [
        [_cap(queue, n, concurrency, budget, w) for n in range(queue.top + 1)] for _, _, w in intervals
    ]
    slopes, edges = {0.0}, set[Line]()
    for n in AT_LEVELS if len(intervals) > 1 else ():
        if n <= queue.top:
            caps = [level[n] for level in by_level]
            slopes |= _slopes([start - low for start, _, _ in intervals], caps)
            edges |= _edges(caps, high - low)
    inside = [(start - low, end - low) for start, end, _ in intervals]
    rows = [
        (line, tuple(_most(line, inside, level) for level in zip(*by_level, strict=True)))
        for line in (*((1.0, slope) for slope in sorted(slopes)), *sorted(edges))
    ]
    return MixPiece(kind.routes, low, high, concurrency, tuple(rows))


def _most(line: Line, inside: list[tuple[float, float]], caps: tuple[float, ...]) -> float:
    """The largest (part + slope · u) · load, u from the piece's own end on, in any of its intervals."""
    part, slope = line
    weights = (max(part + slope * start, part + slope * end, 0.0) for start, end in inside)
    return max(weight * cap for weight, cap in zip(weights, caps, strict=True))


def _edges(caps: list[float], width: float) -> set[Line]:
    """Lines that a piece's ends touch from above and leave the rest below, but for what is next to those ends.

    With t from 0 to 1 over the piece: (a · (1 − t) + t) · load at its end, (1 − t + b · t) · load at its beginning.
    """
    parts, found = list(pairwise(PARTS)), set[Line]()
    for near in NEAR_ENDS if min(caps) > 0.0 else ():
        at_end = [
            (caps[-1] / cap - t) / (1.0 - t)
            for (_, t), cap in zip(parts, caps, strict=True)
            if t <= 1.0 - near
        ]
        at_start = [
            (caps[0] / cap - 1.0 + t) / t for (t, _), cap in zip(parts, caps, strict=True) if t >= near
        ]
        a, b = (float(f"{min(own):.3g}") for own in (at_end, at_start))
        if a < 1.0:
            found.add((a, (1.0 - a) / width))
        if b < 1.0:
            found.add((1.0, (b - 1.0) / width))
    return found


def _slopes(u: list[float], caps: list[float]) -> set[float]:
    """b of the lines (1 + b · u) · load through the caps of two intervals."""
    found, last = set(), len(u) - 1
    for i, j in ((0, last), (0, last // 2), (last // 2, last)):
        rise = u[j] * caps[j] - u[i] * caps[i]
        if caps[i] > caps[j] and rise > 1e-9 * u[j] * caps[j]:
            found.add(float(f"{(caps[i] - caps[j]) / rise:.3g}"))
    return found


def _cap(
    queue: WaitingPool, level: int, concurrency: float, budget: tuple[tuple[str, float], ...], w: float
) -> float:
    """Largest load of a level, in instances at full availability."""
    policy = queue.policy
    servers = level if queue.in_servers else math.floor(level * concurrency + 1e-9)
    most = largest(servers, w * (1.0 + policy.wait_margin), budget)
    own = level / concurrency if queue.in_servers else float(level)
    return min(most / concurrency / (1.0 + policy.load_margin), own) * (1.0 + MORE)


@lru_cache(maxsize=65_536)
def largest(servers: int, w: float, budget: tuple[tuple[str, float], ...]) -> float:
    """The largest number of servers kept busy whose waits keep within a budget; never too low.

    Between a load that fits and one that does not, by the line through what is spared at both (Illinois).
    """
    low, high, near = 0.0, float(servers), servers * NEAREST
    fits, breaks = _spared(servers, low, w, budget), _spared(servers, high, w, budget)
    last = 0
    while high - low > near:
        at = low + (high - low) * fits / (fits - breaks) if fits > breaks else 0.5 * (low + high)
        at = min(max(at, low + 0.5 * near), high - 0.5 * near)
        spared = _spared(servers, at, w, budget)
        if spared >= 0.0:
            low, fits, breaks = at, spared, 0.5 * breaks if last > 0 else breaks
            last = 1
        else:
            high, breaks, fits = at, spared, 0.5 * fits if last < 0 else fits
            last = -1
    return high


def _spared(servers: float, busy: float, w: float, budget: tuple[tuple[str, float], ...]) -> float:
    """What the tightest budget leaves, times the servers that are not busy: below 0 where a wait is too long."""
    spare, waits = servers - busy, erlang_c(servers, busy)
    least = math.inf
    for statistic, seconds in budget:
        beyond = 1.0 - latency.LEVEL.get(statistic, 0.0)
        part = waits if statistic == "mean" else math.log(waits / beyond) if waits > beyond else 0.0
        least = min(least, (seconds * (1.0 + MORE) + SLACK_S) * spare - w * part)
    return least if spare > 0.0 else min(least, -1e-300)


def within_budget(servers: float, busy: float, w: float, budget: tuple[tuple[str, float], ...]) -> bool:
    """Whether waits keep within a budget."""
    return busy < servers and all(
        wait_s(statistic, servers, busy, w, 1.0) <= seconds for statistic, seconds in budget
    )


def shape(use: PoolUse, side: int) -> float:
    """u of a user on one side of a pool, in s."""
    return use.seconds[side] * (use.arrival_cv**2 + use.service_cv**2) / 2.0


def bursts(uses: list[PoolUse], side: int, low: float, high: float) -> tuple[float, float]:
    """The range of w − u over mixes with u in a range: their corners are of one user, or of two with u at an end."""
    if all(use.arrival_cv == 1.0 for use in uses):
        return 0.0, 0.0
    each = [(use.seconds[side], use.arrival_cv**2 - 1.0, shape(use, side)) for use in uses]
    seconds = [s for s, _, _ in each]
    if min(seconds) == max(seconds):
        return 0.0, 0.0
    if min(seconds) <= 0.0:
        some = bursts([use for use in uses if use.seconds[side] > 0.0], side, low, high)
        beside = _no_time([(s, c) for s, c, _ in each])
        return some[0] + beside[0], some[1] + beside[1]
    corners = [((i, 1.0),) for i, (_, _, u) in enumerate(each) if low <= u <= high]
    mixed: list[Corner] = list(corners)
    for edge in (low, high):
        for i, (s, _, u) in enumerate(each):
            for j, (other, _, above) in enumerate(each):
                if u < edge < above:
                    one, two = other * (above - edge), s * (edge - u)
                    mixed.append(((i, one / (one + two)), (j, two / (one + two))))
    if not mixed:
        return 0.0, 0.0
    return _of_corners(tuple(mixed), tuple((s, c) for s, c, _ in each))


@lru_cache(maxsize=16_384)  # pools are alike in many periods
def _of_corners(corners: tuple[Corner, ...], each: tuple[tuple[float, float], ...]) -> tuple[float, float]:
    """The range of w − u between corners, in strips of m: of the corners there, and of two mixed at an end."""
    points = [(math.fsum(p * each[i][0] for i, p in corner), corner) for corner in corners]
    low, high = min(m for m, _ in points), max(m for m, _ in points)
    strips = STRIPS if len(corners) <= MOST_CORNERS and high > NARROW * low else 1
    ends = [low * (high / low) ** (k / strips) for k in range(strips)] + [high]
    least, most = math.inf, -math.inf
    at_end = [_at_mean(points, end) if 0 < k < strips else [] for k, end in enumerate(ends)]
    for k, (start, end) in enumerate(pairwise(ends)):
        by_user = [sorted(c * (m - s * s / m) / 2.0 for m in (start, end)) for s, c in each]
        inside = [corner for m, corner in points if start <= m <= end]
        for corner in (*inside, *at_end[k], *at_end[k + 1]):
            least = min(least, math.fsum(p * by_user[i][0] for i, p in corner))
            most = max(most, math.fsum(p * by_user[i][1] for i, p in corner))
    return least, most


def _at_mean(points: list[tuple[float, Corner]], mean: float) -> list[Corner]:
    """Of two corners each, the mix between them whose mean is that."""
    found = []
    for low, one in points:
        for high, other in points:
            if low < mean < high:
                part = (mean - low) / (high - low)
                found.append((*((i, p * (1.0 - part)) for i, p in one), *((i, p * part) for i, p in other)))
    return found


def _no_time(each: list[tuple[float, float]]) -> tuple[float, float]:
    """The range of what requests that take no time add to w; of each user the seconds and Ca² − 1.

    With a share z of all requests, Z of theirs, and mean M and C of the others, w is (M · (1 − z) · (C · (1 − z)
    + Z · z) − D / M) / 2, of which (M · C − D / M) / 2 is without them: D knows nothing of z.
    """
    own, none = [c for s, c in each if s > 0.0], [c for s, c in each if s <= 0.0]
    if not own:
        return 0.0, 0.0
    added = [
        (1.0 - z) * (c * (1.0 - z) + other * z) - c
        for c in (min(own), max(own))
        for other in (min(none), max(none))
        for z in (0.0, 1.0, _turn(c, other))
    ]
    longest = max(s for s, _ in each)
    return longest * min(added) / 2.0, longest * max(added) / 2.0


def _turn(c: float, other: float) -> float:
    """Where (1 − z) · (c · (1 − z) + other · z) is least or most, within 0 … 1."""
    return 0.0 if c == other else min(max((2.0 * c - other) / (2.0 * (c - other)), 0.0), 1.0)
