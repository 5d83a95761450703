"""Waiting in pools of many instances or users: how many instances a user's load takes at least.

    waiting(pool,t,up to N)     Σ_i a_i(N) · load_i · flow_i ≤ Σ_k r(N,k) · within_k                 N: ends of bands
    band       in_k, within_k: the count is in band k;  Σ_k within ≤ count,  Σ_k in ≤ 1
               (N_(k−1) + 1) · in_k ≤ within_k ≤ N_k · in_k          in servers, where part of an instance may serve
    beside     one band more there, of any count: nobody who minds waiting has a flow
    a_i(N)     the least A(v_i) of the kinds of mix that i may be of
    r(N,k)     the most that a_i(N) / a_i(N_k) is for any user; 1 where N_k ≤ N

A mix is held to what a kind of `mixes` is held to. Of its wait all that is known is

    w = Σ l_i · S_i (1 + Cs_i²) / 2 + m² · Σ l_i · (Ca_i² − 1) / S_i / 2 ≥ Σ l_i · v_i      l_i: share of the load

    v_i = S_i (1 + Cs_i²) / 2 + M_i² · (Ca_i² − 1) / S_i / 2,   M_i the least S of all users, the largest where Ca_i < 1

m, the mean S, lies between these. Let b(w) be the part of N instances that a wait of w lets be busy: it rises with N
and falls with w. A is concave and A(w) ≤ 1 / b(w), so that Σ a_i · l_i ≤ A(Σ l_i · v_i) ≤ 1 / b(w): load_i in all,
weighed by a_i, is no more than the instances, if these are no more than N.

b is found the other way round: a part that is busy is as much as one w allows. Between two of them the larger part
counts, which makes A no larger than it may be. Of few users A is the line through 1 / b at the v of each, next to which
parts lie ever nearer; the line is lowered to where it lies below 1 / b between them too.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise

from router.schema import Policy
from router.verification.base import latency
from router.verification.base.queueing import PoolUse, erlang_c
from router.verification.bound.queues.mixes import MORE, SLACK_S, MixKind, kinds_or_one
from router.verification.bound.relaxation import RelaxedProblem, Terms

STEPS = tuple(1.0 + 0.002 * (1.02**k - 1.0) for k in range(1, 300))
"""1 / b where it is looked at: finer where little of an instance is kept free, and up to 1.74."""
FEW = 3
"""Users of a kind, by v, for each of whom 1 / b is looked at as near as `NEAREST`, and ever farther to both sides."""
NEAREST = 1e-9
APART = tuple(NEAREST * 4.0**k for k in range(13))
FULL = 1_000.0
"""No more than this is looked at of 1 / b."""
SAME = 1.1e-9
"""Of a server: what serves is so near to a whole number of them."""
UNMINDED = 1.0 / (1.0 + MORE)
"""a_i of who does not mind waiting: as much more than a count is let through as `throughput` lets."""
LEAST = 0.5
"""Of a_i: of a line that is so low nothing is said."""
GROWTH = 1.1
"""Counts at which a pool is looked at, one so much larger than the one before."""
ABOVE = (1.0, 1.04, 1.08, 1.13, 1.2, 1.3, 1.4, 1.6, 1.8, 2.7)
"""Ends of bands, in parts of the count that the plan has."""
BELOW = (0.8, 0.9, 0.95, 0.98)
"""The same of few pools, where a count below the plan's is not to pass for one that carries as much of an instance."""

type Line = list[tuple[float, float]]
"""Corners (w, A), or steps (w, 1 / b), the least first."""

type Weights = Mapping[str, float]
"""a_i by route."""


@dataclass(frozen=True, eq=False)
class Crowd:
    """Users of one side of a pool, in any period. `lines`: of A, known so far, by kind and servers,
    for all users and for few of them."""

    uses: Mapping[str, PoolUse]
    side: int
    policy: Policy
    lines: dict[tuple[int, int, frozenset[float]], Line] = field(default_factory=dict)

    @cached_property
    def kinds(self) -> list[MixKind]:
        return kinds_or_one(self.uses)

    @cached_property
    def server(self) -> float | None:
        """A server in instances; None where that is not the same for all mixes."""
        each = {use.concurrency for use in self.uses.values()}
        return 1.0 / each.pop() if len(each) == 1 else None

    def minding(self, routes: Iterable[str]) -> frozenset[str]:
        """Those of some routes whose users mind waiting: without them, part of a server serves too."""
        return frozenset(route for route in routes if self.uses[route].budget)

    def ends(self, limit: float, planned: float, unit: float = 1.0, *, few: bool = False) -> list[float]:
        """Ends of bands, of counts up to a limit, in units that they are whole numbers of; `few`: of few pools."""
        last, whole = next_size(limit), planned / unit
        inner = {math.ceil(whole * part - 1e-9) for part in (*(BELOW if few else ()), *ABOVE)}
        inner.add(math.floor(whole + 1e-9))
        return [*sorted(end * unit for end in inner if 0 < end * unit < last), last]

    def weights(self, routes: Iterable[str], ends: Iterable[float]) -> list[Weights]:
        """a_i(N) of some routes for each N; none where nothing is known of them."""
        uses = {route: self.uses[route] for route in routes}
        seconds = [use.seconds[self.side] for use in uses.values()]
        if min(seconds) <= 0.0:
            return []
        slowness = {name: _slowness(use, self.side, min(seconds), max(seconds)) for name, use in uses.items()}
        found = [self._weights(slowness, n) for n in ends]
        return found if all(min(own.values()) >= LEAST for own in found) else []

    def _weights(self, slowness: Mapping[str, float], n: float) -> Weights:
        found = dict.fromkeys(slowness, math.inf)
        for k, kind in enumerate(self.kinds):
            here = kind.routes & slowness.keys()
            servers = math.floor(n * kind.strict[0] + 1e-9)
            minds = bool(kind.strict[1]) and servers > 0 and bool(here)
            line = self._line(k, servers, frozenset(slowness[name] for name in here)) if minds else None
            for name in here:
                found[name] = min(found[name], UNMINDED if line is None else _at(line, slowness[name]))
        return found

    def _line(self, k: int, servers: int, slowness: frozenset[float]) -> Line:
        """A of a kind, in the order of w."""
        few = slowness if len(slowness) <= FEW else frozenset()
        if (k, servers, few) not in self.lines:
            self.lines[k, servers, few] = _line(self.kinds[k], servers, sorted(few), self.policy)
        return self.lines[k, servers, few]


def next_size(count: float) -> int:
    """The least of the counts looked at that is no less."""
    n = 1
    while n < count - 1e-9:
        n = max(n + 1, math.floor(n * GROWTH))
    return n


def _slowness(use: PoolUse, side: int, least: float, most: float) -> float:
    s, bursts = use.seconds[side], use.arrival_cv**2 - 1.0
    mean = least if bursts > 0.0 else most
    return (s * (1.0 + use.service_cv**2) + mean**2 * bursts / s) / 2.0


def _line(kind: MixKind, servers: int, few: Sequence[float], policy: Policy) -> Line:
    """Corners (w, A) of a concave line below 1 / b; `few`: the v of all users, if these are few."""
    concurrency, budget = kind.strict
    longer = concurrency * (1.0 + policy.wait_margin)

    def slowest(each: float, waits: float) -> float:
        return _slowest(servers - servers / each, waits, budget) / longer

    def exactly(each: float) -> float:
        return slowest(each, erlang_c(servers, servers / each))

    found = [(slowest(each, waits), each) for each, waits in zip(STEPS, _waits(servers), strict=True)]
    line = _concave([corner for corner in _corners(found) if math.isfinite(corner[0])])
    if few:
        both = line, _through_each(found, few, exactly)
        line = max(both, key=lambda own: min(_at(own, v) for v in few))
    margin = (1.0 + policy.load_margin) / (1.0 + MORE)
    return [(w, a * margin) for w, a in line]


def _corners(found: Line) -> Line:
    """(w, A): up to w as much is busy as at the step before."""
    before = [1.0, *(each for _, each in found)]
    return [(w, a) for (w, _), a in zip(found, before, strict=False)]


def _through_each(found: Line, slowness: Sequence[float], slowest: Callable[[float], float]) -> Line:
    """A concave line through 1 / b at each v, from the first to the last."""
    for v in slowness:
        least = max((each for w, each in found if w < v), default=1.0)
        most = min((each for w, each in found if w >= v), default=FULL)
        while most - least > NEAREST:
            middle = 0.5 * (least + most)
            least, most = (middle, most) if slowest(middle) < v else (least, middle)
        near = [*(least - apart for apart in APART), least, most, *(most + apart for apart in APART)]
        found = [*found, *((slowest(each), each) for each in near if each > 1.0)]
    found = sorted(found, key=lambda step: step[1])
    corners = _corners(found)
    line = _concave([(v, next((a for w, a in corners if w >= v), found[-1][1])) for v in slowness])
    between = [(w, a) for w, a in corners if slowness[0] <= w <= slowness[-1]]
    lower = max((_at(line, w) - a for w, a in between), default=0.0)
    return [(v, a - max(lower, 0.0)) for v, a in line]


@lru_cache(maxsize=4096)
def _waits(servers: int) -> tuple[float, ...]:
    """How probable it is to wait at each of `STEPS`."""
    return tuple(erlang_c(servers, servers / each) for each in STEPS)


def _slowest(spare: float, waits: float, budget: Sequence[tuple[str, float]]) -> float:
    """The largest w at which waits keep within a budget."""
    most = math.inf
    for statistic, seconds in budget:
        beyond = 1.0 - latency.LEVEL.get(statistic, 0.0)
        part = waits if statistic == "mean" else math.log(waits / beyond) if waits > beyond else 0.0
        if part > 0.0:
            most = min(most, (seconds * (1.0 + MORE) + SLACK_S) * spare / part)
    return most


def _concave(corners: Line) -> Line:
    """The same or less, rising ever more slowly."""
    found, slope = corners[:1], math.inf
    for (w, a), (further, more) in pairwise(corners):
        if further <= w:
            return found
        slope = min(slope, (more - a) / (further - w))
        found.append((further, found[-1][1] + slope * (further - w)))
    return found


def _at(points: Line, w: float) -> float:
    """A(w): the line between two corners, its first piece taken on to the left, level to the right."""
    if points and w >= points[-1][0]:
        return points[-1][1]
    if len(points) < 2:
        return 0.0
    i = max(bisect_left(points, (w, -math.inf)), 1)
    (low, a), (high, b) = points[i - 1 : i + 1]
    return a + (b - a) * (w - low) / (high - low)


def add_crowd(
    model: RelaxedProblem,
    name: str,
    loads: list[tuple[str, str, float]],
    parts: list[tuple[str, float]],
    weights: list[tuple[float, Weights]],
    unit: float = 1.0,
    minding: Collection[str] | None = None,
) -> None:
    """Rows of a pool in a period.

    loads     route, flow and its load in instances
    parts     of the count that serve
    weights   by end of a band, the least first; the last is the most that there may be
    unit      instances, or servers in instances, that what serves is a whole number of
    minding   routes without which part of a unit serves too; absent: it never does
    """
    serving: list[Terms] = [[(of, -part) for of, part in parts]]
    beside: Terms = []
    if len(weights) > 1:
        if minding is not None:
            others = [flow for route, flow, _ in loads if route in minding]
            beside = _beside(model, name, weights[-1][0], others)
        serving = _bands(model, name, parts, [end for end, _ in weights], unit, beside)
    for j, (end, own) in enumerate(weights):
        if not any(own[route] > 1.0 for route, _, _ in loads):
            continue
        terms: Terms = [(flow, load * own[route]) for route, flow, load in loads]
        for k, band in enumerate(serving):
            of_band = weights[k][1]
            more = max(own[route] / of_band[route] for route, _, _ in loads)
            ratio = more * (1.0 + 1e-12) if k > j else 1.0
            terms += [(of, value * ratio) for of, value in band]
        terms += [(of, -1.0) for of, _ in beside[1:]]
        model.constraint(f"waiting({name},up to {end:.12g})", terms, upper=0.0)


def _beside(model: RelaxedProblem, name: str, most: float, minding: list[str]) -> Terms:
    """A band of any count, without those who mind waiting: whether it is that, and the count."""
    alone = model.variable(f"band({name},free)", 1.0, whole=True)
    within = model.variable(f"within({name},free)", most)
    model.constraint(f"band({name},free)", [(within, 1.0), (alone, -most)], upper=0.0)
    for flow in minding:
        upper = model.variables[flow].upper
        if math.isfinite(upper):
            model.constraint(f"band({name},free,{flow})", [(flow, 1.0), (alone, upper)], upper=upper)
    return [(alone, 1.0), (within, 1.0)]


def _bands(
    model: RelaxedProblem,
    name: str,
    parts: list[tuple[str, float]],
    ends: list[float],
    unit: float,
    beside: Terms,
) -> list[Terms]:
    """The count by the band that it is in; `beside`: one more."""
    within = []
    for k, (start, end) in enumerate(pairwise([0, *ends])):
        there = model.variable(f"band({name},{k})", 1.0, whole=True)
        some = model.variable(f"within({name},{k})", float(end))
        model.constraint(f"band({name},{k},from)", [(some, 1.0), (there, -(start + unit))], lower=0.0)
        model.constraint(f"band({name},{k},to)", [(some, 1.0), (there, -float(end))], upper=0.0)
        within.append((there, some))
    model.constraint(f"band({name},one)", [*((there, 1.0) for there, _ in within), *beside[:1]], upper=1.0)
    counts = [*((some, 1.0) for _, some in within), *beside[1:]]
    model.constraint(f"band({name})", [*parts, *((of, -1.0) for of, _ in counts)], lower=-SAME * unit)
    return [[(some, -1.0)] for _, some in within]
