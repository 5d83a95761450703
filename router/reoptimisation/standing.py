"""Where contracts stand when a new horizon begins: what the span that runs has used, what earlier ones left.

Use is what the running plan routes until then, at the contract rates of the problem, or what an agreement covers;
beyond the end of its horizon, what stands for each hour in `Alignment`. Routes that the problem no longer admits count
at the rates of the problem that the running plan was made for; so does all use of an offer with a schedule, at those of
its hours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from problems.core.admissible import admissible
from problems.core.arrays import HOURS_PER_MONTH
from problems.core.instance import Instance
from problems.core.rests import use_up
from problems.core.view import view_of
from router.errors import InputError, Issue
from router.normalise import normalise
from router.normalise.demand import time_of
from router.normalise.recipes import part_name
from router.normalise.schedule import life
from router.normalise.spans import ContractTerm, laid_out
from router.plan.document import Plan
from router.plan.rows import ContractRow, CoverageRow, CreditRow, RouteRow, StandsAt
from router.planning.solve import scenario_of
from router.reoptimisation.alignment import Alignment
from router.schema import Commitment, Problem

NEAR_H = 1e-6

type RouteKey = tuple[str, str, str]
"""Workload (part of one, by origin and step), offer, model."""


@dataclass(frozen=True)
class UnitUse:
    """Of a unit of work on a route: tokens, and USD at contract rates; tokens of a unit as the workload states them."""

    tokens: float
    usd: float


class Uses:
    """What a unit of work uses of a contract: in the new problem, else in the one that the running plan is for."""

    def __init__(
        self, new: Callable[[], Instance], problem: Problem | None, scenario: str | None = None
    ) -> None:
        """`new` makes the instance of the new problem; `problem` is the running plan's; None: it cannot be read."""
        self._new, self.problem, self._scenario = new, problem, scenario

    def of(self, row: RouteRow) -> UnitUse:
        """Raises InputError where nothing says what the route used."""
        key = part_name(row.workload, row.origin, row.recipe, row.step), row.offer, row.model
        if row.offer in self._timed:
            use = self._by_period.get((*key, row.period, row.occurrence))
        else:
            use = self._now.get(key) or self._before.get(key)
        if use is None:
            workload, offer, model = key
            rule = f'the running plan uses "{offer}" with {model} for "{workload}", and no price of that is known'
            hint = "state the contract as signed, with so_far"
            raise InputError(Issue(("offers",), rule, hint=hint))
        return use

    @cached_property
    def _now(self) -> dict[RouteKey, UnitUse]:
        return _unit_uses(self._new())

    @cached_property
    def _timed(self) -> set[str]:
        """Offers whose prices may change in time."""
        now, before = self._new().offers, () if self.problem is None else self.problem.offers
        ruled = {name for name, rules in zip(now.names, now.ruled, strict=True) if rules}
        return ruled | {offer.name for offer in before if offer.schedule}

    @cached_property
    def _by_period(self) -> dict[tuple[str, str, str, int, int | None], UnitUse]:
        """Of a unit of work in each period of the running plan's horizon, and of each occurrence of a window."""
        if self.problem is None:
            return {}
        try:
            inst = normalise(self.problem, scenario_of(self.problem, self._scenario))
        except InputError:
            return {}
        routes, _ = admissible(inst)
        view = view_of(inst, routes, 0, 0.0)
        flows, names, cells = view.flows, inst.offers.names, view.cells
        usd = view.flow_usd / flows.work * view.price[routes.offer[flows.route]]
        return {
            (
                inst.workloads.names[routes.workload[r]],
                names[routes.offer[r]],
                inst.models.names[routes.model[r]],
                int(t),
                int(cells.occurrence[c]) if inst.workloads.moves[routes.workload[r]] else None,
            ): UnitUse(float(routes.tokens[r]), float(each))
            for r, t, c, each in zip(flows.route, flows.period, flows.cell, usd, strict=True)
        }

    @cached_property
    def _before(self) -> dict[RouteKey, UnitUse]:
        if self.problem is None:
            return {}
        try:
            return _unit_uses(normalise(self.problem, scenario_of(self.problem, self._scenario)))
        except InputError:  # a file that is gone, a future that it did not have
            return {}


def _unit_uses(inst: Instance) -> dict[RouteKey, UnitUse]:
    routes, _ = admissible(inst)
    loads, offers, models = inst.workloads.names, inst.offers.names, inst.models.names
    price = inst.scenarios.price[0]
    return {
        (loads[w], offers[o], models[m]): UnitUse(float(tokens), float(usd * price[o]))
        for w, o, m, tokens, usd in zip(
            routes.workload, routes.offer, routes.model, routes.tokens, routes.usd, strict=True
        )
    }


def standing(
    plan: Plan,
    align: Alignment,
    commitment: Commitment,
    row: ContractRow,
    uses: Uses,
) -> StandsAt | None:
    """Of a contract row of the running plan; hours count from the new start. None where it keeps billing months."""
    if commitment.by_billing_month:
        return None
    stood = _stood(plan, align, row.seller, uses) if row.signed_by == "before" else None
    counted = bool(commitment.tiers) or row.committed_tokens_per_month is not None
    stated = _covered(plan, row.seller) if row.agreement else _used(plan, row.seller, uses, counted=counted)
    periods = math.ceil(align.shift_h / align.old.horizon.period_h - 1e-9) + 1
    use = [stated.get(align.period_before(t), 0.0) for t in range(periods)]
    return stands_at(commitment, row, stood, align.old, use, align.shift_h)


def months_stand(
    plan: Plan, align: Alignment, seller: str, commitment: Commitment, uses: Uses
) -> StandsAt | None:
    """Where the months stand that terms of a stackable contract share; None where one begins now."""
    stood = _stood(plan, align, seller, uses)
    since_h, period_h, now_h = (
        0.0 if stood is None else stood.since_h,
        align.old.horizon.period_h,
        align.shift_h,
    )
    number = math.floor((now_h - since_h) / HOURS_PER_MONTH + NEAR_H)
    begin_h = since_h + number * HOURS_PER_MONTH
    if now_h - begin_h <= NEAR_H:
        return None
    used = stood.used if stood is not None and not number else 0.0
    agreed = any(agreement.name == seller for agreement in align.new.commitments)
    counted = commitment.counts_tokens
    use = _covered(plan, seller) if agreed else _used(plan, seller, uses, counted=counted)
    for t in range(math.ceil(now_h / period_h - NEAR_H)):
        if t * period_h >= begin_h - NEAR_H:
            part = min((now_h - t * period_h) / period_h, 1.0)
            used += part * use.get(align.period_before(t), 0.0)
    return StandsAt(begin_h - now_h, used, ())


def stands_at(
    commitment: Commitment,
    row: ContractRow,
    stood: StandsAt | None,
    old: Problem,
    use: Sequence[float],
    now_h: float,
) -> StandsAt | None:
    """Of a contract that is not settled by billing months, at an hour of an old horizon.

    None where its term is over, in a span that ran before that horizon began, of which nothing is known, and where
    every period settles by itself.

    stood    where it stood when that horizon began, if something was known
    use      (n,) what it used in each period until then, in its own unit: tokens, or USD at contract rates
    """
    if commitment.by_period:
        return None
    term_h, began_h = commitment.term_hours, row.from_h
    if row.signed_by == "before":
        began_h = 0.0 if stood is None else stood.since_h
        began_h = began_h if term_h is None else row.until_h - term_h
    since_h = None if stood is None else stood.since_h
    opens_h, closes_h = _life(old, row.seller)
    term = ContractTerm(row.from_h, row.until_h, row.until_h, began_h, True, since_h, None, opens_h, closes_h)
    horizon = old.horizon.model_copy(update={"periods": len(use)})
    time = time_of(old.model_copy(update={"horizon": horizon}))
    committed = row.committed_tokens_per_month
    committed = (row.committed_usd_per_month or 0.0) if committed is None else committed
    counted = bool(commitment.tiers) or row.committed_tokens_per_month is not None
    rate = 1.0 - (row.discount or 0.0)
    left: list[float] = [] if stood is None else list(stood.unused)
    for span in laid_out(commitment, term, time, old.horizon.clock, in_full=False):
        used = stood.used if stood is not None and span.from_h <= 0.0 else 0.0
        for t in range(span.first, span.end):
            part = (now_h - t * time.period_h) / time.period_h
            used += use[t] * min(max(part, 0.0), 1.0)
        left = left[-commitment.rollover_spans :] if commitment.rollover_spans else []
        if now_h < span.until_h - NEAR_H:
            since_h = span.from_h
            if stood is None and since_h < term.from_h - NEAR_H:  # cut by the start of that horizon
                if commitment.settled not in ("hour", "day"):
                    return None
                since_h = term.from_h
            return StandsAt(min(since_h - now_h, 0.0), used, tuple(left))
        left = use_up([*left, committed * span.share * span.ramped], used * (1.0 if counted else rate))
    return None


def _life(problem: Problem, seller: str) -> tuple[float, float]:
    """Hours of the first opening of an offer, and of its last closing."""
    rules = [rule for offer in problem.offers if offer.name == seller for rule in offer.schedule]
    return life(problem, rules, problem.horizon.clock)


def _stood(plan: Plan, align: Alignment, seller: str, uses: Uses) -> StandsAt | None:
    """Where a contract stood at the running plan's start, carried by that plan or stated in its file."""
    rows = () if plan.running is None else plan.running.contracts
    for row in rows:
        if row.seller == seller:
            return row.so_far
    offers = () if uses.problem is None else uses.problem.sellers
    terms = next((offer.commitment for offer in offers if offer.name == seller), None)
    if terms is None or terms.so_far is None:
        return None
    stated, since_h = terms.so_far, align.clock_before.hour(terms.so_far.since)
    return StandsAt(
        since_h, stated.used_usd or stated.used_tokens or 0.0, stated.unused_usd or stated.unused_tokens
    )


def _covered(plan: Plan, agreement: str) -> dict[int, float]:
    """USD that an agreement bills, by period of the running plan."""
    usd: dict[int, float] = {}
    for row in plan.coverage or ():
        if row.agreement == agreement:
            usd[row.period] = usd.get(row.period, 0.0) + row.covered_usd
    return usd


def _used(plan: Plan, offer: str, uses: Uses, *, counted: bool) -> dict[int, float]:
    """Tokens, or USD at contract rates, by period of the running plan."""
    amounts: dict[int, float] = {}
    for row in plan.routes:
        if row.offer == offer:
            paid = 1.0 - (row.free_share or 0.0) / row.share if row.share else 0.0
            amounts[row.period] = amounts.get(row.period, 0.0) + paid * _amount(row, uses, counted)
    others: list[tuple[CoverageRow | CreditRow, float]] = []  # who pay for it: not held against it
    others += [(covered, covered.list_usd) for covered in plan.coverage or ()]
    others += [(free, free.paid_usd) for free in plan.credits or () if free.credit is None]
    for each, usd in others:
        if each.offer == offer and each.kind == "tokens":
            less = (each.tokens or 0.0) if counted else usd
            amounts[each.period] = max(amounts.get(each.period, 0.0) - less, 0.0)
    return amounts


def _amount(row: RouteRow, uses: Uses, counted: bool) -> float:
    if counted:
        return row.tokens
    unit = uses.of(row)
    work = row.tokens / unit.tokens if unit.tokens else row.requests or 0.0
    return work * unit.usd
