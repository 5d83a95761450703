"""Bills that would be stated too high: where a dollar on one saves more than a dollar on others in which it counts.

    Σ_b share[b] · weight of b's span  >  weight of the span billed

A bill is what is due and never more. Rows alone say at least so much; here a 0/1 says which of the two it is.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Bools
from problems.core.instance import Instance
from problems.core.once import once


@once
def inflated(inst: Instance) -> Bools:
    """(N,) spans whose bill counts elsewhere for more than it costs: as bills weigh, or in several agreements."""
    contracts, spans = inst.contracts, inst.contracts.spans
    weight = np.asarray(inst.time.weight[spans.period], dtype=float)
    saved = np.zeros(len(weight))
    for b, counts in enumerate(contracts.counts):
        lots = spans.lot_span[spans.lots(b)]
        for each in counts:
            c = each.contract if each.contract >= 0 else int(inst.offers.contract[each.offer])
            theirs = spans.of(c) if c >= 0 else np.empty(0, dtype=np.int64)
            if len(theirs) and len(lots):
                own = lots[:, spans.period[theirs]]
                saved[theirs] += each.share * np.where(own >= 0, weight[own], 0.0).max(axis=0)
    return np.asarray(saved > weight * (1 + 1e-9))


def exactly_billed(inst: Instance, b: int) -> bool:
    """Whether bills of a contract need to be told from more than is due."""
    return bool(inflated(inst)[inst.contracts.spans.of(b)].any())
