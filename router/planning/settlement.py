"""The only rounding in the program: a solver's point becomes a plan's quantities, exactly.

Integers are rounded, shares are cleaned of the solver's tolerance so that they sum to 1, and every quantity that
follows from others (what is paid, started, billed, each band's volume) is recomputed from them. How much was moved is
reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from problems import churn
from problems.allowances import taken
from problems.core.arrays import Floats, distinct
from problems.core.columns import Columns
from problems.core.coverage import paid_earliest, use_of
from problems.core.elsewhere import counted_usd
from problems.core.encode import Encoded
from problems.core.first_stage import covered_periods, force_slots
from problems.core.rests import rests, rolled
from problems.core.span_use import band_scale, flow_terms
from problems.core.statements import due_by
from problems.core.taken_off import paid_at_rates
from problems.core.view import View
from problems.pricing import Cost
from router.planning.bills.credited import settle_payable
from router.planning.bills.used import (
    before_own,
    beyond_until,
    committed_own,
    discounted,
    in_bands,
    span_in_force,
    start_rates,
    tiered_usd,
    used_own,
    used_until,
)
from router.planning.minutes.refusing import settle_refused

NEAR = 2e-6  # of the largest commitment: a solver's tolerance of its limits
STRAY = 1e-4  # relative: further than this steps of a recipe do not stray by a solver's tolerance
DUST = 1e-9  # shares and instances below this are the solver's tolerance


@dataclass(frozen=True, eq=False, repr=False)
class Settled:
    """A point that means what it says, and how far it is from the solver's."""

    point: Floats
    moved_share: float  # largest change of a share
    moved_count: float  # largest change of an integer


def settle(encoded: Encoded, raw: Floats) -> Settled:
    """Clean the solver's point; repairs nothing beyond its tolerance (the check would find it)."""
    program = encoded.program
    point = np.clip(raw, program.col_lower, program.col_upper)
    whole = program.integer
    point[whole] = np.round(point[whole])
    moved_count = float(np.abs(point[whole] - raw[whole]).max(initial=0.0))
    moved_share = 0.0
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        moved_share = max(moved_share, _shares(view, cols, point))
        _charged(view, cols, point)
        _counts(view, cols, point, whole=program.is_mip)
        settle_refused(view, cols, point)
        churn.recompute(view, cols, point)
    _fees(encoded, point)
    bought = encoded.first.bought[encoded.first.bought >= 0]
    dust = DUST * np.minimum(program.col_upper[bought], 1.0)  # what is small may be all that is needed
    point[bought] = np.where(point[bought] < dust, 0.0, point[bought])
    _committed(encoded, point)
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        _covered(view, cols, point)
        _paid_by(view, cols, point)
        _bills(view, cols, point)
        settle_payable(view, cols, point)
    return Settled(point, moved_share, moved_count)


def _shares(view: View, cols: Columns, point: Floats) -> float:
    """Drop dust, then make every cell's shares sum to exactly 1."""
    flow = point[cols.flow]
    flow = np.where(flow < DUST, 0.0, flow)
    dropped = np.flatnonzero(cols.unserved >= 0)
    unserved = point[cols.unserved[dropped]]
    unserved = np.where(unserved < DUST, 0.0, unserved)
    first = view.led[view.flows.cell] == view.flows.cell  # of the steps of a recipe the first is served
    served = np.where(first, flow, 0.0)
    answered = view.answered
    total = np.bincount(answered[view.flows.cell], weights=served, minlength=len(view.cells)).astype(float)
    total[dropped] += unserved
    scale = np.where(total > 0.5, 1.0 / np.where(total > 0, total, 1.0), 1.0)
    flow = flow * scale[answered[view.flows.cell]]
    _follow(view, flow)
    moved = float(np.abs(flow - point[cols.flow]).max(initial=0.0))
    point[cols.flow] = flow
    point[cols.unserved[dropped]] = unserved * scale[dropped]
    return moved


def _follow(view: View, flow: Floats) -> None:
    """Further steps of recipes carry exactly what the first does, in every period."""
    cell, period = view.flows.cell, view.flows.period
    steps = view.inst.workloads.steps[view.cells.workload[cell]]
    if not (steps > 0).any():
        return
    n = view.inst.time.periods
    own, lead = cell * n + period, view.led[cell] * n + period
    carried = np.bincount(own, weights=flow, minlength=len(view.cells) * n)
    factor = np.where(carried[own] > 0, carried[lead] / np.where(carried[own] > 0, carried[own], 1.0), 1.0)
    flow[steps > 0] *= np.where(np.abs(factor - 1.0) <= STRAY, factor, 1.0)[steps > 0]


def _charged(view: View, cols: Columns, point: Floats) -> None:
    """What is paid for of each flow: all but what is free, of which no more is taken than there is."""
    free = np.clip(point[cols.flow] - point[cols.charged], 0.0, point[cols.flow])
    free = np.where(free < DUST, 0.0, free)
    for n, most in enumerate(view.inst.allowances.most.tolist()):
        flow, amount = taken(view, n)
        used = float(amount @ free[flow])
        if used > most:
            free[flow] *= most / used
    point[cols.charged] = point[cols.flow] - free


def _counts(view: View, cols: Columns, point: Floats, *, whole: bool) -> None:
    """Counts from their parts, what is paid above the reserved, and what was started; not `whole`: relaxed."""
    counts, fleets = cols.counts, view.inst.fleets
    least_needed = _least_needed(view, cols, point)
    for q in range(fleets.pools):
        fleet = fleets.pool_fleet[q]
        ahead = cols.first.ahead.count[q, 0] >= 0
        opened = cols.first.ahead.open[q] if ahead else counts.open[q]
        steps = cols.first.ahead.steps[q] if ahead else counts.steps[q]
        count, paid = counts.count[q], counts.paid[q]
        for at in (count, paid):
            point[at] = np.where(point[at] < DUST, least_needed[q], point[at])
        if steps[0] >= 0:
            least = fleets.pool_min[q] * point[opened] if opened[0] >= 0 else 0.0
            point[count] = least + fleets.pool_step[q] * point[steps]
        if fleets.pooled[fleet]:  # what is bought for all pools may stand idle in any
            continue
        point[paid] = np.clip(point[paid], 0.0, point[count])
        if whole and fleets.integral[fleet] and (fleets.reserved[fleet] % 1.0 == 0).all():
            point[paid] = np.round(point[paid])
        started = np.flatnonzero(cols.started[q] >= 0)
        if started.size:
            before = np.concatenate([view.inst.paid_before[[q]], point[paid]])[started]
            rise = np.maximum(point[paid][started] - before, 0.0)
            point[cols.started[q, started]] = rise


def _least_needed(view: View, cols: Columns, point: Floats) -> Floats:
    """(Q, T) what carries loads so small that the solver's tolerance takes them for none; 0 for whole instances."""
    fleets, flows = view.inst.fleets, view.flows
    needed = np.zeros(cols.counts.count.shape)
    at, pool, load = view.pool_loads
    real = ~fleets.integral[fleets.pool_fleet[pool]]
    at, pool, load = at[real], pool[real], load[real] * point[cols.flow[at[real]]]
    part = np.maximum(flows.end[at] - flows.start[at], 1e-12)
    usable = np.maximum(view.usable[fleets.pool_fleet[pool], flows.period[at]], 1e-12)
    np.add.at(needed, (pool, flows.period[at]), load / part / usable)
    return np.where(needed < DUST, needed, 0.0)


def _fees(encoded: Encoded, point: Floats) -> None:
    """No fee of an offer that carries nothing, as of counts rounded up; but where one is asked for (`signing`)."""
    inst, active = encoded.instance, encoded.first.active
    used = np.zeros(len(active), dtype=np.bool_) if inst.must_sign is None else inst.must_sign.copy()
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        used[view.routes.offer[view.flows.route[point[cols.flow] > 0]]] = True
    idle = active[(active >= 0) & ~used]
    point[idle] = encoded.program.col_lower[idle]


def _committed(encoded: Encoded, point: Floats) -> None:
    """Commitments exactly at their minimum or at a whole number of steps, and what they add up to."""
    contracts, first = encoded.instance.contracts, encoded.first
    for a, b in enumerate(contracts.start_contract):
        scale, least, most = first.commit_scale[b], contracts.start_min[a], contracts.start_max[a]
        signed, committed = first.signed[a], first.committed[a]
        if contracts.start_signed[a] or not np.isfinite(most):
            if not contracts.decided[b]:
                point[signed] = float(contracts.start_signed[a])
            point[committed] = least * point[signed] / scale
        elif first.commit_steps[a] >= 0:
            point[committed] = contracts.step_per_month[b] * point[first.commit_steps[a]] / scale
        elif point[committed] * scale < DUST * max(most, 1.0):
            point[committed] = 0.0
        else:
            sold = np.array([least, most]) * point[signed] / scale
            nearest = np.clip(point[committed], *sold)
            if abs(nearest - point[committed]) <= NEAR * most / scale:
                point[committed] = nearest
    volume = point[first.committed] * first.commit_scale[contracts.start_contract]
    for item in first.owed.each:
        tiers = contracts.tiers[item.contract]
        if tiers is not None:
            point[item.volume] = item.bands(tiers, volume) / item.scale
    begin, end = covered_periods(encoded.instance)
    for b, columns in enumerate(first.force):
        mine = contracts.start_contract == b
        for column, t in zip(columns, force_slots(encoded.instance, b) if len(columns) else (), strict=True):
            point[column] = point[first.committed[mine & (begin <= t) & (end > t)]].sum()


def _covered(view: View, cols: Columns, point: Floats) -> None:
    """Agreements bill no more than is used, and within a span no more than is committed."""
    covered, spans = cols.covered, view.inst.contracts.spans
    if not len(covered.at):
        return
    usd = np.where(point[covered.at] < DUST, 0.0, point[covered.at]) * covered.unit
    periods = view.inst.time.periods
    for o, rented in sorted({*zip(covered.offer.tolist(), covered.rented.tolist(), strict=True)}):
        use = use_of(view, cols.charged, cols.counts.paid, o, rented=rented)
        most = np.bincount(use.period, weights=use.usd * point[use.column], minlength=periods)
        mine = np.flatnonzero((covered.offer == o) & (covered.rented == rented))
        asked = np.bincount(covered.period[mine], weights=usd[mine], minlength=periods)
        usd[mine] *= np.minimum(1.0, most / np.where(asked > 0, asked, 1.0))[covered.period[mine]]
    contracts = view.inst.contracts
    for b in distinct(covered.contract).tolist():
        mine, of = covered.of(b), spans.of(b)
        span = span_in_force(view, cols, b, point)[covered.period[mine]]
        usd[mine[span < 0]] = 0.0
        if contracts.limited[b]:
            own = usd[mine] * covered.rate[mine] * start_rates(view, span)
            at = np.where(span < 0, 0, span - of[0])  # of no span nothing is left
            used = np.bincount(at, weights=own, minlength=len(of))
            most = _most_covered(view, cols, b, point, used.copy())
            usd[mine] *= np.where(used > most, most / np.where(used > 0, used, 1.0), 1.0)[at]
    point[covered.at] = usd / covered.unit


def _most_covered(view: View, cols: Columns, b: int, point: Floats, used: Floats) -> Floats:
    """(n,) the most of what an agreement bills (n,) that its spans have been committed to, or were left."""
    contracts = view.inst.contracts
    due, before, discounts = committed_own(view, cols, b, point), before_own(view, b), contracts.discounts[b]
    most = np.maximum(due - before, 0.0)
    if contracts.rollover[b]:
        total = used + before
        for i, left, committed in rests(view, b, total, due):
            most[i] = max(sum(left) + committed - before[i], 0.0)
            total[i] = before[i] + min(used[i], most[i])
    elif discounts is not None:
        spans = contracts.spans.of(b)
        share, old = contracts.spans.share[spans].tolist(), contracts.spans.used_before[spans].tolist()
        for i in range(len(used)):
            limit = max(float(due[i]), discounts.bill(old[i], share[i]))
            most[i] = max(discounts.use_within(limit, float(used[i]) + old[i], share[i]) - old[i], 0.0)
    return most


def _paid_by(view: View, cols: Columns, point: Floats) -> None:
    """Credits pay no more than is billed for what is used, in the part of it that they may pay, and than they have.

    What is billed at levels and bands is known later.
    """
    paid, credits, covered = cols.paid_by, view.inst.credits, cols.covered
    if not len(paid.at):
        return
    usd = np.where(point[paid.at] < DUST, 0.0, point[paid.at]) * paid.unit
    periods, room, cap = view.inst.time.periods, np.zeros(len(usd)), np.zeros(len(usd))
    for o, rented in sorted({*zip(paid.offer.tolist(), paid.rented.tolist(), strict=True)}):
        use = use_of(view, cols.charged, cols.counts.paid, o, rented=rented)
        most = np.bincount(use.period, weights=use.usd * point[use.column], minlength=periods)
        own = np.flatnonzero((covered.offer == o) & (covered.rented == rented))
        taken = covered.unit[own] * (1.0 - covered.rate[own]) * point[covered.at[own]]
        left = np.maximum(most - np.bincount(covered.period[own], weights=taken, minlength=periods), 0.0)
        mine = np.flatnonzero((paid.offer == o) & (paid.rented == rented))
        t = paid.period[mine]
        left[cols.payable.period[(cols.payable.offer == o) & (cols.payable.rented == rented)]] = np.inf
        room[mine], cap[mine] = left[t], credits.part[paid.credit[mine], t] * left[t]
        listed = np.bincount(covered.period[own], covered.unit[own] * point[covered.at[own]], periods)
        free = credits.allowance[paid.credit[mine]]  # pays what is left, no bill of an agreement
        cap[mine[free]] = np.minimum(cap[mine[free]], np.maximum(most - listed, 0.0)[t[free]])
        usd[mine] = np.minimum(usd[mine], cap[mine])
        asked = np.bincount(t, weights=usd[mine], minlength=periods)
        usd[mine] *= np.minimum(1.0, left / np.where(asked > 0, asked, 1.0))[t]
    asked = np.bincount(paid.credit, weights=usd, minlength=len(credits.most))
    usd *= np.minimum(1.0, credits.most / np.where(asked > 0, asked, 1.0))[paid.credit]
    if len(usd):
        settled = credits.allowance[paid.credit] & ~paid.rented & (view.inst.offers.contract[paid.offer] >= 0)
        point[paid.at] = paid_earliest(paid, usd, room, cap, ~settled & np.isfinite(room)) / paid.unit


def _bills(view: View, cols: Columns, point: Floats) -> None:
    """Each bill from use and commitment: at least both, and no more."""
    contracts = view.inst.contracts
    counting = [b for b, counts in enumerate(contracts.counts) if counts]
    for b in (
        *range(len(contracts.offer)),
        *(counting * len(counting)),
    ):  # what counts elsewhere is settled first
        spans = contracts.spans.of(b)
        if contracts.spans.split(b):
            _count_parts(view, cols, b, point)
        committed, used = committed_own(view, cols, b, point), used_own(view, cols, b, point)
        unit = cols.first.commit_scale[b] * contracts.spans.share[spans]
        tiers, discounts = contracts.tiers[b], contracts.discounts[b]
        share = contracts.spans.share[spans]
        if tiers is not None:
            points = cols.band_points[b]
            bands = in_bands(view, cols, b, point, committed)
            point[cols.band_volume[b]] = bands / band_scale(view, cols, b)[points.span][:, None]
            if not contracts.in_tokens[b]:
                used = used + tiered_usd(view, cols, b, bands)
        elif discounts is not None:
            bands = discounted(discounts, used + contracts.spans.used_before[spans], share)
            point[cols.band_volume[b]] = bands / band_scale(view, cols, b)[:, None]
            used = bands @ discounts.rate
        if len(spans) and cols.billed[spans[0]] >= 0:
            before = (
                0.0 if discounts is not None or (tiers is not None and not contracts.in_tokens[b]) else 1.0
            )
            used = used + before * contracts.spans.used_before[spans]
            due = np.maximum(committed - counted_usd(view, cols, b, point), 0.0)
            point[cols.billed[spans]] = np.maximum(used, due) / unit
            exact = cols.as_due[spans] >= 0
            point[cols.as_due[spans][exact]] = (due > used)[exact]
            _state(view, cols, b, point, unit)
        else:
            beyond, carried, _ = rolled(view, b, used + before_own(view, b), committed)
            if len(spans) and cols.over[spans[0]] >= 0:
                point[cols.over[spans]] = beyond / unit
                until = beyond_until(view, cols, b, point, committed)
                of, above = cols.beyond[b].points, cols.beyond[b]
                earlier, whole = np.flatnonzero(~of.last), np.flatnonzero(above.exceeds >= 0)
                point[above.at[earlier]] = until[earlier] / unit[of.span[earlier]]
                point[above.exceeds[whole]] = until[whole] > 0
            if contracts.rollover[b]:
                point[cols.carry[spans]] = carried / unit
                exceeds = np.flatnonzero(cols.exceeds[spans] >= 0)
                point[cols.exceeds[spans[exceeds]]] = beyond[exceeds] > 0


def _state(view: View, cols: Columns, b: int, point: Floats, unit: Floats) -> None:
    """Bills so far."""
    if not len(cols.statements.contract):
        return
    table, before = cols.statements, before_own(view, b)
    volume = point[cols.first.committed] * cols.first.commit_scale[b]
    for i in np.flatnonzero(table.contract == b).tolist():
        k, t = int(table.span[i]), int(table.before[i])
        starts, months = due_by(view.inst, b, k, t)
        used, due = before[k] + used_until(view, cols, b, point, t)[k], float(months @ volume[starts])
        point[table.at[i]] = max(used, due) / unit[k]
        point[table.as_due[i]] = due > used


def _count_parts(view: View, cols: Columns, b: int, point: Floats) -> None:
    """All that is used in a run of periods is counted under the one term that is signed then."""
    spans, parts = view.inst.contracts.spans, cols.parts
    mine = np.flatnonzero(spans.lot_contract[parts.lot] == b)
    tokens = view.inst.contracts.tiers[b] is not None or bool(view.inst.contracts.in_tokens[b])
    period, column, own = flow_terms(view, cols, b, tokens=tokens)
    run = parts.run_of[b][period]
    used = np.bincount(
        run[run >= 0], weights=(own * point[column])[run >= 0], minlength=1 + parts.run.max(initial=0)
    )
    signed = point[cols.first.signed[spans.lot_start[parts.lot[mine]]]]
    point[parts.at[mine]] = np.where(signed > 0.5, used[parts.run[mine]] / parts.unit[mine], 0.0)
    in_usd = parts.usd_at[mine] >= 0
    (period, column, usd), some = paid_at_rates(view, cols, b), mine[in_usd]
    run = parts.run_of[b][period]
    usd = (usd * point[column])[run >= 0]
    paid = np.bincount(run[run >= 0], weights=usd, minlength=1 + parts.run.max(initial=0))
    point[parts.usd_at[some]] = np.where(signed[in_usd] > 0.5, paid[parts.run[some]] / parts.usd[some], 0.0)


def cost_lines(
    costs: Sequence[Sequence[Cost]], probability: Floats, point: Floats, n_offers: int
) -> tuple[dict[tuple[int, str], float], Floats]:
    """Expected USD by (offer, −1: none; kind), and the cost of each scenario (S,)."""
    each = [(s, cost) for s, scenario in enumerate(costs) for cost in scenario]
    names = list(dict.fromkeys(cost.kind.name for _, cost in each))
    # by scenario, kind, and offer, the first of which is none
    shape = (len(costs), len(names), n_offers + 1)
    row = np.array([s * len(names) + names.index(cost.kind.name) for s, cost in each], dtype=np.int64)
    first = np.repeat(row * (n_offers + 1) + 1, [len(cost.at) for _, cost in each])
    none = np.empty(0)
    at, usd, offer = (
        np.concatenate([none.astype(kind), *(getattr(cost, name) for _, cost in each)])
        for name, kind in (("at", np.int64), ("usd", float), ("offer", np.int64))
    )
    size = int(np.prod(shape))
    money = np.bincount(first + offer, weights=usd * point[at], minlength=size).astype(float).reshape(shape)
    for r, (_, cost) in zip(row.tolist(), each, strict=True):
        if cost.fixed is not None:
            money[r // len(names), r % len(names), 1:] += cost.fixed
    expected = np.tensordot(probability, money, axes=1)
    lines = {
        (int(o) - 1, names[k]): float(expected[k, o])
        for k, o in zip(*np.nonzero((money != 0).any(axis=0)), strict=True)
    }
    return lines, money.sum(axis=(1, 2))
