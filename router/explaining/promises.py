"""The promises that a problem makes, by name: each as its family states it (`problems.core.family`), and for whom."""

from __future__ import annotations

from dataclasses import dataclass

from problems.core.columns import Columns
from problems.core.encode import PROMISES
from problems.core.family import Item, Promise, Value
from problems.core.instance import Instance
from problems.core.rows import Rows
from problems.core.view import View
from router.schema.paths import FieldPath, shown


@dataclass(frozen=True)
class StatedPromise:
    """One promise of one workload, offer or group, or of the policy."""

    promise: Promise
    item: Item

    @property
    def name(self) -> str:
        """In words."""
        return self.promise.text.format(name=self.item.name, limit=self.limit)

    @property
    def field(self) -> str:
        """Where it stands, by name: `offers.acme.quota.tokens_per_minute`, `offers.acme.models.m.quota.…`."""
        return shown(self.path)

    @property
    def path(self) -> FieldPath:
        """The same, part by part; what is of one model, say, is named `offer,model`."""
        listed = self.promise.field.count("[]")
        names = iter(self.item.name.rsplit(",", listed - 1) if listed else ())
        parts: list[str] = []
        for part in self.promise.field.split("."):
            parts += [part[:-2], next(names)] if part.endswith("[]") else [part]
        return tuple(parts)

    @property
    def limit(self) -> Value:
        """In the unit of the problem file."""
        value, per = self.item.value, self.promise.per
        return value * per if isinstance(value, float) else value

    def without(self, inst: Instance) -> Instance:
        """The instance in which it is not made."""
        return self.promise.without(inst, self.item.index)

    def used(self, view: View, cols: Columns) -> Rows | None:
        """Rows Σ amount ≤ 1 in parts of the limit, over a program in which it is not made; None: no such limit."""
        return self.promise.used(view, cols, self.item)


def promises(inst: Instance) -> list[StatedPromise]:
    """Every promise that could stand in the way of a plan, family by family."""
    return [StatedPromise(promise, item) for promise in PROMISES for item in promise.items(inst)]
