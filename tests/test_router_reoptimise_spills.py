"""Scheduled runs of capacity that spills, by hand: what is sent first stays or moves, what spills follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from problem_factory import SOLVERS
from pytest import approx
from reoptimise_cases import SEARCH
from test_spilling import read, recorded

from router.reoptimisation.run import Result, reoptimise
from router.store.history import Store


def run(
    folder: Path,
    minutes: list[float],
    own: float | None = 6,
    usd: dict[str, float] | None = None,
    **change: Any,
) -> Result:
    """Requests in two minutes; `own` lets so many a minute through, and the API takes one for 2 USD."""
    prices, solver = {"own": 0.0, "api": 2.0, **(usd or {})}, change.pop("solver", "highs")
    data = recorded(folder, {"a": minutes}, own or 1, {"a": prices["api"]}) | {"name": "p"}
    data["offers"][0]["models"]["a"] = {"usd_per_request": prices["own"]}
    if own is None:
        del data["offers"][0]
    with Store.open(f"sqlite:///{folder / 'router.db'}") as store:
        problem = read(folder, data | ({"reoptimise": change} if change else {}))
        return reoptimise(
            problem, store, SEARCH if solver == "highs" else type(SEARCH)(solver, SEARCH.options)
        )


def sent(result: Result) -> dict[str, float]:
    return {row.offer: row.share for row in result.plan.routes}


@pytest.mark.parametrize("solver", SOLVERS)
def test_more_spills_of_what_is_sent_as_before(tmp_path: Path, solver: str) -> None:
    """12 of which 6 fit, then 18: the same is sent there first, and 12 spill, at 2 USD. Nothing can be gained."""
    first = run(tmp_path, [12, 0], solver=solver)
    assert (first.outcome, first.plan.cost_usd, sent(first)) == ("first", approx(12), {"own": 1, "api": 0})
    for change in ({"move_usd_per_m_tokens": 1}, {"freeze_h": 1}, {"max_moved_share": 0}):
        kept = run(tmp_path, [18, 0], solver=solver, **change)
        assert (kept.outcome, kept.running_usd) == ("kept", approx(24))


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_more_moves_than_is_carried(tmp_path: Path, solver: str) -> None:
    """All at the API, 24 USD. Of 12 requests 6 would fit: they move, 6,000 tokens at 100 USD a million; 12 + 0.6.

    With twice the work the half that goes there first fills it, and another half of it spills: 36 USD, as all would.
    """
    run(tmp_path, [12, 0], None)
    moved = run(tmp_path, [12, 0], move_usd_per_m_tokens=100, solver=solver)
    assert (moved.outcome, moved.running_usd, moved.plan.cost_usd) == ("cheaper", approx(24), approx(12.6))
    assert (moved.moved_share, sent(moved)) == (approx(0.5), approx({"own": 0.5, "api": 0.5}))
    kept = run(tmp_path, [24, 0], move_usd_per_m_tokens=100, solver=solver)
    assert (kept.outcome, kept.running_usd, kept.unconstrained_usd) == ("kept", approx(36), approx(36))


def test_what_fits_is_carried_where_it_has_become_dear(tmp_path: Path) -> None:
    """At 3 USD there and 2 elsewhere a gateway still lets 6 of 12 in: 30 USD, not 24. Moving them costs 1.2, or 12."""
    run(tmp_path, [12, 0])
    dear = {"own": 3.0}
    kept = run(tmp_path, [12, 0], usd=dear, move_usd_per_m_tokens=1000)
    assert (kept.outcome, kept.running_usd) == ("kept", approx(30))
    moved = run(tmp_path, [12, 0], usd=dear, move_usd_per_m_tokens=100)
    assert (moved.outcome, moved.running_usd, moved.plan.cost_usd) == ("cheaper", approx(30), approx(25.2))


def test_what_is_frozen_or_pinned_stays(tmp_path: Path) -> None:
    """The same where nothing may move, for a while or at all."""
    run(tmp_path, [12, 0])
    for change in ({"freeze_h": 1}, {"pins": [{"offer": "own"}]}, {"pins": [{"workload": "a"}]}):
        kept = run(tmp_path, [12, 0], usd={"own": 3.0}, **change)
        assert (kept.outcome, kept.running_usd) == ("kept", approx(30))


def test_what_takes_no_more_is_repaired(tmp_path: Path) -> None:
    """Of 6 that spill the API takes one a minute now, 4 USD; the other four go to one at 5 USD, 24 in all."""
    run(tmp_path, [12, 0])
    data = recorded(tmp_path, {"a": [12, 0]}, 6, {"a": 2.0}) | {"name": "p"}
    data["offers"][1]["quota"] = {"requests_per_minute": 1}
    data["offers"].append({"name": "dear", "models": {"a": {"usd_per_request": 5}}})
    with Store.open(f"sqlite:///{tmp_path / 'router.db'}") as store:
        repaired = reoptimise(read(tmp_path, data), store, SEARCH)
    assert (repaired.outcome, repaired.plan.cost_usd) == ("repair", approx(24))
    assert {row.promise for row in repaired.broken} == {"quota"}


def test_what_no_route_takes_is_named(tmp_path: Path) -> None:
    """6 fit, and nothing else runs; of 12 half spills, with nowhere to go: repaired by the API, 6 at 2 USD."""
    first = run(tmp_path, [6, 0])
    assert sent(first) == {"own": 1}
    repaired = run(tmp_path, [12, 0], move_usd_per_m_tokens=1000)
    assert (repaired.outcome, repaired.plan.cost_usd) == ("repair", approx(12))
    assert [str(row) for row in repaired.broken] == [
        'spilling: 0.5 of "a" spills from own in period 0, and no route that runs takes it'
    ]
