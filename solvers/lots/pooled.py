"""Lots that wait in a program, the smaller program that they make, and the way back."""

from __future__ import annotations

import numpy as np

from solvers.core.program import Bools, Floats, Ints, LinearProgram
from solvers.core.record import Record

DUST = 1e-12
"""Part of a lot: less is a rounding of nothing."""


class Lots(Record):
    """What waits in a program. Lots of one kind (a workload, say) stand together, in the order in which they come.

    row, kind, work        (L,) the row that serves each, whose work it is, how much
    first, last            (L,) its first and last step; neither falls from one lot of a kind to the next
    column, lot, way, step (F,) its flows
    """

    row: Ints
    kind: Ints
    work: Floats
    first: Ints
    last: Ints
    column: Ints
    lot: Ints
    way: Ints
    step: Ints

    def only(self, kinds: Bools) -> Lots:
        """Those of some kinds, a mask by number of the kind."""
        keep = kinds[self.kind]
        number = np.cumsum(keep) - 1
        flow = keep[self.lot]
        return Lots(
            self.row[keep],
            self.kind[keep],
            self.work[keep],
            self.first[keep],
            self.last[keep],
            self.column[flow],
            number[self.lot[flow]],
            self.way[flow],
            self.step[flow],
        )


class Pooled(Record):
    """A program in which nothing says any more which lot runs, and the way back.

    program                  the smaller one
    columns                  (n',) where each of its columns stands in the whole program, −1: what waits at a step
    rows                     (m',) likewise, −1: what comes and runs at a step, or a row of one way and step
    group                    (F,) the way and step of each flow
    group_column, place      (G,) its column, and its kind and step
    most                     (P,) by kind and step
    lot_place                (L,) the kind and step at which each lot comes
    balance                  (P,) the row of each kind and step
    held, held_place, kept   (H,) columns of what waits, where, and the most of it
    step_of_place            (P,)
    own                      rows of one flow alone: in the whole program, in the smaller one, flow (k,) each
    """

    whole: LinearProgram
    program: LinearProgram
    columns: Ints
    rows: Ints
    lots: Lots
    group: Ints
    group_column: Ints
    place: Ints
    most: Floats
    lot_place: Ints
    balance: Ints
    held: Ints
    held_place: Ints
    kept: Floats
    step_of_place: Ints
    own: tuple[Ints, Ints, Ints]

    def together(self, point: Floats) -> Floats:
        """The point (n',) of the smaller program that a point (n,) of the whole one is."""
        lots, at = self.lots, self.columns >= 0
        small = np.zeros(self.program.n_columns)
        small[at] = point[self.columns[at]]
        ran = np.bincount(self.group, point[lots.column] * lots.work[lots.lot], len(self.place))
        small[self.group_column] = ran / self.most[self.place]
        came = np.bincount(self.lot_place, lots.work, len(self.most))
        left = np.cumsum(came - np.bincount(self.place, ran, len(self.most)))  # 0 where a kind ends
        small[self.held] = np.clip(left[self.held_place] / self.kept, 0.0, 1.0)
        return small

    def apart(self, point: Floats) -> Floats | None:
        """The point (n,) of the whole program that one of the smaller one is; None where a lot runs nowhere."""
        at = self.columns >= 0
        whole = np.zeros(self.whole.n_columns)
        whole[self.columns[at]] = point[at]
        share = self._shares(np.maximum(point[self.group_column], 0.0) * self.most[self.place])
        if share is None:
            return None
        whole[self.lots.column] = share
        return whole

    def _shares(self, ran: Floats) -> Floats | None:
        """(F,) of each lot by flow: first come, first served. `ran` (G,) work of each way and step."""
        lots, n = self.lots, len(self.lots.work)
        order = np.argsort(self.place, kind="stable")  # by kind, then step
        kind = np.zeros(len(self.place), dtype=np.int64)
        kind[self.group] = lots.kind[lots.lot]
        came, run = np.bincount(lots.kind, lots.work), np.bincount(kind, ran)
        if (run < 0.5 * came).any():
            return None
        some = came > 0
        part, ran = np.zeros(len(ran)), np.where(some[kind], ran, 0.0)
        part[some[kind]] = ran[some[kind]] / run[kind[some[kind]]]
        # each kind from 0 to 1, one after the other on one line
        run_to = _ends(part[order], kind[order])
        lot_to = _ends(lots.work / came[lots.kind], lots.kind)
        cuts = np.unique(np.concatenate([run_to, lot_to]))
        size = np.diff(cuts, prepend=0.0)
        middle = cuts - 0.5 * size
        lot = np.minimum(np.searchsorted(lot_to, middle), n - 1)
        group = order[np.minimum(np.searchsorted(run_to, middle), len(order) - 1)]
        key = self.group * n + lots.lot
        flow = np.argsort(key)
        at = np.minimum(np.searchsorted(key, group * n + lot, sorter=flow), len(key) - 1)
        size = size * came[lots.kind[lot]] / lots.work[lot]
        known = (key[flow[at]] == group * n + lot) & (size > DUST)
        known &= (
            middle.astype(np.int64) == lots.kind[lot]
        )  # a kind without work has a line that nobody stands on
        share = np.bincount(flow[at[known]], size[known], len(key))
        total = np.bincount(lots.lot, share, n)
        for one in np.flatnonzero(
            total < 0.5
        ).tolist():  # next to nothing beside its neighbours: it goes with them
            mine = np.flatnonzero(lots.lot == one)
            share[mine] = np.eye(len(mine))[np.argmax(ran[self.group[mine]])]
            total[one] = 1.0
        return np.asarray(share / total[lots.lot])

    def prices_apart(self, price: Floats) -> Floats:
        """(m,) duals of the whole program's rows, from those (m',) of the smaller one."""
        lots, at = self.lots, self.rows >= 0
        whole = np.zeros(self.whole.n_rows)
        whole[self.rows[at]] = price[at]
        usd = price[self.balance] / self.most  # of a unit of work
        flow_place = self.place[self.group]
        least = np.full(len(lots.work), np.inf)
        np.minimum.at(least, lots.lot, usd[flow_place])
        whole[lots.row] = least * lots.work
        row, small, flow = self.own
        whole[row] = price[small] * lots.work[lots.lot[flow]] / self.most[flow_place[flow]]
        return whole


def _ends(size: Floats, kind: Ints) -> Floats:
    """Where each piece ends on the line on which kinds stand one after the other, each of length 1."""
    end = np.concatenate([[0.0], np.cumsum(size)])
    first = np.searchsorted(kind, kind)
    return np.asarray(end[1:] - end[first] + kind)
