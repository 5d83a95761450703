"""Charts as SVG that stands by itself: no script, no font or image from elsewhere, names escaped.

Colours are those of Okabe and Ito, told apart by the colour-blind; lines have dashes of their own too, for print. On a
page they follow its theme (`--ink`, `--paper`, `--line`, `--c0` …); in a file of their own they have the values here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "1 4", "12 4", "4 2")
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 720, 76, 18, 34, 46
NARROW, ROW = 520, 26  # of bars: they fit a telephone
FONT = "system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif"
MOST_POINTS = 1500
INK, FAINT, RULE = "var(--ink, #222)", "var(--faint, #666)", "var(--rule, #ddd)"


@dataclass(frozen=True)
class Curve:
    """Values over x, in order. `step`: constant from one x to the next."""

    name: str
    points: Sequence[tuple[float, float]]
    step: bool = False


@dataclass(frozen=True)
class Bar:
    """A length with its figure, as written."""

    name: str
    value: float
    text: str


def colour(k: int) -> str:
    """Of the k-th thing: of the page's theme where there is one."""
    return f"var(--c{k % len(COLOURS)}, {COLOURS[k % len(COLOURS)]})"


def lines(
    title: str,
    curves: Sequence[Curve],
    *,
    x_title: str = "",
    y_title: str = "",
    x_ticks: Sequence[tuple[float, str]] = (),
    marks: Sequence[tuple[float, str]] = (),
    from_zero: bool = True,
    height: int = 280,
) -> str:
    """Curves over one axis, with a legend; `marks` are upright lines with a word each."""
    xs = [x for curve in curves for x, _ in curve.points] or [0.0, 1.0]
    ys = [y for curve in curves for _, y in curve.points] or [0.0, 1.0]
    first, last = min(xs), max(xs)
    low, ticks = axis(0.0 if from_zero and min(ys) >= 0 else min(ys), max(ys))
    full, wide = (ticks[-1] - low) or 1.0, (last - first) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * (x - first) / wide,
            TOP + (height - TOP - BOTTOM) * (1 - (y - low) / full),
        )

    parts: list[str] = []
    for tick in ticks:
        y = at(first, tick)[1]
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" style="stroke:{RULE}"/>'
        )
        parts.append(_text(LEFT - 8, y + 4, _short(tick), "end", FAINT))
    for x, word in x_ticks or [(x, f"{x:.6g}") for x in axis(first, last)[1] if first <= x <= last]:
        here = at(x, low)[0]
        side = "end" if here > WIDTH - RIGHT - 20 else "middle"
        parts.append(_text(min(here, WIDTH - 2), height - BOTTOM + 18, word, side, FAINT))
    for k, (x, word) in enumerate(marks):
        here = at(x, low)[0]
        parts.append(
            f'<line x1="{here:.1f}" x2="{here:.1f}" y1="{TOP}" y2="{height - BOTTOM}" '
            f'style="stroke:{INK};stroke-dasharray:3 3"/>'
        )
        late = here > WIDTH - RIGHT - 8 * len(word)
        parts.append(
            _text(
                here - 4 if late else here + 4, TOP + 12 + 14 * (k % 3), word, "end" if late else "start", INK
            )
        )
    for k, curve in enumerate(curves):
        parts.append(_drawn(curve, k, at))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, height - 8, x_title, "middle", FAINT))
    parts.append(_text(LEFT - 60, 16, y_title, "start", FAINT))
    parts += _legend([curve.name for curve in curves]) if len(curves) > 1 else []
    return _svg(title, parts, height)


def _drawn(curve: Curve, k: int, at: Callable[[float, float], tuple[float, float]]) -> str:
    points: list[str] = []
    stride = max(1, math.ceil(len(curve.points) / MOST_POINTS))
    before: float | None = None
    for x, y in curve.points[::stride]:
        if curve.step and before is not None:
            points.append("{:.1f},{:.1f}".format(*at(x, before)))
        points.append("{:.1f},{:.1f}".format(*at(x, y)))
        before = y
    drawn, dash = " ".join(points), DASHES[k % len(DASHES)]
    return (
        f'<polyline points="{drawn}" fill="none" stroke-width="2" stroke-dasharray="{dash}" stroke-linejoin="round" '
        f'style="stroke:{colour(k)}"><title>{escape(curve.name)}</title></polyline>'
    )


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = float(WIDTH - RIGHT)
    for k in reversed(range(len(names))):
        name = names[k] if len(names[k]) <= 26 else names[k][:25] + "…"
        x -= 7.2 * len(name)
        if x < LEFT + 40:
            return
        yield _text(x, 16, name, "start", INK)
        yield (
            f'<line x1="{x - 26:.1f}" x2="{x - 6:.1f}" y1="12" y2="12" stroke-width="2.5" '
            f'stroke-dasharray="{DASHES[k % len(DASHES)]}" style="stroke:{colour(k)}"/>'
        )
        x -= 42


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Lengths from 0, one under the other, each with its figure."""
    names = [_cut(bar.name, 32) for bar in rows]
    left, right = _room(names), 8 + _room([bar.text for bar in rows])
    scale = (NARROW - left - right) / (max((bar.value for bar in rows), default=0.0) or 1.0)
    parts: list[str] = []
    for k, (bar, name) in enumerate(zip(rows, names, strict=True)):
        y, long = ROW * k, max(bar.value, 0.0) * scale
        parts.append(_text(left - 8, y + 17, name, "end", INK))
        parts.append(
            f'<rect x="{left}" y="{y + 4}" width="{long:.1f}" height="{ROW - 8}" style="fill:{colour(0)}">'
            f"<title>{escape(f'{bar.name}: {bar.text}')}</title></rect>"
        )
        parts.append(_text(left + long + 6, y + 17, bar.text, "start", INK))
    return _svg(title, parts, ROW * len(rows) + 4, NARROW)


def spans(title: str, rows: Sequence[Bar], *, origin: float, word: str) -> str:
    """A bar from `origin`, which `word` says what it is, to each figure, to either side."""
    names = [_cut(bar.name, 36) for bar in rows]
    left, right = _room(names), 8 + _room([bar.text for bar in rows])
    ends = [origin, *(bar.value for bar in rows)]
    low, full = min(ends), (max(ends) - min(ends)) or 1.0
    scale = (NARROW - left - right) / full
    at, bottom = left + (origin - low) * scale, ROW * len(rows) + 26
    parts = [_text(max(at, left + 40), 14, word, "middle", FAINT)]
    for k, (bar, name) in enumerate(zip(rows, names, strict=True)):
        y, end = ROW * k + 22, left + (bar.value - low) * scale
        fill = colour(2) if bar.value >= origin else colour(1)
        parts.append(_text(left - 8, y + 17, name, "end", INK))
        parts.append(
            f'<rect x="{min(at, end):.1f}" y="{y + 4}" width="{max(abs(end - at), 1.5):.1f}" height="{ROW - 8}" '
            f'style="fill:{fill}"><title>{escape(f"{bar.name}: {bar.text}")}</title></rect>'
        )
        parts.append(_text(max(at, end) + 6, y + 17, bar.text, "start", INK))
    parts.append(
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="20" y2="{bottom}" stroke-width="2" style="stroke:{INK}"/>'
    )
    return _svg(title, parts, bottom + 4, NARROW)


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _room(texts: Sequence[str]) -> int:
    """Units for the longest of them."""
    return 12 + math.ceil(7.4 * max((len(text) for text in texts), default=0))


def flows(
    title: str, amounts: Mapping[tuple[str, str], float], written: Mapping[tuple[str, str], str]
) -> str:
    """Bands from the left names to the right ones, as wide as what flows."""
    sides: tuple[dict[str, float], dict[str, float]] = ({}, {})
    for pair, amount in amounts.items():
        for side, name in zip(sides, pair, strict=True):
            side[name] = side.get(name, 0.0) + amount
    whole = sum(amounts.values()) or 1.0
    gap, inner = 10.0, 26.0 * max(len(sides[0]), len(sides[1]), 4)
    height = TOP + inner + gap * max(len(sides[0]), len(sides[1])) + 10
    left, right, parts = 210.0, WIDTH - 230.0, list[str]()
    tops: list[dict[str, float]] = []
    for k, side in enumerate(sides):
        y, starts = float(TOP), dict[str, float]()
        for name, amount in side.items():
            high = inner * amount / whole
            starts[name] = y
            x = left - 8 if k == 0 else right
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="8" height="{max(high, 1):.1f}" style="fill:{INK}"/>'
            )
            word = name if len(name) <= 28 else name[:27] + "…"
            at, anchor = (left - 14, "end") if k == 0 else (right + 14, "start")
            parts.append(_text(at, y + high / 2 + 4, word, anchor, INK))
            y += high + gap
        tops.append(starts)
    order = list(sides[1])
    for (a, b), amount in amounts.items():
        high = inner * amount / whole
        y0, y1, middle = tops[0][a], tops[1][b], (left + right) / 2
        tops[0][a], tops[1][b] = y0 + high, y1 + high
        parts.append(
            f'<path d="M{left:.1f},{y0:.1f} C{middle:.1f},{y0:.1f} {middle:.1f},{y1:.1f} {right:.1f},{y1:.1f} '
            f"L{right:.1f},{y1 + high:.1f} C{middle:.1f},{y1 + high:.1f} {middle:.1f},{y0 + high:.1f} "
            f'{left:.1f},{y0 + high:.1f} Z" fill-opacity="0.55" style="fill:{colour(order.index(b))}">'
            f"<title>{escape(f'{a} → {b}: {written[a, b]}')}</title></path>"
        )
    return _svg(title, parts, height)


def _svg(title: str, parts: Sequence[str], height: float, width: int = WIDTH) -> str:
    small = f'class="small" style="max-width:{NARROW}px" ' if width == NARROW else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" {small}role="img" '
        f'aria-label="{escape(title, quote=True)}" font-family="{FONT}" font-size="12">'
    )
    return "\n".join([head, f"<title>{escape(title)}</title>", *parts, "</svg>"])


def under_each_other(title: str, svgs: Sequence[str]) -> str:
    """Charts in one SVG."""
    parts, top = [], 0.0
    for svg in svgs:
        head, _, rest = svg.partition("\n")
        wide, high = head.partition('viewBox="0 0 ')[2].partition('"')[0].split()
        parts += [f'<svg y="{top:.0f}" width="{wide}" height="{high}">', rest]
        top += float(high)
    return _svg(title, parts, top)


def on_paper(svg: str) -> str:
    """For a file of its own: on white."""
    head, _, rest = svg.partition("\n")
    return f'{head}\n<rect width="100%" height="100%" fill="#ffffff"/>\n{rest}\n'


def _text(x: float, y: float, text: str, anchor: str, fill: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:{fill}">{escape(text)}</text>'
        if text
        else ""
    )


def axis(low: float, high: float, most: int = 5) -> tuple[float, list[float]]:
    """A round start at or below `low`, and round steps up to at least `high`."""
    if not high > low:
        high = low + (abs(low) or 1.0)
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= raw * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return first * step, [k * step for k in range(first, last + 1)]


def _short(value: float) -> str:
    for size, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "K")):
        if abs(value) >= size:
            return f"{value / (1e3 if suffix == 'K' else size):,.4g} {suffix}"
    return f"{value:,.6g}"
