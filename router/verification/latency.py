"""Whether a measured entry keeps a latency promise, without flattering it.

A limit at a percentile is met only by the value there or, where unknown, by the lowest known higher one.
A mean is met only by a known mean. `policy.p99_over_mean` supplies a P99 that is not given.

    request time = ttft + max(completion_tokens − 1, 0) · tpot        ms, each part by the same rule
"""

from __future__ import annotations

from collections.abc import Mapping

from router.schema import OfferModel, Point, Slo

PERCENTILES = ("p50", "p90", "p95", "p99")
STATISTICS = ("mean", *PERCENTILES)

type Limits = tuple[tuple[str, str, float], ...]
"""(ttft | tpot | request, statistic, limit in ms)."""

type Known = Mapping[tuple[str, str], float]
"""Measured ms by (ttft | tpot, statistic)."""


def limits(slo: Slo) -> Limits:
    """What a workload asks for."""
    found = []
    for part in ("ttft", "tpot", "request"):
        for statistic in STATISTICS:
            value = getattr(slo, f"{part}_{statistic}_ms", None)
            if value is not None:
                found.append((part, statistic, float(value)))
    return tuple(found)


def known(entry: OfferModel, point: Point | None, p99_over_mean: float | None) -> Known:
    """The point's value, else the entry's; a missing P99 from the mean where that is assumed."""
    values = {}
    for part in ("ttft", "tpot"):
        for statistic in STATISTICS:
            field = f"{part}_{statistic}_ms"
            value = getattr(point, field, None)
            if value is None:
                value = getattr(entry, field, None)
            if value is not None:
                values[part, statistic] = float(value)
        if p99_over_mean is not None and (part, "mean") in values:
            values.setdefault((part, "p99"), values[part, "mean"] * p99_over_mean)
    return values


def at(part: str, statistic: str, values: Known) -> float | None:
    """The value that stands for a statistic of ttft or tpot; None if nothing known may."""
    if statistic == "mean":
        return values.get((part, "mean"))
    for higher in PERCENTILES[PERCENTILES.index(statistic) :]:
        if (part, higher) in values:
            return values[part, higher]
    return None


def meets(asked: Limits, values: Known, completion_tokens: float) -> bool:
    """Whether all limits hold; inclusive, with 1e-9 of the limit for the arithmetic."""
    for part, statistic, limit in asked:
        if part == "tpot" and completion_tokens <= 1:
            continue
        value = service_ms(part, statistic, values, completion_tokens)
        if value is None or value > limit * (1 + 1e-9):
            return False
    return True


def service_ms(part: str, statistic: str, values: Known, completion_tokens: float) -> float | None:
    """Service latency at a statistic, without waiting; None if nothing known may stand for it."""
    return (
        _request(statistic, values, completion_tokens) if part == "request" else at(part, statistic, values)
    )


def _request(statistic: str, values: Known, completion_tokens: float) -> float | None:
    first = at("ttft", statistic, values)
    further = max(completion_tokens - 1, 0.0)
    if first is None or further == 0:
        return first
    each = at("tpot", statistic, values)
    return None if each is None else first + further * each
