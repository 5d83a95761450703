"""Tables of operating points, one a row: NVIDIA aiconfigurator's measured values (`measured_serving_points.csv`), and
its estimates (`pareto.csv`, `best_config_topn.csv`).

    measured    requests per second ≈ concurrency / (ttft + (osl − 1) · tpot)         Little's law at one point
                GPUs of a replica   = tp · pp · attention dp
    estimated   seq/s requests per second on num_total_gpus; points are marked `estimated`, with an error of 20 %
                *Trap*: with an option its tpot counts the first token in, which `request_latency` tells

`silicon_ttft_ms` and `silicon_tpot_ms` are taken to be means (assumed: the table does not say): they meet no
percentile unless `policy.p99_over_mean` states a factor. Rows that differ in model, GPU, engine or parallelism are
different replicas; `--where COLUMN=VALUE` picks one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path as FilePath

from router.errors import InputError, Issue, nearest
from router.importers.performance.run import RawRecord, Run, measured, read_text, request_time_ms

NAME = "points-csv"
TITLE = "table of measured points"

REPLICA = (
    "model_path",
    "precision",
    "system",
    "backend",
    "backend_version",
    "tp_size",
    "pp_size",
    "attention_dp_size",
    "moe_tp_size",
    "moe_ep_size",
)
ESTIMATE = ("isl", "osl", "concurrency", "ttft", "tpot", "seq/s", "num_total_gpus")
ESTIMATED_REPLICA = (
    *("model", "system", "backend", "version", "num_total_gpus", "tp", "pp", "dp", "moe_tp", "moe_ep", "cp"),
    *("gemm", "kvcache", "(p)workers", "(d)workers", "(p)parallel", "(d)parallel"),
)
ERROR = 0.2  # relative, of its estimates
POINT = ("isl", "osl", "concurrency", "silicon_ttft_ms", "silicon_tpot_ms")
LISTED = 12


def recognises(path: FilePath) -> bool:
    """Whether a file is one of these, by its name."""
    return path.suffix.lower() == ".csv"


def runs(path: FilePath, where: Sequence[tuple[str, str]] = ()) -> list[Run]:
    """The runs of the one replica that `where` picks. Raises InputError."""
    records, estimated = _records(path)
    for column, value in where:
        if column not in records[0].values:
            hint = nearest(column, records[0].values)
            raise InputError(Issue(("--where",), "is not a column of the table", column, hint, str(path)))
        kept = [record for record in records if record.get(column) == value]
        if not kept:
            there = sorted({str(record.get(column)) for record in records})
            raise InputError(
                Issue(("--where", column), "matches no row", value, nearest(value, there), str(path))
            )
        records = kept
    _one_replica(records, ESTIMATED_REPLICA if estimated else REPLICA, path)
    return [(_estimate if estimated else _run)(record) for record in records]


def _records(path: FilePath) -> tuple[list[RawRecord], bool]:
    """The rows, and whether they are estimates."""
    reader = csv.DictReader(io.StringIO(read_text(path)), strict=True)
    try:
        estimated = set(ESTIMATE) <= set(reader.fieldnames or ())
        missing = [name for name in POINT + REPLICA[:6] if name not in (reader.fieldnames or ())]
        if missing and not estimated:
            raise InputError(Issue((), f"has no column {', '.join(missing)}", file=str(path)))
        records = [RawRecord(dict(row), str(path), reader.line_num) for row in reader]
    except csv.Error as error:
        raise InputError(Issue((), f"is not CSV: {error}", file=str(path), line=reader.line_num)) from None
    if not records:
        raise InputError(Issue((), "has no rows", file=str(path)))
    return records, estimated


def _one_replica(records: Sequence[RawRecord], columns_of: Sequence[str], path: FilePath) -> None:
    """Different replicas must not become one offer."""
    variants = sorted({tuple(str(record.get(name) or "") for name in columns_of) for record in records})
    if len(variants) == 1:
        return
    columns = {name: sorted({variant[i] for variant in variants}) for i, name in enumerate(columns_of)}
    differ = {name: values for name, values in columns.items() if len(values) > 1}
    if len(variants) <= LISTED:
        shown = [
            " ".join(f"--where {name}={variant[columns_of.index(name)]}" for name in differ)
            for variant in variants
        ]
    else:
        shown = [f"{name}: {_few(values)}" for name, values in differ.items()]
    rule = f"holds {len(variants)} replicas, which differ in {', '.join(differ)}"
    hint = "choose one with --where COLUMN=VALUE, as often as needed"
    raise InputError(Issue((), rule, None, hint, str(path), detail="\n".join(shown)))


def _few(values: Sequence[str]) -> str:
    more = f", … {len(values) - LISTED} more" if len(values) > LISTED else ""
    return ", ".join(value or '""' for value in values[:LISTED]) + more


def _run(record: RawRecord) -> Run:
    latency = measured(
        {"ttft_mean_ms": record.positive("silicon_ttft_ms"), "tpot_mean_ms": record.number("silicon_tpot_ms")}
    )
    completion = record.number("osl") or 0.0
    concurrency = record.number("concurrency")
    request_ms = request_time_ms(latency, completion)
    gpus, contradiction = _gpus(record)
    unusable = contradiction
    if concurrency is None or concurrency <= 0:
        unusable = "it states no concurrency"
    elif request_ms is None:
        unusable = "it states no time per token"
    rate = concurrency / (request_ms / 1000.0) if concurrency and request_ms else 0.0
    return Run(
        file=record.file,
        line=record.line,
        prompt_tokens=record.positive("isl"),
        completion_tokens=completion,
        requests_per_s=rate,
        concurrency=concurrency,
        setting=(concurrency,),
        latency=latency,
        gpus=gpus,
        model=record.text("model_path"),
        drawn=False,
        unusable=unusable,
    )


def _estimate(record: RawRecord) -> Run:
    completion, ttft = record.positive("osl"), record.positive("ttft")
    tpot, request_ms = record.number("tpot") or 0.0, record.number("request_latency")
    inclusive = request_ms is not None and abs(tpot * completion - request_ms) < abs(
        ttft + tpot * (completion - 1) - request_ms
    )
    if inclusive and completion > 1:
        tpot = (tpot * completion - ttft) / (completion - 1)
    rate = record.number("seq/s") or 0.0
    return Run(
        file=record.file,
        line=record.line,
        prompt_tokens=record.positive("isl"),
        completion_tokens=completion,
        requests_per_s=rate,
        concurrency=record.number("concurrency"),
        setting=(record.number("concurrency"),),
        latency=measured({"ttft_mean_ms": ttft, "tpot_mean_ms": tpot}),
        gpus=int(record.positive("num_total_gpus")),
        model=record.text("model"),
        error=ERROR,
        drawn=False,
        remarks=("estimated, not measured",),
    )


def _gpus(record: RawRecord) -> tuple[int, str | None]:
    """tp · pp · dp; an empty or zero size is 1. The experts' parallelism must spread over the same GPUs."""
    tp, pp, dp, moe_tp, moe_ep = (int(max(record.number(name) or 1.0, 1.0)) for name in REPLICA[5:])
    if moe_tp * moe_ep not in (1, tp * dp):
        why = f"its experts take {moe_tp * moe_ep} GPUs (moe_tp · moe_ep), its attention {tp * dp} (tp · dp)"
        return tp * pp * dp, why
    return tp * pp * dp, None
