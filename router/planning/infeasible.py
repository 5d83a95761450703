"""Why no plan keeps every promise, in words of the problem."""

from __future__ import annotations

from collections import Counter

import numpy as np

from problems.core.admissible import REASONS
from problems.core.encode import Encoded

WORDS = {
    "model_not_offered": "do not have the model",
    "model_too_large": "take no model so large",
    "memory": "have too little memory",
    "context": "have too small a context window",
    "streaming": "do not stream",
    "custom_weights": "take no custom weights",
    "open_weights": "have no open weights",
    "region": "are not known to be in the region",
    "quality": "are below the quality asked, or do not state it",
    "latency": "are too slow, or state no such percentile",
    "unmeasured": "have no measurement of the size",
    "no_price": "have no price",
    "denied": "are denied by its routing",
}


def why_infeasible(encoded: Encoded) -> str:
    """Workloads that nobody can serve, with the reasons counted; else that limits contradict each other."""
    inst = encoded.instance
    served = {int(w) for view in encoded.views for w in view.routes.workload}
    needed = {
        int(view.cells.workload[c])
        for view, cols in zip(encoded.views, encoded.columns, strict=True)
        for c in np.flatnonzero(cols.unserved < 0)
    }
    lines = [f'no plan can serve "{inst.name}".' if inst.name else "no plan exists."]
    for w in sorted(needed - served):
        refused = encoded.refusals.workload == w
        offers = len(set(encoded.refusals.offer[refused].tolist()))
        counts: Counter[str] = Counter()
        for row in encoded.refusals.reasons[refused]:
            counts.update(np.array(REASONS)[row].tolist())
        parts = [f"{n} {WORDS[code]}" for code, n in counts.most_common()]
        name = inst.workloads.names[w]
        why = f"of {offers} offers, {', '.join(parts)}" if offers else "there are no offers"
        lines.append(f'  workload "{name}": {why}.')
    if len(lines) == 1:
        lines.append(
            "  Every workload has offers that could serve it, but limits (capacity, quota, budget, shares) contradict."
        )
    lines.append(
        "  `router explain FILE` names the promises in conflict and the least change that repairs them."
    )
    return "\n".join(lines)
