"""Workloads that differ in name and volume alone are a kind: one workload with the volume of all stands in its place.

    work[kind, cell] = Σ work[w, cell]      w of the kind

A plan of the whole problem is one of these: a share of a kind's cell is the mean of its workloads' shares, by their
work. One of these is a plan of the whole problem: each workload of a kind takes the kind's shares. Both cost the same,
so that the least cost is the same too.

This holds where all that is promised of a workload is linear in its shares. Workloads are left by themselves where
something else is said of them one by one: one route or so many providers carry each (unsplittable, min_providers),
adapters are held for each, steps of recipes must answer in time together, their minutes are recorded or drawn with a
variability of their own beside a quota, a future or a quota names some of them. Of work that moves in time and is
listed by period, shares of a provider in a period are of cells that are mixed otherwise in each workload. Where offers
spill, something may be lost, or futures are drawn by workload, no workloads are taken together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any

from pydantic import BaseModel

from router.schema import Demand, Generated, Problem, Workload
from router.schema.numbers import LARGEST

FEWEST = 100
"""Workloads that are saved: a smaller problem is no slower with each by itself."""

OWN = frozenset(("name", "demand", "source", "as_of", "note"))
"""Fields in which the workloads of a kind may differ: of `demand` the volume alone."""

_BESIDE = frozenset(("completion_share",))

type Volume = tuple[float, ...]
"""The figure stated, or one for each period."""


@dataclass(frozen=True, eq=False, repr=False)
class Kinds:
    """A problem and the same with one workload, the first, in place of each kind.

    whole      as its file states it
    problem    with kinds
    members    by first workload of a kind of several: all of them, in the order of the file, with their volumes
    """

    whole: Problem
    problem: Problem
    members: Mapping[str, Mapping[str, Volume]]


def kinds_of(problem: Problem, fewest: int | None = None) -> Kinds | None:
    """The problem by kinds; None where that saves too few workloads. `fewest`: to save, see FEWEST."""
    most = FEWEST if fewest is None else fewest
    if len(problem.workloads) <= most or _of_each(problem):
        return None
    members = _members(problem)
    if sum(map(len, members.values())) - len(members) < most:
        return None
    return Kinds(problem, _merged(problem, members), members)


def _of_each(problem: Problem) -> bool:
    """Whether something in the problem is of each workload by itself, whatever it states."""
    return (
        isinstance(problem.scenarios, Generated)
        or problem.minutes_of is not None
        or problem.policy.survive_loss_of != "none"
        or any(offer.spills for offer in problem.offers)
    )


def _members(problem: Problem) -> dict[str, dict[str, Volume]]:
    """Kinds of several workloads, by their first."""
    named = _named(problem)
    capped = bool(problem.quotas) or any(
        offer.quota != type(offer.quota)() or any(entry.quota is not None for entry in offer.models.values())
        for offer in problem.offers
    )
    found: dict[Hashable, dict[str, Volume]] = defaultdict(dict)
    for load in problem.workloads:
        if not _by_itself(load, capped):
            way, volume = _volume(load.demand)
            said = (named.get(load.name), way, load.demand.completion_share, _said(load, OWN))
            found[said][load.name] = volume
    several = (own for own in found.values() if len(own) > 1)
    return {next(iter(own)): own for own in several if max(total(own)) <= LARGEST}


def total(members: Mapping[str, Volume]) -> Volume:
    """The volume of all members of a kind."""
    return tuple(map(fsum, zip(*members.values(), strict=True)))


def _named(problem: Problem) -> dict[str, tuple[str, ...]]:
    """What names a workload: quotas, and futures, each of which is then of it alone."""
    named: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for quota in problem.quotas:
        for name in quota.workloads:
            named[name] += (f"quota {quota.name}",)
    for future in problem.scenarios if not isinstance(problem.scenarios, Generated) else ():
        for name in future.demand:
            named[name] += (f"future {future.name} of {name}",)
    return named


def _by_itself(load: Workload, capped: bool) -> bool:
    """Whether something is said of the workload that shares of a kind do not keep; `capped`: there are quotas."""
    routing, demand = load.routing, load.demand
    if load.recipes or load.adapters or demand.trace is not None:
        return True
    if not routing.splittable or routing.min_providers > 1 or (capped and load.arrival_cv != 1.0):
        return True
    if demand.requests_by_period is None or (load.window is None and load.deferrable_h is None):
        return False
    parts = routing.shares
    limited = routing.max_share_per_provider < 1 or load.needs.min_mean_quality is not None
    return load.window is not None or limited or bool(parts.models or parts.offers or parts.providers)


def _said(record: BaseModel, without: frozenset[str] = frozenset()) -> Hashable:
    """What a record says, beside its defaults."""
    fields = type(record).model_fields
    said = []
    for name in sorted(record.model_fields_set - without):
        value = getattr(record, name)
        if value != fields[name].default:
            said.append((name, _key(value)))
    return tuple(said)


def _key(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _said(value)
    if isinstance(value, Mapping):
        return tuple(sorted((name, _key(each)) for name, each in value.items()))
    if isinstance(value, list | tuple):
        return tuple(map(_key, value))
    return value  # a number, a name, a flag


def _volume(demand: Demand) -> tuple[str, Volume]:
    """The field that states it, and its figures."""
    (way,) = demand.model_fields_set - _BESIDE if len(demand.model_fields_set) == 1 else demand.ways
    stated = getattr(demand, way)
    return way, stated if isinstance(stated, tuple) else (stated,)


def _merged(problem: Problem, members: Mapping[str, Mapping[str, Volume]]) -> Problem:
    """One workload in place of each kind, with the volume of all; quotas name it for all."""
    others = {name for first, own in members.items() for name in own if name != first}
    loads = [
        _with_volume(load, total(members[load.name])) if load.name in members else load
        for load in problem.workloads
        if load.name not in others
    ]
    quotas = tuple(
        quota.model_copy(update={"workloads": tuple(name for name in quota.workloads if name not in others)})
        for quota in problem.quotas
    )
    return problem.model_copy(update={"workloads": tuple(loads), "quotas": quotas})


def _with_volume(load: Workload, volume: Volume) -> Workload:
    way = load.demand.way
    value = volume if way == "requests_by_period" else volume[0]
    return load.model_copy(update={"demand": load.demand.model_copy(update={way: value})})
