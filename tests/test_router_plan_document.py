"""The plan as a document: version 1 is read as version 2 by every command; what is wrong is said by its field."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import router
from router.cli import cli
from router.errors import InputError
from router.plan.document import Plan
from router.plan.file import read_plan
from router.schema import field_table

RELEASE = Path(__file__).parent / "data" / "releases" / "0.1.0"
EXAMPLES = Path(router.__file__).parent / "examples"
PLANS = sorted(path.name.split(".")[0] for path in (RELEASE / "plans").iterdir())


def stated(name: str) -> dict[str, Any]:
    """A plan as the release wrote it."""
    packed = RELEASE / "plans" / f"{name}.json.gz"
    if packed.exists():
        return dict(json.loads(gzip.decompress(packed.read_bytes())))
    return dict(json.loads((RELEASE / "plans" / f"{name}.json").read_text(encoding="utf-8")))


def written(name: str, folder: Path) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(stated(name)), encoding="utf-8")
    return path


def said(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(part) for part in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_of_version_1_says_the_same_in_version_2(name: str) -> None:
    """Row by row, months apart: hour = 730 · month; what was `commitments` is `settlements`."""
    old, new = stated(name), Plan.from_dict(stated(name)).to_dict()
    assert (old.pop("schema"), new.pop("schema")) == (new.pop("upgraded_from"), "router-plan/2")
    old["settlements"] = old.pop("commitments")
    for table in ("settlements", "purchases", "contracts"):
        assert len(old[table]) == len(new[table])
        for before, after in zip(old.pop(table), new.pop(table), strict=True):
            start = before.pop("month", None)
            start = before.pop("start_month") if start is None else start
            assert after.pop("from_h") == 730.0 * start
            until_h = after.pop("until_h")
            assert (
                until_h
                == {
                    "settlements": min(730.0 * (start + 1), old["horizon_h"]),
                    "purchases": None,
                    "contracts": 730.0 * before.pop("end_month", 0),
                }[table]
            )
            assert before == after
    for row in old["scenarios"]:
        if row["demand_path"] is None:
            del row["demand_path"]
    assert old == new
    assert Plan.from_dict(Plan.from_dict(stated(name)).to_dict()) == Plan.from_dict(stated(name))


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_of_version_1_is_read_by_every_command(name: str, tmp_path: Path) -> None:
    plan, problem = written(name, tmp_path), EXAMPLES / f"{name}.yaml"
    assert "Who serves what" in said("report", plan)
    assert '"same_problem": true' in said("diff", plan, plan, "--json")
    said("export", "csv", plan, "-o", tmp_path / "tables")
    assert (tmp_path / "tables" / "routes.csv").read_text(encoding="utf-8").startswith("workload,offer,")
    if "sizing" not in stated(name) and name.startswith(("case", "quickstart")):
        said("export", "tfvars", plan)
        said("export", "litellm", plan, "--problem", problem)


def test_the_problem_dates_the_purchases_of_version_1(tmp_path: Path) -> None:
    """Three months bought for a year in version 1, which states the month only."""
    from router.loading.catalogue import load_text

    text = """
schema: router/1
horizon: {periods: 3, period_h: 730}
models: {m: {}}
workloads: [{name: w, models: [m], demand: {requests_per_hour: 60}, prompt_tokens: 900, completion_tokens: 100}]
offers: [{name: box, models: {m: {tokens_per_s: 100}}, instances: {usd_per_h: 1, term_months: 12}}]
"""
    problem = load_text(text)
    plan = router.solve(problem)
    document = plan.to_dict()
    (row,) = document["purchases"]
    assert (row["from_h"], row["until_h"]) == (0.0, 8760.0)
    document["purchases"] = [{"offer": "box", "model": "m", "month": 0, "count": row["count"]}]
    document |= {"schema": "router-plan/1", "commitments": []}
    del document["settlements"]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_plan(path).purchases[0].until_h is None
    unbilled = tuple(replace(row, billed_usd=None, beyond_horizon_usd=None) for row in plan.purchases)
    assert read_plan(path, problem).purchases == unbilled


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"month": "0"}, "settlements[0].from_h"),
        ({"month": -1}, "settlements[0].from_h"),
        ({"month": 7}, "settlements[0].from_h"),
        ({"month": 1.0}, "settlements[0].from_h"),
    ],
)
def test_what_is_wrong_in_version_1_is_said_by_its_field(change: dict[str, Any], where: str) -> None:
    document = stated("case-01-reserved-or-not")
    assert document["commitments"]
    document["commitments"][0] |= change
    with pytest.raises(InputError, match="from_h") as caught:
        Plan.from_dict(document)
    assert where in {issue.path for issue in caught.value.issues}


def test_a_store_of_version_1_is_read_and_compared(tmp_path: Path) -> None:
    shutil.copy(RELEASE / "store.db", tmp_path / "store.db")
    store = f"sqlite:///{tmp_path / 'store.db'}"
    listed = json.loads(said("history", "--store", store, "--json"))["listed"]
    assert [row["reason"] for row in listed] == ["cheaper", "repair", "first"]
    for row in listed:
        plan = json.loads(said("history", "--store", store, "--show", row["id"]))
        assert plan["schema"] == "router-plan/2"
        assert all(bought["until_h"] - bought["from_h"] >= 730 for bought in plan["purchases"])
    assert "cost" in said("diff", listed[1]["id"], listed[0]["id"], "--store", store).lower()


# ---------------------------------------------------------------- the published schema


@pytest.fixture(scope="module")
def published() -> Draft202012Validator:
    schema = json.loads(said("schema", "--plan"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", PLANS)
def test_plans_of_every_example_keep_the_published_schema(name: str, published: Draft202012Validator) -> None:
    published.validate(Plan.from_dict(stated(name)).to_dict())


def test_the_published_schema_refuses_what_reading_refuses(published: Draft202012Validator) -> None:
    document = Plan.from_dict(stated("sizing-quote")).to_dict()
    edits: list[tuple[str, Any]] = [
        ("colour", "blue"),
        ("cost_usd", "7"),
        ("routes", [{**document["routes"][0], "share": True}]),
        ("routes", [{**document["routes"][0], "hue": 1}]),
        ("sizing", {**document["sizing"], "rp_usd": None}),
        ("schema", "router-plan/1"),
    ]
    for name, value in edits:
        broken = {**document, name: value}
        assert not published.is_valid(broken), name
        with pytest.raises(InputError):
            Plan.from_dict(broken)
    for name in document.keys() - {"sizing", "upgraded_from"}:
        assert not published.is_valid({key: value for key, value in document.items() if key != name}), name


def test_every_field_has_a_meaning_and_every_quantity_a_unit() -> None:
    """Shares, multiples, counts of runs and gaps have none."""
    bare = set()
    for row in field_table(Plan):
        assert row.description, row.path
        if row.type.startswith("number") and not row.unit:
            bare.add(row.path.split(".")[-1])
    assert bare <= {
        *("gap", "share", "utilisation", "probability", "distance", "moved_share", "worst", "usd_per_unit"),
        *("cvar_level", "cvar_weight", "expected_use", "demand_over_mean", "mean_demand", "dearer_in", "at"),
        *("over_advised", "amount", "walk_away_multiple", "break_even_use", "primal_tolerance"),
        *("dual_tolerance", "used", "discount", "free_share", "now", "least", "minutes_above", "refused"),
        *("carried_share", "spilled_share", "taken_share", "after_loss"),
    }
