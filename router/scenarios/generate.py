"""Demand paths: a history's blocks × growth × level, for each scenario and period.

    multiplier[s, t] = shape[s, t] · (1 + growth_per_month)^(h_t / 730) · level[s] · walk[s, month of t]

    shape   blocks of the history over its mean (see `bootstrap`); 1 without one
    h_t     start of the period, h from the start of the horizon: growth compounds from there
    level   exp(spread · z − spread² / 2), one draw for the whole horizon
    walk    the product over months past of exp(v · z_k − v² / 2), v = spread_per_month: after n months √n times v

Level and walk have mean 1, so the mean over scenarios is the mean cycle × growth.

The multipliers are common to all workloads: what moves one moves all. A demand stated as a rate or total is multiplied
as it stands. One that states its own course (`requests_by_period`, `trace`) keeps it: there the shape is divided by
the history's mean cycle, or day and week would count twice. Work with a window takes the mean over its day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from router.errors import InputError, Issue
from router.loading.fingerprint import trace_path
from router.scenarios.bootstrap import Bootstrap, bootstrap_over, clock_h
from router.scenarios.history import History, read_history
from router.scenarios.reduce import reduce_to
from router.scenarios.stream import Floats, Ints, RandomStream
from router.schema import Generate, Generated, Horizon, Problem, Workload
from router.schema.clock import MONTH_H
from router.traces import recorded

FEW_TREND = 4  # cycles that a trend is read from
MUCH = 0.25  # of the logarithm, over the whole history
FEW_CYCLES = 8  # weeks or days of record below which the futures that they show are few
DIGITS = 12  # significant, of a multiplier: what a plan states is what it was made with
PLANNED, AFRESH = 0, 1  # streams of one seed
BLOCKS, LEVEL, WALK = 0, 1, 2

type Kind = tuple[bool, bool]
"""Whether a workload's demand states its own course, and whether it runs in a daily window."""


@dataclass(frozen=True)
class Draw:
    """Scenarios as drawn and reduced."""

    names: tuple[str, ...]
    probability: Floats  # (S,)
    multiplier: Floats  # (S, T) of demand stated as a rate or total
    others: Mapping[Kind, Floats]  # (S, T) where a workload takes another
    count: int
    seed: int
    distance: float  # Kantorovich's, lost by the reduction: mean absolute change of the multiplier
    notes: tuple[str, ...]

    def of(self, workload: Workload) -> Floats:
        """(S, T) the multipliers of a workload."""
        return self.others.get(kind_of(workload), self.multiplier)


def planned_draw(problem: Problem) -> Draw:
    """The scenarios that a problem asks to generate, reduced as it says.

    Raises InputError for listed scenarios, a record that cannot be used, and demand that grows beyond all numbers.
    """
    generate = _generate(problem)
    return _draw(_source(problem), generate.count, generate.reduce_to, (generate.seed, PLANNED), "s")


def fresh_draw(problem: Problem, count: int, seed: int) -> Draw:
    """`count` scenarios of the same generator that no plan has seen, all equally probable. Raises as `planned_draw`."""
    generate = _generate(problem)
    return _draw(_source(problem), count, None, (generate.seed, AFRESH, seed), "f")


def kind_of(workload: Workload) -> Kind:
    """Which multipliers a workload takes."""
    demand = workload.demand
    return (
        demand.trace is not None or demand.requests_by_period is not None,
        workload.window is not None,
    )


def _generate(problem: Problem) -> Generate:
    if not isinstance(problem.scenarios, Generated):
        rule = "are listed, not generated: nothing can be drawn"
        hint = "state how futures come about: scenarios: {generate: {count: 1000, spread: 0.3}}"
        raise InputError(problem.positions.place(Issue(("scenarios",), rule, None, hint)))
    return problem.scenarios.generate


@dataclass(frozen=True)
class _DrawSource:
    """A problem, equal to any that would draw the same."""

    problem: Problem = field(compare=False)
    horizon: Horizon = field(compare=False)
    content: tuple[object, ...]


def _source(problem: Problem) -> _DrawSource:
    generate = _generate(problem)
    horizon = recorded(problem).problem.horizon  # a trace may say when it starts
    path = None if generate.history is None else trace_path(problem, generate.history)
    stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path is not None and path.is_file() else None
    kinds = frozenset(kind_of(workload) for workload in problem.workloads)
    content = (generate.model_dump_json(), horizon.model_dump_json(), kinds, path, stamp)
    return _DrawSource(problem, horizon, content)


@lru_cache(
    maxsize=2
)  # planning, stating and checking ask for the same draw, of a year of hours a matter of seconds
def _draw(source: _DrawSource, count: int, keep: int | None, key: tuple[int, ...], letter: str) -> Draw:
    problem, horizon = source.problem, source.horizon
    generate = _generate(problem)
    history = None if generate.history is None else read_history(problem, generate.history)
    blocks = None if history is None else bootstrap_over(horizon, history)
    shape = np.ones((count, horizon.periods))
    if blocks is not None:
        shape = blocks.draw(RandomStream(*key, BLOCKS), count)
    with np.errstate(over="ignore", invalid="ignore"):
        level = _level(horizon, generate, count, key)
    if not np.isfinite(level).all():
        rule = "makes demand grow beyond all numbers within the horizon"
        raise InputError(problem.positions.place(Issue(("scenarios", "generate"), rule)))
    multiplier = rounded(shape * level)
    reduction = reduce_to(multiplier, np.full(count, 1.0 / count), keep or count)
    kinds = {kind_of(workload) for workload in problem.workloads} - {(False, False)}
    width = max(4, len(str(count)))
    return Draw(
        names=tuple(f"{letter}{s + 1:0{width}d}" for s in reduction.rows),
        probability=np.round(reduction.probability * count) / count,  # whole numbers of those drawn
        multiplier=multiplier[reduction.rows],
        others={
            kind: of_kind(kind, shape[reduction.rows], level[reduction.rows], blocks, horizon)
            for kind in kinds
        },
        count=count,
        seed=key[-1] if letter == "f" else generate.seed,
        distance=reduction.distance,
        notes=_notes(horizon, generate, history, len(reduction.rows), count, reduction.distance),
    )


def of_kind(kind: Kind, shape: Floats, level: Floats, blocks: Bootstrap | None, horizon: Horizon) -> Floats:
    """(S, T) multipliers of demand with a course of its own, or with a daily window."""
    own_course, daily = kind
    mean = np.ones(shape.shape[1]) if blocks is None else blocks.mean_cycle()
    if daily:
        day = _day(horizon)
        shape, mean, level = (_by_day(values, day) for values in (shape, mean, level))
    if own_course:
        shape = np.divide(shape, mean, out=np.ones_like(shape), where=np.broadcast_to(mean > 0, shape.shape))
    return rounded(shape * level)


def _day(horizon: Horizon) -> Ints:
    """(T,) local day of each period's start, counted from the first."""
    wall = clock_h(horizon, np.arange(horizon.periods, dtype=np.float64) * horizon.period_h)
    return np.unique(np.floor(wall / 24.0 + 1e-9), return_inverse=True)[1].astype(np.int64)


def _by_day(values: Floats, day: Ints) -> Floats:
    """Means over the periods of each day, in each of its periods; periods are the last axis."""
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    sums = np.add.reduceat(values, starts, axis=-1)
    return np.asarray((sums / np.diff(starts, append=len(day)))[..., day])


def _level(horizon: Horizon, generate: Generate, count: int, key: tuple[int, ...]) -> Floats:
    """(S, T) growth × level × walk."""
    months = np.arange(horizon.periods) * horizon.period_h / MONTH_H
    growth = (1.0 + (generate.growth_per_month or 0.0)) ** months
    level = np.broadcast_to(growth, (count, horizon.periods))
    if generate.spread:
        level = level * _mean_one(generate.spread, RandomStream(*key, LEVEL).normal(count, 1))
    if generate.spread_per_month:
        month = np.floor(months + 1e-9).astype(np.int64)
        steps = _mean_one(generate.spread_per_month, RandomStream(*key, WALK).normal(count, int(month[-1])))
        walk = np.cumprod(np.concatenate([np.ones((count, 1)), steps], axis=1), axis=1)
        level = level * walk[:, month]
    return level


def _mean_one(spread: float, z: Floats) -> Floats:
    return np.asarray(np.exp(spread * z - spread * spread / 2.0))


def rounded(values: Floats) -> Floats:
    """To `DIGITS` significant digits."""
    with np.errstate(divide="ignore"):
        power = np.where(values > 1e-290, np.floor(np.log10(values)), 0.0)  # none is smaller, but 0
    scale = 10.0 ** (DIGITS - 1 - power)
    figures = np.asarray(np.round(values * scale) / scale)
    figures.setflags(write=False)  # kept, and shared
    return figures


def _notes(
    horizon: Horizon, generate: Generate, history: History | None, kept: int, count: int, distance: float
) -> tuple[str, ...]:
    """What a reader must know of the futures before trusting a figure."""
    reduced = f", {kept} kept; a demand multiplier moved by {distance:.2g} on average" if kept < count else ""
    notes = [f"scenarios: {count} drawn with seed {generate.seed}{reduced}"]
    if history is None or generate.history is None:
        return tuple(notes)
    unit = "week" if history.weekly else "day"
    cycles = f"{history.cycles} {unit}{'s' if history.cycles > 1 else ''}"
    left = f", the oldest {history.left_out_h:g} h left out" if history.left_out_h else ""
    notes.append(f"scenarios: drawn from {cycles} of {generate.history.file}{left}")
    if history.cycles < FEW_CYCLES and not (generate.spread or generate.spread_per_month):
        notes.append(
            f"{cycles} of history say little about the months to come: without spread, futures differ only as these did"
        )
    if trend := _trend(history):
        notes.append(
            f"the history changes by {100 * trend:+.2g} % a {unit}: the futures vary around its mean as if that were "
            "chance; state growth_per_month for growth that goes on"
        )
    if not history.weekly:
        notes.append("assumed: all weekdays are alike (the history is shorter than two weeks)")
    if history.cycles == 1:
        notes.append("the history has one day only: its blocks are all the same")
    if history.relative:
        notes.append(
            "assumed: the history starts at the same hour of the week as the horizon (it has no dates)"
        )
    elif horizon.start is None:
        notes.append("assumed: the horizon starts on a Monday at 00:00 (horizon.start is not given)")
    return tuple(notes)


def _trend(history: History) -> float:
    """Growth of a cycle's requests per cycle, by a line through their logarithms; 0 where it is not much in all."""
    totals = history.requests.reshape(history.cycles, -1).sum(axis=1)
    if history.cycles < FEW_TREND or (totals <= 0).any():
        return 0.0
    slope = float(np.polyfit(np.arange(history.cycles), np.log(totals), 1)[0])
    return float(np.expm1(slope)) if abs(slope) * (history.cycles - 1) > MUCH else 0.0
