"""Bar charts as SVG, written by hand: no library, and equal figures give equal bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABELS, BAR, GAP, TOP, RIGHT = 760, 190, 18, 8, 46, 90
OURS, OTHERS, RANGE = "#0b6e4f", "#9aa5b1", "#2f3b47"
STYLE = "font-family:system-ui,sans-serif;font-size:13px;fill:#2f3b47"


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with its range.

    Args:
        told: The figure as it is written beside the bar.
        ours: Drawn in our colour.
    """

    label: str
    value: float
    low: float
    high: float
    told: str
    ours: bool = False


def bars(title: str, note: str, shown: Sequence[Bar], *, logarithmic: bool) -> str:
    """Horizontal bars, a line over each from the lowest to the highest round."""
    low, high = _ends(shown, logarithmic)

    def x(value: float) -> float:
        if logarithmic:
            share = math.log10(max(value, low) / low) / math.log10(high / low)
        else:
            share = value / high
        return round(LABELS + share * (WIDTH - LABELS - RIGHT), 1)

    height = TOP + len(shown) * (BAR + GAP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="18" style="{STYLE};font-weight:600">{escape(title)}</text>',
        f'<text x="10" y="35" style="{STYLE};font-size:11px">{escape(note)}</text>',
    ]
    for number, bar in enumerate(shown):
        y = TOP + number * (BAR + GAP)
        middle, end = y + BAR / 2, x(bar.value)
        fill = OURS if bar.ours else OTHERS
        parts += [
            f'<text x="{LABELS - 8}" y="{middle + 4}" text-anchor="end" style="{STYLE}">'
            f"{escape(bar.label)}</text>",
            f'<rect x="{LABELS}" y="{y}" width="{max(1.0, end - LABELS):.1f}" height="{BAR}" '
            f'fill="{fill}"/>',
            f'<line x1="{x(bar.low)}" x2="{x(bar.high)}" y1="{middle}" y2="{middle}" '
            f'stroke="{RANGE}" stroke-width="1.5"/>',
            f'<text x="{max(end, x(bar.high)) + 6:.1f}" y="{middle + 4}" style="{STYLE}">'
            f"{escape(bar.told)}</text>",
        ]
    return "\n".join([*parts, "</svg>", ""])


def _ends(shown: Sequence[Bar], logarithmic: bool) -> tuple[float, float]:
    high = max(bar.high for bar in shown)
    if not logarithmic:
        return 0.0, high
    low = min(bar.low for bar in shown if bar.low > 0)
    return 10 ** math.floor(math.log10(low) - 0.01), high
