"""Scenario work on several processes: the same plan to the byte, also where a worker is killed in mid-run."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from problem_factory import Data, load
from sizing_factory import random_sizing, section, sized
from worker_accidents import AlwaysDies, DiesOnce

from router.errors import InputError, NoPlanInTime
from router.plan.document import Plan
from router.planning.workers import Workers, spread, start_workers
from router.sizing import SizeOptions, size

linux = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process")


def many_futures() -> Data:
    """One random problem in nine futures."""
    data = random_sizing(Random(4))
    futures = [
        {"name": f"s{i}", "probability": 1 / 9, "demand": {"*": 0.25 + 0.25 * i}, "prices": {}}
        for i in range(9)
    ]
    return {**data, "scenarios": futures}


def as_text(plan: Plan) -> str:
    """Everything but the time it was made."""
    made = plan.to_dict()
    made.pop("created")
    return json.dumps(made, sort_keys=True)


def accidents(monkeypatch: pytest.MonkeyPatch, marker: Path) -> None:
    """The first worker to start anything dies of it."""

    def risky(work: Callable[[Any], Any], tasks: Sequence[Any], workers: Workers) -> list[Any]:
        return spread(DiesOnce(work, str(marker), os.getpid()), tasks, workers)

    monkeypatch.setattr("router.sizing.options.spread", risky)


@pytest.mark.parametrize("method", ["program", "cuts"])
def test_two_workers_make_the_same_plan(method: str) -> None:
    """Chunks differ, processes differ, the plan does not."""
    how: dict[str, Any] = {"method": method, "measures": True, "questions": True, "alternatives": 3}
    one = sized(many_futures(), **how)
    two = sized(many_futures(), workers=2, **how)
    assert as_text(one) == as_text(two)


@linux
@pytest.mark.parametrize("method", ["program", "cuts"])
def test_a_worker_killed_in_mid_run(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = sized(many_futures(), method=method, measures=True)
    marker = tmp_path / "killed"
    accidents(monkeypatch, marker)
    shaken = sized(many_futures(), method=method, measures=True, workers=2)
    assert marker.exists()
    assert as_text(calm) == as_text(shaken)


@linux
def test_workers_that_always_die_are_told() -> None:
    with start_workers("loky", 2) as workers, pytest.raises(NoPlanInTime, match="again and again"):
        spread(AlwaysDies(os.getpid()), list(range(4)), workers)


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

    monkeypatch.setattr("router.planning.workers.import_module", missing)
    with pytest.raises(InputError, match=r"llm-inference-planner\[ray\]"), start_workers("ray", 2):
        pass
    with pytest.raises(InputError, match="must be one of"), start_workers("spark", 2):
        pass


@pytest.mark.filterwarnings("default")  # of what the cluster's own libraries do while they start and stop
class TestDask:
    """The extra `dask`: workers on this machine, by the loopback address alone."""

    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("distributed")

    def test_the_same_plan(self) -> None:
        one = sized(many_futures(), method="cuts", measures=True)
        there = sized(many_futures(), method="cuts", measures=True, workers=2, backend="dask")
        assert as_text(one) == as_text(there)

    @linux
    def test_a_worker_killed_in_mid_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        calm = sized(many_futures(), method="program")
        marker = tmp_path / "killed"
        accidents(monkeypatch, marker)
        shaken = sized(many_futures(), method="program", workers=2, backend="dask")
        assert marker.exists()
        assert as_text(calm) == as_text(shaken)

    @linux
    def test_workers_that_always_die_are_told(self) -> None:
        with start_workers("dask", 2) as workers, pytest.raises(NoPlanInTime, match="again and again"):
            spread(AlwaysDies(os.getpid()), list(range(4)), workers)


@pytest.mark.filterwarnings("default")
class TestRay:
    """The extra `ray`, where it is installed."""

    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        pytest.importorskip("ray")

    def test_the_same_plan(self) -> None:
        one = size(load(many_futures()), how=SizeOptions(questions=False))
        there = size(load(many_futures()), how=SizeOptions(questions=False, workers=2, backend="ray"))
        assert as_text(one) == as_text(there)
        assert section(there)["sign"] == section(one)["sign"]

    @linux
    def test_a_worker_killed_in_mid_run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        calm = sized(many_futures(), method="program")
        marker = tmp_path / "killed"
        accidents(monkeypatch, marker)
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where its workers find what kills them
        shaken = sized(many_futures(), method="program", workers=2, backend="ray")
        assert marker.exists()
        assert as_text(calm) == as_text(shaken)
