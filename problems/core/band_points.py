"""Where volumes are counted against price bands: at the end of each span, and wherever its prices change.

    bill of a span = Σ_i φ[i] · (bands(V[i]) − bands(V[i−1])) = Σ_i (φ[i] − φ[i+1]) · bands(V[i])

    V[i]   volume of the span up to point i: bands fill in order of time
    φ[i]   factor of the rules on the rates of the bands since the point before; none after the last

The last volume is what is billed: what of it is not used (a shortfall, or units bought to reach a band) has the mean
factor of the span. What was used before the horizon has the mean of the hours until then.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from problems.core.instance import Instance
from problems.core.span_means import span_factors
from solvers.core.record import Record

SAME = 1e-9  # relative


class BandPoints(Record):
    """Points of a contract, those of a span in order of time."""

    span: Ints  # (P,) number of the span among those of its contract
    before: Ints  # (P,) what periods before this one use counts
    last: Bools  # (P,) what is billed of the span, and no use alone
    weight: Floats  # (P,) of what the bands up to there cost: the factor since the point before less the next

    @property
    def last_of(self) -> Ints:
        """(P,) the last point of each one's span."""
        return np.flatnonzero(self.last)[self.span]


def band_points(inst: Instance, b: int) -> BandPoints:
    """One point a span, but where its prices change."""
    contracts = inst.contracts
    tiers, mine, spans = contracts.tiers[b], contracts.spans.of(b), contracts.spans
    n, end = len(mine), inst.time.periods
    if tiers is None or not rates_change(inst, b):
        return BandPoints(np.arange(n), np.full(n, end), np.ones(n, dtype=bool), np.ones(n))
    by_period, means = period_factors(inst, b), span_factors(inst)[mine]
    least, most = float(contracts.min_per_month[b]), float(contracts.max_per_month[b])
    may_buy = tiers.all_units or (contracts.in_tokens[b] and (least > 0 or np.isfinite(most)))
    of, before, last, weight = list[int](), list[int](), list[bool](), list[float]()
    for k, own in enumerate(mine.tolist()):
        periods = np.flatnonzero(spans.lot_span[spans.lot[own]] == own)
        steps = [(float(by_period[t]), int(t) + 1) for t in periods]
        if spans.used_before[own] > 0:
            steps.insert(0, (float(contracts.factor_before[b]), int(spans.period[own])))
        steps = steps or [(float(means[k]), end)]
        if may_buy:
            steps.append((float(means[k]), end))
        factor = np.array([each for each, _ in steps])
        follows = np.append(factor[1:], 0.0)
        for i, (each, until) in enumerate(steps):
            final = i + 1 == len(steps)
            if final or abs(each - follows[i]) > SAME * max(each, 1.0):
                of.append(k)
                before.append(until)
                last.append(final)
                weight.append(float(each - follows[i]))
    return BandPoints(
        np.array(of, dtype=np.int64),
        np.array(before, dtype=np.int64),
        np.array(last, dtype=bool),
        np.array(weight),
    )


def rates_change(inst: Instance, b: int) -> bool:
    """Whether rules put a factor on the rates of a contract's bands."""
    return bool((inst.contracts.factor_at[b] != 1.0).any() or inst.contracts.factor_before[b] != 1.0)


def period_factors(inst: Instance, b: int) -> Floats:
    """(T,) the factor on the rates of a contract's bands: the mean by the open hours of each period."""
    time, contracts = inst.time, inst.contracts
    is_open = inst.offers.open[[contracts.offer[b]]]
    part = time.by_period(is_open)[0]
    usd = time.by_period(np.where(is_open, contracts.factor_at[[b]], 0.0))[0]
    if (part >= 1.0).all():
        return np.asarray(usd)
    stated = time.by_period(contracts.factor_at[[b]])[0]
    return np.asarray(np.where(part > 0, usd / np.where(part > 0, part, 1.0), stated))
