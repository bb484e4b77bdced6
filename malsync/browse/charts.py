"""Charts, drawn here as SVG: no script, so that the pages' policy forbids all scripts, and colours that follow the theme."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_LABELS = 8
"""At most so many labels stand under a chart: more do not fit 390 pixels."""


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
        _column(one, place * step + (step - width) / 2, width, most) for place, one in enumerate(bars)
    )
    every = -(-len(bars) // _LABELS) or 1
    labels = Markup("").join(
        Markup('<text x="{:.2f}%" y="100%" dy="-4" text-anchor="middle">{}</text>').format(
            (place + 0.5) * step, one.label
        )
        for place, one in enumerate(bars)
        if place % every == every // 2 or every == 1
    )
    peak = Markup('<text class="peak" x="0" y="12">{:,.0f}</text>').format(most)
    return Markup('<svg class="chart" role="img" aria-label="{}">{}{}{}</svg>').format(title, drawn, labels, peak)


# The bars stand between 16 and 82 of a hundred; under them the labels, above them the greatest value.
_TOP, _FLOOR = 12.0, 86.0


def _column(one: Bar, x: float, width: float, most: float) -> Markup:
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
    tip = Markup("<title>{}</title>").format(one.tip or f"{one.label}: {one.total:,.0f}")
    group = Markup("<g>{}{}</g>").format(tip, Markup("").join(parts))
    return Markup('<a href="{}">{}</a>').format(one.href, group) if one.href else group


def line(title: str, series: Sequence[tuple[str, Sequence[float]]]) -> Markup:
    """Lines over equal steps from left to right, all on one scale from zero. Each has its tone."""
    most = max((value for _, values in series for value in values), default=0) or 1
    drawn = Markup("").join(
        Markup('<polyline class="{}" points="{}"/>').format(tone, _points(values, most)) for tone, values in series
    )
    return Markup(
        '<svg class="chart line" role="img" aria-label="{}" viewBox="0 0 100 100" preserveAspectRatio="none">{}</svg>'
    ).format(title, drawn)


def _points(values: Sequence[float], most: float) -> str:
    last = max(len(values) - 1, 1)
    if len(values) == 1:
        values = [values[0], values[0]]
    return " ".join(f"{100 * place / last:.2f},{96 - 92 * value / most:.2f}" for place, value in enumerate(values))
