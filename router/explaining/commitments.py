"""Which commitments bind: the spans in which all that is committed is used, and what the others leave.

A span that is used whole would take more of the commitment; one that is not pays for what it does not use. What a unit
more would save in a span is the dual of its row: `used ≤ committed`, with what goes beyond at the offers' own prices or
not at all. Against it stands what the unit costs, in every span, used or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from problems.commitments import NAME
from problems.core.span_use import units_of_spans
from problems.overage import NAME as IN_TIME
from router.plan.document import Plan
from router.plan.rows import Settlement
from router.planning.two_steps import Incumbent

WHOLE = 1 - 1e-6
KINDS = ("overage", "limit")
LEAST_USD = 1e-9


@dataclass(frozen=True)
class CommitmentUse:
    """A contract or an agreement that commits to something: spans settled in the horizon, and those used whole.

    more_from_usd, more_to_usd   what a dollar more of commitment in one of the spans that bind would save there (of a
                                 commitment in tokens: a million more), least and most, with contracts and counts as
                                 planned; None: no row of a span has a price
    """

    seller: str
    spans: int
    used_whole: int
    unused_usd: float
    more_from_usd: float | None = None
    more_to_usd: float | None = None


def commitment_uses(
    plan: Plan, worth: Mapping[str, Sequence[float]] | None = None
) -> tuple[CommitmentUse, ...]:
    """In the plan's order; contracts that are not settled by spans of their own state nothing unused."""
    by_seller: dict[str, list[Settlement]] = {}
    for row in plan.settlements:
        if row.signed and row.utilisation is not None:
            by_seller.setdefault(row.seller, []).append(row)
    worth = worth or {}
    return tuple(
        CommitmentUse(
            seller=seller,
            spans=sum(row.spans or 1 for row in rows),
            used_whole=sum(map(_used_whole, rows)),
            unused_usd=fsum(row.unused_usd or 0.0 for row in rows),
            more_from_usd=min(worth.get(seller, ()), default=None),
            more_to_usd=max(worth.get(seller, ()), default=None),
        )
        for seller, rows in by_seller.items()
    )


def worth_of_more(found: Incumbent) -> dict[str, list[float]]:
    """USD that a unit more of commitment would save in each span where that is anything, by seller."""
    if found.row_duals is None:
        return {}
    view, cols = found.encoded.views[0], found.encoded.columns[0]
    contracts, names = view.inst.contracts, view.inst.offers.names
    units = {names[o]: units_of_spans(view, cols, b) for b, o in enumerate(contracts.offer.tolist())}
    million = {
        names[o]: 1e6 if contracts.in_tokens[b] else 1.0 for b, o in enumerate(contracts.offer.tolist())
    }
    by_span: dict[tuple[str, int], float] = defaultdict(float)
    for family, first, end, _ in found.encoded.row_families:
        if family not in (NAME, IN_TIME):
            continue
        for i in np.flatnonzero(np.abs(found.row_duals[first:end]) > 0).tolist():
            label = found.encoded.row_label(first + i).partition("(")[2].rstrip(")")
            place = _in_time(label) if family == IN_TIME else _of_span(label)
            if place is not None and place[0] in units:
                seller, span, sign = place
                usd = sign * abs(float(found.row_duals[first + i]))
                by_span[seller, span] += usd / float(units[seller][span]) * million[seller]
    worth: dict[str, list[float]] = {}
    for (seller, _), usd in by_span.items():
        if usd > LEAST_USD:
            worth.setdefault(seller, []).append(usd)
    return worth


def _of_span(label: str) -> tuple[str, int, float] | None:
    """(seller, span, 1) of `seller,kind,span n`, of the kinds in which more of a commitment leaves more room."""
    seller, kind, span = (*label.rsplit(",", 2), "", "")[:3]
    return (seller, int(span.removeprefix("span ")), 1.0) if kind in KINDS else None


def _in_time(label: str) -> tuple[str, int, float] | None:
    """The same of `seller,span n,before period t`; with `some`, where what goes beyond is no more than it is, −1."""
    if label.endswith(",none"):  # says nothing of what is committed
        return None
    sign = -1.0 if label.endswith(",some") else 1.0
    seller, span, _ = label.removesuffix(",some").rsplit(",", 2)
    return seller, int(span.removeprefix("span ")), sign


def _used_whole(row: Settlement) -> int:
    if row.spans is not None:
        return row.spans - (row.spans_short or 0)
    return int((row.utilisation or 0.0) >= WHOLE)
