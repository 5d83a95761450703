"""What the plan's `sizing` section holds, part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import fsum
from typing import Any

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, NONE, Floats
from problems.core.decision import Decision, with_room
from problems.core.encode import encode
from problems.core.instance import Instance
from problems.core.view import multiplier_of
from router.normalise.roles import half_name
from router.plan.rows import Settlement
from router.plan.sizing import Advised, Amount, Evaluated, Signature, Sizing, WorstFuture
from router.schema import Problem
from router.sizing.alternatives import NOTHING, Weighed, alternatives
from router.sizing.best import Best, best_plan, figures
from router.sizing.break_even import due_months, host_use, instance_hours, months_in, own_volumes
from router.sizing.discounts import is_agreement
from router.sizing.first_stage import settled_decision
from router.sizing.measures import Baselines, measured, out_of_sample
from router.sizing.options import Inquiry, SizeOptions, Study
from router.sizing.orders import complete, decision_of
from router.sizing.outcomes import costs_of, outcomes, search
from router.sizing.quotes import quotes
from router.sizing.sensitivity import flips, frontier
from router.sizing.signatures import quoted, signed_by

GIVEN = "the commitment given"
WORST = 5  # scenarios shown
MOST = 0.7  # of the time left that one question may take where others wait

NEAR_H = 1e-6


@dataclass(frozen=True)
class Sections:
    """The questions asked of a plan, and their answers."""

    problem: Problem
    inquiry: Inquiry
    how: SizeOptions
    best: Best
    base: Baselines | None
    weighed: Weighed
    near: tuple[Amount, ...]

    def all(self) -> Sizing:
        how, best, policy = self.how, self.best, self.best.inst.policy
        sizing = Sizing(
            rp_usd=best.objective_usd,
            objective_usd=best.objective_usd,
            expected_usd=best.expected_usd,
            cvar_usd=best.cvar_usd,
            cvar_level=policy.risk.level,
            cvar_weight=policy.risk.weight,
            sign=sign_rows(best),
            left_out=how.left_out,
            worst=(),
        )
        if self.base is not None:
            sizing = measured(sizing, best, self.base)
        parts: dict[str, Any] = {"worst": worst_rows(best, sizing.regret_usd)}
        compared: dict[str, Decision] = {}
        if how.alternatives:
            nearest = alternatives(best, self.weighed, how.alternatives)
            parts |= {"amounts": self.near, "alternatives": nearest}
            compared = self._compared([other.what for other in nearest[:1]])
        if how.evaluate and (given := self.inquiry.ask(GIVEN, self._given, MOST)):
            parts["evaluated"], compared[GIVEN] = given
        if how.questions:
            parts["quotes"] = self._rows("quotes", lambda study: quotes(study, best, self.weighed), MOST)
            parts["flips"] = ()
            if quoted(best.inst).any():
                parts["flips"] = self._rows("when the advice flips", lambda study: flips(study, best), MOST)
            if np.isfinite([policy.max_spend_usd, policy.max_committed_usd]).any():
                parts["budgets_cost_usd"] = self.inquiry.ask("what budgets cost", self._budgets_cost_usd)
        if how.frontier:
            work = partial(frontier, inst=best.inst, points=how.frontier)
            parts["frontier"] = self.inquiry.ask("the frontier of cost and risk", work, MOST)
        if how.out_of_sample:
            parts["out_of_sample"] = self.inquiry.ask(
                "fresh scenarios",
                lambda study: out_of_sample(
                    self.problem, study, best, compared, count=how.out_of_sample or 0, seed=how.seed
                ),
            )
        return replace(sizing, **parts, out_of_time=tuple(dict.fromkeys(self.inquiry.left_out)) or None)

    def _rows[R](
        self, what: str, work: Callable[[Study], tuple[tuple[R, ...], list[str]]], share: float
    ) -> tuple[R, ...] | None:
        """The rows of an answer in parts; the parts that no time was left for are noted."""
        answer = self.inquiry.ask(what, work, share)
        if answer is None:
            return None
        self.inquiry.left_out += answer[1]
        return answer[0]

    def _compared(self, nearest: list[str]) -> dict[str, Decision]:
        """Decisions to hold against the plan's in fresh futures: the nearest alternative, and to sign nothing."""
        plans = self.weighed.named(self.best.inst)
        return {what: plans[what].decision for what in (*nearest, NOTHING) if what in plans}

    def _budgets_cost_usd(self, study: Study) -> float:
        """What limits on spending cost: the plan's objective less that of the best one without them."""
        inst = self.best.inst
        free = replace(inst.policy, max_spend_usd=np.inf, max_committed_usd=np.inf)
        return self.best.objective_usd - best_plan(study, replace(inst, policy=free)).objective_usd

    def _given(self, study: Study) -> tuple[Evaluated, Decision]:
        """The buyer's own commitment in every scenario; what it leaves open is chosen as well as can be."""
        inst = self.best.inst
        decision = decision_of(inst, self.how.evaluate)
        if not complete(decision):
            plan = search(encode(with_room(inst, decision)), study, fixed=decision)
            decision = settled_decision(plan.encoded, plan.point)
        return self._evaluated(study, decision), decision

    def _evaluated(self, study: Study, decision: Decision) -> Evaluated:
        inst = self.best.inst
        futures = outcomes(inst, decision, study)
        signs = signed_by(inst, decision)
        fails = [future for future in futures if future.cost_usd is None]
        if fails:
            return Evaluated(signs, tuple(future.name for future in fails), fails[0].fault)
        cost = costs_of(futures)
        usd = figures(cost, inst)
        return Evaluated(
            signs,
            fails_in=(),
            **asdict(usd),
            more_usd=usd.objective_usd - self.best.objective_usd,
            by_scenario_usd=dict(zip(inst.scenarios.names, cost.tolist(), strict=True)),
        )


def sign_rows(best: Best) -> tuple[Advised, ...]:
    """What to sign, with its expected bill, expected use of it, and what it owes past the horizon."""
    return tuple(_signed_row(best, signature) for signature in best.signs)


def _signed_row(best: Best, signature: Signature) -> Advised:
    offers = best.inst.offers
    seller = offers.file_names[offers.names.index(signature.offer)]
    use, billed_usd = None, signature.least_usd
    if signature.kind == "contract":
        use, billed_usd = _contract_use(best, signature)
    elif signature.kind == "instances":
        name, model = signature.offer, signature.model  # without a model: bought for all of the offer
        rows = [
            row
            for row in best.instances(seller)
            if half_name(row.offer, row.role) == name and model in (None, row.model)
        ]
        busy, running = instance_hours(best, rows)
        use = busy / running if running > 0 else None
    elif signature.kind == "hosts":
        use = host_use(best, signature.offer)
    if best.inst.policy.charge_in_full:
        billed_usd += signature.beyond_horizon_usd * float(best.inst.time.weight[-1])
    offer_usd = fsum(line.usd for line in best.lines() if line.offer == seller)
    return Advised(**asdict(signature), expected_usd=billed_usd, offer_usd=offer_usd, expected_use=use)


def _contract_use(best: Best, signature: Signature) -> tuple[float | None, float]:
    """Expected use of what is committed, and the bills of its months inside the horizon, present value.

    Of a bill that several terms share, its part is that of what is due in it.
    """
    inst = best.inst
    start_h, end_h = signature.from_h, signature.end_h
    if end_h is None:
        end_h = (signature.end_month or inst.time.months) * HOURS_PER_MONTH
    bills = [
        (row, usd)
        for row, usd in best.bills(signature.offer)
        if row.from_h + NEAR_H < end_h and start_h + NEAR_H < row.until_h
    ]
    of = {id(row): _due(best, signature, row) for row, _ in bills}
    used = fsum(best.weight[row.scenario] * own_volumes(row)[0] for row, _ in bills)
    committed = fsum(best.weight[row.scenario] * of[id(row)][1] for row, _ in bills)
    billed_usd = fsum(best.weight[row.scenario] * of[id(row)][0] * usd for row, usd in bills)
    return (used / committed if committed > 0 else None), billed_usd


def _due(best: Best, signature: Signature, row: Settlement) -> tuple[float, float]:
    """Of a settlement: the part that a term has in it, and what is due in it, in own units."""
    inst, contracts = best.inst, best.inst.contracts
    b = int(inst.offers.contract[inst.offers.names.index(signature.offer)])
    if not (contracts.stackable[b] or contracts.by_hour[b]):
        return 1.0, own_volumes(row)[1] * due_months(inst, row)
    mine, months = np.flatnonzero(contracts.start_contract == b), months_in(inst, b, row)
    due = months * best.decision.committed[mine]
    own = (np.abs(contracts.start_h[mine] - signature.from_h) <= NEAR_H) & ~contracts.start_signed[mine]
    begin = [each.from_h for each in best.signs if (each.offer, each.kind) == (signature.offer, "contract")]
    listed = (np.abs(contracts.start_h[mine][:, None] - np.array(begin)) <= NEAR_H).any(axis=1)
    weight = (
        due if due.sum() > 0 else months * (listed & ~contracts.start_signed[mine])
    )  # nothing due: by hours
    return float(weight[own].sum() / weight.sum()) if weight.sum() > 0 else 1.0, float(due.sum())


def worst_rows(best: Best, regret: Mapping[str, float] | None) -> tuple[WorstFuture, ...]:
    """The dearest scenarios, the worst first."""
    inst, cost = best.inst, best.cost
    if len(cost) < 2:
        return ()
    tokens = np.array([_tokens(inst, s) for s in range(len(cost))])
    mean = float(inst.scenarios.probability @ tokens)
    own = inst.offers.fleet != NONE  # availability is of instances
    order = np.argsort(-cost, kind="stable")[:WORST]
    return tuple(
        WorstFuture(
            scenario=inst.scenarios.names[s],
            probability=float(inst.scenarios.probability[s]),
            cost_usd=float(cost[s]),
            over_expected_usd=float(cost[s] - best.expected_usd),
            demand_over_mean=float(tokens[s] / mean) if mean > 0 else None,
            prices=_moved(inst, np.where(is_agreement(inst), 1.0, inst.scenarios.price[s])),
            availability=_moved(inst, np.where(own, inst.scenarios.availability[s], 1.0)),
            regret_usd=None if regret is None else regret[inst.scenarios.names[s]],
        )
        for s in order
    )


def _tokens(inst: Instance, s: int) -> float:
    """All work of a scenario as it is asked for, in tokens; in requests where these have none."""
    each = inst.workloads.tokens[inst.cells.workload]
    work = inst.cells.work * multiplier_of(inst, s)
    work = np.where(inst.workloads.steps[inst.cells.workload] < 0, work, 0.0)
    return float((work * (each if each.any() else 1.0)).sum())


def _moved(inst: Instance, multiplier: Floats) -> dict[str, float]:
    """Multipliers other than 1, by offer; both halves of replicas have the same."""
    return {inst.offers.file_names[o]: float(multiplier[o]) for o in np.flatnonzero(multiplier != 1.0)}
