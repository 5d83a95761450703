"""Programs of instances that differ little from one whose program is written, at a tenth of the time.

Each has the plans that `encode` would write, at the same costs; None, or a refusal beforehand, where that is not sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from scipy import sparse

from problems import budget, commitments, demand, linking, pricing, signing, throughput
from problems.core.admissible import Routes, admissible
from problems.core.arrays import Bools, Floats
from problems.core.blocks import RowRange
from problems.core.encode import Encoded, ahead_usd
from problems.core.instance import Instance
from problems.core.rows import Rows, triplets
from problems.core.supply import QUOTA_KINDS
from problems.core.view import View, cells_of
from solvers import Blocks
from solvers.core.record import Record

SHARES = (demand.NAME, linking.NAME)  # families whose rows say what part of a cell goes where
AMOUNTS = (throughput.NAME, commitments.NAME)  # and those that say how much
SAME = 1e-9  # relative


def rows_read_prices(inst: Instance) -> bool:
    """Whether an offer's prices may stand in rows, as money that something is counted in, and not in the cost alone."""
    policy, quotas = inst.policy, inst.quotas
    limits = np.isfinite([policy.max_spend_usd, policy.max_committed_usd]).any() or policy.risk.weight > 0
    counts_usd = any(QUOTA_KINDS[kind].counts == "usd" for kind in quotas.kind.tolist())
    in_dollars = (
        not inst.contracts.in_tokens.all() or len(inst.agreements.contract) or inst.credits.offer.any()
    )
    return bool(limits or counts_usd or in_dollars)


def repriced(encoded: Encoded, inst: Instance) -> Encoded:
    """The program of an instance that differs in its scenarios' prices alone, where no row reads them."""
    views = (replace(view, inst=inst, price=inst.scenarios.price[view.scenario]) for view in encoded.views)
    return _costed(replace(encoded, instance=inst, views=tuple(views)))


def _costed(encoded: Encoded) -> Encoded:
    """The same with the costs of its views."""
    pairs = zip(encoded.views, encoded.columns, strict=True)
    costs = tuple(
        (*ahead_usd(cols.first, view.inst, view.price.tobytes()), *pricing.recourse(view, cols))
        for view, cols in pairs
    )
    cost, constant = budget.expected(costs, encoded.instance.scenarios.probability, encoded.program.n_columns)
    return replace(encoded, costs=costs, program=encoded.program.with_cost(cost, constant))


def limited(encoded: Encoded, inst: Instance) -> Encoded | None:
    """The program of an instance in which less is permitted, or something must be signed or must not; None where some
    route is another there.

    What is not permitted has no flow, and a pool that nothing can use no instances for the horizon.
    """
    routes, first, program = encoded.views[0].routes, encoded.first, encoded.program
    kept = inst.workloads.permitted[routes.workload, routes.offer]
    if not _are(admissible(inst)[0], routes, kept):
        return None
    upper = program.col_upper.copy()
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        upper[cols.flow[~kept[view.flows.route]]] = 0.0
    if len(first.ahead.count):
        used = np.zeros(len(first.ahead.count) + 1, dtype=bool)  # −1 is the last
        used[routes.pool[kept]] = used[routes.decoding[kept]] = True
        idle = first.ahead.count[~used[:-1]].ravel()
        idle = idle[idle >= 0]
        upper[idle] = np.where(program.col_lower[idle] > 0, upper[idle], 0.0)
    asked = signing.build_first_stage(inst, first)
    made = replace(encoded, instance=inst, program=replace(program, col_upper=upper))
    return made if not len(asked) else _with_rows(made, asked)


def _are(anew: Routes, routes: Routes, kept: Bools) -> bool:
    """Whether routes are those of others that are kept, in their order and figure by figure."""
    if len(anew) != int(kept.sum()):
        return False
    pairs = ((getattr(anew, item.name), getattr(routes, item.name)[kept]) for item in fields(routes))
    return all(np.array_equal(one, other) for one, other in pairs)


def _with_rows(encoded: Encoded, rows: Rows) -> Encoded:
    """The same with rows of the first stage after all others."""
    program, m = encoded.program, encoded.program.n_rows
    row, column, value = triplets((np.asarray(r), c, v) for r, c, v in rows.terms)
    more = sparse.coo_array((value, (row, column)), shape=(len(rows), program.n_columns)).tocsr()
    blocks, before = program.blocks, encoded.row_label
    assert blocks is not None  # a program of scenarios says which is whose
    made = replace(
        program,
        matrix=sparse.vstack([program.matrix, more]).tocsr(),
        row_lower=np.concatenate([program.row_lower, rows.lower]),
        row_upper=np.concatenate([program.row_upper, rows.upper]),
        row_names=None,
        blocks=Blocks(blocks.columns, np.concatenate([blocks.rows, np.full(len(rows), -1)])),
    )
    return replace(
        encoded,
        program=made,
        row_families=(*encoded.row_families, RowRange(rows.family, m, m + len(rows), -1)),
        row_label=lambda i: before(i) if i < m else f"{rows.family}({rows.label(i - m)})",
    )


class Growth(Record):
    """How a program is that of another, with all demand so many times as much.

    With x of the first stage, some of it amounts, and y the shares of each cell:  Q'(x) = factor · Q(x / unit)
    """

    factor: float
    unit: Floats  # (k,) by first-stage column: `factor` for amounts, 1 for what is signed or not
    amounts: Bools  # (n,) columns of the second stage that are amounts, not shares


def grown(encoded: Encoded, inst: Instance, factor: float) -> tuple[Encoded, Growth] | None:
    """The program of an instance with all demand multiplied, and how the two are alike; None where they may not be.

    They are where every row of the second stage is of shares alone, Σ a · y + Σ b · z ≤ c with z signed or not, or of
    amounts, factor · Σ a · y + Σ b · x + Σ d · u ≤ 0: then its shares are at x the old ones at x / factor.
    """
    if _reads_demand(encoded, inst, factor):
        return None
    program, own = encoded.program, ~encoded.program.linking[0]
    of_share, of_amount = _rows_of(encoded, SHARES), _rows_of(encoded, AMOUNTS)
    share, amount = np.zeros(program.n_columns, dtype=bool), np.zeros(program.n_columns, dtype=bool)
    for cols in encoded.columns:
        share[cols.flow] = True
        share[cols.unserved[cols.unserved >= 0]] = True
    matrix = program.matrix.copy()
    row, column = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr)), matrix.indices
    amount[column[of_amount[row]]] = True
    amount &= ~share
    limits = (program.row_lower[of_amount], program.row_upper[of_amount])
    bounds = (program.col_lower[amount & own], program.col_upper[amount & own])
    stated = np.concatenate([*limits, *bounds])
    if (
        (~program.linking[1] & ~of_share & ~of_amount).any()
        or (own & ~share & ~amount).any()
        or amount[column[of_share[row]]].any()
        or (np.isfinite(stated) & (stated != 0)).any()
    ):
        return None
    matrix.data[of_amount[row] & share[column]] *= factor
    views = []
    for view in encoded.views:
        cells = cells_of(inst, view.scenario)
        flows = replace(view.flows, work=cells.work[view.flows.cell])
        views.append(replace(view, inst=inst, cells=cells, flows=flows))
    there = replace(program, matrix=matrix, col_upper=_roomy(encoded, inst, factor))
    made = _costed(replace(encoded, instance=inst, views=tuple(views), program=there))
    usd = np.where(share, factor, 1.0) * program.cost
    if not np.allclose(made.program.cost[own], usd[own], rtol=SAME, atol=0.0):
        return None
    return made, Growth(factor, np.where(amount, factor, 1.0)[~own], amount & own)


def _reads_demand(encoded: Encoded, inst: Instance, factor: float) -> bool:
    """Whether rows or columns of the first stage may be others at other demand, or there may be other rows."""
    first = encoded.first
    return bool(
        (first.ahead.open >= 0).any()  # how many could be of use stands in its rows
        or (first.bought >= 0).any()
        or (first.hosts >= 0).any()
        or first.owed.each
        or any(len(force) for force in first.force)
        or inst.fleets.reserved.any()
        or rows_read_prices(inst)
        or any((cols.charged != cols.flow).any() for cols in encoded.columns)
        or any(_small(view, factor) for view in encoded.views)
    )


def _small(view: View, factor: float) -> bool:
    """Whether some load is small beside an instance, at one demand or the other: then it has a row of its own."""
    _, pool, load = view.pool_loads
    if not len(pool):
        return False
    least = linking.SMALL * view.usable[view.inst.fleets.pool_fleet[pool]].max(axis=1)
    return bool(((load > 0) & (load * min(factor, 1.0) < least)).any())


def _rows_of(encoded: Encoded, families: Sequence[str]) -> Bools:
    """(m,) rows of some families, of the second stage."""
    mine = np.zeros(encoded.program.n_rows, dtype=bool)
    for each in encoded.row_families:
        if each.family in families and each.scenario >= 0:
            mine[each.first : each.end] = True
    return mine


def _roomy(encoded: Encoded, inst: Instance, factor: float) -> Floats:
    """(n,) upper bounds with room for all counts that could be of use at that demand."""
    upper, ahead, fleets = encoded.program.col_upper.copy(), encoded.first.ahead, inst.fleets
    if factor <= 1 or not fleets.pools:
        return upper
    fleet = fleets.pool_fleet
    step = np.where(fleets.integral[fleet], np.maximum(fleets.pool_step, 1.0), 0.0)
    for at, limit in (
        (ahead.count[:, 0], fleets.max[fleet].min(axis=1)),
        (ahead.steps[:, 0], np.full(fleets.pools, np.inf)),
    ):
        some = np.flatnonzero(at >= 0)
        now = encoded.program.col_upper[at[some]]
        upper[at[some]] = np.maximum(now, np.minimum(np.ceil(now * factor) + step[some], limit[some]))
    return upper
