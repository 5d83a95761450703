"""Which periods are simulated, and what a reader should know of how."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from router.errors import InputError, Issue
from router.normalise.minutes import LUMP
from router.simulation.arrivals import BURSTY_CV
from router.simulation.station import Floor

DRAW_SEED = 0  # which hours `drawn:N` takes does not depend on the seed of the requests


def chosen_periods(floor: Floor, hours: str | Sequence[int]) -> list[int]:
    """`all`, `busiest`, `median`, `drawn:N`, or numbers and ranges such as `0,5,10-14`. Raises InputError.

    busiest    where a promise is nearest to breaking: the pool that serves one is planned fullest
    median     of the tokens served
    """
    last = floor.case.periods - 1
    if not isinstance(hours, str):
        return _within(sorted({int(hour) for hour in hours}), last)
    order = sorted(floor.flows)
    indices: list[int] = []
    for part in hours.split(","):
        word, _, number = part.strip().partition(":")
        first, dash, end = word.partition("-")
        if word == "all":
            indices += order
        elif word == "busiest" and order:
            indices.append(max(order, key=lambda index: _fullness(floor, index)))
        elif word == "median" and order:
            indices.append(sorted(order, key=lambda index: _tokens(floor, index))[len(order) // 2])
        elif word == "drawn" and number.isdigit():
            rng = np.random.default_rng(DRAW_SEED)
            indices += rng.choice(order, min(int(number), len(order)), replace=False).tolist()
        elif first.isdigit() and (not dash or end.isdigit()):
            indices += range(int(first), int(end or first) + 1)
        else:
            rule = "is all, busiest, median, drawn:N, or numbers of periods such as 0,5,10-14"
            raise InputError(Issue(("--hours",), rule, value=hours))
    return _within(sorted(set(indices)), last)


def _fullness(floor: Floor, index: int) -> tuple[float, float, float]:
    """How near a period's promises are to breaking: its fullest pool under a promise, its fullest pool, its tokens."""
    period = floor.period(index)
    promised = {
        pool
        for stream in period.streams
        if stream.promises
        for route in stream.routes
        for pool in route.pools
    }
    used = {name: station.utilisation for name, station in period.stations.items()}
    under_promise = max((used[name] for name in used.keys() & promised), default=-1.0)
    return under_promise, max(used.values(), default=-1.0), _tokens(floor, index)


def _tokens(floor: Floor, index: int) -> float:
    return sum(flow.tokens for flow in floor.flows[index])


def _within(wanted: list[int], last: int) -> list[int]:
    outside = [hour for hour in wanted if not 0 <= hour <= last]
    if outside:
        raise InputError(Issue(("--hours",), f"the plan has periods 0 to {last}", value=str(outside[0])))
    return wanted


def notes_of(
    floor: Floor, kind: str, arrival_cv: float | None, recorded: Collection[str], chosen: Iterable[int]
) -> Iterator[str]:
    """Conventions and assumptions behind a simulation."""
    yield (
        "the achieved latency is the simulated wait and the stated service latency at the same percentile, "
        "as the plan adds them; verdicts hold at 95 % confidence each"
    )
    yield "each period is simulated on its own, after a warm-up at the same demand that is thrown away"
    if kind == "bursty" and arrival_cv is None:
        yield f"assumed: bursty arrivals have a coefficient of variation of {BURSTY_CV:g}"
    if kind == "trace":
        yield "holding times go with the recorded tokens of each request, over the workload's planned size"
        rest = sorted(set(floor.case.workloads) - set(recorded))
        if rest:
            yield f"without a record of single requests, drawn as stated: {', '.join(rest)}"
    flows = [flow for index in chosen for flow in floor.flows.get(index, ())]
    unsized = sorted({flow.workload.name for flow in flows if flow.unit.requests is None})
    if unsized:
        yield f"assumed: requests of {LUMP:g} tokens where no size is stated: {', '.join(unsized)}"
    used = {flow.offer.name: flow.offer.instances for flow in flows}
    if any(
        instances is not None and instances.availability * floor.future.availability_of(name) < 1
        for name, instances in used.items()
    ):
        yield "availability below 1 is spread evenly: every request takes 1 / availability longer"
    own = {(flow.offer.name, flow.row.period) for flow in flows if flow.offer.instances is not None}
    changing = {
        name
        for name, period in own
        if floor.case.steady(name, floor.future, period)
        < floor.case.available(name, floor.future, *floor.case.span(period)) * (1 - 1e-9)
    }
    if changing:
        yield f"simulated at the least that serves in any open hour of a period: {', '.join(sorted(changing))}"
