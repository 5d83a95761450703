"""What runs already, in the terms of a new problem: the section `running` of a plan that replaces another."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RunningShare:
    """A share of a cell of the new problem; `period` for ordinary work, `occurrence` for work that may move."""

    workload: str
    offer: str
    model: str
    period: int | None
    occurrence: int | None
    share: float


@dataclass(frozen=True, slots=True)
class RunningCount:
    offer: str
    model: str | None
    period: int
    count: float


@dataclass(frozen=True, slots=True)
class RunningBefore:
    """Instances paid for that run at hour 0 and need no start."""

    offer: str
    model: str | None
    paid_count: float


@dataclass(frozen=True, slots=True)
class SunkContract:
    """Signed by an earlier plan, in force from the start of the horizon until `end_h`; its volume is settled."""

    offer: str
    end_h: float
    committed_tokens_per_month: float | None
    committed_usd_per_month: float | None


@dataclass(frozen=True, slots=True)
class SunkPurchase:
    """Instances bought by an earlier plan for a term that ends at `end_h`."""

    offer: str
    model: str | None
    end_h: float
    count: float


@dataclass(frozen=True)
class Running:
    """The section `running` of a plan."""

    aligned_by: str  # time | period
    shift_h: float  # from the running plan's start to the new one's
    freeze_h: float  # as applied
    shares: tuple[RunningShare, ...]
    counts: tuple[RunningCount, ...]
    before: tuple[RunningBefore, ...]
    contracts: tuple[SunkContract, ...]
    purchases: tuple[SunkPurchase, ...]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)
