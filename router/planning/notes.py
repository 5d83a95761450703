"""What a reader must know before trusting a figure: assumptions that a plan was made under."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import fsum

import numpy as np

from problems.core.instance import Instance
from router.plan.rows import QuotaRow, RouteRow, Settlement
from router.plan.start import stated_time
from router.scenarios import planned_draw
from router.schema import Generated, Problem, Slo
from router.schema.clock import MONTH_H
from router.traces import recorded

REFUSED = 0.01  # of what is sent against a cap, from which it is worth a note


def notes_of(problem: Problem) -> tuple[str, ...]:
    """Assumptions of a plan for the problem, in the order of its fields."""
    notes = []
    if problem.policy.p99_over_mean is not None:
        notes.append(
            f"assumed: where no percentile was measured, "
            f"P99 = {problem.policy.p99_over_mean:g} × mean (policy.p99_over_mean)"
        )
    notes += _of_estimates(problem)
    read = recorded(problem)
    if read.problem.horizon.start is None and any(load.window is not None for load in problem.workloads):
        notes.append("assumed: the horizon starts at 00:00 local time (horizon.start is not given)")
    if problem.repeats_daily and problem.horizon.start is not None:
        notes.append(
            f"demand that is listed by period repeats daily from {stated_time(problem.horizon.start)} on "
            "(--repeat-daily): each period has the amount of the same clock time"
        )
    notes += _of_network(problem)
    notes += [*_of_terms(problem), *_of_scenarios(problem)]
    drawn = planned_draw(problem).notes if isinstance(problem.scenarios, Generated) else ()
    return (*notes, *read.notes, *drawn)


def _of_network(problem: Problem) -> Iterator[str]:
    """Ways that no row is about, where others are."""
    known = {(link.from_, link.to) for link in problem.network}
    known |= {(to, origin) for origin, to in known}
    origins = dict.fromkeys(name for load in problem.workloads for name in load.origin or ())
    missing = [
        f"{origin} to {region}"
        for origin in origins
        for region in dict.fromkeys(region for offer in problem.offers for region in offer.limits.regions)
        if (origin, region) not in known
    ]
    if problem.network and missing:
        yield f"assumed: no round trip and no egress where network has no row: {', '.join(missing)}"
    nowhere = [offer.name for offer in problem.offers if not offer.limits.regions]
    if problem.network and origins and nowhere:
        names = ", ".join(nowhere)
        yield f"assumed: no round trip and no egress to offers that state no region (limits.regions): {names}"


def _of_estimates(problem: Problem) -> Iterator[str]:
    """Offers whose throughput nobody measured."""
    errors: dict[str, float] = {}
    for offer in problem.offers:
        points = [point for entry in offer.models.values() for point in entry.points if point.estimated]
        if points:
            errors[offer.name] = max(point.error or 0.0 for point in points)
    for error in sorted(set(errors.values())):
        names = ", ".join(name for name in errors if errors[name] == error)
        off = f", off by up to {error:.0%}" if error else ""
        yield f"estimated, not measured{off}: throughput and latency of {names} (points.estimated)"


def waiting_notes(problem: Problem, routes: Iterable[RouteRow]) -> Iterator[str]:
    """That no request was simulated, where work with a limit that waiting can break runs on instances."""
    instances = {offer.name: offer.instances for offer in problem.offers}
    promised = {load.name for load in problem.workloads if _limits_waiting(load.slo)}
    pools = {
        name: its for row in routes if row.workload in promised and (its := instances[name := row.offer])
    }
    how = "router simulate PLAN --problem FILE"
    if any(its.max_utilisation is None for its in pools.values()):
        yield f"waiting keeps the SLOs by the queueing formula and was not simulated: {how} does that"
    stated = sorted(name for name, its in pools.items() if its.max_utilisation is not None)
    if stated:
        names = ", ".join(stated)
        yield f"no waiting is planned for where max_utilisation is stated ({names}): {how} says whether SLOs hold there"


def schedule_notes(problem: Problem, inst: Instance) -> Iterator[str]:
    """When offers open and close for good, and in how many periods they are closed in between."""
    offers, time, clock = inst.offers, inst.time, problem.horizon.clock
    open_part = time.by_period(offers.open)
    for o in np.flatnonzero(offers.ruled).tolist():
        opens, closes = float(offers.opens_h[o]), float(offers.closes_h[o])
        said: list[str] = []
        if opens >= time.horizon_h or closes <= 0:
            said.append("is closed throughout")
        else:
            living = (time.start_h >= opens) & (time.start_h + time.period_h <= closes)
            shut, part = (living & (open_part[o] <= 0)).sum(), (living & (open_part[o] % 1.0 > 0)).sum()
            said += [f"opens at {stated_time(clock.local(opens))}"] if opens > 0 else []
            said += [f"is closed in {shut} of {time.periods} periods"] if shut else []
            said += [f"is closed for a part of {part} of {time.periods} periods"] if part else []
            said += (
                [f"closes for good at {stated_time(clock.local(closes))}"] if closes < time.horizon_h else []
            )
        if said:
            yield f"{offers.names[o]} {' and '.join(said)}"


def turnaround_notes(problem: Problem, routes: Iterable[RouteRow]) -> Iterator[str]:
    """That work which states no time by which it is due goes to an offer that takes its time."""
    turnaround = {
        offer.name: offer.turnaround_h for offer in problem.offers if offer.turnaround_h is not None
    }
    loads = {load.name: load for load in problem.workloads}
    used = {(row.offer, row.workload) for row in routes if row.offer in turnaround}
    for name, hours in turnaround.items():
        timeless = sorted(
            load
            for offer, load in used
            if offer == name
            and loads[load].window is None
            and loads[load].deferrable_h is None
            and not _limits_waiting(loads[load].slo)
        )
        if timeless:
            yield (
                f"answers of {name} come within {hours:g} h; without window, deferrable_h or SLO, nothing says that "
                f"this is too late: {', '.join(timeless)}"
            )


def _limits_waiting(slo: Slo) -> bool:
    limits = (getattr(slo, name) for name in type(slo).model_fields if name.startswith(("ttft_", "request_")))
    return any(limit is not None for limit in limits)


def burst_notes(rows: Iterable[QuotaRow]) -> Iterator[str]:
    """Caps by the minute that refuse a part of what is sent, where the mean of a period is within them."""
    passed: dict[tuple[str, str], list[QuotaRow]] = {}
    for row in rows:
        if row.refused > REFUSED:
            passed.setdefault((row.quota, row.kind), []).append(row)
    for (quota, kind), some in passed.items():
        worst = max(some, key=lambda row: row.refused)
        periods = len({row.period for row in some})
        elsewhere = f", and more than {REFUSED:.0%} in {periods} periods" if periods > 1 else ""
        yield (
            f"{kind.replace('_', ' ')} a minute of {quota}: the mean of period {worst.period} is "
            f"{worst.utilisation:.1%} of the cap, but {worst.minutes_above:.1%} of its minutes are above it, and "
            f"{worst.refused:.1%} of what is sent would be refused{elsewhere}; quota.max_utilisation leaves room for "
            "bursts (plan.quotas, plan.minutes)"
        )


def vendor_notes(settlements: Iterable[Settlement]) -> Iterator[str]:
    """Agreements together that cost more where a vendor applies the highest discount first."""
    dearer: dict[str | None, list[Settlement]] = {}
    for row in settlements:
        if row.vendor_order_usd is not None:
            dearer.setdefault(row.scenario, []).append(row)
    for scenario, rows in dearer.items():
        usd = fsum((row.vendor_order_usd or 0.0) - row.billed_usd for row in rows)
        if usd > 1e-6 * fsum(row.billed_usd for row in rows) + 0.005:
            names = ", ".join(dict.fromkeys(row.seller for row in rows))
            future = "" if scenario is None else f' in "{scenario}"'
            yield (
                f"a vendor that applies the highest discount first bills {usd:,.2f} USD more{future} than the "
                f"plan, which chooses what each agreement covers ({names}; settlements.vendor_order_usd)"
            )


def sizing_notes(problem: Problem, *, owes_later: bool) -> tuple[str, ...]:
    """What the money of a sized plan means, where that is not plain; `owes_later`: some term outlasts the horizon."""
    policy, notes = problem.policy, []
    if policy.discount_rate_per_year:
        rate = f"{100 * policy.discount_rate_per_year:g} %"
        notes.append(f"costs are present values at {rate} a year (policy.discount_rate_per_year)")
    if owes_later:
        counted = {
            "prorate": "counts by its part inside; the rest is owed later",
            "charge_in_full": "is charged in full; what is owed later is part of the cost",
        }
        notes.append(
            f"a term that outlasts the horizon {counted[policy.end_of_horizon]} (policy.end_of_horizon)"
        )
    if policy.max_spend_usd is not None:
        notes.append("policy.max_spend_usd holds in every future")
    if policy.max_committed_usd is not None:
        notes.append("policy.max_committed_usd is of what is committed at mean prices")
    return tuple(notes)


def _of_scenarios(problem: Problem) -> Iterator[str]:
    """Multipliers that change nothing, and those that change more than was thought of."""
    owned = {offer.name for offer in problem.offers if offer.instances is not None}
    bought = [offer.name for offer in problem.offers if offer.name not in owned]
    fixed = [offer.name for offer in problem.offers if offer.commitment is not None]
    stated = () if isinstance(problem.scenarios, Generated) else problem.scenarios
    if bought and any("*" in scenario.availability for scenario in stated):
        yield f'availability of "*" is that of instances; without any, as before: {", ".join(bought)}'
    if fixed and any("*" in scenario.prices for scenario in stated):
        names = ", ".join(fixed)
        yield f'prices of "*" are those of contracts too, also once signed ({names}); naming offers spares them'
    for scenario in stated:
        for name in scenario.availability:
            if name != "*" and name not in owned:
                yield (
                    f'scenario "{scenario.name}": availability of {name} changes nothing, for it has no instances; '
                    "an outage is a prohibitive price in that scenario"
                )


def _of_terms(problem: Problem) -> Iterator[str]:
    """When contracts may begin, where that was not said and decides what can be planned."""
    horizon_h = problem.horizon.hours
    for offer in problem.sellers:
        terms = offer.commitment
        if terms is None or terms.term_hours is None or horizon_h <= MONTH_H:
            continue
        renewed = len(terms.starts_h(horizon_h, problem.horizon.period_h)) > 1
        if terms.start is None and terms.start_every_h is None and not terms.signed and not renewed:
            yield (
                f"assumed: {offer.name} starts with the horizon, which its term covers "
                "(commitment.start: any lets it begin later)"
            )
        if terms.signed and terms.signed_until is not None and renewed:
            yield f"assumed: {offer.name} may be signed again at the same prices when it has ended"
