"""The first stage by cuts from one linear program of all second stages, where nothing whole in these hangs on demand.

    one program of all scenarios → master of the first stage · second stages with the first one held → rounds of cuts

A round is some dual simplex steps from where the round before ended; some twenty of them take a sixth of the time in
which a solver's tree decides the whole.

What is asked of one problem has nearly the program of the problem itself, which each process writes and cuts once:
another price, less on the table, more demand (`problems.core.variants`). Where prices rise and no row reads them, where
less is permitted, and where amounts are multiplied, the cuts of the program asked before are known, before the first
round, as cuts of this one. What they bound is then tried all the same: no answer rests on cuts alone.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from problems.core.admissible import admissible
from problems.core.arrays import Floats
from problems.core.decision import Decision, decision_of
from problems.core.encode import Encoded, encode
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.variants import grown, limited, repriced, rows_read_prices
from router.errors import SolverFailed
from router.planning.decode import cost_rows
from router.planning.fixed import Fixed
from router.planning.settlement import settle
from router.planning.two_steps import Incumbent, finished
from router.sizing.options import Study
from router.sizing.outcomes import flows_of, is_linear, relaxed_point
from solvers import Solution, Stop, clock_s
from solvers.two_stage.benders import TwoStage, l_shaped
from solvers.two_stage.joint_recourse import JointRecourse
from solvers.two_stage.risk import NEUTRAL

FEW = 20  # scenarios: below, and below so many columns, one program is quickly decided
LEAST = 3_000
LARGEST_MONOLITH = 150_000
"""Flow columns; beyond, cuts of each scenario are faster (tests/benchmarks measures both)."""


def enough(inst: Instance) -> bool:
    """Whether there are scenarios enough for it, which is known before any program is written."""
    return len(inst.scenarios) >= FEW


@dataclass(frozen=True)
class JointSearch:
    """A program of all scenarios, and the search for its first stage as far as it has come."""

    encoded: Encoded
    recourse: JointRecourse
    start: Floats  # (k,) of the first stage

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
        return cls(encoded, recourse, _within(encoded, np.zeros(len(recourse.linking))))

    def repriced(self, inst: Instance) -> JointSearch | None:
        """The same of an instance whose prices alone are others; None where rows read them."""
        return None if rows_read_prices(inst) else self._at(repriced(self.encoded, inst))

    def limited(self, inst: Instance) -> JointSearch | None:
        """Of an instance in which less is permitted, or that asks what must be signed; None where more is changed."""
        encoded = limited(self.encoded, inst)
        return None if encoded is None else self._at(encoded)

    def grown(self, inst: Instance, factor: float) -> JointSearch | None:
        """Of an instance with all demand multiplied; None where it does not only multiply amounts."""
        found = grown(self.encoded, inst, factor)
        if found is None:
            return None
        encoded, growth = found
        recourse = self.recourse.multiplied(encoded.program, factor, growth.unit, growth.amounts)
        return JointSearch(encoded, recourse, _within(encoded, self.start * growth.unit))

    def _at(self, encoded: Encoded) -> JointSearch:
        return JointSearch(encoded, self.recourse.changed(encoded.program), _within(encoded, self.start))

    def cut(self, study: Study) -> TwoStage:
        """The best first stage by cuts, from where the search stands."""
        program = self.encoded.program
        found = l_shaped(
            program.take(*program.linking).program,
            self.encoded.instance.scenarios.probability,
            self.recourse.at,
            start=self.start,
            options=study.options,
            risk=NEUTRAL,
            known=self.recourse.known(),
        )
        if found.x is not None:
            self.start[:] = found.x
        return found

    def decided(self, study: Study) -> tuple[Decision, float] | None:
        """The best first stage and its gap, by cuts and what its scenarios cost; None where they came to no end, or
        what is signed does not follow from whole numbers alone.
        """
        inst, program = self.encoded.instance, self.encoded.program
        contracts, fleets = inst.contracts, inst.fleets
        bound_to = contracts.decided & (contracts.min_per_month > 0)
        if not bound_to.all() or not fleets.integral[fleets.horizon].all() or len(inst.hosts.names):
            return None
        found = self.cut(study)
        if found.x is None or found.stop is not Stop.OPTIMAL:
            return None
        cost, _, _ = self.recourse.at(found.x)
        usd = float(inst.scenarios.probability @ cost)
        if not np.isfinite(usd):
            return None
        point = np.zeros(program.n_columns)
        point[self.recourse.linking] = found.x
        decision = decision_of(self.encoded, point)
        signed = np.round(decision.signed)
        return replace(
            decision,
            signed=signed,
            committed=np.where(signed > 0.5, decision.committed, 0.0),
            ahead=np.round(decision.ahead),
            paid=np.round(decision.paid),
        ), max(usd - found.bound, 0.0) / usd if usd > 0 else 0.0

    def costs_under(self, decision: Decision, study: Study) -> Floats | None:
        """(S,) what each scenario costs under a first stage; None where one linear program does not tell."""
        exactly = Fixed(decision).exact(self.encoded)
        point = relaxed_point(exactly, study)
        return None if point is None else cost_rows(exactly, settle(exactly, point).point)[1]

    def found(self, study: Study) -> tuple[Incumbent, int] | None:
        """The best plan, and the rounds that it took; None where they came to no end.

        Where the time came to its end, the best of those that were tried: no time is left for another search.
        """
        began, program, recourse = clock_s(), self.encoded.program, self.recourse
        found = self.cut(study)
        if found.x is None or found.stop not in (Stop.OPTIMAL, Stop.TIME_LIMIT):
            return None
        cost, _, _ = recourse.at(found.x)
        if not np.isfinite(cost).all():
            return None
        point = recourse.point.copy()
        point[recourse.linking] = found.x
        first = Solution(found.stop, point, program.objective(point), found.bound)
        taken_s = clock_s() - began
        try:
            plan = finished(self.encoded, first, (study.solver, study.options.finishing), Fixed(), taken_s)
        except SolverFailed:  # the solver's tolerance is all that serves some load: see `gates`
            return None
        return plan, found.rounds


def _within(encoded: Encoded, x: Floats) -> Floats:
    """(k,) in the bounds of the first stage."""
    own = encoded.program.linking[0]
    return np.clip(x, encoded.program.col_lower[own], encoded.program.col_upper[own])


@dataclass(frozen=True)
class Asked:
    """The problem that questions are asked of, by a name that it keeps in whichever process it comes to."""

    name: str
    inst: Instance = field(compare=False)

    @classmethod
    def of(cls, inst: Instance) -> Asked:
        return cls(_name_of(inst), inst)


@once
def _name_of(_: Instance) -> str:
    return uuid.uuid4().hex


def kept(asked: Asked, study: Study) -> JointSearch | None:
    """The search of the problem itself, from which that of each question goes on; None where it is not for it.

    Written and cut once in a process, so that a question meets the same cuts in each.
    """
    if study.method != "auto" or not enough(asked.inst):
        return None
    if flows_of(asked.inst, admissible(asked.inst)[0]) > LARGEST_MONOLITH:
        return None
    shelf = _shelf(asked)
    if not shelf:
        search = JointSearch.of(encode(asked.inst), study)
        if search is not None:
            search.cut(study)
        shelf.append(search)
    return shelf[0]


def prepared(asked: Asked, study: Study) -> None:
    """What `kept` gives is ready in this process."""
    kept(asked, study)


@lru_cache(maxsize=1)
def _shelf(_: Asked) -> list[JointSearch | None]:
    """This process's search of a problem: empty until it is written, dropped when another problem is asked about."""
    return []
