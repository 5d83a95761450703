"""A plan → what steers traffic and counts replicas: LiteLLM, gateways, KEDA, Dynamo and llm-d, Terraform, CSV.

Every exporter is a function from a plan (and the problem it was made from) to an `Exported`: the text of one file, or
of several, and what the reader must know. None of them reads or writes a file; equal plans give equal text.
"""

from router.exporters.commitments import commitments
from router.exporters.exported import Exported
from router.exporters.gateway import gateway
from router.exporters.headroom import headroom
from router.exporters.keda import keda
from router.exporters.litellm import litellm
from router.exporters.shares import largest_remainder, period_at, splits
from router.exporters.tables import tables
from router.exporters.targets import Targets, read_targets
from router.exporters.tfvars import tfvars
from router.exporters.workers import workers

__all__ = [
    "Exported",
    "Targets",
    "commitments",
    "gateway",
    "headroom",
    "keda",
    "largest_remainder",
    "litellm",
    "period_at",
    "read_targets",
    "splits",
    "tables",
    "tfvars",
    "workers",
]
