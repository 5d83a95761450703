"""Recorded usage becomes workloads whose totals are the record's; what is missing is named."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from router import cli
from router.commands.imports import usage as command
from router.errors import InputError
from router.importers import usage as formats
from router.importers.usage import Cut, Draft, MissingUsage, StaleUsage, cut, draft, read_usage
from router.importers.usage.focus_meters import multiplier
from router.importers.usage.reading import Row, UsageRecords
from router.loading.catalogue import load_text
from router.schema import Problem, Workload

DATA = Path(__file__).parent / "data" / "usage"
MIDNIGHT = 1795132800.0  # 2026-11-20 00:00 UTC
HOUR = 3600.0


def drafted(files: Sequence[str], settings: dict[str, Sequence[str]] | None = None, **how: object) -> Draft:
    reading = read_usage([DATA / name for name in files], settings=settings)
    return draft(cut(reading, dataclasses.replace(Cut(), **how)))  # type: ignore[arg-type]


def problem(files: Sequence[str], settings: dict[str, Sequence[str]] | None = None, **how: object) -> Problem:
    return load_text(drafted(files, settings, **how).text)


#: A record of each format, under the format's name.
RECORDS = {
    "litellm-spend": ["spend_logs.csv"],
    "litellm-daily": ["daily_user_spend.json"],
    "litellm-activity": ["litellm_daily_activity.json"],
    "anthropic": ["anthropic_report.json"],
    "openai": ["openai_page_1.json", "openai_page_2.json"],
    "focus": ["focus.csv"],
    "prometheus": ["vllm_requests.json", "vllm_tokens.json"],
}


def test_every_format_recognises_its_own_record() -> None:
    assert set(RECORDS) == {module.NAME for module in formats.MODULES}
    for module in formats.MODULES:
        reading = read_usage([DATA / name for name in RECORDS[module.NAME]])
        assert reading.source.startswith(f"{module.TITLE}: ")
        assert reading.rows


def test_every_module_that_reads_a_format_is_in_the_list() -> None:
    folder = Path(str(formats.__file__)).parent
    readers = {
        path.stem for path in folder.glob("*.py") if "\ndef recognises(" in path.read_text(encoding="utf-8")
    }
    assert readers == {module.__name__.rpartition(".")[2] for module in formats.MODULES}


def test_the_command_offers_every_format() -> None:
    assert set(command.FORMATS) == set(formats.FORMATS)


def workload(found: Problem, name: str) -> Workload:
    return next(one for one in found.workloads if one.name == name)


# LiteLLM


@pytest.mark.parametrize("file", ["spend_logs.csv", "spend_logs.jsonl"])
def test_spend_logs_count_requests_by_hour_and_leave_out_what_no_provider_served(file: str) -> None:
    """chat-large: 1,000 + 100 at 00:05, 3,000 + 300 at 00:59:59.999, 2,000 + 200 at 01:10; a failure, a cache hit and a
    repeated row do not count. Prompt 6,000 / 3, 400 of them cached. Two streamed: 200 ms and 400 ms to the first token.
    """
    made = drafted([file])
    found = load_text(made.text)
    assert str(found.horizon.start) == "2026-11-20 00:00:00"
    assert found.horizon.periods == 3
    chat = workload(found, "chat-large")
    assert chat.demand.requests_by_period == (2, 1, 0)
    assert (chat.prompt_tokens, chat.completion_tokens) == (2000, 200)
    assert chat.cached_prompt_share == approx(400 / 6000)
    assert chat.note is not None
    assert "p50 200 ms, p90 400 ms" in chat.note
    assert "2 streamed" in chat.note
    assert workload(found, "embed-small").demand.requests_by_period == (0, 0, 1)
    for words in (
        "failed: 1 row, 1 request",
        "answered from the proxy's cache: 1 row",
        "counted already: 1 row",
    ):
        assert any(words in line for line in made.account.lines())


def test_spend_logs_by_team_and_where() -> None:
    found = problem(["spend_logs.csv"], by=("team",), where=(("model_group", "chat-large"),))
    assert {one.name: one.demand.requests_by_period for one in found.workloads} == {
        "chat-large/search": (1, 1, 0),
        "chat-large/support": (1, 0, 0),
    }
    tagged = problem(["spend_logs.csv"], by=("tag",))
    assert "chat-large/beta+web" in {one.name for one in tagged.workloads}
    with pytest.raises(InputError, match="not a label") as caught:
        problem(["spend_logs.csv"], by=("squad",))
    assert "team" in str(caught.value)


def test_daily_spend_is_by_day_and_says_so() -> None:
    """18 Nov: 100 of 101 succeeded; 350,000 prompt tokens over 350 requests, 60,000 of them cached."""
    found = problem(["daily_user_spend.json"], period_h=24.0)
    (chat,) = found.workloads
    assert chat.demand.requests_by_period == (100, 200, 50)
    assert (chat.prompt_tokens, chat.completion_tokens) == (1000, 100)
    assert chat.cached_prompt_share == approx(60 / 350)
    with pytest.raises(InputError, match="cannot tell the hours"):
        problem(["daily_user_spend.json"])
    spread = problem(["daily_user_spend.json"], spread=True)
    assert spread.horizon.periods == 72
    assert sum(workload(spread, "chat-large").demand.requests_by_period or ()) == approx(350)


# OpenAI


def test_openai_pages_include_cached_tokens_in_the_prompt_and_know_hours_without_use() -> None:
    found = problem(["openai_page_1.json", "openai_page_2.json"])
    large = workload(found, "gpt-4.1-2025-04-14")
    assert large.demand.requests_by_period == (5, 0, 15)
    assert large.prompt_tokens == 200  # 4,000 / 20, and not 5,000 / 20
    assert large.cached_prompt_share == approx(0.25)
    by_batch = problem(["openai_page_1.json", "openai_page_2.json"], by=("batch",))
    assert workload(by_batch, "gpt-4.1-2025-04-14/batch").demand.requests_by_period == (0, 0, 15)


def test_a_page_that_was_not_fetched_is_missed() -> None:
    with pytest.raises(MissingUsage, match="page=page_AAAA"):
        problem(["openai_page_1.json"])


def test_a_page_given_twice_counts_once() -> None:
    made = drafted(["openai_page_1.json", "openai_page_1.json", "openai_page_2.json"])
    once = drafted(["openai_page_1.json", "openai_page_2.json"])
    assert load_text(made.text).workloads[0].demand == load_text(once.text).workloads[0].demand
    assert any("counted already" in line for line in made.account.lines())


# FOCUS


def test_focus_units_carry_their_multiplier() -> None:
    cases = {"Tokens": 1, "1000 Tokens": 1e3, "1K tokens": 1e3, "1M Tokens": 1e6, "Million Tokens": 1e6}
    assert {unit: multiplier(unit) for unit in cases} == cases
    assert multiplier("1,000,000 Tokens") == 1e6
    for other in ("Hours", "", None, "Requests", "Token Hours"):
        assert multiplier(other) is None


def test_focus_counts_tokens_by_meter_and_has_no_requests() -> None:
    """18 Nov: 1.5 M input + 0.5 M cached, 0.25 M output. 19 Nov: 2 M − 0.1 M corrected, 0.4 M output.
    3.9 M prompt and 0.65 M completion; cached are 0.5 of the 3.9."""
    made = drafted(["focus.csv"], period_h=24.0)
    (one,) = load_text(made.text).workloads
    assert one.demand.tokens_total == 4.55e6
    assert one.demand.completion_share == approx(0.65 / 4.55)
    assert one.cached_prompt_share == approx(0.5 / 3.9)
    assert any("requests were not counted" in line for line in made.account.lines())
    assert any("unused commitment" in line for line in made.account.lines())
    usage = cut(read_usage([DATA / "focus.csv"]), Cut(period_h=24.0))
    (sized,) = load_text(draft(usage, request_tokens=1000).text).workloads
    assert sized.demand.requests_by_period == (2250, 2300)
    assert sized.prompt_tokens == approx(1000 * 3.9 / 4.55)


def test_a_focus_meter_that_is_not_known_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    text = (DATA / "focus.csv").read_text().replace("OutputTokenCount", "Tok-Out")
    path.write_text(text)
    with pytest.raises(InputError, match="tokens of which kind") as caught:
        read_usage([path])
    assert "Tok-Out" in str(caught.value)
    reading = read_usage([path], settings={"meter": ["completion=tok-out"]})
    assert sum(row.completion_tokens for row in reading.rows) == 650_000


# Prometheus


def test_prometheus_counters_become_use_and_a_restart_is_bridged() -> None:
    """First hour: a 30 + 3 (length), b 10 + 10 + 2 after its restart. Second hour: a 30, b 30.
    1,000 prompt and 200 completion tokens a request throughout. 39,000 cached of 115,000."""
    made = drafted(["vllm_requests.json", "vllm_tokens.json", "vllm_other.json"])
    (one,) = load_text(made.text).workloads
    assert one.name == "llama-70b"
    assert one.demand.requests_by_period == (55, 60)
    assert (one.prompt_tokens, one.completion_tokens) == (1000, 200)
    assert one.cached_prompt_share == approx(39 / 115)
    assert one.note == "observed time to first token of llama-70b: mean 200 ms of 60 requests"
    assert any("counter resets bridged: 3 resets" in line for line in made.account.lines())
    assert any("num_requests_running" in line for line in made.account.lines())


def test_opentelemetry_names() -> None:
    (one,) = problem(["otel.json"]).workloads
    assert one.name == "gpt-4.1"
    assert one.demand.requests_by_period == (6, 6)
    assert (one.prompt_tokens, one.completion_tokens) == (500, 75)


def test_prometheus_asks_for_raw_counters(tmp_path: Path) -> None:
    path = tmp_path / "rate.json"
    result = [{"metric": {"model_name": "m"}, "values": [[MIDNIGHT, "1"]]}]
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))
    with pytest.raises(InputError, match="raw counter"):
        read_usage([path])
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}}))
    with pytest.raises(InputError, match="query_range"):
        read_usage([path])
    path.write_text(json.dumps({"status": "error", "error": "timeout", "data": {}}))
    with pytest.raises(InputError, match="timeout"):
        read_usage([path])


def scrapes(tmp_path: Path, minutes: Sequence[float], name: str = "requests.json") -> Path:
    """One counter, one request a minute, scraped at these minutes."""
    values = [[MIDNIGHT + 60 * m, str(m)] for m in minutes]
    names = ("vllm:request_success_total", "vllm:prompt_tokens_total", "vllm:generation_tokens_total")
    result = [{"metric": {"__name__": one, "model_name": "m"}, "values": values} for one in names]
    path = tmp_path / name
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))
    return path


def test_a_hole_in_the_scrapes_is_a_gap_and_not_silence(tmp_path: Path) -> None:
    """Every minute, but nothing from 01:10 to 02:20 of four hours: hours 1 and 2 are not covered."""
    path = scrapes(tmp_path, [*range(71), *range(140, 241)])
    with pytest.raises(MissingUsage, match="01:00 – 2026-11-20 03:00"):
        cut(read_usage([path]), Cut())
    assert counts(path, gaps="zero") == approx((60, 0, 0, 60))
    assert counts(path, gaps="previous") == approx((60, 60, 60, 60))


def test_parts_at_the_ends_are_cut_off_or_scaled(tmp_path: Path) -> None:
    """00:30 to 03:58: hour 0 is half there and goes, hour 3 lacks 2 minutes and is scaled from 58 to 60."""
    assert counts(scrapes(tmp_path, range(30, 239))) == approx((60, 60, 60))


def test_kinds_of_counter_must_cover_the_same_time(tmp_path: Path) -> None:
    """Requests over 3 h, tokens over 2 h: the third hour is no hour of requests without tokens."""
    path = scrapes(tmp_path, range(181))
    value = json.loads(path.read_text())
    for series in value["data"]["result"][1:]:
        series["values"] = series["values"][:121]
    path.write_text(json.dumps(value))
    assert counts(path) == approx((60, 60))


def counts(path: Path, **how: object) -> tuple[float, ...]:
    usage = cut(read_usage([path]), dataclasses.replace(Cut(), **how))  # type: ignore[arg-type]
    (one,) = usage.work
    return one.requests


# time


def at(hours: float, requests: float = 1.0, length_h: float = 0.0) -> Row:
    start = MIDNIGHT + hours * HOUR
    return Row(start, start + length_h * HOUR, requests, 10 * requests, 0.0, requests, {"model": "m"})


def test_hours_without_any_request_are_named() -> None:
    reading = UsageRecords([at(0.5), at(1.5), at(4.5)], None)
    with pytest.raises(MissingUsage, match="02:00 – 2026-11-20 04:00"):
        cut(reading, Cut())
    (one,) = cut(reading, Cut(gaps="zero")).work
    assert one.requests == (1, 1, 0, 0, 1)


def test_a_stated_end_that_the_record_does_not_reach_is_a_gap() -> None:
    reading = UsageRecords([at(0.5), at(1.5)], None)
    with pytest.raises(MissingUsage):
        cut(reading, Cut(start=MIDNIGHT, end=MIDNIGHT + 4 * HOUR))


def test_as_before_needs_a_before() -> None:
    reading = UsageRecords([at(2.5), at(3.5)], None)
    stated = Cut(start=MIDNIGHT, end=MIDNIGHT + 4 * HOUR, gaps="previous")
    with pytest.raises(MissingUsage):
        cut(reading, stated)
    (one,) = cut(reading, dataclasses.replace(stated, gaps="zero")).work
    assert one.requests == (0, 0, 1, 1)


def test_a_column_that_is_missing_is_not_one_of_zeros(tmp_path: Path) -> None:
    path = tmp_path / "logs.csv"
    path.write_text("request_id,startTime,model,completion_tokens\n1,2026-11-20 00:00:00,m,5\n")
    with pytest.raises(InputError, match=r"logs.csv, line 2: prompt_tokens: is missing"):
        read_usage([path])


def test_an_hour_that_comes_twice_keeps_its_offset() -> None:
    """01:30 UTC on 25 October 2026 is the second 02:30 of that day in Berlin."""
    second = Row(1792891800.0, 1792891800.0, 1.0, 10.0, 0.0, 1.0, {"model": "m"})
    usage = cut(UsageRecords([second], None), Cut(timezone="Europe/Berlin", period_h=0.5))
    assert "2026-10-25T02:30:00+01:00" in draft(usage).text


def test_stale_records_are_an_error_by_name() -> None:
    reading = UsageRecords([at(0, length_h=1), at(1, length_h=1)], [(MIDNIGHT, MIDNIGHT + 2 * HOUR)])
    fresh = Cut(max_age_h=2.0, now=MIDNIGHT + 3.9 * HOUR)
    assert cut(reading, fresh).periods == 2
    with pytest.raises(StaleUsage, match=r"2\.5 h ago"):
        cut(reading, dataclasses.replace(fresh, now=MIDNIGHT + 4.5 * HOUR))


def test_periods_start_at_local_midnight() -> None:
    """20 Nov 00:00 UTC is 05:30 in Kolkata: periods of an hour start at half past the UTC hour."""
    usage = cut(UsageRecords([at(0.0)], None), Cut(timezone="Asia/Kolkata"))
    assert usage.start == MIDNIGHT - HOUR / 2
    assert "05:00:00" in draft(usage).text


@given(
    st.lists(st.tuples(st.floats(0, 47), st.floats(0.01, 1), st.integers(1, 1000)), min_size=1, max_size=20)
)
def test_cutting_loses_nothing(rows: list[tuple[float, float, int]]) -> None:
    """Sums by period are the sums of the rows, wherever the borders fall."""
    made = [at(hour, n, length) for hour, length, n in rows]
    span = [(MIDNIGHT, MIDNIGHT + 48 * HOUR)]
    (one,) = cut(UsageRecords(made, span), Cut()).work
    assert sum(one.requests) == approx(sum(n for _, _, n in rows))
    assert sum(one.prompt_tokens) == approx(10 * sum(n for _, _, n in rows))


# the command


def test_the_draft_plans_with_a_catalogue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(
        "models: {large: {context_tokens: 8192}}\n"
        "offers: [{name: api, models: {large: {prompt_usd_per_m: 1, completion_usd_per_m: 2}}}]\n"
    )
    out = tmp_path / "usage.yaml"
    command = ["import", "usage", str(DATA / "spend_logs.csv"), "--where", "model_group=chat-large"]
    options = ["--rename", "chat-large=large", "--include", "catalogue.yaml", "-o", str(out)]
    assert cli.run([*command, *options]) == 0
    assert "1 workloads over 3 periods" in capsys.readouterr().err
    assert cli.run(["solve", str(out), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["cost_usd"] == approx((6000 * 1 + 600 * 2) / 1e6)  # cached tokens at the prompt price


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--period", "soon"], "15m, 1h or 7d"),
        (["--timezone", "Mars"], "not a known time zone"),
        (["--rename", "nobody=me"], "not a model of the record"),
        (["--where", "team=nobody"], "matches no record"),
        (["--max-age", "1h"], "newest record"),
        (["--start", "yesterday"], "must be a time"),
        (["--format", "focus"], "ChargePeriodStart: is missing"),
    ],
)
def test_wrong_options_end_with_2(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.yaml"
    assert cli.run(["import", "usage", str(DATA / "spend_logs.csv"), *options, "-o", str(out)]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()


def test_errors_have_names_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MissingUsage):
        read_usage([DATA / "openai_page_1.json"])
    assert cli.run(["import", "usage", str(DATA / "openai_page_1.json")]) == 2
    empty = tmp_path / "empty.csv"
    empty.write_text("startTime,completion_tokens\n")
    with pytest.raises(MissingUsage, match="no record"):
        read_usage([empty])
    with pytest.raises(InputError, match="not a usage record"):
        read_usage([DATA.parent / "performance" / "vllm.json"])
    with pytest.raises(InputError, match="what came before"):
        read_usage([DATA / "spend_logs.csv", DATA / "focus.csv"])


def test_a_time_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "logs.csv"
    for text in ("0", "1e15", "soon", "nan"):
        path.write_text(f"request_id,startTime,model,prompt_tokens,completion_tokens\n1,{text},m,5,5\n")
        with pytest.raises(InputError, match=r"startTime: .*must be a time"):
            read_usage([path])
    far = [at(0), dataclasses.replace(at(0), start=7e9, end=7e9)]
    with pytest.raises(InputError, match="1,000,000 are most"):
        cut(UsageRecords(far, None), Cut())
