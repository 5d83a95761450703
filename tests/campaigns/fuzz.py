"""Files that were damaged: `python tests/campaigns/fuzz.py loader --minutes 60 --seed 1`.

What is read (`loader`, `importers`, `plans`, `stores`) is a file of the tests with some of it changed: bytes, words,
figures, whole lines. Commands read it. Each ends with a code of its own, never with 1, within ten seconds of the
processor. It is guided: a file that reaches lines of the readers that none before it reached, or a sentence that none
before it met, is kept and changed further; which lines were reached is counted. The same seed does the same; what fails
is written to `--keep`, too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import re
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

if not __package__:  # run as a script
    sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.figures import Figures
from campaigns.line_coverage import LineCoverage

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
        "import prices gpu {file}",
    ),
}
TRACES = ("", " --by tenant", " --classes 2", " --by tenant --classes 1", " --period-h 1")
READERS = {
    "loader": ("loading", "schema"),
    "importers": ("importers", "traces"),
    "plans": ("plan", "reports"),
    "stores": ("store",),
}
"""Folders of `router` whose lines guide, and are counted."""


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


def rewritten(document: Any, draw: Random) -> bytes:
    """JSON that is still JSON: a value replaced, left out or put in twice."""
    places = [(document, key) for key in _keys(document)] if document else []
    for inside, key in places:  # grows: all that lies deeper
        places += [(inside[key], deeper) for deeper in _keys(inside[key])]
    for inside, key in draw.sample(places, min(len(places), draw.choice((1, 1, 1, 3)))):
        way = draw.random()
        if key not in _keys(inside):
            continue
        if way < 0.6:
            other, at = draw.choice(places)
            before = inside[key]
            if isinstance(before, float | int) and way < 0.35:
                inside[key] = draw.choice((*NUMBERS, before + before // 2, -before))
            elif way < 0.45 and at in _keys(other) and other is not inside:
                inside[key] = other[at]
            else:
                inside[key] = draw.choice(VALUES)
        elif way < 0.8:
            del inside[key]
        elif isinstance(inside, list):
            inside.append(inside[key])
        else:
            inside[draw.choice(("x", "", f"{key} "))] = inside[key]
    with contextlib.suppress(RecursionError, ValueError):  # what holds itself
        return json.dumps(document).encode()
    return b"{}"


NUMBERS = (0, -1, 1, 2.5, -0.0, 1e-320, 1e15, 1e18, 1e308)
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2.5,
        -0.0,
        1e-320,
        1e15,
        1e18,
        1e308,
        10**400,
        "",
        "x",
        "1",
        [],
        {},
        [[]],
        [None],
    ),
    *("x" * 5000, "2026-02-30", "9999-12-31T23:59:59", "\ud800", "\x00", "=1+1", math.nan, math.inf),
)


def _keys(inside: Any) -> list[Any]:
    if isinstance(inside, dict):
        return list(inside)
    return list(range(len(inside))) if isinstance(inside, list) else []


def commands(kind: str, name: str, draw: Random) -> tuple[str, ...]:
    if kind == "loader":
        return ("export lp {file}",)
    if kind == "importers":
        command = draw.choice(IMPORTS[name.partition("/")[0]])
        return (command + draw.choice(TRACES) if "trace" in command else command,)
    if kind == "plans":
        problem = EXAMPLES / f"{PLANNED}.yaml"
        reads = (
            "report {file}",
            "report {file} --format csv",
            "report {file} -o {file}.html",
            "diff {file} {file}",
            "export litellm {file}",
            "export tfvars {file}",
        )
        return (f"verify {problem} {{file}}", draw.choice(reads))
    return (
        "history --store sqlite:///{file}",
        "diff 1 1 --store sqlite:///{file}",
        "report 1 --store sqlite:///{file}",
    )


@cache
def stored() -> bytes:
    """A store of one plan, made once."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        with open_store(f"sqlite:///{file}") as store, store.lease("p", 60) as lease:
            outcome = Outcome("k", "first", None, 7.0, None)
            store.publish(lease, Plan.from_dict(json.loads(planned())), {"name": "p"}, outcome)
        return file.read_bytes()


def changed(kind: str, content: bytes, draw: Random) -> bytes:
    """The content of a file with some of it changed."""
    if kind != "stores":
        text = content.decode("utf-8", "replace")
        with contextlib.suppress(ValueError, RecursionError):
            if draw.random() < 0.6 and kind != "loader":
                return rewritten(json.loads(text), draw)
        return damaged(text, draw)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "s.db"
        file.write_bytes(content)
        if draw.random() < 0.7:
            with (
                contextlib.suppress(sqlite3.Error, UnicodeError),
                contextlib.closing(sqlite3.connect(file)) as opened,
            ):
                _change(opened, draw)
        content = file.read_bytes()
    if draw.random() < 0.4 and content:
        spoilt = bytearray(content)
        for _ in range(draw.choice((1, 10, 100))):
            spoilt[draw.randrange(len(spoilt))] = draw.randrange(256)
        content = bytes(spoilt)
    return content


def _change(opened: sqlite3.Connection, draw: Random) -> None:
    """A value of a row, or the layout."""
    table = draw.choice(("router_plans", "router_plans", "router_plans", "router_leases", "router_layout"))
    columns = [row[1] for row in opened.execute(f"pragma table_info({table})")]
    value = draw.choice((*WORDS, None, 1, -1.5, b"\x00", b"\xff\xfe", damaged(planned()[:2000], draw)))
    column = draw.choice(columns) if columns else "id"
    way = draw.random()
    if way < 0.8:
        opened.execute(f"update {table} set {column} = ?", (value,))
    elif way < 0.9:
        opened.execute(f"alter table {table} drop column {column}")
    else:
        opened.execute(draw.choice((f"drop table {table}", f"delete from {table}")))
    opened.commit()


@dataclass
class Guided:
    """The files to change, those that reached something new among them."""

    kind: str
    keep: Path | None = None
    figures: Figures = field(default_factory=Figures)
    corpus: list[tuple[str, bytes]] = field(default_factory=list)
    sentences: set[str] = field(default_factory=set)
    tried: int = 0

    def __post_init__(self) -> None:
        self.coverage = LineCoverage(READERS[self.kind])
        if self.kind == "stores":
            self.corpus = [("s.db", stored())]
        else:
            self.corpus = [(name, text.encode()) for name, text in files(self.kind)]
        self.plain = len(self.corpus)

    def step(self, draw: Random) -> None:
        """One file, changed or as it is, read by its commands."""
        if self.tried < self.plain:
            name, content = self.corpus[self.tried]
        else:
            some = draw.choice((self.corpus, self.corpus[: self.plain], self.corpus[-20:]))
            name, content = draw.choice(some)
            content = changed(self.kind, content, draw)
        before, news = len(self.coverage.seen), False
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / Path(name).name
            if self.kind == "loader":
                shutil.copy(EXAMPLES / "catalogue.yaml", folder)
            for command in commands(self.kind, name, draw):
                file.write_bytes(content)
                code, said, seconds = ended([part.format(file=file) for part in command.split()])
                self.figures.ends[f"exit {code}"] += 1
                news |= self._is_new(f"{command.split()[0]} {said.replace(folder, '')}")
                if code == 1 or seconds > LONGEST_S:
                    self._fault(f"{command}: {code} in {seconds:.1f} s: {said[-300:]}", name, content)
        if self.tried >= self.plain and (news or len(self.coverage.seen) > before):
            self.corpus.append((name, content))
        self.tried += 1

    def _is_new(self, said: str) -> bool:
        """A sentence, whatever figures and names stand in it."""
        shape = re.sub(r'"[^"]*"|[\w.\[\]/+-]*\d[\w.\[\]/+-]*', "", said)[:120]
        fresh = shape not in self.sentences
        self.sentences.add(shape)
        return fresh

    def _fault(self, words: str, name: str, content: bytes) -> None:
        self.figures.faults.append(f"{self.kind}, file {self.tried} ({name}): {words}")
        sys.stderr.write(self.figures.faults[-1] + "\n")
        if self.keep is not None:
            self.keep.mkdir(parents=True, exist_ok=True)
            (self.keep / f"{self.kind}-{self.tried}-{Path(name).name}").write_bytes(content)

    def counted(self) -> dict[str, object]:
        lines, seen = len(self.coverage.lines), len(self.coverage.seen)
        return {
            "files": self.tried,
            "kept": len(self.corpus) - self.plain,
            "sentences": len(self.sentences),
            "lines of " + ", ".join(READERS[self.kind]): f"{seen} of {lines} ({seen / lines:.1%})",
            "most memory": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB",
        }


def campaign(
    kind: str, count: int | None, seed: int, minutes: float = math.inf, keep: Path | None = None
) -> Guided:
    """So many files, or so long."""
    guided, draw, began = Guided(kind, keep), Random(seed), time.monotonic()
    with guided.coverage.watched():
        while (count is None or guided.tried < count) and time.monotonic() - began < 60 * minutes:
            guided.step(draw)
            if guided.tried % 500 == 0:
                sys.stderr.write(f"{json.dumps(guided.counted())}\n")
    return guided


class Hangs(BaseException):
    """It takes longer than it may."""


def ended(arguments: list[str]) -> tuple[int, str, float]:
    """Exit code, what was said on stderr, and seconds of the processor; one that hangs is cut off."""
    began, out, err = time.process_time(), io.StringIO(), io.StringIO()

    def cut(*_: object) -> None:
        raise Hangs

    signal.signal(signal.SIGPROF, cut)
    signal.setitimer(signal.ITIMER_PROF, 2 * LONGEST_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(arguments)
    except Hangs:
        code = 1
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return code, err.getvalue(), time.process_time() - began


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=tuple(READERS))
    parser.add_argument("--problems", type=int, default=None, help="files, at most")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the files of faults")
    parser.add_argument("--unseen", action="store_true", help="list the lines that were not reached")
    asked = parser.parse_args()
    found = campaign(asked.kind, asked.problems, asked.seed, asked.minutes, asked.keep)
    if asked.unseen:
        for name, lines in found.coverage.unseen().items():
            sys.stdout.write(f"{name}: {', '.join(map(str, lines))}\n")
    sys.exit(found.figures.printed(**found.counted()))
