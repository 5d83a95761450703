"""What another solver says of a plan's bound, as a person reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.reports.document import Report
from router.reports.words import bound, usd

if TYPE_CHECKING:
    from router.planning.doubts.second_road import SecondOpinion


def opinion_report(opinion: SecondOpinion, name: str) -> Report:
    """The verdict, by whose word, and the cheaper plan where there is one."""
    least = f"no plan costs less than {bound(opinion.bound_usd, opinion.objective_usd)} USD"
    how = f"{opinion.solver}, from seed {opinion.seed} and without presolve"
    if opinion.outcome == "confirmed":
        verdict = f"Confirmed: {least}; {how}, finds none"
    elif opinion.cheaper_usd is None:
        why = opinion.stop.replace("_", " ")
        verdict = f"Not known whether {least}: {how}, neither found one nor showed that there is none ({why})"
    else:
        verdict = f"Refuted: {how}, finds a plan of {usd(opinion.cheaper_usd)} USD; PLAN says that {least}"
    own = "Its own multipliers prove the bound, worked out again by router verify" if opinion.own else ""
    cost = f"The plan costs {usd(opinion.objective_usd)} USD"
    headline = tuple(line for line in (verdict, cost, own) if line)
    if opinion.cheaper is None:
        return Report(name, headline, (), ())
    from router.reports.plan import plan_report

    cheaper = plan_report(opinion.cheaper)
    return replace(cheaper, title=name, headline=(*headline, "The cheaper plan:", *cheaper.headline))
