"""Work that may run later, by the period in which it runs: arrivals that differ in volume alone are not told apart.

    flow(w,in t,offer,model,t)   part of most[t] that runs there then; most[t]: all that may run in t
    later(w,t)                   part of kept[t] that runs after t; kept[t]: what has come by t and may run after it

    demand(w,in t)   Σ flow + kept[t] / most[t] · later[t] − kept[t−1] / most[t] · later[t−1] = come[t] / most[t]

Every plan keeps to that: what it runs of any arrival is in the sums. Of large problems alone, so that their bounds are
worked out in time. A workload stays by arrivals where something is said of each: one route for all of it, so many
providers, a price of leaving it, answers that take long.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from router.schema import Workload
from router.verification.base.audit import Audit
from router.verification.base.cells import Cell
from router.verification.bound.relaxation import RelaxedProblem, Terms

LARGE = 3_000
"""Flows by arrivals; beyond, they are by period."""


@dataclass(frozen=True, slots=True)
class RunningCell(Cell):
    """All work of a workload that may run in a period, whenever it came.

    come           units of it that arrive then
    kept, before   units that may run after it of all that has come; of those before, that may run in it
    """

    come: float = 0.0
    kept: float = 0.0
    before: float = 0.0


def by_running_period(audit: Audit, cells: list[Cell], many: Mapping[str, int], slow: set[str]) -> list[Cell]:
    """Cells of a future, those of work that may run later by the period in which it runs.

    many   routes by workload
    slow   workloads some of whose answers take long
    """
    if sum(len(cell.runs) * many.get(cell.workload, 0) for cell in cells) <= LARGE or _of_each(audit):
        return cells
    waiting: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        load = audit.case.workloads[cell.workload]
        if load.deferrable_h is not None and cell.workload not in slow and _alike(audit, load):
            waiting[cell.workload].append(cell)
    made = {name: _running(own) for name, own in waiting.items()}
    found, seen = list[Cell](), set[str]()
    for cell in cells:
        if cell.workload not in made:
            found.append(cell)
        elif cell.workload not in seen:
            seen.add(cell.workload)
            found += made[cell.workload]
    return found


def _of_each(audit: Audit) -> bool:
    """Whether the problem says something of each cell, whatever its workload."""
    problem = audit.case.problem
    return problem.policy.survive_loss_of != "none" or any(offer.spills for offer in problem.offers)


def _alike(audit: Audit, load: Workload) -> bool:
    routing = load.routing
    said = (
        load.window is not None or load.unserved_usd_per_m_tokens is not None or load.name in audit.case.steps
    )
    return not said and routing.splittable and routing.min_providers <= 1


def _running(arrivals: list[Cell]) -> list[RunningCell]:
    """By period, in order of time."""
    may_run: dict[int, list[Cell]] = defaultdict(list)
    for cell in arrivals:
        for t in cell.runs:
            may_run[t].append(cell)
    return [
        RunningCell(
            own[0].workload,
            None,
            t,
            own[0].future,
            _units(own),
            {t: own[0].runs[t]},
            come=_units(cell for cell in own if min(cell.runs) == t),
            kept=_units(cell for cell in own if max(cell.runs) > t),
            before=_units(cell for cell in own if min(cell.runs) < t),
        )
        for t, own in sorted(may_run.items())
    ]


def _units(cells: Iterable[Cell]) -> float:
    return math.fsum(cell.units for cell in cells)


def add_running(model: RelaxedProblem, name: str, cell: RunningCell, served: Terms) -> None:
    """What comes in a period runs then or later, and so does what was left before; `served` (flows), all of it 1."""
    t, terms = min(cell.runs), list(served)
    if cell.kept > 0:
        later = model.variable(f"later({cell.workload},{t})", 1.0)
        terms.append((later, cell.kept / cell.units))
    if cell.before > 0:
        terms.append((f"later({cell.workload},{t - 1})", -cell.before / cell.units))
    come = cell.come / cell.units
    model.constraint(f"demand({name})", terms, lower=come, upper=come)


def volume(cells: Iterable[Cell]) -> float:
    """Units that may run in some periods in all: each arrival once."""
    total, last = list[float](), dict[str, int]()
    for cell in {cell.key: cell for cell in cells}.values():
        if not isinstance(cell, RunningCell):
            total.append(cell.units)
            continue
        t = min(cell.runs)
        total.append(cell.come if last.get(cell.workload) == t - 1 else cell.units)
        last[cell.workload] = t
    return math.fsum(total)
