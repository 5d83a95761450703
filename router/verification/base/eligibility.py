"""Which routes are admissible, judged afresh from the problem: every refusal with all its reasons.

A candidate is (workload, offer, model the workload accepts). Where the offer does not serve the model, the
reasons that concern model and offer alone are still given. Unknown facts do not refuse; unmet needs do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from router.schema import Model, Offer, OfferModel, Workload
from router.verification.base import latency
from router.verification.base.case import Case
from router.verification.base.cells import longest_left_h
from router.verification.base.quotas import caps_of
from router.verification.base.work import TOKEN_PRICES, Unit, prices_of, token_prices, unit_of

CODES = (
    "model_not_offered", "model_too_large", "memory", "context", "streaming", "custom_weights",
    "open_weights", "region", "quality", "latency", "unmeasured", "no_price", "denied", "deadline",
)  # fmt: skip
"""The order in which reasons are listed."""

Candidate = tuple[str, str, str]


def judge(case: Case) -> dict[Candidate, tuple[str, ...]]:
    """Reasons against every candidate; an empty tuple admits it."""
    verdicts = {}
    caps = [cap for cap in caps_of(case.problem) if cap.kind in ("requests", "requests_per_day")]
    for workload in case.workloads.values():
        judged = _Requirements.of(case, workload)
        for offer in (each for each in case.offers.values() if each.name not in case.halves):
            for name in workload.models:
                counted = any(cap.counts(workload.name, offer.name, name) for cap in caps)
                here = judged.at(case.rtt_ms(workload.name, offer.name))
                reasons = frozenset(
                    _reasons(here, offer, case.problem.models[name], offer.models.get(name), counted)
                )
                verdicts[workload.name, offer.name, name] = _in_order(reasons)
    return verdicts


def _in_order(reasons: frozenset[str]) -> tuple[str, ...]:
    return tuple(code for code in CODES if code in reasons) if reasons else ()


@dataclass(frozen=True, slots=True)
class _Requirements:
    """What a workload asks for, read once."""

    workload: Workload
    unit: Unit
    context: float
    limits: latency.Limits
    p99_over_mean: float | None
    left_h: float
    rtt_ms: float = 0.0

    @classmethod
    def of(cls, case: Case, workload: Workload) -> _Requirements:
        unit = unit_of(workload)
        stated = workload.needs.context_tokens or 0.0
        context = max(stated, unit.tokens) if unit.requests is not None else stated
        promised, left_h = latency.limits(workload.slo), longest_left_h(case, workload)
        return cls(workload, unit, context, promised, case.problem.policy.p99_over_mean, left_h)

    def at(self, rtt_ms: float) -> _Requirements:
        """The same of an offer so far away."""
        if rtt_ms == self.rtt_ms:
            return self
        return replace(self, limits=latency.promised_at(self.workload.slo, rtt_ms), rtt_ms=rtt_ms)


def _reasons(
    required: _Requirements, offer: Offer, model: Model, entry: OfferModel | None, counted: bool
) -> Iterator[str]:
    yield from _fit(required, offer, model)
    yield from _needs(required.workload, offer, model)
    if (offer.turnaround_h or 0.0) > required.left_h * (1 + 1e-9):
        yield "deadline"
    if entry is None:
        yield "model_not_offered"
        return
    yield from _measured(required, offer, entry, counted)
    if not _priced(required.unit, offer, entry):
        yield "no_price"


def _fit(required: _Requirements, offer: Offer, model: Model) -> Iterator[str]:
    largest = offer.limits.max_parameters_b
    if largest is not None and model.parameters_b is not None and model.parameters_b > largest:
        yield "model_too_large"
    memory = offer.instances.memory_gb if offer.instances is not None else None
    if memory is not None and model.memory_gb is not None and model.memory_gb > memory:
        yield "memory"
    for window in (model.context_tokens, offer.limits.context_tokens):
        if window is not None and required.context > window:
            yield "context"
    longest = offer.limits.max_prompt_tokens, offer.limits.max_completion_tokens
    for tokens, most in zip(required.unit.size or (), longest, strict=False):
        if most is not None and tokens > most:
            yield "context"


def _needs(workload: Workload, offer: Offer, model: Model) -> Iterator[str]:
    needs, limits, routing = workload.needs, offer.limits, workload.routing
    if needs.streaming and limits.streaming is False:
        yield "streaming"
    if needs.custom_weights and limits.custom_weights is False:
        yield "custom_weights"
    if needs.open_weights and model.open_weights is not True:
        yield "open_weights"
    if needs.regions and not set(needs.regions) & set(limits.regions or ()):
        yield "region"
    quality = workload.recipes[0].quality if workload.recipes else model.quality  # of a step: its recipe's
    if (needs.min_quality is not None and (quality is None or quality < needs.min_quality)) or (
        needs.min_mean_quality is not None and quality is None
    ):
        yield "quality"
    if (routing.allow_offers and offer.name not in routing.allow_offers) or offer.name in routing.deny_offers:
        yield "denied"


def _measured(required: _Requirements, offer: Offer, entry: OfferModel, counted: bool) -> Iterator[str]:
    """Latency and throughput: points are looked up by size, everything else is a fact of the entry.

    `counted`: some quota counts its requests; an allowance of requests does too.
    """
    sized = required.unit.size is not None
    counted = counted or (offer.free is not None and offer.free.requests_per_month is not None)
    if not sized and (counted or entry.usd_per_request is not None or entry.long_prompt is not None):
        yield "unmeasured"
    if entry.points:
        size = required.unit.size
        if size is None or not latency.points_of_size(entry, size):
            yield "unmeasured"
        elif not latency.applicable_points(
            required.workload, required.unit, entry, required.p99_over_mean, required.rtt_ms
        ):
            yield "latency"
        return
    # Of a request of unknown size only this is known: whether it has completion tokens at all.
    completion = required.unit.completion if sized or required.unit.completion == 0 else math.inf
    stated = latency.stated_ms(entry, None, required.p99_over_mean)
    if required.limits and not latency.meets(required.limits, stated, completion, offer.turnaround_h):
        yield "latency"
    if (
        offer.instances is not None
        and latency.seconds(required.workload, required.unit, entry, required.p99_over_mean, required.rtt_ms)
        is None
    ):
        yield "unmeasured"


def _priced(unit: Unit, offer: Offer, entry: OfferModel) -> bool:
    """An offer needs a price for each kind of token used; with instances, or a price of requests, both or neither."""
    if offer.commitment is not None and offer.commitment.tiers:
        return True
    if not set(prices_of(entry)) & set(TOKEN_PRICES):
        return offer.instances is not None or entry.usd_per_request is not None
    return all(usd is not None for tokens, usd in token_prices(unit, entry) if tokens > 0)
