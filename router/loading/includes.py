"""`include`: merges the models and offers of other files into a problem, each keeping its position.

Own entries come first, then those of the included files, depth first. A name that two files define is
an error that names both places, unless both say the same, or one of two entries of a model is `{}` and says nothing.
`use_offers` picks among included offers.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path as FilePath

from router.errors import InputError, Issue, nearest
from router.loading.allowed import OUTSIDE, WAY_OUT, is_allowed
from router.loading.yaml_source import Value, read_file
from router.schema.numbers import parse_number
from router.schema.regular import NOT_REGULAR, is_other
from router.schema.source import Mark

MAX_FILES = 200
_CATALOGUE_FIELDS = frozenset(("schema", "name", "source", "as_of", "note", "models", "offers", "include"))

Entry = tuple[Value, Mark]


@dataclasses.dataclass
class _Merge:
    may_read: Callable[[FilePath], bool]
    models: dict[str, Entry] = dataclasses.field(default_factory=dict)
    offers: list[Entry] = dataclasses.field(default_factory=list)
    seen: set[FilePath] = dataclasses.field(default_factory=set)
    issues: list[Issue] = dataclasses.field(default_factory=list)


def merge_includes(
    value: dict[str, Value], mark: Mark, path: FilePath, allow_files: Sequence[str | FilePath] = ()
) -> tuple[dict[str, Value], Mark, frozenset[str]]:
    """Values with everything that `include` names, and the included offers that `use_offers` leaves out.

    Raises InputError: missing file, one outside the problem's folder and those allowed, loop, contradiction.
    """
    if not value.get("include"):
        return value, mark, frozenset()
    merge = _Merge(lambda target: is_allowed(target, path, allow_files))
    _take(value, mark, merge)
    own = len(merge.offers)
    _follow(value, mark, path, (path.resolve(),), merge)
    offers, left_out = _chosen(value, mark, merge, own)
    if merge.issues:
        raise InputError(merge.issues)
    merged, marks = dict(value), dict(mark.children)
    if isinstance(value.get("models", {}), dict):  # else pydantic says what is wrong with it
        merged["models"] = {name: entry[0] for name, entry in merge.models.items()}
        marks["models"] = Mark(
            mark.file, _line(mark, "models"), {name: m for name, (_, m) in merge.models.items()}
        )
    if isinstance(value.get("offers", []), list):
        merged["offers"] = [entry[0] for entry in offers]
        children: dict[str | int, Mark] = {index: entry[1] for index, entry in enumerate(offers)}
        marks["offers"] = Mark(mark.file, _line(mark, "offers"), children)
    return merged, dataclasses.replace(mark, children=marks), left_out


def _follow(
    value: dict[str, Value], mark: Mark, path: FilePath, chain: tuple[FilePath, ...], merge: _Merge
) -> None:
    """Reads what a file includes. `chain` holds the files from the problem to this one."""
    names = value.get("include") or []
    if not isinstance(names, list):
        merge.issues.append(
            Issue(("include",), "must be a list", names, None, mark.file, _line(mark, "include"))
        )
        return
    for index, name in enumerate(names):
        line = _line(mark.children["include"], index)
        issue = Issue(("include", index), "", name, None, mark.file, line)
        if not isinstance(name, str) or not name:
            merge.issues.append(dataclasses.replace(issue, rule="must be the name of a file"))
            continue
        target = path.parent / name
        try:
            resolved, allowed = target.resolve(), merge.may_read(target)
            other, there = is_other(target), target.exists()
        except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL in it, links in a circle
            why = getattr(error, "strerror", None) or error
            merge.issues.append(dataclasses.replace(issue, rule=f"is not a file name: {why}"))
            continue
        if not allowed:
            merge.issues.append(dataclasses.replace(issue, rule=OUTSIDE, hint=WAY_OUT))
        elif resolved in chain:
            loop = " → ".join(file.name for file in (*chain[chain.index(resolved) :], resolved))
            merge.issues.append(dataclasses.replace(issue, rule=f"includes in a loop: {loop}"))
        elif other:
            merge.issues.append(dataclasses.replace(issue, rule=NOT_REGULAR))
        elif not there:
            hint = _near_file(target)
            merge.issues.append(dataclasses.replace(issue, rule="no such file", hint=hint))
        elif resolved not in merge.seen:
            merge.seen.add(resolved)
            if len(merge.seen) > MAX_FILES:
                raise InputError(dataclasses.replace(issue, rule=f"more than {MAX_FILES} files are included"))
            _read(target, chain, merge)


def _read(target: FilePath, chain: tuple[FilePath, ...], merge: _Merge) -> None:
    """One included catalogue with what it includes itself."""
    value, mark = read_file(target, str(target))
    for name in value:
        if name not in _CATALOGUE_FIELDS:
            rule = "is not allowed in an included file, which holds models and offers only"
            hint = nearest(name, _CATALOGUE_FIELDS, listed=0)
            merge.issues.append(Issue((name,), rule, None, hint, mark.file, _line(mark, name)))
    if value.get("schema", "router/1") != "router/1":
        line = _line(mark, "schema")
        merge.issues.append(Issue(("schema",), "must be 'router/1'", value["schema"], None, mark.file, line))
    for name, kind, word in (("models", dict, "a mapping"), ("offers", list, "a list")):
        if not isinstance(value.get(name, kind()), kind):
            line = _line(mark, name)
            merge.issues.append(Issue((name,), f"must be {word}", value[name], None, mark.file, line))
    _take(value, mark, merge)
    _follow(value, mark, target, (*chain, target.resolve()), merge)


def _take(value: dict[str, Value], mark: Mark, merge: _Merge) -> None:
    """Adds a file's models and offers; what an earlier file said otherwise is an issue."""
    models, offers = value.get("models"), value.get("offers")
    if isinstance(models, dict):
        for name, model in models.items():
            entry = (model, mark.children["models"].children[name])
            if name not in merge.models or not merge.models[name][0]:
                merge.models[name] = entry
            elif model:
                _compare(("models", name), entry, merge.models[name], merge)
    if isinstance(offers, list):
        before = {_name(offer): (offer, place) for offer, place in merge.offers}
        for index, offer in enumerate(offers):
            child = mark.children["offers"].children[index]
            entry = (offer, dataclasses.replace(child, origin=("offers", index)))
            earlier = before.get(_name(offer)) if _name(offer) is not None else None
            if earlier is None:
                merge.offers.append(entry)
            else:
                _compare(("offers", index, "name"), entry, earlier, merge)


def _compare(at: tuple[str | int, ...], entry: Entry, earlier: Entry, merge: _Merge) -> None:
    if not _same(entry[0], earlier[0]):
        place = earlier[1]
        rule = f"is defined otherwise in {place.file}, line {place.line}"
        hint = "rename one, or remove one"
        merge.issues.append(Issue(at, rule, _name(entry[0]), hint, entry[1].file, entry[1].line))


def _chosen(
    value: dict[str, Value], mark: Mark, merge: _Merge, own: int
) -> tuple[list[Entry], frozenset[str]]:
    """Own offers, and of the included ones those that `use_offers` names."""
    patterns = value.get("use_offers")
    if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
        return merge.offers, frozenset()
    names = [name for name in (_name(offer) for offer, _ in merge.offers) if name is not None]
    for index, pattern in enumerate(patterns):
        if not any(fnmatchcase(name, str(pattern)) for name in names):
            line = _line(mark.children["use_offers"], index)
            hint = nearest(str(pattern), names)
            issue = Issue(("use_offers", index), "matches no offer", pattern, hint, mark.file, line)
            merge.issues.append(issue)
    used = [
        index < own or any(fnmatchcase(_name(offer) or "", str(pattern)) for pattern in patterns)
        for index, (offer, _) in enumerate(merge.offers)
    ]
    kept = [entry for entry, use in zip(merge.offers, used, strict=True) if use]
    left = (_name(entry[0]) for entry, use in zip(merge.offers, used, strict=True) if not use)
    return kept, frozenset(name for name in left if name is not None)


def _same(a: Value, b: Value) -> bool:
    """Equal in content: 0.60 and "0.6" are, and so are 1e9 and 1B."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if a == b:
        return True
    try:
        return isinstance(a, str) and isinstance(b, str) and parse_number(a) == parse_number(b)
    except ValueError:
        return False


def _name(offer: Value) -> str | None:
    name = offer.get("name") if isinstance(offer, dict) else None
    return name if isinstance(name, str) else None


def _line(mark: Mark, part: str | int) -> int | None:
    child = mark.children.get(part)
    return child.line if child else mark.line


def _near_file(target: FilePath) -> str | None:
    """The nearest name in the same directory."""
    try:
        names = sorted(file.name for file in target.parent.iterdir() if file.is_file())
    except OSError:
        return f"the directory {target.parent} does not exist"
    close = difflib.get_close_matches(target.name, names, n=1)
    return f"did you mean {close[0]}?" if close else None
