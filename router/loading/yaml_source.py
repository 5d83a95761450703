"""YAML or JSON text → plain values and where each stands. Hostile files end in an error, not in a hang.

No message quotes a file that has no field of ours: it may hold secrets.
Scalars stay text: `35e9`, `22:00` and `NO` mean what the schema says they mean, not what YAML 1.1 makes
of them (text, 1320 and false). Only null is told apart. Anchors, aliases and `<<` work; what they expand
to counts towards the limit on values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath

import yaml

from router.errors import InputError, Issue, Path, nearest
from router.schema.regular import check_regular, from_stdin
from router.schema.source import NOTHING, Mark

MAX_BYTES = 20_000_000
MAX_VALUES = 2_000_000
MAX_DEPTH = 50
HINT = 'a problem file starts with "schema: router/1"'
TOO_DEEP = f"is nested more than {MAX_DEPTH} deep"

FIELDS = ("schema", "models", "offers", "workloads", "include", "horizon")
"""Of these a problem or a catalogue has at least one."""

Value = str | None | list["Value"] | dict[str, "Value"]

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is 10 times faster
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_CORE = "tag:yaml.org,2002:"
_TAGS: dict[type[yaml.Event], set[str]] = {
    yaml.ScalarEvent: {_CORE + kind for kind in ("str", "int", "float", "bool", "null", "timestamp")},
    yaml.SequenceStartEvent: {_CORE + "seq"},
    yaml.MappingStartEvent: {_CORE + "map"},
}
_ESCAPED = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.DOTALL)


def read_file(path: FilePath, shown: str, fields: Sequence[str] = FIELDS) -> tuple[dict[str, Value], Mark]:
    """The mapping in a file. `shown` names the file in errors; `fields`: see `parse`. Raises InputError."""
    text = _decode(_read_bytes(path, shown), shown)
    return parse(text, shown, is_json=path.suffix.lower() == ".json", fields=fields)


def parse(
    text: str, shown: str, *, is_json: bool = False, fields: Sequence[str] = FIELDS
) -> tuple[dict[str, Value], Mark]:
    """The mapping in a text, which has at least one of these fields, if any are named. Raises InputError."""
    try:
        value, mark = _mapping(text, shown, is_json)
    except InputError as error:
        if fields and re.search(rf"""(?:^|[{{,])\s*["']?(?:{"|".join(fields)})["']?\s*:""", text, re.M):
            raise
        raise InputError([_unquoted(issue) for issue in error.issues]) from None
    if fields and not any(name in fields for name in value):
        rule = f"is not a problem or a catalogue: it has none of the fields {', '.join(fields)}"
        near = (nearest(name, fields, listed=0) for name in value)
        raise InputError(Issue((), rule, file=shown, hint=next(filter(None, near), HINT)))
    return value, mark


def _unquoted(issue: Issue) -> Issue:
    """The issue without a word of what stands in the file: names of tags and aliases, keys, the line itself."""
    rule = re.sub(r"the tag .*, which", "a tag, which", issue.rule)
    rule = re.sub(r"\*\S+ (has no anchor|stands inside the value).*", r"an alias \1", rule)
    return Issue((), rule, None, issue.hint, issue.file, issue.line)


def _mapping(text: str, shown: str, is_json: bool) -> tuple[dict[str, Value], Mark]:
    if is_json:
        text = _json_as_yaml(text, shown)
    composer = _Composer(text, shown)
    try:
        value, mark = composer.document()
    except yaml.MarkedYAMLError as error:
        raise InputError(_syntax_issue(error, text, shown)) from None
    except yaml.YAMLError as error:  # characters that YAML does not allow
        at = getattr(error, "position", None)
        line = text.count("\n", 0, at) + 1 if isinstance(at, int) else None
        raise InputError(
            Issue((), "has a character that YAML does not allow", file=shown, line=line)
        ) from None
    if composer.issues:
        raise InputError(composer.issues)
    if not isinstance(value, dict):
        kind = "is empty" if value is None else "must be a mapping of fields at the top"
        raise InputError(Issue((), kind, file=shown, hint=HINT))
    return value, mark


class _Composer:
    """Builds values from parser events, so that limits hold before anything is expanded.

    `yaml.compose` would give nodes with positions, but it calls itself for each level in C: 100,000 brackets end the
    process, where libyaml sets no limit of its own.
    """

    def __init__(self, text: str, shown: str) -> None:
        self.events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
        self.shown = shown
        self.issues: list[Issue] = []
        self.count = 0
        self.anchors: dict[str | None, tuple[Value, Mark, int] | None] = {}  # None: still open

    def document(self) -> tuple[Value, Mark]:
        """The only document of the text."""
        begins = (yaml.StreamStartEvent, yaml.DocumentStartEvent)
        event = next(event for event in self.events if not isinstance(event, begins))
        if isinstance(event, yaml.StreamEndEvent):
            return None, Mark(self.shown)
        value, mark = self.node(event, ())
        next(self.events)
        after = next(self.events)
        if isinstance(after, yaml.DocumentStartEvent):
            raise self.error((), after, 'holds a second document after "---"', "one file is one document")
        return value, mark

    def node(self, event: yaml.Event, at: Path, line: int | None = None) -> tuple[Value, Mark]:
        """The value that begins with `event`; `line` is that of its key, where it has one."""
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, at)
        before, anchor, tag = self.count, getattr(event, "anchor", None), getattr(event, "tag", None)
        self.spend(1, at, event)
        if len(at) > MAX_DEPTH:
            raise self.error(at[:3], event, TOO_DEEP)
        if tag not in (None, "!") and tag not in _TAGS[type(event)]:
            raise self.error(at, event, f"has the tag {tag}, which is not allowed here", "leave the tag out")
        self.anchors[anchor] = None
        value: Value
        children: dict[str | int, Mark]
        if isinstance(event, yaml.ScalarEvent):
            null = tag == _CORE + "null" or (tag is None and event.implicit[0] and event.value in _NULL)
            value, children = None if null else event.value, NOTHING
        elif isinstance(event, yaml.SequenceStartEvent):
            value, children = self.sequence(at)
        else:
            value, children = self.mapping(at)
        mark = Mark(self.shown, _line(event) if line is None else line, children)
        self.anchors[anchor] = value, mark, self.count - before
        return value, mark

    def sequence(self, at: Path) -> tuple[Value, dict[str | int, Mark]]:
        """Items up to the end of the sequence."""
        values: list[Value] = []
        marks: dict[str | int, Mark] = {}
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            value, marks[len(values)] = self.node(event, (*at, len(values)))
            values.append(value)
        return values, marks

    def mapping(self, at: Path) -> tuple[Value, dict[str | int, Mark]]:
        """Keys and values up to the end of the mapping; a key given twice is an issue."""
        values: dict[str, Value] = {}
        marks: dict[str | int, Mark] = {}
        merged: list[tuple[Value, Mark]] = []
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self.error(at, event, "has a key that is not a plain name")
            key, line, plain = event.value, _line(event), event.implicit[0]
            self.spend(1, at, event)
            value, mark = self.node(next(self.events), (*at, key), line)
            if key == "<<" and plain:
                merged.append((value, mark))
            elif key in values:
                rule = f"is given twice, first in line {marks[key].line}"
                self.issues.append(Issue((*at, key), rule, file=self.shown, line=line, hint="keep one"))
            else:
                values[key], marks[key] = value, Mark(mark.file, line, mark.children)
        for value, mark in merged:
            self.merge(value, mark, at, values, marks)
        return values, marks

    def merge(
        self, value: Value, mark: Mark, at: Path, values: dict[str, Value], marks: dict[str | int, Mark]
    ) -> None:
        """`<<: *defaults` or a list of them: fills in the keys that are not given."""
        sources = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, source in sources:
            if not isinstance(source, dict):
                rule = "must be a mapping, or a list of mappings, to merge"
                self.issues.append(Issue((*at, "<<"), rule, file=self.shown, line=mark.line))
                return
            children = mark.children if index is None else mark.children[index].children
            for key, item in source.items():
                if key not in values:
                    values[key], marks[key] = item, children[key]

    def alias(self, event: yaml.AliasEvent, at: Path) -> tuple[Value, Mark]:
        """The anchored value itself, counted as if written out."""
        if event.anchor not in self.anchors:
            raise self.error(at, event, f"*{event.anchor} has no anchor &{event.anchor} before it")
        anchored = self.anchors[event.anchor]
        if anchored is None:
            raise self.error(at, event, f"*{event.anchor} stands inside the value that it names")
        value, mark, size = anchored
        self.spend(size, at, event)
        return value, mark

    def spend(self, values: int, at: Path, event: yaml.Event) -> None:
        """Counts values, those of aliases as often as they are used."""
        self.count += values
        if self.count > MAX_VALUES:
            by = "its aliases expand to" if values > 1 else "holds"
            rule = f"{by} more than {MAX_VALUES:,} values"
            raise self.error(at[:1], event, rule, "split the file, or give demand as a trace")

    def error(self, at: Path, event: yaml.Event, rule: str, hint: str | None = None) -> InputError:
        """One issue at the line of an event."""
        return InputError(Issue(at, rule, file=self.shown, line=_line(event), hint=hint))


def _line(event: yaml.Event) -> int | None:
    return event.start_mark.line + 1 if event.start_mark else None


def _read_bytes(path: FilePath, shown: str) -> bytes:
    """At most MAX_BYTES; a larger file is refused unread. `-` is what comes on stdin."""
    path = from_stdin(path)
    rule = f"is larger than {MAX_BYTES // 1_000_000} MB, the most that is read"
    hint = "demand by period may stand in a CSV file, named under trace"
    check_regular(path, shown, handed=True)
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise InputError(Issue((), rule, file=shown, hint=hint))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # a pipe has no size to ask
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(Issue((), f"cannot be read: {reason}", file=shown)) from None
    if len(data) > MAX_BYTES:
        raise InputError(Issue((), rule, file=shown, hint=hint))
    return data


def _decode(data: bytes, shown: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        rule = f"is not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise InputError(Issue((), rule, file=shown, line=line, hint="save it as UTF-8")) from None


def _json_as_yaml(text: str, shown: str) -> str:
    """JSON is YAML but for tabs, which it allows only between tokens, and surrogate pairs."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        detail = _caret(text, error.lineno - 1, error.colno - 1)
        rule = f"is not JSON: {error.msg}"
        raise InputError(Issue((), rule, file=shown, line=error.lineno, detail=detail)) from None
    except (RecursionError, ValueError):
        raise InputError(Issue((), TOO_DEEP, file=shown)) from None
    return _ESCAPED.sub(_join_surrogates, text.replace("\t", " "))


def _join_surrogates(match: re.Match[str]) -> str:
    if match[1] is None:
        return "/" if match[0] == "\\/" else match[0]
    return chr(0x10000 + ((int(match[1], 16) - 0xD800) << 10) + int(match[2], 16) - 0xDC00)


def _syntax_issue(error: yaml.MarkedYAMLError, text: str, shown: str) -> Issue:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or "cannot be understood")
    rule = f"is not YAML: {problem}" + (f" ({error.context})" if error.context else "")
    if "maximum nesting depth" in problem:  # libyaml has a limit of its own since PyYAML 6.0.4
        rule = TOO_DEEP
    if mark is None:
        return Issue((), rule, file=shown)
    lines = text.splitlines()
    here = lines[mark.line] if mark.line < len(lines) else ""
    hint = None
    if "\t" in here[: len(here) - len(here.lstrip())] or "\\t" in problem:
        hint = "indent with spaces; YAML allows no tabs there"
    detail = _caret(text, mark.line, mark.column)
    return Issue((), rule, file=shown, line=mark.line + 1, detail=detail, hint=hint)


def _caret(text: str, line: int, column: int, width: int = 90) -> str | None:
    """The source line with a caret under the column, both from 0."""
    lines = text.splitlines()
    if line >= len(lines):
        return None
    start = max(0, column - width + 10)
    shown = "".join(c if c.isprintable() else " " for c in lines[line][start : start + width])
    return f"{shown}\n{' ' * (column - start)}^"
