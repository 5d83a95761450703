"""Plans who serves which LLM workload, on what and under which contract, at least cost, with proof.

    import router

    plan = router.solve("problem.yaml")         one plan of least cost, verified
    table = router.compare("problem.yaml")      every offer alone, side by side
    router.verify("problem.yaml", plan).ok      the plan checked again

`load` reads a problem file, `size` decides what to sign before demand is known, `explain` says why no plan exists, or
what holds the best one back, `whatif` solves a change beside the problem. Names are looked up when they are first
used, so that importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.api import compare, load, solve, verify
    from router.comparison import Comparison
    from router.errors import InputError, RouterError
    from router.explaining import explain
    from router.explaining.whatif import WhatIf, whatif
    from router.plan.document import Plan
    from router.schema import Problem
    from router.sizing import size
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
    "WhatIf",
    "compare",
    "explain",
    "load",
    "size",
    "solve",
    "verify",
    "whatif",
]

_HOME = {
    "Comparison": "router.comparison",
    "InputError": "router.errors",
    "Plan": "router.plan.document",
    "Problem": "router.schema",
    "RouterError": "router.errors",
    "SolveOptions": "solvers",
    "Verification": "router.verification",
    "WhatIf": "router.explaining.whatif",
    "compare": "router.comparison",
    "explain": "router.explaining",
    "load": "router.loading.catalogue",
    "size": "router.sizing",
    "solve": "router.api",
    "verify": "router.api",
    "whatif": "router.explaining.whatif",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'router' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
