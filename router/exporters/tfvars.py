"""Terraform: `*.tfvars.json` with the plan's counts, for `terraform apply -var-file=…`.

    router_instances = map(object({offer, model, max, by_period}))    instances of each pool, whole, by period
    router_hosts = map(object({max, by_period}))                      nodes of each kind of host, reserved ones included
    router_purchases = list(object({offer, model, month, count}))     bought for a term
    router_contracts = list(object({offer, start_month, end_month, tokens_per_month, usd_per_month}))

Declare the variables you use; the JSON holds all four. Counts are rounded up: a plan with `integral: false` may hold
fractions, and a fraction of a machine is a machine.
"""

from __future__ import annotations

from typing import Any

from router.exporters.counts import hosts, offer_key, pools, whole
from router.exporters.exported import Exported
from router.plan.document import Plan
from router.plan.values import to_json


def tfvars(plan: Plan, *, scenario: str | None = None) -> Exported:
    """The variables as JSON. Raises InputError."""
    pool_counts = pools(plan, scenario)
    variables: dict[str, Any] = {
        "router_instances": {
            pool.key: {
                "offer": pool.offer,
                "model": pool.model,
                "max": max(pool.counts),
                "by_period": pool.counts,
            }
            for pool in pool_counts
        },
        "router_hosts": {
            name: {"max": max(counts), "by_period": counts} for name, counts in hosts(plan, scenario).items()
        },
        "router_purchases": [
            {"offer": offer_key(row), "model": row.model, "month": row.month, "count": whole(row.count)}
            for row in plan.purchases
        ],
        "router_contracts": [
            {
                "offer": row.seller,
                "start_month": row.start_month,
                "end_month": row.end_month,
                "tokens_per_month": row.committed_tokens_per_month,
                "usd_per_month": row.committed_usd_per_month,
            }
            for row in plan.contracts
        ],
    }
    empty = () if pool_counts else ("the plan rents no instances",)
    return Exported(to_json(variables), empty)
