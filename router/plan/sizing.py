"""The section `sizing` of a sized plan: what to sign, what that rests on, and what else was on the table.

USD over the horizon are present values. Billing months count from 0; an end month is the first one after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import ClassVar, Literal

from router.plan.values import MONTH_H, Flag, Futures, Instances, Interval, Number, Whole, record, stated

MORE = "Objective above that of the plan"
GAP = "How far the search for it ended from proof, as a part of its objective"
FAILS = "Futures that it cannot serve"
START_H = "Hour of the horizon at which it begins, where that is within a billing month"
Kind = Literal["contract", "instances", "fee", "hosts"]
Verdict = Literal["sign", "walk away", "needed", "never", "impossible", "free"]


def begins_h(month: int | None, hour: float | None) -> float:
    """Hour of the horizon, of a month or as stated."""
    return (month or 0) * MONTH_H if hour is None else hour


def within_month(hour: float) -> float | None:
    """The hour, where no billing month begins with it."""
    months = hour / MONTH_H
    return None if abs(months - round(months)) <= 1e-9 else hour


@record
class Signature:
    """One thing bought before demand is known."""

    offer: str = stated(
        "Offer signed, or agreement, or kind of host; `own, decode` for the workers that decode, of an offer with roles"
    )
    kind: Kind = stated("What is bought")
    model: str | None = stated("Model of the instances; null where all share them, or none are bought")
    start_month: Whole | None = stated("First billing month, from 0")
    end_month: Whole | None = stated("First billing month after its end")
    committed_tokens_per_month: Number | None = stated("Of a contract in tokens; else null")
    committed_usd_per_month: Number | None = stated("Of a contract in USD; else null")
    count: Instances | None = stated("Of instances and hosts; else null")
    least_usd: Number = stated("Owed inside the horizon without any use")
    beyond_horizon_usd: Number = stated("Owed after the horizon, undiscounted")
    start_h: Number | None = stated(START_H, default=None)
    end_h: Number | None = stated("Hour of the horizon at which it ends, likewise", default=None)

    @property
    def from_h(self) -> float:
        """Hour of the horizon at which it begins."""
        return begins_h(self.start_month, self.start_h)


@record
class Advised(Signature):
    """What the plan signs, and what it expects of it."""

    _: KW_ONLY
    expected_usd: Number = stated(
        "Bills inside the horizon; of instances, hosts and fees what is owed at least"
    )
    offer_usd: Number = stated("All that the offer is paid")
    expected_use: Number | None = stated("Share of what is committed or rented that is used; null for a fee")


@record
class Alternative:
    """Another best plan, under a condition."""

    what: str = stated("The condition: with or without an offer, or nothing signed")
    expected_usd: Number = stated("Its expected cost")
    cvar_usd: Number = stated("Its CVaR")
    objective_usd: Number = stated("Its objective")
    more_usd: Number = stated(MORE)
    signs: tuple[Signature, ...] = stated("What it signs")
    gap: Number = stated(GAP)


@record
class Amount:
    """The plan with one of its amounts changed, and all else signed as advised."""

    offer: str = stated("Offer signed")
    kind: Kind = stated("What is bought")
    model: str | None = stated("Model of the instances, or null")
    start_month: Whole | None = stated("First billing month, from 0")
    amount: Number = stated("Tokens or USD a month, or instances or hosts")
    over_advised: Number = stated("Amount over the one advised")
    expected_usd: Number | None = stated("Expected cost; null where a future fails")
    cvar_usd: Number | None = stated("CVaR; null where a future fails")
    objective_usd: Number | None = stated("Objective; null where a future fails")
    more_usd: Number | None = stated(MORE)
    fails_in: tuple[str, ...] = stated(FAILS)
    start_h: Number | None = stated(START_H, default=None)

    @property
    def from_h(self) -> float:
        """Hour of the horizon at which it begins."""
        return begins_h(self.start_month, self.start_h)


@record
class Price:
    """One of an offer's prices, now and at most."""

    what: str = stated("Price field of the problem file")
    model: str | None = stated("Model of the price; null where all prices are alike")
    from_tokens_per_month: Number | None = stated("Start of a tier")
    now_usd: Number = stated("Price, in the unit of the field")
    walk_away_usd: Number | None = stated("Highest at which it is worth signing; null: any, or none")


@record
class QuotedDiscount:
    """A discount of an agreement, now and at least."""

    offer: str | None = stated("Offer whose use it is taken off; null: all of them, by a level or a band")
    now: Number = stated("Part of its prices taken off")
    least: Number | None = stated(
        "Least at which the agreement is worth signing, all cut alike; 0: without any too; null: none"
    )
    from_usd_per_month: Number | None = stated(
        "Of a level, what it commits to in 730 h; of a band, where it begins", default=None
    )


@record
class Quote:
    """An offer or an agreement that asks for a signature, weighed."""

    offer: str = stated("Offer, agreement or kind of host that asks for a signature")
    verdict: Verdict = stated(
        "sign, walk away, needed (no plan without it), never (not even for nearly nothing), "
        "impossible (no plan with it) or free (at any price: what it is used for costs nothing)"
    )
    worth_usd: Number | None = stated("What signing saves; below 0 what it would cost")
    walk_away_multiple: Number | None = stated("Multiple of its prices from which it is not signed")
    prices: tuple[Price, ...] = stated("Its prices")
    bill_usd: Number | None = stated("Expected bill with it signed")
    expected_use: Number | None = stated("Share of what is committed that is used")
    break_even_use: Number | None = stated("Share from which on it pays")
    break_even_tokens_per_month: Number | None = stated("Volume from which on it pays; null: no such volume")
    gap: Number = stated("The larger gap of the two searches that worth_usd is the difference of")
    discounts: tuple[QuotedDiscount, ...] | None = stated("Of an agreement", default=None)


@record
class DemandStep:
    """What is signed at a multiple of all demand."""

    at: Number = stated("Multiple of all demand")
    feasible: Flag = stated("Whether there is a plan")
    expected_usd: Number | None = stated("Its expected cost")
    signs: tuple[Signature, ...] = stated("What it signs")


@record
class Flip:
    """How far demand can go, down or up, until something else should be signed, whatever the amounts."""

    direction: Literal["down", "up"] = stated("Less demand, or more")
    at: Number | None = stated(
        "Multiple of all demand at which the advice has changed, within 1 %; null: not between 0.1 and 10"
    )
    feasible: Flag = stated("Whether there is a plan at that multiple")
    signs: tuple[Signature, ...] = stated("What is signed there")
    gap: Number = stated("Largest gap of the searches: within it, the advice may be another")
    steps: tuple[DemandStep, ...] = stated("What is signed at other multiples")


@record
class FrontierPoint:
    """The best plan at one weight of risk."""

    cvar_weight: Number = stated("Weight of CVaR in the objective")
    expected_usd: Number = stated("Its expected cost")
    cvar_usd: Number = stated("Its CVaR")
    signs: tuple[Signature, ...] = stated("What it signs")
    gap: Number = stated("How far the search ended from proof, of the mixture at this weight")


@record
class Evaluated:
    """The buyer's own commitment. Its costs are absent where it fails in a future."""

    signs: tuple[Signature, ...] = stated("What it signs")
    fails_in: tuple[str, ...] = stated(FAILS)
    why: str | None = stated("Why the first of these fails", default=None)
    expected_usd: Number | None = stated("Its expected cost", default=None)
    cvar_usd: Number | None = stated("Its CVaR", default=None)
    objective_usd: Number | None = stated("Its objective", default=None)
    more_usd: Number | None = stated(MORE, default=None)
    by_scenario_usd: Mapping[str, Number] | None = stated("Its cost by future", default=None)


@record
class WorstFuture:
    """One of the dearest futures."""

    scenario: str = stated("Name of the future")
    probability: Number = stated("Its weight")
    cost_usd: Number = stated("Cost of the plan in it")
    over_expected_usd: Number = stated("Above the expected cost")
    demand_over_mean: Number | None = stated("Its demand over the mean demand")
    prices: Mapping[str, Number] = stated("Price multipliers other than 1, by offer")
    availability: Mapping[str, Number] = stated("Multipliers of availability other than 1, by offer")
    regret_usd: Number | None = stated("Cost above the future's own best; null where not asked")


@record
class FreshFuture:
    """One of the dearest futures drawn afresh."""

    name: str = stated("Name of the future")
    cost_usd: Number | None = stated("Cost under what is signed; null: it cannot be served")
    mean_demand: Number = stated("Its demand over the one stated")


@record
class Against:
    """Another decision in the same fresh futures; differences are over those that both can serve."""

    what: str = stated("The other decision")
    more_usd: Number | None = stated("Its mean cost above that of the plan; below 0 it was the cheaper")
    ci95_usd: Interval = stated("95 % confidence interval of more_usd")
    dearer_in: Number | None = stated("Share of these futures in which it was the dearer")
    failed: Futures = stated("Futures that it cannot serve")


@record
class OutOfSample:
    """What the plan's decision costs in futures that it was not made from; means are over those that it can serve."""

    count: Futures = stated("Futures drawn")
    seed: Whole = stated("Seed of the draw")
    failed: Futures = stated("Futures that cannot be served")
    fails_in: tuple[str, ...] = stated("The first of these")
    mean_usd: Number | None = stated("Mean cost")
    ci95_usd: Interval = stated("95 % confidence interval of the mean")
    unserved_usd: Number = stated("Mean of what is paid for work left unserved")
    cvar_usd: Number | None = stated("CVaR; null where a future cannot be served")
    cvar_ci95_usd: Interval = stated("95 % confidence interval of CVaR, roughly")
    cvar_level: Number = stated("Level of CVaR")
    rp_inside_ci: Flag = stated("Whether the cost expected lies in ci95_usd")
    worst: tuple[FreshFuture, ...] = stated("The dearest, those that cannot be served first")
    against: tuple[Against, ...] = stated("Other decisions in the same futures")


@record
class Sizing:
    """What `router size` found. What was not asked for is absent."""

    NULL_BESIDE: ClassVar[Mapping[str, str]] = {"eev_usd": "ws_usd", "vss_usd": "ws_usd"}

    _: KW_ONLY
    rp_usd: Number = stated("RP: objective of the plan")
    objective_usd: Number = stated("Objective of the plan: (1 − weight) · expected + weight · CVaR")
    expected_usd: Number = stated("Expected cost of the plan")
    cvar_usd: Number = stated("CVaR of the plan: mean of the dearest 1 − cvar_level")
    cvar_level: Number = stated("Level of CVaR")
    cvar_weight: Number = stated("Weight of CVaR in the objective")
    sign: tuple[Advised, ...] = stated("What to sign")
    left_out: tuple[str, ...] = stated("Options that look into more, not used as the problem is large")
    worst: tuple[WorstFuture, ...] = stated("The dearest futures, the dearest first")
    out_of_time: tuple[str, ...] | None = stated("Questions that no time was left for", default=None)
    ws_usd: Number | None = stated("WS: objective of each future at its own best", default=None)
    ev_usd: Number | None = stated("EV: cost if the mean future were certain", default=None)
    eev_usd: Number | None = stated(
        "EEV: objective of signing for the mean future; null where that fails", default=None
    )
    eev_fails_in: tuple[str, ...] | None = stated("Futures in which that fails", default=None)
    eev_signs: tuple[Signature, ...] | None = stated("What the plan for the mean signs", default=None)
    evpi_usd: Number | None = stated("EVPI = RP − WS, worth of knowing the future", default=None)
    vss_usd: Number | None = stated(
        "VSS = EEV − RP, worth of planning with scenarios; null where EEV is", default=None
    )
    regret_usd: Mapping[str, Number] | None = stated(
        "By future: cost under the plan above that future's own best", default=None
    )
    budgets_cost_usd: Number | None = stated("What limits on spending cost", default=None)
    alternatives: tuple[Alternative, ...] | None = stated("Other best plans, by cost", default=None)
    amounts: tuple[Amount, ...] | None = stated("Signing more or less", default=None)
    quotes: tuple[Quote, ...] | None = stated("What each quote is worth", default=None)
    flips: tuple[Flip, ...] | None = stated("Demand at which the advice changes", default=None)
    frontier: tuple[FrontierPoint, ...] | None = stated("Expected cost against risk", default=None)
    evaluated: Evaluated | None = stated("The commitment given with --evaluate", default=None)
    out_of_sample: OutOfSample | None = stated("The plan in futures drawn afresh", default=None)
