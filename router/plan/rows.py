"""The rows of a plan, in the units of the problem file. `scenario` is null in plans for one future.

Hours count from the start of the horizon: `from_h` is the first of them, `until_h` the first one after.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from router.plan.values import CLOSED, MONTH_H, Flag, Instances, Number, Requests, Whole

OCCURRENCE = "Arrival period, or day of the window; null for work of the period itself"
SCENARIO = "Future of the row; null in a plan for one"
SHARED = "Model served; null where all models of the offer share the instances"


def month_at(hour: float) -> int:
    """Billing month of an hour of the horizon, from 0; one within 1e-9 of a border belongs to the later month."""
    return math.floor(hour / MONTH_H + 1e-9)


@dataclass(frozen=True, slots=True, config=CLOSED)
class CostLine:
    """Money by offer and kind; the lines sum to the plan's cost."""

    offer: str | None = Field(description="Offer paid; null for what no offer is paid")
    kind: str = Field(
        description="tokens, fee, commitment, instances, starts, energy, unserved or churn (change of a running plan)"
    )
    usd: Number = Field(description="Expected cost over the horizon, present value")


def usd_of(lines: Iterable[CostLine], kind: str) -> float:
    """Money of one kind, over all offers."""
    return math.fsum(line.usd for line in lines if line.kind == kind)


@dataclass(frozen=True, slots=True, config=CLOSED)
class RouteRow:
    """A share of a workload's work, run on an offer in a period."""

    workload: str = Field(description="Workload whose work runs")
    offer: str = Field(description="Offer that it runs on")
    model: str = Field(description="Model that serves it")
    period: Whole = Field(description="Period in which it runs, from 0")
    occurrence: Whole | None = Field(description=OCCURRENCE)
    scenario: str | None = Field(description=SCENARIO)
    share: Number = Field(description="Share of the workload's work of that period, or of that occurrence")
    requests: Requests | None = Field(description="Requests; null where no size of a request is stated")
    prompt_tokens: Number = Field(description="Prompt tokens")
    completion_tokens: Number = Field(description="Completion tokens")

    @property
    def tokens(self) -> float:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, config=CLOSED)
class InstanceRow:
    """Instances that run in a period."""

    offer: str = Field(description="Offer rented")
    model: str | None = Field(description=SHARED)
    period: Whole = Field(description="Period, from 0")
    scenario: str | None = Field(description=SCENARIO)
    count: Instances = Field(description="Instances that run, booting ones included")
    reserved_count: Instances = Field(description="Of these, held already (instances.reserved)")
    paid_count: Instances = Field(description="Of these, paid by the plan: count − reserved_count")
    started: Instances = Field(description="Started in the period")
    utilisation: Number = Field(description="Load over capacity of what serves; 1 is full")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Purchase:
    """Instances bought for a term, from the start of a billing month."""

    offer: str = Field(description="Offer bought")
    model: str | None = Field(description=SHARED)
    from_h: Number = Field(description="Start of the term")
    until_h: Number | None = Field(
        description="End of the term, also beyond the horizon; null: not stated by a plan of version 1"
    )
    count: Instances = Field(description="Instances bought")

    @property
    def month(self) -> int:
        """Billing month in which the term starts."""
        return month_at(self.from_h)


@dataclass(frozen=True, slots=True, config=CLOSED)
class ContractRow:
    """A commitment in force: signed by this plan, or before it."""

    offer: str = Field(description="Offer signed")
    from_h: Number = Field(description="Start, or 0 for what was signed before")
    until_h: Number = Field(
        description="End of the term, also beyond the horizon; without a term the horizon's"
    )
    signed_by: Literal["plan", "before"] = Field(description="By this plan, or before it")
    committed_tokens_per_month: Number | None = Field(description="Tokens committed; null for one in USD")
    committed_usd_per_month: Number | None = Field(description="USD committed; null for one in tokens")

    @property
    def start_month(self) -> int:
        """First billing month in force."""
        return month_at(self.from_h)

    @property
    def end_month(self) -> int:
        """First billing month no longer in force; one that is covered in part counts."""
        return -month_at(-self.until_h)


@dataclass(frozen=True, slots=True, config=CLOSED)
class Settlement:
    """The bill of a contract for one billing month."""

    offer: str = Field(description="Offer signed")
    from_h: Number = Field(description="Start of the first period billed")
    until_h: Number = Field(description="End of the last period billed")
    scenario: str | None = Field(description=SCENARIO)
    signed: Flag = Field(description="Whether a contract is in force")
    committed_tokens_per_month: Number | None = Field(description="Tokens committed; null for one in USD")
    committed_usd_per_month: Number | None = Field(description="USD committed; null for one in tokens")
    used_tokens: Number = Field(description="Tokens used")
    used_usd: Number = Field(description="What these cost at contract rates")
    billed_usd: Number = Field(description="What is owed for these hours, undiscounted")
    beyond_horizon_usd: Number = Field(description="What the term owes after the horizon, undiscounted")
    utilisation: Number | None = Field(
        description="Used over committed for these hours, in the commitment's own unit; null where nothing is"
    )

    @property
    def month(self) -> int:
        """Billing month of the hours billed."""
        return month_at(self.from_h)


@dataclass(frozen=True, slots=True, config=CLOSED)
class UnservedRow:
    """Work that is dropped, at its price."""

    workload: str = Field(description="Workload whose work is dropped")
    period: Whole = Field(description="Period, or the first one in which it could run, from 0")
    occurrence: Whole | None = Field(description=OCCURRENCE)
    scenario: str | None = Field(description=SCENARIO)
    share: Number = Field(description="Share of the workload's work of that period, or of that occurrence")
    requests: Requests | None = Field(description="Requests; null where no size of a request is stated")
    prompt_tokens: Number = Field(description="Prompt tokens")
    completion_tokens: Number = Field(description="Completion tokens")
    usd: Number = Field(description="What it costs, undiscounted")

    @property
    def tokens(self) -> float:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, config=CLOSED)
class Refused:
    """A workload that an offer cannot serve with a model, with every reason."""

    workload: str = Field(description="Workload refused")
    offer: str = Field(description="Offer that refuses it")
    model: str = Field(description="Model asked for")
    reasons: tuple[str, ...] = Field(description="Codes of all reasons")


@dataclass(frozen=True, slots=True, config=CLOSED)
class ScenarioCost:
    """A future and its cost."""

    name: str = Field(description="Name of the future")
    probability: Number = Field(description="Its weight")
    cost_usd: Number = Field(description="Cost of the plan in it")
    demand_path: tuple[Number, ...] | None = Field(
        default=None,
        description="Of a generated future: multipliers by period of demand stated as a rate",
    )
