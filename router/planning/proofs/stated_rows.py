"""Rows of a search over sums of counts, by name: the verifier's own, and those that it makes of what is stated here."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from problems.core.arrays import Floats, Ints
from router.plan.proof import Rounding
from router.planning.proofs.found_rows import found_rows
from router.planning.proofs.scaled import ScaledRelaxation
from router.verification.bound.cuts import cut_name, cut_of
from router.verification.bound.relaxation import Constraint, RelaxedProblem
from router.verification.bound.roundings import rounding_name, rounding_of
from solvers import LinearProgram, SummedLeaves
from solvers.sums import pools

DIGITS = 10
"""Of a multiplier or a weight: any are right, and longer ones make the proof no better."""

type Found = list[tuple[int, float]]
"""Of rows of the search: where each stands in the verifier's, −1: nowhere, and how many of these it is."""


class StatedRows:
    """The search's rows by name; `names` are those of the verifier's rows and, behind them, of those that were made."""

    def __init__(
        self, model: ScaledRelaxation, program: LinearProgram, at: Ints, made: RelaxedProblem
    ) -> None:
        self.model, self.at, self.made = model, at, made
        self.place, self.factor = found_rows(model, program, at)
        self.by = pools(program)[1]
        self.names = list(model.promises)
        self.number = {name: i for i, name in enumerate(self.names)}
        self.roundings: list[Rounding] = []

    def row(self, name: str, factor: float = 1.0) -> tuple[int, float]:
        """A row that was made, behind those that are there already."""
        if name not in self.number:
            self.number[name] = len(self.names)
            self.names.append(name)
        return self.number[name], factor

    def own(self) -> Found:
        """Of the program's own rows."""
        return list(zip(self.place.tolist(), self.factor.tolist(), strict=True))

    def cuts(self, leaves: SummedLeaves) -> Found:
        """Of cuts: one of many flows is stated as the rounding that it is, once for all leaves."""
        found: Found = []
        for k, row in enumerate(self.place[leaves.cut].tolist()):
            flows, part = _entries(leaves.served, k)
            columns = self.at[flows]
            if row < 0:
                found.append((-1, 0.0))
                continue
            load, unit = self._coefficient(row, int(columns[0])), self._unit(row)
            names = tuple(self.model.names[j] for j in columns.tolist())
            name = self._rounding(Rounding({self.names[row]: 1.0 / unit}, names)) if len(flows) > 1 else None
            if name is not None:  # in it 1 − x has a / u / (1 − f), for a / u as `capacity_rows` has it
                total = sum(self._coefficient(row, j) for j in columns.tolist()) / unit
                rest = total - (np.ceil(total) - 1.0)
                found.append(self.row(name, float(part[0]) / (load / unit) * rest))
                continue
            name = self._cut(row, columns)
            found.append((-1, 0.0) if name is None else self.row(name, float(part[0]) / load))
        return found

    def shares(self, leaves: SummedLeaves) -> Found:
        """Of rows of limits on shares."""
        found: Found = []
        for k, unit in enumerate(leaves.unit.tolist()):
            stated = self._sum(*_entries(leaves.weights, k), _entries(leaves.strong, k)[0])
            name = None if stated is None else self._rounding(stated)
            found.append((-1, 0.0) if name is None else self.row(name, unit))
        return found

    def _sum(self, rows: Ints, weight: Floats, flows: Ints) -> Rounding | None:
        weights: dict[str, float] = {}
        for i, w in zip(rows.tolist(), weight.tolist(), strict=True):
            row = int(self.place[i])
            if row < 0:
                return None
            weights[self.names[row]] = w * float(self.factor[i] * self.model.row_scale[row])
        for flow in flows.tolist():
            row = int(self.place[self.by[flow]])
            if row < 0:
                return None
            load, unit = self._coefficient(row, int(self.at[flow])), self._unit(row)
            name = self.names[row] if load >= unit else self._cut(row, self.at[[flow]])
            if name is None:
                return None
            weights[name] = weights.get(name, 0.0) + 1.0 / min(load, unit)
        return Rounding({name: _short(w) for name, w in weights.items()}, ())

    def _rounding(self, stated: Rounding) -> str | None:
        """Its name; None where the verifier makes no row of it."""
        row = rounding_of(self.made, stated)
        if row is None:
            return None
        name = rounding_name(len(self.roundings))
        self.roundings.append(stated)
        self.made.constraints[name] = row
        return name

    def _cut(self, row: int, flows: Ints) -> str | None:
        """The name of the cut, which is then known."""
        if row < 0:
            return None
        name = cut_name(self.names[row], [self.model.names[j] for j in flows.tolist()])
        if name not in self.made.constraints:
            cut = cut_of(self.made, name)
            if cut is None:
                return None
            self.made.constraints[name] = cut
        return name

    def _unit(self, row: int) -> float:
        """What a count of the promise is good for."""
        return -min(a for _, a in self.model.relaxation.constraints[self.names[row]].terms)

    def _coefficient(self, row: int, column: int) -> float:
        """Of a promise."""
        model = self.model
        columns, values = _entries(model.program.matrix, row)
        value = float(values[np.searchsorted(columns, column)])
        return value / float(model.row_scale[row] * model.column_scale[column])

    def by_name(self, y: Floats) -> dict[str, float]:
        """USD per unit of promises, of multipliers of the program's rows."""
        usd = y * self._scale(len(y))
        return {self.names[i]: _short(usd[i]) for i in np.flatnonzero(usd).tolist()}

    def apart(self, each: Floats) -> tuple[dict[str, float], list[dict[str, float]]]:
        """(l, m) multipliers of leaves as prices, which most have in common, and what each has beside these.

        A price that a leaf takes back is right where a promise is kept exactly, or where no leaf takes it back.
        """
        usd = _rounded(each * self._scale(each.shape[1]))
        rows = [self.made.constraints[name] for name in self.names]
        price = np.where((usd == usd[0]).all(axis=0), usd[0], 0.0)
        for i in [i for i, row in enumerate(rows) if row.lower == row.upper]:
            values, times = np.unique(usd[:, i], return_counts=True)
            price[i] = values[np.argmax(times)] if times.max() > 1 else 0.0
        rest = np.where(usd == price, 0.0, usd - price)
        beside = [{self.names[i]: _short(leaf[i]) for i in np.flatnonzero(leaf).tolist()} for leaf in rest]
        return {self.names[i]: _short(price[i]) for i in np.flatnonzero(price).tolist()}, beside

    def _scale(self, rows: int) -> Floats:
        scale = self.model.row_scale
        return np.concatenate([scale, np.ones(rows - len(scale))])

    def program(self, sums: int) -> LinearProgram:
        """The verifier's with the rows that were made; sums are its last columns."""
        model, program = self.model, self.model.program
        index = {name: j for j, name in enumerate(self.made.variables)}
        scale = np.concatenate([model.column_scale, np.ones(sums)])
        rows: list[Constraint] = [self.made.constraints[name] for name in self.names[program.n_rows :]]
        row = np.repeat(np.arange(len(rows)), [len(each.terms) for each in rows])
        column = np.array([index[name] for each in rows for name, _ in each.terms], dtype=np.int64)
        value = np.array([a for each in rows for _, a in each.terms], dtype=float) * scale[column]
        n = program.n_columns + sums
        below = sparse.coo_array((value, (row, column)), shape=(len(rows), n)).tocsr()
        wider = sparse.hstack([program.matrix, sparse.csr_array((program.n_rows, sums))], format="csr")
        of_sums = [self.made.variables[name] for name in list(index)[program.n_columns :]]
        return LinearProgram(
            cost=np.concatenate([program.cost, np.zeros(sums)]),
            matrix=sparse.vstack([wider, below], format="csr"),
            row_lower=np.concatenate([program.row_lower, [each.lower for each in rows]]),
            row_upper=np.concatenate([program.row_upper, [each.upper for each in rows]]),
            col_lower=np.concatenate([program.col_lower, [each.lower for each in of_sums]]),
            col_upper=np.concatenate([program.col_upper, [each.upper for each in of_sums]]),
            integer=np.concatenate([program.integer, np.ones(sums, dtype=np.bool_)]),
            offset=program.offset,
        )


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _rounded(values: Floats) -> Floats:
    """To as many digits."""
    size = np.abs(values)
    digit = 10.0 ** (np.floor(np.log10(np.where(size > 0.0, size, 1.0))) - (DIGITS - 1))
    return np.asarray(np.round(values / digit) * digit)


def _entries(matrix: sparse.csr_array, row: int) -> tuple[Ints, Floats]:
    at = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[at], matrix.data[at]
