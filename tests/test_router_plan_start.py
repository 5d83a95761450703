"""A plan carries its own start: every command that reads the problem file needs nothing said again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from router.cli import run as cli
from router.errors import InputError
from router.loading.catalogue import load_text
from router.plan.file import read_plan
from router.plan.start import as_planned, started
from router.reoptimisation.freshness import starting

FLEET = """
schema: router/1
name: ops fleet
horizon: {{periods: 24, period_h: 1, start: "2026-11-29", timezone: {zone}}}
models:
  llama-2-70b: {{parameters_b: 70, open_weights: true, memory_gb: 140}}
workloads:
  - name: writing
    models: [llama-2-70b]
    demand: {{{demand}}}
    prompt_tokens: 100
    completion_tokens: 500
offers:
  - name: own-h100
    provider: self-hosted
    models: {{llama-2-70b: {{tokens_per_s: 3400}}}}
    instances: {{usd_per_h: 21.52, reserved: 2, reserved_usd_per_h: 14.80, max: 6, max_utilisation: 0.9}}
  - name: together-ai
    provider: together
    models: {{llama-2-70b: {{prompt_usd_per_m: 0.80, completion_usd_per_m: {price}}}}}
reoptimise: {{move_usd_per_m_tokens: 0.05, resize_usd: 1, min_gain_usd: 5}}
"""
RATE = "requests_per_day: 1_137_000"
HOURS = [14, 11, 9, 8, 9, 13, 22, 36, 52, 66, 75, 80, 84, 88, 92, 90, 82, 70, 60, 52, 44, 35, 26, 19]
LISTED = f"requests_by_period: [{', '.join(f'{n}K' for n in HOURS)}]"
STORE = ["--store", "sqlite:///now.db"]
THIRD = "2026-12-03T04:00"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(demand: str = RATE, price: float = 2.40, zone: str = "UTC") -> str:
    Path("problem.yaml").write_text(FLEET.format(demand=demand, price=price, zone=zone))
    return "problem.yaml"


def document(name: str = "now.json") -> dict[str, Any]:
    return dict(json.loads(Path(name).read_text()))


READERS = (
    ("export", "keda", "now.json", "--problem", "problem.yaml"),
    ("export", "litellm", "now.json", "--problem", "problem.yaml", "--at", "2026-12-03T09:00"),
    ("export", "gateway", "now.json", "--problem", "problem.yaml", "--at", "2026-12-03T09:00"),
    ("simulate", "now.json", "--problem", "problem.yaml", "--hours", "0", "--requests", "100"),
    ("verify", "problem.yaml", "now.json"),
    ("report", "now.json"),
    ("diff", "now.json", "now.json"),
)


def test_a_plan_of_another_start_is_read_without_start(folder, capsys):
    """Period 0 is 04:00 of 3 December, in the plan and in KEDA's windows; any other change of the file is refused."""
    file = written()
    assert cli(["reoptimise", file, *STORE, "--start", THIRD, "-o", "now.json"]) == 0
    assert document()["start"] == "2026-12-03T04:00:00"
    capsys.readouterr()
    for reader in READERS:
        assert cli([*reader]) == 0, reader
    assert "start: 0 4 3 12 *" in capsys.readouterr().out
    written(price=2.5)
    for reader in READERS[:4]:
        assert cli([*reader]) == 2, reader
    assert "is not the problem" in capsys.readouterr().err
    assert cli([*READERS[4]]) == 6


def test_now_is_the_present_hour_by_the_clock_of_the_horizon(folder):
    file = written(zone="Asia/Kolkata")
    before = datetime.now(UTC)
    assert cli(["reoptimise", file, *STORE, "--start", "now", "-o", "now.json"]) == 0
    start = datetime.fromisoformat(document()["start"] + "+05:30")
    assert -3601 < (start - before).total_seconds() <= 0
    assert start.minute == 0
    for reader in (("verify", "problem.yaml", "now.json"), READERS[0]):
        assert cli([*reader]) == 0


def test_an_hour_that_the_clock_shows_twice_keeps_its_offset(folder):
    """On 25 October 2026 Berlin has 02:00 twice; the second is at +01:00."""
    from zoneinfo import ZoneInfo

    from router.plan.start import stated_time

    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, tzinfo=berlin)
    assert stated_time(first) == "2026-10-25T02:00:00"
    assert stated_time(first.replace(fold=1)) == "2026-10-25T02:00:00+01:00"


def test_the_start_of_the_file_stands_in_the_plan_too(folder):
    """A plan is of its own hours, also when the file has moved on."""
    file = written()
    assert cli(["solve", file, "-o", "now.json"]) == 0
    assert document()["start"] == "2026-11-29T00:00:00"
    text = Path(file).read_text()
    Path(file).write_text(text.replace("2026-11-29", "2026-12-24"))
    assert cli(["verify", file, "now.json"]) == 0
    Path(file).write_text(text.replace(', start: "2026-11-29"', ""))
    assert cli(["verify", file, "now.json"]) == 0
    assert cli(["solve", file, "-o", "now.json"]) == 0
    assert "start" not in document()


def test_diff_names_both_starts(folder, capsys):
    file = written()
    for hour, name in ((4, "a.json"), (5, "b.json")):
        start = f"2026-12-03T0{hour}:00"
        store = f"sqlite:///{name}.db"
        assert cli(["reoptimise", file, "--store", store, "--start", start, "-o", name]) == 0
    capsys.readouterr()
    assert cli(["diff", "a.json", "b.json"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the first plan starts at 2026-12-03T04:00:00, the second at 2026-12-03T05:00:00" in said
    assert "different problems" not in said
    assert cli(["diff", "a.json", "b.json", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["same_problem"], found["start_before"]) == (None, "2026-12-03T04:00:00")


def test_a_plan_whose_start_is_no_time_is_not_a_plan_file(folder, capsys):
    file = written()
    assert cli(["solve", file, "-o", "now.json"]) == 0
    Path("now.json").write_text(json.dumps(document() | {"start": "noon"}))
    assert cli(["verify", file, "now.json"]) == 2
    assert "start" in capsys.readouterr().err
    Path("now.json").write_text(json.dumps(document() | {"start": "2026-12-03T04:00:00"}))
    assert cli(["verify", file, "now.json"]) == 6  # the hash is of the start that it was made for


@pytest.mark.parametrize("start", ["2026-11-29T03:00", "2026-11-30T00:00", "now"])
def test_a_list_of_demand_is_refused_at_another_start(folder, capsys, start):
    """Its first amount is of the file's midnight, not of 03:00 and not of another day."""
    assert cli(["reoptimise", written(LISTED), *STORE, "--start", start, "-o", "now.json"]) == 2
    said = capsys.readouterr().err
    for words in ("workloads[0].demand.requests_by_period", "--start", "--repeat-daily", "trace"):
        assert words in said
    assert not Path("now.json").exists()
    assert not Path("now.db").exists()


def test_a_list_of_demand_goes_at_its_own_start(folder):
    assert cli(["reoptimise", written(LISTED), *STORE, "--start", "2026-11-29T00:00", "-o", "now.json"]) == 0
    assert requests()[:4] == [14_000, 11_000, 9_000, 8_000]


def requests(name: str = "now.json") -> list[float]:
    plan = read_plan(name)
    return [sum(row.requests or 0.0 for row in plan.routes if row.period == t) for t in range(plan.periods)]


def test_a_list_that_repeats_daily_follows_the_clock(folder, capsys):
    """From 03:00 on: 8 K first, 9 K (of 02:00) last; the plan says so, and every reader does the same."""
    file = written(LISTED)
    options = ["--start", "2026-12-03T03:00", "--repeat-daily", "-o", "now.json"]
    assert cli(["reoptimise", file, *STORE, *options]) == 0
    found = document()
    assert (found["repeat_daily"], found["start"]) == (True, "2026-12-03T03:00:00")
    assert any("--repeat-daily" in note for note in found["notes"])
    assert requests() == pytest.approx([1000.0 * n for n in HOURS[3:] + HOURS[:3]])
    capsys.readouterr()
    for reader in READERS:
        assert cli([*reader]) == 0, reader
    assert "desiredReplicas" in capsys.readouterr().out
    assert cli(["reoptimise", file, *STORE, *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "same inputs"


def problem(horizon: str, amounts: list[int]) -> Any:
    return load_text(
        f"schema: router/1\nhorizon: {horizon}\nmodels: {{m: {{}}}}\n"
        f"workloads: [{{name: w, models: [m], demand: {{requests_by_period: {amounts}}}, prompt_tokens: 1, "
        "completion_tokens: 1}]\n"
        "offers: [{name: a, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}]\n"
    )


def moved(horizon: str, amounts: list[int], start: str) -> list[float]:
    made = starting(problem(horizon, amounts), start, repeat_daily=True)
    assert made.repeats_daily
    return list(made.workloads[0].demand.requests_by_period)


def test_a_list_of_days_goes_on_as_its_last_day_and_begins_as_its_first():
    """Twelve-hour periods over two days: a b c d. A day later c d, then the last day again; a day earlier a b a b."""
    days = '{periods: 4, period_h: 12, start: "2026-12-01"}'
    assert moved(days, [1, 2, 3, 4], "2026-12-02") == [3, 4, 3, 4]
    assert moved(days, [1, 2, 3, 4], "2026-12-02T12:00") == [4, 3, 4, 3]
    assert moved(days, [1, 2, 3, 4], "2027-03-09T12:00") == [4, 3, 4, 3]
    assert moved(days, [1, 2, 3, 4], "2026-11-30") == [1, 2, 1, 2]
    assert moved(days, [1, 2, 3, 4], "2026-11-30T12:00") == [2, 1, 2, 3]
    assert moved("{periods: 2, period_h: 12}", [1, 2], "2026-12-09T12:00") == [
        2,
        1,
    ]  # begins at a day's 00:00


def test_a_list_follows_the_clock_over_a_clock_change():
    """Berlin, 29 March 2026, has no 02:00: the day takes 00, 01, 03 … 23 o'clock, and then 00 of the next."""
    hours = '{periods: 24, period_h: 1, start: "2026-03-01", timezone: Europe/Berlin}'
    listed = list(range(100, 124))
    assert moved(hours, listed, "2026-03-29") == [100, 101, *range(103, 124), 100]
    twice = [100, 101, 102, 102, *range(103, 123)]
    assert moved(hours, listed, "2026-10-25") == twice


@pytest.mark.parametrize(
    ("horizon", "amounts", "start", "says"),
    [
        ('{periods: 2, period_h: 1, start: "2026-12-01"}', [1, 2], "2026-12-02", "a day or more"),
        ('{periods: 24, period_h: 1, start: "2026-12-01"}', [1] * 24, "2026-12-02T03:30", "period_h"),
        ('{periods: 5, period_h: 7, start: "2026-12-01"}', [1] * 5, "2026-12-01T07:00", "period_h"),
        ("{periods: 1}", [1], "2026-12-01", "period_h"),
    ],
)
def test_what_makes_no_days_does_not_repeat_daily(horizon, amounts, start, says):
    with pytest.raises(InputError, match=says):
        starting(problem(horizon, amounts), start, repeat_daily=True)


def test_a_list_without_a_start_is_of_a_day_from_midnight():
    hours = "{periods: 24, period_h: 1}"
    assert starting(problem(hours, [1] * 24), "2026-12-01T00:00").horizon.start == datetime(2026, 12, 1)
    with pytest.raises(InputError, match="00:00 of a day"):
        starting(problem(hours, [1] * 24), "2026-12-01T01:00")


@pytest.mark.parametrize("repeat", [False, True])
def test_a_record_that_counts_seconds_has_no_other_start(folder, repeat):
    """Its second 0 is of the file's start; a record with dates is read at the new one."""
    trace = FLEET.format(demand="trace: {file: log.csv, gaps: zero}", price=2, zone="UTC")
    made = load_file(trace, "start_s,requests\n" + "".join(f"{3600 * t},{100 + t}\n" for t in range(48)))
    with pytest.raises(InputError, match=r"log\.csv.*counts seconds"):
        starting(made, "2026-11-29T05:00", repeat_daily=repeat)
    assert starting(made, "2026-11-29", repeat_daily=repeat).horizon.start == datetime(2026, 11, 29)
    rows = "".join(f"2026-11-{29 + t // 24}T{t % 24:02}:00,{100 + t}\n" for t in range(48))
    dated = starting(load_file(trace, "timestamp,requests\n" + rows), "2026-11-29T05:00", repeat_daily=repeat)
    from router.traces import recorded

    assert recorded(dated).problem.workloads[0].demand.requests_by_period[0] == 105
    assert not dated.repeats_daily


def load_file(text: str, log: str) -> Any:
    from router.loading.catalogue import load

    Path("log.csv").write_text(log)
    Path("problem.yaml").write_text(text)
    return load("problem.yaml")


def test_what_a_plan_was_made_from_is_the_same_problem_again(folder):
    """As a law: moved once by the clock, the problem stays where the plan puts it."""
    from router.api import solve

    made = started(
        problem('{periods: 4, period_h: 12, start: "2026-12-01"}', [1, 2, 3, 4]), datetime(2026, 12, 2, 12)
    )
    assert as_planned(made, solve(made)).horizon == made.horizon
