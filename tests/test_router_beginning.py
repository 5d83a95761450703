"""The way in: `router init`, completion, stdin, and help without a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import router
from router.cli import cli, run
from router.errors import InputError

DATA = Path(__file__).parent / "data"
EXAMPLES = Path(router.__file__).parent / "examples"
NUMBERS = ("--requests-per-day", "50K", "--prompt-tokens", "800", "--completion-tokens", "200")


def init(*arguments: str) -> None:
    CliRunner().invoke(cli, ["init", *arguments], standalone_mode=False, catch_exceptions=False)


def test_three_numbers_become_a_file_that_solves(tmp_path, monkeypatch):
    """50,000 requests a day of 1,000 tokens: 1.520833 B tokens in 730 h."""
    monkeypatch.chdir(tmp_path)
    init(*NUMBERS, "--name", 'a "name": [x]')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalogue.yaml", "problem.yaml"]
    plan = router.solve("problem.yaml")
    assert plan.ok and plan.name == 'a "name": [x]'
    assert sum(row.tokens for row in plan.routes) == pytest.approx(50e3 * 1000 * 730 / 24)
    with pytest.raises(InputError, match="is there already"):
        init(*NUMBERS)


def test_numbers_are_asked_for_where_somebody_can_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="--prompt-tokens: is required where nobody can be asked"):
        init(*NUMBERS[:2])
    for wrong in ("none", "0", "-3", "1e20"):
        with pytest.raises(InputError, match="--requests-per-day"):
            init("--requests-per-day", wrong, *NUMBERS[2:])
    assert not (tmp_path / "problem.yaml").exists()


def test_an_export_of_usage_becomes_a_file_that_solves(tmp_path):
    file = tmp_path / "mine.yaml"
    init("-o", str(file), "--usage", str(DATA / "usage" / "spend_logs.jsonl"))
    plan = router.solve(file)
    assert plan.ok and {row.offer for row in plan.routes} == {"what-you-pay-today"}
    assert "assumed: put your own prices here" in file.read_text()


def test_a_log_of_requests_becomes_a_file_that_solves(tmp_path):
    """The shipped hour of Azure's code service, 2,856 requests, with the catalogue to buy from and its name."""
    file = tmp_path / "logged.yaml"
    init("-o", str(file), "--log", str(EXAMPLES / "azure-2023-code.csv"), "--name", "code: an hour")
    plan = router.solve(file)
    assert plan.ok and plan.name == "code: an hour"
    assert sum(row.requests for row in plan.routes) == pytest.approx(2856)
    assert file.read_text().startswith("# yaml-language-server: $schema=")
    with pytest.raises(InputError, match="choose one"):
        init("-o", str(tmp_path / "x"), "--log", "a.csv", "--usage", "b.csv")


def test_a_dash_reads_stdin(tmp_path):
    """A problem for solve, a plan for report: as from a file."""
    text = (DATA.parents[1] / "router" / "examples" / "quickstart.yaml").read_bytes()
    command = [sys.executable, "-m", "router"]
    solved = subprocess.run([*command, "solve", "-", "--json"], input=text, capture_output=True, check=True)
    shown = subprocess.run([*command, "report", "-"], input=solved.stdout, capture_output=True, check=True)
    assert b"630,000 USD" in shown.stdout
    wrong = subprocess.run([*command, "solve", "-"], input=b"a: [", capture_output=True)
    assert wrong.returncode == 2 and b"-, line " in wrong.stderr


def test_router_alone_prints_its_help(capsys):
    assert run([]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Usage: router") and "whatif" in said.out and not said.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell):
    said = CliRunner().invoke(cli, ["completion", shell]).output
    assert f"_ROUTER_COMPLETE={shell}_complete" in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("router whatif --se", "--set"),
        ("router solve --solver hig", "highs"),
        ("router examples copy quick", "quickstart"),
        ("router report p.json --format ht", "html"),
        ("router wh", "whatif"),
    ],
)
def test_words_are_completed_values_too(words, expected):
    count = len(words.split(" ")) - 1
    environment = {
        **os.environ,
        "COMP_WORDS": words,
        "COMP_CWORD": str(count),
        "_ROUTER_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        [sys.executable, "-c", "from router.cli import main; main()"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert expected in {line.partition(",")[2] for line in done.stdout.splitlines()}
