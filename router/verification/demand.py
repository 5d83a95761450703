"""Demand and run windows: everything is served, or said to be unserved, and runs only when it may.

Σ share + unserved = 1        per cell with work, within 1e-6; no share outside [0, 1]
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from router.verification.cells import Cell, CellKey
from router.verification.checks import RELATIVE, Ledger
from router.verification.flows import Flow, Left


def check_demand(
    cells: dict[CellKey, Cell], flows: Iterable[Flow], left: Iterable[Left], ledger: Ledger
) -> None:
    shares: dict[CellKey, list[float]] = defaultdict(list)
    for flow in flows:
        _share(flow.row.share, flow.cell, ledger)
        shares[flow.cell.key].append(flow.row.share)
    for gap in left:
        _share(gap.row.share, gap.cell, ledger)
        shares[gap.cell.key].append(gap.row.share)
        if gap.workload.unserved_usd_per_m_tokens is None and gap.row.share > RELATIVE and gap.units > 0:
            ledger.fault(gap.cell, "may not be left unserved")
    for key, cell in cells.items():
        if cell.units > 0:
            ledger.equal(math.fsum(shares[key]), 1.0, cell, "shares sum to", slack=0.0)


def _share(share: float, cell: Cell, ledger: Ledger) -> None:
    if not -1e-12 <= share <= 1 + RELATIVE:
        ledger.fault(cell, f"share {share:.10g} is outside [0, 1]")


def check_windows(flows: Iterable[Flow], left: Iterable[Left], ledger: Ledger) -> None:
    """Work runs in the periods of its cell only."""
    for flow in flows:
        if flow.row.period in flow.cell.runs:
            ledger.looked_at += 1
        else:
            ledger.fault(flow.cell, "may not run in period", flow.row.period)
    for gap in left:
        if gap.row.period is not None:
            ledger.require(gap.row.period in gap.cell.runs, gap.cell, "has no part in period", gap.row.period)
