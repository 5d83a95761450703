"""Workloads of a trace as a problem file: complete as it stands, but for offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from router.errors import InputError
from router.schema import Problem
from router.traces.extract import ExtractedWorkload, TraceExtract


def problem_text(
    extract: TraceExtract,
    source: str,
    models: Sequence[str] = (),
    include: Sequence[str] = (),
    model_of: int | None = None,
) -> str:
    """The file, which loads as a problem but for what it includes.

    `model_of` is the label that names each workload's model; otherwise all accept `models`. With `include`, models are
    left to the included files.
    """
    workloads = [
        _workload(load, source, list(models) if model_of is None else [load.labels[model_of]])
        for load in extract.workloads
    ]
    horizon: dict[str, Any] = {"periods": extract.periods, "period_h": number(extract.period_h)}
    if extract.start is not None:
        horizon["start"] = extract.start.isoformat()
    head = {"schema": "router/1", "name": source, "horizon": horizon | {"timezone": extract.timezone}}
    named: dict[str, Any] = {"models": {model: {} for load in workloads for model in load["models"]}}
    try:
        Problem.model_validate(head | named | {"workloads": workloads})
    except (ValueError, InputError) as error:
        raise RuntimeError(f"{source} would not load: {error}") from error
    file = head | ({"include": list(include)} if include else named) | {"workloads": workloads}
    text = yaml.safe_dump(file, sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)
    return str(text)


def _workload(load: ExtractedWorkload, source: str, models: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": load.name,
        "models": models,
        "demand": {"requests_by_period": [number(float(count)) for count in load.counts]},
        "prompt_tokens": number(load.size[0]),
        "completion_tokens": number(load.size[1]),
    }
    for name, value in (("arrival_cv", load.arrival_cv), ("service_cv", load.service_cv)):
        if value is not None:
            entry[name] = number(value)
    if load.cached_share is not None:
        entry["cached_prompt_share"] = number(load.cached_share)
    entry["source"] = source
    if load.p95 is not None:
        prompt, completion = load.p95
        entry["note"] = (
            f"means; 95th percentiles are {prompt:.0f} prompt and {completion:.0f} completion tokens"
        )
    elif not load.sized:
        entry["note"] = "no lengths recorded; those of the whole trace"
    return entry


def number(value: float) -> float:
    """Eight digits, whole numbers in full: exact enough for demand, short enough to read."""
    return int(value) if value == int(value) else float(f"{value:.8g}")
