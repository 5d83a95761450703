"""What a change would save: each is put into the problem and solved, and the saving is the difference of two plans.

    an instance for nothing   one held already, at no price: the most that one should pay for an instance more
    a limit raised            by an instance, or a tenth: what is rented more is paid at the price that its offer asks
    a promise left out        what keeping it costs

Each saving is known as far as both plans are: it lies within `within_usd` of the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from router.errors import RouterError
from router.explaining.marginal import FAMILY_OF, LIMITS, Binding
from router.explaining.promises import StatedPromise
from router.plan.document import Plan
from router.planning.solve import Search, best_plan
from router.schema import Instances, Problem
from router.schema.paths import FieldPath, default_at, shown, value_at, with_value

MORE = 1.1  # times a limit that counts no instances
NO_FIGURE = {
    "workloads[].demand",
    "workloads[].deferrable_h",
    "workloads[].window",
    "offers[].commitment.overage",
    "policy.max_spend_usd",
}
"""Promises that are not left out here: work is served, in its time, and how a contract ends is no limit of ours."""

RAISED = {"hosts[].max"}
"""Promises that are raised instead."""

type Price = Literal["for nothing", "as offered"]


@dataclass(frozen=True)
class Candidate:
    """A change worth a try: fields and their new values.

    on_offer_usd_per_h   the price at which it can be had without the change: the plan takes no more at that price
    """

    text: str
    price: Price
    settings: tuple[tuple[FieldPath, object], ...]
    on_offer_usd_per_h: float | None = None

    def applied(self, problem: Problem) -> Problem:
        """The problem with it."""
        for path, value in self.settings:
            problem = with_value(problem, path, value)
        return problem

    def fields(self, problem: Problem) -> str:
        """`offers.own.instances.max: 6 (is 5)`."""
        return ", ".join(
            f"{shown(path)}: {_written(value)} (is {_written(value_at(problem, path))})"
            for path, value in self.settings
        )


@dataclass(frozen=True)
class Saving:
    """A change that was solved: what the best plan with it costs less than the plan.

    price        what it is had for: "as offered", or "for nothing", which is the most that one should pay
    usd          the cost of the plan − the cost of the plan with the change; below 0 only as far as gaps allow
    within_usd   the saving is this near, as the gaps of both plans have it
    on_offer_usd_per_h   of an instance: what it can be rented for, at which the plan takes no more of them
    """

    text: str
    fields: str
    price: Price
    usd: float
    within_usd: float
    cost_usd: float
    gap: float
    plan_gap: float
    on_offer_usd_per_h: float | None = None


def candidates(
    problem: Problem, plan: Plan, limits: Sequence[Binding], stated: Sequence[StatedPromise]
) -> list[Candidate]:
    """What could be changed where the plan is at a limit, the dearest limit first; then promises left out."""
    found: dict[tuple[tuple[FieldPath, object], ...], Candidate] = {}
    for limit in limits:
        for candidate in (*_an_instance(problem, plan, limit), *_raised(problem, limit, stated)):
            found.setdefault(candidate.settings, candidate)
    for candidate in _hosts(problem, plan):
        found.setdefault(candidate.settings, candidate)
    for candidate in _left_out(problem, stated):
        found.setdefault(candidate.settings, candidate)
    return list(found.values())


def savings(
    problem: Problem, plan: Plan, every: Sequence[Candidate], search: Search
) -> tuple[list[Saving], list[str]]:
    """What each saves, in order; and the names of those that the limit left untried."""
    solved, untried = list[Saving](), list[str]()
    for k, candidate in enumerate(every):
        other = _solved(candidate.applied(problem), search.within(1.0 / (len(every) - k)))
        if other is None:
            untried.append(candidate.text)
        else:
            solved.append(_saving(problem, plan, candidate, other))
    return solved, untried


def _solved(problem: Problem, search: Search) -> Plan | None:
    """The best plan within the limit; None where none is found."""
    if search.options.late:
        return None
    try:
        return best_plan(problem, search)
    except RouterError:
        return None


def _saving(problem: Problem, plan: Plan, candidate: Candidate, other: Plan) -> Saving:
    within = max(plan.objective_usd - plan.bound_usd, other.objective_usd - other.bound_usd)
    return Saving(
        text=candidate.text,
        fields=candidate.fields(problem),
        price=candidate.price,
        usd=plan.objective_usd - other.objective_usd,
        within_usd=within,
        cost_usd=other.objective_usd,
        gap=other.gap,
        plan_gap=plan.gap,
        on_offer_usd_per_h=candidate.on_offer_usd_per_h,
    )


def _an_instance(problem: Problem, plan: Plan, limit: Binding) -> Iterator[Candidate]:
    """One that is held and costs nothing, of an offer whose capacity is used up."""
    if not limit.worth.rented:
        return
    name = _offer_of(problem, limit.name)
    instances = None if name is None else _instances(problem, name)
    if name is None or instances is None or instances.roles is not None:
        return
    if instances.integral and _coarsest(problem, name) != 1:
        return
    schedule = next(offer.schedule for offer in problem.offers if offer.name == name)
    counts = [rule.set_.instances for rule in schedule if rule.set_ is not None]
    if any(each.reserved is not None or each.max is not None for each in counts):
        return  # what is changed below is not what holds
    at, held = ("offers", name, "instances"), instances.reserved
    price = instances.usd_per_h if instances.reserved_usd_per_h is None else instances.reserved_usd_per_h
    settings: list[tuple[FieldPath, object]] = [
        ((*at, "reserved"), held + 1),
        ((*at, "reserved_usd_per_h"), price * held / (held + 1)),
    ]
    most = max((count for _, count in _counts(plan, name)), default=0.0)
    housed = any(name in host.offers for host in problem.hosts)  # then a host is what it costs
    on_offer: float | None = None if schedule or housed else instances.usd_per_h  # it may change in time
    if instances.max is not None and instances.max < most + 1:  # no more than that can be rented
        settings.append(((*at, "max"), instances.max + 1))
        on_offer = None
    what = f"an instance more of {name}, for nothing"
    yield Candidate(what, "for nothing", tuple(settings), on_offer)


def _hosts(problem: Problem, plan: Plan) -> Iterator[Candidate]:
    """One more of each kind that the plan uses: for nothing, and at its price where there are no more."""
    for host in problem.hosts:
        most = max((row.count for row in plan.hosts or () if row.host == host.name), default=0.0)
        full = host.max is not None and most >= host.max
        if most > 0:
            free = (*host.free_units, host.units)
            on_offer = None if full or host.schedule or host.reserved else host.usd_per_h
            text = f"a host more of {host.name}, for nothing"
            yield Candidate(text, "for nothing", ((("hosts", host.name, "free_units"), free),), on_offer)
        if full and host.max is not None:
            path, more = ("hosts", host.name, "max"), host.max + 1
            text = f"{shown(path)}: {_written(more)} (is {_written(host.max)})"
            yield Candidate(text, "as offered", ((path, more),))


def _counts(plan: Plan, name: str) -> Iterable[tuple[int, float]]:
    """Instances of an offer by period, over all its pools."""
    counts: dict[int, float] = {}
    for row in plan.instances:
        if row.offer == name:
            counts[row.period] = counts.get(row.period, 0.0) + row.count
    return counts.items()


def _raised(problem: Problem, limit: Binding, stated: Sequence[StatedPromise]) -> Iterator[Candidate]:
    """Limits of the problem file that it is about, higher."""
    for promise in stated:
        if FAMILY_OF[promise.promise] != limit.family or promise.promise.amount is None:
            continue
        name = promise.item.name
        if name and limit.name != name and not limit.name.startswith(f"{name},"):
            continue
        if promise.path[0] == "offers" and promise.path[1] not in {offer.name for offer in problem.offers}:
            continue  # half of a replica: its maximum stands in its role
        value = value_at(problem, promise.path)
        if not isinstance(value, float) or value <= 0:
            continue
        step = _step(problem, promise)
        raised = value + step if step else value * MORE
        how = f"{promise.field}: {_written(raised)} (is {_written(value)})"
        yield Candidate(how, "as offered", ((promise.path, raised),))


def _step(problem: Problem, promise: StatedPromise) -> float:
    """What an instance more takes of the limit; 0 where it counts something else."""
    offers = [offer for offer in problem.offers if offer.instances is not None]
    kind = promise.path[0], promise.path[-1]
    if kind == ("offers", "max"):
        instances = _instances(problem, promise.path[1])
        return _coarsest(problem, promise.path[1]) if instances is not None and instances.integral else 1.0
    if promise.path[0] == "groups" and promise.path[-2] == "limits":
        group = value_at(problem, promise.path[:-2])
        taken = [weights.get(promise.path[-1], 0.0) for _, weights in group.every_weight]
        return min((each for each in taken if each > 0), default=0.0)
    if kind == ("groups", "max_units"):
        members = value_at(problem, promise.path[:-1]).offers
        units = [offer.instances.units for offer in offers if offer.instances and offer.name in members]
        return min((each for each in units if each > 0), default=0.0)
    if kind == ("policy", "max_power_kw"):
        power = [offer.instances.power_kw for offer in offers if offer.instances]
        return min((each for each in power if each > 0), default=0.0)
    return 0.0


def _left_out(problem: Problem, stated: Sequence[StatedPromise]) -> Iterator[Candidate]:
    """Promises that a plan could do without."""
    for promise in stated:
        if (
            promise.promise.field in RAISED
            or promise.promise.field in NO_FIGURE
            or FAMILY_OF[promise.promise] in LIMITS
        ):
            continue
        path = promise.path
        yield Candidate(f"without {promise.field}", "as offered", ((path, default_at(problem, path)),))


def _offer_of(problem: Problem, label: str) -> str | None:
    """The offer of a pool: `own`, or `own,llama`."""
    names = [
        offer.name for offer in problem.offers if label == offer.name or label.startswith(f"{offer.name},")
    ]
    return max(names, key=len, default=None)


def _instances(problem: Problem, name: str) -> Instances | None:
    return next((offer.instances for offer in problem.offers if offer.name == name), None)


def _coarsest(problem: Problem, name: str) -> float:
    """The largest step of an offer's pools."""
    offer = next(offer for offer in problem.offers if offer.name == name)
    return max(offer.grid_of(model).step for model in offer.models)


def _written(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,.9g}" if isinstance(value, int | float) else str(value)
