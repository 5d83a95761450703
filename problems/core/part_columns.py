"""Columns of use that is counted under one term of several, of contracts whose terms overlap."""

from __future__ import annotations

from functools import cache

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.bill_points import changing
from problems.core.blocks import ColumnSpace, at_places
from problems.core.coverage import Coverage
from problems.core.span_means import paid_by_hours
from problems.core.statements import crossings
from problems.core.view import View
from solvers.core.record import Record


class Parts(Record):
    """Use of a contract in periods that have the same spans and factor on bands, as counted under one of its terms."""

    at: Ints  # (P,)
    lot: Ints  # (P,)
    span: Ints  # (P,)
    run: Ints  # (P,) number of the run, by contract
    unit: Floats  # (P,) own units (tokens with tiers) that a column of 1 stands for: the most that could be used
    usd_at: Ints  # (P,) the same in USD at the rates of its hours, or -1: where a dollar weighs by its span
    usd: Floats  # (P,) that a column of 1 stands for
    run_of: tuple[Ints, ...]  # (B,) of (T,): the run of each period, -1: none


def part_columns(view: View, space: ColumnSpace, covered: Coverage) -> Parts:
    """A column per term and run of periods, of contracts whose use is counted term by term."""
    inst, contracts, time = view.inst, view.inst.contracts, view.inst.time
    if not (contracts.spans.lot_start >= 0).any():
        return _undivided(len(contracts.offer), time.periods)
    lots, spans, runs, units, worth, run_of = [], [], [], [], [], []
    for b in range(len(contracts.offer)):
        run_of.append(np.full(time.periods, NONE, dtype=np.int64))
        if not contracts.spans.split(b):
            continue
        mine = contracts.spans.lots(b)
        span = contracts.spans.lot_span[mine]
        change = (span[:, 1:] != span[:, :-1]).any(axis=0) | changing(inst, b)
        change[crossings(inst, b)[1] - 1] = True
        begins = np.flatnonzero(np.append(True, change))
        run = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, time.periods)))
        most, usd = _most_by(view, covered, b, run, len(begins)), np.zeros(len(begins))
        if paid_by_hours(inst, b) and (time.weight != time.weight[0]).any():
            usd = _most_of(view, b, run, len(begins), view.flow_token_usd[view.flows_of_contract[b]])
        run_of[b] = np.where(most[run] > 0, run, NONE)
        lot, i = np.nonzero((span[:, begins] >= 0) & (most > 0)[None, :])
        lots.append(mine[lot])
        spans.append(span[lot, begins[i]])
        runs.append(i)
        units.append(most[i])
        worth.append(usd[i])
    none = np.empty(0, dtype=np.int64)
    lot, at_span, at_run = (np.concatenate([none, *each]) for each in (lots, spans, runs))
    offers = view.inst.offers.names

    def label(i: int) -> str:
        b = contracts.spans.lot_contract[lot[i]]
        start = contracts.start_label(int(contracts.spans.lot_start[lot[i]]))
        return f"{offers[contracts.offer[b]]},{start},{at_run[i]}"

    at = space.take("part", len(lot), label, upper=1.0, block=view.scenario + 1)
    unit, usd = (np.concatenate([np.empty(0), *each]) for each in (units, worth))
    some = np.flatnonzero(usd > 0)
    usd_at = np.full(len(lot), NONE, dtype=np.int64)
    usd_at[some] = space.take(
        "part_usd", len(some), at_places(label, some), upper=1.0, block=view.scenario + 1
    )
    return Parts(at, lot, at_span, at_run, unit, usd_at, usd, tuple(run_of))


@cache
def _undivided(contracts: int, periods: int) -> Parts:
    none, units = np.empty(0, dtype=np.int64), np.empty(0)
    return Parts(none, none, none, none, units, none, units, (np.full(periods, NONE),) * contracts)


def _most_by(view: View, covered: Coverage, b: int, run: Ints, n: int) -> Floats:
    """(n,) the most that a contract could carry in each run of periods, each cell counted once."""
    agreed = covered.of(b)
    if len(agreed):
        usd = covered.most_billed[agreed]
        return np.bincount(run[covered.period[agreed]], weights=usd, minlength=n).astype(float)
    tiered = view.inst.contracts.tiers[b] is not None
    return _most_of(view, b, run, n, view.own_use(b, tokens=tiered or bool(view.inst.contracts.in_tokens[b])))


def _most_of(view: View, b: int, run: Ints, n: int, own: Floats) -> Floats:
    """(n,) the most of what flows under a contract bring, `own` of each."""
    flows, at = view.flows, view.flows_of_contract[b]
    key = run[flows.period[at]] * len(view.cells) + flows.cell[at]
    distinct, row = np.unique(key, return_inverse=True)
    heaviest, most = np.zeros(len(distinct)), np.zeros(n)
    np.maximum.at(heaviest, row, own)
    np.add.at(most, distinct // max(len(view.cells), 1), heaviest)
    return most
