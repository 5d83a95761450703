"""Rules on origins and the ways from them: shares that make the whole, one row a way, routing that goes with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from router.errors import Issue, Path

if TYPE_CHECKING:  # Problem runs the rules itself
    from router.schema.problem import Problem


def origins_hold(problem: Problem) -> Iterator[Issue]:
    """Shares of origins make 1, and each origin is routed by itself: no route or provider is asked of all together."""
    names = {load.name for load in problem.workloads}
    for index, load in enumerate(problem.workloads):
        at: Path = ("workloads", index)
        if load.origin is None:
            continue
        whole = math.fsum(load.origin.values())
        if abs(whole - 1) > 1e-6:
            yield Issue((*at, "origin"), f"shares must make 1, not {whole:.9g}", None)
        if not load.routing.splittable:
            rule = "does not go with origin, whose parts are routed each by itself"
            yield Issue((*at, "routing", "splittable"), rule, False, "state one workload for each origin")
        if load.routing.min_providers > 1:
            rule = "does not go with origin, whose parts are routed each by itself"
            hint = "state one workload for each origin"
            yield Issue((*at, "routing", "min_providers"), rule, load.routing.min_providers, hint)
        for origin in load.origin:
            if f"{load.name} from {origin}" in names:
                rule = f'"{load.name} from {origin}" is the name of a workload too'
                yield Issue((*at, "origin", origin), rule, None, "rename one")


def links_unique(problem: Problem) -> Iterator[Issue]:
    """A way has one row."""
    first: dict[tuple[str, str], int] = {}
    for index, link in enumerate(problem.network):
        way = (link.from_, link.to)
        if way in first:
            rule = f"network[{first[way]}] has this way too"
            yield Issue(("network", index), rule, f"{link.from_} to {link.to}", "keep one")
        first.setdefault(way, index)


RULES: tuple[Callable[[Problem], Iterator[Issue]], ...] = (origins_hold, links_unique)
