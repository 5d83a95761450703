"""Plans made by hand for the tests of exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.loading.catalogue import load_text, problem_sha256
from router.plan.document import Plan, SolverRun
from router.plan.rows import CostLine, InstanceRow, RouteRow, UnservedRow
from router.schema import Problem

Key = tuple[str, str, str]  # workload, offer, model

PROBLEM = """
schema: router/1
name: two workloads
horizon: {periods: PERIODS, period_h: PERIOD_H, start: "START", timezone: ZONE}
models: {m: {}, n: {}}
workloads:
  - {name: chat, models: [m, n], demand: {requests_per_hour: 100}, prompt_tokens: 300, completion_tokens: 100}
  - {name: batch, models: [m], demand: {requests_per_hour: 100}, prompt_tokens: 300, completion_tokens: 100}
offers:
  - name: acme
    provider: acme
    models: {m: {prompt_usd_per_m: 0.6, completion_usd_per_m: 1e-5}}
    quota: {requests_per_minute: 900, tokens_per_minute: 10_000}
  - {name: zeta, provider: together, models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2}}}
  - {name: spare, provider: groq, models: {m: {prompt_usd_per_m: 3, completion_usd_per_m: 3}}}
  - {name: dear, provider: openai, models: {m: {prompt_usd_per_m: 9, completion_usd_per_m: 9}}}
  - {name: h100, models: {m: {tokens_per_s: 1000}, n: {tokens_per_s: 1000}}, instances: {usd_per_h: 2}}
"""


def problem(
    periods: int = 2, period_h: float = 1, start: str = "2026-12-01T00:00:00", zone: str = "UTC"
) -> Problem:
    """The problem above over other hours."""
    text = PROBLEM.replace("PERIODS", str(periods)).replace("PERIOD_H", str(period_h))
    return load_text(text.replace("START", start).replace("ZONE", zone))


def plan(
    requests: Mapping[Key, Sequence[float]],
    counts: Mapping[tuple[str, str | None], Sequence[float]] | None = None,
    *,
    of: Problem | None = None,
    sized: bool = True,
    unserved: Sequence[UnservedRow] = (),
) -> Plan:
    """Requests (300 + 100 tokens each) and instance counts by period; everything else is of no matter."""
    periods = max(len(its) for its in [*requests.values(), *(counts or {}).values()])
    whole = [
        {w: sum(its[t] for (v, _, _), its in requests.items() if v == w) for w, _, _ in requests}
        for t in range(len(next(iter(requests.values()))))
    ]
    routes = tuple(
        RouteRow(
            workload=w,
            offer=o,
            model=m,
            period=t,
            occurrence=None,
            scenario=None,
            share=n / whole[t][w],
            requests=n if sized else None,
            prompt_tokens=300 * n,
            completion_tokens=100 * n,
        )
        for (w, o, m), its in requests.items()
        for t, n in enumerate(its)
        if n > 0
    )
    instances = tuple(
        InstanceRow(o, m, t, None, n, 0, n, 0, 0.5)
        for (o, m), its in (counts or {}).items()
        for t, n in enumerate(its)
        if n > 0
    )
    return Plan(
        name="two workloads",
        created="2026-11-22T00:00:00Z",
        problem_sha256=problem_sha256(of) if of is not None else "0" * 64,
        versions={},
        solver=SolverRun("none"),
        stop="optimal",
        cost_usd=1.0,
        objective_usd=1.0,
        bound_usd=1.0,
        gap=0.0,
        horizon_h=float(periods),
        cost_usd_per_month=1.0 * 730.0 / float(periods),
        periods=periods,
        cost_lines=(CostLine("acme", "tokens", 1.0),),
        routes=routes,
        instances=instances,
        unserved=tuple(unserved),
        verified={"ok": True, "checks": []},
    )
