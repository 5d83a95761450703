"""Problems of a few lines for re-optimisation, and a run of one against a store."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent
from typing import Any

from router.loading.catalogue import load_text
from router.planning.solve import Search
from router.reoptimisation.run import Result, reoptimise
from router.schema import Problem
from router.store.history import Store
from solvers import SolveOptions

SEARCH = Search("highs", SolveOptions(time_limit_s=60.0, threads=1, seed=0))


def problem(
    offers: str, *, workloads: str = "", horizon: str = "{periods: 1, period_h: 1}", more: str = ""
) -> Problem:
    """Workload w: 1,000 requests an hour of 900 + 100 tokens, one million tokens an hour."""
    loads = workloads or (
        "- {name: w, models: [m], demand: {requests_per_hour: 1000}, prompt_tokens: 900, completion_tokens: 100}"
    )
    text = (
        f"schema: router/1\nname: p\nhorizon: {horizon}\nmodels: {{m: {{}}}}\n"
        f"workloads:\n{indent(dedent(loads), '  ')}\noffers:\n{indent(dedent(offers).strip(), '  ')}\n{dedent(more)}"
    )
    return load_text(text)


def api(name: str, usd: float, more: str = "") -> str:
    """Pay per token; USD per million."""
    prices = f"prompt_usd_per_m: {usd}, completion_usd_per_m: {usd}"
    return f"- {{name: {name}, provider: {name}, models: {{m: {{{prices}}}}}{more}}}\n"


def gpu(name: str, usd_per_h: float, tokens_per_s: float = 100.0, more: str = "") -> str:
    """Instances by the hour."""
    return (
        f"- {{name: {name}, provider: {name}, models: {{m: {{tokens_per_s: {tokens_per_s}}}}}, "
        f"instances: {{usd_per_h: {usd_per_h}{more}}}}}\n"
    )


def run(folder: Path, made: Problem, **options: Any) -> Result:
    """One run against the store in a folder."""
    with Store.open(f"sqlite:///{folder / 'router.db'}") as store:
        return reoptimise(made, store, SEARCH, **options)


def lines(result: Result) -> dict[tuple[str | None, str], float]:
    return {(line.offer, line.kind): line.usd for line in result.plan.cost_lines}


def shares(result: Result, period: int = 0) -> dict[str, float]:
    """Of workload w by offer."""
    return {
        row.offer: row.share for row in result.plan.routes if row.workload == "w" and row.period == period
    }
