"""LiteLLM's `model_prices_and_context_window.json`, the user's own file.

    {input,output}_cost_per_token                                   USD per token
    cache_read_input_token_cost, cache_creation_input_token_cost    the same, of a cache
    …_batches, …_priority, …_flex                                   variants; left out where there is none
    …_above_200k_tokens, tiered_pricing[]{range, …}                 by prompt length, for all tokens of a request
    bedrock/<region|*>/<n>-month-commitment/<model>                 a reserved model unit at input_cost_per_second
    max_input_tokens, max_output_tokens                             the longest prompt, and the longest answer
    input_cost_per_request, search_context_cost_per_query           USD per request; one search in each is assumed
    off_peak_pricing                                                other prices at some hours: a schedule
    rpm, tpm, mode, deprecation_date, litellm_provider

What an entry charges beside is named with its amount (`litellm_charges`). A cost of 0 stands for "free" and for
"unknown" alike in that file: such models are left out, unless `free`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from router.errors import InputError, Issue, nearest
from router.importers.prices.hours import HourPrices, off_peak_rules
from router.importers.prices.listing import ListedCharge, ListedOffer, Listing, per_million, picked, read_json
from router.importers.prices.litellm_charges import (
    OFF_PEAK,
    QUERIES,
    SEARCHES,
    charges_of,
    impossible,
    request_usd,
)
from router.importers.records import RawRecord

MODES = ("chat", "completion", "responses")
COMMITMENT = re.compile(r"bedrock/(?P<region>[^/]+)/(?P<months>\d+)-month-commitment/(?P<model>.+)")
ABOVE = re.compile(r"(?:input|output)_cost_per_token_above_(\d+)k_tokens")
NOT_MODELS = ("sample_spec", "fallback_generalizations")
COSTS = {
    "prompt": "input_cost_per_token",
    "completion": "output_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "written": "cache_creation_input_token_cost",
}
HIT = "input_cost_per_token_cache_hit"  # an older name of the same
AGAIN = (
    *COSTS.values(),
    HIT,
    "output_cost_per_reasoning_token",
    "cost_per_second",
)  # may repeat another price

Fields = dict[str, str]  # kind of token → the field that holds its price


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of the file."""

    when: dt.date
    variant: str | None
    prompt_tokens: float | None
    search: str
    deprecated: bool
    free: bool


def litellm(
    path: Path,
    *,
    when: dt.date,
    providers: Sequence[str] = (),
    models: Sequence[str] = (),
    modes: Sequence[str] = MODES,
    variant: str | None = None,
    prompt_tokens: float | None = None,
    search: str = SEARCHES[-1],
    deprecated: bool = False,
    free: bool = False,
) -> Listing:
    """The prices in a file; `search` is the size of a search's context. Raises InputError: no such file, unknown
    provider."""
    listing = Listing(f"LiteLLM price file {path.name}", when)
    content = _entries(path, listing)
    known = {str(one.get("litellm_provider")) for one in content.values()}
    for name in providers:
        if name not in known:
            raise InputError(
                Issue(("--provider",), "is not a provider in the file", name, nearest(name, known), str(path))
            )
    asked = _Question(when, variant, prompt_tokens, search, deprecated, free)
    for key in sorted(content.keys() - set(NOT_MODELS)):
        record = RawRecord(content[key], str(path))
        charges = charges_of(record.values, variant, search)
        listing.account.reads({"entries": 1, "charges": len(charges)})
        wanted = not providers or record.text("litellm_provider") in providers
        if not (wanted and picked(key, models) and (record.text("mode") or "chat") in modes):
            listing.skip(charges=len(charges))
        else:
            _read(listing, key, record, charges, asked)
    return listing


def _entries(path: Path, listing: Listing) -> dict[str, Mapping[str, object]]:
    content = read_json(path, listing)
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        hint = "LiteLLM's is model_prices_and_context_window.json"
        raise InputError(Issue((), "must be a mapping of models to their prices", None, hint, str(path)))
    return content


def _read(
    listing: Listing, key: str, record: RawRecord, charges: Mapping[str, ListedCharge], asked: _Question
) -> None:
    """The offer of an entry, and what it charges beside; or the reason why there is none."""
    name = key if asked.variant is None else f"{key}:{asked.variant}"
    match = COMMITMENT.fullmatch(key)
    offer: ListedOffer | str
    used: set[str]
    if (gone := _day(record)) is not None and gone <= asked.when and not asked.deprecated:
        offer, used = f"deprecated before {asked.when}", set()
    elif (wrong := impossible(record.values)) is not None:
        offer, used = wrong, set()
    elif match is not None:
        offer = f"no {asked.variant} price" if asked.variant else _reserved(key, match, record)
        used = {"input_cost_per_second"}
    else:
        offer, used = _offer(key, name, record, asked)
    if isinstance(offer, str):
        listing.leave_out(name, offer, charges=len(charges))
        return
    if QUERIES in used:
        charge = charges[QUERIES]
        why = "a search in every request is assumed, and its price is in usd_per_request"
        names = [f"{name}: {charge.amount}"]
        listing.account.remark("note", why, "", {}, names=names, hint=charge.hint)
        offer = replace(offer, note="; ".join(filter(None, (offer.note, charge.amount))))
    if len(used & request_usd(record.values, asked.search).keys()) > 1:
        listing.account.remark(
            "merged", "a fee per request and a search, in one price", "", {"charges": 1}, asked=True
        )
    once = {charges[path].amount for path in used if path in charges}
    beside = []
    for path, charge in charges.items():
        if path in AGAIN and path not in used and charge.amount in once:
            why = "a price that is stated once more, under another name"
            listing.account.remark("merged", why, "", {"charges": 1}, asked=True)
        elif path not in used:
            beside.append(charge)
    listing.offer(offer, beside)
    if match is not None:
        why = "a reserved unit: what it serves is not in the list"
        listing.account.remark("note", why, "", {}, names=[key], hint="add a throughput, like tokens_per_s")


def _offer(key: str, name: str, record: RawRecord, asked: _Question) -> tuple[ListedOffer | str, set[str]]:
    """The offer at its token prices, and the fields that it takes them from; or why there is none."""
    variant = asked.variant
    provider = record.text("litellm_provider") or "unknown"
    suffix = f"_{variant}" if variant else ""
    fields = {kind: cost + suffix for kind, cost in COSTS.items() if record.get(cost + suffix) is not None}
    lacking = "no token price" if variant is None else f"no {variant} price"
    if not fields.keys() & {"prompt", "completion"} and (variant or not record.get("tiered_pricing")):
        return lacking, set()
    if "cached" not in fields:  # a variant without a price for cached tokens bills them as standard ones
        cached = next((field for field in (COSTS["cached"], HIT) if record.get(field) is not None), None)
        fields |= {"cached": cached} if cached else {}
    if "written" not in fields and record.get(COSTS["written"]) is not None:  # so is what it writes to one
        fields |= {"written": COSTS["written"]}
    step = _step(record, fields, suffix, asked.prompt_tokens)
    if isinstance(step, str):
        return f"{lacking}{step}", set()
    fields, above, longer, longest, note = step
    costs = {kind: per_million(_value(record, field)) for kind, field in fields.items()}
    standard = variant and fields.get("cached") in (COSTS["cached"], HIT)
    if standard and (costs["cached"] or 0) > (costs.get("prompt") or 0):  # whose prompts are dearer too
        del fields["cached"], costs["cached"]
    requests = request_usd(record.values, asked.search)
    if not any(costs.values()) and not requests and not asked.free:
        return "price 0, which may mean unknown", set()
    prompts = [tokens for tokens in (_whole(record, "max_input_tokens"), longest) if tokens is not None]
    completions = _whole(record, "max_output_tokens")
    hours = _hours(record, fields, longer) if variant is None else ()
    offer = ListedOffer(
        offer=name,
        provider=provider,
        models=(key.removeprefix(f"{provider}/"),),
        prompt=costs.get("prompt"),
        completion=costs.get("completion"),
        cached=costs.get("cached"),
        written=costs.get("written"),
        longer={
            kind: usd
            for kind, field in longer.items()
            if (usd := per_million(_value(record, field))) is not None
        },
        longer_above=above,
        hours=hours,
        request=sum(requests.values(), Decimal(0)) if requests else None,
        context_tokens=_whole(record, "max_tokens") if not prompts and completions is None else None,
        max_prompt_tokens=min(prompts, default=None),
        max_completion_tokens=completions,
        requests_per_minute=_whole(record, "rpm"),
        tokens_per_minute=_whole(record, "tpm"),
        source=", ".join(
            filter(None, (f"LiteLLM price file {Path(record.file).name}", record.text("source")))
        ),
        note=note,
    )
    used = {field for kind, field in fields.items() if costs[kind]}
    used |= {OFF_PEAK} if hours else set()
    return offer, used | {longer[kind] for kind, usd in offer.longer.items() if usd} | requests.keys()


def _hours(record: RawRecord, fields: Fields, longer: Fields) -> tuple[HourPrices, ...]:
    """Off-peak prices; none where they are of another prompt length, or at hours that cannot be said."""
    terms = record.get(OFF_PEAK)
    if not isinstance(terms, dict) or longer or not {*fields.values()} <= {*COSTS.values(), HIT}:
        return ()
    stated = {kind: per_million(terms.get(COSTS[kind])) for kind in (*fields, "cached")}
    prices = {kind: usd for kind, usd in stated.items() if usd is not None}
    return tuple(off_peak_rules(terms, prices) or ()) if prices else ()


def _reserved(key: str, match: re.Match[str], record: RawRecord) -> ListedOffer | str:
    """A model unit for a term. What it serves is not in the file, and nothing is made up."""
    price = per_million(record.get("input_cost_per_second"))
    if not price:
        return "no price"
    region = match["region"]
    return ListedOffer(
        offer=key,
        provider="bedrock",
        models=(match["model"],),
        regions=() if region == "*" else (region,),
        max_prompt_tokens=_whole(record, "max_input_tokens"),
        max_completion_tokens=_whole(record, "max_output_tokens"),
        instances={"usd_per_h": float(price * 3600 / 1_000_000), "term_months": float(match["months"])},
        note="one model unit; the list does not say what it serves: add a throughput, like tokens_per_s",
    )


def _step(
    record: RawRecord, base: Fields, suffix: str, prompt_tokens: float | None
) -> tuple[Fields, int | None, Fields, int | None, str | None] | str:
    """Fields for the prompt length asked for; the length above which others hold, and those that differ; the length
    up to which they do, and what to say of it. Or, as text, that there is no price at that length."""
    steps = _steps(record, base, suffix)
    at = 0
    while prompt_tokens is not None and at + 1 < len(steps) and prompt_tokens > steps[at + 1][0]:
        at += 1
    start, fields = steps[at]
    if fields is None:
        return f" above {start:,} prompt tokens"
    above, longer = steps[at + 1] if at + 1 < len(steps) else (None, None)
    end = at + 1 if longer is None else at + 2
    limit = steps[end][0] if end < len(steps) else None
    parts = [f"above {start:,}"] if at else []
    parts += [f"up to {limit:,}"] if limit is not None else []
    note = f"price for prompts {' and '.join(parts)} tokens" if parts else None
    if note and limit:
        note += "; --prompt-tokens takes the price above"
    others = {kind: field for kind, field in (longer or {}).items() if field != fields.get(kind)}
    return fields, above if others else None, others, limit, note


def _steps(record: RawRecord, base: Fields, suffix: str) -> list[tuple[int, Fields | None]]:
    """(prompt length above which they hold, fields), rising; None: the variant has no price there."""
    tiers = record.get("tiered_pricing")
    if isinstance(tiers, list) and tiers:
        found: list[tuple[int, Fields | None]] = []
        for i, tier in enumerate(tiers):
            span = tier.get("range") if isinstance(tier, dict) else None
            if isinstance(span, list) and span and isinstance(span[0], int | float):
                own = {kind: f"tiered_pricing[{i}].{cost}" for kind, cost in COSTS.items() if cost in tier}
                found.append((int(span[0]), own))
        if not suffix and found:
            return sorted(found, key=lambda step: step[0])
        return [(0, base), *((start, None) for start, _ in found if start > 0)][:2]
    starts = sorted({int(m[1]) for key in record.values if (m := ABOVE.match(key))})
    steps: list[tuple[int, Fields | None]] = [(0, base)]
    before = base
    for start in starts:
        own = {
            kind: field
            for kind, cost in COSTS.items()
            if record.get(field := f"{cost}_above_{start}k_tokens{suffix}") is not None
        }
        if suffix and not own.keys() & {"prompt", "completion"}:
            return [*steps, (start * 1000, None)]
        if own:
            before = before | own
            steps.append((start * 1000, before))
    return steps


def _value(record: RawRecord, field: str) -> object:
    """`input_cost_per_token`, or `tiered_pricing[1].input_cost_per_token`."""
    if not field.startswith("tiered_pricing["):
        return record.get(field)
    tiers, index = record.get("tiered_pricing"), int(field.partition("[")[2].partition("]")[0])
    return tiers[index].get(field.rpartition(".")[2]) if isinstance(tiers, list) else None


def _day(record: RawRecord) -> dt.date | None:
    try:
        return dt.date.fromisoformat(record.text("deprecation_date") or "")
    except ValueError:
        return None


def _whole(record: RawRecord, name: str) -> int | None:
    value = record.get(name)
    return int(value) if isinstance(value, int | float) and value > 0 else None
