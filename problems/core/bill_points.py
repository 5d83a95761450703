"""Where the use of a span is counted for its bill: at its end, and wherever prices change before.

    bands:     Σ_i φ[i] · (bands(V[i]) − bands(V[i−1])) = Σ_i (φ[i] − φ[i+1]) · bands(V[i])
    overage:   Σ_i δ[i] · (O[i] − O[i−1]) = Σ_i (δ[i] − δ[i+1]) · O[i]          O[i] = max(0, V[i] − committed)

    V[i]   what the span uses up to point i: what comes first is in the first band, or within what is committed
    φ[i]   factor of the rules on the rates of the bands since the point before; 0 after the last
    δ[i]   USD by which an own unit above the commitment is dearer than one within it

The last volume of bands is what is billed: what of it is not used (a shortfall, or units bought to reach a band) has
the mean factor of the span. Of what is committed in tokens and not used that holds too: bill = mean rate · committed +
Σ (rate − mean) · use + …, so that the last weight of what goes beyond has the mean besides. What was used before the
horizon has the mean of the hours until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from problems.core.arrays import ArrayTable, Bools, Floats, Ints
from problems.core.contracts import Discounts, Tiers
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.span_means import rate_usd, span_factors

SAME = 1e-9  # relative


class BillPoints(ArrayTable):
    """Points of a contract, those of a span in order of time."""

    span: Ints  # (P,) number of the span among those of its contract
    before: Ints  # (P,) what periods before this one use counts
    last: Bools  # (P,) of its span: with bands what is billed, and no use alone
    weight: Floats  # (P,) of what is counted up to there: the figure since the point before less the next

    @property
    def last_of(self) -> Ints:
        """(P,) the last point of each one's span."""
        return np.flatnonzero(self.last)[self.span]


def ordered(tiers: Tiers | None, discounts: Discounts | None, points: BillPoints) -> Bools:
    """(points, bands) which bands have a 0/1: those that a solver would not fill in their order by itself.

    What rising prices cost is least in their order, what falling ones cost is most: it depends on the point's weight.
    All units have the price of the band that the last point reaches.
    """
    if discounts is not None:
        return np.full((len(points.span), len(discounts.rate)), len(discounts.rate) > 1)
    if tiers is None:
        return np.zeros((len(points.span), 0), dtype=bool)
    rise = np.diff(tiers.usd)
    by_itself = np.where(points.weight >= 0, (rise >= 0).all(), (rise <= 0).all() & ~points.last)
    needs = points.last if tiers.all_units else ~by_itself
    return np.repeat(needs[:, None], len(tiers.usd), axis=1)


type _Steps = list[tuple[float, int]]
"""(figure, first period no longer counted) in order of time."""


@once
def band_points(inst: Instance, b: int) -> BillPoints:
    """Of tiers and discounts: one point a span, but where rates of tiers change."""
    contracts, mine = inst.contracts, inst.contracts.spans.of(b)
    tiers, n, end = contracts.tiers[b], len(mine), inst.time.periods
    if tiers is None or not rates_change(inst, b):
        return BillPoints(np.arange(n), np.full(n, end), np.ones(n, dtype=bool), np.ones(n))
    least, most = float(contracts.min_per_month[b]), float(contracts.max_per_month[b])
    may_buy = tiers.all_units or (contracts.in_tokens[b] and (least > 0 or np.isfinite(most)))
    means = span_factors(inst)[mine]
    before = float(contracts.factor_before[b])

    def finish(k: int, steps: _Steps) -> _Steps:
        return [*steps, (float(means[k]), end)] if may_buy or not steps else steps

    return _points(inst, b, period_factors(inst, b), before, finish, np.zeros(n))


@once
def overage_points(inst: Instance, b: int) -> BillPoints:
    """Of a price of overage: one point a span, but where it changes, or the contract rate does."""
    contracts, mine = inst.contracts, inst.contracts.spans.of(b)
    n, end = len(mine), inst.time.periods
    stated = float(contracts.overage_stated[b])
    if not np.isfinite(stated) or not inst.offers.ruled[contracts.offer[b]]:
        return BillPoints(
            np.arange(n), np.full(n, end), np.ones(n, dtype=bool), stated / level_rates(inst, b)
        )
    over, rate = (open_mean(inst, b, usd[[b]]) for usd in (contracts.overage_at, contracts.token_usd_at))
    figures, mean = over - rate, rate_usd(inst)[mine]
    before = float(contracts.overage_before[b] - contracts.token_usd_before[b])
    if not contracts.in_tokens[b]:  # a dollar's worth of tokens above it
        figures, mean = _as_before(over, rate), np.zeros(n)
        before = float(contracts.overage_before[b] / max(float(contracts.token_usd_before[b]), 1e-300))

    def finish(k: int, steps: _Steps) -> _Steps:
        return steps or [(stated - float(mean[k]), end)]

    points = _points(inst, b, figures, before, finish, mean)
    return replace(points, weight=points.weight / level_rates(inst, b)[points.span])


def above_is_cheaper(inst: Instance, b: int) -> Bools:
    """(n,) spans in which, at some hour, a token above the commitment costs less than one within adds to the bill."""
    contracts, mine = inst.contracts, inst.contracts.spans.of(b)
    if not np.isfinite(contracts.overage_stated[b]) or not contracts.in_tokens[b]:
        return np.zeros(len(mine), dtype=bool)
    over, rate = (open_mean(inst, b, usd[[b]]) for usd in (contracts.overage_at, contracts.token_usd_at))
    gap, lots = over - rate, inst.contracts.spans
    least = [
        float(gap[lots.lot_span[lots.lot[n]] == n].min(initial=np.inf)) + mean
        for n, mean in zip(mine.tolist(), rate_usd(inst)[mine].tolist(), strict=True)
    ]
    return np.array([each < 0.0 for each in least], dtype=bool)


def _as_before(usd: Floats, rate: Floats) -> Floats:
    """(T,) USD for a dollar's worth of tokens; as before where they cost nothing, so that none is used."""
    at = np.maximum.accumulate(np.where(rate > 0, np.arange(len(rate)), 0))
    return np.asarray((usd / np.where(rate > 0, rate, 1.0))[at])


@once
def level_rates(inst: Instance, b: int) -> Floats:
    """(n,) what the level of each span's term leaves of a dollar at contract rates."""
    contracts, spans = inst.contracts, inst.contracts.spans
    start = spans.lot_start[spans.lot[spans.of(b)]]
    shared = float(contracts.start_rate[contracts.start_contract == b].min(initial=1.0))
    rate = np.append(contracts.start_rate, shared)  # the last is of spans that all terms share
    return np.asarray(rate[start])


def _points(
    inst: Instance,
    b: int,
    by_period: Floats,
    before: float,
    finish: Callable[[int, _Steps], _Steps],
    besides: Floats,
) -> BillPoints:
    """Points at which a figure changes. `besides` (n,): on the weight of the last of each span."""
    spans = inst.contracts.spans
    of, until, last, weight = list[int](), list[int](), list[bool](), list[float]()
    for k, own in enumerate(spans.of(b).tolist()):
        periods = np.flatnonzero(spans.lot_span[spans.lot[own]] == own)
        steps = [(float(by_period[t]), int(t) + 1) for t in periods]
        if spans.used_before[own] > 0:
            steps.insert(0, (before, int(spans.period[own])))
        steps = finish(k, steps)
        for i, (figure, end) in enumerate(steps):
            final = i + 1 == len(steps)
            follows = 0.0 if final else steps[i + 1][0]
            if final or abs(figure - follows) > SAME * max(abs(figure), SAME):
                of.append(k)
                until.append(end)
                last.append(final)
                weight.append(figure - follows + (float(besides[k]) if final else 0.0))
    return BillPoints(
        np.array(of, dtype=np.int64),
        np.array(until, dtype=np.int64),
        np.array(last, dtype=bool),
        np.array(weight),
    )


def changing(inst: Instance, b: int) -> Bools:
    """(T − 1,) between which periods what bands, or use above the commitment, cost changes."""
    contracts = inst.contracts
    change = np.zeros(max(inst.time.periods - 1, 0), dtype=bool)
    if contracts.tiers[b] is not None:
        figures = [contracts.factor_at]
    elif np.isfinite(contracts.overage_stated[b]):
        figures = [contracts.overage_at, contracts.token_usd_at]
    else:
        return change
    for figure in figures:
        change |= np.diff(open_mean(inst, b, figure[[b]])) != 0
    return change


def rates_change(inst: Instance, b: int) -> bool:
    """Whether rules put a factor on the rates of a contract's bands."""
    return bool((inst.contracts.factor_at[b] != 1.0).any() or inst.contracts.factor_before[b] != 1.0)


def period_factors(inst: Instance, b: int) -> Floats:
    """(T,) the factor on the rates of a contract's bands: the mean by the open hours of each period."""
    return open_mean(inst, b, inst.contracts.factor_at[[b]])


def open_mean(inst: Instance, b: int, figure: Floats) -> Floats:
    """(T,) the mean of a figure by stretch (1, J) by the open hours of each period; of all where it is closed."""
    time = inst.time
    is_open = inst.offers.open[[inst.contracts.offer[b]]]
    part = time.by_period(is_open)[0]
    usd = time.by_period(np.where(is_open, figure, 0.0))[0]
    if (part >= 1.0).all():
        return np.asarray(usd)
    return np.asarray(np.where(part > 0, usd / np.where(part > 0, part, 1.0), time.by_period(figure)[0]))
