"""Survival: when any one provider (or offer) is lost, the rest still meets demand.

    for every loss l: Σ_(r not in l) flow[l,c,r,t] + unserved[l,c] = 1, and the rows of recipes, throughput, quota,
    adapters, answers that are due, linking and `overage: none` (with bands of their own), with the counts, contracts
    and purchases planned

    flow[l,c,r,t]   share of the cell's work on route r after the loss                            1, in [0, 1]

Only flows move: these columns cost nothing (the plan's cost is that without loss), so the counts and contracts pay for
the insurance. A fee is due for what carries work without a loss: an offer kept for a loss alone asks for none.
Provider shares do not bind in a loss, nor do waiting times and promises on the times of several steps: plain capacity
does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from problems import tiers
from problems.core.adapter_columns import adapter_columns
from problems.core.answer_columns import answer_columns
from problems.core.arrays import NONE, Ints, distinct
from problems.core.blocks import ColumnSpace
from problems.core.columns import Columns, reachable
from problems.core.family import Family, Promise
from problems.core.rows import Rows
from problems.core.view import View
from solvers.core.record import Record

NAME = "survival"


class Loss(Record):
    """What is gone: the name, and the offers with it."""

    name: str
    offers: Ints


class AfterLoss(Record):
    """What the program has of a loss: flows of the rest, with the places that they have among those of the plan."""

    loss: Loss
    view: View
    cols: Columns
    stays: Ints  # (n,)


def losses(view: View) -> list[Loss]:
    """Every provider, or every offer, that could carry something."""
    inst = view.inst
    if inst.policy.survive_loss_of == "none":
        return []
    used = distinct(view.routes.offer)
    if inst.policy.survive_loss_of == "offer":
        return [Loss(inst.offers.names[o], np.array([o])) for o in used]
    provider = inst.offers.provider
    return [Loss(inst.offers.providers[p], np.flatnonzero(provider == p)) for p in distinct(provider[used])]


def after(view: View, cols: Columns, lost: Loss, space: ColumnSpace) -> AfterLoss:
    """The view without what is lost, and columns in which only the flows are new."""
    stays = np.flatnonzero(~np.isin(view.routes.offer[view.flows.route], lost.offers))
    left = replace(view, flows=view.flows.subset(stays))
    block = view.scenario + 1

    def label(i: int) -> str:
        offer = view.inst.offers.names[view.routes.offer[left.flows.route[i]]]
        return f"{lost.name} lost,{view.label_cell(int(left.flows.cell[i]))},{offer},{left.flows.period[i]}"

    spare = np.flatnonzero(cols.unserved >= 0)
    unserved = np.full(len(cols.unserved), NONE, dtype=np.int64)
    flow = space.take(NAME, len(stays), label, upper=reachable(left), block=block)
    unserved[spare] = space.take(
        f"{NAME}_unserved",
        len(spare),
        lambda i: f"{lost.name} lost,{view.label_cell(int(spare[i]))}",
        upper=1.0,
        block=block,
    )
    nowhere = np.zeros_like(cols.capacity.waits)
    adapters = adapter_columns(left, space, f"{lost.name} lost,")
    answers = answer_columns(left, space, f"{lost.name} lost,", due_alone=True)
    no_waiting = replace(cols.capacity, waits=nowhere, regions={})
    no_fees = replace(cols.first, active=np.full_like(cols.first.active, NONE))
    rest = replace(
        cols,
        first=no_fees,
        flow=flow,
        charged=flow,
        unserved=unserved,
        adapters=adapters,
        answers=answers,
        capacity=no_waiting,
        queues=(),
    )
    return AfterLoss(lost, left, _with_bands(view, rest, lost, space), stays)


def _with_bands(view: View, cols: Columns, lost: Loss, space: ColumnSpace) -> Columns:
    """With bands of their own for contracts whose use by bands is limited: they bill not what the plan bills."""
    volumes, opens = list(cols.band_volume), list(cols.band_open)
    for b in tiers.limited(view).tolist():
        offer = view.inst.offers.names[view.inst.contracts.offer[b]]
        label, block = _numbered(f"{lost.name} lost,{offer}"), view.scenario + 1
        n, m = volumes[b].size, opens[b].size
        at = space.take(f"{NAME}_band_volume", n, label, block=block)
        volumes[b] = at.reshape(volumes[b].shape)
        at = space.take(f"{NAME}_band_open", m, label, upper=1.0, integer=True, block=block)
        opens[b] = at.reshape(opens[b].shape)
    return replace(cols, band_volume=tuple(volumes), band_open=tuple(opens))


def _numbered(name: str) -> Callable[[int], str]:
    return lambda i: f"{name},{i}"


def named(rows: Rows, lost: Loss) -> Rows:
    """The rows of a family under the name of the loss."""
    return replace(rows, family=NAME, label=lambda i: f"{lost.name} lost,{rows.family},{rows.label(i)}")


LOSS = Promise(
    "policy.survive_loss_of",
    "policy.survive_loss_of",
    relax="none",
    text="the loss of any {limit} is survived",
    settled=False,
)
FAMILY = Family(NAME, None, in_a_loss=None, promises=(LOSS,))
