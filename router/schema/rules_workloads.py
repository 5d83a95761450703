"""Rules on workloads: demand stated once, a size where one is needed, promises that can be meant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from router.errors import Issue, Path, nearest
from router.schema.workloads import Recipe, RecipeStep, Workload

if TYPE_CHECKING:  # Problem runs the rules itself
    from router.schema.offers import Offer
    from router.schema.problem import Problem

_SIZES = ("prompt_tokens", "completion_tokens")


def demand_stated_once(problem: Problem) -> Iterator[Issue]:
    """Exactly one way of stating demand."""
    for at, workload in _each(problem):
        ways = workload.demand.ways
        if len(ways) == 1:
            continue
        hint = f"keep one of {', '.join(ways)}" if ways else "for example requests_per_day: 100e6"
        yield Issue((*at, "demand"), "must be stated in exactly one way", None, hint)


def size_stated_once(problem: Problem) -> Iterator[Issue]:
    """Requests need a size; tokens need either a size or `completion_share`, not both."""
    for at, workload in _each(problem):
        if len(workload.demand.ways) != 1:
            continue
        if workload.demand.trace is not None:
            yield from _traced_size(at, workload)
            continue
        given = [name for name in _SIZES if getattr(workload, name) is not None]
        share, way = workload.demand.completion_share, workload.demand.way
        if not way.startswith("tokens"):
            if share is not None:
                rule = f"goes with tokens_*, not with {way}"
                yield Issue((*at, "demand", "completion_share"), rule, share, "remove it")
        elif share is not None:
            for name in given:
                rule = "is the size of a request, which demand.completion_share says is not known"
                yield Issue((*at, name), rule, getattr(workload, name), "keep one of the two")
            continue
        missing = [name for name in _SIZES if name not in given]
        if missing:
            instead = ", or demand.completion_share instead" if way.startswith("tokens") else ""
            rule = f"demand.{way} needs {' and '.join(missing)} of a request{instead}"
            yield Issue(at, rule, workload.name)
        elif workload.prompt_tokens == 0 == workload.completion_tokens:
            yield Issue((*at, "prompt_tokens"), "a request must have prompt or completion tokens", 0)


def _traced_size(at: Path, workload: Workload) -> Iterator[Issue]:
    """A traced workload has each size from the workload or from a column; one not named is looked for in the file."""
    trace = workload.demand.trace
    for name in _SIZES:
        fixed, column = getattr(workload, name), getattr(trace, f"{name}_column")
        if fixed is not None and column is not None:
            yield Issue(
                (*at, name), f"is read from the trace's column {column} too", fixed, "keep one of the two"
            )
    if workload.demand.completion_share is not None:
        share = workload.demand.completion_share
        yield Issue(
            (*at, "demand", "completion_share"), "goes with tokens_*, not with trace", share, "remove it"
        )
    if trace is not None and (trace.model is None) != (trace.model_column is None):
        yield Issue((*at, "demand", "trace"), "model and model_column go together")


def request_slo_needs_size(problem: Problem) -> Iterator[Issue]:
    """`slo.request_*` needs a request size, which `completion_share` does not state."""
    for at, workload in _each(problem):
        if workload.demand.completion_share is None:
            continue
        for name in type(workload.slo).model_fields:
            limit = getattr(workload.slo, name)
            if name.startswith("request_") and limit is not None:
                rule = "needs a request size, and demand.completion_share states none"
                hint = "give prompt_tokens and completion_tokens instead of completion_share"
                yield Issue((*at, "slo", name), rule, limit, hint)


def cache_shares_fit(problem: Problem) -> Iterator[Issue]:
    """What is read from a cache and what is written to one are parts of the prompt."""
    for at, workload in _each(problem):
        read, written = workload.cached_prompt_share, workload.cache_write_share
        if read + written > 1 + 1e-9:
            rule = f"and cached_prompt_share, {read:.15g}, must not be more than 1 together"
            yield Issue((*at, "cache_write_share"), rule, written)


def demand_by_period_fits(problem: Problem) -> Iterator[Issue]:
    """`requests_by_period` has one figure for each period."""
    periods = problem.horizon.periods
    for at, workload in _each(problem):
        counts = workload.demand.requests_by_period
        if counts is not None and len(counts) != periods:
            rule = f"must have one figure for each of the {periods} periods, not {len(counts)}"
            yield Issue((*at, "demand", "requests_by_period"), rule)


def window_holds(problem: Problem) -> Iterator[Issue]:
    """A window has a length, holds a whole period, and is not combined with `deferrable_h`."""
    period_h = problem.horizon.period_h
    for at, workload in _each(problem):
        window = workload.window
        if window is None:
            continue
        if window.start_hour % 24 == (window.start_hour + window.length_h) % 24:
            yield Issue(
                (*at, "window"), "start and end must differ", None, "leave the window out for all day"
            )
        elif period_h > window.length_h * (1 + 1e-9):
            rule = f"is {window.length_h:.6g} h long, shorter than a period of {period_h:.6g} h"
            yield Issue((*at, "window"), rule, None, f"set horizon.period_h to {window.length_h:.6g} or less")
        if workload.deferrable_h is not None:
            yield Issue(
                (*at, "deferrable_h"), "does not go with a window", workload.deferrable_h, "choose one"
            )


def models_known(problem: Problem) -> Iterator[Issue]:
    """A workload's models are known and listed once."""
    for at, workload in _each(problem):
        for index, name in enumerate(workload.models):
            if name not in problem.models:
                yield Issue((*at, "models", index), "unknown model", name, nearest(name, problem.models))
            elif name in workload.models[:index]:
                yield Issue((*at, "models", index), "is listed twice", name, "keep one")


def routing_offers_known(problem: Problem) -> Iterator[Issue]:
    """Offers allowed or denied are known, and none is both."""
    known = {offer.name for offer in problem.offers}
    for at, workload in _each(problem):
        routing = workload.routing
        for field, names in (("allow_offers", routing.allow_offers), ("deny_offers", routing.deny_offers)):
            yield from unknown((*at, "routing", field), names, known, "offer")
        for index, name in enumerate(routing.deny_offers):
            if name in routing.allow_offers:
                yield Issue(
                    (*at, "routing", "deny_offers", index), "is in allow_offers too", name, "keep one"
                )


def routing_shares_hold(problem: Problem) -> Iterator[Issue]:
    """Shares and providers can be met together, and unsplittable work has no share limits."""
    for at, workload in _each(problem):
        routing = workload.routing
        least, most, count = (
            routing.min_share_per_provider,
            routing.max_share_per_provider,
            routing.min_providers,
        )
        field = (*at, "routing", "min_providers")
        if not routing.splittable and count > 1:
            yield Issue(field, "does not go with splittable: false, where one offer carries all", count)
        elif not routing.splittable and most < 1:
            rule = "does not go with splittable: false, where one offer carries all"
            yield Issue((*at, "routing", "max_share_per_provider"), rule, most)
        elif count > 1 and count * least > 1 + 1e-9:
            rule = (
                f"providers with at least {least:.6g} each (min_share_per_provider) are more than the whole"
            )
            yield Issue(field, rule, count)
        elif count > 1 and least > most:
            rule = f"must not be more than max_share_per_provider, {most:.6g}"
            yield Issue((*at, "routing", "min_share_per_provider"), rule, least)


def shares_hold(problem: Problem) -> Iterator[Issue]:
    """Shares are of what the workload may use, can be met together, and need work that may be split."""
    served: dict[str, set[str]] = {
        "offers": {offer.name for offer in problem.offers},
        "providers": {offer.provider for offer in problem.offers},
    }
    for at, workload in _each(problem):
        for kind in ("models", "offers", "providers"):
            stepped = {name for each in workload.recipes for step in each.steps for name in step.models}
            known = served.get(kind, stepped.union(workload.models))
            limits = getattr(workload.routing.shares, kind)
            for name, limit in limits.items():
                field: Path = (*at, "routing", "shares", kind, name)
                if name not in known:
                    rule = "is not a model of the workload" if kind == "models" else f"unknown {kind[:-1]}"
                    yield Issue(field, rule, name, nearest(name, known))
                if limit.min > limit.max:
                    yield Issue((*field, "min"), f"must not be more than max, {limit.max:.6g}", limit.min)
                if not workload.routing.splittable:
                    rule = "does not go with splittable: false, where one route carries all"
                    yield Issue(field, rule, name)
            least = math.fsum(limit.min for limit in limits.values())
            if least > 1 + 1e-9:
                rule = f"the minima make {least:.6g} together, more than the whole"
                yield Issue((*at, "routing", "shares", kind), rule)


def origins_hold(problem: Problem) -> Iterator[Issue]:
    """Shares of origins make 1, and each origin is routed by itself: providers are not counted of all together."""
    names = {load.name for load in problem.workloads}
    for index, load in enumerate(problem.workloads):
        at: Path = ("workloads", index)
        if load.origin is None:
            continue
        whole = math.fsum(load.origin.values())
        if abs(whole - 1) > 1e-6:
            yield Issue((*at, "origin"), f"shares must make 1, not {whole:.9g}", None)
        if load.routing.min_providers > 1:
            rule = "does not go with origin, whose parts are routed each by itself"
            hint = "state one workload for each origin"
            yield Issue((*at, "routing", "min_providers"), rule, load.routing.min_providers, hint)
        for origin in load.origin:
            if f"{load.name} from {origin}" in names:
                rule = f'"{load.name} from {origin}" is the name of a workload too'
                yield Issue((*at, "origin", origin), rule, None, "rename one")


def recipes_hold(problem: Problem) -> Iterator[Issue]:
    """Steps have known models and a size, and nothing is asked of them that is not planned for yet."""
    names = {load.name for load in problem.workloads}
    for at, load in _each(problem):
        if not load.recipes:
            continue
        field: Path = (*at, "recipes")
        if load.demand.completion_share is not None:
            rule = "needs a request size, which demand.completion_share says is not known"
            yield Issue(field, rule, None, "state prompt_tokens and completion_tokens")
        first: dict[str, int] = {}
        for i, recipe in enumerate(load.recipes):
            if recipe.name in first:
                rule = f"names must be unique; recipes[{first[recipe.name]}] has this one too"
                yield Issue((*field, i, "name"), rule, recipe.name, "rename one")
            first.setdefault(recipe.name, i)
            for k in range(len(recipe.steps)):
                yield from _step_holds(problem, load, (*field, i, "steps", k), recipe.steps[k])
                for origin in load.origin or (None,):
                    part = load.name if origin is None else f"{load.name} from {origin}"
                    if f"{part} by {recipe.name} step {k}" in names:
                        rule = f'"{part} by {recipe.name} step {k}" is the name of a workload too'
                        yield Issue((*field, i, "name"), rule, recipe.name, "rename one")


def _step_holds(problem: Problem, load: Workload, at: Path, step: RecipeStep) -> Iterator[Issue]:
    """Models known and listed once, a request of some tokens."""
    for index, name in enumerate(step.models):
        if name not in problem.models:
            yield Issue((*at, "models", index), "unknown model", name, nearest(name, problem.models))
        elif name in step.models[:index]:
            yield Issue((*at, "models", index), "is listed twice", name, "keep one")
    own = {
        name: getattr(load, name) if getattr(step, name) is None else getattr(step, name)
        for name in (*_SIZES, "cached_prompt_share", "cache_write_share")
    }
    if own["prompt_tokens"] == 0 == own["completion_tokens"]:
        yield Issue(at, "a request must have prompt or completion tokens", 0)
    cached, written = own["cached_prompt_share"], own["cache_write_share"]
    if cached + written > 1 + 1e-9:
        rule = f"is more than the prompt: {cached:g} of it is read from a cache, {written:g} written to one"
        yield Issue(at, rule, None, "at most 1 together")


def recipes_promise(problem: Problem) -> Iterator[Issue]:
    """Where several requests keep a promise one after the other, none of them waits for an instance."""
    for load in problem.workloads:
        for recipe in load.recipes:
            name = _added_up(load, recipe)
            models = {model for step in recipe.steps for model in step.models}
            for o, offer in enumerate(problem.offers if name else ()):
                instances = offer.instances
                if instances is None or instances.max_utilisation is not None or not may_use(load, offer):
                    continue
                if models & offer.models.keys():
                    rule = (
                        f"is needed: {load.name} promises {name} over several requests of {recipe.name}, and what "
                        "they wait for instances adds up by no formula"
                    )
                    path: Path = ("offers", o, "instances", "max_utilisation")
                    yield Issue(path, rule, None, "max_utilisation: 0.8, say")


def _added_up(load: Workload, recipe: Recipe) -> str | None:
    """A promise on first tokens or whole requests that is of several requests of a recipe; None: there is none."""
    for name in load.slo.model_dump(exclude_none=True):
        kind, percentile, _ = name.split("_")
        waits = [recipe.waited(k, percentile) for k in range(len(recipe.steps))]
        if kind != "tpot" and [times for times in waits if times > 0] not in ([], [1.0]):
            return name
    return None


def may_use(load: Workload, offer: Offer) -> bool:
    """Whether its routing lets it."""
    allow, deny = load.routing.allow_offers, load.routing.deny_offers
    return (not allow or offer.name in allow) and offer.name not in deny


def links_unique(problem: Problem) -> Iterator[Issue]:
    """A way has one row."""
    first: dict[tuple[str, str], int] = {}
    for index, link in enumerate(problem.network):
        way = (link.from_, link.to)
        if way in first:
            rule = f"network[{first[way]}] has this way too"
            yield Issue(("network", index), rule, f"{link.from_} to {link.to}", "keep one")
        first.setdefault(way, index)


def unknown(at: Path, names: Sequence[str], known: Iterable[str], kind: str) -> Iterator[Issue]:
    """One issue per name that is not known."""
    known = set(known)
    for index, name in enumerate(names):
        if name not in known:
            yield Issue((*at, index), f"unknown {kind}", name, nearest(name, known))


def _each(problem: Problem) -> Iterator[tuple[Path, Workload]]:
    for index, workload in enumerate(problem.workloads):
        yield ("workloads", index), workload


RULES: tuple[Callable[[Problem], Iterator[Issue]], ...] = (
    demand_stated_once,
    size_stated_once,
    request_slo_needs_size,
    cache_shares_fit,
    demand_by_period_fits,
    window_holds,
    models_known,
    routing_offers_known,
    routing_shares_hold,
    shares_hold,
    origins_hold,
    recipes_hold,
    recipes_promise,
    links_unique,
)
