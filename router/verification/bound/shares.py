"""Shares of providers: no one carries too much, and enough of them carry something.

carries(w,provider)   0/1: the provider carries its least share of every cell of the workload

diversity    Σ at the provider ≤ max share · Σ of all        per workload and period, and over all tokens
             Σ flow at the provider ≥ min share · (carries − unserved),  Σ carries ≥ min providers; beside recipes and
             of their steps Σ flow at the provider ≥ min share · (Σ flow + carries − 1)
shares       Σ work · (quality − least mean) · flow ≥ 0,  Σ work · ([of it] − min) · flow ≥ 0,
             Σ work · (max − [of it]) · flow ≥ 0                            per workload and period
"""

from __future__ import annotations

from collections import defaultdict

from router.verification.base.case import Case
from router.verification.base.parts import stated_name
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.serving import PossibleFlow, cell_name


def add_shares(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    """Rows of the three kinds."""
    own: dict[tuple[str, int], list[tuple[PossibleFlow, float]]] = defaultdict(list)
    everything: dict[tuple[str, int], list[tuple[PossibleFlow, float]]] = defaultdict(list)
    limited = case.problem.policy.max_share_per_provider < 1
    for flow in flows:
        if flow.workload.routing.max_share_per_provider < 1:
            own[stated_name(flow.workload), flow.period].append((flow, flow.cell.units * flow.unit.measure))
        if limited:
            everything["all workloads", flow.period].append((flow, flow.tokens))
    for (workload, period), parts in own.items():
        most = parts[0][0].workload.routing.max_share_per_provider
        _most(model, f"{workload},{period}", parts, most)
    for (name, period), parts in everything.items():
        _most(model, f"{name},{period}", parts, case.problem.policy.max_share_per_provider)
    _parts(model, case, flows)
    _least(model, case, [flow for flow in flows if flow.workload.routing.min_providers > 1])


def _most(model: RelaxedProblem, at: str, parts: list[tuple[PossibleFlow, float]], most: float) -> None:
    """In parts of the largest amount."""
    unit = max(amount for _, amount in parts) or 1.0
    for provider in dict.fromkeys(flow.offer.provider for flow, _ in parts):
        terms = [
            (flow.name, (most - (flow.offer.provider == provider)) * amount / unit) for flow, amount in parts
        ]
        model.constraint(f"diversity({at},{provider})", terms, lower=0.0)


def _parts(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    """The mean quality of what answers, and parts by model, offer and provider."""
    served: dict[tuple[str, int], list[PossibleFlow]] = defaultdict(list)
    for flow in flows:
        shares = flow.workload.routing.shares
        if flow.workload.needs.min_mean_quality is None and not (
            shares.models or shares.offers or shares.providers
        ):
            continue
        served[stated_name(flow.workload), flow.period].append(flow)
    for (name, period), own in served.items():
        load, at = own[0].workload, f"{name},{period}"
        floor = load.needs.min_mean_quality
        if floor is not None:
            values = [case.answered(flow.workload.name)[1] * (_quality(case, flow) - floor) for flow in own]
            _never_below(model, f"shares({at},quality)", own, values)
        parts = load.routing.shares
        for kind, limits in (("model", parts.models), ("offer", parts.offers), ("provider", parts.providers)):
            for carrier, limit in limits.items():
                inside = [float(_carrier(flow, kind) == carrier) for flow in own]
                label = f"shares({at},{kind},{carrier},"
                if limit.min > 0:
                    _never_below(model, f"{label}min)", own, [part - limit.min for part in inside])
                if limit.max < 1:
                    _never_below(model, f"{label}max)", own, [limit.max - part for part in inside])


def _quality(case: Case, flow: PossibleFlow) -> float:
    """Of a recipe, or of the model that answers."""
    known = flow.workload.recipes[0].quality if flow.workload.recipes else None
    return (known if flow.workload.recipes else case.problem.models[flow.model].quality) or 0.0


def _carrier(flow: PossibleFlow, kind: str) -> str:
    return {"model": flow.model, "offer": flow.offer.name, "provider": flow.offer.provider}[kind]


def _never_below(model: RelaxedProblem, name: str, flows: list[PossibleFlow], values: list[float]) -> None:
    """Σ work · value · flow ≥ 0, in parts of the largest coefficient."""
    unit = max(abs(value) * flow.cell.units for flow, value in zip(flows, values, strict=True)) or 1.0
    terms = [(flow.name, flow.cell.units * value / unit) for flow, value in zip(flows, values, strict=True)]
    model.constraint(name, terms, lower=0.0)


def _least(model: RelaxedProblem, case: Case, flows: list[PossibleFlow]) -> None:
    """Of what recipes answer, and single requests beside them, each part has its own amount in a cell."""
    mixed = case.steps.keys() | {step.whole for step in case.steps.values()}
    by_cell: dict[tuple[str, str], list[PossibleFlow]] = defaultdict(list)
    whole: dict[str, list[PossibleFlow]] = defaultdict(list)
    carried: dict[str, Terms] = defaultdict(list)
    least: dict[str, int] = {}
    for flow in flows:
        by_cell[cell_name(flow.cell), flow.offer.provider].append(flow)
        whole[cell_name(flow.cell)].append(flow)
    for (cell, provider), own in by_cell.items():
        load = own[0].workload
        carries = f"carries({load.name},{provider})"
        if carries not in model.variables:
            carried[load.name].append((model.variable(carries, 1.0, whole=True), 1.0))
            least[load.name] = load.routing.min_providers
        share = load.routing.min_share_per_provider
        terms, lower = [(carries, -share)], 0.0
        if load.name in mixed:
            terms += [(flow.name, (flow.offer.provider == provider) - share) for flow in whole[cell]]
            lower = -share
        else:
            terms += [(flow.name, 1.0) for flow in own]
            if f"unserved({cell})" in model.variables:
                terms.append((f"unserved({cell})", share))
        model.constraint(f"diversity({cell},{provider},least)", terms, lower=lower)
    for name, terms in carried.items():
        if name not in mixed or len(terms) >= least[name]:
            model.constraint(f"diversity({name})", terms, lower=float(least[name]))
        else:  # no number of providers would do: nothing goes there
            served = [(flow.name, 1.0) for flow in flows if flow.workload.name == name]
            model.constraint(f"diversity({name})", served, upper=0.0)
