"""A kind of cost, and a price, is known wherever it must be: in the lists of the planner, and in those of the check."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from problem_factory import Data, api, gpu, hourly, plan_of, problem
from pydantic import TypeAdapter

from problems.core import costs
from problems.core.costs import KINDS, CostKind
from router.errors import InputError
from router.plan.document import Plan
from router.plan.rows import CostLine, CoverageRow, RouteRow, UnservedRow
from router.schema import field_table
from router.verification.base import costs as checked
from router.verification.base import work

ROOT = Path(__file__).parents[1]


def test_the_list_of_kinds_is_whole() -> None:
    stated = {kind.name: kind for kind in vars(costs).values() if isinstance(kind, CostKind)}
    assert stated == KINDS, "give it its place in KINDS of problems/core/costs.py"
    assert len({kind.label for kind in KINDS.values()}) == len(KINDS)


def test_the_check_has_the_same_kinds_in_a_list_of_its_own() -> None:
    """What scales with an offer's prices, and what does not; each kind is charged by the check too."""
    assert {name for name, kind in KINDS.items() if kind.scaled} == checked.SCALED
    assert {name for name, kind in KINDS.items() if not kind.scaled} == checked.UNSCALED
    tree = ast.parse(Path(checked.__file__).read_text(encoding="utf-8"))
    charges = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Charge"
    ]
    kinds = [charge.args[2] for charge in charges]
    assert {kind.value for kind in kinds if isinstance(kind, ast.Constant)} == set(KINDS)
    # What agreements cover is taken off the very kind of its row: one of those paid at the offer's prices.
    assert {ast.unparse(kind) for kind in kinds if not isinstance(kind, ast.Constant)} == {"row.kind"}
    assert checked.SCALED.issuperset(get_args(get_type_hints(CoverageRow)["kind"]))


def test_the_model_charges_every_kind_and_says_so() -> None:
    text = (ROOT / "problems" / "pricing.py").read_text(encoding="utf-8")
    charged = {
        ast.unparse(node.args[0])
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_cost"
    } - {"kind"}
    assert charged == {name.upper() for name in KINDS}
    for name in KINDS:
        assert f"\n    {name} " in text.split('"""')[1], (
            "give it its line in the formula of problems/pricing.py"
        )
        assert f"\n    {name} " in (checked.__doc__ or ""), "and in that of router/verification/base/costs.py"


def test_the_format_of_a_plan_names_every_kind() -> None:
    text = str(TypeAdapter(CostLine).json_schema()["properties"]["kind"]["description"])
    for name in KINDS:
        assert re.search(rf"\b{name}\b", text), "say it in CostLine.kind of router/plan/rows.py"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_what_spreads_a_kind_over_periods_is_in_a_plan(kind: CostKind) -> None:
    if kind.by_period is not None:
        rows, field = kind.by_period
        assert rows in Plan.__dataclass_fields__
        of_rows = {"routes": RouteRow, "unserved": UnservedRow}.get(rows)
        assert of_rows is None or hasattr(of_rows, field) or field in of_rows.__dataclass_fields__


ENTRY_PRICES = [
    row.path.rsplit(".", 1)[1]
    for row in field_table()
    if row.path.startswith("offers[].models.<name>.") and "usd" in row.path.rsplit(".", 1)[1]
    if ".quota." not in row.path
]
TIERS = [{"from_tokens_per_month": 0, "usd_per_m": 3}, {"from_tokens_per_month": 1e6, "usd_per_m": 2}]
CONTRACTS: dict[str, Data] = {
    "none": {},
    "instances": {"instances": {"usd_per_h": 1}},
    "tokens": {"commitment": {"min_tokens_per_month": 1e6}},
    "dollars": {"commitment": {"min_usd_per_month": 1}},
    "overage": {"commitment": {"min_tokens_per_month": 1e6, "overage_usd_per_m": 5}},
    "tiers": {"commitment": {"min_tokens_per_month": 1e6, "tiers": TIERS}},
    "tiers in dollars": {"commitment": {"min_usd_per_month": 1, "tiers": TIERS}},
}


def test_every_price_of_the_problem_file_is_in_both_lists() -> None:
    """The planner's and the check's own: a field without its line would be read by nobody."""
    assert {price.field for price in costs.ENTRY_PRICES} == set(ENTRY_PRICES)
    assert {price.field: price.kind.name for price in costs.ENTRY_PRICES} == work.PRICES


@pytest.mark.parametrize("price", ENTRY_PRICES)
def test_every_price_stands_in_a_problem_of_known_optimum(price: str) -> None:
    files = [*(ROOT / "tests" / "instances").glob("*.yaml"), *(ROOT / "tests").glob("test_semantics*.py")]
    assert any(f"{price}:" in file.read_text(encoding="utf-8").replace('"', "") for file in files), (
        f"work out a problem with {price} by hand, and leave it in tests/instances"
    )


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("price", ENTRY_PRICES)
def test_a_price_is_charged_or_refused_but_never_dropped(price: str, contract: str) -> None:
    """Ten times the price costs more under each kind of contract, or the file is refused."""
    costs_usd = []
    for usd in (1.0, 10.0):
        offer = gpu("acme", 1.0, 1.0) if contract == "instances" else api("acme", 1.0)
        beside = {} if "tiers" in contract else {"prompt_usd_per_m": 1.0, "completion_usd_per_m": 1.0}
        entry = offer["models"]["m"] | beside | {price: usd}
        offer |= {**CONTRACTS[contract], "models": {"m": entry if beside else {price: usd}}}
        work = hourly(1e6, completion_tokens=200, cached_prompt_share=0.5, cache_write_share=0.2)
        try:
            costs_usd.append(plan_of(problem([work], [offer])).cost_usd)
        except InputError:
            return
    assert costs_usd[1] > costs_usd[0] * 1.01, "a price that is stated is charged, or refused by a rule"
