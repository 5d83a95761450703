"""How LiteLLM calls an offer's model: `provider/model`, the key's environment variable, the endpoint.

Providers that LiteLLM knows keep its prefix; everything else is taken to speak OpenAI's API at an address that an
environment variable holds. Both are guesses, so they are said; `--map` states it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from router.exporters.targets import Target
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


@dataclass(frozen=True, slots=True)
class Named:
    """A deployment's address in LiteLLM's terms; `remark` where part of it is derived."""

    model: str
    api_key_env: str
    api_base: str | None
    remark: str | None


def named(offer: str, model: str, sold: Offer | None, target: Target) -> Named:
    """As mapped; else derived from the provider, or the offer's name where the problem is not at hand."""
    provider = sold.provider if sold is not None else offer
    given = target.models.get(model) or target.model
    prefix = PREFIXES.get(provider.lower())
    string = given or f"{prefix or 'openai'}/{model}"
    key = target.api_key_env or f"{_variable(provider)}_API_KEY"
    base = target.api_base
    if base is None and given is None and prefix is None:
        base = f"os.environ/{_variable(provider)}_API_BASE"
    if given is not None:
        return Named(string, key, base, None)
    where = f" at {base}" if base else ""
    return Named(
        string, key, base, f"{offer}: not in --map; taken to be {string}{where} with the key in {key}"
    )


def _variable(text: str) -> str:
    """An environment variable's name."""
    name = re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_")
    return name if name and not name[0].isdigit() else f"OFFER_{name}"
