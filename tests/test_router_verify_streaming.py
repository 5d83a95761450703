"""A plan that is read a block of periods at a time has the verdict that it has when it is read at once.

Nine workloads over 31 hours, in blocks of 7: offers with quotas by the minute, fees, contracts by the month, a limit on
the shares of a provider, rented instances under a group, and work that may be left.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from problem_factory import api, by_period, gpu, load, plan_of, problem

from router.api import verify
from router.commands.plan_file import write_plan
from router.errors import InputError
from router.plan.across import reaches_across
from router.plan.document import TABLES, Plan
from router.plan.file import read_plan
from router.schema import Problem
from router.verification import Verification
from router.verification.blocks import looking, streaming
from router.verification.blocks.looking import looked_at
from router.verification.blocks.streaming import needs_all_rows, verify_by_blocks, verify_tables
from router.workers import ALONE, Workers, start_workers

HOURS, BLOCK = 31, 7
BY_BLOCK = ("routes", "instances", "quotas")


def data(**rest: Any) -> dict[str, Any]:
    rng = random.Random(1)
    loads = []
    for w in range(9):
        volume = [round(rng.uniform(0.0, 3e6)) for _ in range(HOURS)]
        models = [["m"], ["n"], ["m", "n"]][w % 3]
        more: dict[str, Any] = {"routing": {"max_share_per_provider": 0.7}} if w == 4 else {}
        if w == 5:
            more["unserved_usd_per_m_tokens"] = 0.28
        loads.append(by_period(volume, f"load-{w}", models=models, **more))
    both = ("m", "n")
    offers = [
        api("on-demand", 0.6, both),
        api("limited", 0.3, both, quota={"tokens_per_minute": 2e4}),
        api("with-fee", 0.35, ("m",), fee_usd_per_month=100.0),
        api("contract", 0.32, both, commitment={"min_usd_per_month": 150.0}),
        api("dear-contract", 0.9, both, commitment={"min_usd_per_month": 1e5}),
        gpu("own", 0.4, 1.0, both, max=4),
        gpu("held", 0.9, 1.0, ("n",), reserved=1),
    ]
    groups = [{"name": "cards", "offers": ["own", "held"], "max_units": 5}]
    return problem(loads, offers, periods=HOURS, groups=groups, policy={"max_spend_usd": 1e3}, **rest)


@cache
def honest() -> tuple[Problem, Plan]:
    plan = replace(plan_of(data(), gap=0.02), proof=None)
    for table in ("routes", "instances", "quotas", "settlements", "contracts", "unserved"):
        assert getattr(plan, table), table
    return load(data()), plan


def blocks_of(rows: Iterable[Any], size: int) -> Iterable[tuple[int, list[Any]]]:
    """As a reader of tables gives them."""
    blocks: dict[int, list[Any]] = {}
    for row in sorted(rows, key=lambda row: row.period):
        at = row.period // size
        blocks.setdefault(at, []).append(replace(row, period=row.period - at * size))
    return sorted(blocks.items())


def by_blocks(stated: Problem, plan: Plan, size: int = BLOCK, workers: Workers = ALONE) -> Verification:
    apart = replace(plan, routes=(), instances=(), quotas=None)
    tables: Mapping[str, Any] = {name: blocks_of(getattr(plan, name) or (), size) for name in BY_BLOCK}
    return verify_by_blocks(stated, apart, tables, size, workers=workers)


def test_an_honest_plan_passes_with_the_same_cost() -> None:
    stated, plan = honest()
    whole, blocks = verify(stated, plan), by_blocks(stated, plan)
    assert whole.ok
    assert blocks.ok
    assert blocks.cost_usd == pytest.approx(whole.cost_usd, rel=1e-12)
    assert [line.name for line in blocks.checks] == [line.name for line in whole.checks]


def _changed(plan: Plan, rng: random.Random) -> Plan:
    """The plan with one figure, name, row or total that is not right."""
    tables = [name for name in TABLES if getattr(plan, name)]
    table = rng.choice([*tables, *BY_BLOCK, *BY_BLOCK])
    rows = list(getattr(plan, table))
    at, way = rng.randrange(len(rows)), rng.randrange(8)
    row = rows[at]
    names = [each.name for each in fields(row) if getattr(row, each.name) is not None]
    if way == 0:
        del rows[at]
    elif way == 1:
        rows.insert(at, row)
    elif way == 2 and table != "scenarios":
        figure = rng.choice(["cost_usd", "bound_usd", "objective_usd", "cost_usd_per_month", "gap"])
        return replace(plan, **{figure: getattr(plan, figure) * 1.01 + 0.5})
    else:
        name = rng.choice(names)
        value = getattr(row, name)
        if isinstance(value, bool):
            value = not value
        elif isinstance(value, int):
            value = value + rng.choice([1, BLOCK, 100])
        elif isinstance(value, float):
            value = rng.choice([value * 1.02, value + 1.0, -value, 0.0])
        elif isinstance(value, str):
            value = rng.choice(["nobody", "load-1", "own", "limited", "m", "n", "contract"])
        rows[at] = replace(row, **{name: value})
    return replace(plan, **{table: tuple(rows)})


@pytest.mark.parametrize("seed", range(8))
def test_a_lie_is_caught_by_the_same_checks(seed: int) -> None:
    """Twelve changes each; most break a promise, some none, and the verdicts are equal check by check."""
    stated, plan = honest()
    rng, caught = random.Random(seed), 0
    for _ in range(12):
        lie = _changed(plan, rng)
        whole = verify(stated, lie)
        assert by_blocks(stated, lie).failed() == whole.failed()
        caught += not whole.ok
    assert caught > 3


def test_processes_change_nothing_in_a_verdict() -> None:
    """Honest or not: every check with its words and its worst case, to the last digit."""
    stated, plan = honest()
    rng, caught = random.Random(8), 0
    with start_workers("loky", 2) as workers:
        for lie in (plan, *(_changed(plan, rng) for _ in range(12))):
            verdict = by_blocks(stated, lie)
            assert by_blocks(stated, lie, workers=workers) == verdict
            caught += not verdict.ok
    assert caught > 3


def test_what_starts_with_a_block_started_from_what_ran_before_it() -> None:
    """One instance runs for four hours: it starts with the first, and not with the first hour of the second block."""
    both = problem(by_period([1e6] * 4, "chat"), gpu("own", 2.0, 1.0), periods=4)
    stated, plan = load(both), replace(plan_of(both), proof=None)
    rows = list(plan.instances)
    assert [row.started for row in rows] == [1, 0, 0, 0]
    assert by_blocks(stated, plan, 2).ok
    rows[2] = replace(rows[2], started=1.0)
    lie = replace(plan, instances=tuple(rows))
    assert by_blocks(stated, lie, 2).failed() == verify(stated, lie).failed() == ("starts",)


def test_a_contract_that_is_not_listed_carries_nothing_in_any_block() -> None:
    stated, plan = honest()
    lie = replace(plan, contracts=(), settlements=())
    assert "contracts" in by_blocks(stated, lie).failed()
    assert by_blocks(stated, lie).failed() == verify(stated, lie).failed()


def test_rows_after_the_horizon_are_a_fault() -> None:
    stated, plan = honest()
    for period in (HOURS, HOURS + 3 * BLOCK):
        lie = replace(plan, routes=(*plan.routes, replace(plan.routes[-1], period=period)))
        assert "fields" in by_blocks(stated, lie).failed()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"workloads": {"deferrable_h": 2}}, "workloads[0].deferrable_h"),
        ({"workloads": {"window": {"start": "22:00", "end": "06:00"}}}, "workloads[0].window"),
        ({"workloads": {"routing": {"min_providers": 2}}}, "workloads[0].routing.min_providers"),
        ({"offers": {"instances": {"usd_per_h": 1, "start_usd": 1}}}, "offers[0].instances.start_usd"),
        ({"offers": {"instances": {"usd_per_h": 1, "resize": "horizon"}}}, "offers[0].instances.resize"),
        ({"offers": {"quota": {"tokens_per_day": 1e9}}}, "offers[0].quota.tokens_per_day"),
        ({"offers": {"free": {"tokens_per_month": 1e6}}}, "offers[0].free"),
        (
            {"offers": {"commitment": {"min_tokens_per_month": 1e6}}},
            "offers[0].commitment.min_tokens_per_month",
        ),
        ({"policy": {"survive_loss_of": "offer"}}, "policy.survive_loss_of"),
        ({"policy": {"discount_rate_per_year": 0.1}}, "policy.discount_rate_per_year"),
        ({"scenarios": [{"name": "base", "probability": 1}]}, "scenarios"),
        ({}, None),
    ],
)
def test_what_reaches_across_periods_is_named(change: dict[str, Any], path: str | None) -> None:
    stated = problem(by_period([1e6] * 3, "chat"), api("a", 1.0), periods=3)
    for section, values in change.items():
        if section in ("workloads", "offers"):
            stated[section][0] |= values
        else:
            stated[section] = values
    assert reaches_across(load(stated)) == path


def test_a_term_within_the_horizon_reaches_across() -> None:
    term = {"min_usd_per_month": 1.0, "term_months": 1}
    offer = api("a", 1.0, commitment=term)
    for months, path in ((1, None), (2, "offers[0].commitment.term_months")):
        stated = problem(by_period([1e6] * months, "chat"), offer, periods=months, period_h=730.0)
        assert reaches_across(load(stated)) == path


def test_a_file_is_read_by_blocks_where_that_will_do_and_at_once_where_not(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for rest, path in (({}, None), ({"risk": {"cvar_weight": 0.5}}, "risk")):
        stated, plan = load(data(**rest)), plan_of(data(**rest), gap=0.05)
        write_plan(tmp_path / "plan.json", plan, parquet=True)
        apart = read_plan(tmp_path / "plan.json", apart=True)
        assert needs_all_rows(stated, apart) == path
        verdict = verify_tables(stated, replace(apart, proof=plan.proof), tmp_path / "plan.json")
        assert verdict.ok
        assert verdict.cost_usd == pytest.approx(plan.cost_usd)


def test_a_table_that_changes_while_it_is_read_is_not_what_was_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    stated, plan = honest()
    write_plan(tmp_path / "plan.json", plan, parquet=True)
    apart = read_plan(tmp_path / "plan.json", apart=True)

    def meanwhile(block: Any) -> Any:
        routes = tmp_path / "plan.routes.parquet"
        routes.write_bytes(routes.read_bytes() + b" ")
        return looked_at(block)

    monkeypatch.setattr(streaming, "looked_at", meanwhile)
    with pytest.raises(InputError, match="was changed while it was read"):
        verify_tables(stated, apart, tmp_path / "plan.json")


def test_gaps_that_were_asked_for_longest_ago_are_forgotten_first() -> None:
    looking._drawn.update({("a", 0): np.zeros(5), ("b", 0): np.zeros(5), ("c", 0): np.zeros(5)})
    looking.forget(11)
    assert list(looking._drawn) == [("b", 0), ("c", 0)]
    looking.forget(0)
    assert not looking._drawn
