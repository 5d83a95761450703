"""No change of a plan is accepted that makes one of its statements false: the campaign on two plans.

For more: `python tests/campaigns/mutations.py`; the figures stand in tests/README.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from campaigns import mutations
from campaigns.mutations import EXAMPLES, of_forms, survey
from reoptimise_cases import api, problem, run

import router
from router.api import load, solve
from router.cli import run as command
from router.plan.document import Plan


@pytest.mark.parametrize("name", ["case-05-documents", "case-03-reserved-minimum"])
def test_every_change_of_an_example_s_plan_is_seen(name: str) -> None:
    stated = load(EXAMPLES / f"{name}.yaml")
    assert survey(name, stated, json.loads(solve(stated).to_json())) == {}


def test_every_change_of_a_scheduled_run_s_plan_is_seen(tmp_path: Path) -> None:
    """All work moves from a to b, for 2 USD instead of 4 and 1 USD of churn for a million tokens."""
    churn = "reoptimise: {move_usd_per_m_tokens: 1}\n"
    for usd in (1, 4):
        stated = problem(api("a", usd) + api("b", 2), more=churn)
        result = run(tmp_path, stated)
    assert result.outcome == "cheaper"
    assert result.gain_usd == pytest.approx(1.0)
    assert survey("scheduled", stated, result.plan.to_dict()) == {}


def test_no_change_of_a_proof_proves_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases apart, sums, roundings of cases and of parts, prices, waits, minutes, kinds: some changes of each."""
    monkeypatch.setattr(mutations, "MOST", 60)
    text = ""
    for name, stated, plan in of_forms():
        text += plan.to_json()
        assert survey(name, stated, json.loads(plan.to_json()), "proof|kinds") == {}
    forms = ("apart", "sums", "roundings", "prices", "leaves", "usd", "mixes", "minutes", "blocks", "kinds")
    assert [form for form in forms if f'"{form}":' not in text] == []


def test_shadow_prices_are_marked_as_not_checked() -> None:
    """And no plan may say otherwise."""
    stated = load(EXAMPLES / "case-05-documents.yaml")
    document = solve(stated).to_dict()
    assert document["prices"]["checked"] is False
    document["prices"]["checked"] = True
    assert router.verify(stated, Plan.from_dict(document)).failed() == ("bound",)


def test_verify_says_where_a_bound_is_the_solver_s_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its proof it is proven again; without one it stands as stated."""
    file, plan = EXAMPLES / "case-05-documents.yaml", tmp_path / "plan.json"
    document = solve(load(file)).to_dict()
    for proof, said in ((document["proof"], False), (None, True)):
        plan.write_text(json.dumps(document | {"proof": proof}), encoding="utf-8")
        assert command(["verify", str(file), str(plan)]) == 0
        assert ("it is not re-checked" in capsys.readouterr().err) is said
