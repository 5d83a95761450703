"""What a backtest found: money, changes and losses, side by side with what else could have been done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from router.backtesting.step import Step
from router.plan.document import Plan


@dataclass(frozen=True)
class Execution:
    """A way of running through the demand that came, settled.

    cost_usd        of `plan`, which holds what happened and passes `router verify`, and churn_usd on top
    churn_usd       of every change taken, as it was priced when it was taken
    overflow_share  part of the tokens that ran where the plan in force had not put them
    lost_share      part that nobody had room for, and that has no price: not in the cost
    dropped_usd     work left unserved at its stated price; in the cost
    spread_kept     limits on provider shares and min_providers hold in `plan`
    """

    cost_usd: float
    churn_usd: float
    overflow_share: float
    lost_share: float
    lost_requests: float
    dropped_share: float
    dropped_usd: float
    plan: Plan
    steps: tuple[Step, ...]
    spread_kept: bool = True
    notes: tuple[str, ...] = ()

    def count(self, *taken: str) -> int:
        """Steps that ended so."""
        return sum(step.taken in taken for step in self.steps)

    @property
    def changes(self) -> int:
        """Plans put in force after the first."""
        return self.count("cheaper", "repair")

    @property
    def moved_share(self) -> float:
        """Of its frame's tokens that a change moved, on average over the changes."""
        moved = [step.moved_share for step in self.steps if step.taken in ("cheaper", "repair")]
        return sum(moved) / len(moved) if moved else 0.0

    def to_dict(self) -> dict[str, Any]:
        own = (name for name in self.__dataclass_fields__ if name not in ("plan", "steps"))
        return {name: getattr(self, name) for name in own} | {
            "changes": self.changes,
            "repairs": self.count("repair"),
            "without_plan": self.count("no plan"),
            "moved_share": self.moved_share,
            "cost_lines": [asdict(line) for line in self.plan.cost_lines],
        }


@dataclass(frozen=True)
class Hindsight:
    """The one plan made with the demand that came, over the whole replay; `bound_usd`: no plan costs less."""

    cost_usd: float
    bound_usd: float
    gap: float
    stop: str
    plan: Plan


@dataclass(frozen=True)
class Backtest:
    """A replay and what it is measured against. `hindsight` is for the work that the replay served.

    hindsight_of_all   the same for all the demand, where some was lost; null: no plan could serve it, or none was lost
    cheapest_offer     the cheapest single offer that can serve everything, and its cost; null: none can, or not asked
    series             figures by period
    """

    name: str
    forecast: str
    every: int
    lookahead: int
    warm_up: int
    periods: int
    period_h: float
    forecast_error: float
    replay: Execution
    hindsight: Hindsight
    staying: Execution | None
    hindsight_of_all: Hindsight | None = None
    cheapest_offer: tuple[str, float] | None = None
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def regret_usd(self) -> float:
        """Above the hindsight plan; negative only within its gap."""
        return self.replay.cost_usd - self.hindsight.cost_usd

    @property
    def most_regret_usd(self) -> float:
        """Above the bound: no plan could have been better by more. Never negative."""
        return self.replay.cost_usd - self.hindsight.bound_usd

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        whole, cheapest = self.hindsight_of_all, self.cheapest_offer
        alone = None if cheapest is None else {"offer": cheapest[0], "cost_usd": cheapest[1]}
        own = ("name", "forecast", "every", "lookahead", "warm_up", "periods", "period_h", "forecast_error")
        return {name: getattr(self, name) for name in own} | {
            "cost_usd": self.replay.cost_usd,
            "hindsight_usd": self.hindsight.cost_usd,
            "hindsight_bound_usd": self.hindsight.bound_usd,
            "hindsight_gap": self.hindsight.gap,
            "hindsight_of_all_usd": None if whole is None else whole.cost_usd,
            "regret_usd": self.regret_usd,
            "regret_above_bound_usd": self.most_regret_usd,
            "regret_share": _part(self.regret_usd, self.hindsight.cost_usd),
            "staying_usd": None if self.staying is None else self.staying.cost_usd,
            "cheapest_offer": alone,
            "replay": self.replay.to_dict(),
            "staying": None if self.staying is None else self.staying.to_dict(),
            "steps": [asdict(step) for step in self.replay.steps],
            "series": {name: list(values) for name, values in self.series.items()},
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
        }


def _part(amount: float, whole: float) -> float | None:
    return amount / whole if whole > 0 else None
