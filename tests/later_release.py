"""The package as a later release might be: every record of the problem file has one optional field more."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from schema_fields import fields_by_record

ROOT = Path(__file__).parents[1]
FIELD = """
    added_later: float | None = Field(default=None, description="Of a later release")
"""
RECORD = r'(^class \w+\((?!NamedTuple|BaseModel)[A-Z][\w, ]*\):\n    """(?:[^"]|"(?!""))*"""\n)'


def write(folder: Path) -> Path:
    """A copy of `router` in a folder, to be run with `run`."""
    leave = shutil.ignore_patterns("__pycache__", "*.csv")
    shutil.copytree(ROOT / "router", folder / "router", ignore=leave)
    count = 0
    for path in sorted((folder / "router" / "schema").glob("*.py")):
        text, changed = re.subn(RECORD, rf"\1{FIELD}", path.read_text(encoding="utf-8"), flags=re.M)
        path.write_text(text, encoding="utf-8")
        count += changed
    assert count >= len(fields_by_record())
    return folder


def run(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Python with the copy in place of the package, in its folder."""
    code = f"import router; assert router.__file__.startswith({str(folder)!r}), router.__file__"
    env = {**os.environ, "PYTHONPATH": str(folder)}
    assert subprocess.run([sys.executable, "-c", code], env=env, cwd=folder).returncode == 0
    return subprocess.run(
        [sys.executable, *arguments], input=given, capture_output=True, text=True, env=env, cwd=folder
    )
