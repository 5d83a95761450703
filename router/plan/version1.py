"""Plans of `router-plan/1` as documents of version 2: months become hours, and `commitments` are `settlements`.

    contracts      from_h = 730 · start_month    until_h = 730 · end_month, or the horizon's end if the problem file
                                                 states no end: version 1 rounds it up to whole months
    purchases      from_h = 730 · month          until_h = from_h + 730 · term, which only the problem file states
    settlements    from the start of the first period of the month to the end of its last

A period belongs to the month in which it starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from router.plan.values import LARGEST, MONTH_H

SCHEMA = "router-plan/1"
MOST_PERIODS = 1_000_000

Row = dict[str, Any]
Offers = Mapping[str, Mapping[str, Any]]


def upgraded(data: Mapping[str, Any], problem: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A document of version 2, but for its `schema`. What is not as in version 1 stays as it is, to be refused later.

    `problem` is the problem file as JSON values. Without it the ends of purchases are null.
    """
    document = dict(data)
    offers = {offer["name"]: offer for offer in (problem or {}).get("offers", ())}
    horizon_h = document.get("horizon_h")
    spans = _spans(document.get("periods"), horizon_h)
    document["settlements"] = _each(document.pop("commitments", None), lambda row: _settlement(row, spans))
    document["purchases"] = _each(document.get("purchases"), lambda row: _purchase(row, offers))
    document["contracts"] = _each(document.get("contracts"), lambda row: _contract(row, offers, horizon_h))
    return document


def _each(rows: Any, upgrade: Callable[[Row], Row]) -> Any:
    if not isinstance(rows, list):
        return rows
    return [upgrade(row) if isinstance(row, dict) else row for row in rows]


def _settlement(row: Row, spans: Mapping[object, tuple[float, float]]) -> Row:
    span = spans.get(month) if _is_month(month := row.get("month")) else None
    return row if span is None else _without(row, "month") | {"from_h": span[0], "until_h": span[1]}


def _purchase(row: Row, offers: Offers) -> Row:
    month = row.get("month")
    if not _is_month(month):
        return row
    term = _part(offers, row, "instances").get("term_months")
    until_h = None if term is None else (month + term) * MONTH_H
    return _without(row, "month") | {"from_h": month * MONTH_H, "until_h": until_h}


def _contract(row: Row, offers: Offers, horizon_h: object) -> Row:
    start, end = row.get("start_month"), row.get("end_month")
    if not (_is_month(start) and _is_month(end)):
        return row
    stated, by_plan = _part(offers, row, "commitment"), row.get("signed_by") == "plan"
    no_end = stated.get("term_months" if by_plan else "signed_until") is None
    lasts = no_end and bool(stated if by_plan else stated.get("signed"))
    until_h = horizon_h if lasts else end * MONTH_H
    return _without(row, "start_month", "end_month") | {"from_h": start * MONTH_H, "until_h": until_h}


def _part(offers: Offers, row: Row, part: str) -> Mapping[str, Any]:
    """A section of the row's offer in the problem file."""
    return offers.get(str(row.get("offer")), {}).get(part) or {}


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _is_month(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_PERIODS


def _spans(periods: object, horizon_h: object) -> dict[object, tuple[float, float]]:
    """First and last hour by billing month."""
    if (
        not (_is_month(periods) and periods and isinstance(horizon_h, int | float))
        or not 0 < horizon_h < LARGEST
    ):
        return {}
    period_h = horizon_h / periods
    first: dict[int, int] = {}
    for t in range(periods):
        first.setdefault(math.floor(t * period_h / MONTH_H + 1e-9), t)
    ends = [*list(first.values())[1:], periods]
    return {k: (t * period_h, end * period_h) for (k, t), end in zip(first.items(), ends, strict=True)}
