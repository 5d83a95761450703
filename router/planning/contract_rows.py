"""Contracts of a plan and their settlements: what is signed, and what each span uses and owes.

Spans of less than a day are one row for each billing month; all others have a row of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, Bools, Floats, Ints
from problems.core.columns import Columns
from problems.core.contract_rates import beside_by_span, beyond_usd, billed_before
from problems.core.contracts import Contracts
from problems.core.elsewhere import counted_usd
from problems.core.encode import Encoded
from problems.core.first_stage import covered_periods
from problems.core.instance import Instance
from problems.core.rests import left_after, rolled
from problems.core.span_means import rate_usd
from problems.core.taken_off import tokens_bought
from problems.core.vendor_order import covered_by_discount
from problems.core.view import View
from router.plan.rows import ContractRow, CoverageRow, CreditRow, Settlement, StandsAt
from router.planning.bills.used import (
    before_own,
    beyond_until,
    committed_own,
    covered_usd,
    discounted,
    in_bands,
    tiered_usd,
    used_own,
    used_tokens,
)

NEAR_H = 1e-6


def contract_rows(encoded: Encoded, point: Floats) -> tuple[ContractRow, ...]:
    """What is signed, by this plan or before it."""
    inst, first = encoded.instance, encoded.first
    contracts = inst.contracts
    rows = []
    for a in np.flatnonzero(signed_starts(encoded, point)):
        b, end = contracts.start_contract[a], float(contracts.owed_until_h[a])
        if end <= NEAR_H:  # over, and counts in the month that runs
            continue
        volume = float(point[first.committed[a]] * first.commit_scale[b])
        tokens, unit_usd = bool(contracts.stated_in_tokens[b]), float(contracts.usd_per_unit_h[b])
        rows.append(
            ContractRow(
                **seller_of(inst, int(b)),
                from_h=float(contracts.start_h[a]),
                until_h=end if np.isfinite(end) else inst.time.horizon_h,
                signed_by="before" if contracts.start_signed[a] else "plan",
                committed_tokens_per_month=volume if tokens else None,
                committed_usd_per_month=None if tokens else volume,
                discount=float(1.0 - contracts.start_rate[a]) if contracts.levelled[b] else None,
                committed_units=volume / HOURS_PER_MONTH / unit_usd if np.isfinite(unit_usd) else None,
            )
        )
    return tuple(rows)


class Seller(TypedDict):
    """How a row calls whom a contract is with."""

    offer: str | None
    agreement: str | None


def seller_of(inst: Instance, b: int) -> Seller:
    """The offer, or the agreement."""
    name = inst.offers.names[inst.contracts.offer[b]]
    if (inst.agreements.contract == b).any():
        return {"offer": None, "agreement": name}
    return {"offer": name, "agreement": None}


def coverage_rows(view: View, cols: Columns, point: Floats, scenario: str | None) -> Iterator[CoverageRow]:
    """What agreements bill of each offer, by period."""
    covered, names = cols.covered, view.inst.offers.names
    for i in np.flatnonzero(point[covered.at] > 0):
        usd = float(point[covered.at[i]] * covered.unit[i])
        tokens = 0.0 if covered.rented[i] else _tokens(view, covered.offer[i], covered.period[i], usd)
        yield CoverageRow(
            agreement=names[view.inst.contracts.offer[covered.contract[i]]],
            offer=names[covered.offer[i]],
            kind="instances" if covered.rented[i] else "tokens",
            period=int(covered.period[i]),
            scenario=scenario,
            list_usd=usd,
            covered_usd=float(usd * covered.rate[i]),
            tokens=tokens or None,
        )


def credit_rows(view: View, cols: Columns, point: Floats, scenario: str | None) -> Iterator[CreditRow]:
    """What credits pay of each offer, by period."""
    paid, credits = cols.paid_by, view.inst.credits
    for i in np.flatnonzero(point[paid.at] > 0):
        n, usd = paid.credit[i], float(point[paid.at[i]] * paid.unit[i])
        free = bool(credits.allowance[n]) and not paid.rented[i]
        tokens = _tokens(view, paid.offer[i], paid.period[i], usd) if free else 0.0
        yield CreditRow(
            credit=None if credits.allowance[n] else credits.names[n],
            offer=view.inst.offers.names[paid.offer[i]],
            kind="instances" if paid.rented[i] else "tokens",
            period=int(paid.period[i]),
            scenario=scenario,
            paid_usd=usd,
            tokens=tokens or None,
        )


def _tokens(view: View, offer: int, period: int, usd: float) -> float:
    return float(tokens_bought(view, int(offer), np.array([period]), np.array([usd]))[0])


def signed_starts(encoded: Encoded, point: Floats) -> Bools:
    """(A,) starts that are signed; where that is no decision, those under which anything is carried or committed.

    Of terms that add up, one that commits to nothing is not signed where others run, or all use is within them.
    """
    contracts, first = encoded.instance.contracts, encoded.first
    used = np.zeros(len(contracts.offer), dtype=np.bool_)
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        used[view.flow_contract[(view.flow_contract >= 0) & (point[cols.flow] > 0)]] = True
        used[cols.covered.contract[point[cols.covered.at] > 0]] = True
    of = contracts.start_contract
    free = used[of] | (point[first.committed] > 0)
    signed = contracts.start_signed | np.where(contracts.decided[of], point[first.signed] > 0.5, free)
    begin, end = covered_periods(encoded.instance)
    nothing = contracts.stackable[of] & ~contracts.start_signed & (point[first.committed] <= 0)
    for a in np.flatnonzero(
        signed & nothing
    ).tolist():  # beside other terms, or where nothing goes beyond them
        others = np.flatnonzero(signed & (of == of[a]))
        others = others[others != a]
        periods = np.arange(begin[a], end[a])[:, None]
        covered = ((begin[others] <= periods) & (periods < end[others])).any(axis=1)
        signed[a] = not (contracts.limited[of[a]] or covered.all())
    return np.asarray(signed, dtype=bool)


@dataclass(frozen=True, eq=False, repr=False)
class _Bills:
    """The spans of one contract in one future, (n,) each."""

    span: Ints
    signed: Bools
    committed: Floats  # own units due
    tokens: Floats
    own: Floats  # used, in own units: USD after discounts
    used_usd: Floats
    billed_usd: Floats
    rolled_usd: Floats  # of what earlier spans left, used here
    unused_usd: Floats
    owed_usd: Floats


def settlement_rows(
    view: View,
    cols: Columns,
    point: Floats,
    listed: Bools,
    scenario: str | None,
    sellers: Bools | None = None,
) -> Iterator[tuple[Settlement, float]]:
    """What each span uses and owes, and the present value of its bill.

    listed      (A,) the starts that are signed
    sellers     (O,) whose contracts are read; None: all
    """
    inst, contracts = view.inst, view.inst.contracts
    by_discount = _by_discount(view, cols, point, listed)
    read = np.ones(len(contracts.offer), dtype=bool) if sellers is None else sellers[contracts.offer]
    for b in np.flatnonzero(read).tolist():
        bills, covered = _bills(view, cols, point, listed, b), covered_usd(view, cols, b, point)
        spans, stated_in_tokens = contracts.spans, bool(contracts.stated_in_tokens[b])
        signed = np.flatnonzero(bills.signed)
        for at in _together(view, bills.span[signed], contracts.by_hour[b]):
            k = signed[at]
            n = bills.span[k]
            due = float(bills.committed[k].sum())
            rate = due / float(spans.share[n].sum())
            plain = not contracts.spanned[b]
            short = bills.own[k] + spans.used_before[n] < bills.committed[k] * (1 - 1e-9)
            present_usd = float(bills.billed_usd[k] @ inst.time.weight[spans.period[n]])
            row = Settlement(
                **seller_of(inst, b),
                from_h=float(spans.from_h[n[0]]),
                until_h=float(spans.until_h[n[-1]]),
                scenario=scenario,
                signed=True,
                committed_tokens_per_month=rate if stated_in_tokens else None,
                committed_usd_per_month=None if stated_in_tokens else rate,
                used_tokens=float(bills.tokens[k].sum()),
                used_usd=float(bills.used_usd[k].sum()),
                billed_usd=float(bills.billed_usd[k].sum()),
                beyond_horizon_usd=float(bills.owed_usd[k].max()),
                utilisation=float(bills.own[k].sum() / due) if due > 0 else None,
                rolled_usd=float(bills.rolled_usd[k].sum()) if contracts.rollover[b] else None,
                unused_usd=None if plain else float(bills.unused_usd[k].sum()),
                spans=len(k) if contracts.by_hour[b] else None,
                spans_short=int(short.sum()) if contracts.by_hour[b] else None,
                so_far=_stands_at(view, cols, point, listed, b, bills, int(k[-1])),
                covered_usd=None if covered is None else float(covered[k].sum()),
                vendor_order_usd=None
                if covered is None or by_discount is None
                else float((bills.billed_usd + covered - by_discount[bills.span])[k].sum()),
            )
            yield row, present_usd


def _by_discount(view: View, cols: Columns, point: Floats, listed: Bools) -> Floats | None:
    """(N,) what agreements would cover in each span of theirs, the highest discount first; None beside bands."""
    contracts = view.inst.contracts
    due = np.zeros(len(contracts.spans.contract))
    agreed = view.inst.agreements.contract.tolist()
    if any(contracts.discounts[b] is not None or contracts.rollover[b] for b in agreed):
        return None  # what a dollar more is billed at hangs on the whole span, or on those before
    if (view.inst.offers.contract[view.inst.agreements.offer] >= 0).any():
        return None  # so does what a dollar less costs under an offer's own commitment
    for b in np.flatnonzero(np.isin(np.arange(len(contracts.offer)), view.inst.agreements.contract)).tolist():
        mine = contracts.spans.of(b)
        force = view.inst.contracts.spans
        signed = np.isin(mine, force.force_span[listed[force.force_start]])
        most = committed_own(view, cols, b, point) if contracts.limited[b] else np.full(len(mine), np.inf)
        due[mine] = np.where(signed, most, 0.0)
    return covered_by_discount(view, cols, point, due)


def _together(view: View, span: Ints, by_hour: bool) -> list[Ints]:
    """Spans that have a row in common: those of a billing month, where they are shorter than a day."""
    if not by_hour:
        return [np.array([k]) for k in range(len(span))]
    month = view.inst.time.month[view.inst.contracts.spans.period[span]]
    return [np.flatnonzero(month == k) for k in np.unique(month)]


def _bills(view: View, cols: Columns, point: Floats, listed: Bools, b: int) -> _Bills:
    inst, contracts = view.inst, view.inst.contracts
    spans = contracts.spans.of(b)
    tokens, price = bool(contracts.in_tokens[b]), float(view.price[contracts.offer[b]])
    share, before = contracts.spans.share[spans], contracts.spans.used_before[spans]
    used, own = used_tokens(view, cols, b, point), used_own(view, cols, b, point)
    committed = committed_own(view, cols, b, point)
    tiers, discounts = contracts.tiers[b], contracts.discounts[b]
    rate = rate_usd(inst)[spans] * (price if tokens else 1.0)
    beside = beside_by_span(view, cols, b, point)
    used_usd, rolled_usd = own * rate + beside, np.zeros(len(spans))
    unused_usd = np.maximum(committed - own - before_own(view, b), 0.0) * rate
    if tiers is not None:
        none_due = np.zeros(len(spans))
        used_usd = tiered_usd(view, cols, b, in_bands(view, cols, b, point, none_due))
        used_usd = used_usd + (0.0 if tokens else own)
        billed = np.maximum(used_usd, committed)
        if tokens:
            billed = tiered_usd(view, cols, b, in_bands(view, cols, b, point, committed))
        unused_usd = np.maximum(billed - used_usd, 0.0) if tokens else np.maximum(committed - used_usd, 0.0)
        stood = [tiers.bill(float(u), float(s)) for u, s in zip(before, share, strict=True)]
        used_usd = used_usd - np.array(stood) * price * contracts.factor_before[b]
        own = used if tokens else used_usd
    elif discounts is not None:
        used_usd = discounted(discounts, own + before, share) @ discounts.rate
        billed, unused_usd = np.maximum(used_usd, committed), np.maximum(committed - used_usd, 0.0)
        used_usd = used_usd - discounted(discounts, before, share) @ discounts.rate
        own = used_usd
    elif len(spans) and cols.billed[spans[0]] >= 0:
        due = np.maximum(committed - counted_usd(view, cols, b, point), 0.0)
        total = own + before_own(view, b)
        billed = np.maximum(total, due) * rate + beside
        unused_usd = np.maximum(due - total, 0.0) * rate if contracts.counts[b] else unused_usd
    else:
        overage = beyond_usd(inst, b) * (price if tokens else 1.0)
        total = own + before_own(view, b)
        beyond, _, paid = rolled(view, b, total, committed)
        billed = committed * rate + beyond * overage + beside
        points = cols.beyond[b].points
        earlier = np.where(points.last, 0.0, points.weight * beyond_until(view, cols, b, point, committed))
        weighed = np.bincount(points.span, weights=earlier, minlength=len(spans))
        billed = billed + weighed * (price if tokens else 1.0)
        rolled_usd = paid * rate
        unused_usd = np.maximum(committed - np.maximum(total - paid, 0.0), 0.0) * rate
    starts = np.flatnonzero(contracts.start_contract == b)
    force = (inst.contracts.due_share[starts][:, spans] > 0).toarray()
    signed = np.any(listed[starts][:, None] & force, axis=0)
    volumes = np.where(listed[starts], point[cols.first.committed[starts]] * cols.first.commit_scale[b], 0.0)
    owed = (
        contracts.beyond_months[starts] * _monthly(contracts, b, starts, volumes, price)
    ) @ force  # by the terms in force
    opened = [billed_before(inst, int(n), price) if contracts.spanned[b] else 0.0 for n in spans]
    return _Bills(
        span=spans,
        signed=signed,
        committed=committed,
        tokens=used,
        own=own,
        used_usd=used_usd,
        billed_usd=billed - np.array(opened),
        rolled_usd=rolled_usd,
        unused_usd=unused_usd,
        owed_usd=owed,
    )


def _stands_at(
    view: View, cols: Columns, point: Floats, listed: Bools, b: int, bills: _Bills, k: int
) -> StandsAt | None:
    """Where the contract stands at the end of the horizon, if its term goes on and this is its last span."""
    inst, contracts = view.inst, view.inst.contracts
    spans, horizon_h = contracts.spans, inst.time.horizon_h
    n = int(bills.span[k])
    here = spans.force_start[spans.force_span == n]
    goes_on = listed[here] & (contracts.end_h[here] > horizon_h + NEAR_H) & np.isfinite(contracts.end_h[here])
    if not contracts.spanned[b] or spans.until_h[n] < horizon_h - NEAR_H or not goes_on.any():
        return None
    by_tokens = contracts.tiers[b] is not None or bool(contracts.in_tokens[b])
    cut = bool(spans.ends_h[n] > horizon_h + NEAR_H)
    used = float(spans.used_before[n] + _counted(view, cols, point, b, by_tokens)[k]) if cut else 0.0
    rest: list[float] = []
    if contracts.rollover[b]:
        total = used_own(view, cols, b, point) + before_own(view, b)
        rest = left_after(view, b, total, bills.committed, k, ended=not cut)
    counted = float(counted_usd(view, cols, b, point)[k]) if cut and contracts.counts[b] else None
    return StandsAt(float(spans.begins_h[n]) if cut else horizon_h, used, tuple(rest), counted)


def _counted(view: View, cols: Columns, point: Floats, b: int, counted: bool) -> Floats:
    """(n,) tokens, or dollars at contract rates without any discount."""
    used = used_tokens(view, cols, b, point) if counted else used_own(view, cols, b, point)
    rates = view.inst.contracts.start_rate[view.inst.contracts.start_contract == b]
    if counted or (rates == 1.0).all():
        return used
    spans = view.inst.contracts.spans
    start = spans.lot_start[spans.lot[spans.of(b)]]
    return np.asarray(used / view.inst.contracts.start_rate[start])


def _monthly(contracts: Contracts, b: int, starts: Ints, committed: Floats, price: float) -> Floats:
    """USD a month that commitments (n,), in own units, of some terms cost by themselves after the horizon."""
    tiers = contracts.tiers[b]
    if tiers is not None and contracts.in_tokens[b]:
        usd = np.array([tiers.bill(float(volume)) for volume in committed])
        return np.asarray(usd * price * contracts.factor_beyond[starts])
    rate = contracts.beyond_unit_usd[starts] * (price if contracts.in_tokens[b] else 1.0)
    return np.asarray(committed * rate)
