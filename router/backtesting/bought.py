"""What is bought ahead, by name: read from one step's plan, fixed in the next step's program.

Fees, contracts without a term and counts for the whole horizon are decided at the first step. A term that starts with a
billing month is decided by the plan in force when the month begins. What is decided stays to the end of its term.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from problems.core.arrays import Floats
from problems.core.decision import Decision, decision_of
from problems.core.encode import Encoded
from problems.core.instance import Instance
from problems.core.supply import QUOTA_KINDS
from router.plan.running import RunningCount

Pool = tuple[str, str | None]  # offer and model
NEAR = 1e-9


@dataclass(frozen=True)
class Bought:
    """First-stage decisions by what they are about. Volumes in the contract's own unit a month."""

    signed: dict[tuple[str, str], tuple[float, float]]  # offer and start → signed, committed
    active: dict[str, float]  # offer → its fee is paid
    ahead: dict[Pool, tuple[float, float]]  # pool → count for the whole horizon, and of it paid
    terms: dict[tuple[Pool, float], float]  # pool and hour of the start → instances bought
    hosts: dict[str, float]  # kind → hosts for the whole horizon, beside those reserved


def bought(encoded: Encoded, point: Floats) -> Bought:
    """Read from a settled point."""
    inst = encoded.instance
    if not (inst.fleets.pools or len(inst.contracts.offer) or (encoded.first.active >= 0).any()):
        return Bought({}, {}, {}, {}, {})
    decision = decision_of(encoded, point)
    names, pools = inst.offers.names, inst.pool_names
    starts = _starts(inst)
    return Bought(
        signed={
            key: (float(s), float(c))
            for key, s, c in zip(starts, decision.signed, decision.committed, strict=True)
        },
        active={name: float(a) for name, a in zip(names, decision.active, strict=True)},
        ahead={
            pool: (float(n), float(paid))
            for pool, n, paid in zip(pools, decision.ahead, decision.paid, strict=True)
        },
        terms={
            (pool, hour): float(count)
            for pool, row in zip(pools, decision.bought, strict=True)
            for hour, count in zip(inst.fleets.buy_h.tolist(), row, strict=True)
        },
        hosts={name: float(count) for name, count in zip(inst.hosts.names, decision.hosts, strict=True)},
    )


def decision_for(inst: Instance, decided: Bought, open_from_h: float = np.inf) -> Decision:
    """The same decisions for a program; terms that start at `open_from_h` or later are left open, new ones unsigned."""
    starts, pools = _starts(inst), inst.pool_names
    signed, committed = np.zeros(len(starts)), np.zeros(len(starts))
    for a, key in enumerate(starts):
        signed[a], committed[a] = decided.signed.get(key, (0.0, 0.0))
    hours = inst.fleets.buy_h
    count = np.array([decided.terms.get((pool, hour), 0.0) for pool in pools for hour in hours.tolist()])
    terms = count.reshape(len(pools), len(hours))
    before = inst.contracts.start_signed
    signed, committed = np.where(before, 1.0, signed), np.where(before, inst.contracts.start_min, committed)
    begins = inst.contracts.start_h
    ahead = (begins >= open_from_h - 1e-9) & (begins > 0)
    signed[ahead] = committed[ahead] = np.nan
    terms[:, (hours >= open_from_h - 1e-9) & (hours > 0)] = np.nan
    fees = np.array([decided.active.get(name, 0.0) for name in inst.offers.names])
    return Decision(
        signed=signed,
        committed=committed,
        active=np.where(fees > 0.5, np.nan, 0.0),  # taken up, it is due once the offer is used
        ahead=np.array([decided.ahead.get(pool, (0.0, 0.0))[0] for pool in pools]),
        paid=np.array([decided.ahead.get(pool, (0.0, 0.0))[1] for pool in pools]),
        bought=terms,
        hosts=np.array([decided.hosts.get(name, 0.0) for name in inst.hosts.names]),
    )


def under_term(inst: Instance, decided: Bought) -> dict[tuple[Pool, int], float]:
    """Instances under terms, by pool and period, of the pools that are bought for a term."""
    fleets, counts = inst.fleets, {}
    for q, pool in enumerate(inst.pool_names):
        fleet = fleets.pool_fleet[q]
        term_h = 0.0 if fleets.pooled[fleet] else float(fleets.term_h[fleet])
        own = [(hour, count) for (of, hour), count in decided.terms.items() if of == pool and count]
        for t, now in enumerate(inst.time.start_h.tolist() if term_h else ()):
            counts[pool, t] = sum(count for hour, count in own if hour - 1e-9 <= now < hour + term_h - 1e-9)
    return counts


def beside_terms(
    inst: Instance, counts: Sequence[RunningCount], termed: Collection[tuple[Pool, int]], first: int
) -> tuple[RunningCount, ...]:
    """The counts of a plan, from a period on within the limits of groups: what is rented gives way to terms.

    A plan that is kept beyond its end has the counts of its last day, and what it bought for longer than that. Where
    both are more than a group may have, as many fewer are rented, of the most first; where terms have ended and they
    are less than it must have, as many more.
    """
    groups, fleets = inst.groups, inst.fleets
    number = {(pool, t): k for k, pool in enumerate(inst.pool_names) for t in range(inst.time.periods)}
    held = np.zeros((fleets.pools, inst.time.periods))
    for row in counts:
        held[number[(row.offer, row.model), row.period], row.period] += row.count
    changed = held.copy()
    for g in range(len(groups.names)):
        weight = groups.weight[g, fleets.pool_fleet]
        for t in range(first, inst.time.periods):
            hourly = [
                q for q, pool in enumerate(inst.pool_names) if (pool, t) not in termed and weight[q] > 0
            ]
            while (now := float(weight @ changed[:, t])) > groups.max_units[g] + NEAR:
                most = max(hourly, key=lambda q: changed[q, t], default=None)
                if most is None or changed[most, t] <= 0.0:
                    break
                changed[most, t] = _next(inst, most, float(changed[most, t]), up=False)
            while (now := float(weight @ changed[:, t])) < groups.min_units[g] - NEAR:
                more = ((q, _next(inst, q, float(changed[q, t]), up=True)) for q in hourly)
                room = groups.max_units[g] - now
                fits = [(q, n) for q, n in more if n <= fleets.max[fleets.pool_fleet[q], t] + NEAR]
                fits = [(q, n) for q, n in fits if weight[q] * (n - changed[q, t]) <= room + NEAR]
                if not fits:
                    break
                changed[fits[0][0], t] = fits[0][1]
    if (changed == held).all():
        return tuple(counts)
    return tuple(
        RunningCount(*inst.pool_names[q], t, float(changed[q, t]))
        for q, t in np.argwhere(changed > 0).tolist()
    )


def _next(inst: Instance, q: int, count: float, *, up: bool) -> float:
    """The count of a pool's grid, none or its least and steps above it, that follows."""
    least, step = float(inst.fleets.pool_min[q]), max(float(inst.fleets.pool_step[q]), NEAR)
    if up:
        return max(least, step) if count <= 0.0 and least > 0 else count + step
    return count - step if count - step >= max(least, 0.0) - NEAR and count - step > NEAR else 0.0


def spans_periods(inst: Instance, *, but_contracts: bool = False) -> bool:
    """Whether anything is bought, billed or limited over more than a period, apart from starts."""
    fleets, policy = inst.fleets, inst.policy
    return bool(
        (len(inst.contracts.offer) and not but_contracts)
        or (inst.offers.fee_usd_per_month > 0).any()
        or fleets.horizon.any()
        or inst.hosts.horizon.any()
        or (fleets.term_h > 0).any()
        or (fleets.upfront_usd > 0).any()
        or len(inst.credits.most)
        or len(inst.allowances.offer)
        or np.isfinite([policy.max_spend_usd, policy.max_committed_usd]).any()
        or (inst.time.weight < 1).any()
        or any(QUOTA_KINDS[kind].span != "minute" for kind in inst.quotas.kind)
    )


def memory_h(inst: Instance) -> float:
    """Hours after which a start no longer matters: it has booted, and may stop."""
    fleets = inst.fleets
    return float(np.maximum(fleets.start_h, fleets.min_up_h).max(initial=0.0))


def _starts(inst: Instance) -> list[tuple[str, str]]:
    contracts = inst.contracts
    return [
        (inst.offers.names[contracts.offer[b]], contracts.start_label(a))
        for a, b in enumerate(contracts.start_contract.tolist())
    ]
