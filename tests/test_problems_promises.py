"""What families say of themselves is whole: no module, no rows, no limit of the problem file is left out."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest
from problem_factory import api, gpu, hourly, load, problem

import solvers
from problems.core.columns import Columns
from problems.core.encode import FAMILIES, FIRST_STAGE, PROMISES, encode
from problems.core.family import Promise
from problems.core.rows import Rows, rows
from problems.core.view import View
from router.normalise import normalise
from router.planning.promises import for_one_offer, without
from router.schema import field_table

ROOT = Path(__file__).parents[1]
MODULES = [path.stem for path in sorted((ROOT / "problems").glob("*.py")) if path.stem != "__init__"]
#: Limits that no family of rows keeps: they decide which routes there are, what a contract or a count is, or what a
#: running plan costs to change.
NO_PROMISES = {
    "workloads[].needs.min_quality",
    "workloads[].routing.min_share_per_provider",  # said with min_providers
    "offers[].limits.max_parameters_b",
    "offers[].limits.max_prompt_tokens",
    "offers[].limits.max_completion_tokens",
    "offers[].commitment.min_tokens_per_month",
    "offers[].commitment.min_usd_per_month",
    "offers[].commitment.max_tokens_per_month",
    "offers[].commitment.max_usd_per_month",
    "offers[].commitment.min_tokens",
    "offers[].commitment.min_usd",
    "offers[].commitment.max_tokens",
    "offers[].commitment.max_usd",
    "offers[].commitment.ramp[].min_tokens",
    "offers[].commitment.ramp[].min_usd",
    "commitments[].min_usd",
    "commitments[].max_usd",
    "commitments[].min_units",
    "commitments[].max_units",
    "commitments[].min_usd_per_month",
    "commitments[].max_usd_per_month",
    "commitments[].ramp[].min_usd",
    "commitments[].ramp[].min_tokens",
    "offers[].instances.min",
    "offers[].models[].min",
    *(
        f"offers[].instances.roles.{role}.{bound}"
        for role in ("prefill", "decode")
        for bound in ("min", "max")
    ),
    "offers[].instances.min_up_h",
    "offers[].instances.max_utilisation",
    "reoptimise.max_moved_share",
    "reoptimise.min_gain_usd",
}


@pytest.mark.parametrize("name", MODULES)
def test_every_module_with_rows_is_in_the_lists(name: str) -> None:
    module = import_module(f"problems.{name}")
    tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if "build" in functions:
        assert hasattr(module, "FAMILY"), (
            "a module with `build` says what it is: FAMILY = Family(NAME, build, …)"
        )
    if hasattr(module, "FAMILY"):
        assert module.FAMILY in FAMILIES, "give it its line in FAMILIES of problems/core/encode.py"
        assert (module.FAMILY.name, module.FAMILY.build) == (name, getattr(module, "build", None))
        stated = [value for value in vars(module).values() if isinstance(value, Promise)]
        assert all(promise in module.FAMILY.promises for promise in stated)
    if "build_first_stage" in functions:
        assert module.build_first_stage in FIRST_STAGE, (
            "give it its line in FIRST_STAGE of problems/core/encode.py"
        )


def test_every_limit_of_the_problem_file_is_promised_by_a_family() -> None:
    fields = {row.path.replace(".<name>", "[]") for row in field_table()}
    stated = {promise.field for promise in PROMISES}
    assert {field.removesuffix("[]") for field in stated} <= fields
    limits = {field for field in fields if field.split(".")[-1].startswith(("max", "min"))}
    caps = {field for field in fields if ".quota." in field or field.startswith("quotas[].")}
    limits = limits - {
        field for field in caps if field.endswith(".max_utilisation")
    }  # scales those beside it
    limits |= {field for field in caps if "_per_" in field}
    limits = {
        field for field in limits if ".schedule[].set." not in field
    }  # said with what they stand in for
    missing = limits - {field.removesuffix("[]") for field in stated} - NO_PROMISES
    assert not missing, "state it in the promises of its family, or above as none"
    assert not NO_PROMISES & stated


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.field)
def test_nobody_makes_a_promise_that_is_left_out(promise: Promise) -> None:
    inst = normalise(load(problem([hourly(1e6)], [api("api", 1.0), gpu("gpu", 1.0, 1.0)])))
    assert not list(promise.items(promise.without(inst)))
    assert promise.text.format(name="acme", limit=promise.relax) != promise.text


#: Problems with an optimum worked out by hand.
PROVED = [
    *(ROOT / "tests" / "instances").glob("*.yaml"),
    *(ROOT / "tests").glob("test_hand_proved*.py"),
    *(ROOT / "tests").glob("test_semantics*.py"),
]


@pytest.mark.parametrize("field", [promise.field for promise in PROMISES])
def test_every_promise_stands_in_a_problem_of_known_optimum(field: str) -> None:
    name = field.removesuffix("[]").rpartition(".")[2]
    assert any(name in file.read_text(encoding="utf-8") for file in PROVED), (
        f"work out a problem with {name} by hand, and leave it in tests/instances"
    )


def test_what_several_offers_must_keep_is_left_out_for_one() -> None:
    """Fields are put back to the default, in each item of a list, and nothing else changes."""
    spread = {"min_providers": 2, "max_share_per_provider": 0.7, "splittable": True}
    data = problem([hourly(1e6, routing=spread)], [api("a", 1.0), api("b", 2.0)], policy={"max_power_kw": 3})
    data["policy"]["max_share_per_provider"] = 0.6
    freed = for_one_offer(load(data))
    assert freed.workloads[0].routing.min_providers == 1
    assert freed.workloads[0].routing.max_share_per_provider == 1.0
    assert (freed.policy.max_share_per_provider, freed.policy.max_power_kw) == (1.0, 3.0)
    assert without(freed, ["policy.max_power_kw"]).policy.max_power_kw is None
    assert without(freed, []) == freed


def test_a_caller_may_add_rows_of_its_own() -> None:
    """A million tokens, half of them at 1 USD and, as no more may go there, half at 3 USD: 2 USD."""

    def half(view: View, cols: Columns) -> Rows:
        return rows("own", 1, [(0, cols.flow[:1], 1.0)], str, upper=0.5)

    inst = normalise(load(problem([hourly(1e6)], [api("a", 1.0), api("b", 3.0)])))
    program = encode(inst, extra=[half]).program
    assert program.n_rows == encode(inst).program.n_rows + 1
    assert program.row_names is not None and "own(0)" in program.row_names()
    assert solvers.solve(program).objective == pytest.approx(2.0)
