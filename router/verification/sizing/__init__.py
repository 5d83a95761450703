"""The figures of a sized plan: how they follow from the scenarios, and from each other."""

from router.verification.base.audit import Audit
from router.verification.base.ledger import Ledger


def check_sizing(audit: Audit, ledger: Ledger) -> None:
    """The section `sizing`, figure by figure. A plan of `solve` has none."""
    if audit.plan.sizing is None:
        return
    from router.verification.sizing.figures import check_figures  # here: most plans have no such section
    from router.verification.sizing.section import Section

    check_figures(Section(audit, audit.plan.sizing, ledger))
