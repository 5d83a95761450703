"""What was proven by name, as the proof in a plan: every bound in it is worked out by the verifier's reckoning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from router.plan.proof import Proof, ProofCase, ProofPart, ProvenLeaf
from router.verification.bound.proof import Unproven, proven_by_cases, proven_parts
from router.verification.bound.relaxation import RelaxedProblem
from router.verification.bound.spilling import minutes_row

ABOVE, LEAST = 1e-6, 1e-9  # relative, and USD: a bound so little above what the plan costs is its rounding


def stated_proof(
    relaxation: RelaxedProblem,
    parts: tuple[ProofPart, ...],
    value: float,
    prices: Mapping[str, float] | None = None,
    cases: tuple[ProofCase, ...] | None = None,
) -> Proof | None:
    """What parts, and prices of promises across them, or cases prove by the verifier's reckoning; nobody's claim yet.

    None where the plan would cost less than is proven: then it is none for these rows, which prove nothing of it.
    """
    try:
        if cases is None:
            bounds, total = proven_parts(relaxation, parts, prices)
        else:
            found, total = proven_by_cases(relaxation, cases)
    except Unproven:
        return None
    if total > value + ABOVE * abs(value) + LEAST:
        return None
    if cases is None:
        return Proof("solver", total, _stated(parts, bounds), prices=prices)
    each = tuple(
        replace(case, bound_usd=bound, parts=_stated(case.parts, bounds))
        for case, (bounds, bound) in zip(cases, found, strict=True)
    )
    return Proof("solver", total, (), cases=each)


def _stated(parts: tuple[ProofPart, ...], bounds: Iterable[float]) -> tuple[ProofPart, ...]:
    return tuple(replace(part, bound_usd=bound) for part, bound in zip(parts, bounds, strict=True))


def parts_in(proof: Proof) -> list[ProofPart]:
    """Of a proof, or of all its cases."""
    return [*proof.parts, *(part for case in proof.cases or () for part in case.parts)]


def rows_of_use(
    rows: Mapping[str, Mapping[str, float]] | None, proof: Proof
) -> Mapping[str, Mapping[str, float]] | None:
    """Rows over sets of minutes that the proof has a multiplier for."""
    if rows is None:
        return None
    leaves = [
        leaf for part in parts_in(proof) for leaf in part.leaves or (ProvenLeaf({}, part.multipliers or {}),)
    ]
    used = set().union(*(leaf.multipliers.keys() for leaf in leaves))

    def named(key: str) -> Iterable[str]:
        future, _, of_it = key.partition("|")
        for name in (minutes_row(key), minutes_row(key, full=True)):
            yield f"{name}@{future}" if of_it else name

    return {key: row for key, row in rows.items() if not used.isdisjoint(named(key))} or None
