"""Where no change of one kind repairs: fields that, changed together, make a plan possible, and none of which can stay.

Everything that could stand in the way is left out; where no plan exists even so, an offer that serves everything for
nothing is added, and at last less than all is served. Then fields are put back, half of the rest at a time, what hurts
most to give up first: service, then what workloads ask, then limits of offers, then the budget. A number that cannot
be put back is taken as far as it must be: the least cost for a budget, else to within a hundredth of the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from router.errors import RouterError
from router.explaining.admission import FieldChange
from router.explaining.conflict import Repair, outward
from router.explaining.mending import FURTHEST, NEAR, Trials
from router.explaining.promises import StatedPromise
from router.planning.solve import Search, best_plan
from router.schema import Offer, Problem
from router.schema.paths import FieldPath, default_at, shown, value_at, with_value

ASKED = ("routing", "needs", "slo")
UNSERVED = "unserved_usd_per_m_tokens"
BUDGET = ("policy", "max_spend_usd")
WHOLE = ("max", "max_units")  # come in whole numbers
SLACK = 1 + 1e-7  # of a budget that is exactly the least cost
ANOTHER = "another offer"
NAME = "what stands in the way together gives way"

type Settings = Mapping[FieldPath, object]


@dataclass(frozen=True)
class _Relaxed:
    """A problem with some of its fields as they are asked, and the others given up."""

    problem: Problem
    given_up: Settings

    def with_(self, given_up: Settings) -> Problem:
        changed = self.problem
        for path, value in given_up.items():
            changed = with_value(changed, path, value)
        return changed

    def put_back(self, paths: Sequence[FieldPath]) -> _Relaxed:
        return _Relaxed(self.problem, {path: v for path, v in self.given_up.items() if path not in paths})

    def possible(self, trials: Trials) -> bool | None:
        return trials.possible(self.with_(self.given_up))


def together(
    problem: Problem, stated: Sequence[StatedPromise], trials: Trials, search: Search
) -> Repair | None:
    """The fields that must change together, each tried; None where the time did not suffice to find them."""
    asked: dict[FieldPath, object] = dict(_relaxations(problem, stated))
    served: dict[FieldPath, object] = {("workloads", load.name, UNSERVED): 1.0 for load in problem.workloads}
    more = with_another_offer(problem)
    for base, given_up in ((problem, asked), (more, asked), (problem, {**served, **asked})):
        relaxed = _Relaxed(base, given_up)
        if relaxed.possible(trials):
            least = _put_back(relaxed, list(given_up), trials)
            return _repair(problem, _numbers(least, trials, search), base is more)
    return None


def _relaxations(problem: Problem, stated: Sequence[StatedPromise]) -> Iterator[tuple[FieldPath, object]]:
    """Fields as they would be if nothing was asked, what hurts most to give up first."""
    parts: list[FieldPath] = [("workloads", load.name, part) for part in ASKED for load in problem.workloads]
    fields: list[FieldPath] = [
        (*path, field) for path in parts for field in type(value_at(problem, path)).model_fields
    ]
    fields += [each.path for each in stated if each.path not in fields and each.path[-1] != "demand"]
    for path in sorted(fields, key=lambda path: path == BUDGET):
        try:
            value, default = value_at(problem, path), default_at(problem, path)
        except KeyError:  # it stands elsewhere in the file: half of a replica, say
            continue
        if value != default:
            yield path, default


def with_another_offer(problem: Problem) -> Problem:
    """The problem with an offer more that serves every model at once, everywhere and for nothing."""
    name, regions = ANOTHER, sorted({each for load in problem.workloads for each in load.needs.regions})
    while any(offer.name == name for offer in problem.offers):
        name += " more"
    entry = {
        f"{kind}_{at}_ms": 1e-3 for kind in ("ttft", "tpot") for at in ("mean", "p50", "p90", "p95", "p99")
    }
    entry |= {"prompt_usd_per_m": 0.0, "completion_usd_per_m": 0.0}
    offer = Offer.model_validate(
        {
            "name": name,
            "provider": name,
            "models": dict.fromkeys(problem.models, entry),
            "limits": {"regions": regions, "custom_weights": True},
        }
    )
    return problem.model_copy(update={"offers": (*problem.offers, offer)})


def _put_back(relaxed: _Relaxed, paths: Sequence[FieldPath], trials: Trials) -> _Relaxed:
    """What is left when as many fields as can be are as they are asked."""
    if not paths:
        return relaxed
    trial = relaxed.put_back(paths)
    if trial.possible(trials):
        return trial
    if len(paths) == 1:
        return relaxed
    half = len(paths) // 2
    return _put_back(_put_back(relaxed, paths[:half], trials), paths[half:], trials)


def _numbers(relaxed: _Relaxed, trials: Trials, search: Search) -> _Relaxed:
    """Numbers that must give way, as far as they must, one after the other; others stay left out."""
    given_up = dict(relaxed.given_up)
    for path, left_out in relaxed.given_up.items():
        was = value_at(relaxed.problem, path)
        if path[-1] == UNSERVED or not isinstance(was, float) or was <= 0:
            continue

        def works(value: float, path: FieldPath = path) -> bool:
            return bool(_Relaxed(relaxed.problem, {**given_up, path: value}).possible(trials))

        value = _least_cost(relaxed.with_(given_up), search) if path == BUDGET else _nearest(path, was, works)
        if path == BUDGET and value is not None and not works(value):  # too little by a rounding
            value = outward(value * SLACK, rises=True)
            value = value if works(value) else None
        given_up[path] = left_out if value is None else value
    return _Relaxed(relaxed.problem, given_up)


def _least_cost(problem: Problem, search: Search) -> float | None:
    """What the best plan without a budget costs, rounded up; None where none is found."""
    try:
        cost_usd = best_plan(problem, search).cost_usd
    except RouterError:
        return None
    return outward(cost_usd, rises=True)


def _nearest(path: FieldPath, was: float, works: Callable[[float], bool]) -> float | None:
    """The value nearest to what it was that works; a minimum falls, other limits rise."""
    step = 0.5 if path[-1].startswith("min_") else 2.0
    low, high = was, was * step
    while not works(high):
        low, high = high, high * step
        if not 1 / FURTHEST <= high / was <= FURTHEST:
            return None
    whole = 1.0 if path[-1] in WHOLE else 0.0
    while abs(high - low) > max(NEAR * abs(high - was), whole):
        middle = (low + high) / 2
        low, high = (low, middle) if works(middle) else (middle, high)
    plain = float(f"{high:.2g}")
    return plain if works(plain) and abs(plain - was) <= abs(high - was) else outward(high, rises=high > was)


def _repair(problem: Problem, relaxed: _Relaxed, another: bool) -> Repair:
    changes = tuple(
        FieldChange(path, value, value_at(problem, path))
        for path, value in relaxed.given_up.items()
        if isinstance(value, float) and isinstance(value_at(problem, path), float)
    )
    numbers = {change.path for change in changes}
    left_out = [path for path in relaxed.given_up if path not in numbers]
    texts = [change.text for change in changes]
    texts += [
        f"{shown(path)}: 1 (is left out)" if path[-1] == UNSERVED else f"without {shown(path)}"
        for path in left_out
    ]
    if another:
        models = sorted({model for load in problem.workloads for model in load.models})
        texts.insert(0, f"another offer, of {', '.join(models)}")
    paths = [shown(path) for path in relaxed.given_up] or ["offers"]
    alone = another or len(relaxed.given_up) == 1
    return Repair(
        promise="there is another offer" if another and not relaxed.given_up else NAME,
        field=" and ".join(paths),
        needed=changes[0].value if changes and alone and not another else None,
        text=" and ".join(texts),
        size=max((change.size for change in changes), default=float("inf")) if not left_out else float("inf"),
        changes=changes,
        left_out=tuple(left_out),
        another_offer=another,
    )
