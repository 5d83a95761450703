"""What a store holds of a plan, apart from how it is kept: no database is needed to speak of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.plan.document import Plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is stored beside a plan. `running_usd` is null for a first plan and where the plan replaced was broken."""

    run_key: str
    reason: str
    running_usd: float | None
    unconstrained_usd: float | None
    moved_share: float | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A plan without its rows."""

    id: int
    name: str
    run_key: str
    created: str
    reason: str
    status: str
    cost_usd: float
    gap: float | None
    running_usd: float | None
    unconstrained_usd: float | None
    moved_share: float | None
    damaged: str | None = None  # why it does not read back whole


@dataclass(frozen=True, slots=True)
class Entry:
    """A published plan and the problem it is for, demand and all (`router/1` as JSON)."""

    id: int
    run_key: str
    plan: Plan
    problem: Mapping[str, Any]
