"""The plan's routes as flows of work: what each row moves, by our own reckoning of its cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from router.plan.document import Plan
from router.plan.rows import RouteRow, UnservedRow
from router.schema import Offer, OfferModel, Workload
from router.verification.base.case import Case, Future
from router.verification.base.cells import Cell, CellKey
from router.verification.base.ledger import Ledger
from router.verification.base.local_time import Interval
from router.verification.base.times import Stretch
from router.verification.base.work import Unit, request_usd, tokens_usd, unit_of


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
    token_usd: float
    fee_usd: float
    """Per unit, at the prices of its hours and before a scenario's multiplier."""

    @property
    def tokens(self) -> float:
        return self.units * self.unit.tokens

    @property
    def charged(self) -> float:
        """Units of work that are paid for: all but what is free."""
        return self.units - (self.row.free_share or 0.0) * self.cell.units

    @property
    def future(self) -> Future:
        return self.cell.future

    def hours(self, case: Case) -> Interval:
        """From and until which it may run in its period."""
        return self.cell.runs.get(self.row.period, case.span(self.row.period))


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


def flows_of(case: Case, cells: dict[CellKey, Cell], plan: Plan, ledger: Ledger) -> list[Flow]:
    """The routes on the cells that they speak of. A row that speaks of none is a fault."""
    units = {name: unit_of(workload) for name, workload in case.workloads.items()}
    flows, steady = [], dict[tuple[str, str, str], tuple[float, float]]()
    for i, row in enumerate(plan.routes):
        cell = _cell(case, cells, row, f"routes[{i}]:", ledger)
        if cell is not None:
            load, offer = case.workloads[row.workload], case.offers[row.offer]
            entry, share = offer.models.get(row.model), row.served_share * cell.units
            unit = units[row.workload]
            hours = cell.runs.get(row.period, case.span(row.period))
            route = row.workload, row.offer, row.model
            usd = steady.get(route) or usd_of_unit(case, unit, offer.name, row.model, hours)
            if not offer.schedule:  # its prices are those of all hours
                steady[route] = usd
            flows.append(Flow(row, cell, load, unit, offer, entry, share, *usd))
    return flows


def usd_of_unit(case: Case, unit: Unit, offer: str, model: str, hours: Interval) -> tuple[float, float]:
    """USD per unit of work for its tokens, and for its request, in some hours."""
    tokens, request = (mean_usd(case, unit, offer, model, hours, of) for of in (tokens_usd, request_usd))
    return tokens, request


def mean_usd(
    case: Case,
    unit: Unit,
    offer: str,
    model: str,
    hours: Interval,
    of: Callable[[Unit, OfferModel], float],
) -> float:
    """The mean of USD per unit of work over some hours, while the offer is open."""

    def usd(stretch: Stretch) -> float:
        entry = stretch.offer.models.get(model)
        return 0.0 if entry is None else of(unit, entry)

    return case.times.mean(offer, *hours, usd)


def unserved_of(case: Case, cells: dict[CellKey, Cell], plan: Plan, ledger: Ledger) -> list[UnservedWork]:
    """The same of what is left unserved."""
    unserved = []
    for i, row in enumerate(plan.unserved):
        cell = _cell(case, cells, row, f"unserved[{i}]:", ledger)
        if cell is not None:
            load = case.workloads[row.workload]
            unserved.append(UnservedWork(row, cell, load, unit_of(load), row.share * cell.units))
    return unserved


def _cell(
    case: Case, cells: dict[CellKey, Cell], row: RouteRow | UnservedRow, at: str, ledger: Ledger
) -> Cell | None:
    period = row.period if row.occurrence is None else None
    cell = cells.get((row.workload, period, row.occurrence, case.future(row.scenario).name))
    if cell is None:
        ledger.fault(at, row.workload, "has no such period or occurrence:", row.occurrence)
    return cell
