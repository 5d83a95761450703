"""Every packing of replicas in hosts, tried one by one: what the plans of hosts are held to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from math import ceil, inf
from random import Random

from problem_factory import Data, gpu, hourly, problem


@dataclass(frozen=True)
class Kind:
    """A kind of host, and which sizes live there by place in the list."""

    units: int
    usd: int
    lives: tuple[int, ...]
    free: tuple[int, ...] = ()
    most: int | None = None


@dataclass(frozen=True)
class Packing:
    """Replicas by size, and kinds of hosts."""

    sizes: tuple[int, ...]
    replicas: tuple[int, ...]
    kinds: tuple[Kind, ...]

    @property
    def data(self) -> Data:
        """A problem that needs these replicas, the last one of each by half."""
        names = [f"r{i}" for i in range(len(self.sizes))]
        works = [
            hourly((n - 0.5) * 1e6, name) | {"models": [name]}
            for name, n in zip(names, self.replicas, strict=True)
        ]
        offers = [gpu(name, 0, 1, (name,), units=size) for name, size in zip(names, self.sizes, strict=True)]
        hosts = [
            {
                "name": f"host-{k}",
                "usd_per_h": kind.usd,
                "units": kind.units,
                "offers": [names[i] for i in kind.lives],
                "free_units": list(kind.free),
                **({} if kind.most is None else {"max": kind.most}),
            }
            for k, kind in enumerate(self.kinds)
        ]
        return problem(works, offers, hosts=hosts)

    def least_usd(self) -> float:
        """Of all packings; infinite where there is none."""
        free = [(k, units) for k, kind in enumerate(self.kinds) for units in kind.free]
        limits = tuple(kind.most if kind.most is not None else 99 for kind in self.kinds)

        def fillings(units: int, lives: tuple[int, ...], todo: tuple[int, ...]) -> list[tuple[int, ...]]:
            ranges = [
                range(min(todo[i], units // size) + 1) if i in lives else range(1)
                for i, size in enumerate(self.sizes)
            ]
            return [
                each
                for each in product(*ranges)
                if sum(n * size for n, size in zip(each, self.sizes, strict=True)) <= units
            ]

        @cache
        def cheapest(todo: tuple[int, ...], left: tuple[int, ...]) -> float:
            if not any(todo):
                return 0.0
            best = inf
            for k, kind in enumerate(self.kinds):
                if left[k] == 0:
                    continue
                after_left = (*left[:k], left[k] - 1, *left[k + 1 :])
                for each in fillings(kind.units, kind.lives, todo):
                    if any(each):
                        after = tuple(a - b for a, b in zip(todo, each, strict=True))
                        best = min(best, kind.usd + cheapest(after, after_left))
            return best

        ways = {self.replicas}
        for k, units in free:
            ways = {
                tuple(a - b for a, b in zip(todo, each, strict=True))
                for todo in ways
                for each in fillings(units, self.kinds[k].lives, todo)
            }
        return min(cheapest(todo, limits) for todo in ways)


def random_packing(rng: Random) -> Packing:
    """Two or three sizes, mostly such as do not divide each other, in one or two kinds of hosts."""
    sizes = tuple(sorted(rng.sample(range(1, 8), rng.choice((2, 2, 3)))))
    kinds = []
    for k in range(rng.choice((1, 1, 2))):
        units = rng.randint(max(sizes), 12) if k == 0 else rng.randint(min(sizes), 9)
        everyone = tuple(range(len(sizes)))
        lives = everyone if k == 0 else tuple(sorted(rng.sample(everyone, rng.randint(1, len(sizes)))))
        free = tuple(rng.randint(1, 10) for _ in range(rng.choice((0, 0, 1, 2))))
        most = None if k == 0 else rng.choice((None, 1, 2))
        kinds.append(Kind(units, rng.randint(ceil(units / 2), units + 3), lives, free, most))
    return Packing(sizes, tuple(rng.randint(1, 4) for _ in sizes), tuple(kinds))
