"""Figures, dates and names beyond anything that is: refused with their place, and no bug of ours."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from sqlalchemy.engine import make_url

import router.cli

PROBLEM = {
    "schema": "router/1",
    "models": {"m": {}},
    "workloads": [
        {
            "name": "w",
            "models": ["m"],
            "demand": {"requests_per_day": 1000},
            "prompt_tokens": 100,
            "completion_tokens": 100,
        }
    ],
    "offers": [{"name": "o", "models": {"m": {"prompt_usd_per_m": 1, "completion_usd_per_m": 2}}}],
}


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error."""
    said, before = io.StringIO(), sys.stderr
    sys.stderr = said
    try:
        code = router.cli.run(arguments)
    finally:
        sys.stderr = before
    return code, said.getvalue()


def changed(at: str, value: object) -> str:
    """The problem with one field changed, as YAML."""
    problem = json.loads(json.dumps(PROBLEM))
    here, *rest = problem, *at.split(".")
    for key in rest[:-1]:
        here = here[int(key)] if isinstance(here, list) else here.setdefault(key, {})
    here[int(rest[-1]) if isinstance(here, list) else rest[-1]] = value
    return yaml.safe_dump(problem)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        ("workloads.0.demand.requests_per_day", 10**300, "workloads[0].demand.requests_per_day"),
        ("workloads.0.demand.requests_per_day", 1.1e18, "must be at most 1e+18"),
        ("workloads.0.demand.requests_per_day", 1e18, "tokens over the horizon; the most is 1e+18"),
        ("workloads.0.prompt_tokens", 1.1e12, "workloads[0].prompt_tokens"),
        ("horizon", {"periods": 2, "period_h": 1e300}, "must be at most 876000"),
        ("horizon", {"period_h": 9.9e-5}, "must be at least 0.0001"),
        ("horizon", {"period_h": 1e-320}, "must be at least 0.0001"),
        ("horizon", {"periods": 1200, "period_h": 730.1}, "the most is 876000 h"),
        (
            "horizon",
            {"start": "0001-01-01T00:00:00", "timezone": "Asia/Kolkata"},
            "in the years 1900 to 9998",
        ),
        ("horizon", {"start": "9950-01-01T00:00:00"}, "must be before the year 9899"),
        ("include", ["x" * 5000], "include[0]"),
        ("include", ["a\0b"], "include[0]"),
        ("workloads.0.demand", {"trace": {"file": "x" * 5000}}, "workloads[0].demand.trace.file"),
        ("offers.0.models.m.prompt_usd_per_m", 1e18, "offers[0].models.m"),
        ("offers.0.fee_usd_per_month", 1e300, "offers[0].fee_usd_per_month"),
        ("offers.0.instances", {"usd_per_h": 1e17}, "offers[0].instances.usd_per_h"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_beyond_all_measure_is_refused_at_its_field(
    tmp_path: Path, at: str, value: object, said: str
):
    (tmp_path / "p.yaml").write_text(changed(at, value))
    code, error = run("solve", str(tmp_path / "p.yaml"))
    assert code == 2, error
    assert said in error
    assert "p.yaml" in error


def test_the_largest_figures_allowed_are_planned_for(tmp_path: Path):
    """1e15 requests of 100 + 100 tokens at 1 and 2 USD per M: 0.0003 USD each, 3e11 USD in the month."""
    (tmp_path / "p.yaml").write_text(changed("workloads.0.demand", {"requests_total": 1e15}))
    result = CliRunner().invoke(router.cli.cli, ["solve", str(tmp_path / "p.yaml")])
    assert result.exit_code == 0, result.output
    assert "300,000,000,000 USD" in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0001-01-01T00:00:00+14:00,5,10", "line 2: timestamp"),
        ("9999-12-31T23:59:59-12:00,5,10", "in the years 1900 to 9998"),
        ("1e18,5,10", "in the years 1900 to 9998"),
        ("0,1e308,10", "line 2: prompt_tokens"),
        ("0,5,1.1e18", "must be at most 1e+18"),
    ],
)
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("packed", [False, True])
def test_a_log_names_the_line(tmp_path: Path, text: str, said: str, packed: bool):
    log = tmp_path / ("log.csv.gz" if packed else "log.csv")
    content = f"timestamp,prompt_tokens,completion_tokens\n{text}\n".encode()
    log.write_bytes(gzip.compress(content) if packed else content)
    code, error = run("import", "trace", str(log), "--model", "m", "-o", str(tmp_path / "out.yaml"))
    assert code == 2, error
    assert said in error
    assert not (tmp_path / "out.yaml").exists()


def test_an_endless_time_under_mooncakes_names_is_one_of_no_year(tmp_path: Path):
    (tmp_path / "log.csv").write_text("timestamp,input_length,output_length\n0,5,10\n1e400,5,10\n")
    code, error = run("import", "trace", str(tmp_path / "log.csv"), "--model", "m")
    assert code == 2, error
    assert "line 3" in error


@pytest.mark.parametrize("start", ["1e400", "NaN", "true", '"0"', "-1"])
def test_tiers_that_begin_nowhere_leave_their_entry_out(tmp_path: Path, start: str):
    tier = f'{{"range": [{start}, 9], "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}}'
    (tmp_path / "list.json").write_text(
        f'{{"acme/a": {{"litellm_provider": "acme", "tiered_pricing": [{tier}]}}}}'
    )
    out = tmp_path / "out.yaml"
    code, error = run("import", "prices", "litellm", str(tmp_path / "list.json"), "-o", str(out))
    assert "a range that cannot be (tiered_pricing[0].range: " in error, (code, error)


@pytest.mark.parametrize("database", ["x" * 300, "a%00b"])
@pytest.mark.parametrize("command", ["history", "reoptimise"])
def test_a_store_that_no_file_can_be_is_refused(tmp_path: Path, database: str, command: str):
    url = f"sqlite:///{tmp_path}/{database}"
    name = make_url(url).database or ""
    if "\0" not in name and len(name) < 300:
        return  # an old SQLAlchemy reads %00 as it stands, which names a file as well as any
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(PROBLEM))
    file = [str(tmp_path / "p.yaml")] if command == "reoptimise" else []
    code, error = run(command, *file, "--store", url)
    assert code == 2, error
    assert "--store" in error and "cannot be opened" in error


@pytest.mark.parametrize("limit", ["max_input_tokens", "max_output_tokens", "rpm", "tpm"])
@pytest.mark.parametrize("figure", ["Infinity", "NaN", "1e300"])
def test_an_endless_limit_leaves_its_entry_out_of_a_price_list(tmp_path: Path, limit: str, figure: str):
    entry = '{"litellm_provider": "acme", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6'
    (tmp_path / "list.json").write_text(f'{{"acme/a": {entry}}}, "acme/b": {entry}, "{limit}": {figure}}}}}')
    out = tmp_path / "out.yaml"
    code, error = run("import", "prices", "litellm", str(tmp_path / "list.json"), "-o", str(out))
    assert code == 0, error
    assert [offer["name"] for offer in yaml.safe_load(out.read_text())["offers"]] == ["acme/a"]
    assert "acme/b" in out.read_text()
    assert f"a limit that cannot be ({limit}: " in out.read_text()


@pytest.mark.parametrize(
    ("server", "said"),
    [('{"tp_size": 2, "dp_size": -3}', "server_info.dp_size"), ('{"tp_size": 1e300}', "server_info.tp_size")],
)
def test_a_parallelism_that_cannot_be_is_named(tmp_path: Path, server: str, said: str):
    run_of = {"backend": "sglang", "dataset_name": "random", "completed": 10, "total_output_tokens": 10}
    text = json.dumps({**run_of, "request_throughput": 1.0, "total_input_tokens": 10, "duration": 10.0})
    (tmp_path / "r.jsonl").write_text(f'{text[:-1]}, "server_info": {server}}}\n')
    options = ("--offer", "o", "--model", "m", "--usd-per-gpu-h", "1", "--format", "sglang")
    code, error = run("import", "performance", str(tmp_path / "r.jsonl"), *options)
    assert code == 2, error
    assert said in error
