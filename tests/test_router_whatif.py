"""`router whatif`: paths as people write them, a change checked as a file is, and two plans side by side."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import router
from router.cli import cli
from router.errors import InputError
from router.loading.catalogue import load_text
from router.loading.settings import settings_of
from router.schema.paths import named, parsed, shown

TWO = """
schema: router/1
name: two
models: {m: {}, gpt-4.1: {}}
workloads:
  - {name: chat, models: [m, gpt-4.1], demand: {requests_total: 1e6}, prompt_tokens: 900, completion_tokens: 100,
     slo: {ttft_p95_ms: 400}}
offers:
  - {name: fast, models: {m: {prompt_usd_per_m: 2, completion_usd_per_m: 2, ttft_p95_ms: 300}}}
  - name: slow
    models: {gpt-4.1: {prompt_usd_per_m: 1, completion_usd_per_m: 1, ttft_p95_ms: 600}}
"""


def test_a_looser_slo_admits_the_cheaper_offer():
    """1 B tokens at 2 USD per M on fast; at an SLO of 600 ms slow may serve them for half."""
    problem = load_text(TWO)
    answer = router.whatif(problem, {"workloads.chat.slo.ttft_p95_ms": 600})
    assert answer.before is not None and answer.after is not None and answer.difference is not None
    assert (answer.before.cost_usd, answer.after.cost_usd) == (pytest.approx(2000.0), pytest.approx(1000.0))
    assert answer.within_usd == pytest.approx(0.0, abs=0.01)
    assert answer.kept_usd == pytest.approx(2000.0)
    assert [(s.path, s.before, s.after) for s in answer.settings] == [
        ("workloads.chat.slo.ttft_p95_ms", "400", "600")
    ]
    assert answer.difference.moved_share == pytest.approx(1.0)
    assert any("slow may serve chat with gpt-4.1 now; it was refused: latency" in why for why in answer.why)
    assert problem == load_text(TWO)


def test_factors_of_demand_and_prices_and_a_name_with_a_dot():
    problem = load_text(TWO)
    for settings, usd in (
        ({"workloads.chat.demand": "x1.5"}, 3000.0),
        ({"offers.fast.prices": "x0.5"}, 1000.0),
        ({"offers.fast.models.m.prompt_usd_per_m": "x2"}, 3800.0),
        ({"workloads[0].slo.ttft_p95_ms": "600", 'offers.slow.models."gpt-4.1".prompt_usd_per_m': 3}, 2000.0),
        ({"workloads.chat.slo": None, "workloads.chat.demand": "x2"}, 2000.0),
        ({"workloads.chat.routing.deny_offers": ["slow"], "workloads.chat.slo.ttft_p95_ms": 700}, 2000.0),
    ):
        assert router.solve(problem.with_(settings)).cost_usd == pytest.approx(usd), settings


def test_a_changed_problem_is_the_one_that_the_changed_file_holds():
    """Hash and plan are those of the file with 600 in it; a field set to what it is changes nothing."""
    by_hand = load_text(TWO.replace("ttft_p95_ms: 400", "ttft_p95_ms: 600"))
    changed = load_text(TWO).with_({"workloads.chat.slo.ttft_p95_ms": "600"})
    assert changed == by_hand
    assert router.solve(changed).problem_sha256 == router.solve(by_hand).problem_sha256
    assert load_text(TWO).with_({"workloads.chat.slo.ttft_p95_ms": 400}) == load_text(TWO)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("workloads.chatt.slo.ttft_p95_ms", 600, 'has nothing called "chatt"; did you mean "chat"?'),
        ("workloads.chat.slo.ttft_p95", 600, 'did you mean "ttft_p95_ms"?'),
        ("workloads[3].slo", None, "only 1 of them"),
        ("workloads.chat.slo.ttft_p95_ms", -1, "must be"),
        ("workloads.chat.name", "x2", "holds no number that a factor could scale"),
        ("offers.fast.models.gpt-4.1.prompt_usd_per_m", 1, 'has nothing called "gpt-4"'),
        ("workloads.chat.models", ["none"], "none"),
        ("offers..x", 1, "is not a path"),
        ("offers.", 1, "ends with a dot"),
        ("", 1, "is empty"),
    ],
)
def test_mistakes_say_what_and_where(path, value, words):
    with pytest.raises(InputError) as error:
        load_text(TWO).with_({path: value})
    assert words in str(error.value)


def test_where_the_change_leaves_no_plan(tmp_path):
    file = tmp_path / "two.yaml"
    file.write_text(TWO)
    setting = ["--set", "workloads.chat.slo.ttft_p95_ms=200"]
    result = CliRunner().invoke(cli, ["whatif", str(file), *setting], standalone_mode=False)
    assert result.return_value == 3
    assert "With the change: no plan keeps every promise" in result.stdout
    assert "2 are too slow" in " ".join(result.stdout.split())
    result = CliRunner().invoke(cli, ["whatif", str(file), *setting, "--json"], standalone_mode=False)
    answer = json.loads(result.stdout)
    assert answer["after"] is None and answer["before"]["cost_usd"] == pytest.approx(2000.0)


def test_values_are_read_as_the_file_would_be():
    settings = settings_of("--set", ["a.b=35e9", 'offers."x=y".z=[eu, NO]', "c=", "d=null", "e={f: 1}"])
    assert settings == {"a.b": "35e9", 'offers."x=y".z': ["eu", "NO"], "c": None, "d": None, "e": {"f": "1"}}
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(InputError, match="--set"):
            settings_of("--set", wrong)


@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1), min_size=1, max_size=4))
def test_what_is_shown_is_read_again(parts):
    path = tuple(parts)
    assert parsed(shown(path)) == path


def test_places_in_lists_become_names():
    assert named(load_text(TWO), parsed("offers[1].models")) == ("offers", "slow", "models")
