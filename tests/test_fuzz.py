"""Damaged files end with a code of their own, never with a bug: a few of what `tests/campaigns/fuzz.py` draws."""

from __future__ import annotations

import pytest
from campaign import times
from campaigns.fuzz import Guided, campaign

from router.cli import run


@pytest.mark.parametrize("kind", ["loader", "importers", "plans", "stores"])
def test_no_damaged_file_is_a_bug(kind: str) -> None:
    """After the files as they are, so many changed ones."""
    guided = Guided(kind)
    assert campaign(kind, guided.plain + times(10), 0).figures.faults == []


def test_files_that_reach_what_none_before_them_reached_are_kept() -> None:
    """And their lines are counted: of a store that is whole most of them, of damaged ones more."""
    first, then = campaign("stores", 1, 0), campaign("stores", 40, 0)
    assert 0 < len(first.coverage.seen) < len(then.coverage.seen) < len(then.coverage.lines)
    assert 0 < len(then.corpus) - then.plain < 39


def test_a_report_cut_after_its_heading_is_refused(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    """Importers, seed 2000066: exit code 1."""
    heading = "Run Info,Request Counts\nRun ID,Successful\n,\n"
    (tmp_path / "cut.csv").write_text(heading, encoding="utf-8")
    options = ["--offer", "o", "--model", "m", "--gpus", "1", "--usd-per-gpu-h", "1"]
    assert run(["import", "performance", str(tmp_path / "cut.csv"), *options]) == 2
    assert "it has no run" in capsys.readouterr().err
