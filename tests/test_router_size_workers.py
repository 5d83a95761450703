"""Scenario work on several processes: the same plan to the byte, also where a worker is killed in mid-run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from problem_factory import Data
from sizing_factory import random_sizing, sized
from worker_accidents import AlwaysDies, DiesOnce, Fails, Late, Pid

from router.errors import Infeasible, InputError, NoPlanInTime
from router.plan.document import Plan
from router.workers import ALONE, Workers, spread, start_workers, stream
from solvers import SolveOptions

linux = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process")


def many_futures() -> Data:
    """One random problem in three futures."""
    data = random_sizing(Random(4))
    futures = [
        {"name": f"s{i}", "probability": p, "demand": {"*": by}, "prices": {}}
        for i, (p, by) in enumerate(((0.3, 0.25), (0.3, 1.0), (0.4, 2.25)))
    ]
    return {**data, "scenarios": futures}


def as_text(plan: Plan) -> str:
    """Everything but the time it was made."""
    made = plan.to_dict()
    made.pop("created")
    return json.dumps(made, sort_keys=True)


@cache
def alone(method: str, measures: bool) -> str:
    """The plan that this process makes by itself."""
    return as_text(sized(many_futures(), method=method, measures=measures))


def accidents(monkeypatch: pytest.MonkeyPatch, marker: Path) -> None:
    """The first worker to start anything dies of it."""

    def risky(work: Callable[[Any], Any], tasks: Sequence[Any], workers: Workers, *ended: Any) -> list[Any]:
        return spread(DiesOnce(work, str(marker), os.getpid()), tasks, workers, *ended)

    monkeypatch.setattr("router.sizing.options.spread", risky)


@pytest.fixture
def installed(engine: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An engine that is here, whose workers find what kills them."""
    pytest.importorskip({"loky": "joblib", "dask": "distributed"}.get(engine, engine))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return engine


# of what a cluster's own libraries do while they start and stop
ENGINES = [
    "loky",
    *(pytest.param(name, marks=pytest.mark.filterwarnings("default")) for name in ("dask", "ray")),
]
each_engine = pytest.mark.parametrize("engine", ENGINES)


def test_two_workers_make_the_same_plan() -> None:
    """Chunks differ, processes differ, the plan and all that is asked about it do not."""
    how: dict[str, Any] = {"method": "program", "questions": True, "flips": True, "alternatives": 1}
    one = sized(many_futures(), measures=True, **how)
    two = sized(many_futures(), measures=True, workers=2, **how)
    assert as_text(one) == as_text(two)


def test_two_workers_cut_alike() -> None:
    assert as_text(sized(many_futures(), method="cuts", measures=True, workers=2)) == alone("cuts", True)


@linux
@each_engine
def test_a_worker_killed_in_mid_run(installed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Amid cuts its programs of scenarios are lost with it, and on any engine the plan is that of one process."""
    marker = tmp_path / "killed"
    accidents(monkeypatch, marker)
    shaken = sized(many_futures(), method="cuts", measures=True, workers=2, backend=installed)
    assert marker.exists()
    assert as_text(shaken) == alone("cuts", True)


@linux
def test_a_worker_killed_before_the_decision_is_priced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One program decides here; what its scenarios cost is shared out."""
    marker = tmp_path / "killed"
    accidents(monkeypatch, marker)
    shaken = sized(many_futures(), method="program", workers=2)
    assert marker.exists()
    assert as_text(shaken) == alone("program", False)


@linux
@each_engine
def test_a_stream_loses_nothing_with_a_worker(installed: str, tmp_path: Path) -> None:
    """Results come in the order of tasks, whoever dies; tasks are taken as they are needed; errors come as they are."""
    marker, taken = tmp_path / "killed", list[int]()

    def tasks(count: int) -> Iterator[int]:
        for i in range(count):
            taken.append(i)
            yield i

    with start_workers(installed, 2) as workers:
        found = stream(DiesOnce(str, str(marker), os.getpid()), tasks(40), workers)
        assert next(found) == "0"
        assert len(taken) < 20
        assert list(found) == [str(i) for i in range(1, 40)]
        assert marker.exists()
        with pytest.raises(Infeasible, match=r"^no plan$"):
            list(stream(Fails(Infeasible("no plan")), tasks(9), workers))
        with pytest.raises(KeyboardInterrupt):
            list(stream(Fails(KeyboardInterrupt()), tasks(9), workers))
        with pytest.raises(NoPlanInTime, match="again and again"):
            list(stream(AlwaysDies(os.getpid()), tasks(3), workers))
        assert list(stream(str, tasks(3), workers)) == ["0", "1", "2"]


@linux
@each_engine
@pytest.mark.parametrize("by_clock", [False, True])
def test_what_the_clock_ends_in_a_worker_is_written_here(installed: str, by_clock: bool) -> None:
    """Of a share of no time at all each worker says that it is late; of a minute none does."""
    with start_workers(installed, 2) as workers:
        for sharing in (spread, stream):
            whole = SolveOptions(time_limit_s=60.0).begun()
            assert whole.deadline is not None
            work = Late(whole.within(most_s=0.0 if by_clock else 60.0))
            assert list(sharing(work, [1, 2], workers, whole.deadline.ended)) == [by_clock, by_clock]
            assert whole.ended_by_clock is by_clock


def test_a_stream_of_one_process_does_a_task_when_its_result_is_asked_for() -> None:
    done: list[int] = []
    found = stream(done.append, iter(range(3)), ALONE)
    next(found)
    assert done == [0]


@linux
@each_engine
def test_work_that_kills_every_worker_and_work_that_fails(installed: str) -> None:
    """Errors of the planner and Ctrl-C come back as they are, and work goes on after; after some deaths it ends."""
    with start_workers(installed, 2) as workers:
        with pytest.raises(Infeasible, match=r"^no plan$"):
            spread(Fails(Infeasible("no plan")), list(range(4)), workers)
        with pytest.raises(KeyboardInterrupt):
            spread(Fails(KeyboardInterrupt()), list(range(4)), workers)
        assert spread(str, list(range(4)), workers) == ["0", "1", "2", "3"]
        with pytest.raises(NoPlanInTime, match="again and again"):
            spread(AlwaysDies(os.getpid()), list(range(2)), workers)


def test_a_cluster_that_closes_while_a_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask restarts what has died and cannot end what is just starting: the results are there all the same."""
    distributed = pytest.importorskip("distributed")
    end = distributed.LocalCluster.close

    def fails(cluster: Any, timeout: float | None = None) -> None:
        end(cluster, timeout)
        raise AssertionError("can only join a started process")

    with start_workers("dask", 2) as workers:
        assert spread(str, [1, 2], workers) == ["1", "2"]
        monkeypatch.setattr(distributed.LocalCluster, "close", fails)


def test_what_runs_when_a_study_is_broken_off_is_stopped() -> None:
    """Ctrl-C in the middle: the processes that still work are ended, and the next study has new ones."""
    with pytest.raises(KeyboardInterrupt), start_workers("loky", 2) as workers:
        before = set(spread(Pid(), list(range(20)), workers))
        raise KeyboardInterrupt
    with start_workers("loky", 2) as workers:
        assert not before & set(spread(Pid(), list(range(20)), workers))


@dataclass(frozen=True)
class Grows:
    """Keeps 50 MB more with every task, as programs of scenarios do."""

    kept: ClassVar[list[bytes]] = []

    def __call__(self, task: int) -> int:
        self.kept.append(b"x" * 50_000_000)
        time.sleep(0.2)
        return os.getpid()


def test_workers_may_keep_what_they_have_made() -> None:
    """loky ends a process that has grown by 300 MB, looking once a second: 2 × 500 MB, and the same two processes."""
    with start_workers("loky", 2) as workers:
        assert len(set(spread(Grows(), list(range(20)), workers))) == 2


def test_a_backend_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("router.errors.import_module", missing)
    with pytest.raises(InputError, match=r"llm-inference-planner\[ray\]"), start_workers("ray", 2):
        pass
    with pytest.raises(InputError, match="must be one of"), start_workers("spark", 2):
        pass
