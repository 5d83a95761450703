"""The section `running` as arrays of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from problems.core.arrays import NONE, Bools
from problems.core.first_stage import due_part
from problems.core.instance import Instance, RunningArrays
from router.normalise.columns import floats, whole
from router.schema import Problem

if TYPE_CHECKING:
    from router.plan.running import Running

M = 1e6


def running_arrays(problem: Problem, inst: Instance, running: Running) -> RunningArrays:
    """What runs, with the prices and limits of change that the problem states. Names that are gone become −1."""
    w_of = {name: w for w, name in enumerate(inst.workloads.names)}
    o_of = {name: o for o, name in enumerate(inst.offers.names)}
    m_of = {name: m for m, name in enumerate(inst.models.names)}
    fleets, time = inst.fleets, inst.time
    pool_of = {pool: q for q, pool in enumerate(inst.pool_names)}
    rows = [row for row in running.shares if row.workload in w_of]
    count = np.zeros((fleets.pools, time.periods))
    for now in running.counts:
        count[pool_of[now.offer, now.model], now.period] = now.count
    before = np.zeros(fleets.pools)
    for pool in running.before:
        before[pool_of[pool.offer, pool.model]] = pool.paid_count
    over = np.zeros((fleets.pools, time.periods))
    over_usd = np.zeros((fleets.pools, time.periods))
    for bought in running.purchases:
        q = pool_of.get((bought.offer, bought.model), NONE)
        if q == NONE:  # bought for all models of the offer
            q = min(pool for (offer, _), pool in pool_of.items() if offer == bought.offer)
        o = int(fleets.offer[fleets.pool_fleet[q]])
        covers = (time.start_h < bought.end_h - 1e-9) & (time.start_h < inst.offers.closes_h[o] - 1e-9)
        over[q, covers] += bought.count
        hours = due_part(inst)[o, covers] * time.period_h
        usd_per_h = fleets.usd_per_h[fleets.pool_fleet[q]] if bought.usd_per_h is None else bought.usd_per_h
        over_usd[q, covers] += bought.count * hours * usd_per_h
    stays, counts_stay = _pins(problem, inst)
    change = problem.reoptimise
    cap = None if change is None else change.max_moved_share
    return RunningArrays(
        workload=whole(w_of[row.workload] for row in rows),
        occurrence=np.array(
            [row.period if row.occurrence is None else row.occurrence for row in rows], dtype=np.int64
        ),
        offer=whole(o_of.get(row.offer, NONE) for row in rows),
        model=whole(m_of.get(row.model, NONE) for row in rows),
        share=floats(rows, "share"),
        count=count,
        paid_before=before,
        carried=over,
        carried_usd=over_usd,
        stays=stays,
        counts_stay=counts_stay,
        freeze_h=running.freeze_h,
        move_usd_per_token=change.move_usd_per_m_tokens / M if change else 0.0,
        resize_usd=change.resize_usd if change else 0.0,
        max_moved_share=np.inf if cap is None else cap,
    )


def _pins(problem: Problem, inst: Instance) -> tuple[Bools, Bools]:
    """(W, O) shares that stay, (O,) counts that stay: of every part of a workload, and of both halves of replicas."""
    loads, offers = np.array(inst.workloads.file_names), np.array(inst.offers.file_names)
    stays = np.zeros((len(loads), len(offers)), dtype=np.bool_)
    counts = np.zeros(len(offers), dtype=np.bool_)
    for pin in problem.reoptimise.pins if problem.reoptimise else ():
        w = np.full(len(loads), True) if pin.workload is None else loads == pin.workload
        o = np.full(len(offers), True) if pin.offer is None else offers == pin.offer
        stays |= w[:, None] & o
        if pin.workload is None and pin.offer is not None:
            counts |= o
    return stays, counts
