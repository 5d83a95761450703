"""Every stored instance, with its optimum at the top: solved, and verified.

Bugs that were found (`bug-…`) go through HiGHS and through CBC. Those with scenarios are sized for all of them at once.
A line `# breaks CHECK: FIELD: VALUE` states a promise that the plan no longer keeps with that value: the check sees it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from problem_factory import SOLVERS

import router
from router.sizing import SizeOptions, size

INSTANCES = sorted((Path(__file__).parent / "instances").glob("*.yaml"))
BUGS = [file for file in INSTANCES if file.stem.startswith("bug-")]


BREAKS = re.compile(r"^# breaks (\w+): (\S+): (.+)$", re.M)
BROKEN = [
    (file, *broken)
    for file in INSTANCES
    for broken in BREAKS.findall(file.read_text(encoding="utf-8").split("schema:")[0])
]


def optimum_of(file: Path) -> float:
    """The first line of each: `# optimum: 1.75 USD`."""
    return float(file.read_text(encoding="utf-8").removeprefix("# optimum:").split()[0])


@pytest.mark.usefixtures("short_proofs")
@pytest.mark.parametrize("file", INSTANCES, ids=lambda file: file.stem)
def test_a_stored_instance_is_solved_and_verified(file: Path) -> None:
    problem = router.load(file)
    if problem.scenarios:
        plan = size(problem, how=SizeOptions(questions=False, alternatives=0, measures=False))
    else:
        plan = router.solve(problem)
    assert plan.ok  # by the independent check, which every plan that is published has passed
    assert plan.cost_usd == pytest.approx(optimum_of(file), rel=1e-5, abs=1e-9)


@pytest.mark.usefixtures("short_proofs")
@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "highs"])
@pytest.mark.parametrize("file", BUGS, ids=lambda file: file.stem)
def test_a_second_solver_finds_the_optimum_of_a_bug(file: Path, solver: str) -> None:
    plan = router.solve(file, solver=solver)
    assert plan.ok
    assert plan.cost_usd == pytest.approx(optimum_of(file), rel=1e-5, abs=1e-9)


@pytest.mark.usefixtures("short_proofs")
@pytest.mark.parametrize(("file", "check", "field", "value"), BROKEN, ids=[each[1] for each in BROKEN])
def test_a_promise_that_is_tightened_is_seen_to_be_broken(
    file: Path, check: str, field: str, value: str
) -> None:
    problem = router.load(file)
    tightened = problem.with_({field: float(yaml.safe_load(value))})
    assert check in router.verify(tightened, router.solve(problem)).failed()
