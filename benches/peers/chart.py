"""Draws what was measured: plain SVG, readable on light and on dark pages."""

import html
import statistics

import report

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.page { fill: #ffffff } .faint { fill: #57606a } .title { font-weight: 600 } .number { text-anchor: end }
.grid { stroke: #d0d7de } .one { stroke: #57606a; stroke-dasharray: 4 3 } .whisker { stroke: #24292f; stroke-width: 1.5 }
.own { fill: #0969da } .peer { fill: #8c959f } .floor { fill: #d0d7de } .limit { stroke: #bc4c00; stroke-width: 2.5 }
.aim { fill: none; stroke: #1a7f37; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.page { fill: #0d1117 } .faint { fill: #9198a1 }
.grid { stroke: #30363d } .one { stroke: #9198a1 } .whisker { stroke: #e6edf3 }
.own { fill: #4493f8 } .peer { fill: #6e7681 } .floor { fill: #3d444d } .limit { stroke: #f0883e }
.aim { stroke: #3fb950 }
}
"""
FLOOR = ("copy-only", "splice-only", "directly")


class Drawing:
    def __init__(self, width, height, title):
        self.size, self.title, self.parts = (width, height), title, []
        self.add("rect", cls="page", width=width, height=height)

    def add(self, tag, cls="", **attributes):
        words = "".join(f' {name.replace("_", "-")}="{value:g}"' if isinstance(value, (int, float)) else f' {name}="{value}"'
                        for name, value in attributes.items())
        self.parts.append(f'<{tag} class="{cls}"{words}/>')

    def line(self, cls, x1, y1, x2, y2):
        self.add("line", cls=cls, x1=x1, y1=y1, x2=x2, y2=y2)

    def text(self, x, y, words, cls=""):
        self.parts.append(f'<text class="{cls}" x="{x:g}" y="{y:g}">{html.escape(words)}</text>')

    def whisker(self, low, high, y):
        self.line("whisker", low, y, high, y)
        for x in (low, high):
            self.line("whisker", x, y - 3, x, y + 3)

    def svg(self):
        width, height = self.size
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        return "\n".join([head, f"<title>{html.escape(self.title)}</title><style>{STYLE}</style>", *self.parts, "</svg>", ""])


def ratio_chart(results):
    """Parvis' CPU time by that of the better of the others, of all cases: dot and whiskers, limit and aim."""
    rows = [(case, ratios) for case, measured in results if (ratios := report.ratios(measured, "Parvis", ["nginx", "HAProxy"]))]
    left, width, step, top = 300, 380, 28, 62
    most = max([1.2, *(ratio for _, ratios in rows for ratio in ratios)]) + 0.05
    drawing = Drawing(left + width + 170, top + step * len(rows) + 62, "CPU time of Parvis, as a ratio to the better of nginx and HAProxy")

    def place(ratio):
        return left + ratio / most * width

    bottom = top + step * len(rows)
    drawing.text(16, 28, drawing.title, "title")
    for tenth in range(0, int(most * 10) + 1, 2):
        drawing.line("one" if tenth == 10 else "grid", place(tenth / 10), top - 10, place(tenth / 10), bottom)
        drawing.text(place(tenth / 10) - 9, top - 16, f"{tenth / 10:.1f}", "faint")
    for number, (case, ratios) in enumerate(rows):
        y, middle = top + step * number + step / 2, statistics.median(ratios)
        drawing.text(16, y + 4, case.name)
        drawing.line("limit", place(case.at_most), y - 9, place(case.at_most), y + 9)
        x = place(case.aim)
        drawing.add("path", cls="aim", d=f"M{x:g} {y - 6:g} l6 6 l-6 6 l-6 -6 z")
        drawing.whisker(place(min(ratios)), place(max(ratios)), y)
        drawing.add("circle", cls="own", cx=place(middle), cy=y, r=5.5)
        drawing.text(left + width + 16, y + 4, f"{middle:.2f}  {report.verdict(middle, case.at_most, case.aim)}")
    y = bottom + 28
    drawing.add("circle", cls="own", cx=left + 6, cy=y - 4, r=5.5)
    drawing.text(left + 18, y, "median, min to max")
    drawing.line("limit", left + 156, y - 13, left + 156, y + 5)
    drawing.text(left + 166, y, "at most")
    drawing.add("path", cls="aim", d=f"M{left + 236} {y - 10} l6 6 l-6 6 l-6 -6 z")
    drawing.text(left + 250, y, "aim")
    drawing.text(16, y, "less is better", "faint")
    return drawing.svg()


def panels(title, wanted):
    """Bars of the programs, a panel of its own scale for each of `wanted`: (name, {program: values}, digits)."""
    columns, label, bar, step = 2, 150, 190, 22
    wide = label + bar + 100
    rows = [wanted[at:at + columns] for at in range(0, len(wanted), columns)]
    heights = [max(len(values) for _, values, _ in row) * step + 48 for row in rows]
    drawing = Drawing(wide * columns + 16, 48 + sum(heights) + 8, title)
    drawing.text(16, 28, title, "title")
    top = 48
    for row, height in zip(rows, heights):
        for column, (name, values, digits) in enumerate(row):
            left = 16 + wide * column
            drawing.text(left, top + 18, name, "title")
            # Who is far off would press all others to the left: its bar is cut off, and pointed.
            middles = sorted(statistics.median(one) for one in values.values())
            most = max(max(one) for one in values.values() if statistics.median(one) <= 2.5 * middles[len(middles) // 2]) or 1
            for number, (program, one) in enumerate(values.items()):
                y, middle = top + 30 + step * number, statistics.median(one)
                drawing.text(left, y + 13, program)
                cls = "own" if program == "Parvis" else "floor" if program in FLOOR else "peer"
                drawing.add("rect", cls=cls, x=left + label, y=y, width=min(1, middle / most) * bar, height=step - 6)
                if middle > most:
                    x, tip = left + label + bar, y + step / 2 - 3
                    drawing.add("path", cls=cls, d=f"M{x:g} {y:g} l7 {tip - y:g} l-7 {tip - y:g} z")
                elif len(one) > 1:
                    drawing.whisker(left + label + min(one) / most * bar, left + label + max(one) / most * bar, y + step / 2 - 3)
                drawing.text(left + label + bar + 72, y + 13, f"{middle:,.{digits}f}", "number")
        top += height
    return drawing.svg()


def cost_chart(results):
    """CPU time by program, of every case."""
    def panel(case, measured):
        unit = "s per GB" if case.bulk else "µs"
        values = {name: [case.unit(one["cpu"]) for one in rounds] for name, rounds in measured.items()}
        return f"{case.name}, {unit}", values, 2 if case.bulk else 1

    return panels("CPU time by program: median, min to max; less is better", [panel(*result) for result in results])


def idle_chart(idle):
    wanted = [(f"{count:,} {case.name}, bytes each", {name: [bytes_] for name, bytes_ in measured.items()}, 0)
              for case, count, measured in idle]
    return panels("Memory of connections that wait; less is better", wanted)


def draw(directory, results, idle):
    """Writes the charts. Returns their names and what they show."""
    directory.mkdir(parents=True, exist_ok=True)
    charts = {}
    if any(report.ratios(measured, "Parvis", ["nginx", "HAProxy"]) for _, measured in results):
        charts["ratios.svg"] = ratio_chart(results)
    if results:
        charts["costs.svg"] = cost_chart(results)
    if idle:
        charts["idle.svg"] = idle_chart(idle)
    for name, chart in charts.items():
        (directory / name).write_text(chart)
    return list(charts)
