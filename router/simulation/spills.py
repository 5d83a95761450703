"""What limits that spill refuse of simulated requests, minute by minute, beside what the plan states.

    refused in a minute = load − what is left of the limit after all that are refused later, where that is less

Those that `spill_order` names last have all they need, the next what is left, and so on; work that moves in time takes
its mean, ahead of all. Loads are of requests of mean size, in parts of the limit. Of a minute's requests the last that
came are refused; they go to the routes of their stream that take what spills, in the plan's proportions.

    spilled       Σ refused / Σ sent over whole minutes
    low, high     95 % interval of the plan's figure: by batches of minutes, and for those that the plan drew
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Floats, Ints
from router.normalise.recipes import part_name
from router.plan.document import Plan
from router.simulation.arrivals import Requests
from router.simulation.confidence import BATCHES, Z
from router.simulation.report import SimulatedSpill
from router.simulation.station import Period, SpillName

type _Key = tuple[str, str, int, str]

MINUTE_S = 60.0
NEAR = 1e-6


@dataclass(frozen=True)
class _SentRequests:
    """Requests of one stream that are sent to a limit."""

    stream: int
    which: Ints
    minute: Ints
    amount: float  # of the limit, by a request


def after_spills(
    period: Period,
    requests: list[Requests],
    span_s: tuple[float, float],
    replayed: Collection[str],
    rng: np.random.Generator,
) -> tuple[list[Requests], list[SimulatedSpill]]:
    """The requests with those that are refused on other routes, and a row for each limit and workload.

    `replayed`: workloads whose own minutes these are; of them only the draw of routes varies.
    """
    if not period.limits:
        return requests, []
    first, minutes = math.floor(span_s[0] / MINUTE_S), int(span_s[1] // MINUTE_S)
    last = math.ceil(span_s[1] / MINUTE_S)
    routes = [each.route.copy() for each in requests]
    rows: list[SimulatedSpill] = []
    for name, limit in period.limits.items():
        parts, now = _sent(period, requests, name, first), np.arange(first, max(last, first + 1))
        left = np.array(limit.capacity)[_minute_of_period(now, minutes, len(limit.capacity))] - limit.steady
        order = [load for load in reversed(limit.order) if load in parts]
        for load in [*order, *(parts.keys() - set(order))]:
            own = np.zeros(len(left))
            for part in parts[load]:
                own += part.amount * np.bincount(part.minute, minlength=len(left))
            carried = np.minimum(own, np.maximum(left, 0.0))
            left -= carried
            kept = np.divide(carried, own, out=np.ones_like(own), where=own > 0)
            for part in parts[load]:
                _refuse(period, part, kept, routes[part.stream], rng)
            whole = slice(-first, -first + minutes)
            if own[whole].sum() > 0:
                row = _row(name, period.index, load, own[whole], (own - carried)[whole])
                if load in replayed:
                    row = replace(row, error=max(_error_of_draw(period, part) for part in parts[load]))
                rows.append(row)
    return [replace(each, route=route) for each, route in zip(requests, routes, strict=True)], rows


def _minute_of_period(now: Ints, minutes: int, real: int) -> Ints:
    """(n,) whose capacity holds: all minutes of the period for as long, in its order, whatever time is simulated."""
    return np.asarray(np.where(now < 0, now, np.minimum(now * real // max(minutes, 1), real - 1)) % real)


def _sent(
    period: Period, requests: Sequence[Requests], name: SpillName, first: int
) -> dict[str, list[_SentRequests]]:
    """By workload. Work that moves stands in `steady`."""
    parts: dict[str, list[_SentRequests]] = defaultdict(list)
    for s, (stream, drawn) in enumerate(zip(period.streams, requests, strict=True)):
        for r, route in enumerate(stream.routes):
            if route.limit == name and not stream.moves:
                which = np.flatnonzero(drawn.route == r)
                minute = np.floor(drawn.at_s[which] / MINUTE_S).astype(np.int64) - first
                parts[stream.workload.name].append(_SentRequests(s, which, minute, route.amount))
    return parts


def _refuse(period: Period, part: _SentRequests, kept: Floats, route: Ints, rng: np.random.Generator) -> None:
    """The last of each minute, rounded at random so that as much is refused in the mean as is reckoned."""
    takes = np.array([each.takes for each in period.streams[part.stream].routes])
    if takes.sum() <= 0 or (kept >= 1.0).all():
        return
    order = np.lexsort((part.which, part.minute))
    minute = part.minute[order]
    count = np.bincount(minute, minlength=len(kept))
    place = np.arange(len(minute)) - (np.cumsum(count) - count)[minute]
    whole = np.floor(kept * count + rng.random(len(kept)))
    refused = part.which[order][place >= whole[minute]]
    route[refused] = rng.choice(len(takes), size=len(refused), p=takes / takes.sum())


def _row(name: SpillName, period: int, load: str, sent: Floats, refused: Floats) -> SimulatedSpill:
    spilled = float(refused.sum() / sent.sum())
    return SimulatedSpill(
        offer=name[0],
        model=name[1],
        period=period,
        workload=load,
        minutes=len(sent),
        spilled=spilled,
        error=_error(sent, refused, spilled),
    )


def _error(sent: Floats, refused: Floats, spilled: float) -> float:
    """Standard error of a ratio of means, by batches of neighbouring minutes."""
    size = len(sent) // BATCHES
    if size == 0:
        return math.inf
    rest = (refused - spilled * sent)[: size * BATCHES].reshape(BATCHES, size).mean(axis=1)
    return float(rest.std(ddof=1) / math.sqrt(BATCHES) / sent.mean())


def _error_of_draw(period: Period, part: _SentRequests) -> float:
    """Of what is sent there first of a record, each request at random; none where all of it is."""
    share = math.fsum(route.share for route in period.streams[part.stream].routes if route.limit is not None)
    return math.sqrt(max(1.0 - share, 0.0) / max(len(part.which), 1))


def spills_beside_plan(
    rows: Iterable[SimulatedSpill], plan: Plan, scenario: str | None
) -> Iterator[SimulatedSpill]:
    """The rows with what the plan states, and whether that holds: broken where more spills, beyond chance."""
    sent: dict[_Key, float] = defaultdict(float)
    spilled: dict[_Key, float] = defaultdict(float)
    names = dict[str, str]()
    shared = {order.offer for order in plan.spill_order or () if order.model is None}
    for route in plan.routes:
        if route.scenario in (None, scenario):
            model = "" if route.offer in shared else route.model
            part = part_name(route.workload, route.origin, route.recipe, route.step)
            names[part], key = route.workload, (route.offer, model, route.period, part)
            sent[key] += route.share
            spilled[key] += route.spilled_share or 0.0
    drawn = plan.minutes.minutes if plan.minutes is not None else 0
    recorded = plan.minutes.recorded if plan.minutes is not None else ()
    for row in rows:
        key = (row.offer, row.model or "", row.period, row.workload)
        planned = spilled[key] / sent[key] if sent[key] > 0 else 0.0
        own = row.minutes / drawn if drawn and names.get(row.workload) not in recorded else 0.0
        half = Z * row.error * math.sqrt(1.0 + own) + NEAR
        low, high = max(row.spilled - half, 0.0), min(row.spilled + half, 1.0)
        verdict = "broken" if planned < low else "kept" if math.isfinite(row.error) else "undecided"
        yield row.beside(planned, low, high, verdict)
