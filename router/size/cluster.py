"""Where scenario work runs: on this machine's processes, or on a Dask or Ray cluster, through joblib alike.

    loky    processes of this machine                                       (comes with joblib)
    dask    the scheduler at DASK_SCHEDULER_ADDRESS, else workers started here on the loopback address
    ray     the cluster at RAY_ADDRESS, else one started here

Results depend on the tasks alone, so all three give the same plan.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType

from router.errors import InputError, Issue

BACKENDS = ("loky", "dask", "ray")
NEEDS = {"dask": "distributed", "ray": "ray.util.joblib"}


@contextmanager
def cluster(backend: str, workers: int) -> Iterator[None]:
    """Everything inside that asks joblib for processes gets them there. Raises InputError where it is not installed."""
    if backend not in BACKENDS:
        raise InputError(Issue(("--backend",), f"must be one of {', '.join(BACKENDS)}", value=backend))
    if backend == "loky" or workers <= 1:
        yield
        return
    import joblib

    with ExitStack() as stack:
        start = _dask if backend == "dask" else _ray
        start(_needed(backend), workers, stack)
        with joblib.parallel_config(backend=backend, n_jobs=workers):
            yield


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
    stack.enter_context(distributed.Client(address))


def _ray(ray_joblib: ModuleType, workers: int, stack: ExitStack) -> None:
    ray = import_module("ray")
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS")
        own = {} if address else {"num_cpus": workers, "include_dashboard": False}
        ray.init(address=address, log_to_driver=False, **own)
        stack.callback(ray.shutdown)
    ray_joblib.register_ray()
