"""One period after the other: requests drawn or taken from a record, queued, and their waits judged.

Every period is simulated on its own, as a stretch of its own demand and counts: long enough for the rarest workload
with a promise to bring the requests asked for (for all together, where nothing is promised), so often the same hour
over and over, but with no more than `most` requests in all. What comes before is a warm-up that is thrown away: a
stretch at the same demand, or with a trace the requests recorded before the period. A trace is replayed once.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Floats, Ints
from router.errors import InputError, Issue
from router.loading.fingerprint import matches
from router.plan.document import Plan
from router.plan.start import as_planned
from router.schema import Problem
from router.simulation import arrivals
from router.simulation.arrivals import RecordedRequests, Requests
from router.simulation.confidence import CONFIDENCE
from router.simulation.queue import waits
from router.simulation.quotas import beside_plan, quotas_met
from router.simulation.report import (
    PoolWaits,
    PromiseVerdict,
    SimulatedQuota,
    SimulatedSpill,
    SimulationReport,
)
from router.simulation.scope import chosen_periods, notes_of
from router.simulation.spills import after_spills, spills_beside_plan
from router.simulation.station import Floor, Period, RequestStream, Station
from router.simulation.verdicts import StreamWaits, gap_cv, pool_row, promises_of

REQUESTS = 20_000  # of the rarest workload with a promise
MOST = 500_000  # requests in a period
LONGER = (1, 5, 25)  # where a promise is undecided
WARM_SERVICES = 30.0  # warm-up in mean service times, and more where a pool is nearly full
MINUTES = 2000  # where a limit spills, twice as many as a plan draws
SPILLING = zlib.crc32(b"spilling")
WARM_MOST = 1.0  # in lengths of what is kept


@dataclass(frozen=True)
class ReplaySettings:
    """What is asked for."""

    seed: int
    kind: str
    arrival_cv: float | None
    requests: int
    most: int
    recorded: Mapping[str, RecordedRequests]
    period_s: float

    def cv_of(self, stream: RequestStream) -> float:
        if self.arrival_cv is not None:
            return self.arrival_cv
        if self.kind == "poisson":
            return 1.0
        return arrivals.BURSTY_CV if self.kind == "bursty" else stream.workload.arrival_cv

    def replays(self, stream: RequestStream) -> bool:
        return self.kind == "trace" and stream.workload.name in self.recorded and not stream.moves


def simulate(
    problem: Problem,
    plan: Plan,
    *,
    hours: str | Sequence[int] = "all",
    arrivals_as: str = "stated",
    arrival_cv: float | None = None,
    trace: str | None = None,
    scenario: str | None = None,
    seed: int = 0,
    requests: int = REQUESTS,
    most: int = MOST,
    progress: Callable[[str], None] | None = None,
) -> SimulationReport:
    """Requests against the plan; see the module. Raises InputError where plan and problem do not belong together."""
    problem = as_planned(problem, plan)
    if not matches(problem, plan.problem_sha256):
        hint = "simulate with the problem file that the plan was made from, or solve again"
        raise InputError(Issue((), "is not the problem of this plan (problem_sha256 differs)", hint=hint))
    if arrivals_as not in arrivals.KINDS:
        raise InputError(Issue(("--arrivals",), f"is one of {', '.join(arrivals.KINDS)}", value=arrivals_as))
    floor = Floor.of(problem, plan, scenario)
    horizon = floor.case.problem.horizon
    recorded: Mapping[str, RecordedRequests] = {}
    if arrivals_as == "trace":
        recorded = arrivals.recorded_requests(problem, horizon, trace)
        if not recorded:
            rule = "no workload has a trace of single requests"
            raise InputError(
                Issue(("--arrivals",), rule, value="trace", hint="--arrivals stated, or --trace FILE")
            )
    settings = ReplaySettings(
        seed, arrivals_as, arrival_cv, requests, most, recorded, horizon.period_h * 3600.0
    )
    chosen = chosen_periods(floor, hours)
    rows: list[PromiseVerdict] = []
    pools: list[PoolWaits] = []
    quotas: list[SimulatedQuota] = []
    spills: list[SimulatedSpill] = []
    total = 0
    for done, index in enumerate(chosen):
        if progress is not None:
            progress(f"period {index}, {done + 1} of {len(chosen)}")
        replayed, verdicts = _decided(floor.period(index), settings, problem.policy.wait_margin)
        rows += verdicts
        pools += replayed.pools
        quotas += replayed.quotas
        spills += replayed.spills
        total += replayed.requests
    return SimulationReport(
        name=plan.name,
        problem_sha256=plan.problem_sha256,
        scenario=floor.future.name,
        seed=seed,
        arrivals=arrivals_as,
        confidence=CONFIDENCE,
        periods=tuple(chosen),
        requests=total,
        promises=tuple(rows),
        pools=tuple(pools),
        notes=tuple(notes_of(floor, arrivals_as, arrival_cv, recorded, chosen)),
        quotas=tuple(beside_plan(quotas, plan, floor.future.name)),
        spills=tuple(spills_beside_plan(spills, plan, floor.future.name)),
    )


def _decided(
    period: Period, settings: ReplaySettings, margin: float
) -> tuple[PeriodReplay, list[PromiseVerdict]]:
    """A period with its promises judged; drawn again, and longer, while something is undecided and `most` allows."""
    for longer in LONGER:
        replayed = replay(period, replace(settings, requests=settings.requests * longer))
        rows = [row for waits in replayed.waits for row in promises_of(waits, period, margin, replayed.gaps)]
        undecided = any(row.verdict == "undecided" for row in rows)
        if (
            not undecided
            or replayed.requests >= 0.5 * settings.most
            or any(map(settings.replays, period.streams))
        ):
            break
    return replayed, rows


@dataclass(frozen=True)
class PeriodReplay:
    """What one period came to."""

    waits: list[StreamWaits]
    gaps: Mapping[str, float]  # coefficient of variation of the gaps that came, by workload
    pools: list[PoolWaits]
    requests: int
    quotas: list[SimulatedQuota]
    spills: list[SimulatedSpill]


def replay(period: Period, settings: ReplaySettings) -> PeriodReplay:
    """Requests of a period through its pools."""
    start_s, end_s = _stretch(period, settings)
    requests = [_requests(stream, period.index, settings, start_s, end_s) for stream in period.streams]
    replayed = frozenset(stream.workload.name for stream in period.streams if settings.replays(stream))
    rng = np.random.default_rng([settings.seed, period.index, SPILLING])
    requests, spills = after_spills(period, requests, (start_s, end_s), replayed, rng)
    wait_s = [np.zeros(len(each.at_s)) for each in requests]
    ready_s = [each.at_s.copy() for each in requests]
    pools = []
    for name, station in period.stations.items():
        parts = [
            (s, r, np.flatnonzero(requests[s].route == r))
            for s, stream in enumerate(period.streams)
            for r, route in enumerate(stream.routes)
            if name in route.pools
        ]
        pools.append(_through(station, parts, period, requests, (wait_s, ready_s), end_s))
    by_workload: dict[str, list[StreamWaits]] = defaultdict(list)
    gaps: dict[str, float] = {}
    for stream, each, wait in zip(period.streams, requests, wait_s, strict=True):
        kept, load = each.at_s >= 0, stream.workload.name
        gaps[load] = max(gaps.get(load, 0.0), gap_cv(each.at_s[kept]))
        if stream.promises and kept.any():
            by_workload[load].append(StreamWaits(stream, wait[kept], each.route[kept], each.at_s[kept]))
    merged = [StreamWaits.together(group) for group in by_workload.values()]
    met = list(quotas_met(period, requests, end_s))
    return PeriodReplay(merged, gaps, pools, sum(len(each.at_s) for each in requests), met, spills)


def _through(
    station: Station,
    parts: Sequence[tuple[int, int, Ints]],
    period: Period,
    requests: list[Requests],
    so_far: tuple[list[Floats], list[Floats]],
    end_s: float,
) -> PoolWaits:
    """One pool's queue (two in a row, where the engines are apart); adds to the waits of its requests.

    parts     stream, route, and which requests of the stream take it
    so_far    by stream, how long each request has waited, and when it comes here: when it goes on, once it is through
    """
    wait_s, ready_s = so_far
    at = np.concatenate([ready_s[s][which] for s, _, which in parts])
    order = np.argsort(at, kind="stable")
    arrived = at[order]
    wait, ready, busy_s = np.zeros(len(at)), at[order], 0.0
    for side in station.sides:
        hold = np.concatenate(
            [
                _hold_s(period.streams[s], r, side, station) * requests[s].scale[side][which]
                for s, r, which in parts
            ]
        )[order]
        again = np.argsort(ready, kind="stable")
        queued = np.empty(len(at))
        queued[again] = waits(ready[again], hold[again], station.servers)
        wait += queued
        ready = ready + queued + hold
        busy_s = max(busy_s, float(hold[arrived >= 0].sum()))
    back, on = np.empty(len(at)), np.empty(len(at))
    back[order], on[order] = wait, ready
    ends = np.cumsum([len(which) for _, _, which in parts])[:-1]
    for (s, _, which), part, left in zip(parts, np.split(back, ends), np.split(on, ends), strict=True):
        wait_s[s][which] += part
        ready_s[s][which] = left
    return pool_row(station, period.index, arrived[arrived >= 0], wait[arrived >= 0], busy_s, end_s)


def _hold_s(stream: RequestStream, route: int, side: int, station: Station) -> float:
    """How long a request of mean size keeps a server."""
    use = stream.routes[route].use
    if use is None or station.availability <= 0:
        return math.inf if use is not None else 0.0
    return use.seconds[side] * station.concurrency / station.availability


def _stretch(period: Period, settings: ReplaySettings) -> tuple[float, float]:
    """Start of the warm-up (≤ 0) and end of what is kept, in s."""
    rates = [stream.rate for stream in period.streams]
    if not rates:
        return 0.0, 0.0
    warm = max((_warm_s(station) for station in period.stations.values()), default=0.0)
    if any(settings.replays(stream) for stream in period.streams):
        return -min(warm, settings.period_s), settings.period_s
    promised = [stream.rate for stream in period.streams if stream.promises]
    wanted = settings.requests / min(promised, default=math.fsum(rates))
    if period.limits:
        wanted = max(wanted, 60.0 * MINUTES)
    length = min(wanted, settings.most / math.fsum(rates))
    return -min(warm, WARM_MOST * length), length


def _warm_s(station: Station) -> float:
    """Several times the time in which a queue forgets how it began, S v / (c (1 − √ρ)²), and some services."""
    longest = 0.0
    for queue in station.planned:
        used = min(queue.busy / queue.servers, 0.999) if queue.servers > 0 else 0.999
        slack = max(queue.servers, 1.0) * (1 - math.sqrt(used)) ** 2
        forget = queue.service_s * max(queue.variability, 0.5) / slack
        longest = max(longest, WARM_SERVICES * queue.service_s + 10.0 * forget)
    return longest


def _requests(
    stream: RequestStream, index: int, settings: ReplaySettings, start_s: float, end_s: float
) -> Requests:
    rng = np.random.default_rng([settings.seed, index, zlib.crc32(stream.key.encode())])
    load = stream.workload
    if settings.replays(stream):
        begin = index * settings.period_s
        rows = settings.recorded[load.name].between(begin + start_s, begin + end_s)
        at, scale = rows.at_s - begin, _recorded_scale(stream, rows)
    else:
        at = arrivals.renewal(rng, stream.rate, settings.cv_of(stream), start_s, end_s)
        size = arrivals.holding(rng, 1.0, load.service_cv, len(at))
        scale = (size, size)
    shares = np.array([route.share for route in stream.routes])
    route = np.zeros(len(at), dtype=np.int64)
    if len(shares) > 1:
        route = rng.choice(len(shares), size=len(at), p=shares / shares.sum())
    return Requests(at, scale, route)


def _recorded_scale(stream: RequestStream, rows: RecordedRequests) -> tuple[Floats, Floats]:
    """Holding times by recorded tokens over the planned size: one engine for both kinds, or one each."""
    load = stream.workload
    planned = float(load.prompt_tokens or 0.0), float(load.completion_tokens or 0.0)
    prompt, completion = (
        np.where(np.isnan(part), mean, part)
        for part, mean in zip((rows.prompt, rows.completion), planned, strict=True)
    )
    if any(route.use is not None and route.use.disaggregated for route in stream.routes):
        return prompt / (planned[0] or 1.0), completion / (planned[1] or 1.0)
    both = (prompt + completion) / (sum(planned) or 1.0)
    return both, both
