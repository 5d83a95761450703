"""The plan: what to buy and which workload goes where, with its cost, its bound and the proof. Frozen; JSON round trip.

Adding a field to a row or a section is one line; with `default=None` documents written before it stay valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from router.errors import InputError, Issue
from router.plan import version1
from router.plan.rows import (
    ContractRow,
    CostLine,
    InstanceRow,
    Purchase,
    Refused,
    RouteRow,
    ScenarioCost,
    Settlement,
    UnservedRow,
)
from router.plan.running import Reoptimised, Running
from router.plan.sizing import Sizing
from router.plan.values import (
    CLOSED,
    MONTH_H,
    Flag,
    Futures,
    Number,
    Positive,
    Whole,
    needed_fields,
    plain,
    to_json,
)

SCHEMA: Final = "router-plan/2"
HINT = "a plan is what `router solve FILE -o PLAN` writes"


@dataclass(frozen=True, slots=True, config=CLOSED)
class StatedOptions:
    """What the solver was asked; absent: its own default."""

    gap: Number | None = Field(default=None, description="Gap at which an answer counts as optimal")
    time_limit_s: Number | None = Field(default=None, description="Time limit of a search")
    threads: Whole | None = Field(default=None, description="Threads")
    seed: Whole | None = Field(default=None, description="Seed of the solver")
    relax: Flag | None = Field(default=None, description="Integrality dropped")
    primal_tolerance: Number | None = Field(default=None, description="Tolerance of limits, for LPs")
    dual_tolerance: Number | None = Field(default=None, description="Tolerance of reduced costs, for LPs")
    native: Mapping[str, Flag | Whole | Number | str] | None = Field(
        default=None, description="Options under the solver's own names"
    )


@dataclass(frozen=True, slots=True, config=CLOSED)
class SolverRun:
    """How the plan was found."""

    name: str = Field(description="Solver, as --solver takes it")
    options: StatedOptions = Field(default=StatedOptions(), description="What it was asked")
    method: str | None = Field(default=None, description="Of a sized plan: one program, or cuts")
    rounds: Whole | None = Field(default=None, description="Of a sized plan: rounds of cuts")


@dataclass(frozen=True, slots=True, config=CLOSED)
class ShadowPrice:
    """What one more unit of a limit would cost; below 0 it would save."""

    family: str = Field(description="Row family of the model")
    row: str = Field(description="Row: what it limits")
    usd_per_unit: Number = Field(description="USD for one unit more, in the unit of the family")


@dataclass(frozen=True, slots=True, config=CLOSED)
class ShadowPrices:
    """Prices of the limits that are reached, in the linear program left when what is whole is fixed."""

    fixed: str = Field(description="What was fixed to get them, or why there are none")
    rows: tuple[ShadowPrice, ...] = Field(description="Prices other than 0")
    units: Mapping[str, str] | None = Field(default=None, description="Unit by row family")


@dataclass(frozen=True, slots=True, config=CLOSED)
class VerifiedCheck:
    """One promise, looked at everywhere."""

    name: str = Field(description="Name of the check")
    ok: Flag = Field(description="Whether the promise holds")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Verified:
    """The verdict of the independent check when the plan was made."""

    ok: Flag = Field(description="Whether every promise holds")
    checks: tuple[VerifiedCheck, ...] = Field(description="Every check")


@dataclass(frozen=True, slots=True, config=CLOSED)
class Insurance:
    """What `policy.survive_loss_of` costs."""

    survive_loss_of: str = Field(description="What may be lost: provider or offer")
    usd: Number = Field(description="Cost above that of the best plan without the policy")
    without_usd: Number = Field(description="Cost of that plan")


@dataclass(frozen=True, slots=True, config=CLOSED)
class DrawnFutures:
    """How the futures of `scenarios: {generate: …}` were drawn."""

    count: Futures = Field(description="Futures drawn")
    seed: Whole = Field(description="Seed of the draw")
    kept: Futures = Field(description="Futures kept")
    distance: Number = Field(description="What leaving out the others lost, as a distance of distributions")


NO_PRICES = ShadowPrices("not asked for", ())
NOT_CHECKED = Verified(False, ())


def _per_month(values: Mapping[str, Any]) -> float:
    """cost_usd · 730 / horizon_h."""
    return float(values["cost_usd"] * MONTH_H / values["horizon_h"])


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Plan:
    """An answer that can be checked: `router verify FILE PLAN` needs nothing else."""

    schema: Literal["router-plan/2"] = Field(default=SCHEMA, description="Format of this document")
    upgraded_from: Literal["router-plan/1"] | None = Field(
        default=None,
        description="Format in which the plan was first written; problem_sha256 is made as there",
    )
    name: str = Field(description="Name of the problem")
    created: str = Field(description="When the plan was made, ISO 8601")
    problem_sha256: str = Field(description="Hash of the problem that it was made from")
    versions: Mapping[str, str] = Field(description="Versions of what made it")
    solver: SolverRun = Field(description="How it was found")
    stop: str = Field(description="Why the search ended: optimal, time_limit, …")
    cost_usd: Number = Field(description="Expected cost over the horizon, present value")
    objective_usd: Number = Field(
        description="What was made small: the cost, or a mixture of cost and CVaR (risk.cvar_weight)"
    )
    bound_usd: Number = Field(description="No plan has a lower objective")
    gap: Number = Field(description="(objective_usd − bound_usd) / objective_usd, 0 where they agree")
    horizon_h: Positive = Field(description="Length of the horizon")
    periods: Whole = Field(description="Number of periods")
    cost_usd_per_month: Number = Field(default_factory=_per_month, description="cost_usd · 730 / horizon_h")
    cost_lines: tuple[CostLine, ...] = Field(description="What the cost is made of")
    routes: tuple[RouteRow, ...] = Field(description="Who serves what, by period")
    instances: tuple[InstanceRow, ...] = Field(description="Instances, by period")
    purchases: tuple[Purchase, ...] = Field(default=(), description="Instances bought for a term")
    contracts: tuple[ContractRow, ...] = Field(default=(), description="Commitments in force")
    settlements: tuple[Settlement, ...] = Field(
        default=(), description="Bills of contracts, by billing month"
    )
    unserved: tuple[UnservedRow, ...] = Field(default=(), description="Work that is dropped")
    refused: tuple[Refused, ...] = Field(default=(), description="What cannot be served where, and why")
    prices: ShadowPrices = Field(default=NO_PRICES, description="Shadow prices")
    scenarios: tuple[ScenarioCost, ...] = Field(default=(), description="Futures of the problem")
    notes: tuple[str, ...] = Field(default=(), description="What to know before trusting a figure")
    verified: Verified = Field(default=NOT_CHECKED, description="The independent check")
    sizing: Sizing | None = Field(default=None, description="Of router size: what to sign, and why")
    running: Running | None = Field(default=None, description="Of router reoptimise: what ran")
    reoptimise: Reoptimised | None = Field(default=None, description="Of router reoptimise: why this plan")
    drawn: DrawnFutures | None = Field(default=None, description="How generated futures were drawn")
    insurance: Insurance | None = Field(default=None, description="What surviving a loss costs")

    def probabilities(self) -> dict[str | None, float]:
        """By what rows call their scenario; rows of a plan for one future name none."""
        return {None: 1.0} | {row.name: row.probability for row in self.scenarios}

    @property
    def first_schema(self) -> str:
        """Format in which the plan was first written."""
        return self.upgraded_from or self.schema

    @property
    def ok(self) -> bool:
        return self.verified.ok

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dict(plain(self))

    def to_json(self) -> str:
        """Keys sorted, so that equal plans are equal to the byte."""
        return to_json(self)

    @classmethod
    def from_dict(
        cls, data: object, problem: Mapping[str, Any] | None = None, *, file: str | None = None
    ) -> Plan:
        """Read back what `to_dict` made, in this version or in version 1.

        `problem`, as JSON values, dates the purchases of version 1. Raises InputError with the path of each fault.
        """
        stated = data.get("schema") if isinstance(data, Mapping) else None
        if not isinstance(data, Mapping) or stated not in (SCHEMA, version1.SCHEMA):
            rule = f"is not a plan file: schema must be {SCHEMA} or {version1.SCHEMA}"
            raise InputError(Issue(("schema",), rule, stated, HINT, file=file))
        if stated == version1.SCHEMA:
            data = version1.upgraded(data, problem) | {"schema": SCHEMA, "upgraded_from": stated}
        missing = [name for name in needed_fields(cls) if name not in data]
        if missing:
            raise InputError([Issue((name,), "is required", file=file) for name in missing])
        try:
            return TypeAdapter(cls).validate_python(data)
        except ValidationError as error:
            from router.schema.issues import issues_of  # only to say what is wrong

            raise InputError(issues_of(error, cls, file)) from error


TABLES: Mapping[str, type] = {
    "cost_lines": CostLine,
    "routes": RouteRow,
    "instances": InstanceRow,
    "purchases": Purchase,
    "contracts": ContractRow,
    "settlements": Settlement,
    "unserved": UnservedRow,
    "refused": Refused,
    "scenarios": ScenarioCost,
}
