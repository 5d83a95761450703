"""Options that several commands share, and what they become."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial, wraps
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from router.errors import InputError, Issue

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from router.schema import Problem
    from solvers import SolveOptions

EXAMPLE = "router examples copy quickstart && router solve quickstart.yaml"


def clock_s() -> float:
    """Seconds from some moment on: for when a command begins, before it loads what has the deadline's clock."""
    return monotonic()


@dataclass(frozen=True)
class SearchFlags:
    """How a plan is looked for, and since when: what a command loads before it begins is in its time too."""

    solver: str
    gap: float
    time_limit: float
    threads: int
    seed: int
    relax: bool
    native: tuple[str, ...]
    since: float = field(default_factory=clock_s)

    def begun(self, log: bool = False) -> SolveOptions:
        """The same as `options`, with the time running since the flags were read."""
        options = self.options(log)
        return options.begun(clock_s() - self.since)

    def options(self, log: bool = False) -> SolveOptions:
        """For the solver. Raises InputError for values that make no sense."""
        from solvers import OptionRejected, SolveOptions

        native = pairs("--solver-option", self.native, "KEY=VALUE", empty=True)
        try:
            return SolveOptions(
                gap=self.gap,
                time_limit_s=None if math.isinf(self.time_limit) else self.time_limit,
                threads=self.threads,
                seed=self.seed,
                relax=self.relax,
                log=log,
                native={key: _native(value) for key, value in native},
            )
        except OptionRejected as error:
            flag = "--" + error.option.removesuffix("_s").replace("_", "-")
            rule = str(error).rpartition(": ")[2]
            raise InputError(Issue((flag,), rule, value=error.value)) from error


def search_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Adds `--solver` and its settings; the command gets them as one `search`."""

    @wraps(command)
    def with_search(
        *,
        solver: str,
        gap: float,
        time_limit: float,
        threads: int,
        seed: int,
        relax: bool,
        native: tuple[str, ...],
        **others: Any,
    ) -> R:
        flags = SearchFlags(solver, gap, time_limit, threads, seed, relax, native)
        return command(search=flags, **others)

    for option in reversed(_SEARCH):
        with_search = option(with_search)
    return with_search


_SEARCH = (
    click.option(
        "--solver",
        default="highs",
        show_default=True,
        metavar="NAME",
        help="`router solvers` lists them.",
        shell_complete=lambda *about: _solvers(*about),
    ),
    click.option(
        "--gap",
        type=float,
        default=1e-6,
        show_default=True,
        help="Relative gap at which a plan counts as the best.",
    ),
    click.option(
        "--time-limit",
        type=float,
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="Then the best plan found, with its gap; inf: none.",
    ),
    click.option("--threads", type=int, default=1, show_default=True, help="Only one makes two runs equal."),
    click.option("--seed", type=int, default=0, show_default=True, help="The solver's random seed."),
    click.option(
        "--relax", is_flag=True, help="Allow fractions of instances and contracts: a quick lower bound."
    ),
    click.option(
        "--solver-option",
        "native",
        multiple=True,
        metavar="KEY=VALUE",
        help="Under the solver's own names; may be repeated.",
    ),
)

scenario_option = click.option(
    "--scenario", metavar="NAME", help="The one future to plan for, of those in the file."
)
parquet_option = click.option(
    "--parquet",
    is_flag=True,
    help="Tables by period of the plan beside it, in Parquet: for plans of many periods.",
)


def check_parquet(output: str | None) -> None:
    """Before an hour is spent: what is to be written beside a plan can be. Raises InputError."""
    from router.errors import from_extra

    if output is None:
        raise InputError(
            Issue(("--parquet",), "goes with -o: tables stand beside a plan", hint="-o plan.json")
        )
    from_extra("pyarrow", "parquet", ("--parquet",))


json_option = click.option("--json", "machine", is_flag=True, help="Machine output on stdout, errors too.")
_verbose = partial(
    click.option, "-v", "--verbose", is_flag=True, help="More on stderr: sizes, solver log, tracebacks."
)
verbose_option = _verbose()
tracebacks_option = _verbose(expose_value=False)  # of commands in which only `router.cli` looks at it


def writable(context: click.Context, option: click.Parameter, path: str | None) -> str | None:
    """The file of an option, tried out before an hour is spent on what goes into it. Raises InputError."""
    if path is not None:
        from router.output import check_writable

        check_writable(path, max(option.opts, key=len))
    return path


output_option = click.option(
    "-o", "--output", metavar="FILE", callback=writable, help="Write it there, whole or not at all."
)


def _problem_file(context: click.Context, option: click.Parameter, file: str | None) -> str:
    """The problem file named; where there is none, a way to get one. Raises UsageError, InputError."""
    if file is None:
        raise click.UsageError(
            f"which problem? Name a file, or begin with one that is shipped:\n\n  {EXAMPLE}\n"
        )
    if not os.path.lexists(file):
        from router.loading.shipped import listed

        name = file.removesuffix(".yaml")
        if name in (example.name for example in listed()):
            hint = f"it is shipped: router examples copy {name}"
            raise InputError(Issue((), "no such file", file=file, hint=hint))
    return file


def _files(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Files, as the shell knows them."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(typed, type="file")]


def _solvers(context: click.Context, parameter: click.Parameter, typed: str) -> list[str]:
    from solvers import available

    return [line.name for line in available() if line.installed and line.name.startswith(typed)]


def _remember(context: click.Context, option: click.Parameter, folders: tuple[str, ...]) -> None:
    context.meta[ALLOWED] = folders


ALLOWED = "router.allow_files"
allow_files_option = click.option(
    "--allow-files",
    metavar="DIR",
    multiple=True,
    expose_value=False,
    callback=_remember,
    help="Included files, traces and series may lie below it too, not only below the problem's folder.",
)


def allow_files() -> tuple[str, ...]:
    """What `--allow-files` names on this command."""
    folders: tuple[str, ...] = click.get_current_context().meta.get(ALLOWED, ())
    return folders


def problem_of(file: str) -> Problem:
    """The problem in a file, as the command's options let it be read. Raises InputError."""
    from router.loading.catalogue import load

    return load(file, allow_files=allow_files())


def problem_argument[**P, R](command: Callable[P, R]) -> Callable[P, R]:
    """FILE, and what may be read with it."""
    file = click.argument(
        "file", required=False, metavar="FILE", callback=_problem_file, shell_complete=_files
    )
    return file(allow_files_option(command))


def problem_option[**P, R](
    meaning: str = "The problem that the plan was made from.", *, required: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`--problem`, and what may be read with it."""

    def with_problem(command: Callable[P, R]) -> Callable[P, R]:
        option = click.option("--problem", metavar="FILE", required=required, help=meaning)
        return option(allow_files_option(command))

    return with_problem


def pairs(
    option: str, texts: tuple[str, ...], form: str = "NAME=VALUE", *, empty: bool = False
) -> list[tuple[str, str]]:
    """Name and value of each text of an option; `empty`: the value may be. Raises InputError."""
    split = [text.partition("=") for text in texts]
    for text, (name, equals, value) in zip(texts, split, strict=True):
        if not (name and equals and (value or empty)):
            raise InputError(Issue((option,), f"must be {form}", value=text))
    return [(name, value) for name, _, value in split]


def _native(value: str) -> bool | int | float | str:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _zone(context: click.Context, option: click.Parameter, name: str) -> str:
    from router.schema.clock import unknown_zone

    hint = unknown_zone(name)
    if hint is not None:
        raise InputError(Issue(("--timezone",), "is not a known time zone", name, hint))
    return name


def timezone_option[**P, R](meaning: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """`--timezone`, the name of an IANA time zone."""
    return click.option(
        "--timezone", default="UTC", show_default=True, metavar="ZONE", callback=_zone, help=meaning
    )
