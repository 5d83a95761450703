"""Price lists as people have them: every entry and every charge is in the catalogue or named as left out.

Inputs in tests/data/prices; what each is made after stands in its README, where the kind was met in docs/imports.md.
"""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest import approx

import router
from router.cli import run
from router.importers.prices import Listing, catalogue, gpu_csv, litellm, models_dev, opencost
from router.loading.catalogue import load_text
from router.verification.base.times import OfferTimes

DATA = Path(__file__).parent / "data" / "prices"
DAY = dt.date(2026, 11, 1)
CHAT = {"litellm_provider": "p", "mode": "chat"}


def listed(tmp_path: Path, entries: dict[str, dict[str, Any]], **options: Any) -> Listing:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({name: CHAT | entry for name, entry in entries.items()}))
    return balanced(litellm(path, when=DAY, **options))


def balanced(listing: Listing) -> Listing:
    """The listing, written; what came in is what went out and what is left out."""
    catalogue(listing, "prices")
    listing.account.reconcile()
    return listing


def lines(listing: Listing) -> str:
    return "\n".join(listing.account.lines())


def machines(name: str, **options: Any) -> Listing:
    return balanced(gpu_csv(DATA / name, models=["m"], when=DAY, provider="c", **options))


def rented(listing: Listing) -> dict[str, tuple[float, float | None]]:
    """USD per hour and GB by offer."""
    found = {}
    for entry in listing.entries:
        assert entry.instances is not None
        found[entry.offer] = entry.instances["usd_per_h"], entry.instances.get("memory_gb")
    return found


# ---------------------------------------------------------------- charges beside tokens


@pytest.mark.parametrize(
    ("model", "amount"),
    [
        ("video-model", "0.0005 USD per second of video"),
        ("thinking-model", "4.00 USD per M tokens"),
    ],
)
def test_a_charge_beside_tokens_is_named_with_its_amount(model: str, amount: str) -> None:
    """Of 17 charges 12 are prices of prompt and completion tokens and of a cache, two of requests, one of a night."""
    listing = balanced(litellm(DATA / "litellm_fees.json", when=DAY))
    assert lines(listing).startswith("read: all of 6 entries, 15 of 17 charges")
    assert f"({model}: {amount}" in lines(listing)
    note = next(entry.note for entry in listing.entries if entry.offer == model)
    assert note is not None
    assert amount in note


SEARCHED = """
schema: router/1
include: [offers.yaml]
workloads:
  - {name: w, models: [MODEL], demand: {requests_per_month: 1M}, prompt_tokens: 1000, completion_tokens: 300}
"""


@pytest.mark.parametrize(
    ("model", "size", "usd"),
    [
        ("search-model", "high", 5840.0),
        ("search-model-2", "low", 13_500.0),
        ("search-model-2", "medium", 17_500.0),
        ("search-model-2", "high", 21_500.0),
    ],
)
def test_what_a_request_costs_is_in_the_plan(tmp_path: Path, model: str, size: str, usd: float) -> None:
    """A million requests of 1,000 + 300 tokens: 0 + 840 USD of tokens and 5,000 of requests at search-model; at the
    other 3,000 + 4,500, and a search in every request at 0.006, 0.01 or 0.014 USD by its size."""
    listing = balanced(litellm(DATA / "litellm_fees.json", when=DAY, search=size))
    (tmp_path / "offers.yaml").write_text(catalogue(listing, "prices"), encoding="utf-8")
    (tmp_path / "problem.yaml").write_text(SEARCHED.replace("MODEL", model), encoding="utf-8")
    assert router.solve(tmp_path / "problem.yaml").cost_usd == approx(usd)


DAY_AND_NIGHT = """
schema: router/1
include: [offers.yaml]
horizon: {periods: 24, period_h: 1, start: "2027-01-04"}
workloads:
  - {name: w, models: [night-model], demand: {requests_per_hour: 1000}, prompt_tokens: 1000, completion_tokens: 300}
"""


def test_off_peak_prices_are_in_the_plan(tmp_path: Path) -> None:
    """1,000 requests of 1,000 + 300 tokens an hour: 16 hours at 1.30 + 1.20 USD, and 8, from 16:00 UTC on, at half."""
    listing = balanced(litellm(DATA / "litellm_fees.json", when=DAY))
    (tmp_path / "offers.yaml").write_text(catalogue(listing, "prices"), encoding="utf-8")
    (tmp_path / "problem.yaml").write_text(DAY_AND_NIGHT, encoding="utf-8")
    assert router.solve(tmp_path / "problem.yaml").cost_usd == approx(16 * 2.5 + 8 * 1.25)


WORKING_DAYS = [
    {"hours_utc": ["00:00-01:00", "04:00-06:00", "10:00-00:00"], "weekdays": [1, 2, 3, 4, 5]},
    {"hours_utc": "00:00-00:00", "weekdays": ["sat", "Sunday"]},
]


@pytest.mark.parametrize(
    "terms",
    [
        {"hours_utc": "16:30-00:30"},
        {"windows": [{"hours_utc": ["22:00-02:00"], "weekdays": [1, 5]}]},
        {"windows": WORKING_DAYS},
        {"windows": WORKING_DAYS, "weekday_timezone": "Asia/Shanghai"},
        {"windows": [{"hours_utc": "10:00-00:00", "weekdays": [5]}], "weekday_timezone": "Asia/Kolkata"},
    ],
)
def test_off_peak_hours_hold_when_the_list_says(tmp_path: Path, terms: dict[str, Any]) -> None:
    """Every quarter of an hour of a week: hours in UTC, days of the week those of the moment in the list's zone."""
    prices = {"input_cost_per_token": 2e-6, "output_cost_per_token": 2e-6}
    entry = prices | {"off_peak_pricing": {"input_cost_per_token": 1e-6} | terms}
    text = catalogue(listed(tmp_path, {"a": entry}), "prices")
    week = 'horizon: {periods: 168, period_h: 1, start: "2027-01-04"}'
    load = "{name: w, models: [a], demand: {requests_per_hour: 1}, prompt_tokens: 1, completion_tokens: 1}"
    problem = load_text(f"{text}{week}\nworkloads: [{load}]", "problem.yaml")
    times = OfferTimes(problem)
    zone = ZoneInfo(terms.get("weekday_timezone", "UTC"))
    for quarter in range(4 * 168):
        at = dt.datetime(2027, 1, 4, tzinfo=dt.UTC) + dt.timedelta(minutes=15 * quarter + 7)
        found = times.mean(
            "a", quarter / 4, (quarter + 1) / 4, lambda one: one.offer.models["a"].prompt_usd_per_m
        )
        assert found == approx(1.0 if off_peak(terms, at, zone) else 2.0), at


def off_peak(terms: dict[str, Any], at: dt.datetime, zone: ZoneInfo) -> bool:
    names = {"sat": 6, "Sunday": 7}
    for window in [{"hours_utc": terms.get("hours_utc", [])}, *terms.get("windows", [])]:
        days = window.get("weekdays")
        if days and at.astimezone(zone).isoweekday() not in [names.get(day, day) for day in days]:
            continue
        hours = window["hours_utc"]
        for span in [hours] if isinstance(hours, str) else hours:
            begin, end = (dt.time.fromisoformat(part) for part in span.split("-"))
            if (begin <= at.time() < end) if begin < end else (at.time() >= begin or at.time() < end):
                return True
    return False


@pytest.mark.parametrize(
    "terms",
    [
        {"hours_utc": "from 16:30"},
        {"hours_utc": 16.5},
        {"windows": [16]},
        {"windows": [{"hours_utc": "16:00-17:00", "weekdays": [True]}]},
        {"windows": [{"hours_utc": "16:00-00:00", "weekdays": [1]}], "weekday_timezone": "Europe/Berlin"},
    ],
)
def test_off_peak_hours_that_no_rule_says_are_named(tmp_path: Path, terms: dict[str, Any]) -> None:
    """No hours, and days of a zone whose clocks change, while the hours are those of UTC."""
    prices = {"input_cost_per_token": 2e-6, "output_cost_per_token": 2e-6}
    entry = prices | {"off_peak_pricing": {"input_cost_per_token": 1e-6} | terms}
    listing = listed(tmp_path, {"a": entry})
    assert listing.entries[0].hours == ()
    assert "1.00 USD per M tokens" in (listing.entries[0].note or "")


def test_that_a_search_in_every_request_is_assumed_is_said() -> None:
    listing = litellm(DATA / "litellm_fees.json", when=DAY, search="low")
    assumed = (
        "0.006 USD per search of low context, one a request assumed (low 0.006, medium 0.01, high 0.014)"
    )
    assert f"search-model-2: {assumed}" in lines(listing)
    assert [entry.note for entry in listing.entries if entry.offer == "search-model-2"] == [assumed]


def test_a_fee_and_a_search_are_one_price_of_a_request(tmp_path: Path) -> None:
    """0.005 + 0.01 USD; two charges read, one written, one in it."""
    prices = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "input_cost_per_request": 0.005}
    listing = listed(
        tmp_path, {"a": prices | {"search_context_cost_per_query": {"search_context_size_high": 0.01}}}
    )
    assert listing.entries[0].request == Decimal("0.015")


def test_charges_of_any_unit_are_named(tmp_path: Path) -> None:
    prices = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    listing = listed(
        tmp_path,
        {
            "a": prices
            | {
                "input_cost_per_audio_token": 3e-5,
                "input_cost_per_image": 0.002,
                "code_interpreter_cost_per_session": 0.03,
                "citation_cost_per_token": 2e-6,
                "provider_specific_entry": {"us": 1.1},
                "regional_processing_uplift_multiplier_eu": 1.2,
                "output_cost_per_reasoning_token": 2e-6,
                "input_dbu_cost_per_token": 1.4e-5,
            }
        },
    )
    for said in (
        "30.00 USD per M tokens",
        "0.002 USD per image",
        "0.03 USD per session",
        "2.00 USD per M tokens",
        "x 1.1 for us",
        "x 1.2",
    ):
        assert said in lines(listing)
    assert "merged, a price that is stated once more" in lines(
        listing
    )  # reasoning at the price of completions


def test_strict_refuses_what_a_bill_would_have_beside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "offers.yaml"
    command = ["import", "prices", "litellm", str(DATA / "litellm_fees.json"), "-o", str(out)]
    assert run([*command, "--strict"]) == 2
    assert "reasoning (thinking-model: 4.00" in capsys.readouterr().err
    assert run([*command, "--dry-run"]) == 0
    assert "goes out" in capsys.readouterr().out
    assert not out.exists()
    assert run(command) == 0
    text = out.read_text(encoding="utf-8")
    assert "# left out, charged beside tokens: reasoning (thinking-model: 4.00 USD per M tokens)" in text
    assert "cache_write_usd_per_m: 3.75" in text


# ---------------------------------------------------------------- prices that are none, or of another thing


@pytest.mark.parametrize("price", [-1, -1e-6, 3.0, 0.0025, "free", "nan"])
def test_a_price_that_cannot_be_leaves_its_entry_out(tmp_path: Path, price: object) -> None:
    """Below 0, no number, or 3 USD a token where 3 USD a million is meant; 0.0025 where it is a thousand."""
    good = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    listing = listed(tmp_path, {"good": good, "bad": good | {"output_cost_per_token": price}})
    assert [entry.offer for entry in listing.entries] == ["good"]
    assert f"a price that cannot be (output_cost_per_token: {price})" in lines(listing)


def test_cached_tokens_that_are_dearer_than_others(tmp_path: Path) -> None:
    """Where a list says so, it is said; a batch at half the price whose cached price is the standard one has none."""
    good = {
        "input_cost_per_token": 2e-6,
        "output_cost_per_token": 4e-6,
        "cache_read_input_token_cost": 1.5e-6,
    }
    bad = good | {"cache_read_input_token_cost": 3e-6}
    listing = listed(tmp_path, {"good": good, "bad": bad})
    assert "cached tokens dearer than others, as listed (bad: 3.00 beside 2.00 USD per M tokens)" in lines(
        listing
    )
    batch = good | {"input_cost_per_token_batches": 1e-6, "output_cost_per_token_batches": 2e-6}
    (one,) = listed(tmp_path, {"a": batch}, variant="batches").entries
    assert (one.prompt, one.cached) == (1, None)


def test_a_variant_has_no_price_above_a_step_that_only_the_standard_tier_has(tmp_path: Path) -> None:
    """Flex at 0.5 up to 200,000 tokens; above, only the standard 2 is stated, and a flex price would be invented."""
    entry = {
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 4e-6,
        "input_cost_per_token_above_200k_tokens": 2e-6,
        "input_cost_per_token_flex": 5e-7,
        "output_cost_per_token_flex": 2e-6,
        "max_input_tokens": 1_000_000,
    }
    other = {"input_cost_per_token_flex": 1e-6, "output_cost_per_token_flex": 2e-6}
    (flex, _) = listed(tmp_path, {"a": entry, "b": other}, variant="flex").entries
    assert (float(flex.prompt or 0), flex.max_prompt_tokens) == (0.5, 200_000)
    long = listed(tmp_path, {"a": entry, "b": other}, variant="flex", prompt_tokens=300_000)
    assert [one.offer for one in long.entries] == ["b:flex"]
    assert "no flex price above 200,000 prompt tokens (a:flex)" in lines(long)


def test_a_step_of_one_kind_of_token_keeps_the_others(tmp_path: Path) -> None:
    entry = {
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 4e-6,
        "input_cost_per_token_above_128k_tokens": 2e-6,
    }
    (one,) = listed(tmp_path, {"a": entry}, prompt_tokens=200_000).entries
    assert (one.prompt, one.completion) == (2, 4)


def test_longest_prompt_and_answer_are_limits_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """265,000 + 10,000 tokens fit 272,000 in and 128,000 out: 304.17 requests a month of 0.33125 + 0.1 USD."""
    offers = tmp_path / "offers.yaml"
    assert run(["import", "prices", "litellm", str(DATA / "litellm_context.json"), "-o", str(offers)]) == 0
    assert "limits: {max_prompt_tokens: 272000, max_completion_tokens: 128000}" in offers.read_text()
    problem = tmp_path / "problem.yaml"
    text = (
        "schema: router/1\ninclude: [offers.yaml]\nworkloads:\n  - {name: w, models: [gpt-x], demand: "
        "{requests_per_day: 10}, prompt_tokens: 265000, completion_tokens: 10000}\n"
    )
    problem.write_text(text)
    capsys.readouterr()
    assert run(["solve", str(problem), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost_usd"] == approx(131.17, abs=0.005)
    for longer in (text.replace("265000", "300000"), text.replace("10000}", "128001}")):
        problem.write_text(longer)
        assert run(["solve", str(problem)]) == 3
        assert "too small a context" in capsys.readouterr().err


def test_max_tokens_alone_is_a_window(tmp_path: Path) -> None:
    """The older field: the answer's length where `max_output_tokens` repeats it, else the window."""
    price = {"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6, "max_tokens": 8192}
    (alone, both) = listed(tmp_path, {"a": price, "b": price | {"max_output_tokens": 8192}}).entries
    assert (alone.context_tokens, alone.max_completion_tokens) == (8192, None)
    assert (both.context_tokens, both.max_completion_tokens) == (None, 8192)


def test_a_key_that_stands_twice_is_said(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    entry = (
        '{"litellm_provider": "p", "mode": "chat", "input_cost_per_token": %s, "output_cost_per_token": 1e-6}'
    )
    path.write_text(f'{{"a": {entry % "1e-6"}, "a": {entry % "2e-6"}}}')
    listing = balanced(litellm(path, when=DAY))
    assert [entry.prompt for entry in listing.entries] == [2]
    assert "keys that stand in the file twice, of which the last counts (a)" in lines(listing)


# ---------------------------------------------------------------- machines


def test_machines_of_one_name_are_told_apart_and_a_reservation_is_none() -> None:
    listing = machines("gpuhunt_names.csv")
    assert {name: usd for name, (usd, _) in rented(listing).items()} == {
        "c/pod-h9/dc-1/1xH9": 3.0,
        "c/pod-h9/dc-1/8xH9": 24.0,
        "c/n9-standard-8/z-a/1xT9": 0.73,
        "c/n9-standard-8/z-a/1xV9": 2.86,
        "c/a9-8g/z-a": 88.5,
    }
    said = "price of a reservation (flag gcp-dws-calendar-mode) (c/a9-8g/z-a"
    assert said in lines(listing)
    assert "at 47.10 USD/h" in lines(listing)
    assert "at 47.10 USD/h" in catalogue(listing, "again").rpartition("# left out")[2]


@pytest.mark.parametrize(
    ("name", "offer", "gb", "said"),
    [
        ("vms_lambda.csv", "c/gpu_8x_b9/us-1", 1440, "read 184320 MiB, taken 1440 GB (8 × 180 GB)"),
        ("vms_runpod.csv", "c/4x_A9-80GB/US", 320, "read 320 MiB, taken 320 GB (4 × 80 GB)"),
    ],
)
def test_memory_is_count_times_size(name: str, offer: str, gb: float, said: str) -> None:
    listing = machines(name)
    assert rented(listing)[offer][1] == gb
    assert f"{offer}: GPU memory {said}" in lines(listing)


HEAD = "InstanceType,AcceleratorName,AcceleratorCount,Price,Region,GpuInfo,SpotPrice\n"


@pytest.mark.parametrize(
    ("cell", "gb", "remark"),
    [
        (
            "{'Gpus': [{'Count': 8, 'MemoryInfo': {'SizeInMiB': 81920}}], 'TotalGpuMemoryInMiB': 655360}",
            640,
            False,
        ),
        (
            "{'Gpus': [{'Count': 8, 'MemoryInfo': {'SizeInMiB': 655360}}], 'TotalGpuMemoryInMiB': 655360}",
            640,
            False,
        ),
        ("{'Gpus': [{'Count': 8, 'MemoryInfo': {'SizeInMiB': 81920}}]}", 640, False),
        ("{'Gpus': [{'MemoryInfo': {'SizeInMiB': 80}}]}", 640, True),
        ("{'TotalGpuMemoryInMiB': 655360}", 640, False),
        ("{'TotalGpuMemoryInMiB': 640}", 640, True),
        ("{'Gpus': [{'Count': 8, 'MemoryInfo': {'SizeInMiB': 81920000000}}]}", None, True),
        ("{}", None, False),
        ("H100", None, False),
    ],
)
def test_memory_of_a_cell_in_any_unit(tmp_path: Path, cell: str, gb: float | None, remark: bool) -> None:
    path = tmp_path / "vms.csv"
    path.write_text(f'{HEAD}big,H9,8,24.0,us,"{cell}",\n')
    listing = balanced(gpu_csv(path, models=["m"], when=DAY, provider="c", tokens_per_s=1))
    assert rented(listing)["c/big/us"] == (24.0, gb)
    assert ("memory that cannot be" in lines(listing)) is remark


def test_a_pod_of_tpus_is_no_placeholder(tmp_path: Path) -> None:
    path = tmp_path / "catalog.csv"
    head = "instance_name,location,price,gpu_count,gpu_name,gpu_memory,spot,gpu_vendor\n"
    path.write_text(f"{head}v5p-512,us,1075.2,1,v5p-512,,False,google\n")
    assert rented(balanced(gpu_csv(path, models=["m"], when=DAY, provider="c"))) == {
        "c/v5p-512/us": (1075.2, None)
    }


@pytest.mark.parametrize("read", ["81920", "640"])
def test_memory_of_gpuhunt_in_mib_or_of_all_gpus(tmp_path: Path, read: str) -> None:
    path = tmp_path / "catalog.csv"
    path.write_text(
        f"instance_name,location,price,gpu_count,gpu_name,gpu_memory,spot\nx,us,16,8,H9,{read},False\n"
    )
    listing = balanced(gpu_csv(path, models=["m"], when=DAY, provider="c"))
    assert rented(listing)["c/x/us"][1] == 640
    assert f"memory of one GPU read {read}, taken 80 GB" in lines(listing)


def test_the_host_of_gpus_is_counted_in_or_named() -> None:
    """Google Cloud's table: 24 for eight A100 and 6 for the host that they come with; a T4 may be in any host."""
    listing = machines("vms_gcp.csv", spot_availability=0.5)
    assert rented(listing) == {
        "c/8xA100/us-1": (30.0, 320),
        "c/8xA100/us-1:spot": (11.0, 320),
        "c/1xT4/us-1": (0.35, 16),
        "c/1xT4/us-1:spot": (0.1, 16),
    }
    assert "c/8xA100/us-1: GPUs 24 + host a2-highgpu-8g 6 USD/h" in lines(listing)
    assert "the host that they need is charged beside it (c/1xT4/us-1" in lines(listing)


@pytest.mark.parametrize("usd", [700.0, 130.0])
def test_a_placeholder_is_no_price(tmp_path: Path, usd: float) -> None:
    """700 USD for an hour of 8 GPUs is 87.50 each; 130 is 16.25, 16 times what this GPU costs elsewhere."""
    path = tmp_path / "catalog.csv"
    rows = "".join(f"x{i},us,8.0,8,H9,80,False\n" for i in range(3))
    path.write_text(
        f"instance_name,location,price,gpu_count,gpu_name,gpu_memory,spot\n{rows}y,us,{usd},8,H9,80,False\n"
    )
    listing = balanced(gpu_csv(path, models=["m"], when=DAY, provider="c"))
    assert set(rented(listing)) == {"c/x0/us", "c/x1/us", "c/x2/us"}
    assert f"c/y/us at {usd:.2f} USD/h" in lines(listing)


def test_every_row_of_a_table_is_an_offer_or_named() -> None:
    """Six rows, of which three have a spot price too: three offers, a zone merged; three spot prices, one without a
    price and one without a GPU left out."""
    listing = machines("vms.csv")
    account = listing.account
    assert account.total("read", "entries") == 9
    assert account.total("out", "entries") == 3
    assert (account.total("left out", "entries"), account.total("merged", "entries")) == (5, 1)


# ---------------------------------------------------------------- models.dev, OpenCost


def test_models_dev_prices_are_per_million(tmp_path: Path) -> None:
    """Nine charges above 0 of `big`, five of `lab/big`; two and one of the entries that are left out."""
    listing = balanced(models_dev(DATA / "models_dev.json", when=DAY))
    big, shop = listing.entries
    assert (big.offer, big.provider, big.models) == ("lab/big", "lab", ("big",))
    assert (big.prompt, big.completion, big.cached, big.written) == (2, 8, Decimal("0.5"), Decimal("2.5"))
    assert (big.context_tokens, big.max_prompt_tokens, big.max_completion_tokens) == (
        1_000_000,
        900_000,
        64_000,
    )
    assert (big.longer_above, big.longer["prompt"]) == (200_000, 4)
    assert (shop.offer, shop.max_prompt_tokens, shop.max_completion_tokens) == (
        "shop/lab/big",
        None,
        32_000,
    )
    said = lines(listing)
    assert "reasoning (shop/lab/big: 12.00 USD per M tokens)" in said
    for why in ("deprecated (lab/old)", "price 0 (lab/free)", "a price that cannot be (input) (lab/wrong)"):
        assert why in said
    assert "no token price (lab/bare)" in said


def test_models_dev_takes_the_step_of_a_length() -> None:
    for length, prompt, above in ((200_000, 2, 200_000), (200_001, 4, None)):
        listing = balanced(
            models_dev(DATA / "models_dev.json", when=DAY, models=["big"], prompt_tokens=length)
        )
        assert [(one.prompt, one.longer_above) for one in listing.entries] == [(prompt, above)]
        assert [one.max_prompt_tokens for one in listing.entries] == [900_000]


def test_opencost_pools_are_as_measured() -> None:
    """76.80 USD and 360 M tokens in 24 h: 3.20 USD an hour, 4,166.67 tokens/s, 0.2133 USD per M tokens."""
    listing = balanced(opencost(DATA / "opencost.json", when=DAY))
    first, second = listing.entries
    assert (first.offer, first.provider) == ("one/ns-a/lab/big", "one")
    assert first.instances == {"usd_per_h": 3.2}
    assert first.tokens_per_s == approx(4166.67)
    assert "costBasis allocation" in (first.note or "")
    assert (second.offer, second.instances) == ("ns-b/lab/big", {"usd_per_h": 1.0})
    said = lines(listing)
    assert "idle and shared costs are not in it (costBasis usage) (ns-b/lab/big)" in said
    assert "no cost, tokens or time (idle:ns-c)" in said
    assert "its tokens contradict each other: 5 + 5 are not 1,000 (odd:ns-c)" in said


def test_the_commands_of_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source, name in (("models-dev", "models_dev.json"), ("opencost", "opencost.json")):
        assert run(["import", "prices", source, str(DATA / name), "--date", "2026-11-01"]) == 0
        assert "as_of: '2026-11-01'" in capsys.readouterr().out
        other = str(DATA / "litellm.json")
        assert run(["import", "prices", source, other]) == 2
        assert "models.dev" in (said := capsys.readouterr().err) or "OpenCost" in said
