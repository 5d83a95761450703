"""What moved between two versions of a problem."""

from __future__ import annotations

from pytest import approx

from router.importers import Drift, drift
from router.loading.catalogue import load_text
from router.schema import Problem

OLD = """
schema: router/1
horizon: {periods: 2, period_h: 1}
models: {m: {quality: 0.5}}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [100, 300]}, prompt_tokens: 300, completion_tokens: 100}
  - {name: old, models: [m], demand: {requests_per_day: 240}, prompt_tokens: 300, completion_tokens: 100}
offers:
  - {name: api, source: page one, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 2}}}
  - {name: gpu, models: {m: {tokens_per_s: 10}}, instances: {usd_per_h: 4, start_usd: 0}}
  - {name: gone, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 2}}}
"""
NEW = """
schema: router/1
horizon: {periods: 4, period_h: 0.5}
models: {m: {quality: 0.5}}
workloads:
  - {name: chat, models: [m], demand: {requests_per_hour: 300}, prompt_tokens: 300, completion_tokens: 110}
  - {name: new, models: [m], demand: {requests_per_day: 240}, prompt_tokens: 300, completion_tokens: 100}
offers:
  - {name: gpu, models: {m: {tokens_per_s: 10}}, instances: {usd_per_h: 4.0004, start_usd: 5}}
  - {name: api, source: page two, models: {m: {prompt_usd_per_m: 0.8, completion_usd_per_m: 2}}}
"""


def by_field(old: Problem, new: Problem, least: float = 0.0) -> dict[tuple[str, str, str], Drift]:
    return {(row.kind, row.name, row.field): row for row in drift(old, new, least)}


def test_drift_by_field() -> None:
    """chat: 400 requests in 2 h, at most 300 in an hour, became 300 in every hour: mean + 50 %, highest the same."""
    found = by_field(load_text(OLD), load_text(NEW))
    price = found["offer", "api", "models.m.prompt_usd_per_m"]
    assert (price.old, price.new, price.relative) == (1, 0.8, approx(-0.2))
    mean = found["workload", "chat", "demand.requests_per_hour"]
    assert (mean.old, mean.new, mean.relative) == (200, 300, approx(0.5))
    assert ("workload", "chat", "demand.highest_requests_per_hour") not in found
    assert found["workload", "chat", "completion_tokens"].relative == approx(0.1)
    assert found["offer", "gpu", "instances.start_usd"].relative is None  # from 0
    assert (found["offer", "gone", ""].new, found["workload", "new", ""].new) == ("removed", "added")
    assert not any(field.startswith("source") for _, _, field in found)


def test_what_moved_less_than_asked_is_not_told() -> None:
    found = by_field(load_text(OLD), load_text(NEW), least=0.01)
    assert ("offer", "gpu", "instances.usd_per_h") not in found
    assert ("offer", "api", "models.m.prompt_usd_per_m") in found


def test_nothing_moves_by_itself_or_by_order() -> None:
    old = load_text(OLD)
    assert drift(old, old) == ()
    turned = old.model_copy(update={"offers": tuple(reversed(old.offers))})
    assert drift(old, turned) == ()
