"""The rows of a plan, as its JSON names them (`schema: router-plan/2`)."""

from __future__ import annotations

import math
from dataclasses import dataclass


def month_at(hour: float) -> int:
    """Billing month of an hour; one within 1e-9 of a border belongs to the later month."""
    return math.floor(hour / 730.0 + 1e-9)


@dataclass(frozen=True, slots=True)
class CostLine:
    offer: str | None
    kind: str
    usd: float


@dataclass(frozen=True, slots=True)
class Route:
    workload: str
    offer: str
    model: str
    period: int
    occurrence: int | None
    scenario: str | None
    share: float
    requests: float | None
    prompt_tokens: float
    completion_tokens: float


@dataclass(frozen=True, slots=True)
class Unserved:
    workload: str
    period: int | None
    occurrence: int | None
    scenario: str | None
    share: float
    requests: float | None
    prompt_tokens: float
    completion_tokens: float
    usd: float


@dataclass(frozen=True, slots=True)
class InstanceCount:
    offer: str
    model: str | None
    period: int
    scenario: str | None
    count: float
    reserved_count: float
    paid_count: float
    started: float
    utilisation: float | None


@dataclass(frozen=True, slots=True)
class Purchase:
    offer: str
    model: str | None
    from_h: float
    until_h: float | None
    count: float

    @property
    def month(self) -> int:
        return month_at(self.from_h)


@dataclass(frozen=True, slots=True)
class Contract:
    offer: str
    from_h: float
    until_h: float
    signed_by: str
    committed_tokens_per_month: float | None
    committed_usd_per_month: float | None

    @property
    def start_month(self) -> int:
        return month_at(self.from_h)

    @property
    def end_month(self) -> int:
        return -month_at(-self.until_h)


@dataclass(frozen=True, slots=True)
class Settlement:
    offer: str
    from_h: float
    until_h: float
    scenario: str | None
    signed: bool
    committed_tokens_per_month: float | None
    committed_usd_per_month: float | None
    used_tokens: float
    used_usd: float
    billed_usd: float
    beyond_horizon_usd: float
    utilisation: float | None

    @property
    def month(self) -> int:
        return month_at(self.from_h)


@dataclass(frozen=True, slots=True)
class Refusal:
    workload: str
    offer: str
    model: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScenarioCost:
    name: str
    probability: float
    cost_usd: float
    demand_path: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class PlanRows:
    """Everything in a plan that makes a promise. Numbers at the top are None where the plan has none."""

    name: str | None
    problem_sha256: str | None
    cost_usd: float | None
    objective_usd: float | None
    bound_usd: float | None
    gap: float | None
    horizon_h: float | None
    cost_usd_per_month: float | None
    cost_lines: tuple[CostLine, ...]
    routes: tuple[Route, ...]
    instances: tuple[InstanceCount, ...]
    purchases: tuple[Purchase, ...]
    contracts: tuple[Contract, ...]
    settlements: tuple[Settlement, ...]
    unserved: tuple[Unserved, ...]
    refused: tuple[Refusal, ...]
    scenarios: tuple[ScenarioCost, ...]
