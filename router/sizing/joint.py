"""The first stage by cuts from one linear program of all second stages, where nothing whole in these hangs on demand.

    one program of all scenarios → master of the first stage · second stages with the first one held → rounds of cuts

A round is some dual simplex steps from where the round before ended; some twenty of them take a sixth of the time in
which a solver's tree decides the whole. Where prices rise and no row reads them, the dual points behind the cuts stay
feasible: the cuts, at the new prices of the first stage, are known before the first round.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded, repriced, rows_read_prices
from problems.core.instance import Instance
from router.errors import SolverFailed
from router.planning.two_steps import Fixed, Incumbent, finished
from router.sizing.options import Study
from router.sizing.outcomes import is_linear
from solvers import Solution, Stop
from solvers.benders import l_shaped
from solvers.recourse import JointRecourse
from solvers.risk import NEUTRAL

FEW = 20  # scenarios: below, and below so many columns, one program is quickly decided
LEAST = 3_000


def enough(inst: Instance) -> bool:
    """Whether there are scenarios enough for it, which is known before any program is written."""
    return len(inst.scenarios) >= FEW


@dataclass(frozen=True)
class JointSearch:
    """A program of all scenarios, and the search for its first stage as far as it has come."""

    encoded: Encoded
    recourse: JointRecourse
    start: Floats  # (n,) of the first stage

    @classmethod
    def of(cls, encoded: Encoded, study: Study) -> JointSearch | None:
        """None where it is not for the problem."""
        program, inst = encoded.program, encoded.instance
        if study.method != "auto" or study.solver != "highs" or study.options.relax or not program.is_mip:
            return None
        if program.n_columns < LEAST or not enough(inst) or not is_linear(encoded):
            return None
        if inst.policy.risk.weight > 0 or not (inst.scenarios.probability > 0).all():
            return None
        recourse = JointRecourse(program, inst.scenarios.probability)
        first = program.take(*program.linking).program
        return cls(encoded, recourse, np.clip(np.zeros(first.n_columns), first.col_lower, first.col_upper))

    def repriced(self, inst: Instance) -> JointSearch | None:
        """The same of an instance whose prices alone are others; None where rows read them."""
        if rows_read_prices(inst):
            return None
        encoded = repriced(self.encoded, inst)
        self.recourse.price(encoded.program)
        return replace(self, encoded=encoded)

    def found(self, study: Study) -> tuple[Incumbent, int] | None:
        """The best plan, and the rounds that it took; None where they came to no end."""
        began, program, recourse = time.perf_counter(), self.encoded.program, self.recourse
        found = l_shaped(
            program.take(*program.linking).program,
            self.encoded.instance.scenarios.probability,
            recourse.at,
            start=self.start,
            options=study.options,
            risk=NEUTRAL,
            known=recourse.known(),
        )
        if found.x is None or found.stop is not Stop.OPTIMAL:
            return None
        self.start[:] = found.x
        cost, _, _ = recourse.at(found.x)
        if not np.isfinite(cost).all():
            return None
        point = recourse.point.copy()
        point[recourse.linking] = found.x
        first = Solution(found.stop, point, program.objective(point), found.bound)
        taken_s = time.perf_counter() - began
        try:
            plan = finished(self.encoded, first, (study.solver, study.options), Fixed(), taken_s)
        except SolverFailed:  # the solver's tolerance is all that serves some load: see `gates`
            return None
        return plan, found.rounds
