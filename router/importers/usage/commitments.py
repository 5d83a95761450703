"""FOCUS 1.3 contract commitments: what is signed already, as offers of a file to include. https://focus.finops.org

    min_usd_per_month    = ContractCommitmentCost · 730 h / length of its period            (category Spend)
    min_tokens_per_month = ContractCommitmentQuantity · tokens in a unit · 730 h / length   (category Usage)
    signed_until         = ContractCommitmentPeriodEnd

The record says neither models nor prices: `models` is left to the user, and a file without them does not load. A
commitment of another unit than tokens (hours of instances), or of another currency than USD, is left out by name with
its amount; one that has ended, or begins later than now, is said.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from router.errors import InputError, Issue
from router.importers.account import Account
from router.importers.records import RawRecord, count, moment
from router.importers.usage.focus_meters import MeterRules
from router.importers.usage.problem import written_number
from router.importers.usage.reading import with_repeats

NAME = "focus-commitments"
TITLE = "FOCUS contract commitments"

MONTH_S = 730 * 3600.0
COST, QUANTITY, UNIT = "ContractCommitmentCost", "ContractCommitmentQuantity", "ContractCommitmentUnit"
START, END = "ContractCommitmentPeriodStart", "ContractCommitmentPeriodEnd"


def is_commitment(record: RawRecord) -> bool:
    """Whether a record is one of these, and no charge."""
    return {"ContractCommitmentId", START} <= set(record.values)


def signed_offers(
    records: Sequence[RawRecord],
    settings: Mapping[str, Sequence[str]],
    *,
    source: str,
    timezone: str,
    now: float,
) -> tuple[str, Account, int]:
    """The file's text, its account, and how many offers it has. Raises InputError: none, or two that contradict."""
    rules, account = MeterRules.of(settings), Account()
    offers: list[dict[str, Any]] = []
    repeats = with_repeats(
        records,
        key=lambda record: record.text("ContractCommitmentId"),
        amounts=lambda record: tuple(str(record.get(name)) for name in (COST, QUANTITY, UNIT, START, END)),
        same="ContractCommitmentId",
        unique=lambda record: True,
    )
    for record, repeated in repeats:
        money = (record.text("BillingCurrency") or "USD").upper()
        amounts = {"rows": 1.0, "tokens": _tokens(record, rules) or 0.0, money: count(record, COST)}
        account.reads(amounts)
        why = "counted already" if repeated else _unusable(record, rules, money)
        if why:
            name = record.text("ContractCommitmentId") or "none"
            account.remark("left out", why, record.where, amounts, names=() if repeated else (name,))
            continue
        offer = _offer(record, rules, timezone, account, now)
        offers.append(offer)
        months = _length(record) / MONTH_S
        commitment = offer["commitment"]
        account.writes({"rows": 1.0, "tokens": commitment.get("min_tokens_per_month", 0.0) * months})
        account.writes({money: commitment.get("min_usd_per_month", 0.0) * months})
    if not offers:
        raise InputError(Issue((), "holds no commitment to sign", detail="\n".join(account.lines())))
    why = "prices and models are not in the record: the file loads when each offer has its own"
    account.remark("note", why, "", {}, names=[offer["name"] for offer in offers])
    content = {"schema": "router/1", "name": "contract commitments", "source": source, "offers": offers}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)
    return text, account, len(offers)


def _offer(
    record: RawRecord, rules: MeterRules, timezone: str, account: Account, now: float
) -> dict[str, Any]:
    name = record.text("ContractCommitmentId") or ""
    if not name:
        raise record.error(("ContractCommitmentId",), "is missing")
    per_month, tokens = MONTH_S / _length(record), _tokens(record, rules)
    if tokens is None:
        least = {"min_usd_per_month": written_number(count(record, COST) * per_month)}
    else:
        least = {"min_tokens_per_month": written_number(tokens * per_month)}
        if cost := count(record, COST):
            why = "worth of a commitment in tokens, which the offer's prices have to say"
            money = (record.text("BillingCurrency") or "USD").upper()
            account.remark("left out", why, record.where, {money: cost}, names=[name])
    account.remark("note", "spread evenly over months of 730 h", record.where, {"rows": 1})
    start, end = (_local(record, column, timezone) for column in (START, END))
    if moment(record, END) <= now:
        account.remark("note", "has ended by now", record.where, {"rows": 1}, names=[f"{name} at {end}"])
    if moment(record, START) > now:
        why = "begins later, which a signed contract cannot say: it is due from the horizon's begin"
        account.remark("note", why, record.where, {"rows": 1}, names=[f"{name} from {start}"])
    words = [record.text(f"ContractCommitment{part}") for part in ("Type", "Description")]
    note = "; ".join(
        [*(word for word in words if word), f"contract {record.text('ContractId')}, from {start}"]
    )
    return {
        "name": name,
        "provider": record.text("ServiceProviderName") or record.text("InvoiceIssuerName") or name,
        "note": note,
        "models": {},
        "commitment": least | {"signed": True, "signed_until": end},
    }


def _unusable(record: RawRecord, rules: MeterRules, money: str) -> str | None:
    if _length(record) <= 0:
        raise record.error((END,), f"must be after {START}", record.get(END))
    if (record.text("ContractCommitmentCategory") or "").lower() == "usage":
        return None if _tokens(record, rules) is not None else f'unit "{record.text(UNIT)}" not known'
    if record.number(COST) is None:
        raise record.error((COST,), "is missing", record.get(COST))
    return None if money == "USD" else f"in {money}, and plans are in USD"


def _tokens(record: RawRecord, rules: MeterRules) -> float | None:
    """Tokens of a commitment to use; None where it is one to spend, or of another unit."""
    if (record.text("ContractCommitmentCategory") or "").lower() != "usage":
        return None
    factor = rules.factor(record.text(UNIT))
    return None if factor is None else count(record, QUANTITY) * factor


def _length(record: RawRecord) -> float:
    return moment(record, END) - moment(record, START)


def _local(record: RawRecord, column: str, timezone: str) -> str:
    return (
        dt.datetime.fromtimestamp(moment(record, column), ZoneInfo(timezone)).replace(tzinfo=None).isoformat()
    )
