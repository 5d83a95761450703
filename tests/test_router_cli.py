"""The command line from end to end: right answers, help, and what it costs to start."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

import router
from router import cli
from router.reports.words import STOP

EXAMPLES = Path(router.__file__).parent / "examples"
QUICKSTART = str(EXAMPLES / "quickstart.yaml")

TWO_OFFERS = """
schema: router/1
name: two offers
horizon: {periods: 1, period_h: 730}
models: {m: {parameters_b: 70}}
workloads:
  - {name: chat, models: [m], demand: {requests_per_month: 1M}, prompt_tokens: 800, completion_tokens: 200}
offers:
  - {name: api, models: {m: {prompt_usd_per_m: 1.0, completion_usd_per_m: 1.0}}}
  - {name: dear, models: {m: {prompt_usd_per_m: 2.0, completion_usd_per_m: 2.0}}}
"""


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    return put(tmp_path, TWO_OFFERS)


def put(folder: Path, text: str, name: str = "problem.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


class Run:
    """Exit code and output of one command."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
        capsys.readouterr()
        self.code = cli.run([str(argument) for argument in arguments])
        self.out, self.err = capsys.readouterr()

    @property
    def json(self) -> dict[str, object]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


def fresh(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "router", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]


def test_solve_compare_verify_report_and_diff_on_one_problem(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 M requests of 1,000 tokens at 1 USD per M tokens are 1,000 USD."""
    plan = tmp_path / "plan.json"
    solved = Run(capsys, "solve", problem, "-o", plan)
    assert solved.code == 0
    assert "1,000.00 USD over 730 h" in solved.out
    assert "Proven optimal" in solved.out
    assert "Verified:" in solved.out
    assert str(plan) in solved.err
    assert json.loads(plan.read_text())["cost_usd"] == pytest.approx(1_000.0)

    assert Run(capsys, "verify", problem, plan).code == 0
    assert Run(capsys, "report", plan).out.splitlines()[0] == solved.out.splitlines()[0]
    assert "nothing else changes" in Run(capsys, "diff", plan, plan).out
    table = Run(capsys, "compare", problem, "--json").json
    assert [row["offer"] for row in table["offers"]] == ["api", "dear"]  # type: ignore[attr-defined]


def test_json_goes_to_stdout_alone_and_is_the_plan(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solved = Run(capsys, "solve", problem, "--json")
    assert solved.json["schema"] == "router-plan/2"
    assert solved.err == ""


def test_two_runs_differ_in_time_stamps_only(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (Run(capsys, "solve", problem, "--json").json for _ in range(2))
    assert {**first, "created": ""} == {**second, "created": ""}


def test_a_plan_that_breaks_a_promise_ends_with_6(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.json"
    Run(capsys, "solve", problem, "-o", plan)
    document = json.loads(plan.read_text())
    document["routes"][0]["share"] = 0.5
    plan.write_text(json.dumps(document))
    verdict = Run(capsys, "verify", problem, plan)
    assert verdict.code == 6
    assert "demand" in verdict.err
    assert Run(capsys, "verify", problem, plan, "--json").json["ok"] is False


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_a_plan_is_reported_in_every_form(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    plan, out = tmp_path / "plan.json", tmp_path / "report"
    Run(capsys, "solve", problem, "-o", plan)
    shown = Run(capsys, "report", plan, "--format", form)
    assert shown.code == 0
    assert "api" in shown.out
    assert Run(capsys, "report", plan, "--format", form, "-o", out).out == ""
    assert "api" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["lp", "mps"])
def test_the_program_is_exported(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    out = tmp_path / f"problem.{form}"
    assert Run(capsys, "export", form, problem, "-o", out).code == 0
    assert out.read_text() == Run(capsys, "export", form, problem).out


def test_schema_and_solvers_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "workloads" in Run(capsys, "schema").json["properties"]  # type: ignore[operator]
    assert Run(capsys, "schema", "-o", tmp_path / "s.json").code == 0
    assert "highs" in Run(capsys, "solvers").out
    found = json.loads(Run(capsys, "solvers", "--json").out)
    assert {"name": "highs", "installed": True}.items() <= found[0].items()


def test_examples_are_listed_and_copied_with_what_they_include(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "quickstart" in Run(capsys, "examples").out
    listed = json.loads(Run(capsys, "examples", "list", "--json").out)
    assert {one["name"] for one in listed} == {path.stem for path in EXAMPLES.glob("*.yaml")}
    assert all(one["about"] for one in listed)
    assert Run(capsys, "examples", "copy", "mixed", tmp_path / "here").code == 0
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"mixed.yaml", "catalogue.yaml"}


def test_a_copied_example_never_overwrites_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = put(tmp_path, "mine", "quickstart.yaml")
    assert Run(capsys, "examples", "copy", "quickstart", tmp_path).code == 2
    assert mine.read_text() == "mine"
    assert Run(capsys, "examples", "copy", "quickstart", tmp_path, "--force").code == 0
    assert Run(capsys, "examples", "copy", "quickstart", tmp_path).code == 0  # the same file is no conflict


def test_options_reach_the_solver(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        "--solver",
        "pulp:COIN_CMD",
        "--gap",
        "0.01",
        "--time-limit",
        "9",
        "--seed",
        "7",
        "--threads",
        "2",
    ]
    solver = Run(capsys, "solve", problem, "--json", *asked).json["solver"]
    assert isinstance(solver, dict)
    assert solver["name"] == "pulp:COIN_CMD"
    wanted = {"gap": 0.01, "time_limit_s": 9.0, "seed": 7, "threads": 2, "relax": False}
    assert wanted.items() <= solver["options"].items()


def test_a_native_option_reaches_the_solver(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solved = Run(capsys, "solve", problem, "--json", "--solver-option", "presolve=off")
    assert solved.json["solver"]["options"]["native"] == {"presolve": "off"}  # type: ignore[index]


def test_verbose_names_rows_by_family_on_stderr(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solved = Run(capsys, "solve", problem, "-v")
    assert "rows by family: demand 1" in solved.err
    assert "rows by family" not in solved.out


def test_one_of_several_futures_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    futures = (
        "scenarios: [{name: base, probability: 0.5}, {name: surge, probability: 0.5, demand: {chat: 2}}]"
    )
    problem = put(tmp_path, TWO_OFFERS + futures)
    undecided = Run(capsys, "solve", problem)
    assert undecided.code == 2
    assert "base, surge" in undecided.err
    assert Run(capsys, "solve", problem, "--scenario", "surge", "--json").json["cost_usd"] == pytest.approx(
        2_000
    )
    assert Run(capsys, "compare", problem, "--scenario", "base").code == 0


# ---------------------------------------------------------------- help, and what it costs


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in cli.COMMANDS:
        run = Run(capsys, name, "--help")
        assert run.code == 0
        assert run.out.startswith("Usage: router")


def test_help_imports_nothing_heavy() -> None:
    heavy = ["numpy", "scipy", "pydantic", "yaml", "rich", "highspy", "pulp"]
    code = (
        "import sys; from router import cli; cli.run(['--help']); import router\n"
        f"sys.exit(str([name for name in {heavy} if name in sys.modules] or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == ""


def test_the_module_is_the_command() -> None:
    assert fresh("--version").stdout.startswith("router 0")


def test_colour_is_for_terminals_and_no_color_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from router.commands import terminal

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.coloured()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.coloured()


def test_progress_is_shown_on_a_terminal_and_only_after_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from router.commands import terminal

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress("planning") as doing:
        doing("nothing yet")
    assert "planning" not in capsys.readouterr().err
    monkeypatch.setattr(terminal, "PATIENCE_S", 0.0)
    with terminal.progress("planning") as doing:
        doing("150 columns")
        time.sleep(0.3)
    out, err = capsys.readouterr()
    assert "150 columns" in err
    assert out == ""


def test_progress_tells_plan_bound_and_gap_as_the_solver_does() -> None:
    """The solver's own figures, the best of each; while users still wait too long there is a bound and no plan."""
    from router.commands.terminal import ProgressLine

    lines: list[str] = []
    line = ProgressLine("planning", lambda: 41.6, lines.append)
    line("150 columns")
    line.reached(float("inf"), 900.0)
    line.show()
    line.reached(1250.0, 1000.0)
    line.reached(1300.0, 950.0)  # of a later round: the best of each stays
    line.show()
    line.anew("another offer")
    assert lines.pop() == "planning: another offer, 42 s of the limit left"
    assert lines == [
        "planning: 150 columns, 42 s of the limit left",
        "planning: 150 columns, no plan yet, none below 900.00 USD, 42 s of the limit left",
        "planning: 150 columns, best plan 1,250.00 USD, none below 1,000.00 USD, gap 20 %, 42 s of the limit left",
    ]


def test_what_is_watched_is_of_the_whole_problem() -> None:
    """Best plan and bound that `solve` shows: no best below the optimum, no bound above it."""
    from router.planning.solve import Search, planned
    from solvers import SolveOptions

    seen: list[tuple[float, float]] = []
    options = SolveOptions(watch=lambda best, bound: seen.append((best, bound)))
    problem = router.load(EXAMPLES / "regions.yaml")
    plan = planned(problem, Search("highs", options))
    assert plan.solver.options.gap == options.gap
    assert all(bound <= plan.cost_usd + 1e-3 and best >= plan.cost_usd - 1e-3 for best, bound in seen)
    assert seen


def test_who_watches_is_told_of_the_first_stage_and_of_the_plan_explained_alone() -> None:
    """`size` by cuts, 80.64 USD worked by hand; `explain`: searches for what else is asked are not told."""
    from router.explaining import explain
    from router.sizing import SizeOptions, size
    from solvers import SolveOptions

    seen: list[tuple[float, float]] = []
    options = SolveOptions(watch=lambda best, bound: seen.append((best, bound)))
    size(EXAMPLES / "sizing-quote.yaml", how=SizeOptions(method="cuts", questions=False), options=options)
    assert min(best for best, _ in seen) == pytest.approx(80.64)
    assert all(bound <= 80.64 + 1e-6 and best >= 80.64 - 1e-6 for best, bound in seen)
    seen.clear()
    usd = explain(EXAMPLES / "regions.yaml", options=options).plan.cost_usd
    assert all(bound <= usd + 1e-3 and best >= usd - 1e-3 for best, bound in seen)
    assert seen


def test_every_way_to_stop_has_words() -> None:
    from solvers import Stop

    without_plan = {"infeasible", "unbounded", "infeasible_or_unbounded", "error", "unknown"}
    assert {stop.value for stop in Stop} == set(STOP) | without_plan


def test_public_names_are_there() -> None:
    for name in router.__all__:
        assert getattr(router, name) is not None
    with pytest.raises(AttributeError):
        router.nothing  # noqa: B018


@pytest.mark.parametrize("where", [">&-", "> /dev/full"])
def test_where_stdout_is_lost_the_work_decides_the_code(where: str, tmp_path: Path) -> None:
    """0 where a file has the plan, 10 where a store has a new one, else 2; never a bug of the planner."""
    closed = where == ">&-"  # both ways take the same way out: one of each kind shows it
    (tmp_path / "p.yaml").write_text(ONE_OFFER)
    reoptimised = "reoptimise p.yaml --store sqlite:///s.db --detailed-exitcode"
    for command, code in (
        ("solve p.yaml -o plan.json" if closed else "solve p.yaml -o plan.json --json", 0),
        ("solve p.yaml", 2),
        (reoptimised, 10),
        (reoptimised, 0),
        ("report plan.json --format csv", 2),
        ("--help", 2),
    ):
        if closed and command.startswith(("reoptimise", "report")):
            continue
        line = f"{shlex.quote(sys.executable)} -m router {command} {where}"
        done = subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == code, (command, done.stderr)
        assert "stdout: cannot be written" in done.stderr
        assert "Traceback" not in done.stderr
    assert (tmp_path / "plan.json").exists()


ONE_OFFER = """
schema: router/1
models: {m: {}}
workloads: [{name: w, models: [m], demand: {requests_per_day: 1000}, prompt_tokens: 100, completion_tokens: 100}]
offers: [{name: a, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 2}}}]
"""


def test_help_into_a_full_disk_is_no_bug(tmp_path: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m router --help > /dev/full"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "stdout: cannot be written" in done.stderr) == (2, True)
