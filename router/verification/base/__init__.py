"""What every check stands on, and what `router.simulation` reads a plan with; nothing here judges a plan.

Audit                     one plan of one problem: its case, cells, flows, pools, bills and costs, each made once
Case, Future              the problem by name, its billing months, and one scenario of it
Flow                      work on one route in one period, h of the horizon and units of the workload
Pool                      instances of one offer (and model) in one period, with those that serve
LEVEL, STATISTICS         statistics of a latency: percentiles as parts of 1, and the mean besides
Limits, limits            what a workload promises: (ttft | tpot | request, statistic, ms)
stated_ms, service_ms     measured latencies of an entry, and what stands for a statistic; ms
operating_point           the measured point that a route runs at
PoolUse, use_of           one route's part in a pool: requests/s, instance-seconds, concurrency, s left to wait
Allowance, BY_MINUTE      what caps let through, and what counts in them; the kinds that hold by the minute
WholeCell                 all of a cell on a route into a limit that spills, and what of it the limit takes
carried_by_minute, …      what a limit that spills carries by the minute, and what boots then
Queue, queues             a pool as the waiting formula sees it: servers, busy, service time in s
"""

from router.verification.base.audit import Audit
from router.verification.base.case import Case, Future
from router.verification.base.flows import Flow
from router.verification.base.latency import LEVEL, STATISTICS, Limits, limits, service_ms, stated_ms
from router.verification.base.pools import Pool
from router.verification.base.queueing import PoolUse, Queue, operating_point, queues, use_of
from router.verification.base.quotas import (
    BY_MINUTE,
    Allowance,
    WholeCell,
    booting_by_minute,
    carried_by_minute,
    first_to_boot,
)

__all__ = [
    "BY_MINUTE",
    "LEVEL",
    "STATISTICS",
    "Allowance",
    "Audit",
    "Case",
    "Flow",
    "Future",
    "Limits",
    "Pool",
    "PoolUse",
    "Queue",
    "WholeCell",
    "booting_by_minute",
    "carried_by_minute",
    "first_to_boot",
    "limits",
    "operating_point",
    "queues",
    "service_ms",
    "stated_ms",
    "use_of",
]
