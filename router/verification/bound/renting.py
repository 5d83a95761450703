"""Instances: which counts can be rented, what they cost, how they start, and limits over several of them.

count(pool,t)     instances that run; ahead(pool,0) where one number holds for the horizon
*_paid            above what is reserved; the count itself where nothing is
*_open, *_steps   count = min · open + step · steps
started(pool,t)   instances started in the period; bought(pool,month k) for a term

No more is of use than all work that may come to a pool could keep busy, rounded up to what is sold: a plan with more
costs no less with just that. Every M comes from there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from router.schema import Instances, Offer
from router.verification.base.case import MONTH_H, Case, Future
from router.verification.base.change import NOTHING, EarlierPlan, Place
from router.verification.base.ledger import RELATIVE
from router.verification.base.parts import stated_name
from router.verification.base.pools import EarlierPurchase
from router.verification.base.spans import multiples
from router.verification.bound.queues.waiting import enough, waits
from router.verification.bound.relaxation import RelaxedProblem, Terms
from router.verification.bound.serving import PoolAt, PossibleFlow, pool_name
from router.verification.bound.terms import start_label

type MostOfUse = dict[tuple[str, str | None], list[float]]
"""By pool, its largest count of use in each period."""


@dataclass(frozen=True, slots=True)
class RentedPool:
    """Variables of a pool by period: one name throughout where the count is one for the horizon."""

    offer: str
    instances: Instances
    name: str
    count: list[str]
    paid: list[str]


def add_counts(
    model: RelaxedProblem, case: Case, most: MostOfUse, future: Future, earlier: EarlierPlan | None
) -> list[RentedPool]:
    """Every pool of every offer, used or not; what an earlier plan bought and started goes on."""
    rented = []
    for name, offer in case.offers.items():
        instances = offer.instances
        if instances is None:
            continue
        before = [
            row for row in (earlier or NOTHING).purchases if row.place[0] == name and case.off_grid(name)
        ]
        most_of_all = math.fsum(max(most[name, served]) for served in served_by(offer))
        most_paid = None
        if case.off_grid(name):  # every term at once
            most_paid = most_of_all * case.periods + math.fsum(row.count for row in before)
        own = [
            _pool(model, case, (name, served), most[name, served], future, earlier or NOTHING, most_paid)
            for served in served_by(offer)
        ]
        if case.off_grid(name):
            _purchases(model, case, own, most_of_all, future, before)
        _together(model, case, name, own)
        rented += own
        model.constant += _reserved_usd(case, name, future)
    return rented


def served_by(offer: Offer) -> list[str | None]:
    """Model of each pool of an offer with instances; None where one count serves all."""
    shared = offer.instances is not None and offer.instances.shared_by_models
    return [None] if shared else list(offer.models)


def most_of_use(case: Case, pools: dict[PoolAt, list[PossibleFlow]], future: Future) -> MostOfUse:
    """Largest count of use of each pool, by period."""
    limits: MostOfUse = {}
    for name, offer in case.offers.items():
        instances = offer.instances
        if instances is None:
            continue
        waiting = (
            instances.max_utilisation is None
        )  # then no more of it counts than serves in every open hour
        usable = [(case.steady if waiting else case.usable)(name, future, t) for t in range(case.periods)]
        for served in served_by(offer):
            boot = min((instances.start_h / case.period_h) % 1.0, 1 - 1e-9)
            need = [
                max(
                    _needed(case, instances, pools.get((name, served, t), []), each)
                    * (_minutes(case) * each / _least(case, name, future, t) if offer.spills else 1.0)
                    / (1.0 - boot),
                    _slots(instances, pools.get((name, served, t), [])),
                )
                for t, each in enumerate(usable)
            ]
            if instances.start_usd + instances.start_h + instances.min_up_h > 0 or instances.term_hours:
                need = [max(need)] * case.periods
            place = (name, served)
            limits[place] = [_sold(case, place, instances, each, t) for t, each in enumerate(need)]
    return limits


def _minutes(case: Case) -> float:
    """More than there are minutes of a period: all of its work in one of them is the most that any can bring."""
    return 2.0 * max(1000.0, 60.0 * case.period_h)


def _least(case: Case, offer: str, future: Future, t: int) -> float:
    """The least part of an instance that is usable in any hour of a period in which some is."""
    most = case.instances[offer].max_utilisation
    hours, at = list[float](), case.span(t)[0]
    for long, _ in case.times.stretches(offer, *case.span(t)):
        hours.append(case.available(offer, future, at, at + long) * (1.0 if most is None else most))
        at += long
    return min((each for each in hours if each > 0), default=1.0)


def _needed(case: Case, instances: Instances, flows: list[PossibleFlow], usable: float) -> float:
    """Serving instances that carry all that may come, in whatever mix."""
    busy = _busy(case, flows) / usable if usable > 0 else 0.0
    return enough(case, flows, busy) if waits(instances, flows) else busy


def _slots(instances: Instances, flows: list[PossibleFlow]) -> float:
    """Instances that hold the adapters of all workloads that may come."""
    if instances.adapter_slots is None:
        return 0.0
    adapters = {stated_name(flow.workload): flow.workload.adapters for flow in flows}
    return sum(adapters.values()) / instances.adapter_slots


def _busy(case: Case, flows: list[PossibleFlow]) -> float:
    """Instances that all cells could keep busy, each on its heaviest route."""
    heaviest: dict[object, float] = {}
    for flow in flows:
        key, load = flow.cell.key, flow.load
        hours = max((flow.hours[1] - flow.hours[0]) / case.period_h, 1e-12)
        busy = (load[0] if load[0] > load[1] else load[1]) / hours
        if busy > heaviest.get(key, 0.0):
            heaviest[key] = busy
    return math.fsum(heaviest.values())


def most_of(case: Case, offer: str, t: int) -> float:
    """The maximum of a period: none hourly while it is closed throughout; of one number for the horizon the least."""
    if case.bought_ahead(offer) is not None:
        periods = range(case.periods) if case.offers[offer].schedule else (t,)
        return min(case.counted(offer, each, lambda instances: instances.max) for each in periods)
    if case.instances[offer].term_hours is None and case.closed(offer, t):
        return 0.0
    return case.counted(offer, t, lambda instances: instances.max)


def _sold(case: Case, place: Place, instances: Instances, need: float, t: int) -> float:
    """The least count that is sold and does, groups' minima included; no more than there is."""
    offer, (least, step) = place[0], case.grid(*place)
    most = most_of(case, offer, t)
    for group in case.problem.groups:
        if offer in group.offers and not group.weights:
            units = max(instances.units, 1e-12)
            need = max(need, group.min_units / units)
            most = min(most, math.inf if group.max_units is None else group.max_units / units)
        for resource, limit in group.limits.items():
            if weight := group.weight(offer, resource):
                most = min(most, limit / weight)
    if need > 0:
        need = max(need, least)
        if instances.integral and math.isfinite(need):  # each carries `RELATIVE` more than it could
            steps = math.ceil((need / (1.0 + RELATIVE) - least) / step)
            need = least + max(steps, 0) * step
    if instances.integral and math.isfinite(most):
        most = math.floor(most + 1e-9)
    return min(need, most)


def _pool(
    model: RelaxedProblem,
    case: Case,
    place: Place,
    limit: list[float],
    future: Future,
    earlier: EarlierPlan,
    most_paid: float | None = None,
) -> RentedPool:
    """Variables of a pool. `most_paid` where what is bought for all pools may stand idle in any."""
    offer, pool, instances = place[0], pool_name(*place), case.instances[place[0]]
    term, ahead = instances.term_hours, case.bought_ahead(offer) is not None
    kind, n = ("ahead", 1) if ahead else ("count", case.periods)
    price = future.price_of(offer)
    hourly = [
        (0.0 if term else case.rent(offer, t) * price) + case.energy(offer, t, gaps=term is not None)
        for t in range(case.periods)
    ]
    usd = [each * weight for each, weight in zip(hourly, case.period_weight, strict=True)]
    if ahead:
        limit, usd = [max(limit)], [math.fsum(usd) + instances.upfront_usd * price]
    count, paid = [], []
    kept = [case.counted(offer, t, lambda each: each.reserved) for t in range(case.periods)]
    for_all = most_paid is not None
    reserved = any(each > 0 for each in kept) or for_all
    for t in range(n):
        at = f"{pool},{t}"
        own = model.variable(
            f"{kind}({at})", limit[t], whole=instances.integral, usd=0.0 if reserved else usd[t]
        )
        _shape(model, instances, case.grid(*place), (kind, at, own), limit[t])
        above = own
        if reserved:
            starting = instances.start_usd + instances.start_h + instances.min_up_h > 0
            whole = instances.integral and starting and all(each % 1 == 0 for each in kept)
            above = model.variable(f"{kind}_paid({at})", most_paid or limit[t], whole=whole, usd=usd[t])
            if not for_all:
                model.constraint(f"instances({at},paid)", [(own, 1.0), (above, -1.0)], lower=0.0)
        count.append(own)
        paid.append(above)
    if ahead:
        count, paid = count * case.periods, paid * case.periods
    rented = RentedPool(offer, instances, pool, count, paid)
    if term and not for_all:
        before = [row for row in earlier.purchases if row.place == place]
        _purchases(model, case, [rented], max(limit), future, before)
    ran = earlier.before.get(place, 0.0)
    _starts(model, case, rented, max(limit), 1 if ahead else case.periods, future, ran)
    return rented


def _shape(
    model: RelaxedProblem,
    instances: Instances,
    grid: tuple[float, float],
    names: tuple[str, str, str],
    limit: float,
) -> None:
    """count ∈ {0} ∪ {min, min + step, …}."""
    kind, at, count = names
    least, step = grid[0], grid[1] if instances.integral else 1.0
    opens = least > 0 and (least != step or not instances.integral)
    terms: Terms = [(count, 1.0)]
    if opens:
        opened = model.variable(f"{kind}_open({at})", 1.0, whole=True)
        if math.isfinite(limit):
            model.constraint(f"instances({at},open)", [(count, 1.0), (opened, -limit)], upper=0.0)
        terms.append((opened, -least))
    if instances.integral and (opens or step != 1):
        steps = model.variable(f"{kind}_steps({at})", limit / max(step, 1e-12) + 1.0, whole=True)
        model.constraint(f"instances({at},sold)", [*terms, (steps, -step)], lower=0.0, upper=0.0)
    elif opens:
        model.constraint(f"instances({at},sold)", terms, lower=0.0)


def _together(model: RelaxedProblem, case: Case, offer: str, pools: list[RentedPool]) -> None:
    """What is reserved is shared out over the pools of an offer, and so is its maximum."""
    periods = 1 if case.bought_ahead(offer) is not None else case.periods
    for t in range(periods):
        at = f"{pools[0].name},{t}"
        if pools[0].count[t] != pools[0].paid[t]:
            terms = [(pool.count[t], 1.0) for pool in pools] + [(pool.paid[t], -1.0) for pool in pools]
            kept = case.counted(offer, t, lambda each: each.reserved)
            model.constraint(f"instances({at},reserved)", terms, upper=kept)
        if math.isfinite(most_of(case, offer, t)) and len(pools) > 1:
            terms = [(pool.count[t], 1.0) for pool in pools]
            model.constraint(f"instances({at})", terms, upper=most_of(case, offer, t))


def _reserved_usd(case: Case, offer: str, future: Future) -> float:
    """Reserved instances are paid in every hour, used or not, and draw power."""
    price = future.price_of(offer)
    return math.fsum(
        (rent * price + energy) * weight
        for t, weight in enumerate(case.period_weight)
        for rent, energy in (case.reserved_charges(offer, t),)
    )


def _purchases(
    model: RelaxedProblem,
    case: Case,
    pools: list[RentedPool],
    limit: float,
    future: Future,
    before: list[EarlierPurchase],
) -> None:
    """What is paid for in a period was bought for a term that covers it, or before, until an hour of the horizon.

    Of one pool, or of all pools of an offer, where what is bought is for all its models.

    What was bought before is paid for to its end, and may be more than is of use.
    """
    pool = pools[0]
    instances, term_h = pool.instances, pool.instances.term_hours or 0.0
    price, in_full = future.price_of(pool.offer), case.problem.policy.end_of_horizon == "charge_in_full"
    every_h = instances.start_every_h or (case.period_h if instances.term_months is None else MONTH_H)
    bought: list[tuple[str, tuple[float, float]]] = []
    starts: dict[int, Terms] = defaultdict(list)
    ends: dict[int, Terms] = defaultdict(list)
    opens_h, closes_h = case.times.life(pool.offer)
    for hour in multiples(case, every_h):
        if not opens_h - 1e-9 <= hour < closes_h - 1e-9:
            continue
        end_h = case.bought_until_h(pool.offer, hour, term_h)
        first, end = (math.ceil(each / case.period_h - 1e-9) for each in (hour, end_h))
        beyond_h = max(0.0, end_h - case.horizon_h)
        inside = 1.0 if in_full else 1.0 - beyond_h / (end_h - hour)
        hourly = case.term_usd_per_h(pool.offer, hour)
        usd = hourly * case.term_hours_due(pool.offer, first, end, weighed=True)
        usd += instances.upfront_usd * case.period_weight[min(first, case.periods - 1)] * inside
        if in_full:
            usd += hourly * beyond_h * case.period_weight[-1]
        name = f"bought({pool.name},{start_label(hour)})"
        bought.append((model.variable(name, limit, whole=instances.integral, usd=usd * price), (hour, end_h)))
        starts[first].append((name, -1.0))
        ends[end].append((name, 1.0))
    for t in range(case.periods):
        hour = t * case.period_h
        there = case.times.due(pool.offer, *case.span(t)) > 0
        here = [row for row in before if hour + 1e-9 < row.end_h and there]
        runs = math.fsum(row.count for row in here)
        usd = math.fsum(row.count * row.rent(instances.usd_per_h) for row in here)
        model.constant += usd * price * case.term_hours_due(pool.offer, t, t + 1, weighed=True)
        if len(bought) > case.months and not before:  # never a row of all starts
            terms = [*((each.paid[t], 1.0) for each in pools), *starts[t], *ends[t]]
            terms += [(each.paid[t - 1], -1.0) for each in pools if t]
            model.constraint(f"instances({pool.name},{t},term)", terms, lower=0.0, upper=0.0)
            _goes_on(model, pools, t, alike=not starts[t] and not ends[t])
            continue
        last = terms if t else []
        terms = [(b, -1.0) for b, (at, end_h) in bought if at - 1e-9 <= hour < end_h - 1e-9]
        _goes_on(model, pools, t, alike=not before and terms == last)
        least = -math.inf if before else 0.0
        model.constraint(
            f"instances({pool.name},{t},term)",
            [*((each.paid[t], 1.0) for each in pools), *terms],
            lower=least,
            upper=runs,
        )


def _goes_on(model: RelaxedProblem, pools: list[RentedPool], t: int, *, alike: bool) -> None:
    """Where what was bought before goes on, a count that is all of it is as it was: `open` and `steps` too."""
    if not alike or t == 0 or len(pools) > 1 or pools[0].count[t] != pools[0].paid[t]:
        return
    for kind in ("open", "steps"):
        here, last = (f"count_{kind}({pools[0].name},{at})" for at in (t, t - 1))
        if here in model.variables:
            terms = [(here, 1.0), (last, -1.0)]
            model.constraint(f"instances({pools[0].name},{t},{kind} goes on)", terms, lower=0.0, upper=0.0)


def _starts(
    model: RelaxedProblem, case: Case, pool: RentedPool, limit: float, n: int, future: Future, ran: float
) -> None:
    """started ≥ paid − paid before, at first less what ran; paid ≥ what was started within the least time up."""
    instances, h = pool.instances, case.period_h
    if not (instances.start_usd > 0 or instances.start_h > 0 or instances.min_up_h > h):
        return
    usd = instances.start_usd * future.price_of(pool.offer)
    started = [
        model.variable(f"started({pool.name},{t})", limit, usd=usd * case.period_weight[t]) for t in range(n)
    ]
    for t in range(n):
        terms = [(started[t], 1.0), (pool.paid[t], -1.0)]
        if t > 0:
            terms.append((pool.paid[t - 1], 1.0))
        model.constraint(f"starts({pool.name},{t})", terms, lower=0.0 if t > 0 else -ran)
        if instances.min_up_h > h * (1 + 1e-9) and not case.closed(pool.offer, t):
            stays = [
                (s, -1.0)
                for u, s in enumerate(started[: t + 1])
                if (t - u) * h * (1 + 1e-9) < instances.min_up_h
                if not any(case.closed(pool.offer, each) for each in range(u, t))
            ]
            model.constraint(f"starts({pool.name},{t},stays)", [(pool.paid[t], 1.0), *stays], lower=0.0)


def add_shared_limits(model: RelaxedProblem, case: Case, pools: list[RentedPool]) -> None:
    """Groups and power, in every period."""
    policy = case.problem.policy
    for t in range(case.periods):
        for group in case.problem.groups:
            for resource, limit in group.limits.items():
                taken = [(pool.count[t], group.weight(pool.offer, resource)) for pool in pools]
                model.constraint(f"groups({group.name},{resource},{t})", taken, upper=limit)
            if group.weights:
                continue
            terms = [(pool.count[t], pool.instances.units) for pool in pools if pool.offer in group.offers]
            upper = math.inf if group.max_units is None else group.max_units
            model.constraint(f"groups({group.name},{t})", terms, lower=group.min_units, upper=upper)
        if policy.max_power_kw is not None:
            always = math.fsum(
                instances.power_kw * case.counted(name, t, lambda each: each.reserved)
                for name, instances in case.instances.items()
                if case.times.due(name, *case.span(t)) > 0
            )
            terms = [
                (pool.paid[t], pool.instances.power_kw)
                for pool in pools
                if pool.instances.term_hours is not None or not case.closed(pool.offer, t)
            ]
            model.constraint(f"power({t})", terms, upper=policy.max_power_kw - always)
