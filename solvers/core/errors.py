"""What can go wrong before there is an answer. Infeasible or out of time is an answer, not an error.

SolversError
├── ProgramError        the arrays are no linear program (NaN, wrong shape, lower > upper)
├── UnknownSolver       no solver has this name
├── SolverUnavailable   known, but not installed here
├── OptionRejected      the solver refuses this option or its value
└── HandOverRefused     the solver refuses these arrays (coefficients too large for it, …)
"""

from collections.abc import Iterable
from difflib import get_close_matches


class SolversError(Exception):
    """Anything this package raises on purpose."""


class ProgramError(SolversError, ValueError):
    """The arrays do not make a linear program; the message names the array and the index."""


class UnknownSolver(SolversError, LookupError):
    """No solver has this name. `nearest` holds the best guesses, `possible` every name."""

    def __init__(self, name: str, possible: Iterable[str]) -> None:
        self.name = name
        self.possible = tuple(possible)
        folded = {known.casefold(): known for known in self.possible}
        # "COIN_CMD" typed without its prefix should still find "pulp:COIN_CMD".
        wanted = name.casefold()
        close = get_close_matches(wanted, folded, n=3, cutoff=0.5)
        close += [known for known in folded if known.endswith(":" + wanted) and known not in close]
        self.nearest = tuple(folded[known] for known in close)
        guess = f" Did you mean {' or '.join(self.nearest)}?" if self.nearest else ""
        super().__init__(f"unknown solver {name!r}.{guess} Possible: {', '.join(self.possible)}")


class SolverUnavailable(SolversError):
    """The solver is known but cannot run here; `remedy` says how to install it."""

    def __init__(self, name: str, remedy: str) -> None:
        self.name = name
        self.remedy = remedy
        super().__init__(f"solver {name!r} is not installed: {remedy}")


class OptionRejected(SolversError, ValueError):
    """The solver refuses an option: misspelt, of the wrong type, out of range, or not supported."""

    def __init__(self, solver: str, option: str, value: object, why: str = "") -> None:
        self.solver = solver
        self.option = option
        self.value = value
        super().__init__(f"{solver} refuses option {option!r} = {value!r}" + (f": {why}" if why else ""))


class HandOverRefused(SolversError):
    """The solver would not load the arrays."""

    def __init__(self, solver: str, why: str) -> None:
        self.solver = solver
        super().__init__(f"{solver} refuses the program: {why}")
