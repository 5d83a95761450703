"""Where a plan's waiting breaks a promise, and where the regions of its pools are to be cut."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.counts import pool_label, runs
from problems.core.encode import Encoded
from problems.core.instance import Instance
from problems.core.view import View
from problems.physics.regions import shape
from problems.physics.waiting import (
    AllCuts,
    Cuts,
    WaitingRecord,
    in_servers,
    margin_of,
    users_of,
    waiting_records,
)

SAME = 1e-6  # relative: mixes nearer than this are one
NEXT = 0.2  # of the way
APART = 0.05  # relative: mixes all periods are cut at
NONE_OF_ONE = 1e-9  # of an instance: none is rented
FINE = 16  # mixes all over
FARTHEST = 1 << 40  # levels: no count that does is looked for beyond

CutsByScenario = Mapping[int, AllCuts]
Broken = list[tuple[int, WaitingRecord]]
"""By scenario, a pool in a period."""


def short_of_capacity(encoded: Encoded, point: Floats) -> Broken:
    """Where the load is more than waiting allows under the mix planned."""
    margin = margin_of(encoded.instance.policy)
    return [(s, record) for s, record in all_waiting(encoded, point) if not record.holds(margin)]


def all_waiting(encoded: Encoded, point: Floats) -> list[tuple[int, WaitingRecord]]:
    """Every pool and period in which somebody may wait, by scenario."""
    return [
        (view.scenario, record)
        for view, cols in zip(encoded.views, encoded.columns, strict=True)
        if cols.capacity.waits.any()
        for record in waiting_records(
            view, cols.capacity.waits, point[cols.flow], np.round(serving(encoded, view.scenario, point), 9)
        )
    ]


def alike(cuts: CutsByScenario, periods: int) -> CutsByScenario:
    """Where a pool is cut in some periods, in all of them: else work only moves to periods in which it is not."""
    found = {}
    for s, of in cuts.items():
        by_pool: dict[int, list[Cuts]] = {}
        for (q, _), own in of.items():
            by_pool.setdefault(q, []).append(own)
        found[s] = dict(of)
        for q, some in by_pool.items():
            first, second = (_apart({u for own in some for u in own.mixes[side]}) for side in (0, 1))
            levels = tuple(sorted({n for own in some for n in own.levels}))
            every = {(q, t): of.get((q, t), some[0]).at for t in range(periods)}
            found[s] |= {key: Cuts((first, second), levels, at) for key, at in every.items()}
    return found


def _apart(mixes: set[float]) -> tuple[float, ...]:
    """Of mixes that are near each other, one."""
    kept: list[float] = []
    for u in sorted(mixes):
        if not kept or u > (1 + APART) * kept[-1]:
            kept.append(u)
    return tuple(kept)


def cut_near(encoded: Encoded, point: Floats) -> CutsByScenario:
    """Regions cut at the mixes that a point has, and to both sides of them."""
    records = all_waiting(encoded, point)
    return cut_at(cut_at({}, encoded, records), encoded, records)


def cut_finely(encoded: Encoded, point: Floats) -> CutsByScenario:
    """The same, and at mixes all over what a pool may have: there may be a plan whose mixes are far from these."""
    cuts = cut_near(encoded, point)
    return {
        s: {(q, t): own._replace(mixes=_all_over(encoded.views[s], q, own)) for (q, t), own in of.items()}
        for s, of in cuts.items()
    }


def beside(cuts: CutsByScenario, way: float) -> CutsByScenario:
    """The same cuts, and a part of each mix to both sides of it: an inner region gives away less, the nearer."""

    def closed_in(mixes: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted({at for u in mixes for at in (u - way * u, u, u + way * u)}))

    return {
        s: {
            at: own._replace(mixes=(closed_in(own.mixes[0]), closed_in(own.mixes[1])))
            for at, own in of.items()
        }
        for s, of in cuts.items()
    }


def _all_over(view: View, pool: int, cuts: Cuts) -> tuple[tuple[float, ...], tuple[float, ...]]:
    users = users_of(view, np.flatnonzero(view.routes.pool == pool))
    first, second = (
        tuple(sorted({*cuts.mixes[side], *np.linspace(min(of), max(of), FINE + 2)[1:-1].tolist()}))
        for side in (0, 1)
        for of in [[shape(user, side) for user in users]]
    )
    return first, second


def serving(encoded: Encoded, scenario: int, point: Floats) -> Floats:
    """(Q, T) instances that serve: those counted, less what has started and still boots."""
    view, cols = encoded.views[scenario], encoded.columns[scenario]
    fleets, time = view.inst.fleets, view.inst.time
    counts = cols.counts.count
    serves, run = np.where(counts >= 0, point[counts], 0.0), runs(view.inst)
    for q in np.flatnonzero((cols.started >= 0).any(axis=1)) if counts.size else ():
        start_h = float(fleets.start_h[fleets.pool_fleet[q]])
        started = np.where(cols.started[q] >= 0, point[cols.started[q]], 0.0)
        serves[q] -= booting(started, start_h, time.period_h, run[q])
    return serves


def booting(started: Floats, start_h: float, period_h: float, run: Ints) -> Floats:
    """(T,) instances that are paid and do not serve yet, of those started (T,) in the same run (see `counts.runs`)."""
    waiting = np.zeros(len(started))
    for back in range(min(math.ceil(start_h / period_h - 1e-9), len(started))):
        part = min((start_h - back * period_h) / period_h, 1.0)
        goes_on = run[back:] == run[: len(run) - back]
        waiting[back:] += part * np.where(goes_on, started[: len(started) - back], 0.0)
    return waiting


def cut_at(cuts: CutsByScenario, encoded: Encoded, broken: Broken) -> CutsByScenario:
    """The regions of broken pools cut at the mixes and levels found there, beside where they were cut before."""
    known = {s: dict(own) for s, own in cuts.items()}
    for s, short in broken:
        own, key = known.setdefault(s, {}), (short.pool, short.period)
        before = own.get(key, Cuts())
        first, second = (
            _with(before.mixes[side], u) for side, u in enumerate(mix_found(encoded.views[s], short))
        )
        levels, at = _levels_found(encoded, s, short)
        own[key] = Cuts((first, second), tuple(sorted({*before.levels, *levels})), at)
    return known


def mixes_by_name(inst: Instance, cuts: AllCuts) -> dict[str, tuple[float, ...]]:
    """Cuts of one future by pool, period and side, as a proof states them."""
    return {
        f"{pool_label(inst, q)},{t}{side}": mixes
        for (q, t), own in sorted(cuts.items())
        for side, mixes in zip(("", ",completion"), own.mixes, strict=True)
        if mixes
    }


def mix_found(view: View, record: WaitingRecord) -> tuple[float, float]:
    """u of a mix, by side."""
    users = users_of(view, record.routes)
    load = record.rates[:, None] * np.array([user.load_s for user in users])
    shapes = np.array([[shape(user, side) for side in (0, 1)] for user in users])
    total = load.sum(axis=0)
    first, second = (load * shapes).sum(axis=0) / np.where(total > 0, total, 1.0)
    return float(first), float(second)


def _with(mixes: tuple[float, ...], u: float) -> tuple[float, ...]:
    """Cut there too; where it is cut there already, to both sides of it, a part of the way to the next cut."""
    if u <= 0:
        return mixes
    if all(abs(u - each) > SAME * each for each in mixes):
        return tuple(sorted((*mixes, u)))
    below = max((each for each in mixes if each < u * (1.0 - SAME)), default=0.5 * u)
    above = min((each for each in mixes if each > u * (1.0 + SAME)), default=2.0 * u)
    return tuple(sorted({*mixes, u - NEXT * (u - below), u + NEXT * (above - u)}))


def _levels_found(encoded: Encoded, s: int, short: WaitingRecord) -> tuple[set[int], int]:
    """The level that served and the one after it; the least that would do and the one before; and that one."""
    margin = margin_of(encoded.instance.policy)
    fleet = encoded.instance.fleets.pool_fleet[short.pool]
    unit = short.mixes[0].concurrency if in_servers(encoded.instance.fleets)[fleet] else 1.0
    found = int(np.floor(short.serving * unit + 1e-9))
    low, high = found, max(2 * found, 1)
    while not replace(short, serving=high / unit).holds(margin) and high < FARTHEST:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = replace(short, serving=middle / unit).holds(margin)
        low, high = (low, middle) if enough else (middle, high)
    return {found, found + 1, high - 1, high, high + 1}, high


def unused_pools(encoded: Encoded, point: Floats) -> Ints:
    """Columns of flows and counts, by the period, of pools that wait and of which a point has no instance there."""
    columns = [np.empty(0, dtype=np.int64)]
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        count, waits = cols.counts.count, cols.capacity.waits
        own = ~view.inst.fleets.horizon[view.inst.fleets.pool_fleet] & waits
        some = np.where(view.inst.fleets.integral[view.inst.fleets.pool_fleet], 0.5, NONE_OF_ONE)
        idle = own[:, None] & (count >= 0) & (np.where(count >= 0, point[count], 1.0) < some[:, None])
        idle &= encoded.program.col_lower[count] <= 0
        pool, period = view.routes.pool[view.flows.route], view.flows.period
        columns += [cols.flow[(pool >= 0) & np.vstack([idle, np.zeros(idle.shape[1], bool)])[pool, period]]]
        columns += [count[idle]]
    return np.unique(np.concatenate(columns))


def waiting_flows(encoded: Encoded, point: Floats) -> tuple[Ints, Floats]:
    """Columns of flows to pools whose waiting is modelled, and their values."""
    columns = [np.empty(0, dtype=np.int64)]
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        pool = view.routes.pool[view.flows.route]
        columns.append(cols.flow[(pool >= 0) & np.append(cols.capacity.waits, False)[pool]])
    at = np.concatenate(columns)
    return at, np.clip(point[at], 0.0, encoded.program.col_upper[at])
