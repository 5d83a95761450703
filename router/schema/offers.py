"""What can be bought: token prices, a fee, a commitment, a quota and instances, freely combined."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from router.schema.base import (
    Counting,
    Flag,
    Moment,
    Name,
    NonNegative,
    NotEmpty,
    Positive,
    PositiveShare,
    Share,
    Sourced,
    Strict,
    Tokens,
    optional,
)
from router.schema.clock import MONTH_H
from router.schema.commitments import Commitment, multiples, term_hours
from router.schema.schedule import ModelPrices, QuotaCaps, ScheduleRule


class Model(Sourced):
    """Facts about a model; an absent one refuses nothing, a need that it leaves open does."""

    parameters_b: Positive | None = optional("Parameters, in billions")
    open_weights: Flag | None = optional("Whether the weights are open")
    context_tokens: Positive | None = optional("Longest prompt and completion together")
    memory_gb: NonNegative | None = optional("Memory that one replica takes")
    quality: NonNegative | None = optional("Quality in a scale of your own, compared with min_quality")


class Latency(Strict):
    """Service latency at the stated operating point."""

    ttft_mean_ms: NonNegative | None = optional("Mean time to first token")
    ttft_p50_ms: NonNegative | None = optional("Median time to first token")
    ttft_p90_ms: NonNegative | None = optional("90th percentile of the time to first token")
    ttft_p95_ms: NonNegative | None = optional("95th percentile of the time to first token")
    ttft_p99_ms: NonNegative | None = optional("99th percentile of the time to first token")
    tpot_mean_ms: NonNegative | None = optional("Mean time per token after the first")
    tpot_p50_ms: NonNegative | None = optional("Median time per token after the first")
    tpot_p90_ms: NonNegative | None = optional("90th percentile of the time per further token")
    tpot_p95_ms: NonNegative | None = optional("95th percentile of the time per further token")
    tpot_p99_ms: NonNegative | None = optional("99th percentile of the time per further token")
    concurrency: Positive | None = optional(
        "Requests that one instance serves at once at this operating point; absent: 1"
    )


class Point(Latency):
    """One measured, or estimated, operating point of one instance."""

    prompt_tokens: Tokens = Field(description="Prompt tokens of the requests measured")
    completion_tokens: Tokens = Field(description="Completion tokens of the requests measured")
    requests_per_s: Positive = Field(description="Requests a second that one instance served")
    estimated: Flag = Field(
        default=False, description="true: calculated by a model of the hardware, not measured"
    )
    error: Share | None = optional("Relative error of an estimate, as far as it is known")


class Quota(QuotaCaps):
    """Caps on what is sent, averaged over a period, or over a day of the clock or a billing month."""

    max_utilisation: PositiveShare = Field(
        default=1.0,
        description="Part of every cap beside it that is planned on: what is left is for bursts inside a period, of "
        "which a plan states what is refused (`quotas`)",
    )


class LongPrompt(Strict):
    """Prices of the whole request where its prompt is longer; what is left out stays as beside it."""

    above_tokens: NonNegative = Field(
        description="Longest prompt, in tokens, that has the prices beside these"
    )
    prompt_usd_per_m: NonNegative | None = optional("Price of prompt tokens of longer requests")
    completion_usd_per_m: NonNegative | None = optional("Price of completion tokens of longer requests")
    cached_prompt_usd_per_m: NonNegative | None = optional("Price of cached prompt tokens of longer requests")
    cache_write_usd_per_m: NonNegative | None = optional(
        "Price of tokens that longer requests write to the cache"
    )


class OfferModel(Sourced, Latency, ModelPrices):
    """What an offer asks for a model, and what one instance does with it."""

    long_prompt: LongPrompt | None = optional(
        "Prices of requests whose workload has more prompt_tokens than so many; it needs a request size"
    )
    quota: Quota | None = optional("Caps of this model alone, beside the offer's")
    tokens_per_s: Positive | None = optional(
        "Throughput of one instance, prompt and completion tokens together"
    )
    prompt_tokens_per_s: Positive | None = optional(
        "Prompt throughput of one instance, with completion_tokens_per_s"
    )
    completion_tokens_per_s: Positive | None = optional(
        "Completion throughput of one instance, with prompt_tokens_per_s"
    )
    requests_per_s: Positive | None = optional("Throughput of one instance in requests")
    units_per_s: Positive | None = optional("Throughput of one instance in burndown units")
    points: tuple[Point, ...] = Field(
        default=(), description="Measured throughput of one instance, by request size"
    )
    min: NonNegative | None = optional(
        "If any instances run this model, at least so many; absent: instances.min. Terms are bought for the offer, off "
        "these grids: all that is deployed is within what is reserved and bought"
    )
    step: Positive | None = optional(
        "Above the minimum, instances of this model come in multiples of this; absent: instances.step"
    )
    disaggregated: Flag = Field(
        default=False,
        description="true: prompt and completion rate are two limits; false: one engine shares its time",
    )
    prompt_burndown: NonNegative = Field(
        default=1.0, description="Quota or throughput units per prompt token"
    )
    cached_prompt_burndown: NonNegative | None = optional(
        "Units per cached prompt token; absent: prompt_burndown"
    )
    completion_burndown: NonNegative = Field(
        default=1.0, description="Quota or throughput units per completion token"
    )

    @property
    def rate_fields(self) -> tuple[str, ...]:
        """The fields given among those that state a throughput."""
        names = (
            "tokens_per_s",
            "prompt_tokens_per_s",
            "completion_tokens_per_s",
            "requests_per_s",
            "units_per_s",
        )
        stated = tuple(name for name in names if getattr(self, name) is not None)
        return stated + (("points",) if self.points else ())


class Limits(Strict):
    """What the offer cannot do; an absent limit refuses nothing."""

    max_parameters_b: NonNegative | None = optional("Largest model it takes, billions of parameters")
    streaming: Flag | None = optional("false: answers are not streamed")
    custom_weights: Flag | None = optional("false: own weights are not accepted")
    regions: tuple[Name, ...] = Field(default=(), description="Regions it serves from; empty: unknown")
    context_tokens: Positive | None = optional("Longest prompt and completion together")
    max_prompt_tokens: Positive | None = optional("Longest prompt, whatever is answered")
    max_completion_tokens: Positive | None = optional("Longest completion")


class RoleInstances(Strict):
    """One half of a replica, counted by itself."""

    usd_per_h: NonNegative = Field(description="Price of one")
    units: NonNegative = Field(default=1.0, description="Weight of one in groups and hosts, such as its GPUs")
    min: NonNegative = Field(default=0.0, description="If any are rented in a pool, at least so many")
    step: Positive = Field(default=1.0, description="Above the minimum, sold in multiples of this")
    max: NonNegative | None = optional("Most of them, over all models of the offer")
    reserved: NonNegative = Field(default=0.0, description="Already held, paid in every hour, used or not")
    reserved_usd_per_h: NonNegative | None = optional("Price of a reserved one; absent: usd_per_h")
    power_kw: NonNegative = Field(default=0.0, description="Power drawn by one that is paid for")
    memory_gb: NonNegative | None = optional("Memory of one; the model must fit")
    start_usd: NonNegative = Field(default=0.0, description="Paid for each one started")


class Roles(Strict):
    """A replica's two halves, counted apart: prefill and decode workers, or input and output units."""

    prefill: RoleInstances = Field(description="Of prompts: models.<name>.prompt_tokens_per_s is of one")
    decode: RoleInstances = Field(description="Of answers: models.<name>.completion_tokens_per_s is of one")


class Instances(Strict):
    """Countable capacity: GPUs, dedicated endpoints, provisioned units."""

    roles: Roles | None = optional(
        "Prefill and decode counted apart; prices, units, counts, memory and power then stand in the roles, and a term "
        "or resize: horizon holds for each half, bought by itself, with upfront_usd for each worker"
    )
    usd_per_h: NonNegative = Field(description="Price of an instance")
    min: NonNegative = Field(default=0.0, description="If any are rented in a pool, at least so many")
    step: Positive = Field(default=1.0, description="Above the minimum, sold in multiples of this")
    max: NonNegative | None = optional("Most instances, over all models of the offer")
    integral: Flag = Field(default=True, description="false: any real count; step is ignored")
    shared_by_models: Flag = Field(
        default=False, description="false: one pool per model; true: one count, loaded by all its models"
    )
    resize: Literal["period", "horizon"] = Field(
        default="period", description="Counts chosen for each period, or one for the whole horizon"
    )
    reserved: NonNegative = Field(
        default=0.0, description="Instances already held, paid in every hour, used or not"
    )
    reserved_usd_per_h: NonNegative | None = optional("Price of a reserved instance; absent: usd_per_h")
    term_months: Counting | None = optional("Given: bought for so many billing months, from the start of one")
    term_h: Positive | None = optional(
        "In place of term_months: bought for so many hours, a whole number of periods"
    )
    start_every_h: Positive | None = optional(
        "Terms start at multiples of this; absent: with term_months every billing month, with term_h every period"
    )
    upfront_usd: NonNegative = Field(default=0.0, description="Paid once per instance bought")
    units: NonNegative = Field(default=1.0, description="Weight of an instance in groups, such as its GPUs")
    memory_gb: NonNegative | None = optional("Memory of an instance; the model must fit")
    start_usd: NonNegative = Field(
        default=0.0, description="Paid per instance started, in the first period too"
    )
    start_h: NonNegative = Field(default=0.0, description="Time to boot: paid, but not serving")
    min_up_h: NonNegative = Field(default=0.0, description="Least time from start to stop")
    availability: Share = Field(default=1.0, description="Usable share of the count: spot, repair")
    max_utilisation: PositiveShare | None = optional(
        "Most planned load over capacity; replaces the waiting-time rule"
    )
    adapter_slots: Counting | None = optional("Adapters that an instance holds at once; absent: any number")
    power_kw: NonNegative = Field(default=0.0, description="Power drawn by an instance paid for")

    @model_validator(mode="before")
    @classmethod
    def _priced_by_role(cls, data: object) -> object:
        """With roles each half has its price."""
        if isinstance(data, dict) and data.get("roles") is not None:
            return {"usd_per_h": 0.0, **data}
        return data

    def of_role(self, role: str) -> Self:
        """The half of a replica as instances of their own."""
        own: RoleInstances = getattr(self.roles, role)
        return self.model_copy(
            update={"roles": None, **{name: getattr(own, name) for name in type(own).model_fields}}
        )

    @property
    def term_hours(self) -> float | None:
        """Length of the term that an instance is bought for, h; None: rented."""
        return term_hours(self.term_months, self.term_h)

    def starts_h(self, horizon_h: float, period_h: float) -> tuple[float, ...]:
        """Hours of the horizon at which a term may begin, in order."""
        if self.term_hours is None:
            return ()
        every = self.start_every_h or (period_h if self.term_h is not None else MONTH_H)
        return multiples(every, horizon_h, period_h)


class FreeSoFar(Strict):
    """What of an allowance is taken when the horizon begins."""

    since: Moment = Field(description="Start of the billing month that runs, local time of horizon.timezone")
    used_tokens: NonNegative = Field(default=0.0, description="Free tokens taken in it so far")
    used_requests: NonNegative = Field(default=0.0, description="Free requests taken in it so far")
    used_usd: NonNegative = Field(default=0.0, description="Use in USD paid by it so far")


class Free(Strict):
    """What is free in every billing month: whole requests, in their own mix of tokens; unused, it lapses."""

    tokens_per_month: NonNegative | None = optional(
        "Free tokens of a billing month, all kinds together, by its hours / 730; which workloads take them is planned"
    )
    requests_per_month: NonNegative | None = optional(
        "Free requests of a billing month, likewise; beside tokens_per_month a free request uses both"
    )
    usd_per_month: NonNegative | None = optional(
        "Use that is paid in a billing month, likewise: tokens, requests, cache and rented instance hours, of what is "
        "not free by the others. A commitment counts none of what it pays: of one in tokens as many as it buys at "
        "their price in the period, also where use above the commitment has another. Not beside tiers, under which no "
        "token has a price, nor usd_per_request beside a commitment in tokens: no bill says which of the two it pays"
    )
    so_far: FreeSoFar | None = optional(
        "What is taken of the month that runs when the horizon begins; absent: a month begins with it"
    )


class CountGrid(NamedTuple):
    """Counts that can be had: none, or `least` and whole steps above it."""

    least: float
    step: float


class Offer(Sourced):
    """One thing that a provider sells."""

    name: Name = Field(description="Unique name")
    provider: Name = Field(description="Seller; absent: the offer's own name")
    models: Mapping[str, OfferModel] = Field(
        min_length=1, description="Models it serves, and no others, by name"
    )
    limits: Limits = Field(default=Limits(), description="What it cannot do")
    quota: Quota = Field(default=Quota(), description="The provider's caps, over all models of the offer")
    fee_usd_per_month: NonNegative = Field(
        default=0.0, description="Paid every month if the offer is used at all"
    )
    free: Free | None = optional(
        "Allowance that costs nothing: it counts in quotas, but not as use of tiers, commitments and agreements"
    )
    commitment: Commitment | None = optional("Take-or-pay contract")
    turnaround_h: Positive | None = optional(
        "Batch: answers come within so many hours, which is its TTFT and request time at every percentile"
    )
    instances: Instances | None = optional("Countable capacity; then it serves through it only")
    spills: Flag = Field(
        default=False,
        description="Refuses what is too much in a minute instead of queueing: its one limit (a quota by the "
        "minute, or instances) holds in every minute, and what spills goes to routes that do not. Not with two limits "
        "(roles, disaggregated, a shared quota), with work that may not be split, or with a schedule that opens or "
        "closes within a period: its hours say what part of the work may go there, its minutes what fits",
    )
    schedule: tuple[ScheduleRule, ...] = Field(
        default=(),
        description="What changes in time; of several rules that hold at once, the last counts. Where what serves "
        "changes within a period beside waiting times, a wait is judged by the least that serves in any hour in which "
        "the offer is open, at a rate of requests that is even over those hours",
    )

    @property
    def own_grids(self) -> tuple[str, ...]:
        """Models with a minimum or a step of their own."""
        return tuple(
            name for name, entry in self.models.items() if entry.min is not None or entry.step is not None
        )

    @property
    def bought_off_grid(self) -> bool:
        """Whether terms are bought for the offer, while its models are deployed on grids of their own."""
        return bool(self.own_grids) and self.instances is not None and self.instances.term_hours is not None

    def grid_of(self, model: str | None) -> CountGrid:
        """Counts of the pool of a model, or of all where one count serves them."""
        instances, entry = self.instances, self.models.get(model or "")
        if instances is None:
            return CountGrid(0.0, 1.0)
        least, step = instances.min, instances.step
        if entry is not None:
            least = least if entry.min is None else entry.min
            step = step if entry.step is None else entry.step
        return CountGrid(least, step)

    @model_validator(mode="before")
    @classmethod
    def _own_provider(cls, data: object) -> object:
        """Own hardware has no seller: the offer is its own provider."""
        if isinstance(data, dict) and "provider" not in data and isinstance(data.get("name"), str):
            return {**data, "provider": data["name"]}
        return data


class Host(Strict):
    """Machines that instances live in: bought whole, and a replica never spans two."""

    name: Name = Field(description="Unique name, among offers and agreements too")
    usd_per_h: NonNegative = Field(description="Price of a host")
    units: Positive = Field(description="What a host holds, in units of instances, such as its GPUs")
    offers: Annotated[tuple[Name, ...], NotEmpty] = Field(
        description="Offers whose instances live in such hosts", json_schema_extra={"minItems": 1}
    )
    max: NonNegative | None = optional("Most hosts, reserved ones included; absent: no limit")
    reserved: NonNegative = Field(
        default=0.0, description="Hosts already held, paid in every hour, used or not"
    )
    reserved_usd_per_h: NonNegative | None = optional("Price of a reserved host; absent: usd_per_h")
    resize: Literal["period", "horizon"] = Field(
        default="period",
        description="Hosts chosen for each period, or one number for the whole horizon, decided before demand is "
        "known; in a gap of the schedule its rent stops",
    )
    free_units: tuple[Positive, ...] = Field(
        default=(),
        description="Further hosts, by what each holds: free of charge, and outside max and reserved",
    )
    schedule: tuple[ScheduleRule, ...] = Field(
        default=(),
        description="Rules about time: of several that hold, the last counts. It opens and closes between periods "
        "alone: within one nothing says what part of it an instance would serve that is packed anew in every period",
    )

    @cached_property
    def seller(self) -> Offer:
        """An offer that serves nothing: whom the money for hosts goes to."""
        return Offer.model_construct(name=self.name, provider=self.name, models={}, schedule=self.schedule)

    @cached_property
    def rented(self) -> Offer:
        """The same with hosts as its instances, as rules about time speak of them."""
        instances = Instances(
            usd_per_h=self.usd_per_h,
            max=self.max,
            reserved=self.reserved,
            reserved_usd_per_h=self.reserved_usd_per_h,
            resize=self.resize,
        )
        return self.seller.model_copy(update={"instances": instances})


class SharedQuota(Quota):
    """One limit over several offers, such as an account's, or over what some workloads send, such as a tenant's."""

    name: Name = Field(description="Unique name")
    offers: tuple[Name, ...] = Field(default=(), description="What is sent to these counts; empty: to any")
    workloads: tuple[Name, ...] = Field(default=(), description="What these send counts; empty: any")
