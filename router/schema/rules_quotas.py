"""Rules on quotas: names that are known, something to hold, and money that has a price."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from router.errors import Issue, Path
from router.schema.clock import MONTH_H
from router.schema.offers import Quota
from router.schema.rules_workloads import unknown

if TYPE_CHECKING:  # Problem runs the rules itself
    from router.schema.problem import Problem

CAPS = tuple(name for name in Quota.model_fields if name != "max_utilisation")


def members_known(problem: Problem) -> Iterator[Issue]:
    """The offers and workloads of a quota that several share are known, and it has a cap."""
    offers = [offer.name for offer in problem.offers]
    workloads = [workload.name for workload in problem.workloads]
    for index, quota in enumerate(problem.quotas):
        at: Path = ("quotas", index)
        yield from unknown((*at, "offers"), quota.offers, offers, "offer")
        yield from unknown((*at, "workloads"), quota.workloads, workloads, "workload")
        if all(getattr(quota, name) is None for name in CAPS):
            yield Issue(at, "states no cap", quota.name, f"one of {', '.join(CAPS)}")


def spending_is_priced(problem: Problem) -> Iterator[Issue]:
    """A cap on spending counts tokens at their prices, by the billing month; tiers have no price of a token."""
    period_h = problem.horizon.period_h
    for at, quota, offers in _each(problem):
        usd = quota.usd_per_month
        if usd is None:
            continue
        field = (*at, "usd_per_month")
        tiered = [
            offer.name
            for offer in problem.offers
            if offer.name in offers and offer.commitment is not None and offer.commitment.tiers
        ]
        if tiered:
            rule = "does not go with tiers, under which no token has a price of its own"
            yield Issue(field, rule, usd, f"tokens_per_day, or no tiers: {', '.join(tiered)}")
        if period_h > MONTH_H * (1 + 1e-9):
            rule = f"holds in every month of {MONTH_H:.6g} h, and a period is longer: {period_h:.6g} h"
            yield Issue(field, rule, usd, f"set horizon.period_h to at most {MONTH_H:.6g}")


def _each(problem: Problem) -> Iterator[tuple[Path, Quota, set[str]]]:
    """Every quota with its place and its offers."""
    for index, offer in enumerate(problem.offers):
        yield ("offers", index, "quota"), offer.quota, {offer.name}
        for name, model in offer.models.items():
            if model.quota is not None:
                yield ("offers", index, "models", name, "quota"), model.quota, {offer.name}
    every = {offer.name for offer in problem.offers}
    for index, quota in enumerate(problem.quotas):
        yield ("quotas", index), quota, set(quota.offers) or every


RULES: tuple[Callable[[Problem], Iterator[Issue]], ...] = (members_known, spending_is_priced)
