"""The wheel: what is in it, what is not, and that it says the right things of itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from the sources alone, as uv does it; without the network that means with hatchling here."""
    out = tmp_path_factory.mktemp("wheel")
    builders = []
    uv = os.environ.get("UV") or shutil.which("uv")  # `uv run` says where it is
    if uv:
        builders.append([uv, "build", "--wheel", "--out-dir", str(out), str(ROOT)])
    builders.append([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)])
    said = ""
    for command in builders:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        if done.returncode == 0:
            (made,) = out.glob("*.whl")
            return zipfile.ZipFile(made)
        said += done.stderr
    pytest.fail(f"no wheel could be built, with uv or hatchling:\n{said}")


def test_the_wheel_holds_three_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"router", "problems", "solvers"}


def test_every_module_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for package in ("router", "problems", "solvers"):
        for path in (ROOT / package).rglob("*.py"):
            assert path.relative_to(ROOT).as_posix() in names


def test_the_wheel_holds_the_examples_and_the_type_markers(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for path in (ROOT / "router" / "examples").rglob("*.yaml"):
        assert path.relative_to(ROOT).as_posix() in names
    for package in ("router", "problems", "solvers"):
        assert f"{package}/py.typed" in names


def test_the_wheel_holds_no_leftovers(wheel: zipfile.ZipFile) -> None:
    for name in wheel.namelist():
        assert "__pycache__" not in name
        assert not name.endswith((".pyc", ".tmp", ".orig"))
        assert "tests/" not in name


def test_the_wheel_has_one_command_and_says_what_it_needs(wheel: zipfile.ZipFile) -> None:
    info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(info).decode())
    assert metadata["Requires-Python"] == ">=3.12"
    assert "first run" in str(metadata.get_payload())
    needs = metadata.get_all("Requires-Dist") or []
    assert not [need for need in needs if need.startswith(("pytest", "hypothesis", "mypy", "ruff"))]
    scripts = wheel.read(info.replace("METADATA", "entry_points.txt")).decode()
    assert scripts.split() == ["[console_scripts]", "router", "=", "router.__main__:main"]


def test_constraints_pin_everything_and_name_no_host() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = project["tool"]["uv"]["constraint-dependencies"]
    assert all("==" in pin and "/" not in pin for pin in pins)
    names = {pin.split("==")[0].lower() for pin in pins}
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for need in wanted:
        name = need.split("[")[0].split(">")[0].split("<")[0].split("=")[0].strip().lower()
        assert name in names, f"{name} is not pinned"
