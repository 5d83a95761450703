"""Rules on schedules: each says something, at a time that there is, of what its offer states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from router.errors import Issue, Path, nearest
from router.schema.offers import Instances, Offer
from router.schema.rules_commitments import needs_one_price
from router.schema.schedule import InstanceTerms, ModelPrices, QuotaCaps, RoleTerms, ScheduleRule, Times

if TYPE_CHECKING:  # Problem runs the rules itself
    from router.schema.problem import Problem

_PRICES = tuple(ModelPrices.model_fields)
_AS_PROMPT = (
    "cached_prompt_usd_per_m",
    "cache_write_usd_per_m",
)  # priced as the prompt where nothing is stated


def rules_say_something(problem: Problem) -> Iterator[Issue]:
    """A rule sets, multiplies, opens or closes something."""
    for at, _, rule in _each(problem):
        if rule.prices is None and rule.available is None and rule.set_ is None and rule.series is None:
            yield Issue(at, "says nothing: it needs prices, available, set or series")
        if rule.set_ is not None and not any(True for _ in rule.set_.figures):
            yield Issue((*at, "set"), "sets nothing: it needs models, instances or quota with a figure")
        if rule.series is not None and not rule.series.columns:
            hint = "usd_per_h_column: price, for instance"
            yield Issue((*at, "series"), "names no column of figures", None, hint)
    for index, energy in enumerate(problem.policy.energy_schedule):
        if energy.usd_per_kwh is None and energy.prices is None:
            yield Issue(("policy", "energy_schedule", index), "says nothing: it needs usd_per_kwh or prices")


def rules_have_a_time(problem: Problem) -> Iterator[Issue]:
    """Rules with times need a start of the horizon, stated or recorded; `until` is after `from`."""
    started = problem.horizon.start is not None
    started = started or any(load.demand.trace is not None for load in problem.workloads)
    rules: list[tuple[Path, Times, bool]] = [
        (at, rule, rule.series is not None) for at, offer, rule in _each(problem) if problem.asks_of(offer)
    ]
    rules += [
        (("policy", "energy_schedule", index), rule, False)
        for index, rule in enumerate(problem.policy.energy_schedule)
    ]
    for at, rule, series in rules:
        if not started and (rule.dated or series):
            hint = 'horizon: {start: "2027-01-01"}'
            yield Issue(at, "has times, which need horizon.start to know when they are", None, hint)
        begin, end = rule.from_, rule.until
        if begin is None or end is None or (begin.tzinfo is None) != (end.tzinfo is None):
            continue
        if begin >= end:
            yield Issue((*at, "until"), f"must be after from, {begin.isoformat()}", end)


def settings_have_their_place(problem: Problem) -> Iterator[Issue]:
    """A rule sets what its offer states: prices of its models, and figures of its instances."""
    for at, offer, rule in _each(problem):
        for name, prices in rule.set_.models.items() if rule.set_ is not None else ():
            if name not in offer.models:
                hint = nearest(name, offer.models)
                yield Issue((*at, "set", "models", name), "is not a model of the offer", name, hint)
            else:
                stated = [field for field in _PRICES if getattr(prices, field) is not None]
                yield from _stated((*at, "set", "models", name), offer, [name], stated)
        if rule.set_ is not None and offer.instances is None and rule.set_.instances != InstanceTerms():
            yield Issue((*at, "set", "instances"), "the offer has no instances")
        if rule.series is not None:
            yield from _series((*at, "series"), offer, rule)
        yield from _roles(at, offer, rule)
        yield from _counts(at, offer, rule)


def _roles(at: Path, offer: Offer, rule: ScheduleRule) -> Iterator[Issue]:
    """What is of one half of replicas stands with its role, and there are roles."""
    fleet = offer.instances
    terms = InstanceTerms() if rule.set_ is None else rule.set_.instances
    role = None if rule.series is None else rule.series.role
    if fleet is None or fleet.roles is None:
        text = "the offer's instances have no roles"
        if terms.roles is not None:
            yield Issue((*at, "set", "instances", "roles"), text)
        if role is not None:
            yield Issue((*at, "series", "role"), text, role)
        return
    for field in RoleTerms.model_fields:
        if getattr(terms, field) is not None:
            text = "must stand in roles.prefill and roles.decode, not beside them"
            yield Issue((*at, "set", "instances", field), text, getattr(terms, field))
    if rule.series is not None and "usd_per_h" in rule.series.columns and role is None:
        text = "needs role: prefill or decode, for each half of a replica has its price"
        yield Issue((*at, "series", "usd_per_h_column"), text, rule.series.columns["usd_per_h"])


def _series(at: Path, offer: Offer, rule: ScheduleRule) -> Iterator[Issue]:
    series = rule.series
    assert series is not None  # the caller has looked
    if series.model is not None and series.model not in offer.models:
        hint = nearest(series.model, offer.models)
        yield Issue((*at, "model"), "is not a model of the offer", series.model, hint)
        return
    for field in ("usd_per_h", "availability"):
        if field in series.columns and offer.instances is None:
            yield Issue((*at, f"{field}_column"), "the offer has no instances", series.columns[field])
    models = list(offer.models) if series.model is None else [series.model]
    yield from _stated(at, offer, models, [field for field in series.columns if field in _PRICES])


def _stated(at: Path, offer: Offer, models: list[str], fields: list[str]) -> Iterator[Issue]:
    """What is set stands in for a price that is stated: elsewhere that one holds."""
    terms = offer.commitment
    if fields and terms is not None and terms.tiers:
        yield Issue(
            at, "sets prices of tokens, which the offer's tiers replace", None, "use prices: a factor"
        )
        return
    for name in models:
        for field in fields:
            entry = offer.models[name]
            known = entry.prompt_usd_per_m if field in _AS_PROMPT else getattr(entry, field)
            if known is None:
                rule = f"needs {field} of {name} in the offer itself: what holds where no rule does"
                yield Issue((*at, field), rule)


def _counts(at: Path, offer: Offer, rule: ScheduleRule) -> Iterator[Issue]:
    """Reserved instances are whole where the others are, within the maximum, and change with hourly counts only."""
    fleet, terms = offer.instances, None if rule.set_ is None else rule.set_.instances
    if fleet is None or terms is None:
        return
    at = (*at, "set", "instances")
    yield from _counts_of(at, fleet, terms)
    if fleet.roles is not None and terms.roles is not None:
        for role, each in (("prefill", terms.roles.prefill), ("decode", terms.roles.decode)):
            yield from _counts_of((*at, "roles", role), fleet.of_role(role), each)


def _counts_of(at: Path, fleet: Instances, terms: InstanceTerms | RoleTerms) -> Iterator[Issue]:
    most = terms.max if terms.max is not None else fleet.max
    kept = terms.reserved if terms.reserved is not None else fleet.reserved
    if most is not None and kept > most:
        name = "max" if terms.max is not None else "reserved"
        yield Issue(
            (*at, name), f"leaves {kept:.15g} reserved above a maximum of {most:.15g}", getattr(terms, name)
        )
    if terms.reserved is not None:
        if fleet.integral and terms.reserved != round(terms.reserved):
            yield Issue((*at, "reserved"), "must be whole, or integral: false", terms.reserved)
        if fleet.resize == "horizon" and fleet.term_months is None and terms.reserved != fleet.reserved:
            rule_text = "does not go with resize: horizon, which is one number for the whole horizon"
            yield Issue((*at, "reserved"), rule_text, terms.reserved, "a second offer holds what changes")


def hosts_stay_hosts(problem: Problem) -> Iterator[Issue]:
    """A rule of a host sets its price, maximum and reservation: there is nothing else of it."""
    for index, host in enumerate(problem.hosts):
        for number, rule in enumerate(host.schedule):
            at: Path = ("hosts", index, "schedule", number)
            text, hint = "is not a figure of hosts", "usd_per_h, max and reserved are"
            if rule.set_ is not None and rule.set_.instances.availability is not None:
                yield Issue((*at, "set", "instances", "availability"), text, None, hint)
            if rule.set_ is not None and rule.set_.quota != QuotaCaps():
                yield Issue((*at, "set", "quota"), text, None, hint)
            for field in rule.series.columns if rule.series is not None else ():
                if field != "usd_per_h":
                    yield Issue((*at, "series", f"{field}_column"), text, None, "usd_per_h_column is one")
            most = None if rule.set_ is None else rule.set_.instances.max
            if most is not None and most != round(most):
                yield Issue((*at, "set", "instances", "max"), "must be whole: hosts are bought whole", most)


def one_price_stays_one(problem: Problem) -> Iterator[Issue]:
    """Where a commitment rests on one price for all tokens, a rule sets one for all of them."""
    for at, offer, rule in _each(problem):
        terms = offer.commitment
        if terms is None or terms.tiers or needs_one_price(terms) is None:
            continue
        stated = {
            (name, field)
            for name, entry in offer.models.items()
            for field in _PRICES
            if getattr(entry, field) is not None
        }
        for part, fields, prices in _priced(offer, rule):
            if fields and (len(set(prices)) > 1 or not stated <= fields):
                text = "must set one price for all models and kinds of tokens, as the commitment needs it"
                yield Issue((*at, part), text)


def _priced(offer: Offer, rule: ScheduleRule) -> Iterator[tuple[str, set[tuple[str, str]], list[object]]]:
    """Prices that a part of a rule sets: where, of which models and fields, and how much (columns of a series)."""
    if rule.set_ is not None:
        found = {
            (name, field): value
            for name, prices in rule.set_.models.items()
            for field in _PRICES
            if (value := getattr(prices, field)) is not None
        }
        yield "set", set(found), list(found.values())
    if rule.series is not None:
        models = list(offer.models) if rule.series.model is None else [rule.series.model]
        columns = {field: column for field, column in rule.series.columns.items() if field in _PRICES}
        yield "series", {(name, field) for name in models for field in columns}, list(columns.values())


def _each(problem: Problem) -> Iterator[tuple[Path, Offer, ScheduleRule]]:
    for index, offer in enumerate(problem.offers):
        for number, rule in enumerate(offer.schedule):
            yield ("offers", index, "schedule", number), offer, rule
    for index, host in enumerate(problem.hosts):
        for number, rule in enumerate(host.schedule):
            yield ("hosts", index, "schedule", number), host.rented, rule


RULES: tuple[Callable[[Problem], Iterator[Issue]], ...] = (
    rules_say_something,
    rules_have_a_time,
    settings_have_their_place,
    hosts_stay_hosts,
    one_price_stays_one,
)
