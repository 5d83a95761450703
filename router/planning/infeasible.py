"""Why no plan keeps every promise, in words of the problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from problems.core.admissible import REASONS
from problems.core.encode import Encoded
from problems.physics.operating_point import slowest

NOT_OFFERED = "model_not_offered"

WORDS = {
    "model_not_offered": ("lacks the model", "lack the model"),
    "model_too_large": ("takes no model so large", "take no model so large"),
    "memory": ("has too little memory", "have too little memory"),
    "context": ("has too small a context window", "have too small a context window"),
    "streaming": ("does not stream", "do not stream"),
    "custom_weights": ("takes no custom weights", "take no custom weights"),
    "open_weights": ("does not have open weights", "do not have open weights"),
    "region": ("is not known to be in the region", "are not known to be in the region"),
    "quality": ("is below the quality asked, or states none", "are below the quality asked, or state none"),
    "latency": ("is too slow", "are too slow"),
    "unmeasured": ("has no measurement of the size", "have no measurement of the size"),
    "no_price": ("has no price", "have no price"),
    "denied": ("is denied by its routing", "are denied by its routing"),
    "deadline": ("answers after the work is due", "answer after the work is due"),
}
"""Of one offer, and of several."""


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
    for w in sorted(needed - served - _answered(encoded, served)):
        offers = _nearest(encoded, w)
        counts: Counter[str] = Counter(code for codes in offers.values() for code in codes)
        parts = []
        for code, n in counts.most_common():
            best = _fastest(encoded, w, offers) if code == "latency" else ""
            parts.append(f"{n} {WORDS[code][n > 1]}{best}")
        name = inst.workloads.names[w]
        why = f"of {len(offers)} offers, {', '.join(parts)}" if offers else "there are no offers"
        lines.append(f'  workload "{name}": {why}.')
    if len(lines) == 1:
        lines.append(
            "  Every workload has offers that could serve it, but limits (capacity, quota, budget, shares) contradict."
        )
    lines.append(
        "  `router explain FILE` names the promises in conflict and the least change that repairs them."
    )
    return "\n".join(lines)


def _answered(encoded: Encoded, served: set[int]) -> set[int]:
    """Workloads, and steps of their recipes, of work that its models answer, or all steps of a recipe."""
    loads = encoded.instance.workloads
    ways: dict[tuple[int, int], bool] = {}
    for w, way in enumerate(zip(loads.whole.tolist(), loads.lead.tolist(), strict=True)):
        ways[way] = ways.get(way, True) and w in served
    answered = {whole for (whole, _), every in ways.items() if every}
    return {w for w, whole in enumerate(loads.whole.tolist()) if whole in answered}


def _nearest(encoded: Encoded, w: int) -> dict[int, list[str]]:
    """By offer, why the model of it that is refused for the fewest reasons is refused."""
    refusals = encoded.refusals
    found: dict[int, list[str]] = {}
    for i in np.flatnonzero(refusals.workload == w).tolist():
        codes = np.array(REASONS)[refusals.reasons[i]].tolist()
        codes = [NOT_OFFERED] if NOT_OFFERED in codes else codes
        o = int(refusals.offer[i])
        if o not in found or (NOT_OFFERED in codes, len(codes)) < (NOT_OFFERED in found[o], len(found[o])):
            found[o] = codes
    return found


def _fastest(encoded: Encoded, w: int, offers: Mapping[int, list[str]]) -> str:
    """The offer that is refused for its latency alone and misses the SLO by least; nothing where none states it."""
    inst = encoded.instance
    slow = [o for o, codes in offers.items() if codes == ["latency"]]
    accepted = inst.workloads.accepts[w][inst.entries.model]
    entry = np.flatnonzero(np.isin(inst.entries.offer, slow) & accepted)
    seconds, times = slowest(inst, np.full(len(entry), w), entry)
    times = np.where(np.isfinite(times) & (times > 1), times, np.inf)
    if not len(entry) or not np.isfinite(times).any():
        return ""
    best = int(np.argmin(times))
    offer = inst.offers.names[int(inst.entries.offer[entry[best]])]
    return f" (best: {offer}, {seconds[best] * 1000:,.6g} ms)"
