"""What a plan's bound rests on: multipliers of promises, by name, from which the bound is worked out again."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Literal, cast

from pydantic import TypeAdapter

from router.errors import InputError, Issue
from router.plan.values import Interval, Number, Whole, plain, record, stated, to_json
from router.schema.regular import check_regular

type Multipliers = Mapping[str, Number]


@record
class ProvenLeaf:
    """One leaf of a search tree: ranges of what is whole, and what multipliers prove there."""

    ranges: Mapping[str, Interval] = stated("From and to of each count that the leaf narrows; null: no end")
    multipliers: Multipliers = stated("USD per unit of each promise")


@record
class Rounding:
    """A row that whole counts make of promises: their sum by these weights, rounded."""

    weights: Multipliers = stated("Of each promise in the sum, of such rows before this one too")
    down: tuple[str, ...] = stated(
        "What is counted down from its upper limit; all else counts up from its lower one"
    )


@record
class ProofPart:
    """A part of the problem that shares no promise with the others, but for those at a price."""

    workloads: tuple[str, ...] = stated("Workloads that it serves")
    periods: tuple[Whole, ...] = stated("First and last period in which its work may run; none: no work")
    bound_usd: Number = stated("What the part costs at least")
    multipliers: Multipliers | None = stated("USD per unit of each promise", default=None)
    leaves: tuple[ProvenLeaf, ...] | None = stated(
        "Of a part with whole counts: leaves that leave no count out", default=None
    )
    usd: Multipliers | None = stated(
        "USD per unit of what other parts decide too: so much of it is paid here", default=None
    )
    roundings: tuple[Rounding, ...] | None = stated(
        "Rows that hold in this part, `rounding(0)` and so on among its multipliers; any weights are right",
        default=None,
    )


@record
class ProofCase:
    """One case of what spans the horizon, bounded by itself; together the cases leave nothing out."""

    ranges: Mapping[str, Interval] = stated("From and to of each count that the case narrows; null: no end")
    bound_usd: Number = stated(
        "No plan within these ranges has a lower objective; with a number, what that part of the problem costs at least"
    )
    parts: tuple[ProofPart, ...] = stated("As `proof.parts`, within these ranges")
    prices: Multipliers | None = stated("As `proof.prices`, within these ranges", default=None)
    sums: Mapping[str, tuple[str, ...]] | None = stated(
        "Counts added up, by a name of the sum: it is whole too, and leaves may narrow it; any sums are right",
        default=None,
    )
    roundings: tuple[Rounding, ...] | None = stated(
        "Rows that hold within these ranges, `rounding(0)` and so on among the multipliers; any weights are right",
        default=None,
    )
    apart: Whole | None = stated(
        "Number of a part of the problem that shares no promise with the others: cases of one number leave nothing of "
        "it out, and the least of each number counts",
        default=None,
    )


@record
class ProofFile:
    """Where the parts of a large proof are: beside the plan, as gzipped JSON; of one by blocks a part a line."""

    name: str = stated("Name of the file, in the folder of the plan")
    sha256: str = stated("Hash of what is in it, unpacked")


@record
class ProofBlocks:
    """How a problem falls apart into blocks of periods, each bounded by itself."""

    periods: Whole = stated("Periods of a block; the last may have fewer")
    shares: Multipliers = stated(
        "Of each contract: part of its minimum that a block which uses it pays by its hours; its rates are so much less"
    )


@record
class Proof:
    """Whose word the bound is, and a bound that `router verify` works out again."""

    kind: Literal["own", "two_searches", "solver"] = stated(
        "own: bound_usd of the plan is worked out again by router verify; two_searches: a second search, by another "
        "path, found no cheaper plan; solver: the solver's word"
    )
    bound_usd: Number = stated("No plan has a lower objective, worked out again from the parts")
    parts: tuple[ProofPart, ...] = stated("Parts, which with what is owed in any case make up the bound")
    mixes: Mapping[str, tuple[Number, ...]] | None = stated(
        "Pools in which users wait, by period: where rows for their load are cut by the mix (s: variability times "
        "seconds of an instance, weighed by load); any cuts are right, good ones make the bound high",
        default=None,
    )
    minutes: Mapping[str, Mapping[str, Number]] | None = stated(
        "Limits that spill: rows over the flows that are named and over the minutes in which their demand, by these "
        "weights of their shapes of mean 1, is more than 1; any rows are right, good ones make the bound high",
        default=None,
    )
    prices: Multipliers | None = stated(
        "USD per unit of promises across parts, paid in place of being kept; any prices are right, good ones make the "
        "bound high",
        default=None,
    )
    cases: tuple[ProofCase, ...] | None = stated(
        "In place of parts: by cases of counts of the whole horizon and contracts, the least of which counts, of a "
        "problem that falls apart the least of each part",
        default=None,
    )
    beside: ProofFile | None = stated(
        "Of a proof of more than 1 MB: where its parts, or cases, are", default=None
    )
    blocks: ProofBlocks | None = stated(
        "Of a proof by blocks of periods: parts stand in order, and their names count periods from the block's first",
        default=None,
    )


def parts_json(proof: Proof) -> tuple[str, str]:
    """The parts, or the cases, as JSON, and the hash of that."""
    text = to_json(proof.parts if proof.cases is None else proof.cases)
    return text, sha256(text.encode()).hexdigest()


def part_line(part: ProofPart) -> str:
    """A part of a proof by blocks, on a line of its own."""
    return json.dumps(plain(part), sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"


def stored_parts(plan: str | Path, beside: ProofFile) -> Iterator[ProofPart]:
    """Parts of a proof by blocks that lie beside a plan, one by one. Raises InputError, at the end for another hash."""
    digest, reader = sha256(), TypeAdapter(ProofPart)
    with opened_beside(plan, beside) as (file, lines):
        for line in lines:
            digest.update(line)
            yield reader.validate_json(line)
    if digest.hexdigest() != beside.sha256:
        raise InputError(
            Issue((), "is not the one that the plan was written with: its hash is another", file=str(file))
        )


@contextmanager
def opened_beside(plan: str | Path, beside: ProofFile) -> Iterator[tuple[Path, BinaryIO]]:
    """The file beside a plan that holds its proof, and what is in it, unzipped.

    Raises InputError where it is missing or damaged, ValueError of whoever reads it included.
    """
    file = Path(plan).with_name(Path(beside.name).name)
    check_regular(file)
    try:
        with gzip.open(file, "rb") as unzipped:
            yield file, cast(BinaryIO, unzipped)
    except (EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        rule = "is damaged: it is not the gzipped parts of a proof"
        raise InputError(Issue((), rule, file=str(file))) from error
    except OSError as error:
        hint = f"it holds the proof of {plan}; keep both together"
        raise InputError(
            Issue((), f"cannot be read: {error.strerror or error}", None, hint, str(file))
        ) from error
