"""Files that were damaged or made up: `python tests/campaigns/fuzz.py loader --problems 100000 --seed 1`.

What is read (`loader`, `importers`, `plans`, `stores`) is a file of the tests with some of it changed: bytes, words,
figures, whole lines. A command reads it. It ends with a code of its own, never with 1, and within ten seconds. A seed
draws the same file again. The changes are drawn blindly: no coverage guides them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.figures import Figures, seeds

import router
from router.cli import run
from router.plan.document import Plan
from router.store import Outcome, open_store

EXAMPLES = Path(router.__file__).parent / "examples"
DATA = Path(__file__).parents[1] / "data"
LONGEST_S = 10.0
PLANNED = "case-05-documents"
WORDS = (
    *(
        "",
        "0",
        "-1",
        "1e308",
        "1e400",
        "-0.0",
        "nan",
        "inf",
        "null",
        "~",
        "true",
        "[]",
        "{}",
        "''",
        "*a",
        "&a",
        "!!x",
    ),
    *(
        "9" * 400,
        "1e-320",
        "2026-02-30",
        "9999-12-31",
        "\x00",
        "\ufeff",
        "\u202e",
        '"',
        "'",
        ":",
        ",",
        "\t",
        "\r",
    ),
    *("x" * 5000, "[" * 200, "{" * 200, "<<: *a", "0x10", "1_000", "١", "../../etc/passwd", "/dev/zero"),
)
PERFORMANCE = "import performance {file} --offer o --model m --gpus 1 --usd-per-gpu-h 1"
IMPORTS = {
    "performance": (PERFORMANCE,),
    "traces": ("import trace {file} --model m",),
    "usage": ("import usage {file}",),
    "prices": (
        "import prices litellm {file}",
        "import prices models-dev {file}",
        "import prices opencost {file}",
    ),
}


@cache
def planned() -> str:
    """A plan, made once."""
    return router.solve(EXAMPLES / f"{PLANNED}.yaml").to_json()


def files(kind: str) -> list[tuple[str, str]]:
    """Names and content of the files to begin with."""
    if kind in ("plans", "stores"):
        return [("plan.json", planned())]
    if kind == "loader":
        found = sorted(EXAMPLES.glob("*.yaml"))
    else:
        found = sorted(file for name in IMPORTS for file in (DATA / name).glob("*.*") if file.suffix != ".md")
    return [
        (f"{file.parent.name}/{file.name}", file.read_text("utf-8"))
        for file in found
        if file.stat().st_size < 2e5
    ]


def damaged(text: str, draw: Random) -> bytes:
    """A few changes."""
    for _ in range(draw.choice((1, 1, 2, 5))):
        way = draw.randrange(6)
        words = list(re.finditer(r"[\w.+-]+", text))
        if way == 0 and words:
            word = draw.choice(words)
            text = text[: word.start()] + draw.choice(WORDS) + text[word.end() :]
        elif way == 1 and len(words) > 1:
            one, other = draw.choice(words), draw.choice(words)
            text = text[: one.start()] + other.group() + text[one.end() :]
        elif way == 2:
            lines = text.splitlines(keepends=True) or [""]
            i, j = draw.randrange(len(lines)), draw.randrange(len(lines))
            lines[i : i + draw.choice((0, 1, 3))] = [lines[j]] * draw.choice((0, 1, 2))
            text = "".join(lines)
        elif way == 3:
            text = text[: draw.randrange(len(text) + 1)]
        else:
            at = draw.randrange(len(text) + 1)
            text = text[:at] + draw.choice(WORDS) + text[at + draw.choice((0, 1, 8)) :]
    content = text.encode("utf-8", "replace")
    if draw.random() < 0.1 and content:
        at = draw.randrange(len(content))
        content = content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :]
    return content


def commands(kind: str, name: str, draw: Random) -> tuple[str, ...]:
    if kind == "loader":
        return ("export lp {file}",)
    if kind == "importers":
        return (draw.choice(IMPORTS[name.partition("/")[0]]),)
    if kind == "plans":
        problem = EXAMPLES / f"{PLANNED}.yaml"
        reads = ("report {file}", "diff {file} {file}", "export litellm {file}", "export tfvars {file}")
        return (f"verify {problem} {{file}}", draw.choice(reads))
    return ("history --store sqlite:///{file}", "diff 1 1 --store sqlite:///{file}")


@contextlib.contextmanager
def put(kind: str, name: str, text: str, draw: Random) -> Iterator[Path]:
    """The damaged file where a command reads it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(name).name
        if kind == "stores":
            _store(file, text, draw)
        else:
            file.write_bytes(damaged(text, draw))
        for beside in EXAMPLES.glob("catalogue.yaml") if kind == "loader" else ():
            if not (Path(folder) / beside.name).exists():
                shutil.copy(beside, folder)
        yield file


def _store(file: Path, text: str, draw: Random) -> None:
    """A store of one plan, with a value or bytes of its file changed."""
    with open_store(f"sqlite:///{file}") as store, store.lease("p", 60) as lease:
        store.publish(
            lease, Plan.from_dict(json.loads(text)), {"name": "p"}, Outcome("k", "first", None, 7.0, None)
        )
    connection = sqlite3.connect(file)
    if draw.random() < 0.7:
        columns = [row[1] for row in connection.execute("pragma table_info(router_plans)")]
        value = draw.choice((*WORDS, None, 1, -1.5, b"\x00", damaged(text, draw)))
        with contextlib.suppress(sqlite3.Error, UnicodeEncodeError):
            connection.execute(f"update router_plans set {draw.choice(columns)} = ?", (value,))
            connection.commit()
    connection.rollback()
    connection.close()
    content = bytearray(file.read_bytes())
    if draw.random() < 0.4:
        for _ in range(draw.choice((1, 10, 100))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        file.write_bytes(bytes(content))


def campaign(kind: str, count: int, first: int) -> Figures:
    """Each file read by its commands."""
    figures, sources = Figures(), files(kind)
    for seed in seeds(count, first, told_every=1000):
        draw = Random(seed)
        name, text = draw.choice(sources)
        with put(kind, name, text, draw) as file:
            for command in commands(kind, name, draw):
                code, said, seconds = ended([part.format(file=file) for part in command.split()])
                figures.ends[f"exit {code}"] += 1
                if code == 1 or seconds > LONGEST_S:
                    figures.faults.append(
                        f"{kind}, seed {seed}: {command}: {code} in {seconds:.1f} s: {said[-300:]}"
                    )
    return figures


def ended(arguments: list[str], clock: Callable[[], float] = time.process_time) -> tuple[int, str, float]:
    """Exit code, what was said on stderr, and seconds of the processor."""
    began, out, err = clock(), io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments)
    return code, err.getvalue(), clock() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=("loader", "importers", "plans", "stores"))
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    sys.exit(campaign(asked.kind, asked.problems, asked.seed * 1_000_000).printed())
