"""A backtest as a picture: demand and capacity, instances, running cost, one above the other. Plain SVG, no library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from router.reports.words import count

if TYPE_CHECKING:
    from router.backtesting import Backtest

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP, BOTTOM = 960, 190, 78, 16, 44, 56, 40
MOST_POINTS = 2000  # more are thinned out: the picture has only so many pixels
BLUE, ORANGE, GREEN, GREY = "#1f6fb2", "#d9730d", "#2e8b57", "#8a8a8a"


@dataclass(frozen=True)
class Line:
    """Values by period. `step`: constant within a period; `fill`: the area below."""

    name: str
    values: Sequence[float]
    colour: str
    step: bool = True
    fill: bool = False
    dash: str = ""


@dataclass(frozen=True)
class Panel:
    """Lines over the same axis; `whole`: of things that come in whole numbers."""

    title: str
    lines: tuple[Line, ...]
    whole: bool = False


def to_svg(backtest: Backtest) -> str:
    """The whole picture."""
    panels = tuple(_panels(backtest))
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12" role="img">',
        f"<title>{escape(backtest.name)}: demand, capacity and cost of a backtest</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for k, panel in enumerate(panels):
        parts += _panel(panel, TOP + k * (PANEL + GAP), backtest)
    parts += _time_axis(backtest, height)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panels(backtest: Backtest) -> Iterator[Panel]:
    get = backtest.series
    scale = 1.0 / (backtest.period_h * 3600.0)

    def per_s(name: str) -> list[float]:
        return [value * scale for value in get[name]]

    yield Panel(
        "Tokens a second",
        (
            Line("demand", per_s("demand_tokens"), BLUE, fill=True),
            Line("capacity of instances", per_s("capacity_tokens"), ORANGE),
            Line("expected", per_s("expected_tokens"), GREY, dash="4 3"),
        ),
    )
    if any(get["instances"]) or any(get["hindsight_instances"]):
        yield Panel(
            "Instances",
            (
                Line("in hindsight", get["hindsight_instances"], GREEN),
                Line("re-optimised", get["instances"], ORANGE),
            ),
            whole=True,
        )
    lines = [Line("in hindsight", get["hindsight_usd"], GREEN, step=False)]
    if "staying_usd" in get:
        lines.append(Line("first plan kept", get["staying_usd"], GREY, step=False, dash="4 3"))
    yield Panel("Cost so far, USD", (*lines, Line("re-optimised", get["cost_usd"], ORANGE, step=False)))


def _panel(panel: Panel, top: float, backtest: Backtest) -> Iterator[str]:
    highest = max((max(line.values, default=0.0) for line in panel.lines), default=0.0)
    ticks = _ticks(highest, least=1.0 if panel.whole else 0.0)
    full = ticks[-1] or 1.0

    def y(value: float) -> float:
        return top + PANEL * (1.0 - value / full)

    yield f'<text x="{LEFT}" y="{top - 12}" font-weight="bold">{escape(panel.title)}</text>'
    at = WIDTH - RIGHT
    for line in reversed(panel.lines):
        at -= 7 * len(line.name)
        yield f'<text x="{at}" y="{top - 12}" fill="#333">{escape(line.name)}</text>'
        yield (
            f'<line x1="{at - 26}" x2="{at - 6}" y1="{top - 16}" y2="{top - 16}" stroke="{line.colour}" '
            f'stroke-width="2.5" stroke-dasharray="{line.dash}"/>'
        )
        at -= 44
    for tick in ticks:
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e4e4e4"/>'
        yield f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end" fill="#555">{count(tick)}</text>'
    for line in panel.lines:
        yield from _drawn(line, backtest.periods, y, top + PANEL)


def _drawn(line: Line, periods: int, y, floor: float) -> Iterator[str]:  # type: ignore[no-untyped-def]
    stride = max(1, math.ceil(len(line.values) / MOST_POINTS))
    width = (WIDTH - LEFT - RIGHT) / max(periods, 1)
    points = []
    for t in range(0, len(line.values), stride):
        value = max(line.values[t : t + stride])
        end = min(t + stride, periods)
        if line.step:
            points.append(f"{LEFT + t * width:.1f},{y(value):.1f}")
        points.append(f"{LEFT + end * width:.1f},{y(value):.1f}")
    if line.fill:
        area = " ".join([f"{LEFT},{floor}", *points, f"{WIDTH - RIGHT},{floor}"])
        yield f'<polygon points="{area}" fill="{line.colour}" fill-opacity="0.16"/>'
    if not line.step:
        points.insert(0, f"{LEFT},{y(0.0):.1f}")
    yield (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{line.colour}" stroke-width="1.6" '
        f'stroke-dasharray="{line.dash}" stroke-linejoin="round"/>'
    )


def _time_axis(backtest: Backtest, height: float) -> Iterator[str]:
    whole = backtest.periods * backtest.period_h
    unit, size = ("days", 24.0) if whole > 72 else ("hours", 1.0) if whole > 3 else ("minutes", 1 / 60)
    for tick in _ticks(whole / size, most=14):
        x = LEFT + (WIDTH - LEFT - RIGHT) * tick * size / whole
        if x <= WIDTH - RIGHT + 1:
            yield f'<text x="{x:.1f}" y="{height - BOTTOM + 18}" text-anchor="middle" fill="#555">{tick:g}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    label = f"{unit} from the start of the replay"
    yield f'<text x="{middle}" y="{height - 6}" text-anchor="middle" fill="#555">{label}</text>'


def _ticks(highest: float, most: int = 5, least: float = 0.0) -> list[float]:
    """0 and round steps of at least `least`, the last at least the highest value."""
    if highest <= 0 or not math.isfinite(highest):
        return [0.0, 1.0]
    raw = highest / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = max(next(size * k for k in (1, 2, 5, 10) if size * k >= raw * (1 - 1e-9)), least)
    return [k * step for k in range(math.ceil(highest / step - 1e-9) + 1)]
