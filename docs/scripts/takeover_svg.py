#!/usr/bin/env python3
"""Draws docs/takeover.svg from a real takeover in a terminal: `docs/scripts/takeover_svg.py`.

What the program prints is drawn as it is, but for one path: the lock folder, which the script makes
for itself, is shown as a user's.

`--check` changes nothing, and fails where the picture shows other words than the program prints.
"""

import argparse
import difflib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURE = ROOT / "docs/takeover.svg"
BOT = """import os, time
print("pid", os.getpid(), "polls", flush=True)
time.sleep(600)
"""
LOCK_FOLDER = "~/.local/state/monopoll"
COLUMNS = 88
DEADLINE_S = 60

CELL, LINE, MARGIN, BAR = 8.43, 19, 16, 34
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
COLORS = {
    30: "#484f58", 31: "#ff7b72", 32: "#7ee787", 33: "#e3b341",
    34: "#79c0ff", 35: "#d2a8ff", 36: "#56d4dd", 37: "#e6edf3",
    90: "#8b949e", 91: "#ffa198", 92: "#aff5b4", 93: "#f2cc60",
    94: "#a5d6ff", 95: "#e2c5ff", 96: "#b3f0ff", 97: "#ffffff",
}  # fmt: skip


class Screen:
    """What a terminal shows: lines of cells, each a character and its style."""

    def __init__(self):
        self.lines, self.row, self.column = [[]], 0, 0
        self.style = (None, False, False)  # color, bold, dim

    def feed(self, text):
        for sequence, private, numbers, final, character in re.findall(
            r"(\x1b\[(\?)?([\d;]*)([A-Za-z]))|(.)", text, re.DOTALL
        ):
            if sequence:
                if not private:
                    self.control([int(it or 0) for it in numbers.split(";")], final)
            elif character == "\n":
                self.row += 1
                self.lines.extend([] for _ in range(self.row + 1 - len(self.lines)))
            elif character == "\r":
                self.column = 0
            else:
                self.put(character)

    def put(self, character):
        if self.column == COLUMNS:
            self.feed("\r\n")
        line = self.lines[self.row]
        line.extend([(" ", self.style)] * (self.column + 1 - len(line)))
        line[self.column] = (character, self.style)
        self.column += 1

    def control(self, numbers, final):
        if final == "m":
            for number in numbers:
                self.style = styled(self.style, number)
        elif final == "K":
            line = self.lines[self.row]
            del line[0 if numbers[0] == 2 else self.column :]
        elif final == "A":
            self.row = max(0, self.row - max(1, numbers[0]))
        elif final == "J":
            del self.lines[self.row + 1 :]
            del self.lines[self.row][self.column :]
        else:
            sys.exit(f"the terminal does not know the sequence {numbers}{final}")

    def text(self):
        return "".join("".join(cell for cell, _ in line).rstrip() + "\n" for line in self.lines)


def styled(style, number):
    color, bold, dim = style
    if number == 0:
        return (None, False, False)
    if number == 1:
        return (color, True, dim)
    if number == 2:
        return (color, bold, True)
    if number == 22:
        return (color, False, False)
    return (COLORS.get(number), bold, dim)


class Terminal:
    """Runs commands as a person types them, one terminal for all."""

    def __init__(self, folder, environment, shown_as):
        self.folder, self.environment, self.shown_as = folder, environment, shown_as
        self.screen, self.processes = Screen(), []
        self.master, self.slave = pty.openpty()
        size = f"stty cols {COLUMNS} rows 60"
        subprocess.run(size.split(), stdin=self.slave, check=True)

    def type(self, line):
        """Shows a prompt and a command, and starts what it says."""
        self.screen.feed(f"\x1b[1;32m$\x1b[0m \x1b[1m{line}\x1b[0m\r\n")
        for command in filter(None, (part.strip() for part in line.split(" & "))):
            process = subprocess.Popen(
                command.rstrip(" &").split(),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=self.slave,
                stderr=self.slave,
                start_new_session=True,
            )
            self.processes.append(process)

    def until(self, what, is_reached):
        """Reads what is printed until this is reached."""
        end = time.monotonic() + DEADLINE_S
        while not is_reached():
            if time.monotonic() > end:
                sys.exit(f"waited in vain for {what}:\n{self.screen.text()}")
            self.read(0.05)
        while self.read(0.2):
            pass

    def read(self, patience):
        if not select.select([self.master], [], [], patience)[0]:
            return False
        printed = os.read(self.master, 65536).decode()
        for path, shown in self.shown_as.items():
            printed = printed.replace(path, shown)
        self.screen.feed(printed)
        return True

    def pollers(self, count):
        poller = re.compile(r"^pid \d+ polls$", re.MULTILINE)
        self.until(f"{count} pollers", lambda: len(poller.findall(self.screen.text())) == count)

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(DEADLINE_S)


def takeover(monopoll):
    """Returns the screen after two bots that fight were taken over from."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        programs, bot = folder / "bin", folder / "bot"
        locks = folder / "locks"
        for made in (programs, bot, locks):
            made.mkdir(mode=0o700)
        programs.joinpath("monopoll").symlink_to(monopoll)
        programs.joinpath("python3").symlink_to(Path(sys.executable).resolve())
        bot.joinpath("main.py").write_text(BOT)
        environment = {
            "PATH": f"{programs}:{os.defpath}",
            "HOME": str(folder),
            "TERM": "xterm-256color",
            "MONOPOLL_LOCK__PATHS": f'["{locks}/{{instance}}.lock"]',
        }
        terminal = Terminal(bot, environment, {str(locks): LOCK_FOLDER})
        try:
            terminal.type("python3 main.py & python3 main.py &")
            terminal.pollers(2)
            terminal.type("monopoll --on-conflict graceful plan -- python3 main.py")
            plan = terminal.processes[-1]
            terminal.until("the plan", lambda: plan.poll() is not None)
            terminal.type("monopoll --on-conflict graceful run -- python3 main.py")
            terminal.pollers(3)
        finally:
            terminal.end()
        return terminal.screen


def runs(line):
    """The longest parts of one style, without spaces around them, each with its first column."""
    begin = 0
    for at in range(1, len(line) + 1):
        if at == len(line) or line[at][1] != line[begin][1]:
            text = "".join(cell for cell, _ in line[begin:at])
            bare = text.lstrip()
            if bare:
                yield begin + len(text) - len(bare), bare.rstrip(), line[begin][1]
            begin = at


def picture(screen):
    lines = list(screen.lines)
    while lines and not any(cell.strip() for cell, _ in lines[-1]):
        lines.pop()
    width = round(2 * MARGIN + COLUMNS * CELL)
    height = BAR + len(lines) * LINE + MARGIN
    drawn = []
    for number, line in enumerate(lines):
        y = BAR + (number + 1) * LINE - 5
        for column, text, (color, bold, dim) in runs(line):
            text_width = f"{len(text) * CELL:.1f}"
            style = f' fill="{color}"' if color else ""
            style += ' font-weight="bold"' if bold else ""
            style += ' opacity="0.7"' if dim else ""
            drawn.append(
                f'<text x="{MARGIN + column * CELL:.1f}" y="{y}" textLength="{text_width}"{style}>'
                f"{escape(text)}</text>"
            )
    dots = "".join(
        f'<circle cx="{20 + 20 * at}" cy="17" r="6" fill="{color}"/>'
        for at, color in enumerate(["#ff5f57", "#febc2e", "#28c840"])
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>Two bots poll; monopoll ends both and starts one</title>
<!-- Made by docs/scripts/takeover_svg.py from a real run. -->
<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>
{dots}
<g fill="#e6edf3" font-size="14" xml:space="preserve" font-family="{FONTS}">
{chr(10).join(drawn)}
</g>
</svg>
"""


def words(svg):
    """The words of a picture: no pid, no time, no name that is made from a path."""
    parts = re.findall(r'<text x="[\d.]+" y="(\d+)"[^>]*>([^<]*)</text>', svg)
    text = " ".join(part for _, part in parts)
    text = re.sub(r"main\.py-[0-9a-f]{12}", "main.py-HASH", text)
    text = re.sub(r"user \S+,", "user NAME,", text)
    text = re.sub(r"\d+(ms|s)( \d+ms)? old", "N old", text)
    text = re.sub(r"in \d+(ms|s)\b", "in N", text)
    return re.sub(r"\bpid \d+", "pid N", text).split()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments.add_argument(
        "--monopoll",
        default=str(ROOT / "target/debug/monopoll"),
        help="the program to run (default: %(default)s)",
    )
    arguments = arguments.parse_args()
    monopoll = shutil.which(arguments.monopoll) or sys.exit(f"no program {arguments.monopoll}")
    drawn = picture(takeover(Path(monopoll).resolve()))
    if not arguments.check:
        PICTURE.write_text(drawn)
        return
    shown, printed = words(PICTURE.read_text()), words(drawn)
    # A longer pid may move the place where a line is broken.
    if "".join(shown) != "".join(printed):
        print(*difflib.unified_diff(shown, printed, "the picture", "now", lineterm=""), sep="\n")
        sys.exit("run docs/scripts/takeover_svg.py to draw it again")


if __name__ == "__main__":
    main()
