"""A typical hand-written guard: ends processes with the same command line, then takes a lock file.

    guard.py LOCK COMMAND...
"""

import subprocess
import sys

import psutil
from filelock import FileLock


def others(command):
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] == command:
            yield process


def main(lock, *command):
    old = list(others(list(command)))
    for process in old:
        process.terminate()
    _, alive = psutil.wait_procs(old, timeout=30)
    for process in alive:
        process.kill()
    with FileLock(lock, timeout=60):
        return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
