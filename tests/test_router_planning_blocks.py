"""A plan made block by block is a plan of the problem as a whole, within the gap that it states."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from problem_factory import api, by_period, gpu, load, problem
from test_router_cli import Run
from worker_accidents import Fails

from router.api import verify
from router.commands.plan_file import with_proof_beside
from router.errors import Infeasible, InputError, NoPlanInTime
from router.plan.document import Plan
from router.plan.file import read_plan
from router.plan.proof import ProofPart, part_line
from router.planning.blocks import planning
from router.planning.blocks.deciding import HeldDecision
from router.planning.blocks.planning import is_large, plan_by_blocks, undividable
from router.planning.solve import Search, planned
from router.schema import Problem
from router.verification.blocks import streaming
from router.verification.blocks.streaming import verify_tables
from router.workers import ALONE, start_workers
from solvers import SolveOptions

pytest.importorskip("pyarrow")

SEARCH = Search("highs", SolveOptions(gap=1e-2))


def random_problem(seed: int, periods: int = 17) -> dict[str, Any]:
    """Offers by the token with a quota, fees and contracts, and rented instances under a group."""
    rng = random.Random(seed)
    loads = []
    for w in range(rng.randint(2, 4)):
        volume = [round(rng.uniform(0.0, 9e6)) for _ in range(periods)]
        more: dict[str, Any] = rng.choice([{}, {}, {"routing": {"max_share_per_provider": 0.7}}])
        loads.append(by_period(volume, f"load-{w}", models=[["m"], ["n"], ["m", "n"]][w % 3], **more))
    both = ("m", "n")
    offers = [
        api("on-demand", 0.6, both),
        api("second", 0.7, both),
        api("limited", round(rng.uniform(0.2, 0.5), 2), both, quota={"tokens_per_minute": 2e4}),
        api(
            "with-fee", round(rng.uniform(0.2, 0.5), 2), ("m",), fee_usd_per_month=rng.choice([10, 900, 9e3])
        ),
        gpu("own", round(rng.uniform(0.3, 1.5), 2), 2.0, both, max=6),
    ]
    for name in ("contract", "another"):
        least = {"min_usd_per_month": rng.choice([50.0, 500.0, 5e3])}
        offers.append(api(name, round(rng.uniform(0.2, 0.4), 2), both, commitment=least))
    groups = [{"name": "cards", "offers": ["own"], "max_units": 5}]
    return problem(loads, offers, periods=periods, groups=groups)


def by_blocks(data: dict[str, Any], folder: Path, periods: int = 5) -> tuple[Problem, Plan]:
    stated = load(data)
    plan_by_blocks(stated, SEARCH, folder / "plan.json", ALONE, periods=periods)
    return stated, with_proof_beside(read_plan(folder / "plan.json"), folder / "plan.json")


@pytest.mark.parametrize("seed", range(6))
def test_blocks_and_the_whole_agree_within_their_gaps(seed: int, tmp_path: Path) -> None:
    """Neither bound is above either plan; the plan by blocks passes the check with all of its rows read at once."""
    data = random_problem(seed)
    stated, plan = by_blocks(data, tmp_path)
    verdict = verify(stated, plan)
    assert verdict.ok, [line for line in verdict.checks if not line.ok]
    assert verdict.cost_usd == pytest.approx(plan.cost_usd, rel=1e-9)
    whole = planned(stated, SEARCH)
    assert plan.proof is not None
    assert plan.proof.kind == "own"
    assert plan.bound_usd <= whole.cost_usd * (1 + 1e-9)
    assert whole.bound_usd <= plan.cost_usd * (1 + 1e-9)
    assert plan.cost_usd * (1 - plan.gap) == pytest.approx(plan.bound_usd, rel=1e-6, abs=1e-9)


def test_a_contract_is_billed_by_the_month(tmp_path: Path) -> None:
    """Two months of ten periods of 73 h; a million tokens in each period of the first, 0.2 million in the second.

    The contract has 0.5 USD per M and a minimum of 3 USD a month: max(10 · 0.5, 3) + max(2 · 0.5, 3) = 8. All of it
    on demand at 1 USD per M: 12. On demand in the second month alone saves nothing, for its minimum is due.
    """
    volume = [1e6] * 10 + [2e5] * 10
    offers = [api("on-demand", 1.0), api("contract", 0.5, commitment={"min_usd_per_month": 3.0})]
    data = problem(by_period(volume, "chat"), offers, periods=20, period_h=73.0)
    for periods in (3, 7, 20):
        _, plan = by_blocks(data, tmp_path, periods)
        assert plan.cost_usd == pytest.approx(8.0)
        assert [(row.used_usd, row.billed_usd) for row in plan.settlements] == [
            (pytest.approx(5.0), pytest.approx(5.0)),
            (pytest.approx(1.0), pytest.approx(3.0)),
        ]
        assert plan.bound_usd <= 8.0


@pytest.mark.parametrize(("least_usd", "usd"), [(30.0, 10.0), (7.0, 7.0)])
def test_what_few_hours_sign_is_tried_on_whole_blocks(
    least_usd: float, usd: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month of ten periods of 73 h, a million tokens in each: 10 USD on demand at 1 USD per M, 5 under the contract.

    Its minimum is 30 USD, so that it is not worth signing, or 7, so that it is, whatever the hours that decide said.
    """
    offers = [api("on-demand", 1.0), api("contract", 0.5, commitment={"min_usd_per_month": least_usd})]
    data = problem(by_period([1e6] * 10, "chat"), offers, periods=10, period_h=73.0)
    signed = HeldDecision(frozenset(), {"contract": 0.5}, 10.0)
    monkeypatch.setattr(planning, "decided", lambda *_: signed)
    _, plan = by_blocks(data, tmp_path, 2)
    assert plan.cost_usd == pytest.approx(usd)
    assert {row.offer for row in plan.contracts} == (set() if usd == 10.0 else {"contract"})
    assert plan.bound_usd <= usd * (1 + 1e-9)


def test_what_few_hours_shut_beside_a_contract_may_be_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A month of ten periods; the contract serves one model, 10 M tokens at 0.5 USD per M and a minimum of 4: 5 USD.

    The other model is served by an offer with a fee of 2 USD a month alone, 10 M at 1 USD: 12 USD. Hours that decide
    had no work for it.
    """
    offers = [
        api("contract", 0.5, commitment={"min_usd_per_month": 4.0}),
        api("on-demand", 1.0),
        api("only", 1.0, ("n",), fee_usd_per_month=2.0),
    ]
    loads = [by_period([1e6] * 10, "chat"), by_period([1e6] * 10, "other", models=["n"])]
    said = HeldDecision(frozenset({"only"}), {"contract": 0.5}, 17.0)
    monkeypatch.setattr(planning, "decided", lambda *_: said)
    _, plan = by_blocks(problem(loads, offers, periods=10, period_h=73.0), tmp_path, 2)
    assert plan.cost_usd == pytest.approx(17.0)


def test_what_runs_on_goes_on_over_the_border_of_a_block(tmp_path: Path) -> None:
    """One instance for six hours, in blocks of two: it starts once."""
    data = problem(by_period([1e6] * 6, "chat"), gpu("own", 2.0, 1.0), periods=6)
    _, plan = by_blocks(data, tmp_path, 2)
    assert [row.started for row in plan.instances] == [1, 0, 0, 0, 0, 0]
    assert plan.cost_usd == pytest.approx(12.0)
    assert plan.gap == pytest.approx(0.0, abs=1e-6)


def test_hours_that_decide_may_say_nothing_of_the_others(tmp_path: Path) -> None:
    """48 hours, of which those that decide, every other one, have no work: nothing is signed or paid for by them.

    A fee of 730 USD a month is 48 USD for these hours, and must be paid: nobody else serves the model.
    """
    volume = [2e6, 0.0] * 24
    offer = api("only", 1.0, fee_usd_per_month=730.0)
    _, plan = by_blocks(problem(by_period(volume, "chat"), offer, periods=48), tmp_path, 7)
    assert plan.cost_usd == pytest.approx(48.0 + 48.0)
    assert plan.gap == pytest.approx(0.0, abs=1e-6)


def test_work_that_nobody_serves_is_infeasible(tmp_path: Path) -> None:
    """A million tokens a minute in the last of 30 hours, through a quota of a tenth of that."""
    offer = api("limited", 1.0, quota={"tokens_per_minute": 1e5})
    data = problem(by_period([1e6] * 29 + [6e7], "chat"), offer, periods=30)
    with pytest.raises(Infeasible):
        by_blocks(data, tmp_path, 7)
    assert list(tmp_path.iterdir()) == []


def test_processes_change_nothing(tmp_path: Path) -> None:
    """All files but for the time of the plan."""
    stated, found = load(random_problem(3)), []
    for count in (1, 2):
        folder = tmp_path / str(count)
        folder.mkdir()
        with start_workers("loky", count) as workers:
            plan = plan_by_blocks(stated, SEARCH, folder / "plan.json", workers, periods=5)
        found.append(replace(plan, created=""))
    assert found[0] == found[1]


@pytest.fixture
def made(tmp_path: Path) -> tuple[Problem, Plan]:
    return by_blocks(random_problem(5), tmp_path)


def _proof(plan: Plan, **changes: Any) -> Plan:
    assert plan.proof is not None
    return replace(plan, proof=replace(plan.proof, **changes))


def test_a_proof_that_proves_less_than_it_states_is_caught(made: tuple[Problem, Plan]) -> None:
    stated, plan = made
    assert plan.proof is not None
    assert plan.proof.blocks is not None
    blocks, parts = plan.proof.blocks, plan.proof.parts
    higher = replace(parts[0], bound_usd=parts[0].bound_usd + 0.01)
    multipliers = dict(parts[1].multipliers or {})
    name = max(multipliers, key=lambda each: abs(multipliers[each]))
    bent = replace(parts[1], multipliers=multipliers | {name: multipliers[name] * 3.0})
    unknown = replace(parts[1], multipliers=multipliers | {"demand(nobody,0)": 1.0})
    lies: list[dict[str, Any]] = [
        {"bound_usd": plan.proof.bound_usd + 0.01},
        {"parts": (higher, *parts[1:])},
        {"parts": (parts[0], bent, *parts[2:])},
        {"parts": (parts[0], unknown, *parts[2:])},
        {"parts": parts[1:]},
        {"parts": (*parts[1:], parts[0])},
        {"parts": (*parts, parts[0])},
        {"parts": (replace(parts[0], periods=()), *parts[1:])},
        {"blocks": replace(blocks, periods=0)},
        {"blocks": replace(blocks, periods=4)},
        {"blocks": replace(blocks, shares={"contract": 1.5})},
        {"blocks": replace(blocks, shares={"on-demand": 0.5})},
    ]
    for lie in lies:
        assert "proof" in verify(stated, _proof(plan, **lie)).failed(), lie


def test_roundings_of_a_block_are_made_again_by_who_checks(tmp_path: Path) -> None:
    """A part with other weights of a row, or without its rows, proves less than it states."""
    stated, plan = by_blocks(random_problem(1), tmp_path)
    assert plan.proof is not None
    assert verify(stated, plan).ok
    first, *parts = plan.proof.parts
    assert first.roundings
    row, *rows = first.roundings
    for factor in (0.5, 3.1):
        weights = {name: factor * weight for name, weight in row.weights.items()}
        bent = replace(first, roundings=(replace(row, weights=weights), *rows))
        assert verify(stated, _proof(plan, parts=(bent, *parts))).failed() == ("proof",)
    assert verify(stated, _proof(plan, parts=(replace(first, roundings=None), *parts))).failed() == ("proof",)


def test_blocks_do_not_bound_what_reaches_across(made: tuple[Problem, Plan]) -> None:
    stated, plan = made
    rented = stated.offers[4]
    assert rented.instances is not None
    starts = rented.model_copy(update={"instances": rented.instances.model_copy(update={"start_usd": 1.0})})
    other = stated.model_copy(update={"offers": (*stated.offers[:4], starts, *stated.offers[5:])})
    assert "proof" in verify(other, plan).failed()


def test_parts_of_another_proof_are_refused(tmp_path: Path) -> None:
    import gzip

    stated, plan = by_blocks(random_problem(5), tmp_path)
    assert plan.proof is not None
    apart = read_plan(tmp_path / "plan.json", apart=True)
    assert verify_tables(stated, apart, tmp_path / "plan.json").ok
    lines = [part_line(ProofPart((), part.periods, 0.0, {})) for part in plan.proof.parts]
    (tmp_path / "plan.proof.jsonl.gz").write_bytes(gzip.compress("".join(lines).encode()))
    with pytest.raises(InputError, match="its hash is another"):
        verify_tables(stated, apart, tmp_path / "plan.json")


def test_processes_change_nothing_in_the_verdict_of_a_proof(tmp_path: Path) -> None:
    """Honest, and with a bound, a multiplier or a part that is not right."""
    stated, plan = by_blocks(random_problem(5), tmp_path)
    assert plan.proof is not None
    parts = plan.proof.parts
    higher = replace(parts[1], bound_usd=parts[1].bound_usd + 0.01)
    unknown = replace(parts[2], multipliers={**(parts[2].multipliers or {}), "demand(nobody,0)": 1.0})
    told = [parts, (parts[0], higher, *parts[2:]), (*parts[:2], unknown, *parts[3:]), parts[1:]]
    apart, path = read_plan(tmp_path / "plan.json", apart=True), tmp_path / "plan.json"
    with start_workers("loky", 2) as workers:
        for i, some in enumerate(told):
            lie = replace(apart, proof=replace(plan.proof, parts=some, beside=None))
            alone = verify_tables(stated, lie, path)
            assert alone.failed() == (() if i == 0 else ("proof",))
            assert verify_tables(stated, lie, path, workers) == alone


def test_what_breaks_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = planning.solved_block, []

    def broken(task: Any) -> Any:
        calls.append(task)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(planning, "solved_block", broken)
    with pytest.raises(KeyboardInterrupt):
        plan_by_blocks(load(random_problem(1)), SEARCH, tmp_path / "plan.json", ALONE, periods=5)
    assert list(tmp_path.iterdir()) == []


def test_what_breaks_while_it_is_checked_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of the check, of one process and of two, where a plan of before stays as it was."""
    (tmp_path / "plan.json").write_text("before")
    for count in (1, 2):
        monkeypatch.setattr(streaming, "looked_at", Fails(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt), start_workers("loky", count) as workers:
            plan_by_blocks(load(random_problem(1)), SEARCH, tmp_path / "plan.json", workers, periods=5)
        assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]
        assert (tmp_path / "plan.json").read_text() == "before"


def test_a_limit_that_ends_before_the_last_block_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SolveOptions, "late", True)
    with pytest.raises(NoPlanInTime, match=r"of 4 blocks of periods were planned|no plan was found"):
        plan_by_blocks(load(random_problem(1)), SEARCH, tmp_path / "plan.json", ALONE, periods=5)


@pytest.mark.parametrize(
    ("section", "change", "why"),
    [
        ("policy", {"max_spend_usd": 1e9}, "what all periods cost together"),
        ("policy", {"survive_loss_of": "offer"}, "policy.survive_loss_of reaches across periods"),
        ("workloads", {"slo": {"ttft_p99_ms": 500}}, "waiting is modelled"),
        ("workloads", {"deferrable_h": 3}, "deferrable_h reaches across periods"),
        ("workloads", {}, None),
    ],
)
def test_what_cannot_be_planned_by_blocks_is_said(
    section: str, change: dict[str, Any], why: str | None
) -> None:
    data = problem(by_period([1e6] * 4, "chat"), [api("a", 1.0), gpu("own", 2.0, 1.0)], periods=4)
    if section == "policy":
        data["policy"] = change
    else:
        data[section][0] |= change
    found = undividable(load(data), SEARCH)
    assert (found is None) if why is None else (found is not None and why in found)


def test_the_command_plans_large_problems_by_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = random_problem(2)
    (tmp_path / "big.yaml").write_text(json.dumps(data))
    assert not is_large(load(data))
    monkeypatch.setattr(planning, "LARGE", 10)
    arguments = ["solve", str(tmp_path / "big.yaml"), "-o", str(tmp_path / "plan.json"), "--parquet"]
    run = Run(capsys, *arguments)
    assert run.code == 0, run.err
    assert (
        "beside it plan.routes.parquet, plan.instances.parquet, plan.quotas.parquet and its proof" in run.err
    )
    both = [
        Run(capsys, "verify", str(tmp_path / "big.yaml"), str(tmp_path / "plan.json"), "--threads", count)
        for count in ("1", "2")
    ]
    assert both[0].code == both[1].code == 0
    assert both[0].out == both[1].out
    data["policy"] = {"max_spend_usd": 1e9}
    (tmp_path / "big.yaml").write_text(json.dumps(data))
    run = Run(capsys, *arguments)
    assert run.code == 0
    assert "Planned as one program, for policy states a limit" in run.err
