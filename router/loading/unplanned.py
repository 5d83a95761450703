"""What a problem file may say that some commands do not count yet: the error that names the field."""

from __future__ import annotations

from router.errors import InputError
from router.loading.catalogue import input_issue
from router.schema import Problem


def refuse_spills(problem: Problem, command: str) -> None:
    """Raises `InputError` that names every offer that spills."""
    rule, hint = f"{command} does not count what spills yet", "plan with router solve"
    issues = [
        input_issue(problem, ("offers", o, "spills"), None, rule, hint)
        for o, offer in enumerate(problem.offers)
        if offer.spills
    ]
    if issues:
        raise InputError(issues)
