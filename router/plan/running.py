"""The section `running`: what ran when a plan was made, in the terms of its own problem, to be checked alone."""

from __future__ import annotations

from typing import Literal

from router.plan.rows import SHARED, StandsAt
from router.plan.values import Instances, Number, Whole, record, stated

RENTED = "Offer rented; `own, decode` for the workers that decode, of an offer with roles"


@record
class RunningShare:
    """A share of a piece of work: of a period, or of an occurrence of work that may move."""

    workload: str = stated(
        "Workload; `chat from eu` of one origin, `chat by cascade step 1` of a recipe's step"
    )
    offer: str = stated("Offer that it ran on")
    model: str = stated("Model that served it")
    period: Whole | None = stated("Period of ordinary work; null for work that may move")
    occurrence: Whole | None = stated("Arrival period or day of work that may move; else null")
    share: Number = stated("Share of that work")


@record
class RunningCount:
    """Instances that ran in a period."""

    offer: str = stated(RENTED)
    model: str | None = stated(SHARED)
    period: Whole = stated("Period, from 0")
    count: Instances = stated("Instances")


@record
class RunningBefore:
    """Instances paid for that run at hour 0 and need no start."""

    offer: str = stated(RENTED)
    model: str | None = stated(SHARED)
    paid_count: Instances = stated("Instances paid for")


@record
class SunkContract:
    """Signed by an earlier plan, in force from the start of the horizon; its volume is settled."""

    offer: str | None = stated("Offer signed; null for an agreement")
    end_h: Number = stated(
        "End, from the start of the horizon; before it of a term that adds up and counts in the month that runs"
    )
    committed_tokens_per_month: Number | None = stated("Tokens committed; null for one in USD")
    committed_usd_per_month: Number | None = stated("USD committed; null for one in tokens")
    discount: Number | None = stated("Taken off contract rates by its level", default=None)
    so_far: StandsAt | None = stated("Where it stands when the horizon begins", default=None)
    agreement: str | None = stated("Agreement signed", default=None)

    @property
    def seller(self) -> str:
        """The offer, or the agreement."""
        return self.offer or self.agreement or ""


@record
class SunkPurchase:
    """Instances bought by an earlier plan for a term that has not ended."""

    offer: str = stated("Offer bought; `own, decode` for the workers that decode, of an offer with roles")
    model: str | None = stated(SHARED)
    end_h: Number = stated("End of the term, from the start of the horizon")
    count: Instances = stated("Instances")
    usd_per_h: Number | None = stated(
        "Price of one for an hour of its term; left out where it is the offer's", default=None
    )


@record
class SpentCredit:
    """What earlier plans used of a credit."""

    credit: str = stated("Credit")
    used_usd: Number = stated("Used before the start of the horizon; the rest is what there is")


@record
class TakenAllowance:
    """What earlier plans took of an offer's free allowance in the month that runs when the horizon begins."""

    offer: str = stated("Offer")
    since_h: Number = stated("Start of that month, from the start of the horizon: 0 or before it")
    used_tokens: Number = stated("Free tokens taken in it")
    used_requests: Number = stated("Free requests taken in it")
    used_usd: Number = stated("Use in USD paid by it")


@record
class Running:
    """The running plan, laid on the horizon of the new one."""

    aligned_by: Literal["time", "period"] = stated(
        "By absolute time, or period by period where a horizon has no start"
    )
    shift_h: Number = stated("From the running plan's start to the new one's")
    freeze_h: Number = stated("Near future that stays as it runs, as applied")
    shares: tuple[RunningShare, ...] = stated("Who served what")
    counts: tuple[RunningCount, ...] = stated("Instances by period")
    before: tuple[RunningBefore, ...] = stated("Instances that are up at the start")
    contracts: tuple[SunkContract, ...] = stated("Contracts that earlier plans signed")
    purchases: tuple[SunkPurchase, ...] = stated("Instances that earlier plans bought for a term")
    credits: tuple[SpentCredit, ...] | None = stated("What earlier plans used of credits", default=None)
    allowances: tuple[TakenAllowance, ...] | None = stated(
        "Where free allowances stand in the month that runs", default=None
    )


@record
class Break:
    """A promise that going on as it ran would break."""

    promise: str = stated("Name of the check that fails")
    detail: str = stated("Where, and by how much")
    worst: Number = stated("Largest miss, as a part of the limit")

    def __str__(self) -> str:
        return f"{self.promise}: {self.detail}"


@record
class Replaced:
    """The plan that was in force before."""

    id: Whole = stated("Its number in the store")
    created: str = stated("When it was made")
    run_key: str = stated("Hash of the inputs that it was made from")


@record
class Reoptimised:
    """Why a scheduled run put the plan in force."""

    reason: Literal["first", "cheaper", "repair"] = stated("Why the plan is in force")
    run_key: str | None = stated("Hash of the inputs of the run", default=None)
    replaces: Replaced | None = stated("The plan in force before", default=None)
    running_usd: Number | None = stated("Cost of going on; absent: that is broken", default=None)
    unconstrained_usd: Number | None = stated("Cost of the best plan if change were free", default=None)
    gain_usd: Number | None = stated("What the plan gains over going on, churn paid", default=None)
    churn_usd: Number | None = stated("Cost of change", default=None)
    moved_share: Number | None = stated("Share of all tokens that moves", default=None)
    resized: Instances | None = stated("Instances more or less than ran, summed over periods", default=None)
    broken: tuple[Break, ...] = stated("Promises that going on would break", default=())
