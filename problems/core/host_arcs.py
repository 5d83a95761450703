"""How instances of whole sizes may stand in a host: an arc flow over its units, where sizes do not divide each other.

    nodes   units that are filled, 0 … the largest host; a smaller one starts further on, so that all end alike
    arcs    (from, size): an instance of the size stands there
    hosts   paths: the flow is whole, so that it is a sum of them

Larger instances stand first, which leaves no packing out; an arc is there only where some path comes to it.
(J. M. Valério de Carvalho, "Exact solution of bin-packing problems using column generation and branch-and-bound",
Annals of Operations Research 86, 1999.) Its relaxation is as strong as that of all patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import gcd

from solvers.core.record import Record

type Arc = tuple[int, int]
"""Units filled before an instance, and its size."""


class HostArcs(Record):
    """The arcs of a kind of host; units and sizes are in multiples of `unit`, the largest that divides all sizes."""

    unit: int
    width: int
    arcs: tuple[Arc, ...]

    def start(self, units: float) -> int:
        """The node at which a host of so many units begins."""
        return self.width - int(units // self.unit)


def host_arcs(sizes: Iterable[float], hosts: Sequence[float]) -> HostArcs:
    """Arcs of whole sizes > 0 in hosts of so many units (of several sizes, where some are free of charge).

    Their number is at most the width times the number of sizes.
    """
    whole = sorted({round(size) for size in sizes}, reverse=True)
    unit = gcd(*whole)
    width = max(int(units // unit) for units in hosts)
    nodes = {width - int(units // unit) for units in hosts}
    arcs: list[Arc] = []
    for size in (size // unit for size in whole):
        for node in range(width - size + 1):
            if node in nodes:
                arcs.append((node, size))
                nodes.add(node + size)
    return HostArcs(unit, width, tuple(arcs))


def divide_each_other(sizes: Iterable[float]) -> bool:
    """Whether each size divides the next larger: then no arcs are needed (see `problems.hosts`)."""
    return all(large % small == 0 for small, large in pairwise(sorted(set(sizes))))
