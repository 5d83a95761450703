"""Plans who serves which LLM workload, on what and under which contract, at least cost, with proof.

    import router

    plan = router.solve("problem.yaml")         one plan of least cost, verified
    table = router.compare("problem.yaml")      every offer alone, side by side

Names are looked up when they are first used, so that importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.api import compare, solve, verify_plan
    from router.comparison import Comparison
    from router.errors import InputError, RouterError
    from router.loading.catalogue import load_problem
    from router.plan.document import Plan
    from router.schema import Problem
    from router.verification import Verification
    from solvers import SolveOptions

__all__ = [
    "Comparison",
    "InputError",
    "Plan",
    "Problem",
    "RouterError",
    "SolveOptions",
    "Verification",
    "compare",
    "load_problem",
    "solve",
    "verify_plan",
]

_HOME = {
    "Comparison": "router.comparison",
    "InputError": "router.errors",
    "Plan": "router.plan.document",
    "Problem": "router.schema",
    "RouterError": "router.errors",
    "SolveOptions": "solvers",
    "Verification": "router.verification",
    "compare": "router.api",
    "load_problem": "router.loading.catalogue",
    "solve": "router.api",
    "verify_plan": "router.api",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'router' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
