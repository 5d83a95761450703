"""Origins: a workload that comes from several places as one for each, and the way from there to every offer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.instance import Network, Scenarios
from router.normalise.columns import whole
from router.schema import Demand, Offer, Problem, Workload

BYTES_PER_GB = 1e9


def by_origin(problem: Problem) -> tuple[Problem, Ints]:
    """The problem with a workload for each origin, of the same name, and (W,) which of the file each is."""
    parts = [(w, part) for w, load in enumerate(problem.workloads) for part in _parts(load)]
    return problem.model_copy(update={"workloads": tuple(part for _, part in parts)}), whole(
        w for w, _ in parts
    )


def _parts(load: Workload) -> Iterator[Workload]:
    """What comes from each origin: its share of the demand."""
    if load.origin is None:
        yield load
        return
    for name, share in load.origin.items():
        yield load.model_copy(update={"origin": {name: share}, "demand": _scaled(load.demand, share)})


def _scaled(demand: Demand, share: float) -> Demand:
    stated = getattr(demand, demand.way)
    part = tuple(share * each for each in stated) if isinstance(stated, tuple) else share * stated
    return demand.model_copy(update={demand.way: part})


def origin_of(load: Workload) -> str | None:
    """The one origin of a part."""
    return next(iter(load.origin)) if load.origin else None


def part_of(load: Workload) -> float:
    """The share of its workload that a part is."""
    return next(iter(load.origin.values())) if load.origin else 1.0


def network(problem: Problem) -> Network:
    """(W, O) round trips and egress; nothing where no row states them."""
    rtt, usd = np.zeros((2, len(problem.workloads), len(problem.sellers)))
    for w, load in enumerate(problem.workloads):
        origin = origin_of(load)
        for o, offer in enumerate(problem.sellers if origin is not None else ()):
            rtt[w, o], usd[w, o] = way_to(problem, origin or "", offer)
    return Network(rtt, usd)


def way_to(problem: Problem, origin: str, offer: Offer) -> tuple[float, float]:
    """(s, USD per token) to the region of an offer that is reached soonest, of like ones the cheapest.

    A row holds the other way too, unless that has its own; without one both are 0.
    """
    rows = {(link.from_, link.to): link for link in problem.network}
    ways = [(0.0, 0.0)] if not offer.limits.regions else []
    for region in offer.limits.regions:
        link = rows.get((origin, region), rows.get((region, origin)))
        usd = 0.0 if link is None else link.egress_usd_per_gb * link.bytes_per_token / BYTES_PER_GB
        ways.append((0.0 if link is None else link.rtt_ms / 1e3, usd))
    return min(ways)


def widened(scenarios: Scenarios, of: Ints, seller: Ints) -> Scenarios:
    """Futures of the workloads and sellers of the file as those of their parts, (W,) and (O,)."""
    path: Floats | None = None if scenarios.path is None else scenarios.path[:, of]
    return Scenarios(
        names=scenarios.names,
        probability=scenarios.probability,
        demand=scenarios.demand[:, of],
        price=scenarios.price[:, seller],
        availability=scenarios.availability[:, seller],
        path=path,
        listed=scenarios.listed,
    )
