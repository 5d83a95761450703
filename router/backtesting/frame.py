"""One step's problem: periods `first` to `end`, of which those before `now` are over and stand as they happened.

    first ≤ now < commit ≤ end

Where contracts can be carried (`carried`), a step begins with them signed, standing where they do. Where other bills or
purchases span periods, `first` is 0: volumes used so far, and terms that run, are then part of the step's own program,
month by month, and need no estimate. Else the past is only as long as booting and minimum times reach back, and its
work is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.costs import ENTRY_PRICES
from problems.core.instance import Instance
from router.backtesting.actual import Actual
from router.backtesting.bought import memory_h, spans_periods
from router.backtesting.carried import Carried, can_be_carried
from router.backtesting.record import DemandHistory
from router.plan.document import Plan
from router.plan.running import Running
from router.planning.promises import as_settled
from router.reoptimisation.alignment import Alignment
from router.reoptimisation.running import laid_on
from router.schema import Problem, Reoptimise

LARGE = 100.0  # × the dearest token: what makes one wish come before another


@dataclass(frozen=True)
class Frame:
    """Periods of the replay that one step looks at."""

    first: int
    now: int
    commit: int
    end: int

    @property
    def past(self) -> int:
        return self.now - self.first


@dataclass(frozen=True)
class InForce:
    """The plan in force, and the problem that it was made for."""

    plan: Plan
    problem: Problem


@dataclass(frozen=True)
class Rules:
    """What holds in every step of a replay."""

    record: DemandHistory
    spanning: bool
    memory: int  # periods
    carries: bool  # contracts are carried: see `carried`
    keep_usd_per_m: float  # dearer than any token: the plan's own routes come first
    lose_usd_per_m: float  # and losing work is dearer than that
    foreseen: bool  # what comes is known when it is planned, to the minute

    def frame(self, now: int, commit: int, end: int) -> Frame:
        whole = self.spanning and not self.carries
        return Frame(0 if whole else max(0, now - self.memory), now, commit, end)

    def requests(self, frame: Frame, actual: Actual, ahead: Floats) -> Floats:
        """(W, periods) what was served, where it matters, and what comes or is expected."""
        past = actual.served[:, frame.first : frame.now]
        return np.concatenate([past if self.spanning else np.zeros_like(past), ahead], axis=1)

    def planning(
        self, frame: Frame, requests: Floats, carried: Carried | None, *, thawed: bool = False
    ) -> Problem:
        """The step's problem: change as the job would be allowed it, and none in the past."""
        change = self.record.problem.reoptimise or Reoptimise()
        past_h = frame.past * self.record.period_h
        update: dict[str, float] = {"freeze_h": past_h + (0.0 if thawed else change.freeze_h)}
        if change.max_moved_share is not None and requests.sum() > 0:
            tokens = requests * tokens_of(self.record.problem)[:, None]
            part = tokens[:, frame.past :].sum() / tokens.sum()  # the cap is on what is still to come
            update["max_moved_share"] = change.max_moved_share * float(part)
        change = change.model_copy(update=update)
        problem = self.record.part(frame.first, requests, change, happened=self.foreseen)
        return problem if carried is None else carried.signed(problem, frame.first)

    def running_down(self, frame: Frame, requests: Floats, carried: Carried | None) -> Problem:
        """The problem of what really comes, with counts as they are: the plan's routes first, losses last."""
        change = Reoptimise(
            move_usd_per_m_tokens=self.keep_usd_per_m, freeze_h=frame.past * self.record.period_h
        )
        problem = as_settled(self.record.part(frame.first, requests, change, happened=True))
        if carried is not None:
            problem = carried.signed(problem, frame.first)
        loads = tuple(
            load.model_copy(
                update={"unserved_usd_per_m_tokens": self._losing(load.unserved_usd_per_m_tokens)}
            )
            for load in problem.workloads
        )
        return problem.model_copy(update={"workloads": loads})

    def _losing(self, stated: float | None) -> float:
        """Not kept either: so much on top of its price, so that serving elsewhere is chosen where that is cheaper."""
        return self.lose_usd_per_m if stated is None else self.keep_usd_per_m + stated

    def running(
        self, frame: Frame, inst: Instance, problem: Problem, force: InForce, actual: Actual, freeze_h: float
    ) -> Running:
        """The plan in force on the frame, and what happened before."""
        laid = laid_on(force.plan, force.problem, Alignment(force.problem, problem), inst, freeze_h, ())
        shares = [row for row in laid.shares if (row.period or 0) >= frame.past]
        if self.spanning:
            shares = actual.shares(frame.first, frame.now) + shares
        counts = [row for row in laid.counts if row.period >= frame.past]
        return replace(
            laid,
            shares=tuple(shares),
            counts=(*actual.counts(frame.first, frame.now), *counts),
            before=actual.before(frame.first),
            purchases=(),
        )


def rules_of(record: DemandHistory, inst: Instance, *, foreseen: bool) -> Rules:
    """`inst` is the instance of the whole replay; `foreseen`: plans know what comes."""
    tokens = inst.workloads.tokens[inst.workloads.tokens > 0]
    fewest = tokens.min() if tokens.size else 1.0
    least = np.array([1.0 if price.replaced else fewest for price in ENTRY_PRICES])
    prices = [
        inst.entries.usd / least,  # of a request: spread over its tokens
        inst.entries.long_usd / least,
        inst.contracts.unit_usd[inst.contracts.in_tokens],
        inst.contracts.overage_stated,
        *(tiers.usd for tiers in inst.contracts.tiers if tiers is not None),
        inst.workloads.unserved_usd_per_token,
    ]
    finite = [float(usd[np.isfinite(usd)].max(initial=0.0)) for usd in prices]
    keep = LARGE * max(*finite, 1e-6) * 1e6
    memory = math.ceil(memory_h(inst) / record.period_h - 1e-9)
    spanning = spans_periods(inst)
    carries = spanning and not spans_periods(inst, but_contracts=True) and can_be_carried(inst)
    return Rules(record, spanning, memory, carries, keep, LARGE * keep * _longest(inst), foreseen)


def _longest(inst: Instance) -> float:
    """The most tokens of a recipe's steps for one of the workload's own, at least 1: all of them are moved at once."""
    loads = inst.workloads
    tokens = np.bincount(loads.lead, loads.part * loads.tokens, minlength=len(loads.lead))
    own = (loads.part * loads.tokens)[loads.whole]
    return float(np.max(tokens[loads.lead] / np.maximum(own, 1e-300), initial=1.0, where=own > 0))


def tokens_of(problem: Problem) -> Floats:
    """(W,) tokens of a request."""
    return np.array(
        [(load.prompt_tokens or 0.0) + (load.completion_tokens or 0.0) for load in problem.workloads]
    )
