"""Lines of product code by folder, without blank lines, comments and docstrings: `python tests/product_lines.py [DIR]`.

DIR is the checkout (default: this one).
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

PACKAGES = ("router", "problems", "solvers")


def code_lines(source: str) -> int:
    """Lines of a module that hold code. A string that stands alone is prose, wherever it stands."""
    lines = enumerate(source.splitlines(), start=1)
    code = {number for number, line in lines if line.strip() and not line.lstrip().startswith("#")}
    prose: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        text = node.value if isinstance(node, ast.Expr) else node
        if isinstance(text, ast.JoinedStr) or (
            isinstance(text, ast.Constant) and isinstance(text.value, str)
        ):
            span = range(text.lineno, (text.end_lineno or text.lineno) + 1)
            (prose if text is not node else code).update(span)  # a blank line of a string is one of its lines
    return len(code - prose)


def by_folder(root: Path) -> Counter[str]:
    """Code lines of each folder; modules directly in a package count for the package itself."""
    lines: Counter[str] = Counter()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            folder = "/".join(path.relative_to(root).parts[:-1][:2])
            lines[folder] += code_lines(path.read_text(encoding="utf-8"))
    return lines


def main(root: Path) -> None:
    """Print the table, and the sum."""
    lines = by_folder(root)
    for folder in sorted(lines):
        sys.stdout.write(f"{lines[folder]:7,}  {folder}\n")
    sys.stdout.write(f"{lines.total():7,}  in all\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
