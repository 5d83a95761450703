"""Brute force, first part: a problem file's data as cells of work and routes that could carry them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MONTH_H = 730.0
type Data = dict[str, Any]


class TooLarge(Exception):
    """More integer plans than anyone wants to try."""


@dataclass(frozen=True)
class Route:
    workload: int
    offer: int
    model: str
    tokens: float
    requests: float
    units: float
    usd: float
    fee: float
    load_s: tuple[float, float]  # prompt side, completion side
    prompt: float
    uncached: float

    def of(self, what: str) -> float:
        """What a cap counts of a unit of work."""
        sums = {
            "prompt_tokens": self.prompt,
            "uncached_prompt_tokens": self.uncached,
            "completion_tokens": self.tokens - self.prompt,
            "usd": self.usd + self.fee,
        }
        return sums[what] if what in sums else float(getattr(self, what))


@dataclass(frozen=True)
class Cell:
    workload: int
    work: float
    runs: tuple[int, ...]


class Reading:
    """Periods, months, workloads and offers."""

    def __init__(self, data: Data) -> None:
        self.data = data
        horizon = data.get("horizon", {})
        self.n, self.h = horizon.get("periods", 1), float(horizon.get("period_h", 730.0))
        self.month = [int(t * self.h / MONTH_H + 1e-9) for t in range(self.n)]
        self.months = sorted(set(self.month))
        self.month_h = {k: self.month.count(k) * self.h for k in self.months}
        self.policy = data.get("policy", {})
        self.in_full = self.policy.get("end_of_horizon") == "charge_in_full"
        self.loads, self.offers = data["workloads"], data["offers"]
        self.cells = [cell for w in range(len(self.loads)) for cell in self._cells(w)]
        self.routes = [route for w in range(len(self.loads)) for route in self._routes(w)]

    def _size(self, w: int) -> tuple[float, float, float, float, bool]:
        """Prompt, cached, written and completion tokens of a unit of work; whether it is a request."""
        load = self.loads[w]
        share = load["demand"].get("completion_share")
        prompt, completion = (
            (1 - share, share) if share is not None else (load["prompt_tokens"], load["completion_tokens"])
        )
        cached, written = (
            prompt * load.get(f"{kind}_share", 0.0) for kind in ("cached_prompt", "cache_write")
        )
        return prompt, cached, written, completion, share is None

    def _arrivals(self, w: int) -> list[float]:
        """Units of work that arrive in each period."""
        demand = self.loads[w]["demand"]
        if "requests_by_period" in demand:
            return list(demand["requests_by_period"])
        way = next(key for key in demand if key != "completion_share")
        prompt, _, _, completion, sized = self._size(w)
        per = prompt + completion if way.startswith("tokens") and sized else 1.0
        if way.endswith("_total"):
            return [demand[way] / per / self.n] * self.n
        hours = {"s": 1 / 3600, "hour": 1, "day": 24, "month": MONTH_H}[way.rsplit("_", 1)[1]]
        return [demand[way] / per / hours * self.h] * self.n

    def _cells(self, w: int) -> Iterator[Cell]:
        load, arrivals = self.loads[w], self._arrivals(w)
        if "window" in load:
            yield from self._window_cells(w, arrivals)
            return
        for t, work in enumerate(arrivals):
            late = load.get("deferrable_h", 0.0)
            runs = [u for u in range(t, self.n) if u == t or (u - t) * self.h < late * (1 - 1e-12)]
            if work > 0:
                yield Cell(w, work, tuple(runs))

    def _window_cells(self, w: int, arrivals: list[float]) -> Iterator[Cell]:
        """Occurrences by day from the one before the horizon on; the horizon starts at midnight."""
        load = self.loads[w]
        start, end = (
            int(clock[:2]) + int(clock[3:]) / 60 for clock in (load["window"]["start"], load["window"]["end"])
        )
        length = (end - start) % 24 or 24.0
        horizon = self.n * self.h
        found = []
        for day in range(-1, int(horizon // 24) + 2):
            begin = day * 24 + start
            low, high = max(begin, 0.0), min(begin + length, horizon)
            if high > low + 1e-9:
                found.append((day, low, high))
        whole = sum(high - low for _, low, high in found)
        for day, low, high in found:
            if load["demand"].get("requests_by_period"):
                daily = sum(a for t, a in enumerate(arrivals) if int(t * self.h // 24) == day)
                work = daily * (high - low) / length
            elif any(key.endswith("_total") for key in load["demand"]):
                work = sum(arrivals) * (high - low) / whole
            else:
                work = arrivals[0] / self.h * 24 * (high - low) / length
            runs = [t for t in range(self.n) if t * self.h >= low - 1e-9 and (t + 1) * self.h <= high + 1e-9]
            touched = [t for t in range(self.n) if t * self.h < high - 1e-9 and (t + 1) * self.h > low + 1e-9]
            if runs != touched:
                raise TooLarge("windows over parts of periods are not understood")
            if work > 0:
                yield Cell(w, work, tuple(runs))

    def _routes(self, w: int) -> Iterator[Route]:
        load = self.loads[w]
        prompt, cached, written, completion, sized = self._size(w)
        routing = load.get("routing", {})
        for o, offer in enumerate(self.offers):
            allowed = routing.get("allow_offers") or [offer["name"]]
            if offer["name"] not in allowed or offer["name"] in routing.get("deny_offers", []):
                continue
            for model in load["models"]:
                entry = offer["models"].get(model)
                if entry is None or (not sized and self._counted(load["name"], offer, entry)):
                    continue
                units = (
                    (prompt - cached) * entry.get("prompt_burndown", 1)
                    + cached * entry.get("cached_prompt_burndown", entry.get("prompt_burndown", 1))
                    + completion * entry.get("completion_burndown", 1)
                )
                longer = entry.get("long_prompt") or {}
                if not sized and ("usd_per_request" in entry or longer):
                    continue
                asked = entry | longer if longer and prompt > longer["above_tokens"] else entry
                usd = self._token_usd(offer, asked, prompt, cached, written, completion)
                fee = entry.get("usd_per_request", 0.0)
                load_s = (
                    self._load_s(entry, prompt, completion, units, sized) if "instances" in offer else (0, 0)
                )
                if usd is not None and load_s is not None:
                    tokens = prompt + completion
                    yield Route(
                        w,
                        o,
                        model,
                        tokens,
                        1.0 if sized else 0.0,
                        units,
                        usd,
                        fee,
                        load_s,
                        prompt,
                        prompt - cached,
                    )

    def _counted(self, load: str, offer: Data, entry: Data) -> bool:
        """Whether a quota counts requests of the route."""
        quotas = [offer.get("quota", {}), entry.get("quota", {})]
        for shared in self.data.get("quotas", []):
            named, loads = shared.get("offers", []), shared.get("workloads", [])
            if offer["name"] in (named or [offer["name"]]) and load in (loads or [load]):
                quotas.append(shared)
        return any(key.startswith("requests_per") for quota in quotas for key in quota)

    def _token_usd(
        self, offer: Data, entry: Data, prompt: float, cached: float, written: float, completion: float
    ) -> float | None:
        if offer.get("commitment", {}).get("tiers"):
            return 0.0
        prices = [entry.get(f"{kind}_usd_per_m") for kind in ("prompt", "completion")]
        if prices == [None, None]:
            return 0.0 if "instances" in offer or "usd_per_request" in entry else None
        if (prompt and prices[0] is None) or (completion and prices[1] is None):
            return None
        per_prompt = prices[0] or 0.0
        usd = (prompt - cached - written) * per_prompt
        usd += cached * entry.get("cached_prompt_usd_per_m", per_prompt)
        usd += written * entry.get("cache_write_usd_per_m", per_prompt)
        return (usd + completion * (prices[1] or 0.0)) / 1e6

    def _load_s(
        self, entry: Data, prompt: float, completion: float, units: float, sized: bool
    ) -> tuple[float, float] | None:
        if "points" in entry:
            raise TooLarge("points are not understood")
        if "tokens_per_s" in entry:
            return ((prompt + completion) / entry["tokens_per_s"],) * 2
        if "units_per_s" in entry:
            return (units / entry["units_per_s"],) * 2
        if "requests_per_s" in entry:
            return (1 / entry["requests_per_s"],) * 2 if sized else None
        first, second = prompt / entry["prompt_tokens_per_s"], completion / entry["completion_tokens_per_s"]
        return (first, second) if entry.get("disaggregated") else (first + second,) * 2
