"""Every leaf of plans changed, one at a time: `router verify` names the change, or the leaf is one that it may leave.

    python tests/campaigns/mutations.py                       # the shipped examples named below
    python tests/campaigns/mutations.py quickstart fleet      # some
    python tests/campaigns/mutations.py proofs                # proofs of the forms that small problems do not need
    python tests/campaigns/mutations.py plan.json problem.yaml   # any plan, such as one of a scheduled run

A leaf is a number, text, flag or null of the plan file; a list loses a row, or has one twice; of a proof, names are
changed too: of promises, counts and sums. What verify does not have to see stands in `FREE`, each with its reason;
everything else must end in 2 or 6, but what a proof rests on: other multipliers may prove as much, and are right then.
Whatever they are, they prove no more than a plan costs: that is a fault, `more than the plan costs`.
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
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.kinds import kinds_problem
from problem_factory import load as load_data
from problem_factory import plan_of
from test_router_planning_blocks import by_blocks, random_problem
from test_router_planning_summed import drawn, planned
from test_router_verify_apart import side_by_side

from router.api import load, solve
from router.errors import InputError
from router.plan.document import Plan
from router.planning import proving
from router.schema import Problem
from router.verification import verify

INSTANCES = Path(__file__).parents[1] / "instances"
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
    (
        r"proof\.(cases\[\d+\]\.)?parts\[\d+\]\.(workloads|periods)(\[.*)?",
        "whom a part is of, for its reader",
    ),
    (r"proof\.beside(\..*)?", "which file a command has put in place of parts; read_plan looks at it"),
    (r"prices\.(?!checked).*", "marked in the plan as not checked: the solver's word"),
)
RESTS_ON = r"proof\.(?!kind|(.*\.)?bound_usd).*"
"""Of a proof: what its bounds are worked out from."""
TABLES = ("multipliers", "weights", "ranges", "sums", "prices", "usd", "mixes", "minutes", "shares")
MOST = 1500  # changes of one proof that are tried; of more, as many at equal distances
UNSOUND = "is proven, and the plan costs less"


type Keys = tuple[str | int, ...]


def mutants(document: Any, only: str) -> Iterator[tuple[str, Any]]:
    """(path, changed document), one leaf or list at a time; of a proof, names too, at most `MOST` of these changes."""
    of_proof = []
    for path, keys, value in leaves(document, (), ""):
        if not re.match(only, path):
            continue
        changes = [(path, keys, keys[-1], other) for other in others(value)]
        if path.startswith("proof.") and keys[-1] == "bound_usd" and len(keys) > 2:
            changes = changes[:1]  # a part that is said to cost less at least than is proven is right
        if not path.startswith("proof."):
            yield from ((path, with_change(document, *change[1:])) for change in changes)
        of_proof += changes if path.startswith("proof.") else []
    for path, keys in tables(document.get("proof"), ("proof",), "proof"):
        names = list(at(document, keys))
        for k, name in enumerate(names):
            others_of_it = (None, name + "x", names[k - 1])
            of_proof += [(f"{path}.{name}", (*keys, name), other, None) for other in others_of_it]
    for path, keys, name, value in of_proof[:: -(-len(of_proof) // MOST) or 1]:
        yield path, with_change(document, keys, name, value)


def with_change(document: Any, keys: Keys, name: str | int | None, value: object) -> Any:
    """With another value, or called otherwise, or without."""
    changed = copy.deepcopy(document)
    table = at(changed, keys[:-1])
    if name == keys[-1]:
        table[name] = value
        return changed
    kept = table.pop(keys[-1])
    if name is not None:
        table[name] = kept
    return changed


def at(document: Any, keys: Keys) -> Any:
    """What stands there."""
    for key in keys:
        document = document[key]
    return document


def tables(value: object, keys: Keys, path: str) -> Iterator[tuple[str, Keys]]:
    """Every table by name in a proof: multipliers, weights, ranges, sums and the like."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        here = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}"
        if key in TABLES and isinstance(item, dict):
            yield here, (*keys, key)
        yield from tables(item, (*keys, key), here)


def leaves(value: object, keys: Keys, path: str) -> Iterator[tuple[str, Keys, Any]]:
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


def verdict(problem: object, document: object) -> tuple[int, bool]:
    """Exit code of verify, and whether more is proven than the plan costs."""
    try:
        plan = Plan.from_dict(document)  # type: ignore[arg-type]
    except InputError:
        return 2, False
    verification = verify(problem, plan)  # type: ignore[arg-type]
    return 0 if verification.ok else 6, any(UNSOUND in check.detail for check in verification.checks)


def survey(name: str, problem: object, document: dict[str, object], only: str = ".*") -> Counter[str]:
    """Kinds of leaves (indices left out) whose change is accepted; `seen` counts those that are not."""
    kind = str((document.get("proof") or {}).get("kind", ""))  # type: ignore[union-attr]
    accepted: Counter[str] = Counter()
    began = time.perf_counter()
    for path, changed in mutants(document, only):
        if any(re.fullmatch(free, path) for free, _ in FREE if not (kind == "own" and free == CLAIMED)):
            continue
        code, more = verdict(problem, changed)
        accepted["tried"] += 1
        kind_of_leaf = re.sub(r"\[\d+\]", "[]", path)
        if more and path.startswith("proof."):
            accepted[f"{kind_of_leaf}: more than the plan costs"] += 1
        elif code == 0 and not re.fullmatch(RESTS_ON, path):
            accepted[kind_of_leaf] += 1
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


def of_forms() -> Iterator[tuple[str, Problem, Plan]]:
    """Plans with proofs that large problems have, of small ones: by cases apart with roundings and sums, of blocks
    whose parts have roundings, by sums of counts at a price, of workloads taken together, of waits and of minutes."""
    with patch.object(proving, "LARGEST", 10):
        for seed in (0, 3):
            data = side_by_side(seed, periods=2)
            yield f"cases-apart-{seed}", load_data(data), plan_of(data, gap=1e-6)
    with TemporaryDirectory() as folder:
        yield "blocks", *by_blocks(random_problem(1, 5), Path(folder))
    problem = drawn(4, 100.0, kinds=40)
    yield "sums", problem, planned(problem)
    problem = kinds_problem(104, 2, 1)
    yield "kinds", problem, solve(problem)
    for name in ("bug-032-boots-for-half-of-the-period", "spills-of-bought-units"):
        problem = load(INSTANCES / f"{name}.yaml")
        yield name, problem, solve(problem)


def main(arguments: list[str]) -> int:
    """0 where every change was seen."""
    total: Counter[str] = Counter()
    if arguments and arguments[0].endswith(".json"):
        plan, file = arguments
        return bool(survey(plan, load(file), json.loads(Path(plan).read_text(encoding="utf-8"))))
    if arguments in ([], ["proofs"]):
        for name, problem, plan in of_forms():
            total += survey(name, problem, json.loads(plan.to_json()), "proof|kinds")
    for name in NAMED if not arguments else arguments if arguments != ["proofs"] else ():
        problem = load(EXAMPLES / f"{name}.yaml")
        total += survey(name, problem, json.loads(solve(problem).to_json()))
    say(f"in all {sum(total.values())} accepted", total)
    return bool(total)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
