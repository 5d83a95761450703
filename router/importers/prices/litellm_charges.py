"""Everything that an entry of LiteLLM's price file charges: prices of tokens and what is billed beside them.

    {input,output}_cost_per_<unit>, <what>_cost_per_<unit>          USD per token, request, image, second of video, …
    cache_creation_input_token_cost[_above_1hr]                     USD per token written to the cache
    …_<variant>, …_above_<n>k_tokens                                of another tier, of longer prompts
    tiered_pricing[]{range, …}                                      by prompt length
    search_context_cost_per_query{search_context_size_<s>}          USD per search, by its size
    off_peak_pricing{…, windows[]{hours_utc, weekdays}}             other prices at some hours
    …_uplift_multiplier, provider_specific_entry{…}                 factors on all prices, for a region or an option

A field of 0 charges nothing. Databricks' units (`dbu`) state the same prices once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from router.importers.prices.listing import ListedCharge, amount, money
from router.schema.numbers import LARGEST

TIERS = "batches|priority|flex|balanced|ultrafast|decisions"
VARIANT = re.compile(rf".*_({TIERS})")
LONGER = re.compile(r".*_above_\d+k_tokens.*")
REQUESTS, QUERIES = "input_cost_per_request", "search_context_cost_per_query"
OFF_PEAK = "off_peak_pricing"
SEARCHES = ("low", "medium", "high")
MOST_USD = Decimal("0.001")  # per token: 1,000 USD per million; what is sold costs less

LIMITS = ("max_tokens", "max_input_tokens", "max_output_tokens", "rpm", "tpm")

_NAMES = {
    "cache_creation_input_token_cost": "cache writes",
    "cache_creation_input_token_cost_above_1hr": "cache writes kept for an hour",
    "cache_creation_input_token_cost_above_12hr": "cache writes kept for 12 hours",
    "output_cost_per_reasoning_token": "reasoning",
    "explicit_cache_read_input_token_cost": "reads of an explicit cache",
    "cache_read_input_audio_token_cost": "cached audio",
    REQUESTS: "a fee per request",
    "input_cost_per_video_per_second": "video",
    "input_cost_per_audio_per_second": "audio",
    QUERIES: "searches",
    OFF_PEAK: "off-peak prices",
}
BESIDE = "charged beside tokens: "
STANDARD = "prices of the standard tier"
_PER = re.compile(r"(?:(?P<what>\w+?)_)?cost_per_(?P<unit>\w+)")


def charges_of(
    values: Mapping[str, object], variant: str | None = None, search: str = SEARCHES[-1]
) -> dict[str, ListedCharge]:
    """By field; `tiered_pricing[1].input_cost_per_token` for one in a list."""
    found = {path: charge for path, charge in _charges(values, search) if charge is not None}
    if variant is None:
        return found
    for path, charge in list(found.items()):
        plain = path.removesuffix(f"_{variant}")
        if plain != path and not LONGER.fullmatch(path):
            found[path] = replace(charge, why=_why(plain))
            if plain in found:
                found[plain] = replace(found[plain], why=STANDARD)
    return found


def impossible(values: Mapping[str, object]) -> str | None:
    """What cannot be: a price below 0, no number, or so high that it is one of another unit; an endless limit; a range
    of prompt lengths that does not begin with a number."""
    for key, value in _flat(values):
        if key.endswith("].range") and not _is_length(
            value[0] if isinstance(value, list) and value else None
        ):
            return f"a range that cannot be ({key}: {value})"
        if key in LIMITS and isinstance(value, int | float) and not abs(value) <= LARGEST:
            return f"a limit that cannot be ({key}: {value})"
        if not key.endswith(("token", "token_cost")) or "cost" not in key or "dbu" in key:
            continue
        number = amount(value)
        if value is not None and (number is None or not 0 <= number <= MOST_USD):
            return f"a price that cannot be ({key}: {value})"
    return None


def _is_length(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _flat(values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if key != "tiered_pricing":
            yield key, value
        elif isinstance(value, list):
            for i, tier in enumerate(value):
                if isinstance(tier, Mapping):
                    yield from ((f"{key}[{i}].{name}", price) for name, price in tier.items())


def _charges(values: Mapping[str, object], search: str) -> Iterator[tuple[str, ListedCharge | None]]:
    for path, value in _flat(values):
        if path == QUERIES:
            yield path, _searches(value, search)
        elif path == OFF_PEAK:
            yield path, _off_peak(value)
        elif path == "provider_specific_entry" and isinstance(value, Mapping):
            for name, factor in value.items():
                yield f"{path}.{name}", _uplift(factor, name)
        elif "uplift_multiplier" in path:
            yield path, _uplift(value, path.replace("_uplift_multiplier", "").replace("_", " "))
        elif "cost" in path and "dbu" not in path and (price := amount(value)):
            yield path, ListedCharge(_why(path), _said(path.rpartition(".")[2], price))


def _why(path: str) -> str:
    if path.startswith("tiered_pricing") or LONGER.fullmatch(path):
        return "prices for prompts of another length"
    tier = VARIANT.fullmatch(path)
    if tier:
        return f"prices of the tier {tier[1]}"
    return f"{BESIDE}{_name(path)}"


def _name(path: str) -> str:
    known = _NAMES.get(path)
    match = _PER.fullmatch(path)
    if known or match is None:
        return known or path.replace("_", " ")
    unit, what = match["unit"].replace("_", " "), (match["what"] or "").replace("_", " ")
    return f"{unit}, {what}" if what else unit


def _said(field: str, price: Decimal) -> str:
    match = _PER.fullmatch(field)
    unit = match["unit"] if match else "token"
    if unit.endswith("token") or match is None or "token" in unit:
        return f"{money(price * 1_000_000)} USD per M tokens"
    if unit.endswith("_per_second"):
        return f"{money(price)} USD per second of {unit.removesuffix('_per_second')}"
    return f"{money(price)} USD per {unit.replace('_', ' ')}"


def request_usd(values: Mapping[str, object], search: str) -> dict[str, Decimal]:
    """What every request is charged, by field: its fee, and one search of the size of context."""
    fee, query = amount(values.get(REQUESTS)), _sizes(values.get(QUERIES))[search]
    return {path: usd for path, usd in ((REQUESTS, fee), (QUERIES, query)) if usd}


def _sizes(value: object) -> dict[str, Decimal]:
    sizes = value if isinstance(value, Mapping) else {}
    return {size: amount(sizes.get(f"search_context_size_{size}")) or Decimal(0) for size in SEARCHES}


def _searches(value: object, search: str) -> ListedCharge | None:
    prices = _sizes(value)
    if not any(prices.values()):
        return None
    listed = ", ".join(f"{size} {money(price)}" for size, price in prices.items())
    said = f"{money(prices[search])} USD per search of {search} context, one a request assumed ({listed})"
    return ListedCharge(f"{BESIDE}{_NAMES[QUERIES]}", said, "--search-context says which")


def _off_peak(value: object) -> ListedCharge | None:
    terms = value if isinstance(value, Mapping) else {}
    prices = [
        price
        for key in ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost")
        if (price := amount(terms.get(key))) is not None
    ]
    if not prices:
        return None
    windows = terms.get("windows")
    spans = [_window(window) for window in (windows if isinstance(windows, list) else ())]
    shown = " and ".join(money(price * 1_000_000) for price in prices)
    hours = f" ({'; '.join(span for span in spans if span)} UTC)" if any(spans) else ""
    return ListedCharge(f"charged otherwise: {_NAMES[OFF_PEAK]}", f"{shown} USD per M tokens{hours}")


def _window(window: object) -> str:
    terms = window if isinstance(window, Mapping) else {}
    hours, days = terms.get("hours_utc"), terms.get("weekdays")
    spans = [hours] if isinstance(hours, str) else hours if isinstance(hours, list) else []
    shown = ", ".join(str(span).replace("-00:00", "-24:00").replace("-", " to ") for span in spans)
    return shown + (f" on weekdays {', '.join(map(str, days))}" if isinstance(days, list) else "")


def _uplift(value: object, name: str) -> ListedCharge | None:
    factor = amount(value)
    if factor is None or factor == 1:
        return None
    return ListedCharge("factors on all prices, for a region or an option", f"x {factor:f} for {name}")
