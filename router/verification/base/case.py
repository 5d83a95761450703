"""The problem as the verifier sees it: dicts by name, billing months, the futures to check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from router.errors import InputError
from router.plan.document import Plan
from router.scenarios import planned_draw
from router.schema import Agreement, Commitment, Generated, Host, Instances, Offer, Problem, Workload
from router.verification.base.parts import RecipeStepPart, way_to
from router.verification.base.times import OfferTimes, Stretch

MONTH_H = 730.0
"""Hours of a billing month, and of anything stated per month."""

YEAR_H = 8760.0


@dataclass(frozen=True, slots=True)
class Future:
    """One scenario as it is checked. Its multipliers by name; "*" stands for all that are not named.

    A generated one has a multiplier of demand for each period besides, in `path` by workload.
    """

    name: str | None
    probability: float
    demand: Mapping[str, float]
    prices: Mapping[str, float]
    availability: Mapping[str, float]
    path: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def demand_of(self, workload: str, period: int) -> float:
        """Of work that arrives in a period, or may run from it on."""
        path = self.path.get(workload)
        return _multiplier(self.demand, workload) * (1.0 if path is None else path[period])

    def price_of(self, offer: str) -> float:
        return _multiplier(self.prices, offer)

    def availability_of(self, offer: str) -> float:
        return _multiplier(self.availability, offer)


def of_halves_too(future: Future, halves: Mapping[str, str]) -> Future:
    """The future with the prices and availability of the offers that halves of replicas belong to."""
    if not halves:
        return future
    prices = {half: future.price_of(offer) for half, offer in halves.items()}
    available = {half: future.availability_of(offer) for half, offer in halves.items()}
    return replace(
        future, prices={**future.prices, **prices}, availability={**future.availability, **available}
    )


def _multiplier(of: Mapping[str, float], name: str) -> float:
    return of.get(name, of.get("*", 1.0))


CERTAIN = Future(None, 1.0, {}, {}, {})


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """A problem and the futures for which a plan of it is checked.

    `halves` decode for an offer, `steps` are workloads that are steps of recipes; by name.

    Billing month of a period: floor(start / 730 h); a month's hours are the sum of its periods' hours.
    """

    problem: Problem
    futures: tuple[Future, ...]
    halves: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, RecipeStepPart] = field(default_factory=dict)

    def answered(self, workload: str) -> tuple[str, float]:
        """The part of the workload whose requests a workload answers, and how many of them each of its own does.

        Of a recipe only the first step counts as an answer.
        """
        step = self.steps.get(workload)
        if step is None:
            return workload, 1.0
        return step.whole, 1.0 / step.requests if step.step == 0 else 0.0

    @cached_property
    def decoding(self) -> dict[str, str]:
        """The half that decodes, by offer whose replicas are counted by role."""
        return {offer: half for half, offer in self.halves.items()}

    @cached_property
    def workloads(self) -> dict[str, Workload]:
        return {w.name: w for w in self.problem.workloads}

    @cached_property
    def offers(self) -> dict[str, Offer]:
        return {o.name: o for o in self.problem.offers}

    @cached_property
    def agreements(self) -> dict[str, Agreement]:
        return {agreement.name: agreement for agreement in self.problem.commitments}

    @cached_property
    def sellers(self) -> dict[str, Offer]:
        """Offers, and agreements as offers that serve nothing and bill what they cover."""
        agreements = {name: agreement.seller for name, agreement in self.agreements.items()}
        return self.offers | agreements | {host.name: host.seller for host in self.problem.hosts}

    @cached_property
    def hosts(self) -> dict[str, Host]:
        """Kinds of host by name; those of `closed`, `counted`, `rent` and `reserved_charges` are theirs too."""
        return {host.name: host for host in self.problem.hosts}

    def usable_hosts(self, kind: str, period: int) -> tuple[float, float, tuple[float, ...]]:
        """Reserved hosts, the most of all, and free ones: none of any while the kind is closed."""
        if self.times.open_part(kind, *self.span(period)) < 1.0:
            return 0.0, 0.0, ()
        reserved = self.counted(kind, period, lambda each: each.reserved)
        return reserved, self.counted(kind, period, lambda each: each.max), self.hosts[kind].free_units

    @cached_property
    def instances(self) -> dict[str, Instances]:
        """Of the offers that have some."""
        return {name: o.instances for name, o in self.offers.items() if o.instances is not None}

    @cached_property
    def commitments(self) -> dict[str, Commitment]:
        """Of the offers that have one, and of agreements."""
        return {name: o.commitment for name, o in self.sellers.items() if o.commitment is not None}

    def term_end_h(self, offer: str, from_h: float) -> float:
        """The end of a term of its instances that starts at an hour; at once where they have none."""
        instances = self.instances.get(offer)
        term_h = None if instances is None else instances.term_hours
        return from_h if term_h is None else self.bought_until_h(offer, from_h, term_h)

    def bought_until_h(self, offer: str, from_h: float, term_h: float) -> float:
        """The end of a term of instances: its length, or where the offer closes for good."""
        return min(from_h + term_h, self.times.life(offer)[1])

    @cached_property
    def times(self) -> OfferTimes:
        """Every offer in time."""
        return OfferTimes(self.problem)

    def span(self, period: int) -> tuple[float, float]:
        """From and until, in hours."""
        return period * self.period_h, (period + 1) * self.period_h

    def term_hours_due(self, offer: str, first: int, end: int, *, weighed: bool) -> float:
        """Hours of periods in which what is bought for a term is due, until its offer closes; `weighed`: at present
        value."""
        return math.fsum(
            self.times.due(offer, *self.span(t)) * (self.period_weight[t] if weighed else 1.0)
            for t in range(first, min(end, self.periods))
        )

    def closed(self, offer: str, period: int) -> bool:
        """Whether an offer is closed throughout a period."""
        return self.times.open_part(offer, *self.span(period)) <= 0

    def available(self, offer: str, future: Future, start: float, end: float) -> float:
        """The part of its instances that serves between two hours: none while it is closed, all at most."""
        factor = future.availability_of(offer)

        def part(stretch: Stretch) -> float:
            instances = stretch.offer.instances
            return (
                min(instances.availability * factor, 1.0) if instances is not None and stretch.open else 0.0
            )

        return self.times.total(offer, start, end, part) / (end - start)

    def steady(self, offer: str, future: Future, period: int) -> float:
        """The least part of its instances that serves in any hour in which it is open, by the part of the period that
        is: what a wait is judged by, at a rate that is even over its open hours."""
        start, end = self.span(period)
        factor, parts = future.availability_of(offer), list[float]()
        for hours, stretch in self.times.stretches(offer, start, end):
            if stretch.open and stretch.offer.instances is not None and hours > 0:
                parts.append(min(stretch.offer.instances.availability * factor, 1.0))
        return min(parts) * self.times.open_part(offer, start, end) if parts else 0.0

    def usable(self, offer: str, future: Future, period: int) -> float:
        """Availability in a period times the highest planned utilisation; each worked out once."""
        key = (offer, future.name, period)
        if key not in self._usable:
            most = self.instances[offer].max_utilisation
            self._usable[key] = self.available(offer, future, *self.span(period)) * (
                1.0 if most is None else most
            )
        return self._usable[key]

    @cached_property
    def _usable(self) -> dict[tuple[str, str | None, int], float]:
        return {}

    def counted(self, offer: str, period: int, of: Callable[[Instances], float | None]) -> float:
        """The least of a count in a period while the offer is open; where it never is, the least at all."""
        known = [stretch for _, stretch in self.times.stretches(offer, *self.span(period))]
        some = [stretch for stretch in known if stretch.open] or known
        values = (of(each.offer.instances) for each in some if each.offer.instances is not None)
        return min(math.inf if value is None else value for value in values)

    def rent(self, offer: str, period: int) -> float:
        """USD of an instance rented in a period: by its open hours."""

        def usd(stretch: Stretch) -> float:
            return stretch.offer.instances.usd_per_h if stretch.offer.instances and stretch.open else 0.0

        return self.times.total(offer, *self.span(period), usd)

    def term_usd_per_h(self, offer: str, from_h: float) -> float:
        """USD an hour of an instance bought for a term: as rules that do not recur say for the term's first period."""
        first = min(math.ceil(from_h / self.period_h - 1e-9), self.periods - 1)
        usd = self.times.total(offer, *self.span(first), lambda each: each.dated_usd_per_h)
        return usd / self.period_h

    def energy(self, offer: str, period: int, *, gaps: bool) -> float:
        """USD of energy of an instance paid for in a period."""
        hours_usd = self.times.energy_usd(*self.span(period), offer, gaps=gaps)
        return self.instances[offer].power_kw * hours_usd

    def reserved_charges(self, offer: str, period: int) -> tuple[float, float]:
        """USD of rent and of energy of all that is reserved in a period, at the price stated."""
        host = self.hosts.get(offer)
        stated = self.instances[offer] if host is None else host.rented.instances
        assert stated is not None  # a host is rented as one
        start = period * self.period_h
        price = stated.usd_per_h if stated.reserved_usd_per_h is None else stated.reserved_usd_per_h
        rent, energy, at = [], [], start
        for hours, stretch in self.times.stretches(offer, *self.span(period)):
            count = stretch.offer.instances.reserved if stretch.offer.instances is not None else 0.0
            rent.append(count * price * self.times.due(offer, at, at + hours))
            energy.append(count * stated.power_kw * self.times.energy_usd(at, at + hours, offer, gaps=True))
            at += hours
        return math.fsum(rent), math.fsum(energy)

    def due_h(self, offer: str, month: int) -> float:
        """Hours of a billing month in which something of an offer is due."""
        if month not in self.month_of:  # no period starts in it
            return 0.0
        return self.times.due(offer, *self.month_span_h(month))

    @cached_property
    def periods(self) -> int:
        return self.problem.horizon.periods

    @cached_property
    def period_h(self) -> float:
        return float(self.problem.horizon.period_h)

    @cached_property
    def horizon_h(self) -> float:
        return self.periods * self.period_h

    @cached_property
    def month_of(self) -> tuple[int, ...]:
        """Billing month of each period; a start within 1e-9 of a border belongs to the later month."""
        return tuple(math.floor(t * self.period_h / MONTH_H + 1e-9) for t in range(self.periods))

    @cached_property
    def months(self) -> int:
        return self.month_of[-1] + 1

    @cached_property
    def month_h(self) -> tuple[float, ...]:
        return tuple(self.month_of.count(month) * self.period_h for month in range(self.months))

    def month_span_h(self, month: int) -> tuple[float, float]:
        """From the start of a month's first period to the end of its last."""
        start_h = self.month_of.index(month) * self.period_h
        return start_h, start_h + self.month_h[month]

    def discount(self, hours: float) -> float:
        """(1 + r)^−(hours to the start / 8760)."""
        rate = self.problem.policy.discount_rate_per_year
        return 1.0 if rate == 0 else math.pow(1.0 + rate, -hours / YEAR_H)

    @cached_property
    def period_weight(self) -> tuple[float, ...]:
        return tuple(self.discount(t * self.period_h) for t in range(self.periods))

    @cached_property
    def month_weight(self) -> tuple[float, ...]:
        """A month's bill weighs by the start of the month's first period."""
        first = [self.month_of.index(month) if month in self.month_of else 0 for month in range(self.months)]
        return tuple(self.period_weight[t] for t in first)

    @cached_property
    def _by_row_name(self) -> dict[str | None, Future]:
        if len(self.futures) == 1:
            return {None: self.futures[0], self.futures[0].name: self.futures[0]}
        return {future.name: future for future in self.futures}

    @property
    def row_scenarios(self) -> frozenset[str | None]:
        """What a row's `scenario` may say; null means the only one."""
        return frozenset(self._by_row_name)

    def future(self, scenario: str | None) -> Future:
        """The future that a row speaks of."""
        return self._by_row_name[scenario]

    def beyond_h(self, end_month: int) -> float:
        """Hours from the end of the horizon to the start of a month."""
        return max(0.0, end_month * MONTH_H - self.horizon_h)

    def rtt_ms(self, workload: str, offer: str) -> float:
        """Round trip from where the work comes to an offer."""
        return self._ways.get((workload, offer), (0.0, 0.0))[0]

    def egress_usd(self, workload: str, offer: str) -> float:
        """Price of a token that is sent there."""
        return self._ways.get((workload, offer), (0.0, 0.0))[1]

    @cached_property
    def _ways(self) -> dict[tuple[str, str], tuple[float, float]]:
        """Of work that states where it comes from."""
        return {
            (load.name, name): way_to(self.problem, load, offer)
            for load in self.problem.workloads
            if load.origin
            for name, offer in self.offers.items()
        }

    def grid(self, offer: str, model: str | None) -> tuple[float, float]:
        """Least count above none, and the step above it, of a pool: a model's own figures come before the offer's."""
        instances = self.instances[offer]
        entry = None if model is None else self.offers[offer].models[model]
        least = instances.min if entry is None or entry.min is None else entry.min
        step = instances.step if entry is None or entry.step is None else entry.step
        return float(least), float(step)

    def provider(self, offer: str) -> str:
        return self.offers[offer].provider

    def bought_ahead(self, offer: str) -> Instances | None:
        """Its instances, where they are bought once for the whole horizon."""
        instances = self.instances.get(offer)
        ahead = instances is not None and instances.resize == "horizon" and instances.term_hours is None
        return instances if ahead else None

    def off_grid(self, offer: str) -> bool:
        """Whether its terms are bought for the offer, not for a model: models are deployed on grids of their own."""
        return self.offers[offer].bought_off_grid

    def pool_model(self, offer: str, model: str) -> str | None:
        """The pool that a model of an offer runs in: its own, or the one that all share."""
        return None if offer in self.instances and self.instances[offer].shared_by_models else model


def futures_of(problem: Problem, plan: Plan) -> tuple[tuple[Future, ...], str | None]:
    """The futures a plan speaks of, and what is wrong with its list of them.

    A plan for a problem of several scenarios names either all of them (`size`) or one (`solve --scenario`).
    """
    try:
        by_name = {str(future.name): future for future in _known(problem)}
    except (InputError, OSError) as error:
        return (CERTAIN,), f"the scenarios cannot be drawn: {error}"
    if not by_name:
        return (CERTAIN,), None
    names = [row.name for row in plan.scenarios]
    if len(names) == 1 and names[0] in by_name:
        return (replace(by_name[names[0]], probability=1.0),), None
    every = tuple(by_name.values())
    if len(by_name) == 1:
        return (replace(every[0], probability=1.0),), None
    if sorted(names) != sorted(by_name):
        return every, f"the plan lists {', '.join(names) or 'none'} of the scenarios {', '.join(by_name)}"
    return every, None


def _known(problem: Problem) -> tuple[Future, ...]:
    """The futures of the problem file, generated ones drawn again from its seed."""
    if isinstance(problem.scenarios, Generated):
        draw = planned_draw(problem)
        paths = {load.name: draw.of(load).tolist() for load in problem.workloads}
        return tuple(
            Future(name, p, {}, {}, {}, {load: tuple(path[s]) for load, path in paths.items()})
            for s, (name, p) in enumerate(zip(draw.names, draw.probability.tolist(), strict=True))
        )
    return tuple(
        Future(future.name, float(future.probability), future.demand, future.prices, future.availability)
        for future in problem.scenarios
    )
