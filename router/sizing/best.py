"""The best plan of a problem, and of its variants: without an offer, with one signed, at other prices or demand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import fsum

import numpy as np

from problems.core.arrays import Bools, Floats
from problems.core.decision import Decision
from problems.core.instance import Instance
from router.errors import Infeasible, NoPlanInTime
from router.plan.rows import ContractRow, CostLine, InstanceRow, Settlement
from router.plan.sizing import Signature
from router.planning.contract_rows import contract_rows
from router.planning.decode import Decoded, OfferRows, cost_rows, decode, decode_about
from router.planning.two_steps import Incumbent
from router.sizing.first_stage import CUTS, BoundedDecision, decide, decided_jointly
from router.sizing.joint import JointSearch
from router.sizing.options import Study
from router.sizing.outcomes import costs_of, outcomes
from router.sizing.signatures import in_hand, signed_by
from solvers.two_stage.risk import cvar

NEARLY_ALL = 0.99  # of the weight, on risk
ROUNDING = 1e-8  # relative: what two solves of one program may differ by


@dataclass(frozen=True)
class CostFigures:
    """What scenario costs come to. USD over the horizon."""

    expected_usd: float
    cvar_usd: float
    objective_usd: float  # (1 − ω) · expected + ω · CVaR


def figures(cost: Floats, inst: Instance) -> CostFigures:
    """Of costs by scenario (S,), all finite, under the policy's risk."""
    probability, risk = inst.scenarios.probability, inst.policy.risk
    expected = float(probability @ cost)
    tail = cvar(cost, probability, risk.level)
    return CostFigures(expected, tail, risk.mix(expected, cost, probability))


@dataclass(frozen=True)
class WholePlan:
    """A plan of all scenarios, whose rows are read when they are asked for: most questions are about its money."""

    plan: Incumbent
    lines: tuple[CostLine, ...]

    def decoded(self) -> Decoded:
        """All rows."""
        return decode(self.plan.encoded, self.plan.point, stating=self.plan.options.finishing)

    def about(self, offers: Bools) -> OfferRows:
        """The rows about some offers (O,)."""
        return decode_about(self.plan.encoded, self.plan.settled, offers)

    @cached_property
    def contracts(self) -> tuple[ContractRow, ...]:
        """What is signed."""
        return contract_rows(self.plan.encoded, self.plan.settled.point)


@dataclass(frozen=True)
class PlanMoney:
    """What questions ask of a plan: its money, what it signs, and the rows about some of its offers, by name."""

    lines: tuple[CostLine, ...]
    contracts: tuple[ContractRow, ...]
    about: Mapping[str, OfferRows]


@dataclass(frozen=True)
class Best:
    """The best plan of a variant: its decision, its cost in each scenario, and its rows."""

    inst: Instance
    first: BoundedDecision
    cost: Floats  # (S,)
    read: tuple[Decoded, ...] | WholePlan | PlanMoney

    def __getstate__(self) -> dict[str, object]:
        """To another process it goes with its rows."""
        read = self.parts if isinstance(self.read, WholePlan) else self.read
        return {"inst": self.inst, "first": self.first, "cost": self.cost, "read": read}

    def told_of(self, *offers: str) -> Best:
        """The same with no more rows than those about some offers: a tenth of it goes to another process."""
        about = {offer: self.about(offer) for offer in offers}
        return replace(self, read=PlanMoney(self.lines(), self._contracts, about))

    @cached_property
    def parts(self) -> tuple[Decoded, ...]:
        """Rows: one of all scenarios, or one of each."""
        if isinstance(self.read, PlanMoney):
            raise TypeError("of this plan no more is kept than its money, and the rows about some offers")
        return (self.read.decoded(),) if isinstance(self.read, WholePlan) else self.read

    def about(self, offer: str) -> OfferRows:
        """The rows that name an offer, a seller or a kind of host."""
        if isinstance(self.read, PlanMoney):
            return self.read.about[offer]
        if isinstance(self.read, WholePlan) and "parts" not in self.__dict__:
            offers, halves = self.inst.offers, self.inst.offers.seller_of_halves
            named = np.array([offer in pair for pair in zip(offers.names, offers.file_names, strict=True)])
            return _naming(self.read.about(np.isin(halves, halves[named])), offer)
        return _naming(
            OfferRows(
                bills=tuple(
                    pair
                    for part in self.parts
                    for pair in zip(part.settlements, part.present_usd, strict=True)
                ),
                routes=tuple(row for part in self.parts for row in part.routes),
                instances=tuple(row for part in self.parts for row in part.instances),
                hosts=tuple(row for part in self.parts for row in part.hosts or ()),
                coverage=tuple(row for part in self.parts for row in part.coverage or ()),
            ),
            offer,
        )

    @cached_property
    def _contracts(self) -> tuple[ContractRow, ...]:
        if not isinstance(self.read, tuple):
            return self.read.contracts
        return tuple(dict.fromkeys(row for part in self.read for row in part.contracts))

    @property
    def decision(self) -> Decision:
        return self.first.decision

    @cached_property
    def _figures(self) -> CostFigures:
        return figures(self.cost, self.inst)

    @property
    def expected_usd(self) -> float:
        return self._figures.expected_usd

    @property
    def cvar_usd(self) -> float:
        return self._figures.cvar_usd

    @property
    def objective_usd(self) -> float:
        return self._figures.objective_usd

    @cached_property
    def signs(self) -> tuple[Signature, ...]:
        """What is signed."""
        rows = (row for row in self._contracts if row.signed_by == "plan")
        return signed_by(self.inst, self.decision, {(row.seller, round(row.from_h, 6)) for row in rows})

    @property
    def unproven_usd(self) -> float:
        """By how much the objective may lie above that of the best plan."""
        return max(self.objective_usd - self.first.bound_usd, 0.0)

    @property
    def doubt_usd(self) -> float:
        """The same, with what two solves may differ by."""
        return self.unproven_usd + ROUNDING * abs(self.objective_usd)

    @property
    def gap(self) -> float:
        """Of the objective, how much a better plan could save."""
        return self.unproven_usd / self.objective_usd if self.objective_usd > 0 else 0.0

    def lines(self) -> tuple[CostLine, ...]:
        """Expected USD by offer and kind."""
        if not isinstance(self.read, tuple):
            return self.read.lines
        if not len(self.parts) == len(self.cost) > 1:
            return self.parts[0].cost_lines
        money: dict[tuple[str | None, str], list[float]] = defaultdict(list)
        for part, p in zip(self.parts, self.inst.scenarios.probability.tolist(), strict=True):
            for line in part.cost_lines:
                money[line.offer, line.kind].append(p * line.usd)
        keys = sorted(money, key=lambda key: (key[0] is None, key[0] or "", key[1]))
        return tuple(CostLine(offer, kind, fsum(money[offer, kind])) for offer, kind in keys)

    @cached_property
    def weight(self) -> Mapping[str | None, float]:
        """Probability by what rows call their scenario."""
        scenarios = self.inst.scenarios
        return {None: 1.0, **dict(zip(scenarios.names, scenarios.probability.tolist(), strict=True))}

    def settlements(self, offer: str) -> list[Settlement]:
        return [row for row, _ in self.bills(offer)]

    def bills(self, offer: str) -> list[tuple[Settlement, float]]:
        """Settlements, and the present value of their bills."""
        return list(self.about(offer).bills)

    def tokens(self, offer: str) -> float:
        """Expected tokens that the offer serves."""
        return fsum(self.weight[row.scenario] * row.tokens for row in self.about(offer).routes)

    def instances(self, offer: str) -> list[InstanceRow]:
        return list(self.about(offer).instances)


def _naming(rows: OfferRows, offer: str) -> OfferRows:
    """Of some rows those that name an offer, a seller or a kind of host."""
    return OfferRows(
        bills=tuple((row, usd) for row, usd in rows.bills if row.seller == offer),
        routes=tuple(row for row in rows.routes if row.offer == offer),
        instances=tuple(row for row in rows.instances if row.offer == offer),
        hosts=tuple(row for row in rows.hosts if row.host == offer),
        coverage=tuple(row for row in rows.coverage if row.agreement == offer),
    )


def best_plan(study: Study, inst: Instance, joint: JointSearch | None = None) -> Best:
    """The best plan of a variant. Raises Infeasible, NoPlanInTime.

    joint   a search to go on with, of the variant's own program
    """
    if study.options.short_of(study.step_s):
        raise NoPlanInTime("less time is left than such a plan takes; a longer --time-limit may help")
    first = (None if joint is None else decided_jointly(joint, study)) or decide(inst, study)
    plan = first.plan
    # with all weight on the tail the other scenarios' plans are not the best that the decision allows, and with
    # nearly all of it they may be dearer by many times the gap
    if plan is None or inst.policy.risk.weight > NEARLY_ALL:
        return priced_plan(study, inst, first)
    return best_of_program(inst, first, plan)


def best_of_program(inst: Instance, first: BoundedDecision, plan: Incumbent) -> Best:
    """The plan of all scenarios that one program found."""
    lines, cost = cost_rows(plan.encoded, plan.settled.point)
    return Best(inst, replace(first, plan=None), cost, WholePlan(plan, lines))


def rows_of_program(inst: Instance, first: BoundedDecision, plan: Incumbent) -> Best:
    """The same with its rows read at once, where they are what the plan states."""
    decoded = WholePlan(plan, ()).decoded()
    return Best(inst, replace(first, plan=None), decoded.by_scenario, (decoded,))


def try_best_plan(study: Study, inst: Instance, joint: JointSearch | None = None) -> Best | None:
    """None where no plan keeps every promise."""
    try:
        return best_plan(study, inst, joint)
    except Infeasible:
        return None


def priced_plan(study: Study, inst: Instance, first: BoundedDecision) -> Best:
    """Every scenario at its best under a first stage. Raises Infeasible.

    Cuts see no whole numbers of the second stage: where these cannot follow, one program decides anew.
    """
    try:
        return plan_under(study, inst, first)
    except Infeasible:
        if first.method != CUTS:
            raise
    whole = decide(inst, replace(study, method="program"))
    return plan_under(study, inst, replace(whole, bound_usd=max(whole.bound_usd, first.bound_usd)))


def plan_under(study: Study, inst: Instance, first: BoundedDecision) -> Best:
    """Every scenario at its best under a first stage. Raises Infeasible where one has no plan."""
    planned = outcomes(inst, first.decision, study, decodes=True)
    for outcome in planned:
        if outcome.decoded is None:
            raise Infeasible(
                f'scenario "{outcome.name}" has no plan under the first stage found: {outcome.fault}'
            )
    cost = costs_of(planned)
    parts = tuple(outcome.decoded for outcome in planned if outcome.decoded is not None)
    used = {row.offer for part in parts for row in part.routes}
    idle = first.decision.active * [name not in used for name in inst.offers.names] > 0.5
    if idle.any():  # no fee is due for what no future uses
        active = np.where(idle, 0.0, first.decision.active)
        return plan_under(study, inst, replace(first, decision=replace(first.decision, active=active)))
    return Best(inst, replace(first, plan=None), cost, parts)


def only(inst: Instance, offer: int) -> Bools:
    """(O,) one offer marked, with both halves of its replicas."""
    return np.asarray(inst.offers.seller_of_halves == offer)


def without(inst: Instance, which: Bools) -> Instance:
    """The problem with some offers (O,) not on the table; what is reserved or signed of them already stays."""
    which = which[inst.offers.seller_of_halves]
    owned, agreed = in_hand(inst), np.zeros_like(which)
    agreed[inst.contracts.offer[inst.agreements.contract]] = True
    agreed[inst.hosts.seller] = True
    permitted = inst.workloads.permitted & ~(which & ~owned)[None, :]
    workloads = replace(inst.workloads, permitted=permitted)
    return replace(inst, workloads=workloads, must_not_sign=which & (owned | agreed))


def signing(inst: Instance, offer: int) -> Instance:
    """The problem with an offer signed whatever it is worth."""
    return replace(inst, must_sign=np.arange(len(inst.offers.names)) == offer)


def priced(inst: Instance, offer: int, multiple: float) -> Instance:
    """The problem with an offer's prices multiplied."""
    price = inst.scenarios.price.copy()
    price[:, only(inst, offer)] *= multiple
    return replace(inst, scenarios=replace(inst.scenarios, price=price))


def grown(inst: Instance, factor: float) -> Instance:
    """The problem with all demand multiplied."""
    return replace(inst, scenarios=replace(inst.scenarios, demand=inst.scenarios.demand * factor))
