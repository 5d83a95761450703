"""Prices of the installed `genai-prices` package (MIT, no network): 47 providers, dated prices, variants.

- Variants (`processing=batch`, `service_tier=priority|flex`, …): the package answers with the standard price where it
  knows no such variant, so `price_variants` is looked into first, and what has none on that day is left out, by name.
- Steps by prompt length apply to *all* tokens of a request that is longer. The base price is taken with that of the
  first step, and the offer's longest prompt ends at the second; `prompt_tokens` takes those from a length on.
- Prices that differ by time of day are those of the time asked for; those of other hours are a schedule (in UTC), or,
  where they go by prompt length too, named.
- What is billed beside (audio, searches, reasoning) is named with its amount.
- The price is that of the day asked for, as far as the installed version knows it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from typing import Any

from router.errors import InputError, Issue, from_extra, nearest
from router.importers.prices.hours import HourPrices, hour_prices
from router.importers.prices.listing import ListedCharge, ListedOffer, Listing, money, picked

PACKAGE = "genai-prices"
FIELDS = {
    "prompt": "input_mtok",
    "completion": "output_mtok",
    "cached": "cache_read_mtok",
    "written": "cache_write_mtok",
}
REQUESTS = "requests_kcount"


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
    at = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    listing = Listing(_source(), at.astimezone(dt.UTC).date())
    for seller, model in _each(sellers):
        prices = _prices(model, at, dict(variant or {}))
        charges = sum(1 + len(getattr(value, "tiers", ())) for value in prices.values())
        hours = _hours(model, at, dict(variant or {}))
        charges += bool(hours)
        listing.account.reads({"entries": 1, "charges": charges})
        if (providers and seller.id not in providers) or not picked(model.id, models):
            listing.skip(charges=charges)
            continue
        name = f"{seller.id}/{model.id}" + "".join(
            f":{value}" for _, value in sorted((variant or {}).items())
        )
        offer = _offer(name, seller, model, prices, at, dict(variant or {}), prompt_tokens, deprecated)
        if isinstance(offer, str):
            listing.leave_out(name, offer, charges=charges)
            continue
        listing.offer(replace(offer, hours=hours), _beside(prices, prompt_tokens, offer.longer_above))
        if model.deprecated:
            listing.account.remark("note", "deprecated by its provider", "", {}, names=[name], asked=True)
    return listing


def _sellers() -> dict[str, Any]:
    data_snapshot = from_extra("genai_prices.data_snapshot", "prices", ())
    return {provider.id: provider for provider in data_snapshot.get_snapshot().providers}


def _each(sellers: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    for name in sorted(sellers):
        for model in sorted(sellers[name].models, key=lambda one: str(one.id)):
            yield sellers[name], model


def _prices(model: Any, at: dt.datetime, variant: dict[str, str]) -> dict[str, Any]:
    """The prices above 0 at a moment, by the package's names."""
    found = vars(model.get_prices(at, variant or None))
    return {key: value for key, value in found.items() if not key.startswith("_") and value and _base(value)}


def _beside(
    prices: Mapping[str, Any], prompt_tokens: float | None, longer_above: int | None
) -> list[ListedCharge]:
    """What is billed beside the prices that an offer has."""
    found = []
    for key, value in prices.items():
        tiers = getattr(value, "tiers", ())
        taken = max((tier.start for tier in tiers if tier.start < (prompt_tokens or 0.0)), default=0)
        for start, price in [(0, _base(value)), *((tier.start, tier.price) for tier in tiers)]:
            said = f"{money(price)} {_unit(key)}"
            if start == taken and key not in (*FIELDS.values(), REQUESTS):
                found.append(ListedCharge(f"charged beside tokens: {_words(key)}", said))
            elif start != taken and not (start == longer_above and key in FIELDS.values()):
                found.append(ListedCharge("prices for prompts of another length", said))
    return found


def _words(key: str) -> str:
    return key.rpartition("_")[0].replace("_", " ")


def _unit(key: str) -> str:
    return "USD per M tokens" if key.endswith("_mtok") else f"USD per thousand {key.rpartition('_')[0]}"


@cache
def _source() -> str:
    """The package and its version, which takes long to look up."""
    return f"{PACKAGE} {version(PACKAGE)}"


def _offer(
    name: str,
    seller: Any,
    model: Any,
    prices: Mapping[str, Any],
    at: dt.datetime,
    variant: dict[str, str],
    prompt_tokens: float | None,
    deprecated: bool,
) -> ListedOffer | str:
    """The offer; or why there is none."""
    if model.deprecated and not deprecated:
        return "deprecated"
    if variant and not _sells(model, variant, at):
        return "no price for " + ", ".join(f"{key}={value}" for key, value in sorted(variant.items()))
    every = model.get_prices(at, variant or None)
    values = {field: getattr(every, key, None) for field, key in FIELDS.items()}
    if values["prompt"] is None and values["completion"] is None:
        return "no token price"
    if not any(key in prices for key in (*FIELDS.values(), REQUESTS)):
        return "price 0"
    notes: list[str] = []
    longer: dict[str, Decimal] = {}
    longer_above = longest = None
    steps = sorted({tier.start for value in values.values() for tier in getattr(value, "tiers", ())})
    if steps:
        below = [step for step in steps if prompt_tokens is not None and prompt_tokens > step]
        above = [step for step in steps if step not in below]
        longer_above, longest = (above[0] if above else None), (above[1] if len(above) > 1 else None)
        if below or longest:
            notes.append(_said(below, longest))
        longer = {
            field: tier.price
            for field, value in values.items()
            for tier in getattr(value, "tiers", ())
            if tier.start == longer_above
        }
    others = _other_hours(model, at, variant)
    if others and steps:
        notes.append(f"price at {at.astimezone(dt.UTC):%H:%M} UTC; it differs by time of day: {others}")
    pages = getattr(seller, "pricing_urls", None) or ()
    found = {field: _at(value, prompt_tokens) for field, value in values.items()}
    requests = _at(prices.get(REQUESTS), prompt_tokens)
    return ListedOffer(
        offer=name,
        provider=seller.id,
        models=(model.id,),
        prompt=found["prompt"],
        completion=found["completion"],
        cached=found["cached"],
        written=found["written"],
        longer=longer,
        longer_above=longer_above,
        request=requests / 1000 if requests else None,
        context_tokens=model.context_window,
        max_prompt_tokens=longest,
        source=", ".join((_source(), *pages[:1])),
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


def _said(below: Sequence[int], longest: int | None) -> str:
    """From and up to which prompt length the prices hold."""
    parts = [f"above {below[-1]:,}"] if below else []
    parts += [f"up to {longest:,}"] if longest else []
    note = f"prices for prompts {' and '.join(parts)} tokens"
    return note + ("; --prompt-tokens takes those above" if longest else "")


def _hours(model: Any, at: dt.datetime, variant: dict[str, str]) -> tuple[HourPrices, ...]:
    """Prices at hours whose prices are not those of the moment; empty where they go by prompt length too."""
    ends = _ends(model, at)
    now = _token_prices(model, at, variant)
    found: list[HourPrices] = []
    for begin, end in pairwise(sorted({0, *ends, 24 * 60})) if ends else ():
        midnight = at.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        prices = _token_prices(model, midnight + dt.timedelta(minutes=begin), variant)
        if any(getattr(value, "tiers", ()) for value in (*now.values(), *prices.values())):
            return ()
        if prices != now:
            kinds = {kind: prices.get(kind, prices.get("prompt")) for kind in now.keys() | prices.keys()}
            known = {kind: usd for kind, usd in sorted(kinds.items()) if usd is not None}
            found += hour_prices(known, [(begin, end)], "UTC")
    return tuple(found)


def _ends(model: Any, at: dt.datetime) -> set[int]:
    """Minutes of the day, in UTC, at which prices by time of day begin or end."""
    conditions = model.prices if isinstance(model.prices, list) else ()
    times = [
        time
        for one in conditions
        if type(one.constraint).__name__ == "TimeOfDateConstraint"
        for time in (one.constraint.start_time, one.constraint.end_time)
    ]
    utc = [dt.datetime.combine(at.date(), time, time.tzinfo or dt.UTC).astimezone(dt.UTC) for time in times]
    return {moment.hour * 60 + moment.minute for moment in utc}


def _token_prices(model: Any, at: dt.datetime, variant: dict[str, str]) -> dict[str, Any]:
    every = model.get_prices(at, variant or None)
    values = {kind: getattr(every, key, None) for kind, key in FIELDS.items()}
    return {kind: value for kind, value in values.items() if value is not None}


def _other_hours(model: Any, at: dt.datetime, variant: dict[str, str]) -> str:
    """Prices of prompt and completion tokens at the other hours of the day; empty where they are the same."""
    conditions = model.prices if isinstance(model.prices, list) else ()
    if not any(type(one.constraint).__name__ == "TimeOfDateConstraint" for one in conditions):
        return ""
    by_price: dict[str, list[int]] = {}
    for hour in range(24):
        prices = model.get_prices(at.astimezone(dt.UTC).replace(hour=hour), variant or None)
        pair = [getattr(prices, FIELDS[kind], None) for kind in ("prompt", "completion")]
        by_price.setdefault(" and ".join(money(_base(one)) for one in pair), []).append(hour)
    now = at.astimezone(dt.UTC).hour
    return "; ".join(
        f"{pair} USD per M tokens at {', '.join(f'{hour:02}' for hour in hours)} h UTC"
        for pair, hours in by_price.items()
        if now not in hours
    )
