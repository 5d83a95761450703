"""The problem file as a whole: horizon, policy, futures, and what ties workloads to offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    model_validator,
)

from router.errors import InputError, Path
from router.schema.agreements import Agreement, Credit, Group
from router.schema.base import (
    AtLeastOne,
    Counting,
    Growth,
    Moment,
    Name,
    NonNegative,
    NotEmpty,
    PeriodHours,
    PositiveShare,
    Share,
    ShareBelowOne,
    Sourced,
    Strict,
    Timezone,
    Whole,
    optional,
)
from router.schema.clock import MONTH_H, Clock
from router.schema.offers import Host, Model, Offer, SharedQuota
from router.schema.schedule import EnergyRule
from router.schema.source import SourceMap
from router.schema.workloads import NetworkLink, Trace, Workload

SCHEMA = "router/1"
MOST_PERIODS = 105_408  # of five minutes in a leap year (docs/limits.md)


def _file(value: object) -> object:
    """`history: usage.csv` is short for `{file: usage.csv}`."""
    return {"file": value} if isinstance(value, str) else value


class Horizon(Strict):
    """The planned span, cut into periods of equal length."""

    periods: Annotated[Counting, Field(le=MOST_PERIODS)] = Field(default=1, description="Number of periods")
    period_h: PeriodHours = Field(default=MONTH_H, description="Length of a period")
    start: Moment | None = optional(
        "Start, local time of timezone unless it has an offset; absent: a day's 00:00"
    )
    timezone: Timezone = Field(default="UTC", description="IANA time zone of windows and local times")

    @property
    def hours(self) -> float:
        """Length of the horizon, h."""
        return self.periods * self.period_h

    @property
    def clock(self) -> Clock:
        """Its hours as local time; make it once, and hand it on."""
        return Clock.of(self.start, self.timezone)


class Policy(Strict):
    """Limits and assumptions that hold for the plan as a whole."""

    max_spend_usd: NonNegative | None = optional(
        "Most that the plan may cost over the horizon, in every scenario"
    )
    max_committed_usd: NonNegative | None = optional(
        "Most first-stage money over the horizon: fees, minima, horizon and term purchases"
    )
    max_share_per_provider: PositiveShare = Field(
        default=1.0, description="Most of all tokens that one provider carries in any period"
    )
    survive_loss_of: Literal["none", "provider", "offer"] = Field(
        default="none", description="In every such loss the rest must still meet demand"
    )
    energy_usd_per_kwh: NonNegative = Field(default=0.0, description="Price of energy for power_kw")
    energy_schedule: tuple[EnergyRule, ...] = Field(
        default=(),
        description="When energy has another price; of several rules that hold at once, the last counts",
    )
    max_power_kw: NonNegative | None = optional("Most power drawn in any period")
    p99_over_mean: AtLeastOne | None = optional(
        "Factor assumed from mean to 99th percentile where none was measured"
    )
    wait_margin: NonNegative = Field(
        default=0.0, description="Waits are planned longer than the formula says by this share, for bursts"
    )
    load_margin: NonNegative = Field(
        default=0.0,
        description="Waits are planned at a load higher by this share: mends bursts where the formula sees no wait",
    )
    discount_rate_per_year: NonNegative = Field(
        default=0.0,
        description="A period's costs weigh (1 + r)^−(hours to its start / 8760), a bill's those of its first",
    )
    end_of_horizon: Literal["prorate", "charge_in_full"] = Field(
        default="prorate", description="How terms that outlast the horizon are charged, upfront included"
    )
    among_equals: tuple[Literal["latency", "even_load"], ...] = Field(
        default=("latency", "even_load"),
        description="What decides between plans of equal cost, in this order; []: the first that is found stays",
    )


class Scenario(Strict):
    """One possible future; a named multiplier replaces "*"."""

    name: Name = Field(description="Unique name")
    probability: Share = Field(description="Weight; all sum to 1 within 1e-6")
    demand: Mapping[str, NonNegative] = Field(
        default={}, description='Demand multipliers by workload, "*" for all'
    )
    prices: Mapping[str, NonNegative] = Field(
        default={}, description='Price multipliers by offer, "*" for all'
    )
    availability: Mapping[str, NonNegative] = Field(
        default={}, description='Availability multipliers by offer, "*" for all'
    )


class Generate(Strict):
    """Futures drawn with a seed, from a history or from growth and spread."""

    count: Counting = Field(description="Scenarios drawn")
    seed: Whole = Field(default=0, description="Seed of the generator")
    history: Annotated[Trace, BeforeValidator(_file)] | None = optional(
        "Recorded demand to draw from: a file, or its columns"
    )
    growth_per_month: Growth | None = optional("Growth of demand per 730 h; 0.05 is 5 %")
    spread: NonNegative | None = optional(
        "Standard deviation of the logarithm of demand's level, one for the whole horizon"
    )
    spread_per_month: NonNegative | None = optional(
        "The same of its change from month to month, which adds up: after n months √n times as much"
    )
    reduce_to: Counting | None = optional("Scenarios kept for planning; absent: all")


class Generated(Strict):
    """`scenarios: {generate: {...}}`."""

    generate: Generate = Field(description="How scenarios are drawn")


class Risk(Strict):
    """Objective: (1 − cvar_weight) · expected cost + cvar_weight · CVaR."""

    cvar_level: ShareBelowOne = Field(default=0.95, description="α: CVaR is the mean of the worst 1 − α")
    cvar_weight: Share = Field(default=0.0, description="Weight of CVaR in the objective")


class Pin(Strict):
    """What stays as it runs: a workload's routes, an offer's counts, or the routes between the two."""

    workload: Name | None = optional("Workload whose routes stay; absent: any")
    offer: Name | None = optional("Offer whose routes and counts stay; absent: any")


class Reoptimise(Strict):
    """What change costs, and how much of it is allowed."""

    move_usd_per_m_tokens: NonNegative = Field(
        default=0.0, description="Cost of work moved from where it runs"
    )
    resize_usd: NonNegative = Field(default=0.0, description="Cost of each instance more or less than runs")
    max_moved_share: Share | None = optional("Most of all tokens that may move; absent: any")
    min_gain_usd: NonNegative = Field(
        default=0.0, description="Gain over the horizon below which the old plan stays"
    )
    freeze_h: NonNegative = Field(default=0.0, description="Near future that stays as it runs")
    pins: tuple[Pin, ...] = Field(default=(), description="What stays as it runs throughout")


def _scenarios_kind(value: object) -> str:
    return "generated" if isinstance(value, dict | Generated) else "listed"


Scenarios = Annotated[
    Annotated[tuple[Scenario, ...], Tag("listed")] | Annotated[Generated, Tag("generated")],
    Discriminator(_scenarios_kind),
]


def _name(offer: object) -> object:
    return offer.get("name") if isinstance(offer, dict) else None


def _without_price(offer: object) -> object:
    """The offer with 0 for the price of instances that states none, by role too."""
    instances = offer.get("instances") if isinstance(offer, dict) else None
    if not isinstance(offer, dict) or not isinstance(instances, dict):
        return offer
    roles = instances.get("roles")
    if not isinstance(roles, dict):
        return {**offer, "instances": {"usd_per_h": 0.0, **instances}}
    halves = {
        name: {"usd_per_h": 0.0, **half} if isinstance(half, dict) else half for name, half in roles.items()
    }
    return {**offer, "instances": {**instances, "roles": halves}}


@dataclass(frozen=True, eq=False)
class MinuteRecords:
    """A problem whose workloads have traces, in the minutes of which a part of a replay comes; known by identity."""

    problem: "Problem"


class MinutesOf(NamedTuple):
    """Records, and the period of theirs with which a problem begins; its workloads have the names of theirs."""

    records: MinuteRecords
    first: int


class Problem(Sourced):
    """A problem file with its includes merged in."""

    schema_: Literal["router/1"] = Field(alias="schema", description="Format of this file")
    name: Name = Field(default="unnamed", description="Name of the problem, printed in the plan")
    horizon: Horizon = Field(default=Horizon(), description="The planned span; absent: one period of 730 h")
    include: tuple[str, ...] = Field(
        default=(), description="Files whose models and offers are merged in, relative to this one"
    )
    use_offers: tuple[str, ...] | None = optional(
        "Included offers to use, by name or pattern (* and ?); absent: all; own ones always are"
    )
    models: Mapping[str, Model] = Field(default={}, description="Models by name")
    workloads: Annotated[tuple[Workload, ...], NotEmpty] = Field(
        description="What has to be served", json_schema_extra={"minItems": 1}
    )
    offers: tuple[Offer, ...] = Field(default=(), description="What can be bought")
    commitments: tuple[Agreement, ...] = Field(
        default=(), description="Agreements: one commitment over several offers"
    )
    credits: tuple[Credit, ...] = Field(default=(), description="Money that pays use of offers, and lapses")
    quotas: tuple[SharedQuota, ...] = Field(
        default=(), description="Caps over several offers or of some workloads"
    )
    network: tuple[NetworkLink, ...] = Field(
        default=(), description="Round trips and egress between origins and regions; without a row both are 0"
    )
    groups: tuple[Group, ...] = Field(default=(), description="Limits on instances over several offers")
    hosts: tuple[Host, ...] = Field(default=(), description="Machines that instances live in, bought whole")
    policy: Policy = Field(default=Policy(), description="Limits and assumptions of the plan as a whole")
    scenarios: Scenarios = Field(default=(), description="Futures, listed or generated; absent: one, certain")
    risk: Risk = Field(default=Risk(), description="Weight of bad futures")
    reoptimise: Reoptimise | None = optional("What change of a running plan costs")

    _positions: SourceMap = PrivateAttr(default_factory=SourceMap)
    _repeats_daily: bool = PrivateAttr(default=False)
    _minutes_of: MinutesOf | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _priced_by_host(cls, data: object) -> object:
        """Instances that live in a host may have no price of their own."""
        hosts = data.get("hosts") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(hosts, list | tuple):
            return data
        hosted = {name for host in hosts if isinstance(host, dict) for name in host.get("offers") or ()}
        offers = [
            _without_price(offer) if _name(offer) in hosted else offer for offer in data.get("offers") or ()
        ]
        return {**data, "offers": offers}

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        """Problems built in Python keep the same rules as files do."""
        from router.schema.rules import broken_rules  # the rules are about this class

        issues = broken_rules(self)
        if issues:
            raise InputError(issues)
        return self

    def seller_path(self, seller: int) -> Path:
        """Where one of `sellers` stands in the file."""
        for field, rows in (
            ("offers", self.offers),
            ("commitments", self.commitments),
            ("hosts", self.hosts),
        ):
            if seller < len(rows):
                return field, seller
            seller -= len(rows)
        raise IndexError("not a seller")

    @property
    def sellers(self) -> tuple[Offer, ...]:
        """All that money goes to: offers, then agreements and hosts as offers that serve nothing.

        Where the horizon has no start, offers of which nothing is asked are there without their rules about time.
        """
        offers = self.offers
        if self.horizon.start is None and any(offer.schedule for offer in offers):
            offers = tuple(
                offer if self.asks_of(offer) else offer.model_copy(update={"schedule": ()})
                for offer in offers
            )
        agreements = (agreement.seller for agreement in self.commitments)
        return (*offers, *agreements, *(host.seller for host in self.hosts))

    def asks_of(self, offer: Offer) -> bool:
        """Whether an offer can matter: some workload asks for a model of it, or it has instances or a commitment."""
        asked = any(model in offer.models for load in self.workloads for model in load.models)
        return asked or offer.instances is not None or offer.commitment is not None

    def at_positions(self, positions: SourceMap) -> Self:
        """The same problem, knowing where its fields stand."""
        copy = self.model_copy()
        copy._positions = positions
        return copy

    @property
    def positions(self) -> SourceMap:
        """Where each field stands in its file; see `router.loading.catalogue.input_issue`."""
        return self._positions

    def in_minutes_of(self, records: MinutesOf) -> Self:
        """The same problem, whose demand comes in the minutes of records that its counts are of."""
        copy = self.model_copy()
        copy._minutes_of = records
        return copy

    @property
    def minutes_of(self) -> MinutesOf | None:
        """Records in whose minutes its demand comes, where its own counts stand in their place."""
        return self._minutes_of

    def repeating_daily(self) -> Self:
        """The same problem, knowing that its lists of demand were moved to its start by clock time."""
        copy = self.model_copy()
        copy._repeats_daily = True
        return copy

    def with_(self, settings: Mapping[str, object]) -> "Problem":
        """The same problem with fields changed, by path; this one stays as it is.

        `problem.with_({"workloads.chat.demand": "x1.2", "offers.acme.quota.tokens_per_minute": 300e3})`; None leaves a
        field out. Raises InputError with the path of each mistake, as for a file.
        """
        module = import_module(
            "router.loading.settings"
        )  # by name: what it says of mistakes is about this class
        new: Problem = module.changed(self, settings)
        return new

    @property
    def repeats_daily(self) -> bool:
        """Whether lists of demand were moved to the start; see `router.plan.start`."""
        return self._repeats_daily
