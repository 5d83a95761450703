"""Generated futures: demand paths drawn with a seed, from a history or from growth and spread, and reduced in number.

    stream      numbers drawn from a seed, the same on every machine
    history     a record as whole weeks or days of requests by slot
    bootstrap   blocks of it laid end to end over the horizon, day and week kept
    generate    paths with growth and spread, for planning and drawn afresh
    reduce      a named number of them that stand for all

Imports nothing of `problems` and `solvers`: the verifier draws again by the same rules.
"""

from router.scenarios.generate import Drawn, drawn, fresh

__all__ = ["Drawn", "drawn", "fresh"]
