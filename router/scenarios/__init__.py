"""Generated futures: demand paths drawn with a seed, from a history or from growth and spread, and reduced in number.

    stream      numbers drawn from a seed, the same on every machine
    history     a record as whole weeks or days of requests by slot
    bootstrap   blocks of it laid end to end over the horizon, day and week kept
    generate    paths with growth and spread, for planning and drawn afresh
    reduce      a named number of them that stand for all

Imports nothing of `problems` and `solvers`: the verifier draws again by the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.schema import Problem

if TYPE_CHECKING:
    from router.scenarios.generate import Draw


def planned_draw(problem: Problem) -> Draw:
    """The scenarios that a problem asks to generate, reduced as it says. Raises InputError."""
    from router.scenarios import generate  # here: few problems generate their scenarios

    return generate.planned_draw(problem)


def fresh_draw(problem: Problem, count: int, seed: int) -> Draw:
    """Scenarios of the same generator that no plan has seen, all equally probable. Raises InputError."""
    from router.scenarios import generate

    return generate.fresh_draw(problem, count, seed)
