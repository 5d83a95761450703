"""OpenAI's usage: pages of the API, `GET /v1/organization/usage/completions?group_by=model`, or the dashboard's CSV.

    data[].{start_time, end_time}                       seconds since 1970
    data[].results[].{input_tokens (cached included), input_cached_tokens, output_tokens, num_model_requests}
    data[].results[].{model, project_id, user_id, api_key_id, batch, service_tier}    null where not grouped by
    has_more, next_page                                 a page that says more and is the last one given is an error

The CSV (completions_usage_DATE_DATE.csv) has the same fields, a result a row. A bucket without results is a time
without use: covered, and 0. Pages of embeddings are read, as requests without completion; those of costs have
no tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.errors import InputError
from router.importers.account import Account
from router.importers.records import RawRecord, count, moment, needed
from router.importers.usage.pages import buckets
from router.importers.usage.reading import (
    Row,
    UsageRecords,
    check_spans,
    leave_out,
    part_of,
    with_repeats,
)

NAME = "openai"
TITLE = "OpenAI usage"

LABELS = {"project": "project_id", "user": "user_id", "key": "api_key_id", "service_tier": "service_tier"}
KEY = ("start_time", "end_time", "model", "batch", *LABELS.values())
COUNTS = ("num_model_requests", "input_tokens", "input_cached_tokens", "output_tokens")
OTHER = ("costs", "images", "audio", "moderations", "vector_stores", "code_interpreter")


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    if {"start_time", "num_model_requests"} <= set(record.values) or record.get("object") == "page":
        return True
    data = record.get("data")
    return (
        isinstance(data, list)
        and bool(data)
        and all(isinstance(one, dict) and {"results", "start_time"} <= set(one) for one in data)
    )


def read(records: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all pages or tables. Raises InputError, MissingUsage where a page is missing."""
    account, rows = Account(), list[Row]()
    spans: dict[tuple[float, float], RawRecord] = {}
    table = [record for record in records if "num_model_requests" in record.values]
    pages = [record for record in records if "num_model_requests" not in record.values]
    for bucket in buckets(pages, "start_time", "end_time"):
        spans.setdefault((bucket.start, bucket.end), records[0])
        for result in bucket.results:
            _take(account, rows, _row(result, bucket.start, bucket.end), bucket.repeated)
    repeats = with_repeats(
        table,
        key=lambda record: tuple(str(record.get(name)) for name in KEY),
        amounts=lambda record: tuple(record.number(name) for name in COUNTS),
        same="time, model and project",
    )
    for record, repeated in repeats:
        span = moment(record, "start_time"), moment(record, "end_time")
        if span[1] <= span[0]:
            raise record.error(("end_time",), "must be after start_time", record.get("end_time"))
        spans.setdefault(span, record)
        if any(record.get(name) not in (None, "") for name in COUNTS):  # an empty row is a time without use
            _take(account, rows, _row(record, *span), repeated)
    return UsageRecords(rows, check_spans(spans), account)


def _take(account: Account, rows: list[Row], row: Row, repeated: bool) -> None:
    if repeated:
        leave_out(account, row, "counted already")
    else:
        rows.append(row)


def _row(result: RawRecord, start: float, end: float) -> Row:
    kind = str(result.get("object") or "").removeprefix("organization.").removeprefix("usage.")
    if kind.startswith(OTHER):
        rule = "counts no tokens of a model: pages of usage/completions and usage/embeddings are read"
        raise InputError(result.error(("object",), rule, result.get("object")).issues)
    labels = {name: result.text(column) or "none" for name, column in LABELS.items()}
    labels["model"] = result.text("model") or "unknown"
    labels["batch"] = "batch" if str(result.get("batch")).lower() == "true" else "online"
    answers = count if kind.startswith("embeddings") else needed
    return Row(
        start=start,
        end=end,
        requests=needed(result, "num_model_requests"),
        prompt_tokens=needed(result, "input_tokens"),
        cached_tokens=part_of(result, "input_cached_tokens", "input_tokens"),
        completion_tokens=answers(result, "output_tokens"),
        labels=labels,
        place=result.where,
    )
