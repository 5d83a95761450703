"""Workloads and their demand over time: rates, totals, windows and deferral become cells of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, Bools, Floats, Ints
from problems.core.instance import Cells, Time, Workloads
from router.normalise.columns import flags, floats, seconds, whole
from router.normalise.network import origin_of, part_of
from router.normalise.recipes import Steps, part_name
from router.schema import Horizon, Problem, Window, Workload
from router.schema.clock import Clock

HOURS = {"s": 1 / 3600.0, "hour": 1.0, "day": 24.0, "month": HOURS_PER_MONTH}
HOURS_PER_YEAR = 8760.0


def time_of(problem: Problem) -> Time:
    """Periods and months. A period belongs to the month in which it starts."""
    horizon = problem.horizon
    start_h = np.arange(horizon.periods, dtype=np.float64) * horizon.period_h
    raw = np.floor(start_h / HOURS_PER_MONTH + 1e-9).astype(np.int64)
    _, first, month = np.unique(raw, return_index=True, return_inverse=True)
    weight: Floats = (1.0 + problem.policy.discount_rate_per_year) ** (-start_h / HOURS_PER_YEAR)
    return Time(
        period_h=horizon.period_h,
        start_h=start_h,
        month=month.astype(np.int64),
        weight=weight,
        month_hours=np.bincount(month).astype(np.float64) * horizon.period_h,
        month_weight=weight[first],
        midnights=_midnights(horizon.clock, horizon.periods * horizon.period_h),
        edge_h=np.array([0.0, horizon.hours]),
    )


def _midnights(clock: Clock, horizon_h: float) -> Floats:
    """Hours from the start to every midnight of the clock from before it to after the end."""
    hours = [clock.hour_of(0, 0.0)]
    while hours[-1] < horizon_h - 1e-9:
        hours.append(clock.hour_of(len(hours), 0.0))
    return np.array(hours)


def is_sized(workload: Workload) -> bool:
    """Whether a unit of work is a request of known size; else it is a token."""
    return workload.demand.completion_share is None


def work_units(workload: Workload, time: Time) -> Floats:
    """(T,) units of work that arrive in each period: requests, or tokens where no request size is stated."""
    demand = workload.demand
    amount: Floats
    if demand.requests_by_period is not None:
        return np.array(demand.requests_by_period, dtype=float)
    volume = float(getattr(demand, demand.way))
    if demand.way.endswith("_total"):
        amount = np.full(time.periods, volume / time.periods)
    else:
        amount = np.full(time.periods, volume / HOURS[demand.way.rsplit("_", 1)[1]] * time.period_h)
    if demand.way.startswith("tokens") and is_sized(workload):
        amount = amount / ((workload.prompt_tokens or 0.0) + (workload.completion_tokens or 0.0))
    return amount


def workloads(problem: Problem, rows: Steps) -> Workloads:
    """Needs and promises of each workload, per unit of work; `rows` say which are parts of one of the file."""
    loads, of, is_step = problem.workloads, rows.of, rows.step >= 0
    needs, routing = [load.needs for load in loads], [load.routing for load in loads]
    sized = np.array([is_sized(load) for load in loads], dtype=bool)
    share = floats([load.demand for load in loads], "completion_share", 0.0)
    prompt = np.where(sized, floats(loads, "prompt_tokens", 0.0), 1.0 - share)
    completion = np.where(sized, floats(loads, "completion_tokens", 0.0), share)
    accepts = np.array([[name in load.models for name in problem.models] for load in loads], dtype=bool)
    slos = [load.slo for load in loads]
    return Workloads(
        names=tuple(
            part_name(load.name, origin_of(load), recipe, k)
            for load, recipe, k in zip(loads, rows.recipe, rows.step.tolist(), strict=True)
        ),
        file_names=tuple(load.name for load in loads),
        origins=tuple(origin_of(load) for load in loads),
        first=np.searchsorted(of, of).astype(np.int64),
        part=np.array([part_of(load) for load in loads], dtype=float) * rows.requests,
        recipes=rows.recipe,
        steps=rows.step,
        lead=rows.lead,
        whole=rows.whole,
        answers=np.where(rows.lead == np.arange(len(loads)), 1.0 / rows.requests, 0.0),
        quality=rows.quality,
        adapters=floats(loads, "adapters"),
        sized=sized,
        moves=np.array(
            [load.window is not None or load.deferrable_h is not None for load in loads], dtype=bool
        ),
        prompt_tokens=prompt,
        cached_tokens=prompt * floats(loads, "cached_prompt_share"),
        written_tokens=prompt * floats(loads, "cache_write_share"),
        completion_tokens=completion,
        context_tokens=np.maximum(
            floats(needs, "context_tokens", 0.0), np.where(sized, prompt + completion, 0.0)
        ),
        streaming=flags(needs, "streaming"),
        custom_weights=flags(needs, "custom_weights"),
        open_weights=flags(needs, "open_weights"),
        min_quality=np.where(is_step, _of_recipes(loads, rows), floats(needs, "min_quality", -np.inf)),
        min_mean_quality=floats(needs, "min_mean_quality", -np.inf),
        regions=tuple(frozenset(need.regions) for need in needs),
        accepts=accepts,
        permitted=_permitted(problem),
        longest_left_h=np.array([_longest_left_h(load, problem.horizon) for load in loads], dtype=float),
        slo_ttft_s=seconds(slos, "ttft"),
        slo_tpot_s=seconds(slos, "tpot"),
        slo_request_s=seconds(slos, "request"),
        splittable=flags(routing, "splittable"),
        min_providers=whole(row.min_providers for row in routing),
        min_share=floats(routing, "min_share_per_provider"),
        max_share=floats(routing, "max_share_per_provider"),
        arrival_cv=floats(loads, "arrival_cv"),
        service_cv=floats(loads, "service_cv"),
        unserved_usd_per_token=floats(loads, "unserved_usd_per_m_tokens") / 1e6,
    )


def _of_recipes(loads: Sequence[Workload], rows: Steps) -> Floats:
    """(W,) inf where a recipe's quality is too low, or not known where one is asked: nothing may serve its steps."""
    needs = [loads[w].needs for w in rows.whole.tolist()]
    least, mean = floats(needs, "min_quality", -np.inf), floats(needs, "min_mean_quality", -np.inf)
    refused = (rows.quality < least) | (mean > -np.inf) & (rows.quality == -np.inf)
    return np.where(refused, np.inf, -np.inf)


def _permitted(problem: Problem) -> Bools:
    """(W, O) offers that a workload's routing lets it use."""
    names = np.array([offer.name for offer in problem.sellers], dtype=object)
    rows = [load.routing for load in problem.workloads]
    return np.array(
        [
            [(n in row.allow_offers or not row.allow_offers) and n not in row.deny_offers for n in names]
            for row in rows
        ],
        dtype=bool,
    ).reshape(len(rows), len(names))


def cells(problem: Problem, time: Time, clock: Clock, work: list[Floats]) -> Cells:
    """Demand as cells with the slots in which each may run; periods without demand have none."""
    parts = [
        _cells_of(load, time, clock, amount) for load, amount in zip(problem.workloads, work, strict=True)
    ]
    sizes = np.array([len(part.amount) for part in parts])
    before = np.cumsum(sizes) - sizes
    return Cells(
        workload=np.repeat(np.arange(len(parts)), sizes),
        occurrence=np.concatenate([part.occurrence for part in parts]),
        work=np.concatenate([part.amount for part in parts]),
        slot_cell=np.concatenate([part.cell + first for part, first in zip(parts, before, strict=True)]),
        slot_period=np.concatenate([part.period for part in parts]),
        slot_from=np.concatenate([part.start for part in parts]),
        slot_to=np.concatenate([part.end for part in parts]),
        slot_left_h=np.concatenate([part.left_h for part in parts]),
    )


@dataclass(frozen=True)
class _Part:
    """Cells of one workload, and their slots: the part of a period, from start to end, in which a cell may run.

    Answers are due when the window ends, or `deferrable_h` after the arrival's period starts; they may come after the
    horizon.
    """

    occurrence: Ints
    amount: Floats
    cell: Ints
    period: Ints
    start: Floats
    end: Floats
    left_h: Floats  # until answers are due


def _cells_of(load: Workload, time: Time, clock: Clock, amount: Floats) -> _Part:
    if load.window is not None:
        return _windows(load, load.window, time, clock, amount)
    arrivals = np.flatnonzero(amount > 0)
    span = 1
    if load.deferrable_h is not None:  # may run in periods that start less than so much later
        span = max(1, int(np.ceil(load.deferrable_h / time.period_h - 1e-9)))
    cell = np.repeat(np.arange(len(arrivals)), span)
    period = arrivals[cell] + np.tile(np.arange(span), len(arrivals))
    inside = period < time.periods  # nothing is put off past the horizon
    cell, period = cell[inside], period[inside]
    due_h = np.inf if load.deferrable_h is None else load.deferrable_h
    left_h = np.asarray(due_h - (period - arrivals[cell]) * time.period_h, dtype=np.float64)
    return _Part(arrivals, amount[arrivals], cell, period, np.zeros(len(cell)), np.ones(len(cell)), left_h)


def _windows(load: Workload, window: Window, time: Time, clock: Clock, amount: Floats) -> _Part:
    """One cell per occurrence of the window; its part inside the horizon brings that part of the day's volume."""
    occurrences = window_occurrences(window, clock, time.horizon_h)
    by_period, total = load.demand.requests_by_period is not None, load.demand.way.endswith("_total")
    inside_h = sum(min(end, time.horizon_h) - max(start, 0.0) for _, start, end in occurrences)
    day_of = [clock.day(hour) for hour in time.start_h] if by_period else []
    volumes: list[tuple[int, float]] = []
    slots: list[tuple[int, int, float, float, float]] = []
    for number, start, end in occurrences:
        low, high = max(start, 0.0), min(end, time.horizon_h)
        if total:
            volume = float(amount.sum()) * (high - low) / inside_h
        else:
            if by_period:
                date = clock.day(start)
                daily = float(sum(a for a, d in zip(amount, day_of, strict=True) if d == date))
            else:
                daily = float(amount[0]) * 24.0 / time.period_h
            volume = daily * (high - low) / (end - start)
        if volume <= 0:
            continue
        first = int(np.floor(low / time.period_h + 1e-9))
        last = int(np.ceil(high / time.period_h - 1e-9))
        for t in range(first, last):
            begins, ends = max(low / time.period_h - t, 0.0), min(high / time.period_h - t, 1.0)
            slots.append((len(volumes), t, begins, ends, end - (t + begins) * time.period_h))
        volumes.append((number, volume))
    day, work = np.array(volumes, dtype=float).reshape(-1, 2).T
    cell, period, begin, finish, left = np.array(slots, dtype=float).reshape(-1, 5).T
    return _Part(
        day.astype(np.int64), work, cell.astype(np.int64), period.astype(np.int64), begin, finish, left
    )


def _longest_left_h(load: Workload, horizon: Horizon) -> float:
    """From the first moment at which any of the work may run until it is due."""
    if load.window is not None:
        occurrences = window_occurrences(load.window, horizon.clock, horizon.hours)
        return max((end - max(start, 0.0) for _, start, end in occurrences), default=np.inf)
    return np.inf if load.deferrable_h is None else load.deferrable_h


def window_occurrences(window: Window, clock: Clock, horizon_h: float) -> list[tuple[int, float, float]]:
    """(day, start, end) of each occurrence that overlaps the horizon; hours from its start, which may lie outside."""
    days = range(-1, int(horizon_h // 24) + 3)
    opens = window.start_hour
    spans = [(day, clock.hour_of(day, opens), clock.hour_of(day, opens + window.length_h)) for day in days]
    return [span for span in spans if span[1] < horizon_h - 1e-9 and span[2] > 1e-9]
