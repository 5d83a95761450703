"""What has to be served: workloads with their demand, promises and freedom of routing."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from router.schema.base import (
    Counting,
    Flag,
    Name,
    NonNegative,
    NotEmpty,
    Positive,
    PositiveShare,
    Share,
    Sourced,
    Strict,
    TimeOfDay,
    Timezone,
    Tokens,
    Whole,
    optional,
)


def columns_filter(value: object) -> object:
    """`filter: {tenant: acme}` is short for `{tenant: [acme]}`."""
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    return value


def _texts(value: object) -> object:
    """Client 3 is the text "3" in a CSV file."""
    items = value if isinstance(value, list | tuple) else [value]
    return [
        str(item) if isinstance(item, int | float) and not isinstance(item, bool) else item for item in items
    ]


_ONE = {"type": ["string", "number"]}
columns_filter_schema = {
    "type": "object",
    "additionalProperties": {"anyOf": [_ONE, {"type": "array", "items": _ONE}]},
}


class Trace(Strict):
    """A recorded demand: one row a request, or one row a period with a count column.

    Columns not named are found by their usual names (TIMESTAMP, start_s, ContextTokens, prompt_tokens, requests, …).
    """

    file: str = Field(min_length=1, description="CSV or CSV.gz, relative to the problem file")
    timestamp_column: str | None = optional(
        "Column of the request's or period's start: ISO 8601, epoch in s or ms, "
        "or seconds from the start of the horizon"
    )
    prompt_tokens_column: str | None = optional("Column of prompt tokens, of a request or a period")
    completion_tokens_column: str | None = optional("Column of completion tokens, of a request or a period")
    requests_column: str | None = optional(
        "Column of request counts: one row a period; absent: one row a request"
    )
    requests_with_lengths_column: str | None = optional(
        "Column of the requests that a period's tokens cover, where that is not all of them"
    )
    tokens_are: Literal["totals", "means"] | None = optional(
        "Tokens of a period are totals or means per request; "
        "absent: means where the column's name ends in mean"
    )
    model_column: str | None = optional("Column of the model's name, compared with `model`")
    model: str | None = optional("Only rows whose model column has this value")
    filter: (
        Annotated[
            Mapping[str, tuple[str, ...]],
            BeforeValidator(columns_filter),
            WithJsonSchema(columns_filter_schema),
        ]
        | None
    ) = optional("Only rows whose columns have one of these values: {column: value or [values]}")
    timezone: Timezone | None = optional("Time zone of timestamps without offset; absent: horizon.timezone")
    gaps: Literal["error", "zero", "previous"] | None = optional(
        "What periods without a row of the workload mean: an error; no demand, also before and after the "
        "record; or as before. Absent: an error where the whole file has no row; no demand where it has others, "
        "and between the first and last of single requests"
    )


class Demand(Strict):
    """How much work there is, stated in exactly one way. A day is 24 h, a month 730 h."""

    requests_per_s: NonNegative | None = optional("Requests a second, all the time")
    requests_per_hour: NonNegative | None = optional("Requests an hour, all the time")
    requests_per_day: NonNegative | None = optional("Requests per 24 h")
    requests_per_month: NonNegative | None = optional("Requests per 730 h")
    tokens_per_s: NonNegative | None = optional("Prompt and completion tokens a second")
    tokens_per_hour: NonNegative | None = optional("Prompt and completion tokens an hour")
    tokens_per_day: NonNegative | None = optional("Prompt and completion tokens per 24 h")
    tokens_per_month: NonNegative | None = optional("Prompt and completion tokens per 730 h")
    requests_total: NonNegative | None = optional("Requests over the whole horizon, arriving evenly")
    tokens_total: NonNegative | None = optional("Tokens over the whole horizon, arriving evenly")
    requests_by_period: tuple[NonNegative, ...] | None = optional(
        "Requests in each period, one figure a period"
    )
    trace: Trace | None = optional("Recorded demand in a file")
    completion_share: Share | None = optional(
        "Completion part of the tokens, with tokens_*, in place of a request size"
    )

    @property
    def ways(self) -> tuple[str, ...]:
        """Names of the fields that state a volume; a checked demand has exactly one."""
        stated = (name for name in type(self).model_fields if getattr(self, name) is not None)
        return tuple(name for name in stated if name != "completion_share")

    @property
    def way(self) -> str:
        """The field that states the volume."""
        return self.ways[0]


class Slo(Strict):
    """Latency limits, inclusive. request = ttft + max(completion_tokens − 1, 0) · tpot."""

    ttft_mean_ms: Positive | None = optional("Mean time to first token")
    ttft_p50_ms: Positive | None = optional("Median time to first token")
    ttft_p90_ms: Positive | None = optional("Time to first token that 90 % of requests keep")
    ttft_p95_ms: Positive | None = optional("Time to first token that 95 % of requests keep")
    ttft_p99_ms: Positive | None = optional("Time to first token that 99 % of requests keep")
    tpot_mean_ms: Positive | None = optional("Mean time per token after the first")
    tpot_p50_ms: Positive | None = optional("Median time per token after the first")
    tpot_p90_ms: Positive | None = optional("Time per further token that 90 % of requests keep")
    tpot_p95_ms: Positive | None = optional("Time per further token that 95 % of requests keep")
    tpot_p99_ms: Positive | None = optional("Time per further token that 99 % of requests keep")
    request_mean_ms: Positive | None = optional("Mean time of a whole request")
    request_p50_ms: Positive | None = optional("Median time of a whole request")
    request_p90_ms: Positive | None = optional("Time of a whole request that 90 % keep")
    request_p95_ms: Positive | None = optional("Time of a whole request that 95 % keep")
    request_p99_ms: Positive | None = optional("Time of a whole request that 99 % keep")


class Window(Strict):
    """Hours of the day in which the work may run; it belongs to the day it starts in."""

    start: TimeOfDay = Field(description='First moment, local time, like "22:00"')
    end: TimeOfDay = Field(description='End, exclusive, like "06:00"; not after start: on the next day')

    @property
    def start_hour(self) -> float:
        """Hours after local midnight."""
        return _hours(self.start)

    @property
    def length_h(self) -> float:
        """Hours from start to end, in (0, 24]."""
        return (_hours(self.end) - _hours(self.start)) % 24 or 24.0


class Needs(Strict):
    """What the work asks of model and offer."""

    streaming: Flag = Field(default=False, description="Answers must be streamed")
    custom_weights: Flag = Field(default=False, description="Own or fine-tuned weights must be accepted")
    open_weights: Flag = Field(default=False, description="The model's weights must be open")
    regions: tuple[Name, ...] = Field(default=(), description="Regions that will do; empty: any")
    context_tokens: NonNegative | None = optional(
        "Context that model and offer must hold, if more than prompt and completion together"
    )
    min_quality: NonNegative | None = optional("Least quality of the model, in its own scale")
    min_mean_quality: NonNegative | None = optional(
        "Least mean quality of what answers, by requests (tokens where no size is stated), in every period"
    )


class ShareLimits(Strict):
    """Limits on a part of a workload's requests (tokens where no size is stated), in every period."""

    min: Share = Field(
        default=0.0, description="Least part of what is served", json_schema_extra={"unit": "of the work"}
    )
    max: Share = Field(
        default=1.0, description="Most of what is served", json_schema_extra={"unit": "of the work"}
    )


class RoutingShares(Strict):
    """Limits on parts of a workload, by who answers."""

    models: Mapping[Name, ShareLimits] = Field(default={}, description="By model")
    offers: Mapping[Name, ShareLimits] = Field(default={}, description="By offer")
    providers: Mapping[Name, ShareLimits] = Field(default={}, description="By provider")


class Routing(Strict):
    """How the work may be spread."""

    splittable: Flag = Field(
        default=True, description="false: in each period one route carries all of it, of each origin"
    )
    min_providers: Counting = Field(
        default=1,
        description="Providers that carry at least min_share_per_provider in every period; where recipes answer, of "
        "what each of their steps carries, and of what single requests do beside them",
    )
    min_share_per_provider: Share = Field(
        default=0.05, description="Share from which a provider counts as carrying"
    )
    max_share_per_provider: PositiveShare = Field(
        default=1.0, description="Most that one provider carries in any period"
    )
    shares: RoutingShares = Field(default=RoutingShares(), description="Limits on single parts of the work")
    allow_offers: tuple[Name, ...] = Field(default=(), description="Only these offers; empty: all")
    deny_offers: tuple[Name, ...] = Field(default=(), description="Never these offers")


LEVELS: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p100": 1.0}


class RecipeStep(Strict):
    """Requests that a recipe sends for each request of the workload, one step after the other."""

    models: Annotated[tuple[Name, ...], NotEmpty] = Field(
        description="Models of which any will do", json_schema_extra={"minItems": 1}
    )
    requests: Positive = Field(
        default=1.0,
        description="Requests of the step for each request of the workload; below 1: only some need the step",
        json_schema_extra={"unit": "requests/request"},
    )
    parallel: Flag = Field(
        default=False, description="true: its requests run at once, so that they take the time of one"
    )
    prompt_tokens: Tokens | None = optional("Prompt tokens of its request; absent: the workload's")
    completion_tokens: Tokens | None = optional("Completion tokens of its request; absent: the workload's")
    cached_prompt_share: Share | None = optional(
        "Part of its prompt read from a cache; absent: the workload's"
    )
    cache_write_share: Share | None = optional(
        "Part of its prompt written to a cache; absent: the workload's"
    )


class Recipe(Strict):
    """Several requests that answer one of the workload together: a cascade, draft and verify, guard and answer."""

    name: Name = Field(description="Name, unique within the workload")
    quality: NonNegative | None = optional(
        "Quality of what it answers, in the scale of the models; absent: unknown, so that a quality need refuses it"
    )
    steps: Annotated[tuple[RecipeStep, ...], NotEmpty] = Field(
        description="Its steps, in their order. Of several that a promise on first tokens or requests counts (at p99 "
        "those of more than 0.01 requests) the times add up, on the slowest route that each uses; instances then need "
        "max_utilisation. With a window or deferrable_h the turnarounds of all add up likewise, and fit until answers "
        "are due; all steps are priced and counted in the period of the work",
        json_schema_extra={"minItems": 1},
    )

    def waited(self, k: int, percentile: str) -> float:
        """How many requests of a step, one after the other, a request of the workload waits for; 0: it does not count.

        At a percentile a step counts if its requests exceed 1 − p, at p100 all do; of a mean all, by their requests.
        """
        step = self.steps[k]
        if percentile == "mean":
            return min(step.requests, 1.0) if step.parallel else step.requests
        if step.requests <= 1.0 - LEVELS[percentile] + 1e-12:
            return 0.0
        return 1.0 if step.parallel else max(step.requests, 1.0)


class Workload(Sourced):
    """Requests with one choice of models, one size and one set of promises."""

    name: Name = Field(description="Unique name")
    models: Annotated[tuple[Name, ...], NotEmpty] = Field(
        description="Models of which any will do", json_schema_extra={"minItems": 1}
    )
    recipes: tuple[Recipe, ...] = Field(
        default=(), description="Ways to answer with several requests, beside its models"
    )
    demand: Demand = Field(description="How much, stated in exactly one way")
    prompt_tokens: Tokens | None = optional("Prompt tokens of a request, cached ones included")
    completion_tokens: Tokens | None = optional("Completion tokens of a request; 0 allowed")
    cached_prompt_share: Share = Field(
        default=0.0, description="Part of the prompt read from a cache, and billed at the cached price"
    )
    cache_write_share: Share = Field(
        default=0.0,
        description="Part of the prompt written to a cache, and billed at the price of that; with those read at most 1",
    )
    adapters: Whole = Field(
        default=0,
        description="Adapters that its requests use, all of which every pool that serves any of it holds",
    )
    arrival_cv: NonNegative = Field(
        default=1.0,
        description="Coefficient of variation of the gaps between arrivals; 1: Poisson, more: bursty, 0: a clock's",
    )
    service_cv: NonNegative = Field(
        default=0.0,
        description="Coefficient of variation of the service time among the workload's own requests; 0: all alike",
    )
    slo: Slo = Field(default=Slo(), description="Latency limits; absent: none")
    window: Window | None = optional("May only run then; the day's volume is spread freely inside")
    deferrable_h: NonNegative | None = optional(
        "Work arriving in a period may run in periods that start less than so much later"
    )
    needs: Needs = Field(default=Needs(), description="What the work asks of model and offer")
    routing: Routing = Field(default=Routing(), description="How the work may be spread")
    origin: Mapping[Name, PositiveShare] | None = optional(
        "Where requests come from, as shares that make 1; each is routed by itself, so that min_providers could be of "
        "each or of all: state a workload for each origin there. Absent: nowhere in particular"
    )
    unserved_usd_per_m_tokens: NonNegative | None = optional(
        "Cost of work left unserved; absent: every request must be served"
    )

    @property
    def all_models(self) -> frozenset[str]:
        """Those that may answer, and those of the steps of its recipes."""
        return frozenset(self.models).union(*(step.models for each in self.recipes for step in each.steps))


class NetworkLink(Strict):
    """A way from an origin to a region; it holds the other way too, unless that has a row of its own."""

    from_: Name = Field(alias="from", description="Origin of requests, or a region")
    to: Name = Field(description="Region of offers (limits.regions), or an origin")
    rtt_ms: NonNegative = Field(
        default=0.0,
        description="Round trip: it adds once to the time to first token and to that of a request",
    )
    egress_usd_per_gb: NonNegative = Field(
        default=0.0,
        description="Price of what is sent: prompt and completion",
        json_schema_extra={"unit": "USD/GB"},
    )
    bytes_per_token: NonNegative = Field(
        default=4.0, description="Size of a token as it is sent", json_schema_extra={"unit": "bytes/token"}
    )


def _hours(time: str) -> float:
    hours, minutes = time.split(":")
    return int(hours) + int(minutes) / 60
