"""How LiteLLM calls an offer's model: `provider/model`, the key's environment variable, the endpoint.

An offer of LiteLLM's own price list has its key as name, which is LiteLLM's string, and LiteLLM finds the credentials
by itself. Other providers that LiteLLM knows keep its prefix; everything else is taken to speak OpenAI's API at an
address that an environment variable holds. Both are guesses, so they are said; `--map` states it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.exporters.targets import Target
from router.exporters.tiers import tier_of
from router.schema import Offer

PREFIXES = {
    "anthropic": "anthropic",
    "aws": "bedrock",
    "azure": "azure",
    "bedrock": "bedrock",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepinfra": "deepinfra",
    "deepseek": "deepseek",
    "fireworks": "fireworks_ai",
    "gemini": "gemini",
    "google": "gemini",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "replicate": "replicate",
    "sambanova": "sambanova",
    "together": "together_ai",
    "vertex": "vertex_ai",
    "x-ai": "xai",
}
"""LiteLLM's prefix by provider; tests hold every one of them to the real LiteLLM."""


OWN_LIST = "LiteLLM price file"
SENDER = "LiteLLM's router"
ROUTES = {"bedrock_converse": "bedrock", "azure_text": "azure"}
"""LiteLLM's route of providers that its list calls otherwise."""


@dataclass(frozen=True, slots=True)
class Named:
    """A deployment's address in LiteLLM's terms; `remark` where part of it is derived.

    api_key_env   environment variable of the key; None: where LiteLLM itself looks for it
    """

    model: str
    api_key_env: str | None
    api_base: str | None
    remark: str | None


def named(offer: str, model: str, sold: Offer | None, target: Target) -> Named:
    """As mapped; else derived from the provider, or the offer's name where the problem is not at hand."""
    provider = sold.provider if sold is not None else offer
    mapped = target.models.get(model) or target.model
    if mapped is None and sold is not None and (sold.source or "").startswith(OWN_LIST):
        return Named(_own(sold), target.api_key_env, target.api_base, None)
    prefix = PREFIXES.get(provider.lower())
    string = mapped or f"{prefix or 'openai'}/{model}"
    key = target.api_key_env or f"{_variable(provider)}_API_KEY"
    base = target.api_base
    if base is None and mapped is None and prefix is None:
        base = f"os.environ/{_variable(provider)}_API_BASE"
    if mapped is not None:
        return Named(string, key, base, None)
    where = f" at {base}" if base else ""
    return Named(
        string, key, base, f"{offer}: not in --map; taken to be {string}{where} with the key in {key}"
    )


def _own(sold: Offer) -> str:
    """LiteLLM's string of an entry of its list: the key, with the provider's route where it does not begin with it."""
    tier = tier_of(sold.name, sold, SENDER)
    key = sold.name.removesuffix(f":{tier}") if tier else sold.name
    family = "vertex_ai" if sold.provider.startswith("vertex_ai-") else sold.provider
    route = ROUTES.get(family, family)
    first, _, rest = key.partition("/")
    if first.replace("-", "_") in (family, route):
        return f"{first.replace('-', '_')}/{rest}"
    return f"{route}/{key}"


def _variable(text: str) -> str:
    """An environment variable's name."""
    name = re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_")
    return name if name and not name[0].isdigit() else f"OFFER_{name}"
