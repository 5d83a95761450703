"""Prices of the installed `genai-prices` package (MIT, no network): 47 providers, dated prices, variants.

- Variants (`processing=batch`, `service_tier=priority|flex`, …): the package answers with the standard price where it
  knows no such variant, so `price_variants` is looked into first, and what has none on that day is left out, by name.
- Steps by prompt length apply to *all* tokens of a request that is longer. The base price is taken, and the offer's
  context ends at the first step, for above it the price is another; `prompt_tokens` takes the step for that length.
- Prices that differ by time of day are those of the time asked for.
- The price is that of the day asked for, as far as the installed version knows it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from router.errors import InputError, Issue, from_extra, nearest
from router.importers.prices.listing import LeftOut, ListedOffer, Listing, picked

PACKAGE = "genai-prices"
FIELDS = {"prompt": "input_mtok", "completion": "output_mtok", "cached": "cache_read_mtok"}


def genai(
    *,
    when: dt.datetime,
    providers: Sequence[str] = (),
    models: Sequence[str] = (),
    variant: Mapping[str, str] | None = None,
    prompt_tokens: float | None = None,
    deprecated: bool = False,
) -> Listing:
    """The prices at a moment (UTC where it has no zone). Raises InputError: not installed, unknown provider."""
    sellers = _sellers()
    for name in providers:
        if name not in sellers:
            hint = nearest(name, sellers)
            raise InputError(Issue(("--provider",), f"is not a provider of {PACKAGE}", name, hint))
    source = f"{PACKAGE} {version(PACKAGE)}"
    at = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    entries, left_out, remarks = [], [], []
    for seller, model in _each(sellers, providers, models):
        made = _entry(seller, model, at, dict(variant or {}), prompt_tokens, deprecated, source)
        if isinstance(made, LeftOut):
            left_out.append(made)
            continue
        entries.append(made)
        if made.note:
            remarks.append(f"{made.offer}: {made.note}")
        if model.deprecated:
            remarks.append(f"{made.offer}: deprecated by its provider")
    return Listing(entries, left_out, source, at.astimezone(dt.UTC).date(), remarks)


def _sellers() -> dict[str, Any]:
    data_snapshot = from_extra("genai_prices.data_snapshot", "prices", ())
    return {provider.id: provider for provider in data_snapshot.get_snapshot().providers}


def _each(
    sellers: Mapping[str, Any], providers: Sequence[str], models: Sequence[str]
) -> Iterator[tuple[Any, Any]]:
    for name in sorted(sellers):
        if not providers or name in providers:
            for model in sorted(sellers[name].models, key=lambda one: str(one.id)):
                if picked(model.id, models):
                    yield sellers[name], model


def _entry(
    seller: Any,
    model: Any,
    at: dt.datetime,
    variant: dict[str, str],
    prompt_tokens: float | None,
    deprecated: bool,
    source: str,
) -> ListedOffer | LeftOut:
    name = f"{seller.id}/{model.id}" + "".join(f":{value}" for _, value in sorted(variant.items()))
    if model.deprecated and not deprecated:
        return LeftOut(name, "deprecated")
    if variant and not _sells(model, variant, at):
        return LeftOut(
            name, "no price for " + ", ".join(f"{key}={value}" for key, value in sorted(variant.items()))
        )
    prices = model.get_prices(at, variant or None)
    values = {field: getattr(prices, key, None) for field, key in FIELDS.items()}
    if values["prompt"] is None and values["completion"] is None:
        return LeftOut(name, "no token price")
    if not any(_base(value) for value in values.values()):
        return LeftOut(name, "price 0")
    notes, context = [], model.context_window
    steps = sorted({tier.start for value in values.values() for tier in getattr(value, "tiers", ())})
    if steps:
        below = [step for step in steps if prompt_tokens is not None and prompt_tokens > step]
        above = [step for step in steps if step not in below]
        notes.append(_said(below, above))
        context = min(context or above[0], above[0]) if above else context
    if _by_hour(model):
        notes.append(f"price at {at.astimezone(dt.UTC):%H:%M} UTC; it differs by time of day")
    if getattr(prices, "requests_kcount", None):
        notes.append("billed by request too, which is not in these prices")
    pages = getattr(seller, "pricing_urls", None) or ()
    found = {field: _at(value, prompt_tokens) for field, value in values.items()}
    return ListedOffer(
        offer=name,
        provider=seller.id,
        models=(model.id,),
        prompt=found["prompt"],
        completion=found["completion"],
        cached=found["cached"],
        context_tokens=context,
        source=", ".join((source, *pages[:1])),
        note="; ".join(notes) or None,
    )


def _sells(model: Any, variant: Mapping[str, str], at: dt.datetime) -> bool:
    """Whether every part of the variant is one that the model has a price for at that time."""
    active = [
        one.when
        for one in model.price_variants or ()
        if (one.constraint is None or one.constraint.active(at))
        and all(variant.get(k) == v for k, v in one.when.items())
    ]
    return all(any(key in when for when in active) for key in variant)


def _at(value: Any, prompt_tokens: float | None) -> Decimal | None:
    """The price for prompts of that length; the base where none is stated."""
    if value is None or isinstance(value, Decimal):
        return value
    price: Decimal = value.base
    for tier in value.tiers:
        if prompt_tokens is not None and prompt_tokens > tier.start:
            price = tier.price
    return price


def _base(value: Any) -> Decimal:
    return _at(value, None) or Decimal(0)


def _said(below: Sequence[int], above: Sequence[int]) -> str:
    """Which step was taken, and where it ends."""
    if below and above:
        return f"price for prompts above {below[-1]:,} and up to {above[0]:,} tokens"
    if below:
        return f"price for prompts above {below[-1]:,} tokens"
    return f"base price, for prompts up to {above[0]:,} tokens; --prompt-tokens takes the price above"


def _by_hour(model: Any) -> bool:
    conditions = model.prices if isinstance(model.prices, list) else ()
    return any(type(one.constraint).__name__ == "TimeOfDateConstraint" for one in conditions)
