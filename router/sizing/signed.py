"""What a first stage signs, in people's words: contracts, instances bought ahead, fees."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

import numpy as np

from problems.core.decision import Decision
from problems.core.instance import HOURS_PER_MONTH, NONE, Bools, Instance
from router.sizing import liability

DUST = 1e-9  # of the least that could be committed: the solver's tolerance


@dataclass(frozen=True)
class Signed:
    """One thing bought before demand is known. Billing months count from 0; `end_month` is the first one after."""

    offer: str
    kind: str  # "contract" | "instances" | "fee"
    model: str | None = None
    start_month: int | None = None
    end_month: int | None = None
    committed_tokens_per_month: float | None = None
    committed_usd_per_month: float | None = None
    count: float | None = None
    least_usd: float = 0.0  # owed inside the horizon without any use, present value
    beyond_horizon_usd: float = 0.0  # owed after it


Advice = frozenset[tuple[str, str, str | None, bool]]
Used = Set[tuple[str, int]]
"""Contracts that carry something, by offer and first month."""


def signed_by(inst: Instance, decision: Decision, used: Used = frozenset()) -> tuple[Signed, ...]:
    """All that a decision signs; what was signed before the plan is none of its doing.

    A contract that commits to nothing counts where it is used.
    """
    return (*_contracts(inst, decision, used), *_instances(inst, decision), *_fees(inst, decision))


def advice(signs: Iterable[Signed]) -> Advice:
    """What is signed now and what later, whatever the volume and month: equal advice differs in amounts only."""
    return frozenset((one.offer, one.kind, one.model, bool(one.start_month)) for one in signs)


def quoted(inst: Instance) -> Bools:
    """(O,) offers that ask for a signature: something may be bought ahead."""
    contracts, fleets = inst.contracts, inst.fleets
    quotes = inst.offers.fee_usd_per_month > 0
    asks = contracts.decided | (np.isfinite(contracts.max_per_month) & (contracts.max_per_month > 0))
    open_ = contracts.start_contract[~contracts.start_signed]
    quotes[contracts.offer[open_[asks[open_]]]] = True
    ahead = (fleets.horizon | (fleets.term_months > 0)) & (fleets.max > fleets.reserved)
    quotes[fleets.offer[ahead]] = True
    return np.asarray(quotes, dtype=bool)


def in_hand(inst: Instance) -> Bools:
    """(O,) offers of which something is held or signed before the plan."""
    contracts, fleets = inst.contracts, inst.fleets
    held = np.zeros(len(inst.offers.names), dtype=bool)
    held[fleets.offer[fleets.reserved > 0]] = True
    held[contracts.offer[contracts.start_contract[contracts.start_signed]]] = True
    return held


def can_be_asked(inst: Instance) -> Bools:
    """(O,) offers that can be signed whatever they are worth; a contract of no minimum is only used or not."""
    contracts, fleets = inst.contracts, inst.fleets
    asked = inst.offers.fee_usd_per_month > 0
    asked[contracts.offer[contracts.decided]] = True
    asked[fleets.offer[fleets.horizon | (fleets.term_months > 0)]] = True
    return np.asarray(asked, dtype=bool)


def _contracts(inst: Instance, decision: Decision, used: Used) -> list[Signed]:
    contracts, found = inst.contracts, []
    for a, b in enumerate(contracts.start_contract):
        most, least = float(contracts.max_per_month[b]), float(contracts.min_per_month[b])
        volume = float(decision.committed[a])
        size = least or (most if np.isfinite(most) else 1.0)
        offer, month = inst.offers.names[contracts.offer[b]], int(contracts.start_month[a])
        volume = volume if volume > DUST * size else 0.0
        if contracts.start_signed[a] or (volume == 0 and (offer, month) not in used):
            continue
        tokens = bool(contracts.stated_in_tokens[b])
        end = float(contracts.end_h[a])
        least_usd, beyond_usd = liability.of_contract(inst, a, volume)
        found.append(
            Signed(
                offer=offer,
                kind="contract",
                start_month=month,
                end_month=int(np.ceil(end / HOURS_PER_MONTH - 1e-9))
                if np.isfinite(end)
                else inst.time.months,
                committed_tokens_per_month=volume if tokens else None,
                committed_usd_per_month=None if tokens else volume,
                least_usd=least_usd,
                beyond_horizon_usd=beyond_usd,
            )
        )
    return found


def _instances(inst: Instance, decision: Decision) -> list[Signed]:
    fleets, found = inst.fleets, []
    for q in range(fleets.pools):
        fleet, model = int(fleets.pool_fleet[q]), fleets.pool_model[q]
        offer = inst.offers.names[fleets.offer[fleet]]
        name = None if model == NONE else inst.models.names[model]
        term = int(fleets.term_months[fleet])
        bought = [(0, inst.time.months, float(decision.paid[q]))]
        if decision.bought.size:
            bought += [(k, k + term, float(count)) for k, count in enumerate(decision.bought[q])]
        for start, end, count in bought:
            if count > DUST:
                owed = (
                    liability.of_purchase(inst, fleet, start, count)
                    if term
                    else liability.of_held(inst, fleet, count)
                )
                found.append(
                    Signed(
                        offer,
                        "instances",
                        name,
                        start,
                        end,
                        count=count,
                        least_usd=owed[0],
                        beyond_horizon_usd=owed[1],
                    )
                )
    return found


def _fees(inst: Instance, decision: Decision) -> list[Signed]:
    months = inst.time.months
    return [
        Signed(inst.offers.names[o], "fee", None, 0, months, least_usd=liability.of_fee(inst, int(o))[0])
        for o in np.flatnonzero(decision.active > 0.5)
    ]
