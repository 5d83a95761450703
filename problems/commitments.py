"""Reserved minimum: take-or-pay contracts, settled per billing month.

    billed[b,k] ≥ Σ_f own[f] · flow[f]                             at least the use,
    billed[b,k] ≥ committed in force in month k                    at least the commitment
    over[b,k]   ≥ Σ_f own[f] · flow[f] − committed                 where use above it has a price of its own
    Σ_f own[f] · flow[f] ≤ committed                               overage: none
    minimum · signed ≤ committed ≤ maximum · signed                no maximum: committed = minimum · signed
    committed = step · steps                                       sold in multiples
    Σ_(a in force in k) signed[a] ≤ 1                              one term at a time

    own[f]         tokens, or USD at contract rates, of the whole cell
    signed[a]      contract b starts in month k (a = (b, k))       0/1; fixed to 1 where signed before
    committed[a]   commitment of that start                        own units a month / commit_scale

Money and volume per month are prorated by hours in force / 730. Columns are scaled by `commit_scale` so that they stay
near 1. Which contract may carry what is the linking family's matter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, NONE, Floats, Ints
from problems.core.columns import Columns
from problems.core.family import Family, Promise
from problems.core.first_stage import FirstStage, in_force
from problems.core.instance import Instance
from problems.core.rows import RowBuilder, Rows, Term
from problems.core.view import View

NAME = "commitments"


def month_share(inst: Instance) -> Floats:
    """(K,) hours of each billing month / 730."""
    return inst.time.month_hours / HOURS_PER_MONTH


def force_share(inst: Instance) -> Floats:
    """(A, K) hours that each start is in force in each billing month / 730."""
    month = inst.time.month[:, None] == np.arange(inst.time.months)  # (T, K)
    return np.asarray(in_force(inst).astype(float) @ month * (inst.time.period_h / HOURS_PER_MONTH))


def owed_usd(inst: Instance) -> Floats:
    """(B,) USD that each own unit committed owes without use; with tiers in tokens, of the minimum as a whole."""
    contracts = inst.contracts
    owed = contracts.unit_usd.copy()
    for b, tiers in enumerate(contracts.tiers):
        least = float(contracts.min_per_month[b])
        if tiers is not None and contracts.in_tokens[b] and least > 0:
            owed[b] = tiers.bill(least) / least
    return owed


def build_first_stage(inst: Instance, first: FirstStage) -> Rows:
    """What may be committed: rows per start, then one per contract and month with overlapping starts."""
    contracts, builder = inst.contracts, RowBuilder(NAME)
    for a, b in enumerate(contracts.start_contract):
        scale, least, most = first.commit_scale[b], contracts.min_per_month[b], contracts.max_per_month[b]
        name = f"{inst.offers.names[contracts.offer[b]]},month {contracts.start_month[a]}"
        signed, committed = first.signed[a], first.committed[a]
        if contracts.start_signed[a] or not np.isfinite(most):
            builder.one(name, [(committed, 1.0), (signed, -least / scale)], lower=0.0, upper=0.0)
            continue
        builder.one(name, [(committed, 1.0), (signed, -least / scale)], lower=0.0)
        builder.one(name, [(committed, 1.0), (signed, -most / scale)], upper=0.0)
        if first.commit_steps[a] != NONE:
            step = contracts.step_per_month[b] / scale
            builder.one(name, [(committed, 1.0), (first.commit_steps[a], -step)], lower=0.0, upper=0.0)
    share = force_share(inst)
    for b, o in enumerate(contracts.offer):
        for k in range(inst.time.months):
            starts = np.flatnonzero((contracts.start_contract == b) & (share[:, k] > 0))
            if len(starts) > 1:
                builder.one(
                    f"{inst.offers.names[o]},one term in month {k}", [(first.signed[starts], 1.0)], upper=1.0
                )
    return builder.rows()


def use_terms(view: View, cols: Columns, b: int) -> tuple[Ints, Ints, Floats]:
    """(month, column, own units per column unit) of what contract `b` carries."""
    contracts = view.inst.contracts
    tiers = contracts.tiers[b]
    own = flow_terms(view, cols, b, tokens=bool(contracts.in_tokens[b]))
    if tiers is None or contracts.in_tokens[b]:
        return own
    months = view.inst.time.months  # dollars of use are what the bands cost, and fees a request
    month = np.repeat(np.arange(months), len(tiers.usd))
    usd = band_scale(view, b)[month] * np.tile(tiers.usd * view.price[contracts.offer[b]], months)
    bands = (month, cols.band_volume[b].ravel(), usd)
    fees = own[2] > 0
    if not fees.any():
        return bands
    joined = (np.concatenate([band, fee[fees]]) for band, fee in zip(bands, own, strict=True))
    month, column, usd = joined
    return month, column, usd


def flow_terms(view: View, cols: Columns, b: int, *, tokens: bool) -> tuple[Ints, Ints, Floats]:
    """(month, flow column, tokens or dollars at contract rates of the whole cell) of contract `b`; no bands."""
    flows, routes = view.flows, view.routes
    at = view.flows_of_contract[b]
    usd = routes.usd[flows.route[at]] * flows.work[at] * view.price[view.inst.contracts.offer[b]]
    own = view.flow_tokens[at] if tokens else usd
    return view.inst.time.month[flows.period[at]], cols.flow[at], own


def band_scale(view: View, b: int) -> Floats:
    """(K,) tokens that a band column of 1 stands for: the most that the contract could carry in the month."""
    flows = view.flows
    at = view.flows_of_contract[b]
    most = np.zeros((len(view.cells), view.inst.time.months))
    np.maximum.at(most, (flows.cell[at], view.inst.time.month[flows.period[at]]), view.flow_tokens[at])
    total = most.sum(axis=0)
    tiers = view.inst.contracts.tiers[b]
    top = float(tiers.from_tokens[-1]) if tiers is not None else 0.0
    floor = max(
        top, float(view.inst.contracts.min_per_month[b]) if view.inst.contracts.in_tokens[b] else 0.0, 1.0
    )
    return np.asarray(2.0 ** np.round(np.log2(np.maximum(total, floor * month_share(view.inst)))))


def build(view: View, cols: Columns) -> Rows:
    """Per contract and month: at least the use, at least the commitment, and no more where there is no overage."""
    builder, months = RowBuilder(NAME), view.inst.time.months
    for b in range(len(view.inst.contracts.offer)):
        use, committed = _terms(view, cols, b)
        if cols.billed[b, 0] >= 0:
            billed: Term = (np.arange(months), cols.billed[b], 1.0)
            builder.add(months, [billed, _minus(use)], _label(view, b, "use"), lower=0.0)
            minimum = [billed, *map(_minus, committed)]
            builder.add(months, minimum, _label(view, b, "minimum"), lower=0.0)
        else:
            over: Term = (np.arange(months), cols.over[b], 1.0)
            builder.add(months, [over, _minus(use), *committed], _label(view, b, "overage"), lower=0.0)
    _limits(builder, view, cols)
    return builder.rows()


def limits(view: View, cols: Columns) -> Rows:
    """`overage: none` alone: what a loss of a provider may not stretch."""
    builder = RowBuilder(NAME)
    _limits(builder, view, cols)
    return builder.rows()


def _limits(builder: RowBuilder, view: View, cols: Columns) -> None:
    for b in np.flatnonzero(view.inst.contracts.limited).tolist():
        use, committed = _terms(view, cols, b)
        terms = [use, *map(_minus, committed)]
        builder.add(view.inst.time.months, terms, _label(view, b, "limit"), upper=0.0)


def _label(view: View, b: int, kind: str) -> Callable[[int], str]:
    offer = view.inst.offers.names[view.inst.contracts.offer[b]]
    return lambda month: f"{offer},{kind},month {month}"


def _terms(view: View, cols: Columns, b: int) -> tuple[Term, list[Term]]:
    """What a contract carries and what is committed, by month, in units of a billed column of 1."""
    months = view.inst.time.months
    month, column, own = use_terms(view, cols, b)
    unit = cols.first.commit_scale[b] * month_share(view.inst)
    force = force_share(view.inst) * cols.first.commit_scale[b]
    committed: list[Term] = [
        (np.arange(months), np.full(months, cols.first.committed[a]), force[a] / unit)
        for a in np.flatnonzero(view.inst.contracts.start_contract == b)
    ]
    return (month, column, own / unit[month]), committed


def _minus(term: Term) -> Term:
    row, column, value = term
    return row, column, -np.asarray(value, dtype=float)


OVERAGE = Promise(
    "offers[].commitment.overage",
    "contracts.limited",
    relax=False,
    text='"{name}" is used up to its commitment only',
)
FAMILY = Family(NAME, build, in_a_loss=limits, promises=(OVERAGE,))
