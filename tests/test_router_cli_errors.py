"""What is wrong is said, with its exit code, and nothing is written then: bad input, lost outputs, limits, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_router_cli import QUICKSTART, TWO_OFFERS, Run, put


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    return put(tmp_path, TWO_OFFERS)


WRONG = {
    "a typo in a field name": (TWO_OFFERS.replace("workloads:", "worklods:"), 'did you mean "workloads"'),
    "a negative price": (TWO_OFFERS.replace("prompt_usd_per_m: 1.0", "prompt_usd_per_m: -1"), "-1"),
    "NaN": (TWO_OFFERS.replace("prompt_usd_per_m: 1.0", "prompt_usd_per_m: .nan"), "nan"),
    "infinity": (TWO_OFFERS.replace("parameters_b: 70", "parameters_b: .inf"), "inf"),
    "no YAML": ("a: [", "line"),
    "nothing": ("", "is empty"),
    "a YAML bomb": (
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"{chr(b)}: &{chr(b)} [{', '.join(['*' + chr(b - 1)] * 9)}]\n" for b in range(ord("b"), ord("k"))
        ),
        "values",
    ),
}


@pytest.mark.parametrize("command", ["solve", "compare"])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_told_with_file_and_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, command: str
) -> None:
    text, said = WRONG[case]
    out = tmp_path / "out.json"
    path = put(tmp_path, text)
    run = Run(capsys, command, path, "-o", out)
    assert run.code == 2
    assert run.out == ""
    assert run.err.startswith("Error: ")
    assert path.name in run.err
    assert said.lower() in run.err.lower()
    assert "Traceback" not in run.err
    assert not out.exists()


def test_an_include_loop_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "include: [problem.yaml]\nmodels: {}\n", "catalogue.yaml")
    run = Run(capsys, "solve", put(tmp_path, TWO_OFFERS + "include: [catalogue.yaml]"))
    assert run.code == 2
    assert "catalogue.yaml" in run.err
    assert "loop" in run.err or "circle" in run.err or "includes itself" in run.err


def test_a_file_of_100_mb_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100_000_000)  # sparse: no room is taken
    run = Run(capsys, "solve", path)
    assert run.code == 2
    assert "bytes" in run.err or "MB" in run.err


def test_a_model_that_fits_nowhere_ends_with_3_and_the_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = TWO_OFFERS.replace("name: api,", "name: api, limits: {max_parameters_b: 8},").replace(
        "name: dear,", "name: dear, limits: {max_parameters_b: 13},"
    )
    out = tmp_path / "plan.json"
    run = Run(capsys, "solve", put(tmp_path, limited), "-o", out)
    assert run.code == 3
    assert '"chat"' in run.err
    assert "2 take no model so large" in run.err
    assert not out.exists()
    table = Run(capsys, "compare", tmp_path / "problem.yaml", "--json")
    assert table.code == 0  # that nobody can is the answer of a comparison
    assert [row["reasons"] for row in table.json["offers"]] == [["model_too_large"]] * 2  # type: ignore[attr-defined]


def test_an_unknown_solver_names_the_nearest(problem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "solve", problem, "--solver", "hihgs")
    assert run.code == 2
    assert "highs" in run.err


@pytest.mark.parametrize(
    "option",
    [
        ["--solver-option", "no_such_option=1"],
        ["--solver-option", "nonsense"],
        ["--gap", "-1"],
        ["--gap", "nan"],
        ["--time-limit", "0"],
        ["--threads", "0"],
        ["--seed", "-1"],
        ["--scenario", "nobody"],
        ["--no-such-option"],
        ["--gap", "much"],
    ],
    ids=" ".join,
)
def test_a_refused_option_ends_with_2_and_writes_nothing(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    out = tmp_path / "plan.json"
    run = Run(capsys, "solve", problem, "-o", out, *option)
    assert run.code == 2
    assert run.err.startswith("Error: ")
    assert not out.exists()


def unwritable(folder: Path) -> dict[str, Path]:
    """Tests may run as root, whom permissions do not stop."""
    put(folder, "", "file")
    return {
        "a directory": folder,
        "below a file": folder / "file" / "plan.json",
        "no such directory": folder / "none" / "plan.json",
        "a dash": Path("-"),
    }


@pytest.mark.parametrize("case", ["a directory", "below a file", "no such directory", "a dash"])
def test_an_unwritable_output_is_told_before_any_work(
    problem: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    case: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = unwritable(tmp_path)[case]
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(
        "router.planning.optimise.optimise", lambda *_: pytest.fail("solved before the output was checked")
    )
    for command in (["solve", problem], ["export", "lp", problem]):
        run = Run(capsys, *command, "-o", target)
        assert run.code == 2
        assert "--output" in run.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failure_leaves_the_last_plan_as_it_was(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tmp_path / "plan.json"
    Run(capsys, "solve", problem, "-o", plan)
    good, names = plan.read_text(), sorted(path.name for path in tmp_path.iterdir())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    run = Run(capsys, "solve", problem, "-o", plan)
    assert run.code == 2
    assert "No space left" in run.err
    assert plan.read_text() == good
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_plan_keeps_its_permissions_and_a_link_stays_one(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, link = put(tmp_path, "old", "plan.json"), tmp_path / "latest.json"
    plan.chmod(0o640)
    link.symlink_to(plan)
    assert Run(capsys, "solve", problem, "-o", link).code == 0
    assert link.is_symlink()
    assert plan.stat().st_mode & 0o777 == 0o640
    assert json.loads(plan.read_text())["schema"] == "router-plan/2"
    assert Run(capsys, "solve", problem, "-o", os.devnull).code == 0
    assert not Path(os.devnull).is_file()  # written to, not replaced


@pytest.mark.parametrize("text", ["", "[]", "{}", "no json", '{"schema": "router-plan/2"}'])
def test_what_is_no_plan_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    path = put(tmp_path, text, "plan.json")
    for command in (["report", path], ["diff", path, path]):
        run = Run(capsys, *command)
        assert run.code == 2
        assert "plan.json" in run.err
        assert "Traceback" not in run.err


def test_errors_are_json_too_where_that_was_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(capsys, "solve", put(tmp_path, WRONG["a negative price"][0]), "--json")
    error = run.json["error"]
    assert isinstance(error, dict)
    assert error["kind"] == "InputError"
    assert error["exit_code"] == run.code == 2
    (issue,) = error["issues"]
    assert issue["path"] == "offers[0].models.m.prompt_usd_per_m"
    assert issue["line"] == 9
    assert Run(capsys, "solve", "--json").json["error"]["exit_code"] == 2  # type: ignore[index]


@pytest.mark.parametrize("command", ["solve", "compare"])
def test_without_a_file_an_example_is_suggested(capsys: pytest.CaptureFixture[str], command: str) -> None:
    run = Run(capsys, command)
    assert run.code == 2
    assert "router examples copy quickstart" in run.err


def test_a_shipped_name_is_recognised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run(capsys, "solve", "fleet")
    assert run.code == 2
    assert "router examples copy fleet" in run.err


def test_a_limit_that_leaves_no_plan_ends_with_4(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from solvers import Solution, Stop

    monkeypatch.setattr("router.planning.two_steps.solve_program", lambda *_: Solution(Stop.TIME_LIMIT))
    run = Run(capsys, "solve", QUICKSTART)
    assert run.code == 4
    assert "--time-limit" in run.err


def test_a_solver_that_breaks_off_ends_with_5(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from solvers import Solution, Stop

    monkeypatch.setattr("router.planning.two_steps.solve_program", lambda *_: Solution(Stop.ERROR))
    assert Run(capsys, "solve", QUICKSTART).code == 5


def test_a_plan_that_fails_its_own_check_ends_with_6_and_is_not_written(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from router.verification import Check, Verification

    broken = Verification(False, (Check("demand", False, "chat is not served", 1.0),), 0.0)
    monkeypatch.setattr("router.planning.publish.verify", lambda *_: broken)
    out = tmp_path / "plan.json"
    run = Run(capsys, "solve", problem, "-o", out)
    assert run.code == 6
    assert "chat is not served" in run.err
    assert not out.exists()


def test_our_own_bug_ends_with_1_and_a_traceback_only_if_asked(
    problem: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("router.planning.two_steps.decode", broken)
    quiet, loud = Run(capsys, "solve", problem), Run(capsys, "solve", problem, "-v")
    assert quiet.code == loud.code == 1
    assert "surprise" in quiet.err
    assert "Traceback" not in quiet.err
    assert "Traceback" in loud.err


def test_ctrl_c_ends_cleanly(
    problem: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("router.planning.two_steps.decode", stopped)
    out = tmp_path / "plan.json"
    run = Run(capsys, "solve", problem, "-o", out)
    assert run.code == 130
    assert "Traceback" not in run.err
    assert not out.exists()


def test_a_plan_found_before_ctrl_c_is_given_with_its_gap(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The solver hands over its incumbent when it is interrupted: a plan like any other, with what is proven of it."""
    from dataclasses import replace

    from router.planning import two_steps
    from solvers import Stop

    solve = two_steps.solve_program

    def interrupted(program, *rest):  # type: ignore[no-untyped-def]
        solution = solve(program, *rest)
        return replace(solution, stop=Stop.INTERRUPTED, bound=600_000.0) if program.is_mip else solution

    monkeypatch.setattr(two_steps, "solve_program", interrupted)
    run = Run(capsys, "solve", QUICKSTART)
    assert run.code == 0
    assert "highs states that no plan costs over 4.8 % less; not re-checked; interrupted" in run.out


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_real_ctrl_c_leaves_no_traceback() -> None:
    slow = "import signal, sys, time, router.loading.catalogue as files\n"
    slow += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # jobs in the background ignore it
    slow += "files.load = lambda *_, **__: (print('loading', file=sys.stderr, flush=True), time.sleep(60))\n"
    slow += "from router import cli; sys.exit(cli.run(['solve', sys.argv[1]]))"
    command = [sys.executable, "-c", slow, QUICKSTART]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if process.stderr is None or process.stderr.readline() != "loading\n":
        pytest.fail("did not start")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


def test_a_closed_pipe_is_quiet() -> None:
    command = f"{sys.executable} -m router schema | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
