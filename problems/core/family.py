"""What a constraint family says of itself: its rows, the promises of the problem file that they keep, their worth.

    FAMILY = Family(NAME, build, in_a_loss=build, promises=(Promise("policy.max_power_kw", "policy.max_power_kw", …),))

Everything that speaks of promises (`explain`, `compare`, `backtest`, shadow prices, the docs) reads it here, through
`FAMILIES` of `problems.core.encode`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from problems.core.arrays import Bools
from problems.core.columns import Columns
from problems.core.instance import Instance
from problems.core.rows import Rows, rows
from problems.core.view import View
from solvers.core.record import Record

Build = Callable[[View, Columns], Rows]
Value = float | bool | str


class Item(Record):
    """One of those who make a promise: its index, its name (empty for the policy), the value that it is about.

    Where that changes in time, `value` is the least, and `stated` has all, by stretch or period.
    """

    index: int
    name: str
    value: Value
    stated: Any


class Promise(Record):
    """A field of the problem file that a plan must keep to, and how it is left out.

    field     its path: "offers[].quota.tokens_per_minute"
    array     where it is in the instance: "offers.quota_tokens" (one value per item, or one by stretch or period, of
              which the least is told), or a value of `policy`
    relax     the value there by which nothing is promised
    text      the promise in words, with the {name} of its item and its {limit} in the unit of the file
    per       the unit of the file in that of the array: 60 for a minute of something per second
    amount    builds rows Σ amount ≤ limit of it, as far as they have an upper limit; None: no limit to be raised
    relative  `amount` counts in parts of the limit
    whole     more of it comes in whole numbers
    alone     a single offer could keep it; false for what asks for several (`compare` leaves it out)
    settled   it binds what has happened too; false for what only a plan must keep (`backtest` leaves it out)
    made      (n,) which items make it; absent: those whose value is not `relax`
    """

    field: str
    array: str
    relax: Value
    text: str
    per: float = 1.0
    amount: Build | None = None
    relative: bool = False
    whole: bool = False
    alone: bool = True
    settled: bool = True
    made: Callable[[Instance], Bools] | None = None

    def items(self, inst: Instance) -> Iterator[Item]:
        """Those who make the promise, in order."""
        table, values = self._table(inst), self._values(inst)
        names = getattr(table, "file_names", getattr(table, "names", None))
        if names is None:
            names = [inst.offers.names[o] for o in table.offer] if hasattr(table, "offer") else [""]
        made = values != self.relax if self.made is None else self.made(inst)
        stated = values
        if values.ndim > 1:  # it changes in time
            made, values = made if made.ndim == 1 else made.any(axis=1), values.min(axis=1)
        for i in np.flatnonzero(made).tolist():
            yield Item(i, names[i], values[i].item(), stated[i])

    def without(self, inst: Instance, item: int | None = None) -> Instance:
        """The instance in which an item, or none at all, makes the promise."""
        return self._with(inst, self.relax, item)

    def used(self, view: View, cols: Columns, item: Item) -> Rows | None:
        """Rows Σ amount ≤ 1 of one item's promise, in parts of its limit; None where it is no limit to be raised.

        Over the columns of a program in which the promise is not made; other promises of the same rows are left out.
        """
        if self.amount is None or not float(item.value) > 0:
            return None
        nobody = self._with(view.inst, self.relax, None)
        built = self.amount(replace(view, inst=self._with(nobody, item.stated, item.index)), cols)
        scale = 1.0 if self.relative else float(item.value)
        terms = [(row, column, np.asarray(value) / scale) for row, column, value in built.terms]
        return rows(built.family, len(built), terms, built.label, upper=built.upper / scale)

    def _table(self, inst: Instance) -> Any:
        return getattr(inst, self.array.partition(".")[0])

    def _values(self, inst: Instance) -> Any:
        return np.atleast_1d(getattr(self._table(inst), self.array.partition(".")[2]))

    def _with(self, inst: Instance, value: Value, item: int | None) -> Instance:
        table, name = self.array.split(".")
        values = getattr(self._table(inst), name)
        changed: Any = value
        if isinstance(values, np.ndarray):
            changed = values.copy()
            changed[slice(None) if item is None else item] = value
        return replace(inst, **{table: replace(self._table(inst), **{name: changed})})


class Worth(Record):
    """What the shadow price of a family's rows is in, and what would help where they bind.

    unit    of the price: "USD per kW"
    limit   what is limited: "power"; empty where no more of it can be had
    more    what the price is for: "a kW more"
    rented  of pools that are rented: where nothing is, a capacity of zero has no such price
    """

    unit: str
    limit: str = ""
    more: str = ""
    rented: bool = False


class Family(Record):
    """A constraint family. `build` makes its rows of a scenario; None where they are made otherwise (see `encode`).

    `in_a_loss` makes the rows that hold when a provider is lost too (see `survival`); None: it does not bind there.
    """

    name: str
    build: Build | None
    in_a_loss: Build | None
    promises: tuple[Promise, ...] = ()
    worth: Worth | None = None
