"""Who serves what in the running plan, in the terms of a new problem: shares of each cell of its work.

Parts of a workload (what comes from an origin, the steps of a recipe) are laid apart. An origin that the running plan
does not know goes where the whole workload goes. What no request takes of a workload that runs is said with a share of
0, so that work which comes there moves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from problems.core.instance import Instance
from router.normalise.recipes import part_name
from router.plan.document import Plan
from router.plan.rows import RouteRow
from router.plan.running import RunningShare
from router.reoptimisation.alignment import Alignment
from router.schema import Problem, Workload

type Shares = dict[tuple[str, str], float]
"""By offer and model."""

type Times = dict[int, Shares]
"""By period, or by occurrence of work that may move."""


class EarlierShares:
    """Shares of the running plan, by part of a workload; apart for work that may move."""

    def __init__(self, plan: Plan, before: Problem | None) -> None:
        self._loads = {} if before is None else {load.name: load for load in before.workloads}
        self._parts: dict[tuple[str, bool], Times] = defaultdict(dict)
        self._at: dict[tuple[str, bool], set[int]] = defaultdict(set)
        self._tokens: dict[str, Shares] = defaultdict(dict)
        for row in plan.routes:
            self._add(row)

    def of(
        self, load: str, origin: str | None, recipe: str | None, step: int, *, moves: bool
    ) -> Times | None:
        """Of a part at every time at which the workload ran; None: not known, or not by such times."""
        if (part_name(load, origin, None, None), moves) not in self._at:
            origin = None
        times = self._at.get((part_name(load, origin, None, None), moves))
        if times is None:
            return None
        parts = self._parts.get((part_name(load, origin, recipe, step), moves), {})
        return {at: parts.get(at, {}) for at in times}

    def overall(self, load: str, origin: str | None) -> Shares:
        """Of tokens, for work whose demand is stated in another way now; nothing of what recipes serve."""
        tokens = self._tokens.get(part_name(load, origin, None, None)) or self._tokens.get(load, {})
        whole = sum(tokens.values())
        return {key: amount / whole for key, amount in tokens.items()} if whole > 0 else {}

    def _add(self, row: RouteRow) -> None:
        load, moves = self._loads.get(row.workload), row.occurrence is not None
        if load is None and (row.origin is not None or row.recipe is not None):
            return
        at = row.period if row.occurrence is None else row.occurrence
        requests = _requests(load, row)
        for origin in dict.fromkeys((row.origin, None)):
            part = 1.0 if origin is None or load is None else (load.origin or {}).get(origin, 0.0)
            if part > 0:
                self._at[part_name(row.workload, origin, None, None), moves].add(at)
                name = part_name(row.workload, origin, row.recipe, row.step)
                shares, key = self._parts[name, moves].setdefault(at, {}), (row.offer, row.model)
                shares[key] = shares.get(key, 0.0) + row.share / part / requests
                if row.recipe is None:
                    tokens = self._tokens[name]
                    tokens[key] = tokens.get(key, 0.0) + row.prompt_tokens + row.completion_tokens


def _requests(load: Workload | None, row: RouteRow) -> float:
    """Of a step of a recipe for each request of the workload."""
    recipes = () if load is None else load.recipes
    steps = next((recipe.steps for recipe in recipes if recipe.name == row.recipe), ())
    known = row.step is not None and row.step < len(steps)
    return steps[row.step or 0].requests if known else 1.0


def running_shares(
    plan: Plan, before: Problem | None, align: Alignment, inst: Instance
) -> Iterator[RunningShare]:
    """Of every cell of the new instance; `before` is the problem of the running plan."""
    earlier, loads = EarlierShares(plan, before), inst.workloads
    stated = {load.name: load for load in align.new.workloads}
    for w, n in zip(inst.cells.workload.tolist(), inst.cells.occurrence.tolist(), strict=True):
        load, moves = stated[loads.file_names[w]], bool(loads.moves[w])
        origin, recipe, step = loads.origins[w], loads.recipes[w], int(loads.steps[w])
        times = earlier.of(load.name, origin, recipe, step, moves=moves)
        if times is not None:
            shares = _nearest(times, align.day(n) if load.window is not None else align.period(n))
            shares = shares or _none_of(align.new, load, recipe, step)
        else:
            shares = earlier.overall(load.name, origin) if recipe is None else {}
        for (offer, model), share in shares.items():
            period, occurrence = (None, n) if moves else (n, None)
            yield RunningShare(loads.names[w], offer, model, period, occurrence, share)


def _none_of(problem: Problem, load: Workload, recipe: str | None, step: int) -> Shares:
    """A share of 0, on the first route that might serve the part."""
    models = load.models
    if recipe is not None:
        models = next(each.steps[step].models for each in load.recipes if each.name == recipe)
    for offer in problem.offers:
        for model in models:
            if model in offer.models:
                return {(offer.name, model): 0.0}
    return {}


def _nearest(shares: Times, at: int) -> Shares:
    """Those of the time itself, else of the latest before it, else of the first after it."""
    if at in shares:
        return shares[at]
    before = [n for n in shares if n < at]
    return shares[max(before) if before else min(shares)]
