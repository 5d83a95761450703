"""What a price list holds, and its catalogue file: one offer per entry, everything left out named in a comment."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from router.errors import InputError, Issue, nearest
from router.importers.account import Account
from router.importers.prices.hours import HourPrices
from router.importers.records import read_text
from router.loading.catalogue import load_text

CHARGED = "charged "  # the beginning of a kind of charge that a bill has and these prices do not
FIELDS = {
    "prompt": "prompt_usd_per_m",
    "completion": "completion_usd_per_m",
    "cached": "cached_prompt_usd_per_m",
    "written": "cache_write_usd_per_m",
}
COMMENTED = 2000  # names of a comment; a list of everything that exists needs no end


@dataclasses.dataclass(frozen=True)
class ListedOffer:
    """One offer: a provider's model at token prices, or instances. Prices in USD per million tokens, None: not sold so.

    written           of prompt tokens written to a cache
    request           USD per request, beside its tokens
    hours             prices that hold at some hours in place of these
    longer            other prices of whole requests with more than `longer_above` prompt tokens, by kind: `prompt`, …
    context_tokens, max_prompt_tokens, max_completion_tokens   what the offer takes at these prices
    instances         fields of `instances`, for what is rented
    note              what a reader must know about the price
    """

    offer: str
    provider: str
    models: tuple[str, ...]
    prompt: Decimal | None = None
    completion: Decimal | None = None
    cached: Decimal | None = None
    written: Decimal | None = None
    request: Decimal | None = None
    longer: Mapping[str, Decimal] = dataclasses.field(default_factory=dict)
    longer_above: int | None = None
    hours: tuple[HourPrices, ...] = ()
    context_tokens: int | None = None
    max_prompt_tokens: int | None = None
    max_completion_tokens: int | None = None
    regions: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_s: float | None = None
    instances: Mapping[str, float] | None = None
    source: str = ""
    note: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ListedCharge:
    """A charge of an entry. why: its kind, in words, which begins with `charged` where a bill has it beside the tokens;
    amount: with its unit, as `3.75 USD per M tokens`."""

    why: str
    amount: str
    hint: str | None = None


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Something that is in the list and not in the catalogue, and why, as a word or two."""

    name: str
    why: str


@dataclasses.dataclass
class Listing:
    """What a list sells, and the account of what was read. source: package and version, or file.

    Entries are in the order of the list. A reader counts each `entry` it meets, and each of its `charges`; what it does
    not sell, it leaves out by name.
    """

    source: str
    as_of: dt.date
    entries: list[ListedOffer] = dataclasses.field(default_factory=list)
    left_out: list[LeftOut] = dataclasses.field(default_factory=list)
    account: Account = dataclasses.field(default_factory=Account)

    def leave_out(self, name: str, why: str, where: str = "", charges: int = 0) -> None:
        """An entry that is not in the catalogue, with its charges."""
        if LeftOut(name, why) not in self._known:
            self._known.add(LeftOut(name, why))
            self.left_out.append(LeftOut(name, why))
        amounts = {"entries": 1.0} | ({"charges": charges} if charges else {})
        self.account.remark(
            "left out", why, where, amounts, names=[name], hint="listed at the end of the file"
        )

    def offer(self, offer: ListedOffer, beside: Sequence[ListedCharge] = ()) -> None:
        """An offer, and the charges of its entry that no field says."""
        if offer.cached is not None and offer.prompt and offer.cached > offer.prompt:
            names = [f"{offer.offer}: {money(offer.cached)} beside {money(offer.prompt)} USD per M tokens"]
            self.account.remark("note", "cached tokens dearer than others, as listed", "", {}, names=names)
        said = []
        for charge in beside:
            billed = charge.why.startswith(CHARGED)
            names = [f"{offer.offer}: {charge.amount}"]
            self.account.remark(
                "left out", charge.why, "", {"charges": 1}, names=names, hint=charge.hint, asked=not billed
            )
            if billed:
                said.append(f"{charge.why.partition(': ')[2]} {charge.amount}")
        notes = [offer.note or "", f"not in these prices: {', '.join(said)}" if said else ""]
        note = "; ".join(filter(None, notes))
        self.entries.append(dataclasses.replace(offer, note=note or None))

    def skip(self, where: str = "", charges: int = 0) -> None:
        """An entry that the options do not ask for."""
        amounts = {"entries": 1.0} | ({"charges": charges} if charges else {})
        self.account.remark("left out", "not asked for", where, amounts, asked=True)

    def __post_init__(self) -> None:
        self._known = set(self.left_out)


def catalogue(listing: Listing, name: str, rename: Mapping[str, str] | None = None) -> str:
    """The file's text; `rename` gives the list's models your names. Raises InputError: no price, two of a name.

    The account gets what is written: entries and, where the reader counts them, charges.
    """
    if not listing.entries:
        shown = ", ".join(f"{one.name} ({one.why})" for one in listing.left_out[:5])
        raise InputError(Issue((), "nothing that was asked for has a price", detail=shown or None))
    rename = _checked(rename or {}, {model for entry in listing.entries for model in entry.models})
    seen: set[str] = set()
    for entry in listing.entries:
        if entry.offer in seen:
            raise InputError(
                Issue((), "is in the list twice", entry.offer, "pick one with --model or --provider")
            )
        seen.add(entry.offer)
    models = sorted({rename.get(model, model) for entry in listing.entries for model in entry.models})
    offers = [_offer(entry, listing, rename) for entry in listing.entries]
    content = {
        "schema": "router/1",
        "name": name,
        "source": listing.source,
        "as_of": listing.as_of.isoformat(),
        "models": {model: {} for model in models},
        "offers": offers,
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)
    size = "prompt_tokens: 1, completion_tokens: 1"
    load = f"{{name: w, models: [{_scalar(models[0])}], demand: {{requests_per_s: 1}}, {size}}}"
    start = f"horizon: {{start: {listing.as_of.isoformat()}}}"
    load_text(f"{text}{start}\nworkloads: [{load}]\n", "the catalogue")
    charged = listing.account.total("read", "charges") > 0
    for offer in offers:
        sold = next(iter(offer["models"].values()))
        prices = [price for key, price in (sold | _longer(sold)).items() if "usd" in key]
        prices += [offer["instances"]["usd_per_h"]] if "instances" in offer else []
        count = sum(price > 0 for price in prices) + ("schedule" in offer)
        listing.account.writes({"entries": 1} | ({"charges": count} if charged else {}))
    return text + _comment(listing.left_out)


def read_json(path: Path, listing: Listing) -> object:
    """The content of a JSON file; a key that an object has twice is said. Raises InputError."""
    twice: list[str] = []

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice.extend(key for key, count in counts.items() if count > 1)
        return found

    try:
        content: object = json.loads(read_text(path), object_pairs_hook=members)
    except (json.JSONDecodeError, RecursionError):
        raise InputError(Issue((), "is not JSON", file=str(path))) from None
    if twice:
        why = "keys that stand in the file twice, of which the last counts"
        listing.account.remark("note", why, str(path), {}, names=twice)
    return content


def picked(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name matches one of the patterns, upper or lower case; all do where there is none."""
    return not patterns or any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def money(usd: Decimal | float) -> str:
    """`3.75`, `4.00`, `0.0005`: at least cents, at most ten digits."""
    text = f"{Decimal(f'{Decimal(str(usd)):.10g}').normalize():f}"
    whole, _, digits = text.partition(".")
    return f"{whole}.{digits:0<2}"


def amount(value: object) -> Decimal | None:
    """A number as it is written; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def per_million(value: object) -> Decimal | None:
    """USD per token → per million, exactly as written (2e-06 is 2); what is no amount, or below 0, is no price."""
    price = amount(value)
    return None if price is None or price < 0 else price * 1_000_000


def _offer(entry: ListedOffer, listing: Listing, rename: Mapping[str, str]) -> dict[str, Any]:
    sold: dict[str, Any] = {}
    prices = {
        "prompt_usd_per_m": entry.prompt,
        "completion_usd_per_m": entry.completion,
        "cached_prompt_usd_per_m": entry.cached,
        "cache_write_usd_per_m": entry.written,
        "usd_per_request": entry.request,
        "tokens_per_s": entry.tokens_per_s,
    }
    sold = {key: _number(value) for key, value in prices.items() if value is not None}
    if entry.longer:
        longer = {FIELDS[kind]: _number(usd) for kind, usd in entry.longer.items()}
        sold["long_prompt"] = {"above_tokens": entry.longer_above, **longer}
    made: dict[str, Any] = {
        "name": entry.offer,
        "provider": entry.provider,
        "source": entry.source or listing.source,
        "as_of": listing.as_of.isoformat(),
    }
    if entry.note:
        made["note"] = entry.note
    made["models"] = {rename.get(model, model): dict(sold) for model in entry.models}
    limits: dict[str, Any] = {"regions": list(entry.regions)} if entry.regions else {}
    for name in ("context_tokens", "max_prompt_tokens", "max_completion_tokens"):
        if (tokens := getattr(entry, name)) is not None:
            limits[name] = tokens
    quota = {"requests_per_minute": entry.requests_per_minute, "tokens_per_minute": entry.tokens_per_minute}
    if limits:
        made["limits"] = limits
    if any(quota.values()):
        made["quota"] = {key: value for key, value in quota.items() if value}
    if entry.hours:
        made["schedule"] = [_rule(each, made["models"]) for each in entry.hours]
    if entry.instances is not None:
        made["instances"] = {key: _number(value) for key, value in entry.instances.items()}
    return made


def _rule(hours: HourPrices, models: Iterable[str]) -> dict[str, Any]:
    prices = {FIELDS[kind]: _number(usd) for kind, usd in hours.prices.items()}
    return {**hours.times, "set": {"models": {model: dict(prices) for model in models}}}


def _longer(sold: Mapping[str, Any]) -> dict[str, Any]:
    return {f"long_prompt.{key}": price for key, price in sold.get("long_prompt", {}).items()}


def _number(value: Decimal | float) -> float | int:
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _scalar(text: str) -> str:
    return yaml.safe_dump(text, width=10_000, allow_unicode=True).removesuffix("\n").removesuffix("\n...")


def _comment(left_out: Sequence[LeftOut]) -> str:
    """By reason, one name a line: a reader who misses a model finds it here."""
    reasons: dict[str, list[str]] = {}
    for one in left_out:
        reasons.setdefault(one.why, []).append(one.name)
    lines = []
    for why, names in sorted(reasons.items()):
        lines.append(f"# left out, {why}: {len(names):,}")
        lines += [f"#   {name}" for name in sorted(names)[:COMMENTED]]
    return "".join(f"{line}\n" for line in lines)


def _checked(rename: Mapping[str, str], known: set[str]) -> Mapping[str, str]:
    for old in rename:
        if old not in known:
            raise InputError(Issue(("--rename",), "is not a model of the list", old, nearest(old, known)))
    return rename
