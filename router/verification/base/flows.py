"""The plan's routes as flows of work: what each row moves, by our own reckoning of its cell."""

from __future__ import annotations

from dataclasses import dataclass

from router.plan.document import Plan
from router.plan.rows import RouteRow, UnservedRow
from router.schema import Offer, OfferModel, Workload
from router.verification.base.case import Case, Future
from router.verification.base.cells import Cell, CellKey
from router.verification.base.ledger import Ledger
from router.verification.base.work import Unit, unit_of


@dataclass(frozen=True, slots=True)
class Flow:
    """Work that runs on one route in one period of one future."""

    row: RouteRow
    cell: Cell
    workload: Workload
    unit: Unit
    offer: Offer
    entry: OfferModel | None
    units: float

    @property
    def tokens(self) -> float:
        return self.units * self.unit.tokens

    @property
    def future(self) -> Future:
        return self.cell.future


@dataclass(frozen=True, slots=True)
class UnservedWork:
    """Work of a cell that the plan leaves unserved."""

    row: UnservedRow
    cell: Cell
    workload: Workload
    unit: Unit
    units: float

    @property
    def usd(self) -> float:
        """What it costs, undiscounted; nothing where leaving work is not allowed at all."""
        return self.units * self.unit.tokens / 1e6 * (self.workload.unserved_usd_per_m_tokens or 0.0)


def _cell(case: Case, cells: dict[CellKey, Cell], row: RouteRow | UnservedRow) -> Cell | None:
    period = row.period if row.occurrence is None else None
    return cells.get((row.workload, period, row.occurrence, case.future(row.scenario).name))


def flows_of(
    case: Case, cells: dict[CellKey, Cell], plan: Plan, ledger: Ledger
) -> tuple[list[Flow], list[UnservedWork]]:
    """Routes and unserved work on the cells they speak of. A row that speaks of none is a fault."""
    units = {name: unit_of(workload) for name, workload in case.workloads.items()}
    flows, unserved = [], []
    for i, row in enumerate(plan.routes):
        cell = _cell(case, cells, row)
        if cell is None:
            ledger.fault(f"routes[{i}]:", row.workload, "has no such period or occurrence:", row.occurrence)
            continue
        offer = case.offers[row.offer]
        entry = offer.models.get(row.model)
        share = row.share * cell.units
        flows.append(Flow(row, cell, case.workloads[row.workload], units[row.workload], offer, entry, share))
    for i, gap in enumerate(plan.unserved):
        cell = _cell(case, cells, gap)
        if cell is None:
            ledger.fault(f"unserved[{i}]:", gap.workload, "has no such period or occurrence:", gap.occurrence)
            continue
        unserved.append(
            UnservedWork(gap, cell, case.workloads[gap.workload], units[gap.workload], gap.share * cell.units)
        )
    return flows, unserved
