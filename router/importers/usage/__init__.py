"""Recorded usage → workloads by period: LiteLLM, the OpenAI usage API, FOCUS bills, Prometheus.

Formats are read into `Reading`s (one module each), put together, cut into periods (`periods.py`) and written as a
problem file without offers (`problem.py`). Conventions:

- Time that no record covers is a gap, and an error unless `gaps` says otherwise: missing data is not silence.
- Prompt tokens include cached ones, whatever the format does.
- Failed requests and answers from a proxy's own cache reach no provider and are left out, by number.
- A record that is older than `max_age_h` is an error: a job must not plan for a day that is long past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from types import ModuleType

from router.errors import InputError, Issue
from router.importers.records import RawRecord, csv_records, json_records
from router.importers.usage import focus, litellm_daily, litellm_spend, openai_usage, prometheus
from router.importers.usage.periods import Cut, Usage, cut
from router.importers.usage.problem import Draft, draft
from router.importers.usage.reading import MissingUsage, StaleUsage, UsageRecords, together

__all__ = [
    "FORMATS",
    "Cut",
    "Draft",
    "MissingUsage",
    "Reading",
    "StaleUsage",
    "Usage",
    "cut",
    "draft",
    "read_usage",
]

MODULES: tuple[ModuleType, ...] = (litellm_spend, litellm_daily, openai_usage, focus, prometheus)
FORMATS = ("auto", *(module.NAME for module in MODULES))


def read_usage(
    paths: Sequence[FilePath], form: str = "auto", settings: Mapping[str, Sequence[str]] | None = None
) -> UsageRecords:
    """All files together, which must be of one format. `settings` go to the format. Raises InputError."""
    module, found = None, []
    for path in paths:
        its = csv_records(path) if path.suffix.lower() in (".csv", ".tsv") else json_records(path)
        if not its:
            raise MissingUsage(Issue((), "holds no record", file=str(path)))
        kind = next((one for one in MODULES if form == one.NAME), None) or _recognised(its[0])
        if module is not None and kind is not module:
            rule = f"is {kind.TITLE}, and what came before is {module.TITLE}"
            raise InputError(Issue((), rule, file=str(path), hint="import each on its own"))
        module = kind
        found += its
    if module is None:
        raise InputError(Issue((), "no file is given"))
    reading: UsageRecords = module.read(found, dict(settings or {}))
    return together(reading, module.TITLE, [path.name for path in paths])


def _recognised(record: RawRecord) -> ModuleType:
    for module in MODULES:
        if module.recognises(record):
            return module
    known = ", ".join(module.TITLE for module in MODULES)
    raise record.error(
        (), "is not a usage record in a known format", hint=f"known formats: {known}; --format names one"
    )
