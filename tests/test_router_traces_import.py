"""`router import trace`: classes of size, groups, forecasts, and files that load as they are written."""

from __future__ import annotations

import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from click.testing import CliRunner
from trace_cases import DATA, EXAMPLES, SHARED

from router.commands.imports.trace import import_trace
from router.errors import InputError
from router.loading.catalogue import load
from router.schema import Problem
from router.traces.classes import Size, explained, found_classes, grid_classes
from router.traces.forecast import forecast, last_day_error, season

HOURLY = DATA / "servegen-m-large.csv"
CONV = EXAMPLES / "azure-2023-conv.csv"


def imported(folder: Path, file: Path, *options: object) -> tuple[Problem, str]:
    """The problem that the command writes, and what it says."""
    target = folder / "out.yaml"
    arguments = [str(file), "-o", str(target), *map(str, options)]
    result = CliRunner().invoke(import_trace, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return load(target), result.stderr


def refused(file: Path, *options: object) -> str:
    """What the command says of options or files that it cannot use."""
    result = CliRunner().invoke(import_trace, [str(file), *map(str, options)])
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def total(problem: Problem) -> float:
    """Requests of all workloads."""
    return sum(sum(load.demand.requests_by_period or ()) for load in problem.workloads)


def write(folder: Path, text: str) -> Path:
    """A trace file."""
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return folder / "t.csv"


# ---------------------------------------------------------------- classes of size


def test_two_sizes_are_two_classes():
    """60 requests of 100 + 10 and 40 of 1,000 + 10: one cut explains everything, no second one is made."""
    prompt = np.repeat([100.0, 1000.0], [60, 40])
    completion, weight = np.full(100, 10.0), np.ones(100)
    classes = found_classes(prompt, completion, weight)
    assert [size.label for size in classes] == ["p0-999", "p1000+"]
    assert explained(prompt, completion, weight, classes) == pytest.approx(1)
    assert found_classes(prompt, completion, weight, 1) == [Size()]
    assert found_classes(prompt, np.full(100, 10.0), weight, 5) == classes
    assert explained(prompt, completion, weight, [Size()]) == pytest.approx(0)


def test_more_classes_explain_more():
    """On real requests: never less, each request in exactly one class, 90 % within six."""
    rows = np.loadtxt(CONV, delimiter=",", skiprows=1, usecols=(1, 2))
    prompt, completion, weight = rows[:, 0], rows[:, 1], np.ones(len(rows))
    shares = []
    for count in range(1, 7):
        classes = found_classes(prompt, completion, weight, count)
        assert len(classes) == count
        assert (sum(size.holds(prompt, completion).astype(int) for size in classes) == 1).all()
        shares.append(explained(prompt, completion, weight, classes))
    assert shares == sorted(shares)
    assert shares[-1] > 0.85


def test_stated_edges_make_a_grid():
    """Three spans of prompt and two of completion; an edge belongs to the class above it."""
    labels = [size.label for size in grid_classes((512, 2048), (128,))]
    assert labels == [
        "p0-511-c0-127",
        "p0-511-c128+",
        "p512-2047-c0-127",
        "p512-2047-c128+",
        "p2048+-c0-127",
        "p2048+-c128+",
    ]


# ---------------------------------------------------------------- what is written


def test_azure_requests_by_class(tmp_path: Path):
    """Nothing is lost between classes: requests and tokens add up to the trace's."""
    problem, said = imported(tmp_path, CONV, "--period", 0.1)
    assert total(problem) == 4148
    prompt = sum(
        sum(load.demand.requests_by_period or ()) * (load.prompt_tokens or 0) for load in problem.workloads
    )
    assert prompt / 4148 == pytest.approx(1233.02, rel=1e-5)
    assert 1 < len(problem.workloads) <= 6
    assert "of their variance" in said
    assert problem.horizon.periods == 2
    assert str(problem.horizon.start) == "2023-11-16 18:30:00+00:00"
    for workload in problem.workloads:
        assert workload.service_cv > 0
        assert "95th percentiles" in (workload.note or "")
        assert workload.source == "azure-2023-conv.csv"


@pytest.mark.parametrize(("name", "count"), [("code", 8819), ("conv", 19366)])
def test_the_azure_traces_in_full(tmp_path: Path, name: str, count: int):
    """Every request of the full traces is in one class."""
    file = SHARED / f"azure_llm_2023_{name}.csv"
    if not file.is_file():
        pytest.skip("the full traces are not beside the repository; an extract is tested above")
    assert total(imported(tmp_path, file)[0]) == count


def test_stated_edges_and_one_class(tmp_path: Path):
    """`--classes 1` is one workload named by the file; edges that hold nothing are left out."""
    one, _ = imported(tmp_path, CONV, "--classes", 1)
    assert [load.name for load in one.workloads] == ["azure-2023-conv"]
    two, _ = imported(tmp_path, CONV, "--prompt-edges", "1000,1000000")
    assert [load.name for load in two.workloads] == ["azure-2023-conv/p0-999", "azure-2023-conv/p1000-999999"]
    assert total(two) == 4148
    assert "choose one" in refused(CONV, "--classes", 2, "--prompt-edges", 5)
    assert "rising numbers" in refused(CONV, "--prompt-edges", "5,4")


def test_by_client_with_a_catalogue(tmp_path: Path):
    """A workload for each client, its bursts from the record; models come from what is included."""
    (tmp_path / "catalogue.yaml").write_text("schema: router/1\nmodels: {m: {}}\n")
    file = EXAMPLES / "servegen-m-large-clients.csv"
    options = ("--by", "client", "--model", "m", "--include", "catalogue.yaml")
    problem, _ = imported(tmp_path, file, *options)
    assert len(problem.workloads) == 12
    assert problem.workloads[0].models == ("m",)
    rows = [line.split(",") for line in file.read_text().splitlines()[1:]]
    assert total(problem) == sum(int(row[2]) for row in rows)
    assert problem.horizon.periods == 168
    assert problem.horizon.start is None
    assert all(load.arrival_cv != 1 for load in problem.workloads)


def test_by_model_names_the_models(tmp_path: Path):
    """A column of models says which model each workload takes."""
    text = "timestamp,model,user,prompt_tokens,completion_tokens\n" + "".join(
        f"2026-03-01 00:0{i},{model},u{i % 2},10,5\n"
        for i, model in enumerate(["gpt", "llama", "gpt", "gpt"])
    )
    problem, _ = imported(tmp_path, write(tmp_path, text), "--by", "model", "--by", "user")
    found = {
        load.name: (load.models, sum(load.demand.requests_by_period or ())) for load in problem.workloads
    }
    assert found == {"gpt/u0": (("gpt",), 2), "gpt/u1": (("gpt",), 1), "llama/u1": (("llama",), 1)}
    assert set(problem.models) == {"gpt", "llama"}


def test_odd_names_survive_the_file(tmp_path: Path):
    """Tenants called `yes`, `1.0`, `a: b` or nothing at all stay text."""
    names = ["yes", "1.0", "a: b", "-x", '"quoted"', "#1", ""]
    rows = "".join(
        f'2026-03-01 00:0{i},"{name.replace(chr(34), chr(34) * 2)}",1,1\n' for i, name in enumerate(names)
    )
    file = write(tmp_path, f"timestamp,tenant,prompt_tokens,completion_tokens\n{rows}")
    problem, _ = imported(tmp_path, file, "--by", "tenant")
    assert [load.name for load in problem.workloads] == [*names[:-1], "none"]


def test_missing_lengths_are_spread_and_told(tmp_path: Path):
    """A group without any length takes the mean of all; single requests without one are spread over the classes."""
    text = "start_s,team,requests,input_tokens,output_tokens\n0,a,10,1000,100\n0,b,30,,\n"
    problem, said = imported(tmp_path, write(tmp_path, text), "--by", "team")
    assert [load.prompt_tokens for load in problem.workloads] == [100, 100]
    assert "no lengths are recorded for b; taken as long as the mean of the others" in said
    sizes = [(100, 1), (100, 1), (900, 1), ("", "")]
    rows = "".join(f"{i},{prompt},{answer}\n" for i, (prompt, answer) in enumerate(sizes))
    problem, _ = imported(tmp_path, write(tmp_path, f"start_s,prompt_tokens,completion_tokens\n{rows}"))
    assert [sum(load.demand.requests_by_period or ()) for load in problem.workloads] == pytest.approx(
        [8 / 3, 4 / 3]
    )


def test_a_hole_in_the_record_is_told(tmp_path: Path):
    """Not read as zero, unless the user says so."""
    text = "start_s,requests,input_tokens,output_tokens\n0,1,1,1\n3600,2,1,1\n10800,4,1,1\n14400,5,1,1\n"
    file = write(tmp_path, text)
    assert "has no row for 1 of 5 periods: 2" in refused(file)
    for gaps, third in (("zero", 0), ("previous", 2)):
        problem, _ = imported(tmp_path, file, "--gaps", gaps)
        assert problem.workloads[0].demand.requests_by_period == (1, 2, third, 4, 5)
    assert "one row every 1 h" in refused(file, "--period", 0.5)


def test_wrong_options_are_told():
    """By name, with the way out."""
    assert "--period" in refused(CONV, "--period", 0)
    assert 'did you mean "Europe/Berlin"?' in refused(CONV, "--timezone", "Europe/Berln")
    assert "no such column" in refused(CONV, "--by", "tenant")
    assert "more than the 1 periods recorded" in refused(CONV, "--horizon", 5)
    assert "cannot be read" in refused(CONV.with_name("nowhere.csv"))


# ---------------------------------------------------------------- forecasts


def test_the_same_hour_of_last_week(tmp_path: Path):
    """Hour t of the coming week has what hour t of the last recorded week had; the second week repeats the first."""
    recorded = [int(line.split(",")[1]) for line in HOURLY.read_text().splitlines()[1:]]
    problem, said = imported(tmp_path, HOURLY, "--forecast", "same-hour-last-week", "--horizon", 336)
    assert list(problem.workloads[0].demand.requests_by_period or ()) == recorded[168:] * 2
    assert (
        "same-hour-last-week after 336 recorded periods; forecast so, the last recorded day is off by" in said
    )


def test_less_than_a_week_takes_the_day_before():
    """Less than a day takes nothing."""
    made = forecast(np.arange(48.0), 30, 1.0, "same-hour-last-week")
    assert made.tolist() == [*range(24, 48), *range(24, 30)]
    with pytest.raises(InputError, match="it takes a day of whole periods"):
        forecast(np.arange(20.0), 5, 1.0, "same-hour-last-week")
    with pytest.raises(InputError, match="too few"):
        season(100, 5.0, 1)


def test_the_same_hour_by_the_clock(tmp_path: Path):
    """Berlin, clocks forward on 29 March 2026: nine o'clock stays nine o'clock in the forecast.

    One request a day at 09:30 local time, 22 to 28 March; then the three days that begin with the short one.
    """
    rows = "".join(f"2026-03-{day} 09:30,1,1\n" for day in range(22, 29)) + "2026-03-28 23:59,1,1\n"
    file = write(tmp_path, f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")
    options = ("--timezone", "Europe/Berlin", "--forecast", "same-hour-last-week")
    # the record begins at 09:00: nine hours short of a week, so the day before is what is taken
    problem, _ = imported(tmp_path, file, *options, "--horizon", 72)
    start = problem.horizon.start
    assert start is not None
    assert str(start) == "2026-03-29 00:00:00+01:00"
    counts = np.array(problem.workloads[0].demand.requests_by_period)
    zone = ZoneInfo("Europe/Berlin")
    hours = [
        start.fromtimestamp(start.timestamp() + t * 3600, zone).hour
        for t in np.flatnonzero(counts)
        if counts[t]
    ]
    assert hours.count(9) == 3


def test_a_trend_is_carried_on_and_damped():
    """A daily cycle that grows by 1 an hour: the forecast keeps the cycle and goes on growing, less than linearly."""
    pytest.importorskip("statsmodels")
    hours = np.arange(24 * 10)
    history = 500 + hours + 100 * np.sin(2 * np.pi * hours / 24)
    made = forecast(history, 24, 1.0, "trend")
    true = 500 + np.arange(240, 264) + 100 * np.sin(2 * np.pi * np.arange(240, 264) / 24)
    assert np.abs(made - true).max() < 0.05 * true.mean()
    naive = forecast(history, 24, 1.0, "same-hour-last-week")
    assert np.abs(made - true).sum() < np.abs(naive - true).sum()
    assert (forecast(np.maximum(0, 100 - hours), 48, 1.0, "trend") >= 0).all()
    error = last_day_error(history, 1.0, "trend")
    assert error is not None
    assert error < 0.05


def test_the_trend_of_a_real_fortnight(tmp_path: Path):
    """ServeGen's 14 days: a finite week ahead of the size of the weeks before."""
    pytest.importorskip("statsmodels")
    problem, said = imported(tmp_path, HOURLY, "--forecast", "trend")
    assert problem.horizon.periods == 168
    assert total(problem) == pytest.approx(236_892_826 / 2, rel=0.5)
    assert "trend after 336 recorded periods" in said


def test_without_the_library_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch):
    """`--forecast trend` needs an extra."""
    monkeypatch.setitem(sys.modules, "statsmodels.tsa.holtwinters", None)
    with pytest.raises(InputError, match=r"llm-inference-planner\[forecast\]"):
        forecast(np.arange(100.0), 5, 1.0, "trend")
