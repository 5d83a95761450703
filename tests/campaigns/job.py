"""The scheduled job when everything around it fails: `python tests/campaigns/job.py --problems 100000 --seed 1`.

A run is `reoptimise` itself on a real store in SQLite, with the planning replaced by what answers at once. Every
statement and commit of the database, the solver, and every step of writing a file is a *point*, before and after which
something may fail: the connection drops, the disk is full, the process is killed (nothing runs after it), the clock
goes back or past the lease, another run comes in between, in time or after it, the solver hangs, crashes or lies. A
seed decides which two points fail and how; seeds one after the other go through all pairs of points. The same seed does
the same again.

A history is a run that succeeds, one with the faults, another with the second of them where the first had ended the run
before it was met, now and then a row that rots, and a run without faults. The heartbeat of a lease, which would wait
for minutes, is left out. Then:

    whole       every row is whole, but for what rotted; what was acknowledged is there, unchanged
    fenced      numbers of plans and fences of leases grow together: who lost the lease publishes nothing
    alone       a lease that is held and has not expired is not taken
    named       a row that rotted is named by the next run, and never in force
    said        "nothing of this run is in the store" is said where that is so
    file        the file of -o holds a whole plan, the old one or the new one
    goes on     the run without faults succeeds
    known       a failure is an error with words of its own, no bug
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.figures import Figures, arguments, seeds
from reoptimise_cases import SEARCH, api, problem
from sqlalchemy import Engine, event
from stores import small_plan

import router.output
import router.store.history as history
import router.store.lease as lease
from router.errors import CertificateFailed, LockHeld, NoPlanInTime, RouterError, SolverFailed
from router.plan.document import Plan
from router.reoptimisation import run as job
from router.store.history import Store

NAME, LEASE_S, START = "p", 900.0, 1_800_000_000.0
PROBLEM = problem(api("a", 1.0))
SHORTCUTS: dict[str, Any] = {"run_key_v1": lambda *_: None, "stored_problem": lambda _: {"name": NAME}}
DATABASE = ("drop", "full", "kill", "back", "on", "rival", "late")
KINDS = {
    "statement": DATABASE,
    "commit": ("drop", "full", "kill"),
    "committed": ("drop", "kill"),
    "solver": ("hang", "crash", "lie", "kill", "on", "back", "rival", "late"),
    "file": ("full", "kill"),
}
SAID = "nothing of this run is in the store"


@cache
def plan_of(cost: float) -> Plan:
    return small_plan(cost)


def key_of(cost: float) -> str:
    return f"{cost:064.0f}"


class Killed(BaseException):
    """The process is gone: what would still run in it does not."""


@dataclass
class World:
    """What surrounds the runs of one history, and what they did."""

    folder: Path
    draw: Random
    faults: dict[int, str] = field(default_factory=dict)  # point of the run under test → "" until it is drawn
    clock: float = START
    runs: int = 0
    testing: bool = False
    dead: bool = False
    inside: bool = False  # a transaction is open
    depth: int = 0  # runs that are going on: a rival is the second
    points: list[str] = field(default_factory=list)
    acknowledged: dict[int, float] = field(default_factory=dict)  # number of a plan → its cost
    rotten: set[int] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    owner: str = ""
    connections: list[sqlite3.Connection] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def cost(self) -> float:
        """Of the plan of the run that goes on: each run finds another."""
        return float(self.owner.removeprefix("run "))

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 's.db'}"

    @property
    def output(self) -> Path:
        return self.folder / "plan.json"

    def point(self, kind: str) -> None:
        """Where something may fail."""
        if self.dead:
            raise Killed
        if not self.testing:
            return
        number = len(self.points)
        self.points.append(kind)
        if self.faults.get(number) == "":
            ways = [way for way in KINDS[kind] if way not in ("rival", "late") or not self.inside]
            self.faults[number] = f"{kind}: {(way := self.draw.choice(ways))}"
            self.fail(way)

    def fail(self, way: str) -> None:
        if way == "kill":
            self.dead = True
            if self.draw.random() < 0.5:
                self.gone.add(self.owner)
            raise Killed
        if way in ("back", "on"):
            self.clock += {"back": -3600.0, "on": LEASE_S + 1}[way]
        elif way in ("rival", "late"):
            self.clock += LEASE_S + 1 if way == "late" else 0.0
            self.rival()
        elif way in ("hang", "crash", "lie"):
            raise {"hang": NoPlanInTime, "crash": SolverFailed, "lie": CertificateFailed}[way](way)
        elif way == "full" and self.points[-1] == "file":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        else:
            raise sqlite3.OperationalError(
                {"full": "database or disk is full", "drop": "connection was lost"}[way]
            )

    def rival(self) -> None:
        """Another run, in the middle of this one."""
        held = self.raw("select owner, expires from router_leases where owner != ''")
        valid = any(expires > self.clock and owner not in self.gone for owner, expires in held)
        owner, self.testing = self.owner, False
        try:
            self.run()
            if valid:
                self.wrong.append("alone: a lease that is held was taken")
        except LockHeld:
            if not valid:
                self.wrong.append("goes on: a lease that is free was not given")
        finally:
            self.owner, self.testing = owner, True

    def raw(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Past all code under test."""
        connection = sqlite3.connect(self.folder / "s.db")
        try:
            with connection:
                return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def run(self) -> job.Result:
        """One run of the job: another plan each time."""
        self.runs += 1
        outer = self.owner
        self.owner, self.depth = f"run {self.runs}", self.depth + 1
        try:
            with Store.open(self.url) as store:
                result = job.reoptimise(PROBLEM, store, SEARCH, lease_s=LEASE_S)
                self.acknowledged[result.id] = self.cost
        finally:
            self.depth -= 1
        router.output.write_text(self.output, result.plan.to_json())
        self.owner = outer
        return result

    def begin(self) -> None:
        """The run that succeeds: as the first history of a process has it, the others get its files."""
        if not WIRES.begun or GUARDED:
            self.run()
            files = {file.name: file.read_bytes() for file in self.folder.iterdir()}
            WIRES.begun = {} if GUARDED else files
            return
        for name, content in WIRES.begun.items():
            (self.folder / name).write_bytes(content)
        self.runs, self.acknowledged = 1, {1: 1.0}

    @property
    def met(self) -> frozenset[int]:
        """The points that have failed."""
        return frozenset(number for number, way in self.faults.items() if way)

    def planned(self, *_: object) -> job.Result:
        """What the search of the run that goes on finds, if it is left alone."""
        self.point("solver")
        return job.Result("cheaper" if self.cost > 1 else "first", key_of(self.cost), 0, plan_of(self.cost))


class Heartbeat:
    """A thread that is not begun."""

    def __init__(self, **_: object) -> None: ...

    def start(self) -> None: ...

    def join(self) -> None: ...


def ended(connection: sqlite3.Connection) -> None:
    """As when its process is gone: what Python still refers to would keep the transaction open."""
    with suppress(sqlite3.ProgrammingError):
        connection.rollback()
        connection.close()


@dataclass
class Wires:
    """What lasts for a process, so that its statements are compiled once: engines, joined to the world of now."""

    world: World | None = None
    engines: dict[tuple[str, int], Engine] = field(
        default_factory=dict
    )  # one for each run that goes on at once
    begun: dict[str, bytes] = field(default_factory=dict)  # file → content after a run that succeeded

    def point(self, kind: str) -> None:
        if self.world is not None:
            self.world.point(kind)

    def within(self, inside: bool) -> None:
        if self.world is not None:
            self.world.inside = inside

    def engine_of(self, url: str, **options: bool) -> Engine:
        """The real one, whose database fails when the world says so."""
        assert self.world is not None
        key = url, self.world.depth
        if key not in self.engines:
            self.engines[key] = self.joined(MADE(url, **options))
        return self.engines[key]

    def joined(self, engine: Engine) -> Engine:
        execute, commit, rollback = (
            getattr(engine.dialect, f"do_{name}") for name in ("execute", "commit", "rollback")
        )

        def do_execute(cursor: Any, statement: str, *more: Any) -> None:
            self.point("statement")
            execute(cursor, statement, *more)
            if statement.startswith("BEGIN"):
                self.within(True)
            self.point("statement")

        def do_commit(connection: Any) -> None:
            self.point("commit")
            commit(connection)
            self.within(False)
            self.point("committed")

        def do_rollback(connection: Any) -> None:
            self.within(False)
            rollback(connection)

        def on_connect(connection: sqlite3.Connection, _: object) -> None:
            if self.world is not None:
                self.world.connections.append(connection)

        for name, instead in (
            ("do_execute", do_execute),
            ("do_commit", do_commit),
            ("do_rollback", do_rollback),
            ("do_close", ended),
        ):
            setattr(engine.dialect, name, instead)
        event.listen(engine, "connect", on_connect)
        return engine


MADE, WIRES = history.engine_of, Wires()


@contextmanager
def surroundings(world: World) -> Iterator[None]:
    """Database, clock and disk that fail when the world says so."""

    def at_file[R](step: Callable[..., R]) -> Callable[..., R]:
        def done(*values: Any, **options: Any) -> R:
            world.point("file")
            return step(*values, **options)

        return done

    fakes: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
        (history, "engine_of", WIRES.engine_of),
        (lease, "now", lambda _: world.clock),
        (lease, "own_token", lambda: world.owner),
        (lease, "is_gone", lambda owner: owner in world.gone),
        (lease.threading, "Thread", Heartbeat),
        (os, "fsync", at_file(lambda _: None)),
        (os, "replace", at_file(os.replace)),
        (router.output.tempfile, "mkstemp", at_file(tempfile.mkstemp)),
        *((job, name, fake) for name, fake in SHORTCUTS.items()),
        (job, "_first", world.planned),
        (job, "_again", world.planned),
        (job, "run_key", lambda *_: key_of(world.cost)),
    )
    old = [(where, name, getattr(where, name)) for where, name, _ in fakes]
    WIRES.world = world
    try:
        for where, name, fake in fakes:
            if (where, name) not in GUARDED:
                setattr(where, name, fake)
        yield
    finally:
        WIRES.world = None
        for where, name, before in old:
            setattr(where, name, before)


def look(world: World, when: str) -> None:
    """Every row, by SQLite's own module and arithmetic of our own."""
    last = 0
    rows = world.raw("select id, fence, cost_usd, plan, plan_sha256 from router_plans order by id")
    costs = {}
    for number, fence, cost, plan, sha256 in rows:
        costs[number] = cost
        whole = False
        with suppress(zlib.error):
            whole = hashlib.sha256(zlib.decompress(plan)).hexdigest() == sha256
        if not whole and number not in world.rotten:
            world.wrong.append(f"whole: plan {number} is not, {when}")
        if fence < last:
            world.wrong.append(f"fenced: plan {number} has fence {fence} after {last}, {when}")
        last = fence
    for number, cost in world.acknowledged.items():
        if costs.get(number) != cost:
            world.wrong.append(f"whole: plan {number} was acknowledged and is not there, {when}")
    try:
        stated = (
            json.loads(world.output.read_text(encoding="utf-8"))["cost_usd"] if world.output.exists() else 1.0
        )
    except ValueError:
        stated = 0.0
    if stated not in costs.values():
        world.wrong.append(f"file: holds no plan of the store, {when}")


def rot(world: World) -> None:
    """The newest row gets the content of another plan."""
    (newest,) = world.raw("select max(id) from router_plans")[0]
    world.rotten.add(newest)
    other = zlib.compress(small_plan(999.0).to_json().encode())
    world.raw("update router_plans set plan = ? where id = ?", other, newest)


def tested(world: World) -> str:
    """The run with faults, and how it ended."""
    before = len(world.raw("select id from router_plans where cost_usd = ?", float(world.runs + 1)))
    mine, world.testing, world.points = float(world.runs + 1), True, []
    try:
        world.run()
        end = "done"
    except Killed:
        end = "killed"
    except (RouterError, LockHeld) as error:
        end = type(error).__name__
        there = len(world.raw("select id from router_plans where cost_usd = ?", mine)) > before
        if SAID in str(error) and there and "--store" in str(error):
            world.wrong.append("said: nothing of the run is in the store, and it is")
    except Exception as error:
        end = type(error).__name__
        world.wrong.append(f"known: {end}: {error}")
    world.testing = world.dead = world.inside = False
    for connection in world.connections:
        ended(connection)
    return end


def lived(seed: int, folder: Path) -> tuple[World, str]:
    """One history, in a folder where others may have been before."""
    draw = Random(seed)
    world = World(folder, draw)
    for file in folder.iterdir():
        file.unlink()
    with surroundings(world):
        world.begin()
        world.faults = dict.fromkeys(pair(seed), "")
        end = tested(world)
        look(world, f"after {end}")
        if len(world.met) < len(world.faults):
            world.clock = max(world.clock, START + 3600) + 2 * LEASE_S  # by then any lease has expired
            look(world, f"after {end} and {tested(world)}")
        if draw.random() < 0.2:
            rot(world)
        world.clock = max(world.clock, START + 3600) + 2 * LEASE_S
        try:
            if set(world.run().unread) != world.rotten:
                world.wrong.append("named: a row that rotted is not")
        except RouterError as error:
            world.wrong.append(f"goes on: {type(error).__name__}: {error}")
        look(world, "at the end")
    return world, end


GUARDED: frozenset[tuple[object, str]] = frozenset()
"""What a test has replaced already: a build with that guard removed."""

POINTS = 48
"""At least as many as a run without faults has."""


def pair(seed: int) -> tuple[int, int]:
    """Two points; all pairs in POINTS² seeds, one after the other."""
    index = seed * 611 % POINTS**2  # 611 has no factor in common with it: near seeds are not alike
    return index % POINTS, index // POINTS


def campaign(count: int, first: int) -> Figures:
    """Histories of consecutive seeds."""
    figures, met = Figures(), set[frozenset[int]]()
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for seed in seeds(count, first, told_every=10_000):
            world, end = lived(seed, Path(folder))
            figures.ends[end] += 1
            figures.faults += [f"seed {seed}: {why}; {world.faults}" for why in world.wrong]
            met.add(world.met)
            figures.more["runs"] = figures.more.get("runs", 0) + world.runs
    figures.more["pairs met"] = len(met - {frozenset()})
    figures.more["pairs"] = POINTS * (POINTS + 1) // 2
    return figures


if __name__ == "__main__":
    asked = arguments(__doc__, 100_000)
    sys.exit(campaign(asked.problems, asked.seed * 1_000_000).printed())
