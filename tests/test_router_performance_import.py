"""Benchmark results of each program become the same kind of points, in the same units; what is missing is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.cli import run
from router.errors import InputError
from router.importers.performance import Replica, ReplicaPoints, extract, fragment, read_runs
from router.loading.catalogue import load
from router.schema import Problem

DATA = Path(__file__).parent / "data" / "performance"
PRICED = Replica(offer="o", model="m", usd_per_gpu_h=2.0)
GPUS = Replica(offer="o", model="m", usd_per_gpu_h=2.0, gpus=4)


def points(
    file: Path, replica: Replica = GPUS, where: tuple[tuple[str, str], ...] = (), **options: Any
) -> ReplicaPoints:
    return extract(read_runs(file, where=where)[1], replica, **options)


def written(tmp_path: Path, records: list[dict[str, Any]], name: str = "runs.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


# ---------------------------------------------------------------- one format each


def test_vllm() -> None:
    """400 requests of 1,024 + 128 tokens in 100 s; in flight 4 · (90 + 127 · 12) ms = 6.456 by Little's law."""
    found = points(DATA / "vllm.jsonl", PRICED)
    assert found.gpus == 4 and found.usd_per_h == 8.0 and found.as_of == "2026-11-18"
    assert found.points[0] == {
        "prompt_tokens": 1024,
        "completion_tokens": 128,
        "requests_per_s": 4.0,
        "concurrency": 6.456,
        "ttft_mean_ms": 90,
        "ttft_p50_ms": 85,
        "ttft_p90_ms": 120,
        "ttft_p99_ms": 180,
        "tpot_mean_ms": 12,
        "tpot_p50_ms": 11.9,
        "tpot_p90_ms": 12.6,
        "tpot_p99_ms": 13.5,
    }


def test_sglang_takes_gpus_from_the_server_and_concurrency_as_measured() -> None:
    found = points(DATA / "sglang.jsonl", PRICED)
    assert found.gpus == 2
    assert [point["requests_per_s"] for point in found.points] == [1.6, 4.8]
    assert found.points[1]["concurrency"] == pytest.approx(4.8 * 3.262)
    assert found.points[1]["ttft_p95_ms"] == pytest.approx(130)
    assert any("does not say how many requests failed" in warning for warning in found.account.lines())


def test_sglang_attention_data_parallelism_adds_no_gpus(tmp_path: Path) -> None:
    (record, _) = lines("sglang.jsonl")
    for attention, gpus in ((True, 8), (False, 64)):
        record["server_info"] |= {"tp_size": 8, "dp_size": 8, "enable_dp_attention": attention}
        assert points(written(tmp_path, [record]), PRICED).gpus == gpus


def test_guidellm_time_per_token_is_its_inter_token_latency() -> None:
    """Its own `time_per_output_token_ms` counts the first token in: 15 + 95/128 there, 15 here."""
    found = points(DATA / "guidellm.json")
    assert [point["requests_per_s"] for point in found.points] == [0.8, 8.0, 12.0]
    assert found.points[1] == {
        "prompt_tokens": 512,
        "completion_tokens": 128,
        "requests_per_s": 8.0,
        "concurrency": 16,
        "ttft_mean_ms": 95,
        "ttft_p50_ms": 90,
        "ttft_p90_ms": 130,
        "ttft_p95_ms": 150,
        "ttft_p99_ms": 210,
        "tpot_mean_ms": 15,
        "tpot_p50_ms": 14.8,
        "tpot_p90_ms": 16,
        "tpot_p95_ms": 16.6,
        "tpot_p99_ms": 18.2,
    }
    assert any("300 of 1020 requests were cut off" in warning for warning in found.account.lines())


def test_guidellm_of_an_unknown_schema_version_is_refused(tmp_path: Path) -> None:
    report = json.loads((DATA / "guidellm.json").read_text())
    report["metadata"]["version"] = 3
    with pytest.raises(InputError, match="versions 1 and 2 are read"):
        read_runs(written(tmp_path, [report]))


@pytest.mark.parametrize(("unit", "factor"), [("ms", 1.0), ("sec", 1e-3), ("us", 1e3), ("ns", 1e6)])
def test_aiperf_in_any_unit(tmp_path: Path, unit: str, factor: float) -> None:
    """5 requests/s of 3.2 s: 16 in flight."""
    summary = json.loads((DATA / "profile_export_aiperf.json").read_text())
    for name in ("time_to_first_token", "inter_token_latency", "request_latency"):
        summary[name] = {
            key: unit if key == "unit" else value * factor for key, value in summary[name].items()
        }
    found = points(written(tmp_path, [summary]))
    (point,) = found.points
    assert (point["prompt_tokens"], point["completion_tokens"], point["requests_per_s"]) == (2000, 256, 5)
    assert point["concurrency"] == pytest.approx(16)
    assert point["ttft_mean_ms"] == pytest.approx(140) and point["ttft_p99_ms"] == pytest.approx(260)
    assert point["tpot_mean_ms"] == pytest.approx(12) and point["tpot_p95_ms"] == pytest.approx(13.1)
    assert found.as_of == "2026-11-19"


def test_aiperf_unknown_unit_is_an_error(tmp_path: Path) -> None:
    summary = json.loads((DATA / "profile_export_aiperf.json").read_text())
    summary["time_to_first_token"]["unit"] = "fortnights"
    with pytest.raises(InputError, match="fortnights"):
        read_runs(written(tmp_path, [summary]))


def test_table_of_points_by_littles_law() -> None:
    """16 in flight, 121.41327 ms + 1,023 · 13.19219 ms = 13.617 s: 1.175 requests/s on 4 GPUs. Means only."""
    where = (("model_path", "meta-llama/Llama-3.1-70B"), ("tp_size", "4"))
    found = points(DATA / "points.csv", PRICED, where)
    assert found.gpus == 4
    (point,) = [
        one
        for one in found.points
        if one["concurrency"] == 16 and one["completion_tokens"] == one["prompt_tokens"]
    ]
    assert point == {
        "prompt_tokens": 1024,
        "completion_tokens": 1024,
        "requests_per_s": pytest.approx(16 / (0.12141327 + 1023 * 0.01319219), rel=1e-5),
        "concurrency": 16,
        "ttft_mean_ms": 121.413,
        "tpot_mean_ms": 13.1922,
    }
    assert any("p99_over_mean" in warning for warning in found.account.lines())
    assert "p99_over_mean" in fragment(found, PRICED, "source")


def test_a_table_of_several_replicas_asks_which() -> None:
    with pytest.raises(InputError, match=r"holds 4 replicas") as caught:
        read_runs(DATA / "points.csv")
    assert "--where model_path=meta-llama/Llama-3.1-70B" in str(caught.value)
    assert "tp_size=8" in str(caught.value)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (("sytem", "h100_sxm"), 'did you mean "system"'),
        (("system", "h100"), 'did you mean "h100_sxm"'),
    ],
)
def test_a_filter_that_misses_names_the_nearest(where: tuple[str, str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_runs(DATA / "points.csv", where=[where])


@pytest.mark.parametrize(
    ("model", "why"),
    [("Qwen/Qwen3-235B-A22B-FP8", "its experts take 4 GPUs"), ("deepseek-ai/DeepSeek-R1", "no concurrency")],
)
def test_rows_that_contradict_themselves_or_lack_the_load_are_left_out(model: str, why: str) -> None:
    with pytest.raises(InputError, match="no usable run") as caught:
        points(DATA / "points.csv", where=(("model_path", model),))
    assert why in str(caught.value)


# ---------------------------------------------------------------- which runs count


def test_failed_requests_leave_a_run_out_by_name_unless_allowed() -> None:
    found = points(DATA / "vllm.jsonl")
    assert max(point["requests_per_s"] for point in found.points) == 9.5
    assert any(
        "left out, 50 of 1200 requests failed" in warning and "line 5" in warning
        for warning in found.account.lines()
    )
    allowed = points(DATA / "vllm.jsonl", allow_failed=0.05)  # 50 of 1,200 are 4.2 %
    assert max(point["requests_per_s"] for point in allowed.points) == 11.5


def test_of_runs_that_repeat_a_load_the_slowest_counts() -> None:
    """Concurrency 32 was run twice, at 10 and at 9.5 requests/s."""
    found = points(DATA / "vllm.jsonl")
    assert [point["requests_per_s"] for point in found.points] == [4.0, 5.8, 9.5]
    assert found.points[2]["ttft_mean_ms"] == 190
    assert any("10, 9.5 requests/s" in warning for warning in found.account.lines())


def test_drawn_prompts_of_one_nominal_size_stay_one_sweep(tmp_path: Path) -> None:
    """Means of 1,023.5, 1,024 and 1,026 tokens are one size, the largest, so that the nominal size is a measured one.
    A second sweep at 2,048 stays apart."""
    records = []
    for prompt, concurrency in ((1023.5, 8), (1024, 16), (1026, 32), (2048, 8)):
        (record, *_) = lines("vllm.jsonl")
        record |= {"max_concurrency": concurrency, "total_input_tokens": 400 * prompt}
        records.append(record | {"request_throughput": concurrency / 2})
    found = points(written(tmp_path, records))
    assert [point["prompt_tokens"] for point in found.points] == [1026, 1026, 1026, 2048]


def test_a_nominal_size_may_be_stated_if_it_is_true(tmp_path: Path) -> None:
    (record, *_) = lines("vllm.jsonl")
    file = written(tmp_path, [record | {"total_input_tokens": 400 * 1023.2}])
    nominal = Replica(offer="o", model="m", usd_per_gpu_h=2, prompt_tokens=1024, completion_tokens=128)
    assert points(file, nominal).points[0]["prompt_tokens"] == 1024
    with pytest.raises(InputError, match=r"--prompt-tokens: 2048: is more than 5% off the run's 1023.2"):
        points(file, Replica(offer="o", model="m", usd_per_gpu_h=2, prompt_tokens=2048))


def test_ramps_cancelled_and_empty_runs_are_no_operating_points(tmp_path: Path) -> None:
    (first, *_) = lines("vllm.jsonl")
    summary = json.loads((DATA / "profile_export_aiperf.json").read_text()) | {"was_cancelled": True}
    for record, why in (
        (first | {"ramp_up_strategy": "linear"}, "ramped up"),
        (first | {"completed": 0}, "no request was completed"),
        (summary, "cancelled"),
    ):
        with pytest.raises(InputError, match=why):
            points(written(tmp_path, [record]))


def test_a_server_that_does_not_stream_has_no_time_to_first_token(tmp_path: Path) -> None:
    """Benchmark programs write 0 there; a plan must not take it for an instant answer."""
    (record, *_) = lines("vllm.jsonl")
    for name in ("mean_ttft_ms", "median_ttft_ms", "p90_ttft_ms", "p99_ttft_ms"):
        record[name] = 0.0
    found = points(written(tmp_path, [record]))
    assert not any(name.startswith("ttft") for name in found.points[0])
    assert any("1 of 1 points have no time to first token" in warning for warning in found.account.lines())


def test_older_vllm_counts_no_failures_but_the_prompts_asked(tmp_path: Path) -> None:
    (record, *_) = lines("vllm.jsonl")
    del record["failed"]
    with pytest.raises(InputError, match="100 of 500 requests failed"):
        points(written(tmp_path, [record | {"num_prompts": 500}]))


# ---------------------------------------------------------------- what the files do not say


def test_missing_gpus_and_price_are_asked_for_by_their_options() -> None:
    with pytest.raises(InputError, match="--gpus: is needed"):
        points(DATA / "vllm.json", PRICED)
    with pytest.raises(InputError, match="--usd-per-gpu-h: is needed"):
        points(DATA / "vllm.json", Replica(offer="o", model="m", gpus=8))
    with pytest.raises(InputError, match="excludes --usd-per-h"):
        points(DATA / "vllm.json", Replica(offer="o", model="m", gpus=8, usd_per_h=1, usd_per_gpu_h=1))
    assert (
        points(DATA / "vllm.json", Replica(offer="o", model="m", gpus=8, usd_per_h=21.52)).usd_per_h == 21.52
    )


def test_replicas_of_different_gpus_or_models_are_not_mixed(tmp_path: Path) -> None:
    first, second, *_ = lines("vllm.jsonl")
    with pytest.raises(InputError, match="replicas with 4, 8 GPUs"):
        points(written(tmp_path, [first, second | {"gpus": "8"}]), PRICED)
    with pytest.raises(InputError, match="are of 2 models: a, b"):
        points(written(tmp_path, [first | {"model_id": "a"}, second | {"model_id": "b"}]))


def test_gpus_from_parallelism_in_the_metadata(tmp_path: Path) -> None:
    (record, *_) = lines("vllm.jsonl")
    del record["gpus"]
    file = written(tmp_path, [record | {"tensor_parallel_size": "4", "pp": "2"}])
    assert points(file, PRICED).gpus == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "neither JSON nor JSON lines|holds no run"),
        ("[]", "must hold a JSON object"),
        ("[1]", "must hold a JSON object"),
        ('{"a": 1}', "is not a benchmark result in a known format"),
        ('{"a": 1}\n{"a": ', "line 2: .*neither JSON nor JSON lines"),
        ('{"model_id": "m", "completed": "many"}', 'completed: "many": must be a number'),
        ('{"model_id": "m", "completed": 3, "total_output_tokens": 3}', "request_throughput: is missing"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_result_is_an_error_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "odd.json"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        read_runs(path)


def test_files_that_are_not_there_not_text_or_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_runs(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        read_runs(tmp_path / "binary.json")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="has no column isl"):
        read_runs(tmp_path / "other.csv")


# ---------------------------------------------------------------- the command


PROBLEM = """
schema: router/1
include: [offer.yaml]
models:
  "llama 3.1: 70b": {parameters_b: 70}
horizon: {periods: 1, period_h: 1}
workloads:
  - name: w
    models: ["llama 3.1: 70b"]
    demand: {requests_per_s: 1}
    prompt_tokens: 1000
    completion_tokens: 100
"""


def test_what_it_writes_loads_as_an_include(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names that YAML would misread survive, and `{}` in the fragment leaves the user's facts on the model alone."""
    out = tmp_path / "offer.yaml"
    code = run(
        [
            *("import", "performance", str(DATA / "vllm.jsonl"), str(DATA / "vllm.json")),
            *("--offer", "no", "--model", "llama 3.1: 70b", "--usd-per-gpu-h", "2.69", "-o", str(out)),
        ]
    )
    told = capsys.readouterr()
    assert code == 0 and told.out == ""
    assert "left out" in told.err and "points of 1024 + 128 tokens written to" in told.err
    (tmp_path / "problem.yaml").write_text(PROBLEM)
    problem: Problem = load(tmp_path / "problem.yaml")
    (offer,) = problem.offers
    assert offer.name == "no" and offer.instances is not None
    assert (offer.instances.usd_per_h, offer.instances.units) == (10.76, 4)
    assert offer.source == "vllm bench serve: vllm.jsonl, vllm.json"
    assert problem.models["llama 3.1: 70b"].parameters_b == 70
    rates = [point.requests_per_s for point in offer.models["llama 3.1: 70b"].points]
    assert rates == sorted(rates)


def test_without_a_file_to_write_the_fragment_is_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(DATA / "sglang.jsonl")
    assert run(["import", "performance", file, "--offer", "o", "--model", "m", "--usd-per-h", "5"]) == 0
    told = capsys.readouterr()
    assert "\nschema: router/1\n" in told.out and "units: 2" in told.out


def test_errors_end_with_2_and_write_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "offer.yaml"
    file = str(DATA / "profile_export_aiperf.json")
    assert run(["import", "performance", file, "--offer", "o", "--model", "m", "-o", str(out)]) == 2
    assert "--gpus 8" in capsys.readouterr().err
    assert run(["import", "performance", file, "--offer", "o", "--model", "m", "--where", "tp_size"]) == 2
    assert "COLUMN=VALUE" in capsys.readouterr().err
    named = ["--offer", "*", "--model", "m", "--gpus", "1", "--usd-per-h", "1", "-o", str(out)]
    assert run(["import", "performance", file, *named]) == 2
    assert "must be a name" in capsys.readouterr().err
    assert not out.exists()


def test_a_format_can_be_named_where_a_guess_would_fail(tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    file.write_bytes((DATA / "points.csv").read_bytes())
    name, runs = read_runs(file, "points-csv", [("model_path", "meta-llama/Llama-3.1-70B"), ("tp_size", "8")])
    assert name == "points-csv" and {one.gpus for one in runs} == {8}


def test_an_empty_model_entry_says_nothing_against_a_later_one(tmp_path: Path) -> None:
    """Fragments of two replicas and a catalogue with facts, in any order, are one model with those facts."""
    found = points(DATA / "vllm.jsonl", PRICED)
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(fragment(found, Replica(offer=name, model="m"), "a test"))
    (tmp_path / "facts.yaml").write_text("models: {m: {parameters_b: 70}}\n")
    workload = (
        "{name: w, models: [m], demand: {requests_per_s: 1}, prompt_tokens: 1000, completion_tokens: 100}"
    )
    for order in ("a.yaml, b.yaml, facts.yaml", "facts.yaml, b.yaml, a.yaml"):
        (tmp_path / "problem.yaml").write_text(
            f"schema: router/1\ninclude: [{order}]\nworkloads: [{workload}]\n"
        )
        problem = load(tmp_path / "problem.yaml")
        assert problem.models["m"].parameters_b == 70
        assert {offer.name for offer in problem.offers} == {"a", "b"}


def test_the_command_offers_every_format_there_is() -> None:
    from router.commands.imports import performance as import_performance
    from router.importers import performance

    assert import_performance.FORMATS == performance.FORMATS
