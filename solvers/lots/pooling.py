"""What is alike among lots, and the smaller program of it (see `solvers.lots`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from solvers.core.program import Bools, Floats, Ints, LinearProgram
from solvers.lots.pooled import Lots, Pooled

SAME = 1e-12
"""Relative: coefficients that differ by less are alike."""

FEWEST = 0.9
"""Part of the flows that may be left, at most: else it is not worth it."""


def pooled(program: LinearProgram, lots: Lots) -> Pooled | None:
    """See the module; None where too little waits that is alike."""
    while len(lots.column):
        made = _Pooling(program, lots)
        if made.alike.all():
            return made.pooled()
        lots = lots.only(made.alike)
    return None


class _Pooling:
    """What is alike, by kind, and the smaller program."""

    def __init__(self, program: LinearProgram, lots: Lots) -> None:
        self.program, self.lots = program, lots
        self.kinds = int(lots.kind.max(initial=-1)) + 1
        self.alike = np.ones(self.kinds, dtype=bool)
        self.flow_kind = lots.kind[lots.lot]
        self.places, place = np.unique(self._at(self.flow_kind, lots.step), return_inverse=True)
        self.step_of_place = self.places % (int(lots.last.max(initial=0)) + 1)
        _, first, self.group = np.unique(
            place * (int(lots.way.max(initial=0)) + 1) + lots.way, return_index=True, return_inverse=True
        )
        self.place, self.leader = place[first], first
        self._bad(self._in_order())
        self._entries()
        self._bad(self._told_apart())

    def _at(self, kind: Ints, step: Ints) -> Ints:
        return np.asarray(kind * (int(self.lots.last.max(initial=0)) + 1) + step)

    def _bad(self, flows: Bools) -> None:
        """Kinds of flows marked (F,) stay as they are."""
        self.alike[self.flow_kind[flows]] = False

    def _in_order(self) -> Bools:
        """Flows of kinds whose lots do not come and end in order, or do not run by every way at every step."""
        lots = self.lots
        same = np.diff(lots.kind) == 0
        falls = same & ((np.diff(lots.first) < 0) | (np.diff(lots.last) < 0))
        wrong = np.zeros(self.kinds, dtype=bool)
        wrong[lots.kind[1:][falls]] = True
        ways = np.unique(self.flow_kind * (int(lots.way.max(initial=0)) + 1) + lots.way)
        per_kind = np.bincount(ways // (int(lots.way.max(initial=0)) + 1), minlength=self.kinds)
        many = np.bincount(lots.lot, minlength=len(lots.work))
        wrong[lots.kind[many != per_kind[lots.kind] * (lots.last - lots.first + 1)]] = True
        wrong[lots.kind[lots.work <= 0]] = True
        return np.asarray(wrong[self.flow_kind])

    def _entries(self) -> None:
        """The coefficients of flows, without those of the rows that serve lots and of rows of one flow alone."""
        program, lots = self.program, self.lots
        matrix, m = program.matrix, program.n_rows
        flow_of = np.full(program.n_columns, -1, dtype=np.int64)
        flow_of[lots.column] = np.arange(len(lots.column))
        row = np.repeat(np.arange(m), np.diff(matrix.indptr))
        flow = flow_of[matrix.indices]
        entry = np.flatnonzero(flow >= 0)
        serves = np.zeros(m, dtype=bool)
        serves[lots.row] = True
        several = np.bincount(self.group)[self.group] > 1
        alone = (np.bincount(row[entry], minlength=m) == 1) & ~serves
        own = alone[row[entry]] & several[flow[entry]]
        self.serves, self.own_row, self.own_flow = serves, row[entry[own]], flow[entry[own]]
        self.own_value = matrix.data[entry[own]]
        rest = entry[~own & ~serves[row[entry]]]
        order = rest[np.lexsort((row[rest], flow[rest]))]
        self.row, self.flow, self.value = row[order], flow[order], matrix.data[order]
        served = entry[serves[row[entry]]]
        odd = (matrix.data[served] != 1.0) | (row[served] != lots.row[lots.lot[flow[served]]])
        self._bad(np.bincount(flow[served], odd, len(lots.lot)) > 0)
        self._bad(np.bincount(flow[served], minlength=len(lots.lot)) != 1)
        whole = (np.diff(matrix.indptr) == np.bincount(row[served], minlength=m)) & (program.row_lower == 1)
        wrong = ~(whole & (program.row_upper == 1))[lots.row]
        self._bad(wrong[lots.lot])

    def _told_apart(self) -> Bools:
        """Flows that differ from the first of their way and step in more than their work."""
        program, lots = self.program, self.lots
        work = lots.work[lots.lot]
        lead = self.leader[self.group]
        column = lots.column
        factor = work / work[lead]
        low, high = program.col_lower[column], program.col_upper[column]
        odd = (low != 0) | ((high < 1) & (high != 0)) | ((high == 0) != (high == 0)[lead])
        odd |= program.integer[column]
        cost = program.cost[column]
        odd |= np.abs(cost - cost[lead] * factor) > SAME * np.abs(cost)
        many = np.bincount(self.flow, minlength=len(column))
        start = np.cumsum(many) - many
        odd |= many != many[lead]
        fine = ~odd[self.flow] & (many[lead[self.flow]] == many[self.flow])
        beside = start[lead[self.flow]] + np.arange(len(self.flow)) - start[self.flow]
        beside = np.where(fine, beside, np.arange(len(self.flow)))
        unlike = self.row != self.row[beside]
        unlike |= np.abs(self.value - self.value[beside] * factor[self.flow]) > SAME * np.abs(self.value)
        odd |= np.bincount(self.flow, unlike, len(column)) > 0
        return np.asarray(odd | self._odd_own())

    def _odd_own(self) -> Bools:
        """Flows with a row of their own that says more than that nothing runs on nothing."""
        program, matrix = self.program, self.program.matrix
        odd = np.zeros(len(self.lots.lot), dtype=bool)
        if not len(self.own_row):
            return odd
        part = matrix[self.own_row]
        row = np.repeat(np.arange(len(self.own_row)), np.diff(part.indptr))
        other = part.indices != self.lots.column[self.own_flow][row]
        held = (program.col_lower == program.col_upper) & (program.col_lower == np.round(program.col_lower))
        wrong = other & ~(program.integer | held)[part.indices]
        odd_row = np.bincount(row, wrong, len(self.own_row)) > 0
        limits = (program.row_upper[self.own_row] != 0) | np.isfinite(program.row_lower[self.own_row])
        odd[self.own_flow[odd_row | limits | (self.own_value != 1.0)]] = True
        return odd

    def pooled(self) -> Pooled | None:
        program, lots, group = self.program, self.lots, self.group
        n, groups, places = program.n_columns, len(self.place), len(self.places)
        if groups > FEWEST * len(lots.column):
            return None
        work = lots.work[lots.lot]
        place, lot = np.divmod(np.unique(self.place[group] * len(lots.work) + lots.lot), len(lots.work))
        most = np.bincount(place, lots.work[lot], places)
        waits = self.step_of_place[place] < lots.last[lot]
        kept = np.bincount(place[waits], lots.work[lot[waits]], places)
        lot_place = np.searchsorted(self.places, self._at(lots.kind, lots.first))
        held_place = np.flatnonzero(kept > 0)
        out = np.ones(n, dtype=bool)
        out[lots.column] = False
        lead = lots.column[self.leader]
        out[lead] = True
        kept_columns = np.flatnonzero(out)
        group_column = np.searchsorted(kept_columns, lead)
        held = len(kept_columns) + np.arange(len(held_place))
        own_of, own_first = self._own_groups()
        dropped = self.serves.copy()
        dropped[self.own_row] = True
        kept_rows = np.flatnonzero(~dropped)
        body = program.matrix[kept_rows]
        own = program.matrix[self.own_row[own_first]]
        balance = len(kept_rows) + len(own_first) + np.arange(places)
        scale = np.ones(len(kept_columns))
        scale[group_column] = most[self.place] / work[self.leader]
        upper = self._scaled(body, kept_columns, scale)
        middle = self._own_rows(own, kept_columns, group_column, own_first)
        lower = self._balance(group_column, most, kept, held_place, len(kept_columns))
        wide = sparse.csr_array((len(kept_rows) + len(own_first), len(held_place)))
        top = sparse.hstack([sparse.vstack([upper, middle], format="csr"), wide], format="csr")
        came = np.bincount(lot_place, lots.work, places) / most
        cost, zero, one = program.cost[kept_columns] * scale, np.zeros(len(held)), np.ones(len(held))
        high = program.col_upper[kept_columns].copy()
        high[group_column] = np.minimum(high[group_column], 1.0)
        none = np.full(len(own_first), -np.inf)
        small = LinearProgram(
            cost=np.concatenate([cost, zero]),
            matrix=sparse.vstack([top, lower], format="csr"),
            row_lower=np.concatenate([program.row_lower[kept_rows], none, came]),
            row_upper=np.concatenate([program.row_upper[kept_rows], np.zeros(len(own_first)), came]),
            col_lower=np.concatenate([program.col_lower[kept_columns], zero]),
            col_upper=np.concatenate([high, one]),
            integer=np.concatenate([program.integer[kept_columns], zero > 1]),
            offset=program.offset,
            name=program.name,
        )
        rows = np.concatenate([kept_rows, np.full(len(own_first) + places, -1)])
        return Pooled(
            program,
            small,
            np.concatenate([kept_columns, np.full(len(held), -1)]),
            rows,
            lots,
            group,
            group_column,
            self.place,
            most,
            lot_place,
            balance,
            held,
            held_place,
            kept[held_place],
            self.step_of_place,
            (self.own_row, len(kept_rows) + own_of, self.own_flow),
        )

    def _own_groups(self) -> tuple[Ints, Ints]:
        """(k,) the row of its way and step of each row of one flow alone, and one of each to make it of."""
        part = self.program.matrix[self.own_row]
        row = np.repeat(np.arange(len(self.own_row)), np.diff(part.indptr))
        other = part.indices != self.lots.column[self.own_flow][row]
        said: dict[tuple[int, bytes, bytes], int] = {}
        of, first = np.zeros(len(self.own_row), dtype=np.int64), list[int]()
        for k in range(len(self.own_row)):
            at = slice(part.indptr[k], part.indptr[k + 1])
            mine = other[at]
            key = (
                int(self.group[self.own_flow[k]]),
                part.indices[at][mine].tobytes(),
                part.data[at][mine].tobytes(),
            )
            if key not in said:
                said[key] = len(first)
                first.append(k)
            of[k] = said[key]
        return of, np.array(first, dtype=np.int64)

    @staticmethod
    def _scaled(body: Any, kept_columns: Ints, scale: Floats) -> Any:
        part = body.tocsc()[:, kept_columns]
        return (part @ sparse.diags_array(scale)).tocsr()

    def _own_rows(self, own: Any, kept_columns: Ints, group_column: Ints, first: Ints) -> Any:
        part, flow = own.tocoo(), self.own_flow[first]
        mine = part.col == self.lots.column[flow][part.row]
        column = np.where(
            mine, group_column[self.group[flow]][part.row], np.searchsorted(kept_columns, part.col)
        )
        shape = (len(first), len(kept_columns))
        return sparse.coo_array((part.data, (part.row, column)), shape=shape).tocsr()

    def _balance(self, group_column: Ints, most: Floats, kept: Floats, held_place: Ints, n: int) -> Any:
        """What comes at a step runs then or waits; what has waited likewise."""
        places, k = len(most), len(held_place)
        row = np.concatenate([self.place, held_place, held_place + 1])
        column = np.concatenate([group_column, n + np.arange(k), n + np.arange(k)])
        value = np.concatenate(
            [
                np.ones(len(self.place)),
                kept[held_place] / most[held_place],
                -kept[held_place] / most[held_place + 1],
            ]
        )
        return sparse.coo_array((value, (row, column)), shape=(places, n + k)).tocsr()
