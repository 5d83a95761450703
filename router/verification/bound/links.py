"""Nothing runs on what is not signed, paid a fee for, or open.

linking    Σ work · flow / W ≤ Σ signed in force, or ≤ active      per route and month; W: all that could run there
           flow ≤ open                                             per flow, pools with a minimum
           Σ flow · amount / cap ≤ Σ signed in force, or ≤ active  per cap of one offer and span, where a limit on money
                                                                   makes it worth while to sign in part
"""

from __future__ import annotations

from collections import defaultdict

from router.verification.base.case import Case, Future
from router.verification.bound.deferred import volume
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.serving import (
    PoolAt,
    PossibleFlow,
    cell_name,
    pool_name,
    serving_parts,
)
from router.verification.bound.terms import running, terms_of

SMALL = 1e-3
"""Part of what could run, or of an instance, below which a flow is looked at alone."""


def add_links(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    """Nothing runs on what is not signed, paid a fee for, or open; in parts of what could run there in the month."""
    monthly: dict[tuple[str, str, int, tuple[str, ...]], list[PossibleFlow]] = defaultdict(list)
    signed_in = {
        (name, t): tuple(f"signed({name},{each.label})" for each in running(case, terms, t))
        for name in case.commitments
        for terms in [terms_of(case, name)]
        for t in range(case.periods)
    }
    bound = {name for name in case.offers if name in case.commitments or f"active({name})" in model.variables}
    opens = any("_open(" in name for name in model.variables)
    for flow in flows:
        if flow.offer.name in bound:
            signed = signed_in.get((flow.offer.name, flow.period), ())
            monthly[flow.route, flow.offer.name, case.month_of[flow.period], signed].append(flow)
        load = flow.load[0] if flow.offer.name in case.decoding else max(flow.load)
        if opens and load > 0 and opening(model, case, flow) in model.variables:
            n = cell_name(flow.cell).removeprefix(f"{flow.workload.name},")
            name = f"linking({flow.route},{flow.period},open,{n})"
            model.constraint(name, [(flow.name, 1.0), (opening(model, case, flow), -1.0)], upper=0.0)
    numbers: dict[tuple[str, int], int] = defaultdict(int)
    for (route, offer, month, signed), own in monthly.items():
        work = volume(flow.cell for flow in own)
        use = [(flow.name, flow.cell.units / work) for flow in own]
        numbers[route, month] += 1
        at = f"{route},{month}" if numbers[route, month] == 1 else f"{route},{month}.{numbers[route, month]}"
        if case.offers[offer].commitment is not None and not signed:
            for flow in own:
                model.variables[flow.name].upper = 0.0
        small = [name for name, part in use if part < SMALL]
        if any(model.variables[name].whole for name in signed):
            minus = [(name, -1.0) for name in signed]
            model.constraint(f"linking({at})", [*use, *minus], upper=0.0)
            for name in small:
                model.constraint(f"linking({name},signed)", [(name, 1.0), *minus], upper=0.0)
        if f"active({offer})" in model.variables:
            fee = (f"active({offer})", -1.0)
            model.constraint(f"linking({at},fee)", [*use, fee], upper=0.0)
            for name in small:
                model.constraint(f"linking({name},fee)", [(name, 1.0), fee], upper=0.0)


def add_presence(
    model: RelaxedProblem, case: Case, pools: dict[PoolAt, list[PossibleFlow]], future: Future
) -> None:
    """What runs on whole instances runs on one at least, however little it is."""
    for (offer, served, t), flows in pools.items():
        instances = case.offers[offer].instances
        if instances is None or not instances.integral:
            continue
        usable = case.usable(offer, future, t)
        serving = [
            (name, -part) for name, part in serving_parts(model, case, offer, pool_name(offer, served), t)
        ]
        whole = [
            (name, part) for name, part in serving if part in (1.0, -1.0)
        ]  # what boots for a part may serve
        for flow in flows:
            if 0 < max(flow.load) < SMALL * usable:
                name = f"linking({flow.name},count{',decode' if offer in case.halves else ''})"
                model.constraint(name, [(flow.name, 1.0), *whole], upper=0.0)


def add_capped_links(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    """What a cap lets through runs on what is signed, or paid a fee for: all of its work at once, not route by route.

    Where a limit on what is committed makes it worth while to sign in part; where all may run the cap says nothing.
    """
    if case.problem.policy.max_committed_usd is None:
        return
    of = {flow.name: (flow.offer.name, flow.period) for flow in flows}
    terms = {name: terms_of(case, name) for name in case.commitments}
    caps = [(name, row) for name, row in model.constraints.items() if name.startswith("quota(")]
    for name, row in caps:
        offers = {of[flow][0] for flow, _ in row.terms}
        if len(offers) != 1 or row.upper != 1.0 or sum(part for _, part in row.terms) <= 1.0:
            continue
        (offer,) = offers
        periods = {of[flow][1] for flow, _ in row.terms}
        signed = dict.fromkeys(
            f"signed({offer},{each.label})"
            for t in sorted(periods)
            for each in running(case, terms.get(offer, []), t)
        )
        if any(model.variables[each].whole for each in signed):
            minus = [(each, -1.0) for each in signed]
            model.constraint(f"linking({name},signed)", [*row.terms, *minus], upper=0.0)
        if f"active({offer})" in model.variables:
            fee = (f"active({offer})", -1.0)
            model.constraint(f"linking({name},fee)", [*row.terms, fee], upper=0.0)


def opening(model: RelaxedProblem, case: Case, flow: PossibleFlow) -> str:
    """The variable that opens the pool of a flow in its period, if there is one."""
    pool = pool_name(flow.offer.name, case.pool_model(flow.offer.name, flow.model))
    ahead = f"ahead_open({pool},0)"
    return ahead if ahead in model.variables else f"count_open({pool},{flow.period})"
