"""Offers as arrays: limits, openings, and entries per model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.costs import ENTRY_PRICES
from problems.core.supply import Entries, Offers, Points
from router.normalise.columns import flags, floats, seconds, whole
from router.normalise.schedule import Timetable, life
from router.schema import LongPrompt, OfferModel, Problem
from router.schema.clock import Clock


def offers(problem: Problem, clock: Clock, rules: Timetable, halves: Mapping[str, str]) -> Offers:
    """Limits, when each is open, and where its fleet and contract stand; `halves` decode for an offer, by name."""
    rows = problem.sellers
    limits = [offer.limits for offer in rows]
    lives = np.array([life(problem, offer.schedule, clock) for offer in rows]).reshape(len(rows), 2)
    providers = tuple(dict.fromkeys(offer.provider for offer in rows))
    index = {name: p for p, name in enumerate(providers)}
    at = {offer.name: o for o, offer in enumerate(rows)}
    return Offers(
        names=tuple(offer.name for offer in rows),
        file_names=tuple(halves.get(offer.name, offer.name) for offer in rows),
        decodes_for=whole(at[halves[offer.name]] if offer.name in halves else NONE for offer in rows),
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
        open=rules.open,
        opens_h=lives[:, 0],
        closes_h=lives[:, 1],
        ruled=np.array([bool(offer.schedule) for offer in rows], dtype=bool),
    )


def _rows(has: Iterable[bool]) -> Ints:
    """Row numbers of those that have a thing, −1 for the others."""
    mask = np.array(list(has), dtype=bool)
    return np.where(mask, np.cumsum(mask) - 1, NONE).astype(np.int64)


def or_else(first: Floats, second: Floats) -> Floats:
    """The first where it is stated, else the second."""
    return np.where(np.isfinite(first), first, second)


def _longer(stated: Mapping[str, Floats], beside: Mapping[str, Floats]) -> dict[str, Floats]:
    """Prices of requests with longer prompts: those stated, else the ones beside them."""
    return {**beside, **{field: or_else(usd, beside[field]) for field, usd in stated.items()}}


def _times(usd: Floats, factor: Floats) -> Floats:
    """(E, prices, J) prices by a factor (E, J); one that is not stated stays so."""
    known = np.isfinite(usd)
    return np.where(known, np.where(known, usd, 0.0) * factor[:, None], np.inf)


def entries(problem: Problem, rules: Timetable, halves: Collection[str]) -> Entries:
    """One row per offer and model, in the order of the file; none of `halves`, which decode for others."""
    model_index = {name: m for m, name in enumerate(problem.models)}
    serving = [(o, offer) for o, offer in enumerate(problem.offers) if offer.name not in halves]
    keys = [(o, model_index[name]) for o, offer in serving for name in offer.models]
    rows = [entry for _, offer in serving for entry in offer.models.values()]
    burndown = floats(rows, "prompt_burndown")
    names = [(o, name) for o, offer in serving for name in offer.models]
    usd = {price.field: floats(rows, price.field) / price.per for price in ENTRY_PRICES}
    longer = [entry.long_prompt or entry for entry in rows]
    long_stated = {
        price.field: floats(longer, price.field) / price.per
        for price in ENTRY_PRICES
        if price.field in LongPrompt.model_fields
    }
    usd_at = {}
    for price in ENTRY_PRICES:
        of = [(o, ("models", name, price.field)) for o, name in names]
        usd_at[price.field] = rules.figures(of, usd[price.field], per=price.per)
    factor = rules.factor[[o for o, _ in keys]]
    return Entries(
        offer=whole(o for o, _ in keys),
        model=whole(m for _, m in keys),
        usd=_all_prices(usd),
        long_usd=_all_prices(_longer(long_stated, usd)),
        long_above=np.array(
            [np.inf if entry.long_prompt is None else entry.long_prompt.above_tokens for entry in rows]
        ),
        usd_at=_times(_all_prices(usd_at), factor),
        long_usd_at=_times(
            _all_prices(_longer({field: each[:, None] for field, each in long_stated.items()}, usd_at)),
            factor,
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
