"""The figures of a sized plan: how they follow from the scenarios, and from each other."""

from collections.abc import Mapping

from router.verification.base.audit import Audit
from router.verification.base.ledger import Ledger


def check_sizing(audit: Audit, ledger: Ledger) -> None:
    """The section `sizing`, figure by figure. A plan of `solve` has none."""
    stated = audit.plan.get("sizing")
    if stated is None:
        return
    if not isinstance(stated, Mapping):
        ledger.fault("sizing is no mapping")
        return
    from router.verification.sizing.figures import check_figures  # here: most plans have no such section
    from router.verification.sizing.section import Section

    check_figures(Section(audit, stated, ledger))
