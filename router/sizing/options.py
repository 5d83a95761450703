"""What is asked of a study, and how each of its searches is solved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from router.planning.workers import ALONE, Workers, spread
from router.sizing.orders import Order
from solvers import SolveOptions

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

    def suited(self, flows: int, *, generated: bool) -> SizeOptions:
        """With nothing left open, for a problem of so many flow columns; generated scenarios can be drawn afresh."""
        quick = flows <= QUICK
        open_ = {"--alternatives N": self.alternatives, "--quotes": self.questions}
        if generated:
            open_["--out-of-sample N"] = self.out_of_sample
        drawn = DRAWN if quick and generated else 0
        return replace(
            self,
            alternatives=(SHOWN if quick else 0) if self.alternatives is None else self.alternatives,
            questions=quick if self.questions is None else self.questions,
            out_of_sample=drawn if self.out_of_sample is None else self.out_of_sample,
            left_out=() if quick else tuple(name for name, stated in open_.items() if stated is None),
        )

    @property
    def weighs(self) -> bool:
        """Whether the variants behind alternatives and quotes are needed."""
        return bool(self.alternatives) or bool(self.questions)


@dataclass(frozen=True)
class Study:
    """How every search of a study is solved; its limits hold for each search."""

    solver: str
    options: SolveOptions
    method: str = "auto"
    workers: Workers = ALONE

    @property
    def finishing(self) -> Study:
        """For what follows a decision: it is small, and may be finished in the overtime."""
        return replace(self, options=self.options.finishing)

    def each[T, R](self, work: Callable[[Study, T], R], tasks: Sequence[T]) -> list[R]:
        """What `work` makes of each task, in order, shared out among the workers; each task in one process.

        Raises NoPlanInTime where workers die again and again, and what `work` raises.
        """
        return spread(partial(work, replace(self, workers=ALONE)), tasks, self.workers)
