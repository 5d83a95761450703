"""The instance: a problem as arrays, in canonical units. The narrow waist between people's units and mathematics.

Canonical units: hours, seconds, tokens, USD, instances. "Absent" is +inf for a limit or a price and -1 for an index;
NaN is never legal and raises. Every array is read-only. Sizes are named by letters, here and in all of `problems`:

    T periods   K billing months   M models   W workloads   C cells   L slots   O offers   E entries (offer, model)
    Q pools     B contracts        A starts of contracts    G groups  P providers   S scenarios

A **cell** is a piece of demand that must be served as one: a workload's work of one period, of one arrival period
(`deferrable_h`) or of one occurrence of its window. A **slot** is a period, or part of one, where a cell may run.
"""

from __future__ import annotations

from dataclasses import Field, FrozenInstanceError, dataclass, field, fields, replace
from typing import ClassVar, dataclass_transform

import numpy as np
from numpy.typing import NDArray

from solvers.risk import NEUTRAL, TailRisk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NONE = -1
PERCENTILES = ("mean", "p50", "p90", "p95", "p99")
HOURS_PER_MONTH = 730.0


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
class Table:
    """Base of the array tables, each a frozen dataclass without ==: rejects NaN and arrays of unequal length."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]

    def __init_subclass__(cls) -> None:
        dataclass(eq=False, repr=False)(cls)  # frozen below, once for all: thirty times made, that is felt

    def __setattr__(self, name: str, value: object) -> None:
        if "_frozen" in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to {name} of a {type(self).__name__}")
        super().__setattr__(name, value)

    def __post_init__(self) -> None:
        length: tuple[str, int] | None = None
        for item in fields(self):
            value = getattr(self, item.name)
            if not isinstance(value, np.ndarray):
                continue
            if value.dtype.kind == "f" and np.isnan(value).any():
                where = np.argwhere(np.isnan(value))[0].tolist()
                raise ValueError(f"{type(self).__name__}.{item.name} has NaN at {where}")
            if item.metadata.get("free", False):
                continue
            if length is None:
                length = (item.name, len(value))
            elif len(value) != length[1]:
                raise ValueError(
                    f"{type(self).__name__}.{item.name} has {len(value)} rows, {length[0]} has {length[1]}"
                )
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
        self.__dict__["_frozen"] = True


class Time(Table):
    """Periods of equal length. Month k of a period is the billing month in which it starts."""

    period_h: float
    start_h: Floats  # (T,) h from the start of the horizon
    month: Ints  # (T,)
    weight: Floats  # (T,) present value of one dollar paid in the period
    month_hours: Floats = field(metadata={"free": True})  # (K,) sum of the hours of its periods
    month_weight: Floats = field(metadata={"free": True})  # (K,)

    @property
    def periods(self) -> int:
        return len(self.start_h)

    @property
    def months(self) -> int:
        return len(self.month_hours)

    @property
    def horizon_h(self) -> float:
        return self.period_h * self.periods

    @property
    def seconds(self) -> float:
        return self.period_h * 3600.0


class Models(Table):
    names: tuple[str, ...]
    parameters_b: Floats  # (M,) 0: unknown
    memory_gb: Floats  # (M,) 0: unknown
    context_tokens: Floats  # (M,) inf: unknown
    quality: Floats  # (M,) -inf: unknown
    open_weights: Bools  # (M,) stated to be open


class Workloads(Table):
    """A unit of work is a request, or one token where the workload states no request size."""

    names: tuple[str, ...]
    sized: Bools  # (W,) a unit of work is a request of known size
    moves: Bools  # (W,) its work may run in several periods (window, deferrable_h)
    prompt_tokens: Floats  # (W,) per unit of work, cached ones included
    cached_tokens: Floats  # (W,) per unit of work
    completion_tokens: Floats  # (W,) per unit of work
    context_tokens: Floats  # (W,) the larger of the need and prompt + completion
    streaming: Bools
    custom_weights: Bools
    open_weights: Bools
    min_quality: Floats  # (W,) -inf: none asked
    regions: tuple[frozenset[str], ...]  # empty: none asked
    accepts: Bools  # (W, M) the models that will do
    permitted: Bools  # (W, O) by allow and deny lists
    slo_ttft_s: Floats  # (W, 5) by percentile, inf: none
    slo_tpot_s: Floats  # (W, 5)
    slo_request_s: Floats  # (W, 5)
    splittable: Bools
    min_providers: Ints
    min_share: Floats
    max_share: Floats
    unserved_usd_per_token: Floats  # (W,) inf: must be served
    arrival_cv: Floats  # (W,) coefficient of variation of the gaps between arrivals, 1: Poisson
    service_cv: Floats  # (W,) of a request's service time within the workload, 0: all alike

    @property
    def tokens(self) -> Floats:
        """Prompt and completion tokens of a unit of work, (W,)."""
        return self.prompt_tokens + self.completion_tokens


class Cells(Table):
    """Pieces of demand, and the slots in which each may run (slot rows are grouped by cell, in order of time)."""

    workload: Ints  # (C,)
    occurrence: Ints  # (C,) the period, the arrival period, or the day of the window
    work: Floats  # (C,) units of work
    slot_cell: Ints = field(metadata={"free": True})  # (L,)
    slot_period: Ints = field(metadata={"free": True})  # (L,)
    slot_from: Floats = field(metadata={"free": True})  # (L,) part of the period, 0 ≤ from < to ≤ 1
    slot_to: Floats = field(metadata={"free": True})  # (L,)

    def __len__(self) -> int:
        return len(self.work)


class Offers(Table):
    names: tuple[str, ...]
    providers: tuple[str, ...]  # (P,) names
    provider: Ints  # (O,) index into providers
    max_parameters_b: Floats  # (O,) inf: no limit
    context_tokens: Floats  # (O,)
    no_streaming: Bools
    no_custom_weights: Bools
    regions: tuple[frozenset[str], ...]
    quota_requests: Floats  # (O,) per second, inf: none
    quota_tokens: Floats
    quota_units: Floats
    fee_usd_per_month: Floats
    fleet: Ints  # (O,) row in Fleets, -1: no instances
    contract: Ints  # (O,) row in Contracts, -1: none


class Entries(Table):
    """What an offer serves: one row per (offer, model). Throughput is per instance."""

    offer: Ints
    model: Ints
    prompt_usd: Floats  # (E,) USD per token, inf: not stated
    cached_usd: Floats
    completion_usd: Floats
    prompt_units: Floats  # burndown per token
    cached_units: Floats
    completion_units: Floats
    tokens_per_s: Floats  # (E,) inf: not stated so; likewise below
    prompt_tokens_per_s: Floats
    completion_tokens_per_s: Floats
    requests_per_s: Floats
    units_per_s: Floats
    disaggregated: Bools
    concurrency: Floats  # (E,) requests in flight per instance, 1: not stated
    ttft_s: Floats  # (E, 5) by percentile, inf: unknown
    tpot_s: Floats  # (E, 5)
    points: tuple[Points | None, ...]  # measured operating points, where given


class Points(Table):
    """Measured operating points of one instance serving one model."""

    prompt_tokens: Floats
    completion_tokens: Floats
    requests_per_s: Floats
    concurrency: Floats  # requests in flight, 1: not stated
    ttft_s: Floats  # (n, 5)
    tpot_s: Floats  # (n, 5)


class Fleets(Table):
    """Countable capacity of an offer (the YAML's `instances`), and its pools."""

    offer: Ints  # (F,)
    usd_per_h: Floats
    min: Floats
    step: Floats
    max: Floats  # inf: none
    integral: Bools
    horizon: Bools  # (F,) one number for the whole horizon
    reserved: Floats
    reserved_usd_per_h: Floats
    term_months: Ints  # 0: no term
    upfront_usd: Floats
    units: Floats
    memory_gb: Floats  # inf: unknown
    start_usd: Floats
    start_h: Floats
    min_up_h: Floats
    availability: Floats
    max_utilisation: Floats  # inf: not stated
    power_kw: Floats
    pool_fleet: Ints = field(metadata={"free": True})  # (Q,)
    pool_model: Ints = field(metadata={"free": True})  # (Q,) -1: shared by all models of the offer

    @property
    def pools(self) -> int:
        return len(self.pool_fleet)


class Contracts(Table):
    """Take-or-pay commitments. `unit_usd` is the contract rate per own unit (a token, or 1 for a dollar)."""

    offer: Ints  # (B,)
    in_tokens: Bools  # own unit is the token; else the dollar at contract rates
    stated_in_tokens: (
        Bools  # how the problem states it; a minimum of no tokens is billed in dollars all the same
    )
    min_per_month: Floats  # own units
    max_per_month: Floats  # inf: not stated, the commitment is the minimum
    step_per_month: Floats  # 0: any
    unit_usd: Floats  # USD per own unit; 0 where tiers replace it
    limited: Bools  # overage: none
    overage_usd: Floats  # USD per own unit above the commitment; inf: at contract rates
    term_months: Ints  # 0: as long as the horizon
    tiers: tuple[Tiers | None, ...]
    start_contract: Ints = field(metadata={"free": True})  # (A,)
    start_month: Ints = field(metadata={"free": True})  # (A,) first billing month
    start_h: Floats = field(metadata={"free": True})  # (A,) h, in force from
    end_h: Floats = field(metadata={"free": True})  # (A,) h, in force until (may lie beyond the horizon)
    start_signed: Bools = field(metadata={"free": True})  # (A,) signed before the plan: due whatever it does

    @property
    def decided(self) -> Bools:
        """(B,) whether to sign is a decision: there is a minimum to pay, or one term of several to choose."""
        starts = np.bincount(self.start_contract, minlength=len(self.offer))
        return np.asarray((self.min_per_month > 0) | (starts > 1), dtype=bool)


class Tiers(Table):
    """Price bands by monthly volume of all tokens."""

    from_tokens: Floats  # (n,) per month, first is 0
    usd: Floats  # (n,) USD per token
    all_units: bool = False

    def bill(self, tokens: float) -> float:
        """USD for a whole month's tokens, bought up to a later band where that is cheaper."""
        if tokens <= 0:
            return 0.0
        if self.all_units:
            begun = np.append(tokens < self.from_tokens[1:] * (1 - 1e-9), True)  # a band begins at its edge
            return float(np.where(begun, self.usd * np.maximum(tokens, self.from_tokens), np.inf).min())
        width = np.clip(tokens - self.from_tokens, 0.0, np.diff(self.from_tokens, append=np.inf))
        return float(width @ self.usd)


class Groups(Table):
    names: tuple[str, ...]
    member: Bools  # (G, O)
    max_units: Floats
    min_units: Floats


@dataclass(frozen=True)
class Policy:
    max_spend_usd: float = np.inf
    max_committed_usd: float = np.inf
    max_share_per_provider: float = 1.0
    energy_usd_per_kwh: float = 0.0
    max_power_kw: float = np.inf
    p99_over_mean: float = 0.0  # 0: no assumption
    wait_margin: float = 0.0  # waits are planned longer by this share
    load_margin: float = 0.0  # and at a load higher by this share
    charge_in_full: bool = False
    survive_loss_of: str = "none"
    risk: TailRisk = NEUTRAL


class Scenarios(Table):
    """Multipliers by scenario. One scenario of ones is the certain future."""

    names: tuple[str, ...]
    probability: Floats  # (S,)
    demand: Floats  # (S, W)
    price: Floats  # (S, O)
    availability: Floats  # (S, O)
    path: Floats | None = None  # (S, W, T) multipliers of demand by period, on top of `demand`
    listed: bool = False  # the problem names its futures

    def __len__(self) -> int:
        return len(self.probability)

    def only(self, s: int) -> Scenarios:
        """Scenario `s`, as if it were certain."""
        return self.some(np.array([s]), np.ones(1))

    def some(self, which: Ints, probability: Floats) -> Scenarios:
        """Some scenarios under new probabilities."""
        return replace(
            self,
            names=tuple(self.names[s] for s in which),
            probability=probability,
            demand=self.demand[which],
            price=self.price[which],
            availability=self.availability[which],
            path=None if self.path is None else self.path[which],
        )

    def mean(self) -> Scenarios:
        """The one scenario of mean demand, prices and availability."""
        p = self.probability / self.probability.sum()
        path = None
        if self.path is not None:  # the mean of the product, not the product of means
            product = np.einsum("s,sw,swt->wt", p, self.demand, self.path)
            mean = p @ self.demand
            path = (product / np.where(mean > 0, mean, 1.0)[:, None])[None]
        return replace(
            self,
            names=("mean",),
            probability=np.ones(1),
            demand=(p @ self.demand)[None],
            price=(p @ self.price)[None],
            availability=(p @ self.availability)[None],
            path=path,
        )


class Running(Table):
    """What runs already, in this instance's own terms: what change is measured against.

    Shares are of cells: (R,) rows by workload and occurrence. `count` and `held_over` are facts or wishes by pool and
    period; `paid_before` and `held_over` bind every plan, the rest only one that is `tracked`.
    """

    workload: Ints  # (R,)
    occurrence: Ints  # (R,) of the cell
    offer: Ints  # (R,) -1: no longer offered
    model: Ints  # (R,) -1: no longer there
    share: Floats  # (R,)
    count: Floats = field(metadata={"free": True})  # (Q, T) instances
    paid_before: Floats = field(metadata={"free": True})  # (Q,) run at hour 0 and need no start
    held_over: Floats = field(metadata={"free": True})  # (Q, T) bought earlier for a term that still covers t
    stays: Bools = field(metadata={"free": True})  # (W, O) pinned: the share of the workload on the offer
    counts_stay: Bools = field(metadata={"free": True})  # (O,) pinned: the offer's counts
    freeze_h: float = 0.0
    move_usd_per_token: float = 0.0
    resize_usd: float = 0.0
    max_moved_share: float = np.inf
    tracked: bool = True  # change has a price and limits
    goes_on: bool = False  # nothing may change at all: prices what runs


@dataclass(frozen=True)
class Instance:
    """Everything the mathematics knows of a problem."""

    name: str
    time: Time
    models: Models
    workloads: Workloads
    cells: Cells
    offers: Offers
    entries: Entries
    fleets: Fleets
    contracts: Contracts
    groups: Groups
    policy: Policy
    scenarios: Scenarios
    running: Running | None = None
    must_sign: Bools | None = None  # (O,) a question: offers bought ahead whatever the best plan would do
    must_not_sign: Bools | None = None  # (O,) another: offers of which nothing more is bought ahead
    room: Floats | None = None  # (Q,) counts bought ahead that must fit, of use in this future or not

    @property
    def pool_names(self) -> list[tuple[str, str | None]]:
        """Q × (offer, model); no model where all of the offer's share the count."""
        offers, models = self.offers.names, self.models.names
        pools = zip(self.fleets.pool_fleet, self.fleets.pool_model, strict=True)
        return [(offers[self.fleets.offer[f]], None if m == NONE else models[m]) for f, m in pools]

    @property
    def paid_before(self) -> Floats:
        """(Q,) instances paid for and running when the horizon begins."""
        return np.zeros(self.fleets.pools) if self.running is None else self.running.paid_before

    @property
    def held_over(self) -> Floats:
        """(Q, T) instances under a term that was bought before the horizon."""
        none = np.zeros((self.fleets.pools, self.time.periods))
        return none if self.running is None else self.running.held_over
