"""What one unit of a workload's work is, and what its tokens cost: a request, or a token where no size is stated."""

from __future__ import annotations

import math
from dataclasses import dataclass

from router.schema import Demand, Offer, OfferModel, Workload
from router.verification.base.case import MONTH_H

RATES_H = {"s": 1 / 3600.0, "hour": 1.0, "day": 24.0, "month": MONTH_H}
"""Hours over which each way of stating a rate counts."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of work and how much of it is asked for.

    prompt, completion   tokens in it
    cached, written      tokens of the prompt that are read from a cache, or written to one
    requests             1, or None: no request size is stated
    per_hour             units an hour, where a rate is stated
    total                units over the horizon, where that is stated
    """

    prompt: float
    completion: float
    cached: float
    written: float
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


def unit_of(workload: Workload) -> Unit:
    """The unit of a workload. Tokens stated with a request size are turned into requests."""
    demand = workload.demand
    requests, tokens = _hourly(demand, "requests"), _hourly(demand, "tokens")
    total = demand.requests_total if demand.requests_total is not None else demand.tokens_total
    in_tokens = tokens is not None or demand.tokens_total is not None
    cached, written = workload.cached_prompt_share, workload.cache_write_share
    if in_tokens and demand.completion_share is not None:
        prompt, completion = 1 - demand.completion_share, demand.completion_share
        return Unit(prompt, completion, prompt * cached, prompt * written, None, tokens, total or 0.0)
    prompt, completion = float(workload.prompt_tokens or 0.0), float(workload.completion_tokens or 0.0)
    size = prompt + completion
    per_hour = requests
    if in_tokens:
        per_hour = None if tokens is None else tokens / size
        total = None if total is None else total / size
    return Unit(prompt, completion, prompt * cached, prompt * written, 1.0, per_hour, total or 0.0)


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
    "cache_write_usd_per_m": "tokens",
    "usd_per_request": "tokens",
}
"""Prices of an offer's model, by field: the kind of cost that each makes."""
TOKEN_PRICES = (
    "prompt_usd_per_m",
    "completion_usd_per_m",
    "cached_prompt_usd_per_m",
    "cache_write_usd_per_m",
)
"""Those for tokens: tiers stand in their place, and a contract in tokens bills at one rate."""


def prices_of(entry: OfferModel) -> dict[str, float]:
    """What is stated, by field."""
    stated = {field: getattr(entry, field) for field in PRICES}
    return {field: usd for field, usd in stated.items() if usd is not None}


def long_prices_of(entry: OfferModel) -> dict[str, float]:
    """What is stated for requests with long prompts, by field."""
    stated = {field: getattr(entry.long_prompt, field, None) for field in TOKEN_PRICES}
    return {field: usd for field, usd in stated.items() if usd is not None}


def token_prices(unit: Unit, entry: OfferModel) -> list[tuple[float, float | None]]:
    """Tokens of one unit of work of each kind, and their price, USD per million; None: not stated.

    Those read from a cache or written to it are priced as the rest of the prompt where they have no price of their own.
    """
    stated = prices_of(entry)
    if entry.long_prompt is not None and unit.requests and unit.prompt > entry.long_prompt.above_tokens:
        stated |= long_prices_of(entry)
    prompt = stated.get("prompt_usd_per_m")
    return [
        (unit.prompt - unit.cached - unit.written, prompt),
        (unit.cached, stated.get("cached_prompt_usd_per_m", prompt)),
        (unit.written, stated.get("cache_write_usd_per_m", prompt)),
        (unit.completion, stated.get("completion_usd_per_m")),
    ]


def request_usd(unit: Unit, entry: OfferModel) -> float:
    """USD per unit of work for the request that it is."""
    return (unit.requests or 0.0) * (entry.usd_per_request or 0.0)


def tokens_usd(unit: Unit, entry: OfferModel) -> float:
    """USD per unit of work for its tokens."""
    return math.fsum(tokens * (usd or 0.0) for tokens, usd in token_prices(unit, entry)) / 1e6


def rate_of(offer: Offer) -> float:
    """The one price of an offer, USD per million tokens: what a shortfall is charged at.

    Where prices differ a shortfall has no price; the input is refused then, and the dearest stands here.
    """
    every = [
        prices for entry in offer.models.values() for prices in (prices_of(entry), long_prices_of(entry))
    ]
    return max((prices[field] for prices in every for field in TOKEN_PRICES if field in prices), default=0.0)
