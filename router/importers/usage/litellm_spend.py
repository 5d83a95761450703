"""LiteLLM_SpendLogs: one row a request, as CSV, JSON or JSON lines; and pages of the proxy's `/spend/logs/v2`.

startTime, endTime                      UTC where they have no offset
completionStartTime                     first token; equal to endTime where the answer was not streamed
prompt_tokens, completion_tokens        prompt includes cached, of all providers; `litellm_caching` has the exception
metadata.{usage_object, additional_usage_values}: prompt_tokens_details.cached_tokens, cache_read_input_tokens,
                                        cache_creation_input_tokens, completion_tokens_details.reasoning_tokens
status, metadata.status ("failure"), cache_hit ("True")    never reached a provider, or not in a way that is billed
model_group, model, custom_llm_provider, team_id, organization_id, user, end_user, api_key, request_tags, spend
data[], page, total_pages               of `/spend/logs/v2`: every page must be given
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from router.importers.account import COMPLETION, Account
from router.importers.records import RawRecord, count, inner, moment, needed
from router.importers.usage.litellm_caching import PromptCaching
from router.importers.usage.pages import check_numbered
from router.importers.usage.reading import Row, UsageRecords, leave_out, with_repeats

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
SAME = ("model", "prompt_tokens", "completion_tokens", "startTime")


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    data = record.get("data")
    if isinstance(data, list) and "total_pages" in record.values:
        return all(isinstance(one, dict) and "startTime" in one for one in data)
    return "startTime" in record.values and "completion_tokens" in record.values


def read(records: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all files; a request that stands in two of them counts once. Raises InputError."""
    account, rows = Account(), []
    caching = PromptCaching(account)
    check_numbered([(record, record.values) for record in records if "total_pages" in record.values])
    unique = with_repeats(
        [one for record in records for one in _unpacked(record)],
        key=lambda record: record.text("request_id") or json.dumps(record.values, sort_keys=True),
        amounts=lambda record: tuple(str(record.get(name)) for name in SAME),
        same="request_id",
        unique=lambda record: record.text("request_id") is not None,
    )
    for record, repeated in unique:
        metadata = _metadata(record)
        why = "counted already" if repeated else _unserved(record, metadata)
        row = _row(record, metadata, account, None if why else caching)
        if why:
            leave_out(account, row, why)
        else:
            rows.append(row)
    caching.finish()
    return UsageRecords(rows, None, account)


def _unpacked(record: RawRecord) -> list[RawRecord]:
    data = record.get("data")
    if not isinstance(data, list):
        return [record]
    return [inner(record, one, str(index + 1)) for index, one in enumerate(data)]


def _unserved(record: RawRecord, metadata: RawRecord) -> str | None:
    """Why no provider served it, where none did."""
    status = record.text("status") or metadata.text("status") or ""
    if status.lower() in ("failure", "failed", "error"):
        return "failed"
    return "answered from the proxy's cache" if str(record.get("cache_hit")).lower() == "true" else None


def _row(record: RawRecord, metadata: RawRecord, account: Account, caching: PromptCaching | None) -> Row:
    """`caching` is None for what is left out, whose tokens may be missing."""
    start = moment(record, "startTime")
    labels = {name: record.text(column) or "none" for name, column in LABELS.items()}
    labels["model"] = record.text("model_group") or record.text("model") or "unknown"
    labels["tag"] = "+".join(sorted(_tags(record.get("request_tags")))) or "none"
    tokens = needed if caching else count
    prompt, completion = tokens(record, "prompt_tokens"), tokens(record, "completion_tokens")
    read = _detail(metadata, ("prompt_tokens_details", "cached_tokens"), ("cache_read_input_tokens",))
    written = _detail(
        metadata, ("cache_creation_input_tokens",), ("prompt_tokens_details", "cache_creation_tokens")
    )
    if caching:
        kind = f"{labels['model']} {record.text('call_type') or ''}".strip()
        beyond = count(record, "total_tokens") - prompt - completion
        counted = caching.prompt(kind, record.where, prompt, read, written, beyond)
        beyond -= counted - prompt
        whole = _with_reasoning(metadata, account, completion, beyond)
        beyond -= whole - completion
        prompt, completion = counted, whole
        if beyond > 0:
            why = "tokens of a total that are neither of prompt nor of completion"
            account.remark("note", why, record.where, {"rows": 1, "tokens": beyond})
        if not prompt + completion:
            account.remark("note", "served without any token counted", record.where, {"rows": 1})
    return Row(
        start=start,
        end=start,
        requests=1.0,
        prompt_tokens=prompt,
        cached_tokens=min(read, prompt),
        written_tokens=min(written, prompt - min(read, prompt)),
        completion_tokens=completion,
        labels=labels,
        ttft_ms=_ttft_ms(record, start),
        money=record.number("spend") or 0.0,
        place=record.where,
    )


def _with_reasoning(metadata: RawRecord, account: Account, completion: float, beyond: float) -> float:
    """Reasoning is part of the completion; a row where it is more, or stands beside it in the total, leaves it out."""
    reasoning = _detail(metadata, ("completion_tokens_details", "reasoning_tokens"))
    if reasoning <= completion and not 0 < beyond == reasoning:
        return completion
    why = "reasoning tokens added to the completion, which leaves them out: it is less, or the total has both"
    account.remark("note", why, metadata.where, {"rows": 1, COMPLETION: reasoning})
    return completion + reasoning


def _ttft_ms(record: RawRecord, start: float) -> float | None:
    """Time to first token; an answer that was not streamed has none of its own."""
    if not record.get("completionStartTime"):
        return None
    first = moment(record, "completionStartTime")
    if record.get("endTime") and first >= moment(record, "endTime"):
        return None
    return (first - start) * 1000 if first > start else None


def _metadata(record: RawRecord) -> RawRecord:
    """Metadata is JSON, in a table as text."""
    metadata = _parsed(record.get("metadata"))
    return RawRecord(metadata if isinstance(metadata, dict) else {}, record.file, record.line)


def _detail(metadata: RawRecord, *paths: tuple[str, ...]) -> float:
    """The first of the paths that has a count above 0, in either part of the metadata."""
    parts = [name for name in ("usage_object", "additional_usage_values") if metadata.get(name)]
    return next((n for part in parts for path in paths if (n := count(metadata, part, *path))), 0.0)


def _tags(value: object) -> list[str]:
    tags = _parsed(value)
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _parsed(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except (json.JSONDecodeError, RecursionError):
        return None
