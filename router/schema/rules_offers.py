"""Rules on offers: throughput stated once, contracts whose bill is defined, instances that can be counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from router.errors import Issue, Path, nearest
from router.schema import rules_commitments, rules_spans
from router.schema.clock import MONTH_H
from router.schema.offers import Instances, Latency, Offer, OfferModel, RoleInstances
from router.schema.schedule import QuotaCaps
from router.schema.workloads import Workload

if TYPE_CHECKING:  # Problem runs the rules itself
    from router.schema.problem import Problem

_PAIR = ("prompt_tokens_per_s", "completion_tokens_per_s")
_PERCENTILES = ("p50", "p90", "p95", "p99")


def models_known(problem: Problem) -> Iterator[Issue]:
    """An offer's models are known."""
    for at, offer in _each(problem):
        for name in offer.models:
            if name not in problem.models:
                hint = nearest(name, problem.models) or "add it under models; {} will do"
                yield Issue((*at, "models", name), "unknown model", name, hint)


def throughput_stated_once(problem: Problem) -> Iterator[Issue]:
    """One way of stating throughput; prompt and completion rates go together; `disaggregated` needs both."""
    for at, model in _each_model(problem):
        fields = model.rate_fields
        pair = [name for name in _PAIR if name in fields]
        ways = [name for name in fields if name not in _PAIR] + ([" with ".join(pair)] if pair else [])
        if len(ways) > 1:
            yield Issue(at, "throughput must be stated in one way", None, f"keep one of: {'; '.join(ways)}")
        elif len(pair) == 1:
            other = _PAIR[1 - _PAIR.index(pair[0])]
            yield Issue((*at, pair[0]), f"needs {other} beside it", getattr(model, pair[0]))
        elif model.disaggregated and len(pair) < 2:
            rule = f"needs {_PAIR[0]} and {_PAIR[1]}, the two limits"
            yield Issue((*at, "disaggregated"), rule, True)


def points_unique(problem: Problem) -> Iterator[Issue]:
    """No two measured points have the same size and rate."""
    for at, model in _each_model(problem):
        first: dict[tuple[float, ...], int] = {}
        for index, point in enumerate(model.points):
            key = (point.prompt_tokens, point.completion_tokens, point.requests_per_s)
            if key in first:
                rule = f"has the size and rate of points[{first[key]}]"
                yield Issue((*at, "points", index), rule, None, "keep one")
            first.setdefault(key, index)


def percentiles_ordered(problem: Problem) -> Iterator[Issue]:
    """A higher percentile of a latency is not below a lower one."""
    for at, model in _each_model(problem):
        yield from _ordered(at, model)
        for index, point in enumerate(model.points):
            yield from _ordered((*at, "points", index), point)


def _ordered(at: Path, latency: Latency) -> Iterator[Issue]:
    for part in ("ttft", "tpot"):
        lower, highest = None, 0.0
        for percentile in _PERCENTILES:
            name = f"{part}_{percentile}_ms"
            value = getattr(latency, name)
            if value is not None and value < highest:
                yield Issue((*at, name), f"must not be below {lower}, {highest:.15g}", value)
            elif value is not None:
                lower, highest = name, value


def instances_hold(problem: Problem) -> Iterator[Issue]:
    """Minimum and reserved within the maximum, whole numbers where integral, upfront money with a term."""
    for at, offer in _each(problem):
        if offer.instances is not None:
            yield from _instances((*at, "instances"), offer.instances)


def _instances(at: Path, instances: Instances) -> Iterator[Issue]:
    if instances.max is not None:
        for name in ("min", "reserved"):
            value = getattr(instances, name)
            if value > instances.max:
                yield Issue((*at, name), f"must not be more than max, {instances.max:.15g}", value)
    if instances.integral:
        for name in ("min", "step", "reserved"):
            value = getattr(instances, name)
            if not math.isclose(value, round(value), rel_tol=1e-12):
                yield Issue((*at, name), "must be whole, or integral: false", value)
    if instances.upfront_usd > 0 and instances.resize == "period" and instances.term_hours is None:
        rule = "needs term_months or resize: horizon, else nothing says how often it is paid"
        yield Issue((*at, "upfront_usd"), rule, instances.upfront_usd)


def grids_hold(problem: Problem) -> Iterator[Issue]:
    """A model's own minimum and step are of instances counted by model; bought for a term, none of them starts."""
    for at, offer in _each(problem):
        instances = offer.instances
        for field in ("start_usd", "start_h", "min_up_h") if offer.bought_off_grid else ():
            if value := getattr(instances, field):
                rule = (
                    "does not go with instances bought for a term beside a grid of a model: what is bought is up "
                    "for whichever model, and nothing says what of it starts"
                )
                yield Issue((*at, "instances", field), rule, value, "leave it out")
        for name in offer.own_grids:
            entry = offer.models[name]
            for field in ("min", "step"):
                value, path = getattr(entry, field), (*at, "models", name, field)
                if value is None:
                    continue
                if instances is None:
                    yield Issue(path, "needs instances, which the offer does not have", value)
                elif instances.shared_by_models:
                    rule = "does not go with shared_by_models: true, where one count serves all models"
                    yield Issue(path, rule, value, "state it under instances")
                elif instances.integral and not math.isclose(value, round(value), rel_tol=1e-12):
                    yield Issue(path, "must be whole, or integral: false", value)
                elif field == "min" and instances.max is not None and value > instances.max:
                    yield Issue(path, f"must not be more than instances.max, {instances.max:.15g}", value)


def roles_hold(problem: Problem) -> Iterator[Issue]:
    """Prefill and decode have two rates in tokens, hourly counts, and no waiting formula yet."""
    for at, offer in _each(problem):
        instances = offer.instances
        if instances is None or instances.roles is None:
            continue
        path = (*at, "instances")
        if any(each.name == f"{offer.name}, decode" for each in problem.offers):
            rule = f'"{offer.name}, decode" is the name of an offer too'
            yield Issue((*at, "name"), rule, offer.name, "rename one")
        for field in RoleInstances.model_fields:
            value, none = getattr(instances, field), Instances.model_fields[field].default
            if value != (0.0 if field == "usd_per_h" else none):
                yield Issue(
                    (*path, field), "must stand in roles.prefill and roles.decode, not beside them", value
                )
        for role in ("prefill", "decode"):
            yield from _instances((*path, "roles", role), instances.of_role(role))
        for name, model in offer.models.items():
            if not set(model.rate_fields) >= set(_PAIR) or len(model.rate_fields) > len(_PAIR):
                rule = f"instances with roles need {_PAIR[0]} and {_PAIR[1]}, and no other throughput"
                yield Issue((*at, "models", name), rule, None)
            if model.min is not None or model.step is not None:
                yield Issue((*at, "models", name), "min and step stand in instances.roles", None)
        waiting = [
            load.name for load in problem.workloads if _waits(load) and load.all_models & offer.models.keys()
        ]
        if instances.max_utilisation is None and waiting:
            rule = f"is needed with roles: {waiting[0]} has an SLO, and waiting for two stations has no formula yet"
            yield Issue((*path, "max_utilisation"), rule, None, "max_utilisation: 0.8, say")


def _waits(load: Workload) -> bool:
    return any(name.startswith(("ttft_", "request_")) for name in load.slo.model_dump(exclude_none=True))


def spills_hold(problem: Problem) -> Iterator[Issue]:
    """An offer that spills has one limit by the minute, and nothing that is not yet planned for beside it."""
    for at, offer in _each(problem):
        if offer.spills:
            for field, rule in _beside_spills(problem, offer):
                yield Issue((*at, *field), rule, None)


def _beside_spills(problem: Problem, offer: Offer) -> Iterator[tuple[Path, str]]:
    caps = [name for name in QuotaCaps.model_fields if getattr(offer.quota, name) is not None]
    by_minute = [name for name in caps if name.endswith("_per_minute")]
    only = "beside spills: an offer that spills has one limit, a quota by the minute or instances"
    for name in caps if offer.instances is not None else [*by_minute[1:], *(set(caps) - set(by_minute))]:
        yield ("quota", name), only
    if offer.instances is None and not by_minute:
        yield ("spills",), "needs a limit: a quota by the minute, or instances"
    for name, entry in offer.models.items():
        if entry.quota is not None:
            yield ("models", name, "quota"), only
        if offer.instances is not None and entry.disaggregated:
            yield ("models", name, "disaggregated"), "two limits of a pool do not go with spills"
    for shared in problem.quotas:
        if not shared.offers or offer.name in shared.offers:
            yield ("spills",), f"does not go with the quota {shared.name}, which counts what is sent here too"
    instances = offer.instances
    if instances is not None:
        if instances.roles is not None:
            yield ("instances", "roles"), "do not go with spills: they are two limits"
        waiting = any(_waits(load) and load.all_models & offer.models.keys() for load in problem.workloads)
        if waiting and instances.max_utilisation is None:
            yield (
                ("instances", "max_utilisation"),
                "is needed beside spills: what refuses has no waiting rule",
            )
    for load in problem.workloads:
        if not load.routing.splittable and load.all_models & offer.models.keys():
            yield ("spills",), f"does not go with routing.splittable: false of {load.name}"


_LONGER = ", or settle it by a longer span: settled: year, min_usd: 1M"


def periods_within_a_month(problem: Problem) -> Iterator[Issue]:
    """With money or terms by the month, a period is at most 730 h."""
    period_h = problem.horizon.period_h
    if period_h <= MONTH_H * (1 + 1e-9):
        return
    hint = f"set horizon.period_h to at most {MONTH_H:.6g} and periods accordingly"
    for at, offer in _each(problem):
        fields = {
            "fee_usd_per_month": offer.fee_usd_per_month > 0,
            "commitment": offer.commitment is not None and rules_spans.is_monthly(offer.commitment),
            "instances": offer.instances is not None and offer.instances.term_months is not None,
        }
        for name, monthly in fields.items():
            if monthly:
                rule = f"is settled by the month of {MONTH_H:.6g} h, and a period is longer: {period_h:.6g} h"
                tiered = offer.commitment is not None and bool(offer.commitment.tiers)
                longer = _LONGER if name == "commitment" and not tiered else ""
                yield Issue((*at, name), rule, None, hint + longer)
    for index, agreement in enumerate(problem.commitments):
        if rules_spans.is_monthly(agreement.terms) or agreement.term_months is not None:
            rule = f"is settled by the month of {MONTH_H:.6g} h, and a period is longer: {period_h:.6g} h"
            yield Issue(("commitments", index), rule, None, hint)


def _each(problem: Problem) -> Iterator[tuple[Path, Offer]]:
    for index, offer in enumerate(problem.offers):
        yield ("offers", index), offer


def _each_model(problem: Problem) -> Iterator[tuple[Path, OfferModel]]:
    for at, offer in _each(problem):
        for name, model in offer.models.items():
            yield (*at, "models", name), model


def turnaround_stands_alone(problem: Problem) -> Iterator[Issue]:
    """A turnaround is the time to every answer: no instances, measured points or times to first token beside it."""
    for index, offer in enumerate(problem.offers):
        if offer.turnaround_h is None:
            continue
        at: Path = ("offers", index)
        if offer.instances is not None:
            rule = (
                "do not go with turnaround_h: requests that wait for instances are answered in no stated time"
            )
            yield Issue((*at, "instances"), rule, None, "leave one of the two out")
        for name, entry in offer.models.items():
            fields = [field for field in type(entry).model_fields if field.startswith("ttft_")]
            stated = [field for field in fields if getattr(entry, field) is not None]
            for field in [*stated, *(["points"] if entry.points else [])]:
                rule = (
                    "does not go with turnaround_h, which is the time to first token and to the whole answer"
                )
                yield Issue((*at, "models", name, field), rule, None, "leave one of the two out")


RULES: tuple[Callable[[Problem], Iterator[Issue]], ...] = (
    models_known,
    throughput_stated_once,
    points_unique,
    percentiles_ordered,
    *rules_commitments.RULES,
    *rules_spans.RULES,
    instances_hold,
    grids_hold,
    roles_hold,
    spills_hold,
    periods_within_a_month,
    turnaround_stands_alone,
)
