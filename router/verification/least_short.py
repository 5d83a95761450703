"""After a loss: the least that is left over of cells that share limits, by linear programming, or by whole numbers.

least Σ short;   Σ ways + Σ ways of first steps + short = 1,   Σ ways of step k = Σ ways of step 0 in every period
Σ use · way ≤ limit,   way ≤ there,   Σ adapters · there ≤ slots · count
way ≤ used,   hours · used ≤ slowest of its step,   Σ slowest ≤ hours until answers are due
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from router.verification.base.case import Case
from router.verification.base.cells import Cell, CellKey
from router.verification.base.ledger import RELATIVE
from router.verification.base.parts import stated_name

type Limit = tuple[object, ...]
"""What is shared out: a pool in part of a period, a quota in a period, a contract in a span."""

type Slots = tuple[str, str | None, int]
"""A pool whose instances hold so many adapters, in a period."""


@dataclass(frozen=True, slots=True)
class Way:
    """One route of a cell in one period: what all of the cell would take of each limit, and whose slots it needs.

    batches_h   what all batches of a step of a recipe take there, one after the other
    """

    period: int
    uses: dict[Limit, float]
    slots: tuple[Slots, ...]
    batches_h: float = 0.0


def whole_of(case: Case, workload: str) -> str:
    """What a step answers a part of; the workload itself where it is none."""
    return case.steps[workload].whole if workload in case.steps else workload


class LeastShort:
    """The least that is left over in all, of cells that share limits.

    Columns: what is short of each cell, the ways of all cells in turn, whose adapters are where. A step of a recipe is
    never short: as much of it runs in a period as of the first, which serves the cell.
    """

    def __init__(
        self,
        case: Case,
        limits: Mapping[Limit, float],
        held: Callable[[Slots], float],
        cells: list[tuple[Cell, list[Way]]],
    ) -> None:
        """`held`: adapters that the instances of a pool hold."""
        self.case, self.limits, self.held, self.cells = case, limits, held, cells
        self.upper: list[tuple[dict[int, float], float]] = []
        self.equal: list[tuple[dict[int, float], float]] = []
        self.columns = len(cells)
        self.first: list[int] = []
        for _, ways in cells:
            self.first.append(self.columns)
            self.columns += len(ways)
        self.whole: set[int] = set()
        self.most: dict[int, float] = {}

    def solved(self) -> list[float]:
        """By cell."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # imported here: few problems ask for it
        from scipy.sparse import csr_array

        self._shared()
        self._served()
        self._adapters()
        self._batches()
        constraints = []
        for rows, equal in ((self.upper, False), (self.equal, True)):
            entries = [(i, j, value) for i, (terms, _) in enumerate(rows) for j, value in terms.items()]
            if rows:
                i, j, value = zip(*entries, strict=True)
                matrix = csr_array((value, (i, j)), shape=(len(rows), self.columns))
                limits = [limit for _, limit in rows]
                constraints.append(
                    LinearConstraint(matrix, limits if equal else [-math.inf] * len(rows), limits)
                )
        cells, rest = len(self.cells), self.columns - len(self.cells)
        short = [0.0 if cell.workload in self.case.steps else 1.0 for cell, _ in self.cells]
        answer = milp(
            [1.0] * cells + [0.0] * rest,
            integrality=[int(j in self.whole) for j in range(self.columns)],
            bounds=Bounds(
                [0.0] * self.columns, [*short, *(self.most.get(cells + j, 1.0) for j in range(rest))]
            ),
            constraints=constraints,
        )
        if answer.x is None:
            return [1.0] * len(self.cells)
        return [float(share) for share in answer.x[: len(self.cells)]]

    def _column(self, most: float | None = None) -> int:
        """One more: 0 or 1, else anything up to a most."""
        if most is None:
            self.whole.add(self.columns)
        else:
            self.most[self.columns] = most
        self.columns += 1
        return self.columns - 1

    def _batches(self) -> None:
        """Whatever ways the steps of a recipe have in a cell and period, their batches fit until answers are due."""
        steps: dict[tuple[object, ...], dict[str, list[tuple[int, float]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        left_h: dict[tuple[object, ...], float] = {}
        for j, cell, way in self._ways():
            step = self.case.steps.get(cell.workload)
            if step is not None and cell.due_h < math.inf:
                key = (step.first, *cell.key[1:], way.period)
                steps[key][cell.workload].append((j, way.batches_h))
                left_h[key] = cell.left_h(way.period)
        for at, own in steps.items():
            if math.fsum(max(hours for _, hours in ways) for ways in own.values()) <= left_h[at]:
                continue
            together: dict[int, float] = {}
            for ways in own.values():
                slowest = self._column(left_h[at])
                together[slowest] = 1.0
                for j, hours in ways:
                    if hours > 0:
                        used = self._column()
                        self.upper.append(({j: 1.0, used: -1.0}, 0.0))
                        self.upper.append(({used: hours, slowest: -1.0}, 0.0))
            self.upper.append((together, left_h[at]))

    def _ways(self) -> Iterator[tuple[int, Cell, Way]]:
        for (cell, ways), first in zip(self.cells, self.first, strict=True):
            for n, way in enumerate(ways):
                yield first + n, cell, way

    def _shared(self) -> None:
        """Limits that all together might pass."""
        use: dict[Limit, dict[int, float]] = defaultdict(dict)
        for j, _, way in self._ways():
            for limit, amount in way.uses.items():
                if amount > 0:
                    use[limit][j] = amount / self.limits[limit]
        self.upper += [(terms, 1.0 + RELATIVE) for terms in use.values() if math.fsum(terms.values()) > 1.0]

    def _served(self) -> None:
        """All of a cell, by its own ways and by first steps; further steps as the first, period by period."""
        steps = self.case.steps
        served: dict[CellKey, dict[int, float]] = {}
        carried: dict[tuple[CellKey, int], dict[int, float]] = defaultdict(dict)
        for i, (cell, _) in enumerate(self.cells):
            if cell.workload not in steps:
                served[cell.key] = {i: 1.0}
        for j, cell, way in self._ways():
            step = steps.get(cell.workload)
            carried[cell.key, way.period][j] = 1.0
            if step is None or step.step == 0:
                key = (whole_of(self.case, cell.workload), *cell.key[1:])
                if key in served:
                    served[key][j] = 1.0
        self.equal += [(terms, 1.0) for terms in served.values()]
        for cell, _ in self.cells:
            step = steps.get(cell.workload)
            if step is not None and step.step > 0:
                for period in cell.runs:
                    led = carried.get(((step.first, *cell.key[1:]), period), {})
                    terms = dict(carried.get((cell.key, period), {})) | dict.fromkeys(led, -1.0)
                    if terms:
                        self.equal.append((terms, 0.0))

    def _adapters(self) -> None:
        """What goes to a pool has its adapters there, and all of them have a slot."""
        there: dict[tuple[Slots, str], int] = {}
        held: dict[Slots, dict[int, float]] = defaultdict(dict)
        for j, cell, way in self._ways():
            load = self.case.workloads[cell.workload]
            for pool in way.slots:
                key = (pool, stated_name(load))
                if key not in there:
                    there[key] = self._column()
                    held[pool][there[key]] = float(load.adapters)
                self.upper.append(({j: 1.0, there[key]: -1.0}, 0.0))
        self.upper += [(terms, self.held(pool) * (1.0 + RELATIVE)) for pool, terms in held.items()]
