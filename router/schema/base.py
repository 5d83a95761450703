"""What all models of the file have in common: strict, frozen, numbers as people write them."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self

from annotated_types import Ge, Gt, Le, Lt
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from router.schema import numbers
from router.schema.clock import unknown_zone

FIRST_YEAR, LAST_YEAR = 1900, 9998  # of dates: one further, and a time zone would leave the calendar
MOST_TOKENS = 1e12  # of a request: a whole batch may be one
MOST_HOURS = 876_000.0  # of a horizon: a century
LEAST_HOURS = 1e-4  # of a period: a third of a second, far above what two times may differ by and be one


class Strict(BaseModel):
    """Unknown fields are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; what was worked out from its fields (`cached_property`) is worked out anew where one changes."""
        copy = super().model_copy(update=update, deep=deep)
        for name in copy.__dict__.keys() - type(self).model_fields.keys() if update else ():
            del copy.__dict__[name]
        return copy


def _json(kind: str, **limits: float) -> WithJsonSchema:
    """Editors must take 500M and 35e9 (text to YAML 1.1) where the schema wants a number."""
    schema: JsonSchemaValue = {
        "anyOf": [{"type": kind, **limits}, {"type": "string", "pattern": numbers.PATTERN}]
    }
    return WithJsonSchema(schema)


def _name(text: str) -> str:
    if not text or text != text.strip() or text == "*" or not text.isprintable():
        raise ValueError('must be a name: not empty, not "*", one line, no space at either end')
    return text


def _moment(value: object) -> dt.datetime:
    """Dates are text in the file; `fromisoformat` takes 2026-12-01, 2026-12-01T06:00 and offsets."""
    try:
        text = value if isinstance(value, str) else ""
        moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError('must be a date and time like "2026-12-01T00:00:00"') from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"must be in the years {FIRST_YEAR} to {LAST_YEAR}")
    return moment


def _day(value: object) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        return dt.date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError('must be a date like "2026-12-31"') from None


def _timezone(name: str) -> str:
    wrong = unknown_zone(name)
    if wrong is not None:
        raise ValueError(f"is not a known time zone; {wrong}")
    return name


def _time_of_day(text: str) -> str:
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d|24:00", text, re.ASCII):
        raise ValueError('must be a time of day like "22:00"')
    return text.zfill(5)


def _some[T](items: tuple[T, ...]) -> tuple[T, ...]:
    """In place of min_length, which counts items with errors of their own as missing."""
    if not items:
        raise ValueError("must not be empty")
    return items


class _Parsed:
    """A BeforeValidator whose function takes one argument: at its 170 fields, that need not be found out."""

    def __init__(self, parse: Callable[[object], object]) -> None:
        self.parse = parse

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.parse, handler(source))


_number = _Parsed(numbers.parse_number)
_whole = _Parsed(numbers.parse_whole)

_most = Le(numbers.LARGEST)

NonNegative = Annotated[float, _number, Ge(0), _most, _json("number", minimum=0, maximum=numbers.LARGEST)]
Positive = Annotated[
    float, _number, Gt(0), _most, _json("number", exclusiveMinimum=0, maximum=numbers.LARGEST)
]
AtLeastOne = Annotated[float, _number, Ge(1), _most, _json("number", minimum=1, maximum=numbers.LARGEST)]
PeriodHours = Annotated[
    float,
    _number,
    Ge(LEAST_HOURS),
    Le(MOST_HOURS),
    _json("number", minimum=LEAST_HOURS, maximum=MOST_HOURS),
]
Tokens = Annotated[float, _number, Ge(0), Le(MOST_TOKENS), _json("number", minimum=0, maximum=MOST_TOKENS)]
Share = Annotated[float, _number, Ge(0), Le(1), _json("number", minimum=0, maximum=1)]
PositiveShare = Annotated[float, _number, Gt(0), Le(1), _json("number", exclusiveMinimum=0, maximum=1)]
ShareBelowOne = Annotated[float, _number, Ge(0), Lt(1), _json("number", minimum=0, exclusiveMaximum=1)]
Growth = Annotated[
    float, _number, Gt(-1), _most, _json("number", exclusiveMinimum=-1, maximum=numbers.LARGEST)
]
Whole = Annotated[int, _whole, Ge(0), _json("integer", minimum=0)]
Counting = Annotated[int, _whole, Ge(1), _json("integer", minimum=1)]
Flag = Annotated[bool, BeforeValidator(numbers.parse_flag), WithJsonSchema({"type": "boolean"})]
NotEmpty = AfterValidator(_some)
Name = Annotated[str, AfterValidator(_name)]
Moment = Annotated[dt.datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string"})]
TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
Day = Annotated[dt.date, BeforeValidator(_day), WithJsonSchema({"type": "string"})]
Timezone = Annotated[str, AfterValidator(_timezone)]


def optional(description: str) -> Any:
    """A field that may be left out; it is None then."""
    return Field(default=None, description=description)


class Sourced(Strict):
    """Where a figure comes from stays beside it, in the file."""

    source: str | None = optional("Where the figures come from: a page, a quote, a measurement")
    as_of: Day | None = optional("Date on which the source was read, as YYYY-MM-DD")
    note: str | None = optional("Remark for the reader; no effect on the plan")
