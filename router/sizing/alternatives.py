"""What else could be signed, and what it would cost.

Alternatives are the best plans without each thing signed, with each thing not signed, and with nothing signed at all.

Amounts are the plan's own, each in turn changed and all else signed as advised; one that is not sold is rounded to the
nearest that is. How steep the cost is around the advice says how much the amount matters, which the advice alone does
not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from problems.core.arrays import NONE
from problems.core.decision import Decision, with_room
from problems.core.instance import Instance
from router.errors import NoPlanInTime
from router.plan.sizing import Alternative, Amount, Signature
from router.sizing.best import Best, figures, only, signing, try_best_plan, without
from router.sizing.joint import Asked, kept
from router.sizing.options import Study
from router.sizing.outcomes import costs_of, outcomes
from router.sizing.signatures import Advice, advice, can_be_required, quoted, unsold_month

NOTHING = "nothing signed"
FACTORS = (0.5, 0.75, 0.9, 1.1, 1.25, 1.5)
SAME = 1e-6  # relative
NEAR_H = 1e-6
MOST = 4  # things signed whose amounts are changed, the largest liabilities first


@dataclass(frozen=True)
class Weighed:
    """The variants that alternatives and quotes are read from. None: no plan keeps every promise. Those for which no
    time was left are absent, and named in `late`."""

    losing: Mapping[int, Best | None]  # by offer signed: without it
    gaining: Mapping[int, Best | None]  # by offer not signed: with it
    nothing: Best | None  # None too where nothing is signed anyway
    late: tuple[str, ...] = ()

    def all(self) -> tuple[Best | None, ...]:
        return (self.nothing, *self.losing.values(), *self.gaining.values())

    def named(self, inst: Instance) -> dict[str, Best]:
        """By condition, in words; without those that have no plan."""
        names = inst.offers.names
        plans = {NOTHING: self.nothing}
        plans |= {f"without {names[o]}": plan for o, plan in self.losing.items()}
        plans |= {f"with {names[o]}": plan for o, plan in self.gaining.items()}
        return {what: plan for what, plan in plans.items() if plan is not None}


def weigh(study: Study, best: Best) -> Weighed:
    """Solve all variants."""
    inst = best.inst
    quotes = np.flatnonzero(quoted(inst)).tolist()
    whole, row_of = inst.offers.seller_of_halves, inst.offers.names.index
    sellers = {int(whole[row_of(signature.offer)]) for signature in best.signs}
    signed = [o for o in quotes if o in sellers]
    others = [o for o in quotes if o not in signed]
    possible = [o for o in others if can_be_required(inst)[o]]
    names = inst.offers.names
    variants = {f"without {names[o]}": without(inst, only(inst, o)) for o in signed}
    variants |= {f"with {names[o]}": signing(inst, o) for o in possible}
    if several := bool(signed) and len(quotes) > 1:
        variants[NOTHING] = without(inst, quoted(inst))
    about = {f"with {names[o]}": (names[o],) for o in possible}
    questions = [(variant, about.get(what, ())) for what, variant in variants.items()]
    answers = study.answered(partial(_variant, asked=Asked.of(inst)), questions)
    plans: dict[str, Best | None] = {
        what: answer.plan for what, answer in zip(variants, answers, strict=True) if answer is not None
    }
    losing = {o: plans[what] for o in signed if (what := f"without {names[o]}") in plans}
    gaining: dict[int, Best | None] = {o: best for o in others if o not in possible}
    gaining |= {o: plans[what] for o in possible if (what := f"with {names[o]}") in plans}
    nothing = plans.get(NOTHING) if several else next(iter(losing.values()), None)
    return Weighed(losing, gaining, nothing, tuple(what for what in variants if what not in plans))


@dataclass(frozen=True)
class _Variant:
    plan: Best | None  # None: no plan keeps every promise


def _variant(study: Study, question: tuple[Instance, tuple[str, ...]], *, asked: Asked) -> _Variant:
    """The best plan of a variant, with the rows about some offers."""
    (inst, offers), search = question, kept(asked, study)
    plan = try_best_plan(study, inst, None if search is None else search.limited(inst))
    return _Variant(None if plan is None else plan.told_of(*offers))


def alternatives(best: Best, weighed: Weighed, most: int) -> tuple[Alternative, ...]:
    """The nearest in cost, at most so many, each advice once."""
    seen: set[Advice] = {advice(best.signs)}
    nearest: list[Alternative] = []
    for what, plan in weighed.named(best.inst).items():
        if (signs := advice(plan.signs)) in seen:
            continue
        seen.add(signs)
        nearest.append(
            Alternative(
                what=what,
                expected_usd=plan.expected_usd,
                cvar_usd=plan.cvar_usd,
                objective_usd=plan.objective_usd,
                more_usd=plan.objective_usd - best.objective_usd,
                signs=plan.signs,
                gap=plan.gap,
            )
        )
    return tuple(sorted(nearest, key=lambda other: other.objective_usd)[:most])


def amounts(study: Study, best: Best) -> tuple[list[tuple[Amount, Decision]], int]:
    """Each amount signed at `FACTORS` of itself, as far as it is sold so, and the decision that it makes; and for how
    many no time was left."""
    largest = sorted(best.signs, key=lambda signature: -signature.least_usd)[:MOST]
    changes = [
        (signature, *change)
        for signature in best.signs
        if signature in largest
        for change in _changes(best, signature)
    ]
    roomy, count = best.inst, study.workers.count
    for *_, decision in changes:  # the same programs for all of them
        roomy = with_room(roomy, decision)
    work = partial(_amounts, inst=roomy, objective_usd=best.objective_usd)
    shares = study.each(work, [changes[first::count] for first in range(min(count, len(changes)))])
    rows: list[Amount | None] = [None] * len(changes)
    for first, share in enumerate(shares):
        rows[first::count] = share
    known = [(row, change[-1]) for row, change in zip(rows, changes, strict=True) if row is not None]
    return known, len(rows) - len(known)


type Change = tuple[Signature, float, float, Decision]
"""What is signed, its amount now, the other, and the decision with that."""


def _amounts(
    study: Study, changes: Sequence[Change], *, inst: Instance, objective_usd: float
) -> list[Amount | None]:
    """In order, while there is time: None where there was none."""
    rows: list[Amount | None] = []
    for change in changes:
        try:
            rows.append(None if study.options.late else _amount(study, change, inst, objective_usd))
        except NoPlanInTime:
            rows.append(None)
    return rows


def _amount(study: Study, change: Change, inst: Instance, objective_usd: float) -> Amount:
    """What one changed amount costs."""
    signature, now, amount, decision = change
    cost = costs_of(outcomes(inst, decision, study))
    what = (signature.offer, signature.kind, signature.model, signature.start_month, amount, amount / now)
    hour = signature.start_h
    if not np.isfinite(cost).all():
        failing = tuple(inst.scenarios.names[s] for s in np.flatnonzero(~np.isfinite(cost)))
        return Amount(*what, None, None, None, None, failing, hour)
    usd = figures(cost, inst)
    more_usd = usd.objective_usd - objective_usd
    return Amount(*what, usd.expected_usd, usd.cvar_usd, usd.objective_usd, more_usd, (), hour)


def _changes(best: Best, signature: Signature) -> Iterator[tuple[float, float, Decision]]:
    """(amount now, another, the decision with that) of one thing signed; a fee has no amount."""
    if signature.kind == "contract":
        yield from _volumes(best.inst, best.decision, signature.offer, signature.from_h)
    elif signature.kind == "instances":
        yield from _counts(best.inst, best.decision, signature.offer, signature.model, signature.from_h)
    elif signature.kind == "hosts":
        yield from _hosts(best.inst, best.decision, signature.offer)


def _hosts(inst: Instance, decision: Decision, name: str) -> Iterator[tuple[float, float, Decision]]:
    h = inst.hosts.names.index(name)
    now = float(decision.hosts[h])
    for amount in _sold(now, 1.0, 0.0, float(inst.hosts.most_throughout()[h])):
        hosts = decision.hosts.copy()
        hosts[h] = amount
        yield now, amount, replace(decision, hosts=hosts)


def _volumes(
    inst: Instance, decision: Decision, offer: str, from_h: float
) -> Iterator[tuple[float, float, Decision]]:
    contracts = inst.contracts
    b = int(inst.offers.contract[inst.offers.names.index(offer)])
    most, step = float(contracts.max_per_month[b]), float(contracts.step_per_month[b])
    if b == NONE or not np.isfinite(most) or contracts.levelled[b]:
        return
    starts = (contracts.start_contract == b) & ~contracts.start_signed
    starts &= np.abs(contracts.start_h - from_h) <= NEAR_H
    (a,) = np.flatnonzero(starts)
    now = float(decision.committed[a])
    if contracts.stackable[b]:
        most -= _beside(inst, decision, int(a))
    for amount in _sold(now, step, float(contracts.min_per_month[b]), most):
        committed = decision.committed.copy()
        committed[a] = amount
        yield now, amount, replace(decision, committed=committed)


def _beside(inst: Instance, decision: Decision, a: int) -> float:
    """The most that other terms of a stackable contract commit to while a term runs, own units a month."""
    contracts = inst.contracts
    others = contracts.start_contract == contracts.start_contract[a]
    others[a] = False
    start, end = float(contracts.start_h[a]), float(contracts.end_h[a])
    begins = contracts.start_h[others]
    together = [start, *begins[(begins > start) & (begins < end - 1e-9)].tolist()]
    return max(
        float(decision.committed[others & (contracts.start_h <= at) & (contracts.end_h > at + 1e-9)].sum())
        for at in together
    )


def _counts(
    inst: Instance, decision: Decision, offer: str, model: str | None, from_h: float
) -> Iterator[tuple[float, float, Decision]]:
    fleets = inst.fleets
    fleet = int(inst.offers.fleet[inst.offers.names.index(offer)])
    names = [None if m == NONE else inst.models.names[m] for m in fleets.pool_model]
    mine, for_all = np.flatnonzero(fleets.pool_fleet == fleet), bool(fleets.pooled[fleet])
    q = int(mine[0]) if for_all else next(q for q in mine.tolist() if names[q] == model)
    term, k = fleets.term_h[fleet] > 0, int(np.searchsorted(fleets.buy_h, from_h - NEAR_H))
    now = float(decision.bought[q, k] if term else decision.paid[q])
    step = (1.0 if for_all else float(fleets.pool_step[q])) if fleets.integral[fleet] else 0.0
    reserved = float(fleets.reserved[fleet].min())
    least = 0.0 if term else max(float(fleets.pool_min[q]) - reserved, 0.0)
    for amount in _sold(now, step, least, float(fleets.max[fleet].min()) - reserved):
        if term:
            bought = decision.bought.copy()
            bought[q, k] = amount
            other = replace(decision, bought=bought)
            if unsold_month(inst, other, fleet) is None:
                yield now, amount, other
        else:
            paid, ahead = decision.paid.copy(), decision.ahead.copy()
            paid[q], ahead[q] = amount, ahead[q] + amount - now
            yield now, amount, replace(decision, paid=paid, ahead=ahead)


def _sold(now: float, step: float, least: float, most: float) -> Sequence[float]:
    """Amounts around `now` that are sold, in order; the next step on either side is one of them."""
    if now <= 0:
        return ()
    near = [now * factor for factor in FACTORS]
    if step:
        near = [now + step * round((amount - now) / step) for amount in near] + [now - step, now + step]
    amounts = {round(amount / now, 9): amount for amount in near}
    return [
        amount
        for over, amount in sorted(amounts.items())
        if abs(over - 1) > SAME and max(least, SAME * now) <= amount * (1 + SAME) <= most * (1 + 2 * SAME)
    ]
