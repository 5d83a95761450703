"""Offers as arrays: limits, entries per model, fleets of instances, contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.costs import ENTRY_PRICES
from problems.core.supply import Entries, Fleets, Offers, Points
from router.normalise.columns import flags, floats, seconds, whole
from router.schema import LongPrompt, OfferModel, Problem


def offers(problem: Problem) -> Offers:
    """Limits, and where each offer's fleet and contract stand."""
    rows = problem.sellers
    limits = [offer.limits for offer in rows]
    providers = tuple(dict.fromkeys(offer.provider for offer in rows))
    index = {name: p for p, name in enumerate(providers)}
    return Offers(
        names=tuple(offer.name for offer in rows),
        providers=providers,
        provider=whole(index[offer.provider] for offer in rows),
        max_parameters_b=floats(limits, "max_parameters_b"),
        context_tokens=floats(limits, "context_tokens"),
        max_prompt_tokens=floats(limits, "max_prompt_tokens"),
        max_completion_tokens=floats(limits, "max_completion_tokens"),
        no_streaming=flags(limits, "streaming", False),
        no_custom_weights=flags(limits, "custom_weights", False),
        regions=tuple(frozenset(limit.regions) for limit in limits),
        fee_usd_per_month=floats(rows, "fee_usd_per_month"),
        turnaround_h=floats(rows, "turnaround_h", 0.0),
        fleet=_rows(offer.instances is not None for offer in rows),
        contract=_rows(offer.commitment is not None for offer in rows),
    )


def _rows(has: Iterable[bool]) -> Ints:
    """Row numbers of those that have a thing, −1 for the others."""
    mask = np.array(list(has), dtype=bool)
    return np.where(mask, np.cumsum(mask) - 1, NONE).astype(np.int64)


def or_else(first: Floats, second: Floats) -> Floats:
    """The first where it is stated, else the second."""
    return np.where(np.isfinite(first), first, second)


def entries(problem: Problem) -> Entries:
    """One row per offer and model, in the order of the file."""
    model_index = {name: m for m, name in enumerate(problem.models)}
    keys = [(o, model_index[name]) for o, offer in enumerate(problem.offers) for name in offer.models]
    rows = [entry for offer in problem.offers for entry in offer.models.values()]
    burndown = floats(rows, "prompt_burndown")
    usd = {price.field: floats(rows, price.field) / price.per for price in ENTRY_PRICES}
    longer = [entry.long_prompt or entry for entry in rows]
    long_usd = usd | {
        price.field: or_else(floats(longer, price.field) / price.per, usd[price.field])
        for price in ENTRY_PRICES
        if price.field in LongPrompt.model_fields
    }
    return Entries(
        offer=whole(o for o, _ in keys),
        model=whole(m for _, m in keys),
        usd=_all_prices(usd),
        long_usd=_all_prices(long_usd),
        long_above=np.array(
            [np.inf if entry.long_prompt is None else entry.long_prompt.above_tokens for entry in rows]
        ),
        prompt_units=burndown,
        cached_units=or_else(floats(rows, "cached_prompt_burndown"), burndown),
        completion_units=floats(rows, "completion_burndown"),
        tokens_per_s=floats(rows, "tokens_per_s"),
        prompt_tokens_per_s=floats(rows, "prompt_tokens_per_s"),
        completion_tokens_per_s=floats(rows, "completion_tokens_per_s"),
        requests_per_s=floats(rows, "requests_per_s"),
        units_per_s=floats(rows, "units_per_s"),
        disaggregated=flags(rows, "disaggregated"),
        concurrency=floats(rows, "concurrency", 1.0),
        ttft_s=seconds(rows, "ttft"),
        tpot_s=seconds(rows, "tpot"),
        points=tuple(_points(entry) if entry.points else None for entry in rows),
    )


def _all_prices(usd: Mapping[str, Floats]) -> Floats:
    """(E, prices) in the order of the list; what is not stated is as the price that stands for it."""
    columns = [or_else(usd[price.field], usd[price.otherwise or price.field]) for price in ENTRY_PRICES]
    return np.stack(columns, axis=1)


def _points(entry: OfferModel) -> Points:
    return Points(
        prompt_tokens=floats(entry.points, "prompt_tokens"),
        completion_tokens=floats(entry.points, "completion_tokens"),
        requests_per_s=floats(entry.points, "requests_per_s"),
        concurrency=floats(entry.points, "concurrency", entry.concurrency or 1.0),
        ttft_s=seconds(entry.points, "ttft"),
        tpot_s=seconds(entry.points, "tpot"),
    )


def fleets(problem: Problem) -> Fleets:
    """Countable capacity and its pools: one per model, or one for all models of the offer."""
    model_index = {name: m for m, name in enumerate(problem.models)}
    owners = [o for o, offer in enumerate(problem.offers) if offer.instances is not None]
    rows = [offer.instances for offer in problem.offers if offer.instances is not None]
    pools = [
        (f, model)
        for f, (o, fleet) in enumerate(zip(owners, rows, strict=True))
        for model in (
            [NONE] if fleet.shared_by_models else [model_index[m] for m in problem.offers[o].models]
        )
    ]
    usd_per_h = floats(rows, "usd_per_h")
    horizon = problem.horizon
    starts = [set(fleet.starts_h(horizon.hours, horizon.period_h)) for fleet in rows]
    buy_h = sorted(set().union(*starts))
    return Fleets(
        offer=whole(owners),
        usd_per_h=usd_per_h,
        min=floats(rows, "min"),
        step=floats(rows, "step"),
        max=floats(rows, "max"),
        integral=flags(rows, "integral"),
        horizon=flags(rows, "resize", "horizon"),
        reserved=floats(rows, "reserved"),
        reserved_usd_per_h=or_else(floats(rows, "reserved_usd_per_h"), usd_per_h),
        term_h=np.array([fleet.term_hours or 0.0 for fleet in rows], dtype=float),
        upfront_usd=floats(rows, "upfront_usd"),
        units=floats(rows, "units"),
        memory_gb=floats(rows, "memory_gb"),
        start_usd=floats(rows, "start_usd"),
        start_h=floats(rows, "start_h"),
        min_up_h=floats(rows, "min_up_h"),
        availability=floats(rows, "availability"),
        max_utilisation=floats(rows, "max_utilisation"),
        power_kw=floats(rows, "power_kw"),
        buy_h=np.array(buy_h, dtype=float),
        may_buy=np.array([[hour in own for hour in buy_h] for own in starts], dtype=bool).reshape(
            len(rows), len(buy_h)
        ),
        pool_fleet=whole(f for f, _ in pools),
        pool_model=whole(model for _, model in pools),
    )
