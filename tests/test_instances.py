"""Every bug that was found, as a tiny problem with its optimum at the top, through HiGHS and through CBC."""

from __future__ import annotations

from pathlib import Path

import pytest
from problem_factory import SOLVERS

from router.api import solve

INSTANCES = sorted((Path(__file__).parent / "instances").glob("bug-*.yaml"))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("file", INSTANCES, ids=lambda file: file.stem)
def test_optimum_of_a_stored_instance(file: Path, solver: str) -> None:
    first = file.read_text(encoding="utf-8").splitlines()[0]
    optimum = float(first.removeprefix("# optimum:").removesuffix("USD"))
    plan = solve(file, solver=solver)
    assert plan.ok
    assert plan.cost_usd == pytest.approx(optimum, rel=1e-5, abs=1e-9)
