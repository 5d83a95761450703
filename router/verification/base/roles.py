"""Prefill and decode apart: the decoding half of an offer is a fleet of its own name here, which no route names.

own-pd            what prefills, with the offer's prices, limits and contract
own-pd, decode    what decodes: instances alone, loaded by the completions of the same routes
"""

from __future__ import annotations

from dataclasses import replace

from router.plan.document import Plan
from router.plan.rows import InstanceRow
from router.schema import Instances, Offer, Problem, Quota
from router.verification.base.ledger import Ledger


def split_by_role(problem: Problem) -> tuple[Problem, dict[str, str]]:
    """The problem with each half of a replica as instances of its own, and the offer of each decoding half."""
    halves: dict[str, str] = {}
    prefilling: list[Offer] = []
    decoding: list[Offer] = []
    for offer in problem.offers:
        if offer.instances is None or offer.instances.roles is None:
            prefilling.append(offer)
            continue
        prefill, decode = _half(offer.instances, "prefill"), _half(offer.instances, "decode")
        memories = [each.memory_gb for each in (prefill, decode) if each.memory_gb is not None]
        prefill = prefill.model_copy(update={"memory_gb": min(memories) if memories else None})
        apart = {
            name: entry.model_copy(update={"disaggregated": True}) for name, entry in offer.models.items()
        }
        prefilling.append(offer.model_copy(update={"instances": prefill, "models": apart}))
        name = half_name(offer.name)
        halves[name] = offer.name
        alone = {
            "name": name,
            "instances": decode,
            "fee_usd_per_month": 0.0,
            "commitment": None,
            "free": None,
            "quota": Quota(),
        }
        decoding.append(offer.model_copy(update=alone))
    groups = [
        group.model_copy(
            update={
                "offers": group.offers + tuple(half_name(n) for n in group.offers if n in halves.values())
            }
        )
        for group in problem.groups
    ]
    split = {"offers": tuple(prefilling + decoding), "groups": tuple(groups)}
    return (problem.model_copy(update=split), halves) if halves else (problem, halves)


def half_name(offer: str) -> str:
    """Of the decoding half."""
    return f"{offer}, decode"


def _half(instances: Instances, role: str) -> Instances:
    stated = getattr(instances.roles, role)
    own = {field: getattr(stated, field) for field in type(stated).model_fields}
    return instances.model_copy(update={"roles": None, **own})


def of_halves(plan: Plan, problem: Problem, ledger: Ledger) -> Plan:
    """The plan with its counts by half; a row without its role is a fault, and left out."""
    apart = {offer.name for offer in problem.offers if offer.instances is not None and offer.instances.roles}
    kept: list[InstanceRow] = []
    for i, row in enumerate(plan.instances):
        if (row.role is not None) != (row.offer in apart):
            ledger.fault(f"instances[{i}].role: {row.role!r}", "is not a role of the offer's instances")
        elif row.role == "decode":
            kept.append(replace(row, offer=half_name(row.offer), role=None))
        else:
            kept.append(replace(row, role=None))
    return replace(plan, instances=tuple(kept))
