"""Prefill and decode workers: the counts of replicas in two roles, as a patch of what runs them.

    dynamo   a merge patch of a DynamoGraphDeployment (nvidia.com/v1alpha1): spec.services.<its name>.replicas
    llm-d    values over those of the chart llm-d-modelservice: prefill.replicas, decode.replicas

A document for each model that an offer serves; of llm-d one alone, as a release of its chart has one. What services
are called is the deployment's own, by default as in Dynamo's examples for vLLM. A worker is one replica, of as many
GPUs as its pod asks for there.
"""

from __future__ import annotations

from typing import Any

from router.errors import InputError, Issue
from router.exporters.counts import whole
from router.exporters.exported import Exported, head, of_scenario, to_yaml
from router.exporters.targets import Targets, distinct, kubernetes_name
from router.plan.document import Plan

ROLES = ("prefill", "decode")
SERVICES = ("VllmPrefillWorker", "VllmDecodeWorker")

type Workers = dict[tuple[str, str | None], dict[str, int]]
"""By offer and model: replicas by role."""


def workers(
    plan: Plan,
    *,
    form: str = "dynamo",
    targets: Targets | None = None,
    period: int | None = None,
    scenario: str | None = None,
    offer: str | None = None,
    services: tuple[str, str] = SERVICES,
    namespace: str | None = None,
) -> Exported:
    """A document per offer and model. Raises InputError: no such period or scenario, two of one name or values file.

    offer      that one alone
    services   what prefill and decode workers are called in a DynamoGraphDeployment
    """
    targets = targets or Targets()
    if period is not None and not 0 <= period < plan.periods:
        raise InputError(Issue(("--period",), f"must be in 0 … {plan.periods - 1}", period))
    counts = _counts(plan, period, scenario, offer)
    if form == "llm-d" and len(counts) > 1:
        each = ", ".join(_said(*pool) for pool in counts)
        rule = f"values are of one release, and the plan has {len(counts)}: {each}"
        raise InputError(Issue(("--form",), rule, form, "--offer NAME picks one"))
    names: dict[tuple[str, ...], str] = {(of, model or ""): _name(of, model, targets) for of, model in counts}
    distinct(names, "deployment")
    documents, remarks = [], list[str]()
    for (of, model), own in counts.items():
        name = names[of, model or ""]
        if form == "dynamo":
            documents.append(_dynamo(name, own, services, namespace))
        else:
            documents.append({role: {"replicas": own[role]} for role in ROLES})
            remarks.append(f"values of {_said(of, model)}, over those of its release: helm upgrade … -f")
    if form == "dynamo":
        how = "kubectl patch dynamographdeployment NAME --type merge --patch-file FILE"
        remarks.append(f"a patch, for {how}: kubectl apply would take out what it does not name")
    if period is None and plan.periods > 1 and counts:
        remarks.append("the largest counts of all periods; --period N or --at TIME is of one")
    if not counts:
        remarks.append("the plan has no workers by role: nothing to write")
    return Exported(
        head(plan, "Prefill and decode workers") + (to_yaml(*documents) if documents else ""), tuple(remarks)
    )


def _said(offer: str, model: str | None) -> str:
    return offer if model is None else f"{offer} with {model}"


def _counts(plan: Plan, period: int | None, scenario: str | None, offer: str | None) -> Workers:
    """The most of each role in the periods asked for."""
    counts: Workers = {}
    for row in of_scenario(plan, plan.instances, scenario):
        if row.role is not None and offer in (None, row.offer):
            own = counts.setdefault((row.offer, row.model), dict.fromkeys(ROLES, 0))
            if period in (None, row.period):
                own[row.role] = max(own[row.role], whole(row.count))
    return dict(sorted(counts.items(), key=lambda item: (item[0][0], item[0][1] or "")))


def _name(offer: str, model: str | None, targets: Targets) -> str:
    mapped = targets.of(offer).deployment
    return mapped or kubernetes_name(offer if model is None else f"{offer}-{model}")


def _dynamo(
    name: str, own: dict[str, int], services: tuple[str, str], namespace: str | None
) -> dict[str, Any]:
    metadata = {"name": name} | ({} if namespace is None else {"namespace": namespace})
    replicas = {service: {"replicas": own[role]} for service, role in zip(services, ROLES, strict=True)}
    return {
        "apiVersion": "nvidia.com/v1alpha1",
        "kind": "DynamoGraphDeployment",
        "metadata": metadata,
        "spec": {"services": replicas},
    }
