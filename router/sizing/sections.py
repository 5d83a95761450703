"""What the plan's `sizing` section holds, part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from problems.core.decision import Decision, with_room
from problems.core.encode import encode
from router.plan.document import plain
from router.planning.decode import cvar
from router.schema import Problem
from router.sizing.alternatives import NOTHING, Weighed, alternatives
from router.sizing.amounts import Amount
from router.sizing.first_stage import settled_decision
from router.sizing.flips import flips
from router.sizing.frontier import frontier
from router.sizing.given import complete, decision_given
from router.sizing.measures import Baselines, measures
from router.sizing.options import SizeOptions
from router.sizing.outcomes import costs_of, outcomes
from router.sizing.quotes import quotes
from router.sizing.rows import sign_rows, worst_rows
from router.sizing.sample import out_of_sample
from router.sizing.search import search
from router.sizing.signed import quoted, signed_by
from router.sizing.study import Best, Study, objective

GIVEN = "the commitment given"


@dataclass(frozen=True)
class Sections:
    """The questions asked of a plan, and their answers as plain JSON values."""

    problem: Problem
    study: Study
    how: SizeOptions
    best: Best
    base: Baselines | None
    weighed: Weighed
    near: tuple[Amount, ...]
    progress: Callable[[str], None]

    def all(self) -> dict[str, Any]:
        how, best, policy = self.how, self.best, self.best.inst.policy
        found: dict[str, Any] = {
            "rp_usd": best.objective_usd,
            "objective_usd": best.objective_usd,
            "expected_usd": best.expected_usd,
            "cvar_usd": best.cvar_usd,
            "cvar_level": policy.cvar_level,
            "cvar_weight": policy.cvar_weight,
            "sign": sign_rows(best),
            "left_out": list(how.left_out),
        }
        regret = None
        if self.base is not None:
            told = measures(best, self.base)
            found |= plain(told) | {"evpi_usd": told.evpi_usd, "vss_usd": told.vss_usd}
            regret = told.regret_usd
        found["worst"] = worst_rows(best, regret)
        compared: dict[str, Decision] = {}
        if how.alternatives:
            found["amounts"] = plain(self.near)
            nearest = alternatives(best, self.weighed, how.alternatives)
            found["alternatives"] = plain(nearest)
            compared = self._compared([one.what for one in nearest[:1]])
        if how.questions:
            self.progress("quotes")
            found["quotes"] = plain(quotes(self.study, best, self.weighed))
            self.progress("when the advice flips")
            found["flips"] = plain(flips(self.study, best)) if quoted(best.inst).any() else []
            found |= self._budgets()
        if how.evaluate:
            self.progress(GIVEN)
            decision = self._given()
            found["evaluated"] = self._evaluated(decision)
            compared[GIVEN] = decision
        if how.frontier:
            self.progress("the frontier of cost and risk")
            found["frontier"] = plain(frontier(self.study, best.inst, how.frontier))
        if how.out_of_sample:
            self.progress("fresh scenarios")
            fresh = out_of_sample(
                self.problem, self.study, best, compared, count=how.out_of_sample, seed=how.seed
            )
            found["out_of_sample"] = plain(fresh)
        return found

    def _compared(self, nearest: list[str]) -> dict[str, Decision]:
        """Decisions to hold against the plan's in fresh futures: the nearest alternative, and to sign nothing."""
        known = self.weighed.named(self.best.inst)
        return {what: known[what].decision for what in (*nearest, NOTHING) if what in known}

    def _budgets(self) -> dict[str, float]:
        """What limits on spending cost: the plan's objective less that of the best one without them."""
        inst, policy = self.best.inst, self.best.inst.policy
        if not np.isfinite([policy.max_spend_usd, policy.max_committed_usd]).any():
            return {}
        free = replace(policy, max_spend_usd=np.inf, max_committed_usd=np.inf)
        found = self.study.best(replace(inst, policy=free))
        return {"budgets_cost_usd": self.best.objective_usd - found.objective_usd}

    def _given(self) -> Decision:
        """The buyer's own commitment; what it leaves open is chosen as well as can be."""
        inst, study = self.best.inst, self.study
        decision = decision_given(inst, self.how.evaluate)
        if complete(decision):
            return decision
        found = search(encode(with_room(inst, decision)), study.solver, study.options, hold=decision)
        return settled_decision(found.encoded, found.point)

    def _evaluated(self, decision: Decision) -> dict[str, Any]:
        """The buyer's own commitment in every scenario."""
        inst, study = self.best.inst, self.study
        tried = outcomes(inst, decision, study.solver, study.options, workers=study.workers)
        cost = costs_of(tried)
        signs = plain(signed_by(inst, decision))
        fails = [one for one in tried if one.cost_usd is None]
        if fails:
            why = {"fails_in": [one.name for one in fails], "why": fails[0].fault}
            return {"expected_usd": None, "cvar_usd": None, "more_usd": None, "signs": signs, **why}
        probability = inst.scenarios.probability
        value = objective(cost, inst)
        return {
            "expected_usd": float(probability @ cost),
            "cvar_usd": cvar(cost, probability, inst.policy.cvar_level),
            "objective_usd": value,
            "more_usd": value - self.best.objective_usd,
            "signs": signs,
            "fails_in": [],
            "by_scenario_usd": dict(zip(inst.scenarios.names, cost.tolist(), strict=True)),
        }
