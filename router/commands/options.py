"""Options that several commands share, and what they become."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from router.errors import InputError, Issue

if TYPE_CHECKING:
    from solvers import SolveOptions

EXAMPLE = "router examples copy quickstart && router solve quickstart.yaml"


@dataclass(frozen=True)
class SearchFlags:
    """How a plan is looked for."""

    solver: str
    gap: float
    time_limit: float
    threads: int
    seed: int
    relax: bool
    native: tuple[str, ...]

    def options(self, log: bool = False) -> SolveOptions:
        """For the solver. Raises InputError for values that make no sense."""
        from solvers import OptionRejected, SolveOptions

        try:
            return SolveOptions(
                gap=self.gap,
                time_limit_s=None if math.isinf(self.time_limit) else self.time_limit,
                threads=self.threads,
                seed=self.seed,
                relax=self.relax,
                log=log,
                native=dict(_native(text) for text in self.native),
            )
        except OptionRejected as error:
            flag = "--" + error.option.removesuffix("_s").replace("_", "-")
            rule = str(error).rpartition(": ")[2]
            raise InputError(Issue((flag,), rule, value=error.value)) from error


def search_options[**P, R](command: Callable[P, R]) -> Callable[P, R]:
    """Adds `--solver` and what it may be told; the command gets one `search`."""
    for option in reversed(_SEARCH):
        command = option(command)
    return command


def search_from(**given: object) -> SearchFlags:
    """The options of `search_options` as one value."""
    return SearchFlags(**given)  # type: ignore[arg-type]


_SEARCH = (
    click.option(
        "--solver", default="highs", show_default=True, metavar="NAME", help="`router solvers` lists them."
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
json_option = click.option("--json", "machine", is_flag=True, help="Machine output on stdout, errors too.")
verbose_option = click.option(
    "-v", "--verbose", is_flag=True, help="More on stderr: sizes, solver log, tracebacks."
)
output_option = click.option("-o", "--output", metavar="FILE", help="Write it there, whole or not at all.")


def problem_argument[**P, R](command: Callable[P, R]) -> Callable[P, R]:
    """FILE, checked by `problem_file`, which can suggest one."""
    return click.argument("file", required=False, metavar="FILE")(command)


def problem_file(file: str | None) -> str:
    """The problem file named; where there is none, a way to get one. Raises UsageError, InputError."""
    if file is None:
        raise click.UsageError(
            f"which problem? Name a file, or begin with one that is shipped:\n\n  {EXAMPLE}\n"
        )
    if _is_missing(file):
        from router.loading.shipped import listed

        name = file.removesuffix(".yaml")
        if name in (example.name for example in listed()):
            hint = f"it is shipped: router examples copy {name}"
            raise InputError(Issue((), "no such file", file=file, hint=hint))
    return file


def _is_missing(file: str) -> bool:
    import os

    return not os.path.lexists(file)


def _native(text: str) -> tuple[str, bool | int | float | str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(Issue(("--solver-option",), "must be KEY=VALUE", value=text))
    if value.lower() in ("true", "false"):
        return key, value.lower() == "true"
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    return key, value


def zone_name(name: str) -> str:
    """The IANA time zone of `--timezone`. Raises InputError."""
    from router.schema.clock import unknown_zone

    hint = unknown_zone(name)
    if hint is not None:
        raise InputError(Issue(("--timezone",), "is not a known time zone", name, hint))
    return name
