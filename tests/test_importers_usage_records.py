"""Records as people have them, met in published exports: the value is right, and what is not read is said."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest import approx

from router import cli
from router.errors import InputError
from router.loading.catalogue import load, load_text
from router.schema import Workload

DATA = Path(__file__).parent / "data" / "usage"
DAY = ("--period", "24h")


class Import:
    """`router import usage` on files of DATA (or paths): exit code, workloads by name, remarks."""

    def __init__(self, capsys: pytest.CaptureFixture[str], arguments: Sequence[str | Path]) -> None:
        named = [str(DATA / one) if (DATA / one).is_file() else str(one) for one in arguments]
        self.code = cli.run(["import", "usage", *named])
        self.out, self.err = capsys.readouterr()

    @property
    def work(self) -> dict[str, Workload]:
        assert self.code == 0, self.err
        return {one.name: one for one in load_text(self.out).workloads}

    def says(self, *words: str) -> None:
        """One remark with all the words, on stderr and in the file."""
        lines = [line for line in self.err.splitlines() if all(word in line for word in words)]
        assert len(lines) == 1, self.err
        assert f"# {lines[0]}" in self.out.splitlines()


Imports = Callable[..., Import]


@pytest.fixture
def imports(capsys: pytest.CaptureFixture[str]) -> Imports:
    return lambda *arguments: Import(capsys, arguments)


def in_tokens(workload: Workload) -> tuple[float | None, float | None, float]:
    demand = workload.demand
    return demand.tokens_total, demand.completion_share, workload.cached_prompt_share


def changed(path: Path, source: str, change: Callable[[Any], Any]) -> Path:
    """A JSON record of DATA with a change."""
    value = json.loads((DATA / source).read_text())
    path.write_text(json.dumps(change(value) or value))
    return path


# FOCUS


def test_a_unit_that_is_not_known_is_named_with_its_money(imports: Imports) -> None:
    """Of 0.96 + 0.96 + 990.38 + 701.88 = 1,694.18 USD, 1.92 count tokens in a unit that the file explains."""
    result = imports("focus_marketplace.csv", *DAY)
    assert in_tokens(result.work["model-a"]) == (1_500_000, approx(0.2), 0)
    assert result.err.startswith("read: 2 of 4 rows, all of 1,500,000 tokens, 1.92 of 1,694.18 USD\n")
    result.says(
        "2 rows", "1,692.26 USD", "line 4", "Model B (Amazon Bedrock Edition)", '"Units"', "--meter-unit"
    )


def test_a_unit_that_is_stated_is_read(imports: Imports) -> None:
    """198.075 M prompt and 28.075 M completion tokens: 226.15 M, 12.41 % of them completion."""
    result = imports("focus_marketplace.csv", *DAY, "--meter-unit", "Units=1e6")
    assert set(result.work) == {"model-a", "model-b"}
    assert in_tokens(result.work["model-b"]) == (226_150_000, approx(28.075 / 226.15), 0)
    assert "all of 1,694.18 USD" in result.err.splitlines()[0]


@pytest.mark.parametrize("packed", [False, True])
def test_null_is_nothing_and_the_credit_is_left_out_by_name(
    imports: Imports, tmp_path: Path, packed: bool
) -> None:
    path = DATA / "focus_null.csv"
    if packed:
        path = tmp_path / "null.csv.gz"
        path.write_bytes(gzip.compress((DATA / "focus_null.csv").read_bytes()))
    result = imports(path, *DAY)
    assert in_tokens(result.work["model-a"]) == (1000, 0, 0)
    result.says("Credit", "1 row", "-5.00 USD", "line 3")


def test_focus_1_0_says_kind_and_model_in_the_usage_type(imports: Imports) -> None:
    result = imports("focus_1.0.csv", *DAY)
    assert in_tokens(result.work["R1-ModelA"]) == (1_200_000, approx(1 / 6), 0)
    result.says("x_UsageType", "2 rows", "--meter-column")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_azure_names_and_any_separator(imports: Imports, tmp_path: Path, mark: str) -> None:
    """1.2 M Inp, 0.3 M Outp and 1 M cchd: 2.5 M, of 2.2 M prompt tokens 1 M cached."""
    path = tmp_path / "azure.csv"
    path.write_text((DATA / "focus_azure.csv").read_text().replace(",", mark))
    result = imports(path, *DAY)
    assert in_tokens(result.work["model-a"]) == (2_500_000, approx(0.12), approx(1 / 2.2))


def test_the_state_of_the_cache_may_stand_in_the_price_details(imports: Imports) -> None:
    """8,000 of 8,500 prompt tokens were read from a cache, and 300 are completion."""
    result = imports("focus_cache_details.csv", *DAY)
    assert in_tokens(result.work["model-a"]) == (8800, approx(300 / 8800), approx(8000 / 8500))


def test_the_kind_is_the_word_nearest_to_token(imports: Imports) -> None:
    result = imports("focus_generate.csv", *DAY)
    assert in_tokens(result.work["model-a"]) == (2_100_000, approx(1 / 21), 0)


def test_rows_of_an_earlier_file_count_once(imports: Imports) -> None:
    result = imports("focus_june.csv", "focus_june_month_to_date.csv", *DAY)
    assert in_tokens(result.work["model-a"]) == (1_200_000, approx(1 / 6), 0)
    result.says(
        "counted already", "2 rows", "1,200,000 tokens", "2.00 USD", "focus_june_month_to_date.csv, line 2"
    )


def test_one_file_given_twice_counts_once(imports: Imports) -> None:
    result = imports("focus_june.csv", "focus_june.csv", *DAY)
    assert in_tokens(result.work["model-a"])[0] == 1_200_000


def test_rows_of_two_files_that_contradict_are_an_error(imports: Imports, tmp_path: Path) -> None:
    path = tmp_path / "later.csv"
    path.write_text((DATA / "focus_june.csv").read_text().replace("1.00,USD", "1.50,USD", 1))
    result = imports("focus_june.csv", path, *DAY)
    assert result.code == 2
    assert "later.csv, line 2" in result.err
    assert "focus_june.csv, line 2" in result.err


def test_equal_rows_of_one_file_are_two_charges(imports: Imports, tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    lines = (DATA / "focus_june.csv").read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1], ""]))
    assert in_tokens(imports(path, *DAY).work["model-a"])[0] == 2_200_000
    result = imports(path, "focus_june.csv", *DAY)  # of the three, two stand in the second file too
    assert in_tokens(result.work["model-a"])[0] == 2_200_000


def test_skus_of_one_kind_each_are_put_together_by_rename(imports: Imports, tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    text = (DATA / "focus_june.csv").read_text().replace("model-a,model-a input", "SKU1,input")
    path.write_text(text.replace("model-a,model-a output", "SKU2,output"))
    halves = imports(path, *DAY)
    assert set(halves.work) == {"SKU1", "SKU2"}
    halves.says("one kind of token", "SKU1", "SKU2", "--rename")
    result = imports(path, *DAY, "--rename", "SKU1=m", "--rename", "SKU2=m")
    assert in_tokens(result.work["m"]) == (1_200_000, approx(1 / 6), 0)


def test_commitments_become_signed_contracts_to_be_priced(imports: Imports, tmp_path: Path) -> None:
    """12,000 USD and 1,200 M tokens of a year, settled once, at its end; 8,760 hours of it: one machine, 500 USD."""
    result = imports("focus_commitments.csv", "--timezone", "Europe/Berlin")
    assert result.code == 0
    result.says("prices and models are not in the record", "spend-1, tokens-1, hours-1")
    result.says("left out", "in EUR", "900.00 EUR")
    result.says("has ended by now", "old-1 at 2025-01-01T01:00:00")
    assert "13,100.00 of 15,500.00 USD" in result.err.splitlines()[0]
    catalogue = tmp_path / "contracts.yaml"
    catalogue.write_text(result.out)
    problem = tmp_path / "problem.yaml"
    problem.write_text(
        "schema: router/1\nname: p\nhorizon: {start: 2097-03-01T00:00:00}\nmodels: {m: {}}\n"
        "include: [contracts.yaml]\nworkloads: [{name: w, models: [m], demand: {requests_per_s: 1}, "
        "prompt_tokens: 1, completion_tokens: 1}]\n"
    )
    with pytest.raises(InputError, match="models"):
        load(problem)
    price = "models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2, tokens_per_s: 9}}"
    catalogue.write_text(result.out.replace("models: {}", price))
    spend, tokens, hours, _ = load(problem).offers
    assert spend.commitment is not None
    terms = spend.commitment
    assert (terms.settled, terms.min_usd, terms.signed) == ("year", 12_000, True)
    assert str(terms.signed_until) == "2098-01-01 01:00:00"
    assert tokens.commitment is not None
    assert (tokens.commitment.settled, tokens.commitment.min_tokens) == ("year", 1_200_000_000)
    assert hours.instances is not None
    assert (hours.instances.reserved, hours.instances.max) == (1, 1)
    assert hours.instances.reserved_usd_per_h == approx(500 / 8760)
    (rule,) = hours.schedule
    assert (str(rule.from_), rule.available) == ("2098-01-01 01:00:00", False)


# LiteLLM


def test_cached_tokens_above_the_prompt_are_added_to_it(imports: Imports) -> None:
    """12 + 2,500 read + 100 written = 2,612 prompt tokens, 2,500 of them cached."""
    result = imports("spend_logs_anthropic.json")
    (one,) = result.work.values()
    assert one.demand.requests_by_period == (3,)
    assert (one.prompt_tokens, one.completion_tokens) == (2612, 300)
    assert one.cached_prompt_share == approx(2500 / 2612)
    result.says("cached tokens added to the prompt", "3 rows", "result 1")
    assert one.cache_write_share == approx(100 / 2612)


def test_tokens_written_above_the_prompt_tell_too(imports: Imports, tmp_path: Path) -> None:
    """31 prompt tokens beside 1,253 written to the cache, and none read: 1,284."""

    def change(rows: Any) -> None:
        for row in rows:
            usage = row["metadata"]["usage_object"]
            usage |= {"prompt_tokens_details": {"cached_tokens": 0}, "cache_read_input_tokens": 0}
            usage["cache_creation_input_tokens"] = 1253
            row["prompt_tokens"] = 31

    (one,) = imports(changed(tmp_path / "s.json", "spend_logs_anthropic.json", change)).work.values()
    assert (one.prompt_tokens, one.cached_prompt_share) == (1284, 0)


def test_reasoning_above_the_completion_is_added_to_it(imports: Imports, tmp_path: Path) -> None:
    def change(rows: Any) -> None:
        rows[0]["metadata"]["usage_object"]["completion_tokens_details"] = {"reasoning_tokens": 900}

    result = imports(changed(tmp_path / "s.json", "spend_logs_anthropic.json", change))
    (one,) = result.work.values()
    assert one.completion_tokens == 600  # (1,200 + 300 + 300) / 3
    result.says("reasoning tokens added", "1 row", "900 tokens")


def test_a_table_of_tags_is_refused_read_by_one_tag_or_said_to_overlap(imports: Imports) -> None:
    refused = imports("daily_tag_spend.json", *DAY)
    assert refused.code == 2
    assert not refused.out
    for words in ("one row for each tag", "--where tag=", "shop", "User-Agent: client/2.1"):
        assert words in refused.err
    (one,) = imports("daily_tag_spend.json", *DAY, "--where", "tag=shop").work.values()
    assert one.demand.requests_by_period == (100,)
    result = imports("daily_tag_spend.json", *DAY, "--by", "tag")
    assert [one.demand.requests_by_period for one in result.work.values()] == [(100,)] * 3
    result.says("overlap", "do not plan them together")


def test_tables_of_users_and_of_teams_count_the_same_requests(imports: Imports, tmp_path: Path) -> None:
    def change(rows: Any) -> Any:
        return [
            {**row, "id": f"t{row['id']}"} | {"team_id": "red"} for row in rows if not row.pop("user_id", 0)
        ]

    users = DATA / "daily_user_spend.json"
    rows = json.loads(users.read_text())
    teams = [{name: value for name, value in row.items() if name not in ("user_id", "id")} for row in rows]
    path = tmp_path / "teams.json"
    path.write_text(json.dumps([{**row, "team_id": "red"} for row in teams]))
    result = imports(users, path, *DAY)
    assert result.code == 2
    assert "counts by team what" in result.err


def test_rows_of_older_versions_count_all_requests_together(imports: Imports, tmp_path: Path) -> None:
    """Columns that came later are 0 there; a row of failures alone is of none."""

    def change(rows: Any) -> Any:
        return [{**rows[0], "tag": None, "successful_requests": "0"}]

    result = imports(changed(tmp_path / "d.json", "daily_tag_spend.json", change), *DAY)
    assert result.work["model-a"].demand.requests_by_period == (100,)
    result.says("not counted apart", "100 requests")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"successful_requests": "120"}, "120 succeeded and 0 failed"),
        ({"prompt_tokens": "-5"}, "cannot be"),
        ({"cache_read_input_tokens": "NaN"}, "cannot be"),
    ],
)
def test_counts_that_cannot_be_are_errors_with_their_row(
    imports: Imports, tmp_path: Path, fields: dict[str, str], says: str
) -> None:
    def change(rows: Any) -> Any:
        return [rows[0], {**rows[0], "id": "x", "date": "2026-08-02"} | fields]

    result = imports(changed(tmp_path / "d.json", "daily_tag_spend.json", change), *DAY)
    assert result.code == 2
    assert says in result.err
    assert "result 2" in result.err


def test_answers_of_the_proxy(imports: Imports) -> None:
    (one,) = imports("litellm_spend_logs_v2.json").work.values()
    assert (one.demand.requests_by_period, one.prompt_tokens, one.completion_tokens) == ((1,), 7, 17)
    (day,) = imports("litellm_daily_activity.json", *DAY).work.values()
    assert (day.demand.requests_by_period, day.prompt_tokens, day.completion_tokens) == ((100,), 1000, 200)


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("litellm_spend_logs_v2.json", lambda value: value.update(total_pages=2)),
        ("litellm_daily_activity.json", lambda value: value["metadata"].update(total_pages=2)),
        ("litellm_daily_activity.json", lambda value: value["metadata"].update(page=1, total_pages=10**15)),
        ("litellm_daily_activity.json", lambda value: value["metadata"].update(page=10**400, total_pages=1)),
        ("litellm_daily_activity.json", lambda value: value.update(metadata={"has_more": True})),
        (
            "litellm_daily_activity.json",
            lambda value: value.update(metadata={"total_pages": float("inf"), "has_more": True}),
        ),
        ("anthropic_report.json", lambda value: value.update(has_more=True)),
    ],
)
def test_a_page_that_is_not_the_last_is_an_error(
    imports: Imports, tmp_path: Path, source: str, change: Callable[[Any], None]
) -> None:
    result = imports(changed(tmp_path / "page.json", source, change), *DAY)
    assert result.code == 2
    assert "more pages" in result.err


def test_what_a_day_counts_beyond_its_models_is_left_out_by_name(imports: Imports, tmp_path: Path) -> None:
    def change(value: Any) -> None:
        value["results"][0]["metrics"] |= {
            "prompt_tokens": 150_000,
            "api_requests": 130,
            "successful_requests": 130,
        }

    result = imports(changed(tmp_path / "a.json", "litellm_daily_activity.json", change), *DAY)
    (one,) = result.work.values()
    assert (one.demand.requests_by_period, one.prompt_tokens) == ((100,), 1000)
    result.says("in no model of its day", "30 requests", "50,000 tokens")


def test_models_that_count_more_than_their_day_are_an_error(imports: Imports, tmp_path: Path) -> None:
    def change(value: Any) -> None:
        value["results"][0]["metrics"]["prompt_tokens"] = 90_000

    result = imports(changed(tmp_path / "a.json", "litellm_daily_activity.json", change), *DAY)
    assert result.code == 2
    assert "more than the day" in result.err


# OpenAI, Anthropic


def test_the_dashboards_table_of_openai(imports: Imports) -> None:
    (one,) = imports("openai_completions_usage.csv", *DAY).work.values()
    assert one.demand.requests_by_period == (100,)
    assert (one.prompt_tokens, one.completion_tokens, one.cached_prompt_share) == (1000, 200, approx(0.3))


def test_more_cached_than_input_is_an_error_with_its_row(imports: Imports, tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    path.write_text((DATA / "openai_completions_usage.csv").read_text().replace("30000", "130000"))
    result = imports(path, *DAY)
    assert result.code == 2
    assert "u.csv, line 2: input_cached_tokens" in result.err


def test_pages_of_other_apis_say_what_they_are(imports: Imports, tmp_path: Path) -> None:
    bucket = {"start_time": 1785542400, "end_time": 1785628800}
    costs = {"object": "organization.costs.result", "amount": {"value": 1.5, "currency": "usd"}}
    path = tmp_path / "costs.json"
    path.write_text(
        json.dumps({"object": "page", "data": [{**bucket, "results": [costs]}], "has_more": False})
    )
    result = imports(path, *DAY)
    assert result.code == 2
    assert "counts no tokens of a model" in result.err
    embeddings = {
        "object": "organization.usage.embeddings.result",
        "input_tokens": 500,
        "num_model_requests": 5,
        "model": "embed",
    }
    path.write_text(json.dumps({"object": "page", "data": [{**bucket, "results": [embeddings]}]}))
    (one,) = imports(path, *DAY).work.values()
    assert (one.demand.requests_by_period, one.prompt_tokens, one.completion_tokens) == ((5,), 100, 0)


def test_buckets_of_two_lengths_over_one_time_are_an_error(imports: Imports, tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    text = (DATA / "openai_completions_usage.csv").read_text()
    path.write_text(text + text.splitlines()[1].replace("1785628800", "1785546000") + "\n")
    result = imports(path, *DAY)
    assert result.code == 2
    assert "covers too" in result.err


def test_anthropics_report_and_table(imports: Imports, tmp_path: Path) -> None:
    """1,500 uncached + 1,000 + 500 written + 200 read = 3,200 prompt tokens, and 500 of completion."""
    result = imports("anthropic_report.json", *DAY)
    assert in_tokens(result.work["model-a"]) == (3700, approx(500 / 3700), approx(200 / 3200))
    result.says("requests were not counted", "--request-tokens N")
    assert result.work["model-a"].cache_write_share == approx(1500 / 3200)
    result.says("written to a cache for an hour", "1,000 tokens written to a cache")
    path = tmp_path / "claude.csv"
    path.write_text(
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
        "usage_output_tokens,web_search_count\n2026-08-01,model-a,k,w,standard,≤ 200k,1500,500,1000,200,500,7\n"
    )
    table = imports(path, *DAY)
    assert in_tokens(table.work["model-a"]) == in_tokens(result.work["model-a"])
    table.says("web searches", "7 web searches")


# Prometheus


def test_hits_of_blocks_are_taken_by_their_queries(imports: Imports) -> None:
    """250 hits of 620 queries, whatever their unit: 25 / 62 of the prompt."""
    result = imports("vllm_blocks.json")
    (one,) = result.work.values()
    assert one.demand.requests_by_period == (60, 60)
    assert one.cached_prompt_share == approx(25 / 62)
    assert "not used" not in result.err
    result.says("hits of queries", "48,387.10 cached tokens")


def test_more_hits_than_prompt_tokens_are_an_error(imports: Imports, tmp_path: Path) -> None:
    def change(value: Any) -> None:
        series = value["data"]["result"]
        value["data"]["result"] = series[:4]
        series[3]["values"] = [[time, str(40 * float(n))] for time, n in series[0]["values"]]

    result = imports(changed(tmp_path / "r.json", "vllm_blocks.json", change))
    assert result.code == 2
    assert "4,800,000 cached of 120,000 prompt tokens" in result.err


def twins(label: str, values: tuple[str, str], shift: float = 0.0) -> Callable[[Any], None]:
    """Every series twice, told apart by one label; the second a little later in its counts."""

    def change(value: Any) -> None:
        series = value["data"]["result"]
        value["data"]["result"] = [
            {
                "metric": one["metric"] | {label: name},
                "values": [[time, str(float(n) + shift * index)] for time, n in one["values"]],
            }
            for one in series
            for index, name in enumerate(values)
        ]

    return change


@pytest.mark.parametrize("label", ["prometheus_replica", "replica", "tp_rank"])
def test_one_server_scraped_twice_counts_once(imports: Imports, tmp_path: Path, label: str) -> None:
    path = changed(tmp_path / "r.json", "vllm_blocks.json", twins(label, ("0", "1"), shift=0.5))
    result = imports(path)
    (one,) = result.work.values()
    assert one.demand.requests_by_period == (60, 60)
    result.says("counted already", "5 series", "120 requests", "144,000 tokens")


def test_two_servers_count_both(imports: Imports, tmp_path: Path) -> None:
    path = changed(tmp_path / "r.json", "vllm_blocks.json", twins("pod", ("a", "b")))
    (one,) = imports(path).work.values()
    assert one.demand.requests_by_period == (120, 120)


def test_files_that_overlap_are_one_series(imports: Imports, tmp_path: Path) -> None:
    def first(value: Any) -> None:
        for one in value["data"]["result"]:
            one["values"] = one["values"][:9]

    def second(value: Any) -> None:
        for one in value["data"]["result"]:
            one["values"] = one["values"][5:]

    files = [changed(tmp_path / f"{one.__name__}.json", "vllm_blocks.json", one) for one in (first, second)]
    result = imports(*files)
    (one,) = result.work.values()
    assert one.demand.requests_by_period == (60, 60)
    result.says("given again", "20 samples")


def test_a_sample_that_two_files_state_differently_is_an_error(imports: Imports, tmp_path: Path) -> None:
    def change(value: Any) -> None:
        value["data"]["result"][0]["values"][3][1] = "31000"

    result = imports("vllm_blocks.json", changed(tmp_path / "r.json", "vllm_blocks.json", change))
    assert result.code == 2
    assert "one counter has one value" in result.err


def counters(path: Path, series: dict[str, tuple[float, dict[str, str]]]) -> Path:
    """Two hours of counters, sampled every ten minutes: name → (use in an hour, labels)."""
    result = [
        {
            "metric": {"__name__": name.partition("|")[0]} | labels,
            "values": [[1785542400 + 600 * i, str(rate * i / 6)] for i in range(13)],
        }
        for name, (rate, labels) in series.items()
    ]
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}))
    return path


def test_sglang_counts_cached_tokens_by_source(imports: Imports, tmp_path: Path) -> None:
    model = {"model_name": "m", "instance": "a"}
    series = {
        "sglang:prompt_tokens_total": (6000.0, model),
        "sglang:generation_tokens_total": (1200.0, model),
        "sglang:num_requests_total": (6.0, model),
        "sglang:cached_tokens_total|1": (1200.0, model | {"cache_source": "device"}),
        "sglang:cached_tokens_total|2": (300.0, model | {"cache_source": "host"}),
    }
    (one,) = imports(counters(tmp_path / "r.json", series)).work.values()
    assert (one.demand.requests_by_period, one.prompt_tokens, one.completion_tokens) == ((6, 6), 1000, 200)
    assert one.cached_prompt_share == approx(0.25)


def test_litellm_counters_without_the_failed_and_the_deprecated(imports: Imports, tmp_path: Path) -> None:
    its = {"requested_model": "chat"}
    series = {
        "litellm_input_tokens_metric_total": (6000.0, its | {"model": "gpt-x"}),
        "litellm_output_tokens_metric_total": (1200.0, its | {"model": "gpt-x"}),
        "litellm_proxy_total_requests_metric_total|1": (6.0, its | {"status_code": "200"}),
        "litellm_proxy_total_requests_metric_total|2": (3.0, its | {"status_code": "429"}),
        "litellm_requests_metric_total": (6.0, its),
        "litellm_spend_metric_total": (0.5, its | {"model": "gpt-x"}),
    }
    result = imports(counters(tmp_path / "r.json", series))
    assert result.work["chat"].demand.requests_by_period == (6, 6)
    assert result.work["chat"].prompt_tokens == 1000
    result.says("left out, failed", "6 requests")
    result.says("another name of its source", "litellm_requests_metric", "1 series", "12 requests")
    assert "all of 1.00 USD" in result.err


def test_the_new_counters_of_opentelemetry(imports: Imports, tmp_path: Path) -> None:
    its = {"gen_ai_request_model": "chat", "gen_ai_provider_name": "p"}
    name = "gen_ai_client_inference_usage_"
    series = {
        f"{name}input_tokens_total|1": (4000.0, its | {"gen_ai_token_modality": "text"}),
        f"{name}input_tokens_total|2": (2000.0, its | {"gen_ai_token_modality": "image"}),
        f"{name}output_tokens_total": (1200.0, its),
        f"{name}cache_read_input_tokens_total": (1500.0, its),
        "gen_ai_client_inference_operation_input_tokens_count": (6.0, its),
        "gen_ai_client_token_usage_sum|1": (6000.0, its | {"gen_ai_token_type": "input"}),
    }
    result = imports(counters(tmp_path / "r.json", series))
    (one,) = result.work.values()
    assert (one.demand.requests_by_period, one.prompt_tokens, one.completion_tokens) == ((6, 6), 1000, 200)
    assert one.cached_prompt_share == approx(0.25)
    result.says("another name of its source", "gen_ai_client_token_usage_sum")


def test_a_proxy_and_its_server_count_the_same_requests(imports: Imports, tmp_path: Path) -> None:
    series = {
        "litellm_input_tokens_metric_total": (6000.0, {"requested_model": "m"}),
        "vllm:prompt_tokens_total": (6000.0, {"model_name": "m"}),
    }
    result = imports(counters(tmp_path / "r.json", series))
    assert result.code == 2
    assert "would count twice" in result.err


# what is not over yet


def test_a_day_that_is_not_over_is_left_out(imports: Imports, tmp_path: Path) -> None:
    """Two days that are over, and today's with what it has so far."""
    import datetime as dt

    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - dt.timedelta(days=n) for n in (2, 1, 0)]

    def buckets(value: Any) -> None:
        (bucket,) = value["data"]
        value["data"] = [
            bucket | {"starting_at": day.isoformat(), "ending_at": (day + dt.timedelta(days=1)).isoformat()}
            for day in days
        ]

    result = imports(changed(tmp_path / "r.json", "anthropic_report.json", buckets), *DAY)
    assert in_tokens(result.work["model-a"])[0] == 7400
    result.says("not over yet", "1 row", "3,700 tokens")

    def rows(value: Any) -> Any:
        return [{**value[0], "id": str(day), "date": day.date().isoformat()} for day in days]

    result = imports(changed(tmp_path / "d.json", "daily_tag_spend.json", rows), *DAY)
    assert result.work["model-a"].demand.requests_by_period == (100, 100)
    result.says("not over yet", "1 row", "100 requests")


def test_the_hour_that_is_not_over_is_cut_off(imports: Imports, tmp_path: Path) -> None:
    import datetime as dt

    now = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)

    def change(rows: Any) -> None:
        for row, hours in zip(rows, (2, 1, 0), strict=True):
            row["startTime"] = (now - dt.timedelta(hours=hours)).isoformat()
            del row["endTime"]

    result = imports(changed(tmp_path / "s.json", "spend_logs_anthropic.json", change))
    assert result.work["model-a"].demand.requests_by_period == (1, 1)
    result.says("not over yet", "1 request")


# the command


def test_a_first_look_writes_nothing(imports: Imports, tmp_path: Path) -> None:
    out = tmp_path / "out.yaml"
    result = imports("focus_marketplace.csv", *DAY, "--dry-run", "-o", out)
    assert result.code == 0
    assert not out.exists()
    table = {line.split("  ")[0]: line.split() for line in result.out.splitlines() if line[:1].strip()}
    assert table["read"][-1] == "1,694.18"
    assert table["left out"][-1] == "1,692.26"
    assert table["goes out"][-1] == "1.92"


def test_a_first_look_shows_what_was_read_before_the_options_suit_it(imports: Imports) -> None:
    result = imports("focus_marketplace.csv", "--dry-run")  # rows of a day, periods of an hour
    assert result.code == 2
    assert "--period 24h" in result.err
    assert "1,694.18" in result.out


def test_strict_makes_remarks_errors(imports: Imports, tmp_path: Path) -> None:
    out = tmp_path / "out.yaml"
    result = imports("focus_marketplace.csv", *DAY, "--strict", "-o", out)
    assert result.code == 2
    assert not out.exists()
    assert imports("litellm_daily_activity.json", *DAY, "--strict", "-o", out).code == 0


# siblings: the same kinds of fault in other clothes


@pytest.mark.parametrize(
    ("meter", "cached"),
    [
        ("input tokens (cache hit)", True),
        ("input tokens (cache miss)", False),
        ("Uncached input tokens", False),
        ("NonCached Input Tokens", False),
        ("CacheReadInputTokenCount", True),
        ("cache write input tokens", False),
    ],
)
def test_a_meter_that_says_it_is_not_cached_is_not(
    imports: Imports, tmp_path: Path, meter: str, cached: bool
) -> None:
    path = tmp_path / "bill.csv"
    path.write_text((DATA / "focus_june.csv").read_text().replace("model-a input tokens", meter))
    (one,) = imports(path, *DAY).work.values()
    assert in_tokens(one) == (1_200_000, approx(1 / 6), 1 if cached else 0)


@pytest.mark.parametrize(
    ("meter", "completion"), [("text-embedding Tokens", 0), ("thinking tokens", 1), ("opt glbl Tokens", 1)]
)
def test_other_words_of_meters(imports: Imports, tmp_path: Path, meter: str, completion: float) -> None:
    path = tmp_path / "bill.csv"
    lines = (DATA / "focus_june.csv").read_text().replace("model-a input tokens", meter).splitlines()
    path.write_text("\n".join(["sep=,", *lines[:2], ""]))
    (one,) = imports(path, *DAY).work.values()
    assert one.demand.completion_share == completion


def test_the_total_tells_that_cached_tokens_stand_beside_the_prompt(imports: Imports, tmp_path: Path) -> None:
    """5,000 + 2,600 + 300 = 7,900 in total: the cached 2,600 are not of the 5,000."""

    def change(rows: Any) -> None:
        for row in rows:
            row |= {"prompt_tokens": 5000, "total_tokens": 7900}

    (one,) = imports(changed(tmp_path / "s.json", "spend_logs_anthropic.json", change)).work.values()
    assert (one.prompt_tokens, one.cached_prompt_share) == (7600, approx(2500 / 7600))


def test_the_total_tells_that_reasoning_stands_beside_the_completion(
    imports: Imports, tmp_path: Path
) -> None:
    """5,000 prompt with its cached part, 300 + 80 of reasoning: a total of 5,380; then 70 that nobody explains."""

    def change(rows: Any) -> None:
        for row in rows:
            row |= {"prompt_tokens": 5000, "total_tokens": 5380}
            row["metadata"]["usage_object"]["completion_tokens_details"] = {"reasoning_tokens": 80}
        rows[2]["total_tokens"] = 5370

    result = imports(changed(tmp_path / "s.json", "spend_logs_anthropic.json", change))
    (one,) = result.work.values()
    assert (one.prompt_tokens, one.completion_tokens) == (5000, approx((380 + 380 + 300) / 3))
    result.says("neither of prompt nor of completion", "1 row", "70 tokens")


def test_scrapes_that_are_apart_are_not_mixed(imports: Imports, tmp_path: Path) -> None:
    """The same counter from a second server, 40 s later in time and two requests behind: no reset in between."""

    def behind(value: Any) -> None:
        for one in value["data"]["result"]:
            step = float(one["values"][1][1])
            one["values"] = [[t + 40, str(max(float(n) - step / 5, 0))] for t, n in one["values"]]

    result = imports("vllm_blocks.json", changed(tmp_path / "r.json", "vllm_blocks.json", behind))
    (one,) = result.work.values()
    assert one.demand.requests_by_period == (60, 60)
    assert "reset" not in result.err


def test_a_second_answer_fills_the_hole_of_the_first(imports: Imports, tmp_path: Path) -> None:
    def holed(value: Any) -> None:
        for one in value["data"]["result"]:
            del one["values"][3:9]

    files = [changed(tmp_path / "r.json", "vllm_blocks.json", holed), "vllm_blocks.json"]
    (one,) = imports(*files).work.values()
    assert one.demand.requests_by_period == (60, 60)


def test_a_partial_answer_is_said(imports: Imports, tmp_path: Path) -> None:
    def change(value: Any) -> None:
        value["warnings"] = ["partial response: store gateway timed out"]

    result = imports(changed(tmp_path / "r.json", "vllm_blocks.json", change))
    result.says("the server warns", "store gateway timed out")


def test_models_that_no_record_names_are_said(imports: Imports, tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    path.write_text((DATA / "openai_completions_usage.csv").read_text().replace("model-a", ""))
    result = imports(path, *DAY)
    result.says("no model is named", "1 row", "100 requests", "group_by=model")


def bill(path: Path, column: str, rows: Sequence[tuple[str, str, str]]) -> Path:
    """A FOCUS bill of 2,000 tokens a row: resource, service, name of the meter in the column."""
    head = "BilledCost,ChargePeriodStart,ChargePeriodEnd,ConsumedQuantity,ConsumedUnit,ResourceName,ServiceName,SkuId"
    lines = [
        f"1,2026-08-01T00:00:00Z,2026-08-02T00:00:00Z,2,1K Tokens,{resource},{service},SKU{number},{meter}"
        for number, (resource, service, meter) in enumerate(rows)
    ]
    path.write_text("\n".join([f"{head},{column}", *lines, ""]))
    return path


def test_a_meter_without_a_model_leaves_it_to_the_service(imports: Imports, tmp_path: Path) -> None:
    """AWS Marketplace's usage types name the region alone: two models of one meter are two by their service."""
    rows = [
        ("", service, f"USE1-MP:USE1_{kind}TokenCount-Units")
        for service in ("Model A", "Model B")
        for kind in ("Input", "Output")
    ]
    result = imports(bill(tmp_path / "bill.csv", "x_UsageType", rows), *DAY)
    assert {name: in_tokens(one) for name, one in result.work.items()} == {
        "Model A": (4000, 0.5, 0),
        "Model B": (4000, 0.5, 0),
    }


def test_models_of_one_resource_are_said_and_told_apart_by_their_meters(
    imports: Imports, tmp_path: Path
) -> None:
    rows = [
        ("my-account", "LLM", meter)
        for meter in (
            "gpt-x-Inp-glbl Tokens",
            "gpt-x-Outp-glbl Tokens",
            "GPT-y cd inp glbl",
            "GPT-y opt glbl",
        )
    ]
    path = bill(tmp_path / "bill.csv", "SkuMeter", rows)
    imports(path, *DAY).says("several models put together", "my-account", "gpt-x-glbl, GPT-y glbl")
    result = imports(path, *DAY, "--model-column", "SkuMeter")
    assert in_tokens(result.work["GPT-y glbl"]) == (4000, 0.5, 1)
    assert in_tokens(result.work["gpt-x-glbl"]) == (4000, 0.5, 0)


@pytest.mark.parametrize("option", ["--meter-column", "--model-column"])
def test_a_column_that_is_not_there_is_a_typing_error(imports: Imports, option: str) -> None:
    result = imports("focus_azure.csv", *DAY, option, "SkuMetr")
    assert result.code == 2
    assert 'did you mean "SkuMeter"?' in result.err


def test_requests_that_clients_broke_off_are_counted_and_said(imports: Imports, tmp_path: Path) -> None:
    model = {"model_name": "m"}
    series = {
        "vllm:prompt_tokens_total": (6000.0, model),
        "vllm:generation_tokens_total": (1200.0, model),
        "vllm:request_success_total|1": (5.0, model | {"finished_reason": "stop"}),
        "vllm:request_success_total|2": (1.0, model | {"finished_reason": "abort"}),
    }
    result = imports(counters(tmp_path / "r.json", series))
    assert result.work["m"].demand.requests_by_period == (6, 6)
    result.says("broken off by their clients", "2 requests")


@pytest.mark.parametrize(
    "source", ["anthropic_report.json", "openai_page_2.json", "litellm_spend_logs_v2.json"]
)
@pytest.mark.parametrize("junk", [None, "x", {}, ["x"], [None]])
def test_a_page_of_another_shape_is_an_error_and_not_silence(
    imports: Imports, tmp_path: Path, source: str, junk: object
) -> None:
    def change(value: Any) -> None:
        if source.startswith("litellm"):
            value["data"] = junk
        else:
            value["data"][0]["results"] = junk

    result = imports(changed(tmp_path / "page.json", source, change), *DAY)
    assert result.code == 2, result.err


def test_one_process_under_two_jobs_counts_once_and_two_processes_twice(
    imports: Imports, tmp_path: Path
) -> None:
    """The same address scraped by a service's monitor and by a pod's; then two addresses of one job."""
    path = changed(tmp_path / "r.json", "vllm_blocks.json", twins("job", ("service", "pods"), shift=0.5))
    result = imports(path)
    assert result.work["model-a"].demand.requests_by_period == (60, 60)
    result.says("counted already", "5 series")

    def busier(value: Any) -> None:
        twins("job", ("prod", "test"))(value)
        for one in value["data"]["result"][1::2]:
            one["values"] = [[time, str(2 * float(n))] for time, n in one["values"]]

    path = changed(tmp_path / "r.json", "vllm_blocks.json", busier)
    assert imports(path).work["model-a"].demand.requests_by_period == (180, 180)


@pytest.mark.parametrize(
    "change", [str.upper, lambda name: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()]
)
def test_columns_in_capitals_or_with_underscores(
    imports: Imports, tmp_path: Path, change: Callable[[str], str]
) -> None:
    head, _, rest = (DATA / "focus_june.csv").read_text().partition("\n")
    path = tmp_path / "bill.csv"
    path.write_text(f"{change(head)}\n{rest.replace('T00:00:00Z', ' 00:00:00 UTC')}")
    assert in_tokens(imports(path, *DAY).work["model-a"]) == (1_200_000, approx(1 / 6), 0)


def test_a_parquet_file_is_refused_with_the_way_out(imports: Imports, tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(b"PAR1\x15\x04")
    result = imports(path)
    assert result.code == 2
    assert "is a Parquet file" in result.err
    assert "export it as CSV" in result.err
