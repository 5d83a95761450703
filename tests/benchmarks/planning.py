"""Recorded demand planned end to end: both Azure 2023 traces, and ServeGen m-large with a workload per client.

    python tests/benchmarks/planning.py azure --traces DIR --out DIR          every 5 minutes of 57
    python tests/benchmarks/planning.py servegen --traces DIR --out DIR       336 hours, 162 clients

ROUTER_TRACES stands in for --traces: the folder with the public files named in router/examples/results/. What is
written to --out are problem files that `router solve` takes, plans, and the tables of the result pages. The functions
take any extract: tests/test_router_planning_time.py runs them on the records that are shipped.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import resource
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

import router
from benchmarks.planning_page import (
    cost_table,
    count_table,
    promise_table,
    run_lines,
    simulation_row,
    simulation_table,
)
from router.loading.catalogue import load
from router.output import write_text
from router.plan.document import Plan
from router.plan.values import to_json
from router.planning.optimise import optimise
from router.planning.publish import publish
from router.planning.solve import encode_problem
from router.schema import Problem
from router.simulation import SimulationReport, simulate
from solvers import SolveOptions

EXAMPLES = Path(router.__file__).parent / "examples"
CATALOGUES = ("measured-replicas.yaml", "open-model-apis.yaml")
AZURE = ("azure_llm_2023_code.csv", "azure_llm_2023_conv.csv")
SERVEGEN = "servegen_m-large_clients_hourly.csv.gz"

LARGE = (  # 70 B parameters and more
    "llama-3.1-70b-fp8",
    "llama-3.1-70b-fp4",
    "minimax-m2.5-fp8",
    "deepseek-r1-fp8",
    "deepseek-r1-fp4",
    "qwen3.5-397b-a17b-fp8",
    "glm-5-fp8",
    "kimi-k2.5-int4",
)
MEDIUM = ("qwen3-32b", "qwen3-32b-fp8", "gpt-oss-120b", "qwen3-235b-a22b-fp8", *LARGE)


@dataclass(frozen=True)
class Run:
    """A plan, where it and its problem are written, and what it took."""

    problem: Problem
    file: Path
    plan: Plan
    seconds: dict[str, float]
    gibibytes: float  # peak of the process so far
    columns: int
    integers: int
    rows: int


def azure_problem(
    folder: Path,
    traces: Sequence[Path],
    *,
    name: str = "azure",
    periods: int = 12,
    period_h: float = 1 / 12,
    start: str = "2023-11-16T18:15:00",
    policy: str = "",
) -> Path:
    """A coding assistant and a chat service with weights of their own, each as recorded."""
    models = f"[{', '.join(MEDIUM)}]"
    promises = ("{ttft_p99_ms: 10000}", "{ttft_p99_ms: 5000, tpot_p99_ms: 100}")
    loads = [
        f"  - {{name: {load}, models: {models}, demand: {{trace: {{file: {_beside(trace, folder)}}}}},\n"
        f"     needs: {{custom_weights: true}}, slo: {slo}}}"
        for load, trace, slo in zip(("code", "chat"), traces, promises, strict=True)
    ]
    horizon = f'{{periods: {periods}, period_h: {period_h:.15g}, start: "{start}", timezone: UTC}}'
    return _write(folder / f"{name}.yaml", horizon, loads, policy)


def servegen_problem(
    folder: Path,
    clients: Path,
    hours: int,
    *,
    name: str = "servegen",
    policy: str = "",
    most: int | None = None,
    offers: str = "",
) -> Path:
    """Every client with requests in the first hours is a workload; `most` of them, the largest."""
    requests, mean = _clients(clients, hours)
    names = sorted(requests, key=lambda client: -requests[client])[:most]
    models = f"[{', '.join(LARGE)}]"
    loads = []
    for client in sorted(names, key=lambda text: (len(text), text)):
        trace = f"{{file: {_beside(clients, folder)}, filter: {{client: {client}}}, gaps: zero}}"
        size = mean.get(client, "")
        loads.append(
            f"  - {{name: client-{client}, models: {models}, demand: {{trace: {trace}}},{size}\n"
            "     slo: {ttft_p99_ms: 5000, tpot_p99_ms: 100}}"
        )
    return _write(folder / f"{name}.yaml", f"{{periods: {hours}, period_h: 1}}", loads, policy, offers)


def _beside(file: Path, folder: Path) -> str:
    """The name of a copy: a problem reads files of its own folder."""
    if not (folder / file.name).exists():
        shutil.copy(file, folder)
    return file.name


def _clients(path: Path, hours: int) -> tuple[dict[str, float], dict[str, str]]:
    """Requests of each client in the first hours; for those without recorded lengths the mean size of all others."""
    requests: dict[str, float] = {}
    sized: set[str] = set()
    total = prompt = completion = 0.0
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        for row in csv.DictReader(file):
            number, client = float(row["requests"]), row["client"]
            if float(row["start_s"]) < 3600 * hours:
                requests[client] = requests.get(client, 0.0) + number
            if row["input_tokens_mean"]:
                sized.add(client)
                total += number
                prompt += number * float(row["input_tokens_mean"])
                completion += number * float(row["output_tokens_mean"])
    mean = f" prompt_tokens: {prompt / total:.0f}, completion_tokens: {completion / total:.0f},"
    return requests, {client: mean for client in requests if client not in sized}


def _write(file: Path, horizon: str, loads: Iterable[str], policy: str, offers: str = "") -> Path:
    """The problem file, beside copies of what it includes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for one in CATALOGUES:
        shutil.copyfile(EXAMPLES / one, file.parent / one)
    assumed = ", ".join(part for part in ("p99_over_mean: 2", policy) if part)
    lines = [
        "schema: router/1",
        f"name: {file.stem}",
        f"horizon: {horizon}",
        f"include: [{', '.join(CATALOGUES)}]",
        f"policy: {{{assumed}}}",
        "workloads:",
        *loads,
    ]
    write_text(str(file), "\n".join([*lines, offers, ""]))
    return file


def planned(file: Path, *, gap: float = 1e-3, time_limit_s: float = 600.0) -> Run:
    """Load, encode, solve, verify and write: what `router solve` does, each step timed."""
    seconds: dict[str, float] = {}
    began = perf_counter()

    def lap(step: str) -> None:
        nonlocal began
        seconds[step], began = perf_counter() - began, perf_counter()

    problem = load(file)
    lap("load")
    encoded = encode_problem(problem)
    lap("encode")
    found = optimise(encoded, "highs", SolveOptions(gap=gap, time_limit_s=time_limit_s))
    lap("solve")
    plan = publish(problem, found)
    lap("decode and verify")
    write_text(str(file.with_suffix(".json")), to_json(plan.to_dict()))
    lap("write")
    program = encoded.program
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return Run(
        problem,
        file,
        plan,
        seconds,
        peak,
        program.n_columns,
        int(program.integer.sum()),
        program.n_rows,
    )


def simulated(
    run: Run, arrivals: str, hours: str = "all", requests: int = 20_000, seed: int = 1
) -> SimulationReport:
    """The plan against requests, seeded."""
    return simulate(run.problem, run.plan, hours=hours, arrivals_as=arrivals, requests=requests, seed=seed)


def azure(traces: Path, out: Path, time_limit_s: float) -> str:
    """As the formula says, and with loads planned higher until the replay keeps every promise."""
    files = [traces / name for name in AZURE]
    made = []
    for margin in MARGINS:
        policy = f"load_margin: {margin:g}" if margin else ""
        file = azure_problem(out, files, name=f"azure-margin-{margin:g}", policy=policy)
        made.append((planned(file, time_limit_s=time_limit_s), "all", ("poisson", "stated", "trace")))
    return _report(made)


MARGINS = (0.0, 1.0, 2.0, 3.0, 4.0)
HOURS = "busiest,median,drawn:4"


def servegen(traces: Path, out: Path, time_limit_s: float, hours: int = 336) -> str:
    """As the formula says, with loads planned higher, and with replicas bought ahead for the two weeks."""
    made = []
    for name, policy, offers in SERVEGEN_RUNS:
        file = servegen_problem(out, traces / SERVEGEN, hours, name=name, policy=policy, offers=offers)
        made.append((planned(file, time_limit_s=time_limit_s), HOURS, ("poisson", "stated")))
    return _report(made)


def _report(made: Sequence[tuple[Run, str, Sequence[str]]]) -> str:
    """Every plan simulated, as Markdown."""
    rows: list[str] = []
    text: list[str] = []
    for run, hours, kinds in made:
        text += [f"### {run.file.stem}", *run_lines(run), *cost_table(run), *count_table(run)]
        for arrivals in kinds:
            found = simulated(run, arrivals, hours)
            rows.append(simulation_row(run.file.stem, run, found))
            text += [f"simulated, arrivals {arrivals}:", "", *promise_table(found)]
    return "\n".join([*simulation_table(rows), *text, ""])


AHEAD = """offers:
  - name: llama-3.1-70b-fp4-1x-b200-two-weeks
    provider: runpod
    source: measured as llama-3.1-70b-fp4-1x-b200-trtllm; 30 % off the hourly price is assumed
    note: bought ahead for the whole horizon
    models:
      llama-3.1-70b-fp4:
        points:
{points}
    instances: {{usd_per_h: 4.753, units: 1, memory_gb: 180, resize: horizon}}
"""


def bought_ahead() -> str:
    """The replica that the plan uses most, at a price for the whole horizon: an offer of its own."""
    lines = (EXAMPLES / CATALOGUES[0]).read_text(encoding="utf-8").splitlines()
    first = lines.index("  - name: llama-3.1-70b-fp4-1x-b200-trtllm")
    points = []
    for line in lines[first:]:
        if line.startswith("          - {prompt_tokens"):
            points.append(line)
        elif points:
            break
    return AHEAD.format(points="\n".join(points))


SERVEGEN_RUNS = (
    ("servegen", "", ""),
    ("servegen-margin", "load_margin: 0.15", ""),
    ("servegen-ahead", "", bought_ahead()),
    ("servegen-ahead-margin", "load_margin: 0.15", bought_ahead()),
)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("azure", "servegen"))
    parser.add_argument("--traces", type=Path, default=os.environ.get("ROUTER_TRACES"))
    parser.add_argument("--out", type=Path, default=Path("planning"))
    parser.add_argument("--time-limit", type=float, default=600.0)
    given = parser.parse_args()
    if given.traces is None:
        parser.error("--traces or ROUTER_TRACES names the folder with the public traces")
    made = (azure if given.what == "azure" else servegen)(Path(given.traces), given.out, given.time_limit)
    write_text(str(given.out / f"{given.what}.md"), made)


if __name__ == "__main__":
    main()
