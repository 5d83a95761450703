"""The operating point at which an offer's instance serves a workload: its rate, and whether its latency meets the SLO.

    request time = ttft + max(completion tokens − 1, 0) · tpot          at each percentile; parts added by convention

A percentile that is not given is met only by a known higher one that meets it; a mean stands in for no percentile,
except by the factor assumed in `policy.p99_over_mean`. Limits are inclusive. The turnaround of a batch is its time to
first token and its request time, at each percentile. The round trip to an offer adds once to both.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import PERCENTILES, ArrayTable, Bools, Floats, Ints
from problems.core.instance import Instance
from problems.core.supply import Points

INCLUSIVE = 1.0 + 1e-9  # a latency equal to its limit meets it, whatever the last bit says
MEAN, P99 = PERCENTILES.index("mean"), PERCENTILES.index("p99")


class Service(ArrayTable):
    """One row per candidate (workload, entry)."""

    load_s: Floats  # (n, 2) instance-seconds per unit of work, for prompts and for completions; inf: unknown
    meets_slo: Bools
    unmeasured: Bools  # no measurement of the workload's size, or it states none
    concurrency: Floats
    ttft_s: Floats  # (n, 5)
    tpot_s: Floats  # (n, 5)


def services(inst: Instance, workload: Ints, entry: Ints) -> Service:
    """Rates and latencies for every candidate whose offer has the model."""
    ttft, tpot = known_s(inst, entry)
    load = _stated_load(inst, workload, entry)
    unmeasured = np.zeros(len(workload), dtype=bool)
    concurrency = inst.entries.concurrency[entry].copy()
    measured = np.array([points is not None for points in inst.entries.points], dtype=bool)
    promised = _promised(inst)
    for i in np.flatnonzero(measured[entry]) if measured.any() else ():
        points = inst.entries.points[entry[i]]
        if points is None:
            continue
        w = int(workload[i])
        rows = _points_of_size(points, inst, w)
        if len(rows) == 0:
            unmeasured[i] = True
            continue
        point_ttft = np.where(np.isfinite(points.ttft_s[rows]), points.ttft_s[rows], ttft[i])
        point_tpot = np.where(np.isfinite(points.tpot_s[rows]), points.tpot_s[rows], tpot[i])
        here = np.full(len(rows), entry[i])
        meets = np.ones(len(rows), dtype=bool)
        if promised[w]:
            meets = meets_slo(inst, np.full(len(rows), w), here, point_ttft, point_tpot)
        best = max(range(len(rows)), key=lambda k: (meets[k], points.requests_per_s[rows[k]], -k))
        load[i] = 1.0 / points.requests_per_s[rows[best]]
        concurrency[i] = points.concurrency[rows[best]]
        ttft[i], tpot[i] = point_ttft[best], point_tpot[best]
    return Service(load, meets_slo(inst, workload, entry, ttft, tpot), unmeasured, concurrency, ttft, tpot)


def _promised(inst: Instance) -> Bools:
    """(W,) whether a workload has an SLO."""
    loads = inst.workloads
    each = (loads.slo_ttft_s, loads.slo_tpot_s, loads.slo_request_s)
    return np.asarray(np.any([np.isfinite(limit).any(axis=1) for limit in each], axis=0))


def known_s(inst: Instance, entry: Ints) -> tuple[Floats, Floats]:
    """What is stated of the first token and of each further one, (n, 5) s each."""
    turnaround_s = inst.offers.turnaround_h[inst.entries.offer[entry]][:, None] * 3600.0
    ttft = np.where(turnaround_s > 0, turnaround_s, inst.entries.ttft_s[entry])
    return ttft, inst.entries.tpot_s[entry].copy()


def wait_budget(inst: Instance, workload: Ints, entry: Ints, ttft_s: Floats, tpot_s: Floats) -> Floats:
    """What the SLO on the first token and on the whole request leaves for waiting, (n, 5) s; inf: no promise."""
    loads = inst.workloads
    ttft, _, decode = latencies(inst, workload, entry, ttft_s, tpot_s)
    with np.errstate(invalid="ignore"):
        whole = ttft + decode
        first, request = loads.slo_ttft_s[workload], loads.slo_request_s[workload]
        left = np.minimum(
            np.where(np.isfinite(first), first - ttft, np.inf),
            np.where(np.isfinite(request), request - whole, np.inf),
        )
    return np.asarray(np.maximum(left, 0.0))


def meets_slo(inst: Instance, workload: Ints, entry: Ints, ttft_s: Floats, tpot_s: Floats) -> Bools:
    """Whether service latencies (n, 5), without waiting, keep every SLO of the workloads (n,)."""
    loads = inst.workloads
    ttft, tpot, decode = latencies(inst, workload, entry, ttft_s, tpot_s)
    streams = (loads.completion_tokens > np.where(loads.sized, 1.0, 0.0))[workload][:, None]
    tpot = np.where(streams, tpot, 0.0)  # a request of one token needs none
    ok = (ttft <= loads.slo_ttft_s[workload] * INCLUSIVE) & (tpot <= loads.slo_tpot_s[workload] * INCLUSIVE)
    ok &= ttft + decode <= loads.slo_request_s[workload] * INCLUSIVE
    return np.asarray(ok.all(axis=1), dtype=bool)


def slowest(inst: Instance, workload: Ints, entry: Ints) -> tuple[Floats, Floats]:
    """Of the SLO that a service misses by most: what it does, s, and how many times what is asked; (n,) each."""
    loads = inst.workloads
    ttft, tpot, decode = latencies(inst, workload, entry, *known_s(inst, entry))
    value = np.concatenate([ttft, tpot, ttft + decode], axis=1)
    asked = np.concatenate([loads.slo_ttft_s, loads.slo_tpot_s, loads.slo_request_s], axis=1)[workload]
    with np.errstate(invalid="ignore"):
        times = np.where(np.isfinite(asked), value / asked, 0.0)
    worst = np.argmax(times, axis=1)[:, None]
    return np.take_along_axis(value, worst, 1)[:, 0], np.take_along_axis(times, worst, 1)[:, 0]


def latencies(
    inst: Instance, workload: Ints, entry: Ints, ttft_s: Floats, tpot_s: Floats
) -> tuple[Floats, Floats, Floats]:
    """To the first token, of each further one, and of all further ones together; (n, 5) s each."""
    whole = inst.offers.turnaround_h[inst.entries.offer[entry]] > 0  # with the first token comes the answer
    ttft, tpot = (at_percentile(known, inst.policy.p99_over_mean) for known in (ttft_s, tpot_s))
    ttft = ttft + inst.network.rtt_s[workload, inst.entries.offer[entry]][:, None]
    further = np.where(whole, 0.0, np.maximum(inst.workloads.completion_tokens[workload] - 1.0, 0.0))[:, None]
    with np.errstate(invalid="ignore"):
        return ttft, tpot, np.where(further > 0, further * tpot, 0.0)


def at_percentile(known_s: Floats, p99_over_mean: float) -> Floats:
    """Each percentile, or the lowest known higher one; (n, 5) → (n, 5), inf: unknown."""
    value = known_s.copy()
    if p99_over_mean > 0:
        assumed = ~np.isfinite(value[:, P99])
        value[assumed, P99] = value[assumed, MEAN] * p99_over_mean
    for p in range(P99 - 1, MEAN, -1):
        value[:, p] = np.where(np.isfinite(value[:, p]), value[:, p], value[:, p + 1])
    return value


def _stated_load(inst: Instance, workload: Ints, entry: Ints) -> Floats:
    """Instance-seconds per unit of work from the stated rates, (n, 2); inf where no rate applies."""
    loads, entries = inst.workloads, inst.entries
    prompt, completion = loads.prompt_tokens[workload], loads.completion_tokens[workload]
    units = burndown_units(inst, workload, entry)
    sized = np.where(loads.sized[workload], 1.0, np.inf)
    whole = np.full(len(workload), np.inf)
    for work, rate in (
        (prompt + completion, entries.tokens_per_s),
        (units, entries.units_per_s),
        (sized, entries.requests_per_s),
    ):
        stated = np.isfinite(rate[entry])
        whole = np.where(stated, work / np.where(stated, rate[entry], 1.0), whole)
    stated = np.isfinite(entries.prompt_tokens_per_s[entry])
    of_prompt = np.where(stated, prompt / np.where(stated, entries.prompt_tokens_per_s[entry], 1.0), whole)
    of_completion = np.where(
        stated, completion / np.where(stated, entries.completion_tokens_per_s[entry], 1.0), whole
    )
    shared = stated & ~entries.disaggregated[entry]  # one engine shares its time between the two
    both = np.where(shared, of_prompt + of_completion, 0.0)
    return np.stack([np.where(shared, both, of_prompt), np.where(shared, both, of_completion)], axis=1)


def burndown_units(inst: Instance, workload: Ints, entry: Ints) -> Floats:
    """(n,) burndown units of a unit of work."""
    loads, entries, cached = inst.workloads, inst.entries, inst.workloads.cached_tokens[workload]
    units = (loads.prompt_tokens[workload] - cached) * entries.prompt_units[entry]
    units += cached * entries.cached_units[entry]
    return np.asarray(units + loads.completion_tokens[workload] * entries.completion_units[entry])


def _points_of_size(points: Points, inst: Instance, w: int) -> Ints:
    """Rows measured at the workload's size: exact, else the smallest size no smaller in either direction, else none."""
    if not inst.workloads.sized[w]:
        return np.empty(0, dtype=np.int64)
    prompt, completion = inst.workloads.prompt_tokens[w], inst.workloads.completion_tokens[w]
    fits = np.flatnonzero(
        (points.prompt_tokens >= prompt * (1 - 1e-9)) & (points.completion_tokens >= completion * (1 - 1e-9))
    )
    if len(fits) == 0:
        return fits
    sizes = points.prompt_tokens[fits] + points.completion_tokens[fits]
    first = fits[np.lexsort((points.prompt_tokens[fits], sizes))[0]]
    same = (points.prompt_tokens[fits] == points.prompt_tokens[first]) & (
        points.completion_tokens[fits] == points.completion_tokens[first]
    )
    return np.asarray(fits[same], dtype=np.int64)
