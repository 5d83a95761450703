"""Rules on quotas, allowances and credits: names that are known, something to hold, and money that has a price."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from router.errors import Issue, Path
from router.schema.clock import MONTH_H
from router.schema.offers import Free, Offer, Quota
from router.schema.rules_commitments import needs_one_price
from router.schema.rules_workloads import unknown

if TYPE_CHECKING:  # Problem runs the rules itself
    from router.schema.problem import Problem

CAPS = tuple(name for name in Quota.model_fields if name != "max_utilisation")
ENDS, UNITS = ("min", "max"), ("usd", "tokens")
FREE = tuple(name for name in Free.model_fields if name != "so_far")


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


def free_is_stated(problem: Problem) -> Iterator[Issue]:
    """An allowance is of something, by the billing month, and what is taken of it is of the month that runs."""
    period_h = problem.horizon.period_h
    for index, offer in enumerate(problem.offers):
        at: Path = ("offers", index, "free")
        if offer.free is None:
            continue
        if all(getattr(offer.free, name) is None for name in FREE):
            yield Issue(at, "states no allowance", None, f"one of {', '.join(FREE)}")
        if period_h > MONTH_H * (1 + 1e-9):
            rule = f"is of every month of {MONTH_H:.6g} h, and a period is longer: {period_h:.6g} h"
            yield Issue(at, rule, None, f"set horizon.period_h to at most {MONTH_H:.6g}")
        if offer.free.usd_per_month is not None and (why := not_taken_off(offer)):
            yield Issue((*at, "usd_per_month"), f"pays for use {why[0]}", offer.free.usd_per_month, why[1])
        yield from _free_so_far(problem, (*at, "so_far"), offer.free)


def covered_use_is_told(problem: Problem) -> Iterator[Issue]:
    """What an agreement covers of an offer is not held against its own commitment: it is so many of its own units."""
    offers = {offer.name: offer for offer in problem.offers}
    for g, agreement in enumerate(problem.commitments):
        for place, name in enumerate(agreement.offers if not agreement.in_units else ()):
            if name in offers and (why := not_taken_off(offers[name])):
                yield Issue(("commitments", g, "offers", place), f"covers use {why[0]}", name, why[1])


def credits_hold(problem: Problem) -> Iterator[Issue]:
    """A credit has a name of its own, offers that are known, dates in order; what it pays has one reading."""
    taken = {offer.name: f"offers[{o}]" for o, offer in enumerate(problem.offers)}
    taken |= {each.name: f"commitments[{g}]" for g, each in enumerate(problem.commitments)}
    taken |= {host.name: f"hosts[{h}]" for h, host in enumerate(problem.hosts)}
    offers = {offer.name: offer for offer in problem.offers}
    for index, credit in enumerate(problem.credits):
        at: Path = ("credits", index)
        if credit.name in taken:
            yield Issue(
                (*at, "name"), f"names must be unique; {taken[credit.name]} has this one too", credit.name
            )
        taken.setdefault(credit.name, f"credits[{index}]")
        yield from unknown((*at, "offers"), credit.offers, list(offers), "offer")
        for place, name in enumerate(credit.offers):
            field = (*at, "offers", place)
            if name in credit.offers[:place]:
                yield Issue(field, "is listed twice", name, "keep one")
            elif name in offers:
                yield from _use_is_billed(problem, field, offers[name])
        if (credit.from_ or credit.until) and problem.horizon.start is None:
            yield Issue(at, "has dates, which need horizon.start", None)
        elif credit.from_ and credit.until:
            clock = problem.horizon.clock
            if clock.hour(credit.until) <= clock.hour(credit.from_):
                yield Issue((*at, "until"), "must be after from", credit.until)


def _use_is_billed(problem: Problem, at: Path, offer: Offer) -> Iterator[Issue]:
    """A credit pays what is billed for use: not told apart where tiers of all units bill what is due, nor beside some
    rests."""
    terms = offer.commitment
    amounts = [] if terms is None else [terms.per_month(f"{end}_{unit}") for end in ENDS for unit in UNITS]
    if terms is not None and len(terms.tiers) > 1 and any(amounts):
        beside = (
            "a schedule"
            if offer.schedule
            else "tier_kind: all_units"
            if terms.tier_kind == "all_units"
            else ""
        )
        if beside:
            rule = f"is not planned for: an offer with several tiers and an amount that is committed, beside {beside}"
            yield Issue(at, rule, offer.name, "prices and discount_tiers, or leave it out")
    if terms is None or not terms.rollover_spans:
        return
    kinds = (
        ("overage_usd_per_m", terms.overage_usd_per_m is not None),
        ("tiers", bool(terms.tiers)),
        ("a schedule of prices of tokens", terms.counts_tokens and bool(offer.schedule)),
    )
    for kind, found in kinds:
        if found:
            rule = f"is not planned for: use that what earlier spans left pays for is not billed again, beside {kind}"
            yield Issue(at, rule, offer.name, "rollover_spans: 0, or leave it out")


def not_taken_off(offer: Offer) -> tuple[str, str] | None:
    """Why a dollar that pays for its use takes nothing definite off its commitment, and the way out."""
    terms = offer.commitment
    if terms is None:
        return None
    if terms.tiers:
        return (
            "under tiers, where no token has a price of its own",
            "prices and discount_tiers, or leave it out",
        )
    fees = any(model.usd_per_request is not None for model in offer.models.values())
    if fees and needs_one_price(terms):
        rule = (
            "of tokens, which its commitment counts, and of requests, which it does not: no bill says which"
        )
        return rule, "commit in USD, which counts both, or remove usd_per_request"
    return None


def _free_so_far(problem: Problem, at: Path, free: Free) -> Iterator[Issue]:
    so_far = free.so_far
    if so_far is None:
        return
    if problem.horizon.start is None:
        yield Issue(at, "needs horizon.start, to know when that is", None)
        return
    since_h = problem.horizon.clock.hour(so_far.since)
    if since_h > 1e-9:
        yield Issue((*at, "since"), "must not be after horizon.start", so_far.since)
    elif since_h <= -MONTH_H - 1e-9:
        rule = f"is more than a month of {MONTH_H:.6g} h before horizon.start"
        yield Issue((*at, "since"), rule, so_far.since, "state the month that runs then")
    for name in FREE:
        used = f"used_{name.removesuffix('_per_month')}"
        if getattr(free, name) is None and getattr(so_far, used):
            yield Issue((*at, used), f"needs {name}", getattr(so_far, used))


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


RULES: tuple[Callable[[Problem], Iterator[Issue]], ...] = (
    members_known,
    spending_is_priced,
    free_is_stated,
    covered_use_is_told,
    credits_hold,
)
