"""What moved between two versions of a problem: prices, terms and limits of offers; demand and sizes of workloads.

    relative = new / old − 1                null where there is no old figure, or it is 0

Demand is compared as its mean and its highest period, whichever way each version states it; everything else field by
field. What only one version has is told as "added" or "removed".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from router.schema import Horizon, Problem, Workload

HOURS = {"s": 1 / 3600, "hour": 1.0, "day": 24.0, "month": 730.0}
SAID = ("source", "as_of", "note")  # where a figure comes from is no figure
SAME = 1e-12

Figure = float | str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Drift:
    """One figure before and after. `field` is its path in the entry, "" for the entry as a whole."""

    kind: Literal["offer", "workload", "model"]
    name: str
    field: str
    old: Figure
    new: Figure
    relative: float | None


def drift(old: Problem, new: Problem, least: float = 0.0) -> tuple[Drift, ...]:
    """What differs, in the order of the new problem; numbers that moved by no more than `least` (relative) do not."""
    offers = {one.name: _leaves(one) for one in old.offers}, {one.name: _leaves(one) for one in new.offers}
    models = _models(old), _models(new)
    loads = (
        {one.name: _workload(one, old.horizon) for one in old.workloads},
        {one.name: _workload(one, new.horizon) for one in new.workloads},
    )
    rows: list[Drift] = []
    for kind, (before, after) in (("offer", offers), ("workload", loads), ("model", models)):
        for name in [*after, *(name for name in before if name not in after)]:
            rows += _entry(kind, name, before.get(name), after.get(name), least)  # type: ignore[arg-type]
    return tuple(rows)


def _entry(
    kind: Literal["offer", "workload", "model"],
    name: str,
    before: Mapping[str, Figure] | None,
    after: Mapping[str, Figure] | None,
    least: float,
) -> list[Drift]:
    if before is None or after is None:
        gone, there = ("absent", "added") if before is None else ("present", "removed")
        return [Drift(kind, name, "", gone, there, None)]
    rows = []
    for field in [*after, *(field for field in before if field not in after)]:
        old, new = before.get(field), after.get(field)
        relative = _relative(old, new)
        if old == new or (relative is not None and abs(relative) <= max(least, SAME)):
            continue
        rows.append(Drift(kind, name, field, old, new, relative))
    return rows


def _relative(old: Figure, new: Figure) -> float | None:
    if isinstance(old, float) and isinstance(new, float) and old != 0:
        return new / old - 1
    return None


def _models(problem: Problem) -> dict[str, dict[str, Figure]]:
    return {name: _leaves(model) for name, model in problem.models.items()}


def _workload(workload: Workload, horizon: Horizon) -> dict[str, Figure]:
    found = {key: value for key, value in _leaves(workload).items() if not key.startswith("demand.")}
    return {**_demand(workload, horizon), **found}


def _demand(workload: Workload, horizon: Horizon) -> dict[str, Figure]:
    """Per hour, mean and highest; a recorded trace is told by its fields."""
    demand, way = workload.demand, workload.demand.way
    if demand.trace is not None:
        return {f"demand.trace.{key}": value for key, value in _leaves(demand.trace).items()}
    unit = "requests" if way.startswith("requests") else "tokens"
    if demand.requests_by_period is not None:
        counts = demand.requests_by_period
        mean, most = sum(counts) / horizon.hours, max(counts) / horizon.period_h
    else:
        per = way.rpartition("_")[2]
        mean = most = getattr(demand, way) / (horizon.hours if per == "total" else HOURS[per])
    found: dict[str, Figure] = {f"demand.{unit}_per_hour": mean, f"demand.highest_{unit}_per_hour": most}
    if demand.completion_share is not None:
        found["demand.completion_share"] = demand.completion_share
    return found


def _leaves(value: BaseModel) -> dict[str, Figure]:
    """Figures by dotted path; what is not stated is not there."""
    found: dict[str, Figure] = {}
    _gather(value.model_dump(mode="json", exclude_none=True), "", found)
    return found


def _gather(value: object, path: str, found: dict[str, Figure]) -> None:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key not in SAID and not (path == "" and key == "name"):
                _gather(one, f"{path}.{key}" if path else str(key), found)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(one, str) for one in value):
            found[path] = ", ".join(str(one) for one in value)
            return
        for index, one in enumerate(value):
            _gather(one, f"{path}[{index}]", found)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        found[path] = str(value)
    else:
        found[path] = float(value)
