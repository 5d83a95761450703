"""Columns of the first stage: what is bought before demand is known, shared by all scenarios.

Index arrays by family; −1 where a thing has no column of its own. Sizes as in `problems.core.instance`.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, NONE, Bools, Floats, Ints, distinct
from problems.core.blocks import ColumnSpace
from problems.core.counts import CountColumns, count_columns, purchases
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.owed import OwedVolumes, owed_volumes
from problems.core.view import View
from solvers.core.record import Record

BLOCK = 0


class FirstStage(Record):
    signed: Ints  # (A,) 0/1: a contract starts
    committed: Ints  # (A,) commitment in force from that start, in `commit_scale` own units a month
    commit_steps: Ints  # (A,) or -1
    commit_scale: Floats  # (B,) own units per month that a committed or billed column of 1 stands for
    active: Ints  # (O,) or -1: 0/1, a fee is due
    ahead: CountColumns  # counts that are one number for the whole horizon, (Q, 1), -1 elsewhere
    bought: Ints  # (Q, J) or -1: purchases for a term, by its start
    hosts: Ints  # (H,) or -1: hosts that are one number for the whole horizon, beside those reserved and free ones
    force: tuple[
        Ints, ...
    ]  # (B,) of (slots,): what adds up of a contract; empty where one term runs at a time
    owed: OwedVolumes  # what tiers charge for a volume to decide, used or not


def first_stage(inst: Instance, space: ColumnSpace, widest: tuple[View, Floats]) -> FirstStage:
    """Reserve the first-stage columns. `widest` gives the largest useful counts over all scenarios, (Q, T)."""
    contracts, offers = inst.contracts, inst.offers
    view, limit = widest
    scale = commitment_scale(inst, view)
    of = contracts.start_contract

    def start_label(i: int) -> str:
        return f"{offers.names[contracts.offer[of[i]]]},{contracts.start_label(i)}"

    n = len(of)
    signed = space.take(
        "signed",
        n,
        start_label,
        lower=contracts.start_signed.astype(float),
        upper=1.0,
        integer=contracts.decided[of],
    )
    committed = space.take("committed", n, start_label)
    sold_in_steps = (contracts.step_per_month > 0) & np.isfinite(contracts.max_per_month)
    stepped = np.flatnonzero(sold_in_steps[of])
    commit_steps = np.full(n, NONE, dtype=np.int64)
    commit_steps[stepped] = space.take(
        "commit_steps", len(stepped), lambda i: start_label(stepped[i]), integer=True
    )
    with_fee = np.flatnonzero(offers.fee_usd_per_month > 0)
    active = np.full(len(offers.names), NONE, dtype=np.int64)
    active[with_fee] = space.take(
        "active", len(with_fee), lambda i: offers.names[with_fee[i]], upper=1.0, integer=True
    )
    fleets = inst.fleets
    horizon = fleets.horizon[fleets.pool_fleet] & (fleets.term_h[fleets.pool_fleet] == 0)
    peak = limit.max(axis=1, initial=0.0)[:, None]
    ahead = count_columns(inst, space, np.flatnonzero(horizon), peak, "ahead", BLOCK)
    bought = purchases(inst, space, peak)
    hosts = _hosts(inst, space, limit)
    force = tuple(_force(inst, space, b, float(scale[b])) for b in range(len(contracts.offer)))
    owed = owed_volumes(inst, space, scale)
    return FirstStage(signed, committed, commit_steps, scale, active, ahead, bought, hosts, force, owed)


def commitment_scale(inst: Instance, view: View) -> Floats:
    """Own units a month near the largest that each contract could carry, so that its columns stay near 1; (B,)."""
    contracts = inst.contracts
    scale = np.ones(len(contracts.offer))
    flows, agreements = view.flows, inst.agreements
    for b, at in enumerate(view.flows_of_contract):
        covered = agreements.offer[agreements.contract == b]
        if len(covered):
            at = np.flatnonzero(np.isin(view.routes.offer[flows.route], covered))
        own = (view.flow_tokens if contracts.in_tokens[b] else view.flow_usd)[at]
        if len(covered):
            own = own + _rent(view, at)
        most = np.zeros(len(view.cells))
        np.maximum.at(most, view.flows.cell[at], own)
        total = most.sum() * HOURS_PER_MONTH / inst.time.horizon_h
        known = [v for v in (total, contracts.min_per_month[b]) if v > 0]
        scale[b] = 2.0 ** np.round(np.log2(max(known))) if known else 1.0
    return scale


def _rent(view: View, at: Ints) -> Floats:
    """(n,) USD of rent for the instances that whole cells of some flows would keep busy."""
    fleets, pool = view.inst.fleets, view.routes.pool[view.flows.route[at]]
    if not fleets.pools:
        return np.zeros(len(at))
    usd = np.where(pool >= 0, fleets.usd_per_h[fleets.pool_fleet[pool]], 0.0)
    return np.asarray(view.flow_load[at].max(axis=1) * usd * view.inst.time.period_h)


def _hosts(inst: Instance, space: ColumnSpace, limit: Floats) -> Ints:
    hosts = inst.hosts
    at, kinds = np.full(len(hosts.names), NONE, dtype=np.int64), np.flatnonzero(hosts.horizon)
    if len(kinds):
        lives = hosts.houses[:, inst.fleets.pool_fleet] if inst.fleets.pools else np.zeros((len(at), 0))
        useful = np.ceil(lives.astype(float) @ limit).max(axis=1, initial=0.0)
        most = np.minimum(useful, hosts.most_throughout())
        names = [hosts.names[h] for h in kinds]
        at[kinds] = space.take(
            "hosts_ahead", len(kinds), lambda i: names[i], upper=most[kinds], integer=True, block=BLOCK
        )
    return at


@once
def covered_periods(inst: Instance) -> tuple[Ints, Ints]:
    """(A,) each: the first period that a term covers, and the first one after it."""
    contracts, start_h = inst.contracts, inst.time.start_h
    return np.searchsorted(start_h, contracts.start_h - 1e-9), np.searchsorted(
        start_h, contracts.end_h - 1e-9
    )


@once
def may_be_in_force(inst: Instance) -> Bools:
    """(B + 1, T) whether a term of each contract covers a period; the last is of offers without a contract."""
    contracts, time = inst.contracts, inst.time
    begin, end = covered_periods(inst)
    running = np.zeros((len(contracts.offer) + 1, time.periods + 1), dtype=np.int64)
    np.add.at(running, (contracts.start_contract, begin), 1)
    np.add.at(running, (contracts.start_contract, np.maximum(begin, end)), -1)
    covered = running.cumsum(axis=1)[:, :-1] > 0
    covered[-1] = True
    return np.asarray(covered)


@once
def force_slots(inst: Instance, b: int) -> Ints:
    """The periods from which on other terms of a contract are in force than before, in order."""
    begin, end = covered_periods(inst)
    mine = inst.contracts.start_contract == b
    at = distinct(np.concatenate([begin[mine], end[mine]]))
    return np.asarray(at[at < inst.time.periods])


def _force(inst: Instance, space: ColumnSpace, b: int, scale: float) -> Ints:
    """What is in force of a contract whose terms add up, by slot, in `commit_scale` own units a month."""
    contracts = inst.contracts
    if not contracts.stackable[b]:
        return np.empty(0, dtype=np.int64)
    slots, name = force_slots(inst, b), inst.offers.names[contracts.offer[b]]
    before = contracts.start_signed & (contracts.start_contract == b)
    most = max(float(contracts.max_per_month[b]), float(contracts.start_min[before].sum()))
    return space.take("force", len(slots), lambda i: f"{name},{slots[i]}", upper=most / scale)


def due_part(inst: Instance) -> Floats:
    """(O, T) the part of each period in which something of an offer is due: it has opened, and not closed for good."""
    time, offers = inst.time, inst.offers
    begins = np.maximum(time.start_h, offers.opens_h[:, None])
    ends = np.minimum(time.start_h + time.period_h, offers.closes_h[:, None])
    return np.asarray(np.clip((ends - begins) / time.period_h, 0.0, 1.0))


@once
def due_months(inst: Instance) -> Floats:
    """(O,) months in which something of an offer is due, at present value of the billing month."""
    hours = due_part(inst) * inst.time.period_h
    return np.asarray(hours @ inst.time.month_weight[inst.time.month] / HOURS_PER_MONTH)
