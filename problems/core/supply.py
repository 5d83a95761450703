"""What can be bought, as arrays: offers and what they serve, fleets of instances, groups."""

from __future__ import annotations

from dataclasses import field

from problems.core.arrays import ArrayTable, Bools, Floats, Ints


class Offers(ArrayTable):
    names: tuple[str, ...]
    providers: tuple[str, ...]  # (P,) names
    provider: Ints  # (O,) index into providers
    max_parameters_b: Floats  # (O,) inf: no limit
    context_tokens: Floats  # (O,) inf: no limit, likewise below
    max_prompt_tokens: Floats
    max_completion_tokens: Floats
    no_streaming: Bools
    no_custom_weights: Bools
    regions: tuple[frozenset[str], ...]
    quota_requests: Floats  # (O,) per second, inf: none
    quota_tokens: Floats
    quota_units: Floats
    fee_usd_per_month: Floats
    fleet: Ints  # (O,) row in Fleets, -1: no instances
    contract: Ints  # (O,) row in Contracts, -1: none


class Entries(ArrayTable):
    """What an offer serves: one row per (offer, model). Throughput is per instance."""

    offer: Ints
    model: Ints
    usd: Floats  # (E, prices) USD for one of what each of `costs.ENTRY_PRICES` is for, inf: not stated
    long_usd: Floats  # (E, prices) the same of requests with longer prompts
    long_above: (
        Floats  # (E,) tokens of the longest prompt that has not those prices, inf: all have the others
    )
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


class Groups(ArrayTable):
    names: tuple[str, ...]
    member: Bools  # (G, O)
    max_units: Floats
    min_units: Floats
