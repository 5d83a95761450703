"""The same input gives the same plan, to the byte but for the time stamp."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from router import api
from router.loading.catalogue import load_text

EXAMPLES = Path(api.__file__).parent / "examples"

WAITING = """
schema: router/1
models: {m: {}}
horizon: {periods: 2, period_h: 1}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [7200, 36000]}, prompt_tokens: 100,
     completion_tokens: 100, arrival_cv: 1, slo: {ttft_p99_ms: 500}}
  - {name: code, models: [m], demand: {requests_by_period: [3600, 3600]}, prompt_tokens: 1000,
     completion_tokens: 100, arrival_cv: 5, service_cv: 1, slo: {ttft_p99_ms: 900}}
offers:
  - {name: gpu, models: {m: {tokens_per_s: 2000, ttft_p99_ms: 100, concurrency: 8}}, instances: {usd_per_h: 3}}
  - {name: api, models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2, ttft_p99_ms: 300}}}
"""


def same(first, second) -> bool:
    return replace(first, created="").to_json() == replace(second, created="").to_json()


@pytest.mark.usefixtures("short_proofs")
def test_where_waiting_takes_rounds():
    """The options stated are those asked, not what was left of the time in the last round."""
    plans = [api.solve(load_text(WAITING)) for _ in range(2)]
    assert any("rounds" in note for note in plans[0].notes)
    assert plans[0].solver.options.time_limit_s == 60.0
    assert same(*plans)


@pytest.mark.parametrize("name", ["fleet", "mixed", "case-11-hybrid"])
def test_shipped_examples(name):
    file = EXAMPLES / f"{name}.yaml"
    assert same(api.solve(file), api.solve(file))
