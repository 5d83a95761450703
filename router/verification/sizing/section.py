"""The section `sizing` as its checks read it: a stated figure is ours, up to what two solves may differ by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from router.plan.sizing import Sizing
from router.verification.base.audit import Audit
from router.verification.base.case import Case
from router.verification.base.ledger import RELATIVE, Ledger

ROUNDING_USD = 1e-6


@dataclass(frozen=True)
class Section:
    """What is stated, and what it is held against."""

    audit: Audit
    stated: Sizing
    ledger: Ledger

    @property
    def case(self) -> Case:
        return self.audit.case

    @property
    def rp(self) -> float:
        """The plan's own objective."""
        return self.audit.objective_usd

    @property
    def bound(self) -> float:
        return self.audit.plan.bound_usd

    def room(self, usd: float) -> float:
        """How far a search may end on the wrong side of a bound: the solvers' own tolerance."""
        return RELATIVE * max(abs(usd), abs(self.rp)) + ROUNDING_USD

    def above_bound(self, usd: float, *where: object) -> None:
        """No decision is better than the bound."""
        right = usd >= self.bound - self.room(self.rp)
        self.ledger.require(right, *where, f"is {usd:.10g}, below bound_usd {self.bound:.10g}")

    def money(self, stated: float | None, value: float, *where: object) -> None:
        """A figure in USD that must be there."""
        if stated is None:
            self.ledger.fault(*where, "is not stated")
        else:
            self.ledger.money(stated, value, *where)

    def equal(
        self, stated: float | None, value: float | None, *where: object, slack: float = ROUNDING_USD
    ) -> None:
        """A figure that is to be `value`; None: not stated."""
        if value is None or stated is None:
            self.ledger.require(stated is value, *where, f"is {stated}, not {value}")
        else:
            self.ledger.equal(stated, value, *where, slack=slack)

    def of_future(self, values: Mapping[str, float] | None, name: str | None) -> float | None:
        """By scenario; of a certain future whatever its name."""
        if not values:
            return None
        alone = len(self.case.futures) == 1 and len(values) == 1
        return next(iter(values.values())) if alone else values.get(str(name))
