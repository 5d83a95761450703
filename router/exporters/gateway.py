"""Kubernetes gateways: one route per workload, the plan's split as `weight`s of its backends.

- `gateway-api`: HTTPRoute (gateway.networking.k8s.io/v1). Pools of instances are InferencePools of the Gateway API
  Inference Extension, everything else is a Service; the workload is told by the header that the extension's body-based
  router sets, `X-Gateway-Model-Name`.
- `envoy`: AIGatewayRoute of Envoy AI Gateway (aigateway.envoyproxy.io/v1beta1, of 1.0); backends are AIServiceBackends,
  the workload is the request's `model` (header `x-ai-eg-model`), `modelNameOverride` is the model that the plan chose,
  and a `bodyMutation` asks for the tier of an offer like `gpt-x:flex`.

Weights are whole and sum to `weights` (largest remainder); the API takes 0 … 1,000,000 and at most 16 backends a rule.
Routes that the plan keeps spare, for the loss of another or what one refuses, are backends of `priority` 1 in Envoy's
route: they get nothing while the first are healthy. An HTTPRoute has none, which is said.
"""

from __future__ import annotations

from typing import Any

from router.errors import InputError, Issue
from router.exporters.exported import Exported, head, to_yaml
from router.exporters.shares import Part, Split, spares, splits, weighted
from router.exporters.targets import Targets, distinct, kubernetes_name
from router.exporters.tiers import tier_of
from router.plan.document import Plan

WEIGHTS = 100
MAX_WEIGHT = 1_000_000
MAX_BACKENDS = 16
HTTP = 80


def gateway(
    plan: Plan,
    *,
    form: str = "gateway-api",
    targets: Targets | None = None,
    period: int | None = None,
    scenario: str | None = None,
    weights: int = WEIGHTS,
    parent: str = "inference-gateway",
    namespace: str | None = None,
) -> Exported:
    """The routes, one document per workload. Raises InputError."""
    targets = targets or Targets()
    if not 1 <= weights <= MAX_WEIGHT:
        raise InputError(Issue(("--weights",), f"must be in 1 … {MAX_WEIGHT:,}", weights))
    workload_splits, remarks = splits(plan, period, scenario)
    said, documents = list(remarks), []
    pools = {(row.offer, row.model) for row in plan.instances}
    rented = {offer for offer, _ in pools}
    backends: dict[tuple[str, ...], str] = {}
    for split in workload_splits:
        weighted_parts, lost = weighted(split, weights)
        said += lost
        if len(weighted_parts) > MAX_BACKENDS:
            rule = f"has {len(weighted_parts)} backends, and a rule takes {MAX_BACKENDS}"
            raise InputError(
                Issue(("workloads",), rule, split.workload, "lower --weights drops the smallest")
            )
        refs = []
        for part, weight in weighted_parts:
            mapped = targets.of(part.offer).backend
            tier = tier_of(part.offer, None, "a gateway")
            if tier is not None and form != "envoy":
                said.append(
                    f"{part.offer}: an HTTPRoute cannot ask for service_tier {tier}; its backend must"
                )
            own_pool = form != "envoy" and (part.offer, part.model) in pools and mapped is None
            key = (part.offer, part.model) if own_pool else (part.offer,)
            backends[key] = name = mapped or kubernetes_name(*key)
            if form == "envoy":
                ref = {"name": name, "weight": weight, "modelNameOverride": _override(part, targets)}
                refs.append(ref | _tier(tier))
            elif part.offer in rented:
                refs.append({**_POOL, "name": name, "weight": weight})
            else:
                port = targets.of(part.offer).port or HTTP
                refs.append({"kind": "Service", "name": name, "port": port, "weight": weight})
        spare = spares(plan, split, period, scenario)
        if spare and form != "envoy":
            listed = ", ".join(part.offer for part in spare)
            said.append(
                f"{split.workload}: an HTTPRoute knows no spare backends; the plan keeps {listed} for a loss"
            )
        for part in spare if form == "envoy" else ():
            backends[part.offer,] = name = targets.of(part.offer).backend or kubernetes_name(part.offer)
            ref = {"name": name, "priority": 1, "modelNameOverride": _override(part, targets)}
            refs.append(ref | _tier(tier_of(part.offer, None, "a gateway")))
        documents.append(_route(form, split, refs, parent, namespace))
    distinct(backends)
    distinct({(split.workload,): kubernetes_name(split.workload) for split in workload_splits})
    unmapped = sorted({key[0] for key in backends if targets.of(key[0]).backend is None})
    if unmapped:
        said.append(f"backends named after their offers, as --map names none: {', '.join(unmapped)}")
    return Exported(head(plan, "Routes") + to_yaml(*documents), tuple(said))


_POOL = {"group": "inference.networking.k8s.io", "kind": "InferencePool"}


def _tier(tier: str | None) -> dict[str, Any]:
    """What sets a field of the request's body."""
    return {} if tier is None else {"bodyMutation": {"set": [{"path": "service_tier", "value": f'"{tier}"'}]}}


def _override(part: Part, targets: Targets) -> str:
    """The model as the backend knows it: LiteLLM's string without its provider, where one is mapped."""
    target = targets.of(part.offer)
    mapped = target.models.get(part.model) or target.model
    return mapped.partition("/")[2] or mapped if mapped else part.model


def _route(
    form: str, split: Split, refs: list[dict[str, Any]], parent: str, namespace: str | None
) -> dict[str, Any]:
    metadata = {"name": kubernetes_name(split.workload)} | ({"namespace": namespace} if namespace else {})
    if form == "envoy":
        version, kind, header = "aigateway.envoyproxy.io/v1beta1", "AIGatewayRoute", "x-ai-eg-model"
    else:
        version, kind, header = "gateway.networking.k8s.io/v1", "HTTPRoute", "X-Gateway-Model-Name"
    match = {"headers": [{"type": "Exact", "name": header, "value": split.workload}]}
    group = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": parent}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": metadata,
        "spec": {"parentRefs": [group], "rules": [{"matches": [match], "backendRefs": refs}]},
    }
