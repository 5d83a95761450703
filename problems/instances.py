"""Instances: which counts can be rented, reserved or bought.

    count[q,t] = min · open[q,t] + step · steps[q,t],  count ≤ M · open      {0} ∪ {min, min + step, …}
    min · open[q,t] ≤ count[q,t] ≤ M · open[q,t]                             the same for real counts
    count[q,t] − paid[q,t] ≥ 0,  Σ_q (count − paid) ≤ reserved               what is reserved is paid for apart
    Σ_q count[q,t] ≤ max                                                     over all pools of the offer
    paid[q,t] = carried[q,t] + Σ_(k: in term at t) bought[q,k]             where instances are bought for a term, or
    paid[q,t] − paid[q,t−1] = carried[q,t] − carried[q,t−1] + Σ starting − Σ ending     where terms start in any period
    Σ_q paid[q,t] = Σ_q carried[q,t] + Σ_k bought[k] ≤ max − reserved,  Σ_q (count − paid) ≤ reserved
        bought for the offer, off the grids of its models: paid may be more than count in a pool, which stands idle
    count[q,t] ≤ 0                                                         hourly counts, in a period closed throughout

    open     any are rented in the pool    0/1          steps   multiples above the minimum    integer
    M        largest count that can be of use, from the data
    carried  bought before the horizon for a term that still covers t     instances

The same rows serve hourly counts (per scenario) and horizon-wide counts (first stage, one column).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from problems.core.columns import Columns
from problems.core.counts import CountColumns, bought_for, pool_label
from problems.core.family import Family, Promise, Worth
from problems.core.first_stage import FirstStage
from problems.core.instance import Instance
from problems.core.rows import RowBuilder, Rows, Term
from problems.core.view import View

NAME = "instances"
Part = tuple[Ints, Floats | float]  # (pools, periods) columns, and a coefficient common to all or by pool


def build(view: View, cols: Columns) -> Rows:
    """Rows of the counts that a scenario decides."""
    builder = RowBuilder(NAME)
    _counts(builder, view.inst, cols.counts, cols.first.ahead.count[:, 0] < 0)
    _terms(builder, view.inst, cols.first.bought, cols.counts)
    return builder.rows()


def build_first_stage(inst: Instance, first: FirstStage) -> Rows:
    """Rows of the counts bought for the whole horizon."""
    builder = RowBuilder(NAME)
    _counts(builder, inst, first.ahead, first.ahead.count[:, 0] >= 0)
    return builder.rows()


def _counts(builder: RowBuilder, inst: Instance, counts: CountColumns, mine: Bools) -> None:
    """What counts there can be of some pools (Q,), what of them is reserved, and how many in all."""
    if not mine.any():
        return
    _shape(builder, inst, counts, mine)
    _reserved(builder, inst, counts, mine)
    _maximum(builder, inst, counts, mine)


def _shape(builder: RowBuilder, inst: Instance, counts: CountColumns, mine: Bools) -> None:
    """count = min · open + step · steps, and count ≤ M · open."""
    fleets = inst.fleets
    opened, stepped = mine & (counts.open[:, 0] >= 0), mine & (counts.steps[:, 0] >= 0)
    least, step = fleets.pool_min, fleets.pool_step
    q = np.flatnonzero(opened & stepped)
    sold: list[Part] = [(counts.count[q], 1.0), (counts.open[q], -least[q]), (counts.steps[q], -step[q])]
    _over(builder, inst, q, sold, lower=0.0, upper=0.0)
    q = np.flatnonzero(~opened & stepped)
    _over(builder, inst, q, [(counts.count[q], 1.0), (counts.steps[q], -step[q])], lower=0.0, upper=0.0)
    q = np.flatnonzero(opened & ~stepped)
    _over(builder, inst, q, [(counts.count[q], 1.0), (counts.open[q], -least[q])], lower=0.0)
    q = np.flatnonzero(opened)
    _over(builder, inst, q, [(counts.count[q], 1.0), (counts.open[q], -counts.limit[q])], upper=0.0)


def _reserved(builder: RowBuilder, inst: Instance, counts: CountColumns, mine: Bools) -> None:
    """Reserved instances are shared out over the pools of their offer."""
    fleets = inst.fleets
    pooled = fleets.pooled[fleets.pool_fleet] if fleets.pools else mine
    some = np.flatnonzero(mine & ((fleets.reserved[fleets.pool_fleet] > 0).any(axis=1) | pooled))
    alone = some[~pooled[some]]
    _over(builder, inst, alone, [(counts.count[alone], 1.0), (counts.paid[alone], -1.0)], lower=0.0)
    for fleet in sorted(set(fleets.pool_fleet[some].tolist())):
        q = np.flatnonzero(fleets.pool_fleet == fleet)
        parts = [(counts.count[[p]], 1.0) for p in q] + [(counts.paid[[p]], -1.0) for p in q]
        _over(builder, inst, q[:1], parts, upper=_of_columns(fleets.reserved[fleet], counts))


def _maximum(builder: RowBuilder, inst: Instance, counts: CountColumns, mine: Bools) -> None:
    """The offer's maximum, where one pool's own limit does not already keep it."""
    fleets = inst.fleets
    for fleet in sorted(set(fleets.pool_fleet[mine].tolist())):
        q = np.flatnonzero(fleets.pool_fleet == fleet)
        if np.isfinite(fleets.max[fleet]).any() and len(q) > 1:
            upper = _of_columns(fleets.max[fleet], counts)
            _over(builder, inst, q[:1], [(counts.count[[p]], 1.0) for p in q], upper=upper)


def _of_columns(limit: Floats, counts: CountColumns) -> Floats:
    """A limit by period (T,) as the columns have it: of one number for the horizon, the least."""
    return limit if counts.count.shape[1] == len(limit) else limit.min(keepdims=True)


def _terms(builder: RowBuilder, inst: Instance, bought: Ints, counts: CountColumns) -> None:
    """What is paid for in a period is what was bought for a term that covers it.

    Where terms may start more often than with a month, as the change from the period before: never a row of all starts.
    """
    fleets, time = inst.fleets, inst.time
    termed = fleets.buys & (fleets.term_h[fleets.pool_fleet] > 0) if fleets.pools else fleets.buys
    for q in np.flatnonzero(termed).tolist():  # also where none may start
        begin, end = bought_for(inst, int(fleets.pool_fleet[q]))
        starts = np.flatnonzero(bought[q] >= 0)
        label, t = _numbered(pool_label(inst, q)), np.arange(time.periods)
        pools = [p for p in range(fleets.pools) if fleets.first_pool(p) == q]
        before, paid = inst.carried[q], [counts.paid[p] for p in pools]
        terms: list[Term] = [(t, each, 1.0) for each in paid]
        fleet = fleets.pool_fleet[q]
        if fleets.pooled[fleet] and np.isfinite(fleets.max[fleet]).any():  # of others the counts keep it
            left = np.maximum(fleets.max[fleet] - fleets.reserved[fleet], before)
            builder.add(time.periods, [*terms], _numbered(f"{pool_label(inst, q)},bought"), upper=left)
        if len(starts) > time.months:
            terms += [(t[1:], each[:-1], -1.0) for each in paid]
            for at, sign in ((begin, -1.0), (end, 1.0)):
                inside = starts[at[starts] < time.periods]
                terms.append((at[inside], bought[q, inside], sign))
            before = np.diff(before, prepend=0.0)
        else:
            terms += [(t[begin[k] : end[k]], bought[q, [k]], -1.0) for k in starts.tolist()]
        builder.add(time.periods, terms, label, lower=before, upper=before)


def _numbered(name: str) -> Callable[[int], str]:
    return lambda i: f"{name},{i}"


def _over(
    builder: RowBuilder,
    inst: Instance,
    pools: Ints,
    parts: Sequence[Part],
    *,
    lower: Floats | float = -np.inf,
    upper: Floats | float = np.inf,
) -> None:
    """A row per pool and period: Σ coefficient · columns[pool, t], each columns array being (pools, n)."""
    if not len(pools):
        return
    periods = parts[0][0].shape[1]
    at = np.arange(len(pools) * periods).reshape(len(pools), periods)
    terms: list[Term] = [
        (at, column, np.reshape(value, (-1, 1)) if np.ndim(value) == 1 else value) for column, value in parts
    ]
    builder.add(
        at.size,
        terms,
        lambda i: f"{pool_label(inst, pools[i // periods])},{i % periods}",
        lower=np.ravel(lower) if np.ndim(lower) else lower,
        upper=np.ravel(upper) if np.ndim(upper) else upper,
    )


def total(view: View, cols: Columns) -> Rows:
    """Σ_q count[q,t] ≤ max, a row per period and offer that states one, of one pool or several."""
    builder, inst = RowBuilder(NAME), view.inst
    for fleet in np.flatnonzero(np.isfinite(inst.fleets.max).any(axis=1)):
        q = np.flatnonzero(inst.fleets.pool_fleet == fleet)
        parts = [(cols.counts.count[[p]], 1.0) for p in q]
        _over(builder, inst, q[:1], parts, upper=inst.fleets.max[fleet])
    return builder.rows()


MOST = Promise(
    "offers[].instances.max",
    "fleets.max",
    relax=np.inf,
    text='capacity of "{name}": at most {limit:,.10g} instances',
    amount=total,
    whole=True,
)
FAMILY = Family(
    NAME,
    build,
    in_a_loss=None,
    promises=(MOST,),
    worth=Worth("USD per instance", "capacity on offer", "an instance more", rented=True),
)
