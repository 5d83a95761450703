"""Recorded demand: formats, times, periods, gaps, sizes; every reading is repeated by the verifier's own."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from trace_cases import DATA, EXAMPLES, SHARED, read, traced

from router.api import solve
from router.errors import InputError
from router.traces import recorded

HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens"
DAY = "periods: 24, period_h: 1, start: 2026-03-01"


def refused(problem_args: tuple, **options: str) -> str:
    """What the planner says of a trace that cannot be used."""
    with pytest.raises(InputError) as caught:
        recorded(traced(*problem_args, **options))
    return str(caught.value)


# ---------------------------------------------------------------- published figures


@pytest.mark.parametrize(
    ("name", "count", "prompt", "completion"),
    [("code", 2856, 2095.83, 25.9016), ("conv", 4148, 1233.02, 216.22)],
)
def test_the_azure_extracts(tmp_path: Path, name: str, count: int, prompt: float, completion: float):
    """Counts and means of the committed rows, worked out by awk; CRLF, seven decimals, no final newline."""
    file = EXAMPLES / f"azure-2023-{name}.csv"
    assert b"\r\n" in file.read_bytes()
    assert file.read_bytes()[-1:].isdigit()
    load = read(traced(tmp_path, file, "periods: 1, period_h: 1"))
    assert load.demand.requests_by_period == (count,)
    assert load.prompt_tokens == pytest.approx(prompt, abs=0.005)
    assert load.completion_tokens == pytest.approx(completion, abs=0.005)


@pytest.mark.parametrize(
    ("name", "count", "prompt", "completion", "largest"),
    [("code", 8819, 2047.85, 27.88, 7437), ("conv", 19366, 1154.70, 211.13, 14050)],
)
def test_the_azure_traces_in_full(
    tmp_path: Path, name: str, count: int, prompt: float, completion: float, largest: int
):
    """The figures that the data's own page gives to check a reader against."""
    file = SHARED / f"azure_llm_2023_{name}.csv"
    if not file.is_file():
        pytest.skip("the full traces are not beside the repository; their extracts are tested above")
    problem = traced(tmp_path, file, 'periods: 2, period_h: 1, start: "2023-11-16T18:00"')
    load = read(problem)
    assert sum(load.demand.requests_by_period or ()) == count
    assert load.prompt_tokens == pytest.approx(prompt, abs=0.005)
    assert load.completion_tokens == pytest.approx(completion, abs=0.005)
    from router.traces.columns import ColumnNames
    from router.traces.read import read_table

    assert read_table(file, ColumnNames(), "UTC").prompt.max() == largest


def test_servegen_by_the_hour(tmp_path: Path):
    """236.9 M requests in 336 hours; sizes from the requests whose lengths are recorded, which is said."""
    problem = traced(tmp_path, DATA / "servegen-m-large.csv", "periods: 336, period_h: 1")
    load = read(problem)
    assert sum(load.demand.requests_by_period or ()) == 236_892_826
    assert (load.demand.requests_by_period or ())[:2] == (739_275, 828_743)
    assert load.prompt_tokens == pytest.approx(914.278, abs=1e-3)
    assert load.completion_tokens == pytest.approx(155.0925, abs=1e-3)
    notes = " ".join(recorded(problem).notes)
    assert "0.373 of the requests have no recorded lengths" in notes
    assert "requests_with_lengths" in notes


def test_a_servegen_client(tmp_path: Path):
    """Mean lengths times requests; hours without a row of this client, but of others, are no gaps."""
    file = EXAMPLES / "servegen-m-large-clients.csv"
    rows = [line.split(",") for line in file.read_text().splitlines()[1:]]
    mine = [row for row in rows if row[0] == "12" and int(row[1]) < 86400]
    total = sum(int(row[2]) for row in mine)
    problem = traced(tmp_path, file, "periods: 24, period_h: 1", "filter: {client: 12}")
    load = read(problem)
    assert sum(load.demand.requests_by_period or ()) == total
    assert load.prompt_tokens == pytest.approx(sum(int(row[2]) * float(row[5]) for row in mine) / total)
    assert load.arrival_cv == pytest.approx(sum(int(row[2]) * float(row[4]) for row in mine) / total)
    assert "requests before the horizon" in " ".join(recorded(problem).notes)


# ---------------------------------------------------------------- formats


@pytest.mark.parametrize(
    "text",
    [  # one a line
        f"{HEAD}\n2026-03-01 00:10:00.1234567,100,10\n2026-03-01 01:10:00,300,30\n",
        f"{HEAD}\r\n2026-03-01T00:10:00Z,100,10\r\n2026-03-01T01:10:00Z,300,30",
        f"\ufeff{HEAD}\n\n2026-03-01T02:10:00+02:00,100,10\n2026-03-01T01:10:00+00:00,300,30\n\n",
        f'{HEAD}\n"2026-03-01 00:10:00","100","10"\n"2026-03-01 01:10:00","300","30"\n',
        "startTime,prompt_tokens,completion_tokens\n1772323800,100,10\n1772327400,300,30\n",
        "startTime,prompt_tokens,completion_tokens\n1772323800000,100,10\n1772327400000,300,30\n",
        "time,Request tokens,Response tokens\n600,100,10\n4200.5,300,30\n",
        "completion_tokens,timestamp,prompt_tokens\n30,2026-03-01 01:10,300\n10,2026-03-01 00:10,100\n",
        "start_s,requests,input_tokens,output_tokens\n0,1,100,10\n3600,1,300,30\n",
        "start_s,requests,input_tokens_mean,output_tokens_mean\n0,1,100,10\n3600,1,300,30\n",
        'date,api_requests,prompt_tokens,completion_tokens,who\n2026-03-01,1,100,10,"a\nb"\n'
        "2026-03-01 01:00,1,300,30,c\n",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_one_demand_in_many_forms(tmp_path: Path, text: str, packed: bool):
    """One request of 100 + 10 tokens in the first hour, one of 300 + 30 in the second."""
    data = gzip.compress(text.encode()) if packed else text.encode()
    load = read(traced(tmp_path, data, "periods: 2, period_h: 1, start: 2026-03-01"))
    assert load.demand.requests_by_period == (1, 1)
    assert (load.prompt_tokens, load.completion_tokens) == (200, 20)


def test_columns_named_by_the_user_come_first(tmp_path: Path):
    """And one that is not there is told with the nearest."""
    text = "timestamp,sent,in,out,prompt_tokens\n9,2026-03-01 00:30,5,1,77\n"
    names = "timestamp_column: sent, prompt_tokens_column: in, completion_tokens_column: out"
    load = read(traced(tmp_path, text, "periods: 1, period_h: 1, start: 2026-03-01", names))
    assert (load.prompt_tokens, load.completion_tokens) == (5, 1)
    said = refused((tmp_path, text), trace="timestamp_column: sennt")
    assert 't.csv, line 1: "sennt": no such column' in said
    assert 'did you mean "sent"?' in said
    assert "no column looks like a time" in refused((tmp_path, "a;b\n1;2\n"))


def test_sizes_of_the_workload_stand(tmp_path: Path):
    """A size that the workload states is not read from the trace; nor is burstiness."""
    text = f"{HEAD}\n2026-03-01 00:10,100,10\n2026-03-01 00:20,300,30\n"
    given = "prompt_tokens: 7\n    service_cv: 0.25"
    load = read(traced(tmp_path, text, "periods: 1, period_h: 1", workload=given))
    assert (load.prompt_tokens, load.completion_tokens, load.service_cv) == (7, 20, 0.25)


def test_model_and_filter_choose_rows(tmp_path: Path):
    """Both must hold; a choice that takes nothing is an error."""
    text = "timestamp,model,team,prompt_tokens,completion_tokens\n" + "".join(
        f"2026-03-01 00:0{i},{model},{team},{size},1\n"
        for i, (model, team, size) in enumerate([("a", "x", 1), ("a", "y", 2), ("b", "x", 4), ("a", "z", 8)])
    )
    one = "model_column: model, model: a, filter: {team: [x, z]}"
    load = read(traced(tmp_path, text, "periods: 1, period_h: 1", one))
    assert load.demand.requests_by_period == (2,)
    assert load.prompt_tokens == 4.5
    assert "no row has team = q" in refused((tmp_path, text), trace="filter: {team: q}")


# ---------------------------------------------------------------- what is wrong, with its line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEAD}\n2026-03-01,1,1\n2026-03-01,x,1\n", 'line 3: ContextTokens: "x": must be a number'),
        (f"{HEAD}\n2026-03-01,1,-1\n", 'line 2: GeneratedTokens: "-1": must be at least 0'),
        (f"{HEAD}\n2026-03-01,nan,1\n", 'line 2: ContextTokens: "nan": must be a finite number'),
        (f"{HEAD}\n2026-03-01,1\n", "line 2: has 2 fields where the header has 3"),
        (f"{HEAD}\nyesterday,1,1\n", 'line 2: TIMESTAMP: "yesterday": must be a time like'),
        (f"{HEAD}\n2026-03-01,1,1\n3600,1,1\n", 'line 3: TIMESTAMP: "3600": must be a date and time'),
        (f"{HEAD}\n3600,1,1\n2026-03-01,1,1\n", 'line 3: TIMESTAMP: "2026-03-01": must be seconds'),
        ("start_s,requests,input_tokens,output_tokens\n0,many,1,1\n", 'line 2: requests: "many"'),
        ("start_s,requests,input_tokens,output_tokens\n0,,1,1\n", 'line 2: requests: "": must not be empty'),
        ("start_s,requests,input_tokens,output_tokens\n0,inf,1,1\n", "must be a finite number"),
        (f'{HEAD},who\n2026-03-01,1,1,"a\nb"\n2026-03-01,x,1,c\n', "line 4: ContextTokens"),
        (f"{HEAD}\n", "has a header and no rows"),
        ("", "is empty"),
        ("TIMESTAMP,a,a\n1,1,1\n", "column a stands in the header twice"),
        (b"\xff\xfe\x00\x01", "is not UTF-8 text"),
        (b"\x1f\x8b\x08nonsense", "cannot be read"),
    ],
)
def test_wrong_rows_are_told_with_file_and_line(tmp_path: Path, text: str | bytes, said: str):
    """Nothing is skipped without a word."""
    assert said in refused((tmp_path, text))


# ---------------------------------------------------------------- periods, zones, clocks


def test_without_a_start_the_first_record_gives_it(tmp_path: Path):
    """Floored to whole periods since local midnight, and said in the notes."""
    text = f"{HEAD}\n2026-03-01 07:59,1,1\n2026-03-01 09:10,1,1\n"
    problem = traced(tmp_path, text, "periods: 2, period_h: 2, timezone: Asia/Tokyo")
    assert read(problem).demand.requests_by_period == (1, 1)
    found = recorded(problem)
    assert str(found.problem.horizon.start) == "2026-03-01 06:00:00+09:00"
    assert "assumed: the horizon starts at 2026-03-01 06:00:00+09:00" in found.notes[0]


def test_zone_of_the_trace_and_zone_of_the_horizon(tmp_path: Path):
    """09:00 in New York is 15:00 in Berlin (winter); a stamp with an offset says so itself."""
    text = f"{HEAD}\n2026-02-01 09:00,1,1\n2026-02-01 14:30:00Z,1,1\n"
    horizon = "periods: 24, period_h: 1, start: 2026-02-01, timezone: Europe/Berlin"
    load = read(traced(tmp_path, text, horizon, "gaps: zero, timezone: America/New_York"))
    assert [t for t, n in enumerate(load.demand.requests_by_period or ()) if n] == [15]
    assert sum(load.demand.requests_by_period or ()) == 2


def test_a_day_of_23_hours(tmp_path: Path):
    """Berlin, 29 March 2026: the clocks go from 02:00 to 03:00, so 03:30 lies in the third hour of the day."""
    text = f"{HEAD}\n2026-03-29 01:30,1,1\n2026-03-29 03:30,1,1\n"
    horizon = "periods: 3, period_h: 1, start: 2026-03-29, timezone: Europe/Berlin"
    assert read(traced(tmp_path, text, horizon, "gaps: zero")).demand.requests_by_period == (0, 1, 1)


def test_an_hour_that_comes_twice(tmp_path: Path):
    """Berlin, 25 October 2026: 02:30 without an offset is the first of two, which is said. Offsets tell them apart."""
    horizon = "periods: 5, period_h: 1, start: 2026-10-25, timezone: Europe/Berlin"
    text = f"{HEAD}\n2026-10-25 02:30,1,1\n2026-10-25 02:30:00+01:00,1,1\n2026-10-25 03:30,1,1\n"
    problem = traced(tmp_path, text, horizon, "gaps: zero")
    assert read(problem).demand.requests_by_period == (0, 0, 1, 1, 1)
    assert "1 rows have a local time that the clocks showed twice" in " ".join(recorded(problem).notes)


def test_daily_rows_over_a_clock_change(tmp_path: Path):
    """Local midnights are 23 or 25 h apart; each still is its own day of 24 h."""
    days = [f"2026-03-{d},{d}00,1,1\n" for d in range(27, 32)]
    text = "date,requests,prompt_tokens,completion_tokens\n" + "".join(days)
    horizon = "periods: 5, period_h: 24, start: 2026-03-27, timezone: Europe/Berlin"
    assert read(traced(tmp_path, text, horizon)).demand.requests_by_period == (2700, 2800, 2900, 3000, 3100)


def test_a_timestamp_on_the_border_belongs_to_the_later_period(tmp_path: Path):
    """Periods of a third of an hour, which no double holds."""
    text = f"{HEAD}\n2026-03-01 00:20,1,1\n2026-03-01 00:39:59.999,1,1\n2026-03-01 00:40,1,1\n"
    horizon = "periods: 3, period_h: 0.3333333333333333, start: 2026-03-01"
    assert read(traced(tmp_path, text, horizon, "gaps: zero")).demand.requests_by_period == (0, 2, 1)


def test_order_and_duplicates_do_not_matter(tmp_path: Path):
    """Rows are counted, not compared."""
    text = f"{HEAD}\n2026-03-01 01:00,1,1\n2026-03-01 00:10,3,1\n2026-03-01 00:10,3,1\n"
    load = read(traced(tmp_path, text))
    assert load.demand.requests_by_period == (2, 1)
    assert load.prompt_tokens == pytest.approx(7 / 3)


# ---------------------------------------------------------------- gaps, and time that is not recorded

HOURS = "start_s,requests,input_tokens,output_tokens\n" + "".join(
    f"{hour * 3600},{hour + 1},10,1\n" for hour in (0, 1, 2, 5, 6)
)


def test_a_gap_is_named_not_read_as_zero(tmp_path: Path):
    """Hours 3 and 4 are missing; the field `gaps` says what that means."""
    horizon = "periods: 7, period_h: 1"
    said = refused((tmp_path, HOURS, horizon))
    assert "no row for 2 of 7 periods: 3 (hour 3), 4 (hour 4)" in said
    assert "gaps: zero" in said
    assert "p.yaml, line 8: workloads[0].demand.trace" in said
    zero = traced(tmp_path, HOURS, horizon, "gaps: zero")
    assert read(zero).demand.requests_by_period == (1, 2, 3, 0, 0, 6, 7)
    assert (
        "2 periods have no record, taken to be without demand (gaps: zero): 3, 4" in recorded(zero).notes[-1]
    )
    before = traced(tmp_path, HOURS, horizon, "gaps: previous")
    assert read(before).demand.requests_by_period == (1, 2, 3, 3, 3, 6, 7)
    assert "as the period before" in recorded(before).notes[-1]


def test_a_gap_inside_a_longer_period_is_a_gap(tmp_path: Path):
    """Hourly rows in periods of two hours: hour 3 leaves period 1 half known."""
    horizon = "periods: 4, period_h: 2"
    text = HOURS + f"{7 * 3600},8,10,1\n"
    assert "no row for 2 of 4 periods: 1 (hour 2), 2 (hour 4)" in refused((tmp_path, text, horizon))
    assert read(traced(tmp_path, text, horizon, "gaps: previous")).demand.requests_by_period == (3, 6, 9, 15)


def test_a_quiet_client_is_no_gap(tmp_path: Path):
    """Hours in which others have rows were recorded: this one had no requests. `gaps: error` insists."""
    rows = [(0, "a"), (0, "b"), (1, "b"), (2, "a"), (2, "b")]
    text = "start_s,client,requests,input_tokens,output_tokens\n" + "".join(
        f"{h * 3600},{c},5,10,1\n" for h, c in rows
    )
    args = (tmp_path, text, "periods: 3, period_h: 1")
    problem = traced(*args, "filter: {client: a}")
    assert read(problem).demand.requests_by_period == (5, 0, 5)
    assert "1 period has no record, taken to be without demand: 1 (workload w)" in recorded(problem).notes[-1]
    assert "no row for 1 of 3 periods: 1" in refused(args, trace="filter: {client: a}, gaps: error")


def test_the_horizon_outlasts_the_record(tmp_path: Path):
    """The future is not silence: a forecast is suggested, for rows of periods and of requests alike."""
    said = refused((tmp_path, HOURS, "periods: 9, period_h: 1"), trace="gaps: previous")
    assert "the record does not reach 2 of 9 periods: 7 (hour 7), 8 (hour 8)" in said
    assert "--forecast" in said
    text = f"{HEAD}\n2026-03-01 01:00,1,1\n2026-03-01 03:10,3,1\n"
    assert "does not reach 21 of 24 periods: 0 (2026-03-01 00:00:00+00:00), 4 (" in refused(
        (tmp_path, text, DAY)
    )
    load = read(traced(tmp_path, text, DAY, "gaps: zero"))
    assert sum(load.demand.requests_by_period or ()) == 2


def test_silence_between_requests_is_no_demand_and_is_named(tmp_path: Path):
    """Unless the user insists on a request in every period."""
    text = f"{HEAD}\n2026-03-01 00:00,1,1\n2026-03-01 03:10,3,1\n"
    problem = traced(tmp_path, text, "periods: 4, period_h: 1")
    assert read(problem).demand.requests_by_period == (1, 0, 0, 1)
    assert "2 periods have no record, taken to be without demand: 1, 2" in recorded(problem).notes[-1]
    assert "no row for 2 of 4" in refused((tmp_path, text, "periods: 4, period_h: 1"), trace="gaps: error")


def test_rows_outside_the_horizon_are_counted_and_named(tmp_path: Path):
    """All outside is an error."""
    text = f"{HEAD}\n" + "".join(f"2026-03-01 0{hour}:10,1,1\n" for hour in range(6))
    horizon = "periods: 3, period_h: 1, start: {}"
    problem = traced(tmp_path, text, horizon.format('"2026-03-01T01:00"'))
    assert read(problem).demand.requests_by_period == (1, 1, 1)
    assert "1 requests before the horizon and 2 after it are left out" in " ".join(recorded(problem).notes)
    said = refused((tmp_path, text, horizon.format("2025-03-01")))
    assert "all 6 rows lie outside the horizon; they go from 2026-03-01 00:10:00+00:00 to" in said


def test_rows_longer_than_a_period_are_refused(tmp_path: Path):
    """A day's count has no hours."""
    text = "date,requests,prompt_tokens,completion_tokens\n2026-03-01,5,1,1\n2026-03-02,5,1,1\n"
    assert "one row every 24 h, but a period is 1 h" in refused((tmp_path, text, "periods: 48, period_h: 1"))


def test_requests_without_lengths_count_and_are_named(tmp_path: Path):
    """Two of three have lengths; the third is taken to be as long. None at all is an error."""
    none = f"{HEAD}\n2026-03-01,,1\n"
    assert "no row says how many prompt tokens a request has" in refused((tmp_path, none, "period_h: 1"))
    text = f"{HEAD}\n2026-03-01 00:00,10,2\n2026-03-01 00:01,,\n2026-03-01 00:02,30,4\n"
    problem = traced(tmp_path, text, "periods: 1, period_h: 1")
    load = read(problem)
    assert load.demand.requests_by_period == (3,)
    assert (load.prompt_tokens, load.completion_tokens) == (20, 3)
    assert "0.333 of the requests have no recorded lengths" in " ".join(recorded(problem).notes)


# ---------------------------------------------------------------- bursts, windows, plans, speed


def test_burstiness_from_single_requests(tmp_path: Path):
    """Arrivals like a clock's have no spread, though two hours differ in rate; sizes of 10 and 30 have cv 0.5.

    Gaps of 2 and 4 min by turns: mean 3, deviation 1, cv 1/3.
    """
    even = [f"2026-03-01 00:{i:02},{10 + 20 * (i % 2)},0\n" for i in range(0, 60, 3)]
    even += [f"2026-03-01 01:{i:02},{10 + 20 * (i % 2)},0\n" for i in range(60)]
    load = read(traced(tmp_path, f"{HEAD}\n" + "".join(even)))
    assert load.arrival_cv == pytest.approx(0.0, abs=1e-9)
    assert load.service_cv == pytest.approx(0.5)
    turns = [f"2026-03-01 00:{i:02},1,1\n" for i in range(60) if i % 6 in (0, 2)]
    load = read(traced(tmp_path, f"{HEAD}\n" + "".join(turns[:-1]), "periods: 1, period_h: 1"))
    assert load.arrival_cv == pytest.approx(1 / 3)
    assert load.service_cv == 0


def test_a_window_over_midnight_carries_what_its_day_has_recorded(tmp_path: Path):
    """48 h of 10 requests an hour: 240 a day. 22:00–06:00 on day 0 carries all of it, on day 1 the quarter inside.

    240 + 240 · 2/8 = 300 requests of 100 + 10 tokens at 1 and 2 USD per M: 300 · 120e-6 = 0.036 USD.
    """
    rows = "".join(f"2026-03-{d:02} {h:02}:30,10,1000,100\n" for d in (1, 2) for h in range(24))
    text = "timestamp,requests,prompt_tokens,completion_tokens\n" + rows
    window = 'window: {start: "22:00", end: "06:00"}'
    plan = solve(traced(tmp_path, text, "periods: 48, period_h: 1, start: 2026-03-01", workload=window))
    assert plan.ok
    assert plan.cost_usd == pytest.approx(0.036)
    assert {route.period for route in plan.routes} <= {22, 23, *range(24, 30), 46, 47}
    assert any("trace" in note for note in plan.notes)


def test_a_plan_of_another_trace_is_not_verified(tmp_path: Path):
    """The verifier reads the file again: a plan for fewer requests fails."""
    from router.api import verify

    text = f"{HEAD}\n2026-03-01 00:00,10,2\n2026-03-01 01:01,10,2\n"
    plan = solve(traced(tmp_path, text))
    assert plan.ok
    changed = traced(tmp_path, text + "2026-03-01 01:02,10,2\n")
    assert {"problem", "quantities"} <= set(verify(changed, plan).failed())


@pytest.mark.parametrize("name", ["servegen-day", "azure-2023"])
def test_the_shipped_traces_load(name: str):
    """Every workload of the examples has recorded demand."""
    from router.loading.catalogue import load

    found = recorded(load(EXAMPLES / f"{name}.yaml")).problem
    assert all(sum(load.demand.requests_by_period or ()) > 0 for load in found.workloads)


def test_a_day_of_servegen_clients_is_planned():
    """Replicas by the hour against paying per token; verified, and cheaper than tokens alone."""
    plan = solve(EXAMPLES / "servegen-day.yaml")
    assert plan.ok
    tokens = sum(row.prompt_tokens * 0.4e-6 + row.completion_tokens * 0.8e-6 for row in plan.routes)
    assert 0.3 * tokens < plan.cost_usd < tokens
    assert plan.gap < 0.01


def test_many_rows_are_counted_and_a_file_is_read_once(tmp_path: Path):
    """Every one of 20,000 rows; asked again, the file need not even be there (how fast: tests/benchmarks)."""
    count = 20_000
    rows = "".join(
        f"2026-03-01 {i * 23 // count:02}:{i % 60:02}:00.1234567,{i % 997},{i % 89}\n" for i in range(count)
    )
    problem = traced(tmp_path, f"{HEAD}\n{rows}", DAY, "gaps: zero")
    first = recorded(problem)
    assert sum(first.problem.workloads[0].demand.requests_by_period or ()) == count
    assert recorded(problem).problem == first.problem
