"""Backtests: what scheduled re-optimisation would have cost on demand that is known by now.

record      the demand of the past, by workload and period; what of it a step may see
foresight   forecasts made from the past alone
frame       one step's problem: the periods in view, with the past frozen as it happened
bought      what is bought ahead, by name, so that it can be fixed in the next step's program
actual      what happened: shares and counts as they ran, and what no capacity was left for
step        re-plan, or go on; then the demand that really came
run         the replay, staying put, hindsight and every offer alone
series      figures by period, for the picture and for machines

`run.backtest(problem, settings, search)` is the interface; `router.reports.backtest` puts its result into words.
"""

from router.backtesting.result import Backtest, Execution
from router.backtesting.run import Settings, backtest

__all__ = ["Backtest", "Execution", "Settings", "backtest"]
