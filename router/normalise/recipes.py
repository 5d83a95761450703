"""Recipes: each step stands as a workload of its own, beside the one that is answered by a single request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from problems.core.arrays import NONE, PERCENTILES, Floats, Ints
from problems.core.instance import DEFERRED, IN_WINDOW, AnswerLimits
from router.normalise.columns import floats, whole
from router.schema import Demand, Problem, Recipe, Routing, Slo, Workload

OWN: Final = ("prompt_tokens", "completion_tokens", "cached_prompt_share", "cache_write_share")


class StepLimit(NamedTuple):
    """A promise on answers by a recipe that several requests make, one after the other.

    terms    (row of a step, requests waited for to their end, requests waited for to their first token)
    due      it is to be answered in time, by all batches of its steps: of every request, so that each step counts
    """

    name: str
    statistic: str
    limit_ms: float
    terms: tuple[tuple[int, float, float], ...]
    due: int = 0


@dataclass(frozen=True, eq=False, repr=False)
class Steps:
    """What each workload row is of, (W,); `of` is its workload of the file."""

    of: Ints
    recipe: tuple[str | None, ...]
    step: Ints  # -1: answered by one request
    lead: Ints  # the row of its recipe's first step, its own where it is no step
    whole: Ints  # the row of the work that it answers, its own where it is no step
    requests: Floats  # of the step for each request of the workload, 1 where it is no step
    quality: Floats  # of the recipe, -inf: unknown, or that of the model
    limits: tuple[StepLimit, ...]


class _Row(NamedTuple):
    """One of `Steps`."""

    of: int
    recipe: str | None
    step: int
    lead: int
    whole: int
    requests: float
    quality: float


def by_step(problem: Problem, of: Ints) -> tuple[Problem, Steps]:
    """The problem with a workload for each step of a recipe, of the same name, after the one that it is of."""
    loads: list[Workload] = []
    rows: list[_Row] = []
    limits: list[StepLimit] = []
    for w, load in zip(of.tolist(), problem.workloads, strict=True):
        own = len(loads)
        loads.append(load.model_copy(update={"recipes": ()}) if load.recipes else load)
        rows.append(_Row(w, None, NONE, own, own, 1.0, -np.inf))
        for recipe in load.recipes:
            lead, quality = len(loads), -np.inf if recipe.quality is None else recipe.quality
            for k, step in enumerate(recipe.steps):
                loads.append(alone(load, recipe, k))
                rows.append(_Row(w, recipe.name, k, lead, own, step.requests, quality))
            limits += _limits(load, recipe, lead)
            limits += _due(problem, load, recipe, lead)
    steps = Steps(
        of=whole(row.of for row in rows),
        recipe=tuple(row.recipe for row in rows),
        step=whole(row.step for row in rows),
        lead=whole(row.lead for row in rows),
        whole=whole(row.whole for row in rows),
        requests=floats(rows, "requests"),
        quality=floats(rows, "quality"),
        limits=tuple(limits),
    )
    return problem.model_copy(update={"workloads": tuple(loads)}), steps


def part_name(workload: str, origin: str | None, recipe: str | None, step: int | None) -> str:
    """`chat`, `chat from eu`, `chat from eu by cascade step 1`: what of a workload of the file is planned apart."""
    name = workload if origin is None else f"{workload} from {origin}"
    return name if recipe is None else f"{name} by {recipe} step {step}"


def alone(load: Workload, recipe: Recipe, k: int) -> Workload:
    """The requests of a step as a workload: every need but quality, which is the recipe's."""
    step = recipe.steps[k]
    stated = {name: getattr(step, name) for name in OWN if getattr(step, name) is not None}
    needs = {"min_quality": None, "min_mean_quality": None}
    return load.model_copy(
        update={
            "recipes": (),
            "models": step.models,
            "demand": _times(load, step.requests),
            "needs": load.needs.model_copy(update=needs),
            "slo": promised_alone(load.slo, recipe, k),
            "unserved_usd_per_m_tokens": None,
            "routing": Routing(
                splittable=load.routing.splittable,
                allow_offers=load.routing.allow_offers,
                deny_offers=load.routing.deny_offers,
                max_share_per_provider=load.routing.max_share_per_provider,
            ),
            **stated,
        }
    )


def _times(load: Workload, factor: float) -> Demand:
    """So many times the requests; tokens are counted as requests of the workload's own size."""
    way = load.demand.way
    stated = getattr(load.demand, way)
    if isinstance(stated, tuple):
        return Demand(requests_by_period=tuple(factor * each for each in stated))
    if way.startswith("tokens"):
        factor /= (load.prompt_tokens or 0.0) + (load.completion_tokens or 0.0)
    return Demand.model_validate({way.replace("tokens", "requests"): factor * stated})


def _limits(load: Workload, recipe: Recipe, lead: int) -> Iterator[StepLimit]:
    """Of first tokens and whole requests, where they are not of a single request: see `promised_alone`."""
    for field, limit in load.slo.model_dump(exclude_none=True).items():
        kind, statistic, _ = field.split("_")
        waits = [recipe.waited(k, statistic) for k in range(len(recipe.steps))]
        counting = [k for k, times in enumerate(waits) if times > 0]
        if kind == "tpot" or not counting or (len(counting) == 1 and sum(waits) == 1.0):
            continue
        terms = []
        for k in counting:
            first = min(waits[k], 1.0) if kind == "ttft" and k == counting[-1] else 0.0
            terms.append((lead + k, waits[k] - first, first))
        yield StepLimit(f"{load.name},{field}", statistic, limit, tuple(terms))


def _due(problem: Problem, load: Workload, recipe: Recipe, lead: int) -> Iterator[StepLimit]:
    """That batches of several requests fit, one after the other, until answers are due; of one alone its route says."""
    waits = [recipe.waited(k, "p100") for k in range(len(recipe.steps))]
    batches = any(offer.turnaround_h is not None for offer in problem.offers)
    if batches and (load.window or load.deferrable_h) and sum(waits) > 1.0:
        terms = tuple((lead + k, times, 0.0) for k, times in enumerate(waits))
        due = DEFERRED if load.window is None else IN_WINDOW
        yield StepLimit(load.name, PERCENTILES[0], np.inf, terms, due)


def answer_limits(steps: Steps) -> AnswerLimits:
    """The limits as arrays, in seconds."""
    terms = [(n, *term) for n, limit in enumerate(steps.limits) for term in limit.terms]
    return AnswerLimits(
        names=tuple(limit.name for limit in steps.limits),
        limit_s=np.array([limit.limit_ms / 1000.0 for limit in steps.limits]),
        due=whole(limit.due for limit in steps.limits),
        statistic=whole(PERCENTILES.index(limit.statistic) for limit in steps.limits),
        term_limit=whole(term[0] for term in terms),
        term_workload=whole(term[1] for term in terms),
        term_whole=np.array([term[2] for term in terms]),
        term_first=np.array([term[3] for term in terms]),
    )


def promised_alone(slo: Slo, recipe: Recipe, k: int) -> Slo:
    """What is promised of a step by itself: of further tokens where it counts, of the rest where no other does."""
    kept = {}
    for field, limit in slo.model_dump(exclude_none=True).items():
        kind, percentile, _ = field.split("_")
        waits = [recipe.waited(j, percentile) for j in range(len(recipe.steps))]
        if waits[k] > 0 and (kind == "tpot" or sum(waits) == 1.0 == waits[k]):
            kept[field] = limit
    return Slo(**kept)
