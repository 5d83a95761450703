"""Amounts that no program can be solved with: refused by name, where each figure of the file is one that may be."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import HOURS_PER_MONTH, distinct
from problems.core.instance import Instance
from router.errors import InputError, Issue, Path
from router.schema import Problem
from router.schema.numbers import LARGEST


def refuse_too_large(problem: Problem, inst: Instance) -> None:
    """Raises `InputError` where a workload's tokens, or what an offer can ask over the horizon, pass 1e18.

    tokens of a workload      Σ_c work[c] · (prompt + completion)
    money for tokens, USD     the largest of these · the dearest price
    money for an hour, USD    the largest figure by the hour or month · the horizon
    """
    issues = [*_tokens(inst), *_rents(problem, inst)]
    if issues:
        raise InputError([problem.positions.place(issue) for issue in issues])


def _tokens(inst: Instance) -> list[Issue]:
    cells, loads = inst.cells, inst.workloads
    work = np.bincount(cells.workload, weights=cells.work, minlength=len(loads.names))
    tokens = work * loads.tokens
    of = np.searchsorted(distinct(loads.first), loads.first)  # of the file
    issues = [
        Issue(("workloads", int(of[w]), "demand"), _rule(f"makes {tokens[w]:.3g} tokens over the horizon"))
        for w in np.flatnonzero(tokens > LARGEST).tolist()
    ]
    prices = inst.entries.usd_at.max(axis=2)
    dearest = np.max(np.where(np.isfinite(prices), prices, 0.0), axis=1, initial=0.0)
    largest = float(np.maximum(work, tokens).max(initial=0.0))
    for e in np.flatnonzero(dearest * largest > LARGEST).tolist():
        o, name = int(inst.entries.offer[e]), inst.models.names[int(inst.entries.model[e])]
        what = f"would ask {dearest[e] * largest:.3g} USD for the largest workload"
        issues.append(Issue(("offers", o, "models", name), _rule(what)))
    return issues


def _rents(problem: Problem, inst: Instance) -> list[Issue]:
    hours = inst.time.period_h * inst.time.periods
    issues = []
    for o, offer in enumerate(problem.offers):
        rents: list[tuple[Path, float]] = [
            (("fee_usd_per_month",), offer.fee_usd_per_month * hours / HOURS_PER_MONTH)
        ]
        if offer.instances is not None:
            rents.append((("instances", "usd_per_h"), offer.instances.usd_per_h * hours))
        for at, usd in rents:
            if usd > LARGEST:
                rule = _rule(f"makes {usd:.3g} USD over the horizon")
                issues.append(Issue(("offers", o, *at), rule))
    return issues


def _rule(what: str) -> str:
    return f"{what}; the most is {LARGEST:g}"
