"""The store: publish, read back, list.

running(name)    the newest plan that reads back whole, with its number and the problem it is for
publish(...)     one transaction: the lease is still ours, then the row; or nothing
history(...)     the small columns, and whether each plan reads back whole
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Self

from sqlalchemy import Column, Connection, Engine, Row, Select, func, insert, inspect, literal_column, select
from sqlalchemy.exc import SQLAlchemyError

from router.errors import InputError, Issue, RouterError
from router.plan.document import Plan
from router.store.database import engine_of, failed, shown, transaction
from router.store.entries import Entry, Listed, Outcome
from router.store.lease import Lease
from router.store.tables import VERSION, layout, metadata, plans

LISTED = ("id", "name", "run_key", "created", "reason", "status", "cost_usd", "gap", "running_usd",
          "unconstrained_usd", "moved_share")  # fmt: skip


class Store:
    """Plans of one or several problems behind a URL. A context manager: connections end with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.skipped: Mapping[int, str] = {}  # newer rows that did not read back whole, and why

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Self:
        """Raises StoreFailed where the database is away, is of a newer version, or is not there and not to be made."""
        store = cls(engine_of(url, must_exist=not create))
        try:
            store._check_layout(create=create)
        except RouterError:
            store.__exit__()
            raise
        return store

    def _check_layout(self, *, create: bool) -> None:
        where = shown(self.engine.url)
        with transaction(self.engine, writes=False) as connection:
            known = inspect(connection).has_table(layout.name)
        if not known:
            if not create:
                raise failed(where, "holds no plans", "router reoptimise FILE --store URL makes it")
            _make(self.engine)
        with transaction(self.engine, writes=False) as connection:
            version = connection.execute(select(func.max(layout.c.version))).scalar_one_or_none()
        if version is None or version > VERSION:
            rule = f"has layout {version}; this version of the planner reads up to {VERSION}"
            raise failed(where, rule, "upgrade the planner")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(SQLAlchemyError):
            self.engine.dispose()

    def lease(self, name: str, seconds: float) -> Lease:
        """The right to publish plans of this name; use it as a context manager."""
        return Lease(self.engine, name, seconds)

    def running(self, name: str) -> Entry | None:
        """The plan in force: the newest that reads back whole; None where there is none. Raises StoreFailed."""
        skipped: dict[int, str] = {}
        with transaction(self.engine, writes=False) as connection:
            newest = connection.execute(
                select(plans.c.id).where(plans.c.name == name).order_by(plans.c.id.desc())
            ).scalars()
            for number in newest:
                entry = self._entry(connection, int(number))
                if not isinstance(entry, str):
                    self.skipped = skipped
                    return entry
                skipped[int(number)] = entry
        self.skipped = skipped
        return None

    def _entry(self, connection: Connection, number: int) -> Entry | str | None:
        """A row; in words why it does not read back whole; None where there is none. Raises StoreFailed."""
        row = connection.execute(_as_stored(plans.c).where(plans.c.id == number)).one_or_none()
        if row is None:
            return None
        self._check_types(row)
        try:
            return _entry(row)
        except (InputError, ValueError, zlib.error) as error:
            return str(error)

    def _check_types(self, row: Row[Any]) -> None:
        """A value of another type than its column's was not written by this program. Raises StoreFailed."""
        for name, value in row._mapping.items():
            column = plans.c[name]
            kind: type = column.type.python_type
            right = (int, float) if kind is float else kind
            if not (isinstance(value, right) or (value is None and column.nullable)):
                where = f"table {plans.name}, row {row.id}, column {name}"
                rule = f"{where}: is {type(value).__name__}, where {kind.__name__} is stored"
                raise failed(shown(self.engine.url), rule, "put a copy back, or delete the row")

    def publish(self, lease: Lease, plan: Plan, problem: Mapping[str, Any], outcome: Outcome) -> int:
        """Put a plan in force; its number.

        Raises LockHeld where the lease was lost, and StoreFailed; nothing of the plan is in the store then.
        """
        text = plan.to_json().encode()
        row = {
            "name": lease.name,
            "created": plan.created,
            "status": plan.stop,
            "cost_usd": plan.cost_usd,
            "gap": plan.gap,
            "fence": lease.fence,
            "plan_sha256": hashlib.sha256(text).hexdigest(),
            "plan": zlib.compress(text, 6),
            "problem": zlib.compress(json.dumps(problem, sort_keys=True).encode(), 6),
            **asdict(outcome),
        }
        with transaction(self.engine, writes=True) as connection:
            lease.check(connection)
            return int(connection.execute(insert(plans).values(row).returning(plans.c.id)).scalar_one())

    def get(self, number: int) -> Entry:
        """A plan by its number. Raises InputError where there is none, or it does not read back whole."""
        with transaction(self.engine, writes=False) as connection:
            entry = self._entry(connection, number)
        if entry is None:
            hint = f"router history --store {shown(self.engine.url)} lists them"
            raise InputError(Issue((), "the store has no such plan", value=number, hint=hint))
        if isinstance(entry, str):
            raise InputError(Issue((), f"is damaged in the store: {entry}", value=number))
        return entry

    def history(self, name: str | None = None, limit: int | None = None) -> list[Listed]:
        """Newest first, each with why it does not read back whole, if so. Raises StoreFailed."""
        query = _as_stored([plans.c[column] for column in LISTED]).order_by(plans.c.id.desc()).limit(limit)
        if name is not None:
            query = query.where(plans.c.name == name)
        listed = []
        with transaction(self.engine, writes=False) as connection:
            for row in connection.execute(query).all():
                self._check_types(row)
                entry = self._entry(connection, row.id)
                listed.append(Listed(**row._mapping, damaged=entry if isinstance(entry, str) else None))
        return listed

    def count(self, name: str | None = None) -> int:
        """Plans in the store, of one problem or of all."""
        query = select(func.count()).select_from(plans)
        if name is not None:
            query = query.where(plans.c.name == name)
        with transaction(self.engine, writes=False) as connection:
            return int(connection.execute(query).scalar_one())

    def names(self) -> list[str]:
        """Of the problems that it has plans for."""
        with transaction(self.engine, writes=False) as connection:
            names = connection.execute(select(plans.c.name).distinct().order_by(plans.c.name)).scalars()
            return [str(name) for name in names]


def _as_stored(columns: Iterable[Column[Any]]) -> Select[*tuple[Any, ...]]:
    """Values as the database has them: what a column's type would make of a wrong one is an error without a place."""
    return select(*(literal_column(column.name).label(column.name) for column in columns)).select_from(plans)


def _make(engine: Engine) -> None:
    """The tables, in one transaction; two runs that make them at once do no harm."""
    with transaction(engine, writes=True) as connection:
        if connection.dialect.name == "postgresql":  # looking first would not keep two of them apart
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(72060014)")
        metadata.create_all(connection)
        if connection.execute(select(func.count()).select_from(layout)).scalar_one() == 0:
            connection.execute(insert(layout).values(version=VERSION))


def _entry(row: Row[Any]) -> Entry:
    """Raises InputError, ValueError or zlib.error where the row is not what was written."""
    text = zlib.decompress(row.plan)
    if hashlib.sha256(text).hexdigest() != row.plan_sha256:
        raise ValueError("plan_sha256 differs from that of its content")
    problem = json.loads(zlib.decompress(row.problem))
    return Entry(int(row.id), str(row.run_key), Plan.from_dict(json.loads(text), problem), problem)
