"""`router export headroom`: so much more keeps every check of `router verify`, and a little more breaks one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from router import api
from router.errors import InputError
from router.exporters import headroom
from router.loading.catalogue import load_text, problem_sha256
from router.plan.document import Plan
from router.schema import Problem
from router.verification import verify

TEXT = """
schema: router/1
name: two hours
horizon: {periods: 2, period_h: 1, start: "2026-12-03T04:00"}
models: {m: {}, n: {}}
workloads:
  - {name: chat, models: [m], demand: {requests_by_period: [9000, 900]}, prompt_tokens: 500, completion_tokens: 100,
     slo: {ttft_p99_ms: 400}, service_cv: 1, routing: {splittable: true}}
  - {name: bulk, models: [m], demand: {requests_by_period: [900, 3000]}, prompt_tokens: 500, completion_tokens: 100}
offers:
  - {name: own, models: {m: {tokens_per_s: 5000, concurrency: 8, ttft_p99_ms: 80}}, instances: {usd_per_h: 2, max: 1}}
  - {name: api, models: {m: {prompt_usd_per_m: 90, completion_usd_per_m: 90, ttft_p99_ms: 100}}}
"""
VARIANTS = {
    "waiting": TEXT,
    "utilisation": TEXT.replace("max: 1}", "max: 1, max_utilisation: 0.8}"),
    "requests": TEXT.replace("- {name: own,", "- {name: own, quota: {requests_per_minute: 170},"),
    "tokens": TEXT.replace("- {name: own,", "- {name: own, quota: {tokens_per_minute: 100_000},"),
    "one provider": TEXT + "policy: {max_share_per_provider: 0.9}\n",
    "own share": TEXT.replace("splittable: true", "max_share_per_provider: 0.8"),
    "two providers": TEXT.replace("splittable: true", "min_providers: 2, min_share_per_provider: 0.2"),
    "margins": TEXT + "policy: {wait_margin: 0.5, load_margin: 0.2}\n",
}


def figures(problem: Problem, plan: Plan, **given: Any) -> dict[tuple[str, int], dict[str, Any]]:
    rows = json.loads(headroom(plan, problem, **given).text)["headroom"]
    return {(row["workload"], row["period"]): row for row in rows}


def with_more(
    text: str, problem: Problem, plan: Plan, row: dict[str, Any], more: float
) -> tuple[Problem, Plan]:
    """The problem with so many more requests of a workload in an hour, and the plan with all of them on the pool."""
    name, hour = row["workload"], row["period"]
    (load,) = [load for load in problem.workloads if load.name == name]
    before = list(load.demand.requests_by_period)
    after = [count + more * (t == hour) for t, count in enumerate(before)]
    changed = load_text(text.replace(json.dumps([int(n) for n in before]), json.dumps(after)))
    here = [r for r in plan.routes if (r.workload, r.period) == (name, hour)]
    carries = any(r.offer == row["offer"] for r in here)
    if not carries:
        here.append(
            replace(
                here[0], offer=row["offer"], share=0.0, requests=0.0, prompt_tokens=0.0, completion_tokens=0.0
            )
        )
    moved = []
    for r in here:
        requests = r.requests + (more if r.offer == row["offer"] else 0.0)
        tokens = {"prompt_tokens": 500 * requests, "completion_tokens": 100 * requests}
        moved.append(replace(r, requests=requests, share=requests / after[hour], **tokens))
    others = [r for r in plan.routes if (r.workload, r.period) != (name, hour)]
    counts = [
        replace(r, utilisation=r.utilisation + 600 * more / (5000 * 3600 * r.count))
        if r.period == hour
        else r
        for r in plan.instances
    ]
    made = replace(
        plan,
        proof=None,
        routes=tuple(others + moved),
        instances=tuple(counts),
        problem_sha256=problem_sha256(changed),
        quotas=None,
        minutes=None,
    )
    return changed, made


@pytest.mark.parametrize("name", VARIANTS)
def test_so_much_more_is_safe_and_a_little_more_is_not(name: str) -> None:
    """Each figure, put into the problem and the plan, is checked by `router verify`: an hour's requests in one go."""
    text = VARIANTS[name]
    problem = load_text(text)
    plan = api.solve(problem)
    rows = figures(problem, plan)
    assert {workload for workload, _ in rows} == {"chat", "bulk"}
    assert (
        any(row["more"] > 0 for row in rows.values()) or name == "one provider"
    )  # where the plan is at the limit
    for row in rows.values():
        more = row["more"] * 3600
        assert verify(*with_more(text, problem, plan, row, more)).ok, row
        beyond = verify(*with_more(text, problem, plan, row, more * 1.002 + 0.5))
        assert not beyond.ok, row
        assert set(beyond.failed()) <= {"throughput", "waiting", "quota", "provider_shares", "min_providers"}


def test_a_row_says_which_pool_until_when() -> None:
    """4 o'clock to 5, local time of the plan; 9,000 requests of 600 tokens keep 5,000 tokens/s busy at 30 %."""
    problem = load_text(TEXT)
    row = figures(problem, api.solve(problem), period=0)["chat", 0]
    assert (row["pool"], row["from"], row["until"]) == ("own/m", "2026-12-03T04:00:00", "2026-12-03T05:00:00")
    assert (row["planned"], row["unit"]) == (pytest.approx(2.5), "requests/s")


def test_at_a_stated_utilisation_what_is_left_is_arithmetic() -> None:
    """80 % of 5,000 tokens/s are 4,000, or 6.667 requests/s; 2.5 and 0.25 are planned in the first hour."""
    problem = load_text(VARIANTS["utilisation"])
    row = figures(problem, api.solve(problem))["bulk", 0]
    assert row["more"] == pytest.approx(4000 / 600 - 2.75, rel=1e-4)


def test_what_it_cannot_say_is_said() -> None:
    problem = load_text(TEXT + "policy: {survive_loss_of: none}\n")
    plan = api.solve(problem)
    changed = problem.model_copy(
        update={"policy": problem.policy.model_copy(update={"survive_loss_of": "offer"})}
    )
    with pytest.raises(InputError, match="survive_loss_of"):
        headroom(replace(plan, problem_sha256=problem_sha256(changed)), changed)
    with pytest.raises(InputError, match="not the problem"):
        headroom(plan, changed)
    contract = TEXT.replace(
        "- {name: own,", "- {name: own, commitment: {min_usd_per_month: 1, term_months: 1},"
    )
    contract = contract.replace(
        "{tokens_per_s: 5000,", "{tokens_per_s: 5000, prompt_usd_per_m: 1, completion_usd_per_m: 1,"
    )
    problem = load_text(contract)
    made = headroom(api.solve(problem), problem)
    assert json.loads(made.text)["headroom"] == []
    assert any("own" in remark and "contract" in remark for remark in made.remarks)


def test_both_halves_of_a_replica_must_have_room() -> None:
    """Prefill workers do 1,000 requests an hour, decode workers 600: of 3 + 4 for 2,300 the decode half leaves 100."""
    roles = "{prefill: {usd_per_h: 1, min: 3}, decode: {usd_per_h: 1}}"
    problem = load_text(
        f"""
schema: router/1
horizon: {{periods: 1, period_h: 1}}
models: {{m: {{}}}}
workloads:
  - {{name: chat, models: [m], demand: {{requests_per_hour: 2300}}, prompt_tokens: 1000, completion_tokens: 100}}
offers:
  - name: own
    models: {{m: {{prompt_tokens_per_s: {1e6 / 3600}, completion_tokens_per_s: {6e4 / 3600}}}}}
    instances: {{roles: {roles}}}
"""
    )
    (row,) = figures(problem, api.solve(problem)).values()
    assert row["more"] * 3600 == pytest.approx(100, rel=1e-3)


def test_each_step_of_a_recipe_has_its_own_room() -> None:
    """Every request takes both steps; one instance each: first steps have room for 100 more, second ones for 550."""
    problem = load_text(
        """
schema: router/1
horizon: {periods: 1, period_h: 1}
models: {s: {}, b: {}, none: {}}
workloads:
  - name: chat
    models: [none]
    demand: {requests_per_hour: 900}
    prompt_tokens: 1000
    completion_tokens: 0
    recipes: [{name: both, quality: 1, steps: [{models: [s]}, {models: [b], requests: 0.5}]}]
offers:
  - {name: small, models: {s: {tokens_per_s: 277.77777777777777}}, instances: {usd_per_h: 1}}
  - {name: big, models: {b: {tokens_per_s: 277.77777777777777}}, instances: {usd_per_h: 1}}
"""
    )
    rows = figures(problem, api.solve(problem))
    more = {name: row["more"] * 3600 for (name, _), row in rows.items()}
    assert more == {
        "chat by both step 0": pytest.approx(100, rel=1e-3),
        "chat by both step 1": pytest.approx(550, rel=1e-3),
    }
