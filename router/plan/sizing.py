"""The section `sizing` of a sized plan: what to sign, what that rests on, and what else was on the table.

USD over the horizon are present values. Billing months count from 0; an end month is the first one after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from router.plan.values import CLOSED, Flag, Futures, Instances, Interval, Number, Whole

MORE = "Objective above that of the plan"
GAP = "How far the search for it ended from proof, as a part of its objective"
FAILS = "Futures that it cannot serve"
Kind = Literal["contract", "instances", "fee"]
Verdict = Literal["sign", "walk away", "needed", "never", "impossible", "free"]


@dataclass(frozen=True, slots=True, config=CLOSED)
class Signature:
    """One thing bought before demand is known."""

    offer: str = Field(description="Offer signed")
    kind: Kind = Field(description="What is bought")
    model: str | None = Field(
        description="Model of the instances; null where all share them, or none are bought"
    )
    start_month: Whole | None = Field(description="First billing month, from 0")
    end_month: Whole | None = Field(description="First billing month after its end")
    committed_tokens_per_month: Number | None = Field(description="Of a contract in tokens; else null")
    committed_usd_per_month: Number | None = Field(description="Of a contract in USD; else null")
    count: Instances | None = Field(description="Of instances; else null")
    least_usd: Number = Field(description="Owed inside the horizon without any use")
    beyond_horizon_usd: Number = Field(description="Owed after the horizon, undiscounted")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Advised(Signature):
    """What the plan signs, and what it expects of it."""

    expected_usd: Number = Field(
        description="Bills inside the horizon; of instances and fees what is owed at least"
    )
    offer_usd: Number = Field(description="All that the offer is paid")
    expected_use: Number | None = Field(
        description="Share of what is committed or rented that is used; null for a fee"
    )


@dataclass(frozen=True, slots=True, config=CLOSED)
class Alternative:
    """Another best plan, under a condition."""

    what: str = Field(description="The condition: with or without an offer, or nothing signed")
    expected_usd: Number = Field(description="Its expected cost")
    cvar_usd: Number = Field(description="Its CVaR")
    objective_usd: Number = Field(description="Its objective")
    more_usd: Number = Field(description=MORE)
    signs: tuple[Signature, ...] = Field(description="What it signs")
    gap: Number = Field(description=GAP)


@dataclass(frozen=True, slots=True, config=CLOSED)
class Amount:
    """The plan with one of its amounts changed, and all else signed as advised."""

    offer: str = Field(description="Offer signed")
    kind: Kind = Field(description="What is bought")
    model: str | None = Field(description="Model of the instances, or null")
    start_month: Whole | None = Field(description="First billing month, from 0")
    amount: Number = Field(description="Tokens or USD a month, or instances")
    over_advised: Number = Field(description="Amount over the one advised")
    expected_usd: Number | None = Field(description="Expected cost; null where a future fails")
    cvar_usd: Number | None = Field(description="CVaR; null where a future fails")
    objective_usd: Number | None = Field(description="Objective; null where a future fails")
    more_usd: Number | None = Field(description=MORE)
    fails_in: tuple[str, ...] = Field(description=FAILS)


@dataclass(frozen=True, slots=True, config=CLOSED)
class Price:
    """One of an offer's prices, now and at most."""

    what: str = Field(description="Price field of the problem file")
    model: str | None = Field(description="Model of the price; null where all prices are alike")
    from_tokens_per_month: Number | None = Field(description="Start of a tier")
    now_usd: Number = Field(description="Price, in the unit of the field")
    walk_away_usd: Number | None = Field(
        description="Highest at which it is worth signing; null: any, or none"
    )


@dataclass(frozen=True, slots=True, config=CLOSED)
class Quote:
    """An offer that asks for a signature, weighed."""

    offer: str = Field(description="Offer that asks for a signature")
    verdict: Verdict = Field(
        description="sign, walk away, needed (no plan without it), never (not even for nearly nothing), "
        "impossible (no plan with it) or free (at any price: what it is used for costs nothing)"
    )
    worth_usd: Number | None = Field(description="What signing saves; below 0 what it would cost")
    walk_away_multiple: Number | None = Field(
        description="Multiple of its prices from which it is not signed"
    )
    prices: tuple[Price, ...] = Field(description="Its prices")
    bill_usd: Number | None = Field(description="Expected bill with it signed")
    expected_use: Number | None = Field(description="Share of what is committed that is used")
    break_even_use: Number | None = Field(description="Share from which on it pays")
    break_even_tokens_per_month: Number | None = Field(
        description="Volume from which on it pays; null: no such volume"
    )
    gap: Number = Field(description="The larger gap of the two searches that worth_usd is the difference of")


@dataclass(frozen=True, slots=True, config=CLOSED)
class DemandStep:
    """What is signed at a multiple of all demand."""

    at: Number = Field(description="Multiple of all demand")
    feasible: Flag = Field(description="Whether there is a plan")
    expected_usd: Number | None = Field(description="Its expected cost")
    signs: tuple[Signature, ...] = Field(description="What it signs")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Flip:
    """How far demand can go, down or up, until something else should be signed, whatever the amounts."""

    direction: Literal["down", "up"] = Field(description="Less demand, or more")
    at: Number | None = Field(
        description="Multiple of all demand at which the advice has changed, within 1 %; null: not between 0.1 and 10"
    )
    feasible: Flag = Field(description="Whether there is a plan at that multiple")
    signs: tuple[Signature, ...] = Field(description="What is signed there")
    gap: Number = Field(description="Largest gap of the searches: within it, the advice may be another")
    steps: tuple[DemandStep, ...] = Field(description="What is signed at other multiples")


@dataclass(frozen=True, slots=True, config=CLOSED)
class FrontierPoint:
    """The best plan at one weight of risk."""

    cvar_weight: Number = Field(description="Weight of CVaR in the objective")
    expected_usd: Number = Field(description="Its expected cost")
    cvar_usd: Number = Field(description="Its CVaR")
    signs: tuple[Signature, ...] = Field(description="What it signs")
    gap: Number = Field(description="How far the search ended from proof, of the mixture at this weight")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Evaluated:
    """The buyer's own commitment. Its costs are absent where it fails in a future."""

    signs: tuple[Signature, ...] = Field(description="What it signs")
    fails_in: tuple[str, ...] = Field(description=FAILS)
    why: str | None = Field(default=None, description="Why the first of these fails")
    expected_usd: Number | None = Field(default=None, description="Its expected cost")
    cvar_usd: Number | None = Field(default=None, description="Its CVaR")
    objective_usd: Number | None = Field(default=None, description="Its objective")
    more_usd: Number | None = Field(default=None, description=MORE)
    by_scenario_usd: Mapping[str, Number] | None = Field(default=None, description="Its cost by future")


@dataclass(frozen=True, slots=True, config=CLOSED)
class WorstFuture:
    """One of the dearest futures."""

    scenario: str = Field(description="Name of the future")
    probability: Number = Field(description="Its weight")
    cost_usd: Number = Field(description="Cost of the plan in it")
    over_expected_usd: Number = Field(description="Above the expected cost")
    demand_over_mean: Number | None = Field(description="Its demand over the mean demand")
    prices: Mapping[str, Number] = Field(description="Price multipliers other than 1, by offer")
    availability: Mapping[str, Number] = Field(
        description="Multipliers of availability other than 1, by offer"
    )
    regret_usd: Number | None = Field(description="Cost above the future's own best; null where not asked")


@dataclass(frozen=True, slots=True, config=CLOSED)
class FreshFuture:
    """One of the dearest futures drawn afresh."""

    name: str = Field(description="Name of the future")
    cost_usd: Number | None = Field(description="Cost under what is signed; null: it cannot be served")
    mean_demand: Number = Field(description="Its demand over the one stated")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Against:
    """Another decision in the same fresh futures; differences are over those that both can serve."""

    what: str = Field(description="The other decision")
    more_usd: Number | None = Field(
        description="Its mean cost above that of the plan; below 0 it was the cheaper"
    )
    ci95_usd: Interval = Field(description="95 % confidence interval of more_usd")
    dearer_in: Number | None = Field(description="Share of these futures in which it was the dearer")
    failed: Futures = Field(description="Futures that it cannot serve")


@dataclass(frozen=True, slots=True, config=CLOSED)
class OutOfSample:
    """What the plan's decision costs in futures that it was not made from; means are over those that it can serve."""

    count: Futures = Field(description="Futures drawn")
    seed: Whole = Field(description="Seed of the draw")
    failed: Futures = Field(description="Futures that cannot be served")
    fails_in: tuple[str, ...] = Field(description="The first of these")
    mean_usd: Number | None = Field(description="Mean cost")
    ci95_usd: Interval = Field(description="95 % confidence interval of the mean")
    unserved_usd: Number = Field(description="Mean of what is paid for work left unserved")
    cvar_usd: Number | None = Field(description="CVaR; null where a future cannot be served")
    cvar_ci95_usd: Interval = Field(description="95 % confidence interval of CVaR, roughly")
    cvar_level: Number = Field(description="Level of CVaR")
    rp_inside_ci: Flag = Field(description="Whether the cost expected lies in ci95_usd")
    worst: tuple[FreshFuture, ...] = Field(description="The dearest, those that cannot be served first")
    against: tuple[Against, ...] = Field(description="Other decisions in the same futures")


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Sizing:
    """What `router size` found. What was not asked for is absent."""

    NULL_BESIDE: ClassVar[Mapping[str, str]] = {"eev_usd": "ws_usd", "vss_usd": "ws_usd"}

    rp_usd: Number = Field(description="RP: objective of the plan")
    objective_usd: Number = Field(
        description="Objective of the plan: (1 − weight) · expected + weight · CVaR"
    )
    expected_usd: Number = Field(description="Expected cost of the plan")
    cvar_usd: Number = Field(description="CVaR of the plan: mean of the dearest 1 − cvar_level")
    cvar_level: Number = Field(description="Level of CVaR")
    cvar_weight: Number = Field(description="Weight of CVaR in the objective")
    sign: tuple[Advised, ...] = Field(description="What to sign")
    left_out: tuple[str, ...] = Field(
        description="Options that look into more, not used as the problem is large"
    )
    worst: tuple[WorstFuture, ...] = Field(description="The dearest futures, the dearest first")
    ws_usd: Number | None = Field(default=None, description="WS: objective of each future at its own best")
    ev_usd: Number | None = Field(default=None, description="EV: cost if the mean future were certain")
    eev_usd: Number | None = Field(
        default=None, description="EEV: objective of signing for the mean future; null where that fails"
    )
    eev_fails_in: tuple[str, ...] | None = Field(default=None, description="Futures in which that fails")
    eev_signs: tuple[Signature, ...] | None = Field(
        default=None, description="What the plan for the mean signs"
    )
    evpi_usd: Number | None = Field(default=None, description="EVPI = RP − WS, worth of knowing the future")
    vss_usd: Number | None = Field(
        default=None, description="VSS = EEV − RP, worth of planning with scenarios; null where EEV is"
    )
    regret_usd: Mapping[str, Number] | None = Field(
        default=None, description="By future: cost under the plan above that future's own best"
    )
    budgets_cost_usd: Number | None = Field(default=None, description="What limits on spending cost")
    alternatives: tuple[Alternative, ...] | None = Field(
        default=None, description="Other best plans, by cost"
    )
    amounts: tuple[Amount, ...] | None = Field(default=None, description="Signing more or less")
    quotes: tuple[Quote, ...] | None = Field(default=None, description="What each quote is worth")
    flips: tuple[Flip, ...] | None = Field(default=None, description="Demand at which the advice changes")
    frontier: tuple[FrontierPoint, ...] | None = Field(default=None, description="Expected cost against risk")
    evaluated: Evaluated | None = Field(default=None, description="The commitment given with --evaluate")
    out_of_sample: OutOfSample | None = Field(default=None, description="The plan in futures drawn afresh")
