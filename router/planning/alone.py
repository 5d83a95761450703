"""A problem file with one seller alone: all that names other offers is left out, or names these only."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from router.planning.promises import for_one_offer
from router.schema import Problem, Workload


def with_one_seller(
    problem: Problem, seller: str, offers: tuple[str, ...], workloads: Iterable[str]
) -> Problem:
    """The problem with some workloads, on the offers of one seller: an offer, or an agreement and all that it covers.

    Without the promises that no single offer could keep (`promises.for_one_offer`).
    """
    problem, kept = for_one_offer(_with_offers(problem, seller, set(offers))), set(workloads)
    loads = tuple(_alone_on(load, offers) for load in problem.workloads if load.name in kept)
    quotas = tuple(
        quota.model_copy(update={"workloads": tuple(name for name in quota.workloads if name in kept)})
        for quota in problem.quotas
        if not quota.workloads or kept.intersection(quota.workloads)
    )
    return problem.model_copy(update={"workloads": loads, "quotas": quotas})


def _with_offers(problem: Problem, seller: str, names: set[str]) -> Problem:
    """The problem with some of its offers only, and what else refers to the others left out."""
    offers = tuple(offer for offer in problem.offers if offer.name in names)
    groups = tuple(
        group.model_copy(
            update={
                "offers": tuple(name for name in group.offers if name in names),
                "weights": {name: weights for name, weights in group.weights.items() if name in names},
            }
        )
        for group in problem.groups
        if names.intersection(group.offers)
    )
    quotas = tuple(
        quota.model_copy(
            update={"offers": tuple(sorted(names.intersection(quota.offers or names), key=_order(problem)))}
        )
        for quota in problem.quotas
        if not quota.offers or names.intersection(quota.offers)
    )
    credits = tuple(
        credit.model_copy(update={"offers": tuple(name for name in credit.offers if name in names)})
        for credit in problem.credits
        if names.intersection(credit.offers)
    )
    agreements = tuple(
        agreement.model_copy(
            update={"counts": {other: part for other, part in agreement.counts.items() if other in names}}
        )
        for agreement in problem.commitments
        if agreement.name == seller
    )
    hosts = tuple(
        host.model_copy(update={"offers": tuple(name for name in host.offers if name in names)})
        for host in problem.hosts
        if names.intersection(host.offers)
    )
    kept = {
        "offers": offers,
        "groups": groups,
        "quotas": quotas,
        "commitments": agreements,
        "hosts": hosts,
        "credits": credits,
    }
    return problem.model_copy(update=kept)


def _order(problem: Problem) -> Callable[[str], int]:
    return [offer.name for offer in problem.offers].index


def _alone_on(load: Workload, offers: tuple[str, ...]) -> Workload:
    allow, deny = load.routing.allow_offers, load.routing.deny_offers
    denied = tuple(name for name in offers if name in deny or (bool(allow) and name not in allow))
    lists = {"allow_offers": (), "deny_offers": denied}
    return load.model_copy(update={"routing": load.routing.model_copy(update=lists)})
