"""FOCUS 1.3 contract commitments: what is signed already, as offers of a file to include. https://focus.finops.org

    settled: year               once, over all of its period, by hours, where that is a year or less
    settled: term, term_h       the same of a longer one
    min_usd                     ContractCommitmentCost · span / length of its period              (category Spend)
    min_tokens                  ContractCommitmentQuantity · tokens in a unit, likewise           (category Usage)
    signed_until                ContractCommitmentPeriodEnd
    instances.reserved          ContractCommitmentQuantity / length of its period                 (Usage, in hours)
    instances.reserved_usd_per_h    ContractCommitmentCost / ContractCommitmentQuantity

The record says neither models nor prices: `models` is left to the user, and a file without them does not load. Hours of
instances are instances already reserved, until the offer closes. A commitment of another unit, or of another currency
than USD, is left out by name with its amount; one that has ended, or begins later than now, is said.
"""

from __future__ import annotations

import datetime as dt
import re
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

YEAR_H, LEAP_YEAR_H = 8760.0, 8784.0
HOURS = re.compile(r"(instance|reserved|usage)?[ _-]*(hours?|hrs?)", re.I)
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
        commitment, part = offer.get("commitment", {}), _length(record) / 3600.0 / _span_h(record)
        account.writes({"rows": 1.0, "tokens": commitment.get("min_tokens", 0.0) * part})
        account.writes({money: commitment.get("min_usd", 0.0) * part if commitment else count(record, COST)})
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
    tokens, hours, length_h = _tokens(record, rules), _hours(record), _length(record) / 3600.0
    part = _span_h(record) / length_h
    if tokens is None:
        least = {"min_usd": written_number(count(record, COST) * part)}
    else:
        least = {"min_tokens": written_number(tokens * part)}
        if cost := count(record, COST):
            why = "worth of a commitment in tokens, which the offer's prices have to say"
            money = (record.text("BillingCurrency") or "USD").upper()
            account.remark("left out", why, record.where, {money: cost}, names=[name])
    start, end = (_local(record, column, timezone) for column in (START, END))
    if moment(record, END) <= now:
        account.remark("note", "has ended by now", record.where, {"rows": 1}, names=[f"{name} at {end}"])
    elif hours is None and moment(record, START) < now:
        why = "what is used of it by now is not in the record"
        account.remark("note", why, record.where, {"rows": 1}, names=[name], hint="state it as so_far")
    if moment(record, START) > now:
        why = "begins later, which a signed contract cannot say: it is due from the horizon's begin"
        account.remark("note", why, record.where, {"rows": 1}, names=[f"{name} from {start}"])
    words = [record.text(f"ContractCommitment{part}") for part in ("Type", "Description")]
    note = "; ".join(
        [*(word for word in words if word), f"contract {record.text('ContractId')}, from {start}"]
    )
    offer = {
        "name": name,
        "provider": record.text("ServiceProviderName") or record.text("InvoiceIssuerName") or name,
        "note": note,
        "models": {},
    }
    if hours is not None:
        return offer | _reserved(hours, length_h, count(record, COST), end)
    term: dict[str, Any] = {"settled": "year"}
    if length_h > LEAP_YEAR_H:
        term = {"settled": "term", "term_h": written_number(length_h), "start": "first"}
    return offer | {"commitment": term | least | {"signed": True, "signed_until": end}}


def _reserved(hours: float, length_h: float, usd: float, end: str) -> dict[str, Any]:
    """Instances that are paid for in every hour until they are given back, and no more of them."""
    number, hourly = written_number(hours / length_h), written_number(usd / hours)
    rent = {"usd_per_h": hourly, "max": number, "reserved": number, "reserved_usd_per_h": hourly}
    parts = {} if float(number).is_integer() else {"integral": False}
    return {"instances": rent | parts, "schedule": [{"from": end, "available": False}]}


def _unusable(record: RawRecord, rules: MeterRules, money: str) -> str | None:
    if _length(record) <= 0:
        raise record.error((END,), f"must be after {START}", record.get(END))
    if (record.text("ContractCommitmentCategory") or "").lower() == "usage":
        if _tokens(record, rules) is not None:
            return None
        if _hours(record) is None:
            return f'unit "{record.text(UNIT)}" not known'
    if record.number(COST) is None:
        raise record.error((COST,), "is missing", record.get(COST))
    return None if money == "USD" else f"in {money}, and plans are in USD"


def _tokens(record: RawRecord, rules: MeterRules) -> float | None:
    """Tokens of a commitment to use; None where it is one to spend, or of another unit."""
    if (record.text("ContractCommitmentCategory") or "").lower() != "usage":
        return None
    factor = rules.factor(record.text(UNIT))
    return None if factor is None else count(record, QUANTITY) * factor


def _hours(record: RawRecord) -> float | None:
    """Hours of instances of a commitment to use; None where it is of something else."""
    used = (record.text("ContractCommitmentCategory") or "").lower() == "usage"
    hours = count(record, QUANTITY) if used and HOURS.fullmatch(record.text(UNIT) or "") else 0.0
    return hours if hours > 0 else None


def _span_h(record: RawRecord) -> float:
    """Hours over which it settles."""
    length_h = _length(record) / 3600.0
    return length_h if length_h > LEAP_YEAR_H else YEAR_H


def _length(record: RawRecord) -> float:
    return moment(record, END) - moment(record, START)


def _local(record: RawRecord, column: str, timezone: str) -> str:
    return (
        dt.datetime.fromtimestamp(moment(record, column), ZoneInfo(timezone)).replace(tzinfo=None).isoformat()
    )
