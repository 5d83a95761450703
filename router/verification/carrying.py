"""What a limit that spills carries in every minute of a period, in its order.

an instance    availability · max_utilisation of the minute, less where it still boots: its first start_h hours
a quota        the cap of the minute, over its mean in the period

A period stands in so many equal parts, its minutes or more; each has the mean by hours of what holds in it.
"""

from __future__ import annotations

import math
from itertools import pairwise

from router.schema import Offer
from router.verification.base.case import Case, Future
from router.verification.base.quotas import BY_MINUTE, Allowance


def carried_by_minute(
    case: Case, allowance: Allowance, offer: Offer, future: Future, period: int, parts: int
) -> list[float]:
    """(parts,) of one instance that has booted, or of the cap."""
    start, end = case.span(period)
    alike = len(list(case.times.stretches(offer.name, start, end))) == 1
    edges = (start + (end - start) * k / parts for k in range(parts + 1))
    spans = [(start, end)] if alike else list(pairwise(edges))
    if offer.instances is not None:
        most = 1.0 if offer.instances.max_utilisation is None else offer.instances.max_utilisation
        each = [case.available(offer.name, future, *span) * most for span in spans]
    else:
        cap = next(cap for cap in allowance.caps if cap.owner == offer.name and cap.kind in BY_MINUTE)
        each = [allowance.mean(cap, *span) for span in spans]
        mean = math.fsum(each) / len(each)
        each = [value / mean if mean > 0 else 1.0 for value in each]
    return each * parts if alike else each


def booting_by_minute(case: Case, offer: str, since: int, period: int, parts: int) -> list[float]:
    """(parts,) the part of each for which what starts with a period boots in another; closing ends that."""
    h = case.period_h
    left_h = case.instances[offer].start_h - (period - since) * h
    if left_h <= 0 or any(case.closed(offer, t) for t in range(since, period + 1)):
        return [0.0] * parts
    return [min(max((left_h - k * h / parts) * parts / h, 0.0), 1.0) for k in range(parts)]


def first_to_boot(case: Case, offer: str, period: int) -> int:
    """The first period with which something may have started that boots in another."""
    return max(0, period - math.ceil(case.instances[offer].start_h / case.period_h - 1e-9))
