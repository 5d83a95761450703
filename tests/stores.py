"""Stores for tests: SQLite in a folder of the test, and PostgreSQL in a schema of its own where a server is named."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from router.plan.document import Plan, SolverRun
from router.plan.rows import CostLine, RouteRow

POSTGRES = os.environ.get("ROUTER_TEST_POSTGRES_URL")
"""postgresql://user@host/database of a server that the tests may write to."""

BACKENDS = (
    "sqlite",
    pytest.param(
        "postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="ROUTER_TEST_POSTGRES_URL is not set")
    ),
)


@contextmanager
def store_url(backend: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store, gone afterwards."""
    if backend == "sqlite":
        yield f"sqlite:///{folder / 'router.db'}"
        return
    import psycopg

    schema = f"t{uuid.uuid4().hex}"
    joint = "&" if "?" in str(POSTGRES) else "?"
    with psycopg.connect(str(POSTGRES), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        try:
            yield f"{POSTGRES}{joint}options=-csearch_path%3D{schema}"
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


def small_plan(cost: float = 7.0, created: str = "2026-12-01T00:00:00+00:00") -> Plan:
    """A plan with a route; as good as any for a store."""
    return Plan(
        name="p",
        created=created,
        problem_sha256="0" * 64,
        versions={},
        solver=SolverRun("none"),
        stop="optimal",
        cost_usd=cost,
        objective_usd=cost,
        bound_usd=cost,
        gap=0.0,
        horizon_h=1.0,
        cost_usd_per_month=cost * 730.0 / 1.0,
        periods=1,
        cost_lines=(CostLine("api", "tokens", cost),),
        routes=(RouteRow("w", "api", "m", 0, None, None, 1.0, 10.0, 100.0, 10.0),),
        instances=(),
    )
