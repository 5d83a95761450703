"""Instances: which counts can be rented, held or bought.

    count[q,t] = min · open[q,t] + step · steps[q,t],  count ≤ M · open      {0} ∪ {min, min + step, …}
    min · open[q,t] ≤ count[q,t] ≤ M · open[q,t]                             the same for real counts
    count[q,t] − paid[q,t] ≥ 0,  Σ_q (count − paid) ≤ reserved               what is held already is paid for apart
    Σ_q count[q,t] ≤ max                                                     over all pools of the offer
    paid[q,t] = held_over[q,t] + Σ_(k: in term at t) bought[q,k]             where instances are bought for a term

    open     any are rented in the pool    0/1          steps   multiples above the minimum    integer
    M        largest count that can be of use, from the data
    held_over   bought before the horizon for a term that still covers t     instances

The same rows serve hourly counts (per scenario) and horizon-wide counts (first stage, one column).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from problems.core.blocks import Rows, Term, rows
from problems.core.columns import Columns, FirstStage
from problems.core.counts import CountColumns, pool_label
from problems.core.instance import Floats, Instance, Ints
from problems.core.view import View

NAME = "instances"


def build(view: View, cols: Columns) -> Rows:
    """Rows of the counts that a scenario decides."""
    counts, inst = cols.counts, view.inst
    own = np.zeros(inst.fleets.pools, dtype=bool)
    if inst.fleets.pools:
        own = cols.first.held.count[:, 0] < 0
    parts = _Parts(inst)
    parts.shape(counts, own)
    parts.reserved(counts, own)
    parts.maximum(counts, own)
    parts.terms(cols.first.bought, counts)
    return parts.rows()


def build_first_stage(inst: Instance, first: FirstStage) -> Rows:
    """Rows of the counts held for the whole horizon."""
    held = np.zeros(inst.fleets.pools, dtype=bool)
    if inst.fleets.pools:
        held = first.held.count[:, 0] >= 0
    parts = _Parts(inst)
    parts.shape(first.held, held)
    parts.reserved(first.held, held)
    parts.maximum(first.held, held)
    return parts.rows()


class _Parts:
    """Collects rows with their terms; a row is a list of (columns, coefficient) over (pools, periods)."""

    def __init__(self, inst: Instance) -> None:
        self.inst = inst
        self.triplets: list[Term] = []
        self.lower: list[Floats] = []
        self.upper: list[Floats] = []
        self.names: list[tuple[int, Ints, int]] = []
        self.size = 0

    def add(
        self,
        who: Ints,
        columns: Sequence[tuple[Ints, Floats | float]],
        lower: Floats | float,
        upper: Floats | float,
    ) -> None:
        """Rows over `who` × periods: Σ coefficient · columns[who, t], each columns array being (len(who), n)."""
        if not len(who):
            return
        n = columns[0][0].shape[1]
        at = self.size + np.arange(len(who) * n).reshape(len(who), n)
        for column, coefficient in columns:
            spread = np.broadcast_to(
                np.reshape(coefficient, (-1, 1)) if np.ndim(coefficient) == 1 else coefficient, at.shape
            )
            self.triplets.append((at, column, spread))
        for side, limit in ((self.lower, lower), (self.upper, upper)):
            wide = np.reshape(limit, (-1, 1)) if np.ndim(limit) == 1 else limit
            side.append(np.broadcast_to(wide, at.shape).ravel().astype(float))
        self.names.append((self.size, who, n))
        self.size += len(who) * n

    def shape(self, counts: CountColumns, mine: np.ndarray) -> None:
        """count = min · open + step · steps, and count ≤ M · open."""
        fleets = self.inst.fleets
        f = fleets.pool_fleet
        opened = mine & (counts.open[:, 0] >= 0) if len(f) else mine
        stepped = mine & (counts.steps[:, 0] >= 0) if len(f) else mine
        both, only = np.flatnonzero(opened & stepped), np.flatnonzero(~opened & stepped)
        real = np.flatnonzero(opened & ~stepped)
        least, step = fleets.min[f], fleets.step[f]
        self.add(
            both,
            [(counts.count[both], 1.0), (counts.open[both], -least[both]), (counts.steps[both], -step[both])],
            0.0,
            0.0,
        )
        self.add(only, [(counts.count[only], 1.0), (counts.steps[only], -step[only])], 0.0, 0.0)
        self.add(real, [(counts.count[real], 1.0), (counts.open[real], -least[real])], 0.0, np.inf)
        some = np.flatnonzero(opened)
        self.add(some, [(counts.count[some], 1.0), (counts.open[some], -counts.limit[some])], -np.inf, 0.0)

    def reserved(self, counts: CountColumns, mine: np.ndarray) -> None:
        """Reserved instances are shared out over the pools of their offer."""
        fleets = self.inst.fleets
        held = fleets.reserved[fleets.pool_fleet] > 0 if fleets.pools else np.zeros(0, dtype=bool)
        some = np.flatnonzero(mine & held)
        self.add(some, [(counts.count[some], 1.0), (counts.paid[some], -1.0)], 0.0, np.inf)
        for fleet in np.unique(fleets.pool_fleet[some]):
            q = np.flatnonzero(fleets.pool_fleet == fleet)
            self.add(
                q[:1],
                [(counts.count[[p]], 1.0) for p in q] + [(counts.paid[[p]], -1.0) for p in q],
                -np.inf,
                fleets.reserved[fleet],
            )

    def maximum(self, counts: CountColumns, mine: np.ndarray) -> None:
        """The offer's maximum, where one pool's own limit does not already keep it."""
        fleets = self.inst.fleets
        for fleet in np.unique(fleets.pool_fleet[mine]):
            q = np.flatnonzero(fleets.pool_fleet == fleet)
            if np.isfinite(fleets.max[fleet]) and len(q) > 1:
                self.add(q[:1], [(counts.count[[p]], 1.0) for p in q], -np.inf, fleets.max[fleet])

    def terms(self, bought: Ints, counts: CountColumns) -> None:
        """What is paid for in a period is what was bought for a term that covers it."""
        fleets, time = self.inst.fleets, self.inst.time
        for q in np.flatnonzero(bought[:, 0] >= 0) if bought.size else ():
            term = fleets.term_months[fleets.pool_fleet[q]]
            columns: list[tuple[Ints, Floats | float]] = [(counts.paid[[q]], 1.0)]
            for k in range(time.months):
                covers = (time.month >= k) & (time.month < k + term)
                columns.append((np.full((1, time.periods), bought[q, k]), -covers.astype(float)[None, :]))
            before = self.inst.held_over[[q]]
            self.add(np.array([q]), columns, before, before)

    def rows(self) -> Rows:
        """The collected family."""
        firsts = [first for first, _, _ in self.names]

        def label(i: int) -> str:
            first, who, n = self.names[int(np.searchsorted(firsts, i, side="right")) - 1]
            return f"{pool_label(self.inst, who[(i - first) // n])},{(i - first) % n}"

        empty = [np.empty(0)]
        return rows(
            NAME,
            self.size,
            self.triplets,
            label,
            lower=np.concatenate(empty + self.lower),
            upper=np.concatenate(empty + self.upper),
        )
