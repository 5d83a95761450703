"""What loads a pool carries with each count, whatever its users bring: a region of loads, in pieces that are linear.

    Σ_i L_i ≤ cap_n(w),     w = u + Σ_i p_i · (c_i − 1) · (m − S_i² / m) / 2,     u = Σ_i L_i · u_i / Σ_i L_i

    L_i   load of user i           instances      S_i        time that a request holds an instance     s
    w     variability · service    s              u_i        w of user i alone, S_i · (c_i + Cs_i²) / 2   s
    c_i   Ca_i²                    1              p_i, m     share of the requests, mean of S over them   1, s

A wait depends on the mix through w alone, and cap falls as w rises. u is linear in the loads, and it is w where
arrivals are Poisson (c = 1) or all requests take as long. A piece of the region is a range of u: what is left of w has
a range there too, and

    Σ_i (1 + b · (u_i − low)) · L_i ≤ h_n,     outer h_n = max, inner h_n = min of (1 + b · (u − low)) · cap_n(w)

found over short intervals with the least and the largest w that each holds: the outer side is never too low, the inner
one never too high. Whoever is present makes all of the pool keep the strictest budget and the least concurrency, and
half of the budget on each side where it has two engines: each such set is a kind of mix, with the users that
do not make it stricter.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from problems.core.arrays import Floats, distinct
from problems.physics.bursts import beyond_shape
from problems.physics.queueing import erlang_c

MOST_KINDS = 8  # of mixes; beyond, users alike share one
FEW = 4  # users of a pool, up to which plans look at what it carries without some
MOST_LEFT_OUT, SHORTER = 2, 0.7  # of them, those without whom w is so much less at most
NARROW = 2.0**-36  # of the servers: the range in which the largest load is found
MOST_STEPS = 100
STEPS = np.array([0.0, 2e-3, 0.03, 0.15, 0.38, 0.62, 0.85, 0.97, 0.998, 1.0])
"""Where a piece is cut into intervals: finer near its ends, where what was found stands."""
FINE = distinct(np.concatenate([STEPS, np.linspace(0.0, 1.0, 25)]))  # where w is not u
LEVELS = (None, 0.50, 0.90, 0.95, 0.99)  # of PERCENTILES; None: the mean
NEAR = 1e-9


class User(NamedTuple):
    """Requests of one route of a pool."""

    load_s: tuple[float, float]  # instance-seconds of a request, by side
    concurrency: float
    arrival_cv: float
    service_cv: float
    budget_s: tuple[float, ...]  # (5,)
    apart: bool  # prompt and completion have engines of their own, and may each take half of the budget


class Strictness(NamedTuple):
    """What a mix is held to. `least_s`: of all who are there; where one has two engines, each may take half of it."""

    concurrency: float
    least_s: tuple[float, ...]
    apart: bool

    @property
    def budget_s(self) -> tuple[float, ...]:
        part = 0.5 if self.apart else 1.0
        return tuple(s * part for s in self.least_s)

    @property
    def promised(self) -> bool:
        return bool(np.isfinite(self.least_s).any())


class Kind(NamedTuple):
    """Mixes of some users. `inner` is held to by all of them, `outer` keeps none of them out."""

    users: tuple[int, ...]
    outer: Strictness
    inner: Strictness


class Margin(NamedTuple):
    """What is planned for beyond the formula, as shares: longer waits, a higher load."""

    wait: float = 0.0
    load: float = 0.0


class Scale(NamedTuple):
    """What level j of a pool means: j instances, or j servers where a part of an instance may serve."""

    top: int
    servers: bool

    def serving(self, strict: Strictness) -> Floats:
        """(top + 1,) instances that serve at each level."""
        level = np.arange(self.top + 1, dtype=float)
        return level / strict.concurrency if self.servers and strict.promised else level

    def servers_at(self, strict: Strictness) -> Floats:
        """(top + 1,) requests in service at once."""
        level = np.arange(self.top + 1, dtype=float)
        return level if self.servers else np.floor(level * strict.concurrency + NEAR)


class Piece(NamedTuple):
    """A range of u for one kind: Σ (1 + slope · (u − low)) · load ≤ cap[level], for each slope."""

    kind: int
    users: tuple[int, ...]
    low: float
    high: float
    slopes: tuple[float, ...]
    caps: Floats  # (len(slopes), top + 1)
    serving: Floats  # (top + 1,)


@lru_cache(maxsize=4096)
def kinds_of(users: tuple[User, ...]) -> tuple[Kind, ...]:
    """Every pair of budget and concurrency that some set of users makes, with all users who may be there."""
    own = [_strictness(user) for user in users]
    closed = list(dict.fromkeys(own))
    for one in closed:  # it grows as it is read
        for other in own:
            both = _stricter(one, other)
            if both not in closed:
                closed.append(both)
        if len(closed) > MOST_KINDS:
            return _grouped(users, own)
    kinds = [
        Kind(tuple(i for i, strict in enumerate(own) if _stricter(strict, each) == each), each, each)
        for each in closed
    ]
    return tuple(kind for kind in kinds if not any(_within(kind, other) for other in kinds))


def _within(kind: Kind, other: Kind) -> bool:
    """Whether another kind is held to the same, and may have all these users and more."""
    same = kind.outer.concurrency == other.outer.concurrency and kind.outer.budget_s == other.outer.budget_s
    return same and set(kind.users) < set(other.users)


def _strictness(user: User) -> Strictness:
    return Strictness(user.concurrency, user.budget_s, user.apart)


def _stricter(one: Strictness, other: Strictness) -> Strictness:
    budget = tuple(min(pair) for pair in zip(one.least_s, other.least_s, strict=True))
    return Strictness(min(one.concurrency, other.concurrency), budget, one.apart or other.apart)


def _milder(one: Strictness, other: Strictness) -> Strictness:
    budget = tuple(max(pair) for pair in zip(one.least_s, other.least_s, strict=True))
    return Strictness(max(one.concurrency, other.concurrency), budget, one.apart and other.apart)


def _grouped(users: tuple[User, ...], own: list[Strictness]) -> tuple[Kind, ...]:
    """Users in the order of their strictness, in groups: the strictest who is present is of one of them."""
    order = sorted(range(len(users)), key=lambda i: (_use_alone(users[i], own[i]), i))
    ends = np.unique(np.linspace(0, len(order), MOST_KINDS + 1).astype(int))
    kinds = []
    for first, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        outer, inner = own[order[first]], own[order[first]]
        for i in order[first:end]:
            outer = _milder(outer, own[i])
        for i in order[first:]:
            inner = _stricter(inner, own[i])
        kinds.append(Kind(tuple(sorted(order[first:])), outer, inner))
    return tuple(kinds)


def _use_alone(user: User, strict: Strictness) -> float:
    """The use that eight instances allow a user alone."""
    if not strict.promised:
        return 1.0
    service = max(user.load_s) * strict.concurrency
    w = service * (user.arrival_cv**2 + user.service_cv**2) / 2
    servers = np.floor(8.0 * strict.concurrency + NEAR)
    low, _ = _inverse(np.array([servers]), np.array([w]), strict.budget_s, Margin())
    return float(low[0] / max(servers, 1.0))


def shape(user: User, side: int) -> float:
    """u of a user, s: variability · service where it is alone."""
    return user.load_s[side] * (user.arrival_cv**2 + user.service_cv**2) / 2.0


def pieces_of(
    users: tuple[User, ...],
    side: int,
    edges: tuple[float, ...],
    scale: Scale,
    at: int,
    margin: Margin,
    *,
    inner: bool,
) -> tuple[Piece, ...]:
    """The pieces of one side between edges of u, for every kind; slopes are those of level `at`.

    The inner side has a piece of no width at every edge as well: what was found there is kept as it is; and pieces
    without users beside whom the others might wait much longer.
    """
    pieces = []
    for number, kind in enumerate(kinds_of(users)):
        strict = kind.inner if inner else kind.outer
        if not any(users[i].load_s[side] > 0 for i in kind.users):
            continue
        for each in _with_and_without(users, kind, side) if inner and strict.promised else (kind,):
            for first, last in _ranges(users, each, side, edges if strict.promised else (), inner):
                slopes, caps = _lines(users, each, side, (first, last), scale, at, margin, inner)
                pieces.append(Piece(number, each.users, first, last, slopes, caps, scale.serving(strict)))
    return tuple(pieces)


def _ranges(
    users: tuple[User, ...], kind: Kind, side: int, edges: tuple[float, ...], inner: bool
) -> list[tuple[float, float]]:
    """Of u, between edges."""
    shapes = [shape(users[i], side) for i in kind.users if users[i].load_s[side] > 0]
    low, high = min(shapes), max(shapes)
    if high <= low * (1 + NEAR):
        return [(low, high)]
    inside = [edge for edge in edges if low * (1 + NEAR) < edge < high * (1 - NEAR)]
    return [*pairwise([low, *inside, high]), *((edge, edge) for edge in inside if inner)]


@lru_cache(maxsize=4096)
def _with_and_without(users: tuple[User, ...], kind: Kind, side: int) -> tuple[Kind, ...]:
    """A kind, and without one or two users beside whom the others might wait much longer, though they be few.

    Left out are those who bring bursts, and in a second way those who wait longest themselves.
    """
    if len(users) > FEW:
        return (kind,)
    found = [kind.users]
    for by_bursts in (True, False):
        left, (u, beyond) = kind.users, _longest(users, kind.users, side)
        for _ in range(MOST_LEFT_OUT):
            fewer = [tuple(i for i in left if i != j) for j in left]
            least = {
                own: _longest(users, own, side)
                for own in fewer
                if any(users[i].load_s[side] > 0 for i in own)
            }
            if not least:
                break
            by = {own: (w, -alone) if by_bursts else (alone + w, 0.0) for own, (alone, w) in least.items()}
            left = min(by, key=lambda own: by[own])
            if (u if by_bursts else least[left][0]) + least[left][1] <= SHORTER * (u + beyond):
                found.append(left)
            u, beyond = least[left]
    return tuple(kind._replace(users=own) for own in dict.fromkeys(found))


def _longest(users: tuple[User, ...], some: tuple[int, ...], side: int) -> tuple[float, float]:
    """The largest u, and w − u, of mixes of some users."""
    own = [users[i] for i in some]
    shapes = [shape(user, side) for user in own if user.load_s[side] > 0]
    return max(shapes), _bursts(own, side, min(shapes), max(shapes))[1]


@lru_cache(maxsize=4096)  # the same program is built several times over
def _lines(
    users: tuple[User, ...],
    kind: Kind,
    side: int,
    within: tuple[float, float],
    scale: Scale,
    at: int,
    margin: Margin,
    inner: bool,
) -> tuple[tuple[float, ...], Floats]:
    strict = kind.inner if inner else kind.outer
    serving = scale.serving(strict)
    if not strict.promised:
        return (0.0,), serving[None]
    low, high = within
    bursts = any(users[i].arrival_cv != 1.0 for i in kind.users)
    u = low + (high - low) * (FINE if bursts else STEPS) if high > low * (1 + NEAR) else np.array([low, high])
    most, least = [], []
    for first, last in zip(u[:-1].tolist(), u[1:].tolist(), strict=True):
        more = _bursts([users[i] for i in kind.users], side, first, last)
        least.append(max(first + more[0], 0.0))
        most.append(max(last + more[1], 0.0))
    w = np.array(most if inner else least) * strict.concurrency
    servers = np.broadcast_to(scale.servers_at(strict), (len(w), scale.top + 1))
    below, above = _inverse(servers, np.broadcast_to(w[:, None], servers.shape), strict.budget_s, margin)
    caps = np.minimum((below if inner else above) / strict.concurrency, serving)
    caps = caps / (1.0 + margin.load)  # (intervals, top + 1)
    slopes = _slopes(u - low, caps[:, min(max(at, 1), scale.top)], inner)
    rows = []
    for slope in slopes:
        ends = 1.0 + slope * (np.stack([u[:-1], u[1:]]) - low)
        rows.append(
            (caps * ends.min(axis=0)[:, None]).min(axis=0)
            if inner
            else (caps * ends.max(axis=0)[:, None]).max(axis=0)
        )
    return slopes, np.array(rows)


def _slopes(u: Floats, cap: Floats, inner: bool) -> tuple[float, ...]:
    """b of the lines through the caps of two intervals: the ends, and on the outer side the first two and the last."""
    if len(cap) < 2:
        return (0.0,)
    middle = 0.5 * (u[:-1] + u[1:])
    last = len(cap) - 1
    pairs = [(0, last)] if inner else [(0, last), (0, last // 2), (last // 2, last)]
    found = [0.0] if not inner else []
    for i, j in pairs:
        rise = middle[j] * cap[j] - middle[i] * cap[i]
        found.append(float(max((cap[i] - cap[j]) / rise, 0.0)) if rise > NEAR * middle[j] * cap[j] else 0.0)
    return tuple(dict.fromkeys(found))


def _bursts(users: list[User], side: int, low: float, high: float) -> tuple[float, float]:
    """The range of w − u over mixes with u between two ends."""
    s = np.array([user.load_s[side] for user in users])
    c = np.array([user.arrival_cv**2 for user in users]) - 1.0
    return beyond_shape(s, c, np.array([shape(user, side) for user in users]), low, high)


def _inverse(
    servers: Floats, w: Floats, budget_s: tuple[float, ...], margin: Margin
) -> tuple[Floats, Floats]:
    """The largest load in servers whose waits keep within every budget, from below and from above.

    By Chandrupatla's method (1997), which halves the range or follows an inverse parabola where that is safe.
    """
    n, longer = servers.ravel().astype(float), np.ravel(w) * (1.0 + margin.wait)
    low, high = np.zeros(len(n)), n.copy()
    at = np.arange(len(n))  # those whose range is still too wide
    a, b, c = low.copy(), n.copy(), n.copy()  # the newest point, the other end, and the point before
    fa, fb = (_excess(n, end, longer, budget_s) for end in (a, b))
    fc, t = fb, np.full(len(n), 0.5)
    for _ in range(MOST_STEPS):
        x = a + t * (b - a)
        fx = _excess(n[at], x, longer[at], budget_s)
        same = (fx <= 0) == (fa <= 0)
        b, fb, c, fc = (
            np.where(same, b, a),
            np.where(same, fb, fa),
            np.where(same, a, b),
            np.where(same, fa, fb),
        )
        a, fa = x, fx
        low[at], high[at] = np.minimum(a, b), np.maximum(a, b)
        wide = np.abs(b - a) > n[at] * NARROW
        if not wide.any():
            break
        at = at[wide]
        a, b, c, fa, fb, fc = a[wide], b[wide], c[wide], fa[wide], fb[wide], fc[wide]
        with np.errstate(divide="ignore", invalid="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            curved = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
            safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi) & np.isfinite(curved)
        least = 0.5 * n[at] * NARROW / np.abs(b - a)
        t = np.clip(np.where(safe, curved, 0.5), least, 1.0 - least)
    return low.reshape(servers.shape), high.reshape(servers.shape)


def _excess(servers: Floats, load: Floats, longer: Floats, budget_s: tuple[float, ...]) -> Floats:
    """What the waits take beyond their budgets, times the servers that are free: above 0 where one is not kept."""
    c, spare = erlang_c(servers, load), servers - load
    excess = np.full(len(load), -np.inf)
    for level, budget in zip(LEVELS, budget_s, strict=True):
        if np.isfinite(budget):
            part = c if level is None else np.log(np.maximum(c, 1e-300) / (1.0 - level))
            excess = np.maximum(excess, longer * np.maximum(part, 0.0) - budget * spare)
    return excess


@lru_cache(maxsize=4096)  # the same program is built several times over
def largest_use(users: tuple[User, ...], top: int, margin: Margin) -> float:
    """The part of an instance that any mix could use at most, whatever the count up to `top`; large pools use most."""
    best = 0.0
    for kind in kinds_of(users):
        strict = kind.outer
        if not strict.promised:
            return 1.0
        servers = np.array([np.ceil(top * strict.concurrency)])
        for side in (0, 1):
            own = [users[i] for i in kind.users]
            shapes = [shape(user, side) for user in own if user.load_s[side] > 0]
            if shapes:
                w = min(shapes) + _bursts(own, side, min(shapes), max(shapes))[0]
                _, above = _inverse(
                    servers, np.array([max(w, 0.0) * strict.concurrency]), strict.budget_s, margin
                )
                best = max(best, float(above[0] / servers[0]) / (1.0 + margin.load))
    return min(best, 1.0)
