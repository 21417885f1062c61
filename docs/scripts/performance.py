#!/usr/bin/env python3
"""Brings measurements into the docs: `cargo bench --bench peers | docs/scripts/performance.py`.

Puts the bench's table into docs/performance.md and five of its rows into README.md, and draws
docs/performance.svg. `--check` reads no measurements and changes nothing: it fails where the plot
or the README differ from the table in the page.
"""

import argparse
import math
import re
import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE, PLOT = ROOT / "docs/performance.md", ROOT / "docs/performance.svg"
README = ROOT / "README.md"
PART = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)

# The rows of the README: what it calls them, the bench's row and what it is measured beside.
FIVE = [
    ("start to first instruction", "start → exec, 100 processes", "`flock -n`"),
    ("end of the old bot to the new one", "old one's exit → exec, taking over", "`flock -w`"),
    (
        "takeover of an unguarded bot",
        "cold takeover of an orphan: start → exec",
        "`start-stop-daemon`, stop + start",
    ),
    ("`plan` among 1,000 processes", "`plan`, 1000 processes", "`pgrep -f`"),
    ("memory of a guard while its bot runs", "resident guard: private memory", "Python guard"),
]
# The bars of the plot: a title, the bench's row and what it is measured beside.
BARS = [
    (
        "Start until the bot's first instruction",
        "start → exec, 100 processes",
        ["`flock -n`", "`start-stop-daemon --start`", "Python guard"],
    ),
    (
        "Takeover: the old bot's end until the new one's first instruction",
        "old one's exit → exec, taking over",
        ["`flock -w`", "`start-stop-daemon`, stop + start", "Python guard"],
    ),
    (
        "Takeover of a bot without a guard",
        "cold takeover of an orphan: start → exec",
        ["`start-stop-daemon`, stop + start", "Python guard"],
    ),
]
COUNTS = [100, 1000, 5000, 10000]
OURS, THEIRS, INK, FAINT = "#2563eb", "#9ca3af", "#111827", "#d1d5db"


def rows(table):
    """The cells of each row by its first and third: what is measured, and beside what."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {(row[0], row[2]): row for row in cells[2:]}


def number(cell):
    return float(cell.split()[0])


def five(rows):
    lines = ["| what | monopoll | compared with | its figure |", "| --- | ---: | --- | ---: |"]
    for name, what, beside in FIVE:
        row = rows[what, beside]
        lines.append(f"| {name} | {row[1]} | {beside} | {row[3]} |")
    return "\n".join(lines) + "\n"


class Drawing:
    def __init__(self):
        self.parts = []

    def text(self, x, y, text, anchor="start", size=12, color=INK, weight="normal"):
        self.parts.append(
            f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}"'
            f' fill="{color}" font-weight="{weight}">{escape(text)}</text>'
        )

    def add(self, part):
        self.parts.append(part)


def bars(drawing, rows, top):
    """Draws each comparison as bars on one scale; returns where they end."""
    measured = []
    for title, what, peers in BARS:
        ours = number(rows[what, peers[0]][1])
        values = [("monopoll", ours)]
        values += [(peer.replace("`", ""), number(rows[what, peer][3])) for peer in peers]
        measured.append((title, values))
    scale = 380 / max(value for _, values in measured for _, value in values)
    for title, values in measured:
        drawing.text(20, top + 14, title, weight="bold")
        top += 24
        for name, value in values:
            color = OURS if name == "monopoll" else THEIRS
            width = max(1, value * scale)
            drawing.text(210, top + 12, name, anchor="end")
            drawing.add(f'<rect x="220" y="{top}" width="{width:.1f}" height="15" fill="{color}"/>')
            drawing.text(226 + width, top + 12, f"{value:.1f} ms")
            top += 20
        top += 12
    return top


def lines(drawing, rows, top):
    """Draws `plan` beside `pgrep -f` over the number of processes, both axes logarithmic."""
    left, width, height = 220, 340, 170
    drawing.text(20, top + 14, "A look at all processes, by their number", weight="bold")
    top += 30
    series = [("monopoll plan", OURS, 1), ("pgrep -f", THEIRS, 3)]
    taken = {
        name: [number(rows[f"`plan`, {count} processes", "`pgrep -f`"][cell]) for count in COUNTS]
        for name, _, cell in series
    }
    low, high = 1, 10 ** math.ceil(math.log10(max(map(max, taken.values()))))
    span = math.log10(COUNTS[-1] / COUNTS[0])

    def x(count):
        return left + width * math.log10(count / COUNTS[0]) / span

    def y(value):
        return top + height - height * math.log10(value / low) / math.log10(high / low)

    tick = low
    while tick <= high:
        grid = f'x1="{left}" x2="{left + width}" y1="{y(tick):.0f}" y2="{y(tick):.0f}"'
        drawing.add(f'<line {grid} stroke="{FAINT}"/>')
        drawing.text(left - 8, y(tick) + 4, f"{tick} ms", anchor="end")
        tick *= 10
    for count in COUNTS:
        drawing.text(x(count), top + height + 18, f"{count:,}", anchor="middle")
    for name, color, _ in series:
        points = [(x(count), y(value)) for count, value in zip(COUNTS, taken[name])]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        drawing.add(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for px, py in points:
            drawing.add(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{color}"/>')
        drawing.text(points[-1][0] + 8, points[-1][1] + 4, name)
    return top + height + 34


def plot(rows):
    drawing = Drawing()
    bottom = lines(drawing, rows, bars(drawing, rows, 12))
    inside = "\n".join(drawing.parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {bottom}" role="img">
<title>monopoll beside flock, start-stop-daemon, a Python guard and pgrep</title>
<!-- Made by docs/scripts/performance.py from the table in docs/performance.md. -->
<rect width="700" height="{bottom}" fill="#ffffff"/>
<g font-family="system-ui, 'DejaVu Sans', sans-serif">
{inside}
</g>
</svg>
"""


def replaced(path, table):
    text, count = PART.subn(lambda it: it[1] + table + it[2], path.read_text())
    if count != 1:
        sys.exit(f"{path} needs one `<!-- measured -->` … `<!-- end -->`")
    return text


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="compare, write nothing")
    is_check = arguments.parse_args().check
    source = PAGE.read_text() if is_check else sys.stdin.read()
    table = "".join(line + "\n" for line in source.splitlines() if line.startswith("|"))
    measured = rows(table)
    wanted = {PLOT: plot(measured), README: replaced(README, five(measured))}
    if is_check:
        stale = [str(it.name) for it, text in wanted.items() if it.read_text() != text]
        if stale:
            sys.exit(f"{' and '.join(stale)}: not what the table in {PAGE.name} says; put that "
                     f"table into docs/scripts/performance.py")
        return
    wanted[PAGE] = replaced(PAGE, table)
    for path, text in wanted.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
