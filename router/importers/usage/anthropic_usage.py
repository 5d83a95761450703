"""Anthropic's usage: pages of the report, `GET /v1/organizations/usage_report/messages`, or the Console's CSV.

    data[].{starting_at, ending_at}, has_more, next_page
    data[].results[].{uncached_input_tokens, cache_read_input_tokens, output_tokens, model, service_tier, …}
    data[].results[].cache_creation.{ephemeral_5m_input_tokens, ephemeral_1h_input_tokens}
    CSV, a row a day: usage_date_utc, model_version, usage_input_tokens_{no_cache, cache_read, cache_write_5m, …_1h}, …

    prompt = uncached + written to a cache + read from one

Requests are not counted. https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-messages-usage-report
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.importers.account import WRITTEN, Account
from router.importers.records import RawRecord, count, moment, needed
from router.importers.usage.pages import buckets
from router.importers.usage.reading import Row, UsageRecords, check_spans, leave_out, with_repeats

NAME = "anthropic"
TITLE = "Anthropic usage report"

DAY_S = 86400.0
LABELS = {
    "workspace": ("workspace_id", "workspace"),
    "key": ("api_key_id", "api_key"),
    "service_tier": ("service_tier", "usage_type"),
    "context": ("context_window",),
    "region": ("inference_geo",),
}
MODEL = ("model", "model_version")
PAGE = {"uncached": "uncached_input_tokens", "read": "cache_read_input_tokens", "output": "output_tokens"}
TABLE = {
    "uncached": "usage_input_tokens_no_cache",
    "read": "usage_input_tokens_cache_read",
    "output": "usage_output_tokens",
}
CACHE_WRITES = (
    ("cache_creation", "ephemeral_5m_input_tokens"),
    ("cache_creation", "ephemeral_1h_input_tokens"),
    ("usage_input_tokens_cache_write_5m",),
    ("usage_input_tokens_cache_write_1h",),
    ("usage_input_tokens_cache_write",),
)
SEARCHES = (("server_tool_use", "web_search_requests"), ("web_search_count",))


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    data = record.get("data")
    if TABLE["uncached"] in record.values:
        return True
    return isinstance(data, list) and any(isinstance(one, dict) and "starting_at" in one for one in data)


def read(records: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all pages or tables. Raises InputError, MissingUsage where a page is missing."""
    account, rows = Account(), list[Row]()
    spans: dict[tuple[float, float], RawRecord] = {}
    table = [record for record in records if TABLE["uncached"] in record.values]
    pages = [record for record in records if TABLE["uncached"] not in record.values]
    for bucket in buckets(pages, "starting_at", "ending_at"):
        spans.setdefault((bucket.start, bucket.end), records[0])
        for result in bucket.results:
            _take(account, rows, result, (bucket.start, bucket.end), bucket.repeated)
    numbers = {*TABLE.values(), *(path[-1] for path in (*CACHE_WRITES, *SEARCHES))}
    repeats = with_repeats(
        table,
        key=lambda record: tuple(str(value) for name, value in record.values.items() if name not in numbers),
        amounts=lambda record: tuple(record.number(name) for name in sorted(numbers)),
        same="day, model and key",
    )
    for record, repeated in repeats:
        day = moment(record, "usage_date_utc")
        spans.setdefault((day, day + DAY_S), record)
        _take(account, rows, record, (day, day + DAY_S), repeated)
    return UsageRecords(rows, check_spans(spans), account)


def _take(
    account: Account, rows: list[Row], result: RawRecord, span: tuple[float, float], repeated: bool
) -> None:
    if "amount" in result.values and PAGE["uncached"] not in result.values:
        rule = "is of the cost report, which counts no tokens: fetch usage_report/messages"
        raise result.error(("amount",), rule, result.get("amount"))
    names = TABLE if TABLE["uncached"] in result.values else PAGE
    cached, written = count(result, names["read"]), sum(count(result, *path) for path in CACHE_WRITES)
    labels = {
        name: next((text for column in columns if (text := result.text(column))), "none")
        for name, columns in LABELS.items()
    }
    labels["model"] = next((text for column in MODEL if (text := result.text(column))), "unknown")
    row = Row(
        start=span[0],
        end=span[1],
        requests=0.0,
        prompt_tokens=needed(result, names["uncached"]) + written + cached,
        cached_tokens=cached,
        written_tokens=written,
        completion_tokens=needed(result, names["output"]),
        labels=labels,
        place=result.where,
    )
    if repeated:
        leave_out(account, row, "counted already")
        return
    rows.append(row)
    if hour := sum(count(result, *path) for path in CACHE_WRITES if "1h" in path[-1]):
        why = "tokens written to a cache for an hour, which costs more than for five minutes: at one price of writes"
        account.remark("note", why, row.place, {WRITTEN: hour})
    if searches := sum(count(result, *path) for path in SEARCHES):
        why = "web searches are billed beside tokens, which a plan does not price yet"
        account.remark("note", why, row.place, {"web searches": searches})
