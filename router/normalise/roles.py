"""Roles: the decode half of an offer's replicas stands as an offer that serves nothing and is loaded beside it."""

from __future__ import annotations

from typing import Final, Literal

from problems.core.supply import Offers
from router.schema import NewTerms, Problem, ScheduleRule

PREFILL: Final = "prefill"
DECODE: Final = "decode"


def by_role(problem: Problem) -> tuple[Problem, dict[str, str]]:
    """The problem with prefill in the place of instances with roles, and what decodes after all offers, as offers.

    Also, by the name of each such offer, the one that it is a half of.
    """
    offers, decoding, owner = [], [], {}
    for offer in problem.offers:
        if offer.instances is None or offer.instances.roles is None:
            offers.append(offer)
            continue
        halves = [offer.instances.of_role(role) for role in (PREFILL, DECODE)]
        stated = [half.memory_gb for half in halves if half.memory_gb is not None]
        models = {
            name: entry.model_copy(update={"disaggregated": True}) for name, entry in offer.models.items()
        }
        fits = halves[0].model_copy(update={"memory_gb": min(stated, default=None)})
        name = half_name(offer.name, DECODE)
        owner[name] = offer.name
        offers.append(offer.model_copy(update={"instances": fits, "models": models}))
        plain = {
            "fee_usd_per_month": 0.0,
            "commitment": None,
            "free": None,
            "quota": type(offer.quota)(),
            "schedule": tuple(_without_quota(rule) for rule in offer.schedule),
        }
        decoding.append(offer.model_copy(update={"name": name, "instances": halves[1], **plain}))
    if not owner:
        return problem, {}
    groups = tuple(
        group.model_copy(
            update={
                "offers": (*group.offers, *(half for half, own in owner.items() if own in group.offers)),
                "weights": {
                    half_name(name, role[0] if role else None): own
                    for (name, *role), own in group.every_weight
                },
            }
        )
        for group in problem.groups
    )
    hosts = tuple(
        host.model_copy(
            update={"offers": (*host.offers, *(half for half, own in owner.items() if own in host.offers))}
        )
        for host in problem.hosts
    )
    apart = {"offers": (*offers, *decoding), "groups": groups, "hosts": hosts}
    return problem.model_copy(update=apart), owner


def _without_quota(rule: ScheduleRule) -> ScheduleRule:
    """What is sent counts once, with what prefills."""
    terms = rule.set_
    return rule if terms is None else rule.model_copy(update={"set_": NewTerms(instances=terms.instances)})


def half_name(offer: str, role: str | None) -> str:
    """The offer whose instances a row counts: `own`, or `own, decode`."""
    return f"{offer}, {DECODE}" if role == DECODE else offer


def role_of(offers: Offers, offer: int) -> Literal["prefill", "decode"] | None:
    """The half of replicas that an offer of the instance is, None: replicas are whole."""
    if offers.decodes_for[offer] >= 0:
        return DECODE
    return PREFILL if (offers.decodes_for == offer).any() else None
