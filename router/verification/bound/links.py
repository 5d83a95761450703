"""Nothing runs on what is not signed, paid a fee for, or open.

linking    Σ work · flow / W ≤ Σ signed in force, or ≤ active      per route and month; W: all that could run there
           flow ≤ open                                             per flow, pools with a minimum
"""

from __future__ import annotations

import math
from collections import defaultdict

from router.verification.base.case import Case
from router.verification.bound.contracts import in_force
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.serving import PossibleFlow, cell_name, pool_name


def add_links(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    """Nothing runs on what is not signed, paid a fee for, or open; in parts of what could run there in the month."""
    monthly: dict[tuple[str, str, int], list[PossibleFlow]] = defaultdict(list)
    for flow in flows:
        monthly[flow.route, flow.offer.name, case.month_of[flow.period]].append(flow)
        opened = model.variables.get(opening(model, case, flow))
        if opened is not None:
            n = cell_name(flow.cell).removeprefix(f"{flow.workload.name},")
            name = f"linking({flow.route},{flow.period},open,{n})"
            model.constraint(name, [(flow.name, 1.0), (opening(model, case, flow), -1.0)], upper=0.0)
    for (route, offer, month), own in monthly.items():
        work = math.fsum({flow.cell.key: flow.cell.units for flow in own}.values())
        use = [(flow.name, flow.cell.units / work) for flow in own]
        signed = in_force(case, model, offer, month)
        if case.offers[offer].commitment is not None and not signed:
            for flow in own:
                model.variables[flow.name].upper = 0.0
        if signed and any(model.variables[name].lower < 1 for name in signed):
            model.constraint(f"linking({route},{month})", [*use, *((a, -1.0) for a in signed)], upper=0.0)
        if f"active({offer})" in model.variables:
            model.constraint(f"linking({route},{month},fee)", [*use, (f"active({offer})", -1.0)], upper=0.0)


def opening(model: RelaxedProblem, case: Case, flow: PossibleFlow) -> str:
    """The variable that opens the pool of a flow in its period, if there is one."""
    pool = pool_name(flow.offer.name, case.pool_model(flow.offer.name, flow.model))
    ahead = f"ahead_open({pool},0)"
    return ahead if ahead in model.variables else f"count_open({pool},{flow.period})"
