"""LiteLLM's `model_prices_and_context_window.json`, the user's own file.

    {input,output}_cost_per_token, cache_read_input_token_cost      USD per token
    …_batches, …_priority, …_flex                                   variants; left out where there is none
    …_above_200k_tokens, tiered_pricing[]{range, …}                 by prompt length, for all tokens of a request
    bedrock/<region|*>/<n>-month-commitment/<model>                 a reserved model unit at input_cost_per_second
    max_input_tokens, rpm, tpm, mode, deprecation_date, litellm_provider

A cost of 0 stands for "free" and for "unknown" alike in that file: such models are left out, unless `free`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from router.errors import InputError, Issue, nearest
from router.importers.prices.listing import LeftOut, ListedOffer, Listing, per_million, picked
from router.importers.records import RawRecord, read_text

MODES = ("chat", "completion", "responses")
VARIANTS = ("batches", "priority", "flex")
COMMITMENT = re.compile(r"bedrock/(?P<region>[^/]+)/(?P<months>\d+)-month-commitment/(?P<model>.+)")
ABOVE = re.compile(r"(?:input|output)_cost_per_token_above_(\d+)k_tokens")
COSTS = {
    "prompt": "input_cost_per_token",
    "completion": "output_cost_per_token",
    "cached": "cache_read_input_token_cost",
}


def litellm(
    path: Path,
    *,
    when: dt.date,
    providers: Sequence[str] = (),
    models: Sequence[str] = (),
    modes: Sequence[str] = MODES,
    variant: str | None = None,
    prompt_tokens: float | None = None,
    deprecated: bool = False,
    free: bool = False,
) -> Listing:
    """The prices in a file. Raises InputError: no such file, unknown provider."""
    content = _content(path)
    known = {str(one.get("litellm_provider")) for one in content.values()}
    for name in providers:
        if name not in known:
            raise InputError(
                Issue(("--provider",), "is not a provider in the file", name, nearest(name, known), str(path))
            )
    entries, left_out, remarks = [], [], []
    for key in sorted(content):
        record = RawRecord(content[key], str(path))
        provider = record.text("litellm_provider") or "unknown"
        if key == "sample_spec" or (providers and provider not in providers) or not picked(key, models):
            continue
        if (record.text("mode") or "chat") not in modes:
            continue
        made = _entry(key, provider, record, when, variant, prompt_tokens, deprecated, free)
        if isinstance(made, LeftOut):
            left_out.append(made)
        else:
            entries.append(made)
            if made.note:
                remarks.append(f"{made.offer}: {made.note}")
    return Listing(entries, left_out, f"LiteLLM price file {path.name}", when, remarks)


def _content(path: Path) -> dict[str, Mapping[str, object]]:
    try:
        content = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError):
        raise InputError(Issue((), "is not JSON", file=str(path))) from None
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        hint = "LiteLLM's is model_prices_and_context_window.json"
        raise InputError(Issue((), "must be a mapping of models to their prices", None, hint, str(path)))
    return content


def _entry(
    key: str,
    provider: str,
    record: RawRecord,
    when: dt.date,
    variant: str | None,
    prompt_tokens: float | None,
    deprecated: bool,
    free: bool,
) -> ListedOffer | LeftOut:
    name = key if variant is None else f"{key}:{variant}"
    gone = _day(record)
    if gone is not None and gone <= when and not deprecated:
        return LeftOut(name, f"deprecated before {when}")
    match = COMMITMENT.fullmatch(key)
    if match is not None:
        return _reserved(key, match, record) if variant is None else LeftOut(name, f"no {variant} price")
    suffix = f"_{variant}" if variant else ""
    costs = {field: per_million(record.get(cost + suffix)) for field, cost in COSTS.items()}
    if (
        costs["cached"] is None and suffix
    ):  # a variant without a price for cached tokens bills them as standard ones
        costs["cached"] = per_million(record.get(COSTS["cached"]))
    if costs["prompt"] is None and costs["completion"] is None and not record.get("tiered_pricing"):
        return LeftOut(name, "no token price" if variant is None else f"no {variant} price")
    context = record.number("max_input_tokens") or record.number("max_tokens")
    costs, limit, note = _step(record, costs, suffix, prompt_tokens)
    if not any(costs.values()) and not free:
        return LeftOut(name, "price 0, which may mean unknown")
    if limit is not None:
        context = min(context or limit, limit)
    return ListedOffer(
        offer=name,
        provider=provider,
        models=(key.removeprefix(f"{provider}/"),),
        prompt=costs["prompt"],
        completion=costs["completion"],
        cached=costs["cached"],
        context_tokens=int(context) if context else None,
        requests_per_minute=_whole(record, "rpm"),
        tokens_per_minute=_whole(record, "tpm"),
        source=", ".join(
            filter(None, (f"LiteLLM price file {Path(record.file).name}", record.text("source")))
        ),
        note=note,
    )


def _reserved(key: str, match: re.Match[str], record: RawRecord) -> ListedOffer | LeftOut:
    """A model unit for a term. What it serves is not in the file, and nothing is made up."""
    cost = record.get("input_cost_per_second")
    price = per_million(cost)
    if not price:
        return LeftOut(key, "no price")
    region = match["region"]
    return ListedOffer(
        offer=key,
        provider="bedrock",
        models=(match["model"],),
        regions=() if region == "*" else (region,),
        context_tokens=_whole(record, "max_input_tokens"),
        instances={"usd_per_h": float(price * 3600 / 1_000_000), "term_months": float(match["months"])},
        note="one model unit; the list does not say what it serves: add a throughput, like tokens_per_s",
    )


def _step(
    record: RawRecord, base: dict[str, Decimal | None], suffix: str, prompt_tokens: float | None
) -> tuple[dict[str, Decimal | None], float | None, str | None]:
    """Prices for the prompt length asked for, the length up to which they hold, and what to say of it."""
    steps = _steps(record, base, suffix)
    if len(steps) == 1:
        return steps[0][1], None, None
    at = 0
    while prompt_tokens is not None and at + 1 < len(steps) and prompt_tokens > steps[at + 1][0]:
        at += 1
    start, costs = steps[at]
    limit = steps[at + 1][0] if at + 1 < len(steps) else None
    to = "" if limit is None else f" up to {limit:,.0f}"
    note = (
        f"price for prompts {f'above {start:,.0f}' if at else ''}{' and' if at and limit else ''}{to} tokens"
    )
    return (
        costs,
        limit,
        re.sub(" +", " ", note) + ("; --prompt-tokens takes the price above" if limit else ""),
    )


def _steps(
    record: RawRecord, base: dict[str, Decimal | None], suffix: str
) -> list[tuple[float, dict[str, Decimal | None]]]:
    """(prompt length above which they hold, prices), rising."""
    tiers = record.get("tiered_pricing")
    if isinstance(tiers, list) and tiers and not suffix:
        found = []
        for tier in tiers:
            one = RawRecord(tier if isinstance(tier, dict) else {}, record.file)
            span = one.get("range")
            if isinstance(span, list) and span and isinstance(span[0], int | float):
                found.append((float(span[0]), {f: per_million(one.get(c)) for f, c in COSTS.items()}))
        return sorted(found, key=lambda step: step[0]) or [(0.0, base)]
    starts = sorted({int(m[1]) for key in record.values if (m := ABOVE.fullmatch(key.removesuffix(suffix)))})
    steps = [(0.0, base)]
    for start in starts:
        own = {f: per_million(record.get(f"{c}_above_{start}k_tokens{suffix}")) for f, c in COSTS.items()}
        steps.append((start * 1000.0, {f: own[f] if own[f] is not None else steps[-1][1][f] for f in COSTS}))
    return steps


def _day(record: RawRecord) -> dt.date | None:
    try:
        return dt.date.fromisoformat(record.text("deprecation_date") or "")
    except ValueError:
        return None


def _whole(record: RawRecord, name: str) -> int | None:
    value = record.get(name)
    return int(value) if isinstance(value, int | float) and value > 0 else None
