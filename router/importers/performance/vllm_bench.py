"""Results of `vllm bench serve --save-result` (or `--append-result`: JSON lines); latencies in ms.

Programs that keep its names but write seconds leave the ending off (`median_ttft` beside `median_ttft_ms`).
`vllm bench sweep serve` adds `run_number`, which is -1 for a warm-up.

Fields as vllm/benchmarks/serve.py writes them: `total_input_tokens`, `total_output_tokens` and `request_throughput`
count completed requests; `tpot` is each request's mean time per token after the first, as ours is (`itl` is per gap
and is not used); the percentiles are those of `--metric-percentiles` (p99 unless asked), and the median.
`--metadata KEY=VALUE` lands at the top level: `gpus=8`, or `tensor_parallel_size=8` and the like, tell the GPU count.
"""

from __future__ import annotations

import datetime as dt

from router.importers.performance.run import PERCENTILES, RawRecord, Run, in_flight, measured, request_time_ms

NAME = "vllm"
TITLE = "vllm bench serve"

_GPUS = ("gpus", "num_gpus", "gpu_count", "n_gpus")
_PARALLEL = (
    ("tensor_parallel_size", "tp_size", "tp"),
    ("pipeline_parallel_size", "pp_size", "pp"),
    ("data_parallel_size", "dp_size", "dp"),
)


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return "model_id" in record.values and "completed" in record.values


def runs(record: RawRecord) -> list[Run]:
    """The run of one result. Raises InputError."""
    completed = record.number("completed") or 0.0
    if not completed.is_integer():
        raise record.error(("completed",), "must be a whole number of requests", completed)
    if completed == 0:
        return [_nothing(record, "no request was completed")]
    if record.get("total_output_tokens") is None:
        raise record.error(("total_output_tokens",), "is missing", hint="only text generation is read")
    completion_tokens = (record.number("total_output_tokens") or 0.0) / completed
    latency = latencies(record)
    rate = record.positive("request_throughput")
    request_ms = _ms(record, "mean_e2el") or request_time_ms(latency, completion_tokens)
    return [
        Run(
            file=record.file,
            line=record.line,
            model=record.text("model_id"),
            prompt_tokens=(record.number("total_input_tokens") or 0.0) / completed,
            completion_tokens=completion_tokens,
            requests_per_s=rate,
            concurrency=in_flight(rate, request_ms) or record.number("max_concurrency"),
            setting=setting(record),
            latency=latency,
            completed=completed,
            failed=_failed(record, completed),
            gpus=_gpus(record),
            measured_on=_date(record.text("date")),
            unusable=_unsteady(record),
        )
    ]


def latencies(record: RawRecord) -> dict[str, float]:
    """The fields of a point; vLLM's and SGLang's names are the same."""
    values: dict[str, float | None] = {}
    for kind in ("ttft", "tpot"):
        for part in ("mean", *PERCENTILES):
            names = (f"{part}_{kind}", f"median_{kind}") if part == "p50" else (f"{part}_{kind}",)
            found = (_ms(record, name) for name in names)
            values[f"{kind}_{part}_ms"] = next((value for value in found if value is not None), None)
    return measured(values)


def _ms(record: RawRecord, name: str) -> float | None:
    """A latency in ms, from `name_ms` or, in seconds, `name`."""
    milliseconds, seconds = record.number(f"{name}_ms"), record.number(name)
    return seconds * 1e3 if milliseconds is None and seconds is not None else milliseconds


def _unsteady(record: RawRecord) -> str | None:
    """Why a run is not one of a steady load."""
    if record.get("ramp_up_strategy"):
        return "the load was ramped up during the run"
    if (record.number("run_number") or 0) < 0:
        return "a warm-up run"
    return None


def setting(record: RawRecord) -> tuple[float | str | None, ...]:
    """The load asked for; a rate of "inf" with a concurrency is a closed loop."""
    rate = record.get("request_rate")
    return (record.number("max_concurrency"), rate if isinstance(rate, float | int | str) else None)


def _failed(record: RawRecord, completed: float) -> float | None:
    failed = record.number("failed")
    asked = record.number("num_prompts")  # older versions count no failures
    return failed if failed is not None else (max(asked - completed, 0.0) if asked is not None else None)


def _gpus(record: RawRecord) -> int | None:
    for name in _GPUS:
        if record.get(name) is not None:
            return record.whole(name)
    sizes = [next((record.whole(name) for name in names if record.get(name)), None) for names in _PARALLEL]
    if sizes[0] is None:
        return None
    return sizes[0] * (sizes[1] or 1) * (sizes[2] or 1)


def _date(text: str | None) -> dt.date | None:
    try:
        return dt.datetime.strptime(text or "", "%Y%m%d-%H%M%S").date()
    except ValueError:
        return None


def _nothing(record: RawRecord, why: str) -> Run:
    return Run(
        file=record.file,
        line=record.line,
        prompt_tokens=0.0,
        completion_tokens=0.0,
        requests_per_s=0.0,
        concurrency=None,
        setting=(),
        latency={},
        unusable=why,
    )
