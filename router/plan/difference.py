"""What changes from one plan to another, in the terms of a plan: money, shares of work, instances, contracts."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

from router.plan.document import Plan

SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Change:
    """One figure before and after. `of` names what it is a figure of, outermost first."""

    of: tuple[str, ...]
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Only what differs. Costs by offer and kind, USD; shares of a workload's tokens; most instances at once; tokens or
    USD committed a month. `moved_share` is the part of all tokens that another offer or model serves now;
    `same_problem` is None where that cannot be told: of plans with two starts, or of two formats."""

    same_problem: bool | None
    start_before: str | None
    start_after: str | None
    cost_before_usd: float
    cost_after_usd: float
    moved_share: float
    costs: tuple[Change, ...]
    routes: tuple[Change, ...]
    instances: tuple[Change, ...]
    contracts: tuple[Change, ...]


Figures = dict[tuple[str, ...], float]


def difference(old: Plan, new: Plan) -> Difference:
    """From `old` to `new`."""
    same = same_problem(old.problem_sha256, new.problem_sha256, old.first_schema, new.first_schema)
    return Difference(
        same_problem=None if old.start and new.start and old.start != new.start else same,
        start_before=old.start,
        start_after=new.start,
        cost_before_usd=old.cost_usd,
        cost_after_usd=new.cost_usd,
        moved_share=_moved(old, new),
        costs=_changes(_costs(old), _costs(new)),
        routes=_changes(_shares(old), _shares(new)),
        instances=_changes(_most_instances(old), _most_instances(new)),
        contracts=_changes(_committed(old), _committed(new)),
    )


def same_problem(old_sha256: str, new_sha256: str, old_schema: str, new_schema: str) -> bool | None:
    """Whether two plans are for the same problem; None where the formats of their files hash it in two ways."""
    if old_sha256 == new_sha256:
        return True
    return False if old_schema == new_schema else None


def _changes(before: Figures, after: Figures) -> tuple[Change, ...]:
    keys = list(dict.fromkeys([*before, *after]))
    every = (Change(key, before.get(key, 0.0), after.get(key, 0.0)) for key in keys)
    return tuple(
        change
        for change in every
        if abs(change.after - change.before) > SAME * max(abs(change.before), abs(change.after), 1e-6)
    )


def _costs(plan: Plan) -> Figures:
    return {(line.offer or "–", line.kind): line.usd for line in plan.cost_lines}


def _tokens(plan: Plan) -> Figures:
    """Expected tokens by workload, offer and model."""
    p = plan.probabilities()
    tokens: dict[tuple[str, ...], list[float]] = {}
    for row in plan.routes:
        tokens.setdefault((row.workload, row.offer, row.model), []).append(p[row.scenario] * row.tokens)
    return {key: fsum(parts) for key, parts in tokens.items()}


def _shares(plan: Plan) -> Figures:
    tokens = _tokens(plan)
    whole: dict[str, float] = {}
    for (workload, *_), amount in tokens.items():
        whole[workload] = whole.get(workload, 0.0) + amount
    return {key: amount / whole[key[0]] for key, amount in tokens.items() if whole[key[0]] > 0}


def _moved(old: Plan, new: Plan) -> float:
    """Σ over workloads of tokens · (shares that grew), over all tokens of the new plan."""
    before, after, tokens = _shares(old), _shares(new), _tokens(new)
    volume: dict[str, float] = {}
    for (workload, *_), amount in tokens.items():
        volume[workload] = volume.get(workload, 0.0) + amount
    known = {key[0] for key in before}
    grown = fsum(
        max(share - before.get(key, 0.0), 0.0) * volume[key[0]]
        for key, share in after.items()
        if key[0] in known
    )
    whole = fsum(volume.values())
    return grown / whole if whole > 0 else 0.0


def _most_instances(plan: Plan) -> Figures:
    most: Figures = {}
    for row in plan.instances:
        offer = row.offer if row.role is None else f"{row.offer} {row.role}"
        key = (offer, row.model or "all its models")
        most[key] = max(most.get(key, 0.0), row.count)
    return most


def _committed(plan: Plan) -> Figures:
    committed: Figures = {}
    for row in plan.contracts:
        unit = "tokens" if row.committed_tokens_per_month is not None else "USD"
        key = (row.seller, f"{unit} a month from month {row.start_month + 1}")
        committed[key] = committed.get(key, 0.0) + (
            row.committed_tokens_per_month or row.committed_usd_per_month or 0.0
        )
    return committed
