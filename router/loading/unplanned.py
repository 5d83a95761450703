"""What a problem file may say that some commands do not count yet: one table, and the error that names the field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from router.errors import InputError, Path
from router.loading.catalogue import input_issue
from router.schema import Problem


@dataclass(frozen=True, slots=True)
class Unplanned:
    """What is not counted, where a file says it, and the way out."""

    what: str
    fields: Callable[[Problem], Iterator[Path]]
    hint: str = "plan with router solve"


def _spills(problem: Problem) -> Iterator[Path]:
    for o, offer in enumerate(problem.offers):
        if offer.spills:
            yield ("offers", o, "spills")


SPILLS = Unplanned("what spills", _spills)

UNPLANNED: Mapping[str, tuple[Unplanned, ...]] = {
    "router backtest": (SPILLS,),
    "router reoptimise": (SPILLS,),
}
"""By command; what `router solve` plans and a command counts as well stands nowhere here."""


def refuse_unplanned(problem: Problem, command: str) -> None:
    """Raises `InputError` that names every field that a command does not count yet."""
    issues = [
        input_issue(problem, at, None, f"{command} does not count {each.what} yet", each.hint)
        for each in UNPLANNED[command]
        for at in each.fields(problem)
    ]
    if issues:
        raise InputError(issues)
