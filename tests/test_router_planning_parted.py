"""Hours that wait and share nothing but what spans them: each is planned as if it were alone."""

from __future__ import annotations

import json

import pytest

import router
from problems.physics.waiting import Cuts
from router.loading.catalogue import load_text
from router.plan.document import Plan
from router.planning import optimise
from router.planning.structure import in_parts
from router.planning.waits import parted
from router.planning.waits.parted import Parted
from router.planning.waits.tighten import beside
from router.verification import verify
from router.verification.bound.queues import waiting
from solvers import SolveOptions

CHAT = [6_000, 17_000, 26_000, 22_000, 9_000]
DOCUMENTS = [2_100, 4_900, 6_100, 4_700, 300]


def problem(chat: list[int], documents: list[int], *, contract: bool) -> str:
    """One machine and what it cannot carry by the token; a contract that is not worth its minimum."""
    tokens = {"prompt_usd_per_m": 0.4, "completion_usd_per_m": 1.6, "ttft_p95_ms": 900}
    offers = [
        {"name": "tokens", "models": {"m": tokens}},
        {"name": "other", "models": {"m": {**tokens, "prompt_usd_per_m": 0.9}}},
        {
            "name": "own",
            "models": {
                "m": {"prompt_tokens_per_s": 40000, "completion_tokens_per_s": 6000, "ttft_p95_ms": 600}
            },
            "instances": {"usd_per_h": 24, "reserved": 1, "reserved_usd_per_h": 16, "max": 1},
        },
    ]
    if contract:
        reserved = {**tokens, "prompt_usd_per_m": 0.3, "completion_usd_per_m": 1.2}
        minimum = {"min_usd_per_month": 900_000, "term_months": 12}
        offers.append({"name": "reserved", "models": {"m": reserved}, "commitment": minimum})

    def workload(name: str, requests: list[int], prompt: int, budget_ms: int) -> dict[str, object]:
        tokens = {"prompt_tokens": prompt, "completion_tokens": 200}
        return {
            "name": name,
            "models": ["m"],
            "demand": {"requests_by_period": requests},
            **tokens,
            "slo": {"ttft_p95_ms": budget_ms},
        }

    return json.dumps(
        {
            "schema": "router/1",
            "horizon": {"periods": len(chat), "period_h": 1},
            "models": {"m": {}},
            "workloads": [
                workload("chat", chat, 1200, 1500)
                | {"routing": {"min_providers": 2, "min_share_per_provider": 0.05}},
                workload("documents", documents, 9000, 4000),
            ],
            "offers": offers,
        }
    )


def checked(text: str) -> Plan:
    given = load_text(text)
    plan = router.solve(given, options=SolveOptions(time_limit_s=60))
    assert verify(given, plan).ok
    return plan


def test_hours_cost_what_each_costs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program of five hours taken for a large one: the plan is the sum of five that are proven by themselves."""
    alone = sum(
        checked(problem([chat], [documents], contract=False)).cost_usd
        for chat, documents in zip(CHAT, DOCUMENTS, strict=True)
    )
    ran, run = [], Parted.run
    monkeypatch.setattr(Parted, "run", lambda self: ran.append(self) or run(self))
    monkeypatch.setattr(optimise, "SMALL", 0)
    monkeypatch.setattr(in_parts, "SMALL", 60)  # columns: more than an hour has, fewer than all
    together = checked(problem(CHAT, DOCUMENTS, contract=True))
    assert ran
    assert together.cost_usd == pytest.approx(alone, rel=1e-5)
    assert (ran[0].least <= ran[0].usd + 1e-9).all()


def test_plans_are_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one round the inner side gives away 1.5 % between its cuts; close beside the mixes found it does not."""
    alone = sum(
        checked(problem([chat], [documents], contract=False)).cost_usd
        for chat, documents in zip(CHAT, DOCUMENTS, strict=True)
    )
    after_rounds, rounds, after, run = [], Parted._rounds, [], Parted.run

    def looked_at(self: Parted) -> None:
        rounds(self)
        after_rounds.append(float(self.usd.sum()))

    def ended(self: Parted) -> tuple[parted.Best, ...]:
        found = run(self)
        after.append(float(self.usd.sum()))
        return found

    monkeypatch.setattr(optimise, "SMALL", 0)
    monkeypatch.setattr(in_parts, "SMALL", 60)
    monkeypatch.setattr(parted, "MOST_ROUNDS", 1)
    monkeypatch.setattr(Parted, "_rounds", looked_at)
    monkeypatch.setattr(Parted, "run", ended)
    together = checked(problem(CHAT, DOCUMENTS, contract=True))
    assert after[0] < 0.99 * after_rounds[0]
    assert together.cost_usd == pytest.approx(alone, rel=1e-5)


def test_cuts_close_beside_mixes() -> None:
    """1 % to both sides of 2 and of 4, on the first side alone: there are none on the second."""
    cuts = beside({0: {(3, 5): Cuts(((2.0, 4.0), ()), (1, 2), 2)}}, 0.01)
    assert cuts[0][3, 5].mixes == (pytest.approx((1.98, 2.0, 2.02, 3.96, 4.0, 4.04)), ())
    assert cuts[0][3, 5].levels == (1, 2)


def test_more_mixes_than_can_be_written_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """32 mixes of one pool, of which ten pieces are allowed: a bound 1.4 % below the plan; without any, 24 %."""
    given = load_text(problem(CHAT[2:3], DOCUMENTS[2:3], contract=False))
    bounds = []
    for most in (10, 0):
        monkeypatch.setattr(waiting, "MOST_PIECES", most)
        plan = router.solve(given)
        assert verify(given, plan).ok
        assert plan.proof is not None
        bounds.append(plan.proof.bound_usd / plan.cost_usd)
    assert bounds[0] > 0.98
    assert bounds[1] < 0.8
