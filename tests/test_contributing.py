"""The worked examples of CONTRIBUTING.md are real: each is applied to a copy, whole and with each file left out.

A section there has a table: the files of the example in order, and the test that fails where the file is forgotten.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATCHES = ROOT / "tests" / "contributing"
COPIED = ("router", "problems", "solvers", "tests", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md")
SECTION = re.compile(r"^## Adding an? ([\w-]+)$(.*?)(?=^## |\Z)", re.S | re.M)
ROW = re.compile(r"^\| `([^`]+)` \|.*\| `(\w+)` \|$", re.M)
MOST_FILES = {"family": 8, "price": 10, "solver": 3, "importer": 5}
#: The modules that hold an addition, and what of them is about this one where the rest would take long.
SUITES = {
    "family": (
        "tests/test_problems_promises.py tests/test_router_verify_checks.py tests/test_instances.py "
        "tests/test_router_verify.py",
        "test_problems_promises or test_router_verify_checks or most-tokens-per-region or regions "
        "or test_every_check_has_a_mutation",
    ),
    "price": (
        "tests/test_problems_costs.py tests/test_instances.py",
        "test_problems_costs or price-of-screening",
    ),
    "solver": (
        "tests/test_solvers_registry.py tests/test_solvers_conformance.py",
        "test_solvers_registry or mathopt",  # of the conformance tests where OR-Tools is installed
    ),
    "importer": ("tests/test_router_importers_usage.py", "test_router_importers_usage"),
}


def examples() -> dict[str, dict[str, str]]:
    """By kind of addition: the test that fails without each file."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return {kind: dict(ROW.findall(section)) for kind, section in SECTION.findall(page)}


EXAMPLES = examples()


def patched(kind: str) -> list[str]:
    """The files that an example's patch changes, in order."""
    text = (PATCHES / f"{kind}.patch").read_text(encoding="utf-8")
    return re.findall(r"^diff --git a/\S+ b/(\S+)$", text, re.M)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this checkout; one for all examples, which then compile it once."""
    folder = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "releases")
            )
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


RUNNER = """
import importlib, json, os, sys
for name in ("numpy", "scipy.sparse", "highspy", "pydantic", "yaml", "click", "rich", "pulp", "jsonschema", "pytest"):
    importlib.import_module(name)
for line in sys.stdin:
    arguments, log = json.loads(line)
    child = os.fork()
    if not child:
        to = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(to, 1), os.dup2(to, 2)
        sys.path.insert(0, os.getcwd())
        code = sys.modules["pytest"].main(arguments)
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs pytest in a fresh process for each line; what all of them import and no example changes is imported once."""


@pytest.fixture(scope="module")
def pytest_run(
    copy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Exit code and output of pytest with some arguments, in the copy."""
    log = tmp_path_factory.mktemp("log") / "log"
    command = [sys.executable, "-W", "ignore", "-c", RUNNER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=copy, stdin=pipe, stdout=pipe, text=True) as runner:

        def run(*arguments: str) -> tuple[int, str]:
            assert runner.stdin is not None
            assert runner.stdout is not None
            runner.stdin.write(json.dumps([arguments, str(log)]) + "\n")
            runner.stdin.flush()
            return int(runner.stdout.readline()), log.read_text(encoding="utf-8")

        yield run


@pytest.fixture(params=EXAMPLES)
def checkout(request: pytest.FixtureRequest, copy: Path) -> Iterator[tuple[str, Path]]:
    """The copy with a whole example in it, and without it again afterwards."""
    _apply(copy, request.param)
    yield str(request.param), copy
    _apply(copy, request.param, "--reverse")


def _apply(folder: Path, kind: str, *options: str) -> None:
    command = ["git", "apply", *options, str(PATCHES / f"{kind}.patch")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{kind}.patch no longer fits the code: {done.stderr}"


def _asked(folder: Path, kind: str, test: str = "") -> tuple[str, ...]:
    """What pytest is asked for: the tests that an example touches, or one test or module of them alone.

    The first failure is enough.
    """
    modules, selected = SUITES[kind]
    holding = [
        module for module in modules.split() if test in module or test in (folder / module).read_text("utf-8")
    ]
    expression = f"({selected}) and {test}" if test else selected
    return ("-q", "-x", "-p", "no:cacheprovider", "-n", "0", "-k", expression, *holding)


def test_every_patch_fits_and_its_section_names_its_files_in_order() -> None:
    assert set(EXAMPLES) == {path.stem for path in PATCHES.glob("*.patch")} == set(MOST_FILES) == set(SUITES)
    for kind, files in EXAMPLES.items():
        assert patched(kind) == list(files)
        _apply(ROOT, kind, "--check")
        assert len(files) <= MOST_FILES[kind]


def test_an_example_passes_whole_and_each_file_left_out_fails_as_the_page_says(
    checkout: tuple[str, Path], pytest_run: Callable[..., tuple[int, str]]
) -> None:
    """By the test that the page names, or because not even a test can be read without the file."""
    kind, folder = checkout
    code, summary = pytest_run(*_asked(folder, kind))
    assert code == 0, summary
    for file, failing in EXAMPLES[kind].items():
        _apply(folder, kind, "--reverse", f"--include={file}")
        code, summary = pytest_run(*_asked(folder, kind, failing))
        _apply(folder, kind, f"--include={file}")
        assert code != 0, f"{file} can be left out, and nothing fails"
        missing = re.escape(file.removesuffix(".py").replace("/", "."))
        expected = rf"^(FAILED|ERROR) .*\b{failing}\b|No module named '{missing}'"
        assert re.search(expected, summary, re.M), f"without {file}: {summary[-3000:]}"
