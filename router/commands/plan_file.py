"""A plan on disk, written whole; the parts of a large proof lie beside it, and tables in Parquet where asked for.

    plan.json                the plan, with the hashes of
    plan.proof.json.gz       the parts of its proof, where they take more than 1 MB
    plan.routes.parquet, …   its largest tables (see `router.plan.tables`)

Each takes its place when it is whole, the plan first; a proof of another plan has another hash.
"""

from __future__ import annotations

import gzip
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from router.errors import InputError, Issue
from router.output import is_plain, write_text, written_bytes
from router.plan.document import Plan
from router.plan.proof import ProofCase, ProofFile, ProofPart, opened_beside, parts_json, stored_parts
from router.plan.rows import InstanceRow, QuotaRow, RouteRow, TableFile

MOST_INSIDE = 1_000_000  # bytes of a proof that stand in the plan itself
MOST_BESIDE = 1_000_000_000  # bytes, once unpacked


def write_plan(path: str | Path, plan: Plan, *, parquet: bool = False) -> tuple[str, ...]:
    """Write a plan, whole or not at all; names of the files beside it, if it needs some. Raises InputError.

    parquet   its largest tables stand beside it
    """
    target, names = Path(path), list[str]()
    with ExitStack() as beside:
        if parquet:
            plan = replace(
                plan, tables=_tables_beside(target, plan, beside), routes=(), instances=(), quotas=None
            )
            names += (table.name for table in (plan.tables or {}).values())
        text, sha256 = parts_json(plan.proof) if plan.proof is not None else ("", "")
        if plan.proof is not None and len(text.encode()) > MOST_INSIDE and is_plain(target):
            name = f"{target.name.removesuffix('.json')}.proof.json.gz"
            cases = None if plan.proof.cases is None else ()
            lying = replace(plan.proof, parts=(), cases=cases, beside=ProofFile(name, sha256))
            plan = replace(plan, proof=lying)
            file = beside.enter_context(written_bytes(target.with_name(name)))
            file.write(gzip.compress(text.encode(), mtime=0))
            names.append(name)
        write_text(target, plan.to_json())
    return tuple(names)


def _tables_beside(target: Path, plan: Plan, beside: ExitStack) -> dict[str, TableFile]:
    """Files that take their places when the stack is left, in the order of periods."""
    from router.plan.tables import BESIDE, table_beside  # here: few plans have them

    stated = {}
    for table in (table for table in BESIDE if getattr(plan, table) is not None):
        writer = beside.enter_context(table_beside(target, table))
        rows: list[RouteRow | InstanceRow | QuotaRow] = sorted(
            getattr(plan, table), key=lambda row: row.period
        )
        writer.add(rows)
        stated[table] = writer.closed()
    return stated


def with_proof_beside(plan: Plan, path: str | Path) -> Plan:
    """The plan of a file with the parts of its proof, where they are in another beside it.

    `verify` says whether they are those that the plan speaks of. Raises InputError where it is missing or damaged.
    """
    if plan.proof is None or plan.proof.beside is None:
        return plan
    if plan.proof.blocks is not None:
        # beside tables they are read as they are needed
        parts = () if plan.tables is not None else tuple(stored_parts(path, plan.proof.beside))
        return replace(plan, proof=replace(plan.proof, parts=parts))
    with opened_beside(path, plan.proof.beside) as (file, beside):
        raw = beside.read(MOST_BESIDE + 1)
        if len(raw) > MOST_BESIDE:
            raise InputError(Issue((), f"is larger than {MOST_BESIDE:,} bytes", file=str(file)))
        if plan.proof.cases is None:
            parts = TypeAdapter(tuple[ProofPart, ...]).validate_json(raw)
            proof = replace(plan.proof, parts=parts)
        else:
            cases = TypeAdapter(tuple[ProofCase, ...]).validate_json(raw)
            proof = replace(plan.proof, cases=cases)
    return replace(plan, proof=proof)
