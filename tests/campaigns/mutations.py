"""Every leaf of plans changed, one at a time: `router verify` names the change, or the leaf is one that it may leave.

    python tests/campaigns/mutations.py                       # the shipped examples named below
    python tests/campaigns/mutations.py quickstart fleet      # some
    python tests/campaigns/mutations.py plan.json problem.yaml   # any plan, such as one of a scheduled run

A leaf is a number, text, flag or null of the plan file; a list loses a row, or has one twice. What verify does not have
to see stands in `FREE`, each with its reason; everything else must end in 2 or 6.
A change that leaves every statement true (other multipliers that prove as much) is none.
"""

from __future__ import annotations

import copy
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from router.api import load, solve
from router.errors import InputError
from router.plan.document import Plan
from router.verification import verify

EXAMPLES = Path(__file__).parents[2] / "router" / "examples"
NAMED = (
    "quickstart",
    "fleet",
    "eligibility",
    "eligibility-latency",
    "mixed",
    "case-01-reserved-or-not",
    "case-03-reserved-minimum",
    "case-05-documents",
    "case-08-log-analysis",
    "case-09-wafers",
    "case-10-overnight-batch",
    "case-11-hybrid",
    "case-13-batch-job",
    "case-14-energy",
)
CLAIMED = r"bound_usd|gap|proof\.bound_usd"
FREE = (
    (r"name|created|versions(\..*)?|notes(\[.*)?|solver(\..*)?", "says who made it, and when"),
    (r"verified(\..*)?", "what verify said when it was made: it says it again"),
    (r"stop", "which limit ended the search"),
    (CLAIMED, "a bound claimed under `two_searches` or `solver`, beside which any lower one is true"),
    (r"reoptimise\.(running_usd|unconstrained_usd)", "costs of plans that are not in the file"),
    (r"reoptimise\.(run_key|replaces(\..*)?)", "which run of the store made it, and which plan was before"),
    (r"running\.(shift_h|aligned_by|shares\[\d+\]\.(offer|model))", "what ran stands in the plan before"),
    (r"proof\.parts(\[.*)?", "other multipliers may prove as much, and fewer"),
    (r"prices\.(?!checked).*", "marked in the plan as not checked: the solver's word"),
)


def mutants(document: object) -> Iterator[tuple[str, object]]:
    """(path, changed document), one leaf or list at a time."""
    for path, keys, value in leaves(document, (), ""):
        for other in others(value):
            changed = copy.deepcopy(document)
            here = changed
            for key in keys[:-1]:
                here = here[key]  # type: ignore[index]
            here[keys[-1]] = other  # type: ignore[index]
            yield path, changed


def leaves(value: object, keys: tuple[str | int, ...], path: str) -> Iterator[tuple[str, tuple, object]]:
    """Every leaf and every list of a document, with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*keys, key), f"{path}.{key}".lstrip("."))
        return
    if keys:
        yield path, keys, value
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*keys, i), f"{path}[{i}]")


def others(value: object) -> list[object]:
    """What the value is changed to."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value * 1.01 + 1, -value - 1]
    if isinstance(value, str):
        return [value + "x"]
    if isinstance(value, list):
        return [value[1:], [*value, value[-1]]] if value else []
    return [1.0, "x"] if value is None else []


def verdict(problem: object, document: object) -> int:
    """Exit code of verify."""
    try:
        plan = Plan.from_dict(document)  # type: ignore[arg-type]
    except InputError:
        return 2
    return 0 if verify(problem, plan).ok else 6  # type: ignore[arg-type]


def survey(name: str, problem: object, document: dict[str, object]) -> Counter[str]:
    """Kinds of leaves (indices left out) whose change is accepted; `seen` counts those that are not."""
    kind = str((document.get("proof") or {}).get("kind", ""))  # type: ignore[union-attr]
    accepted: Counter[str] = Counter()
    began = time.perf_counter()
    for path, changed in mutants(document):
        if any(re.fullmatch(free, path) for free, _ in FREE if not (kind == "own" and free == CLAIMED)):
            continue
        code = verdict(problem, changed)
        accepted["tried"] += 1
        if code == 0:
            accepted[re.sub(r"\[\d+\]", "[]", path)] += 1
    tried = accepted.pop("tried")
    say(
        f"{name}: {tried} changes in {time.perf_counter() - began:.0f} s, {sum(accepted.values())} accepted",
        accepted,
    )
    return accepted


def say(line: str, accepted: Counter[str]) -> None:
    """With the kinds of leaves that verify does not see."""
    sys.stdout.write(f"{line} {dict(accepted) or ''}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """0 where every change was seen."""
    total: Counter[str] = Counter()
    if arguments and arguments[0].endswith(".json"):
        plan, file = arguments
        return bool(survey(plan, load(file), json.loads(Path(plan).read_text(encoding="utf-8"))))
    for name in arguments or NAMED:
        problem = load(EXAMPLES / f"{name}.yaml")
        total += survey(name, problem, json.loads(solve(problem).to_json()))
    say(f"in all {sum(total.values())} accepted", total)
    return bool(total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
