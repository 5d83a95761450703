"""Offers as arrays: limits, quotas, entries per model, fleets of instances, contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, NONE, Floats, Ints
from problems.core.costs import ENTRY_PRICES, M
from problems.core.instance import Time
from problems.core.supply import Contracts, Entries, Fleets, Offers, Points, Tiers
from router.errors import InputError, Issue
from router.loading.catalogue import input_issue
from router.normalise.columns import flags, floats, seconds, whole
from router.schema import Commitment, LongPrompt, Offer, OfferModel, Problem
from router.schema.clock import Clock


def offers(problem: Problem) -> Offers:
    """Limits and quotas (per second), and where each offer's fleet and contract stand."""
    rows = problem.offers
    limits, quotas = [offer.limits for offer in rows], [offer.quota for offer in rows]
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
        quota_requests=floats(quotas, "requests_per_minute") / 60,
        quota_tokens=floats(quotas, "tokens_per_minute") / 60,
        quota_units=floats(quotas, "units_per_minute") / 60,
        fee_usd_per_month=floats(rows, "fee_usd_per_month"),
        fleet=_rows(offer.instances is not None for offer in rows),
        contract=_rows(offer.commitment is not None for offer in rows),
    )


def _rows(has: Iterable[bool]) -> Ints:
    """Row numbers of those that have a thing, −1 for the others."""
    mask = np.array(list(has), dtype=bool)
    return np.where(mask, np.cumsum(mask) - 1, NONE).astype(np.int64)


def _or_else(first: Floats, second: Floats) -> Floats:
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
        price.field: _or_else(floats(longer, price.field) / price.per, usd[price.field])
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
        cached_units=_or_else(floats(rows, "cached_prompt_burndown"), burndown),
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
    columns = [_or_else(usd[price.field], usd[price.otherwise or price.field]) for price in ENTRY_PRICES]
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
    return Fleets(
        offer=whole(owners),
        usd_per_h=usd_per_h,
        min=floats(rows, "min"),
        step=floats(rows, "step"),
        max=floats(rows, "max"),
        integral=flags(rows, "integral"),
        horizon=flags(rows, "resize", "horizon"),
        reserved=floats(rows, "reserved"),
        reserved_usd_per_h=_or_else(floats(rows, "reserved_usd_per_h"), usd_per_h),
        term_months=whole(fleet.term_months or 0 for fleet in rows),
        upfront_usd=floats(rows, "upfront_usd"),
        units=floats(rows, "units"),
        memory_gb=floats(rows, "memory_gb"),
        start_usd=floats(rows, "start_usd"),
        start_h=floats(rows, "start_h"),
        min_up_h=floats(rows, "min_up_h"),
        availability=floats(rows, "availability"),
        max_utilisation=floats(rows, "max_utilisation"),
        power_kw=floats(rows, "power_kw"),
        pool_fleet=whole(f for f, _ in pools),
        pool_model=whole(model for _, model in pools),
    )


def contracts(problem: Problem, time: Time, clock: Clock) -> Contracts:
    """Commitments in their own unit (tokens, or dollars at contract rates), and the terms that may start."""
    sellers = [(o, offer) for o, offer in enumerate(problem.offers) if offer.commitment is not None]
    rows = [offer.commitment for _, offer in sellers if offer.commitment is not None]
    in_tokens = np.array([_in_tokens(terms) for terms in rows], dtype=bool)
    price = np.array([_token_usd(offer) for _, offer in sellers], dtype=float)
    starts = [(b, *start) for b, terms in enumerate(rows) for start in _starts(terms, time, clock)]

    def own(bound: str, absent: float) -> Floats:
        tokens, usd = (floats(rows, f"{bound}_{unit}_per_month", absent) for unit in ("tokens", "usd"))
        return np.where(in_tokens, tokens, usd)

    overage = floats(rows, "overage_usd_per_m") / M / np.where(in_tokens, 1.0, price)
    tiered = np.array([bool(terms.tiers) for terms in rows], dtype=bool)
    stated = [floats(rows, f"{bound}_tokens_per_month") for bound in ("min", "max")]
    return Contracts(
        offer=whole(o for o, _ in sellers),
        in_tokens=in_tokens,
        stated_in_tokens=np.isfinite(stated).any(axis=0) | (in_tokens & tiered),
        min_per_month=own("min", 0.0),
        max_per_month=own("max", np.inf),
        step_per_month=floats(rows, "step_usd_per_month", 0.0),
        unit_usd=np.where(in_tokens, np.where(tiered, 0.0, price), 1.0),
        limited=flags(rows, "overage", "none"),
        overage_usd=overage,
        term_months=whole(terms.term_months or 0 for terms in rows),
        tiers=tuple(_tiers(terms) for terms in rows),
        start_contract=whole(b for b, *_ in starts),
        start_month=whole(month for _, month, *_ in starts),
        start_h=np.array([from_h for _, _, from_h, *_ in starts], dtype=float),
        end_h=np.array([end_h for _, _, _, end_h, *_ in starts], dtype=float),
        owed_until_h=np.array([until_h for *_, until_h, _ in starts], dtype=float),
        start_signed=np.array([signed for *_, signed in starts], dtype=bool),
    )


def _in_tokens(terms: Commitment) -> bool:
    """Whether the contract's own unit is the token; a minimum of nothing leaves use at its own prices."""
    if terms.min_usd_per_month is not None or terms.max_usd_per_month is not None:
        return False
    priced = bool(terms.tiers) or terms.overage_usd_per_m is not None
    return priced or bool(terms.min_tokens_per_month) or terms.max_tokens_per_month is not None


def _token_usd(offer: Offer) -> float:
    """The one price of all token kinds and models; only asked for where the schema has made sure of it."""
    prices = [
        price
        for entry in offer.models.values()
        for price in (entry.prompt_usd_per_m, entry.completion_usd_per_m)
        if price is not None
    ]
    return prices[0] / M if prices else 0.0


def _tiers(terms: Commitment) -> Tiers | None:
    if not terms.tiers:
        return None
    return Tiers(
        from_tokens=floats(terms.tiers, "from_tokens_per_month"),
        usd=floats(terms.tiers, "usd_per_m") / M,
        all_units=terms.tier_kind == "all_units",
    )


def _starts(terms: Commitment, time: Time, clock: Clock) -> list[tuple[int, float, float, float, bool]]:
    """(month, from h, in force until h, owed until h, signed before) of every term that is running or may start.

    A month of the horizon that a signed term covers in part is settled whole; after the horizon its hours are owed.
    """
    starts: list[tuple[int, float, float, float, bool]] = []
    free_from = 0.0
    if terms.signed:
        free_from = owed_until = np.inf
        if terms.signed_until is not None:
            end_h = clock.hour(terms.signed_until)
            free_from = max(float(np.ceil(end_h / HOURS_PER_MONTH - 1e-9)), 0.0) * HOURS_PER_MONTH
            owed_until = end_h if end_h > time.horizon_h else min(free_from, time.horizon_h)
        if free_from > 0:
            starts.append((0, 0.0, free_from, owed_until, True))
    term_h = (terms.term_months or 0) * HOURS_PER_MONTH
    months = range(time.months if terms.starts_in_any_month(time.horizon_h) else 1)
    for k in months:  # a signed contract may be signed anew when it has ended
        begin = k * HOURS_PER_MONTH
        if begin >= free_from - 1e-9 and (term_h or not terms.signed):
            end_h = begin + (term_h or time.horizon_h)
            starts.append((k, begin, end_h, end_h, False))
    return starts


def refuse_pending(problem: Problem) -> None:
    """Raise `InputError` naming every commitment that the schema can say and no plan is made for yet."""
    issues: list[Issue] = []
    for o, offer in enumerate(problem.offers):
        terms = offer.commitment
        if terms is None or not terms.tiers:
            continue
        decided = terms.max_tokens_per_month is not None or terms.max_usd_per_month is not None
        for limit, used in (
            ("end_of_horizon: charge_in_full", problem.policy.end_of_horizon == "charge_in_full"),
            ("max_committed_usd", problem.policy.max_committed_usd is not None),
        ):
            if decided and used:
                at, hint = ("offers", o, "commitment"), f"a volume to decide, with tiers and {limit}"
                issues.append(input_issue(problem, at, None, "is not yet planned for", hint))
    if issues:
        raise InputError(issues)
