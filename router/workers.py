"""Worker processes that share out independent work, behind one `concurrent.futures.Executor`.

    loky    joblib's processes of this machine
    dask    the scheduler at DASK_SCHEDULER_ADDRESS, else workers started here on the loopback address
    ray     the cluster at RAY_ADDRESS, else one started here

Results depend on the tasks alone, so all three give the same plan; where the clock ended something in a worker, that
comes back with the result, for the record of the command. What a worker has in hand when it dies is run again,
up to `ATTEMPTS` times: by `spread` for loky, by Dask and Ray themselves.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any

from router.errors import InputError, Issue, NoPlanInTime, RouterError, from_extra

if TYPE_CHECKING:
    from solvers import Ended  # the check uses processes too, and no solvers

ATTEMPTS = 3
IN_HAND = 2  # tasks of a stream for each process: one that runs, and one that waits for it to end
SELDOM = 500_000  # objects between collections, as for the command itself; of Python 700
IDLE_S = 300.0  # after so long without work a process of loky ends
NO_WORKERS_S = 60.0  # so long work waits where all of Dask's processes have died and none comes up again
SETTLE_S = 5.0  # so long the end of a study waits for processes of Dask that are still starting
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
DYING = (
    "worker processes died again and again over the same work; too little memory? "
    "Fewer --workers, or reduce_to, may do."
)


@dataclass(frozen=True)
class Workers:
    """Some processes. Without an executor: this one alone."""

    count: int = 1
    executor: Executor | None = None
    deaths: tuple[type[BaseException], ...] = ()  # errors that say that a process died
    attempts: int = 1  # runs of what was lost with it, beyond those that the executor makes by itself


ALONE = Workers()


@contextmanager
def start_workers(backend: str, count: int) -> Iterator[Workers]:
    """`count` processes of a back end: "loky", "dask" or "ray"; none for a count of 1.

    What runs when the block ends with an error (Ctrl-C) is stopped. Raises InputError where the back end is unknown or
    not installed.
    """
    if backend not in STARTS:
        raise InputError(Issue(("--backend",), f"must be one of {', '.join(STARTS)}", value=backend))
    if count <= 1:
        yield ALONE
        return
    module, start = STARTS[backend]
    # read when it is imported: else, under `uv run`, its workers start in a copy with nothing in it
    if backend == "ray":
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    with ExitStack() as stack:
        yield start(from_extra(module, backend, ("--backend",), backend), count, stack)


def begin(work: Callable[[], object], workers: Workers) -> None:
    """Begin it in each process, without waiting: where it fails, that is met when it is needed."""
    if workers.executor is None:
        return
    try:
        for _ in range(workers.count):
            workers.executor.submit(_Task(_called, work, None))
    except workers.deaths:  # what comes next starts them again
        pass


def _called(work: Callable[[], object]) -> None:
    work()


@dataclass(frozen=True)
class _Answer[R]:
    """What a task came to: errors of ours are results, for Ray would wrap them in its own, and Dask take Ctrl-C for
    the death of a process."""

    result: R | RouterError | KeyboardInterrupt
    by_clock: bool

    def taken(self, ended: Ended | None) -> R:
        """The result, the word on the clock written down. Raises what the task raised."""
        if ended is not None:
            ended.note(self.by_clock)
        if isinstance(self.result, RouterError | KeyboardInterrupt):
            raise self.result
        return self.result


@dataclass(frozen=True)
class _Task[T, R]:
    """Sent in one piece, so that its record is the one that the deadlines in it have there."""

    work: Callable[[T], R]
    task: T
    ended: Ended | None

    def __call__(self) -> _Answer[R]:
        with seldom_collected():
            result: R | RouterError | KeyboardInterrupt
            try:
                result = self.work(self.task)
            except (RouterError, KeyboardInterrupt) as error:
                result = error
        return _Answer(result, self.ended is not None and self.ended.by_clock)


def spread[T, R](
    work: Callable[[T], R], tasks: Sequence[T], workers: Workers, ended: Ended | None = None
) -> list[R]:
    """The results of all tasks, in their order; those lost with a dying process are run again.

    ended   what the clock has ended of the command: written in the processes too

    Results depend on the tasks alone, never on who ran them. Raises NoPlanInTime where processes die again and again,
    and what `work` raises.
    """
    if workers.executor is None or len(tasks) <= 1:
        return [work(task) for task in tasks]
    results = list[R]()
    for _ in range(workers.attempts):
        futures: list[Future[_Answer[R]]] = []
        try:
            futures += (workers.executor.submit(_Task(work, task, ended)) for task in tasks[len(results) :])
            for future in futures:
                results.append(future.result().taken(ended))
            return results
        except workers.deaths as error:
            lost = error
        finally:
            for future in futures:
                future.cancel()
    raise NoPlanInTime(DYING) from lost


def stream[T, R](
    work: Callable[[T], R], tasks: Iterable[T], workers: Workers, ended: Ended | None = None
) -> Generator[R]:
    """As `spread`, one result after another: tasks are taken as they are needed to keep all processes busy."""
    if workers.executor is None:
        yield from map(work, tasks)
        return
    executor, waiting = workers.executor, iter(tasks)
    hand: deque[tuple[_Task[T, R], Future[_Answer[R]]]] = deque()
    lost = 0
    try:
        while True:
            for each in islice(waiting, IN_HAND * workers.count - len(hand)):
                task = _Task(work, each, ended)
                hand.append((task, executor.submit(task)))
            if not hand:
                return
            try:
                answer = hand[0][1].result()
            except workers.deaths as error:
                lost += 1
                if lost >= workers.attempts:
                    raise NoPlanInTime(DYING) from error
                hand = deque((task, _again(executor, task, future)) for task, future in hand)
                continue
            lost = 0
            hand.popleft()
            yield answer.taken(ended)
    finally:
        for _, future in hand:
            future.cancel()


def _again[T, R](executor: Executor, task: _Task[T, R], future: Future[_Answer[R]]) -> Future[_Answer[R]]:
    """A future of what was lost; what is there stays."""
    if future.done() and future.exception() is None:
        return future
    future.cancel()
    return executor.submit(task)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Python's collector comes seldom: by its own measure it would go through a study's arrays all the time."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], SELDOM))
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _loky(loky: ModuleType, count: int, stack: ExitStack) -> Workers:
    current = partial(
        loky.get_reusable_executor, count, timeout=IDLE_S, initializer=_may_grow, env=ONE_THREAD
    )

    def stop(kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # what still runs is of no use to anyone
            current().shutdown(kill_workers=True)

    stack.push(stop)
    return Workers(count, _Loky(current), (loky.BrokenProcessPool,), ATTEMPTS)


class _Loky(Executor):
    """loky's processes, which outlive a study; new ones take the place of those that died."""

    def __init__(self, current: Callable[[], Executor]) -> None:
        self._current = current

    def submit[**P, R](self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        return self._current().submit(fn, *args, **kwargs)


def _may_grow() -> None:
    """What a process keeps between rounds (programs of scenarios) is no leak: loky would end one that has grown by
    300 MB, and what it kept would be made anew in every round."""
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize


def _dask(distributed: ModuleType, count: int, stack: ExitStack) -> Workers:
    # clusters tell of dead workers there; stdout is the plan's
    stack.enter_context(redirect_stdout(sys.stderr))
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address is None:
        import dask

        stack.enter_context(dask.config.set({"distributed.scheduler.no-workers-timeout": NO_WORKERS_S}))
        cluster = distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        )
        stack.callback(_close_settled, cluster, count)
        address = cluster.scheduler_address
    client = stack.enter_context(distributed.Client(address))
    deaths = (distributed.scheduler.KilledWorker, distributed.scheduler.NoWorkerError)
    return Workers(count, client.get_executor(pure=False), deaths)


def _close_settled(cluster: Any, count: int) -> None:
    """Ends Dask's own processes. What was asked for is in by now: a process that takes the place of a dead one, and is
    ended while it starts, makes Dask's closing fail ("can only join a started process"), but not the study."""
    with suppress(TimeoutError):
        cluster.wait_for_workers(count, timeout=SETTLE_S)
    with suppress(AssertionError):
        cluster.close()


def _ray(ray: ModuleType, count: int, stack: ExitStack) -> Workers:
    stack.enter_context(redirect_stdout(sys.stderr))
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        # of Ray's own accord its workers yield to all else (nice 15), and on a busy machine come to nothing
        even = {"worker_niceness": 0}
        own = {} if address else {"num_cpus": count, "include_dashboard": False, "_system_config": even}
        ray.init(address=address, log_to_driver=False, **own)
        stack.callback(ray.shutdown)
    errors = ray.exceptions
    deaths = (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError)
    return Workers(count, _Ray(ray), deaths)


class _Ray(Executor):
    """Ray's tasks as futures."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray = ray
        self._remote = ray.remote(max_retries=ATTEMPTS)(_call)

    def submit[**P, R](self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        task = self._remote.remote(partial(fn, *args, **kwargs))
        future: Future[R] = task.future()
        future.add_done_callback(lambda done: self._ray.cancel(task) if done.cancelled() else None)
        return future


def _call[R](work: Callable[[], R]) -> R:
    return work()


STARTS: dict[str, tuple[str, Callable[[ModuleType, int, ExitStack], Workers]]] = {
    "loky": ("joblib.externals.loky", _loky),
    "dask": ("distributed", _dask),
    "ray": ("ray", _ray),
}
