"""What spills beside a running plan: no more is refused than has to be, and what is sent first stays where it runs.

    sent     what goes to a route first: flow + refused − taken
    moved    Σ max(0, sent − what runs there) of a cell

A program lets a limit refuse what would fit, where that costs nothing; a gateway does not. So less is sent there first,
and more to those that take what spills; or more is, up to what runs there, where just as much is carried then. Work
that the plan may not move stays as it is: `spill_rows` says where it is refused without need.
"""

from __future__ import annotations

import numpy as np

from problems import churn
from problems.core.arrays import Bools, Floats, distinct
from problems.core.columns import Columns
from problems.core.instance import RunningArrays
from problems.core.overflow import SpillLimit
from problems.core.rows import positions
from problems.core.view import View
from problems.spilling import SpillLimits

DUST = 1e-9
HALVED = 1e-9  # relative, at which halving ends
CARRIED = 1e-8  # relative: what of the limit may be missed by that


def settle_refused(view: View, cols: Columns, point: Floats) -> None:
    """Set what each flow refuses and takes; nothing where nothing runs, or no offer spills."""
    running, changes = view.inst.running, cols.changes
    if view.inst.spilling is None or running is None or changes is None:
        return
    settled = _Refused(view, cols, point)
    limits, held = SpillLimits(view), _held(view, running)
    for limit in limits.all:
        amounts = limits.amounts(limit, point, cols)
        if not held[view.flows.cell[limit.flows]].any():
            just_enough(limit, settled.share, settled.refused, amounts)
            settled.balance(limit)
            settled.as_it_runs(limit, amounts)
    settled.write(point)


def just_enough(limit: SpillLimit, share: Floats, refused: Floats, amounts: Floats) -> None:
    """No more is sent there than it takes to carry what is planned: more of it would fit, and a gateway lets it in."""
    for f in limit.flows.tolist():
        if refused[f] <= DUST or limit.full(share[limit.flows], refused[limit.flows], amounts):
            continue
        low, high = 0.0, float(refused[f])
        while high - low > HALVED * max(high, DUST):
            refused[f] = (low + high) / 2
            sent = share[limit.flows] + refused[limit.flows]
            misses = next(limit.cuts(sent, share[limit.flows], amounts, CARRIED), None) is not None
            low, high = (refused[f], high) if misses else (low, refused[f])
        refused[f] = high


def _held(view: View, running: RunningArrays) -> Bools:
    """(C,) cells of which the plan may not move just anything."""
    pinned = running.stays.any(axis=1)[view.cells.workload]
    capped = running.goes_on or np.isfinite(running.max_moved_share)
    return np.asarray(pinned | churn.frozen(view, running) | capped, dtype=bool)


class _Refused:
    """Shares of cells by flow: what is carried, refused and taken."""

    def __init__(self, view: View, cols: Columns, point: Floats) -> None:
        changes = cols.changes
        assert changes is not None
        self.cell, self.spills, self.takes = view.flows.cell, cols.spilled, changes.taken
        self.share = np.maximum(point[cols.flow], 0.0)
        self.refused = np.where(self.spills >= 0, np.maximum(point[self.spills], 0.0), 0.0)
        self.refused[self.refused <= DUST] = 0.0
        self.taken = np.where(self.takes >= 0, np.clip(point[self.takes], 0.0, self.share), 0.0)
        there = positions((self.cell, view.flows.route), (changes.cell, changes.route))
        self.old = np.append(changes.share, 0.0)[there]
        for c in distinct(self.cell[self.spills >= 0]).tolist():
            self._balance(c)

    def balance(self, limit: SpillLimit) -> None:
        """As much is taken of each cell as is refused."""
        for c in distinct(self.cell[limit.flows]).tolist():
            self._balance(c)

    def _balance(self, c: int) -> None:
        own = np.flatnonzero(self.cell == c)
        takes = own[self.takes[own] >= 0]
        over = float(self.taken[takes].sum() - self.refused[own].sum())
        sent = self.share[takes] - self.taken[takes]
        if over > 0:  # first where less goes than runs there
            self.taken[takes] -= _spread(over, np.maximum(self.old[takes] - sent, 0.0), self.taken[takes])
        elif over < 0:
            self.taken[takes] += _spread(-over, np.maximum(sent - self.old[takes], 0.0), sent)
            refused, taken = float(self.refused[own].sum()), float(self.taken[takes].sum())
            self.refused[own] *= taken / refused if refused > taken else 1.0

    def as_it_runs(self, limit: SpillLimit, amounts: Floats) -> None:
        """Up to what runs there is sent there first, where just as much is carried then."""
        for f in limit.flows[self.spills[limit.flows] >= 0].tolist():
            own = np.flatnonzero(self.cell == self.cell[f])
            room = float(self.share[own][self.takes[own] >= 0].sum() - self.refused[own].sum())
            more = min(float(self.old[f] - self.share[f] - self.refused[f]), room)
            if self.share[f] <= DUST or more <= DUST:
                continue
            self.refused[f] += more
            if not limit.full(self.share[limit.flows], self.refused[limit.flows], amounts):
                self.refused[f] -= more
            self._balance(int(self.cell[f]))

    def write(self, point: Floats) -> None:
        """Into a point."""
        for columns, value in ((self.spills, self.refused), (self.takes, self.taken)):
            point[columns[columns >= 0]] = value[columns >= 0]


def _spread(amount: float, first: Floats, most: Floats) -> Floats:
    """An amount over places: in proportion to what they want first, then to what more they may have."""
    first = np.minimum(first, most)
    part = min(amount / first.sum(), 1.0) if first.sum() > 0 else 0.0
    rest = most - first
    left = amount - part * float(first.sum())
    return np.asarray(part * first + rest * (min(left / rest.sum(), 1.0) if rest.sum() > 0 else 0.0))
