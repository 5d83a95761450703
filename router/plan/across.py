"""What of a problem file may reach across periods: all that is stated, but for the fields listed here.

A problem that states nothing else falls apart into blocks of periods, but for what contracts and fees come to in all:
of a block without them, costs and promises are those of its periods alone. A field that is new reaches across until it
is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from router.errors import Path, render_path
from router.schema import (
    Commitment,
    Instances,
    Offer,
    Policy,
    Problem,
    Quota,
    Routing,
    SharedQuota,
    Workload,
)

MONTH_H = 730.0


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOURCE = _names("source as_of note")
BY_MINUTE = _names(
    "requests_per_minute tokens_per_minute units_per_minute prompt_tokens_per_minute "
    "uncached_prompt_tokens_per_minute completion_tokens_per_minute max_utilisation"
)
WITHIN: Mapping[type[BaseModel], frozenset[str]] = {
    Problem: SOURCE
    | _names("schema_ name horizon include use_offers models workloads offers quotas groups policy"),
    Workload: SOURCE
    | _names("name models demand prompt_tokens completion_tokens cached_prompt_share cache_write_share")
    | _names("adapters arrival_cv service_cv slo needs routing unserved_usd_per_m_tokens"),
    Routing: _names(
        "splittable min_share_per_provider max_share_per_provider shares allow_offers deny_offers"
    ),
    Offer: SOURCE | _names("name provider models limits quota fee_usd_per_month commitment instances"),
    Quota: BY_MINUTE,
    SharedQuota: BY_MINUTE | _names("name offers workloads"),
    Commitment: _names("min_usd_per_month term_months overage"),
    Instances: _names("usd_per_h min step max integral shared_by_models resize reserved reserved_usd_per_h")
    | _names("units memory_gb availability max_utilisation adapter_slots power_kw"),
    Policy: _names("max_spend_usd max_committed_usd max_share_per_provider energy_usd_per_kwh max_power_kw")
    | _names("p99_over_mean wait_margin load_margin among_equals"),
}
"""By kind of section the fields that speak of each period by itself, or of contracts and fees for the whole horizon.
Sections that are not listed, such as `slo`, do so throughout."""

ONLY: Mapping[tuple[type[BaseModel], str], object] = {
    (Instances, "resize"): "period",
    (Commitment, "overage"): "contract",
}
"""Fields of those that do so with this value alone."""


def reaches_across(problem: Problem) -> str | None:
    """The first thing that the problem states and that may reach across periods, as a path; None: there is none."""
    found = _first(problem, ())
    if found is not None:
        return render_path(found)
    horizon_h = problem.horizon.periods * problem.horizon.period_h
    for i, offer in enumerate(problem.offers):
        months = None if offer.commitment is None else offer.commitment.term_months
        if months is not None and months * MONTH_H < horizon_h - 1e-6:  # it may begin in several months
            return render_path(("offers", i, "commitment", "term_months"))
    return None


def _first(value: Any, at: Path) -> Path | None:
    if isinstance(value, BaseModel):
        within = WITHIN.get(type(value))
        for name, field in type(value).model_fields.items():
            stated, path = getattr(value, name), (*at, name.rstrip("_"))
            if stated == field.get_default(call_default_factory=True):
                continue
            only = ONLY.get((type(value), name), stated)
            if (within is not None and name not in within) or stated != only:
                return path
            found = _first(stated, path)
            if found is not None:
                return found
    elif isinstance(value, Mapping):
        return next((found for key, each in value.items() if (found := _first(each, (*at, str(key))))), None)
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return next((found for i, each in enumerate(value) if (found := _first(each, (*at, i)))), None)
    return None
