"""Which solvers there are. Lazy: asking for one never imports another.

highs           HiGHS from arrays; the default
scipy           the same solver by another door: checks our hand-over
pulp:NAME       any solver PuLP knows under NAME, say pulp:COIN_CMD for CBC
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from solvers.core.backend import Backend, Feature
from solvers.core.errors import SolverUnavailable, UnknownSolver

PULP = "pulp:"


@dataclass(frozen=True)
class BackendEntry:
    """A backend of ours: its module, the distribution that brings the solver, and whether every developer has it.

    Tests hold a required one to the conformance suite, and fail where it is missing; others, where they are installed.
    """

    module: str
    distribution: str
    required: bool = True


#: Adding a backend: its file and its line here; see solvers/README.md.
BACKENDS = {
    "highs": BackendEntry("solvers.highs", "highspy"),
    "scipy": BackendEntry("solvers.scipy_milp", "scipy"),
}
REQUIRED_BY_PULP = ("pulp:COIN_CMD", "pulp:HiGHS")


@dataclass(frozen=True)
class Available:
    """One line of the list of solvers."""

    name: str
    installed: bool
    required: bool = False  # in every development environment
    version: str | None = None  # of the library behind it
    features: frozenset[Feature] = frozenset()
    remedy: str = ""  # how to get it, when it is not installed


def names() -> tuple[str, ...]:
    """Every name `get` knows, installed or not."""
    return (*BACKENDS, *(PULP + name for name in _pulp_names()))


def available() -> list[Available]:
    """Every known solver, in a fixed order, with what it can do or how to install it.

    This is the one call that has to look at all of them.
    """
    return [_describe(name) for name in names()]


def get(name: str) -> Backend:
    """The backend of that name; raises `UnknownSolver` or `SolverUnavailable`."""
    if name in BACKENDS:
        entry = BACKENDS[name]
        if find_spec(entry.distribution) is None:
            raise SolverUnavailable(name, f"pip install {entry.distribution}")
        return cast(Backend, import_module(entry.module))
    if name.startswith(PULP) and find_spec("pulp") is None:
        raise SolverUnavailable(name, 'pip install "pulp[cbc]"')
    if name not in names():
        raise UnknownSolver(name, names())
    from solvers.via_pulp import PulpBackend

    backend = PulpBackend(name.removeprefix(PULP))
    if not backend.installed():
        raise SolverUnavailable(name, backend.remedy)
    return backend


def _pulp_names() -> tuple[str, ...]:
    if find_spec("pulp") is None:
        return ()
    from solvers.via_pulp import solver_names

    return solver_names()


def _describe(name: str) -> Available:
    required = BACKENDS[name].required if name in BACKENDS else name in REQUIRED_BY_PULP
    try:
        backend = get(name)
    except SolverUnavailable as missing:
        return Available(name, installed=False, required=required, remedy=missing.remedy)
    return Available(name, True, required, backend.VERSION, backend.FEATURES)
