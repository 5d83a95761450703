"""Spreading over providers.

max_share_per_provider   a provider's part of a workload's work ≤ max · all that is served     per period
the policy's             the same over the tokens of all workloads
min_providers            so many providers carry at least min_share of each cell with work: the same ones
                         throughout (per future)
splittable: false        one offer and model carries all that is served of a cell
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from router.verification.case import Case
from router.verification.cells import Cell, CellKey
from router.verification.checks import RELATIVE, Ledger
from router.verification.flows import Flow

PRESENT = 1e-9
"""Share below which a route is rounding, not a second carrier."""


def check_provider_shares(case: Case, flows: Iterable[Flow], ledger: Ledger) -> None:
    """The most that one provider carries, of each workload and of all tokens, in every period."""
    own: dict[tuple[str, int, str | None], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    everything: dict[tuple[int, str | None], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for flow in flows:
        period, scenario, provider = flow.row.period, flow.future.name, flow.offer.provider
        if flow.workload.routing.max_share_per_provider < 1:
            work = flow.units * flow.unit.measure
            own[flow.workload.name, period, scenario][provider].append(work)
        everything[period, scenario][provider].append(flow.tokens)
    for (workload, period, scenario), parts in own.items():
        most = case.workloads[workload].routing.max_share_per_provider
        _shares(parts, most, ledger, workload, "period", period, scenario)
    most = case.problem.policy.max_share_per_provider
    if most < 1:
        for (period, scenario), parts in everything.items():
            _shares(parts, most, ledger, "all workloads", "period", period, scenario)


def _shares(parts: dict[str, list[float]], most: float, ledger: Ledger, *where: object) -> None:
    total = math.fsum(value for values in parts.values() for value in values)
    if total <= 0:
        return
    for provider, values in parts.items():
        ledger.at_most(math.fsum(values) / total, most, *where, "share of", provider)


def check_min_providers(
    case: Case, cells: dict[CellKey, Cell], flows: Iterable[Flow], ledger: Ledger
) -> None:
    """Enough providers carry their least share in every cell with work; 1 asks for nothing."""
    carried: dict[CellKey, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for flow in flows:
        if flow.workload.routing.min_providers > 1:
            carried[flow.cell.key][flow.offer.provider].append(flow.row.share)
    throughout: dict[tuple[str, str | None], set[str]] = {}
    for key, cell in cells.items():
        routing = case.workloads[cell.workload].routing
        if routing.min_providers <= 1 or cell.units <= 0:
            continue
        parts = carried.get(key, {})
        served = math.fsum(share for shares in parts.values() for share in shares)
        if served <= PRESENT:
            continue
        least = routing.min_share_per_provider * served * (1 - RELATIVE)
        enough = {provider for provider, shares in parts.items() if math.fsum(shares) >= least}
        at = (cell.workload, cell.future.name)
        throughout[at] = throughout[at] & enough if at in throughout else enough
    for (workload, scenario), providers in throughout.items():
        count, asked = len(providers), case.workloads[workload].routing.min_providers
        ledger.at_least(count, asked, workload, scenario, "providers throughout")


def check_unsplittable(flows: Iterable[Flow], ledger: Ledger) -> None:
    """One offer and model for all that is served of a cell of an unsplittable workload."""
    carriers: dict[CellKey, set[tuple[str, str]]] = defaultdict(set)
    named: dict[CellKey, Cell] = {}
    for flow in flows:
        if not flow.workload.routing.splittable and flow.row.share > PRESENT and flow.units > 0:
            carriers[flow.cell.key].add((flow.row.offer, flow.row.model))
            named[flow.cell.key] = flow.cell
    for key, used in carriers.items():
        ledger.require(len(used) == 1, named[key], "is split over", sorted(used))
