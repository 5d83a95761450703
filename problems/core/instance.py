"""The instance: a problem as arrays, in canonical units. The narrow waist between people's units and mathematics.

Canonical units: hours, seconds, tokens, USD, instances. Every array is read-only, and its absent
values are as in `problems.core.arrays`. Sizes are named by letters, here and in all of `problems`:

    T periods   K billing months   M models   W workloads   C cells   L slots   O offers   E entries (offer, model)
    Q pools     B contracts        A starts of contracts    N spans of contracts
    G groups    P providers        S scenarios              J stretches of time in which no offer changes

A **cell** is a piece of demand that must be served as one: a workload's work of one period, of one arrival period
(`deferrable_h`) or of one occurrence of its window. A **slot** is a period, or part of one, where a cell may run.
"""

from __future__ import annotations

from dataclasses import field, replace
from functools import cached_property

import numpy as np

from problems.core import stretches
from problems.core.arrays import NONE, ArrayTable, Bools, Floats, Ints
from problems.core.contracts import Agreements, Contracts
from problems.core.overflow import Spilling
from problems.core.supply import Allowances, Credits, Entries, Fleets, Groups, Hosts, Offers, Quotas
from solvers.core.record import Record
from solvers.two_stage.risk import NEUTRAL, TailRisk


class Time(ArrayTable):
    """Periods of equal length. Month k of a period is the billing month in which it starts."""

    period_h: float
    start_h: Floats  # (T,) h from the start of the horizon
    month: Ints  # (T,)
    weight: Floats  # (T,) present value of one dollar paid in the period
    month_hours: Floats = field(metadata={"free": True})  # (K,) sum of the hours of its periods
    month_weight: Floats = field(metadata={"free": True})  # (K,)
    midnights: Floats = field(
        metadata={"free": True}
    )  # h from the start: the last one not after it, …, the first after
    edge_h: Floats = field(
        metadata={"free": True}
    )  # (J + 1,) h, ends of the stretches in which no offer changes

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

    def mean(self, value: Floats | Bools, row: Ints, from_h: Floats, to_h: Floats) -> Floats:
        """(n,) means by hours of rows of a figure by stretch, (m, J); see `stretches.mean`."""
        return stretches.mean(self.edge_h, value, row, from_h, to_h)

    def by_period(self, value: Floats | Bools) -> Floats:
        """(m, T) the mean of a figure by stretch, (m, J), in each period."""
        row, period = np.repeat(np.arange(len(value)), self.periods), np.tile(self.start_h, len(value))
        return self.mean(value, row, period, period + self.period_h).reshape(len(value), self.periods)


class Models(ArrayTable):
    names: tuple[str, ...]
    parameters_b: Floats  # (M,) 0: unknown
    memory_gb: Floats  # (M,) 0: unknown
    context_tokens: Floats  # (M,) inf: unknown
    quality: Floats  # (M,) -inf: unknown
    open_weights: Bools  # (M,) stated to be open


class Workloads(ArrayTable):
    """A unit of work is a request, or one token where the workload states no request size."""

    names: tuple[str, ...]  # "chat", or "chat from eu" for what comes from there alone
    file_names: tuple[str, ...]  # (W,) of the problem file
    origins: tuple[str | None, ...]  # (W,)
    first: Ints
    """(W,) the first row of the same workload of the file: limits on the whole of it are read there"""
    part: Floats  # (W,) requests for each of the workload of the file
    recipes: tuple[str | None, ...]  # (W,) of whose requests it is one step
    steps: Ints  # (W,) number of the step, -1: none
    lead: Ints  # (W,) the row of its recipe's first step, its own where it is no step
    whole: Ints  # (W,) the row of the work that it answers, its own where it is no step
    answers: Floats  # (W,) requests of the workload that a unit of work answers: 0 of all steps but the first
    quality: Floats  # (W,) of what a recipe answers, -inf: that of the model
    adapters: Floats  # (W,) that an instance must hold to serve it
    sized: Bools  # (W,) a unit of work is a request of known size
    moves: Bools  # (W,) its work may run in several periods (window, deferrable_h)
    prompt_tokens: Floats  # (W,) per unit of work, cached ones included
    cached_tokens: Floats  # (W,) per unit of work, read from a cache
    written_tokens: Floats  # (W,) per unit of work, written to one
    completion_tokens: Floats  # (W,) per unit of work
    context_tokens: Floats  # (W,) the larger of the need and prompt + completion
    streaming: Bools
    custom_weights: Bools
    open_weights: Bools
    min_quality: Floats  # (W,) -inf: none asked
    min_mean_quality: Floats  # (W,) of what answers; -inf: none asked
    regions: tuple[frozenset[str], ...]  # empty: none asked
    accepts: Bools  # (W, M) the models that will do
    permitted: Bools  # (W, O) by allow and deny lists
    longest_left_h: Floats  # (W,) of its slots: h until answers are due, inf: never
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


class Network(ArrayTable):
    """From where a workload's requests come to an offer."""

    rtt_s: Floats  # (W, O) round trip
    usd_per_token: Floats  # (W, O) egress


class Shares(ArrayTable):
    """Limits on the part of a workload that a model, an offer or a provider carries, in every period."""

    names: tuple[str, ...]  # `workload,model`, `workload,offer` or `workload,provider`
    workload: Ints  # (n,)
    model: Ints  # (n,) one of three is stated, the others are -1
    offer: Ints
    provider: Ints
    least: Floats  # (n,) 0: none
    most: Floats  # (n,) 1: none


DEFERRED, IN_WINDOW = 1, 2  # when answers are due: so long after they arrive, or when their window ends


class AnswerLimits(ArrayTable):
    """Limits on the time of an answer that several requests make, by recipe; terms are by limit and step."""

    names: tuple[str, ...]  # `workload,field of slo`, or the workload whose answers are due
    limit_s: Floats = field(metadata={"free": True})  # (L,) inf: none, or until they are due
    due: Ints = field(
        metadata={"free": True}
    )  # (L,) all batches fit until answers are due: DEFERRED, IN_WINDOW; 0: slo
    statistic: Ints = field(metadata={"free": True})  # (L,) place among PERCENTILES
    term_limit: Ints = field(metadata={"free": True})  # (K,)
    term_workload: Ints = field(metadata={"free": True})  # (K,) row of the step
    term_whole: Floats = field(metadata={"free": True})  # (K,) requests waited for to their end
    term_first: Floats = field(metadata={"free": True})  # (K,) to their first token


class Cells(ArrayTable):
    """Pieces of demand, and the slots in which each may run (slot rows are grouped by cell, in order of time)."""

    workload: Ints  # (C,)
    occurrence: Ints  # (C,) the period, the arrival period, or the day of the window
    work: Floats  # (C,) units of work
    slot_cell: Ints = field(metadata={"free": True})  # (L,)
    slot_period: Ints = field(metadata={"free": True})  # (L,)
    slot_from: Floats = field(metadata={"free": True})  # (L,) part of the period, 0 ≤ from < to ≤ 1
    slot_to: Floats = field(metadata={"free": True})  # (L,)
    slot_left_h: Floats = field(
        metadata={"free": True}
    )  # (L,) h from its start until answers are due, inf: never

    def __len__(self) -> int:
        return len(self.work)


class PolicyLimits(Record):
    max_spend_usd: float = np.inf
    max_committed_usd: float = np.inf
    max_share_per_provider: float = 1.0
    max_power_kw: float = np.inf
    p99_over_mean: float = 0.0  # 0: no assumption
    wait_margin: float = 0.0  # waits are planned longer by this share
    load_margin: float = 0.0  # and at a load higher by this share
    charge_in_full: bool = False
    survive_loss_of: str = "none"
    risk: TailRisk = NEUTRAL


class Scenarios(ArrayTable):
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


class RunningArrays(ArrayTable):
    """What runs already, in this instance's own terms: what change is measured against.

    Shares are of cells: (R,) rows by workload and occurrence. `count` and `carried` are facts or wishes by pool and
    period; `paid_before` and `carried` bind every plan, the rest only one that is `tracked`.
    """

    workload: Ints  # (R,)
    occurrence: Ints  # (R,) of the cell
    offer: Ints  # (R,) -1: no longer offered
    model: Ints  # (R,) -1: no longer there
    share: Floats  # (R,)
    count: Floats = field(metadata={"free": True})  # (Q, T) instances
    paid_before: Floats = field(metadata={"free": True})  # (Q,) run at hour 0 and need no start
    carried: Floats = field(metadata={"free": True})  # (Q, T) bought earlier for a term that still covers t
    carried_usd: Floats = field(metadata={"free": True})  # (Q, T) rent of these, at the prices of their terms
    stays: Bools = field(metadata={"free": True})  # (W, O) pinned: the share of the workload on the offer
    counts_stay: Bools = field(metadata={"free": True})  # (O,) pinned: the offer's counts
    freeze_h: float = 0.0
    move_usd_per_token: float = 0.0
    resize_usd: float = 0.0
    max_moved_share: float = np.inf
    tracked: bool = True  # change has a price and limits
    goes_on: bool = False  # nothing may change at all: prices what runs


class Instance(Record):
    """Everything the mathematics knows of a problem."""

    name: str
    time: Time
    models: Models
    workloads: Workloads
    cells: Cells
    offers: Offers
    entries: Entries
    quotas: Quotas
    shares: Shares
    answers: AnswerLimits
    allowances: Allowances
    network: Network
    credits: Credits
    fleets: Fleets
    contracts: Contracts
    agreements: Agreements
    groups: Groups
    hosts: Hosts
    policy: PolicyLimits
    scenarios: Scenarios
    running: RunningArrays | None = None
    spilling: Spilling | None = None  # None: no offer spills
    must_sign: Bools | None = None  # (O,) a question: offers bought ahead whatever the best plan would do
    must_not_sign: Bools | None = None  # (O,) another: offers of which nothing more is bought ahead
    room: Floats | None = None  # (Q,) counts bought ahead that must fit, of use in this future or not

    @cached_property
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
    def carried(self) -> Floats:
        """(Q, T) instances under a term that was bought before the horizon."""
        none = np.zeros((self.fleets.pools, self.time.periods))
        return none if self.running is None else self.running.carried
