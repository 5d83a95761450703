"""What commitments cost by span: the rate of an own unit, of one beyond, and of use in the hours it falls in.

    rate[n]     mean by hours of the contract rate over the span, also before the horizon where it began there
    bill        rate · (committed + beyond) + Σ_f (rate of its hours − rate) · flow          in tokens
    bill so far the same at the horizon's end less what it was at its start: the use before cancels

Use is paid at the rate of its hours, and what is committed beyond it at the mean rate of the span: a shortfall, and
what rolls over into later spans. Where use is counted term by term, the mean is that of the term's own span.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.bill_points import overage_points
from problems.core.columns import Columns
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.span_means import paid_by_hours, rate_usd, span_factors
from problems.core.taken_off import paid_at_rates, taken_off
from problems.core.view import View

type SpanCost = tuple[Ints, Ints, Floats]
"""(number of the span among those of its contract, column, USD of the whole column)."""


@once
def span_weight(inst: Instance) -> Floats:
    """(N,) present value of a dollar of each span's bill: of its first period in the horizon."""
    return np.asarray(inst.time.weight[inst.contracts.spans.period])


def owed_months(inst: Instance) -> Floats:
    """(A,) months of each start's commitment that are due in the horizon, at present value."""
    spans, n = inst.contracts.spans, len(inst.contracts.start_contract)
    months = (spans.force_share - spans.force_before) * span_weight(inst)[spans.force_span]
    return np.bincount(spans.force_start, weights=months, minlength=n).astype(float)


def owed_in_horizon(inst: Instance) -> Floats:
    """(A,) USD that each own unit a month owes in the horizon without use, at present value and price 1."""
    contracts, spans = inst.contracts, inst.contracts.spans
    tiered = np.array([tiers is not None for tiers in contracts.tiers], dtype=bool)
    by_bands = owed_usd(inst)[spans.contract] * span_factors(inst)
    owed = np.where(tiered[spans.contract], by_bands, rate_usd(inst))[spans.force_span]
    usd = (spans.force_share - spans.force_before) * span_weight(inst)[spans.force_span] * owed
    return np.bincount(spans.force_start, weights=usd, minlength=len(contracts.start_contract)).astype(float)


def owed_usd(inst: Instance) -> Floats:
    """(B,) USD that each own unit committed owes without use; with tiers in tokens, of the minimum as a whole, at the
    rates stated."""
    contracts = inst.contracts
    owed = contracts.unit_usd.copy()
    for b, tiers in enumerate(contracts.tiers):
        least = float(contracts.min_per_month[b])
        if tiers is not None and contracts.in_tokens[b] and least > 0:
            owed[b] = tiers.bill(least) / least
    return owed


def beyond_usd(inst: Instance, b: int) -> Floats:
    """(n,) USD of an own unit above the commitment at the end of each span, where that is paid for apart."""
    contracts = inst.contracts
    if np.isfinite(contracts.overage_stated[b]):
        points = overage_points(inst, b)
        return points.weight[points.last]
    return np.asarray(rate_usd(inst)[contracts.spans.of(b)])


def beside_rate(view: View, cols: Columns, b: int) -> SpanCost:
    """What use in tokens costs beside the mean rate of its span, where the rate changes within one."""
    inst, contracts = view.inst, view.inst.contracts
    spans, at = contracts.spans, view.flows_of_contract[b]
    if not paid_by_hours(inst, b) or not len(at) or not len(spans.of(b)):
        none = np.empty(0, dtype=np.int64)
        return none, none, np.empty(0)
    first, price = int(spans.of(b)[0]), float(view.price[contracts.offer[b]])
    rates, off = rate_usd(inst), taken_off(view, cols, b)
    if spans.split(b):  # all use at its rate; less the mean of the span that each part is counted in
        parts = np.flatnonzero(spans.lot_contract[cols.parts.lot] == b)
        mean, span = rates[cols.parts.span[parts]] * cols.parts.unit[parts], cols.parts.span[parts] - first
        (_, paid, used), by_part = paid_at_rates(view, cols, b), cols.parts.usd_at[parts]
        counted = np.zeros(len(paid), dtype=np.int64)
        if (by_part >= 0).any():  # a dollar weighs what it does in the span that it is counted in
            some = by_part >= 0
            paid, used, counted = by_part[some], cols.parts.usd[parts[some]], span[some]
        return (
            np.concatenate([counted, span]),
            np.concatenate([paid, cols.parts.at[parts]]),
            np.concatenate([used, -mean]) * price,
        )
    span = spans.by_period(b)[view.flows.period[at]]
    at, span = at[span >= 0], span[span >= 0]  # nothing is carried outside all spans
    own = view.flow_tokens[at] * rates[span]
    usd = view.flow_token_usd[at] - own
    usd = np.where(np.abs(usd) <= 1e-12 * own, 0.0, usd) * price
    less_in = spans.by_period(b)[off.period]
    less = np.where(less_in >= 0, off.usd - off.tokens * rates[less_in] * price, 0.0)
    less = np.where(np.abs(less) <= 1e-12 * off.usd, 0.0, less)
    return (
        np.concatenate([span - first, np.maximum(less_in - first, 0)]),
        np.concatenate([cols.charged[at], off.column]),
        np.concatenate([usd, -less]),
    )


def beside_by_span(view: View, cols: Columns, b: int, point: Floats) -> Floats:
    """(n,) the same in USD of a plan, by the span that is in force."""
    spans = view.inst.contracts.spans
    total = np.zeros(len(spans.of(b)))
    if not spans.split(b):
        span, column, usd = beside_rate(view, cols, b)
        np.add.at(total, span, usd * point[column])
        return total
    at, price = view.flows_of_contract[b], float(view.price[view.inst.contracts.offer[b]])
    rates, off = rate_usd(view.inst), taken_off(view, cols, b)
    for lot in spans.lots(b).tolist() if paid_by_hours(view.inst, b) else ():
        if point[cols.first.signed[spans.lot_start[lot]]] > 0.5:
            span = spans.lot_span[lot][view.flows.period[at]]
            own, here = at[span >= 0], span[span >= 0]
            usd = (view.flow_token_usd[own] - view.flow_tokens[own] * rates[here]) * price
            np.add.at(total, here - spans.of(b)[0], usd * point[cols.charged[own]])
            span = spans.lot_span[lot][off.period]
            less = np.where(span >= 0, off.usd - off.tokens * rates[span] * price, 0.0)
            np.subtract.at(total, np.maximum(span - spans.of(b)[0], 0), less * point[off.column])
    return total


def billed_before(inst: Instance, n: int, price: float) -> float:
    """USD that a span's bill stood at when the horizon began: of its use and of its minimum by the hours until then.

    Of a commitment in tokens, so that the use before it has the rate in this bill that it has in the one at the end.
    """
    contracts, spans = inst.contracts, inst.contracts.spans
    b = int(spans.contract[n])
    here = (spans.force_span == n) & contracts.start_signed[spans.force_start]
    starts = spans.force_start[here]
    due = float(spans.force_before[here] @ contracts.start_min[starts])
    due = max(due - float(contracts.counted_before[b]), 0.0)
    used = float(spans.used_before[n]) * float(contracts.start_rate[starts].max(initial=0.0))
    tiers, discounts, share = contracts.tiers[b], contracts.discounts[b], float(spans.share_before[n])
    price_then = price * float(contracts.factor_before[b])
    if tiers is not None and contracts.in_tokens[b]:
        return tiers.bill(max(used, due), share) * price_then
    if tiers is not None:
        return max(tiers.bill(used, share) * price_then, due)
    if discounts is not None:
        return max(discounts.bill(used, share), due)
    if not used and not due:
        return 0.0
    if contracts.counts[b]:
        return max(used, due)
    beyond = max(used - float(contracts.credit[b].sum()) - due, 0.0)
    if contracts.in_tokens[b]:
        at_end, then = float(rate_usd(inst)[n]) * price, float(contracts.unit_usd_before[b]) * price
        over = float(contracts.overage_before[b])
        over = over if np.isfinite(over) else float(contracts.unit_usd_before[b])
        return at_end * used + then * (due - used) + over * price * beyond
    over = float(contracts.overage_usd[b])
    if np.isfinite(contracts.overage_stated[b]):  # a dollar's worth of tokens
        over = float(contracts.overage_before[b] / contracts.token_usd_before[b])
        over /= float(contracts.start_rate[starts].max(initial=0.0)) or 1.0
    return float(due + beyond * over)
