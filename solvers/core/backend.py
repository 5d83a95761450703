"""What a backend is: a file that states what its solver can do, and opens sessions. `shell.solve` does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.core.result import Duals, SimplexBasis, Stop


class Feature(Enum):
    """What a backend can do; asked instead of its name."""

    INTEGER = "integer"
    DUALS = "duals"
    BOUND = "bound"  # reports a bound when stopped early
    START = "start"  # uses a starting point
    THREADS = "threads"
    SEED = "seed"


class Retry(Record):
    """Options under which the solver should be asked again, in the time that is left, and what to say of it."""

    options: SolveOptions
    warning: str


class RawOutcome(Record):
    """What a solver says of its run, in our terms and unchecked.

    stop            why it ended
    point           (n,) the best point that it found, whatever the stop; None: none
    bound           proven bound of a MILP's objective, offset included; None: not told
    row_duals       (m,) of an LP, signs as in `Duals`; the shell keeps them only if they prove the objective
    duals           of an LP, from a solver that is trusted with them: kept as they are
    raw             the solver's own word for its ending
    iterations, nodes    None: not told
    warnings        what the solver did differently from what was asked
    retry           set where the answer is not to be trusted
    """

    stop: Stop
    point: Floats | None = None
    bound: float | None = None
    row_duals: Floats | None = None
    duals: Duals | None = None
    raw: str = ""
    iterations: int | None = None
    nodes: int | None = None
    warnings: tuple[str, ...] = ()
    retry: Retry | None = None


class Session(Protocol):
    """One program, one solver, one run. Made with the options; each method is called once, in this order."""

    def load(self, start: Floats | SimplexBasis | None) -> None:
        """Hand the program over, with a starting point (n,) or the solver's own basis if there is one.

        Raises `HandOverRefused`.
        """

    def run(self) -> RawOutcome:
        """Solve. Infeasible, out of time or a crash of the solver is an outcome; raises `OptionRejected` only."""


class Backend(Protocol):
    """A module, or anything else, with these names.

    NAME                what `--solver` takes
    VERSION             of the library behind it
    FEATURES            what it can do; an option beyond them is refused
    PRINTS              whether it may write to stdout, which is then diverted to stderr while it runs
    WITHOUT_PRESOLVE    its own options that switch presolve off; empty: its word "infeasible" is believed
    STOP                what each ending of the solver is called here: every member of its enumerations
    """

    NAME: str
    VERSION: str
    FEATURES: frozenset[Feature]
    PRINTS: bool
    WITHOUT_PRESOLVE: Mapping[str, object]
    STOP: Mapping[Any, Stop]

    def session(self, program: LinearProgram, options: SolveOptions) -> Session:
        """A run to be, with all options checked: raises `OptionRejected` for one that the solver does not take.

        The program is already relaxed where that was asked, and of a MILP the options state no LP tolerances.
        """
