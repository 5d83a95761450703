"""A second stage that falls apart once the first is held, such as months of a year: like parts are solved once.

rows − T·x   what is left of a row's limits at a first stage x; parts that are equal in all else and in these have one
             answer, and the basis of one is where the next begins
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.components import labels
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record

NEAR = 1e-9  # of what rows without a column of the second stage may be short


class HeldKind(Record):
    """Parts that are alike in all but their row limits."""

    program: LinearProgram  # of one of them
    columns: Ints  # (parts, n) in the whole
    rows: Ints  # (parts, m)


class HeldParts(Record):
    """All parts of a second stage, and what links them to the first."""

    kinds: tuple[HeldKind, ...]
    bare: Ints  # rows without a column of the second stage
    pull: Any  # (m, linking) sparse: T

    @classmethod
    def of(cls, second: LinearProgram, linking: NDArray[np.int32]) -> HeldParts | None:
        """None where it is all one."""
        free = np.ones(second.n_columns, dtype=bool)
        free[linking] = False
        own = np.flatnonzero(free)
        if not len(own):
            return None
        held = second.matrix[:, own]
        label = labels(held)
        order = np.argsort(label, kind="stable")
        many = np.diff(held.indptr)
        touched = np.flatnonzero(many > 0)
        of_row = label[held.indices[held.indptr[touched]]]
        rows = touched[np.argsort(of_row, kind="stable")]
        names, first, sizes = np.unique(label[order], return_index=True, return_counts=True)
        if len(names) == 1:
            return None
        by_part = held[rows][:, order].tocsr()
        by_part.sort_indices()
        row_ends = np.searchsorted(np.sort(of_row), names, side="right")
        kinds: dict[bytes, tuple[LinearProgram, list[Ints], list[Ints]]] = {}
        for k, (c0, size) in enumerate(zip(first.tolist(), sizes.tolist(), strict=True)):
            r0, r1 = (int(row_ends[k - 1]) if k else 0), int(row_ends[k])
            at, mine = own[order[c0 : c0 + size]], rows[r0:r1]
            begin, end = by_part.indptr[r0], by_part.indptr[r1]
            entries = (
                by_part.data[begin:end],
                by_part.indices[begin:end] - c0,
                by_part.indptr[r0 : r1 + 1] - begin,
            )
            arrays = (*entries, second.cost[at], second.col_lower[at], second.col_upper[at])
            key = b"|".join(array.tobytes() for array in arrays)
            if key not in kinds:
                matrix = sparse.csr_array(entries, shape=(r1 - r0, size))
                program = LinearProgram(
                    cost=second.cost[at],
                    matrix=matrix,
                    row_lower=np.full(r1 - r0, -np.inf),
                    row_upper=np.full(r1 - r0, np.inf),
                    col_lower=second.col_lower[at],
                    col_upper=second.col_upper[at],
                    integer=np.zeros(size, dtype=bool),
                )
                kinds[key] = program, [], []
            kinds[key][1].append(at)
            kinds[key][2].append(mine)
        made = tuple(HeldKind(program, np.array(at), np.array(mine)) for program, at, mine in kinds.values())
        return cls(made, np.flatnonzero(many == 0), second.matrix[:, linking].tocsr())

    def limits(self, second: LinearProgram, x: Floats) -> tuple[Floats, Floats] | None:
        """(lower, upper) of all rows less what the first stage fills of them; None where that alone breaks one."""
        filled = self.pull @ x
        lower, upper = second.row_lower - filled, second.row_upper - filled
        if (lower[self.bare] > NEAR).any() or (upper[self.bare] < -NEAR).any():
            return None
        return lower, upper

    def solved(
        self, h: Any, loads: Any, ended: Any, limits: tuple[Floats, Floats], bases: Sequence[Any]
    ) -> tuple[float, Floats, tuple[Any, ...]] | None:
        """(cost, duals (m,), a basis of each kind) by HiGHS; None where a part has no answer."""
        lower, upper = limits
        dual, cost = np.zeros(len(lower)), 0.0
        found: list[Any] = []
        for k, kind in enumerate(self.kinds):
            loads(h, kind.program)
            if bases:
                h.setBasis(bases[k])
            known: dict[bytes, tuple[float, Floats]] = {}
            every = np.arange(kind.rows.shape[1], dtype=np.int32)
            for rows in kind.rows:
                low, high = lower[rows], upper[rows]
                key = low.tobytes() + high.tobytes()
                if key not in known:
                    h.changeRowsBounds(len(every), every, low, high)
                    h.run()
                    if not ended(h):
                        return None
                    value = float(h.getInfo().objective_function_value)
                    known[key] = value, np.array(h.getSolution().row_dual)
                    if len(known) == 1:
                        found.append(h.getBasis())
                usd, dual[rows] = known[key]
                cost += usd
        return cost, dual, tuple(found)
