"""LiteLLM_DailyUserSpend and its siblings by team, tag and end user: one row a day, key and model.

Days are UTC. `successful_requests` counts where it is filled, else `api_requests`; prompt tokens include cached ones,
but for `litellm_caching`. A day that has a row of anyone is covered. The tables of users, teams and tags count the same
requests, each in its own way: one of them is read at a time; that of tags has a row for each tag of a request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from router.errors import InputError
from router.importers.account import Account
from router.importers.records import RawRecord, count, moment, needed
from router.importers.usage.litellm_caching import PromptCaching
from router.importers.usage.reading import Row, UsageRecords, leave_out, with_repeats

NAME = "litellm-daily"
TITLE = "LiteLLM daily spend"

DAY_S = 86400.0
OWNERS = {
    "team": "team_id",
    "user": "user_id",
    "end_user": "end_user_id",
    "organization": "organization_id",
    "agent": "agent_id",
    "tag": "tag",
}
LABELS = OWNERS | {"model_group": "model_group", "provider": "custom_llm_provider", "key": "api_key"}
KEY = ("date", "model", "mcp_namespaced_tool_name", "endpoint", *LABELS.values())
COUNTS = (
    *("prompt_tokens", "completion_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    *("api_requests", "successful_requests", "failed_requests", "spend"),
)


def recognises(record: RawRecord) -> bool:
    """Whether a record is one of these."""
    return {"date", "prompt_tokens", "api_requests"} <= set(record.values)


def read(records: Sequence[RawRecord], settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The rows of all files; a row that stands in two of them counts once. Raises InputError."""
    account, rows = Account(), []
    caching = PromptCaching(account)
    unique = with_repeats(
        records,
        key=lambda record: record.text("id") or tuple(str(record.get(name)) for name in KEY),
        amounts=lambda record: tuple(record.number(name) for name in COUNTS),
        same="day, key and model",
        unique=lambda record: True,
    )
    for record, repeated in unique:
        its = PromptCaching(Account()) if repeated else caching
        row, failed = daily_row(record, record.text("model_group") or record.text("model"), its)
        if repeated:
            leave_out(account, row, "counted already")
            continue
        rows.append(row)
        leave_failed(account, row, failed)
    caching.finish()
    tagged = {row.labels["tag"] for row in rows} - {"none"}
    repeating = "tag" if len(tagged) > 1 else None
    _one_table(records)
    return UsageRecords(rows, days(rows), account, repeating=repeating)


def daily_row(record: RawRecord, model: str | None, caching: PromptCaching) -> tuple[Row, float]:
    """A row of a day, and how many requests failed beside those that it counts. Raises InputError."""
    start = moment(record, "date")
    done, failed = count(record, "successful_requests"), count(record, "failed_requests")
    requests = needed(record, "api_requests") if record.get("successful_requests") in (None, "") else 0.0
    requests = requests or count(record, "api_requests") or done + failed
    if done + failed > requests:
        rule = f"cannot be: {done:,.0f} succeeded and {failed:,.0f} failed"
        raise record.error(("api_requests",), rule, requests)
    if not done and (not failed or record.get("successful_requests") in (None, "")):
        done = requests - failed  # older versions count all together
        if done:
            why = "successful requests are not counted apart: all that did not fail are taken"
            caching.account.remark("note", why, record.where, {"rows": 1, "requests": done})
    prompt, read = needed(record, "prompt_tokens"), count(record, "cache_read_input_tokens")
    written = count(record, "cache_creation_input_tokens")
    labels = {name: record.text(column) or "none" for name, column in LABELS.items()}
    labels["model"] = model or "unknown"
    whole = caching.prompt(labels["model"], record.where, prompt, read, written)
    row = Row(
        start=start,
        end=start + DAY_S,
        requests=done,
        prompt_tokens=whole,
        cached_tokens=read,
        written_tokens=min(written, max(whole - read, 0.0)),
        completion_tokens=needed(record, "completion_tokens"),
        labels=labels,
        money=record.number("spend") or 0.0,
        place=record.where,
    )
    return row, requests - done


def leave_failed(account: Account, row: Row, failed: float) -> None:
    """Requests of a day that failed: their tokens cannot be told from those of the others, and stay."""
    if failed:
        account.reads({"requests": failed})
        account.remark("left out", "failed", row.place, {"requests": failed})


def days(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """What rows of days cover."""
    return sorted({(row.start, row.end) for row in rows})


def _one_table(records: Sequence[RawRecord]) -> None:
    """Raises InputError where tables of two kinds of owners, which count the same requests, come together."""
    first: tuple[set[str], RawRecord] | None = None
    for record in records:
        owners = {name for name, column in OWNERS.items() if column in record.values}
        if first is None:
            first = owners, record
        elif not owners & first[0] and owners and first[0]:
            rule = f"counts by {'/'.join(sorted(owners))} what {first[1].where} counts by {'/'.join(sorted(first[0]))}"
            raise InputError(record.error((), rule, hint="give one of the tables alone").issues)
