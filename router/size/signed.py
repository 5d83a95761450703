"""What a first stage signs, in people's words: contracts, instances bought ahead, fees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from problems.core.decision import Decision
from problems.core.instance import HOURS_PER_MONTH, NONE, Bools, Instance
from router.size import liability

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


Advice = frozenset[tuple[str, str, str | None, int | None]]


def signed_by(inst: Instance, decision: Decision) -> tuple[Signed, ...]:
    """All that a decision signs; what was signed before the plan is none of its doing."""
    return (*_contracts(inst, decision), *_instances(inst, decision), *_fees(inst, decision))


def advice(inst: Instance, decision: Decision) -> Advice:
    """What is signed, whatever the volume: two plans of equal advice differ in amounts only."""
    return frozenset((one.offer, one.kind, one.model, one.start_month) for one in signed_by(inst, decision))


def quoted(inst: Instance) -> Bools:
    """(O,) offers that ask for a signature: something is bought ahead, and nothing is held or signed already."""
    contracts, fleets = inst.contracts, inst.fleets
    quotes = inst.offers.fee_usd_per_month > 0
    asks = contracts.decided | (np.isfinite(contracts.max_per_month) & (contracts.max_per_month > 0))
    quotes[contracts.offer[asks]] = True
    ahead = fleets.horizon | (fleets.term_months > 0)
    quotes[fleets.offer[ahead]] = True
    quotes[fleets.offer[fleets.reserved > 0]] = False
    quotes[contracts.offer[contracts.start_contract[contracts.start_signed]]] = False
    return np.asarray(quotes, dtype=bool)


def _contracts(inst: Instance, decision: Decision) -> list[Signed]:
    contracts, found = inst.contracts, []
    for a, b in enumerate(contracts.start_contract):
        most, least = float(contracts.max_per_month[b]), float(contracts.min_per_month[b])
        volume = float(decision.committed[a])
        size = least or (most if np.isfinite(most) else 1.0)
        if contracts.start_signed[a] or volume <= DUST * size:
            continue
        tokens = bool(contracts.stated_in_tokens[b])
        end = float(contracts.end_h[a])
        least_usd, beyond_usd = liability.of_contract(inst, a, volume)
        found.append(
            Signed(
                offer=inst.offers.names[contracts.offer[b]],
                kind="contract",
                start_month=int(contracts.start_month[a]),
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
