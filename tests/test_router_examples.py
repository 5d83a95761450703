"""The commands that shipped files name in their comments: written as the program takes them, and they end well."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

import router
from router.cli import cli, run

EXAMPLES = Path(router.__file__).parent / "examples"
FILES = sorted(path.name for path in EXAMPLES.glob("*.yaml"))


def commands(name: str) -> list[list[str]]:
    """Arguments of each command of a file's leading comment; remarks in brackets follow after spaces."""
    found = []
    for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#   router"):
            for part in re.split(r";|&&", re.sub(r"\s{3,}\(.*\)$", "", line.lstrip("# "))):
                program, *arguments = shlex.split(part)
                assert program == "router"
                found.append(arguments)
    return found


def test_most_files_name_a_command():
    assert sum(bool(commands(name)) for name in FILES) >= 25


@pytest.mark.parametrize("name", FILES)
def test_commands_are_options_and_read_what_is_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By the program's own parser; a file that a command reads is shipped, or a command before wrote it."""
    monkeypatch.chdir(tmp_path)
    written: set[str] = set()
    for arguments in commands(name):
        command = cli.get_command(click.Context(cli), arguments[0])
        assert command is not None
        (tmp_path / name).touch()
        with command.make_context(arguments[0], arguments[1:]) as context:
            read = {context.params.get(key) for key in ("file", "plan", "problem")} - {None}
            assert read <= written | {name}, arguments
            written |= {value for key in ("output", "picture") if (value := context.params.get(key))}


def patience(arguments: list[str]) -> list[str]:
    """An hour where a search has a limit on its time: how fast the machine is decides nothing here."""
    command = cli.get_command(click.Context(cli), arguments[0])
    limited = command is not None and any("--time-limit" in option.opts for option in command.params)
    return ["--time-limit", "3600"] if limited and "--time-limit" not in arguments else []


#: Searches of minutes, cut: fewer futures drawn and kept, days of a month and of a week.
SMALLER = {
    "spot.yaml": (("periods: 720,", "periods: 48,"),),
    "sizing-year.yaml": (("count: 1000,", "count: 40,"), ("reduce_to: 50}", "reduce_to: 2}")),
    "backtest-servegen.yaml": (("periods: 168,", "periods: 30,"),),
}


@pytest.mark.parametrize("name", [name for name in FILES if commands(name)])
def test_commands_end_well(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In a folder with the shipped files, as `router examples copy` makes it."""
    for path in EXAMPLES.glob("*.*"):
        shutil.copy(path, tmp_path)
    text = (tmp_path / name).read_text(encoding="utf-8")
    for shipped, small in SMALLER.get(name, ()):
        assert shipped in text
        text = text.replace(shipped, small)
    (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("router.sizing.options.DRAWN", 20)  # fresh futures
    for arguments in commands(name):
        if "NAME" not in arguments:  # a scenario's, which the sentence leaves open
            assert run([*arguments, *patience(arguments)]) == 0, arguments
