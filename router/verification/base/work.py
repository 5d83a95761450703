"""What one unit of a workload's work is, and what its tokens cost: a request, or a token where no size is stated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from router.schema import Demand, Offer, OfferModel, Workload
from router.verification.base.case import MONTH_H

RATES_H = {"s": 1 / 3600.0, "hour": 1.0, "day": 24.0, "month": MONTH_H}
"""Hours over which each way of stating a rate counts."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of work and how much of it is asked for.

    prompt, completion   tokens in it; cached tokens are part of the prompt
    requests             1, or None: no request size is stated
    per_hour             units an hour, where a rate is stated
    total                units over the horizon, where that is stated
    """

    prompt: float
    completion: float
    cached: float
    requests: float | None
    per_hour: float | None
    total: float

    @property
    def tokens(self) -> float:
        return self.prompt + self.completion

    @property
    def size(self) -> tuple[float, float] | None:
        """Prompt and completion tokens of a request; None where no size is stated."""
        return None if self.requests is None else (self.prompt, self.completion)

    @property
    def measure(self) -> float:
        """What shares between providers are shares of: tokens, or requests of no tokens at all."""
        return self.tokens or 1.0

    def burndown(self, entry: OfferModel) -> float:
        """Quota or throughput units of one unit of work."""
        prompt, cached = entry.prompt_burndown, entry.cached_prompt_burndown
        return (
            (self.prompt - self.cached) * prompt
            + self.cached * (prompt if cached is None else cached)
            + self.completion * entry.completion_burndown
        )


def quotas(offer: Offer, unit: Unit, entry: OfferModel) -> Iterator[tuple[str, float, float]]:
    """Caps of an offer: the field that states one, how much a minute, and what one unit of work takes of it."""
    amounts = {
        "requests_per_minute": unit.requests or 0.0,
        "tokens_per_minute": unit.tokens,
        "units_per_minute": unit.burndown(entry),
    }
    for name, amount in amounts.items():
        cap = getattr(offer.quota, name)
        if cap is not None:
            yield name, cap, amount


def unit_of(workload: Workload) -> Unit:
    """The unit of a workload. Tokens stated with a request size are turned into requests."""
    demand = workload.demand
    requests, tokens = _hourly(demand, "requests"), _hourly(demand, "tokens")
    total = demand.requests_total if demand.requests_total is not None else demand.tokens_total
    in_tokens = tokens is not None or demand.tokens_total is not None
    cached = workload.cached_prompt_share
    if in_tokens and demand.completion_share is not None:
        share = demand.completion_share
        return Unit(1 - share, share, (1 - share) * cached, None, tokens, total or 0.0)
    prompt, completion = float(workload.prompt_tokens or 0.0), float(workload.completion_tokens or 0.0)
    size = prompt + completion
    per_hour = requests
    if in_tokens:
        per_hour = None if tokens is None else tokens / size
        total = None if total is None else total / size
    return Unit(prompt, completion, prompt * cached, 1.0, per_hour, total or 0.0)


def _hourly(demand: Demand, what: str) -> float | None:
    for name, hours in RATES_H.items():
        value = getattr(demand, f"{what}_per_{name}", None)
        if value is not None:
            return float(value) / hours
    return None


PRICES = {
    "prompt_usd_per_m": "tokens",
    "completion_usd_per_m": "tokens",
    "cached_prompt_usd_per_m": "tokens",
    "usd_per_request": "tokens",
}
"""Prices of an offer's model, by field: the kind of cost that each makes."""
TOKEN_PRICES = ("prompt_usd_per_m", "completion_usd_per_m", "cached_prompt_usd_per_m")
"""Those for tokens: what tiers replace, and a contract in tokens bills at one rate."""


def prices_of(entry: OfferModel) -> dict[str, float]:
    """What is stated, by field."""
    stated = {field: getattr(entry, field) for field in PRICES}
    return {field: usd for field, usd in stated.items() if usd is not None}


def request_usd(unit: Unit, entry: OfferModel) -> float:
    """USD per unit of work for the request that it is."""
    return (unit.requests or 0.0) * (entry.usd_per_request or 0.0)


def tokens_usd(unit: Unit, entry: OfferModel) -> float:
    """USD per unit of work for its tokens; cached prompt tokens at their price, or at the prompt's."""
    prompt = entry.prompt_usd_per_m or 0.0
    cached = prompt if entry.cached_prompt_usd_per_m is None else entry.cached_prompt_usd_per_m
    completion = entry.completion_usd_per_m or 0.0
    return ((unit.prompt - unit.cached) * prompt + unit.cached * cached + unit.completion * completion) / 1e6


def rate_of(offer: Offer) -> float:
    """The one price of an offer, USD per million tokens: what a shortfall is charged at.

    Where prices differ a shortfall has no price; the input is refused then, and the dearest stands here.
    """
    every = [prices_of(entry) for entry in offer.models.values()]
    return max((stated[field] for stated in every for field in TOKEN_PRICES if field in stated), default=0.0)
