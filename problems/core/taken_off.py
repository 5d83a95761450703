"""What an offer uses and its own commitment does not count: what agreements cover, and allowances in USD pay.

    tokens = USD / price        price: USD per token of the period, where a commitment has one price of tokens; else 0

A dollar that is covered takes off a dollar of a commitment in USD, and what it buys of one in tokens.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.bill_points import open_mean
from problems.core.columns import Columns
from problems.core.instance import Instance
from problems.core.view import View
from solvers.core.record import Record


class TakenOff(Record):
    """Columns of an offer's use that somebody else bills, or nobody: what a column of 1 is."""

    period: Ints  # (V,)
    column: Ints  # (V,)
    usd: Floats  # (V,) at the offer's own prices
    tokens: Floats  # (V,)


def taken_off(view: View, cols: Columns, b: int) -> TakenOff:
    """What is not held against contract `b` of an offer."""
    o, covered, paid = int(view.inst.contracts.offer[b]), cols.covered, cols.paid_by
    if not len(covered.at) and not len(paid.at):
        return _nothing()
    elsewhere, free = covered.billed_elsewhere(o), paid.free_of(o, view.inst.credits.allowance)
    period = np.concatenate([covered.period[elsewhere], paid.period[free]])
    usd = np.concatenate([covered.unit[elsewhere], paid.unit[free]])
    tokens = tokens_bought(view, o, period, usd)
    return TakenOff(period, np.concatenate([covered.at[elsewhere], paid.at[free]]), usd, tokens)


@cache
def _nothing() -> TakenOff:
    none = np.empty(0, dtype=np.int64)
    return TakenOff(none, none, np.empty(0), np.empty(0))


def paid_at_rates(view: View, cols: Columns, b: int) -> tuple[Ints, Ints, Floats]:
    """(period, column, USD of a column of 1, before a scenario's prices) of tokens of contract `b` in their hours."""
    at, off = view.flows_of_contract[b], taken_off(view, cols, b)
    price = float(view.price[view.inst.contracts.offer[b]])
    less = off.usd / price if len(off.usd) else off.usd
    return (
        np.concatenate([view.flows.period[at], off.period]),
        np.concatenate([cols.charged[at], off.column]),
        np.concatenate([view.flow_token_usd[at], -less]),
    )


def tokens_bought(view: View, offer: int, period: Ints, usd: Floats) -> Floats:
    """(n,) what USD of an offer's use are in tokens, where its commitment counts those at one price; else 0."""
    b = int(view.inst.offers.contract[offer])
    if b < 0 or not len(usd) or not counts_tokens(view.inst, b):
        return np.zeros(len(usd))
    price = open_mean(view.inst, b, view.inst.contracts.token_usd_at[[b]]) * view.price[offer]
    return np.asarray(usd / price[period])  # more than 0: where it is 0 nothing is used in USD


def counts_tokens(inst: Instance, b: int) -> bool:
    """Whether a contract counts tokens at the one price that they have: in tokens, or with a price of overage."""
    plain = inst.contracts.tiers[b] is None
    return plain and bool(inst.contracts.in_tokens[b] or np.isfinite(inst.contracts.overage_stated[b]))
