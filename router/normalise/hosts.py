"""Hosts as arrays, and the commands that do not know them yet."""

from __future__ import annotations

import numpy as np

from problems.core.supply import Fleets, Hosts
from router.errors import InputError, Issue
from router.normalise.columns import floats, whole
from router.normalise.offers import or_else
from router.schema import Problem


def hosts(problem: Problem, fleets: Fleets) -> Hosts:
    """Machines, and the fleets that live in each."""
    sellers = [offer.name for offer in problem.sellers]
    owner = [sellers[o] for o in fleets.offer.tolist()]
    houses = [[name in host.offers for name in owner] for host in problem.hosts]
    usd_per_h = floats(problem.hosts, "usd_per_h")
    return Hosts(
        names=tuple(host.name for host in problem.hosts),
        seller=whole(sellers.index(host.name) for host in problem.hosts),
        usd_per_h=usd_per_h,
        units=floats(problem.hosts, "units"),
        max=floats(problem.hosts, "max"),
        reserved=floats(problem.hosts, "reserved"),
        reserved_usd_per_h=or_else(floats(problem.hosts, "reserved_usd_per_h"), usd_per_h),
        free_units=tuple(host.free_units for host in problem.hosts),
        houses=np.array(houses, dtype=bool).reshape(len(problem.hosts), len(owner)),
    )


def refuse_hosts(problem: Problem, command: str) -> None:
    """Raises `InputError` where a command does not count hosts yet."""
    if problem.hosts:
        issue = Issue(("hosts",), f"{command} does not count hosts yet", None, "plan with router solve")
        raise InputError([problem.positions.place(issue)])
