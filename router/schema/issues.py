"""pydantic's errors in our words: which field, which value, which rule, and the nearest known name."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from router.errors import Issue, Path, nearest
from router.schema.describe import known_fields
from router.schema.problem import Problem

_RULES = {
    "missing": "is required",
    "extra_forbidden": "unknown field",
    "unexpected_keyword_argument": "unknown field",
    "greater_than_equal": "must be at least {ge:.15g}",
    "greater_than": "must be greater than {gt:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
    "less_than": "must be less than {lt:.15g}",
    "literal_error": "must be {expected}",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
    "mapping_type": "must be a mapping of names",
    "dict_type": "must be a mapping of names",
    "model_type": "must be a mapping of fields",
    "model_attributes_type": "must be a mapping of fields",
    "dataclass_type": "must be a mapping of fields",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
}
_HINTS: dict[tuple[str, ...], str] = {
    ("offers", "window"): "hours in which it is sold, or has a price, are its schedule: "
    '[{daily: {start: "18:00", end: "09:00"}, prices: 0.5}]',
    ("min_usd_per_month",): "one figure; by month of the term: ramp: [{from_month: 1, min_usd: 50K}, …]",
    (
        "min_tokens_per_month",
    ): "one figure; by month of the term: ramp: [{from_month: 1, min_tokens: 50M}, …]",
    ("term_months",): "term_h is a term in hours: a week is term_h: 168",
}  # by the end of the path: what a figure that is wrong there is often meant to say
_TAGS = {
    "scenarios": (1, ("listed", "generated")),
    "groups": (4, ("of instances", "by role")),
}  # of unions, by where they stand: no part of the file


def issues_of(error: ValidationError, root: type = Problem, file: str | None = None) -> list[Issue]:
    """One issue per error in a document whose model is `root`, without line."""
    details = error.errors(include_url=False)
    return [
        _issue(detail, root, file) for detail in details if detail["type"] != "default_factory_not_called"
    ]


def _issue(detail: ErrorDetails, root: type, file: str | None) -> Issue:
    at = _path(detail["loc"])
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "value_error":
        rule = str(context["error"])
    else:
        rule = _RULES[kind].format(**context) if kind in _RULES else detail["msg"]
    names = tuple(part for part in at if isinstance(part, str))
    meant = next((hint for end, hint in _HINTS.items() if names[-len(end) :] == end), None)
    hint = meant
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        hint = meant or nearest(str(at[-1]), known_fields(at[:-1], root), listed=12)
        value = None
    elif kind == "missing":
        value = None
    elif value is None:
        rule = f"has no value: it {rule}"
    return Issue(at, rule, value, hint, file=file)


def _path(loc: Iterable[str | int]) -> Path:
    at = tuple(loc)
    place, tags = _TAGS.get(str(at[0]) if at else "", (0, ()))
    if len(at) > place and at[place] in tags:
        at = (*at[:place], *at[place + 1 :])
    return at[:-1] if at and at[-1] == "[key]" else at
