"""The plan's routes as flows of work: what each row moves, by our own reckoning of its cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from router.schema import Offer, OfferModel, Workload
from router.verification.case import Case, Future
from router.verification.cells import Cell, CellKey
from router.verification.checks import Ledger
from router.verification.rows import PlanRows, Route, Unserved
from router.verification.work import Unit, unit_of


@dataclass(frozen=True, slots=True)
class Flow:
    """Work that runs on one route in one period of one future."""

    row: Route
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
class Left:
    """Work of a cell that the plan leaves unserved."""

    row: Unserved
    cell: Cell
    workload: Workload
    unit: Unit
    units: float

    @property
    def usd(self) -> float:
        """What it costs, undiscounted; nothing where leaving work is not allowed at all."""
        return self.units * self.unit.tokens / 1e6 * (self.workload.unserved_usd_per_m_tokens or 0.0)


def _cell(case: Case, cells: dict[CellKey, Cell], row: Route | Unserved) -> Cell | None:
    period = row.period if row.occurrence is None else None
    return cells.get((row.workload, period, row.occurrence, case.future(row.scenario).name))


def flows_of(
    case: Case, cells: dict[CellKey, Cell], plan: PlanRows, ledger: Ledger
) -> tuple[list[Flow], list[Left]]:
    """Routes and unserved work on the cells they speak of. A row that speaks of none is a fault."""
    units = {name: unit_of(workload) for name, workload in case.workloads.items()}
    flows, left = [], []
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
        left.append(
            Left(gap, cell, case.workloads[gap.workload], units[gap.workload], gap.share * cell.units)
        )
    return flows, left


def check_once(flows: Iterable[Flow], left: Iterable[Left], ledger: Ledger) -> None:
    """No two rows about the same thing."""
    seen: set[tuple[object, ...]] = set()
    for flow in flows:
        key: tuple[object, ...] = (flow.cell.key, flow.row.offer, flow.row.model, flow.row.period)
        if key in seen:
            ledger.fault(flow.cell, "on", flow.row.offer, flow.row.model, "is listed twice")
        seen.add(key)
    for gap in left:
        if gap.cell.key in seen:
            ledger.fault(gap.cell, "is listed twice as unserved")
        seen.add(gap.cell.key)


def check_quantities(flows: Iterable[Flow], left: Iterable[Left], ledger: Ledger) -> None:
    """Requests and tokens of every row are its share of what its cell asks for."""
    for flow in flows:
        _quantities(flow.cell, flow.unit, flow.units, flow.row, ledger)
    for gap in left:
        _quantities(gap.cell, gap.unit, gap.units, gap.row, ledger)
        ledger.money(gap.row.usd, gap.usd, gap.cell, "unserved usd")


def _quantities(cell: Cell, unit: Unit, units: float, row: Route | Unserved, ledger: Ledger) -> None:
    if unit.requests is None:
        ledger.require(row.requests is None, cell, "states requests, though no size is given")
    elif row.requests is None:
        ledger.fault(cell, "states no requests")
    else:
        ledger.equal(row.requests, units, cell, "requests")
    ledger.equal(row.prompt_tokens, units * unit.prompt, cell, "prompt_tokens")
    ledger.equal(row.completion_tokens, units * unit.completion, cell, "completion_tokens")
