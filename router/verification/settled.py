"""Bills as rows of settlements: those of spans shorter than a day by the billing month."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from router.verification.base.bills import Bill, BillKey
from router.verification.base.case import Case


def together(bills: Sequence[Bill]) -> Bill:
    """Bills of spans that have one row."""
    part = math.fsum(bill.part for bill in bills)

    def total(name: str) -> float:
        return math.fsum(getattr(bill, name) for bill in bills)

    return replace(
        bills[0],
        committed=total("due") / part,
        part=part,
        end=bills[-1].end,
        used_tokens=total("used_tokens"),
        used_usd=total("used_usd"),
        usd=total("usd"),
        own=total("own"),
        least_usd=total("least_usd"),
        beyond=total("beyond"),
        rolled_usd=total("rolled_usd"),
        unused_usd=total("unused_usd"),
        spans=len(bills),
        short=sum(bill.short for bill in bills),
        begin_h=bills[-1].begin_h,
        end_h=bills[-1].end_h,
        counted=bills[-1].counted,
        left=bills[-1].left,
        left_after=bills[-1].left_after,
        counted_usd=bills[-1].counted_usd,
    )


def settled_in(case: Case, bills: dict[BillKey, Bill]) -> dict[tuple[str, float, str | None], Bill]:
    """What is signed, as rows of settlements: by offer, first hour and scenario; hours by billing month."""
    rows: dict[tuple[str, float, str | None], list[Bill]] = defaultdict(list)
    first: dict[tuple[str, int, str | None], float] = {}
    for (name, _, scenario), bill in bills.items():
        if not bill.signed:
            continue
        from_h = bill.first * case.period_h
        if case.commitments[name].settled == "hour":
            from_h = first.setdefault((name, case.month_of[bill.first], scenario), from_h)
        rows[name, from_h, scenario].append(bill)
    return {key: together(bills) if len(bills) > 1 else bills[0] for key, bills in rows.items()}
