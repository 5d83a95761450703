"""The user's own names for what the plan calls offers: `--map map.yaml`.

    acme-reserved:                              # an offer of the plan
      model: openai/llama-3.3-70b               # LiteLLM's model string, for all its models
      models: {llama-70b: openai/llama-70b}     # or one for each of the plan's models
      api_key_env: ACME_API_KEY                 # environment variable that holds the key
      api_base: https://api.acme.example/v1
      backend: acme                             # Kubernetes name: AIServiceBackend, InferencePool or Service
      port: 443                                 # of a Service
      deployment: acme-vllm                     # Kubernetes Deployment that KEDA scales

Every field is optional. What is not mapped is derived from provider, offer and model, and said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from router.errors import InputError, Issue, nearest
from router.loading.yaml_source import read_file
from router.schema.base import Counting, Name, Strict, optional
from router.schema.issues import issues_of
from router.schema.source import SourceMap

LABEL = 63  # characters of a Kubernetes name that is a DNS label


class Target(Strict):
    """One offer, as other programs know it."""

    model: Name | None = optional("LiteLLM model string")
    models: Mapping[str, Name] = Field(default={}, description="LiteLLM model string by model of the plan")
    api_key_env: Name | None = optional("Environment variable of the key")
    api_base: Name | None = optional("Address of the endpoint")
    backend: Name | None = optional("Kubernetes name of the backend")
    port: Counting | None = optional("Port of a Service")
    deployment: Name | None = optional("Kubernetes Deployment that is scaled")


class Targets(Strict):
    """All of a map file."""

    offers: Mapping[str, Target] = Field(default={}, description="By offer")

    def of(self, offer: str) -> Target:
        """What is mapped for an offer; an empty target where nothing is."""
        return self.offers.get(offer) or Target()

    def check(self, offers: Iterable[str]) -> None:
        """A mapped offer that the plan does not know is a typing error. Raises InputError."""
        known = set(offers)
        issues = [
            Issue((name,), "is not an offer of the plan", name, nearest(name, known), "--map")
            for name in self.offers
            if name not in known
        ]
        if issues:
            raise InputError(issues)


def read_targets(path: str | None) -> Targets:
    """The map file; nothing is mapped without one. Raises InputError."""
    if path is None:
        return Targets()
    value, mark = read_file(Path(path), path, fields=())
    if value and not any(isinstance(target, dict) for target in value.values()):
        raise InputError(Issue((), "must hold a mapping of fields for each offer", file=path))
    try:
        return Targets.model_validate({"offers": value})
    except ValidationError as error:
        positions = SourceMap(mark)
        issues = (Issue(issue.at[1:], issue.rule, issue.value, issue.hint) for issue in issues_of(error))
        raise InputError([positions.place(issue) for issue in issues]) from None


def kubernetes_name(*parts: str) -> str:
    """A DNS label of the parts: lower case, digits and hyphens, at most 63 characters. Raises InputError."""
    text = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")[:LABEL].rstrip("-")
    if not text:
        raise InputError(Issue(("--map",), "no Kubernetes name can be made of it", "-".join(parts)))
    return text


def distinct(names: Mapping[tuple[str, ...], str], what: str = "Kubernetes name") -> None:
    """Two things under one name would get each other's traffic. Raises InputError."""
    first: dict[str, tuple[str, ...]] = {}
    for key, name in names.items():
        other = first.setdefault(name, key)
        if other != key:
            rule = f"is the {what} of both {' '.join(other)} and {' '.join(key)}"
            raise InputError(Issue(("--map",), rule, name, "give one another name in --map"))
