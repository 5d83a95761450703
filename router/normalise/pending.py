"""What the schema can say and no plan is made for yet: refused by name, never ignored."""

from __future__ import annotations

from router.errors import InputError, Issue
from router.loading.catalogue import input_issue
from router.schema import Problem

RULE = "is not yet planned for"


def refuse_pending(problem: Problem) -> None:
    """Raise `InputError` naming every such field in use."""
    found: list[Issue] = []

    def refuse(*path: str | int, value: object = None, hint: str | None = None) -> None:
        found.append(input_issue(problem, path, value, RULE, hint))

    for o, offer in enumerate(problem.offers):
        terms = offer.commitment
        if terms is None or not terms.tiers:
            continue
        decided = terms.max_tokens_per_month is not None or terms.max_usd_per_month is not None
        for limit, used in (
            ("end_of_horizon: charge_in_full", problem.policy.end_of_horizon == "charge_in_full"),
            ("max_committed_usd", problem.policy.max_committed_usd is not None),
        ):
            if decided and used:
                refuse("offers", o, "commitment", hint=f"a volume to decide, with tiers and {limit}")
    if found:
        raise InputError(found)
