"""Where each origin's work goes, what the way there takes, and how much longer it could be before a promise is broken.

room   least over promised statistics of limit − (round trip + service), waits left out; 0: the round trip binds
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from router.planning.two_steps import Incumbent


@dataclass(frozen=True)
class OriginWay:
    """An offer that serves some of what comes from an origin.

    share         of the tokens that come from there
    rtt_ms        round trip
    room_ms       by how much it could be longer; None: no promise on first tokens or requests, or one of several steps
    network_usd   for what is sent, over the horizon
    """

    workload: str
    origin: str
    offer: str
    share: float
    rtt_ms: float
    room_ms: float | None
    network_usd: float


def origin_ways(found: Incumbent) -> tuple[OriginWay, ...]:
    """Of every workload with origins, the largest share first; nothing where none has any."""
    tokens = defaultdict[tuple[str, str, str], float](float)
    ways: dict[tuple[str, str, str], tuple[float, float, float]] = {}
    for view, cols in zip(found.encoded.views, found.encoded.columns, strict=True):
        inst, routes = view.inst, view.routes
        share = np.maximum(found.point[cols.flow], 0.0)
        for f in np.flatnonzero(share > 0).tolist():
            r = int(view.flows.route[f])
            w, o = int(routes.workload[r]), int(routes.offer[r])
            origin = inst.workloads.origins[w]
            if origin is None:
                continue
            key = (inst.workloads.file_names[w], origin, inst.offers.names[o])
            come, room = float(share[f] * view.flow_tokens[f]), float(routes.wait_budget_s[r].min())
            tokens[key] += come
            _, known, usd = ways.get(key, (0.0, float("inf"), 0.0))
            paid = float(share[f] * view.flows.work[f] * routes.egress_usd[r])
            paid *= float(inst.time.weight[view.flows.period[f]])
            ways[key] = (float(inst.network.rtt_s[w, o]), min(known, room), usd + paid)
    whole = defaultdict[tuple[str, str], float](float)
    for (load, origin, _), amount in tokens.items():
        whole[load, origin] += amount
    rows = [
        OriginWay(
            *key,
            tokens[key] / whole[key[:2]] if whole[key[:2]] > 0 else 0.0,
            rtt * 1e3,
            None if room == float("inf") else room * 1e3,
            usd,
        )
        for key, (rtt, room, usd) in ways.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.workload, row.origin, -row.share, row.offer)))
