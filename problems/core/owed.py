"""What tiers charge for commitments that nobody uses, where the volume is decided: volumes with bands of their own.

    months[a]   of the commitment of start a that count in a volume           committed   own units a month
    volume      Σ_a months[a] · committed[a], tokens, at thresholds of so many months

A term by itself after the horizon (`end_of_horizon: charge_in_full`), and what each span is due in all
(`max_committed_usd`). A span that has one term alone and whole is that term's volume, so many times.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.blocks import ColumnSpace
from problems.core.contracts import Tiers
from problems.core.instance import Instance
from solvers.core.record import Record


class OwedVolume(Record):
    """A volume that is owed without any use."""

    contract: int
    starts: Ints  # (k,)
    months: Floats  # (k,) of each one's commitment
    share: float  # months of the thresholds
    volume: Ints  # (n,) columns: in each band, in `scale` tokens
    opens: Ints  # (n,) 0/1; empty where bands fill in order by themselves
    scale: float

    def bands(self, tiers: Tiers, committed: Floats) -> Floats:
        """(n,) tokens by band, of what starts commit to (A,) a month."""
        owed = np.array([float(self.months @ committed[self.starts])])
        return tiers.fill(owed, np.ones(1), self.share)[0] if owed[0] > 0 else np.zeros(len(self.volume))


class OwedVolumes(Record):
    """All of a problem, and where to find them; −1: what is owed is no decision, or none of it has a limit or price."""

    each: tuple[OwedVolume, ...]
    of_start: Ints  # (A,) of a term by itself, a month of it
    of_span: Ints  # (N,)
    times: Floats  # (N,) how often the volume of a span counts


def priced(inst: Instance, b: int) -> bool:
    """Whether what a contract owes without use is told by tiers."""
    return bool(inst.contracts.tiers[b] is not None and inst.contracts.in_tokens[b])


def owed_volumes(inst: Instance, space: ColumnSpace, scale: Floats) -> OwedVolumes:
    """Reserve the columns. `scale` (B,): own units a month of a committed column of 1."""
    contracts, spans = inst.contracts, inst.contracts.spans
    of_start = np.full(len(contracts.start_contract), -1, dtype=np.int64)
    of_span, times = np.full(len(spans.contract), -1, dtype=np.int64), np.ones(len(spans.contract))
    found: list[OwedVolume] = []
    decided = np.isfinite(contracts.start_max) & ~contracts.start_signed

    def add(starts: Ints, months: Floats, share: float, when: str) -> int:
        b = int(contracts.start_contract[starts[0]])
        tiers = contracts.tiers[b]
        assert tiers is not None  # the caller has looked
        n = len(tiers.usd)
        name = f"{inst.offers.names[contracts.offer[b]]},{when}"
        volume = space.take("owed_volume", n, lambda i: f"{name},{i}")
        ordered = not tiers.all_units and bool((np.diff(tiers.usd) >= 0).all())
        opens = space.take("owed_open", 0 if ordered else n, lambda i: f"{name},{i}", upper=1.0, integer=True)
        found.append(
            OwedVolume(b, starts, months, share, volume, opens, float(scale[b]) * max(share, 1e-300))
        )
        return len(found) - 1

    def alone(a: int) -> int:
        if of_start[a] < 0:
            of_start[a] = add(np.array([a]), np.ones(1), 1.0, contracts.start_label(a))
        return int(of_start[a])

    for a, b in enumerate(contracts.start_contract.tolist()):
        if inst.policy.charge_in_full and decided[a] and priced(inst, b) and contracts.beyond_months[a] > 0:
            alone(a)
    for n, b in enumerate(spans.contract.tolist() if np.isfinite(inst.policy.max_committed_usd) else ()):
        here = np.flatnonzero(spans.force_span == n)
        starts, months, share = spans.force_start[here], spans.force_share[here], float(spans.share[n])
        if not priced(inst, b) or not len(here) or (len(here) == 1 and not decided[starts[0]]):
            continue
        if len(here) == 1 and abs(months[0] - share) <= 1e-12 * share:
            of_span[n], times[n] = alone(int(starts[0])), share
        else:
            of_span[n] = add(starts, months, share, f"span {n - int(spans.of(b)[0])}")
    return OwedVolumes(tuple(found), of_start, of_span, times)
