"""Price lists become catalogues that load; what has no price is named and never 0."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from pytest import approx

import router
from router import cli
from router.errors import InputError
from router.importers.prices import Listing, catalogue, genai, gpu_csv, litellm
from router.loading.catalogue import load
from router.schema import Offer

DATA = Path(__file__).parent / "data" / "prices"
DAY = dt.date(2026, 11, 1)
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def offers(listing: Listing, tmp_path: Path, rename: Mapping[str, str] | None = None) -> dict[str, Offer]:
    """The listing as a file, included in a problem: what a user gets."""
    (tmp_path / "prices.yaml").write_text(catalogue(listing, "prices", rename), encoding="utf-8")
    problem = tmp_path / "problem.yaml"
    problem.write_text("schema: router/1\ninclude: [prices.yaml]\nmodels: {m: {}}\nworkloads:\n" + WORKLOAD)
    return {offer.name: offer for offer in load(problem).offers}


WORKLOAD = (
    "  - {name: w, models: [m], demand: {requests_per_day: 1}, prompt_tokens: 1, completion_tokens: 1}\n"
)


def why(listing: Listing) -> dict[str, str]:
    return {one.name: one.why for one in listing.left_out}


# genai-prices


def test_genai_prices_of_a_model_are_the_packages_own(tmp_path: Path) -> None:
    """gpt-4.1: 2 and 8 USD per million, 0.5 cached, 1,000,000 tokens of context (genai-prices 0.2.3)."""
    listing = genai(when=NOON, providers=["openai"], models=["gpt-4.1"])
    (offer,) = offers(listing, tmp_path).values()
    sold = offer.models["gpt-4.1"]
    assert (offer.name, offer.provider) == ("openai/gpt-4.1", "openai")
    assert (sold.prompt_usd_per_m, sold.completion_usd_per_m, sold.cached_prompt_usd_per_m) == (2, 8, 0.5)
    assert offer.limits.context_tokens == 1_000_000
    assert offer.as_of == DAY
    assert offer.source is not None
    assert offer.source.startswith("genai-prices ")


def test_a_variant_that_a_model_does_not_have_is_left_out_and_not_at_the_standard_price() -> None:
    """The trap: the package answers an unknown variant with the standard price."""
    batch = genai(when=NOON, providers=["openai"], variant={"processing": "batch"})
    by_name = {entry.offer: entry for entry in batch.entries}
    assert by_name["openai/gpt-4.1:batch"].prompt == Decimal(1)
    standard = {entry.offer for entry in genai(when=NOON, providers=["openai"]).entries}
    lacking = {name for name, reason in why(batch).items() if "processing=batch" in reason}
    assert lacking
    assert {name.removesuffix(":batch") for name in lacking} & standard
    nonsense = genai(when=NOON, providers=["openai"], models=["gpt-4.1"], variant={"service_tier": "golden"})
    assert not nonsense.entries
    assert why(nonsense) == {"openai/gpt-4.1:golden": "no price for service_tier=golden"}


def test_a_variant_counts_from_its_day_on() -> None:
    """Batch prices of gpt-4.1 are known from 2026-10-14 on."""
    before = dt.datetime(2026, 10, 13, tzinfo=dt.UTC)
    early = genai(when=before, providers=["openai"], models=["gpt-4.1"], variant={"processing": "batch"})
    assert not early.entries
    assert len(early.left_out) == 1


def test_prices_by_prompt_length_say_which_was_taken_and_end_there() -> None:
    """The price of longer prompts comes along; with --prompt-tokens it is the only one."""
    (base,) = genai(when=NOON, providers=["x-ai"], models=["grok-build-0.1"]).entries
    assert (base.prompt, base.longer["prompt"], base.longer_above) == (Decimal(1), Decimal(2), 199_999)
    assert base.max_prompt_tokens is None
    (above,) = genai(when=NOON, providers=["x-ai"], models=["grok-build-0.1"], prompt_tokens=300_000).entries
    assert (above.prompt, above.longer, above.longer_above) == (Decimal(2), {}, None)
    assert above.note == "prices for prompts above 199,999 tokens"
    assert above.max_prompt_tokens is None


def test_prices_of_a_day_are_those_of_that_day() -> None:
    """deepseek-chat costs twice as much by day (UTC): the other hours are rules of its schedule."""
    (night,) = genai(when=NOON.replace(hour=20), providers=["deepseek"], models=["deepseek-chat"]).entries
    (day,) = genai(when=NOON, providers=["deepseek"], models=["deepseek-chat"]).entries
    assert (night.prompt, day.prompt) == (Decimal("0.135"), Decimal("0.27"))
    (rule,) = night.hours
    assert rule.times == {"daily": {"start": "00:30", "end": "16:30"}, "timezone": "UTC"}
    assert rule.prices == {
        "prompt": Decimal("0.27"),
        "completion": Decimal("1.1"),
        "cached": Decimal("0.07"),
    }
    assert [each.times["daily"] for each in day.hours] == [
        {"start": "00:00", "end": "00:30"},
        {"start": "16:30", "end": "00:00"},
    ]


def test_every_priced_model_of_every_provider_loads_and_the_rest_is_listed(tmp_path: Path) -> None:
    listing = genai(when=NOON)
    found = offers(listing, tmp_path)
    assert len(found) == len(listing.entries) > 1500
    assert all(
        sold.prompt_usd_per_m is not None or sold.completion_usd_per_m is not None
        for offer in found.values()
        for sold in offer.models.values()
    )
    assert {"deprecated", "no token price"} <= set(why(listing).values())
    text = (tmp_path / "prices.yaml").read_text(encoding="utf-8")
    assert all(f"#   {one.name}\n" in text for one in listing.left_out)
    more = genai(when=NOON, deprecated=True)
    assert len(more.entries) > len(listing.entries)
    assert any("deprecated by its provider" in str(remark) for remark in more.account.remarks)


def test_genai_prices_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", None)
    with pytest.raises(InputError, match=r"llm-inference-planner\[prices\]"):
        genai(when=NOON)


def test_an_unknown_provider_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match='did you mean "anthropic"'):
        genai(when=NOON, providers=["antropic"])


# LiteLLM's file


def test_litellm_prices_are_per_million_exactly(tmp_path: Path) -> None:
    listing = litellm(DATA / "litellm.json", when=DAY)
    found = offers(listing, tmp_path)
    large = found["acme-large"]
    sold = large.models["acme-large"]
    assert (sold.prompt_usd_per_m, sold.completion_usd_per_m, sold.cached_prompt_usd_per_m) == (2, 8, 0.5)
    assert large.limits.max_prompt_tokens == 128_000
    assert (large.quota.requests_per_minute, large.quota.tokens_per_minute) == (2000, 800_000)
    assert found["acme/acme-long"].models["acme-long"].prompt_usd_per_m == 1.25
    assert why(listing) == {
        "acme/acme-old": "deprecated before 2026-11-01",
        "acme/acme-free": "price 0, which may mean unknown",
        "acme/acme-secret": "no token price",
    }


def test_litellm_steps_by_prompt_length() -> None:
    def prices(length: float | None, name: str) -> tuple[object, ...]:
        listing = litellm(DATA / "litellm.json", when=DAY, models=[f"acme/{name}"], prompt_tokens=length)
        (one,) = listing.entries
        assert one.max_prompt_tokens == 1_000_000
        return one.prompt, one.completion, one.longer_above, one.longer

    long = {"prompt": Decimal("2.5"), "completion": Decimal(15)}
    assert prices(None, "acme-long") == (Decimal("1.25"), Decimal(10), 200_000, long)
    assert prices(200_000, "acme-long") == (Decimal("1.25"), Decimal(10), 200_000, long)
    assert prices(200_001, "acme-long") == (Decimal("2.5"), Decimal(15), None, {})
    steps = {"prompt": Decimal("0.25"), "completion": Decimal(2)}
    assert prices(None, "acme-steps") == (Decimal("0.05"), Decimal("0.4"), 256_000, steps)
    assert prices(300_000, "acme-steps") == (Decimal("0.25"), Decimal(2), None, {})


def test_the_price_of_long_prompts_is_in_the_plan(tmp_path: Path) -> None:
    """A million-token request at 2.5 USD per M, for it is longer than 200,000; one of 200,000 at 1.25."""
    listing = litellm(DATA / "litellm.json", when=DAY, models=["acme/acme-long"])
    (offer,) = offers(listing, tmp_path).values()
    load = "{name: w, models: [acme-long], demand: {requests_total: 1}, prompt_tokens: SIZE, completion_tokens: 0}"
    text = f"schema: router/1\ninclude: [prices.yaml]\nworkloads: [{load}]\n"
    assert offer.models["acme-long"].long_prompt is not None
    for size, usd in (("200K", 0.25), ("1M", 2.5)):
        (tmp_path / "problem.yaml").write_text(text.replace("SIZE", size))
        assert router.solve(tmp_path / "problem.yaml").cost_usd == pytest.approx(usd)


def test_litellm_commitments_are_instances_for_a_term(tmp_path: Path) -> None:
    """0.0125 USD a second is 45 USD an hour; what a unit serves is not in the file, and not made up."""
    found = offers(litellm(DATA / "litellm.json", when=DAY, providers=["bedrock"]), tmp_path)
    unit = found["bedrock/us-east-1/6-month-commitment/acme.unit-v1"]
    assert unit.instances is not None
    assert (unit.instances.usd_per_h, unit.instances.term_months) == (45, 6)
    assert unit.limits.regions == ("us-east-1",)
    assert unit.models["acme.unit-v1"].rate_fields == ()
    assert found["bedrock/*/1-month-commitment/acme.unit-v1"].limits.regions == ()


def test_litellm_variants_and_modes() -> None:
    batch = litellm(DATA / "litellm.json", when=DAY, variant="batches")
    assert {entry.offer: entry.prompt for entry in batch.entries} == {"acme-large:batches": Decimal(1)}
    assert why(batch)["acme/acme-long:batches"] == "no batches price"
    embeddings = litellm(DATA / "litellm.json", when=DAY, modes=["embedding"])
    assert [entry.offer for entry in embeddings.entries] == ["acme/acme-embed"]
    assert {one.offer for one in litellm(DATA / "litellm.json", when=DAY, free=True).entries} >= {
        "acme/acme-free"
    }


def test_litellm_wrong_files(tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    for text, says in (("[1]", "mapping of models"), ("{", "not JSON"), ('{"a": 1}', "mapping of models")):
        path.write_text(text)
        with pytest.raises(InputError, match=says):
            litellm(path, when=DAY)


# GPU tables


def test_skypilot_machines_are_instances_with_their_gpus(tmp_path: Path) -> None:
    listing = gpu_csv(DATA / "vms.csv", models=["m"], when=DAY, provider="aws", gpus=["H100", "B200"])
    found = offers(listing, tmp_path)
    assert set(found) == {"aws/big.8x/us-east-1", "aws/big.8x/eu-west-1"}
    machine = found["aws/big.8x/us-east-1"].instances
    assert machine is not None
    assert (machine.usd_per_h, machine.units, machine.memory_gb) == (40, 8, 640)
    assert why(listing) == {
        "aws/big.8x/us-east-1:spot": "spot, and no --spot-availability is stated",
        "aws/huge.8x/us-east-1": "no price",
    }


def test_spot_machines_need_a_stated_availability_and_the_cheapest_zone_counts(tmp_path: Path) -> None:
    listing = gpu_csv(
        DATA / "vms.csv",
        models=["m"],
        when=DAY,
        provider="aws",
        count=8,
        spot_availability=0.7,
        tokens_per_s=9000,
    )
    spot = offers(listing, tmp_path)["aws/big.8x/us-east-1:spot"]
    assert spot.instances is not None
    assert (spot.instances.usd_per_h, spot.instances.availability) == (11.5, 0.7)
    assert spot.models["m"].tokens_per_s == 9000


def test_gpuhunt_names_its_providers(tmp_path: Path) -> None:
    listing = gpu_csv(DATA / "gpuhunt.csv", models=["m", "n"], when=DAY, spot_availability=0.5)
    found = offers(listing, tmp_path)
    assert set(found) == {"cloudy/1x-h100/FIN-01", "cloudy/1x-h100/FIN-01:spot", "other/8x-mi300/US-1"}
    mi300 = found["other/8x-mi300/US-1"]
    assert mi300.instances is not None
    assert (mi300.instances.units, mi300.instances.memory_gb) == (8, 1536)
    assert set(mi300.models) == {"m", "n"}


def test_gpu_tables_ask_for_what_they_do_not_know(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--provider"):
        gpu_csv(DATA / "vms.csv", models=["m"], when=DAY)
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not a table of GPU prices"):
        gpu_csv(other, models=["m"], when=DAY)


# the commands


def test_an_imported_price_is_what_the_plan_pays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1M requests of 1,000 + 100 tokens at 2 and 8 USD per million: 2,000 + 800 USD."""
    prices = tmp_path / "prices.yaml"
    command = [
        "import",
        "prices",
        "genai",
        "--provider",
        "openai",
        "--model",
        "gpt-4.1",
        "--date",
        "2026-11-01",
    ]
    assert cli.run([*command, "--rename", "gpt-4.1=large", "-o", str(prices)]) == 0
    problem = tmp_path / "problem.yaml"
    problem.write_text(
        "schema: router/1\ninclude: [prices.yaml]\nworkloads: [{name: w, models: [large], "
        "demand: {requests_total: 1M}, prompt_tokens: 1000, completion_tokens: 100}]\n"
    )
    capsys.readouterr()
    assert cli.run(["solve", str(problem), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost_usd"] == approx(2800)


def test_the_same_question_gives_the_same_file(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["import", "prices", "litellm", str(DATA / "litellm.json"), "--date", "2026-11-01"]
    texts = set()
    for _ in range(2):
        assert cli.run(command) == 0
        out, err = capsys.readouterr()
        texts.add(out)
        assert "price 0, which may mean unknown" in err
    assert len(texts) == 1
    assert "as_of: '2026-11-01'" in texts.pop()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["genai", "--provider", "openai", "--model", "no-such-*"], "nothing that was asked for has a price"),
        (["genai", "--date", "tomorrow"], "must be a date"),
        (["genai", "--variant", "batch"], "NAME=VALUE"),
        (["litellm", "nowhere.json"], "cannot be read"),
        (["litellm", str(DATA / "litellm.json"), "--provider", "acne"], 'did you mean "acme"'),
        (["litellm", str(DATA / "litellm.json"), "--rename", "nobody=me"], "not a model of the list"),
        (["gpu", str(DATA / "vms.csv")], "--model"),
        (
            ["gpu", str(DATA / "vms.csv"), "--model", "m", "--provider", "aws", "--gpu", "H999"],
            "nothing that was",
        ),
    ],
)
def test_wrong_questions_end_with_2(
    command: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.yaml"
    assert cli.run(["import", "prices", *command, "-o", str(out)]) == 2
    assert says in capsys.readouterr().err
    assert not out.exists()
