"""Agreements → arrays: which offers each one bills, and what no plan is made for yet."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import distinct
from problems.core.contracts import Agreements, Contracts
from problems.core.inflated import exactly_billed
from problems.core.instance import Instance
from router.errors import InputError
from router.loading.catalogue import input_issue
from router.normalise.columns import whole
from router.schema import Problem


def agreements(problem: Problem) -> Agreements:
    """Which offers an agreement bills, at what part of their prices."""
    index = {offer.name: o for o, offer in enumerate(problem.offers)}
    first = sum(offer.commitment is not None for offer in problem.offers)
    rows = [
        (
            first + g,
            index[name],
            1.0 - agreement.discount_of(name),
            agreement.unit_usd_per_h(problem.offers[index[name]].instances),
        )
        for g, agreement in enumerate(problem.commitments)
        for name in agreement.offers
    ]
    return Agreements(
        contract=whole(row[0] for row in rows),
        offer=whole(row[1] for row in rows),
        rate=np.array([row[2] for row in rows], dtype=float),
        unit_usd_per_h=np.array([np.inf if row[3] is None else row[3] for row in rows], dtype=float),
    )


def refuse_own_spans(problem: Problem, inst: Instance) -> None:
    """Raise `InputError` for what counts elsewhere in spans that are not inside each other."""
    contracts = inst.contracts
    first = len(contracts.offer) - len(problem.commitments)
    for g in range(len(problem.commitments)):
        for counted in contracts.counts[first + g]:
            other = counted.contract if counted.contract >= 0 else int(inst.offers.contract[counted.offer])
            kind = _not_stated(inst, other) if other >= 0 else None
            if kind and not _inside(contracts, other, first + g):
                where, hint = (
                    ("commitments", g, "counts"),
                    "settle what counts as often, or more, and begin terms with its spans (start_every_h)",
                )
                name = inst.offers.names[contracts.offer[other]]
                rule = f"is of spans of {name} that are not inside its own, with {kind}: is not planned for"
                raise InputError(input_issue(problem, where, None, rule, hint))


def _not_stated(inst: Instance, b: int) -> str | None:
    """Why what a bill has grown to within its span is not planned for; None where it is: the use, or what is due."""
    contracts = inst.contracts
    kinds = (
        (contracts.in_tokens[b], "an amount of tokens"),
        (contracts.tiers[b] is not None, "tiers"),
        (contracts.discounts[b] is not None, "discount_tiers"),
        (contracts.rollover[b], "rollover_spans"),
        (np.isfinite(contracts.overage_stated[b]), "overage_usd_per_m"),
        (contracts.counts[b], "counts"),
        (contracts.stackable[b], "stackable"),
        (np.isfinite(contracts.usd_per_unit_h[b]), "units"),
        (inst.policy.charge_in_full, "end_of_horizon: charge_in_full"),
    )
    return next((kind for found, kind in kinds if found), None)


def refuse_dear_counts(problem: Problem, inst: Instance) -> None:
    """Raise `InputError` for bills that count for more than they cost and are not told from more than is due."""
    contracts = inst.contracts
    first = len(contracts.offer) - len(problem.commitments)
    for g in range(len(problem.commitments)):
        for counted in contracts.counts[first + g]:
            b = counted.contract if counted.contract >= 0 else int(inst.offers.contract[counted.offer])
            if b < 0 or not exactly_billed(inst, b):
                continue
            kinds = (
                (contracts.rollover[b], "rollover_spans"),
                (contracts.tiers[b] is not None, "tiers"),
                (contracts.counts[b], "counts"),
            )
            for found, kind in kinds:
                if found:
                    name = inst.offers.names[contracts.offer[b]]
                    rule = f"is of bills of {name} that count for more than they cost, with {kind}: is not planned for"
                    hint = "policy.discount_rate_per_year: 0, and shares that add up to 1 at most"
                    raise InputError(input_issue(problem, ("commitments", g, "counts"), None, rule, hint))


def _inside(contracts: Contracts, other: int, b: int) -> bool:
    """Whether every span of another contract lies within one of a contract's, or in none, whatever is signed."""
    spans = contracts.spans
    for own in spans.lot_span[spans.lots(b)]:
        for theirs in spans.lot_span[spans.lots(other)]:
            for n in distinct(theirs[theirs >= 0]).tolist():
                if len(distinct(own[theirs == n])) > 1:
                    return False
    return True
