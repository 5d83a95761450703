"""What the meters of a FOCUS bill count: how many tokens, of which kind, of which model. https://focus.finops.org

    tokens = ConsumedQuantity · multiplier(ConsumedUnit), else PricingQuantity · multiplier(PricingUnit)
    multiplier: "Tokens" 1, "1000 Tokens" and "1K Tokens" 1,000, "1M Tokens" and "Million Tokens" 1,000,000

Which kind of token a meter counts stands only in its name, in each provider's words: Azure's Inp, Outp, Inpt, opt, cchd
and cd among them. A name that matches two kinds is of the one whose word stands nearest to "token"; a cached one is
cached, unless it is written, or says that it is not. Expressions that are given come first.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache

from router.errors import InputError, Issue
from router.importers.records import RawRecord

KINDS = ("prompt", "completion", "cached")
CACHED = re.compile(r"cach|cchd|\bcd\b", re.I)
CACHE_STATUS = ("x_CacheStatus", "CacheStatus")
UNCACHED = re.compile(r"\b(un|non|no|not)[- ]?cach\w*|cache[- ]?miss(es)?", re.I)
WRITTEN = re.compile(r"writ|creat", re.I)
WORDS = {
    "completion": re.compile(r"output|outp|\bopt\b|completion|generat|response|reason|think|thought", re.I),
    "prompt": re.compile(r"input|\binpt?\b|prompt|request|embed", re.I),
}
TOKEN = re.compile(r"tokens?|\btkns?\b", re.I)
COLUMNS = ("SkuMeter", "x_UsageType", "x_SkuMeterName", "ChargeDescription")  # SkuMeter came with FOCUS 1.1
NO_NAME = re.compile(
    r"cach(ed?|ing)?(read|write)?|cchd|\bcd\b|writes?|reads?|creation|inputs?|inpt?|outputs?|outpt?|opt|prompts?|"
    r"completions?|tokens?|counts?|units?|per|1?[km]|1|1000|\$[0-9.]+",
    re.I,
)
PLACE = re.compile(r"MP|[A-Z]{1,4}[0-9]")  # AWS's Marketplace and regions: R1, USE1, APN1
_UNIT = re.compile(
    r"(?:per\s+)?(?:(?P<number>[0-9][0-9,._]*)\s*)?(?P<scale>k|m|b|thousand|million|billion)?\s*tokens?", re.I
)
_SCALE = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9}


def multiplier(unit: str | None) -> float | None:
    """Tokens in one of a unit; None where it does not count tokens."""
    match = _UNIT.fullmatch((unit or "").strip())
    if match is None:
        return None
    number = float(re.sub("[,_]", "", match["number"])) if match["number"] else 1.0
    return number * _SCALE.get((match["scale"] or "").lower(), 1.0)


@dataclasses.dataclass(frozen=True)
class MeterRules:
    """What is stated on how to read meters: an expression by kind, tokens by unit, columns before the usual ones."""

    expressions: Mapping[str, re.Pattern[str]]
    units: Mapping[str, float]
    columns: Sequence[str]

    @classmethod
    def of(cls, settings: Mapping[str, Sequence[str]]) -> MeterRules:
        """From the options --meter, --meter-unit and --meter-column. Raises InputError."""
        expressions = {}
        for text in settings.get("meter", ()):
            kind, _, regex = text.partition("=")
            if kind not in KINDS or not regex:
                rule = "must be prompt=REGEX, completion=REGEX or cached=REGEX"
                raise InputError(Issue(("--meter",), rule, text))
            try:
                expressions[kind] = re.compile(regex, re.I)
            except re.error as error:
                raise InputError(
                    Issue(("--meter",), f"is not a regular expression: {error}", error.pattern)
                ) from None
        units = dict(_unit(text) for text in settings.get("meter_unit", ()))
        return cls(expressions, units, (*settings.get("meter_column", ()), *COLUMNS))

    def factor(self, unit: str | None) -> float | None:
        """Tokens in one of a unit; None where it is not known to count any."""
        return self.units.get((unit or "").lower(), multiplier(unit))

    def tokens(self, record: RawRecord) -> float | None:
        """Tokens of a row; None where its unit is not known to count any."""
        for quantity, unit in (("ConsumedQuantity", "ConsumedUnit"), ("PricingQuantity", "PricingUnit")):
            factor, amount = self.factor(record.text(unit)), record.number(quantity)
            if factor is not None and amount is not None:
                return amount * factor
        return None

    def meter(self, record: RawRecord) -> tuple[str, str]:
        """The column that names the meter, and the name; ("", "") where none does."""
        return next(((name, text) for name in self.columns if (text := record.text(name))), ("", ""))

    def kind(self, record: RawRecord, meter: str) -> str | None:
        """prompt, completion, cached, or written (prompt tokens put into a cache); None: no word tells."""
        return _kind(meter, _cache_status(record), tuple(self.expressions.items()))


@cache
def _kind(meter: str, status: str | None, expressions: tuple[tuple[str, re.Pattern[str]], ...]) -> str | None:
    for kind, regex in expressions:
        if regex.search(meter):
            return kind
    ours = {"completion", "prompt", "cached"} - {kind for kind, _ in expressions}
    text = UNCACHED.sub(" ", _apart(meter))
    says = status is None and CACHED.search(text) is not None
    written = status == "written" or (WRITTEN.search(text) is not None and CACHED.search(text) is not None)
    if (status == "read" or says) and not written and "cached" in ours:
        return "cached"
    near = {kind: _distance(regex, text) for kind, regex in WORDS.items() if kind in ours}
    best = min(near.values(), default=math.inf)
    nearest = [kind for kind, distance in near.items() if distance == best < math.inf]
    if written and nearest != ["completion"]:
        return "written"
    return nearest[0] if len(nearest) == 1 else None


@cache
def model_in(meter: str) -> str:
    """What a meter's name says beside the kind: "R1-ModelA-input-tokens" is of R1-ModelA; "" where it says no more."""
    parts = re.split(r"([-_:/\s]+)", meter)
    kept = [
        part for part in parts if not all(NO_NAME.fullmatch(word) for word in _apart(part).split() or [""])
    ]
    model = re.sub(r"(?<=[-_:/\s])[-_:/\s]+", "", "".join(kept)).strip("-_:/ \t")
    return "" if all(map(PLACE.fullmatch, re.split(r"[-_:/\s]+", model))) else model


def _unit(text: str) -> tuple[str, float]:
    name, _, number = text.rpartition("=")
    try:
        tokens = float(number)
    except ValueError:
        tokens = math.nan
    if not name or not 0 < tokens < math.inf:
        raise InputError(Issue(("--meter-unit",), "must be UNIT=TOKENS, like Units=1e6", text))
    return name.lower(), tokens


def _apart(meter: str) -> str:
    """Words of a name in camel case apart, underscores too: InputTokenCount is Input Token Count."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", meter)


def _distance(regex: re.Pattern[str], text: str) -> float:
    """Letters between a word and the nearest "token"; a name without "token" has all its words at one distance."""
    tokens = list(TOKEN.finditer(text))
    gaps = [
        max(token.start() - word.end(), word.start() - token.end(), 0)
        for word in regex.finditer(text)
        for token in tokens or [word]
    ]
    return min(gaps, default=math.inf)


def _cache_status(record: RawRecord) -> str | None:
    """What a column or SkuPriceDetails says of the cache: "read", "written", "none"; None: nothing."""
    try:
        details = json.loads(record.text("SkuPriceDetails") or "{}")
    except (json.JSONDecodeError, RecursionError):
        details = None
    places = (record.values, details if isinstance(details, dict) else {})
    statuses = (str(place[name]).lower() for place in places for name in CACHE_STATUS if place.get(name))
    status = next(statuses, None)
    if status is None:
        return None
    if WRITTEN.search(status):
        return "written"
    return "none" if "un" in status or "miss" in status or status == "none" else "read"
