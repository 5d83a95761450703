"""How a sized plan is found, and how much is reported of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from problems.core.instance import Instance
from router.schema import Problem
from router.sizing.first_stage import flows_of
from router.sizing.measures import can_draw
from router.sizing.orders import Order

QUICK = 20_000  # flow columns: up to here alternatives, flips and quotes, some forty searches, are looked into unasked
SHOWN = 3  # alternatives
DRAWN = 200  # fresh futures


@dataclass(frozen=True)
class SizeOptions:
    """What is asked of `router size`. None: the size of the problem decides."""

    method: str = "auto"  # "program" | "cuts"
    workers: int = 1
    backend: str = "loky"  # "dask" | "ray"
    measures: bool = True  # WS, EV and EEV cost a solve per scenario each
    alternatives: int | None = None
    questions: bool | None = None  # quotes and flips
    frontier: int = 0
    evaluate: tuple[Order, ...] = ()
    out_of_sample: int | None = None
    seed: int = 0  # of the scenarios drawn afresh
    left_out: tuple[str, ...] = ()  # options that were not taken because the problem is large

    def suited(self, problem: Problem, inst: Instance) -> SizeOptions:
        """With nothing left open."""
        quick = flows_of(inst) <= QUICK
        drawn = DRAWN if quick and can_draw(problem) else 0
        open_ = {"--alternatives N": self.alternatives, "--quotes": self.questions}
        if can_draw(problem):
            open_["--out-of-sample N"] = self.out_of_sample
        return replace(
            self,
            alternatives=(SHOWN if quick else 0) if self.alternatives is None else self.alternatives,
            questions=quick if self.questions is None else self.questions,
            out_of_sample=drawn if self.out_of_sample is None else self.out_of_sample,
            left_out=() if quick else tuple(name for name, asked in open_.items() if asked is None),
        )

    @property
    def weighs(self) -> bool:
        """Whether the variants behind alternatives and quotes are needed."""
        return bool(self.alternatives) or bool(self.questions)
