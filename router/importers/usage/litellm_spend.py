"""LiteLLM_SpendLogs: one row a request, as CSV, JSON, or JSON lines.

startTime, endTime                      UTC where they have no offset
completionStartTime                     first token; equal to endTime where the answer was not streamed
prompt_tokens, completion_tokens        prompt includes cached, of all providers
metadata.usage_object.prompt_tokens_details.cached_tokens, or metadata.additional_usage_values.cache_read_input_tokens
status ("failure"), cache_hit ("True")  never reached a provider, or not in a way that is billed
model_group, model, custom_llm_provider, team_id, organization_id, user, end_user, api_key, request_tags
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from router.importers.records import RawRecord, moment, needed
from router.importers.usage.reading import Row, UsageRecords, plural

NAME = "litellm-spend"
TITLE = "LiteLLM spend logs"

LABELS = {
    "model_group": "model_group",
    "provider": "custom_llm_provider",
    "team": "team_id",
    "organization": "organization_id",
    "user": "user",
    "end_user": "end_user",
    "key": "api_key",
}


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return "startTime" in record.values and "completion_tokens" in record.values


def read(found: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all files; a request that stands in two of them counts once. Raises InputError."""
    rows, seen = [], set()
    failed = cached = twice = 0
    for record in found:
        key = record.text("request_id")
        if key is not None and key in seen:
            twice += 1
            continue
        seen.add(key)
        if (record.text("status") or "").lower() in ("failure", "failed", "error"):
            failed += 1
        elif str(record.get("cache_hit")).lower() == "true":
            cached += 1
        else:
            rows.append(_row(record))
    counts = ((failed, "failed request"), (cached, "answer from the proxy's cache"), (twice, "repeated row"))
    remarks = [f"{plural(count, word)} left out" for count, word in counts if count]
    return UsageRecords(rows, None, [remark.replace("caches left", "cache left") for remark in remarks])


def _row(record: RawRecord) -> Row:
    start = moment(record, "startTime")
    labels = {name: record.text(column) or "none" for name, column in LABELS.items()}
    labels["model"] = record.text("model_group") or record.text("model") or "unknown"
    labels["tag"] = "+".join(sorted(_tags(record.get("request_tags")))) or "none"
    return Row(
        start=start,
        end=start,
        requests=1.0,
        prompt_tokens=needed(record, "prompt_tokens"),
        cached_tokens=_cached(record),
        completion_tokens=needed(record, "completion_tokens"),
        labels=labels,
        ttft_ms=_ttft_ms(record, start),
    )


def _ttft_ms(record: RawRecord, start: float) -> float | None:
    """Time to first token; an answer that was not streamed has none of its own."""
    if not record.get("completionStartTime"):
        return None
    first = moment(record, "completionStartTime")
    if record.get("endTime") and first >= moment(record, "endTime"):
        return None
    return (first - start) * 1000 if first > start else None


def _cached(record: RawRecord) -> float:
    """Metadata is JSON, in a table as text."""
    metadata = _parsed(record.get("metadata"))
    inner = RawRecord(metadata, record.file, record.line) if isinstance(metadata, dict) else None
    if inner is None:
        return 0.0
    for path in (
        ("usage_object", "prompt_tokens_details", "cached_tokens"),
        ("additional_usage_values", "prompt_tokens_details", "cached_tokens"),
        ("additional_usage_values", "cache_read_input_tokens"),
    ):
        value = inner.number(*path)
        if value:
            return value
    return 0.0


def _tags(value: object) -> list[str]:
    found = _parsed(value)
    return [str(one) for one in found] if isinstance(found, list) else []


def _parsed(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except (json.JSONDecodeError, RecursionError):
        return None
