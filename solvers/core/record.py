"""Frozen records that hold arrays. They have no `==`, which arrays answer cell by cell, and print as plain objects."""

from __future__ import annotations

from dataclasses import Field, FrozenInstanceError, dataclass, field
from typing import ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
class Record:
    """Base that makes a frozen dataclass of a class; a `__post_init__` of its own ends with `super().__post_init__()`.

    What freezes them is written once for all: generated for each of some forty classes, it is felt at every start.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]

    def __init_subclass__(cls) -> None:
        dataclass(eq=False, repr=False)(cls)

    def __post_init__(self) -> None:
        self.__dict__["_frozen"] = True

    def __setattr__(self, name: str, value: object) -> None:
        if "_frozen" in self.__dict__:
            raise FrozenInstanceError(f"cannot assign to {name} of a {type(self).__name__}")
        object.__setattr__(self, name, value)
