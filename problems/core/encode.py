"""Instance → LinearProgram: the list of families, in the order in which their rows stand.

    admissible → views by scenario → columns → rows by family → objective → one sparse program

A new constraint family is a module with its `FAMILY` and a line in FAMILIES, which is also the order of the docs. A
caller's own rows go in by `encode(instance, extra=[build])`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from problems import (
    adapters,
    agreements,
    allowances,
    answer_times,
    budget,
    churn,
    commitments,
    credits,
    demand,
    diversity,
    groups,
    hosts,
    instances,
    latency,
    linking,
    overage,
    power,
    pricing,
    quota,
    recipes,
    shares,
    signing,
    spilling,
    starts,
    survival,
    throughput,
    tiers,
    unsplittable,
)
from problems.core import columns, counts, first_stage
from problems.core.admissible import Refusals, Routes, admissible
from problems.core.arrays import Floats, Ints
from problems.core.blocks import ColumnSpace, RowRange, RowSpace, assemble
from problems.core.columns import Columns
from problems.core.family import Build, Family, Promise
from problems.core.first_stage import FirstStage
from problems.core.instance import Instance
from problems.core.once import once
from problems.core.rows import Rows
from problems.core.uncollected import without_collections
from problems.core.view import View, view_of
from problems.physics.waiting import AllCuts, capacity_of
from solvers import LinearProgram
from solvers.core.record import Record


class Regions(Record):
    """Where the regions of waiting pools are cut, by scenario, and which side of them is meant.

    The outer side bounds every plan; a plan of the inner side keeps every promise. `spare`: that part less load on the
    outer side, which then bounds nothing, and hardly breaks a promise.
    """

    cuts: Mapping[int, AllCuts]
    inner: bool = False
    spare: float = 0.0


UNCUT = Regions({})
FIRST_STAGE: tuple[Callable[[Instance, FirstStage], Rows], ...] = (
    commitments.build_first_stage,
    tiers.build_first_stage,
    instances.build_first_stage,
    signing.build_first_stage,
)
FAMILIES: tuple[Family, ...] = (
    demand.FAMILY,
    recipes.FAMILY,
    answer_times.FAMILY,
    unsplittable.FAMILY,
    throughput.FAMILY,
    latency.FAMILY,
    quota.FAMILY,
    spilling.FAMILY,
    instances.FAMILY,
    starts.FAMILY,
    groups.FAMILY,
    hosts.FAMILY,
    adapters.FAMILY,
    power.FAMILY,
    commitments.FAMILY,
    overage.FAMILY,
    agreements.FAMILY,
    allowances.FAMILY,
    credits.FAMILY,
    tiers.FAMILY,
    linking.FAMILY,
    diversity.FAMILY,
    shares.FAMILY,
    churn.FAMILY,
    survival.FAMILY,
    budget.FAMILY,
    signing.FAMILY,
)
PROMISES: tuple[Promise, ...] = tuple(promise for family in FAMILIES for promise in family.promises)


class Encoded(Record):
    """The program and all that is needed to read its answer."""

    instance: Instance
    program: LinearProgram
    views: tuple[View, ...]
    columns: tuple[Columns, ...]
    refusals: Refusals
    row_families: tuple[RowRange, ...]
    row_label: Callable[[int], str]
    regions: Regions
    costs: tuple[
        tuple[pricing.Cost, ...], ...
    ]  # by scenario: what its money is for, the first stage's included
    after_losses: tuple[survival.AfterLoss, ...] = ()

    @property
    def first(self) -> FirstStage:
        return self.columns[0].first


@without_collections()
def encode(
    inst: Instance,
    *,
    boundary: float = throughput.BOUNDARY,
    routed: tuple[Routes, Refusals] | None = None,
    regions: Regions = UNCUT,
    extra: Sequence[Build] = (),
    without: Sequence[Family] = (),
) -> Encoded:
    """Build the program. `boundary` is the relative tolerance at a unit boundary (see throughput)."""
    routes, refusals = routed or admissible(inst)
    space, table = ColumnSpace(), RowSpace()
    scenes = tuple(view_of(inst, routes, s, boundary) for s in range(len(inst.scenarios)))
    limits = [counts.count_limit(view) for view in scenes]
    if inst.fleets.pools:  # what is bought for a term is one number in all futures
        bought = inst.fleets.term_h[inst.fleets.pool_fleet] > 0
        ahead = bought | inst.fleets.horizon[inst.fleets.pool_fleet]
        room = np.where(ahead, 0.0 if inst.room is None else inst.room, 0.0)[:, None]
        limits = [
            np.maximum(np.where(bought[:, None], np.max(limits, axis=0), limit), room) for limit in limits
        ]
    capacities = [
        capacity_of(view, limit, regions.cuts.get(view.scenario), inner=regions.inner, spare=regions.spare)
        for view, limit in zip(scenes, limits, strict=True)
    ]
    widest = max(scenes, key=lambda view: float(view.cells.work.sum()))
    first = first_stage.first_stage(inst, space, (widest, np.max(limits, axis=0)))
    for build_first_stage in FIRST_STAGE:
        table.add(build_first_stage(inst, first))
    cols: list[Columns] = []
    costs: list[list[pricing.Cost]] = []
    after_losses: list[survival.AfterLoss] = []
    for view, limit, capacity in zip(scenes, limits, capacities, strict=True):
        mine = columns.recourse(view, space, first, limit, capacity)
        cols.append(mine)
        builds = (family.build for family in FAMILIES if family not in without)
        for build in (*builds, *extra):
            if build is not None:
                table.add(build(view, mine), view.scenario + 1)
        for lost in survival.losses(view):
            rest = survival.after(view, mine, lost, space)
            after_losses.append(rest)
            for family in FAMILIES:
                if family.in_a_loss is not None:
                    table.add(survival.named(family.in_a_loss(rest.view, rest.cols), lost), view.scenario + 1)
        costs.append([*ahead_usd(first, inst, view.price.tobytes()), *pricing.recourse(view, mine)])
        table.add(budget.spending(inst, costs[-1], inst.scenarios.names[view.scenario]), view.scenario + 1)
    price = inst.scenarios.probability @ inst.scenarios.price
    table.add(budget.committed(inst, first, pricing.first_stage(inst, first, price), price))
    tail: list[tuple[Ints, Floats]] = []
    weight = inst.policy.risk.weight
    if weight > 0:
        rows, tail = budget.risk(inst, space, costs)
        table.add(rows)
    objective, constant = budget.expected(costs, inst.scenarios.probability, space.size)
    objective, constant = objective * (1 - weight), constant * (1 - weight)
    for at, usd in tail:
        np.add.at(objective, at, weight * usd)
    program = assemble(inst.name, space, table, objective, constant)
    return Encoded(
        inst,
        program,
        scenes,
        tuple(cols),
        refusals,
        table.ranges(),
        table.label(),
        regions,
        tuple(map(tuple, costs)),
        tuple(after_losses),
    )


def exact(encoded: Encoded, part: float = 0.0) -> Encoded:
    """The same without the allowance at unit boundaries, or with a part of it."""
    boundary = part * encoded.views[0].boundary
    allowance = (1.0 + encoded.views[0].boundary) / (1.0 + boundary)
    waits = any(cols.capacity.waits.any() for cols in encoded.columns)
    if waits or any(
        survival.losses(view) for view in encoded.views
    ):  # capacity stands in rows of other kinds too
        return encode(encoded.instance, boundary=boundary, regions=encoded.regions)
    program = encoded.program
    counts, limits = np.zeros(program.n_columns, dtype=bool), np.zeros(program.n_rows, dtype=bool)
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        whole = np.flatnonzero(view.inst.fleets.integral[view.inst.fleets.pool_fleet])
        for columns_of in (cols.counts.count, cols.started):
            some = columns_of[whole] if columns_of.size else columns_of
            counts[some[some >= 0]] = True
    for range_ in encoded.row_families:
        if range_.family == throughput.NAME:
            limits[range_.first : range_.end] = True
    matrix = program.matrix.copy()
    row = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr))
    matrix.data[limits[row] & counts[matrix.indices]] /= allowance
    views = tuple(replace(view, boundary=boundary) for view in encoded.views)
    return replace(encoded, program=replace(program, matrix=matrix), views=views)


@once
def ahead_usd(first: FirstStage, inst: Instance, price: bytes) -> tuple[pricing.Cost, ...]:
    """What the first stage costs at prices (O,), which most scenarios have in common."""
    return tuple(pricing.first_stage(inst, first, np.frombuffer(price)))


def fixed_integers(program: LinearProgram, point: Floats) -> tuple[LinearProgram, Ints]:
    """The program with every integer column fixed at its rounded value, and those columns."""
    at = np.flatnonzero(program.integer)
    values = np.clip(np.round(point[at]), program.col_lower[at], program.col_upper[at])
    return program.fix(at, values), at
