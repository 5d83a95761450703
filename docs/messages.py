"""The sentences that a user can meet, read off the product's source: errors, notes, reports, hints, help of options.

A message is a text literal with a space and two letters in a row. Left out are docstrings (those of commands are their
help, in docs/cli.md), descriptions of fields (docs/fields.md), patterns, markup, and formats of numbers. What is put
into a message when it is shown stands as {…}; parts that are joined are listed each on its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGES = ("router", "problems", "solvers")
NOT_SAID = (
    "re.",
    "Field",
    "stated",
    "optional",
    "cast",
    "TypeVar",
    "getLogger",
    "import_module",
)  # calls whose literals nobody reads
HOLE = "{…}"


def messages(source: str) -> list[str]:
    """The messages of a module, in the order in which they stand."""
    nodes = _nodes(ast.parse(source))
    aside = set(_aside(nodes))
    literals = [
        node for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in aside
    ]
    literals.sort(key=lambda node: (node.lineno, node.col_offset))
    return [text for text in map(_text, literals) if _is_said(text)]


@cache
def by_module(root: Path) -> dict[str, list[str]]:
    """Messages of every module that has any, by its path."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            said = messages(path.read_text(encoding="utf-8"))
            if said:
                found[path.relative_to(root).as_posix()] = said
    return found


def messages_page(root: Path) -> str:
    """docs/messages.md."""
    parts = [
        "# Messages",
        "Made by `python docs/reference_pages.py` from the source: every sentence, and part of one, that errors,\n"
        f"notes, reports and hints are made of, by module. `{HOLE}` is filled in when it is shown.",
    ]
    for module, said in by_module(root).items():
        lines = "\n".join(text.strip().replace("\n", " ↵ ") for text in dict.fromkeys(said))
        parts.append(f"## {module}\n\n```text\n{lines}\n```")
    return "\n\n".join(parts) + "\n"


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)


def _is_said(text: str) -> bool:
    plain = text.replace(HOLE, "").strip()
    markup = plain.startswith("<") or re.search(r"\w\{|;\w", plain)
    return " " in text.strip() and bool(re.search(r"[A-Za-z]{2}", plain)) and not markup


def _nodes(tree: ast.Module) -> list[ast.AST]:
    """As `ast.walk`, in half the time: without what says that a name is read, and which operator stands there."""
    nodes: list[ast.AST] = [tree]
    for node in nodes:
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                nodes += [part for part in value if isinstance(part, ast.AST)]
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context | ast.operator):
                nodes.append(value)
    return nodes


def _aside(nodes: list[ast.AST]) -> Iterator[int]:
    """Literals that are no messages of their own: docstrings, parts of f-strings, formats, annotations, patterns."""
    for node in nodes:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)
        elif isinstance(node, ast.JoinedStr):
            for part in node.values:
                if isinstance(part, ast.Constant):
                    yield id(part)
                elif part.format_spec is not None:
                    yield from map(id, ast.walk(part.format_spec))
        elif isinstance(node, ast.Call) and _called(node.func).startswith(NOT_SAID):
            yield from map(id, ast.walk(node))
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield from map(id, ast.walk(node.annotation))


def _called(function: ast.expr) -> str:
    """The name that a call begins with, and a point where it goes on."""
    first: ast.AST = function
    while isinstance(first, ast.Attribute | ast.Call | ast.Subscript):
        first = first.func if isinstance(first, ast.Call) else first.value
    name = first.id if isinstance(first, ast.Name) else ""
    return name if first is function else f"{name}."
