"""What spans leave of their commitment for later ones: used oldest first, and lapsed after so many of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from problems.core.arrays import Floats
from problems.core.view import View


def rolled(view: View, b: int, used: Floats, committed: Floats) -> tuple[Floats, Floats, Floats]:
    """(n,) each: use beyond all that is left and committed, oldest first; what is left; use paid from earlier spans."""
    beyond = np.maximum(used - committed, 0.0)
    carried, paid = np.zeros(len(used)), np.zeros(len(used))
    for i, left, due in rests(view, b, used, committed):
        rollover = int(view.inst.contracts.rollover[b])
        paid[i] = min(float(used[i]), sum(left))
        after = use_up([*left, due], float(used[i]))
        beyond[i] = max(float(used[i]) - sum(left) - due, 0.0)
        carried[i] = sum(after[-rollover:])
    return beyond, carried, paid


def left_after(view: View, b: int, used: Floats, committed: Floats, k: int, *, ended: bool) -> list[float]:
    """What stands of rests, oldest first, at the start of span number `k` of a contract, or where it has ended."""
    rest: list[float] = []
    for i, left, due in rests(view, b, used, committed):
        if i == k:
            rest = (
                use_up([*left, due], float(used[i]))[-int(view.inst.contracts.rollover[b]) :]
                if ended
                else left
            )
    return rest


def rests(view: View, b: int, used: Floats, committed: Floats) -> Iterator[tuple[int, list[float], float]]:
    """(span, what those before it left, what is due in it), oldest first, of a contract whose rest rolls over."""
    contracts = view.inst.contracts
    spans, rollover = contracts.spans.of(b), int(contracts.rollover[b])
    lot, left = contracts.spans.lot[spans], list[float]()
    for i in range(len(spans)) if rollover else ():
        if i == 0 or lot[i] != lot[i - 1]:
            left = contracts.credit[b].tolist() if contracts.spans.from_h[spans[i]] <= 0.0 else []
        left = left[-rollover:]
        yield i, left, float(committed[i])
        left = use_up([*left, float(committed[i])], float(used[i]))


def use_up(left: Sequence[float], used: float) -> list[float]:
    """What is left of some amounts when the first of them are used first."""
    rest = []
    for each in left:
        taken = min(each, used)
        rest.append(each - taken)
        used -= taken
    return rest
