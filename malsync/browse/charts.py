"""Charts as SVG: without scripts, which the pages' policy forbids, and with colours that follow the theme."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_LABELS = ((2, 12), (4, 8), (7, 5), (99, 3))
"""By the greatest length of a label, how many fit under a chart of 390 pixels."""
_LABELLED_BARS = 12
"""A chart with more bars does not show each value above its bar."""


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its value in one or more parts, its link and its tooltip."""

    label: str
    parts: Sequence[tuple[str, float]]
    href: str = ""
    tip: str = ""

    @property
    def total(self) -> float:
        """The sum of the parts."""
        return sum(value for _, value in self.parts)


def bar(value: float, most: float, tone: str = "plain") -> Markup:
    """Return a horizontal bar for a row of a list, of length `value` out of `most`."""
    return Markup(
        '<svg class="bar" aria-hidden="true"><rect class="{}" width="{:.2f}%" height="100%" rx="3"/></svg>'
    ).format(tone, 100 * value / most if most else 0)


def columns(title: str, bars: Sequence[Bar]) -> Markup:
    """Return a chart of vertical bars of equal width, with the parts of each stacked."""
    most = max((column.total for column in bars), default=0) or 1
    step = 100 / max(len(bars), 1)
    width = step * (0.72 if len(bars) < 60 else 0.9)
    drawn = Markup("").join(
        _column(column, place * step + (step - width) / 2, width, most, with_value=len(bars) <= _LABELLED_BARS)
        for place, column in enumerate(bars)
    )
    longest = max((len(column.label) for column in bars), default=0)
    every = -(-len(bars) // next(fit for letters, fit in _LABELS if longest <= letters)) or 1
    labels = Markup("").join(
        Markup('<text x="{:.2f}%" y="100%" dy="-4" text-anchor="{}">{}</text>').format(
            *_anchored((place + 0.5) * step, column.label), column.label
        )
        for place, column in enumerate(bars)
        if place % every == every // 2 or every == 1
    )
    peak = Markup('<text class="peak" x="0" y="12">{:,.0f}</text>').format(most) if len(bars) > _LABELLED_BARS else ""
    role = "group" if any(column.href for column in bars) else "img"
    return Markup('<svg class="chart" role="{}" aria-label="{}">{}{}{}</svg>').format(role, title, drawn, labels, peak)


def _anchored(x: float, label: str) -> tuple[float, str]:
    """Return where a label is and which of its ends is there: a long label must not leave the chart."""
    if len(label) > 4 and x > 88:
        return 100, "end"
    return (0, "start") if len(label) > 4 and x < 12 else (x, "middle")


# In per cent of the height: bars between these, labels below, the greatest value above.
_TOP, _FLOOR = 12.0, 86.0


def _column(column: Bar, x: float, width: float, most: float, *, with_value: bool) -> Markup:
    floor, parts = _FLOOR, []
    for tone, value in column.parts:
        if value <= 0:
            continue
        height = (_FLOOR - _TOP) * value / most
        floor -= height
        parts.append(
            Markup('<rect class="{}" x="{:.3f}%" y="{:.3f}%" width="{:.3f}%" height="{:.3f}%"/>').format(
                tone, x, floor, width, height
            )
        )
    if with_value and column.total > 0:
        parts.append(
            Markup('<text x="{:.3f}%" y="{:.3f}%" dy="-4" text-anchor="middle">{:,.0f}</text>').format(
                x + width / 2, floor, column.total
            )
        )
    tip = Markup("<title>{}</title>").format(column.tip or f"{column.label}: {column.total:,.0f}")
    group = Markup("<g>{}{}</g>").format(tip, Markup("").join(parts))
    return Markup('<a href="{}">{}</a>').format(column.href, group) if column.href else group


@dataclass(frozen=True)
class Point:
    """One point of a line: its place from left (0) to right (1), its value, tooltip and link."""

    at: float
    value: float
    tip: str
    href: str


_POINTS = 80
"""A line with more points shows none: they would be too narrow to point at."""


def line(title: str, series: Sequence[tuple[str, Sequence[Point]]], *, small: bool = False) -> Markup:
    """Return a chart of lines on one scale from zero, each with its tone; with `small`, the lines alone."""
    most = max((point.value for _, points in series for point in points), default=0) or 1
    drawn = Markup("").join(
        Markup('<polyline class="{}" points="{}"/>').format(tone, _points(points, most)) for tone, points in series
    )
    # Lines are stretched to the chart's width. Text and points must not be, so they are outside of the inner SVG.
    lines = Markup('<svg viewBox="0 0 100 100" preserveAspectRatio="none">{}</svg>').format(drawn)
    if small:
        return Markup('<svg class="spark line" role="img" aria-label="{}">{}</svg>').format(title, lines)
    dots = Markup("").join(
        Markup('<a href="{}"><circle class="{}" cx="{:.2f}%" cy="{:.2f}%" r="4"><title>{}</title></circle></a>').format(
            point.href, tone, 100 * point.at, _height(point, most), point.tip
        )
        for tone, points in series
        if len(points) <= _POINTS
        for point in points
    )
    peak = Markup('<text class="peak" x="0" y="12">{:,.0f}</text>').format(most)
    role = "group" if dots else "img"
    return Markup('<svg class="chart line" role="{}" aria-label="{}">{}{}{}</svg>').format(
        role, title, lines, dots, peak
    )


def _points(points: Sequence[Point], most: float) -> str:
    if len(points) == 1:
        points = [Point(0, points[0].value, "", ""), Point(1, points[0].value, "", "")]
    return " ".join(f"{100 * point.at:.2f},{_height(point, most):.2f}" for point in points)


def _height(point: Point, most: float) -> float:
    return 97 - 85 * point.value / most
