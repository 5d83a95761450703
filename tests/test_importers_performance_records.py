"""Benchmark files as people have them: forms of other versions, and runs that must not be merged, split or counted.

Inputs: `guidellm_0.6.json`, `guidellm.csv`, `guidellm_drawn.json`, `aiperf_0.13_*.json`,
`profile_export_aiperf.csv` and `seconds.json` in tests/data/performance;
where each form was met stands in docs/imports.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from router.cli import run
from router.errors import InputError
from router.importers.performance import Replica, ReplicaPoints, extract, read_runs

DATA = Path(__file__).parent / "data" / "performance"
OWN = Replica(offer="own", model="model-a", gpus=1, usd_per_gpu_h=2.0)
VLLM = {
    "model_id": "m",
    "completed": 100,
    "failed": 0,
    "total_output_tokens": 20_000,
    "request_rate": "inf",
}


def points(*names: str | Path) -> ReplicaPoints:
    """What the files make; what came in is what went out and what is left out or merged."""
    found = extract([one for name in names for one in read_runs(DATA / name)[1]], OWN)
    found.account.reconcile()
    return found


def jsonl(tmp_path: Path, *records: dict[str, Any]) -> Path:
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(json.dumps(VLLM | record) + "\n" for record in records))
    return path


def rates(found: ReplicaPoints) -> list[float]:
    return [point["requests_per_s"] for point in found.points]


def sizes(found: ReplicaPoints) -> list[float]:
    return [point["prompt_tokens"] for point in found.points]


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize("name", ["guidellm_0.6.json", "guidellm.csv"])
def test_guidellm_of_schema_1_and_its_csv_are_the_same_two_points(name: str) -> None:
    first, second = points(name).points
    assert (first["requests_per_s"], first["concurrency"], first["ttft_mean_ms"], first["tpot_p99_ms"]) == (
        *(0.5, 1, 80),
        9.6,
    )
    assert (second["requests_per_s"], second["concurrency"]) == (6.2, 15.8)
    assert (second["ttft_p90_ms"], second["ttft_p50_ms"], second["tpot_mean_ms"]) == (160, 160, 12)
    assert points(name).as_of == "2026-08-01"


def test_guidellm_csv_percentiles_are_those_of_its_list(tmp_path: Path) -> None:
    """Eleven in a list: least, 0.1, 1, 5, 10, 25, 75, 90, 95, 99 %, most; the median stands beside."""
    text = (DATA / "guidellm.csv").read_text()
    listed = ", ".join(["160.0"] * 11)
    assert listed in text
    other = tmp_path / "benchmarks.csv"
    other.write_text(text.replace(listed, "1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 175.0, 190.0, 195.0, 199.0, 400.0"))
    (*_, last) = points(other).points
    assert [last[f"ttft_{p}_ms"] for p in ("p50", "p90", "p95", "p99")] == [160, 190, 195, 199]


def test_guidellm_yaml_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.yaml"
    path.write_text("metadata: {version: 2}\nbenchmarks: []\n")
    with pytest.raises(InputError, match=r"GuideLLM's YAML report is not read; its JSON or CSV is"):
        read_runs(path)


def test_a_report_cut_off_is_an_error_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.csv"
    path.write_text((DATA / "guidellm.csv").read_text()[:2500])
    with pytest.raises(InputError, match=r"is not a whole report|is not CSV"):
        read_runs(path)


def test_aiperf_csv_in_its_own_units() -> None:
    """6.4 requests/s of 600 ms: 3.84 in flight."""
    (point,) = points("profile_export_aiperf.csv").points
    assert (point["prompt_tokens"], point["completion_tokens"], point["requests_per_s"]) == (128, 20, 6.4)
    assert (point["concurrency"], point["ttft_p95_ms"], point["tpot_p50_ms"]) == (3.84, 110, 25)


def test_vllm_sweep_summary_csv(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    path.write_text(
        ",model_id,completed,failed,total_input_tokens,total_output_tokens,request_throughput,max_concurrency,"
        "median_ttft_ms,run_number\n0,m,100,0,100000,20000,4.5,8,91.5,0\n1,m,100,0,100000,20000,9.0,,,1\n"
    )
    found = points(path)
    assert rates(found) == [4.5, 9]
    assert found.points[0]["ttft_p50_ms"] == 91.5


def test_latencies_in_seconds_are_read_as_seconds() -> None:
    """Fields without the ending `_ms`; the load is the concurrency asked for, as no mean latency is known."""
    found = points("seconds.json")
    (point,) = found.points
    assert point == {
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "requests_per_s": 3.15,
        "concurrency": 32,
        "ttft_p50_ms": 290,
        "ttft_p99_ms": 2070,
        "tpot_p50_ms": 34,
        "tpot_p99_ms": 72,
    }
    assert found.account.lines() == ["read: all of 1 run"]


# ---------------------------------------------------------------- merged and split


def test_aiperf_0_13_states_model_and_load_elsewhere() -> None:
    found = points("aiperf_0.13_run_1.json", "aiperf_0.13_run_2.json")
    assert rates(found) == [6.4]
    assert any(
        "repeats a load (6.4, 7.7 requests/s); the slowest counts" in line for line in found.account.lines()
    )
    with pytest.raises(InputError, match="the runs are of 2 models: model-a, model-b"):
        points("aiperf_0.13_run_1.json", "aiperf_0.13_other_model.json")


def test_aiperf_warm_up_phase_is_not_the_load_and_two_models_are_no_point(tmp_path: Path) -> None:
    record = json.loads((DATA / "aiperf_0.13_run_1.json").read_text())
    warm = {"name": "warmup", "kind": "warmup", "type": "concurrency", "concurrency": 1}
    record["input_config"]["phases"].insert(0, warm)
    (tmp_path / "one.json").write_text(json.dumps(record))
    assert rates(points("aiperf_0.13_run_2.json", tmp_path / "one.json")) == [6.4]
    record["input_config"]["models"]["items"].append({"name": "model-b"})
    (tmp_path / "two.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="it measured 2 models together: model-a, model-b"):
        points(tmp_path / "two.json")


def test_the_steps_of_a_sweep_are_one_size_the_largest_mean() -> None:
    found = points("guidellm_drawn.json")
    assert [(p["prompt_tokens"], p["completion_tokens"]) for p in found.points] == [(1017.4, 200)] * 2
    assert rates(found) == [0.5, 6.2]
    assert any("1,017.4, 1,000.2" in line and "--prompt-tokens" in line for line in found.account.lines())


def test_steps_of_drawn_answers_likewise(tmp_path: Path) -> None:
    found = points(
        jsonl(
            tmp_path,
            {
                "total_input_tokens": 100_000,
                "total_output_tokens": 20_330,
                "request_throughput": 1,
                "max_concurrency": 1,
            },
            {
                "total_input_tokens": 100_000,
                "total_output_tokens": 19_870,
                "request_throughput": 8,
                "max_concurrency": 16,
            },
        )
    )
    assert [p["completion_tokens"] for p in found.points] == [203.3, 203.3]
    assert any("203.3, 198.7 completion tokens" in line for line in found.account.lines())


def test_two_stated_sizes_under_one_load_are_not_one_sweep(tmp_path: Path) -> None:
    """4,000 and 4,096 tokens, 2.4 % apart, each at 8 and 16 in flight: what was asked for, not what was drawn."""
    loads = [
        {"total_input_tokens": 100 * size, "request_throughput": rate, "max_concurrency": rate * 4}
        for size in (4000, 4096)
        for rate in (2, 4)
    ]
    found = points(jsonl(tmp_path, *loads))
    assert sizes(found) == [4000, 4000, 4096, 4096]
    assert not any("one size" in line for line in found.account.lines())


def test_a_sweep_of_answers_that_end_early_is_told(tmp_path: Path) -> None:
    """Means of 200 and 150 completion tokens are no one size; each step is a size of its own."""
    loads = [
        {
            "total_input_tokens": 100_000,
            "total_output_tokens": tokens,
            "request_throughput": 2,
            "max_concurrency": at,
        }
        for tokens, at in ((20_000, 8), (15_000, 16))
    ]
    found = points(jsonl(tmp_path, *loads))
    assert any(
        "each run is of a size of its own (1,000 + 150, 1,000 + 200" in line for line in found.account.lines()
    )


def test_sizes_that_differ_more_are_two(tmp_path: Path) -> None:
    loads = [
        {"total_input_tokens": tokens, "request_throughput": 2, "max_concurrency": 8}
        for tokens in (100_000, 106_000)
    ]
    assert sizes(points(jsonl(tmp_path, *loads))) == [1000, 1060]


# ---------------------------------------------------------------- not steady, and figures that cannot be


def test_a_warm_up_run_of_a_sweep_is_left_out(tmp_path: Path) -> None:
    """`vllm bench sweep` numbers it -1; as a repeat of the load its cold rate would decide."""
    load = {"total_input_tokens": 100_000, "max_concurrency": 8}
    found = points(
        jsonl(
            tmp_path,
            load | {"request_throughput": 1.5, "run_number": -1},
            load | {"request_throughput": 4.0, "run_number": 0},
        )
    )
    assert rates(found) == [4]
    assert any("left out, a warm-up run: 1 run; first at" in line for line in found.account.lines())


def test_a_summary_beside_its_runs_counts_each_once(tmp_path: Path) -> None:
    one = VLLM | {"total_input_tokens": 100_000, "request_throughput": 4.0, "max_concurrency": 8}
    two = one | {"request_throughput": 6.0, "max_concurrency": 16}
    for name, content in (("summary.json", [one, two]), ("run=0.json", one), ("run=1.json", two)):
        (tmp_path / name).write_text(json.dumps(content))
    found = points(*(tmp_path / name for name in ("run=0.json", "run=1.json", "summary.json")))
    assert rates(found) == [4, 6]
    assert sum("counted already" in line for line in found.account.lines()) == 2


def test_latencies_that_cannot_be_leave_the_run_out(tmp_path: Path) -> None:
    """4 requests/s of 90,000 ms would be 360 in flight where at most 8 were: written in µs, or read as seconds."""
    good = {
        "total_input_tokens": 100_000,
        "request_throughput": 2.0,
        "max_concurrency": 4,
        "mean_e2el_ms": 1500,
    }
    bad = good | {"request_throughput": 4.0, "max_concurrency": 8, "mean_e2el_ms": 90_000}
    found = points(jsonl(tmp_path, good, bad))
    assert rates(found) == [2]
    assert any("left out, its rate times its latency are 360" in line for line in found.account.lines())


def test_percentiles_that_fall_leave_the_run_out(tmp_path: Path) -> None:
    good = {
        "total_input_tokens": 100_000,
        "request_throughput": 2.0,
        "max_concurrency": 4,
        "p99_ttft_ms": 300.0,
    }
    bad = good | {"request_throughput": 4.0, "max_concurrency": 8, "median_ttft_ms": 301.0}
    found = points(jsonl(tmp_path, good, bad))
    assert rates(found) == [2]
    assert any("its percentiles of ttft fall: 301, 300 ms" in line for line in found.account.lines())


# ---------------------------------------------------------------- what a plan makes of it


def solved(tmp_path: Path, arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> float:
    offer = str(tmp_path / "offer.yaml")
    command = [
        "import",
        "performance",
        str(DATA / "guidellm_drawn.json"),
        "--offer",
        "own",
        "--model",
        "model-a",
    ]
    assert run([*command, "--gpus", "1", "--usd-per-gpu-h", "2", *arguments, "-o", offer]) == 0
    problem = tmp_path / "problem.yaml"
    problem.write_text(
        "schema: router/1\ninclude: [offer.yaml]\nworkloads:\n  - {name: w, models: [model-a], demand: "
        "{requests_per_s: 30}, prompt_tokens: 1010, completion_tokens: 200}\n"
    )
    capsys.readouterr()
    assert run(["solve", str(problem), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert {row["count"] for row in plan["instances"]} == {5}
    return float(plan["cost_usd"])


def test_a_sweep_of_drawn_prompts_is_planned_at_its_fastest_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """30 requests/s at 6.2 an instance: 5 of 2 USD an hour, 7,300 USD in 730 h; not 60 of the step at 0.5."""
    assert solved(tmp_path, [], capsys) == pytest.approx(7300)
    assert solved(tmp_path, ["--prompt-tokens", "1010"], capsys) == pytest.approx(7300)


# ---------------------------------------------------------------- estimates


def test_estimates_are_marked_and_said_in_the_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two configurations of aiconfigurator must not be mixed; those of tp 4 become two points, off by up to 20 %."""
    file = DATA / "aiconfigurator_pareto.csv"
    with pytest.raises(InputError, match="holds 2 replicas, which differ in num_total_gpus, tp"):
        read_runs(file)
    out = tmp_path / "offer.yaml"
    command = ["import", "performance", str(file), "--where", "tp=4", "--offer", "own", "--model", "m"]
    assert run([*command, "--usd-per-gpu-h", "2", "-o", str(out)]) == 0
    assert "note, estimated, not measured: 2 runs" in capsys.readouterr().err
    text = out.read_text()
    assert "requests_per_s: 3.73, concurrency: 32, estimated: true, error: 0.2, ttft_mean_ms: 600" in text
    assert "units: 4" in text
    problem = tmp_path / "problem.yaml"
    problem.write_text(
        "schema: router/1\ninclude: [offer.yaml]\nworkloads:\n  - {name: w, models: [m], demand: "
        "{requests_per_s: 1}, prompt_tokens: 4000, completion_tokens: 500}\n"
    )
    assert run(["solve", str(problem), "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert (
        "estimated, not measured, off by up to 20%: throughput and latency of own (points.estimated)" in notes
    )


def test_time_per_token_that_counts_the_first_one_in(tmp_path: Path) -> None:
    """5,390 ms over 500 tokens are 10.78 each; after the first of 400 ms 4,990 over 499 are 10."""
    text = (DATA / "aiconfigurator_pareto.csv").read_text().splitlines()
    row = text[1].replace("400.0,10.0,5390.0", "400.0,10.78,5390.0")
    path = tmp_path / "pareto.csv"
    path.write_text(f"{text[0]}\n{row}\n")
    (point,) = points(path).points
    assert point["tpot_mean_ms"] == pytest.approx(10)
