"""The L-shaped method: a two-stage program by cuts, when the one big program is too big.

    minimise    (1 − ω) · Σ_s p[s] · θ[s] + ω · (t + Σ_s p[s] · e[s] / (1 − α)),   e[s] ≥ θ[s] − t
    subject to  rows of the first stage on x,   θ[s] ≥ Q_s(x̂) + g_s·(x − x̂) for every x̂ tried,
                h·x ≥ least                     where x̂ had no second stage (a ray of its dual proves it)

Each round solves the master for x, then every scenario's second stage at x for its cost and a subgradient (Van Slyke
and Wets 1969; one θ per scenario, or per group of scenarios where risk does not ask for each: Birge and Louveaux 1988).
The master's optimum is a bound, the best x tried an answer. The first rounds leave integrality out: cuts are as good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from solvers import highs
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.core.result import Stop
from solvers.core.shell import solve
from solvers.two_stage.risk import TailRisk

Oracle = Callable[[Floats], tuple[Floats, Floats, Floats]]
"""x (n,) → costs (S,), inf where no second stage follows; subgradients (S, n); and least (S,), where cost is inf:
what gradient · x must come to before there is one (−inf: not known)."""


class TwoStage(Record):
    """What the method found. `x` is None where no x tried has a second stage in every scenario."""

    stop: Stop
    x: Floats | None
    bound: float
    rounds: int


def l_shaped(
    master: LinearProgram,
    probability: Floats,
    oracle: Oracle,
    *,
    start: Floats,
    options: SolveOptions,
    risk: TailRisk,
    known: Sequence[tuple[Floats, Floats, Floats]] = (),
) -> TwoStage:
    """Solve by cuts from a first x. `master` holds columns and rows of the first stage; its own costs are not used.

    known   x (n,), costs (S,) and subgradients (S, n) that hold before the first round
    """
    search = _Search(master, probability, oracle, options, risk)
    for told in known:
        search.cuts.add(*told)
    try:
        stop = search.relaxed(start) or search.whole()
    except OutOfTime:
        stop = Stop.TIME_LIMIT
    return TwoStage(stop, search.best_x, search.bound, search.rounds)


class OutOfTime(Exception):
    """Of an oracle: no time is left to look at all scenarios. What was found before stands."""


class _Search:
    """The rounds: first without integrality, then with it, on the same cuts."""

    def __init__(
        self,
        master: LinearProgram,
        probability: Floats,
        oracle: Oracle,
        options: SolveOptions,
        risk: TailRisk,
    ) -> None:
        self.master, self.probability, self.oracle = master, probability, oracle
        self.options, self.risk = options, risk
        self.cuts = _Cuts(master, probability, risk)
        self.rounds = 0
        self.best_x: Floats | None = None
        self.best, self.bound = np.inf, -np.inf

    def relaxed(self, start: Floats) -> Stop | None:
        """Cuts without integrality, half way between the best x and the master's; None where integrality is left to do.

        Half way, because the master's own x jumps from corner to corner, where a second stage has many subgradients and
        gives a poor one (in-out separation: Ben-Ameur and Neto 2007). If that moved nothing, the master's x is tried.
        """
        inner, value, x = None, np.inf, start
        while self.rounds < RELAXED_ROUNDS or not self.master.is_mip:
            usd = self._evaluate(x)
            if usd is None:
                return Stop.INFEASIBLE
            if usd < value:
                inner, value = x, usd
                self._tell(value if not self.master.is_mip else np.inf)
            before = self.bound
            outer, stop = self._master(relaxed=True)
            if outer is None and (stop is not Stop.TIME_LIMIT or not self.cuts.rows):
                return stop
            if outer is None:
                break
            # where whole first stages follow, they are cut in their turn
            close = max(self.options.gap, ROUGH) if self.master.is_mip else self.options.gap
            if np.isfinite(value) and value - self.bound <= close * max(abs(value), 1e-12):
                break
            moved = self.bound - before > 1e-9 * max(abs(self.bound), 1e-12)
            if not moved and np.array_equal(outer, x):
                break  # no cut tells more at this accuracy
            x = outer if inner is None or not moved else inner + 0.5 * (outer - inner)
            if self.options.late:
                break
        if not self.master.is_mip:
            self.best_x, self.best = inner, value
            return self._ended()
        return None

    def whole(self) -> Stop:
        """Whole first stages, each tried and cut, until none can be better; one of them whatever the time."""
        tried: list[Floats] = []
        while True:
            x, stop = self._master(relaxed=False)
            if x is None:
                return stop
            if self._closed() or any(np.array_equal(x, other) for other in tried):
                return self._ended()
            tried.append(x)
            value = self._evaluate(x)
            if value is None:
                return Stop.INFEASIBLE
            if value < self.best:
                self.best_x, self.best = x, value
            self._tell(self.best)
            if self._closed() or self.options.late:
                return self._ended()

    def _evaluate(self, x: Floats) -> float | None:
        """The objective at x (inf where a scenario cannot follow), with its cuts; None where no cut can help that."""
        self.rounds += 1
        cost, gradient, least = self.oracle(x)
        served = np.isfinite(cost)
        for s in np.flatnonzero(~served):
            self.cuts.need(gradient[s], float(least[s]))
        if not served.all():
            return np.inf if np.isfinite(least[~served]).any() else None
        self.cuts.add(x, cost, gradient)
        return self.risk.mix(float(self.probability @ cost), cost, self.probability)

    def _master(self, *, relaxed: bool) -> tuple[Floats | None, Stop]:
        program = self.cuts.program()
        gap = self.options.gap / 4
        first = not relaxed and self.best_x is None  # without it there is no plan
        own = replace(self.options.finishing if first else self.options, gap=gap, watch=None)
        answer = solve(highs, program.relax() if relaxed else program, own)
        if answer.stop is Stop.INTERRUPTED:
            raise KeyboardInterrupt
        if answer.point is None:
            return None, answer.stop
        self.bound = max(self.bound, answer.bound)
        x = np.clip(answer.point[: self.master.n_columns], self.master.col_lower, self.master.col_upper)
        if not relaxed:  # the solver's tolerance is no decision: no scenario need follow −1e-7 instances
            x = np.where(self.master.integer, np.round(x), x)
        return x, answer.stop

    def _tell(self, best: float) -> None:
        """Where the search stands, to who watches it: inf where no whole first stage is known yet."""
        if self.options.watch is not None:
            self.options.watch(best, self.bound)

    def _closed(self) -> bool:
        close = self.options.gap * max(abs(self.best), 1e-12)
        return self.best_x is not None and self.best - self.bound <= close

    def _ended(self) -> Stop:
        if self._closed():
            return Stop.OPTIMAL
        return Stop.TIME_LIMIT if self.options.late else Stop.ITERATION_LIMIT


RELAXED_ROUNDS = 60
ROUGH = 1e-4  # relative: how near the bound without integrality need be to what it bounds
GROUPS = 20  # of scenarios that share a cut


class _Cuts:
    """The master program as it grows."""

    def __init__(self, master: LinearProgram, probability: Floats, risk: TailRisk) -> None:
        self.master, self.probability, self.risk = master, probability, risk
        n = len(probability)
        # risk needs every scenario's cost; else neighbours share a θ
        many = n if risk.weight > 0 else min(GROUPS, n)
        self.member = np.arange(n) * many // n
        self.weight = np.bincount(self.member, weights=probability, minlength=many).astype(float)
        self.scale = 1.0
        self.rows: list[Floats] = []
        self.lower: list[float] = []
        self.theta: list[int] = []
        self.needs: list[Floats] = []
        self.least: list[float] = []

    def add(self, x: Floats, cost: Floats, gradient: Floats) -> None:
        """θ[g] ≥ Σ_s p[s]/p[g] · (cost + gradient · (x' − x)), in units of `scale` dollars."""
        if not self.rows:
            typical = float(np.abs(cost).mean())
            self.scale = 2.0 ** round(np.log2(typical)) if typical > 0 else 1.0
        share = self.probability / np.where(self.weight > 0, self.weight, 1.0)[self.member]
        for g in range(len(self.weight)):
            mine = self.member == g
            slope = share[mine] @ gradient[mine] / self.scale
            level = float(share[mine] @ cost[mine]) / self.scale
            self.rows.append(slope)
            self.lower.append(level - float(slope @ x))
            self.theta.append(g)

    def need(self, gradient: Floats, least: float) -> None:
        """gradient · x ≥ least, scaled to coefficients near 1."""
        if np.isfinite(least):
            size = float(np.abs(gradient).max(initial=0.0)) or 1.0
            self.needs.append(gradient / size)
            self.least.append(least / size)

    def program(self) -> LinearProgram:
        """Columns x, θ, and for risk t and e."""
        m, many, weight = self.master, len(self.weight), self.risk.weight
        tail = many + 1 if weight > 0 else 0
        n = m.n_columns + many + tail
        cost = np.zeros(n)
        cost[m.n_columns : m.n_columns + many] = (1 - weight) * self.weight
        theta = m.n_columns + np.arange(many)
        slopes = np.array([*(-row for row in self.rows), *self.needs])
        # also where there are none of either
        slopes = slopes.reshape(len(self.rows) + len(self.needs), m.n_columns)
        blocks = [
            sparse.hstack([m.matrix, sparse.csr_array((m.n_rows, many + tail))]),
            sparse.hstack(
                [
                    sparse.csr_array(slopes),
                    _unit(np.array(self.theta, dtype=np.int64), len(slopes), many),
                    sparse.csr_array((len(slopes), tail)),
                ]
            ),
        ]
        lower = [m.row_lower, np.array(self.lower + self.least)]
        upper = [m.row_upper, np.full(len(slopes), np.inf)]
        if weight > 0:
            t, e = n - tail, n - many + np.arange(many)
            cost[t], cost[e] = weight, weight * self.probability / (1.0 - self.risk.level)
            row = np.arange(many)
            ones = np.ones(many)
            entries = (
                np.concatenate([ones, ones, -ones]),
                (np.tile(row, 3), np.concatenate([e, np.full(many, t), theta])),
            )
            blocks.append(sparse.csr_array(entries, shape=(many, n)))
            lower.append(np.zeros(many))
            upper.append(np.full(many, np.inf))
        free = np.full(many, -np.inf if self.rows else 0.0)
        low_tail = np.concatenate([[-np.inf], np.zeros(many)]) if tail else np.empty(0)
        return LinearProgram(
            cost=cost * self.scale,
            matrix=sparse.vstack(blocks).tocsr(),
            row_lower=np.concatenate(lower),
            row_upper=np.concatenate(upper),
            col_lower=np.concatenate([m.col_lower, free, low_tail]),
            col_upper=np.concatenate([m.col_upper, np.full(many + tail, np.inf)]),
            integer=np.concatenate([m.integer, np.zeros(many + tail, dtype=bool)]),
            name=f"{m.name}, master",
        )


def _unit(column: np.ndarray, height: int, width: int) -> sparse.csr_array:
    """A 1 in each of the first rows, at its column; the rows after them are empty."""
    entries = (np.ones(len(column)), (np.arange(len(column)), column))
    return sparse.csr_array(entries, shape=(height, width))
