"""Exported configurations in the real LiteLLM: loaded by `litellm.Router`, offline, and 2,000 requests counted.

Prices imported from LiteLLM's own list make the round trip: planned, exported, and what LiteLLM's cost tracking charges
for the plan's requests is what the plan costs.

    .venv/bin/python tests/ci_litellm_router.py [FOLDER]

LiteLLM brings 58 packages and 230 MB, so it lives in an environment of its own (FOLDER, default .cache/litellm, kept
between runs), into which this script puts it. Ends with 1 where a split is off or a configuration does not load.

    |count − n · share| ≤ z · sqrt(n · share · (1 − share)) + 1        n = 2,000 requests, z = 4: 1 run in 16,000 errs
"""

# ruff: noqa: T201
from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

DATA = Path(__file__).parent / "data" / "prices"
VERSION = "1.110.2"
REQUESTS, FEW, Z = 2000, 20, 4.0  # few: where there is nothing to split
SIZE = (1000, 300)  # prompt and completion tokens of a request of the round trip
ROUND_TRIPS = {
    "flex": ("litellm_variants.json", ["--variant", "flex"], ["gpt-x"]),
    "standard": ("litellm_variants.json", [], ["gpt-x"]),
    "own names": ("litellm_own_names.json", [], ["lab/model-a", "us.lab.model-b-v1:0"]),
}
CASES = {
    "fleet": ("fleet.yaml", []),
    "one period": ("fleet.yaml", ["--period", "17"]),
    "mixed": ("mixed.yaml", []),
}


def main(folder: Path) -> int:
    """In our own environment: plan, export, and have the rest done where LiteLLM is."""
    import router
    from router import cli
    from router.exporters.litellm_models import PREFIXES

    python = environment(folder)
    examples = Path(router.__file__).parent / "examples"
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for case, (problem, options) in CASES.items():
            plan, config = place / f"{case}.json", place / f"{case}.yaml"
            source = str(examples / problem)
            assert cli.run(["solve", source, "-o", str(plan), "--gap", "0.01"]) == 0
            done = cli.run(["export", "litellm", str(plan), "--problem", source, *options, "-o", str(config)])
            assert done == 0
        for case, (prices, options, models) in ROUND_TRIPS.items():
            round_trip(place / case, DATA / prices, options, models)
        (place / "prefixes").write_text("\n".join(sorted(set(PREFIXES.values()))), encoding="utf-8")
        return subprocess.run([str(python), __file__, "--play", name], check=False, timeout=600).returncode


def round_trip(folder: Path, prices: Path, options: list[str], models: list[str]) -> None:
    """Import prices → solve → export litellm, in a folder of its own."""
    from router import cli

    folder.mkdir()
    offers, problem, plan = (str(folder / name) for name in ("offers", "problem", "plan.json"))
    assert cli.run(["import", "prices", "litellm", str(prices), *options, "-o", offers]) == 0
    size = f"demand: {{requests_per_day: 1000}}, prompt_tokens: {SIZE[0]}, completion_tokens: {SIZE[1]}"
    loads = ", ".join(f"{{name: w{i}, models: ['{model}'], {size}}}" for i, model in enumerate(models))
    Path(problem).write_text(f"schema: router/1\ninclude: [offers]\nworkloads: [{loads}]\n", encoding="utf-8")
    assert cli.run(["solve", problem, "-o", plan]) == 0
    command = ["export", "litellm", plan, "--problem", problem, "-o", str(folder / "config")]
    assert cli.run(command) == 0


def environment(folder: Path) -> Path:
    """An environment with LiteLLM in it, made if it is not there."""
    python = folder / "bin" / "python"
    wanted = [f"litellm=={VERSION}", "pyyaml"]
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    probe = f"from importlib.metadata import version; assert version('litellm') == '{VERSION}'"
    if subprocess.run([str(python), "-c", probe], check=False, capture_output=True).returncode != 0:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def play(place: Path) -> int:
    """Where LiteLLM is: load every configuration, count 2,000 requests a workload, hold them to the plan's requests."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm
    import yaml

    litellm.suppress_debug_info = True
    random.seed(7)
    wrong = 0
    for config in sorted(place.glob("*.yaml")):
        text = yaml.safe_load(config.read_text(encoding="utf-8"))
        period = 17 if config.stem == "one period" else None
        expected = requests(json.loads(config.with_suffix(".json").read_text(encoding="utf-8")), period)
        for entry in text["model_list"]:
            params = entry["litellm_params"]
            params["mock_response"] = "ok"
            params["api_key"] = "none"
            if "api_base" in params:
                params["api_base"] = "http://localhost:1"
        routing = litellm.Router(model_list=text["model_list"], **text["router_settings"])
        assert len(routing.get_model_list() or []) == len(text["model_list"]), "a deployment was dropped"
        for workload, parts in expected.items():
            counts: Counter[str] = Counter()
            n = REQUESTS if len(parts) > 1 else FEW
            for _ in range(n):
                message = [{"role": "user", "content": "hello"}]
                answer = routing.completion(model=workload, messages=message)
                counts[answer._hidden_params["model_id"]] += 1
            whole = sum(parts.values())
            for part in sorted(set(parts) | set(counts)):
                share = parts.get(part, 0.0) / whole
                off = abs(counts[part] - n * share)
                most = Z * (n * share * (1 - share)) ** 0.5 + 1
                wrong += off > most
                word = "ok" if off <= most else "WRONG"
                print(f"{config.stem:12} {part:45} {share:7.2%} planned  {counts[part]:5} of {n}  {word}")
    for case in ROUND_TRIPS:
        wrong += charged_otherwise(place / case)
    for prefix in (place / "prefixes").read_text(encoding="utf-8").split():
        _, provider, _, _ = litellm.get_llm_provider(f"{prefix}/some-model")
        wrong += provider != prefix
        if provider != prefix:
            print(f"{prefix}: LiteLLM takes it for {provider}  WRONG")
    print("all splits and costs hold" if not wrong else f"{wrong} wrong")
    return int(wrong > 0)


def charged_otherwise(folder: Path) -> bool:
    """Whether LiteLLM's cost tracking differs from what a plan costs."""
    import litellm
    import yaml

    config = yaml.safe_load((folder / "config").read_text(encoding="utf-8"))
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    routing = litellm.Router(model_list=config["model_list"], **config["router_settings"])
    usage = litellm.Usage(prompt_tokens=SIZE[0], completion_tokens=SIZE[1], total_tokens=sum(SIZE))
    charged = 0.0
    for workload, parts in requests(plan, None).items():
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}
        answer = routing.completion(
            model=workload,
            messages=[{"role": "user", "content": "hello"}],
            mock_response=litellm.ModelResponse(choices=[choice], usage=usage),
        )
        charged += answer._hidden_params["response_cost"] * sum(parts.values())
    off = abs(charged - plan["cost_usd"]) > 1e-6 * plan["cost_usd"]
    print(
        f"{folder.name:12} {plan['cost_usd']:.2f} USD planned, {charged:.2f} charged  {'WRONG' if off else 'ok'}"
    )
    return off


def requests(plan: dict[str, list[dict[str, object]]], period: int | None) -> dict[str, dict[str, float]]:
    """Requests by workload and deployment, straight from the plan's routes."""
    found: dict[str, dict[str, float]] = {}
    for row in plan["routes"]:
        if period in (None, row["period"]) and row["share"]:
            its = found.setdefault(str(row["workload"]), {})
            key = f"{row['workload']}/{row['offer']}/{row['model']}"
            its[key] = its.get(key, 0.0) + float(str(row["requests"]))
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--play"]:
        sys.exit(play(Path(sys.argv[2])))
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".cache/litellm")))
