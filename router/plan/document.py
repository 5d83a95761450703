"""The plan: what to buy and which workload goes where, with its cost, its bound and the proof. Frozen; JSON round trip.

Adding a field to a row or a section is one line; with `default=None` documents written before it stay valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, fields
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from router.errors import InputError, Issue, from_extra
from router.plan import version1
from router.plan.proof import Proof
from router.plan.rows import (
    AlikeWorkloads,
    ContractRow,
    CostLine,
    CoverageRow,
    CreditRow,
    HostRow,
    InstanceRow,
    MinuteSource,
    Purchase,
    QuotaRow,
    Refused,
    RouteRow,
    ScenarioCost,
    Settlement,
    SpillOrder,
    TableFile,
    UnservedRow,
)
from router.plan.values import (
    Flag,
    Futures,
    Moment,
    Number,
    Positive,
    Whole,
    needed_fields,
    plain,
    record,
    stated,
    to_json,
)

if TYPE_CHECKING:
    from router.plan.running import Reoptimised, Running
    from router.plan.sizing import Sizing

SCHEMA: Final = "router-plan/2"
LONGEST_NAME = 60  # in one line
HINT = "a plan is what `router solve FILE -o PLAN` writes"


@record
class StatedOptions:
    """What the solver was asked; absent: its own default."""

    gap: Number | None = stated("Gap at which an answer counts as optimal", default=None)
    time_limit_s: Number | None = stated("Time limit that was asked for, of the whole command", default=None)
    threads: Whole | None = stated("Threads", default=None)
    seed: Whole | None = stated("Seed of the solver", default=None)
    relax: Flag | None = stated("Integrality dropped", default=None)
    primal_tolerance: Number | None = stated("Tolerance of limits, for LPs", default=None)
    dual_tolerance: Number | None = stated("Tolerance of reduced costs, for LPs", default=None)
    native: Mapping[str, Flag | Whole | Number | str] | None = stated(
        "Options under the solver's own names", default=None
    )


@record
class SolverRun:
    """How the plan was found."""

    name: str = stated("Solver, as --solver takes it")
    options: StatedOptions = stated("What it was asked", default=StatedOptions())
    method: str | None = stated("Of a sized plan: one program, or cuts", default=None)
    rounds: Whole | None = stated("Of a sized plan: rounds of cuts", default=None)


@record
class ShadowPrice:
    """What one more unit of a limit would cost; below 0 it would save."""

    family: str = stated("Row family of the model")
    row: str = stated("Row: what it limits")
    usd_per_unit: Number = stated("USD for one unit more, in the unit of the family")


@record
class ShadowPrices:
    """Prices of the limits that are reached, in the linear program left when what is whole is fixed."""

    fixed: str = stated("What was fixed to get them, or why there are none")
    rows: tuple[ShadowPrice, ...] = stated("Prices other than 0")
    units: Mapping[str, str] | None = stated("Unit by row family", default=None)
    checked: Flag | None = stated(
        "false: the prices, their rows and units are the solver's word, at which router verify does not look",
        default=None,
    )


@record
class VerifiedCheck:
    """One promise, looked at everywhere."""

    name: str = stated("Name of the check")
    ok: Flag = stated("Whether the promise holds")


@record
class Verified:
    """The verdict of the independent check when the plan was made."""

    ok: Flag = stated("Whether every promise holds")
    checks: tuple[VerifiedCheck, ...] = stated("Every check")


@record
class Insurance:
    """What `policy.survive_loss_of` costs."""

    survive_loss_of: str = stated("What may be lost: provider or offer")
    usd: Number = stated("Cost above that of the best plan without the policy")
    without_usd: Number = stated("Cost of that plan")


@record
class DrawnFutures:
    """How the futures of `scenarios: {generate: …}` were drawn."""

    count: Futures = stated("Futures drawn")
    seed: Whole = stated("Seed of the draw")
    kept: Futures = stated("Futures kept")
    distance: Number = stated("What leaving out the others lost, as a distance of distributions")


NO_PRICES = ShadowPrices("not asked for", ())
NOT_CHECKED = Verified(False, ())


@record
class Plan:
    """An answer that can be checked: `router verify FILE PLAN` needs nothing else."""

    _: KW_ONLY
    schema: Literal["router-plan/2"] = stated("Format of this document", default=SCHEMA)
    upgraded_from: Literal["router-plan/1"] | None = stated(
        "Format in which the plan was first written; problem_sha256 is made as there", default=None
    )
    name: str = stated("Name of the problem")
    created: str = stated("When the plan was made, ISO 8601")
    problem_sha256: str = stated("Hash of the problem that it was made from")
    start: Moment | None = stated(
        "Start of period 0, which takes the place of the file's; local time unless it has an offset",
        default=None,
    )
    repeat_daily: Flag | None = stated(
        "Demand that the file lists by period was moved to this start by clock time", default=None
    )
    versions: Mapping[str, str] = stated("Versions of what made it")
    solver: SolverRun = stated("How it was found")
    stop: str = stated("Why the search ended: optimal, time_limit, …")
    cost_usd: Number = stated("Expected cost over the horizon, present value")
    objective_usd: Number = stated(
        "What was made small: the cost, or a mixture of cost and CVaR (risk.cvar_weight)"
    )
    bound_usd: Number = stated("No plan has a lower objective")
    gap: Number = stated("(objective_usd − bound_usd) / objective_usd, 0 where they agree")
    horizon_h: Positive = stated("Length of the horizon")
    periods: Whole = stated("Number of periods")
    cost_usd_per_month: Number = stated("cost_usd · 730 / horizon_h")
    cost_lines: tuple[CostLine, ...] = stated("What the cost is made of")
    routes: tuple[RouteRow, ...] = stated("Who serves what, by period")
    instances: tuple[InstanceRow, ...] = stated("Instances, by period")
    purchases: tuple[Purchase, ...] = stated("Instances bought for a term", default=())
    contracts: tuple[ContractRow, ...] = stated("Commitments in force", default=())
    settlements: tuple[Settlement, ...] = stated("Bills of contracts, by billing month", default=())
    unserved: tuple[UnservedRow, ...] = stated("Work that is dropped", default=())
    refused: tuple[Refused, ...] = stated("What cannot be served where, and why", default=())
    prices: ShadowPrices = stated("Shadow prices", default=NO_PRICES)
    scenarios: tuple[ScenarioCost, ...] = stated("Futures of the problem", default=())
    notes: tuple[str, ...] = stated(
        "What to know before trusting a figure, and that the clock ended a step of the search, if it did",
        default=(),
    )
    verified: Verified = stated("The independent check", default=NOT_CHECKED)
    sizing: Sizing | None = stated("Of router size: what to sign, and why", default=None)
    running: Running | None = stated("Of router reoptimise: what ran", default=None)
    reoptimise: Reoptimised | None = stated("Of router reoptimise: why this plan", default=None)
    coverage: tuple[CoverageRow, ...] | None = stated("What agreements bill, by period", default=None)
    hosts: tuple[HostRow, ...] | None = stated("Hosts, and what lives in them, by period", default=None)
    spill_order: tuple[SpillOrder, ...] | None = stated(
        "In which order offers that spill refuse work", default=None
    )
    credits: tuple[CreditRow, ...] | None = stated("What credits pay, by period", default=None)
    quotas: tuple[QuotaRow, ...] | None = stated(
        "What caps by the minute meet inside each period", default=None
    )
    minutes: MinuteSource | None = stated("Where the minutes of a period are from", default=None)
    drawn: DrawnFutures | None = stated("How generated futures were drawn", default=None)
    insurance: Insurance | None = stated("What surviving a loss costs", default=None)
    proof: Proof | None = stated("What the bound rests on", default=None)
    kinds: tuple[AlikeWorkloads, ...] | None = stated(
        "Workloads that were planned as one, of which bounds and figures by the minute are worked out together",
        default=None,
    )
    tables: Mapping[str, TableFile] | None = stated(
        "Tables whose rows stand beside the plan, in Parquet, and not in it: routes, instances, quotas",
        default=None,
    )

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

    def __repr__(self) -> str:
        """One line; a notebook shows `_repr_html_`."""
        rows = ", ".join(
            f"{len(getattr(self, table) or ()):,} {table}" for table in ("routes", "instances", "contracts")
        )
        name = self.name if len(self.name) <= LONGEST_NAME else f"{self.name[: LONGEST_NAME - 1]}…"
        own = self.proof is not None and self.proof.kind == "own"
        proven = "optimal" if own and self.gap <= 1e-6 else f"gap {self.gap:.2g}"
        return f"Plan({name!r}, {self.cost_usd:,.2f} USD over {self.horizon_h:g} h, {proven}, {rows})"

    def _repr_html_(self) -> str:
        """For notebooks: the decision, the cost as a table, and a chart."""
        module = import_module("router.reports.page.notebook")  # by name: what shows plans knows this class
        html: str = module.plan_html(self)
        return html

    def frame(self, table: str = "routes", library: Literal["pandas", "polars"] | None = None) -> Any:
        """The rows of one table as a data frame, a column a field, in the units of docs/plan.md.

        table     routes, instances, settlements, cost_lines, … (`router.plan.document.TABLES`)
        library   pandas or polars; None: pandas where it is installed, else polars

        Raises InputError for an unknown table, and where neither library is installed.
        """
        if table not in TABLES:
            raise InputError(
                Issue(("table",), "is not a table of a plan", table, f"there are {', '.join(TABLES)}")
            )
        columns = [each.name for each in fields(TABLES[table])]
        rows = getattr(self, table) or ()
        data = {name: [getattr(row, name) for row in rows] for name in columns}
        chosen = library or ("pandas" if find_spec("pandas") or not find_spec("polars") else "polars")
        return from_extra(chosen, "frames", ("frame",)).DataFrame(data)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dict(plain(self))

    def to_json(self) -> str:
        """Keys sorted, so that equal plans are equal to the byte."""
        return to_json(self)

    @classmethod
    def from_dict(
        cls,
        data: object,
        problem: Mapping[str, Any] | None = None,
        *,
        file: str | None = None,
        apart: bool = False,
    ) -> Plan:
        """Read back what `to_dict` made, in this version or in version 1.

        `problem`, as JSON values, dates the purchases of version 1. `apart`: rows of tables beside the plan are left
        there, else a plan that has such tables is refused. Raises InputError with the path of each fault.
        """
        stated = data.get("schema") if isinstance(data, Mapping) else None
        if not isinstance(data, Mapping) or stated not in (SCHEMA, version1.SCHEMA):
            rule = f"is not a plan file: schema must be {SCHEMA} or {version1.SCHEMA}"
            raise InputError(Issue(("schema",), rule, stated, HINT, file=file))
        if stated == version1.SCHEMA:
            data = version1.upgraded(data, problem) | {"schema": SCHEMA, "upgraded_from": stated}
        if data.get("tables") is not None and not apart:
            rule = "stand beside the plan, whose file must be read with them"
            raise InputError(Issue(("tables",), rule, None, "give the path of the plan's file", file))
        missing = [name for name in needed_fields(cls) if name not in data]
        if missing:
            raise InputError([Issue((name,), "is required", file=file) for name in missing])
        try:
            return reader().validate_python(data)
        except ValidationError as error:
            from router.schema.issues import issues_of  # only to say what is wrong

            raise InputError(issues_of(error, cls, file)) from error


def whole() -> type[Plan]:
    """Plan, with the sections that few plans have loaded too, under the names that its annotations call them by."""
    from router.plan import running, sizing

    globals().update(Running=running.Running, Reoptimised=running.Reoptimised, Sizing=sizing.Sizing)
    return Plan


@cache
def reader() -> TypeAdapter[Plan]:
    """What checks a document."""
    return TypeAdapter(whole())


TABLES: Mapping[str, type] = {
    "cost_lines": CostLine,
    "routes": RouteRow,
    "instances": InstanceRow,
    "purchases": Purchase,
    "contracts": ContractRow,
    "settlements": Settlement,
    "coverage": CoverageRow,
    "hosts": HostRow,
    "spill_order": SpillOrder,
    "credits": CreditRow,
    "quotas": QuotaRow,
    "unserved": UnservedRow,
    "refused": Refused,
    "scenarios": ScenarioCost,
}
