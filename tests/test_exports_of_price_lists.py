"""What was imported goes out as it is: LiteLLM's own names stay its own, a tier is asked for, batches are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest import approx

from router.cli import run
from router.exporters.litellm_models import named
from router.exporters.targets import Target
from router.exporters.tiers import tier_of
from router.schema import Offer

DATA = Path(__file__).parent / "data" / "prices"
WORKLOAD = (
    "{{name: {name}, models: ['{model}'], demand: {{requests_per_day: 1000}}, prompt_tokens: 1000, "
    "completion_tokens: 300}}"
)


def exported(folder: Path, prices: str, options: list[str], *models: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code of the export, and its deployments: import prices → solve → export litellm."""
    offers, problem, plan, out = (
        folder / name for name in ("offers.yaml", "problem.yaml", "plan.json", "out.yaml")
    )
    assert run(["import", "prices", "litellm", str(DATA / prices), *options, "-o", str(offers)]) == 0
    loads = ", ".join(WORKLOAD.format(name=f"w{i}", model=model) for i, model in enumerate(models))
    problem.write_text(f"schema: router/1\nname: n\ninclude: [offers.yaml]\nworkloads: [{loads}]\n")
    assert run(["solve", str(problem), "-o", str(plan)]) == 0
    code = run(["export", "litellm", str(plan), "--problem", str(problem), "-o", str(out)])
    return code, yaml.safe_load(out.read_text())["model_list"] if out.exists() else []


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_a_variant_keeps_its_tier(tmp_path: Path, tier: str) -> None:
    """At standard prices the bill would be twice the plan: 129.27 in place of 64.64 USD."""
    code, entries = exported(tmp_path, "litellm_variants.json", ["--variant", tier], "gpt-x")
    (entry,) = entries
    assert code == 0
    assert entry["litellm_params"] == {"model": "openai/gpt-x", "service_tier": tier, "weight": 1000}
    assert entry["model_info"]["input_cost_per_token"] == approx(
        {"flex": 6.25e-07, "priority": 2.5e-06}[tier]
    )


def test_prices_of_batches_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, entries = exported(tmp_path, "litellm_variants.json", ["--variant", "batches"], "gpt-x")
    assert (code, entries) == (2, [])
    said = capsys.readouterr().err
    assert "gpt-x:batches" in said
    assert "LiteLLM's router sends no batches" in said


def test_litellms_own_names_stay_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, entries = exported(tmp_path, "litellm_own_names.json", [], "lab/model-a", "us.lab.model-b-v1:0")
    assert code == 0
    models = [entry["litellm_params"]["model"] for entry in entries]
    assert models == ["together_ai/lab/model-a", "bedrock/us.lab.model-b-v1:0"]
    assert not any("api_base" in entry["litellm_params"] for entry in entries)
    assert "taken to be" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "provider", "string"),
    [
        ("gpt-x", "openai", "openai/gpt-x"),
        ("azure/eu/gpt-x", "azure", "azure/eu/gpt-x"),
        ("azure/gpt-x-instruct", "azure_text", "azure/gpt-x-instruct"),
        ("gemini-x", "vertex_ai-language-models", "vertex_ai/gemini-x"),
        ("vertex_ai/claude-x", "vertex_ai-anthropic_models", "vertex_ai/claude-x"),
        ("bedrock/us-east-1/lab.x-v1:0", "bedrock_converse", "bedrock/us-east-1/lab.x-v1:0"),
        ("amazon-nova/nova-x", "amazon_nova", "amazon_nova/nova-x"),
        ("gpt-x:flex", "openai", "openai/gpt-x"),
        ("fireworks_ai/accounts/f/models/x", "fireworks_ai", "fireworks_ai/accounts/f/models/x"),
    ],
)
def test_strings_of_the_list(key: str, provider: str, string: str) -> None:
    sold = offer(key, provider, "LiteLLM price file prices.json, https://example.com")
    assert named(key, "m", sold, Target()).model == string
    assert named(key, "m", sold, Target(model="openai/mine")).model == "openai/mine"


def offer(name: str, provider: str, source: str | None) -> Offer:
    models = {"m": {"prompt_usd_per_m": 1}}
    return Offer.model_validate({"name": name, "provider": provider, "models": models, "source": source})


def test_a_tier_is_told_by_imported_offers_alone() -> None:
    assert tier_of("x:flex", offer("x:flex", "p", "genai-prices 0.2.3"), "s") == "flex"
    assert tier_of("x:flex", offer("x:flex", "p", "my own list"), "s") is None
    assert tier_of("openrouter/x:free", offer("openrouter/x:free", "p", "LiteLLM price file f"), "s") is None
    assert tier_of("flex", None, "s") is None
