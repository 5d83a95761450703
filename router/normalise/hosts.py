"""Hosts as arrays."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats
from problems.core.instance import Time
from problems.core.supply import Fleets, Hosts, Offers
from router.errors import InputError
from router.loading.catalogue import input_issue
from router.normalise.columns import floats, whole
from router.normalise.fleets import due, least_in
from router.normalise.offers import or_else
from router.normalise.schedule import Timetable
from router.schema import Problem


def hosts(problem: Problem, fleets: Fleets, offers: Offers, time: Time, rules: Timetable) -> Hosts:
    """Machines, and the fleets that live in each.

    Raises `InputError` where one opens or closes within a period: what lives there would serve for a part of it.
    """
    sellers = [offer.name for offer in problem.sellers]
    owner = [sellers[o] for o in fleets.offer.tolist()]
    houses = [[name in host.offers for name in owner] for host in problem.hosts]
    seller = whole(sellers.index(host.name) for host in problem.hosts)
    usd_per_h = floats(problem.hosts, "usd_per_h")
    stated = or_else(floats(problem.hosts, "reserved_usd_per_h"), usd_per_h)

    def figures(field: str) -> Floats:
        return rules.figures([(o, ("instances", field)) for o in seller], floats(problem.hosts, field))

    is_open = offers.open[seller]
    part = time.by_period(is_open)
    _refuse_parts(problem, part)
    reserved = figures("reserved")
    return Hosts(
        names=tuple(host.name for host in problem.hosts),
        seller=seller,
        usd_per_h=usd_per_h,
        rent_usd=time.by_period(figures("usd_per_h") * rules.factor[seller] * is_open) * time.period_h,
        units=floats(problem.hosts, "units"),
        max=np.where(part > 0, least_in(figures("max"), is_open, time), 0.0),
        reserved=np.where(part > 0, least_in(reserved, is_open, time), 0.0),
        reserved_usd=time.by_period(reserved * due(offers, time)[seller]) * stated[:, None] * time.period_h,
        open=part > 0,
        horizon=np.array([host.resize == "horizon" for host in problem.hosts], dtype=bool),
        free_units=tuple(host.free_units for host in problem.hosts),
        houses=np.array(houses, dtype=bool).reshape(len(problem.hosts), len(owner)),
    )


def _refuse_parts(problem: Problem, part: Floats) -> None:
    text = "opens or closes within a period: what lives there would serve for a part of it, and nothing says which"
    issues = [
        input_issue(problem, ("hosts", int(h), "schedule"), None, text, "periods in which it does neither")
        for h in np.flatnonzero(((part > 0) & (part < 1)).any(axis=1))
    ]
    if issues:
        raise InputError(issues)
