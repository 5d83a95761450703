"""What each quote is worth: the price at which it stops entering the best plan (its break-even use: `break_even`).

    V(λ)   objective of the best plan with the offer's prices × λ            V₀   without the offer
    λ*     walk-away multiple: the highest λ with V(λ) < V₀

Where a plan's cost is linear in the offer's prices, V is a minimum of lines: concave, rising, and V₀ from λ* on.
Newton's steps from the left, λ' = λ + (V₀ − V(λ)) / g with g the offer's expected bill at unit multiple, never pass λ*
and reach it in finitely many. Of an offer that is not signed they begin where the best plan that signs it costs V₀, for
its line lies above V. With CVaR in the objective, where its bill counts in an agreement, or where a commitment is in
dollars (which is no price: a higher rate buys fewer tokens for it), V rises but is no minimum of lines; then λ* is
bracketed and halved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from problems.core.arrays import NONE
from problems.core.costs import ENTRY_PRICES, M
from problems.core.instance import Instance
from problems.core.variants import rows_read_prices
from router.plan.sizing import Price, Quote, Verdict
from router.sizing.alternatives import Weighed
from router.sizing.best import Best, best_plan, only, priced, try_best_plan, without
from router.sizing.break_even import QuoteUse, bill_of, priced_elsewhere, use_of
from router.sizing.discounts import (
    LeastDiscount,
    break_even_use,
    in_units,
    is_agreement,
    quoted_discounts,
    units_priced,
)
from router.sizing.joint import Asked, JointSearch, kept
from router.sizing.options import Study
from router.sizing.signatures import in_hand, quoted

LEAST, MOST = 1e-3, 1e4  # multiples tried
CLOSE = 1e-6  # relative, of a walk-away multiple
BRACKET = 1e-3  # the same where it is halved
STEPS = 40


def quotes(study: Study, best: Best, weighed: Weighed) -> tuple[tuple[Quote, ...], list[str]]:
    """Every quote of the problem, in its order, and what of them no time was left for."""
    offers, names = np.flatnonzero(quoted(best.inst)).tolist(), best.inst.offers.names
    known = [o for o in offers if o in weighed.losing or o in weighed.gaining]
    plain = best.told_of()
    asked: list[_QuotedOffer] = []
    for o in known:
        taken = o in weighed.losing
        has = best if taken else weighed.gaining[o]
        told = best.told_of(names[o]) if has is best else has
        asked.append(_QuotedOffer(o, plain, taken, told, weighed.losing.get(o)))
    # one list, so that no process waits: prices first, which tell the most
    tasks = [(part, question) for part in (_quote, _use) for question in asked]
    answers = study.answered(partial(_answered, asked=Asked.of(best.inst)), tasks)
    rows, late, unused = [], [], []
    for question, quote, use in zip(asked, answers[: len(asked)], answers[len(asked) :], strict=True):
        name = names[question.offer]
        if not isinstance(quote, Quote):
            late.append(f"the walk-away price of {name}")
            continue
        if not isinstance(use, QuoteUse):
            unused.append(f"the use of {name} from which it pays")
            use = _use_known(best.inst, question, None)
        rows.append(
            replace(
                quote,
                expected_use=use.expected,
                break_even_use=use.break_even,
                break_even_tokens_per_month=use.break_even_tokens_per_month,
            )
        )
    late += [f"the walk-away price of {names[o]}" for o in offers if o not in known]
    return tuple(rows), late + unused


@dataclass(frozen=True)
class _QuotedOffer:
    """What is asked of one offer."""

    offer: int
    best: Best
    taken: bool  # the best plan signs it
    has: Best | None  # the best plan with it
    losing: Best | None  # and without it, where it is taken


type _Part = Callable[..., Quote | QuoteUse]


def _answered(study: Study, task: tuple[_Part, _QuotedOffer], *, asked: Asked) -> Quote | QuoteUse:
    part, question = task
    return part(study, question, asked=asked)


def _quote(study: Study, question: _QuotedOffer, *, asked: Asked) -> Quote:
    """The quote without its use."""
    offer, best, taken, has = question.offer, question.best, question.taken, question.has
    inst, name = asked.inst, asked.inst.offers.names[offer]
    losing = _without_it(study, question, asked)
    if has is None:
        none = Quote(name, "impossible", None, None, _prices(inst, offer, None), None, None, None, None, 0.0)
        return replace(none, discounts=quoted_discounts(inst, offer, None))
    # what is in hand already has the price too, and no price can undo that
    owned = bool(in_hand(inst)[offer])
    agreed, units, multiple = bool(is_agreement(inst)[offer]), in_units(inst, offer), None
    told = True
    if losing is not None and not owned and agreed and not units:
        least = LeastDiscount(study, inst, offer, losing)
        multiple, told = least.factor(best, taken), least.is_told
    elif losing is not None and not owned:
        multiple = _WalkAway(study, asked, offer, losing).multiple(best, has, taken)
    verdict = _verdict(multiple, taken=taken, needed=losing is None, owned=owned, told=told)
    multiple = None if verdict == "free" else multiple
    return Quote(
        offer=name,
        verdict=verdict,
        worth_usd=None if losing is None else losing.objective_usd - has.objective_usd,
        walk_away_multiple=None if agreed and not units else multiple,
        prices=_prices(inst, offer, multiple),
        bill_usd=None if owned else bill_of(has, name),
        expected_use=None,
        break_even_use=None,
        break_even_tokens_per_month=None,
        gap=max(has.gap, 0.0 if losing is None else losing.gap),
        discounts=quoted_discounts(inst, offer, multiple),
    )


def _use(study: Study, question: _QuotedOffer, *, asked: Asked) -> QuoteUse:
    """How far it is used, and from which use on it pays."""
    offer, has, inst = question.offer, question.has, asked.inst
    # what is avoided is partly what a credit pays where there is one
    if has is None or in_hand(inst)[offer] or is_agreement(inst)[offer] or inst.credits.offer[:, offer].any():
        return _use_known(inst, question, None)
    usd = priced_elsewhere(study, inst, has, offer, kept(asked, study))
    if usd is None and (losing := _without_it(study, question, asked)) is not None:
        usd = losing.expected_usd
    return _use_known(inst, question, usd)


def _use_known(inst: Instance, question: _QuotedOffer, elsewhere_usd: float | None) -> QuoteUse:
    """The same, where its work would cost so much elsewhere; None: that is not known."""
    offer, has = question.offer, question.has
    if has is None or in_hand(inst)[offer]:
        return QuoteUse()
    use = use_of(has, elsewhere_usd, offer)
    return replace(use, break_even=break_even_use(has, offer)) if is_agreement(inst)[offer] else use


def _verdict(multiple: float | None, *, taken: bool, needed: bool, owned: bool, told: bool) -> Verdict:
    """What to do. Taken and without a multiple: the searches cannot tell whether it enters at all."""
    if needed:
        return "needed"
    if multiple is not None and math.isinf(multiple):
        return "free"
    if multiple is None and told and not owned and not taken:
        return "never"
    return "sign" if taken else "walk away"


def _without_it(study: Study, question: _QuotedOffer, asked: Asked) -> Best | None:
    """Without an offer that is not signed the best plan stays the best, unless it is used all the same."""
    inst, best, offer = asked.inst, question.best, question.offer
    if question.taken:
        return question.losing
    if not any(line.offer == inst.offers.names[offer] for line in best.lines()):
        return best
    rest, search = without(inst, only(inst, offer)), kept(asked, study)
    return try_best_plan(study, rest, None if search is None else search.limited(rest))


@dataclass(frozen=True)
class _WalkAway:
    """The search for λ* of one offer."""

    study: Study
    asked: Asked
    offer: int
    losing: Best  # without the offer

    @property
    def inst(self) -> Instance:
        return self.asked.inst

    def multiple(self, best: Best, has: Best, taken: bool) -> float | None:
        """λ*; inf where any multiple enters, None where not even the least does, or it is not sure that 1 does.

        best, has   the best plan of all, and with the offer
        """
        if self._enters(best):
            return self._newton(1.0, best) if self._linear() else self._halved(1.0)
        if taken:
            return None
        low = self._crossing(has) if self._linear() else LEAST
        point = self._at(low)
        if not self._enters(point):
            return low if low > LEAST else None
        return self._newton(low, point) if self._linear() else self._halved(low)

    def _crossing(self, has: Best) -> float:
        """The multiple at which a plan with the offer costs as much as the best one without: no more than λ*.

        The least, where that is not above it by as much as two solves may differ by.
        """
        bill = bill_of(has, self.inst.offers.names[self.offer])
        saves = self.losing.objective_usd - has.objective_usd + bill * (1.0 - LEAST)  # at the least
        if bill <= 0 or saves <= has.doubt_usd + self.losing.doubt_usd:
            return LEAST
        return LEAST + saves / bill

    def _newton(self, low: float, point: Best) -> float:
        for _ in range(STEPS):
            slope = bill_of(point, self.inst.offers.names[self.offer]) / low
            if slope <= 0:
                return math.inf
            step = (self.losing.objective_usd - point.objective_usd) / slope
            low, before = low + step, low
            if step <= CLOSE * low:
                break
            point = self._at(low)
            if not self._enters(point):
                break
            if low > MOST and before > MOST:
                return math.inf
        return low

    def _halved(self, low: float) -> float:
        high = low
        while True:
            high *= 2.0
            if high > MOST:
                return math.inf
            if not self._enters(self._at(high)):
                break
            low = high
        while high - low > BRACKET * low:
            middle = math.sqrt(low * high)
            if self._enters(self._at(middle)):
                low = middle
            else:
                high = middle
        return low

    def _at(self, multiple: float) -> Best:
        change = units_priced if in_units(self.inst, self.offer) else priced
        inst = change(self.inst, self.offer, multiple)
        before = self._before[-1] if change is priced else None
        joint = None if before is None else before.repriced(inst)
        self._before[:] = [joint or before]
        return best_plan(self.study, inst, joint)

    @cached_property
    def _before(self) -> list[JointSearch | None]:
        """The search at the prices before, from which that at others goes on; at first at those quoted."""
        return [None if rows_read_prices(self.inst) else kept(self.asked, self.study)]

    def _enters(self, point: Best) -> bool:
        """Whether the plan is the cheaper for the offer, beyond what two solves may differ by."""
        return self.losing.objective_usd - point.objective_usd > point.doubt_usd + self.losing.doubt_usd

    def _linear(self) -> bool:
        """Whether a plan's objective is linear in its prices, so that no use counts or is paid elsewhere."""
        policy, contracts, credits = self.inst.policy, self.inst.contracts, self.inst.credits
        b = int(self.inst.offers.contract[self.offer])
        counted = {(each.offer, each.contract) for counts in contracts.counts for each in counts}
        elsewhere = self.offer in self.inst.agreements.offer or credits.offer[:, self.offer].any()
        counts = (self.offer, -1) in counted or (b != NONE and (-1, b) in counted)
        dollars = b != NONE and not contracts.in_tokens[b] and not in_units(self.inst, self.offer)
        capped = math.isfinite(policy.max_spend_usd) or math.isfinite(policy.max_committed_usd)
        return not dollars and not elsewhere and not counts and not capped and policy.risk.weight == 0


type PriceRow = tuple[str, str | None, float | None, float]
"""Price field of the problem file, model, start of a tier, USD in the unit of the field."""


def _prices(inst: Instance, offer: int, multiple: float | None) -> tuple[Price, ...]:
    """The offer's prices, in the units of the problem file; those of its models once where they are alike."""
    fleet, b = int(inst.offers.fleet[offer]), int(inst.offers.contract[offer])
    tiers = None if b == NONE else inst.contracts.tiers[b]
    prices = _alike(_of_models(inst, offer, tokens=True))
    if tiers is not None:
        prices = [
            ("usd_per_m", None, float(start), float(usd) * M)
            for start, usd in zip(tiers.from_tokens, tiers.usd, strict=True)
        ]
    if b != NONE and math.isfinite(inst.contracts.overage_stated[b]):
        unit = 1.0 if inst.contracts.in_tokens[b] else prices[0][3] / M  # a dollar's worth of tokens
        prices.append(("overage_usd_per_m", None, None, float(inst.contracts.overage_stated[b]) * unit * M))
    prices += _of_models(inst, offer, tokens=False)
    prices.append(("fee_usd_per_month", None, None, float(inst.offers.fee_usd_per_month[offer])))
    if in_units(inst, offer):
        prices.append(("usd_per_unit_h", None, None, float(inst.contracts.usd_per_unit_h[b])))
    usd_of_hosts = inst.hosts.usd_per_h[inst.hosts.seller == offer]
    prices += [("usd_per_h", None, None, float(usd)) for usd in usd_of_hosts]
    halves = np.flatnonzero(inst.offers.decodes_for == offer)
    if fleet != NONE:
        usd_per_h = "usd_per_h" if not halves.size else "roles.prefill.usd_per_h"
        prices.append((usd_per_h, None, None, float(inst.fleets.usd_per_h[fleet])))
        prices.append(("upfront_usd", None, None, float(inst.fleets.upfront_usd[fleet])))
    for half in inst.offers.fleet[halves]:
        prices.append(("roles.decode.usd_per_h", None, None, float(inst.fleets.usd_per_h[half])))
    return tuple(
        Price(what, model, start, usd, None if multiple is None else usd * multiple)
        for what, model, start, usd in prices
        if usd > 0
    )


def _of_models(inst: Instance, offer: int, *, tokens: bool) -> list[PriceRow]:
    """What is stated of each model, of tokens or of all else; a price that stands for another's is not listed."""
    column = {price.field: i for i, price in enumerate(ENTRY_PRICES)}
    rows: list[PriceRow] = []
    for at in np.flatnonzero(inst.entries.offer == offer):
        model, short = inst.models.names[inst.entries.model[at]], inst.entries.usd[at]
        for prefix, each in (("", short), ("long_prompt.", inst.entries.long_usd[at])):
            rows += [
                (prefix + price.field, model, None, float(usd) * price.per)
                for price, usd, beside in zip(ENTRY_PRICES, each, short, strict=True)
                if price.replaced == tokens
                and np.isfinite(usd)
                and not (price.otherwise and usd == each[column[price.otherwise]])
                and not (prefix and usd == beside)
            ]
    return rows


def _alike(prices: list[PriceRow]) -> list[PriceRow]:
    """One price per M tokens where all are alike."""
    each = [usd for *_, usd in prices]
    alike = bool(each) and max(each) - min(each) <= 1e-12 * max(each)
    return [("usd_per_m", None, None, each[0])] if alike else prices
