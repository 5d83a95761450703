"""The first stage as a decision in its own units, so that it can be read from one program and fixed in another.

Programs of the same problem over other scenarios have the same first-stage things under other scales.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems import budget
from problems.core.arrays import Floats, Ints
from problems.core.encode import Encoded, encode
from problems.core.instance import Instance
from solvers import LinearProgram
from solvers.core.record import Record


class Decision(Record):
    """What is bought before demand is known. NaN: left open."""

    signed: Floats  # (A,) 0/1
    committed: Floats  # (A,) own units a month
    active: Floats  # (O,) 0/1, a fee is paid
    ahead: Floats  # (Q,) instances for the whole horizon
    paid: Floats  # (Q,) of them above what is reserved
    bought: Floats  # (Q, J) instances bought for a term, by its start
    hosts: Floats  # (H,) hosts for the whole horizon, beside those reserved


def _read(at: Ints, point: Floats) -> Floats:
    found = np.zeros(at.shape)
    found[at >= 0] = point[at[at >= 0]]
    return found


def decision_of(encoded: Encoded, point: Floats) -> Decision:
    """The first stage of a point."""
    first = encoded.first
    contract = encoded.instance.contracts.start_contract
    return Decision(
        signed=_read(first.signed, point),
        committed=_read(first.committed, point) * first.commit_scale[contract],
        active=_read(first.active, point),
        ahead=_read(first.ahead.count[:, 0], point),
        paid=_read(first.ahead.paid[:, 0], point),
        bought=_read(first.bought, point),
        hosts=_read(first.hosts, point),
    )


def with_room(inst: Instance, decision: Decision) -> Instance:
    """The instance whose programs have room for all that a decision buys, of use there or not."""
    fleets = inst.fleets
    if not fleets.pools:
        return inst
    room = np.maximum(np.nan_to_num(decision.ahead), np.nan_to_num(decision.paid))
    until_h = np.stack([fleets.bought_until_h(fleet) for fleet in fleets.pool_fleet.tolist()])
    for hour in fleets.buy_h:
        begun = (fleets.buy_h <= hour + 1e-9) & (until_h > hour + 1e-9)
        bought = np.where(begun, decision.bought, 0.0).sum(axis=1)
        room = np.maximum(room, bought[[fleets.first_pool(q) for q in range(fleets.pools)]])
    # what is bought may run beside what is reserved, up to a minimum that it does not reach alone
    room = np.where(room > 0, room + fleets.reserved.max(axis=1)[fleets.pool_fleet], 0.0)
    room = np.minimum(room, fleets.max.max(axis=1)[fleets.pool_fleet])  # a decision above that has no plan
    return replace(inst, room=room if inst.room is None else np.maximum(room, inst.room))


def fixed_to(encoded: Encoded, decision: Decision) -> LinearProgram:
    """The program with its first stage fixed at a decision.

    A column fixed at a whole number need not be an integer column any more; one fixed at a fraction stays one, and
    makes the program infeasible, as a decision that breaks a minimum or a step does through its rows.
    """
    first, program = encoded.first, encoded.program
    contract = encoded.instance.contracts.start_contract
    lower, upper, integer = program.col_lower.copy(), program.col_upper.copy(), program.integer.copy()
    for at, value in (
        (first.signed, decision.signed),
        (first.committed, decision.committed / first.commit_scale[contract]),
        (first.active, decision.active),
        (first.ahead.count[:, 0], decision.ahead),
        (first.ahead.paid[:, 0], decision.paid),
        (first.bought, decision.bought),
        (first.hosts, decision.hosts),
    ):
        known = (at >= 0) & ~np.isnan(value)
        near = np.round(value[known])
        whole = np.abs(value[known] - near) <= 1e-6
        lower[at[known]] = upper[at[known]] = np.where(whole & integer[at[known]], near, value[known])
        integer[at[known]] &= ~whole
    for item in first.owed.each if not np.isnan(decision.committed).any() else ():
        tiers = encoded.instance.contracts.tiers[item.contract]
        if tiers is not None:
            lower[item.volume] = upper[item.volume] = item.bands(tiers, decision.committed) / item.scale
    return replace(program, col_lower=lower, col_upper=upper, integer=integer)


def committed_usd(inst: Instance, decision: Decision) -> float:
    """First-stage money over the horizon, expected over the scenarios: what `max_committed_usd` limits."""
    # any limit: its row is read
    unlimited = replace(inst, policy=replace(inst.policy, max_committed_usd=1.0))
    encoded = encode(replace(unlimited, scenarios=inst.scenarios.mean()))
    fixed = fixed_to(encoded, decision)
    (limit,) = (part for part in encoded.row_families if part.family == budget.NAME and part.scenario < 0)
    row = encoded.program.matrix[[limit.first]]
    point = np.where(np.isfinite(fixed.col_lower), fixed.col_lower, 0.0)
    return float((row @ point)[0] + 1.0 - encoded.program.row_upper[limit.first])
