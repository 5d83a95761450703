"""The rows of a plan, in the units of the problem file. `scenario` is null in plans for one future.

Hours count from the start of the horizon: `from_h` is the first of them, `until_h` the first one after.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from router.plan.values import MONTH_H, Flag, Instances, Number, Requests, Whole, record, stated

OCCURRENCE = "Arrival period, or day of the window; null for work of the period itself"
SCENARIO = "Future of the row; null in a plan for one"
ORIGIN = "Where it comes from; left out where the workload states no origin"
RECIPE = "Recipe that it is a step of; left out where a single request answers"
STEP = "Step of the recipe, from 0; left out where a single request answers"
SHARED = "Model served; null where all models of the offer share the instances"


def month_at(hour: float) -> int:
    """Billing month of an hour of the horizon, from 0; one within 1e-9 of a border belongs to the later month."""
    return math.floor(hour / MONTH_H + 1e-9)


@record
class CostLine:
    """Money by offer and kind; the lines sum to the plan's cost."""

    offer: str | None = stated("Offer, agreement or kind of host paid; null for what nobody is paid")
    kind: str = stated(
        "tokens, fee, commitment, instances, hosts, starts, energy, network (egress), credit (what one pays, below 0), "
        "unserved or churn (change of a running plan)"
    )
    usd: Number = stated("Expected cost over the horizon, present value")


def usd_of(lines: Iterable[CostLine], kind: str) -> float:
    """Money of one kind, over all offers."""
    return math.fsum(line.usd for line in lines if line.kind == kind)


@record
class RouteRow:
    """A share of a workload's work, run on an offer in a period."""

    workload: str = stated("Workload whose work runs")
    offer: str = stated("Offer that it runs on")
    model: str = stated("Model that serves it")
    period: Whole = stated("Period in which it runs, from 0")
    occurrence: Whole | None = stated(OCCURRENCE)
    scenario: str | None = stated(SCENARIO)
    share: Number = stated(
        "Share of the workload's work of that period, or of that occurrence; of a step its requests for each of these"
    )
    requests: Requests | None = stated("Requests; null where no size of a request is stated")
    prompt_tokens: Number = stated("Prompt tokens")
    completion_tokens: Number = stated("Completion tokens")
    free_share: Number | None = stated("The part of share that the offer's allowance pays", default=None)
    origin: str | None = stated(ORIGIN, default=None)
    recipe: str | None = stated(RECIPE, default=None)
    step: Whole | None = stated(STEP, default=None)
    carried_share: Number | None = stated(
        "Of an offer that spills: the part of share that it carries; requests and tokens are of that",
        default=None,
    )
    spilled_share: Number | None = stated("The part of share that it refuses", default=None)
    taken_share: Number | None = stated(
        "What spills elsewhere and is served here, beside share; in requests and tokens", default=None
    )
    after_loss: Mapping[str, Number] | None = stated(
        "Share here when a provider or offer is lost that carries some of the work, by its name; a route whose share "
        "is 0 is spare",
        default=None,
    )

    @property
    def served_share(self) -> float:
        """What the route serves: all that is sent there first, without what it refuses, with what it takes."""
        return self.share - (self.spilled_share or 0.0) + (self.taken_share or 0.0)

    @property
    def spills(self) -> bool:
        """Serves something else than what is sent there first."""
        return bool(self.spilled_share or self.taken_share)

    @property
    def tokens(self) -> float:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens


@record
class SpillOrder:
    """In which order an offer that spills refuses work where a minute brings too much."""

    offer: str = stated("Offer that spills")
    model: str | None = stated(SHARED)
    period: Whole = stated("Period, from 0")
    scenario: str | None = stated(SCENARIO)
    workloads: tuple[str, ...] = stated("Workloads that are sent there, those refused first first")


@record
class InstanceRow:
    """Instances that run in a period."""

    offer: str = stated("Offer rented")
    model: str | None = stated(SHARED)
    period: Whole = stated("Period, from 0")
    scenario: str | None = stated(SCENARIO)
    count: Instances = stated("Instances that run, booting ones included")
    reserved_count: Instances = stated("Of these, held already (instances.reserved)")
    paid_count: Instances = stated("Of these, paid by the plan: count − reserved_count")
    started: Instances = stated("Started in the period")
    utilisation: Number = stated("Load over capacity of what serves; 1 is full")
    role: Literal["prefill", "decode"] | None = stated(
        "Half of a replica that is counted; left out where replicas are whole", default=None
    )


@record
class HostedInstances:
    """Instances that live in a host."""

    offer: str = stated("Offer of the instances")
    model: str | None = stated(SHARED)
    count: Whole = stated("Instances in each such host")
    role: Literal["prefill", "decode"] | None = stated("Half of a replica", default=None)
    units: Number | None = stated("What each of them takes of the host", default=None)


@record
class HostPattern:
    """Hosts that are filled alike."""

    hosts: Instances = stated("Hosts filled so")
    units: Number = stated("What such a host holds")
    free: Flag = stated("Whether they are of those that are free of charge")
    instances: tuple[HostedInstances, ...] = stated("What lives in each")


@record
class HostRow:
    """Hosts of a kind in a period, and how instances are packed in them."""

    host: str = stated("Kind of host")
    period: Whole = stated("Period, from 0")
    scenario: str | None = stated(SCENARIO)
    count: Instances = stated("Hosts paid for, reserved ones included, free ones not")
    patterns: tuple[HostPattern, ...] = stated("How they are filled; empty hosts are left out")


@record
class QuotaRow:
    """What a cap by the minute meets in the minutes of a period, where the plan keeps it by the period's mean."""

    quota: str = stated("Offer, `offer,model`, or the name of a quota over several")
    kind: str = stated("What it counts: requests, tokens, units, …, as in the field without _per_minute")
    period: Whole = stated("Period, from 0")
    scenario: str | None = stated(SCENARIO)
    utilisation: Number = stated("Mean over cap; the cap is the provider's, before max_utilisation")
    minutes_above: Number = stated("Share of the minutes in which more is sent than the cap lets through")
    refused: Number = stated("Share of what is sent that is above the cap in its minute")


@record
class MinuteSource:
    """Where the minutes of a period are from."""

    seed: Whole = stated("Seed of what is drawn: gaps between requests by the workload's arrival_cv")
    minutes: Whole = stated("Minutes of a period that are drawn, or that its record has")
    recorded: tuple[str, ...] = stated("Workloads whose trace tells the requests of each minute")


@record
class Purchase:
    """Instances bought for a term."""

    offer: str = stated("Offer bought")
    model: str | None = stated(SHARED)
    from_h: Number = stated("Start of the term")
    until_h: Number | None = stated(
        "End of the term, also beyond the horizon; null: not stated by a plan of version 1"
    )
    count: Instances = stated("Instances bought")
    billed_usd: Number | None = stated(
        "Their price in the horizon, at mean prices, undiscounted; null: not stated", default=None
    )
    beyond_horizon_usd: Number | None = stated("What they owe after it; null: not stated", default=None)
    role: Literal["prefill", "decode"] | None = stated(
        "Half of a replica that is bought; left out where replicas are whole", default=None
    )
    usd_per_h: Number | None = stated(
        "Price of one for an hour of its term, kept to its end; left out where no rules change the offer's",
        default=None,
    )

    @property
    def month(self) -> int:
        """Billing month in which the term starts."""
        return month_at(self.from_h)


@record
class CoverageRow:
    """Use of an offer that an agreement bills in a period."""

    agreement: str = stated("Agreement that bills it")
    offer: str = stated("Offer whose use it is")
    kind: Literal["tokens", "instances"] = stated("Of tokens and requests, or of rented instance hours")
    period: Whole = stated("Period, from 0")
    scenario: str | None = stated(SCENARIO)
    list_usd: Number = stated("What it would cost at the offer's own prices, undiscounted")
    covered_usd: Number = stated(
        "What the agreement bills for it, undiscounted, before what a level or discount_tiers take off"
    )
    tokens: Number | None = stated(
        "Tokens of it, which the offer's own commitment does not count; left out where it counts none",
        default=None,
    )


@record
class CreditRow:
    """Use of an offer that a credit pays in a period."""

    credit: str | None = stated(
        "Credit that pays; null for the offer's own allowance in USD (free.usd_per_month)"
    )
    offer: str = stated("Offer whose use it is")
    kind: Literal["tokens", "instances"] = stated("Of tokens and requests, or of rented instance hours")
    period: Whole = stated("Period, from 0")
    scenario: str | None = stated(SCENARIO)
    paid_usd: Number = stated("What it pays, undiscounted")
    tokens: Number | None = stated(
        "Of an allowance: tokens of it, which the offer's own commitment does not count; left out where it counts none",
        default=None,
    )


@record
class ContractRow:
    """A commitment in force: signed by this plan, or before it."""

    offer: str | None = stated("Offer signed; null for an agreement")
    from_h: Number = stated("Start, or 0 for what was signed before")
    until_h: Number = stated("End of the term, also beyond the horizon; without a term the horizon's")
    signed_by: Literal["plan", "before"] = stated("By this plan, or before it")
    committed_tokens_per_month: Number | None = stated("Tokens committed; null for one in USD")
    committed_usd_per_month: Number | None = stated("USD committed; null for one in tokens")
    discount: Number | None = stated("Taken off contract rates by the level chosen", default=None)
    agreement: str | None = stated("Agreement signed", default=None)
    committed_units: Number | None = stated(
        "Units committed, of an agreement in units; in USD by their price", default=None
    )

    @property
    def seller(self) -> str:
        """The offer, or the agreement."""
        return self.offer or self.agreement or ""

    @property
    def start_month(self) -> int:
        """First billing month in force."""
        return month_at(self.from_h)

    @property
    def end_month(self) -> int:
        """First billing month no longer in force; one that is covered in part counts."""
        return -month_at(-self.until_h)


@record
class StandsAt:
    """Where a contract stands at the end of the horizon."""

    since_h: Number = stated("Start of the span that runs, from the start of the horizon")
    used: Number = stated("Used in it so far, in the commitment's own unit: USD at contract rates, or tokens")
    unused: tuple[Number, ...] = stated("What may still be used of the spans before it, oldest first")
    counted_usd: Number | None = stated(
        "Beside counts: what counted in it so far of what is billed elsewhere", default=None
    )


@record
class Settlement:
    """The bill of a contract for one span; those of less than a day are one row for each billing month."""

    offer: str | None = stated("Offer signed; null for an agreement")
    from_h: Number = stated("Start of the first period billed")
    until_h: Number = stated("End of the last period billed")
    scenario: str | None = stated(SCENARIO)
    signed: Flag = stated("Whether a contract is in force")
    committed_tokens_per_month: Number | None = stated("Tokens committed; null for one in USD")
    committed_usd_per_month: Number | None = stated("USD committed; null for one in tokens")
    used_tokens: Number = stated("Tokens used")
    used_usd: Number = stated("What these cost at contract rates")
    billed_usd: Number = stated("What is owed for these hours, undiscounted")
    beyond_horizon_usd: Number = stated("What the term owes after the horizon, undiscounted")
    utilisation: Number | None = stated(
        "Used over committed for these hours, in the commitment's own unit; null where nothing is"
    )
    rolled_usd: Number | None = stated("Use that was paid from what earlier spans left unused", default=None)
    unused_usd: Number | None = stated("Committed, and not used in its span", default=None)
    spans: Whole | None = stated(
        "Number of spans in the row, where they are shorter than a day", default=None
    )
    spans_short: Whole | None = stated("Of them, those that used less than was committed", default=None)
    so_far: StandsAt | None = stated(
        "Where it stands at the end of a horizon that its term outlasts", default=None
    )
    agreement: str | None = stated("Agreement signed", default=None)
    covered_usd: Number | None = stated(
        "Of an agreement: what the use that it bills would cost at the offers' own prices", default=None
    )

    vendor_order_usd: Number | None = stated(
        "Of an agreement: billed_usd, and what its offers would be paid more if the highest discount came first, among "
        "all agreements over them, as vendors apply them; less than billed_usd where it would cover more; null where "
        "that hangs on whole spans, or where one that other futures use stands idle in this",
        default=None,
    )

    @property
    def seller(self) -> str:
        """The offer, or the agreement."""
        return self.offer or self.agreement or ""

    @property
    def month(self) -> int:
        """Billing month of the hours billed."""
        return month_at(self.from_h)


@record
class UnservedRow:
    """Work that is dropped, at its price."""

    workload: str = stated("Workload whose work is dropped")
    period: Whole = stated("Period, or the first one in which it could run, from 0")
    occurrence: Whole | None = stated(OCCURRENCE)
    scenario: str | None = stated(SCENARIO)
    share: Number = stated("Share of the workload's work of that period, or of that occurrence")
    requests: Requests | None = stated("Requests; null where no size of a request is stated")
    prompt_tokens: Number = stated("Prompt tokens")
    completion_tokens: Number = stated("Completion tokens")
    usd: Number = stated("What it costs, undiscounted")
    origin: str | None = stated(ORIGIN, default=None)

    @property
    def tokens(self) -> float:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens


@record
class Refused:
    """A workload that an offer cannot serve with a model, with every reason."""

    workload: str = stated("Workload refused")
    offer: str = stated("Offer that refuses it")
    model: str = stated("Model asked for")
    reasons: tuple[str, ...] = stated("Codes of all reasons")
    origin: str | None = stated(ORIGIN, default=None)
    recipe: str | None = stated(RECIPE, default=None)
    step: Whole | None = stated(STEP, default=None)

    @property
    def served(self) -> str:
        """The workload, and the step of a recipe that it is refused for."""
        return self.workload if self.recipe is None else f"{self.workload} ({self.recipe}, step {self.step})"


@record
class AlikeWorkloads:
    """Workloads that are alike in all but name and volume, and have the same routes."""

    workload: str = stated("First of them; what is refused, and prices of demand, are listed for it alone")
    alike: tuple[str, ...] = stated("The others")


@record
class ScenarioCost:
    """A future and its cost."""

    name: str = stated("Name of the future")
    probability: Number = stated("Its weight")
    cost_usd: Number = stated("Cost of the plan in it")
    demand_path: tuple[Number, ...] | None = stated(
        "Of a generated future: multipliers by period of demand stated as a rate", default=None
    )


@record
class TableFile:
    """A table that stands beside the plan, in Parquet."""

    name: str = stated("Name of the file, in the folder of the plan")
    sha256: str = stated("Hash of the file")
    rows: Whole = stated("Number of rows")
