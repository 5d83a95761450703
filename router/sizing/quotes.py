"""What each quote is worth: the price at which it stops entering the best plan (its break-even use: `break_even`).

    V(λ)   objective of the best plan with the offer's prices × λ            V₀   without the offer
    λ*     walk-away multiple: the highest λ with V(λ) < V₀

Where a plan's cost is linear in the offer's prices, V is a minimum of lines: concave, rising, and V₀ from λ* on.
Newton's steps from the left, λ' = λ + (V₀ − V(λ)) / g with g the offer's expected bill at unit multiple, never pass λ*
and reach it in finitely many. With CVaR in the objective, or where a commitment is in dollars (which is no price: a
higher rate buys fewer tokens for it), V rises but is no minimum of lines; then λ* is bracketed and halved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from problems.core.instance import NONE, Instance
from router.plan.sizing import Price, Quote, Verdict
from router.sizing.alternatives import Weighed
from router.sizing.break_even import QuoteUse, bill_of, priced_elsewhere, use_of
from router.sizing.cluster import spread
from router.sizing.signatures import in_hand, quoted
from router.sizing.study import Best, Study, only, priced, without

LEAST, MOST = 1e-3, 1e4  # multiples tried
CLOSE = 1e-6  # relative, of a walk-away multiple
BRACKET = 1e-3  # the same where it is halved
STEPS = 40


def quotes(study: Study, best: Best, weighed: Weighed) -> tuple[Quote, ...]:
    """Every quote of the problem, in its order."""
    tasks = [_Task(study.alone(), best, weighed, int(o)) for o in np.flatnonzero(quoted(best.inst))]
    return tuple(spread(_Task.run, tasks, study.workers))


@dataclass(frozen=True)
class _Task:
    """One quote."""

    study: Study
    best: Best
    weighed: Weighed
    offer: int

    @property
    def inst(self) -> Instance:
        return self.best.inst

    def run(self) -> Quote:
        name = self.inst.offers.names[self.offer]
        taken = self.offer in self.weighed.losing
        has = self.best if taken else self.weighed.gaining[self.offer]
        losing = self.weighed.losing[self.offer] if taken else self._losing()
        if has is None:
            prices = _prices(self.inst, self.offer, None)
            return Quote(name, "impossible", None, None, prices, None, None, None, None, 0.0)
        held = bool(in_hand(self.inst)[self.offer])
        use = QuoteUse() if held else use_of(has, self._elsewhere_usd(has, losing), self.offer)
        multiple = None if losing is None or held else self._walk_away(losing)
        verdict: Verdict = "sign" if taken else "walk away"
        if losing is None:
            verdict = "needed"
        elif held:
            pass  # its price is also that of what is held already, which no price can undo
        elif multiple is None and taken:
            pass  # the searches cannot tell whether it enters at all
        elif multiple is None:
            verdict = "never"
        elif math.isinf(multiple):
            verdict, multiple = "free", None
        return Quote(
            offer=name,
            verdict=verdict,
            worth_usd=None if losing is None else losing.objective_usd - has.objective_usd,
            walk_away_multiple=multiple,
            prices=_prices(self.inst, self.offer, multiple),
            bill_usd=None if held else bill_of(has, name),
            expected_use=use.expected,
            break_even_use=use.break_even,
            break_even_tokens_per_month=use.break_even_tokens_per_month,
            gap=max(has.gap, 0.0 if losing is None else losing.gap),
        )

    def _elsewhere_usd(self, has: Best, losing: Best | None) -> float | None:
        found = priced_elsewhere(self.study, self.inst, has, self.offer)
        return losing.expected_usd if found is None and losing is not None else found

    def _losing(self) -> Best | None:
        """Without an offer that is not signed the best plan stays the best, unless it is used all the same."""
        name = self.inst.offers.names[self.offer]
        if not any(line.offer == name for line in self.best.lines()):
            return self.best
        return self.study.try_best(without(self.inst, only(self.inst, self.offer)))

    def _walk_away(self, losing: Best) -> float | None:
        """λ*; inf where any multiple enters, None where not even the least does, or it is not sure that 1 does."""
        low, point = 1.0, self.best
        if not self._enters(point, losing):
            if self.offer in self.weighed.losing:
                return None
            low, point = LEAST, self._at(LEAST)
            if not self._enters(point, losing):
                return None
        return self._newton(low, point, losing) if self._linear() else self._halved(low, losing)

    def _newton(self, low: float, point: Best, losing: Best) -> float:
        for _ in range(STEPS):
            slope = bill_of(point, self.inst.offers.names[self.offer]) / low
            if slope <= 0:
                return math.inf
            step = (losing.objective_usd - point.objective_usd) / slope
            low, before = low + step, low
            if step <= CLOSE * low:
                break
            point = self._at(low)
            if not self._enters(point, losing):
                break
            if low > MOST and before > MOST:
                return math.inf
        return low

    def _halved(self, low: float, losing: Best) -> float:
        high = low
        while True:
            high *= 2.0
            if high > MOST:
                return math.inf
            if not self._enters(self._at(high), losing):
                break
            low = high
        while high - low > BRACKET * low:
            middle = math.sqrt(low * high)
            if self._enters(self._at(middle), losing):
                low = middle
            else:
                high = middle
        return low

    def _at(self, multiple: float) -> Best:
        return self.study.best(priced(self.inst, self.offer, multiple))

    def _enters(self, point: Best, losing: Best) -> bool:
        """Whether the plan is the cheaper for the offer, beyond what two solves may differ by."""
        return losing.objective_usd - point.objective_usd > point.doubt_usd + losing.doubt_usd

    def _linear(self) -> bool:
        """Whether a plan's objective is linear in the offer's prices."""
        policy, contracts = self.inst.policy, self.inst.contracts
        b = int(self.inst.offers.contract[self.offer])
        dollars = b != NONE and not contracts.in_tokens[b]
        capped = math.isfinite(policy.max_spend_usd) or math.isfinite(policy.max_committed_usd)
        return not dollars and not capped and policy.cvar_weight == 0


def _prices(inst: Instance, offer: int, multiple: float | None) -> tuple[Price, ...]:
    """The offer's prices, in the units of the problem file; those of its models once where they are alike."""
    fleet, b = int(inst.offers.fleet[offer]), int(inst.offers.contract[offer])
    tiers = None if b == NONE else inst.contracts.tiers[b]
    found = _per_token(inst, offer)
    if tiers is not None:
        found = [
            ("usd_per_m", None, float(start), float(usd) * 1e6)
            for start, usd in zip(tiers.from_tokens, tiers.usd, strict=True)
        ]
    if b != NONE and math.isfinite(inst.contracts.overage_usd[b]):
        unit = 1.0 if inst.contracts.in_tokens[b] else found[0][3] / 1e6  # a dollar's worth of tokens
        found.append(("overage_usd_per_m", None, None, float(inst.contracts.overage_usd[b]) * unit * 1e6))
    found.append(("fee_usd_per_month", None, None, float(inst.offers.fee_usd_per_month[offer])))
    if fleet != NONE:
        found.append(("usd_per_h", None, None, float(inst.fleets.usd_per_h[fleet])))
        found.append(("upfront_usd", None, None, float(inst.fleets.upfront_usd[fleet])))
    return tuple(
        Price(what, model, start, usd, None if multiple is None else usd * multiple)
        for what, model, start, usd in found
        if usd > 0
    )


def _per_token(inst: Instance, offer: int) -> list[tuple[str, str | None, float | None, float]]:
    """Prices per M tokens: one where all are alike, else by model and kind."""
    entries = inst.entries
    found: list[tuple[str, str | None, float | None, float]] = []
    for at in np.flatnonzero(entries.offer == offer):
        model = inst.models.names[entries.model[at]]
        kinds = [("prompt", entries.prompt_usd[at]), ("completion", entries.completion_usd[at])]
        if entries.cached_usd[at] != entries.prompt_usd[at]:
            kinds.append(("cached_prompt", entries.cached_usd[at]))
        found += [
            (f"{kind}_usd_per_m", model, None, float(usd) * 1e6) for kind, usd in kinds if np.isfinite(usd)
        ]
    prices = [usd for *_, usd in found]
    if prices and max(prices) - min(prices) <= 1e-12 * max(prices):
        return [("usd_per_m", None, None, prices[0])]
    return found
