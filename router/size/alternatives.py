"""What else could be signed, what it would cost, and how far demand may move before the advice does.

Alternatives are the best plans without each thing signed, with each thing not signed, and with nothing signed at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from problems.core.instance import Instance
from router.size.cluster import spread
from router.size.signed import Advice, Signed, advice, can_be_asked, quoted
from router.size.study import Best, Study, grown, only, signing, without

LOWEST, HIGHEST = 0.1, 10.0  # of all demand
STRIDES = (1.25, 1.6, 2.5, 5.0, 10.0)  # first look for a change at these, then halve
CLOSE = 0.01


@dataclass(frozen=True)
class Alternative:
    """Another best plan, under a condition. USD over the horizon; `more_usd` on the objective of the plan advised."""

    what: str
    expected_usd: float
    cvar_usd: float
    objective_usd: float
    more_usd: float
    signs: tuple[Signed, ...]
    gap: float  # how much less the best plan under the condition could cost, of its objective


@dataclass(frozen=True)
class Flip:
    """How far demand can go, down or up, until something else should be signed.

    at        multiple of all demand at which the advice has changed (within 1 %); None: not between 0.1 and 10
    feasible  whether there is a plan at all at that multiple; if not, `signs` is empty
    """

    direction: str  # "down" | "up"
    at: float | None
    feasible: bool
    signs: tuple[Signed, ...]


@dataclass(frozen=True)
class Weighed:
    """The variants that alternatives and quotes are read from. None: no plan keeps every promise."""

    losing: Mapping[int, Best | None]  # by offer signed: without it
    gaining: Mapping[int, Best | None]  # by offer not signed: with it
    nothing: Best | None  # None too where nothing is signed anyway


def weigh(study: Study, best: Best) -> Weighed:
    """Solve all variants."""
    inst = best.inst
    quotes = np.flatnonzero(quoted(inst))
    names = {one.offer for one in best.signs}
    taken = [int(o) for o in quotes if inst.offers.names[o] in names]
    others = [int(o) for o in quotes if inst.offers.names[o] not in names]
    asked = can_be_asked(inst)
    left = [o for o in others if asked[o]]
    tasks = [_Variant(study.alone(), without(inst, only(inst, o))) for o in taken]
    tasks += [_Variant(study.alone(), signing(inst, o)) for o in left]
    if many := bool(taken) and len(quotes) > 1:
        tasks.append(_Variant(study.alone(), without(inst, quoted(inst))))
    found = spread(_Variant.run, tasks, study.workers)
    losing = dict(zip(taken, found, strict=False))
    gaining = dict.fromkeys(others, best) | dict(zip(left, found[len(taken) :], strict=False))
    nothing = found[-1] if many else next(iter(losing.values()), None)
    return Weighed(losing, gaining, nothing)


def alternatives(best: Best, weighed: Weighed, most: int) -> tuple[Alternative, ...]:
    """The nearest in cost, at most so many, each advice once."""
    inst = best.inst
    named: list[tuple[str, Best | None]] = [("nothing signed", weighed.nothing)]
    named += [(f"without {inst.offers.names[o]}", one) for o, one in weighed.losing.items()]
    named += [(f"with {inst.offers.names[o]}", one) for o, one in weighed.gaining.items()]
    seen: set[Advice] = {advice(best.signs)}
    found: list[Alternative] = []
    for what, one in named:
        if one is None or (signs := advice(one.signs)) in seen:
            continue
        seen.add(signs)
        found.append(
            Alternative(
                what=what,
                expected_usd=one.expected_usd,
                cvar_usd=one.cvar_usd,
                objective_usd=one.objective_usd,
                more_usd=one.objective_usd - best.objective_usd,
                signs=one.signs,
                gap=one.gap,
            )
        )
    return tuple(sorted(found, key=lambda one: one.objective_usd)[:most])


def flips(study: Study, best: Best) -> tuple[Flip, ...]:
    """Where the advice changes as all demand shrinks, and as it grows."""
    tasks = [_Flip(study.alone(), best.inst, advice(best.signs), up) for up in (False, True)]
    return tuple(spread(_Flip.run, tasks, study.workers))


@dataclass(frozen=True)
class _Variant:
    study: Study
    inst: Instance

    def run(self) -> Best | None:
        return self.study.try_best(self.inst)


@dataclass(frozen=True)
class _Flip:
    study: Study
    inst: Instance
    advised: Advice
    up: bool

    def run(self) -> Flip:
        direction = "up" if self.up else "down"
        same, other = 1.0, None
        for stride in STRIDES:
            at = stride if self.up else 1.0 / stride
            found = self._at(at)
            if self._changed(found):
                other = at
                break
            same = at
        if other is None:
            return Flip(direction, None, True, ())
        while max(same, other) / min(same, other) > 1.0 + CLOSE:
            middle = float(np.sqrt(same * other))
            tried = self._at(middle)
            if self._changed(tried):
                other, found = middle, tried
            else:
                same = middle
        return Flip(
            direction,
            other,
            found is not None,
            () if found is None else found.signs,
        )

    def _at(self, factor: float) -> Best | None:
        return self.study.try_best(grown(self.inst, factor))

    def _changed(self, found: Best | None) -> bool:
        return found is None or advice(found.signs) != self.advised
