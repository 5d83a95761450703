"""What a mean over an hour hides of recorded requests: `python tests/benchmarks/spills.py CODE.csv CHAT.csv`.

Two traces of single requests (TIMESTAMP, ContextTokens, GeneratedTokens) share provisioned units of 2,500 tokens a
minute at 0.302 USD an hour, sold from 15 on in fives; what these refuse goes to a pay-as-you-go deployment at 2.5 and
10 USD a million tokens (units and prices assumed). Planned by the mean, by the minute, and for the fullest minute; then
every request of the record is counted with its own tokens: in the plan's order of refusing, or first come, first
served.
"""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import router
from router.plan.document import Plan

UNIT, UNIT_USD_PER_H = 2_500, 0.302
PROMPT_USD, COMPLETION_USD = 2.5e-6, 10e-6
FILE = """
schema: router/1
name: what an hour hides
horizon: {{periods: 1, period_h: {hours}, start: "{start}", timezone: UTC}}
models: {{large: {{}}}}
workloads:
  - {{name: code, models: [large], demand: {{trace: {{file: code.csv}}}}}}
  - {{name: chat, models: [large], demand: {{trace: {{file: chat.csv}}}}}}
offers:
  - name: units
    models: {{large: {{tokens_per_s: {rate}}}}}
    instances: {{usd_per_h: {usd}, min: 15, step: 5}}
    spills: true
  - {{name: as-you-go, models: {{large: {{prompt_usd_per_m: 2.5, completion_usd_per_m: 10}}}}}}
"""


@dataclass(frozen=True)
class Request:
    """One of the record."""

    at: datetime
    service: str
    tokens: int
    usd: float  # as you go


def recorded(files: dict[str, Path]) -> list[Request]:
    """In order of arrival, of the whole minutes in which both services are recorded."""
    every: list[Request] = []
    for service, file in files.items():
        with file.open(newline="") as text:
            for row in csv.DictReader(text):
                prompt, completion = int(row["ContextTokens"]), int(row["GeneratedTokens"])
                usd = prompt * PROMPT_USD + completion * COMPLETION_USD
                at = datetime.fromisoformat(row["TIMESTAMP"][:26])
                every.append(Request(at, service, prompt + completion, usd))
    minutes = [{_minute(each.at) for each in every if each.service == service} for service in files]
    first, last = max(map(min, minutes)) + timedelta(minutes=1), min(map(max, minutes))
    return sorted((each for each in every if first <= each.at < last), key=lambda each: each.at)


def counted(requests: list[Request], units: float, order: tuple[str, ...] | None) -> tuple[float, float]:
    """Part of the tokens refused, and USD for it, request by request; `order`: services, refused first first."""
    refused_tokens, refused_usd = 0, 0.0
    by_minute: dict[datetime, list[Request]] = {}
    for each in requests:
        by_minute.setdefault(_minute(each.at), []).append(each)
    for own in by_minute.values():
        left = units * UNIT
        for each in own if order is None else sorted(own, key=lambda each: -order.index(each.service)):
            if each.tokens <= left:
                left -= each.tokens
            else:
                refused_tokens += each.tokens
                refused_usd += each.usd
    return refused_tokens / sum(each.tokens for each in requests), refused_usd


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _order(plan: Plan) -> tuple[str, ...]:
    return plan.spill_order[0].workloads if plan.spill_order else ("code", "chat")


def main(code: Path, chat: Path) -> None:
    requests = recorded({"code": code, "chat": chat})
    start, end = _minute(requests[0].at), _minute(requests[-1].at) + timedelta(minutes=1)
    hours = (end - start).total_seconds() / 3600
    tokens = sum(each.tokens for each in requests)
    say(f"{len(requests):,} requests, {tokens:,} tokens, {hours * 60:.0f} minutes from {start}")
    with TemporaryDirectory() as folder:
        for service in ("code", "chat"):
            lines = ["TIMESTAMP,ContextTokens,GeneratedTokens"]
            with (code if service == "code" else chat).open(newline="") as text:
                lines += [
                    f"{row['TIMESTAMP']},{row['ContextTokens']},{row['GeneratedTokens']}"
                    for row in csv.DictReader(text)
                ]
            (Path(folder) / f"{service}.csv").write_text("\n".join(lines) + "\n")
        file = Path(folder) / "problem.yaml"
        file.write_text(
            FILE.format(hours=hours, start=f"{start:%Y-%m-%dT%H:%M:%S}", rate=UNIT / 60, usd=UNIT_USD_PER_H)
        )
        problem = router.load(file)
        by_mean = problem.with_({"offers.units.spills": False})
        began = time.process_time()
        plans = {"by the mean": router.solve(by_mean), "by the minute": router.solve(problem)}
        cpu = time.process_time() - began
        fullest = max(
            sum(each.tokens for each in requests if _minute(each.at) == minute)
            for minute in {_minute(each.at) for each in requests}
        )
        counts = {name: plan.instances[0].count if plan.instances else 0.0 for name, plan in plans.items()}
        counts["for the fullest minute"] = -(-fullest // (5 * UNIT)) * 5.0
        order = _order(plans["by the minute"])
        say(f"{cpu:.1f} CPU s for two plans; refused first: {order[0]}")
        say("| plan | units | says, USD | spilled, counted | USD, counted | first come: spilled | USD |")
        for name, units in counts.items():
            rent = units * UNIT_USD_PER_H * hours
            share, usd = counted(requests, units, order)
            turn, turn_usd = counted(requests, units, None)
            says = f"{plans[name].cost_usd:,.2f}" if name in plans else "–"
            say(
                f"| {name} | {units:,.0f} | {says} | {share:.1%} | {rent + usd:,.2f} | {turn:.1%} | "
                f"{rent + turn_usd:,.2f} |"
            )
        report = router.simulate(problem, plans["by the minute"], arrivals="trace")
        for row in report.spills:
            say(
                f"simulated, {row.workload}: {row.spilled:.2%} spill, {row.planned:.2%} planned, {row.verdict}"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
