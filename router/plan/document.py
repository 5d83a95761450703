"""The plan: what to buy and which workload goes where, with its cost, its bound and the proof. Frozen; JSON round trip.

Rows are plain records in the units of the problem file. `scenario` is null in plans for one future.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from problems.core.instance import HOURS_PER_MONTH

SCHEMA = "router-plan/1"


@dataclass(frozen=True, slots=True)
class CostLine:
    """Money by offer and kind; the lines sum to the plan's cost. `offer` is null for what no offer is paid."""

    offer: str | None
    kind: str
    usd: float


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A share of a workload's work, run on an offer in a period."""

    workload: str
    offer: str
    model: str
    period: int
    occurrence: int | None  # arrival period, or day of the window; null for work of the period itself
    scenario: str | None
    share: float
    requests: float | None
    prompt_tokens: float
    completion_tokens: float


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """Instances that run in a period; `model` is null where all models of the offer share them."""

    offer: str
    model: str | None
    period: int
    scenario: str | None
    count: float
    reserved_count: float
    paid_count: float
    started: float
    utilisation: float


@dataclass(frozen=True, slots=True)
class Purchase:
    """Instances bought for a term, from the start of a billing month."""

    offer: str
    model: str | None
    month: int
    count: float


@dataclass(frozen=True, slots=True)
class ContractRow:
    """A commitment in force: signed by this plan, or before it."""

    offer: str
    start_month: int
    end_month: int  # exclusive; may lie beyond the horizon
    signed_by: str  # "plan" | "before"
    committed_tokens_per_month: float | None
    committed_usd_per_month: float | None


@dataclass(frozen=True, slots=True)
class CommitmentRow:
    """The settlement of a contract in one billing month."""

    offer: str
    month: int
    scenario: str | None
    signed: bool
    committed_tokens_per_month: float | None
    committed_usd_per_month: float | None
    used_tokens: float
    used_usd: float
    billed_usd: float
    beyond_horizon_usd: float
    utilisation: float | None  # used / committed, in the commitment's own unit


@dataclass(frozen=True, slots=True)
class UnservedRow:
    """Work that is dropped, at its price."""

    workload: str
    period: int
    occurrence: int | None
    scenario: str | None
    share: float
    requests: float | None
    prompt_tokens: float
    completion_tokens: float
    usd: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A workload that an offer cannot serve with a model, with every reason."""

    workload: str
    offer: str
    model: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScenarioCost:
    """A future and its cost; `demand_path` are a generated one's multipliers of demand stated as a rate, by period."""

    name: str
    probability: float
    cost_usd: float
    demand_path: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """An answer that can be checked: `router verify FILE PLAN` needs nothing else."""

    name: str
    created: str
    problem_sha256: str
    versions: Mapping[str, str]
    solver: Mapping[str, Any]
    stop: str
    cost_usd: float
    objective_usd: float
    bound_usd: float
    gap: float
    horizon_h: float
    periods: int
    cost_lines: tuple[CostLine, ...]
    routes: tuple[RouteRow, ...]
    instances: tuple[InstanceRow, ...]
    purchases: tuple[Purchase, ...] = ()
    contracts: tuple[ContractRow, ...] = ()
    commitments: tuple[CommitmentRow, ...] = ()
    unserved: tuple[UnservedRow, ...] = ()
    refused: tuple[Refused, ...] = ()
    prices: Mapping[str, Any] = field(default_factory=dict)
    scenarios: tuple[ScenarioCost, ...] = ()
    notes: tuple[str, ...] = ()
    verified: Mapping[str, Any] = field(default_factory=lambda: {"ok": False, "checks": []})
    extra: Mapping[str, Any] = field(default_factory=dict)  # sections of other commands, such as `sizing`

    @property
    def cost_usd_per_month(self) -> float:
        """cost_usd · 730 / horizon_h."""
        return self.cost_usd * HOURS_PER_MONTH / self.horizon_h

    def probabilities(self) -> dict[str | None, float]:
        """By what rows call their scenario; rows of a plan for one future name none."""
        return {None: 1.0} | {row.name: row.probability for row in self.scenarios}

    @property
    def ok(self) -> bool:
        return bool(self.verified["ok"])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `extra` sections stand at the top level."""
        made = plain(self)
        extra = made.pop("extra")
        return {**made, **extra, "schema": SCHEMA, "cost_usd_per_month": self.cost_usd_per_month}

    def to_json(self) -> str:
        """Keys sorted, so that equal plans are equal to the byte."""
        return to_json(self.to_dict())

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Read back what `to_dict` made; unknown top-level sections are kept in `extra`. Raises ValueError."""
        if data.get("schema") != SCHEMA:
            raise ValueError(f"schema is {data.get('schema')!r}, not {SCHEMA!r}")
        known = {item.name for item in dataclasses.fields(cls)} - {"extra"}
        values = {key: value for key, value in data.items() if key in known}
        missing = sorted(
            item.name
            for item in dataclasses.fields(cls)
            if item.name not in values
            and item.default is dataclasses.MISSING
            and item.default_factory is dataclasses.MISSING
        )
        if missing:
            raise ValueError(f"the plan lacks {', '.join(missing)}")
        for name, kind in ROWS.items():
            values[name] = tuple(
                _row(kind, row, f"{name}[{i}]") for i, row in enumerate(values.get(name, ()))
            )
        values["notes"] = tuple(values.get("notes", ()))
        derived = {"schema", "cost_usd_per_month"}
        extra = {key: value for key, value in data.items() if key not in known | derived}
        return cls(**values, extra=extra)


ROWS: Mapping[str, type] = {
    "cost_lines": CostLine,
    "routes": RouteRow,
    "instances": InstanceRow,
    "purchases": Purchase,
    "contracts": ContractRow,
    "commitments": CommitmentRow,
    "unserved": UnservedRow,
    "refused": Refused,
    "scenarios": ScenarioCost,
}


def _row(kind: type, row: Mapping[str, Any], where: str) -> Any:
    try:
        made = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        return kind(**made)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def to_json(value: Any) -> str:
    """Rows and mappings as JSON: keys sorted, no NaN."""
    return json.dumps(plain(value), sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def plain(value: Any) -> Any:
    """Plain JSON values; what is not finite becomes null."""
    if dataclasses.is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
