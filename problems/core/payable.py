"""What credits may pay: what is billed for use, less the discounts of levels and bands, and more above a commitment.

A bill whose prices hang on what is signed or used has columns of its own: what it bills for use of an offer in a
period. A column of 1 stands for `unit` USD. All other use is billed at its own price, or at an agreement's discount.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from problems.core.arrays import ArrayTable, Bools, Floats, Ints
from problems.core.bill_points import open_mean
from problems.core.blocks import ColumnSpace
from problems.core.contracts import Contracts
from problems.core.coverage import Coverage, Payments, tokens_used
from problems.core.instance import Instance
from problems.core.view import View


class Payable(ArrayTable):
    """Columns of what a bill at changing prices has for use of an offer in a period."""

    at: Ints  # (V,) column
    contract: Ints  # (V,) of the offer, or an agreement
    offer: Ints  # (V,) whose use it is
    rented: Bools  # (V,) use of rented instances; else of tokens and requests
    period: Ints  # (V,)
    unit: Floats  # (V,) USD that a column of 1 stands for: the most that it could be
    own: Bools  # (V,) by the offer's own commitment, else under an agreement


def at_other_prices(contracts: Contracts, b: int) -> bool:
    """Whether what a contract bills for use hangs on what is signed, or on what else is used."""
    priced_apart = bool(np.isfinite(contracts.overage_stated[b]))
    banded = contracts.discounts[b] is not None or contracts.tiers[b] is not None
    return bool(contracts.levelled[b] or banded or priced_apart or contracts.rollover[b])


def by_span(contracts: Contracts, b: int) -> bool:
    """Whether it is a sum for a span, of which no period has a part of its own."""
    discounts, tiers = contracts.discounts[b], contracts.tiers[b]
    banded = discounts is not None and not discounts.all_units and len(discounts.rate) > 1
    banded |= tiers is not None and len(tiers.usd) > 1
    return bool(banded or np.isfinite(contracts.overage_stated[b]) or contracts.rollover[b])


def beside_minimum(inst: Instance, b: int) -> bool:
    """Whether credits pay use that tiers price, beside an amount that is due whatever is used."""
    contracts = inst.contracts
    tiers, most = contracts.tiers[b], float(contracts.max_per_month[b])
    due = float(contracts.min_per_month[b]) > 0 or np.isfinite(most)
    paid = inst.credits.offer[~inst.credits.allowance][:, contracts.offer[b]].any()
    return bool(tiers is not None and len(tiers.usd) > 1 and due and paid)


def beside_rests(inst: Instance, b: int) -> bool:
    """Whether credits pay use of which what earlier spans left pays a part."""
    agreed, given = inst.agreements.contract == b, ~inst.credits.allowance
    offers = inst.agreements.offer[agreed] if agreed.any() else inst.contracts.offer[[b]]
    return bool(inst.contracts.rollover[b] and inst.credits.offer[given][:, offers].any())


def highest_rate(view: View, b: int) -> Floats:
    """(T,) the most that a contract bills in each period for a dollar at its rates."""
    contracts, periods = view.inst.contracts, view.inst.time.periods
    discounts = contracts.discounts[b]
    highest = 1.0 if discounts is None else float(discounts.rate.max())
    if contracts.levelled[b]:
        highest *= float(contracts.start_rate[contracts.start_contract == b].max())
    most = np.full(periods, highest)
    if np.isfinite(contracts.overage_stated[b]):
        over, rate = (
            open_mean(view.inst, b, usd[[b]]) for usd in (contracts.overage_at, contracts.token_usd_at)
        )
        most = np.maximum(most, np.where(rate > 0, over / np.where(rate > 0, rate, 1.0), 1.0))
    return most


def payable(view: View, space: ColumnSpace, charged: Ints, covered: Coverage, payments: Payments) -> Payable:
    """Reserve the columns, where a credit may pay."""
    contracts, credits = view.inst.contracts, view.inst.credits
    if not len(payments.at):
        return _nothing()
    own = np.flatnonzero(~credits.allowance[payments.credit])
    may = {
        *zip(
            payments.offer[own].tolist(),
            payments.rented[own].tolist(),
            payments.period[own].tolist(),
            strict=True,
        )
    }
    rows: list[tuple[int, int, bool, int, float]] = []
    for o in sorted({offer for offer, *_ in may}):
        b = int(view.inst.offers.contract[o])
        if b < 0 or not at_other_prices(contracts, b):
            continue
        use = tokens_used(view, charged, o)
        most = np.bincount(use.period, weights=use.usd, minlength=view.inst.time.periods)
        most = most * highest_rate(view, b)
        rows += [
            (b, o, False, t, float(most[t]))
            for t in np.flatnonzero(most > 0).tolist()
            if (o, False, t) in may
        ]
    each = zip(
        covered.contract.tolist(),
        covered.offer.tolist(),
        covered.rented.tolist(),
        covered.period.tolist(),
        covered.most_billed.tolist(),
        strict=True,
    )
    rows += [row for row in each if row[1:4] in may and at_other_prices(contracts, row[0])]
    contract = np.array([row[0] for row in rows], dtype=np.int64)
    at = space.take("payable", len(rows), _label(view, rows), upper=1.0, block=view.scenario + 1)
    return Payable(
        at,
        contract,
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.bool_),
        np.array([row[3] for row in rows], dtype=np.int64),
        np.array([row[4] for row in rows], dtype=float),
        np.array([b == view.inst.offers.contract[o] for b, o, *_ in rows], dtype=np.bool_),
    )


@cache
def _nothing() -> Payable:
    none, no = np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)
    return Payable(none, none, none, no, none, np.empty(0), no)


def _label(view: View, rows: list[tuple[int, int, bool, int, float]]) -> Callable[[int], str]:
    names, owner = view.inst.offers.names, view.inst.contracts.offer

    def label(i: int) -> str:
        b, o, rented, t, _ = rows[i]
        return f"{names[owner[b]]},{names[o]},{'instances' if rented else 'tokens'},{t}"

    return label


def use_bands(view: View, space: ColumnSpace) -> tuple[tuple[Ints, ...], tuple[Ints, ...]]:
    """Reserve the columns of use alone in the bands of tiers: (B,) volumes and 0/1, of (n, bands)."""
    contracts, block = view.inst.contracts, view.scenario + 1
    volumes, opens = [], []
    for b, tiers in enumerate(contracts.tiers):
        bands = 0 if tiers is None or not beside_minimum(view.inst, b) else len(tiers.usd)
        shape, label = (
            (len(contracts.spans.of(b)), bands),
            _numbered(view.inst.offers.names[contracts.offer[b]]),
        )
        size = shape[0] * bands
        volumes.append(space.take("use_band", size, label, block=block).reshape(shape))
        opened = space.take("use_open", size, label, upper=1.0, integer=True, block=block)
        opens.append(opened.reshape(shape))
    return tuple(volumes), tuple(opens)


def _numbered(name: str) -> Callable[[int], str]:
    return lambda i: f"{name},{i}"
