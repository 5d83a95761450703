"""What an adversary got through: every kind of case has tests, named in tests/README.md; here those of no other."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from problem_factory import hourly, load, problem

import router
from router.cli import run
from router.errors import Infeasible

TESTS = Path(__file__).parent
EXAMPLE = Path(router.__file__).parent / "examples" / "case-05-documents.yaml"
KINDS = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", (TESTS / "README.md").read_text("utf-8"), re.M)


def functions(name: str) -> set[str]:
    body = ast.parse((TESTS / f"{name}.py").read_text("utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("kind", "named"), KINDS, ids=[kind for kind, _ in KINDS])
def test_every_kind_of_attack_has_tests_that_are_there(kind: str, named: str) -> None:
    tests = re.findall(r"`(test_\w+)::(test_\w+)`", named)
    instances = re.findall(r"`(bug-[\w-]+)`", named)
    assert tests or instances
    for module, function in tests:
        assert function in functions(module), f"{kind}: {module}::{function}"
    for instance in instances:
        assert (TESTS / "instances" / f"{instance}.yaml").exists(), f"{kind}: {instance}"


def test_the_table_of_attacks_is_read() -> None:
    assert len(KINDS) == 21


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return dict(json.loads(router.solve(EXAMPLE).to_json()))


WRONG = {
    "routes[0].share: ": ("routes", 0, "share", "xxxx"),
    "routes[0].prompt_tokens: ": ("routes", 0, "prompt_tokens", "a\nb"),
    "verified.checks[10].ok: is required": ("verified", "checks", 10, "ok", None),
}


@pytest.mark.parametrize("said", WRONG)
@pytest.mark.parametrize(
    "command", ["report {file}", "diff {file} {file}", "export tfvars {file}", f"verify {EXAMPLE} {{file}}"]
)
def test_a_plan_with_a_field_of_a_wrong_type_is_refused_by_name(
    plan: dict[str, object], said: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By every command that reads plans; a bug of the planner once, in one of ten damaged plans."""
    document = json.loads(json.dumps(plan))
    *path, field, value = WRONG[said]
    where = document
    for part in path:
        where = where[part]
    if value is None:
        del where[field]
    else:
        where[field] = value
    (tmp_path / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    assert run([part.format(file=tmp_path / "plan.json") for part in command.split()]) == 2
    assert said in capsys.readouterr().err


def test_an_hour_far_above_all_capacity_is_refuted_by_one_ray() -> None:
    """500 M requests of which 60 instances carry a hundredth, beside a column without a limit: no tree is grown."""
    own = {
        "name": "own",
        "models": {
            "m": {"tokens_per_s": 3840.0, "ttft_mean_ms": 175.0, "ttft_p99_ms": 250.0, "concurrency": 2}
        },
        "instances": {"usd_per_h": 0.1, "max": 60, "resize": "horizon"},
    }
    small = {
        "name": "small",
        "models": {"m": {"units_per_s": 40.5, "ttft_p99_ms": 50.0}},
        "instances": {
            "usd_per_h": 0.1,
            "min": 3,
            "max": 20,
            "integral": False,
            "start_usd": 0.1,
            "min_up_h": 2,
        },
    }
    work = hourly(1.0, slo={"ttft_p99_ms": 3000}, deferrable_h=1.0001) | {
        "demand": {"requests_by_period": [26540.0, 500e6, 0.0]},
        "prompt_tokens": 50,
        "completion_tokens": 100,
    }
    with pytest.raises(Infeasible):
        router.solve(load(problem(work, [own, small], periods=3)))
