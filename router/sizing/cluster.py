"""Where scenario work runs: on this machine's processes, or on a Dask or Ray cluster, through one `spread`.

    loky    joblib's processes of this machine
    dask    the scheduler at DASK_SCHEDULER_ADDRESS, else workers started here on the loopback address
    ray     the cluster at RAY_ADDRESS, else one started here, by joblib's backend for it

Results depend on the tasks alone, so all three give the same plan. What a worker has in hand when it dies
is run again, up to `ATTEMPTS` times.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import Any

from router.errors import InputError, Issue, NoPlanInTime

BACKENDS = ("loky", "dask", "ray")
NEEDS = {"dask": "distributed", "ray": "ray.util.joblib"}
ATTEMPTS = 3
DEATHS = (  # by which errors each backend says that a worker died
    ("joblib.externals.loky.process_executor", "TerminatedWorkerError"),
    ("distributed", "KilledWorker"),
    ("ray.exceptions", "RayActorError"),
    ("ray.exceptions", "WorkerCrashedError"),
    ("ray.exceptions", "NodeDiedError"),
)

DYING = (
    "worker processes died again and again over the same scenarios; too little memory? "
    "Fewer --workers, or reduce_to, may do."
)
_CLIENT: ContextVar[Any] = ContextVar("client", default=None)  # of the Dask cluster in use


@contextmanager
def cluster(backend: str, workers: int) -> Iterator[None]:
    """Everything inside that is spread runs there. Raises InputError where the backend is not installed."""
    if backend not in BACKENDS:
        raise InputError(Issue(("--backend",), f"must be one of {', '.join(BACKENDS)}", value=backend))
    if backend == "loky" or workers <= 1:
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(
            redirect_stdout(sys.stderr)
        )  # stdout is the plan's; clusters tell of dead workers there
        start = _dask if backend == "dask" else _ray
        start(_needed(backend), workers, stack)
        yield


def spread[T, R](work: Callable[[T], R], tasks: Sequence[T], workers: int) -> list[R]:
    """Run tasks on `workers` processes, in order; those lost with a dying worker are run again.

    Results depend on the tasks alone, never on who ran them. Raises NoPlanInTime where workers die again and again.
    """
    if workers <= 1 or len(tasks) <= 1:
        return [work(task) for task in tasks]
    if (client := _CLIENT.get()) is not None:
        return _by_dask(client, work, tasks)
    return _by_joblib(work, tasks, workers)


def _by_joblib[T, R](work: Callable[[T], R], tasks: Sequence[T], workers: int) -> list[R]:
    import joblib

    backend, _ = joblib.parallel.get_active_backend()
    kind = "generator" if backend.supports_return_generator else "list"
    done: list[R] = []
    for _ in range(ATTEMPTS):
        left = (joblib.delayed(_there)(work, task) for task in tasks[len(done) :])
        try:
            for result in joblib.Parallel(n_jobs=workers, return_as=kind)(left):
                done.append(result)  # noqa: PERF402 - kept as they come, should a later one be lost
            return done
        except _deaths() as error:
            lost = error
    raise NoPlanInTime(DYING) from lost


def _by_dask[T, R](client: Any, work: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
    """Dask runs lost tasks again by itself. joblib's own backend for it waits for ever where Dask gives one up."""
    futures = client.map(work, tasks, pure=False)
    try:
        return list(client.gather(futures))
    except _deaths() as error:
        raise NoPlanInTime(DYING) from error
    finally:
        client.cancel(futures)


def _there[T, R](work: Callable[[T], R], task: T) -> R:
    """A task in its process. What is kept there between rounds (programs of scenarios) is no leak: loky would end a
    process that has grown by 300 MB, and what it kept would be made anew in every round."""
    from joblib.externals.loky import process_executor

    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize
    return work(task)


def _deaths() -> tuple[type[Exception], ...]:
    """Errors of the backends that are loaded."""
    return tuple(getattr(sys.modules[module], name) for module, name in DEATHS if module in sys.modules)


def _needed(backend: str) -> ModuleType:
    try:
        return import_module(NEEDS[backend])
    except ImportError as error:
        hint = f"pip install 'llm-inference-planner[{backend}]'"
        raise InputError(Issue(("--backend",), "is not installed", value=backend, hint=hint)) from error


def _dask(distributed: ModuleType, workers: int, stack: ExitStack) -> None:
    address = os.environ.get("DASK_SCHEDULER_ADDRESS")
    if address is None:
        address = stack.enter_context(
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
            )
        )
    client = stack.enter_context(distributed.Client(address))
    stack.callback(_CLIENT.reset, _CLIENT.set(client))


def _ray(ray_joblib: ModuleType, workers: int, stack: ExitStack) -> None:
    import joblib

    ray = import_module("ray")
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        own = {} if address else {"num_cpus": workers, "include_dashboard": False}
        ray.init(address=address, log_to_driver=False, **own)
        stack.callback(ray.shutdown)
    ray_joblib.register_ray()
    stack.enter_context(joblib.parallel_config(backend="ray", n_jobs=workers))
