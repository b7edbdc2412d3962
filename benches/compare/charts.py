"""Bar charts as SVG files: groups of bars, one bar per series, with the values above the bars."""

import math
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 88, 40
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
WIDEST_BAR = 64
GRID_LINES = 4

# Readable on light and on dark pages, because the chart has its own background.
BACKGROUND, TEXT, GRID = "#ffffff", "#24292f", "#d0d7de"


@dataclass
class Series:
    label: str
    color: str
    values: list  # one value per group; None leaves a gap


@dataclass
class Chart:
    title: str
    unit: str
    groups: list  # the labels below the groups
    series: list

    def has_values(self):
        return any(value is not None for series in self.series for value in series.values)

    def with_values_only(self):
        """The chart without the groups and the series that have no value."""
        series = [one for one in self.series if any(value is not None for value in one.values)]
        kept = [i for i in range(len(self.groups)) if any(one.values[i] is not None for one in series)]
        return Chart(
            self.title,
            self.unit,
            [self.groups[i] for i in kept],
            [Series(one.label, one.color, [one.values[i] for i in kept]) for one in series],
        )

    def description(self):
        """The values as text, for readers who do not see the picture."""
        sentences = []
        for series in self.series:
            pairs = zip(self.groups, series.values)
            values = [f"{group} {number(value)}" for group, value in pairs if value is not None]
            sentences.append(f"{series.label}: {', '.join(values)}.")
        return f"{self.title}, in {self.unit}. {' '.join(sentences)}"


def number(value):
    """The value with three significant digits or all digits of its integer part."""
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}"


def axis_step(largest):
    """The distance of the grid lines: 1, 2, 2.5 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(largest / GRID_LINES))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power * GRID_LINES >= largest)


def text(x, y, content, size=12, anchor="middle", weight="normal"):
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(content)}</text>'


def legend(series):
    """The colors and labels in one line. The width of a label is estimated, because SVG cannot measure it."""
    parts, x = [], LEFT
    for one in series:
        parts.append(f'<rect x="{x:.1f}" y="48" width="12" height="12" fill="{one.color}"/>')
        parts.append(text(x + 18, 58, one.label, anchor="start"))
        x += 18 + 7 * len(one.label) + 20
    return parts


def grid(step):
    parts = []
    for line in range(GRID_LINES + 1):
        y = TOP + PLOT_HEIGHT * (1 - line / GRID_LINES)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        parts.append(text(LEFT - 8, y + 4, f"{line * step:,.10g}", size=11, anchor="end"))
    return parts


def bars(chart, step):
    parts, group_width = [], PLOT_WIDTH / len(chart.groups)
    width = min(WIDEST_BAR, group_width * 0.84 / len(chart.series))
    for i, group in enumerate(chart.groups):
        middle = LEFT + group_width * (i + 0.5)
        parts.append(text(middle, HEIGHT - BOTTOM + 22, group, size=13))
        left = middle - width * len(chart.series) / 2
        for place, series in enumerate(chart.series):
            value = series.values[i]
            if value is None:
                continue
            height = max(0.0, value) / (step * GRID_LINES) * PLOT_HEIGHT
            x, y = left + width * place + 1, TOP + PLOT_HEIGHT - height
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width - 2:.1f}" height="{height:.1f}" fill="{series.color}"/>'
            )
            parts.append(text(x + width / 2 - 1, y - 5, number(value), size=11))
    return parts


def svg(chart):
    """The chart as an SVG document. It must have at least one value."""
    chart = chart.with_values_only()
    largest = max(value for series in chart.series for value in series.values if value is not None)
    step = axis_step(largest if largest > 0 else 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-labelledby="title description" font-family="sans-serif" fill="{TEXT}">',
        f'<title id="title">{escape(chart.title)}</title>',
        f'<desc id="description">{escape(chart.description())}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{BACKGROUND}"/>',
        text(LEFT, 30, f"{chart.title} ({chart.unit})", size=16, anchor="start", weight="bold"),
        *legend(chart.series),
        *grid(step),
        *bars(chart, step),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
