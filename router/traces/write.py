"""Workloads of a trace as a problem file: complete as it stands, but for offers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import yaml

from router.errors import InputError
from router.traces.extract import Extract, Found
from router.traces.table import Floats


def problem_text(
    found: Extract,
    source: str,
    models: Sequence[str] = (),
    include: Sequence[str] = (),
    model_of: int | None = None,
) -> str:
    """The file. `model_of` is the label that names each workload's model; otherwise all accept `models`.

    With `include`, models are left to the included files.
    """
    lines = [f"# {note}" for note in found.notes]
    lines += ["schema: router/1", f"name: {_scalar(source)}", f"horizon: {_horizon(found)}"]
    if include:
        lines.append("include: [" + ", ".join(_scalar(file) for file in include) + "]")
    else:
        names = dict.fromkeys(name for one in found.workloads for name in _models(one, models, model_of))
        lines += ["models:", *(f"  {_scalar(name)}: {{}}" for name in names)]
    lines.append("workloads:")
    for one in found.workloads:
        lines += _workload(one, source, _models(one, models, model_of))
    return "\n".join(lines) + "\n"


def check(text: str, name: str) -> None:
    """That it loads as a problem; with includes, its own part only. Raises InputError."""
    from router.schema import Problem

    value = yaml.safe_load(text)
    if "include" in value:
        value.pop("include")
        value["models"] = {model: {} for load in value["workloads"] for model in load["models"]}
    try:
        Problem.model_validate(value)
    except ValueError as error:
        raise RuntimeError(f"{name} would not load: {error}") from error
    except InputError as error:
        raise RuntimeError(f"{name} would not load: {error}") from error


def _models(one: Found, models: Sequence[str], model_of: int | None) -> Sequence[str]:
    return models if model_of is None else (one.labels[model_of],)


def _horizon(found: Extract) -> str:
    start = "" if found.start is None else f', start: "{found.start.isoformat()}"'
    zone = _scalar(found.timezone)
    return f"{{periods: {found.periods}, period_h: {number(found.period_h)}{start}, timezone: {zone}}}"


def _workload(one: Found, source: str, models: Iterable[str]) -> list[str]:
    lines = [
        f"  - name: {_scalar(one.name)}",
        "    models: [" + ", ".join(_scalar(model) for model in models) + "]",
        f"    demand: {{requests_by_period: {counts(one.counts)}}}",
        f"    prompt_tokens: {number(one.size[0])}",
        f"    completion_tokens: {number(one.size[1])}",
    ]
    lines += [
        f"    {name}: {number(value)}"
        for name, value in (("arrival_cv", one.arrival_cv), ("service_cv", one.service_cv))
        if value is not None
    ]
    lines.append(f"    source: {_scalar(source)}")
    if one.p95 is not None:
        note = f"means; 95th percentiles are {one.p95[0]:.0f} prompt and {one.p95[1]:.0f} completion tokens"
        lines.append(f"    note: {_scalar(note)}")
    elif not one.sized:
        lines.append('    note: "no lengths recorded; those of the whole trace"')
    return lines


def counts(values: Floats) -> str:
    """A list in one line."""
    return "[" + ", ".join(number(float(value)) for value in values) + "]"


def number(value: float) -> str:
    """Eight digits, whole numbers in full: exact enough for demand, short enough to read."""
    return str(int(value)) if value == int(value) else f"{value:.8g}"


def _scalar(text: str) -> str:
    """Plain where YAML reads the same text back, else quoted."""
    plain = (
        text
        and not set(text) & set("[]{},&*#?|<>=!%@\\\"':`\n\t")
        and text == text.strip()
        and text[0] != "-"
    )
    if plain and isinstance(yaml.safe_load(text), str):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
