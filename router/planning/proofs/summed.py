"""A bound by a tree over counts and their sums: the search's own leaves, by promise.

The search's rows are found again in the verifier's by what they hold (`found_rows`). Rows that it made are stated: a
cut of one flow by its promise, all else as the sum of promises that it is, which the verifier rounds. Columns that the
search did without are in the verifier's rows: for these `Repaired` finds multipliers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from problems.core.arrays import Bools, Floats, Ints
from router.plan.proof import ProofCase, ProvenLeaf
from router.plan.values import Interval
from router.planning.proofs.piecewise import columns_by_name
from router.planning.proofs.repaired import Repaired
from router.planning.proofs.scaled import ScaledRelaxation, part_of
from router.planning.proofs.stated_rows import StatedRows
from router.verification.bound.roundings import with_sums
from solvers import LinearProgram, SummedLeaves

MOST_MULTIPLIERS = 1_000_000
"""Of all leaves: more would be longer to write and to check than the search was."""


def summed_cases(
    model: ScaledRelaxation, program: LinearProgram, leaves: SummedLeaves
) -> tuple[ProofCase, ...] | None:
    """A case for each column that is off in the tree, with it on, and one for the tree; their bounds not worked out
    yet. `leaves` of the search's program. None: too many, or of something that the verifier does not decide.
    """
    at = columns_by_name(model, program)
    rows = program.n_rows + len(leaves.cut) + len(leaves.unit) + len(leaves.groups)
    known = len(at) == program.n_columns and (at >= 0).all() and leaves.multipliers.shape[1] == rows
    if leaves.multipliers.nnz > MOST_MULTIPLIERS or not known:
        return None
    sums = {f"sum({i})": _names(model, at[group]) for i, group in enumerate(leaves.groups)}
    made = with_sums(model.relaxation, sums)
    if made is None:
        return None
    stated = StatedRows(model, program, at, made)
    found = [*stated.own(), *stated.cuts(leaves), *stated.shares(leaves), *map(stated.row, sums)]
    wider = stated.program(len(sums))
    return _Cases(stated, wider, _places(found, wider.n_rows), sums).of(leaves, program.integer)


def _names(model: ScaledRelaxation, columns: Ints) -> tuple[str, ...]:
    return tuple(model.names[j] for j in columns.tolist())


def _places(found: list[tuple[int, float]], rows: int) -> Any:
    """(k, rows): multipliers of the search's rows, times this, are those of the verifier's."""
    place, factor = np.array([of for of, _ in found]), np.array([factor for _, factor in found])
    some = np.flatnonzero(place >= 0)
    return sparse.coo_array((factor[some], (some, place[some])), shape=(len(found), rows)).tocsr()


class _Cases:
    """Cases of a program of the verifier's with the rows that were made."""

    def __init__(
        self, stated: StatedRows, program: LinearProgram, places: Any, sums: dict[str, tuple[str, ...]]
    ) -> None:
        self.stated, self.places, self.sums = stated, places, sums
        self.repaired, self.ranges = Repaired(program), dict[str, Interval]()
        self.lower, self.upper = program.col_lower.copy(), program.col_upper.copy()
        self.names = [*stated.model.names, *sums]
        self.part = part_of(stated.model, range(len(stated.model.names)))

    def of(self, leaves: SummedLeaves, whole: Bools) -> tuple[ProofCase, ...]:
        """All of them; whole (n,) columns of the search are in the ranges of leaves."""
        at = self.stated.at
        on = [
            self._with_on(column, y)
            for column, y in zip(at[leaves.off].tolist(), leaves.refuting, strict=True)
        ]
        columns = np.concatenate([at[whole], len(self.stated.model.names) + np.arange(len(self.sums))])
        return (*on, self._tree(leaves, columns))

    def _with_on(self, column: int, y: Floats) -> ProofCase:
        """A column that is 0 in all cases after this one."""
        lower = self.lower.copy()
        lower[column] = 1.0
        own = self.repaired.multipliers(y @ self.places[: len(y)], lower, self.upper)
        ranges = {**self.ranges, self.names[column]: (1.0, None)}
        self.ranges[self.names[column]] = (None, 0.0)
        self.upper[column] = 0.0
        return ProofCase(ranges, 0.0, (replace(self.part, multipliers=self.stated.by_name(own)),))

    def _tree(self, leaves: SummedLeaves, columns: Ints) -> ProofCase:
        each = []
        for low, high, y in zip(leaves.lower, leaves.upper, leaves.multipliers @ self.places, strict=True):
            lower, upper = self.lower.copy(), self.upper.copy()
            lower[columns] = np.maximum(lower[columns], low)
            upper[columns] = np.minimum(upper[columns], high)
            each.append(self.repaired.multipliers(y.toarray().ravel(), lower, upper))
        prices, beside = self.stated.apart(self.repaired.alike(np.array(each), self.lower, self.upper))
        names = [self.names[j] for j in columns.tolist()]
        proven = tuple(
            ProvenLeaf(_ranges(names, low, high), multipliers)
            for low, high, multipliers in zip(leaves.lower, leaves.upper, beside, strict=True)
        )
        roundings = tuple(self.stated.roundings) or None
        tree = replace(self.part, leaves=proven)
        return ProofCase(self.ranges, 0.0, (tree,), prices or None, self.sums, roundings)


def _ranges(names: list[str], lower: Floats, upper: Floats) -> dict[str, Interval]:
    ends = zip(names, lower.tolist(), upper.tolist(), strict=True)
    return {
        name: (low if np.isfinite(low) else None, high if np.isfinite(high) else None)
        for name, low, high in ends
        if np.isfinite(low) or np.isfinite(high)
    }
