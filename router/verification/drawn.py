"""Generated futures: what a plan says it was made for is what the problem's seed draws.

demand_path    of each scenario, to 1e-9: multipliers of demand stated as a rate, by period; null for listed ones
drawn          count, seed, scenarios kept, distance lost
"""

from __future__ import annotations

from collections.abc import Mapping

from router.errors import InputError
from router.scenarios import drawn
from router.schema import Generated
from router.verification.case import Case
from router.verification.checks import Ledger
from router.verification.rows import PlanRows

TOLERANCE = 1e-9  # of a multiplier


def check_drawn(case: Case, plan: Mapping[str, object], rows: PlanRows, ledger: Ledger) -> None:
    stated = plan.get("drawn") if isinstance(plan, Mapping) else None
    if not isinstance(case.problem.scenarios, Generated):
        ledger.require(stated is None, "drawn: the problem's scenarios are not generated")
        for row in rows.scenarios:
            ledger.require(row.demand_path is None, row.name, "has a demand_path and is not generated")
        return
    try:
        draw = drawn(case.problem)
    except (InputError, OSError):
        return  # said already: no future could be drawn
    ours = {"count": draw.count, "seed": draw.seed, "kept": len(draw.names)}
    if not isinstance(stated, Mapping):
        ledger.fault("drawn: missing")
        return
    for name, value in ours.items():
        ledger.require(stated.get(name) == value, "drawn", name, f"is {stated.get(name)!r}, not {value}")
    distance = stated.get("distance")
    near = isinstance(distance, int | float) and abs(distance - draw.distance) <= TOLERANCE
    ledger.require(near, "drawn", f"distance is {distance!r}, not {draw.distance!r}")
    paths = dict(zip(draw.names, draw.multiplier.tolist(), strict=True))
    for row in rows.scenarios:
        path = paths.get(row.name)
        if path is None:
            ledger.fault("scenario", row.name, "is not one of those drawn and kept")
        elif row.demand_path is None or len(row.demand_path) != len(path):
            ledger.fault("scenario", row.name, "has no demand_path of all periods")
        else:
            for t, (theirs, mine) in enumerate(zip(row.demand_path, path, strict=True)):
                close = abs(theirs - mine) <= TOLERANCE * max(1.0, mine)
                ledger.require(close, row.name, "period", t, f"demand_path is {theirs!r}, not {mine!r}")
