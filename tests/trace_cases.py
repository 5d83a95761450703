"""Small traces written by a test, and the problem that reads them."""

from __future__ import annotations

import os
from pathlib import Path

import router
from router.loading.catalogue import load
from router.schema import Problem, Workload
from router.traces import recorded
from router.verification.base.ledger import Ledger
from router.verification.base.traces import with_records

EXAMPLES = Path(router.__file__).parent / "examples"
DATA = Path(__file__).parent / "data" / "traces"
SHARED = Path(os.environ.get("ROUTER_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data")) / "traces"
"""The full traces, which are too large to ship; where they are, tests hold them to their published figures too."""

TEXT = """
schema: router/1
horizon: {{{horizon}}}
models: {{m: {{}}}}
workloads:
  - name: w
    models: [m]
    demand: {{trace: {{file: "{file}", {trace}}}}}
    {workload}
offers:
  - {{name: api, provider: a, models: {{m: {{prompt_usd_per_m: 1, completion_usd_per_m: 2}}}}}}
"""


def traced(
    folder: Path,
    rows: str | bytes | Path,
    horizon: str = "periods: 2, period_h: 1",
    trace: str = "",
    workload: str = "",
) -> Problem:
    """A problem of one workload whose demand is this file."""
    file = rows if isinstance(rows, Path) else folder / "t.csv"
    if not isinstance(rows, Path):
        file.write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    path = folder / "p.yaml"
    path.write_text(TEXT.format(horizon=horizon, file=file, trace=trace, workload=workload), encoding="utf-8")
    return load(path, allow_files=[file.parent])


def read(problem: Problem) -> Workload:
    """The first workload as the planner reads it, which is also as the verifier reads it."""
    found = recorded(problem).problem
    ledger = Ledger("traces")
    again = with_records(problem, ledger)
    assert not ledger.misses, ledger.shown
    assert again.horizon.start == found.horizon.start
    for mine, theirs in zip(found.workloads, again.workloads, strict=True):
        assert mine.demand.requests_by_period == theirs.demand.requests_by_period
        for name in ("prompt_tokens", "completion_tokens", "arrival_cv", "service_cv"):
            ours, other = getattr(mine, name), getattr(theirs, name)
            assert abs(ours - other) <= 1e-9 * max(1.0, abs(ours)), name
    return found.workloads[0]
