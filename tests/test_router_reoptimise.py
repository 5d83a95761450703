"""The scheduled run as a job sees it: exit codes, keys, stale demand, clocks, figures, and runs that are killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import kill_campaign
import pytest
from pytest import approx
from reoptimise_cases import SEARCH, api, gpu, problem, run, shares
from stores import BACKENDS, store_url
from test_router_verify_plans import verify

from router.cli import run as cli
from router.errors import InputError, StaleDemand
from router.planning.roads import best_by_any_road
from router.planning.solve import Search
from router.planning.two_steps import Incumbent
from router.reoptimisation.freshness import check_fresh, starting
from router.reoptimisation.run import run_key
from router.reoptimisation.running import Alignment
from router.store.history import Store

PROBLEM = """
schema: router/1
name: p
horizon: {{periods: 1, period_h: 1}}
models: {{m: {{}}}}
workloads: [{{name: w, models: [m], demand: {{requests_per_hour: 1000}}, prompt_tokens: 900, completion_tokens: 100}}]
offers:
  - {{name: a, provider: a, models: {{m: {{prompt_usd_per_m: {a}, completion_usd_per_m: {a}}}}}}}
  - {{name: b, provider: b, models: {{m: {{prompt_usd_per_m: {b}, completion_usd_per_m: {b}}}}}}}
{more}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with store_url(request.param, tmp_path) as made:
        yield made


def written(folder: Path, a: float, b: float, more: str = "") -> str:
    file = folder / "p.yaml"
    file.write_text(PROBLEM.format(a=a, b=b, more=more))
    return str(file)


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_exit_codes_and_what_is_in_force(folder, capsys):
    """10 for a new plan, 0 for none; the plan in force is written each time."""
    store = ["--store", "sqlite:///plans.db", "-o", "plan.json", "--json", "--detailed-exitcode"]
    assert cli(["reoptimise", written(folder, 1.0, 2.0), *store]) == 10
    assert answer(capsys)["outcome"] == "first"
    assert cli(["reoptimise", written(folder, 1.0, 2.0), *store]) == 0
    assert answer(capsys)["outcome"] == "same inputs"
    assert (
        cli(["reoptimise", written(folder, 1.0, 0.7, "reoptimise: {move_usd_per_m_tokens: 1}"), *store]) == 0
    )
    told = answer(capsys)
    assert (told["outcome"], told["unconstrained_usd"]) == ("kept", approx(0.7))
    assert cli(["reoptimise", written(folder, 1.0, 0.7), *store]) == 10
    told = answer(capsys)
    assert (told["outcome"], told["gain_usd"], told["moved_share"]) == ("cheaper", approx(0.3), 1.0)
    assert json.loads(Path("plan.json").read_text())["routes"][0]["offer"] == "b"
    assert cli(["reoptimise", written(folder, 1.0, 0.7), *store[:-1]]) == 0


def test_history_and_diff_by_number(folder, capsys):
    store = ["--store", "sqlite:///plans.db"]
    for b in (2.0, 0.7):
        cli(["reoptimise", written(folder, 1.0, b), *store])
    capsys.readouterr()
    assert cli(["history", *store, "--json"]) == 0
    told = answer(capsys)
    assert told["plans"] == 2
    assert [(row["id"], row["reason"], row["running_usd"]) for row in told["listed"]] == [
        (2, "cheaper", approx(1.0)),
        (1, "first", None),
    ]
    assert cli(["diff", "1", "2", *store, "--json"]) == 0
    assert answer(capsys)["moved_share"] == 1.0
    assert cli(["history", *store, "--show", "1", "-o", "old.json"]) == 0
    assert cli(["diff", "old.json", "2", *store]) == 0
    assert cli(["history", *store]) == 0
    assert "2 plans" in capsys.readouterr().out
    assert cli(["diff", "1", "9", *store]) == 2
    assert cli(["history", "--store", "sqlite:///typo.db"]) == 2


def test_the_same_inputs_give_no_new_row(tmp_path):
    made = problem(api("a", 1.0) + api("b", 2.0))
    assert run(tmp_path, made).outcome == "first"
    assert run(tmp_path, made).outcome == "same inputs"
    assert run(tmp_path, problem(api("b", 2.0) + api("a", 1.0))).outcome == "same inputs"  # other order
    with Store.open(f"sqlite:///{tmp_path / 'router.db'}") as store:
        assert store.count() == 1


def test_the_run_key_is_about_content():
    from dataclasses import replace

    one, other = problem(api("a", 1.0) + api("b", 2.0)), problem(api("b", 2) + api("a", "1.00"))  # type: ignore[arg-type]
    assert run_key(one, SEARCH) == run_key(other, SEARCH)
    assert run_key(one, SEARCH) != run_key(problem(api("a", 1.0)), SEARCH)
    assert run_key(one, SEARCH) != run_key(one, replace(SEARCH, options=replace(SEARCH.options, gap=0.1)))


SLOW = """
import sys, time
from pathlib import Path
import router.reoptimisation.run as work
from router.cli import run
plan_first = work._first
def slowly(*given):
    time.sleep(1.0)
    return plan_first(*given)
work._first = slowly
Path(sys.argv[1]).touch()
while len(list(Path(sys.argv[1]).parent.glob("ready*"))) < 2:
    time.sleep(0.01)
sys.exit(run(["reoptimise", "p.yaml", "--store", sys.argv[2]]))
"""


def test_two_at_once_one_works_and_one_says_so(folder, url):
    """Both begin at the same moment; planning takes a second."""
    written(folder, 1.0, 2.0)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", SLOW, str(folder / f"ready{n}"), url],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for n in (1, 2)
    ]
    said = [one.communicate(timeout=60)[1] for one in both]
    assert sorted(one.returncode for one in both) == [0, 7]
    assert any("another run" in words for words in said)
    with Store.open(url) as store:
        assert store.count() == 1


def test_runs_killed_at_random_moments(url):
    """A sample of tests/kill_campaign.py, which does hundreds."""
    seed = int(time.time())
    figures = kill_campaign.campaign(url, runs=2, seed=seed, at=("run", "publication")[seed % 2])
    assert figures.runs == 2
    assert not figures.faults


FULL = """
import resource, signal, sys
from router.cli import run
import router.reoptimisation.run, router.store.history
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit is then an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
sys.exit(run(["reoptimise", "p.yaml", "--store", "sqlite:///plans.db"]))
"""


def test_a_full_disk_is_told_and_the_running_plan_stays(folder):
    store = ["--store", "sqlite:///plans.db"]
    assert cli(["reoptimise", written(folder, 1.0, 2.0), *store]) == 0
    written(folder, 1.0, 0.5)
    full = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=False)
    assert full.returncode == 2
    assert "--store" in full.stderr
    assert "Traceback" not in full.stderr
    with Store.open("sqlite:///plans.db") as opened:
        assert opened.count() == 1
    assert cli(["reoptimise", "p.yaml", *store, "--detailed-exitcode"]) == 10


def test_a_database_that_is_away_is_told(folder, capsys):
    file = written(folder, 1.0, 2.0)
    assert cli(["reoptimise", file, "--store", "postgresql://planner:secret@127.0.0.1:1/none"]) == 2
    said = capsys.readouterr().err
    assert "--store" in said
    assert "secret" not in said


TRACED = """
schema: router/1
name: p
horizon: {{periods: 4, period_h: 1, start: "2026-12-01T00:00"}}
models: {{m: {{}}}}
workloads:
  - {{name: w, models: [m], demand: {{trace: {{file: usage.csv{more}}}}}, prompt_tokens: 90, completion_tokens: 10}}
offers: [{{name: a, provider: a, models: {{m: {{prompt_usd_per_m: 1, completion_usd_per_m: 1}}}}}}]
"""


def recorded_hours(folder: Path, hours: int, more: str = ", gaps: zero") -> str:
    rows = "".join(f"2026-12-01T{hour:02}:00,100\n" for hour in range(hours))
    (folder / "usage.csv").write_text("timestamp,requests\n" + rows)
    (folder / "p.yaml").write_text(TRACED.format(more=more))
    return str(folder / "p.yaml")


def test_demand_that_is_missing_never_scales_down(folder, capsys):
    """`gaps: zero` is about silence inside the record, not about hours that it has not reached."""
    store = ["--store", "sqlite:///plans.db"]
    assert cli(["reoptimise", recorded_hours(folder, 4), *store]) == 0
    assert cli(["reoptimise", recorded_hours(folder, 2), *store, "--json"]) == 2
    out, said = capsys.readouterr()
    assert "unknown, not zero" in said
    assert '"kind": "StaleDemand"' in out
    assert cli(["reoptimise", recorded_hours(folder, 2, ""), *store]) == 2  # without gaps: an error as ever
    (folder / "usage.csv").unlink()
    assert cli(["reoptimise", str(folder / "p.yaml"), *store]) == 2
    with Store.open("sqlite:///plans.db") as opened:
        assert opened.count() == 1


def test_demand_that_is_too_old_is_refused(folder):
    from router.loading.catalogue import load

    made = load(recorded_hours(folder, 4))
    check_fresh(made, max_age_s=3600)
    old = time.time() - 7200
    os.utime(folder / "usage.csv", (old, old))
    check_fresh(made)
    with pytest.raises(StaleDemand, match=r"2:00:0\d old; --max-age allows 1:00:00"):
        check_fresh(made, max_age_s=3600)
    assert cli(["reoptimise", str(folder / "p.yaml"), "--max-age", "1h"]) == 2


HOURLY = "{{periods: {periods}, period_h: 1, start: '2026-12-01T{start:02}:00'}}"


def hourly(start: int, counts: list[int], more: str = ""):
    load = (
        f"- {{name: w, models: [m], demand: {{requests_by_period: {[3600 * n for n in counts]}}}, "
        "prompt_tokens: 90, completion_tokens: 10}"
    )
    horizon = HOURLY.format(periods=len(counts), start=start)
    return problem(gpu("g", 2.0), workloads=load, horizon=horizon, more=more)


def test_the_running_plan_is_laid_on_the_clock(tmp_path):
    """Counts 1, 2, 3, 4 from midnight on; from one o'clock the same hours ask for the same, and the fifth for 4."""
    run(tmp_path, hourly(0, [1, 2, 3, 4]))
    kept = run(tmp_path, hourly(1, [2, 3, 4, 4]))
    assert kept.outcome == "kept"  # beyond its end a plan shorter than a day goes on as in its last hour
    assert kept.running_usd == approx(2.0 * 13)
    broken = run(tmp_path, hourly(2, [4, 4, 4, 4]))  # one too few at two o'clock
    assert broken.outcome == "repair"
    assert broken.resized == 1
    assert broken.plan.running.shift_h == 2


def test_hours_by_clock_days_and_number():
    day = problem(api("a", 1), horizon="{periods: 24, period_h: 1, start: '2026-12-01T00:00'}")
    later = problem(api("a", 1), horizon="{periods: 48, period_h: 1, start: '2026-12-01T18:00'}")
    align = Alignment(day, later)
    assert [align.period(t) for t in (0, 5, 6, 29, 30, 47)] == [18, 23, 0, 23, 0, 17]
    quarter = problem(api("a", 1), horizon="{periods: 96, period_h: 0.25, start: '2026-12-01T01:00'}")
    assert [Alignment(day, quarter).period(t) for t in (0, 3, 4, 95)] == [1, 1, 2, 0]
    dateless = problem(api("a", 1), horizon="{periods: 3, period_h: 1}")
    assert [Alignment(dateless, later).period(t) for t in (0, 1, 2, 40)] == [0, 1, 2, 2]


def test_work_that_may_move_is_compared_by_offer_alone(tmp_path):
    """A job may wait for the cheaper hour: when it runs is no move; a window's day is found by its date."""
    window = (
        "- {name: w, models: [m], demand: {requests_per_day: 1000}, prompt_tokens: 900, completion_tokens: 100, "
        "window: {start: '22:00', end: '04:00'}}"
    )
    horizon = "{periods: 48, period_h: 1, start: '2026-12-01T12:00'}"
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0), workloads=window, horizon=horizon))
    horizon = "{periods: 48, period_h: 1, start: '2026-12-02T12:00'}"
    more = "reoptimise: {move_usd_per_m_tokens: 0.4}"
    made = problem(api("a", 1.0) + api("b", 0.7), workloads=window, horizon=horizon, more=more)
    assert run(tmp_path, made).outcome == "kept"
    made = problem(api("a", 1.0) + api("b", 0.5), workloads=window, horizon=horizon, more=more)
    taken = run(tmp_path, made)
    assert taken.outcome == "cheaper"
    assert taken.churn_usd == approx(2 * 0.4)  # two nights of a million tokens
    assert verify(made, taken.plan).ok


def test_another_start():
    made = problem(api("a", 1.0), horizon="{periods: 2, period_h: 1, timezone: Europe/Berlin}")
    assert str(starting(made, "2026-12-01T05:00").horizon.start) == "2026-12-01 05:00:00"
    now = starting(made, "now").horizon.start
    assert now is not None
    assert (now.minute, now.second) == (0, 0)
    assert 0 <= time.time() - now.timestamp() < 3601
    assert starting(made, None) is made


CHURNING = "reoptimise: {move_usd_per_m_tokens: 0.2, resize_usd: 1, freeze_h: 1, max_moved_share: 0.6}"


def test_a_changed_plan_is_checked_alone(tmp_path):
    """Each statement about what ran, and each limit, is held against the plan."""
    two = "{periods: 2, period_h: 1}"

    def offers(usd: float) -> str:
        return api("a", 1.0) + api("b", usd) + gpu("g", 5.0, 300)

    run(tmp_path, problem(offers(2.0), horizon=two))
    made = problem(offers(0.5), horizon=two, more=CHURNING)
    plan = run(tmp_path, made).plan.to_dict()
    assert verify(made, plan).ok

    def failed(**edits: Any) -> tuple[str, ...]:
        running = json.loads(json.dumps(plan["running"])) | edits
        return verify(made, {**plan, "running": running}).failed()

    there = plan["running"]["shares"]
    assert "cost_lines" in failed(shares=[{**row, "share": row["share"] / 2} for row in there])
    assert "churn" in failed(freeze_h=0.0)
    assert "churn" in failed(shares=[*there, there[0]])
    assert "churn" in failed(shares=[{**row, "workload": "x"} for row in there])
    assert "churn" in failed(shares=[{**row, "share": 2.0} for row in there])
    assert "cost_lines" in failed(counts=[{"offer": "g", "model": "m", "period": 1, "count": 1.0}])
    assert "churn" in failed(counts=[{"offer": "g", "model": "m", "period": 0, "count": 1.0}])  # it is frozen
    assert "churn" in failed(freeze_h=1e8)
    unsold = {"offer": "a", "end_h": 1.0, "committed_tokens_per_month": 1.0, "committed_usd_per_month": None}
    assert "churn" in failed(contracts=[unsold])
    for junk in ("junk", plan["running"] | {"contracts": [{"offer": "a"}]}):
        with pytest.raises(InputError, match="running"):
            verify(made, {**plan, "running": junk})
    tighter = CHURNING.replace("0.6", "0.4")
    other = problem(offers(0.5), horizon=two, more=tighter)
    assert set(verify(other, plan).failed()) == {"problem", "churn"}
    without = {key: value for key, value in plan.items() if key != "running"}
    assert "cost_lines" in verify(made, without).failed()


def test_figures_for_prometheus(folder):
    """Counters go on, and a run that fails leaves the plan's figures where they are."""
    from router.reoptimisation.metrics import read

    given = ["--store", "sqlite:///plans.db", "--metrics", "router.prom"]
    cli(["reoptimise", written(folder, 1.0, 2.0), *given])
    cli(["reoptimise", written(folder, 1.0, 0.7), *given])
    (folder / "p.yaml").write_text("schema: router/1\nworkloads: []\n")
    assert cli(["reoptimise", "p.yaml", *given]) == 2
    label = ("p.yaml",)
    found = read("router.prom")
    assert found["last_run_exit_code", label] == 2
    assert found["plan_cost_usd", label] == approx(0.7)
    assert found["gain_usd", label] == approx(0.3)
    assert found["runs_total", (*label, "InputError")] == 1
    assert found["last_success_timestamp_seconds", label] < found["last_run_timestamp_seconds", label]
    lines = Path("router.prom").read_text().splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    samples = [line for line in lines if not line.startswith("#")]
    assert all(line.split("{")[0] in types for line in samples)


def test_logs_as_json_lines(folder, capsys):
    """Every line of stderr is an object, errors too."""
    assert cli(["reoptimise", written(folder, 1.0, 2.0), "--log-json"]) == 0
    assert cli(["reoptimise", written(folder, 1.0, 0.7), "--log-json"]) == 0
    assert cli(["reoptimise", "none.yaml", "--log-json"]) == 2
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    events = [line["event"] for line in lines]
    assert events.count("plan published") == 2
    assert {"run started", "running plan priced", "run ended", "run failed"} <= set(events)
    assert all({"time", "level", "event"} <= set(line) for line in lines)


def test_again_and_again_until_stopped(folder):
    """A failed run ends only itself; SIGTERM ends the loop, with 0."""
    file = written(folder, 1.0, 2.0)
    loop = subprocess.Popen(
        [sys.executable, "-m", "router", "reoptimise", file, "--every", "0.5s", "--log-json"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert loop.stderr is not None
    outcomes = []
    for line in loop.stderr:
        told = json.loads(line)
        if told["event"] != "run ended":
            continue
        outcomes.append(told["outcome"])
        if len(outcomes) == 1:
            Path(file).write_text("nonsense: [")
        if "InputError" in outcomes and outcomes[-1] == "InputError":
            written(folder, 1.0, 0.7)
        if outcomes[-1] == "cheaper":
            loop.send_signal(signal.SIGTERM)
            break
    loop.stderr.close()
    assert loop.wait(timeout=30) == 0
    assert outcomes[0] == "first"
    assert "InputError" in outcomes


def test_what_makes_no_sense_is_refused(folder):
    file = written(folder, 1.0, 2.0)
    for wrong in (
        ["--every", "soon"],
        ["--lease", "0s"],
        ["--relax"],
        ["--start", "noon"],
        ["--metrics", "."],
    ):
        assert cli(["reoptimise", file, *wrong]) == 2
    assert not Path("router.db").exists()


@pytest.mark.parametrize("option", ["--every", "--max-age", "--lease"])
def test_a_length_of_time_needs_a_unit(folder, capsys, option):
    """15 is minutes to who writes crontabs, and seconds to who writes shells."""
    assert cli(["reoptimise", written(folder, 1.0, 2.0), option, "15"]) == 2
    assert f'{option}: "15": needs a unit: 15m or 15s' in capsys.readouterr().err
    assert not Path("router.db").exists()


@pytest.mark.parametrize("option", ["--metrics", "-o"])
def test_an_option_that_names_no_place_is_named_before_anything_is_planned(folder, capsys, option):
    assert cli(["reoptimise", written(folder, 1.0, 2.0), option, "/no/where"]) == 2
    name = {"-o": "--output"}.get(option, option)
    assert f'{name}: "/no/where": cannot be written: /no does not exist' in capsys.readouterr().err
    assert not Path("router.db").exists()


def test_lines_of_the_loop_begin_with_the_time(folder):
    """What a run did on stdout, what failed and what -v says on stderr: each with the time, UTC."""
    file = written(folder, 1.0, 2.0)
    command = [sys.executable, "-m", "router", "reoptimise", file, "--every", "0.5s", "-v"]
    loop = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert loop.stdout is not None
    assert loop.stderr is not None
    first = loop.stdout.readline()
    Path(file).write_text("nonsense: [")
    said = []
    for line in loop.stderr:
        said.append(line)
        if "Error:" in line:
            break
    loop.send_signal(signal.SIGTERM)
    loop.communicate(timeout=30)
    time_utc = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ "
    assert re.match(time_utc + "p: Plan 1 is in force", first)
    assert all(re.match(time_utc, line) for line in said), said


def test_a_url_of_no_store_ends_the_loop_before_it_begins(folder, capsys):
    """No later run can mend it; a database that is away may come back, and does not end the loop."""
    file = written(folder, 1.0, 2.0)
    assert cli(["reoptimise", file, "--every", "1s", "--store", "mysql://x/y"]) == 2
    assert capsys.readouterr().err.count("only sqlite and postgresql are") == 1


def test_the_best_found_in_time_is_put_in_force_with_its_gap(tmp_path, monkeypatch):
    """What stopped the search stands in the store, where no bound of our own says that the plan is the best."""
    import router.planning.optimise as module
    from router.planning import solve as planning
    from solvers import Stop

    whole = module.find

    def cut(*given: Any, **named: Any) -> Any:
        from dataclasses import replace

        found = whole(*given, **named)
        return replace(found, stop=Stop.TIME_LIMIT, bound=found.bound * 0.9)

    monkeypatch.setattr(module, "find", cut)
    monkeypatch.setattr(planning, "with_proof", lambda problem, encoded, incumbent: (incumbent, None))
    result = run(tmp_path, problem(gpu("g", 2.0)))
    assert result.outcome == "first"
    with Store.open(f"sqlite:///{tmp_path / 'router.db'}") as store:
        (row,) = store.history()
    assert (row.status, row.gap) == ("time_limit", approx(0.1))


def test_shares_of_a_kept_plan_are_those_that_run(tmp_path):
    run(tmp_path, problem(api("a", 1.0) + api("b", 2.0)))
    assert shares(run(tmp_path, problem(api("a", 1.1) + api("b", 2.0)))) == {"a": 1.0}


def test_examples_of_the_page_are_options(folder):
    """docs/reoptimise.md names no option that is not there."""
    from router.commands.reoptimise import reoptimise

    page = (Path(__file__).parents[1] / "docs" / "reoptimise.md").read_text(encoding="utf-8")
    known = {flag for option in reoptimise.params for flag in option.opts}
    used = {
        flag
        for line in page.splitlines()
        if "router reoptimise" in line
        for flag in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", dedent(line))
    }
    assert used
    assert used <= known


def test_a_change_that_costs_nothing_is_not_looked_for_again(tmp_path, monkeypatch):
    """1 USD on a, then b at half of it: where moving is free 0.50 in two searches, at 0.10 a million 0.60 in three."""
    looked = []

    def best(search: Search, *args: Any, **kwargs: Any) -> Incumbent:
        looked.append(search)
        return best_by_any_road(args[0], search.solver, search.options, *args[1:], **kwargs)

    monkeypatch.setattr(Search, "best", best)
    searches = {}
    for price in (0.0, 0.1):
        folder = tmp_path / str(price)
        folder.mkdir()
        more = f"reoptimise: {{move_usd_per_m_tokens: {price}}}"
        run(folder, problem(api("a", 1.0) + api("b", 2.0), more=more))
        looked.clear()
        result = run(folder, problem(api("a", 1.0) + api("b", 0.5), more=more))
        searches[price] = (result.outcome, result.best_usd, len(looked))
    assert searches == {0.0: ("cheaper", approx(0.5), 2), 0.1: ("cheaper", approx(0.6), 3)}
