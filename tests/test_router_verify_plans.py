"""Plans written by hand, and what the tests of `router.verification` share to write them."""

from __future__ import annotations

import copy
import math
from typing import Any

from router.errors import InputError
from router.loading.fingerprint import problem_sha256
from router.plan.document import Plan
from router.plan.start import as_planned
from router.schema import Problem
from router.verification import Verification
from router.verification import verify as check
from router.verification.base.audit import Audit
from router.verification.base.case import CERTAIN, Case
from router.verification.base.eligibility import judge
from router.verification.checks import CHECKS, CheckEntry

SHOP = """
schema: router/1
name: shop
models:
  big: {parameters_b: 70}
  small: {parameters_b: 7}
workloads:
  - name: chat
    models: [big]
    demand: {requests_per_hour: 100}
    prompt_tokens: 1000
    completion_tokens: 500
    routing: {min_providers: 2, min_share_per_provider: 0.25, max_share_per_provider: 0.75}
  - name: batch
    models: [small]
    demand: {requests_total: 36_500}
    prompt_tokens: 1000
    completion_tokens: 0
    unserved_usd_per_m_tokens: 2
    routing: {splittable: false, deny_offers: []}
offers:
  - name: a
    models: {big: {prompt_usd_per_m: 2, completion_usd_per_m: 4}}
    quota: {tokens_per_minute: 625}
    fee_usd_per_month: 73
  - name: b
    models: {big: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}
    commitment: {min_tokens_per_month: 60M, overage: contract, term_months: 12}
  - name: box
    models: {small: {tokens_per_s: 10}}
    instances: {usd_per_h: 2, min: 2, step: 2, max: 6, units: 8, power_kw: 1, max_utilisation: 0.8}
  - name: twin
    models: {small: {prompt_usd_per_m: 0}}
groups: [{name: cards, offers: [box], max_units: 16, min_units: 16}]
policy:
  {max_spend_usd: 3308.725, max_committed_usd: 133, max_power_kw: 2, max_share_per_provider: 0.9,
   energy_usd_per_kwh: 0.1}
reoptimise: null
"""


def route(
    workload: str, offer: str, model: str, share: float, size: tuple[float, float, float], **at: Any
) -> dict[str, Any]:
    """A row of `routes`; `size` is the whole cell's: requests (or None), prompt and completion tokens."""
    requests, prompt, completion = size
    return {
        "workload": workload,
        "offer": offer,
        "model": model,
        "period": 0,
        "occurrence": None,
        "scenario": None,
        "share": share,
        "requests": None if requests is None else share * requests,
        "prompt_tokens": share * prompt,
        "completion_tokens": share * completion,
    } | at


def instances(offer: str, model: str | None, count: float, utilisation: float, **at: Any) -> dict[str, Any]:
    """A row of `instances`, all paid and started, unless `at` says otherwise."""
    return {
        "offer": offer,
        "model": model,
        "period": 0,
        "scenario": None,
        "count": count,
        "reserved_count": 0.0,
        "paid_count": count,
        "started": count,
        "utilisation": utilisation,
    } | at


def line(offer: str | None, kind: str, usd: float) -> dict[str, Any]:
    return {"offer": offer, "kind": kind, "usd": usd}


def verify(problem: Problem, plan: Plan | dict[str, Any]) -> Verification:
    """The verdict on a plan, or on a document as it would be read from a file. Raises InputError."""
    return check(problem, plan if isinstance(plan, Plan) else Plan.from_dict(plan))


def is_caught(problem: Problem, plan: dict[str, Any], *checks: str) -> bool:
    """Whether a document is refused as no plan, or fails just these checks (any, where none is named)."""
    try:
        if checks:
            return verify(problem, plan).failed() == checks
        read = Plan.from_dict(plan)
        audit = Audit(as_planned(problem, read), read)
    except InputError as error:
        return bool(error.issues)
    return any(_fails(audit, entry) for entry in reversed(CHECKS))  # the last ones look at whole sections


def _fails(audit: Audit, entry: CheckEntry) -> bool:
    entry.look(audit, audit.ledgers[entry.name])
    return not audit.ledgers[entry.name].check().ok


def plan_for(problem: Problem, **rows: Any) -> dict[str, Any]:
    """A plan of `rows`; cost from its lines, refusals as judged (they have tests of their own)."""
    cost = math.fsum(row["usd"] for row in rows.get("cost_lines", []))
    hours = problem.horizon.hours
    case = Case(problem, (CERTAIN,))
    refused = [
        {"workload": w, "offer": o, "model": m, "reasons": list(reasons)}
        for (w, o, m), reasons in judge(case).items()
        if reasons
    ]
    plan = {
        "schema": "router-plan/2",
        "name": problem.name,
        "created": "2026-01-01T00:00:00Z",
        "problem_sha256": problem_sha256(problem),
        "versions": {},
        "solver": {"name": "by hand", "options": {}},
        "stop": "optimal",
        "cost_usd": cost,
        "objective_usd": cost,
        "bound_usd": cost,
        "gap": 0.0,
        "horizon_h": hours,
        "periods": problem.horizon.periods,
        "cost_usd_per_month": cost * 730 / hours,
        "cost_lines": [],
        "routes": [],
        "instances": [],
        "purchases": [],
        "contracts": [],
        "settlements": [],
        "unserved": [],
        "refused": refused,
        "prices": {"fixed": "by hand", "rows": []},
        "scenarios": [],
        "notes": [],
        "verified": {"ok": False, "checks": []},
    }
    return copy.deepcopy(plan | rows)


CHAT = (73_000.0, 73e6, 36.5e6)
BATCH = (36_500.0, 36.5e6, 0.0)


def shop_rows() -> dict[str, Any]:
    """What `SHOP` costs is worked out in the first test."""
    return {
        "routes": [
            route("chat", "a", "big", 0.25, CHAT),
            route("chat", "b", "big", 0.75, CHAT),
            route("batch", "box", "small", 0.8, BATCH),
        ],
        "unserved": [
            {
                "workload": "batch",
                "period": 0,
                "occurrence": None,
                "scenario": None,
                "share": 0.2,
                "requests": 7300.0,
                "prompt_tokens": 7.3e6,
                "completion_tokens": 0.0,
                "usd": 14.6,
            }
        ],
        "instances": [instances("box", "small", 2.0, 29.2e6 / 2_628_000 / 10 / 2)],
        "contracts": [
            {
                "offer": "b",
                "from_h": 0.0,
                "until_h": 8760.0,
                "signed_by": "plan",
                "committed_tokens_per_month": 60e6,
                "committed_usd_per_month": None,
            }
        ],
        "settlements": [
            {
                "offer": "b",
                "from_h": 0.0,
                "until_h": 730.0,
                "scenario": None,
                "signed": True,
                "committed_tokens_per_month": 60e6,
                "committed_usd_per_month": None,
                "used_tokens": 82.125e6,
                "used_usd": 82.125,
                "billed_usd": 82.125,
                "beyond_horizon_usd": 660.0,
                "utilisation": 82.125 / 60,
            }
        ],
        "cost_lines": [
            line("a", "tokens", 73.0),
            line("a", "fee", 73.0),
            line("b", "commitment", 82.125),
            line("box", "instances", 2920.0),
            line("box", "energy", 146.0),
            line(None, "unserved", 14.6),
        ],
    }


def shop_plan(problem: Problem, **rows: Any) -> dict[str, Any]:
    return plan_for(problem, **(shop_rows() | rows))
