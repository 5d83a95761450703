"""The docs as a site that needs no network: `python docs/site.py -o DIR` (mkdocs-material, the extra `docs`).

Pages are those of the repository, with links between them as they are there; each constraint family, tutorial and
example has one of its own, made from its module, notebook or file. A link that leads nowhere ends the build.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

import yaml
from reference_pages import as_markdown

from problems.core.encode import FAMILIES
from router.loading.shipped import listed

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()([^)#\s:]+)(?=[#)])")
IMAGE = re.compile(r'(?<=src=")([^":]+)(?=")')
LOADED = re.compile(r'<(script|img|iframe|link rel="stylesheet")[^>]*(src|href)="(https?:)?//')
TUTORIALS = {
    "plan-a-fleet": "Plan a fleet",
    "size-a-contract": "Size a contract",
    "run-it-every-hour": "Run it every hour",
}
TASKS = {
    "explain": "Ask why",
    "report": "Show it",
    "sizing": "Decide what to sign",
    "reoptimise": "Plan again every hour",
    "backtest": "Replay a record",
    "imports": "Bring usage, prices, performance",
    "exports": "Steer traffic, write files",
    "deploy": "Deploy it",
}
REFERENCE = {
    "fields": "Fields of the problem file",
    "plan": "Fields of a plan",
    "cli": "Commands",
    "python": "Python",
    "limits": "Limits",
    "glossary": "Glossary",
    "messages": "Messages",
    "how-it-hangs-together": "How it hangs together",
}
STANDING = {  # of the repository → of the site
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "problems/README.md": "model.md",
    "solvers/README.md": "solvers.md",
    "router/examples/README.md": "article.md",
    "router/examples/results/backtest.md": "results-backtest.md",
    "docs/upgrading.md": "upgrading.md",
    **{f"docs/{name}.md": f"{name}.md" for name in (*TASKS, *REFERENCE)},
    **{f"docs/tutorials/{name}.ipynb": f"tutorials/{name}.md" for name in TUTORIALS},
}


def families() -> dict[str, str]:
    """A page a family: its formula is the text of its module."""
    pages = {}
    for family in FAMILIES:
        text = as_markdown(inspect.getdoc(import_module(f"problems.{family.name}")) or "")
        promises = [f"| `{promise.field}` | {promise.text} |" for promise in family.promises]
        table = ["", "| field | what it promises |", "|---|---|", *promises] if promises else []
        pages[f"families/{family.name}.md"] = "\n".join([f"# {family.name}", "", text, *table]) + "\n"
    return pages


def tutorial(name: str) -> str:
    """A notebook as a page."""
    notebook = json.loads((ROOT / "docs" / "tutorials" / f"{name}.ipynb").read_text(encoding="utf-8"))
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        language = "console" if source.startswith("!") else "python"
        parts.append(f"```{language}\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "text/html" in data:
                parts.append("".join(data["text/html"]).replace("\n\n", "\n"))
            else:
                parts.append(
                    "```text\n" + "".join(output.get("text") or data["text/plain"]).rstrip() + "\n```"
                )
    return "\n\n".join([*parts, f"The notebook is `docs/tutorials/{name}.ipynb`."]) + "\n"


def gallery() -> str:
    """Every shipped example with its picture."""
    lines = [
        "# Examples",
        "",
        "`router examples copy NAME` writes one beside you; each says in its head what is assumed.",
        "",
    ]
    for example in listed():
        if not example.problem:
            continue
        lines += [f"## {example.name}", "", f"{example.about}.", ""]
        if (ROOT / "docs" / "pictures" / "examples" / f"{example.name}.svg").exists():
            lines += [
                f"![who serves what, and what it costs](../docs/pictures/examples/{example.name}.svg)",
                "",
            ]
        lines += [f"    router solve {example.name}.yaml", ""]
    return "\n".join(lines)


def staged(folder: Path) -> None:
    """Every page and every file that a page links to, in one folder."""
    pages = {
        new: (old, (ROOT / old).read_text(encoding="utf-8"))
        for old, new in STANDING.items()
        if old.endswith(".md")
    }
    pages |= {f"tutorials/{name}.md": (f"docs/tutorials/{name}.ipynb", tutorial(name)) for name in TUTORIALS}
    pages |= {path: (path, text) for path, text in families().items()}
    pages["examples.md"] = ("router/examples.md", gallery())
    for new, (old, text) in pages.items():
        target = folder / new
        target.parent.mkdir(parents=True, exist_ok=True)

        def moved(match: re.Match[str], new: str = new, old: str = old) -> str:
            return _moved(match[1], old, new, folder)

        target.write_text(IMAGE.sub(moved, LINK.sub(moved, text)), encoding="utf-8")


def _moved(link: str, old: str, new: str, folder: Path) -> str:
    """Where a link of a page leads on the site; a file that is no page goes along."""
    meant = normpath(join(dirname(old), link))
    if meant in STANDING:
        return relpath(STANDING[meant], dirname(new) or ".")
    source = ROOT / meant
    if not source.is_file():
        return relpath("index.md", dirname(new) or ".") if source.is_dir() else link
    target = folder / "files" / meant
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return relpath(f"files/{meant}", dirname(new) or ".")


def config(pages: Path, site: Path) -> dict[str, object]:
    """What mkdocs is told."""
    return {
        "site_name": "LLM inference planner",
        "docs_dir": str(pages),
        "site_dir": str(site),
        "use_directory_urls": False,
        "strict": True,
        "theme": {
            "name": "material",
            "font": False,
            "features": ["navigation.sections", "navigation.indexes", "content.code.copy"],
            "palette": [
                {"media": "(prefers-color-scheme: light)", "scheme": "default"},
                {"media": "(prefers-color-scheme: dark)", "scheme": "slate"},
            ],
        },
        "plugins": ["search"],
        "markdown_extensions": ["tables", "md_in_html", "pymdownx.superfences", {"toc": {"permalink": True}}],
        "nav": [
            {"Home": "index.md"},
            {"Tutorials": [{title: f"tutorials/{name}.md"} for name, title in TUTORIALS.items()]},
            {"Tasks": [{title: f"{name}.md"} for name, title in TASKS.items()]},
            {
                "Examples": [
                    {"Gallery": "examples.md"},
                    {"A price analysis, recomputed": "article.md"},
                    {"Fourteen days replayed": "results-backtest.md"},
                ]
            },
            {
                "Model": [
                    {"On one page": "model.md"},
                    {"Solvers": "solvers.md"},
                    *({family.name: f"families/{family.name}.md"} for family in FAMILIES),
                ]
            },
            {"Reference": [{title: f"{name}.md"} for name, title in REFERENCE.items()]},
            {
                "Releases": [
                    {"Upgrading": "upgrading.md"},
                    {"Changes": "changelog.md"},
                    {"Contributing": "contributing.md"},
                ]
            },
        ],
    }


def main() -> int:
    """Build it, or say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", required=True, metavar="DIR")
    site = Path(parser.parse_args().output).resolve()
    with tempfile.TemporaryDirectory() as name:
        pages = Path(name) / "pages"
        pages.mkdir()
        staged(pages)
        file = Path(name) / "mkdocs.yml"
        file.write_text(yaml.safe_dump(config(pages, site)), encoding="utf-8")
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", str(file)]
        done = subprocess.run(command, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    loaded = [page for page in site.rglob("*.html") if LOADED.search(page.read_text(encoding="utf-8"))]
    for page in loaded:
        sys.stderr.write(f"{page}: loads something from elsewhere\n")
    return done.returncode or bool(loaded)


if __name__ == "__main__":
    sys.exit(main())
