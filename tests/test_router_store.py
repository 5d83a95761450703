"""The plan store on SQLite, and on PostgreSQL where ROUTER_TEST_POSTGRES_URL names a server."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update
from stores import BACKENDS, small_plan, store_url

from router.cli import run as command
from router.errors import InputError, LockHeld
from router.plan.document import Plan
from router.store import Outcome
from router.store.database import StoreFailed, engine_of, transaction
from router.store.history import Store
from router.store.lease import Lease, is_gone, own_token
from router.store.tables import layout, leases, plans


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with store_url(request.param, tmp_path) as made:
        yield made


def outcome(key: str = "k") -> Outcome:
    return Outcome(key, "first", None, 7.0, None)


def publish(store: Store, cost: float = 7.0, key: str = "k", name: str = "p") -> int:
    with store.lease(name, 60) as lease:
        return store.publish(lease, small_plan(cost), {"name": name}, outcome(key))


def test_plans_come_back_as_they_went_in(url):
    with Store.open(url) as store:
        assert store.running("p") is None
        number = publish(store, 7.0)
    with Store.open(url, create=False) as store:
        entry = store.running("p")
        assert entry is not None
        assert entry.plan == Plan.from_dict(small_plan(7.0).to_dict())
        assert (entry.id, entry.run_key, entry.problem) == (number, "k", {"name": "p"})
        assert store.get(number).plan == entry.plan


def test_every_plan_is_kept_and_the_newest_of_its_name_runs(url):
    with Store.open(url) as store:
        first, second = publish(store, 7.0), publish(store, 6.0)
        other = publish(store, 9.0, name="q")
        assert first < second < other
        assert store.running("p").plan.cost_usd == 6.0  # type: ignore[union-attr]
        assert store.running("q").plan.cost_usd == 9.0  # type: ignore[union-attr]
        assert [row.id for row in store.history()] == [other, second, first]
        assert [row.cost_usd for row in store.history("p", limit=1)] == [6.0]
        assert store.names() == ["p", "q"]
        assert store.count() == 3


def test_a_damaged_newest_plan_gives_way_to_the_last_good_one(url):
    with Store.open(url) as store:
        good, bad = publish(store, 7.0), publish(store, 6.0)
        with transaction(store.engine, writes=True) as connection:
            connection.execute(update(plans).where(plans.c.id == bad).values(plan=b"\x00 torn"))
        entry = store.running("p")
        assert entry is not None
        assert entry.id == good
        assert list(store.skipped) == [bad]
        with pytest.raises(InputError, match="damaged"):
            store.get(bad)


def test_only_one_holds_the_lease(url):
    with Store.open(url) as store, Store.open(url) as other:
        with store.lease("p", 60):
            with (
                pytest.raises(LockHeld, match=r"process \d+ on .* works on \"p\"") as refused,
                other.lease("p", 60),
            ):
                pytest.fail("two at once")
            assert refused.value.exit_code == 7
            with other.lease("q", 60):  # another problem is nobody's business
                pass
        with other.lease("p", 60) as again:
            assert again.fence == 2


def test_an_expired_lease_is_taken_over_and_its_holder_cannot_publish(url):
    with Store.open(url) as store, Store.open(url) as other:
        slow = Lease(store.engine, "p", 60)
        with slow:
            with transaction(store.engine, writes=True) as connection:
                connection.execute(update(leases).values(expires=1.0))  # its heartbeat is late
            with other.lease("p", 60) as fast:
                other.publish(fast, small_plan(5.0), {}, outcome())
                with pytest.raises(LockHeld, match="took over"):
                    store.publish(slow, small_plan(9.0), {}, outcome())
            assert store.history()[0].cost_usd == 5.0
            assert store.count() == 1
        with store.lease("p", 60):  # the late one has freed nothing that was not its own
            pass


def test_the_heartbeat_puts_the_end_off(url):
    with Store.open(url) as store, store.lease("p", 0.6), Store.open(url) as other:
        time.sleep(1.2)
        with pytest.raises(LockHeld), other.lease("p", 60):
            pytest.fail("the lease was renewed")


def test_a_holder_known_to_be_dead_is_not_waited_for(url):
    with Store.open(url) as store:
        code = (
            "import os, signal, sys\nfrom router.store.history import Store\n"
            "Store.open(sys.argv[1]).lease('p', 3600).__enter__()\nos.kill(os.getpid(), signal.SIGKILL)"
        )
        assert subprocess.run([sys.executable, "-c", code, url], check=False).returncode == -9
        with transaction(store.engine, writes=False) as connection:
            assert connection.execute(select(leases.c.owner)).scalar_one() != ""
        with store.lease("p", 60) as lease:
            assert lease.fence == 2


def test_who_is_known_to_be_gone():
    mine = own_token()
    host, world, pid, born, token = mine.split("|")
    assert not is_gone(mine)
    assert is_gone("|".join((host, world, pid, "1", token)))  # the number was given again
    assert is_gone("|".join((host, world, "4194305", born, token)))  # above the largest number there is
    assert not is_gone("|".join(("elsewhere", "another boot", "4194305", born, token)))
    assert not is_gone("written by something else")


def test_a_store_of_a_newer_version_is_left_alone(url):
    with Store.open(url) as store, transaction(store.engine, writes=True) as connection:
        connection.execute(insert(layout).values(version=99))
    with pytest.raises(StoreFailed, match="layout 99"):
        Store.open(url)


def test_what_fails_in_a_transaction_leaves_nothing(url):
    with Store.open(url) as store:
        publish(store)
        with pytest.raises(RuntimeError), transaction(store.engine, writes=True) as connection:
            connection.execute(update(plans).values(name="half"))
            raise RuntimeError
        assert store.names() == ["p"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("router.db", "not a database URL"),
        ("sqlite://", "in memory"),
        ("sqlite:////", "is a directory"),
        ("sqlite:////nowhere/at/all/router.db", "not a directory"),
        ("mysql://host/name", "only sqlite and postgresql"),
    ],
)
def test_urls_that_are_no_store(url, said):
    with pytest.raises(StoreFailed, match=said) as refused:
        Store.open(url)
    assert refused.value.exit_code == 2


def test_reading_makes_no_store(tmp_path):
    with pytest.raises(StoreFailed, match="does not exist"):
        Store.open(f"sqlite:///{tmp_path / 'typo.db'}", create=False)
    assert not (tmp_path / "typo.db").exists()


def test_a_file_of_another_program(tmp_path):
    (tmp_path / "notes.db").write_text("dear diary, " * 100)
    with pytest.raises(StoreFailed, match="not a database"):
        Store.open(f"sqlite:///{tmp_path / 'notes.db'}")
    assert (tmp_path / "notes.db").read_text().startswith("dear diary")


def test_a_password_is_not_shown():
    with pytest.raises(StoreFailed) as refused:
        Store.open("postgresql://planner:secret@127.0.0.1:1/none")
    assert "secret" not in str(refused.value)
    assert "***" in str(refused.value)


def test_sqlite_is_set_to_survive_a_power_cut(tmp_path):
    engine = engine_of(f"sqlite:///{tmp_path / 'router.db'}")
    with transaction(engine, writes=False) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL


DISK_FULL = """
import resource, signal, sys
sys.path[:0] = {path!r}
from router.errors import RouterError
from router.store.history import Store
from test_router_store import publish
store = Store.open({url!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit is then an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    publish(store, 6.0)
except RouterError as error:
    print(error.exit_code, error)
"""


@pytest.mark.parametrize("limit", [0, 4096, 20_000])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path, limit):
    url = f"sqlite:///{tmp_path / 'router.db'}"
    with Store.open(url) as store:
        good = publish(store, 7.0)
    code = DISK_FULL.format(path=[os.path.dirname(__file__)], url=url, limit=limit)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if limit < 20_000:
        assert run.stdout.startswith("2 --store: ")
        assert "nothing of this run is in the store" in run.stdout
    with Store.open(url) as store:
        entry = store.running("p")
        assert entry is not None
        assert entry.id == good or (not run.stdout and entry.plan.cost_usd == 6.0)
        publish(store, 5.0)  # and with room again it goes on
        assert sqlite3.connect(tmp_path / "router.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_lost_connection_is_told_and_leaves_nothing(tmp_path):
    with store_or_skip(tmp_path) as url, Store.open(url) as store, Store.open(url) as killer:
        good = publish(store, 7.0)
        with store.lease("p", 60) as lease:
            with pytest.raises(StoreFailed, match="nothing of this run") as told, half_written(store) as mine:
                number = mine.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
                with transaction(killer.engine, writes=False) as theirs:
                    theirs.exec_driver_sql(f"SELECT pg_terminate_backend({number})")
                lease.check(mine)
            assert told.value.exit_code == 2
            assert killer.count() == 1
            assert store.publish(lease, small_plan(6.0), {}, outcome()) > good  # back on a new connection


@contextmanager
def half_written(store: Store) -> Iterator[Connection]:
    """A transaction in which a plan is inserted and not yet committed."""
    row = {"name": "p", "run_key": "x", "created": "", "reason": "", "status": "", "cost_usd": 0.0}
    blobs = {"fence": 0, "plan_sha256": "", "plan": b"", "problem": b""}
    with transaction(store.engine, writes=True) as connection:
        connection.execute(insert(plans).values(row | blobs))
        yield connection


def store_or_skip(folder: Path):
    if not os.environ.get("ROUTER_TEST_POSTGRES_URL"):
        pytest.skip("ROUTER_TEST_POSTGRES_URL is not set")
    return store_url("postgresql", folder)


RUNS = """
schema: router/1
name: four runs
horizon: {periods: 1, period_h: 730}
models: {m: {}}
workloads:
  - {name: w, models: [m], demand: {requests_per_day: 100K}, prompt_tokens: 300, completion_tokens: 100}
offers:
  - {name: a, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}
  - {name: b, models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}}
  - name: contract
    models: {m: {prompt_usd_per_m: 1, completion_usd_per_m: 1}}
    commitment: {min_usd_per_month: 500, term_months: 12}
scenarios:
  - {name: first, probability: 0.25, prices: {b: 2, contract: 2}}
  - {name: second, probability: 0.25, prices: {a: 2, contract: 2}}
  - {name: third, probability: 0.25, prices: {a: 2, b: 2, contract: 0.9}}
  - {name: fourth, probability: 0.25, prices: {b: 2, contract: 2}}
"""


@pytest.fixture
def ops(tmp_path, monkeypatch):
    """Three plans in a store, and a way to change its rows."""
    monkeypatch.chdir(tmp_path)
    Path("problem.yaml").write_text(RUNS)
    for scenario in ("first", "second", "third"):
        assert again(scenario) == 0

    def change(statement: str) -> None:
        connection = sqlite3.connect("s.db")
        connection.execute(statement)
        connection.commit()
        connection.close()

    return change


def again(scenario: str, *more: str) -> int:
    return command(["reoptimise", "problem.yaml", "--scenario", scenario, "--store", "sqlite:///s.db", *more])


def test_a_damaged_plan_is_named_with_what_is_not_known(ops, capsys):
    """Plan 3 signed a contract: on stderr, in the new plan's notes and in the list stands that this is not known."""
    ops("update router_plans set plan_sha256 = 'junk' where id = 3")
    capsys.readouterr()
    assert again("fourth", "--detailed-exitcode", "-o", "plan.json") == 10
    said = capsys.readouterr()
    for text in (
        said.err,
        " ".join(said.out.split()),
        " ".join(json.loads(Path("plan.json").read_text())["notes"]),
    ):
        assert "plan 3 does not read back whole (plan_sha256 differs" in text
        assert "what it signed, started or moved is not known" in text
    assert command(["history", "--store", "sqlite:///s.db"]) == 0
    listed = capsys.readouterr().out
    (row,) = [line for line in listed.splitlines() if line.startswith("    3")]
    assert "damaged" in row
    assert listed.count("damaged") == 1
    assert command(["history", "--store", "sqlite:///s.db", "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)["listed"] if "damaged" in row] == [3]


def test_where_no_plan_can_be_read_it_is_not_the_first(ops, capsys):
    ops("update router_plans set plan_sha256 = 'junk'")
    capsys.readouterr()
    assert again("fourth") == 0
    out = capsys.readouterr().out
    assert "no earlier plan of this problem can be read" in out
    assert "the first of this problem" not in out


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("update router_plans set plan = 'text' where id = 3", "table router_plans, row 3, column plan"),
        (
            "update router_plans set problem = 'text' where id = 3",
            "table router_plans, row 3, column problem",
        ),
        (
            "update router_plans set cost_usd = 'dear' where id = 3",
            "table router_plans, row 3, column cost_usd",
        ),
        ("drop table router_plans", "router_plans"),
    ],
)
def test_what_no_planner_wrote_is_named_by_table_row_and_column(ops, capsys, statement, names):
    """Exit code 2 from every run, and nobody says of a plan that it is there without having read it."""
    ops(statement)
    for run_of in (lambda: again("fourth"), lambda: command(["history", "--store", "sqlite:///s.db"])):
        capsys.readouterr()
        assert run_of() == 2
        said = capsys.readouterr().err
        assert names in said
        assert "still there" not in said
