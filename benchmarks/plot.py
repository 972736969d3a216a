"""A bar chart of the requests per second of the service and its baselines, as SVG."""

from xml.sax.saxutils import escape

from benchmarks.run import Sections

WIDTH, LEFT, LINE_HEIGHT = 400, 66, 18  # pixels; no wider than the screen of a phone
COLOURS = {"service": "#2563eb", "limit": "#9ca3af", "bare": "#9ca3af", "textbook": "#f59e0b"}


def plot(sections: Sections) -> str:
    """Return one group of bars per request, scaled to the longest bar of the group."""
    parts, y = [], 10
    bar = f'<rect x="{LEFT}" y="{{}}" width="{{:.0f}}" height="{LINE_HEIGHT - 4}" fill="{{}}"/>'
    requests = {title: cases for title, cases in sections.items() if title.startswith("requests")}
    for title, cases in requests.items():
        database = title.partition(", ")[2]
        for request, measured in cases.items():
            rates = {
                name: figures["per_second"]["median"]
                for name, figures in measured.items()
                if name in COLOURS
            }
            label = escape(f"{request}, {database}")
            parts.append(f'<text x="8" y="{y + LINE_HEIGHT * 0.7:.0f}">{label}</text>')
            y += LINE_HEIGHT
            for name, rate in rates.items():
                length = (WIDTH - LEFT - 70) * rate / max(rates.values())
                middle = y + LINE_HEIGHT * 0.7
                end = f'x="{LEFT - 8}" y="{middle:.0f}" text-anchor="end"'
                parts += [
                    f"<text {end}>{name}</text>",
                    bar.format(y, length, COLOURS[name]),
                    f'<text x="{LEFT + length + 6:.0f}" y="{middle:.0f}">{rate:.0f}/s</text>',
                ]
                y += LINE_HEIGHT
            y += 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
    head += 'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join([head, *parts, "</svg>\n"])
