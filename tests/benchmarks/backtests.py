"""The backtests of router/examples/results/backtest.md: every command line, run, and its line of the table.

    python tests/benchmarks/backtests.py TRACES [FOLDER]

TRACES is a folder with azure_llm_2023_conv.csv and servegen_m-large_hourly.csv; the JSON answers go to FOLDER, and one
that is there already is not made again. About ten minutes.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import router
from router import cli

EXAMPLES = Path(router.__file__).parent / "examples"
AZURE = ("backtest-azure.yaml", "azure_llm_2023_conv.csv", "--warm-up 1")
SERVEGEN = ("backtest-servegen.yaml", "servegen_m-large_hourly.csv", "--warm-up 168 --gap 1e-4")


@dataclass(frozen=True)
class Case:
    """One backtest: which problem and record, and how."""

    name: str
    what: tuple[str, str, str]
    how: str

    def arguments(self, traces: str) -> list[str]:
        file, trace, common = self.what
        return [file, "--trace", f"{traces}/{trace}", *shlex.split(f"{self.how} {common}")]


CASES = (
    Case("azure-last-1", AZURE, "--forecast last --lookahead 1"),
    Case("azure-last-5", AZURE, "--forecast last --lookahead 5"),
    Case("azure-perfect-5", AZURE, "--forecast perfect --lookahead 5"),
    Case("azure-perfect-whole", AZURE, "--forecast perfect --lookahead 57"),
    Case("sg-last-1", SERVEGEN, "--forecast last --lookahead 1"),
    Case("sg-last-6", SERVEGEN, "--forecast last --lookahead 6"),
    Case("sg-last-24", SERVEGEN, "--forecast last"),
    Case("sg-yesterday-24", SERVEGEN, "--forecast same-hour-yesterday"),
    Case("sg-week-24", SERVEGEN, "--forecast same-hour-last-week"),
    Case("sg-trend-24", SERVEGEN, "--forecast trend"),
    Case("sg-perfect-24", SERVEGEN, "--forecast perfect"),
    Case("sg-perfect-whole", SERVEGEN, "--forecast perfect --lookahead 168 --every 24"),
)


def answer(case: Case, traces: Path, folder: Path) -> dict[str, Any]:
    """What the command says as JSON."""
    told = folder / f"{case.name}.json"
    if not told.exists():
        arguments = case.arguments(str(traces))
        code = cli.run(["backtest", str(EXAMPLES / arguments[0]), *arguments[1:], "-o", str(told)])
        if code != 0:
            raise SystemExit(code)
    found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return found


def line(case: Case, found: dict[str, Any]) -> str:
    """Of the table, in Markdown."""
    replay, best = found["replay"], found["hindsight_usd"]
    if found["regret_above_bound_usd"] < -1e-6:
        raise SystemExit(f"{case.name}: regret below the bound")
    cells = (
        f"`{case.how}`",
        f"{found['forecast_error']:.1%}",
        f"{found['cost_usd']:,.2f}",
        f"**{found['regret_share']:.2%}**",
        f"{found['regret_above_bound_usd']:,.2f}",
        f"{found['staying_usd'] / best - 1:.1%}",
        f"{found['cheapest_offer']['cost_usd'] / best - 1:.1%}",
        f"{replay['changes']} ({replay['repairs']})",
        f"{replay['moved_share']:.1%}",
        f"{replay['overflow_share']:.1%}",
        f"{replay['lost_share'] + replay['dropped_share']:.1%}",
        f"{replay['churn_usd']:,.2f}",
        f"{found['seconds']['replay']:.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def main(traces: Path, folder: Path) -> None:
    """Run what is missing and print the tables."""
    for what in (AZURE, SERVEGEN):
        for case in CASES:
            if case.what == what:
                sys.stdout.write(line(case, answer(case, traces, folder)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()))
