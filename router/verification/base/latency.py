"""Whether a measured entry keeps a latency promise, without flattering it, and how long it takes over work.

A limit at a percentile is met only by the value there or, where unknown, by the lowest known higher one.
A mean is met only by a known mean. `policy.p99_over_mean` supplies a P99 that is not given.

    request time = ttft + max(completion_tokens − 1, 0) · tpot        ms, each part by the same rule
    round trip     adds once to ttft and to request time
    a batch        ttft = request time = its turnaround               at every statistic

Instance-seconds of one unit of work:

    tokens_per_s                                 (prompt + completion) / rate
    prompt_tokens_per_s, completion_tokens_per_s prompt / rate + completion / rate; disaggregated: each
    requests_per_s                               1 / rate
    units_per_s                                  burndown units / rate
    points                                       1 / the highest rate among the points that apply

Cached prompt tokens take as long as others, unless the rate is in burndown units.
"""

from __future__ import annotations

from collections.abc import Mapping

from router.schema import OfferModel, Point, Slo, Workload
from router.verification.base.work import Unit

LEVEL = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
STATISTICS = ("mean", *LEVEL)
HOUR_MS = 3.6e6

type Limits = tuple[tuple[str, str, float], ...]
"""(ttft | tpot | request, statistic, limit in ms)."""

type Stated = Mapping[tuple[str, str], float]
"""Measured ms by (ttft | tpot, statistic)."""


def limits(slo: Slo) -> Limits:
    """What a workload asks for."""
    if not slo.model_fields_set:
        return ()
    promised = []
    for part in ("ttft", "tpot", "request"):
        for statistic in STATISTICS:
            value = getattr(slo, f"{part}_{statistic}_ms", None)
            if value is not None:
                promised.append((part, statistic, float(value)))
    return tuple(promised)


def promised_at(slo: Slo, rtt_ms: float) -> Limits:
    """What a workload asks for where the offer is: the round trip is taken off limits on first token and request."""
    return tuple(
        (part, statistic, limit if part == "tpot" else limit - rtt_ms)
        for part, statistic, limit in limits(slo)
    )


def stated_ms(entry: OfferModel, point: Point | None, p99_over_mean: float | None) -> Stated:
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


def at(part: str, statistic: str, values: Stated) -> float | None:
    """The value that stands for a statistic of ttft or tpot; None if nothing known may."""
    if statistic == "mean":
        return values.get((part, "mean"))
    return next(
        (values[part, p] for p in LEVEL if LEVEL[p] >= LEVEL[statistic] and (part, p) in values), None
    )


def meets(
    promised: Limits, values: Stated, completion_tokens: float, turnaround_h: float | None = None
) -> bool:
    """Whether all limits hold; inclusive, with 1e-9 of the limit for the arithmetic."""
    for part, statistic, limit in promised:
        if part == "tpot" and completion_tokens <= 1:
            continue
        value = service_ms(part, statistic, values, completion_tokens, turnaround_h)
        if value is None or value > limit * (1 + 1e-9):
            return False
    return True


def service_ms(
    part: str, statistic: str, values: Stated, completion_tokens: float, turnaround_h: float | None = None
) -> float | None:
    """Service latency at a statistic, without waiting; None if nothing known may stand for it."""
    if turnaround_h is not None and part != "tpot":
        return turnaround_h * HOUR_MS
    return (
        _request(statistic, values, completion_tokens) if part == "request" else at(part, statistic, values)
    )


def _request(statistic: str, values: Stated, completion_tokens: float) -> float | None:
    first = at("ttft", statistic, values)
    further = max(completion_tokens - 1, 0.0)
    if first is None or further == 0:
        return first
    each = at("tpot", statistic, values)
    return None if each is None else first + further * each


type Seconds = tuple[float, float]
"""Seconds on the prompt side and on the completion side; the same twice where one engine does both."""


def points_of_size(entry: OfferModel, size: tuple[float, float]) -> list[Point]:
    """The points measured at a size; else at the next larger one in both directions.

    That is one size: of those at least as large both ways the one of fewest tokens, then of the shorter prompt.
    """
    covering = [p for p in entry.points if p.prompt_tokens >= size[0] and p.completion_tokens >= size[1]]
    if not covering:
        return []
    nearest = min(
        (p.prompt_tokens + p.completion_tokens, p.prompt_tokens, p.completion_tokens) for p in covering
    )
    return [p for p in covering if (p.prompt_tokens, p.completion_tokens) == nearest[1:]]


def applicable_points(
    workload: Workload, unit: Unit, entry: OfferModel, p99_over_mean: float | None, rtt_ms: float
) -> list[Point]:
    """Points of the workload's size that keep its latency promise."""
    if unit.size is None:
        return []
    promised, points = promised_at(workload.slo, rtt_ms), points_of_size(entry, unit.size)
    if not promised:
        return points
    return [
        point for point in points if meets(promised, stated_ms(entry, point, p99_over_mean), unit.completion)
    ]


def seconds(
    workload: Workload, unit: Unit, entry: OfferModel, p99_over_mean: float | None, rtt_ms: float
) -> Seconds | None:
    """Instance-seconds of one unit of work; None where nothing is known about it."""
    if entry.points:
        rates = [p.requests_per_s for p in applicable_points(workload, unit, entry, p99_over_mean, rtt_ms)]
        return _both(1.0 / max(rates)) if rates else None
    if entry.tokens_per_s is not None:
        return _both(unit.tokens / entry.tokens_per_s)
    if entry.requests_per_s is not None:
        return None if unit.requests is None else _both(1.0 / entry.requests_per_s)
    if entry.units_per_s is not None:
        return _both(unit.burndown(entry) / entry.units_per_s)
    prompt = _time(unit.prompt, entry.prompt_tokens_per_s)
    completion = _time(unit.completion, entry.completion_tokens_per_s)
    if prompt is None or completion is None:
        return None
    return (prompt, completion) if entry.disaggregated else _both(prompt + completion)


def _both(value: float) -> Seconds:
    return value, value


def _time(tokens: float, rate: float | None) -> float | None:
    if rate is not None:
        return tokens / rate
    return 0.0 if tokens == 0 else None
