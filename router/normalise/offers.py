"""Offers as arrays: limits, quotas, entries per model, fleets of instances, contracts."""

from __future__ import annotations

import numpy as np

from problems.core.instance import (
    HOURS_PER_MONTH,
    NONE,
    PERCENTILES,
    Contracts,
    Entries,
    Fleets,
    Floats,
    Offers,
    Points,
    Tiers,
    Time,
)
from router.errors import InputError, Issue
from router.loading.catalogue import input_issue
from router.schema import Commitment, Instances, Offer, OfferModel, Point, Problem
from router.schema.clock import Clock

M = 1e6  # prices are quoted per million tokens


def _limit(value: float | None) -> float:
    return np.inf if value is None else value


def offers(problem: Problem) -> Offers:
    """Limits and quotas (per second), and where each offer's fleet and contract stand."""
    given = problem.offers
    providers = tuple(dict.fromkeys(offer.provider for offer in given))
    index = {name: p for p, name in enumerate(providers)}
    return Offers(
        names=tuple(offer.name for offer in given),
        providers=providers,
        provider=np.array([index[offer.provider] for offer in given], dtype=np.int64),
        max_parameters_b=np.array([_limit(offer.limits.max_parameters_b) for offer in given]),
        context_tokens=np.array([_limit(offer.limits.context_tokens) for offer in given]),
        no_streaming=np.array([offer.limits.streaming is False for offer in given], dtype=bool),
        no_custom_weights=np.array([offer.limits.custom_weights is False for offer in given], dtype=bool),
        regions=tuple(frozenset(offer.limits.regions) for offer in given),
        quota_requests=np.array([_limit(offer.quota.requests_per_minute) / 60 for offer in given]),
        quota_tokens=np.array([_limit(offer.quota.tokens_per_minute) / 60 for offer in given]),
        quota_units=np.array([_limit(offer.quota.units_per_minute) / 60 for offer in given]),
        fee_usd_per_month=np.array([offer.fee_usd_per_month for offer in given], dtype=float),
        fleet=_rows([offer.instances is not None for offer in given]),
        contract=_rows([offer.commitment is not None for offer in given]),
    )


def _rows(has: list[bool]) -> np.ndarray:
    """Row numbers of those that have a thing, −1 for the others."""
    mask = np.array(has, dtype=bool)
    return np.where(mask, np.cumsum(mask) - 1, NONE).astype(np.int64)


def entries(problem: Problem) -> Entries:
    """One row per offer and model, in the order of the file."""
    model_index = {name: m for m, name in enumerate(problem.models)}
    rows = [
        (o, model_index[name], entry)
        for o, offer in enumerate(problem.offers)
        for name, entry in offer.models.items()
    ]
    given = [entry for _, _, entry in rows]

    def rate(name: str) -> Floats:
        return np.array([_limit(getattr(entry, name)) for entry in given], dtype=float)

    cached = [
        entry.prompt_usd_per_m if entry.cached_prompt_usd_per_m is None else entry.cached_prompt_usd_per_m
        for entry in given
    ]
    burndown = [
        entry.prompt_burndown if entry.cached_prompt_burndown is None else entry.cached_prompt_burndown
        for entry in given
    ]
    return Entries(
        offer=np.array([o for o, _, _ in rows], dtype=np.int64),
        model=np.array([m for _, m, _ in rows], dtype=np.int64),
        prompt_usd=rate("prompt_usd_per_m") / M,
        cached_usd=np.array([_limit(usd) / M for usd in cached], dtype=float),
        completion_usd=rate("completion_usd_per_m") / M,
        prompt_units=np.array([entry.prompt_burndown for entry in given], dtype=float),
        cached_units=np.array(burndown, dtype=float),
        completion_units=np.array([entry.completion_burndown for entry in given], dtype=float),
        tokens_per_s=rate("tokens_per_s"),
        prompt_tokens_per_s=rate("prompt_tokens_per_s"),
        completion_tokens_per_s=rate("completion_tokens_per_s"),
        requests_per_s=rate("requests_per_s"),
        units_per_s=rate("units_per_s"),
        disaggregated=np.array([entry.disaggregated for entry in given], dtype=bool),
        concurrency=np.array([entry.concurrency or 1.0 for entry in given], dtype=float),
        ttft_s=_latency(given, "ttft"),
        tpot_s=_latency(given, "tpot"),
        points=tuple(_points(entry) if entry.points else None for entry in given),
    )


def _latency(given: list[OfferModel] | list[Point], kind: str) -> Floats:
    """(n, 5) s by percentile, inf: unknown."""
    rows = [
        [_limit(getattr(one, f"{kind}_{percentile}_ms")) / 1e3 for percentile in PERCENTILES] for one in given
    ]
    return np.array(rows, dtype=float).reshape(-1, len(PERCENTILES))


def _points(entry: OfferModel) -> Points:
    points = list(entry.points)
    return Points(
        prompt_tokens=np.array([point.prompt_tokens for point in points], dtype=float),
        completion_tokens=np.array([point.completion_tokens for point in points], dtype=float),
        requests_per_s=np.array([point.requests_per_s for point in points], dtype=float),
        concurrency=np.array(
            [point.concurrency or entry.concurrency or 1.0 for point in points], dtype=float
        ),
        ttft_s=_latency(points, "ttft"),
        tpot_s=_latency(points, "tpot"),
    )


def fleets(problem: Problem) -> Fleets:
    """Countable capacity and its pools: one per model, or one for all models of the offer."""
    model_index = {name: m for m, name in enumerate(problem.models)}
    given: list[tuple[int, Offer, Instances]] = [
        (o, offer, offer.instances) for o, offer in enumerate(problem.offers) if offer.instances is not None
    ]

    def column(name: str) -> Floats:
        return np.array([getattr(instances, name) for _, _, instances in given], dtype=float)

    def limit(name: str) -> Floats:
        return np.array([_limit(getattr(instances, name)) for _, _, instances in given], dtype=float)

    pools = [
        (f, model)
        for f, (_, offer, instances) in enumerate(given)
        for model in ([NONE] if instances.shared_by_models else [model_index[name] for name in offer.models])
    ]
    reserved_usd = [
        i.usd_per_h if i.reserved_usd_per_h is None else i.reserved_usd_per_h for _, _, i in given
    ]
    return Fleets(
        offer=np.array([o for o, _, _ in given], dtype=np.int64),
        usd_per_h=column("usd_per_h"),
        min=column("min"),
        step=column("step"),
        max=limit("max"),
        integral=np.array([i.integral for _, _, i in given], dtype=bool),
        horizon=np.array([i.resize == "horizon" for _, _, i in given], dtype=bool),
        reserved=column("reserved"),
        reserved_usd_per_h=np.array(reserved_usd, dtype=float),
        term_months=np.array([i.term_months or 0 for _, _, i in given], dtype=np.int64),
        upfront_usd=column("upfront_usd"),
        units=column("units"),
        memory_gb=limit("memory_gb"),
        start_usd=column("start_usd"),
        start_h=column("start_h"),
        min_up_h=column("min_up_h"),
        availability=column("availability"),
        max_utilisation=limit("max_utilisation"),
        power_kw=column("power_kw"),
        pool_fleet=np.array([f for f, _ in pools], dtype=np.int64),
        pool_model=np.array([model for _, model in pools], dtype=np.int64),
    )


def contracts(problem: Problem, time: Time, clock: Clock) -> Contracts:
    """Commitments in their own unit (tokens, or dollars at contract rates), and the terms that may start."""
    given = [
        (o, offer, offer.commitment) for o, offer in enumerate(problem.offers) if offer.commitment is not None
    ]
    in_tokens = np.array([_in_tokens(terms) for _, _, terms in given], dtype=bool)
    starts = [(b, *start) for b, (_, _, terms) in enumerate(given) for start in _starts(terms, time, clock)]
    prices = [_token_usd(offer) for _, offer, _ in given]

    def own(kind: str, absent: float) -> Floats:
        values = [
            getattr(terms, f"{kind}_tokens_per_month" if tokens else f"{kind}_usd_per_month")
            for (_, _, terms), tokens in zip(given, in_tokens, strict=True)
        ]
        return np.array([absent if value is None else value for value in values], dtype=float)

    overage = [
        np.inf
        if terms.overage_usd_per_m is None
        else terms.overage_usd_per_m / M / (1.0 if tokens else price)
        for (_, _, terms), tokens, price in zip(given, in_tokens, prices, strict=True)
    ]
    rate = [
        0.0 if terms.tiers and tokens else price if tokens else 1.0
        for (_, _, terms), tokens, price in zip(given, in_tokens, prices, strict=True)
    ]
    return Contracts(
        offer=np.array([o for o, _, _ in given], dtype=np.int64),
        in_tokens=in_tokens,
        stated_in_tokens=np.array(
            [
                t.min_tokens_per_month is not None or bool(tokens)
                for (_, _, t), tokens in zip(given, in_tokens, strict=True)
            ],
            dtype=bool,
        ),
        min_per_month=own("min", 0.0),
        max_per_month=own("max", np.inf),
        step_per_month=np.array([terms.step_usd_per_month or 0.0 for _, _, terms in given], dtype=float),
        unit_usd=np.array(rate, dtype=float),
        limited=np.array([terms.overage == "none" for _, _, terms in given], dtype=bool),
        overage_usd=np.array(overage, dtype=float),
        term_months=np.array([terms.term_months or 0 for _, _, terms in given], dtype=np.int64),
        tiers=tuple(_tiers(terms) for _, _, terms in given),
        start_contract=np.array([b for b, _, _, _, _ in starts], dtype=np.int64),
        start_month=np.array([k for _, k, _, _, _ in starts], dtype=np.int64),
        start_h=np.array([begin for _, _, begin, _, _ in starts], dtype=float),
        end_h=np.array([end for _, _, _, end, _ in starts], dtype=float),
        start_signed=np.array([signed for _, _, _, _, signed in starts], dtype=bool),
    )


def _in_tokens(terms: Commitment) -> bool:
    """Whether the contract's own unit is the token; a minimum of nothing leaves use at its own prices."""
    if terms.min_usd_per_month is not None or terms.max_usd_per_month is not None:
        return False
    return bool(terms.tiers) or bool(terms.min_tokens_per_month) or terms.max_tokens_per_month is not None


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
        from_tokens=np.array([tier.from_tokens_per_month for tier in terms.tiers], dtype=float),
        usd=np.array([tier.usd_per_m / M for tier in terms.tiers], dtype=float),
        all_units=terms.tier_kind == "all_units",
    )


def _starts(terms: Commitment, time: Time, clock: Clock) -> list[tuple[int, float, float, bool]]:
    """(month, from h, until h, signed before) of every term that is running or may start."""
    found: list[tuple[int, float, float, bool]] = []
    free_from = 0.0
    if terms.signed:
        free_from = np.inf
        if terms.signed_until is not None:
            months = np.ceil(clock.hour(terms.signed_until) / HOURS_PER_MONTH - 1e-9)
            free_from = (
                float(max(months, 0)) * HOURS_PER_MONTH
            )  # a month that it covers in part is settled whole
        if free_from > 0:
            found.append((0, 0.0, free_from, True))
    term_h = (terms.term_months or 0) * HOURS_PER_MONTH
    months = range(time.months if terms.starts_in_any_month(time.horizon_h) else 1)
    for k in months:  # a signed contract may be signed anew when it has ended
        begin = k * HOURS_PER_MONTH
        if begin >= free_from - 1e-9 and (term_h or not terms.signed):
            found.append((k, begin, begin + (term_h or time.horizon_h), False))
    return found


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
