"""Shares by model, offer and provider as arrays."""

from __future__ import annotations

import numpy as np

from problems.core.admissible import admissible
from problems.core.arrays import NONE, Ints
from problems.core.instance import Instance, Shares
from router.errors import InputError, Issue, Path
from router.normalise.columns import floats, whole
from router.schema import Problem, ShareLimits

KINDS = ("models", "offers", "providers")


def shares(problem: Problem, of: Ints) -> Shares:
    """One row for each that limits anything, workload by workload of the file; `of` (W,) are those of its parts."""
    sellers = problem.sellers
    places: dict[str, list[str]] = {
        "models": list(problem.models),
        "offers": [offer.name for offer in sellers],
        "providers": list(dict.fromkeys(offer.provider for offer in sellers)),
    }
    rows: list[tuple[int, str, str, ShareLimits]] = [
        (w, kind, name, limits)
        for w, load in enumerate(problem.workloads)
        for kind in KINDS
        for name, limits in getattr(load.routing.shares, kind).items()
        if limits.min > 0 or limits.max < 1
    ]
    at = {
        kind: whole(places[kind].index(name) if own == kind else NONE for _, own, name, _ in rows)
        for kind in KINDS
    }
    limits = [row[3] for row in rows]
    return Shares(
        names=tuple(f"{problem.workloads[w].name},{name}" for w, _, name, _ in rows),
        workload=np.searchsorted(of, whole(w for w, _, _, _ in rows)).astype(np.int64),
        model=at["models"],
        offer=at["offers"],
        provider=at["providers"],
        least=floats(limits, "min"),
        most=floats(limits, "max"),
    )


def refuse_minimum_of_refused(problem: Problem, inst: Instance, of: Ints) -> None:
    """Raises InputError where a share must go to what may not serve the workload at all."""
    table = inst.shares
    asked = np.flatnonzero(table.least > 0)
    if not asked.size:
        return
    routes, _ = admissible(inst)
    issues = []
    for i in asked.tolist():
        w = int(table.workload[i])
        kind, target = next(
            (kind, int(own[i]))
            for kind, own in zip(KINDS, (table.model, table.offer, table.provider), strict=True)
            if own[i] >= 0
        )
        there = {"models": routes.model, "offers": routes.offer, "providers": routes.provider}[kind]
        if not ((inst.workloads.first[routes.workload] == w) & (there == target)).any():
            name = table.names[i].removeprefix(f"{inst.workloads.file_names[w]},")
            rule = "is of what may not serve the workload: every route there is refused"
            hint = "router explain says why; leave the minimum out, or admit a route"
            field: Path = ("workloads", int(of[w]), "routing", "shares", kind, name, "min")
            issues.append(problem.positions.place(Issue(field, rule, float(table.least[i]), hint)))
    if issues:
        raise InputError(issues)
