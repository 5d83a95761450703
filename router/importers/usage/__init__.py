"""Recorded usage → workloads by period: LiteLLM, OpenAI, Anthropic, FOCUS bills, Prometheus.

Formats are read into `Row`s (one module each), put together, cut into periods (`periods.py`) and written as a problem
file without offers (`problem.py`). Conventions:

- What comes in goes out or stands in the account: rows, requests, tokens, money. Rows that repeat others count once.
- Time that no record covers is a gap, and an error unless `gaps` says otherwise: missing data is not silence.
- Prompt tokens include cached ones, whatever the format does; a count that cannot be is an error with its row.
- Failed requests and answers from a proxy's own cache reach no provider and are left out, by number.
- A record that is older than `max_age_h` is an error: a job must not plan for a day that is long past.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from types import ModuleType

from router.errors import InputError, Issue
from router.importers.records import RawRecord, csv_records, is_table, json_records
from router.importers.usage import (
    anthropic_usage,
    commitments,
    focus,
    litellm_activity,
    litellm_daily,
    litellm_spend,
    openai_usage,
    prometheus,
)
from router.importers.usage.grid import Cut
from router.importers.usage.periods import Usage, account_of, cut
from router.importers.usage.problem import Draft, draft
from router.importers.usage.reading import MissingUsage, StaleUsage, UsageRecords

__all__ = [
    "FORMATS",
    "Cut",
    "Draft",
    "MissingUsage",
    "StaleUsage",
    "Usage",
    "UsageFiles",
    "account_of",
    "cut",
    "draft",
    "read_files",
    "read_usage",
    "usage_of",
]

MODULES: tuple[ModuleType, ...] = (
    litellm_spend,
    litellm_daily,
    litellm_activity,
    openai_usage,
    anthropic_usage,
    focus,
    prometheus,
)
FORMATS = ("auto", *(module.NAME for module in MODULES))
AGAIN = " (given again)"


@dataclasses.dataclass(frozen=True)
class UsageFiles:
    """Records of all files, in their order, and the one format that they have."""

    module: ModuleType
    records: Sequence[RawRecord]
    names: Sequence[str]

    @property
    def source(self) -> str:
        """`FOCUS cost and usage: june.csv`."""
        return f"{self.module.TITLE}: {', '.join(self.names)}"


def read_files(paths: Sequence[FilePath], form: str = "auto") -> UsageFiles:
    """All files together, which must be of one format: `form`, else what the first record shows. Raises InputError."""
    module, records = None, []
    paths_read: set[FilePath] = set()
    for path in paths:
        its = csv_records(path) if is_table(path) else json_records(path)
        if path.resolve() in paths_read:  # a file of its own, so that its rows are found to repeat others
            its = [
                dataclasses.replace(one, file=f"{path}{AGAIN}{one.file.removeprefix(str(path))}")
                for one in its
            ]
        paths_read.add(path.resolve())
        if not its:
            raise MissingUsage(Issue((), "holds no record", file=str(path)))
        kind = next((one for one in MODULES if form == one.NAME), None) or _recognised(its[0])
        if module is not None and kind is not module:
            rule = f"is {kind.TITLE}, and what came before is {module.TITLE}"
            raise InputError(Issue((), rule, file=str(path), hint="import each on its own"))
        module = kind
        records += its
    if module is None:
        raise InputError(Issue((), "no file is given"))
    return UsageFiles(module, records, [path.name for path in paths])


def read_usage(
    paths: Sequence[FilePath], form: str = "auto", settings: Mapping[str, Sequence[str]] | None = None
) -> UsageRecords:
    """The use of all files. `settings` go to the format. Raises InputError."""
    return usage_of(read_files(paths, form), settings or {})


def usage_of(files: UsageFiles, settings: Mapping[str, Sequence[str]]) -> UsageRecords:
    """The use that the records tell; raises MissingUsage where there is none, InputError as the format says."""
    if files.module is commitments:
        raise InputError(Issue((), "are commitments, and no use", file=", ".join(files.names)))
    reading: UsageRecords = files.module.read(files.records, dict(settings))
    if not reading.rows and not reading.covered:
        detail = "\n".join(map(str, reading.account.remarks)) or None
        raise MissingUsage(Issue((), "hold no usage", file=", ".join(files.names), detail=detail))
    return dataclasses.replace(reading, source=files.source)


def _recognised(record: RawRecord) -> ModuleType:
    if commitments.is_commitment(record):
        return commitments
    for module in MODULES:
        if module.recognises(record):
            return module
    known = ", ".join(module.TITLE for module in MODULES)
    raise record.error(
        (), "is not a usage record in a known format", hint=f"known formats: {known}; --format names one"
    )
