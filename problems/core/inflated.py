"""Bills that would be stated too high: where a dollar on one saves more than a dollar on others in which it counts.

    Σ_b share[b] · weight of b's span  >  weight of the span billed

A bill is what is due and never more. Rows alone say at least so much; here a 0/1 says which of the two it is.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Bools, Ints
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.statements import counted_contract


@once
def inflated(inst: Instance) -> Bools:
    """(N,) spans whose bill counts elsewhere for more than it costs: as bills weigh, or in several agreements."""
    contracts, spans = inst.contracts, inst.contracts.spans
    weight = np.asarray(inst.time.weight[spans.period], dtype=float)
    saved = np.zeros(len(weight))
    for b, counts in enumerate(contracts.counts):
        lots = spans.lot_span[spans.lots(b)]
        for each in counts:
            c = counted_contract(inst, each.offer, each.contract)
            theirs = spans.of(c) if c >= 0 else np.empty(0, dtype=np.int64)
            if len(theirs) and len(lots):
                own = lots[:, _last_period(inst, theirs)]
                saved[theirs] += each.share * np.where(own >= 0, weight[own], 0.0).max(axis=0)
    return np.asarray(saved > weight * (1 + 1e-9))


def _last_period(inst: Instance, n: Ints) -> Ints:
    """(n,) the last period of each span: where its bill counts, or what of it no statement has said."""
    spans = inst.contracts.spans
    of = [np.flatnonzero(spans.lot_span[spans.lot[each]] == each) for each in n.tolist()]
    return np.array(
        [int(t[-1]) if len(t) else int(spans.period[each]) for each, t in zip(n.tolist(), of, strict=True)]
    )


def exactly_billed(inst: Instance, b: int) -> bool:
    """Whether bills of a contract need to be told from more than is due."""
    return bool(inflated(inst)[inst.contracts.spans.of(b)].any())
