"""The docs are true: commands in the README print what stands there, generated pages are fresh, nothing is left out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import reference_pages

from router import cli, errors

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
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


@pytest.mark.parametrize("page", ["docs/fields.md", "docs/cli.md", "problems/README.md"])
def test_generated_pages_are_fresh(page: str) -> None:
    fresh = reference_pages.pages(ROOT)[ROOT / page]
    assert (ROOT / page).read_text(encoding="utf-8") == fresh, "run: python docs/reference_pages.py"


def test_every_command_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name in cli.cli.commands:
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
    for page in (README, ROOT / "problems" / "README.md", ROOT / "router" / "examples" / "README.md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_no_page_names_the_machine_it_was_written_on() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "router").rglob("*.md")]
    for page in pages:
        assert not re.search(r"/(home|root|work|tmp)/", page.read_text(encoding="utf-8")), page.name
