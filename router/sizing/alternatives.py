"""What else could be signed, and what it would cost.

Alternatives are the best plans without each thing signed, with each thing not signed, and with nothing signed at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from problems.core.instance import Instance
from router.sizing.cluster import spread
from router.sizing.signed import Advice, Signed, advice, can_be_asked, quoted
from router.sizing.study import Best, Study, only, signing, without

NOTHING = "nothing signed"


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
class Weighed:
    """The variants that alternatives and quotes are read from. None: no plan keeps every promise."""

    losing: Mapping[int, Best | None]  # by offer signed: without it
    gaining: Mapping[int, Best | None]  # by offer not signed: with it
    nothing: Best | None  # None too where nothing is signed anyway

    def all(self) -> tuple[Best | None, ...]:
        return (self.nothing, *self.losing.values(), *self.gaining.values())

    def named(self, inst: Instance) -> dict[str, Best]:
        """By condition, in words; without those that have no plan."""
        names = inst.offers.names
        found = {NOTHING: self.nothing}
        found |= {f"without {names[o]}": one for o, one in self.losing.items()}
        found |= {f"with {names[o]}": one for o, one in self.gaining.items()}
        return {what: one for what, one in found.items() if one is not None}


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
    seen: set[Advice] = {advice(best.signs)}
    found: list[Alternative] = []
    for what, one in weighed.named(best.inst).items():
        if (signs := advice(one.signs)) in seen:
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


@dataclass(frozen=True)
class _Variant:
    study: Study
    inst: Instance

    def run(self) -> Best | None:
        return self.study.try_best(self.inst)
