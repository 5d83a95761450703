"""The scheduled job among faults: every promise holds, and each is broken where the code that keeps it is gone.

For more: `python tests/campaigns/job.py`; the figures stand in tests/README.md.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pytest
from campaign import times
from campaigns import job
from campaigns.job import POINTS, START, campaign, pair
from sqlalchemy import Connection, insert

import router.output
import router.store.database as database
import router.store.history as history
import router.store.lease as lease
from router.plan.document import Plan
from router.store.entries import Entry
from router.store.tables import plans


def test_what_fails_leaves_a_whole_store_and_the_next_run_succeeds() -> None:
    """And both points of every pair fail, one after the other or at once where they are the same."""
    count = times(15)
    figures = campaign(count, 0)
    assert figures.faults == []
    assert figures.more["pairs met"] >= min(count, 1100) * 0.9


def test_the_seeds_go_through_all_pairs_of_points() -> None:
    assert len({pair(seed) for seed in range(POINTS**2)}) == POINTS**2


def test_a_seed_does_the_same_again() -> None:
    assert [campaign(3, seed).ends for seed in (70, 70)] == [campaign(3, 70).ends] * 2


def unchecked(self: lease.Lease, connection: Connection) -> None:
    """Whoever lost the lease publishes all the same."""


def in_pieces(self: history.Store, held: lease.Lease, plan: Plan, problem: Any, outcome: Any) -> int:
    """A row first, its content in a transaction of its own."""
    blank = {
        "plan": b"",
        "problem": b"",
        "plan_sha256": "",
        "fence": held.fence,
        "name": held.name,
        "created": "",
    }
    about = {"run_key": outcome.run_key, "reason": "", "status": "", "cost_usd": plan.cost_usd}
    with database.transaction(self.engine, writes=True) as connection:
        held.check(connection)
        number = int(
            connection.execute(insert(plans).values(blank | about).returning(plans.c.id)).scalar_one()
        )
    text = plan.to_json().encode()
    content = {"plan": zlib.compress(text), "problem": zlib.compress(b"{}")}
    content["plan_sha256"] = history.hashlib.sha256(text).hexdigest().encode()
    with database.transaction(self.engine, writes=True) as connection:
        row = plans.update().where(plans.c.id == number)
        connection.execute(row.values(content | {"plan_sha256": content["plan_sha256"].decode()}))
    return number


def unhashed(row: Any) -> Entry:
    """A row is taken for what it says."""
    plan = Plan.from_dict(json.loads(zlib.decompress(row.plan)))
    return Entry(int(row.id), str(row.run_key), plan, {"name": "p"})


@contextmanager
def in_place(path: Any, option: str = "") -> Iterator[BinaryIO]:
    """The file is opened and written where it stands."""
    with open(path, "wb") as file:
        router.output.os.fsync(file.fileno())
        yield file
        router.output.os.fsync(file.fileno())


GUARDS = {
    "fenced": (50, lease.Lease, "check", unchecked),
    "whole": (26, history.Store, "publish", in_pieces),
    "named": (2, history, "_entry", unhashed),
    "said": (37, database, "_way_out", lambda *_: "nothing of this run is in the store"),
    "file": (15, router.output, "written_bytes", in_place),
    "alone": (228, lease, "is_gone", lambda _: True),
    "goes on": (2, lease, "now", lambda _: START),
}
"""Promise → a seed whose faults break it where the guard is replaced, and what replaces it."""


@pytest.mark.parametrize("promise", GUARDS)
def test_a_promise_is_broken_where_its_guard_is_gone(promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And kept at the same seed where the guard is there."""
    seed, where, name, instead = GUARDS[promise]
    assert campaign(1, seed).faults == []
    monkeypatch.setattr(job, "GUARDED", frozenset({(where, name)}))
    monkeypatch.setattr(where, name, instead)
    faults = campaign(1, seed).faults
    assert any(f": {promise}: " in fault for fault in faults), faults
