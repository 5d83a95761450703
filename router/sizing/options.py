"""What is asked of a study, and how each of its searches is solved."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from router.errors import NoPlanInTime
from router.sizing.orders import Order
from router.workers import ALONE, Workers, spread
from solvers import SolveOptions

QUICK = 20_000  # flow columns: up to here alternatives, flips and quotes, some forty searches, are looked into unasked
SHARED_OUT = 5_000  # flow columns: from here on scenarios are shared out unasked
TO_START_S = 20.0  # a limit below that is over before processes that take seconds to start are of use
MOST_WORKERS = 8
SHOWN = 3  # alternatives
DRAWN = 200  # fresh futures
HALF = 0.5  # with less for each, none of many questions would come to its end


@dataclass(frozen=True)
class SizeOptions:
    """What is asked of `router size`. None: the size of the problem decides."""

    method: str = "auto"  # "program" | "cuts"
    workers: int | None = None
    backend: str = "loky"  # "dask" | "ray"
    measures: bool = True  # WS, EV and EEV cost a solve per scenario each
    alternatives: int | None = None
    questions: bool | None = None  # quotes and flips
    frontier: int = 0
    evaluate: tuple[Order, ...] = ()
    out_of_sample: int | None = None
    seed: int = 0  # of the scenarios drawn afresh
    left_out: tuple[str, ...] = ()  # options that were not taken because the problem is large

    def suited(self, flows: int, *, generated: bool, limit_s: float | None = None) -> SizeOptions:
        """With nothing left open, for a problem of so many flow columns and a limit of so many seconds.

        Generated scenarios can be drawn afresh.
        """
        quick = flows <= QUICK
        open_ = {"--alternatives N": self.alternatives, "--quotes": self.questions}
        if generated:
            open_["--out-of-sample N"] = self.out_of_sample
        drawn = DRAWN if quick and generated else 0
        return replace(
            self,
            alternatives=(SHOWN if quick else 0) if self.alternatives is None else self.alternatives,
            questions=quick if self.questions is None else self.questions,
            workers=_workers(flows, limit_s) if self.workers is None else self.workers,
            out_of_sample=drawn if self.out_of_sample is None else self.out_of_sample,
            left_out=() if quick else tuple(name for name, stated in open_.items() if stated is None),
        )

    @property
    def weighs(self) -> bool:
        """Whether the variants behind alternatives and quotes are needed."""
        return bool(self.alternatives) or bool(self.questions)


def _workers(flows: int, limit_s: float | None) -> int:
    """As many as there are cores, at most `MOST_WORKERS`, where that is worth starting them."""
    if limit_s is not None and limit_s < TO_START_S:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS) if flows >= SHARED_OUT else 1


@dataclass(frozen=True)
class Study:
    """How every search of a study is solved; its time limit is that of all of them together."""

    solver: str
    options: SolveOptions
    method: str = "auto"
    workers: Workers = ALONE
    step_s: float = 0.0  # what the first decision took: with less left, no other like it is begun

    @property
    def finishing(self) -> Study:
        """For what follows a decision: it may be finished in the overtime."""
        return replace(self, options=self.options.finishing)

    def within(self, share: float) -> Study:
        """The same within a share of the time that is left."""
        return replace(self, options=self.options.within(share))

    def answered[T, R](
        self, work: Callable[[Study, T], R], tasks: Sequence[T], *, shared: bool = True
    ) -> list[R | None]:
        """As `each`; None for a task that no time was left for. `shared`: one takes no more than its part of what is
        left, or half of it; else they come in order, while there is time.
        """
        n, count = len(tasks), self.workers.count
        turns = [(task, max(count / (n - i), HALF) if shared else 1.0) for i, task in enumerate(tasks)]
        return self.each(partial(_in_time, work), turns)

    def each[T, R](self, work: Callable[[Study, T], R], tasks: Sequence[T]) -> list[R]:
        """What `work` makes of each task, in order, shared out among the workers; each task in one process.

        Raises NoPlanInTime where workers die again and again, and what `work` raises.
        """
        deadline = self.options.deadline
        ended = None if deadline is None else deadline.ended
        return spread(partial(work, replace(self, workers=ALONE)), tasks, self.workers, ended)


def _in_time[T, R](work: Callable[[Study, T], R], study: Study, turn: tuple[T, float]) -> R | None:
    task, share = turn
    if study.options.late:
        return None
    try:
        return work(study.within(min(share, 1.0)), task)
    except NoPlanInTime:
        return None


class Inquiry:
    """Asks one question after the other while time is left, and keeps the names of those it had none for."""

    def __init__(self, study: Study, progress: Callable[[str], None]) -> None:
        self.study, self.progress = study, progress
        self.left_out: list[str] = []

    def ask[R](self, what: str, work: Callable[[Study], R], share: float = 1.0) -> R | None:
        """The answer, within a share of the time that is left; None where no time was left for it."""
        if not self.study.options.late:
            self.progress(what)
            try:
                return work(self.study.within(share))
            except NoPlanInTime:
                pass
        self.left_out.append(what)
        return None
