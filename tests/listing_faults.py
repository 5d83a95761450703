"""Faults that price lists, GPU tables, measurements and traces can have, made at random, and what must come of them.

Joined to the faults of records of use in test_importers_rule.py; docs/imports.md shows the same table.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest import approx

from router.errors import InputError
from router.importers.account import Account
from router.importers.performance import Replica, extract, read_runs
from router.importers.prices import Listing, catalogue, gpu_csv, litellm
from router.traces.extract import Choices, TraceExtract
from router.traces.extract import extract as extract_trace

Fault = Callable[[Path, random.Random], None]
DAY = dt.date(2026, 11, 1)
GPU_HEAD = "instance_name,location,price,gpu_count,gpu_name,gpu_memory,spot,flags\n"


def said(account: Account) -> str:
    """Everything that the account says; it balances."""
    account.reconcile()
    return "\n".join(account.lines())


def prices(folder: Path, entries: Mapping[str, Mapping[str, Any]], **options: Any) -> Listing:
    path = folder / "prices.json"
    named = {key: {"litellm_provider": "p", "mode": "chat"} | dict(one) for key, one in entries.items()}
    path.write_text(json.dumps(named), encoding="utf-8")
    listing = litellm(path, when=DAY, **options)
    catalogue(listing, "prices")
    return listing


def sold(rng: random.Random) -> dict[str, Any]:
    return {
        "input_cost_per_token": rng.randint(1, 90) / 1e7,
        "output_cost_per_token": rng.randint(100, 900) / 1e7,
    }


def machines(folder: Path, rows: str, **options: Any) -> Listing:
    path = folder / "catalog.csv"
    path.write_text(GPU_HEAD + rows, encoding="utf-8")
    listing = gpu_csv(path, models=["m"], when=DAY, provider="c", tokens_per_s=1, **options)
    catalogue(listing, "machines")
    return listing


def usd(listing: Listing) -> dict[str, float]:
    return {entry.offer: (entry.instances or {})["usd_per_h"] for entry in listing.entries}


def measured(folder: Path, runs: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, float]], Account]:
    path = folder / "runs.jsonl"
    common = {
        "model_id": "m",
        "completed": 100,
        "failed": 0,
        "total_output_tokens": 20_000,
        "request_rate": "inf",
    }
    path.write_text("".join(json.dumps(common | dict(one)) + "\n" for one in runs), encoding="utf-8")
    found = extract(read_runs(path)[1], Replica(offer="o", model="m", gpus=1, usd_per_gpu_h=1.0))
    return list(found.points), found.account


def run_of(rng: random.Random, concurrency: int = 8) -> dict[str, Any]:
    return {
        "total_input_tokens": 100_000,
        "request_throughput": rng.randint(10, 90) / 10,
        "max_concurrency": concurrency,
        "median_ttft_ms": rng.randint(50, 500),
    }


def log(
    folder: Path, rows: Sequence[str], head: str = "timestamp,prompt_tokens,completion_tokens", **options: Any
) -> TraceExtract:
    path = folder / "log.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return extract_trace(path, Choices(classes=1, **options))


def requests(found: TraceExtract) -> float:
    return sum(float(load.counts.sum()) for load in found.workloads)


# counted more than once


def stated_twice(folder: Path, rng: random.Random) -> None:
    entry = sold(rng)
    listing = prices(
        folder, {"a": entry | {"output_cost_per_reasoning_token": entry["output_cost_per_token"]}}
    )
    assert "merged, a price that is stated once more, under another name: 1 charge" in said(listing.account)


def zones(folder: Path, rng: random.Random) -> None:
    first, second = rng.randint(100, 200) / 10, rng.randint(201, 300) / 10
    listing = machines(folder, f"x,us,{second},8,H9,80,False,\nx,us,{first},8,H9,80,False,\n")
    assert usd(listing) == {"c/x/us": first}
    assert "merged, zones of a region, of which the cheapest counts: 1 entry" in said(listing.account)


def summary_beside(folder: Path, rng: random.Random) -> None:
    one = run_of(rng)
    points, account = measured(folder, [one, one])
    assert len(points) == 1
    assert "counted already" in said(account)


# a ratio or name that cannot be


def price_that_cannot_be(folder: Path, rng: random.Random) -> None:
    bad = sold(rng) | {"input_cost_per_token": rng.choice([-1e-6, 2.5, "free"])}
    listing = prices(folder, {"a": sold(rng), "b": bad})
    assert [entry.offer for entry in listing.entries] == ["a"]
    assert "a price that cannot be" in said(listing.account)


def memory_that_cannot_be(folder: Path, rng: random.Random) -> None:
    each, count = rng.choice([24, 80, 141]), rng.choice([1, 4, 8])
    listing = machines(folder, f"x,us,{count},{count},H9,{each * 1024},False,\n")
    assert (listing.entries[0].instances or {})["memory_gb"] == each * count
    assert "memory that cannot be" in said(listing.account)


def latencies_that_cannot_be(folder: Path, rng: random.Random) -> None:
    one, factor = run_of(rng), rng.choice([1e3, 1e6])
    bad = run_of(rng, 16) | {"mean_e2el_ms": 16_000 / run_of(rng)["request_throughput"] * factor}
    points, account = measured(folder, [one, bad])
    assert [point["requests_per_s"] for point in points] == [one["request_throughput"]]
    assert "requests in flight, at most 16 were" in said(account)


def latencies_in_seconds(folder: Path, rng: random.Random) -> None:
    one = run_of(rng)
    seconds = {"median_ttft": one.pop("median_ttft_ms") / 1e3}
    points, _ = measured(folder, [one | seconds])
    assert points[0]["ttft_p50_ms"] == approx(seconds["median_ttft"] * 1e3)


def cached_above_prompt(folder: Path, rng: random.Random) -> None:
    prompt = rng.randint(10, 1000)
    rows = ["0,100,10,50", f"1,{prompt},10,{prompt + 1}"]
    with pytest.raises(InputError, match=rf"line 3.*is more than the {prompt} prompt tokens"):
        log(folder, rows, "timestamp,prompt_tokens,completion_tokens,cached_tokens")


def milliseconds(folder: Path, rng: random.Random) -> None:
    count = rng.randint(5, 12)
    found = log(
        folder, [f"{i * 300_000},1000,200" for i in range(count)], "timestamp,input_length,output_length"
    )
    assert (found.periods, requests(found)) == (1, count)
    assert "taken as milliseconds because the columns are Mooncake's" in said(found.account)


# a charge beside what is read


def beside(field: str, value: object, amount: str) -> Fault:
    def fault(folder: Path, rng: random.Random) -> None:
        listing = prices(folder, {"a": sold(rng) | {field: value}})
        assert listing.account.total("read", "charges") == 3
        assert listing.account.total("out", "charges") == 2
        assert f"a: {amount}" in said(listing.account)
        assert amount in (listing.entries[0].note or "")

    return fault


def priced(field: str, value: object, price: str, usd: float) -> Fault:
    """A charge that an offer has a field for is a price of it."""

    def fault(folder: Path, rng: random.Random) -> None:
        listing = prices(folder, {"a": sold(rng) | {field: value}})
        assert listing.account.total("read", "charges") == listing.account.total("out", "charges") == 3
        assert float(getattr(listing.entries[0], price)) == approx(usd)

    return fault


def host(folder: Path, rng: random.Random) -> None:
    gpus, own = rng.randint(100, 300) / 10, rng.randint(10, 90) / 10
    path = folder / "vms.csv"
    path.write_text(
        "InstanceType,AcceleratorName,AcceleratorCount,Price,SpotPrice,Region,AvailabilityZone,GpuInfo\n"
        f"a2-highgpu-8g,,,{own},,us,us-a,\n,A100,8,{gpus},,us,us-a,\n,L9,1,0.5,,us,us-a,\n"
    )
    listing = gpu_csv(path, models=["m"], when=DAY, provider="c", tokens_per_s=1)
    catalogue(listing, "machines")
    assert usd(listing) == {"c/8xA100/us": approx(gpus + own), "c/1xL9/us": 0.5}
    assert "the host that they need is charged beside it (c/1xL9/us" in said(listing.account)


# a price invented or of another thing


def variant_above_a_step(folder: Path, rng: random.Random) -> None:
    entry = sold(rng) | {
        "input_cost_per_token_flex": 1e-8,
        "output_cost_per_token_flex": 1e-8,
        "input_cost_per_token_above_200k_tokens": 1e-5,
    }
    (offer,) = prices(folder, {"a": entry}, variant="flex").entries
    assert offer.max_prompt_tokens == 200_000


def reservation(folder: Path, rng: random.Random) -> None:
    flag = rng.choice(["gcp-dws-calendar-mode", "aws-capacity-block", "reserved-1y"])
    listing = machines(folder, f"x,us,40,8,H9,80,False,\nx,us,20,8,H9,80,False,{flag}\n")
    assert usd(listing) == {"c/x/us": 40}
    assert f"price of a reservation (flag {flag})" in said(listing.account)


def placeholder(folder: Path, rng: random.Random) -> None:
    listing = machines(folder, f"x,us,16,8,H9,80,False,\ny,us,{rng.randint(500, 900)},8,H9,80,False,\n")
    assert usd(listing) == {"c/x/us": 16}
    assert "a placeholder" in said(listing.account)


# merged or split wrongly


def machines_of_one_name(folder: Path, rng: random.Random) -> None:
    counts = rng.sample([1, 2, 4, 8], 3)
    listing = machines(folder, "".join(f"pod,us,{count * 3},{count},H9,80,False,\n" for count in counts))
    assert usd(listing) == {f"c/pod/us/{count}xH9": count * 3 for count in counts}
    said(listing.account)


def drawn_sizes(folder: Path, rng: random.Random) -> None:
    """Steps of one sweep, whose mean prompts differ by up to 4 %."""
    means = [rng.randint(98_100, 101_900) + 0.5 for _ in range(3)]
    runs = [run_of(rng, 2**i) | {"total_input_tokens": mean} for i, mean in enumerate(means)]
    points, account = measured(folder, runs)
    (size,) = {point["prompt_tokens"] for point in points}
    assert size == approx(max(means) / 100, abs=0.1)
    assert "taken for one size" in said(account)


def two_models(folder: Path, rng: random.Random) -> None:
    with pytest.raises(InputError, match="the runs are of 2 models: m, n"):
        measured(folder, [run_of(rng), run_of(rng, 16) | {"model_id": "n"}])


def names_that_fall_together(folder: Path, rng: random.Random) -> None:
    odd = rng.choice(["a\u200bb", "a\u202eb", "ab\x07"])
    head = "timestamp,prompt_tokens,completion_tokens,tenant"
    found = log(folder, ["0,100,10,ab", f"1,100,10,{odd}"], head, by=("tenant",))
    assert [load.name for load in found.workloads] == ["ab", "ab-2"]
    assert "cleaned" in said(found.account)


# not whole, or failed


def deprecated(folder: Path, rng: random.Random) -> None:
    listing = prices(folder, {"a": sold(rng), "b": sold(rng) | {"deprecation_date": "2026-01-01"}})
    assert [entry.offer for entry in listing.entries] == ["a"]
    assert "deprecated before 2026-11-01 (b)" in said(listing.account)


def warm_up(folder: Path, rng: random.Random) -> None:
    one = run_of(rng)
    points, account = measured(
        folder, [one | {"request_throughput": 0.5, "run_number": -1}, one | {"run_number": 0}]
    )
    assert [point["requests_per_s"] for point in points] == [one["request_throughput"]]
    assert "left out, a warm-up run: 1 run" in said(account)


def failed_runs(folder: Path, rng: random.Random) -> None:
    lost = rng.randint(1, 50)
    points, account = measured(folder, [run_of(rng), run_of(rng, 64) | {"failed": lost}])
    assert len(points) == 1
    assert f"{lost} of {100 + lost} requests failed" in said(account)


def failed_requests(folder: Path, rng: random.Random) -> None:
    rows = [f"{i},{rng.randint(1, 900)},10,200" for i in range(20)]
    lost = [f"{20 + i},{rng.choice(['0,0,200', '50,0,503', '50,9,429'])}" for i in range(rng.randint(1, 9))]
    found = log(folder, rows + lost, "timestamp,prompt_tokens,completion_tokens,status")
    assert requests(found) == 20
    assert found.account.total("left out", "requests") == len(lost)
    said(found.account)


# a form that people have


def semicolons(folder: Path, rng: random.Random) -> None:
    path = folder / "catalog.csv"
    path.write_text((GPU_HEAD + "x,us,16,8,H9,80,False,\n").replace(",", ";"))
    listing = gpu_csv(path, models=["m"], when=DAY, provider="c", tokens_per_s=1)
    catalogue(listing, "machines")
    assert usd(listing) == {"c/x/us": 16}


def table_of_a_sweep(folder: Path, rng: random.Random) -> None:
    path = folder / "summary.csv"
    rate = rng.randint(10, 90) / 10
    path.write_text(
        ",model_id,completed,failed,total_input_tokens,total_output_tokens,request_throughput,max_concurrency\n"
        f"0,m,100,0,100000,20000,{rate},8\n"
    )
    found = extract(read_runs(path)[1], Replica(offer="o", model="m", gpus=1, usd_per_gpu_h=1.0))
    assert [point["requests_per_s"] for point in found.points] == [rate]


def json_lines(folder: Path, rng: random.Random) -> None:
    path = folder / "log.jsonl"
    ids = rng.sample(range(1000), 3)
    rows = [
        {"timestamp": i * 1000, "input_length": 1500, "output_length": 20, "hash_ids": ids} for i in range(4)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = extract_trace(path, Choices(classes=1))
    assert requests(found) == 4
    assert found.workloads[0].cached_share == approx(0.75)
    said(found.account)


def tabs(folder: Path, rng: random.Random) -> None:
    path = folder / "log.tsv"
    path.write_text(f"timestamp\tprompt_tokens\tcompletion_tokens\n0\t{rng.randint(1, 99)}\t10\n")
    assert requests(extract_trace(path, Choices(classes=1))) == 1


LISTS, GPUS, RUNS, LOGS = "Price lists", "GPU tables", "Measurements", "Traces"
LISTING_FAULTS: dict[str, dict[str, list[Fault]]] = {
    "counted more than once": {LISTS: [stated_twice], GPUS: [zones], RUNS: [summary_beside]},
    "a ratio or name that cannot be": {
        LISTS: [price_that_cannot_be],
        GPUS: [memory_that_cannot_be],
        RUNS: [latencies_that_cannot_be, latencies_in_seconds],
        LOGS: [cached_above_prompt, milliseconds],
    },
    "a charge beside what is read": {
        LISTS: [
            beside("cache_creation_input_token_cost_above_1hr", 3.75e-06, "3.75 USD per M tokens"),
            priced("cache_creation_input_token_cost", 3.75e-06, "written", 3.75),
            priced("input_cost_per_request", 0.005, "request", 0.005),
            beside("output_cost_per_reasoning_token", 1e-3, "1000.00 USD per M tokens"),
            priced("search_context_cost_per_query", {"search_context_size_high": 0.02}, "request", 0.02),
            beside("input_cost_per_video_per_second", 0.0005, "0.0005 USD per second of video"),
            beside("input_cost_per_image", 0.001, "0.001 USD per image"),
            beside("off_peak_pricing", {"input_cost_per_token": 1e-8}, "0.01 USD per M tokens"),
        ],
        GPUS: [host],
    },
    "a price invented or of another thing": {LISTS: [variant_above_a_step], GPUS: [reservation, placeholder]},
    "merged or split wrongly": {
        GPUS: [machines_of_one_name],
        RUNS: [drawn_sizes, two_models],
        LOGS: [names_that_fall_together],
    },
    "not whole, or failed": {LISTS: [deprecated], RUNS: [warm_up, failed_runs], LOGS: [failed_requests]},
    "a form that people have": {GPUS: [semicolons], RUNS: [table_of_a_sweep], LOGS: [json_lines, tabs]},
}
