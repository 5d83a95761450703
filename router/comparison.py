"""Every offer alone, side by side: what it would cost to give it all the work, or why it cannot have it.

    table = compare("problem.yaml");   table.offers[0].offer, table.offers[0].cost_usd

An offer's row is the cost of a verified plan over the problem restricted to that offer. Provider shares and
`min_providers` are left out, because one offer never meets them; everything else holds. An agreement has a row with all
its offers: they share the work, each at its own prices or under the agreement, and nothing else is bought.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import fsum
from pathlib import Path
from typing import Any, TypedDict

from problems.core.admissible import REASONS
from problems.core.arrays import HOURS_PER_MONTH, NONE, Floats
from problems.core.costs import UNSERVED
from problems.core.encode import Encoded
from problems.core.instance import Instance
from router.errors import Infeasible, NoPlanInTime
from router.loading.catalogue import load
from router.plan.document import Plan
from router.plan.left_out import out_of_time
from router.plan.rows import RouteRow, usd_of
from router.planning.alone import with_one_seller
from router.planning.decode import refused_rows
from router.planning.proving import looked_at_again
from router.planning.publish import publish
from router.planning.solve import DEFAULT_SOLVER, Search, checked, encode_problem, scenario_of
from router.schema import Problem, RoutingShares
from solvers import SolveOptions

LIMITS = "limits"
"""Admissible, but its quota, its instances, its contract or a budget cannot hold the work."""

NO_PLAN_IN_TIME = "no_plan_in_time"
"""Neither a plan nor a proof that there is none within the limits given."""

ORDER = (*REASONS, LIMITS, NO_PLAN_IN_TIME)


@dataclass(frozen=True, slots=True)
class OfferRow:
    """One offer, or one agreement with its offers, with all the work. Money over the horizon, USD.

    None: cannot serve, or does not apply.

    instances               most at once, over all pools
    hours_at_one_instance   that one instance would need for all the work; for offers that state a throughput
    committed_*             of the contract, per month of 730 h
    serves                  workloads that it can serve
    reasons                 why it cannot serve the others: codes of all workloads, and by workload
    partial_*               what it costs to give it only the workloads that it can serve
    gap                     how far the cost may be above the best possible
    """

    offer: str | None
    provider: str
    cost_usd: float | None
    cost_usd_per_month: float | None = None
    usd_per_m_tokens: float | None = None
    instances: float | None = None
    hours_at_one_instance: float | None = None
    billed_usd: float | None = None
    committed_tokens_per_month: float | None = None
    committed_usd_per_month: float | None = None
    unserved_usd: float | None = None
    gap: float | None = None
    serves: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    reasons_by_workload: Mapping[str, tuple[str, ...]] | None = None
    partial_cost_usd: float | None = None
    partial_workloads: tuple[str, ...] = ()
    agreement: str | None = None

    @property
    def seller(self) -> str:
        """The offer, or the agreement."""
        return self.offer or self.agreement or ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The buyer's table: offers that can serve everything first, by cost."""

    name: str
    horizon_h: float
    offers: tuple[OfferRow, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def compare(
    problem: Problem | str | Path,
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    scenario: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Every offer alone, as if there were no other: what it costs to serve everything there, or why it cannot.

    problem     a `Problem`, or the path of its file
    solver      a name of `router solvers`
    options     as for `solve`; `time_limit_s`, in seconds, holds for the whole comparison
    scenario    the future to compare in, needed where the problem has several
    progress    called with the name of each offer before it is looked at

    Gives a `Comparison`: a row for each offer, the cheapest first, with `cost_usd` over the horizon; None and the
    reasons, by code, where it cannot serve everything.

    Raises InputError, SolverFailed, CertificateFailed.
    """
    begun = (options or SolveOptions()).begun()
    loaded = load(problem)
    whole = encode_problem(loaded, scenario)  # whatever is wrong with the file is said once, with its line
    search = Search(solver, begun, scenario_of(loaded, scenario))
    refused = _refusals(whole)
    rows, late = [], []
    agreed = {agreement.name: agreement.offers for agreement in loaded.commitments}
    by_recipe = {load.name for load in loaded.workloads if load.recipes}
    sellers = loaded.sellers[: len(loaded.sellers) - len(loaded.hosts)]  # hosts alone serve nothing
    for i, seller in enumerate(sellers):
        if progress is not None:
            progress(seller.name)
        share = begun.within(1.0 / (len(sellers) - i))
        offers = agreed.get(seller.name, (seller.name,))
        alone = _Alone(loaded, seller.name, offers, replace(search, options=share))
        cannot = _of_all([refused.get(name, {}) for name in offers])
        if len(offers) > 1:  # the steps of a recipe may go to one each
            cannot = {name: codes for name, codes in cannot.items() if name not in by_recipe}
        rows.append(alone.row(seller.provider, cannot))
        late += [seller.name] if NO_PLAN_IN_TIME in rows[-1].reasons else []
    rows.sort(key=_cheapest_first)
    notes = (*_notes(loaded), *out_of_time(late))
    return Comparison(loaded.name, whole.instance.time.horizon_h, tuple(rows), notes)


def _cheapest_first(row: OfferRow) -> tuple[bool, float, int, str]:
    """By cost; then those that cannot serve everything, the most capable first."""
    return row.cost_usd is None, row.cost_usd or 0.0, -len(row.serves), row.seller


class _Names(TypedDict):
    offer: str | None
    agreement: str | None


def _of_all(refused: Sequence[Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[str, ...]]:
    """Workloads that none of several offers can serve: the codes of the one that comes nearest."""
    together = set.intersection(*(set(each) for each in refused))
    return {name: min((each[name] for each in refused), key=_distance) for name in sorted(together)}


@dataclass(frozen=True)
class _Alone:
    """The problem with one offer, or with one agreement and its offers, only."""

    problem: Problem
    seller: str
    offers: tuple[str, ...]
    search: Search

    def row(self, provider: str, refused: Mapping[str, tuple[str, ...]]) -> OfferRow:
        """Its line of the table. `refused` holds the codes of each workload without any admissible route."""
        needed = [load.name for load in self.problem.workloads if load.unserved_usd_per_m_tokens is None]
        serves = tuple(load.name for load in self.problem.workloads if load.name not in refused)
        reasons = {name: codes for name, codes in refused.items() if name in needed or not serves}
        if not reasons:
            found = self.plan(tuple(load.name for load in self.problem.workloads))
            if not isinstance(found, str):
                return self._priced(provider, serves, refused, *found)
            return self._unable(provider, (), dict.fromkeys(needed, (found,)))
        some = self.plan(serves) if serves else ""
        if isinstance(some, str):
            codes = dict.fromkeys(serves, (some,)) if serves else {}
            return self._unable(provider, (), reasons | codes)
        return self._unable(provider, serves, reasons, some[0].cost_usd)

    def plan(self, workloads: tuple[str, ...]) -> tuple[Plan, Encoded] | str:
        """The verified plan for some workloads, or the code of what prevents it."""
        if self.search.options.late:
            return NO_PLAN_IN_TIME
        problem = with_one_seller(self.problem, self.seller, self.offers, workloads)
        encoded = encode_problem(problem, self.search.scenario)
        try:
            found = looked_at_again(problem, encoded, self.search.best(encoded))
            return checked(encoded, found, partial(publish, problem)), encoded
        except Infeasible:
            return LIMITS
        except NoPlanInTime:
            return NO_PLAN_IN_TIME

    def _named(self) -> _Names:
        agreed = any(agreement.name == self.seller for agreement in self.problem.commitments)
        return {"offer": None if agreed else self.seller, "agreement": self.seller if agreed else None}

    def _priced(
        self,
        provider: str,
        serves: tuple[str, ...],
        refused: Mapping[str, tuple[str, ...]],
        plan: Plan,
        encoded: Encoded,
    ) -> OfferRow:
        tokens = fsum(row.tokens for row in plan.routes)
        own = [row for row in plan.contracts if row.seller == self.seller]
        settled = [row for row in plan.settlements if row.seller == self.seller]
        contract = own[0] if len(own) == 1 else max(settled, key=lambda row: row.billed_usd, default=None)
        unserved = usd_of(plan.cost_lines, UNSERVED.name)
        return OfferRow(
            **self._named(),
            provider=provider,
            cost_usd=plan.cost_usd,
            cost_usd_per_month=plan.cost_usd * HOURS_PER_MONTH / plan.horizon_h,
            usd_per_m_tokens=(plan.cost_usd - unserved) / tokens * 1e6 if tokens > 0 else None,
            instances=_most_instances(plan) if encoded.instance.fleets.offer.size else None,
            hours_at_one_instance=_hours_at_one_instance(plan, encoded),
            billed_usd=fsum(row.billed_usd for row in settled) if contract else None,
            committed_tokens_per_month=contract.committed_tokens_per_month if contract else None,
            committed_usd_per_month=contract.committed_usd_per_month if contract else None,
            unserved_usd=unserved or None,
            gap=plan.gap,
            serves=serves,
            reasons_by_workload=dict(refused),
        )

    def _unable(
        self,
        provider: str,
        partial: tuple[str, ...],
        reasons: Mapping[str, tuple[str, ...]],
        partial_cost_usd: float | None = None,
    ) -> OfferRow:
        codes = {code for mine in reasons.values() for code in mine}
        return OfferRow(
            **self._named(),
            provider=provider,
            cost_usd=None,
            serves=partial,
            reasons=tuple(sorted(codes, key=ORDER.index)),
            reasons_by_workload=dict(reasons),
            partial_cost_usd=partial_cost_usd,
            partial_workloads=partial,
        )


def _refusals(encoded: Encoded) -> dict[str, dict[str, tuple[str, ...]]]:
    """Offer → workload that it can serve with no model at all → codes, of the model that comes nearest."""
    inst = encoded.instance
    routes = encoded.views[0].routes
    open_pairs = set(zip(routes.offer.tolist(), routes.workload.tolist(), strict=True))
    can = _can_serve(inst, open_pairs)
    worked = {inst.workloads.file_names[w] for view in encoded.views for w in view.cells.workload}
    nearest: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in refused_rows(encoded):
        key = row.offer, row.workload
        if key in can or row.workload not in worked:
            continue
        best = nearest.get(key)
        if best is None or _distance(row.reasons) < _distance(best):
            nearest[key] = row.reasons
    by_offer: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for (offer, workload), codes in nearest.items():
        by_offer[offer][workload] = codes
    return by_offer


def _can_serve(inst: Instance, open_pairs: set[tuple[int, int]]) -> set[tuple[str, str]]:
    """Offer and workload: it serves the work of every origin, by a model of the workload or all steps of a recipe."""
    loads, can = inst.workloads, set[tuple[str, str]]()
    rows = list(zip(loads.file_names, loads.whole.tolist(), loads.lead.tolist(), strict=True))
    for o, offer in enumerate(inst.offers.names):
        ways: dict[tuple[str, int], dict[int, bool]] = defaultdict(dict)
        for w, (name, whole, lead) in enumerate(rows):
            ways[name, whole][lead] = ways[name, whole].get(lead, True) and (o, w) in open_pairs
        served = dict.fromkeys(loads.file_names, True)
        for (name, _), by_lead in ways.items():
            served[name] &= any(by_lead.values())
        can |= {(offer, name) for name, all_parts in served.items() if all_parts}
    return can


def _distance(codes: tuple[str, ...]) -> tuple[bool, int]:
    """A model that the offer has, but may not be used here, says more than one that it does not have."""
    return "model_not_offered" in codes, len(codes)


def _most_instances(plan: Plan) -> float:
    by_period: dict[int, float] = defaultdict(float)
    for row in plan.instances:
        by_period[row.period] += row.count
    return max(by_period.values(), default=0.0)


def _hours_at_one_instance(plan: Plan, encoded: Encoded) -> float | None:
    """Σ routes requests (or tokens) · instance-seconds each, in hours; None where no throughput is stated.

    Where prompts and completions have separate limits, the slower of the two counts.
    """
    inst, routes = encoded.instance, encoded.views[0].routes
    loads = inst.workloads
    seconds = {
        (loads.file_names[w], loads.recipes[w], int(loads.steps[w]), inst.models.names[m]): each
        for w, m, each in zip(routes.workload, routes.model, routes.load_s, strict=True)
    }

    def of(row: RouteRow) -> Floats:
        found: Floats = seconds[row.workload, row.recipe, NONE if row.step is None else row.step, row.model]
        return found

    if not plan.routes or not all(of(row).any() for row in plan.routes):
        return None
    sums = [0.0, 0.0]
    for row in plan.routes:
        work = row.tokens if row.requests is None else row.requests
        for k, each in enumerate(of(row)):
            sums[k] += work * float(each)
    return max(sums) / 3600


def _notes(problem: Problem) -> tuple[str, ...]:
    notes = []
    spread = any(
        load.routing.min_providers > 1 or load.routing.max_share_per_provider < 1
        for load in problem.workloads
    )
    if spread or problem.policy.max_share_per_provider < 1:
        notes.append("limits on provider shares and min_providers are left out: one offer never meets them")
    if any(load.routing.shares != RoutingShares() for load in problem.workloads):
        notes.append("limits on shares of a workload are left out: one offer carries all or nothing")
    sunk = [
        offer.name
        for offer in problem.sellers
        if (offer.commitment is not None and (offer.commitment.signed or offer.commitment.in_force))
        or (offer.instances is not None and offer.instances.reserved > 0)
    ]
    if sunk:
        notes.append(
            f"what is already bought is due whatever is chosen, and is counted in its own row only: {', '.join(sunk)}"
        )
    if problem.credits:
        notes.append("each offer has the credits that pay its use to itself")
    if problem.groups:
        notes.append("each offer has the limits of its groups to itself")
    if problem.hosts:
        notes.append(
            "each offer has the hosts that it shares with others to itself, reserved and free ones included"
        )
    spilling = [offer.name for offer in problem.offers if offer.spills]
    if spilling:
        notes.append(
            f"alone nothing takes what spills, so that every minute must fit: {', '.join(spilling)}; beside others "
            "under an agreement they take it"
        )
    if problem.quotas:
        notes.append("each offer has the quotas that it shares with others to itself")
    return tuple(notes)
