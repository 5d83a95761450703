"""`import router` as a notebook has it: every function, short reprs, a page of one table and one chart, frames."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from pathlib import Path

import pytest
from problem_factory import api, hourly, load
from problem_factory import problem as problem_of

import router
from router.errors import InputError
from router.plan.document import TABLES

FUNCTIONS = (
    *("load", "solve", "size", "explain", "compare", "simulate"),
    *("reoptimise", "backtest", "whatif", "report", "diff", "verify"),
)


@pytest.fixture(scope="module")
def problem() -> router.Problem:
    return load(problem_of([hourly(1e6)], [api("cheap", 1.0), api("dear", 2.0)]) | {"name": "x" * 200})


@pytest.fixture(scope="module")
def plan(problem) -> router.Plan:
    return router.solve(problem)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_there_with_its_parameters_explained(name):
    """Each parameter but the run's own is named in the docstring, and so are the errors."""
    function = getattr(router, name)
    words = inspect.getdoc(function) or ""
    assert "Raises" in words and name in dir(router)
    for parameter in inspect.signature(function).parameters:
        assert parameter in words, parameter


def test_the_version_is_that_of_the_distribution():
    assert router.__version__ == version("llm-inference-planner")
    with pytest.raises(AttributeError, match="no attribute"):
        router.nothing  # noqa: B018


def test_a_plan_is_one_line_and_one_page(plan):
    assert len(repr(plan)) < 200 and "1.00 USD" in repr(plan)
    html = plan._repr_html_()
    assert html.count("<table>") == 1 and html.count("<svg ") == 1
    assert "Run on cheap; nothing new is signed." in html and "That costs 1.00 USD" in html


@pytest.mark.parametrize("table", TABLES)
def test_a_frame_has_a_row_a_row_and_a_column_a_field(plan, table):
    frame = plan.frame(table)
    rows = getattr(plan, table) or ()
    assert len(frame) == len(rows)
    for k, row in enumerate(rows):
        for column in frame.columns:
            value = frame[column].iloc[k]
            assert value == getattr(row, column) or (value is None or value != value)


def test_frames_are_refused_in_words(plan):
    with pytest.raises(InputError, match="is not a table of a plan"):
        plan.frame("roads")


def test_a_sweep_in_three_lines(problem):
    """Twice the price of cheap and beyond, dear is as good: 1, 1.5, 2, 2 USD."""
    sweep = {m: problem.with_({"offers.cheap.prices": f"x{m}"}) for m in (1, 1.5, 2, 4)}
    costs = {m: router.solve(changed).cost_usd for m, changed in sweep.items()}
    assert costs == {1: pytest.approx(1), 1.5: pytest.approx(1.5), 2: pytest.approx(2), 4: pytest.approx(2)}
    assert problem.scenarios == ()


def test_functions_take_plans_and_files(tmp_path, problem, plan):
    file: Path = tmp_path / "plan.json"
    file.write_text(plan.to_json())
    dearer = router.solve(problem.with_({"offers.cheap.prices": "x1.5"}))
    change = router.diff(file, dearer)
    assert (change.cost_before_usd, change.cost_after_usd) == (pytest.approx(1.0), pytest.approx(1.5))
    assert router.report(file, problem).startswith("<!doctype html>")
