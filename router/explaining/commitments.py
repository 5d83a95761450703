"""Which commitments bind: the spans in which all that is committed is used, and what the others leave.

A span that is used whole would take more of the commitment; one that is not pays for what it does not use.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

from router.plan.document import Plan
from router.plan.rows import Settlement

WHOLE = 1 - 1e-6


@dataclass(frozen=True)
class CommitmentUse:
    """A contract or an agreement that commits to something: spans settled in the horizon, and those used whole."""

    seller: str
    spans: int
    used_whole: int
    unused_usd: float


def commitment_uses(plan: Plan) -> tuple[CommitmentUse, ...]:
    """In the plan's order; contracts that are not settled by spans of their own state nothing unused."""
    by_seller: dict[str, list[Settlement]] = {}
    for row in plan.settlements:
        if row.signed and row.utilisation is not None:
            by_seller.setdefault(row.seller, []).append(row)
    return tuple(
        CommitmentUse(
            seller=seller,
            spans=sum(row.spans or 1 for row in rows),
            used_whole=sum(map(_used_whole, rows)),
            unused_usd=fsum(row.unused_usd or 0.0 for row in rows),
        )
        for seller, rows in by_seller.items()
    )


def _used_whole(row: Settlement) -> int:
    if row.spans is not None:
        return row.spans - (row.spans_short or 0)
    return int((row.utilisation or 0.0) >= WHOLE)
