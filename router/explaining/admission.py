"""Refused routes: for each reason, the smallest change that would take it away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from router.normalise.network import way_to
from router.normalise.recipes import alone
from router.plan.rows import Refused
from router.schema import Model, Offer, OfferModel, Problem, Slo, Workload
from router.schema.paths import FieldPath, shown

PERCENTILES = ("p50", "p90", "p95", "p99")


NOT_OFFERED = "model_not_offered"


@dataclass(frozen=True)
class FieldChange:
    """A number of the problem file that would have to become another."""

    path: FieldPath
    value: float
    was: float

    @property
    def text_path(self) -> str:
        """`workloads.chat.slo.ttft_p95_ms`."""
        return shown(self.path)

    @property
    def text(self) -> str:
        """`workloads.chat.slo.ttft_p95_ms: 600 (is 400)`."""
        return f"{self.text_path}: {self.value:,.9g} (is {self.was:,.9g})"

    @property
    def size(self) -> float:
        """Of the change, relative to the field; inf from 0."""
        return abs(self.value / self.was - 1.0) if self.was else float("inf")

    @property
    def may_grow(self) -> bool:
        """Whether more of the change may help: waiting comes on top of a service's own time."""
        return "slo" in self.path

    def times(self, factor: float) -> FieldChange:
        """So many times the change."""
        return replace(self, value=self.was + factor * (self.value - self.was))


@dataclass(frozen=True)
class Admission:
    """A refused route, and what would admit it: every change named is needed.

    fields      the same as changes of single numbers, () where it takes something else
    """

    workload: str
    offer: str
    model: str
    reasons: tuple[str, ...]
    changes: tuple[str, ...]
    fields: tuple[FieldChange, ...] = ()
    recipe: str | None = None
    step: int | None = None


def admissions(problem: Problem, refused: Sequence[Refused]) -> list[Admission]:
    """The changes for every refused route.

    Nothing is said of a model that the offer does not list.
    """
    loads = {load.name: load for load in problem.workloads}
    offers = {offer.name: offer for offer in problem.offers}
    made = []
    for row in refused:
        load, offer, quality = loads[row.workload], offers[row.offer], problem.models[row.model].quality
        if row.recipe is not None and row.step is not None:
            recipe = next(each for each in load.recipes if each.name == row.recipe)
            asked, quality = load.needs.min_quality, recipe.quality
            load = alone(load, recipe, row.step)
            needs = load.needs.model_copy(update={"min_quality": asked})
            load = load.model_copy(update={"needs": needs})
        if NOT_OFFERED in row.reasons:
            continue
        rtt_ms = 0.0 if row.origin is None else 1e3 * way_to(problem, row.origin, offer)[0]
        case = _Case(problem, load, offer, problem.models[row.model], row.model, rtt_ms, quality)
        changes = tuple(CHANGES[reason](case) for reason in row.reasons)
        numbers = [FIELDS[reason](case) if reason in FIELDS else () for reason in row.reasons]
        fields = tuple(change for each in numbers for change in each) if all(numbers) else ()
        made.append(
            Admission(row.workload, row.offer, row.model, row.reasons, changes, fields, row.recipe, row.step)
        )
    return made


@dataclass(frozen=True)
class _Case:
    problem: Problem
    load: Workload
    offer: Offer
    model: Model
    name: str
    rtt_ms: float
    quality: float | None  # of the model, or of the recipe

    @property
    def entry(self) -> OfferModel | None:
        return self.offer.models.get(self.name)


def _context(case: _Case) -> str:
    """The windows that the request does not fit, and what it needs."""
    prompt, completion = case.load.prompt_tokens or 0, case.load.completion_tokens or 0
    limits = case.offer.limits
    together = max(case.load.needs.context_tokens or 0, prompt + completion)
    parts = [
        f"limits.{name}: {tokens:,.0f} (is {most:,.0f})"
        for name, tokens, most in (
            ("max_prompt_tokens", prompt, limits.max_prompt_tokens),
            ("max_completion_tokens", completion, limits.max_completion_tokens),
        )
        if most is not None and tokens > most
    ]
    windows = [window for window in (case.model.context_tokens, limits.context_tokens) if window is not None]
    if min(windows, default=together) < together:
        parts.insert(0, f"a context of {together:,.0f} tokens in model and offer")
    return ", ".join(parts)


def _memory(case: _Case) -> str:
    memory_gb = None if case.offer.instances is None else case.offer.instances.memory_gb
    if memory_gb is None:
        return "more memory"
    return f"an instance of {case.model.memory_gb:g} GB (has {memory_gb:g})"


def _slo_fields(case: _Case) -> tuple[FieldChange, ...]:
    """The SLOs that are above what is asked; () where one is not known, or is measured by points."""
    entry, slo = case.entry, case.load.slo
    if entry is None or entry.points:
        return ()
    found = []
    for field, limit in slo.model_dump(exclude_none=True).items():
        kind, percentile, _ = field.split("_")
        value = _value(entry, slo, kind, percentile, case)
        if value is None:
            return ()
        if value > limit * (1 + 1e-9):
            found.append(FieldChange(("workloads", case.load.name, "slo", field), value, limit))
    return tuple(found)


def _context_fields(case: _Case) -> tuple[FieldChange, ...]:
    prompt, completion = case.load.prompt_tokens or 0, case.load.completion_tokens or 0
    together = max(case.load.needs.context_tokens or 0, prompt + completion)
    limits, at = case.offer.limits, ("offers", case.offer.name, "limits")
    return tuple(
        FieldChange(path, tokens, most)
        for path, tokens, most in (
            (("models", case.name, "context_tokens"), together, case.model.context_tokens),
            ((*at, "context_tokens"), together, limits.context_tokens),
            ((*at, "max_prompt_tokens"), prompt, limits.max_prompt_tokens),
            ((*at, "max_completion_tokens"), completion, limits.max_completion_tokens),
        )
        if most is not None and tokens > most
    )


def _one(path: FieldPath, value: float | None, was: float | None) -> tuple[FieldChange, ...]:
    return () if value is None or was is None else (FieldChange(path, value, was),)


def _latency(case: _Case) -> str:
    """The SLOs that the service cannot keep, with what it does."""
    entry, slo = case.entry, case.load.slo
    if entry is None:
        return "a faster service"
    if entry.points:
        return "a looser SLO: no measured operating point keeps it"
    parts = []
    for field, limit in slo.model_dump(exclude_none=True).items():
        kind, percentile, _ = field.split("_")
        value = _value(entry, slo, kind, percentile, case)
        if value is None:
            parts.append(f"a stated {kind} at {percentile} or above")
        elif value > limit * (1 + 1e-9):
            parts.append(f"slo.{field}: {value:,.6g} (is {limit:,.6g})")
    return ", ".join(parts) or "a looser SLO"


def _value(entry: OfferModel, slo: Slo, kind: str, percentile: str, case: _Case) -> float | None:
    """What the service does at a percentile, or at the lowest known higher one; ms."""
    if kind != "tpot" and case.offer.turnaround_h is not None:
        return case.offer.turnaround_h * 3.6e6 + case.rtt_ms
    if kind == "ttft" and case.rtt_ms:
        service = _value(entry, slo, kind, percentile, replace(case, rtt_ms=0.0))
        return None if service is None else service + case.rtt_ms
    if kind == "request":
        first = _value(entry, slo, "ttft", percentile, case)
        further = max((case.load.completion_tokens or 0) - 1, 0)
        each = _value(entry, slo, "tpot", percentile, case) if further else 0.0
        return None if first is None or each is None else first + further * each
    if percentile == "mean":
        known: float | None = getattr(entry, f"{kind}_mean_ms")
        return known
    for level in PERCENTILES[PERCENTILES.index(percentile) :]:
        known = getattr(entry, f"{kind}_{level}_ms")
        if known is not None:
            return known
    mean, factor = getattr(entry, f"{kind}_mean_ms"), case.problem.policy.p99_over_mean
    return mean * factor if mean is not None and factor is not None else None


CHANGES: dict[str, Callable[[_Case], str]] = {
    "model_too_large": lambda case: (
        f"limits.max_parameters_b: {case.model.parameters_b:g} (is {case.offer.limits.max_parameters_b:g})"
    ),
    "memory": _memory,
    "context": _context,
    "streaming": lambda case: "limits.streaming: true, or needs.streaming: false",
    "custom_weights": lambda case: "limits.custom_weights: true, or needs.custom_weights: false",
    "open_weights": lambda case: f"a stated open_weights: true for {case.name}, or needs.open_weights: false",
    "region": lambda case: (
        f"one of {', '.join(case.load.needs.regions)} in limits.regions "
        f"(has {', '.join(case.offer.limits.regions) or 'none stated'}), or needs.regions wider"
    ),
    "quality": lambda case: (
        f"needs.min_quality: {case.quality:g} (is {case.load.needs.min_quality:g})"
        if case.quality is not None and case.load.needs.min_quality is not None
        else f"a stated quality of {case.name}"
        if case.model.quality is None
        else "a stated quality of the recipe"
    ),
    "latency": _latency,
    "unmeasured": lambda case: "a request size, and a throughput or a point measured at it or above",
    "no_price": lambda case: "a price for every kind of token it needs",
    "denied": lambda case: "routing.allow_offers or deny_offers changed",
    "deadline": lambda case: (
        f"deferrable_h: {case.offer.turnaround_h:g} (is {case.load.deferrable_h:g})"
        if case.load.deferrable_h is not None
        else f"a window of {case.offer.turnaround_h:g} h inside the horizon"
    ),
}


FIELDS: dict[str, Callable[[_Case], tuple[FieldChange, ...]]] = {
    "model_too_large": lambda case: _one(
        ("offers", case.offer.name, "limits", "max_parameters_b"),
        case.model.parameters_b,
        case.offer.limits.max_parameters_b,
    ),
    "memory": lambda case: _one(
        ("offers", case.offer.name, "instances", "memory_gb"),
        case.model.memory_gb,
        None if case.offer.instances is None else case.offer.instances.memory_gb,
    ),
    "context": _context_fields,
    "quality": lambda case: _one(
        ("workloads", case.load.name, "needs", "min_quality"), case.quality, case.load.needs.min_quality
    ),
    "latency": _slo_fields,
    "deadline": lambda case: _one(
        ("workloads", case.load.name, "deferrable_h"), case.offer.turnaround_h, case.load.deferrable_h
    ),
}
"""Reasons that a change of numbers takes away."""
