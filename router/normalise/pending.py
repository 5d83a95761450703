"""What of commitments and agreements can be said and is not planned for: each is refused by name."""

from __future__ import annotations

import numpy as np

from problems.core.bill_points import open_mean, rates_change
from problems.core.instance import Instance
from problems.core.payable import by_span
from problems.core.taken_off import counts_tokens
from router.errors import InputError
from router.loading.catalogue import input_issue
from router.schema import Problem


def refuse_parts_of_periods(problem: Problem, inst: Instance) -> None:
    """Raise `InputError` for rates that change within a period in which some work runs in a part of it.

    Of tiers: bands fill in order of time, and nothing says in what order the work of one period comes. Of tokens that a
    commitment counts: nothing says which of them an agreement covers, or an allowance in USD pays.
    """
    cells, time, contracts = inst.cells, inst.time, inst.contracts
    begin = time.start_h[cells.slot_period]
    from_h, to_h = begin + cells.slot_from * time.period_h, begin + cells.slot_to * time.period_h
    for b, o in enumerate(contracts.offer.tolist()):
        if contracts.tiers[b] is not None and rates_change(inst, b):
            figure, text = contracts.factor_at, "changes rates of tiers"
        elif (
            counts_tokens(inst, b) and _paid_by_others(problem, inst.offers.names[o]) and inst.offers.ruled[o]
        ):
            figure, text = (
                contracts.token_usd_at,
                "changes prices of tokens that others than its commitment pay for",
            )
        else:
            continue
        row = np.zeros(len(begin), dtype=np.int64)
        is_open = inst.offers.open[[o]]
        part = time.mean(is_open, row, from_h, to_h)
        priced = time.mean(np.where(is_open, figure[[b]], 0.0), row, from_h, to_h)
        usual = open_mean(inst, b, figure[[b]])[cells.slot_period] * part
        other = np.abs(priced - usual) > 1e-9 * np.maximum(usual, 1e-9)
        if (other & inst.workloads.permitted[cells.workload[cells.slot_cell], o]).any():
            path = (
                "offers",
                [offer.name for offer in problem.offers].index(inst.offers.file_names[o]),
                "schedule",
            )
            hint = "periods that begin where prices change"
            rule = f"{text} within a period in which some work runs in a part of it: is not planned for"
            raise InputError(input_issue(problem, path, None, rule, hint))


def refuse_parts_of_spans(problem: Problem, inst: Instance) -> None:
    """Raise `InputError` for credits that pay a part of a bill in which no use has a price of its own.

    Bands each at its price, and use above a commitment, are of all that a span uses: of the hours inside the dates of a
    credit, or of one of several offers, no bill says what it comes to.
    """
    contracts, credits, spans = inst.contracts, inst.credits, inst.contracts.spans
    for n, credit in enumerate(problem.credits):
        for b in [b for b in range(len(contracts.offer)) if by_span(contracts, b)]:
            agreed = inst.agreements.contract == b
            offers = inst.agreements.offer[agreed] if agreed.any() else contracts.offer[[b]]
            paid = credits.offer[n, offers]
            inside = [
                credits.part[n, span == k] for span in spans.lot_span[spans.lots(b)] for k in spans.of(b)
            ]
            where, name = ("credits", n), inst.offers.names[contracts.offer[b]]
            if paid.any() and not paid.all():
                rule = f"pays some offers of {name} alone, whose bands are of the use of all"
                raise InputError(input_issue(problem, (*where, "offers"), None, rule, ALL_UNITS))
            if paid.any() and any(np.ptp(part) > 1e-9 for part in inside if len(part)):
                rule = f"has dates within a span of {name}, whose bill is of all that the span uses"
                raise InputError(input_issue(problem, where, credit.name, rule, "dates at which spans begin"))


ALL_UNITS = "all of them, or tier_kind: all_units"


def _paid_by_others(problem: Problem, name: str) -> bool:
    """Whether an agreement covers use of an offer, or an allowance in USD pays it."""
    free = next((offer.free for offer in problem.offers if offer.name == name), None)
    agreed = any(name in each.offers and not each.in_units for each in problem.commitments)
    return agreed or (free is not None and free.usd_per_month is not None)
