"""The tutorials: notebooks whose committed outputs are what their cells give; and pages whose commands run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from router import cli

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted(path.stem for path in (DOCS / "tutorials").glob("*.ipynb"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_its_outputs_are_what_its_cells_give(name: str) -> None:
    """In a process of its own, as a reader would run it."""
    command = [sys.executable, str(DOCS / "tutorials.py"), "--check", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run python docs/tutorials.py {name}: {done.stdout}{done.stderr}"


def test_they_are_notebooks_that_have_been_run() -> None:
    assert NOTEBOOKS == ["plan-a-fleet", "run-it-every-hour", "size-a-contract"]
    for name in NOTEBOOKS:
        notebook = json.loads((DOCS / "tutorials" / f"{name}.ipynb").read_text(encoding="utf-8"))
        assert notebook["nbformat"] == 4
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
        assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
        assert name == "run-it-every-hour" or "text/html" in json.dumps(code)  # a plan shows itself


@pytest.mark.parametrize("page", ["report", "explain"])
def test_the_commands_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in the folder of those before it, beside the example that they name."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(router .*?)^```", text, re.S | re.M)
    shutil.copy(DOCS.parent / "router" / "examples" / "fleet.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks for line in block.splitlines()]
    assert len(commands) >= 3
    for command in commands:
        asked, _, kept = command.partition(" > ")
        assert cli.run(shlex.split(asked.removeprefix("router "))) == 0, command
        printed = capsys.readouterr().out
        if kept:
            Path(kept).write_text(printed, encoding="utf-8")
