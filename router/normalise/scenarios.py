"""Futures, listed or generated, become multipliers by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from problems.core.instance import Scenarios
from router.scenarios import planned_draw
from router.schema import Generated, Problem, Scenario

if TYPE_CHECKING:
    from router.scenarios.generate import Draw


def scenarios(problem: Problem, scenario: str | None) -> Scenarios:
    """The futures planned for: one of them as if it were certain, or all. Raises InputError for a wrong history."""
    if isinstance(problem.scenarios, Generated):
        futures = from_draw(problem, planned_draw(problem))
        return futures if scenario is None else futures.only(futures.names.index(scenario))
    return _listed(problem, _futures(problem.scenarios, scenario))


def from_draw(problem: Problem, draw: Draw) -> Scenarios:
    """Demand paths by workload; prices and availability stay as stated."""
    count, offers = len(draw.names), len(problem.sellers)
    paths = [draw.of(workload) for workload in problem.workloads]
    if draw.others:
        path = np.stack(paths, axis=1)
    else:  # all alike: one table, seen by each
        path = np.broadcast_to(paths[0][:, None, :], (count, len(paths), paths[0].shape[1]))
    return Scenarios(
        names=draw.names,
        probability=draw.probability,
        demand=np.ones((count, len(paths))),
        price=np.ones((count, offers)),
        availability=np.ones((count, offers)),
        path=path,
        listed=True,
    )


def _futures(listed: tuple[Scenario, ...], scenario: str | None) -> tuple[Scenario, ...]:
    if scenario is not None:
        return tuple(
            future.model_copy(update={"probability": 1.0}) for future in listed if future.name == scenario
        )
    return listed or (Scenario(name="certain", probability=1.0),)


def _listed(problem: Problem, futures: tuple[Scenario, ...]) -> Scenarios:
    """A named multiplier replaces "*"."""
    loads = [workload.name for workload in problem.workloads]
    names = [offer.name for offer in problem.sellers]

    def table(kind: str, columns: list[str]) -> np.ndarray:
        values = np.ones((len(futures), len(columns)))
        for s, future in enumerate(futures):
            multiplier = getattr(future, kind)
            values[s] = [multiplier.get(name, multiplier.get("*", 1.0)) for name in columns]
        return values

    probability = np.array([future.probability for future in futures])
    return Scenarios(
        names=tuple(future.name for future in futures),
        probability=probability / probability.sum(),
        demand=table("demand", loads),
        price=table("prices", names),
        availability=table("availability", names),
        listed=bool(problem.scenarios),
    )
