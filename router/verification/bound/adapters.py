"""Adapters: which workloads have theirs in the slots of which pools.

adapted(w,pool,t)   0/1: any of the workload is sent to the pool

adapters   flow ≤ adapted;  Σ adapters · adapted ≤ slots · count
"""

from __future__ import annotations

from router.verification.base.case import Case
from router.verification.base.parts import stated_name
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.renting import RentedPool
from router.verification.bound.serving import PoolAt, PossibleFlow, pool_name


def add_adapters(
    model: RelaxedProblem,
    case: Case,
    pools: dict[PoolAt, list[PossibleFlow]],
    rented: list[RentedPool],
    when: str = "",
) -> None:
    """Variables and rows of pools whose instances hold so many; `when` begins the names of the former."""
    counts = {pool.name: pool.count for pool in rented}
    for (offer, served, t), flows in pools.items():
        slots = case.instances[offer].adapter_slots
        if slots is None:
            continue
        pool = pool_name(offer, served)
        held: dict[str, float] = {}
        for flow in flows:
            if flow.workload.adapters > 0:
                name = f"adapted({when}{stated_name(flow.workload)},{pool},{t})"
                if name not in held:
                    held[model.variable(name, 1.0, whole=True)] = float(flow.workload.adapters)
                row = f"adapters({flow.name},{pool})"
                model.constraint(row, [(flow.name, 1.0), (name, -1.0)], upper=0.0)
        terms: Terms = [(name, adapters / slots) for name, adapters in held.items()]
        if terms:
            model.constraint(f"adapters({pool},{t})", [*terms, (counts[pool][t], -1.0)], upper=0.0)
