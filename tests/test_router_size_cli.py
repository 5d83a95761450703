"""`router size` from end to end: the recommendation in words, the same in JSON, and the plan as any other command's."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import router
from router import cli
from router.plan.document import Plan
from router.planning.roads import best_by_any_road
from router.planning.two_steps import Incumbent
from router.reports.markdown import to_markdown
from router.reports.sizing import report_of
from router.reports.text import to_text
from solvers import Stop

QUOTE = str(Path(router.__file__).parent / "examples" / "sizing-quote.yaml")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.run(["size", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def plan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sized") / "plan.json"
    code = cli.run(
        ["size", QUOTE, "-o", str(path), "--evaluate", "volume-contract=8M", "--frontier", "3", "--json"]
    )
    assert code == 0
    return path


def test_the_example_by_hand(plan_file: Path) -> None:
    """8 M a month, times 0.25, 1 or 2 with 0.3, 0.5 and 0.2: 2, 8 and 16 M.

    reserved   12 · (0.3 · 6 + 0.5 · 6 + 0.2 · 9.6)                           80.64
    volume     8 M of 0.75 and 1.50 above: 12 · (6 + 0.2 · 1.5 · 8)          100.80
    nothing    12 · 1.5 · (0.6 + 4 + 3.2)                                     140.40
    knowing    12 · (0.3 · 1.5 + 0.5 · 4.8 … the cheaper of both) = 64.44
    """
    told = json.loads(plan_file.read_text(encoding="utf-8"))["sizing"]
    assert told["rp_usd"] == pytest.approx(80.64)
    assert [row["offer"] for row in told["sign"]] == ["cerebras-reserved"]
    costs = {row["what"]: row["expected_usd"] for row in told["alternatives"]}
    assert costs["without cerebras-reserved"] == pytest.approx(100.80)
    assert costs["nothing signed"] == pytest.approx(140.40)
    assert told["ws_usd"] == pytest.approx(12 * (0.3 * 1.5 + 0.5 * 6.0 + 0.2 * 9.6))
    assert told["evaluated"]["expected_usd"] == pytest.approx(100.80)
    assert told["cvar_usd"] == pytest.approx(12 * 9.6)
    assert len(told["frontier"]) == 3


def test_the_report_is_a_recommendation(plan_file: Path) -> None:
    """Every part of it stands in the text, the advice first, in pages of any width."""
    plan = Plan.from_dict(json.loads(plan_file.read_text(encoding="utf-8")))
    text = to_text(report_of(plan), width=110)
    assert text.startswith(
        "sizing a quote: sign cerebras-reserved 10 M tokens a month\n80.64 USD expected over 8,760 h"
    )
    for title in (
        "What to sign",
        "What planning with scenarios is worth",
        "The nearest alternatives",
        "What each quote is worth",
        "When the advice flips",
        "The commitment given, beside the best",
        "Future by future",
        "Expected cost against risk",
        "The worst futures",
        "Contracts",
    ):
        assert f"\n{title}\n" in text
    assert "cerebras-reserved 10 M tokens a month" in text
    assert "115.20 USD in the worst 20 % of 3 futures" in text
    flip = next(line for line in text.splitlines() if "the advice holds down to here" in line)
    assert "74.1 %" in flip
    assert "volume-contract 5.92 M tokens a month" in flip
    assert "## What to sign" in to_markdown(report_of(plan))
    assert all(line == line.rstrip() for line in to_text(report_of(plan), width=60).splitlines())


def test_other_commands_read_the_plan(plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["verify", QUOTE, str(plan_file)]) == 0
    capsys.readouterr()
    assert cli.run(["report", str(plan_file)]) == 0
    assert "What to sign" in capsys.readouterr().out
    assert cli.run(["report", str(plan_file), "--format", "csv", "--table", "contracts"]) == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert [row["offer"] for row in rows] == ["cerebras-reserved"]
    assert cli.run(["report", str(plan_file), "--format", "csv", "--table", "alternatives"]) == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert rows[0]["what"] == "with volume-contract"
    assert float(rows[0]["more_usd"]) == pytest.approx(88.20 - 80.64)
    assert rows[0]["signs"] == ""
    assert cli.run(["report", str(plan_file), "--format", "csv", "--table", "alternatives_signs"]) == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert rows[0]["offer"] == "cerebras-reserved"
    assert cli.run(["report", str(plan_file), "--format", "csv", "--table", "measures"]) == 0
    (row,) = csv.DictReader(StringIO(capsys.readouterr().out))
    assert float(row["rp_usd"]) - float(row["ws_usd"]) == pytest.approx(float(row["evpi_usd"]))
    assert cli.run(["diff", str(plan_file), str(plan_file)]) == 0


def test_evaluating_the_written_plan(plan_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys,
        QUOTE,
        "--evaluate",
        str(plan_file),
        "--no-measures",
        "--no-quotes",
        "--alternatives",
        "0",
        "--json",
    )
    told = json.loads(out)["sizing"]
    assert code == 0
    assert told["evaluated"]["more_usd"] == pytest.approx(0.0, abs=1e-6)
    assert "quotes" not in told
    assert "ws_usd" not in told


def test_cuts_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    quick = ("--no-quotes", "--alternatives", "0", "--no-measures", "--json")
    code, out, _ = run(capsys, QUOTE, "--method", "cuts", *quick)
    plan = json.loads(out)
    assert code == 0
    assert plan["solver"]["method"] == "cuts"
    assert plan["objective_usd"] == pytest.approx(80.64)
    assert plan["gap"] <= 1e-6


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--evaluate", "nobody=5M"), 2, "is not an offer of the problem"),
        (("--evaluate", "volume-contract=50M"), 2, "commits between 1,000,000 and 20,000,000 tokens a month"),
        (("--evaluate", "missing.json"), 2, "cannot be read"),
        (("--out-of-sample", "10"), 2, "are listed"),
        (("--frontier", "-1"), 2, "--frontier"),
        (("--method", "magic"), 2, "--method"),
    ],
)
def test_what_cannot_be_done_says_so(
    arguments: tuple[str, ...], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("--no-quotes", "--alternatives", "0", "--no-measures")
    ended, out, err = run(capsys, QUOTE, *quick, *arguments)
    assert ended == code
    assert told in err
    assert out == ""


def test_nothing_is_written_where_a_future_cannot_be_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(QUOTE).read_text(encoding="utf-8")
    alone = (
        text[: text.index("  - name: cerebras-on-demand")] + text[text.index("  - name: volume-contract") :]
    )
    problem = tmp_path / "problem.yaml"
    problem.write_text(alone.replace('"*": 2.0', '"*": 9.0'), encoding="utf-8")
    plan = tmp_path / "plan.json"
    code, out, err = run(capsys, str(problem), "-o", str(plan))
    assert code == 3
    assert out == ""
    assert "no plan" in err
    assert not plan.exists()


@pytest.mark.parametrize("method", ["program", "cuts"])
def test_ctrl_c_in_one_search_ends_the_study(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The solver returns what it has, as it does at Ctrl-C: an answer to `solve`, none to the questions of `size`."""
    calls = 0

    def interrupted(*args: Any, **rest: Any) -> Incumbent:
        nonlocal calls
        calls += 1
        found = best_by_any_road(*args, **rest)
        return replace(found, stop=Stop.INTERRUPTED) if calls == 9 else found

    monkeypatch.setattr("router.sizing.outcomes.best_by_any_road", interrupted)
    plan = tmp_path / "plan.json"
    assert cli.run(["size", QUOTE, "--method", method, "-o", str(plan)]) == 130
    out, err = capsys.readouterr()
    assert (calls, out, plan.exists()) == (9, "", False)
    assert "nothing was written" in err
