"""What the tokens of one unit of work cost at an offer's own prices."""

from __future__ import annotations

from router.schema import Offer, OfferModel
from router.verification.work import Unit


def unit_usd(unit: Unit, entry: OfferModel) -> float:
    """USD per unit of work; cached prompt tokens at their price, or at the prompt's."""
    prompt = entry.prompt_usd_per_m or 0.0
    cached = prompt if entry.cached_prompt_usd_per_m is None else entry.cached_prompt_usd_per_m
    completion = entry.completion_usd_per_m or 0.0
    return ((unit.prompt - unit.cached) * prompt + unit.cached * cached + unit.completion * completion) / 1e6


def rate_of(offer: Offer) -> float:
    """The one price of an offer, USD per million tokens: what a shortfall is charged at.

    Where prices differ a shortfall has no price; the input is refused then, and the dearest stands here.
    """
    rates = [
        price
        for entry in offer.models.values()
        for price in (entry.prompt_usd_per_m, entry.completion_usd_per_m, entry.cached_prompt_usd_per_m)
        if price is not None
    ]
    return max(rates, default=0.0)
