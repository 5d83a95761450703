"""What can be bought, as arrays: offers and what they serve, quotas, fleets of instances, groups."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, NONE, ArrayTable, Bools, Floats, Ints
from solvers.core.record import Record


class Offers(ArrayTable):
    names: tuple[str, ...]
    file_names: tuple[str, ...]  # (O,) of the problem file: what decodes is half of an offer
    decodes_for: Ints  # (O,) the offer that prefills, -1: not the decoding half of one
    providers: tuple[str, ...]  # (P,) names
    provider: Ints  # (O,) index into providers
    max_parameters_b: Floats  # (O,) inf: no limit
    context_tokens: Floats  # (O,) inf: no limit, likewise below
    max_prompt_tokens: Floats
    max_completion_tokens: Floats
    no_streaming: Bools
    no_custom_weights: Bools
    regions: tuple[frozenset[str], ...]
    fee_usd_per_month: Floats  # (O,)
    turnaround_h: Floats  # (O,) answers come within so long, 0: at once
    fleet: Ints  # (O,) row in Fleets, -1: no instances
    contract: Ints  # (O,) row in Contracts, -1: none
    open: Bools  # (O, J)
    opens_h: Floats  # (O,) h, before which nothing of it is due, -inf: open when the horizon begins or before
    closes_h: Floats  # (O,) h, after which nothing of it is due, inf: never
    ruled: Bools  # (O,) has a schedule

    @property
    def seller_of_halves(self) -> Ints:
        """(O,) the offer itself, of what decodes the one that prefills."""
        return np.where(self.decodes_for >= 0, self.decodes_for, np.arange(len(self.names)))

    def seller_of(self, offers: int) -> Ints:
        """(O,) the place in the problem file, of so many offers and then agreements, of each that is sold."""
        halves = self.decodes_for >= 0
        after = np.arange(len(self.names)) - int(halves.sum()) * (np.arange(len(self.names)) >= offers)
        return np.where(halves, self.decodes_for, after)


class QuotaKind(Record):
    """What a cap counts, and over what.

    name    in labels of rows, and in a plan's `quotas`
    field   of the problem file
    counts  requests, tokens, prompt, uncached, completion, units or usd
    span    minute (averaged over a period), day or month
    words   of so many, in a sentence
    """

    name: str
    field: str
    counts: str
    span: str
    words: str

    @property
    def per(self) -> float:
        """The file's unit in that of the array: caps by the minute are per second there."""
        return 60.0 if self.span == "minute" else 1.0


def _kind(name: str, counts: str, words: str, span: str = "minute") -> QuotaKind:
    return QuotaKind(name, name if span != "minute" else f"{name}_per_minute", counts, span, words)


#: In the order of rows.
QUOTA_KINDS = (
    _kind("requests", "requests", "requests a minute"),
    _kind("tokens", "tokens", "tokens a minute"),
    _kind("units", "units", "units a minute"),
    _kind("prompt_tokens", "prompt", "prompt tokens a minute"),
    _kind("uncached_prompt_tokens", "uncached", "uncached prompt tokens a minute"),
    _kind("completion_tokens", "completion", "completion tokens a minute"),
    _kind("requests_per_day", "requests", "requests a day", "day"),
    _kind("tokens_per_day", "tokens", "tokens a day", "day"),
    _kind("usd_per_month", "usd", "USD a month", "month"),
)
OF_OFFER, OF_MODEL, SHARED = range(3)


class Quotas(ArrayTable):
    """Caps on what is sent, one row for each that is stated, by kind."""

    names: tuple[str, ...]  # an offer, `offer,model`, or the name of one that several share
    origin: Ints  # (n,) OF_OFFER, OF_MODEL or SHARED
    kind: Ints  # place in QUOTA_KINDS
    cap: Floats  # (n, J) per second, day or billing month; inf: none
    utilisation: Floats  # the part of it that is planned on
    offer: Bools  # (n, O) what is sent there counts
    workload: Bools  # (n, W) by these
    model: Ints  # with this model, -1: with any

    def counted(self, q: int, workload: Ints, offer: Ints, model: Ints) -> Bools:
        """Which of some routes count in cap `q`."""
        of_model = (self.model[q] == NONE) | (model == self.model[q])
        return np.asarray(self.workload[q, workload] & self.offer[q, offer] & of_model, dtype=bool)


class Allowances(ArrayTable):
    """What is free of an offer in a billing month, a row for each that is stated, and month.

    A request is free as a whole: of an offer with several of them it uses each.
    """

    offer: Ints  # (n,)
    counts: tuple[str, ...]  # (n,) tokens or requests
    first: Ints  # (n,) the first period of the month
    end: Ints  # (n,) the first one after it
    most: Floats  # (n,) what is left of it: tokens or requests

    def label(self, names: tuple[str, ...], i: int) -> str:
        """Whose and which, by the names of offers."""
        return f"{names[self.offer[i]]},{self.counts[i]},{self.first[i]}"


class Credits(ArrayTable):
    """Money that pays use: a row for each credit, and for each allowance in USD and billing month."""

    names: tuple[str, ...]  # of the credit, or `offer,usd,first period of the month`
    most: Floats  # (n,) USD
    offer: Bools  # (n, O) whose use it pays
    part: Floats  # (n, T) part of the use of each period that it may pay
    allowance: Bools  # (n,) of an offer; else a credit of its own


class Entries(ArrayTable):
    """What an offer serves: one row per (offer, model). Throughput is per instance."""

    offer: Ints
    model: Ints
    usd: Floats  # (E, prices) USD for one of what each of `costs.ENTRY_PRICES` is for, as stated, inf: not stated
    long_usd: Floats  # (E, prices) the same of requests with longer prompts
    long_above: Floats
    """(E,) tokens of the longest prompt that has not those prices, inf: all have the others"""
    usd_at: Floats  # (E, prices, J) both as rules have them
    long_usd_at: Floats
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


class Points(ArrayTable):
    """Measured operating points of one instance serving one model."""

    prompt_tokens: Floats
    completion_tokens: Floats
    requests_per_s: Floats
    concurrency: Floats  # requests in flight, 1: not stated
    ttft_s: Floats  # (n, 5)
    tpot_s: Floats  # (n, 5)


class Fleets(ArrayTable):
    """Countable capacity of an offer (the YAML's `instances`), and its pools."""

    offer: Ints  # (F,)
    usd_per_h: Floats  # as stated
    bought_usd_per_h: Floats  # (F, T) of one bought for a term that starts with the period, to its end
    rent_usd: Floats  # (F, T) of an instance rented in the period, by its open hours
    energy_usd: Floats  # (F, T) of an instance paid for in the period
    max: Floats  # (F, T) inf: none
    integral: Bools
    horizon: Bools  # (F,) one number for the whole horizon
    reserved: Floats  # (F, T)
    reserved_usd: Floats  # (F, T) of all that is reserved
    reserved_energy_usd: Floats  # (F, T) of all that is reserved
    term_h: Floats  # h, 0: no term
    pooled: Bools  # (F,) terms are bought for all its pools together, off their grids
    upfront_usd: Floats
    units: Floats
    memory_gb: Floats  # inf: unknown
    start_usd: Floats
    start_h: Floats
    min_up_h: Floats
    availability: Floats  # (F, J)
    max_utilisation: Floats  # inf: not stated
    adapter_slots: Floats  # adapters that an instance holds, inf: any number
    power_kw: Floats
    closes_h: Floats  # (F,) h, at which terms end too, inf: never
    buy_h: Floats = field(metadata={"free": True})  # (H,) hours at which a term of some fleet may start
    may_buy: Bools = field(metadata={"free": True})  # (F, H) of which
    pool_fleet: Ints = field(metadata={"free": True})  # (Q,)
    pool_model: Ints = field(metadata={"free": True})  # (Q,) -1: shared by all models of the offer
    pool_min: Floats = field(metadata={"free": True})  # (Q,) if any run in the pool, at least so many
    pool_step: Floats = field(metadata={"free": True})  # (Q,) above that, in multiples of this

    @property
    def pools(self) -> int:
        return len(self.pool_fleet)

    def first_pool(self, q: int) -> int:
        """The pool at which the terms of a pool's offer stand: itself, or the first where they are for all."""
        fleet = self.pool_fleet[q]
        return int(np.flatnonzero(self.pool_fleet == fleet)[0]) if self.pooled[fleet] else q

    @property
    def buys(self) -> Bools:
        """(Q,) pools at which terms stand."""
        return np.array([self.first_pool(q) == q for q in range(self.pools)], dtype=bool)

    @property
    def buy_month(self) -> Ints:
        """(J,) the billing month in which each term starts."""
        return np.floor(self.buy_h / HOURS_PER_MONTH + 1e-9).astype(np.int64)

    def bought_until_h(self, fleet: int) -> Floats:
        """(J,) the end of a term of each start: its length, or where its offer closes for good."""
        return np.asarray(np.minimum(self.buy_h + self.term_h[fleet], self.closes_h[fleet]))


class Hosts(ArrayTable):
    """Machines that instances live in."""

    names: tuple[str, ...]
    seller: Ints  # (H,) its row among the offers, which serves nothing
    usd_per_h: Floats  # as stated
    rent_usd: Floats  # (H, T) of a host rented in the period
    units: Floats
    max: Floats  # (H, T) inf: none, reserved ones included; 0 while it is closed
    reserved: Floats  # (H, T) that may be used
    reserved_usd: Floats  # (H, T) of all that is reserved
    open: Bools  # (H, T)
    horizon: Bools  # (H,) one number for the whole horizon
    free_units: tuple[tuple[float, ...], ...]  # of further hosts, free of charge
    houses: Bools  # (H, F) whose instances live there

    def most_throughout(self) -> Floats:
        """(H,) the most beside those reserved in every period in which the kind is open; 0 where it never is."""
        beside = np.where(self.open, np.floor(self.max - self.reserved), np.inf)
        least = beside.min(axis=1, initial=np.inf)
        return np.where(self.open.any(axis=1), np.maximum(least, 0.0), 0.0)


class Groups(ArrayTable):
    """Limits over instances of several offers; a group with several resources has a row for each, `group,resource`."""

    names: tuple[str, ...]
    resource: Bools  # (G,) of a resource, not of units
    weight: Floats  # (G, F) of an instance, 0: counts for nothing
    max_units: Floats
    min_units: Floats
