"""The rule of all imports: what comes in is what goes out plus what is listed as left out; faults by kind and importer.

An `Importer` writes random records whose sums it knows, and runs the whole way from files to the account of what is
written. `FAULTS` has, by kind, what makes that fault in each importer that can have it, and what must come of it;
docs/imports.md shows the same table. Another importer: an `Importer` in IMPORTERS, faults in FAULTS, a column there.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import gzip
import io
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from listing_faults import LISTING_FAULTS
from pytest import approx

from router.errors import InputError
from router.importers.account import CACHED, COMPLETION, PROMPT, WRITTEN, Account
from router.importers.usage import Cut, cut, draft, read_usage

ROOT = Path(__file__).parents[1]
FIRST = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DAY = 86400
SEEDS = range(4)

Sums = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Importer:
    """One importer under the rule.

    write    a file with random records in a folder, and the sums of what is in it, by measure
    run      the account after all of the files went through
    """

    write: Callable[[Path, random.Random], tuple[Path, Sums]]
    run: Callable[[Sequence[Path]], Account]


Fault = Callable[[Path, random.Random], None]


# records of use


@dataclasses.dataclass(frozen=True)
class Use:
    """Requests of one day and model, with the tokens of each."""

    day: dt.datetime
    model: str
    requests: int
    prompt: int
    cached: int
    completion: int
    usd: float

    @property
    def end(self) -> dt.datetime:
        return self.day + dt.timedelta(days=1)


Write = Callable[[Sequence[Use]], str]


def uses(rng: random.Random, days: int = 3) -> list[Use]:
    """Two models on each day."""
    found = []
    for number in range(days):
        for model in ("model-a", "model-b"):
            prompt = rng.randint(10, 5000)
            sizes = (rng.randint(1, 9), prompt, rng.randint(0, prompt // 2), rng.randint(1, 900))
            found.append(Use(FIRST + dt.timedelta(days=number), model, *sizes, round(rng.uniform(0, 5), 2)))
    return found


def spend(its: Sequence[Use]) -> str:
    rows = [
        {
            "request_id": f"{use.model} {use.day:%j} {index}",
            "startTime": (use.day + dt.timedelta(hours=index + 1)).isoformat(),
            "model": use.model,
            "prompt_tokens": use.prompt,
            "completion_tokens": use.completion,
            "spend": use.usd / use.requests,
            "status": "success",
            "metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": use.cached}}},
        }
        for use in its
        for index in range(use.requests)
    ]
    return json.dumps(rows)


def metrics(use: Use) -> dict[str, float]:
    n = use.requests
    return {
        "prompt_tokens": n * use.prompt,
        "completion_tokens": n * use.completion,
        "cache_read_input_tokens": n * use.cached,
        "api_requests": n,
        "successful_requests": n,
        "failed_requests": 0,
        "spend": use.usd,
    }


def daily(its: Sequence[Use]) -> str:
    return json.dumps([{"date": f"{use.day:%Y-%m-%d}", "model": use.model} | metrics(use) for use in its])


def activity(its: Sequence[Use]) -> str:
    results = []
    for day in dict.fromkeys(use.day for use in its):
        models = {use.model: {"metrics": metrics(use)} for use in its if use.day == day}
        whole = {name: sum(one["metrics"][name] for one in models.values()) for name in metrics(its[0])}
        results.append({"date": f"{day:%Y-%m-%d}", "metrics": whole, "breakdown": {"models": models}})
    return json.dumps({"results": results, "metadata": {"page": 1, "total_pages": 1}})


def bucketed(its: Sequence[Use], result: Callable[[Use], dict[str, Any]], start: str, end: str) -> str:
    def stamp(moment: dt.datetime) -> object:
        return moment.timestamp() if start == "start_time" else moment.isoformat()

    data = [
        {
            start: stamp(day),
            end: stamp(day + dt.timedelta(days=1)),
            "results": [result(use) for use in its if use.day == day],
        }
        for day in dict.fromkeys(use.day for use in its)
    ]
    return json.dumps({"data": data, "has_more": False})


def openai_result(use: Use) -> dict[str, Any]:
    n = use.requests
    return {
        "model": use.model,
        "num_model_requests": n,
        "input_tokens": n * use.prompt,
        "input_cached_tokens": n * use.cached,
        "output_tokens": n * use.completion,
    }


def openai(its: Sequence[Use]) -> str:
    return bucketed(its, openai_result, "start_time", "end_time")


def table(rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def openai_table(its: Sequence[Use]) -> str:
    return table(
        [
            {"start_time": int(use.day.timestamp()), "end_time": int(use.end.timestamp())}
            | openai_result(use)
            for use in its
        ]
    )


def anthropic_result(use: Use) -> dict[str, Any]:
    n = use.requests
    return {
        "model": use.model,
        "uncached_input_tokens": n * (use.prompt - use.cached),
        "cache_read_input_tokens": n * use.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": n * use.completion,
    }


def anthropic(its: Sequence[Use]) -> str:
    return bucketed(its, anthropic_result, "starting_at", "ending_at")


def anthropic_table(its: Sequence[Use]) -> str:
    return table(
        [
            {
                "usage_date_utc": f"{use.day:%Y-%m-%d}",
                "model_version": use.model,
                "usage_input_tokens_no_cache": use.requests * (use.prompt - use.cached),
                "usage_input_tokens_cache_write_5m": 0,
                "usage_input_tokens_cache_read": use.requests * use.cached,
                "usage_output_tokens": use.requests * use.completion,
            }
            for use in its
        ]
    )


def charge(use: Use, meter: str, tokens: float, usd: float = 0.0) -> dict[str, object]:
    return {
        "BilledCost": usd,
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "ChargePeriodStart": use.day.isoformat(),
        "ChargePeriodEnd": use.end.isoformat(),
        "ConsumedQuantity": tokens,
        "ConsumedUnit": "Tokens",
        "ServiceName": "LLM",
        "SkuId": use.model,
        "SkuMeter": meter,
    }


def charges(use: Use) -> list[dict[str, object]]:
    n = use.requests
    return [
        charge(use, "input tokens", n * (use.prompt - use.cached), use.usd),
        charge(use, "cached input tokens", n * use.cached),
        charge(use, "output tokens", n * use.completion),
    ]


def focus(its: Sequence[Use]) -> str:
    return table([row for use in its for row in charges(use)])


COUNTERS = {
    "vllm": (
        "vllm:prompt_tokens_total",
        "vllm:prefix_cache_hits_total",
        "vllm:generation_tokens_total",
        "vllm:request_success_total",
    ),
    "sglang": (
        "sglang:prompt_tokens_total",
        "sglang:cached_tokens_total",
        "sglang:generation_tokens_total",
        "sglang:num_requests_total",
    ),
    "opentelemetry": (
        "gen_ai_client_inference_usage_input_tokens_total",
        "gen_ai_client_inference_usage_cache_read_input_tokens_total",
        "gen_ai_client_inference_usage_output_tokens_total",
        "gen_ai_client_inference_operation_input_tokens_count",
    ),
}


def counters(its: Sequence[Use], names: Sequence[str] = COUNTERS["vllm"]) -> str:
    """Counted at each midnight, and once more in the evening."""
    result = []
    for model in dict.fromkeys(use.model for use in its):
        own = [use for use in its if use.model == model]
        for name, field in zip(names, ("prompt", "cached", "completion", ""), strict=True):
            total, values = 0.0, [[own[0].day.timestamp(), "0"]]
            for use in own:
                for hours, part in ((18, 0.75), (24, 0.25)):
                    total += part * use.requests * (getattr(use, field) if field else 1)
                    values.append([(use.day + dt.timedelta(hours=hours)).timestamp(), repr(total)])
            result.append({"metric": {"__name__": name, "model_name": model}, "values": values})
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}})


USAGE: dict[str, tuple[str, Write]] = {
    "litellm-spend": ("spend.json", spend),
    "litellm-daily": ("daily.json", daily),
    "litellm-activity": ("activity.json", activity),
    "openai": ("openai.json", openai),
    "openai table": ("openai.csv", openai_table),
    "anthropic": ("anthropic.json", anthropic),
    "anthropic table": ("anthropic.csv", anthropic_table),
    "focus": ("focus.csv", focus),
    "prometheus vllm": ("vllm.json", counters),
    "prometheus sglang": ("sglang.json", lambda its: counters(its, COUNTERS["sglang"])),
    "prometheus opentelemetry": ("otel.json", lambda its: counters(its, COUNTERS["opentelemetry"])),
}
NO_REQUESTS = ("anthropic", "anthropic table", "focus")
NO_MONEY = (*NO_REQUESTS[:2], "openai", "openai table", *(name for name in USAGE if name.startswith("prom")))


def sums(name: str, its: Sequence[Use]) -> dict[str, float]:
    found = {
        "requests": sum(use.requests for use in its),
        PROMPT: sum(use.requests * use.prompt for use in its),
        CACHED: sum(use.requests * use.cached for use in its),
        COMPLETION: sum(use.requests * use.completion for use in its),
        "USD": sum(use.usd for use in its),
    }
    if name in NO_REQUESTS:
        del found["requests"]
    if name in NO_MONEY:
        del found["USD"]
    return found


def run_usage(paths: Sequence[Path], **how: Any) -> Account:
    given = {"end": (FIRST + dt.timedelta(days=3)).timestamp(), "start": FIRST.timestamp()} | how
    account = draft(cut(read_usage(paths), Cut(period_h=24.0, **given))).account
    account.reconcile()
    return account


def usage_importer(name: str, file: str, write: Write) -> Importer:
    def written(folder: Path, rng: random.Random) -> tuple[Path, Sums]:
        its = uses(rng)
        path = folder / file
        path.write_text(write(its))
        return path, sums(name, its)

    return Importer(written, run_usage)


IMPORTERS: dict[str, Importer] = {name: usage_importer(name, *one) for name, one in USAGE.items()}


# the rule


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", IMPORTERS)
def test_what_comes_in_goes_out(name: str, seed: int, tmp_path: Path) -> None:
    importer = IMPORTERS[name]
    path, truth = importer.write(tmp_path, random.Random(seed))
    account = importer.run([path])
    for measure, amount in truth.items():
        assert account.total("read", measure) == approx(amount), measure
        assert account.total("out", measure) == approx(amount), measure
        assert account.total("left out", measure) == 0, measure


@pytest.mark.parametrize("name", IMPORTERS)
def test_a_file_given_twice_goes_out_once(name: str, tmp_path: Path) -> None:
    importer = IMPORTERS[name]
    path, truth = importer.write(tmp_path, random.Random(7))
    account = importer.run([path, path])
    assert any("already" in str(remark) for remark in account.remarks)
    for measure, amount in truth.items():
        assert account.total("out", measure) == approx(amount), measure
        came = account.total("read", measure) + account.total("added", measure)
        assert came == approx(account.total("out", measure) + account.total("left out", measure)), measure


@pytest.mark.parametrize("name", IMPORTERS)
def test_a_gzipped_file_is_the_file(name: str, tmp_path: Path) -> None:
    importer = IMPORTERS[name]
    path, truth = importer.write(tmp_path, random.Random(8))
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    account = importer.run([packed])
    for measure, amount in truth.items():
        assert account.total("out", measure) == approx(amount), measure


# faults by kind


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(folder: Path, file: str, text: str, says: str) -> None:
    """An error that names the place."""
    path = put(folder, file, text)
    with pytest.raises(InputError, match=says) as caught:
        run_usage([path])
    assert file in str(caught.value)


def left(account: Account, why: str) -> dict[str, float]:
    """Amounts of the one remark that says so."""
    (remark,) = [one for one in account.remarks if why in one.why]
    return remark.amounts


def contradicting(name: str) -> Fault:
    """A second file that is later by a count in one row."""

    def fault(folder: Path, rng: random.Random) -> None:
        file, write = USAGE[name]
        its = uses(rng)
        later = [dataclasses.replace(its[0], completion=its[0].completion + 1), *its[1:]]
        paths = [put(folder, f"{index}-{file}", write(one)) for index, one in enumerate((its, later))]
        with pytest.raises(InputError) as caught:
            run_usage(paths)
        assert all(path.name in str(caught.value) for path in paths)

    return fault


def overlapping(name: str) -> Fault:
    """Days 1 and 2, and days 2 and 3: the second day counts once."""

    def fault(folder: Path, rng: random.Random) -> None:
        file, write = USAGE[name]
        its = uses(rng)
        days = sorted({use.day for use in its})
        parts = [[use for use in its if use.day in part] for part in (days[:2], days[1:])]
        paths = [put(folder, f"{index}-{file}", write(part)) for index, part in enumerate(parts)]
        account = run_usage(paths)
        for measure, amount in sums(name, its).items():
            assert account.total("out", measure) == approx(amount), measure
        second = sums(name, [use for use in its if use.day == days[1]])
        assert left(account, "counted already")[PROMPT] == approx(second[PROMPT])

    return fault


def tags(folder: Path, rng: random.Random) -> None:
    its = uses(rng)
    rows = [row | {"tag": tag} for tag in ("a", "b", "c") for row in json.loads(daily(its))]
    path = put(folder, "tags.json", json.dumps(rows))
    with pytest.raises(InputError, match="--where tag="):
        run_usage([path])
    account = run_usage([path], where=(("tag", "b"),))
    assert account.total("out", PROMPT) == approx(sums("litellm-daily", its)[PROMPT])


def scraped_twice(folder: Path, rng: random.Random) -> None:
    its = uses(rng)
    value = json.loads(counters(its))
    series = value["data"]["result"]
    value["data"]["result"] = [
        one | {"metric": one["metric"] | {"prometheus_replica": replica}}
        for one in series
        for replica in "ab"
    ]
    account = run_usage([put(folder, "two.json", json.dumps(value))])
    assert account.total("out", "requests") == approx(sums("prometheus", its)["requests"])
    assert left(account, "counted already")["series"] == len(series)


def above(name: str, says: str, **change: int) -> Fault:
    """One use whose counts cannot be."""

    def fault(folder: Path, rng: random.Random) -> None:
        file, write = USAGE[name]
        its = uses(rng)
        refused(folder, file, write([dataclasses.replace(its[0], **change), *its[1:]]), says)

    return fault


def added_to_the_prompt(name: str) -> Fault:
    """LiteLLM's other way of counting: more cached than prompt tokens means that the prompt leaves them out."""

    def fault(folder: Path, rng: random.Random) -> None:
        file, write = USAGE[name]
        its = uses(rng)
        odd = dataclasses.replace(its[0], prompt=12, cached=2500)
        account = run_usage([put(folder, file, write([odd, *its[1:]]))])
        prompt = sums(name, [dataclasses.replace(odd, prompt=2512), *its[1:]])[PROMPT]
        assert account.total("out", PROMPT) == approx(prompt)
        assert left(account, "cached tokens added to the prompt")[PROMPT] == approx(2500 * odd.requests)

    return fault


def meters(folder: Path, rng: random.Random) -> None:
    """The word nearest to token is the kind; of two at one distance, or none, an error asks."""
    its = uses(rng)
    for prompt, completion in (
        ("Generate content input token count", "Generate content output token count"),
        ("InputTokenCount-response", "Request OutputTokenCount"),
        ("model-a-Inp-glbl Tokens", "model-a opt Glbl 1M Tokens"),
        ("prompt tokens of generation", "completion tokens"),
    ):
        text = focus(its).replace("cached input tokens", "x cd inp").replace("output tokens", completion)
        account = run_usage([put(folder, "meters.csv", text.replace(",input tokens", f",{prompt}"))])
        for measure, amount in sums("focus", its).items():
            assert account.total("out", measure) == approx(amount), (prompt, measure)
    for name in ("tokens", "input output tokens input", "Tok-Out"):
        refused(folder, "odd.csv", focus(its).replace("output tokens", name), "which kind")


def tax(folder: Path, rng: random.Random) -> None:
    """What a bill charges for other things than tokens, by category and unit."""
    its = uses(rng)
    rows = [row for use in its for row in charges(use)]
    other = [
        rows[0] | {"ChargeCategory": "Tax", "BilledCost": 7.5},
        rows[1] | {"ConsumedUnit": "Hours", "BilledCost": 30.25},
        rows[2] | {"ConsumedUnit": "Requests", "BilledCost": 2.25},
    ]
    account = run_usage([put(folder, "tax.csv", table([*rows, *other]))])
    assert account.total("out", "USD") == approx(sums("focus", its)["USD"])
    assert account.total("left out", "USD") == approx(40)
    for why, usd in (("Tax", 7.5), ("Hours", 30.25), ("Requests", 2.25)):
        assert left(account, why)["USD"] == approx(usd)


def written_to_a_cache(name: str) -> Fault:
    """Counts as prompt, and as written."""

    def fault(folder: Path, rng: random.Random) -> None:
        file, write = USAGE[name]
        text = write(uses(rng))
        zeros = '"ephemeral_5m_input_tokens": 0'
        if zeros in text:
            text = text.replace(zeros, '"ephemeral_5m_input_tokens": 5', 1)
        elif "cache_write_5m" in text:
            text = re.sub(r"(,)0(,\d+,\d+\r?\n)", r"\g<1>5\g<2>", text, count=1)
        elif name == "litellm-spend":
            text = text.replace('"usage_object": {', '"usage_object": {"cache_creation_input_tokens": 5, ', 1)
        else:
            text = text.replace('"api_requests"', '"cache_creation_input_tokens": 5, "api_requests"')
        account = run_usage([put(folder, file, text)])
        assert account.total("read", WRITTEN) >= 5
        assert account.total("out", WRITTEN) == approx(account.total("read", WRITTEN))

    return fault


def written_counters(folder: Path, rng: random.Random) -> None:
    value = json.loads(counters(uses(rng), COUNTERS["opentelemetry"]))
    series = value["data"]["result"]
    name = "gen_ai_client_inference_usage_cache_write_input_tokens_total"
    series.append(series[1] | {"metric": series[1]["metric"] | {"__name__": name}})
    account = run_usage([put(folder, "written.json", json.dumps(value))])
    assert account.total("out", WRITTEN) == approx(float(series[1]["values"][-1][1]))


def halves(folder: Path, rng: random.Random) -> None:
    """A SKU a kind of token: said, and put together by name."""
    its = [use for use in uses(rng) if use.model == "model-a"]
    rows = [row | {"SkuId": str(row["SkuMeter"]).split()[-2]} for use in its for row in charges(use)]
    path = put(folder, "halves.csv", table(rows))
    assert left(run_usage([path]), "one kind of token")[COMPLETION] == approx(sums("focus", its)[COMPLETION])
    usage = cut(read_usage([path]), Cut(period_h=24.0))
    whole = draft(usage, rename={"input": "m", "output": "m"})
    whole.account.reconcile()
    assert whole.workloads == 1


def not_grouped(folder: Path, rng: random.Random) -> None:
    text = re.sub(r'"model": "model-.", ', "", openai(uses(rng)))
    assert any("no model is named" in str(one) for one in run_usage([put(folder, "all.json", text)]).remarks)


def failed_requests(folder: Path, rng: random.Random) -> None:
    rows = json.loads(spend(uses(rng)))
    lost = rows[:2]
    for row in lost:
        row["status"] = "failure"
    account = run_usage([put(folder, "failed.json", json.dumps(rows))])
    assert left(account, "failed")["requests"] == 2
    assert left(account, "failed")[PROMPT] == approx(sum(row["prompt_tokens"] for row in lost))


def failed_of_days(name: str) -> Fault:
    def fault(folder: Path, rng: random.Random) -> None:
        file, write = USAGE[name]
        its = uses(rng)
        text = write(its).replace('"failed_requests": 0', '"failed_requests": 3')
        text = re.sub(r'"api_requests": (\d+)', lambda match: f'"api_requests": {int(match[1]) + 3}', text)
        if name == "litellm-activity":  # the day has the failures of both its models
            value = json.loads(text)
            for day in value["results"]:
                day["metrics"] |= {"failed_requests": 6, "api_requests": day["metrics"]["api_requests"] + 3}
            text = json.dumps(value)
        account = run_usage([put(folder, file, text)])
        assert account.total("out", "requests") == approx(sums(name, its)["requests"])
        assert left(account, "failed")["requests"] == 3 * len(its)

    return fault


def failed_counters(folder: Path, rng: random.Random) -> None:
    value = json.loads(counters(uses(rng)))
    series = value["data"]["result"]
    last = series[3]
    series.append(last | {"metric": last["metric"] | {"finished_reason": "error"}})
    account = run_usage([put(folder, "failed.json", json.dumps(value))])
    assert left(account, "failed")["requests"] == approx(float(last["values"][-1][1]))


def unfinished(name: str) -> Fault:
    """The clock stands in the third day."""

    def fault(folder: Path, rng: random.Random) -> None:
        file, write = USAGE[name]
        its = uses(rng)
        last = FIRST + dt.timedelta(days=2)
        now = (last + dt.timedelta(hours=20)).timestamp()
        account = run_usage([put(folder, file, write(its))], now=now, start=None, end=None)
        done = sums(name, [use for use in its if use.day < last])
        for measure, amount in done.items():
            assert account.total("out", measure) == approx(amount), measure
        today = sums(name, [use for use in its if use.day == last])
        assert left(account, "not over yet")[PROMPT] == approx(today[PROMPT])

    return fault


def separated(name: str) -> Fault:
    def fault(folder: Path, rng: random.Random) -> None:
        file, write = USAGE[name]
        its = uses(rng)
        for mark in ";\t":
            account = run_usage([put(folder, file, write(its).replace(",", mark))])
            for measure, amount in sums(name, its).items():
                assert account.total("out", measure) == approx(amount), (mark, measure)

    return fault


def by_format(name: str) -> Fault:
    """The form itself, under the rule."""

    def fault(folder: Path, rng: random.Random) -> None:
        path, truth = IMPORTERS[name].write(folder, rng)
        account = IMPORTERS[name].run([path])
        assert account.total("out", PROMPT) == approx(truth[PROMPT])

    return fault


FAULTS: dict[str, dict[str, list[Fault]]] = {
    "counted more than once": {
        "LiteLLM spend logs": [overlapping("litellm-spend"), contradicting("litellm-spend")],
        "LiteLLM daily, activity": [overlapping("litellm-daily"), contradicting("litellm-daily"), tags],
        "OpenAI": [
            overlapping("openai"),
            contradicting("openai"),
            overlapping("openai table"),
            contradicting("openai table"),
        ],
        "Anthropic": [
            overlapping("anthropic"),
            contradicting("anthropic"),
            overlapping("anthropic table"),
            contradicting("anthropic table"),
        ],
        "FOCUS": [overlapping("focus"), contradicting("focus")],
        "Prometheus": [contradicting("prometheus vllm"), scraped_twice],
    },
    "a ratio or name that cannot be": {
        "LiteLLM spend logs": [
            added_to_the_prompt("litellm-spend"),
            above("litellm-spend", "cannot be", completion=-1),
        ],
        "LiteLLM daily, activity": [
            added_to_the_prompt("litellm-daily"),
            above("litellm-daily", "cannot be", completion=-1),
            above("litellm-activity", "cannot be", completion=-1),
        ],
        "OpenAI": [
            above("openai", "cannot be", prompt=5, cached=50),
            above("openai table", "cannot be", prompt=5, cached=50),
            above("openai table", "cannot be", completion=-1),
        ],
        "Anthropic": [
            above("anthropic", "cannot be", prompt=5, cached=50),
            above("anthropic table", "cannot be", completion=-1),
        ],
        "FOCUS": [meters],
        "Prometheus": [above("prometheus vllm", "cannot be", cached=10**9)],
    },
    "a charge beside what is read": {
        "LiteLLM spend logs": [written_to_a_cache("litellm-spend")],
        "LiteLLM daily, activity": [written_to_a_cache("litellm-daily")],
        "Anthropic": [written_to_a_cache("anthropic"), written_to_a_cache("anthropic table")],
        "FOCUS": [tax],
        "Prometheus": [written_counters],
    },
    "merged or split wrongly": {"OpenAI": [not_grouped], "FOCUS": [halves]},
    "not whole, or failed": {
        "LiteLLM spend logs": [failed_requests, unfinished("litellm-spend")],
        "LiteLLM daily, activity": [
            failed_of_days("litellm-daily"),
            failed_of_days("litellm-activity"),
            unfinished("litellm-daily"),
            unfinished("litellm-activity"),
        ],
        "OpenAI": [unfinished("openai"), unfinished("openai table")],
        "Anthropic": [unfinished("anthropic"), unfinished("anthropic table")],
        "FOCUS": [unfinished("focus")],
        "Prometheus": [failed_counters],
    },
    "a form that people have": {
        "LiteLLM spend logs": [by_format("litellm-spend")],
        "LiteLLM daily, activity": [by_format("litellm-activity")],
        "OpenAI": [separated("openai table")],
        "Anthropic": [separated("anthropic table")],
        "FOCUS": [separated("focus")],
        "Prometheus": [by_format("prometheus sglang"), by_format("prometheus opentelemetry")],
    },
}
for kind, of_listings in LISTING_FAULTS.items():
    FAULTS[kind] = FAULTS.get(kind, {}) | of_listings
CASES = [
    pytest.param(fault, id=f"{kind} - {importer} {index}")
    for kind, importers in FAULTS.items()
    for importer, faults in importers.items()
    for index, fault in enumerate(faults)
]


@pytest.mark.parametrize("fault", CASES)
def test_a_fault_is_told_and_the_value_is_right(fault: Fault, tmp_path: Path) -> None:
    fault(tmp_path, random.Random(3))


def test_the_page_shows_this_table() -> None:
    """A cell has words where there is a fault, and a dash with its reason where an importer cannot have it."""
    page = (ROOT / "docs" / "imports.md").read_text(encoding="utf-8")
    shown: dict[str, dict[str, str]] = {}
    for block in re.findall(r"^\| kind \|.*?(?:\n\n|\Z)", page, re.M | re.S):
        head, _, *lines = (
            [cell.strip() for cell in line.strip("| ").split(" | ")] for line in block.strip().splitlines()
        )
        for kind, *cells in lines:
            shown.setdefault(kind, {}).update(zip(head[1:], cells, strict=True))
    assert set(shown) == set(FAULTS)
    for kind, cells in shown.items():
        assert {name for name, cell in cells.items() if not cell.startswith("–")} == set(FAULTS[kind]), kind
