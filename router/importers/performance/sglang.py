"""Results of `python -m sglang.bench_serving --output-file`: JSON lines, latencies in ms.

`concurrency` is the mean number in flight (sum of request times over the duration). `tpot` is each request's mean time
per token after the first. The file names no model and counts no failures: those show only with `--output-details`, in
`errors`. Newer versions add `server_info`, which holds the parallelism of the server.
"""

from __future__ import annotations

from router.importers.performance.run import RawRecord, Run
from router.importers.performance.vllm_bench import latencies, setting

NAME = "sglang"
TITLE = "sglang.bench_serving"


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return "total_output_tokens_retokenized" in record.values or "mean_e2e_latency_ms" in record.values


def runs(record: RawRecord) -> list[Run]:
    """The run of one result. Raises InputError."""
    completed = record.number("completed") or 0.0
    if record.get("total_output_tokens") is None:
        raise record.error(("total_output_tokens",), "is missing", hint="only text generation is read")
    rate = record.number("request_throughput") or 0.0
    failed = _failed(record)
    return [
        Run(
            file=record.file,
            line=record.line,
            prompt_tokens=(record.number("total_input_tokens") or 0.0) / max(completed, 1.0),
            completion_tokens=(record.number("total_output_tokens") or 0.0) / max(completed, 1.0),
            requests_per_s=rate,
            concurrency=record.number("concurrency"),
            setting=setting(record),
            latency=latencies(record),
            completed=completed,
            failed=failed,
            gpus=_gpus(record),
            model=record.text("server_info", "model_path") or record.text("model_id") or record.text("model"),
            unusable="no request was completed" if completed == 0 or rate <= 0 else None,
            remarks=()
            if failed is not None
            else ("does not say how many requests failed (--output-details does)",),
        )
    ]


def _failed(record: RawRecord) -> float | None:
    errors = record.get("errors")
    return float(sum(bool(error) for error in errors)) if isinstance(errors, list) else None


def _gpus(record: RawRecord) -> int | None:
    """tp · pp, and · dp unless attention alone is data parallel, which happens inside the tensor-parallel group."""
    tp = record.whole("server_info", "tp_size")
    if tp is None:
        return None
    dp = record.whole("server_info", "dp_size") or 1
    if record.get("server_info", "enable_dp_attention"):
        dp = 1
    return tp * (record.whole("server_info", "pp_size") or 1) * dp
