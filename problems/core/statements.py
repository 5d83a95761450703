"""What a statement within a span would say of its bill: how much of it counts in which span of an agreement.

    so_far[n,t] = max(used[n,t], due[n,t])                     of span n at the start of period t, where a span of an
                                                               agreement ends in which its bill counts
    so_far[n,t] ≥ used[n,t],  so_far[n,t] ≥ due[n,t]
    so_far[n,t] ≤ used[n,t] + C · as_due,  so_far[n,t] ≤ due[n,t] + U · (1 − as_due)

    used[n,t]   use before t, what was used before the horizon included
    due[n,t]    committed by the hours until t in which something of the seller is due

What counts between two statements is the later one less the earlier; after the last, the bill less that. Nothing bills
what a statement says, so that rows which say at least so much would not hold it: hence the 0/1.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from problems.core.arrays import ArrayTable, Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.first_stage import due_part
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.view import View


class Statements(ArrayTable):
    """Bills so far, those of a contract together and in order of time."""

    contract: Ints  # (K,)
    span: Ints  # (K,) its number among those of its contract
    before: Ints  # (K,) what periods before this one use counts
    at: Ints  # (K,) own units, scaled as billed
    as_due: Ints  # (K,) 0/1: what is due is more than the use


def counted_contract(inst: Instance, offer: int, contract: int) -> int:
    """The contract that bills what counts; −1: none."""
    return contract if contract >= 0 else int(inst.offers.contract[offer])


@once
def crossings(inst: Instance, b: int) -> tuple[Ints, Ints]:
    """(number of the span among those of contract `b`, period) at which a span of what it counts in ends within one."""
    contracts, spans = inst.contracts, inst.contracts.spans
    change = np.zeros(inst.time.periods, dtype=bool)
    for other, counts in enumerate(contracts.counts):
        if any(counted_contract(inst, each.offer, each.contract) == b for each in counts):
            own = spans.lot_span[spans.lots(other)]
            change[1:] |= (own[:, 1:] != own[:, :-1]).any(axis=0)
    found = set[tuple[int, int]]()
    for lot in spans.lots(b).tolist():
        of = spans.lot_span[lot]
        for t in np.flatnonzero(change).tolist():
            if of[t] >= 0 and of[t] == of[t - 1]:
                found.add((int(of[t]) - int(spans.of(b)[0]), t))
    k = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
    return k[:, 0], k[:, 1]


def statements(view: View, space: ColumnSpace) -> Statements:
    """Reserve the columns."""
    inst, block = view.inst, view.scenario + 1
    if not any(inst.contracts.counts):
        return _none()
    each = [crossings(inst, b) for b in range(len(inst.contracts.offer))]
    contract = np.repeat(np.arange(len(each)), [len(k) for k, _ in each])
    none = np.empty(0, dtype=np.int64)
    span, before = (np.concatenate([none, *(pair[i] for pair in each)]) for i in range(2))
    names = inst.offers.names

    def label(i: int) -> str:
        return f"{names[inst.contracts.offer[contract[i]]]},{span[i]},before period {before[i]}"

    at = space.take("so_far", len(span), label, block=block)
    as_due = space.take("so_far_as_due", len(span), label, upper=1.0, integer=True, block=block)
    return Statements(contract, span, before, at, as_due)


@cache
def _none() -> Statements:
    none = np.empty(0, dtype=np.int64)
    return Statements(none, none, none, none, none)


def due_by(inst: Instance, b: int, k: int, t: int) -> tuple[Ints, Floats]:
    """(start, months of its commitment that are due in span `k` of a contract by the start of period `t`)."""
    spans, part = inst.contracts.spans, due_part(inst)[inst.contracts.offer[b]]
    n = int(spans.of(b)[k])
    inside = np.flatnonzero((spans.lot_span[spans.lots(b)] == n).any(axis=0))
    hours = float(part[inside].sum())
    share = float(part[inside[inside < t]].sum()) / hours if hours > 0 else 0.0
    here = np.flatnonzero(spans.force_span == n)
    before = spans.force_before[here]
    return spans.force_start[here], before + (spans.force_share[here] - before) * share
