"""A changed problem solved beside the problem: what changes in cost, routes, counts and contracts, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from router.errors import Infeasible
from router.explaining.marginal import LIMITS
from router.loading.catalogue import load, problem_sha256
from router.loading.settings import changed
from router.plan.difference import Difference, difference
from router.plan.document import Plan
from router.planning.solve import DEFAULT_SOLVER, Search, planned
from router.schema import Problem
from router.schema.paths import named, parsed, scales, value_at
from router.verification import verify
from router.verification.checks import CHECKS
from solvers import SolveOptions

OF_FIGURES = {"settlements", "cost_lines", "cost", "bound", "coverage", "sizing"}
PROMISED = {check.name for check in CHECKS if check.families} - OF_FIGURES | {"quantities", "admissibility"}
"""Checks of promises; the others are about what a plan states besides."""

MOST_NAMED = 6


@dataclass(frozen=True)
class SettingChange:
    """A field of the problem before and after, as text."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class WhatIf:
    """Two plans, side by side. `before` or `after` is None where no plan keeps every promise; `why_none` says why.

    within_usd   the difference in cost is this near, as the gaps of both plans have it
    kept_usd     what the plan of today would cost with the change; None where it would break a promise
    why          sentences: what may serve what now, what binds, what today's plan would break
    """

    name: str
    settings: tuple[SettingChange, ...]
    before: Plan | None
    after: Plan | None
    why_none: str | None
    difference: Difference | None
    within_usd: float | None
    kept_usd: float | None
    why: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the difference and the plans' costs, not the plans."""
        return {
            "name": self.name,
            "settings": [asdict(setting) for setting in self.settings],
            "before": _figures(self.before),
            "after": _figures(self.after),
            "why_none": self.why_none,
            "difference": None if self.difference is None else asdict(self.difference),
            "within_usd": self.within_usd,
            "kept_usd": self.kept_usd,
            "why": list(self.why),
        }


def whatif(
    problem: Problem | str | Path,
    settings: Mapping[str, object],
    *,
    solver: str = DEFAULT_SOLVER,
    options: SolveOptions | None = None,
    scenario: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> WhatIf:
    """The plan of a changed problem beside that of the problem as it is.

    problem     a `Problem`, or the path of its file
    settings    fields by path, with the value that the file would hold: {"workloads.chat.slo.ttft_p95_ms": 600}; None
                leaves a field out; "x1.2" is a factor, of a number, or of "workloads.NAME.demand", "offers.NAME.prices"
    solver      a name of `router solvers`
    options     as for `solve`; `time_limit_s` holds for both plans together
    scenario    the future to plan for, needed where the problem has several
    progress    called with what is being done

    Gives a `WhatIf`: both plans, verified; their `difference` in USD, shares of tokens, instances and commitments; and
    `why`. Raises InputError (an unknown path, a value that the schema refuses), NoPlanInTime, SolverFailed.
    """
    chosen = (options or SolveOptions()).begun()
    loaded = load(problem)
    other = changed(loaded, settings)
    first = Search(solver, chosen.within(0.5), scenario)
    progress("as the file has it")
    before, why_before = _planned(loaded, first)
    progress("with the change")
    after, why_after = _planned(other, replace(first, options=chosen))
    return WhatIf(
        name=loaded.name,
        settings=tuple(_setting(loaded, other, path, value) for path, value in settings.items()),
        before=before,
        after=after,
        why_none=why_after or why_before,
        difference=difference(before, after) if before is not None and after is not None else None,
        within_usd=_within(before, after),
        kept_usd=_kept(other, before)[0] if before is not None else None,
        why=tuple(_why(other, before, after)),
    )


def _planned(problem: Problem, search: Search) -> tuple[Plan | None, str | None]:
    try:
        return planned(problem, search), None
    except Infeasible as error:
        return None, str(error)


def _figures(plan: Plan | None) -> dict[str, object] | None:
    if plan is None:
        return None
    return {"cost_usd": plan.cost_usd, "bound_usd": plan.bound_usd, "gap": plan.gap, "ok": plan.ok}


def _setting(before: Problem, after: Problem, text: str, value: object) -> SettingChange:
    parts = parsed(text)
    if scales(parts) and str(value).startswith("x"):
        return SettingChange(text, "x1", str(value))
    path = named(before, parts)
    return SettingChange(text, _stated(before, path), _stated(after, path))


def _stated(problem: Problem, path: tuple[str, ...]) -> str:
    try:
        value = value_at(problem, path)
    except KeyError:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,.9g}"
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        return f"[{', '.join(value)}]"
    return "none" if value is None else str(value)


def _within(before: Plan | None, after: Plan | None) -> float | None:
    if before is None or after is None:
        return None
    return max(plan.objective_usd - plan.bound_usd for plan in (before, after))


def _kept(problem: Problem, plan: Plan) -> tuple[float | None, list[str]]:
    """What a plan costs for another problem, where it breaks nothing there; else what it breaks."""
    verdict = verify(problem, replace(plan, problem_sha256=problem_sha256(problem), proof=None))
    failed = {check.name for check in verdict.checks if not check.ok}
    if "quantities" in failed:
        return None, ["it serves other amounts of work"]
    broken = [
        f"{check.name} ({check.detail})"
        for check in verdict.checks
        if not check.ok and check.name in PROMISED
    ]
    return (None, broken) if broken else (verdict.cost_usd, [])


def _why(problem: Problem, before: Plan | None, after: Plan | None) -> Iterator[str]:
    if before is None or after is None:
        return
    usd, broken = _kept(problem, before)
    if broken:
        yield f"the plan as it was does not fit the change: {'; '.join(broken[:MOST_NAMED])}"
    elif usd is not None:
        yield f"the plan as it was, kept, would cost {usd:,.2f} USD"
    was, now = _refusals(before), _refusals(after)
    for key in sorted(was.keys() - now.keys())[:MOST_NAMED]:
        yield f"{key[1]} may serve {key[0]} with {key[2]} now; it was refused: {', '.join(was[key])}"
    for key in sorted(now.keys() - was.keys())[:MOST_NAMED]:
        yield f"{key[1]} may not serve {key[0]} with {key[2]} any more: {', '.join(now[key])}"
    old, new = _binding(before), _binding(after)
    for limit in sorted(new - old)[:MOST_NAMED]:
        yield f"binds now: {limit}"
    for limit in sorted(old - new)[:MOST_NAMED]:
        yield f"binds no longer: {limit}"


def _refusals(plan: Plan) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """By workload (and step of a recipe), offer and model."""
    alike = {kind.workload: kind.alike for kind in plan.kinds or ()}  # of which the first alone is listed
    return {
        (served, row.offer, row.model): row.reasons
        for row in plan.refused
        for served in (row.served, *alike.get(row.workload, ()))
    }


def _binding(plan: Plan) -> set[str]:
    """Limits with a price, in words."""
    limits = set()
    for row in plan.prices.rows:
        if row.family in LIMITS and row.usd_per_unit < 0:
            label = row.row.partition("(")[2].rstrip(")")
            name = label.rsplit(",", 1)[0] if "," in label else label
            limits.add(f"{LIMITS[row.family].limit} of {name}")
    return limits
