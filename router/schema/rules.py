"""Rules that concern several fields: each is a function from a problem to the issues it finds.

Adding one: the function in `rules_workloads`, `rules_offers` or here, its place in `RULES`, its test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from router.errors import Issue, Path, nearest
from router.schema import rules_offers, rules_quotas, rules_schedule, rules_workloads
from router.schema.agreements import Agreement, Group, RoleWeights
from router.schema.base import LAST_YEAR, MOST_HOURS
from router.schema.offers import Host, Offer, Roles
from router.schema.problem import Generated, Problem, Scenario
from router.schema.rules_workloads import unknown

MOST_WAYS = 5_000  # sizes times places in a kind of host; there is a column of each in every period


def unique_names(problem: Problem) -> Iterator[Issue]:
    """Names of workloads, offers, quotas, groups and scenarios are unique."""
    listed = () if isinstance(problem.scenarios, Generated) else problem.scenarios
    for field, names in (
        ("workloads", [workload.name for workload in problem.workloads]),
        ("offers", [offer.name for offer in problem.offers]),
        ("quotas", [quota.name for quota in problem.quotas]),
        ("commitments", [agreement.name for agreement in problem.commitments]),
        ("groups", [group.name for group in problem.groups]),
        ("scenarios", [scenario.name for scenario in listed]),
    ):
        first: dict[str, int] = {}
        for index, name in enumerate(names):
            if name in first:
                rule = f"names must be unique; {field}[{first[name]}] has this one too"
                yield Issue((field, index, "name"), rule, name, "rename one")
            first.setdefault(name, index)


def agreements_hold(problem: Problem) -> Iterator[Issue]:
    """An agreement has a name of its own, its offers are known and listed once, and its discounts are of them."""
    offers = [offer.name for offer in problem.offers]
    for index, agreement in enumerate(problem.commitments):
        at: Path = ("commitments", index)
        if agreement.name in offers:
            rule = f"names must be unique; offers[{offers.index(agreement.name)}] has this one too"
            yield Issue((*at, "name"), rule, agreement.name, "rename one")
        for place, step in enumerate(agreement.ramp):
            if step.min_tokens is not None:
                field = (*at, "ramp", place, "min_tokens")
                yield Issue(
                    field,
                    "cannot be stated for an agreement, which is in USD",
                    step.min_tokens,
                    "state min_usd",
                )
        yield from unknown((*at, "offers"), agreement.offers, offers, "offer")
        for place, name in enumerate(agreement.offers):
            if name in agreement.offers[:place]:
                yield Issue((*at, "offers", place), "is listed twice", name, "keep one")
        yield from _units(problem, at, agreement)
        yield from _counts(problem, at, agreement)
        if isinstance(agreement.discount, Mapping):
            for name in agreement.discount:
                if name not in agreement.offers:
                    hint = nearest(name, agreement.offers)
                    yield Issue((*at, "discount", name), "is not one of its offers", name, hint)


_OF_UNITS = ("usd_per_unit_h", "min_units", "max_units", "step_units")
_BESIDE_UNITS = (
    "name",
    "provider",
    "offers",
    "in_",
    "term_months",
    "term_h",
    "start",
    "start_every_h",
    "stackable",
    "signed",
    "signed_until",
)


def _units(problem: Problem, at: Path, agreement: Agreement) -> Iterator[Issue]:
    """Units have a price and a number, and are held in every period; the instances of the offers take some."""
    fields = type(agreement).model_fields
    stated = {name for name in agreement.model_fields_set if getattr(agreement, name) != fields[name].default}
    if not agreement.in_units:
        for name in _OF_UNITS:
            if name in stated:
                yield Issue((*at, name), "needs in: units", getattr(agreement, name))
        return
    for name in sorted(stated - {*_OF_UNITS, *_BESIDE_UNITS}):
        yield Issue((*at, name), "does not go with in: units", None, "remove it")
    if agreement.usd_per_unit_h is None:
        yield Issue((*at, "usd_per_unit_h"), "is required with in: units", None)
    least, most, step = agreement.min_units, agreement.max_units, agreement.step_units
    if least is None and most is None:
        yield Issue(at, "states no number of units", None, "min_units or max_units")
    if least is not None and abs(least / step - round(least / step)) > 1e-9 * max(least / step, 1.0):
        yield Issue((*at, "min_units"), f"must be a multiple of step_units, {step:.15g}", least)
    if least is not None and most is not None and least > most:
        yield Issue((*at, "min_units"), f"must not be more than max_units, {most:.15g}", least)
    offers = {offer.name: offer for offer in problem.offers}
    for place, name in enumerate(agreement.offers):
        if name not in offers:
            continue
        instances = offers[name].instances
        if instances is None or instances.term_hours is not None:
            yield Issue((*at, "offers", place), "rents no instances by the hour, whose units count", name)
            continue
        roles = instances.roles
        parts = (instances,) if roles is None else (roles.prefill, roles.decode)
        if any(part.units <= 0 or part.usd_per_h <= 0 for part in parts):
            rule = "has instances of no units or of no price, so that nothing could be covered"
            yield Issue((*at, "offers", place), rule, name)
        elif roles is not None:
            yield from _one_price_of_units((*at, "offers", place), offers[name], roles)


def _one_price_of_units(at: Path, offer: Offer, roles: Roles) -> Iterator[Issue]:
    """A unit of both halves costs the same in every hour: no vendor sells reserved units that are billed by role."""
    usd = [half.usd_per_h / half.units for half in (roles.prefill, roles.decode)]
    hint = "one price of a unit for both roles, or an agreement in USD"
    if not math.isclose(*usd, rel_tol=1e-9):
        rule = f"rents halves of replicas at {usd[0]:.6g} and {usd[1]:.6g} USD an hour for a unit"
        yield Issue(at, f"{rule}: what units are worth there is not defined", offer.name, hint)
    sets = (at for rule in offer.schedule if rule.set_ is not None for at, _ in rule.set_.figures)
    reads = (rule.series.role for rule in offer.schedule if rule.series is not None)
    if any(field[:2] == ("instances", "roles") and field[-1] == "usd_per_h" for field in sets) or any(reads):
        rule = "has a schedule that sets usd_per_h of a role: what units are worth there is not defined"
        yield Issue(at, rule, offer.name, hint)


def _counts(problem: Problem, at: Path, agreement: Agreement) -> Iterator[Issue]:
    """What counts elsewhere is known, is not the agreement's own, and has one reading."""
    stands = agreement.so_far
    if stands is not None and stands.counted_usd and not agreement.counts:
        yield Issue((*at, "so_far", "counted_usd"), "needs counts", stands.counted_usd)
    if not agreement.counts:
        return
    offers = {offer.name: offer for offer in problem.offers}
    agreements = {each.name: each for each in problem.commitments}
    rule = "is not planned for beside counts"
    rests = "no bill says which part of a rest has counted: count it by hand, in min_usd"
    if agreement.rollover_spans:
        yield Issue((*at, "rollover_spans"), rule, None, rests)
    for name in agreement.counts:
        field = (*at, "counts", name)
        if name not in offers and name not in agreements:
            known = [*agreements, *offers]
            yield Issue(field, "unknown agreement or offer", name, nearest(name, known))
        elif agreement.name in _counted_by(agreements, name):
            yield Issue(field, "counts in a circle", name, "leave one of its counts out")


def _counted_by(agreements: Mapping[str, Agreement], name: str) -> set[str]:
    """All that counts in an agreement, itself included, however indirectly."""
    found, open_ = set[str](), [name]
    while open_:
        each = open_.pop()
        if each not in found:
            found.add(each)
            open_ += agreements[each].counts if each in agreements else ()
    return found


def horizon_ends(problem: Problem) -> Iterator[Issue]:
    """A horizon is at most a century long, and ends while the calendar lasts."""
    horizon = problem.horizon
    if horizon.hours > MOST_HOURS:
        rule = f"with period_h, {horizon.period_h:.15g}, make {horizon.hours:.6g} h; the most is {MOST_HOURS:g} h"
        yield Issue(("horizon", "periods"), rule, horizon.periods)
    elif horizon.start is not None and horizon.start.year > LAST_YEAR - 100:
        yield Issue(
            ("horizon", "start"), f"must be before the year {LAST_YEAR - 99}", horizon.start.isoformat()
        )


def groups_hold(problem: Problem) -> Iterator[Issue]:
    """A group's offers are known, listed once and have instances; its minimum is within its maximum."""
    offers = {offer.name: offer for offer in problem.offers}
    for index, group in enumerate(problem.groups):
        at: Path = ("groups", index)
        yield from unknown((*at, "offers"), group.offers, offers, "offer")
        for place, name in enumerate(group.offers):
            if name in group.offers[:place]:
                yield Issue((*at, "offers", place), "is listed twice", name, "keep one")
            elif name in offers and offers[name].instances is None:
                yield Issue((*at, "offers", place), "an offer in a group needs instances", name)
        if group.max_units is not None and group.min_units > group.max_units:
            rule = f"must not be more than max_units, {group.max_units:.15g}"
            yield Issue((*at, "min_units"), rule, group.min_units)
        yield from _resources(problem, at, group)


def _resources(problem: Problem, at: Path, group: Group) -> Iterator[Issue]:
    """Weights are of the group's offers, every resource has a limit and every limit a weight; units stand apart."""
    if not group.weights and not group.limits:
        return
    if group.max_units is not None or group.min_units:
        field = "max_units" if group.max_units is not None else "min_units"
        yield Issue((*at, field), "is of units, in whose place are weights", None, "state it in limits")
    roles = {o.name for o in problem.offers if o.instances is not None and o.instances.roles is not None}
    weighed = {resource for _, weights in group.every_weight for resource in weights}
    for name, own in group.weights.items():
        field_of: Path = (*at, "weights", name)
        if name not in group.offers:
            yield Issue(field_of, "is not an offer of the group", name, nearest(name, group.offers))
        elif name in roles and not isinstance(own, RoleWeights):
            rule = "is of a whole replica, and instances.roles counts its two halves apart"
            yield Issue(field_of, rule, None, "{prefill: {cards: 1}, decode: {cards: 4}}")
        elif isinstance(own, RoleWeights) and name not in roles:
            yield Issue(field_of, "is by role, and the offer's instances have no roles", None)
    for where, weights in group.every_weight:
        for resource in weights:
            if resource not in group.limits:
                path = (*at, "weights", *where, resource)
                yield Issue(path, "has no limit", None, f"state it in limits.{resource}")
    for resource in group.limits:
        if resource not in weighed:
            rule = "is a resource that no offer takes"
            yield Issue((*at, "limits", resource), rule, None, nearest(resource, weighed))


def hosts_hold(problem: Problem) -> Iterator[Issue]:
    """A host's offers have whole instances of whole sizes, and its name is its own."""
    offers = {offer.name: offer for offer in problem.offers}
    taken = {*offers, *(agreement.name for agreement in problem.commitments)}
    for index, host in enumerate(problem.hosts):
        at: Path = ("hosts", index)
        if host.name in taken:
            yield Issue(
                (*at, "name"), "is the name of an offer, an agreement or a host too", host.name, "rename one"
            )
        taken.add(host.name)
        yield from unknown((*at, "offers"), host.offers, offers, "offer")
        if host.max is not None and host.reserved > host.max:
            yield Issue((*at, "reserved"), f"must not be more than max, {host.max:.15g}", host.reserved)
        for field in ("max", "reserved"):
            value = getattr(host, field)
            if value is not None and value != round(value):
                yield Issue((*at, field), "must be whole: hosts are bought whole", value)
        sizes: dict[float, str] = {}
        for place, name in enumerate(host.offers):
            instances = offers[name].instances if name in offers else None
            if name in host.offers[:place]:
                yield Issue((*at, "offers", place), "is listed twice", name, "keep one")
            elif name in offers and instances is None:
                yield Issue((*at, "offers", place), "an offer in a host needs instances", name)
            elif instances is not None:
                if not instances.integral:
                    yield Issue((*at, "offers", place), "has instances that need not be whole", name)
                roles = instances.roles
                halves = (instances,) if roles is None else (roles.prefill, roles.decode)
                sizes |= {half.units: name for half in halves}
        wrong = [size for size in sizes if size <= 0 or size != round(size)]
        for size in wrong:
            yield Issue(
                (*at, "offers"), f"{sizes[size]}: instances in a host have whole units, not {size:g}", None
            )
        if not wrong and sizes:
            yield from _few_ways(at, host, sizes)


def _few_ways(at: Path, host: Host, sizes: Mapping[float, str]) -> Iterator[Issue]:
    """Sizes that do not divide each other stand in a host in so many ways that a plan can look at."""
    ordered = sorted(sizes)
    if all(large % small == 0 for small, large in pairwise(ordered)):
        return
    unit = math.gcd(*(round(size) for size in ordered))
    ways = len(sizes) * max(int(units // unit) for units in (host.units, *host.free_units))
    if ways > MOST_WAYS:
        listed = ", ".join(f"{size:g}" for size in ordered)
        rule = (
            f"instances of {listed} units may stand in {ways:,} places of such a host, more than the {MOST_WAYS:,} "
            "that are planned for"
        )
        yield Issue(
            (*at, "offers"), rule, None, "coarser units, or sizes of which each divides the next larger"
        )


def probabilities_sum_to_one(problem: Problem) -> Iterator[Issue]:
    """Probabilities of listed scenarios sum to 1 within 1e-6."""
    if isinstance(problem.scenarios, Generated) or not problem.scenarios:
        return
    total = math.fsum(scenario.probability for scenario in problem.scenarios)
    if abs(total - 1) > 1e-6:
        yield Issue(("scenarios",), f"probabilities must sum to 1, not {total:.9g}")


def multipliers_known(problem: Problem) -> Iterator[Issue]:
    """A scenario's multipliers name workloads (demand) or offers (prices, availability), or "*"."""
    if isinstance(problem.scenarios, Generated):
        return
    workloads = [workload.name for workload in problem.workloads]
    offers = [offer.name for offer in problem.offers]
    for index, scenario in enumerate(problem.scenarios):
        for field, multipliers, known, kind in (
            ("demand", scenario.demand, workloads, "workload"),
            ("prices", scenario.prices, offers, "offer"),
            ("availability", scenario.availability, offers, "offer"),
        ):
            names = {*known, "*"}
            for name in multipliers:
                if name not in names:
                    at = ("scenarios", index, field, name)
                    yield Issue(at, f"unknown {kind}", name, nearest(name, known))
        yield from _availability(index, scenario, problem)


def _availability(index: int, scenario: Scenario, problem: Problem) -> Iterator[Issue]:
    """Availability times its multiplier is a share."""
    for offer in problem.offers:
        key = offer.name if offer.name in scenario.availability else "*"
        factor = scenario.availability.get(key, 1.0)
        base = 1.0 if offer.instances is None else offer.instances.availability
        if factor * base > 1 + 1e-9:
            rule = f"times the availability of {offer.name}, {base:.15g}, must be at most 1"
            yield Issue(("scenarios", index, "availability", key), rule, factor)


def generated_scenarios_hold(problem: Problem) -> Iterator[Issue]:
    """Scenarios are generated from something, and reduced to no more than are drawn."""
    if not isinstance(problem.scenarios, Generated):
        return
    generate = problem.scenarios.generate
    at: Path = ("scenarios", "generate")
    if generate.reduce_to is not None and generate.reduce_to > generate.count:
        yield Issue((*at, "reduce_to"), f"must be at most count, {generate.count}", generate.reduce_to)
    sources = (generate.history, generate.growth_per_month, generate.spread, generate.spread_per_month)
    if all(source is None for source in sources):
        yield Issue(at, "needs history, growth_per_month, spread or spread_per_month to draw from")


def pins_hold(problem: Problem) -> Iterator[Issue]:
    """A pin names a known workload, a known offer, or both."""
    pins = problem.reoptimise.pins if problem.reoptimise else ()
    workloads = [workload.name for workload in problem.workloads]
    offers = [offer.name for offer in problem.offers]
    for index, pin in enumerate(pins):
        at: Path = ("reoptimise", "pins", index)
        if pin.workload is None and pin.offer is None:
            yield Issue(at, "must name a workload, an offer, or both")
        if pin.workload is not None and pin.workload not in workloads:
            yield Issue((*at, "workload"), "unknown workload", pin.workload, nearest(pin.workload, workloads))
        if pin.offer is not None and pin.offer not in offers:
            yield Issue((*at, "offer"), "unknown offer", pin.offer, nearest(pin.offer, offers))


Rule = Callable[[Problem], Iterator[Issue]]

RULES: tuple[Rule, ...] = (
    unique_names,
    horizon_ends,
    *rules_workloads.RULES,
    *rules_offers.RULES,
    *rules_quotas.RULES,
    *rules_schedule.RULES,
    agreements_hold,
    groups_hold,
    hosts_hold,
    probabilities_sum_to_one,
    multipliers_known,
    generated_scenarios_hold,
    pins_hold,
)


def broken_rules(problem: Problem) -> list[Issue]:
    """Everything that the rules find, without file and line."""
    return [issue for rule in RULES for issue in rule(problem)]
