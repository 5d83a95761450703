"""Runs → operating points: which runs count, which are of one size, which repeat each other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from router.importers.account import Account
from router.importers.performance.run import PERCENTILES, Run

SAME_SIZE = 0.01  # relative; stated sizes this close are one
SAME_SWEEP = 0.05  # drawn prompts of few requests differ by 1 to 3 % between the steps of a sweep
DIGITS = 6  # significant, of rates and latencies
IN_FLIGHT = 1.5  # times the most in flight; means of requests and of their parts differ by less
LATENCIES = tuple(f"{kind}_{part}_ms" for kind in ("ttft", "tpot") for part in ("mean", *PERCENTILES))
SIZES = ("prompt_tokens", "completion_tokens")

Point = dict[str, float]


def usable(runs: Iterable[Run], allow_failed: float, account: Account) -> list[Run]:
    """The runs that are operating points; the account names each of the others, and why.

    A run with failed requests is none unless their share is allowed: those that survive an overloaded server were
    served at less than the load asked for.
    """
    kept = []
    first: dict[str, Run] = {}
    for run in runs:
        same = first.setdefault(repr(dataclasses.replace(run, file="", line=None)), run)
        why = run.unusable if same is run else f"counted already, as {same.where}"
        if why is None and run.failed_share > allow_failed:
            total = (run.failed or 0) + (run.completed or 0)
            why = f"{run.failed:g} of {total:g} requests failed (--allow-failed SHARE keeps it)"
        if why is None:
            why = _impossible(run)
        if why is None and run.prompt_tokens + run.completion_tokens <= 0:
            why = "it states no tokens"
        if why is None and not (run.requests_per_s > 0 and math.isfinite(run.requests_per_s)):
            why = "it states no throughput"
        if why is None:
            kept.append(run)
        else:
            account.remark("left out", why, run.where, {"runs": 1})
    return kept


def _impossible(run: Run) -> str | None:
    """Why the figures of a run contradict each other, as latencies in another unit do."""
    most = run.setting[0] if run.setting else None
    if isinstance(most, float) and run.concurrency is not None and run.concurrency > IN_FLIGHT * most:
        return (
            f"its rate times its latency are {run.concurrency:,.4g} requests in flight, at most {most:g} were"
        )
    for kind in ("ttft", "tpot"):
        known = [run.latency[name] for p in PERCENTILES if (name := f"{kind}_{p}_ms") in run.latency]
        if known != sorted(known):
            return f"its percentiles of {kind} fall: {', '.join(f'{value:g}' for value in known)} ms"
    return None


def points_of(runs: Iterable[Run], account: Account) -> list[Point]:
    """The points, sorted by size and rate."""
    points = [_point(run) for run in _slowest(_sized(runs, account), account)]
    order = ("prompt_tokens", "completion_tokens", "requests_per_s")
    points.sort(key=lambda point: [point[name] for name in order])
    return _distinct(points, account)


def _sized(runs: Iterable[Run], account: Account) -> list[Run]:
    """The steps of one sweep become one size, their largest mean.

    Else each step of drawn prompts would be a size of its own, and a workload would see one point of a whole sweep; of
    the smaller mean a workload of the nominal size would see none.
    """
    groups: list[list[Run]] = []
    for run in sorted(runs, key=lambda one: (one.prompt_tokens, one.completion_tokens)):
        group = next((group for group in groups if all(_one_size(run, other) for other in group)), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    _told_apart(groups, account)
    found = []
    for group in groups:
        by_kind = list(zip(*(run.size for run in group), strict=True))
        prompt, completion = (_tenth(max(sizes)) for sizes in by_kind)
        found += [
            dataclasses.replace(run, prompt_tokens=prompt, completion_tokens=completion) for run in group
        ]
        for name, sizes in zip(SIZES, by_kind, strict=True):
            means = sorted(set(map(_tenth, sizes)), reverse=True)
            if len(means) > 1:
                shown = ", ".join(f"{mean:,g}" for mean in means)
                words, option = name.replace("_", " "), "--" + name.replace("_", "-")
                why = f"runs of {shown} {words} (means) are taken for one size, {means[0]:,g}"
                hint = f"{option} states the nominal one"
                account.remark("note", why, group[0].where, {"runs": len(group)}, hint=hint)
    return found


def _told_apart(groups: Sequence[Sequence[Run]], account: Account) -> None:
    """A sweep whose every step is of a size of its own: a workload would see one point of it."""
    runs = [group[0] for group in groups if len(group) == 1 and group[0].drawn]
    if len(groups) > 1 and len(runs) == len(groups) and len({run.setting for run in runs}) == len(runs):
        sizes = ", ".join(f"{run.prompt_tokens:,g} + {run.completion_tokens:,g}" for run in runs)
        why = f"each run is of a size of its own ({sizes} tokens): a workload sees only those of its size or larger"
        account.remark("note", why, runs[0].where, {"runs": len(runs)})


def _one_size(run: Run, other: Run) -> bool:
    """Whether two runs are steps of one sweep: nearly of a size, and not two stated sizes under the same load."""
    apart = max(abs(a - b) / max(a, b, 1.0) for a, b in zip(run.size, other.size, strict=True))
    whole = all(tokens == round(tokens) for tokens in run.size + other.size)
    stated = not run.drawn or (whole and run.setting == other.setting)
    return apart <= (SAME_SIZE if stated else SAME_SWEEP)


def _slowest(runs: Sequence[Run], account: Account) -> list[Run]:
    """One run per size and load: where several were made, the one with the least throughput."""
    by_load: dict[tuple[object, ...], list[Run]] = {}
    for index, run in enumerate(runs):
        stated = any(part is not None for part in run.setting)
        load = run.setting if stated else (index,)
        by_load.setdefault((run.prompt_tokens, run.completion_tokens, *load), []).append(run)
    found = []
    for repeats in by_load.values():
        slowest = min(repeats, key=lambda run: run.requests_per_s)
        found.append(slowest)
        if len(repeats) > 1:
            rates = ", ".join(f"{run.requests_per_s:.4g}" for run in repeats)
            why = f"repeats a load ({rates} requests/s); the slowest counts"
            account.remark("merged", why, slowest.where, {"runs": len(repeats) - 1})
    return found


def _point(run: Run) -> Point:
    point = {
        "prompt_tokens": run.prompt_tokens,
        "completion_tokens": run.completion_tokens,
        "requests_per_s": rounded(run.requests_per_s),
    }
    if run.concurrency is not None and run.concurrency > 0:
        point["concurrency"] = rounded(run.concurrency)
    if run.error is not None:
        point |= {"estimated": True, "error": run.error}
    return point | {name: rounded(run.latency[name]) for name in LATENCIES if name in run.latency}


def _distinct(points: Sequence[Point], account: Account) -> list[Point]:
    """Equal size and rate says the same twice: the one with the longer latencies counts."""
    found: dict[tuple[float, ...], Point] = {}
    for point in points:
        key = (point["prompt_tokens"], point["completion_tokens"], point["requests_per_s"])
        other = found.get(key)
        if other is not None:
            size = f"{key[0]:g} + {key[1]:g} tokens"
            why = f"two points of {size} have {key[2]:g} requests/s; the slower counts"
            account.remark("merged", why, "", {"runs": 1})
        if other is None or point.get("ttft_mean_ms", 0.0) > other.get("ttft_mean_ms", 0.0):
            found[key] = point
    return list(found.values())


def _tenth(tokens: float) -> float:
    """Down to a tenth of a token; up would promise more than was measured."""
    return math.floor(tokens * 10 + 1e-6) / 10


def rounded(value: float) -> float:
    """To six significant digits."""
    return float(f"{value:.{DIGITS}g}")
