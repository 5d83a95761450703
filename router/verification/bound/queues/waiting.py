"""Waiting: no pool carries more than its instances could under the mildest mix that a plan may have there.

    serves(pool,t,piece,n)   the pool is in the piece, with n instances at least; n − 1 without n, one piece at most
    any          Σ_pieces serves(pool,t,piece,n) = serves(pool,t,any,n): a level without its piece, to branch on
    waiting      Σ_n serves ≤ count − what boots;  load of the piece ≤ Σ_n (cap[n] − cap[n − 1]) · serves
    presence     flow ≤ Σ serves(…, 1) over the pieces of its user

Mixes, their pieces and caps: `mixes`. Pools of many levels or users have the rows of `crowds`. The most levels are
those that would do for all work under the strictest mix.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from weakref import WeakKeyDictionary

from router.schema import Instances
from router.verification.base import latency
from router.verification.base.audit import Audit
from router.verification.base.case import Case, Future
from router.verification.base.queueing import PoolUse, use_of, uses_of
from router.verification.bound.queues.crowds import Crowd, add_crowd
from router.verification.bound.queues.mixes import (
    MORE,
    MixPiece,
    WaitingPool,
    bursts,
    pieces_of,
    shape,
    strictest,
    within_budget,
)
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.serving import (
    PoolAt,
    PossibleFlow,
    pool_name,
    serving_parts,
)

FEW_POOLS = 400
"""In all periods: their bands are as many as make their rows sharp."""
MOST_LEVELS = 40
MOST_USERS = 12
MOST_PIECES = 40


def waits(instances: Instances, flows: Iterable[PossibleFlow]) -> bool:
    """Whether somebody in a pool is promised a latency that its waiting is part of."""
    return instances.max_utilisation is None and any(latency.limits(flow.workload.slo) for flow in flows)


_KNOWN: WeakKeyDictionary[Case, dict[str, PoolUse | None]] = WeakKeyDictionary()
"""What each route brings to a pool is the same in every period: by case and route."""


def uses_of_routes(case: Case, flows: Iterable[PossibleFlow]) -> dict[str, PoolUse]:
    """What each route brings to a pool."""
    known, uses = _KNOWN.setdefault(case, {}), dict[str, PoolUse]()
    for flow in flows:
        route = flow.route
        if route not in known:
            known[route] = use_of(case, flow, flow.entry)
        use = known[route]
        if use is not None:
            uses[route] = use
    return uses


def enough(case: Case, flows: list[PossibleFlow], busy: float) -> float:
    """Instances that carry a load in any mix of some flows; infinite where no number is known to."""
    uses = list(uses_of_routes(case, flows).values())
    if busy <= 0.0 or not any(use.budget for use in uses):
        return busy
    concurrency, budget = strictest(uses)
    need = 0.0
    for side in (0, 1):
        shapes = [shape(use, side) for use in uses]
        if max(shapes) <= 0.0:
            continue
        w = max(max(shapes) + bursts(uses, side, min(shapes), max(shapes))[1], 0.0) * concurrency
        policy = case.problem.policy
        load = busy * concurrency * (1.0 + policy.load_margin)
        low = math.floor(load)  # which is too few
        servers, step = low + 1, 1 + math.isqrt(low) // 8
        while not within_budget(servers, load, w * (1.0 + policy.wait_margin), budget):
            low, servers, step = servers, servers + step, step * 2
            if servers > 1e7:
                return math.inf
        while servers - low > 1:
            middle = (low + servers) // 2
            enough_there = within_budget(middle, load, w * (1.0 + policy.wait_margin), budget)
            low, servers = (low, middle) if enough_there else (middle, servers)
        need = max(need, servers / concurrency)
    return max(need, busy)


def add_waiting(
    model: RelaxedProblem, audit: Audit, pools: dict[PoolAt, list[PossibleFlow]], future: Future
) -> None:
    """Every pool and period in which somebody may wait."""
    case = audit.case
    planned, proof = uses_of(case, audit.flows), audit.plan.proof
    stated = proof.mixes or {} if proof is not None and len(case.futures) == 1 else {}
    crowds, few = _crowds(case, pools), len(pools) <= FEW_POOLS
    for (offer, served, t), flows in pools.items():
        instances = case.offers[offer].instances
        assert instances is not None  # it has a pool
        uses = uses_of_routes(case, flows) if waits(instances, flows) else {}
        if not any(use.budget for use in uses.values()):
            continue
        pool, usable = pool_name(offer, served), case.steady(offer, future, t)
        parts = list(serving_parts(model, case, offer, pool, t))
        limit = model.variables[parts[0][0]].upper
        in_servers = instances.start_h > 0 or not instances.integral
        key = (offer, served, t, future.name)
        here = planned.get(key, [])
        model.of_plan = True
        apart = any(use.disaggregated for use in uses.values())
        for side in (0, 1) if apart else (0,):
            name = f"{pool},{t}{',completion' if side else ''}"
            scale = max(use.concurrency for use in uses.values()) if in_servers else 1.0
            if usable <= 0.0 or not 0 < limit < math.inf:
                continue
            loads = [(flow, flow.load[side] / _part(case, flow) / usable) for flow in flows]
            top = math.floor(limit * scale + 1e-9)
            if 0 < top <= MOST_LEVELS and len(uses) <= MOST_USERS:
                queue = WaitingPool(name, uses, side, top, in_servers, case.problem.policy)
                if _add_queue(model, queue, loads, parts, [*_mix(here, side), *stated.get(name, ())]):
                    continue
            crowd = crowds[offer, served][side]
            whole = model.variables[parts[0][0]].whole and len(parts) == 1
            unit = 1.0 if whole else crowd.server if few else None
            row = None if unit is None else audit.pools.get(key)
            ends = crowd.ends(limit, 0.0 if row is None else row.serving, unit or 1.0, few=few)
            weights = crowd.weights(uses, ends)
            if weights:
                named = [(flow.route, flow.name, load) for flow, load in loads]
                minding = None if whole else crowd.minding(uses)
                free = minding is not None and len(minding) < len(uses)
                banded = list(zip(ends, weights, strict=True))
                add_crowd(model, name, named, parts, banded, unit or 1.0, minding if free else None)


def _crowds(
    case: Case, pools: dict[PoolAt, list[PossibleFlow]]
) -> dict[tuple[str, str | None], tuple[Crowd, Crowd]]:
    """The users that a pool may have in any period, by side."""
    uses: dict[tuple[str, str | None], dict[str, PoolUse]] = {}
    for (offer, served, _), flows in pools.items():
        uses.setdefault((offer, served), {}).update(uses_of_routes(case, flows))
    policy = case.problem.policy
    return {place: (Crowd(own, 0, policy), Crowd(own, 1, policy)) for place, own in uses.items()}


def _mix(uses: list[PoolUse], side: int) -> list[float]:
    """u of what a plan has in a pool, if it has something."""
    load = math.fsum(use.rate * use.seconds[side] for use in uses)
    shaped = math.fsum(use.rate * use.seconds[side] * shape(use, side) for use in uses)
    return [shaped / load] if load > 0.0 else []


def _thinned(mixes: list[float]) -> list[float]:
    """Every second of them, and the first, which a plan has."""
    others = sorted(set(mixes) - {mixes[0]})
    return [mixes[0], *others[1::2]] if others else []


def _add_queue(
    model: RelaxedProblem,
    queue: WaitingPool,
    loads: list[tuple[PossibleFlow, float]],
    parts: list[tuple[str, float]],
    mixes: list[float],
) -> bool:
    """Whether the pool has no more pieces than can be written, cut at all of the mixes or at every second, fourth."""
    pieces = list(pieces_of(queue, mixes))
    while len(pieces) > MOST_PIECES and mixes:
        mixes = _thinned(mixes)
        pieces = list(pieces_of(queue, mixes))
    if not pieces or len(pieces) > MOST_PIECES:
        return False
    serving: Terms = [(name, -part) for name, part in parts]
    first: list[str] = []
    levels: list[Terms] = [[] for _ in range(queue.top)]
    shares: list[tuple[Terms, Terms]] = []
    for k, piece in enumerate(pieces):
        at = f"{queue.name},{k}"
        share = _share(model, queue, loads, at, alone=len(pieces) == 1)
        shares.append(share)
        steps = _levels(model, queue, piece, at, share[0])
        first.append(steps[0][0])
        serving += steps[-1:] if piece.free else steps
        if not piece.free:
            for level, (name, _) in zip(levels, steps, strict=True):
                level.append((name, 1.0))
            for i, ((part, slope), caps) in enumerate(piece.caps):
                terms = [(name, a * (part - slope * piece.low)) for name, a in share[0]]
                terms += [(name, slope * a) for name, a in share[1]] if slope else []
                rises = [(name, a - b) for (name, _), (a, b) in zip(steps, pairwise(caps), strict=True)]
                model.constraint(f"waiting({at},slope {i})", [*terms, *rises], upper=0.0)
    for n, level in enumerate(levels, start=1):
        if len(level) > 1:
            any_of = model.variable(f"serves({queue.name},any,{n})", 1.0, whole=True)
            model.constraint(f"waiting({queue.name},any,{n})", [*level, (any_of, -1.0)], lower=0.0, upper=0.0)
    model.constraint(f"waiting({queue.name},one)", [(name, 1.0) for name in first], upper=1.0)
    model.constraint(f"waiting({queue.name},serving)", serving, upper=0.0)
    for flow, _ in loads:
        there = [
            (name, -1.0) for name, piece in zip(first, pieces, strict=True) if flow.route in piece.routes
        ]
        model.constraint(f"waiting({queue.name},{flow.name})", [(flow.name, 1.0), *there], upper=0.0)
    if len(pieces) > 1:
        _add_mixes(model, queue, loads, pieces, shares)
    return True


def _part(case: Case, flow: PossibleFlow) -> float:
    return max((flow.hours[1] - flow.hours[0]) / case.period_h, 1e-12)


def _share(
    model: RelaxedProblem,
    queue: WaitingPool,
    loads: list[tuple[PossibleFlow, float]],
    at: str,
    *,
    alone: bool,
) -> tuple[Terms, Terms]:
    """Load of a piece in instances, and load · u; the flows themselves where there is one piece."""
    if alone:
        own = [(flow.name, load) for flow, load in loads]
        return own, [
            (flow.name, load * shape(queue.uses[flow.route], queue.side))
            for flow, load in loads
            if flow.route in queue.uses
        ]
    return [(model.variable(f"pool_load({at})"), 1.0)], [(model.variable(f"pool_mix({at})"), 1.0)]


def _levels(
    model: RelaxedProblem, queue: WaitingPool, piece: MixPiece, at: str, load: Terms
) -> list[tuple[str, float]]:
    """Levels of a piece, one upon the other, and the instances that each adds; any part of one where nobody minds."""
    if piece.free:
        chosen = model.variable(f"serves({at})", 1.0, whole=True)
        within = model.variable(f"within({at})", float(queue.top))
        model.constraint(f"waiting({at})", [(within, 1.0), (chosen, -float(queue.top))], upper=0.0)
        model.constraint(f"waiting({at},load)", [*load, (within, -(1.0 + MORE))], upper=0.0)
        return [(chosen, 0.0), (within, 1.0)]
    steps = [model.variable(f"serves({at},{n})", 1.0, whole=True) for n in range(1, queue.top + 1)]
    for n, (lower, upper) in enumerate(pairwise(steps), start=2):
        model.constraint(f"waiting({at},{n})", [(upper, 1.0), (lower, -1.0)], upper=0.0)
    return [(name, 1.0 / piece.concurrency if queue.in_servers else 1.0) for name in steps]


def _add_mixes(
    model: RelaxedProblem,
    queue: WaitingPool,
    loads: list[tuple[PossibleFlow, float]],
    pieces: list[MixPiece],
    shares: list[tuple[Terms, Terms]],
) -> None:
    """Load and mix are those of the piece chosen, and u of a piece is within its range."""
    whole = [(flow.name, load) for flow, load in loads]
    shaped = [(flow.name, load * shape(queue.uses[flow.route], queue.side)) for flow, load in loads]
    for name, terms, side in (("load", whole, 0), ("mix", shaped, 1)):
        minus = [(other, -a) for share in shares for other, a in share[side]]
        model.constraint(f"waiting({queue.name},{name})", [*terms, *minus], lower=0.0, upper=0.0)
    for k, (piece, (load, mix)) in enumerate(zip(pieces, shares, strict=True)):
        for end, value, sign in (("from", piece.low, 1.0), ("to", piece.high, -1.0)):
            terms = [(name, sign * a) for name, a in mix] + [(name, -sign * value * a) for name, a in load]
            model.constraint(f"waiting({queue.name},{k},{end})", terms, lower=0.0)
