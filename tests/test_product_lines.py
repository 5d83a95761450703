"""The script that counts the product's lines counts what it says, and runs."""

from __future__ import annotations

from pathlib import Path

import product_lines
import pytest

MODULE = '''"""Prose,
in two lines."""

# a comment
LIMIT = 3  # and one beside code
"""Prose about the limit."""


def twice(
    x: float,
) -> float:
    """Prose."""
    text = """a value,
    not prose"""
    return 2 * x + len(text)
'''


def test_blank_lines_comments_and_docstrings_are_no_code() -> None:
    """LIMIT; three lines of signature; two of a string that is a value; the return: 1 + 3 + 2 + 1."""
    assert product_lines.code_lines(MODULE) == 7


def test_the_table_sums_what_stands_in_the_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, text in {
        "router/schema/rules/deep.py": "a = 1\nb = 2\n",
        "router/schema/numbers.py": "a = 1\n",
        "router/api.py": "a = 1\n",
        "problems/core/rows.py": '"""Prose."""\n',
        "tests/test_x.py": "a = 1\n",
    }.items():
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert product_lines.by_folder(tmp_path) == {"router/schema": 3, "router": 1, "problems/core": 0}
    product_lines.main(tmp_path)
    assert capsys.readouterr().out.splitlines()[-1].split() == ["4", "in", "all"]


def test_it_counts_this_product(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Which modules it counts; how lines are counted is shown above, and would take seconds for all."""
    monkeypatch.setattr(product_lines, "code_lines", lambda source: source.count("\n"))
    root = Path(__file__).parents[1]
    product_lines.main(root)
    printed = capsys.readouterr().out
    for folder in ("router", "router/verification", "problems", "problems/core", "solvers", "solvers/core"):
        assert f"  {folder}\n" in printed
