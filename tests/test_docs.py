"""The docs are true: commands in the README print what stands there, generated pages are fresh, nothing is left out."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from router import cli, errors
from router.plan.document import Plan
from router.reports.plan import KINDS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(path for folder in ("router", "problems", "solvers") for path in sorted((ROOT / folder).rglob("*.md"))),
)
WIDTH = "100"


def console_blocks(text: str) -> Iterator[tuple[str, str]]:
    """(command, output) of every ```console block with one command."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.S | re.M):
        command, _, output = block.partition("\n")
        yield command.removeprefix("$ ").strip(), output


def run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    arguments = shlex.split(command.removeprefix("uv run ").removeprefix("router "))
    assert cli.run(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def steady(text: str) -> str:
    """Without what differs from run to run: times, stamps, last digits of a gap."""
    text = re.sub(r"\d+(\.\d+)? s\b", "… s", text)
    text = re.sub(r"within [\d.]+ %", "within … %", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:+.Z]+", "…", text).strip()


@pytest.fixture
def readme_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The README, whose commands run in the checkout; what they write goes elsewhere."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", WIDTH)
    return README.read_text(encoding="utf-8").replace("plan.json", str(tmp_path / "plan.json"))


def test_every_command_of_the_readme_prints_what_stands_there(
    readme_text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = list(console_blocks(readme_text))
    assert len(blocks) >= 4
    for command, output in blocks:  # a long output is shown by its first and last lines, around an ellipsis
        printed = steady(run(command, capsys))
        head, ellipsis, tail = steady(output).partition("\n…\n")
        if not ellipsis:
            assert printed == head, command
        else:
            assert printed.startswith(head), command
            assert printed.endswith(tail), command


def test_the_python_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.S | re.M)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_generated_pages_are_fresh() -> None:
    """Made by a process of its own: click keeps of a command what another test has asked of it."""
    command = [sys.executable, str(ROOT / "docs" / "reference_pages.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run python docs/reference_pages.py: {done.stdout}{done.stderr}"


def test_every_command_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name in cli.COMMANDS:
        assert f"## router {name}\n" in page


def test_every_exit_code_is_in_the_docs() -> None:
    text = README.read_text(encoding="utf-8")
    for error in errors.RouterError.__subclasses__():
        assert re.search(rf"^\| {error.exit_code} \|", text, re.M), error.__name__
        assert str(error.exit_code) in (cli.__doc__ or "")


def test_every_row_family_is_in_the_docs() -> None:
    page = (ROOT / "problems" / "README.md").read_text(encoding="utf-8")
    modules = [path for path in (ROOT / "problems").glob("*.py") if path.stem != "__init__"]
    assert len(modules) >= 13
    for path in modules:
        module = import_module(f"problems.{path.stem}")
        assert f"### `{path.stem}`" in page
        assert (module.__doc__ or "").split("\n")[0] in page


def test_every_column_family_is_in_the_docs() -> None:
    page = (ROOT / "problems" / "README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "problems").rglob("*.py")):
        for name in re.findall(r'\btake\(\s*"(\w+)"', path.read_text(encoding="utf-8")):
            assert f"`{name}`" in page, f"{path.name}: {name}"


def test_links_lead_somewhere() -> None:
    """Files and folders exist; what follows # is a heading of the page, as GitHub spells it."""
    for page in PAGES:
        for target, _, anchor in re.findall(r"\]\(([^)#]*)(#([\w-]+))?\)", page.read_text(encoding="utf-8")):
            if target.startswith("https://"):
                continue
            file = page.parent / target if target else page
            assert file.exists(), f"{page.name}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
                known = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
                assert anchor in known, f"{page.name}: {target}#{anchor}"


def test_every_room_is_on_the_page_of_how_it_hangs_together() -> None:
    page = (ROOT / "docs" / "how-it-hangs-together.md").read_text(encoding="utf-8")
    for room in (ROOT / "router").iterdir():
        if (room / "__init__.py").exists():
            assert f"(../router/{room.name})" in page, room.name


def test_every_error_is_on_the_page_of_how_it_hangs_together() -> None:
    page = (ROOT / "docs" / "how-it-hangs-together.md").read_text(encoding="utf-8")
    for error in errors.RouterError.__subclasses__():
        assert f"| `{error.__name__}` | {error.exit_code} |" in page


def test_every_section_and_cost_kind_of_a_plan_is_in_the_glossary() -> None:
    """A section is a field of the plan that holds rows, or fields of its own."""
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    figures = ("str", "Literal", "Number", "Positive", "Whole", "Mapping")
    sections = [item.name for item in fields(Plan) if not str(item.type).startswith(figures)]
    assert len(sections) >= 14
    for name in (*sections, *KINDS):
        assert f"| `{name}` |" in page, name


def test_no_page_names_the_machine_it_was_written_on() -> None:
    for page in PAGES:
        assert not re.search(r"/(home|root|work|tmp)/", page.read_text(encoding="utf-8")), page.name
