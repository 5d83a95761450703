"""The wheel: what is in it, what is not, and that it says the right things of itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import requires
from pathlib import Path

import ci_clean_wheel
import click
import pytest

from router.cli import cli

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(built(ROOT, tmp_path_factory.mktemp("wheel")))


def built(sources: Path, out: Path) -> Path:
    """Built from the sources alone, as uv does it; without the network that means with hatchling here."""
    builders = []
    uv = os.environ.get("UV") or shutil.which("uv")  # `uv run` says where it is
    if uv:
        builders.append(([uv, "build", "--wheel", "--out-dir", str(out), str(sources)], ROOT))
    builders.append(([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], sources))
    said = ""
    for command, cwd in builders:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
        if done.returncode == 0:
            (made,) = out.glob("*.whl")
            return made
        said += done.stderr
    pytest.fail(f"no wheel could be built, with uv or hatchling:\n{said}")


def test_built_elsewhere_and_later_it_has_the_same_bytes(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """From a copy of the sources whose files are as old as the test."""
    for package in ("router", "problems", "solvers"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, copy_function=shutil.copyfile, ignore=ignored)
    (tmp_path / "docs").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "docs/sbom.cdx.json"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    again = built(tmp_path, tmp_path / "again")
    assert wheel.filename is not None
    assert again.read_bytes() == Path(wheel.filename).read_bytes()


def test_the_wheel_carries_a_bill_of_what_it_is_installed_with(wheel: zipfile.ZipFile) -> None:
    """Every requirement of the wheel, extras but Ray included, and all that they need, with licences."""
    bill = json.loads(
        wheel.read(next(name for name in wheel.namelist() if name.endswith("/sboms/sbom.cdx.json")))
    )
    listed = {part["name"]: part for part in bill["components"]}
    needs = {
        re.match(r"[\w.-]+", need)[0].lower().replace("_", "-")
        for need in requires("llm-inference-planner") or ()
    }
    assert needs - listed.keys() == {"ray"}
    assert all(part["licenses"][0]["license"]["name"] != "not stated" for part in listed.values())
    refs = {bill["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for part in listed.values())}
    assert {line["ref"] for line in bill["dependencies"]} == refs
    assert {ref for line in bill["dependencies"] for ref in line["dependsOn"]} <= refs
    assert listed["click"]["scope"] == "required"
    assert listed["psycopg"]["scope"] == "optional"


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


def test_the_wheel_carries_its_licence(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/licenses/LICENSE"))
    text = wheel.read(name).decode()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    info = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    assert Parser().parsestr(wheel.read(info).decode())["License-Expression"] == "Apache-2.0"


def test_constraints_pin_everything_and_name_no_host() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = project["tool"]["uv"]["constraint-dependencies"]
    assert all("==" in pin and "/" not in pin for pin in pins)
    names = {pin.split("==")[0].lower() for pin in pins}
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for need in wanted:
        name = need.split("[")[0].split(">")[0].split("<")[0].split("=")[0].strip().lower()
        assert name in names, f"{name} is not pinned"


def test_every_extra_is_tested_at_its_bounds() -> None:
    """What an extra asks for stands in the group `dev` too, so that the oldest versions are installed and tried."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needs = {need for needs in project["project"]["optional-dependencies"].values() for need in needs}
    with_pins_alone = {"ray>=2.40"}
    assert needs - with_pins_alone <= set(project["dependency-groups"]["dev"])


def leaves(group: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command that does something, as its words."""
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from leaves(command, *path, name)
    else:
        yield path


def test_the_clean_environment_runs_every_command() -> None:
    """tests/ci_clean_wheel.py, which CI runs against the installed wheel."""
    asked = [command.arguments for command in ci_clean_wheel.commands()]
    missed = [path for path in leaves(cli) if not any(one[: len(path)] == path for one in asked)]
    assert not missed


def test_the_clean_environment_misses_every_extra_and_says_so() -> None:
    """What needs one ends with 2 where it is not installed, and with what it should where it is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = set(project["project"]["optional-dependencies"])
    # without SQLAlchemy it is `store` that is missed first; frames are asked for in Python alone
    assert set(ci_clean_wheel.EXTRAS) == extras - {"postgres", "frames"}
    for extra in ci_clean_wheel.EXTRAS:
        without = [one for one in ci_clean_wheel.commands() if one.lacks == extra]
        with_it = [one for one in ci_clean_wheel.commands((extra,)) if one.lacks is None]
        assert without
        assert all(one.code == 2 for one in without)
        assert {one.arguments for one in without} <= {one.arguments for one in with_it}


WITHOUT = """
import sys
for name in ("sqlalchemy", "psycopg", "ray", "distributed", "dask", "statsmodels", "genai_prices", "pandas"):
    sys.modules[name] = None
from router.cli import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ("reoptimise router/examples/quickstart.yaml", "store"),
        ("reoptimise router/examples/quickstart.yaml --every 1s", "store"),
        ("history", "store"),
        ("diff 1 2 --store sqlite:///router.db", "store"),
        ("import prices genai", "prices"),
        ("import trace tests/data/traces/servegen-m-large.csv --forecast trend", "forecast"),
        ("size router/examples/sizing-quote.yaml --backend ray --workers 2", "ray"),
        ("size router/examples/sizing-quote.yaml --backend dask --workers 2", "dask"),
        ("backtest router/examples/nodes.yaml --forecast last --lookahead 2", None),
    ],
)
def test_a_command_without_its_extra_says_which_to_install(arguments: str, extra: str | None) -> None:
    """A backtest needs none."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments.split()], cwd=ROOT, capture_output=True, text=True
    )
    if extra is None:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 2, done.stderr
        assert "not installed" in done.stderr
        assert f"pip install 'llm-inference-planner[{extra}]'" in done.stderr
