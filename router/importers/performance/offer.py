"""Points → one offer, as a catalogue fragment that a problem file includes.

What the runs do not say (GPUs of the replica, price) is asked for by the option that gives it; nothing is made up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import yaml

from router.errors import InputError, Issue
from router.importers.account import Account
from router.importers.performance.points import LATENCIES, SAME_SWEEP, Point, points_of, rounded, usable
from router.importers.performance.run import Run
from router.loading.catalogue import load_text

NOMINAL = SAME_SWEEP  # relative; how far a stated size may be from what was measured


@dataclasses.dataclass(frozen=True)
class Replica:
    """What is measured, as the catalogue shall call it; None: taken from the runs, or else asked for.

    usd_per_h                          price of the whole instance; or usd_per_gpu_h, times its GPUs
    prompt_tokens, completion_tokens   nominal size of the requests, where their mean is a little off
    """

    offer: str
    model: str
    provider: str | None = None
    gpus: int | None = None
    usd_per_gpu_h: float | None = None
    usd_per_h: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None


@dataclasses.dataclass(frozen=True)
class ReplicaPoints:
    """The points of one replica, sorted by size and rate, and what was left out or taken together, and why."""

    points: tuple[Point, ...]
    gpus: int
    usd_per_h: float
    as_of: str | None
    account: Account


def extract(runs: Sequence[Run], replica: Replica, *, allow_failed: float = 0.0) -> ReplicaPoints:
    """The points of the runs. Raises InputError: nothing usable, two models, no GPU count or price."""
    account = Account()
    account.reads({"runs": len(runs)})
    _one_model(runs)
    kept = [_nominal(run, replica) for run in usable(runs, allow_failed, account)]
    if not kept:
        file, detail = (runs[0].file if runs else None), "\n".join(map(str, account.remarks))
        raise InputError(Issue((), "holds no usable run", file=file, detail=detail))
    points = points_of(kept, account)
    for run in kept:
        for remark in run.remarks:
            account.remark("note", remark, run.where, {"runs": 1})
    for gap in _gaps(points):
        account.remark("note", gap, "", {}, asked=True)
    gpus = _gpus(kept, replica, account)
    days = [run.measured_on for run in kept if run.measured_on is not None]
    account.writes({"runs": len(points)})
    return ReplicaPoints(
        points=tuple(points),
        gpus=gpus,
        usd_per_h=_price(replica, gpus),
        as_of=max(days).isoformat() if days else None,
        account=account,
    )


def fragment(found: ReplicaPoints, replica: Replica, source: str) -> str:
    """The catalogue file: one model, one offer, its points one a line. Raises InputError where a field is wrong."""
    head = {"name": replica.offer, "provider": replica.provider or replica.offer, "source": source}
    if found.as_of:
        head["as_of"] = found.as_of
    notes = ["latencies are means; an SLO at a percentile needs policy.p99_over_mean"] * means_only(
        found.points
    )
    if any("estimated" in point for point in found.points):
        notes.insert(0, "estimated, not measured")
    if notes:
        head["note"] = "; ".join(notes)
    model = _scalar(replica.model)
    lines = ["schema: router/1", f"name: {_scalar(replica.offer)}", "models:", f"  {model}: {{}}", "offers:"]
    lines += [
        f"{'    ' if i else '  - '}{key}: {_scalar(value)}" for i, (key, value) in enumerate(head.items())
    ]
    lines += ["    models:", f"      {model}:", "        points:"]
    lines += [f"          - {flow(point)}" for point in found.points]
    lines += [f"    instances: {flow({'usd_per_h': rounded(found.usd_per_h), 'units': found.gpus})}", ""]
    text = "\n".join(lines)
    _check(text, replica.model)
    return text


def means_only(points: Sequence[Mapping[str, float]]) -> bool:
    """Whether latencies are known, and no percentile of them."""
    known = {name for point in points for name in point if name in LATENCIES}
    return bool(known) and all("_mean_" in name for name in known)


def flow(values: Mapping[str, float]) -> str:
    """`{prompt_tokens: 1024, …}`: whole numbers without a point."""
    shown = {name: "true" if value is True else f"{value:.15g}" for name, value in values.items()}
    return "{" + ", ".join(f"{name}: {text}" for name, text in shown.items()) + "}"


def _one_model(runs: Sequence[Run]) -> None:
    """Two models would become one offer that is neither."""
    models = sorted({run.model for run in runs if run.model is not None})
    if len(models) > 1:
        hint = "import each on its own"
        raise InputError(Issue((), f"the runs are of {len(models)} models: {', '.join(models)}", hint=hint))


def _nominal(run: Run, replica: Replica) -> Run:
    """The run at the size stated for it, which must be about what was measured."""
    sizes = {}
    for name in ("prompt_tokens", "completion_tokens"):
        stated, found = getattr(replica, name), getattr(run, name)
        if stated is None:
            continue
        if abs(found - stated) > NOMINAL * max(stated, 1.0):
            rule = f"is more than {NOMINAL:.0%} off the run's {found:g} {name.replace('_', ' ')} a request"
            raise InputError(Issue(("--" + name.replace("_", "-"),), rule, stated, None, run.file, run.line))
        sizes[name] = stated
    return dataclasses.replace(run, **sizes)


def _gpus(runs: Sequence[Run], replica: Replica, account: Account) -> int:
    """Of the option, else of the runs, which must agree."""
    found = sorted({run.gpus for run in runs if run.gpus is not None})
    if replica.gpus is not None:
        if found and found != [replica.gpus]:
            stated = ", ".join(map(str, found))
            why = f"--gpus {replica.gpus} is used; the runs say {stated}"
            account.remark("note", why, runs[0].where, {"runs": len(runs)}, asked=True)
        return replica.gpus
    if len(found) > 1:
        rule = f"the runs are of replicas with {', '.join(map(str, found))} GPUs"
        raise InputError(Issue(("--gpus",), rule, hint="import each replica on its own, or state --gpus"))
    if not found:
        rule = "is needed: the runs do not say how many GPUs the replica has"
        hint = "--gpus 8 (or vllm bench serve --metadata gpus=8, next time)"
        raise InputError(Issue(("--gpus",), rule, hint=hint))
    return found[0]


def _price(replica: Replica, gpus: int) -> float:
    if (replica.usd_per_h is None) == (replica.usd_per_gpu_h is None):
        rule = (
            "is needed: no benchmark knows the price" if replica.usd_per_h is None else "excludes --usd-per-h"
        )
        hint = (
            "--usd-per-gpu-h for one GPU, or --usd-per-h for the whole replica; 0 for hardware already paid"
        )
        raise InputError(Issue(("--usd-per-gpu-h",), rule, hint=hint))
    return replica.usd_per_h if replica.usd_per_h is not None else (replica.usd_per_gpu_h or 0.0) * gpus


def _gaps(points: Sequence[Point]) -> list[str]:
    """What a plan will miss."""
    found = []
    for kind, words in (("ttft", "time to first token"), ("tpot", "time per further token")):
        lacking = sum(
            not any(name.startswith(kind) for name in point)
            for point in points
            if kind == "ttft" or point["completion_tokens"] > 1
        )
        if lacking:
            found.append(f"{lacking} of {len(points)} points have no {words}: an SLO on it refuses them")
    if means_only(points):
        found.append("latencies are means only: an SLO at a percentile needs policy.p99_over_mean")
    return found


def _scalar(text: str) -> str:
    """Text as YAML, quoted where it must be."""
    dumped = yaml.safe_dump(text, width=10_000, allow_unicode=True)
    return dumped.removesuffix("\n").removesuffix("\n...")


def _check(text: str, model: str) -> None:
    """The fragment loads: names and numbers are held to the schema before anything is written."""
    size = "prompt_tokens: 1, completion_tokens: 1"
    load = f"{{name: w, models: [{_scalar(model)}], demand: {{requests_per_s: 1}}, {size}}}"
    load_text(f"{text}workloads: [{load}]\n", "the fragment")
