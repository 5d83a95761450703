"""FOCUS 1.2 cost and usage CSV: tokens by meter and charge period. https://focus.finops.org

    tokens = ConsumedQuantity · multiplier(ConsumedUnit), else PricingQuantity · multiplier(PricingUnit)
    multiplier: "Tokens" 1, "1000 Tokens" and "1K Tokens" 1,000, "1M Tokens" and "Million Tokens" 1,000,000

Which kind of token a meter counts stands only in its name (`SkuMeter`), in each provider's words: regular expressions
tell, in the order cached, completion, prompt; `--meter prompt=REGEX` states others. A token meter that none of them
knows is an error, not nothing. Prompt tokens are those of prompt and cached meters together.

Read are rows of ChargeCategory Usage that are not an unused commitment; corrections (negative quantities) count. A bill
counts no requests. The model is the first of `--model-column`, x_Model, x_ModelName, ResourceName, SkuId with a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from router.errors import InputError, Issue
from router.importers.records import RawRecord, moment
from router.importers.usage.reading import Row, UsageRecords

NAME = "focus"
TITLE = "FOCUS 1.2 cost and usage"

METERS = {
    "cached": r"^(?!.*(writ|creat)).*cach",  # tokens written to a cache are prompt tokens like others
    "completion": r"output|completion|generat|response",
    "prompt": r"input|prompt|request",
}
MODEL_COLUMNS = ("x_Model", "x_ModelName", "ResourceName", "SkuId")
LABELS = {
    "provider": "ProviderName",
    "account": "SubAccountId",
    "region": "RegionId",
    "service": "ServiceName",
}
_UNIT = re.compile(
    r"(?:(?P<number>[0-9][0-9,._]*)\s*)?(?P<scale>k|m|b|thousand|million|billion)?\s*tokens?", re.I
)
_SCALE = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9}


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return "ChargePeriodStart" in record.values


def read(found: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all files. Raises InputError: a meter that no expression knows."""
    meters = _meters(settings.get("meter", ()))
    columns = (*settings.get("model_column", ()), *MODEL_COLUMNS)
    rows, other, unused = [], 0, 0
    unknown: dict[str, RawRecord] = {}
    for record in found:
        tokens = _tokens(record)
        if tokens is None or (record.text("ChargeCategory") or "Usage").lower() != "usage":
            other += 1
        elif (record.text("CommitmentDiscountStatus") or "").lower() == "unused":
            unused += 1
        else:
            meter = record.text("SkuMeter") or ""
            kind = next((name for name, regex in meters.items() if regex.search(meter)), None)
            if kind is None:
                unknown.setdefault(meter, record)
            else:
                rows.append(_row(record, tokens, kind, columns))
    if unknown:
        hint = "--meter prompt=REGEX, --meter completion=REGEX or --meter cached=REGEX says"
        raise InputError(
            Issue(("SkuMeter",), "counts tokens of which kind?", meter or None, hint, one.file, one.line)
            for meter, one in sorted(unknown.items())
        )
    counts = ((other, "row that counts no tokens"), (unused, "row of unused commitment"))
    remarks = [f"{count:,} × {word} left out" for count, word in counts if count]
    return UsageRecords(rows, sorted({(row.start, row.end) for row in rows}), remarks)


def multiplier(unit: str | None) -> float | None:
    """Tokens in one of a unit; None where it does not count tokens."""
    match = _UNIT.fullmatch((unit or "").strip())
    if match is None:
        return None
    number = float(re.sub("[,_]", "", match["number"])) if match["number"] else 1.0
    return number * _SCALE.get((match["scale"] or "").lower(), 1.0)


def _tokens(record: RawRecord) -> float | None:
    for quantity, unit in (("ConsumedQuantity", "ConsumedUnit"), ("PricingQuantity", "PricingUnit")):
        factor, amount = multiplier(record.text(unit)), record.number(quantity)
        if factor is not None and amount is not None:
            return amount * factor
    return None


def _row(record: RawRecord, tokens: float, kind: str, columns: Sequence[str]) -> Row:
    start, end = moment(record, "ChargePeriodStart"), moment(record, "ChargePeriodEnd")
    if end <= start:
        raise record.error(
            ("ChargePeriodEnd",), "must be after ChargePeriodStart", record.get("ChargePeriodEnd")
        )
    labels = {name: record.text(column) or "none" for name, column in LABELS.items()}
    labels["model"] = next((text for column in columns if (text := record.text(column))), "unknown")
    labels["category"] = record.text("PricingCategory") or "none"
    return Row(
        start=start,
        end=end,
        requests=0.0,
        prompt_tokens=tokens if kind != "completion" else 0.0,
        cached_tokens=tokens if kind == "cached" else 0.0,
        completion_tokens=tokens if kind == "completion" else 0.0,
        labels=labels,
    )


def _meters(given: Sequence[str]) -> dict[str, re.Pattern[str]]:
    """Expressions by kind; one that is given replaces ours."""
    texts = dict(METERS)
    for text in given:
        kind, _, regex = text.partition("=")
        if kind not in METERS or not regex:
            raise InputError(
                Issue(("--meter",), "must be prompt=REGEX, completion=REGEX or cached=REGEX", text)
            )
        texts[kind] = regex
    try:
        return {kind: re.compile(regex, re.I) for kind, regex in texts.items()}
    except re.error as error:
        raise InputError(
            Issue(("--meter",), f"is not a regular expression: {error}", error.pattern)
        ) from None
