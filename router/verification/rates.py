"""How long one instance takes over one unit of work.

    tokens_per_s                                 (prompt + completion) / rate
    prompt_tokens_per_s, completion_tokens_per_s prompt / rate + completion / rate; disaggregated: each
    requests_per_s                               1 / rate
    units_per_s                                  burndown units / rate
    points                                       1 / the highest rate among the points that apply

Cached prompt tokens take as long as others, unless the rate is in burndown units.
"""

from __future__ import annotations

from router.schema import OfferModel, Point, Workload
from router.verification import latency
from router.verification.work import Unit

type Seconds = tuple[float, float]
"""Seconds on the prompt side and on the completion side; the same twice where one engine does both."""


def size_of(workload: Workload, unit: Unit) -> tuple[float, float] | None:
    """Prompt and completion tokens of a request; None where no size is stated."""
    return None if unit.requests is None else (unit.prompt, unit.completion)


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
    workload: Workload, unit: Unit, entry: OfferModel, p99_over_mean: float | None
) -> list[Point]:
    """Points of the workload's size that keep its latency promise."""
    size = size_of(workload, unit)
    if size is None:
        return []
    asked = latency.limits(workload.slo)
    return [
        point
        for point in points_of_size(entry, size)
        if latency.meets(asked, latency.known(entry, point, p99_over_mean), size[1])
    ]


def seconds(workload: Workload, unit: Unit, entry: OfferModel, p99_over_mean: float | None) -> Seconds | None:
    """Instance-seconds of one unit of work; None where nothing is known about it."""
    if entry.points:
        rates = [p.requests_per_s for p in applicable_points(workload, unit, entry, p99_over_mean)]
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
