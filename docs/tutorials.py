"""Tutorials as notebooks, run from top to bottom without Jupyter: `python docs/tutorials.py [--check] [NAME …]`.

The cells of `docs/tutorials/*.ipynb` are run in an empty folder; what a cell prints and the value of its last line are
its outputs, as Jupyter stores them. Without --check they are written into the notebook, with it a difference ends with
1. A cell of lines that begin with `!` runs commands.
"""

from __future__ import annotations

import ast
import io
import json
import os
import shlex
import sys
import tempfile
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from router.cli import cli

FOLDER = Path(__file__).parent / "tutorials"

type Json = dict[str, Any]


def executed(notebook: Json) -> Json:
    """The notebook with the outputs of its cells, in order."""
    names: dict[str, object] = {"__name__": "__main__"}
    cells, count = [], 0
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                count += 1
                cell = {
                    **cell,
                    "execution_count": count,
                    "outputs": _outputs("".join(cell["source"]), names, count),
                }
            cells.append(cell)
    return {**notebook, "cells": cells}


def _outputs(source: str, names: dict[str, object], count: int) -> list[Json]:
    if source.startswith("!"):
        return [_stream("".join(_command(line) for line in source.splitlines()))]
    tree, last = ast.parse(source), None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body[-1].value)
        del tree.body[-1]
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        value = None if last is None else eval(compile(last, "<cell>", "eval"), names)
    outputs = [_stream(printed.getvalue())] if printed.getvalue() else []
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = _lines(value._repr_html_())
        outputs.append(
            {"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": data}
        )
    return outputs


def _command(line: str) -> str:
    words = shlex.split(line.removeprefix("!"))
    done = CliRunner(env={"COLUMNS": "100"}).invoke(cli, words[1:], catch_exceptions=False)
    if done.exit_code:
        raise RuntimeError(f"{line}: exit code {done.exit_code}\n{done.output}")
    return done.stdout


def _stream(text: str) -> Json:
    return {"output_type": "stream", "name": "stdout", "text": _lines(text)}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def as_text(notebook: Json) -> str:
    """As it is stored."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main(names: list[str]) -> int:
    """Run those that are named, or all."""
    check = "--check" in names
    chosen = [name for name in names if name != "--check"]
    stale = []
    for path in sorted(FOLDER.glob("*.ipynb")):
        if chosen and path.stem not in chosen:
            continue
        before = path.read_text(encoding="utf-8")
        now = as_text(executed(json.loads(before)))
        if now != before:
            stale.append(path.name)
            if not check:
                path.write_text(now, encoding="utf-8")
    click.echo("\n".join(stale))
    return 1 if check and stale else 0


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    sys.exit(main(sys.argv[1:]))
