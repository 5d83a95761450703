"""The second stages of all scenarios as one function of the first, and what they become where a question changes them.

    Q(x) = Σ_s p[s] · Q_s(x)         each Q_s as in `recourse`; with x held they have nothing in common

A question changes costs, takes something off the table, or multiplies all amounts. Cuts of the program that it begins
from hold where nothing of it gets cheaper and no bound wider, and by proportion where amounts are multiplied:

    Q'(x) = f · Q(x / unit)          so that a cut at x̂ of Q, cost and subgradient, is one at unit · x̂ of Q':
                                     f · cost, f · subgradient / unit
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Stop
from solvers.highs import load
from solvers.two_stage.recourse import CLOSE, OPTIONS, ended, made, refusal

type Cut = tuple[Floats, Floats, Floats]
"""x (k,), costs (S,), subgradients (S, k)."""


class JointRecourse:
    """As `Recourse`, with a HiGHS of its own, which goes on from the x before.

    `program` is that of all scenarios, whose objective is the mean over their `probability` (S,), none of which is 0.
    What the first stage costs is taken to cost the same in all of them: right for their mean.
    """

    def __init__(self, program: LinearProgram, probability: Floats) -> None:
        relaxed, (columns, rows) = program.relax(), program.linking
        assert relaxed.blocks is not None  # a program of scenarios says which is whose
        self.linking, self._probability = np.flatnonzero(columns).astype(np.int32), probability
        self._own, self._scenario = np.flatnonzero(~columns), relaxed.blocks.columns[~columns]
        self._ahead, self._fixed, cost = self._apart(program)
        self._second = relaxed.take(rows=~rows).program.with_cost(cost, 0.0)
        self._told: list[Cut] = []  # of the second stages alone
        many, of = len(probability), relaxed.blocks.rows[~rows]
        self._sums = sparse.csr_array((np.ones(len(of)), (of, np.arange(len(of)))), shape=(many, len(of)))
        self._pull = self._second.matrix[:, self.linking]
        self._factor, self._unit = 1.0, np.ones(len(self.linking))
        self._amounts = np.zeros(0, dtype=np.int64)
        self._engine = _Engine(self._second)
        self.basis: Any = None  # where it stands while another is asked
        self.point = np.zeros(0)  # (n,) of the last x that had second stages, the linking columns with it

    def _apart(self, program: LinearProgram) -> tuple[Floats, float, Floats]:
        """Costs (k,) of the first stage, the constant, and costs (n,) of the second stages, each as if certain."""
        cost, all_of = program.cost.copy(), self._probability.sum()
        ahead = cost[self.linking] / all_of
        cost[self.linking] = 0.0
        cost[self._own] /= self._probability[self._scenario]
        return ahead, program.offset / all_of, cost

    def changed(self, program: LinearProgram) -> JointRecourse:
        """Of a program that has the same rows of the second stage, at other costs or in other bounds.

        It begins where this one stands, whatever other is asked meanwhile. The cuts told are known where nothing is
        cheaper, and nothing wider.
        """
        other = self._copied()
        other._ahead, other._fixed, cost = self._apart(program)
        lower, upper = self._second.col_lower.copy(), self._second.col_upper.copy()
        lower[self._own], upper[self._own] = program.col_lower[self._own], program.col_upper[self._own]
        before, negative = self._second, lower[self._own] < 0
        dearer, cheaper = (cost > before.cost)[self._own], (cost < before.cost)[self._own]
        wider = (lower < before.col_lower) | (upper > before.col_upper)
        if cheaper.any() or (dearer & negative).any() or wider.any():
            other._told = []
        other._second = replace(before, cost=cost, col_lower=lower, col_upper=upper)
        return other

    def multiplied(
        self, program: LinearProgram, factor: float, unit: Floats, amounts: np.ndarray
    ) -> JointRecourse:
        """Of a program whose Q is factor · Q(x / unit), unit (k,).

        amounts   (n,) bool, columns of the second stage that are multiplied too
        """
        other = self._copied()
        other._ahead, other._fixed, _ = self._apart(program)
        other._factor, other._unit = self._factor * factor, self._unit * unit
        other._amounts = np.flatnonzero(amounts)
        other._told = [(x * unit, cost * factor, slope * (factor / unit)) for x, cost, slope in self._told]
        return other

    def _copied(self) -> JointRecourse:
        other = copy(self)
        other._told, other.basis = list(self._told), self._engine.basis_of(self)
        return other

    def known(self) -> list[Cut]:
        """What bounds the costs from below, told before."""
        return [
            (x, cost + self._ahead @ x + self._fixed, gradient + self._ahead)
            for x, cost, gradient in self._told
        ]

    def at(self, x: Floats) -> Cut:
        """As `benders.Oracle`; where some scenario has no second stage, one of them says what it lacks."""
        h, many, y = self._engine.held_by(self, self._second, self.basis), self._sums.shape[0], x / self._unit
        h.changeColsBounds(len(self.linking), self.linking, y, y)
        h.run()
        stop, nothing = ended(h), np.full(many, -np.inf)
        if stop is not Stop.OPTIMAL:
            gradient = np.zeros((many, len(x)))
            if stop is Stop.INFEASIBLE:
                lacking = refusal(h, self._second, self.linking, y)
                gradient[0], nothing[0] = lacking.gradient / self._unit, lacking.least
            return np.full(many, np.inf), gradient, nothing
        found = h.getSolution()
        point, dual = np.array(found.col_value), np.asarray(found.row_dual)
        spent = (self._second.cost * point)[self._own]
        cost = np.bincount(self._scenario, weights=spent, minlength=many).astype(float) * self._factor
        slope = -(self._sums @ sparse.csr_array(self._pull.multiply(dual[:, None]))).toarray()
        slope *= self._factor / self._unit
        point[self._amounts] *= self._factor
        point[self.linking] = x
        self.point = point
        self._told.append((x.copy(), cost, slope))
        return cost + self._ahead @ x + self._fixed, slope + self._ahead, nothing


class _Engine:
    """One HiGHS for a program and all that is asked of it; each question goes on from where its own stands."""

    def __init__(self, program: LinearProgram) -> None:
        self._highs = made({**OPTIONS, **CLOSE})
        load(self._highs, program)
        self._holder: JointRecourse | None = None

    def basis_of(self, holder: JointRecourse) -> Any:
        """Where a question stands; None: at the beginning."""
        if self._holder is holder:
            holder.basis = self._highs.getBasis()
        return holder.basis

    def held_by(self, holder: JointRecourse, program: LinearProgram, basis: Any) -> Any:
        """HiGHS with its program, at its basis."""
        h, n = self._highs, program.n_columns
        if self._holder is not holder:
            if self._holder is not None:
                self.basis_of(self._holder)
                every = np.arange(n, dtype=np.int32)
                h.changeColsCost(n, every, program.cost)
                h.changeColsBounds(n, every, program.col_lower, program.col_upper)
                h.clearSolver()
                if basis is not None:
                    h.setBasis(basis)
            self._holder = holder
        return h
