"""The worked examples of CONTRIBUTING.md are real: each is applied to a copy, whole and with each file left out.

A section there has a table: the files of the example in order, and the test that fails where the file is forgotten.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
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
        "tests/test_problems_promises.py tests/test_router_verify_checks.py tests/test_instances.py",
        "test_problems_promises or test_router_verify_checks or most-tokens-per-region",
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


def _outcome(folder: Path, kind: str, test: str = "") -> tuple[int, str]:
    """Exit code and summary of the tests that an example touches, run in the copy; of one test or module alone.

    The first failure is enough.
    """
    modules, selected = SUITES[kind]
    holding = [
        module for module in modules.split() if test in module or test in (folder / module).read_text("utf-8")
    ]
    expression = f"({selected}) and {test}" if test else selected
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-k",
        expression,
        *holding,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_patch_fits_and_its_section_names_its_files_in_order() -> None:
    assert set(EXAMPLES) == {path.stem for path in PATCHES.glob("*.patch")} == set(MOST_FILES) == set(SUITES)
    for kind, files in EXAMPLES.items():
        assert patched(kind) == list(files)
        _apply(ROOT, kind, "--check")
        assert len(files) <= MOST_FILES[kind]


def test_an_example_passes_whole_and_each_file_left_out_fails_as_the_page_says(
    checkout: tuple[str, Path],
) -> None:
    """By the test that the page names, or because not even a test can be read without the file."""
    kind, folder = checkout
    code, summary = _outcome(folder, kind)
    assert code == 0, summary
    for file, failing in EXAMPLES[kind].items():
        _apply(folder, kind, "--reverse", f"--include={file}")
        code, summary = _outcome(folder, kind, failing)
        _apply(folder, kind, f"--include={file}")
        assert code != 0, f"{file} can be left out, and nothing fails"
        missing = re.escape(file.removesuffix(".py").replace("/", "."))
        expected = rf"^(FAILED|ERROR) .*\b{failing}\b|No module named '{missing}'"
        assert re.search(expected, summary, re.M), f"without {file}: {summary[-3000:]}"
