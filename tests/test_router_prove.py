"""Proofs that lie beside their plan, and `router prove`: plans put to the test by another solver."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from campaigns.lies import lying
from test_router_cli import EXAMPLES, Run, put

import router
from router.commands import plan_file
from router.loading.catalogue import load
from router.plan.document import Plan
from router.planning.doubts import second_road
from router.planning.doubts.second_road import SecondOpinion
from router.planning.solve import Search, encode_problem, publish
from router.reports.second_opinion import opinion_report
from solvers import SolveOptions, Stop

FLEET = EXAMPLES / "fleet.yaml"
FAST = (
    "case-01-reserved-or-not",
    "case-03-reserved-minimum",
    "case-06-one-job",
    "case-10-wafers",
    "eligibility",
    "fleet",
    "mixed",
    "quickstart",
)

#: 250 tokens/s: a small server (100 for 1 USD) and a large one (200 for 1.75 USD) cost 2.75 USD, two large ones 3.5.
SIZES = """
schema: router/1
name: sizes
horizon: {periods: 1, period_h: 1}
models: {m: {}}
workloads: [{name: w, models: [m], demand: {tokens_per_s: 250, completion_share: 0.5}}]
offers:
  - {name: small, models: {m: {tokens_per_s: 100}}, instances: {usd_per_h: 1.0, max_utilisation: 1.0}}
  - {name: large, models: {m: {tokens_per_s: 200}}, instances: {usd_per_h: 1.75, max: 2, max_utilisation: 1.0}}
"""


@pytest.fixture
def solved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A plan whose proof lies beside it."""
    monkeypatch.setattr(plan_file, "MOST_INSIDE", 100)
    plan = tmp_path / "plan.json"
    run = Run(capsys, "solve", FLEET, "-o", plan)
    assert run.code == 0
    assert "beside it plan.proof.json.gz" in run.err
    return plan


def test_a_large_proof_lies_beside_its_plan(solved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = json.loads(solved.read_text())["proof"]
    assert written["parts"] == []
    assert written["beside"]["name"] == "plan.proof.json.gz"
    assert json.loads(gzip.decompress((solved.parent / "plan.proof.json.gz").read_bytes()))
    assert sorted(path.name for path in solved.parent.iterdir()) == ["plan.json", "plan.proof.json.gz"]
    assert Run(capsys, "verify", FLEET, solved).code == 0
    assert Run(capsys, "report", solved).code == 0


def test_a_proof_that_is_missing_damaged_or_another_is_told(
    solved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = solved.parent / "plan.proof.json.gz"
    parts = json.loads(gzip.decompress(file.read_bytes()))
    parts[0]["bound_usd"] *= 0.5  # still proven, and not what the plan was written with
    file.write_bytes(gzip.compress(json.dumps(parts).encode()))
    changed = Run(capsys, "verify", FLEET, solved)
    assert changed.code == 6
    assert "plan.proof.json.gz is not the one that the plan was written with" in " ".join(changed.out.split())
    file.write_bytes(file.read_bytes()[:40])
    damaged = Run(capsys, "verify", FLEET, solved)
    assert (damaged.code, "is damaged" in damaged.err) == (2, True)
    file.unlink()
    missing = Run(capsys, "verify", FLEET, solved)
    assert missing.code == 2
    assert "plan.proof.json.gz: cannot be read: No such file" in missing.err
    assert "keep both together" in missing.err


def test_nothing_is_left_where_the_plan_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_file, "MOST_INSIDE", 100)
    plan = router.solve(FLEET)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plan_file, "write_text", full)
    with pytest.raises(router.errors.InputError):
        plan_file.write_plan(tmp_path / "plan.json", plan)
    assert list(tmp_path.iterdir()) == []


def test_what_goes_into_a_pipe_or_a_store_holds_its_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_file, "MOST_INSIDE", 100)
    plan = router.solve(FLEET)
    assert plan_file.write_plan("/dev/null", plan) == ()
    assert plan.proof is not None
    assert Plan.from_dict(json.loads(plan.to_json())).proof == plan.proof


@pytest.mark.parametrize("name", FAST)
def test_shipped_examples_are_confirmed(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, plan = EXAMPLES / f"{name}.yaml", tmp_path / "plan.json"
    assert Run(capsys, "solve", file, "-o", plan).code == 0
    proved = Run(capsys, "prove", file, plan, "--json")
    assert proved.code == 0
    assert proved.json["outcome"] == "confirmed"
    assert proved.json["solver"] != "highs"
    assert proved.json["own"] is True


def claimed(file: Path, bound_usd: float | None = None) -> Plan:
    """The plan of a solver that calls the dearest point the best, taken at its word, or at another bound."""
    problem = load(file)
    with lying("worse"):
        best = Search("highs", SolveOptions()).best(encode_problem(problem))
    if bound_usd is not None:
        best = replace(best, bound=bound_usd, stop=Stop.TIME_LIMIT)
    return publish(problem, best)


@pytest.mark.parametrize("bound_usd", [None, 3.2])
def test_a_plan_that_claims_too_much_is_refuted(
    bound_usd: float | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It costs 3.5 USD or more, and says that nothing costs less than it, or than 3.20 USD."""
    file, plan, better = put(tmp_path, SIZES), tmp_path / "plan.json", tmp_path / "better.json"
    lie = claimed(file, bound_usd)
    assert lie.cost_usd > 3.4
    plan.write_text(lie.to_json())
    assert Run(capsys, "verify", file, plan).code == 0
    refuted = Run(capsys, "prove", file, plan, "-o", better)
    assert refuted.code == 6
    assert "Refuted" in refuted.out
    assert Run(capsys, "verify", file, better).code == 0
    assert json.loads(better.read_text())["cost_usd"] == pytest.approx(2.75)
    shown = Run(capsys, "prove", file, plan, "--json")
    assert (shown.code, shown.json["outcome"], shown.json["cheaper_usd"]) == (
        6,
        "refuted",
        pytest.approx(2.75),
    )


def test_a_plan_that_fails_its_check_needs_no_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, plan = put(tmp_path, SIZES), tmp_path / "plan.json"
    plan.write_text(replace(router.solve(file), cost_usd=1.0).to_json())
    failed = Run(capsys, "prove", file, plan)
    assert (failed.code, "does not keep what" in failed.err) == (6, True)


def test_what_time_does_not_allow_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, plan = put(tmp_path, SIZES), tmp_path / "plan.json"
    plan.write_text(router.solve(file).to_json())
    late = Run(capsys, "prove", file, plan, "--time-limit", "1e-9")
    said = " ".join(late.out.split())  # lines break where the path of the plan has them break
    assert (late.code, "Not known whether" in said) == (4, True)


def test_no_search_begins_that_no_clock_would_end(
    solved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A solver takes so long with a large program before it looks at its clock: where less is left, it is not asked."""
    monkeypatch.setattr(second_road, "LEAST_S", 1.0)
    run = Run(capsys, "prove", FLEET, solved, "--time-limit", 5)
    assert run.code == 4
    assert "(time limit)" in run.out


def test_a_sized_plan_is_put_to_the_test_over_all_futures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, plan = EXAMPLES / "sizing-quote.yaml", tmp_path / "plan.json"
    assert (
        Run(capsys, "size", file, "--no-quotes", "--alternatives", "0", "--no-measures", "-o", plan).code == 0
    )
    proved = Run(capsys, "prove", file, plan)
    assert (proved.code, "Confirmed" in proved.out) == (0, True)


def test_a_point_that_minutes_break_refutes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where offers spill, a program without rows of minutes has points that cost less than any plan: exit 4, not 6."""
    file, plan = str(EXAMPLES / "provisioned-spill.yaml"), str(tmp_path / "plan.json")
    assert Run(capsys, "solve", file, "-o", plan).code == 0
    assert Run(capsys, "prove", file, plan).code in (0, 4)


def test_the_bound_that_is_put_to_the_test_is_rounded_down() -> None:
    """628,337.70 USD are no claim that nothing costs less than 628,338."""
    asked = SecondOpinion("confirmed", 628_337.7, 630_000.0, False, "scipy", 0, 628_331.4, "infeasible")
    assert "no plan costs less than 628,337 USD" in opinion_report(asked, "fleet").headline[0]
