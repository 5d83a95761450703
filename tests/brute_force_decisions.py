"""Brute force, second part: all integer plans (counts, contracts, fees, bands, whole work) and their money."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, pairwise, product
from typing import Any

from brute_force_reading import MONTH_H, Data, Reading, TooLarge

type Choice = dict[Any, Any]


def powerset(items: list[Any]) -> Iterator[tuple[Any, ...]]:
    return chain.from_iterable(combinations(items, n) for n in range(len(items) + 1))


class Decisions(Reading):
    """What is decided in whole numbers, every way of deciding it, and what that costs by itself."""

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        self.pools = [
            (o, model)
            for o, offer in enumerate(self.offers)
            if "instances" in offer
            for model in ([None] if offer["instances"].get("shared_by_models") else offer["models"])
        ]
        self.decisions: list[tuple[Any, list[Any]]] = []
        for pool in self.pools:
            self._count_decisions(pool)
        for o, offer in enumerate(self.offers):
            self._contract_decisions(o, offer)
            if offer.get("fee_usd_per_month", 0) > 0:
                self.decisions.append((("active", o), [False, True]))
        self._routing_decisions()

    def _count_decisions(self, pool: tuple[int, Any]) -> None:
        instances = self.offers[pool[0]]["instances"]
        least, step, most = instances.get("min", 0), instances.get("step", 1), instances["max"]
        if not instances.get("integral", True):
            options = (
                [False, True] if least > 0 else [True]
            )  # open or not; the count itself is left to the LP
            if instances.get("term_months"):
                raise TooLarge("real counts with a term are not understood")
        else:
            options = [0, *range(least or step, most + 1, step)]
        if instances.get("term_months"):
            for k in self.months:
                self.decisions.append((("bought", pool, k), list(range(most + 1))))
        elif instances.get("resize") == "horizon":
            self.decisions.append((("held", pool), options))
        else:
            for t in range(self.n):
                self.decisions.append((("count", pool, t), options))

    def _contract_decisions(self, o: int, offer: Data) -> None:
        contract = offer.get("commitment")
        if contract is None:
            return
        term = contract.get("term_months")
        whole = term is None or term * MONTH_H >= self.n * self.h - 1e-9
        if contract.get("signed"):
            terms: list[tuple[int, ...]] = [(0,)]
        elif whole:
            terms = [(), (0,)]
        else:
            apart = [ks for ks in powerset(self.months) if all(b - a >= term for a, b in pairwise(ks))]
            terms = apart
        self.decisions.append((("terms", o), terms))
        step, least, most = (contract.get(f"{part}_usd_per_month") for part in ("step", "min", "max"))
        if step and not contract.get("signed"):
            volumes = [
                i * step for i in range(int(most / step + 1e-9) + 1) if i * step >= (least or 0) - 1e-9
            ]
            self.decisions.append((("volume", o), volumes))
        if contract.get("tiers"):
            for k in self.months:
                self.decisions.append((("band", o, k), list(range(len(contract["tiers"])))))

    def _routing_decisions(self) -> None:
        for c, cell in enumerate(self.cells):
            if not self.loads[cell.workload].get("routing", {}).get("splittable", True):
                mine = [r for r, route in enumerate(self.routes) if route.workload == cell.workload]
                self.decisions.append((("pick", c), mine or [None]))
        for w, load in enumerate(self.loads):
            wanted = load.get("routing", {}).get("min_providers", 1)
            if wanted > 1 and any(cell.workload == w for cell in self.cells):
                names = sorted({self._provider(r.offer) for r in self.routes if r.workload == w})
                sets = list(combinations(names, wanted))
                self.decisions.append((("carriers", w), sets or [None]))

    def choices(self) -> Iterator[Choice]:
        names = [name for name, _ in self.decisions]
        for values in product(*(options for _, options in self.decisions)):
            choice = dict(zip(names, values, strict=True))
            if self._fits(choice):
                yield choice

    def _fits(self, choice: Choice) -> bool:
        """Limits that concern whole counts only."""
        if any(value is None for value in choice.values()):
            return False
        for pool in self.pools:
            instances = self.offers[pool[0]]["instances"]
            if not instances.get("integral", True):
                continue
            counts = [self._count(choice, pool, t) for t in range(self.n)]
            least, step = instances.get("min", 0), instances.get("step", 1)
            for count in counts:
                if count > instances["max"] or (count and (count < least or (count - least) % step)):
                    return False
            started = self._started(choice, pool)
            for t in range(self.n):
                up = sum(started[u] for u in self._still_up(instances, t))
                if self._paid(choice, pool, t) < up:
                    return False
        return True

    def _still_up(self, instances: Data, t: int) -> list[int]:
        return [u for u in range(t + 1) if (t - u) * self.h < instances.get("min_up_h", 0) * (1 - 1e-12)]

    def _count(self, choice: Choice, pool: tuple[int, Any], t: int) -> int:
        instances = self.offers[pool[0]]["instances"]
        term = instances.get("term_months")
        if term:
            if instances.get("reserved"):
                raise TooLarge("reserved beside terms is not understood")
            return sum(choice["bought", pool, k] for k in self.months if k <= self.month[t] < k + term)
        return int(choice["held", pool] if ("held", pool) in choice else choice["count", pool, t])

    def _paid(self, choice: Choice, pool: tuple[int, Any], t: int) -> int:
        """Counts above what is reserved; the reserved ones go to the offer's pools in order."""
        instances = self.offers[pool[0]]["instances"]
        left = instances.get("reserved", 0)
        mine = [p for p in self.pools if p[0] == pool[0]]
        coupled = any(instances.get(key) for key in ("start_usd", "start_h", "min_up_h"))
        if left and coupled and (len(mine) > 1 or instances.get("min_up_h")):
            raise TooLarge("reserved instances of several pools with starts are not understood")
        if left and not instances.get("integral", True):
            raise TooLarge("reserved real counts are not understood")
        for other in mine:
            used = min(left, self._count(choice, other, t))
            if other == pool:
                return self._count(choice, pool, t) - used
            left -= used
        raise AssertionError(pool)

    def _started(self, choice: Choice, pool: tuple[int, Any]) -> list[int]:
        paid = [self._paid(choice, pool, t) for t in range(self.n)]
        return [max(0, now - before) for now, before in zip(paid, [0, *paid], strict=False)]

    def _integral(self, pool: tuple[int, Any]) -> bool:
        return bool(self.offers[pool[0]]["instances"].get("integral", True))

    def decided_usd(self, choice: Choice) -> float:
        """What the integers cost by themselves."""
        usd = 0.0
        kwh = self.policy.get("energy_usd_per_kwh", 0.0)
        for o, offer in enumerate(self.offers):
            if choice.get(("active", o)):
                usd += offer["fee_usd_per_month"] * sum(self.month_h.values()) / MONTH_H
            instances = offer.get("instances", {})
            reserved = instances.get("reserved", 0)
            hourly = instances.get("reserved_usd_per_h", instances.get("usd_per_h", 0.0))
            usd += reserved * self.n * self.h * (hourly + kwh * instances.get("power_kw", 0.0))
        for pool in self.pools:
            if self._integral(pool):
                usd += self._pool_usd(choice, pool, kwh)
        return usd

    def _pool_usd(self, choice: Choice, pool: tuple[int, Any], kwh: float) -> float:
        instances = self.offers[pool[0]]["instances"]
        hours = self.h * sum(self._paid(choice, pool, t) for t in range(self.n))
        usd = hours * (instances["usd_per_h"] + kwh * instances.get("power_kw", 0.0))
        if any(instances.get(key) for key in ("start_usd",)):
            usd += instances["start_usd"] * sum(self._started(choice, pool))
        upfront = instances.get("upfront_usd", 0.0)
        if instances.get("term_months"):
            for k in self.months:
                term_h = instances["term_months"] * MONTH_H
                beyond = max(0.0, k * MONTH_H + term_h - self.n * self.h)
                bought = choice["bought", pool, k]
                if self.in_full:
                    usd += bought * (upfront + beyond * instances["usd_per_h"])
                else:
                    usd += bought * upfront * (1 - beyond / term_h)
        elif upfront:
            usd += upfront * self._paid(choice, pool, 0)
        return usd
