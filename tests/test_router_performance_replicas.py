"""The shipped extract of measured replicas loads, is derived as stated, and is worth planning with."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import router
from router.api import solve
from router.loading.catalogue import load, load_text
from router.schema import Problem

FILE = Path(router.__file__).parent / "examples" / "measured-replicas.yaml"
CHAT = """
schema: router/1
include: [measured-replicas.yaml]
horizon: {periods: 1, period_h: 1}
policy: {p99_over_mean: 3}
workloads:
  - name: chat
    models: [gpt-oss-120b]
    demand: {requests_per_s: 2}
    prompt_tokens: 1024
    completion_tokens: 1024
"""


@cache
def catalogue() -> Problem:
    return load_text(CHAT, str(FILE.with_name("problem.yaml")))


def test_it_loads_as_an_include(tmp_path: Path) -> None:
    (tmp_path / "measured-replicas.yaml").write_bytes(FILE.read_bytes())
    (tmp_path / "problem.yaml").write_text(CHAT)
    problem = load(tmp_path / "problem.yaml")
    assert len(problem.offers) >= 20
    assert FILE.stat().st_size < 150_000


def test_every_offer_says_where_its_figures_are_from() -> None:
    head = FILE.read_text().split("schema:")[0]
    for words in ("aiconfigurator 0.12.0", "Apache-2.0", "p99_over_mean", "assumed"):
        assert words in head
    for offer in catalogue().offers:
        assert offer.source and offer.source.startswith("https://") and offer.as_of, offer.name
        assert offer.instances is not None and offer.instances.usd_per_h > 0
    for name, model in catalogue().models.items():
        assert model.source and model.parameters_b and model.context_tokens and model.open_weights, name


def test_there_are_several_loads_and_sizes_of_each() -> None:
    for offer in catalogue().offers:
        (entry,) = offer.models.values()
        sizes = {(point.prompt_tokens, point.completion_tokens) for point in entry.points}
        assert len(entry.points) >= 9 and len(sizes) >= 2, offer.name
    engines = {offer.name.rsplit("-", 1)[1] for offer in catalogue().offers}
    gpus = {offer.name.rsplit("-", 2)[1] for offer in catalogue().offers}
    assert engines == {"vllm", "sglang", "trtllm"} and gpus == {"h100", "h200", "b200", "b300"}
    assert {offer.provider for offer in catalogue().offers} >= {"runpod", "lambda", "coreweave"}


def test_rates_follow_from_the_latencies_by_littles_law() -> None:
    for offer in catalogue().offers:
        (entry,) = offer.models.values()
        for point in entry.points:
            assert point.concurrency and point.ttft_mean_ms and point.tpot_mean_ms
            request_s = (point.ttft_mean_ms + (point.completion_tokens - 1) * point.tpot_mean_ms) / 1000
            assert point.requests_per_s == pytest.approx(point.concurrency / request_s, rel=2e-5), offer.name
            assert point.ttft_p99_ms is None and point.tpot_p99_ms is None


def test_the_weights_fit_where_they_were_measured() -> None:
    for offer in catalogue().offers:
        assert offer.instances is not None and offer.instances.memory_gb is not None
        for name in offer.models:
            memory = catalogue().models[name].memory_gb
            assert memory is not None and memory <= offer.instances.memory_gb, offer.name


def test_a_plan_takes_the_cheapest_replica_and_states_the_assumption() -> None:
    """2 requests/s without an SLO: one B200 at 6.79 $/h serves 9.2 of them; no other replica costs less an hour
    but the H200 at 4.59 $/h, which serves 3.0."""
    plan = solve(catalogue())
    assert {row.offer: row.count for row in plan.instances} == {"gpt-oss-120b-1x-h200-trtllm": 1}
    assert plan.cost_usd == pytest.approx(4.59)
    assert any("P99 = 3 × mean" in note for note in plan.notes)
