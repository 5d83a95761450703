"""LiteLLM_DailyUserSpend and its siblings by team, tag and end user: one row a day, key and model.

Days are UTC. `successful_requests` counts where it is there, else `api_requests`; prompt tokens include cached ones.
A day that has a row of anyone is covered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.importers.records import RawRecord, moment, needed
from router.importers.usage.reading import Row, UsageRecords, plural

NAME = "litellm-daily"
TITLE = "LiteLLM daily spend"

DAY_S = 86400.0
LABELS = {
    "model_group": "model_group",
    "provider": "custom_llm_provider",
    "team": "team_id",
    "user": "user_id",
    "end_user": "end_user_id",
    "key": "api_key",
    "tag": "tag",
}


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return {"date", "prompt_tokens", "api_requests"} <= set(record.values)


def read(found: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all files; a row that stands in two of them counts once. Raises InputError."""
    rows, seen, twice, failed = [], set(), 0, 0.0
    for record in found:
        key = record.text("id") or tuple(sorted((name, str(value)) for name, value in record.values.items()))
        if key in seen:
            twice += 1
            continue
        seen.add(key)
        failed += record.number("failed_requests") or 0.0
        rows.append(_row(record))
    remarks = [f"{plural(twice, 'repeated row')} left out"] if twice else []
    if failed:
        remarks.append(f"{plural(int(failed), 'failed request')} left out")
    days = sorted({row.start for row in rows})
    return UsageRecords(rows, [(day, day + DAY_S) for day in days], remarks)


def _row(record: RawRecord) -> Row:
    start = moment(record, "date")
    done = record.number("successful_requests")
    labels = {name: record.text(column) or "none" for name, column in LABELS.items()}
    labels["model"] = record.text("model_group") or record.text("model") or "unknown"
    return Row(
        start=start,
        end=start + DAY_S,
        requests=done if done is not None else needed(record, "api_requests"),
        prompt_tokens=needed(record, "prompt_tokens"),
        cached_tokens=record.number("cache_read_input_tokens") or 0.0,
        completion_tokens=needed(record, "completion_tokens"),
        labels=labels,
    )
