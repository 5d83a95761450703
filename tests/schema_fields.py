"""The fields of the problem file as data: by record, and value by value in a problem.

`fields_by_record` has the form of `router/loading/release_0_1_0.json`, which was written by this module from the schema
of release 0.1.0 and stays as it is: the hash of old plans and run keys is made from it. A later format of the problem
file may need a list of its own:

    python tests/schema_fields.py > fields.json
"""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from schema_texts import MINIMAL

from router.loading import fingerprint
from router.schema import Problem

type Data = dict[str, Any]
type Fields = dict[str, dict[str, Data]]

ANY = Problem.model_validate(MINIMAL)  # no default depends on the problem
VALUES: tuple[object, ...] = (
    *(0.37, 0.38, 3, 4, True, False, "2026-12-31T00:00", "2026-12-30T00:00", "2026-12-31", "2026-12-30"),
    *(
        "Europe/Berlin",
        "Europe/Paris",
        "22:00",
        "23:00",
        "x",
        "y",
        [0.37],
        [0.38],
        ["x"],
        ["y"],
        ["mon"],
        ["tue"],
        ["latency"],
        ["even_load"],
    ),
    *({"x": 0.37}, {"x": 0.38}, {"x": ["x"]}, {"x": ["y"]}, {"x": {"x": 0.37}}, {"x": {"x": 0.38}}),
)
"""Two of them at least are right for every field that holds no record."""


def fields_by_record(root: type[BaseModel] = Problem) -> Fields:
    """Every record that a problem may hold, with its fields: default, what it holds, and whether order counts."""
    found: Fields = {}
    waiting: list[type[BaseModel]] = [root]
    while waiting:
        record = waiting.pop(0)
        if record.__name__ in found:
            continue
        found[record.__name__] = {}
        for name, info in content(record):
            field: Data = {}
            if not info.is_required():
                field["default"] = fingerprint._canonical(info.default, name, ANY)
            for kind, held in holds(info.annotation):
                field[kind] = held.__name__
                waiting.append(held)
            if name in fingerprint._UNORDERED and "mapping_of" not in field:
                field["unordered"] = True
            found[record.__name__][name] = field
    return found


def content(record: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a record that say something of the problem."""
    return ((n, info) for n, info in record.model_fields.items() if n not in fingerprint._NOT_CONTENT)


def holds(annotation: object) -> Iterator[tuple[str, type[BaseModel]]]:
    """The records that a field's value is, or holds in a list or a mapping."""
    for option in options(annotation):
        container, parts = typing.get_origin(option), typing.get_args(option)
        if isinstance(option, type) and issubclass(option, BaseModel):
            yield "record", option
        elif container is tuple:
            yield from (("list_of", held) for _, held in holds(parts[0]))
        elif container is Mapping:
            yield from (("mapping_of", held) for _, held in holds(parts[1]))


def options(annotation: object) -> list[Any]:
    """The parts of a union, or the annotation itself, each without `Annotated`."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return [option for part in typing.get_args(annotation) for option in options(part)]
    return [annotation]


def full(record: type[BaseModel] = Problem, scenarios: str = "list_of") -> Data:
    """A record with every field set, none to its default; scenarios listed (`list_of`) or generated (`record`)."""
    made: Data = {}
    for name, info in content(record):
        kinds = dict(holds(info.annotation))
        kind = scenarios if name == "scenarios" else next(iter(kinds), "")
        inner = full(kinds[kind], scenarios) if kind else None
        made[info.alias or name] = {
            "record": inner,
            "list_of": [inner],
            "mapping_of": {"x": inner},
            "": None if kind else next(others(record, name, info.default)),
        }[kind]
    return made


@cache
def adapter(record: type[BaseModel], name: str) -> TypeAdapter[object]:
    """What reads a field's value by itself."""
    return TypeAdapter(record.model_fields[name].rebuild_annotation())


def others(record: type[BaseModel], name: str, than: object) -> Iterator[object]:
    """Values that a field may have, but for one."""
    parts = options(record.model_fields[name].annotation)
    for value in (*(literal for part in parts for literal in typing.get_args(part)), *VALUES):
        with suppress(ValidationError):
            if adapter(record, name).validate_python(value) != than:
                yield value


@dataclass(frozen=True)
class Place:
    """A field that a problem sets: the mapping it stands in, and what it is a field of."""

    holder: Data
    key: str
    record: type[BaseModel]
    name: str
    info: FieldInfo

    def instead(self) -> Iterator[object]:
        """Other values: of a list for each item, and one that is longer, or shorter where it holds records."""
        value = self.holder[self.key]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            if len(value) > 1:
                yield value[:-1]
        elif isinstance(value, list) and value:
            word = next((each for each in self._words() if each not in value), None)
            for index, item in enumerate(value):
                changed = word or (item + "x" if isinstance(item, str) else item + 0.5)
                yield [*value[:index], changed, *value[index + 1 :]]
            yield [*value, word or ("longer" if isinstance(value[0], str) else 7.5)]
        elif not list(holds(self.info.annotation)):
            made = adapter(self.record, self.name).validate_python(value)
            yield from islice(others(self.record, self.name, made), 1)

    def _words(self) -> Iterator[str]:
        """What the items of a list may be, where they are words of a fixed set."""
        for part in options(self.record.model_fields[self.name].annotation):
            for item in typing.get_args(part):
                yield from typing.get_args(item) if typing.get_origin(item) is typing.Literal else ()


def places(problem: Data, record: type[BaseModel] = Problem) -> Iterator[Place]:
    """Every field that a problem sets, at any depth."""
    for name, info in content(record):
        key = info.alias or name
        if key not in problem:
            continue
        value, kinds = problem[key], dict(holds(info.annotation))
        yield Place(problem, key, record, name, info)
        if isinstance(value, list) and "list_of" in kinds:
            for item in value:
                yield from places(item, kinds["list_of"])
        elif isinstance(value, dict) and "mapping_of" in kinds:
            for item in value.values():
                yield from places(item, kinds["mapping_of"])
        elif isinstance(value, dict) and "record" in kinds:
            yield from places(value, kinds["record"])


def text(fields: Fields) -> str:
    """As JSON, a line a field."""
    records = []
    for record, named in fields.items():
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(field)}" for name, field in named.items())
        records.append(f"  {json.dumps(record)}: {{\n{lines}\n  }}")
    return "{\n" + ",\n".join(records) + "\n}\n"


if __name__ == "__main__":
    sys.stdout.write(text(fields_by_record()))
