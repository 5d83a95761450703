"""What may stand beside a plan: the JSON of `explain`, `simulate` and `backtest`, known by what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from router.errors import InputError, Issue
from router.plan.file import read_json

type Json = Mapping[str, Any]

HOLDS = {
    "explanation": ("feasible", "repairs", "binding"),
    "simulation": ("promises", "pools", "verdicts"),
    "backtest": ("replay", "regret_usd", "series"),
}
"""Keys that each kind of file has."""


@dataclass(frozen=True)
class Companions:
    """As read; None: not given."""

    explanation: Json | None = None
    simulation: Json | None = None
    backtest: Json | None = None


def companions(files: Iterable[str | Path]) -> Companions:
    """Reads them. Raises InputError for a file that is none of the three, or two of a kind."""
    found: dict[str, Json] = {}
    for file in files:
        document = read_json(file)
        kinds = [kind for kind, keys in HOLDS.items() if all(key in document for key in keys)]
        if not kinds:
            rule = "is not what explain --json, simulate --json or backtest --json writes"
            raise InputError(Issue(("--with",), rule, str(file)))
        if kinds[0] in found:
            raise InputError(Issue(("--with",), f"is a second {kinds[0]}", str(file), "give one of each"))
        found[kinds[0]] = document
    return Companions(**found)
