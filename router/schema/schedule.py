"""Rules about time: when a price, a count or an opening holds that is not the one stated."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from router.schema.base import (
    Flag,
    Moment,
    Name,
    NonNegative,
    Share,
    Strict,
    Timezone,
    optional,
)
from router.schema.workloads import Window, columns_filter, columns_filter_schema

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class ModelPrices(Strict):
    """What an offer asks for work with a model."""

    prompt_usd_per_m: NonNegative | None = optional("Price of prompt tokens")
    completion_usd_per_m: NonNegative | None = optional("Price of completion tokens")
    cached_prompt_usd_per_m: NonNegative | None = optional(
        "Price of cached prompt tokens; absent: prompt_usd_per_m"
    )
    cache_write_usd_per_m: NonNegative | None = optional(
        "Price of prompt tokens written to the cache; absent: prompt_usd_per_m"
    )
    usd_per_request: NonNegative | None = optional(
        "Price of a request, beside that of its tokens; alone, tokens cost nothing"
    )


class RoleTerms(Strict):
    """What of one half of replicas a rule may set."""

    usd_per_h: NonNegative | None = optional("Price of a rented one")
    max: NonNegative | None = optional("Most of them; of a period, the least that holds in it")
    reserved: NonNegative | None = optional("Those already held; of a period, the least that holds in it")


class TermsByRole(Strict):
    """What a rule sets of each half of replicas."""

    prefill: RoleTerms = Field(default=RoleTerms(), description="Of what prefills")
    decode: RoleTerms = Field(default=RoleTerms(), description="Of what decodes")


class InstanceTerms(Strict):
    """What of `instances` a rule may set."""

    roles: TermsByRole | None = optional(
        "Of instances with roles: usd_per_h, max and reserved stand in the roles, availability beside them"
    )
    usd_per_h: NonNegative | None = optional("Price of a rented instance")
    max: NonNegative | None = optional("Most instances; of a period, the least that holds in it")
    reserved: NonNegative | None = optional("Instances already held; of a period, the least that holds in it")
    availability: Share | None = optional("Usable share of the count")


class QuotaCaps(Strict):
    """Most of what is sent; each its own cap."""

    requests_per_minute: NonNegative | None = optional("Most requests a minute")
    tokens_per_minute: NonNegative | None = optional("Most tokens a minute, all kinds together")
    prompt_tokens_per_minute: NonNegative | None = optional(
        "Most prompt tokens a minute, cached ones included"
    )
    uncached_prompt_tokens_per_minute: NonNegative | None = optional(
        "Most prompt tokens a minute but those read from the cache; written ones count"
    )
    completion_tokens_per_minute: NonNegative | None = optional("Most completion tokens a minute")
    units_per_minute: NonNegative | None = optional("Most burndown units a minute")
    requests_per_day: NonNegative | None = optional(
        "Most requests of a day of the clock; by its hours where the horizon cuts it"
    )
    tokens_per_day: NonNegative | None = optional("Most tokens of a day of the clock, likewise")
    usd_per_month: NonNegative | None = optional(
        "Most money of use in a billing month, by its hours / 730: of tokens, requests and cache at their prices"
    )


class NewTerms(Strict):
    """In place of what the offer states."""

    models: Mapping[str, ModelPrices] = Field(default={}, description="Prices by model")
    instances: InstanceTerms = Field(default=InstanceTerms(), description="Of rented instances")
    quota: QuotaCaps = Field(
        default=QuotaCaps(),
        description="The provider's caps; of a day or month, or of what work may run in of a period, the mean by hours",
    )

    @property
    def figures(self) -> Iterator[tuple[tuple[str, ...], float]]:
        """What is set, by field."""
        roles = self.instances.roles or TermsByRole()
        records: list[tuple[tuple[str, ...], Strict]] = [
            *((("models", name), prices) for name, prices in self.models.items()),
            (("instances",), self.instances),
            (("instances", "roles", "prefill"), roles.prefill),
            (("instances", "roles", "decode"), roles.decode),
            (("quota",), self.quota),
        ]
        for at, record in records:
            for name, value in record:
                if isinstance(value, float):
                    yield (*at, name), value


class Series(Strict):
    """Figures from a file: each row holds until the next one."""

    file: str = Field(
        min_length=1,
        description="CSV or CSV.gz, relative to the problem file, of offers in an included file too",
    )
    timestamp_column: str = Field(
        description="Column of the moment from which a row holds: ISO 8601, or epoch in s or ms"
    )
    usd_per_h_column: str | None = optional("Column of instances.usd_per_h")
    availability_column: str | None = optional("Column of instances.availability, as a share")
    prompt_usd_per_m_column: str | None = optional("Column of prompt_usd_per_m")
    completion_usd_per_m_column: str | None = optional("Column of completion_usd_per_m")
    cached_prompt_usd_per_m_column: str | None = optional("Column of cached_prompt_usd_per_m")
    cache_write_usd_per_m_column: str | None = optional("Column of cache_write_usd_per_m")
    usd_per_request_column: str | None = optional("Column of usd_per_request")
    role: Literal["prefill", "decode"] | None = optional(
        "The half of replicas whose usd_per_h this is; needed beside it where instances have roles"
    )
    model: Name | None = optional("The model whose prices these are; absent: all of the offer")
    filter: (
        Annotated[
            Mapping[str, tuple[str, ...]],
            BeforeValidator(columns_filter),
            WithJsonSchema(columns_filter_schema),
        ]
        | None
    ) = optional("Only rows whose columns have one of these values: {column: value or [values]}")
    gaps: Literal["error", "previous"] = Field(
        default="error",
        description="No row before the start, or the last one older than 24 h: an error; or the row before holds on, "
        "and what is stated where there is none",
    )

    @property
    def columns(self) -> Mapping[str, str]:
        """Columns by the field that they are of."""
        stated = {
            name.removesuffix("_column"): getattr(self, name)
            for name in type(self).model_fields
            if name.endswith("_column") and name != "timestamp_column"
        }
        return {field: column for field, column in stated.items() if column is not None}


class Times(Strict):
    """When a rule holds: always, where nothing is said."""

    from_: Moment | None = Field(
        default=None,
        alias="from",
        description="First moment, a date or a date and time; absent: always before",
    )
    until: Moment | None = optional("End, exclusive; absent: for ever")
    daily: Window | None = optional(
        "Only so many hours of each day; over midnight they are of the day they start in"
    )
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        default=(), description="Only on these days of the week; empty: on all"
    )
    timezone: Timezone | None = optional("IANA time zone of the rule's times; absent: horizon.timezone")

    @property
    def dated(self) -> bool:
        """Whether it says when: such a rule needs to know when the horizon starts."""
        return self.from_ is not None or self.until is not None or self.recurring

    @property
    def recurring(self) -> bool:
        """Whether it comes and goes by hours or days."""
        return self.daily is not None or bool(self.days)


class ScheduleRule(Times):
    """A rule of an offer: of several that hold at once the last counts, by field, factor and opening each by itself."""

    prices: NonNegative | None = optional(
        "Factor on prices of use: tokens, requests, cache, rented hours, contract rates; not on fees, minima, "
        "thresholds, upfront, starts and reserved hours"
    )
    available: Flag | None = optional(
        "false: closed. Before an offer first opens and after it last closes nothing of it is due; in a gap rent "
        "stops, and what is reserved, bought for a term, committed or a fee is paid on. Beside instances bought for a "
        "term it opens and closes for good where a period does: terms are whole periods"
    )
    set_: NewTerms | None = Field(default=None, alias="set", description="In place of what is stated")
    series: Series | None = optional("In place of what is stated, from a file")


class EnergyRule(Times):
    """A rule of the price of energy."""

    usd_per_kwh: NonNegative | None = optional("In place of policy.energy_usd_per_kwh")
    prices: NonNegative | None = optional("Factor on the price that is left by usd_per_kwh")
