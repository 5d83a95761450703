"""The worked examples of CONTRIBUTING.md are real: each is applied to a copy, whole and with each file left out.

A section there has a table: the files of the example in order, and the test that fails where the file is forgotten.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATCHES = ROOT / "tests" / "contributing"
COPIED = ("router", "problems", "solvers", "tests", "docs", "pyproject.toml", "README.md", "CONTRIBUTING.md")
SECTION = re.compile(r"^## Adding an? ([\w-]+)$(.*?)(?=^## |\Z)", re.S | re.M)
ROW = re.compile(r"^\| `([^`]+)` \|.*\| `(\w+)` \|$", re.M)
MOST_FILES = {"importer": 5}


def examples() -> dict[str, dict[str, str]]:
    """By kind of addition: the test that fails without each file."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return {kind: dict(ROW.findall(section)) for kind, section in SECTION.findall(page)}


EXAMPLES = examples()


def patched(kind: str) -> list[str]:
    """The files that an example's patch changes, in order."""
    text = (PATCHES / f"{kind}.patch").read_text(encoding="utf-8")
    return re.findall(r"^diff --git a/\S+ b/(\S+)$", text, re.M)


@pytest.fixture(scope="module", params=EXAMPLES)
def checkout(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A copy of this checkout with the whole example in it."""
    folder = tmp_path_factory.mktemp(request.param)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "releases")
            )
        else:
            shutil.copy(ROOT / name, folder / name)
    _apply(folder, request.param)
    return str(request.param), folder


def _apply(folder: Path, kind: str, *options: str) -> None:
    command = ["git", "apply", *options, str(PATCHES / f"{kind}.patch")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{kind}.patch no longer fits the code: {done.stderr}"


def _failures(folder: Path, kind: str) -> tuple[int, str]:
    """Exit code and summary of the tests that an example touches, run in the copy."""
    modules = sorted({file for file in EXAMPLES[kind] if re.fullmatch(r"tests/test_\w+\.py", file)})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *modules]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_every_patch_has_its_section_and_names_its_files_in_order() -> None:
    assert set(EXAMPLES) == {path.stem for path in PATCHES.glob("*.patch")} == set(MOST_FILES)
    for kind, files in EXAMPLES.items():
        assert patched(kind) == list(files)
        assert len(files) <= MOST_FILES[kind]


def test_an_example_passes_whole_and_each_file_left_out_fails_as_the_page_says(
    checkout: tuple[str, Path],
) -> None:
    kind, folder = checkout
    code, said = _failures(folder, kind)
    assert code == 0, said
    for file, failing in EXAMPLES[kind].items():
        _apply(folder, kind, "--reverse", f"--include={file}")
        code, said = _failures(folder, kind)
        _apply(folder, kind, f"--include={file}")
        assert code != 0, f"{file} can be left out, and nothing fails"
        assert re.search(rf"^(FAILED|ERROR) .*\b{failing}\b", said, re.M), f"without {file}: {said[-3000:]}"
