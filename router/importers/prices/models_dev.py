"""models.dev's `api.json`, the user's own copy: prices of providers, in USD per million tokens.

    <provider>.models.<model>.cost{input, output, cache_read, cache_write, reasoning, input_audio, output_audio}
    cost.tiers[]{…, tier: {type: context, size}}, cost.context_over_200k{…}     by prompt length, for the whole request
    limit{context, input, output}, status: deprecated | alpha | beta, modalities.output

What is billed beside prompt and completion tokens, and those of a cache, is named with its amount.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from router.errors import InputError, Issue, nearest
from router.importers.prices.listing import (
    ListedCharge,
    ListedOffer,
    Listing,
    amount,
    money,
    picked,
    read_json,
)
from router.importers.records import RawRecord

FIELDS = {"prompt": "input", "completion": "output", "cached": "cache_read", "written": "cache_write"}
NAMES = {"input_audio": "audio in", "output_audio": "audio out"}
MOST_USD_PER_M = 1000  # what is sold costs less
LONG = 200_000  # tokens from which on `context_over_200k` holds

Prices = Mapping[str, Decimal]


def models_dev(
    path: Path,
    *,
    when: dt.date,
    providers: Sequence[str] = (),
    models: Sequence[str] = (),
    prompt_tokens: float | None = None,
    deprecated: bool = False,
) -> Listing:
    """The prices in a file. Raises InputError: no such file, unknown provider."""
    listing = Listing(f"models.dev {path.name}", when)
    content = _providers(path, listing)
    for name in providers:
        if name not in content:
            hint = nearest(name, content)
            raise InputError(Issue(("--provider",), "is not a provider in the file", name, hint, str(path)))
    for provider, key, record in _each(content, path):
        steps = _steps(record)
        charges = sum(price > 0 for _, prices in steps for price in prices.values())
        listing.account.reads({"entries": 1, "charges": charges})
        if (providers and provider not in providers) or not picked(key, models):
            listing.skip(charges=charges)
            continue
        try:
            offer = _offer(f"{provider}/{key}", provider, key, record, steps, prompt_tokens, deprecated)
        except InputError as error:
            offer = f"a limit that cannot be ({error.issues[0].path}: {error.issues[0].value})"
        if isinstance(offer, str):
            listing.leave_out(f"{provider}/{key}", offer, charges=charges)
        else:
            listing.offer(offer, _beside(steps, prompt_tokens))
    return listing


def _providers(path: Path, listing: Listing) -> dict[str, Mapping[str, object]]:
    content = read_json(path, listing)
    if not isinstance(content, dict) or not all(
        isinstance(one, dict) and isinstance(one.get("models"), dict) for one in content.values()
    ):
        rule = "must be a mapping of providers with their models"
        raise InputError(Issue((), rule, None, "models.dev's is api.json", str(path)))
    return content


def _each(content: Mapping[str, Mapping[str, object]], path: Path) -> Iterator[tuple[str, str, RawRecord]]:
    for provider in sorted(content):
        models = content[provider]["models"]
        for key in sorted(models) if isinstance(models, dict) else ():
            entry = models[key] if isinstance(models, dict) else None
            yield provider, key, RawRecord(entry if isinstance(entry, dict) else {}, str(path))


def _prices(value: object) -> dict[str, Decimal]:
    """USD per million tokens by kind; what is no amount is −1, which no price is."""
    cost = value if isinstance(value, Mapping) else {}
    kinds = [key for key in cost if key not in ("tiers", "tier", "context_over_200k")]
    return {kind: amount(cost[kind]) or Decimal(0 if cost[kind] in (0, None) else -1) for kind in kinds}


def _steps(record: RawRecord) -> list[tuple[int, Prices]]:
    """(prompt length above which they hold, prices), rising; the first is the base."""
    tiers, long = record.get("cost", "tiers"), record.get("cost", "context_over_200k")
    found: list[tuple[int, Prices]] = [(0, _prices(record.get("cost")))]
    for tier in tiers if isinstance(tiers, list) else ():
        start = RawRecord(tier if isinstance(tier, dict) else {}, record.file).number("tier", "size")
        if start is not None:
            found.append((int(start), _prices(tier)))
    if len(found) == 1 and isinstance(long, Mapping):
        found.append((LONG, _prices(long)))
    return sorted(found, key=lambda step: step[0])


def _step(steps: Sequence[tuple[int, Prices]], prompt_tokens: float | None) -> int:
    """Position of the step that holds for prompts so long; the base where that is not said."""
    return max(
        (i for i, (start, _) in enumerate(steps) if prompt_tokens is not None and start < prompt_tokens),
        default=0,
    )


def _offer(
    name: str,
    provider: str,
    key: str,
    record: RawRecord,
    steps: Sequence[tuple[int, Prices]],
    prompt_tokens: float | None,
    deprecated: bool,
) -> ListedOffer | str:
    """The offer; or why there is none."""
    if record.text("status") == "deprecated" and not deprecated:
        return "deprecated"
    at = _step(steps, prompt_tokens)
    prices = {kind: steps[at][1].get(field) for kind, field in FIELDS.items()}
    for kind, price in ((kind, price) for _, every in steps for kind, price in every.items()):
        if not 0 <= price <= MOST_USD_PER_M:
            return f"a price that cannot be ({kind})"
    if prices["prompt"] is None and prices["completion"] is None:
        return "no token price"
    if not any(prices.values()):
        return "price 0"
    longest = [tokens for tokens in (record.number("limit", "input"),) if tokens]
    end = at + 2  # the next step is the price of longer prompts
    longest += [steps[end][0]] if end < len(steps) else []
    note = f"price for prompts up to {steps[end][0]:,} tokens" if end < len(steps) else None
    longer = _others(steps, at)
    context, completions = record.number("limit", "context"), record.number("limit", "output")
    return ListedOffer(
        offer=name,
        provider=provider,
        models=(key,),
        prompt=prices["prompt"],
        completion=prices["completion"],
        cached=prices["cached"],
        written=prices["written"],
        longer=longer,
        longer_above=steps[at + 1][0] if longer else None,
        context_tokens=int(context) if context else None,
        max_prompt_tokens=int(min(longest)) if longest else None,
        max_completion_tokens=int(completions) if completions else None,
        note=note,
    )


def _others(steps: Sequence[tuple[int, Prices]], at: int) -> dict[str, Decimal]:
    """What the next step says of the kinds of token that an offer prices."""
    following = steps[at + 1][1] if at + 1 < len(steps) else {}
    return {kind: following[field] for kind, field in FIELDS.items() if field in following}


def _beside(steps: Sequence[tuple[int, Prices]], prompt_tokens: float | None) -> list[ListedCharge]:
    """What is billed beside, and what is for prompts of another length."""
    at = _step(steps, prompt_tokens)
    found = []
    for i, (_, prices) in enumerate(steps):
        for kind, price in prices.items():
            said = f"{money(price)} USD per M tokens"
            if price <= 0 or (i == at + 1 and kind in FIELDS.values()):
                continue
            if i != at:
                found.append(ListedCharge("prices for prompts of another length", said))
            elif kind not in FIELDS.values():
                words = NAMES.get(kind) or kind.replace("_", " ")
                found.append(ListedCharge(f"charged beside tokens: {words}", said))
    return found
