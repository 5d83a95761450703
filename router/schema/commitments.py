"""Take-or-pay: what is committed, over which spans use is held against it, for which term."""

from typing import Literal

from pydantic import Field

from router.schema.base import (
    Counting,
    Flag,
    Moment,
    NonNegative,
    Positive,
    ShareBelowOne,
    Strict,
    Whole,
    optional,
)
from router.schema.clock import MONTH_H

SPAN_H = {"hour": 1.0, "day": 24.0, "month": MONTH_H, "quarter": 3 * MONTH_H, "year": 12 * MONTH_H}
"""Hours of a span, by what `settled` says; `term` is as long as the term."""

PER_SPAN = ("min_usd", "max_usd", "step_usd", "min_tokens", "max_tokens")


def term_hours(months: int | None, hours: float | None) -> float | None:
    """Length of a term that is stated in billing months or in hours, h; None: in neither."""
    return hours if months is None else months * MONTH_H


class Tier(Strict):
    """One price band of a month's tokens."""

    from_tokens_per_month: NonNegative = Field(description="Volume at which the band begins, inclusive")
    usd_per_m: NonNegative = Field(description="Price in the band, of all kinds of tokens")


class CommitmentLevel(Strict):
    """An amount that may be committed to, and what it takes off the contract rates."""

    usd: NonNegative = Field(description="Amount per span")
    discount: ShareBelowOne = Field(default=0.0, description="Taken off all use under the contract")


class RampStep(Strict):
    """What is committed from a month of the term on."""

    from_month: Counting = Field(description="Month of the term from which it holds, from 1")
    min_usd: NonNegative | None = optional("Spend per span")
    min_tokens: NonNegative | None = optional("Volume per span")


class DiscountTier(Strict):
    """One band of a span's use at contract rates."""

    from_usd: NonNegative = Field(description="Use per span at which the band begins, inclusive")
    discount: ShareBelowOne = Field(description="Taken off the use in the band, or off all of it (tier_kind)")


class SoFar(Strict):
    """Where a signed contract stands when the horizon begins."""

    since: Moment = Field(description="Start of the span that runs, local time of horizon.timezone")
    used_usd: NonNegative | None = optional("Used in it so far, at contract rates")
    used_tokens: NonNegative | None = optional("Used in it so far")
    counted_usd: NonNegative | None = optional(
        "Beside counts: what counted in it so far of what is billed elsewhere"
    )
    unused_usd: tuple[NonNegative, ...] = Field(
        default=(), description="What spans before it left unused and may still be used, oldest first"
    )
    unused_tokens: tuple[NonNegative, ...] = Field(
        default=(), description="The same of a commitment in tokens"
    )


class TermInForce(Strict):
    """A term of a stackable contract that is signed already."""

    until: Moment = Field(
        description="Its end, exclusive, local time of horizon.timezone; one that is over counts by its hours in the "
        "month that runs (so_far)"
    )
    usd: NonNegative | None = optional("What it commits to per span")
    tokens: NonNegative | None = optional("The same of a commitment in tokens")

    @property
    def amount(self) -> float:
        """What it commits to per span, in the unit that it states."""
        return (self.usd if self.tokens is None else self.tokens) or 0.0


class Settling(Strict):
    """What a commitment in USD and an agreement have in common: amounts per span, terms, and where one stands."""

    settled: Literal["hour", "day", "month", "quarter", "year", "term"] | None = optional(
        "Span over which use is held against the commitment; absent: the month of 730 h"
    )
    min_usd: NonNegative | None = optional("Least spend per span")
    max_usd: NonNegative | None = optional("Given: the spend per span is decided, up to this")
    step_usd: Positive | None = optional("The spend per span is sold in multiples of this")
    min_usd_per_month: NonNegative | None = optional("Least spend, settled by the month")
    max_usd_per_month: NonNegative | None = optional("Given: the spend to commit is decided, up to this")
    step_usd_per_month: Positive | None = optional("The spend to commit is sold in multiples of this")
    levels: tuple[CommitmentLevel, ...] = Field(
        default=(), description="In place of min and max: one of these is chosen, for the whole term"
    )
    ramp: tuple[RampStep, ...] = Field(
        default=(),
        description="In place of min: what is committed by month of the term; a span takes what holds at its start",
    )
    discount_tiers: tuple[DiscountTier, ...] = Field(
        default=(), description="Discounts by what a span uses at contract rates"
    )
    tier_kind: Literal["incremental", "all_units"] = Field(
        default="incremental", description="Each band has its price, or the band reached prices all of it"
    )
    rollover_spans: Whole = Field(
        default=0,
        description="What a span leaves unused may be used in so many later ones, oldest first; tokens that it pays "
        "for are billed at the rate of their hour less the mean of their span",
    )
    stackable: Flag = Field(
        default=False,
        description="true: may be signed again while a term runs; amounts in force add up. Settled by the month, all "
        "terms share the billing months of the horizon (or from so_far.since on), and count in them by their hours",
    )
    in_force: tuple[TermInForce, ...] = Field(
        default=(),
        description="Of stackable: terms signed already, which add up; so_far says where their month stands",
    )
    term_months: Counting | None = optional("Term in billing months of 730 h; absent: the whole horizon")
    term_h: Positive | None = optional("In place of term_months: a whole number of periods")
    start: Literal["any", "first"] | None = optional(
        "When its term may begin: any billing month (with term_h any period), or with the horizon only; absent: "
        "any if the term is shorter than the horizon"
    )
    start_every_h: Positive | None = optional("In place of start: terms may begin at multiples of this")
    signed: Flag = Field(default=False, description="true: already bought; due whatever the plan does")
    signed_until: Moment | None = optional(
        "End of a signed contract, exclusive, local time of horizon.timezone"
    )
    so_far: SoFar | None = optional("Signed: where it stands when the horizon begins")


class Commitment(Settling):
    """Take-or-pay: each span costs at least the commitment and at least the use."""

    min_tokens: NonNegative | None = optional(
        "Least volume paid for per span; where prices change, what it is short of costs the mean rate of its span"
    )
    max_tokens: NonNegative | None = optional("Given: the volume per span is decided, up to this")
    min_tokens_per_month: NonNegative | None = optional("Least volume paid for, settled by the month")
    max_tokens_per_month: NonNegative | None = optional("Given: the volume to commit is decided, up to this")
    overage: Literal["contract", "none"] = Field(
        default="contract", description="Use above the commitment: at contract rates, or not possible"
    )
    overage_usd_per_m: NonNegative | None = optional(
        "Price of use above the commitment; where prices change in time (schedule, whose factor is on it too), what "
        "comes first in a span is within the commitment, and so_far says how much that was, not when: what a span used "
        "before the horizon has the mean of the hours until then, so that bills of runs in a row add up to the span's "
        "only as far as prices did not change before each begins. Beside rollover_spans what earlier spans left "
        "is used before what is committed, likewise in order of time"
    )
    tiers: tuple[Tier, ...] = Field(
        default=(),
        description="Price bands by volume; replace token prices. Where rules (schedule) change their prices, "
        "bands fill in order of time, each token at the price of its hour; a shortfall, and what is bought to reach a "
        "band, has the mean of the span. so_far says how much was used before the horizon and not when: it has the "
        "mean of the hours until then, an approximation where prices changed in them, so that bills of runs in a row "
        "add up to the span's only as far as prices did not change before each begins",
    )

    @property
    def by_period(self) -> bool:
        """Whether every period settles by itself, however short; amounts are those of its `settled`."""
        return False

    @property
    def term_hours(self) -> float | None:
        """Length of the term, h; None: the whole horizon."""
        return term_hours(self.term_months, self.term_h)

    @property
    def by_billing_month(self) -> bool:
        """Whether it is settled by the billing months of the horizon, whenever its term begins."""
        per_span = any(getattr(self, name, None) is not None for name in PER_SPAN)
        more = self.levels or self.ramp or self.discount_tiers or self.rollover_spans or self.stackable
        return self.settled is None and self.so_far is None and not (per_span or more)

    @property
    def counts_tokens(self) -> bool:
        """Whether what it has used is stated in tokens: it commits to them, or has tiers."""
        tokens = self.per_month("min_tokens") is not None or self.per_month("max_tokens") is not None
        return tokens or bool(getattr(self, "tiers", ()))

    @property
    def shares_months(self) -> bool:
        """Whether its terms add up in months that they share, in which each counts by its hours."""
        return self.stackable and self.settled in (None, "month") and not self.by_period

    @property
    def span_h(self) -> float:
        """Hours of a span; a term without an end has no span of its own (see the rules)."""
        if self.settled == "term":
            return self.term_hours or MONTH_H
        return SPAN_H[self.settled or "month"]

    def per_month(self, amount: str) -> float | None:
        """A bound such as `min_usd`, stated per span or per month, as a rate: own units per 730 h."""
        monthly: float | None = getattr(self, f"{amount}_per_month", None)
        if monthly is not None:
            return monthly
        if amount == "min_usd" and self.levels:
            return min(level.usd for level in self.levels) * MONTH_H / self.span_h
        if amount == "max_usd" and self.levels:
            return max(level.usd for level in self.levels) * MONTH_H / self.span_h
        if amount.startswith("min_") and self.ramp:
            steps = [each for step in self.ramp if (each := getattr(step, amount)) is not None]
            return max(steps) * MONTH_H / self.span_h if steps else None
        value: float | None = getattr(self, amount, None)
        return None if value is None else value * MONTH_H / self.span_h

    def ramped(self, term_h: float) -> float:
        """What is committed by a span that begins so many hours into the term, as a part of the most of the ramp."""
        if not self.ramp:
            return 1.0
        month = int(term_h / MONTH_H + 1e-9) + 1
        amounts = [step.min_usd if step.min_tokens is None else step.min_tokens for step in self.ramp]
        now = [amount for step, amount in zip(self.ramp, amounts, strict=True) if step.from_month <= month]
        most = max(amount or 0.0 for amount in amounts)
        return (now[-1] or 0.0) / most if now and most > 0 else 0.0

    def starts_h(self, horizon_h: float, period_h: float) -> tuple[float, ...]:
        """Hours of the horizon at which a term may begin, in order."""
        term = self.term_hours
        every = self.start_every_h
        if every is None:
            any_time = self.start == "any" or (
                self.start is None and term is not None and term < horizon_h - 1e-9
            )
            if term is None or not any_time:
                return (0.0,)
            every = period_h if self.term_h is not None else MONTH_H
        return multiples(every, horizon_h, period_h)


def multiples(every_h: float, horizon_h: float, period_h: float) -> tuple[float, ...]:
    """Multiples of so many hours, from 0, with or after which a period of the horizon starts."""
    last_start_h = horizon_h - period_h
    every_h = max(every_h, period_h) if period_h > MONTH_H * (1 + 1e-9) else every_h
    return tuple(k * every_h for k in range(int(last_start_h / every_h + 1e-9) + 1))
