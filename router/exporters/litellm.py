"""LiteLLM's router: a `config.yaml` with the plan's split as weights. https://docs.litellm.ai/docs/routing

A workload is a model group (`model_name`), each of its offers a deployment; `simple-shuffle` draws by `weight`, which
stands under `litellm_params` and splits requests. A deployment without a share gets no entry: unweighted beside
weighted ones it would get nothing. Nor is there an `order`: the second would get nothing while the first is healthy.

A provider's quota counts all workloads; each deployment gets the part of it that its planned use is of the offer's, so
that together they keep it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import fsum
from typing import Any

from router.errors import InputError, Issue
from router.exporters.exported import Exported, belongs, head, to_yaml
from router.exporters.litellm_models import SENDER, Named, named
from router.exporters.prices import mixed_prices
from router.exporters.shares import Part, Split, largest_remainder, spares, splits, weighted
from router.exporters.targets import Targets, distinct
from router.exporters.tiers import sells_batches, tier_of
from router.plan.document import Plan
from router.schema import Offer, Problem, Workload

WEIGHTS = 1000
FALLBACK = "-fallback"


def litellm(
    plan: Plan,
    problem: Problem | None = None,
    *,
    targets: Targets | None = None,
    period: int | None = None,
    scenario: str | None = None,
    weights: int = WEIGHTS,
    retries: int = 2,
    fallbacks: bool = True,
) -> Exported:
    """The configuration. With the problem it has prices, quotas and fallbacks too. Raises InputError."""
    targets = targets or Targets()
    if problem is not None:
        problem = belongs(plan, problem)
    workload_splits, remarks = splits(plan, period, scenario)
    said = list(remarks)
    offers = {offer.name: offer for offer in problem.offers} if problem else {}
    use = _use(workload_splits)
    names: dict[tuple[str, str], Named] = {}
    entries = []
    for split in workload_splits:
        weighted_parts, lost = weighted(split, weights)
        said += lost
        for part, weight in weighted_parts:
            key = (part.offer, part.model)
            names[key] = name = named(*key, offers.get(part.offer), targets.of(part.offer))
            entries.append(_entry(split.workload, part, name, weight, offers.get(part.offer), use))
    settings: dict[str, Any] = {"routing_strategy": "simple-shuffle", "num_retries": retries}
    if problem is not None and fallbacks:
        more, chains = _fallbacks(plan, problem, workload_splits, targets, names, (period, scenario))
        entries += more
        settings["fallbacks"] = chains
    elif problem is None:
        said.append("without --problem there are no prices, quotas and fallbacks in it")
    _distinct_variables(names, offers, targets)
    if any(name.api_key_env is None for name in names.values()):
        said.append("offers of LiteLLM's own list: their keys are read where LiteLLM looks for them")
    said += list(dict.fromkeys(name.remark for name in names.values() if name.remark))
    text = to_yaml({"model_list": entries, "router_settings": settings})
    return Exported(head(plan, "LiteLLM router configuration") + text, tuple(said))


def _distinct_variables(
    names: Mapping[tuple[str, str], Named], offers: Mapping[str, Offer], targets: Targets
) -> None:
    """Two providers behind one derived variable would be called for each other. Raises InputError."""
    bases: dict[tuple[str, ...], str] = {}
    keys: dict[tuple[str, ...], str] = {}
    for (name, _), address in names.items():
        provider = (offers[name].provider if name in offers else name,)
        target = targets.of(name)
        if target.api_base is None and address.api_base is not None:
            bases[provider] = address.api_base.removeprefix("os.environ/")
        if target.api_key_env is None and address.api_key_env is not None:
            keys[provider] = address.api_key_env
    for variables in (bases, keys):
        distinct(variables, "environment variable")


def _entry(
    group: str,
    part: Part,
    name: Named,
    weight: int,
    offer: Offer | None,
    use: Mapping[str, tuple[float, float]],
) -> dict[str, Any]:
    params: dict[str, Any] = {"model": name.model}
    if name.api_key_env is not None:
        params["api_key"] = f"os.environ/{name.api_key_env}"
    tier = tier_of(part.offer, offer, SENDER)
    if tier is not None:
        params["service_tier"] = tier
    if name.api_base is not None:
        params["api_base"] = name.api_base
    params["weight"] = weight
    if offer is not None:
        requests, tokens = use[part.offer]
        quota = offer.quota
        if quota.requests_per_minute is not None and part.requests is not None and requests > 0:
            params["rpm"] = _part_of(quota.requests_per_minute, part.requests / requests)
        if quota.tokens_per_minute is not None and tokens > 0:
            params["tpm"] = _part_of(quota.tokens_per_minute, part.tokens / tokens)
    info = {"id": f"{group}/{part.offer}/{part.model}", **_prices(offer, part.model)}
    return {"model_name": group, "litellm_params": params, "model_info": info}


def _part_of(quota: float, share: float) -> int:
    """Whole, never above the share; at least 1, for 0 would shut the deployment out."""
    return max(1, math.floor(quota * share * (1 + 1e-9)))


def _prices(offer: Offer | None, model: str) -> dict[str, float]:
    """USD per token, where the offer bills tokens at all."""
    if offer is None or (offer.commitment is not None and offer.commitment.tiers):
        return {}
    sold = offer.models[model]
    cached = (
        sold.cached_prompt_usd_per_m if sold.cached_prompt_usd_per_m is not None else sold.prompt_usd_per_m
    )
    prices = {
        "input_cost_per_token": sold.prompt_usd_per_m,
        "output_cost_per_token": sold.completion_usd_per_m,
        "cache_read_input_token_cost": cached,  # LiteLLM takes an absent one for 0
        "cache_creation_input_token_cost": sold.cache_write_usd_per_m,
    }
    named = {
        key: float(Decimal(repr(price)).scaleb(-6)) for key, price in prices.items() if price is not None
    }
    return named | ({} if sold.usd_per_request is None else {"input_cost_per_request": sold.usd_per_request})


def _use(workload_splits: Sequence[Split]) -> dict[str, tuple[float, float]]:
    """Requests and tokens that all workloads bring to an offer."""
    parts: dict[str, list[Part]] = {}
    for split in workload_splits:
        for part in split.parts:
            parts.setdefault(part.offer, []).append(part)
    return {
        offer: (fsum(part.requests or 0.0 for part in its), fsum(part.tokens for part in its))
        for offer, its in parts.items()
    }


def _fallbacks(
    plan: Plan,
    problem: Problem,
    workload_splits: Sequence[Split],
    targets: Targets,
    names: dict[tuple[str, str], Named],
    at: tuple[int | None, str | None],
) -> tuple[list[dict[str, Any]], list[dict[str, list[str]]]]:
    """For each workload what the plan keeps spare for it, for when a provider is lost or refuses; where it keeps none
    the cheapest pay-per-token offer that may serve it and has no share.
    """
    workloads = {workload.name: workload for workload in problem.workloads}
    offers = {offer.name: offer for offer in problem.offers}
    refused = {(row.workload, row.offer, row.model) for row in plan.refused if row.recipe is None}
    listed = {name: kind.workload for kind in plan.kinds or () for name in kind.alike}
    entries, chains = [], dict[str, list[str]]()
    groups = {split.workload for split in workload_splits}
    for (
        load
    ) in problem.workloads:  # a request that a step does not answer goes to the next: a cascade's own road
        for recipe in load.recipes:
            for k, step in enumerate(recipe.steps[1:]):
                own, after = (f"{load.name}/{recipe.name}/{n}" for n in (k, k + 1))
                if step.requests < 1 and {own, after} <= groups:
                    chains[own] = [after]
    for split in workload_splits:
        planned = spares(plan, split, *at)
        if planned:
            group = _spare_group(split, workloads)
            for part, weight in zip(planned, _weights(planned), strict=True):
                offer = offers[part.offer]
                names[part.offer, part.model] = name = named(
                    part.offer, part.model, offer, targets.of(part.offer)
                )
                entries.append(_entry(group, part, name, weight, offer, {part.offer: (0.0, 0.0)}))
            chains[split.workload] = [group, *chains.get(split.workload, ())]
            continue
        workload = workloads.get(split.workload)
        if workload is None:  # a step of a recipe
            continue
        used = {part.offer for part in split.parts}
        spare = [
            (cost, offer, model)
            for offer in problem.offers
            if offer.name not in used and not sells_batches(offer)
            for model in workload.models
            if model in offer.models
            and (listed.get(workload.name, workload.name), offer.name, model) not in refused
            if (cost := _on_demand(workload, offer, model)) is not None
        ]
        if not spare:
            continue
        _, offer, model = min(spare, key=lambda choice: (choice[0], choice[1].name, choice[2]))
        group = _spare_group(split, workloads)
        names[offer.name, model] = name = named(offer.name, model, offer, targets.of(offer.name))
        part = Part(offer.name, model, 1.0, None, 0.0)
        entries.append(_entry(group, part, name, 1, offer, {offer.name: (0.0, 0.0)}))
        chains[split.workload] = [group]
    return entries, [{own: after} for own, after in chains.items()]


def _weights(planned: Sequence[Part]) -> list[int]:
    return [max(weight, 1) for weight in largest_remainder([part.share for part in planned], WEIGHTS)]


def _spare_group(split: Split, workloads: Mapping[str, Workload]) -> str:
    group = split.workload + FALLBACK
    if group in workloads:
        raise InputError(
            Issue(("workloads",), "is the name that its fallbacks need", group, "--no-fallbacks")
        )
    return group


def _on_demand(workload: Workload, offer: Offer, model: str) -> float | None:
    """USD per million tokens of the workload's mix; None where the offer is not simply paid by the token."""
    sold = offer.models[model]
    if offer.instances or offer.commitment or offer.fee_usd_per_month:
        return None
    prompt_usd, completion_usd = mixed_prices(sold, workload)
    if prompt_usd is None or completion_usd is None:
        return None
    prompt, completion = workload.prompt_tokens, workload.completion_tokens
    fee = 0.0
    if prompt is None or completion is None or prompt + completion == 0:
        share = workload.demand.completion_share
        share = 0.5 if share is None else share
    else:
        share = completion / (prompt + completion)
        fee = (sold.usd_per_request or 0.0) / (prompt + completion) * 1e6
    return (1 - share) * prompt_usd + share * completion_usd + fee
