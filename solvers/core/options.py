"""What to ask of a solver, in words that mean the same for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from types import MappingProxyType

from solvers.core.deadline import Deadline
from solvers.core.errors import OptionRejected


@dataclass(frozen=True)
class SolveOptions:
    """Validated when made: a value that makes no sense raises `OptionRejected` under the name "options".

    gap                 relative MIP gap at which an answer counts as optimal, ≥ 0 (absolute gap: 0)
    time_limit_s        s; None: no limit
    threads             ≥ 1; one thread is what makes two runs equal
    seed                the solver's own random seed, ≥ 0
    relax               drop integrality
    log                 the solver's log, on stderr
    primal_tolerance    LPs only; None: the solver's own. MILPs have the solver's tolerances, or a back end's own:
    dual_tolerance      HiGHS's mip_feasibility_tolerance has given wrong optima at 1e-6 and at 1e-9
    native              options under the solver's own names; a misspelt or refused one raises
    watch               called during a MILP with the best objective and the bound, where the solver tells them (inf:
                        none yet); not part of what was asked
    deadline            where the time limit runs already: when it ends (`begun`); not part of what was asked
    """

    gap: float = 1e-6
    time_limit_s: float | None = 60.0
    threads: int = 1
    seed: int = 0
    relax: bool = False
    log: bool = False
    primal_tolerance: float | None = None
    dual_tolerance: float | None = None
    native: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    watch: Callable[[float, float], None] | None = field(default=None, compare=False, repr=False)
    deadline: Deadline | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        def need(ok: bool, option: str, rule: str) -> None:
            if not ok:
                raise OptionRejected("options", option, getattr(self, option), rule)

        need(isfinite(self.gap) and self.gap >= 0, "gap", "must be a finite number ≥ 0")
        need(self.time_limit_s is None or self.time_limit_s > 0, "time_limit_s", "must be above 0, or None")
        need(self.threads >= 1, "threads", "must be at least 1")
        need(self.seed >= 0, "seed", "must not be negative")
        for name in ("primal_tolerance", "dual_tolerance"):
            value = getattr(self, name)
            need(value is None or (isfinite(value) and value > 0), name, "must be above 0, or None")

    def begun(self, spent_s: float = 0.0) -> SolveOptions:
        """The same, with the time running, so many seconds of it spent; where it runs already, unchanged."""
        if self.deadline is not None:
            return self
        return replace(self, deadline=Deadline.after(self.time_limit_s, spent_s))

    @property
    def left_s(self) -> float:
        """Seconds that are left, ≥ 0, or all of them where the time does not run yet; inf: no limit.

        For a solver's own limit, and for who watches: a step that depends on it asks `late` or `short_of`.
        """
        if self.deadline is not None:
            return self.deadline.left_s
        return inf if self.time_limit_s is None else self.time_limit_s

    @property
    def late(self) -> bool:
        """Whether no time is left; if so, the plan will say that the clock ended something."""
        return self.deadline is not None and self.deadline.passed

    def short_of(self, seconds: float) -> bool:
        """Whether less time is left than that; if so, the plan will say that the clock ended something."""
        return self.deadline is not None and self.deadline.short_of(seconds)

    @property
    def ended_by_clock(self) -> bool:
        """Whether the clock has ended a step of this command, in whatever share of its time."""
        return self.deadline is not None and self.deadline.ended.by_clock

    def within(self, share: float = 1.0, *, most_s: float = inf) -> SolveOptions:
        """The same within a share of the time that is left, and within at most so many seconds of it."""
        return replace(
            self, deadline=(self.deadline or Deadline.after(self.time_limit_s)).sooner(share, most_s)
        )

    @property
    def finishing(self) -> SolveOptions:
        """The same with the overtime that a point, once found, has to become a plan."""
        return replace(self, deadline=self._running.overtime)

    @property
    def _running(self) -> Deadline:
        return self.deadline or Deadline.after(self.time_limit_s)

    @property
    def lp_tolerances(self) -> Mapping[str, float]:
        """Those that are stated, by side: primal, dual."""
        sides = {"primal": self.primal_tolerance, "dual": self.dual_tolerance}
        return {side: value for side, value in sides.items() if value is not None}
