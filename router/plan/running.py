"""The section `running`: what ran when a plan was made, in the terms of its own problem, to be checked alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from router.plan.rows import SHARED
from router.plan.values import CLOSED, Instances, Number, Whole


@dataclass(frozen=True, slots=True, config=CLOSED)
class RunningShare:
    """A share of a piece of work: of a period, or of an occurrence of work that may move."""

    workload: str = Field(description="Workload")
    offer: str = Field(description="Offer that it ran on")
    model: str = Field(description="Model that served it")
    period: Whole | None = Field(description="Period of ordinary work; null for work that may move")
    occurrence: Whole | None = Field(description="Arrival period or day of work that may move; else null")
    share: Number = Field(description="Share of that work")


@dataclass(frozen=True, slots=True, config=CLOSED)
class RunningCount:
    """Instances that ran in a period."""

    offer: str = Field(description="Offer rented")
    model: str | None = Field(description=SHARED)
    period: Whole = Field(description="Period, from 0")
    count: Instances = Field(description="Instances")


@dataclass(frozen=True, slots=True, config=CLOSED)
class RunningBefore:
    """Instances paid for that run at hour 0 and need no start."""

    offer: str = Field(description="Offer rented")
    model: str | None = Field(description=SHARED)
    paid_count: Instances = Field(description="Instances paid for")


@dataclass(frozen=True, slots=True, config=CLOSED)
class SunkContract:
    """Signed by an earlier plan, in force from the start of the horizon; its volume is settled."""

    offer: str = Field(description="Offer signed")
    end_h: Number = Field(description="End, from the start of the horizon")
    committed_tokens_per_month: Number | None = Field(description="Tokens committed; null for one in USD")
    committed_usd_per_month: Number | None = Field(description="USD committed; null for one in tokens")


@dataclass(frozen=True, slots=True, config=CLOSED)
class SunkPurchase:
    """Instances bought by an earlier plan for a term that has not ended."""

    offer: str = Field(description="Offer bought")
    model: str | None = Field(description=SHARED)
    end_h: Number = Field(description="End of the term, from the start of the horizon")
    count: Instances = Field(description="Instances")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Running:
    """The running plan, laid on the horizon of the new one."""

    aligned_by: Literal["time", "period"] = Field(
        description="By absolute time, or period by period where a horizon has no start"
    )
    shift_h: Number = Field(description="From the running plan's start to the new one's")
    freeze_h: Number = Field(description="Near future that stays as it runs, as applied")
    shares: tuple[RunningShare, ...] = Field(description="Who served what")
    counts: tuple[RunningCount, ...] = Field(description="Instances by period")
    before: tuple[RunningBefore, ...] = Field(description="Instances that are up at the start")
    contracts: tuple[SunkContract, ...] = Field(description="Contracts that earlier plans signed")
    purchases: tuple[SunkPurchase, ...] = Field(description="Instances that earlier plans bought for a term")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Break:
    """A promise that going on as it ran would break."""

    promise: str = Field(description="Name of the check that fails")
    detail: str = Field(description="Where, and by how much")
    worst: Number = Field(description="Largest miss, as a part of the limit")

    def __str__(self) -> str:
        return f"{self.promise}: {self.detail}"


@dataclass(frozen=True, slots=True, config=CLOSED)
class Replaced:
    """The plan that was in force before."""

    id: Whole = Field(description="Its number in the store")
    created: str = Field(description="When it was made")
    run_key: str = Field(description="Hash of the inputs that it was made from")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Reoptimised:
    """Why a scheduled run put the plan in force."""

    reason: Literal["first", "cheaper", "repair"] = Field(description="Why the plan is in force")
    run_key: str | None = Field(default=None, description="Hash of the inputs of the run")
    replaces: Replaced | None = Field(default=None, description="The plan in force before")
    running_usd: Number | None = Field(default=None, description="Cost of going on; absent: that is broken")
    unconstrained_usd: Number | None = Field(
        default=None, description="Cost of the best plan if change were free"
    )
    gain_usd: Number | None = Field(default=None, description="What the plan gains over going on, churn paid")
    churn_usd: Number | None = Field(default=None, description="Cost of change")
    moved_share: Number | None = Field(default=None, description="Share of all tokens that moves")
    resized: Instances | None = Field(
        default=None, description="Instances more or less than ran, summed over periods"
    )
    broken: tuple[Break, ...] = Field(default=(), description="Promises that going on would break")
