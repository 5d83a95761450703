"""Survival: when any one provider (or offer) is lost, the rest still meets demand.

    for every loss l: Σ_(r not in l) flow[l,c,r,t] + unserved[l,c] = 1, and the rows of recipes, throughput, quota,
    adapters, answers that are due, linking and `overage: none`, with the counts, contracts and purchases planned

    flow[l,c,r,t]   share of the cell's work on route r after the loss                            1, in [0, 1]
    charged, part, carry, uncovered, band_volume, band_open of l: what contracts that limit what they carry count of it

Only flows move: these columns cost nothing (the plan's cost is that without loss), so the counts and contracts pay for
the insurance. A fee is due for what carries work without a loss: an offer kept for a loss alone asks for none.
Provider shares do not bind in a loss, nor do waiting times and promises on the times of several steps: plain capacity
does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from problems import commitments, tiers
from problems.core.adapter_columns import adapter_columns
from problems.core.answer_columns import answer_columns
from problems.core.arrays import NONE, Ints, distinct
from problems.core.blocks import ColumnSpace
from problems.core.columns import Columns, Planned, reachable
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
    follows: Ints  # columns beside the flows that are no whole numbers: what contracts count of them
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
        charged=_charged(left, cols, stays, flow, lost, space),
        unserved=unserved,
        adapters=adapters,
        answers=answers,
        capacity=no_waiting,
        queues=(),
    )
    return AfterLoss(lost, left, *_counting_anew(left, rest, cols, stays, lost, space), stays)


def _charged(view: View, cols: Columns, stays: Ints, flow: Ints, lost: Loss, space: ColumnSpace) -> Ints:
    """A column of its own for what is not free of each flow whose contract limits what it carries."""
    charged, inst = flow.copy(), view.inst
    limited = np.isin(view.flow_contract, commitments.limited_alone(inst))
    some = np.flatnonzero(limited & (cols.charged != cols.flow)[stays])
    label = _numbered(f"{lost.name} lost")
    charged[some] = space.take(f"{NAME}_charged", len(some), label, upper=1.0, block=view.scenario + 1)
    return np.asarray(charged)


def _counting_anew(
    view: View, cols: Columns, plan: Columns, stays: Ints, lost: Loss, space: ColumnSpace
) -> tuple[Columns, Ints]:
    """With columns of their own for contracts that limit what they carry, and those of them that are no whole numbers.

    They count not what the plan does: bands, the term that use is counted under, what spans leave for later ones.
    """
    contracts, block = view.inst.contracts, view.scenario + 1
    volumes, opens, carry = list(cols.band_volume), list(cols.band_open), cols.carry.copy()
    at, spans = cols.parts.at.copy(), contracts.spans
    own: list[Ints] = [np.asarray(cols.charged[cols.charged != cols.flow])]
    n_contracts = len(contracts.offer)
    uncovered, unit = [np.empty(0, dtype=np.int64)] * n_contracts, np.ones(n_contracts)

    def take(kind: str, b: int, n: int, most: float = np.inf) -> Ints:
        label = _numbered(f"{lost.name} lost,{view.inst.offers.names[contracts.offer[b]]}")
        own.append(space.take(f"{NAME}_{kind}", n, label, upper=most, block=block))
        return own[-1]

    for b in tiers.limited(view).tolist():
        volumes[b] = take("band_volume", b, volumes[b].size).reshape(volumes[b].shape)
        label = _numbered(f"{lost.name} lost,{view.inst.offers.names[contracts.offer[b]]}")
        whole = np.flatnonzero(opens[b] >= 0)
        opened = np.full(opens[b].shape, NONE, dtype=np.int64)
        opened.ravel()[whole] = space.take(
            f"{NAME}_band_open", len(whole), label, upper=1.0, integer=True, block=block
        )
        opens[b] = opened
    for b in commitments.limited_alone(view.inst).tolist():
        mine = np.flatnonzero(spans.lot_contract[cols.parts.lot] == b)
        if len(mine):
            at[mine] = take("part", b, len(mine), 1.0)
        if contracts.rollover[b]:
            carry[spans.of(b)] = take("carry", b, len(spans.of(b)))
        o = int(contracts.offer[b])
        free = cols.paid_by.free_of(o, view.inst.credits.allowance)
        if len(cols.covered.billed_elsewhere(o)) + len(free):
            uncovered[b] = take("uncovered", b, view.inst.time.periods)
            own_use = view.own_use(b, tokens=bool(contracts.in_tokens[b]))
            unit[b] = float(own_use.max(initial=0.0)) or 1.0
    none = np.full_like(cols.exceeds, NONE)
    parts = replace(cols.parts, at=at, usd_at=np.full_like(at, NONE))
    planned = Planned(plan.flow[stays], plan.charged[stays], tuple(uncovered), unit)
    anew = replace(
        cols,
        band_volume=tuple(volumes),
        band_open=tuple(opens),
        carry=carry,
        exceeds=none,
        lapses=none,
        parts=parts,
        planned=planned,
    )
    return anew, np.concatenate(own)


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
