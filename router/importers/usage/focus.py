"""FOCUS 1.0 to 1.3 cost and usage CSV: tokens by meter and charge period. https://focus.finops.org

`focus_meters` reads how many tokens of which kind a row counts. Prompt tokens are those of prompt and cached meters
together. A token meter whose kind no word tells is an error, not nothing.

Read are rows of ChargeCategory Usage that are not an unused commitment; corrections (negative quantities) count. What
else the bill charges is left out by name, with its money. A bill counts no requests. The model is the first of
`--model-column`, x_Model, x_ModelName, ResourceName, SkuId with a value; without SkuMeter (FOCUS 1.0) a SKU is of one
kind of token, and the meter's own name says the model.

Exports are written again from month's begin every day: a row that an earlier file has in every amount counts once, and
one that agrees with it in all but quantity or cost is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from router.errors import InputError, Issue, nearest
from router.importers.account import COMPLETION, PROMPT, Account
from router.importers.records import RawRecord, moment
from router.importers.usage.focus_meters import CACHE_STATUS, COLUMNS, MeterRules, model_in
from router.importers.usage.reading import Row, UsageRecords, leave_out, with_repeats

NAME = "focus"
TITLE = "FOCUS cost and usage"

MODEL_COLUMNS = ("x_Model", "x_ModelName", "ResourceName")
LABELS = {
    "provider": ("ProviderName", "ServiceProviderName"),
    "account": ("SubAccountId",),
    "region": ("RegionId",),
    "service": ("ServiceName",),
    "category": ("PricingCategory",),
}
KEY = (
    *(
        "ChargePeriodStart",
        "ChargePeriodEnd",
        "ChargeCategory",
        "ChargeClass",
        "PricingCategory",
        "BillingAccountId",
    ),
    *(
        "SubAccountId",
        "RegionId",
        "AvailabilityZone",
        "ServiceName",
        "ResourceId",
        "ResourceName",
        "SkuId",
        "SkuPriceId",
    ),
    *(
        "SkuPriceDetails",
        "Tags",
        "ConsumedUnit",
        "PricingUnit",
        "CommitmentDiscountId",
        "CommitmentDiscountStatus",
    ),
    *("ProviderName", "ServiceProviderName", *COLUMNS),
)
AMOUNTS = ("ConsumedQuantity", "PricingQuantity", "BilledCost", "EffectiveCost")


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return any(_plain(name) == "chargeperiodstart" for name in record.values)


def _plain(column: str) -> str:
    return column.replace("_", "").lower()


def _as_named(records: Sequence[RawRecord]) -> Sequence[RawRecord]:
    """Columns by FOCUS's own names, where a database has written them all in capitals or with underscores."""
    if all("ChargePeriodStart" in record.values for record in records):
        return records
    names = {
        _plain(name): name for name in (*KEY, *AMOUNTS, *MODEL_COLUMNS, "BillingCurrency", *CACHE_STATUS)
    }
    return [
        dataclasses.replace(
            record, values={names.get(_plain(name), name): value for name, value in record.values.items()}
        )
        for record in records
    ]


def read(records: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all files. Raises InputError: a meter whose kind no word tells, rows that contradict each other."""
    rules, records = MeterRules.of(settings), _as_named(records)
    for option in ("meter_column", "model_column"):
        for name in settings.get(option, ()):
            if all(name not in record.values for record in records):
                known = nearest(name, {column for record in records for column in record.values})
                flag = f"--{option.replace('_', '-')}"
                raise InputError(Issue((flag,), "is not a column of these records", name, known))
    columns = (*settings.get("model_column", ()), *MODEL_COLUMNS)
    account, rows = Account(), []
    unknown: dict[str, RawRecord] = {}
    several: dict[str, dict[str, Row]] = {}
    unique = with_repeats(
        records,
        key=lambda record: tuple(record.get(name) or "" for name in (*KEY, *rules.columns)),
        amounts=lambda record: tuple(record.number(name) for name in AMOUNTS),
        same="period, meter, account and resource",
    )
    for record, repeated in unique:
        column, meter = rules.meter(record)
        tokens = rules.tokens(record)
        why, hint = _left_out(record, tokens)
        kind = None if why else rules.kind(record, meter)
        row = _row(record, tokens or 0.0, kind, _model(record, columns, column, meter))
        if why or repeated:
            names = () if repeated else (row.labels["service"],)
            leave_out(account, row, "counted already" if repeated else why or "", names, hint)
        elif kind is None:
            unknown.setdefault(meter, record)
        else:
            rows.append(row)
            _note(account, row, column)
            if (said := model_in(meter)) and row.labels["model"] == record.text("ResourceName"):
                several.setdefault(row.labels["model"], {}).setdefault(said, row)
    if unknown:
        hint = "--meter prompt=REGEX (or completion=, cached=) says; --meter-column reads another column"
        raise InputError(
            Issue(
                (rules.meter(one)[0] or COLUMNS[0],),
                "counts tokens of which kind?",
                meter or None,
                hint,
                one.file,
                one.line,
            )
            for meter, one in sorted(unknown.items())
        )
    for resource, models in several.items():
        if len(models) > 1:
            why = f"meters of several models put together, as all are of resource {resource}"
            hint = f"--model-column {COLUMNS[0]} tells them apart"
            account.remark("note", why, next(iter(models.values())).place, {}, names=list(models), hint=hint)
    _one_kind(account, rows)
    return UsageRecords(rows, sorted({(row.start, row.end) for row in rows}), account)


def _left_out(record: RawRecord, tokens: float | None) -> tuple[str | None, str | None]:
    """Why a row counts no tokens that are used, and what could be done about it."""
    category = record.text("ChargeCategory") or "Usage"
    if category.lower() != "usage":
        return f"charge category {category}", None
    if (record.text("CommitmentDiscountStatus") or "").lower() == "unused":
        return "unused commitment", None
    if tokens is not None:
        return None, None
    unit = record.text("ConsumedUnit") or record.text("PricingUnit")
    if unit is None:
        return "no unit", None
    if record.number("ConsumedQuantity") is None and record.number("PricingQuantity") is None:
        return "no quantity", None
    return f'unit "{unit}" not known', f'"--meter-unit {unit}=N" says that one is N tokens'


def _model(record: RawRecord, columns: Sequence[str], column: str, meter: str) -> str:
    """The model's name; a column that names meters says it beside the kind."""
    for name in columns:
        if text := record.text(name):
            return (model_in(text) or text) if name in COLUMNS else text
    own = (model_in(meter) or record.text("ServiceName")) if column != COLUMNS[0] else None
    return own or record.text("SkuId") or meter or "unknown"


def _row(record: RawRecord, tokens: float, kind: str | None, model: str) -> Row:
    start, end = moment(record, "ChargePeriodStart"), moment(record, "ChargePeriodEnd")
    if end <= start:
        raise record.error(
            ("ChargePeriodEnd",), "must be after ChargePeriodStart", record.get("ChargePeriodEnd")
        )
    labels = {
        name: next((text for column in columns if (text := record.text(column))), "none")
        for name, columns in LABELS.items()
    }
    labels["model"] = model
    billed = record.number("BilledCost")
    return Row(
        start=start,
        end=end,
        requests=0.0,
        prompt_tokens=tokens if kind != "completion" else 0.0,
        cached_tokens=tokens if kind == "cached" else 0.0,
        written_tokens=tokens if kind == "written" else 0.0,
        completion_tokens=tokens if kind == "completion" else 0.0,
        labels=labels,
        money=billed if billed is not None else record.number("EffectiveCost") or 0.0,
        currency=(record.text("BillingCurrency") or "USD").upper(),
        place=record.where,
    )


def _note(account: Account, row: Row, column: str) -> None:
    if column != COLUMNS[0]:
        why = f"kind of token, and the model where no column names it, read from {column}, because SkuMeter is missing"
        account.remark("note", why, row.place, {"rows": 1}, hint="--meter-column names another")


def _one_kind(account: Account, rows: Sequence[Row]) -> None:
    """SKUs of prompt alone beside SKUs of completion alone may be halves of one model."""
    sums: dict[str, tuple[float, float, str]] = {}
    for row in rows:
        prompt, completion, place = sums.get(row.labels["model"], (0.0, 0.0, row.place))
        sums[row.labels["model"]] = prompt + row.prompt_tokens, completion + row.completion_tokens, place
    halves = {name: (p > 0, c > 0) for name, (p, c, _) in sums.items()}
    if {(True, False), (False, True)} <= set(halves.values()):
        names = [name for name, (prompt, completion) in halves.items() if prompt != completion]
        amounts = {
            PROMPT: sum(sums[name][0] for name in names),
            COMPLETION: sum(sums[name][1] for name in names),
        }
        why = "names of one kind of token each, which may be halves of one model"
        hint = f'"--rename {names[0]}=MODEL", and so for each, puts them together'
        account.remark("note", why, sums[names[0]][2], amounts, names=names, hint=hint)
