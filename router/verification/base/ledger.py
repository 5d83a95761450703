"""What a re-check says: one `Check` per promise, gathered by a `Ledger` that remembers the worst case."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

RELATIVE = 1e-6
"""How far a promise about quantities may be missed, as a part of its limit."""

MONEY_RELATIVE, MONEY_USD = 1e-9, 1e-6
"""How far two statements of the same amount may differ: part of the amount, plus USD."""

SHOWN = 3
"""Cases that a check spells out; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, looked at in every place where it is made.

    name    the promise, a stable word (`demand`, `throughput`, …)
    ok      whether it holds everywhere
    detail  what was looked at, or the first cases in which it does not hold
    worst   the largest miss seen, as a part of the limit (≥ 0; within tolerance if `ok`)
    """

    name: str
    ok: bool
    detail: str
    worst: float


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict on one plan. `cost_usd` is what the plan costs by our own arithmetic."""

    ok: bool
    checks: tuple[Check, ...]
    cost_usd: float

    def failed(self) -> tuple[str, ...]:
        """Names of the promises that do not hold, in the order they were looked at."""
        return tuple(check.name for check in self.checks if not check.ok)


@dataclass(slots=True)
class Ledger:
    """Collects the cases of one promise. `*where` names the place; it is put into words only on a miss."""

    name: str
    worst: float = 0.0
    looked_at: int = 0
    misses: int = 0
    shown: list[str] = field(default_factory=list)

    def fault(self, *where: object, worst: float = 1.0) -> None:
        """Record a miss outright."""
        self.looked_at += 1
        self.misses += 1
        self.worst = max(self.worst, worst)
        if len(self.shown) < SHOWN:
            self.shown.append(_words(where))

    def require(self, holds: bool, *where: object) -> None:
        """A promise that holds or does not, without a measure of how far."""
        if holds:
            self.looked_at += 1
        else:
            self.fault(*where)

    def at_most(self, value: float, limit: float, *where: object, slack: float = 1e-9) -> None:
        """value ≤ limit, up to `RELATIVE` of the limit and `slack` in its own unit."""
        self._judge(value - limit, (RELATIVE, slack), where, value, "exceeds", limit)

    def at_least(self, value: float, limit: float, *where: object, slack: float = 1e-9) -> None:
        """value ≥ limit, up to `RELATIVE` of the limit and `slack` in its own unit."""
        self._judge(limit - value, (RELATIVE, slack), where, value, "is below", limit)

    def equal(self, value: float, expected: float, *where: object, slack: float = 1e-6) -> None:
        """value = expected, up to `RELATIVE` of what is expected and `slack` in its own unit."""
        self._judge(abs(value - expected), (RELATIVE, slack), where, value, "should be", expected)

    def money(self, value: float, expected: float, *where: object) -> None:
        """Two statements of one amount in USD."""
        self._judge(abs(value - expected), (MONEY_RELATIVE, MONEY_USD), where, value, "should be", expected)

    def _judge(
        self,
        miss: float,
        room: tuple[float, float],
        where: tuple[object, ...],
        value: float,
        verb: str,
        limit: float,
    ) -> None:
        """`room`: part of the limit, and an amount besides, by which a promise may be missed."""
        if not miss > 0.0 and not math.isnan(miss):
            self.looked_at += 1
            return
        relative, slack = room
        scale = max(abs(limit), 1e-12)
        part = miss / max(scale, slack)
        if miss <= relative * scale + slack:
            self.looked_at += 1
            self.worst = max(self.worst, min(part, 1.0))
        else:
            worst = part if math.isfinite(part) else 1e300
            self.fault(*where, f"{value:.10g} {verb} {limit:.10g}", worst=worst)

    def check(self) -> Check:
        """The verdict."""
        if not self.misses:
            return Check(self.name, True, f"{self.looked_at} looked at", self.worst)
        more = f"; and {self.misses - len(self.shown)} more" if self.misses > len(self.shown) else ""
        return Check(self.name, False, "; ".join(self.shown) + more, self.worst)


class Ledgers(dict[str, Ledger]):
    """By the name of a check; one that is new is empty."""

    def __missing__(self, name: str) -> Ledger:
        return self.setdefault(name, Ledger(name))


def _words(where: tuple[object, ...]) -> str:
    return " ".join(str(part) for part in where if part is not None)
