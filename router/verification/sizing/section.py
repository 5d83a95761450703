"""The section `sizing` as its checks read it: a stated figure is ours, up to what two solves may differ by.

A field that a row does not have makes no promise (an older plan); one that is there is a number, or null where it
should be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from router.verification.base.audit import Audit
from router.verification.base.case import Case
from router.verification.base.ledger import RELATIVE, Ledger
from router.verification.reading import is_number

type Row = Mapping[str, object]

ROUNDING_USD = 1e-6


def number(value: object) -> float | None:
    return float(value) if is_number(value) else None


def listed(value: object) -> list[object]:
    """A list as it is; anything else is empty."""
    return list(value) if isinstance(value, list | tuple) else []


@dataclass(frozen=True)
class Section:
    """What is stated, and what it is held against."""

    audit: Audit
    stated: Row
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
        bound = self.audit.rows.bound_usd
        return -math.inf if bound is None else bound

    def room(self, usd: float) -> float:
        """How far a search may end on the wrong side of a bound: the solvers' own tolerance."""
        return RELATIVE * max(abs(usd), abs(self.rp)) + ROUNDING_USD

    def above_bound(self, usd: float, *where: object) -> None:
        """No decision is better than the bound."""
        right = usd >= self.bound - self.room(self.rp)
        self.ledger.require(right, *where, f"is {usd:.10g}, below bound_usd {self.bound:.10g}")

    def same(self, name: str, value: float) -> None:
        """A figure of the section itself; it must be there."""
        stated = number(self.stated.get(name))
        if stated is None:
            self.ledger.fault(name, "is not stated")
        else:
            self.ledger.money(stated, value, name)

    def field(
        self, row: Row, name: str, value: float | None, *where: object, slack: float = ROUNDING_USD
    ) -> None:
        """A field of a row; None: null."""
        if name not in row:
            return
        stated = number(row[name])
        if value is None:
            self.ledger.require(row[name] is None, *where, name, f"is {row[name]!r}, not null")
        elif stated is None:
            self.ledger.fault(*where, name, f"is {row[name]!r}, not {value:.10g}")
        else:
            self.ledger.equal(stated, value, *where, name, slack=slack)

    def table(self, name: str) -> list[Row]:
        """Rows of the section."""
        return self.rows_of(self.stated, name)

    def rows_of(self, row: Row, name: str, *where: object) -> list[Row]:
        rows = row.get(name, ())
        if not isinstance(rows, list | tuple) or not all(isinstance(each, Mapping) for each in rows):
            self.ledger.fault(*where, name, "is no list of rows")
            return []
        return list(rows)

    def of_future(self, values: object, name: str | None) -> float | None:
        """By scenario; of a certain future whatever its name."""
        if not isinstance(values, Mapping):
            return None
        alone = len(self.case.futures) == 1 and len(values) == 1
        return number(next(iter(values.values())) if alone else values.get(name))
