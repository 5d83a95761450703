"""Plans who serves which LLM workload, on what and under which contract, at least cost, with proof.

    import router

    plan = router.solve("problem.yaml")         one plan of least cost, verified
    table = router.compare("problem.yaml")      every offer alone, side by side
    router.verify("problem.yaml", plan).ok      the plan checked again

`load` reads a problem file, `size` decides what to sign before demand is known, `explain` says why no plan exists, or
what holds the best one back, `whatif` solves a change beside the problem. `simulate` replays requests, `backtest` a
record, `reoptimise` is the scheduled run; `diff` and `report` show plans. Names are looked up when they are first used,
so that importing the package is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    __version__: str

    from router.api import backtest, compare, diff, load, reoptimise, simulate, solve, verify
    from router.comparison import Comparison
    from router.errors import InputError, RouterError
    from router.explaining import explain
    from router.explaining.whatif import WhatIf, whatif
    from router.plan.document import Plan
    from router.reports.page.document import report
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
    "backtest",
    "compare",
    "diff",
    "explain",
    "load",
    "reoptimise",
    "report",
    "simulate",
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
    "backtest": "router.api",
    "compare": "router.comparison",
    "diff": "router.api",
    "explain": "router.explaining",
    "load": "router.loading.catalogue",
    "reoptimise": "router.api",
    "report": "router.reports.page.document",
    "simulate": "router.api",
    "size": "router.sizing",
    "solve": "router.api",
    "verify": "router.api",
    "whatif": "router.explaining.whatif",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("llm-inference-planner")
    if name not in _HOME:
        raise AttributeError(f"module 'router' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
