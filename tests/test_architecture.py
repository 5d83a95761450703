"""router → problems → solvers: who may import whom, read off the source."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import router
from router.schema import Problem

ROOT = Path(__file__).parents[1]
PACKAGES = ("router", "problems", "solvers")
MODULES = [
    path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "examples" not in path.parts
]
FILES_AND_PEOPLE = {"yaml", "pydantic", "click", "rich"}
SOLVERS = {"highspy", "pulp"}
MOST_LINES = 450
MOST_MODULES = 22
ROOMS = (
    *(
        "errors",
        "output",
        "workers",
        "schema",
        "plan",
        "loading",
        "importers",
        "traces",
        "scenarios",
        "normalise",
    ),
    *("verification", "planning", "comparison", "explaining", "sizing", "simulation", "store"),
    *("reoptimisation", "backtesting", "api", "reports", "exporters", "commands", "cli"),
    *("__main__", "__init__"),
)
"""What `ls router` shows beside the examples; each room imports only those before it."""

FUNCTIONS = (
    *("load", "solve", "size", "explain", "compare", "simulate"),
    *("reoptimise", "backtest", "whatif", "report", "diff", "verify"),
)
"""Of `import router`, as far as they exist."""


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path, *, at_import: bool = False) -> tuple[str, ...]:
    """Full names of the modules that a module imports; `at_import`: only when it is itself imported."""
    return tuple(_imports(tree_of(path), path, at_import))


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements of a module, wherever in it; expressions, most of a tree, have none inside."""
    rest: list[ast.AST] = [tree]
    while rest:
        node = rest.pop()
        yield node
        for part in ("body", "orelse", "handlers", "finalbody", "cases"):
            rest += getattr(node, part, [])


def _imports(tree: ast.Module, path: Path, at_import: bool) -> Iterator[str]:
    for node in _statements(tree.body) if at_import else statements(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                pytest.fail(f"{path}: relative import")
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _statements(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Statements outside functions and outside `if TYPE_CHECKING`."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            for part in ("body", "orelse", "handlers", "finalbody"):
                yield from _statements(getattr(node, part, []))


def top(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def of(package: str) -> list[Path]:
    return [path for path in MODULES if path.relative_to(ROOT).parts[0] == package]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


BY_NAME = {name_of(path): path for path in MODULES}


def modules(path: Path) -> set[str]:
    """Modules that a module imports, wherever in it; `from router.traces import demand` is the inner one alone."""
    names = set()
    for node in statements(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{name.name}" for name in node.names}
            names |= {name if name in BY_NAME else node.module or "" for name in inner}
    return names & BY_NAME.keys()


def each(paths: list[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """One test that holds a rule to every module; all that break it are named."""

    def tested(rule: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            wrong = []
            for path in paths:
                try:
                    rule(path)
                except AssertionError as error:
                    wrong.append(f"{relative(path)}: {error}")
            assert not wrong, "\n".join(wrong)

        test.__doc__ = rule.__doc__
        return test

    return tested


def test_there_are_modules_to_look_at() -> None:
    assert all(len(of(package)) >= 10 for package in PACKAGES)


@each(of("solvers"))
def test_solvers_know_neither_problems_nor_router(path: Path) -> None:
    assert not top(path) & {"router", "problems"}


@each(of("problems"))
def test_problems_know_no_router_and_no_solver(path: Path) -> None:
    assert not top(path) & ({"router"} | SOLVERS)


@each(of("problems"))
def test_problems_read_no_files_and_no_clock(path: Path) -> None:
    assert not top(path) & {"os", "pathlib", "io", "time", "datetime", "random", "json", "logging"}


@each([*of("problems"), *of("solvers")])
def test_only_router_meets_yaml_pydantic_and_click(path: Path) -> None:
    assert not top(path) & FILES_AND_PEOPLE


@each(of("router"))
def test_the_router_speaks_to_solvers_through_their_package(path: Path) -> None:
    assert not top(path) & SOLVERS
    assert not [name for name in imports(path) if name.startswith("solvers.core")]


@each(sorted((ROOT / "router" / "verification").rglob("*.py")))
def test_the_check_shares_nothing_with_what_it_checks(path: Path) -> None:
    """Neither the mathematics nor the solvers, nor the modules that turn a problem into arrays and back.

    `router.plan` is the format of what is checked, and knows of none of these.
    """
    assert not top(path) & {"problems", "solvers"}
    making = ("router.normalise", "router.planning", "router.api")
    assert not [name for name in imports(path) if name.startswith(making)]


@each(sorted((ROOT / "router" / "plan").glob("*.py")))
def test_the_format_of_a_plan_knows_nothing_of_how_one_is_made(path: Path) -> None:
    """So that the check may read plans by it."""
    assert not top(path) & {"problems", "solvers"}
    ours = {".".join(name.split(".")[:2]) for name in imports(path) if name.startswith("router.")}
    assert ours <= {"router.plan", "router.errors", "router.output", "router.schema"}


def test_what_the_check_imports_shares_nothing_either() -> None:
    """Followed through the modules that it imports."""
    seen: set[str] = set()
    waiting = [name for name in BY_NAME if name.startswith("router.verification")]
    while waiting:
        name = waiting.pop()
        if name in BY_NAME and name not in seen:
            seen.add(name)
            waiting += list(imports(BY_NAME[name], at_import=True))
    assert not [name for name in seen if name.split(".")[0] in ("problems", "solvers")]


def test_router_reads_as_the_pipeline() -> None:
    here = {path.name.removesuffix(".py") for path in (ROOT / "router").iterdir()}
    assert here - {"__pycache__"} == {*ROOMS, "examples", "py.typed"}


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_between_rooms_go_one_way(room: str) -> None:
    """Imports inside functions and for type checking count too. `router` itself names what it gives."""
    later = ROOMS[ROOMS.index(room) + 1 :]
    place = ROOT / "router" / room
    paths = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    wrong = [
        f"{relative(path)}: {name}"
        for path in paths
        for name in imports(path)
        if name.startswith("router.") and name.split(".")[1] in later
    ]
    assert not wrong


def test_no_modules_import_each_other() -> None:
    """But for the schema's problem and the rules on it, which are one thing in several files."""

    def node(name: str) -> str:
        return "router.schema.problem" if name.startswith("router.schema.rules") else name

    graph: dict[str, set[str]] = {}
    for name, path in BY_NAME.items():
        graph.setdefault(node(name), set()).update({node(target) for target in modules(path)} - {node(name)})
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_no_folder_of_the_router_is_too_full() -> None:
    counts = Counter(relative(path.parent) for path in of("router") if path.name != "__init__.py")
    assert not {folder for folder, count in counts.items() if count > MOST_MODULES}


def test_no_class_name_means_two_things() -> None:
    names = Counter(
        node.name for path in MODULES for node in tree_of(path).body if isinstance(node, ast.ClassDef)
    )
    assert not {name for name, count in names.items() if count > 1}


def test_nothing_under_router_takes_the_place_of_a_function() -> None:
    """Once imported, a module `router.size` would be what `router.size` gives."""
    assert not {path.stem for path in (ROOT / "router").iterdir()} & set(FUNCTIONS)
    assert {name for name in router.__all__ if name.islower()} <= set(FUNCTIONS)


def test_the_functions_work_when_all_modules_are_imported() -> None:
    for name in BY_NAME:
        import_module(name)
    file = ROOT / "tests" / "instances" / "bug-009-idle-month-of-a-free-contract.yaml"
    problem = router.load(file)
    assert isinstance(problem, Problem)
    plan = router.solve(problem)
    assert router.verify(file, plan).ok
    assert router.compare(file).offers
    assert router.explain(file).plan
    assert router.size(file).ok


@each(of("router"))
def test_click_is_for_the_command_line_and_the_docs(path: Path) -> None:
    place = path.relative_to(ROOT / "router").parts[0]
    if "click" in top(path):
        assert place in ("cli.py", "commands")
    if "rich" in top(path):
        assert place in ("commands", "reports")


@each(MODULES)
def test_modules_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES, "look for the second idea in it"
    if text.strip():
        assert ast.get_docstring(tree_of(path)), "say what this module is for"


@each(MODULES)
def test_no_assert_guards_user_data(path: Path) -> None:
    """`assert x is not None` may tell the type checker what a rule of the schema has made sure of."""
    found = [node for node in statements(path) if isinstance(node, ast.Assert)]
    assert not [node.lineno for node in found if not ast.unparse(node.test).endswith(" is not None")]


ASKS_THE_TIME = {
    "solvers/core/deadline.py",
    "router/commands/options.py",  # when a command begins
    *("router/reoptimisation/scheduled.py", "router/reoptimisation/freshness.py"),  # of runs and of files
}
LIMITS_OF_SOLVERS = {
    *(f"solvers/{name}.py" for name in ("highs", "highs_relaxation", "scipy_milp", "via_pulp")),
    *("solvers/core/deadline.py", "solvers/core/options.py"),
    # shares of what is left
    *(
        "router/planning/solve.py",
        "router/sizing/run.py",
        "solvers/components.py",
        "solvers/piecewise/solving.py",
    ),
}


def asks_the_time(tree: ast.Module) -> bool:
    """Whether a module asks a clock of the machine."""
    return "time" in {name.split(".")[0] for name in _imports(tree, ROOT, at_import=False)}


def reads_what_is_left(tree: ast.Module) -> bool:
    """Whether a module may decide by what is left, without a word: `late` and `short_of` write it down."""
    return any(isinstance(node, ast.Attribute) and node.attr == "left_s" for node in ast.walk(tree))


@each(MODULES)
def test_a_search_asks_the_time_of_its_deadline_alone(path: Path) -> None:
    """So that what the clock ends is written down."""
    assert not asks_the_time(tree_of(path)) or relative(path) in ASKS_THE_TIME


@each([path for path in MODULES if not relative(path).startswith(("router/commands/", "problems/"))])
def test_what_is_left_of_the_time_is_for_solvers_and_for_shares_of_it(path: Path) -> None:
    """A step that depends on it asks `late` or `short_of`."""
    assert not reads_what_is_left(tree_of(path)) or relative(path) in LIMITS_OF_SOLVERS


@pytest.mark.parametrize(
    ("step", "clock", "left"),
    [
        ("from time import monotonic\nif monotonic() > 3: found = None", True, False),
        ("def look():\n    import time\n    return time.perf_counter()", True, False),
        ("if options.left_s < 3: found = None", False, True),
        ("found = None if options.late or options.short_of(3) else look(options.within(0.5))", False, False),
    ],
)
def test_a_step_that_asks_another_clock_is_found(step: str, clock: bool, left: bool) -> None:
    tree = ast.parse(step)
    assert (asks_the_time(tree), reads_what_is_left(tree)) == (clock, left)
