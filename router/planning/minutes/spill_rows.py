"""What spills, as a plan's rows and notes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from problems.core.columns import Columns
from problems.core.encode import Encoded
from problems.core.overflow import SpillLimit
from problems.core.view import View
from problems.spilling import SpillLimits
from router.plan.rows import SpillOrder
from router.planning.minutes.refusing import DUST, just_enough

MIXED = 1e-6  # of a limit: what one order carries otherwise than the plan
DEARER = 1e-6  # of the plan's cost


def spilled_and_taken(view: View, cols: Columns, point: Floats) -> tuple[Floats, Floats]:
    """(N,), (N,) share of the cell that each route refuses, and that it serves for those that refuse."""
    nothing, spilling = np.zeros(len(view.flows)), view.inst.spilling
    if spilling is None or not (cols.spilled >= 0).any():
        return nothing, nothing
    if cols.changes is not None:  # what is sent first may move: `settle_refused` has decided
        pair = np.array([cols.spilled, cols.changes.taken])
        refused, taken = np.where(pair >= 0, point[pair], 0.0)
        return refused, taken
    refused = np.where(cols.spilled >= 0, np.maximum(point[cols.spilled], 0.0), 0.0)
    share = np.maximum(point[cols.flow], 0.0)
    takes = np.where(spilling.offer[view.routes.offer[view.flows.route]], 0.0, share)
    cell, n = view.flows.cell, len(view.cells)
    room = np.bincount(cell, takes, minlength=n)
    limits = SpillLimits(view)
    for limit in limits.all:
        amounts = limits.amounts(limit, point, cols)
        just_enough(limit, share, refused, amounts)
        still = cols.spilled[limit.flows] >= 0
        _sent_first(limit, share, refused, amounts, (room, cell, still))
    refused[refused <= DUST] = 0.0
    spilled = np.bincount(cell, refused, minlength=n)
    part = np.divide(spilled, room, out=np.zeros(n), where=room > 0)
    return refused, takes * np.minimum(part, 1.0)[cell]


def _sent_first(
    limit: SpillLimit, share: Floats, refused: Floats, amounts: Floats, taking: tuple[Floats, Ints, Bools]
) -> None:
    """All of a cell is sent there first where just as much is carried then: what spills finds its way by itself.

    Not of work that moves in time, which does not spill.
    """
    room, cell, still = taking
    for f in limit.flows[still].tolist():
        own = limit.flows[cell[limit.flows] == cell[f]]
        more = float(room[cell[f]] - refused[cell == cell[f]].sum())
        if share[f] <= DUST or more <= DUST or len(own) > 1:
            continue
        refused[f] += more
        if not limit.full(share[limit.flows], refused[limit.flows], amounts):
            refused[f] -= more


def spill_orders(view: View, cols: Columns, point: Floats, scenario: str | None) -> Iterator[SpillOrder]:
    """In which order each limit refuses what is sent to it, where anything is."""
    for limit, sent, carried, amounts in limits_at(view, cols, point):
        order, _ = limit.order(sent, carried, amounts)
        if not order:
            continue
        inst, flows = view.inst, limit.flows[order]
        model = None if limit.pool < 0 else inst.pool_names[limit.pool][1]
        names = [inst.workloads.names[w] for w in view.cells.workload[view.flows.cell[flows]].tolist()]
        yield SpillOrder(
            inst.offers.names[limit.offer], model, limit.period, scenario, tuple(dict.fromkeys(names))
        )


def limits_at(
    view: View, cols: Columns, point: Floats
) -> Iterator[tuple[SpillLimit, Floats, Floats, Floats]]:
    """Each limit with what is sent to it, what it carries, and the amounts of which its capacity is."""
    if view.inst.spilling is None:
        return
    limits, (refused, _) = SpillLimits(view), spilled_and_taken(view, cols, point)
    for limit in limits.all:
        carried = np.maximum(point[cols.flow[limit.flows]], 0.0)
        carried[carried <= DUST] = 0.0
        yield limit, carried + refused[limit.flows], carried, limits.amounts(limit, point, cols)


def spill_notes(encoded: Encoded, point: Floats) -> Iterator[str]:
    """Where no single order refuses as the plan has it, and what refusing by turn would cost instead."""
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        mixed, dearer, needless = dict[str, int](), dict[str, float](), dict[str, int]()
        for limit, sent, carried, amounts in limits_at(view, cols, point):
            name, capacity = view.inst.offers.names[limit.offer], float(limit.capacity(amounts).mean())
            if limit.order(sent, carried, amounts)[1] > MIXED * max(capacity, DUST):
                mixed[name] = mixed.get(name, 0) + 1
            if cols.changes is not None and not limit.full(carried, sent - carried, amounts):
                needless[name] = needless.get(name, 0) + 1
            more = carried - limit.by_turn(sent, amounts)
            usd = float(more @ _dearer_elsewhere(view, cols, point, limit)) * float(
                view.inst.time.weight[limit.period]
            )
            dearer[name] = dearer.get(name, 0.0) + usd
        for name, periods in mixed.items():
            yield (
                f"{name}: in {periods} periods the plan mixes orders of refusing; spill_order is the one nearest to it"
            )
        for name, periods in needless.items():
            yield (
                f"{name}: in {periods} periods the plan refuses more than it has to, as what runs there may not move "
                "to those that carry it; a gateway that lets it in is billed for it"
            )
        for name, usd in dearer.items():
            if usd > DEARER * max(1.0, encoded.program.objective(point)):
                yield (
                    f"{name}: refusing in the order of spill_order is planned; first come, first served would cost "
                    f"{usd:,.2f} USD more"
                )


def _dearer_elsewhere(view: View, cols: Columns, point: Floats, limit: SpillLimit) -> Floats:
    """(n,) USD by which the whole cell costs more where it is taken than on the limit: at the price of use.

    Where nothing of a cell is taken yet, on its cheapest route that takes.
    """
    spilling, flows = view.inst.spilling, view.flows
    assert spilling is not None
    usd = view.flow_usd * view.price[view.routes.offer[flows.route]]
    takes = ~spilling.offer[view.routes.offer[flows.route]]
    more = np.zeros(len(limit.flows))
    for i, f in enumerate(limit.flows.tolist()):
        others = np.flatnonzero(takes & (flows.cell == flows.cell[f]))
        if len(others):
            share = np.maximum(point[cols.flow[others]], 0.0)
            there = (
                float(share @ usd[others] / share.sum()) if share.sum() > DUST else float(usd[others].min())
            )
            more[i] = there - usd[f]
    return more
