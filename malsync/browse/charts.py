"""Charts, drawn here as SVG: no script, so that the pages' policy forbids all scripts, and colours that follow the theme."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_LABELS = ((2, 12), (4, 8), (7, 5), (99, 3))
"""How many labels of at most so many letters fit under a chart of 390 pixels."""
_TOLD = 12
"""At most so many bars have their values written over them."""


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value in one or several parts, where it leads, and what it says when pointed at."""

    label: str
    parts: Sequence[tuple[str, float]]
    href: str = ""
    tip: str = ""

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(value for _, value in self.parts)


def bar(value: float, most: float, tone: str = "plain") -> Markup:
    """A horizontal bar for a row of a list; its length is `value` beside `most`."""
    return Markup(
        '<svg class="bar" aria-hidden="true"><rect class="{}" width="{:.2f}%" height="100%" rx="3"/></svg>'
    ).format(tone, 100 * value / most if most else 0)


def columns(title: str, bars: Sequence[Bar]) -> Markup:
    """Upright bars side by side, of equal width, the parts of one stacked."""
    most = max((one.total for one in bars), default=0) or 1
    step = 100 / max(len(bars), 1)
    width = step * (0.72 if len(bars) < 60 else 0.9)
    drawn = Markup("").join(
        _column(one, place * step + (step - width) / 2, width, most, len(bars) <= _TOLD and one.total > 0)
        for place, one in enumerate(bars)
    )
    longest = max((len(one.label) for one in bars), default=0)
    every = -(-len(bars) // next(fit for letters, fit in _LABELS if longest <= letters)) or 1
    labels = Markup("").join(
        Markup('<text x="{:.2f}%" y="100%" dy="-4" text-anchor="{}">{}</text>').format(
            *_anchored((place + 0.5) * step, one.label), one.label
        )
        for place, one in enumerate(bars)
        if place % every == every // 2 or every == 1
    )
    peak = Markup('<text class="peak" x="0" y="12">{:,.0f}</text>').format(most) if len(bars) > _TOLD else ""
    role = "group" if any(one.href for one in bars) else "img"
    return Markup('<svg class="chart" role="{}" aria-label="{}">{}{}{}</svg>').format(role, title, drawn, labels, peak)


def _anchored(x: float, label: str) -> tuple[float, str]:
    """Where a label stands, and by which of its ends: a long one must not leave the chart."""
    if len(label) > 4 and x > 88:
        return 100, "end"
    return (0, "start") if len(label) > 4 and x < 12 else (x, "middle")


# The bars stand between 12 and 86 of a hundred; under them the labels, above them the greatest value.
_TOP, _FLOOR = 12.0, 86.0


def _column(one: Bar, x: float, width: float, most: float, told: bool) -> Markup:
    floor, parts = _FLOOR, []
    for tone, value in one.parts:
        if value <= 0:
            continue
        height = (_FLOOR - _TOP) * value / most
        floor -= height
        parts.append(
            Markup('<rect class="{}" x="{:.3f}%" y="{:.3f}%" width="{:.3f}%" height="{:.3f}%"/>').format(
                tone, x, floor, width, height
            )
        )
    if told:
        parts.append(
            Markup('<text x="{:.3f}%" y="{:.3f}%" dy="-4" text-anchor="middle">{:,.0f}</text>').format(
                x + width / 2, floor, one.total
            )
        )
    tip = Markup("<title>{}</title>").format(one.tip or f"{one.label}: {one.total:,.0f}")
    group = Markup("<g>{}{}</g>").format(tip, Markup("").join(parts))
    return Markup('<a href="{}">{}</a>').format(one.href, group) if one.href else group


@dataclass(frozen=True)
class Point:
    """One point of a line: where it is from left (0) to right (1), its value, what it says and where it leads."""

    at: float
    value: float
    tip: str
    href: str


_POINTS = 80
"""Beyond so many points a line has none to be pointed at, each being narrower than a finger."""


def line(title: str, series: Sequence[tuple[str, Sequence[Point]]], *, small: bool = False) -> Markup:
    """Lines on one scale from zero, each with its tone. `small`: nothing but the lines."""
    most = max((one.value for _, points in series for one in points), default=0) or 1
    drawn = Markup("").join(
        Markup('<polyline class="{}" points="{}"/>').format(tone, _points(points, most)) for tone, points in series
    )
    # Lines are stretched to the chart's width; text and points, which must not be, stand beside them.
    lines = Markup('<svg viewBox="0 0 100 100" preserveAspectRatio="none">{}</svg>').format(drawn)
    if small:
        return Markup('<svg class="spark line" role="img" aria-label="{}">{}</svg>').format(title, lines)
    dots = Markup("").join(
        Markup('<a href="{}"><circle class="{}" cx="{:.2f}%" cy="{:.2f}%" r="4"><title>{}</title></circle></a>').format(
            one.href, tone, 100 * one.at, _height(one, most), one.tip
        )
        for tone, points in series
        if len(points) <= _POINTS
        for one in points
    )
    peak = Markup('<text class="peak" x="0" y="12">{:,.0f}</text>').format(most)
    role = "group" if dots else "img"
    return Markup('<svg class="chart line" role="{}" aria-label="{}">{}{}{}</svg>').format(
        role, title, lines, dots, peak
    )


def _points(points: Sequence[Point], most: float) -> str:
    if len(points) == 1:
        points = [Point(0, points[0].value, "", ""), Point(1, points[0].value, "", "")]
    return " ".join(f"{100 * one.at:.2f},{_height(one, most):.2f}" for one in points)


def _height(one: Point, most: float) -> float:
    return 97 - 85 * one.value / most
